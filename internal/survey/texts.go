package survey

import (
	"slices"
	"sync"

	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/survey/words"
	"golang.org/x/text/language"
)

// Asked is all that is said to the people of one campaign, as the tenant has set it.
type Asked struct {
	// Question and FollowUpQuestion are the campaign's own; Survey.Locale is their language.
	Question, FollowUpQuestion string
	Survey                     *Survey
	Wordings                   []*Wording

	// matcher finds a language among the built-in ones and those of the wordings.
	matcher func() *words.Matcher
}

// NewAsked puts together what is said in a campaign.
func NewAsked(question, followUpQuestion string, s *Survey, wordings []*Wording) *Asked {
	a := &Asked{Question: question, FollowUpQuestion: followUpQuestion, Survey: s, Wordings: wordings}
	a.matcher = sync.OnceValue(func() *words.Matcher {
		all := words.Languages()
		for _, w := range wordings {
			all = append(all, w.Locale)
		}
		return words.NewMatcher(all)
	})
	return a
}

// Language is the one, of those that somebody has words in, that suits a reader best who wants the first of these that there is, and
// else the survey's.
func (a *Asked) Language(wanted []string) string {
	match := words.Match
	for _, w := range a.Wordings {
		if _, builtIn := words.In(w.Locale); !builtIn {
			match = a.matcher().Match
			break
		}
	}
	if tag, ok := match(slices.Concat(wanted, []string{a.Survey.Locale})...); ok {
		return tag
	}
	return DefaultLocale
}

// Texts are what a person reads, put together of the tenant's own words and of built-in ones. Placeholders stand as they are.
type Texts struct {
	// Locale is the language of the tenant's words, and of what is built in where there is that; single pieces may be in another.
	Locale    string
	Direction words.Direction
	// Words are the built-in ones, in WordsLocale.
	Words       words.Words
	WordsLocale string

	Question, LowLabel, HighLabel string
	MailSubject, MailIntro        string
	MailOutro                     *string
	// QuestionLocale is the language of the question.
	QuestionLocale string

	followUps, thankYous words.Categories
}

// FollowUpQuestion is what a category is asked once a score is given.
func (t *Texts) FollowUpQuestion(category nps.Category) string { return t.followUps.Of(category) }

// ThankYou is what is said to a category once the answer is there.
func (t *Texts) ThankYou(category nps.Category) string { return t.thankYous.Of(category) }

// Texts are what somebody reads who wants one of these languages: the first that there are words in, and else the survey's. variant
// may be empty. Each of wanted may be an Accept-Language header.
func (a *Asked) Texts(variant string, wanted ...string) *Texts {
	t := &Texts{Locale: a.Language(wanted)}
	t.Direction = words.DirectionOf(t.Locale)
	t.WordsLocale = DefaultLocale
	if tag, ok := words.Match(t.Locale); ok {
		t.WordsLocale = tag
	}
	t.Words, _ = words.In(t.WordsLocale)

	builtIn := t.Words
	t.QuestionLocale = t.WordsLocale
	// A question of the campaign's own is the same for everybody until the tenant has translated it: two questions would be
	// counted as one.
	if a.Question != campaign.DefaultQuestion {
		builtIn.Question, t.QuestionLocale = a.Question, a.Survey.Locale
	}
	if q := a.FollowUpQuestion; q != campaign.DefaultFollowUpQuestion {
		builtIn.FollowUpQuestions = words.Categories{Promoters: q, Passives: q, Detractors: q}
	}
	own := a.own(t.Locale, variant)
	// pick is the first that has the piece.
	pick := func(builtIn string, piece func(*Words) *string) string {
		for _, w := range own {
			if text := piece(&w.Words); text != nil {
				return *text
			}
		}
		return builtIn
	}
	t.Question = pick(builtIn.Question, func(w *Words) *string { return w.Question })
	if i := slices.IndexFunc(own, func(w *Wording) bool { return w.Question != nil }); i >= 0 {
		t.QuestionLocale = own[i].Locale
	}
	t.LowLabel = pick(builtIn.LowLabel, func(w *Words) *string { return w.LowLabel })
	t.HighLabel = pick(builtIn.HighLabel, func(w *Words) *string { return w.HighLabel })
	t.MailSubject = pick(builtIn.MailSubject, func(w *Words) *string { return w.MailSubject })
	t.MailIntro = pick(builtIn.MailIntro, func(w *Words) *string { return w.MailIntro })
	if outro := pick("", func(w *Words) *string { return w.MailOutro }); outro != "" {
		t.MailOutro = &outro
	}
	t.followUps = words.Categories{
		Promoters:  pick(builtIn.FollowUpQuestions.Promoters, func(w *Words) *string { return w.FollowUps.Promoters }),
		Passives:   pick(builtIn.FollowUpQuestions.Passives, func(w *Words) *string { return w.FollowUps.Passives }),
		Detractors: pick(builtIn.FollowUpQuestions.Detractors, func(w *Words) *string { return w.FollowUps.Detractors }),
	}
	t.thankYous = words.Categories{
		Promoters:  pick(builtIn.ThankYous.Promoters, func(w *Words) *string { return w.ThankYous.Promoters }),
		Passives:   pick(builtIn.ThankYous.Passives, func(w *Words) *string { return w.ThankYous.Passives }),
		Detractors: pick(builtIn.ThankYous.Detractors, func(w *Words) *string { return w.ThankYous.Detractors }),
	}
	return t
}

// own are the tenant's wordings for a reader, those first that go before: of the language, and then of what it is a kind of; for the
// variant, and then for all.
func (a *Asked) own(locale, variant string) []*Wording {
	var own []*Wording
	for _, tag := range kinds(locale) {
		var all *Wording
		for _, w := range a.Wordings {
			switch {
			case w.Locale != tag:
			case w.Variant == nil:
				all = w
			case *w.Variant == variant:
				own = append(own, w)
			}
		}
		if all != nil {
			own = append(own, all)
		}
	}
	return own
}

// kinds are a language and all that it is a kind of: of `pt-BR` also `pt`.
func kinds(locale string) []string {
	all := []string{locale}
	tag, err := language.Parse(locale)
	if err != nil {
		return all
	}
	for tag = tag.Parent(); tag != language.Und; tag = tag.Parent() {
		all = append(all, tag.String())
	}
	return all
}
