package bundoc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// busyError is an answer that asks to be left alone for a while.
type busyError struct{ wait time.Duration }

func (busyError) Error() string               { return "too many requests" }
func (e busyError) RetryAfter() time.Duration { return e.wait }

func TestAnAnswerSaysHowLongToWait(t *testing.T) {
	for asked, waited := range map[time.Duration]time.Duration{
		2 * time.Second:  2 * time.Second,
		20 * time.Second: 5 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			begun, calls := time.Now(), 0
			err := RetryPolicy{}.withDefaults().do(t.Context(), func(context.Context) error {
				if calls++; calls == 1 {
					return &KMSError{"too_many_requests", busyError{asked}}
				}
				return nil
			})
			if took := time.Since(begun); err != nil || calls != 2 || took != waited {
				t.Errorf("%v: %d calls in %v, %v", asked, calls, took, err)
			}
		})
	}
}

func TestADeadlineThatPassesInAnAttemptHidesNoCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		policy := RetryPolicy{Deadline: time.Second}.withDefaults()
		ctx, cancel := policy.bound(t.Context())
		defer cancel()
		calls := 0
		err := policy.do(ctx, func(ctx context.Context) error {
			if calls++; calls < 3 {
				return refused
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if calls != 3 || !errors.Is(err, refused) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(calls, err)
		}
	})
}

func TestADeadlineThatGRPCSeesFirstHidesNoCauseEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		policy := RetryPolicy{Deadline: time.Second}.withDefaults()
		ctx, cancel := policy.bound(t.Context())
		defer cancel()
		calls := 0
		err := policy.do(ctx, func(context.Context) error {
			if calls++; calls == 1 {
				return refused
			}
			return earlyError{busyError{time.Minute}}
		})
		if calls != 2 || !errors.Is(err, refused) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(calls, err)
		}
	})
}

// earlyError is a deadline's that the context has not noticed yet.
type earlyError struct{ busyError }

func (earlyError) Unwrap() error { return context.DeadlineExceeded }
