package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// Go's crypto/hpke has no pre-shared keys, so this file has X-Wing
// (draft-connolly-cfrg-xwing-kem-10) and the key schedule of RFC 9180
// section 5.1 of its own.

const (
	modeBase = 0
	modePsk  = 1
)

// hpkeKeys is what the key schedule gives.
type hpkeKeys struct{ key, baseNonce []byte }

// keySchedule is KeySchedule of RFC 9180 with HKDF-SHA256. In modeBase psk
// and id are empty.
func keySchedule(
	t *testing.T, mode byte, kem, aead uint16, keyLength int, shared, info, psk, id []byte,
) hpkeKeys {
	t.Helper()
	suite := []byte("HPKE")
	for _, number := range []uint16{kem, 1, aead} {
		suite = binary.BigEndian.AppendUint16(suite, number)
	}
	extract := func(salt []byte, label string, input []byte) []byte {
		labeled := bytes.Join([][]byte{[]byte("HPKE-v1"), suite, []byte(label), input}, nil)
		key, err := hkdf.Extract(sha256.New, labeled, salt)
		fatal(t, err)
		return key
	}
	context := bytes.Join([][]byte{
		{mode}, extract(nil, "psk_id_hash", id), extract(nil, "info_hash", info)}, nil)
	secret := extract(shared, "secret", psk)
	expand := func(label string, length int) []byte {
		labeled := binary.BigEndian.AppendUint16(nil, uint16(length))
		labeled = bytes.Join([][]byte{labeled, []byte("HPKE-v1"), suite, []byte(label), context}, nil)
		key, err := hkdf.Expand(sha256.New, secret, string(labeled), length)
		fatal(t, err)
		return key
	}
	return hpkeKeys{expand("key", keyLength), expand("base_nonce", 12)}
}

// xWingDecapsulate is Decapsulate of the X-Wing draft's section 5.5.
func xWingDecapsulate(t *testing.T, seed, encapsulated []byte) []byte {
	t.Helper()
	expanded := make([]byte, 96)
	shake := sha3.NewSHAKE256()
	_, err := shake.Write(seed)
	fatal(t, err)
	_, err = shake.Read(expanded)
	fatal(t, err)
	lattice, err := mlkem.NewDecapsulationKey768(expanded[:64])
	fatal(t, err)
	curve, err := ecdh.X25519().NewPrivateKey(expanded[64:])
	fatal(t, err)
	first, second := encapsulated[:mlkem.CiphertextSize768], encapsulated[mlkem.CiphertextSize768:]
	latticeSecret, err := lattice.Decapsulate(first)
	fatal(t, err)
	ephemeral, err := ecdh.X25519().NewPublicKey(second)
	fatal(t, err)
	curveSecret, err := curve.ECDH(ephemeral)
	fatal(t, err)
	shared := sha3.Sum256(bytes.Join([][]byte{
		latticeSecret, curveSecret, second, curve.PublicKey().Bytes(), []byte(`\./` + `/^\`)}, nil))
	return shared[:]
}

// openWithPsk is OpenPSK of RFC 9180 section 6.1 with X-Wing, HKDF-SHA256
// and AES-256-GCM.
func openWithPsk(t *testing.T, seed, psk, id, info, aad, sealed []byte) ([]byte, error) {
	t.Helper()
	shared := xWingDecapsulate(t, seed, sealed[:encapsulatedSize])
	return openAead(t, keySchedule(t, modePsk, 0x647a, 2, 32, shared, info, psk, id), aad, sealed[encapsulatedSize:])
}

func openAead(t *testing.T, keys hpkeKeys, aad, ciphertext []byte) ([]byte, error) {
	t.Helper()
	block, err := aes.NewCipher(keys.key)
	fatal(t, err)
	gcm, err := cipher.NewGCM(block)
	fatal(t, err)
	return gcm.Open(nil, keys.baseNonce, ciphertext, aad)
}

// TestPskSchedule checks the key schedule by RFC 9180 appendix A.1.2.
func TestPskSchedule(t *testing.T) {
	keys := keySchedule(t, modePsk, 0x20, 1, 16,
		unhex(t, "727699f009ffe3c076315019c69648366b69171439bd7dd0807743bde76986cd"),
		[]byte("Ode on a Grecian Urn"),
		unhex(t, "0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82"),
		[]byte("Ennyn Durin aran Moria"))
	if hex.EncodeToString(keys.key) != "15026dba546e3ae05836fc7de5a7bb26" ||
		hex.EncodeToString(keys.baseNonce) != "9518635eba129d5ce0914555" {
		t.Errorf("%x, %x", keys.key, keys.baseNonce)
	}
	plaintext, err := openAead(t, keys, []byte("Count-0"),
		unhex(t, "e52c6fed7f758d0cf7145689f21bc1be6ec9ea097fef4e959440012f4feb73fb611b946199e681f4cfc34db8ea"))
	if err != nil || string(plaintext) != "Beauty is truth, truth beauty" {
		t.Errorf("%q, %v", plaintext, err)
	}
}

// TestOwnSchedule opens in base mode what crypto/hpke sealed, so that X-Wing
// and the schedule here are those of the standard library.
func TestOwnSchedule(t *testing.T) {
	seed := sha256.Sum256([]byte("a seed"))
	key := backupKey(t, hex.EncodeToString(seed[:]))
	info, aad := []byte("a test"), []byte("header")
	encapsulated, sender, err := hpke.NewSender(key.PublicKey(), hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	fatal(t, err)
	sealed, err := sender.Seal(aad, []byte("message"))
	fatal(t, err)
	shared := xWingDecapsulate(t, seed[:], encapsulated)
	plaintext, err := openAead(t, keySchedule(t, modeBase, 0x647a, 2, 32, shared, info, nil, nil), aad, sealed)
	if err != nil || string(plaintext) != "message" {
		t.Errorf("%q, %v", plaintext, err)
	}
}
