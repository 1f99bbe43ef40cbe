package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/feedback"
)

// Preview is what an import would do.
type Preview struct {
	// Record are the rows that would be recorded, Known those that are recorded already.
	Record, Known int
	// Warnings are what is so odd about the file that somebody has to confirm it.
	Warnings []string

	plan    *Plan
	tallies [whys]tally
	left    leftOut
	scores  [11]int
	dates   datesSeen
	rivals  map[int]*rivalry
	cut     sighting
	cuts    int
}

// rivalry is how often a column that may have been meant for a role says something else than the one that was taken.
type rivalry struct {
	differ int
	// line is that of the first row where it does, and these are what the two say there.
	line          int
	taken, beside string
}

// seeRivals compares the columns of a row that may have the same role.
func (v *Preview) seeRivals(rec *record) {
	c := &v.plan.columns
	for r, rivals := range c.rivals {
		for _, i := range rivals {
			taken, beside := given(rec.fields[c.of[r]]), given(rec.fields[i])
			if beside == "" || beside == taken {
				continue
			}
			if v.rivals[i] == nil {
				v.rivals[i] = &rivalry{line: rec.line, taken: taken, beside: beside}
			}
			v.rivals[i].differ++
		}
	}
}

// tally is how many rows are not recorded for one reason, with the first few of them.
type tally struct {
	count int
	lines []int
	// example is what is wrong with the first.
	example string
}

func (t *tally) see(rec *record) {
	const most = 3
	if t.count++; t.count == 1 {
		t.example = rec.fault
	}
	if len(t.lines) < most {
		t.lines = append(t.lines, rec.line)
	}
}

// where says in which lines the rows are.
func (t *tally) where() string {
	texts := make([]string, len(t.lines))
	for i, line := range t.lines {
		texts[i] = strconv.Itoa(line)
	}
	out := plural(t.count, "line ", "lines ") + strings.Join(texts, ", ")
	if more := t.count - len(t.lines); more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// datesSeen is what is known of the dates of rows that would be recorded.
type datesSeen struct {
	count       int
	first, last time.Time
	// day is the one that all are of, as they are written, each in its own zone; "" where they are of several.
	day string
	// timed says that some of them have a time of day.
	timed bool
	// months are those that the dates are the first days of, nil once another day has come, or a month twice.
	months map[time.Time]bool
}

func (d *datesSeen) see(t time.Time, written string) {
	if d.count++; d.count == 1 {
		d.first, d.last, d.day, d.months = t, t, written, map[time.Time]bool{}
	}
	if written != d.day {
		d.day = ""
	}
	if t.Before(d.first) {
		d.first = t
	}
	if t.After(d.last) {
		d.last = t
	}
	if d.months == nil {
		return
	}
	y, m, day := t.Date()
	month := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	if last := t.AddDate(0, 0, 1).Day() == 1; day != 1 && !last || d.months[month] || len(d.months) > 600 {
		d.months = nil
		return
	}
	d.months[month] = true
}

// Rejected is how many rows are wrong.
func (v *Preview) Rejected() (n int) {
	for w, t := range v.tallies {
		if w := why(w); w != recorded && w != unanswered && !w.dropped() {
			n += t.count
		}
	}
	return n
}

// Skipped is how many rows have no score.
func (v *Preview) Skipped() int { return v.tallies[unanswered].count }

// Dropped is how many rows are previews, answers to other surveys, totals, and lines below the table.
func (v *Preview) Dropped() int {
	return v.tallies[preview].count + v.tallies[otherSurvey].count + v.tallies[total].count + v.tallies[footer].count
}

// dated is how many rows have something for a date.
func (v *Preview) dated() int {
	return v.dates.count + v.tallies[badDate].count + v.tallies[noDay].count + v.tallies[future].count
}

// Check reads the whole file as Run does, and says what that would do at the time now, and what is odd about the file.
// Where known is not nil it is asked which keys were used before, at most feedback.MaxBatch of them at once.
func (p *Plan) Check(ctx context.Context, now time.Time, known func(ctx context.Context, keys []string) ([]bool, error)) (*Preview, error) {
	s, err := p.openRows()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.opts.Path, err)
	}
	defer s.Close()
	v := &Preview{plan: p, rivals: map[int]*rivalry{}, cut: p.columns.cut, cuts: p.columns.cuts}
	var keys []string
	ask := func() error {
		if len(keys) == 0 {
			return nil
		}
		found, err := known(ctx, keys)
		for _, is := range found {
			if is {
				v.Known++
				v.Record--
			}
		}
		keys = keys[:0]
		return err
	}
	// Where an id comes twice, the second is known by then.
	var twice map[uint64]bool
	seed := maphash.MakeSeed()
	if ids := p.columns.ids; len(ids) > 0 && ids[0].twice > 0 {
		twice = map[uint64]bool{}
	}
	for number := int64(1); ; number++ {
		if number%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.opts.Path, err)
		}
		wrong := rec.why != recorded
		item, left := p.recording(&rec, now)
		if !wrong && !rec.why.dropped() {
			v.seeRivals(&rec)
		}
		if i := p.columns.of[contactID]; i >= 0 && rec.why == recorded && isScientific(given(rec.fields[i])) {
			if v.cuts++; v.cut.line == 0 {
				v.cut = sighting{given(rec.fields[i]), rec.line}
			}
		}
		if item != nil {
			validate(item, now, &rec)
		}
		if rec.why != recorded {
			v.tallies[rec.why].see(&rec)
			continue
		}
		v.left.add(left)
		v.scores[item.Score]++
		if p.columns.of[date] >= 0 && given(rec.fields[p.columns.of[date]]) != "" {
			at := item.RespondedAt.In(p.zone)
			written := v.dates.day
			if written != "" || v.dates.count == 0 {
				// It was read before.
				own, dayOnly, _ := p.dates.parse(given(rec.fields[p.columns.of[date]]), p.zone)
				written = own.Format(time.DateOnly)
				v.dates.timed = v.dates.timed || !dayOnly
			}
			v.dates.see(at, written)
		}
		if known == nil && twice == nil {
			v.Record++
			continue
		}
		key, byID := p.key(number, rec.fields)
		if byID && twice != nil {
			hash := maphash.String(seed, key)
			if twice[hash] {
				v.Known++
				continue
			}
			if len(twice) < mostIDs {
				twice[hash] = true
			}
		}
		v.Record++
		if known == nil {
			continue
		}
		if keys = append(keys, key); len(keys) == feedback.MaxBatch {
			if err := ask(); err != nil {
				return nil, err
			}
		}
	}
	if err := ask(); err != nil {
		return nil, err
	}
	v.warn()
	return v, nil
}

// validate notes what the log would refuse about an item by itself.
func validate(item *feedback.Recording, now time.Time, rec *record) {
	_, errs := item.Validate(now)
	for _, e := range errs {
		if len(e.Field) > 0 && e.Field[0] == "campaign" {
			continue // It may not be there yet.
		}
		rec.why, rec.fault = refused, strings.Join(e.Field, ".")+": "+e.Message
		if len(e.Field) > 0 && e.Field[0] == "respondedAt" && item.RespondedAt.After(now) {
			rec.why = future
		}
		return
	}
}

// Bounds of what is taken for odd.
const (
	// fewRows is how many answers there must be, at least, for it to be odd that none is above 5: stars begin at 1. Where some
	// are 0 it is odd of someRows.
	fewRows = 5
	// someRows is how many there must be for it to be odd that none is above 7, manyRows for it to be odd that none is 0.
	someRows, manyRows = 20, 1_000
	// fewDates is how many answers must be of one day; of one and the same time, as it is written, two are odd.
	fewDates = 3
	// fewMonths is how many answers must be of one month each, and of its first or last day.
	fewMonths = 3
)

// warn finds what is odd.
func (v *Preview) warn() {
	p := v.plan
	add := func(format string, args ...any) { v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...)) }
	for r, rivals := range p.columns.rivals {
		for _, i := range rivals {
			if d := v.rivals[i]; d != nil {
				one, other := p.columns.label(p.columns.of[r]), p.columns.label(i)
				add("the columns %q and %q may both be the %s, and differ in %d %s (the first is line %d: %.40q and %.40q); the first is taken: say which it is with %s %q or %s %q",
					one, other, roleNames[r], d.differ, plural(d.differ, "row", "rows"), d.line, d.taken, d.beside, roleFlags[r], one, roleFlags[r], other)
			}
		}
	}
	read, lowest, highest := 0, -1, 0
	for n, count := range v.scores {
		if count > 0 {
			read += count
			highest = n
			if lowest < 0 {
				lowest = n
			}
		}
	}
	if t := v.tallies[badScore]; t.count > 0 {
		add("%d of %d scores of the column %q cannot be read, and would be rejected (%s: %s): what is left may tell something else than the whole",
			t.count, t.count+read+v.tallies[beyondScale].count, p.columns.label(p.columns.of[score]), t.where(), t.example)
	}
	if t := v.tallies[beyondScale]; t.count > 0 {
		add("%d of %d scores of the column %q are no whole numbers from 0 to 10, and would be rejected (%s: %s): they look like scores of months, averages, or another scale, and not like answers",
			t.count, t.count+read+v.tallies[badScore].count, p.columns.label(p.columns.of[score]), t.where(), t.example)
	}
	switch {
	case highest <= 5 && (read >= fewRows && lowest > 0 || read >= someRows):
		add("all %d scores are %d to %d: they look like a scale that ends at 5, whose answers would all be detractors", read, lowest, highest)
	case read >= someRows && highest <= 7:
		add("all %d scores are %d to %d: they look like a scale that ends at %d, which has no promoters", read, lowest, highest, highest)
	case read >= manyRows && lowest > 0 && v.scores[1]*100 > read:
		add("none of %d scores is 0, and %d are 1: they look like a scale from 1 to 10, which says something else than one from 0", read, v.scores[1])
	}
	if t := v.tallies[badDate]; t.count > 0 {
		way := "another --date-format may read them"
		if p.better != "" {
			way = fmt.Sprintf("--date-format %s reads more", p.better)
		}
		add("%d of %d dates of the column %q cannot be read, and would be rejected (%s: %s); %s",
			t.count, v.dated(), p.columns.label(p.columns.of[date]), t.where(), t.example, way)
	}
	if t := v.tallies[noDay]; t.count > 0 {
		add("%d of %d dates of the column %q are of days that the calendar does not have, and would be rejected (%s: %s)",
			t.count, v.dated(), p.columns.label(p.columns.of[date]), t.where(), t.example)
	}
	if t := v.tallies[future]; t.count > 0 {
		add("%d dates are still to come, and would be rejected (%s: %s)", t.count, t.where(), t.example)
	}
	switch d := &v.dates; {
	case d.count >= 2 && d.timed && d.first.Equal(d.last), d.count >= fewDates && d.day != "":
		add("all %d dates are of one day, %s", d.count, cmp.Or(d.day, d.first.Format(time.DateOnly)))
	case d.count >= fewMonths && len(d.months) == d.count:
		add("there is one row a month, each of its first or last day: they look like scores of months, and not like answers")
	}
	if v.cuts > 0 {
		add("%d ids are numbers that a spreadsheet has cut, such as %q (line %d); they tell nobody apart, and would be left out", v.cuts, v.cut.text, v.cut.line)
	}
}

// Describe says in some lines what would be done.
func (v *Preview) Describe() string {
	var out strings.Builder
	if n := v.Record + v.Known; n > 0 {
		var parts []string
		for score, count := range v.scores {
			if count > 0 {
				parts = append(parts, fmt.Sprintf("%d: %d", score, count))
			}
		}
		fmt.Fprintf(&out, "  scores     %s\n", strings.Join(parts, ", "))
	}
	if v.dates.count > 0 {
		const as = "2006-01-02 15:04 -07:00"
		fmt.Fprintf(&out, "  dates      %s to %s\n", v.dates.first.Format(as), v.dates.last.Format(as))
	}
	fmt.Fprintf(&out, "  to record  %d %s\n", v.Record, plural(v.Record, "row", "rows"))
	if v.Known > 0 {
		fmt.Fprintf(&out, "  known      %d\n", v.Known)
	}
	for w, t := range v.tallies {
		w := why(w)
		if t.count == 0 {
			continue
		}
		switch {
		case w == unanswered:
			fmt.Fprintf(&out, "  skipped    %d: %s\n", t.count, w)
		case w.dropped():
			fmt.Fprintf(&out, "  left out   %d: %s (%s)\n", t.count, w, t.where())
		default:
			fmt.Fprintf(&out, "  rejected   %d: %s (%s): %s\n", t.count, w, t.where(), t.example)
		}
	}
	if left := v.left.String(); left != "" {
		fmt.Fprintf(&out, "  of answers that are recorded, these are left out: %s\n", left)
	}
	return out.String()
}
