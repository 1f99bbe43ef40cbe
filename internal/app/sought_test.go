package app_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/click"
	"github.com/zeroten/zeroten/internal/tenant"
)

// TestOnlyWhatIsSoughtIsRead has people open links and answer, and others record, on a PostgreSQL whose planner knows nothing of its tables,
// and on one that goes by what is true of most tenants and not of this one: what each of them costs must not grow with what there is. The
// server counts what it reads.
func TestOnlyWhatIsSoughtIsRead(t *testing.T) { //nolint:tparallel // what one costs must not be that of another
	t.Parallel()
	c := newCrowded(t)
	c.neighbours(300)
	c.pour(us, crowdedRows)
	for _, goesBy := range []string{"nothing", "others"} {
		if goesBy == "others" {
			c.exec(`ANALYZE`)
		}
		for _, a := range acts {
			t.Run(goesBy+"/"+a.name, func(t *testing.T) {
				c.open() // nothing is planned yet
				defer c.close()
				c.costs(t, planned, a)
			})
		}
	}
}

// TestPlansOfEmptyTablesAreNotKept has a server run while there is hardly anything, and then much all at once: how it reads what there was
// must not stay how it reads what there is.
func TestPlansOfEmptyTablesAreNotKept(t *testing.T) { //nolint:tparallel // one after the other
	t.Parallel()
	c := newCrowded(t)
	c.open()
	defer c.close()
	c.n = crowdedRows // nobody of those who are there later
	for range planned {
		for _, a := range acts {
			c.does(t, a)
		}
	}
	c.n = 0
	c.pour(us, crowdedRows)
	if err := c.app.DB.Analyze(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) { c.costs(t, 1, a) })
	}
}

const (
	// us is the tenant's name, and crowdedRows how many rows it has in each table.
	us, crowdedRows = "Crowded", 10_000
	// planned is how often a statement is run until PostgreSQL has planned it once for all parameters, where it thinks that good.
	planned = 6
	// sought is how many rows, entries and pages one act has at most of a table, or of an index. It is some ten.
	sought = 50
)

// crowded is a PostgreSQL database that nobody analyzes.
type crowded struct {
	t                *testing.T
	url              string
	db               *sql.DB
	app              *app.App
	tenant, campaign uuid.UUID
	ctx              context.Context //nolint:containedctx // the tenant's
	sheet            *survey.Sheet
	later            atomic.Int64
	// n numbers people, so that no two acts are of the same.
	n int
}

func newCrowded(t *testing.T) *crowded {
	t.Helper()
	c := &crowded{t: t, url: pgtest.URL(t)}
	var err error
	if c.db, err = sql.Open("postgres", c.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	var version int
	if c.scan(`SELECT current_setting('server_version_num')::int`, &version); version < 150_000 {
		t.Skip("before PostgreSQL 15 sessions say what they have read when they like")
	}
	c.open()
	defer c.close()
	made, _, err := tenant.Create(t.Context(), c.app.DB, tenant.CreateInput{Name: us, TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	c.tenant, c.ctx = made.ID, auth.ForTenant(t.Context(), made.ID)
	asked, err := campaign.Create(c.ctx, c.app.DB, campaign.CreateInput{Name: "Crowded"})
	if err != nil {
		t.Fatal(err)
	}
	c.campaign = asked.ID
	if _, err := survey.Update(c.ctx, c.app.DB, survey.UpdateInput{Campaign: id.Campaign.Format(asked.ID), ClickPolicy: new(survey.Automatic)}); err != nil {
		t.Fatal(err)
	}
	if _, err := survey.UpdateWidget(c.ctx, c.app.DB, survey.UpdateWidgetInput{Campaign: id.Campaign.Format(asked.ID)}); err != nil {
		t.Fatal(err)
	}
	c.exec(`DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT oid::regclass AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
		LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', r.name); END LOOP; END $$`)
	return c
}

// exec runs a statement on a connection of its own: what that has read is counted once it has ended.
func (c *crowded) exec(query string, args ...any) {
	c.t.Helper()
	conn, err := c.db.Conn(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := conn.ExecContext(c.t.Context(), query, args...); err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // which ends it
}

func (c *crowded) open() {
	c.t.Helper()
	var err error
	c.app, err = app.Open(c.t.Context(), app.Config{
		Database: c.url, Log: slog.New(slog.DiscardHandler), Volatile: true,
		Now: func() time.Time { return time.Now().Add(time.Duration(c.later.Load())) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if c.campaign == uuid.Nil {
		return
	}
	if c.sheet, err = c.app.Book.Sheet(c.t.Context(), c.campaign); err != nil || c.sheet == nil {
		c.t.Fatal(c.sheet, err)
	}
}

func (c *crowded) close() {
	c.t.Helper()
	if err := c.app.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.app = nil
	c.others(`true`)
}

// others waits for the other sessions to end, which tell the server then what they have read.
func (c *crowded) others(which string) {
	c.t.Helper()
	for n := 1; n > 0; {
		c.scan(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND `+which, &n)
	}
}

// pour fills the tables of the tenants of a name, by hand: of people c1, p1@x.example, and so on, each of whom has answered once, opened a
// link, and was invited, as was somebody nobody knows.
func (c *crowded) pour(name string, rows int) {
	c.t.Helper()
	const from = ` FROM (SELECT t.id AS tenant, c.id AS campaign, i, now() - interval '60 days' + i * interval '1 minute' AS at, t.log_position,
			md5(t.id::text || 'c' || i)::uuid AS contact, md5(t.id::text || 'r' || i)::uuid AS response, sha256(convert_to(t.id::text || i, 'UTF8')) AS hash
		FROM tenants t CROSS JOIN LATERAL (SELECT id FROM campaigns WHERE tenant_id = t.id ORDER BY id LIMIT 1) c CROSS JOIN generate_series(1, $2::int) AS i
		WHERE t.name = $1) AS g`
	for _, query := range []string{
		`INSERT INTO contacts (tenant_id, id, external_id, email, email_key, traits, created_at, updated_at)
			SELECT tenant, contact, 'c' || i, 'p' || i || '@x.example', 'p' || i || '@x.example', '{}', at, at` + from,
		`INSERT INTO responses (tenant_id, id, campaign_id, contact_id, score, channel, traits, responded_at, recorded_at, updated_at, unverified)
			SELECT tenant, response, campaign, contact, i % 11, 'EMAIL', '{}', at, at, at, true` + from,
		`INSERT INTO idempotency_keys (tenant_id, key, response_id) SELECT tenant, hash, response` + from,
		`INSERT INTO events (tenant_id, position, kind, at, response_id, campaign_id, score)
			SELECT tenant, log_position + i, 1, at, response, campaign, i % 11` + from,
		`INSERT INTO invitations (tenant_id, id, campaign_id, contact_id, channel, status, locale, traits, due_at, sent_at, response_id)
			SELECT tenant, gen_random_uuid(), campaign, contact, 'WIDGET', 'ANSWERED', 'en', '{}', at, at, response` + from,
		`INSERT INTO invitations (tenant_id, id, campaign_id, visitor, channel, status, locale, traits, due_at, sent_at)
			SELECT tenant, gen_random_uuid(), campaign, hash, 'WIDGET', 'SENT', 'en', '{}', at, at` + from,
		`INSERT INTO provisional_answers (tenant_id, id, campaign_id, recipient, contact_id, score, opened, opens, signs, is_suspect, first_opened_at, last_opened_at)
			SELECT tenant, response, campaign, hash, contact, 9, '{"9":[1]}', 1, '[]', false, now(), now()` + from,
		`UPDATE tenants SET log_position = log_position + $2::int, revision = revision + 1 WHERE name = $1`,
	} {
		c.exec(query, name, rows)
	}
}

// neighbours makes other tenants, of five campaigns each, who have hardly anything.
func (c *crowded) neighbours(n int) {
	c.t.Helper()
	c.exec(`INSERT INTO tenants (id, name, created_at) SELECT gen_random_uuid(), 'A neighbour', now() FROM generate_series(1, $1::int)`, n)
	c.exec(`INSERT INTO campaigns (tenant_id, id, name, question, follow_up_question, created_at, updated_at)
		SELECT id, gen_random_uuid(), i, '', '', now(), now() FROM tenants CROSS JOIN generate_series(1, 5) AS i WHERE name = 'A neighbour'`)
	c.pour("A neighbour", 3)
}

// had is what was had of a table, or of an index: rows or entries, and pages.
type had struct{ rows, pages int64 }

// counted is what the server has counted so far, by table and index, once all sessions have said what they read.
func (c *crowded) counted() map[string]had {
	c.t.Helper()
	c.say()
	c.others(`application_name <> 'zeroten'`)
	rows, err := c.db.QueryContext(c.t.Context(), `SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0), heap_blks_hit + heap_blks_read
			FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid, relname)
		UNION ALL SELECT indexrelname, idx_tup_read, idx_blks_hit + idx_blks_read
			FROM pg_stat_user_indexes JOIN pg_statio_user_indexes USING (indexrelid, indexrelname)`)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]had{}
	for rows.Next() {
		var name string
		var n had
		if err := rows.Scan(&name, &n.rows, &n.pages); err != nil {
			c.t.Fatal(err)
		}
		all[name] = n
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// say has the app's sessions say now what they have read.
func (c *crowded) say() {
	c.t.Helper()
	for _, db := range []*sql.DB{c.app.DB.Reader, c.app.DB.Writer} {
		var all []*sql.Conn
		for range db.Stats().OpenConnections {
			conn, err := db.Conn(c.t.Context())
			if err == nil {
				all = append(all, conn)
				_, err = conn.ExecContext(c.t.Context(), `SELECT pg_stat_force_next_flush()`)
			}
			if err != nil {
				c.t.Fatal(err)
			}
		}
		for _, conn := range all {
			_ = conn.Close() // back into the pool
		}
	}
}

func (c *crowded) scan(query string, into any, args ...any) {
	c.t.Helper()
	if err := c.db.QueryRowContext(c.t.Context(), query, args...).Scan(into); err != nil {
		c.t.Fatal(err)
	}
}

// costs does something as often as it says, and tells where that costs more than what is sought.
func (c *crowded) costs(t *testing.T, times int, a act) {
	t.Helper()
	before, n := c.counted(), 0
	for range times {
		n += c.does(t, a)
	}
	for where, now := range c.counted() {
		was, most := before[where], int64(sought*n)
		if rows, pages := now.rows-was.rows, now.pages-was.pages; rows > most || pages > most {
			t.Errorf("%d acts had %d rows and %d pages of %s", n, rows, pages, where)
		}
	}
}

func (c *crowded) does(t *testing.T, a act) (acts int) {
	t.Helper()
	acts, err := a.do(c)
	if err != nil {
		t.Fatalf("%s: %v", a.name, err)
	}
	return acts
}

// act is something that people do.
type act struct {
	name string
	// do does it, and says how many have done something.
	do func(c *crowded) (acts int, err error)
}

// next is a person who has done nothing yet but what was poured.
func (c *crowded) next() int {
	c.n++
	return c.n
}

func (c *crowded) reader(n int) survey.Reader {
	return survey.Reader{Email: fmt.Sprintf("p%d@x.example", n), Channel: response.ChannelEMAIL, Locale: "en"}
}

var acts = []act{
	{"recording for somebody known", func(c *crowded) (int, error) {
		return c.record(&contact.Input{ExternalID: new(fmt.Sprintf("c%d", c.next()))})
	}},
	{"recording for somebody new", func(c *crowded) (int, error) {
		return c.record(&contact.Input{Email: new(fmt.Sprintf("new%d@x.example", c.next()))})
	}},
	{"recording many", func(c *crowded) (int, error) {
		var all []feedback.Recording
		for range 20 {
			n := c.next()
			all = append(all, feedback.Recording{
				Campaign: id.Campaign.Format(c.campaign), Score: 9, Channel: response.ChannelAPI, IdempotencyKey: new(fmt.Sprintf("many %d", n)),
				Contact: &contact.Input{ExternalID: new(fmt.Sprintf("c%d", n)), Email: new(fmt.Sprintf("p%d@x.example", n)), Name: new("Ada")},
			})
		}
		out, err := c.app.Log.Record(c.ctx, all)
		for _, o := range out {
			err = errors.Join(err, o.Errors.Err())
		}
		return len(all), err
	}},
	{"opening links", func(c *crowded) (int, error) {
		for range 20 {
			c.app.Desk.Opened(c.sheet, c.reader(c.next()), click.Open{Score: new(9)})
		}
		err := c.app.Clicks.Flush(c.ctx)
		for range 20 { // who is known by now, once more
			c.app.Desk.Opened(c.sheet, c.reader(c.n), click.Open{Score: new(8)})
			c.n--
		}
		c.n += 20
		return 40, errors.Join(err, c.app.Clicks.Flush(c.ctx))
	}},
	{"answering by a link with a name", func(c *crowded) (int, error) { return c.answer(c.reader(c.next())) }},
	{"answering by a link without", func(c *crowded) (int, error) {
		return c.answer(survey.Reader{Channel: response.ChannelLINK, Locale: "en", Stranger: [32]byte{byte(c.next())}})
	}},
	{"looking, and being judged", func(c *crowded) (int, error) {
		r := c.reader(c.next())
		nonce, err := c.sheet.Ring.NewNonce("", c.app.Log.Now())
		if err != nil {
			return 0, err
		}
		c.app.Desk.Opened(c.sheet, r, click.Open{Score: new(9)})
		if err := c.app.Desk.Looked(c.ctx, c.sheet, r, 9, nonce); err != nil {
			return 0, err
		}
		c.later.Add(int64(click.JudgedAfter + time.Second))
		return 1, errors.Join(c.app.Judge.Sweep(c.ctx), c.app.Clicks.Flush(c.ctx), c.app.Clicks.Forget(c.ctx, time.Now()))
	}},
	{"asking and answering in a widget", func(c *crowded) (int, error) {
		return c.widget(survey.Asking{Visitor: fmt.Sprintf("visitor %d", c.next()), Locale: "en"})
	}},
	{"asking somebody known", func(c *crowded) (int, error) {
		out, err := c.app.Log.Upsert(c.ctx, []contact.Input{{ExternalID: new(fmt.Sprintf("c%d", c.next()))}})
		if err != nil {
			return 0, err
		}
		return c.widget(survey.Asking{Visitor: "somebody", Contact: out[0].Value.ID, Locale: "en"})
	}},
	{"amending, deleting and erasing", func(c *crowded) (int, error) {
		n := c.next()
		out, err := c.app.Log.Record(c.ctx, []feedback.Recording{{
			Campaign: id.Campaign.Format(c.campaign), Score: 9, Channel: response.ChannelAPI, Contact: &contact.Input{ExternalID: new(fmt.Sprintf("c%d", n))},
		}})
		if err != nil {
			return 0, err
		}
		made := out[0].Value
		of := id.Response.Format(made.ID)
		_, err = c.app.Log.Amend(c.ctx, feedback.Amendment{ID: of, Score: new(3)})
		_, deleted := c.app.Log.Delete(c.ctx, of)
		_, erased := c.app.Log.Erase(c.ctx, id.Contact.Format(*made.ContactID))
		return 4, errors.Join(err, deleted, erased)
	}},
}

func (c *crowded) record(who *contact.Input) (int, error) {
	out, err := c.app.Log.Record(c.ctx, []feedback.Recording{{
		Campaign: id.Campaign.Format(c.campaign), Score: 9, Channel: response.ChannelAPI, Contact: who, IdempotencyKey: new(fmt.Sprintf("key %d", c.n)),
	}})
	if err != nil {
		return 0, err
	}
	return 1, out[0].Errors.Err()
}

// answer answers, and once more: by then they are known, and the answer is changed.
func (c *crowded) answer(r survey.Reader) (int, error) {
	for score := range 2 {
		nonce, err := c.sheet.Ring.NewNonce("", c.app.Log.Now())
		if err != nil {
			return 0, err
		}
		if _, err := c.app.Desk.Answer(c.ctx, c.sheet, r, survey.Form{Score: score, Nonce: nonce}); err != nil {
			return 0, err
		}
	}
	return 2, c.app.Clicks.Flush(c.ctx)
}

func (c *crowded) widget(a survey.Asking) (int, error) {
	shown, _, err := c.app.Desk.Ask(c.ctx, c.sheet, a)
	if err != nil || shown == nil {
		return 1, err
	}
	invited, err := c.app.Desk.Invited(c.ctx, c.tenant, shown.Invited.ID)
	if err != nil || invited == nil {
		return 0, errors.Join(err, errors.New("nobody is invited"))
	}
	_, err = c.answer(survey.Reader{Invited: invited, Channel: response.ChannelWIDGET, Locale: "en"})
	return 3, err
}
