package bunkms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

const testToken = "bkms_test_token"

// quick is a policy for tests: all attempts, no waiting to speak of.
var quick = RetryPolicy{BaseDelay: time.Microsecond, MaxDelay: time.Millisecond}

// serve starts a server and makes a client for it.
func serve(t *testing.T, handler http.HandlerFunc, options ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return dial(t, server.URL, options...)
}

func dial(t *testing.T, address string, options ...Option) *Client {
	t.Helper()
	options = append([]Option{WithToken(StaticToken(testToken)), WithRetry(quick), WithTimeout(time.Minute)}, options...)
	client, err := New(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func answerJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

const isSealed = `{"error":"the vault is sealed","code":"sealed","request_id":"r-1"}`

func TestRequestsAreSpreadOverPathQueryAndBody(t *testing.T) {
	ctx := t.Context()
	cases := []struct {
		name             string
		call             func(*Client) error
		verb, path, body string
	}{
		{
			"a name in the path, the rest in the body",
			func(c *Client) error {
				_, err := c.GenerateDataKey(ctx, "a b", map[string]string{"tenant": "é"})
				return err
			},
			"POST", "/v1/keys/a%20b/datakey", `{"bytes":32,"context":{"tenant":"é"}}`,
		},
		{
			"a path of several segments",
			func(c *Client) error {
				_, err := bunkmspb.NewSecretServiceClient(c).GetSecret(ctx, &bunkmspb.GetSecretRequest{Name: "db/üser?#%"})
				return err
			},
			"GET", "/v1/secrets/db/%C3%BCser%3F%23%25", "",
		},
		{
			"a query",
			func(c *Client) error {
				_, err := bunkmspb.NewKeyServiceClient(c).ListKeys(ctx, &bunkmspb.ListKeysRequest{PageSize: 7, PageToken: "a&b=c"})
				return err
			},
			"GET", "/v1/keys?page_size=7&page_token=a%26b%3Dc", "",
		},
		{
			"an empty body",
			func(c *Client) error {
				_, err := bunkmspb.NewKeyServiceClient(c).RotateKey(ctx, &bunkmspb.RotateKeyRequest{Name: "k"})
				return err
			},
			"POST", "/v1/keys/k/rotate", "{}",
		},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				compact := strings.ReplaceAll(string(body), `": `, `":`)
				compact = strings.ReplaceAll(compact, `, "`, `,"`)
				if r.Method != test.verb || r.RequestURI != test.path || compact != test.body {
					t.Errorf("%s %s %s", r.Method, r.RequestURI, compact)
				}
				if r.Header.Get("authorization") != "Bearer "+testToken {
					t.Error("no token")
				}
				answerJSON(w, 200, `{"plaintext_b64":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","ciphertext":"x","of_a_newer_server":1}`)
			})
			if err := test.call(client); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNamesThatWouldClimbAreRefused(t *testing.T) {
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for _, name := range []string{"", ".", "..", "a/../b", "a//b", "/a", "a/", "a/.", "\xff"} {
		_, err := bunkmspb.NewSecretServiceClient(client).GetSecret(t.Context(), &bunkmspb.GetSecretRequest{Name: name})
		if !errors.Is(err, ErrRequest) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	for _, address := range []string{"http://127.0.0.1:1", "grpc://127.0.0.1:1"} {
		client := serveGRPC(t, &standIn{})
		if strings.HasPrefix(address, "http") {
			client = dial(t, address)
		}
		_, err := bunkmspb.NewSecretServiceClient(client).PutSecret(t.Context(), &bunkmspb.PutSecretRequest{
			Name: "a", Data: &bunkmspb.PutSecretRequest_Value{Value: "hunter2\xff"},
		})
		if !errors.Is(err, ErrRequest) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// forgetful is a way of which it is seen what is left in memory.
type forgetful struct {
	*restTransport
	bodies []*payload
}

func (f *forgetful) call(ctx context.Context, call *call, header metadata.MD) error {
	err := f.restTransport.call(ctx, call, header)
	f.bodies = append(f.bodies, call.body)
	return err
}

func TestBodiesAreClearedWhenTheirCallHasEnded(t *testing.T) {
	calls := 0
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if calls++; calls%3 != 0 {
			answerJSON(w, 503, isSealed)
			return
		}
		answerJSON(w, 200, `{"ciphertext":"c"}`)
	})
	seen := &forgetful{restTransport: client.transport.(*restTransport)}
	client.transport = seen
	if _, err := client.Encrypt(t.Context(), "k", []byte("attack at dawn"), nil); err != nil {
		t.Fatal(err)
	}
	if len(seen.bodies) != 3 {
		t.Fatal(len(seen.bodies))
	}
	for _, body := range seen.bodies {
		// net/http closes a body when its connection has let go of it.
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			body.mu.Lock()
			isClear := len(body.data) > 10 && len(strings.Trim(string(body.data), "\x00")) == 0
			body.mu.Unlock()
			if isClear {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a body is left in memory")
			}
		}
	}
}

func TestErrorsOfTheServerHaveTheirCodes(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 404, `{"error":"there is no such key","code":"not_found","request_id":"r-17"}`)
	})
	_, err := client.Encrypt(t.Context(), "k", []byte("x"), nil)
	var answered *Error
	if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrAlreadyExists) || !errors.As(err, &answered) {
		t.Fatal(err)
	}
	if answered.RequestID != "r-17" || answered.HTTPStatus != 404 || status.Code(err) != codes.NotFound {
		t.Errorf("%+v, %v", answered, status.Code(err))
	}
	if text := err.Error(); text != "bunkms: there is no such key (not_found), request r-17" {
		t.Error(text)
	}
}

func TestTextsOfErrorsAreOneLineOfBoundedLength(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 404, `{"error":"no\nlevel=info \u001b[2J`+strings.Repeat("é", 5000)+`","code":"not_found"}`)
	})
	_, err := client.Encrypt(t.Context(), "k", nil, nil)
	text := err.Error()
	if !errors.Is(err, ErrNotFound) || len(text) > 1100 || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x1b") {
		t.Error(len(text), text)
	}
}

func TestAnswersThatBunKMSDoesNotGive(t *testing.T) {
	const secret = "c2VjcmV0LXZhbHVl"
	cases := map[string]http.HandlerFunc{
		"HTML":          func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>"+secret) },
		"an error page": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, "<html>"+secret) },
		"another type": func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 200, `{"plaintext_b64":{"`+secret+`":1}}`)
		},
		"no base64": func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, `{"plaintext_b64":"`+secret+`!"}`) },
		"cut JSON":  func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, `{"plaintext_b64":"`+secret) },
		"a code that is none": func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 400, `{"error":"`+secret+`","code":"x y"}`)
		},
		"a request id that is none": func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 400, `{"error":"x","code":"not_found","request_id":"`+secret+`="}`)
		},
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"no code":    func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 400, `{"error":"`+secret+`"}`) },
		"a redirect": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("location", "/v1/"); w.WriteHeader(307) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"plaintext":"`+strings.Repeat("A", maxAnswer)+`"}`)
		},
	}
	for name, handler := range cases {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				handler(w, r)
			})
			_, err := client.Decrypt(t.Context(), "k", "x", nil)
			if !errors.Is(err, ErrUnexpectedAnswer) || strings.Contains(err.Error(), secret) || calls.Load() != 1 {
				t.Errorf("%v after %d calls", err, calls.Load())
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, code) })
		for _, call := range []func() error{
			func() error { _, err := client.Encrypt(t.Context(), "k", []byte("x"), nil); return err },
			func() error { _, err := client.ClusterID(t.Context()); return err },
		} {
			if err := call(); !errors.Is(err, ErrUnexpectedAnswer) {
				t.Errorf("%d: %v", code, err)
			}
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("the token went elsewhere")
	}
}

func TestBrokenAnswersAreTriedAgain(t *testing.T) {
	var calls atomic.Int32
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 4 {
			// Less than was promised, or nothing.
			w.Header().Set("content-length", "1000")
			io.WriteString(w, `{"ciphertext":`)
			panic(http.ErrAbortHandler)
		}
		answerJSON(w, 200, `{"ciphertext":"c"}`)
	})
	if ciphertext, err := client.Encrypt(t.Context(), "k", []byte("x"), nil); err != nil || ciphertext != "c" {
		t.Error(ciphertext, err)
	}
	calls.Store(-100)
	_, err := client.Encrypt(t.Context(), "k", []byte("x"), nil)
	if !errors.Is(err, ErrConnection) || calls.Load() != -96 {
		t.Error(err, calls.Load())
	}
}

func TestCallsThatTheirCallerEnds(t *testing.T) {
	arrived := make(chan struct{}, 10)
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := client.Encrypt(ctx, "k", []byte("x"), nil); !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Encrypt(ctx, "k", []byte("x"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	hasty := dial(t, client.transport.(*restTransport).base, WithTimeout(20*time.Millisecond))
	if _, err := hasty.Encrypt(t.Context(), "k", []byte("x"), nil); !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func TestMutationsHaveOneIdempotencyKeyForAllAttempts(t *testing.T) {
	var keys []string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("idempotency-key"))
		if len(keys)%3 != 0 {
			answerJSON(w, 503, isSealed)
			return
		}
		answerJSON(w, 201, `{"name":"k","ciphertext":"c"}`)
	})
	stub := bunkmspb.NewKeyServiceClient(client)
	for range 2 {
		if _, err := stub.CreateKey(t.Context(), &bunkmspb.CreateKeyRequest{Name: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 6 || len(keys[0]) != 32 || keys[0] != keys[2] || keys[0] == keys[3] || keys[3] != keys[5] {
		t.Error(keys)
	}
	if _, err := stub.CreateKey(WithIdempotencyKey(t.Context(), "mine-1"), &bunkmspb.CreateKeyRequest{}); err != nil || keys[8] != "mine-1" {
		t.Error(err, keys)
	}
	if _, err := client.Encrypt(t.Context(), "k", nil, nil); err != nil || keys[9] != "" {
		t.Error("what changes nothing has one", err, keys)
	}
	for _, bad := range []string{"", "a b", strings.Repeat("a", 65), "a\r\nx: y"} {
		if _, err := stub.CreateKey(WithIdempotencyKey(t.Context(), bad), &bunkmspb.CreateKeyRequest{}); !errors.Is(err, ErrRequest) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestWhatChangesSomethingWithoutATokenIsNotTriedAgain(t *testing.T) {
	calls := 0
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; r.Header.Get("authorization") != "" || r.Header.Get("idempotency-key") != "" {
			t.Error("a call without a caller has a token or an idempotency key")
		}
		answerJSON(w, 503, isSealed)
	})
	// Also not with a key of the caller's own, under which the server would keep no answer.
	for at, ctx := range []context.Context{t.Context(), WithIdempotencyKey(t.Context(), "mine")} {
		_, err := bunkmspb.NewSealServiceClient(client).Initialise(ctx, &bunkmspb.InitialiseRequest{})
		if !errors.Is(err, ErrSealed) || calls != at+1 {
			t.Error(err, calls)
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 404, `{"error":"no","code":"not_found"}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := dial(t, server.URL)
	for range 20 {
		client.Encrypt(t.Context(), "k", nil, nil)
	}
	if connections.Load() != 1 {
		t.Error(connections.Load(), "connections")
	}
}

func TestCallOptionsAndMetadataOverREST(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-request-id", r.Header.Get("x-request-id"))
		w.Header().Set("bunkms-receipt", r.Header.Get("bunkms-receipt"))
		answerJSON(w, 200, `{}`)
	})
	stub := bunkmspb.NewKeyServiceClient(client)
	ctx := metadata.AppendToOutgoingContext(WithRequestID(t.Context(), "r.1"), "bunkms-receipt", "true")
	var header, trailer metadata.MD
	_, err := stub.GetKey(ctx, &bunkmspb.GetKeyRequest{Name: "k"}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil || header.Get("x-request-id")[0] != "r.1" || trailer.Get("bunkms-receipt")[0] != "true" {
		t.Error(err, header, trailer)
	}
	if _, err := stub.GetKey(ctx, &bunkmspb.GetKeyRequest{Name: "k"}, grpc.MaxCallRecvMsgSize(1)); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
	for _, name := range []string{"authorization", "host", "content-length", "te", "grpc-timeout", "x-bin", "a b"} {
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{name: {"x"}})
		if _, err := stub.GetKey(ctx, &bunkmspb.GetKeyRequest{Name: "k"}); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := stub.GetKey(WithRequestID(t.Context(), "a b"), &bunkmspb.GetKeyRequest{Name: "k"}); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
	if _, err := bunkmspb.NewKeyStreamServiceClient(client).EncryptStream(t.Context()); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
	if err := client.Invoke(t.Context(), "/x.Y/Z", &bunkmspb.Key{}, &bunkmspb.Key{}); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
}

func TestRawBodiesComeAsTheyAre(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "text/plain; version=0.0.4")
		io.WriteString(w, "a 1\n")
	})
	body, err := bunkmspb.NewSystemServiceClient(client).GetMetrics(t.Context(), &bunkmspb.GetMetricsRequest{})
	if err != nil || string(body.Data) != "a 1\n" || body.ContentType != "text/plain; version=0.0.4" {
		t.Error(body, err)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for _, address := range []string{
		"", "kms", "kms:8080", "ftp://kms", "https://", "https://user:hunter2@kms", "https://kms?a=hunter2",
		"https://kms#hunter2", "https://kms/%zzhunter2", "grpc://kms", "grpcs://kms:1/path",
	} {
		if _, err := New(address); !errors.Is(err, ErrRequest) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, option := range []Option{
		WithTimeout(0), WithRetry(RetryPolicy{MaxAttempts: -1}),
	} {
		if _, err := New("https://kms", option); !errors.Is(err, ErrRequest) {
			t.Error(err)
		}
	}
}

func TestAPathBeforeTheOperationsIsKept(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, 200, fmt.Sprintf(`{"cluster_id":%q,"initialized":true}`, r.URL.Path))
	}))
	defer server.Close()
	if id, err := dial(t, server.URL+"/kms/").ClusterID(t.Context()); err != nil || id != "/kms/v1/sys/seal-status" {
		t.Error(id, err)
	}
}

func TestAServerThatNobodyRuns(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for _, scheme := range []string{"http://", "grpc://"} {
		client := dial(t, scheme+listener.Addr().String())
		_, err := client.Decrypt(t.Context(), "secret-name", "ciphertext", nil)
		if !errors.Is(err, ErrConnection) || status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "secret-name") {
			t.Errorf("%s %v", scheme, err)
		}
	}
}
