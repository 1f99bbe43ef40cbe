package importer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	entresponse "github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/importer"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// house is a tenant with a log and a campaign.
type house struct {
	ctx      context.Context
	db       *store.DB
	log      *feedback.Log
	campaign *ent.Campaign
	builder  *cube.Builder
}

func open(t *testing.T, db *store.DB) *house {
	t.Helper()
	created, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Jardin", TimeZone: "Europe/Paris"})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{ctx: auth.ForTenant(t.Context(), created.ID), db: db}
	if h.campaign, err = campaign.Create(h.ctx, db, campaign.CreateInput{Name: "Clients"}); err != nil {
		t.Fatal(err)
	}
	h.builder = cube.NewBuilder(db, nil)
	if h.log, err = feedback.NewLog(db, feedback.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// prepare prepares the real answers as somebody would who looked at them.
func (h *house) prepare(t *testing.T) *importer.Plan {
	t.Helper()
	state, err := settings.Load(h.ctx, h.db, auth.Tenant(h.ctx))
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	p, err := importer.Prepare(h.ctx, importer.Options{
		Path: "testdata/npsgame/nps.csv", Campaign: id.Campaign.Format(h.campaign.ID),
		Comment: "explication", Traits: []string{"t"}, On: "2014-06-01", Zone: zone, Defined: state.Traits,
		Rejects: t.TempDir() + "/rejects.csv",
	})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Define(h.ctx, func(ctx context.Context, in settings.DefineTraitInput) error {
		_, err := settings.DefineTrait(ctx, h.builder, in)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const answers, without = 13_612, 342

func (h *house) checkAnswers(t *testing.T) {
	t.Helper()
	responses := h.db.Ent.Response.Query()
	if n := responses.Clone().CountX(h.ctx); n != answers {
		t.Errorf("%d responses, want %d", n, answers)
	}
	if n := responses.Clone().Where(entresponse.ScoreGTE(9)).CountX(h.ctx); n != 8_465 {
		t.Errorf("%d promoters", n)
	}
	if n := responses.Clone().Where(entresponse.ScoreLTE(6)).CountX(h.ctx); n != 1_194 {
		t.Errorf("%d detractors", n)
	}
	at := time.Date(2014, 6, 1, 10, 0, 0, 0, time.UTC)
	newest, stray, tenure := 0, 0, map[any]int{}
	for _, r := range responses.AllX(h.ctx) {
		if r.RespondedAt.Equal(at) && r.Channel == entresponse.ChannelIMPORT {
			newest++
		}
		if r.Comment != nil && strings.Contains(*r.Comment, "\u0090") {
			stray++
		}
		tenure[r.Traits["t"]]++
	}
	if newest != answers {
		t.Errorf("%d responses of noon of that day in Paris", newest)
	}
	if stray == 0 {
		t.Error("stray bytes got lost")
	}
	if tenure[0.0] != 2_976 {
		t.Errorf("%d answers of t = 0", tenure[0.0])
	}
	const french = "Il y a très peu de caisse ouverte et le délai d'attente est particulièrement long!!!!"
	if n := responses.Clone().Where(entresponse.Comment(french)).CountX(h.ctx); n != 1 {
		t.Errorf("%d times the first comment", n)
	}
}

func TestRealAnswers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		var last int64
		p := h.prepare(t)
		got, err := p.Run(h.ctx, h.log, func(bytes int64) {
			if bytes < last {
				t.Errorf("progress went from %d back to %d", last, bytes)
			}
			last = bytes
		})
		if want := (importer.Result{Recorded: answers, Skipped: without}); err != nil || got != want {
			t.Fatalf("%+v: %v, want %+v", got, err, want)
		}
		if last != p.Size() {
			t.Errorf("progress ended at %d of %d", last, p.Size())
		}
		h.checkAnswers(t)
		got, err = h.prepare(t).Run(h.ctx, h.log, nil)
		if want := (importer.Result{Known: answers, Skipped: without}); err != nil || got != want {
			t.Fatalf("again: %+v: %v, want %+v", got, err, want)
		}
		h.checkAnswers(t)
	})
}

func TestInterruptedAndStartedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		ctx, cancel := context.WithCancel(h.ctx)
		batches := 0
		first, err := h.prepare(t).Run(ctx, h.log, func(int64) {
			if batches++; batches == 4 {
				cancel()
			}
		})
		if err != nil || !first.Interrupted || first.Recorded == 0 || first.Recorded >= answers {
			t.Fatalf("%+v: %v", first, err)
		}
		if n := h.db.Ent.Response.Query().CountX(h.ctx); n != first.Recorded {
			t.Errorf("%d responses, %d are said to be recorded", n, first.Recorded)
		}
		second, err := h.prepare(t).Run(h.ctx, h.log, nil)
		want := importer.Result{Recorded: answers - first.Recorded, Known: first.Recorded, Skipped: without}
		if err != nil || second != want {
			t.Fatalf("%+v: %v, want %+v", second, err, want)
		}
		h.checkAnswers(t)
	})
}

// What Check says is what Run does, before it and after it.
func TestCheckKnowsWhatIsKnown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		known := func(ctx context.Context, keys []string) ([]bool, error) { return feedback.Known(ctx, db, keys) }
		check := func(record, found int) {
			t.Helper()
			v, err := h.prepare(t).Check(h.ctx, time.Now(), known)
			if err != nil || v.Record != record || v.Known != found || v.Skipped() != without || v.Rejected() != 0 || v.Dropped() != 0 || v.Warnings != nil {
				t.Fatalf("%d to record, %d known, %v, %s: %v, want %d and %d", v.Record, v.Known, v.Warnings, v.Describe(), err, record, found)
			}
		}
		check(answers, 0)
		ctx, cancel := context.WithCancel(h.ctx)
		first, err := h.prepare(t).Run(ctx, h.log, func(int64) { cancel() })
		if err != nil || !first.Interrupted {
			t.Fatalf("%+v: %v", first, err)
		}
		check(answers-first.Recorded, first.Recorded)
		if _, err := h.prepare(t).Run(h.ctx, h.log, nil); err != nil {
			t.Fatal(err)
		}
		check(0, answers)
	})
}

func TestUnknownCampaign(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.prepare(t)
		p.Campaign = id.Campaign.Format(id.New())
		got, err := p.Run(h.ctx, h.log, nil)
		if err == nil || !strings.Contains(err.Error(), "no campaign") || got != (importer.Result{}) {
			t.Errorf("%+v: %v", got, err)
		}
		if n := h.db.Ent.Response.Query().CountX(h.ctx); n != 0 {
			t.Errorf("%d responses", n)
		}
	})
}

func TestLogThatIsClosed(t *testing.T) {
	h := open(t, storetest.Open(t, storetest.SQLite(t)))
	p := h.prepare(t)
	if err := h.log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(h.ctx, h.log, nil); !errors.Is(err, feedback.ErrClosed) {
		t.Error(err)
	}
}
