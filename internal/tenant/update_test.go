package tenant

import (
	"errors"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Whoever answers next, in whatever process, goes by the least size of groups that was set last.
func TestMinGroupSize(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		otherCtx, _ := made(t, db, "Other")
		builder := cube.NewBuilder(db, nil)
		here, there := settings.NewStates(db), settings.NewStates(db)
		for _, step := range []struct {
			in      UpdateInput
			refused bool
			want    int
		}{
			{in: UpdateInput{}, want: 1},
			{in: UpdateInput{MinGroupSize: new(1_000)}, want: 1_000},
			{in: UpdateInput{MinGroupSize: new(0)}, refused: true, want: 1_000},
			{in: UpdateInput{MinGroupSize: new(1_001)}, refused: true, want: 1_000},
			{in: UpdateInput{MinGroupSize: new(-5)}, refused: true, want: 1_000},
			{in: UpdateInput{Name: new("Another")}, want: 1_000},
			{in: UpdateInput{MinGroupSize: new(10), TimeZone: new("Europe/Amsterdam")}, want: 10},
		} {
			saved, err := Update(ctx, db, builder, step.in)
			var errs apierror.UserErrors
			switch {
			case step.refused && (!errors.As(err, &errs) || errs[0].Code != apierror.OutOfRange || !slices.Equal(errs[0].Field, []string{"minGroupSize"})):
				t.Errorf("%d: %v", *step.in.MinGroupSize, err)
			case !step.refused && (err != nil || saved.MinGroupSize != step.want):
				t.Errorf("saved %v, %v; want %d", saved, err, step.want)
			}
			for _, states := range []*settings.States{here, there} {
				s, err := states.Get(ctx, auth.Tenant(ctx))
				if err != nil || s.MinGroupSize != step.want {
					t.Errorf("got %v, %v; want %d", s, err, step.want)
				}
			}
		}
		if s, err := here.Get(otherCtx, auth.Tenant(otherCtx)); err != nil || s.MinGroupSize != 1 {
			t.Errorf("another tenant has %v, %v", s, err)
		}
	})
}
