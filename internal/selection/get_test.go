package selection_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Whoever finds a long response pays for its length, and for nobody else's; one who must not learn how much there is does not.
func TestFinderIsPaidByWhoFinds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		finder := selection.NewFinder(db, settings.NewStates(db))
		r := f.Record(f.With(func(r *feedback.Recording) { r.Comment = new(strings.Repeat("𝄞", feedback.MaxComment)) }))
		const want = 4*feedback.MaxComment/rate.BytesPerPoint - 1
		spent := 0
		paying := func(ctx context.Context, blind bool) context.Context {
			return rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, blind)
		}
		if found, err := finder.Get(paying(f.Ctx, false), r.ID); err != nil || found == nil || spent < want || spent > 2*want {
			t.Errorf("got %v, %v for %d, want about %d", found, err, spent, want)
		}
		spent = 0
		narrow := auth.With(f.Ctx, auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Narrowing: auth.Narrowing{Campaigns: nil, Segment: f.Tenant}})
		if found, err := finder.Get(paying(narrow, true), r.ID); err != nil || found != nil || spent != 0 {
			t.Errorf("who sees nothing got %v, %v for %d", found, err, spent)
		}
		poor := errors.New("no more points")
		if found, err := finder.Get(rate.WithSpender(f.Ctx, func(int) error { return poor }, false), r.ID); !errors.Is(err, poor) {
			t.Errorf("who has no more points got %v, %v", found, err)
		}
	})
}
