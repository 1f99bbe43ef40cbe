package feedback_test

import (
	"context"
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
	"github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/doctor"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// refusals writes user errors as `CODE field.field`.
func refusals(errs apierror.UserErrors) string {
	var texts []string
	for _, e := range errs {
		texts = append(texts, strings.TrimSpace(string(e.Code)+" "+strings.Join(e.Field, ".")))
	}
	return strings.Join(texts, ", ")
}

// holds fails where the tenant has anything but so many responses, contacts and events.
func holds(f *feedbacktest.Fixture, responses, contacts, events int) {
	f.T.Helper()
	r, err := f.DB.Ent.Response.Query().Count(f.Ctx)
	if err != nil {
		f.T.Fatal(err)
	}
	c, err := f.DB.Ent.Contact.Query().Count(f.Ctx)
	if err != nil {
		f.T.Fatal(err)
	}
	e, err := feedback.ReadEntries(f.Ctx, f.DB, 0, 10_000)
	if err != nil {
		f.T.Fatal(err)
	}
	if r != responses || c != contacts || len(e) != events {
		f.T.Errorf("%d responses, %d contacts and %d events, want %d, %d and %d", r, c, len(e), responses, contacts, events)
	}
	sound(f)
}

// sound fails where the doctor finds anything.
func sound(f *feedbacktest.Fixture) {
	f.T.Helper()
	if found := examine(f.T, f.DB, false); len(found) > 0 {
		f.T.Errorf("the doctor finds %v", found)
	}
}

// examine gives what the doctor finds in all of the database.
func examine(t interface {
	Helper()
	Fatal(args ...any)
	Context() context.Context
}, db *store.DB, repair bool,
) (found []doctor.Finding) {
	t.Helper()
	_, err := doctor.Check(t.Context(), db, repair, func(f doctor.Finding) error {
		found = append(found, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRecordRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		paused, closed := f.Open("Paused"), f.Open("Closed")
		f.Set(paused, entcampaign.StatusPAUSED)
		f.Set(closed, entcampaign.StatusCLOSED)
		f.Define("plan", trait.Text, true)
		f.Define("age", trait.Number, false)
		f.Define("since", trait.Date, true)
		f.Upsert(
			contacts.Input{ExternalID: new("a"), Email: new("a@example.org")},
			contacts.Input{ExternalID: new("b"), Email: new("b@example.org")})

		crowd := trait.Values{}
		for i := range trait.MaxKeys + 1 {
			crowd[fmt.Sprint("t", i)] = true
		}
		person := func(in contacts.Input) func(*feedback.Recording) {
			return func(r *feedback.Recording) { r.Contact = &in }
		}
		at := func(when time.Time) func(*feedback.Recording) {
			return func(r *feedback.Recording) { r.RespondedAt = &when }
		}
		to := func(campaign string) func(*feedback.Recording) {
			return func(r *feedback.Recording) { r.Campaign = campaign }
		}
		var unknown []string
		for _, test := range []struct {
			name   string
			change func(*feedback.Recording)
			want   string
		}{
			{"score 11", func(r *feedback.Recording) { r.Score = 11 }, "OUT_OF_RANGE score"},
			{"score −1", func(r *feedback.Recording) { r.Score = -1 }, "OUT_OF_RANGE score"},
			{"long comment", func(r *feedback.Recording) { r.Comment = new(strings.Repeat("é", 10_001)) }, "TOO_LONG comment"},
			{"long variant", func(r *feedback.Recording) { r.Variant = new(strings.Repeat("é", 101)) }, "TOO_LONG variant"},
			{"variant (none)", func(r *feedback.Recording) { r.Variant = new("(none)") }, "INVALID variant"},
			{"variant (other)", func(r *feedback.Recording) { r.Variant = new("(other)") }, "INVALID variant"},
			{"variant (few)", func(r *feedback.Recording) { r.Variant = new("(few)") }, "INVALID variant"},
			{"channel", func(r *feedback.Recording) { r.Channel = "PIGEON" }, "INVALID channel"},
			{"empty key", func(r *feedback.Recording) { r.IdempotencyKey = new("") }, "INVALID idempotencyKey"},
			{"long key", func(r *feedback.Recording) { r.IdempotencyKey = new(strings.Repeat("é", 201)) }, "TOO_LONG idempotencyKey"},
			{"unknown campaign", to(id.Campaign.Format(id.New())), "NOT_FOUND campaign"},
			{"another tenant's campaign", to(other.Campaign), "NOT_FOUND campaign"},
			{"paused campaign", to(paused), "NOT_ALLOWED campaign"},
			{"closed campaign", to(closed), "NOT_ALLOWED campaign"},
			{"no campaign", to(""), "INVALID campaign"},
			{"an id of another kind", to(id.Contact.Format(id.New())), "INVALID campaign"},
			{"the future", at(clock().Add(5*time.Minute + time.Microsecond)), "OUT_OF_RANGE respondedAt"},
			{"the year 1", at(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), "OUT_OF_RANGE respondedAt"},
			{"the year 9999", at(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)), "OUT_OF_RANGE respondedAt"},
			{"before 1970", at(time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC)), "OUT_OF_RANGE respondedAt"},
			{"number for text", func(r *feedback.Recording) { r.Traits = trait.Values{"plan": 3.0} }, "INVALID traits.plan"},
			{"text for number", func(r *feedback.Recording) { r.Traits = trait.Values{"age": "old"} }, "INVALID traits.age"},
			{"30 February", func(r *feedback.Recording) { r.Traits = trait.Values{"since": "2024-02-30"} }, "INVALID traits.since"},
			{"a contact's trait", person(contacts.Input{ExternalID: new("c"), Traits: trait.Values{"plan": true}}), "INVALID contact.traits.plan"},
			{"many traits", func(r *feedback.Recording) { r.Traits = crowd }, "TOO_MANY traits"},
			{"a contact's many traits", person(contacts.Input{ExternalID: new("a"), Traits: crowd}), "TOO_MANY contact.traits"},
			{"a new contact's many traits", person(contacts.Input{ExternalID: new("n"), Traits: crowd}), "TOO_MANY contact.traits"},
			{"nobody", person(contacts.Input{Name: new("Ann")}), "REQUIRED contact.externalId"},
			{"empty externalId", person(contacts.Input{ExternalID: new(" ")}), "INVALID contact.externalId"},
			{"long name", person(contacts.Input{ExternalID: new("c"), Name: new(strings.Repeat("é", 201))}), "TOO_LONG contact.name"},
			{"another's address", person(contacts.Input{ExternalID: new("a"), Email: new("B@example.org")}), "TAKEN contact.email"},
			{"a known address with a new externalId", person(contacts.Input{ExternalID: new("c"), Email: new("b@example.org")}), "TAKEN contact.email"},
			{
				"all at once",
				func(r *feedback.Recording) { r.Score, r.Comment, r.Channel = 11, new(strings.Repeat("x", 10_001)), "" },
				"OUT_OF_RANGE score, TOO_LONG comment, INVALID channel",
			},
		} {
			r := f.With(test.change)
			out := f.Try(r)
			if got := refusals(out.Errors); got != test.want || out.Value != nil {
				t.Errorf("%s: got %q, %v; want %s", test.name, got, out.Value, test.want)
			}
			if strings.HasPrefix(test.want, "NOT_FOUND") {
				unknown = append(unknown, strings.ReplaceAll(out.Errors.Error(), r.Campaign, "…"))
			}
		}
		if len(unknown) != 2 || unknown[0] != unknown[1] {
			t.Errorf("an unknown campaign and another tenant's can be told apart: %q", unknown)
		}
		holds(f, 0, 2, 0)
		if _, err := f.Log.Record(t.Context(), []feedback.Recording{f.Recording()}); err == nil {
			t.Error("nobody may record")
		}
	})
}

func TestRecordKeeps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		for _, test := range []struct {
			name    string
			comment string
			want    *string
		}{
			{"marks from right to left", "\u202bשלום \u200f(a)\u202c", nil},
			{"emoji", "👩‍👩‍👧‍👦 🇳🇱 ❤️", nil},
			{"quotes", `"{}\,NULL'` + "\n\t\\x00", nil},
			{"10,000 characters", strings.Repeat("😀", 10_000), nil},
			{"spaces around", "  fine  ", nil},
			{"none", " \n\t ", new("")},
			{"empty", "", new("")},
			{"the word NULL", "NULL", nil},
		} {
			r := f.Record(f.With(func(r *feedback.Recording) {
				r.Comment, r.Variant, r.Locale = &test.comment, new(`a "b", {c}\`), new("nl-NL")
				r.Traits = trait.Values{"said": "NULL", "quoted": `"\`, "n": 0.1, "yes": true, "gone": nil}
				r.Contact = &contacts.Input{ExternalID: new(`x{}"\` + test.name), Name: new("NULL"), Phone: new("")}
			}))
			stored, err := db.Ent.Response.Get(f.Ctx, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case test.want != nil:
				if stored.Comment != nil {
					t.Errorf("%s: got %q, want none", test.name, *stored.Comment)
				}
			case stored.Comment == nil || *stored.Comment != test.comment:
				t.Errorf("%s: got %v, want %q", test.name, stored.Comment, test.comment)
			}
			if *stored.Variant != `a "b", {c}\` || *stored.Locale != "nl-NL" || len(stored.Traits) != 4 ||
				stored.Traits["said"] != "NULL" || stored.Traits["quoted"] != `"\` || stored.Traits["n"] != 0.1 || stored.Traits["yes"] != true {
				t.Errorf("%s: got %v", test.name, stored)
			}
			c, err := db.Ent.Contact.Get(f.Ctx, *stored.ContactID)
			if err != nil {
				t.Fatal(err)
			}
			if *c.ExternalID != `x{}"\`+test.name || *c.Name != "NULL" || *c.Phone != "" || c.Email != nil {
				t.Errorf("%s: got %v", test.name, c)
			}
			if !stored.RespondedAt.Equal(clock()) || !r.RespondedAt.Equal(stored.RespondedAt) {
				t.Errorf("%s: answered at %v, and %v", test.name, stored.RespondedAt, r.RespondedAt)
			}
		}
		if r := f.Record(f.With(func(r *feedback.Recording) { r.Variant = new("") })); r.Variant != nil {
			t.Errorf("an empty variant is %q, want none", *r.Variant)
		}
	})
}

func TestRecordBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		items := make([]feedback.Recording, feedback.MaxBatch)
		for i := range items {
			items[i] = f.With(func(r *feedback.Recording) {
				r.Score = i % 11
				r.Contact = &contacts.Input{ExternalID: new(fmt.Sprint("person ", i%400)), Traits: trait.Values{"plan": fmt.Sprint(i % 7)}}
			})
		}
		items[17].Score = 11
		items[400].Campaign = id.Campaign.Format(id.New())
		// Person 1 has been made by the batch itself, and so has person 2, whose address this is to be.
		items[2].Contact.Email = new("two@example.org")
		items[801].Contact.Email = new("Two@example.org")
		out, err := f.Log.Record(f.Ctx, items)
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]string{17: "OUT_OF_RANGE score", 400: "NOT_FOUND campaign", 801: "TAKEN contact.email"}
		if len(out) != len(items) {
			t.Fatalf("%d outcomes", len(out))
		}
		for i, o := range out {
			if got := refusals(o.Errors); got != want[i] || (o.Value == nil) != (want[i] != "") {
				t.Errorf("%d: got %q, want %q", i, got, want[i])
			}
			if o.Value != nil && o.Value.Score != items[i].Score {
				t.Errorf("%d: got the score %d", i, o.Value.Score)
			}
		}
		holds(f, 997, 400, 997)
	})
}

func TestUpsert(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, false)
		crowd := trait.Values{}
		for i := range trait.MaxKeys {
			crowd[fmt.Sprint("t", i)] = true
		}
		out := f.Upsert(
			contacts.Input{ExternalID: new("a"), Email: new("a@example.org"), Traits: crowd},
			contacts.Input{ExternalID: new("b"), Email: new("A@example.org")},
			contacts.Input{Email: new("A@Example.org"), Name: new("Ann")},
			contacts.Input{ExternalID: new("c"), Traits: trait.Values{"plan": 1.0}},
			contacts.Input{ExternalID: new("a"), Traits: trait.Values{"more": true}},
			contacts.Input{Phone: new("1")},
			contacts.Input{Email: new("d@example.org")},
			contacts.Input{ExternalID: new("d"), Email: new("d@example.org")},
			contacts.Input{ExternalID: new("a"), Traits: trait.Values{"t0": nil, "plan": "gold"}},
			contacts.Input{ExternalID: new("d"), Email: new("a@example.org")},
			contacts.Input{ExternalID: new("e"), Phone: new(strings.Repeat("1", 51))},
		)
		want := []string{"", "TAKEN email", "", "INVALID traits.plan", "TOO_MANY traits", "REQUIRED externalId", "", "", "", "TAKEN email", "TOO_LONG phone"}
		for i, o := range out {
			if got := refusals(o.Errors); got != want[i] || (o.Value == nil) != (want[i] != "") {
				t.Errorf("%d: got %q, want %q", i, got, want[i])
			}
		}
		if t.Failed() {
			return
		}
		if a := out[8].Value; a.ID != out[0].Value.ID || a.ID != out[2].Value.ID || *a.Name != "Ann" || *a.Email != "A@Example.org" ||
			a.Traits["plan"] != "gold" || a.Traits["t0"] != nil || len(a.Traits) != trait.MaxKeys {
			t.Errorf("got %v", a)
		}
		if d := out[7].Value; d.ID != out[6].Value.ID || *d.ExternalID != "d" {
			t.Errorf("got %v", d)
		}
		holds(f, 0, 2, 0)

		// Addresses change hands within a batch, in an order that the database cannot follow in one statement.
		for i, o := range f.Upsert(
			contacts.Input{ExternalID: new("a"), Email: new("x@example.org")},
			contacts.Input{ExternalID: new("d"), Email: new("a@example.org")},
			contacts.Input{ExternalID: new("a"), Email: new("d@example.org")},
			contacts.Input{Email: new("x@example.org")},
		) {
			if o.Errors != nil {
				t.Errorf("%d: %v", i, o.Errors)
			}
		}
		for external, email := range map[string]string{"a": "d@example.org", "d": "a@example.org"} {
			c, err := db.Ent.Contact.Query().Where(contact.ExternalID(external)).Only(f.Ctx)
			if err != nil || *c.Email != email {
				t.Errorf("%s has %v, %v; want %s", external, c, err, email)
			}
		}
		holds(f, 0, 3, 0)
	})
}

// TestRefusedTogether records what the database refuses in one statement and takes one by one: addresses that change
// hands, and each response with a profile of its own.
func TestRefusedTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		var items []feedback.Recording
		for i, in := range []contacts.Input{
			{ExternalID: new("a"), Email: new("a@example.org")}, {ExternalID: new("b"), Email: new("b@example.org")},
			{ExternalID: new("a"), Email: new("x@example.org")}, {ExternalID: new("b"), Email: new("a@example.org")},
			{ExternalID: new("a"), Email: new("b@example.org")}, {ExternalID: new("c"), Email: new("x@example.org")},
		} {
			items = append(items, f.With(func(r *feedback.Recording) { r.Contact, r.Variant = &in, new(fmt.Sprint(i)) }))
		}
		for _, batch := range [][]feedback.Recording{items[:2], items[2:]} {
			out, err := f.Log.Record(f.Ctx, batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range out {
				if o.Errors != nil {
					t.Errorf("%d: %v", i, o.Errors)
				}
			}
		}
		if got := refusals(f.Try(items[0]).Errors); got != "TAKEN contact.email" {
			t.Errorf("got %q", got)
		}
		holds(f, 6, 3, 6)
	})
}

func TestAmendAndDelete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		foreign := other.Record(other.Recording())
		r := f.Record(f.With(func(r *feedback.Recording) { r.Comment = new("slow") }))
		amend := func(in feedback.Amendment) (*ent.Response, string) {
			t.Helper()
			out, err := f.Log.Amend(f.Ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			return out.Value, refusals(out.Errors)
		}
		for _, test := range []struct {
			name string
			in   feedback.Amendment
			want string
		}{
			{"score 11", feedback.Amendment{ID: r.NodeID(), Score: new(11)}, "OUT_OF_RANGE score"},
			{"score −1", feedback.Amendment{ID: r.NodeID(), Score: new(-1)}, "OUT_OF_RANGE score"},
			{"nothing", feedback.Amendment{ID: r.NodeID()}, "REQUIRED"},
			{"long comment", feedback.Amendment{ID: r.NodeID(), Comment: new(strings.Repeat("x", 10_001))}, "TOO_LONG comment"},
			{"unknown", feedback.Amendment{ID: id.Response.Format(id.New()), Score: new(1)}, "NOT_FOUND id"},
			{"another tenant's", feedback.Amendment{ID: foreign.NodeID(), Score: new(1)}, "NOT_FOUND id"},
			{"no id", feedback.Amendment{ID: "resp_", Score: new(1)}, "INVALID id"},
		} {
			if got, errs := amend(test.in); got != nil || errs != test.want {
				t.Errorf("%s: got %v, %q; want %s", test.name, got, errs, test.want)
			}
		}
		holds(f, 1, 0, 1)

		if got, errs := amend(feedback.Amendment{ID: r.NodeID(), Score: new(9), Comment: new("slow")}); got == nil || errs != "" {
			t.Errorf("to what it is already: %v, %s", got, errs)
		}
		holds(f, 1, 0, 1)
		// Of a page it is written all the same, so that it takes as long.
		revision := func() int64 { return db.Ent.Tenant.GetX(f.Ctx, r.TenantID).Revision }
		before := revision()
		if got, errs := amend(feedback.Amendment{ID: r.NodeID(), Score: new(9), WhileActive: true}); got == nil || errs != "" || !got.UpdatedAt.Equal(r.UpdatedAt) {
			t.Errorf("to what it is already, from a page: %v, %s", got, errs)
		}
		if revision() != before+1 {
			t.Error("nothing was written")
		}
		holds(f, 1, 0, 1)
		if got, errs := amend(feedback.Amendment{ID: r.NodeID(), Score: new(2)}); got == nil || got.Score != 2 || *got.Comment != "slow" {
			t.Errorf("got %v, %s", got, errs)
		}
		if got, errs := amend(feedback.Amendment{ID: r.NodeID(), Comment: new("")}); got == nil || got.Score != 2 || got.Comment != nil {
			t.Errorf("got %v, %s", got, errs)
		}
		holds(f, 1, 0, 3)

		for _, test := range []struct{ name, id, want string }{
			{"unknown", id.Response.Format(id.New()), "NOT_FOUND id"},
			{"another tenant's", foreign.NodeID(), "NOT_FOUND id"},
			{"an id of another kind", f.Campaign, "INVALID id"},
			{"it", r.NodeID(), ""},
			{"it again", r.NodeID(), "NOT_FOUND id"},
		} {
			out, err := f.Log.Delete(f.Ctx, test.id)
			if got := refusals(out.Errors); err != nil || got != test.want || (out.Value == nil) != (test.want != "") {
				t.Errorf("deleting %s: got %v, %q, %v; want %q", test.name, out.Value, got, err, test.want)
			}
		}
		if got, errs := amend(feedback.Amendment{ID: r.NodeID(), Score: new(1)}); got != nil || errs != "NOT_FOUND id" {
			t.Errorf("amending what is deleted: %v, %s", got, errs)
		}
		holds(f, 0, 0, 4)
		holds(other, 1, 0, 1)
		events, err := feedback.ReadEntries(f.Ctx, db, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []feedback.EventKind
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Equal(kinds, []feedback.EventKind{feedback.Recorded, feedback.Amended, feedback.Amended, feedback.Deleted}) {
			t.Errorf("got the events %v", kinds)
		}
		if events[1].PreviousScore == nil || *events[1].PreviousScore != 9 || events[2].PreviousScore != nil || *events[3].PreviousScore != 2 {
			t.Errorf("got %+v", events)
		}
	})
}

func TestErase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		f.Define("vip", trait.Boolean, true)
		const secret = "wally"
		in := contacts.Input{
			ExternalID: new("id of " + secret), Email: new("Wally@example.org"), Phone: new("+31 " + secret), Name: new(secret),
			Locale: new("nl-" + secret), Traits: trait.Values{"nick": secret, "vip": true},
		}
		var last *ent.Response
		for i := range 3 {
			last = f.Record(f.With(func(r *feedback.Recording) {
				r.Contact, r.Comment, r.Locale = &in, new("I am "+secret), new(secret)
				r.Traits, r.IdempotencyKey = trait.Values{"street": secret}, new(fmt.Sprint(secret, i))
			}))
		}
		f.Record(f.With(func(r *feedback.Recording) { r.Contact = &contacts.Input{ExternalID: new("another")} }))
		if n := holding(t, db, secret); n == 0 {
			t.Fatal("nothing holds what is to be erased")
		}

		person := id.Contact.Format(*last.ContactID)
		for _, test := range []struct {
			name, id string
			by       *feedbacktest.Fixture
			want     string
			erased   int
		}{
			{"unknown", id.Contact.Format(id.New()), f, "NOT_FOUND id", 0},
			{"another tenant's", person, other, "NOT_FOUND id", 0},
			{"an id of another kind", last.NodeID(), f, "INVALID id", 0},
			{"it", person, f, "", 3},
			{"it again", person, f, "NOT_FOUND id", 0},
		} {
			out, err := test.by.Log.Erase(test.by.Ctx, test.id)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			if out.Value != nil {
				got = *out.Value
			}
			if errs := refusals(out.Errors); errs != test.want || got != test.erased {
				t.Errorf("erasing %s: got %d, %q; want %d, %q", test.name, got, errs, test.erased, test.want)
			}
		}
		if n := holding(t, db, secret); n > 0 {
			t.Errorf("%d rows still hold what was erased", n)
		}
		holds(f, 4, 1, 7)
		again := f.Upsert(in)[0].Value
		if again == nil || id.Contact.Format(again.ID) == person {
			t.Errorf("made again: %v", again)
		}
	})
}

// holding counts the rows of all tables that hold the text anywhere, whatever its case.
func holding(t *testing.T, db *store.DB, text string) int {
	t.Helper()
	list := `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`
	if db.Dialect == store.Postgres {
		list = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`
	}
	rows, err := db.Reader.QueryContext(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	type column struct{ table, name string }
	var columns []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.table, &c.name); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil || len(columns) < 50 {
		t.Fatalf("%d columns, %v", len(columns), err)
	}
	found := 0
	for _, c := range columns {
		var n int
		err := db.Reader.QueryRowContext(t.Context(),
			fmt.Sprintf(`SELECT count(*) FROM %q WHERE lower(CAST(%q AS TEXT)) LIKE $1`, c.table, c.name), "%"+text+"%").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		found += n
	}
	return found
}

func TestIdempotency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		second := feedbacktest.NewLog(t, db)
		keyed := f.With(func(r *feedback.Recording) {
			r.IdempotencyKey, r.Comment, r.Contact = new("once"), new("only"), &contacts.Input{ExternalID: new("a")}
		})
		// Many at once, in two processes.
		const n = 200
		ids := make([]string, n)
		fresh := make([]bool, n)
		errs := make([]error, n)
		var running sync.WaitGroup
		for i := range n {
			running.Go(func() {
				out, err := []*feedback.Log{f.Log, second}[i%2].Record(f.Ctx, []feedback.Recording{keyed})
				if errs[i] = err; err == nil && out[0].Value != nil {
					ids[i], fresh[i] = out[0].Value.NodeID(), !out[0].Replayed
				}
			})
		}
		running.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(ids); ids[0] == "" || ids[0] != ids[n-1] {
			t.Errorf("one key named %s and %s", ids[0], ids[n-1])
		}
		if times := len(slices.DeleteFunc(fresh, func(f bool) bool { return !f })); times != 1 {
			t.Errorf("%d of them were new, want 1", times)
		}
		holds(f, 1, 1, 1)

		// The same key twice in a batch, and for another's.
		again := keyed
		again.Score = 1
		out, err := f.Log.Record(f.Ctx, []feedback.Recording{keyed, again, keyed})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"", "CONFLICT idempotencyKey", ""} {
			if got := refusals(out[i].Errors); got != want {
				t.Errorf("%d: got %q, want %q", i, got, want)
			}
		}
		for name, change := range map[string]func(*feedback.Recording){
			"score":       func(r *feedback.Recording) { r.Score = 8 },
			"comment":     func(r *feedback.Recording) { r.Comment = nil },
			"contact":     func(r *feedback.Recording) { r.Contact = nil },
			"channel":     func(r *feedback.Recording) { r.Channel = "LINK" },
			"respondedAt": func(r *feedback.Recording) { r.RespondedAt = new(clock()) },
			"campaign":    func(r *feedback.Recording) { r.Campaign = f.Open("Another") },
		} {
			r := keyed
			change(&r)
			if got := refusals(f.Try(r).Errors); got != "CONFLICT idempotencyKey" {
				t.Errorf("with another %s: %q", name, got)
			}
		}
		theirs := keyed
		theirs.Campaign = other.Campaign
		if r := other.Record(theirs); r.NodeID() == ids[0] {
			t.Error("another tenant's key is ours")
		}

		// What has become of the response shows, unless it is gone.
		if _, err := f.Log.Amend(f.Ctx, feedback.Amendment{ID: ids[0], Score: new(3)}); err != nil {
			t.Fatal(err)
		}
		if o := f.Try(keyed); o.Value == nil || !o.Replayed || o.Value.Score != 3 {
			t.Errorf("after an amendment: %+v", o)
		}
		f.Set(f.Campaign, entcampaign.StatusCLOSED)
		if o := f.Try(keyed); o.Value == nil || !o.Replayed {
			t.Errorf("after the campaign is closed: %+v", o)
		}
		if _, err := f.Log.Delete(f.Ctx, ids[0]); err != nil {
			t.Fatal(err)
		}
		if got := refusals(f.Try(keyed).Errors); got != "CONFLICT idempotencyKey" {
			t.Errorf("after it is deleted: %q", got)
		}
		holds(f, 0, 1, 3)
	})
}

// TestOtherProcesses changes settings behind the back of a Log that has them in memory.
func TestOtherProcesses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Record(f.Recording())
		for range 3 {
			f.Set(f.Campaign, entcampaign.StatusPAUSED)
			if got := refusals(f.Try(f.Recording()).Errors); got != "NOT_ALLOWED campaign" {
				t.Errorf("paused: got %q", got)
			}
			f.Set(f.Campaign, entcampaign.StatusACTIVE)
			f.Record(f.Recording())
		}
		wrong := f.With(func(r *feedback.Recording) { r.Traits = trait.Values{"age": "old"} })
		f.Record(wrong)
		f.Define("age", trait.Number, true)
		if got := refusals(f.Try(wrong).Errors); got != "INVALID traits.age" {
			t.Errorf("defined: got %q", got)
		}
		if _, err := settings.DeleteTrait(f.Ctx, f.Builder, "age"); err != nil {
			t.Fatal(err)
		}
		f.Record(wrong)
		holds(f, 6, 0, 6)
	})
}

// TestDays records at the edges of days, and wants each response on the day that clocks showed.
func TestDays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		const amsterdam, stJohns = "Europe/Amsterdam", "America/St_Johns"
		for _, test := range []struct{ zone, at, day string }{
			{amsterdam, "2024-03-30T22:59:59.999999Z", "2024-03-30"},
			{amsterdam, "2024-03-30T23:00:00Z", "2024-03-31"},
			{amsterdam, "2024-03-31T21:59:59.999999Z", "2024-03-31"}, // a day of 23 hours
			{amsterdam, "2024-03-31T22:00:00Z", "2024-04-01"},
			{amsterdam, "2024-10-26T22:00:00Z", "2024-10-27"},
			{amsterdam, "2024-10-27T22:59:59.999999Z", "2024-10-27"}, // a day of 25 hours
			{amsterdam, "2024-10-27T23:00:00Z", "2024-10-28"},
			{stJohns, "2024-03-10T03:29:59.999999Z", "2024-03-09"},
			{stJohns, "2024-03-10T03:30:00Z", "2024-03-10"},
			{stJohns, "2024-03-11T02:29:59.999999Z", "2024-03-10"},
			{stJohns, "2024-03-11T02:30:00Z", "2024-03-11"},
			// In 2010 the clocks went back at 00:01, to 23:01 of the day before.
			{stJohns, "2010-11-07T02:29:59.999999Z", "2010-11-06"},
			{stJohns, "2010-11-07T02:30:00Z", "2010-11-07"},
			{stJohns, "2010-11-07T02:30:59.999999Z", "2010-11-07"},
			{stJohns, "2010-11-07T02:31:00Z", "2010-11-06"},
			{stJohns, "2010-11-07T03:29:59.999999Z", "2010-11-06"},
			{stJohns, "2010-11-07T03:30:00Z", "2010-11-07"},
		} {
			if _, err := tenant.Update(f.Ctx, db, f.Builder, tenant.UpdateInput{TimeZone: &test.zone}); err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339Nano, test.at)
			if err != nil {
				t.Fatal(err)
			}
			day, err := calendar.ParseDay(test.day)
			if err != nil {
				t.Fatal(err)
			}
			r := f.Record(f.With(func(r *feedback.Recording) { r.RespondedAt = &at }))
			s, err := settings.Load(f.Ctx, db, f.Tenant)
			if err != nil {
				t.Fatal(err)
			}
			cells, err := cube.Read(f.Ctx, db, &s.Generations, cube.Query{From: cube.Earliest, To: cube.Latest, By: calendar.Daily})
			if err != nil || cells.Len() != 1 || cells.Start(0) != day {
				t.Errorf("%s in %s counts in %v, %v; want %s", test.at, test.zone, slices.Collect(cells.All()), err, day)
			}
			for _, bounds := range []struct {
				from, to *calendar.Day
				want     int
			}{
				{&day, &day, 1}, {&day, nil, 1}, {nil, &day, 1},
				{new(day + 1), nil, 0}, {nil, new(day - 1), 0}, {new(day - 1), new(day - 1), 0}, {new(day + 1), new(day + 1), 0},
			} {
				list, err := selection.List(f.Ctx, db, states, selection.Filter{From: bounds.from, To: bounds.to}, selection.Within{}, page.Args{}, nil, clock())
				if err != nil {
					t.Fatal(err)
				}
				total, err := list.TotalCount(f.Ctx)
				if err != nil || len(list.Edges) != bounds.want || total != bounds.want {
					t.Errorf("%s in %s: from %v to %v there are %d listed and %d counted, %v; want %d",
						test.at, test.zone, bounds.from, bounds.to, len(list.Edges), total, err, bounds.want)
				}
			}
			holds(f, 1, 0, int(s.Position))
			if _, err := f.Log.Delete(f.Ctx, r.NodeID()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOverloaded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		const queued, callers = 5, 40
		f.Log.SetMaxQueued(queued)
		results := make(chan error, callers)
		accepted := 0
		// While the tenant is locked one flush waits with what it took, and the queue behind it fills.
		err := db.WriteLocked(f.Ctx, f.Tenant, func(*store.Tx) error {
			for range callers {
				go func() {
					_, err := f.Log.Record(f.Ctx, []feedback.Recording{f.Recording()})
					results <- err
				}()
			}
			for range callers - 2*queued {
				err := <-results
				var full *apierror.Error
				if !errors.As(err, &full) || full.Code != apierror.Overloaded || full.RetryAfter <= 0 {
					return fmt.Errorf("got %w, want OVERLOADED", err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 * queued {
			if err := <-results; err == nil {
				accepted++
			}
		}
		if accepted < queued {
			t.Errorf("%d were accepted, want %d or more", accepted, queued)
		}
		holds(f, accepted, 0, accepted)
		// Alone, a batch may be larger than the queue.
		items := make([]feedback.Recording, 3*queued)
		for i := range items {
			items[i] = f.Recording()
		}
		if _, err := f.Log.Record(f.Ctx, items); err != nil {
			t.Error(err)
		}
		holds(f, accepted+3*queued, 0, accepted+3*queued)
	})
}

func TestClose(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		log, err := feedback.NewLog(db, feedback.Config{})
		if err != nil {
			t.Fatal(err)
		}
		const callers = 50
		results := make(chan error, callers)
		var closed error
		closing := make(chan struct{})
		err = db.WriteLocked(f.Ctx, f.Tenant, func(*store.Tx) error {
			for range callers {
				go func() {
					_, err := log.Record(f.Ctx, []feedback.Recording{f.Recording()})
					results <- err
				}()
			}
			go func() {
				closed = log.Close()
				close(closing)
			}()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-closing
		if closed != nil {
			t.Error(closed)
		}
		written := 0
		for range callers {
			switch err := <-results; {
			case err == nil:
				written++
			case !errors.Is(err, feedback.ErrClosed):
				t.Errorf("got %v", err)
			}
		}
		holds(f, written, 0, written)
		if _, err := log.Record(f.Ctx, []feedback.Recording{f.Recording()}); !errors.Is(err, feedback.ErrClosed) {
			t.Errorf("after it is closed: %v", err)
		}
	})
}

// TestGivenUp has callers go away while they wait: what was accepted is written all the same, whole or not at all.
func TestGivenUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		ctx, cancel := context.WithCancel(f.Ctx)
		result := make(chan error)
		err := db.WriteLocked(f.Ctx, f.Tenant, func(*store.Tx) error {
			go func() {
				_, err := f.Log.Record(ctx, []feedback.Recording{f.Recording(), f.Recording()})
				result <- err
			}()
			cancel()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-result; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.Record(f.Recording()) // stands behind it in the queue
		n, err := db.Ent.Response.Query().Count(f.Ctx)
		if err != nil || n != 1 && n != 3 {
			t.Errorf("%d responses, %v; want 1 or 3", n, err)
		}
	})
}

// Where the log itself is damaged nobody's input is: it is a fault, and is logged as one.
func TestDamagedLogIsNobodysInput(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Record(f.With(func(*feedback.Recording) {}))
		if _, err := db.Writer.ExecContext(f.Ctx, `UPDATE tenants SET log_position = 0, revision = revision + 1`); err != nil {
			t.Fatal(err)
		}
		out, err := f.Log.Record(f.Ctx, []feedback.Recording{f.With(func(*feedback.Recording) {})})
		if err == nil || !store.IsConflict(err) {
			t.Errorf("got %+v, %v; want what the database says", out, err)
		}
		if n, err := db.Ent.Response.Query().Count(f.Ctx); n != 1 || err != nil {
			t.Errorf("there are %d responses, %v", n, err)
		}
	})
}

// TestNarrowedWrites wants of a narrowed caller recordings in its campaigns, and nothing else.
func TestNarrowedWrites(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		outside := f.Open("Another")
		mine := f.Record(f.With(func(r *feedback.Recording) { r.Contact = &contacts.Input{ExternalID: new("a")} }))
		narrowed := func(n auth.Narrowing) context.Context {
			return auth.With(t.Context(), auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Collect}, Token: true, Narrowing: n})
		}
		ctx := narrowed(auth.Narrowing{Campaigns: []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, f.Campaign)}})
		unknown := id.Campaign.Format(id.New())
		var items []feedback.Recording
		for _, to := range []string{f.Campaign, outside, unknown} {
			items = append(items, f.With(func(r *feedback.Recording) { r.Campaign = to }))
		}
		out, err := f.Log.Record(ctx, items)
		if err != nil {
			t.Fatal(err)
		}
		if out[0].Value == nil || out[1].Value != nil ||
			strings.ReplaceAll(out[1].Errors.Error(), outside, "") != strings.ReplaceAll(out[2].Errors.Error(), unknown, "") {
			t.Errorf("got %+v", out)
		}
		holds(f, 2, 1, 2)

		inSegment := narrowed(auth.Narrowing{Segment: id.New()})
		for name, do := range map[string]func() error{
			"amend": func() error {
				_, err := f.Log.Amend(ctx, feedback.Amendment{ID: mine.NodeID(), Score: new(1)})
				return err
			},
			"delete":              func() error { _, err := f.Log.Delete(ctx, mine.NodeID()); return err },
			"erase":               func() error { _, err := f.Log.Erase(ctx, id.Contact.Format(*mine.ContactID)); return err },
			"upsert":              func() error { _, err := f.Log.Upsert(ctx, []contacts.Input{{ExternalID: new("b")}}); return err },
			"what is malformed":   func() error { _, err := f.Log.Delete(ctx, "x"); return err },
			"record in a segment": func() error { _, err := f.Log.Record(inSegment, items[:1]); return err },
		} {
			var refused *apierror.Error
			if err := do(); !errors.As(err, &refused) || refused.Code != apierror.Forbidden {
				t.Errorf("%s: %v, want FORBIDDEN", name, err)
			}
		}
		holds(f, 2, 1, 2)
	})
}
