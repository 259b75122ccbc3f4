package bundoc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Rewrap wraps a database's DEK anew with the latest version of its key, after
// the key was rotated. The data stays as it is, and may be in use. It returns
// the versions before and after; they are the same when the key had no newer.
//
// It changes RecordFile. The catalog's copy follows when the database is
// opened or closed next; until then it holds the same DEK, wrapped as before.
func (p *Provider) Rewrap(ctx context.Context, folder string) (from, to uint32, err error) {
	if folder, err = filepath.Abs(folder); err != nil {
		return 0, 0, err
	}
	ctx, cancel := p.retry.bound(ctx)
	defer cancel()
	found, err := p.find(place{folder, filepath.Join(folder, CatalogFile)})
	if err != nil {
		return 0, 0, err
	}
	if found.record == nil {
		return 0, 0, &Error{folder, ErrNoWrappedKey, "there is nothing to wrap anew", nil}
	}
	if _, err := p.cluster(ctx, folder, found.record); err != nil {
		return 0, 0, err
	}
	key, err := p.unwrap(ctx, folder, found.record)
	if err != nil {
		return 0, 0, err
	}
	defer clear(key)
	record, err := p.rewrap(ctx, p.retry, folder, found.record, key)
	if err != nil {
		return 0, 0, err
	}
	return found.record.KeyVersion(), record.KeyVersion(), nil
}

// rewrap returns the record that is kept afterwards: the same one when the key
// has no newer version. What was wrapped anew must open to the same key before
// it takes the place of what is known to.
func (p *Provider) rewrap(ctx context.Context, retry RetryPolicy, folder string, record *Record, key []byte) (*Record, error) {
	anew := *record
	err := retry.do(ctx, func(ctx context.Context) (err error) {
		anew.WrappedDEK, err = p.kms.Rewrap(ctx, record.KeyName, record.WrappedDEK, record.EncryptionContext)
		return err
	})
	if err != nil {
		return nil, p.failed(folder, "wrapping the DEK anew", err)
	}
	if anew.KeyVersion() == 0 {
		return nil, &Error{folder, ErrRefused, "what it wrapped anew is no ciphertext", nil}
	}
	if anew.KeyVersion() <= record.KeyVersion() {
		return record, nil
	}
	opened, err := p.unwrap(ctx, folder, &anew)
	if err != nil {
		return nil, err
	}
	defer clear(opened)
	if subtle.ConstantTimeCompare(opened, key) != 1 {
		return nil, &Error{folder, ErrRefused, "what it wrapped anew is not the same DEK", nil}
	}
	text, err := anew.encode()
	if err != nil {
		return nil, err
	}
	// While BunKMS was asked, a copy under another DEK may have taken the folder's
	// place, and this is the only file with that one.
	if now, err := readRecordFile(folder); err != nil || now != nil && !now.equal(record) {
		return nil, errors.Join(err, &Error{folder, ErrInUse, RecordFile + " changed while the DEK was wrapped anew; try again", nil})
	}
	return &anew, replaceFile(filepath.Join(folder, RecordFile), text, 0o600)
}

// A database does not wait long for what it can do without.
var once = RetryPolicy{Deadline: -1}

// freshen wraps the DEK of a database that is being opened anew, if that is
// wanted and was not tried lately. Whatever fails, the record that is there
// opens the database.
func (p *Provider) freshen(ctx context.Context, folder string, record *Record, key []byte) *Record {
	if p.noRewrap || !p.isDue(folder) {
		return record
	}
	anew, err := p.rewrap(ctx, once, folder, record, key)
	if err != nil {
		p.log.Warn("the wrapped DEK stays as it is", "folder", folder, "key", record.KeyName,
			"version", record.KeyVersion(), "error", err)
		return record
	}
	if anew != record {
		p.log.Info("the DEK was wrapped anew", "folder", folder, "key", record.KeyName,
			"version", anew.KeyVersion(), "previous", record.KeyVersion())
	}
	return anew
}

func (p *Provider) isDue(folder string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, ok := p.rewrapped[folder]; ok && time.Since(last) < rewrapEvery {
		return false
	}
	p.rewrapped[folder] = time.Now()
	return true
}

// exists makes an error of this package of fs.ErrExist.
func exists(folder string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &Error{folder, ErrExists, fmt.Sprintf("%s is there already", RecordFile), nil}
	}
	return err
}
