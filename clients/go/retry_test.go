package bunkms

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
)

func busy(retryAfter time.Duration) error {
	return &Error{Code: "too_many_requests", HTTPStatus: 429, GRPCCode: codes.ResourceExhausted, retryAfter: retryAfter}
}

func TestWaitsGrowAndAreRandom(t *testing.T) {
	policy := RetryPolicy{MaxAttempts: 10, BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second}
	limits := []time.Duration{100, 200, 400, 800, 1000, 1000, 1000}
	for at, limit := range limits {
		seen := map[time.Duration]bool{}
		for range 200 {
			delay := policy.delay(at+1, busy(-1))
			if delay < 0 || delay > limit*time.Millisecond {
				t.Fatalf("attempt %d waits %v", at+1, delay)
			}
			seen[delay] = true
		}
		if len(seen) < 100 {
			t.Errorf("attempt %d: only %d different waits", at+1, len(seen))
		}
	}
	if delay := (RetryPolicy{MaxAttempts: 1 << 30}).withDefaults().delay(1<<20, busy(-1)); delay > 5*time.Second {
		t.Error(delay)
	}
}

func TestTheServerSaysHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		calls := 0
		err := RetryPolicy{}.withDefaults().do(t.Context(), true, func() error {
			if calls++; calls < 3 {
				return busy(7 * time.Second)
			}
			return nil
		})
		if err != nil || calls != 3 || time.Since(start) != 14*time.Second {
			t.Error(err, calls, time.Since(start))
		}
	})
}

func TestAWaitBeyondTheDeadlineIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := RetryPolicy{}.withDefaults().do(ctx, true, func() error { return busy(time.Minute) })
		if !errors.Is(err, ErrTooManyRequests) || time.Since(start) != 0 {
			t.Error(err, time.Since(start))
		}
	})
}

func TestACallThatIsCancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		err := RetryPolicy{}.withDefaults().do(ctx, true, func() error { return busy(time.Minute) })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrTooManyRequests) || time.Since(start) != 3*time.Second {
			t.Error(err, time.Since(start))
		}
	})
}

func TestADeadlineThatPassesInAnAttemptHidesNoCause(t *testing.T) {
	calls := 0
	err := quick.withDefaults().do(t.Context(), true, func() error {
		if calls++; calls < 3 {
			return busy(-1)
		}
		return &contextError{cause: context.DeadlineExceeded}
	})
	if calls != 3 || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrTooManyRequests) {
		t.Error(calls, err)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	http := func(status int, code string) error { return &Error{Code: code, HTTPStatus: status, retryAfter: -1} }
	grpc := func(status codes.Code, code string) error {
		return &Error{Code: code, GRPCCode: status, retryAfter: -1}
	}
	cases := []struct {
		err      error
		attempts int
	}{
		{http(429, "too_many_requests"), 4},
		{http(502, ""), 4},
		{http(503, "sealed"), 4},
		{http(504, ""), 4},
		{http(500, "internal"), 1},
		{http(400, "decryption_failed"), 1},
		{http(401, "unauthenticated"), 1},
		{http(409, "conflict"), 1},
		{http(413, "payload_too_large"), 1},
		{http(507, "audit_full"), 1},
		{http(200, ""), 1},
		{http(307, ""), 1},
		{grpc(codes.Unavailable, "sealed"), 4},
		{grpc(codes.ResourceExhausted, "too_many_requests"), 4},
		{grpc(codes.ResourceExhausted, ""), 4},
		{grpc(codes.ResourceExhausted, "payload_too_large"), 1},
		{grpc(codes.ResourceExhausted, "audit_full"), 1},
		{grpc(codes.Internal, "internal"), 1},
		{&connectionError{origin: "x", cause: errors.New("refused")}, 4},
		{&connectionError{origin: "x", cause: &tls.CertificateVerificationError{Err: errors.New("unknown authority")}}, 1},
		{&contextError{cause: context.DeadlineExceeded}, 1},
		{requestError("x"), 1},
	}
	for _, test := range cases {
		for _, isSafe := range []bool{true, false} {
			calls := 0
			err := quick.withDefaults().do(t.Context(), isSafe, func() error { calls++; return test.err })
			expected := test.attempts
			if !isSafe {
				expected = 1
			}
			if err != test.err || calls != expected {
				t.Errorf("%v: %d calls", test.err, calls)
			}
		}
	}
}

func TestOnlyOneAttempt(t *testing.T) {
	calls := 0
	RetryPolicy{MaxAttempts: 1}.withDefaults().do(t.Context(), true, func() error { calls++; return busy(-1) })
	if calls != 1 {
		t.Error(calls)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for value, expected := range map[string]time.Duration{
		"0": 0, "120": 2 * time.Minute, "Sat, 28 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"": -1, "soon": -1, "-5": -1, "1.5": -1, "99999999999999999999": -1,
	} {
		if got := parseRetryAfter(value, now); got != expected {
			t.Errorf("%q: %v", value, got)
		}
	}
}
