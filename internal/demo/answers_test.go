package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

var campaigns = Campaigns{
	Relationship: id.Campaign.Format(uuid.UUID{15: 1}),
	SupportCall:  id.Campaign.Format(uuid.UUID{15: 2}),
	Installation: id.Campaign.Format(uuid.UUID{15: 3}),
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// nows are an ordinary moment and some that are not: a leap day, just after midnight, in the hour that comes twice.
var nows = []time.Time{
	at("2026-03-15T10:00:00Z"), at("2024-02-29T23:30:00.123456789Z"), at("2026-12-31T23:00:01Z"), at("2026-10-25T01:30:00+01:00"),
}

// told is an answer with all that is known of who gave it.
type told struct {
	feedback.Recording
	day    calendar.Day
	values trait.Values
}

// tell merges what is known of the contacts, as the log does.
func tell(now time.Time) []told {
	zone := newStory(now).zone
	people := map[string]trait.Values{}
	var all []told
	for r := range Answers(now, campaigns) {
		values := r.Traits
		if r.Contact != nil {
			values = trait.Merge(people[*r.Contact.ExternalID], r.Contact.Traits)
			people[*r.Contact.ExternalID] = values
		}
		all = append(all, told{Recording: r, day: calendar.DayOf(*r.RespondedAt, zone), values: values})
	}
	return all
}

func TestAnswersAreTheSameEachTime(t *testing.T) {
	hash := func() string {
		h := sha256.New()
		encoder := json.NewEncoder(h)
		for r := range Answers(nows[0], campaigns) {
			if err := encoder.Encode(r); err != nil {
				t.Fatal(err)
			}
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	const want = "f35775ab1ebe858d04e9d37601da767e845b4f902e64d4695e63c06304bf14c6"
	for range 2 {
		if got := hash(); got != want {
			t.Errorf("the answers' hash is %s, want %s", got, want)
		}
	}
}

func TestAnswersStop(t *testing.T) {
	n := 0
	for range Answers(nows[0], campaigns) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d answers", n)
	}
}

func TestAnswersAreGood(t *testing.T) {
	defs := map[string]trait.Definition{}
	for _, in := range traits() {
		defs[in.Key] = trait.Definition{Key: in.Key, Kind: in.Kind}
	}
	for _, now := range nows {
		all := tell(now)
		if len(all) < 58_000 || len(all) > 62_000 {
			t.Errorf("%v: %d answers", now, len(all))
		}
		first, last := *all[0].RespondedAt, *all[len(all)-1].RespondedAt
		if last.After(now) || now.Sub(last) > time.Minute {
			t.Errorf("%v: the last answer is of %v", now, last)
		}
		if wanted := now.AddDate(-2, 0, 0); first.Before(wanted.AddDate(0, 0, -1)) || first.After(wanted.AddDate(0, 0, 3)) {
			t.Errorf("%v: the first answer is of %v", now, first)
		}
		if !slices.IsSortedFunc(all, func(a, b told) int { return a.RespondedAt.Compare(*b.RespondedAt) }) {
			t.Errorf("%v: the answers are not in order", now)
		}
		contacts, anonymous := map[string]int{}, 0
		emails, comments := map[string]bool{}, map[string]int{}
		channels, locales, named := map[string]int{}, map[string]int{}, map[string]int{}
		days, zone := map[time.Weekday]int{}, newStory(now).zone
		for _, r := range all {
			if _, errs := r.Validate(now); errs != nil {
				t.Fatalf("%v: %+v: %v", now, r, errs)
			}
			for _, values := range []trait.Values{r.Traits, r.values} {
				if _, err := trait.ParseValues(values); err != nil {
					t.Fatal(err)
				}
				if errs := trait.Check(defs, values); errs != nil {
					t.Fatal(errs)
				}
			}
			if since, ok := r.values["customer_since"].(string); ok && since > r.day.String() {
				t.Fatalf("%v: %s answers on %v, and is a customer since %s", now, *r.Contact.ExternalID, r.day, since)
			}
			if r.Contact == nil {
				anonymous++
			} else {
				if contacts[*r.Contact.ExternalID]++; contacts[*r.Contact.ExternalID] == 1 {
					if email := *r.Contact.Email; !contact.ValidEmail(email) || !strings.HasSuffix(email, "@example.com") || emails[email] {
						t.Fatalf("the address %q", email)
					}
					emails[*r.Contact.Email] = true
				}
			}
			if r.Comment != nil {
				comments[*r.Comment]++
			}
			channels[string(r.Channel)]++
			locales[*r.Locale]++
			named[r.Campaign]++
			days[r.RespondedAt.In(zone).Weekday()]++
		}
		if n := len(contacts); n < 17_000 || n > 19_000 {
			t.Errorf("%v: %d contacts", now, n)
		}
		if anonymous*100 < 9*len(all) || anonymous*100 > 11*len(all) {
			t.Errorf("%v: %d of %d without a name", now, anonymous, len(all))
		}
		written := 0
		for text, n := range comments {
			written += n
			if strings.ContainsAny(text, "{}") || strings.TrimSpace(text) != text {
				t.Fatalf("the comment %q", text)
			}
		}
		if written*100 < 27*len(all) || written*100 > 33*len(all) || len(comments) < 1_000 {
			t.Errorf("%v: %d comments on %d answers, %d different", now, written, len(all), len(comments))
		}
		if n := channels["EMAIL"]; n*2 < len(all) || len(channels) != 4 {
			t.Errorf("%v: channels %v", now, channels)
		}
		if n := locales["en"]; n*2 < len(all) || n*10 > 8*len(all) || len(locales) != 3 {
			t.Errorf("%v: locales %v", now, locales)
		}
		if n := named[campaigns.Relationship]; n*3 < 2*len(all) || named[campaigns.Installation] < 3_000 || len(named) != 3 {
			t.Errorf("%v: campaigns %v", now, named)
		}
		if days[time.Saturday]*10 > days[time.Friday]*7 || days[time.Sunday]*10 > days[time.Friday]*7 {
			t.Errorf("%v: weekdays %v", now, days)
		}
	}
}

// points is the score of those that are kept, as points.
func points(t *testing.T, all []told, keep func(told) bool) float64 {
	t.Helper()
	var h nps.Histogram
	for _, r := range all {
		if keep(r) {
			h[r.Score]++
		}
	}
	counts := h.Counts()
	score, _ := counts.Score()
	if counts.N() < 100 {
		t.Fatalf("only %d answers", counts.N())
	}
	return 100 * score
}

func TestStories(t *testing.T) {
	for _, now := range nows {
		all, s := tell(now), newStory(now)
		score := func(keep func(told) bool) float64 { t.Helper(); return points(t, all, keep) }
		less := func(what string, a, b, by float64) {
			t.Helper()
			if a > b-by {
				t.Errorf("%v: %s: %.1f is not %.0f less than %.1f", now, what, a, by, b)
			}
		}
		is := func(key, value string) func(told) bool {
			return func(r told) bool { return r.values[key] == value }
		}
		within := func(from calendar.Day, months int) func(told) bool {
			to := calendar.Monthly.Add(from, months)
			return func(r told) bool { return r.day >= from && r.day < to }
		}
		and := func(tests ...func(told) bool) func(told) bool {
			return func(r told) bool {
				return !slices.ContainsFunc(tests, func(test func(told) bool) bool { return !test(r) })
			}
		}
		ago := func(d calendar.Day, months int) calendar.Day { return calendar.Monthly.Add(d, -months) }

		if overall := score(func(told) bool { return true }); overall < 15 || overall > 25 {
			t.Errorf("%v: overall %.1f", now, overall)
		}

		// Gamers on Basic stand out.
		gamers := score(and(is("persona", "gamer"), is("plan", "Basic")))
		less("gamers on Basic", gamers, 0, 40)
		less("gamers on Basic and others on Basic", gamers, score(and(is("plan", "Basic"), func(r told) bool { return r.values["persona"] != "gamer" })), 50)
		less("gamers on Basic and on Max", gamers, score(and(is("persona", "gamer"), is("plan", "Max"))), 80)

		// Satisfaction falls with tenure.
		tenure := trait.Dimension{Key: "customer_since", Kind: trait.Date, Edges: []float64{3, 12, 24, 60}}
		before := 0.0
		for i, name := range tenure.Ranges() {
			one := score(func(r told) bool { return tenure.Value(r.values, r.day) == name })
			if i > 0 {
				less("tenure "+name, one, before, 5)
			} else {
				less("new customers", 45, one, 0)
			}
			before = one
		}

		// The outage hits the East, and not others; two months later it is over.
		in := is("region", "East")
		elsewhere := func(r told) bool { return !in(r) }
		outage := score(and(in, within(s.outage, 1)))
		month := score(and(in, within(s.repaired, 1)))
		less("the outage and the month before", outage, score(and(in, within(ago(s.outage, 1), 1))), 50)
		less("the outage and elsewhere", outage, score(and(elsewhere, within(s.outage, 1))), 50)
		less("the outage and the month after", outage, month, 15)
		less("the first month after the outage and the second", month, score(and(in, within(ago(s.recovered, 1), 1))), 10)
		less("the second month after the outage and the third", score(and(in, within(ago(s.recovered, 1), 1))), score(and(in, within(s.recovered, 1))), 10)
		less("the East before and after it all", score(and(in, within(ago(s.outage, 1), 1))), score(and(in, within(s.recovered, 2))), 0)

		// The price rise hurts everybody, Basic most.
		var falls []float64
		for _, plan := range plans {
			before, after := score(and(is("plan", plan), within(ago(s.priceRise, 3), 3))), score(and(is("plan", plan), within(s.priceRise, 3)))
			less("the price rise on "+plan, after, before, 8)
			falls = append(falls, before-after)
		}
		less("the fall of Plus and of Basic", falls[plus], falls[basic], 5)
		less("the fall of Max and of Basic", falls[most], falls[basic], 10)

		// The help desk.
		calls := func(r told) bool { return r.Campaign == campaigns.SupportCall }
		rest := func(r told) bool { return r.Campaign == campaigns.Relationship }
		less("calls before and with the new help desk", score(and(calls, within(ago(s.helpDesk, 3), 3))), score(and(calls, within(calendar.Monthly.Add(s.helpDesk, 2), 3))), 40)
		less("calls from before the price rise and now", score(and(calls, within(ago(s.priceRise, 3), 3))), score(and(calls, within(calendar.Monthly.Add(s.helpDesk, 2), 3))), 25)
		less("the rest, early and late", score(and(rest, within(s.helpDesk, 2))), score(and(rest, within(calendar.Monthly.Add(s.helpDesk, 5), 3))), 5)

		// There are more answers as time goes on.
		count := func(from calendar.Day, months int) (n float64) {
			for _, r := range all {
				if within(from, months)(r) {
					n++
				}
			}
			return n
		}
		less("answers in the first and the last half year", count(ago(s.priceRise, 9), 6), count(calendar.Monthly.Add(s.helpDesk, 1), 6), 1_000)
	}
}

// Comments speak of what there is.
func TestCommentsFit(t *testing.T) {
	s := newStory(nows[0])
	about := map[string]int{}
	for _, r := range tell(nows[0]) {
		if r.Comment == nil || *r.Locale != "en" {
			continue
		}
		text := strings.ToLower(*r.Comment)
		for _, word := range []string{"outage", "price", "ping goes up", "help desk is really good"} {
			if !strings.Contains(text, word) {
				continue
			}
			about[word]++
			switch {
			case word == "outage" && (r.values["region"] != "East" || r.day < s.outage || r.day >= s.recovered),
				word == "price" && r.day < s.priceRise,
				word == "ping goes up" && (r.values["persona"] != "gamer" || r.values["plan"] != "Basic" || r.Score > 6),
				word == "help desk is really good" && r.Score < 9:
				t.Errorf("on %v with %d of %v: %s", r.day, r.Score, r.values, *r.Comment)
			}
		}
	}
	for word, n := range about {
		if n < 20 {
			t.Errorf("%q is in %d comments", word, n)
		}
	}
	if len(about) != 4 {
		t.Errorf("comments speak of %v", about)
	}
}

func TestPhrasebookIsComplete(t *testing.T) {
	for l, words := range phrasebook {
		for i, sentences := range words.topics {
			if len(sentences) < 2 || !slices.ContainsFunc(sentences, func(s string) bool { return !strings.Contains(s, "{years}") }) {
				t.Errorf("language %d, topic %d: %q", l, i, sentences)
			}
		}
		for persona := range words.personas {
			for tone, sentences := range words.personas[persona] {
				if len(sentences) == 0 || len(words.last[tone]) == 0 {
					t.Errorf("language %d, persona %d, tone %d: nothing to say", l, persona, tone)
				}
			}
		}
	}
}
