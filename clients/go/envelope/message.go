package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// ErrMessage is returned for what is not an envelope message.
var ErrMessage = errors.New("bunkms: not an envelope message")

var errSeal = errors.New("bunkms: the data key, its wrapped form, the plaintext or the additional data is not of the length that a message takes")

const (
	// MaxMessagePlaintext is the longest plaintext of a message in bytes. What is longer
	// goes into an encrypted file.
	MaxMessagePlaintext = 64 << 20
	// MaxMessageAdditional is the longest additional data of a message.
	MaxMessageAdditional = 1 << 20

	messageKeyLength = 32
	messageSalt      = 32
	messageTag       = 16
	wrappedAt        = 7
	maxWrapped       = 6144
)

// The magic and the suite of spec/envelope.md.
var messageStart = []byte{0x6e, 0x49, 0x9e, 0x04, 0x78}

// SealMessage encrypts a plaintext under a data key of 32 bytes, whose wrapped
// form is the text that the server answered. The context is what the data key was
// wrapped with; the additional data, which may be empty, is this message's own. One
// data key may serve 2^32 messages.
func SealMessage(dataKey []byte, wrapped string, context Context, additional Raw, plaintext []byte) ([]byte, error) {
	unwrapped, err := base64.StdEncoding.DecodeString(wrapped)
	if err != nil || base64.StdEncoding.EncodeToString(unwrapped) != wrapped ||
		len(unwrapped) < 1 || len(unwrapped) > maxWrapped || len(dataKey) != messageKeyLength ||
		len(plaintext) > MaxMessagePlaintext || len(additional) > MaxMessageAdditional {
		return nil, errSeal
	}
	header := make([]byte, 0, wrappedAt+len(unwrapped)+2*messageSalt+len(plaintext)+messageTag)
	header = append(header, messageStart...)
	header = binary.BigEndian.AppendUint16(header, uint16(len(unwrapped)))
	header = append(header, unwrapped...)
	// A salt, and so a key, of this message alone: the nonce is constant. Drawn
	// from the kernel now, when the plaintext is at hand.
	salt := make([]byte, messageSalt)
	rand.Read(salt)
	header = append(header, salt...)
	commitment, aead, err := messageKeys(dataKey, salt)
	if err != nil {
		return nil, err
	}
	header = append(header, commitment...)
	authenticated, err := messageAuthenticated(header, context, additional)
	if err != nil {
		return nil, err
	}
	return aead.Seal(header, make([]byte, aead.NonceSize()), plaintext, authenticated), nil
}

// WrappedDataKey returns the text of a message's wrapped data key, for the server to
// unwrap. It is not authentic until OpenMessage has returned without an
// error. The error is ErrMessage.
func WrappedDataKey(message []byte) (string, error) {
	end, err := wrappedEnd(message)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(message[wrappedAt:end]), nil
}

// OpenMessage verifies and decrypts a message, given its data key and what it was bound
// to. It returns ErrMessage for what is not a message, and otherwise
// ErrDecryption when anything is wrong.
func OpenMessage(dataKey, message []byte, context Context, additional Raw) ([]byte, error) {
	end, err := wrappedEnd(message)
	if err != nil {
		return nil, err
	}
	if len(dataKey) != messageKeyLength || len(additional) > MaxMessageAdditional {
		return nil, ErrDecryption
	}
	salt := message[end : end+messageSalt]
	header := message[:end+2*messageSalt]
	commitment, aead, err := messageKeys(dataKey, salt)
	if err != nil {
		return nil, ErrDecryption
	}
	if subtle.ConstantTimeCompare(commitment, header[end+messageSalt:]) != 1 {
		return nil, ErrDecryption
	}
	authenticated, err := messageAuthenticated(header, context, additional)
	if err != nil {
		return nil, ErrDecryption
	}
	plaintext, err := aead.Open(nil, make([]byte, aead.NonceSize()), message[len(header):], authenticated)
	if err != nil {
		return nil, ErrDecryption
	}
	return plaintext, nil
}

// wrappedEnd is step 1 of "Reading" in spec/envelope.md: where the wrapped data
// key ends.
func wrappedEnd(message []byte) (int, error) {
	if len(message) < wrappedAt || !bytes.Equal(message[:len(messageStart)], messageStart) {
		return 0, ErrMessage
	}
	length := int(binary.BigEndian.Uint16(message[len(messageStart):]))
	rest := len(message) - wrappedAt - length - 2*messageSalt - messageTag
	if length < 1 || length > maxWrapped || rest < 0 || rest > MaxMessagePlaintext {
		return 0, ErrMessage
	}
	return wrappedAt + length, nil
}

// messageKeys derives a message's commitment and its cipher.
func messageKeys(dataKey, salt []byte) ([]byte, cipher.AEAD, error) {
	pseudorandom, err := hkdf.Extract(sha512.New, dataKey, salt)
	if err != nil {
		return nil, nil, err
	}
	defer clear(pseudorandom)
	commitment, err := hkdf.Expand(sha512.New, pseudorandom, "COMMITKEY", messageKeyLength)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Expand(sha512.New, pseudorandom, "\x04\x78DERIVEKEY", messageKeyLength)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return commitment, aead, err
}

func messageAuthenticated(header []byte, context Context, additional Raw) ([]byte, error) {
	encodedContext, err := context.encode()
	if err != nil {
		return nil, err
	}
	encodedAdditional, err := additional.encode()
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{header, encodedContext, encodedAdditional}, nil), nil
}
