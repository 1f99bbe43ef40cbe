// Package job does what is to be done later, or again and again: in any of the processes that share a database, and
// also where the one that asked for it has died. What a transaction asks for is done if it commits, and not otherwise.
//
// A job is done at least once: a process that is killed leaves it to another one, which begins it anew. So its work has to
// bear that, as by noting in the database what is done already.
package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// Timeout is how long one go at a job may take: then its context ends.
	Timeout = 30 * time.Second
	// rescueAfter is when the job of a killed process is taken up again. It is longer than Timeout.
	rescueAfter = 45 * time.Second
	// atOnce is how many jobs a process works on at once.
	atOnce = 2
	// maxEvery is how long ago a job is known to have been done, at most.
	maxEvery = 24 * time.Hour
)

// Args are what a job is told: they are written to the database as JSON and stay there for a while after it is done. So
// they hold ids and numbers, and nothing of what people said or who they are.
type Args interface {
	// Kind names the kind of job, also for the zero value. Jobs in the database go by it: it must not be changed.
	Kind() string
}

// Priority says which of the jobs that wait is begun first.
type Priority int

// The priorities.
const (
	// Normal is that of most jobs.
	Normal Priority = iota
	// First is for those that answers wait for.
	First
)

// Options are what holds for all jobs of a kind.
type Options struct {
	Priority Priority
	// Unique inserts nothing while a job of the kind with equal arguments waits or is at work. What is asked for while one
	// is at work may thus come too late for it: it is for jobs that look by themselves for what is to be done, and are
	// inserted again and again.
	Unique bool
	// Every, where not zero, has a job with the zero arguments inserted once in each such span of time, counted from
	// midnight UTC, by one of the processes: at once when they start, unless that was done in the same span already. It
	// is a second to a day. Where a job takes longer than that, two are at work at once.
	Every time.Duration
}

// Runner inserts jobs and works on them. Kinds are made known by Handle, all before Start.
type Runner struct {
	db      *store.DB
	client  *river.Client[*sql.Tx]
	workers *river.Workers
	insert  map[string]*river.InsertOpts
	started bool
}

// Config of a Runner.
type Config struct {
	// Poll is how often it is asked whether jobs wait; zero means a second.
	Poll time.Duration
	// Log where nil is slog.Default. It hears of jobs that fail.
	Log *slog.Logger
}

// NewRunner makes a Runner over a migrated database.
func NewRunner(db *store.DB, cfg Config) (*Runner, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	var driver riverdriver.Driver[*sql.Tx] = riversqlite.New(db.Writer)
	if db.Dialect == store.Postgres {
		driver = riverdatabasesql.New(db.Writer)
	}
	r := &Runner{db: db, workers: river.NewWorkers(), insert: map[string]*river.InsertOpts{}}
	var err error
	r.client, err = river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atOnce}},
		Workers: r.workers, JobTimeout: Timeout, RescueStuckJobsAfter: rescueAfter, FetchPollInterval: cfg.Poll,
		CompletedJobRetentionPeriod: maxEvery + time.Hour,
		Logger:                      slog.New(quiet{cfg.Log.Handler()}),
	})
	if err != nil {
		return nil, fmt.Errorf("preparing jobs: %w", err)
	}
	return r, nil
}

// Handle has the runner know the kind of A, whose jobs are done by work. An error of it is logged, and the job is done
// again after a while, longer and longer; it is kept beside the arguments, and no more than they should it say who people
// are. Handle panics where the kind is known already, and where the options cannot be.
func Handle[A Args](r *Runner, work func(ctx context.Context, args A) error, o Options) {
	var zero A
	if r.started || o.Every != 0 && (o.Every < time.Second || o.Every > maxEvery || o.Unique) {
		panic(fmt.Sprintf("job: a kind %q that cannot be", zero.Kind()))
	}
	river.AddWorker(r.workers, &worker[A]{work: work})
	insert := &river.InsertOpts{Priority: 2}
	if o.Priority == First {
		insert.Priority = 1
	}
	if o.Unique {
		insert.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
		}}
	}
	r.insert[zero.Kind()] = insert
	if o.Every == 0 {
		return
	}
	periodic := *insert
	periodic.UniqueOpts = river.UniqueOpts{ByArgs: true, ByPeriod: o.Every}
	r.client.PeriodicJobs().Add(river.NewPeriodicJob(every(o.Every), func() (river.JobArgs, *river.InsertOpts) {
		return zero, &periodic
	}, &river.PeriodicJobOpts{RunOnStart: true}))
}

// Insert asks for a job, in a transaction: it is begun after that has committed.
func (r *Runner) Insert(ctx context.Context, tx *store.Tx, args Args) error {
	insert, known := r.insert[args.Kind()]
	if !known {
		return fmt.Errorf("inserting a job: there is no kind %q", args.Kind())
	}
	if _, err := r.client.InsertTx(ctx, tx.SQL, args, insert); err != nil {
		return fmt.Errorf("inserting a job of kind %s: %w", args.Kind(), err)
	}
	return nil
}

// Start begins to work on jobs, until Stop and beyond the end of ctx.
func (r *Runner) Start(ctx context.Context) error {
	r.started = true
	if err := r.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("starting jobs: %w", err)
	}
	return nil
}

// Stop ends the contexts of the jobs that are at work, and waits for them as long as ctx lives. They are done later, as
// if they had failed. Without Start there is nothing to stop.
func (r *Runner) Stop(ctx context.Context) error {
	if !r.started {
		return nil
	}
	if err := r.client.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stopping jobs: %w", err)
	}
	return nil
}

// Count counts the jobs in the database by their state: available, running, retryable, completed and so on.
func (r *Runner) Count(ctx context.Context) (map[string]int, error) {
	jobs := map[string]int{}
	err := store.Each(ctx, r.db.Reader, func(rows *sql.Rows) error {
		var state string
		var n int
		err := rows.Scan(&state, &n)
		jobs[state] = n
		return err
	}, `SELECT state, count(*) FROM river_job GROUP BY state`)
	if err != nil {
		return nil, fmt.Errorf("counting jobs: %w", err)
	}
	return jobs, nil
}

// later is a job that is not done yet.
type later struct{ after time.Duration }

func (l *later) Error() string { return fmt.Sprintf("goes on in %s", l.after) }

// Later is what a job returns that is not done, has not failed, and is to go on after so long. With zero that is once
// the others of its priority that wait have had their turn.
func Later(after time.Duration) error { return &later{after} }

// IsLater reports whether an error is Later's: for whoever does a job by hand.
func IsLater(err error) bool {
	_, ok := errors.AsType[*later](err)
	return ok
}

// worker is a kind of job as River has it.
type worker[A Args] struct {
	river.WorkerDefaults[A]
	work func(ctx context.Context, args A) error
}

// Work is that of a river.Worker.
func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error {
	err := w.work(ctx, job.Args)
	if l, ok := errors.AsType[*later](err); ok {
		return river.JobSnooze(l.after)
	}
	return err
}

// every is the schedule of a job that is done once in each such span.
type every time.Duration

// Next is the beginning of the next span.
func (e every) Next(now time.Time) time.Time {
	return now.UTC().Truncate(time.Duration(e)).Add(time.Duration(e))
}

// quiet lets River's warnings and errors through: that it starts, polls and stops is of no interest.
type quiet struct{ slog.Handler }

// Enabled reports whether the level is a warning or above.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
