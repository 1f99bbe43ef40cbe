package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/observe"
	"golang.org/x/net/netutil"
)

// Server serves an App over HTTP.
type Server struct {
	// Addr is where it listens, MetricsAddr where its metrics are; nil where they are not served.
	Addr, MetricsAddr net.Addr

	http, metrics *http.Server
	served        chan error
	stopping      *atomic.Bool
	drain         func(context.Context) error
	// open is how many streams and sockets are open.
	open func() int
}

const (
	// stopTimeout is how long requests in flight may take when the server stops.
	stopTimeout = 6 * time.Second
	// writeTimeout is how long an answer may take, streams apart.
	writeTimeout = 90 * time.Second
)

// Listen begins to serve on the address, e.g. `127.0.0.1:8080`; with port 0 on a free one.
func (a *App) Listen(ctx context.Context, address string, edge Edge, playground graph.Playground) (*Server, error) {
	listener, err := listen(ctx, address, "--listen")
	if err != nil {
		return nil, err
	}
	s, err := a.serve(ctx, listener, edge, playground)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

// listen takes the address, so that nobody else can. flag is how to choose another.
func listen(ctx context.Context, address, flag string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w (choose another with %s)", address, err, flag)
	}
	return listener, nil
}

// serve serves on the listener, which is closed when the server stops.
func (a *App) serve(ctx context.Context, listener net.Listener, edge Edge, playground graph.Playground) (*Server, error) {
	if err := edge.check(); err != nil {
		return nil, err
	}
	s := &Server{Addr: listener.Addr(), served: make(chan error, 2), stopping: &atomic.Bool{}}
	api, err := a.API(edge)
	if err != nil {
		return nil, err
	}
	s.drain, s.open = api.Shutdown, api.Open
	if edge.MetricsListen != "" {
		metrics, err := listen(ctx, edge.MetricsListen, "--metrics-listen")
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", a.Observe.Handler())
		s.MetricsAddr, s.metrics = metrics.Addr(), a.httpServer(mux)
		go func() { s.served <- s.metrics.Serve(metrics) }()
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("GET /playground", playground.Handler("/graphql"))
	mux.Handle("GET /{$}", http.RedirectHandler("/playground", http.StatusFound))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health{OK: true}.write(w) })
	mux.Handle("GET /readyz", &readiness{app: a, stopping: s.stopping})
	s.http = a.httpServer(a.Observe.Requests(mux, isProbe))
	s.http.ConnState = a.countConnection
	go func() { s.served <- s.http.Serve(netutil.LimitListener(listener, edge.MaxConnections)) }()
	return s, nil
}

func (a *App) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          observe.ErrorLog(a.log),
	}
}

// Wait waits until the context is done, or serving fails, and then stops: nothing new is taken, sockets and streams are
// told to come back, and requests in flight are answered.
func (s *Server) Wait(ctx context.Context) error {
	var failed error
	select {
	case err := <-s.served:
		failed = fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	drained := make(chan error, 1)
	s.http.RegisterOnShutdown(func() { drained <- s.drain(ctx) })
	errs := []error{failed}
	if err := s.http.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("stopping: %w", err), s.http.Close())
	}
	if err := <-drained; err != nil {
		errs = append(errs, fmt.Errorf("ending sockets and streams: %w", err))
	}
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
	}
	return errors.Join(errs...)
}
