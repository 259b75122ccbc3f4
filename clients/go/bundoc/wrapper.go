package bundoc

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
)

// Database is a database of a Bundoc that is not patched, with what Open does
// around it.
type Database[D io.Closer] struct {
	// DB is what the caller's function opened.
	DB D

	provider *Provider
	at       place
	key      []byte
	once     sync.Once
	err      error
}

// Open opens a database with a Bundoc that knows nothing of key providers. The
// function gets the DEK and opens the database in the folder with it, for
// example
//
//	database, err := bunkms.Open(ctx, provider, folder, func(key []byte) (*bundoc.Database, error) {
//		options := bundoc.DefaultOptions(folder)
//		options.EncryptionKey = key
//		return bundoc.Open(options)
//	})
//
// The key is valid until Database.Close, also for a pool that opens further
// connections. The catalog must lie in the folder, under its usual name.
//
// Such a Bundoc writes its catalog from what it knows, and drops the copy of
// the wrapped DEK there. Open and Close put it back. In between, and after a
// crash, the wrapped DEK is in RecordFile, which Bundoc does not touch.
func Open[D io.Closer](ctx context.Context, provider *Provider, folder string, open func(key []byte) (D, error)) (*Database[D], error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	at := place{folder, filepath.Join(folder, CatalogFile)}
	record, key, err := provider.get(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := keepInCatalog(folder, at.catalog, record); err != nil {
		clear(key)
		return nil, err
	}
	db, err := open(key)
	if err != nil {
		clear(key)
		return nil, err
	}
	return &Database[D]{DB: db, provider: provider, at: at, key: key}, nil
}

// Close closes the database, puts the catalog's copy of the wrapped DEK back
// and zeroes the key. A second call returns what the first one did.
func (d *Database[D]) Close() error {
	d.once.Do(func() {
		d.err = d.DB.Close()
		clear(d.key)
		found, err := d.provider.find(d.at)
		if err == nil && found.record != nil {
			err = keepInCatalog(d.at.folder, d.at.catalog, found.record)
		}
		d.err = errors.Join(d.err, err)
	})
	return d.err
}
