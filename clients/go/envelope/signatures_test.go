package envelope

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// unknownToGo are the types that Go's standard library cannot verify.
var unknownToGo = []string{"ecdsa-secp256k1", "ed448", "ml-dsa-44", "ml-dsa-65", "ml-dsa-65-ed25519", "ml-dsa-87"}

type signatureVector struct {
	Name      string `json:"name"`
	KeyType   string `json:"key_type"`
	Algorithm string `json:"algorithm"`
	Encoding  string `json:"encoding"`
	Context   string `json:"context"`
	Message   string `json:"message"`
	Digest    string `json:"digest"`
	Signature string `json:"signature"`
	Outcome   string `json:"outcome"`
}

// TestSignatureVectors verifies the server's signatures with Go's own
// cryptography.
func TestSignatureVectors(t *testing.T) {
	var file struct {
		Keys []struct {
			KeyType   string `json:"key_type"`
			PublicKey string `json:"public_key"`
		} `json:"keys"`
		Vectors []signatureVector `json:"vectors"`
	}
	readVectors(t, "signatures.json", &file)
	keys := map[string]any{}
	for _, key := range file.Keys {
		if slices.Contains(unknownToGo, key.KeyType) {
			continue
		}
		parsed, err := x509.ParsePKIXPublicKey(unhex(t, key.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		keys[key.KeyType] = parsed
	}
	// Three sizes of RSA, three curves of NIST, Ed25519.
	if len(keys) != 7 {
		t.Errorf("there are %d keys", len(keys))
	}
	verified := map[string]int{}
	for _, vector := range file.Vectors {
		if slices.Contains(unknownToGo, vector.KeyType) {
			continue
		}
		verified[vector.KeyType]++
		t.Run(vector.Name, func(t *testing.T) {
			valid := verify(t, keys[vector.KeyType], vector)
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
	for keyType := range keys {
		if verified[keyType] < 12 {
			t.Errorf("%s has %d vectors", keyType, verified[keyType])
		}
	}
}

// digestOf hashes the vector's message, and checks that the vector says the
// same digest.
func digestOf(t *testing.T, vector signatureVector) (crypto.Hash, []byte) {
	t.Helper()
	hash := crypto.SHA512
	switch {
	case vector.Algorithm == "ed25519ph" || strings.HasSuffix(vector.Algorithm, "sha512"):
	case strings.HasSuffix(vector.Algorithm, "sha384"):
		hash = crypto.SHA384
	case strings.HasSuffix(vector.Algorithm, "sha256"):
		hash = crypto.SHA256
	default:
		t.Fatalf("unknown algorithm %q", vector.Algorithm)
	}
	sum := hash.New()
	sum.Write(unhex(t, vector.Message))
	digest := sum.Sum(nil)
	if hex.EncodeToString(digest) != vector.Digest {
		t.Errorf("the digest is %x", digest)
	}
	return hash, digest
}

func verify(t *testing.T, key any, vector signatureVector) bool {
	t.Helper()
	signature := unhex(t, vector.Signature)
	if vector.Algorithm == "ed25519" {
		return ed25519.Verify(key.(ed25519.PublicKey), unhex(t, vector.Message), signature)
	}
	hash, digest := digestOf(t, vector)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if vector.Encoding == "der" {
			return ecdsa.VerifyASN1(key, digest, signature)
		}
		size := (key.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, digest, r, s)
	case *rsa.PublicKey:
		if strings.HasPrefix(vector.Algorithm, "rsa-pss-") {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
			return rsa.VerifyPSS(key, hash, digest, signature, options) == nil
		}
		return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
	case ed25519.PublicKey:
		options := &ed25519.Options{Hash: hash, Context: string(unhex(t, vector.Context))}
		return ed25519.VerifyWithOptions(key, digest, signature, options) == nil
	}
	t.Fatalf("no key for %q", vector.Algorithm)
	return false
}
