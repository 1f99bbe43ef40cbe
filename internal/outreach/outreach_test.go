package outreach_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/click"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// monday is Monday, 7 September 2026, noon in UTC.
var monday = time.Date(2026, 9, 7, 12, 0, 0, 0, time.UTC)

// clock stands still until somebody moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) pass(d time.Duration) { c.set(c.time().Add(d)) }

// arrived is a mail as a mail server has got it.
type arrived struct {
	to   string
	at   time.Time
	text string
}

func (a arrived) String() string { return a.to + " on " + a.at.Format(time.RFC3339) }

// isReminder goes by the number of the mail within its invitation.
func (a arrived) isReminder() bool { return strings.Contains(a.text, ".1@") }

// server is a mail server. It takes all mails, unless it is told otherwise.
type server struct {
	clock *clock
	url   string

	mu    sync.Mutex
	mails []arrived
	// rcpt and data, where not nil, say what becomes of who a mail is for, and of the mail itself; mail of who it is from.
	mail, rcpt, data func(address string) error
}

func serve(t testing.TB, c *clock) *server {
	t.Helper()
	s := &server{clock: c}
	backend := smtp.NewServer(s)
	backend.Domain = "localhost"
	backend.ErrorLog = silent{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "smtp://" + l.Addr().String() + "?tls=none"
	var over sync.WaitGroup
	over.Go(func() { _ = backend.Serve(l) })
	t.Cleanup(func() {
		_ = backend.Close()
		over.Wait()
	})
	return s
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// NewSession is that of an smtp.Backend.
func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *server
	conn   *smtp.Conn
	to     string
}

// errLost has the line end once the whole mail is there: whoever sent it hears no more.
var errLost = errors.New("the line is lost")

func (s *session) Reset()        { s.to = "" }
func (s *session) Logout() error { return nil }

// ask asks one of the server's functions.
func (s *server) ask(which func(*server) func(string) error, address string) error {
	s.mu.Lock()
	f := which(s)
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(address)
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	return s.server.ask(func(s *server) func(string) error { return s.mail }, from)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.server.ask(func(s *server) func(string) error { return s.rcpt }, to)
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.server.ask(func(s *server) func(string) error { return s.data }, s.to); err != nil {
		if errors.Is(err, errLost) {
			_ = s.conn.Close()
		}
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, arrived{s.to, s.server.clock.time(), string(text)})
	return nil
}

// says has the server answer from now on.
func (s *server) says(mail, rcpt, data func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail, s.rcpt, s.data = mail, rcpt, data
}

// take gives the mails that came since it was last asked.
func (s *server) take() []arrived {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails := s.mails
	s.mails = nil
	return mails
}

func no(code int, enhanced smtp.EnhancedCode) func(string) error {
	return func(string) error { return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: "no"} }
}

// house is a tenant that asks people, and what stands behind it.
type house struct {
	t      testing.TB
	db     *store.DB
	ctx    context.Context //nolint:containedctx // it names the tenant
	tenant uuid.UUID
	clock  *clock
	server *server
	log    *feedback.Log
	book   *survey.Book
	survey *survey.Desk
	logged *logged

	*process
}

// process is what each process has.
type process struct {
	desk   *outreach.Desk
	mailer *outreach.Mailer
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var site = outreach.House{Site: "https://nps.example.com", From: "no-reply@nps.example.com"}

// open makes a tenant in a zone, whose clock shows an instant.
func open(t testing.TB, db *store.DB, zone string, at time.Time) *house {
	t.Helper()
	h := &house{t: t, db: db, clock: &clock{at: at}, logged: &logged{}}
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: zone})
	h.must(err)
	h.tenant = made.ID
	h.ctx = auth.ForTenant(t.Context(), made.ID)
	h.server = serve(t, h.clock)
	h.log, err = feedback.NewLog(db, feedback.Config{Now: h.clock.time})
	h.must(err)
	h.book = survey.NewBook(db, h.clock.time, slog.New(slog.NewTextHandler(h.logged, nil)))
	clicks := click.New(db, slog.New(slog.NewTextHandler(h.logged, nil)))
	h.survey = survey.NewDesk(db, h.log, clicks)
	t.Cleanup(func() {
		h.book.Close()
		h.must(clicks.Close())
		h.must(h.log.Close())
	})
	h.process = h.start(db)
	return h
}

// start begins a process on a database, which does what it is told.
func (h *house) start(db *store.DB) *process {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.logged, nil))
	jobs, err := job.NewRunner(db, job.Config{Log: log})
	h.must(err)
	desk := outreach.NewDesk(outreach.Config{
		DB: db, Log: h.log, States: settings.NewStates(db), Book: h.book, Jobs: jobs, Now: h.clock.time, Logger: log,
	})
	desk.Handle(jobs)
	office, err := post.Open(post.Config{URL: h.server.url, Log: log})
	h.must(err)
	h.t.Cleanup(func() { h.must(office.Close()) })
	return &process{desk, outreach.NewMailer(desk, site, office)}
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// campaign opens one.
func (h *house) campaign(name string) *ent.Campaign {
	h.t.Helper()
	c, err := campaign.Create(h.ctx, h.db, campaign.CreateInput{Name: name})
	h.must(err)
	return c
}

func (h *house) status(c *ent.Campaign, s entcampaign.Status) {
	h.t.Helper()
	_, err := campaign.Update(h.ctx, h.db, campaign.UpdateInput{ID: c.NodeID(), Status: &s})
	h.must(err)
}

// address is that of somebody.
func address(name string) string { return name + "@x.example" }

// people makes contacts by their names, in a zone where that is not empty.
func (h *house) people(zone string, names ...string) {
	h.t.Helper()
	in := make([]contact.Input, len(names))
	for i, name := range names {
		in[i] = contact.Input{ExternalID: &name, Email: new(address(name))}
		if zone != "" {
			in[i].TimeZone = &zone
		}
	}
	h.upsert(in...)
}

func (h *house) upsert(in ...contact.Input) {
	h.t.Helper()
	for len(in) > 0 {
		n := min(len(in), 1000)
		out, err := h.log.Upsert(h.ctx, in[:n])
		h.must(err)
		for _, o := range out {
			h.must(o.Errors.Err())
		}
		in = in[n:]
	}
}

// person finds a contact by their name.
func (h *house) person(name string) *ent.Contact {
	h.t.Helper()
	all, err := h.db.Ent.Contact.Query().All(h.ctx)
	h.must(err)
	for _, c := range all {
		if c.ExternalID != nil && *c.ExternalID == name {
			return c
		}
	}
	h.t.Fatalf("there is no %s", name)
	return nil
}

// gold is a segment of those whose plan is gold.
func (h *house) gold() string {
	h.t.Helper()
	_, err := settings.DefineTrait(h.ctx, cube.NewBuilder(h.db, nil), settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true})
	h.must(err)
	s, err := settings.CreateSegment(h.ctx, h.db, settings.CreateSegmentInput{
		Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}},
	})
	h.must(err)
	return id.Segment.Format(s.ID)
}

func (h *house) limits(quietDays int, budget *int) {
	h.t.Helper()
	_, err := h.desk.Update(h.ctx, site, outreach.UpdateInput{Limits: &outreach.LimitsInput{QuietDays: quietDays, MonthlyBudget: budget}}, nil)
	h.must(err)
}

// once is a schedule that asks everybody now, at any hour.
func (h *house) once() outreach.ScheduleInput {
	return outreach.ScheduleInput{
		Occasion: outreach.Occasion{Once: &outreach.Once{At: h.clock.time(), OverDays: 1}}, SamplePercent: 100, Window: always(),
	}
}

func onEvent(event string, delay int) outreach.ScheduleInput {
	return outreach.ScheduleInput{
		Occasion: outreach.Occasion{OnEvent: &outreach.OnEvent{Event: event, DelayMinutes: delay}}, SamplePercent: 100, Window: always(),
	}
}

func recurring(months int) outreach.ScheduleInput {
	return outreach.ScheduleInput{
		Occasion: outreach.Occasion{Recurring: &outreach.Recurring{EveryMonths: months}}, SamplePercent: 100, Window: always(),
	}
}

func always() *outreach.Window {
	return &outreach.Window{
		Weekdays: []outreach.Weekday{"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"}, FromHour: 0, ToHour: 24,
	}
}

// set sets a campaign's schedule, and plans by it.
func (h *house) set(c *ent.Campaign, in outreach.ScheduleInput) {
	h.t.Helper()
	_, err := h.desk.Set(h.ctx, outreach.SetInput{Campaign: c.NodeID(), Schedule: in})
	h.must(err)
	h.asked() // for that plan
	h.plan(c)
}

func (h *house) plan(c *ent.Campaign) {
	h.t.Helper()
	h.planBy(outreach.PlanArgs{Tenant: h.tenant, Campaign: c.ID})
}

// planBy does a job as its runner does, until it is done.
func (h *house) planBy(args outreach.PlanArgs) {
	h.t.Helper()
	err := job.Later(0)
	for job.IsLater(err) {
		err = h.desk.Plan(h.t.Context(), args)
	}
	h.must(err)
}

// look does what is done each minute, and the plans that it asks for.
func (h *house) look() {
	h.t.Helper()
	h.must(h.desk.Look(h.t.Context(), outreach.LookArgs{}))
	for _, args := range h.asked() {
		h.planBy(args)
	}
}

// asked takes the plans that wait to be made.
func (h *house) asked() (all []outreach.PlanArgs) {
	h.t.Helper()
	rows, err := h.db.Writer.QueryContext(h.t.Context(), `DELETE FROM river_job WHERE kind = 'outreach_plan' RETURNING args`)
	h.must(err)
	defer rows.Close()
	for rows.Next() {
		var text []byte
		h.must(rows.Scan(&text))
		var args outreach.PlanArgs
		h.must(unmarshal(text, &args))
		all = append(all, args)
	}
	h.must(rows.Err())
	return all
}

// sweep sends what is due, and gives the mails that arrived.
func (h *house) sweep() []arrived {
	h.t.Helper()
	h.must(h.mailer.Sweep(h.t.Context()))
	return h.server.take()
}

// until lets time pass in steps, and sends what is due at each.
func (h *house) until(at time.Time, step time.Duration) (all []arrived) {
	h.t.Helper()
	for h.clock.time().Before(at) {
		h.clock.set(earlier(h.clock.time().Add(step), at))
		all = append(all, h.sweep()...)
	}
	return all
}

// run sends everything that is due until an instant, each at its time.
func (h *house) run(until time.Time) (all []arrived) {
	h.t.Helper()
	for {
		first, err := h.db.Ent.Invitation.Query().Where(entinvitation.NextAtNotNil()).Order(entinvitation.ByNextAt()).First(h.ctx)
		if ent.IsNotFound(err) || err == nil && first.NextAt.After(until) {
			h.clock.set(until)
			return append(all, h.sweep()...)
		}
		h.must(err)
		if now := h.clock.time(); first.NextAt.After(now) {
			h.clock.set(*first.NextAt)
		} else {
			h.clock.set(earlier(now.Add(time.Second), until))
		}
		all = append(all, h.sweep()...)
		if !h.clock.time().Before(until) {
			return all
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// invitations are all of a campaign, as planned first.
func (h *house) invitations(c *ent.Campaign) []*ent.Invitation {
	h.t.Helper()
	all, err := h.db.Ent.Invitation.Query().Where(entinvitation.CampaignID(c.ID)).Order(entinvitation.ByDueAt(), entinvitation.ByID()).All(h.ctx)
	h.must(err)
	return all
}

// became counts invitations of a campaign by what became of them.
func (h *house) became(c *ent.Campaign) map[string]int {
	h.t.Helper()
	counts := map[string]int{}
	for _, i := range h.invitations(c) {
		name := string(i.Status)
		if i.SkippedBecause != nil {
			name += " " + string(*i.SkippedBecause)
		}
		counts[name]++
	}
	return counts
}

// wants sees what became of a campaign's invitations, as `SENT 3, SKIPPED NO_ADDRESS 1`.
func (h *house) wants(c *ent.Campaign, want string) {
	h.t.Helper()
	got := h.became(c)
	wanted := map[string]int{}
	for _, part := range strings.Split(want, ", ") {
		if part == "" {
			continue
		}
		at := strings.LastIndex(part, " ")
		var n int
		if _, err := fmt.Sscan(part[at+1:], &n); err != nil {
			h.t.Fatal(err)
		}
		wanted[part[:at]] = n
	}
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		h.t.Errorf("got %v, want %v", got, wanted)
	}
}

// nobodyTwice wants each address once at most.
func nobodyTwice(t testing.TB, mails []arrived) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range mails {
		if seen[m.to] {
			t.Errorf("%s got two mails", m.to)
		}
		seen[m.to] = true
	}
}

// names are numbered ones.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("p%05d", i)
	}
	return all
}

func unmarshal(text []byte, v any) error { return json.Unmarshal(text, v) }

// What is planned goes out once, at its time.
func TestOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(50)...)
		c := h.campaign("Once")
		h.set(c, h.once())
		h.wants(c, "PLANNED 50")
		if mails := h.sweep(); len(mails) > 1 {
			t.Errorf("%d mails at once", len(mails))
		}
		mails := h.until(monday.Add(24*time.Hour), time.Hour)
		nobodyTwice(t, mails)
		h.wants(c, "SENT 50")
		h.look()
		h.plan(c)
		h.wants(c, "SENT 50")
		if more := h.until(monday.Add(240*time.Hour), 12*time.Hour); len(more) != 0 {
			t.Errorf("%d more mails", len(more))
		}
	})
}
