package click

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// maxHeld is how many places are held in memory at most, of some 500 bytes each. What comes while so many wait is dropped.
	maxHeld = 20_000
	// maxBatch is how many are written in one transaction: few, since in SQLite whoever answers waits for it.
	maxBatch = 100
	// every is how long something waits for more to be written with it.
	every = 250 * time.Millisecond
	// patience is how long writing may take.
	patience = 10 * time.Second
)

// Who is who opens a link, where that says their name.
type Who struct {
	// EmailKey and ExternalID are what a contact is found by; at most one is given.
	EmailKey, ExternalID string
	// Since is from when on an answer of theirs is one by the same link: then no row is kept.
	Since time.Time
}

// ErrFull says that too much waits to be written, or to be judged.
var ErrFull = errors.New("too many opened links wait to be written or judged")

// Clicks puts together what happens to links, and writes it. It may be used from many goroutines at once.
type Clicks struct {
	db  *store.DB
	log *slog.Logger

	mu sync.Mutex
	// held are what waits to be written, and writing how many are being written.
	held    map[Place]*item
	writing int
	most    int
	dropped atomic.Int64

	// flushing is held by who writes.
	flushing sync.Mutex
	wake     chan struct{}
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// item is what happened at a place and is not written yet.
type item struct {
	place Place
	who   Who
	row   Row
	// waiting are looks whose senders wait for them to be written. What they are to be recorded as names people, so it is written while
	// they wait, and never later: who was erased meanwhile does not come back.
	waiting []*waiting
	// answered are the responses that were given, by the page; a reader with a name has the empty page.
	answered map[string]uuid.UUID
	judged   []judgement
}

type waiting struct {
	Look

	ctx  context.Context //nolint:containedctx // that of who waits
	done chan error
}

// Look is that somebody has looked at a page.
type Look struct {
	// Page names the page where its reader has no name, and is empty else.
	Page string
	// Contact is who had the reader's name then; the zero UUID where nobody had.
	Contact uuid.UUID
	// Answer is what is to be recorded if that was an answer.
	Answer json.RawMessage
	At     time.Time
}

// judgement is that the look of a page was judged, and whether there is an answer now.
type judgement struct {
	page string
	at   int64
	is   bool
}

// New makes Clicks, to be closed in the end.
func New(db *store.DB, log *slog.Logger) *Clicks {
	c := &Clicks{db: db, log: log, held: map[Place]*item{}, most: maxHeld, wake: make(chan struct{}, 1)}
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	caught := flight.Logged(log, "writing which links were opened")
	c.done.Add(1)
	flight.Go(func() {
		defer c.done.Done()
		flight.Steadily(ctx, func() { c.run(ctx) }, caught)
	}, caught)
	return c
}

// Opened notes that a link was opened.
func (c *Clicks) Opened(p Place, who Who, o Open, at time.Time) { c.add(p, who, opened(o, at)) }

// Sent notes that a form was sent without any sign of a person.
func (c *Clicks) Sent(p Place, who Who, at time.Time) { c.add(p, who, sent(at)) }

func (c *Clicks) add(p Place, who Who, r Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.item(p, false); i != nil {
		i.row = i.row.and(r)
		i.know(who)
		return
	}
	c.dropped.Add(1)
}

// know takes who it is; the last says since when an answer counts.
func (i *item) know(who Who) {
	if who.Since.After(i.who.Since) {
		i.who = who
	}
}

// item is that of a place; nil where there is no room for another, unless it must be had. It is called under the lock.
func (c *Clicks) item(p Place, must bool) *item {
	i := c.held[p]
	if i == nil && (must || len(c.held)+c.writing < c.most) {
		i = &item{place: p}
		c.held[p] = i
		c.awake()
	}
	return i
}

func (c *Clicks) awake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Looked notes that somebody has looked at a page, so that it is judged later whether that was an answer, and returns once that is written.
// Of somebody who was erased meanwhile nothing is. It is ErrFull where too many wait to be written, or to be judged under the same place.
func (c *Clicks) Looked(ctx context.Context, p Place, who Who, l Look) error {
	w := &waiting{l, ctx, make(chan error, 1)}
	c.mu.Lock()
	i := c.item(p, false)
	if i == nil {
		c.mu.Unlock()
		c.dropped.Add(1)
		return ErrFull
	}
	i.waiting = append(i.waiting, w)
	i.know(who)
	c.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Answered notes that there is a response now, so that there is no provisional answer any more. page is as for Looked.
func (c *Clicks) Answered(p Place, page string, response uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.item(p, true) // there are no more of them than responses
	if i.answered == nil {
		i.answered = map[string]uuid.UUID{}
	}
	i.answered[page] = response
}

// judge notes what became of a look.
func (c *Clicks) judge(p Place, j judgement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.item(p, true) // there are no more of them than rows
	i.judged = append(i.judged, j)
}

// Held is how many places wait to be written.
func (c *Clicks) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) + c.writing
}

// Dropped is how many clicks were dropped since the start, because too many waited to be written or since the database refused them.
func (c *Clicks) Dropped() int64 { return c.dropped.Load() }

// Close writes what is held. What cannot be written is lost.
func (c *Clicks) Close() error {
	c.stop()
	c.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Flush(ctx)
}

// run writes what there is until the context ends.
func (c *Clicks) run(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		tick.Reset(every)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, patience)
		err := c.Flush(within)
		cancel()
		if err != nil && ctx.Err() == nil && !store.MayPass(err) {
			c.log.ErrorContext(ctx, "writing which links were opened", "error", err)
		}
		if c.Held() > 0 {
			c.awake()
		}
	}
}

// Flush writes what is held now. Where it fails what was not written is held on.
func (c *Clicks) Flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	for rest := c.Held(); rest > 0; rest -= maxBatch {
		batch := c.take()
		left, err := c.write(ctx, batch)
		c.putBack(left)
		if err != nil {
			return err
		}
	}
	return nil
}

// take takes what is written next, in the order of the places, so that two processes do not wait for each other.
func (c *Clicks) take() []*item {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := make([]*item, 0, min(len(c.held), maxBatch))
	for place, i := range c.held {
		if len(batch) == maxBatch {
			break
		}
		batch = append(batch, i)
		delete(c.held, place)
	}
	c.writing = len(batch)
	slices.SortFunc(batch, func(a, b *item) int { return a.place.compare(b.place) })
	return batch
}

func (p Place) compare(q Place) int {
	return cmp.Or(bytes.Compare(p.Tenant[:], q.Tenant[:]), bytes.Compare(p.Campaign[:], q.Campaign[:]), bytes.Compare(p.Recipient[:], q.Recipient[:]))
}

// putBack holds on to what was not written, together with what has come meanwhile.
func (c *Clicks) putBack(left []*item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = 0
	for _, i := range left {
		i.waiting = slices.DeleteFunc(i.waiting, func(w *waiting) bool { return w.ctx.Err() != nil })
		newer := c.held[i.place]
		if newer == nil {
			if i.row.empty() && len(i.waiting)+len(i.answered)+len(i.judged) == 0 {
				continue
			}
			c.held[i.place] = i
			continue
		}
		newer.row = i.row.and(newer.row)
		newer.waiting = append(i.waiting, newer.waiting...)
		newer.judged = append(i.judged, newer.judged...)
		if i.answered != nil {
			maps.Copy(i.answered, newer.answered)
			newer.answered = i.answered
		}
		newer.know(i.who)
	}
	if len(c.held) > 0 {
		c.awake()
	}
}

// write writes a batch, and gives what of it is not written. What the database refuses is found, and dropped alone.
func (c *Clicks) write(ctx context.Context, batch []*item) (left []*item, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	left, err = c.writeTx(ctx, batch)
	switch {
	case err == nil:
		return left, nil
	case store.MayPass(err) || ctx.Err() != nil:
		return batch, err
	case len(batch) == 1:
		c.dropped.Add(1)
		c.log.ErrorContext(ctx, "an opened link is not kept", "campaign", batch[0].place.Campaign, "error", err)
		for _, w := range batch[0].waiting {
			w.done <- err
		}
		return nil, nil
	}
	half := len(batch) / 2
	left, err = c.write(ctx, batch[:half])
	if err != nil {
		return append(left, batch[half:]...), err
	}
	more, err := c.write(ctx, batch[half:])
	return append(left, more...), err
}

// always is later than any look.
const always = math.MaxInt64
