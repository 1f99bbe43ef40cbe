package contact

import (
	"context"
	"slices"
	"sort"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
)

// OrderField is what a list of contacts can be ordered by.
type OrderField string

// The order fields of the schema.
const (
	ByCreatedAt OrderField = "CREATED_AT"
	ByName      OrderField = "NAME"
	ByRisk      OrderField = "DETRACTOR_RISK"
)

// Order of a list of contacts. The zero value is newest first, and so is nil.
type Order struct {
	Field     OrderField
	Direction page.Direction
}

func (o *Order) byName() bool { return o != nil && o.Field == ByName }

func (o *Order) byRisk() bool { return o != nil && o.Field == ByRisk }

func (o *Order) page() page.Order {
	p := page.Order{List: "contacts", Desc: o == nil || o.Direction != page.Ascending}
	if o.byName() {
		p.Column = entcontact.FieldName
		p.Accepts = func(v any) bool {
			_, ok := v.(string)
			return ok
		}
	}
	if o.byRisk() {
		p.Column, p.Nullable = "risk", true
		p.Accepts = func(v any) bool {
			risk, ok := v.(int64)
			return ok && risk >= 0
		}
	}
	return p
}

// key is a contact's place. Names are ordered without regard to capitals; who has none comes last either way.
func (o *Order) key(c *ent.Contact) page.Key {
	if !o.byName() {
		return page.Key{ID: c.ID}
	}
	const before, after = "0", "1"
	unnamed := c.Name == nil || *c.Name == ""
	first := before
	if unnamed == (o.Direction == page.Ascending) {
		first = after
	}
	if unnamed {
		return page.Key{Value: first, ID: c.ID}
	}
	return page.Key{Value: first + page.Fold(*c.Name), ID: c.ID}
}

// named is a selection in the order of names, which no index has: all are gone through for each page, and paid for.
type named struct {
	selection

	by *Order
}

func (s *named) fetch(ctx context.Context, w page.Window) ([]*ent.Contact, error) {
	if s.few {
		ctx = rate.Seeing(ctx)
	}
	type found struct {
		*ent.Contact

		key page.Key
	}
	var first []found
	err := s.scan(ctx, page.Window{}, func(c *ent.Contact) bool {
		key := s.by.key(c)
		if !w.Has(key) {
			return true
		}
		at := sort.Search(len(first), func(i int) bool { return w.Less(key, first[i].key) })
		if at < w.Limit {
			first = slices.Insert(first, at, found{c, key})
			first = first[:min(len(first), w.Limit)]
		}
		return true
	})
	if err != nil || len(first) == 0 {
		return nil, err
	}
	if err := rate.SpendBlind(ctx, rate.BlindRowPrice*len(first)); err != nil {
		return nil, err
	}
	some := make([]*ent.Contact, len(first))
	names := make(map[uuid.UUID]*string, len(first))
	for i, f := range first {
		some[i], names[f.ID] = f.Contact, f.Name
	}
	rows, err := s.whole(ctx, some)
	if err != nil {
		return nil, err
	}
	for _, c := range rows {
		c.Name = names[c.ID] // as it was found: its cursor would be another place else
	}
	if missing := w.Limit - len(rows); missing > 0 && len(first) == w.Limit {
		// Some are gone meanwhile; a page that is not full is the last.
		w = w.Beyond(first[len(first)-1].key)
		w.Limit = missing
		more, err := s.fetch(ctx, w)
		return append(rows, more...), err
	}
	return rows, nil
}
