package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

type messageVector struct {
	Name           string            `json:"name"`
	Context        map[string]string `json:"context"`
	AdditionalData string            `json:"additional_data"`
	DataKey        string            `json:"data_key"`
	Message        string            `json:"message"`
	Outcome        string            `json:"outcome"`
	WrappedDataKey string            `json:"wrapped_data_key"`
	Plaintext      string            `json:"plaintext"`
}

type messageVectors struct {
	Key     string          `json:"key"`
	Vectors []messageVector `json:"vectors"`
}

func readMessageVectors(t testing.TB) messageVectors {
	t.Helper()
	content, err := os.ReadFile("../../../spec/vectors/envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors messageVectors
	if err := json.Unmarshal(content, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Vectors) < 50 {
		t.Fatalf("only %d vectors", len(vectors.Vectors))
	}
	return vectors
}

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestMessageVectors(t *testing.T) {
	vectors := readMessageVectors(t)
	for _, vector := range vectors.Vectors {
		t.Run(vector.Name, func(t *testing.T) {
			message := fromHex(t, vector.Message)
			wrapped, err := WrappedDataKey(message)
			if (vector.Outcome == "malformed") != errors.Is(err, ErrMessage) || wrapped != vector.WrappedDataKey {
				t.Fatalf("wrapped data key %q, %v", wrapped, err)
			}
			context := Context(vector.Context)
			plaintext, err := OpenMessage(fromHex(t, vector.DataKey), message, context, fromHex(t, vector.AdditionalData))
			switch vector.Outcome {
			case "opens":
				if err != nil || !bytes.Equal(plaintext, fromHex(t, vector.Plaintext)) {
					t.Errorf("%x, %v", plaintext, err)
				}
				// The server's part: the data key is what its wrapped form holds.
				header, parseError := ParseHeader(wrapped)
				if parseError == nil && header.Suite == 0x0478 {
					dataKey, err := Open(fromHex(t, vectors.Key), wrapped, context)
					if err != nil || hex.EncodeToString(dataKey) != vector.DataKey {
						t.Errorf("unwrapping: %v", err)
					}
				}
			case "malformed":
				if !errors.Is(err, ErrMessage) || plaintext != nil {
					t.Errorf("%x, %v", plaintext, err)
				}
			case "decryption_failed":
				if !errors.Is(err, ErrDecryption) || plaintext != nil {
					t.Errorf("%x, %v", plaintext, err)
				}
			default:
				t.Errorf("unknown outcome %q", vector.Outcome)
			}
		})
	}
}

func TestMessagesOpenAgainAndNoTwoAreEqual(t *testing.T) {
	vector := readMessageVectors(t).Vectors[0]
	dataKey := fromHex(t, vector.DataKey)
	for _, length := range []int{0, 1, 16, 1000, 1 << 20} {
		plaintext := bytes.Repeat([]byte{7}, length)
		context, additional := Context{"tenant": "acme"}, Raw("row 17")
		one, err := SealMessage(dataKey, vector.WrappedDataKey, context, additional, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		other, err := SealMessage(dataKey, vector.WrappedDataKey, context, additional, plaintext)
		if err != nil || bytes.Equal(one, other) {
			t.Fatal("two messages are equal", err)
		}
		opened, err := OpenMessage(dataKey, one, context, additional)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("%d bytes: %v", length, err)
		}
	}
}

func TestEveryChangedBitOfAMessageIsRefused(t *testing.T) {
	vector := readMessageVectors(t).Vectors[0]
	dataKey := fromHex(t, vector.DataKey)
	sealed, err := SealMessage(dataKey, vector.WrappedDataKey, nil, nil, []byte("attack at dawn"))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(sealed) {
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		if opened, err := OpenMessage(dataKey, changed, nil, nil); err == nil || opened != nil {
			t.Errorf("a change of bit %d was not noticed", bit)
		}
	}
	for length := range len(sealed) {
		if opened, err := OpenMessage(dataKey, sealed[:length], nil, nil); err == nil || opened != nil {
			t.Errorf("cut to %d bytes, it opens", length)
		}
	}
}

func TestMessagesThatCannotBeSealed(t *testing.T) {
	key, wrapped := make([]byte, 32), "Bw=="
	for name, seal := range map[string]func() ([]byte, error){
		"a short key":               func() ([]byte, error) { return SealMessage(key[1:], wrapped, nil, nil, nil) },
		"text that is no base64":    func() ([]byte, error) { return SealMessage(key, "?", nil, nil, nil) },
		"text that is not its own":  func() ([]byte, error) { return SealMessage(key, "Bx==", nil, nil, nil) },
		"no wrapped data key":       func() ([]byte, error) { return SealMessage(key, "", nil, nil, nil) },
		"too much additional data":  func() ([]byte, error) { return SealMessage(key, wrapped, nil, make(Raw, 1<<20+1), nil) },
		"too long a plaintext":      func() ([]byte, error) { return SealMessage(key, wrapped, nil, nil, make([]byte, 64<<20+1)) },
		"a context that is no text": func() ([]byte, error) { return SealMessage(key, wrapped, Context{"\xff": ""}, nil, nil) },
	} {
		if sealed, err := seal(); err == nil || sealed != nil {
			t.Errorf("%s: sealed", name)
		}
	}
}

func FuzzOpenMessage(f *testing.F) {
	// One message, the same in every process that fuzzes.
	vector := readMessageVectors(f).Vectors[1]
	key, sealed := fromHex(f, vector.DataKey), fromHex(f, vector.Message)
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, message []byte) {
		if plaintext, err := OpenMessage(key, message, nil, nil); err == nil && !bytes.Equal(message, sealed) {
			t.Errorf("opened to %x", plaintext)
		}
	})
}
