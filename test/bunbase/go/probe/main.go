// Command probe calls a BunKMS with the platform's own clients: tenant-auth's two, and pkg/kmsrpc. It reads one JSON order a
// line from standard input and writes one result a line, over connections that it keeps from order to order.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/kartikbazzad/bunbase/pkg/kmsrpc"
	"github.com/kartikbazzad/bunbase/tenant-auth/internal/kms"
)

type order struct {
	// "http" and "rpc" are tenant-auth's, "kmsrpc" is the package below the second.
	Client string `json:"client"`
	// "get", "put", or "name": what tenant-auth calls a provider's secret.
	Do    string `json:"do"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

type result struct {
	Value string `json:"value"`
	Error string `json:"error"`
}

// bytesClient has the package's bytes as tenant-auth's texts.
type bytesClient struct{ *kmsrpc.Client }

func (c bytesClient) GetSecret(name string) (string, error) {
	value, err := c.Client.GetSecret(name)
	return string(value), err
}

func (c bytesClient) PutSecret(name, value string) error {
	return c.Client.PutSecret(name, []byte(value))
}

func main() {
	log.SetFlags(0)
	clients := map[string]kms.ClientInterface{
		"http":   kms.NewClient(os.Getenv("BUNKMS_TEST_URL"), os.Getenv("BUNKMS_TEST_TOKEN")),
		"rpc":    kms.NewRPCClient(os.Getenv("BUNKMS_TEST_RPC")),
		"kmsrpc": bytesClient{kmsrpc.New(os.Getenv("BUNKMS_TEST_RPC"))},
	}
	in := json.NewDecoder(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for in.More() {
		var one order
		if err := in.Decode(&one); err != nil {
			log.Fatal(err)
		}
		var done result
		var err error
		switch client := clients[one.Client]; one.Do {
		case "get":
			done.Value, err = client.GetSecret(one.Name)
		case "put":
			err = client.PutSecret(one.Name, one.Value)
		case "name":
			done.Value = kms.SecretNameForProvider(one.Name, one.Value)
		default:
			log.Fatalf("no such order: %q", one.Do)
		}
		if err != nil {
			done.Error = err.Error()
		}
		if err := out.Encode(done); err != nil {
			log.Fatal(err)
		}
	}
}
