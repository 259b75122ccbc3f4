package bundoc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNoKeyIsMadeOverData(t *testing.T) {
	for name, content := range map[string]string{
		dataFile:               "x",
		"wal/wal-0000.log":     "x",
		CatalogFile:            `{"collections":{"a":{}}}`,
		"./" + CatalogFile:     `{"group_indexes":{"a":{}}}`,
		"././" + CatalogFile:   `{"collections":17}`,
		"./././" + CatalogFile: `{"collections":{},"group_indexes":{"a::b":{}}}`,
	} {
		kms, folder := newFake("c1"), t.TempDir()
		mustWrite(t, filepath.Join(folder, name), []byte(content))
		mustFail(t, newProvider(t, kms, Config{}), folder, ErrNoWrappedKey)
		if kms.generated.Load() != 0 {
			t.Fatalf("%s: a key was made", name)
		}
	}
}

func TestDataOnADiskThatIsNotThereIsData(t *testing.T) {
	for _, name := range []string{dataFile, walFolder} {
		kms, folder := newFake("c1"), t.TempDir()
		if err := os.Symlink(filepath.Join(folder, "unmounted", name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := newProvider(t, kms, Config{}).Key(t.Context(), folder); err == nil || kms.generated.Load() != 0 {
			t.Fatalf("%s: a key was made, %v", name, err)
		}
	}
}

func TestAnEmptyCatalogIsNoData(t *testing.T) {
	for _, catalog := range []string{`{}`, `{"collections":{},"group_indexes":{}}`, `{"collections":null}`} {
		folder := t.TempDir()
		mustWrite(t, filepath.Join(folder, CatalogFile), []byte(catalog))
		mustWrite(t, filepath.Join(folder, dataFile), nil)
		mustKey(t, newProvider(t, newFake("c1"), Config{}), folder)
	}
}

// damage returns what can have become of a file.
func damage(text []byte) map[string][]byte {
	damaged := map[string][]byte{
		"empty":    {},
		"twice":    append(append([]byte{}, text...), text...),
		"type":     []byte(`[]`),
		"null":     []byte(`null`),
		"version":  bytes.Replace(text, []byte(`"version": 1`), []byte(`"version": 2`), 1),
		"too long": append(append([]byte{}, text...), bytes.Repeat([]byte(" x"), maxRecord)...),
		"not text": {0xff, 0x00, 0x17},
	}
	for _, field := range []string{"cluster_id", "key_name", "wrapped_dek", "encryption_context"} {
		damaged["no "+field] = bytes.Replace(text, []byte(field), []byte("other"), 1)
	}
	return damaged
}

func TestADamagedRecordIsRefused(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	mustKey(t, newProvider(t, kms, Config{}), folder)
	path := filepath.Join(folder, RecordFile)
	text := mustRead(t, path)
	damaged := damage(text)
	for length := range len(bytes.TrimRight(text, "\n")) {
		damaged["cut"] = text[:length]
		for name, content := range damaged {
			mustWrite(t, path, content)
			if err := mustFail(t, newProvider(t, kms, Config{}), folder, ErrDamaged); !strings.Contains(err.Error(), RecordFile) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		damaged = map[string][]byte{}
	}
	if kms.generated.Load() != 1 {
		t.Fatal("another key was made")
	}
	for name, content := range damage(text) {
		mustWrite(t, path, text)
		if json.Valid(content) {
			mustWrite(t, filepath.Join(folder, CatalogFile), append(append([]byte(`{"bunkms":`), content...), '}'))
			mustFail(t, newProvider(t, kms, Config{}), folder, ErrDamaged)
		}
		mustWrite(t, filepath.Join(folder, CatalogFile), content)
		if !json.Valid(content) || content[0] != '{' {
			if err := mustFail(t, newProvider(t, kms, Config{}), folder, ErrDamaged); !strings.Contains(err.Error(), "catalog") {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestAChangedWrappedDEKIsRefused(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	mustKey(t, newProvider(t, kms, Config{}), folder)
	record, _ := readRecordFile(folder)
	decoded, _ := base64.StdEncoding.DecodeString(record.WrappedDEK)
	decoded[len(decoded)-1] ^= 1
	record.WrappedDEK = base64.StdEncoding.EncodeToString(decoded)
	text, _ := record.encode()
	mustWrite(t, filepath.Join(folder, RecordFile), text)
	mustFail(t, newProvider(t, kms, Config{}), folder, ErrWrongKey)
}

func TestARecordOfAnotherDatabaseIsRefused(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	mustKey(t, newProvider(t, kms, Config{}), filepath.Join(folder, "a"))
	text := mustRead(t, filepath.Join(folder, "a", RecordFile))
	mustWrite(t, filepath.Join(folder, "b", RecordFile), text)
	err := mustFail(t, newProvider(t, kms, Config{}), filepath.Join(folder, "b"), ErrWrongDatabase)
	if !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), `"b"`) {
		t.Fatal(err)
	}
	// Whoever changes the record's context does not change what BunKMS bound.
	mustWrite(t, filepath.Join(folder, "b", RecordFile), bytes.Replace(text, []byte(`"a"`), []byte(`"b"`), 1))
	mustFail(t, newProvider(t, kms, Config{}), filepath.Join(folder, "b"), ErrWrongKey)
}

func TestAnotherKeyOfTheSettingsIsRefused(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	mustKey(t, newProvider(t, kms, Config{}), folder)
	err := mustFail(t, newProvider(t, kms, Config{KeyName: "other"}), folder, ErrWrongKey)
	if !strings.Contains(err.Error(), `"bundoc"`) || !strings.Contains(err.Error(), `"other"`) {
		t.Fatal(err)
	}
}

func TestACatalogOfAnotherClusterIsRefused(t *testing.T) {
	folder := t.TempDir()
	mustKey(t, newProvider(t, newFake("c1"), Config{}), folder)
	other := newFake("c2")
	err := mustFail(t, newProvider(t, other, Config{}), folder, ErrForeignCluster)
	if !strings.Contains(err.Error(), "c1") || !strings.Contains(err.Error(), "c2") || other.decrypted.Load() != 0 {
		t.Fatal(err)
	}
	// Copied over another cluster's database, with and without its file.
	foreign := mustRead(t, filepath.Join(folder, RecordFile))
	here := filepath.Join(t.TempDir(), filepath.Base(folder))
	mustKey(t, newProvider(t, other, Config{}), here)
	mustWrite(t, filepath.Join(here, CatalogFile), append(append([]byte(`{"bunkms":`), foreign...), '}'))
	err = mustFail(t, newProvider(t, other, Config{}), here, ErrForeignCluster)
	if !strings.Contains(err.Error(), "c1") || !strings.Contains(err.Error(), "c2") {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(here, RecordFile)); err != nil {
		t.Fatal(err)
	}
	mustFail(t, newProvider(t, other, Config{}), here, ErrForeignCluster)
}

func TestDataOfAnotherKeyIsRefused(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	mustKey(t, newProvider(t, kms, Config{}), folder)
	for _, key := range [][]byte{bytes.Repeat([]byte{7}, 32), nil} {
		writePages(t, folder, key, "one", "two")
		mustFail(t, newProvider(t, kms, Config{}), folder, ErrDataMismatch)
	}
}

func TestOfTwoDEKsTheCatalogsIsTakenOnceTheFileIsRemoved(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	folder, rotated := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
	provider := newProvider(t, kms, Config{})
	key, fields, err := provider.EncryptionKey(folder, filepath.Join(folder, CatalogFile))
	if err != nil {
		t.Fatal(err)
	}
	writePages(t, folder, key, "one")
	if err := provider.Reencrypt(t.Context(), folder, rotated, Wrapped()); err != nil {
		t.Fatal(err)
	}
	mustKey(t, provider, rotated)
	// A backup of data and catalog from before, put back beside the new file.
	text, _ := json.Marshal(fields)
	mustWrite(t, filepath.Join(rotated, CatalogFile), text)
	mustWrite(t, filepath.Join(rotated, dataFile), mustRead(t, filepath.Join(folder, dataFile)))
	// Also by who still has the new DEK in memory: Bundoc would put it into the catalog.
	for _, asked := range []*Provider{provider, newProvider(t, kms, Config{})} {
		err = mustFail(t, asked, rotated, ErrDataMismatch)
		if !strings.Contains(err.Error(), "once that file is removed") {
			t.Fatal(err)
		}
	}
	mustRemove(t, filepath.Join(rotated, RecordFile))
	if !bytes.Equal(key, mustKey(t, newProvider(t, kms, Config{}), rotated)) {
		t.Fatal("another key")
	}
}

func TestATornPageDoesNotCountAgainstTheKey(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	key := mustKey(t, newProvider(t, kms, Config{}), folder)
	writePages(t, folder, key, "one", "two")
	data := mustRead(t, filepath.Join(folder, dataFile))
	data[100] ^= 1
	mustWrite(t, filepath.Join(folder, dataFile), append(make([]byte, sealedLength), data...))
	mustKey(t, newProvider(t, kms, Config{}), folder)
}

func TestItsOwnDataIsRefused(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	mustWrite(t, filepath.Join(folder, ClusterFile), []byte(`{"cluster_id": "c1"}`))
	err := mustFail(t, newProvider(t, kms, Config{}), folder, ErrCircular)
	if !strings.Contains(err.Error(), "c1") || kms.generated.Load() != 0 {
		t.Fatal(err)
	}
	mustKey(t, newProvider(t, newFake("c2"), Config{}), folder)
	for _, text := range []string{``, `{}`, `{"cluster_id":""}`, `{"cluster_id":7}`, `[`} {
		mustWrite(t, filepath.Join(folder, ClusterFile), []byte(text))
		mustFail(t, newProvider(t, newFake("c2"), Config{}), folder, ErrDamaged)
	}
}
