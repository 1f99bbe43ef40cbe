package importer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// why is why a row is not recorded.
type why int

const (
	// A row that is fine.
	recorded why = iota
	// Rows that hold no answer to the question.
	unanswered
	preview
	otherSurvey
	total
	footer
	// Rows that are wrong, and rejected.
	noCSV
	tooLong
	torn
	noText
	badScore
	beyondScale
	badDate
	noDay
	noDate
	future
	refused
	whys
)

func (w why) String() string {
	return [whys]string{
		unanswered: "rows without a score", preview: "previews of the survey", otherSurvey: "answers to other surveys than NPS", total: "totals", footer: "lines below the table",
		noCSV: "lines that are no CSV", tooLong: "rows with more fields than the header", torn: "rows torn by a line that is no CSV",
		noText: "rows with characters that are none", badScore: "scores that cannot be read", beyondScale: "scores that are no whole numbers from 0 to 10",
		badDate: "dates that cannot be read", noDay: "days that the calendar does not have", noDate: "rows without a date", future: "dates still to come", refused: "rows that are refused",
	}[w]
}

// dropped reports whether rows of the kind are passed over, since they hold no answer.
func (w why) dropped() bool { return w == preview || w == otherSurvey || w == total || w == footer }

// otherSurveys are the kinds of surveys, simplified, that are not NPS.
var otherSurveys = map[string]bool{
	"csat": true, "ces": true, "5star": true, "5stars": true, "fivestar": true, "star": true, "stars": true, "smileys": true, "smiley": true,
	"thumbs": true, "thumb": true, "pmf": true, "customersatisfaction": true, "customersupport": true, "customereffort": true,
	"customersatisfactionscore": true, "customereffortscore": true, "satisfaction": true, "effort": true, "custom": true, "rating": true, "emoji": true,
}

// isNPS reports whether a kind of survey, simplified, is NPS.
func isNPS(kind string) bool {
	return strings.Contains(kind, "nps") || strings.Contains(kind, "netpromoter") || strings.Contains(kind, "loyalty")
}

// totals are what tables of totals begin with, simplified.
var totals = map[string]bool{
	"total": true, "totals": true, "grandtotal": true, "sum": true, "average": true, "avg": true, "mean": true, "median": true, "count": true, "nps": true,
	"summe": true, "gesamt": true, "durchschnitt": true, "mittelwert": true, "anzahl": true, "totaux": true, "somme": true, "moyenne": true, "nombre": true,
	"suma": true, "promedio": true, "media": true, "totale": true, "somma": true, "totaal": true, "gemiddelde": true, "soma": true,
}

// rows reads the rows of the file, behind its header.
type rows struct {
	*source
	plan *Plan
	// broken says that what comes may be the rest of a record that could not be parsed.
	broken bool
}

// openRows opens the file behind its header.
func (p *Plan) openRows() (*rows, error) {
	s, err := p.open()
	if err != nil {
		return nil, err
	}
	for range 1 + p.more {
		if _, err := s.next(); err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.Join(err, s.Close())
		}
	}
	return &rows{source: s, plan: p}, nil
}

// next reads the next row. It has as many fields as the header: those that lack at the end are empty. A row with more,
// if they hold anything, is wrong.
func (r *rows) next() (record, error) {
	rec, err := r.source.next()
	if err != nil {
		return rec, err
	}
	want := len(r.plan.columns.header)
	switch n := len(rec.fields); {
	case rec.why != 0:
		r.broken = true
		return rec, nil
	case n == want:
		r.broken = false
	case n < want && r.broken:
		rec.fault, rec.why = fmt.Sprintf("the row has %d fields, the header %d, and a line before it could not be read", n, want), torn
		return rec, nil
	case n < want:
		rec.short = true
		rec.fields = append(rec.fields, make([]string, want-n)...)
	default:
		if i := slices.IndexFunc(rec.fields[want:], func(f string) bool { return strings.TrimSpace(f) != "" }); i >= 0 {
			rec.fault, rec.why = fmt.Sprintf("the row has %d fields, the header %d, and the field %.40q is beyond it", n, want, rec.fields[want+i]), tooLong
			return rec, nil
		}
		rec.fields = rec.fields[:want]
	}
	if r.plan.own {
		for i, f := range rec.fields {
			rec.fields[i] = unguard(f)
		}
	}
	return rec, nil
}

// footers are what lines below a table begin with, simplified.
var footers = []string{
	"generatedon", "generatedby", "generatedat", "reportgenerated", "exportedon", "exportedby", "exportedfrom", "exportedat", "createdby", "createdwith", "downloadedon",
	"downloadedfrom", "printedon", "totalresponses", "totalanswers", "totalrows", "endofreport", "endoffile", "erstelltam", "erstelltvon", "exportiertam", "exportiertvon",
	"generele", "exportele", "exportepar", "generadoel", "exportadopor", "exportadoel", "generatoil", "esportatoda", "esportatoil", "gegenereerdop", "geexporteerddoor",
}

// isFooter reports whether a row is a line below the table: it has fewer fields than the header, holds something in the
// first alone, or in the second as well, and begins with such words, or is a word for a total.
func (p *Plan) isFooter(rec *record) bool {
	if !rec.short || len(rec.fields) < 2 || filled(rec.fields[2:]) > 0 || p.columns.of[comment] == 0 || p.columns.of[name] == 0 {
		return false
	}
	words := rec.fields[0]
	if i := strings.IndexFunc(words, unicode.IsDigit); i >= 0 {
		words = words[:i] // Total: 25
	}
	simple := simplify(words)
	return totals[simple] || slices.ContainsFunc(footers, func(f string) bool { return strings.HasPrefix(simple, f) })
}

// isTotal reports whether a row is one of totals: it begins with a word for one, and where there is a column of dates,
// has none.
func (p *Plan) isTotal(rec *record) bool {
	first := 0
	for first < len(rec.fields)-1 && strings.TrimSpace(rec.fields[first]) == "" {
		first++
	}
	const longest = 20
	if word := rec.fields[first]; len(word) > longest || strings.ContainsAny(word, "0123456789") || !totals[simplify(word)] ||
		first == p.columns.of[comment] || first == p.columns.of[name] {
		return false
	}
	i := p.columns.of[date]
	if i < 0 || i == first {
		return first == 0 || i == first
	}
	return given(rec.fields[i]) == ""
}

// leftOut counts fields that were left out of answers that were taken.
type leftOut struct {
	// Addresses are e-mail addresses that are none, Taken those that belong to somebody else, IDs external ids that name
	// nobody, Locales language tags that are none, and Traits values that are not of their kind.
	Addresses, Taken, IDs, Locales, Traits int
}

func (l *leftOut) add(more leftOut) {
	l.Addresses += more.Addresses
	l.Taken += more.Taken
	l.IDs += more.IDs
	l.Locales += more.Locales
	l.Traits += more.Traits
}

// String says what was left out; "" where nothing was.
func (l leftOut) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{l.Addresses, "e-mail addresses that are none"}, {l.Taken, "e-mail addresses of other contacts"}, {l.IDs, "contacts' ids that name nobody"},
		{l.Locales, "language tags that are none"}, {l.Traits, "values of traits that are not of their kind"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// nobodies are what programs write, simplified, where they do not know who it was.
var nobodies = map[string]bool{
	"": true, "anonymous": true, "anonym": true, "anonyme": true, "anonimo": true, "anoniem": true, "anonimous": true, "unknown": true, "unbekannt": true,
	"inconnu": true, "none": true, "undefined": true, "notset": true, "nil": true, "guest": true, "noname": true, "noemail": true, "nobody": true,
}

// whom is an id or a name; "" where it names nobody.
func whom(field string) string {
	text := given(field)
	if text == "" || nobodies[simplify(text)] && !strings.ContainsAny(text, "0123456789") {
		return ""
	}
	return text
}

// idOf is an answer's id; "" where there is none.
func idOf(field string) string { return unformulated(bare(given(field))) }

// noScoreGiven reports whether a field says that there is no score.
func noScoreGiven(field string) bool {
	text := given(field)
	if text == "" {
		return true
	}
	if '0' <= text[0] && text[0] <= '9' {
		return false
	}
	switch simplify(text) {
	case "none", "noanswer", "noresponse", "notanswered", "skipped", "keineangabe", "keineantwort", "ka", "sansreponse", "nonrepondu", "sinrespuesta",
		"nessunarisposta", "geenantwoord", "semresposta":
		return true
	}
	return false
}

// recording makes a recording of a row, without its idempotency key. Where it is nil the row's why says why, and what is
// wrong is in its fault.
func (p *Plan) recording(rec *record, now time.Time) (item *feedback.Recording, left leftOut) {
	fail := func(w why, format string, args ...any) (*feedback.Recording, leftOut) {
		rec.why, rec.fault = w, fmt.Sprintf(format, args...)
		return nil, leftOut{}
	}
	if rec.why != 0 {
		return nil, left
	}
	c := &p.columns
	for i, f := range rec.fields {
		if strings.IndexByte(f, 0) >= 0 {
			return fail(noText, "the column %q contains the character U+0000", c.label(i))
		}
		if !utf8.ValidString(f) {
			return fail(noText, "the column %q is not valid UTF-8", c.label(i))
		}
	}
	field := func(of role) string {
		if i := c.of[of]; i >= 0 {
			return given(rec.fields[i])
		}
		return ""
	}

	scored := rec.fields[c.of[score]]
	switch {
	case c.status >= 0 && isPreview(rec.fields[c.status], c.from):
		return fail(preview, "a preview of the survey")
	case c.surveyKind >= 0 && otherSurveys[simplify(rec.fields[c.surveyKind])]:
		return fail(otherSurvey, "an answer to a survey of another kind")
	case p.isFooter(rec):
		return fail(footer, "a line below the table")
	case noScoreGiven(scored):
		return fail(unanswered, "the row has no score")
	case p.isTotal(rec):
		return fail(total, "a row of totals")
	}
	number, err := parseScore(scored)
	if err != nil {
		w := badScore
		if fault, ok := errors.AsType[*scoreError](err); ok && fault.why != noScore {
			w = beyondScale
		}
		return fail(w, "%s", err.Error())
	}
	item = &feedback.Recording{Campaign: p.Campaign, Score: number, Channel: response.ChannelIMPORT}
	if text := field(variant); text != "" {
		item.Variant = &text
	}
	if field(comment) != "" {
		item.Comment = &rec.fields[c.of[comment]]
	}
	var w why
	if item.RespondedAt, w, err = p.respondedAt(field(date), now); err != nil {
		return fail(w, "%s", err.Error())
	}
	if text := field(locale); text != "" {
		if tag, ok := parseLanguage(text); ok {
			item.Locale = &tag
		} else {
			left.Locales++
		}
	}
	item.Contact = p.contactOf(rec.fields, &left)
	if item.Traits, err = p.traitsOf(rec.fields, &left); err != nil {
		return fail(refused, "%s", err.Error())
	}
	return item, left
}

// isPreview reports whether a row's status says that somebody looked at how the survey looks. Qualtrics may write
// numbers for it.
func isPreview(status string, from *exporter) bool {
	switch simplify(status) {
	case "surveypreview", "preview", "surveytest":
		return true
	case "1", "2", "9", "17":
		return from != nil && from.name == "Qualtrics"
	}
	return false
}

// isMasked reports whether an address was made unreadable, a***@example.com: many people have the same one then.
func isMasked(address string) bool {
	return strings.Contains(address, "**") || strings.Contains(address, "*@") || strings.HasPrefix(address, "*") || strings.ContainsAny(address, "•…█")
}

// contactOf is who has answered, nil where nobody knows. An address that is none, or an id that names nobody, is left
// out.
func (p *Plan) contactOf(fields []string, left *leftOut) *contact.Input {
	var who contact.Input
	c := &p.columns
	if i := c.of[contactID]; i >= 0 {
		text := unformulated(whom(fields[i]))
		switch {
		case text != "" && !isScientific(text):
			who.ExternalID = &text
		case given(fields[i]) != "":
			left.IDs++
		}
	}
	if i := c.of[email]; i >= 0 {
		text := bare(given(fields[i]))
		switch {
		case contact.ValidEmail(text) && !isMasked(text):
			who.Email = &text
		case strings.TrimSpace(fields[i]) != "":
			left.Addresses++
		}
	}
	if who.ExternalID == nil && who.Email == nil {
		return nil
	}
	if i := c.of[name]; i >= 0 {
		text := whom(fields[i])
		if c.surname >= 0 {
			text = strings.TrimSpace(text + " " + whom(fields[c.surname]))
		}
		if text != "" {
			who.Name = &text
		}
	}
	return &who
}

// respondedAt is when a row was answered. Every row gets a time, so that it is the same whenever it is imported.
func (p *Plan) respondedAt(text string, now time.Time) (*time.Time, why, error) {
	if text == "" {
		if p.on.IsZero() {
			return nil, noDate, errors.New("the row has no date; --on gives one to such rows")
		}
		return &p.on, 0, nil
	}
	t, dayOnly, err := p.dates.parse(text, p.zone)
	if _, is := errors.AsType[noDayError](err); is {
		return nil, noDay, fmt.Errorf("the date %w", err)
	}
	if err != nil {
		return nil, badDate, fmt.Errorf("the date %w", err)
	}
	if dayOnly && t.After(now) && !t.Add(-noon).After(now) {
		return nil, future, fmt.Errorf("the date %.40q stands for noon of today, which is still to come: import it later", text)
	}
	t = t.UTC()
	return &t, 0, nil
}

// traitsOf are the row's traits, nil where it has none. A value that is not of its kind is left out.
func (p *Plan) traitsOf(fields []string, left *leftOut) (trait.Values, error) {
	var found map[string]any
	for _, t := range p.columns.traits {
		text := given(fields[t.index])
		if text == "" {
			continue
		}
		value, err := t.parseTrait(text)
		if err != nil {
			left.Traits++
			continue
		}
		if found == nil {
			found = map[string]any{}
		}
		found[t.key] = value
	}
	if found == nil {
		return nil, nil
	}
	values, err := trait.ParseValues(found)
	if err == nil {
		return values, nil
	}
	for key, value := range found {
		if _, err := trait.ParseValues(map[string]any{key: value}); err != nil {
			left.Traits++
			delete(found, key)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	values, err = trait.ParseValues(found)
	if errs, ok := errors.AsType[apierror.UserErrors](err); ok {
		return nil, errors.New(errs[0].Message)
	}
	return values, err
}
