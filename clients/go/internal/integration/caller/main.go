// Command caller makes calls for a test that is not written in Go: one line of
// JSON in for each, one line out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	bunkms "github.com/bunbase/bunkms/clients/go"
	_ "github.com/bunbase/bunkms/clients/go/bunkmspb"
)

type request struct {
	// Service and Method are names of the contract.
	Service   string          `json:"service"`
	Method    string          `json:"method"`
	Request   json.RawMessage `json:"request"`
	Token     string          `json:"token"`
	RequestID string          `json:"request_id"`
}

type answer struct {
	Code      string          `json:"code"`
	Status    int             `json:"status"`
	Text      string          `json:"text"`
	RequestID string          `json:"request_id"`
	Value     json.RawMessage `json:"value"`
}

func main() {
	address := flag.String("address", "", "the server's address")
	ca := flag.String("ca", "", "file of the authorities to trust")
	flag.Parse()
	if err := serve(*address, *ca, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "caller:", err)
		os.Exit(1)
	}
}

func serve(address, ca string, in io.Reader, out io.Writer) error {
	var token string
	options := []bunkms.Option{
		bunkms.WithRetry(bunkms.RetryPolicy{MaxAttempts: 1}),
		bunkms.WithToken(bunkms.TokenFunc(func(context.Context) (string, error) { return token, nil })),
	}
	if ca != "" {
		config, err := bunkms.LoadTLSConfig(ca, "", "")
		if err != nil {
			return err
		}
		options = append(options, bunkms.WithTLSConfig(config))
	}
	client, err := bunkms.New(address, options...)
	if err != nil {
		return err
	}
	defer client.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4<<20)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		token = asked.Token
		if err := encoder.Encode(call(client, asked)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func call(client *bunkms.Client, asked request) answer {
	input, output, err := messages(asked)
	if err != nil {
		return failed(err)
	}
	if err := protojson.Unmarshal(asked.Request, input); err != nil {
		return failed(err)
	}
	ctx := context.Background()
	if asked.RequestID != "" {
		ctx = bunkms.WithRequestID(ctx, asked.RequestID)
	}
	// Over gRPC the request id is in the trailers.
	var header, trailer metadata.MD
	method := "/" + asked.Service + "/" + asked.Method
	if err := client.Invoke(ctx, method, input, output, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		return failed(err)
	}
	value, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(output)
	if err != nil {
		return failed(err)
	}
	ids := metadata.Join(header, trailer).Get("x-request-id")
	return answer{Code: "ok", RequestID: append(ids, "")[0], Value: value}
}

// messages makes the messages of a method by their names.
func messages(asked request) (input, output proto.Message, err error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(asked.Service))
	if err != nil {
		return nil, nil, err
	}
	service, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, nil, errors.New("not a service")
	}
	method := service.Methods().ByName(protoreflect.Name(asked.Method))
	if method == nil {
		return nil, nil, errors.New("no such method")
	}
	in, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, nil, err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		return nil, nil, err
	}
	return in.New().Interface(), out.New().Interface(), nil
}

func failed(err error) answer {
	var answered *bunkms.Error
	if !errors.As(err, &answered) || answered.Code == "" {
		return answer{Code: "no answer", Status: -1, Text: err.Error()}
	}
	status := answered.HTTPStatus
	if status == 0 {
		status = int(answered.GRPCCode)
	}
	return answer{Code: answered.Code, Status: status, Text: answered.Message, RequestID: answered.RequestID}
}
