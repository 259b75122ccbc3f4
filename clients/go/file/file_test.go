package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/bunbase/bunkms/clients/go/envelope"
)

type vector struct {
	Name           string `json:"name"`
	AdditionalData *struct {
		Raw     *string          `json:"raw"`
		Context envelope.Context `json:"context"`
	} `json:"additional_data"`
	DataKey        string `json:"data_key"`
	File           []any  `json:"file"`
	Outcome        string `json:"outcome"`
	Released       int    `json:"released"`
	SHA256         string `json:"sha256"`
	KeyName        string `json:"key_name"`
	WrappedDataKey string `json:"wrapped_data_key"`
}

var outcomes = map[string]error{
	"opens":                 nil,
	"not_an_encrypted_file": ErrFormat,
	"unsupported_version":   ErrVersion,
	"truncated":             ErrTruncated,
	"changed":               ErrChanged,
	"wrong_key":             ErrKey,
}

func readVectors(t *testing.T) (key []byte, vectors []vector) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "spec", "vectors", "file.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Key     string   `json:"key"`
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	return unhex(t, file.Key), file.Vectors
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// bytes joins the parts of the vector's file.
func (v vector) bytes(t *testing.T) []byte {
	t.Helper()
	var joined []byte
	for _, part := range v.File {
		switch part := part.(type) {
		case string:
			joined = append(joined, unhex(t, part)...)
		case float64:
			joined = append(joined, make([]byte, int(part))...)
		default:
			t.Fatalf("a part of type %T", part)
		}
	}
	return joined
}

func (v vector) additional(t *testing.T) (envelope.AdditionalData, Binding) {
	switch {
	case v.AdditionalData == nil:
		return nil, BoundToNothing
	case v.AdditionalData.Raw != nil:
		return envelope.Raw(unhex(t, *v.AdditionalData.Raw)), BoundToBytes
	default:
		return v.AdditionalData.Context, BoundToContext
	}
}

// open reads a file to its end or its error.
func open(source io.Reader, unwrap func(Header) ([]byte, error)) ([]byte, error) {
	plaintext, err := Open(source, unwrap)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plaintext)
}

func TestFileVectors(t *testing.T) {
	key, vectors := readVectors(t)
	for _, vector := range vectors {
		t.Run(vector.Name, func(t *testing.T) {
			expected, known := outcomes[vector.Outcome]
			if !known {
				t.Fatalf("unknown outcome %q", vector.Outcome)
			}
			file := vector.bytes(t)
			for name, source := range map[string]io.Reader{
				"whole": bytes.NewReader(file), "byte by byte": iotest.OneByteReader(bytes.NewReader(file)),
			} {
				dataKey := unhex(t, vector.DataKey)
				plaintext, err := open(source, func(header Header) ([]byte, error) {
					if vector.Outcome == "opens" {
						vector.check(t, key, header)
					}
					return dataKey, nil
				})
				if err != expected {
					t.Errorf("%s: %v", name, err)
				}
				digest := sha256.Sum256(plaintext)
				if len(plaintext) != vector.Released || hex.EncodeToString(digest[:]) != vector.SHA256 {
					t.Errorf("%s: %d bytes were released, %x", name, len(plaintext), digest)
				}
				if err == nil && !bytes.Equal(dataKey, make([]byte, keyLength)) {
					t.Errorf("%s: the data key is still there", name)
				}
			}
		})
	}
}

// check compares what the header says, and opens the wrapped data key.
func (v vector) check(t *testing.T, key []byte, header Header) {
	t.Helper()
	additional, binding := v.additional(t)
	if header.KeyName != v.KeyName || header.WrappedDataKey != v.WrappedDataKey || header.Binding != binding {
		t.Errorf("the header says %+v", header)
	}
	dataKey, err := envelope.Open(key, header.WrappedDataKey, additional)
	if err != nil || hex.EncodeToString(dataKey) != v.DataKey {
		t.Errorf("the wrapped data key: %v", err)
	}
}

func TestErrorsOfOthersPassThrough(t *testing.T) {
	_, vectors := readVectors(t)
	broken := errors.New("broken")
	var file []byte
	for _, vector := range vectors {
		if vector.Name == "three segments and a part" {
			file = vector.bytes(t)
			if _, err := open(bytes.NewReader(file), func(Header) ([]byte, error) { return nil, broken }); err != broken {
				t.Errorf("of unwrapping: %v", err)
			}
			for _, length := range []int{0, 8, 20, 100, 300, 400, 70000, len(file)} {
				source := io.MultiReader(bytes.NewReader(file[:length]), iotest.ErrReader(broken))
				_, err := open(source, func(Header) ([]byte, error) { return unhex(t, vector.DataKey), nil })
				if err != broken {
					t.Errorf("of the source after %d bytes: %v", length, err)
				}
			}
		}
	}
	if file == nil {
		t.Fatal("no such vector")
	}
}
