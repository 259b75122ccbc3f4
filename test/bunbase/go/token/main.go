// Command token makes JWTs with the Go BunKMS's own code, and bad ones with the library that it uses. It reads a JSON list of
// orders from standard input and writes the list of tokens.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kartikbazzad/bunbase/bun-kms/internal/auth"
)

type order struct {
	Secret  string `json:"secret"`
	Subject string `json:"subject"`
	Role    string `json:"role"`
	Seconds int64  `json:"seconds"`
	// Empty for what the Go BunKMS makes itself.
	Kind string `json:"kind"`
}

func main() {
	log.SetFlags(0)
	var orders []order
	if err := json.NewDecoder(os.Stdin).Decode(&orders); err != nil {
		log.Fatal(err)
	}
	tokens := make([]string, 0, len(orders))
	for _, one := range orders {
		token, err := one.make()
		if err != nil {
			log.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	if err := json.NewEncoder(os.Stdout).Encode(tokens); err != nil {
		log.Fatal(err)
	}
}

func (o order) make() (string, error) {
	life := time.Duration(o.Seconds) * time.Second
	if o.Kind == "" {
		return auth.NewToken([]byte(o.Secret), o.Subject, o.Role, life)
	}
	now := time.Now()
	claims := jwt.MapClaims{"sub": o.Subject, "role": o.Role, "iat": now.Unix(), "exp": now.Add(life).Unix()}
	secret := []byte(o.Secret)
	switch o.Kind {
	case "none":
		return jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	case "HS384":
		return jwt.NewWithClaims(jwt.SigningMethodHS384, claims).SignedString(secret)
	case "HS512":
		return jwt.NewWithClaims(jwt.SigningMethodHS512, claims).SignedString(secret)
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return "", err
		}
		return jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	case "public key as secret":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return "", err
		}
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return "", err
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(public)
	case "no exp":
		delete(claims, "exp")
	case "not before":
		claims["nbf"] = now.Add(time.Hour).Unix()
	case "no role":
		delete(claims, "role")
	case "no subject":
		delete(claims, "sub")
	case "audience":
		claims["aud"] = "another"
	case "kid":
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		token.Header["kid"] = "1"
		return token.SignedString(secret)
	default:
		log.Fatalf("no kind %q", o.Kind)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
}
