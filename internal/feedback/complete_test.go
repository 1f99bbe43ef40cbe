package feedback_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// TestComplete sends a score, and later what it lacked.
func TestComplete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		now := clock()
		at := logAt(f, &now)
		score := func(key string) feedback.Recording {
			return f.With(func(r *feedback.Recording) {
				r.IdempotencyKey, r.Contact = &key, &contacts.Input{ExternalID: &key, Traits: trait.Values{"region": "north"}}
			})
		}
		said := func(r feedback.Recording, comment string) feedback.Recording { r.Comment = &comment; return r }
		known := func(r feedback.Recording, plan any) feedback.Recording {
			r.Traits = trait.Values{"plan": plan}
			return r
		}
		scored := func(r feedback.Recording, score int) feedback.Recording { r.Score = score; return r }
		const fresh, same, completed, conflict = "fresh", "same", "completed", "CONFLICT idempotencyKey"
		type step struct {
			in   feedback.Recording
			want string
		}
		k := score
		for name, steps := range map[string][]step{
			"comment":              {{k("a"), fresh}, {said(k("a"), "well"), completed}, {said(k("a"), "well"), same}, {k("a"), same}},
			"another comment":      {{k("b"), fresh}, {said(k("b"), "well"), completed}, {said(k("b"), "ill"), conflict}, {said(k("b"), "well"), same}},
			"comment, then traits": {{k("c"), fresh}, {said(k("c"), "well"), completed}, {known(k("c"), "x"), conflict}, {known(said(k("c"), "well"), "x"), completed}, {k("c"), same}},
			"both together":        {{k("d"), fresh}, {known(said(k("d"), "well"), "x"), completed}, {known(said(k("d"), "well"), "y"), conflict}, {said(k("d"), "well"), conflict}},
			"traits":               {{said(k("e"), "well"), fresh}, {known(said(k("e"), "well"), "x"), completed}, {known(said(k("e"), "ill"), "x"), conflict}},
			"another score":        {{k("f"), fresh}, {scored(said(k("f"), "well"), 8), conflict}, {said(k("f"), "well"), completed}},
			"blank comments":       {{said(k("g"), " "), fresh}, {k("g"), same}, {said(k("g"), ""), same}, {said(k("g"), "well"), completed}, {said(k("g"), "\n"), same}},
			"less":                 {{said(k("h"), "well"), fresh}, {k("h"), conflict}},
			"a trait of no kind":   {{k("i"), fresh}, {known(k("i"), 3.0), "INVALID traits.plan"}, {known(k("i"), "x"), completed}},
			"another contact":      {{k("j"), fresh}, {said(f.With(func(r *feedback.Recording) { r.IdempotencyKey = new("j") }), "well"), conflict}},
		} {
			var batch []feedback.Recording // of the same under another key
			for i, s := range steps {
				out, err := at.Record(f.Ctx, []feedback.Recording{s.in})
				if err != nil {
					t.Fatal(err)
				}
				if got := came(out[0]); got != s.want {
					t.Errorf("%s, %d: got %s, want %s", name, i, got, s.want)
				}
				one := s.in
				one.IdempotencyKey = new(*s.in.IdempotencyKey + " in one")
				batch = append(batch, one)
			}
			out, err := at.Record(f.Ctx, batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range steps {
				if got := came(out[i]); got != s.want {
					t.Errorf("%s, %d of one batch: got %s, want %s", name, i, got, s.want)
				}
			}
		}
		if r := storedOf(f, f.Record(known(said(k("c"), "well"), "x")).ID); *r.Comment != "well" || r.Traits["plan"] != "x" || r.Traits["region"] != "north" {
			t.Errorf("completed twice, it is %v", r)
		}
		// Until 24 hours after the response was recorded.
		now = clock().Add(-time.Hour)
		first := score("old")
		if out, err := at.Record(f.Ctx, []feedback.Recording{first, score("late")}); err != nil || came(out[0]) != fresh {
			t.Fatalf("got %v, %v", out, err)
		}
		now = now.Add(feedback.CompletableFor)
		if out, err := at.Record(f.Ctx, []feedback.Recording{said(first, "just in time")}); err != nil || came(out[0]) != completed {
			t.Errorf("after 24 hours: %v, %v", out, err)
		}
		now = now.Add(time.Microsecond)
		if out, err := at.Record(f.Ctx, []feedback.Recording{said(score("late"), "too late"), score("late")}); err != nil ||
			came(out[0]) != conflict || !strings.Contains(out[0].Errors.Error(), "24 hours") || came(out[1]) != same {
			t.Errorf("after more: %v, %v", out, err)
		}
		sound(f)
	})
}

// came says in a word what became of a recording.
func came(o feedback.Outcome[ent.Response]) string {
	switch {
	case o.Value == nil:
		return refusals(o.Errors)
	case o.Amended && o.Replayed:
		return "completed"
	case o.Replayed:
		return "same"
	case o.Amended:
		return "amended, and new"
	}
	return "fresh"
}

// logAt is a Log with a clock that can be set.
func logAt(f *feedbacktest.Fixture, now *time.Time) *feedback.Log {
	f.T.Helper()
	l, err := feedback.NewLog(f.DB, feedback.Config{Now: func() time.Time { return *now }})
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(func() {
		if err := l.Close(); err != nil {
			f.T.Error(err)
		}
	})
	return l
}

func storedOf(f *feedbacktest.Fixture, response uuid.UUID) *ent.Response {
	f.T.Helper()
	r, err := f.DB.Ent.Response.Get(f.Ctx, response)
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

// TestCompleteIsAnAmendment follows the log, and changes the response in between.
func TestCompleteIsAnAmendment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		first := f.With(func(r *feedback.Recording) {
			r.IdempotencyKey, r.Contact = new("k"), &contacts.Input{ExternalID: new("ann")}
		})
		r := f.Record(first)
		if _, err := f.Log.Amend(f.Ctx, feedback.Amendment{ID: r.NodeID(), Score: new(2)}); err != nil {
			t.Fatal(err)
		}
		f.Set(f.Campaign, entcampaign.StatusCLOSED) // it was taken before
		complete := first
		complete.Comment, complete.Traits = new("well"), trait.Values{"plan": "gold"}
		if o := f.Try(complete); came(o) != "completed" || o.Value.ID != r.ID || o.Value.Score != 2 || *o.Value.Comment != "well" {
			t.Errorf("got %+v", o)
		}
		entries, err := feedback.ReadEntries(f.Ctx, db, 0, 10)
		if err != nil || len(entries) != 3 {
			t.Fatalf("got %d entries, %v", len(entries), err)
		}
		if e := entries[2]; e.Kind != feedback.Amended || e.Event.Response != r.ID || *e.Score != 2 || e.PreviousScore != nil {
			t.Errorf("got the event %+v", e.Event)
		}
		sound(f)

		// What somebody else has said in its place stays, and the key of whom nobody knows any more adds nothing.
		for i, change := range []func(*ent.Response){
			func(r *ent.Response) {
				if _, err := f.Log.Amend(f.Ctx, feedback.Amendment{ID: r.NodeID(), Comment: new("they called")}); err != nil {
					t.Fatal(err)
				}
			},
			func(r *ent.Response) {
				if _, err := f.Log.Erase(f.Ctx, id.Contact.Format(*r.ContactID)); err != nil {
					t.Fatal(err)
				}
			},
			func(r *ent.Response) {
				if _, err := f.Log.Delete(f.Ctx, r.NodeID()); err != nil {
					t.Fatal(err)
				}
			},
		} {
			in := first
			in.Campaign, in.IdempotencyKey = f.Open(fmt.Sprint("Campaign ", i)), new(fmt.Sprint("changed ", i))
			change(f.Record(in))
			in.Comment = new("well")
			if o := f.Try(in); came(o) != "CONFLICT idempotencyKey" {
				t.Errorf("%d: got %s", i, came(o))
			}
		}
		sound(f)
	})
}

// TestCompleteTogether completes one response many times at once, in two processes.
func TestCompleteTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		second := feedbacktest.NewLog(t, db)
		first := f.With(func(r *feedback.Recording) { r.IdempotencyKey = new("k") })
		f.Record(first)
		const n = 60
		got := make([]string, n)
		errs := make([]error, n)
		var running sync.WaitGroup
		for i := range n {
			in := first
			in.Comment = new(fmt.Sprint("comment ", i%3))
			running.Go(func() {
				out, err := []*feedback.Log{f.Log, second}[i%2].Record(f.Ctx, []feedback.Recording{in})
				if errs[i] = err; err == nil {
					got[i] = came(out[0])
				}
			})
		}
		running.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for _, g := range got {
			counts[g]++
		}
		if counts["completed"] != 1 || counts["same"] != n/3-1 || counts["CONFLICT idempotencyKey"] != n/3*2 {
			t.Errorf("got %v", counts)
		}
		holds(f, 1, 0, 2)
	})
}

// TestCompleteWhatWasKept completes a response whose key was kept when there was one hash to each, also of blank comments.
func TestCompleteWhatWasKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		for _, comment := range []*string{nil, new("")} {
			first := f.With(func(r *feedback.Recording) {
				r.IdempotencyKey, r.Comment = new(fmt.Sprint("k", comment == nil)), comment
			})
			f.Record(first)
			b, err := json.Marshal(first)
			if err != nil {
				t.Fatal(err)
			}
			h := hmac.New(sha256.New, []byte(*first.IdempotencyKey))
			h.Write(b)
			key, kept := sha256.Sum256([]byte(*first.IdempotencyKey)), h.Sum(nil)
			if _, err := db.Writer.ExecContext(t.Context(), `UPDATE idempotency_keys SET content = $2 WHERE key = $1`, key[:], kept); err != nil {
				t.Fatal(err)
			}
			if o := f.Try(first); came(o) != "same" {
				t.Errorf("sent again: %s", came(o))
			}
			again := first
			again.Comment = new("well")
			if o := f.Try(again); came(o) != "completed" || came(f.Try(first)) != "same" || came(f.Try(again)) != "same" {
				t.Errorf("completed: %s", came(o))
			}
			var content []byte
			if err := db.Reader.QueryRowContext(t.Context(), `SELECT content FROM idempotency_keys WHERE key = $1`, key[:]).Scan(&content); err != nil ||
				len(content) != 2*sha256.Size || !bytes.HasPrefix(content, kept) {
				t.Errorf("kept %x, %v", content, err)
			}
		}
		holds(f, 2, 0, 4)
	})
}

// model is what a tenant must have of one idempotency key.
type model struct {
	// sent are what was taken; score, comment and plan are those of the last.
	sent            []string
	score           int
	comment, plan   string
	recorded        time.Time
	erased, deleted bool
}

// take says what must come of a recording.
func take(models map[string]*model, in feedback.Recording, now time.Time) string {
	comment := ""
	if in.Comment != nil {
		comment = strings.TrimSpace(*in.Comment)
	}
	plan, _ := in.Traits["plan"].(string)
	sent := fmt.Sprint(in.Score, comment, plan)
	m := models[*in.IdempotencyKey]
	switch {
	case m == nil:
		models[*in.IdempotencyKey] = &model{sent: []string{sent}, score: in.Score, comment: comment, plan: plan, recorded: now}
		return "fresh"
	case m.deleted:
	case slices.Contains(m.sent, sent):
		return "same"
	case m.erased, in.Score != m.score, now.Sub(m.recorded) > 24*time.Hour:
	case m.comment != "" && comment != m.comment, m.plan != "" && plan != m.plan:
	default:
		m.sent, m.comment, m.plan = append(m.sent, sent), comment, plan
		return "completed"
	}
	return "CONFLICT idempotencyKey"
}

// TestCompleteModel sends random recordings with few keys, in batches, while time goes by, responses are deleted and
// people erased, and compares what comes of each with what the rules say.
func TestCompleteModel(t *testing.T) {
	fewer(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rapid.Check(t, func(rt *rapid.T) {
			f := &feedbacktest.Fixture{T: t, DB: db, Builder: cube.NewBuilder(db, nil)}
			f.Ctx, f.Tenant = feedbacktest.NewTenant(t, db)
			f.Campaign = f.Open("Campaign")
			now := clock()
			f.Log = logAt(f, &now)
			models := map[string]*model{}
			latest := map[string]*ent.Response{}
			for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
				now = now.Add(time.Duration(rapid.IntRange(0, 13).Draw(rt, "hours")) * time.Hour)
				items := make([]feedback.Recording, rapid.IntRange(1, 5).Draw(rt, "items"))
				for i := range items {
					key := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key")
					items[i] = f.With(func(r *feedback.Recording) {
						r.IdempotencyKey, r.Contact = &key, &contacts.Input{ExternalID: new("person " + key)}
						r.Score = rapid.IntRange(9, 10).Draw(rt, "score")
						if comment := rapid.SampledFrom([]string{"", "", " ", "well", "ill"}).Draw(rt, "comment"); comment != "" {
							r.Comment = &comment
						}
						if plan := rapid.SampledFrom([]string{"", "", "gold", "basic"}).Draw(rt, "plan"); plan != "" {
							r.Traits = trait.Values{"plan": plan}
						}
					})
				}
				out, err := f.Log.Record(f.Ctx, items)
				if err != nil {
					rt.Fatal(err)
				}
				for i, in := range items {
					want := take(models, in, now)
					if got := came(out[i]); got != want {
						rt.Fatalf("%d of %v: got %s, want %s", i, items, got, want)
					}
					if out[i].Value != nil {
						latest[*in.IdempotencyKey] = out[i].Value
					}
				}
				for key, r := range latest {
					m := models[key]
					if m.erased || m.deleted {
						continue
					}
					stored := storedOf(f, r.ID)
					plan, _ := stored.Traits["plan"].(string)
					comment := ""
					if stored.Comment != nil {
						comment = *stored.Comment
					}
					if comment != m.comment || plan != m.plan || stored.Score != m.score {
						rt.Fatalf("%s is %v, want %+v", key, stored, m)
					}
					if !rapid.Bool().Draw(rt, "lose") {
						continue
					}
					if m.erased = rapid.Bool().Draw(rt, "erase"); m.erased {
						_, err = f.Log.Erase(f.Ctx, id.Contact.Format(*stored.ContactID))
					} else {
						m.deleted = true
						_, err = f.Log.Delete(f.Ctx, stored.NodeID())
					}
					if err != nil {
						rt.Fatal(err)
					}
				}
			}
		})
	})
}
