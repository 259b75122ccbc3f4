package bundoc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestRewrapLeavesTheDataAndChangesTheWrapping(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{NoRewrap: true})
	key := mustKey(t, provider, folder)
	writePages(t, folder, key, "hello")
	data := mustRead(t, filepath.Join(folder, dataFile))
	if from, to, err := provider.Rewrap(t.Context(), folder); err != nil || from != 1 || to != 1 {
		t.Fatal(from, to, err)
	}
	kms.version.Store(3)
	if from, to, err := provider.Rewrap(t.Context(), folder); err != nil || from != 1 || to != 3 {
		t.Fatal(from, to, err)
	}
	// The old version may now go.
	kms.minimum.Store(3)
	if !bytes.Equal(key, mustKey(t, newProvider(t, kms, Config{}), folder)) {
		t.Fatal("another key")
	}
	if !bytes.Equal(data, mustRead(t, filepath.Join(folder, dataFile))) {
		t.Fatal("the data changed")
	}
	if _, _, err := provider.Rewrap(t.Context(), t.TempDir()); !errors.Is(err, ErrNoWrappedKey) {
		t.Fatal(err)
	}
}

func TestWhatIsWrappedAnewAsRootStaysItsOwners(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{NoRewrap: true})
	writePages(t, folder, mustKey(t, provider, folder), "one")
	path, user, group := filepath.Join(folder, RecordFile), os.Getuid(), os.Getgid()
	if user == 0 {
		user, group = 1234, 2345
	}
	if err := os.Chown(path, user, group); err != nil {
		t.Fatal(err)
	}
	kms.version.Store(2)
	if _, to, err := provider.Rewrap(t.Context(), folder); err != nil || to != 2 {
		t.Fatal(to, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner, of, ok := ownerOf(info); !ok || owner != user || of != group {
		t.Fatal(owner, of, ok)
	}
}

func TestAnOldWrappingIsRenewedWhenTheDatabaseIsOpened(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	key := mustKey(t, newProvider(t, kms, Config{}), folder)
	kms.version.Store(2)
	for _, c := range []struct {
		noRewrap bool
		version  uint32
	}{{true, 1}, {false, 2}} {
		provider := newProvider(t, kms, Config{NoRewrap: c.noRewrap})
		if !bytes.Equal(key, mustKey(t, provider, folder)) {
			t.Fatal("another key")
		}
		if record, err := provider.Inspect(folder); err != nil || record.KeyVersion() != c.version {
			t.Fatalf("%+v, %v", record, err)
		}
		// From the cache, although the wrapping is another.
		mustKey(t, provider, folder)
	}
	if kms.decrypted.Load() != 3 {
		t.Fatalf("unwrapped %d times", kms.decrypted.Load())
	}
}

// badRewrap is a KMS that may not wrap anew, or does it wrongly.
type badRewrap struct {
	*fakeKMS
	ciphertext string
	err        error
}

func (k badRewrap) Rewrap(context.Context, string, string, map[string]string) (string, error) {
	return k.ciphertext, k.err
}

func TestARewrapThatFailsKeepsWhatThereIs(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	key := mustKey(t, newProvider(t, kms, Config{}), folder)
	before := mustRead(t, filepath.Join(folder, RecordFile))
	kms.version.Store(2)
	bound := map[string]string{"purpose": Purpose, "database": filepath.Base(folder)}
	for name, bad := range map[string]KMS{
		"denied":      badRewrap{fakeKMS: kms, err: &KMSError{"permission_denied", errors.New("no")}},
		"no answer":   badRewrap{fakeKMS: kms, err: errDown},
		"nonsense":    badRewrap{fakeKMS: kms, ciphertext: "nonsense"},
		"another DEK": badRewrap{fakeKMS: kms, ciphertext: kms.seal("bundoc", bytes.Repeat([]byte{1}, 32), bound)},
	} {
		if !bytes.Equal(key, mustKey(t, newProvider(t, bad, Config{}), folder)) {
			t.Fatal(name, "another key")
		}
		if _, _, err := newProvider(t, bad, Config{}).Rewrap(t.Context(), folder); err == nil {
			t.Fatal(name, "was taken")
		}
		if !bytes.Equal(before, mustRead(t, filepath.Join(folder, RecordFile))) {
			t.Fatal(name, "changed the record")
		}
	}
}

// slowRewrap is a KMS that takes its time to wrap anew: something happens meanwhile.
type slowRewrap struct {
	*fakeKMS
	meanwhile func()
}

func (k slowRewrap) Rewrap(ctx context.Context, name, ciphertext string, bound map[string]string) (string, error) {
	k.meanwhile()
	return k.fakeKMS.Rewrap(ctx, name, ciphertext, bound)
}

func TestARewrapDoesNotReplaceTheDEKOfWhatTookTheFoldersPlace(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	folder, rotated := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
	provider := newProvider(t, kms, Config{NoRewrap: true})
	writePages(t, folder, mustKey(t, provider, folder), "one")
	kms.version.Store(2)
	slow := newProvider(t, slowRewrap{kms, func() {
		if err := provider.Reencrypt(t.Context(), folder, rotated, Wrapped()); err != nil {
			t.Error(err)
		}
		if err := errors.Join(os.Rename(folder, folder+".old"), os.Rename(rotated, folder)); err != nil {
			t.Error(err)
		}
		kms.version.Store(3)
	}}, Config{NoRewrap: true})
	if _, _, err := slow.Rewrap(t.Context(), folder); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	mustKey(t, newProvider(t, kms, Config{}), folder)
}

func TestARawKeyIsAdoptedOnceItOpensAllData(t *testing.T) {
	kms, folder, raw := newFake("c1"), t.TempDir(), bytes.Repeat([]byte{9}, 32)
	provider := newProvider(t, kms, Config{})
	adopt := func(key []byte, kind error) {
		t.Helper()
		if err := provider.Adopt(t.Context(), kms, folder, key); !errors.Is(err, kind) {
			t.Fatalf("want %v, have %v", kind, err)
		}
	}
	adopt(raw, ErrDataMismatch) // no data
	writePages(t, folder, raw, "one", "two")
	mustFail(t, provider, folder, ErrNoWrappedKey)
	adopt(bytes.Repeat([]byte{8}, 32), ErrDataMismatch)
	adopt(raw[:31], ErrDataMismatch)
	data := mustRead(t, filepath.Join(folder, dataFile))
	damaged := append([]byte{}, data...)
	damaged[sealedLength+50] ^= 1
	mustWrite(t, filepath.Join(folder, dataFile), damaged)
	adopt(raw, ErrDataMismatch) // the second page
	mustWrite(t, filepath.Join(folder, dataFile), data)
	kms.down.Store(true)
	adopt(raw, ErrUnavailable)
	kms.down.Store(false)
	adopt(raw, nil)
	if !bytes.Equal(raw, mustKey(t, provider, folder)) {
		t.Fatal("another key")
	}
	adopt(raw, ErrExists)
	mustHoldNoKey(t, folder, raw)
}

// closer stands for a Bundoc.
type closer func() error

func (c closer) Close() error { return c() }

func TestOpenKeepsTheRecordInACatalogThatIsRewritten(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	inCatalog := func() *Record {
		catalog, err := readCatalog(folder, filepath.Join(folder, CatalogFile))
		if err != nil {
			t.Fatal(err)
		}
		record, err := catalog.record(folder)
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	var keys [2][]byte
	for round := range keys {
		database, err := Open(t.Context(), newProvider(t, kms, Config{}), folder, func(key []byte) (io.Closer, error) {
			if inCatalog() == nil {
				t.Fatal("the catalog has no record when Bundoc opens it")
			}
			keys[round] = key
			writePages(t, folder, key, "hello")
			return closer(func() error {
				if isZero(key) {
					t.Error("the key went before the database was closed")
				}
				writePages(t, folder, key, "hello", "world")
				keys[round] = bytes.Clone(key)
				return nil
			}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if inCatalog() != nil {
			t.Fatal("this catalog was not rewritten")
		}
		// After a crash here the next round would begin.
		if err := errors.Join(database.Close(), database.Close()); err != nil {
			t.Fatal(err)
		}
		if inCatalog() == nil || !isZero(database.key) {
			t.Fatal("Close left something undone")
		}
	}
	if !bytes.Equal(keys[0], keys[1]) {
		t.Fatal("another key")
	}
}

func TestOpenZeroesTheKeyOfADatabaseThatDoesNotOpen(t *testing.T) {
	var kept []byte
	failure := errors.New("does not open")
	_, err := Open(t.Context(), newProvider(t, newFake("c1"), Config{}), t.TempDir(), func(key []byte) (io.Closer, error) {
		kept = key
		return nil, failure
	})
	if !errors.Is(err, failure) || !isZero(kept) {
		t.Fatal(err)
	}
}

func mustRemove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
