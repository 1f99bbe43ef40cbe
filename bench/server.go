//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/app"
)

// build builds the program as users run it.
func (b *bench) build(ctx context.Context) error {
	binary := filepath.Join(b.temp, "zeroten")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building zeroten: %w: %s", err, out)
	}
	b.server = []string{binary, "serve", "--listen", "127.0.0.1:0"}
	return nil
}

// server is zeroten in a process of its own.
type server struct {
	cmd  *exec.Cmd
	port int
	// started is how long it took from the start to the first answer.
	started  time.Duration
	postgres bool
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:(\d+)`)

// serve starts a server on the database. With -profile it is one that profiles itself.
func (b *bench) serve(ctx context.Context, database, name string) (*server, error) {
	args := b.server
	if b.profile != "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		args = []string{self, "serve", database, filepath.Join(b.profile, name+".pprof")}
	}
	//nolint:noctx // it is stopped by stop, after the context's end too
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+database)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, postgres: strings.HasPrefix(database, "postgres")}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting zeroten: %w", err)
	}
	for lines := bufio.NewScanner(out); s.port == 0; {
		if !lines.Scan() {
			return nil, fmt.Errorf("zeroten did not start: %w", errors.Join(lines.Err(), cmd.Wait()))
		}
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			if s.port, err = strconv.Atoi(found[1]); err != nil {
				return nil, err
			}
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/graphql?query=%%7B__typename%%7D", s.port), nil)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking the server: %w", err), s.stop())
	}
	s.started = time.Since(began)
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping zeroten: %w", err)
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("stopping zeroten: %w", err)
	}
	return nil
}

// memory reads one of the kernel's figures, VmRSS (now) or VmHWM (at most so far), in MiB.
func (s *server) memory(what string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, what+":"); ok {
			kB, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kB / 1024, err
		}
	}
	return 0, fmt.Errorf("the kernel does not say %s", what)
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
	s, err := a.Listen(ctx, "127.0.0.1:0", graph.Playground{})
	if err != nil {
		return err
	}
	if err := a.Work(ctx); err != nil {
		return err
	}
	fmt.Printf("http://%s\n", s.Addr)
	return s.Wait(ctx)
}
