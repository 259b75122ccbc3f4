//go:build unix

package bundoc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// leavingKMS is a KMS whose caller goes away while it makes a DEK.
type leavingKMS struct {
	*fakeKMS
	leave func()
}

func (k leavingKMS) GenerateDataKey(ctx context.Context, name string, bound map[string]string) ([]byte, string, error) {
	k.leave()
	return k.fakeKMS.GenerateDataKey(ctx, name, bound)
}

func TestACopyEndsWithItsContextAndLeavesNothing(t *testing.T) {
	kms, parent := newFake("c1"), t.TempDir()
	from, to := filepath.Join(parent, "db"), filepath.Join(parent, "new", "db")
	writePages(t, from, nil, "one", "two")
	ctx, leave := context.WithCancel(t.Context())
	provider := newProvider(t, leavingKMS{kms, leave}, Config{})
	if err := provider.Reencrypt(ctx, from, to, Plain()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(to)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("something is left", err)
	}
}

func TestAnAdoptionEndsWithItsContext(t *testing.T) {
	kms, folder, raw := newFake("c1"), t.TempDir(), bytes.Repeat([]byte{9}, 32)
	writePages(t, folder, raw, "one")
	ctx, leave := context.WithCancel(t.Context())
	leave()
	provider := newProvider(t, kms, Config{})
	if err := provider.Adopt(ctx, kms, folder, raw); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if record, err := provider.Inspect(folder); record != nil || err != nil {
		t.Fatal(record, err)
	}
}

// deadlineKMS notes until when it may take.
type deadlineKMS struct {
	*fakeKMS
	until time.Time
}

func (k *deadlineKMS) ClusterID(ctx context.Context) (string, error) {
	k.until, _ = ctx.Deadline()
	return k.fakeKMS.ClusterID(ctx)
}

func TestReadingAllPagesDoesNotCountAgainstTheDeadlineForBunKMS(t *testing.T) {
	kms, folder, raw := &deadlineKMS{fakeKMS: newFake("c1")}, t.TempDir(), bytes.Repeat([]byte{9}, 32)
	writePages(t, folder, raw, "one", "two")
	pages := mustRead(t, filepath.Join(folder, dataFile))
	mustRemove(t, filepath.Join(folder, dataFile))
	if err := syscall.Mkfifo(filepath.Join(folder, dataFile), 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan time.Time, 1)
	go func() {
		pipe, err := os.OpenFile(filepath.Join(folder, dataFile), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		read <- time.Now()
		_, err = pipe.Write(pages)
		if err = errors.Join(err, pipe.Close()); err != nil {
			t.Error(err)
		}
	}()
	provider := newProvider(t, kms, Config{Retry: RetryPolicy{Deadline: time.Hour}})
	if err := provider.Adopt(t.Context(), kms, folder, raw); err != nil {
		t.Fatal(err)
	}
	if begun := <-read; kms.until.Before(begun.Add(time.Hour)) {
		t.Fatalf("of the hour for BunKMS, reading took %v", begun.Add(time.Hour).Sub(kms.until))
	}
}
