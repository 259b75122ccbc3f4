package bundoc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// RetryPolicy says how long a BunKMS that is down is tried again. The waits
// grow twofold from First to Most, each a random part of that, and no shorter
// than an answer asks (an error with RetryAfter() time.Duration), up to Most.
type RetryPolicy struct {
	// Deadline is how long one database's key may take in all. 0: 30 seconds.
	// Negative: each call is tried once.
	Deadline time.Duration
	// First is the longest first wait. 0: 100 milliseconds.
	First time.Duration
	// Most is the longest wait. 0: 5 seconds.
	Most time.Duration
}

const (
	defaultDeadline = 30 * time.Second
	defaultFirst    = 100 * time.Millisecond
	defaultMost     = 5 * time.Second
	// A call of a policy that tries once must end too.
	onceDeadline = 10 * time.Second
)

func (r RetryPolicy) withDefaults() RetryPolicy {
	if r.Deadline == 0 {
		r.Deadline = defaultDeadline
	}
	if r.First <= 0 {
		r.First = defaultFirst
	}
	if r.Most <= 0 {
		r.Most = defaultMost
	}
	return r
}

// bound returns a context that ends with the policy's deadline.
func (r RetryPolicy) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Deadline < 0 {
		return context.WithTimeout(ctx, onceDeadline)
	}
	return context.WithTimeout(ctx, r.Deadline)
}

// do calls until there is an answer, the answer will not change, or the
// context ends; then it returns the last error, with the one before it when the
// last says only that the context ended.
func (r RetryPolicy) do(ctx context.Context, call func(context.Context) error) error {
	var last error
	explained := func(err error) error {
		if last != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return fmt.Errorf("%w, after %w", err, last)
		}
		return err
	}
	for most := r.First; ; most = min(2*most, r.Most) {
		err := call(ctx)
		if err == nil || r.Deadline < 0 || !isPassing(err) || ctx.Err() != nil {
			return explained(err)
		}
		timer := time.NewTimer(max(rand.N(most), min(askedWait(err), r.Most)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			// gRPC's own clock may have been ahead of the context's.
			return explained(err)
		}
		last = err
	}
}

func askedWait(err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if !errors.As(err, &asks) {
		return 0
	}
	return asks.RetryAfter()
}
