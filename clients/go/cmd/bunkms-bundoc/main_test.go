package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

var environment = []string{
	"BUNDOC_BUNKMS_URL=http://127.0.0.1:1", "BUNDOC_BUNKMS_TOKEN_FILE=token", "BUNDOC_BUNKMS_KEY=bundoc",
}

func TestWhatIsNoCommandPrintsTheUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"show"}, {"shows", "a"}, {"show", "a", "b"}, {"rotate", "a"}, {"adopt", "a", "b"}} {
		if err := run(t.Context(), args, environment, strings.NewReader(""), &bytes.Buffer{}); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestHelpIsPrintedWithoutSettings(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"-help"}, {"show", "--help"}} {
		var stdout bytes.Buffer
		if err := run(t.Context(), args, nil, strings.NewReader(""), &stdout); err != nil || stdout.String() != usage+"\n" {
			t.Errorf("%v: %v, %q", args, err, stdout.String())
		}
	}
}

func TestAnEmptyArgumentIsNotTheCurrentFolder(t *testing.T) {
	for _, args := range [][]string{{"show", ""}, {"rewrap", t.TempDir(), ""}, {"rotate", "", t.TempDir()}, {"adopt", ""}} {
		err := run(t.Context(), args, environment, strings.NewReader(""), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "an argument is empty") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestSettingsAreNeeded(t *testing.T) {
	for _, settings := range [][]string{nil, environment[:1]} {
		err := run(t.Context(), []string{"show", t.TempDir()}, settings, strings.NewReader(""), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "BUNDOC_BUNKMS_") {
			t.Error(err)
		}
	}
}

func TestAFolderWithoutAKeyIsSaidToHaveNone(t *testing.T) {
	for _, command := range []string{"show", "rewrap"} {
		err := run(t.Context(), []string{command, t.TempDir()}, environment, strings.NewReader(""), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "wrapped") {
			t.Error(command, err)
		}
	}
}

func TestARawKeyIsBytesOrBase64(t *testing.T) {
	key := bytes.Repeat([]byte{0xfe}, 32)
	text := base64.StdEncoding.EncodeToString(key)
	for _, given := range []string{string(key), text, text + "\n"} {
		if read, err := readKey(strings.NewReader(given)); err != nil || !bytes.Equal(read, key) {
			t.Errorf("%q: %v", given, err)
		}
	}
	for _, given := range []string{"", text[:40], text + text, string(key[:31]), strings.Repeat("x", 5000)} {
		if read, err := readKey(strings.NewReader(given)); err == nil || read != nil || strings.Contains(err.Error(), text[:40]) {
			t.Errorf("%q: %v", given, err)
		}
	}
}
