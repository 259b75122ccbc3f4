package bunkms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
)

// remoteKey is one version of a key pair in the server. Version and public key
// are taken once, together, so that what it signs fits its public key also
// after the key was rotated.
type remoteKey struct {
	client  *Client
	ctx     context.Context
	name    string
	version uint32
	public  crypto.PublicKey
}

// Public returns the public key: an *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey.
func (k *remoteKey) Public() crypto.PublicKey { return k.public }

// KeyOption says more about the key of a Signer or Decrypter.
type KeyOption func(*remoteKey)

// KeyVersion chooses a version of the key. Without it, the version is the
// latest when the Signer or Decrypter is made.
func KeyVersion(version uint32) KeyOption {
	return func(k *remoteKey) { k.version = version }
}

// Signer returns a crypto.Signer for a key whose private part never leaves the
// server: as PrivateKey of a tls.Certificate, for x509.CreateCertificate, and for all
// else that takes one. It signs with RSA (PKCS #1 v1.5, and PSS when the
// options are *rsa.PSSOptions), ECDSA on NIST's curves (ASN.1) and Ed25519, with
// SHA-256, SHA-384 or SHA-512. A PSS salt is as long as the hash; options that ask for
// another one are refused.
//
// It stays with one version of the key. Each signature is a call with the
// client's timeout; of ctx, calls have the values and not the end.
func (c *Client) Signer(ctx context.Context, keyName string, options ...KeyOption) (crypto.Signer, error) {
	key, err := c.remoteKey(ctx, keyName, options)
	if err != nil {
		return nil, err
	}
	return &signer{key}, nil
}

// Decrypter returns a crypto.Decrypter for an RSA key whose private part never
// leaves the server. It decrypts RSA-OAEP, and so its options must be
// *rsa.OAEPOptions, with SHA-256, SHA-384, SHA-512 or, for old ciphertexts,
// SHA-1. It stays with one version of the key, as a Signer does.
func (c *Client) Decrypter(ctx context.Context, keyName string, options ...KeyOption) (crypto.Decrypter, error) {
	key, err := c.remoteKey(ctx, keyName, options)
	if err != nil {
		return nil, err
	}
	if _, ok := key.public.(*rsa.PublicKey); !ok {
		return nil, requestError("only RSA keys decrypt")
	}
	return &decrypter{key}, nil
}

func (c *Client) remoteKey(ctx context.Context, keyName string, options []KeyOption) (*remoteKey, error) {
	key := &remoteKey{client: c, ctx: context.WithoutCancel(ctx), name: keyName}
	for _, option := range options {
		option(key)
	}
	answer, err := bunkmspb.NewKeyTransferServiceClient(c).GetPublicKey(ctx, &bunkmspb.GetPublicKeyRequest{
		Name: keyName, Version: key.version,
	})
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(answer.DerB64)
	if err != nil {
		return nil, fmt.Errorf("%w: the key's type has no form in Go's standard library", errors.ErrUnsupported)
	}
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("%w: the key's type neither signs nor decrypts in Go's standard library", errors.ErrUnsupported)
	}
	key.public, key.version = public, answer.Version
	return key, nil
}

type signer struct{ *remoteKey }

// signatureHashes are the hashes that the server signs digests of.
var signatureHashes = map[crypto.Hash]string{
	crypto.SHA256: "sha256",
	crypto.SHA384: "sha384",
	crypto.SHA512: "sha512",
}

// Sign signs a digest, or with Ed25519 a message. The random source is not
// used: the server has its own.
func (s *signer) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	request := &bunkmspb.SignRequest{
		Name: s.name, Version: s.version, Input: &bunkmspb.SignRequest_DigestB64{DigestB64: digest},
	}
	if options == nil {
		return nil, requestError("signing needs options: the hash")
	}
	hash := options.HashFunc()
	if _, isEdwards := s.public.(ed25519.PublicKey); isEdwards {
		if err := edwards(request, digest, hash, options); err != nil {
			return nil, err
		}
	} else {
		name, ok := signatureHashes[hash]
		if !ok {
			return nil, fmt.Errorf("%w: the server signs digests of SHA-256, SHA-384 and SHA-512", errors.ErrUnsupported)
		}
		if len(digest) != hash.Size() {
			return nil, requestError("the digest is not as long as the hash's")
		}
		scheme, err := s.scheme(hash, options)
		if err != nil {
			return nil, err
		}
		request.Algorithm = scheme + name
	}
	answer, err := bunkmspb.NewKeyServiceClient(s.client).Sign(s.ctx, request)
	if err != nil {
		return nil, err
	}
	if answer.Version != s.version {
		return nil, unexpected("the server", 0, "the signature of another version")
	}
	return answer.SignatureB64, nil
}

// scheme is the algorithm's name without its hash.
func (s *signer) scheme(hash crypto.Hash, options crypto.SignerOpts) (string, error) {
	if _, isRSA := s.public.(*rsa.PublicKey); !isRSA {
		return "ecdsa-", nil
	}
	pss, isPSS := options.(*rsa.PSSOptions)
	if !isPSS {
		return "rsa-pkcs1-", nil
	}
	// Auto leaves the choice to the signer.
	if pss.SaltLength != rsa.PSSSaltLengthAuto && pss.SaltLength != rsa.PSSSaltLengthEqualsHash && pss.SaltLength != hash.Size() {
		return "", fmt.Errorf("%w: the salt of a PSS signature is as long as the hash", errors.ErrUnsupported)
	}
	return "rsa-pss-", nil
}

// edwards says how Ed25519 signs: the message itself, or its SHA-512 digest
// (Ed25519ph, RFC 8032 section 5.1).
func edwards(request *bunkmspb.SignRequest, input []byte, hash crypto.Hash, options crypto.SignerOpts) error {
	context := ""
	if own, ok := options.(*ed25519.Options); ok {
		context = own.Context
	}
	switch {
	case hash == 0 && context == "":
		request.Algorithm = "ed25519"
		request.Input = &bunkmspb.SignRequest_MessageB64{MessageB64: input}
	case hash == crypto.SHA512 && len(input) == hash.Size():
		request.Algorithm = "ed25519ph"
		request.ContextB64 = []byte(context)
	default:
		return fmt.Errorf("%w: Ed25519 signs a message without a context, or a SHA-512 digest", errors.ErrUnsupported)
	}
	return nil
}

type decrypter struct{ *remoteKey }

// oaepHashes are the hashes of RSA-OAEP that the server has.
var oaepHashes = map[crypto.Hash]string{
	crypto.SHA1:   "rsa-oaep-sha1",
	crypto.SHA256: "rsa-oaep-sha256",
	crypto.SHA384: "rsa-oaep-sha384",
	crypto.SHA512: "rsa-oaep-sha512",
}

// Decrypt decrypts RSA-OAEP. The plaintext is the caller's.
func (d *decrypter) Decrypt(_ io.Reader, ciphertext []byte, options crypto.DecrypterOpts) ([]byte, error) {
	oaep, ok := options.(*rsa.OAEPOptions)
	if !ok {
		return nil, fmt.Errorf("%w: the server decrypts RSA-OAEP: the options must be *rsa.OAEPOptions", errors.ErrUnsupported)
	}
	algorithm, ok := oaepHashes[oaep.Hash]
	if !ok || oaep.MGFHash != 0 && oaep.MGFHash != oaep.Hash {
		return nil, fmt.Errorf("%w: RSA-OAEP here has SHA-1, SHA-256, SHA-384 or SHA-512, also in its mask", errors.ErrUnsupported)
	}
	request := &bunkmspb.DecryptRequest{
		KeyName: d.name, DataB64: ciphertext, Version: d.version, Algorithm: algorithm,
	}
	if len(oaep.Label) > 0 {
		request.Binding = &bunkmspb.DecryptRequest_AadB64{AadB64: oaep.Label}
	}
	answer, err := bunkmspb.NewKeyServiceClient(d.client).Decrypt(d.ctx, request)
	if err != nil {
		return nil, err
	}
	return answer.PlaintextB64, nil
}
