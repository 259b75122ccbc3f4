package bunkms

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
	"github.com/bunbase/bunkms/clients/go/envelope"
)

// DataKey is a key for encrypting here, and the same wrapped by a key of the
// server.
type DataKey struct {
	// Plaintext has 32 bytes. Clear it after use.
	Plaintext []byte
	// Ciphertext is the wrapped key, to be kept beside the data. Client.Decrypt
	// opens it.
	Ciphertext string
	// KeyID is the id of the key that wrapped it: 32 hexadecimal digits. It is
	// empty where Ciphertext is of a form that this package does not know.
	KeyID string
	// Version is the version of that key.
	Version uint32
}

const dataKeyLength = 32

// String leaves the key itself out, so that none is printed by accident.
func (k DataKey) String() string {
	return fmt.Sprintf("data key under key %s, version %d", k.KeyID, k.Version)
}

// GoString leaves the key itself out, too.
func (k DataKey) GoString() string { return k.String() }

// LogValue leaves the key itself out of structured logs.
func (k DataKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// GenerateDataKey makes a data key, wrapped by a key of the server. The
// encryption context, which may be nil, is needed again to open it. The key is
// named by its name, or by "@" and an alias, here and in all other methods.
func (c *Client) GenerateDataKey(ctx context.Context, keyName string, encryptionContext map[string]string) (*DataKey, error) {
	return c.generateDataKey(ctx, &bunkmspb.GenerateDataKeyRequest{
		Name: keyName, Bytes: dataKeyLength, Context: encryptionContext,
	})
}

func (c *Client) generateDataKey(ctx context.Context, request *bunkmspb.GenerateDataKeyRequest) (*DataKey, error) {
	answer, err := bunkmspb.NewKeyServiceClient(c).GenerateDataKey(ctx, request)
	if err != nil {
		return nil, err
	}
	if len(answer.PlaintextB64) != dataKeyLength || answer.Ciphertext == "" {
		clear(answer.PlaintextB64)
		return nil, unexpected("the server", 0, "a data key that is none")
	}
	key := &DataKey{Plaintext: answer.PlaintextB64, Ciphertext: answer.Ciphertext, Version: answer.Version}
	if header, err := envelope.ParseHeader(answer.Ciphertext); err == nil {
		key.KeyID = hex.EncodeToString(header.KeyID[:])
	}
	return key, nil
}

// Encrypt encrypts at most 512 KiB under the key's latest version. The
// encryption context, which may be nil, is needed again for decrypting.
func (c *Client) Encrypt(ctx context.Context, keyName string, plaintext []byte, encryptionContext map[string]string) (string, error) {
	answer, err := bunkmspb.NewKeyServiceClient(c).Encrypt(ctx, &bunkmspb.EncryptRequest{
		KeyName: keyName, Context: encryptionContext,
		Data: &bunkmspb.EncryptRequest_PlaintextB64{PlaintextB64: plaintext},
	})
	if err != nil {
		return "", err
	}
	return ciphertextOf(answer.Ciphertext)
}

// ciphertextOf refuses what would be kept in the place of a plaintext and opens
// to nothing, as of something between that answers all with the same JSON.
func ciphertextOf(answered string) (string, error) {
	if answered == "" {
		return "", unexpected("the server", 0, "no ciphertext")
	}
	return answered, nil
}

// Decrypt opens what Encrypt or GenerateDataKey returned. The plaintext is the
// caller's. Whatever is wrong with the ciphertext, the error is
// ErrDecryptionFailed.
func (c *Client) Decrypt(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) ([]byte, error) {
	return c.decrypt(ctx, &bunkmspb.DecryptRequest{
		KeyName: keyName, Ciphertext: ciphertext, Context: encryptionContext,
	})
}

func (c *Client) decrypt(ctx context.Context, request *bunkmspb.DecryptRequest) ([]byte, error) {
	answer, err := bunkmspb.NewKeyServiceClient(c).Decrypt(ctx, request)
	if err != nil {
		return nil, err
	}
	// A plaintext may be empty, and so may be missing; a version is never 0.
	if answer.Version == 0 {
		clear(answer.PlaintextB64)
		return nil, unexpected("the server", 0, "no plaintext")
	}
	return answer.PlaintextB64, nil
}

// Rewrap encrypts anew, under the key's latest version, what a ciphertext
// holds. The plaintext stays in the server.
func (c *Client) Rewrap(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) (string, error) {
	answer, err := bunkmspb.NewKeyUseServiceClient(c).Rewrap(ctx, &bunkmspb.RewrapRequest{
		Name: keyName, Ciphertext: ciphertext, Context: encryptionContext,
	})
	if err != nil {
		return "", err
	}
	return ciphertextOf(answer.Ciphertext)
}

// ClusterID tells the vaults of servers apart: 32 hexadecimal digits. It needs
// no token. A vault that is sealed does not tell it; the error is ErrSealed,
// or ErrNotInitialised.
func (c *Client) ClusterID(ctx context.Context) (string, error) {
	status, err := bunkmspb.NewSealServiceClient(c).GetSealStatus(ctx, &bunkmspb.GetSealStatusRequest{})
	if err != nil {
		return "", err
	}
	code := "sealed"
	if !status.Initialized {
		code = "not_initialised"
	}
	if status.ClusterId == "" {
		const closed = http.StatusServiceUnavailable
		text := "the vault is not open, and so does not tell its id"
		return "", &Error{Code: code, Message: text, GRPCCode: grpcCode(closed), HTTPStatus: closed, retryAfter: -1}
	}
	return status.ClusterId, nil
}
