package envelope

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"
)

// TestSignatureVectors verifies the server's signatures with Go's own
// cryptography.
func TestSignatureVectors(t *testing.T) {
	var file struct {
		Keys []struct {
			KeyType   string `json:"key_type"`
			PublicKey string `json:"public_key"`
		} `json:"keys"`
		Vectors []struct {
			Name      string `json:"name"`
			KeyType   string `json:"key_type"`
			Algorithm string `json:"algorithm"`
			Message   string `json:"message"`
			Digest    string `json:"digest"`
			Signature string `json:"signature"`
			Outcome   string `json:"outcome"`
		} `json:"vectors"`
	}
	readVectors(t, "signatures.json", &file)
	keys := map[string]any{}
	for _, key := range file.Keys {
		parsed, err := x509.ParsePKIXPublicKey(unhex(t, key.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		keys[key.KeyType] = parsed
	}
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vector := range file.Vectors {
		t.Run(vector.Name, func(t *testing.T) {
			hash := hashOf(t, vector.Algorithm)
			sum := hash.New()
			sum.Write(unhex(t, vector.Message))
			digest := sum.Sum(nil)
			if hex.EncodeToString(digest) != vector.Digest {
				t.Errorf("the digest is %x", digest)
			}
			valid := verify(t, keys[vector.KeyType], vector.Algorithm, hash, digest, unhex(t, vector.Signature))
			switch vector.Outcome {
			case "valid", "invalid":
				if valid != (vector.Outcome == "valid") {
					t.Errorf("valid is %v", valid)
				}
			default:
				t.Errorf("unknown outcome %q", vector.Outcome)
			}
		})
	}
}

func hashOf(t *testing.T, algorithm string) crypto.Hash {
	t.Helper()
	for name, hash := range map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		if strings.HasSuffix(algorithm, name) {
			return hash
		}
	}
	t.Fatalf("unknown algorithm %q", algorithm)
	return 0
}

func verify(t *testing.T, key any, algorithm string, hash crypto.Hash, digest, signature []byte) bool {
	t.Helper()
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		if strings.HasPrefix(algorithm, "rsa-pss-") {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
			return rsa.VerifyPSS(key, hash, digest, signature, options) == nil
		}
		return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
	}
	t.Fatalf("no key for %q", algorithm)
	return false
}
