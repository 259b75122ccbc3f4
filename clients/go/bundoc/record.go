package bundoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/bunbase/bunkms/clients/go/envelope"
)

const (
	// RecordFile is the file with the wrapped DEK, in the database's folder.
	RecordFile = "bunkms-dek.json"
	// CatalogFile is Bundoc's catalog, in the same folder.
	CatalogFile = "system_catalog.json"
	// CatalogField is the field of the catalog with a copy of the record.
	CatalogField = "bunkms"
	// ClusterFile says whose data a database holds: a BunKMS that keeps its
	// data in Bundoc writes it before it opens the database.
	ClusterFile = "bunkms-cluster.json"

	recordVersion = 1
	maxRecord     = 64 << 10
)

// Record is what is kept of a database's DEK: all but the key itself. Nothing
// in it is secret.
type Record struct {
	// Version of the format, 1.
	Version int `json:"version"`
	// ClusterID is the BunKMS cluster whose key wraps the DEK.
	ClusterID string `json:"cluster_id"`
	// KeyName is the key that wraps the DEK.
	KeyName string `json:"key_name"`
	// WrappedDEK is a ciphertext of spec/ciphertext.md.
	WrappedDEK string `json:"wrapped_dek"`
	// EncryptionContext is what the DEK is bound to.
	EncryptionContext map[string]string `json:"encryption_context"`
}

// KeyVersion is the version of the key that wraps the DEK.
func (r *Record) KeyVersion() uint32 {
	header, err := envelope.ParseHeader(r.WrappedDEK)
	if err != nil {
		return 0
	}
	return header.Version
}

func (r *Record) equal(other *Record) bool {
	return r.Version == other.Version && r.ClusterID == other.ClusterID && r.KeyName == other.KeyName &&
		r.WrappedDEK == other.WrappedDEK && maps.Equal(r.EncryptionContext, other.EncryptionContext)
}

// encode returns the record as it is kept, the same bytes for the same record.
func (r *Record) encode() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// parseRecord reads a record and refuses whatever is not wholly one.
func parseRecord(text []byte) (*Record, error) {
	record := &Record{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(record); err != nil {
		return nil, fmt.Errorf("it is no JSON object as expected: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	if record.Version != recordVersion {
		return nil, fmt.Errorf("its version is %d, and only %d is known", record.Version, recordVersion)
	}
	if record.ClusterID == "" || record.KeyName == "" || len(record.EncryptionContext) == 0 {
		return nil, errors.New("the cluster, the key's name or the encryption context is missing")
	}
	if _, err := envelope.ParseHeader(record.WrappedDEK); err != nil {
		return nil, errors.New("the wrapped DEK is no ciphertext of BunKMS, or not all of one")
	}
	return record, nil
}

// readRecordFile returns nil when there is none.
func readRecordFile(folder string) (*Record, error) {
	text, err := readSmall(filepath.Join(folder, RecordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record, err := parseRecord(text)
	if err != nil {
		return nil, &Error{folder, ErrDamaged, RecordFile + " cannot be read. Put it back from a backup; if the field " +
			CatalogField + " of " + CatalogFile + " is whole, removing the damaged file is enough", err}
	}
	return record, nil
}

// catalogFields are the catalog's fields as they stand in the file.
type catalogFields map[string]json.RawMessage

const (
	catalogTries = 5
	catalogWait  = 20 * time.Millisecond
)

// readCatalog returns nil when there is no catalog. A Bundoc that is not
// patched writes it in place, so that what another process writes just now
// looks damaged for a moment.
func readCatalog(folder, path string) (catalogFields, error) {
	for try := 1; ; try++ {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		fields := catalogFields{}
		if err = json.Unmarshal(text, &fields); err == nil && fields != nil {
			return fields, nil
		}
		if try == catalogTries {
			return nil, &Error{folder, ErrDamaged, "Bundoc's catalog is no JSON object: put it back from a backup", err}
		}
		time.Sleep(catalogWait)
	}
}

// record returns the catalog's copy of the record, or nil when it has none.
func (fields catalogFields) record(folder string) (*Record, error) {
	text, ok := fields[CatalogField]
	if !ok {
		return nil, nil
	}
	record, err := parseRecord(text)
	if err != nil {
		return nil, &Error{folder, ErrDamaged, "the field " + CatalogField + " of the catalog cannot be read; if " +
			RecordFile + " is whole, removing the field is enough", err}
	}
	return record, nil
}

// isEmpty says whether the catalog knows of nothing that was stored.
func (fields catalogFields) isEmpty() bool {
	for _, name := range []string{"collections", "group_indexes"} {
		var entries map[string]json.RawMessage
		if text, ok := fields[name]; ok && (json.Unmarshal(text, &entries) != nil || len(entries) > 0) {
			return false
		}
	}
	return true
}

// keepInCatalog puts a copy of the record into the catalog. The caller knows
// that no Bundoc has the database open: Bundoc writes the catalog from memory.
func keepInCatalog(folder, path string, record *Record) error {
	fields, err := readCatalog(folder, path)
	if err != nil {
		return err
	}
	kept, err := fields.record(folder)
	if err != nil || kept != nil && kept.equal(record) {
		return err
	}
	text, err := fields.with(record)
	if err != nil {
		return err
	}
	return replaceFile(path, text, 0o644)
}

// with returns the catalog's text with this record.
func (fields catalogFields) with(record *Record) ([]byte, error) {
	encoded, err := record.encode()
	if err != nil {
		return nil, err
	}
	all := catalogFields{CatalogField: encoded}
	for name, text := range fields {
		if name != CatalogField {
			all[name] = text
		}
	}
	return json.MarshalIndent(all, "", "  ")
}

// readCluster returns the cluster whose data the database holds, or "" when it
// holds no BunKMS's data.
func readCluster(folder string) (string, error) {
	text, err := readSmall(filepath.Join(folder, ClusterFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var marker struct {
		ClusterID string `json:"cluster_id"`
	}
	if err := json.Unmarshal(text, &marker); err != nil || marker.ClusterID == "" {
		return "", &Error{folder, ErrDamaged, ClusterFile + " does not name a cluster, so it cannot be known whether this " +
			"database holds the data of the BunKMS that would be asked", err}
	}
	return marker.ClusterID, nil
}

func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxRecord))
}
