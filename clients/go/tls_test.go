package bunkms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

// authority is a certificate authority for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue writes a certificate and its key to files.
func (a *authority) issue(t *testing.T, folder, name string) (certFile, keyFile string) {
	t.Helper()
	a.serial++
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial + 1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", pkcs8)
	return certFile, keyFile
}

func (a *authority) file(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, path, "CERTIFICATE", a.certificate.Raw)
	return path
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveTLS starts a REST and a gRPC server that ask for client certificates,
// and tells whose it got.
func serveTLS(t *testing.T, a *authority) (addresses []string, names chan string) {
	t.Helper()
	certFile, keyFile := a.issue(t, t.TempDir(), "server")
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	names = make(chan string, 100)
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			names <- state.PeerCertificates[0].Subject.CommonName
			return nil
		},
	}
	rest := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, `{"ciphertext":"c"}`)
	}))
	rest.TLS = config
	rest.Config.ErrorLog = quietLog
	rest.StartTLS()
	t.Cleanup(rest.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	bunkmspb.RegisterKeyServiceServer(running, &bunkmspb.UnimplementedKeyServiceServer{})
	go running.Serve(listener)
	t.Cleanup(running.Stop)
	return []string{rest.URL, "grpcs://" + listener.Addr().String()}, names
}

func TestServersThatAreNotTrusted(t *testing.T) {
	addresses, _ := serveTLS(t, newAuthority(t))
	other, err := LoadTLSConfig(newAuthority(t).file(t), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		for _, options := range [][]Option{nil, {WithTLSConfig(other)}} {
			client := dial(t, address, append(options, WithRetry(RetryPolicy{MaxAttempts: 1}))...)
			if _, err := client.Encrypt(t.Context(), "k", nil, nil); !errors.Is(err, ErrConnection) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
}

func TestAClientCertificateIsReadAgainWhenItChanges(t *testing.T) {
	a := newAuthority(t)
	addresses, names := serveTLS(t, a)
	folder := t.TempDir()
	for _, address := range addresses {
		certFile, keyFile := a.issue(t, folder, "first")
		config, err := LoadTLSConfig(a.file(t), certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		call := func(expected string) {
			t.Helper()
			client := dial(t, address, WithTLSConfig(config))
			_, err := client.Encrypt(t.Context(), "k", nil, nil)
			if err != nil && !errors.Is(err, ErrUnexpectedAnswer) {
				t.Fatal(err)
			}
			if name := <-names; name != expected {
				t.Errorf("%s: shown as %q", address, name)
			}
		}
		call("first")
		a.issue(t, folder, "renewed")
		later := time.Now().Add(time.Minute)
		os.Chtimes(certFile, later, later)
		call("renewed")
		// Between the renewals of the two files, the certificate before them serves.
		if err := os.WriteFile(keyFile, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(certFile, later.Add(time.Minute), later.Add(time.Minute))
		call("renewed")
		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		call("renewed")
	}
}

func TestTLSConfigurationsThatAreRefused(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := newAuthority(t).issue(t, folder, "client")
	for name, load := range map[string]func() (*tls.Config, error){
		"no such file":                 func() (*tls.Config, error) { return LoadTLSConfig(folder+"/absent", "", "") },
		"a file without a certificate": func() (*tls.Config, error) { return LoadTLSConfig(keyFile, "", "") },
		"a certificate without a key":  func() (*tls.Config, error) { return LoadTLSConfig("", certFile, "") },
		"a key without a certificate":  func() (*tls.Config, error) { return LoadTLSConfig("", "", keyFile) },
		"key and certificate in each other's place": func() (*tls.Config, error) {
			return LoadTLSConfig("", keyFile, certFile)
		},
	} {
		if config, err := load(); err == nil || config != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, test := range []struct {
		address string
		config  *tls.Config
	}{
		{"http://kms", &tls.Config{}},
		{"grpc://kms:1", &tls.Config{}},
		{"https://kms", &tls.Config{InsecureSkipVerify: true}},
		{"https://kms", nil},
	} {
		if _, err := New(test.address, WithTLSConfig(test.config)); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", test.address, err)
		}
	}
}

func TestOldTLSIsNotSpokenWhateverTheConfigurationSays(t *testing.T) {
	for given, want := range map[uint16]uint16{0: tls.VersionTLS12, tls.VersionTLS10: tls.VersionTLS12, tls.VersionTLS13: tls.VersionTLS13} {
		var s settings
		config := &tls.Config{MinVersion: given}
		if err := WithTLSConfig(config)(&s); err != nil || s.tls.MinVersion != want || config.MinVersion != given {
			t.Error(given, s.tls.MinVersion, err)
		}
	}
}
