package follow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/tenant"
	"modernc.org/sqlite"
	"pgregory.net/rapid"
)

// world is a tenant with a campaign, and an index of what people said, which followers keep.
type world struct {
	t        *testing.T
	db       *store.DB
	log      *feedback.Log
	tails    []*tail.Tail
	ctx      context.Context
	tenant   uuid.UUID
	campaign string
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db}
	w.exec(`CREATE TABLE said (kind text, id text, response text, comment text)`)
	number := `integer PRIMARY KEY`
	if db.Dialect == store.Postgres {
		number = `bigint GENERATED ALWAYS AS IDENTITY`
	}
	w.exec(`CREATE TABLE taken (n ` + number + `, kind text, id text, position bigint)`)
	var err error
	w.log, err = feedback.NewLog(db, feedback.Config{Flushed: func(tenant uuid.UUID, entries []*feedback.Entry) {
		for _, from := range w.tails {
			from.Flushed(tenant, entries)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.log.Close(); err != nil {
			t.Error(err)
		}
	})
	w.open()
	return w
}

// open makes a tenant, of which all that follows is.
func (w *world) open() {
	w.t.Helper()
	made, _, err := tenant.Create(w.t.Context(), w.db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.tenant, w.ctx = made.ID, auth.ForTenant(w.t.Context(), made.ID)
	c, err := campaign.Create(w.ctx, w.db, campaign.CreateInput{Name: "Campaign"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.campaign = id.Campaign.Format(c.ID)
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Writer.ExecContext(w.t.Context(), query, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Reader.QueryRowContext(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// record records n responses of a person, and returns their ids.
func (w *world) record(n int, person string) (ids []string) {
	w.t.Helper()
	items := make([]feedback.Recording, n)
	for i := range items {
		items[i] = feedback.Recording{
			Campaign: w.campaign, Score: i % 11, Channel: "API", Comment: new(fmt.Sprint("says ", i)), Contact: &contact.Input{ExternalID: &person},
		}
	}
	out, err := w.log.Record(w.ctx, items)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range out {
		if o.Value == nil {
			w.t.Fatal(o.Errors)
		}
		ids = append(ids, id.Response.Format(o.Value.ID))
	}
	return ids
}

// expire has the leases of an owner run out, or of all.
func (w *world) expire(owner *Runner) {
	w.t.Helper()
	if owner == nil {
		w.exec(`UPDATE followers SET lease_until = lease_until - $1`, lease.Milliseconds())
	} else {
		w.exec(`UPDATE followers SET lease_until = lease_until - $1 WHERE owner = $2`, lease.Milliseconds(), owner.me)
	}
}

// index keeps the index, in the transaction that moves the follower.
func index(ctx context.Context, tx *store.Tx, f Follower, entries []*feedback.Entry) error {
	for _, e := range entries {
		if _, err := tx.SQL.ExecContext(ctx, `INSERT INTO taken (kind, id, position) VALUES ($1, $2, $3)`, f.Kind, f.ID.String(), e.Position); err != nil {
			return err
		}
		_, err := tx.SQL.ExecContext(ctx, `DELETE FROM said WHERE kind = $1 AND id = $2 AND response = $3`, f.Kind, f.ID.String(), e.Event.Response.String())
		if err == nil && e.Response != nil && e.Response.Comment != nil {
			_, err = tx.SQL.ExecContext(ctx, `INSERT INTO said (kind, id, response, comment) VALUES ($1, $2, $3, $4)`,
				f.Kind, f.ID.String(), e.Event.Response.String(), *e.Response.Comment)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// indexing is a kind that keeps the index, and nothing else.
func indexing(name string, eachTenant bool) Kind {
	return Kind{Name: name, EachTenant: eachTenant, Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
		return func(tx *store.Tx) error { return index(ctx, tx, f, entries) }, nil
	}}
}

// process makes a runner that is not started: the test has it tick and step.
func (w *world) process(kinds ...Kind) *Runner {
	w.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	from := tail.New(w.db, tail.Config{Poll: time.Hour, Alone: true, Log: quiet})
	r := NewRunner(w.db, from, Config{Poll: 5 * time.Millisecond, Log: quiet})
	w.tails = append(w.tails, from)
	for _, k := range kinds {
		r.Handle(k)
	}
	w.t.Cleanup(func() {
		r.Close()
		from.Close()
	})
	return r
}

// still has nothing be done by itself.
func still(r *Runner) *Runner {
	for range atOnce {
		r.slots <- struct{}{}
	}
	return r
}

func (w *world) tick(r *Runner) {
	w.t.Helper()
	if err := r.tick(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) begin(f Follower, position int64) Follower {
	w.t.Helper()
	f.Tenant = w.tenant
	if err := w.db.Write(w.ctx, func(tx *store.Tx) error { return Begin(w.ctx, w.db, tx, f, position) }); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// stepAll has all that a process owns, or thinks that it does, taken as far as it goes.
func stepAll(ctx context.Context, r *Runner) {
	r.mu.Lock()
	all := slices.Collect(maps.Values(r.owned))
	r.mu.Unlock()
	for _, o := range all {
		for more := true; more; {
			var err error
			if more, err = r.step(auth.ForTenant(ctx, o.Tenant), o); errors.Is(err, errLeft) {
				r.leave(o)
			}
		}
	}
}

// arrived waits until followers of the kind have taken all.
func (w *world) arrived(kind string) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		behind := w.count(`SELECT count(*) FROM tenants t LEFT JOIN followers f ON f.tenant_id = t.id AND f.kind = $1
			WHERE f.position IS NULL OR f.position < t.log_position`, kind)
		if behind == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("waiting in vain for followers to arrive")
		}
	}
}

// check compares what a follower did with what it should have done after a position.
func (w *world) check(t interface{ Errorf(string, ...any) }, f Follower, after int64) {
	w.t.Helper()
	var position, end int64
	if err := w.db.Reader.QueryRowContext(w.t.Context(), `SELECT f.position, t.log_position FROM followers f JOIN tenants t ON t.id = f.tenant_id
		WHERE f.tenant_id = $1 AND f.kind = $2 AND f.id = $3`, f.Tenant, f.Kind, f.ID).Scan(&position, &end); err != nil {
		w.t.Fatal(err)
	}
	if position != end {
		t.Errorf("it is at %d, and should be at %d", position, end)
	}
	want := after
	err := store.Each(w.t.Context(), w.db.Reader, func(rows *sql.Rows) error {
		var p int64
		err := rows.Scan(&p)
		if want++; p != want {
			t.Errorf("took %d, want %d", p, want)
		}
		return err
	}, `SELECT position FROM taken WHERE kind = $1 AND id = $2 ORDER BY n`, f.Kind, f.ID.String())
	if err != nil {
		w.t.Fatal(err)
	}
	if want != end {
		t.Errorf("took up to %d, want %d", want, end)
	}
}

// same compares the index with what people say now.
func (w *world) same(t interface{ Errorf(string, ...any) }, kind string) {
	w.t.Helper()
	said := map[string]string{}
	collect := func(into func(response, comment string), query string, args ...any) {
		err := store.Each(w.t.Context(), w.db.Reader, func(rows *sql.Rows) error {
			var response, comment string
			err := rows.Scan(&response, &comment)
			into(response, comment)
			return err
		}, query, args...)
		if err != nil {
			w.t.Fatal(err)
		}
	}
	collect(func(response, comment string) { said[response] = comment }, `SELECT id, comment FROM responses WHERE comment IS NOT NULL`)
	found := 0
	collect(func(response, comment string) {
		if found++; said[response] != comment {
			t.Errorf("%s is said to say %q, and says %q", response, comment, said[response])
		}
	}, `SELECT response, comment FROM said WHERE kind = $1`, kind)
	if found != len(said) {
		t.Errorf("the index holds %d, want %d", found, len(said))
	}
}

// TestFromTheBeginning follows the whole past of tenants that were there before, with what was amended, deleted and erased,
// and of one that comes later; and goes on with what comes in.
func TestFromTheBeginning(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ids := w.record(700, "ann")
		more := w.record(700, "bob")
		change := func(ids []string) {
			t.Helper()
			if _, err := w.log.Amend(w.ctx, feedback.Amendment{ID: ids[0], Comment: new("changed")}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.log.Amend(w.ctx, feedback.Amendment{ID: ids[1], Comment: new("")}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.log.Delete(w.ctx, ids[2]); err != nil {
				t.Fatal(err)
			}
		}
		erase := func(person string) {
			t.Helper()
			var contact uuid.UUID
			err := db.Reader.QueryRowContext(w.ctx, `SELECT id FROM contacts WHERE tenant_id = $1 AND external_id = $2`, w.tenant, person).Scan(&contact)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.log.Erase(w.ctx, id.Contact.Format(contact)); err != nil {
				t.Fatal(err)
			}
		}
		change(ids)
		change(more)
		erase("ann")
		first := Follower{Tenant: w.tenant, Kind: "index"}
		r := w.process(indexing("index", true))
		r.Start()
		w.arrived("index")
		w.same(t, "index")
		w.check(t, first, 0)
		change(w.record(5, "cid"))
		erase("bob")
		w.arrived("index")
		w.same(t, "index")
		w.check(t, first, 0)

		w.exec(`DELETE FROM taken`)
		w.open()
		w.record(3, "dan")
		w.arrived("index")
		w.same(t, "index")
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)
	})
}

// TestProcessesShare has two processes share followers, and one take over from the other when it is dead, and no sooner.
func TestProcessesShare(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const followers, share = maxClaim + 10, (maxClaim + 10) / 2
		w := newWorld(t, db)
		a, b, other := still(w.process(indexing("hook", false))), still(w.process(indexing("hook", false))), still(w.process(indexing("mail", false)))
		var all []Follower
		for range followers {
			all = append(all, w.begin(Follower{Kind: "hook", ID: uuid.New()}, 0))
		}
		w.record(1, "ann")
		w.tick(other)
		w.tick(a)
		w.tick(a)
		if a.Owned() != followers {
			t.Errorf("the first owns %d", a.Owned())
		}
		// The second takes its share, once, of what the first still takes for its own.
		for range 3 {
			w.tick(b)
		}
		stepAll(t.Context(), a)
		stepAll(t.Context(), b)
		for range 3 {
			w.tick(a)
			w.tick(b)
		}
		if a.Owned() != share || b.Owned() != share || other.Owned() != 0 {
			t.Errorf("they own %d, %d and %d", a.Owned(), b.Owned(), other.Owned())
		}
		w.record(2, "ann")
		stepAll(t.Context(), a)
		stepAll(t.Context(), b)
		// One is killed in the middle of its work.
		w.record(2, "bob")
		w.tick(b)
		if b.Owned() != share {
			t.Errorf("before the lease is over the other owns %d", b.Owned())
		}
		w.expire(a)
		w.tick(b)
		if b.Owned() != followers {
			t.Errorf("after the lease the other owns %d", b.Owned())
		}
		stepAll(t.Context(), b)
		for _, f := range all {
			w.check(t, f, 0)
		}
		// Who was only late finds nothing of its own.
		late := slices.Collect(maps.Values(a.owned))
		w.record(1, "cid")
		for _, o := range late {
			if _, err := a.step(w.ctx, o); !errors.Is(err, errLeft) {
				t.Errorf("who was late goes on: %v", err)
			}
		}
	})
}

// TestSlowOwner has an owner pause in the middle, beyond its lease, while another goes on: it can no longer write.
func TestSlowOwner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		pausing, proceed := make(chan struct{}), make(chan struct{})
		slow := indexing("index", true)
		effects := 0
		slow.Take = func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			pausing <- struct{}{}
			<-proceed
			return func(tx *store.Tx) error {
				effects++
				return index(ctx, tx, f, entries)
			}, nil
		}
		w.record(4, "ann")
		a, b := w.process(slow), still(w.process(indexing("index", true)))
		w.tick(a)
		<-pausing
		w.expire(nil)
		w.tick(b)
		stepAll(t.Context(), b)
		w.record(3, "bob")
		close(proceed)
		a.mu.Lock()
		for len(a.owned) > 0 { // it leaves what it finds to be another's
			a.mu.Unlock()
			select {
			case <-pausing:
				t.Error("it goes on with what is another's")
			default:
			}
			a.mu.Lock()
		}
		a.mu.Unlock()
		stepAll(t.Context(), b)
		if effects != 0 {
			t.Errorf("the slow one wrote %d times", effects)
		}
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)
		w.same(t, "index")
		// Nor does it write where the other was slow, too, and nobody else came: the epoch is another.
		o := &owned{Follower: Follower{Tenant: w.tenant, Kind: "index"}, take: indexing("", false).Take, epoch: 1, position: 7}
		w.record(1, "cid")
		if _, err := b.step(w.ctx, o); !errors.Is(err, errLeft) {
			t.Errorf("with an old epoch: %v", err)
		}
	})
}

// TestGivesBack stops a process: another need not wait for the lease.
func TestGivesBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(2, "ann")
		a, b := w.process(indexing("index", true)), w.process(indexing("index", true))
		a.Start()
		w.arrived("index")
		// It is cut off in the middle of its work, maybe.
		w.record(2, "bob")
		a.Close()
		w.tick(b)
		if b.Owned() != 1 {
			t.Error("it is not given back")
		}
		w.arrived("index")
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)
	})
}

// TestBeginEnd makes a follower in the middle of a log, forgets it, and makes it anew, all while it is owned.
func TestBeginEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(3, "ann")
		r := still(w.process(indexing("hook", false)))
		f := w.begin(Follower{Kind: "hook", ID: uuid.New()}, 2)
		at := func(want int64, there bool) {
			t.Helper()
			err := db.Snapshot(w.ctx, func(tx *store.Tx) error {
				position, known, err := Position(w.ctx, tx.SQL, f)
				if position != want || known != there {
					t.Errorf("it is at %d, %t; want %d, %t", position, known, want, there)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		at(2, true)
		w.tick(r)
		stepAll(t.Context(), r)
		w.check(t, f, 2)
		at(3, true)
		old := r.owned[f]
		err := db.Write(w.ctx, func(tx *store.Tx) error { return End(w.ctx, tx, f) })
		if err != nil {
			t.Fatal(err)
		}
		at(0, false)
		w.record(2, "bob")
		if _, err := r.step(w.ctx, old); !errors.Is(err, errLeft) {
			t.Errorf("what was ended goes on: %v", err)
		}
		w.begin(f, 3)
		if _, err := r.step(w.ctx, old); !errors.Is(err, errLeft) {
			t.Errorf("what was ended goes on as another: %v", err)
		}
		w.tick(r)
		if r.owned[f] == old || old.ctx.Err() == nil {
			t.Error("what was ended is still owned")
		}
		stepAll(t.Context(), r)
		w.check(t, f, 2) // 3 by the one, 4 and 5 by the other
		if err := db.Write(w.ctx, func(tx *store.Tx) error { return End(w.ctx, tx, f) }); err != nil {
			t.Fatal(err)
		}
		w.tick(r)
		if r.Owned() != 0 {
			t.Errorf("in the end it owns %d", r.Owned())
		}
	})
}

// TestFaults fails before the transaction and within it, by errors and panics: all of it is done in the end, once.
func TestFaults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(1, "ann")
		fault := 0
		k := Kind{Name: "index", EachTenant: true, Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			fault++
			switch fault {
			case 1:
				return nil, errors.New("taking")
			case 2:
				panic("taking")
			}
			return func(tx *store.Tx) error {
				if err := index(ctx, tx, f, entries); err != nil {
					return err
				}
				switch fault {
				case 3:
					return errors.New("writing")
				case 4:
					panic("writing")
				}
				return nil
			}, nil
		}}
		w.process(k).Start()
		w.arrived("index")
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)
		if fault != 5 {
			t.Errorf("it was tried %d times", fault)
		}
	})
}

// TestFailing has a follower fail until it no longer does: that is seen meanwhile, and logged again and again, but not often.
func TestFailing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(3, "ann")
		var mended atomic.Bool
		r := w.process(Kind{Name: "index", EachTenant: true, Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			if !mended.Load() {
				return nil, errors.New("taking")
			}
			return func(tx *store.Tx) error { return index(ctx, tx, f, entries) }, nil
		}})
		r.Start()
		for r.Failing() != 1 {
			<-time.After(time.Millisecond)
		}
		mended.Store(true)
		w.arrived("index")
		for r.Failing() != 0 {
			<-time.After(time.Millisecond)
		}
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)

		var told strings.Builder
		quiet := &Runner{cfg: Config{Log: slog.New(slog.NewTextHandler(&told, nil))}}
		o := &owned{Follower: Follower{Tenant: w.tenant, Kind: "index"}, position: 7}
		lines := func(want int) {
			t.Helper()
			quiet.failed(o, errors.New("taking"))
			if n := strings.Count(told.String(), "follow: trying again"); n != want || !strings.Contains(told.String(), "position=7") {
				t.Errorf("want %d lines: %s", want, told.String())
			}
		}
		lines(1)
		lines(1)
		o.logged = o.logged.Add(-logEvery)
		lines(2)
	})
}

// TestBare follows by events alone: a response that cannot be read is in nobody's way.
func TestBare(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(3, "ann")
		w.exec(`UPDATE responses SET traits = '[]'`)
		k := indexing("index", true)
		k.Bare = true
		w.process(k).Start()
		w.arrived("index")
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)
	})
}

// TestUnfinished has effects that take several transactions: each takes effect, and the position moves with the last.
func TestUnfinished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(3, "ann")
		w.exec(`CREATE TABLE steps (position bigint)`)
		at := Follower{Tenant: w.tenant, Kind: "index"}
		left := 3
		k := Kind{Name: "index", EachTenant: true, Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			position, _, err := Position(ctx, db.Reader, f)
			if err != nil {
				return nil, err
			}
			return func(tx *store.Tx) error {
				if _, err := tx.SQL.ExecContext(ctx, `INSERT INTO steps VALUES ($1)`, position); err != nil {
					return err
				}
				if left--; left > 0 {
					return fmt.Errorf("a part: %w", ErrUnfinished)
				}
				return index(ctx, tx, f, entries)
			}, nil
		}}
		w.process(k).Start()
		w.arrived("index")
		w.check(t, at, 0)
		w.same(t, "index")
		if n := w.count(`SELECT count(*) FROM steps WHERE position = 0`); n != 3 || left != 0 {
			t.Errorf("%d transactions took effect, want 3; left %d", n, left)
		}
	})
}

// TestMissing has entries lack at the beginning of what is to be followed: nothing is left out.
func TestMissing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(3, "ann")
		r := still(w.process(indexing("index", true)))
		w.tick(r)
		w.exec(`DELETE FROM events WHERE position = 1`)
		for _, o := range r.owned {
			if _, err := r.step(w.ctx, o); !errors.Is(err, tail.ErrLost) {
				t.Errorf("got %v", err)
			}
		}
		if n := w.count(`SELECT count(*) FROM taken`); n != 0 {
			t.Errorf("%d entries are taken", n)
		}
	})
}

// TestLags measures followers that are behind, and finds those that nobody owns.
func TestLags(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		r := still(w.process(indexing("index", true), indexing("hook", false), indexing("idle", false)))
		w.tick(r)
		near, far := w.begin(Follower{Kind: "hook", ID: uuid.New()}, 0), w.begin(Follower{Kind: "hook", ID: uuid.New()}, 0)
		w.begin(Follower{Kind: "unknown", ID: uuid.New()}, 0)
		w.record(5, "ann")
		w.tick(r)
		stepAll(t.Context(), r)
		w.exec(`UPDATE followers SET position = 4 WHERE id = $1`, near.ID)
		w.exec(`UPDATE followers SET position = 2 WHERE id = $1`, far.ID)
		w.exec(`UPDATE events SET at = $1 WHERE position = 5`, time.Now().Add(-2*time.Hour).UTC())
		lags, err := r.Lags(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if l := lags["hook"]; len(lags) != 3 || l.Events != 3 || l.Seconds < 3600 || l.Seconds > 10_800 || lags["index"] != (Lag{}) || lags["idle"] != (Lag{}) {
			t.Errorf("got %v", lags)
		}
		stranded := func(ago time.Duration, want int) {
			t.Helper()
			w.exec(`UPDATE followers SET lease_until = `+clock(db)+` - $1`, ago.Milliseconds())
			if news, n, err := r.look(w.ctx); err != nil || !news || n != want {
				t.Errorf("%v after their leases %d are stranded, want %d: news %t, %v", ago, n, want, news, err)
			}
		}
		stranded(strandedAfter-20*time.Second, 0)
		stranded(strandedAfter, 2)
		// What cannot be claimed is said to be stranded, and what was just claimed is not.
		allow := w.forbidClaims()
		if err := r.tick(w.ctx); err == nil || r.Stranded() != 2 {
			t.Errorf("when they cannot be claimed %d are stranded: %v", r.Stranded(), err)
		}
		allow()
		w.tick(r)
		if news, n, err := r.look(w.ctx); err != nil || news || n != 0 || r.Stranded() != 0 {
			t.Errorf("when they are owned again %d and %d are stranded, news %t, %v", n, r.Stranded(), news, err)
		}
		stranded(strandedAfter, 2)
		w.tick(r)
		if r.Stranded() != 0 {
			t.Errorf("what it owns since this tick is stranded: %d", r.Stranded())
		}
	})
}

// forbidClaims has the database refuse any change of followers, until allow is called.
func (w *world) forbidClaims() (allow func()) {
	w.t.Helper()
	if w.db.Dialect == store.SQLite {
		w.exec(`CREATE TRIGGER no_claims BEFORE UPDATE ON followers BEGIN SELECT RAISE(ABORT, 'no claims'); END`)
		return func() { w.exec(`DROP TRIGGER no_claims`) }
	}
	w.exec(`CREATE FUNCTION no_claims() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no claims'; END $$`)
	w.exec(`CREATE TRIGGER no_claims BEFORE UPDATE ON followers FOR EACH ROW EXECUTE FUNCTION no_claims()`)
	return func() { w.exec(`DROP TRIGGER no_claims ON followers`) }
}

// TestMany has a process own all that nobody does within one tick, however many that are.
func TestMany(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const followers = 2*claimAtOnce + 10
		w := newWorld(t, db)
		r := still(w.process(indexing("hook", false)))
		err := db.Write(w.ctx, func(tx *store.Tx) error {
			for range followers {
				if err := Begin(w.ctx, db, tx, Follower{Tenant: w.tenant, Kind: "hook", ID: uuid.New()}, 0); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.tick(r)
		if r.Owned() != followers {
			t.Errorf("it owns %d of %d", r.Owned(), followers)
		}
	})
}

// TestRenews has leases that are nearly over last again.
func TestRenews(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		r := still(w.process(indexing("index", true)))
		w.tick(r)
		w.exec(`UPDATE followers SET lease_until = lease_until - 20000`)
		left := func() int { return w.count(`SELECT lease_until - ` + clock(db) + ` FROM followers`) }
		w.tick(r)
		if left() > 10_000 {
			t.Error("a lease is renewed too soon")
		}
		r.renewed = r.renewed.Add(-renewEvery)
		w.tick(r)
		if left() <= 10_000 {
			t.Errorf("%d ms are left", left())
		}
	})
}

// errKilled ends a transaction of a process that is killed.
var errKilled = errors.New("killed")

// TestExactlyOnce has processes be killed at any step, and be slow, and lose leases, in any order: what is done is done once
// and in order.
func TestExactlyOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rapid.Check(t, func(rt *rapid.T) {
			w.exec(`DELETE FROM taken`)
			w.exec(`DELETE FROM said`)
			w.exec(`DELETE FROM followers`)
			defer func() {
				for _, from := range w.tails {
					from.Close()
				}
				w.tails = nil
			}()
			start := int64(w.count(`SELECT log_position FROM tenants WHERE id = $1`, w.tenant))
			type process struct {
				*Runner

				// killed says where it dies next: in Take, within the transaction before or after it wrote, or not.
				killed string
			}
			var processes [2]*process
			begin := func(n int) {
				p := &process{}
				quiet := slog.New(slog.DiscardHandler)
				from := tail.New(db, tail.Config{Poll: time.Hour, Alone: true, Log: quiet})
				w.tails = append(w.tails, from)
				p.Runner = still(NewRunner(db, from, Config{Log: quiet}))
				p.Handle(Kind{Name: "hook", Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
					if p.killed == "taking" {
						return nil, errKilled
					}
					entries = slices.Clone(entries)
					return func(tx *store.Tx) error {
						if p.killed == "before" {
							return errKilled
						}
						if err := index(ctx, tx, f, entries); err != nil {
							return err
						}
						if p.killed == "after" {
							return errKilled
						}
						return nil
					}, nil
				}})
				processes[n] = p
			}
			begin(0)
			begin(1)
			followers := []Follower{w.begin(Follower{Kind: "hook", ID: uuid.New()}, start), w.begin(Follower{Kind: "hook", ID: uuid.New()}, start)}
			one := func(rt *rapid.T) int { return rapid.IntRange(0, 1).Draw(rt, "who") }
			rt.Repeat(map[string]func(*rapid.T){
				"record": func(rt *rapid.T) { w.record(rapid.IntRange(1, 3).Draw(rt, "n"), "ann") },
				"tick":   func(rt *rapid.T) { w.tick(processes[one(rt)].Runner) },
				"step":   func(rt *rapid.T) { stepAll(w.ctx, processes[one(rt)].Runner) },
				"expire": func(*rapid.T) { w.expire(nil) },
				"kill": func(rt *rapid.T) {
					n := one(rt)
					// With "later" the transaction has committed, and the process does not know.
					processes[n].killed = rapid.SampledFrom([]string{"taking", "before", "after", "later"}).Draw(rt, "where")
					stepAll(w.ctx, processes[n].Runner)
					begin(n)
				},
				"unheard": func(rt *rapid.T) { // the answer to a commit is lost
					p := processes[one(rt)]
					for _, o := range p.owned {
						before := o.position
						if _, err := p.step(w.ctx, o); err == nil {
							o.position = before
						}
					}
				},
			})
			w.expire(nil)
			w.tick(processes[0].Runner)
			stepAll(w.ctx, processes[0].Runner)
			w.tick(processes[0].Runner) // what it left, since it was somewhere else than it knew
			stepAll(w.ctx, processes[0].Runner)
			for _, f := range followers {
				w.check(rt, f, start)
			}
		})
	})
}

// TestTogether has two processes follow while much comes in, and be killed again and again.
func TestTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		begin := func() *Runner {
			r := w.process(indexing("index", true))
			r.Start()
			return r
		}
		processes := [2]*Runner{begin(), begin()}
		for n := range 6 {
			w.record(40, "ann")
			p := processes[n%2]
			// As if it were killed: nobody gives anything back.
			p.cancel()
			p.running.Wait()
			w.expire(p)
			processes[n%2] = begin()
		}
		w.arrived("index")
		w.same(t, "index")
		w.check(t, Follower{Tenant: w.tenant, Kind: "index"}, 0)
	})
}

// TestShare has many followers of a kind that may take a part of the time alone: they are taken one after the other, and after
// each all of them rest.
func TestShare(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for range 2 * atOnce {
			w.begin(Follower{Kind: "hook", ID: uuid.New()}, 0)
		}
		w.record(3, "ann")
		var at atomic.Int64
		k := indexing("hook", false)
		k.Share, k.Take = 0.999, func(_ context.Context, _ Follower, _ []*feedback.Entry) (func(*store.Tx) error, error) {
			if n := at.Add(1); n > 1 {
				t.Errorf("%d are at work at once", n)
			}
			_ = w.count(`SELECT count(*) FROM responses`) // so that others had the time
			at.Add(-1)
			return nil, nil
		}
		r := w.process(k)
		r.Start()
		w.arrived("hook")
		r.Close()

		// It rests for long, and then alone, for days: nobody else of the kind may have a turn at first, and closing does not wait.
		w.record(1, "ann")
		k.Share = 1e-6
		r = w.process(k)
		r.Start()
		for w.count(`SELECT count(*) FROM followers f JOIN tenants t ON t.id = f.tenant_id WHERE f.position = t.log_position`) == 0 {
			<-time.After(time.Millisecond)
		}
		select {
		case r.paces["hook"] <- struct{}{}:
			t.Error("it does not rest")
		default:
		}
		r.Close()
	})
}

// What may take a part of the time leaves the rest of it to others, however long it took; the others of its kind wait no longer
// than for a bounded part of that.
func TestRest(t *testing.T) {
	for _, test := range []struct {
		share                 float64
		took, together, alone time.Duration
	}{
		{1, 30 * time.Second, 0, 0},
		{0.1, 100 * time.Millisecond, 900 * time.Millisecond, 0},
		{0.5, 30 * time.Second, maxRest, 30*time.Second - maxRest},
		{0.1, 30 * time.Second, maxRest, 270*time.Second - maxRest},
	} {
		together, alone := due(test.share, test.took)
		if together, alone = together.Round(time.Millisecond), alone.Round(time.Millisecond); together != test.together || alone != test.alone {
			t.Errorf("after %v of a share of %g all rest for %v and it for %v more, want %v and %v", test.took, test.share, together, alone, test.together, test.alone)
		}
	}
}

// A rest is as much longer as others write meanwhile, and not without end.
func TestIdle(t *testing.T) {
	for _, test := range []struct {
		writing float64 // which part of the time
		want    time.Duration
	}{
		{0, time.Second},
		{0.5, 2 * time.Second},
		{0.75, 4 * time.Second},
		{1, (1 + maxStretch) * time.Second},
	} {
		var now, wrote time.Duration
		idle(time.Second, maxStretch*time.Second, func() time.Duration { return wrote }, func(d time.Duration) {
			now += d
			wrote += time.Duration(float64(d) * test.writing)
		})
		if now.Round(10*time.Millisecond) != test.want {
			t.Errorf("where others write for %g of the time a rest of a second takes %v, want %v", test.writing, now, test.want)
		}
	}
}

// News are left alone for a while where a kind has a share, and what else came meanwhile needs no further look; where it has none,
// somebody waits for them.
func TestGather(t *testing.T) {
	for _, test := range []struct {
		pace  chan struct{}
		want  time.Duration
		again bool
	}{
		{make(chan struct{}, 1), lull, false},
		{nil, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			o, began := &owned{ctx: t.Context(), pace: test.pace, again: true}, time.Now()
			(&Runner{}).gather(o)
			if took := time.Since(began); took != test.want || o.again != test.again {
				t.Errorf("with a pace %v it took %v, again %t, want %v and %t", test.pace != nil, took, o.again, test.want, test.again)
			}
		})
	}
}

// How many entries come next is by how long the last ones took.
func TestNext(t *testing.T) {
	for _, test := range []struct {
		most int
		took time.Duration
		want int
	}{
		{16, time.Millisecond, 32},
		{maxPortion - 1, time.Millisecond, maxPortion},
		{maxPortion, time.Millisecond, maxPortion},
		{100, portionAim, 100},
		{100, 2 * portionAim, 50},
		{100, time.Hour, firstPortion},
		{firstPortion, portionAim - 1, firstPortion},
		// What takes as long whatever is done must not keep it at one.
		{firstPortion, 2 * portionAim, firstPortion},
		{1, portionAim - 1, 2},
		{firstPortion - 1, portionAim - 1, 2 * (firstPortion - 1)},
		{1, time.Hour, 1},
	} {
		if got := next(test.most, test.took); got != test.want {
			t.Errorf("after %d in %v come %d, want %d", test.most, test.took, got, test.want)
		}
	}
}

// TestTooMuchAtOnce has effects that fail for more than a few entries: fewer are tried until they do not, and the
// follower gets on.
func TestTooMuchAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(2*firstPortion, "ann")
		largest := 0
		k := Kind{Name: "index", EachTenant: true, Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			largest = max(largest, len(entries))
			return func(tx *store.Tx) error {
				if err := index(ctx, tx, f, entries); err != nil {
					return err
				}
				if len(entries) > 3 {
					return errors.New("too much")
				}
				return nil
			}, nil
		}}
		r := still(w.process(k))
		w.tick(r)
		o := r.owned[Follower{Tenant: w.tenant, Kind: "index"}]
		failures := 0
		for more := true; more; {
			before := o.position
			var err error
			if more, err = r.step(o.ctx, o); err != nil {
				if failures++; failures > 10*firstPortion || o.position != before {
					t.Fatalf("%d failures, and it is at %d: %v", failures, o.position, err)
				}
				more = true
			}
		}
		if failures == 0 || largest < firstPortion {
			t.Errorf("%d failures, of %d at once", failures, largest)
		}
		w.check(t, o.Follower, 0)
		w.same(t, "index")
	})
}

// What takes too long together is tried one by one, and only what takes too long alone is a failure.
func TestTooLong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(2*firstPortion, "ann")
		k := Kind{Name: "index", EachTenant: true, Take: func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			if len(entries) > 1 {
				<-ctx.Done()
				return nil, errors.New("something else")
			}
			return func(tx *store.Tx) error { return index(ctx, tx, f, entries) }, nil
		}}
		r := still(w.process(k))
		r.several = time.Millisecond
		w.tick(r)
		o := r.owned[Follower{Tenant: w.tenant, Kind: "index"}]
		for _, test := range []struct {
			portion int
			want    int64
		}{{firstPortion, 0}, {1, 1}, {2, 1}, {1, 2}} {
			o.portion = test.portion
			if more, err := r.step(o.ctx, o); err != nil || !more || o.position != test.want || test.portion > 1 && o.portion != 1 {
				t.Fatalf("after %d at once it is at %d, and %d come next, more: %t, %v", test.portion, o.position, o.portion, more, err)
			}
		}
		k.Take = func(ctx context.Context, _ Follower, _ []*feedback.Entry) (func(*store.Tx) error, error) {
			<-ctx.Done()
			return nil, errors.New("something else")
		}
		o.take, o.portion, r.one = k.Take, 1, time.Millisecond
		_, err := r.step(o.ctx, o)
		if want := "an entry took more than 1ms: context deadline exceeded: "; err == nil || !strings.HasPrefix(err.Error(), want) || o.position != 2 {
			t.Errorf("at %d: %v, want %s", o.position, err, want)
		}
	})
}

// Who waits until others have written takes no longer by that. On PostgreSQL nobody waits.
func TestWaitingIsNoWork(t *testing.T) {
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)))
	w.record(2*firstPortion, "ann")
	r := still(w.process(indexing("index", true)))
	w.tick(r)
	o := r.owned[Follower{Tenant: w.tenant, Kind: "index"}]
	// Until there is time enough for all but to wait for the others' end.
	for r.several = 50 * time.Millisecond; o.position == 0; r.several *= 2 {
		if r.several > time.Minute {
			t.Fatal("no time is enough")
		}
		o.portion = firstPortion
		others, step := make(chan struct{}), make(chan error, 1)
		err := w.db.Write(w.ctx, func(*store.Tx) error {
			go func() {
				close(others)
				_, err := r.step(o.ctx, o)
				step <- err
			}()
			<-others
			<-time.After(2 * r.several)
			return nil
		})
		if err := errors.Join(err, <-step); err != nil {
			t.Fatal(err)
		}
	}
	if o.position != firstPortion {
		t.Errorf("it is at %d", o.position)
	}
}

// What was written is done when it is committed, which takes its time on a slow disk.
func TestCommitIsWork(t *testing.T) {
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)))
	w.record(3*firstPortion, "ann")
	r := still(w.process(indexing("index", true)))
	w.tick(r)
	o := r.owned[Follower{Tenant: w.tenant, Kind: "index"}]
	const slow = 2 * portionAim
	r.several, o.portion = time.Minute, 2*firstPortion
	conn, err := w.db.Writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			<-time.After(slow)
			return 0
		})
		return nil
	})
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	if more, err := r.step(o.ctx, o); err != nil || !more {
		t.Fatal(more, err)
	}
	if o.took < slow || o.portion >= 2*firstPortion {
		t.Errorf("it took %v, want %v at least; %d come next", o.took, slow, o.portion)
	}
}
