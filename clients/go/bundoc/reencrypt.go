package bundoc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Source says how the data is encrypted that Reencrypt reads.
type Source struct {
	kind sourceKind
	key  []byte
}

type sourceKind int

const (
	wrapped sourceKind = iota
	raw
	plain
)

// Wrapped is data under the database's wrapped DEK. Reencrypt then rotates
// the DEK.
func Wrapped() Source { return Source{kind: wrapped} }

// Raw is data under a raw key.
func Raw(key []byte) Source { return Source{kind: raw, key: key} }

// Plain is data that is not encrypted.
func Plain() Source { return Source{kind: plain} }

// Reencrypt copies a closed database into a new folder, under a new DEK. The
// old folder stays as it is. It fails when the new folder is there already, or
// another run is making it. The copy grows beside it, under the name with
// ".incomplete". A run that fails removes it; after one that was killed it is
// to be removed by hand.
//
// Afterwards, with Bundoc still stopped, the new folder takes the place of the
// old one; both names must give the same database id, so the new folder is
// best made under the same name in another folder of the same disk. The
// write-ahead log is not copied: Bundoc does not read it, and it may hold
// documents in plaintext.
func (p *Provider) Reencrypt(ctx context.Context, from, to string, source Source) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return err
	}
	if p.database(from) != p.database(to) {
		return &Error{to, ErrWrongDatabase, fmt.Sprintf("it would be for database %q, and %s is database %q",
			p.database(to), from, p.database(from)), nil}
	}
	made, err := makeFolders(filepath.Dir(to))
	if err == nil {
		err = p.copyInto(ctx, from, to, source)
	}
	if err != nil {
		removeEmpty(made)
	}
	return err
}

// copyInto makes the new folder where another folder is there for it.
func (p *Provider) copyInto(ctx context.Context, from, to string, source Source) error {
	partial := to + ".incomplete"
	err := claim(to, partial)
	if err != nil {
		return err
	}
	if err = p.reencrypt(ctx, from, to, partial, source); err == nil {
		err = os.Rename(partial, to)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return syncFolder(filepath.Dir(to))
}

// claim makes the folder in which a copy grows. Of several runs at once, in
// any number of processes, exactly one succeeds: mkdir(2) decides.
func claim(to, partial string) error {
	if err := os.Mkdir(partial, 0o700); errors.Is(err, fs.ErrExist) {
		return &Error{partial, ErrExists, "another run is making this copy, or was killed while it did: " +
			"if none is at work, remove this folder and start again", nil}
	} else if err != nil {
		return err
	}
	// Looked for only now: a run that was ahead made it before it let go of partial.
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, &Error{to, ErrExists, "the new database must not be there yet", nil}, os.Remove(partial))
	}
	return nil
}

// sourceKey returns the key of the data, nil when it is not encrypted.
func (p *Provider) sourceKey(ctx context.Context, from string, source Source) ([]byte, error) {
	if source.kind == wrapped {
		record, err := p.Inspect(from)
		if err != nil {
			return nil, err
		}
		if record == nil {
			return nil, &Error{from, ErrNoWrappedKey, "say what its data is encrypted with", nil}
		}
		return p.Key(ctx, from)
	}
	record, err := p.Inspect(from)
	if err != nil {
		return nil, err
	}
	if record != nil {
		return nil, &Error{from, ErrExists, "it has a wrapped DEK, so its data is under that", nil}
	}
	if source.kind == raw && len(source.key) != KeyLength {
		return nil, &Error{from, ErrDataMismatch, "a raw key has 32 bytes", nil}
	}
	if source.kind == plain {
		return nil, mustBePlain(ctx, from)
	}
	return append([]byte(nil), source.key...), nil
}

// reencrypt fills the folder that becomes the new database.
func (p *Provider) reencrypt(ctx context.Context, from, to, partial string, source Source) error {
	old, err := p.sourceKey(ctx, from, source)
	if err != nil {
		return err
	}
	defer clear(old)
	before, err := stamp(from)
	if err != nil {
		return err
	}
	asking, cancel := p.retry.bound(ctx)
	cluster, err := p.cluster(asking, from, nil)
	if err != nil {
		cancel()
		return err
	}
	record, key, err := p.generate(asking, to, cluster)
	cancel()
	if err != nil {
		return err
	}
	defer clear(key)
	if err := p.store(partial, record); err != nil {
		return err
	}
	if err := copyOthers(from, partial); err != nil {
		return err
	}
	catalog, err := readCatalog(from, filepath.Join(from, CatalogFile))
	if err != nil {
		return err
	}
	text, err := catalog.with(record)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(partial, CatalogFile), text, 0o600); err != nil {
		return err
	}
	if err := sealPages(ctx, from, partial, old, key); err != nil {
		return err
	}
	after, err := stamp(from)
	if err != nil {
		return err
	}
	if before != after {
		return &Error{from, ErrInUse, "it changed while it was copied: close it first", nil}
	}
	return syncFolder(partial)
}

// copyOthers copies the folder's other files, such as Bundoc's audit log.
func copyOthers(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch entry.Name() {
		case dataFile, RecordFile, CatalogFile:
			continue
		}
		if !entry.Type().IsRegular() {
			continue
		}
		if err := copyFile(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Sync(), target.Close()) }()
	_, err = io.Copy(target, source)
	return err
}

// mustBePlain refuses data that does not look like pages of Bundoc in
// plaintext: encrypting what is encrypted already would bury it.
func mustBePlain(ctx context.Context, folder string) error {
	info, err := os.Stat(filepath.Join(folder, dataFile))
	if err != nil {
		return err
	}
	if info.Size()%pageLength != 0 {
		return &Error{folder, ErrDataMismatch, "it is not a row of plain pages", nil}
	}
	return forEachPage(ctx, folder, pageLength, func(page []byte) (bool, error) {
		// The first byte is the page's type, 1 to 4; of a page that was never
		// written it is 0.
		if page[0] > 4 {
			return false, &Error{folder, ErrDataMismatch, "it is not a row of plain pages", nil}
		}
		return true, nil
	})
}

// dataStamp changes when the database is written. The log is in it, since a
// Bundoc that is open writes there at once, and its pages only later.
type dataStamp struct {
	dataSize, catalogSize, logSize int64
	data, catalog, log             time.Time
}

func stamp(folder string) (dataStamp, error) {
	data, err := os.Stat(filepath.Join(folder, dataFile))
	if err != nil {
		return dataStamp{}, err
	}
	catalog, err := os.Stat(filepath.Join(folder, CatalogFile))
	if err != nil {
		return dataStamp{}, err
	}
	made := dataStamp{dataSize: data.Size(), catalogSize: catalog.Size(), data: data.ModTime(), catalog: catalog.ModTime()}
	logs, err := os.ReadDir(filepath.Join(folder, walFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dataStamp{}, err
	}
	for _, entry := range logs {
		info, err := entry.Info()
		if err != nil {
			return dataStamp{}, err
		}
		made.logSize += info.Size()
		if info.ModTime().After(made.log) {
			made.log = info.ModTime()
		}
	}
	return made, nil
}
