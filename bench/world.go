//go:build linux

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// world is a database with a tenant, a campaign, traits and contacts.
type world struct {
	url, secret      string
	tenant, campaign uuid.UUID
	people           int
	// answers are how many responses it has, spread evenly over the 24 whole months before this one, in the order of the log.
	answers int
	// loading gives up durability: what is loaded before a measurement can be loaded again.
	loading bool
	// sought says that comments are of different words, and that some responses are of the rare tier: see find.
	sought bool
	// learns says that scores go with what is known, so that there is something to learn: see insights. Then few says that there are
	// 300 profiles, else there are 3,000.
	learns, few bool
	// bare says that what is poured is for fields which read cells alone: the responses have no indexes, and no events. On the disk they
	// take a third so.
	bare bool
}

const zone = "Europe/Amsterdam"

// Three dimensions with 5 × 10 × 6 = 300 profiles, and a trait that is none.
const (
	plans, regions, personas, households = 5, 10, 6, 5
	kinds                                = plans * regions * personas * households
)

// kindOf is what is known about contact n: one of so many combinations.
func kindOf(n int) int { return int(mix(uint64(n)) % kinds) }

func traitsOf(kind int) trait.Values {
	return trait.Values{
		"plan":      fmt.Sprintf("plan-%d", kind%plans),
		"region":    fmt.Sprintf("region-%d", kind/plans%regions),
		"persona":   fmt.Sprintf("persona-%d", kind/plans/regions%personas),
		"household": float64(1 + kind/plans/regions/personas),
	}
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): the same answers in every run.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// answer is one that somebody gives.
type answer struct {
	person, score int
	comment       *string
}

const remark = "The installer came on the day that was promised, but the Wi-Fi upstairs is weak." // 80 characters

// answerOf makes the i-th answer.
func answerOf(i, people int) answer {
	r := mix(uint64(i) + 1<<40)
	a := answer{person: int(r % uint64(people)), score: int("\x0a\x0a\x09\x09\x09\x08\x08\x07\x06\x05\x03\x00"[r>>32%12])}
	if r>>48%10 < 3 {
		a.comment = new(remark)
	}
	return a
}

func external(person int) string { return "c" + strconv.Itoa(person) }

// recording is the answer as it is recorded.
func (w world) recording(i int, at *time.Time) feedback.Recording {
	a := answerOf(i, w.people)
	r := feedback.Recording{
		Campaign: id.Campaign.Format(w.campaign), Score: a.score, Comment: a.comment, Channel: response.ChannelAPI, RespondedAt: at,
		Contact: &contact.Input{ExternalID: new(external(a.person)), Traits: traitsOf(kindOf(a.person))},
	}
	if w.sought {
		if r.Comment != nil {
			r.Comment = new(remarkWith(i))
		}
		if isRare(i) {
			r.Traits = trait.Values{tier: "rare"}
		}
	}
	if w.learns {
		kind := kindAmong(a.person, w.few)
		score, variant := moody(i, w.answers, kind)
		r.Score, r.Variant, r.Traits = score, &variant, traitsOf(kind)
		r.Contact.Traits = nil
	}
	return r
}

// with opens the world's database in this process.
func (w world) with(ctx context.Context, f func(context.Context, *app.App) error) (err error) {
	a, err := app.Open(ctx, app.Config{Database: w.url, Volatile: w.loading, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return f(auth.ForTenant(ctx, w.tenant), a)
}

// settle makes a world on an empty database.
func settle(ctx context.Context, url string, people int, dimensions ...string) (w world, err error) {
	w = world{url: url, people: people, loading: true}
	defer func() { w.loading = false }()
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		t, secret, err := tenant.Create(ctx, a.DB, tenant.CreateInput{Name: "Bench", TimeZone: zone})
		if err != nil {
			return err
		}
		ctx = auth.ForTenant(ctx, t.ID)
		c, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: "Bench"})
		if err != nil {
			return err
		}
		w.secret, w.tenant, w.campaign = secret, t.ID, c.ID
		for key, kind := range map[string]trait.Kind{"plan": trait.Text, "region": trait.Text, "persona": trait.Text, "household": trait.Number} {
			if _, err := settings.DefineTrait(ctx, a.Builder, settings.DefineTraitInput{Key: key, Kind: kind, IsDimension: kind == trait.Text}); err != nil {
				return err
			}
		}
		for _, key := range dimensions {
			if _, err := settings.DefineTrait(ctx, a.Builder, settings.DefineTraitInput{Key: key, Kind: trait.Text, IsDimension: true}); err != nil {
				return err
			}
		}
		for from := 0; from < people; from += feedback.MaxBatch {
			var batch []contact.Input
			for n := from; n < min(people, from+feedback.MaxBatch); n++ {
				batch = append(batch, contact.Input{ExternalID: new(external(n)), Traits: traitsOf(kindOf(n))})
			}
			if _, err := a.Log.Upsert(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return w, fmt.Errorf("preparing a database: %w", err)
	}
	return w, nil
}

// span is the 24 whole months before this one, in the tenant's zone.
func span() (from, to calendar.Day, where *time.Location, err error) {
	if where, err = calendar.LoadZone(zone); err != nil {
		return 0, 0, nil, err
	}
	to = calendar.Monthly.Start(calendar.DayOf(time.Now(), where)) - 1
	return calendar.Monthly.Add(to+1, -24), to, where, nil
}

// instant is when the i-th of n answers is given.
func instant(i, n int, from, to calendar.Day, where *time.Location) time.Time {
	start, end := from.Start(where), (to + 1).Start(where)
	return start.Add(time.Duration(float64(end.Sub(start)) / float64(n) * (float64(i) + 0.5))).UTC().Truncate(time.Microsecond)
}

// record records n answers of two years through the log.
func (w *world) record(ctx context.Context, n int) error {
	from, to, where, err := span()
	if err != nil {
		return err
	}
	w.answers, w.loading = n, true
	defer func() { w.loading = false }()
	return w.with(ctx, func(ctx context.Context, a *app.App) error {
		for i := 0; i < n; {
			var batch []feedback.Recording
			for ; i < n && len(batch) < feedback.MaxBatch; i++ {
				batch = append(batch, w.recording(i, new(instant(i, n, from, to, where))))
			}
			out, err := a.Log.Record(ctx, batch)
			if err != nil {
				return fmt.Errorf("recording: %w", err)
			}
			for _, o := range out {
				if o.Errors != nil {
					return fmt.Errorf("recording: %w", o.Errors)
				}
			}
		}
		return nil
	})
}

// pour loads n answers of two years into PostgreSQL: responses and events by COPY, with the indexes made afterwards,
// and the cells as the product counts them.
func (w *world) pour(ctx context.Context, n int) error {
	w.answers = n
	err := w.with(ctx, func(ctx context.Context, a *app.App) error {
		db := a.DB.Writer
		redo, err := strip(ctx, db)
		if err != nil {
			return err
		}
		if w.bare {
			redo = nil
			if _, err := db.ExecContext(ctx, `ALTER TABLE responses SET UNLOGGED`); err != nil {
				return err
			}
		}
		if err := w.pourRows(ctx, a, n); err != nil {
			return err
		}
		say("  rows and cells are in, making indexes")
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		redo = append([]string{`SET maintenance_work_mem = '1GB'`}, redo...)
		for _, statement := range append(redo, `VACUUM (ANALYZE)`, `CHECKPOINT`) {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading %d responses: %w", n, err)
	}
	return nil
}

// strip takes the indexes and constraints of responses away, and what refers to them, and returns what makes them again.
func strip(ctx context.Context, db *sql.DB) (redo []string, err error) {
	var drop []string
	rows, err := db.QueryContext(ctx, `
		SELECT statement, again FROM (
			SELECT CASE WHEN confrelid = 'responses'::regclass THEN 0 ELSE 1 END AS turn,
				format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS statement,
				format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS again
			FROM pg_constraint WHERE conrelid = 'responses'::regclass AND contype IN ('p', 'f') OR confrelid = 'responses'::regclass
			UNION ALL SELECT 2, format('DROP INDEX %I', i.relname), pg_get_indexdef(x.indexrelid)
			FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = 'responses'::regclass AND NOT x.indisprimary
		) AS all_of_them ORDER BY turn`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d, r string
		if err := rows.Scan(&d, &r); err != nil {
			return nil, err
		}
		drop, redo = append(drop, d), append(redo, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	slices.Reverse(redo) // what refers to another comes after it
	_, err = db.ExecContext(ctx, strings.Join(drop, "; "))
	return redo, err
}

func (w *world) pourRows(ctx context.Context, a *app.App, n int) error {
	from, to, where, err := span()
	if err != nil {
		return err
	}
	state, err := settings.Load(ctx, a.DB, w.tenant)
	if err != nil {
		return err
	}
	contacts, err := w.contacts(ctx, a.DB)
	if err != nil {
		return err
	}
	var traits [kinds]trait.Values
	var encoded [kinds]string
	for kind := range kinds {
		traits[kind] = traitsOf(kind)
		b, err := json.Marshal(traits[kind])
		if err != nil {
			return err
		}
		encoded[kind] = string(b)
	}
	responses, err := copyInto(ctx, a.DB.Writer, "responses", "tenant_id", "id", "campaign_id", "contact_id", "score", "comment", "channel",
		"variant", "locale", "traits", "responded_at", "recorded_at", "updated_at")
	if err != nil {
		return err
	}
	events, err := copyInto(ctx, a.DB.Writer, "events", "tenant_id", "position", "kind", "at", "response_id", "campaign_id", "score")
	if err != nil {
		return err
	}
	deltas := cube.Deltas{}
	tenantText, campaignText := w.tenant.String(), w.campaign.String()
	for i := range n {
		answer, at := answerOf(i, w.people), instant(i, n, from, to, where)
		kind := kindOf(answer.person)
		name := version7(at, i)
		text, when := name.String(), at.Format(time.RFC3339Nano)
		score, variant := answer.score, (*string)(nil)
		if w.learns {
			kind = kindAmong(answer.person, w.few)
			var shown string
			score, shown = moody(i, n, kind)
			variant = &shown
		}
		comment, known, knownText := answer.comment, traits[kind], encoded[kind]
		if w.sought {
			if comment != nil {
				comment = new(remarkWith(i))
			}
			if isRare(i) {
				known = trait.Merge(known, trait.Values{tier: "rare"})
				b, err := json.Marshal(known)
				if err != nil {
					return err
				}
				knownText = string(b)
			}
		}
		responses.rows <- []any{
			tenantText, text, campaignText, contacts[answer.person], score, comment, "API", variant, nil, knownText, when, when, when,
		}
		if !w.bare {
			events.rows <- []any{tenantText, i + 1, int(feedback.Recorded), when, text, campaignText, score}
		}
		deltas.Count(state.Active, cube.Fact{
			Response: name, Campaign: w.campaign, Channel: "API", Variant: variant, Traits: known, RespondedAt: at, Score: score,
		}, 1)
	}
	if err := errors.Join(responses.end(), events.end()); err != nil {
		return err
	}
	return a.DB.WriteSettings(ctx, w.tenant, func(tx *store.Tx) error {
		change := cube.Change{Deltas: deltas, Grown: state.Active.Since(0)}
		if err := change.Apply(ctx, a.DB.Dialect, tx.SQL, w.tenant); err != nil {
			return err
		}
		_, err := tx.SQL.ExecContext(ctx, `UPDATE tenants SET log_position = $2 WHERE id = $1`, w.tenant, n)
		return err
	})
}

// version7 is a UUIDv7 of the instant, and of i.
func version7(at time.Time, i int) (u uuid.UUID) {
	ms, r := uint64(at.UnixMilli()), mix(uint64(i)+1<<50)
	for b := range 8 {
		if b < 6 {
			u[b] = byte(ms >> (40 - 8*b))
		}
		u[8+b] = byte(r >> (8 * b))
	}
	// Below the millisecond by i, so that the ids are in the order of the log.
	below := uint64(i) & 0xfff
	u[6], u[7], u[8] = 0x70|byte(below>>8), byte(below), 0x80|u[8]&0x3f
	return u
}

// contacts are the contacts' ids by number.
func (w *world) contacts(ctx context.Context, db *store.DB) ([]string, error) {
	ids := make([]string, w.people)
	rows, err := db.Query(ctx, `SELECT external_id, id FROM contacts WHERE tenant_id = $1`, w.tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, contact string
		if err := rows.Scan(&name, &contact); err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.TrimPrefix(name, "c"))
		if err != nil {
			return nil, err
		}
		ids[n] = contact
	}
	return ids, rows.Err()
}

// copying is a COPY under way, on a connection of its own.
type copying struct {
	rows chan []any
	done chan error
}

func copyInto(ctx context.Context, db *sql.DB, table string, columns ...string) (*copying, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	stmt, err := tx.PrepareContext(ctx, pq.CopyIn(table, columns...))
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	c := &copying{rows: make(chan []any, 4_096), done: make(chan error, 1)}
	go func() {
		var err error
		for row := range c.rows {
			if err == nil {
				_, err = stmt.ExecContext(ctx, row...)
			}
		}
		if err == nil {
			_, err = stmt.ExecContext(ctx)
		}
		if err != nil {
			c.done <- errors.Join(fmt.Errorf("copying into %s: %w", table, err), tx.Rollback())
			return
		}
		c.done <- errors.Join(stmt.Close(), tx.Commit())
	}()
	return c, nil
}

func (c *copying) end() error {
	close(c.rows)
	return <-c.done
}
