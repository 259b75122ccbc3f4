package bunkms

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAConnectionOverHTTP2ThatDiedSilentlyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authority := newAuthority(t)
		certFile, keyFile := authority.issue(t, t.TempDir(), "server")
		listener := pipes{make(chan net.Conn), make(chan struct{})}
		var protocol atomic.Value
		running := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			protocol.Store(r.Proto)
			answerJSON(w, 200, `{"ciphertext":"c"}`)
		}), ErrorLog: quietLog}
		go running.ServeTLS(listener, certFile, keyFile)
		config, err := LoadTLSConfig(authority.file(t), "", "")
		if err != nil {
			t.Fatal(err)
		}
		var last *atomic.Bool
		client, err := New("https://127.0.0.1:1", WithTLSConfig(config), WithTimeout(20*time.Second),
			WithDialer(func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				listener.accepted <- theirs
				last = &atomic.Bool{}
				return losing{ours, last}, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		encrypt := func() error {
			_, err := client.Encrypt(t.Context(), "k", nil, nil)
			return err
		}
		if err := encrypt(); err != nil || protocol.Load() != "HTTP/2.0" {
			t.Fatal(err, protocol.Load())
		}
		last.Store(true)
		if err := encrypt(); err != nil {
			t.Error("not on another connection", err)
		}
		client.Close()
		running.Close()
	})
}
