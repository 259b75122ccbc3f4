// Command probe opens one database with a real Bundoc, does what it is told on
// standard input, one JSON object a line, and answers each. The test that
// builds it puts it into a copy of Bundoc's module, where it may use all of it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	bunkms "github.com/bunbase/bunkms/clients/go/bundoc"
	"github.com/bunbase/bunkms/clients/go/bundoc/connect"
	"github.com/kartikbazzad/bunbase/bundoc"
	"github.com/kartikbazzad/bunbase/bundoc/mvcc"
	"github.com/kartikbazzad/bunbase/bundoc/rules"
	"github.com/kartikbazzad/bunbase/bundoc/storage"
)

type request struct {
	Do         string `json:"do"`
	Collection string `json:"collection"`
	ID         string `json:"id"`
	Text       string `json:"text"`
}

type answer struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// kinds are the errors that a test asks for by name.
var kinds = map[string]error{
	"unavailable": bunkms.ErrUnavailable, "denied": bunkms.ErrDenied, "refused": bunkms.ErrRefused,
	"wrong_key": bunkms.ErrWrongKey, "wrong_database": bunkms.ErrWrongDatabase,
	"foreign_cluster": bunkms.ErrForeignCluster, "damaged": bunkms.ErrDamaged,
	"no_wrapped_key": bunkms.ErrNoWrappedKey, "data_mismatch": bunkms.ErrDataMismatch,
	"circular": bunkms.ErrCircular,
}

// database is Bundoc's, opened in one way or another.
type database interface {
	db() *bundoc.Database
	Close() error
}

func main() {
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string, stdin io.Reader, stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	opened, err := open(folder)
	if err != nil {
		failure := answer{Error: err.Error()}
		for name, kind := range kinds {
			if errors.Is(err, kind) {
				failure.Kind = name
			}
		}
		return out.Encode(failure)
	}
	if err := out.Encode(answer{Text: "open"}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		text, err := do(opened, asked)
		given := answer{Text: text}
		if err != nil {
			given.Error = err.Error()
		}
		if err := out.Encode(given); err != nil {
			return err
		}
	}
	return nil
}

// open takes a raw key as Bundoc does, or asks BunKMS.
func open(folder string) (database, error) {
	if key := os.Getenv("PROBE_RAW_KEY"); key != "" {
		options := bundoc.DefaultOptions(folder)
		options.EncryptionKey = []byte(key)
		return direct(options)
	}
	connection, err := connect.FromEnvironment(os.Environ(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return nil, err
	}
	if connection == nil {
		return direct(bundoc.DefaultOptions(folder))
	}
	return openWith(context.Background(), connection.Provider, folder)
}

// plain is a database without anything around it.
type plain struct{ *bundoc.Database }

func (p plain) db() *bundoc.Database { return p.Database }

func direct(options *bundoc.Options) (database, error) {
	opened, err := bundoc.Open(options)
	if err != nil {
		return nil, err
	}
	return plain{opened}, nil
}

var admin = &rules.AuthContext{IsAdmin: true}

func do(opened database, asked request) (string, error) {
	db := opened.db()
	if asked.Do == "close" {
		return "closed", opened.Close()
	}
	collection, err := db.GetCollection(asked.Collection)
	if err != nil && asked.Do == "put" {
		collection, err = db.CreateCollection(asked.Collection)
	}
	if err != nil {
		return "", err
	}
	txn, err := db.BeginTransaction(mvcc.ReadCommitted)
	if err != nil {
		return "", err
	}
	switch asked.Do {
	case "put":
		if err := collection.Insert(admin, txn, storage.Document{"_id": asked.ID, "text": asked.Text}); err != nil {
			return "", err
		}
		return "stored", db.CommitTransaction(txn)
	case "get":
		document, err := collection.FindByID(admin, txn, asked.ID)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(document["text"]), db.RollbackTransaction(txn)
	case "rules":
		rules := map[string]string{"read": "true"}
		return "set", errors.Join(db.RollbackTransaction(txn), collection.SetRules(rules))
	case "index":
		return "indexed", errors.Join(db.RollbackTransaction(txn), collection.EnsureIndex("text"))
	case "find":
		found, err := collection.FindQuery(admin, txn, map[string]any{"text": asked.Text})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(len(found)), db.RollbackTransaction(txn)
	default:
		return "", fmt.Errorf("unknown: %s", asked.Do)
	}
}
