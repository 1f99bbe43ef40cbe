package post

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

// line is a connection to the server. One goroutine has it at a time.
type line struct {
	raw    net.Conn // whose deadline holds for conn, too
	conn   net.Conn
	in     *bufio.Reader
	office *Office

	offers map[string]string // the server's extensions and what it says of each, in capitals
	mails  int               // that were handed over, or were to be
	broken bool              // is of no more use
	expiry *time.Timer       // of a free one
}

// errOutOfStep is of a server that says something before it is asked.
var errOutOfStep = errors.New("the mail server is out of step")

// connect makes a connection, up to where mails may be handed over.
func (o *Office) connect(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, o.wait.connect)
	defer cancel()
	raw, err := o.dial(ctx, "tcp", o.server.address())
	if err != nil {
		return nil, fmt.Errorf("connecting to the mail server: %w", err)
	}
	c := &line{raw: raw, conn: raw, office: o}
	stop := c.endWith(ctx)
	if o.server.tls == implicitTLS {
		err = c.encrypt(ctx)
	} else {
		c.in = bufio.NewReader(raw)
	}
	if err == nil {
		err = c.greet(ctx)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close() // there is nothing to be lost
		return nil, err
	}
	return c, nil
}

// endWith makes the connection's reading and writing fail once ctx ends. stop reports whether that is off in time.
func (c *line) endWith(ctx context.Context) (stop func() bool) {
	return flight.When(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) }, flight.Logged(c.office.log, "giving up a connection to the mail server"))
}

// allow gives what is read and written next so much time, unless ctx ends. Whoever ends ctx later does so by endWith.
func (c *line) allow(ctx context.Context, d time.Duration) error {
	if err := c.raw.SetDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// encrypt begins TLS.
func (c *line) encrypt(ctx context.Context) error {
	if err := c.allow(ctx, c.office.wait.connect); err != nil {
		return err
	}
	encrypted := tls.Client(c.raw, c.office.server.config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("beginning TLS with the mail server: %w", err)
	}
	c.conn, c.in = encrypted, bufio.NewReader(encrypted)
	return nil
}

// greet hears the greeting, introduces us, begins TLS where it is still to be, and logs in.
func (c *line) greet(ctx context.Context) error {
	s := c.office.server
	if err := c.allow(ctx, c.office.wait.command); err != nil {
		return err
	}
	r, err := c.read()
	if err != nil {
		return fmt.Errorf("waiting for the mail server's greeting: %w", err)
	}
	if r.code != 220 {
		return fmt.Errorf("the mail server doesn't serve us: %s", r)
	}
	if err := c.hello(ctx); err != nil {
		return err
	}
	if s.tls == startTLS {
		if _, is := c.offers["STARTTLS"]; !is {
			return errors.New("the mail server offers no STARTTLS: nothing is sent for everybody to read; see what tls= in its URL can be")
		}
		r, err := c.command(ctx, "STARTTLS")
		switch {
		case err != nil:
			return fmt.Errorf("asking the mail server for TLS: %w", err)
		case r.code != 220:
			return fmt.Errorf("the mail server refuses STARTTLS: %s", r)
		case c.in.Buffered() > 0: // what somebody else put in, to be taken for encrypted
			return errOutOfStep
		}
		if err := c.encrypt(ctx); err != nil {
			return err
		}
		if err := c.hello(ctx); err != nil { // what was offered before may be anybody's
			return err
		}
	}
	if s.name == "" {
		return nil
	}
	return c.logIn(ctx)
}

// hello introduces us, and hears what the server offers.
func (c *line) hello(ctx context.Context) error {
	r, err := c.command(ctx, "EHLO "+c.office.server.hello)
	switch {
	case err != nil:
		return fmt.Errorf("introducing ourselves to the mail server: %w", err)
	case r.code != 250:
		return fmt.Errorf("the mail server refuses EHLO: %s", r)
	}
	c.offers = map[string]string{}
	for _, offer := range r.lines[1:] {
		name, rest, _ := strings.Cut(strings.ToUpper(offer), " ")
		c.offers[name] = rest
	}
	return nil
}

// logIn logs in by PLAIN (RFC 4616), or by LOGIN where the server has nothing better.
func (c *line) logIn(ctx context.Context) error {
	s := c.office.server
	ways := strings.Fields(c.offers["AUTH"])
	var say []string
	switch encode := base64.StdEncoding.EncodeToString; {
	case slices.Contains(ways, "PLAIN"):
		say = []string{"AUTH PLAIN " + encode([]byte("\x00"+s.name+"\x00"+s.password))}
	case slices.Contains(ways, "LOGIN"):
		say = []string{"AUTH LOGIN", encode([]byte(s.name)), encode([]byte(s.password))}
	default:
		return errors.New("the mail server lets nobody log in by PLAIN or LOGIN: take the name and the password out of its URL, or another server")
	}
	for i, text := range say {
		r, err := c.command(ctx, text)
		last := i == len(say)-1
		switch {
		case err != nil:
			return fmt.Errorf("logging in to the mail server: %w", err)
		case last && r.code == 235:
			return nil
		case last || r.code != 334:
			return fmt.Errorf("the mail server refuses the name or the password: %s", redact(r.String(), s.password))
		}
	}
	return nil
}

// command says something to the server, and hears its reply. Where it fails the connection is broken.
func (c *line) command(ctx context.Context, text string) (reply, error) {
	r, err := c.exchange(ctx, text)
	if err != nil {
		c.broken = true
	}
	return r, err
}

func (c *line) exchange(ctx context.Context, text string) (reply, error) {
	if strings.ContainsAny(text, "\r\n") { // no address comes here with one
		return reply{}, errors.New("a command must not have two lines")
	}
	if c.in.Buffered() > 0 {
		return reply{}, errOutOfStep
	}
	if err := c.allow(ctx, c.office.wait.command); err != nil {
		return reply{}, err
	}
	if _, err := c.conn.Write([]byte(text + "\r\n")); err != nil {
		return reply{}, err
	}
	return c.read()
}

// deliver hands a letter over. stale says that the connection was of no use before the server had heard of the letter.
func (c *line) deliver(ctx context.Context, l *letter) (outcome Outcome, stale bool) {
	if _, can := c.offers["SMTPUTF8"]; l.international && !can {
		const why = "the mail server takes no addresses with other characters than ASCII before the @ (SMTPUTF8)"
		if l.personal {
			return Outcome{Verdict: Refused, Reply: why}, false
		}
		return Outcome{Verdict: Unsent, Sender: true, Reply: why}, false
	}
	c.mails++
	stop := c.endWith(ctx)
	outcome, stale, ready := c.announce(ctx, l)
	if ready {
		outcome, ready = c.content(ctx, l)
	}
	if !stop() { // ctx has ended, and the connection with it
		c.broken = true
		if ready {
			outcome = unsent(fmt.Errorf("handing over the mail: %w", context.Cause(ctx)))
		}
		return outcome, false
	}
	if ready {
		return c.dot(ctx), false
	}
	c.reset(ctx)
	return outcome, stale
}

// announce says whom the letter is from and for. ready says that the server waits for it; else the outcome holds.
func (c *line) announce(ctx context.Context, l *letter) (outcome Outcome, stale, ready bool) {
	from := "MAIL FROM:<" + l.from + ">"
	if l.international {
		from += " BODY=8BITMIME SMTPUTF8"
	}
	for at, text := range []string{atMail: from, atRcpt: "RCPT TO:<" + l.to + ">", atData: "DATA"} {
		r, err := c.command(ctx, text)
		if err != nil {
			return unsent(fmt.Errorf("announcing the mail: %w", err)), stage(at) == atMail, false
		}
		if !r.goesOn(stage(at)) {
			c.broken = c.broken || !r.refuses() || r.code == 421
			return judge(stage(at), r), stage(at) == atMail && r.code == 421, false
		}
	}
	return Outcome{}, false, true
}

// content writes the letter's lines, all but the final dot: wherever it fails, the server has no mail.
func (c *line) content(ctx context.Context, l *letter) (outcome Outcome, ready bool) {
	err := c.allow(ctx, c.office.wait.content)
	if err == nil && c.in.Buffered() > 0 {
		err = errOutOfStep
	}
	if err == nil {
		_, err = c.conn.Write(l.stuffed())
	}
	if err != nil {
		c.broken = true
		return unsent(fmt.Errorf("handing over the mail: %w", err)), false
	}
	return Outcome{}, true
}

// dot ends the letter, and hears whether the server has it. From its first line on the letter may be taken.
func (c *line) dot(ctx context.Context) Outcome {
	if err := c.raw.SetDeadline(time.Now().Add(c.office.wait.dot)); err != nil {
		c.broken = true
		return unsent(fmt.Errorf("handing over the mail: %w", err))
	}
	// The server is to be heard, even if nobody waits for us any more.
	stop := flight.When(ctx, func() { _ = c.raw.SetDeadline(time.Now().Add(c.office.wait.grace)) },
		flight.Logged(c.office.log, "giving up a connection to the mail server"))
	_, err := c.conn.Write([]byte(".\r\n"))
	var r reply
	if err == nil {
		r, err = c.read()
	}
	if !stop() { // and the next mail's deadline might be meddled with
		c.broken = true
	}
	if err != nil {
		c.broken = true
		return Outcome{Verdict: Unknown, Reply: fmt.Sprintf("waiting for the mail server's word on the mail: %v", err)}
	}
	if !r.goesOn(atDot) {
		c.broken = c.broken || !r.refuses() || r.code == 421
		return judge(atDot, r)
	}
	return Outcome{Verdict: Taken, Reply: r.String()}
}

// reset makes the server forget of a letter that it doesn't take, so that the connection is good for another.
func (c *line) reset(ctx context.Context) {
	if c.broken {
		return
	}
	stop := c.endWith(ctx)
	if r, err := c.command(ctx, "RSET"); err != nil || r.code != 250 {
		c.broken = true
	}
	if !stop() {
		c.broken = true
	}
}

// close says goodbye, where there is anybody to say it to. What the server says to that doesn't matter.
func (c *line) close() {
	if !c.broken {
		if err := c.raw.SetDeadline(time.Now().Add(c.office.wait.goodbye)); err == nil {
			if _, err := c.conn.Write([]byte("QUIT\r\n")); err == nil {
				_, _ = c.read()
			}
		}
	}
	_ = c.raw.Close()
}

// read hears a reply.
func (c *line) read() (reply, error) { return readReply(c.in) }
