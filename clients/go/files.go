package bunkms

import (
	"context"
	"io"

	"github.com/bunbase/bunkms/clients/go/file"
)

// NewFileWriter encrypts a stream of any length in the format of bunkms
// encrypt-file, under a data key of its own, which the server makes and a key
// of it wraps. What it is given goes encrypted to the destination, in segments of
// 64 KiB.
//
// The file is whole when Close has returned nil. Close does not close the
// destination. The encryption context, which may be nil, is needed again for
// reading.
func (c *Client) NewFileWriter(ctx context.Context, destination io.Writer, keyName string, encryptionContext map[string]string) (io.WriteCloser, error) {
	key, err := c.GenerateDataKey(ctx, keyName, encryptionContext)
	if err != nil {
		return nil, err
	}
	header := file.Header{Binding: bindingOf(encryptionContext), KeyName: keyName, WrappedDataKey: key.Ciphertext}
	return file.Create(destination, header, key.Plaintext)
}

// NewFileReader decrypts a file that NewFileWriter or bunkms encrypt-file wrote.
// Every byte that it returns is authentic, but that the file is whole is
// known only when it returns io.EOF: until then do not act on what was read. The
// errors are those of package file, besides the server's.
//
// With an empty keyName, the key is the one that the file names: whoever may
// encrypt with any key that this client may decrypt with can then have written it.
func (c *Client) NewFileReader(ctx context.Context, source io.Reader, keyName string, encryptionContext map[string]string) (io.Reader, error) {
	return file.Open(source, func(header file.Header) ([]byte, error) {
		name := keyName
		if name == "" {
			name = header.KeyName
		}
		return c.Decrypt(ctx, name, header.WrappedDataKey, encryptionContext)
	})
}

func bindingOf(encryptionContext map[string]string) file.Binding {
	if len(encryptionContext) == 0 {
		return file.BoundToNothing
	}
	return file.BoundToContext
}
