package selection_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// What is looked at is paid for by rows and bytes, however long it takes, and nothing is missed between the portions that it
// is cut into.
func TestPriceOfASearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		comment := strings.Repeat("word ", 400) // 2,000 bytes
		const all = 2_000
		for at := 0; at < all; at += 1_000 {
			items := make([]feedback.Recording, 1_000)
			for i := range items {
				items[i] = f.With(func(r *feedback.Recording) {
					when := feedbacktest.Clock().Add(-time.Duration((at+i)/3) * time.Hour) // three at a time
					r.RespondedAt, r.Score = &when, i%11
					if i%2 == 0 {
						r.Comment = new(fmt.Sprint(comment, at+i))
					}
				})
			}
			if _, err := f.Log.Record(f.Ctx, items); err != nil {
				t.Fatal(err)
			}
		}
		spent := 0
		ctx := rate.WithSpender(f.Ctx, func(n int) error { spent += n; return nil }, false)
		reads := 5
		points := all*rate.LookUpPrice + float64(reads)*rate.StatementPrice
		rows, words := int(points), int(points+all/2*2_003.0/rate.SearchedBytesPerPoint)
		for name, test := range map[string]struct {
			filter      selection.Filter
			found, want int
		}{
			"nothing":  {selection.Filter{Search: new("nowhere")}, 0, words},
			"the last": {selection.Filter{Search: new("1998")}, 1, words},
			"silent":   {selection.Filter{HasComment: new(false)}, all / 2, rows},
			"channels": {selection.Filter{Channels: []response.Channel{response.ChannelEMAIL}}, 0, rows},
		} {
			for _, order := range []*selection.Order{nil, {Field: selection.ByScore, Direction: selection.Ascending}} {
				seen, price := 0, -1
				for range 2 { // the second time all is warm
					spent, seen = 0, 0
					var after *string
					for {
						list, err := selection.List(ctx, db, states, test.filter, selection.Within{}, page.Args{First: new(100), After: after}, order, feedbacktest.Clock())
						if err != nil {
							t.Fatal(err)
						}
						seen += list.Len()
						if after = list.PageInfo.EndCursor; !list.PageInfo.HasNextPage {
							break
						}
					}
					if price >= 0 && price != spent {
						t.Errorf("%s: cost %d, and %d at first", name, spent, price)
					}
					price = spent
				}
				if seen != test.found {
					t.Errorf("%s: found %d, want %d", name, seen, test.found)
				}
				if test.found < 2 && (price < test.want || price > test.want+1) { // of what is left at the end nothing is paid
					t.Errorf("%s: cost %d, want %d", name, price, test.want)
				}
			}
		}
	})
}

// Comments are paid for by their bytes, more of those that take longer to fold, and one after the other: nothing more is
// looked at once the caller has no more.
func TestPriceOfFolding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		const rows = 20
		for name, test := range map[string]struct {
			comment            string
			wide, loose, again int // of its bytes, and how many it has once it is folded
		}{
			"ASCII":           {strings.Repeat("Good ", 2_000), 0, 0, 10_000},
			"composed":        {strings.Repeat("Ж", 10_000), 20_000, 0, 20_000},
			"to be taken up":  {strings.Repeat("\u0958", 10_000), 30_000, 30_000, 60_000},
			"to be composed":  {strings.Repeat("e\u0301", 5_000), 10_000, 15_000, 10_000},
			"some to be":      {strings.Repeat("word ", 1_000) + "e\u0301" + strings.Repeat("!", 5_000-2), 2, 3, 10_000},
			"Chinese":         {strings.Repeat("\u56de", 10_000), 30_000, 0, 30_000},
			"longer than was": {strings.Repeat("Ⱥ", 10_000), 20_000, 0, 30_000},
		} {
			t.Run(name, func(t *testing.T) {
				f.Campaign = f.Open(name)
				f.Many(rows, func(_ int, r *feedback.Recording) { r.Comment = &test.comment })
				for search, terms := range map[string]int{"ξψ": 1, "\"": 1} {
					row := rate.LookUpPrice + rate.PassPrice/2 + float64(len(test.comment))/rate.SearchedBytesPerPoint +
						float64(len(test.comment))/rate.FoldedPerPoint + float64(test.wide)/rate.WidePerPoint + float64(test.loose)/rate.LoosePerPoint +
						float64(terms*test.again)/rate.SearchedBytesPerPoint
					spent, most, errMost := 0, 1_000_000, errors.New("no more")
					ctx := rate.WithSpender(f.Ctx, func(n int) error {
						if spent += n; spent > most {
							return errMost
						}
						return nil
					}, false)
					list := func() error {
						_, err := selection.List(ctx, db, states, selection.Filter{Campaigns: []string{f.Campaign}, Search: &search},
							selection.Within{}, page.Args{First: new(1)}, nil, feedbacktest.Clock())
						return err
					}
					if err := list(); err != nil {
						t.Fatal(err)
					}
					if want := int(rate.StatementPrice + rows*row); spent < want || spent > want+1 {
						t.Errorf("%q in %d comments costs %d points, want %d", search, rows, spent, want)
					}
					spent, most = 0, spent/4
					if err := list(); !errors.Is(err, errMost) || float64(spent) > float64(most)+row+1 {
						t.Errorf("%q costs %d points where there are %d: %v", search, spent, most, err)
					}
				}
			})
		}
	})
}

// Each further text that is looked for in a comment costs as much as the first.
func TestPriceOfManyTerms(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		const rows = 10
		comment := strings.Repeat("x", 9_900) + " aa ab ac ad ae af ag ah ai aj"
		f.Many(rows, func(_ int, r *feedback.Recording) { r.Comment = &comment })
		price := func(search string) (spent int) {
			ctx := rate.WithSpender(f.Ctx, func(n int) error { spent += n; return nil }, false)
			if _, err := selection.List(ctx, db, states, selection.Filter{Search: &search}, selection.Within{}, page.Args{First: new(20)}, nil, feedbacktest.Clock()); err != nil {
				t.Fatal(err)
			}
			return spent
		}
		one, ten := price("aa"), price("aa ab ac ad ae af ag ah ai aj")
		// Each is looked for as it was written, and in what was folded.
		if more := int(rows * 9 * 2 * float64(len(comment)) / rate.SearchedBytesPerPoint); ten-one < more-1 || ten-one > more+1 {
			t.Errorf("one word costs %d points, and ten %d", one, ten)
		}
		if same := price(strings.Repeat("aa ", 50)); same != one {
			t.Errorf("a word costs %d points, and fifty times %d", one, same)
		}
	})
}
