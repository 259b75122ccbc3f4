package connect

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	bunkms "github.com/bunbase/bunkms/clients/go"
	"github.com/bunbase/bunkms/clients/go/bundoc"
)

func complete(more ...string) []string {
	return append([]string{
		"PATH=/bin", settingURL + "=http://127.0.0.1:1", settingToken + "=token", settingKey + "=bundoc",
	}, more...)
}

func TestWithoutSettingsThereIsNoProvider(t *testing.T) {
	if connection, err := FromEnvironment([]string{"PATH=/bin", "BUNDOC_RPC_ADDR=x"}, nil); connection != nil || err != nil {
		t.Fatal(connection, err)
	}
}

func TestSettingsThatFitMakeAProvider(t *testing.T) {
	for _, more := range [][]string{
		nil,
		{settingCache + "=1m", settingDeadline + "=3s", settingRewrap + "=off"},
		{settingRewrap + "=on"},
		{settingURL + "=http://localhost:1"},
		{settingURL + "=grpc://[::1]:1"},
		{settingURL + "=https://kms.example"},
		{settingURL + "=grpcs://kms.example:443"},
	} {
		connection, err := FromEnvironment(complete(more...), nil)
		if err != nil {
			t.Fatal(more, err)
		}
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSettingsThatDoNotFitAreRefusedByName(t *testing.T) {
	for entry, text := range map[string]string{
		settingURL + "=":                            settingURL + " is missing",
		settingToken + "=":                          settingToken + " is missing",
		settingKey + "=":                            settingKey + " is missing",
		settingURL + "=http://kms.example":          "without TLS",
		settingURL + "=grpc://10.0.0.1:8081":        "without TLS",
		settingURL + "=http://127.0.0.1.example":    "without TLS",
		settingURL + "=ftp://kms.example":           settingURL,
		settingURL + "=https://me:secret@kms.a/%zz": settingURL,
		settingURL + "=https://me:secret@kms.a":     settingURL,
		settingCache + "=15":                        settingCache,
		settingCache + "=-1m":                       settingCache,
		settingDeadline + "=soon":                   settingDeadline,
		settingDeadline + "=":                       settingDeadline,
		settingRewrap + "=yes":                      settingRewrap,
		settingCert + "=cert.pem":                   "needs its key",
		settingCA + "=missing.pem":                  "missing.pem",
		prefix + "TOKEN=bkms_o_secret":              prefix + "TOKEN is no setting",
	} {
		connection, err := FromEnvironment(complete(entry), nil)
		if connection != nil || err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", entry, err)
		}
	}
}

// An answer of the server's stand-in. A request may outlive the call that sent it (its deadline passed), so that the
// test and the server share answers only through an atomic pointer.
type answer struct {
	status int
	body   string
}

func TestErrorsOfTheServerKeepTheirMeaning(t *testing.T) {
	var current atomic.Pointer[answer]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/sys/seal-status" {
			fmt.Fprint(w, `{"initialized":true,"cluster_id":"00112233445566778899aabbccddeeff"}`)
			return
		}
		given := current.Load()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(given.status)
		fmt.Fprint(w, given.body)
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	ask := func(deadline string) error {
		t.Helper()
		environment := complete(settingURL+"="+server.URL, settingToken+"="+token, settingDeadline+"="+deadline)
		connection, err := FromEnvironment(environment, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_, err = connection.Provider.Key(t.Context(), t.TempDir())
		return err
	}
	// What is final is told at once, however slow the machine; what may pass is tried again until the deadline.
	const final, passing = "60s", "300ms"
	if err := ask(final); !errors.Is(err, bundoc.ErrRefused) || !errors.Is(err, bunkms.ErrRequest) {
		t.Fatal("no token file:", err)
	}
	if err := os.WriteFile(token, []byte("bkms_o_token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer
		deadline string
		kind     error
	}{
		{answer{401, `{"error":"no","code":"unauthenticated"}`}, final, bundoc.ErrDenied},
		{answer{403, `{"error":"no","code":"permission_denied"}`}, final, bundoc.ErrDenied},
		{answer{404, `{"error":"no","code":"not_found"}`}, final, bundoc.ErrRefused},
		{answer{409, `{"error":"no","code":"wrong_key_state"}`}, final, bundoc.ErrRefused},
		{answer{503, `{"error":"no","code":"sealed"}`}, passing, bundoc.ErrUnavailable},
		{answer{502, `<html>`}, passing, bundoc.ErrUnavailable},
		{answer{200, `{}`}, passing, bundoc.ErrUnavailable},
	} {
		current.Store(&c.answer)
		if err := ask(c.deadline); !errors.Is(err, c.kind) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
	server.Close()
	// Long enough for one attempt to be refused, also on a slow machine.
	if err := ask("3s"); !errors.Is(err, bundoc.ErrUnavailable) || !errors.Is(err, bunkms.ErrConnection) {
		t.Error(err)
	}
}
