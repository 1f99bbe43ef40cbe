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
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/trait"
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

// Result is what became of the rows. Where the import came to its end the four counts add up to all of them.
type Result struct {
	// Recorded are new responses, Known those that an earlier import had recorded.
	Recorded, Known int
	// Skipped are rows without a score.
	Skipped int
	// Rejected are rows that are wrong, written to the file RejectsPath with line number and reason.
	Rejected    int
	RejectsPath string
	// Interrupted says that the context was cancelled before the end. What is counted is durable; the same import
	// started again goes on.
	Interrupted bool
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

	source  *source
	number  int64
	rejects *rejects
	result  Result
}

// batch is a run of rows that are recorded together.
type batch struct {
	rows  []row
	items []feedback.Recording
	// skipped is how many rows besides have no score.
	skipped int
	// read is how far the file was read when the batch was full.
	read int64

	outcomes []feedback.Outcome[ent.Response]
	err      error
	done     chan struct{}
}

// row is a row of a batch that was not skipped.
type row struct {
	record

	// item is its index among the batch's items; −1 where fault says why it has none.
	item int
}

func (r *run) run(ctx context.Context) (result Result, err error) {
	if r.source, err = r.open(); err != nil {
		return r.result, fmt.Errorf("%s: %w", r.opts.Path, err)
	}
	defer r.source.Close()
	info, err := r.source.file.Stat()
	if err != nil {
		return r.result, fmt.Errorf("%s: %w", r.opts.Path, reasonOf(err))
	}
	if info.Size() != r.size || !info.ModTime().Equal(r.modified) {
		return r.result, fmt.Errorf("%s: the file was changed after it was looked at", r.opts.Path)
	}
	if _, err := r.source.next(); err != nil { // the header
		return r.result, fmt.Errorf("%s: %w", r.opts.Path, err)
	}
	if err := r.checkRejects(); err != nil {
		return r.result, err
	}
	r.rejects = &rejects{path: r.opts.Rejects, comma: rune(r.comma), header: r.columns.header}
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
		<-b.done
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
		flight.Go(func() {
			defer close(b.done)
			defer flight.Catch(&b.err)
			b.outcomes, b.err = r.record(ctx, b.items)
		}, flight.Logged(nil, "recording a batch"))
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
	b := &batch{done: make(chan struct{})}
	rows, bytes := 0, 0
	for rows < feedback.MaxBatch && bytes < maxBatchBytes {
		rec, err := r.source.next()
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
		item, fault := r.recording(rec)
		switch {
		case fault != "":
			rec.fault = fault
			b.rows = append(b.rows, row{rec, -1})
		case item == nil:
			b.skipped++
		default:
			b.rows = append(b.rows, row{rec, len(b.items)})
			b.items = append(b.items, *item)
		}
	}
	if rows == 0 {
		return nil, nil
	}
	b.read = r.source.read
	return b, nil
}

// record sends a batch until it is known what became of it. It is sent to its end even when ctx is cancelled, but then
// not sent again.
func (r *run) record(ctx context.Context, items []feedback.Recording) ([]feedback.Outcome[ent.Response], error) {
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
	if b.err != nil {
		return b.err
	}
	for _, w := range b.rows {
		if w.item >= 0 {
			out := b.outcomes[w.item]
			switch {
			case out.Errors == nil && out.Replayed:
				r.result.Known++
				continue
			case out.Errors == nil:
				r.result.Recorded++
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

// recording makes a recording of a record. It is nil where the record has no score; fault says what is wrong with it.
func (r *run) recording(rec record) (item *feedback.Recording, fault string) {
	if rec.fault != "" {
		return nil, rec.fault
	}
	if len(rec.fields) != len(r.columns.header) {
		return nil, fmt.Sprintf("the row has %d fields, the header %d", len(rec.fields), len(r.columns.header))
	}
	for i, f := range rec.fields {
		if strings.IndexByte(f, 0) >= 0 {
			return nil, fmt.Sprintf("the column %.60q contains the character U+0000", r.columns.header[i])
		}
		if !utf8.ValidString(f) {
			return nil, fmt.Sprintf("the column %.60q is not valid UTF-8", r.columns.header[i])
		}
	}
	field := func(of role) string {
		if i := r.columns.of[of]; i >= 0 {
			return given(rec.fields[i])
		}
		return ""
	}
	optional := func(of role) *string {
		if text := field(of); text != "" {
			return &text
		}
		return nil
	}

	scored := field(score)
	if scored == "" {
		return nil, ""
	}
	number, err := parseScore(scored)
	if err != nil {
		return nil, err.Error()
	}
	key := r.key(rec.fields)
	item = &feedback.Recording{
		Campaign: r.Campaign, Score: number, Channel: response.ChannelIMPORT,
		Variant: optional(variant), IdempotencyKey: &key,
	}
	if field(comment) != "" {
		item.Comment = &rec.fields[r.columns.of[comment]]
	}
	if item.RespondedAt, err = r.respondedAt(field(date)); err != nil {
		return nil, err.Error()
	}
	if text := field(locale); text != "" {
		tag, ok := parseLanguage(text)
		if !ok {
			return nil, fmt.Sprintf("%.40q is no language tag, such as fr or pt-BR", text)
		}
		item.Locale = &tag
	}
	who := contact.Input{ExternalID: optional(contactID), Email: optional(email), Name: optional(name)}
	if who.Email != nil && !contact.ValidEmail(*who.Email) {
		return nil, fmt.Sprintf("%.60q is no e-mail address", *who.Email)
	}
	if who.ExternalID != nil || who.Email != nil {
		item.Contact = &who
	}
	if item.Traits, err = r.traitsOf(rec.fields); err != nil {
		return nil, err.Error()
	}
	return item, ""
}

// key names a row of a file: by its content and by its number, since equal rows may be different answers. How the
// file is encoded and quoted does not matter, nor what follows the row.
func (r *run) key(fields []string) string {
	h := sha256.New()
	var n [8]byte
	add := func(text string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	add(r.Campaign)
	binary.BigEndian.PutUint64(n[:], uint64(r.number))
	h.Write(n[:])
	for _, f := range fields {
		add(f)
	}
	return "import " + hex.EncodeToString(h.Sum(nil)[:16])
}

// respondedAt is when a row was answered. Every row gets a time, so that it is the same whenever it is imported.
func (r *run) respondedAt(text string) (*time.Time, error) {
	if text == "" {
		if r.on.IsZero() {
			return nil, errors.New("the row has no date; --on gives one to such rows")
		}
		return &r.on, nil
	}
	t, dayOnly, err := r.dates.parse(text, r.opts.Zone)
	if err != nil {
		return nil, fmt.Errorf("the date %w", err)
	}
	if now := r.now(); dayOnly && t.After(now) && !t.Add(-noon).After(now) {
		return nil, fmt.Errorf("the date %.40q stands for noon of today, which is still to come: import it later", text)
	}
	t = t.UTC()
	return &t, nil
}

// traitsOf are the row's traits, nil where it has none.
func (r *run) traitsOf(fields []string) (trait.Values, error) {
	var found map[string]any
	for _, t := range r.columns.traits {
		text := given(fields[t.index])
		if text == "" {
			continue
		}
		value, err := t.parseTrait(text)
		if err != nil {
			return nil, err
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
	if errs, ok := errors.AsType[apierror.UserErrors](err); ok {
		return nil, errors.New(errs[0].Message)
	}
	return values, err
}

// rejectsStart are the first columns of every file of rejects, by which one is known.
var rejectsStart = []string{"line", "rejected_because"}

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
	other := fmt.Errorf("%s exists and holds no rejects; name another file for them with --rejects", path)
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
		return fmt.Errorf("%s is the file that is imported; name another one for the rejects with --rejects", path)
	}
	return nil
}

// rejects is the file of rejects. It is made with the first of them, and complete after every batch. The next run
// writes it anew: what was rejected is rejected again, unless it was mended.
type rejects struct {
	path   string
	comma  rune
	header []string

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
		if err := r.csv.Write(append(rejectsStart[:2:2], r.header...)); err != nil {
			return fmt.Errorf("writing rejects: %w", err)
		}
	}
	fields := append([]string{strconv.Itoa(rec.line), rec.fault}, rec.fields...)
	if err := r.csv.Write(fields); err != nil {
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
