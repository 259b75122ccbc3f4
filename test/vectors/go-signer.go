// Command go-signer signs with Go's standard library. It reads a JSON array of
// requests from its standard input and writes the signatures, in hexadecimal,
// as a JSON array.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"log"
	"math/big"
	"os"
	"strings"
)

type request struct {
	Algorithm  string `json:"algorithm"`
	Encoding   string `json:"encoding"`
	Context    string `json:"context"`
	PrivateKey string `json:"private_key"`
	Message    string `json:"message"`
}

func main() {
	var requests []request
	must(json.NewDecoder(os.Stdin).Decode(&requests))
	signatures := []string{}
	for _, request := range requests {
		signatures = append(signatures, hex.EncodeToString(sign(request)))
	}
	must(json.NewEncoder(os.Stdout).Encode(signatures))
}

func sign(request request) []byte {
	key, err := x509.ParsePKCS8PrivateKey(unhex(request.PrivateKey))
	must(err)
	message := unhex(request.Message)
	options, digest := optionsOf(request, message)
	signature, err := key.(crypto.Signer).Sign(rand.Reader, digest, options)
	must(err)
	if request.Encoding != "p1363" {
		return signature
	}
	var numbers struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(signature, &numbers)
	must(err)
	size := (key.(*ecdsa.PrivateKey).Params().BitSize + 7) / 8
	return append(numbers.R.FillBytes(make([]byte, size)), numbers.S.FillBytes(make([]byte, size))...)
}

func optionsOf(request request, message []byte) (crypto.SignerOpts, []byte) {
	if request.Algorithm == "ed25519" {
		return crypto.Hash(0), message
	}
	hash := crypto.SHA512
	if strings.HasSuffix(request.Algorithm, "sha256") {
		hash = crypto.SHA256
	} else if strings.HasSuffix(request.Algorithm, "sha384") {
		hash = crypto.SHA384
	}
	sum := hash.New()
	sum.Write(message)
	digest := sum.Sum(nil)
	switch {
	case request.Algorithm == "ed25519ph":
		return &ed25519.Options{Hash: hash, Context: string(unhex(request.Context))}, digest
	case strings.HasPrefix(request.Algorithm, "rsa-pss-"):
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}, digest
	}
	return hash, digest
}

func unhex(text string) []byte {
	bytes, err := hex.DecodeString(text)
	must(err)
	return bytes
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
