package bunkms

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"time"

	"github.com/bunbase/bunkms/clients/go/envelope"
)

// KeySource makes and opens data keys: a Client, or a stand-in in tests.
type KeySource interface {
	GenerateDataKey(ctx context.Context, keyName string, encryptionContext map[string]string) (*DataKey, error)
	Decrypt(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) ([]byte, error)
}

// Envelope encrypts and decrypts here, under data keys that one key of the
// server wraps, and keeps data keys for a while, so that not every message
// costs a call. Its messages have the form of spec/envelope.md, which the TypeScript client
// reads too. It may be used by several goroutines at once.
//
// An Envelope belongs to one identity, that of its source: two identities must
// not share one. Close it when done, which forgets the data keys.
type Envelope struct {
	source  KeySource
	keyName string
	policy  CachePolicy
	cache   *keyCache
}

// NewEnvelope makes an Envelope whose data keys a key of the server wraps. The
// zero CachePolicy has limits that fit most programs.
func NewEnvelope(source KeySource, keyName string, policy CachePolicy) (*Envelope, error) {
	policy, err := policy.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Envelope{source: source, keyName: keyName, policy: policy, cache: newKeyCache(policy)}, nil
}

// Encrypt makes a message of at most 64 MiB of plaintext, 236 bytes longer under
// a key of type aes-256. Both the encryption context, which the server sees and
// authorises, and the additional data, which it does not, are needed again for
// decrypting; either may be nil. Data keys are kept for each encryption
// context: what differs with each message, such as a row's id, belongs into
// the additional data.
func (e *Envelope) Encrypt(ctx context.Context, plaintext []byte, encryptionContext map[string]string, additionalData []byte) ([]byte, error) {
	if len(plaintext) > envelope.MaxMessagePlaintext || len(additionalData) > envelope.MaxMessageAdditional {
		return nil, requestError("a message has at most 64 MiB, and at most 1 MiB of additional data; use NewFileWriter")
	}
	// A copy: the call may go on when the caller has left and changes the map,
	// and what it gets is kept for the context that is asked for now.
	encryptionContext = maps.Clone(encryptionContext)
	id, err := findBy("write", e.keyName, encryptionContext, "")
	if err != nil {
		return nil, err
	}
	get := func(ctx context.Context) (*keptKey, error) { return e.generate(ctx, encryptionContext) }
	key, err := e.key(ctx, id, int64(len(plaintext)), get)
	if err != nil {
		return nil, err
	}
	defer clear(key.plaintext[:])
	message, err := envelope.SealMessage(key.plaintext[:], key.wrapped, encryptionContext, additionalData, plaintext)
	if err != nil {
		return nil, unexpected("the server", 0, "a data key that no message can hold")
	}
	return message, nil
}

// Decrypt opens a message. The plaintext is the caller's. It returns
// envelope.ErrMessage for what is not a message, and ErrDecryptionFailed
// when anything is wrong with it or with what it is bound to; besides what the
// source answers.
func (e *Envelope) Decrypt(ctx context.Context, message []byte, encryptionContext map[string]string, additionalData []byte) ([]byte, error) {
	wrapped, err := envelope.WrappedDataKey(message)
	if err != nil {
		return nil, err
	}
	encryptionContext = maps.Clone(encryptionContext)
	id, err := findBy("read", e.keyName, encryptionContext, wrapped)
	if err != nil {
		return nil, err
	}
	get := func(ctx context.Context) (*keptKey, error) { return e.unwrap(ctx, wrapped, encryptionContext) }
	key, err := e.key(ctx, id, -1, get)
	if err != nil {
		return nil, err
	}
	defer clear(key.plaintext[:])
	plaintext, err := envelope.OpenMessage(key.plaintext[:], message, encryptionContext, additionalData)
	if err != nil {
		return nil, decryptionError{}
	}
	return plaintext, nil
}

// Close forgets all data keys. Calls after it fail.
func (e *Envelope) Close() error {
	e.cache.close()
	return nil
}

func (e *Envelope) key(ctx context.Context, id cacheID, length int64, get func(context.Context) (*keptKey, error)) (*keptKey, error) {
	if e.policy.NoCache {
		return get(ctx)
	}
	return e.cache.use(ctx, id, length, get)
}

func (e *Envelope) generate(ctx context.Context, encryptionContext map[string]string) (*keptKey, error) {
	from := time.Now()
	made, err := e.source.GenerateDataKey(ctx, e.keyName, encryptionContext)
	if err != nil {
		return nil, err
	}
	return keep(made.Plaintext, made.Ciphertext, from)
}

func (e *Envelope) unwrap(ctx context.Context, wrapped string, encryptionContext map[string]string) (*keptKey, error) {
	from := time.Now()
	plaintext, err := e.source.Decrypt(ctx, e.keyName, wrapped, encryptionContext)
	if err != nil {
		return nil, err
	}
	return keep(plaintext, wrapped, from)
}

// keep takes a data key over and clears the caller's.
func keep(plaintext []byte, wrapped string, from time.Time) (*keptKey, error) {
	defer clear(plaintext)
	if len(plaintext) != dataKeyLength {
		return nil, decryptionError{}
	}
	return &keptKey{plaintext: [dataKeyLength]byte(plaintext), wrapped: wrapped, from: from}, nil
}

// findBy is what finds a data key: all that the server binds it to, so that a
// kept one opens for nobody whom the server would refuse it.
func findBy(use, keyName string, encryptionContext envelope.Context, wrapped string) (cacheID, error) {
	encoded, err := encryptionContext.Encode()
	if err != nil {
		return cacheID{}, requestError("the encryption context is too large or not UTF-8")
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(use), []byte(keyName), encoded, []byte(wrapped)} {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write(part)
	}
	return cacheID(sum.Sum(nil)), nil
}

// decryptionError is the one error of a message that does not open here, the
// same as the server's.
type decryptionError struct{}

func (decryptionError) Error() string { return envelope.ErrDecryption.Error() }

func (decryptionError) Is(target error) bool {
	return target == envelope.ErrDecryption || target == ErrDecryptionFailed
}
