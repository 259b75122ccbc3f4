package bunkms

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestADataKeyIsNotPrinted(t *testing.T) {
	key := &DataKey{Plaintext: []byte("hunter2"), Ciphertext: "wrapped", KeyID: "k", Version: 7}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("made", "key", key, "value", *key)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "key", key, "value", *key)
	printed := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", key, key, key, key, *key, *key, *key) + logged.String()
	for _, form := range []string{"hunter2", "104 117 110", "0x68, 0x75", fmt.Sprintf("%x", "hunter2"), "aHVudGVyMg"} {
		if strings.Contains(printed, form) {
			t.Errorf("%q is in %s", form, printed)
		}
	}
}

func TestDataKeysThatAreNone(t *testing.T) {
	for _, body := range []string{
		`{}`,
		`{"plaintext_b64":"AAAA","ciphertext":"x"}`,
		`{"plaintext_b64":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`,
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, body) })
		if key, err := client.GenerateDataKey(t.Context(), "k", nil); !errors.Is(err, ErrUnexpectedAnswer) || key != nil {
			t.Errorf("%s: %v, %v", body, key, err)
		}
	}
}

func TestAVaultThatIsNotOpenDoesNotTellItsID(t *testing.T) {
	for body, expected := range map[string]error{
		`{"initialized":true,"sealed":true}`:  ErrSealed,
		`{"initialized":false,"sealed":true}`: ErrNotInitialised,
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("authorization") != "" {
				t.Error("a token is sent where none is needed")
			}
			answerJSON(w, 200, body)
		}, WithToken(TokenFunc(func(context.Context) (string, error) { return "", errors.New("not asked") })))
		if id, err := client.ClusterID(t.Context()); !errors.Is(err, expected) || id != "" {
			t.Errorf("%q, %v", id, err)
		}
	}
}

func TestASignatureOfAnotherVersionIsRefused(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/public-key") {
			// RFC 8410 section 10.1.
			answerJSON(w, 200, `{"version":3,"der_b64":"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="}`)
			return
		}
		answerJSON(w, 200, `{"version":4,"signature_b64":"AAAA"}`)
	})
	signer, err := client.Signer(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if signature, err := signer.Sign(nil, []byte("x"), nil); !errors.Is(err, ErrRequest) || signature != nil {
		t.Error(err)
	}
	if signature, err := signer.Sign(nil, []byte("x"), crypto.Hash(0)); !errors.Is(err, ErrUnexpectedAnswer) || signature != nil {
		t.Error(err)
	}
}

func TestAnswersWithoutWhatWasAskedForAreNone(t *testing.T) {
	for _, body := range []string{`{}`, `{"status":"ok"}`, `{"plaintext_b64":""}`} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, body) })
		for name, call := range map[string]func() (string, error){
			"Encrypt": func() (string, error) { return client.Encrypt(t.Context(), "k", []byte("x"), nil) },
			"Rewrap":  func() (string, error) { return client.Rewrap(t.Context(), "k", "c", nil) },
			"Decrypt": func() (string, error) {
				plaintext, err := client.Decrypt(t.Context(), "k", "c", nil)
				return string(plaintext), err
			},
		} {
			if answered, err := call(); !errors.Is(err, ErrUnexpectedAnswer) || answered != "" {
				t.Errorf("%s of %s: %q, %v", name, body, answered, err)
			}
		}
	}
}
