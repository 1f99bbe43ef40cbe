package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/doctor"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/search/searchtest"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// examine runs the doctor and gives what it prints.
func examine(t *testing.T, url string, repair bool) (printed string, err error) {
	t.Helper()
	var out strings.Builder
	err = (&app.DoctorCmd{Repair: repair}).Run(t.Context(), &app.Globals{Database: url, Out: &out, Err: &out, LogLevel: slog.LevelError})
	return out.String(), err
}

// ward is a database with two tenants, which is spoiled in many ways and put back each time.
type ward struct {
	t    *testing.T
	db   *store.DB
	url  string
	ctx  context.Context // of the first tenant
	ids  map[string]id.Kind
	uuid map[string]uuid.UUID
	told map[uuid.UUID]nps.Histogram // by campaign, of both tenants
	kept map[string][]string         // what stands in the tables
}

func newWard(t *testing.T, url string) *ward {
	t.Helper()
	w := &ward{t: t, url: url, ids: map[string]id.Kind{}, uuid: map[string]uuid.UUID{}}
	a, err := app.Open(t.Context(), app.Config{Database: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	w.db = a.DB
	for _, name := range []string{"First", "Second"} {
		made, _, err := tenant.Create(t.Context(), a.DB, tenant.CreateInput{Name: name, TimeZone: "Europe/Amsterdam"})
		w.fine(err)
		w.name(name, id.Tenant, made.ID)
		ctx := auth.ForTenant(t.Context(), made.ID)
		short := ""
		if name == "First" {
			w.ctx = ctx
		} else {
			short = "Other"
		}
		w.fill(ctx, a, short)
	}
	// The doctor is to find what foreign keys would refuse.
	if w.db.Dialect == store.Postgres {
		w.exec(`ALTER TABLE responses DROP CONSTRAINT responses_campaign_id`)
		w.exec(`ALTER TABLE responses DROP CONSTRAINT responses_contact_id`)
		w.exec(`ALTER TABLE contact_risks DROP CONSTRAINT contact_risks_contact_id`)
	} else {
		w.exec(`PRAGMA foreign_keys = 0`)
	}
	for _, table := range wardTables {
		w.exec(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
	}
	w.told, w.kept = w.replay(), map[string][]string{}
	for _, table := range []string{"responses", "events", "tombstones", "tenants"} {
		w.kept[table] = w.rows(table)
	}
	return w
}

// wardTables are kept, and put back.
var wardTables = []string{
	"tenants", "api_keys", "signing_keys", "campaigns", "contacts", "traits", "segments", "responses", "events", "tombstones",
	"idempotency_keys", "cubes", "profiles", "cells", "risk_models", "contact_risks",
}

// fill records 40 responses over three months, of which it amends two and deletes two.
func (w *ward) fill(ctx context.Context, a *app.App, short string) {
	w.t.Helper()
	var campaigns []*ent.Campaign
	for i := range 2 {
		c, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: fmt.Sprint("Campaign ", i)})
		w.fine(err)
		campaigns = append(campaigns, c)
		w.name(fmt.Sprintf("%sC%d", short, i), id.Campaign, c.ID)
	}
	defined, err := settings.DefineTrait(ctx, a.Builder, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true})
	w.fine(err)
	w.name(short+"T0", id.Trait, defined.ID)
	s, err := settings.CreateSegment(ctx, a.DB, settings.CreateSegmentInput{Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"0"}}}})
	w.fine(err)
	w.name(short+"S0", id.Segment, s.ID)
	items := make([]feedback.Recording, 40)
	for i := range items {
		at := time.Date(2026, time.Month(8+i%3), 1+i%7, 12, 0, 0, 0, time.UTC)
		items[i] = feedback.Recording{
			Campaign: campaigns[i%2].NodeID(), Score: i % 11, Channel: "API", RespondedAt: &at,
			Traits: trait.Values{"plan": fmt.Sprint(i % 3)}, IdempotencyKey: new(fmt.Sprintf("%skey-%d", short, i)),
		}
		if i%4 == 0 {
			items[i].Contact = &contact.Input{ExternalID: new(fmt.Sprint("person ", i)), Email: new(fmt.Sprintf("P%d@example.org", i))}
		}
	}
	out, err := a.Log.Record(ctx, items)
	w.fine(err)
	for i, o := range out {
		w.name(fmt.Sprintf("%sR%d", short, i), id.Response, o.Value.ID)
		if o.Value.ContactID != nil {
			w.name(fmt.Sprintf("%sP%d", short, i), id.Contact, *o.Value.ContactID)
		}
	}
	for _, amend := range []feedback.Amendment{{ID: out[12].Value.NodeID(), Score: new(8)}, {ID: out[13].Value.NodeID(), Comment: new("Fine.")}} {
		_, err := a.Log.Amend(ctx, amend)
		w.fine(err)
	}
	for _, i := range []int{14, 15} {
		_, err := a.Log.Delete(ctx, out[i].Value.NodeID())
		w.fine(err)
	}
	key, _, err := tenant.CreateKey(ctx, a.DB, tenant.CreateKeyInput{Name: "A key", Scopes: []auth.Scope{auth.Read}})
	w.fine(err)
	w.name(short+"K0", id.ApiKey, key.ID)
	w.fine(a.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Ent.SigningKey.Create().SetSecret(make([]byte, 32)).Save(ctx)
		return err
	}))
}

func (w *ward) name(name string, kind id.Kind, u uuid.UUID) { w.ids[name], w.uuid[name] = kind, u }

func (w *ward) fine(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) exec(query string) {
	w.t.Helper()
	if _, err := w.db.Writer.ExecContext(w.t.Context(), query); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

// sql fills ids in: {R3} is the id of response 3, {other …} one that nothing has.
func (w *ward) sql(text string) string {
	for name, u := range w.uuid {
		text = strings.ReplaceAll(text, "{"+name+"}", "'"+u.String()+"'")
	}
	return strings.ReplaceAll(text, "{nothing}", "'01900000-0000-7000-8000-000000000001'")
}

// said fills ids in as people see them.
func (w *ward) said(text string) string {
	for name, u := range w.uuid {
		text = strings.ReplaceAll(text, "{"+name+"}", w.ids[name].Format(u))
	}
	return text
}

func (w *ward) restore() {
	w.t.Helper()
	var all strings.Builder
	for _, table := range wardTables {
		fmt.Fprintf(&all, "DELETE FROM %s; INSERT INTO %s SELECT * FROM kept_%s;\n", table, table, table)
	}
	w.exec(all.String())
}

// replay counts the responses that there are by the log, and knows nothing else.
func (w *ward) replay() map[uuid.UUID]nps.Histogram {
	w.t.Helper()
	type state struct {
		campaign uuid.UUID
		score    *int
	}
	states := map[uuid.UUID]state{}
	rows, err := w.db.Reader.QueryContext(w.t.Context(), `SELECT response_id, campaign_id, score FROM events ORDER BY tenant_id, position`)
	w.fine(err)
	defer rows.Close()
	for rows.Next() {
		var response uuid.UUID
		var s state
		w.fine(rows.Scan(&response, &s.campaign, &s.score))
		states[response] = s
	}
	w.fine(rows.Err())
	counts := map[uuid.UUID]nps.Histogram{}
	for _, s := range states {
		if s.score != nil {
			h := counts[s.campaign]
			h.Record(*s.score, 1)
			counts[s.campaign] = h
		}
	}
	return counts
}

// scores are those that the API gives, by campaign, of a process that has just begun.
func (w *ward) scores() (map[uuid.UUID]nps.Histogram, error) {
	counts := map[uuid.UUID]nps.Histogram{}
	for _, name := range []string{"First", "Second"} {
		ctx := auth.ForTenant(w.t.Context(), w.uuid[name])
		for c := range w.told {
			r := insight.NewReader(w.db, settings.NewStates(w.db), time.Now)
			f, err := r.Feedback(ctx, selection.Filter{Campaigns: []string{id.Campaign.Format(c)}}, selection.Within{})
			if err != nil && strings.Contains(err.Error(), "no campaign") {
				continue // the other tenant's
			}
			if err != nil {
				return nil, err
			}
			s, err := f.Score(ctx)
			if err != nil {
				return nil, err
			}
			var h nps.Histogram
			for score, n := range s.Histogram() {
				h[score] = int64(n)
			}
			counts[c] = h
		}
	}
	return counts, nil
}

// rows are a table's, as texts.
func (w *ward) rows(table string) (texts []string) {
	w.t.Helper()
	columns := map[string]string{
		"responses":  "id, campaign_id, contact_id, score, comment, channel, variant, traits, responded_at, recorded_at, updated_at",
		"events":     "tenant_id, position, kind, at, response_id, campaign_id, score, previous_score",
		"tombstones": "response_id, campaign_id, score, channel, dimension_values, responded_at",
		"tenants":    "id, name, time_zone, log_position",
	}[table]
	w.fine(w.db.Snapshot(w.t.Context(), func(tx *store.Tx) error {
		return store.EachRaw(w.t.Context(), tx.SQL, func(r store.Raw) error {
			cells := make([]string, len(r))
			for i := range r {
				cells[i] = r.Show(i)
			}
			texts = append(texts, strings.Join(cells, " "))
			return nil
		}, `SELECT `+columns+` FROM `+table)
	}))
	slices.Sort(texts)
	return texts
}

// corruption is one way in which a database may be wrong.
type corruption struct {
	name string
	sql  []string
	// want is what the doctor says.
	want []string
	// mends says that it is mended, and cells that it is the cells that are wrong, or what they are read by.
	mends, cells bool
	// sqlite says that PostgreSQL does not store such a thing.
	sqlite bool
}

const copied = `SELECT tenant_id, %s, campaign_id, contact_id, %s, comment, channel, variant, locale, traits, responded_at, recorded_at, updated_at FROM responses WHERE id = %s`

func responseLike(like, as, score string) string {
	return `INSERT INTO responses (tenant_id, id, campaign_id, contact_id, score, comment, channel, variant, locale, traits, responded_at, recorded_at, updated_at) ` +
		fmt.Sprintf(copied, as, score, like)
}

var corruptions = []corruption{
	// The log and a response disagree.
	{name: "a score of 11", sql: []string{`UPDATE responses SET score = 11 WHERE id = {R3}`}, want: []string{"{R3} has the score 11, but by event 4 it is 3"}, mends: true},
	{name: "a negative score", sql: []string{`UPDATE responses SET score = -1 WHERE id = {R3}`}, want: []string{"{R3} has the score -1, but by event 4 it is 3"}, mends: true},
	{name: "a score changed by hand", sql: []string{`UPDATE responses SET score = 9 WHERE id = {R5}`}, want: []string{"{R5} has the score 9, but by event 6 it is 5; the cells agree with the log"}, mends: true},
	{name: "all scores changed by hand", sql: []string{`UPDATE responses SET score = 10 WHERE tenant_id = {First}`}, want: []string{"{R5} has the score 10, but by event 6 it is 5"}, mends: true},
	{name: "an amendment undone by hand", sql: []string{`UPDATE responses SET score = 1 WHERE id = {R12}`}, want: []string{"{R12} has the score 1, but by event 41 it is 8"}, mends: true},
	{name: "another campaign", sql: []string{`UPDATE responses SET campaign_id = {C1} WHERE id = {R6}`}, want: []string{"{R6} has the campaign {C1}, but by event 7 it is of {C0}"}, mends: true},
	{name: "another tenant's campaign", sql: []string{`UPDATE responses SET campaign_id = {OtherC0} WHERE id = {R17}`}, want: []string{"{R17} has the campaign {OtherC0}, but by event 18 it is of {C1}"}, mends: true},
	{name: "campaign and score", sql: []string{`UPDATE responses SET campaign_id = {C1}, score = 0 WHERE id = {R6}`}, want: []string{"{R6} has the campaign {C1} and the score 0, but by event 7 it is of {C0} with the score 6"}, mends: true},
	{name: "another moment of recording", sql: []string{`UPDATE responses SET recorded_at = '2020-01-02 03:04:05+00:00' WHERE id = {R10}`}, want: []string{"{R10} was recorded at 2020-01-02T03:04:05Z, but by event 11 at"}},
	{name: "a response is gone", sql: []string{`DELETE FROM responses WHERE id = {R11}`}, want: []string{"{R11} is missing: by event 12 it is of campaign {C1} with the score 0, and no event deletes it; only a backup has it"}},
	{name: "a deleted response is back", sql: []string{responseLike("{R0}", "{R14}", "3")}, want: []string{"{R14} is there with the score 3, but event 43 deleted it; the cells do not count it"}, mends: true},
	{name: "a response that was never recorded", sql: []string{responseLike("{R0}", "{nothing}", "7")}, want: []string{"with the score 7 has no event; no cell counts it either"}},
	// What the log does not know, and the cells do.
	{name: "another day", sql: []string{`UPDATE responses SET responded_at = '2026-01-15 12:00:00+00:00' WHERE id = {R7}`}, want: []string{"campaign {C1}: its cells add up to what the log tells, and its responses are of other days or profiles", "2026-01-15"}},
	{name: "another channel", sql: []string{`UPDATE responses SET channel = 'LINK' WHERE id = {R8}`}, want: []string{"campaign {C0}: its cells add up to what the log tells"}},
	{name: "other traits", sql: []string{`UPDATE responses SET traits = '{"plan":"never"}' WHERE id = {R9}`}, want: []string{"campaign {C1}: its cells add up to what the log tells"}},
	{name: "a day yet to come", sql: []string{`UPDATE responses SET responded_at = '2099-01-15 12:00:00+00:00' WHERE id = {R7}`}, want: []string{"{R7} was given at 2099-01-15T12:00:00Z, and recorded at"}},
	// The log itself.
	{name: "an event is gone", sql: []string{`DELETE FROM events WHERE tenant_id = {First} AND position = 7`}, want: []string{"{R6} with the score 6 has no event; the cells count it; its recording takes the gap at 7"}, mends: true},
	{name: "events are gone", sql: []string{`DELETE FROM events WHERE tenant_id = {First} AND position IN (3, 4, 9)`}, want: []string{"{R2} with the score 2 has no event", "{R8} with the score 8 has no event"}, mends: true},
	{name: "an amendment is gone", sql: []string{`DELETE FROM events WHERE tenant_id = {First} AND position = 41`}, want: []string{"{R12} has the score 8, but by event 13 it is 1; the cells agree with the response", "no events 41 to 41; only a backup"}},
	{name: "a deletion is gone", sql: []string{`DELETE FROM events WHERE tenant_id = {First} AND position = 43`}, want: []string{"{R14} is missing", "{R14} is kept as deleted, and no event deletes it", "no events 43 to 43"}},
	{name: "an event's score is another", sql: []string{`UPDATE events SET score = 9 WHERE tenant_id = {First} AND position = 2`}, want: []string{"{R1} has the score 1, but by event 2 it is 9; the cells agree with the response"}},
	{name: "an event's campaign is another", sql: []string{`UPDATE events SET campaign_id = {C1} WHERE tenant_id = {First} AND position = 3`}, want: []string{"{R2} has the campaign {C0}, but by event 3 it is of {C1}; the cells agree with the response"}},
	{name: "an event's kind is none", sql: []string{`UPDATE events SET kind = 7 WHERE tenant_id = {First} AND position = 5`}, want: []string{"event 5 has the kind 7"}},
	{name: "an event's response is another", sql: []string{`UPDATE events SET response_id = {R1} WHERE tenant_id = {First} AND position = 5`}, want: []string{"{R1}: events 2 and 5 both record it", "{R4} with the score 4 has no event"}},
	{name: "an event of another moment", sql: []string{`UPDATE events SET at = '2020-01-02 03:04:05+00:00' WHERE tenant_id = {First} AND position = 8`}, want: []string{"{R7} was recorded at", "but by event 8 at 2020-01-02T03:04:05Z"}},
	{name: "an event twice", sql: []string{
		`INSERT INTO events SELECT tenant_id, 45, kind, at, response_id, campaign_id, score, previous_score FROM events WHERE tenant_id = {First} AND position = 1`,
		`UPDATE tenants SET log_position = 45 WHERE id = {First}`,
	}, want: []string{"{R0}: events 1 and 45 both record it"}},
	{name: "a deletion that was none", sql: []string{
		`INSERT INTO events SELECT tenant_id, 45, 3, at, response_id, campaign_id, NULL, score FROM events WHERE tenant_id = {First} AND position = 1`,
		`UPDATE tenants SET log_position = 45 WHERE id = {First}`,
	}, want: []string{"{R0} is there with the score 0, but event 45 deleted it; the cells agree with the response"}},
	{name: "a chain that does not hold", sql: []string{`UPDATE events SET previous_score = 5 WHERE tenant_id = {First} AND position = 41`}, want: []string{"{R12}: event 41 amends a score of 5, and by the events before it was 1"}},
	{name: "the position is ahead", sql: []string{`UPDATE tenants SET log_position = log_position + 5 WHERE id = {First}`}, want: []string{"the log has no events 45 to 49; only a backup"}},
	{name: "the position is behind", sql: []string{`UPDATE tenants SET log_position = 0 WHERE id = {First}`}, want: []string{"the log's position is 0, but its last event is 44"}, mends: true},
	{name: "a tombstone's score", sql: []string{`UPDATE tombstones SET score = 9 WHERE response_id = {R14}`}, want: []string{"{R14} is kept as deleted with the score 9, but by event 43 it was 3"}, mends: true},
	{name: "a tombstone of whom is there", sql: []string{`INSERT INTO tombstones SELECT tenant_id, {R1}, campaign_id, score, channel, variant, dimension_values, responded_at FROM tombstones WHERE response_id = {R14}`}, want: []string{"{R1} is kept as deleted, and there"}, mends: true},
	{name: "a tombstone that cannot be read", sql: []string{`UPDATE tombstones SET dimension_values = '[]' WHERE response_id = {R14}`}, want: []string{"the deleted {R14} has the dimension_values"}},
	{name: "a key of nothing", sql: []string{`UPDATE idempotency_keys SET response_id = {nothing} WHERE response_id = {R1}`}, want: []string{"names the response resp_", "of which there is neither row nor event"}},
	// Cells.
	{name: "a cell counts too much", sql: []string{`UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = {First} AND grain = 2`}, want: []string{"off by [0 0 0 1 0"}, mends: true, cells: true},
	{name: "all cells count too much", sql: []string{`UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = {First}`}, want: []string{"off by [0 0 0 1 0"}, mends: true, cells: true},
	{name: "a cell is gone", sql: []string{`DELETE FROM cells WHERE tenant_id = {First} AND grain = 1 AND profile_id = 1`}, want: []string{"grain 1 and profile 1"}, mends: true, cells: true},
	{name: "a negative count", sql: []string{`UPDATE cells SET s5 = -4 WHERE tenant_id = {First} AND grain = 0 AND campaign_id = {C1}`}, want: []string{"s5 -4, which is no number from 0"}, mends: true, cells: true},
	{name: "all cells are gone", sql: []string{`DELETE FROM cells WHERE tenant_id = {First}`}, want: []string{"grain 3"}, mends: true, cells: true},
	{name: "cells of another day", sql: []string{`UPDATE cells SET start = start + 40 WHERE tenant_id = {First} AND grain = 0 AND campaign_id = {C0}`}, want: []string{"campaign {C0}", "grain 0"}, mends: true, cells: true},
	{name: "a cell of no profile", sql: []string{`INSERT INTO cells SELECT tenant_id, cube, grain, campaign_id, start, 999, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, changed FROM cells WHERE tenant_id = {First} AND grain = 0 AND profile_id = 1`}, want: []string{"profile 999, where no response can be"}, mends: true, cells: true},
	{name: "a cell of no grain", sql: []string{`UPDATE cells SET grain = 9 WHERE tenant_id = {First} AND grain = 3 AND campaign_id = {C0}`}, want: []string{"grain 9"}, mends: true, cells: true},
	{name: "cells of no cube", sql: []string{`UPDATE cells SET cube = 77 WHERE tenant_id = {First} AND grain = 2`}, want: []string{"cells of the cubes [77], and no such cubes"}, mends: true, cells: true},
	{name: "cells and a score", sql: []string{`UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = {First} AND grain = 2`, `UPDATE responses SET score = 9 WHERE id = {R5}`}, want: []string{"{R5} has the score 9, but by event 6 it is 5", "off by [0 0 0 1 0"}, mends: true, cells: true},
	{name: "cells, while a response is missing", sql: []string{`UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = {First} AND grain = 2`, `DELETE FROM responses WHERE id = {R11}`}, want: []string{"{R11} is missing", "campaign {C1}: its cells are wrong, and cannot be counted again while responses are missing"}, cells: true},
	{name: "the last profile is gone", sql: []string{`DELETE FROM profiles WHERE tenant_id = {First} AND id = 3`}, want: []string{"the profiles of cube 1", "lacks 1"}, mends: true, cells: true},
	{name: "the first profile is gone", sql: []string{`DELETE FROM profiles WHERE tenant_id = {First} AND id = 1`}, want: []string{"profile 1 is missing"}, mends: true, cells: true},
	{name: "all profiles are gone", sql: []string{`DELETE FROM profiles WHERE tenant_id = {First}`}, want: []string{"the profiles of cube 1", "lacks 3"}, mends: true, cells: true},
	{name: "a profile is another", sql: []string{`UPDATE profiles SET dimension_values = '["gold"]' WHERE tenant_id = {First} AND id = 2`}, want: []string{"the profiles of cube 1", `["1"]`}, mends: true, cells: true},
	{name: "two profiles are one", sql: []string{`UPDATE profiles SET dimension_values = '["0"]' WHERE tenant_id = {First} AND id < 3`}, want: []string{"are equal"}, mends: true, cells: true},
	{name: "a profile that cannot be read", sql: []string{`UPDATE profiles SET dimension_values = '{}' WHERE tenant_id = {First} AND id = 1`}, want: []string{"profile 1"}, mends: true, cells: true},
	{name: "the cube's row is gone", sql: []string{`DELETE FROM cubes WHERE tenant_id = {First}`}, want: []string{"cube 1, which is to answer, is missing"}, mends: true, cells: true},
	{name: "the cube, and all its cells", sql: []string{`DELETE FROM cubes WHERE tenant_id = {First}`, `DELETE FROM cells WHERE tenant_id = {First}`, `DELETE FROM profiles WHERE tenant_id = {First}`}, want: []string{"cube 1, which is to answer, is missing"}, mends: true, cells: true},
	{name: "another cube answers", sql: []string{`UPDATE tenants SET cube = 5 WHERE id = {First}`}, want: []string{"cube 5, which is to answer, is missing"}, mends: true, cells: true},
	{name: "a cube is not whole", sql: []string{`UPDATE cubes SET whole = FALSE WHERE tenant_id = {First}`}, want: []string{"cube 1, which answers, is not whole"}, mends: true, cells: true},
	{name: "a cube's shape cannot be read", sql: []string{`UPDATE cubes SET shape = '[]' WHERE tenant_id = {First}`}, want: []string{"cube 1 has a shape that cannot be read"}, mends: true, cells: true},
	{name: "a cube's zone is another", sql: []string{`UPDATE cubes SET shape = '{"zone":"Pacific/Auckland","dimensions":[{"key":"plan","kind":"TEXT"}]}' WHERE tenant_id = {First}`}, want: []string{"Pacific/Auckland", "Europe/Amsterdam", "the cells were counted by the latter"}, mends: true, cells: true},
	{name: "a cube's zone is none", sql: []string{`UPDATE cubes SET shape = '{"zone":"Mars/Olympus","dimensions":[{"key":"plan","kind":"TEXT"}]}' WHERE tenant_id = {First}`}, want: []string{"Mars/Olympus"}, mends: true, cells: true},
	{name: "a half-built cube", sql: []string{`INSERT INTO cubes (tenant_id, generation, shape, whole, done, total, built_to) SELECT tenant_id, 2, shape, FALSE, 40, 40, {R39} FROM cubes WHERE tenant_id = {First}`}, want: []string{"cube 2, which is being built, is not what the responses give so far"}, mends: true},
	{name: "both tenants' cubes are gone", sql: []string{`DELETE FROM cubes`}, want: []string{"{First} First: ", "{Second} Second: "}, mends: true, cells: true},
	// What is learned.
	{name: "a model that cannot be read", sql: []string{modelOf(1, `'[{"key":"plan","kind":"TEXT"}]'`, `'{"theta":[2,1],"traits":[]}'`)}, want: []string{"the model 1 of who answers how cannot be read"}, mends: true},
	{name: "a model of other dimensions", sql: []string{modelOf(1, `'[{"key":"plan","kind":"TEXT"}]'`, `'{"theta":[1,2],"traits":[{"key":"persona"}]}'`)}, want: []string{"its traits are not its dimensions"}, mends: true},
	{name: "contacts without a risk", sql: []string{modelOf(1, `'[]'`, `'{"theta":[1,2],"traits":[]}'`), `INSERT INTO contact_risks SELECT tenant_id, id, 1, 0 FROM contacts WHERE tenant_id = {First} AND id <> {P16}`}, want: []string{"{P16} has no risk by the model 1"}, mends: true},
	{name: "risks of no model", sql: []string{`INSERT INTO contact_risks SELECT tenant_id, id, 7, 0 FROM contacts WHERE tenant_id = {First}`}, want: []string{"risks by the model 7, which is not there"}, mends: true},
	{name: "a risk beyond certainty", sql: []string{modelOf(1, `'[]'`, `'{"theta":[1,2],"traits":[]}'`), `INSERT INTO contact_risks SELECT tenant_id, id, 1, 1000000001 FROM contacts WHERE tenant_id = {First}`}, want: []string{"{P16} has the risk 1000000001, which is none"}, mends: true},
	{name: "a risk of nobody", sql: []string{`INSERT INTO contact_risks VALUES ({First}, {nothing}, 1, 5)`, modelOf(1, `'[]'`, `NULL`)}, want: []string{"there is a risk of cont_", "who is not there"}, mends: true},
	// Settings, and what refers to what.
	{name: "the tenant's zone is another", sql: []string{`UPDATE tenants SET time_zone = 'Pacific/Auckland' WHERE id = {First}`}, want: []string{"Pacific/Auckland", "Europe/Amsterdam", "say which is right with updateTenant"}},
	{name: "the tenant's zone is none", sql: []string{`UPDATE tenants SET time_zone = 'Mars/Olympus' WHERE id = {First}`}, want: []string{`"Mars/Olympus", which is none`, "Europe/Amsterdam"}, mends: true},
	{name: "a trait is gone", sql: []string{`DELETE FROM traits WHERE tenant_id = {First}`}, want: []string{"{S0}", "has a rule that does not fit the traits", "say which is right with updateTenant or defineTrait"}},
	{name: "a trait of no kind", sql: []string{`UPDATE traits SET kind = 'COLOUR' WHERE tenant_id = {First}`}, want: []string{"{T0} is not what it should be", `"COLOUR"`}},
	{name: "a rule that cannot be read", sql: []string{`UPDATE segments SET rule = '[]' WHERE tenant_id = {First}`}, want: []string{"{S0} has the rule"}},
	{name: "a rule of no trait", sql: []string{`UPDATE segments SET rule = '{"trait":{"key":"colour","in":["red"]}}' WHERE tenant_id = {First}`}, want: []string{"{S0}", `"colour" is not a dimension`}},
	{name: "a contact that is not there", sql: []string{`DELETE FROM contacts WHERE id = {P16}`}, want: []string{"{R16} names the contact {P16}, which is not there"}},
	{name: "another tenant's contact", sql: []string{`UPDATE responses SET contact_id = {OtherP0} WHERE id = {R16}`}, want: []string{"{R16} names the contact {OtherP0}, which belongs to the tenant {Second}"}},
	{name: "a contact's traits", sql: []string{`UPDATE contacts SET traits = '[]' WHERE id = {P16}`}, want: []string{"{P16} has the traits"}},
	{name: "a contact's address", sql: []string{`UPDATE contacts SET email = 'Q@example.org' WHERE id = {P16}`}, want: []string{"{P16}", `"Q@example.org"`, `"p16@example.org"`}},
	{name: "a response's traits", sql: []string{`UPDATE responses SET traits = '[]' WHERE id = {R9}`}, want: []string{"{R9} has the traits", "{R9}: its traits are"}},
	{name: "a status that is none", sql: []string{`UPDATE campaigns SET status = 'MAYBE' WHERE id = {C0}`}, want: []string{`{C0} has the status "MAYBE"`}},
	{name: "a channel that is none", sql: []string{`UPDATE responses SET channel = 'FAX' WHERE id = {R9}`}, want: []string{`{R9} has the channel "FAX"`}},
	{name: "a campaign is gone", sql: []string{`DELETE FROM campaigns WHERE id = {C1}`}, want: []string{"{R1} names the campaign {C1}, which is not there"}, cells: true},
	{name: "a signing key cut short", sql: []string{`UPDATE signing_keys SET secret = 'short' WHERE tenant_id = {First}`}, want: []string{"signing_keys", "which is not of 32 bytes"}},
	{name: "a signing key of the future", sql: []string{`UPDATE signing_keys SET created_at = '2099-01-01 00:00:00+00:00' WHERE tenant_id = {First}`}, want: []string{"signing_keys", "2099-01-01T00:00:00Z, which is yet to come"}},
	{name: "a key's scopes", sql: []string{`UPDATE api_keys SET scopes = '["ROOT"]' WHERE id = {K0}`}, want: []string{"{K0} has the scopes", "ROOT"}},
	{name: "rows of nobody", sql: []string{`UPDATE segments SET tenant_id = {nothing} WHERE id = {S0}`}, want: []string{"segments has 1 rows of the tenant tenant_", "which is none"}},
	// What only SQLite can hold.
	{name: "a score of letters", sqlite: true, sql: []string{`UPDATE responses SET score = 'many' WHERE id = {R3}`}, want: []string{`{R3} has the score "many", but by event 4 it is 3`}, mends: true},
	{name: "a date of letters", sqlite: true, sql: []string{`UPDATE responses SET responded_at = 'yesterday' WHERE id = {R3}`}, want: []string{`{R3} was given at "yesterday", which is no time`}},
	{name: "JSON that is none", sqlite: true, sql: []string{`UPDATE responses SET traits = '{' WHERE id = {R3}`}, want: []string{`{R3} has the traits "{"`}},
	{name: "a campaign of letters", sqlite: true, sql: []string{`UPDATE responses SET campaign_id = 'none' WHERE id = {R3}`}, want: []string{`{R3} has the campaign "none", but by event 4 it is of {C1}`}, mends: true},
	{name: "a cell that was changed by letters", sqlite: true, sql: []string{`UPDATE cells SET changed = 'x' WHERE tenant_id = {First} AND grain = 1 AND campaign_id = {C1}`}, want: []string{`has the changed "x"`}, mends: true, cells: true},
	{name: "a risk of letters", sqlite: true, sql: []string{modelOf(1, `'[]'`, `NULL`), `INSERT INTO contact_risks SELECT tenant_id, id, 1, 'x' FROM contacts WHERE tenant_id = {First}`}, want: []string{`{P16} has the risk "x", which is none`}, mends: true},
	{name: "a cell of letters", sqlite: true, sql: []string{`UPDATE cells SET s3 = 'x' WHERE tenant_id = {First} AND grain = 2 AND campaign_id = {C1}`}, want: []string{`has the s3 "x"`}, mends: true, cells: true},
	{name: "an event of letters", sqlite: true, sql: []string{`UPDATE events SET at = 'then', score = 'x' WHERE tenant_id = {First} AND position = 4`}, want: []string{`event 4 has the at "then"`}},
	{name: "a position of letters", sqlite: true, sql: []string{`UPDATE tenants SET log_position = 'x' WHERE id = {First}`}, want: []string{`{First} has the log_position "x"`}},
	{name: "a tenant without an id", sqlite: true, sql: []string{`UPDATE tenants SET id = 'x' WHERE id = {First}`}, want: []string{`a tenant has the id "x"`}, cells: true},
}

// modelOf stores a model by which all contacts have their risk.
func modelOf(number int, dimensions, model string) string {
	return fmt.Sprintf(`INSERT INTO risk_models (tenant_id, number, cube, dimensions, model, position, learned_at, done_to, scored_to, passed_at, passed_revision)
		VALUES ({First}, %d, 1, %s, %s, 40, '2026-11-01 00:00:00+00:00', {nothing}, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '2026-11-01 00:00:00+00:00', 0)`,
		number, dimensions, model)
}

// TestDoctor spoils a database in one way after the other. Each time the doctor says what is wrong, with ids and both
// values, and mends what can be known. It never makes the cells fit the harm: what the log told it goes on telling, and
// the API's scores are what the log gives.
func TestDoctor(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWard(t, url)
		for _, repair := range []bool{false, true} {
			if printed, err := examine(t, url, repair); err != nil || !strings.Contains(printed, "nothing wrong") || strings.Count(printed, "\n") != 1 {
				t.Fatalf("to begin with: %v\n%s", err, printed)
			}
		}
		for _, c := range corruptions {
			if c.sqlite && w.db.Dialect != store.SQLite {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				w := *w
				w.t = t
				w.restore()
				for _, query := range c.sql {
					w.exec(w.sql(query))
				}
				w.corrupted(c)
			})
		}
	})
}

func (w *ward) corrupted(c corruption) {
	t := w.t
	t.Helper()
	events := w.rows("events")
	printed, err := examine(t, w.url, false)
	if err == nil || app.ExitCode(err) != app.ExitFailed || strings.Contains(printed, "mended") || strings.Contains(printed, "could not be checked") {
		t.Errorf("got %v:\n%s", err, printed)
	}
	for _, want := range c.want {
		if !strings.Contains(printed, w.said(want)) {
			t.Errorf("it does not say %q:\n%s", w.said(want), printed)
		}
	}
	repaired, err := examine(t, w.url, true)
	if (err == nil) != c.mends || strings.Contains(repaired, "failed") {
		t.Errorf("mending gives %v:\n%s", err, repaired)
	}
	left, err := examine(t, w.url, false)
	if (err == nil) != c.mends {
		t.Errorf("once mended: %v\n%s", err, left)
	}
	if !strings.Contains(repaired, ": mended: ") && left != printed {
		t.Errorf("it has another opinion:\n%s\nand had before\n%s", left, printed)
	}
	// The log goes on telling what it told, whatever that was.
	now := w.rows("events")
	for _, event := range events {
		if !slices.Contains(now, event) {
			t.Errorf("the log does not tell any more: %s", event)
		}
	}
	if c.mends {
		for table, want := range w.kept {
			got := w.rows(table)
			for _, row := range got {
				if !slices.Contains(want, row) {
					t.Errorf("%s have what they had not: %s", table, row)
				}
			}
			if len(got) != len(want) {
				t.Errorf("there are %d %s, and were %d", len(got), table, len(want))
			}
		}
	}
	// What counted right goes on counting right, and what did not does now.
	if c.mends || !c.cells {
		got, err := w.scores()
		if err != nil && !unreadable(c) {
			t.Error(err)
		}
		if err == nil && !maps.Equal(got, w.told) {
			t.Errorf("the scores are\n%v, and by the log\n%v", text(got), text(w.told))
		}
	}
}

// unreadable says that the server cannot read the tenant either.
func unreadable(c corruption) bool {
	return !c.mends && slices.Contains([]string{"a rule that cannot be read", "a position of letters"}, c.name)
}

func text(v any) string {
	b, err := json.Marshal(v)
	return fmt.Sprint(string(b), errors.Join(err))
}

// TestDoctorBesideServer repairs cells again and again while responses are recorded, amended and deleted. Nobody loses
// anything, and in the end all is right.
func TestDoctorBesideServer(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWard(t, url)
		a, err := app.Open(t.Context(), app.Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		w.fine(err)
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			stopped <- func() error {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return nil
					default:
					}
					out, err := a.Log.Record(w.ctx, []feedback.Recording{
						{Campaign: w.said("{C0}"), Score: i % 11, Channel: "API"}, {Campaign: w.said("{C1}"), Score: 3, Channel: "API"},
					})
					if err != nil {
						return err
					}
					if _, err := a.Log.Amend(w.ctx, feedback.Amendment{ID: out[0].Value.NodeID(), Score: new((i + 1) % 11)}); err != nil {
						return err
					}
					if _, err := a.Log.Delete(w.ctx, out[1].Value.NodeID()); err != nil {
						return err
					}
				}
			}()
		}()
		for range 4 {
			w.exec(w.sql(`UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = {First} AND grain IN (1, 2)`))
			w.exec(w.sql(`UPDATE responses SET score = 9 WHERE id = {R5}`))
			if printed, err := examine(t, url, true); err != nil || !strings.Contains(printed, "{R5} has the score 9"[4:]) {
				t.Errorf("beside a server: %v\n%s", err, printed)
			}
			if printed, err := examine(t, url, false); err != nil {
				t.Errorf("beside a server, once mended: %v\n%s", err, printed)
			}
		}
		close(stop)
		w.fine(errors.Join(<-stopped, a.Close()))
		if printed, err := examine(t, url, false); err != nil {
			t.Errorf("in the end: %v\n%s", err, printed)
		}
		if got, err := w.scores(); err != nil || !maps.Equal(got, w.replay()) {
			t.Errorf("the scores are\n%v, and by the log\n%v: %v", text(got), text(w.replay()), err)
		}
	})
}

// TestDoctorGoesByWhatThereIs has somebody record, between two mends, with values that there were not when the doctor
// looked. Cells that are counted again by profiles as they were then would count one value's responses as another's.
func TestDoctorGoesByWhatThereIs(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWard(t, url)
		a, err := app.Open(t.Context(), app.Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		w.fine(err)
		w.exec(w.sql(`UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = {First} AND grain IN (1, 2)`))
		w.exec(w.sql(`UPDATE responses SET score = 9 WHERE id = {R5}`))
		var recorded []feedback.Recording
		for i := range 6 { // the first of each month are counted last when the month is counted again
			at := time.Date(2026, time.Month(8+i/2), 20-i%2, 12, 0, 0, 0, time.UTC)
			recorded = append(recorded, feedback.Recording{
				Campaign: w.said("{C0}"), Score: 7, Channel: "API", RespondedAt: &at, Traits: trait.Values{"plan": fmt.Sprint("new ", i%2)},
			})
		}
		mended := 0
		_, err = doctor.Check(t.Context(), w.db, true, func(f doctor.Finding) error {
			if !f.Mended {
				t.Errorf("%+v", f)
			}
			if mended++; mended == 1 {
				_, err := a.Log.Record(w.ctx, recorded)
				return err
			}
			return nil
		})
		w.fine(errors.Join(err, a.Close()))
		if mended < 2 {
			t.Errorf("%d were mended", mended)
		}
		if printed, err := examine(t, url, false); err != nil {
			t.Errorf("once mended: %v\n%s", err, printed)
		}
		if got, err := w.scores(); err != nil || !maps.Equal(got, w.replay()) {
			t.Errorf("the scores are\n%v, and by the log\n%v: %v", text(got), text(w.replay()), err)
		}
	})
}

// TestDoctorPutsEventsWhereTheyWere loses two events: of an amendment, which leaves nothing to tell it by, and of a recording
// that came later. The recording's event is not put where the other one was.
func TestDoctorPutsEventsWhereTheyWere(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWard(t, url)
		now := time.Now().UTC().Truncate(time.Second).Add(time.Hour)
		log, err := feedback.NewLog(w.db, feedback.Config{Now: func() time.Time { now = now.Add(time.Second); return now }})
		w.fine(err)
		comment := func(response string) {
			_, err := log.Amend(w.ctx, feedback.Amendment{ID: w.said(response), Comment: new("More.")})
			w.fine(err)
		}
		comment("{R1}")                                                                                           // 45
		comment("{R2}")                                                                                           // 46
		out, err := log.Record(w.ctx, []feedback.Recording{{Campaign: w.said("{C0}"), Score: 7, Channel: "API"}}) // 47
		w.fine(err)
		comment("{R3}") // 48
		w.fine(log.Close())
		before := w.rows("events")
		w.exec(w.sql(`DELETE FROM events WHERE tenant_id = {First} AND position IN (45, 47)`))
		printed, err := examine(t, url, true)
		if err == nil || !strings.Contains(printed, out[0].Value.NodeID()+" with the score 7 has no event; the cells count it; its recording takes the gap at 47") ||
			!strings.Contains(printed, "no events 45 to 45; only a backup") {
			t.Errorf("got %v:\n%s", err, printed)
		}
		for _, event := range w.rows("events") {
			if !slices.Contains(before, event) {
				t.Errorf("there was no event %s", event)
			}
		}
	})
}

// TestDoctorLooksAgain mends what the search index was made of, without an event that the index would follow: it is looked at
// again, and mended, too.
func TestDoctorLooksAgain(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWard(t, url)
		w.exec(w.sql(`UPDATE responses SET campaign_id = {C1} WHERE id = {R6}`))
		w.exec(w.sql(responseLike("{R0}", "{R14}", "3")))
		searchtest.IndexAll(w.ctx, t, w.db, w.uuid["First"])
		printed, err := examine(t, url, true)
		for _, want := range []string{"{R6} has the campaign {C1}, but", "{R14} is there with the score 3", "has other words than {R6}", "has a document and should have none of {R14}"} {
			if !strings.Contains(printed, w.said(want)) {
				t.Errorf("it does not say %q: %v\n%s", w.said(want), err, printed)
			}
		}
		if err != nil || strings.Contains(printed, ": wrong: ") {
			t.Errorf("not all is mended: %v\n%s", err, printed)
		}
		if printed, err := examine(t, url, false); err != nil {
			t.Errorf("once mended: %v\n%s", err, printed)
		}
	})
}

// TestDoctorGivesUp has somebody change settings after each mend, and spoil what was mended: it ends, and says why.
func TestDoctorGivesUp(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWard(t, url)
		spoil := func() {
			w.exec(w.sql(`UPDATE responses SET score = 9 WHERE id IN ({R5}, {R6})`))
			w.exec(w.sql(`UPDATE tenants SET settings = settings + 1 WHERE id = {First}`))
		}
		spoil()
		mended, said := 0, ""
		_, err := doctor.Check(t.Context(), w.db, true, func(f doctor.Finding) error {
			if f.Mended {
				mended++
				spoil()
			}
			said += f.What + "\n"
			return nil
		})
		w.fine(err)
		if mended == 0 || !strings.Contains(said, "change all the time") || !strings.Contains(said, w.said("{R6}")+" has the score 9") {
			t.Errorf("%d were mended, and it says\n%s", mended, said)
		}
	})
}
