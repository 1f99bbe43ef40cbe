package contact_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// A search costs what there is to look through, however long it takes, and finds all of it.
func TestPriceOfASearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		people := make([]person, 3_000)
		for i := range people {
			people[i].name = fmt.Sprintf("Åsa %04d", i)
		}
		add(t, ctx, db, people...)
		spent := 0
		ctx = rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, false)
		for _, test := range []struct {
			search       string
			list, points int
			all, counted int
		}{
			{"åsa", 51, 250/rate.RowsPerPoint + 250/rate.SearchedPerPoint, 3_000, 3_000/rate.RowsPerPoint + 3_000/rate.SearchedPerPoint},
			{"nobody", 0, 3_000 / rate.SearchedPerPoint, 0, 3_000 / rate.SearchedPerPoint},
			{"2999", 1, 3_000 / rate.SearchedPerPoint, 1, 3_000 / rate.SearchedPerPoint},
			{"0000", 1, 3_000 / rate.SearchedPerPoint, 1, 3_000 / rate.SearchedPerPoint},
		} {
			for range 2 {
				spent = 0
				found, err := contact.List(ctx, db, nil, nil, nil, page.Args{}, contact.Filter{Search: &test.search}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if want := min(test.list, page.DefaultSize); found.Len() != want || spent != test.points {
					t.Errorf("%q: found %d for %d points, want %d for %d", test.search, found.Len(), spent, want, test.points)
				}
				for i, c := range found.Nodes() {
					if c.Name == nil || !strings.HasPrefix(*c.Name, "Åsa") || c.CreatedAt.IsZero() {
						t.Errorf("%q: the %dth is not whole: %v", test.search, i, c)
					}
				}
				spent = 0
				if n, err := found.TotalCount(ctx); err != nil || n != test.all || spent != test.counted {
					t.Errorf("%q: counted %d for %d points, want %d for %d, %v", test.search, n, spent, test.all, test.counted, err)
				}
			}
		}
	})
}

// Long names are paid for by what folding them takes, for the order and for a search; those of ASCII, and short ones, are not.
func TestPriceOfLongNames(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const n = 1_000
		price := func(name string, filter contact.Filter) int {
			t.Helper()
			ctx := newTenant(t, db)
			people := make([]person, n)
			for i := range people {
				people[i].name = fmt.Sprintf("%s%04d", name, i)
			}
			add(t, ctx, db, people...)
			spent := 0
			ctx = rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, false)
			found, err := contact.List(ctx, db, nil, nil, nil, page.Args{First: new(1)}, filter, time.Now())
			if err == nil && filter.Search != nil {
				_, err = found.TotalCount(ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			return spent
		}
		long := strings.Repeat("É", 150)
		more := n * page.FoldedBytes(long+"0000") / rate.FoldedBytesPerPoint
		if more < 10 {
			t.Fatalf("long names cost %d points more, want a price that shows", more)
		}
		byName, search := contact.Filter{OrderBy: &contact.Order{Field: contact.ByName, Direction: page.Ascending}}, "é0"
		if short, ascii, got := price("Éva ", byName), price(strings.Repeat("E", 150), byName), price(long, byName); ascii != short || got != short+more {
			t.Errorf("in the order of names: %d points for short ones, %d for long ones of ASCII, %d for long ones, want %d", short, ascii, got, short+more)
		}
		bySearch := contact.Filter{Search: &search}
		if short, got := price("é", bySearch), price(long, bySearch); got < short+more {
			t.Errorf("looking for a text: %d points for short names, %d for long ones, want %d at least", short, got, short+more)
		}
	})
}

// Whoever is erased while a page is read: the list does not end there.
func TestListWhileOthersErase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		people := make([]person, 200)
		for i := range people {
			people[i].name = fmt.Sprintf("Åsa %04d", i)
		}
		add(t, ctx, db, people...)
		left := len(people)
		for n, late := 1, false; !late; n++ {
			late = true
			calls := n
			hooked := rate.WithSpender(ctx, func(int) error {
				if calls--; calls != 0 {
					return nil
				}
				late = false
				left--
				return db.Write(ctx, func(tx *store.Tx) error {
					newest, err := tx.Ent.Contact.Query().Order(ent.Desc("id")).FirstID(ctx)
					if err != nil {
						return err
					}
					return tx.Ent.Contact.DeleteOneID(newest).Exec(ctx)
				})
			}, false)
			seen := 0
			for args := (page.Args{First: new(20)}); ; hooked = ctx {
				list, err := contact.List(hooked, db, nil, nil, nil, args, contact.Filter{Search: new("åsa")}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				seen += list.Len()
				if args.After = list.PageInfo.EndCursor; !list.PageInfo.HasNextPage {
					break
				}
			}
			if seen < left {
				t.Errorf("erased at %d: %d are listed, and there are %d", n, seen, left)
			}
		}
	})
}
