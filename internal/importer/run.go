package importer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// maxBatchBytes bounds the text of a batch besides its rows, since rows may be long.
	maxBatchBytes = 4 << 20
	// maxInFlight is how many batches are being recorded while the next is read.
	maxInFlight = 2
	// maxTries is how often a batch is sent whose fate is unknown; the rows' keys see to it that none counts twice.
	maxTries = 5
	// firstPause is how long is waited before the second try; each further time it is twice as long.
	firstPause = 200 * time.Millisecond
)

// Result is what became of the rows. Where the import came to its end Recorded, Known, Amended, Changed, Skipped, Dropped and
// Rejected add up to all of them.
type Result struct {
	// Recorded are new responses, Known those that an earlier import had recorded. Amended are known, and got a comment or
	// traits that they lacked; Changed are known by the answer's id, and differ from what was recorded, which stays.
	Recorded, Known, Amended, Changed int
	// Skipped are rows without a score, Dropped previews, answers to other surveys, totals, and lines below the table.
	Skipped, Dropped int
	// Rejected are rows that are wrong, written to the file RejectsPath with line number and reason.
	Rejected    int
	RejectsPath string
	// FirstChanged is the line of the first row that has changed.
	FirstChanged int
	// Left counts the fields that were left out of what was recorded, or was known.
	Left leftOut
	// Interrupted says that the context was cancelled before the end. What is counted is durable; the same import
	// started again goes on.
	Interrupted bool
}

// String says it in a line.
func (r Result) String() string {
	out := fmt.Sprintf("%d recorded, %d known from before", r.Recorded, r.Known)
	if r.Amended > 0 {
		out += fmt.Sprintf(", %d amended by what they lacked", r.Amended)
	}
	if r.Changed > 0 {
		out += fmt.Sprintf(", %d known but changed since (the first in line %d; what was recorded stays)", r.Changed, r.FirstChanged)
	}
	out += fmt.Sprintf(", %d skipped without a score", r.Skipped)
	if r.Dropped > 0 {
		out += fmt.Sprintf(", %d left out as previews, other surveys, totals or lines below the table", r.Dropped)
	}
	return out + fmt.Sprintf(", %d rejected", r.Rejected)
}

// Run records the file's rows with the log, for the tenant that is the context's caller. As it goes on it calls
// progress, which may be nil, with the bytes that are done. When the context is cancelled the batches in flight are
// finished, and the result so far comes back without an error. Where there is an error, the result says how far it
// came.
func (p *Plan) Run(ctx context.Context, log *feedback.Log, progress func(bytes int64)) (Result, error) {
	r := run{Plan: p, send: log.Record, now: log.Now, pause: pause, progress: progress}
	if r.progress == nil {
		r.progress = func(int64) {}
	}
	return r.run(ctx)
}

// pause waits, unless the context is cancelled.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is one run of a plan.
type run struct {
	*Plan

	send     func(context.Context, []feedback.Recording) ([]feedback.Outcome[ent.Response], error)
	now      func() time.Time
	pause    func(context.Context, time.Duration) error
	progress func(bytes int64)

	rows    *rows
	number  int64
	rejects *rejects
	result  Result
}

// batch is a run of rows that are recorded together.
type batch struct {
	rows  []row
	items []feedback.Recording
	// skipped is how many rows besides have no score, dropped how many hold no answer.
	skipped, dropped int
	// read is how far the file was read when the batch was full.
	read int64

	recorded *flight.Work[[]feedback.Outcome[ent.Response]]
}

// row is a row of a batch that was not skipped.
type row struct {
	record

	// item is its index among the batch's items; −1 where fault says why it has none.
	item int
	// byID says that its key is that of the answer's id.
	byID bool
	left leftOut
}

func (r *run) run(ctx context.Context) (result Result, err error) {
	if r.rows, err = r.openRows(); err != nil {
		return r.result, fmt.Errorf("%s: %w", r.opts.Path, err)
	}
	defer r.rows.Close()
	info, err := r.rows.file.Stat()
	if err != nil {
		return r.result, fmt.Errorf("%s: %w", r.opts.Path, reasonOf(err))
	}
	if info.Size() != r.size || !info.ModTime().Equal(r.modified) {
		return r.result, fmt.Errorf("%s: the file was changed after it was looked at", r.opts.Path)
	}
	if err := r.checkRejects(); err != nil {
		return r.result, err
	}
	headers, err := r.headers()
	if err != nil {
		return r.result, fmt.Errorf("%s: %w", r.opts.Path, err)
	}
	r.rejects = &rejects{path: r.opts.Rejects, comma: rune(r.comma), headers: headers, own: r.own}
	if err := r.rejects.removeOld(); err != nil {
		return r.result, err
	}
	err = r.recordAll(ctx)
	if closing := r.rejects.close(); err == nil {
		err = closing
	}
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		r.result.Interrupted, err = true, nil
	case err != nil:
		err = fmt.Errorf("importing %s: %w", r.opts.Path, err)
	}
	return r.result, err
}

// recordAll reads and records batch after batch, and settles them in the order of the file. When it returns nothing is
// in flight.
func (r *run) recordAll(ctx context.Context) (err error) {
	var flying []*batch
	settle := func() {
		b := flying[0]
		flying = flying[1:]
		if settled := r.settle(b); err == nil {
			err = settled
		}
	}
	for err == nil {
		if err = ctx.Err(); err != nil {
			break
		}
		var b *batch
		if b, err = r.gather(); b == nil || err != nil {
			break
		}
		b.recorded.Begin(func() ([]feedback.Outcome[ent.Response], error) { return r.record(ctx, b) })
		flying = append(flying, b)
		if len(flying) == maxInFlight {
			settle()
		}
	}
	for len(flying) > 0 {
		settle()
	}
	return err
}

// gather reads the next batch; nil where there are no more rows.
func (r *run) gather() (*batch, error) {
	b := &batch{recorded: flight.New[[]feedback.Outcome[ent.Response]]()}
	rows, bytes := 0, 0
	for rows < feedback.MaxBatch && bytes < maxBatchBytes {
		rec, err := r.rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		r.number++
		rows++
		for _, f := range rec.fields {
			bytes += len(f) + 16 // and what it takes to hold one
		}
		item, left := r.recording(&rec, r.now())
		switch {
		case item != nil:
			key, byID := r.key(r.number, rec.fields)
			item.IdempotencyKey = &key
			b.rows = append(b.rows, row{rec, len(b.items), byID, left})
			b.items = append(b.items, *item)
		case rec.why == unanswered:
			b.skipped++
		case rec.why.dropped():
			b.dropped++
		default:
			b.rows = append(b.rows, row{record: rec, item: -1})
		}
	}
	if rows == 0 {
		return nil, nil
	}
	b.read = r.rows.read
	return b, nil
}

// record records a batch. What is refused since its address belongs to somebody else is recorded without the address; so
// is what was recorded so before, whoever has the address by now.
func (r *run) record(ctx context.Context, b *batch) ([]feedback.Outcome[ent.Response], error) {
	out, err := r.sendAll(ctx, b.items)
	if err != nil {
		return nil, err
	}
	var again []feedback.Recording
	var of []int
	for i, w := range b.rows {
		if w.item < 0 || !withoutAddress(&b.items[w.item], out[w.item].Errors) {
			continue
		}
		item := b.items[w.item]
		who := *item.Contact
		who.Email, item.Contact = nil, &who
		again, of = append(again, item), append(of, i)
	}
	more, err := r.sendAll(ctx, again)
	if err != nil {
		return nil, err
	}
	for j, i := range of {
		w := &b.rows[i]
		if more[j].Errors == nil {
			w.left.Taken++
			out[w.item] = more[j]
		}
	}
	return out, nil
}

// withoutAddress reports whether a recording that was refused may be one without its address.
func withoutAddress(item *feedback.Recording, errs apierror.UserErrors) bool {
	if len(errs) != 1 || item.Contact == nil || item.Contact.Email == nil || item.Contact.ExternalID == nil {
		return false
	}
	return errs[0].Code == apierror.Taken || errs[0].Code == apierror.Conflict
}

// sendAll sends items until it is known what became of it. It is sent to its end even when ctx is cancelled, but then
// not sent again.
func (r *run) sendAll(ctx context.Context, items []feedback.Recording) ([]feedback.Outcome[ent.Response], error) {
	if len(items) == 0 {
		return nil, nil
	}
	wait := firstPause
	for try := 1; ; {
		out, err := r.send(context.WithoutCancel(ctx), items)
		if err == nil {
			return out, nil
		}
		known, ok := errors.AsType[*apierror.Error](err)
		d := wait
		switch {
		case ok && known.Code == apierror.Overloaded && known.RetryAfter > 0:
			d = known.RetryAfter
		case ok || try == maxTries:
			return nil, err
		default:
			try++
			wait *= 2
		}
		if err := r.pause(ctx, d); err != nil {
			return nil, err
		}
	}
}

// settle counts what became of a batch, and writes down what was rejected.
func (r *run) settle(b *batch) error {
	// It has an end of its own, and must be known to have come to it.
	outcomes, err := b.recorded.Wait(context.Background())
	if err != nil {
		return err
	}
	for _, w := range b.rows {
		if w.item >= 0 {
			out := outcomes[w.item]
			if out.Errors == nil {
				r.result.Left.add(w.left)
			}
			switch {
			case out.Errors == nil && out.Amended:
				r.result.Amended++
				continue
			case out.Errors == nil && out.Replayed:
				r.result.Known++
				continue
			case out.Errors == nil:
				r.result.Recorded++
				continue
			case w.byID && len(out.Errors) == 1 && out.Errors[0].Code == apierror.Conflict:
				if r.result.Changed++; r.result.Changed == 1 {
					r.result.FirstChanged = w.line
				}
				continue
			}
			var err error
			if w.fault, err = reason(out.Errors); err != nil {
				return err
			}
		}
		if err := r.rejects.add(w.record); err != nil {
			return err
		}
		r.result.Rejected++
		r.result.RejectsPath = r.rejects.path
	}
	r.result.Skipped += b.skipped
	r.result.Dropped += b.dropped
	if err := r.rejects.flush(); err != nil {
		return err
	}
	r.progress(b.read)
	return nil
}

// reason says why the log refused a row. What would be wrong with every row is an error of the import.
func reason(errs apierror.UserErrors) (string, error) {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = strings.Join(e.Field, ".") + ": " + e.Message
		switch {
		case len(e.Field) == 0:
			texts[i] = e.Message
		case e.Field[0] == "campaign":
			return "", errors.New(e.Message)
		case e.Field[0] == "idempotencyKey":
			texts[i] = "imported before, with other settings, or deleted since: " + e.Message
		}
	}
	return strings.Join(texts, "; "), nil
}

// key names a row. Where the answer has an id of its own, by that, and the program that gave it: so it is known again
// however its file is sorted, and whatever columns it has. A short number under a name that speaks for other things too may be
// that of the row, which another file has as well; it counts together with the date as it is written. Without an id a row
// is named by its content and by its number, since equal rows may be different answers. How the file is encoded and quoted
// does not matter, nor what follows the row.
func (p *Plan) key(number int64, fields []string) (key string, byID bool) {
	h := sha256.New()
	var n [8]byte
	add := func(text string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	add(p.Campaign)
	if i := p.columns.of[answerID]; i >= 0 {
		if id := idOf(fields[i]); id != "" && !isScientific(id) {
			add("id")
			if p.columns.from != nil {
				add(p.columns.from.name)
			}
			add(id)
			if p.columns.ids[0].isShort() {
				when := p.opts.On
				if d := p.columns.of[date]; d >= 0 && given(fields[d]) != "" {
					when = given(fields[d])
				}
				add(when)
			}
			return "import " + hex.EncodeToString(h.Sum(nil)[:16]), true
		}
	}
	if p.own && len(fields) > 2 {
		fields = fields[2:]
	}
	binary.BigEndian.PutUint64(n[:], uint64(number))
	h.Write(n[:])
	for _, f := range fields {
		add(f)
	}
	return "import " + hex.EncodeToString(h.Sum(nil)[:16]), false
}

// rejectsStart are the first columns of every file of rejects, by which one is known.
var rejectsStart = []string{"line", "rejected_because"}

// isRejects reports whether a header is that of a file of rejects.
func isRejects(header []string) bool {
	return len(header) > 2 && header[0] == rejectsStart[0] && header[1] == rejectsStart[1]
}

// headers are the records of the file's header.
func (p *Plan) headers() (all [][]string, err error) {
	s, err := p.open()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for range 1 + p.more {
		rec, err := s.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if p.own {
			// What was rejected twice says so once.
			rec.fields = rec.fields[min(2, len(rec.fields)):]
			for i, f := range rec.fields {
				rec.fields[i] = unguard(f)
			}
		}
		all = append(all, rec.fields)
	}
	return all, nil
}

// checkRejects refuses to write the rejects over something else.
func (p *Plan) checkRejects() error {
	path := p.opts.Rejects
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the file of rejects: %w", err)
	}
	other := badOption("%s exists and holds no rejects; name another file for them with --rejects", path)
	if !info.Mode().IsRegular() {
		return other
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the file of rejects: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReaderSize(f, 1<<10).ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("the file of rejects: %w", err)
	}
	// An empty file may have been made for the purpose.
	first, rest, _ := strings.Cut(string(line), rejectsStart[0])
	if len(line) > 0 && (first != "" || len(rest) < 2 || !strings.HasPrefix(rest[1:], rejectsStart[1])) {
		return other
	}
	if of, err := os.Stat(p.opts.Path); err == nil && os.SameFile(of, info) {
		return badOption("%s is the file that is imported; name another one for the rejects with --rejects", path)
	}
	return nil
}

// rejects is the file of rejects. It is made with the first of them, and complete after every batch. The next run
// writes it anew: what was rejected is rejected again, unless it was mended.
type rejects struct {
	path  string
	comma rune
	// headers are the records of the header, and own says that the rows begin with what an earlier run has said of them.
	headers [][]string
	own     bool

	file *os.File
	csv  *csv.Writer
}

// removeOld removes what an earlier run has rejected.
func (r *rejects) removeOld() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old rejects: %w", err)
	}
	return nil
}

func (r *rejects) add(rec record) error {
	if r.file == nil {
		f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // Rows hold what people said.
		if err != nil {
			return fmt.Errorf("making the file of rejects: %w (--rejects names another place)", err)
		}
		r.file, r.csv = f, csv.NewWriter(f)
		r.csv.Comma = r.comma
		start := rejectsStart
		for _, header := range r.headers {
			if err := r.write(start, header); err != nil {
				return err
			}
			start = []string{"", ""}
		}
	}
	fields := rec.fields
	if r.own && len(fields) > 2 {
		fields = fields[2:]
	}
	return r.write([]string{strconv.Itoa(rec.line), rec.fault}, fields)
}

// write writes fields that are harmless in a spreadsheet.
func (r *rejects) write(start, fields []string) error {
	out := slices.Concat(start, fields)
	for i, f := range out {
		out[i] = guard(f)
	}
	if err := r.csv.Write(out); err != nil {
		return fmt.Errorf("writing rejects: %w", err)
	}
	return nil
}

func (r *rejects) flush() error {
	if r.file == nil {
		return nil
	}
	r.csv.Flush()
	if err := r.csv.Error(); err != nil {
		return fmt.Errorf("writing rejects: %w", err)
	}
	return nil
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.flush(), r.file.Close()); err != nil {
		return fmt.Errorf("writing rejects: %w", err)
	}
	return nil
}
