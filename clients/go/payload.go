package bunkms

import (
	"io"
	"sync"
)

// payload is a request's bytes, which may hold secrets. net/http may still read
// a body when its call has ended, so they are cleared when the call has ended
// and every reader is closed, whichever is last.
type payload struct {
	mu        sync.Mutex
	data      []byte
	open      int
	forgotten bool
}

// reader begins anew.
func (p *payload) reader() io.ReadCloser {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return &payloadReader{payload: p}
}

// forget ends the call; it may be nil.
func (p *payload) forget() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgotten = true
	p.clearIfUnused()
}

func (p *payload) clearIfUnused() {
	if p.forgotten && p.open == 0 {
		clear(p.data)
	}
}

type payloadReader struct {
	payload *payload
	at      int
	closed  bool
}

func (r *payloadReader) Read(into []byte) (int, error) {
	r.payload.mu.Lock()
	defer r.payload.mu.Unlock()
	if r.closed {
		return 0, io.ErrClosedPipe
	}
	if r.at == len(r.payload.data) {
		return 0, io.EOF
	}
	count := copy(into, r.payload.data[r.at:])
	r.at += count
	return count, nil
}

func (r *payloadReader) Close() error {
	r.payload.mu.Lock()
	defer r.payload.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.payload.open--
		r.payload.clearIfUnused()
	}
	return nil
}
