package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/auth"
	campaigns "github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/trait"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/importer"
)

// ImportCmd is `zeroten import`.
type ImportCmd struct {
	TenantFlag `embed:""`
	File       string   `arg:"" type:"existingfile" help:"The CSV file."`
	Campaign   string   `env:"ZEROTEN_IMPORT_CAMPAIGN" placeholder:"NAME" help:"The campaign, by name or id; made where there is none of the name. The file's name by default."`
	Score      string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_SCORE" help:"The column of scores. This and the next are guessed by the header; - means that there is none."`
	Comment    string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_COMMENT" help:"The column of comments."`
	Date       string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_DATE" help:"The column that says when the answer was given."`
	Contact    string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_CONTACT" help:"The column of the contacts' external ids."`
	Email      string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_EMAIL" help:"The column of e-mail addresses."`
	Name       string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_NAME" help:"The column of people's names."`
	Variant    string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_VARIANT" help:"The column of variants."`
	Locale     string   `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_LOCALE" help:"The column of language tags."`
	Trait      []string `placeholder:"COLUMN" env:"ZEROTEN_IMPORT_TRAIT" help:"A column that holds a trait, as COLUMN, COLUMN:KIND, COLUMN=key or COLUMN=key:KIND; may be given several times. Traits that are not defined yet become dimensions."`
	DateFormat string   `placeholder:"FORMAT" env:"ZEROTEN_IMPORT_DATE_FORMAT" help:"How dates are written, e.g. DD/MM/YYYY; guessed where there is only one way to read them."`
	On         string   `placeholder:"DATE" env:"ZEROTEN_IMPORT_ON" help:"The day of all answers, e.g. 2026-11-22, where no column says."`
	Encoding   string   `placeholder:"NAME" env:"ZEROTEN_IMPORT_ENCODING" help:"utf-8, utf-16le, utf-16be or windows-1252; recognised by default."`
	Delimiter  string   `placeholder:"CHARACTER" env:"ZEROTEN_IMPORT_DELIMITER" help:"What separates fields; guessed by default."`
	Rejects    string   `placeholder:"FILE" env:"ZEROTEN_IMPORT_REJECTS" help:"Where rows that are wrong go to; FILE.rejects.csv by default."`
	DryRun     bool     `env:"ZEROTEN_IMPORT_DRY_RUN" help:"Say how the file would be read, and import nothing."`
}

// errImportInterrupted makes the program fail, so that scripts notice.
var errImportInterrupted = &exitError{errors.New("interrupted; the same command goes on where this one stopped"), ExitInterrupted}

// Run imports the file. Nothing is made before the file is understood.
func (c *ImportCmd) Run(ctx context.Context, g *Globals) error {
	if c.DryRun {
		return c.dryRun(ctx, g)
	}
	return g.with(ctx, func(a *App) error {
		state, err := c.state(ctx, a)
		if err != nil {
			return err
		}
		plan, err := c.plan(ctx, state)
		if err != nil {
			return err
		}
		if err := g.print("%s\n", plan.Describe()); err != nil {
			return err
		}
		if state == nil {
			if err := g.first(ctx, a); err != nil {
				return err
			}
		}
		ctx, t, err := a.As(ctx, c.Tenant)
		if err != nil {
			return err
		}
		return c.run(ctx, g, a, t, plan)
	})
}

// dryRun says how the file would be read. A database that is not there yet is not made.
func (c *ImportCmd) dryRun(ctx context.Context, g *Globals) error {
	var state *cube.State
	err := g.withExisting(ctx, func(a *App) (err error) {
		state, err = c.state(ctx, a)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	plan, err := c.plan(ctx, state)
	if err != nil {
		return err
	}
	return g.print("%s\n", plan.Describe())
}

// state is that of the tenant; nil on an empty database.
func (c *ImportCmd) state(ctx context.Context, a *App) (*cube.State, error) {
	n, err := a.DB.Ent.Tenant.Query().Count(auth.ForSystem(ctx))
	if err != nil {
		return nil, fmt.Errorf("counting tenants: %w", err)
	}
	if n == 0 && c.Tenant == "" {
		return nil, nil
	}
	ctx, t, err := a.As(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	return cube.Load(ctx, a.DB, t)
}

func (c *ImportCmd) plan(ctx context.Context, state *cube.State) (*importer.Plan, error) {
	comma, size := utf8.DecodeRuneInString(c.Delimiter)
	if size != len(c.Delimiter) {
		return nil, fmt.Errorf("--delimiter %q: want one character", c.Delimiter)
	}
	if size == 0 {
		comma = 0
	}
	zone, defined := time.UTC, map[string]trait.Definition(nil)
	if state != nil {
		zone, defined = state.Active.Zone(), state.Traits
	}
	return importer.Prepare(ctx, importer.Options{
		Path: c.File, Score: c.Score, Comment: c.Comment, Date: c.Date, Contact: c.Contact, Email: c.Email, Name: c.Name,
		Variant: c.Variant, Locale: c.Locale, Traits: c.Trait, Defined: defined, DateFormat: c.DateFormat, On: c.On,
		Zone: zone, Encoding: c.Encoding, Comma: comma, Rejects: c.Rejects,
	})
}

func (c *ImportCmd) run(ctx context.Context, g *Globals, a *App, t uuid.UUID, plan *importer.Plan) error {
	name := c.Campaign
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File))
	}
	into, err := a.campaignNamed(ctx, name)
	if err != nil {
		return err
	}
	plan.Campaign = into.NodeID()
	if err := plan.Define(ctx, func(ctx context.Context, in cube.DefineTraitInput) error {
		_, err := a.Builder.DefineTrait(ctx, in)
		return err
	}); err != nil {
		return err
	}
	progress, finish := importer.Bar(g.Err, plan.Size())
	result, err := plan.Run(ctx, a.Log, progress)
	finish()
	report := fmt.Sprintf("campaign %q: %d recorded, %d known from before, %d skipped without a score, %d rejected\n",
		into.Name, result.Recorded, result.Known, result.Skipped, result.Rejected)
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
	return a.Builder.Rebuild(ctx, t)
}

// campaignNamed finds a campaign by id or name, and makes it where there is none of the name.
func (a *App) campaignNamed(ctx context.Context, named string) (*ent.Campaign, error) {
	q := a.DB.Ent.Campaign.Query().Where(campaign.Name(named))
	u, notID := id.Campaign.Parse(named)
	if notID == nil {
		q = a.DB.Ent.Campaign.Query().Where(campaign.ID(u))
	}
	c, err := q.Only(ctx)
	if ent.IsNotFound(err) && notID == nil {
		return nil, fmt.Errorf("there is no campaign %s", named)
	}
	if ent.IsNotFound(err) {
		return campaigns.Create(ctx, a.DB, campaigns.CreateInput{Name: named})
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the campaign: %w", err)
	}
	return c, nil
}
