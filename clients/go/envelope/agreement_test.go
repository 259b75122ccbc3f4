package envelope

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha3"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write agreement-go.json and backup-go.json in spec/vectors anew, for the server's tests")

type agreementKey struct {
	KeyType    string `json:"key_type"`
	PrivateKey string `json:"private_key"`
	PublicKey  string `json:"public_key"`
}

type agreementVector struct {
	Name         string `json:"name"`
	KeyType      string `json:"key_type"`
	Peer         string `json:"peer"`
	SharedSecret string `json:"shared_secret"`
	Outcome      string `json:"outcome"`
}

type encapsulationVector struct {
	Name         string `json:"name"`
	KeyType      string `json:"key_type"`
	Ciphertext   string `json:"ciphertext"`
	SharedSecret string `json:"shared_secret"`
}

type agreementFile struct {
	Keys           []agreementKey        `json:"keys,omitempty"`
	Agreements     []agreementVector     `json:"agreements"`
	Encapsulations []encapsulationVector `json:"encapsulations"`
}

// notInGo are the types that Go's standard library does not have.
var notInGo = map[string]bool{"x448": true, "ml-kem-512": true}

// TestAgreementVectors derives and decapsulates with Go's own cryptography
// what the server derived and encapsulated.
func TestAgreementVectors(t *testing.T) {
	file, keys := readAgreement(t)
	ran := 0
	for _, vector := range file.Agreements {
		if notInGo[vector.KeyType] {
			continue
		}
		ran++
		t.Run(vector.Name, func(t *testing.T) {
			secret, err := derive(t, keys[vector.KeyType], unhex(t, vector.Peer))
			switch vector.Outcome {
			case "shared":
				if err != nil || hex.EncodeToString(secret) != vector.SharedSecret {
					t.Errorf("the secret is %x, the error %v", secret, err)
				}
			case "invalid_public_key":
				if err == nil {
					t.Error("a bad key was taken")
				}
			default:
				t.Errorf("unknown outcome %q", vector.Outcome)
			}
		})
	}
	if ran != 4*3 {
		t.Errorf("%d agreements", ran)
	}
}

// TestEncapsulationVectors opens the server's encapsulations, and derives the
// public keys that the server has for its private ones.
func TestEncapsulationVectors(t *testing.T) {
	file, keys := readAgreement(t)
	ran := 0
	for _, vector := range file.Encapsulations {
		if notInGo[vector.KeyType] {
			continue
		}
		ran++
		t.Run(vector.Name, func(t *testing.T) {
			key := keys[vector.KeyType]
			kem := kemOf(t, key)
			if !bytes.Equal(rawPublic(t, key, kem), kem.encapsulationKey) {
				t.Error("the public key is not that of the private key")
			}
			secret, err := kem.decapsulate(unhex(t, vector.Ciphertext))
			if err != nil || hex.EncodeToString(secret) != vector.SharedSecret {
				t.Errorf("the secret is %x, the error %v", secret, err)
			}
		})
	}
	if ran != 3 {
		t.Errorf("%d encapsulations", ran)
	}
}

// TestAgreementOfGo checks that the file of what Go made is there, or makes it.
func TestAgreementOfGo(t *testing.T) {
	_, keys := readAgreement(t)
	if *update {
		writeOfGo(t, keys)
	}
	var file agreementFile
	readVectors(t, "agreement-go.json", &file)
	if len(file.Agreements) != 4 || len(file.Encapsulations) != 3 {
		t.Errorf("%d agreements and %d encapsulations", len(file.Agreements), len(file.Encapsulations))
	}
}

func writeOfGo(t *testing.T, keys map[string]agreementKey) {
	var file agreementFile
	for _, name := range []string{"x25519", "ecdh-p256", "ecdh-p384", "ecdh-p521"} {
		own := parsePublic(t, unhex(t, keys[name].PublicKey))
		peer, err := own.Curve().GenerateKey(rand.Reader)
		fatal(t, err)
		secret, err := peer.ECDH(own)
		fatal(t, err)
		spki, err := x509.MarshalPKIXPublicKey(peer.PublicKey())
		fatal(t, err)
		file.Agreements = append(file.Agreements, agreementVector{
			Name: name + ": by Go", KeyType: name, Peer: hex.EncodeToString(spki),
			SharedSecret: hex.EncodeToString(secret), Outcome: "shared",
		})
	}
	for _, name := range []string{"ml-kem-768", "ml-kem-1024", "x-wing"} {
		secret, ciphertext := kemOf(t, keys[name]).encapsulate()
		file.Encapsulations = append(file.Encapsulations, encapsulationVector{
			Name: name + ": by Go", KeyType: name, Ciphertext: hex.EncodeToString(ciphertext),
			SharedSecret: hex.EncodeToString(secret),
		})
	}
	content, err := json.MarshalIndent(file, "", "  ")
	fatal(t, err)
	path := filepath.Join("..", "..", "..", "spec", "vectors", "agreement-go.json")
	fatal(t, os.WriteFile(path, append(content, '\n'), 0o644))
}

func readAgreement(t *testing.T) (agreementFile, map[string]agreementKey) {
	t.Helper()
	var file agreementFile
	readVectors(t, "agreement.json", &file)
	keys := map[string]agreementKey{}
	for _, key := range file.Keys {
		keys[key.KeyType] = key
	}
	return file, keys
}

func derive(t *testing.T, key agreementKey, peer []byte) ([]byte, error) {
	t.Helper()
	parsed, err := x509.ParsePKCS8PrivateKey(unhex(t, key.PrivateKey))
	fatal(t, err)
	var own *ecdh.PrivateKey
	switch parsed := parsed.(type) {
	case *ecdh.PrivateKey:
		own = parsed
	case *ecdsa.PrivateKey:
		own, err = parsed.ECDH()
		fatal(t, err)
	}
	public, err := publicOf(peer)
	if err != nil {
		return nil, err
	}
	return own.ECDH(public)
}

func parsePublic(t *testing.T, spki []byte) *ecdh.PublicKey {
	t.Helper()
	key, err := publicOf(spki)
	fatal(t, err)
	return key
}

func publicOf(spki []byte) (*ecdh.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	switch parsed := parsed.(type) {
	case *ecdh.PublicKey:
		return parsed, nil
	case *ecdsa.PublicKey:
		return parsed.ECDH()
	}
	return nil, fmt.Errorf("a key of type %T", parsed)
}

// kem is a key pair for encapsulation.
type kem struct {
	encapsulationKey []byte
	encapsulate      func() (secret, ciphertext []byte)
	decapsulate      func(ciphertext []byte) ([]byte, error)
}

func kemOf(t *testing.T, key agreementKey) kem {
	t.Helper()
	private := unhex(t, key.PrivateKey)
	if key.KeyType == "x-wing" {
		return xWing(t, private)
	}
	// The PKCS#8 ends with the seed (RFC 9935 section 6).
	seed := private[len(private)-mlkem.SeedSize:]
	var decapsulator interface {
		crypto.Decapsulator
		Decapsulate(ciphertext []byte) ([]byte, error)
	}
	var err error
	switch key.KeyType {
	case "ml-kem-768":
		decapsulator, err = mlkem.NewDecapsulationKey768(seed)
	case "ml-kem-1024":
		decapsulator, err = mlkem.NewDecapsulationKey1024(seed)
	default:
		t.Fatalf("unknown type %q", key.KeyType)
	}
	fatal(t, err)
	encapsulator := decapsulator.Encapsulator()
	return kem{encapsulator.Bytes(), encapsulator.Encapsulate, decapsulator.Decapsulate}
}

// xWing composes draft-connolly-cfrg-xwing-kem-10 from Go's parts. Its key
// generation is compared with that of crypto/hpke.
func xWing(t *testing.T, seed []byte) kem {
	t.Helper()
	expanded := sha3.SumSHAKE256(seed, 96)
	privateM, err := mlkem.NewDecapsulationKey768(expanded[:64])
	fatal(t, err)
	privateX, err := ecdh.X25519().NewPrivateKey(expanded[64:])
	fatal(t, err)
	publicM, publicX := privateM.EncapsulationKey(), privateX.PublicKey()
	public := append(publicM.Bytes(), publicX.Bytes()...)
	combine := func(secretM, secretX, ciphertextX []byte) []byte {
		parts := [][]byte{secretM, secretX, ciphertextX, publicX.Bytes(), []byte(`\./` + `/^\`)}
		sum := sha3.Sum256(bytes.Join(parts, nil))
		return sum[:]
	}
	ofHPKE, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	fatal(t, err)
	if !bytes.Equal(ofHPKE.PublicKey().Bytes(), public) {
		t.Error("crypto/hpke makes another public key of the seed")
	}
	return kem{
		encapsulationKey: public,
		encapsulate: func() ([]byte, []byte) {
			ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
			fatal(t, err)
			secretX, err := ephemeral.ECDH(publicX)
			fatal(t, err)
			secretM, ciphertextM := publicM.Encapsulate()
			ciphertextX := ephemeral.PublicKey().Bytes()
			return combine(secretM, secretX, ciphertextX), append(ciphertextM, ciphertextX...)
		},
		decapsulate: func(ciphertext []byte) ([]byte, error) {
			ciphertextM, ciphertextX := ciphertext[:mlkem.CiphertextSize768], ciphertext[mlkem.CiphertextSize768:]
			secretM, err := privateM.Decapsulate(ciphertextM)
			if err != nil {
				return nil, err
			}
			point, err := ecdh.X25519().NewPublicKey(ciphertextX)
			if err != nil {
				return nil, err
			}
			secretX, err := privateX.ECDH(point)
			if err != nil {
				return nil, err
			}
			return combine(secretM, secretX, ciphertextX), nil
		},
	}
}

// rawPublic returns the encapsulation key at the end of its
// SubjectPublicKeyInfo, which Go does not parse.
func rawPublic(t *testing.T, key agreementKey, of kem) []byte {
	t.Helper()
	spki := unhex(t, key.PublicKey)
	if len(spki) < len(of.encapsulationKey) {
		t.Fatalf("a public key of %d bytes", len(spki))
	}
	return spki[len(spki)-len(of.encapsulationKey):]
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
