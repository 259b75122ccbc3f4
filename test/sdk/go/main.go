// Command main reads and writes with the Go client what the TypeScript client
// writes and reads: from standard input, to standard output.
//
//	main ADDRESS TOKEN_FILE KEY seal-file|open-file|seal|open
//
// All of it is bound to the context {"tenant": "acme"}, and messages also to the
// additional data "row 7".
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	bunkms "github.com/bunbase/bunkms/clients/go"
)

var (
	encryptionContext = map[string]string{"tenant": "acme"}
	additionalData    = []byte("row 7")
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, tokenFile, keyName, command string) error {
	ctx := context.Background()
	client, err := bunkms.New(address, bunkms.WithToken(bunkms.FileToken(tokenFile)))
	if err != nil {
		return err
	}
	defer client.Close()
	switch command {
	case "seal-file":
		writer, err := client.NewFileWriter(ctx, os.Stdout, keyName, bunkms.FileBinding{Context: encryptionContext})
		if err != nil {
			return err
		}
		if _, err := io.Copy(writer, os.Stdin); err != nil {
			return err
		}
		return writer.Close()
	case "open-file":
		reader, err := client.NewFileReader(ctx, os.Stdin, keyName, bunkms.FileBinding{Context: encryptionContext})
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, reader)
		return err
	case "seal", "open":
		return message(ctx, client, keyName, command == "seal")
	}
	return fmt.Errorf("there is no command %q", command)
}

func message(ctx context.Context, client *bunkms.Client, keyName string, seal bool) error {
	envelope, err := bunkms.NewEnvelope(client, keyName, bunkms.CachePolicy{})
	if err != nil {
		return err
	}
	defer envelope.Close()
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	convert := envelope.Decrypt
	if seal {
		convert = envelope.Encrypt
	}
	output, err := convert(ctx, input, encryptionContext, additionalData)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(output)
	return err
}
