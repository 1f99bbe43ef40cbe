// Package post brings mails to a mail server, or into a folder, at most once each. It knows nothing of why a mail is sent or what becomes
// of it later; what it must know for certain is whether a server may have it.
//
// A server has a mail once it was given the line with the final dot, and not a moment before (RFC 5321, 4.1.1.4; RFC 1047 is about what
// happens in between). So the whole mail is put together before a word is said to the server, and the dot is written by itself: what fails
// before it is provably not taken, and what fails from there on without a reply is Unknown. The clients that there are cannot be held to
// that. They write the dot together with the end of the mail, drop the error of writing it, and end a mail that could not be written whole
// with a dot nonetheless as soon as the next command, QUIT too, is given (net/textproto's Writer does so, on which net/smtp and go-mail
// stand). So the dialogue is ours.
package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

// Mail is one mail to one person, ready to go.
type Mail struct {
	// Invitation is the invitation's public id, inv_…, for the headers by which providers tell of it; empty for tests.
	Invitation string
	// MessageID is without angle brackets, and ends on a full stop and the mail's number within its invitation before the @: 0191….0@nps.example.com.
	MessageID string
	From      mail.Address
	// ReplyTo is an address; empty where there is none.
	ReplyTo string
	// To is the bare address.
	To string
	// Subject, Text and HTML may hold anything. Text or HTML may be empty.
	Subject, Text, HTML string
	// Language is a BCP 47 tag; empty where it is not known.
	Language string
	// ListID is the name of the list, as camp_01h….nps.example.com; empty where there is none.
	ListID string
	// Unsubscribe is the absolute URL that takes one-click unsubscribing; empty where there is none to be: in tests and confirmations.
	Unsubscribe string
	// Date is the time in the mail's head; zero stands for now.
	Date time.Time
}

// Verdict is what became of an attempt.
type Verdict int

// The verdicts.
const (
	// Taken: the server said that it has the mail, or the file is written.
	Taken Verdict = iota
	// Deferred: not taken, for now, because of this mail or whom it is for.
	Deferred
	// Refused: not taken, for good, because of this mail or whom it is for.
	Refused
	// Unsent: not taken, and neither this mail nor whom it is for is to blame: there is no connection, or the server doesn't want the sender.
	// To be tried again later.
	Unsent
	// Unknown: handed over, and nobody said whether it was taken. Never to be sent again.
	Unknown
)

// String is the verdict's name.
func (v Verdict) String() string {
	if names := [...]string{"taken", "deferred", "refused", "unsent", "unknown"}; v >= 0 && int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("verdict %d", int(v))
}

// Outcome is what became of an attempt, and why.
type Outcome struct {
	Verdict Verdict
	// NoMailbox says of a refused mail that there is no mailbox of its address.
	NoMailbox bool
	// Sender says of an unsent mail that it is for the sake of whom it is from: mails from other addresses may well go.
	Sender bool
	// Away says of an unsent mail that there is no server to hand it to, whosever it is: none answers, or it does not let us in.
	Away bool
	// Reply is what the server said, or what went wrong, in 500 characters at most and without anybody's address; or the file's name. It may tell
	// how the server is reached: see Office.Told.
	Reply string
	// File is the path where the mail was written to a file.
	File string
}

// Config says where mails go.
type Config struct {
	// URL is that of the mail server, as MAIL_URL has it:
	//
	//	smtp://name:password@host:587           TLS from STARTTLS on, which the server must offer; port 587 where there is none
	//	smtps://name:password@host:465          TLS from the start; port 465 where there is none
	//	smtp://name:password@host?tls=implicit  the same, as is smtp:// with port 465
	//	smtp://localhost:1025?tls=none          no TLS, on this machine only
	//	smtp://mailpit:1025?tls=none-insecure   no TLS, for everybody on the way to read, the password too
	//
	// Without a name nobody logs in. Where it is empty, mails are written to Folder.
	URL string
	// Folder is where mails are written to as files, if they are. It is made when it is needed, for the process's user alone.
	Folder string
	// DKIM is what mails are signed with; the zero value leaves that to the server.
	DKIM DKIMConfig
	// Connections is how many there are to the server at most at a time; 0 stands for 4.
	Connections int
	// Hello is the name by which this machine introduces itself to the server, a host's; localhost where it is empty.
	Hello string
	// RootCAs are whom the server's certificate is to be from; nil for those that the system trusts.
	RootCAs *x509.CertPool
	// Log is told of panics; nil for the default one.
	Log *slog.Logger
}

// Limits of connections.
const (
	maxConnections = 100
	perConnection  = 100 // mails
	idle           = 30 * time.Second
)

// patience is how long servers are waited for.
type patience struct {
	// connect is for a connection until mails may be handed over, command for the reply to a command, content for a mail to be read, and dot for
	// the reply to it, as servers scan it first.
	connect, command, content, dot time.Duration
	// grace is how much longer, where a caller gives up, is waited for the reply to a dot that is sent: without it nobody ever knows.
	grace time.Duration
	// goodbye is for QUIT.
	goodbye time.Duration
}

// Office is where mails are handed in. It is safe for concurrent use.
type Office struct {
	server *server // nil where mails are written to folder
	folder string
	sign   *signer // nil where mails are not signed
	log    *slog.Logger
	wait   patience
	idle   time.Duration
	dial   func(ctx context.Context, network, address string) (net.Conn, error)

	desks chan struct{} // holds one for each connection in use
	over  chan struct{} // closed by Close

	mu   sync.Mutex
	free []*line // idle ones, the one used last at the end
	shut bool
}

// ConfigError says what is wrong with a Config.
type ConfigError struct {
	// Field is the field's name, as DKIM.Key.
	Field string
	err   error
}

// Error says what is wrong, and nothing of a password or a key.
func (e *ConfigError) Error() string { return e.err.Error() }

// Unwrap is the reason.
func (e *ConfigError) Unwrap() error { return e.err }

// Open makes an Office. It connects to nothing yet, and makes no folder. Errors tell nothing of the URL's password, and
// those that are a field's are *ConfigError.
func Open(cfg Config) (*Office, error) {
	o := &Office{
		folder: cfg.Folder,
		log:    cfg.Log,
		wait: patience{
			connect: 30 * time.Second, command: 30 * time.Second, content: 5 * time.Minute, dot: 5 * time.Minute, grace: 10 * time.Second,
			goodbye: 2 * time.Second,
		},
		idle: idle,
		dial: (&net.Dialer{}).DialContext,
		over: make(chan struct{}),
	}
	if cfg.Connections < 0 || cfg.Connections > maxConnections {
		return nil, fmt.Errorf("%d connections to the mail server: take 1 to %d", cfg.Connections, maxConnections)
	}
	if cfg.Connections == 0 {
		cfg.Connections = 4
	}
	o.desks = make(chan struct{}, cfg.Connections)
	var err error
	if o.sign, err = newSigner(cfg.DKIM); err != nil {
		return nil, err
	}
	switch {
	case cfg.URL != "":
		if o.server, err = parseURL(cfg.URL); err != nil {
			return nil, &ConfigError{"URL", fmt.Errorf("the mail server's URL: %w", err)}
		}
		if o.server.hello, err = helloName(cfg.Hello); err != nil {
			return nil, &ConfigError{"Hello", err}
		}
		o.server.config = &tls.Config{ServerName: o.server.host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	case cfg.Folder == "":
		return nil, errors.New("mails have nowhere to go: name a mail server, or a folder for files")
	}
	return o, nil
}

// String says where mails go, as host and port or as a path.
func (o *Office) String() string {
	if o.server == nil {
		return o.folder
	}
	return o.server.address()
}

// Send brings a mail to the server, once at most, waiting for a connection where all are in use. Where ctx ends before the server has the
// mail it is Unsent; where it ends later, Send still waits a few seconds for the server's word.
func (o *Office) Send(ctx context.Context, m *Mail) Outcome {
	l, err := compose(m)
	switch {
	case errors.Is(err, errRecipient):
		return m.outcome(Outcome{Verdict: Refused, Reply: err.Error()})
	case err != nil:
		return m.outcome(Outcome{Verdict: Unsent, Sender: errors.Is(err, errSender), Reply: err.Error()})
	}
	if o.sign != nil {
		if l.content, err = o.sign.signed(l.content); err != nil {
			return m.outcome(Outcome{Verdict: Unsent, Reply: fmt.Sprintf("signing the mail: %v", err)})
		}
	}
	if o.server == nil {
		return o.file(ctx, m, l)
	}
	select {
	case o.desks <- struct{}{}:
	case <-ctx.Done():
		return m.outcome(unsent(fmt.Errorf("waiting for a connection to the mail server: %w", context.Cause(ctx))))
	case <-o.over:
		return m.outcome(unsent(errClosed))
	}
	defer func() { <-o.desks }()
	return m.outcome(o.deliver(ctx, l))
}

var errClosed = errors.New("no mail is taken in any more, since the program ends")

func unsent(err error) Outcome { return Outcome{Verdict: Unsent, Reply: err.Error()} }

// deliver hands a letter to the server over a connection that is free, else a new one. One that was free may have ended long ago without
// our notice. Where it shows so at the mail's first command, that is no news of the server, and a new one is tried.
func (o *Office) deliver(ctx context.Context, l *letter) Outcome {
	if old := o.takeFree(); old != nil {
		outcome, stale := old.deliver(ctx, l)
		o.putBack(old)
		if !stale || ctx.Err() != nil {
			return outcome
		}
	}
	c, err := o.connect(ctx)
	if err != nil {
		out := unsent(err)
		out.Away = true
		return out
	}
	outcome, _ := c.deliver(ctx, l)
	o.putBack(c)
	return outcome
}

// takeFree is a connection that is free; nil where there is none.
func (o *Office) takeFree() *line {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.free) == 0 {
		return nil
	}
	c := o.free[len(o.free)-1]
	o.free = o.free[:len(o.free)-1]
	c.expiry.Stop()
	return c
}

// putBack keeps a connection for the next mail, where it is of use.
func (o *Office) putBack(c *line) {
	o.mu.Lock()
	if c.broken || c.mails >= perConnection || o.shut {
		o.mu.Unlock()
		c.close()
		return
	}
	o.free = append(o.free, c)
	c.expiry = flight.After(o.idle, func() {
		if o.isFree(c) {
			c.close()
		}
	}, flight.Logged(o.log, "closing an idle connection to the mail server"))
	o.mu.Unlock()
}

// isFree takes a connection out of the free ones, unless it is in use again or was closed.
func (o *Office) isFree(c *line) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.Index(o.free, c)
	if i < 0 {
		return false
	}
	o.free = slices.Delete(o.free, i, i+1)
	return true
}

// Close takes in no more mails, waits for those that are on the way, and ends all connections. End the contexts of Send first, or it may
// take as long as a server has for its reply.
func (o *Office) Close() error {
	o.mu.Lock()
	first := !o.shut
	o.shut = true
	free := o.free
	o.free = nil
	o.mu.Unlock()
	if !first {
		return nil
	}
	close(o.over)
	for _, c := range free {
		c.expiry.Stop()
		c.close()
	}
	for range cap(o.desks) {
		o.desks <- struct{}{}
	}
	return nil
}

// letter is a mail as a server gets it.
type letter struct {
	// from and to are the envelope's addresses.
	from, to string
	// international says that an address, and so the head, has more than ASCII.
	international bool
	// personal says that the address of whom it is for is the one that has.
	personal bool
	// content is the whole mail, in lines that end on CRLF.
	content []byte
}

// stuffed is the content as it is sent, with dots at the beginning of lines doubled.
func (l *letter) stuffed() []byte {
	return bytes.ReplaceAll(l.content, []byte("\r\n."), []byte("\r\n.."))
}
