package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vector returns the key and ciphertext of a vector by its name.
func vector(t *testing.T, name string) (key, ciphertext string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "spec", "vectors", "ciphertext.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct{ Name, Key, Ciphertext string }
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, vector := range file.Vectors {
		if vector.Name == name {
			return vector.Key, vector.Ciphertext
		}
	}
	t.Fatalf("no vector %q", name)
	return "", ""
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(stdin string, arguments ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := run(arguments, strings.NewReader(stdin), &stdout, &stderr)
	return stdout.String(), err
}

func TestOpensAFile(t *testing.T) {
	key, ciphertext := vector(t, "text")
	plaintext, err := open("", "-key", write(t, key+"\n"), write(t, ciphertext+"\n"))
	if err != nil || plaintext != "attack at dawn" {
		t.Errorf("%q, %v", plaintext, err)
	}
}

func TestOpensStandardInputWithAContext(t *testing.T) {
	key, ciphertext := vector(t, "a context")
	pairs := []string{"-key", write(t, key), "-context", "tenant=acme", "-context", "purpose=invoices"}
	plaintext, err := open(ciphertext, pairs...)
	if err != nil || plaintext != "attack at dawn" {
		t.Errorf("%q, %v", plaintext, err)
	}
	if plaintext, err := open(ciphertext, pairs[:4]...); err == nil || plaintext != "" {
		t.Errorf("half the context: %q, %v", plaintext, err)
	}
}

func TestOpensWithBytesAsAdditionalData(t *testing.T) {
	key, ciphertext := vector(t, "bytes as additional data")
	plaintext, err := open(ciphertext, "-key", write(t, key), "-aad", write(t, "\x00\xff\x01"))
	if err != nil || plaintext != "attack at dawn" {
		t.Errorf("%q, %v", plaintext, err)
	}
}

func TestHelpIsPrinted(t *testing.T) {
	for _, argument := range []string{"--help", "-help", "-h"} {
		var stdout, stderr bytes.Buffer
		err := run([]string{argument}, strings.NewReader(""), &stdout, &stderr)
		if err != nil || !strings.HasPrefix(stdout.String(), usage) || !strings.Contains(stdout.String(), "-aad") || stderr.Len() > 0 {
			t.Errorf("%s: %v, %q, %q", argument, err, stdout.String(), stderr.String())
		}
	}
}

func TestRefusesWrongUse(t *testing.T) {
	key, ciphertext := vector(t, "text")
	file := write(t, key)
	for name, arguments := range map[string][]string{
		"no key":               {},
		"a key too short":      {"-key", write(t, key[2:])},
		"a missing key file":   {"-key", file + ".missing"},
		"bytes and a context":  {"-key", file, "-aad", file, "-context", "a=b"},
		"a context without =":  {"-key", file, "-context", "a"},
		"a name given twice":   {"-key", file, "-context", "a=b", "-context", "a=c"},
		"two ciphertext files": {"-key", file, file, file},
		"a file without name":  {"-key", file, ""},
		"-aad without a name":  {"-key", file, "-aad", ""},
		"-aad= without a name": {"-key", file, "-aad="},
	} {
		if plaintext, err := open(ciphertext, arguments...); err == nil || plaintext != "" {
			t.Errorf("%s: %q, %v", name, plaintext, err)
		}
	}
}
