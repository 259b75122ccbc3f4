package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"filippo.io/torchwood"
	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/tlog"
)

type checkRequest struct {
	// Source is a folder or a URL below which the checkpoint and the tiles are.
	Source string `json:"source"`
	// Headers are sent with every request to a URL.
	Headers map[string]string `json:"headers"`
	// Logs are verifier keys, any of which may have signed.
	Logs []string `json:"logs"`
	// Witnesses are verifier keys, all of which must have cosigned.
	Witnesses   []string           `json:"witnesses"`
	Inclusion   []inclusionProof   `json:"inclusion"`
	Consistency []consistencyProof `json:"consistency"`
	// Proofs are files as C2SP tlog-proof has them, whose extra data is the entry.
	Proofs []string `json:"proofs"`
}

type inclusionProof struct {
	Index int64       `json:"index"`
	Path  []tlog.Hash `json:"path"`
}

type consistencyProof struct {
	From int64       `json:"from"`
	Root tlog.Hash   `json:"root"`
	Path []tlog.Hash `json:"path"`
}

type checkAnswer struct {
	Origin  string    `json:"origin"`
	Size    int64     `json:"size"`
	Root    tlog.Hash `json:"root"`
	Entries int64     `json:"entries"`
	// Digest is SHA-256 of all entries, each after its length as four bytes.
	Digest string `json:"digest"`
	// Inclusion and Consistency are the proofs as made here from the tiles.
	Inclusion   []inclusionProof   `json:"inclusion"`
	Consistency []consistencyProof `json:"consistency"`
	Proofs      int                `json:"proofs"`
}

// check verifies one log from its tiles, and that proofs made by others fit.
func check(request checkRequest) (*checkAnswer, error) {
	ctx := context.Background()
	policy, err := allOf(request.Logs, request.Witnesses)
	if err != nil {
		return nil, err
	}
	tiles, err := openTiles(request)
	if err != nil {
		return nil, err
	}
	signed, err := tiles.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return nil, err
	}
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	answer := &checkAnswer{
		Origin: checkpoint.Origin, Size: checkpoint.N, Root: checkpoint.Hash,
		Inclusion: []inclusionProof{}, Consistency: []consistencyProof{},
	}
	client, err := torchwood.NewClient(tiles)
	if err != nil {
		return nil, err
	}
	if err := readEntries(ctx, client, checkpoint.Tree, answer); err != nil {
		return nil, err
	}
	for _, proof := range request.Inclusion {
		if err := checkInclusion(ctx, client, checkpoint.Tree, proof, answer); err != nil {
			return nil, fmt.Errorf("inclusion of entry %d: %w", proof.Index, err)
		}
	}
	hashes := torchwood.TileHashReaderWithContext(ctx, checkpoint.Tree, tiles)
	for _, proof := range request.Consistency {
		if err := checkConsistency(hashes, checkpoint.Tree, proof, answer); err != nil {
			return nil, fmt.Errorf("consistency with size %d: %w", proof.From, err)
		}
	}
	for i, proof := range request.Proofs {
		entry, err := torchwood.ProofExtraData([]byte(proof))
		if err == nil {
			err = torchwood.VerifyProof(policy, tlog.RecordHash(entry), []byte(proof))
		}
		if err != nil {
			return nil, fmt.Errorf("proof %d: %w", i, err)
		}
		answer.Proofs++
	}
	return answer, nil
}

func readEntries(ctx context.Context, client *torchwood.Client, tree tlog.Tree, answer *checkAnswer) error {
	digest := sha256.New()
	for index, entry := range client.AllEntries(ctx, tree, 0) {
		if index != answer.Entries {
			return fmt.Errorf("entry %d came for entry %d", index, answer.Entries)
		}
		digest.Write(binary.BigEndian.AppendUint32(nil, uint32(len(entry))))
		digest.Write(entry)
		answer.Entries++
	}
	answer.Digest = hex.EncodeToString(digest.Sum(nil))
	if err := client.Err(); err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	if answer.Entries != tree.N {
		return fmt.Errorf("there are %d entries, not %d", answer.Entries, tree.N)
	}
	return nil
}

func checkInclusion(ctx context.Context, client *torchwood.Client, tree tlog.Tree, proof inclusionProof, answer *checkAnswer) error {
	entry, own, err := client.Entry(ctx, tree, proof.Index)
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash(entry)
	if err := tlog.CheckRecord(tlog.RecordProof(proof.Path), tree.N, tree.Hash, proof.Index, leaf); err != nil {
		return err
	}
	answer.Inclusion = append(answer.Inclusion, inclusionProof{Index: proof.Index, Path: own})
	return nil
}

func checkConsistency(hashes tlog.HashReader, tree tlog.Tree, proof consistencyProof, answer *checkAnswer) error {
	if err := tlog.CheckTree(tlog.TreeProof(proof.Path), tree.N, tree.Hash, proof.From, proof.Root); err != nil {
		return err
	}
	own, err := tlog.ProveTree(tree.N, proof.From, hashes)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(proof.From, hashes)
	if err != nil {
		return err
	}
	answer.Consistency = append(answer.Consistency, consistencyProof{From: proof.From, Root: root, Path: own})
	return nil
}

// allOf is the policy of one of the logs, which signs for its own name only,
// and all of the witnesses.
func allOf(logs, witnesses []string) (torchwood.Policy, error) {
	if len(logs) == 0 {
		return nil, errors.New("no log is trusted")
	}
	var any []torchwood.Policy
	for _, vkey := range logs {
		verifier, err := formats.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		any = append(any, torchwood.ThresholdPolicy(2,
			torchwood.OriginPolicy(verifier.Name()), torchwood.SingleVerifierPolicy(verifier)))
	}
	all := []torchwood.Policy{torchwood.ThresholdPolicy(1, any...)}
	for _, vkey := range witnesses {
		verifier, err := formats.NewVerifierForCosignatureV1(vkey)
		if err != nil {
			return nil, err
		}
		all = append(all, torchwood.SingleVerifierPolicy(verifier))
	}
	return torchwood.ThresholdPolicy(len(all), all...), nil
}

func openTiles(request checkRequest) (torchwood.TileReader, error) {
	if !strings.HasPrefix(request.Source, "http://") {
		return torchwood.NewTileFS(os.DirFS(request.Source))
	}
	client := &http.Client{Transport: headers{request.Headers}}
	return torchwood.NewTileFetcher(request.Source, torchwood.WithHTTPClient(client))
}

// headers adds headers to requests.
type headers struct{ values map[string]string }

func (h headers) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, value := range h.values {
		request.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(request)
}
