package insight_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// world is a tenant with two campaigns and two dimensions.
type world struct {
	ctx       context.Context
	db        *store.DB
	log       *feedback.Log
	reader    *insight.Reader
	builder   *cube.Builder
	campaigns []*ent.Campaign
}

var now = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, db *store.DB, zone string) *world {
	t.Helper()
	made, _, err := tenant.Create(context.Background(), db, tenant.CreateInput{Name: "t", TimeZone: zone})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ctx: auth.ForTenant(context.Background(), made.ID), db: db}
	clock := func() time.Time { return now }
	if w.log, err = feedback.NewLog(db, feedback.Config{Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.log.Close(); err != nil {
			t.Error(err)
		}
	})
	w.reader = insight.NewReader(db, settings.NewStates(db), clock)
	w.builder = cube.NewBuilder(db, nil)
	for _, in := range []settings.DefineTraitInput{
		{Key: "plan", Kind: trait.Text, IsDimension: true},
		{Key: "age", Kind: trait.Number, IsDimension: true, Edges: []float64{10, 20}},
	} {
		if _, err := settings.DefineTrait(w.ctx, w.builder, in); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "two"} {
		c, err := campaign.Create(w.ctx, db, campaign.CreateInput{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		w.campaigns = append(w.campaigns, c)
	}
	return w
}

// answer is what a test records.
type answer struct {
	Campaign int
	Score    int
	Plan     string
	Age      int
	Channel  response.Channel
	Variant  string
	Comment  string
	At       time.Time
}

func (w *world) record(t testing.TB, answers ...answer) {
	t.Helper()
	items := make([]feedback.Recording, len(answers))
	for i, a := range answers {
		items[i] = feedback.Recording{
			Campaign: w.campaigns[a.Campaign].NodeID(), Score: a.Score, Channel: a.Channel, RespondedAt: &answers[i].At,
			Traits: trait.Values{"age": float64(a.Age)},
		}
		if a.Plan != "" {
			items[i].Traits["plan"] = a.Plan
		}
		if a.Plan != "" && a.Variant != "" {
			items[i].Contact = &contact.Input{ExternalID: new(a.Plan), Traits: trait.Values{"plan": a.Plan}}
		}
		if a.Variant != "" {
			items[i].Variant = &answers[i].Variant
		}
		if a.Comment != "" {
			items[i].Comment = &answers[i].Comment
		}
		if a.Channel == "" {
			items[i].Channel = response.ChannelAPI
		}
	}
	out, err := w.log.Record(w.ctx, items)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Errors != nil {
			t.Fatal(o.Errors)
		}
	}
}

func (w *world) feedback(t testing.TB, f selection.Filter) *insight.Feedback {
	t.Helper()
	found, err := w.reader.Feedback(w.ctx, f, selection.Within{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func on(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

func day(text string) *calendar.Day {
	d, err := calendar.ParseDay(text)
	if err != nil {
		panic(err)
	}
	return &d
}

// shape writes a trend as text: first day of each point, promoters-passives-detractors, and a mark where it is open.
func shape(trend []*insight.TrendPoint) string {
	var points []string
	for _, p := range trend {
		text := fmt.Sprintf("%s %d-%d-%d", p.Start, p.Score.Promoters(), p.Score.Passives(), p.Score.Detractors())
		if !p.Complete {
			text += " open"
		}
		points = append(points, text)
	}
	return strings.Join(points, ", ")
}

func TestTrend(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "Europe/Amsterdam")
		w.record(t,
			answer{Score: 10, At: on("2025-12-31T23:30:00Z")}, // New Year's Day in Amsterdam
			answer{Score: 7, At: on("2026-01-15T12:00:00Z")},
			answer{Score: 0, At: on("2026-03-01T12:00:00Z")},
			answer{Score: 9, At: on("2026-03-10T12:00:00Z")},
		)
		for name, test := range map[string]struct {
			filter   selection.Filter
			interval calendar.Interval
			rolling  int
			want     string
		}{
			"months, open sides":  {selection.Filter{}, calendar.Monthly, 1, "2026-01-01 1-1-0, 2026-02-01 0-0-0, 2026-03-01 1-0-1 open"},
			"rolling":             {selection.Filter{}, calendar.Monthly, 2, "2026-01-01 1-1-0, 2026-02-01 1-1-0, 2026-03-01 1-0-1 open"},
			"quarters":            {selection.Filter{}, calendar.Quarterly, 1, "2026-01-01 2-1-1 open"},
			"years":               {selection.Filter{}, calendar.Yearly, 1, "2026-01-01 2-1-1 open"},
			"from cuts the first": {selection.Filter{From: day("2026-01-10")}, calendar.Monthly, 1, "2026-01-01 0-1-0, 2026-02-01 0-0-0, 2026-03-01 1-0-1 open"},
			"rolling looks back beyond from": {
				selection.Filter{From: day("2026-02-10"), To: day("2026-03-05")}, calendar.Monthly, 2, "2026-02-01 1-1-0, 2026-03-01 0-0-1 open",
			},
			"range without answers": {
				selection.Filter{From: day("2026-02-02"), To: day("2026-02-15")}, calendar.Weekly, 1, "2026-02-02 0-0-0, 2026-02-09 0-0-0",
			},
			"weeks": {
				selection.Filter{From: day("2026-02-25"), To: day("2026-03-10")}, calendar.Weekly, 1,
				"2026-02-23 0-0-1, 2026-03-02 0-0-0, 2026-03-09 1-0-0",
			},
			"days":     {selection.Filter{From: day("2026-03-01"), To: day("2026-03-02")}, calendar.Daily, 1, "2026-03-01 0-0-1, 2026-03-02 0-0-0"},
			"last":     {selection.Filter{Last: &selection.Period{Count: 2, Unit: calendar.Monthly}}, calendar.Monthly, 1, "2026-01-01 0-0-0, 2026-02-01 0-0-0, 2026-03-01 1-0-1 open"},
			"nothing":  {selection.Filter{Campaigns: []string{w.campaigns[1].NodeID()}}, calendar.Monthly, 1, ""},
			"category": {selection.Filter{Categories: []nps.Category{nps.Detractor}}, calendar.Monthly, 1, "2026-03-01 0-0-1 open"},
		} {
			t.Run(name, func(t *testing.T) {
				trend, err := w.feedback(t, test.filter).Trend(w.ctx, test.interval, test.rolling)
				if err != nil {
					t.Fatal(err)
				}
				if got := shape(trend); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
				for _, p := range trend {
					if p.First != trend[0].Start || p.Last != trend[len(trend)-1].End {
						t.Errorf("the point from %s says that the trend is from %s to %s", p.Start, p.First, p.Last)
					}
				}
			})
		}
	})
}

func TestChangeIsNullWhereNobodyAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		w.record(t, answer{Score: 10, At: on("2026-01-01T00:00:00Z")}, answer{Score: 1, At: on("2026-03-01T00:00:00Z")}, answer{Score: 9, At: on("2026-02-01T00:00:00Z")})
		trend, err := w.feedback(t, selection.Filter{From: day("2025-12-01"), To: day("2026-03-31")}).Trend(w.ctx, calendar.Monthly, 1)
		if err != nil {
			t.Fatal(err)
		}
		var changes []any
		for _, p := range trend {
			if p.Change == nil {
				changes = append(changes, nil)
			} else {
				changes = append(changes, *p.Change.Difference)
			}
		}
		if want := []any{nil, nil, 0.0, -200.0}; !slices.Equal(changes, want) {
			t.Errorf("got %v, want %v", changes, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		w.record(t, answer{Score: 10, At: on("2020-01-01T00:00:00Z")}, answer{Score: 10, At: on("2026-01-01T00:00:00Z")})
		all := w.feedback(t, selection.Filter{})
		trend := func(interval calendar.Interval, rolling int) error {
			_, err := all.Trend(w.ctx, interval, rolling)
			return err
		}
		breakdown := func(limit int, by ...string) error {
			_, err := all.Breakdown(w.ctx, by, limit, insight.ByResponses, 1)
			return err
		}
		orderedBreakdown := func(order insight.GroupOrder, minResponses int) error {
			_, err := all.Breakdown(w.ctx, []string{"plan"}, 10, order, minResponses)
			return err
		}
		compare := func(f selection.Filter, other *selection.Filter, previous *insight.Previous) error {
			_, err := w.feedback(t, f).CompareTo(w.ctx, other, previous)
			return err
		}
		choose := func(f selection.Filter) error {
			_, err := w.reader.Feedback(w.ctx, f, selection.Within{})
			return err
		}
		unknown := "camp_01h455vb4pex5vsknk084sn02q"
		for name, test := range map[string]struct {
			err  error
			code apierror.Code
			want string
		}{
			"too many points":     {trend(calendar.Daily, 1), apierror.BadRequestCode, "1000 points"},
			"rolling 0":           {trend(calendar.Monthly, 0), apierror.BadRequestCode, "rolling"},
			"rolling 1001":        {trend(calendar.Monthly, 1001), apierror.BadRequestCode, "rolling"},
			"no key":              {breakdown(10), apierror.BadRequestCode, "one or two"},
			"three keys":          {breakdown(10, "plan", "age", "channel"), apierror.BadRequestCode, "one or two"},
			"twice the same":      {breakdown(10, "plan", "plan"), apierror.BadRequestCode, "twice"},
			"unknown trait":       {breakdown(10, "plam"), apierror.BadRequestCode, `no trait "plam"`},
			"limit 0":             {breakdown(0, "plan"), apierror.BadRequestCode, "limit"},
			"limit 201":           {breakdown(201, "plan"), apierror.BadRequestCode, "limit"},
			"no response":         {orderedBreakdown(insight.ByResponses, 0), apierror.BadRequestCode, "minResponses"},
			"100001 responses":    {orderedBreakdown(insight.ByResponses, 100_001), apierror.BadRequestCode, "minResponses"},
			"no order":            {orderedBreakdown("NAME", 1), apierror.BadRequestCode, `"NAME"`},
			"score 11":            {choose(selection.Filter{Scores: []int{0, 11}}), apierror.BadRequestCode, "scores.1"},
			"score -1":            {choose(selection.Filter{Scores: []int{-1}}), apierror.BadRequestCode, "scores.0"},
			"twelve scores":       {choose(selection.Filter{Scores: make([]int, 12)}), apierror.BadRequestCode, "at most 11"},
			"compare nothing":     {compare(selection.Filter{}, nil, nil), apierror.BadRequestCode, "exactly one"},
			"compare both":        {compare(selection.Filter{From: day("2026-01-02")}, &selection.Filter{}, new(insight.YearBefore)), apierror.BadRequestCode, "exactly one"},
			"before all":          {compare(selection.Filter{}, nil, new(insight.PeriodBefore)), apierror.BadRequestCode, "open at its beginning"},
			"a year before all":   {compare(selection.Filter{To: day("2026-01-02")}, nil, new(insight.YearBefore)), apierror.BadRequestCode, "open at its beginning"},
			"before the first":    {compare(selection.Filter{From: day("0001-01-01"), To: day("0001-01-02")}, nil, new(insight.PeriodBefore)), apierror.BadRequestCode, "nothing is before"},
			"no such period":      {compare(selection.Filter{From: day("2026-01-02")}, nil, new(insight.Previous("WEEK"))), apierror.BadRequestCode, `"WEEK"`},
			"search":              {choose(selection.Filter{Search: new("slow")}), apierror.BadRequestCode, "search"},
			"hasComment":          {choose(selection.Filter{HasComment: new(true)}), apierror.BadRequestCode, "hasComment"},
			"to before from":      {choose(selection.Filter{From: day("2026-01-02"), To: day("2026-01-01")}), apierror.BadRequestCode, "before from"},
			"from and last":       {choose(selection.Filter{From: day("2026-01-02"), Last: &selection.Period{Count: 1, Unit: calendar.Daily}}), apierror.BadRequestCode, "not both"},
			"last of 0":           {choose(selection.Filter{Last: &selection.Period{Count: 0, Unit: calendar.Daily}}), apierror.BadRequestCode, "last.count"},
			"unknown campaign":    {choose(selection.Filter{Campaigns: []string{unknown}}), apierror.NotFoundCode, unknown},
			"malformed campaign":  {choose(selection.Filter{Campaigns: []string{"camp_x"}}), apierror.BadRequestCode, "campaigns.0"},
			"unknown segment":     {choose(selection.Filter{Segment: new("seg_01h455vb4pex5vsknk084sn02q")}), apierror.NotFoundCode, "seg_"},
			"rule that cuts ages": {choose(selection.Filter{Where: &segment.Rule{Trait: &segment.Condition{Key: "age", AtLeast: new(15.0)}}}), apierror.BadRequestCode, "filter.where"},
		} {
			t.Run(name, func(t *testing.T) {
				var known *apierror.Error
				if !errors.As(test.err, &known) || known.Code != test.code || !strings.Contains(known.Message, test.want) {
					t.Errorf("got %v, want %s with %q", test.err, test.code, test.want)
				}
			})
		}
	})
}

func TestBreakdown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		at := on("2026-01-01T00:00:00Z")
		w.record(t,
			answer{Score: 10, Plan: "gold", Age: 5, At: at}, answer{Score: 9, Plan: "gold", Age: 15, At: at}, answer{Score: 0, Plan: "gold", Age: 25, At: at},
			answer{Score: 3, Plan: "tin", Age: 5, At: at}, answer{Score: 4, Plan: "tin", Age: 5, At: at, Campaign: 1},
			answer{Score: 7, Plan: "iron", Age: 10, At: at, Channel: response.ChannelEMAIL}, answer{Score: 8, Age: 20, At: at},
		)
		for name, test := range map[string]struct {
			by    []string
			limit int
			want  string
		}{
			"by plan":     {[]string{"plan"}, 50, "gold:3 tin:2 (none):1 iron:1"},
			"limited":     {[]string{"plan"}, 2, "gold:3 tin:2 (other):2"},
			"by range":    {[]string{"age"}, 50, "<10:3 10–20:2 ≥20:2"},
			"by channel":  {[]string{"channel"}, 50, "API:6 EMAIL:1"},
			"by variant":  {[]string{"variant"}, 50, "(none):7"},
			"by campaign": {[]string{"campaign"}, 50, "one:6 two:1"},
			"by two":      {[]string{"plan", "campaign"}, 3, "gold|one:3 (none)|one:1 iron|one:1 (other)|(other):2"},
		} {
			t.Run(name, func(t *testing.T) {
				groups, err := w.feedback(t, selection.Filter{}).Breakdown(w.ctx, test.by, test.limit, insight.ByResponses, 1)
				if err != nil {
					t.Fatal(err)
				}
				var texts []string
				share := 0.0
				for _, g := range groups {
					texts = append(texts, fmt.Sprintf("%s:%d", strings.Join(g.Values, "|"), g.Score.Responses()))
					share += g.Share
					// The group by itself is the same as the group in the breakdown.
					own, err := g.Feedback.Score(w.ctx)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(own.Histogram(), g.Score.Histogram()) {
						t.Errorf("%v: its own feedback has %v, not %v", g.Values, own.Histogram(), g.Score.Histogram())
					}
				}
				if got := strings.Join(texts, " "); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
				if math.Abs(share-1) > 1e-9 {
					t.Errorf("shares add up to %v", share)
				}
			})
		}
		// A group of a group.
		groups, err := w.feedback(t, selection.Filter{}).Breakdown(w.ctx, []string{"plan"}, 50, insight.ByResponses, 1)
		if err != nil {
			t.Fatal(err)
		}
		inner, err := groups[0].Feedback.Breakdown(w.ctx, []string{"age"}, 50, insight.ByResponses, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(inner) != 3 || inner[0].Share != 1.0/3 {
			t.Errorf("gold by age: %d groups, share %v", len(inner), inner[0].Share)
		}
	})
}

// A campaign is a group of its own, whatever its name: one from before names were looked at may be called as the rest is.
func TestBreakdownTellsCampaignsApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		for _, name := range []string{trait.Other, trait.None} {
			var c *ent.Campaign
			err := db.WriteSettings(w.ctx, auth.Tenant(w.ctx), func(tx *store.Tx) (err error) {
				c, err = tx.Ent.Campaign.Create().SetName(name).SetQuestion("?").SetFollowUpQuestion("?").Save(w.ctx)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			w.campaigns = append(w.campaigns, c)
			for _, update := range []func() error{
				func() error { _, err := campaign.Create(w.ctx, db, campaign.CreateInput{Name: name}); return err },
				func() error {
					_, err := campaign.Update(w.ctx, db, campaign.UpdateInput{ID: w.campaigns[0].NodeID(), Name: &name})
					return err
				},
			} {
				if errs, ok := errors.AsType[apierror.UserErrors](update()); !ok || errs[0].Code != apierror.NotAllowed {
					t.Errorf("%s as a name: %v", name, errs)
				}
			}
		}
		at := on("2026-01-01T00:00:00Z")
		for i, n := range []int{1, 2, 3, 4} {
			w.record(t, slices.Repeat([]answer{{Score: 10, Campaign: i, Age: 5, At: at}}, n)...)
		}
		for _, test := range []struct {
			by    []string
			limit int
			want  string
		}{
			{[]string{"campaign"}, 50, "(none):4 (other):3 two:2 one:1"},
			{[]string{"campaign"}, 2, "(none):4 (other):3 (other):3"},
			{[]string{"campaign"}, 1, "(none):4 (other):6"},
			{[]string{"age", "campaign"}, 2, "<10|(none):4 <10|(other):3 (other)|(other):3"},
			{[]string{"variant", "campaign"}, 3, "(none)|(none):4 (none)|(other):3 (none)|two:2 (other)|(other):1"},
		} {
			groups, err := w.feedback(t, selection.Filter{}).Breakdown(w.ctx, test.by, test.limit, insight.ByResponses, 1)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range groups {
				got = append(got, fmt.Sprintf("%s:%d", strings.Join(g.Values, "|"), g.Score.Responses()))
				inner, err := g.Feedback.Score(w.ctx)
				if err != nil || inner.Responses() != g.Score.Responses() {
					t.Errorf("by %v %v has %d, and by itself %v, %v", test.by, g.Values, g.Score.Responses(), inner, err)
				}
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("by %v up to %d: %s, want %s", test.by, test.limit, text, test.want)
			}
		}
	})
}

// Whatever was answered, trends, breakdowns and segments are what a count over the answers gives.
func TestFoldsAreSumsOfAnswers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rapid.Check(t, func(rt *rapid.T) {
			w := newWorld(t, db, rapid.SampledFrom([]string{"UTC", "Europe/Amsterdam", "America/St_Johns", "Pacific/Apia"}).Draw(rt, "zone"))
			s, err := settings.Load(w.ctx, db, auth.Tenant(w.ctx))
			if err != nil {
				rt.Fatal(err)
			}
			answers := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) answer {
				return answer{
					Campaign: rapid.IntRange(0, 1).Draw(rt, "campaign"),
					Score:    rapid.IntRange(0, 10).Draw(rt, "score"),
					Plan:     rapid.SampledFrom([]string{"", "gold", "tin"}).Draw(rt, "plan"),
					Age:      rapid.IntRange(0, 30).Draw(rt, "age"),
					Channel:  rapid.SampledFrom([]response.Channel{response.ChannelAPI, response.ChannelEMAIL}).Draw(rt, "channel"),
					At:       now.Add(-time.Duration(rapid.Int64Range(0, int64(200*24*time.Hour)).Draw(rt, "ago"))),
				}
			}), 1, 40).Draw(rt, "answers")
			w.record(t, answers...)
			f := selection.Filter{Channels: []response.Channel{response.ChannelAPI}}
			matches := func(a answer) bool { return a.Channel == response.ChannelAPI }
			if rapid.Bool().Draw(rt, "segment") {
				f.Where = &segment.Rule{Not: &segment.Rule{Trait: &segment.Condition{Key: "age", AtLeast: new(10.0)}}}
				matches = func(a answer) bool { return a.Channel == response.ChannelAPI && a.Age < 10 }
			}
			if rapid.Bool().Draw(rt, "range") {
				from := calendar.DayOf(now, s.Active.Zone()).Add(-rapid.IntRange(0, 200).Draw(rt, "from"))
				to := from.Add(rapid.IntRange(0, 100).Draw(rt, "length"))
				f.From, f.To = &from, &to
				inner := matches
				matches = func(a answer) bool {
					d := calendar.DayOf(a.At, s.Active.Zone())
					return inner(a) && d >= from && d <= to
				}
			}
			interval := rapid.SampledFrom([]calendar.Interval{calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Quarterly}).Draw(rt, "interval")
			var total nps.Histogram
			byStart, byPlan := map[calendar.Day]int{}, map[string]int{}
			for _, a := range answers {
				if !matches(a) {
					continue
				}
				total.Record(a.Score, 1)
				byStart[interval.Start(calendar.DayOf(a.At, s.Active.Zone()))]++
				plan := a.Plan
				if plan == "" {
					plan = trait.None
				}
				byPlan[plan]++
			}

			found := w.feedback(t, f)
			score, err := found.Score(w.ctx)
			if err != nil {
				rt.Fatal(err)
			}
			for i, n := range score.Histogram() {
				if int64(n) != total[i] {
					rt.Fatalf("histogram %v, want %v", score.Histogram(), total)
				}
			}
			trend, err := found.Trend(w.ctx, interval, 1)
			if err != nil {
				rt.Fatal(err)
			}
			n := 0
			for _, p := range trend {
				if p.Score.Responses() != byStart[p.Start] {
					rt.Fatalf("%s: %d, want %d", p.Start, p.Score.Responses(), byStart[p.Start])
				}
				n += p.Score.Responses()
			}
			if int64(n) != total.Count() {
				rt.Fatalf("the trend has %d, want %d", n, total.Count())
			}
			groups, err := found.Breakdown(w.ctx, []string{"plan"}, 50, insight.ByResponses, 1)
			if err != nil {
				rt.Fatal(err)
			}
			for _, g := range groups {
				if g.Score.Responses() != byPlan[g.Values[0]] {
					rt.Fatalf("%s: %d, want %d", g.Values[0], g.Score.Responses(), byPlan[g.Values[0]])
				}
				delete(byPlan, g.Values[0])
			}
			if len(byPlan) > 0 {
				rt.Fatalf("no group for %v", byPlan)
			}
		})
	})
}
