// Package importer takes the answers in a CSV file into a campaign.
//
// Prepare looks at the whole file and decides what everything in it means; Plan.Describe shows that before anything is
// written, Plan.Define defines the traits that are new, and Plan.Run records the rows. The file is read as a stream,
// so that its size does not matter. Each row has an idempotency key of its own: what was imported before is not
// imported again, and an import that was interrupted goes on where it was.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/cube"
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
	Score, Comment, Date, Contact, Email, Name, Variant, Locale string
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
	// Zone is where dates without a zone are; nil means UTC.
	Zone *time.Location
	// Encoding is utf-8, utf-16le, utf-16be or windows-1252; where empty it is recognised.
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
	columns  columns
	dates    dateFormat
	// firstDate is one of the file's dates, for people to see how it is read.
	firstDate sighting
	// on is the date of the rows that have none; the zero time where there is none either.
	on time.Time
	// rows is how many the file has.
	rows int64
	// scoreComma says that scores have decimal commas, as in 10,0.
	scoreComma bool
}

// Prepare looks at the whole file and decides what everything in it means. Errors say what the user can do about them.
// Nothing is written.
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
		return nil
	}
	if p.encoding == "" {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading the file: %w", err)
		}
		p.encoding, err = recognise(ctx, f)
	}
	return err
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
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// commas are what may separate fields.
const commas = ",;\t|"

// readHeader finds what separates the fields, and which columns are which.
func (p *Plan) readHeader(context.Context) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	defer s.Close()
	sample := s.rest()
	switch c := p.opts.Comma; {
	case c == 0:
		p.comma = guessComma(sample, s.all)
	case c < ' ' && c != '\t' || c > '~' || c == '"':
		return fmt.Errorf("--delimiter: %q cannot separate fields", c)
	default:
		p.comma = byte(c)
	}
	s.comma = p.comma
	header, err := s.next()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file holds nothing but blank lines")
	case err != nil:
		return err
	case header.fault != "":
		return fmt.Errorf("line %d, the header: %s", header.line, header.fault)
	}
	p.columns.header = header.fields
	return p.columns.choose(&p.opts)
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
	t, dayOnly, err := dateFormat{given: true}.parse(strings.TrimSpace(p.opts.On), p.opts.Zone)
	if err != nil {
		return fmt.Errorf("--on: %w: write it as 2006-01-02 or 2006-01-02T15:04", err)
	}
	switch {
	case !t.After(time.Now()):
	case dayOnly:
		return fmt.Errorf("--on %s means noon of that day in %s, which is still to come; give a time of day that is past, as 2006-01-02T15:04", p.opts.On, p.opts.Zone)
	default:
		return fmt.Errorf("--on %s is still to come", p.opts.On)
	}
	p.on = t.UTC()
	return nil
}

// scan reads all rows to see what they hold, and decides on dates and kinds.
func (p *Plan) scan(ctx context.Context) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.next(); err != nil {
		return err
	}
	var dates dateGuess
	var scores traitGuess
	c := &p.columns
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
		if rec.fault != "" || len(rec.fields) != len(c.header) {
			continue
		}
		if i := c.of[date]; i >= 0 && p.opts.DateFormat == "" {
			if text := given(rec.fields[i]); text != "" {
				dates.see(text, rec.line)
			}
		} else if i >= 0 && dates.first.line == 0 {
			dates.first = sighting{given(rec.fields[i]), rec.line}
		}
		if text := given(rec.fields[c.of[score]]); strings.Contains(text, ",") {
			scores.see(text, rec.line)
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
	p.scoreComma = scores.commas > 0
	p.firstDate = dates.first
	return p.decide(&dates)
}

// decide decides how dates are read and what kinds the traits are.
func (p *Plan) decide(dates *dateGuess) (err error) {
	given, guess := dateFormat{}, p.opts.DateFormat == ""
	if !guess {
		if given, err = parseDateFormat(p.opts.DateFormat); err != nil {
			return err
		}
	}
	formatOf := func(column int, g *dateGuess) (dateFormat, error) {
		if !guess {
			return given, nil
		}
		return g.format(p.columns.header[column])
	}
	if i := p.columns.of[date]; i >= 0 {
		if p.dates, err = formatOf(i, dates); err != nil {
			return err
		}
	}
	for _, t := range p.columns.traits {
		if def, ok := p.opts.Defined[t.key]; ok {
			if t.chosen && t.kind != def.Kind {
				return fmt.Errorf("--trait %s: the trait %s is a %s already", p.columns.header[t.index], t.key, def.Kind)
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
		if t.dates, err = formatOf(t.index, &t.guess.dates); err != nil {
			return err
		}
	}
	return nil
}

// Define defines those of the plan's traits that the tenant does not have, by means of define, such as a
// cube.Builder's DefineTrait. They become dimensions, unless they have more values than a dimension keeps apart.
func (p *Plan) Define(ctx context.Context, define func(context.Context, cube.DefineTraitInput) error) error {
	for _, t := range p.columns.traits {
		if t.defined {
			continue
		}
		if err := define(ctx, cube.DefineTraitInput{Key: t.key, Kind: t.kind, IsDimension: t.dimension}); err != nil {
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
		lines = append(lines, [2]string{p.columns.header[i], what})
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
		lines = append(lines, [2]string{p.columns.header[t.index], what})
	}
	if !p.on.IsZero() {
		whose := "every row"
		if p.columns.of[date] >= 0 {
			whose = "rows without a date"
		}
		lines = append(lines, [2]string{"--on", fmt.Sprintf("date of %s: %s", whose, p.on.In(p.opts.Zone).Format("2006-01-02 15:04 -07:00"))})
	}
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(l[0])))
	}
	for _, l := range lines {
		fmt.Fprintf(&out, "  %-*s  %s\n", width, l[0], l[1])
	}
	var unused []string
	for i, header := range p.columns.header {
		if !used[i] {
			unused = append(unused, fmt.Sprintf("%q", header))
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

// dateExample shows how the file's first date is read.
func (p *Plan) dateExample() string {
	t, _, err := p.dates.parse(p.firstDate.text, p.opts.Zone)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(", %q is %s", p.firstDate.text, t.Format("2006-01-02 15:04 -07:00"))
}
