package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// deaf is a job that does not end when it is told to.
type deaf struct{}

func (deaf) Kind() string { return "deaf" }

// spoken is what was logged, as far as there is room for it.
type spoken chan string

func (s spoken) Write(b []byte) (int, error) {
	select {
	case s <- string(b):
	default:
	}
	return len(b), nil
}

// TestCloseLeavesJobs closes while a job takes as long as it likes: that is no failure, since the job is done again, and it is said.
func TestCloseLeavesJobs(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		log := make(spoken, 100)
		a, err := Open(t.Context(), Config{Database: url, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		job.Handle(a.jobs, func(context.Context, deaf) error {
			close(begun)
			<-release
			close(ended)
			return nil
		}, job.Options{})
		err = a.DB.Write(t.Context(), func(tx *store.Tx) error { return a.jobs.Insert(t.Context(), tx, deaf{}) })
		if err == nil {
			err = a.Work(t.Context())
		}
		if err != nil {
			close(release)
			t.Fatal(errors.Join(err, a.Close()))
		}
		<-begun
		err = a.Close()
		said := false
		for len(log) > 0 {
			said = said || strings.Contains(<-log, "jobs are left as they are")
		}
		close(release)
		<-ended
		if err != nil || !said {
			t.Errorf("closing says %v, and that jobs are left %t", err, said)
		}
	})
}

// TestStoppingIsNotHeldUp stops a server while clients hold connections that nothing comes on: those without a request are
// not waited for, and a request that never ends is cut off, said, and no failure.
func TestStoppingIsNotHeldUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sent, said string
		within           time.Duration
	}{
		// net/http itself gives such connections up after five seconds, and after ReadHeaderTimeout.
		{"nothing was sent", "", "", 4 * time.Second},
		{"half a head was sent", "POST /graphql HTTP/1.1\r\nHost: a\r\n", "", 4 * time.Second},
		{"a body is missing", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\nAuthorization: Bearer SECRET\r\n\r\n", "requests that were not over in time are cut off", time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := make(spoken, 100)
			a, s := serving(t, slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}), Edge{})
			s.within = test.within
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			secret, err := a.First(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(strings.Replace(test.sent, "SECRET", secret, 1))); err != nil {
				t.Fatal(err)
			}
			held := func() bool { // by the server, as what was sent has it
				s.unused.mu.Lock()
				defer s.unused.mu.Unlock()
				return a.connections.Load() == 1 && (len(s.unused.conns) == 1) == (test.said == "")
			}
			for !held() {
				runtime.Gosched()
			}
			if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 64)
			if test.said != "" { // it has begun to read the body
				if n, err := conn.Read(answer); !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 100 ") {
					t.Fatalf("answered %q, %v", answer[:n], err)
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			stop()
			if err := s.Wait(ctx); err != nil {
				t.Error(err)
			}
			if n, err := conn.Read(answer); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection is still open: %q, %v", answer[:n], err)
			}
			said := ""
			for len(log) > 0 {
				said += <-log
			}
			if test.said == "" && said != "" || !strings.Contains(said, test.said) {
				t.Errorf("said %q, want %q", said, test.said)
			}
		})
	}
}

// TestAFailedServerWasNotInterrupted has serving fail: what is said is that, though a signal has come meanwhile.
func TestAFailedServerWasNotInterrupted(t *testing.T) {
	t.Parallel()
	_, s := serving(t, slog.DiscardHandler, Edge{})
	s.served <- errors.New("no more files")
	signalled, signal := context.WithCancel(t.Context())
	signal()
	failed := (&Globals{}).wait(signalled, s)
	if code, err := exitCode(signalled, failed); code != ExitFailed || err == nil || !strings.Contains(err.Error(), "no more files") {
		t.Errorf("ends with %d and %v", code, err)
	}
	if code, err := exitCode(signalled, errors.New("a driver's words")); code != ExitInterrupted || !errors.Is(err, errInterrupted) {
		t.Errorf("a command that a signal ended ends with %d and %v", code, err)
	}
}
