package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/torchwood"
	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// store is what a witness must not forget. Whoever changes it holds the lock of
// the witness.
type store struct {
	path string
	data storeData
}

type storeData struct {
	Name    string `json:"name"`
	KeyType string `json:"key_type"`
	// Secret is the seed of an Ed25519 key, or the encoded ML-DSA-44 key.
	Secret []byte `json:"secret"`
	// Vkey is the verifier key.
	Vkey string `json:"vkey"`
	// Checkpoints are the latest that were cosigned, by their origin: whole notes.
	Checkpoints map[string]string `json:"checkpoints"`
}

func openStore(path, name, keyType string) (*store, error) {
	if path == "" {
		return nil, errors.New("-state is needed")
	}
	s := &store{path: path}
	bytes, err := os.ReadFile(path)
	if err == nil {
		return s, json.Unmarshal(bytes, &s.data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s.data = storeData{Name: name, KeyType: keyType, Checkpoints: map[string]string{}}
	if err := s.makeKey(); err != nil {
		return nil, err
	}
	return s, s.save(s.data)
}

func (s *store) makeKey() error {
	switch s.data.KeyType {
	case "ed25519":
		s.data.Secret = make([]byte, ed25519.SeedSize)
		rand.Read(s.data.Secret)
		signer, err := torchwood.NewCosignatureSigner(s.data.Name, ed25519.NewKeyFromSeed(s.data.Secret))
		if err != nil {
			return err
		}
		s.data.Vkey = signer.Verifier().String()
		return nil
	case "ml-dsa-44":
		secret, vkey, err := formats.GenerateMLDSAKey(s.data.Name)
		s.data.Secret, s.data.Vkey = []byte(secret), vkey
		return err
	}
	return fmt.Errorf("unknown key type %q", s.data.KeyType)
}

func (s *store) signer() (note.Signer, error) {
	if s.data.KeyType == "ed25519" {
		return torchwood.NewCosignatureSigner(s.data.Name, ed25519.NewKeyFromSeed(s.data.Secret))
	}
	return formats.NewMLDSASigner(string(s.data.Secret))
}

// remember keeps the latest checkpoint of a log.
func (s *store) remember(origin, checkpoint string) error {
	next := s.data
	next.Checkpoints = map[string]string{origin: checkpoint}
	for other, kept := range s.data.Checkpoints {
		if other != origin {
			next.Checkpoints[other] = kept
		}
	}
	if err := s.save(next); err != nil {
		return err
	}
	s.data = next
	return nil
}

// save replaces the file as a whole, and returns when it is on the disk.
func (s *store) save(data storeData) error {
	bytes, err := json.Marshal(data)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(bytes)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), s.path)
}

// origins returns the keys of logs by their names, which are the origins.
func origins(trusted []string) (map[string][]note.Verifier, error) {
	logs := map[string][]note.Verifier{}
	for _, vkey := range trusted {
		verifier, err := formats.NewVerifier(strings.TrimSpace(vkey))
		if err != nil {
			return nil, err
		}
		logs[verifier.Name()] = append(logs[verifier.Name()], verifier)
	}
	return logs, nil
}
