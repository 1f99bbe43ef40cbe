//go:build linux

package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Build builds the program below root as users run it, into dir, and returns its path.
func Build(ctx context.Context, root, dir string) (string, error) {
	binary := filepath.Join(dir, "zeroten")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building zeroten: %w: %s", err, out)
	}
	return binary, nil
}

// Server is zeroten in a process of its own.
type Server struct {
	// Port is where it listens on 127.0.0.1.
	Port int
	// Secret is that of the first ADMIN key, where the server made it.
	Secret string
	// Started is how long it took from the start to the first answer.
	Started time.Duration

	cmd *exec.Cmd
}

var (
	address = regexp.MustCompile(`http://127\.0\.0\.1:(\d+)`)
	secret  = regexp.MustCompile(`^\s+(z10_\S+)$`)
)

// Serve starts a server with the command line and the variables, each as NAME=value, and waits for its first answer.
// Its log goes to log.
func Serve(ctx context.Context, log io.Writer, args []string, variables ...string) (*Server, error) {
	//nolint:noctx // it is stopped by Stop, after the context's end too
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s := &Server{cmd: cmd}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting zeroten: %w", err)
	}
	for lines := bufio.NewScanner(out); s.Port == 0; {
		if !lines.Scan() {
			return nil, fmt.Errorf("zeroten did not start: %w", errors.Join(lines.Err(), cmd.Wait()))
		}
		if found := secret.FindStringSubmatch(lines.Text()); found != nil {
			s.Secret = found[1]
		}
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			if s.Port, err = strconv.Atoi(found[1]); err != nil {
				return nil, err
			}
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // it ends with the process
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"?query=%7B__typename%7D", nil)
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking the server: %w", err), s.Stop())
	}
	s.Started = time.Since(began)
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// URL is the API's address.
func (s *Server) URL() string { return fmt.Sprintf("http://127.0.0.1:%d/graphql", s.Port) }

// PID is that of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop has the server end as it should, and waits for it.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping zeroten: %w", err)
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("stopping zeroten: %w", err)
	}
	return nil
}

// Kill ends the process without its leave.
func (s *Server) Kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing zeroten: %w", err)
	}
	_ = s.cmd.Wait() // it says that it was killed
	return nil
}

// Memory reads one of the kernel's figures, VmRSS (now) or VmHWM (at most so far), in MiB.
func (s *Server) Memory(what string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
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

// Processor is how much time of a processor the process has taken so far, in steps of 10 ms.
func (s *Server) Processor() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		return 0, err
	}
	// After the name, which may hold anything, the 12th and 13th are user and system time: proc_pid_stat(5).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// ForgetPeak makes VmHWM begin anew.
func (s *Server) ForgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID()), []byte("5"), 0o600)
}
