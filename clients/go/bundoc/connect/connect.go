// Package connect makes a key provider for Bundoc of settings and a BunKMS
// client. bundoc-server, as integrations/bundoc patches it, and the command
// bunkms-bundoc use it.
package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	bunkms "github.com/bunbase/bunkms/clients/go"
	"github.com/bunbase/bunkms/clients/go/bundoc"
)

// Names of the settings, all of them environment variables.
const (
	prefix = "BUNDOC_BUNKMS_"

	settingURL      = prefix + "URL"
	settingToken    = prefix + "TOKEN_FILE"
	settingKey      = prefix + "KEY"
	settingCA       = prefix + "CA_FILE"
	settingCert     = prefix + "CLIENT_CERT_FILE"
	settingCertKey  = prefix + "CLIENT_KEY_FILE"
	settingCache    = prefix + "CACHE"
	settingDeadline = prefix + "DEADLINE"
	settingRewrap   = prefix + "REWRAP"
)

var settings = []string{
	settingURL, settingToken, settingKey, settingCA, settingCert, settingCertKey, settingCache, settingDeadline, settingRewrap,
}

// bundoc-server ends a request after 15 seconds. The reason must be in the
// answer by then.
const defaultDeadline = 10 * time.Second

// Connection is a key provider with the client that it uses.
type Connection struct {
	// Provider is the key provider.
	Provider *bundoc.Provider
	// Encrypter is for Provider.Adopt.
	Encrypter bundoc.Encrypter

	client *bunkms.Client
}

// Close zeroes the keys that are kept, and closes the connections.
func (c *Connection) Close() error {
	return errors.Join(c.Provider.Close(), c.client.Close())
}

// FromEnvironment makes a provider of the settings BUNDOC_BUNKMS_*, given as
// os.Environ gives them. It returns nil when there is none of them, and an
// error when they do not fit together, or one of them is unknown: a setting
// that is overlooked would leave data in plaintext. It does not call BunKMS.
func FromEnvironment(environment []string, log *slog.Logger) (*Connection, error) {
	values, err := read(environment)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	for _, name := range []string{settingURL, settingToken, settingKey} {
		if values[name] == "" {
			return nil, fmt.Errorf("%s is missing, or empty", name)
		}
	}
	config := bundoc.Config{KeyName: values[settingKey], Log: log, Retry: bundoc.RetryPolicy{Deadline: defaultDeadline}}
	if config.CacheAge, err = duration(values, settingCache); err != nil {
		return nil, err
	}
	if _, ok := values[settingDeadline]; ok {
		if config.Retry.Deadline, err = duration(values, settingDeadline); err != nil {
			return nil, err
		}
	}
	switch rewrap, ok := values[settingRewrap]; {
	case rewrap == "off":
		config.NoRewrap = true
	case ok && rewrap != "on":
		return nil, fmt.Errorf("%s must be on or off", settingRewrap)
	}
	client, err := newClient(values)
	if err != nil {
		return nil, err
	}
	kms := New(client)
	config.KMS = kms
	provider, err := bundoc.New(config)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &Connection{Provider: provider, Encrypter: kms, client: client}, nil
}

func read(environment []string) (map[string]string, error) {
	values := map[string]string{}
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) {
			values[name] = value
		}
	}
	for name := range values {
		if !isSetting(name) {
			return nil, fmt.Errorf("%s is no setting; there are %s", name, strings.Join(settings, ", "))
		}
	}
	return values, nil
}

func isSetting(name string) bool {
	for _, known := range settings {
		if name == known {
			return true
		}
	}
	return false
}

// duration reads a time such as 15m. Without the setting it is 0.
func duration(values map[string]string, name string) (time.Duration, error) {
	value, ok := values[name]
	if !ok {
		return 0, nil
	}
	read, err := time.ParseDuration(value)
	if err != nil || read <= 0 {
		return 0, fmt.Errorf("%s must be a time above 0, such as 15m or 10s", name)
	}
	return read, nil
}

func newClient(values map[string]string) (*bunkms.Client, error) {
	// The provider tries again by itself, with the deadline of its own.
	options := []bunkms.Option{
		bunkms.WithToken(bunkms.FileToken(values[settingToken])),
		bunkms.WithRetry(bunkms.RetryPolicy{MaxAttempts: 1}),
	}
	address, err := url.Parse(values[settingURL])
	if err != nil {
		// The parser's error quotes the address, which may hold a password.
		return nil, fmt.Errorf("%s is no URL", settingURL)
	}
	if isPlain := address.Scheme == "http" || address.Scheme == "grpc"; isPlain && !isLoopback(address.Hostname()) {
		return nil, fmt.Errorf("%s is without TLS, which only an address of this machine may be: keys would cross the network in plaintext",
			settingURL)
	}
	if values[settingCA] != "" || values[settingCert] != "" || values[settingCertKey] != "" {
		config, err := bunkms.LoadTLSConfig(values[settingCA], values[settingCert], values[settingCertKey])
		if err != nil {
			return nil, err
		}
		options = append(options, bunkms.WithTLSConfig(config))
	}
	client, err := bunkms.New(values[settingURL], options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settingURL, err)
	}
	return client, nil
}

func isLoopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// KMS is a client as bundoc.KMS and bundoc.Encrypter.
type KMS struct{ client *bunkms.Client }

// New returns a client as the provider wants it. The client is best made with
// one attempt for each call: the provider has a retry policy.
func New(client *bunkms.Client) KMS { return KMS{client} }

// GenerateDataKey is of bundoc.KMS.
func (k KMS) GenerateDataKey(ctx context.Context, keyName string, encryptionContext map[string]string) ([]byte, string, error) {
	key, err := k.client.GenerateDataKey(ctx, keyName, encryptionContext)
	if err != nil {
		return nil, "", answered(err)
	}
	return key.Plaintext, key.Ciphertext, nil
}

// Decrypt is of bundoc.KMS.
func (k KMS) Decrypt(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) ([]byte, error) {
	plaintext, err := k.client.Decrypt(ctx, keyName, ciphertext, encryptionContext)
	return plaintext, answered(err)
}

// Rewrap is of bundoc.KMS.
func (k KMS) Rewrap(ctx context.Context, keyName, ciphertext string, encryptionContext map[string]string) (string, error) {
	anew, err := k.client.Rewrap(ctx, keyName, ciphertext, encryptionContext)
	return anew, answered(err)
}

// ClusterID is of bundoc.KMS.
func (k KMS) ClusterID(ctx context.Context) (string, error) {
	cluster, err := k.client.ClusterID(ctx)
	return cluster, answered(err)
}

// Encrypt is of bundoc.Encrypter.
func (k KMS) Encrypt(ctx context.Context, keyName string, plaintext []byte, encryptionContext map[string]string) (string, error) {
	ciphertext, err := k.client.Encrypt(ctx, keyName, plaintext, encryptionContext)
	return ciphertext, answered(err)
}

// answered tells an answer of BunKMS, and a call that cannot be sent at all,
// from a failure that may pass.
func answered(err error) error {
	var answer *bunkms.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && answer.Code != "":
		return &bundoc.KMSError{Code: answer.Code, Err: err}
	case errors.Is(err, bunkms.ErrRequest):
		return &bundoc.KMSError{Code: "not_sent", Err: err}
	default:
		return err
	}
}
