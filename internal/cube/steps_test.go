package cube_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/doctor"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// TestRecordBetweenAnyTwoSteps records between any two pieces of a rebuild, in whose goroutine: it waits for ever where
// anything stays locked. What both find there, profiles too, is counted right in the end.
func TestRecordBetweenAnyTwoSteps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const chunk, responses, gaps = 7, 100, 100/7 + 3
		builder := newBuilder(t, db)
		builder.Chunk = chunk
		r := newRecorder(t, db)
		r.record(responses)
		// One after the other, for cells of an older cube that is given up midway.
		for n, key := range []string{"city", "plan"} {
			if _, err := settings.DefineTrait(r.ctx, builder, settings.DefineTraitInput{Key: key, Kind: trait.Text, IsDimension: true}); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				if _, err := builder.Step(r.ctx, r.tenant); err != nil {
					t.Fatal(err)
				}
			}
		}
		visits, last := 0, 0
		builder.Between(func() {
			visits++
			progress, err := cube.Progress(r.ctx, builder.DB, r.tenant)
			if err != nil {
				t.Fatal(err)
			}
			if progress != nil {
				if taken := progress.Done - last; taken > chunk {
					t.Errorf("%d responses were taken in at a time", taken)
				}
				last = progress.Done
			}
			// Some are in before the rebuild comes to them, some after it.
			out, err := r.log.Record(r.ctx, []feedback.Recording{
				{Campaign: r.campaign, Score: 3, Channel: "API", Traits: trait.Values{"plan": fmt.Sprint(visits % 5), "city": fmt.Sprint("new ", visits)}},
			})
			if err != nil || out[0].Value == nil {
				t.Fatalf("recording: %v, %v", out, err)
			}
			r.count++
			s, err := settings.Load(r.ctx, db, r.tenant)
			if err != nil {
				t.Fatal(err)
			}
			_, err = doctor.Check(r.ctx, db, false, func(f doctor.Finding) error {
				t.Errorf("after %d pieces, building %v: %v", visits, s.Building, f)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
		if err := builder.Rebuild(r.ctx, r.tenant); err != nil {
			t.Fatal(err)
		}
		if visits < gaps {
			t.Errorf("%d pieces", visits)
		}
		if cubes := r.cubes(); cubes != 1 {
			t.Errorf("%d cubes are left", cubes)
		}
		s, err := settings.Load(r.ctx, db, r.tenant)
		if err != nil || s.Building != nil || len(s.Active.Shape.Dimensions) != 2 {
			t.Errorf("it answers by %v, building %v: %v", s.Active.Shape, s.Building, err)
		}
		r.plans()
	})
}

// TestSweepsInPieces forgets a cube that has more rows than one transaction deletes.
func TestSweepsInPieces(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		builder := newBuilder(t, db)
		r := newRecorder(t, db)
		if _, err := settings.DefineTrait(r.ctx, builder, settings.DefineTraitInput{Key: "city", Kind: trait.Number, IsDimension: true}); err != nil {
			t.Fatal(err)
		}
		// Many profiles of many days, with little effort.
		now := time.Now()
		items := make([]feedback.Recording, 1_000)
		for i := range items {
			at := now.AddDate(0, 0, -i)
			items[i] = feedback.Recording{Campaign: r.campaign, Score: i % 11, Channel: "API", RespondedAt: &at, Variant: new(fmt.Sprint(i % 150))}
		}
		if _, err := r.log.Record(r.ctx, items); err != nil {
			t.Fatal(err)
		}
		r.count += len(items)
		if _, err := settings.DefineTrait(r.ctx, builder, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}); err != nil {
			t.Fatal(err)
		}
		old := func() (n int) {
			t.Helper()
			err := db.Reader.QueryRowContext(r.ctx, `SELECT (SELECT count(*) FROM cells c JOIN tenants t ON t.id = c.tenant_id WHERE c.cube <> t.cube)
				+ (SELECT count(*) FROM profiles p JOIN tenants t ON t.id = p.tenant_id WHERE p.cube <> t.cube)`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		before, pieces := old(), 0
		if before < 2*cube.FirstChunk {
			t.Fatalf("only %d rows are left to be swept: the transaction that defines a trait deletes many", before)
		}
		most := cube.FirstChunk
		builder.Between(func() {
			pieces++
			now := old()
			if before-now > most {
				t.Errorf("piece %d: %d rows at a time, of %d at most", pieces, before-now, most)
			}
			before, most = now, min(most*2, cube.SweepChunk)
			r.record(1)
		})
		if err := builder.Rebuild(r.ctx, r.tenant); err != nil {
			t.Fatal(err)
		}
		if left := old(); left != 0 || r.cubes() != 1 || pieces < 3 {
			t.Errorf("%d rows are left, %d cubes, after %d pieces", left, r.cubes(), pieces)
		}
		r.plans()
	})
}

// TestStateReadsOnlyNewProfiles changes the first profile, which nobody can know who reads only those that came since.
// What does not go on from what is known is read anew.
func TestStateReadsOnlyNewProfiles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRecorder(t, db)
		r.record(30)
		states := settings.NewStates(db)
		get := func() *settings.State {
			t.Helper()
			s, err := states.Get(r.ctx, r.tenant)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		write := func(text string, args ...any) {
			t.Helper()
			err := db.Write(r.ctx, func(tx *store.Tx) error {
				_, err := tx.SQL.ExecContext(r.ctx, text, append([]any{r.tenant}, args...)...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		variant := func(name string) {
			t.Helper()
			out, err := r.log.Record(r.ctx, []feedback.Recording{{Campaign: r.campaign, Score: 3, Channel: "API", Variant: &name}})
			if err != nil || out[0].Value == nil {
				t.Fatalf("recording: %v, %v", out, err)
			}
		}
		for i := range 3 {
			variant(fmt.Sprint("v", i))
		}
		before := get()
		n := before.Active.Profiles.Len()
		first, _ := before.Active.Profiles.Get(1)
		write(`UPDATE profiles SET variant = 'not read' WHERE tenant_id = $1 AND id = 1`)
		variant("new")
		after := get()
		if got, _ := after.Active.Profiles.Get(1); got.Variant != first.Variant {
			t.Errorf("the first profile was read again: %v", got)
		}
		if got, ok := after.Active.Profiles.Get(int32(n + 1)); !ok || got.Variant != "new" {
			t.Errorf("the new profile is %v", got)
		}
		if before.Active.Profiles.Len() != n {
			t.Error("a state that others may have has changed")
		}
		// The writers' state, under the lock.
		err := db.WriteLocked(r.ctx, r.tenant, func(tx *store.Tx) error {
			old, err := before.Refresh(r.ctx, tx.SQL)
			if err == nil {
				if got, _ := old.Active.Profiles.Get(1); got.Variant != first.Variant || old.Active.Profiles.Len() != n+1 {
					t.Errorf("refreshed it has %d profiles, the first %v", old.Active.Profiles.Len(), got)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// A restored backup lacks what is known, or has something else in its place.
		write(`DELETE FROM profiles WHERE tenant_id = $1 AND id > $2`, n)
		write(`UPDATE tenants SET settings = settings + 1 WHERE id = $1`)
		if got := get(); got.Active.Profiles.Len() != n {
			t.Errorf("%d profiles, of which %d are stored", got.Active.Profiles.Len(), n)
		}
		write(`UPDATE profiles SET variant = 'another' WHERE tenant_id = $1 AND id = $2`, n)
		write(`UPDATE tenants SET settings = settings + 1 WHERE id = $1`)
		if got, _ := get().Active.Profiles.Get(int32(n)); got.Variant != "another" {
			t.Errorf("the last profile is %v", got)
		}
		// Where the shape is another, what is known is of no use.
		write(`UPDATE profiles SET variant = 'read' WHERE tenant_id = $1 AND id = 1`)
		write(`UPDATE cubes SET shape = $2 WHERE tenant_id = $1`, `{"zone":"Europe/Berlin","dimensions":null}`)
		write(`UPDATE tenants SET settings = settings + 1 WHERE id = $1`)
		s := get()
		if got, _ := s.Active.Profiles.Get(1); got.Variant != "read" || s.Active.Zone().String() != "Europe/Berlin" {
			t.Errorf("in %s the first profile is %v", s.Active.Zone(), got)
		}
	})
}
