package live

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/trait"
)

// dear is a comment that takes long to fold.
var dear = strings.Repeat("\u0958", feedback.MaxComment)

func (w *world) recordDear(n int) []*ent.Response {
	items := make([]feedback.Recording, n)
	for i := range items {
		items[i] = w.recording()
		items[i].Comment = &dear
	}
	return w.recordAll(items...)
}

// An event's comment is folded once, however many search it as it comes, and none of them pays for that. What each looks for in
// it is its own.
func TestFoldedOnceForAll(t *testing.T) {
	each(t, roomy, func(w *world) {
		t := w.t
		var paid atomic.Int64
		ctx := rate.WithSpender(w.ctx, func(n int) error { paid.Add(int64(n)); return nil }, false)
		var attached []*Subscription
		for _, text := range []string{"ξψ", "ψξ", "slow", "👎", "ξψ"} {
			attached = append(attached, w.subscribe(ctx, selection.Filter{Search: &text}, nil))
		}
		w.recordDear(1)
		entries, err := feedback.ReadEntries(w.ctx, w.db, 0, 10)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		tailer := attached[0].tailer
		state, err := tailer.readState(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		all := offer(tail.Weigh(entries))
		for _, s := range attached {
			if !s.offer(all, state, w.hub.cfg.Now()) {
				t.Error("it does not stay")
			}
		}
		said, price := search.Fold(dear)
		if got := all[0].search.Folding; got != price {
			t.Errorf("folding costs %v points for %d who search, and once %v", got, len(attached), price)
		}
		looked := float64(len(said)) / rate.SearchedBytesPerPoint
		if got := paid.Load(); float64(got) > 2*looked*float64(len(attached)) { // twice: it may have come by itself too
			t.Errorf("looking for their terms costs %d points", got)
		}
	})
}

// Who begins in the past pays for what is folded on the way, and gets no further than they can pay.
func TestCatchingUpPaysForFolding(t *testing.T) {
	each(t, roomy, func(w *world) {
		t := w.t
		const n = 30
		w.recordDear(n)
		last := w.recording()
		last.Comment = new("ξψ")
		w.recordAll(last)
		said, price := search.Fold(dear)
		each := price + float64(len(said))/rate.SearchedBytesPerPoint // to look for the term besides
		paid, most := 0.0, n/3*price
		ctx := rate.WithSpender(w.ctx, func(n int) error {
			if paid += float64(n); paid > most {
				return errNoMore
			}
			return nil
		}, false)
		s := w.subscribe(ctx, selection.Filter{Search: new("ξψ")}, new(int64))
		if e, err := s.Next(w.ctx); !errors.Is(err, errNoMore) {
			t.Fatalf("heard %+v, %v", e, err)
		}
		if s.position > n/2 || paid > n/2*price {
			t.Errorf("%v points are paid, and position %d is reached, where there are %v", paid, s.position, most)
		}
		paid, most = 0, n*n*price
		if got := w.next(w.subscribe(ctx, selection.Filter{Search: new("ξψ")}, new(int64))); got != n+1 {
			t.Errorf("position %d is heard, want %d", got, n+1)
		}
		if paid < n*price || paid > (n+2)*each {
			t.Errorf("%d comments are folded for %v points, each is %v", n, paid, each)
		}
	})
}

var errNoMore = errors.New("no more")

// What a token pays for catching up does not tell of comments that are not visible to it: these are not even folded.
func TestHiddenCommentsAreNotPaidFor(t *testing.T) {
	each(t, roomy, func(w *world) {
		t := w.t
		w.define("plan", trait.Text)
		gold, _ := w.save("Gold", plan("gold"))
		mine, err := id.Campaign.Parse(w.campaign)
		if err != nil {
			t.Fatal(err)
		}
		record := func(n int, plan, comment string) {
			items := make([]feedback.Recording, n)
			for i := range items {
				items[i] = w.recording()
				items[i].Traits, items[i].Comment = trait.Values{"plan": plan}, &comment
			}
			w.recordAll(items...)
		}
		price := func(n auth.Narrowing) (paid int) {
			ctx := auth.With(t.Context(), auth.Caller{Tenant: w.tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
			ctx = rate.WithSpender(ctx, func(n int) error { paid += n; return nil }, true)
			s := w.subscribe(ctx, selection.Filter{Search: new("ξψ")}, new(int64))
			w.next(s)
			s.Close() // what comes from now on is not counted
			return paid
		}
		record(3, "gold", dear)
		other := w.open("Another")
		for name, n := range map[string]auth.Narrowing{"segment": {Segment: gold}, "campaign": {Campaigns: []uuid.UUID{mine}}} {
			record(1, "gold", "ξψ")
			before := price(n)
			_, each := search.Fold(dear)
			if float64(before) < 3*each {
				t.Errorf("%s: %d points are paid for 3 comments, each is %v", name, before, each)
			}
			own := w.campaign
			if name == "campaign" {
				w.campaign = other
			}
			record(5, "tin", dear)
			w.campaign = own
			if after := price(n); after != before {
				t.Errorf("%s: %d points are paid, and %d with what is hidden", name, before, after)
			}
		}
	})
}
