package cube_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/doctor"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// halting works a rebuild until some chunks are in, says so, and goes no further.
type halting struct {
	builder *cube.Builder
	chunks  int
	halted  chan error
}

func (w *halting) work(ctx context.Context, args cube.RebuildArgs) error {
	for range w.chunks {
		done, err := w.builder.Step(ctx, args.Tenant)
		if err == nil && done {
			err = fmt.Errorf("the rebuild is done after %d chunks at most", w.chunks)
		}
		if err != nil {
			w.halted <- err
			return err
		}
	}
	w.halted <- nil
	<-ctx.Done()
	return ctx.Err()
}

func newJobs(t *testing.T, db *store.DB) *job.Runner {
	t.Helper()
	jobs, err := job.NewRunner(db, job.Config{Poll: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// newBuilder is a Builder whose jobs are inserted, and done by nobody.
func newBuilder(t *testing.T, db *store.DB) *cube.Builder {
	t.Helper()
	jobs := newJobs(t, db)
	b := cube.NewBuilder(db, jobs)
	job.Handle(jobs, b.Work, job.Options{})
	return b
}

// recorder is a tenant with responses to rebuild from.
type recorder struct {
	t        *testing.T
	db       *store.DB
	log      *feedback.Log
	ctx      context.Context
	tenant   uuid.UUID
	campaign string
	count    int
}

func newRecorder(t *testing.T, db *store.DB) *recorder {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, db: db, ctx: auth.ForTenant(t.Context(), made.ID), tenant: made.ID}
	c, err := campaign.Create(r.ctx, db, campaign.CreateInput{Name: "Campaign"})
	if err != nil {
		t.Fatal(err)
	}
	r.campaign = id.Campaign.Format(c.ID)
	if r.log, err = feedback.NewLog(db, feedback.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *recorder) record(n int) {
	r.t.Helper()
	items := make([]feedback.Recording, n)
	for i := range items {
		items[i] = feedback.Recording{Campaign: r.campaign, Score: i % 11, Channel: "API", Traits: trait.Values{"plan": fmt.Sprint(i % 3)}}
	}
	out, err := r.log.Record(r.ctx, items)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, o := range out {
		if o.Value == nil {
			r.t.Fatal(o.Errors)
		}
	}
	r.count += n
}

// plans counts the active cube's responses by plan; nil where it is not cut by it.
func (r *recorder) plans() map[string]int64 {
	r.t.Helper()
	s, err := settings.Load(r.ctx, r.db, r.tenant)
	if err != nil {
		r.t.Fatal(err)
	}
	cells, err := cube.Read(r.ctx, r.db, &s.Generations, cube.Query{From: cube.Earliest, To: cube.Latest, ByProfile: true})
	if err != nil {
		r.t.Fatal(err)
	}
	total := int64(0)
	var counts map[string]int64
	for c := range cells.All() {
		n := c.Histogram.Count()
		total += n
		if len(s.Active.Shape.Dimensions) == 0 {
			continue
		}
		if counts == nil {
			counts = map[string]int64{}
		}
		counts[s.Active.Profiles.All()[c.Profile-1].Values[0]] += n
	}
	if total != int64(r.count) {
		r.t.Errorf("the cube counts %d responses, want %d", total, r.count)
	}
	_, err = doctor.Check(r.ctx, r.db, false, func(f doctor.Finding) error {
		r.t.Errorf("the doctor finds %v", f)
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
	return counts
}

// cubes is how many generations the tenant has.
func (r *recorder) cubes() (n int) {
	r.t.Helper()
	if err := r.db.Reader.QueryRowContext(r.ctx, `SELECT count(*) FROM cubes WHERE tenant_id = $1`, r.tenant).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// TestRebuildSurvivesRestart stops the process midway in a rebuild, and another one finishes it.
func TestRebuildSurvivesRestart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const chunk, chunks, responses = 7, 3, 100
		r := newRecorder(t, db)
		r.record(responses)

		jobs := newJobs(t, db)
		first := cube.NewBuilder(db, jobs)
		first.Chunk = chunk
		worker := &halting{builder: first, chunks: chunks, halted: make(chan error, 10)}
		job.Handle(jobs, worker.work, job.Options{})
		if err := jobs.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := settings.DefineTrait(r.ctx, first, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}); err != nil {
			t.Fatal(err)
		}
		if err := <-worker.halted; err != nil {
			t.Fatal(err)
		}
		if err := jobs.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		// As if the process had been killed: nobody has noted that the job is no longer at work.
		if _, err := db.Writer.ExecContext(t.Context(), `UPDATE river_job SET state = 'running', finalized_at = NULL`); err != nil {
			t.Fatal(err)
		}

		progress, err := settings.TraitProgress(r.ctx, first.DB, r.tenant, "plan")
		if err != nil || progress == nil || *progress != (cube.Rebuild{Done: chunk * chunks, Total: responses}) {
			t.Errorf("got the progress %v, %v; want %d of %d", progress, err, chunk*chunks, responses)
		}
		if other, err := settings.TraitProgress(r.ctx, first.DB, r.tenant, "age"); other != nil || err != nil {
			t.Errorf("another trait's progress is %v, %v", other, err)
		}
		r.record(5)
		if got := r.plans(); got != nil {
			t.Errorf("midway the cube is cut by plan: %v", got)
		}

		jobs = newJobs(t, db)
		second := cube.NewBuilder(db, jobs)
		second.Chunk = chunk
		worked := make(chan error, 10)
		job.Handle(jobs, func(ctx context.Context, args cube.RebuildArgs) error {
			err := second.Work(ctx, args)
			worked <- err
			return err
		}, job.Options{})
		if err := jobs.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := second.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-worked; err != nil {
			t.Error(err)
		}
		if err := jobs.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		if progress, err := settings.TraitProgress(r.ctx, second.DB, r.tenant, "plan"); progress != nil || err != nil {
			t.Errorf("once it is done the progress is %v, %v", progress, err)
		}
		if got := r.plans(); len(got) != 3 || got["0"] != 34+2 || got["1"] != 33+2 || got["2"] != 33+1 {
			t.Errorf("got %v by plan", got)
		}
		// Nothing is left to resume, and nothing of the old cube.
		var cubes, cells int
		err = db.Reader.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM cubes), (SELECT count(DISTINCT cube) FROM cells)`).Scan(&cubes, &cells)
		if err != nil || cubes != 1 || cells != 1 {
			t.Errorf("%d cubes, and cells of %d, are left: %v", cubes, cells, err)
		}
	})
}

// TestReshape changes a tenant's mind while the next generation is being built, with as many responses as go into
// whole chunks, and with none.
func TestReshape(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		builder := newBuilder(t, db)
		builder.Chunk = 10
		for _, n := range []int{0, 1, 9, 10, 11, 20} {
			r := newRecorder(t, db)
			if n > 0 {
				r.record(n)
			}
			define := func(isDimension bool) {
				t.Helper()
				if _, err := settings.DefineTrait(r.ctx, builder, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: isDimension}); err != nil {
					t.Fatal(err)
				}
			}
			building := func() bool {
				t.Helper()
				progress, err := cube.Progress(r.ctx, builder.DB, r.tenant)
				if err != nil {
					t.Fatal(err)
				}
				return progress != nil
			}
			define(true)
			if building() != (n > builder.Chunk) {
				t.Errorf("%d responses: building is %t", n, building())
			}
			if _, err := builder.Step(r.ctx, r.tenant); err != nil {
				t.Fatal(err)
			}
			r.plans()
			define(false)
			if building() {
				t.Errorf("%d responses: building what there is already", n)
			}
			if cubes := r.cubes(); cubes != 1 {
				t.Errorf("%d responses: %d cubes are left", n, cubes)
			}
			define(true)
			if _, err := tenant.Update(r.ctx, db, builder, tenant.UpdateInput{TimeZone: new("Asia/Kathmandu")}); err != nil {
				t.Fatal(err)
			}
			if err := builder.Rebuild(r.ctx, r.tenant); err != nil {
				t.Fatal(err)
			}
			counts := r.plans()
			s, err := settings.Load(r.ctx, db, r.tenant)
			if err != nil {
				t.Fatal(err)
			}
			if s.Building != nil || s.Active.Shape.Zone != "Asia/Kathmandu" || len(s.Active.Shape.Dimensions) != 1 {
				t.Errorf("%d responses: the cube's shape is %v, building %v", n, s.Active.Shape, s.Building)
			}
			if len(counts) != min(n, 3) {
				t.Errorf("%d responses: got %v by plan", n, counts)
			}
		}
	})
}
