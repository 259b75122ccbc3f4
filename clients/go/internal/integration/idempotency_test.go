//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	bunkms "github.com/bunbase/bunkms/clients/go"
	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

func TestARepeatedCallIsCarriedOutOnce(t *testing.T) {
	tags := map[string]string{}
	for at := range 20 {
		tags[fmt.Sprint("tag", at)] = "x"
	}
	each(t, func(t *testing.T, client *bunkms.Client) {
		keys := bunkmspb.NewKeyServiceClient(client)
		name := fmt.Sprintf("once-%d", time.Now().UnixNano())
		ctx := bunkms.WithIdempotencyKey(t.Context(), name)
		request := &bunkmspb.CreateKeyRequest{Name: name, Tags: tags}
		first, err := keys.CreateKey(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if again, err := keys.CreateKey(ctx, request); err != nil || again.Id != first.Id {
				t.Fatal(again, err)
			}
		}
		if _, err := keys.CreateKey(ctx, &bunkmspb.CreateKeyRequest{Name: name + "-other"}); !errors.Is(err, bunkms.ErrIdempotencyMismatch) {
			t.Error(err)
		}
		if _, err := keys.CreateKey(t.Context(), request); !errors.Is(err, bunkms.ErrAlreadyExists) {
			t.Error("another call is not a repetition", err)
		}
		tokens := bunkmspb.NewTokenServiceClient(client)
		token := &bunkmspb.CreateTokenRequest{DisplayName: name, Role: "reader"}
		ctx = bunkms.WithIdempotencyKey(t.Context(), name+"-token")
		if _, err := tokens.CreateToken(ctx, token); err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.CreateToken(ctx, token); !errors.Is(err, bunkms.ErrAlreadyDone) {
			t.Error("the secret of an answer was kept", err)
		}
	})
}

// lossy makes connections that lose the next answer when armed: what the server
// does is done, and nobody hears of it.
type lossy struct {
	armed atomic.Bool
	lost  atomic.Int32
}

func (l *lossy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: conn, lossy: l}, nil
}

type lossyConn struct {
	net.Conn
	lossy *lossy
}

func (c *lossyConn) Read(into []byte) (int, error) {
	count, err := c.Conn.Read(into)
	if err == nil && c.lossy.armed.CompareAndSwap(true, false) {
		c.lossy.lost.Add(1)
		c.Conn.Close()
		clear(into[:count])
		return 0, io.ErrUnexpectedEOF
	}
	return count, err
}

func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	for _, address := range []string{"BUNKMS_TEST_REST", "BUNKMS_TEST_GRPC"} {
		t.Run(address, func(t *testing.T) {
			way := &lossy{}
			client := connect(t, setting(t, address), bunkms.WithDialer(way.dial))
			name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
			keys := bunkmspb.NewKeyServiceClient(client)
			for version := range uint32(10) {
				way.armed.Store(true)
				rotated, err := keys.RotateKey(t.Context(), &bunkmspb.RotateKeyRequest{Name: name})
				if err != nil || rotated.LatestVersion != version+2 {
					t.Fatalf("rotation %d: %v, %v", version+1, rotated.GetLatestVersion(), err)
				}
			}
			if lost := way.lost.Load(); lost != 10 {
				t.Errorf("%d answers were lost", lost)
			}
		})
	}
}
