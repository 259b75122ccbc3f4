package bunkms

import (
	"context"
	"io"

	"github.com/bunbase/bunkms/clients/go/bunkmspb"
	"github.com/bunbase/bunkms/clients/go/file"
)

// FileBinding is what a file is bound to, and is needed again for reading it. The
// zero value binds it to nothing.
type FileBinding struct {
	// Context is an encryption context.
	Context map[string]string
	// AAD are bytes in the place of a context: the option --aad of bunkms
	// encrypt-file.
	AAD []byte
}

var errTwoBindings = requestError("a file is bound to an encryption context or to bytes, not to both")

func (b FileBinding) kind() (file.Binding, error) {
	switch {
	case len(b.Context) > 0 && len(b.AAD) > 0:
		return 0, errTwoBindings
	case len(b.AAD) > 0:
		return file.BoundToBytes, nil
	case len(b.Context) > 0:
		return file.BoundToContext, nil
	}
	return file.BoundToNothing, nil
}

// NewFileWriter encrypts a stream of any length in the format of bunkms
// encrypt-file, under a data key of its own, which the server makes and a key
// of it wraps. What it is given goes encrypted to the destination, in segments of
// 64 KiB.
//
// The file is whole when Close has returned nil. Close does not close the
// destination.
func (c *Client) NewFileWriter(ctx context.Context, destination io.Writer, keyName string, binding FileBinding) (io.WriteCloser, error) {
	kind, err := binding.kind()
	if err != nil {
		return nil, err
	}
	request := &bunkmspb.GenerateDataKeyRequest{Name: keyName, Bytes: dataKeyLength, Context: binding.Context}
	if kind == file.BoundToBytes {
		request.Binding = &bunkmspb.GenerateDataKeyRequest_AadB64{AadB64: binding.AAD}
	}
	key, err := c.generateDataKey(ctx, request)
	if err != nil {
		return nil, err
	}
	header := file.Header{Binding: kind, KeyName: keyName, WrappedDataKey: key.Ciphertext}
	return file.Create(destination, header, key.Plaintext)
}

// NewFileReader decrypts a file that NewFileWriter or bunkms encrypt-file wrote.
// Every byte that it returns is authentic, but that the file is whole is
// known only when it returns io.EOF: until then do not act on what was read. The
// errors are those of package file, besides the server's.
//
// With an empty keyName, the key is the one that the file names: whoever may
// encrypt with any key that this client may decrypt with can then have written it.
func (c *Client) NewFileReader(ctx context.Context, source io.Reader, keyName string, binding FileBinding) (io.Reader, error) {
	kind, err := binding.kind()
	if err != nil {
		return nil, err
	}
	return file.Open(source, func(header file.Header) ([]byte, error) {
		request := &bunkmspb.DecryptRequest{
			KeyName: keyName, Ciphertext: header.WrappedDataKey, Context: binding.Context,
		}
		if keyName == "" {
			request.KeyName = header.KeyName
		}
		if kind == file.BoundToBytes {
			request.Binding = &bunkmspb.DecryptRequest_AadB64{AadB64: binding.AAD}
		}
		return c.decrypt(ctx, request)
	})
}
