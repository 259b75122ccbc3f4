package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strconv"

	"filippo.io/torchwood"
	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type writeRequest struct {
	// Folder is where the checkpoint and the tiles go.
	Folder string `json:"folder"`
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	// Indexes are the entries to prove, Froms the sizes before this one.
	Indexes []int64 `json:"indexes"`
	Froms   []int64 `json:"froms"`
}

type writeAnswer struct {
	Log string `json:"log"`
	// Witnesses are the verifier keys of an Ed25519 and an ML-DSA-44 cosigner.
	Witnesses   []string           `json:"witnesses"`
	Inclusion   []inclusionProof   `json:"inclusion"`
	Consistency []consistencyProof `json:"consistency"`
	// Proofs are files as C2SP tlog-proof has them, whose extra data is the entry.
	Proofs []string `json:"proofs"`
}

// entry is what both sides of the test put into their logs. The first is empty,
// one is as long as a bundle can hold.
func entry(index int64) []byte {
	length := index * 31 % 97
	if index == 255 {
		length = 65535
	}
	digest := sha256.Sum256([]byte("entry " + strconv.FormatInt(index, 10)))
	bytes := make([]byte, length)
	for i := range bytes {
		bytes[i] = digest[i%len(digest)]
	}
	return bytes
}

type storedHashes []tlog.Hash

func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = s[index]
	}
	return hashes, nil
}

// write makes one log with golang.org/x/mod/sumdb and the published signers.
func write(request writeRequest) (*writeAnswer, error) {
	var stored storedHashes
	for i := range request.Size {
		hashes, err := tlog.StoredHashes(i, entry(i), stored)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
	}
	if err := writeTiles(request, stored); err != nil {
		return nil, err
	}
	root, err := tlog.TreeHash(request.Size, stored)
	if err != nil {
		return nil, err
	}
	answer, signed, err := sign(torchwood.Checkpoint{Origin: request.Origin, Tree: tlog.Tree{N: request.Size, Hash: root}})
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(request.Folder, "checkpoint"), signed); err != nil {
		return nil, err
	}
	return answer, prove(request, stored, signed, answer)
}

func writeTiles(request writeRequest, stored storedHashes) error {
	for _, tile := range tlog.NewTiles(torchwood.TileHeight, 0, request.Size) {
		data, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(request.Folder, torchwood.TilePath(tile)), data); err != nil {
			return err
		}
		if tile.L != 0 {
			continue
		}
		var bundle []byte
		for i := range int64(tile.W) {
			if bundle, err = torchwood.AppendTileEntry(bundle, entry(tile.N*torchwood.TileWidth+i)); err != nil {
				return err
			}
		}
		tile.L = -1
		if err := writeFile(filepath.Join(request.Folder, torchwood.TilePath(tile)), bundle); err != nil {
			return err
		}
	}
	return nil
}

func sign(checkpoint torchwood.Checkpoint) (*writeAnswer, []byte, error) {
	logSecret, logKey, err := note.GenerateKey(rand.Reader, checkpoint.Origin)
	if err != nil {
		return nil, nil, err
	}
	log, err := note.NewSigner(logSecret)
	if err != nil {
		return nil, nil, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	witness, err := torchwood.NewCosignatureSigner("ed25519.example/witness", private)
	if err != nil {
		return nil, nil, err
	}
	mldsaSecret, mldsaKey, err := formats.GenerateMLDSAKey("ml-dsa.example/witness")
	if err != nil {
		return nil, nil, err
	}
	mldsaWitness, err := formats.NewMLDSASigner(mldsaSecret)
	if err != nil {
		return nil, nil, err
	}
	signed, err := note.Sign(&note.Note{Text: checkpoint.String()}, log, witness, mldsaWitness)
	if err != nil {
		return nil, nil, err
	}
	return &writeAnswer{
		Log: logKey, Witnesses: []string{witness.Verifier().String(), mldsaKey},
		Inclusion: []inclusionProof{}, Consistency: []consistencyProof{}, Proofs: []string{},
	}, signed, nil
}

func prove(request writeRequest, stored storedHashes, signed []byte, answer *writeAnswer) error {
	for _, index := range request.Indexes {
		path, err := tlog.ProveRecord(request.Size, index, stored)
		if err != nil {
			return err
		}
		answer.Inclusion = append(answer.Inclusion, inclusionProof{Index: index, Path: path})
		answer.Proofs = append(answer.Proofs, string(torchwood.FormatProofWithExtraData(index, entry(index), path, signed)))
	}
	for _, from := range request.Froms {
		path, err := tlog.ProveTree(request.Size, from, stored)
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(from, stored)
		if err != nil {
			return err
		}
		answer.Consistency = append(answer.Consistency, consistencyProof{From: from, Root: root, Path: path})
	}
	return nil
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
