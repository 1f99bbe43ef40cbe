package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/alecthomas/kong"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/demo"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
)

// DemoCmd is `zeroten demo`.
type DemoCmd struct {
	ListenFlag `embed:""`
	Edge       `embed:""`
	Every      time.Duration `env:"ZEROTEN_DEMO_EVERY" default:"400ms" help:"Record one more answer so often; 0 for none (default ${default})."`
}

// AfterApply refuses a database that is named, since the demo would neither use nor spare it, and a mail server, since nobody has
// asked the owners of the demo's made-up addresses. Variables are there for other commands, and stay unread.
func (*DemoCmd) AfterApply(command *kong.Context) error {
	for _, step := range command.Path {
		if step.Flag == nil {
			continue
		}
		switch step.Flag.Name {
		case "database":
			return errors.New("--database: the demo makes a database of its own and throws it away; `zeroten serve` takes this one")
		case "mail-url":
			return errors.New("--mail-url: the demo's customers are made up, and their mails are written to files alone; `zeroten serve` sends mails")
		}
	}
	return nil
}

// Run serves the demo until the context is done, and throws its database away.
func (c *DemoCmd) Run(ctx context.Context, g *Globals) (err error) {
	c.MailURL = ""
	log := g.serverLog(c.LogFormat)
	doors, err := openDoors(ctx, c.Listen, c.Edge)
	if err != nil {
		return err
	}
	defer doors.close() // the server closes them itself; this is for when there is none
	dir, err := os.MkdirTemp("", "zeroten-demo-")
	if err != nil {
		return fmt.Errorf("making a place for the demo: %w", err)
	}
	defer closing(&err, "throwing the demo away", func() error { return os.RemoveAll(dir) })
	slog.SetDefault(log)
	a, err := Open(ctx, Config{Database: store.FileURL(filepath.Join(dir, "demo.db")), Volatile: true, Restless: true, Log: log, Getenv: os.Getenv})
	if err != nil {
		return err
	}
	defer closing(&err, "closing", a.Close)
	if err := g.print("Making two years of answers …\n"); err != nil {
		return err
	}
	began := time.Now()
	usual := debug.SetGCPercent(400) // a sixth of the time, for some memory that is given back
	as, d, secret, err := a.Seed(ctx, time.Now())
	debug.SetGCPercent(usual)
	if ctx.Err() != nil {
		return &exitError{errors.New("interrupted while the answers were made: nothing is left of the demo"), ExitInterrupted}
	}
	if err != nil {
		return err
	}
	if err := demo.Ask(as, a.Outreach, d); err != nil {
		return err
	}
	if c.MailFolder == defaultMailFolder { // nobody has named another, and what the demo makes goes with it
		c.MailFolder = filepath.Join(dir, "mails")
	}
	site := c.site(doors.main.Addr())
	pages := &demo.Pages{Book: a.Book, Site: site, Campaigns: d.Campaigns, Log: a.log}
	s, err := a.serve(doors, c.Edge, playground.Page{Secret: secret, Variables: d.Variables()},
		map[string]http.Handler{"GET /demo/": pages})
	if err != nil {
		return err
	}
	if err := a.Work(ctx); err != nil {
		return err
	}
	err = g.print("%d answers in %.1f s. Explore them in the playground:\n\n    %s/playground\n\nor with any client at %s/graphql and the header\n\n    Authorization: Bearer %s\n\nWhat a customer gets, a mail and a page with the widget:\n\n    %s\n    %s\n\nOpen the playground's tab Listen, run it, and answer there: your answer comes in. The widget asks a browser once a day; with ?storage=off behind the address it asks each time.\n\n%s%s",
		d.Answers, time.Since(began).Seconds(), home(s), home(s), secret, site.At(demo.MailPath), site.At(demo.AccountPath), c.mails(), c.more())
	if err != nil {
		return err
	}
	if c.Every <= 0 {
		return g.wait(ctx, s)
	}
	goesOn := []func(context.Context) error{
		func(ctx context.Context) error { return demo.Stream(ctx, a.Log, a.Live, d, c.Every) },
		func(ctx context.Context) error { return demo.Happen(ctx, a.Outreach, d, time.Now) },
	}
	ended := make(chan error, len(goesOn))
	as, stop := context.WithCancel(as)
	for _, f := range goesOn {
		flight.Go(func() {
			ended <- flight.Run(func() error { return f(as) })
		}, flight.Logged(a.log, "keeping the demo going"))
	}
	err = g.wait(ctx, s)
	stop()
	for range goesOn {
		if why := <-ended; why != nil && !errors.Is(why, context.Canceled) {
			// Though a signal has come: that does not end it with an error.
			err = errors.Join(err, &exitError{why, ExitFailed})
		}
	}
	return err
}

// mails says where the mails are that customers are asked by.
func (c *DemoCmd) mails() string {
	return fmt.Sprintf("Customers are asked by mail, too, some every minute. The mails are sent to nobody: they lie in\n\n    %s\n\n", c.MailFolder)
}

// more says that answers go on coming, so that nobody wonders why the counts grow.
func (c *DemoCmd) more() string {
	if c.Every <= 0 {
		return ""
	}
	return fmt.Sprintf("More answers come in, one every %s; for %s after one of yours there is none, so that you see it.\n", c.Every, demo.Pause)
}

// Seed makes the demo's tenant and its answers before now. The context that it returns has the tenant's caller.
func (a *App) Seed(ctx context.Context, now time.Time) (context.Context, demo.Demo, string, error) {
	t, secret, err := tenant.Create(ctx, a.DB, tenant.CreateInput{Name: demo.Name, TimeZone: demo.TimeZone, Industry: new(demo.Industry)})
	if err != nil {
		return nil, demo.Demo{}, "", err
	}
	ctx = auth.ForTenant(ctx, t.ID)
	d, err := demo.Seed(ctx, a.Log, a.Builder, a.DB, now)
	return ctx, d, secret, err
}
