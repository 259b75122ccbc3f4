// Command witness is a small witness of transparency logs, for tests: it speaks
// C2SP tlog-witness and is made of golang.org/x/mod/sumdb, filippo.io/torchwood
// and github.com/transparency-dev/formats alone.
//
// It prints one line of JSON with its URL and its verifier key once it listens,
// and ends when its standard input does.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	name := flag.String("name", "witness.example/w1", "name of the witness's key")
	keyType := flag.String("key-type", "ed25519", "ed25519 or ml-dsa-44, of a key that is made anew")
	state := flag.String("state", "", "file with the key and the latest checkpoints, made when it is not there")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	var trusted []string
	flag.Func("log", "verifier key of a log, whose name is its origin; again for each further one", func(vkey string) error {
		trusted = append(trusted, vkey)
		return nil
	})
	flag.Parse()

	store, err := openStore(*state, *name, *keyType)
	must(err)
	witness, err := newWitness(store, trusted)
	must(err)
	listener, err := net.Listen("tcp", *listen)
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(map[string]string{
		"url":  "http://" + listener.Addr().String(),
		"vkey": store.data.Vkey,
	}))
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	server := &http.Server{Handler: witness.handler(), ReadTimeout: 5 * time.Second}
	must(server.Serve(listener))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
