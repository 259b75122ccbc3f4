package bunkms

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// encodeRequest spreads a message over path, query and body: first the path's
// fields, the rest goes into the body or, when the operation has none, into the query.
// The body is nil when there is none; it is the caller's.
func encodeRequest(route route, message proto.Message) (path string, body []byte, err error) {
	reflected := message.ProtoReflect()
	rest := reflected.New()
	// The bytes are shared and not copied: they may be secrets.
	reflected.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		rest.Set(field, value)
		return true
	})
	var built strings.Builder
	for _, part := range strings.Split(route.template, "/")[1:] {
		built.WriteByte('/')
		name, isField := strings.CutPrefix(part, "{")
		if !isField {
			built.WriteString(part)
			continue
		}
		name = strings.TrimSuffix(name, "}")
		name, isLong := strings.CutSuffix(name, "=**")
		field := reflected.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return "", nil, requestError("the message is not that of the operation")
		}
		encoded, err := encodePath(name, reflected.Get(field).String(), isLong)
		if err != nil {
			return "", nil, err
		}
		built.WriteString(encoded)
		rest.Clear(field)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(rest.Interface())
	if err != nil {
		// The encoder's error may quote the field that is at fault.
		return "", nil, requestError("a text of the request is not valid UTF-8")
	}
	if route.hasBody {
		return built.String(), text, nil
	}
	defer clear(text)
	query, err := encodeQuery(text)
	if err != nil {
		return "", nil, err
	}
	if query != "" {
		built.WriteString("?" + query)
	}
	return built.String(), nil, nil
}

func encodePath(name, value string, isLong bool) (string, error) {
	parts := []string{value}
	if isLong {
		parts = strings.Split(value, "/")
	}
	for at, part := range parts {
		// What is between resolves "." and "..", and so the request would reach another path.
		if part == "" || part == "." || part == ".." || !utf8.ValidString(part) {
			return "", requestError(`%s must be UTF-8 and not empty, and none of its segments may be empty, "." or ".."`, name)
		}
		parts[at] = url.PathEscape(part)
	}
	return strings.Join(parts, "/"), nil
}

// encodeQuery makes query parameters of an object's members, a repeated one of
// each element of a list.
func encodeQuery(object []byte) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return "", requestError("the request cannot be a query")
	}
	query := url.Values{}
	for name, value := range members {
		elements := []json.RawMessage{value}
		if bytes.HasPrefix(value, []byte("[")) {
			if err := json.Unmarshal(value, &elements); err != nil {
				return "", requestError("the request cannot be a query")
			}
		}
		for _, element := range elements {
			text := string(element)
			if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
				return "", requestError("%s cannot be a query parameter", name)
			}
			if strings.HasPrefix(text, `"`) {
				if err := json.Unmarshal(element, &text); err != nil {
					return "", requestError("the request cannot be a query")
				}
			}
			query.Add(name, text)
		}
	}
	return query.Encode(), nil
}
