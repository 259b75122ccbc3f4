// Command bunkms-bundoc looks after the encryption keys of Bundoc databases:
// it shows, renews, rotates and adopts them. It takes the settings that
// bundoc-server takes; integrations/bundoc/README.md is the guide.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/bunbase/bunkms/clients/go/bundoc"
	"github.com/bunbase/bunkms/clients/go/bundoc/connect"
)

const usage = `usage: bunkms-bundoc COMMAND

  show FOLDER            print what is kept of the database's key
  rewrap FOLDER...       wrap the key anew with the latest version of BunKMS's key; the database may be in use
  rotate FOLDER NEW      copy the closed database under a new key; NEW must not be there yet
  encrypt FOLDER NEW     the same for a database that is not encrypted
  reencrypt FOLDER NEW   the same for a database that has a raw key, which is read from standard input
  adopt FOLDER           wrap the raw key of a closed database, read from standard input; the data stays as it is

A raw key is 32 bytes, or their base64. The settings are bundoc-server's BUNDOC_BUNKMS_*`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bunkms-bundoc:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New(usage)

// isHelp takes what package flag takes. A folder of such a name is ./-h.
func isHelp(arg string) bool {
	return arg == "--help" || arg == "-help" || arg == "-h"
}

func run(ctx context.Context, args, environment []string, stdin io.Reader, stdout io.Writer) error {
	if slices.ContainsFunc(args, isHelp) {
		_, err := fmt.Fprintln(stdout, usage)
		return err
	}
	if len(args) < 2 {
		return errUsage
	}
	if slices.Contains(args, "") {
		return errors.New("an argument is empty, as an unset variable of the shell is; it would be the current folder")
	}
	connection, err := connect.FromEnvironment(environment, nil)
	if err != nil {
		return err
	}
	if connection == nil {
		return errors.New("there are no settings: BUNDOC_BUNKMS_URL, BUNDOC_BUNKMS_TOKEN_FILE and BUNDOC_BUNKMS_KEY are needed")
	}
	defer connection.Close()
	provider, command, args := connection.Provider, args[0], args[1:]
	switch {
	case command == "show" && len(args) == 1:
		return show(provider, args[0], stdout)
	case command == "rewrap":
		return rewrap(ctx, provider, args, stdout)
	case command == "rotate" && len(args) == 2:
		return provider.Reencrypt(ctx, args[0], args[1], bundoc.Wrapped())
	case command == "encrypt" && len(args) == 2:
		return provider.Reencrypt(ctx, args[0], args[1], bundoc.Plain())
	case command == "reencrypt" && len(args) == 2, command == "adopt" && len(args) == 1:
		key, err := readKey(stdin)
		if err != nil {
			return err
		}
		defer clear(key)
		if command == "adopt" {
			return provider.Adopt(ctx, connection.Encrypter, args[0], key)
		}
		return provider.Reencrypt(ctx, args[0], args[1], bundoc.Raw(key))
	default:
		return errUsage
	}
}

func show(provider *bundoc.Provider, folder string, stdout io.Writer) error {
	record, err := provider.Inspect(folder)
	if err != nil {
		return err
	}
	if record == nil {
		return fmt.Errorf("%s has no wrapped key", folder)
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		*bundoc.Record
		KeyVersion uint32 `json:"key_version"`
	}{record, record.KeyVersion()})
}

// rewrap goes on after a folder that fails.
func rewrap(ctx context.Context, provider *bundoc.Provider, folders []string, stdout io.Writer) error {
	var failures []error
	for _, folder := range folders {
		from, to, err := provider.Rewrap(ctx, folder)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		fmt.Fprintf(stdout, "%s: version %d, now %d\n", folder, from, to)
	}
	return errors.Join(failures...)
}

// readKey reads 32 bytes, or their base64.
func readKey(stdin io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(stdin, 1024))
	if err != nil {
		return nil, err
	}
	if len(text) == bundoc.KeyLength {
		return text, nil
	}
	defer clear(text)
	key := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	length, err := base64.StdEncoding.Decode(key, text)
	if err != nil || length != bundoc.KeyLength {
		clear(key)
		return nil, errors.New("standard input holds no raw key: 32 bytes, or their base64")
	}
	return key[:length], nil
}
