//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/lab"
	"github.com/zeroten/zeroten/internal/playground"
)

// server is zeroten in a process of its own.
type server struct {
	*lab.Server
	postgres bool
}

// serve starts a server on the database. With -profile it is one that profiles itself. Each variable is NAME=value.
func (b *bench) serve(ctx context.Context, database, name string, variables ...string) (*server, error) {
	args := []string{b.binary, "serve", "--listen", "127.0.0.1:0"}
	if b.profile != "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		args = []string{self, "serve", database, filepath.Join(b.profile, name+".pprof")}
	}
	log, err := os.OpenFile(filepath.Join(b.temp, "servers.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// One key stands for many: what it may spend is not what is measured.
	variables = append([]string{"DATABASE_URL=" + database, "ZEROTEN_RATE_BURST=100000000", "ZEROTEN_RATE_RESTORE=100000000"}, variables...)
	s, err := lab.Serve(ctx, log, args, variables...)
	if err != nil {
		return nil, err
	}
	return &server{s, strings.HasPrefix(database, "postgres")}, nil
}

// serveProfiled is the server of -profile: the same App, under the profiler.
func serveProfiled(ctx context.Context, database, path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer func() {
		pprof.StopCPUProfile()
		err = errors.Join(err, file.Close())
	}()
	a, err := app.Open(ctx, app.Config{Database: database, Log: slog.Default()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	s, err := a.Listen(ctx, "127.0.0.1:0", app.Edge{RateBurst: 100_000_000, RateRestore: 100_000_000, Mail: app.Mail{MailURL: os.Getenv("MAIL_URL")}}, playground.Page{})
	if err != nil {
		return err
	}
	if err := a.Work(ctx); err != nil {
		return err
	}
	fmt.Printf("http://%s\n", s.Addr)
	return s.Wait(ctx)
}
