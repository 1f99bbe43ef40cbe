package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/auth"
	campaigns "github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/importer"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
	"golang.org/x/term"
)

// ImportCmd is `zeroten import`.
type ImportCmd struct {
	TenantFlag `embed:""`
	File       string   `arg:"" type:"existingfile" help:"The CSV file."`
	Campaign   string   `env:"ZEROTEN_IMPORT_CAMPAIGN" placeholder:"NAME" help:"The campaign, by name or id; made where there is none of the name. The file's name by default."`
	Score      string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_SCORE" help:"The column of scores. This and the next are guessed by the header; - means that there is none."`
	Comment    string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_COMMENT" help:"The column of comments."`
	Date       string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_DATE" help:"The column that says when the answer was given."`
	ID         string   `name:"id" placeholder:"COLUMN" env:"ZEROTEN_IMPORT_ID" help:"The column of the answers' own ids, by which an answer is known again in another export."`
	Contact    string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_CONTACT" help:"The column of the contacts' external ids."`
	Email      string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_EMAIL" help:"The column of e-mail addresses."`
	Name       string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_NAME" help:"The column of people's names."`
	Variant    string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_VARIANT" help:"The column of variants."`
	Locale     string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_LOCALE" help:"The column of language tags."`
	Trait      []string `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_TRAIT" help:"A column that holds a trait, as COLUMN, COLUMN:KIND, COLUMN=key or COLUMN=key:KIND; may be given several times. Traits that are not defined yet become dimensions."`
	DateFormat string   `placeholder:"FORMAT" env:"ZEROTEN_IMPORT_DATE_FORMAT" help:"How dates are written, e.g. DD/MM/YYYY, unix, excel or excel1904; guessed where there is only one way to read them."`
	TimeZone   string   `placeholder:"ZONE" env:"ZEROTEN_IMPORT_TIME_ZONE" help:"The zone of dates that name none, e.g. Europe/Berlin, UTC or +02:00; by default what the file says, else the tenant's."`
	On         string   `placeholder:"DATE" env:"ZEROTEN_IMPORT_ON" help:"The day of all answers, e.g. 2026-11-22, where no column says."`
	Encoding   string   `placeholder:"NAME" env:"ZEROTEN_IMPORT_ENCODING" help:"utf-8, utf-16le, utf-16be, windows-1252 or macintosh; recognised by default, but for the last."`
	Delimiter  string   `placeholder:"CHARACTER" env:"ZEROTEN_IMPORT_DELIMITER" help:"What separates fields; guessed by default."`
	Skip       int      `placeholder:"LINES" env:"ZEROTEN_IMPORT_SKIP" help:"How many lines there are before the header; guessed by default."`
	Rejects    string   `placeholder:"FILE" env:"ZEROTEN_IMPORT_REJECTS" help:"Where rows that are wrong go to; FILE.rejects.csv by default."`
	DryRun     bool     `env:"ZEROTEN_IMPORT_DRY_RUN" help:"Read the whole file, say how, and what would be recorded, and import nothing."`
	Yes        bool     `env:"ZEROTEN_IMPORT_YES" help:"Import although there are warnings, such as of scores that cannot be read."`
}

// errImportInterrupted makes the program fail, so that scripts notice.
var errImportInterrupted = &exitError{errors.New("interrupted; the same command goes on where this one stopped"), ExitInterrupted}

// Run imports the file. Nothing is made before the file is understood, and what is odd about it confirmed.
func (c *ImportCmd) Run(ctx context.Context, g *Globals) error {
	plan, err := c.look(ctx, g)
	if err != nil || c.DryRun {
		return err
	}
	return g.with(ctx, func(a *App) error {
		tenants, err := a.DB.Ent.Tenant.Query().Count(auth.ForSystem(ctx))
		if err != nil {
			return fmt.Errorf("counting tenants: %w", err)
		}
		if tenants == 0 && c.Tenant == "" {
			if err := g.first(ctx, a); err != nil {
				return err
			}
		}
		ctx, t, err := a.As(ctx, c.Tenant)
		if err != nil {
			return err
		}
		a.keepAnalyzed()
		return c.run(ctx, g, a, t, plan)
	})
}

// look reads the file and shows how, and what would be done with it. It neither makes nor changes a database, but for its
// schema where something is to be imported.
func (c *ImportCmd) look(ctx context.Context, g *Globals) (plan *importer.Plan, err error) {
	db, err := c.existing(ctx, g)
	if err != nil {
		return nil, err
	}
	var state *settings.State
	if db != nil {
		defer func() { err = errors.Join(err, db.Close()) }()
		if ctx, state, err = c.state(ctx, db); err != nil {
			return nil, err
		}
	}
	if plan, err = c.plan(ctx, state); err != nil {
		return nil, err
	}
	var known func(context.Context, []string) ([]bool, error)
	if c.DryRun && state != nil {
		into, err := campaignNamed(ctx, db, c.campaign())
		if err != nil {
			return nil, err
		}
		if into != nil {
			plan.Campaign = into.NodeID()
			known = func(ctx context.Context, keys []string) ([]bool, error) { return feedback.Known(ctx, db, keys) }
		}
	}
	preview, err := plan.Check(ctx, time.Now(), known)
	if err != nil {
		return nil, err
	}
	var shown strings.Builder
	shown.WriteString(plan.Describe())
	if c.DryRun {
		shown.WriteString(preview.Describe())
	}
	for _, warning := range preview.Warnings {
		shown.WriteString("warning: " + warning + "\n")
	}
	if err := g.print("%s\n", &shown); err != nil {
		return nil, err
	}
	switch n := preview.Rejected(); {
	case len(preview.Warnings) > 0 && !c.Yes:
		return nil, usage("nothing was imported: the file is odd (see the %s), so it must be confirmed with --yes",
			map[bool]string{true: "warning", false: "warnings"}[len(preview.Warnings) == 1])
	case c.DryRun && n > 0:
		return nil, &exitError{fmt.Errorf("%d rows would be rejected", n), ExitRejected}
	}
	return plan, nil
}

// existing opens the database as it is; nil where there is none, and for a dry run where its schema is not up to date.
func (c *ImportCmd) existing(ctx context.Context, g *Globals) (db *store.DB, err error) {
	db, err = store.Open(ctx, g.Database, store.Options{MaxConns: g.Connections, Existing: true})
	if errors.Is(err, fs.ErrNotExist) {
		if c.DryRun {
			err = g.print("There is no database yet: no row is known from before.\n\n")
		} else {
			err = nil
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	pending, err := db.Pending(ctx)
	if err == nil && len(pending) == 0 {
		return db, nil
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	if c.DryRun {
		return nil, g.print("The database lacks migrations: what it knows is not looked at.\n\n")
	}
	if err := g.withExisting(ctx, func(*App) error { return nil }); err != nil {
		return nil, err
	}
	return store.Open(ctx, g.Database, store.Options{MaxConns: g.Connections, Existing: true})
}

// state is that of the tenant, which becomes the context's caller; nil on an empty database.
func (c *ImportCmd) state(ctx context.Context, db *store.DB) (context.Context, *settings.State, error) {
	n, err := db.Ent.Tenant.Query().Count(auth.ForSystem(ctx))
	if err != nil {
		return ctx, nil, fmt.Errorf("counting tenants: %w", err)
	}
	if n == 0 && c.Tenant == "" {
		return ctx, nil, nil
	}
	t, err := tenant.Choose(ctx, db, c.Tenant)
	if err != nil {
		return ctx, nil, err
	}
	ctx = auth.ForTenant(ctx, t)
	state, err := settings.Load(ctx, db, t)
	return ctx, state, err
}

// campaign is what the campaign is called.
func (c *ImportCmd) campaign() string {
	if c.Campaign != "" {
		return c.Campaign
	}
	return strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File))
}

func (c *ImportCmd) plan(ctx context.Context, state *settings.State) (*importer.Plan, error) {
	if c.Delimiter == `\t` || strings.EqualFold(c.Delimiter, "tab") {
		c.Delimiter = "\t"
	}
	comma, size := utf8.DecodeRuneInString(c.Delimiter)
	if size != len(c.Delimiter) {
		return nil, usage("--delimiter %q: want one character", c.Delimiter)
	}
	if size == 0 {
		comma = 0
	}
	var fileZone *time.Location
	if c.TimeZone != "" {
		var ok bool
		if fileZone, ok = importer.ParseZone(c.TimeZone); !ok {
			return nil, usage("--time-zone %q: want the name of a zone, such as Europe/Berlin or UTC, or an offset such as +02:00", c.TimeZone)
		}
	}
	if c.Skip < 0 {
		return nil, usage("--skip %d: want how many lines there are before the header", c.Skip)
	}
	zone, defined := time.UTC, map[string]trait.Definition(nil)
	if state != nil {
		zone, defined = state.Active.Zone(), state.Traits
	}
	plan, err := importer.Prepare(ctx, importer.Options{
		Path: c.File, Score: c.Score, Comment: c.Comment, Date: c.Date, ID: c.ID, Contact: c.Contact, Email: c.Email, Name: c.Name,
		Variant: c.Variant, Locale: c.Locale, Traits: c.Trait, Defined: defined, DateFormat: c.DateFormat, On: c.On,
		Zone: zone, FileZone: fileZone, Skip: c.Skip, Encoding: c.Encoding, Comma: comma, Rejects: c.Rejects,
	})
	if errors.Is(err, importer.ErrOption) {
		return nil, usage("%w", err)
	}
	return plan, err
}

func (c *ImportCmd) run(ctx context.Context, g *Globals, a *App, t uuid.UUID, plan *importer.Plan) error {
	into, err := campaignNamed(ctx, a.DB, c.campaign())
	if err == nil && into == nil {
		into, err = campaigns.Create(ctx, a.DB, campaigns.CreateInput{Name: c.campaign()})
	}
	if err != nil {
		return err
	}
	plan.Campaign = into.NodeID()
	if err := plan.Define(ctx, func(ctx context.Context, in settings.DefineTraitInput) error {
		_, err := settings.DefineTrait(ctx, a.Builder, in)
		return err
	}); err != nil {
		return err
	}
	progress, finish := func(int64) {}, func() {}
	if terminal(g.Err) {
		progress, finish = importer.Bar(g.Err, plan.Size())
	}
	result, err := plan.Run(ctx, a.Log, progress)
	finish()
	report := fmt.Sprintf("campaign %q: %s\n", into.Name, result)
	if left := result.Left.String(); left != "" {
		report += "left out of answers that were taken: " + left + "\n"
	}
	if result.Rejected > 0 {
		report += "the rejected rows, with the reason of each: " + result.RejectsPath + "\n"
	}
	if err := errors.Join(err, g.print("%s", report)); err != nil {
		return err
	}
	if result.Interrupted {
		return errImportInterrupted
	}
	// New traits take in what was there before; no server need be running for that.
	if err := a.Builder.Rebuild(ctx, t); err != nil {
		return err
	}
	if result.Rejected > 0 {
		return &exitError{fmt.Errorf("%d rows were rejected", result.Rejected), ExitRejected}
	}
	return nil
}

// campaignNamed finds a campaign by id or name; nil where there is none of the name.
func campaignNamed(ctx context.Context, db *store.DB, named string) (*ent.Campaign, error) {
	q := db.Ent.Campaign.Query().Where(campaign.Name(named))
	u, notID := id.Campaign.Parse(named)
	if notID == nil {
		q = db.Ent.Campaign.Query().Where(campaign.ID(u))
	}
	c, err := q.Only(ctx)
	if ent.IsNotFound(err) && notID == nil {
		return nil, fmt.Errorf("there is no campaign %s", named)
	}
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the campaign: %w", err)
	}
	return c, nil
}

// terminal says whether somebody watches: in a log a bar is only noise.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
