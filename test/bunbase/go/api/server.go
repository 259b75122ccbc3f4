// Package api stands in the place of the package under test while its own tests run (go test -overlay): a server that hands
// every request on to the BunKMS that BUNKMS_TEST_URL names, and its answer back.
package api

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/kartikbazzad/bunbase/bun-kms/internal/core"
)

// Server hands requests on.
type Server struct {
	vault *core.Vault
}

// NewServer has the arguments of the one it stands for. The tests make keys in the vault; secrets they put through the API.
func NewServer(vault *core.Vault, _ *core.SecretStore, _ *log.Logger, _ []byte) *Server {
	return &Server{vault: vault}
}

// Handler is the server itself.
func (s *Server) Handler() http.Handler {
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.bringKey(r.URL.Path); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer, err := send(r.Method, r.URL.RequestURI(), r.Header, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

// bringKey makes the key that a path names, if a test made it in the vault without the API. That it is there already is no
// error: the load tester relies on the same answer.
func (s *Server) bringKey(path string) error {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 3 {
		return nil
	}
	key, err := s.vault.GetKey(parts[2])
	if err != nil {
		return nil
	}
	body, err := json.Marshal(map[string]string{"name": key.Name, "type": string(key.Type)})
	if err != nil {
		return err
	}
	answer, err := send(http.MethodPost, "/v1/keys", http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func send(method, target string, header http.Header, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequest(method, os.Getenv("BUNKMS_TEST_URL")+target, body)
	if err != nil {
		return nil, err
	}
	request.Header = header.Clone()
	request.Header.Set("Authorization", "Bearer "+os.Getenv("BUNKMS_TEST_TOKEN"))
	return http.DefaultClient.Do(request)
}
