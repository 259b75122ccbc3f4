// Command log plays a stranger to whom a log is shown: it has nothing of
// BunKMS, only golang.org/x/mod/sumdb, filippo.io/torchwood and
// github.com/transparency-dev/formats. It reads one JSON request from its
// standard input and writes the answer as JSON.
//
//	log check     verifies logs: checkpoint, tiles, entries, proofs
//	log write     makes logs, for others to verify
//	log policies  says which signed checkpoints a policy accepts
package main

import (
	"encoding/json"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	commands := map[string]func(*json.Decoder) any{
		"check":    func(in *json.Decoder) any { return each(in, check) },
		"write":    func(in *json.Decoder) any { return each(in, write) },
		"policies": func(in *json.Decoder) any { return each(in, tryPolicy) },
	}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		log.Fatal("usage: log check|write|policies < requests.json")
	}
	must(json.NewEncoder(os.Stdout).Encode(commands[os.Args[1]](json.NewDecoder(os.Stdin))))
}

// each answers every request of a JSON array. What fails is an answer too.
func each[Request, Answer any](in *json.Decoder, answer func(Request) (*Answer, error)) any {
	type result struct {
		Error  string  `json:"error,omitempty"`
		Answer *Answer `json:"answer,omitempty"`
	}
	var requests []Request
	in.DisallowUnknownFields()
	must(in.Decode(&requests))
	results := []result{}
	for _, request := range requests {
		a, err := answer(request)
		if err != nil {
			results = append(results, result{Error: err.Error()})
		} else {
			results = append(results, result{Answer: a})
		}
	}
	return results
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
