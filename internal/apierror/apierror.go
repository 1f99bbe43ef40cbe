// Package apierror holds the errors that callers of the API are shown. All other errors are masked.
package apierror

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// UserErrorCode says what is wrong with an input, for programs.
type UserErrorCode string

// The codes of the schema's UserErrorCode.
const (
	Required   UserErrorCode = "REQUIRED"
	Invalid    UserErrorCode = "INVALID"
	OutOfRange UserErrorCode = "OUT_OF_RANGE"
	TooLong    UserErrorCode = "TOO_LONG"
	TooMany    UserErrorCode = "TOO_MANY"
	NotFound   UserErrorCode = "NOT_FOUND"
	Taken      UserErrorCode = "TAKEN"
	Conflict   UserErrorCode = "CONFLICT"
	NotAllowed UserErrorCode = "NOT_ALLOWED"
)

// UserError is something in a mutation's input that its caller can mend.
type UserError struct {
	// Field is the path of the input field at fault, from the root of what was validated.
	Field   []string
	Message string
	Code    UserErrorCode
}

// UserErrors is all that is wrong with one input. As an error it is never empty.
type UserErrors []UserError

// Error joins all messages, each after its field.
func (e UserErrors) Error() string {
	texts := make([]string, len(e))
	for i, u := range e {
		texts[i] = u.Message
		if len(u.Field) > 0 {
			texts[i] = strings.Join(u.Field, ".") + ": " + u.Message
		}
	}
	return strings.Join(texts, "; ")
}

// Add notes one more error.
func (e *UserErrors) Add(code UserErrorCode, field []string, format string, args ...any) {
	*e = append(*e, UserError{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Under returns the errors with their fields moved below prefix, e.g. from `score` to `input`, `score`.
func (e UserErrors) Under(prefix ...string) UserErrors {
	moved := make(UserErrors, len(e))
	for i, u := range e {
		field := make([]string, 0, len(prefix)+len(u.Field))
		u.Field = append(append(field, prefix...), u.Field...)
		moved[i] = u
	}
	return moved
}

// Err returns the errors as an error, or nil where there are none.
func (e UserErrors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// User makes a UserErrors of one.
func User(code UserErrorCode, field []string, format string, args ...any) UserErrors {
	return UserErrors{{Field: field, Code: code, Message: fmt.Sprintf(format, args...)}}
}

// Index is the path step of the i-th element of a list.
func Index(i int) string { return strconv.Itoa(i) }

// Code is the `extensions.code` of a top-level error.
type Code string

// The codes of top-level errors.
const (
	Unauthenticated Code = "UNAUTHENTICATED"
	Forbidden       Code = "FORBIDDEN"
	BadRequestCode  Code = "BAD_REQUEST"
	NotFoundCode    Code = "NOT_FOUND"
	TooComplex      Code = "TOO_COMPLEX"
	RateLimited     Code = "RATE_LIMITED"
	Overloaded      Code = "OVERLOADED"
	Internal        Code = "INTERNAL"
)

// Error is a top-level error of the API, safe to show.
type Error struct {
	Code    Code
	Message string
	// RetryAfter, where not zero, is how long the caller should wait before it tries again.
	RetryAfter time.Duration
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// New makes a top-level error.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// BadRequest says that the request cannot be answered as it stands.
func BadRequest(format string, args ...any) *Error { return New(BadRequestCode, format, args...) }
