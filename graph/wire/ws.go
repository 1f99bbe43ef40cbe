package wire

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"golang.org/x/time/rate"
)

// SocketLimits bound WebSockets. A zero field stands for its default.
type SocketLimits struct {
	// Operations is how many may run on one socket; 50 by default.
	Operations int
	// Init is how long a client may take to send connection_init; 3 s by default.
	Init time.Duration
	// Receive is how long a message may take from its first byte to its last; 30 s by default.
	Receive time.Duration
	// Rate is how many messages a second a client may send on one socket, 100 by default, and Burst how many at once, 500
	// by default. Frames of WebSocket's own pings and pongs count as messages. Of frames, each kibibyte of them counted as
	// one more, there may be 20 times as many.
	Rate, Burst int
	// KeyRate is how many frames, counted like that, may come a second over all the sockets of one key, or of an address
	// before the key is known, 20,000 by default; and KeyBurst how many at once, 100,000 by default.
	KeyRate, KeyBurst int
}

func (l SocketLimits) withDefaults() SocketLimits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Operations, 50},
		{&l.Rate, 100},
		{&l.Burst, 500},
		{&l.KeyRate, 20_000},
		{&l.KeyBurst, 100_000},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.Init, 3 * time.Second}, {&l.Receive, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

const (
	// transportProtocol is the sub-protocol that is spoken here.
	transportProtocol = "graphql-transport-ws"
	// legacyProtocol is the one before it, of which no message means the same. It is taken at the handshake alone: clients
	// that get no sub-protocol back give up there, and never hear why.
	legacyProtocol = "graphql-ws"
)

// The version of WebSocket that is spoken here, and the header's field that says so.
const (
	versionField = "Sec-WebSocket-Version"
	version      = "13"
)

// The codes of graphql-transport-ws that sockets are closed with, beside WebSocket's own.
const (
	closeBadRequest    websocket.StatusCode = 4400
	closeUnauthorized  websocket.StatusCode = 4401
	closeForbidden     websocket.StatusCode = 4403
	closeSubprotocol   websocket.StatusCode = 4406
	closeTimeout       websocket.StatusCode = 4408
	closeExists        websocket.StatusCode = 4409
	closeTooManyInits  websocket.StatusCode = 4429
	closeInternalError websocket.StatusCode = 4500
)

const (
	// missedPings is how many of our pings a client may leave without any sign of life.
	missedPings = 3
	// closeWithin is how long a client may take to answer our close frame before its connection is cut.
	closeWithin = 5 * time.Second
	// dropWithin is the same for a client that has not been let in.
	dropWithin = time.Second
	// drainWithin is how long results that are on their way are waited for when the server stops.
	drainWithin = 5 * time.Second
)

// errSocketOver is why what runs on a socket ends with it.
var errSocketOver = errors.New("the socket is closed")

// serveSocket begins to speak graphql-transport-ws. The socket goes on by itself: what net/http holds for a request, its
// buffers and a large stack above all, is worth more than an idle socket.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) {
	limits, ctx := h.limits.Socket, h.arrive(r)
	if err := checkUpgrade(r); err != nil {
		w.Header().Set(versionField, version)
		h.refuseSocket(ctx, w, r, http.StatusBadRequest, err)
		return
	}
	if !h.allowsOrigin(ctx, r) {
		h.refuseSocket(ctx, w, r, http.StatusForbidden, apierror.New(apierror.Forbidden, "Pages of this origin may not connect."))
		return
	}
	s := &socket{
		h: h, from: handshakeOf(r),
		writing: make(chan struct{}, 1),
		closed:  make(chan struct{}),
		running: map[string]*request{},
		rate:    rate.NewLimiter(rate.Limit(limits.Rate), limits.Burst),
		frames:  rate.NewLimiter(rate.Limit(limits.Rate*framesPerMessage), limits.Burst*framesPerMessage),
		payer:   h.address(r),
	}
	s.registered = edge.Connection{End: func(error) { s.leave() }}
	if err := h.engine.Door.Open(&s.registered, s.payer, edge.Holder{Kind: edge.Beginner, Name: s.payer.Name}); err != nil {
		h.refuseSocket(ctx, w, r, http.StatusServiceUnavailable, unopened(err, socketConnection))
		return
	}
	accepted := false
	defer func() {
		if !accepted {
			h.engine.Door.Leave(&s.registered)
		}
	}()
	accepted = s.accept(ctx, w, r)
	if accepted {
		flight.Go(s.serve, h.caught("serving a socket"))
	}
}

// handshakeOf is what is needed of a handshake until connection_init: its headers, and where it comes from and goes to.
func handshakeOf(r *http.Request) *http.Request {
	return &http.Request{
		Method: r.Method, URL: r.URL, Header: r.Header, Host: r.Host, RemoteAddr: r.RemoteAddr, RequestURI: r.RequestURI,
		Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, TLS: r.TLS,
	}
}

// checkUpgrade refuses what the WebSocket package would refuse too, but with the client's own words in its answer.
func checkUpgrade(r *http.Request) error {
	connection := false
	for _, field := range r.Header.Values("Connection") {
		for token := range strings.SplitSeq(field, ",") {
			connection = connection || strings.EqualFold(strings.TrimSpace(token), "upgrade")
		}
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	// What came of a body would be read as what the client says over the socket.
	ok := connection && r.ProtoMajor == 1 && r.ProtoMinor >= 1 && r.ContentLength == 0 && len(keys) == 1 && r.Header.Get(versionField) == version
	if ok {
		nonce, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0]))
		ok = err == nil && len(nonce) == 16
	}
	if !ok {
		return apierror.BadRequest("This is no handshake of WebSocket version 13 over HTTP/1.1.")
	}
	return nil
}

// refuseSocket answers a handshake with an error. Scripts in pages cannot see it, but logs and tools can. Where nobody
// pays for that, the next one needs a connection of its own.
func (h *Handler) refuseSocket(ctx context.Context, w http.ResponseWriter, r *http.Request, status int, err error) {
	header := w.Header()
	if unpaid := h.refused(ctx, err); unpaid != err { //nolint:errorlint // the very same, or another
		status, err = http.StatusTooManyRequests, unpaid
		header.Set("Connection", "close")
	}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	x := exchange{h: h, w: w, r: r, began: time.Now(), ctx: ctx, accepted: accepted{media: mediaJSON}}
	x.answerList(gqlerror.List{h.present(x.ctx, err)}, status)
}

// allowsOrigin reports whether a page of this origin may connect. Programs send none; a page of our own host always may.
func (h *Handler) allowsOrigin(ctx context.Context, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if page, err := url.Parse(origin); err == nil && page.Host != "" && strings.EqualFold(page.Host, r.Host) {
		return true
	}
	return h.engine.AllowOrigin(ctx, origin)
}

// socket is one connection of graphql-transport-ws. Its reader runs in a goroutine of its own, as does each operation, and
// whoever has something to say writes it by himself.
type socket struct {
	h *Handler
	// from is the handshake; nil once connection_init has come. Only the reader may ask for it.
	from *http.Request
	// handed says that what a message took is another goroutine's to give back. Only the reader may ask for it.
	handed     bool
	registered edge.Connection
	conn       *websocket.Conn
	wire       *wireConn
	// rate bounds messages, frames what they come in.
	rate, frames *rate.Limiter

	// ctx ends with the socket. caller, known after connection_init, also ends with the secret; operations run in it.
	ctx, caller context.Context
	cancel      context.CancelCauseFunc
	// release ends what watches the secret, stopWatch what that would do.
	release   func()
	stopWatch func() bool

	// writing is held by whoever writes a message. It is a channel so that waiting for it ends with the socket.
	writing chan struct{}
	// closed is closed when the connection is.
	closed chan struct{}
	// group has all goroutines of the socket but the reader.
	group sync.WaitGroup

	mu sync.Mutex
	// payer pays for frames, and has the room that messages take: the address, then the key.
	payer edge.Holder
	// timer calls tick: when connection_init is late, then at each ping.
	timer         *time.Timer
	inited, acked bool
	// known says that the client brought a secret.
	known bool
	// leaving says that the server stops: what runs may give its result, and nothing begins.
	leaving bool
	// over says that the socket is being closed. Once it is set, group gets nothing more.
	over bool
	// running is what has an id; goroutines also counts what lost its id and has not ended yet, and results what may
	// still give a single result.
	running             map[string]*request
	goroutines, results int
}

// accept answers the handshake, and reports whether there is a socket now.
func (s *socket) accept(ctx context.Context, w http.ResponseWriter, r *http.Request) bool {
	hijack := &hijacker{ResponseWriter: w, timeout: s.h.limits.Write}
	conn, err := websocket.Accept(hijack, r, &websocket.AcceptOptions{
		Subprotocols:       []string{transportProtocol, legacyProtocol},
		InsecureSkipVerify: true, // the origin has been checked
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     s.pinged,
		OnPongReceived:     s.ponged,
	})
	if err != nil {
		s.h.engine.Log.DebugContext(ctx, "accepting a socket", "error", err)
		return false
	}
	conn.SetReadLimit(-1) // receive has its own
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.conn, s.wire = conn, hijack.conn
	s.wire.spend = s.spend // nothing was read yet
	s.mu.Unlock()
	return true
}

func (s *socket) pinged(context.Context, []byte) bool { return s.allow() }
func (s *socket) ponged(context.Context, []byte)      { s.allow() }

// serve takes the socket from its handshake to its end.
func (s *socket) serve() {
	defer s.h.engine.Door.Leave(&s.registered)
	defer s.cancel(errSocketOver)
	defer s.finish()
	defer s.broken()
	s.mu.Lock()
	leaving := s.leaving
	if !s.over {
		s.timer = flight.After(s.h.limits.Socket.Init, s.tick, s.h.caught("pinging a socket"))
	}
	s.mu.Unlock()
	switch {
	case leaving:
		s.restart()
		return
	case s.conn.Subprotocol() != transportProtocol:
		s.end(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	for s.receive() {
	}
}

// broken is deferred: it closes the socket where there was a panic.
func (s *socket) broken() {
	if p := recover(); p != nil {
		s.h.caught("serving a socket")(flight.Recovered(p))
		s.end(closeInternalError, "Internal server error")
	}
}

// finish waits until nothing of the socket is left.
func (s *socket) finish() {
	s.drop()
	<-s.closed
	s.group.Wait()
	if s.release != nil {
		s.release()
	}
}

// stop makes the socket one that is being closed, and ends what runs on it; it reports whether it was none before.
func (s *socket) stop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.stopWatch != nil {
		s.stopWatch()
	}
	s.cancel(errSocketOver)
	within := closeWithin
	if !s.acked {
		within = dropWithin
	}
	// Whatever the client sends or promises, reading ends.
	_ = s.wire.SetReadDeadline(time.Now().Add(within)) // it fails if the connection is closed, which is as well
	return true
}

// end closes the socket with a code and a reason, which clients show. It does not wait for the client to agree.
func (s *socket) end(code websocket.StatusCode, reason string) {
	if !s.stop() {
		return
	}
	flight.Go(func() {
		defer close(s.closed)
		_ = s.conn.Close(code, cut(reason, maxReason)) // the connection is closed, whatever the client said to it
	}, s.h.caught("closing a socket"))
}

// drop closes the socket without a word, where nobody would hear it.
func (s *socket) drop() {
	if !s.stop() {
		return
	}
	defer close(s.closed)
	_ = s.conn.CloseNow()
}

// leave closes the socket because the server stops, after the results that are on their way, if they come soon.
func (s *socket) leave() {
	s.mu.Lock()
	s.leaving = true
	open, wait := s.conn != nil && !s.over, s.results > 0
	if open && wait {
		s.timer.Reset(drainWithin)
	}
	s.mu.Unlock()
	if open && !wait {
		s.restart()
	}
}

// restart closes the socket in the way after which clients connect again by themselves.
func (s *socket) restart() { s.end(websocket.StatusServiceRestart, "Service restart") }

// enter makes the calling goroutine one that the socket waits for, unless it is over already.
func (s *socket) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.group.Add(1)
	}
	return !s.over
}

// tick is called when connection_init is late, then once every ping.
func (s *socket) tick() {
	if !s.enter() {
		return
	}
	defer s.group.Done()
	s.mu.Lock()
	inited, acked, leaving := s.inited, s.acked, s.leaving
	s.postpone(s.h.limits.Ping)
	s.mu.Unlock()
	switch {
	case leaving:
		s.restart()
	case !inited:
		s.end(closeTimeout, "Connection initialisation timeout")
	case !acked:
		s.end(websocket.StatusTryAgainLater, "Try again later")
	case s.wire.silence() >= missedPings*s.h.limits.Ping:
		s.end(closeTimeout, "No sign of life")
	default:
		s.say(typePing, nil)
	}
}

// allow takes one message from what the client may send, and closes the socket where there is none left.
func (s *socket) allow() bool {
	if s.rate.Allow() {
		return true
	}
	s.end(websocket.StatusPolicyViolation, "Too many messages")
	return false
}

// framesPerMessage is how many frames a message may have on average, and frameBytes how many bytes count as one more.
const framesPerMessage, frameBytes = 20, 1 << 10

// spend pays for frames, whatever is in them, and reports whether there may be more. The WebSocket package takes pings,
// pongs and empty fragments by itself, without end.
func (s *socket) spend(units int) bool {
	s.mu.Lock()
	payer := s.payer
	s.mu.Unlock()
	if s.frames.AllowN(time.Now(), units) && s.h.spend(payer, units) {
		return true
	}
	s.end(websocket.StatusPolicyViolation, "Too many messages")
	return false
}

// spend pays for what came over a socket, and reports whether its holder had as much.
func (h *Handler) spend(of edge.Holder, units int) bool {
	_, _, ok := h.frames.Take(of.Bucket(), units, time.Now())
	return ok
}

// receive handles the next message, and reports whether there may be another.
func (s *socket) receive() (more bool) {
	kind, from, err := s.conn.Reader(context.Background()) // it ends when the connection is closed
	if err != nil {
		if errors.Is(err, io.EOF) || websocket.CloseStatus(err) != -1 {
			s.drop()
		}
		s.end(websocket.StatusProtocolError, "Protocol error")
		return false
	}
	if !s.allow() {
		return false
	}
	if kind != websocket.MessageText {
		s.end(closeBadRequest, "Messages must be text.")
		return false
	}
	aside(func() { more = s.message(from) })
	return more
}

// message reads and handles a message, and reports whether there may be another.
func (s *socket) message(from io.Reader) bool {
	buffer := buffers.Get().(*[]byte)
	defer keep(buffer)
	limits := s.h.limits
	in := s.h.intake(s.caller, s.payer.Name)
	s.handed = false
	defer func() {
		if !s.handed {
			in.Done()
		}
	}()
	switch {
	case s.caller == nil:
		limits.Body = edge.SmallBody // nobody pays for it yet
	case !s.h.bulk(s.caller, s.known):
		limits.Body = limits.Envelope
	}
	if !s.read(buffer, from, limits.Body, in) {
		return false
	}
	if !utf8.Valid(*buffer) {
		s.end(websocket.StatusInvalidFramePayloadData, "Messages must be UTF-8.")
		return false
	}
	m, err := parseMessage(*buffer, limits, in)
	if err != nil {
		s.malformed(err)
		return false
	}
	return s.handle(m, in)
}

// malformed closes the socket because of a message that cannot be read, now or ever.
func (s *socket) malformed(err error) {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case !ok:
		s.refuse(err)
	case refused.status == http.StatusRequestEntityTooLarge:
		s.end(websocket.StatusMessageTooBig, err.Error())
	default:
		s.end(closeBadRequest, err.Error())
	}
}

// read reads one message, and reports whether it came to its end in time and in size, and was paid for.
func (s *socket) read(into *[]byte, from io.Reader, limit int, in *edge.Intake) bool {
	s.readBy(time.Now().Add(s.h.limits.Socket.Receive))
	defer s.readBy(time.Time{})
	b, err := in.Read(*into, from, limit)
	*into = b
	if err == nil {
		err = in.Wait(s.caller)
	}
	refused, ok := errors.AsType[*edge.Refusal](err)
	switch {
	case err == nil:
		return true
	case !ok:
		s.refuse(err) // nobody pays for it
	case refused.Why == edge.Busy:
		s.refuse(errFull)
	case refused.Why == edge.TooLarge:
		s.end(websocket.StatusMessageTooBig, fmt.Sprintf("A message may have %d bytes.", limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(closeTimeout, "The message did not come to its end in time.")
	default:
		s.drop()
	}
	return false
}

// readBy sets until when reading must be done, unless it must be done with for good.
func (s *socket) readBy(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		_ = s.wire.SetReadDeadline(t) // it fails if the connection is closed, as reading will
	}
}

// handle does what a message asks for, and reports whether there may be another.
func (s *socket) handle(m message, in *edge.Intake) bool {
	switch m.kind {
	case typeInit:
		return s.init(m)
	case typePing:
		payload := m.raw
		if len(payload) > maxPong {
			payload = nil
		}
		s.say(typePong, payload)
	case typeSubscribe:
		return s.subscribe(m, in)
	case typeComplete:
		s.mu.Lock()
		q := s.running[m.id]
		if q != nil {
			s.forget(q)
		}
		s.mu.Unlock()
		if q != nil {
			q.cancel(nil)
		}
	}
	return true
}

// init lets the client in, or not.
func (s *socket) init(m message) bool {
	s.mu.Lock()
	again := s.inited
	s.inited = true
	s.postpone(s.h.limits.Timeout)
	s.mu.Unlock()
	if again {
		s.end(closeTooManyInits, "Too many initialisation requests")
		return false
	}
	fields, err := m.authorization()
	if err != nil {
		s.end(closeBadRequest, err.Error())
		return false
	}
	r := s.from
	s.from = nil
	brought := r
	if len(fields) > 0 {
		brought = &http.Request{Header: http.Header{"Authorization": fields}}
	}
	secret, ok, err := bearer(brought)
	if err != nil {
		s.refuse(s.h.refused(s.ctx, err))
		return false
	}
	ctx, err := s.h.authenticate(s.ctx, r, secret, ok)
	if err != nil {
		s.refuse(err)
		return false
	}
	if !s.h.allowsOrigin(ctx, r) {
		s.end(closeForbidden, "Forbidden")
		return false
	}
	holds := edge.Holder{Kind: edge.Stranger}
	if ok {
		holds = s.h.key(ctx, secret)
	}
	if err := s.h.engine.Door.Claim(&s.registered, holds); err != nil {
		s.refuse(unopened(err, socketConnection))
		return false
	}
	if ok {
		s.mu.Lock()
		s.payer = holds
		s.mu.Unlock()
	}
	s.known, s.caller = ok, ctx
	if ok {
		s.caller, s.release = s.h.engine.Watch(ctx, secret)
	}
	s.mu.Lock()
	if ok && !s.over {
		s.stopWatch = flight.When(s.caller, s.revoke, s.h.caught("closing a socket"))
	}
	s.acked = true
	s.postpone(s.h.limits.Ping)
	s.mu.Unlock()
	s.say(typeAck, nil)
	return true
}

// postpone makes the next tick come after d. s.mu is held.
func (s *socket) postpone(d time.Duration) {
	if !s.over && !s.leaving {
		s.timer.Reset(d)
	}
}

// refuse closes the socket of a client that is not let in.
func (s *socket) refuse(err error) {
	shown := s.h.present(s.ctx, err)
	switch apierror.Code(codeOf(gqlerror.List{shown})) {
	case apierror.RateLimited, apierror.Overloaded:
		s.end(websocket.StatusTryAgainLater, shown.Message)
	case apierror.Internal:
		s.end(closeInternalError, shown.Message)
	default:
		s.end(closeForbidden, shown.Message)
	}
}

// revoke closes the socket because its secret lets nobody in any more.
func (s *socket) revoke() {
	if !s.enter() {
		return
	}
	defer s.group.Done()
	shown := s.h.present(context.WithoutCancel(s.caller), context.Cause(s.caller))
	s.end(closeForbidden, shown.Message)
}

// hold waits for the right to write, which the caller gives back by free. It reports false where the socket is over.
func (s *socket) hold() bool {
	select {
	case s.writing <- struct{}{}:
		if s.ctx.Err() != nil {
			s.free()
			return false
		}
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *socket) free() { <-s.writing }

// say writes a message that is about no operation.
func (s *socket) say(kind string, payload []byte) {
	if s.hold() {
		defer s.free()
		s.write(nil, kind, payload, false)
	}
}

// write writes a message, for whoever holds the right to. The connection has a deadline for it; a context's end in the
// midst of a frame would cost all operations their socket. Where more follows at once it waits for that.
func (s *socket) write(quotedID []byte, kind string, payload []byte, more bool) {
	buffer := buffers.Get().(*[]byte)
	defer keep(buffer)
	*buffer = appendMessage(append(*buffer, make([]byte, headRoom)...), quotedID, kind, payload)
	if err := s.wire.say(*buffer, more); err != nil {
		s.drop()
	}
}
