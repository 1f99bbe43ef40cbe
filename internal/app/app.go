// Package app puts the rooms together: what server.go starts, and end-to-end tests alike.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/risk"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/click"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/tenant"
)

// Config of an App.
type Config struct {
	// Database is `sqlite:///path/to/file.db` or `postgres://…`.
	Database string
	// Connections bounds the connections to the database, as store.Options do; 0 is their default.
	Connections int
	// Existing refuses a SQLite file that is not there yet.
	Existing bool
	// Volatile gives up durability, for databases that are thrown away.
	Volatile bool
	// Restless has what follows the log in the background take no rest: all of it is new, and nobody else is to be spared yet.
	Restless bool
	Log      *slog.Logger
	// Getenv, where not nil, looks OpenTelemetry's settings up.
	Getenv func(string) string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// App is an open, migrated database with all that works on it.
type App struct {
	DB      *store.DB
	Log     *feedback.Log
	States  *settings.States
	Builder *cube.Builder
	Insight *insight.Reader
	Risks   *risk.Models
	Keys    *tenant.Keys
	Watcher *tenant.Watcher
	Tail    *tail.Tail
	Live    *live.Hub
	Follow  *follow.Runner
	Observe *observe.Observer
	// Book has how campaigns are asked, for pages, and Desk takes what is answered there. Clicks keeps what led to no answer, and Judge
	// decides which of that becomes one.
	Book   *survey.Book
	Desk   *survey.Desk
	Clicks *click.Clicks
	Judge  *survey.Judge
	// Outreach decides whom campaigns ask by mail, and Mailer sends the mails; that is nil until the app serves.
	Outreach *outreach.Desk
	Mailer   *outreach.Mailer

	office     *post.Office
	mailFolder string // empty where mails go to a server
	// working says that Work was called, and mailing that the mailer was started.
	working, mailing bool

	// lagging, where not nil, says which of the log's readers are too far behind to be of use.
	lagging func() error

	jobs        *job.Runner
	connections atomic.Int64
	now         func() time.Time
	log         *slog.Logger
}

const (
	// watchEvery is how often it is asked whether those who hold a connection open are still let in; with what Keys
	// believes meanwhile it stays below a second.
	watchEvery = 400 * time.Millisecond
	// jobsTimeout is how long jobs may take to stop; those that do not are done again later, as if the process had been killed.
	jobsTimeout = 2 * time.Second
)

// Open opens and migrates the database.
func Open(ctx context.Context, cfg Config) (a *App, err error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	clock := cfg.Now
	cfg.Now = func() time.Time { return clock().UTC() } // SQLite compares times as they are written
	// Before the database is opened, and made where it is not there yet: its settings may be wrong.
	observer, err := observe.New(ctx, observe.Config{Log: cfg.Log, Getenv: cfg.Getenv})
	if err != nil {
		return nil, usage("%w", err)
	}
	db, err := store.Open(ctx, cfg.Database, store.Options{
		MaxConns: cfg.Connections, Volatile: cfg.Volatile, Existing: cfg.Existing,
		HeldUp: func(since time.Duration, err error) {
			cfg.Log.Warn("what was erased is still in the write-ahead log", "seconds", int(since.Seconds()), "error", err.Error())
		},
	})
	if err != nil {
		return nil, errors.Join(err, observer.Shutdown(ctx))
	}
	a = &App{DB: db, Observe: observer, now: cfg.Now, log: cfg.Log}
	opened := a
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	if files, mode, err := db.Exposed(); err != nil {
		return nil, err
	} else if len(files) > 0 {
		cfg.Log.Warn("others on this machine may open the database: take that from them with chmod 600",
			"files", files, "mode", fmt.Sprintf("%04o", mode), "instead", "chmod 600 "+strings.Join(files, " "))
	}
	ran, err := db.Migrate(ctx)
	if err != nil {
		return nil, err
	}
	if len(ran) > 0 {
		cfg.Log.Info("migrated", "database", db.Name(), "migrations", ran)
	}
	a.States = settings.NewStates(db)
	a.Tail = tail.New(db, tail.Config{Log: cfg.Log})
	a.Follow = follow.NewRunner(db, a.Tail, follow.Config{Log: cfg.Log})
	index := search.Kind(db, cfg.Log)
	if cfg.Restless {
		index.Share = 0
	}
	a.Follow.Handle(index)
	a.Live = live.NewHub(db, a.States, a.Tail, live.Config{Now: cfg.Now, Log: cfg.Log})
	a.Log, err = feedback.NewLog(db, feedback.Config{Now: cfg.Now, Observe: a.Observe.Flush, Flushed: a.Tail.Flushed})
	if err != nil {
		return nil, err
	}
	if a.jobs, err = job.NewRunner(db, job.Config{Log: cfg.Log}); err != nil {
		return nil, err
	}
	a.Builder = cube.NewBuilder(db, a.jobs)
	// People wait for what a rebuild counts.
	job.Handle(a.jobs, a.Builder.Work, job.Options{Priority: job.First})
	a.Insight = insight.NewReader(db, a.States, cfg.Now)
	a.Risks = risk.NewModels(db, a.States, cfg.Now)
	risks := risk.NewKeeper(db, a.Risks, a.jobs)
	job.Handle(a.jobs, risks.Look, job.Options{Every: risk.Every})
	job.Handle(a.jobs, risks.Work, job.Options{Unique: true})
	a.Keys = tenant.NewKeys(db)
	a.Watcher = tenant.NewWatcher(a.Keys, watchEvery)
	a.Book = survey.NewBook(db, cfg.Now, cfg.Log)
	a.Clicks = click.New(db, cfg.Log)
	a.Desk = survey.NewDesk(db, a.Log, a.Clicks)
	a.Judge = survey.NewJudge(a.Book, a.Desk, a.Clicks, cfg.Now, cfg.Log)
	a.Outreach = outreach.NewDesk(outreach.Config{
		DB: db, Log: a.Log, States: a.States, Book: a.Book, Jobs: a.jobs, Now: cfg.Now, Logger: cfg.Log,
	})
	a.Outreach.Handle(a.jobs)
	a.lagging = a.readersLag
	a.measure()
	return a, nil
}

// Work begins to work jobs, those first that a stopped process left behind, and to follow logs.
func (a *App) Work(ctx context.Context) error {
	err := a.DB.Monitor(func(err error) {
		if err != nil {
			a.log.Error("the database is away", "error", err.Error())
			return
		}
		a.log.Info("the database is back")
	})
	if err != nil {
		return err
	}
	a.keepAnalyzed()
	if err := a.jobs.Start(ctx); err != nil {
		return err
	}
	a.Follow.Start()
	a.Judge.Start()
	a.working = true
	a.startMailer()
	return a.Builder.Resume(ctx)
}

// keepAnalyzed is for commands that write much.
func (a *App) keepAnalyzed() {
	a.DB.KeepAnalyzed(func(err error) {
		a.log.Error("the database's statistics are not brought up to date", "error", err.Error())
	})
}

// Close stops jobs, writes what was accepted, and closes the database.
func (a *App) Close() error {
	var errs []error
	if a.jobs != nil {
		ctx, cancel := context.WithTimeout(context.Background(), jobsTimeout)
		defer cancel()
		if err := a.jobs.Stop(ctx); err != nil {
			a.log.Warn("jobs are left as they are, to be done again", "error", err.Error())
		}
	}
	if a.Follow != nil {
		a.Follow.Close()
	}
	if a.Judge != nil {
		a.Judge.Close()
	}
	if a.mailing {
		a.Mailer.Close()
	}
	if a.office != nil {
		if err := a.office.Close(); err != nil {
			a.log.Warn("taking leave of the mail server", "error", err.Error())
		}
	}
	if a.Clicks != nil {
		if err := a.Clicks.Close(); err != nil { // they are counted nowhere
			a.log.Warn("writing which links were opened last", "error", err.Error())
		}
	}
	if a.Log != nil {
		errs = append(errs, a.Log.Close())
	}
	if a.Live != nil {
		a.Live.Close()
	}
	if a.Tail != nil {
		a.Tail.Close()
	}
	if a.Watcher != nil {
		a.Watcher.Close()
	}
	if a.Book != nil {
		a.Book.Close()
	}
	if a.Keys != nil {
		a.Keys.Close()
	}
	if a.Observe != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := a.Observe.Shutdown(ctx); err != nil {
			a.log.Warn("sending the last traces", "error", err.Error())
		}
	}
	return errors.Join(append(errs, a.DB.Close())...)
}

// First makes a tenant on an empty database and returns the secret of its ADMIN key; nothing where there are tenants.
func (a *App) First(ctx context.Context) (secret string, err error) {
	err = tenant.First(ctx, a.DB, func(made string) error {
		secret = made
		return nil
	})
	return secret, err
}

// As returns a context whose caller is the program itself, in the tenant of this id or name; where none is named, in
// the only one that there is.
func (a *App) As(ctx context.Context, named string) (context.Context, uuid.UUID, error) {
	id, err := tenant.Choose(ctx, a.DB, named)
	return auth.ForTenant(ctx, id), id, err
}
