package click

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/provisionalanswer"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

// Connection is a page of provisional answers, as the API has it.
type Connection = page.Connection[*ent.ProvisionalAnswer]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.ProvisionalAnswer]

// List lists a campaign's provisional answers, those first whose link was opened last: all, or those with signs of a scanner, or those
// without.
func List(ctx context.Context, db *store.DB, campaign uuid.UUID, args page.Args, suspect *bool) (*Connection, error) {
	query := func() *ent.ProvisionalAnswerQuery {
		q := db.Ent.ProvisionalAnswer.Query().Where(provisionalanswer.CampaignID(campaign))
		if suspect != nil {
			q.Where(provisionalanswer.IsSuspect(*suspect))
		}
		return q
	}
	order := page.Order{List: "provisional", Column: provisionalanswer.FieldLastOpenedAt, Desc: true, Accepts: func(v any) bool {
		_, ok := v.(time.Time)
		return ok
	}}
	list, err := page.Of(ctx, args, order,
		func(a *ent.ProvisionalAnswer) page.Key { return page.Key{Value: a.LastOpenedAt, ID: a.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.ProvisionalAnswer, error) {
			return query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) { return count(ctx, query) })
	if err != nil {
		return nil, fmt.Errorf("listing provisional answers: %w", err)
	}
	return list, nil
}

// counted is how many rows are counted in one go.
const counted = 10 * rate.CountsPerPoint

// count counts what a query finds: as many as cost something at a time, so that it is refused in time.
func count(ctx context.Context, query func() *ent.ProvisionalAnswerQuery) (n int, err error) {
	rest := query
	for {
		last, err := rest().Order(provisionalanswer.ByLastOpenedAt(sql.OrderDesc()), provisionalanswer.ByID(sql.OrderDesc())).
			Offset(counted - 1).First(ctx)
		if ent.IsNotFound(err) {
			few, err := rest().Count(ctx)
			return n + few, err
		}
		if err != nil {
			return 0, err
		}
		n += counted
		if err := rate.Spend(ctx, counted/rate.CountsPerPoint); err != nil {
			return 0, err
		}
		rest = func() *ent.ProvisionalAnswerQuery {
			return query().Where(provisionalanswer.LastOpenedAtLTE(last.LastOpenedAt), provisionalanswer.Or(
				provisionalanswer.LastOpenedAtLT(last.LastOpenedAt), provisionalanswer.IDLT(last.ID)))
		}
	}
}
