package bunkms

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec is gRPC's own encoding, with two differences: equal messages have equal
// bytes, so that the server knows a repeated call again whatever order a map
// has, and the bytes of an answer are cleared when they were read.
type codec struct{}

// Name is that of the encoding which every gRPC server has.
func (codec) Name() string { return "proto" }

func (codec) Marshal(value any) (mem.BufferSlice, error) {
	message, ok := value.(proto.Message)
	if !ok {
		return nil, requestError("not a message: %T", value)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		// The encoder's error may quote the field that is at fault.
		return nil, requestError("a text of the request is not valid UTF-8")
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, value any) error {
	message, ok := value.(proto.Message)
	if !ok {
		return requestError("not a message: %T", value)
	}
	contiguous := data.Materialize()
	defer clear(contiguous)
	if err := proto.Unmarshal(contiguous, message); err != nil {
		return ErrUnexpectedAnswer
	}
	return nil
}
