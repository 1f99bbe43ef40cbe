package selection

import (
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// Whatever a walk asks for is a range of the index that it goes along, from the cursor on: neither is anything sorted nor
// is there anything between that nobody pays for. SQLite has no figures about its tables that would lead it elsewhere.
func TestStatementsAreRanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := auth.ForTenant(t.Context(), uuid.New())
		three := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
		many := make([]uuid.UUID, tenant.MaxTokenCampaigns)
		for i := range many {
			many[i] = uuid.New()
		}
		byTime, byScore, byID := (*Order)(nil).page(), (&Order{Field: ByScore, Direction: Descending}).page(), page.Order{}
		for name, test := range map[string]struct {
			sel     Selection
			contact uuid.UUID
			index   page.Order
			want    string
			of      int // ranges
		}{
			"time":      {Selection{}, uuid.Nil, byTime, "responded_at_id (tenant_id=? AND (responded_at,id)", 1},
			"campaign":  {Selection{Campaigns: three[:1]}, uuid.Nil, byTime, "campaign_id_responded_at_id (tenant_id=? AND campaign_id=? AND (responded_at,id)", 1},
			"campaigns": {Selection{Campaigns: three}, uuid.Nil, byTime, "campaign_id_responded_at_id (tenant_id=? AND campaign_id=? AND (responded_at,id)", 3},
			"as many as a token has": {
				Selection{Campaigns: many, narrowing: auth.Narrowing{Campaigns: many}}, uuid.Nil, byTime,
				"campaign_id_responded_at_id (tenant_id=? AND campaign_id=? AND (responded_at,id)", len(many),
			},
			"contact": {Selection{Campaigns: three}, three[0], byTime, "contact_id_responded_at_id (tenant_id=? AND contact_id=? AND (responded_at,id)", 1},
			"score":   {Selection{Campaigns: three, Scores: []int{7, 8}}, uuid.Nil, byScore, "score_id (tenant_id=? AND (score,id)", 1},
			"id":      {Selection{Campaigns: three, terms: []string{"word"}}, uuid.Nil, byID, "sqlite_autoindex_responses_1 (tenant_id=? AND id>?", 1},
		} {
			test.sel.From, test.sel.To = cube.Earliest, cube.Latest
			k := newWalk(&test.sel, db, test.contact, nil)
			way := route{index: test.index, stretches: []stretch{k.all()}}
			key := map[string]page.Key{
				response.FieldRespondedAt: {Value: time.Now(), ID: uuid.New()}, response.FieldScore: {Value: 7, ID: uuid.New()}, "": {ID: uuid.New()},
			}[test.index.Column]
			from := map[string]any{response.FieldRespondedAt: time.Now().Add(-time.Hour), response.FieldScore: 6}
			w, ok := test.index.Window(64).Beyond(key).Between(from[test.index.Column], nil)
			if !ok {
				t.Fatal(name)
			}
			text, args := k.statement(ctx, way, w, k.columns(way, &looked{}))
			if db.Dialect == store.Postgres { // which goes by how much there is: it only has to take it
				if _, err := db.Reader.ExecContext(ctx, text, args...); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			plan := explained(t, db, text, args)
			if n := strings.Count(plan, test.want); n != test.of || strings.Count(plan, "SEARCH") != test.of || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s: %s\nis answered by\n%s", name, text, plan)
			}
		}
	})
}

// Whoever has only some campaigns gets what they name by its id as everybody does, not by going through these.
func TestNarrowedByID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if db.Dialect == store.Postgres {
			return // it goes by how much there is
		}
		caller := auth.Caller{Tenant: uuid.New(), Scopes: []auth.Scope{auth.Read}, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{uuid.New(), uuid.New()}}}
		var asked *sql.Selector
		q := db.Ent.Response.Query().Where(func(s *sql.Selector) {
			s.Where(store.IDIn(s, []uuid.UUID{uuid.New(), uuid.New()}))
		})
		if _, err := q.Order(func(s *sql.Selector) { asked = s }).All(auth.With(t.Context(), caller)); err != nil {
			t.Fatal(err)
		}
		text, args := asked.Query()
		if plan := explained(t, db, text, args); !strings.Contains(plan, "sqlite_autoindex_responses_1 (tenant_id=? AND id=?)") {
			t.Errorf("%s\nis answered by\n%s", text, plan)
		}
	})
}

func explained(t *testing.T, db *store.DB, text string, args []any) string {
	t.Helper()
	rows, err := db.Reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var a, b, c, line string
		if err := rows.Scan(&a, &b, &c, &line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
