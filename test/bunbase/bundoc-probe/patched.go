//go:build patched

package main

import (
	"context"

	bunkms "github.com/bunbase/bunkms/clients/go/bundoc"
	"github.com/kartikbazzad/bunbase/bundoc"
)

// openWith lets Bundoc ask by itself.
func openWith(_ context.Context, provider *bunkms.Provider, folder string) (database, error) {
	options := bundoc.DefaultOptions(folder)
	options.KeyProvider = provider
	return direct(options)
}
