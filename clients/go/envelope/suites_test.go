package envelope

import (
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
)

// suiteFile is the form of ciphertext-suites.json.
type suiteFile struct {
	Keys []struct {
		Name     string `json:"name"`
		Material string `json:"material"`
	} `json:"keys"`
	Vectors []suiteVector `json:"vectors"`
}

type suiteVector struct {
	Name                  string            `json:"name"`
	Suite                 string            `json:"suite"`
	Key                   string            `json:"key"`
	Derived               bool              `json:"derived"`
	AdditionalData        *additionalVector `json:"additional_data"`
	AdditionalDataEncoded string            `json:"additional_data_encoded"`
	Ciphertext            string            `json:"ciphertext"`
	Outcome               string            `json:"outcome"`
	Plaintext             string            `json:"plaintext"`
	KeyID                 string            `json:"key_id"`
	Version               uint32            `json:"version"`
}

// TestSuiteVectors reads the vectors of all suites, or those of the file that
// BUNKMS_CIPHERTEXTS names: a test of the server has its ciphertexts read so.
func TestSuiteVectors(t *testing.T) {
	name := "ciphertext-suites.json"
	if other, ok := os.LookupEnv("BUNKMS_CIPHERTEXTS"); ok {
		name = other
	}
	var file suiteFile
	readVectors(t, name, &file)
	keys := map[string][]byte{}
	for _, key := range file.Keys {
		keys[key.Name] = unhex(t, key.Material)
	}
	unreadable := map[string]int{}
	read := 0
	for _, vector := range file.Vectors {
		number, err := strconv.ParseUint(vector.Suite, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		readable := suites[uint16(number)].open != nil
		if readable {
			read++
		} else {
			unreadable[vector.Suite]++
		}
		t.Run(vector.Name, func(t *testing.T) { vector.check(t, keys[vector.Key], uint16(number), readable) })
	}
	if read == 0 {
		t.Fatal("no vectors")
	}
	for _, suite := range slices.Sorted(maps.Keys(unreadable)) {
		t.Logf("suite %s: %d vectors that the standard library cannot read", suite, unreadable[suite])
	}
	if suites := slices.Sorted(maps.Keys(unreadable)); !slices.Equal(suites, []string{"b101", "b104", "b105", "b106"}) {
		t.Errorf("the suites that cannot be read are %v", suites)
	}
	t.Logf("%d vectors were read", read)
}

func (vector *suiteVector) check(t *testing.T, key []byte, suite uint16, readable bool) {
	additional := vector.AdditionalData.data(t)
	if encoded, err := encode(additional); err != nil || hex.EncodeToString(encoded) != vector.AdditionalDataEncoded {
		t.Errorf("additional data is encoded as %x, %v", encoded, err)
	}
	if vector.Derived {
		derived, err := DeriveKey(key, additional)
		if err != nil {
			t.Fatal(err)
		}
		key = derived
	}
	plaintext, err := vector.open(key, suite, additional)
	switch vector.Outcome {
	case "opens":
		header, headerErr := ParseHeader(vector.Ciphertext)
		if headerErr != nil || hex.EncodeToString(header.KeyID[:]) != vector.KeyID ||
			header.Version != vector.Version || header.Suite != suite {
			t.Errorf("header is %+v, %v", header, headerErr)
		}
		if !readable {
			if !errors.Is(err, ErrSuite) {
				t.Errorf("opens to %x, %v", plaintext, err)
			}
		} else if err != nil || hex.EncodeToString(plaintext) != vector.Plaintext {
			t.Errorf("opens to %x, %v", plaintext, err)
		}
	case "decryption_failed":
		if plaintext != nil || !errors.Is(err, ErrDecryption) && (readable || !errors.Is(err, ErrSuite)) {
			t.Errorf("opens to %x, %v", plaintext, err)
		}
	default:
		t.Errorf("unknown outcome %q", vector.Outcome)
	}
}

// open reads as a cipher of the vector's suite does: it refuses a ciphertext
// whose header names another one.
func (vector *suiteVector) open(key []byte, suite uint16, additional AdditionalData) ([]byte, error) {
	if header, err := ParseHeader(vector.Ciphertext); err != nil || header.Suite != suite {
		return nil, ErrDecryption
	}
	return Open(key, vector.Ciphertext, additional)
}
