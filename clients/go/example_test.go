package bunkms_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"os"
	"time"

	bunkms "github.com/bunbase/bunkms/clients/go"
	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

// connect is what ExampleNew shows.
func connect() *bunkms.Client {
	config, err := bunkms.LoadTLSConfig(os.Getenv("BUNKMS_CACERT"), "", "")
	if err != nil {
		log.Fatal(err)
	}
	token := bunkms.FileToken(os.Getenv("BUNKMS_TOKEN_FILE"))
	client, err := bunkms.New(os.Getenv("BUNKMS_URL"), bunkms.WithToken(token), bunkms.WithTLSConfig(config))
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func ExampleNew() {
	// Exactly the authorities in this file are trusted; "" is the system's.
	config, err := bunkms.LoadTLSConfig(os.Getenv("BUNKMS_CACERT"), "", "")
	if err != nil {
		log.Fatal(err)
	}
	// The token's file is read again when it changes.
	token := bunkms.FileToken(os.Getenv("BUNKMS_TOKEN_FILE"))
	client, err := bunkms.New(os.Getenv("BUNKMS_URL"), bunkms.WithToken(token), bunkms.WithTLSConfig(config))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	keys := bunkmspb.NewKeyServiceClient(client)
	key, err := keys.CreateKey(ctx, &bunkmspb.CreateKeyRequest{Name: "invoices", Type: "aes-256"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Name, key.Type, key.LatestVersion)
	// invoices aes-256 1
}

func ExampleClient_Encrypt() {
	client := connect()
	defer client.Close()
	ctx := context.Background()

	// What is bound to the ciphertext; it is no secret, and needed again.
	order := map[string]string{"order": "17"}
	ciphertext, err := client.Encrypt(ctx, "invoices", []byte("attack at dawn"), order)
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := client.Decrypt(ctx, "invoices", ciphertext, order)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(plaintext))

	_, err = client.Decrypt(ctx, "invoices", ciphertext, map[string]string{"order": "18"})
	fmt.Println(errors.Is(err, bunkms.ErrDecryptionFailed))
	// attack at dawn
	// true
}

func ExampleNewEnvelope() {
	client := connect()
	defer client.Close()
	ctx := context.Background()

	invoices, err := bunkms.NewEnvelope(client, "invoices", bunkms.CachePolicy{MaxAge: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	defer invoices.Close()

	// The server makes one data key for the tenant; all else happens here. The row
	// is bound to its message, and the server never sees it.
	tenant := map[string]string{"tenant": "acme"}
	for row := range 3 {
		id := fmt.Appendf(nil, "row %d", row)
		message, err := invoices.Encrypt(ctx, []byte("100 euros"), tenant, id)
		if err != nil {
			log.Fatal(err)
		}
		plaintext, err := invoices.Decrypt(ctx, message, tenant, id)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(plaintext), "in", len(message), "bytes")
	}
	// 100 euros in 245 bytes
	// 100 euros in 245 bytes
	// 100 euros in 245 bytes
}

func ExampleClient_NewFileWriter() {
	client := connect()
	defer client.Close()
	ctx := context.Background()

	var encrypted bytes.Buffer
	writer, err := client.NewFileWriter(ctx, &encrypted, "invoices", bunkms.FileBinding{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(writer, bytes.NewReader(make([]byte, 1_000_000))); err != nil {
		log.Fatal(err)
	}
	// Only now is the file whole.
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}

	reader, err := client.NewFileReader(ctx, &encrypted, "invoices", bunkms.FileBinding{})
	if err != nil {
		log.Fatal(err)
	}
	length, err := io.Copy(io.Discard, reader)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(length, "bytes")
	// 1000000 bytes
}

func ExampleClient_Signer() {
	client := connect()
	defer client.Close()
	ctx := context.Background()

	keys := bunkmspb.NewKeyServiceClient(client)
	if _, err := keys.CreateKey(ctx, &bunkmspb.CreateKeyRequest{Name: "web", Type: "ecdsa-p256"}); err != nil {
		log.Fatal(err)
	}
	signer, err := client.Signer(ctx, "web")
	if err != nil {
		log.Fatal(err)
	}

	// A certificate whose private key never leaves the server.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "web.example.com"},
		DNSNames:     []string{"web.example.com"},
		NotAfter:     time.Now().AddDate(0, 1, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: signer}}}
	fmt.Println(len(config.Certificates), "certificate")

	digest := sha256.Sum256([]byte("a release"))
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	fmt.Println(len(signature) > 0, err)
	// 1 certificate
	// true <nil>
}

func ExampleError() {
	client := connect()
	defer client.Close()

	_, err := client.Encrypt(context.Background(), "no-such-key", []byte("x"), nil)
	var answered *bunkms.Error
	switch {
	case errors.Is(err, bunkms.ErrNotFound) && errors.As(err, &answered):
		fmt.Println(answered.Code, answered.HTTPStatus)
	case errors.Is(err, bunkms.ErrConnection):
		fmt.Println("try later")
	}
	// not_found 404
}
