package bunkms

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestATokenFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path+".new", at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	source := FileToken(path)
	expect := func(expected string) {
		t.Helper()
		if token, err := source.Token(t.Context()); err != nil || token != expected {
			t.Errorf("%q, %v", token, err)
		}
	}
	if _, err := source.Token(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	write("first", time.Hour)
	expect("first")
	expect("first")
	write("other", time.Hour)
	expect("other")
	// Written twice within what a file system's clock can tell, without renaming.
	for _, token := range []string{"aaaaa", "bbbbb", "ccccc"} {
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(token)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Token(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a token that was taken away is used on", err)
	}
}

func TestTokensThatCannotBeSent(t *testing.T) {
	for _, token := range []string{"", "a b", "hunter2\r\nx: y", "hunter2\xc3\xa9", strings.Repeat("a", 8193)} {
		for _, scheme := range []string{"http", "grpc"} {
			client := dial(t, scheme+"://127.0.0.1:1", WithToken(StaticToken(token)))
			_, err := client.Encrypt(t.Context(), "k", nil, nil)
			if !errors.Is(err, ErrRequest) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v", token, err)
			}
		}
	}
}

func TestAFunctionAsTokenSourceIsAskedForEachAttempt(t *testing.T) {
	asked := 0
	source := TokenFunc(func(context.Context) (string, error) {
		asked++
		return []string{"old", "new"}[asked-1], nil
	})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("authorization") == "Bearer old" {
			answerJSON(w, 503, isSealed)
			return
		}
		answerJSON(w, 200, `{"ciphertext":"c"}`)
	}, WithToken(source))
	if _, err := client.Encrypt(t.Context(), "k", nil, nil); err != nil || asked != 2 {
		t.Error(err, asked)
	}
	failure := errors.New("no login")
	client = serve(t, func(http.ResponseWriter, *http.Request) { t.Error("sent without a token") },
		WithToken(TokenFunc(func(context.Context) (string, error) { return "", failure })))
	if _, err := client.Encrypt(t.Context(), "k", nil, nil); !errors.Is(err, failure) || !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
}
