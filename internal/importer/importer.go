// Package importer takes the answers in a CSV file into a campaign.
//
// Prepare looks at the whole file and decides what everything in it means; Plan.Describe shows that before anything is
// written, Plan.Define defines the traits that are new, and Plan.Run records the rows. The file is read as a stream,
// so that its size does not matter. Each row has an idempotency key of its own: what was imported before is not
// imported again, and an import that was interrupted goes on where it was.
package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
)

// Options say what to import, and how the file is to be read. Most of it is guessed where it is not given.
type Options struct {
	// Path names the file.
	Path string
	// Campaign is the text of the id of the campaign that the answers are for.
	Campaign string
	// The names of columns. Where empty the column is guessed by its name; "-" means that there is none. Contact is the
	// contact's external id, Date when the answer was given. The names are kept of people with an id or an address.
	// ID is the answer's own id, by which it is known again however the file that it stands in was made.
	Score, Comment, Date, ID, Contact, Email, Name, Variant, Locale string
	// Traits are columns that hold traits, as "column", "column=key", "column:KIND" or "column=key:KIND". The key is
	// the column's name where none is given, the kind that of the tenant's trait, else it is guessed from the values.
	Traits []string
	// Defined are the tenant's traits by key.
	Defined map[string]trait.Definition
	// DateFormat is how dates are written: letters such as DD/MM/YYYY, a layout of package time, or unix. Where empty
	// it is guessed, as long as there is only one way to read the dates.
	DateFormat string
	// On is a date for the rows that have none, as 2006-01-02, with a time of day or without; a file that has no column
	// for the date needs it.
	On string
	// Zone is where dates without a zone are, where neither FileZone nor the file says; nil means UTC.
	Zone *time.Location
	// FileZone, where not nil, is where the file's dates without a zone are, whatever the file says.
	FileZone *time.Location
	// Skip is how many lines there are before the header; where 0 it is guessed.
	Skip int
	// Encoding is utf-8, utf-16le, utf-16be, windows-1252 or macintosh; where empty it is recognised.
	Encoding string
	// Comma separates the fields; 0 means that it is guessed among comma, semicolon, tab and bar.
	Comma rune
	// Rejects names the file that the rows that are wrong go to; Path with .rejects.csv behind it where empty.
	Rejects string
}

// Plan is what a file means.
type Plan struct {
	// Campaign is that of the Options; it may be set until Run.
	Campaign string

	opts     Options
	size     int64
	modified time.Time
	bom      int
	encoding encoding
	comma    byte
	// skip is how many lines there are before the header, more how many records the header has besides the first.
	skip, more int
	// own says that the file is one of rejects, whose fields are guarded.
	own     bool
	columns columns
	dates   dateFormat
	// zone is where the dates without one are, zoneFrom what says so.
	zone     *time.Location
	zoneFrom string
	// firstDate is one of the file's dates, for people to see how it is read; better is a format that reads dates that
	// the one given does not.
	firstDate sighting
	better    string
	// on is the date of the rows that have none; the zero time where there is none either.
	on time.Time
	// rows is how many the file has.
	rows int64
}

// ErrOption is the error of Prepare where the options are not right for the file: one is wrong, or one is missing.
var ErrOption = errors.New("an option is wrong or missing")

// optionError is an ErrOption that says so in its own words.
type optionError struct{ error }

func (optionError) Is(target error) bool { return target == ErrOption }

func (e optionError) Unwrap() error { return e.error }

func badOption(format string, args ...any) error { return optionError{fmt.Errorf(format, args...)} }

// Prepare looks at the whole file and decides what everything in it means. Errors say what the user can do about them, and
// are ErrOption where that is to call the program otherwise. Nothing is written.
func Prepare(ctx context.Context, o Options) (*Plan, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Rejects == "" {
		o.Rejects = o.Path + ".rejects.csv"
	}
	p := &Plan{opts: o, Campaign: o.Campaign}
	for _, step := range []func(context.Context) error{p.look, p.readHeader, p.readOn, p.scan} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	if err := p.checkRejects(); err != nil {
		return nil, err
	}
	return p, nil
}

// Size is how many bytes the file has.
func (p *Plan) Size() int64 { return p.size }

// Rows is how many rows the file has, without its header.
func (p *Plan) Rows() int64 { return p.rows }

// look finds the file's size and encoding.
func (p *Plan) look(ctx context.Context) error {
	f, err := os.Open(p.opts.Path)
	if err != nil {
		return reasonOf(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return reasonOf(err)
	}
	switch {
	case !info.Mode().IsRegular():
		return errors.New("is no regular file; the file is read more than once, and cannot come through a pipe")
	case info.Size() == 0:
		return errors.New("the file is empty")
	}
	p.size, p.modified = info.Size(), info.ModTime()

	head := make([]byte, 3)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading the file: %w", err)
	}
	p.bom, p.encoding = mark(head[:n])
	if p.opts.Encoding != "" {
		if p.encoding, err = parseEncoding(p.opts.Encoding); err != nil {
			return err
		}
		return readable(f, p.encoding)
	}
	if p.encoding == "" {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading the file: %w", err)
		}
		if p.encoding, err = recognise(ctx, f); err != nil {
			return err
		}
	}
	return readable(f, p.encoding)
}

// reasonOf leaves out of an error what the caller says already: which file it is about.
func reasonOf(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

// source is the file, opened to be read from its beginning.
type source struct {
	*reader
	file *os.File
	// read is how many bytes of the file were read.
	read int64
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.file.Read(b)
	s.read += int64(n)
	return n, err
}

func (s *source) Close() error { return s.file.Close() }

// open opens the file, ahead of its header.
func (p *Plan) open() (*source, error) {
	f, err := os.Open(p.opts.Path)
	if err != nil {
		return nil, reasonOf(err)
	}
	s := &source{file: f, read: int64(p.bom)}
	if _, err = f.Seek(s.read, io.SeekStart); err == nil {
		s.reader, err = newReader(decode(s, p.encoding), p.comma)
	}
	for range p.skip {
		if err != nil {
			break
		}
		err = s.skipLine()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// commas are what may separate fields.
const commas = ",;\t|"

// Bounds of what is looked at to find the header.
const (
	// mostTitles is how many records may stand before the header for it to be found.
	mostTitles = 20
	// sampleRows is how many rows are looked at to see what columns hold.
	sampleRows = 200
)

// readHeader finds what separates the fields, which record is the header, and which columns are which.
func (p *Plan) readHeader(context.Context) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	defer s.Close()
	said, length := sepLine(s.rest())
	p.skip = max(p.opts.Skip, length)
	for range p.skip {
		if err := s.skipLine(); err != nil {
			return err
		}
	}
	if err := jsonFile(s.rest()); err != nil {
		return err
	}
	var tries []byte
	switch c := p.opts.Comma; {
	case c != 0 && (c < ' ' && c != '\t' || c > '~' || c == '"'):
		return badOption("--delimiter: %q cannot separate fields", c)
	case c != 0:
		tries = []byte{byte(c)}
	case said != 0:
		tries = []byte{said}
	default:
		best := guessComma(s.rest(), s.all)
		tries = append([]byte{best}, slices.DeleteFunc([]byte(commas), func(c byte) bool { return c == best })...)
	}
	var first error
	for _, comma := range tries {
		p.comma = comma
		found, err := p.findHeader()
		if found {
			return err
		}
		if first == nil {
			first = err
		}
	}
	p.comma = tries[0]
	return first
}

// jsonObject is what a JSON object begins with that has a name.
var jsonObject = regexp.MustCompile(`^\s*\{\s*"(?:[^"\\]|\\.)*"\s*:`)

// jsonFile refuses text that is JSON: an object a line, one object, or an array of objects.
func jsonFile(text []byte) error {
	inner, array := bytes.CutPrefix(bytes.TrimSpace(text), []byte{'['})
	if !jsonObject.Match(inner) {
		return nil
	}
	const way = "make a CSV file of it first, such as with jq -r '[.score, .date, .comment] | @csv' and a header line"
	if first, rest, _ := bytes.Cut(inner, []byte{'\n'}); !array && bytes.HasSuffix(bytes.TrimSpace(first), []byte{'}'}) && (len(bytes.TrimSpace(rest)) == 0 || jsonObject.Match(rest)) {
		return errors.New("the file is no CSV but has one JSON object a line: " + way)
	}
	return errors.New("the file is no CSV but JSON: " + way)
}

// isAnswer reports whether a record looks like one of an answer, and not of the names of columns: a field is a score, and
// another is a date or an address.
func isAnswer(rec record) bool {
	scored, known := false, false
	for _, field := range rec.fields {
		text := given(field)
		if n := leadingDigits(text); n > 0 && n == len(text) && n <= 2 {
			_, err := parseScore(text)
			scored = scored || err == nil
			continue
		}
		var g dateGuess
		if strings.ContainsFunc(text, unicode.IsDigit) {
			g.see(text, rec.line)
		}
		known = known || g.seen > g.wrong || contact.ValidEmail(text)
	}
	return rec.fault == "" && scored && known
}

// sepLine reads the line with which Excel is told what separates the fields: what it says, and how many lines it has.
func sepLine(text []byte) (comma byte, lines int) {
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	line, _, _ = bytes.Cut(line, []byte{'\r'})
	line = bytes.Trim(line, "\" ")
	if len(line) < len("sep=;") || !strings.EqualFold(string(line[:4]), "sep=") || line[4] == '"' || line[4] >= utf8.RuneSelf ||
		strings.Trim(string(line[5:]), ",;\t|\"") != "" {
		return 0, 0
	}
	return line[4], 1
}

// findHeader finds the header among the first records. The error is for the record that looks most like one.
func (p *Plan) findHeader() (found bool, err error) {
	s, err := p.open()
	if err != nil {
		return false, err
	}
	defer s.Close()
	var head []record
	for len(head) < mostTitles+sampleRows {
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		head = append(head, rec)
	}
	if len(head) == 0 {
		return false, errors.New("the file holds nothing but blank lines")
	}
	tries := min(len(head), mostTitles)
	if p.opts.Skip > 0 {
		tries = 1
	}
	var columnsOf *columns
	chosen, most := -1, 0
	for k := range tries {
		rec := head[k]
		fields := filled(rec.fields)
		if rec.fault != "" {
			if k == 0 {
				err, most = fmt.Errorf("line %d, the header: %s", rec.line, rec.fault), len(rec.fields[0])
			}
			continue
		}
		c, choosing := p.columnsOf(head[k:])
		if choosing != nil {
			if err == nil || fields > most {
				most, err = fields, choosing
			}
			continue
		}
		if columnsOf == nil || fields > 1 {
			columnsOf, chosen = c, k
		}
		if fields > 1 || len(rec.fields) == 1 {
			break
		}
	}
	if chosen < 0 && p.opts.Skip == 0 && isAnswer(head[0]) {
		return false, fmt.Errorf("line %d looks like an answer, and no line before it names the columns: put a header line in front, such as score,date,comment in the order of the columns", head[0].line)
	}
	if chosen < 0 {
		return false, err
	}
	p.columns = *columnsOf
	p.skip = head[chosen].line - 1
	p.own = isRejects(head[chosen].fields)
	p.more = columnsOf.more
	return true, p.readZone(head[chosen : chosen+1+p.more])
}

// filled is how many fields hold something.
func filled(fields []string) (n int) {
	for _, f := range fields {
		if strings.TrimSpace(f) != "" {
			n++
		}
	}
	return n
}

// columnsOf chooses columns where the first of the records is the header.
func (p *Plan) columnsOf(head []record) (*columns, error) {
	c := &columns{header: slices.Clone(head[0].fields)}
	if isRejects(c.header) {
		for i, h := range c.header {
			c.header[i] = unguard(h)
		}
	}
	c.more = extraHeaders(head)
	if c.more > 0 {
		c.texts = head[1].fields
	}
	err := c.choose(&p.opts, head[1+c.more:])
	if err == nil && c.more == 0 && c.isHeader(head, 1) {
		// Of such a row the questions' texts may be better names.
		c.more = 1
		if c.isHeader(head, 2) {
			c.more = 2
		}
		again := &columns{header: c.header, texts: head[1].fields, more: c.more}
		return again, again.choose(&p.opts, head[1+c.more:])
	}
	return c, err
}

// isHeader reports whether a record behind the first is none of an answer, but of names, as those of questions below those
// of columns: it has words for the score and for the date, and one of the next two has none.
func (c *columns) isHeader(head []record, k int) bool {
	words := func(rec record) bool {
		of := func(i int) string {
			if i < 0 || i >= len(rec.fields) {
				return ""
			}
			return given(rec.fields[i])
		}
		scored, dated := of(c.of[score]), of(c.of[date])
		fault := (*scoreError)(nil)
		_, err := parseScore(scored)
		return scored != "" && dated != "" && !noScoreGiven(scored) && !isCategory(scored) && errors.As(err, &fault) && fault.why == noScore &&
			!strings.ContainsFunc(dated, unicode.IsDigit)
	}
	return k < len(head)-1 && words(head[k]) && (!words(head[k+1]) || k+2 < len(head) && k < 2 && !words(head[k+2]))
}

// subHeaders are what stands in the second header of exports that have one for the parts of questions, simplified.
var subHeaders = []string{
	"response", "group", "score", "rating", "npscategory", "openendedresponse", "otherpleasespecify", "reponse", "reponseouverte", "antwort", //nolint:misspell // French
	"offeneantwort", "beantwortungmitoffenemende",
	"respuesta", "respuestaabierta", "risposta", "rispostaaperta", "resposta", "respostaaberta", "antwoord", "openantwoord",
}

// extraHeaders is how many records belong to the header besides the first: the questions' texts and the programs' own
// names (Qualtrics), or the parts of questions (SurveyMonkey).
func extraHeaders(head []record) int {
	for k := 1; k < len(head) && k <= 2; k++ {
		for _, f := range head[k].fields {
			if strings.HasPrefix(strings.TrimSpace(f), `{"ImportId"`) {
				return k
			}
		}
	}
	if len(head) < 2 || head[1].fault != "" || len(head[1].fields) < 2 || strings.TrimSpace(head[1].fields[0]) != "" {
		return 0
	}
	if slices.ContainsFunc(head[1].fields, func(f string) bool { return slices.Contains(subHeaders, simplify(f)) }) {
		return 1
	}
	return 0
}

// readZone finds out where the dates without a zone are.
func (p *Plan) readZone(header []record) error {
	p.zone, p.zoneFrom = p.opts.Zone, "the tenant's zone"
	i := p.columns.of[date]
	if p.opts.FileZone != nil {
		p.zone, p.zoneFrom = p.opts.FileZone, "--time-zone"
		return nil
	}
	if i < 0 {
		return nil
	}
	if _, zone := zoneOfHeader(p.columns.header[i]); zone != nil {
		p.zone, p.zoneFrom = zone, "the column's name"
		return nil
	}
	if last := header[len(header)-1].fields; len(header) > 1 && i < len(last) {
		named := zoneOfJSON(last[i])
		if named == "" {
			return nil
		}
		zone, ok := ParseZone(named)
		if !ok {
			return badOption("line %d: %q is no zone that is known; give the file's zone with --time-zone", header[len(header)-1].line, named)
		}
		p.zone, p.zoneFrom = zone, "the file's header"
	}
	return nil
}

// zoneOfJSON is the zone that Qualtrics names in a field of its third row; "" where the field is anything else.
func zoneOfJSON(field string) string {
	var of struct {
		TimeZone string `json:"timeZone"`
	}
	if err := json.Unmarshal([]byte(field), &of); err != nil {
		return ""
	}
	return of.TimeZone
}

// guessComma finds what separates the fields: that by which most of the first rows have as many as the header, and
// of such the one that makes most fields.
func guessComma(sample []byte, all bool) byte {
	best, bestRows, bestFields := commas[0], 0, 1
	for _, comma := range []byte(commas) {
		r, err := newReader(strings.NewReader(string(sample)), comma)
		if err != nil {
			continue // A text in memory can always be read.
		}
		rows, fields := 0, 0
		for range 100 {
			rec, err := r.next()
			if err != nil {
				break
			}
			if cut := r.start == r.end && !all; cut && rows > 0 {
				break // It may go on behind the sample.
			}
			if rows == 0 {
				fields = len(rec.fields)
			}
			if rec.fault == "" && len(rec.fields) == fields {
				rows++
			}
		}
		if fields > 1 && (rows > bestRows || rows == bestRows && fields > bestFields) {
			best, bestRows, bestFields = comma, rows, fields
		}
	}
	return best
}

// readOn reads the date of the rows that have none.
func (p *Plan) readOn(context.Context) error {
	if p.opts.On == "" {
		return nil
	}
	t, dayOnly, err := dateFormat{given: true}.parse(strings.TrimSpace(p.opts.On), p.zone)
	if err != nil {
		return badOption("--on: %w: write it as 2006-01-02 or 2006-01-02T15:04", err)
	}
	switch {
	case !t.After(time.Now()):
	case dayOnly:
		return badOption("--on %s means noon of that day in %s, which is still to come; give a time of day that is past, as 2006-01-02T15:04", p.opts.On, p.zone)
	default:
		return badOption("--on %s is still to come", p.opts.On)
	}
	p.on = t.UTC()
	return nil
}

// scan reads all rows to see what they hold, and decides on dates, ids and kinds.
func (p *Plan) scan(ctx context.Context) error {
	s, err := p.openRows()
	if err != nil {
		return err
	}
	defer s.Close()
	if p.opts.DateFormat != "" {
		if p.dates, err = parseDateFormat(p.opts.DateFormat); err != nil {
			return err
		}
	}
	now := time.Now()
	dates := dateGuess{now: now}
	c := &p.columns
	for _, t := range c.traits {
		t.guess.dates.now = now
	}
	seed := maphash.MakeSeed()
	known, unknown := 0, 0
	for {
		if p.rows%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		p.rows++
		if rec.why != 0 {
			continue
		}
		if i := c.of[date]; i >= 0 {
			if text := given(rec.fields[i]); text != "" && !p.isTotal(&rec) && !p.isFooter(&rec) {
				dates.see(text, rec.line)
			}
		}
		for _, id := range c.ids {
			if text := idOf(rec.fields[id.index]); text != "" {
				id.see(text, rec.line, seed)
			}
		}
		if c.surveyKind >= 0 {
			switch kind := simplify(rec.fields[c.surveyKind]); {
			case kind == "":
			case isNPS(kind), otherSurveys[kind]:
				known++
			default:
				unknown++
			}
		}
		for _, t := range c.traits {
			if text := given(rec.fields[t.index]); text != "" {
				t.guess.see(text, rec.line)
			}
		}
		if i := c.of[locale]; i >= 0 && c.guessed[locale] {
			if text := given(rec.fields[i]); text != "" {
				if _, ok := parseLanguage(text); !ok {
					c.of[locale] = -1 // It is called so, and is something else.
				}
			}
		}
	}
	if unknown > 0 || known == 0 {
		c.surveyKind = -1
	}
	c.settleIDs(p.opts.ID == "", p.opts.Contact == "")
	p.firstDate = dates.first
	return p.decide(&dates)
}

// decide decides how dates are read and what kinds the traits are.
func (p *Plan) decide(dates *dateGuess) (err error) {
	guess := p.opts.DateFormat == ""
	if i := p.columns.of[date]; i >= 0 {
		guessed, err := dates.format(p.columns.label(i))
		switch {
		case guess && err != nil:
			return err
		case guess:
			p.dates = guessed
		case err == nil && guessed.String() != p.dates.String():
			p.better = guessed.String()
		}
		p.dates.zones = zones{}
	}
	for _, t := range p.columns.traits {
		if def, ok := p.opts.Defined[t.key]; ok {
			if t.chosen && t.kind != def.Kind {
				return badOption("--trait %s: the trait %s is a %s already", p.columns.label(t.index), t.key, def.Kind)
			}
			t.kind, t.defined, t.dimension = def.Kind, true, def.IsDimension
		} else {
			if !t.chosen {
				t.kind = t.guess.kind()
			}
			// Months since a date are few, whatever the dates.
			t.dimension = t.kind == trait.Date || !t.guess.many
		}
		if t.kind != trait.Date {
			continue
		}
		if plain := t.guess.days == t.guess.seen; plain {
			continue
		}
		if t.dates = p.dates; guess {
			if t.dates, err = t.guess.dates.format(p.columns.label(t.index)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Define defines those of the plan's traits that the tenant does not have, by means of define, such as a
// cube.Builder's DefineTrait. They become dimensions, unless they have more values than a dimension keeps apart.
func (p *Plan) Define(ctx context.Context, define func(context.Context, settings.DefineTraitInput) error) error {
	for _, t := range p.columns.traits {
		if t.defined {
			continue
		}
		if err := define(ctx, settings.DefineTraitInput{Key: t.key, Kind: t.kind, IsDimension: t.dimension}); err != nil {
			return fmt.Errorf("defining the trait %s: %w", t.key, err)
		}
		t.defined = true
	}
	return nil
}

// Describe says in a few lines what the file is and what each of its columns is taken for.
func (p *Plan) Describe() string {
	separators := map[byte]string{',': "commas", ';': "semicolons", '\t': "tabs", '|': "bars"}
	separator := separators[p.comma]
	if separator == "" {
		separator = fmt.Sprintf("%q", p.comma)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %d rows, %d bytes, %s, separated by %s\n", filepath.Base(p.opts.Path), p.rows, p.size, p.encoding, separator)
	if p.columns.from != nil {
		fmt.Fprintf(&out, "  an export of %s, by its columns\n", p.columns.from.name)
	}
	if p.skip > 0 {
		fmt.Fprintf(&out, "  the header is behind %d %s (--skip)\n", p.skip, plural(p.skip, "line", "lines"))
	}
	if p.more > 0 {
		fmt.Fprintf(&out, "  the header has %d rows\n", p.more+1)
	}
	var lines [][2]string
	used := map[int]bool{}
	for r, i := range p.columns.of {
		if i < 0 {
			continue
		}
		used[i] = true
		what := roleNames[r]
		if role(r) == date {
			what += p.dateExample()
		}
		if p.columns.guessed[r] {
			what += " (guessed; otherwise " + roleFlags[r] + ")"
		}
		lines = append(lines, [2]string{p.columns.label(i), what})
		if role(r) == name && p.columns.surname >= 0 {
			used[p.columns.surname] = true
			lines = append(lines, [2]string{p.columns.label(p.columns.surname), "the name's second part"})
		}
	}
	for _, t := range p.columns.traits {
		used[t.index] = true
		what := fmt.Sprintf("trait %s, %s", t.key, t.kind)
		switch {
		case t.defined:
		case t.dimension:
			what += ", new, a dimension"
		default:
			what += fmt.Sprintf(", new, no dimension since it has more than %d values", maxDistinct)
		}
		lines = append(lines, [2]string{p.columns.label(t.index), what})
	}
	if i := p.columns.surveyKind; i >= 0 && !used[i] {
		used[i] = true
		lines = append(lines, [2]string{p.columns.label(i), "the kind of survey; rows of others than NPS are left out"})
	}
	if !p.on.IsZero() {
		whose := "every row"
		if p.columns.of[date] >= 0 {
			whose = "rows without a date"
		}
		lines = append(lines, [2]string{"--on", fmt.Sprintf("date of %s: %s", whose, p.on.In(p.zone).Format("2006-01-02 15:04 -07:00"))})
	}
	width := 0
	for _, l := range lines {
		width = max(width, min(60, len([]rune(l[0]))))
	}
	for _, l := range lines {
		fmt.Fprintf(&out, "  %-*s  %s\n", width, l[0], l[1])
	}
	var unused []string
	for i := range p.columns.header {
		if !used[i] {
			unused = append(unused, fmt.Sprintf("%q", p.columns.label(i)))
		}
	}
	if unused != nil {
		rest := ""
		if more := len(unused) - 20; more > 0 {
			rest = fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(&out, "  not used: %s%s\n", strings.Join(slices.Clip(unused[:min(20, len(unused))]), ", "), rest)
	}
	return out.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// dateExample shows how the file's first date is read.
func (p *Plan) dateExample() string {
	t, _, err := p.dates.parse(p.firstDate.text, p.zone)
	if err != nil {
		return ""
	}
	out := fmt.Sprintf(", %q is %s", p.firstDate.text, t.Format("2006-01-02 15:04 -07:00"))
	if p.dates.serial != 0 {
		out += ", a day's number of Excel's (--date-format excel1904 where it counts from 1904)"
	}
	if p.zoneFrom != "the tenant's zone" {
		out += ", dates without a zone by " + p.zoneFrom
	}
	return out
}
