//go:build unix

// Package pgtest gives tests a PostgreSQL database of their own.
package pgtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lib/pq"
)

// errNoServer says that there is nothing on this machine to test with.
var errNoServer = errors.New("no PostgreSQL: set TEST_DATABASE_URL, or put initdb and pg_ctl on the PATH or below /usr/lib/postgresql")

// URL makes an empty database, which is dropped when the test ends, and returns its address for lib/pq.
//
// The server is that of TEST_DATABASE_URL, whose user must be allowed to create databases. Where that is not set,
// the test process starts one cluster for all its tests from the machine's own programs; it ends with the process,
// however that ends. Where there are no such programs either, the test is skipped.
func URL(t testing.TB) string {
	t.Helper()
	found, err := server()
	if errors.Is(err, errNoServer) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}

	name := "zeroten_test_" + strings.ToLower(rand.Text())
	if err := execute(found.address, `CREATE DATABASE `+pq.QuoteIdentifier(name)+` TEMPLATE template0 ENCODING 'UTF8'`); err != nil {
		t.Fatalf("creating a database for the test: %v", err)
	}
	t.Cleanup(func() {
		// A test that failed may have left connections open.
		if err := execute(found.address, `DROP DATABASE `+pq.QuoteIdentifier(name)+` WITH (FORCE)`); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	database := *found.address
	database.Path = "/" + name
	return database.String()
}

// cluster is the server that the tests use.
type cluster struct {
	// address is that of the server's own database.
	address *url.URL
	// hold is the pipe whose closing ends a cluster of our own. It is kept here since an open file that nothing
	// refers to is closed by the garbage collector.
	hold *os.File
}

// server is looked for once: a test process has one server, hence the package's only variable.
var server = sync.OnceValues(func() (cluster, error) {
	if text := os.Getenv("TEST_DATABASE_URL"); text != "" {
		address, err := parse(text)
		return cluster{address: address}, err
	}
	return start()
})

// parse reads TEST_DATABASE_URL, and sets what lib/pq would otherwise leave to chance.
func parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// The text may hold a password: don't show it.
		return nil, errors.New("TEST_DATABASE_URL is no address like postgres://user:password@host:5432/database")
	}
	query := u.Query()
	for key, value := range map[string]string{"sslmode": "disable", "connect_timeout": "5"} {
		if !query.Has(key) {
			query.Set(key, value)
		}
	}
	u.RawQuery = query.Encode()
	return u, nil
}

func execute(server *url.URL, statement string) error {
	db, err := sql.Open("postgres", server.String())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), statement)
	return errors.Join(err, db.Close())
}

// held says where the cluster is, and waits for the end of its input, with which the cluster goes. Since the kernel closes
// the test process's end of the pipe whichever way that process ends, nothing is left behind, and no test needs a TestMain.
const held = `echo "$TEST_DATABASE_URL"; exec >/dev/null 2>&1; cat`

// start has scripts/postgres make a throw-away cluster for the life of this process.
func start() (cluster, error) {
	script, err := script()
	if err != nil {
		return cluster{}, err
	}
	ctx := context.Background() // it ends with the process, and with no context
	if err := exec.CommandContext(ctx, script, "find").Run(); err != nil {
		return cluster{}, errNoServer
	}
	input, hold, err := os.Pipe()
	if err != nil {
		return cluster{}, err
	}
	cmd := exec.CommandContext(ctx, script, "run", "sh", "-c", held)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TMPDIR=" + os.TempDir()}
	// A session of its own: Ctrl-C is for the tests, whose end then ends the cluster.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = input
	var said bytes.Buffer
	cmd.Stderr = &said
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err = errors.Join(err, input.Close()); err != nil {
		return cluster{}, errors.Join(err, hold.Close())
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return cluster{}, fmt.Errorf("starting a PostgreSQL cluster: %w: %s", errors.Join(cmd.Wait(), hold.Close()), &said)
	}
	address, err := parse(strings.TrimSpace(line))
	return cluster{address: address, hold: hold}, err
}

// script is scripts/postgres, which lies beside the module's go.mod, above the directory of whatever is tested.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "scripts", "postgres"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no module around the tests, and so no scripts/postgres")
		}
	}
}
