// Package file opens and writes the files of bunkms encrypt-file and
// decrypt-file, given their data key. It implements spec/file.md with the
// standard library alone. Programs that have a server use Client.NewFileWriter
// and Client.NewFileReader of package bunkms, which get the data key.
package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
)

// What can be wrong with a file.
var (
	// ErrFormat is returned for what is not an encrypted file.
	ErrFormat = errors.New("bunkms: not an encrypted file")
	// ErrVersion is returned for a file of a later version of the format.
	ErrVersion = errors.New("bunkms: the file's version is not supported")
	// ErrTruncated is returned for a file that is cut short.
	ErrTruncated = errors.New("bunkms: the file is truncated")
	// ErrChanged is returned for a file that is not as it was written.
	ErrChanged = errors.New("bunkms: the file was changed")
	// ErrKey is returned when the data key is not that of the file.
	ErrKey = errors.New("bunkms: the data key is not that of the file")
)

const (
	keyLength     = 32
	segmentLength = 65536
	markLength    = 4
	tagLength     = 16
	nonceLength   = 12
	lastMark      = 1 << 31
)

// Open reads the header of an encrypted file, gets its data key from unwrap,
// and returns a reader of the plaintext. The data key is zeroed.
//
// Every byte that the reader returns is authentic, but that the file is whole
// is known only when it returns io.EOF. Until then do not act on what was read.
// Whatever is wrong with the file, Open and the reader return one of the errors
// of this package, or the error of source or unwrap.
func Open(source io.Reader, unwrap func(Header) ([]byte, error)) (io.Reader, error) {
	header, err := readHeader(source)
	if err != nil {
		return nil, err
	}
	dataKey, err := unwrap(header)
	if err != nil {
		return nil, err
	}
	defer clear(dataKey)
	if len(dataKey) != keyLength {
		return nil, ErrKey
	}
	commitment, err := deriveCommitment(dataKey, header.salt)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(commitment, header.commitment) != 1 {
		return nil, ErrKey
	}
	aead, err := payloadCipher(dataKey, header)
	if err != nil {
		return nil, err
	}
	return &reader{source: source, aead: aead}, nil
}

func deriveCommitment(dataKey, salt []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, dataKey, salt, "bunkms file v1 commitment", fieldLength)
}

// payloadCipher is the cipher of the segments below a header.
func payloadCipher(dataKey []byte, header Header) (cipher.AEAD, error) {
	info := "bunkms file v1 payload" + string(header.digest)
	payloadKey, err := hkdf.Key(sha256.New, dataKey, header.salt, info, keyLength)
	if err != nil {
		return nil, err
	}
	defer clear(payloadKey)
	block, err := aes.NewCipher(payloadKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// segmentNonce is the segment's number after seven zero bytes, and whether it is the last.
func segmentNonce(index uint32, isLast bool) []byte {
	nonce := make([]byte, nonceLength)
	binary.BigEndian.PutUint32(nonce[7:], index)
	if isLast {
		nonce[nonceLength-1] = 1
	}
	return nonce
}

// reader opens one segment after the other.
type reader struct {
	source io.Reader
	aead   cipher.AEAD
	// index is the number of the next segment.
	index  uint32
	isLast bool
	sealed [segmentLength + tagLength]byte
	// plaintext is what of the present segment was not yet read.
	plaintext []byte
	err       error
}

func (r *reader) Read(into []byte) (int, error) {
	for len(r.plaintext) == 0 && r.err == nil {
		if r.isLast {
			r.err = r.end()
		} else {
			r.err = r.next()
		}
	}
	if len(r.plaintext) == 0 {
		return 0, r.err
	}
	count := copy(into, r.plaintext)
	r.plaintext = r.plaintext[count:]
	return count, nil
}

// next opens the next segment, steps 5 and 6 of "Reading" in spec/file.md.
func (r *reader) next() error {
	prefix, err := take(r.source, markLength)
	if err != nil {
		return err
	}
	mark := binary.BigEndian.Uint32(prefix)
	r.isLast = mark >= lastMark
	length := mark &^ uint32(lastMark)
	if !r.isLast && length != segmentLength || length > segmentLength || length == 0 && r.index > 0 {
		return ErrChanged
	}
	sealed := r.sealed[:length+tagLength]
	if _, err := io.ReadFull(r.source, sealed); err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	} else if err != nil {
		return err
	}
	plaintext, err := r.aead.Open(sealed[:0], segmentNonce(r.index, r.isLast), sealed, nil)
	if err != nil {
		return ErrChanged
	}
	r.plaintext = plaintext
	r.index++
	if r.index == 0 && !r.isLast {
		// Another segment would have the number of the first.
		return ErrChanged
	}
	return nil
}

// end is step 7: after the last segment there is nothing.
func (r *reader) end() error {
	switch _, err := take(r.source, 1); err {
	case nil:
		return ErrChanged
	case ErrTruncated:
		return io.EOF
	default:
		return err
	}
}
