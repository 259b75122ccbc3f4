package bunkms

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// CachePolicy bounds what an Envelope keeps of data keys. While one is kept,
// the server does not see what it is used for, and a key that is disabled or a
// right that is taken away has its effect only when the age ends
// (spec/envelope.md, "Keeping data keys").
type CachePolicy struct {
	// NoCache keeps nothing: each message costs a call, and is in the audit log.
	NoCache bool
	// MaxKeys is how many data keys are kept, each less than 8 KiB; 256 when 0.
	// The one that was not used for the longest time goes first.
	MaxKeys int
	// MaxAge is how long a data key is kept, from before the call that got it;
	// 5 minutes when 0, 24 hours at most.
	MaxAge time.Duration
	// MaxMessages is how many messages one data key encrypts here; 65,536 when
	// 0, 2^32 at most.
	MaxMessages int64
	// MaxBytes is how many bytes of plaintext one data key encrypts here; 1 GiB
	// when 0, 2^40 at most. A longer message has a data key of its own.
	MaxBytes int64
}

func (p CachePolicy) withDefaults() (CachePolicy, error) {
	if p.MaxKeys == 0 {
		p.MaxKeys = 256
	}
	if p.MaxAge == 0 {
		p.MaxAge = 5 * time.Minute
	}
	if p.MaxMessages == 0 {
		p.MaxMessages = 1 << 16
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = 1 << 30
	}
	if p.MaxKeys < 0 || p.MaxKeys > 1<<20 || p.MaxAge < 0 || p.MaxAge > 24*time.Hour ||
		p.MaxMessages < 0 || p.MaxMessages > 1<<32 || p.MaxBytes < 0 || p.MaxBytes > 1<<40 {
		return p, requestError("a limit of the cache is below nothing or above what spec/envelope.md allows")
	}
	return p, nil
}

// keptKey is a data key with its wrapped form.
type keptKey struct {
	plaintext [dataKeyLength]byte
	wrapped   string
	// from is when the call for it began.
	from time.Time
}

// cacheID finds a data key: a hash, so that what finds it takes 32 bytes.
type cacheID [32]byte

type cacheEntry struct {
	id       cacheID
	key      keptKey
	messages int64
	bytes    int64
}

// fetch is a call for a data key that several may wait for.
type fetch struct {
	done chan struct{}
	err  error
	// first is the key for the caller who began it, who so gets one however
	// soon it is forgotten; length is that of his message.
	first  *keptKey
	length int64
	// isLeft tells that he no longer waits.
	isLeft bool
}

// keyCache keeps data keys. What it hands out are copies.
type keyCache struct {
	policy CachePolicy

	mu sync.Mutex
	// recent has all entries, the last used first.
	recent  *list.List
	entries map[cacheID]*list.Element
	fetches map[cacheID]*fetch
	timer   *time.Timer
	closed  bool
}

func newKeyCache(policy CachePolicy) *keyCache {
	return &keyCache{
		policy:  policy,
		recent:  list.New(),
		entries: map[cacheID]*list.Element{},
		fetches: map[cacheID]*fetch{},
	}
}

// use returns a data key for one message of so many bytes, or for reading when
// length is negative. A miss calls get, once for all who wait; it outlives the
// caller who began it, since others may wait.
func (c *keyCache) use(ctx context.Context, id cacheID, length int64, get func(context.Context) (*keptKey, error)) (*keptKey, error) {
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, requestError("the envelope is closed")
		}
		if key := c.take(id, length); key != nil {
			c.mu.Unlock()
			return key, nil
		}
		waiting, isRunning := c.fetches[id]
		if !isRunning {
			waiting = &fetch{done: make(chan struct{}), length: length}
			c.fetches[id] = waiting
			go c.run(context.WithoutCancel(ctx), id, waiting, get)
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			if !isRunning {
				c.leave(waiting)
			}
			return nil, givenUp(ctx, nil)
		case <-waiting.done:
			if waiting.err != nil {
				return nil, waiting.err
			}
			if !isRunning {
				return waiting.first, nil
			}
		}
	}
}

// fetchTimeout ends a call for a data key whose source has no deadline.
const fetchTimeout = time.Minute

func (c *keyCache) run(ctx context.Context, id cacheID, running *fetch, get func(context.Context) (*keptKey, error)) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	key, err := get(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	// A failure is never kept.
	delete(c.fetches, id)
	running.err = err
	if err == nil {
		c.put(id, key)
		if !running.isLeft {
			// One that is too old already serves this one caller nevertheless.
			if running.first = c.take(id, running.length); running.first == nil {
				copied := *key
				running.first = &copied
			}
		}
		clear(key.plaintext[:])
	}
	close(running.done)
}

// leave clears what the caller who began a fetch will not take.
func (c *keyCache) leave(begun *fetch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun.isLeft = true
	if begun.first != nil {
		clear(begun.first.plaintext[:])
	}
}

// take counts one use of a kept key and copies it; nil when there is none that
// may be used.
func (c *keyCache) take(id cacheID, length int64) *keptKey {
	element := c.entries[id]
	if element == nil {
		return nil
	}
	entry := element.Value.(*cacheEntry)
	isWriting := length >= 0
	isUsedUp := entry.messages >= c.policy.MaxMessages || entry.messages > 0 && entry.bytes+length > c.policy.MaxBytes
	if c.isOld(entry, time.Now()) || isWriting && isUsedUp {
		c.remove(element)
		return nil
	}
	if isWriting {
		entry.messages++
		entry.bytes += length
	}
	c.recent.MoveToFront(element)
	copied := entry.key
	return &copied
}

// put keeps a copy of a key.
func (c *keyCache) put(id cacheID, key *keptKey) {
	if c.closed {
		return
	}
	if element := c.entries[id]; element != nil {
		c.remove(element)
	}
	c.entries[id] = c.recent.PushFront(&cacheEntry{id: id, key: *key})
	for len(c.entries) > c.policy.MaxKeys {
		c.remove(c.recent.Back())
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(c.policy.MaxAge, c.sweep)
	}
}

func (c *keyCache) remove(element *list.Element) {
	entry := c.recent.Remove(element).(*cacheEntry)
	delete(c.entries, entry.id)
	clear(entry.key.plaintext[:])
}

// sweep forgets what is too old, also when nobody asks for it.
func (c *keyCache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	next := time.Duration(-1)
	for element := c.recent.Front(); element != nil; {
		following := element.Next()
		entry := element.Value.(*cacheEntry)
		if c.isOld(entry, now) {
			c.remove(element)
		} else if left := c.policy.MaxAge - now.Sub(entry.key.from); next < 0 || left < next {
			next = left
		}
		element = following
	}
	c.timer = nil
	if next >= 0 && !c.closed {
		c.timer = time.AfterFunc(next, c.sweep)
	}
}

// isOld looks at both clocks: the monotonic one, which nobody sets, may stand
// still while a machine sleeps, and the other one does not.
func (c *keyCache) isOld(entry *cacheEntry, now time.Time) bool {
	return now.Sub(entry.key.from) >= c.policy.MaxAge || now.Round(0).Sub(entry.key.from.Round(0)) >= c.policy.MaxAge
}

// close forgets everything.
func (c *keyCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	for c.recent.Len() > 0 {
		c.remove(c.recent.Front())
	}
}
