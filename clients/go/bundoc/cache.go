package bundoc

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps the keys of databases that were opened lately, so that a
// database can be opened again while BunKMS is down. It is bounded by age and
// by count, and zeroes what it forgets.
type cache struct {
	age   time.Duration
	count int

	mu      sync.Mutex
	entries map[string]*list.Element
	// The one that was used last is at the front.
	order *list.List
}

type cached struct {
	folder string
	// wrapped is what the key was unwrapped from. A database that was removed
	// and made anew in the same place has another.
	wrapped string
	key     []byte
	since   time.Time
	timer   *time.Timer
}

func newCache(age time.Duration, count int) *cache {
	return &cache{age: age, count: count, entries: map[string]*list.Element{}, order: list.New()}
}

// get returns a copy of the key, or nil.
func (c *cache) get(folder, wrapped string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[folder]
	if !ok {
		return nil
	}
	entry := element.Value.(*cached)
	if entry.wrapped != wrapped || c.isOld(entry) {
		c.forget(element)
		return nil
	}
	c.order.MoveToFront(element)
	return append([]byte(nil), entry.key...)
}

// put keeps a copy of the key. The age counts from since.
func (c *cache) put(folder, wrapped string, key []byte, since time.Time) {
	if c.age <= 0 || c.count <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[folder]; ok {
		c.forget(element)
	}
	entry := &cached{folder: folder, wrapped: wrapped, key: append([]byte(nil), key...), since: since}
	element := c.order.PushFront(entry)
	c.entries[folder] = element
	entry.timer = time.AfterFunc(c.age-time.Since(since), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.entries[folder] == element {
			c.forget(element)
		}
	})
	for c.order.Len() > c.count {
		c.forget(c.order.Back())
	}
}

// clear forgets all.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.forget(c.order.Back())
	}
}

// isOld looks at both clocks: the monotonic one may stand still while the
// machine sleeps, and the other may be set back.
func (c *cache) isOld(entry *cached) bool {
	now := time.Now()
	return now.Sub(entry.since) >= c.age || now.Round(0).Sub(entry.since.Round(0)) >= c.age
}

// forget zeroes and removes an entry. The caller has the lock.
func (c *cache) forget(element *list.Element) {
	entry := element.Value.(*cached)
	entry.timer.Stop()
	clear(entry.key)
	c.order.Remove(element)
	delete(c.entries, entry.folder)
}
