//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/internal/lab"
)

// What a request of at most 1,000 points may take of the server's process.
const (
	mostProcessor = 300 * time.Millisecond
	mostMemory    = 64 // MiB
)

// The tenant that the documents are asked of: as many dimensions, values and profiles as there may be, or nearly.
const (
	largeDimensions = 16
	largeValues     = 190
	largeProfiles   = 20_000
	largeDays       = 730
	// forgottenCampaigns have few answers, before all others.
	forgottenCampaigns = 2
	// quietCampaigns have one answer each.
	quietCampaigns = 99
	// firstAnswers are the first, of which those of contacts have a value that nobody else has.
	firstAnswers = 3_000
	// Every busyEvery-th answer came on the one busy day, so many days ago; every kioskEvery-th is of one contact.
	busyEvery, busyAgo = 4, 200
	kioskEvery         = 10
)

// documents asks random legal documents up to the limits, one at a time, and measures what each takes.
func (t *torture) documents(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	port, err := lab.FreePort()
	if err != nil {
		return "", "", err
	}
	metrics := fmt.Sprintf("127.0.0.1:%d", port)
	h, err := t.open(ctx, url, "--metrics-listen", metrics)
	if err != nil {
		return "", "", err
	}
	seed := t.seed
	switch {
	case seed != 0:
	case t.short:
		seed = 1 // what a change is judged by must not change by itself
	default:
		seed = uint64(time.Now().UnixNano())
	}
	// A change is judged on slower machines too, and must not fail for theirs.
	bound := mostProcessor
	if t.short {
		bound *= 2
	}
	w := &writer{Rand: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // to be found again
	if err := w.read(filepath.Join(t.root, "docs", "schema.graphql")); err != nil {
		return "", "", err
	}
	responses := t.number(60_000, 25_000)
	if err := w.fill(ctx, h, responses); err != nil {
		return "", "", fmt.Errorf("filling the tenant: %w", err)
	}
	// What runs once, such as indexing the comments and reading the tenant's profiles, is no document's fault; nor is the
	// collector's usual room.
	if err := h.indexed(ctx, "http://"+metrics+"/metrics"); err != nil {
		return "", "", err
	}
	for _, d := range w.hard() {
		if _, err := h.took(ctx, w.callers[0], d); err != nil {
			return "", "", err
		}
	}
	// What was too much for one caller may be too much for any: each asks for it.
	type asked struct {
		caller caller
		written
	}
	var documents []asked
	for _, by := range slices.CompactFunc(slices.Clone(w.callers), func(a, b caller) bool { return a.name == b.name }) {
		for _, d := range w.hard() {
			documents = append(documents, asked{by, d})
		}
	}
	for range t.number(500, 100) {
		documents = append(documents, asked{w.callers[w.IntN(len(w.callers))], w.document()})
	}
	n, refused, ended := len(documents), 0, 0
	all := make([]cost, 0, n)
	for _, document := range documents {
		caller, d := document.caller, document.written
		c, err := h.took(ctx, caller, d)
		if err != nil {
			return "", "", fmt.Errorf("seed %d: %w", seed, err)
		}
		// What was too much may have been the collector's, or another program's; what is the document's is too much again.
		for again := 0; again < 3 && c.excessive(bound); again++ {
			once, err := h.took(ctx, caller, d)
			if err != nil {
				return "", "", fmt.Errorf("seed %d: %w", seed, err)
			}
			c.processor, c.memory = min(c.processor, once.processor), min(c.memory, once.memory)
		}
		switch {
		case c.requested == 0:
			refused++
		case c.code == "TOO_COMPLEX":
			ended++
		}
		all = append(all, c)
	}
	if refused > n*3/4 {
		return "", "", fmt.Errorf("seed %d: %d of %d documents were refused before they ran, and measured nothing", seed, refused, n)
	}
	slices.SortStableFunc(all, func(a, b cost) int { return cmp.Compare(b.processor, a.processor) })
	slowest := all[0]
	t.keep("excessive", slices.DeleteFunc(slices.Clone(all), func(c cost) bool { return !c.excessive(bound) }))
	t.keep("slowest", all[:5])
	slices.SortStableFunc(all, func(a, b cost) int { return cmp.Compare(b.memory, a.memory) })
	largest := all[0]
	t.keep("largest", all[:5])
	if slowest.excessive(bound) || largest.excessive(bound) {
		return "", "", fmt.Errorf("seed %d: the slowest took %v of a processor: %.600s; the largest %.0f MiB: %.600s",
			seed, slowest.processor, slowest, largest.memory, largest)
	}
	return fmt.Sprintf("%d documents (seed %d) of a tenant with %d dimensions of %d values, %d profiles and %d responses: %d refused before, %d while they ran",
			n, seed, largeDimensions, largeValues, largeProfiles, responses, refused, ended),
		fmt.Sprintf("the slowest took %d ms of a processor, the largest %.0f MiB", slowest.processor.Milliseconds(), largest.memory), h.close(ctx)
}

// keep notes documents in the log of the servers.
func (t *torture) keep(what string, worst []cost) {
	for _, c := range worst {
		fmt.Fprintf(t.log, "%s: %s\n", what, c)
		if t.verbose {
			fmt.Fprintf(os.Stdout, "  %s: %.6000s\n", what, c)
		}
	}
}

// written is a document with its variables.
type written struct {
	text      string
	variables map[string]any
}

// cost is what a request took.
type cost struct {
	written

	caller            string
	processor         time.Duration
	memory            float64 // MiB
	requested, actual int
	code              string
}

func (c cost) excessive(bound time.Duration) bool {
	return c.processor > bound || c.memory > mostMemory
}

func (c cost) String() string {
	variables, err := json.Marshal(c.variables)
	if err != nil {
		panic(err) // it was sent
	}
	return fmt.Sprintf("%d ms, %.0f MiB, %d points, %d at first, %s %s: %s %s", c.processor.Milliseconds(), c.memory, c.actual, c.requested, c.caller, c.code, c.text, variables)
}

// caller is who asks.
type caller struct {
	*client

	name string
}

// took asks for a document and measures what that takes of the server's process.
func (h *house) took(ctx context.Context, by caller, d written) (c cost, err error) {
	c.written, c.caller = d, by.name
	before, err := h.server.Processor()
	if err != nil {
		return c, err
	}
	resident, err := h.server.Memory("VmRSS")
	if err != nil {
		return c, err
	}
	if err := h.server.ForgetPeak(); err != nil {
		return c, err
	}
	a, err := by.ask(ctx, h.server.URL(), d.text, d.variables)
	if err != nil {
		return c, fmt.Errorf("%w: %.1000s", err, d.text)
	}
	after, err := h.server.Processor()
	if err != nil {
		return c, err
	}
	peak, err := h.server.Memory("VmHWM")
	if err != nil {
		return c, err
	}
	var cost struct {
		Extensions struct {
			Cost struct {
				Requested int `json:"requested"`
				Actual    int `json:"actual"`
			} `json:"cost"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(a.text, &cost); err != nil {
		return c, err
	}
	c.requested, c.actual, c.code = cost.Extensions.Cost.Requested, cost.Extensions.Cost.Actual, a.code()
	c.processor, c.memory = after-before, peak-resident
	for _, e := range a.Errors {
		if e.Extensions.Code == "INTERNAL" {
			return c, fmt.Errorf("INTERNAL: %s", c)
		}
	}
	return c, nil
}

// writer writes documents.
type writer struct {
	*rand.Rand

	schema  *ast.Schema
	ids     map[string][]string // by prefix
	quiet   []string
	long    string
	busy    string // the day
	callers []caller
	// For the document at hand:
	variables map[string]any
	declared  []string
	left      int // selections
}

func (w *writer) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: path, Input: string(text)})
	if err != nil {
		return err
	}
	w.schema = schema
	return nil
}

func (w *writer) dimension() string { return "d" + strconv.Itoa(w.IntN(largeDimensions)) }
func (w *writer) value() string     { return "value " + strconv.Itoa(w.IntN(largeValues)) }

// fill fills the house's tenant, and makes tokens.
func (w *writer) fill(ctx context.Context, h *house, responses int) error {
	at := h.server.URL()
	w.ids = map[string][]string{"camp": {h.campaign}}
	for d := range largeDimensions {
		input := map[string]any{"key": "d" + strconv.Itoa(d), "kind": "TEXT", "isDimension": true}
		if err := h.must(ctx, at, `mutation ($i: DefineTraitInput!) { defineTrait(input: $i) { userErrors { message } } }`, map[string]any{"i": input}, new(any)); err != nil {
			return err
		}
	}
	create := func(name string) (string, error) {
		var made struct {
			CreateCampaign struct{ Campaign struct{ ID string } }
		}
		err := h.must(ctx, at, fmt.Sprintf(`mutation { createCampaign(input: { name: %q }) { campaign { id } } }`, name), nil, &made)
		return made.CreateCampaign.Campaign.ID, err
	}
	for i := range 3 + forgottenCampaigns {
		made, err := create(fmt.Sprintf("Campaign %d", i))
		if err != nil {
			return err
		}
		w.ids["camp"] = append(w.ids["camp"], made)
	}
	for i := range quietCampaigns {
		made, err := create(fmt.Sprintf("Quiet campaign %d", i))
		if err != nil {
			return err
		}
		w.quiet = append(w.quiet, made)
	}
	asked := len(w.ids["camp"]) - forgottenCampaigns
	profiles := make([]map[string]any, largeProfiles)
	for i := range profiles {
		profiles[i] = map[string]any{}
		for d := range largeDimensions {
			profiles[i]["d"+strconv.Itoa(d)] = w.value()
		}
	}
	now := time.Now()
	busy := now.UTC().AddDate(0, 0, -busyAgo).Truncate(24 * time.Hour)
	w.busy = busy.Format(time.DateOnly)
	for from := 0; from < responses; from += 1_000 {
		batch := make([]map[string]any, 1_000)
		for i := range batch {
			profile := profiles[(from+i)%largeProfiles]
			campaign, hours := w.ids["camp"][w.IntN(asked)], w.IntN(largeDays*24)
			switch {
			case i < forgottenCampaigns && from < 15_000: // few, and long ago
				campaign, hours = w.ids["camp"][asked+i], largeDays*24+w.IntN(24)
			case from == 1_000 && i < quietCampaigns:
				campaign = w.quiet[i]
			}
			at := now.Add(-time.Duration(hours) * time.Hour)
			if i%busyEvery == 1 && campaign == w.ids["camp"][asked-1] {
				at = busy.Add(time.Duration(w.IntN(24*60)) * time.Minute)
			}
			batch[i] = map[string]any{
				"campaign": campaign, "score": w.IntN(11), "comment": "It is slow on day " + strconv.Itoa(w.IntN(largeDays)) + ", at " + []string{"noon", "night"}[i%2],
				"respondedAt": at.UTC().Format(time.RFC3339),
			}
			if from+i < firstAnswers && i%5 == 0 {
				profile = maps.Clone(profile)
				profile["d15"] = "first"
			}
			switch {
			case i%5 == 0:
				batch[i]["contact"] = map[string]any{"externalId": "c" + strconv.Itoa((from+i)%largeProfiles), "name": contactName(from + i), "traits": profile}
			case i%kioskEvery == 1:
				batch[i]["contact"] = map[string]any{"externalId": "kiosk", "name": "Kiosk"}
				batch[i]["traits"] = profile
			default:
				batch[i]["traits"] = profile
			}
		}
		var recorded struct {
			RecordResponses struct {
				Recorded  int
				Responses []struct{ ID string }
			}
		}
		err := h.must(ctx, at, `mutation ($i: RecordResponsesInput!) { recordResponses(input: $i) { recorded responses { id } } }`,
			map[string]any{"i": map[string]any{"responses": batch}}, &recorded)
		if err != nil {
			return err
		}
		if recorded.RecordResponses.Recorded != len(batch) {
			return fmt.Errorf("of %d responses %d were recorded", len(batch), recorded.RecordResponses.Recorded)
		}
		w.ids["resp"] = append(w.ids["resp"], recorded.RecordResponses.Responses[0].ID)
	}
	long, err := create("Long comments")
	if err != nil {
		return err
	}
	w.long = long
	for from := 0; from < len(longComments())*longTimes; from += 20 {
		batch := make([]map[string]any, 20)
		for i := range batch {
			batch[i] = map[string]any{
				"campaign": w.long, "score": w.IntN(11), "comment": longComments()[(from+i)%len(longComments())](from + i),
				"respondedAt": now.AddDate(0, 0, -largeDays-w.IntN(100)).UTC().Format(time.RFC3339),
			}
		}
		if err := h.must(ctx, at, `mutation ($i: RecordResponsesInput!) { recordResponses(input: $i) { recorded } }`,
			map[string]any{"i": map[string]any{"responses": batch}}, new(any)); err != nil {
			return err
		}
	}
	for i := range 8 {
		var made struct {
			CreateSegment struct{ Segment struct{ ID string } }
		}
		rule := w.rule(1 + i*4)
		values := []string{}
		for v := range []int{1, 21, 1, 3, 0, 0, 0, 0}[i] {
			values = append(values, "value "+strconv.Itoa(v))
		}
		switch rare := map[string]any{"trait": map[string]any{"key": "d0", "in": values}}; i {
		case 0: // nearly all
			rule = map[string]any{"not": rare}
		case 4: // the first
			rule = map[string]any{"trait": map[string]any{"key": "d15", "in": []string{"first"}}}
		case 1, 2, 3: // one in nine; and few
			rule = rare
		}
		err := h.must(ctx, at, `mutation ($i: CreateSegmentInput!) { createSegment(input: $i) { segment { id } } }`,
			map[string]any{"i": map[string]any{"name": fmt.Sprintf("Segment %d", i), "rule": rule}}, &made)
		if err != nil {
			return err
		}
		w.ids["seg"] = append(w.ids["seg"], made.CreateSegment.Segment.ID)
	}
	var found struct {
		Contacts struct{ Nodes []struct{ ID string } }
		Traits   []struct{ ID string }
	}
	if err := h.must(ctx, at, `{ contacts { nodes { id } } traits { id } }`, nil, &found); err != nil {
		return err
	}
	for _, c := range found.Contacts.Nodes {
		w.ids["cont"] = append(w.ids["cont"], c.ID)
	}
	for _, t := range found.Traits {
		w.ids["trait"] = append(w.ids["trait"], t.ID)
	}
	w.callers = []caller{{h.client, "a key"}, {h.client, "a key"}}
	old := w.ids["camp"][asked:]
	for name, narrowing := range map[string]string{
		"two small campaigns": fmt.Sprintf(`campaigns: [%q, %q]`, old[0], old[1]),
		"long comments":       fmt.Sprintf(`campaigns: [%q]`, w.long),
		"two campaigns":       fmt.Sprintf(`campaigns: [%q, %q]`, w.ids["camp"][0], w.ids["camp"][1]), "a segment": fmt.Sprintf(`segment: %q`, w.ids["seg"][0]),
		"one in nine": fmt.Sprintf(`segment: %q`, w.ids["seg"][1]), "a few people": fmt.Sprintf(`segment: %q`, w.ids["seg"][2]), "one in sixty": fmt.Sprintf(`segment: %q`, w.ids["seg"][3]), "the first people": fmt.Sprintf(`segment: %q`, w.ids["seg"][4]),
	} {
		var made struct{ CreateAccessToken struct{ Token string } }
		if err := h.must(ctx, at, `mutation { createAccessToken(input: { scopes: [READ], `+narrowing+`, expiresIn: 7200 }) { token } }`, nil, &made); err != nil {
			return err
		}
		w.callers = append(w.callers, caller{newClient(made.CreateAccessToken.Token), "a token for " + name})
	}
	slices.SortStableFunc(w.callers, func(a, b caller) int { return cmp.Compare(a.name, b.name) })
	return nil
}

// longTimes is how many comments there are of each kind of long ones.
const longTimes = 40

// longComments write comments that take long to compare, or to find in the index by the beginnings of their words, each of
// some 10,000 characters: those that are composed otherwise than they are compared, those of other letters than ASCII's, and
// words that no other comment has.
func longComments() []func(i int) string {
	again := func(text string) func(int) string {
		return func(i int) string {
			return strings.Repeat(text, 9_900/utf8.RuneCountInString(text)) + strconv.Itoa(i)
		}
	}
	words := func(begin string) func(int) string {
		return func(i int) string {
			var b strings.Builder
			for n := range 1_400 {
				fmt.Fprintf(&b, "%s%c%c ", begin, 0xac00+i, 0xac00+n)
			}
			return b.String()
		}
	}
	return []func(int) string{
		again("\u0958"), again("o\u0323\u0302"), again("\u1112\u1161\u11ab"), again("\uf900"), again("Ж"), again("\u597d"), again("😀"), again("“"),
		words("wxya"), words("qrsa"),
	}
}

// contactName is the name of the contact of the i-th answer. One of three is long, of other letters than ASCII's.
func contactName(i int) string {
	if i/5%3 == 0 {
		return strings.Repeat("É", 150) + strconv.Itoa(i)
	}
	return "Ada " + strconv.Itoa(i)
}

// hard are documents that were too much once, and their like.
func (w *writer) hard() []written {
	pairs := func(limit int) string {
		var b strings.Builder
		for i := range 12 {
			fmt.Fprintf(&b, " b%d: breakdown(by: [\"d%d\", \"d%d\"], limit: %d) { share }", i, i, (i+1)%largeDimensions, limit)
		}
		return b.String()
	}
	// many writes a field so many times: # stands for 0, 1, 2 …, and @ for 10, 11, 12 ….
	many := func(n int, field string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(" " + strings.NewReplacer("#", strconv.Itoa(i), "@", strconv.Itoa(10+i)).Replace(field))
		}
		return b.String()
	}
	fifteen := func(field string) string { return many(15, field) }
	deep := make([]map[string]any, 99)
	for i := range deep {
		deep[i] = map[string]any{"trait": map[string]any{"key": "d" + strconv.Itoa(i%largeDimensions), "in": []string{"value " + strconv.Itoa(i)}}}
		for range 6 {
			deep[i] = map[string]any{"not": deep[i]}
		}
	}
	few := "[" + strconv.Quote(w.ids["camp"][len(w.ids["camp"])-1]) + ", " + strconv.Quote(w.ids["camp"][len(w.ids["camp"])-2]) + "]"
	campaigns := map[string]any{"c": append([]string{w.ids["camp"][0]}, w.quiet...)}
	documents := []written{
		{text: "query ($c: [ID!]) {" + fifteen(`a#: responses(first: @, filter: { campaigns: $c }) { nodes { id } }`) + " }", variables: campaigns},
		{text: "query ($c: [ID!]) {" + fifteen(`a#: responses(first: @, filter: { campaigns: $c, search: "day 22#" }) { nodes { id } }`) + " }", variables: campaigns},
		{text: "query ($c: [ID!]) {" + fifteen(`a#: responses(first: @, filter: { campaigns: $c, categories: [PASSIVE], last: { count: 9#, unit: DAY } }) { totalCount nodes { id } }`) + " }", variables: campaigns},
		{text: "{" + fifteen(`a#: responses(first: 10, filter: { campaigns: `+few+` }) { nodes { id } }`) + " }"},
		{text: "{" + fifteen(`a#: responses(first: 10, filter: { campaigns: `+few+` }, orderBy: { field: SCORE }) { nodes { id } }`) + " }"},
		{text: "{" + fifteen(`a#: responses(first: 20, filter: { last: { count: 73#, unit: DAY }, categories: [PASSIVE], channels: [LINK] }) { nodes { id } }`) + " }"},
		{text: "{" + fifteen(`a#: responses(first: 2, filter: { last: { count: 2#, unit: DAY } }, orderBy: { field: SCORE, direction: ASC }) { nodes { id } }`) + " }"},
		{text: "{" + fifteen(`a#: responses(first: 20, filter: { where: { trait: { key: "d#", in: ["value 1#"] } }, search: "day" }, orderBy: { field: SCORE }) { nodes { id } }`) + " }"},
		{text: "{" + fifteen(`a#: responses(first: 1, filter: { search: "day 22#" }) { totalCount }`) + " }"},
		{text: "{" + fifteen("a#: feedback { ...F }") + " } fragment F on Feedback {" + pairs(1) + " }"},
		{text: "{" + fifteen(`a#: feedback(filter: { last: { count: 7#, unit: DAY } }) { ...F }`) + " } fragment F on Feedback {" + pairs(1) + " }"},
		{text: "query ($w: SegmentRuleInput) {" + fifteen("a#: feedback(filter: { where: $w, last: { count: 7#, unit: DAY } }) { score { nps } }") + " }", variables: map[string]any{"w": map[string]any{"any": deep}}},
		{text: "query ($w: SegmentRuleInput) { feedback(filter: { where: $w }) { score { nps } } }", variables: map[string]any{"w": map[string]any{"any": deep}}},
		{text: `{ feedback { trend(interval: DAY) {` + fifteen("s#: score {"+fifteen("h#: histogram")+" }") + ` } } }`},
		{text: `{ feedback { breakdown(by: ["d1", "d2"], limit: 200) { values feedback { score { nps } } } } }`},
		{text: `{ feedback { breakdown(by: ["d1"], limit: 20) { feedback { trend(interval: DAY, rolling: 1000) { start } } } } }`},
		{text: `{ responses(first: 100) { nodes {` + fifteen("t#: traits") + fifteen("c#: comment") + ` } } }`},
		{text: "{" + fifteen(`a#: responses(first: 30, filter: { where: { trait: { key: "d#", in: ["value 1#"] } } }) { totalCount nodes { id } }`) + " }"},
		{text: "{" + fifteen(`a#: contacts(first: 1, search: "da #") { totalCount }`) + fifteen(`b#: responses(first: 1, filter: { search: "day #" }) { totalCount }`) + " }"},
		{text: `{ contacts(first: 40) { nodes { responses(first: 3) { totalCount nodes { id } } } } }`},
		{text: `{ traits { key values { value contacts } } }`},
	}
	// beginnings are of words that each comment has, or many, and of one that none has.
	beginnings := "it is sl slo slow on da day at ni nig nigh no noo" + many(30, " @")
	// Of what costs a lot before it is known what it costs, some few are dearer than many.
	busy := fmt.Sprintf("from: %q, to: %q", w.busy, w.busy)
	segment := func(i int) string { return strconv.Quote(w.ids["seg"][i]) }
	for _, field := range []string{
		`a#: contacts(first: @) { totalCount nodes { id } }`,
		`a#: contacts(last: @) { totalCount }`,
		`a#: contacts(first: 1, orderBy: { field: NAME }) { nodes { id } }`,
		`a#: contacts(first: @, search: "c1#") { totalCount nodes { name } }`,
		`a#: contacts(first: @, segment: ` + segment(1) + `) { totalCount nodes { traits } }`,
		`a#: contacts(first: @, segment: ` + segment(2) + `) { totalCount nodes { id } }`,
		`a#: contacts(first: 2, search: "c1#") { nodes { responses(first: 5) { totalCount nodes { id } } } }`,
		`a#: responses(first: @, orderBy: { field: SCORE, direction: ASC }) { totalCount nodes { id } }`,
		`a#: responses(last: @, filter: { last: { count: 60#, unit: DAY } }, orderBy: { field: SCORE }) { nodes { id } }`,
		`a#: responses(first: @, filter: { last: { count: 72#, unit: DAY }, categories: [DETRACTOR] }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { where: { trait: { key: "d#", isKnown: true } }, last: { count: 30@, unit: DAY } }, orderBy: { field: SCORE }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { search: "day 2#" }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { segment: ` + segment(2) + ` }, orderBy: { field: SCORE }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { ` + busy + `, segment: ` + segment(2) + ` }) { nodes { id } }`,
		`a#: responses(first: @, filter: { ` + busy + `, where: { trait: { key: "d15", in: ["first"] } } }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { ` + busy + ` }, orderBy: { field: SCORE }) { nodes { id } }`,
		`a#: contact(externalId: "kiosk") { responses(first: @) { totalCount nodes { id } } }`,
		`a#: contacts(first: 1, search: "kiosk") { nodes { responses(last: @) { nodes { id } } } }`,
		`a#: responses(first: 1, filter: { search: "zzz# ` + beginnings + `" }) { nodes { id } }`,
		`a#: responses(first: 1, filter: { search: "zzz# ` + beginnings + `" }) { eventCursor totalCount nodes { id } }`,
		`a#: responses(first: 1, filter: { search: "it is sl on da ni" }, orderBy: { field: SCORE }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { search: "noon night" }) { totalCount nodes { id } }`,
		`a#: responses(first: @, filter: { search: "on-a ni no" }) { nodes { id } }`,
		`a#: responses(first: 1, filter: { search: "ξψ#" }) { nodes { id } }`,
		`a#: responses(first: 1, filter: { search: "ξψ#", campaigns: [` + strconv.Quote(w.long) + `] }) { nodes { id } }`,
		`a#: responses(first: @, filter: { search: "\"\"'#" , campaigns: [` + strconv.Quote(w.long) + `] }) { totalCount }`,
		`a#: responses(first: 1, filter: { search: "wxya qrsa" }) { nodes { id } }`,
		`a#: responses(first: 1, filter: { search: "qrsa #wx", campaigns: [` + strconv.Quote(w.long) + `] }) { totalCount }`,
	} {
		for _, n := range []int{1, 2, 4, 8, 15} {
			documents = append(documents, written{text: "{" + many(n, field) + " }"})
		}
	}
	return documents
}

// rule is a rule of so many conditions.
func (w *writer) rule(conditions int) map[string]any {
	switch {
	case conditions <= 1:
		rule := map[string]any{"trait": map[string]any{"key": w.dimension(), "isKnown": w.IntN(2) == 0}}
		if w.IntN(3) > 0 {
			values := make([]string, 1+w.IntN(1+w.IntN(largeValues)))
			for i := range values {
				values[i] = w.value()
			}
			rule = map[string]any{"trait": map[string]any{"key": w.dimension(), "in": values}}
		}
		for range w.IntN(4) {
			rule = map[string]any{"not": rule}
		}
		return rule
	default:
		rules := make([]map[string]any, conditions)
		for i := range rules {
			rules[i] = w.rule(1)
		}
		return map[string]any{[]string{"all", "any"}[w.IntN(2)]: rules}
	}
}

// document writes one, of a size that is legal more often than not.
func (w *writer) document() written {
	w.variables, w.declared = map[string]any{}, nil
	query := w.schema.Query
	var b strings.Builder
	roots := 1 + w.IntN(3)
	copies := 1
	if w.IntN(2) == 0 {
		copies = 1 + w.IntN(15)
	}
	for r := range roots {
		f := query.Fields[w.IntN(len(query.Fields))]
		if w.IntN(2) == 0 {
			f = query.Fields.ForName("feedback")
		}
		if strings.HasPrefix(f.Name, "__") || f.Name == "tenants" {
			continue
		}
		w.left = 700 / roots / copies
		for c := range copies {
			fmt.Fprintf(&b, " r%dc%d: %s", r, c, w.field(f, 5))
		}
	}
	if b.Len() == 0 {
		b.WriteString(" __schema { types { name fields { name args { name } } } }")
	}
	declared := ""
	if len(w.declared) > 0 {
		declared = "query (" + strings.Join(w.declared, ", ") + ") "
	}
	return written{text: declared + "{" + b.String() + " }", variables: w.variables}
}

// field writes a field with arguments and a selection.
func (w *writer) field(f *ast.FieldDefinition, depth int) string {
	w.left--
	text := f.Name + w.arguments(f)
	of := w.schema.Types[f.Type.Name()]
	if of.IsLeafType() {
		return text
	}
	return text + w.selection(of, depth-1)
}

func (w *writer) selection(of *ast.Definition, depth int) string {
	if of.Kind == ast.Interface || of.Kind == ast.Union {
		object := w.schema.Types[[]string{"Campaign", "Segment", "Response", "Contact", "Trait"}[w.IntN(5)]]
		return " { id ... on " + object.Name + w.selection(object, depth) + " }"
	}
	var leaves, objects []*ast.FieldDefinition
	for _, f := range of.Fields {
		switch {
		case strings.HasPrefix(f.Name, "__"):
		case w.schema.Types[f.Type.Name()].IsLeafType():
			leaves = append(leaves, f)
		default:
			objects = append(objects, f)
		}
	}
	var b strings.Builder
	b.WriteString(" {")
	n := 0
	if depth > 0 && w.left > 0 && len(objects) > 0 {
		for range 1 + w.IntN(2) {
			f := objects[w.IntN(len(objects))]
			for range 1 + w.IntN(1+w.IntN(10)) {
				if w.left > 0 {
					fmt.Fprintf(&b, " o%d: %s", n, w.field(f, depth))
					n++
				}
			}
		}
	}
	if len(leaves) > 0 {
		for range 1 + w.IntN(1+w.IntN(12)) {
			fmt.Fprintf(&b, " l%d: %s", n, w.field(leaves[w.IntN(len(leaves))], depth))
			n++
		}
	}
	if n == 0 {
		b.WriteString(" __typename")
	}
	b.WriteString(" }")
	return b.String()
}

func (w *writer) arguments(f *ast.FieldDefinition) string {
	var given []string
	give := func(name, value string) { given = append(given, name+": "+value) }
	quoted := func(prefix string) string { return strconv.Quote(w.ids[prefix][w.IntN(len(w.ids[prefix]))]) }
	paged := false
	for _, a := range f.Arguments {
		switch a.Name {
		case "first", "last":
			if !paged && w.IntN(2) == 0 {
				paged = true
				give(a.Name, strconv.Itoa(1+w.IntN(1+w.IntN(100))))
			}
		case "limit":
			give(a.Name, strconv.Itoa(1+w.IntN(1+w.IntN(200))))
		case "rolling":
			if w.IntN(3) == 0 {
				give(a.Name, strconv.Itoa(1+w.IntN(1_000)))
			}
		case "interval":
			give(a.Name, []string{"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}[w.IntN(5)])
		case "method":
			give(a.Name, []string{"ADJUSTED_WALD", "SCORE", "WALD"}[w.IntN(3)])
		case "by":
			keys := []string{w.dimension(), "channel", "variant", "campaign", w.dimension(), w.dimension()}
			w.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			by := slices.Compact(keys[:1+w.IntN(2)])
			give(a.Name, `["`+strings.Join(by, `", "`)+`"]`)
		case "filter":
			if a.Type.NonNull || w.IntN(3) > 0 {
				give(a.Name, w.filter(strings.Contains(f.Type.Name(), "Connection")))
			}
		case "search":
			if w.IntN(3) == 0 {
				give(a.Name, strconv.Quote([]string{"ada", "da 1", "nobody", "é"}[w.IntN(4)]))
			}
		case "segment":
			if w.IntN(3) == 0 {
				give(a.Name, quoted("seg"))
			}
		case "id":
			switch prefix := map[string]string{"campaign": "camp", "segment": "seg", "response": "resp", "contact": "cont"}[f.Name]; {
			case prefix != "":
				give(a.Name, quoted(prefix))
			case a.Type.NonNull:
				give(a.Name, quoted([]string{"camp", "seg", "resp", "cont", "trait"}[w.IntN(5)]))
			}
		case "ids":
			ids := make([]string, 1+w.IntN(60))
			for i := range ids {
				ids[i] = quoted([]string{"camp", "seg", "resp", "cont", "trait"}[w.IntN(5)])
			}
			give(a.Name, "["+strings.Join(ids, " ")+"]")
		}
	}
	if len(given) == 0 {
		return ""
	}
	return "(" + strings.Join(given, ", ") + ")"
}

// filter writes one for scores, or for a list.
func (w *writer) filter(list bool) string {
	var given []string
	if w.IntN(3) == 0 {
		name := fmt.Sprintf("w%d", len(w.declared))
		w.declared = append(w.declared, "$"+name+": SegmentRuleInput")
		w.variables[name] = w.rule(1 + w.IntN(1+w.IntN(100)))
		given = append(given, "where: $"+name)
	}
	if w.IntN(4) == 0 {
		given = append(given, fmt.Sprintf("segment: %q", w.ids["seg"][w.IntN(len(w.ids["seg"]))]))
	}
	if w.IntN(4) == 0 {
		given = append(given, fmt.Sprintf("campaigns: [%q]", w.ids["camp"][w.IntN(len(w.ids["camp"]))]))
	}
	if w.IntN(2) == 0 {
		given = append(given, fmt.Sprintf("last: { count: %d, unit: DAY }", 1+w.IntN(800)))
	}
	if w.IntN(6) == 0 {
		given = append(given, "categories: [PROMOTER, DETRACTOR]")
	}
	if w.IntN(6) == 0 {
		given = append(given, "channels: [API, EMAIL]")
	}
	if list && w.IntN(5) == 0 {
		given = append(given, `search: "day `+strconv.Itoa(w.IntN(largeDays))+`"`)
	}
	return "{ " + strings.Join(given, ", ") + " }"
}
