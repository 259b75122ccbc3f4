package bunkms

import (
	"io"
	"log"
)

// quietLog swallows what a server of a test says of clients that go away.
var quietLog = log.New(io.Discard, "", 0)
