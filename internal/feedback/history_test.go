package feedback_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// clock stands still, after all that is answered in a history.
func clock() time.Time { return time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC) }

// process is what one process has of a database.
type process struct {
	db      *store.DB
	log     *feedback.Log
	states  *settings.States
	builder *cube.Builder
	insight *insight.Reader
	flushed *flushed
}

// newProcess opens a database as a process does, but for durability, and with a builder that takes few responses at a
// time.
func newProcess(t *testing.T, url string, chunk int) *process {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := newFlushed()
	log, err := feedback.NewLog(db, feedback.Config{Now: clock, Flushed: told.take})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(log.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	// They are inserted only: the histories rebuild by themselves.
	jobs, err := job.NewRunner(db, job.Config{})
	if err != nil {
		t.Fatal(err)
	}
	states := settings.NewStates(db)
	p := &process{
		db: db, log: log, states: states,
		builder: cube.NewBuilder(db, jobs),
		insight: insight.NewReader(db, states, clock), flushed: told,
	}
	p.builder.Chunk = chunk
	job.Handle(jobs, p.builder.Work, job.Options{})
	return p
}

// TestHistories does random things to a tenant, some of them at once and in two processes, and compares all that is
// derived from the responses with a recount of them.
func TestHistories(t *testing.T) {
	fewer(t)
	storetest.EachURL(t, func(t *testing.T, url string) {
		processes := [2]*process{newProcess(t, url, 12), newProcess(t, url, 3)}
		rapid.Check(t, func(rt *rapid.T) {
			h := newHistory(rt, processes)
			for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
				h.round(rt)
				h.verify(rt)
			}
			if err := h.processes[0].builder.Rebuild(h.ctx, h.tenant); err != nil {
				rt.Fatal(err)
			}
			h.verify(rt)
			if s := h.state(rt); s.Building != nil {
				rt.Fatalf("a generation is still being built: %v", s.Building.Shape)
			}
			var generations int
			h.query(rt, func(rows *sql.Rows) error { return rows.Scan(&generations) }, `SELECT count(*) FROM cubes WHERE tenant_id = $1`)
			if generations != 1 {
				rt.Fatalf("%d generations are left, want 1", generations)
			}
		})
	})
}

// fewer lets rapid try less often than by default: a history takes as long as a hundred tries of most properties. Who
// asks for another number by a flag gets that.
func fewer(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() != checks.DefValue {
		return
	}
	set := func(n string) {
		if err := checks.Value.Set(n); err != nil {
			t.Fatal(err)
		}
	}
	set("40")
	t.Cleanup(func() { set(checks.DefValue) })
}

// history is one tenant's, and what is known to have been acknowledged.
type history struct {
	processes [2]*process
	tenant    uuid.UUID
	ctx       context.Context
	campaigns []string
	verified  int

	mu        sync.Mutex
	responses []string // every response that was ever recorded
	recorded  map[string]bool
	deleted   map[string]bool
	contacts  []string
	keys      map[string]string // idempotency key → response
}

func newHistory(rt *rapid.T, processes [2]*process) *history {
	db := processes[0].db
	made, _, err := tenant.Create(context.Background(), db, tenant.CreateInput{Name: "Tenant", TimeZone: rapid.SampledFrom(zones).Draw(rt, "zone")})
	if err != nil {
		rt.Fatal(err)
	}
	h := &history{
		processes: processes, tenant: made.ID, ctx: auth.ForTenant(context.Background(), made.ID),
		recorded: map[string]bool{}, deleted: map[string]bool{}, keys: map[string]string{},
	}
	for i := range 2 {
		c, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: fmt.Sprint("Campaign ", i)})
		if err != nil {
			rt.Fatal(err)
		}
		h.campaigns = append(h.campaigns, id.Campaign.Format(c.ID))
	}
	return h
}

// act is something done to the tenant. Refusals are no errors.
type act func(h *history, p *process) error

// round does some things, in one lane one after the other, in several lanes at once and through both processes.
func (h *history) round(rt *rapid.T) {
	lanes := make([][]act, rapid.SampledFrom([]int{1, 1, 2, 4}).Draw(rt, "lanes"))
	for i := range lanes {
		lanes[i] = rapid.SliceOfN(rapid.Custom(drawAct), 1, 5).Draw(rt, "acts")
	}
	errs := make([]error, len(lanes))
	var running sync.WaitGroup
	for i, acts := range lanes {
		running.Go(func() {
			for _, a := range acts {
				if errs[i] = a(h, h.processes[i%2]); errs[i] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		rt.Fatal(err)
	}
}

func drawAct(rt *rapid.T) act {
	pick := rapid.IntRange(0, 99).Draw(rt, "act")
	n := rapid.IntRange(0, 1000).Draw(rt, "which")
	switch {
	case pick < 30:
		return drawRecord(rt, 1, 1)
	case pick < 42:
		return drawRecord(rt, 2, 8)
	case pick < 43:
		return drawMany(rt)
	case pick < 54:
		return drawAmend(rt, n)
	case pick < 62:
		return drawDelete(n)
	case pick < 66:
		return drawErase(n)
	case pick < 74:
		return drawUpsert(rt)
	case pick < 82:
		return drawDefine(rt)
	case pick < 84:
		key := rapid.SampledFrom(traitKeys).Draw(rt, "trait")
		return func(h *history, p *process) error {
			_, err := settings.DeleteTrait(h.ctx, p.builder, key)
			return unlessRefused(err)
		}
	case pick < 88:
		zone := rapid.SampledFrom(zones).Draw(rt, "zone")
		return func(h *history, p *process) error {
			_, err := tenant.Update(h.ctx, p.db, p.builder, tenant.UpdateInput{TimeZone: &zone})
			return err
		}
	case pick < 97:
		return func(h *history, p *process) error {
			_, err := p.builder.Step(h.ctx, h.tenant)
			return err
		}
	default:
		return func(h *history, p *process) error { return p.builder.Rebuild(h.ctx, h.tenant) }
	}
}

func unlessRefused(err error) error {
	var refused apierror.UserErrors
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

var (
	zones     = []string{"UTC", "Europe/Amsterdam", "America/St_Johns"}
	traitKeys = []string{"plan", "age", "vip", "since"}
)

func drawInstant(rt *rapid.T) *time.Time {
	if rapid.IntRange(0, 9).Draw(rt, "now") == 0 {
		return nil
	}
	at := rapid.SampledFrom(feedbacktest.Changes()).Draw(rt, "change")
	at = at.Add(time.Duration(rapid.IntRange(-4, 4).Draw(rt, "half hours")) * 30 * time.Minute)
	at = at.Add(-time.Duration(rapid.IntRange(0, 1).Draw(rt, "µs")) * time.Microsecond)
	return new(at.AddDate(0, 0, rapid.IntRange(-1, 1).Draw(rt, "days")))
}

func drawTraits(rt *rapid.T) trait.Values {
	v := trait.Values{}
	for _, key := range traitKeys {
		n := rapid.IntRange(0, 5).Draw(rt, key)
		switch {
		case n < 2:
		case n == 2:
			v[key] = nil
		case rapid.IntRange(0, 19).Draw(rt, "odd") == 0:
			v[key] = "2024-02-30"
		default:
			v[key] = map[string]any{
				"plan": strconv.Itoa(n), "age": float64(n)*7.5 - 25, "vip": n%2 == 0, "since": fmt.Sprintf("202%d-0%d-29", n, n-1),
			}[key]
		}
	}
	return v
}

func drawContact(rt *rapid.T) *contact.Input {
	in := &contact.Input{Traits: drawTraits(rt)}
	how, who := rapid.IntRange(0, 3).Draw(rt, "known by"), rapid.IntRange(0, 4).Draw(rt, "who")
	if how != 1 {
		in.ExternalID = new(fmt.Sprint("person ", who))
	}
	if how != 0 {
		if how == 3 {
			who = rapid.IntRange(0, 4).Draw(rt, "whose address")
		}
		in.Email = new(rapid.SampledFrom([]string{"person%d@example.org", "Person%d@Example.org"}).Draw(rt, "case"))
		*in.Email = fmt.Sprintf(*in.Email, who)
	}
	if rapid.Bool().Draw(rt, "named") {
		in.Name = new("Somebody")
	}
	return in
}

func drawRecording(rt *rapid.T) feedback.Recording {
	r := feedback.Recording{
		Score:       rapid.IntRange(0, 10).Draw(rt, "score"),
		Channel:     rapid.SampledFrom([]response.Channel{"API", "EMAIL", "IMPORT"}).Draw(rt, "channel"),
		RespondedAt: drawInstant(rt),
		Traits:      drawTraits(rt),
	}
	if rapid.Bool().Draw(rt, "contact") {
		r.Contact = drawContact(rt)
	}
	if rapid.Bool().Draw(rt, "variant") {
		r.Variant = new(rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "variant"))
	}
	if rapid.Bool().Draw(rt, "comment") {
		r.Comment = new("as it is")
	}
	if rapid.IntRange(0, 2).Draw(rt, "keyed") == 0 {
		r.IdempotencyKey = new(fmt.Sprint("key ", rapid.IntRange(0, 5).Draw(rt, "key")))
	}
	return r
}

func drawRecord(rt *rapid.T, least, most int) act {
	items := rapid.SliceOfN(rapid.Custom(drawRecording), least, most).Draw(rt, "responses")
	to := rapid.SliceOfN(rapid.IntRange(0, 1), len(items), len(items)).Draw(rt, "campaigns")
	return func(h *history, p *process) error {
		for i := range items {
			items[i].Campaign = h.campaigns[to[i]]
		}
		return h.record(p, items)
	}
}

// drawMany passes the limits of values of a dimension and of variants.
func drawMany(rt *rapid.T) act {
	first := rapid.IntRange(0, 100).Draw(rt, "first")
	return func(h *history, p *process) error {
		items := make([]feedback.Recording, trait.MaxValues+20)
		for i := range items {
			items[i] = feedback.Recording{
				Campaign: h.campaigns[0], Score: i % 11, Channel: "LINK", Variant: new(fmt.Sprint("v", first+i)),
				Traits: trait.Values{"plan": fmt.Sprint("p", first+i)}, RespondedAt: &feedbacktest.Changes()[i%3],
			}
		}
		return h.record(p, items)
	}
}

func (h *history) record(p *process, items []feedback.Recording) error {
	out, err := p.log.Record(h.ctx, items)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, o := range out {
		if (o.Value == nil) == (o.Errors == nil) {
			return fmt.Errorf("response %d has neither value nor errors, or both: %v, %v", i, o.Value, o.Errors)
		}
		if o.Value == nil {
			continue
		}
		text := o.Value.NodeID()
		if key := items[i].IdempotencyKey; key != nil {
			if known, used := h.keys[*key]; used && known != text {
				return fmt.Errorf("%s named %s and %s", *key, known, text)
			}
			h.keys[*key] = text
		}
		if !o.Replayed {
			if h.recorded[text] {
				return fmt.Errorf("%s was recorded twice", text)
			}
			h.recorded[text] = true
			h.responses = append(h.responses, text)
		}
		if c := o.Value.ContactID; c != nil {
			h.contacts = append(h.contacts, id.Contact.Format(*c))
		}
	}
	return nil
}

// one is any of a list that others may be adding to.
func (h *history) one(list *[]string, n int) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(*list) == 0 {
		return "", false
	}
	return (*list)[n%len(*list)], true
}

func drawAmend(rt *rapid.T, n int) act {
	in := feedback.Amendment{}
	if rapid.IntRange(0, 3).Draw(rt, "with score") > 0 {
		in.Score = new(rapid.IntRange(0, 10).Draw(rt, "score"))
	}
	if in.Score == nil || rapid.Bool().Draw(rt, "with comment") {
		in.Comment = new(rapid.SampledFrom([]string{"", "better", "worse"}).Draw(rt, "comment"))
	}
	return func(h *history, p *process) error {
		target, ok := h.one(&h.responses, n)
		if !ok {
			return nil
		}
		in := in
		in.ID = target
		out, err := p.log.Amend(h.ctx, in)
		if err == nil && out.Value != nil && in.Score != nil && out.Value.Score != *in.Score {
			err = fmt.Errorf("amended to %d, got %d", *in.Score, out.Value.Score)
		}
		return err
	}
}

func drawDelete(n int) act {
	return func(h *history, p *process) error {
		target, ok := h.one(&h.responses, n)
		if !ok {
			return nil
		}
		out, err := p.log.Delete(h.ctx, target)
		if err != nil || out.Value == nil {
			return err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.deleted[target] {
			return fmt.Errorf("%s was deleted twice", target)
		}
		h.deleted[target] = true
		return nil
	}
}

func drawErase(n int) act {
	return func(h *history, p *process) error {
		target, ok := h.one(&h.contacts, n)
		if !ok {
			return nil
		}
		_, err := p.log.Erase(h.ctx, target)
		return err
	}
}

func drawUpsert(rt *rapid.T) act {
	drawn := rapid.SliceOfN(rapid.Custom(drawContact), 1, 4).Draw(rt, "contacts")
	return func(h *history, p *process) error {
		items := make([]contact.Input, len(drawn))
		for i := range drawn {
			items[i] = *drawn[i]
		}
		out, err := p.log.Upsert(h.ctx, items)
		if err != nil {
			return err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, o := range out {
			if (o.Value == nil) == (o.Errors == nil) {
				return fmt.Errorf("contact %d has neither value nor errors, or both: %v, %v", i, o.Value, o.Errors)
			}
			if o.Value != nil {
				h.contacts = append(h.contacts, o.Value.NodeID())
			}
		}
		return nil
	}
}

func drawDefine(rt *rapid.T) act {
	in := settings.DefineTraitInput{
		Key: rapid.SampledFrom(traitKeys).Draw(rt, "trait"), IsDimension: rapid.IntRange(0, 3).Draw(rt, "dimension") > 0,
	}
	in.Kind = map[string]trait.Kind{"plan": trait.Text, "age": trait.Number, "vip": trait.Boolean, "since": trait.Date}[in.Key]
	if rapid.IntRange(0, 7).Draw(rt, "another kind") == 0 {
		in.Kind = rapid.SampledFrom([]trait.Kind{trait.Text, trait.Number, trait.Boolean, trait.Date}).Draw(rt, "kind")
	}
	if in.Kind == trait.Number || in.Kind == trait.Date {
		in.Edges = rapid.SampledFrom([][]float64{nil, {}, {0}, {3, 12}, {5, 12, 40}}).Draw(rt, "edges")
	}
	return func(h *history, p *process) error {
		_, err := settings.DefineTrait(h.ctx, p.builder, in)
		return unlessRefused(err)
	}
}

func (h *history) state(rt *rapid.T) *settings.State {
	s, err := settings.Load(h.ctx, h.processes[0].db, h.tenant)
	if err != nil {
		rt.Fatal(err)
	}
	return s
}

func (h *history) query(rt *rapid.T, scan func(*sql.Rows) error, text string, args ...any) {
	rows, err := h.processes[0].db.Reader.QueryContext(h.ctx, text, append([]any{h.tenant}, args...)...)
	if err != nil {
		rt.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			rt.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		rt.Fatal(err)
	}
}

// verify compares everything with the responses as they are stored, while nobody writes.
func (h *history) verify(rt *rapid.T) {
	db := h.processes[0].db
	if found := examine(rt, db, false); len(found) > 0 {
		rt.Fatalf("the doctor finds %v", found)
	}
	rows, err := db.Ent.Response.Query().All(h.ctx)
	if err != nil {
		rt.Fatal(err)
	}
	h.verifyResponses(rt, rows)
	h.verifyLog(rt, rows)
	h.verifyContacts(rt)
	s := h.state(rt)
	if s.Building == nil {
		h.verifyShape(rt, s)
	}
	again := recount(rt, s, rows)
	h.verifyCells(rt, s, again)
	h.verified++
	h.verifyInsight(rt, h.processes[h.verified%2], s, again)
	h.verifyLists(rt, s, again)
}

// verifyResponses looks for those that were acknowledged, and no others.
func (h *history) verifyResponses(rt *rapid.T, rows []*ent.Response) {
	want := maps.Clone(h.recorded)
	for text := range h.deleted {
		delete(want, text)
	}
	for _, r := range rows {
		if !want[r.NodeID()] {
			rt.Fatalf("%s was not recorded, or was deleted", r.NodeID())
		}
		delete(want, r.NodeID())
	}
	if len(want) > 0 {
		rt.Fatalf("lost: %v", slices.Collect(maps.Keys(want)))
	}
}

// verifyLog reads the log from its beginning and follows each response through it.
func (h *history) verifyLog(rt *rapid.T, rows []*ent.Response) {
	type life struct {
		score    *int
		recorded int
	}
	lives := map[uuid.UUID]*life{}
	var position int64
	var told []*feedback.Entry
	for _, p := range h.processes {
		told = append(told, p.flushed.of(h.tenant)...)
	}
	slices.SortStableFunc(told, func(a, b *feedback.Entry) int { return cmp.Compare(a.Position, b.Position) })
	there := map[uuid.UUID]*ent.Response{}
	for _, r := range rows {
		there[r.ID] = r
	}
	for {
		events, err := feedback.ReadEntries(h.ctx, h.processes[1].db, position, 50)
		if err != nil {
			rt.Fatal(err)
		}
		if len(told) < len(events) {
			rt.Fatalf("after %d there are %d events, and flushes told of %d", position, len(events), len(told))
		}
		for i, e := range events {
			if texts := [2]string{eventText(e), eventText(told[i])}; texts[0] != texts[1] {
				rt.Fatalf("the log has %s, and a flush told %s", texts[0], texts[1])
			}
			sameEntry(rt, e, there[e.Event.Response])
		}
		told = told[len(events):]
		for _, e := range events {
			if position++; e.Position != position {
				rt.Fatalf("event %d stands at position %d", position, e.Position)
			}
			l := lives[e.Event.Response]
			switch {
			case e.Kind == feedback.Recorded && l == nil && e.Score != nil && e.PreviousScore == nil:
				lives[e.Event.Response] = &life{score: e.Score, recorded: 1}
			case e.Kind == feedback.Amended && l != nil && l.score != nil && e.Score != nil:
				if e.PreviousScore == nil && *e.Score != *l.score ||
					e.PreviousScore != nil && (*e.PreviousScore != *l.score || *e.Score == *l.score) {
					rt.Fatalf("at %d, %v is amended from %v to %d, after %d", position, e.Event.Response, e.PreviousScore, *e.Score, *l.score)
				}
				l.score = e.Score
			case e.Kind == feedback.Deleted && l != nil && l.score != nil && e.Score == nil && e.PreviousScore != nil && *e.PreviousScore == *l.score:
				l.score = nil
			default:
				rt.Fatalf("the event at %d, %+v, does not follow %+v", position, e, l)
			}
		}
		if len(events) == 0 {
			break
		}
	}
	if len(lives) != len(h.recorded) {
		rt.Fatalf("the log knows %d responses, want %d", len(lives), len(h.recorded))
	}
	for _, r := range rows {
		if l := lives[r.ID]; l == nil || l.score == nil || *l.score != r.Score {
			rt.Fatalf("%s has the score %d, and in the log %+v", r.NodeID(), r.Score, l)
		}
	}
	var stored int64
	h.query(rt, func(rows *sql.Rows) error { return rows.Scan(&stored) }, `SELECT log_position FROM tenants WHERE id = $1`)
	if stored != position {
		rt.Fatalf("the log's position is %d, want %d", stored, position)
	}
}

func (h *history) verifyContacts(rt *rapid.T) {
	people, err := h.processes[0].db.Ent.Contact.Query().All(h.ctx)
	if err != nil {
		rt.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range people {
		if c.ExternalID == nil && c.Email == nil || (c.Email == nil) != (c.EmailKey == nil) {
			rt.Fatalf("contact %v cannot be found", c)
		}
		for _, key := range []*string{c.ExternalID, c.EmailKey} {
			if key != nil && seen[*key] {
				rt.Fatalf("there are two of %s", *key)
			}
			if key != nil {
				seen[*key] = true
			}
		}
	}
}

// verifyShape looks whether the cube is cut as zone and traits ask for.
func (h *history) verifyShape(rt *rapid.T, s *settings.State) {
	if s.Active.Shape.Zone != s.Zone {
		rt.Fatalf("the cube's zone is %s, want %s", s.Active.Shape.Zone, s.Zone)
	}
	traits, err := h.processes[0].db.Ent.Trait.Query().All(h.ctx)
	if err != nil {
		rt.Fatal(err)
	}
	var want []trait.Dimension
	for _, d := range traits {
		if d.IsDimension {
			want = append(want, trait.Dimension{Key: d.Key, Kind: d.Kind, Edges: d.Edges})
		}
	}
	slices.SortFunc(want, func(a, b trait.Dimension) int { return cmp.Compare(a.Key, b.Key) })
	if fmt.Sprint(want) != fmt.Sprint(s.Active.Shape.Dimensions) {
		rt.Fatalf("the cube's dimensions are %v, want %v", s.Active.Shape.Dimensions, want)
	}
}

// place is where a response counts.
type place struct {
	campaign, channel, variant string
	date                       string
	values                     string
}

// valueOf is the dimension value, by the words of the API and not by the code that is tested.
func valueOf(d trait.Dimension, v trait.Values, year int, month time.Month, day int) string {
	var number float64
	switch value := v[d.Key].(type) {
	case string:
		if d.Kind == trait.Text {
			return value
		}
		since, err := time.Parse(time.DateOnly, value)
		if d.Kind != trait.Date || err != nil {
			return "(none)"
		}
		months := (year-since.Year())*12 + int(month-since.Month())
		if day < since.Day() {
			months--
		}
		if months < 0 {
			return "(none)"
		}
		number = float64(months)
	case float64:
		if d.Kind != trait.Number {
			return "(none)"
		}
		number = value
	case bool:
		if d.Kind != trait.Boolean {
			return "(none)"
		}
		return fmt.Sprint(value)
	default:
		return "(none)"
	}
	switch n := len(d.Edges); {
	case n == 0:
		return fmt.Sprint(number)
	case number < d.Edges[0]:
		return fmt.Sprintf("<%v", d.Edges[0])
	case number >= d.Edges[n-1]:
		return fmt.Sprintf("≥%v", d.Edges[n-1])
	}
	for i := 1; ; i++ {
		if number < d.Edges[i] {
			return fmt.Sprintf("%v–%v", d.Edges[i-1], d.Edges[i])
		}
	}
}

// counted is a response as a recount sees it.
type counted struct {
	*ent.Response
	date, variant string
	values        []string
}

// recount finds day, variant and values of each response. What a dimension keeps apart is what the cube's profiles hold:
// all values while they are few, and the rest is (other).
func recount(rt *rapid.T, s *settings.State, rows []*ent.Response) []counted {
	zone, err := time.LoadLocation(s.Active.Shape.Zone)
	if err != nil {
		rt.Fatal(err)
	}
	dims := s.Active.Shape.Dimensions
	kept := make([]map[string]bool, len(dims)+1)
	for i := range kept {
		kept[i] = map[string]bool{}
	}
	for _, p := range s.Active.Profiles.All() {
		for i, v := range append([]string{p.Variant}, p.Values...) {
			if v != "(none)" && v != "(other)" {
				kept[i][v] = true
			}
		}
	}
	cover := func(i int, v string) string {
		if v == "(none)" || kept[i][v] {
			return v
		}
		if len(kept[i]) != trait.MaxValues {
			rt.Fatalf("%q is not kept apart, though there are %d values", v, len(kept[i]))
		}
		return "(other)"
	}
	out := make([]counted, len(rows))
	for i, r := range rows {
		year, month, day := r.RespondedAt.In(zone).Date()
		c := counted{Response: r, date: fmt.Sprintf("%04d-%02d-%02d", year, month, day), variant: "(none)"}
		if r.Variant != nil {
			c.variant = *r.Variant
		}
		c.variant = cover(0, c.variant)
		for j, d := range dims {
			c.values = append(c.values, cover(j+1, valueOf(d, r.Traits, year, month, day)))
		}
		out[i] = c
	}
	return out
}

func (h *history) verifyCells(rt *rapid.T, s *settings.State, rows []counted) {
	want := map[place]nps.Histogram{}
	add := func(p place, score int) {
		n := want[p]
		n[score]++
		want[p] = n
	}
	for _, c := range rows {
		for grain, date := range []string{c.date, c.date[:7] + "-01"} {
			date = fmt.Sprint(grain, " ", date)
			add(place{campaign: c.CampaignID.String(), date: date}, c.Score)
			add(place{campaign: c.CampaignID.String(), channel: string(c.Channel), variant: c.variant, date: date, values: fmt.Sprintf("%q", c.values)}, c.Score)
		}
	}
	got := map[place]nps.Histogram{}
	h.query(rt, func(rows *sql.Rows) error {
		var campaign uuid.UUID
		var grain cube.Grain
		var start int64
		var profile int32
		var n nps.Histogram
		err := rows.Scan(&campaign, &grain, &start, &profile, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8], &n[9], &n[10])
		if err != nil || n == (nps.Histogram{}) {
			return err
		}
		p := place{campaign: campaign.String(), date: time.Unix(start*24*60*60, 0).UTC().Format(time.DateOnly)}
		switch grain {
		case cube.DayProfile, cube.DayTotal:
			p.date = "0 " + p.date
		default:
			p.date = "1 " + p.date
		}
		if grain == cube.DayProfile || grain == cube.MonthProfile {
			known := s.Active.Profiles.All()[profile-1]
			p.channel, p.variant, p.values = known.Channel, known.Variant, fmt.Sprintf("%q", known.Values)
		} else if profile != 0 {
			return fmt.Errorf("a total of profile %d", profile)
		}
		if _, twice := got[p]; twice {
			return fmt.Errorf("two cells for %v", p)
		}
		got[p] = n
		return nil
	}, `SELECT campaign_id, grain, start, profile_id, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10
		FROM cells WHERE tenant_id = $1 AND cube = $2`, s.Active.Number)
	same(rt, "cells", got, want)
}

func same[K comparable](rt *rapid.T, what string, got, want map[K]nps.Histogram) {
	if maps.Equal(got, want) {
		return
	}
	for k, n := range want {
		if got[k] != n {
			rt.Errorf("%s: %v has %v, want %v", what, k, got[k], n)
		}
	}
	for k, n := range got {
		if _, ok := want[k]; !ok {
			rt.Errorf("%s: %v has %v, want nothing", what, k, n)
		}
	}
	rt.FailNow()
}

func histogramOf(rt *rapid.T, s *insight.Score) nps.Histogram {
	var n nps.Histogram
	for score, count := range s.Histogram() {
		n[score] = int64(count)
	}
	if s.Responses() != int(n.Count()) || s.Promoters()+s.Passives()+s.Detractors() != s.Responses() {
		rt.Fatalf("%d responses, of which %d, %d and %d", s.Responses(), s.Promoters(), s.Passives(), s.Detractors())
	}
	return n
}

// verifyInsight asks for totals, trends and breakdowns, through caches that have been used since the tenant began.
func (h *history) verifyInsight(rt *rapid.T, p *process, s *settings.State, rows []counted) {
	ask := func(f selection.Filter) *insight.Feedback {
		asked, err := p.insight.Feedback(h.ctx, f, selection.Within{})
		if err != nil {
			rt.Fatal(err)
		}
		return asked
	}
	total := func(what string, f selection.Filter, counts func(counted) bool) {
		score, err := ask(f).Score(h.ctx)
		if err != nil {
			rt.Fatal(err)
		}
		var want nps.Histogram
		for _, c := range rows {
			if counts(c) {
				want[c.Score]++
			}
		}
		if got := histogramOf(rt, score); got != want {
			rt.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
	total("all", selection.Filter{}, func(counted) bool { return true })
	total("e-mail to one campaign", selection.Filter{Campaigns: h.campaigns[:1], Channels: []response.Channel{"EMAIL"}}, func(c counted) bool {
		return id.Campaign.Format(c.CampaignID) == h.campaigns[0] && c.Channel == "EMAIL"
	})
	from, to := calendar.Of(2024, 3, 10), calendar.Of(2024, 10, 27)
	total("some days", selection.Filter{From: &from, To: &to}, func(c counted) bool {
		return c.date >= "2024-03-10" && c.date <= "2024-10-27"
	})
	if i := slices.IndexFunc(s.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == "plan" && d.Kind == trait.Text }); i >= 0 {
		rule := segment.Rule{Not: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"3", "p7"}}}}
		total("a segment", selection.Filter{Where: &rule}, func(c counted) bool { return c.values[i] != "3" && c.values[i] != "p7" })
	}
	for _, interval := range []calendar.Interval{calendar.Monthly, calendar.Daily} {
		f := selection.Filter{}
		if interval == calendar.Daily {
			f.From, f.To = &from, &to // else there would be too many points
		}
		points, err := ask(f).Trend(h.ctx, interval, 1)
		if err != nil {
			rt.Fatal(err)
		}
		got, want := map[string]nps.Histogram{}, map[string]nps.Histogram{}
		for _, point := range points {
			if n := histogramOf(rt, point.Score); n.Count() > 0 {
				got[point.Start.String()] = n
			}
		}
		for _, c := range rows {
			date := c.date
			if interval == calendar.Monthly {
				date = date[:7] + "-01"
			} else if date < "2024-03-10" || date > "2024-10-27" {
				continue
			}
			n := want[date]
			n[c.Score]++
			want[date] = n
		}
		same(rt, "trend by "+string(interval), got, want)
	}
	keys := map[string]func(counted) string{
		"channel": func(c counted) string { return string(c.Channel) },
		"variant": func(c counted) string { return c.variant },
	}
	for i, d := range s.Active.Shape.Dimensions {
		if s.Traits[d.Key].IsDimension {
			keys[d.Key] = func(c counted) string { return c.values[i] }
		}
	}
	for key, value := range keys {
		groups, err := ask(selection.Filter{}).Breakdown(h.ctx, []string{key}, trait.MaxValues, insight.ByResponses, 1)
		if err != nil {
			rt.Fatal(err)
		}
		got, want := map[string]nps.Histogram{}, map[string]nps.Histogram{}
		for _, g := range groups {
			got[g.Values[0]] = histogramOf(rt, g.Score)
		}
		for _, c := range rows {
			n := want[value(c)]
			n[c.Score]++
			want[value(c)] = n
		}
		if _, crowded := want["(none)"]; crowded && len(want) > trait.MaxValues+1 {
			continue // (none) takes a group too, and the last of the others joins (other)
		}
		same(rt, "breakdown by "+key, got, want)
	}
}

// verifyLists lists what was answered on a few days, which may have had 23 hours, or 25, or begun twice.
func (h *history) verifyLists(rt *rapid.T, s *settings.State, rows []counted) {
	byDate := map[string][]string{}
	for _, c := range rows {
		byDate[c.date] = append(byDate[c.date], c.NodeID())
	}
	dates := slices.Sorted(maps.Keys(byDate))
	for _, date := range dates[:min(4, len(dates))] {
		want := byDate[date]
		day, err := calendar.ParseDay(date)
		if err != nil {
			rt.Fatal(err)
		}
		var got []string
		for args := (page.Args{First: new(100)}); ; {
			p := h.processes[1]
			list, err := selection.List(h.ctx, p.db, p.states, selection.Filter{From: &day, To: &day}, selection.Within{}, args, nil, clock())
			if err != nil {
				rt.Fatal(err)
			}
			for _, r := range list.Nodes() {
				got = append(got, r.NodeID())
			}
			if list.PageInfo.HasNextPage {
				args.After = list.PageInfo.EndCursor
				continue
			}
			if n, err := list.TotalCount(h.ctx); err != nil || n != len(want) {
				rt.Fatalf("on %s there are %d, %v; want %d", date, n, err, len(want))
			}
			break
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("on %s in %s there are %v, want %v", date, s.Active.Shape.Zone, got, want)
		}
	}
	for _, asc := range []bool{false, true} {
		order := &selection.Order{Field: selection.ByRespondedAt, Direction: selection.Descending}
		if asc {
			order.Direction = selection.Ascending
		}
		i := slices.IndexFunc(s.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == "plan" && d.Kind == trait.Text })
		if i < 0 {
			return
		}
		rule := segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"3", "4", "p70", "(none)"}}}
		var want []string
		for _, c := range slices.SortedFunc(slices.Values(rows), func(a, b counted) int {
			order := cmp.Or(a.RespondedAt.Compare(b.RespondedAt), cmp.Compare(a.ID.String(), b.ID.String()))
			if !asc {
				order = -order
			}
			return order
		}) {
			if slices.Contains(rule.Trait.In, c.values[i]) {
				want = append(want, c.NodeID())
			}
		}
		p := h.processes[0]
		for _, backward := range []bool{false, true} {
			args, got := page.Args{First: new(7)}, []string{}
			if backward {
				args = page.Args{Last: new(7)}
			}
			for more := true; more; {
				list, err := selection.List(h.ctx, p.db, p.states, selection.Filter{Where: &rule}, selection.Within{}, args, order, clock())
				if err != nil {
					rt.Fatal(err)
				}
				var ids []string
				for _, r := range list.Nodes() {
					ids = append(ids, r.NodeID())
				}
				if backward {
					got = append(ids, got...)
					more, args.Before = list.PageInfo.HasPreviousPage, list.PageInfo.StartCursor
				} else {
					got = append(got, ids...)
					more, args.After = list.PageInfo.HasNextPage, list.PageInfo.EndCursor
				}
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("of a segment, ascending %t, backwards %t, there are %v, want %v", asc, backward, got, want)
			}
		}
	}
}

// TestNarrowedWhileBuilding wants a narrowed caller not to learn how many responses there are in all.
func TestNarrowedWhileBuilding(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newProcess(t, url, 1)
		f := &feedbacktest.Fixture{T: t, DB: p.db, Log: p.log, Builder: p.builder}
		f.Ctx, f.Tenant = feedbacktest.NewTenant(t, p.db)
		f.Campaign = f.Open("Campaign")
		for range 3 {
			f.Record(f.Recording())
		}
		f.Define("plan", trait.Text, true)
		filter := selection.Filter{Where: &segment.Rule{Trait: &segment.Condition{Key: "plan", IsKnown: new(true)}}}
		for _, n := range []auth.Narrowing{{}, {Campaigns: []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, f.Campaign)}}} {
			ctx := auth.With(t.Context(), auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Narrowing: n})
			_, listing := selection.List(ctx, p.db, p.states, filter, selection.Within{}, page.Args{}, nil, feedbacktest.Clock())
			body, err := p.insight.Feedback(ctx, selection.Filter{}, selection.Within{})
			if err != nil {
				t.Fatal(err)
			}
			_, breaking := body.Breakdown(ctx, []string{"plan"}, 10, insight.ByResponses, 1)
			for _, err := range []error{listing, breaking} {
				var refused *apierror.Error
				if !errors.As(err, &refused) || refused.Code != apierror.BadRequestCode || strings.Contains(refused.Message, "0 of 3 so far") != n.IsZero() {
					t.Errorf("narrowed to %v: %v", n, err)
				}
			}
		}
	})
}
