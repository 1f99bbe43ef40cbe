package app_test

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// build builds the program as users run it.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "zeroten")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return program
}

var shown = regexp.MustCompile(`^\s+(z10_\S+)$`)

// starting is a server that comes up.
type starting struct {
	command *exec.Cmd
	out     io.Reader
	log     lines
	address string
	secrets []string
}

func serve(t *testing.T, program, url string) *starting {
	t.Helper()
	s := &starting{command: exec.Command(program, "serve", "--database", url, "--listen", "127.0.0.1:0")}
	s.command.Stderr = &s.log
	var err error
	if s.out, err = s.command.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.command.Process.Kill() // it may have ended
		_ = s.command.Wait()
	})
	return s
}

// up waits until it serves.
func (s *starting) up(t *testing.T) {
	for lines := bufio.NewScanner(s.out); s.address == "" && lines.Scan(); {
		if found := shown.FindStringSubmatch(lines.Text()); found != nil {
			s.secrets = append(s.secrets, found[1])
		}
		s.address = strings.TrimSuffix(served.FindString(lines.Text()), "/graphql")
	}
	if s.address == "" {
		_ = s.command.Wait()
		t.Errorf("a process did not start: %s", s.log.String())
	}
}

// TestStartTogether starts four processes at once on an empty database: they make one tenant, and all serve.
func TestStartTogether(t *testing.T) {
	program := build(t)
	storetest.EachURL(t, func(t *testing.T, url string) {
		var all []*starting
		for range 4 {
			all = append(all, serve(t, program, url))
		}
		var secrets []string
		for _, s := range all {
			s.up(t)
			secrets = append(secrets, s.secrets...)
		}
		if len(secrets) != 1 {
			t.Fatalf("%d keys were shown", len(secrets))
		}
		for _, s := range all {
			answer, body := get(t, http.MethodPost, s.address+"/graphql", `{"query": "{ tenant { name } }"}`,
				map[string]string{"Authorization": "Bearer " + secrets[0], "Content-Type": "application/json"})
			if answer.StatusCode != http.StatusOK || !strings.Contains(body, "My company") {
				t.Errorf("%d %s\n%s", answer.StatusCode, body, s.log.String())
			}
			if answer, body := get(t, http.MethodGet, s.address+"/readyz", "", nil); answer.StatusCode != http.StatusOK {
				t.Errorf("%d %s", answer.StatusCode, body)
			}
		}
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if n, err := db.Ent.Tenant.Query().Count(auth.ForSystem(t.Context())); err != nil || n != 1 {
			t.Errorf("%d tenants, %v", n, err)
		}
	})
}
