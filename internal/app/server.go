package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroten/zeroten/docs"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/graph/engine"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/survey/web"
	"github.com/zeroten/zeroten/internal/survey/widget"
)

// Server serves an App over HTTP.
type Server struct {
	// Addr is where it listens, MetricsAddr where its metrics are; nil where they are not served.
	Addr, MetricsAddr net.Addr

	log           *slog.Logger
	http, metrics *http.Server
	served        chan error
	stopping      *atomic.Bool
	unused        *unused
	// within is how long stopping may take.
	within time.Duration
	drain  func(context.Context) error
	// open is how many streams and sockets are open.
	open func() int
}

const (
	// stopTimeout is how long requests in flight may take when the server stops.
	stopTimeout = 6 * time.Second
	// unusedTimeout is how long a connection on which no request has come yet is waited for when the server stops. A client
	// that opens connections to have some leaves them so; net/http waits five to six seconds for each.
	unusedTimeout = 500 * time.Millisecond
	// writeTimeout is how long an answer may take, streams apart.
	writeTimeout = 90 * time.Second
)

// Listen begins to serve on the address, e.g. `127.0.0.1:8080`; with port 0 on a free one.
func (a *App) Listen(ctx context.Context, address string, edge Edge, page playground.Page) (*Server, error) {
	doors, err := openDoors(ctx, address, edge)
	if err != nil {
		return nil, err
	}
	s, err := a.serve(doors, edge, page, nil)
	if err != nil {
		doors.close()
	}
	return s, err
}

// doors are the addresses that a server has taken, so that nobody else can; metrics may be nil.
type doors struct{ main, metrics net.Listener }

// openDoors takes the addresses. That is done before a database is opened, and made where it is not there yet: a server
// that cannot serve leaves nothing behind.
func openDoors(ctx context.Context, address string, edge Edge) (d doors, err error) {
	if err := edge.check(); err != nil {
		return d, err
	}
	if edge.TrustedDocuments != "" {
		config := engine.OperationsConfig{TrustedDocuments: edge.TrustedDocuments}
		if _, err := engine.NewOperations(graph.Schema(&graph.Resolver{}).Schema(), config); err != nil {
			return d, usage("--trusted-documents: %w", err)
		}
	}
	if d.main, err = listen(ctx, address, "--listen"); err != nil {
		return d, err
	}
	if err := edge.Mail.check(edge.site(d.main.Addr())); err != nil {
		d.close()
		return d, err
	}
	if edge.MetricsListen != "" {
		if d.metrics, err = listen(ctx, edge.MetricsListen, "--metrics-listen"); err != nil {
			d.close()
			return d, err
		}
	}
	return d, nil
}

// close closes what a server has not closed already.
func (d doors) close() {
	_ = d.main.Close()
	if d.metrics != nil {
		_ = d.metrics.Close()
	}
}

// listen takes the address. flag is how to choose another.
func listen(ctx context.Context, address, flag string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if addr := (*net.AddrError)(nil); errors.As(err, &addr) {
		return nil, usage("%s %s: %s", flag, address, addr.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w (choose another with %s)", address, err, flag)
	}
	return listener, nil
}

// serve serves behind the doors, which are closed when the server stops. more are further paths.
func (a *App) serve(doors doors, flags Edge, page playground.Page, more map[string]http.Handler) (*Server, error) {
	if err := flags.check(); err != nil {
		return nil, err
	}
	s := &Server{Addr: doors.main.Addr(), log: a.log, served: make(chan error, 2), stopping: &atomic.Bool{}, unused: &unused{}, within: stopTimeout}
	door := a.door(flags)
	site := flags.site(s.Addr)
	api, err := a.api(flags, door, site)
	if err != nil {
		return nil, err
	}
	hooks, err := a.hooks(&flags.Mail, door)
	if err != nil {
		return nil, err
	}
	a.warn(site)
	a.startMailer()
	s.drain, s.open = api.Shutdown, api.Open
	if doors.metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", a.Observe.Handler())
		s.MetricsAddr, s.metrics = doors.metrics.Addr(), a.httpServer(mux)
		a.goServe(s.metrics, doors.metrics, s.served)
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	if flags.TrustedDocuments == "" { // which are all that strangers may learn, where there are some
		page.Schema = docs.Schema
	}
	explore := page.Handler("/playground", "/graphql")
	mux.Handle("GET /playground", explore)
	mux.Handle("GET /playground/", explore)
	pages := web.New(web.Config{Book: a.Book, Desk: a.Desk, Door: door, Keys: a.Keys, Widget: widget.Script, Now: a.now, Log: a.log,
		Unsubscribe: a.Outreach.Unsubscribe, Resubscribe: a.Outreach.Resubscribe, Unsubscribed: a.Outreach.Unsubscribed})
	for _, path := range []string{"/s/", "/b/", "/page.js", "/w/", "/widget.js", "/u/"} {
		mux.Handle(path, pages)
	}
	mux.Handle("/hooks/mail/", hooks)
	for path, handler := range more {
		mux.Handle(path, handler)
	}
	// Browsers ask for one of each page that names none.
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("GET /{$}", http.RedirectHandler("/playground", http.StatusFound))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health{OK: true}.write(w) })
	mux.Handle("GET /readyz", &readiness{app: a, stopping: s.stopping})
	s.http = a.httpServer(door.Receive(a.Observe.Requests(door.Polite(mux, isPaid, asksHowItIs), isProbe), asksHowItIs))
	s.http.ConnContext = edge.ConnContext
	s.http.ConnState = func(c net.Conn, state http.ConnState) {
		s.unused.note(c, state)
		a.countConnection(state)
	}
	a.goServe(s.http, door.Listen(doors.main), s.served)
	return s, nil
}

// goServe serves until that fails, and tells why.
func (a *App) goServe(server *http.Server, listener net.Listener, served chan<- error) {
	flight.Go(func() {
		served <- flight.Run(func() error { return server.Serve(listener) })
	}, flight.Logged(a.log, "serving"))
}

func (a *App) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           edge.Guarded(handler),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          observe.ErrorLog(a.log),
	}
}

// asksHowItIs reports whether a request is a probe of an operator's.
func asksHowItIs(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}

// isPaid reports whether a request is paid for with points, or by what pages are counted with.
func isPaid(r *http.Request) bool {
	return r.URL.Path == "/graphql" && (r.Method == http.MethodPost || r.Method == http.MethodGet) || strings.HasPrefix(r.URL.Path, "/s/") ||
		strings.HasPrefix(r.URL.Path, "/u/") || strings.HasPrefix(r.URL.Path, "/hooks/mail/") ||
		strings.HasPrefix(r.URL.Path, "/w/") && r.Method != http.MethodOptions
}

// Wait waits until the context is done, or serving fails, and then stops: nothing new is taken, sockets and streams are
// told to come back, and requests in flight are answered. Whoever has not sent a request to its end by then, or does not
// read its answer, is cut off: that is for the log, not an error, for any client could make it one.
func (s *Server) Wait(ctx context.Context) error {
	var failed error
	select {
	case err := <-s.served:
		failed = fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		select { // both may have come
		case err := <-s.served:
			failed = fmt.Errorf("serving: %w", err)
		default:
		}
	}
	s.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.within)
	defer cancel()
	drained := make(chan error, 1)
	s.http.RegisterOnShutdown(func() { drained <- s.drain(ctx) })
	flight.Go(func() { s.unused.end(ctx) }, flight.Logged(s.log, "closing unused connections"))
	errs := []error{failed}
	if err := s.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests that were not over in time are cut off", "seconds", s.within.Seconds())
		errs = append(errs, s.http.Close())
	} else if err != nil {
		errs = append(errs, fmt.Errorf("stopping: %w", err), s.http.Close())
	}
	if err := <-drained; errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("sockets and streams that were not over in time are cut off", "seconds", s.within.Seconds())
	} else if err != nil {
		errs = append(errs, fmt.Errorf("ending sockets and streams: %w", err))
	}
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
	}
	return errors.Join(errs...)
}

// unused are the connections on which no request, or not all of its head, has come yet.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// note is told a http.Server's connections.
func (u *unused) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.conns, c)
		return
	}
	if u.conns == nil {
		u.conns = map[net.Conn]struct{}{}
	}
	u.conns[c] = struct{}{}
}

// end has the server give up those that are still unused after unusedTimeout, until the context is done or there are none.
// By a deadline, so that one of which the server has just taken a request is not hurt.
func (u *unused) end(ctx context.Context) {
	for wait := unusedTimeout; ; wait = unusedTimeout / 5 { // again, as the server may be about to set a deadline of its own
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		u.mu.Lock()
		for c := range u.conns {
			_ = c.SetReadDeadline(time.Now()) // it fails if the connection is closed, which is what is wanted
		}
		none := len(u.conns) == 0
		u.mu.Unlock()
		if none {
			return
		}
	}
}
