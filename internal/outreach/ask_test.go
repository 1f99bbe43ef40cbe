package outreach_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

// invite asks people by a mail at once.
func (h *house) invite(c *ent.Campaign, names ...string) []feedback.Outcome[ent.Invitation] {
	h.t.Helper()
	return h.inviteBy(c, outreach.ByEmail, names...)
}

func (h *house) inviteBy(c *ent.Campaign, by outreach.Delivery, names ...string) []feedback.Outcome[ent.Invitation] {
	h.t.Helper()
	in := outreach.InviteInput{Campaign: c.NodeID(), Delivery: by}
	for _, name := range names {
		in.Invitees = append(in.Invitees, outreach.Invitee{Contact: contact.Input{ExternalID: &name}})
	}
	out, err := h.desk.Invite(h.ctx, in)
	h.must(err)
	return out
}

// event says that something happened to people now.
func (h *house) event(event string, names ...string) {
	h.t.Helper()
	var in []outreach.ContactEvent
	for _, name := range names {
		in = append(in, outreach.ContactEvent{Contact: contact.Input{ExternalID: &name}, Name: event})
	}
	out, err := h.desk.Record(h.ctx, in)
	h.must(err)
	for _, o := range out {
		h.must(o.Errors.Err())
	}
}

func (h *house) suppress(why entsuppression.Reason, names ...string) {
	h.t.Helper()
	var all []string
	for _, name := range names {
		all = append(all, address(name))
	}
	_, err := h.desk.Suppress(h.ctx, all, why)
	h.must(err)
}

func (h *house) erase(name string) {
	h.t.Helper()
	out, err := h.log.Erase(h.ctx, h.person(name).NodeID())
	h.must(err)
	h.must(out.Errors.Err())
}

// together does something n times at once.
func together(t testing.TB, n int, do func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// keyed are people to invite, each with a key.
func keyed(pairs ...string) (in []outreach.Invitee) {
	for i := 0; i < len(pairs); i += 2 {
		in = append(in, outreach.Invitee{Contact: contact.Input{ExternalID: &pairs[i], Email: new(address(pairs[i]))}, IdempotencyKey: &pairs[i+1]})
	}
	return in
}

// codes are those of the first errors, or the status, of each.
func codes(out []feedback.Outcome[ent.Invitation]) (all []string) {
	for _, o := range out {
		switch {
		case o.Errors != nil:
			all = append(all, string(o.Errors[0].Code))
		case o.Replayed:
			all = append(all, "again")
		default:
			all = append(all, string(o.Value.Status))
		}
	}
	return all
}

// A key names an invitation once and for all: in one call, in several, and in several at once. Whoever it does not invite is not asked.
func TestInviteByKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		c, other := h.campaign("Campaign"), h.campaign("Other")
		invite := func(c *ent.Campaign, by outreach.Delivery, in []outreach.Invitee) []feedback.Outcome[ent.Invitation] {
			t.Helper()
			out, err := h.desk.Invite(h.ctx, outreach.InviteInput{Campaign: c.NodeID(), Delivery: by, Invitees: in})
			h.must(err)
			return out
		}
		wants := func(out []feedback.Outcome[ent.Invitation], want ...string) {
			t.Helper()
			if got := codes(out); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		first := invite(c, outreach.ByLink, keyed("ada", "1", "ada", "1", "bob", "1", "cleo", "2"))
		wants(first, "SENT", "again", "CONFLICT", "SENT")
		if h.person("bob").LastAskedAt != nil {
			t.Error("somebody who was not invited counts as asked")
		}
		again := invite(c, outreach.ByEmail, keyed("ada", "1", "cleo", "2", "dan", "3"))
		wants(again, "again", "again", "PLANNED")
		if again[0].Value.ID != first[0].Value.ID {
			t.Error("the key names another")
		}
		wants(invite(other, outreach.ByLink, keyed("ada", "1")), "CONFLICT")
		wants(invite(c, outreach.ByLink, keyed("bob", "1")), "CONFLICT")
		if n := outreach.Invited(first); n != 2 {
			t.Errorf("%d were invited", n)
		}
		// At once, one key of different people.
		h.people("", "x0", "x1")
		outs := make([][]feedback.Outcome[ent.Invitation], 6)
		who := []string{"x0", "x1", "x0", "x1", "x0", "x1"}
		together(t, len(outs), func(i int) (err error) {
			outs[i], err = h.desk.Invite(h.ctx, outreach.InviteInput{Campaign: c.NodeID(), Delivery: outreach.ByLink, Invitees: keyed(who[i], "4")})
			return err
		})
		got := map[string]int{}
		var winner string
		for i, out := range outs {
			code := codes(out)[0]
			got[code]++
			if code == "SENT" {
				winner = who[i]
			}
		}
		if got["SENT"] != 1 || got["again"] != 2 || got["CONFLICT"] != 3 {
			t.Errorf("got %v", got)
		}
		for _, name := range []string{"x0", "x1"} {
			if is := h.person(name).LastAskedAt != nil; is != (name == winner) {
				t.Errorf("%s counts as asked: %t, and %s was invited", name, is, winner)
			}
		}
	})
}

// Who is invited by a link of their own counts as asked, and the link works; who was asked just now is not, unless the caller wants it.
func TestInviteByLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		c := h.campaign("Campaign")
		h.people("", "ada", "bob", "gone")
		h.upsert(contact.Input{ExternalID: new("nobody")})
		h.suppress(entsuppression.ReasonUNSUBSCRIBED, "bob")
		out := h.inviteBy(c, outreach.ByLink, "ada", "bob", "nobody", "ada")
		if got := codes(out); !slices.Equal(got, []string{"SENT", "SKIPPED", "SENT", "SKIPPED"}) {
			t.Fatalf("got %v", got)
		}
		h.wants(c, "SENT 2, SKIPPED UNSUBSCRIBED 1, SKIPPED QUIET_PERIOD 1")
		for i, o := range out {
			text, err := h.desk.Link(h.ctx, o.Value)
			h.must(err)
			if (text == "") != (o.Value.Status == entinvitation.StatusSKIPPED) {
				t.Errorf("the link of %d is %q", i, text)
			}
			if text == "" {
				continue
			}
			ring, err := h.book.Ring(t.Context(), h.tenant, 0)
			h.must(err)
			claim, err := link.Parse(strings.TrimPrefix(text, "/s/"))
			h.must(err)
			l, err := claim.Verify(ring)
			if err != nil || l.Subject != o.Value.ID || l.Kind != link.Invitation {
				t.Errorf("the link opens %v, %v", l, err)
			}
		}
		if asked := h.person("ada").LastAskedAt; asked == nil || !asked.Equal(monday) {
			t.Errorf("asked on %v", asked)
		}
		again, err := h.desk.Invite(h.ctx, outreach.InviteInput{
			Campaign: c.NodeID(), Delivery: outreach.ByEmail, IgnoreQuietPeriod: true,
			Invitees: []outreach.Invitee{{Contact: contact.Input{ExternalID: new("ada")}}, {Contact: contact.Input{ExternalID: new("bob")}}},
		})
		h.must(err)
		if got := codes(again); !slices.Equal(got, []string{"PLANNED", "SKIPPED"}) {
			t.Errorf("got %v", got)
		}
		if mails := h.sweep(); len(mails) != 1 {
			t.Errorf("%d mails", len(mails))
		}
		// Links count for no budget of mails.
		if n := h.sent(); n != 1 {
			t.Errorf("%d count for the budget", n)
		}
		h.clock.pass(30*24*time.Hour - time.Microsecond)
		if got := codes(h.inviteBy(c, outreach.ByLink, "ada")); got[0] != "SKIPPED" {
			t.Errorf("a moment before the quiet period ends: %v", got)
		}
		h.clock.pass(time.Microsecond)
		if got := codes(h.inviteBy(c, outreach.ByLink, "ada")); got[0] != "SENT" {
			t.Errorf("when the quiet period ends: %v", got)
		}
	})
}

// What is asked for later is decided then, and can be called back until then.
func TestInviteLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		c := h.campaign("Campaign")
		h.people("", "ada", "bob", "cleo")
		in := outreach.InviteInput{Campaign: c.NodeID(), Delivery: outreach.ByEmail, At: new(monday.Add(24 * time.Hour))}
		for _, name := range []string{"ada", "bob", "cleo"} {
			in.Invitees = append(in.Invitees, outreach.Invitee{Contact: contact.Input{ExternalID: &name}, Traits: trait.Values{"shop": "Linz"}})
		}
		out, err := h.desk.Invite(h.ctx, in)
		h.must(err)
		if mails := h.sweep(); len(mails) != 0 {
			t.Errorf("%d mails before their time", len(mails))
		}
		h.suppress(entsuppression.ReasonMANUAL, "bob")
		back, err := h.desk.Cancel(h.ctx, []string{out[2].Value.NodeID(), "inv_00000000000000000000000000", "camp_1"})
		h.must(err)
		if got := codes(back); !slices.Equal(got, []string{"CANCELLED", "NOT_FOUND", "INVALID"}) {
			t.Errorf("got %v", got)
		}
		if mails := h.run(monday.Add(25 * time.Hour)); len(mails) != 1 || mails[0].to != address("ada") || !mails[0].at.Equal(monday.Add(24*time.Hour)) {
			t.Errorf("got %v", mails)
		}
		h.wants(c, "SENT 1, CANCELLED 1, SKIPPED SUPPRESSED 1")
		back, err = h.desk.Cancel(h.ctx, []string{out[0].Value.NodeID(), out[1].Value.NodeID(), out[2].Value.NodeID()})
		h.must(err)
		if got := codes(back); !slices.Equal(got, []string{"CONFLICT", "CONFLICT", "CONFLICT"}) {
			t.Errorf("got %v", got)
		}
		for name, wrong := range map[string]outreach.InviteInput{
			"OUT_OF_RANGE": {Campaign: c.NodeID(), Delivery: outreach.ByEmail, At: new(monday.Add(200 * 24 * time.Hour)), Invitees: in.Invitees},
			"REQUIRED":     {Campaign: c.NodeID(), Delivery: outreach.ByEmail},
			"TOO_MANY":     {Campaign: c.NodeID(), Delivery: outreach.ByEmail, Invitees: make([]outreach.Invitee, 1001)},
			"INVALID":      {Campaign: "x", Delivery: outreach.ByEmail, Invitees: in.Invitees},
			"NOT_FOUND":    {Campaign: "camp_00000000000000000000000000", Delivery: outreach.ByEmail, Invitees: in.Invitees},
			"NOT_ALLOWED":  {Campaign: c.NodeID(), Delivery: outreach.ByLink, At: &monday, Invitees: in.Invitees},
		} {
			_, err := h.desk.Invite(h.ctx, wrong)
			if errs, ok := errors.AsType[apierror.UserErrors](err); !ok || string(errs[0].Code) != name {
				t.Errorf("want %s, got %v", name, err)
			}
		}
	})
}

// Events are taken once for a key, whoever tells of them, and from those who may do nothing else.
func TestEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limits(0, nil)
		c := h.campaign("Campaign")
		s := onEvent("bought", 90)
		h.set(c, s)
		collector := auth.With(t.Context(), auth.Caller{Tenant: h.tenant, Scopes: []auth.Scope{auth.Collect}})
		narrowed := auth.With(t.Context(), auth.Caller{
			Tenant: h.tenant, Scopes: []auth.Scope{auth.Collect}, Token: true, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{c.ID}},
		})
		of := func(name, key string) outreach.ContactEvent {
			e := outreach.ContactEvent{Contact: contact.Input{ExternalID: &name, Email: new(address(name))}, Name: "bought", Traits: trait.Values{"order": "7"}}
			if key != "" {
				e.IdempotencyKey = &key
			}
			return e
		}
		tell := func(ctx context.Context, want string, events ...outreach.ContactEvent) {
			t.Helper()
			out, err := h.desk.Record(ctx, events)
			h.must(err)
			var got []string
			for _, o := range out {
				switch {
				case o.Errors != nil:
					got = append(got, string(o.Errors[0].Code))
				case o.Replayed:
					got = append(got, "again")
				default:
					got = append(got, "new")
				}
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("got %s, want %s", text, want)
			}
		}
		tell(collector, "new again new new", of("ada", "1"), of("ada", "1"), of("bob", "2"), of("cleo", ""))
		h.wants(c, "PLANNED 3")
		tell(h.ctx, "again again", of("ada", "1"), of("bob", "2"))
		ahead := of("ada", "1")
		ahead.At = new(monday.Add(time.Hour))
		tell(h.ctx, "again", ahead) // whatever else it says
		*ahead.IdempotencyKey = "3"
		tell(h.ctx, "OUT_OF_RANGE", ahead)
		ahead.At = new(monday.Add(4 * time.Minute))
		tell(h.ctx, "new", ahead)
		old := of("dan", "4")
		old.At = new(monday.Add(-74 * time.Hour))
		tell(h.ctx, "new", old)
		h.wants(c, "PLANNED 4, SKIPPED TOO_LATE 1")
		nothing := of("eve", "5")
		nothing.Name = "sold"
		tell(h.ctx, "new", nothing)
		tell(h.ctx, "REQUIRED REQUIRED", outreach.ContactEvent{Name: "bought"}, outreach.ContactEvent{Contact: contact.Input{ExternalID: new("x")}})
		h.wants(c, "PLANNED 4, SKIPPED TOO_LATE 1")
		outs := make([]int, 6)
		together(t, len(outs), func(i int) error {
			out, err := h.desk.Record(h.ctx, []outreach.ContactEvent{of("finn", "6")})
			if err == nil && !out[0].Replayed {
				outs[i] = 1
			}
			return err
		})
		if n := outs[0] + outs[1] + outs[2] + outs[3] + outs[4] + outs[5]; n != 1 {
			t.Errorf("%d told of it first", n)
		}
		h.wants(c, "PLANNED 5, SKIPPED TOO_LATE 1")
		if _, err := h.desk.Record(narrowed, []outreach.ContactEvent{of("gus", "7")}); err == nil { // whose contacts would be everybody's
			t.Error("a narrowed token tells of events")
		}
		h.wants(c, "PLANNED 5, SKIPPED TOO_LATE 1")
		// Set anew, it waits for what happened already, with the new delay.
		n := h.became(c)["PLANNED"]
		s.Occasion.OnEvent.DelayMinutes = 180
		h.set(c, s)
		h.wants(c, fmt.Sprintf("PLANNED %d, SKIPPED TOO_LATE 1, CANCELLED %[1]d", n))
		mails := h.run(monday.Add(3 * time.Hour))
		if len(mails) == 0 || !mails[0].at.Equal(monday.Add(3*time.Hour)) {
			t.Errorf("got %v", mails)
		}
		for _, i := range h.invitations(c) {
			if i.Status == entinvitation.StatusSENT && i.Traits["order"] != "7" {
				t.Errorf("it says %v", i.Traits)
			}
		}
	})
}

// Keys may name people: whoever has the tables alone does not find out by trying names.
func TestKeysAreNotKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		const key = "order of ada@x.example"
		plain := sha256.Sum256([]byte(key))
		_, err := h.desk.Invite(h.ctx, outreach.InviteInput{Campaign: h.campaign("Campaign").NodeID(), Delivery: outreach.ByLink, Invitees: keyed("ada", key)})
		h.must(err)
		_, err = h.desk.Record(h.ctx, []outreach.ContactEvent{{Contact: contact.Input{ExternalID: new("ada")}, Name: "bought", IdempotencyKey: new(key)}})
		h.must(err)
		for _, table := range []string{"invitations", "contact_events"} {
			n := 0
			h.must(store.Each(h.ctx, db.Reader, func(rows *sql.Rows) error {
				var hash []byte
				err := rows.Scan(&hash)
				if n++; len(hash) != len(plain) || bytes.Equal(hash, plain[:]) {
					t.Errorf("%s keeps %x", table, hash)
				}
				return err
			}, `SELECT key_hash FROM `+table+` WHERE tenant_id = $1`, h.tenant))
			if n != 1 {
				t.Errorf("%d keys in %s", n, table)
			}
		}
	})
}

// Addresses are suppressed once each, however they are written and however often they are given.
func TestSuppressMany(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		for _, of := range []struct {
			emails []string
			added  int
		}{
			{[]string{"Ada@x.example", "bob@x.example", "ada@x.example", "bob@x.example"}, 2},
			{[]string{"bob@X.example", `"o'neil\\ \"q\""@x.example`, "ada@x.example"}, 1},
			{[]string{"ada@x.example"}, 0},
		} {
			if added, err := h.desk.Suppress(h.ctx, of.emails, entsuppression.ReasonMANUAL); err != nil || added != of.added {
				t.Errorf("%v: %d are new, %v", of.emails, added, err)
			}
		}
		h.people("", "ada", "cleo")
		for name, is := range map[string]bool{"ada": true, "cleo": false} {
			s, err := h.desk.Suppression(h.ctx, h.person(name))
			h.must(err)
			if (s != nil) != is || is && (s.Reason != entsuppression.ReasonMANUAL || !strings.EqualFold(*s.Email, address(name)) || *s.EmailKey != address(name)) {
				t.Errorf("%s: %v", name, s)
			}
		}
	})
}

// Whoever has a token from the source of a page names whom they like, and has no words of their own mailed to them.
func TestEventsOfStrangers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		for _, key := range []string{"product", "note"} {
			_, err := settings.DefineTrait(h.ctx, cube.NewBuilder(db, nil), settings.DefineTraitInput{Key: key, Kind: trait.Text})
			h.must(err)
		}
		c := h.campaign("Campaign")
		_, err := survey.SetWording(h.ctx, db, survey.SetWordingInput{
			Campaign: c.NodeID(), Locale: "en", MailSubject: new("{name|Dear customer}: {product|what you bought}"),
			MailIntro: new("Hello {name|you}! About {product|what you bought}: {note|none}"),
		})
		h.must(err)
		h.set(c, onEvent("bought", 0))
		out, err := h.desk.Record(auth.With(t.Context(), auth.Caller{Tenant: h.tenant, Scopes: []auth.Scope{auth.Collect}}), []outreach.ContactEvent{
			{
				Contact: contact.Input{ExternalID: new("x"), Email: new("x@x.example"), Name: new("You won! evil.example.com/prize")}, Name: "bought",
				Traits: trait.Values{"product": "http://evil.example", "note": strings.Repeat("long ", 40)},
			},
			{Contact: contact.Input{ExternalID: new("ada"), Email: new("evil@x.example"), Name: new("Eve")}, Name: "bought", Traits: trait.Values{"product": "Tea"}},
		})
		h.must(err)
		for _, o := range out {
			h.must(o.Errors.Err())
		}
		mails := h.sweep()
		if len(mails) != 2 {
			t.Fatalf("%d mails", len(mails))
		}
		for _, m := range mails {
			subject := "Subject: Dear customer: what you bought"
			if m.to == address("ada") {
				subject = "Subject: Eve: Tea" // she had no name yet
			} else if m.to != "x@x.example" {
				t.Errorf("a mail to %s", m.to)
			}
			if !strings.Contains(m.text, subject) || strings.Contains(m.text, "evil") || strings.Count(m.text, "long") > 2*survey.MaxMailed/5 {
				t.Errorf("it says %s", m.text)
			}
		}
	})
}

// Whoever is not to be written to is not, and is not asked twice, by whatever spelling of their address.
func TestOneMailboxOfManySpellings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		c := h.campaign("Campaign")
		h.set(c, onEvent("bought", 0))
		bought := func(emails ...string) {
			var events []outreach.ContactEvent
			for _, email := range emails {
				events = append(events, outreach.ContactEvent{Contact: contact.Input{Email: &email}, Name: "bought"})
			}
			_, err := h.desk.Record(h.ctx, events)
			h.must(err)
		}
		_, err := h.desk.Suppress(h.ctx, []string{"no@stop.example", "ann@bücher.example"}, entsuppression.ReasonMANUAL)
		h.must(err)
		bought("no@stop。example", "no@stop．example", "no@ｓtop.example", "no@ſtop.example", "No@ⓢtop.example", "ann@xn--bcher-kva.example", "ann@bu\u0308cher.example")
		if mails := h.sweep(); len(mails) != 0 {
			t.Errorf("got %v", mails)
		}
		bought("one@person.example", "one@person。example", "one@ｐerson.example", "ONE@ⓟerson.example")
		if mails := h.sweep(); len(mails) != 1 {
			t.Errorf("got %v", mails)
		}
	})
}

// Who may only COLLECT does not have the mails of somebody who is known sent to an address of their own.
func TestStrangersGetNobodysMails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		_, err := h.log.Upsert(h.ctx, []contact.Input{{ExternalID: new("jane"), Name: new("Secret Jane")}})
		h.must(err)
		c := h.campaign("Campaign")
		h.set(c, onEvent("bought", 0))
		out, err := h.desk.Record(auth.With(t.Context(), auth.Caller{Tenant: h.tenant, Scopes: []auth.Scope{auth.Collect}}), []outreach.ContactEvent{
			{Contact: contact.Input{ExternalID: new("jane"), Email: new("evil@x.example"), Phone: new("1")}, Name: "bought"},
		})
		h.must(err)
		h.must(out[0].Errors.Err())
		if mails := h.sweep(); len(mails) != 0 {
			t.Errorf("got %v", mails)
		}
		h.wants(c, "SKIPPED NO_ADDRESS 1")
	})
}
