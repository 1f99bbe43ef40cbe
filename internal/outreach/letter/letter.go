// Package letter composes the mail that an invitation is: its subject, its part in HTML, which is made for what mail clients know and for
// what they do to mails, and its part in plain text, which says the same.
//
// It is pure: the caller has found out who reads it, in which language, and what is known about them, and has signed the links.
package letter

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/words"
)

const (
	// MaxHTML is how many bytes the part in HTML has at most: Gmail cuts mails off at 102 kB. The longest texts that a tenant may set stay
	// below it whatever is filled in.
	MaxHTML = 100_000
	// MaxExperience is how many bytes the link to a variant's experience has at most, once it is filled.
	MaxExperience = 6_000
)

// How many characters are left of a text that placeholders made long: what is filled in may be as long as the text itself. What is beyond
// is cut off, and ends in an ellipsis.
const (
	maxSubject  = survey.MaxSubject
	maxQuestion = 1_000
	maxLabel    = 150
	maxProse    = 3_000
	maxAddress  = 300
)

// Letter is what a mail says.
type Letter struct {
	// Subject is one line of 1 to 150 characters, without any that control something or turn the text around.
	Subject string
	// HTML is a whole document of at most MaxHTML bytes. Nothing in it is fetched but the brand's logo.
	HTML string
	// Text says the same in plain text. Its lines end with a line feed, and may be long.
	Text string
}

// Input is what a letter is made of.
type Input struct {
	// Texts are in the reader's language, their placeholders not filled yet; Fill fills those of a text for this reader.
	Texts *survey.Texts
	Fill  func(text string) string
	// Brand is who asks; its logo is shown where Site has it.
	Brand *survey.Brand
	Site  survey.Site

	// Score is the link of a number, 0 to 10, Page the one where none is chosen yet, All the one that people don't see, and Unsubscribe
	// leads to where such mails are ended; it is empty in a letter to nobody who could be asked. All of them are absolute URLs at Site.
	Score                  func(score int) string
	Page, All, Unsubscribe string
	// Experience is the https URL of what is offered with the question, filled for this reader; empty where nothing is. ExperienceLabel is
	// what is written on the link, and may hold placeholders.
	Experience, ExperienceLabel string

	// PostalAddress is the sender's, in some lines; it may be empty.
	PostalAddress string
	// Reminder says that this reminds of a letter that went out before.
	Reminder bool
}

// draft is what a letter says, filled, and cleaned of what has no place in it.
type draft struct {
	*Input

	subject, brand string
	reminded       string
	// Of intro, question, outro and address each is a paragraph, or none where empty, of lines that are not.
	intro, question, outro, address []paragraph
	low, high                       string
	scores                          [nps.MaxScore + 1]string
	onPage, experience              string
	why                             string
	website, privacy, unsubscribe   string
}

type paragraph []string

// Compose makes the letter. The error says what of the input cannot be sent: a link that leads elsewhere than it should, a question of which
// nothing is left, a brand without a name. It tells no address and no link.
func Compose(in Input) (*Letter, error) {
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("composing a mail: %w", err)
	}
	d := in.draft()
	switch {
	case d.brand == "":
		return nil, errors.New("composing a mail: the brand has no name")
	case len(d.question) == 0:
		return nil, errors.New("composing a mail: its placeholders leave nothing of the question")
	}
	made := &Letter{Subject: d.subject, HTML: d.html(), Text: d.text()}
	if n := len(made.HTML); n > MaxHTML {
		return nil, fmt.Errorf("composing a mail: its HTML has %d bytes, and mail clients cut off what has more than %d", n, MaxHTML)
	}
	return made, nil
}

// check says which link leads elsewhere than it should.
func (in *Input) check() error {
	site, err := url.Parse(string(in.Site))
	if err != nil || site.Scheme != "https" && site.Scheme != "http" || site.Host == "" {
		return errors.New("the site is no URL of http or https")
	}
	at := func(what, link string) error {
		rest, ok := strings.CutPrefix(link, string(in.Site)+"/")
		if !ok || strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }) {
			return fmt.Errorf("the link %s is no URL of this server", what)
		}
		return nil
	}
	links := []error{at("to the page", in.Page), at("that is hidden", in.All)}
	if in.Unsubscribe != "" {
		links = append(links, at("that unsubscribes", in.Unsubscribe))
	}
	for score := range nps.MaxScore + 1 {
		links = append(links, at(fmt.Sprintf("of the number %d", score), in.Score(score)))
	}
	if in.Brand.Logo != "" {
		links = append(links, at("to the logo", in.Site.At(in.Brand.Logo)))
	}
	of := func(what, link string) error {
		if link != "" && survey.URLFault(link, false) != "" {
			return fmt.Errorf("the link to %s is no https URL that people may be led to", what)
		}
		return nil
	}
	links = append(links, of("the website", in.Brand.Website), of("the privacy policy", in.Brand.PrivacyPolicy))
	if in.Experience != "" {
		links = append(links, checkExperience(in.Experience))
	}
	return errors.Join(links...)
}

// checkExperience says what is wrong with a URL that may be longer than those that tenants may set: what is filled in comes on top.
func checkExperience(link string) error {
	if n := len(link); n > MaxExperience {
		return fmt.Errorf("the link to the experience has %d bytes once it is filled, and may have %d", n, MaxExperience)
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.ContainsFunc(link, func(r rune) bool { return r == '\\' || unicode.In(r, unicode.C, unicode.Z) }) {
		return errors.New("the link to the experience is no https URL that people may be led to")
	}
	return nil
}

// draft fills and cleans what is said.
func (in *Input) draft() *draft {
	built := &in.Texts.Words
	d := &draft{
		Input:    in,
		brand:    cut(line(in.Brand.Name), survey.MaxBrandName),
		intro:    paragraphs(cut(in.Fill(in.Texts.MailIntro), maxProse)),
		question: paragraphs(cut(in.Fill(in.Texts.Question), maxQuestion)),
		low:      in.label(in.Texts.LowLabel), high: in.label(in.Texts.HighLabel),
		address: paragraphs(cut(in.PostalAddress, maxAddress)),
		onPage:  built.Mail.OnPage, unsubscribe: built.Unsubscribe.Ask.Heading, privacy: built.Page.PrivacyPolicy,
	}
	if in.Texts.MailOutro != nil {
		d.outro = paragraphs(cut(in.Fill(*in.Texts.MailOutro), maxProse))
	}
	for score := range d.scores {
		d.scores[score] = in.Score(score)
	}
	d.why = words.Fill(built.Mail.Why, "brand", d.brand)
	d.website = words.Fill(built.Page.Website, "brand", d.brand)
	if in.Experience != "" {
		if d.experience = in.label(in.ExperienceLabel); d.experience == "" {
			d.experience = built.Page.Experience
		}
	}

	if d.subject = line(in.Fill(in.Texts.MailSubject)); d.subject == "" {
		d.subject = line(in.Fill(built.MailSubject))
	}
	most := maxSubject
	if in.Reminder {
		d.reminded = built.Mail.Reminded
		most -= utf8.RuneCountInString(words.Fill(built.Mail.Reminder, "subject", ""))
	}
	d.subject = cut(d.subject, most)
	if in.Reminder {
		d.subject = words.Fill(built.Mail.Reminder, "subject", d.subject)
	}
	return d
}

// label is a filled text of one line.
func (in *Input) label(text string) string { return cut(line(in.Fill(text)), maxLabel) }

// meaning is what a number means; empty for those between the ends.
func (d *draft) meaning(score int) string {
	switch score {
	case 0:
		return d.low
	case nps.MaxScore:
		return d.high
	}
	return ""
}

// line is a text as one line, without what controls something or turns around what comes after it.
func line(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if apierror.NotInLine(r) {
			return ' '
		}
		return r // U+FFFD for what is no UTF-8
	}, text)), " ")
}

// breaks are all that ends a line.
var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// paragraphs are those of a text: what empty lines are between. What turns text around may stand in them, since it ends with the line.
func paragraphs(text string) []paragraph {
	var all []paragraph
	var open paragraph
	for l := range strings.SplitSeq(breaks.Replace(text), "\n") {
		l = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, l))
		switch {
		case l != "":
			open = append(open, l)
		case open != nil:
			all, open = append(all, open), nil
		}
	}
	if open != nil {
		all = append(all, open)
	}
	return all
}

// cut is a text of at most so many characters; where it has more it ends in an ellipsis, and not in the midst of what is read as one.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	end := most - 1
	joined := func(r rune) bool { return unicode.Is(unicode.M, r) || r == '\u200d' }
	for end > 0 && (joined(runes[end]) || runes[end-1] == '\u200d') {
		end--
	}
	if end == 0 {
		end = most - 1
	}
	return strings.TrimRightFunc(string(runes[:end]), unicode.IsSpace) + "…"
}
