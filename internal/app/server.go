package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/feedback"
)

// Server serves an App over HTTP.
type Server struct {
	// Addr is where it listens.
	Addr net.Addr

	http   *http.Server
	served chan error
}

// stopTimeout is how long requests in flight may take when the server stops.
const stopTimeout = 8 * time.Second

// Listen begins to serve on the address, e.g. `127.0.0.1:8080`; with port 0 on a free one.
func (a *App) Listen(ctx context.Context, address string, playground graph.Playground) (*Server, error) {
	listener, err := listen(ctx, address)
	if err != nil {
		return nil, err
	}
	return a.serve(listener, playground), nil
}

// listen takes the address, so that nobody else can.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w (choose another with --listen)", address, err)
	}
	return listener, nil
}

func (a *App) serve(listener net.Listener, playground graph.Playground) *Server {
	mux := http.NewServeMux()
	mux.Handle("/graphql", graph.Handler(&graph.Resolver{
		DB: a.DB, Log: a.Log, Finder: feedback.NewFinder(a.DB), States: a.States, Builder: a.Builder, Insight: a.Insight,
	}, a.Keys.Authenticate, a.log))
	mux.Handle("GET /playground", playground.Handler("/graphql"))
	mux.Handle("GET /{$}", http.RedirectHandler("/playground", http.StatusFound))
	s := &Server{
		Addr: listener.Addr(),
		http: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       60 * time.Second,
			WriteTimeout:      90 * time.Second,
			IdleTimeout:       120 * time.Second,
		},
		served: make(chan error, 1),
	}
	go func() { s.served <- s.http.Serve(listener) }()
	return s
}

// Wait waits until the context is done, or serving fails, and then stops: requests in flight are answered first.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case err := <-s.served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stopping: %w", err), s.http.Close())
	}
	return nil
}
