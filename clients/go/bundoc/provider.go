// Package bundoc gives Bundoc databases their encryption keys.
//
// Each database has a data encryption key (DEK) of its own, made by BunKMS.
// It is kept wrapped, beside the data, and in plaintext in memory only. A
// database that is opened the first time gets a new DEK, whose wrapped form is
// on the disk before the key is handed out; later its wrapped DEK is unwrapped.
// There is never a new key over existing data.
//
// The package uses the standard library alone, and nothing of Bundoc:
// *Provider is a KeyProvider of the Bundoc that integrations/bundoc patches,
// and Open wraps a Bundoc that is not patched. integrations/bundoc/README.md
// is the guide.
package bundoc

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

const (
	// Purpose is the value of "purpose" in the encryption context of DEKs.
	Purpose = "bundoc-dek"

	defaultCacheAge   = 15 * time.Minute
	defaultCacheCount = 1024
	// Whether the key has a newer version is not asked more often than this.
	rewrapEvery = 24 * time.Hour
)

// KMS is what a Provider needs of BunKMS. An error that is an answer of BunKMS
// is a *KMSError. Package connect makes one of a client.
type KMS interface {
	// GenerateDataKey makes a key of 32 bytes, in plaintext and wrapped. The
	// caller owns the plaintext.
	GenerateDataKey(ctx context.Context, keyName string, encryptionContext map[string]string) (plaintext []byte, ciphertext string, err error)
	// Decrypt unwraps. The caller owns the plaintext.
	Decrypt(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) ([]byte, error)
	// Rewrap wraps anew with the key's latest version.
	Rewrap(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) (string, error)
	// ClusterID names the cluster.
	ClusterID(ctx context.Context) (string, error)
}

// Config configures a Provider. Only KMS and KeyName are needed.
type Config struct {
	// KMS is the BunKMS that is asked.
	KMS KMS
	// KeyName is the key there that wraps the DEKs.
	KeyName string
	// Database gives the id of the database in a folder, to which its DEK is
	// bound, from the folder's absolute path. By default it is the folder's
	// name; bundoc-server's projects are named so.
	Database func(folder string) string
	// CacheAge is how long a DEK is kept in memory after it was got. 0: 15
	// minutes. Negative: not at all.
	CacheAge time.Duration
	// CacheCount is how many are kept. 0: 1024.
	CacheCount int
	// Retry is for a BunKMS that is down.
	Retry RetryPolicy
	// NoRewrap leaves wrapped DEKs as they are when their key was rotated.
	// Otherwise they are wrapped anew when their database is opened; when that
	// fails, the database opens all the same, and the log says so.
	NoRewrap bool
	// Log gets what does not keep a database from being opened. nil: nothing.
	Log *slog.Logger
}

// Provider gives databases their keys. It can be used by several goroutines at
// once. Close it when done.
type Provider struct {
	kms      KMS
	keyName  string
	database func(string) string
	cache    *cache
	retry    RetryPolicy
	noRewrap bool
	log      *slog.Logger
	// step is called after each step of making a wrapped DEK durable, for the
	// tests that end a process there.
	step func(string)

	mu        sync.Mutex
	closed    bool
	fetches   map[string]*fetch
	rewrapped map[string]time.Time
}

// fetch is one call for a key, which all who want that key wait for.
type fetch struct {
	done   chan struct{}
	record *Record
	key    []byte
	err    error
	// waiting counts them; the last one zeroes the key.
	waiting int
}

// New returns a provider. It does not call BunKMS yet.
func New(config Config) (*Provider, error) {
	if config.KMS == nil || config.KeyName == "" {
		return nil, errors.New("bundoc key: a KMS and a key name are needed")
	}
	provider := &Provider{
		kms:       config.KMS,
		keyName:   config.KeyName,
		database:  config.Database,
		retry:     config.Retry.withDefaults(),
		noRewrap:  config.NoRewrap,
		log:       config.Log,
		step:      func(string) {},
		fetches:   map[string]*fetch{},
		rewrapped: map[string]time.Time{},
	}
	if provider.database == nil {
		provider.database = filepath.Base
	}
	if provider.log == nil {
		provider.log = slog.New(slog.DiscardHandler)
	}
	age, count := config.CacheAge, config.CacheCount
	if age == 0 {
		age = defaultCacheAge
	}
	if count == 0 {
		count = defaultCacheCount
	}
	provider.cache = newCache(age, count)
	return provider, nil
}

// Close zeroes the keys that are kept. Databases that are open go on: they
// have their keys.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cache.clear()
	return nil
}

// Key returns the DEK of the database in a folder, 32 bytes. The caller owns
// the bytes, and zeroes them when Bundoc does not need them any more.
//
// In a folder where nothing was stored yet it makes a DEK, and returns it only
// after its wrapped form is on the disk. It changes nothing in Bundoc's files.
func (p *Provider) Key(ctx context.Context, folder string) ([]byte, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	_, key, err := p.get(ctx, place{folder, filepath.Join(folder, CatalogFile)})
	return key, err
}

// EncryptionKey is Key for the Bundoc that integrations/bundoc patches, which
// calls it when it opens a database. Bundoc keeps the fields in its catalog.
func (p *Provider) EncryptionKey(folder, catalog string) (key []byte, fields map[string]json.RawMessage, err error) {
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, nil, err
	}
	record, key, err := p.get(context.Background(), place{folder, catalog})
	if err != nil {
		return nil, nil, err
	}
	text, err := record.encode()
	if err != nil {
		clear(key)
		return nil, nil, err
	}
	return key, map[string]json.RawMessage{CatalogField: text}, nil
}

// Inspect returns what is kept of a database's DEK, or nil when there is
// nothing. It does not call BunKMS.
func (p *Provider) Inspect(folder string) (*Record, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	found, err := p.find(place{folder, filepath.Join(folder, CatalogFile)})
	return found.record, err
}

// place is where a database lies.
type place struct{ folder, catalog string }

// get returns the key from the cache, or fetches it, once for all who ask at
// the same time.
func (p *Provider) get(ctx context.Context, at place) (*Record, []byte, error) {
	found, err := p.find(at)
	if err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nil, &Error{Folder: at.folder, Kind: ErrClosed}
	}
	if found.record != nil && found.hasFile {
		if key := p.cache.get(at.folder, found.record.WrappedDEK); key != nil {
			p.mu.Unlock()
			// Where the catalog has another wrapped DEK, the data may be of another
			// time, put back since, and what is returned takes that DEK's place.
			if found.hasOther {
				if err := p.mustOpen(at.folder, key, found); err != nil {
					clear(key)
					return nil, nil, err
				}
			}
			return found.record, key, nil
		}
	}
	running, ok := p.fetches[at.folder]
	if !ok {
		running = &fetch{done: make(chan struct{})}
		p.fetches[at.folder] = running
		// Whoever asked first may go away; the others wait for the same answer.
		go p.run(context.WithoutCancel(ctx), at, running)
	}
	running.waiting++
	p.mu.Unlock()
	select {
	case <-running.done:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.leave(running)
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if running.err != nil {
		return nil, nil, running.err
	}
	return running.record, append([]byte(nil), running.key...), nil
}

// leave zeroes the key once nobody waits for it. The caller has the lock.
func (p *Provider) leave(running *fetch) {
	running.waiting--
	if running.waiting == 0 && isClosed(running.done) {
		clear(running.key)
	}
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (p *Provider) run(ctx context.Context, at place, running *fetch) {
	since := time.Now()
	ctx, cancel := p.retry.bound(ctx)
	defer cancel()
	record, key, err := p.obtain(ctx, at)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && !p.closed {
		p.cache.put(at.folder, record.WrappedDEK, key, since)
	}
	if running.waiting == 0 {
		clear(key)
	}
	running.record, running.key, running.err = record, key, err
	delete(p.fetches, at.folder)
	close(running.done)
}
