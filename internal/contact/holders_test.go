package contact_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// Counting the values of a trait is paid for before it is done, whatever the values are.
func TestValuesArePaidForFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db, settings.DefineTraitInput{Key: "plan", Kind: trait.Text}, settings.DefineTraitInput{Key: "name", Kind: trait.Text})
		people := make([]person, 1_000)
		for i := range people {
			people[i].traits = trait.Values{"plan": "gold", "name": fmt.Sprint(i)}
		}
		add(t, ctx, db, people...)
		for _, key := range []string{"plan", "name"} {
			var paid []int
			paying := rate.WithSpender(ctx, func(n int) error { paid = append(paid, n); return nil }, false)
			err := contact.Holders(paying, db, auth.Tenant(ctx), key, func(any, int) error {
				if len(paid) == 0 || paid[len(paid)-1] != len(people)/rate.HoldersPerPoint {
					t.Fatalf("%s: a value was told when %v was paid", key, paid)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := settings.Load(ctx, db, auth.Tenant(ctx))
		if err != nil {
			t.Fatal(err)
		}
		poor := errors.New("no more points")
		refusing := rate.WithSpender(ctx, func(n int) error {
			if n > 0 {
				return poor
			}
			return nil
		}, false)
		if values, err := contact.Values(refusing, db, s, "plan", time.Now()); !errors.Is(err, poor) {
			t.Errorf("got %v, %v", values, err)
		}
	})
}

// Counting all traits is paid for before it is done too, and what they take to remember as it is found.
func TestValuesOfAllArePaidForFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db, settings.DefineTraitInput{Key: "plan", Kind: trait.Text}, settings.DefineTraitInput{Key: "name", Kind: trait.Text})
		people := make([]person, 1_000)
		for i := range people {
			people[i].traits = trait.Values{"plan": "gold", "name": fmt.Sprint(i)}
		}
		add(t, ctx, db, people...)
		const want = 1_000/rate.HoldersOfAllPerPoint + 2*1_000/rate.HeldPerPoint + 1_001/rate.ValuesPerPoint
		for range 3 {
			spent, told := 0, 0
			paying := rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, false)
			err := contact.HoldersOfAll(paying, db, auth.Tenant(ctx), []string{"name", "plan"}, func(string, any, int) error {
				if told++; spent != want {
					t.Fatalf("a value was told when %d was paid, want %d", spent, want)
				}
				return nil
			})
			if err != nil || told != 1_001 {
				t.Fatal(told, err)
			}
		}
		s, err := settings.Load(ctx, db, auth.Tenant(ctx))
		if err != nil {
			t.Fatal(err)
		}
		poor := errors.New("no more points")
		for has := range want {
			spent := 0
			refusing := rate.WithSpender(ctx, func(n int) error {
				if spent += n; spent > has {
					return poor
				}
				return nil
			}, false)
			if values, err := contact.ValuesOfAll(refusing, db, s, time.Now()); !errors.Is(err, poor) {
				t.Errorf("with %d points: got %v, %v", has, values, err)
			}
		}
	})
}
