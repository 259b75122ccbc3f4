// Command bunkms-open opens a BunKMS data ciphertext without a server, for
// recovery and for checking the format by independent code.
//
// The key comes from a file and never from an argument, since arguments can
// be read by every user of the machine.
package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bunbase/bunkms/clients/go/envelope"
)

const usage = `bunkms-open -key FILE [-aad FILE | -context NAME=VALUE ...] [CIPHERTEXT-FILE]

Opens a ciphertext, given as text in a file or on standard input, and writes
the plaintext to standard output.

  bunkms-open -key key.hex message.txt
  bunkms-open -key key.hex -context tenant=acme -context purpose=invoices < message.txt

`

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bunkms-open:", err)
		os.Exit(1)
	}
}

func run(arguments []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bunkms-open", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	printUsage := func(output io.Writer) {
		fmt.Fprint(output, usage)
		flags.SetOutput(output)
		flags.PrintDefaults()
	}
	keyFile := flags.String("key", "", "file of the key version's 32 bytes, raw or as 64 hexadecimal digits")
	aadFile := flags.String("aad", "", "file of the additional data")
	context := envelope.Context{}
	flags.Func("context", "a `NAME=VALUE` of the encryption context; repeatable", func(pair string) error {
		name, value, found := strings.Cut(pair, "=")
		if _, repeated := context[name]; !found || repeated {
			return errors.New("not NAME=VALUE with a name of its own")
		}
		context[name] = value
		return nil
	})
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		printUsage(stdout)
		return nil
	} else if err != nil {
		printUsage(stderr)
		return err
	}
	if *keyFile == "" || flags.NArg() > 1 || (*aadFile != "" && len(context) > 0) {
		printUsage(stderr)
		return errors.New("a key file is needed, at most one ciphertext file, and -aad or -context but not both")
	}
	isEmpty := flags.NArg() == 1 && flags.Arg(0) == ""
	flags.Visit(func(given *flag.Flag) { isEmpty = isEmpty || given.Name == "aad" && *aadFile == "" })
	if isEmpty {
		return errors.New("a file's name is empty, as an unset variable of the shell is")
	}
	key, err := readKey(*keyFile)
	if err != nil {
		return err
	}
	defer clear(key)
	var additional envelope.AdditionalData = context
	if *aadFile != "" {
		raw, err := os.ReadFile(*aadFile)
		if err != nil {
			return err
		}
		additional = envelope.Raw(raw)
	}
	ciphertext, err := readCiphertext(flags.Arg(0), stdin)
	if err != nil {
		return err
	}
	plaintext, err := envelope.Open(key, ciphertext, additional)
	if err != nil {
		return err
	}
	_, err = stdout.Write(plaintext)
	return err
}

func readKey(name string) ([]byte, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(content) == 32 {
		return content, nil
	}
	defer clear(content)
	digits := bytes.TrimSpace(content)
	key := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(key, digits); err != nil || len(key) != 32 {
		return nil, errors.New("the key file is neither 32 bytes nor 64 hexadecimal digits")
	}
	return key, nil
}

func readCiphertext(name string, stdin io.Reader) (string, error) {
	read := func() ([]byte, error) { return io.ReadAll(stdin) }
	if name != "" {
		read = func() ([]byte, error) { return os.ReadFile(name) }
	}
	content, err := read()
	if err != nil {
		return "", err
	}
	// Text files end with a line feed; the ciphertext itself has none.
	return strings.TrimSuffix(string(content), "\n"), nil
}
