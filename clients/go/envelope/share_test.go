package envelope

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// This file reads and combines shares by spec/share.md, BIP 350 and FIPS 197
// alone.

type shareVector struct {
	Name      string `json:"name"`
	Text      string `json:"text"`
	Outcome   string `json:"outcome"`
	Cluster   string `json:"cluster"`
	Set       string `json:"set"`
	Number    byte   `json:"number"`
	Threshold byte   `json:"threshold"`
	Value     string `json:"value"`
}

type shareSetVector struct {
	Name       string   `json:"name"`
	Cluster    string   `json:"cluster"`
	Parameters string   `json:"parameters"`
	Shares     []string `json:"shares"`
	Seed       string   `json:"seed"`
	Psk        string   `json:"psk"`
	Context    string   `json:"context"`
	Wrapped    string   `json:"wrapped"`
	RootKey    string   `json:"root_key"`
	Forged     []struct {
		Name    string `json:"name"`
		Wrapped string `json:"wrapped"`
	} `json:"forged"`
	Offers []shareVector `json:"offers"`
}

type shareVectorFile struct {
	Shares []shareVector    `json:"shares"`
	Sets   []shareSetVector `json:"sets"`
}

const (
	shareLength      = 43
	shareAlphabet    = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	shareInfo        = "bunkms shamir seal v1"
	parametersHeader = 7
)

// TestShareVectors reads each share, or refuses it for the reason that the
// vector names.
func TestShareVectors(t *testing.T) {
	file := readShares(t)
	for _, vector := range file.Shares {
		t.Run(vector.Name, func(t *testing.T) {
			share, err := parseShare(vector.Text)
			if vector.Outcome != "reads" {
				if err == nil || err.Error() != vector.Outcome {
					t.Errorf("the error is %v", err)
				}
				return
			}
			fatal(t, err)
			fingerprint := clusterFingerprint(unhex(t, vector.Cluster))
			fields := bytes.Join([][]byte{{1}, fingerprint, unhex(t, vector.Set),
				{vector.Number, vector.Threshold}, unhex(t, vector.Value)}, nil)
			if !bytes.Equal(share, fields) {
				t.Errorf("the fields are %x", share)
			}
		})
	}
}

// TestShareSets combines the shares of each set and opens the root key by
// what they give.
func TestShareSets(t *testing.T) {
	for _, set := range readShares(t).Sets {
		t.Run(set.Name, func(t *testing.T) {
			parameters := unhex(t, set.Parameters)
			count, threshold := int(parameters[5]), int(parameters[6])
			if fmt.Sprintf("%d of %d", threshold, count) != set.Name || len(set.Shares) != count {
				t.Fatalf("%d of %d", threshold, count)
			}
			shares := [][]byte{}
			for _, text := range set.Shares {
				share, err := parseShare(text)
				fatal(t, err)
				shares = append(shares, share)
			}
			for _, some := range [][][]byte{shares[:threshold], shares[count-threshold:], shares} {
				if seed := combine(some); hex.EncodeToString(seed) != set.Seed {
					t.Errorf("%d shares give %x", len(some), seed)
				}
			}
			if threshold > 1 && hex.EncodeToString(combine(shares[:threshold-1])) == set.Seed {
				t.Error("fewer shares are enough")
			}
			openByShares(t, set, parameters, combine(shares))
			checkOffers(t, set, parameters)
		})
	}
}

func openByShares(t *testing.T, set shareSetVector, parameters, seed []byte) {
	t.Helper()
	key := backupKey(t, hex.EncodeToString(seed))
	spki := append(bytes.Clone(spkiPrefix), key.PublicKey().Bytes()...)
	if !bytes.Equal(parameters[parametersHeader+sha256.Size*int(parameters[5]):], spki) {
		t.Error("the public key is another one")
	}
	psk, err := hkdf.Key(sha256.New, seed, nil, "bunkms shamir psk v1", 32)
	fatal(t, err)
	if hex.EncodeToString(psk) != set.Psk {
		t.Errorf("the pre-shared key is %x", psk)
	}
	open := func(wrapped string) ([]byte, error) {
		return openWithPsk(t, seed, psk, parameters[1:5], []byte(shareInfo), unhex(t, set.Context), unhex(t, wrapped))
	}
	rootKey, err := open(set.Wrapped)
	if err != nil || hex.EncodeToString(rootKey) != set.RootKey {
		t.Errorf("the root key is %x, the error %v", rootKey, err)
	}
	if len(set.Forged) < 3 {
		t.Errorf("%d forged wrappings", len(set.Forged))
	}
	for _, forged := range set.Forged {
		if _, err := open(forged.Wrapped); err == nil {
			t.Errorf("%s opens", forged.Name)
		}
	}
}

// checkOffers looks at one share after the other as the section "Collecting"
// says.
func checkOffers(t *testing.T, set shareSetVector, parameters []byte) {
	t.Helper()
	fingerprint := clusterFingerprint(unhex(t, set.Cluster))
	taken := map[byte]bool{}
	offer := func(text string) string {
		share, err := parseShare(text)
		if err != nil {
			return err.Error()
		}
		number := share[9]
		binary := sha256.Sum256(append(bytes.Clone(share), checksum(share)...))
		hashAt := parametersHeader + sha256.Size*(int(number)-1)
		switch {
		case !bytes.Equal(share[1:5], fingerprint):
			return "foreign_cluster"
		case !bytes.Equal(share[5:9], parameters[1:5]):
			return "unknown_set"
		case number > parameters[5]:
			return "index"
		case !bytes.Equal(binary[:], parameters[hashAt:hashAt+sha256.Size]):
			return "not_of_set"
		case taken[number]:
			return "repeated"
		}
		taken[number] = true
		if len(taken) == int(parameters[6]) {
			return "opens"
		}
		return "counts"
	}
	for _, vector := range set.Offers {
		if outcome := offer(vector.Text); outcome != vector.Outcome {
			t.Errorf("%s: %s", vector.Name, outcome)
		}
	}
}

// TestField checks the arithmetic by the examples of FIPS 197 section 4.2.
func TestField(t *testing.T) {
	if product := multiply(0x57, 0x83); product != 0xc1 {
		t.Errorf("57 times 83 is %x", product)
	}
	if product := multiply(0x57, 0x13); product != 0xfe {
		t.Errorf("57 times 13 is %x", product)
	}
	for x := 1; x < 256; x++ {
		if multiply(byte(x), inverse(byte(x))) != 1 {
			t.Errorf("%x has no inverse", x)
		}
	}
}

func readShares(t *testing.T) shareVectorFile {
	t.Helper()
	var file shareVectorFile
	readVectors(t, "share.json", &file)
	if len(file.Shares) < 25 || len(file.Sets) < 4 {
		t.Errorf("%d shares, %d sets", len(file.Shares), len(file.Sets))
	}
	return file
}

func clusterFingerprint(cluster []byte) []byte {
	hash := sha256.Sum256(append([]byte("bunkms share cluster v1"), cluster...))
	return hash[:4]
}

func checksum(fields []byte) []byte {
	hash := sha256.Sum256(fields)
	return hash[:4]
}

// parseShare returns the 43 bytes of a share's fields, or an error whose text
// is the reason.
func parseShare(text string) ([]byte, error) {
	fields, err := parseForm(text)
	switch {
	case err != nil:
		return nil, err
	case fields[0] != 1:
		return nil, errors.New("version")
	case fields[9] == 0 || fields[10] == 0:
		return nil, errors.New("malformed")
	}
	return fields, nil
}

func parseForm(text string) ([]byte, error) {
	bare := strip(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) })
	if strings.HasPrefix(strings.ToLower(bare), "bkms") {
		return parseBech32m(bare)
	}
	solid := strip(text, unicode.IsSpace)
	binary, err := hex.DecodeString(solid)
	if err != nil {
		binary, err = base64.StdEncoding.Strict().DecodeString(solid)
	}
	if err != nil || len(binary) != shareLength+4 {
		return nil, errors.New("malformed")
	}
	if !bytes.Equal(checksum(binary[:shareLength]), binary[shareLength:]) {
		return nil, errors.New("checksum")
	}
	return binary[:shareLength], nil
}

func strip(text string, unwanted func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if unwanted(r) {
			return -1
		}
		return r
	}, text)
}

// parseBech32m decodes the text form by BIP 350.
func parseBech32m(text string) ([]byte, error) {
	small := strings.ToLower(text)
	if (text != small && text != strings.ToUpper(text)) || len(small) != 80 || !strings.HasPrefix(small, "bkms1") {
		return nil, errors.New("malformed")
	}
	words := []int{}
	for _, sign := range small[5:] {
		word := strings.IndexRune(shareAlphabet, sign)
		if word < 0 {
			return nil, errors.New("malformed")
		}
		words = append(words, word)
	}
	// The prefix, expanded: high bits, 0, low bits.
	expanded := []int{3, 3, 3, 3, 0, 'b' & 31, 'k' & 31, 'm' & 31, 's' & 31}
	if polymod(append(expanded, words...)) != 0x2bc830a3 {
		return nil, errors.New("checksum")
	}
	fields := []byte{}
	buffer, bits := 0, 0
	for _, word := range words[:len(words)-6] {
		buffer, bits = buffer<<5|word, bits+5
		if bits >= 8 {
			bits -= 8
			fields = append(fields, byte(buffer>>bits))
			buffer &= 1<<bits - 1
		}
	}
	if buffer != 0 || len(fields) != shareLength {
		return nil, errors.New("malformed")
	}
	return fields, nil
}

func polymod(values []int) int {
	generator := [5]int{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	sum := 1
	for _, value := range values {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ value
		for i, term := range generator {
			if top>>i&1 == 1 {
				sum ^= term
			}
		}
	}
	return sum
}

// combine interpolates at 0 by Lagrange's formula.
func combine(shares [][]byte) []byte {
	secret := make([]byte, 32)
	for _, own := range shares {
		factor := byte(1)
		for _, other := range shares {
			if x, y := own[9], other[9]; x != y {
				factor = multiply(factor, multiply(y, inverse(x^y)))
			}
		}
		for i, value := range own[11:] {
			secret[i] ^= multiply(value, factor)
		}
	}
	return secret
}

// multiply is the product of the polynomials, and then the remainder by
// x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2).
func multiply(a, b byte) byte {
	product := 0
	for i := range 8 {
		if b>>i&1 == 1 {
			product ^= int(a) << i
		}
	}
	for degree := 14; degree >= 8; degree-- {
		if product>>degree&1 == 1 {
			product ^= 0x11b << (degree - 8)
		}
	}
	return byte(product)
}

// inverse searches for it.
func inverse(x byte) byte {
	for y := range 256 {
		if multiply(x, byte(y)) == 1 {
			return byte(y)
		}
	}
	return 0
}
