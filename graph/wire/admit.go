package wire

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

// valuesPerPoint is how many JSON values of what is sent cost a point. What is less costs nothing.
const valuesPerPoint = 500

// connectionKind is what a connection that outlives its request is called.
type connectionKind string

// The kinds of these.
const (
	streamConnection connectionKind = "event streams"
	socketConnection connectionKind = "sockets"
)

// whose says of which holder there are too many, in the words of a refusal.
var whose = map[edge.Kind]string{
	edge.Key:      "of this key",
	edge.Stranger: "without a key",
	edge.Address:  "of this address",
	edge.Beginner: "of this address that have not said who they are",
}

// unopened says why a connection may not be opened, or not be held by one more.
func unopened(err error, kind connectionKind) error {
	refused, ok := errors.AsType[*edge.Refusal](err)
	if !ok {
		return err
	}
	var said *apierror.Error
	switch refused.Why {
	case edge.Stopping:
		said = apierror.New(apierror.Overloaded, "The server is stopping; connect again.")
	case edge.Often:
		said = apierror.New(apierror.RateLimited, "Too many %s %s were opened in too short a time: keep them open, or try again later.", kind, whose[refused.Of])
	case edge.Held:
		said = apierror.New(apierror.RateLimited, "There are too many event streams and sockets %s: close some, or try again later.", whose[refused.Of])
	default:
		said = apierror.New(apierror.RateLimited, "There are too many event streams and sockets: try again later.")
	}
	said.RetryAfter = refused.Wait
	return said
}

// errFull is that of a request that there is no room for.
var errFull = &apierror.Error{
	Code: apierror.Overloaded, Message: "The server is reading as much as it can at once; try again.", RetryAfter: time.Second,
}

// untaken says why what was sent is not taken in, where it may have limit bytes. Other errors, as that of paying, stay what
// they are.
func untaken(err error, limit int) error {
	refused, ok := errors.AsType[*edge.Refusal](err)
	if !ok {
		return err
	}
	switch refused.Why {
	case edge.Busy:
		return errFull
	case edge.TooLarge:
		return refuse(http.StatusRequestEntityTooLarge,
			"The request may have %d bytes, variables and all; only a key or token with the scope COLLECT may send more.", limit)
	case edge.Crowded:
		return refuse(http.StatusRequestTimeout, "There are too many requests from your address that do not come to their end: send each at once.")
	case edge.Late:
		return refuse(http.StatusRequestTimeout, "The request did not come to its end in time.")
	default:
		return refuse(http.StatusBadRequest, "The request's body could not be read to its end.")
	}
}

// hold takes room for so many bytes that are made of what was sent.
func hold(in *edge.Intake, n int) error {
	if err := in.Hold(n); err != nil {
		return errFull
	}
	return nil
}

// intake begins to take in what a caller sends, who pays for it; nobody does where ctx is nil.
func (h *Handler) intake(ctx context.Context, holder string) *edge.Intake {
	if ctx == nil || h.engine.Pay == nil {
		return h.engine.Door.Intake(holder, nil)
	}
	return h.engine.Door.Intake(holder, func(points int) error { return h.engine.Pay(ctx, points) })
}

// key is the key that a caller's connections are counted for.
func (h *Handler) key(ctx context.Context, secret string) edge.Holder {
	if h.engine.Key == nil {
		return edge.Holder{Kind: edge.Key, Name: secret}
	}
	return edge.Holder{Kind: edge.Key, Name: h.engine.Key(ctx)}
}

// address is the address that a request's connection is counted for.
func (h *Handler) address(r *http.Request) edge.Holder {
	if h.engine.Remote == nil {
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		return edge.Holder{Kind: edge.Address, Name: host}
	}
	return edge.Holder{Kind: edge.Address, Name: h.engine.Remote(r)}
}
