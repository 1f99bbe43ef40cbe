package settings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entaction "github.com/zeroten/zeroten/ent/action"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	entsegment "github.com/zeroten/zeroten/ent/segment"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
)

// MaxSegmentName is how many characters a segment's name has at most.
const MaxSegmentName = 200

// CreateSegmentInput is a segment to save.
type CreateSegmentInput struct {
	Name string
	Rule segment.Rule
}

// UpdateSegmentInput says what of a segment changes; what is nil stays.
type UpdateSegmentInput struct {
	// ID is the text of the segment's id.
	ID   string
	Name *string
	Rule *segment.Rule
}

// CreateSegment saves a segment of the caller's tenant. The error is UserErrors for what the caller can mend.
func CreateSegment(ctx context.Context, db *store.DB, in CreateSegmentInput) (*ent.Segment, error) {
	var created *ent.Segment
	tenant := auth.Tenant(ctx)
	err := db.WriteSettings(ctx, tenant, func(tx *store.Tx) error {
		err := validateSegment(ctx, tx, tenant, &in.Name, &in.Rule)
		if err != nil {
			return err
		}
		if created, err = tx.Ent.Segment.Create().SetName(in.Name).SetRule(in.Rule).Save(ctx); err != nil {
			return fmt.Errorf("saving a segment: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return created, nil
}

// UpdateSegment changes a segment of the caller's tenant. The error is UserErrors for what the caller can mend.
func UpdateSegment(ctx context.Context, db *store.DB, in UpdateSegmentInput) (*ent.Segment, error) {
	target, err := id.Segment.Parse(in.ID)
	if err != nil {
		return nil, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	var saved *ent.Segment
	tenant := auth.Tenant(ctx)
	err = db.WriteSettings(ctx, tenant, func(tx *store.Tx) error {
		old, err := findSegment(ctx, tx, target)
		if err != nil {
			return err
		}
		if err := validateSegment(ctx, tx, tenant, in.Name, in.Rule); err != nil {
			return err
		}
		update := tx.Ent.Segment.UpdateOne(old)
		changed := false
		if in.Name != nil && *in.Name != old.Name {
			update.SetName(*in.Name)
			changed = true
		}
		if in.Rule != nil && !same(*in.Rule, old.Rule) {
			update.SetRule(*in.Rule)
			changed = true
		}
		if saved = old; !changed {
			return nil
		}
		if saved, err = update.Save(ctx); err != nil {
			return fmt.Errorf("saving a segment: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return saved, nil
}

// DeleteSegment deletes a segment of the caller's tenant, named by the text of its id. The error is UserErrors where
// there is none, and where an action is for it.
func DeleteSegment(ctx context.Context, db *store.DB, idText string) (deleted uuid.UUID, err error) {
	target, err := id.Segment.Parse(idText)
	if err != nil {
		return uuid.UUID{}, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		old, err := findSegment(ctx, tx, target)
		if err != nil {
			return err
		}
		used, err := tx.Ent.Action.Query().Where(entaction.SegmentID(target)).Order(entaction.ByID()).First(ctx)
		if err == nil {
			return apierror.User(apierror.Conflict, []string{"id"}, "The action %s is for it, and maybe others: change or delete those first.", used.NodeID())
		}
		if !ent.IsNotFound(err) {
			return fmt.Errorf("looking for the segment's actions: %w", err)
		}
		asked, err := tx.Ent.Schedule.Query().Where(entschedule.SegmentID(target)).First(ctx)
		if err == nil {
			return apierror.User(apierror.Conflict, []string{"id"}, "The schedule of the campaign %s asks those in it: set or delete that first.", id.Campaign.Format(asked.CampaignID))
		}
		if !ent.IsNotFound(err) {
			return fmt.Errorf("looking for the segment's schedules: %w", err)
		}
		if err := tx.Ent.Segment.DeleteOne(old).Exec(ctx); err != nil {
			return fmt.Errorf("deleting a segment: %w", err)
		}
		return nil
	})
	if err != nil {
		return uuid.UUID{}, err
	}
	return target, nil
}

// same reports whether both rules are stored alike.
func same(a, b segment.Rule) bool {
	was, err := json.Marshal(a)
	is, wrong := json.Marshal(b)
	return errors.Join(err, wrong) == nil && bytes.Equal(was, is)
}

func findSegment(ctx context.Context, tx *store.Tx, target uuid.UUID) (*ent.Segment, error) {
	found, err := tx.Ent.Segment.Get(ctx, target)
	if ent.IsNotFound(err) {
		return nil, apierror.User(apierror.NotFound, []string{"id"}, "There is no segment %s.", id.Segment.Format(target))
	}
	if err != nil {
		return nil, fmt.Errorf("finding a segment: %w", err)
	}
	return found, nil
}

// validateSegment checks what is given against the tenant's definitions, under its lock, so that no trait changes
// beneath a rule.
func validateSegment(ctx context.Context, tx *store.Tx, tenant uuid.UUID, name *string, rule *segment.Rule) error {
	var errs apierror.UserErrors
	errs.Filled(MaxSegmentName, name, "name")
	if rule != nil {
		s, err := definitions(ctx, tx.SQL, tenant)
		if err != nil {
			return err
		}
		errs = append(errs, rule.Validate(s.dimensions()).Under("rule")...)
	}
	return errs.Err()
}

// GetSegment finds a segment of the caller's tenant; nil where none is visible to the caller.
func GetSegment(ctx context.Context, db *store.DB, id uuid.UUID) (*ent.Segment, error) {
	found, err := db.Ent.Segment.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a segment: %w", err)
	}
	return found, nil
}

// ListSegments pages through the segments that are visible to the caller, newest first; where search is a text, those alone
// whose name holds it, in capital letters or small.
func ListSegments(ctx context.Context, db *store.DB, args page.Args, search *string) (*page.Connection[*ent.Segment], error) {
	named, err := page.Named(ctx, search, func(ctx context.Context) ([]*ent.Segment, error) {
		return db.Ent.Segment.Query().Select(entsegment.FieldID, entsegment.FieldName).All(ctx)
	}, func(g *ent.Segment) (uuid.UUID, string) { return g.ID, g.Name })
	if err != nil {
		return nil, fmt.Errorf("listing segments: %w", err)
	}
	query := func() *ent.SegmentQuery {
		q := db.Ent.Segment.Query()
		if named != nil {
			q.Where(func(s *sql.Selector) { s.Where(store.IDIn(s, named)) })
		}
		return q
	}
	list, err := page.Of(ctx, args, page.Order{List: "segments", Desc: true},
		func(g *ent.Segment) page.Key { return page.Key{ID: g.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.Segment, error) {
			return query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) { return query().Count(ctx) })
	if err != nil {
		return nil, fmt.Errorf("listing segments: %w", err)
	}
	return list, nil
}

// Matcher makes a rule ready for the active generation's profiles. name is what a caller who is narrowed to n knows the
// rule by: where it was written for dimensions that are still being built, the error is that of BeingTakenIn. For any
// other fault it is UserErrors with fields from the rule.
func (s *State) Matcher(n auth.Narrowing, rule segment.Rule, name string) (*segment.Matcher, error) {
	m, err := segment.Compile(rule, s.Active.Shape.Dimensions)
	if err != nil && s.Building != nil && rule.Validate(s.Building.Shape.Dimensions) == nil {
		return nil, s.BeingTakenIn(n, name, "a trait that it uses")
	}
	return m, err
}

// BeingTakenIn is the error for what cannot be answered yet since Building is not done: BAD_REQUEST, which begins with what
// was asked, names the trait that it lacks, and says how far the building is. A caller who is narrowed to a part would learn
// from that how many responses there are in all, and is not told.
func (s *State) BeingTakenIn(n auth.Narrowing, asked, lacks string) error {
	soFar := ""
	if n.IsZero() {
		soFar = fmt.Sprintf(": %d of %d so far", s.Rebuild.Done, s.Rebuild.Total)
	}
	return apierror.BadRequest("%s: past responses are still being taken in for %s%s. Ask again when all are.", asked, lacks, soFar)
}

// SegmentConnection is a page of segments, as the API has it.
type SegmentConnection = page.Connection[*ent.Segment]

// SegmentEdge is a row of such a page.
type SegmentEdge = page.Edge[*ent.Segment]
