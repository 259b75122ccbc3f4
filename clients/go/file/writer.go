package file

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

var (
	errHeader = errors.New("bunkms: a header cannot hold this key name, wrapped data key or binding")
	errLength = errors.New("bunkms: a file cannot be longer than 2^32 segments")
	errClosed = errors.New("bunkms: the file is closed")
)

// Create writes the header of a new encrypted file, and returns a writer that
// encrypts what it is given. The data key has 32 bytes and was made for this
// file alone; it is zeroed. Of the header, Binding, KeyName and WrappedDataKey
// are read.
//
// The file is whole when Close has returned nil. Close does not close the
// destination. A file that was never closed is one that readers find truncated.
func Create(destination io.Writer, header Header, dataKey []byte) (io.WriteCloser, error) {
	defer clear(dataKey)
	if len(dataKey) != keyLength {
		return nil, ErrKey
	}
	header.salt = make([]byte, fieldLength)
	rand.Read(header.salt)
	created, err := create(destination, header, dataKey)
	if err != nil {
		return nil, err
	}
	return created, nil
}

// create writes under the header's salt, which no other file may have with this
// data key.
func create(destination io.Writer, header Header, dataKey []byte) (*writer, error) {
	var err error
	if header.commitment, err = deriveCommitment(dataKey, header.salt); err != nil {
		return nil, err
	}
	encoded, err := header.encode()
	if err != nil {
		return nil, err
	}
	aead, err := payloadCipher(dataKey, header)
	if err != nil {
		return nil, err
	}
	if _, err := destination.Write(encoded); err != nil {
		return nil, err
	}
	return &writer{destination: destination, aead: aead}, nil
}

// encode returns the bytes of a header, "Header" in spec/file.md, and sets its
// digest.
func (h *Header) encode() ([]byte, error) {
	if h.Binding > BoundToContext || !isText(h.KeyName, maxNameLength) || !isText(h.WrappedDataKey, maxWrappedLength) {
		return nil, errHeader
	}
	encoded := append([]byte{}, magic...)
	encoded = append(encoded, version, byte(h.Binding))
	for _, text := range []string{h.KeyName, h.WrappedDataKey} {
		encoded = binary.BigEndian.AppendUint16(encoded, uint16(len(text)))
		encoded = append(encoded, text...)
	}
	encoded = append(encoded, h.salt...)
	encoded = append(encoded, h.commitment...)
	digest := sha256.Sum256(encoded)
	h.digest = digest[:]
	return append(encoded, h.digest...), nil
}

func isText(text string, limit int) bool {
	for _, character := range []byte(text) {
		if !isTextByte(character) {
			return false
		}
	}
	return len(text) >= 1 && len(text) <= limit
}

// writer seals one segment after the other. It keeps a whole one back until
// there is more, since the last is sealed otherwise.
type writer struct {
	destination io.Writer
	aead        cipher.AEAD
	// index is the number of the next segment.
	index uint64
	// segment has the mark, the plaintext so far, and room for the tag.
	segment [markLength + segmentLength + tagLength]byte
	length  int
	err     error
}

func (w *writer) Write(plaintext []byte) (int, error) {
	written := 0
	for len(plaintext) > 0 && w.err == nil {
		if w.length == segmentLength {
			w.err = w.seal(false)
			continue
		}
		count := copy(w.segment[markLength+w.length:markLength+segmentLength], plaintext)
		w.length += count
		written += count
		plaintext = plaintext[count:]
	}
	return written, w.err
}

// Close seals the last segment.
func (w *writer) Close() error {
	if w.err == errClosed {
		return nil
	}
	if w.err == nil {
		w.err = w.seal(true)
	}
	clear(w.segment[:])
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

// seal is "Segments" in spec/file.md.
func (w *writer) seal(isLast bool) error {
	if w.index >= 1<<32 {
		return errLength
	}
	mark := uint32(w.length)
	if isLast {
		mark |= lastMark
	}
	binary.BigEndian.PutUint32(w.segment[:], mark)
	plaintext := w.segment[markLength : markLength+w.length]
	sealed := w.aead.Seal(plaintext[:0], segmentNonce(uint32(w.index), isLast), plaintext, nil)
	w.index++
	w.length = 0
	_, err := w.destination.Write(w.segment[:markLength+len(sealed)])
	return err
}
