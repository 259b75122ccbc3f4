package bunkms

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

// standIn answers what a test says.
type standIn struct {
	bunkmspb.UnimplementedKeyServiceServer
	bunkmspb.UnimplementedKeyStreamServiceServer
	encrypt func(context.Context, *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error)
	create  func(context.Context, *bunkmspb.CreateKeyRequest) (*bunkmspb.Key, error)
}

func (s *standIn) Encrypt(ctx context.Context, request *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
	return s.encrypt(ctx, request)
}

func (s *standIn) CreateKey(ctx context.Context, request *bunkmspb.CreateKeyRequest) (*bunkmspb.Key, error) {
	return s.create(ctx, request)
}

func (s *standIn) EncryptStream(stream grpc.BidiStreamingServer[bunkmspb.EncryptBatchRequest, bunkmspb.EncryptBatchResponse]) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if request.KeyName == "gone" {
			return refusal(codes.NotFound, "not_found", "there is no such key")
		}
		if err := stream.Send(&bunkmspb.EncryptBatchResponse{Count: uint32(len(request.Items))}); err != nil {
			return err
		}
	}
}

func refusal(code codes.Code, stable, text string) error {
	with, err := status.New(code, text).WithDetails(&bunkmspb.ErrorDetail{Code: stable, RequestId: "r-9"})
	if err != nil {
		return err
	}
	return with.Err()
}

// busyGRPC refuses with a RetryInfo.
func busyGRPC(wait *durationpb.Duration) error {
	with, err := status.New(codes.Unavailable, "sealed").
		WithDetails(&bunkmspb.ErrorDetail{Code: "sealed"}, &errdetails.RetryInfo{RetryDelay: wait})
	if err != nil {
		return err
	}
	return with.Err()
}

func serveGRPC(t *testing.T, server *standIn, options ...Option) *Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	running := grpc.NewServer(grpc.MaxSendMsgSize(64 << 20))
	bunkmspb.RegisterKeyServiceServer(running, server)
	bunkmspb.RegisterKeyStreamServiceServer(running, server)
	go running.Serve(listener)
	t.Cleanup(running.Stop)
	dialer := WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
	return dial(t, "grpc://kms.test:1", append([]Option{dialer}, options...)...)
}

func TestCallsOverGRPC(t *testing.T) {
	client := serveGRPC(t, &standIn{encrypt: func(ctx context.Context, request *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
		incoming, _ := metadata.FromIncomingContext(ctx)
		if incoming.Get("authorization")[0] != "Bearer "+testToken || incoming.Get("x-request-id")[0] != "mine" {
			t.Error(incoming)
		}
		if len(incoming.Get("idempotency-key")) != 0 {
			t.Error("what changes nothing has an idempotency key")
		}
		return &bunkmspb.EncryptResponse{Ciphertext: string(request.GetPlaintextB64()) + request.Context["a"]}, nil
	}})
	ciphertext, err := client.Encrypt(WithRequestID(t.Context(), "mine"), "k", []byte("x"), map[string]string{"a": "b"})
	if err != nil || ciphertext != "xb" {
		t.Error(ciphertext, err)
	}
}

func TestErrorsOverGRPCHaveTheirCodes(t *testing.T) {
	var calls atomic.Int32
	client := serveGRPC(t, &standIn{encrypt: func(context.Context, *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
		calls.Add(1)
		return nil, refusal(codes.NotFound, "not_found", "there is no such key")
	}})
	_, err := client.Encrypt(t.Context(), "k", nil, nil)
	var answered *Error
	if !errors.Is(err, ErrNotFound) || !errors.As(err, &answered) || answered.RequestID != "r-9" ||
		answered.GRPCCode != codes.NotFound || answered.HTTPStatus != 0 || status.Code(err) != codes.NotFound || calls.Load() != 1 {
		t.Error(err, calls.Load())
	}
	if text := err.Error(); text != "bunkms: there is no such key (not_found), request r-9" {
		t.Error(text)
	}
}

func TestMutationsOverGRPCAreTriedAgainWithTheSameBytes(t *testing.T) {
	tags := map[string]string{}
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		tags[name] = name
	}
	var keys []string
	var sent []string
	client := serveGRPC(t, &standIn{create: func(ctx context.Context, request *bunkmspb.CreateKeyRequest) (*bunkmspb.Key, error) {
		incoming, _ := metadata.FromIncomingContext(ctx)
		keys = append(keys, incoming.Get("idempotency-key")...)
		if len(keys) < 4 {
			return nil, refusal(codes.Unavailable, "storage_unavailable", "the store cannot be written")
		}
		return &bunkmspb.Key{Name: request.Name}, nil
	}})
	for range 10 {
		message, err := codec{}.Marshal(&bunkmspb.CreateKeyRequest{Name: "k", Tags: tags})
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, string(message.Materialize()))
	}
	for _, one := range sent {
		if one != sent[0] {
			t.Fatal("equal messages have different bytes")
		}
	}
	_, err := bunkmspb.NewKeyServiceClient(client).CreateKey(t.Context(), &bunkmspb.CreateKeyRequest{Name: "k", Tags: tags})
	if err != nil || len(keys) != 4 || len(keys[0]) != 32 || keys[0] != keys[3] {
		t.Error(err, keys)
	}
}

func TestTheServerSaysOverGRPCHowLongToWait(t *testing.T) {
	for _, test := range []struct {
		asked    *durationpb.Duration
		expected time.Duration
	}{
		{durationpb.New(time.Second), time.Second},
		{durationpb.New(0), 0},
		{&durationpb.Duration{Seconds: 315_576_000_000}, math.MaxInt64},
		{nil, -1},
		{&durationpb.Duration{Seconds: math.MaxInt64}, -1},
		{&durationpb.Duration{Seconds: 1, Nanos: -1}, -1},
		{&durationpb.Duration{Nanos: math.MaxInt32}, -1},
	} {
		var answered *Error
		err := (&grpcTransport{}).failed(t.Context(), busyGRPC(test.asked))
		if !errors.As(err, &answered) || answered.Code != "sealed" || answered.retryAfter != test.expected {
			t.Errorf("%v: %+v", test.asked, err)
		}
	}
}

func TestOverGRPCACallWaitsForAsLongAsTheServerSays(t *testing.T) {
	var calls []time.Time
	client := serveGRPC(t, &standIn{encrypt: func(context.Context, *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
		calls = append(calls, time.Now())
		switch len(calls) {
		case 1:
			return nil, busyGRPC(durationpb.New(200 * time.Millisecond))
		case 2:
			return nil, busyGRPC(durationpb.New(time.Hour))
		}
		return &bunkmspb.EncryptResponse{}, nil
	}})
	_, err := client.Encrypt(t.Context(), "k", nil, nil)
	if !errors.Is(err, ErrSealed) || len(calls) != 2 || calls[1].Sub(calls[0]) < 200*time.Millisecond {
		t.Error(err, calls)
	}
}

func TestAnswersOverGRPCThatBunKMSDoesNotGive(t *testing.T) {
	answers := map[string]func() (*bunkmspb.EncryptResponse, error){
		"an error of something else": func() (*bunkmspb.EncryptResponse, error) { return nil, status.Error(codes.Internal, "hunter2") },
		"too much": func() (*bunkmspb.EncryptResponse, error) {
			return &bunkmspb.EncryptResponse{Ciphertext: strings.Repeat("a", maxAnswer+1)}, nil
		},
	}
	for name, answer := range answers {
		var calls atomic.Int32
		client := serveGRPC(t, &standIn{encrypt: func(context.Context, *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
			calls.Add(1)
			return answer()
		}})
		_, err := client.Encrypt(t.Context(), "k", nil, nil)
		if !errors.Is(err, ErrUnexpectedAnswer) || strings.Contains(err.Error(), "hunter2") || calls.Load() != 1 {
			t.Errorf("%s: %v after %d calls", name, err, calls.Load())
		}
	}
}

func TestAClosedClientOverGRPC(t *testing.T) {
	client := serveGRPC(t, &standIn{})
	client.Close()
	if _, err := client.Encrypt(t.Context(), "k", nil, nil); !errors.Is(err, ErrConnection) {
		t.Error(err)
	}
}

func TestMessagesThatCannotBeReadOrWritten(t *testing.T) {
	cut := mem.BufferSlice{mem.SliceBuffer("\x0a\x07hunter")}
	if err := (codec{}).Unmarshal(cut, &bunkmspb.EncryptResponse{}); err != ErrUnexpectedAnswer {
		t.Error(err)
	}
	if err := (codec{}).Unmarshal(cut, "no message"); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
	for _, value := range []any{&bunkmspb.EncryptResponse{Ciphertext: "hunter2\xff"}, "hunter2"} {
		if _, err := (codec{}).Marshal(value); !errors.Is(err, ErrRequest) || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}

func TestCallsOverGRPCThatTheirCallerEnds(t *testing.T) {
	arrived := make(chan struct{}, 10)
	server := &standIn{encrypt: func(ctx context.Context, _ *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
		arrived <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	client := serveGRPC(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := client.Encrypt(ctx, "k", nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	hasty := serveGRPC(t, server, WithTimeout(20*time.Millisecond))
	if _, err := hasty.Encrypt(t.Context(), "k", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestStreamsOverGRPC(t *testing.T) {
	client := serveGRPC(t, &standIn{})
	stream, err := bunkmspb.NewKeyStreamServiceClient(client).EncryptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for count := range 3 {
		if err := stream.Send(&bunkmspb.EncryptBatchRequest{KeyName: "k", Items: make([]*bunkmspb.EncryptItem, count)}); err != nil {
			t.Fatal(err)
		}
		if answer, err := stream.Recv(); err != nil || answer.Count != uint32(count) {
			t.Fatal(answer, err)
		}
	}
	if err := stream.Send(&bunkmspb.EncryptBatchRequest{KeyName: "gone"}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	stream, err = bunkmspb.NewKeyStreamServiceClient(client).EncryptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
}

// pipes is a listener whose connections are in memory alone.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case connection := <-p.accepted:
		return connection, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// losing is a connection on which nothing arrives any more once it is dead.
type losing struct {
	net.Conn
	dead *atomic.Bool
}

func (l losing) Write(data []byte) (int, error) {
	if l.dead.Load() {
		return len(data), nil
	}
	return l.Conn.Write(data)
}

func TestAConnectionOverGRPCThatDiedSilentlyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes{make(chan net.Conn), make(chan struct{})}
		running := grpc.NewServer()
		bunkmspb.RegisterKeyServiceServer(running, &standIn{encrypt: func(context.Context, *bunkmspb.EncryptRequest) (*bunkmspb.EncryptResponse, error) {
			return &bunkmspb.EncryptResponse{Ciphertext: "c"}, nil
		}})
		go running.Serve(listener)
		var last *atomic.Bool
		client, err := New("grpc://kms.test:1", WithDialer(func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			listener.accepted <- theirs
			last = &atomic.Bool{}
			return losing{ours, last}, nil
		}), WithTimeout(20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		encrypt := func() error {
			_, err := client.Encrypt(t.Context(), "k", nil, nil)
			return err
		}
		if err := encrypt(); err != nil {
			t.Fatal(err)
		}
		last.Store(true)
		if err := encrypt(); err != nil {
			t.Error("not on another connection", err)
		}
		client.Close()
		running.Stop()
	})
}
