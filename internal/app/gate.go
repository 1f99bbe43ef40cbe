package app

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/edge"
)

const (
	// share is how many times what is free one address may hold, as with streams: whoever takes all that he can leaves
	// something to the next.
	share = 2
	// lobby is how many connections beyond those that there may be are held for one request, which is answered at once.
	lobby = 256
	// lobbyPatience is how long such a connection lives.
	lobbyPatience = 5 * time.Second
	// fullAgain is when whoever is turned away may come again.
	fullAgain = 2 * time.Second
)

// gate is a listener that holds so many connections at once, and so many of one address. Whoever comes beyond that is not
// left waiting: he gets into the lobby, where one request is answered, and where the lobby is full he is turned away.
type gate struct {
	net.Listener

	// trusted are proxies, whose connections are those of many.
	trusted []netip.Prefix

	mu            sync.Mutex
	inside, lobby room
}

// room is where connections are held.
type room struct {
	most, each int
	open       int
	held       map[netip.Addr]int
}

func newGate(l net.Listener, most, each int, trusted []netip.Prefix) *gate {
	return &gate{
		Listener: l, trusted: trusted,
		inside: room{most: most, each: each, held: map[netip.Addr]int{}},
		lobby:  room{most: lobby, each: lobby, held: map[netip.Addr]int{}},
	}
}

// enter counts a connection, where there is room for it.
func (r *room) enter(from netip.Addr, counted bool) bool {
	free := r.most - r.open
	if free <= 0 || counted && r.held[from] >= min(r.each, share*free) {
		return false
	}
	r.open++
	r.held[from]++
	return true
}

func (r *room) leave(from netip.Addr) {
	r.open--
	if r.held[from]--; r.held[from] == 0 {
		delete(r.held, from)
	}
}

// Accept gives the next connection that is let in.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := g.admit(c); admitted != nil {
			return admitted, nil
		}
	}
}

func (g *gate) admit(c net.Conn) net.Conn {
	address := edge.PeerAddress(c.RemoteAddr().String())
	proxy := slices.ContainsFunc(g.trusted, func(p netip.Prefix) bool { return p.Contains(address) })
	a := &admitted{Conn: c, gate: g, from: edge.Network(address)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside.enter(a.from, !proxy) {
		a.room = &g.inside
		return a
	}
	if g.lobby.enter(a.from, !proxy) {
		a.room, a.until = &g.lobby, time.Now().Add(lobbyPatience)
		_ = c.SetDeadline(a.until) // it fails if the connection is closed, as all else will
		return a
	}
	// What is sent on a new connection finds room, and waits for nobody.
	_ = c.SetDeadline(time.Now().Add(time.Millisecond))
	_, _ = c.Write(turnedAway)
	_ = c.Close() // nobody is left to be told that this failed
	return nil
}

// full is the body of what is answered where there are too many connections.
const full = `{"errors":[{"message":"There are too many connections; try again.","extensions":{"code":"OVERLOADED","retryAfter":2}}]}`

var turnedAway = []byte("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: " + seconds(fullAgain) +
	"\r\nContent-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: " + strconv.Itoa(len(full)) + "\r\n\r\n" + full)

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// admitted is a connection that was let in.
type admitted struct {
	net.Conn

	gate  *gate
	room  *room
	from  netip.Addr
	until time.Time // of those in the lobby: when it ends
	once  sync.Once
}

// Close closes the connection, and makes room.
func (a *admitted) Close() error {
	a.once.Do(func() {
		a.gate.mu.Lock()
		defer a.gate.mu.Unlock()
		a.room.leave(a.from)
	})
	return a.Conn.Close()
}

// CloseWrite says that nothing follows: net/http does so before it closes, so that its answer is read.
func (a *admitted) CloseWrite() error {
	if c, ok := a.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// by is the deadline where t is asked for.
func (a *admitted) by(t time.Time) time.Time {
	if a.until.IsZero() || !t.IsZero() && t.Before(a.until) {
		return t
	}
	return a.until
}

// SetDeadline is that of net.Conn; it does not lengthen a stay in the lobby, and nor do the others.
func (a *admitted) SetDeadline(t time.Time) error { return a.Conn.SetDeadline(a.by(t)) }

// SetReadDeadline is that of net.Conn.
func (a *admitted) SetReadDeadline(t time.Time) error { return a.Conn.SetReadDeadline(a.by(t)) }

// SetWriteDeadline is that of net.Conn.
func (a *admitted) SetWriteDeadline(t time.Time) error { return a.Conn.SetWriteDeadline(a.by(t)) }

type lobbyKey struct{}

// inLobby is a http.Server's ConnContext.
func inLobby(ctx context.Context, c net.Conn) context.Context {
	if a, ok := c.(*admitted); ok && !a.until.IsZero() {
		return context.WithValue(ctx, lobbyKey{}, true)
	}
	return ctx
}

// received answers the requests of the lobby: those that ask how the server is, and no others.
func received(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(lobbyKey{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header.Set("Connection", "close")
		if asksHowItIs(r) {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Content-Type", "application/json; charset=utf-8")
		header.Set("Cache-Control", "no-store")
		header.Set("Retry-After", seconds(fullAgain))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(full)) // nobody is left to be told that this failed
	})
}

// asksHowItIs reports whether a request is a probe of an operator's.
func asksHowItIs(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}
