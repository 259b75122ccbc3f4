package envelope

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// AdditionalData is what was bound to a ciphertext: Raw, Context, or nil for
// nothing.
type AdditionalData interface {
	// encode returns the canonical encoding, "Additional data" in
	// spec/ciphertext.md.
	encode() ([]byte, error)
}

// Raw is additional data of the caller's own bytes.
type Raw []byte

// Context is an encryption context: named values.
type Context map[string]string

var errContext = errors.New("bunkms: the encryption context is too large or not valid UTF-8")

const (
	kindRaw     = 1
	kindContext = 2
)

func encode(additional AdditionalData) ([]byte, error) {
	if additional == nil {
		return nil, nil
	}
	return additional.encode()
}

func (raw Raw) encode() ([]byte, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return append([]byte{kindRaw}, raw...), nil
}

// Encode returns the canonical encoding, "Additional data" in
// spec/ciphertext.md: equal contexts have equal encodings, and no others have.
func (context Context) Encode() ([]byte, error) { return context.encode() }

func (context Context) encode() ([]byte, error) {
	if len(context) == 0 {
		return nil, nil
	}
	if len(context) > math.MaxUint16 {
		return nil, errContext
	}
	encoded := binary.BigEndian.AppendUint16([]byte{kindContext}, uint16(len(context)))
	// Go compares strings by their bytes, which is the order that is asked for.
	for _, key := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{key, context[key]} {
			if len(text) > math.MaxUint16 || !utf8.ValidString(text) {
				return nil, errContext
			}
			encoded = binary.BigEndian.AppendUint16(encoded, uint16(len(text)))
			encoded = append(encoded, text...)
		}
	}
	return encoded, nil
}
