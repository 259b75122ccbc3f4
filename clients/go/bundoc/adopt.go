package bundoc

import (
	"context"
	"crypto/subtle"
	"fmt"
	"path/filepath"
)

// Encrypter is what Adopt needs of BunKMS beside a KMS.
type Encrypter interface {
	// Encrypt wraps bytes of the caller's.
	Encrypt(ctx context.Context, keyName string, plaintext []byte, encryptionContext map[string]string) (string, error)
}

// Adopt gives a database that has a raw key, from the time before BunKMS, a
// wrapped DEK: the raw key becomes it. The data stays as it is. The database
// must be closed; afterwards it is opened with the provider, and the raw key
// is to be destroyed wherever it was kept. Who must not have known it, or may
// have, needs a new DEK: Reencrypt.
//
// It first tries the key on every page of the data, and refuses when there is
// a page that it does not open, or none to try it on.
func (p *Provider) Adopt(ctx context.Context, encrypter Encrypter, folder string, rawKey []byte) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	found, err := p.find(place{folder, filepath.Join(folder, CatalogFile)})
	if err != nil {
		return err
	}
	if found.record != nil {
		return &Error{folder, ErrExists, "the database has a wrapped DEK already", nil}
	}
	if len(rawKey) != KeyLength {
		return &Error{folder, ErrDataMismatch, "a raw key has 32 bytes", nil}
	}
	pages, err := opensAll(ctx, folder, rawKey)
	if err != nil {
		return err
	}
	if pages == 0 {
		return &Error{folder, ErrDataMismatch, "there is no data on which to try the raw key", nil}
	}
	// Not before: to read all pages takes as long as it takes.
	ctx, cancel := p.retry.bound(ctx)
	defer cancel()
	cluster, err := p.cluster(ctx, folder, nil)
	if err != nil {
		return err
	}
	record := &Record{recordVersion, cluster, p.keyName, "", p.context(folder)}
	err = p.retry.do(ctx, func(ctx context.Context) (err error) {
		record.WrappedDEK, err = encrypter.Encrypt(ctx, p.keyName, rawKey, record.EncryptionContext)
		return err
	})
	if err != nil {
		return p.failed(folder, fmt.Sprintf("wrapping the raw key with key %q", p.keyName), err)
	}
	key, err := p.unwrap(ctx, folder, record)
	if err != nil {
		return err
	}
	defer clear(key)
	if subtle.ConstantTimeCompare(key, rawKey) != 1 {
		return &Error{folder, ErrRefused, "what it wrapped does not unwrap to the raw key", nil}
	}
	return p.store(folder, record)
}
