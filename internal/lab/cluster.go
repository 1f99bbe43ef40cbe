//go:build linux

// Package lab starts what is measured and tried by force as processes: zeroten as users run it, and a PostgreSQL of our
// own. It is for bench and torture.
package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
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

// Settings of the cluster. What an acknowledgement means is the default's: it is on the disk.
var Settings = []string{
	"fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=8GB", "max_connections=300",
}

// Cluster is a PostgreSQL of our own. It ends with this process, however that ends.
type Cluster struct {
	// Port is where it listens on 127.0.0.1.
	Port int

	programs, dir, password string
	server                  *exec.Cmd
}

// StartCluster makes a cluster in dir, which must not be there yet, and starts it. Where PostgreSQL's programs are
// missing it has scripts/setup, below root, install them.
func StartCluster(ctx context.Context, root, dir string) (*Cluster, error) {
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
	c := &Cluster{programs: strings.TrimSpace(string(found)), dir: dir, password: rand.Text()}
	making := exec.CommandContext(ctx, filepath.Join(script, "postgres"), "make", dir)
	making.Stdin = strings.NewReader(c.password)
	if out, err := making.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a cluster: %w: %s", err, out)
	}
	if c.Port, err = FreePort(); err != nil {
		return nil, err
	}
	return c, c.Start(ctx)
}

// Start starts a cluster that was stopped or killed, and waits until it answers.
func (c *Cluster) Start(ctx context.Context) error {
	attributes, err := unprivileged()
	if err != nil {
		return err
	}
	args := []string{"-D", filepath.Join(c.dir, "data"), "-p", strconv.Itoa(c.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	for _, s := range Settings {
		args = append(args, "-c", s)
	}
	//nolint:noctx // it is stopped by Stop, after the context's end too
	c.server = exec.Command(filepath.Join(c.programs, "postgres"), args...)
	c.server.Dir, c.server.SysProcAttr = c.dir, attributes
	log, err := os.OpenFile(c.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	for range 600 {
		if _, err = c.PSQL(ctx, "postgres", "-c", "SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("PostgreSQL does not answer: %w; its log is %s", err, c.Log())
}

// Standby makes a cluster in dir, which must not be there yet, that follows this one and answers what only reads.
func (c *Cluster) Standby(ctx context.Context, dir string) (*Cluster, error) {
	s := &Cluster{programs: c.programs, dir: dir, password: c.password}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	attributes, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	copying := exec.CommandContext(ctx, c.find("pg_basebackup"), "-D", filepath.Join(dir, "data"), "-R", "-X", "stream",
		"-c", "fast", "-d", c.URL("postgres"))
	copying.Dir, copying.SysProcAttr = dir, attributes
	if out, err := copying.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if s.Port, err = FreePort(); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// Promote makes a standby take writes.
func (c *Cluster) Promote(ctx context.Context) error {
	_, err := c.PSQL(ctx, "postgres", "-c", "SELECT pg_promote()")
	return err
}

// Demote makes a cluster that is stopped a standby that follows nobody.
func (c *Cluster) Demote() error {
	signal := filepath.Join(c.dir, "data", "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return err
	}
	_, err := unprivileged(signal)
	return err
}

// Bouncer is a PgBouncer before a cluster. It ends with this process, however that ends.
type Bouncer struct {
	cluster *Cluster
	port    int
	server  *exec.Cmd
}

// StartBouncer starts a PgBouncer before the cluster's database, with files in dir, which must not be there yet. mode is
// session, transaction or statement. Where PgBouncer is missing it has scripts/setup, below root, install it.
func (c *Cluster) StartBouncer(ctx context.Context, root, dir, database, mode string) (*Bouncer, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // which is in no user's path
	}
	if !exists(program) {
		setup := exec.CommandContext(ctx, filepath.Join(root, "scripts", "setup"), "torture")
		setup.Stdout, setup.Stderr = os.Stderr, os.Stderr
		if err := setup.Run(); err != nil {
			return nil, fmt.Errorf("installing PgBouncer: %w", err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	b := &Bouncer{cluster: c}
	if b.port, err = FreePort(); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	err = os.WriteFile(config, fmt.Appendf(nil, `[databases]
%s = host=127.0.0.1 port=%d user=postgres password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 80
logfile = %s
`, database, c.Port, c.password, b.port, mode, filepath.Join(dir, "log")), 0o600)
	if err != nil {
		return nil, err
	}
	attributes, err := unprivileged(dir, config)
	if err != nil {
		return nil, err
	}
	b.server = exec.Command(program, "-q", config) //nolint:noctx // it is stopped by Stop, after the context's end too
	b.server.Dir, b.server.SysProcAttr = dir, attributes
	if err := b.server.Start(); err != nil {
		return nil, fmt.Errorf("starting PgBouncer: %w", err)
	}
	for range 200 {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err == nil {
			return b, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("PgBouncer does not answer"), b.Stop())
}

// URL is a database's address through it.
func (b *Bouncer) URL(database string) string {
	return strings.Replace(b.cluster.URL(database), fmt.Sprintf(":%d/", b.cluster.Port), fmt.Sprintf(":%d/", b.port), 1)
}

// Stop ends it, and all connections through it.
func (b *Bouncer) Stop() error {
	if err := b.server.Process.Kill(); err != nil {
		return fmt.Errorf("stopping PgBouncer: %w", err)
	}
	_ = b.server.Wait() // it says that it was killed
	return nil
}

// PID is that of the postmaster.
func (c *Cluster) PID() int { return c.server.Process.Pid }

// Log is the file that the server logs to.
func (c *Cluster) Log() string { return filepath.Join(c.dir, "log") }

// Stop shuts the server down, fast: sessions end, and what was committed is written.
func (c *Cluster) Stop() error { return c.end(syscall.SIGINT) }

// StopAtOnce shuts the server down without writing anything more: it recovers when it starts again.
func (c *Cluster) StopAtOnce() error { return c.end(syscall.SIGQUIT) }

// Kill kills the postmaster and its children at one blow, and waits until none of them is left: while one is, PostgreSQL
// refuses to start again.
func (c *Cluster) Kill() error {
	// Stopped, it has no more children.
	if err := c.server.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stopping the postmaster: %w", err)
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	var children []int
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if _, parent := stateOf(pid); parent == strconv.Itoa(c.PID()) {
			children = append(children, pid)
		}
	}
	for _, pid := range append(children, c.PID()) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended since
	}
	_ = c.server.Wait() // it says that it was killed
	for _, pid := range children {
		for {
			if state, _ := stateOf(pid); state == "" || state == "Z" {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// stateOf is the state of a process, and its parent; empty where there is none.
func stateOf(pid int) (state, parent string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "" // it has just ended
	}
	// After the name, which may hold anything; proc_pid_stat(5).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return fields[0], fields[1]
}

func (c *Cluster) end(signal os.Signal) error {
	if err := c.server.Process.Signal(signal); err != nil {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	var exit *exec.ExitError
	if err := c.server.Wait(); err != nil && (signal == syscall.SIGINT || !errors.As(err, &exit)) {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	return nil
}

// URL is a database's address.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", c.password, c.Port, database)
}

// Create makes an empty database and returns its address.
func (c *Cluster) Create(ctx context.Context, database string) (string, error) {
	_, err := c.PSQL(ctx, "postgres", "-c", "CREATE DATABASE "+database)
	return c.URL(database), err
}

// CreateOn makes an empty database whose tables lie in dir, and returns its address. The write-ahead log stays where it is.
func (c *Cluster) CreateOn(ctx context.Context, database, dir string) (string, error) {
	space := filepath.Join(dir, "tables")
	if err := os.Mkdir(space, 0o700); err != nil {
		return "", err
	}
	if _, err := unprivileged(space); err != nil {
		return "", err
	}
	_, err := c.PSQL(ctx, "postgres", "-c", fmt.Sprintf(`CREATE TABLESPACE %s LOCATION '%s'`, database, space),
		"-c", fmt.Sprintf(`CREATE DATABASE %s TABLESPACE %[1]s`, database))
	return c.URL(database), err
}

// DropOn drops what CreateOn made.
func (c *Cluster) DropOn(ctx context.Context, database string) error {
	_, err := c.PSQL(ctx, "postgres", "-c", fmt.Sprintf(`DROP DATABASE %s WITH (FORCE)`, database), "-c", "DROP TABLESPACE "+database)
	return err
}

// PSQL runs psql's commands and returns what it prints.
func (c *Cluster) PSQL(ctx context.Context, database string, args ...string) (string, error) {
	return c.Client(ctx, "psql", append([]string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database}, args...)...)
}

// Client runs one of PostgreSQL's client programs.
func (c *Cluster) Client(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.find(program), args...)
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(c.Port), "PGUSER=postgres", "PGPASSWORD="+c.password, "PGSSLMODE=disable")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, stderr.String()[:min(stderr.Len(), 2_000)])
	}
	return strings.TrimSpace(stdout.String()), nil
}

// find finds one of PostgreSQL's programs: where the server's are, where these lead to, or in the path.
func (c *Cluster) find(program string) string {
	places := []string{c.programs}
	if initdb, err := filepath.EvalSymlinks(filepath.Join(c.programs, "initdb")); err == nil {
		places = append(places, filepath.Dir(initdb))
	}
	for _, dir := range places {
		if path := filepath.Join(dir, program); exists(path) {
			return path
		}
	}
	return program
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Checkpoint makes the rounds begin alike.
func (c *Cluster) Checkpoint(ctx context.Context) error {
	_, err := c.PSQL(ctx, "postgres", "-c", "CHECKPOINT")
	return err
}

// FreePort is a port of 127.0.0.1 that nobody listens on at the moment.
func FreePort() (int, error) {
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
