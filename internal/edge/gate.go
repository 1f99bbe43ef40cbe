package edge

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// Lobby is how many connections beyond those that there may be are held for one request, which is answered at once.
	Lobby = 256
	// lobbyPatience is how long such a connection lives.
	lobbyPatience = 5 * time.Second
	// fullAgain is when whoever is turned away may come again.
	fullAgain = 2 * time.Second
)

// gate is a listener that holds so many connections at once, and so many of one address. Whoever comes beyond that is not
// left waiting: he gets into the lobby, where one request is answered, and where the lobby is full he is turned away.
type gate struct {
	net.Listener

	// proxies are those that are trusted, whose connections are those of many.
	proxies []netip.Prefix
	// turnedAway is what those are answered for whom there is not even a place in the lobby.
	turnedAway []byte

	mu            sync.Mutex
	inside, lobby hall
}

// hall is where connections are held.
type hall struct {
	most, each int
	open       int
	held       map[netip.Addr]int
}

// Listen is l with as many connections at once as there may be. The server that accepts them needs ConnContext, and its
// handler must stand behind Receive.
func (d *Door) Listen(l net.Listener) net.Listener {
	full := d.config.Full
	return &gate{
		Listener: l, proxies: d.config.Proxies,
		turnedAway: []byte("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: " + seconds(fullAgain) +
			"\r\nContent-Type: " + full.Type + "\r\nCache-Control: no-store\r\nContent-Length: " + strconv.Itoa(len(full.Body)) + "\r\n\r\n" + full.Body),
		inside: hall{most: d.config.Connections, each: d.config.ConnectionsPerAddress, held: map[netip.Addr]int{}},
		lobby:  hall{most: Lobby, each: Lobby, held: map[netip.Addr]int{}},
	}
}

// enter counts a connection, where there is room for it.
func (h *hall) enter(from netip.Addr, counted bool) bool {
	free := h.most - h.open
	if free <= 0 || counted && (h.held[from] >= h.each || !fair(h.held[from]+1, free)) {
		return false
	}
	h.open++
	h.held[from]++
	return true
}

func (h *hall) leave(from netip.Addr) {
	h.open--
	if h.held[from]--; h.held[from] == 0 {
		delete(h.held, from)
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
	address := PeerAddress(c.RemoteAddr().String())
	proxy := slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(address) })
	a := &admitted{Conn: c, gate: g, from: Network(address)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside.enter(a.from, !proxy) {
		a.hall = &g.inside
		return a
	}
	if g.lobby.enter(a.from, !proxy) {
		a.hall, a.until = &g.lobby, time.Now().Add(lobbyPatience)
		_ = c.SetDeadline(a.until) // it fails if the connection is closed, as all else will
		return a
	}
	// What is sent on a new connection finds room, and waits for nobody.
	_ = c.SetDeadline(time.Now().Add(time.Millisecond))
	_, _ = c.Write(g.turnedAway)
	_ = c.Close() // nobody is left to be told that this failed
	return nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// admitted is a connection that was let in.
type admitted struct {
	net.Conn

	gate  *gate
	hall  *hall
	from  netip.Addr
	until time.Time // of those in the lobby: when it ends
	once  sync.Once
}

// Close closes the connection, and makes room.
func (a *admitted) Close() error {
	a.once.Do(func() {
		a.gate.mu.Lock()
		defer a.gate.mu.Unlock()
		a.hall.leave(a.from)
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

// ConnContext is a http.Server's: by it Receive knows the lobby.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if a, ok := c.(*admitted); ok && !a.until.IsZero() {
		return context.WithValue(ctx, lobbyKey{}, true)
	}
	return ctx
}

// Receive answers the requests of the lobby: those that probe passes, which ask how the server is, and no others.
func (d *Door) Receive(next http.Handler, probe func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(lobbyKey{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header.Set("Connection", "close")
		if probe(r) {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Content-Type", d.config.Full.Type)
		header.Set("Cache-Control", "no-store")
		header.Set("Retry-After", seconds(fullAgain))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(d.config.Full.Body)) // nobody is left to be told that this failed
	})
}
