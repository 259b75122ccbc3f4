//go:build !patched

package main

import (
	"context"

	bunkms "github.com/bunbase/bunkms/clients/go/bundoc"
	"github.com/kartikbazzad/bunbase/bundoc"
)

type wrapped struct {
	*bunkms.Database[*bundoc.Database]
}

func (w wrapped) db() *bundoc.Database { return w.DB }

// openWith wraps a Bundoc that knows nothing of key providers.
func openWith(ctx context.Context, provider *bunkms.Provider, folder string) (database, error) {
	opened, err := bunkms.Open(ctx, provider, folder, func(key []byte) (*bundoc.Database, error) {
		options := bundoc.DefaultOptions(folder)
		options.EncryptionKey = key
		return bundoc.Open(options)
	})
	if err != nil {
		return nil, err
	}
	return wrapped{opened}, nil
}
