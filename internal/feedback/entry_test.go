package feedback_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

func TestParseCursor(t *testing.T) {
	var mask [16]byte
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, test := range map[string]struct {
		text string
		want int64
		ok   bool
	}{
		"the beginning":     {"", 0, true},
		"0":                 {encode("log:0"), 0, true},
		"1":                 {encode("log:1"), 1, true},
		"the largest":       {encode("log:9223372036854775807"), math.MaxInt64, true},
		"one larger":        {encode("log:9223372036854775808"), 0, false},
		"negative":          {encode("log:-1"), 0, false},
		"a plus":            {encode("log:+1"), 0, false},
		"leading zeros":     {encode("log:01"), 0, false},
		"a space":           {encode("log: 1"), 0, false},
		"no number":         {encode("log:"), 0, false},
		"a fraction":        {encode("log:1.0"), 0, false},
		"hexadecimal":       {encode("log:0x1"), 0, false},
		"of another list":   {encode("list:1"), 0, false},
		"a number alone":    {encode("1"), 0, false},
		"not encoded":       {"log:1", 0, false},
		"padded":            {base64.URLEncoding.EncodeToString([]byte("log:1")), 0, false},
		"a line break":      {encode("log:1") + "\n", 0, false},
		"bits left over":    {"bG9nOjF", 0, false},
		"very long":         {strings.Repeat("A", 1<<20), 0, false},
		"what is no base64": {"€", 0, false},
	} {
		got, err := feedback.ParseCursor(test.text, mask)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%s: got %d, %v; want %d, %t", name, got, err, test.want, test.ok)
		}
		var refused *apierror.Error
		if err != nil && (!errors.As(err, &refused) || refused.Code != apierror.BadRequestCode || len(err.Error()) > 100) {
			t.Errorf("%s: got %v, want BAD_REQUEST", name, err)
		}
	}
}

func TestCursorsAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		position := rapid.Int64Min(0).Draw(t, "position")
		mask := [16]byte{rapid.Byte().Draw(t, "mask")} // zero, too
		text := feedback.FormatCursor(position, mask)
		if got, err := feedback.ParseCursor(text, mask); err != nil || got != position {
			t.Fatalf("%q of %d is read as %d, %v", text, position, got, err)
		}
		other := rapid.Int64Min(0).Draw(t, "another")
		if (feedback.FormatCursor(other, mask) == text) != (other == position) {
			t.Fatalf("%d and %d are both %q", position, other, text)
		}
		if got, err := feedback.ParseCursor(text, [16]byte{mask[0] + 1}); err == nil {
			t.Fatalf("%q of %d is read as %d with another mask", text, position, got)
		}
	})
}

// A moment is read as its position, by the same mask alone; masked ones of one position have nothing in common, and are of
// the form of all others.
func TestMomentsAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		position := rapid.Int64Min(0).Draw(t, "position")
		if rapid.Bool().Draw(t, "usual") {
			position &= 1<<48 - 1
		}
		mask := [16]byte{rapid.Byte().Draw(t, "mask")} // zero, too
		text, again := feedback.FormatMoment(position, mask), feedback.FormatMoment(position, mask)
		for _, text := range []string{text, again} {
			if got, err := feedback.ParseCursor(text, mask); err != nil || got != position {
				t.Fatalf("%q of %d is read as %d, %v", text, position, got, err)
			}
			if got, err := feedback.ParseCursor(text, [16]byte{mask[0] + 1}); err == nil {
				t.Fatalf("%q of %d is read as %d with another mask", text, position, got)
			}
		}
		event := feedback.FormatCursor(position, mask)
		switch {
		case mask == [16]byte{} && (text != event || again != event):
			t.Fatalf("%d is %q and %q, and as an event %q", position, text, again, event)
		case mask != [16]byte{} && position < 1<<48 && (text == again || len(text) != len(event)):
			t.Fatalf("%d is %q and %q, and as an event %q", position, text, again, event)
		}
	})
}

// FuzzParseCursor wants one text, and no other, for each position.
func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"", "bG9nOjE", "bG9nOjE=", "bG9nOjF", "bG9nOi0x", "log:1", "bG9nOjkyMjMzNzIwMzY4NTQ3NzU4MDg", "\x00", "é"} {
		f.Add(text, byte(0))
		f.Add(text, byte(1))
	}
	f.Fuzz(func(t *testing.T, text string, first byte) {
		mask := [16]byte{first}
		position, err := feedback.ParseCursor(text, mask)
		switch {
		case err != nil && position != 0:
			t.Errorf("%q is refused, and read as %d", text, position)
		case err == nil && text == "" && position != 0:
			t.Errorf("the beginning is read as %d", position)
		case err == nil && text != "" && (position < 0 || feedback.FormatCursor(position, mask) != text):
			t.Errorf("%q is read as %d, which is written %q", text, position, feedback.FormatCursor(position, mask))
		}
	})
}

// flushed keeps what a Log's flushes told.
type flushed struct {
	mu      sync.Mutex
	entries map[uuid.UUID][]*feedback.Entry
}

func newFlushed() *flushed { return &flushed{entries: map[uuid.UUID][]*feedback.Entry{}} }

func (f *flushed) take(tenant uuid.UUID, entries []*feedback.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries[tenant] = append(f.entries[tenant], entries...)
}

func (f *flushed) of(tenant uuid.UUID) []*feedback.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries[tenant])
}

// eventText is all of an event, but not what has become of its response since.
func eventText(e *feedback.Entry) string {
	b, err := json.Marshal(e.Event)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// entryText is all of an entry.
func entryText(e *feedback.Entry) string {
	text := eventText(e)
	if e.Response != nil {
		text += responseText(e.Response)
	}
	if e.Gone != nil {
		b, err := json.Marshal(e.Gone)
		if err != nil {
			panic(err)
		}
		text += string(b)
	}
	return text
}

func responseText(r *ent.Response) string {
	traits := r.Traits
	if len(traits) == 0 {
		traits = nil
	}
	b, err := json.Marshal([]any{
		r.ID, r.TenantID, r.CampaignID, r.ContactID, r.Score, r.Comment, r.Channel, r.Variant, r.Locale, traits,
		r.RespondedAt.UTC(), r.RecordedAt.UTC(), r.UpdatedAt.UTC(),
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// sameEntry fails where an entry that was just read does not have the response as it is, nil where that is deleted.
func sameEntry(t rapid.TB, e *feedback.Entry, is *ent.Response) {
	t.Helper()
	switch {
	case is == nil && (e.Response != nil || e.Gone == nil || e.Gone.Response != e.Event.Response || e.Gone.Campaign != e.Campaign):
		t.Fatalf("entry %d of a deleted response: %+v", e.Position, e)
	case is == nil && e.Kind == feedback.Deleted && e.Gone.Score != *e.PreviousScore:
		t.Fatalf("entry %d had the score %d, and the tombstone %d", e.Position, *e.PreviousScore, e.Gone.Score)
	case is != nil && (e.Gone != nil || e.Response == nil || responseText(e.Response) != responseText(is)):
		t.Fatalf("entry %d has %v, want %v", e.Position, e.Response, is)
	}
}

func TestTombstones(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		f.Define("vip", trait.Boolean, true)
		f.Define("nick", trait.Text, false)
		other.Record(other.Recording())
		at := time.Date(2025, 2, 3, 4, 5, 6, 789_000, time.UTC)
		recorded := []*ent.Response{
			f.Record(f.With(func(r *feedback.Recording) {
				r.Score, r.Comment, r.Variant, r.RespondedAt = 3, new("secret"), new(`a "b", {c}\`), &at
				r.Traits = trait.Values{"plan": `"gold"\{}`, "nick": "wally"}
				r.Contact = &contact.Input{ExternalID: new("wally")}
			})),
			f.Record(f.Recording()),
			f.Record(f.Recording()),
		}
		for _, r := range recorded[:2] {
			if out, err := f.Log.Delete(f.Ctx, r.NodeID()); err != nil || out.Value == nil {
				t.Fatal(out.Errors, err)
			}
		}
		entries := f.Entries()
		want := []*feedback.Tombstone{
			{
				Response: recorded[0].ID, Campaign: recorded[0].CampaignID, Score: 3, Channel: "API", Variant: new(`a "b", {c}\`),
				Values: map[string]string{"plan": `"gold"\{}`, "vip": "(none)"}, RespondedAt: at,
			},
			{
				Response: recorded[1].ID, Campaign: recorded[1].CampaignID, Score: 9, Channel: "API",
				Values: map[string]string{"plan": "(none)", "vip": "(none)"}, RespondedAt: clock(),
			},
		}
		if len(entries) != 5 {
			t.Fatalf("%d entries", len(entries))
		}
		for i, e := range entries {
			if i == 2 {
				sameEntry(t, e, recorded[2])
				continue
			}
			got, want := entryText(e), entryText(&feedback.Entry{Event: e.Event, Gone: want[i%3]})
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if _, err := f.Log.Erase(f.Ctx, id.Contact.Format(*recorded[0].ContactID)); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"secret", "wally"} {
			if n := holding(t, db, text); n > 0 {
				t.Errorf("%d rows hold %s", n, text)
			}
		}
		holds(f, 1, 0, 5)

		// What the doctor says of wrong ones, and mends.
		for _, test := range []struct {
			wrong, undo string
			// want is what it says of each, mends whether it does.
			want  string
			mends bool
		}{
			{
				`INSERT INTO tombstones SELECT tenant_id, id, campaign_id, score, channel, variant, '{}', responded_at FROM responses WHERE tenant_id = $1`, "",
				"is kept as deleted, and there, and no event deletes it", true,
			},
			{
				`UPDATE tombstones SET score = 4 WHERE tenant_id = $1 AND score = 3`, "",
				"is kept as deleted with the score 4, but by event 4 it was 3", true,
			},
			{
				`UPDATE events SET kind = 2, score = previous_score WHERE tenant_id = $1 AND kind = 3`,
				`UPDATE events SET kind = 3, score = NULL WHERE tenant_id = $1 AND kind = 2 AND previous_score IS NOT NULL`,
				"is kept as deleted, and no event deletes it", false,
			},
			{
				`UPDATE tombstones SET response_id = tenant_id WHERE tenant_id = $1 AND score = 9`,
				`DELETE FROM tombstones WHERE tenant_id = $1 AND response_id = tenant_id`,
				"is kept as deleted, and no event deletes it", false,
			},
			{`DELETE FROM tombstones WHERE tenant_id = $1`, "", "", true}, // as if it was deleted before there were any
		} {
			if _, err := db.Writer.ExecContext(f.Ctx, test.wrong, f.Tenant); err != nil {
				t.Fatal(err)
			}
			found := examine(t, db, true)
			if (len(found) > 0) != (test.want != "") {
				t.Errorf("%s: the doctor finds %v", test.wrong, found)
			}
			said := test.want == ""
			for _, one := range found {
				said = said || strings.Contains(one.What, test.want) && one.Mended == test.mends
			}
			if !said {
				t.Errorf("%s: the doctor finds %v", test.wrong, found)
			}
			if test.undo != "" {
				if _, err := db.Writer.ExecContext(f.Ctx, test.undo, f.Tenant); err != nil {
					t.Fatal(err)
				}
			}
			if found := examine(t, db, false); len(found) > 0 {
				t.Errorf("%s: once mended the doctor finds %v", test.wrong, found)
			}
		}
		// Deleted before there were tombstones: nothing is known but the event.
		if e := f.Entries()[0]; e.Response != nil || e.Gone != nil {
			t.Errorf("got %+v", e)
		}
		holds(other, 1, 0, 1)
		// A response that somebody put back by hand can be deleted again.
		back := f.Record(f.Recording())
		for range 2 {
			if out, err := f.Log.Delete(f.Ctx, back.NodeID()); err != nil || out.Value == nil {
				t.Fatal(out.Errors, err)
			}
			_, err := db.Writer.ExecContext(f.Ctx, `INSERT INTO responses (tenant_id, id, campaign_id, score, channel, traits, responded_at, recorded_at, updated_at)
				SELECT tenant_id, response_id, campaign_id, score, channel, '{}', responded_at, responded_at, responded_at
				FROM tombstones WHERE tenant_id = $1 AND response_id = $2`, f.Tenant, back.ID)
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestReadEntries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		for range 3 {
			f.Record(f.Recording())
		}
		if entries, err := feedback.ReadEntries(other.Ctx, db, 0, 1); err != nil || len(entries) > 0 {
			t.Errorf("another's log: %v, %v", entries, err)
		}
		for _, test := range []struct {
			after int64
			limit int
			want  []int64
		}{{0, 2, []int64{1, 2}}, {1, 10, []int64{2, 3}}, {2, 1, []int64{3}}, {3, 1, nil}, {1 << 62, 1, nil}, {0, 1 << 40, []int64{1, 2, 3}}} {
			entries, err := feedback.ReadEntries(f.Ctx, db, test.after, test.limit)
			var got []int64
			for _, e := range entries {
				got = append(got, e.Position)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("after %d, limit %d: got %v, %v; want %v", test.after, test.limit, got, err, test.want)
			}
			bare, err := feedback.ReadEvents(f.Ctx, db, test.after, test.limit)
			for _, e := range entries {
				e.Response, e.Gone = nil, nil
			}
			if err != nil || !reflect.DeepEqual(bare, entries) {
				t.Errorf("after %d, limit %d, without responses: got %v, %v; want %v", test.after, test.limit, bare, err, entries)
			}
		}
		// What cannot be read of a response is in nobody's way who does without.
		if _, err := db.Writer.ExecContext(f.Ctx, `UPDATE responses SET traits = '[]' WHERE tenant_id = $1`, f.Tenant); err != nil {
			t.Fatal(err)
		}
		if _, err := feedback.ReadEntries(f.Ctx, db, 0, 3); err == nil {
			t.Error("what cannot be read is read")
		}
		if bare, err := feedback.ReadEvents(f.Ctx, db, 0, 3); err != nil || len(bare) != 3 {
			t.Errorf("without responses: %v, %v", bare, err)
		}
	})
}

// TestFlushed has many write at once, and wants what flushes tell to be the log, before writers are told.
func TestFlushed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		told := newFlushed()
		var operations, flushes int
		flushed := func(tenant uuid.UUID, entries []*feedback.Entry) {
			told.take(tenant, entries)
			// No flush of the tenant comes between, and nobody changes its settings but those, by values that are new.
			var settings int64
			if err := db.Reader.QueryRowContext(f.Ctx, `SELECT settings FROM tenants WHERE id = $1`, tenant).Scan(&settings); err != nil {
				t.Error(err)
			}
			for _, e := range entries {
				if e.Settings != settings {
					t.Errorf("an entry says that it was committed under settings %d, and there are %d", e.Settings, settings)
				}
			}
		}
		log, err := feedback.NewLog(db, feedback.Config{Now: clock, Flushed: flushed, Observe: func(n int, took time.Duration) {
			// One tenant's flushes come one after the other.
			operations, flushes = operations+n, flushes+1
			if took < 0 {
				t.Errorf("took %v", took)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		const writers, rounds = 16, 12
		var running sync.WaitGroup
		for i := range writers {
			running.Go(func() {
				for j := range rounds {
					out, err := log.Record(f.Ctx, []feedback.Recording{
						f.With(func(r *feedback.Recording) { r.Traits = trait.Values{"plan": fmt.Sprint(i)} }),
						f.With(func(r *feedback.Recording) { r.Contact = &contact.Input{ExternalID: new(fmt.Sprint(i))} }),
					})
					if err != nil {
						t.Error(err)
						return
					}
					tells := func(r *ent.Response, kind feedback.EventKind) {
						if !slices.ContainsFunc(told.of(f.Tenant), func(e *feedback.Entry) bool { return e.Event.Response == r.ID && e.Kind == kind }) {
							t.Errorf("%s was acknowledged before it was told", r.NodeID())
						}
					}
					first, second := out[0].Value, out[1].Value
					tells(first, feedback.Recorded)
					first.Score = -1 // a writer's own
					switch j % 3 {
					case 0:
						_, err = log.Delete(f.Ctx, first.NodeID())
						tells(first, feedback.Deleted)
					case 1:
						_, err = log.Amend(f.Ctx, feedback.Amendment{ID: second.NodeID(), Score: new(j % 9)})
						tells(second, feedback.Amended)
					case 2:
						_, err = log.Erase(f.Ctx, id.Contact.Format(*second.ContactID))
						tells(second, feedback.Amended)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		last := map[uuid.UUID]*feedback.Entry{}
		got, want := told.of(f.Tenant), f.Entries()
		if len(got) != len(want) {
			t.Fatalf("%d were told, want %d", len(got), len(want))
		}
		for i := range want {
			if eventText(got[i]) != eventText(want[i]) {
				t.Fatalf("told %s, want %s", eventText(got[i]), eventText(want[i]))
			}
			last[got[i].Event.Response] = got[i]
		}
		for _, e := range want {
			told := *last[e.Event.Response]
			told.Event = e.Event
			if got, want := entryText(&told), entryText(e); got != want {
				t.Errorf("at last told %s, want %s", got, want)
			}
		}
		if flushes == 0 || operations != writers*rounds*3 {
			t.Errorf("%d operations in %d flushes were observed, want %d", operations, flushes, writers*rounds*3)
		}
	})
}

func TestQueued(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Record(f.Recording())
		await := func(operations, writers int) {
			for {
				if o, w := f.Log.Queued(); o == operations && w == writers {
					return
				}
				runtime.Gosched()
			}
		}
		await(0, 0) // once the writer has come to rest
		const callers = 5
		results := make(chan error, callers)
		call := func() {
			_, err := f.Log.Record(f.Ctx, []feedback.Recording{f.Recording(), f.Recording()})
			results <- err
		}
		err := db.WriteLocked(f.Ctx, f.Tenant, func(*store.Tx) error {
			go call()
			await(0, 1) // taken up, and waiting for the lock
			for range callers - 1 {
				go call()
			}
			await(2*(callers-1), 1)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range callers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		await(0, 0)
	})
}
