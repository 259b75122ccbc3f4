package bundoc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func formsOf(key []byte) []string {
	return []string{
		string(key), hex.EncodeToString(key),
		base64.RawStdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key),
	}
}

func containsFold(text []byte, form string) bool {
	return bytes.Contains(text, []byte(form)) || bytes.Contains(text, []byte(strings.ToUpper(form)))
}

func filesBelow(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files[path] = mustRead(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFirstStartMakesAKeyAndRestartUnwrapsIt(t *testing.T) {
	kms, folder := newFake("c1"), filepath.Join(t.TempDir(), "project-a")
	first := mustKey(t, newProvider(t, kms, Config{}), folder)
	record, err := newProvider(t, kms, Config{}).Inspect(folder)
	if err != nil || record.ClusterID != "c1" || record.KeyName != "bundoc" || record.Version != 1 ||
		record.EncryptionContext["database"] != "project-a" || record.EncryptionContext["purpose"] != "bundoc-dek" {
		t.Fatalf("%+v, %v", record, err)
	}
	writePages(t, folder, first, "hello")
	again := mustKey(t, newProvider(t, kms, Config{}), folder)
	if !bytes.Equal(first, again) || kms.generated.Load() != 1 {
		t.Fatal("a restart made another key")
	}
	mustHoldNoKey(t, folder, first)
}

func TestDatabasesHaveKeysOfTheirOwn(t *testing.T) {
	provider, folder := newProvider(t, newFake("c1"), Config{}), t.TempDir()
	if bytes.Equal(mustKey(t, provider, filepath.Join(folder, "a")), mustKey(t, provider, filepath.Join(folder, "b"))) {
		t.Fatal("two databases share a key")
	}
}

func TestTheCatalogAloneIsEnough(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	key, fields, err := newProvider(t, kms, Config{}).EncryptionKey(folder, filepath.Join(folder, CatalogFile))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(fields)
	mustWrite(t, filepath.Join(folder, CatalogFile), text)
	if err := os.Remove(filepath.Join(folder, RecordFile)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key, mustKey(t, newProvider(t, kms, Config{}), folder)) {
		t.Fatal("another key")
	}
	mustRead(t, filepath.Join(folder, RecordFile))
}

func TestWithoutBunKMSThereIsNoKeyAndNothingIsMade(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	kms.down.Store(true)
	mustFail(t, newProvider(t, kms, Config{}), filepath.Join(folder, "new"), ErrUnavailable)
	if len(filesBelow(t, folder)) != 0 {
		t.Fatal("files were made")
	}
	kms.down.Store(false)
	key := mustKey(t, newProvider(t, kms, Config{}), filepath.Join(folder, "new"))
	kms.down.Store(true)
	err := mustFail(t, newProvider(t, kms, Config{}), filepath.Join(folder, "new"), ErrUnavailable)
	if !errors.Is(err, errDown) {
		t.Fatalf("the cause is missing: %v", err)
	}
	kms.down.Store(false)
	if !bytes.Equal(key, mustKey(t, newProvider(t, kms, Config{}), filepath.Join(folder, "new"))) {
		t.Fatal("another key")
	}
}

func TestABunKMSThatComesBackInTimeIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kms, folder := newFake("c1"), t.TempDir()
		kms.down.Store(true)
		time.AfterFunc(20*time.Second, func() { kms.down.Store(false) })
		mustKey(t, newProvider(t, kms, Config{Retry: RetryPolicy{Deadline: 30 * time.Second}}), folder)
	})
}

func TestTheDeadlineEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kms, start := newFake("c1"), time.Now()
		kms.down.Store(true)
		mustFail(t, newProvider(t, kms, Config{Retry: RetryPolicy{Deadline: 30 * time.Second}}), t.TempDir(), ErrUnavailable)
		if waited := time.Since(start); waited > 31*time.Second || waited < 20*time.Second {
			t.Fatalf("waited %v", waited)
		}
	})
}

func TestRefusalsAreNotTriedAgain(t *testing.T) {
	kms := newFake("c1")
	provider := newProvider(t, kms, Config{Retry: RetryPolicy{Deadline: time.Hour}})
	for code, kind := range map[string]error{
		"unauthenticated": ErrDenied, "permission_denied": ErrDenied, "not_found": ErrRefused, "wrong_key_state": ErrRefused,
	} {
		before := kms.generated.Load()
		kms.refuse.Store(&code)
		mustFail(t, provider, t.TempDir(), kind)
		if kms.generated.Load() != before+1 {
			t.Fatalf("%s was tried again", code)
		}
	}
}

func TestConcurrentCallsGetOneKeyByOneFetch(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	kms.wait = 5 * time.Millisecond
	provider := newProvider(t, kms, Config{})
	keys := make([][]byte, 64)
	var group sync.WaitGroup
	for at := range keys {
		group.Go(func() { keys[at], _ = provider.Key(t.Context(), folder) })
	}
	group.Wait()
	for _, key := range keys {
		if len(key) != KeyLength || !bytes.Equal(key, keys[0]) || bytes.Equal(key, make([]byte, KeyLength)) {
			t.Fatal("not one key")
		}
	}
	if kms.generated.Load() != 1 {
		t.Fatalf("%d keys were made", kms.generated.Load())
	}
}

func TestSeveralProvidersAtOnceAgreeOnOneKey(t *testing.T) {
	for range 20 {
		kms, folder := newFake("c1"), filepath.Join(t.TempDir(), "db")
		keys := make([][]byte, 32)
		var group sync.WaitGroup
		for at := range keys {
			provider := newProvider(t, kms, Config{})
			group.Go(func() {
				var err error
				if keys[at], err = provider.Key(t.Context(), folder); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, key := range keys {
			if !bytes.Equal(key, keys[0]) {
				t.Fatal("not one key")
			}
		}
		if files := filesBelow(t, folder); len(files) != 1 {
			t.Fatalf("%d files are left", len(files))
		}
	}
}

func TestWhoGoesAwayDoesNotEndTheFetchOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kms, folder := newFake("c1"), t.TempDir()
		kms.wait = time.Minute
		provider := newProvider(t, kms, Config{Retry: RetryPolicy{Deadline: time.Hour}})
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := provider.Key(impatient, folder); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
		group.Go(func() {
			time.Sleep(time.Millisecond)
			if key, err := provider.Key(t.Context(), folder); err != nil || bytes.Equal(key, make([]byte, KeyLength)) {
				t.Error(err)
			}
		})
		group.Wait()
		if kms.generated.Load() != 1 {
			t.Fatal("more than one fetch")
		}
	})
}

func TestAClosedProviderGivesNothing(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{})
	mustKey(t, provider, folder)
	provider.Close()
	mustFail(t, provider, folder, ErrClosed)
	if provider.cache.order.Len() != 0 {
		t.Fatal("keys are left")
	}
}

func TestSettingsThatAreMissingAreRefused(t *testing.T) {
	for _, config := range []Config{{}, {KMS: newFake("c1")}, {KeyName: "bundoc"}} {
		if _, err := New(config); err == nil {
			t.Fatalf("%+v was taken", config)
		}
	}
}
