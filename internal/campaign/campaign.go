// Package campaign knows the questions that are asked.
package campaign

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Limits, in characters.
const (
	MaxName     = 200
	MaxQuestion = 500
)

// What is asked where a campaign is made without questions of its own.
const (
	DefaultQuestion         = "How likely is it that you would recommend us to a friend or colleague?"
	DefaultFollowUpQuestion = "How can we improve your experience?"
)

// CreateInput is a campaign to make.
type CreateInput struct {
	Name string
	// Question and FollowUpQuestion where nil are the default ones.
	Question, FollowUpQuestion *string
}

// UpdateInput says what of a campaign changes; what is nil stays.
type UpdateInput struct {
	// ID is the text of the campaign's id.
	ID                               string
	Name, Question, FollowUpQuestion *string
	Status                           *entcampaign.Status
}

// Create makes a campaign of the caller's tenant, which takes responses from now on. The error is UserErrors for what
// the caller can mend.
func Create(ctx context.Context, db *store.DB, in CreateInput) (*ent.Campaign, error) {
	question, followUp := DefaultQuestion, DefaultFollowUpQuestion
	if in.Question != nil {
		question = *in.Question
	}
	if in.FollowUpQuestion != nil {
		followUp = *in.FollowUpQuestion
	}
	if err := validate(&in.Name, &question, &followUp).Err(); err != nil {
		return nil, err
	}
	var created *ent.Campaign
	err := db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) (err error) {
		created, err = tx.Ent.Campaign.Create().
			SetName(in.Name).SetQuestion(question).SetFollowUpQuestion(followUp).Save(ctx)
		return err
	})
	if err != nil {
		return nil, failure("making a campaign", err)
	}
	return created, nil
}

// Update changes a campaign of the caller's tenant. One that is closed can be renamed and asked otherwise, but not be
// opened again. The error is UserErrors for what the caller can mend.
func Update(ctx context.Context, db *store.DB, in UpdateInput) (*ent.Campaign, error) {
	errs := validate(in.Name, in.Question, in.FollowUpQuestion)
	target, err := id.Campaign.Parse(in.ID)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	if in.Status != nil && entcampaign.StatusValidator(*in.Status) != nil {
		errs.Add(apierror.Invalid, []string{"status"}, "There is no status %.20q: it is ACTIVE, PAUSED or CLOSED.", *in.Status)
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	var saved *ent.Campaign
	err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		old, err := tx.Ent.Campaign.Get(ctx, target)
		switch {
		case ent.IsNotFound(err):
			return apierror.User(apierror.NotFound, []string{"id"}, "There is no campaign %s.", in.ID)
		case err != nil:
			return err
		case old.Status == entcampaign.StatusCLOSED && in.Status != nil && *in.Status != old.Status:
			return apierror.User(apierror.NotAllowed, []string{"status"},
				"The campaign is closed for good; make another one to ask again.")
		}
		if saved = old; in.changesNothing(old) {
			return nil
		}
		saved, err = tx.Ent.Campaign.UpdateOne(old).SetNillableName(in.Name).SetNillableQuestion(in.Question).
			SetNillableFollowUpQuestion(in.FollowUpQuestion).SetNillableStatus(in.Status).Save(ctx)
		return err
	})
	if err != nil {
		return nil, failure("changing a campaign", err)
	}
	return saved, nil
}

func (in *UpdateInput) changesNothing(c *ent.Campaign) bool {
	same := func(given *string, text string) bool { return given == nil || *given == text }
	return same(in.Name, c.Name) && same(in.Question, c.Question) && same(in.FollowUpQuestion, c.FollowUpQuestion) &&
		(in.Status == nil || *in.Status == c.Status)
}

func failure(doing string, err error) error {
	if store.IsConflict(err) {
		// The name is all that is unique but the id.
		return apierror.User(apierror.Taken, []string{"name"}, "Another campaign has this name.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// validate says what is wrong with the texts that are given.
func validate(name, question, followUpQuestion *string) apierror.UserErrors {
	var errs apierror.UserErrors
	for _, f := range []struct {
		field string
		text  *string
		max   int
	}{{"name", name, MaxName}, {"question", question, MaxQuestion}, {"followUpQuestion", followUpQuestion, MaxQuestion}} {
		errs.Filled(f.max, f.text, f.field)
	}
	if name != nil && trait.Reserved(*name) {
		errs.Add(apierror.NotAllowed, []string{"name"}, "%s has a meaning of its own in breakdowns: take another name.", *name)
	}
	return errs
}

// Get finds a campaign of the caller's tenant; nil where none is visible to the caller.
func Get(ctx context.Context, db *store.DB, id uuid.UUID) (*ent.Campaign, error) {
	c, err := db.Ent.Campaign.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a campaign: %w", err)
	}
	return c, nil
}

// List pages through the campaigns that are visible to the caller, newest first: all of them where status is nil, else
// those with one of the given; and where search is a text, those alone whose name holds it, in capital letters or small.
func List(ctx context.Context, db *store.DB, args page.Args, status []entcampaign.Status, search *string) (*page.Connection[*ent.Campaign], error) {
	named, err := page.Named(ctx, search, func(ctx context.Context) ([]*ent.Campaign, error) {
		return db.Ent.Campaign.Query().Select(entcampaign.FieldID, entcampaign.FieldName).All(ctx)
	}, func(c *ent.Campaign) (uuid.UUID, string) { return c.ID, c.Name })
	if err != nil {
		return nil, fmt.Errorf("listing campaigns: %w", err)
	}
	query := func() *ent.CampaignQuery {
		q := db.Ent.Campaign.Query()
		if named != nil {
			q.Where(func(s *sql.Selector) { s.Where(store.IDIn(s, named)) })
		}
		if status != nil {
			q.Where(entcampaign.StatusIn(status...))
		}
		return q
	}
	list, err := page.Of(ctx, args, page.Order{List: "campaigns", Desc: true},
		func(c *ent.Campaign) page.Key { return page.Key{ID: c.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.Campaign, error) {
			return query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) { return query().Count(ctx) })
	if err != nil {
		return nil, fmt.Errorf("listing campaigns: %w", err)
	}
	return list, nil
}

// Connection is a page of campaigns, as the API has it.
type Connection = page.Connection[*ent.Campaign]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Campaign]
