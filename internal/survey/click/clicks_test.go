package click

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/provisionalanswer"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// world is a tenant with a campaign.
type world struct {
	ctx      context.Context //nolint:containedctx // it names the tenant
	db       *store.DB
	campaign uuid.UUID
	logged   *strings.Builder
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ctx: auth.ForTenant(t.Context(), made.ID), db: db, logged: &strings.Builder{}}
	c, err := campaign.Create(w.ctx, db, campaign.CreateInput{Name: "Relationship"})
	if err != nil {
		t.Fatal(err)
	}
	w.campaign = c.ID
	return w
}

func (w *world) clicks(t *testing.T, db *store.DB) *Clicks {
	t.Helper()
	c := New(db, slog.New(slog.NewTextHandler(w.logged, nil)))
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !store.IsUnreachable(err) {
			t.Error(err)
		}
	})
	return c
}

// place is somebody's, with who it is.
func (w *world) place(address string) (Place, Who) {
	p := Place{Tenant: auth.Tenant(w.ctx), Campaign: w.campaign}
	p.Recipient = contact.Recipient(p.Tenant, contact.NameOf("", address))
	return p, Who{EmailKey: contact.EmailKey(address), Since: noon.Add(-30 * 24 * time.Hour)}
}

func (w *world) rows(t *testing.T) []*ent.ProvisionalAnswer {
	t.Helper()
	all, err := w.db.Ent.ProvisionalAnswer.Query().Order(provisionalanswer.ByFirstOpenedAt(), provisionalanswer.ByID()).All(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (w *world) flush(t *testing.T, all ...*Clicks) {
	t.Helper()
	for _, c := range all {
		if err := c.Flush(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// Two processes write the same rows at the same time, and nothing is lost, nor counted twice.
func TestTwoProcesses(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		dbs := []*store.DB{storetest.Open(t, url), storetest.Open(t, url)}
		w := newWorld(t, dbs[0])
		both := []*Clicks{w.clicks(t, dbs[0]), w.clicks(t, dbs[1])}
		const people, rounds = 30, 20
		var all sync.WaitGroup
		for n, c := range both {
			all.Go(func() {
				for round := range rounds {
					for person := range people {
						p, who := w.place(fmt.Sprintf("p%d@x.example", person))
						score := (round*2 + n) % 11
						c.Opened(p, who, Open{Score: &score, Known: n == 1}, noon.Add(time.Duration(round)*time.Second))
					}
					if err := c.Flush(w.ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		for _, c := range both {
			for c.Held() > 0 { // whoever came second tries again
				w.flush(t, c)
			}
		}
		rows := w.rows(t)
		if len(rows) != people {
			t.Fatalf("%d people have %d rows", people, len(rows))
		}
		for _, r := range rows {
			scores, err := Scores(r.Opened)
			if err != nil || r.Opens != 2*rounds || len(scores) != 11 || !slices.Equal(r.Signs, []string{"MANY_NUMBERS", "KNOWN_CLIENT"}) ||
				!r.FirstOpenedAt.Equal(noon) || !r.LastOpenedAt.Equal(noon.Add((rounds-1)*time.Second)) || r.ContactID != nil || r.Answer != nil {
				t.Errorf("got %v, %v (error: %v)", r, scores, err)
			}
		}
		if both[0].Dropped()+both[1].Dropped() != 0 {
			t.Error("something was dropped")
		}
	})
}

// Two processes make the same rows at the same moment: whoever comes second adds to them.
func TestTwoMakeARow(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		dbs := []*store.DB{storetest.Open(t, url), storetest.Open(t, url)}
		w := newWorld(t, dbs[0])
		both := []*Clicks{w.clicks(t, dbs[0]), w.clicks(t, dbs[1])}
		const rounds, people = 20, 20
		for round := range rounds {
			for person := range people {
				p, who := w.place(fmt.Sprintf("p%d.%d@x.example", round, person))
				for _, c := range append(both, both[1]) { // one once, the other twice
					c.Opened(p, who, Open{}, noon)
				}
			}
			var all sync.WaitGroup
			for _, c := range both {
				all.Go(func() {
					if err := c.Flush(w.ctx); err != nil && !store.IsTransient(err) {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		for _, c := range both {
			for c.Held() > 0 {
				w.flush(t, c)
			}
		}
		rows := w.rows(t)
		for _, r := range rows {
			if r.Opens != 3 {
				t.Errorf("got %v", r)
			}
		}
		if len(rows) != rounds*people {
			t.Errorf("there are %d rows", len(rows))
		}
	})
}

// Whom the tenant knows is named; nobody is made. One who has answered in the last days has no row.
func TestWhoIsKnown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		log, err := feedback.NewLog(db, feedback.Config{Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		record := func(in contact.Input, at time.Time) *ent.Response {
			t.Helper()
			out, err := log.Record(w.ctx, []feedback.Recording{{Campaign: id.Campaign.Format(w.campaign), Score: 9, Channel: "API", Contact: &in, RespondedAt: &at}})
			if err != nil || out[0].Errors != nil {
				t.Fatal(out, err)
			}
			return out[0].Value
		}
		known := record(contact.Input{Email: new("Known@x.example")}, noon.Add(-31*24*time.Hour))
		byID := record(contact.Input{ExternalID: new("77")}, noon.Add(-31*24*time.Hour))
		record(contact.Input{Email: new("answered@x.example")}, noon.Add(-29*24*time.Hour))
		c := w.clicks(t, db)
		for _, address := range []string{"known@X.example", "answered@x.example", "stranger@x.example"} {
			p, who := w.place(address)
			c.Opened(p, who, Open{}, noon)
		}
		p := Place{Tenant: auth.Tenant(w.ctx), Campaign: w.campaign, Recipient: contact.Recipient(auth.Tenant(w.ctx), contact.NameOf("77", ""))}
		c.Opened(p, Who{ExternalID: "77", Since: noon.Add(-30 * 24 * time.Hour)}, Open{}, noon.Add(time.Second))
		w.flush(t, c)
		rows := w.rows(t)
		contacts := map[uuid.UUID]bool{}
		for _, r := range rows {
			if r.ContactID != nil {
				contacts[*r.ContactID] = true
			}
		}
		if len(rows) != 3 || len(contacts) != 2 || !contacts[*known.ContactID] || !contacts[*byID.ContactID] {
			t.Errorf("got %v", rows)
		}
		if n, err := db.Ent.Contact.Query().Count(w.ctx); err != nil || n != 3 {
			t.Errorf("there are %d contacts (error: %v)", n, err)
		}
		// Answered by other means meanwhile: the next click finds that out.
		record(contact.Input{Email: new("stranger@x.example")}, noon)
		p, who := w.place("stranger@x.example")
		c.Opened(p, who, Open{}, noon.Add(time.Minute))
		w.flush(t, c)
		if rows := w.rows(t); len(rows) != 2 {
			t.Errorf("after an answer there are %v", rows)
		}
		// Whoever is erased takes their rows along, those too that nobody knew to be theirs.
		p, who = w.place("stranger@x.example")
		c.Opened(p, Who{}, Open{}, noon.Add(2*time.Minute)) // before there was a contact
		w.flush(t, c)
		person, err := db.Ent.Contact.Query().All(w.ctx)
		if err != nil || len(w.rows(t)) != 3 {
			t.Fatal(err, w.rows(t))
		}
		for _, is := range person {
			if out, err := log.Erase(w.ctx, is.NodeID()); err != nil || out.Errors != nil {
				t.Fatal(out, err)
			}
		}
		if rows := w.rows(t); len(rows) != 0 {
			t.Errorf("after all were erased there are %v", rows)
		}
		_ = who
	})
}

// An answer takes away what led to it. Where nobody is named other pages that wait to be judged stay.
func TestAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.clicks(t, db)
		look := func(p Place, who Who, page string) {
			t.Helper()
			if err := c.Looked(w.ctx, p, who, Look{Page: page, Answer: json.RawMessage(`{}`), At: noon}); err != nil {
				t.Fatal(err)
			}
		}
		named, who := w.place("ada@x.example")
		c.Opened(named, who, Open{Hidden: true}, noon)
		look(named, who, "")
		crowd := Place{Tenant: named.Tenant, Campaign: named.Campaign, Recipient: [32]byte{1}}
		look(crowd, Who{}, "one")
		look(crowd, Who{}, "two")
		if rows := w.rows(t); len(rows) != 2 || rows[0].JudgedAt == nil || rows[1].JudgedAt == nil || rows[0].Opens+rows[1].Opens != 1 {
			t.Fatalf("got %v", rows)
		}
		c.Answered(named, "", uuid.New())
		c.Opened(named, who, Open{}, noon.Add(time.Second)) // a scanner that comes after the person
		c.Answered(crowd, "one", uuid.New())
		w.flush(t, c)
		rows := w.rows(t)
		if len(rows) != 1 || !strings.Contains(string(rows[0].Answer), "two") || strings.Contains(string(rows[0].Answer), "one") {
			t.Fatalf("got %v", rows)
		}
		if log := w.logged.String(); strings.Count(log, "signs of a scanner") != 1 || !strings.Contains(log, "HIDDEN_LINK") || strings.Contains(log, "x.example") {
			t.Errorf("logged %s", log)
		}
		c.Answered(crowd, "two", uuid.New())
		c.Answered(crowd, "three", uuid.New())
		w.flush(t, c)
		if rows := w.rows(t); len(rows) != 0 {
			t.Errorf("got %v", rows)
		}
	})
}

// What is due is given to one of two, and to the other only when that one has failed.
func TestDue(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		dbs := []*store.DB{storetest.Open(t, url), storetest.Open(t, url)}
		w := newWorld(t, dbs[0])
		both := []*Clicks{w.clicks(t, dbs[0]), w.clicks(t, dbs[1])}
		const people = 40
		for n := range people {
			p, who := w.place(fmt.Sprintf("p%d@x.example", n))
			if n%2 == 0 {
				both[0].Opened(p, who, Open{Hidden: true}, noon)
			}
			go func() {
				if err := both[n%2].Looked(w.ctx, p, who, Look{Answer: json.RawMessage(fmt.Sprint(n)), At: noon.Add(time.Second)}); err != nil {
					t.Error(err)
				}
			}()
		}
		for len(w.rows(t)) < people || slices.ContainsFunc(w.rows(t), func(r *ent.ProvisionalAnswer) bool { return r.JudgedAt == nil }) {
			w.flush(t, both...)
		}
		take := func(now time.Time) (all []Due) {
			t.Helper()
			var mu sync.Mutex
			var takers sync.WaitGroup
			for _, c := range both {
				takers.Go(func() {
					due, err := c.Due(w.ctx, now)
					if err != nil && !store.IsTransient(err) {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					all = append(all, due...)
				})
			}
			takers.Wait()
			return all
		}
		at := noon.Add(time.Second + JudgedAfter)
		if due := take(at.Add(-time.Millisecond)); len(due) != 0 {
			t.Errorf("%d are due too early", len(due))
		}
		due := take(at)
		suspect := map[string]bool{}
		for _, d := range due {
			if d.Page != "" || !d.At.Equal(noon.Add(time.Second)) {
				t.Errorf("got %+v", d)
			}
			suspect[string(d.Answer)] = d.Suspect
		}
		if len(due) != people || len(suspect) != people || suspect["1"] || !suspect["2"] {
			t.Fatalf("%d are due of %d: %v", len(due), people, suspect)
		}
		if again := take(at.Add(lease - time.Second)); len(again) != 0 {
			t.Errorf("%d are due twice", len(again))
		}
		// Half are judged, and half of these are answers; who had the others was killed.
		for n, d := range due[:people/2] {
			both[n%2].Judged(d, n%4 < 2)
		}
		w.flush(t, both...)
		if rows := w.rows(t); len(rows) != people*3/4 {
			t.Errorf("there are %d rows", len(rows))
		}
		if again := take(at.Add(lease)); len(again) != people/2 {
			t.Errorf("%d are due after the lease", len(again))
		}
		// A later look of somebody whose look is being judged is judged by itself.
		p := due[people-1].Place
		go func() {
			if err := both[0].Looked(w.ctx, p, Who{}, Look{Answer: json.RawMessage(`"later"`), At: at.Add(time.Hour)}); err != nil {
				t.Error(err)
			}
		}()
		for !slices.ContainsFunc(w.rows(t), func(r *ent.ProvisionalAnswer) bool { return strings.Contains(string(r.Answer), "later") }) {
			w.flush(t, both...)
		}
		both[1].Judged(due[people-1], false)
		w.flush(t, both...)
		found := false
		for _, d := range take(at.Add(time.Hour + JudgedAfter)) {
			found = found || string(d.Answer) == `"later"`
		}
		if !found {
			t.Error("the later look is lost")
		}
	})
}

func TestForget(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.clicks(t, db)
		for days, address := range []string{"a@x.example", "b@x.example", "c@x.example"} {
			p, who := w.place(address)
			c.Opened(p, who, Open{}, noon.Add(time.Duration(days)*24*time.Hour))
		}
		w.flush(t, c)
		if err := c.Forget(w.ctx, noon.Add(31*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if rows := w.rows(t); len(rows) != 2 || !rows[0].LastOpenedAt.Equal(noon.Add(24*time.Hour)) {
			t.Errorf("got %v", rows)
		}
	})
}

// What finds no room is dropped and counted; who is there already goes on.
func TestFull(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.clicks(t, db)
		c.flushing.Lock() // the writer is slow
		c.mu.Lock()
		c.most = 2
		c.mu.Unlock()
		for range 3 {
			for _, address := range []string{"a@x.example", "b@x.example", "c@x.example"} {
				p, who := w.place(address)
				c.Opened(p, who, Open{}, noon)
			}
		}
		p, who := w.place("d@x.example")
		if err := c.Looked(w.ctx, p, who, Look{At: noon}); !errors.Is(err, ErrFull) {
			t.Errorf("got %v", err)
		}
		if c.Held() != 2 || c.Dropped() != 4 {
			t.Errorf("%d are held and %d dropped", c.Held(), c.Dropped())
		}
		c.flushing.Unlock()
		w.flush(t, c)
		if rows := w.rows(t); len(rows) != 2 || rows[0].Opens != 3 || c.Held() != 0 {
			t.Errorf("got %v", rows)
		}
	})
}

// What the database refuses is dropped alone.
func TestRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.clicks(t, db)
		c.flushing.Lock()
		for n := range 9 {
			p, who := w.place(fmt.Sprintf("p%d@x.example", n))
			if n == 4 {
				p.Campaign = uuid.New()
			}
			c.Opened(p, who, Open{}, noon)
		}
		c.flushing.Unlock()
		w.flush(t, c)
		if rows := w.rows(t); len(rows) != 8 || c.Dropped() != 1 || c.Held() != 0 {
			t.Errorf("%d rows, %d dropped, %d held", len(rows), c.Dropped(), c.Held())
		}
	})
}

// While the database is away what happens is held, and written once it is back; but what names people only while they wait.
func TestAway(t *testing.T) {
	server, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, storetest.Open(t, server.String()))
	gate := &gate{to: server.Host}
	gate.open(t)
	through := *server
	through.Host = gate.listener.Addr().String()
	db, err := store.Open(t.Context(), through.String(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c := w.clicks(t, db)
	p, who := w.place("ada@x.example")
	c.Opened(p, who, Open{}, noon)
	w.flush(t, c)
	gate.shut(true)
	for range 3 {
		c.Opened(p, who, Open{}, noon.Add(time.Second))
		if err := c.Flush(w.ctx); err == nil || !store.MayPass(err) {
			t.Errorf("away: %v", err)
		}
	}
	ctx, leave := context.WithCancel(w.ctx)
	left := make(chan error)
	go func() { left <- c.Looked(ctx, p, who, Look{Answer: json.RawMessage(`"ada"`), At: noon}) }()
	for c.waits() == 0 {
		runtime.Gosched()
	}
	leave()
	if err := <-left; err == nil {
		t.Error("a look is taken while the database is away")
	}
	gate.shut(false)
	for { // the connections in the pool may take a try to be found broken
		if err := c.Flush(w.ctx); err == nil {
			break
		}
	}
	if rows := w.rows(t); len(rows) != 1 || rows[0].Opens != 4 || rows[0].Answer != nil {
		t.Errorf("got %v", rows)
	}
}

// waits is how many looks wait to be written.
func (c *Clicks) waits() (n int) {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.held {
		n += len(i.waiting)
	}
	return n
}

// gate passes connections on unless it is shut.
type gate struct {
	to       string
	listener net.Listener

	mu     sync.Mutex
	isShut bool
	conns  []net.Conn
}

func (g *gate) open(t *testing.T) {
	t.Helper()
	var err error
	if g.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			from, err := g.listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", g.to)
			if err != nil {
				_ = from.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, from, to)
			if g.isShut {
				_, _ = from.Close(), to.Close()
			}
			g.mu.Unlock()
			for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
				all.Go(func() {
					_, _ = io.Copy(ends[0], ends[1]) // ends when either is closed
					_ = ends[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = g.listener.Close()
		g.shut(true)
		all.Wait()
	})
}

func (g *gate) shut(is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = is
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

// What of a crowd that shares a place cannot be kept is not said to be.
func TestCrowded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.clicks(t, db)
		crowd := Place{Tenant: auth.Tenant(w.ctx), Campaign: w.campaign, Recipient: [32]byte{1}}
		const people = maxLooks + 20
		errs := make(chan error)
		for n := range people {
			go func() {
				errs <- c.Looked(w.ctx, crowd, Who{}, Look{Page: fmt.Sprintf("page %03d", n), Answer: json.RawMessage(`{}`), At: noon})
			}()
		}
		taken := 0
		for range people {
			switch err := <-errs; {
			case err == nil:
				taken++
			case !errors.Is(err, ErrFull):
				t.Error(err)
			}
		}
		due, err := c.Due(t.Context(), noon.Add(time.Hour))
		if err != nil || taken != maxLooks || len(due) != taken {
			t.Errorf("%v; %d were taken, and %d are to be judged", err, taken, len(due))
		}
		if dropped := c.Dropped(); dropped != people-maxLooks {
			t.Errorf("%d were dropped", dropped)
		}
	})
}

// A look of somebody who is erased before it is written is not written.
func TestErasedMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.clicks(t, db)
		p, who := w.place("ada@x.example")
		gone := Look{Contact: uuid.New(), Answer: json.RawMessage(`"ada@x.example"`), At: noon}
		if err := c.Looked(w.ctx, p, who, gone); err != nil {
			t.Fatal(err)
		}
		if rows := w.rows(t); len(rows) != 0 {
			t.Errorf("got %v", rows)
		}
		c.Opened(p, who, Open{}, noon)
		if err := c.Looked(w.ctx, p, who, gone); err != nil {
			t.Fatal(err)
		}
		if rows := w.rows(t); len(rows) != 1 || rows[0].Answer != nil {
			t.Errorf("got %v", rows)
		}
	})
}

// Judging goes by the instant, in whatever zone the clock is, and one row that nobody can read keeps no other from being judged.
func TestDueAnywhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, offset := range map[string]int{"west": -5, "UTC": 0, "east": 9} {
			w := newWorld(t, db)
			c := w.clicks(t, db)
			var bob Place
			at := noon.In(time.FixedZone(name, offset*60*60))
			for n, person := range []string{"ada@x.example", "bob@x.example"} {
				p, who := w.place(person)
				bob = p
				if err := c.Looked(w.ctx, p, who, Look{Answer: json.RawMessage(`{}`), At: at.Add(time.Duration(n) * time.Second)}); err != nil {
					t.Fatal(err)
				}
			}
			if due, err := c.Due(t.Context(), at.Add(time.Minute)); err != nil || len(due) != 0 {
				t.Errorf("%s: after a minute: %v %v", name, due, err)
			}
			ada := w.rows(t)[0]
			if _, err := db.Writer.ExecContext(t.Context(), `UPDATE provisional_answers SET opened = '{"99":[1]}' WHERE tenant_id = $1 AND id = $2`, ada.TenantID, ada.ID); err != nil {
				t.Fatal(err)
			}
			due, err := c.Due(t.Context(), at.Add(3*time.Minute))
			if err != nil || len(due) != 1 || due[0].Place != bob {
				t.Errorf("%s: %v %v", name, due, err)
			}
			if !strings.Contains(w.logged.String(), "a click cannot be judged") {
				t.Errorf("%s: logged %s", name, w.logged)
			}
			if due, err := c.Due(t.Context(), at.Add(3*time.Minute+3*time.Second)); err != nil || len(due) != 0 {
				t.Errorf("%s: taken again at once: %v %v", name, due, err)
			}
		}
	})
}
