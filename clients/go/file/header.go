package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// Binding is the kind of additional data that a file's data key is bound to.
type Binding byte

const (
	// BoundToNothing is a file without additional data.
	BoundToNothing Binding = iota
	// BoundToBytes is a file bound to bytes.
	BoundToBytes
	// BoundToContext is a file bound to an encryption context.
	BoundToContext
)

// Header is what a file says of its key. Nothing of it is authenticated until
// a part of the plaintext was read.
type Header struct {
	// Binding is the kind of additional data that unwrapping needs.
	Binding Binding
	// KeyName is the name that the key had when the file was written.
	KeyName string
	// WrappedDataKey is the text of a ciphertext, for envelope.Open.
	WrappedDataKey string

	salt, commitment, digest []byte
}

const (
	version          = 1
	fieldLength      = 32
	maxNameLength    = 256
	maxWrappedLength = 8192
)

var magic = []byte{0x8b, 'B', 'K', 'M', 'S', 'F', '\r', '\n'}

// readHeader is steps 1 and 2 of "Reading" in spec/file.md.
func readHeader(source io.Reader) (Header, error) {
	// The digest covers every byte that was read before it.
	sum := sha256.New()
	hashed := io.TeeReader(source, sum)
	start, err := take(hashed, len(magic))
	if err == ErrTruncated || err == nil && !bytes.Equal(start, magic) {
		return Header{}, ErrFormat
	}
	if err != nil {
		return Header{}, err
	}
	numbers, err := take(hashed, 1)
	if err != nil {
		return Header{}, err
	}
	if numbers[0] != version {
		return Header{}, ErrVersion
	}
	var header Header
	if numbers, err = take(hashed, 1); err != nil {
		return Header{}, err
	}
	header.Binding = Binding(numbers[0])
	if header.KeyName, err = readText(hashed, maxNameLength); err != nil {
		return Header{}, err
	}
	if header.WrappedDataKey, err = readText(hashed, maxWrappedLength); err != nil {
		return Header{}, err
	}
	if header.salt, err = take(hashed, fieldLength); err != nil {
		return Header{}, err
	}
	if header.commitment, err = take(hashed, fieldLength); err != nil {
		return Header{}, err
	}
	header.digest = sum.Sum(nil)
	digest, err := take(source, fieldLength)
	if err != nil {
		return Header{}, err
	}
	if header.Binding > BoundToContext || !bytes.Equal(digest, header.digest) {
		return Header{}, ErrChanged
	}
	return header, nil
}

// readText reads a length and so many bytes of ASCII without blanks.
func readText(source io.Reader, limit int) (string, error) {
	prefix, err := take(source, 2)
	if err != nil {
		return "", err
	}
	length := int(binary.BigEndian.Uint16(prefix))
	if length < 1 || length > limit {
		return "", ErrChanged
	}
	text, err := take(source, length)
	if err != nil {
		return "", err
	}
	for _, character := range text {
		if !isTextByte(character) {
			return "", ErrChanged
		}
	}
	return string(text), nil
}

// isTextByte tells whether a text of a header may have it: ASCII, no blanks.
func isTextByte(character byte) bool { return character >= 0x21 && character <= 0x7e }

// take reads exactly so many bytes. The input's end is ErrTruncated.
func take(source io.Reader, length int) ([]byte, error) {
	taken := make([]byte, length)
	if _, err := io.ReadFull(source, taken); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, ErrTruncated
		}
		return nil, err
	}
	return taken, nil
}
