//go:build unix

package pgtest_test

import (
	"bufio"
	"database/sql"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/pgtest"
)

func open(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestURLGivesEachTestItsOwnEmptyDatabase(t *testing.T) {
	var first string
	t.Run("one", func(t *testing.T) {
		first = pgtest.URL(t)
		if _, err := open(t, first).Exec(`CREATE TABLE things (id int)`); err != nil {
			t.Fatal(err)
		}
	})
	db := open(t, pgtest.URL(t))
	var tables int
	if err := db.QueryRow(`SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("a fresh database has %d tables", tables)
	}
	u, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRow(`SELECT count(*) FROM pg_database WHERE datname = $1`, u.Path[1:]).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Error("the database of a test that ended is still there")
	}
}

// TestClusterEndsWithItsProcess kills a test process that has a cluster of its own. It runs this program again to have one.
func TestClusterEndsWithItsProcess(t *testing.T) {
	if os.Getenv("PGTEST_VICTIM") != "" {
		_, err := os.Stdout.WriteString(pgtest.URL(t) + "\n")
		if err != nil {
			t.Fatal(err)
		}
		<-t.Context().Done()
	}
	pgtest.URL(t) // skips where there are no programs to start

	ctx := t.Context()
	dir, err := os.MkdirTemp("/tmp", "zeroten-victim-") //nolint:usetesting // t.TempDir is closed to the cluster's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestClusterEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), "PGTEST_VICTIM=1", "TEST_DATABASE_URL=", "TMPDIR="+dir)
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the victim said %q: %v", line, err)
	}
	u, err := url.Parse(line[:len(line)-1])
	if err != nil {
		t.Fatal(err)
	}
	if err := open(t, u.String()).Ping(); err != nil {
		t.Fatal(err)
	}

	// A connection to the victim's server tells when it has gone. The server must have taken it before the end: one that
	// it finds in its queue while it stops it lets wait for the whole of authentication_timeout, and stops no sooner.
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 1)
	if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil { // may we have TLS?
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'N' {
		t.Fatalf("asked for TLS, the server said %q: %v", answer, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn) // until it ends, one way or the other
	_ = cmd.Wait()                   // it was killed

	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the victim left %v behind", left)
		}
	}
}

func TestURLOfGivenServer(t *testing.T) {
	given := pgtest.URL(t)
	for _, test := range []struct{ name, address string }{
		{"with parameters", given},
		{"without", given[:len(given)-len("?sslmode=disable&connect_timeout=5")]},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestURLGivesEachTestItsOwnEmptyDatabase$")
			cmd.Env = append(os.Environ(), "TEST_DATABASE_URL="+test.address)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestURLGivesEachTestItsOwnEmptyDatabase$")
	cmd.Env = append(os.Environ(), "TEST_DATABASE_URL=host=localhost password=secret")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("TEST_DATABASE_URL that is no URL was taken: %s", out)
	}
}
