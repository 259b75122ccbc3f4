package bundoc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestReencryptRotatesTheDEK(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{})
	from, to := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
	raw := bytes.Repeat([]byte{9}, 32)
	for _, c := range []struct {
		source func(t *testing.T) Source
	}{
		{func(t *testing.T) Source {
			writePages(t, from, mustKey(t, provider, from), "one", "two")
			return Wrapped()
		}},
		{func(t *testing.T) Source { writePages(t, from, raw, "one", "two"); return Raw(raw) }},
		{func(t *testing.T) Source { writePages(t, from, nil, "one", "two"); return Plain() }},
	} {
		source := c.source(t)
		mustWrite(t, filepath.Join(from, "audit.log"), []byte("entry"))
		mustWrite(t, filepath.Join(from, "wal", "wal-0.log"), []byte("one two"))
		if err := provider.Reencrypt(t.Context(), from, to, source); err != nil {
			t.Fatal(err)
		}
		key := mustKey(t, provider, to)
		if pages, err := opensAll(t.Context(), to, key); err != nil || pages != 2 {
			t.Fatal(pages, err)
		}
		if string(mustRead(t, filepath.Join(to, "audit.log"))) != "entry" {
			t.Fatal("the audit log is missing")
		}
		for name, text := range filesBelow(t, to) {
			if bytes.Contains(text, []byte("two")) {
				t.Fatalf("%s holds plaintext", name)
			}
		}
		catalog, err := readCatalog(to, filepath.Join(to, CatalogFile))
		if err != nil || catalog.isEmpty() {
			t.Fatal("the catalog is missing", err)
		}
		if source.kind == wrapped {
			if old := mustKey(t, provider, from); bytes.Equal(old, key) {
				t.Fatal("the same DEK")
			}
		}
		if err := provider.Reencrypt(t.Context(), from, to, source); !errors.Is(err, ErrExists) {
			t.Fatal(err)
		}
		mustRemove(t, from)
		mustRemove(t, to)
	}
}

func TestReencryptRefusesWhatIsNotAsSaid(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{})
	from, to, raw := filepath.Join(parent, "db"), filepath.Join(parent, "a", "new", "db"), bytes.Repeat([]byte{9}, 32)
	refuse := func(source Source, target string, kind error) {
		t.Helper()
		if err := provider.Reencrypt(t.Context(), from, target, source); !errors.Is(err, kind) {
			t.Fatalf("want %v, have %v", kind, err)
		}
		if names, err := os.ReadDir(filepath.Join(parent, "a")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal("something was made", names, err)
		}
	}
	writePages(t, from, raw, "one", "two")
	refuse(Wrapped(), to, ErrNoWrappedKey)
	refuse(Plain(), to, ErrDataMismatch)
	refuse(Raw(raw[:5]), to, ErrDataMismatch)
	refuse(Raw(bytes.Repeat([]byte{1}, 32)), to, ErrDataMismatch)
	refuse(Raw(raw), to+"2", ErrWrongDatabase)
	mustRemove(t, from)
	writePages(t, from, mustKey(t, provider, from), "one", "two")
	refuse(Raw(raw), to, ErrExists)
	refuse(Plain(), to, ErrExists)
	kms.down.Store(true)
	refuse(Wrapped(), to, ErrUnavailable)
	if err := os.Mkdir(filepath.Join(parent, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := provider.Reencrypt(t.Context(), from, to, Plain()); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(filepath.Join(parent, "a")); err != nil || len(names) != 0 {
		t.Fatal("a folder that was there is left as it was", names, err)
	}
}

func TestOfSeveralCopiesToOneFolderAtOnceOneIsMade(t *testing.T) {
	for range 20 {
		kms, parent := newFake("c1"), t.TempDir()
		from, to := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
		writePages(t, from, mustKey(t, newProvider(t, kms, Config{}), from), "one", "two")
		var made, refused atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			provider := newProvider(t, kms, Config{})
			group.Go(func() {
				switch err := provider.Reencrypt(t.Context(), from, to, Wrapped()); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, ErrExists):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if made.Load() != 1 || refused.Load() != 7 || kms.generated.Load() != 2 {
			t.Fatalf("%d made, %d refused, %d keys", made.Load(), refused.Load(), kms.generated.Load())
		}
		if pages, err := opensAll(t.Context(), to, mustKey(t, newProvider(t, kms, Config{}), to)); err != nil || pages != 2 {
			t.Fatal(pages, err)
		}
		if names, err := os.ReadDir(filepath.Dir(to)); err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
	}
}

func TestASecondCopyToOneFolderLeavesTheFirstAlone(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	first, second := newProvider(t, kms, Config{}), newProvider(t, kms, Config{})
	from, to := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
	writePages(t, from, mustKey(t, first, from), "one", "two")
	first.step = func(step string) {
		err := second.Reencrypt(t.Context(), from, to, Wrapped())
		if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), to+".incomplete: it exists already: another run") {
			t.Error(step, err)
		}
	}
	if err := first.Reencrypt(t.Context(), from, to, Wrapped()); err != nil {
		t.Fatal(err)
	}
	if pages, err := opensAll(t.Context(), to, mustKey(t, second, to)); err != nil || pages != 2 {
		t.Fatal(pages, err)
	}
}

func TestWhatACopyLeftThatWasKilledIsNotTouched(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{})
	from, to := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
	writePages(t, from, mustKey(t, provider, from), "one", "two")
	mustWrite(t, to+".incomplete/data.db", []byte("half"))
	if err := provider.Reencrypt(t.Context(), from, to, Wrapped()); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	if string(mustRead(t, to+".incomplete/data.db")) != "half" {
		t.Fatal("it was changed")
	}
	mustRemove(t, to+".incomplete")
	if err := provider.Reencrypt(t.Context(), from, to, Wrapped()); err != nil {
		t.Fatal(err)
	}
}

func TestReencryptNoticesADatabaseThatIsInUse(t *testing.T) {
	for name, write := range map[string]func(folder string, key []byte){
		"pages": func(folder string, key []byte) { writePages(t, folder, key, "one", "two", "three") },
		// What is committed is there at once, and in the pages when the database is closed.
		"log": func(folder string, _ []byte) {
			mustWrite(t, filepath.Join(folder, walFolder, "wal-2.log"), []byte("x"))
		},
	} {
		kms, parent := newFake("c1"), t.TempDir()
		provider := newProvider(t, kms, Config{})
		from, to := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
		key := mustKey(t, provider, from)
		writePages(t, from, key, "one", "two")
		provider.step = func(step string) {
			if step == "generated" {
				write(from, key)
			}
		}
		if err := provider.Reencrypt(t.Context(), from, to, Wrapped()); !errors.Is(err, ErrInUse) {
			t.Fatal(name, err)
		}
		if names, err := os.ReadDir(filepath.Dir(to)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(name, "the copy was kept", names, err)
		}
	}
}
