//go:build linux

// Command torture tries to make zeroten lose something: connections are cut, processes killed, databases restarted, cut
// off and filled up, all under load, and then everything is counted.
//
//	go run ./torture             all trials, several minutes; the summary goes to docs/reliability.md
//	go run ./torture -short      the same small, in a few minutes
//	go run ./torture -only a,b   some trials
//
// It needs root for the trial with a full disk (a small tmpfs), and otherwise Linux and PostgreSQL's programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/internal/lab"
)

func main() {
	// Children end with the thread that started them; main's lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// torture is one run.
type torture struct {
	short bool
	// seed of what is random, where one is given; verbose prints more of what was found.
	seed    uint64
	verbose bool
	// root is the module's directory, temp one that is gone afterwards.
	root, temp, binary string
	pg                 *lab.Cluster
	log                *os.File
	databases          int
	lines              []line
}

// line is what one trial tried, and what came of it.
type line struct{ trial, database, tried, outcome string }

// trial is one way to make trouble.
type trial struct {
	name string
	what string
	// databases are those that it makes sense on.
	databases []string
	try       func(t *torture, ctx context.Context, database string) (tried, outcome string, err error)
}

var both = []string{"SQLite", "PostgreSQL"}

func trials() []trial {
	return []trial{
		{"cuts", "Subscribers that are cut every one to five seconds and resume", both, (*torture).cuts},
		{"kills", "Two servers on one database, one of them killed with -9 and started again every few seconds", []string{"PostgreSQL"}, (*torture).kills},
		{"index", "Of two servers the one that keeps the search index killed with -9 every second, as soon as it has moved it, on SQLite the only one, while comments come, change and go; then the index is compared with them", both, (*torture).index},
		{"mails", "Servers that send mails killed with -9, on PostgreSQL two on one database, and the mail server too, also between a mail's final dot and its answer, while two campaigns ask the same people; then what is said of each mail is compared with what the mail server has taken", both, (*torture).mails},
		{"restarts", "PostgreSQL restarted: fast, immediate, kill -9", []string{"PostgreSQL"}, (*torture).restarts},
		{"cutoff", "PostgreSQL cut off: no packet comes through", []string{"PostgreSQL"}, (*torture).cutOff},
		{"disk", "A full disk", both, (*torture).fullDisk},
		{"once", "A thousand requests with one idempotency key at the same time", both, (*torture).once},
		{"stop", "SIGTERM with sockets open and writes in flight", both, (*torture).stop},
		{"rebuild", "Recording while a rebuild takes all responses in anew", both, (*torture).rebuild},
		{"starts", "Four servers started at once on an empty database, some of them killed on the way, and four again", both, (*torture).starts},
		{"failover", "A standby takes over; a server takes no writes for a while; the old one comes back as a standby", []string{"PostgreSQL"}, (*torture).failover},
		{"pgbouncer", "PgBouncer between server and database, by session and by transaction", []string{"PostgreSQL"}, (*torture).pgbouncer},
		{"hostile", "A set of hostile requests, each followed by an ordinary query", []string{"SQLite"}, (*torture).hostile},
		{"connections", "Floods of frames, and streams of two keys up to every limit, while another key asks", []string{"SQLite"}, (*torture).connections},
		{"documents", "Random legal documents up to the limits, each measured by itself", both, (*torture).documents},
		{"bodies", "Bodies of all shapes, hundreds at once, with and without keys, slow and held open, while somebody asks an ordinary query", []string{"SQLite"}, (*torture).bodies},
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var only string
	t := &torture{}
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.BoolVar(&t.short, "short", false, "small everything")
	flags.Uint64Var(&t.seed, "seed", 0, "of random documents; another each time where 0")
	flags.BoolVar(&t.verbose, "v", false, "print the worst documents")
	flags.StringVar(&only, "only", "", "trials to run, by name; all where empty")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	t.root = filepath.Dir(strings.TrimSpace(string(mod)))
	if t.temp, err = os.MkdirTemp("", "zeroten-torture-"); err != nil {
		return err
	}
	if err := os.Chmod(t.temp, 0o755); err != nil { //nolint:gosec // PostgreSQL, as another user, goes through it
		return err
	}
	if t.log, err = os.Create(filepath.Join(t.temp, "servers.log")); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w (the servers' log is %s)", err, t.log.Name())
			return
		}
		err = os.RemoveAll(t.temp)
	}()
	if t.binary, err = lab.Build(ctx, t.root, t.temp); err != nil {
		return err
	}
	if t.pg, err = lab.StartCluster(ctx, t.root, filepath.Join(t.temp, "pg")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.pg.Stop()) }()
	began := time.Now()
	for _, trial := range trials() {
		if only != "" && !slices.Contains(strings.Split(only, ","), trial.name) {
			continue
		}
		for _, database := range trial.databases {
			started := time.Now()
			tried, outcome, err := trial.try(t, ctx, database)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", trial.name, database, err)
			}
			t.lines = append(t.lines, line{trial.what, database, tried, outcome})
			fmt.Fprintf(out, "%-9s %-10s %5.1f s  %s: %s\n", trial.name, database, time.Since(started).Seconds(), tried, outcome)
		}
	}
	fmt.Fprintf(out, "nothing was lost, in %.0f s\n", time.Since(began).Seconds())
	if t.short || only != "" {
		return nil
	}
	return t.publish(ctx, time.Since(began))
}

// publish writes the summary to where it stands in docs/reliability.md.
func (t *torture) publish(ctx context.Context, took time.Duration) error {
	const begin, end = "<!-- torture: begin -->\n", "<!-- torture: end -->\n"
	path := filepath.Join(t.root, "docs", "reliability.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the summary", path)
	}
	commit, err := exec.CommandContext(ctx, "git", "-C", t.root, "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return fmt.Errorf("asking git for the commit: %w", err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s%sLast run: %s, on %s, in %.0f s.\n\n| trial | on | tried | outcome |\n| --- | --- | --- | --- |\n",
		before, begin, time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(commit)), took.Seconds())
	for _, l := range t.lines {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", l.trial, l.database, l.tried, l.outcome)
	}
	out.WriteString(end + after)
	return os.WriteFile(path, []byte(out.String()), 0o600)
}

// number is full, or its share in a short run.
func (t *torture) number(full, short int) int {
	if t.short {
		return short
	}
	return full
}

// house is a database with a tenant, a campaign, and servers on it.
type house struct {
	*client
	t        *torture
	url      string // of the database
	campaign string
	server   *lab.Server
}

// database makes an empty one and returns its URL.
func (t *torture) database(ctx context.Context, kind string) (string, error) {
	t.databases++
	name := fmt.Sprintf("torture%d", t.databases)
	if kind == "PostgreSQL" {
		return t.pg.Create(ctx, name)
	}
	return "sqlite://" + filepath.Join(t.temp, name+".db"), nil
}

// serve starts a server on the database; listen is an address, or empty for any.
func (t *torture) serve(ctx context.Context, databaseURL, listen string, flags ...string) (*lab.Server, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	args := append([]string{t.binary, "serve", "--listen", listen, "--log-level", "WARN"}, flags...)
	return lab.Serve(ctx, t.log, args, "DATABASE_URL="+databaseURL, "ZEROTEN_RATE_BURST=1000000", "ZEROTEN_RATE_RESTORE=1000000")
}

// open starts a server on a new database, at which it makes a campaign.
func (t *torture) open(ctx context.Context, databaseURL string, flags ...string) (*house, error) {
	s, err := t.serve(ctx, databaseURL, "", flags...)
	if err != nil {
		return nil, err
	}
	h := &house{t: t, client: newClient(s.Secret), url: databaseURL, server: s}
	var made struct {
		CreateCampaign struct{ Campaign struct{ ID string } }
	}
	if err := h.must(ctx, s.URL(), `mutation { createCampaign(input: { name: "Torture" }) { campaign { id } } }`, nil, &made); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	h.campaign = made.CreateCampaign.Campaign.ID
	return h, nil
}

// close stops the server and has the doctor count everything again.
func (h *house) close(ctx context.Context) error {
	if h.server != nil {
		if err := h.server.Stop(); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, h.t.binary, "doctor")
	cmd.Env = append(os.Environ(), "DATABASE_URL="+h.url)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the doctor: %w: %s", err, out)
	}
	return nil
}
