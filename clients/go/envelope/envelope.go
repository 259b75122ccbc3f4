// Package envelope opens BunKMS data ciphertexts without a server, given the
// key version's key. It implements spec/ciphertext.md with the standard
// library alone, and so not the suites that need more than that.
//
// It also seals and opens envelope messages, given their data key, by
// spec/envelope.md: [SealMessage], [OpenMessage]. Programs that have a server use
// bunkms.NewEnvelope, which gets the data keys.
package envelope

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// ErrDecryption is returned for whatever is wrong with a ciphertext, its key
// or its additional data. It does not say what, so that nothing can be learnt
// by trying.
var ErrDecryption = errors.New("bunkms: decryption failed")

// ErrSuite is returned for a ciphertext of a suite that Go's standard library
// has no cipher for.
var ErrSuite = errors.New("bunkms: the ciphertext's suite needs more than the standard library")

const (
	headerLength = 25
	keyIDAt      = 5
	versionAt    = 21
)

var magic = []byte{0x6e, 0x49, 0xac}

// Header is what a ciphertext says of itself. Nothing of it is authenticated
// until Open has returned without an error, and of RSA ciphertexts never.
type Header struct {
	// Suite is the number of the suite, "Suites" in spec/ciphertext.md.
	Suite uint16
	// KeyID is the id of the key.
	KeyID [16]byte
	// Version is the version of the key, 1 or more.
	Version uint32
}

// ParseHeader reads which key a ciphertext was made with. It returns
// ErrDecryption for a text that is not a ciphertext.
func ParseHeader(ciphertext string) (Header, error) {
	header, _, err := parse(ciphertext)
	return header, err
}

// Open verifies and decrypts the text of a ciphertext.
//
// The key is that of the key version which the header names: its bytes, of an
// RSA key the PKCS #8 DER. Of a key that derives keys it is what DeriveKey
// returns. The additional data is what the writer gave: nil for none, Raw or
// Context.
//
// It returns ErrSuite for a suite that it cannot read, and otherwise
// ErrDecryption and nothing else when anything is wrong.
func Open(key []byte, ciphertext string, additional AdditionalData) ([]byte, error) {
	header, decoded, err := parse(ciphertext)
	if err != nil {
		return nil, err
	}
	open := suites[header.Suite].open
	if open == nil {
		return nil, ErrSuite
	}
	encoded, err := encode(additional)
	if err != nil {
		return nil, ErrDecryption
	}
	plaintext, err := open(key, decoded, encoded)
	if err != nil {
		return nil, ErrDecryption
	}
	return plaintext, nil
}

// DeriveKey returns the key that a key which derives keys has for this
// additional data, "Derived keys" in spec/ciphertext.md.
func DeriveKey(key []byte, additional AdditionalData) ([]byte, error) {
	encoded, err := encode(additional)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(encoded)
	return hkdf.Key(sha256.New, key, nil, "bunkms derived key v1"+string(sum[:]), len(key))
}

// parse decodes a ciphertext and checks what can be checked without a key.
func parse(ciphertext string) (Header, []byte, error) {
	decoded, err := base64.StdEncoding.DecodeString(ciphertext)
	// The decoder skips line ends and, unless told otherwise, bits that encode
	// nothing. A ciphertext has one text only, so encode again and compare.
	if err != nil || base64.StdEncoding.EncodeToString(decoded) != ciphertext {
		return Header{}, nil, ErrDecryption
	}
	if len(decoded) < headerLength || !bytes.Equal(decoded[:len(magic)], magic) {
		return Header{}, nil, ErrDecryption
	}
	header := Header{
		Suite:   binary.BigEndian.Uint16(decoded[len(magic):]),
		KeyID:   [16]byte(decoded[keyIDAt:]),
		Version: binary.BigEndian.Uint32(decoded[versionAt:]),
	}
	known, ok := suites[header.Suite]
	if !ok || !known.fits(len(decoded)) || header.Version < 1 {
		return Header{}, nil, ErrDecryption
	}
	return header, decoded, nil
}
