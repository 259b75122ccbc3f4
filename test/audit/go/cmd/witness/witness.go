package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxBody  = 1 << 20
	maxProof = 63
)

type witness struct {
	logs   map[string][]note.Verifier
	signer note.Signer

	// lock makes the comparison with the latest checkpoint and its replacement one.
	lock  sync.Mutex
	store *store
}

func newWitness(store *store, trusted []string) (*witness, error) {
	logs, err := origins(trusted)
	if err != nil {
		return nil, err
	}
	signer, err := store.signer()
	return &witness{logs: logs, signer: signer, store: store}, err
}

func (w *witness) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", w.addCheckpoint)
	mux.HandleFunc("GET /{origin}/checkpoint", w.serveCheckpoint)
	return mux
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	text   string
	// size is the latest size that was cosigned, of a 409.
	size int64
}

func (r refusal) Error() string { return r.text }

func (w *witness) addCheckpoint(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, maxBody))
	if err != nil {
		http.Error(response, "the body cannot be read", http.StatusBadRequest)
		return
	}
	line, err := w.cosign(body)
	var refused refusal
	switch {
	case err == nil:
		io.WriteString(response, line)
	case !errors.As(err, &refused):
		http.Error(response, err.Error(), http.StatusInternalServerError)
	case refused.status == http.StatusConflict:
		response.Header().Set("Content-Type", "text/x.tlog.size")
		response.WriteHeader(refused.status)
		fmt.Fprintf(response, "%d\n", refused.size)
	default:
		http.Error(response, refused.text, refused.status)
	}
}

// cosign follows C2SP tlog-witness, section add-checkpoint, in its order.
func (w *witness) cosign(body []byte) (string, error) {
	old, proof, signed, err := parseBody(body)
	if err != nil {
		return "", err
	}
	origin, _, _ := strings.Cut(string(signed), "\n")
	keys := w.logs[origin]
	if len(keys) == 0 {
		return "", refusal{status: http.StatusNotFound, text: "the log is not known"}
	}
	opened, err := note.Open(signed, note.VerifierList(keys...))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	if errors.As(err, &unverified) || errors.As(err, &invalid) {
		return "", refusal{status: http.StatusForbidden, text: err.Error()}
	}
	if err != nil {
		return "", badRequest(err.Error())
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return "", badRequest(err.Error())
	}
	if old > checkpoint.N {
		return "", badRequest("the old size is larger than the checkpoint's")
	}

	w.lock.Lock()
	defer w.lock.Unlock()
	latest, err := w.latest(origin)
	if err != nil {
		return "", err
	}
	if latest.N != old {
		return "", refusal{status: http.StatusConflict, text: "another size was cosigned last", size: latest.N}
	}
	if !isConsistent(latest, checkpoint.Tree, proof) {
		return "", refusal{status: http.StatusUnprocessableEntity, text: "the checkpoint is not shown to be consistent"}
	}
	return w.record(origin, opened)
}

func isConsistent(latest, next tlog.Tree, proof tlog.TreeProof) bool {
	if next.N == 0 && next.Hash != tlog.Hash(sha256.Sum256(nil)) {
		return false
	}
	if latest.N == 0 {
		return len(proof) == 0
	}
	return tlog.CheckTree(proof, next.N, next.Hash, latest.N, latest.Hash) == nil
}

// latest returns the tree that was cosigned last; of a new log the empty one.
func (w *witness) latest(origin string) (tlog.Tree, error) {
	kept, ok := w.store.data.Checkpoints[origin]
	if !ok {
		return tlog.Tree{}, nil
	}
	text, _, _ := strings.Cut(kept, "\n\n")
	checkpoint, err := torchwood.ParseCheckpoint(text + "\n")
	return checkpoint.Tree, err
}

// record cosigns the checkpoint and keeps it before the cosignature is given away.
func (w *witness) record(origin string, opened *note.Note) (string, error) {
	signed, err := note.Sign(&note.Note{Text: opened.Text}, w.signer)
	if err != nil {
		return "", err
	}
	line := strings.TrimPrefix(string(signed), opened.Text+"\n")
	kept := opened.Text + "\n"
	// These are the ones that verified.
	for _, signature := range opened.Sigs {
		kept += fmt.Sprintf("— %s %s\n", signature.Name, signature.Base64)
	}
	return line, w.store.remember(origin, kept+line)
}

func (w *witness) serveCheckpoint(response http.ResponseWriter, request *http.Request) {
	w.lock.Lock()
	defer w.lock.Unlock()
	for origin, kept := range w.store.data.Checkpoints {
		hash := sha256.Sum256([]byte(origin))
		if hex.EncodeToString(hash[:]) == request.PathValue("origin") {
			response.Header().Set("Content-Type", "text/plain; charset=utf-8")
			io.WriteString(response, kept)
			return
		}
	}
	http.Error(response, "no checkpoint of this log was cosigned", http.StatusNotFound)
}

func parseBody(body []byte) (old int64, proof tlog.TreeProof, signed []byte, err error) {
	head, signed, ok := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	size, isOld := strings.CutPrefix(lines[0], "old ")
	if !ok || !isOld {
		return 0, nil, nil, badRequest("the body is not an old size, a proof, an empty line and a checkpoint")
	}
	old, err = strconv.ParseInt(size, 10, 64)
	if err != nil || old < 0 || strconv.FormatInt(old, 10) != size {
		return 0, nil, nil, badRequest("the old size is not a number")
	}
	if len(lines)-1 > maxProof {
		return 0, nil, nil, badRequest("the proof is too long")
	}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil || hash.String() != line {
			return 0, nil, nil, badRequest("a line of the proof is not a hash")
		}
		proof = append(proof, hash)
	}
	return old, proof, signed, nil
}

func badRequest(text string) error {
	return refusal{status: http.StatusBadRequest, text: text}
}
