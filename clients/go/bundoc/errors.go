package bundoc

import (
	"context"
	"errors"
	"fmt"
)

// What can be wrong, for errors.Is. The text of an Error says the rest.
var (
	// ErrUnavailable: BunKMS could not be reached, or could not serve, until
	// the deadline of the retry policy. Nothing was made or changed.
	ErrUnavailable = errors.New("BunKMS is not available")
	// ErrDenied: BunKMS does not know the token, or the token lacks a right.
	ErrDenied = errors.New("BunKMS denied access")
	// ErrRefused: BunKMS answered, and refused for a reason that will not go
	// away by itself, for example a key that is disabled or not there.
	ErrRefused = errors.New("BunKMS refused")
	// ErrWrongKey: the wrapped DEK was not made by this key for this database,
	// or was changed.
	ErrWrongKey = errors.New("the wrapped DEK is not of this key")
	// ErrWrongDatabase: the wrapped DEK belongs to another database.
	ErrWrongDatabase = errors.New("the wrapped DEK is of another database")
	// ErrForeignCluster: the wrapped DEK was made by another BunKMS cluster.
	ErrForeignCluster = errors.New("the wrapped DEK is of another BunKMS cluster")
	// ErrDamaged: a file that says something about the key cannot be read.
	ErrDamaged = errors.New("what is kept about the key is damaged")
	// ErrNoWrappedKey: there is data, but no wrapped DEK. No key is ever made
	// over data.
	ErrNoWrappedKey = errors.New("there is data but no wrapped DEK")
	// ErrDataMismatch: the key does not open the data.
	ErrDataMismatch = errors.New("the key does not open the data")
	// ErrCircular: the database holds the data of the very BunKMS that would
	// be asked for its key.
	ErrCircular = errors.New("the database holds the data of the BunKMS that would be asked for its key")
	// ErrExists: there is something already where something new was to be made.
	ErrExists = errors.New("it exists already")
	// ErrInUse: the database changed while it was being read.
	ErrInUse = errors.New("the database is in use")
	// ErrClosed: the provider was closed.
	ErrClosed = errors.New("the provider is closed")
)

// Error is what every function of this package fails with, except where a
// caller's context ended, a file could not be read or written, or the
// configuration is wrong.
type Error struct {
	// Folder is the database's folder.
	Folder string
	// Kind is one of the Err variables above; errors.Is finds it.
	Kind error
	// Detail says what is wrong in this case and what to do. It names keys,
	// clusters and files, and never holds key material.
	Detail string
	// Err is the cause, if there is one.
	Err error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("bundoc key: %s: %v", e.Folder, e.Kind)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap makes errors.Is and errors.As find the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// KMSError is an answer of BunKMS that is an error. A KMS returns it, so that
// refusals can be told from failures to get an answer: whatever else a KMS
// returns counts as the latter, and is tried again.
type KMSError struct {
	// Code is BunKMS's stable error code, for example "not_found".
	Code string
	// Err is the error as the KMS had it.
	Err error
}

func (e *KMSError) Error() string { return e.Err.Error() }

// Unwrap returns the error as the KMS had it.
func (e *KMSError) Unwrap() error { return e.Err }

// passing are the codes of answers that the same call may not get a moment later.
var passing = map[string]bool{
	"audit_unavailable": true, "cancelled": true, "conflict": true, "deadline_exceeded": true,
	"not_initialised": true, "seal_unavailable": true, "sealed": true, "shutting_down": true,
	"storage_unavailable": true, "too_many_requests": true,
}

// isPassing says whether trying again may help.
func isPassing(err error) bool {
	var answer *KMSError
	return !errors.As(err, &answer) || passing[answer.Code]
}

// kindOf sorts an error of a KMS.
func kindOf(err error) error {
	var answer *KMSError
	switch {
	case errors.Is(err, context.Canceled), !errors.As(err, &answer), passing[answer.Code]:
		return ErrUnavailable
	case answer.Code == "unauthenticated", answer.Code == "permission_denied":
		return ErrDenied
	case answer.Code == "decryption_failed":
		return ErrWrongKey
	default:
		return ErrRefused
	}
}
