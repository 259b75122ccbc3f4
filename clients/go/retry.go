package bunkms

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
)

// RetryPolicy says how often and when a failed call is made again.
//
// A call is made again when the connection failed, or the server or something
// before it answered that it cannot serve now (HTTP 429, 502, 503 or 504, over
// gRPC UNAVAILABLE or RESOURCE_EXHAUSTED), and when doing it twice does no
// harm: it changes nothing, or has an idempotency key. It waits a random time
// between zero and BaseDelay, doubled with every attempt up to MaxDelay ("full
// jitter"), or as long as the server asks for, if that is longer. It is not
// made again when the wait would outlast the call's deadline.
type RetryPolicy struct {
	// MaxAttempts is how often a call is made at most, the first time included;
	// 4 when 0, and 1 is never again.
	MaxAttempts int
	// BaseDelay is 100 milliseconds when 0.
	BaseDelay time.Duration
	// MaxDelay is 5 seconds when 0.
	MaxDelay time.Duration
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 4
	}
	if p.BaseDelay == 0 {
		p.BaseDelay = 100 * time.Millisecond
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = 5 * time.Second
	}
	return p
}

// delay is how long to wait after a failed attempt, the first of which is 1.
func (p RetryPolicy) delay(attempt int, err error) time.Duration {
	limit := p.BaseDelay
	for range attempt - 1 {
		if limit >= p.MaxDelay/2 {
			limit = p.MaxDelay
			break
		}
		limit *= 2
	}
	delay := rand.N(min(limit, p.MaxDelay) + 1)
	var answered *Error
	if errors.As(err, &answered) && answered.retryAfter > delay {
		return answered.retryAfter
	}
	return delay
}

// do makes attempts until one succeeds, or another makes no sense.
func (p RetryPolicy) do(ctx context.Context, isSafe bool, attempt func() error) error {
	var last error
	for count := 1; ; count++ {
		err := attempt()
		if ended, ok := err.(*contextError); ok {
			ended.last = last
			return ended
		}
		if err == nil || !isSafe || count >= p.MaxAttempts || !isTransient(err) {
			return err
		}
		delay := p.delay(count, err)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
			return err
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return givenUp(ctx, err)
		case <-timer.C:
		}
		last = err
	}
}

// isTransient tells whether the same call may succeed later.
func isTransient(err error) bool {
	var answered *Error
	if !errors.As(err, &answered) {
		// A certificate that is not trusted will not be a moment later.
		var untrusted *tls.CertificateVerificationError
		return errors.Is(err, ErrConnection) && !errors.As(err, &untrusted)
	}
	switch answered.Code {
	// Both share their gRPC code with too_many_requests, and time does not mend them.
	case "payload_too_large", "audit_full":
		return false
	}
	switch answered.HTTPStatus {
	case 0:
		return answered.GRPCCode == codes.Unavailable || answered.GRPCCode == codes.ResourceExhausted
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}
