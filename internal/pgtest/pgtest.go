//go:build unix

// Package pgtest gives tests a PostgreSQL database of their own.
package pgtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
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

// supervise is the program that owns a cluster: it makes it, starts it, says so, waits for the end of its input,
// stops it and removes it. Since the kernel closes the test process's end of the pipe whichever way that process ends,
// nothing is left behind, and no test needs a TestMain.
//
// Its arguments are the directory of PostgreSQL's programs, an empty directory and a port; its first line of input is
// the password. Nothing in the cluster outlives the tests, so it need not survive a crash of the machine.
const supervise = `
cd "$2" || exit
read -r password
echo "$password" >password
if "$1/initdb" -D data --username=postgres --pwfile=password --auth=scram-sha-256 \
		--encoding=UTF8 --locale=C.UTF-8 --no-sync >log 2>&1 &&
	"$1/pg_ctl" -D data -l log -w -t 60 start -o "-p $3 -c listen_addresses=127.0.0.1 \
		-c unix_socket_directories= -c max_connections=200 -c shared_buffers=64MB \
		-c fsync=off -c full_page_writes=off -c synchronous_commit=off" >>log 2>&1
then
	echo ready
	exec >/dev/null 2>&1
	cat
	"$1/pg_ctl" -D data -m immediate stop
else
	cat log
fi
cd /
rm -rf "$2"
`

// start makes a throw-away cluster for the life of this process.
func start() (cluster, error) {
	programs, err := findPrograms()
	if err != nil {
		return cluster{}, err
	}
	// A port that is free now may be taken a moment later, by another package's tests for one.
	for range 3 {
		var c cluster
		if c, err = startOn(programs); err == nil {
			return c, nil
		}
	}
	return cluster{}, fmt.Errorf("starting a PostgreSQL cluster with the programs in %s: %w", programs, err)
}

func startOn(programs string) (cluster, error) {
	port, err := freePort()
	if err != nil {
		return cluster{}, err
	}
	dir, err := os.MkdirTemp("", "zeroten-pgtest-")
	if err != nil {
		return cluster{}, err
	}
	attributes, err := unprivileged(dir)
	if err != nil {
		return cluster{}, errors.Join(err, os.RemoveAll(dir))
	}
	input, hold, err := os.Pipe()
	if err != nil {
		return cluster{}, errors.Join(err, os.RemoveAll(dir))
	}
	//nolint:noctx // it ends with the process, and with no context
	cmd := exec.Command("/bin/sh", "-c", supervise, "sh", programs, dir, strconv.Itoa(port))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = attributes
	cmd.Stdin = input
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return cluster{}, errors.Join(err, input.Close(), hold.Close(), os.RemoveAll(dir))
	}
	password := rand.Text()
	_, err = fmt.Fprintln(hold, password)
	if err = errors.Join(err, input.Close()); err != nil {
		return cluster{}, errors.Join(err, hold.Close())
	}
	answer, err := io.ReadAll(output)
	if text := strings.TrimSpace(string(answer)); err != nil || text != "ready" {
		return cluster{}, errors.Join(err, hold.Close(), errors.New(cmp.Or(text, "it said nothing")))
	}
	return cluster{hold: hold, address: &url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/postgres",
		RawQuery: "sslmode=disable&connect_timeout=5",
	}}, nil
}

// findPrograms is the directory of PostgreSQL's server programs: on the PATH, else the newest of Debian's.
func findPrograms() (string, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, dir := range append(dirs, debian...) {
		complete := filepath.IsAbs(dir)
		for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
			_, err := exec.LookPath(filepath.Join(dir, program))
			complete = complete && err == nil
		}
		if complete {
			return dir, nil
		}
	}
	return "", errNoServer
}

// version is the 15 of /usr/lib/postgresql/15/bin; 0 where there is no number.
func version(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

func freePort() (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// unprivileged gives the directory to the user that the cluster is to run as. That is our own, unless we are root, whom
// PostgreSQL refuses. The cluster gets a session of its own: Ctrl-C is for the tests, whose end then ends the cluster.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a user that is not root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, int(uid), int(gid))
}
