package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/tenant"
)

// CLI is the program's command line. Every setting is a flag and an environment variable.
type CLI struct {
	Globals `embed:""`

	Serve   ServeCmd   `cmd:"" default:"withargs" help:"Serve the API (the default)."`
	Demo    DemoCmd    `cmd:"" help:"Serve a demo: a throw-away database with two years of answers, and more coming."`
	Import  ImportCmd  `cmd:"" help:"Import a CSV file into a campaign."`
	Key     KeyCmd     `cmd:"" help:"Create, list and revoke API keys."`
	Tenant  TenantCmd  `cmd:"" help:"Create and list tenants."`
	Migrate MigrateCmd `cmd:"" help:"Bring the database's schema up to date."`
	Doctor  DoctorCmd  `cmd:"" help:"Count everything again and say what differs."`
	Version VersionCmd `cmd:"" help:"Say which version this is."`
}

// Globals are the settings that every command has.
type Globals struct {
	Database    string     `env:"DATABASE_URL" default:"sqlite://zeroten.db" placeholder:"URL" help:"The database: sqlite:///path/to/file.db or postgres://user@host/name (default ${default})."`
	Connections int        `name:"database-connections" env:"ZEROTEN_DATABASE_CONNECTIONS" default:"26" placeholder:"NUMBER" help:"Open at most so many connections to the database, 8 or more (default ${default})."`
	LogLevel    slog.Level `env:"ZEROTEN_LOG_LEVEL" default:"INFO" placeholder:"LEVEL" help:"Log what is at least this: DEBUG, INFO, WARN or ERROR (default ${default})."`

	// Out and Err are where commands write.
	Out io.Writer `kong:"-"`
	Err io.Writer `kong:"-"`
	// Ready, where not nil, is called with a server's address once it listens.
	Ready func(address string) `kong:"-"`

	// ended, where not nil, is what an error that ends the command is logged by.
	ended *slog.Logger
}

func (g *Globals) logger(format string) *slog.Logger {
	return observe.NewLogger(g.Err, format == "json", g.LogLevel)
}

// serverLog is logger for a server. Whoever reads its log as JSON is to read in the same way what has ended it, unless
// that is somebody at a terminal.
func (g *Globals) serverLog(format string) *slog.Logger {
	if format == "json" && !terminal(g.Err) {
		g.ended = observe.NewLogger(g.Err, true, min(g.LogLevel, slog.LevelError))
	}
	return g.logger(format)
}

// with opens the database, which is made where it is not there yet, calls f and closes it.
func (g *Globals) with(ctx context.Context, f func(*App) error) error {
	return g.using(ctx, Config{}, f)
}

// withExisting is with for commands that have no use for a new database.
func (g *Globals) withExisting(ctx context.Context, f func(*App) error) error {
	return g.using(ctx, Config{Existing: true}, f)
}

func (g *Globals) using(ctx context.Context, cfg Config, f func(*App) error) (err error) {
	cfg.Database, cfg.Connections = g.Database, g.Connections
	if cfg.Log == nil {
		cfg.Log = g.logger("text")
	}
	// What logs without having been given a logger, the package log too, is to write as all others do.
	slog.SetDefault(cfg.Log)
	a, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer closing(&err, "closing", a.Close)
	return f(a)
}

// closing joins what fails in the end, doing so, to err: whatever has ended the command, this went wrong.
func closing(err *error, doing string, end func() error) {
	if failed := end(); failed != nil {
		*err = errors.Join(*err, &exitError{fmt.Errorf("%s: %w", doing, failed), ExitFailed})
	}
}

func (g *Globals) print(format string, args ...any) error {
	_, err := fmt.Fprintf(g.Out, format, args...)
	return err
}

// ListenFlag is where a server listens.
type ListenFlag struct {
	Listen string `env:"ZEROTEN_LISTEN" default:":8080" placeholder:"ADDRESS" help:"Listen on this address, e.g. 127.0.0.1:8080 (default ${default})."`
}

// home is what to type into a browser.
func home(s *Server) string {
	return "http://" + reachable(s.Addr)
}

// ServeCmd is `zeroten serve`.
type ServeCmd struct {
	ListenFlag `embed:""`
	Edge       `embed:""`
}

const (
	// mostGarbage is what memory a server may have, in bytes, what waits for events apart.
	mostGarbage = 120 << 20
	// eachWaiting is what memory each of those may have that wait for events: a connection that stays open, or a
	// subscription. An event stream, which is both, was seen to take 15 kB, and a socket with one subscription 20 kB.
	eachWaiting = 10 << 10
	// limitStep is how much a limit must be off before it is set anew, which stops all goroutines for a moment.
	limitStep = 8 << 20
	// limitEvery is how often it is looked at, and calmAfter after how many looks without a change many have come or gone.
	limitEvery, calmAfter = 500 * time.Millisecond, 60
)

// collectLess trades memory for time, where the environment does not say otherwise: a server that answers within a
// millisecond keeps little and makes much garbage. With it the server spent about a third less processor time on a request.
//
// What waits for events is no garbage, however. The limit follows its number: else with many subscribers the collector
// would run all the time. What their coming and going left behind is collected once it is over, and the runtime then gives
// it back to the system little by little. It goes on until the context is done.
func collectLess(ctx context.Context, waiting func() int) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(mostGarbage)
	flight.Go(func() {
		tick := time.NewTicker(limitEvery)
		defer tick.Stop()
		for set, calm := memoryLimit(0), calmAfter; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if want := memoryLimit(waiting()); want != set {
				debug.SetMemoryLimit(want)
				set, calm = want, 0
				continue
			}
			if calm++; calm == calmAfter {
				runtime.GC() // beside all else, as always
				runtime.GC() // what is given back is reckoned by the one before
			}
		}
	}, flight.Logged(nil, "setting a memory limit"))
}

// memoryLimit is what memory there may be while so many wait, in bytes.
func memoryLimit(waiting int) int64 {
	return mostGarbage + int64(waiting)*eachWaiting/limitStep*limitStep
}

// Run serves until the context is done.
func (c *ServeCmd) Run(ctx context.Context, g *Globals) error {
	log := g.serverLog(cmp.Or(c.LogFormat, "json"))
	doors, err := openDoors(ctx, c.Listen, c.Edge)
	if err != nil {
		return err
	}
	defer doors.close() // the server closes them itself; this is for when there is none
	return g.using(ctx, Config{Log: log, Getenv: os.Getenv}, func(a *App) error {
		s, err := a.serve(doors, c.Edge, playground.Page{}, nil)
		if err != nil {
			return err
		}
		collectLess(ctx, func() int {
			live := a.Live.Stats()
			return int(a.connections.Load()) + s.open() + live.Subscribers + live.Watches
		})
		if err := g.first(ctx, a); err != nil {
			return err
		}
		if err := a.Work(ctx); err != nil {
			return err
		}
		if err := g.print("Zeroten serves %s on %s/graphql, and the playground on %s/playground\n", a.DB.Name(), home(s), home(s)); err != nil {
			return err
		}
		return g.wait(ctx, s)
	})
}

// first makes a tenant on an empty database, and shows its key.
func (g *Globals) first(ctx context.Context, a *App) error {
	return tenant.First(ctx, a.DB, func(secret string) error {
		return g.print("Made a first tenant. Its ADMIN key, shown this once:\n\n    %s\n\n", secret)
	})
}

func (g *Globals) wait(ctx context.Context, s *Server) error {
	if g.Ready != nil {
		g.Ready(s.Addr.String())
	}
	if err := s.Wait(ctx); err != nil {
		return &exitError{err, ExitFailed} // though a signal has come, which is how a server ends, it was not that
	}
	return nil
}
