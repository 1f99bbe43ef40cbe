// Package action knows what was done to move the score, and when: what stands on trends.
//
// Who is narrowed sees those actions alone that name nothing which the caller may not see, whatever is asked: the entity's policy sees
// to it.
package action

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entaction "github.com/zeroten/zeroten/ent/action"
	"github.com/zeroten/zeroten/ent/actioncampaign"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/predicate"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits: texts in characters.
const (
	MaxName      = 200
	MaxNote      = 10_000
	MaxCampaigns = 100
	// MaxActions is how many a tenant has at most: each list of a narrowed token goes through all of them.
	MaxActions = 1_000
)

// earliest is the first day that an action may be of: there are no answers from before.
const earliest = calendar.Day(0)

// CreateInput is an action to note.
type CreateInput struct {
	Name string
	// Note where nil or blank is none.
	Note      *string
	StartedOn calendar.Day
	// EndedOn where nil is never.
	EndedOn *calendar.Day
	// Segment is the text of an id; where nil the action was for all.
	Segment *string
	// Campaigns are texts of ids; where there are none the action was for all.
	Campaigns []string
}

// Change is what becomes of something that may be away: it stays where none is given, and else is what To says, which may be
// nothing.
type Change[T any] struct {
	Given bool
	To    T
}

// UpdateInput says what of an action changes; what is nil, or not given, stays.
type UpdateInput struct {
	// ID is the text of the action's id.
	ID        string
	Name      *string
	StartedOn *calendar.Day
	Note      Change[*string]
	EndedOn   Change[*calendar.Day]
	Segment   Change[*string]
	// Campaigns take the place of those before.
	Campaigns Change[[]string]
}

// Create notes an action of the caller's tenant. The error is UserErrors for what the caller can mend.
func Create(ctx context.Context, db *store.DB, in CreateInput) (*ent.Action, error) {
	errs := validate(&in.Name, in.Note, &in.StartedOn)
	names, wrong := parse(in.Segment, in.Campaigns)
	errs = append(append(errs, inOrder(in.StartedOn, in.EndedOn, "endedOn")...), wrong...)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	var created *ent.Action
	// Under the lock, so that they do not become more than they may be.
	err := db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		n, err := tx.Ent.Action.Query().Count(ctx)
		if err != nil {
			return err
		}
		if n >= MaxActions {
			return apierror.User(apierror.TooMany, []string{}, "There are %d actions already, which is all that may be; delete some that no trend needs any more.", n)
		}
		if err := names.check(ctx, tx); err != nil {
			return err
		}
		created, err = tx.Ent.Action.Create().SetName(in.Name).SetNillableNote(filled(in.Note)).
			SetStartedOn(in.StartedOn).SetNillableEndedOn(in.EndedOn).SetNillableSegmentID(names.segment).Save(ctx)
		if err != nil {
			return err
		}
		return add(ctx, tx, created.ID, names.campaigns)
	})
	if err != nil {
		return nil, fmt.Errorf("noting an action: %w", err)
	}
	return created, nil
}

// Update changes an action of the caller's tenant. The error is UserErrors for what the caller can mend.
func Update(ctx context.Context, db *store.DB, in UpdateInput) (*ent.Action, error) {
	errs := validate(in.Name, in.Note.To, in.StartedOn)
	target, err := id.Action.Parse(in.ID)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	names, wrong := parse(in.Segment.To, in.Campaigns.To)
	if err := append(errs, wrong...).Err(); err != nil {
		return nil, err
	}
	var saved *ent.Action
	// The tenant's lock keeps the segment from being deleted meanwhile.
	err = db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		old, err := find(ctx, tx, target)
		if err != nil {
			return err
		}
		if err := in.inOrder(old).Err(); err != nil {
			return err
		}
		if err := names.check(ctx, tx); err != nil {
			return err
		}
		update := tx.Ent.Action.UpdateOne(old)
		changed := in.update(update, old, names.segment)
		if in.Campaigns.Given {
			before, err := campaignsOf(ctx, tx.Ent, []uuid.UUID{target})
			if err != nil {
				return err
			}
			if !slices.Equal(before[target], names.campaigns) {
				changed = true
				if err := replace(ctx, tx, target, names.campaigns); err != nil {
					return err
				}
			}
		}
		if saved = old; !changed {
			return nil
		}
		saved, err = update.Save(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("changing an action: %w", err)
	}
	return saved, nil
}

// update changes what is to be another of the action's own fields, and says whether any is.
func (in *UpdateInput) update(u *ent.ActionUpdateOne, old *ent.Action, segment *uuid.UUID) (changed bool) {
	if in.Name != nil && *in.Name != old.Name {
		u.SetName(*in.Name)
		changed = true
	}
	if in.StartedOn != nil && *in.StartedOn != old.StartedOn {
		u.SetStartedOn(*in.StartedOn)
		changed = true
	}
	if note := filled(in.Note.To); in.Note.Given && !same(note, old.Note) {
		setOrClear(note, u.SetNote, u.ClearNote)
		changed = true
	}
	if in.EndedOn.Given && !same(in.EndedOn.To, old.EndedOn) {
		setOrClear(in.EndedOn.To, u.SetEndedOn, u.ClearEndedOn)
		changed = true
	}
	if in.Segment.Given && !same(segment, old.SegmentID) {
		setOrClear(segment, u.SetSegmentID, u.ClearSegmentID)
		changed = true
	}
	return changed
}

func setOrClear[T any](to *T, set func(T) *ent.ActionUpdateOne, without func() *ent.ActionUpdateOne) {
	if to == nil {
		without()
		return
	}
	set(*to)
}

// inOrder says what is wrong with the days as they will be.
func (in *UpdateInput) inOrder(old *ent.Action) apierror.UserErrors {
	started, ended, field := old.StartedOn, old.EndedOn, "startedOn"
	if in.StartedOn != nil {
		started = *in.StartedOn
	}
	if in.EndedOn.Given {
		ended, field = in.EndedOn.To, "endedOn"
	}
	return inOrder(started, ended, field)
}

func inOrder(started calendar.Day, ended *calendar.Day, field string) (errs apierror.UserErrors) {
	if ended != nil && *ended < started {
		errs.Add(apierror.Invalid, []string{field}, "The action would end on %s, before it starts, on %s.", *ended, started)
	}
	return errs
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// filled is nil for a blank text.
func filled(text *string) *string {
	if text == nil || strings.TrimSpace(*text) == "" {
		return nil
	}
	return text
}

// Delete deletes an action of the caller's tenant, named by the text of its id. The error is UserErrors where there is none.
func Delete(ctx context.Context, db *store.DB, idText string) (deleted uuid.UUID, err error) {
	target, err := id.Action.Parse(idText)
	if err != nil {
		return uuid.UUID{}, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	err = db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		old, err := find(ctx, tx, target)
		if err != nil {
			return err
		}
		if err := replace(ctx, tx, target, nil); err != nil {
			return err
		}
		return tx.Ent.Action.DeleteOne(old).Exec(ctx)
	})
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("deleting an action: %w", err)
	}
	db.Forget() // whoever deletes a note means it
	return target, nil
}

func find(ctx context.Context, tx *store.Tx, target uuid.UUID) (*ent.Action, error) {
	found, err := tx.Ent.Action.Get(ctx, target)
	if ent.IsNotFound(err) {
		return nil, apierror.User(apierror.NotFound, []string{"id"}, "There is no action %s.", id.Action.Format(target))
	}
	return found, err
}

// validate says what is wrong with what is given by itself.
func validate(name, note *string, startedOn *calendar.Day) (errs apierror.UserErrors) {
	errs.Filled(MaxName, name, "name")
	errs.AtMost(MaxNote, note, "note")
	if startedOn != nil && *startedOn < earliest {
		errs.Add(apierror.OutOfRange, []string{"startedOn"}, "Before %s.", earliest)
	}
	return errs
}

// names are whom an action is for.
type names struct {
	segment *uuid.UUID
	// campaigns are in order, each once.
	campaigns []uuid.UUID
	// at are the campaigns' places in the input.
	at map[uuid.UUID]int
}

func parse(segment *string, campaigns []string) (n names, errs apierror.UserErrors) {
	if segment != nil {
		s, err := id.Segment.Parse(*segment)
		if err != nil {
			errs.Add(apierror.Invalid, []string{"segment"}, "%v.", err)
		}
		n.segment = &s
	}
	if len(campaigns) > MaxCampaigns {
		errs.Add(apierror.TooMany, []string{"campaigns"}, "At most %d, not %d.", MaxCampaigns, len(campaigns))
		return n, errs
	}
	n.at = map[uuid.UUID]int{}
	for i, text := range campaigns {
		c, err := id.Campaign.Parse(text)
		if err != nil {
			errs.Add(apierror.Invalid, []string{"campaigns", apierror.Index(i)}, "%v.", err)
			continue
		}
		if _, again := n.at[c]; !again {
			n.at[c], n.campaigns = i, append(n.campaigns, c)
		}
	}
	slices.SortFunc(n.campaigns, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return n, errs
}

// check gives UserErrors for what there is not.
func (n *names) check(ctx context.Context, tx *store.Tx) error {
	var errs apierror.UserErrors
	if n.segment != nil {
		_, err := tx.Ent.Segment.Get(ctx, *n.segment)
		switch {
		case ent.IsNotFound(err):
			errs.Add(apierror.NotFound, []string{"segment"}, "There is no segment %s.", id.Segment.Format(*n.segment))
		case err != nil:
			return err
		}
	}
	if n.campaigns == nil {
		return errs.Err()
	}
	found, err := tx.Ent.Campaign.Query().Where(entcampaign.And(func(s *sql.Selector) { s.Where(store.IDIn(s, n.campaigns)) })).IDs(ctx)
	if err != nil {
		return err
	}
	for _, c := range n.campaigns {
		if !slices.Contains(found, c) {
			errs.Add(apierror.NotFound, []string{"campaigns", apierror.Index(n.at[c])}, "There is no campaign %s.", id.Campaign.Format(c))
		}
	}
	return errs.Err()
}

// replace puts the campaigns in the place of those before.
func replace(ctx context.Context, tx *store.Tx, action uuid.UUID, campaigns []uuid.UUID) error {
	if _, err := tx.Ent.ActionCampaign.Delete().Where(actioncampaign.ActionID(action)).Exec(ctx); err != nil {
		return fmt.Errorf("taking campaigns away: %w", err)
	}
	return add(ctx, tx, action, campaigns)
}

func add(ctx context.Context, tx *store.Tx, action uuid.UUID, campaigns []uuid.UUID) error {
	rows := make([]*ent.ActionCampaignCreate, len(campaigns))
	for i, c := range campaigns {
		rows[i] = tx.Ent.ActionCampaign.Create().SetActionID(action).SetCampaignID(c)
	}
	if err := tx.Ent.ActionCampaign.CreateBulk(rows...).Exec(ctx); err != nil {
		return fmt.Errorf("adding campaigns: %w", err)
	}
	return nil
}

// Get finds an action that is visible to the caller; nil where there is none.
func Get(ctx context.Context, db *store.DB, id uuid.UUID) (*ent.Action, error) {
	found, err := db.Ent.Action.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding an action: %w", err)
	}
	return found, nil
}

// List pages through the actions that are visible to the caller: the latest start first, of equal starts the newest.
func List(ctx context.Context, db *store.DB, args page.Args) (*page.Connection[*ent.Action], error) {
	isDay := func(value any) bool {
		day, ok := value.(int64)
		return ok && day >= int64(calendar.MinDay) && day <= int64(calendar.MaxDay)
	}
	list, err := page.Of(ctx, args, page.Order{List: "actions", Column: entaction.FieldStartedOn, Desc: true, Accepts: isDay},
		func(a *ent.Action) page.Key { return page.Key{Value: int64(a.StartedOn), ID: a.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.Action, error) {
			return db.Ent.Action.Query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) { return db.Ent.Action.Query().Count(ctx) })
	if err != nil {
		return nil, fmt.Errorf("listing actions: %w", err)
	}
	return list, nil
}

// Between gives the actions that started on these days, both included, and are visible to the caller, in the order of their starts; at
// most so many are read, and one more.
func Between(ctx context.Context, db *store.DB, first, last calendar.Day, most int) ([]*ent.Action, error) {
	found, err := db.Ent.Action.Query().Where(entaction.StartedOnGTE(first), entaction.StartedOnLTE(last)).
		Order(entaction.ByStartedOn(), entaction.ByID()).Limit(most + 1).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding actions: %w", err)
	}
	return found, nil
}

// Neighbour is what of an action others are set beside.
type Neighbour struct {
	ID        uuid.UUID     `sql:"id"`
	StartedOn calendar.Day  `sql:"started_on"`
	EndedOn   *calendar.Day `sql:"ended_on"`
	SegmentID *uuid.UUID    `sql:"segment_id"`
}

// Around gives the actions that started or ended on these days, both included, and are visible to the caller; at most so many are
// read, and one more.
func Around(ctx context.Context, db *store.DB, first, last calendar.Day, most int) ([]Neighbour, error) {
	var found []Neighbour
	// One after the other, since each goes by an index of its own: those that ended then, and had started before, are no others.
	for _, when := range []predicate.Action{
		entaction.And(entaction.StartedOnGTE(first), entaction.StartedOnLTE(last)),
		entaction.And(entaction.EndedOnGTE(first), entaction.EndedOnLTE(last), entaction.StartedOnLT(first)),
	} {
		var some []Neighbour
		err := db.Ent.Action.Query().Where(when).Limit(most+1-len(found)).
			Select(entaction.FieldID, entaction.FieldStartedOn, entaction.FieldEndedOn, entaction.FieldSegmentID).Scan(ctx, &some)
		if err != nil {
			return nil, fmt.Errorf("finding actions around days: %w", err)
		}
		if found = append(found, some...); len(found) > most {
			break
		}
	}
	return found, nil
}

// CampaignsOf tells which campaigns actions were for, the oldest first: of those that were for all there is nothing.
func CampaignsOf(ctx context.Context, db *store.DB, actions []uuid.UUID) (map[uuid.UUID][]uuid.UUID, error) {
	return campaignsOf(ctx, db.Ent, actions)
}

func campaignsOf(ctx context.Context, client *ent.Client, actions []uuid.UUID) (map[uuid.UUID][]uuid.UUID, error) {
	var rows []struct {
		ActionID   uuid.UUID `sql:"action_id"`
		CampaignID uuid.UUID `sql:"campaign_id"`
	}
	err := linksOf(client, actions).Order(actioncampaign.ByCampaignID()).
		Select(actioncampaign.FieldActionID, actioncampaign.FieldCampaignID).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("reading the campaigns of actions: %w", err)
	}
	all := map[uuid.UUID][]uuid.UUID{}
	for _, row := range rows {
		all[row.ActionID] = append(all[row.ActionID], row.CampaignID)
	}
	return all, nil
}

// CountCampaignsOf tells how many CampaignsOf would give in all.
func CountCampaignsOf(ctx context.Context, db *store.DB, actions []uuid.UUID) (int, error) {
	n, err := linksOf(db.Ent, actions).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting the campaigns of actions: %w", err)
	}
	return n, nil
}

func linksOf(client *ent.Client, actions []uuid.UUID) *ent.ActionCampaignQuery {
	return client.ActionCampaign.Query().Where(func(s *sql.Selector) {
		s.Where(store.FieldIn(s, actioncampaign.FieldActionID, actions))
	})
}

// Connection is a page of actions, as the API has it.
type Connection = page.Connection[*ent.Action]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Action]
