//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings of the cluster. What an acknowledgement means is the default's: it is on the disk.
var settings = []string{
	"fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=8GB", "max_connections=300",
}

// cluster is a PostgreSQL of our own.
type cluster struct {
	programs, dir, password string
	port                    int
	server                  *exec.Cmd
}

// startCluster makes a cluster in dir and starts it. It ends with this process, however that ends.
func startCluster(ctx context.Context, root, dir string) (*cluster, error) {
	script := filepath.Join(root, "scripts")
	found, err := exec.CommandContext(ctx, filepath.Join(script, "postgres"), "find").Output()
	if err != nil {
		setup := exec.CommandContext(ctx, filepath.Join(script, "setup"))
		setup.Stdout, setup.Stderr = os.Stderr, os.Stderr
		if err := setup.Run(); err != nil {
			return nil, fmt.Errorf("installing PostgreSQL: %w", err)
		}
		if found, err = exec.CommandContext(ctx, filepath.Join(script, "postgres"), "find").Output(); err != nil {
			return nil, fmt.Errorf("looking for PostgreSQL: %w", err)
		}
	}
	c := &cluster{programs: strings.TrimSpace(string(found)), dir: dir, password: rand.Text()}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(c.password), 0o600); err != nil {
		return nil, err
	}
	attributes, err := unprivileged(dir, password)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(c.programs, "initdb"), "-D", data, "--username=postgres",
		"--auth=scram-sha-256", "--pwfile="+password, "--encoding=UTF8", "--locale=C.UTF-8")
	initdb.Dir, initdb.SysProcAttr = dir, attributes
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	args := []string{"-D", data, "-p", strconv.Itoa(c.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	//nolint:noctx // it is stopped by stop, after the context's end too
	c.server = exec.Command(filepath.Join(c.programs, "postgres"), args...)
	c.server.Dir, c.server.SysProcAttr = dir, attributes
	log, err := os.Create(c.log())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	for range 300 {
		if _, err = c.psql(ctx, "postgres", "-c", "SELECT 1"); err == nil {
			return c, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, fmt.Errorf("PostgreSQL does not answer: %w; its log is %s", err, c.log())
}

func (c *cluster) log() string { return filepath.Join(c.dir, "log") }

func (c *cluster) stop() error {
	if err := c.server.Process.Signal(syscall.SIGINT); err != nil { // “fast” shutdown
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	if err := c.server.Wait(); err != nil {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	return nil
}

// url is a database's address.
func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", c.password, c.port, database)
}

// create makes an empty database and returns its address.
func (c *cluster) create(ctx context.Context, database string) (string, error) {
	_, err := c.psql(ctx, "postgres", "-c", "CREATE DATABASE "+database)
	return c.url(database), err
}

// psql runs psql's commands and returns what it prints.
func (c *cluster) psql(ctx context.Context, database string, args ...string) (string, error) {
	return c.client(ctx, "psql", append([]string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database}, args...)...)
}

// client runs one of PostgreSQL's client programs.
func (c *cluster) client(ctx context.Context, program string, args ...string) (string, error) {
	path := filepath.Join(c.programs, program)
	if _, err := os.Stat(path); err != nil {
		path = program
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(c.port), "PGUSER=postgres", "PGPASSWORD="+c.password, "PGSSLMODE=disable")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, stderr.String()[:min(stderr.Len(), 2_000)])
	}
	return strings.TrimSpace(stdout.String()), nil
}

// checkpoint makes the rounds begin alike.
func (c *cluster) checkpoint(ctx context.Context) error {
	_, err := c.psql(ctx, "postgres", "-c", "CHECKPOINT")
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// unprivileged gives the files to the user that PostgreSQL is to run as: our own, unless we are root, whom it refuses.
func unprivileged(files ...string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT} // Ctrl-C is for us: we stop it then
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("looking for a user that is not root: %w", err)
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := os.Chown(f, uid, gid); err != nil {
			return nil, err
		}
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, nil
}
