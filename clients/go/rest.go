package bunkms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

const (
	// maxAnswer bounds what one answer takes in memory.
	maxAnswer = 16 << 20
	// A connection that broke without a word would else take all calls until the
	// kernel gives it up, a quarter of an hour: so long a call waits before the
	// other end is asked whether it is there, and so long it has to answer.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
	userAgent   = "bunkms-go"
)

// restTransport calls over HTTP, as google.api.http in the contract says.
type restTransport struct {
	// base is the address without a trailing slash, origin scheme and host.
	base, origin string
	client       *http.Client
	pool         *http.Transport
}

func newREST(address *url.URL, s *settings) *restTransport {
	pool := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        s.tls,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// What a compressed answer would grow to is not known beforehand.
		DisableCompression: true,
		HTTP2:              &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if s.dial != nil {
		pool.DialContext = s.dial
		pool.Proxy = nil
	}
	origin := address.Scheme + "://" + address.Host
	return &restTransport{
		base:   origin + strings.TrimRight(address.EscapedPath(), "/"),
		origin: origin,
		pool:   pool,
		client: &http.Client{
			Transport: pool,
			// A redirect would carry the token to a place that nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (t *restTransport) close() error {
	t.pool.CloseIdleConnections()
	return nil
}

func (t *restTransport) stream(context.Context, *grpc.StreamDesc, string, []grpc.CallOption) (grpc.ClientStream, error) {
	return nil, requestError("streams need gRPC: an address of grpcs:// or grpc://")
}

func (t *restTransport) call(ctx context.Context, call *call, header metadata.MD) error {
	request, err := t.request(ctx, call, header)
	if err != nil {
		return err
	}
	response, err := t.client.Do(request)
	if err != nil {
		return t.failed(ctx, err)
	}
	defer response.Body.Close()
	// One byte more than is allowed, to tell that there is more.
	body, err := readAll(io.LimitReader(response.Body, maxAnswer+1), response.ContentLength)
	defer clear(body)
	if err != nil {
		return t.failed(ctx, err)
	}
	if len(body) > maxAnswer {
		return unexpected(t.origin, response.StatusCode, "more than 16 MiB")
	}
	if err := tellHeaders(call.options, response.Header); err != nil {
		return err
	}
	return t.decode(call, response, body)
}

func (t *restTransport) request(ctx context.Context, call *call, header metadata.MD) (*http.Request, error) {
	if err := tellHeaders(call.options, nil); err != nil {
		return nil, err
	}
	path, body, err := encodeRequest(call.route, call.request)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, call.route.verb, t.base+path, nil)
	if err != nil {
		return nil, requestError("the address cannot be used")
	}
	for name, values := range header {
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	request.Header.Set("accept", "application/json")
	request.Header.Set("user-agent", userAgent)
	if body != nil {
		// The attempt before encoded the same; it is cleared.
		call.body.forget()
		call.body = &payload{data: body}
		request.Header.Set("content-type", "application/json")
		request.ContentLength = int64(len(body))
		request.Body = call.body.reader()
		// For a connection that the server closed while it was idle.
		sent := call.body
		request.GetBody = func() (io.ReadCloser, error) { return sent.reader(), nil }
	}
	return request, nil
}

// failed is the error of an attempt without an answer.
func (t *restTransport) failed(ctx context.Context, err error) error {
	if givenUp := givenUp(ctx, nil); givenUp != nil {
		return givenUp
	}
	// The outer error repeats the whole address, in which names of secrets are.
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = fmt.Errorf("the connection was closed: %w", err)
	}
	return &connectionError{origin: t.origin, cause: err}
}

func (t *restTransport) decode(call *call, response *http.Response, body []byte) error {
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return t.decodeError(response, body)
	}
	if raw, ok := call.reply.(*bunkmspb.RawBody); ok {
		raw.Reset()
		raw.ContentType = response.Header.Get("content-type")
		raw.Data = append([]byte{}, body...)
		return nil
	}
	// Fields of a newer server are passed over, so that servers can be updated first.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, call.reply); err != nil {
		// The parser's error may quote what it could not read, which may be a secret.
		return unexpected(t.origin, response.StatusCode, strconv.Itoa(response.StatusCode)+" with a body that cannot be read")
	}
	return nil
}

func (t *restTransport) decodeError(response *http.Response, body []byte) error {
	var said struct {
		Code      string `json:"code"`
		Error     string `json:"error"`
		RequestID string `json:"request_id"`
	}
	failure := unexpected(t.origin, response.StatusCode, strconv.Itoa(response.StatusCode))
	if json.Unmarshal(body, &said) == nil {
		failure.said(said.Code, said.Error, said.RequestID)
	}
	failure.retryAfter = parseRetryAfter(response.Header.Get("retry-after"), time.Now())
	return failure
}

// parseRetryAfter reads Retry-After (RFC 9110 section 10.2.3); negative when
// there is none.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now)
	}
	return -1
}

// readAll reads to the end, and clears the buffers that it outgrows.
func readAll(source io.Reader, expected int64) ([]byte, error) {
	if expected < 512 || expected > maxAnswer {
		expected = 512
	}
	// One byte more, so that the end is found without growing.
	buffer := make([]byte, 0, expected+1)
	for {
		if len(buffer) == cap(buffer) {
			larger := make([]byte, len(buffer), 2*cap(buffer))
			copy(larger, buffer)
			clear(buffer)
			buffer = larger
		}
		count, err := source.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+count]
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
	}
}

// tellHeaders gives the answer's headers to the options that ask for them, and
// refuses options that a call over REST cannot honour.
func tellHeaders(options []grpc.CallOption, header http.Header) error {
	for _, option := range options {
		var into *metadata.MD
		switch option := option.(type) {
		case grpc.HeaderCallOption:
			into = option.HeaderAddr
		case grpc.TrailerCallOption:
			into = option.TrailerAddr
		case grpc.StaticMethodCallOption, grpc.EmptyCallOption:
			continue
		default:
			return requestError("the call option %T means nothing over REST", option)
		}
		if header != nil {
			*into = metadata.MD{}
			for name, values := range header {
				into.Append(name, values...)
			}
		}
	}
	return nil
}
