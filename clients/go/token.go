package bunkms

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// TokenSource gives the token of a call. It is asked anew for every call, from
// several goroutines at once.
type TokenSource interface {
	Token(context.Context) (string, error)
}

// TokenFunc is a function as a TokenSource.
type TokenFunc func(context.Context) (string, error)

// Token calls the function.
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// StaticToken is one token, for as long as the client lives.
func StaticToken(token string) TokenSource {
	return TokenFunc(func(context.Context) (string, error) { return token, nil })
}

// FileToken is the token in a file, without the white space around it. The file
// is read again when it changes, so that a token can be replaced while the
// program runs. Replace it by renaming another over it.
func FileToken(path string) TokenSource {
	return &fileToken{path: path}
}

const (
	maxTokenLength = 8192
	// settled is how long a file must have stayed as it is before its time is
	// taken for proof that it did not change: clocks of file systems are coarse.
	settled = 2 * time.Second
)

type fileToken struct {
	path string

	mu    sync.Mutex
	token string
	// seen is the file as it was when the token was read, at readAt.
	seen   os.FileInfo
	readAt time.Time
}

func (f *fileToken) Token(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return "", err
	}
	if f.isSame(info) {
		return f.token, nil
	}
	token, err := readTokenFile(f.path)
	if err != nil {
		return "", err
	}
	f.token, f.seen, f.readAt = token, info, time.Now()
	return token, nil
}

func (f *fileToken) isSame(info os.FileInfo) bool {
	return f.seen != nil && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() &&
		f.seen.ModTime().Equal(info.ModTime()) && f.readAt.Sub(info.ModTime()) > settled
}

func readTokenFile(path string) (string, error) {
	opened, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, maxTokenLength+1))
	defer clear(content)
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(content)), nil
}

// bearer is the value of the authorization header; empty without a source.
func bearer(ctx context.Context, source TokenSource) (string, error) {
	if source == nil {
		return "", nil
	}
	token, err := source.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: no token: %w", ErrRequest, err)
	}
	// Checked here, because others' complaints about a bad header quote it.
	if token == "" || len(token) > maxTokenLength {
		return "", requestError("the token is empty or too long")
	}
	for _, character := range []byte(token) {
		if character < 0x21 || character > 0x7e {
			return "", requestError("the token has characters that no token has")
		}
	}
	return "Bearer " + token, nil
}
