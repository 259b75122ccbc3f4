// Package bunkms is the client of BunKMS, a key management service.
//
// A [Client] calls one server, over REST or gRPC. It is a
// [google.golang.org/grpc.ClientConnInterface], so that every stub of package
// bunkmspb works with it over either:
//
//	client, err := bunkms.New("https://kms.example.com:8080", bunkms.WithToken(bunkms.FileToken("/run/secrets/bunkms")))
//	keys := bunkmspb.NewKeyServiceClient(client)
//	key, err := keys.CreateKey(ctx, &bunkmspb.CreateKeyRequest{Name: "invoices"})
//
// What programs need most has methods of its own: [Client.Encrypt],
// [Client.Decrypt], [Client.GenerateDataKey], [Client.Signer],
// [Client.Decrypter], [Client.NewFileWriter], and [NewEnvelope], which
// encrypts here with data keys of the server.
//
// # Errors
//
// What the server answers is an [*Error], and [errors.Is] tells its code:
//
//	if errors.Is(err, bunkms.ErrNotFound) { … }
//
// A server that is not reached is [ErrConnection], an answer that is not of
// BunKMS [ErrUnexpectedAnswer], a call that cannot be sent [ErrRequest]. No
// error holds a token, a plaintext, a key or anything else of a request.
//
// # Secrets in memory
//
// Plaintexts and data keys that are returned as []byte are the caller's, who
// should clear them. The client clears the buffers that it makes itself: the
// JSON of requests and answers, and data keys in its cache. It cannot clear
// what the runtime, TLS, net/http and gRPC copy, nor strings: a secret that
// a message holds as a string stays in memory until it is collected. Prefer
// the fields of bytes (for example plaintext_b64 over plaintext). Do not print
// messages of bunkmspb: Go's Protobuf prints all fields, also secret ones.
package bunkms
