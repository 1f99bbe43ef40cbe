package survey_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/words"
	"github.com/zeroten/zeroten/internal/trait"
)

// say sets a wording, which must be accepted.
func (w *world) say(t *testing.T, in survey.SetWordingInput) *survey.Wording {
	t.Helper()
	in.Campaign = w.id()
	saved, err := survey.SetWording(w.ctx, w.db, in)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func (w *world) wordings(t *testing.T) []*survey.Wording {
	t.Helper()
	all, err := survey.Wordings(w.ctx, w.db, []uuid.UUID{w.campaign.ID})
	if err != nil {
		t.Fatal(err)
	}
	return all[w.campaign.ID]
}

func TestSetWording(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.update(t, survey.UpdateInput{Variants: []survey.Variant{{Name: "A", Weight: 1}}})
		w.say(t, survey.SetWordingInput{Locale: "de", Question: new("Wie wahrscheinlich?"), ThankYous: &survey.CategoryTexts{Promoters: new("Danke, {name|Sie}!")}})
		w.say(t, survey.SetWordingInput{Locale: "DE", Variant: new("A"), LowLabel: new("nie")})
		got := w.say(t, survey.SetWordingInput{Locale: "de", Question: new(""), HighLabel: new("sicher"), ThankYous: &survey.CategoryTexts{Passives: new("Danke.")}})
		if got.Question != nil || *got.HighLabel != "sicher" || *got.ThankYous.Promoters != "Danke, {name|Sie}!" || *got.ThankYous.Passives != "Danke." || got.Variant != nil {
			t.Errorf("got %+v", got)
		}
		all := w.wordings(t)
		if len(all) != 2 || all[0].Variant != nil || *all[0].HighLabel != "sicher" || *all[1].Variant != "A" || *all[1].LowLabel != "nie" || all[1].Locale != "de" {
			t.Errorf("got %+v", all)
		}
		gone := w.say(t, survey.SetWordingInput{Locale: "de", Variant: new("A"), LowLabel: new(" ")})
		if all := w.wordings(t); gone != nil || len(all) != 1 {
			t.Errorf("a wording of which nothing is left is %+v, and there are %d", gone, len(all))
		}
		if _, err := survey.DeleteWording(w.ctx, db, survey.DeleteWordingInput{Campaign: w.id(), Locale: "de"}); err != nil || len(w.wordings(t)) != 0 {
			t.Errorf("after deleting there are %d (error: %v)", len(w.wordings(t)), err)
		}
		_, err := survey.DeleteWording(w.ctx, db, survey.DeleteWordingInput{Campaign: w.id(), Locale: "de"})
		if got := refusals(t, err); !slices.Equal(got, []string{"NOT_FOUND locale"}) {
			t.Errorf("deleting again: got %q", got)
		}
	})
}

func TestSetWordingRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, test := range map[string]struct {
			in   survey.SetWordingInput
			want []string
		}{
			"another campaign": {survey.SetWordingInput{Campaign: id.Campaign.Format(id.New()), Locale: "de"}, []string{"NOT_FOUND campaign"}},
			"no language":      {survey.SetWordingInput{Locale: "!"}, []string{"INVALID locale"}},
			"no such variant":  {survey.SetWordingInput{Locale: "de", Variant: new("A"), Question: new("x")}, []string{"NOT_FOUND variant"}},
			"nobody's variant": {survey.SetWordingInput{Locale: "de", Variant: new(""), Question: new("x")}, []string{"NOT_FOUND variant"}},
			"long":             {survey.SetWordingInput{Locale: "de", Question: new(strings.Repeat("ü", 501)), LowLabel: new(strings.Repeat("x", 61))}, []string{"TOO_LONG question", "TOO_LONG lowLabel"}},
			"long, within":     {survey.SetWordingInput{Locale: "de", FollowUpQuestions: &survey.CategoryTexts{Detractors: new(strings.Repeat("x", 501))}}, []string{"TOO_LONG followUpQuestions.detractors"}},
			"two lines":        {survey.SetWordingInput{Locale: "de", MailSubject: new("a\nBcc: b")}, []string{"INVALID mailSubject"}},
			"turned":           {survey.SetWordingInput{Locale: "de", LowLabel: new("a\nb"), HighLabel: new("\u202eb"), MailSubject: new("a\u2066")}, []string{"INVALID lowLabel", "INVALID highLabel", "INVALID mailSubject"}},
			"a placeholder":    {survey.SetWordingInput{Locale: "de", Question: new("{plan|x}?"), MailIntro: new("{|x}")}, []string{"INVALID question", "INVALID mailIntro"}},
		} {
			if test.in.Campaign == "" {
				test.in.Campaign = w.id()
			}
			_, err := survey.SetWording(w.ctx, db, test.in)
			if got := refusals(t, err); !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
		// One from each end of the alphabet.
		tags := make([]string, 0, survey.MaxWordings+1)
		for i := range survey.MaxWordings + 1 {
			tags = append(tags, fmt.Sprintf("de-x-a%03d", i))
		}
		for _, tag := range tags[:survey.MaxWordings] {
			w.say(t, survey.SetWordingInput{Locale: tag, Question: new("x")})
		}
		_, err := survey.SetWording(w.ctx, db, survey.SetWordingInput{Campaign: w.id(), Locale: tags[survey.MaxWordings], Question: new("x")})
		if got := refusals(t, err); !slices.Equal(got, []string{"TOO_MANY locale"}) {
			t.Errorf("one more than there may be: got %q", got)
		}
		w.say(t, survey.SetWordingInput{Locale: tags[0], LowLabel: new("y")}) // is no other one
	})
}

// texts are what a reader is told, by what the tenant has set by then.
func (w *world) texts(t *testing.T, variant string, wanted ...string) *survey.Texts {
	t.Helper()
	c, err := campaign.Get(w.ctx, w.db, w.campaign.ID)
	if err != nil {
		t.Fatal(err)
	}
	return survey.NewAsked(c.Question, c.FollowUpQuestion, w.survey(t), w.wordings(t)).Texts(variant, wanted...)
}

func TestTexts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		german, _ := words.In("de")
		dutch, _ := words.In("nl")
		expect := func(what string, got *survey.Texts, locale, question, questionLocale, low, thanks string) {
			t.Helper()
			if got.Locale != locale || got.Question != question || got.QuestionLocale != questionLocale || got.LowLabel != low || got.ThankYou(nps.Promoter) != thanks {
				t.Errorf("%s: got %s, %q in %s, %q and %q", what, got.Locale, got.Question, got.QuestionLocale, got.LowLabel, got.ThankYou(nps.Promoter))
			}
		}
		english := words.English
		expect("nothing set", w.texts(t, ""), "en", english.Question, "en", english.LowLabel, english.ThankYous.Promoters)
		expect("built in", w.texts(t, "", "de-AT"), "de", german.Question, "de", german.LowLabel, german.ThankYous.Promoters)
		expect("unknown", w.texts(t, "", "xx", "*"), "en", english.Question, "en", english.LowLabel, english.ThankYous.Promoters)

		w.update(t, survey.UpdateInput{Locale: new("nl"), Variants: []survey.Variant{{Name: "A", Weight: 1}}})
		expect("the survey's", w.texts(t, "", "xx"), "nl", dutch.Question, "nl", dutch.LowLabel, dutch.ThankYous.Promoters)
		if _, err := campaign.Update(w.ctx, db, campaign.UpdateInput{ID: w.id(), Question: new("Zou u ons aanraden?"), FollowUpQuestion: new("Waarom?")}); err != nil {
			t.Fatal(err)
		}
		got := w.texts(t, "", "de")
		expect("a question of its own", got, "de", "Zou u ons aanraden?", "nl", german.LowLabel, german.ThankYous.Promoters)
		for _, c := range []nps.Category{nps.Promoter, nps.Passive, nps.Detractor} {
			if got.FollowUpQuestion(c) != "Waarom?" {
				t.Errorf("a %s is asked %q", c, got.FollowUpQuestion(c))
			}
		}
		w.say(t, survey.SetWordingInput{Locale: "de", Question: new("Und?"), LowLabel: new("nein"), FollowUpQuestions: &survey.CategoryTexts{Detractors: new("Was fehlt?")}})
		w.say(t, survey.SetWordingInput{Locale: "de", Variant: new("A"), LowLabel: new("nie"), MailOutro: new("Bis bald")})
		expect("of the language", w.texts(t, "", "de"), "de", "Und?", "de", "nein", german.ThankYous.Promoters)
		got = w.texts(t, "A", "fr;q=0.1, de-CH")
		expect("of the variant", got, "de", "Und?", "de", "nie", german.ThankYous.Promoters)
		if got.FollowUpQuestion(nps.Detractor) != "Was fehlt?" || got.FollowUpQuestion(nps.Passive) != "Waarom?" || *got.MailOutro != "Bis bald" || w.texts(t, "", "de").MailOutro != nil {
			t.Errorf("of the variant: got %q, %q, %v", got.FollowUpQuestion(nps.Detractor), got.FollowUpQuestion(nps.Passive), got.MailOutro)
		}

		brazilian, _ := words.In("pt-BR")
		w.say(t, survey.SetWordingInput{Locale: "pt", Question: new("Recomendaria?")})
		expect("of what it is a kind of", w.texts(t, "", "pt-BR"), "pt-BR", "Recomendaria?", "pt", brazilian.LowLabel, brazilian.ThankYous.Promoters)
		w.say(t, survey.SetWordingInput{Locale: "ca", Question: new("Ens recomanaries?")})
		expect("not built in", w.texts(t, "", "ca"), "ca", "Ens recomanaries?", "ca", english.LowLabel, english.ThankYous.Promoters)
		w.say(t, survey.SetWordingInput{Locale: "fa", Question: new("؟")})
		if got := w.texts(t, "", "fa"); got.Direction != words.RTL {
			t.Errorf("Persian goes %s", got.Direction)
		}
	})
}

// A trait that a wording names must be there when it is set; what is shown does not depend on it.
func TestWordingNamesTraits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		in := settings.DefineTraitInput{Key: "plan", Kind: trait.Text}
		if _, err := settings.DefineTrait(w.ctx, cube.NewBuilder(db, nil), in); err != nil {
			t.Fatal(err)
		}
		w.say(t, survey.SetWordingInput{Locale: "en", Question: new("How is {plan|our service}, {name|you}? {brand|We} ask.")})
	})
}
