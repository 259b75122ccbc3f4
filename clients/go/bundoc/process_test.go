//go:build unix

package bundoc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test program a database's process when it is told to.
func TestMain(m *testing.M) {
	if folder, ok := os.LookupEnv("BUNDOC_TEST_FOLDER"); ok {
		if err := beProcess(folder, os.Getenv("BUNDOC_TEST_START"), os.Getenv("BUNDOC_TEST_CRASH_AT")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beProcess prints a digest of the key, or ends by SIGKILL after a step.
func beProcess(folder, start, crashAt string) error {
	for {
		if _, err := os.Stat(start); start == "" || err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	provider, err := New(Config{KMS: newFake("c1"), KeyName: "bundoc"})
	if err != nil {
		return err
	}
	provider.step = func(step string) {
		if step == crashAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	key, err := provider.Key(context.Background(), folder)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(key)
	fmt.Print(hex.EncodeToString(sum[:]))
	return nil
}

func process(t *testing.T, folder, start, crashAt string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "BUNDOC_TEST_FOLDER="+folder, "BUNDOC_TEST_START="+start, "BUNDOC_TEST_CRASH_AT="+crashAt)
	command.Stdout, command.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

func TestSeveralProcessesAtOnceAgreeOnOneKey(t *testing.T) {
	for range 3 {
		parent := t.TempDir()
		folder, start := filepath.Join(parent, "db"), filepath.Join(parent, "start")
		var commands []*exec.Cmd
		for range 8 {
			commands = append(commands, process(t, folder, start, ""))
		}
		time.Sleep(100 * time.Millisecond)
		mustWrite(t, start, nil)
		digests := map[string]bool{}
		for _, command := range commands {
			if err := command.Wait(); err != nil {
				t.Fatal(err, command.Stderr)
			}
			digests[fmt.Sprint(command.Stdout)] = true
		}
		if len(digests) != 1 {
			t.Fatalf("%d keys", len(digests))
		}
		if files := filesBelow(t, folder); len(files) != 1 {
			t.Fatalf("%d files are left", len(files))
		}
	}
}

func TestACrashAtAnyStepLeavesNoDatabaseWithoutItsKey(t *testing.T) {
	for _, step := range []string{"generated", "created", "written", "synced", "linked", "stored"} {
		folder := filepath.Join(t.TempDir(), "db")
		var exit *exec.ExitError
		if err := process(t, folder, "", step).Wait(); !errors.As(err, &exit) ||
			exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: %v", step, err)
		}
		_, err := os.Stat(filepath.Join(folder, RecordFile))
		if isThere, expected := err == nil, step == "linked" || step == "stored"; isThere != expected {
			t.Fatalf("%s: the wrapped DEK: %v", step, err)
		}
		// The key was not handed out yet: there is no data, and the next start
		// makes a key or takes the one that is there.
		var digests []string
		for range 2 {
			command := process(t, folder, "", "")
			if err := command.Wait(); err != nil {
				t.Fatal(step, err, command.Stderr)
			}
			digests = append(digests, fmt.Sprint(command.Stdout))
		}
		if digests[0] != digests[1] {
			t.Fatalf("%s: two keys", step)
		}
	}
}

func TestLeftoversOfACrashAreRemovedWhenTheyAreOld(t *testing.T) {
	kms, folder := newFake("c1"), t.TempDir()
	old, young := filepath.Join(folder, RecordFile+temporary+"1"), filepath.Join(folder, RecordFile+temporary+"2")
	mustWrite(t, old, nil)
	mustWrite(t, young, nil)
	before := time.Now().Add(-2 * leftoverAge)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	mustKey(t, newProvider(t, kms, Config{}), folder)
	var names []string
	for name := range filesBelow(t, folder) {
		names = append(names, filepath.Base(name))
	}
	if text := strings.Join(names, " "); len(names) != 2 || strings.Contains(text, temporary+"1") {
		t.Fatal(text)
	}
}
