package bunkms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Client calls one BunKMS server. It may be used by several goroutines at
// once, and should be: it keeps its connections. Close it when done.
type Client struct {
	transport transport
	token     TokenSource
	retry     RetryPolicy
	timeout   time.Duration
}

var _ grpc.ClientConnInterface = (*Client)(nil)

// transport makes single attempts.
type transport interface {
	// call makes one attempt. The header has names in lower case.
	call(ctx context.Context, call *call, header metadata.MD) error
	stream(ctx context.Context, desc *grpc.StreamDesc, method string, options []grpc.CallOption) (grpc.ClientStream, error)
	close() error
}

// call is what all attempts of one call share.
type call struct {
	method         string
	route          route
	request, reply proto.Message
	options        []grpc.CallOption
	// body is the request as JSON, over REST.
	body *payload
}

// route is how an operation is called, from the contract.
type route struct {
	verb     string
	template string
	// hasBody tells whether what is not in the path goes into a JSON body; else
	// it goes into the query.
	hasBody bool
	// mutates tells whether the operation changes what the server stores.
	mutates bool
	// anonymous tells whether it needs no token.
	anonymous bool
}

// New makes a client for the server at an address: https://host:port or
// http://host:port for REST, where a path before /v1 is kept, and
// grpcs://host:port or grpc://host:port for gRPC. Without TLS the token and all secrets
// can be read on the way. Proxies that the environment names are used. Nothing
// is sent before the first call.
func New(address string, options ...Option) (*Client, error) {
	var s settings
	for _, option := range options {
		if err := option(&s); err != nil {
			return nil, err
		}
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Hostname() == "" {
		// The parser's error quotes the address, which may hold a password.
		return nil, requestError("the server's address must begin with https://, http://, grpcs:// or grpc:// and name a host")
	}
	if parsed.User != nil || parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" {
		return nil, requestError("the server's address must not hold a user, password, query or fragment")
	}
	isSecure := strings.HasSuffix(parsed.Scheme, "s")
	if s.tls != nil && !isSecure {
		return nil, requestError("there is a TLS configuration, but the address is one without TLS")
	}
	client := &Client{token: s.token, retry: s.retry.withDefaults(), timeout: s.timeout}
	switch parsed.Scheme {
	case "http", "https":
		client.transport = newREST(parsed, &s)
	case "grpc", "grpcs":
		if client.transport, err = newGRPC(parsed, isSecure, &s); err != nil {
			return nil, err
		}
	default:
		return nil, requestError("the server's address must begin with https://, http://, grpcs:// or grpc://")
	}
	return client, nil
}

// Close closes the connections. Calls that are under way may fail.
func (c *Client) Close() error { return c.transport.close() }

// Invoke calls an operation of the contract by its full gRPC name, with the
// messages of bunkmspb; the stubs of that package call it. Errors are those
// that the package describes, over either transport. Over REST the only call options that
// mean something are grpc.Header and grpc.Trailer, both of which get the
// answer's headers; others are refused. Outgoing metadata of the context is
// sent over either transport.
func (c *Client) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	route, ok := routes[method]
	request, isRequest := args.(proto.Message)
	answer, isAnswer := reply.(proto.Message)
	if !ok || !isRequest || !isAnswer {
		return requestError("%s with these messages is not an operation of this contract", method)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	header, err := c.header(ctx, route)
	if err != nil {
		return err
	}
	one := &call{method: method, route: route, request: request, reply: answer, options: options}
	// Not before: each attempt has a body of its own.
	defer func() { one.body.forget() }()
	isSafe := !route.mutates || len(header[idempotencyHeader]) == 1
	return c.retry.do(ctx, isSafe, func() error {
		// A token may be replaced while a call is tried again.
		if !route.anonymous {
			value, err := bearer(ctx, c.token)
			if err != nil {
				return err
			}
			if value != "" {
				header["authorization"] = []string{value}
			}
		}
		return c.transport.call(ctx, one, header)
	})
}

// NewStream starts a stream, which is possible over gRPC only. It is not tried
// again when it fails.
func (c *Client) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	value, err := bearer(ctx, c.token)
	if err != nil {
		return nil, err
	}
	if value != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return c.transport.stream(ctx, desc, method, options)
}

const (
	idempotencyHeader = "idempotency-key"
	requestIDHeader   = "x-request-id"
)

var (
	idempotencyPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	requestIDPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	headerPattern      = regexp.MustCompile(`^[a-z0-9._-]+$`)
)

// reserved are headers that only the client itself sets.
var reserved = map[string]bool{
	"authorization": true, "accept": true, "connection": true, "content-length": true, "content-type": true,
	"host": true, "te": true, "transfer-encoding": true, "user-agent": true,
}

// header is what all attempts of a call send beside its request.
func (c *Client) header(ctx context.Context, route route) (metadata.MD, error) {
	header := metadata.MD{}
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	for name, values := range outgoing {
		if reserved[name] || !headerPattern.MatchString(name) || strings.HasPrefix(name, "grpc-") || strings.HasSuffix(name, "-bin") {
			return nil, requestError("the context's metadata has %q, which only the client may set", name)
		}
		header[name] = values
	}
	if ids := header[requestIDHeader]; len(ids) > 1 || len(ids) == 1 && !requestIDPattern.MatchString(ids[0]) {
		return nil, requestError("a request id has 1 to 64 letters, digits, '.', '_' and '-'")
	}
	keys := header[idempotencyHeader]
	if len(keys) > 1 || len(keys) == 1 && !idempotencyPattern.MatchString(keys[0]) {
		return nil, requestError("an idempotency key has 1 to 64 letters, digits, '_' and '-'")
	}
	switch {
	case route.anonymous:
		// Of a caller without a token the server keeps no answer.
		delete(header, idempotencyHeader)
	case len(keys) == 0 && route.mutates:
		random := make([]byte, 16)
		rand.Read(random)
		header[idempotencyHeader] = []string{hex.EncodeToString(random)}
	}
	return header, nil
}

// WithRequestID names the calls of a context in the server's log and audit
// log: 1 to 64 letters, digits, '.', '_' and '-'. Without it the server
// chooses.
func WithRequestID(ctx context.Context, id string) context.Context {
	return withHeader(ctx, requestIDHeader, id)
}

// WithIdempotencyKey gives the mutating call of a context the key by which the
// server knows it again: 1 to 64 letters, digits, '_' and '-'. A second call with
// the same key and request gets the first one's answer, for 24 hours; or
// ErrAlreadyDone, when that answer held a secret, which is not kept. It is
// for programs that may repeat a call after they were started anew; for the
// attempts of one call the client has a key of its own.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return withHeader(ctx, idempotencyHeader, key)
}

func withHeader(ctx context.Context, name, value string) context.Context {
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	changed := outgoing.Copy()
	if changed == nil {
		changed = metadata.MD{}
	}
	changed.Set(name, value)
	return metadata.NewOutgoingContext(ctx, changed)
}
