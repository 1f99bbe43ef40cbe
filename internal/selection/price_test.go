package selection_test

import (
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
