package contact_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// Rows are read whole: those that are long are paid for by their length, whatever is asked of them.
func TestLongRowsCostMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db, settings.DefineTraitInput{Key: "plan", Kind: trait.Text})
		long := trait.Values{}
		for i := range trait.MaxKeys {
			var text strings.Builder // that no database makes shorter
			for n := range trait.MaxText {
				text.WriteRune(rune(0x10000 + (i*7919+n*n*31+n)%50_000))
			}
			long[fmt.Sprintf("k%d", i)] = text.String()
		}
		add(t, ctx, db, person{traits: long}, person{traits: long}, person{traits: long}, person{traits: long})
		s, err := settings.Load(ctx, db, auth.Tenant(ctx))
		if err != nil {
			t.Fatal(err)
		}
		spent := 0
		paying := func(blind bool) {
			spent = 0
			ctx = rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, blind)
		}
		list := func() {
			if _, err := contact.List(ctx, db, nil, nil, nil, page.Args{}, contact.Filter{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		const want = 4 * 190_000 / rate.BytesPerPoint
		paying(false)
		list()
		if spent < want {
			t.Errorf("a list cost %d, want %d or more", spent, want)
		}
		paying(false)
		if _, err := contact.Values(ctx, db, s, "plan", time.Now()); err != nil {
			t.Fatal(err)
		}
		if spent < want/2 {
			t.Errorf("values cost %d, want %d or more", spent, want/2)
		}
		paying(true)
		if list(); spent != 0 {
			t.Errorf("a list cost %d for who must not learn how much there is", spent)
		}
	})
}
