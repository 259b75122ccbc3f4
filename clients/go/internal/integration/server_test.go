//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bunkms "github.com/bunbase/bunkms/clients/go"
	"github.com/bunbase/bunkms/clients/go/bunkmspb"
	"github.com/bunbase/bunkms/clients/go/envelope"
	"github.com/bunbase/bunkms/clients/go/file"
)

// setting is one that the test which runs these tests gives.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run test/clients/go-client.test.ts", name)
	}
	return value
}

// each runs a test over REST and over gRPC.
func each(t *testing.T, run func(*testing.T, *bunkms.Client)) {
	t.Helper()
	for _, name := range []string{"BUNKMS_TEST_REST", "BUNKMS_TEST_GRPC"} {
		t.Run(name, func(t *testing.T) { run(t, connect(t, setting(t, name))) })
	}
}

func connect(t *testing.T, address string, options ...bunkms.Option) *bunkms.Client {
	t.Helper()
	config, err := bunkms.LoadTLSConfig(setting(t, "BUNKMS_TEST_CA"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	token := bunkms.FileToken(setting(t, "BUNKMS_TEST_TOKEN_FILE"))
	client, err := bunkms.New(address, append([]bunkms.Option{bunkms.WithTLSConfig(config), bunkms.WithToken(token)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// createKey makes a key of a type with a name of its own.
func createKey(t *testing.T, client *bunkms.Client, request *bunkmspb.CreateKeyRequest) string {
	t.Helper()
	request.Name = fmt.Sprintf("%s-%d", bytes.Map(plain, []byte(t.Name())), time.Now().UnixNano())
	if _, err := bunkmspb.NewKeyServiceClient(client).CreateKey(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	return request.Name
}

func plain(character rune) rune {
	if character >= 'a' && character <= 'z' || character >= 'A' && character <= 'Z' || character >= '0' && character <= '9' {
		return character
	}
	return '-'
}

func TestDataKeys(t *testing.T) {
	each(t, func(t *testing.T, client *bunkms.Client) {
		name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
		acme := map[string]string{"tenant": "acme"}
		key, err := client.GenerateDataKey(t.Context(), name, acme)
		if err != nil {
			t.Fatal(err)
		}
		made, err := bunkmspb.NewKeyServiceClient(client).GetKey(t.Context(), &bunkmspb.GetKeyRequest{Name: name})
		if err != nil || key.KeyID != made.Id || key.Version != 1 || len(key.Plaintext) != 32 {
			t.Error(key.KeyID, made, err)
		}
		opened, err := client.Decrypt(t.Context(), name, key.Ciphertext, acme)
		if err != nil || !bytes.Equal(opened, key.Plaintext) {
			t.Error(err)
		}
		for _, other := range []map[string]string{nil, {"tenant": "b"}} {
			if _, err := client.Decrypt(t.Context(), name, key.Ciphertext, other); !errors.Is(err, bunkms.ErrDecryptionFailed) {
				t.Error(err)
			}
		}
		if _, err := bunkmspb.NewKeyServiceClient(client).RotateKey(t.Context(), &bunkmspb.RotateKeyRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		rewrapped, err := client.Rewrap(t.Context(), name, key.Ciphertext, acme)
		if err != nil || rewrapped == key.Ciphertext {
			t.Fatal(err)
		}
		header, err := envelope.ParseHeader(rewrapped)
		if err != nil || header.Version != 2 {
			t.Error(header, err)
		}
		if again, err := client.Decrypt(t.Context(), name, rewrapped, acme); err != nil || !bytes.Equal(again, key.Plaintext) {
			t.Error(err)
		}
	})
}

func TestOneClientForManyGoroutines(t *testing.T) {
	each(t, func(t *testing.T, client *bunkms.Client) {
		name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
		shared, err := bunkms.NewEnvelope(client, name, bunkms.CachePolicy{MaxMessages: 50})
		if err != nil {
			t.Fatal(err)
		}
		defer shared.Close()
		var running sync.WaitGroup
		for worker := range 16 {
			running.Go(func() {
				own := fmt.Appendf(nil, "worker %d", worker)
				for range 20 {
					ciphertext, err := client.Encrypt(t.Context(), name, own, nil)
					if err != nil {
						t.Error(err)
						return
					}
					if plaintext, err := client.Decrypt(t.Context(), name, ciphertext, nil); err != nil || !bytes.Equal(plaintext, own) {
						t.Errorf("%q, %v", plaintext, err)
					}
					message, err := shared.Encrypt(t.Context(), own, nil, own)
					if err != nil {
						t.Error(err)
						return
					}
					if plaintext, err := shared.Decrypt(t.Context(), message, nil, own); err != nil || !bytes.Equal(plaintext, own) {
						t.Errorf("%q, %v", plaintext, err)
					}
				}
			})
		}
		running.Wait()
	})
}

func TestErrorsAndTheCluster(t *testing.T) {
	ids := map[string]bool{}
	each(t, func(t *testing.T, client *bunkms.Client) {
		id, err := client.ClusterID(t.Context())
		if err != nil || len(id) != 32 {
			t.Error(id, err)
		}
		ids[id] = true
		_, err = client.Encrypt(bunkms.WithRequestID(t.Context(), "of-this-test"), "no-such-key", []byte("x"), nil)
		var answered *bunkms.Error
		if !errors.Is(err, bunkms.ErrNotFound) || !errors.As(err, &answered) || answered.RequestID != "of-this-test" {
			t.Error(err)
		}
		if _, err := client.Encrypt(t.Context(), "k", make([]byte, 600<<10), nil); err == nil {
			t.Error("more than the server takes")
		}
	})
	if len(ids) != 1 {
		t.Error(ids)
	}
	stranger := connect(t, setting(t, "BUNKMS_TEST_REST"), bunkms.WithToken(bunkms.StaticToken("bkms_root_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")))
	if _, err := stranger.Encrypt(t.Context(), "k", nil, nil); !errors.Is(err, bunkms.ErrUnauthenticated) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := stranger.Encrypt(ctx, "k", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestStreams(t *testing.T) {
	client := connect(t, setting(t, "BUNKMS_TEST_GRPC"))
	name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
	stream, err := bunkmspb.NewKeyStreamServiceClient(client).EncryptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for count := 1; count < 4; count++ {
		items := make([]*bunkmspb.EncryptItem, count)
		for at := range items {
			items[at] = &bunkmspb.EncryptItem{Data: &bunkmspb.EncryptItem_PlaintextB64{PlaintextB64: []byte("x")}}
		}
		if err := stream.Send(&bunkmspb.EncryptBatchRequest{KeyName: name, Items: items}); err != nil {
			t.Fatal(err)
		}
		if answer, err := stream.Recv(); err != nil || len(answer.Results) != count {
			t.Fatal(answer, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
}

func TestEnvelopes(t *testing.T) {
	each(t, func(t *testing.T, client *bunkms.Client) {
		name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
		acme := map[string]string{"tenant": "acme"}
		writer, err := bunkms.NewEnvelope(client, name, bunkms.CachePolicy{})
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		reader, err := bunkms.NewEnvelope(client, name, bunkms.CachePolicy{NoCache: true})
		if err != nil {
			t.Fatal(err)
		}
		plaintext := bytes.Repeat([]byte("attack at dawn "), 100_000)
		message, err := writer.Encrypt(t.Context(), plaintext, acme, []byte("row 1"))
		if err != nil || len(message) != len(plaintext)+236 {
			t.Fatal(len(message), err)
		}
		for _, e := range []*bunkms.Envelope{reader, writer} {
			if opened, err := e.Decrypt(t.Context(), message, acme, []byte("row 1")); err != nil || !bytes.Equal(opened, plaintext) {
				t.Error(err)
			}
			if _, err := e.Decrypt(t.Context(), message, nil, []byte("row 1")); !errors.Is(err, bunkms.ErrDecryptionFailed) {
				t.Error(err)
			}
			if _, err := e.Decrypt(t.Context(), message, acme, []byte("row 2")); !errors.Is(err, bunkms.ErrDecryptionFailed) {
				t.Error(err)
			}
		}
		// What is kept outlives the key's being disabled, and what is not kept does not.
		if _, err := bunkmspb.NewKeyLifeServiceClient(client).DisableKey(t.Context(), &bunkmspb.DisableKeyRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Encrypt(t.Context(), plaintext, acme, nil); err != nil {
			t.Error(err)
		}
		if _, err := reader.Decrypt(t.Context(), message, acme, []byte("row 1")); !errors.Is(err, bunkms.ErrWrongKeyState) {
			t.Error(err)
		}
	})
}

// bunkmsCommand runs the command line of this repository.
func bunkmsCommand(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	command := exec.Command(setting(t, "BUNKMS_TEST_NODE"), append([]string{"--disable-warning=ExperimentalWarning", setting(t, "BUNKMS_TEST_CLI")}, arguments...)...)
	command.Env = append(os.Environ(),
		"BUNKMS_URL="+setting(t, "BUNKMS_TEST_REST"),
		"BUNKMS_TOKEN_FILE="+setting(t, "BUNKMS_TEST_TOKEN_FILE"),
		"BUNKMS_CACERT="+setting(t, "BUNKMS_TEST_CA"))
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestFilesOfThisClientAndOfTheCommandLine(t *testing.T) {
	folder := t.TempDir()
	plaintext := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	each(t, func(t *testing.T, client *bunkms.Client) {
		name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
		acme := bunkms.FileBinding{Context: map[string]string{"tenant": "acme"}}
		var written bytes.Buffer
		to, err := client.NewFileWriter(t.Context(), &written, name, acme)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(plaintext); err != nil {
			t.Fatal(err)
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		encrypted, decrypted := filepath.Join(folder, name+".bkms"), filepath.Join(folder, name)
		if err := os.WriteFile(encrypted, written.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if output, err := bunkmsCommand(t, "decrypt-file", encrypted, "--context", "tenant=acme"); err != nil {
			t.Fatal(output, err)
		}
		if content, err := os.ReadFile(decrypted); err != nil || !bytes.Equal(content, plaintext) {
			t.Error("the command line read something else", err)
		}
		again := filepath.Join(folder, name+"-again.bkms")
		if output, err := bunkmsCommand(t, "encrypt-file", decrypted, "--key", name, "--context", "tenant=acme", "--out", again); err != nil {
			t.Fatal(output, err)
		}
		for _, path := range []string{encrypted, again} {
			for _, keyName := range []string{name, ""} {
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				from, err := client.NewFileReader(t.Context(), bytes.NewReader(content), keyName, acme)
				if err != nil {
					t.Fatal(err)
				}
				if read, err := io.ReadAll(from); err != nil || !bytes.Equal(read, plaintext) {
					t.Error(path, err)
				}
				if _, err := client.NewFileReader(t.Context(), bytes.NewReader(content), keyName, bunkms.FileBinding{}); !errors.Is(err, bunkms.ErrDecryptionFailed) {
					t.Error(err)
				}
				content[len(content)-1] ^= 1
				from, err = client.NewFileReader(t.Context(), bytes.NewReader(content), keyName, acme)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(from); !errors.Is(err, file.ErrChanged) {
					t.Error(err)
				}
			}
		}
	})
}

func TestFilesBoundToBytesOfThisClientAndOfTheCommandLine(t *testing.T) {
	folder := t.TempDir()
	client := connect(t, setting(t, "BUNKMS_TEST_REST"))
	name := createKey(t, client, &bunkmspb.CreateKeyRequest{})
	row := bunkms.FileBinding{AAD: []byte("row 7")}
	var written bytes.Buffer
	to, err := client.NewFileWriter(t.Context(), &written, name, row)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(to, "a text"); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	encrypted, decrypted := filepath.Join(folder, "bytes.bkms"), filepath.Join(folder, "bytes")
	if err := os.WriteFile(encrypted, written.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := bunkmsCommand(t, "decrypt-file", encrypted, "--aad", "row 7"); err != nil {
		t.Fatal(output, err)
	}
	again := filepath.Join(folder, "again.bkms")
	if output, err := bunkmsCommand(t, "encrypt-file", decrypted, "--key", name, "--aad", "row 7", "--out", again); err != nil {
		t.Fatal(output, err)
	}
	content, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	from, err := client.NewFileReader(t.Context(), bytes.NewReader(content), name, row)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := io.ReadAll(from); err != nil || string(read) != "a text" {
		t.Error(string(read), err)
	}
	other := bunkms.FileBinding{AAD: []byte("row 8")}
	if _, err := client.NewFileReader(t.Context(), bytes.NewReader(content), name, other); !errors.Is(err, bunkms.ErrDecryptionFailed) {
		t.Error(err)
	}
	both := bunkms.FileBinding{Context: map[string]string{"a": "b"}, AAD: []byte("c")}
	if _, err := client.NewFileWriter(t.Context(), &written, name, both); err == nil {
		t.Error("two bindings were taken")
	}
}
