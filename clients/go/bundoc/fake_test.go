package bundoc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bunbase/bunkms/clients/go/envelope"
)

var errDown = errors.New("connection refused")

// fakeKMS is a KMS whose keys follow from the names, so that several
// processes have the same one.
type fakeKMS struct {
	cluster string
	// version is the latest, minimum the oldest that still unwraps.
	version, minimum atomic.Uint32
	down             atomic.Bool
	// refuse is the code of a refusal of all but ClusterID.
	refuse atomic.Pointer[string]
	// wait is how long each call takes.
	wait time.Duration

	generated, decrypted, rewrapped atomic.Int32
}

func newFake(cluster string) *fakeKMS {
	kms := &fakeKMS{cluster: cluster}
	kms.version.Store(1)
	return kms
}

func (k *fakeKMS) answer() error {
	time.Sleep(k.wait)
	if k.down.Load() {
		return errDown
	}
	if code := k.refuse.Load(); code != nil {
		return &KMSError{*code, errors.New("refused")}
	}
	return nil
}

func (k *fakeKMS) aead(name string, version uint32) cipher.AEAD {
	key := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", k.cluster, name, version))
	block, _ := aes.NewCipher(key[:])
	aead, _ := cipher.NewGCMWithRandomNonce(block)
	return aead
}

func (k *fakeKMS) seal(name string, plaintext []byte, bound map[string]string) string {
	version := k.version.Load()
	header := append([]byte{0x6e, 0x49, 0xac, 0xb1, 0x02}, make([]byte, 16)...)
	header = binary.BigEndian.AppendUint32(header, version)
	additional, _ := json.Marshal(bound)
	return base64.StdEncoding.EncodeToString(k.aead(name, version).Seal(header, nil, plaintext, additional))
}

func (k *fakeKMS) open(name, ciphertext string, bound map[string]string) ([]byte, error) {
	header, err := envelope.ParseHeader(ciphertext)
	if err != nil || header.Version < k.minimum.Load() {
		return nil, &KMSError{"decryption_failed", errors.New("cannot be decrypted")}
	}
	decoded, _ := base64.StdEncoding.DecodeString(ciphertext)
	additional, _ := json.Marshal(bound)
	plaintext, err := k.aead(name, header.Version).Open(nil, nil, decoded[25:], additional)
	if err != nil {
		return nil, &KMSError{"decryption_failed", errors.New("cannot be decrypted")}
	}
	return plaintext, nil
}

func (k *fakeKMS) GenerateDataKey(_ context.Context, name string, bound map[string]string) ([]byte, string, error) {
	k.generated.Add(1)
	if err := k.answer(); err != nil {
		return nil, "", err
	}
	key := make([]byte, KeyLength)
	rand.Read(key)
	return key, k.seal(name, key, bound), nil
}

func (k *fakeKMS) Decrypt(_ context.Context, name, ciphertext string, bound map[string]string) ([]byte, error) {
	k.decrypted.Add(1)
	if err := k.answer(); err != nil {
		return nil, err
	}
	return k.open(name, ciphertext, bound)
}

func (k *fakeKMS) Rewrap(_ context.Context, name, ciphertext string, bound map[string]string) (string, error) {
	k.rewrapped.Add(1)
	if err := k.answer(); err != nil {
		return "", err
	}
	plaintext, err := k.open(name, ciphertext, bound)
	if err != nil {
		return "", err
	}
	return k.seal(name, plaintext, bound), nil
}

func (k *fakeKMS) Encrypt(_ context.Context, name string, plaintext []byte, bound map[string]string) (string, error) {
	if err := k.answer(); err != nil {
		return "", err
	}
	return k.seal(name, plaintext, bound), nil
}

func (k *fakeKMS) ClusterID(context.Context) (string, error) {
	if k.down.Load() {
		return "", errDown
	}
	return k.cluster, nil
}

// newProvider returns a provider that tries once, unless config says otherwise.
func newProvider(t *testing.T, kms KMS, config Config) *Provider {
	t.Helper()
	config.KMS = kms
	if config.KeyName == "" {
		config.KeyName = "bundoc"
	}
	if config.Retry == (RetryPolicy{}) {
		config.Retry = RetryPolicy{Deadline: -1}
	}
	provider, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	return provider
}

func mustKey(t *testing.T, provider *Provider, folder string) []byte {
	t.Helper()
	key, err := provider.Key(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(key) != KeyLength {
		t.Fatalf("the key has %d bytes", len(key))
	}
	return key
}

func mustFail(t *testing.T, provider *Provider, folder string, kind error) error {
	t.Helper()
	key, err := provider.Key(t.Context(), folder)
	if !errors.Is(err, kind) || key != nil {
		t.Fatalf("want %q, have %v", kind, err)
	}
	return err
}

// writePages writes data as Bundoc does, and a catalog as a Bundoc that is not
// patched does: with what it knows and nothing else.
func writePages(t *testing.T, folder string, key []byte, texts ...string) {
	t.Helper()
	var data []byte
	for _, text := range texts {
		page := make([]byte, pageLength)
		page[0] = 4
		copy(page[30:], text)
		if key != nil {
			aead, err := pageCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			page = aead.Seal(nil, nil, page, nil)
		}
		data = append(data, page...)
	}
	mustWrite(t, filepath.Join(folder, dataFile), data)
	mustWrite(t, filepath.Join(folder, CatalogFile), []byte(`{"collections":{"notes":{"name":"notes","indexes":{"_id":0}}},"group_indexes":{}}`))
}

func mustWrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// mustHoldNoKey looks for a key in all files below a folder.
func mustHoldNoKey(t *testing.T, folder string, key []byte) {
	t.Helper()
	for name, text := range filesBelow(t, folder) {
		for _, form := range formsOf(key) {
			if containsFold(text, form) {
				t.Errorf("%s holds the key", name)
			}
		}
	}
}
