// Package envelope opens BunKMS data ciphertexts without a server, given the
// key version's 32 bytes. It implements spec/ciphertext.md with the standard
// library alone.
package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// ErrDecryption is returned for whatever is wrong with a ciphertext, its key
// or its additional data. It does not say what, so that nothing can be learnt
// by trying.
var ErrDecryption = errors.New("bunkms: decryption failed")

const (
	suite        = 0x0478
	keyLength    = 32
	headerLength = 101
	tagLength    = 16
)

var magic = []byte{0x6e, 0x49, 0xac}

// Header is what a ciphertext says of its key. Nothing of it is authenticated
// until Open has returned without an error.
type Header struct {
	// KeyID is the id of the key.
	KeyID [16]byte
	// Version is the version of the key, 1 or more.
	Version uint32
}

// ParseHeader reads which key a ciphertext was made with. It returns
// ErrDecryption for a text that is not a ciphertext.
func ParseHeader(ciphertext string) (Header, error) {
	parsed, err := parse(ciphertext)
	if err != nil {
		return Header{}, err
	}
	return parsed.header, nil
}

// Open verifies and decrypts the text of a ciphertext.
//
// The key is that of the key version which the header names, 32 bytes.
// The additional data is what the writer gave: nil for none, Raw or Context.
// It returns ErrDecryption and nothing else when anything is wrong.
func Open(key []byte, ciphertext string, additional AdditionalData) ([]byte, error) {
	parsed, err := parse(ciphertext)
	if err != nil || len(key) != keyLength {
		return nil, ErrDecryption
	}
	encoded, err := encode(additional)
	if err != nil {
		return nil, ErrDecryption
	}
	commitment, err := hkdf.Key(sha512.New, key, parsed.salt, "COMMITKEY", len(parsed.commitment))
	if err != nil || subtle.ConstantTimeCompare(commitment, parsed.commitment) != 1 {
		return nil, ErrDecryption
	}
	derived, err := hkdf.Key(sha512.New, key, parsed.salt, "\x04\x78DERIVEKEY", keyLength)
	if err != nil {
		return nil, ErrDecryption
	}
	defer clear(derived)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, ErrDecryption
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, ErrDecryption
	}
	plaintext, err := gcm.Open(nil, parsed.nonce, parsed.sealed, append(parsed.authenticated, encoded...))
	if err != nil {
		return nil, ErrDecryption
	}
	return plaintext, nil
}

// parts are slices of the decoded ciphertext.
type parts struct {
	header Header
	// authenticated is the whole header, with no capacity beyond it.
	authenticated           []byte
	salt, commitment, nonce []byte
	// sealed is the data and its tag.
	sealed []byte
}

func parse(ciphertext string) (parts, error) {
	decoded, err := base64.StdEncoding.DecodeString(ciphertext)
	// The decoder skips line ends and, unless told otherwise, bits that encode
	// nothing. A ciphertext has one text only, so encode again and compare.
	if err != nil || base64.StdEncoding.EncodeToString(decoded) != ciphertext {
		return parts{}, ErrDecryption
	}
	if len(decoded) < headerLength+tagLength || !bytes.Equal(decoded[:3], magic) ||
		binary.BigEndian.Uint16(decoded[3:5]) != suite {
		return parts{}, ErrDecryption
	}
	parsed := parts{
		header:        Header{KeyID: [16]byte(decoded[5:21]), Version: binary.BigEndian.Uint32(decoded[21:25])},
		authenticated: decoded[:headerLength:headerLength],
		salt:          decoded[25:57],
		commitment:    decoded[57:89],
		nonce:         decoded[89:headerLength],
		sealed:        decoded[headerLength:],
	}
	if parsed.header.Version < 1 {
		return parts{}, ErrDecryption
	}
	return parsed, nil
}
