//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/benchmark"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
)

// variants are those of a world that there is something to learn from.
var variants = [2]string{"A", "B"}

// Of such a world household is a dimension too, so that with the variants there are 5 × 10 × 6 × 5 × 2 = 3,000 profiles; of the
// small one 5 × 3 × 2 × 5 × 2 = 300.
const fewRegions, fewPersonas = 3, 2

// kindAmong is what was known of contact n when they answered: one of all combinations, or one of few.
func kindAmong(n int, few bool) int {
	if !few {
		return kindOf(n)
	}
	r := int(mix(uint64(n)) % (plans * fewRegions * fewPersonas * households))
	plan, region, persona, household := r%plans, r/plans%fewRegions, r/plans/fewRegions%fewPersonas, r/plans/fewRegions/fewPersonas
	return plan + plans*(region+regions*(persona+personas*household))
}

// learnedMonths are of which month on, of 24, the score stands how much higher than at first.
var learnedMonths = []struct {
	from  float64
	score float64
}{{15, -0.06}, {7, 0.08}}

// acted is when, of 24 months, something was done for the plans 1 and 2.
const acted = 20

// moody is the i-th of n answers where scores go with what is known: with every trait, with pairs of two, with the variant, with time,
// and with what was done.
func moody(i, n, kind int) (score int, variant string) {
	plan, region, persona, household := kind%plans, kind/plans%regions, kind/plans/regions%personas, kind/plans/regions/personas
	r := mix(uint64(i) + 1<<53)
	v := int(r % 2)
	month := 24 * float64(i) / float64(n)
	mood := 0.35 + 0.03*float64(plan-2) + 0.02*float64(region%3-1) - 0.03*float64(persona%2) - 0.03*float64(household) + 0.04*float64(v)
	switch {
	case plan == 0 && region == 1:
		mood -= 0.3
	case region == 2 && persona == 1:
		mood += 0.2
	}
	for _, level := range learnedMonths {
		if month >= level.from {
			mood += level.score
			break
		}
	}
	if month >= acted && (plan == 1 || plan == 2) {
		mood += 0.1
	}
	const passives = 0.25
	dice, luck := float64(r>>11)/(1<<53), mix(uint64(i)+1<<54)
	switch promoters := (1 - passives + mood) / 2; {
	case dice < promoters:
		return 9 + int(luck%2), variants[v]
	case dice < promoters+passives:
		return 7 + int(luck%2), variants[v]
	}
	return int(luck % 7), variants[v]
}

// learn makes of an empty world one that there is something to learn from, once it has responses.
func (w *world) learn(ctx context.Context) (deed string, err error) {
	_, to, _, err := span()
	if err != nil {
		return "", err
	}
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		if _, err := settings.DefineTrait(ctx, a.Builder, settings.DefineTraitInput{Key: "household", Kind: trait.Number, IsDimension: true}); err != nil {
			return err
		}
		rule := segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"plan-1", "plan-2"}}}
		s, err := settings.CreateSegment(ctx, a.DB, settings.CreateSegmentInput{Name: "Acted for", Rule: rule})
		if err != nil {
			return err
		}
		done, err := action.Create(ctx, a.DB, action.CreateInput{
			Name: "Helped", StartedOn: calendar.Monthly.Add(to+1, acted-24), Segment: new(id.Segment.Format(s.ID)),
		})
		if err != nil {
			return err
		}
		deed = id.Action.Format(done.ID)
		for i := range 3 {
			_, err := benchmark.Create(ctx, a.DB, benchmark.CreateInput{
				Industry: "bench", Label: fmt.Sprint("Bench ", i), Average: float64(20 + i), Year: 2025, Method: "relationship", Source: "Bench",
			}, time.Now())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("preparing what is to be learned from: %w", err)
	}
	return deed, nil
}

const (
	changeFields = `{ difference interval { low high } pValue adjustedPValue comparisons significant }`
	scoreFields  = `{ nps responses interval { low high } }`
)

// lesson is a field of Insight by itself, and where its answer has a figure that it has only where there is something to tell.
type lesson struct{ name, query, figure string }

// dearest are what takes more than a field by itself: it may be refused, before more is done than an operation may take.
var dearest = []lesson{
	{name: "drivers in each of 60 groups", query: `feedback(filter: $all) { breakdown(by: ["region", "persona"], limit: 60) { feedback { drivers { explained } } } }`},
	{name: "hotspots in each of 60 groups", query: `feedback(filter: $all) { breakdown(by: ["region", "persona"], limit: 60) { feedback { hotspots { tested } } } }`},
	{name: "changePoints in each of 60 groups", query: `feedback(filter: $all) { breakdown(by: ["region", "persona"], limit: 60) { feedback { changePoints { reason } } } }`},
	{name: "prediction in each of 60 groups", query: `feedback(filter: $all) { breakdown(by: ["region", "persona"], limit: 60) { feedback { prediction { usable } } } }`},
	{name: "drivers, hotspots, changePoints, prediction and the shares by week of experiment, of 4 halves of a year", query: halves()},
}

// halves asks for what is dear of each half of a year.
func halves() string {
	var query strings.Builder
	for _, half := range []string{"a", "b", "c", "d"} {
		query.WriteString(half + `: feedback(filter: $` + half + `) { drivers { explained } hotspots { tested } changePoints { reason } prediction { usable } experiment { allocation { pValue } } } `)
	}
	return query.String()
}

var lessons = []lesson{
	{
		"breakdown by two traits, each group against the rest, corrected",
		`feedback(filter: $all) { breakdown(by: ["plan", "region"]) { values share contribution score ` + scoreFields + ` versusRest ` + changeFields + ` } }`,
		"feedback.breakdown.0.versusRest.adjustedPValue",
	},
	{
		"the same, each group's score drawn towards all", `feedback(filter: $all) { breakdown(by: ["plan", "region"]) { values shrunk { nps weight reason } } }`,
		"feedback.breakdown.0.shrunk.nps",
	},
	{
		"trend by month, each against the one before, corrected", `feedback(filter: $all) { trend { start score ` + scoreFields + ` change ` + changeFields + ` } }`,
		"feedback.trend.1.change.adjustedPValue",
	},
	{
		"the same over 12 months each", `feedback(filter: $year) { trend(rolling: 12) { start score ` + scoreFields + ` change ` + changeFields + ` } }`,
		"feedback.trend.1.change.adjustedPValue",
	},
	{
		"trend by month with actions", `feedback(filter: $all) { trend { start score { nps } actions { name startedOn segment { name } } } }`,
		"feedback.trend." + strconv.Itoa(acted) + ".actions.0.name",
	},
	{
		"drivers, of all traits",
		`feedback(filter: $all) { drivers { responses explained reason traits { trait label alone ` + partFields + ` own ` + partFields + `
			values { value score { nps } share effect interval { low high } } } } }`,
		"feedback.drivers.traits.0.values.0.interval.low",
	},
	{
		"hotspots, of all traits and pairs of them",
		`feedback(filter: $all) { hotspots(depth: 2) { tested reason groups { traits values score ` + scoreFields + ` share versusRest ` + changeFields + ` worth beyondParts } } }`,
		"feedback.hotspots.groups.0.worth",
	},
	{
		"explainChange of a year, by two traits",
		`feedback(filter: $year) { explainChange(from: $before, by: ["plan", "region"]) { reason total ` + changeFields + ` mix ` + pointsFields + ` movement ` + pointsFields + `
			groups { values before { nps } after { nps } shareBefore shareAfter mix movement change ` + changeFields + ` } } }`,
		"feedback.explainChange.groups.0.change.adjustedPValue",
	},
	{
		"changePoints of two years", `feedback(filter: $all) { changePoints ` + levelFields + ` }`,
		"feedback.changePoints.points.0.interval.low",
	},
	{
		"changePoints of a segment", `feedback(filter: $some) { changePoints ` + levelFields + ` }`,
		"feedback.changePoints.points.0.interval.low",
	},
	{
		"curve", `feedback(filter: $all) { curve(by: "household") { slope interval { low high } pValue significant reason ends ` + changeFields + ` points { values score ` + scoreFields + ` } } }`,
		"feedback.curve.interval.low",
	},
	{
		"experiment",
		`feedback(filter: $all) { experiment { verdict winner planned reason variants { variant score ` + scoreFields + ` share expectedShare }
			comparisons { variant against once ` + changeFields + ` anytime { interval { low high } pValue adjustedPValue significant } } sampleRatio { pValue mismatch } } }`,
		"feedback.experiment.comparisons.0.anytime.pValue",
	},
	{
		"the same with its shares by week", `feedback(filter: $all) { experiment { verdict winner reason allocation { pValue mismatch } } }`,
		"feedback.experiment.allocation.pValue",
	},
	{
		"samplePlan", `feedback(filter: $all) { samplePlan(difference: 3, responseRate: 0.2) { responses invitations variance days detectable } }`,
		"feedback.samplePlan.detectable",
	},
	{
		"prediction with 20 groups",
		`feedback(filter: $all) { prediction { usable trainedOn trainedTo validatedOn logLoss baseline skill auc lift reason calibration { responses predicted observed }
			groups { traits values responses prediction { promoter passive detractor } } } }`,
		"feedback.prediction.groups.0.prediction.detractor",
	},
	{
		"benchmarks", `feedback(filter: $all) { benchmarks(industry: "bench") { benchmark { label average } versusAverage ` + changeFields + ` } }`,
		"feedback.benchmarks.0.versusAverage.pValue",
	},
	{
		"effect of an action for a segment",
		`action(id: $deed) { effect { before { nps } after { nps } change ` + changeFields + ` othersChange ` + changeFields + ` effect ` + changeFields + `
			lead ` + changeFields + ` placebos { tried asLarge } caveats reason } }`,
		"action.effect.lead.pValue",
	},
}

const (
	partFields   = `{ explained spread pValue adjustedPValue significant }`
	pointsFields = `{ points interval { low high } pValue significant }`
	levelFields  = `{ reason levels { start end score ` + scoreFields + ` } points { day earliest latest difference interval { low high } } }`
)

func (l lesson) body(w world, deed string) ([]byte, error) {
	from, to, _, err := span()
	if err != nil {
		return nil, err
	}
	middle := calendar.Monthly.Add(to+1, -12)
	all := func(more map[string]any) map[string]any {
		more["campaigns"] = []string{id.Campaign.Format(w.campaign)}
		return more
	}
	variables := map[string]map[string]any{
		"all":    all(map[string]any{}),
		"some":   all(map[string]any{"where": segmentRule}),
		"year":   all(map[string]any{"from": middle.String(), "to": to.String()}),
		"before": all(map[string]any{"from": from.String(), "to": (middle - 1).String()}),
	}
	for half, name := range []string{"a", "b", "c", "d"} {
		variables[name] = all(map[string]any{
			"from": calendar.Monthly.Add(from, 6*half).String(), "to": (calendar.Monthly.Add(from, 6*half+6) - 1).String(),
		})
	}
	given, declared := map[string]any{}, []string{}
	for name, filter := range variables {
		if strings.Contains(l.query, "$"+name+")") || strings.Contains(l.query, "$"+name+",") {
			given[name], declared = filter, append(declared, "$"+name+": FeedbackFilter!")
		}
	}
	if strings.Contains(l.query, "$deed") {
		given["deed"], declared = deed, append(declared, "$deed: ID!")
	}
	return body("query ("+strings.Join(declared, ", ")+") { "+l.query+" }", given)
}

// at is what stands at a path of an answer; nil where nothing does.
func at(answer any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch v := answer.(type) {
		case map[string]any:
			answer = v[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(v) {
				return nil
			}
			answer = v[n]
		default:
			return nil
		}
	}
	return answer
}

// reasons are those in an answer for which there is no figure.
func reasons(answer any) (found []string) {
	switch v := answer.(type) {
	case map[string]any:
		for key, value := range v {
			if reason, ok := value.(string); ok && key == "reason" {
				found = append(found, reason)
			}
			found = append(found, reasons(value)...)
		}
	case []any:
		for _, value := range v {
			found = append(found, reasons(value)...)
		}
	}
	return found
}

var errRefused = errors.New("refused")

// points asks once over HTTP, fails where the answer has no figures, and says what it cost.
func (l lesson) points(ctx context.Context, s *server, w world, request []byte) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/graphql", s.Port), strings.NewReader(string(request)))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+w.secret)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var said struct {
		Data   map[string]any
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
		Extensions struct{ Cost struct{ Actual float64 } }
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		return 0, err
	}
	if len(said.Errors) > 0 && l.figure == "" && strings.Contains(said.Errors[0].Extensions.Code, "TOO_COMPLEX") {
		return said.Extensions.Cost.Actual, errRefused
	}
	if len(said.Errors) > 0 {
		return said.Extensions.Cost.Actual, fmt.Errorf("%s: %s", l.name, said.Errors[0].Message)
	}
	if without := reasons(said.Data); l.figure != "" && without != nil || l.figure != "" && at(said.Data, l.figure) == nil {
		return 0, fmt.Errorf("%s: the answer has no figures: %v, nothing at %s", l.name, without, l.figure)
	}
	return said.Extensions.Cost.Actual, nil
}

const (
	// lessonTime is what a field may take at the median, in milliseconds, and lessonWork what it may of the server's processor where
	// there are many profiles.
	lessonTime, lessonWork = 100, 300
)

// insights measures line j: each field of Insight by itself.
func (b *bench) insights(ctx context.Context) error {
	for _, of := range []struct {
		database string
		few      bool
		n        int
		checked  bool
	}{
		// Doctor counts everything again: what was poured is what recording would have made.
		{"PostgreSQL", false, b.small / 10, true},
		{"PostgreSQL", true, b.size, false}, {"PostgreSQL", false, b.size, false}, {"SQLite", true, max(b.size/10, min(b.size, 200_000)), false},
	} {
		if err := b.learnedWorld(ctx, of.database, of.n, of.few, of.checked); err != nil {
			return err
		}
	}
	return nil
}

// learnedWorld makes a world that there is something to learn from, checks it or measures it, and takes it away again.
func (b *bench) learnedWorld(ctx context.Context, database string, n int, few, checked bool) error {
	profiles := kinds * len(variants)
	if few {
		profiles = plans * fewRegions * fewPersonas * households * len(variants)
	}
	say("%s: %d responses of %d profiles to learn from", database, n, profiles)
	url := "sqlite://" + b.temp + "/insight.db"
	if database == "PostgreSQL" {
		var err error
		if url, err = b.pg.Create(ctx, "bench_insight"); err != nil {
			return err
		}
	}
	w, err := settle(ctx, url, min(b.people, 10*n))
	if err != nil {
		return err
	}
	w.learns, w.few, w.bare = true, few, !checked
	deed, err := w.learn(ctx)
	if err != nil {
		return err
	}
	load := w.record
	if database == "PostgreSQL" {
		load = w.pour
	}
	began := time.Now()
	if err := load(ctx, n); err != nil {
		return err
	}
	say("  took %.0f s", time.Since(began).Seconds())
	if checked {
		if _, err := w.index(ctx); err != nil {
			return err
		}
		if err := b.doctor(ctx, w); err != nil {
			return err
		}
	} else {
		if err := w.pretendIndexed(ctx); err != nil {
			return err
		}
		section := fmt.Sprintf("Insight, %s: %s responses, %s profiles", database, number(float64(n)), number(float64(profiles)))
		if err := b.lessons(ctx, w, deed, section, few); err != nil {
			return err
		}
	}
	if database == "PostgreSQL" {
		_, err = b.pg.PSQL(ctx, "postgres", "-c", `DROP DATABASE bench_insight`)
		return err
	}
	return os.Remove(strings.TrimPrefix(w.url, "sqlite://"))
}

// lessons asks for each field of a world.
func (b *bench) lessons(ctx context.Context, w world, deed, section string, few bool) (err error) {
	s, err := b.serve(ctx, w.url, "j-"+strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(section))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	for i, l := range lessons {
		request, err := l.body(w, deed)
		if err != nil {
			return err
		}
		for range 10 { // what is not in memory yet is read in portions
			if _, err = l.points(ctx, s, w, request); err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
		points, err := l.points(ctx, s, w, request)
		if err != nil {
			return err
		}
		var ms, work sample
		for range b.rounds {
			got, err := b.drive(ctx, s, load{Key: w.secret, Connections: 1, Seconds: min(2, b.seconds), Expect: `{"data":{`, Bodies: [][]byte{request}})
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			ms, work = append(ms, got.P50), append(work, got.Server/1e3)
		}
		took := line{section: section, what: l.name, unit: "ms", ours: ms, beside: "points", rival: sample{points}}
		if i == 0 && w.bare && s.postgres {
			took.limit = "as all fields of Insight the number of cells that it reads; the responses that they count lie beside them, without indexes and events (" + section + ")"
		}
		if few {
			took.goal, took.reached = fmt.Sprintf("≤ %d ms", lessonTime), new(ms.median() <= lessonTime)
		}
		b.report.add(took)
		worked := line{section: section, what: l.name + ": processor time of the server", unit: "ms", ours: work}
		if !few {
			worked.goal, worked.reached = fmt.Sprintf("≤ %d ms", lessonWork), new(work.median() <= lessonWork)
		}
		b.report.add(worked)
	}
	if few {
		return nil
	}
	for _, l := range dearest {
		request, err := l.body(w, deed)
		if err != nil {
			return err
		}
		said := ""
		points, err := l.points(ctx, s, w, request)
		for range 10 {
			points, err = l.points(ctx, s, w, request)
		}
		switch {
		case errors.Is(err, errRefused):
			said = ", which is refused"
		case err != nil:
			return err
		}
		var work sample
		for range b.rounds {
			got, err := b.drive(ctx, s, load{Key: w.secret, Connections: 1, Seconds: min(3, b.seconds), Bodies: [][]byte{request}})
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			work = append(work, got.Server/1e3)
		}
		b.report.add(line{
			section: section, what: l.name + said + ": processor time of the server", unit: "ms", ours: work, beside: "points", rival: sample{points},
			goal: fmt.Sprintf("≤ %d ms", lessonWork), reached: new(work.median() <= lessonWork),
		})
	}
	return nil
}
