package bunkms

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Option configures a Client.
type Option func(*settings) error

type settings struct {
	token   TokenSource
	tls     *tls.Config
	retry   RetryPolicy
	timeout time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

const defaultTimeout = 30 * time.Second

// WithToken sets where tokens come from. Without one, only what needs no token
// works.
func WithToken(source TokenSource) Option {
	return func(s *settings) error {
		s.token = source
		return nil
	}
}

// WithTLSConfig sets whom the client trusts and what it shows of itself, see
// LoadTLSConfig. The address must be one of TLS. The configuration is copied, and
// TLS before 1.2 is not spoken whatever it says. One that turns verification off is
// refused.
func WithTLSConfig(config *tls.Config) Option {
	return func(s *settings) error {
		if config == nil {
			return requestError("there is no TLS configuration; leave the option out for the system's authorities")
		}
		if config.InsecureSkipVerify && config.VerifyConnection == nil && config.VerifyPeerCertificate == nil {
			return requestError("the TLS configuration verifies nothing; name the authority that signed the server's certificate")
		}
		s.tls = config.Clone()
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12)
		return nil
	}
}

// WithRetry sets how failed calls are made again. Without it, the zero
// RetryPolicy holds.
func WithRetry(policy RetryPolicy) Option {
	return func(s *settings) error {
		if policy.MaxAttempts < 0 || policy.BaseDelay < 0 || policy.MaxDelay < 0 {
			return requestError("a retry policy has no negative numbers")
		}
		s.retry = policy
		return nil
	}
}

// WithTimeout sets how long a call may take with all its attempts, unless its
// context says something shorter; 30 seconds without it. Streams have no
// deadline but their context's.
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) error {
		if timeout <= 0 {
			return requestError("a timeout must be longer than nothing")
		}
		s.timeout = timeout
		return nil
	}
}

// WithDialer sets how connections are made, for example through a Unix socket.
// TLS comes on top. Proxies of the environment are not used then.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *settings) error {
		s.dial = dial
		return nil
	}
}
