package survey_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// world is a tenant with a campaign.
type world struct {
	ctx      context.Context //nolint:containedctx // it names the tenant
	db       *store.DB
	campaign *ent.Campaign
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ctx: auth.ForTenant(t.Context(), made.ID), db: db}
	if w.campaign, err = campaign.Create(w.ctx, db, campaign.CreateInput{Name: "Relationship"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) id() string { return w.campaign.NodeID() }

// update changes the campaign's survey, which must be accepted.
func (w *world) update(t *testing.T, in survey.UpdateInput) {
	t.Helper()
	in.Campaign = w.id()
	if _, err := survey.Update(w.ctx, w.db, in); err != nil {
		t.Fatal(err)
	}
}

func (w *world) survey(t *testing.T) *survey.Survey {
	t.Helper()
	all, err := survey.Of(w.ctx, w.db, []uuid.UUID{w.campaign.ID})
	if err != nil {
		t.Fatal(err)
	}
	return all[w.campaign.ID]
}

// atFirst is the survey of the campaign as long as nothing of it was changed.
func (w *world) atFirst() *survey.Survey {
	s := survey.Default()
	s.Widget.Campaign = w.campaign.ID
	return s
}

// refusals writes user errors as `CODE field.field`.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var errs apierror.UserErrors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want user errors", err)
	}
	var texts []string
	for _, e := range errs {
		if e.Message == "" {
			t.Errorf("%s %v has no message", e.Code, e.Field)
		}
		texts = append(texts, string(e.Code)+" "+strings.Join(e.Field, "."))
	}
	return texts
}

func TestUpdate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if got := w.survey(t); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", w.atFirst()) {
			t.Errorf("at first it is %+v", got)
		}
		w.update(t, survey.UpdateInput{LinkDays: new(7), Locale: new("pt_br"), Variants: []survey.Variant{
			{Name: "A", Weight: 1}, {Name: "B", Weight: 3, URL: new("https://x.example/v?who={name|you}"), URLLabel: new("Watch")},
		}})
		w.update(t, survey.UpdateInput{
			ClickPolicy: new(survey.Automatic),
			NextSteps:   []survey.NextStep{{Categories: []nps.Category{nps.Promoter}, Locale: new("de"), Label: "Review us", URL: "https://x.example/r"}},
		})
		got := w.survey(t)
		if got.LinkDays != 7 || got.Locale != "pt-BR" || got.ClickPolicy != survey.Automatic || len(got.NextSteps) != 1 || len(got.Variants) != 2 {
			t.Errorf("got %+v", got)
		}
		if v := got.Variant("B"); v == nil || v.Share != 0.75 || *v.URLLabel != "Watch" {
			t.Errorf("B is %+v", v)
		}
		w.update(t, survey.UpdateInput{Variants: []survey.Variant{}})
		if got := w.survey(t); len(got.Variants) != 0 || len(got.NextSteps) != 1 {
			t.Errorf("without variants it is %+v", got)
		}
	})
}

func TestUpdateRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		step := func(label, url string) survey.UpdateInput {
			return survey.UpdateInput{NextSteps: []survey.NextStep{{Label: label, URL: url}}}
		}
		variant := func(v ...survey.Variant) survey.UpdateInput { return survey.UpdateInput{Variants: v} }
		for name, test := range map[string]struct {
			in   survey.UpdateInput
			want []string
		}{
			"another campaign":  {survey.UpdateInput{Campaign: id.Campaign.Format(id.New())}, []string{"NOT_FOUND campaign"}},
			"no campaign":       {survey.UpdateInput{Campaign: "resp_x"}, []string{"INVALID campaign"}},
			"no days":           {survey.UpdateInput{LinkDays: new(0)}, []string{"OUT_OF_RANGE linkDays"}},
			"too many days":     {survey.UpdateInput{LinkDays: new(366)}, []string{"OUT_OF_RANGE linkDays"}},
			"no language":       {survey.UpdateInput{Locale: new("deutsch!")}, []string{"INVALID locale"}},
			"no policy":         {survey.UpdateInput{ClickPolicy: new(survey.ClickPolicy("confirmed"))}, []string{"INVALID clickPolicy"}},
			"a script":          {step("x", "javascript:alert(1)"), []string{"INVALID nextSteps.0.url"}},
			"plain http":        {step("x", "http://x.example/"), []string{"INVALID nextSteps.0.url"}},
			"somebody's scheme": {step("x", "//x.example/"), []string{"INVALID nextSteps.0.url"}},
			"a backslash":       {step("x", `https:\\x.example`), []string{"INVALID nextSteps.0.url"}},
			"a user":            {step("x", "https://bank.example@x.example/"), []string{"INVALID nextSteps.0.url"}},
			"a placeholder":     {step("x", "https://x.example/{name|}"), []string{"INVALID nextSteps.0.url"}},
			"a step's lines":    {step("a\nb", "https://x.example"), []string{"INVALID nextSteps.0.label"}},
			"a step turned":     {step("a\u2067b", "https://x.example"), []string{"INVALID nextSteps.0.label"}},
			"a name's lines":    {variant(survey.Variant{Name: "A\u2028", Weight: 1}), []string{"INVALID variants.0.name"}},
			"a label turned":    {variant(survey.Variant{Name: "A", Weight: 1, URL: new("https://x.example"), URLLabel: new("\u202ex")}), []string{"INVALID variants.0.urlLabel"}},
			"a way up":          {step("x", "https://x.example/a/../b"), []string{"INVALID nextSteps.0.url"}},
			"a tab":             {step("x", "https://x.example/\tb"), []string{"INVALID nextSteps.0.url"}},
			"too long":          {step("x", "https://x.example/"+strings.Repeat("a", 2_000)), []string{"INVALID nextSteps.0.url"}},
			"no label":          {step(" ", "https://x.example/"), []string{"REQUIRED nextSteps.0.label"}},
			"a category":        {survey.UpdateInput{NextSteps: []survey.NextStep{{Categories: []nps.Category{"FAN"}, Label: "x", URL: "https://x.example"}}}, []string{"INVALID nextSteps.0.categories.0"}},
			"many steps":        {survey.UpdateInput{NextSteps: make([]survey.NextStep, 21)}, []string{"TOO_MANY nextSteps"}},
			"many variants":     {survey.UpdateInput{Variants: make([]survey.Variant, 21)}, []string{"TOO_MANY variants"}},
			"one name":          {variant(survey.Variant{Name: "A", Weight: 1}, survey.Variant{Name: "A"}), []string{"TAKEN variants.1.name"}},
			"(none)":            {variant(survey.Variant{Name: "(none)", Weight: 1}), []string{"INVALID variants.0.name"}},
			"(few)":             {variant(survey.Variant{Name: "(few)", Weight: 1}), []string{"INVALID variants.0.name"}},
			"no weight":         {variant(survey.Variant{Name: "A"}), []string{"OUT_OF_RANGE variants"}},
			"a weight":          {variant(survey.Variant{Name: "A", Weight: 1_001}), []string{"OUT_OF_RANGE variants.0.weight"}},
			"a label alone":     {variant(survey.Variant{Name: "A", Weight: 1, URLLabel: new("x")}), []string{"INVALID variants.0.urlLabel"}},
			"a link alone":      {variant(survey.Variant{Name: "A", Weight: 1, URL: new("https://x.example")}), []string{"REQUIRED variants.0.urlLabel"}},
			"a host":            {variant(survey.Variant{Name: "A", Weight: 1, URL: new("https://{name|x}.example/"), URLLabel: new("x")}), []string{"INVALID variants.0.url"}},
		} {
			if test.in.Campaign == "" {
				test.in.Campaign = w.id()
			}
			_, err := survey.Update(w.ctx, db, test.in)
			if got := refusals(t, err); !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
		if got := w.survey(t); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", w.atFirst()) {
			t.Errorf("after all these it is %+v", got)
		}
		if _, err := survey.Update(newWorld(t, db).ctx, db, survey.UpdateInput{Campaign: w.id(), LinkDays: new(3)}); !slices.Equal(refusals(t, err), []string{"NOT_FOUND campaign"}) {
			t.Errorf("another tenant's campaign: got %v", err)
		}
	})
}

// Each variant gets its part of the people, and everybody stays in theirs whatever the order.
func TestDraw(t *testing.T) {
	s := &survey.Survey{Variants: []survey.Variant{{Name: "A", Weight: 1}, {Name: "B", Weight: 3}, {Name: "never", Weight: 0}}}
	turned := &survey.Survey{Variants: []survey.Variant{s.Variants[2], s.Variants[1], s.Variants[0]}}
	one, other := id.New(), id.New()
	const people = 40_000
	drawn, both := map[string]int{}, 0
	for i := range people {
		who := fmt.Sprintf("person %d", i)
		v := s.Draw(one, who)
		drawn[v.Name]++
		if w := turned.Draw(one, who); w.Name != v.Name {
			t.Fatalf("%s falls into %s and %s", who, v.Name, w.Name)
		}
		if v.Name == "A" && s.Draw(other, who).Name == "A" {
			both++
		}
	}
	// Five standard errors, of a quarter and of a sixteenth.
	if got, give := drawn["A"], 5*math.Sqrt(people*3.0/16); drawn["never"] > 0 || math.Abs(float64(got)-people/4) > give {
		t.Errorf("got %v of %d", drawn, people)
	}
	if give := 5 * math.Sqrt(people*15.0/256); math.Abs(float64(both)-people/16) > give {
		t.Errorf("%d of %d fall into A in both campaigns", both, people)
	}
	if v := (&survey.Survey{}).Draw(one, "somebody"); v != nil {
		t.Errorf("without variants got %+v", v)
	}
}

func TestSteps(t *testing.T) {
	s := &survey.Survey{NextSteps: []survey.NextStep{
		{Label: "all"}, {Label: "promoters", Categories: []nps.Category{nps.Promoter}}, {Label: "German", Locale: new("de")},
		{Label: "Brazilian", Locale: new("pt-BR")}, {Label: "Chinese", Locale: new("zh-Hans")},
	}}
	for _, test := range []struct {
		category nps.Category
		locale   string
		want     string
	}{
		{nps.Promoter, "en", "all promoters"}, {nps.Detractor, "de", "all German"}, {nps.Detractor, "de-AT", "all German"},
		{nps.Passive, "pt", "all"}, {nps.Passive, "pt-BR", "all Brazilian"}, {nps.Passive, "zh-Hant", "all"}, {nps.Passive, "zh-Hans", "all Chinese"},
	} {
		var got []string
		for _, step := range s.Steps(test.category, test.locale) {
			got = append(got, step.Label)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s who reads %s: got %q, want %q", test.category, test.locale, got, test.want)
		}
	}
}

func TestURLFault(t *testing.T) {
	for text, want := range map[string]string{
		"https://x.example":                      "",
		"https://x.example:65535/a?b=../c#/../d": "",
		"https://x.example/.../.a/..b/c./%2e.x":  "",
		"https://x.example/a/{plan|none}/b":      "",
		"https://x.example/{plan|}{name|}/b":     "",
		"https://x.example/a?b={plan|..}/../c":   "",
		"https://x.example/..":                   "step",
		"https://x.example/a/./b":                "step",
		"https://x.example/a/%2e%2E/b":           "step",
		"https://x.example/a/.%2e?b":             "step",
		"https://x.example/a/%252e%252e/b":       "step",
		"https://x.example/a/..%2fb":             "step",
		"https://x.example/a%5c..%5cb":           "step",
		"https://x.example/a/..;b=c/d":           "step",
		"https://x.example/a/{plan|..}/b":        "step",
		"https://x.example/a/{plan|../..}/b":     "step",
		"https://x.example/a/{plan|b/../c}/d":    "step",
		"https://x.example/a/.{plan|}./b":        "step",
		"https://x.example/a/%2{plan|e}%2e/b":    "absolute",
		"https://x.example/a/{plan|%2e}./b":      "step",
		"https://x.example/{plan|?}/../b":        "", // FillURL has the query if it must
		"https://x.example:/":                    "",
		"https://x.example/ä":                    "",
		"https://x.example:65536/":               "port",
		"https://x.example:99999/":               "port",
		"https://x.example:0/":                   "port",
		"https://[::1]:070000/":                  "port",
		"https://x.example:99999999999999999999": "port",
		"https://x.example/\u202ea":              "not seen",
		"https://x.example/\u2066a":              "not seen",
		"https://x.example/a\u2028b":             "not seen",
		"https://x.example/a\u0085b":             "not seen",
		"https://x.example/a\u00a0b":             "not seen",
		"https://x.example/a\ufeff":              "not seen",
		"https://x\u200b.example/":               "not seen",
		"https://x%E2%80%AE.example/":            "absolute",
		"https://x.example/{plan|\u202e}":        "not seen",
	} {
		if got := survey.URLFault(text, true); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// What others wrote cannot leave the line that the tenant's text has it in, nor turn what comes after it around.
func TestFillForIsInLine(t *testing.T) {
	sheet := &survey.Sheet{Brand: &survey.Brand{Name: "Acme"}}
	invited := &survey.Invited{
		Invitation: &ent.Invitation{Traits: trait.Values{"plan": "\u202egold\tA", "none": "\u2066\n"}},
		Person:     &ent.Contact{Name: new("Ada\r\nBcc: \u2067x\u2029"), Traits: trait.Values{"city": "Paris\x1b"}},
	}
	const text = "{brand|us}\n{name|you}, {plan|?}, {city|?}, {none|?}!"
	if got, want := sheet.FillFor(invited, text), "Acme\nAda  Bcc:  x, gold A, Paris, ?!"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	invited.Person.Name = new("\u202e \n")
	if got := sheet.FillFor(invited, "{name|you}"); got != "you" {
		t.Errorf("without a name in it: %q", got)
	}
}

// Whatever people are called, the path that they are led to has as many steps as the tenant gave it, and never goes up.
func TestFillURLStays(t *testing.T) {
	sheet := &survey.Sheet{Brand: &survey.Brand{Name: ".."}}
	fill := func(url string, traits trait.Values) string {
		return sheet.FillURL(&survey.Invited{Invitation: &ent.Invitation{Traits: traits}, Person: &ent.Contact{}}, url)
	}
	for _, test := range []struct{ url, value, want string }{
		{"https://x.example/a/{plan|none}/b", "gold", "https://x.example/a/gold/b"},
		{"https://x.example/a/{plan|none}/b", "..", "https://x.example/a/none/b"},
		{"https://x.example/a/{plan|none}/b", ".", "https://x.example/a/none/b"},
		{"https://x.example/a/{plan|none}/b", " ", "https://x.example/a/none/b"},
		{"https://x.example/a/{plan|none}/b", "...", "https://x.example/a/.../b"},
		{"https://x.example/a/{plan|none}/b", "%2e%2e", "https://x.example/a/none/b"},
		{"https://x.example/a/{plan|none}/b", "../../c", "https://x.example/a/none/b"},
		{"https://x.example/a/{plan|none}/b", "..;", "https://x.example/a/none/b"},
		{"https://x.example/a/{plan|none}/b", `..\c`, "https://x.example/a/none/b"},
		{"https://x.example/a/.{plan|x}/b", ".", "https://x.example/a/.x/b"},
		{"https://x.example/a/{plan|x}{plan|y}/b", ".", "https://x.example/a/xy/b"},
		{"https://x.example/a/{brand|us}/b", "gold", "https://x.example/a/us/b"},
		{"https://x.example/a?b={plan|none}", "..", "https://x.example/a?b=.."},
		{"https://x.example/a?b={plan|none}", "a&c=d#e", "https://x.example/a?b=a%26c%3Dd%23e"},
	} {
		if got := fill(test.url, trait.Values{"plan": test.value}); got != test.want {
			t.Errorf("%s with %q: %s, want %s", test.url, test.value, got, test.want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.StringMatching(`([.%/;?#\\]|2e|5c|a){1,8}`).Draw(rt, "value")
		got := fill("https://x.example/a/{plan|none}/{plan|none}.b", trait.Values{"plan": value})
		u, err := url.Parse(got)
		if err != nil || u.Host != "x.example" || u.RawQuery != "" || u.Fragment != "" || strings.Count(u.EscapedPath(), "/") != 3 ||
			u.JoinPath().EscapedPath() != u.EscapedPath() || survey.URLFault(got, false) != "" {
			rt.Errorf("%q leads to %s (error: %v)", value, got, err)
		}
	})
}

// Whatever is taken as a URL leads to a host by https, and nowhere else.
func FuzzURLFault(f *testing.F) {
	for _, text := range []string{"https://x.example/", "https://x.example/{name|}", "javascript:1", "https:x", "https://@x", "//x"} {
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, placeholders bool) {
		if survey.URLFault(text, placeholders) != "" {
			return
		}
		if !strings.HasPrefix(strings.ToLower(text), "https://") || strings.ContainsAny(text, "\\ \t\r\n\x00\u2028\u202e") || len(text) < len("https://x") {
			t.Errorf("%q is taken", text)
		}
	})
}

func TestShares(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rapid.Check(t, func(rt *rapid.T) {
			weights := rapid.SliceOfN(rapid.IntRange(0, survey.MaxWeight), 1, 5).Draw(rt, "weights")
			weights[0]++
			weights[0] = min(weights[0], survey.MaxWeight)
			var in []survey.Variant
			total := 0
			for i, weight := range weights {
				in = append(in, survey.Variant{Name: fmt.Sprint(i), Weight: weight})
				total += weight
			}
			w.update(t, survey.UpdateInput{Variants: in})
			sum := 0.0
			for i, v := range w.survey(t).Variants {
				if v.Name != fmt.Sprint(i) || v.Share != float64(v.Weight)/float64(total) {
					rt.Fatalf("%d is %+v of %d", i, v, total)
				}
				sum += v.Share
			}
			if math.Abs(sum-1) > 1e-9 {
				rt.Errorf("all shares are %v", sum)
			}
		})
	})
}

// What somebody else may have said of a person leads nobody anywhere in a mail.
func TestFillMailLeadsNowhere(t *testing.T) {
	sheet := &survey.Sheet{Brand: &survey.Brand{Name: "Acme.com"}}
	fill := func(value any) string {
		return sheet.FillMail(&survey.Invited{Invitation: &ent.Invitation{Traits: trait.Values{"product": value}}, Person: &ent.Contact{}}, "{brand|us}: {product|it}")
	}
	for _, value := range []string{
		"http://evil.example", "see HTTPS://x", "www.evil", "me@evil.example", "evil.com", "Evil.Com!", "evil.com/win", "evil.internal/a?b", "evil.internal:8080", "1.2.3.4/a",
		"a.b.evil.co.uk", "ｅｖｉｌ．ｃｏｍ", "evil。com", "me＠evil", "http：／／evil", "evil\u200b.com", "e\u00advil.com", "пример.рф", "evil․com", "evil.com.", `evil.lan\a`,
		"click evil.info now", "evil.xn--p1ai", "evil.lan∕a", "wWw.x",
		"evil.com\u200bgift", "evil.com\u2060gift", "evil.com\u200egift", "evil.com\u00adgift", "evil.com\u3164", "evil.com\u1160x", "evil.com\u034f", "evil.com\u0301",
		"evil.com０", "evil.comｌ", "evil.com\u9886\u53d6", "\u9886\u53d6evil.com\u5956", "evil。com\u9886", "evil.comé", "evil.com-", "evil.com--x", "//evil", "localhost/x",
		"tel:+19001234567", "javascript:alert(1)", "http:⁄⁄evil", "w\u200bww.evil",
	} {
		if got := fill(value); got != "Acme.com: it" {
			t.Errorf("%q: got %q", value, got)
		}
	}
	for _, value := range []string{
		"Ada", "Dr. J. R. O'Neill-Smith", "St.Gallen", "v1.2", "3.5/5", "Plan A/B", "and/or", "1.2.3.4", "Müller & Co., Köln", "10:30", "24.12.2026", "Nr.5", "S.p.A", "what? yes", "Tel: 5", "data: none", "Jose\u0301 Marti\u0301", "می\u200cخواهم", "👩\u200d🚀", "e.V.", "Ph.D", "a.m./p.m.", "عائلة", "Αλέξης",
		strings.Repeat("a", 60), "...", ".", "/", "Rock’n’Roll…",
	} {
		if got := fill(value); got != "Acme.com: "+value {
			t.Errorf("%q: got %q", value, got)
		}
	}
	if got := fill(strings.Repeat("ä", 58) + " ä"); got != "Acme.com: "+strings.Repeat("ä", 58)+" ä" {
		t.Errorf("60 characters: %q", got)
	}
	if got := fill(strings.Repeat("ä", 58) + " ää"); got != "Acme.com: "+strings.Repeat("ä", 58)+"…" {
		t.Errorf("61 characters: %q", got)
	}
	if got := fill(1.5); got != "Acme.com: 1.5" {
		t.Errorf("a number: %q", got)
	}
	named := &survey.Invited{Invitation: &ent.Invitation{}, Person: &ent.Contact{Name: new("Win at evil.com/now")}}
	if got := sheet.FillMail(named, "{name|there}"); got != "there" {
		t.Errorf("a name: %q", got)
	}
	if got := sheet.FillFor(named, "{name|there}"); got != "Win at evil.com/now" {
		t.Errorf("on a page: %q", got)
	}
	if got := sheet.FillMail(nil, "{name|there}"); got != "there" {
		t.Errorf("nobody: %q", got)
	}
}
