package observe

import (
	"context"
	"io"
	"log"
	"log/slog"
	"regexp"
)

// NewLogger makes a logger that writes JSON, or else text for people. Each line that belongs to a request has its id.
func NewLogger(w io.Writer, json bool, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(identified{slog.NewJSONHandler(w, options)})
	}
	return slog.New(identified{slog.NewTextHandler(w, options)})
}

// identified adds the request's id.
type identified struct{ slog.Handler }

// Handle adds the id and passes on.
func (h identified) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps adding the id.
func (h identified) WithAttrs(attributes []slog.Attr) slog.Handler {
	return identified{h.Handler.WithAttrs(attributes)}
}

// WithGroup keeps adding the id.
func (h identified) WithGroup(name string) slog.Handler { return identified{h.Handler.WithGroup(name)} }

// ErrorLog is for http.Server.ErrorLog: warnings, without the addresses of clients.
func ErrorLog(to *slog.Logger) *log.Logger { return log.New(withoutAddresses{to}, "", 0) }

type withoutAddresses struct{ log *slog.Logger }

var address = regexp.MustCompile(`\[[0-9A-Fa-f:.%\w]+\]:\d+|\d+\.\d+\.\d+\.\d+(:\d+)?`)

// Write logs a line.
func (w withoutAddresses) Write(line []byte) (int, error) {
	w.log.Warn("http server", "error", string(address.ReplaceAll(line, []byte("(address)"))))
	return len(line), nil
}
