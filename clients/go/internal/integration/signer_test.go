//go:build integration

package integration

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	bunkms "github.com/bunbase/bunkms/clients/go"
	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

func newSigner(t *testing.T, client *bunkms.Client, keyType string) crypto.Signer {
	t.Helper()
	name := createKey(t, client, &bunkmspb.CreateKeyRequest{Type: keyType, Purpose: "sign"})
	signer, err := client.Signer(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestSignersOfAllKinds(t *testing.T) {
	message := []byte("attack at dawn")
	digests := map[crypto.Hash][]byte{}
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		state := hash.New()
		state.Write(message)
		digests[hash] = state.Sum(nil)
	}
	each(t, func(t *testing.T, client *bunkms.Client) {
		signer := newSigner(t, client, "rsa-2048")
		public := signer.Public().(*rsa.PublicKey)
		for hash, digest := range digests {
			signature, err := signer.Sign(rand.Reader, digest, hash)
			if err != nil || rsa.VerifyPKCS1v15(public, hash, digest, signature) != nil {
				t.Errorf("PKCS #1 v1.5 with %v: %v", hash, err)
			}
			for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, hash.Size()} {
				options := &rsa.PSSOptions{Hash: hash, SaltLength: salt}
				signature, err := signer.Sign(rand.Reader, digest, options)
				if err != nil || rsa.VerifyPSS(public, hash, digest, signature, options) != nil {
					t.Errorf("PSS with %v and salt %d: %v", hash, salt, err)
				}
			}
		}
		if _, err := signer.Sign(rand.Reader, digests[crypto.SHA256], &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 20}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		if _, err := signer.Sign(rand.Reader, make([]byte, 20), crypto.SHA1); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		if _, err := signer.Sign(rand.Reader, make([]byte, 31), crypto.SHA256); !errors.Is(err, bunkms.ErrRequest) {
			t.Error(err)
		}
		for _, curve := range []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521"} {
			signer := newSigner(t, client, curve)
			for hash, digest := range digests {
				signature, err := signer.Sign(rand.Reader, digest, hash)
				if err != nil || !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest, signature) {
					t.Errorf("%s with %v: %v", curve, hash, err)
				}
			}
		}
		edwards := newSigner(t, client, "ed25519")
		own := edwards.Public().(ed25519.PublicKey)
		signature, err := edwards.Sign(rand.Reader, message, crypto.Hash(0))
		if err != nil || !ed25519.Verify(own, message, signature) {
			t.Error("Ed25519", err)
		}
		if through, err := crypto.SignMessage(edwards, rand.Reader, message, crypto.Hash(0)); err != nil || !bytes.Equal(through, signature) {
			t.Error("Ed25519 is deterministic", err)
		}
		for _, context := range []string{"", "a context"} {
			options := &ed25519.Options{Hash: crypto.SHA512, Context: context}
			signature, err := edwards.Sign(rand.Reader, digests[crypto.SHA512], options)
			if err != nil || ed25519.VerifyWithOptions(own, digests[crypto.SHA512], signature, options) != nil {
				t.Error("Ed25519ph", err)
			}
		}
		if _, err := edwards.Sign(rand.Reader, message, &ed25519.Options{Context: "ctx"}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}

func TestASignerStaysWithItsVersion(t *testing.T) {
	each(t, func(t *testing.T, client *bunkms.Client) {
		name := createKey(t, client, &bunkmspb.CreateKeyRequest{Type: "ecdsa-p256"})
		first, err := client.Signer(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bunkmspb.NewKeyServiceClient(client).RotateKey(t.Context(), &bunkmspb.RotateKeyRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		second, err := client.Signer(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		again, err := client.Signer(t.Context(), name, bunkms.KeyVersion(1))
		if err != nil || !first.Public().(*ecdsa.PublicKey).Equal(again.Public()) || first.Public().(*ecdsa.PublicKey).Equal(second.Public()) {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte("x"))
		for _, signer := range []crypto.Signer{first, second, again} {
			signature, err := signer.Sign(nil, digest[:], crypto.SHA256)
			if err != nil || !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest[:], signature) {
				t.Error(err)
			}
		}
	})
}

func TestKeysThatAreNoSigners(t *testing.T) {
	each(t, func(t *testing.T, client *bunkms.Client) {
		for keyType, expected := range map[string]error{
			"aes-256":         bunkms.ErrWrongKeyUsage,
			"ecdsa-secp256k1": errors.ErrUnsupported,
			"x25519":          errors.ErrUnsupported,
			"ed448":           errors.ErrUnsupported,
		} {
			name := createKey(t, client, &bunkmspb.CreateKeyRequest{Type: keyType})
			if signer, err := client.Signer(t.Context(), name); !errors.Is(err, expected) || signer != nil {
				t.Errorf("%s: %v", keyType, err)
			}
		}
		if decrypter, err := client.Decrypter(t.Context(), createKey(t, client, &bunkmspb.CreateKeyRequest{Type: "ed25519"})); !errors.Is(err, bunkms.ErrRequest) || decrypter != nil {
			t.Error(err)
		}
	})
}

func TestDecrypters(t *testing.T) {
	each(t, func(t *testing.T, client *bunkms.Client) {
		name := createKey(t, client, &bunkmspb.CreateKeyRequest{Type: "rsa-2048", Purpose: "encrypt"})
		decrypter, err := client.Decrypter(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bunkmspb.NewKeyServiceClient(client).RotateKey(t.Context(), &bunkmspb.RotateKeyRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		public := decrypter.Public().(*rsa.PublicKey)
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			for _, label := range []string{"", "a label"} {
				ciphertext, err := rsa.EncryptOAEP(hash.New(), rand.Reader, public, []byte("x"), []byte(label))
				if err != nil {
					t.Fatal(err)
				}
				options := &rsa.OAEPOptions{Hash: hash, Label: []byte(label)}
				plaintext, err := decrypter.Decrypt(nil, ciphertext, options)
				if err != nil || string(plaintext) != "x" {
					t.Errorf("%v with label %q: %v", hash, label, err)
				}
				options.Label = []byte("another")
				if _, err := decrypter.Decrypt(nil, ciphertext, options); !errors.Is(err, bunkms.ErrDecryptionFailed) {
					t.Error(err)
				}
			}
		}
		for _, options := range []crypto.DecrypterOpts{nil, "another scheme", &rsa.OAEPOptions{Hash: crypto.MD5}, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}} {
			if _, err := decrypter.Decrypt(nil, make([]byte, 256), options); !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
		}
	})
}

// TestTLSWithCertificatesOfTheServersKeys is an authority, a server's and a client's
// certificate, whose private keys are all in BunKMS, in a real TLS connection.
func TestTLSWithCertificatesOfTheServersKeys(t *testing.T) {
	for _, keyType := range []string{"ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"} {
		t.Run(keyType, func(t *testing.T) {
			client := connect(t, setting(t, "BUNKMS_TEST_REST"))
			root := newSigner(t, client, keyType)
			authority := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotAfter: time.Now().Add(time.Hour),
				IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
			}
			authority = certificate(t, authority, authority, root.Public(), root)
			if err := authority.CheckSignatureFrom(authority); err != nil {
				t.Error(err)
			}
			pair := func(name string, use x509.ExtKeyUsage) tls.Certificate {
				signer := newSigner(t, client, keyType)
				template := &x509.Certificate{
					SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
					IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{use},
				}
				issued := certificate(t, template, authority, signer.Public(), root)
				request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: template.Subject}, signer)
				if err != nil {
					t.Fatal(err)
				}
				if parsed, err := x509.ParseCertificateRequest(request); err != nil || parsed.CheckSignature() != nil {
					t.Error("the request of a certificate", err)
				}
				return tls.Certificate{Certificate: [][]byte{issued.Raw}, PrivateKey: signer}
			}
			roots := x509.NewCertPool()
			roots.AddCert(authority)
			serverPair, clientPair := pair("server", x509.ExtKeyUsageServerAuth), pair("client", x509.ExtKeyUsageClientAuth)
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				talk(t, version, roots, serverPair, clientPair)
			}
		})
	}
}

func certificate(t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// talk sends a request through a TLS listener that asks for a client certificate.
func talk(t *testing.T, version uint16, roots *x509.CertPool, serverPair, clientPair tls.Certificate) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{serverPair}, MaxVersion: version,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	})}
	go server.Serve(listener)
	defer server.Close()
	pool := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{clientPair}}}
	defer pool.CloseIdleConnections()
	response, err := (&http.Client{Transport: pool}).Get("https://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "client" || response.TLS.Version != version {
		t.Error(string(body), response.TLS.Version, err)
	}
}
