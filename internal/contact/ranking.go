package contact

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

// Ranked says how contacts are ranked.
type Ranked struct {
	// Model is what their risks are found by.
	Model int64
	// Complete is the id up to which all have one; some of the others may.
	Complete uuid.UUID
}

// Risks says how the caller's tenant's contacts are ranked now; nil where they are not.
type Risks func(ctx context.Context) (*Ranked, error)

// ranking is a selection in the order of how likely contacts are detractors. It walks along two indexes: those who have a risk
// in its order, and those who have none in that of their ids, always last.
type ranking struct {
	selection

	risks  Risks
	ranked *Ranked
	// keys are those of whom was come along.
	keys map[uuid.UUID]page.Key
}

func newRanking(s selection, risks Risks) *ranking {
	r := &ranking{selection: s, risks: risks}
	r.walk = r.along
	return r
}

// key is a contact's place, as it was found.
func (s *ranking) key(c *ent.Contact) page.Key { return s.keys[c.ID] }

// maxTries is how often a page is read in all while one model follows another, which the risks by the former do not outlive.
const maxTries = 3

func (s *ranking) fetch(ctx context.Context, w page.Window) ([]*ent.Contact, error) {
	var err error
	if s.ranked, err = s.risks(ctx); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		s.keys = map[uuid.UUID]page.Key{}
		rows, err := s.page(ctx, w)
		if err != nil {
			return nil, err
		}
		was := s.ranked
		if s.ranked, err = s.risks(ctx); err != nil {
			return nil, err
		}
		if s.ranked == was || s.ranked != nil && was != nil && s.ranked.Model == was.Model || try == maxTries {
			return rows, nil
		}
	}
}

func (s *ranking) page(ctx context.Context, w page.Window) ([]*ent.Contact, error) {
	var some []*ent.Contact
	var last page.Key
	if s.sieves() || s.where != nil {
		err := s.scan(ctx, w, func(c *ent.Contact) bool {
			some = append(some, c)
			return len(some) < w.Limit
		})
		if err != nil {
			return nil, err
		}
	} else {
		keys, err := s.along(ctx, w)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			some = append(some, &ent.Contact{ID: k.ID})
		}
	}
	if len(some) == 0 {
		return nil, nil
	}
	last = s.keys[some[len(some)-1].ID]
	rows, err := s.whole(ctx, some)
	if missing := w.Limit - len(rows); err == nil && missing > 0 && len(some) == w.Limit {
		// Some are gone meanwhile; a page that is not full is the last.
		w = w.Beyond(last)
		w.Limit = missing
		more, err := s.page(ctx, w)
		return append(rows, more...), err
	}
	return rows, err
}

// walkedPerPoint is how many contacts cost a point that the database looks up by their ids, for what no index finds: it takes longer than
// to go through them.
const walkedPerPoint = 60

// walked is chunk for a walk.
func (s *selection) walked(ctx context.Context, w *page.Window, columns []string) (rows []*ent.Contact, last bool, err error) {
	keys, err := s.walk(ctx, *w)
	if err != nil {
		return nil, false, err
	}
	ids := make([]uuid.UUID, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	if s.where != nil {
		if err := rate.SpendUnseen(ctx, len(ids)/walkedPerPoint); err != nil {
			return nil, false, err
		}
	}
	err = s.db.Sift(ctx, func() error {
		rows, err = s.query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }).Select(columns...).All(ctx)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	rows = page.Whole(ids, rows, func(c *ent.Contact) uuid.UUID { return c.ID })
	if last = len(keys) < w.Limit; !last {
		*w = w.Beyond(keys[len(keys)-1])
	}
	return rows, last, nil
}

// along gives the next keys of a window: those with a risk and then those without, or the other way round where the list is
// read from its end.
func (s *ranking) along(ctx context.Context, w page.Window) ([]page.Key, error) {
	var keys []page.Key
	walks := []func(context.Context, *page.Key, bool, int) ([]page.Key, error){s.withRisk, s.without}
	if w.Backward {
		slices.Reverse(walks)
	}
	var from *page.Key
	if after, begun := w.After(); begun {
		from = &after
		if (after.Value == nil) != w.Backward {
			walks = walks[1:]
		}
	}
	for _, walk := range walks {
		if len(keys) == w.Limit {
			break
		}
		more, err := walk(ctx, from, w.Desc, w.Limit-len(keys))
		if err != nil {
			return nil, fmt.Errorf("walking along the contacts' risks: %w", err)
		}
		keys, from = append(keys, more...), nil
	}
	for _, k := range keys {
		s.keys[k.ID] = k
	}
	return keys, nil
}

// withRisk is the statement for those of a tenant who have a risk by a model, so many, perhaps after one of them.
func withRisk(desc, begun bool) string {
	order, beyond := "ASC", ">"
	if desc {
		order, beyond = "DESC", "<"
	}
	from := ""
	if begun {
		from = ` AND (risk, contact_id) ` + beyond + ` ($4, $5)`
	}
	return `SELECT contact_id, risk FROM contact_risks WHERE tenant_id = $1 AND model = $2` + from + `
		ORDER BY risk ` + order + `, contact_id ` + order + ` LIMIT $3`
}

// withRisk gives the next of those who have a risk.
func (s *ranking) withRisk(ctx context.Context, after *page.Key, desc bool, limit int) (keys []page.Key, err error) {
	if s.ranked == nil {
		return nil, nil
	}
	args := []any{auth.Tenant(ctx), s.ranked.Model, limit}
	if after != nil {
		args = append(args, after.Value, after.ID)
	}
	rows, err := s.db.Query(ctx, withRisk(desc, after != nil), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k page.Key
		var risk int64
		if err := rows.Scan(&k.ID, &risk); err != nil {
			return nil, err
		}
		k.Value = risk
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// looked is how many contacts are read together that are looked at for whether they have a risk.
const looked = 1_000

// without gives the next of those who have no risk, passing over the others. Up to the id to which all have one nobody is looked
// at.
func (s *ranking) without(ctx context.Context, after *page.Key, desc bool, limit int) (keys []page.Key, err error) {
	p := passing{low: uuid.Nil, high: uuid.Max, desc: desc, size: limit}
	if s.ranked != nil {
		p.model, p.low, p.size = s.ranked.Model, s.ranked.Complete, looked
	}
	if after != nil {
		p.to(after.ID)
	}
	for len(keys) < limit {
		read := func() error {
			keys, err = p.next(ctx, s.db, keys)
			return err
		}
		if s.ranked == nil { // nobody is passed over
			err = read()
			return keys, err
		}
		if err := s.db.Sift(ctx, read); err != nil {
			return nil, err
		}
		if err := rate.SpendUnseen(ctx, p.read/rate.SearchedPerPoint); err != nil {
			return nil, err
		}
		if p.read < p.size {
			break
		}
	}
	return keys[:min(len(keys), limit)], nil
}

// passing is a walk along contacts, in the order of their ids, past those who have a risk by a model.
type passing struct {
	model int64
	// low and high are between which ids it still is to go.
	low, high uuid.UUID
	desc      bool
	// size is how many it reads together, and read how many these were last.
	size, read int
}

// to notes that it has come to an id.
func (p *passing) to(id uuid.UUID) {
	if p.desc {
		p.high = id
	} else if bytes.Compare(id[:], p.low[:]) > 0 {
		p.low = id
	}
}

// next looks at the next, and appends those without a risk.
func (p *passing) next(ctx context.Context, db *store.DB, keys []page.Key) ([]page.Key, error) {
	order := "ASC"
	if p.desc {
		order = "DESC"
	}
	rows, err := db.Query(ctx, `SELECT c.id, r.contact_id IS NOT NULL FROM contacts c
		LEFT JOIN contact_risks r ON r.tenant_id = c.tenant_id AND r.contact_id = c.id AND r.model = $2
		WHERE c.tenant_id = $1 AND c.id > $3 AND c.id < $4 ORDER BY c.id `+order+` LIMIT $5`, auth.Tenant(ctx), p.model, p.low, p.high, p.size)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for p.read = 0; rows.Next(); p.read++ {
		var k page.Key
		var has bool
		if err := rows.Scan(&k.ID, &has); err != nil {
			return nil, err
		}
		if p.to(k.ID); !has {
			keys = append(keys, k)
		}
	}
	return keys, rows.Err()
}
