package envelope

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// readVectors reads a file of spec/vectors, or of an absolute path. A missing
// file fails the test.
func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join("..", "..", "..", "spec", "vectors", name)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

type additionalVector struct {
	Raw     *string `json:"raw"`
	Context Context `json:"context"`
}

func (vector *additionalVector) data(t *testing.T) AdditionalData {
	switch {
	case vector == nil:
		return nil
	case vector.Raw != nil:
		return Raw(unhex(t, *vector.Raw))
	default:
		return vector.Context
	}
}

func TestCiphertextVectors(t *testing.T) {
	var file struct {
		Vectors []struct {
			Name                  string            `json:"name"`
			Key                   string            `json:"key"`
			AdditionalData        *additionalVector `json:"additional_data"`
			AdditionalDataEncoded string            `json:"additional_data_encoded"`
			Ciphertext            string            `json:"ciphertext"`
			Outcome               string            `json:"outcome"`
			Plaintext             string            `json:"plaintext"`
			KeyID                 string            `json:"key_id"`
			Version               uint32            `json:"version"`
		} `json:"vectors"`
	}
	readVectors(t, "ciphertext.json", &file)
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vector := range file.Vectors {
		t.Run(vector.Name, func(t *testing.T) {
			additional := vector.AdditionalData.data(t)
			encoded, err := encode(additional)
			if err != nil || hex.EncodeToString(encoded) != vector.AdditionalDataEncoded {
				t.Errorf("additional data is encoded as %x, %v", encoded, err)
			}
			plaintext, err := Open(unhex(t, vector.Key), vector.Ciphertext, additional)
			switch vector.Outcome {
			case "opens":
				if err != nil || hex.EncodeToString(plaintext) != vector.Plaintext {
					t.Errorf("opens to %x, %v", plaintext, err)
				}
				header, err := ParseHeader(vector.Ciphertext)
				if err != nil || hex.EncodeToString(header.KeyID[:]) != vector.KeyID || header.Version != vector.Version {
					t.Errorf("header is %+v, %v", header, err)
				}
			case "decryption_failed":
				if !errors.Is(err, ErrDecryption) || plaintext != nil {
					t.Errorf("opens to %x, %v", plaintext, err)
				}
			default:
				t.Errorf("unknown outcome %q", vector.Outcome)
			}
		})
	}
}

func TestInvalidContextIsRefused(t *testing.T) {
	for name, context := range map[string]Context{
		"invalid UTF-8":   {"\xff": "x"},
		"too long a text": {"k": string(make([]byte, 1<<16))},
	} {
		if encoded, err := context.encode(); err == nil {
			t.Errorf("%s: encoded as %d bytes", name, len(encoded))
		}
	}
}

func TestKeyOfAnotherLengthIsRefused(t *testing.T) {
	var file struct{ Vectors []suiteVector }
	readVectors(t, "ciphertext-suites.json", &file)
	refused := 0
	for _, vector := range file.Vectors {
		if vector.Outcome != "opens" {
			continue
		}
		for _, length := range []int{0, 1, 15, 17, 31, 33} {
			plaintext, err := Open(make([]byte, length), vector.Ciphertext, vector.AdditionalData.data(t))
			if plaintext != nil || !errors.Is(err, ErrDecryption) && !errors.Is(err, ErrSuite) {
				t.Errorf("%s: a key of %d bytes: %v", vector.Name, length, err)
			}
			refused++
		}
	}
	if refused == 0 {
		t.Error("no vectors")
	}
}
