// Package words has what people read who are asked: the built-in texts of surveys in 31 languages, for the page, the mail
// and the widget, and finds the language that suits a reader.
//
// It is pure: no I/O, no state. The English texts are the original, and all others say the same. A native speaker has
// reviewed none but the English ones yet: the others are drafts until one has.
//
// Readers are addressed politely, as surveys of their language do: formally where it tells apart, so that in German they
// are Sie, in French vous, in Dutch u; Danish, Norwegian and Swedish say du to everybody. As far as its grammar lets them, they
// leave open whether a woman or a man reads. The digits are European everywhere, as those of the scale.
//
// Two kinds of braces stand in the texts. Those that stand for a tenant's own wording (Words' own fields) may hold its
// placeholders, `{name|there}` and `{brand|We}`, which are filled as in any wording. Those of Page, Widget and Mail may hold
// `{score}`, `{limit}`, `{brand}` or `{subject}`, which [Fill] fills.
package words

import (
	"maps"
	"slices"
	"strings"

	"github.com/zeroten/zeroten/internal/nps"
)

// Words is all that is built in of one language. No text is empty, has HTML marks or begins or ends with a space.
type Words struct {
	// Question is the 0 to 10 question. It names no brand: it serves all.
	Question string
	// LowLabel stands at the 0, HighLabel at the 10.
	LowLabel, HighLabel string
	// FollowUpQuestions are asked once a score is given.
	FollowUpQuestions Categories
	// ThankYous are said once the answer is there.
	ThankYous Categories
	// MailSubject is the subject of an invitation by mail: one line.
	MailSubject string
	// MailIntro is what an invitation by mail says before the question; an empty line begins a paragraph. After the question
	// nothing is said, unless a wording does.
	MailIntro string
	// Page, Unsubscribe, Widget and Mail are what only they say; a wording does not replace them.
	Page        Page
	Unsubscribe Unsubscribe
	Widget      Widget
	Mail        Mail
}

// Categories is one text for each category of people, best first.
type Categories struct{ Promoters, Passives, Detractors string }

// Of is the text for a category.
func (c *Categories) Of(category nps.Category) string {
	switch category {
	case nps.Promoter:
		return c.Promoters
	case nps.Passive:
		return c.Passives
	default:
		return c.Detractors
	}
}

// all is the same text for everybody.
func all(text string) Categories { return Categories{text, text, text} }

// Page is what the survey's page says besides the words that wordings can replace.
type Page struct {
	// Title is the page's, in the browser's tab.
	Title string
	// Comment is the label of the field for the comment, and Optional what is said of a field that may stay empty.
	Comment, Optional string
	// Send is written on the button that sends the answer, Change on the one that leads from the thank-you back to the form.
	Send, Change string
	// Changeable is the sentence that says, after the thank-you, that the answer can still be changed.
	Changeable string
	// Kept is said below the field for the comment where an answer can be changed of which nothing is shown.
	Kept string
	// YourScore tells what was chosen; `{score}` is the number.
	YourScore string
	// Confirm asks for the number once more, where there is no script that could tell a person from a program.
	Confirm Notice
	// NoNumber is said of a form without a number, TooLong of one whose comment has more than `{limit}` characters.
	NoNumber, TooLong Notice
	// TryLater is said where an answer could not be kept; the form keeps what was typed.
	TryLater Notice
	// TooMany is said where too many requests came from one address.
	TooMany Notice
	// Unknown is said of a link that is none of ours, Expired of one whose days are over, Paused where the campaign takes no
	// answers for now, and Closed where it takes none any more.
	Unknown, Expired, Paused, Closed Notice
	// Preview says that nothing is recorded.
	Preview Notice
	// PrivacyPolicy is written on the link to it.
	PrivacyPolicy string
	// Website says where the logo leads to; `{brand}` is whose site it is.
	Website string
	// NextSteps is the heading above the links that people are led on to.
	NextSteps string
	// Experience is written on the link to what is offered with the question, where it has no label of its own.
	Experience string
}

// Notice is something that the page tells apart from the form.
type Notice struct {
	// Heading is a few words, Text one or two sentences.
	Heading, Text string
}

// Unsubscribe is what the page says by which somebody gets no more mails, besides what is said of links and of programs by Page.
type Unsubscribe struct {
	// Ask is said above the box and the button. Its heading is written on the link to the page, too.
	Ask Notice
	// Sure is written beside the box, and Button on the button. Tick asks for the box, where neither it nor a script says that it is a
	// person who pressed the button.
	Sure, Button, Tick string
	// Done is said once it is done.
	Done Notice
	// Undo is written on the button that takes it back, and above it, and UndoSure beside its box. Undone is said once it is taken back.
	Undo, UndoSure string
	Undone         Notice
	// TryLater is said where it could not be kept, whichever of the two.
	TryLater string
}

// Widget is what the question inside a site says besides the words that wordings can replace, and those of Page.
type Widget struct {
	// Close is the name of the button with the cross, and Decline is written on the one that declines.
	Close, Decline string
	// Send is written on the button that sends the answer.
	Send string
	// Thanks is said where there is no room for the thank-you of a category.
	Thanks string
	// Scale is the name of the group of numbers.
	Scale string
}

// Mail is what an invitation by mail says besides the words that wordings can replace, and those of Page.
type Mail struct {
	// Reminder is the subject of a reminder; `{subject}` is that of the mail that it reminds of.
	Reminder string
	// Reminded is said at the top of a reminder.
	Reminded string
	// OnPage is written on the link to the page where no number is chosen yet.
	OnPage string
	// Why says why somebody gets the mail; `{brand}` is who sends it.
	Why string
}

// languages are the built-in ones, by their tags.
var languages = map[string]*Words{
	"ar": &arabic, "bn": &bengali, "cs": &czech, "da": &danish, "de": &german, "el": &greek, "en": &English, "es": &spanish,
	"fi": &finnish, "fr": &french, "he": &hebrew, "hi": &hindi, "hu": &hungarian, "id": &indonesian, "it": &italian,
	"ja": &japanese, "ko": &korean, "nb": &norwegian, "nl": &dutch, "pl": &polish, "pt": &portuguese, "pt-BR": &brazilian,
	"ro": &romanian, "ru": &russian, "sv": &swedish, "th": &thai, "tr": &turkish, "uk": &ukrainian, "vi": &vietnamese,
	"zh-Hans": &simplifiedChinese, "zh-Hant": &traditionalChinese,
}

// Languages are the tags (BCP 47) of the languages that there are built-in words of, sorted. `pt` is that of Portugal.
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }

// In are the built-in words of a language, by one of the tags of [Languages], which [Match] gives too; ok is false for any
// other.
func In(tag string) (words Words, ok bool) {
	w := languages[tag]
	if w == nil {
		return Words{}, false
	}
	return *w, true
}

// Fill puts a value in the place of `{name}` in a text of Page, Widget or Mail. What it does not hold is left out.
func Fill(text, name, value string) string { return strings.ReplaceAll(text, "{"+name+"}", value) }
