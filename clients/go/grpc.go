package bunkms

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

// grpcTransport calls over one gRPC connection, which is made again when it
// breaks.
type grpcTransport struct {
	origin string
	conn   *grpc.ClientConn
}

func newGRPC(address *url.URL, isSecure bool, s *settings) (*grpcTransport, error) {
	if address.Port() == "" || strings.Trim(address.Path, "/") != "" {
		return nil, requestError("an address of gRPC names a port and no path: grpcs://host:port")
	}
	secure := insecure.NewCredentials()
	if isSecure {
		config := s.tls
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		secure = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithUserAgent(userAgent),
		// The client makes calls again by itself, for both transports in one way.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.ForceCodecV2(codec{})),
		grpc.WithMaxHeaderListSize(64 << 10),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
	}
	target := "dns:///" + address.Host
	if s.dial != nil {
		target = "passthrough:///" + address.Host
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return s.dial(ctx, "tcp", address)
		}))
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, requestError("the address cannot be used")
	}
	return &grpcTransport{origin: address.Scheme + "://" + address.Host, conn: conn}, nil
}

func (t *grpcTransport) close() error { return t.conn.Close() }

func (t *grpcTransport) call(ctx context.Context, call *call, header metadata.MD) error {
	outgoing := metadata.NewOutgoingContext(ctx, header)
	err := t.conn.Invoke(outgoing, call.method, call.request, call.reply, call.options...)
	return t.failed(ctx, err)
}

func (t *grpcTransport) stream(ctx context.Context, desc *grpc.StreamDesc, method string, options []grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := t.conn.NewStream(ctx, desc, method, options...)
	if err != nil {
		return nil, t.failed(ctx, err)
	}
	return &typedStream{ClientStream: stream, transport: t}, nil
}

// typedStream gives a stream this package's errors.
type typedStream struct {
	grpc.ClientStream
	transport *grpcTransport
}

func (s *typedStream) RecvMsg(message any) error {
	return s.transport.failed(s.Context(), s.ClientStream.RecvMsg(message))
}

// failed makes the package's error of one that gRPC gives.
func (t *grpcTransport) failed(ctx context.Context, err error) error {
	var withStatus interface{ GRPCStatus() *status.Status }
	if err == nil || !errors.As(err, &withStatus) {
		return err
	}
	said := withStatus.GRPCStatus()
	failure := unexpected(t.origin, 0, said.Code().String())
	failure.GRPCCode = said.Code()
	isOurs := false
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *bunkmspb.ErrorDetail:
			isOurs = true
			failure.said(detail.Code, said.Message(), detail.RequestId)
		case *errdetails.RetryInfo:
			if detail.RetryDelay.CheckValid() == nil {
				failure.retryAfter = detail.RetryDelay.AsDuration()
			}
		}
	}
	if isOurs {
		return failure
	}
	if givenUp := givenUp(ctx, nil); givenUp != nil {
		return givenUp
	}
	switch said.Code() {
	case codes.Unavailable:
		return &connectionError{origin: t.origin, cause: errors.New(said.Message())}
	case codes.DeadlineExceeded:
		// gRPC's own clock may be ahead of the context's.
		return &contextError{cause: context.DeadlineExceeded}
	case codes.Canceled:
		return &connectionError{origin: t.origin, cause: errors.New("the client is closed, or the call was cancelled")}
	case codes.Internal:
		if strings.HasPrefix(said.Message(), "grpc: error while marshaling") {
			return requestError("a text of the request is not valid UTF-8")
		}
	case codes.ResourceExhausted:
		if strings.HasPrefix(said.Message(), "grpc: ") {
			// Of this side: more than is taken. It would be so again.
			return &Error{Message: t.origin + " answered more than 16 MiB", GRPCCode: codes.OutOfRange, retryAfter: -1}
		}
	}
	return failure
}
