package bunkms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrConnection is a server that was not reached, or a connection that
	// broke: whether the call was done is not known then.
	ErrConnection = errors.New("bunkms: the connection failed")
	// ErrUnexpectedAnswer is an answer that BunKMS does not give: of something
	// between, of another program, or one that is cut, too large or malformed.
	ErrUnexpectedAnswer = errors.New("bunkms: not an answer of BunKMS")
	// ErrRequest is a call that was not sent, because it cannot be.
	ErrRequest = errors.New("bunkms: the call cannot be sent")
)

// errorCode is a code of the contract, as an error to compare with.
type errorCode string

func (code errorCode) Error() string { return "bunkms: " + string(code) }

// Error is an error that the server answered, or something in its place.
// Switch on Code, or ask errors.Is for one of this package's variables; the
// message is text for people and may change.
type Error struct {
	// Code is the stable code, for example "not_found". A newer server may know
	// more codes than this package. It is empty when the answer was not one of
	// BunKMS; then errors.Is says so of ErrUnexpectedAnswer.
	Code string
	// Message is for people. It holds no value of the request.
	Message string
	// RequestID names the call in the server's log and audit log.
	RequestID string
	// HTTPStatus is the status over REST; 0 over gRPC.
	HTTPStatus int
	// GRPCCode is the status over gRPC, and what it would be over REST.
	GRPCCode codes.Code

	// retryAfter is what the server asked to wait; negative when it did not.
	retryAfter time.Duration
}

func (e *Error) Error() string {
	text := "bunkms: " + e.Message
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text
}

// RetryAfter is what the server asked to wait before the call is tried again;
// 0 when it asked nothing. The client's own retries wait for it.
func (e *Error) RetryAfter() time.Duration {
	return max(e.retryAfter, 0)
}

// Is tells whether target is the variable of this error's code.
func (e *Error) Is(target error) bool {
	if e.Code == "" {
		return target == ErrUnexpectedAnswer
	}
	code, ok := target.(errorCode)
	return ok && string(code) == e.Code
}

// GRPCStatus makes status.Code and status.FromError work with calls over either
// transport.
func (e *Error) GRPCStatus() *status.Status {
	return status.New(e.GRPCCode, e.Message)
}

// connectionError says that and where a connection failed.
type connectionError struct {
	origin string
	cause  error
}

func (e *connectionError) Error() string {
	return fmt.Sprintf("bunkms: cannot reach %s: %v", e.origin, e.cause)
}

func (e *connectionError) Is(target error) bool { return target == ErrConnection }

func (e *connectionError) Unwrap() error { return e.cause }

func (e *connectionError) GRPCStatus() *status.Status {
	return status.New(codes.Unavailable, e.Error())
}

// contextError is a call that its caller, or its deadline, gave up. The server
// may have done it nevertheless.
type contextError struct {
	cause error
	// last is why the attempt before failed, if there was one.
	last error
}

func (e *contextError) Error() string {
	if e.last == nil {
		return "bunkms: " + e.cause.Error()
	}
	return fmt.Sprintf("bunkms: %v, after %v", e.cause, e.last)
}

func (e *contextError) Unwrap() []error {
	if e.last == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.last}
}

func (e *contextError) GRPCStatus() *status.Status {
	return status.New(status.FromContextError(e.cause).Code(), e.Error())
}

func requestError(format string, arguments ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRequest}, arguments...)...)
}

// unexpected is an answer that is none of BunKMS. What it holds is not
// repeated: it may be anything.
func unexpected(origin string, httpStatus int, what string) *Error {
	return &Error{
		Message:    fmt.Sprintf("%s answered %s, which is not an answer of BunKMS", origin, what),
		HTTPStatus: httpStatus,
		GRPCCode:   grpcCode(httpStatus),
		retryAfter: -1,
	}
}

// said takes over what an answer says of its error, unless its code or request
// id is nothing that BunKMS says: then something between may have written it.
func (e *Error) said(code, message, requestID string) *Error {
	if !codePattern.MatchString(code) || requestID != "" && !requestIDPattern.MatchString(requestID) {
		return e
	}
	e.Code, e.Message, e.RequestID = code, oneLine(message), requestID
	return e
}

var codePattern = regexp.MustCompile(`^[a-z_]{1,64}$`)

const maxMessage = 1024

// oneLine makes a text fit for a line of a log.
func oneLine(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	return strings.Map(func(character rune) rune {
		if !unicode.IsPrint(character) {
			return ' '
		}
		return character
	}, strings.ToValidUTF8(text, "?"))
}

// givenUp is the error of a call whose context ended, or nil.
func givenUp(ctx context.Context, last error) error {
	if cause := ctx.Err(); cause != nil {
		return &contextError{cause: cause, last: last}
	}
	return nil
}

// grpcCode is the code for an HTTP status, as google.rpc.Code has it.
func grpcCode(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return codes.FailedPrecondition
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		return codes.ResourceExhausted
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	case http.StatusInternalServerError:
		return codes.Internal
	default:
		return codes.Unknown
	}
}
