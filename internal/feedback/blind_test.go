package feedback_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/zeroten/zeroten/ent"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/internal/auth"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// collector is a caller that may only COLLECT.
func collector(f *feedbacktest.Fixture) context.Context {
	return auth.With(f.Ctx, auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Collect}})
}

func contactOf(f *feedbacktest.Fixture, externalID string) *ent.Contact {
	f.T.Helper()
	c, err := f.DB.Ent.Contact.Query().Where(entcontact.ExternalID(externalID)).Only(f.Ctx)
	if err != nil {
		f.T.Fatal(err)
	}
	return c
}

func numbered(prefix string, from, to int) trait.Values {
	v := trait.Values{}
	for i := from; i < to; i++ {
		v[fmt.Sprintf("%s%03d", prefix, i)] = float64(i)
	}
	return v
}

// TestCollectLeavesOut brings what others would be refused for.
func TestCollectLeavesOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Upsert(
			contacts.Input{ExternalID: new("ann"), Email: new("ann@example.org"), Traits: numbered("k", 0, 98)},
			contacts.Input{ExternalID: new("ben"), Email: new("ben@example.org")},
			contacts.Input{Email: new("cleo@example.org")})

		// More traits than there is room for.
		brings := trait.Values{"z": true, "a": true, "b": true, "k000": "changed", "k001": nil}
		if got := refusals(f.Upsert(contacts.Input{ExternalID: new("ann"), Traits: trait.Merge(numbered("n", 0, 3), nil)})[0].Errors); got != "TOO_MANY traits" {
			t.Errorf("whoever may read is told %q", got)
		}
		out, err := f.Log.Record(collector(f), []feedback.Recording{f.With(func(r *feedback.Recording) {
			r.Contact = &contacts.Input{ExternalID: new("ann"), Traits: maps.Clone(brings)}
		})})
		if err != nil || out[0].Value == nil {
			t.Fatalf("got %v, %v", out, err)
		}
		want := numbered("k", 0, 98) // one goes, and there is room for three
		want["k000"], want["a"], want["b"], want["z"] = "changed", true, true, true
		delete(want, "k001")
		if c := contactOf(f, "ann"); !maps.Equal(c.Traits, want) {
			t.Errorf("got %v", c.Traits)
		}
		brings = numbered("q", 0, 50)
		out, err = f.Log.Record(collector(f), []feedback.Recording{f.With(func(r *feedback.Recording) {
			r.Contact = &contacts.Input{ExternalID: new("ann"), Traits: brings}
		})})
		if err != nil || out[0].Value == nil {
			t.Fatalf("got %v, %v", out, err)
		}
		if c := contactOf(f, "ann"); !maps.Equal(c.Traits, want) {
			t.Errorf("with no room left: %v", c.Traits)
		}
		if r := storedOf(f, out[0].Value.ID); !maps.Equal(r.Traits, trait.Merge(want, brings)) {
			t.Errorf("the response lacks some: %v", r.Traits)
		}
		if len(brings) != 50 {
			t.Error("the caller's input has changed")
		}
		out, err = f.Log.Record(collector(f), []feedback.Recording{f.With(func(r *feedback.Recording) {
			r.Contact = &contacts.Input{ExternalID: new("ann"), Traits: numbered("q", 0, 101)}
		})})
		if err != nil || refusals(out[0].Errors) != "TOO_MANY contact.traits" {
			t.Errorf("more than anybody may have: %v, %v", out, err)
		}

		// Another's address.
		told, err := f.Log.Upsert(collector(f), []contacts.Input{
			{ExternalID: new("ann"), Email: new("Ben@example.org"), Name: new("Ann")},
			{ExternalID: new("dan"), Email: new("ben@example.org"), Name: new("Dan")},
			{ExternalID: new("cleo"), Email: new("cleo@example.org")},
			{Email: new("CLEO@example.org"), Name: new("Cleo")},
		})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, o := range told {
			if o.Value == nil {
				t.Fatalf("%d: refused: %v", i, o.Errors)
			}
			seen[o.Value.NodeID()] = true
			if found, err := db.Ent.Contact.Query().Where(entcontact.ID(o.Value.ID)).Exist(f.Ctx); found || err != nil {
				t.Errorf("%d: the id finds somebody, %v", i, err)
			}
		}
		if len(seen) != 4 {
			t.Errorf("ids tell who is the same person: %v", seen)
		}
		again, err := f.Log.Upsert(collector(f), []contacts.Input{{ExternalID: new("dan")}})
		if err != nil || again[0].Value.ID != told[1].Value.ID {
			t.Errorf("the same external id gives %v and %v, %v", told[1].Value, again, err)
		}
		for _, test := range []struct{ id, email, name string }{{"ann", "ann@example.org", "Ann"}, {"ben", "ben@example.org", ""}, {"dan", "", "Dan"}, {"cleo", "cleo@example.org", "Cleo"}} {
			if c := contactOf(f, test.id); deref(c.Email) != test.email || deref(c.Name) != test.name {
				t.Errorf("got %v, want %v", c, test)
			}
		}
		sound(f)
	})
}

// TestCollectAdds has somebody brought up to date by who may not read: what was not known is added, but for where they are written to, and what
// was stays.
func TestCollectAdds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Upsert(
			contacts.Input{ExternalID: new("ann"), Email: new("ann@example.org"), Phone: new("1"), Name: new("Ann"), Locale: new("nl"), TimeZone: new("Europe/Oslo"), Traits: trait.Values{"plan": "gold"}},
			contacts.Input{ExternalID: new("ben")}, contacts.Input{Email: new("cleo@example.org")})
		brings := func(id, email *string) contacts.Input {
			return contacts.Input{ExternalID: id, Email: email, Phone: new("2"), Name: new("Win"), Locale: new("de"), TimeZone: new("Europe/Rome"), Traits: trait.Values{"plan": "free"}}
		}
		all := []contacts.Input{
			brings(new("ann"), new("evil@example.org")), brings(new("ben"), new("ben@example.org")), brings(new("cleo"), new("cleo@example.org")), brings(nil, new("ANN@example.org")),
		}
		out, err := f.Log.Upsert(collector(f), all)
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := f.Log.Record(collector(f), []feedback.Recording{f.With(func(r *feedback.Recording) { r.Contact = &all[0] })})
		if err != nil || recorded[0].Value == nil {
			t.Fatalf("got %v, %v", recorded, err)
		}
		for i, o := range out {
			if o.Value == nil {
				t.Errorf("%d: refused: %v", i, o.Errors)
			}
		}
		for _, test := range []struct{ id, email, phone, name, locale, zone string }{
			{"ann", "ann@example.org", "1", "Ann", "nl", "Europe/Oslo"},
			{"ben", "", "", "Win", "de", "Europe/Rome"},
			{"cleo", "cleo@example.org", "", "Win", "de", "Europe/Rome"},
		} {
			c := contactOf(f, test.id)
			got := test
			got.email, got.phone, got.name, got.locale, got.zone = deref(c.Email), deref(c.Phone), deref(c.Name), deref(c.Locale), deref(c.TimeZone)
			if got != test || c.Traits["plan"] != "free" {
				t.Errorf("got %v and %v, want %v", got, c.Traits, test)
			}
		}
		if *all[0].Email != "evil@example.org" || *all[0].Name != "Win" {
			t.Error("the caller's input has changed")
		}
		// Whoever may read may change it.
		f.Upsert(brings(new("ann"), new("anna@example.org")))
		if c := contactOf(f, "ann"); deref(c.Email) != "anna@example.org" || deref(c.Name) != "Win" {
			t.Errorf("got %v", c)
		}
		sound(f)
	})
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// TestCollectSeesWhatItSent sends again what others have changed since.
func TestCollectSeesWhatItSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		sent := f.With(func(r *feedback.Recording) {
			r.IdempotencyKey, r.Comment, r.Locale = new("k"), new("well"), new("nl")
			r.Contact = &contacts.Input{ExternalID: new("ann")}
		})
		r := f.Record(sent)
		now := clock().Add(1)
		later := logAt(f, &now)
		if _, err := later.Amend(f.Ctx, feedback.Amendment{ID: r.NodeID(), Score: new(1)}); err != nil {
			t.Fatal(err)
		}
		if _, err := later.Erase(f.Ctx, id.Contact.Format(*r.ContactID)); err != nil {
			t.Fatal(err)
		}
		out, err := f.Log.Record(collector(f), []feedback.Recording{sent})
		if err != nil || came(out[0]) != "same" {
			t.Fatalf("got %v, %v", out, err)
		}
		if got := out[0].Value; got.ID != r.ID || got.Score != 9 || deref(got.Comment) != "well" || deref(got.Locale) != "nl" || !got.UpdatedAt.Equal(r.RecordedAt) {
			t.Errorf("got %v", got)
		}
		if o := f.Try(sent); o.Value.Score != 1 || o.Value.Comment != nil {
			t.Errorf("whoever may read gets %v", o.Value)
		}
		if kept := storedOf(f, r.ID); kept.Score != 1 || kept.Comment != nil {
			t.Errorf("the response is %v again", kept)
		}
	})
}
