package bunkms

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bunbase/bunkms/clients/go/envelope"
)

// fakeSource wraps data keys by remembering them, and counts.
type fakeSource struct {
	mu        sync.Mutex
	wrapped   map[string]fakeWrapped
	generated int
	unwrapped int
	// delay is how long each call takes, handed what was given out.
	delay  time.Duration
	fail   error
	handed [][]byte
}

type fakeWrapped struct {
	key     []byte
	name    string
	context map[string]string
}

func (f *fakeSource) GenerateDataKey(ctx context.Context, name string, encryptionContext map[string]string) (*DataKey, error) {
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wrapped == nil {
		f.wrapped = map[string]fakeWrapped{}
	}
	f.generated++
	key := make([]byte, 32)
	rand.Read(key)
	text := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "wrapped %d", f.generated))
	f.wrapped[text] = fakeWrapped{bytes.Clone(key), name, maps.Clone(encryptionContext)}
	f.handed = append(f.handed, key)
	return &DataKey{Plaintext: key, Ciphertext: text}, nil
}

func (f *fakeSource) Decrypt(ctx context.Context, name, ciphertext string, encryptionContext map[string]string) ([]byte, error) {
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unwrapped++
	found, ok := f.wrapped[ciphertext]
	if !ok || found.name != name || !maps.Equal(found.context, encryptionContext) {
		return nil, &Error{Code: "decryption_failed", Message: "the ciphertext cannot be decrypted", HTTPStatus: 400}
	}
	key := bytes.Clone(found.key)
	f.handed = append(f.handed, key)
	return key, nil
}

func (f *fakeSource) wait(ctx context.Context) error {
	f.mu.Lock()
	delay, fail := f.delay, f.fail
	f.mu.Unlock()
	select {
	case <-time.After(delay):
		return fail
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newEnvelope(t *testing.T, source KeySource, policy CachePolicy) *Envelope {
	t.Helper()
	made, err := NewEnvelope(source, "orders", policy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made
}

func seal(t *testing.T, e *Envelope, encryptionContext map[string]string) []byte {
	t.Helper()
	message, err := e.Encrypt(t.Context(), []byte("attack at dawn"), encryptionContext, []byte("row 1"))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestEnvelopesOpenWhatTheySealed(t *testing.T) {
	for _, policy := range []CachePolicy{{}, {NoCache: true}} {
		source := &fakeSource{}
		e := newEnvelope(t, source, policy)
		acme := map[string]string{"tenant": "acme"}
		for range 3 {
			message := seal(t, e, acme)
			if plaintext, err := e.Decrypt(t.Context(), message, acme, []byte("row 1")); err != nil || string(plaintext) != "attack at dawn" {
				t.Error(plaintext, err)
			}
			for _, other := range []struct {
				context    map[string]string
				additional string
			}{{acme, "row 2"}, {acme, ""}, {nil, "row 1"}, {map[string]string{"tenant": "b"}, "row 1"}} {
				plaintext, err := e.Decrypt(t.Context(), message, other.context, []byte(other.additional))
				if !errors.Is(err, ErrDecryptionFailed) || plaintext != nil {
					t.Error(other, plaintext, err)
				}
			}
		}
		if policy.NoCache && source.generated != 3 || !policy.NoCache && source.generated != 1 {
			t.Error(policy, source.generated)
		}
		for _, key := range source.handed {
			if !bytes.Equal(key, make([]byte, 32)) {
				t.Error("a data key that was handed over is not cleared")
			}
		}
		if _, err := e.Decrypt(t.Context(), []byte("no message"), nil, nil); err != envelope.ErrMessage {
			t.Error(err)
		}
	}
}

func TestAKeptDataKeyDoesNotPassTheServersCheckOfTheContext(t *testing.T) {
	source := &fakeSource{}
	e := newEnvelope(t, source, CachePolicy{})
	message := seal(t, e, map[string]string{"tenant": "acme"})
	for range 2 {
		if _, err := e.Decrypt(t.Context(), message, map[string]string{"tenant": "acme"}, []byte("row 1")); err != nil {
			t.Error(err)
		}
		before := source.unwrapped
		if _, err := e.Decrypt(t.Context(), message, map[string]string{"tenant": "other"}, []byte("row 1")); !errors.Is(err, ErrDecryptionFailed) {
			t.Error(err)
		}
		if source.unwrapped != before+1 {
			t.Error("the server was not asked, or a refusal was kept")
		}
	}
}

func TestLimitsOfAKeptDataKey(t *testing.T) {
	cases := []struct {
		name      string
		policy    CachePolicy
		messages  int
		generated int
	}{
		{"messages", CachePolicy{MaxMessages: 3}, 10, 4},
		{"one message", CachePolicy{MaxMessages: 1}, 5, 5},
		{"bytes", CachePolicy{MaxBytes: 30}, 10, 5},
		{"a message longer than the limit", CachePolicy{MaxBytes: 5}, 4, 4},
		{"none", CachePolicy{}, 100, 1},
	}
	for _, test := range cases {
		source := &fakeSource{}
		e := newEnvelope(t, source, test.policy)
		for range test.messages {
			seal(t, e, nil)
		}
		if source.generated != test.generated {
			t.Errorf("%s: %d data keys", test.name, source.generated)
		}
	}
}

func TestTheAgeOfAKeptDataKeyCountsFromBeforeItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakeSource{delay: 10 * time.Second}
		e := newEnvelope(t, source, CachePolicy{MaxAge: time.Minute})
		message := seal(t, e, nil)
		time.Sleep(49 * time.Second)
		seal(t, e, nil)
		if source.generated != 1 {
			t.Error("forgotten too soon")
		}
		time.Sleep(2 * time.Second)
		seal(t, e, nil)
		if source.generated != 2 {
			t.Error("kept for too long")
		}
		for range 2 {
			if _, err := e.Decrypt(t.Context(), message, nil, []byte("row 1")); err != nil {
				t.Error(err)
			}
		}
		if source.unwrapped != 1 {
			t.Error(source.unwrapped)
		}
		time.Sleep(time.Hour)
		e.cache.mu.Lock()
		defer e.cache.mu.Unlock()
		if len(e.cache.entries) != 0 || e.cache.recent.Len() != 0 || e.cache.timer != nil {
			t.Error("what is old is kept until somebody asks")
		}
	})
}

func TestADataKeyThatIsOldOnArrivalServesOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakeSource{delay: 10 * time.Second}
		e := newEnvelope(t, source, CachePolicy{MaxAge: time.Second})
		seal(t, e, nil)
		seal(t, e, nil)
		if source.generated != 2 {
			t.Error(source.generated)
		}
	})
}

func TestTheLeastUsedDataKeyGoesFirstAndIsCleared(t *testing.T) {
	source := &fakeSource{}
	e := newEnvelope(t, source, CachePolicy{MaxKeys: 2})
	contexts := []map[string]string{{"t": "a"}, {"t": "b"}, {"t": "c"}}
	seal(t, e, contexts[0])
	seal(t, e, contexts[1])
	e.cache.mu.Lock()
	second := e.cache.recent.Front().Value.(*cacheEntry)
	e.cache.mu.Unlock()
	seal(t, e, contexts[0])
	seal(t, e, contexts[2])
	if second.key.plaintext != [32]byte{} {
		t.Error("what was put out is not cleared")
	}
	if source.generated != 3 {
		t.Fatal(source.generated)
	}
	seal(t, e, contexts[0])
	seal(t, e, contexts[2])
	if source.generated != 3 {
		t.Error("what was used was put out")
	}
	first := e.cache.recent.Front().Value.(*cacheEntry)
	e.Close()
	if first.key.plaintext != [32]byte{} || len(e.cache.entries) != 0 {
		t.Error("closing does not clear")
	}
	if _, err := e.Encrypt(t.Context(), nil, nil, nil); !errors.Is(err, ErrRequest) {
		t.Error("a closed envelope works", err)
	}
}

func TestConcurrentMissesShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakeSource{delay: time.Second}
		e := newEnvelope(t, source, CachePolicy{})
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := e.Encrypt(ctx, []byte("x"), nil, nil)
			gone <- err
		}()
		synctest.Wait()
		var waiting sync.WaitGroup
		for range 50 {
			waiting.Go(func() {
				if _, err := e.Encrypt(t.Context(), []byte("x"), nil, nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		// He who began it goes, and the others get it nevertheless.
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		waiting.Wait()
		if source.generated != 1 {
			t.Error(source.generated)
		}
	})
}

func TestAFailureReachesAllWhoWaitAndIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakeSource{delay: time.Second, fail: &Error{Code: "sealed"}}
		e := newEnvelope(t, source, CachePolicy{})
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				if _, err := e.Encrypt(t.Context(), []byte("x"), nil, nil); !errors.Is(err, ErrSealed) {
					t.Error(err)
				}
			})
		}
		waiting.Wait()
		source.mu.Lock()
		source.fail = nil
		source.mu.Unlock()
		seal(t, e, nil)
		if source.generated != 1 {
			t.Error(source.generated)
		}
	})
}

func TestManyAtOnceWithFewUsesForEach(t *testing.T) {
	source := &fakeSource{}
	e := newEnvelope(t, source, CachePolicy{MaxMessages: 2, MaxKeys: 1})
	var running sync.WaitGroup
	for worker := range 8 {
		running.Go(func() {
			own := map[string]string{"w": fmt.Sprint(worker % 3)}
			for range 50 {
				message, err := e.Encrypt(t.Context(), []byte("x"), own, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if plaintext, err := e.Decrypt(t.Context(), message, own, nil); err != nil || string(plaintext) != "x" {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	if source.generated < 200 {
		t.Error(source.generated, "data keys for 400 messages of at most two each")
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	for _, policy := range []CachePolicy{
		{MaxKeys: -1}, {MaxAge: -1}, {MaxAge: 25 * time.Hour}, {MaxMessages: 1<<32 + 1}, {MaxBytes: 1<<40 + 1}, {MaxBytes: -1},
	} {
		if _, err := NewEnvelope(&fakeSource{}, "k", policy); !errors.Is(err, ErrRequest) {
			t.Errorf("%+v: %v", policy, err)
		}
	}
}

func TestWhatIsTooLongForAMessage(t *testing.T) {
	e := newEnvelope(t, &fakeSource{}, CachePolicy{})
	if _, err := e.Encrypt(t.Context(), make([]byte, 64<<20+1), nil, nil); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
	if _, err := e.Encrypt(t.Context(), nil, nil, make([]byte, 1<<20+1)); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
	if _, err := e.Encrypt(t.Context(), nil, map[string]string{"\xff": ""}, nil); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
}

func TestAContextThatIsChangedDuringTheCallDoesNotChangeWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakeSource{delay: time.Second}
		e := newEnvelope(t, source, CachePolicy{})
		ctx, cancel := context.WithCancel(t.Context())
		mine := map[string]string{"tenant": "acme"}
		left := make(chan error)
		go func() {
			_, err := e.Encrypt(ctx, []byte("x"), mine, nil)
			left <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		// The caller has left, and the call goes on.
		mine["tenant"] = "other"
		time.Sleep(2 * time.Second)
		acme := map[string]string{"tenant": "acme"}
		message := seal(t, e, acme)
		if source.generated != 1 {
			t.Error("the data key was not kept")
		}
		fresh := newEnvelope(t, source, CachePolicy{})
		if _, err := fresh.Decrypt(t.Context(), message, acme, []byte("row 1")); err != nil {
			t.Error("a data key of another context was kept", err)
		}
	})
}
