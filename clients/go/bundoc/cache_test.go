package bundoc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// newest returns the bytes that the cache has, not a copy.
func newest(c *cache) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Front().Value.(*cached).key
}

func TestWarmDatabasesOpenWhileBunKMSIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kms, folder := newFake("c1"), t.TempDir()
		provider := newProvider(t, kms, Config{})
		warm, cold := filepath.Join(folder, "warm"), filepath.Join(folder, "cold")
		mustKey(t, newProvider(t, kms, Config{}), cold)
		key := mustKey(t, provider, warm)
		kms.down.Store(true)
		mustFail(t, provider, cold, ErrUnavailable)
		time.Sleep(15*time.Minute - time.Second)
		if !bytes.Equal(key, mustKey(t, provider, warm)) {
			t.Fatal("another key")
		}
		time.Sleep(time.Second)
		mustFail(t, provider, warm, ErrUnavailable)
	})
}

func TestKeysAreZeroedAtTheEndOfTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		provider := newProvider(t, newFake("c1"), Config{CacheAge: time.Minute})
		mustKey(t, provider, folder)
		kept := newest(provider.cache)
		if isZero(kept) {
			t.Fatal("no key is kept")
		}
		// Nobody asks again.
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		provider.cache.mu.Lock()
		defer provider.cache.mu.Unlock()
		if !isZero(kept) || provider.cache.order.Len() != 0 {
			t.Fatal("the key is still there")
		}
	})
}

func TestTheCacheIsBoundedAndForgetsTheOldestFirst(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{CacheCount: 2, NoRewrap: true})
	name := func(at int) string { return filepath.Join(folder, fmt.Sprint(at)) }
	mustKey(t, provider, name(0))
	first := newest(provider.cache)
	mustKey(t, provider, name(1))
	mustKey(t, provider, name(2))
	if provider.cache.order.Len() != 2 || !isZero(first) {
		t.Fatal("the first is still there")
	}
	mustKey(t, provider, name(1))
	mustKey(t, provider, name(3))
	kms.down.Store(true)
	mustKey(t, provider, name(1))
	mustFail(t, provider, name(2), ErrUnavailable)
}

func TestADatabaseMadeAnewInTheSamePlaceGetsAKeyOfItsOwn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "db")
	provider := newProvider(t, newFake("c1"), Config{})
	first := mustKey(t, provider, folder)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	second := mustKey(t, provider, folder)
	if bytes.Equal(first, second) {
		t.Fatal("the old key came from the cache")
	}
	if _, err := os.Stat(filepath.Join(folder, RecordFile)); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutACacheEachCallAsks(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	provider := newProvider(t, kms, Config{CacheAge: -1})
	mustKey(t, provider, folder)
	mustKey(t, provider, folder)
	if kms.decrypted.Load() != 1 {
		t.Fatal("the key was kept")
	}
}
