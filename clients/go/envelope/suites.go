package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"hash"
)

// suite is a row of the table "Suites" in spec/ciphertext.md.
type suite struct {
	// fits tells whether a ciphertext can have so many bytes.
	fits func(length int) bool
	// open decrypts, given the whole ciphertext and the canonical additional
	// data. It is nil where the standard library lacks the cipher.
	open func(key, ciphertext, additional []byte) ([]byte, error)
}

var suites = map[uint16]suite{
	0x0478: {atLeast(dataAt + tagLength), openCommitting},
	0xb101: {atLeast(headerLength + 24 + tagLength), nil}, // XAES-256-GCM
	0xb102: {atLeast(headerLength + nonceLength + tagLength), openGCM(32)},
	0xb103: {atLeast(headerLength + nonceLength + tagLength), openGCM(16)},
	0xb104: {atLeast(headerLength + nonceLength + tagLength), nil}, // AES-256-GCM-SIV
	0xb105: {atLeast(headerLength + nonceLength + tagLength), nil}, // the same, deterministic
	0xb106: {atLeast(headerLength + nonceLength + tagLength), nil}, // ChaCha20-Poly1305
	0xb201: {ofModulus, openOAEP(sha256.New)},
	0xb202: {ofModulus, openOAEP(sha512.New384)},
	0xb203: {ofModulus, openOAEP(sha512.New)},
	0xb204: {ofModulus, openOAEP(sha1.New)},
}

const (
	saltAt       = headerLength
	commitmentAt = saltAt + 32
	nonceAt      = commitmentAt + 32
	dataAt       = nonceAt + nonceLength
	nonceLength  = 12
	tagLength    = 16
)

var errKey = errors.New("the key is not one of the suite")

func atLeast(least int) func(int) bool {
	return func(length int) bool { return length >= least }
}

func ofModulus(length int) bool {
	size := length - headerLength
	return size == 256 || size == 384 || size == 512
}

func openCommitting(key, ciphertext, additional []byte) ([]byte, error) {
	if len(key) != 32 {
		return nil, errKey
	}
	salt, commitment := ciphertext[saltAt:commitmentAt], ciphertext[commitmentAt:nonceAt]
	own, err := hkdf.Key(sha512.New, key, salt, "COMMITKEY", len(commitment))
	if err != nil || subtle.ConstantTimeCompare(own, commitment) != 1 {
		return nil, errKey
	}
	derived, err := hkdf.Key(sha512.New, key, salt, "\x04\x78DERIVEKEY", 32)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	return gcmOpen(derived, ciphertext[nonceAt:], ciphertext[:dataAt:dataAt], additional)
}

func openGCM(keyLength int) func(key, ciphertext, additional []byte) ([]byte, error) {
	return func(key, ciphertext, additional []byte) ([]byte, error) {
		if len(key) != keyLength {
			return nil, errKey
		}
		return gcmOpen(key, ciphertext[headerLength:], ciphertext[:headerLength:headerLength], additional)
	}
}

// gcmOpen opens nonce, data and tag. The header has no capacity beyond it.
func gcmOpen(key, sealed, header, additional []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, sealed[:nonceLength], sealed[nonceLength:], append(header, additional...))
}

func openOAEP(newHash func() hash.Hash) func(key, ciphertext, additional []byte) ([]byte, error) {
	return func(key, ciphertext, additional []byte) ([]byte, error) {
		parsed, err := x509.ParsePKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		private, ok := parsed.(*rsa.PrivateKey)
		if !ok || len(ciphertext) != headerLength+private.Size() {
			return nil, errKey
		}
		label := additional
		if len(additional) > 0 {
			if additional[0] != kindRaw {
				return nil, errKey
			}
			label = additional[1:]
		}
		return rsa.DecryptOAEP(newHash(), nil, private, ciphertext[headerLength:], label)
	}
}
