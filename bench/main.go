//go:build linux

// Command bench measures what the design promises, beside what a user would pick instead, in one run on one machine.
//
//	go run ./bench                  all lines, at full size: some 45 minutes
//	go run ./bench -quick           the same small, in some five minutes: to see that it works
//	go run ./bench -only a,c        some lines
//
// It starts its own durable PostgreSQL from the machine's programs, and zeroten as users run it; the load comes from a
// third process. The results go to bench/RESULTS.md, with -quick to the terminal alone, and with -only too
// unless -merge says otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/internal/lab"
)

// allLines are those of a complete run.
const allLines = "a,b,c,d,e,f,g,h,i,j,k"

// options are what the flags say.
type options struct {
	only    string
	rounds  int
	seconds float64
	size    int
	small   int
	people  int
	dir     string
	profile string
	// letters is how many mails line k sends; one to each of people where 0.
	letters int
	// database is the only one of line k; both where empty.
	database string
	quick    bool
	// other is the checkout to compare with, in so many turns.
	other string
	turns int
	merge bool
}

// bench is one run.
type bench struct {
	options
	// root is the module's directory, temp one that is gone afterwards.
	root, temp string
	// binary is the program as users run it.
	binary string
	pg     *lab.Cluster
	report report
}

func main() {
	// Children end with the thread that started them; main's lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "load" {
		return loadMain(os.Stdin, os.Stdout)
	}
	if len(args) > 0 && args[0] == "crowd" {
		return crowdMain(os.Stdin, os.Stdout)
	}
	if len(args) > 0 && args[0] == "listen" {
		return listenMain(os.Stdin, os.Stdout)
	}
	if len(args) == 3 && args[0] == "serve" {
		return serveProfiled(ctx, args[1], args[2])
	}
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.only, "only", allLines, "the lines to measure: a recording, b recording in bulk, c trends, d reading, e start and memory, f SQLite, g live, h finding, i public pages, j Insight, k asking by mail")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each measurement")
	flags.Float64Var(&o.seconds, "seconds", 10, "how long a round of load is")
	flags.IntVar(&o.size, "size", 10_000_000, "responses of the large campaign; the small one has a hundredth")
	flags.IntVar(&o.people, "people", 100_000, "contacts")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "where the databases go: a real disk, with 20 GB free at full size")
	flags.IntVar(&o.letters, "mails", 0, "mails that line k sends; one to each contact where 0")
	flags.StringVar(&o.database, "on", "", "of line k only this database: SQLite or PostgreSQL")
	flags.StringVar(&o.profile, "profile", "", "write CPU profiles of the server to this `directory`")
	flags.BoolVar(&o.merge, "merge", false, "with -only: put what is measured into bench/RESULTS.md, beside what is there")
	flags.StringVar(&o.other, "beside", "", "compare with the project in another `directory`, side by side, on the lines a to d, f and g")
	flags.IntVar(&o.turns, "turns", 20, "turns of -beside")
	flags.BoolVar(&o.quick, "quick", false, "small everything")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.other != "" {
		o.people, o.seconds, o.quick = 5_000, min(o.seconds, besideSeconds), false
	}
	if o.quick {
		o.rounds, o.seconds, o.size, o.people = min(o.rounds, 3), min(o.seconds, 2), min(o.size, 500_000), min(o.people, 5_000)
	}
	o.small = max(o.size/100, 1_000)
	return measure(ctx, o)
}

func measure(ctx context.Context, o options) (err error) {
	b := &bench{options: o}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	b.root = filepath.Dir(strings.TrimSpace(string(mod)))
	if b.temp, err = os.MkdirTemp(o.dir, "zeroten-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.temp)) }()
	if err := os.Chmod(b.temp, 0o755); err != nil { // PostgreSQL, as another user, goes through it
		return err
	}
	if b.binary, err = lab.Build(ctx, b.root, b.temp); err != nil {
		return err
	}
	if b.pg, err = lab.StartCluster(ctx, b.root, filepath.Join(b.temp, "pg")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.pg.Stop()) }()
	if b.other != "" {
		return b.beside(ctx)
	}
	began := time.Now()
	for _, step := range []struct {
		lines string
		do    func(context.Context) error
	}{
		{"a,b", b.recordPostgres}, {"c,d,e", b.history}, {"f", b.sqlite}, {"g", b.live}, {"h", b.find}, {"i", b.pages}, {"j", b.insights},
		{"k", b.mails},
	} {
		if !b.wants(strings.Split(step.lines, ",")...) {
			continue
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	say("measured in %.0f s", time.Since(began).Seconds())
	return b.publish(ctx)
}

// wants reports whether one of the lines is to be measured.
func (b *bench) wants(lines ...string) bool {
	for _, l := range lines {
		for wanted := range strings.SplitSeq(b.only, ",") {
			if strings.TrimSpace(wanted) == l {
				return true
			}
		}
	}
	return false
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}
