package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// build builds the program, where other users can run it too.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "zeroten")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v: %s", err, out)
	}
	return program
}

// command is a run of the program with no settings in its environment but those given.
func command(ctx context.Context, program string, environment []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ZEROTEN_") && !strings.HasPrefix(v, "DATABASE_URL=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, environment...)
	return cmd
}

// finish runs the program to its end.
func finish(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	return out.String(), errs.String(), code
}

func must(t *testing.T, program, database string, args ...string) string {
	t.Helper()
	out, errs, code := finish(t, command(t.Context(), program, []string{"DATABASE_URL=" + database, "ZEROTEN_LOG_LEVEL=WARN"}, args...))
	if code != 0 {
		t.Fatalf("%q ends with %d: %s%s", args, code, out, errs)
	}
	return out
}

func TestProgram(t *testing.T) {
	program := build(t)
	for name, test := range map[string]func(*testing.T, string){
		"help": testHelp, "wrong settings": testWrongSettings, "read-only database": testReadOnlyDatabase,
		"newer database": testNewerDatabase, "port in use": testPortInUse, "serving": testServing,
	} {
		t.Run(name, func(t *testing.T) { test(t, program) })
	}
}

// Every flag has a variable, and the help tells both.
func testHelp(t *testing.T, program string) {
	t.Helper()
	parser, err := kong.New(&app.CLI{}, app.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(false)
	if len(leaves) < 9 {
		t.Fatalf("there are %d commands", len(leaves))
	}
	overview, _, _ := finish(t, command(t.Context(), program, nil, "--help"))
	for _, leaf := range leaves {
		path := strings.Fields(strings.TrimPrefix(leaf.FullPath(), parser.Model.Name+" "))
		if !strings.Contains(overview, strings.Join(path, " ")) {
			t.Errorf("the help does not name %q: %s", path, overview)
		}
		out, errs, code := finish(t, command(t.Context(), program, nil, append(path, "--help")...))
		if code != 0 || errs != "" {
			t.Errorf("%q --help ends with %d: %s", path, code, errs)
		}
		for _, group := range leaf.AllFlags(false) {
			for _, flag := range group {
				if flag.Name == "help" {
					continue
				}
				if len(flag.Envs) != 1 || flag.Help == "" {
					t.Errorf("%q --%s has the variables %v and the help %q", path, flag.Name, flag.Envs, flag.Help)
					continue
				}
				if env := flag.Envs[0]; env != "DATABASE_URL" && env != "MAIL_URL" && !strings.HasPrefix(env, "ZEROTEN_") {
					t.Errorf("%q --%s has the variable %s", path, flag.Name, env)
				}
				if !strings.Contains(out, "--"+flag.Name) || !strings.Contains(out, "$"+flag.Envs[0]) {
					t.Errorf("the help of %q does not tell of --%s and $%s: %s", path, flag.Name, flag.Envs[0], out)
				}
			}
		}
	}
}

// internals is what no message to a person should hold.
var internals = regexp.MustCompile(`goroutine|\.go:\d|%!|\*[a-z]+\.[A-Z]|secret`)

// fails runs the program where it cannot go on, and checks that it says so in one message, and does nothing else.
func fails(t *testing.T, cmd *exec.Cmd, want string) {
	t.Helper()
	out, errs, code := finish(t, cmd)
	if cmd.Args[1] == "serve" && code != app.ExitUsage { // whose log is JSON
		var last struct{ Msg, Error string }
		if err := json.Unmarshal([]byte(errs), &last); err != nil || last.Msg != "the server has ended" {
			t.Errorf("%q says %q: %v", cmd.Args[1:], errs, err)
		}
		errs = "zeroten: " + last.Error
	}
	if code == 0 || out != "" || !strings.Contains(errs, want) || !strings.HasPrefix(errs, "zeroten: ") || internals.MatchString(errs) {
		t.Errorf("%q ends with %d, printing %q, and says %q; want %q", cmd.Args[1:], code, out, errs, want)
	}
}

func testWrongSettings(t *testing.T, program string) {
	t.Helper()
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("Not a database at all.\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.db")
	if err := os.WriteFile(cut, []byte("SQLite format 3\x00"+strings.Repeat("\xff", 5_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ database, want string }{
		{"nonsense", "sqlite:///path/to/file.db or postgres://"},
		{"", "sqlite:///path/to/file.db or postgres://"},
		{"mysql://root@localhost/x", "unknown scheme"},
		{"sqlite://", "no file named"},
		{"sqlite://" + dir + "/none/x.db", "no such file or directory"},
		{"sqlite://" + dir, "directory"},
		{"sqlite://" + noDatabase, "not a"},
		{"sqlite://" + cut, "SQLite"},
		{"postgres://user:secret@127.0.0.1:1/x?sslmode=disable", "unreachable"},
		{"postgres://user:secret@127.0.0.1:99999999/x", "database"},
		{"postgres://user:secret@%zz/x", "not a URL"},
		{"postgres://user:secret@127.0.0.1:1/x?sslmode=perhaps", "sslmode"},
	} {
		t.Run(test.database, func(t *testing.T) {
			for _, args := range [][]string{{"serve", "--listen=127.0.0.1:0"}, {"doctor"}, {"key", "list"}} {
				fails(t, command(t.Context(), program, []string{"DATABASE_URL=" + test.database}, args...), test.want)
			}
		})
	}
	if text, err := os.ReadFile(noDatabase); err != nil || !strings.HasPrefix(string(text), "Not a database at all.\n") || len(text) != 200*23 {
		t.Errorf("the file that is no database was changed: %v, %.100q", err, text)
	}
	if files, err := filepath.Glob(dir + "/*"); err != nil || len(files) != 2 {
		t.Errorf("files were left behind: %q, %v", files, err)
	}

	good := "sqlite://" + dir + "/good.db"
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--listen=nowhere"}, "nowhere"},
		{[]string{"--listen=127.0.0.1:99999"}, "99999"},
		{[]string{"--log-level=LOUD"}, "LOUD"},
		{[]string{"--unheard"}, "--unheard"},
		{[]string{"key", "create", "--scope=ROOT"}, "ROOT"},
		{[]string{"key", "create", "--tenant=Nobody"}, "no such file"},
		{[]string{"key", "revoke", "key_1"}, "no id of a key"},
		{[]string{"tenant", "create", "X", "--time-zone=Mars"}, "Mars"},
		{[]string{"tenant", "create", ""}, "name"},
	} {
		out, errs, code := finish(t, command(t.Context(), program, []string{"DATABASE_URL=" + good, "ZEROTEN_LOG_LEVEL=WARN"}, test.args...))
		if code == 0 || !strings.Contains(errs, test.want) || internals.MatchString(errs) || strings.Contains(out, "z10_") {
			t.Errorf("%q ends with %d, printing %q, and says %q", test.args, code, out, errs)
		}
	}
}

// Somebody who may not write the file is told so. Root may, and so lets another user try.
func testReadOnlyDatabase(t *testing.T, program string) {
	t.Helper()
	dir := filepath.Join(filepath.Dir(program), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "zeroten.db")
	must(t, program, "sqlite://"+file, "migrate")
	for path, mode := range map[string]os.FileMode{file: 0o444, dir: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Error(err)
		}
	})
	for _, args := range [][]string{{"serve", "--listen=127.0.0.1:0"}, {"key", "create"}, {"migrate"}} {
		cmd := command(t.Context(), program, []string{"DATABASE_URL=sqlite://" + file}, args...)
		if os.Getuid() == 0 {
			const nobody = 65534
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			cmd.Dir = "/"
		}
		fails(t, cmd, "readonly database")
	}
}

func testNewerDatabase(t *testing.T, program string) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		must(t, program, url, "migrate")
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Writer.ExecContext(t.Context(), `INSERT INTO schema_migrations (name, applied_at) VALUES ('29990101000000_later.sql', 'later')`)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"serve", "--listen=127.0.0.1:0"}, {"migrate"}, {"doctor"}, {"tenant", "list"}} {
			fails(t, command(t.Context(), program, []string{"DATABASE_URL=" + url}, args...), "29990101000000_later")
		}
	})
}

// A server whose port is taken makes nothing.
func testPortInUse(t *testing.T, program string) {
	t.Helper()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	url := storetest.SQLite(t)
	out, errs, code := finish(t, command(t.Context(), program, []string{"DATABASE_URL=" + url, "ZEROTEN_LISTEN=" + taken.Addr().String(), "ZEROTEN_LOG_LEVEL=WARN"}))
	if code == 0 || out != "" || !strings.Contains(errs, taken.Addr().String()) || !strings.Contains(errs, "in use") {
		t.Errorf("it ends with %d, printing %q, and says %q", code, out, errs)
	}
	if _, errs, code := finish(t, command(t.Context(), program, []string{"DATABASE_URL=" + url}, "tenant", "list")); code != app.ExitFailed || !strings.Contains(errs, "no such file") {
		t.Errorf("it made a database: %d, %s", code, errs)
	}
}

// server is the program, serving.
type server struct {
	cmd     *exec.Cmd
	stderr  *bytes.Buffer
	address string
	// secret is what it printed on an empty database.
	secret string
}

var (
	secrets   = regexp.MustCompile(`z10_[\w-]{43}`)
	addresses = regexp.MustCompile(`http://\S+/graphql`)
)

func serve(t *testing.T, program, url string) *server {
	t.Helper()
	s := &server{cmd: command(t.Context(), program, []string{"DATABASE_URL=" + url, "ZEROTEN_LISTEN=127.0.0.1:0"}, "serve"), stderr: &bytes.Buffer{}}
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // unless it has ended
	for lines := bufio.NewScanner(out); s.address == "" && lines.Scan(); {
		s.address = addresses.FindString(lines.Text())
		if secret := secrets.FindString(lines.Text()); secret != "" {
			s.secret = secret
		}
	}
	if s.address == "" {
		t.Fatalf("it does not serve: %s", s.stderr)
	}
	return s
}

// stop asks the server to stop, and waits until it has.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("it does not stop cleanly: %v: %s", err, s.stderr)
	}
}

func (s *server) ask(t *testing.T, secret, query string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.address, strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// From the first start to the last: keys and tenants are made and listed beside a running server, a revoked key lets
// nobody in any more, and SIGTERM ends it.
func testServing(t *testing.T, program string) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := serve(t, program, url)
		if status, text := s.ask(t, s.secret, `{ viewer { tenant { name } scopes } }`); !strings.HasPrefix(text, `{"data":{"viewer":{"tenant":{"name":"My company"},"scopes":["ADMIN"]}},`) {
			t.Errorf("the key that was printed lets in: %d %s", status, text)
		}

		out := must(t, program, url, "key", "create", "--scope=READ", "--scope=COLLECT", "--name=Dashboard")
		secret := strings.TrimSuffix(out, "\n")
		if secrets.FindString(secret) != secret {
			t.Errorf("key create prints %q", out)
		}
		if _, text := s.ask(t, secret, `{ viewer { scopes } }`); !strings.Contains(text, `["READ","COLLECT"]`) {
			t.Errorf("the new key lets in: %s", text)
		}
		list := must(t, program, url, "key", "list")
		id := ""
		for line := range strings.Lines(list) {
			if strings.Contains(line, "Dashboard") {
				id, _, _ = strings.Cut(line, " ")
			}
		}
		if strings.Count(list, "\n") != 2 || id == "" || strings.Contains(list, secret) || !strings.Contains(list, secret[:8]) {
			t.Errorf("key list prints %s", list)
		}
		must(t, program, url, "key", "revoke", id)
		for status := 0; status != http.StatusUnauthorized; status, _ = s.ask(t, secret, `{ viewer { scopes } }`) {
			if t.Context().Err() != nil {
				t.Fatal("a revoked key goes on letting in")
			}
		}
		if list := must(t, program, url, "key", "list"); !strings.Contains(list, "revoked") {
			t.Errorf("key list prints %s", list)
		}

		operator := strings.TrimSuffix(must(t, program, url, "key", "create", "--scope=operator"), "\n")
		if _, text := s.ask(t, operator, `{ tenants { totalCount } }`); !strings.Contains(text, `"totalCount":1`) {
			t.Errorf("the operator's key lets in: %s", text)
		}
		other := strings.TrimSuffix(must(t, program, url, "tenant", "create", "Øresund A/S", "--time-zone=Europe/Copenhagen"), "\n")
		if _, text := s.ask(t, other, `{ tenant { name timeZone } }`); !strings.Contains(text, `{"name":"Øresund A/S","timeZone":"Europe/Copenhagen"}`) {
			t.Errorf("the other tenant's key lets in: %s", text)
		}
		tenants := must(t, program, url, "tenant", "list")
		if strings.Count(tenants, "\n") != 2 || !strings.Contains(tenants, "My company") || !strings.Contains(tenants, "Øresund A/S") {
			t.Errorf("tenant list prints %s", tenants)
		}
		// With two of them, one has to be named.
		if _, errs, code := finish(t, command(t.Context(), program, []string{"DATABASE_URL=" + url}, "key", "create")); code == 0 || !strings.Contains(errs, "tenant") {
			t.Errorf("key create without a tenant ends with %d: %s", code, errs)
		}
		must(t, program, url, "key", "create", "--tenant=Øresund A/S", "--expires=1h")
		if doctor := must(t, program, url, "doctor"); !strings.Contains(doctor, "nothing wrong") || strings.Contains(doctor, "password") {
			t.Errorf("doctor prints %s", doctor)
		}
		s.stop(t)

		again := serve(t, program, url)
		if again.secret != "" {
			t.Errorf("the second start prints a key")
		}
		if status, _ := again.ask(t, s.secret, `{ viewer { scopes } }`); status != http.StatusOK {
			t.Errorf("after the second start the first key gives %d", status)
		}
		again.stop(t)
	})
}
