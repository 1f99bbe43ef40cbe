package contact_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// By name, whatever the capitals, whichever way and however long the pages are; those without a name are last either way, and
// those with equal names in the order in which they came, the same way round.
func TestOrderByName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		var people []person
		for i := range 40 {
			people = append(people, person{
				name:       []string{"ada", "Ada", "ÅSA", "åsa", "", "Zoë", "émile", "", "Émile Zola", "100%"}[i*7%10],
				externalID: fmt.Sprintf("p%02d", i),
			})
		}
		all := add(t, ctx, db, people...)
		states := settings.NewStates(db)
		text := func(c *ent.Contact) string {
			if c.Name == nil {
				return "-"
			}
			return *c.Name
		}
		for _, direction := range []page.Direction{page.Ascending, page.Descending} {
			want := slices.Clone(all)
			slices.SortFunc(want, func(a, b *ent.Contact) int {
				if (a.Name == nil) != (b.Name == nil) {
					return cmp.Compare(text(b), "-") - cmp.Compare(text(a), "-") // "-" is before all names
				}
				order := cmp.Or(strings.Compare(strings.ToLower(text(a)), strings.ToLower(text(b))), bytes.Compare(a.ID[:], b.ID[:]))
				if direction == page.Descending {
					return -order
				}
				return order
			})
			for _, size := range []int{1, 3, 17, 100} {
				for _, search := range []*string{nil, new("p1"), new("Å"), new("nobody")} {
					var expected []string
					for _, c := range want {
						if search == nil || *search == "p1" && strings.HasPrefix(*c.ExternalID, "p1") || *search == "Å" && strings.EqualFold(text(c), "åsa") {
							expected = append(expected, text(c))
						}
					}
					f := contact.Filter{Search: search, OrderBy: &contact.Order{Field: contact.ByName, Direction: direction}}
					if got := names(t, ctx, db, states, size, f); !slices.Equal(got, expected) {
						t.Errorf("%s, %d at a time: got %q, want %q", direction, size, got, expected)
					}
				}
			}
		}
		if oldest := names(t, ctx, db, states, 7, contact.Filter{OrderBy: &contact.Order{Field: contact.ByCreatedAt, Direction: page.Ascending}}); oldest[0] != text(all[0]) || oldest[39] != text(all[39]) {
			t.Errorf("the oldest first: %q", oldest)
		}
		// A cursor is good for its own order.
		list, err := contact.List(ctx, db, states, nil, nil, page.Args{First: new(1)}, contact.Filter{OrderBy: &contact.Order{Field: contact.ByName}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range []*contact.Order{nil, {Field: contact.ByName, Direction: page.Ascending}, {Field: contact.ByCreatedAt}} {
			_, err := contact.List(ctx, db, states, nil, nil, page.Args{After: list.PageInfo.EndCursor}, contact.Filter{OrderBy: order}, time.Now())
			wantCode(t, err, "BAD_REQUEST")
		}
	})
}
