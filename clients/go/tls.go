package bunkms

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// LoadTLSConfig makes a TLS configuration of PEM files: the authorities to trust
// in place of the system's, and a certificate with its key for a server that
// asks for one. Each may be empty; certificate and key go together. The certificate is
// read again when its file changes, so that it can be renewed while the
// program runs; the authorities are read once.
func LoadTLSConfig(caFile, certFile, keyFile string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("bunkms: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("bunkms: %s has no certificate", caFile)
		}
	}
	if (certFile == "") != (keyFile == "") {
		return nil, requestError("a client certificate needs its key, and a key its certificate")
	}
	if certFile != "" {
		files := &certificateFiles{certFile: certFile, keyFile: keyFile}
		if _, err := files.load(); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return files.load() }
	}
	return config, nil
}

// certificateFiles is a certificate with its key, read again when it changes.
type certificateFiles struct {
	certFile, keyFile string

	mu          sync.Mutex
	certificate *tls.Certificate
	changedAt   time.Time
}

func (f *certificateFiles) load() (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.certFile)
	if err == nil && f.certificate != nil && info.ModTime().Equal(f.changedAt) {
		return f.certificate, nil
	}
	var loaded tls.Certificate
	if err == nil {
		loaded, err = tls.LoadX509KeyPair(f.certFile, f.keyFile)
	}
	if err != nil {
		// While the two files are renewed, one may be missing, or they do not fit; the old ones do.
		if f.certificate != nil {
			return f.certificate, nil
		}
		return nil, fmt.Errorf("bunkms: %w", err)
	}
	f.certificate, f.changedAt = &loaded, info.ModTime()
	return f.certificate, nil
}
