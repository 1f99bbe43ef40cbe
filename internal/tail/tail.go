// Package tail says what comes into the tenants' logs, while it comes.
//
// A Reader is told of its tenant's log every entry once, in order: straight from the flushes of this process where their
// positions follow on, else from the database. That other processes wrote is told by PostgreSQL's NOTIFY, which is a hint
// and no more, and in any case by a poll, which is the floor: it asks in one statement how far all logs that are being
// read have come. Positions, and nothing else, say what has been told, so that none of these ways can lose an entry or
// tell it twice.
//
// It is all in memory. Who goes on elsewhere after the process has ended has package follow.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
)

// ErrClosed is returned to all who listen when the process ends.
var ErrClosed = apierror.New(apierror.Overloaded, "The server is stopping; subscribe again.")

// Channel is where processes tell each other of their flushes: a tenant's id, a space, and the position that its log has
// reached.
const Channel = "zeroten_log"

const (
	// notifyEvery is the least time between two notifications of a process.
	notifyEvery = 10 * time.Millisecond
	// patience is how long a statement may take.
	patience = 10 * time.Second
	// listenAgain is how long to do without notifications where the server refuses them.
	listenAgain = 30 * time.Second
	// logEvery is how often it is logged at most that things fail and are tried again.
	logEvery = time.Minute
)

// Config of a Tail.
type Config struct {
	// Poll is how often the database is asked what has changed, in one statement for all tenants whose logs are read;
	// zero means a second. It bounds how late is told what was not notified of: the changes of settings above all.
	Poll time.Duration
	// Alone neither sends nor hears notifications.
	Alone bool
	// Inbox and InboxBytes are how many entries of flushes wait for one reader at most, in numbers and in bytes as Item
	// counts them; zero means 8,192, and 8 MiB. What finds no room is read from the database.
	Inbox, InboxBytes int
	// Log where nil is slog.Default.
	Log *slog.Logger
}

// Tail tells of all logs that are read in one process.
type Tail struct {
	db  *store.DB
	cfg Config

	ctx     context.Context // until Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.RWMutex
	closed bool
	// readers are those of each tenant; a list is never changed.
	readers map[uuid.UUID][]*Reader

	// marks puts the questions together how far a tenant has come.
	marks *store.Gather[uuid.UUID, store.Mark]

	// flushedTo is what other processes are still to be told, and flushed says that there is something.
	flushedTo map[uuid.UUID]int64
	flushedMu sync.Mutex
	flushed   chan struct{}
	pollNow   chan struct{}

	lastPoll atomic.Int64
	// retries is how often something failed and is tried again, and retryLogged when that was logged last.
	retries, retryLogged atomic.Int64
}

// New makes a Tail and starts what it does in the background. Close stops it.
func New(db *store.DB, cfg Config) *Tail {
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Inbox <= 0 {
		cfg.Inbox = 8192
	}
	if cfg.InboxBytes <= 0 {
		cfg.InboxBytes = 8 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	t := &Tail{
		db: db, cfg: cfg,
		readers:   map[uuid.UUID][]*Reader{},
		flushedTo: map[uuid.UUID]int64{},
		flushed:   make(chan struct{}, 1),
		pollNow:   make(chan struct{}, 1),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.marks = store.NewGather(t.readMarks)
	t.steadily("tail: asking what is new", t.pollAll)
	if !cfg.Alone && db.Dialect == store.Postgres {
		t.steadily("tail: notifying", t.notifyAll)
		t.steadily("tail: listening", t.listen)
	}
	return t
}

// steadily has something go on in the background until Close, also beyond a panic.
func (t *Tail) steadily(doing string, f func()) {
	t.running.Add(1)
	caught := flight.Logged(t.cfg.Log, doing)
	flight.Go(func() {
		defer t.running.Done()
		flight.Steadily(t.ctx, f, caught)
	}, caught)
}

// Close stops all readers, and returns when nothing runs any more.
func (t *Tail) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.running.Wait()
}

// enter notes that something runs that Close has to wait for, unless the tail is closed; the caller calls running.Done.
func (t *Tail) enter() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return false
	}
	t.running.Add(1)
	return true
}

// Flushed takes what this process has just written to a tenant's log: a run of entries without a gap, after those of the
// calls before. It is for feedback.Config, and does not block.
func (t *Tail) Flushed(tenant uuid.UUID, entries []*feedback.Entry) {
	if len(entries) == 0 {
		return
	}
	for _, r := range t.of(tenant) {
		r.push(entries)
	}
	if t.db.Dialect == store.Postgres {
		t.flushedMu.Lock()
		t.flushedTo[tenant] = entries[len(entries)-1].Position
		t.flushedMu.Unlock()
		poke(t.flushed)
	}
}

// of are the readers of a tenant's log.
func (t *Tail) of(tenant uuid.UUID) []*Reader {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.readers[tenant]
}

// Mark is how far a tenant has come, asked in one statement for all who ask at about the same time. The error is ErrClosed
// after Close.
func (t *Tail) Mark(ctx context.Context, tenant uuid.UUID) (store.Mark, error) {
	return t.marks.Get(ctx, tenant)
}

// readMarks asks how far the tenants have come, and tells their readers.
func (t *Tail) readMarks(ctx context.Context, tenants []uuid.UUID) (map[uuid.UUID]store.Mark, error) {
	if !t.enter() {
		return nil, ErrClosed
	}
	defer t.running.Done()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer flight.When(t.ctx, cancel, flight.Logged(t.cfg.Log, "tail: ending"))()
	marks, err := t.db.Marks(ctx, tenants)
	if err != nil {
		return nil, err
	}
	for tenant, m := range marks {
		for _, r := range t.of(tenant) {
			r.look(m)
		}
	}
	return marks, nil
}

// pollAll asks again and again how far the tenants with readers have come.
func (t *Tail) pollAll() {
	ticks := time.NewTicker(t.cfg.Poll)
	defer ticks.Stop()
	failed := false
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-ticks.C:
		case <-t.pollNow:
		}
		t.mu.RLock()
		tenants := slices.Collect(maps.Keys(t.readers))
		t.mu.RUnlock()
		if len(tenants) == 0 {
			continue
		}
		_, err := t.readMarks(t.ctx, tenants)
		switch {
		case t.ctx.Err() != nil:
			return
		case err != nil && !failed:
			t.cfg.Log.Warn("tail: the database does not say what is new", "error", err)
		case err == nil && failed:
			t.cfg.Log.Info("tail: the database says again what is new")
		}
		if failed = err != nil; !failed {
			t.lastPoll.Store(time.Now().UnixNano())
		}
	}
}

// notifyAll tells other processes of flushes: of all that there were since the last time together. What cannot be told
// is not told again, since the others poll.
func (t *Tail) notifyAll() {
	for wait := notifyEvery; pause(t.ctx, wait); {
		select {
		case <-t.ctx.Done():
			return
		case <-t.flushed:
		}
		t.flushedMu.Lock()
		payloads := make([]string, 0, len(t.flushedTo))
		for tenant, position := range t.flushedTo {
			payloads = append(payloads, tenant.String()+" "+strconv.FormatInt(position, 10))
		}
		clear(t.flushedTo)
		t.flushedMu.Unlock()
		ctx, cancel := context.WithTimeout(t.ctx, patience)
		wait = notifyEvery
		if t.db.Notify(ctx, Channel, payloads) != nil {
			wait = t.cfg.Poll
		}
		cancel()
	}
}

// listen hears what other processes tell. Whenever it may have missed something the database is asked at once.
func (t *Tail) listen() {
	for {
		err := t.db.Listen(t.ctx, Channel, t.heard, func() { poke(t.pollNow) })
		if t.ctx.Err() != nil {
			return
		}
		t.cfg.Log.Warn("tail: no notifications, polling alone", "error", err)
		if !pause(t.ctx, listenAgain) {
			return
		}
	}
}

// heard takes a notification.
func (t *Tail) heard(payload string) {
	tenantText, positionText, _ := strings.Cut(payload, " ")
	tenant, err := uuid.Parse(tenantText)
	if err != nil {
		return
	}
	position, err := strconv.ParseInt(positionText, 10, 64)
	if err != nil {
		return
	}
	t.Hint(tenant, position)
}

// Hint takes a position that a tenant's log is said to have reached, which may or may not be so: anybody may send to
// the channel. It makes readers look, and no more.
func (t *Tail) Hint(tenant uuid.UUID, position int64) {
	for _, r := range t.of(tenant) {
		r.hint(position)
	}
}

// Stats says how the tail is doing.
type Stats struct {
	// Tenants are those whose logs are read.
	Tenants int
	// Lag is how many entries the reader is behind its log that is the furthest behind.
	Lag int64
	// LastPoll is when the database last answered the poll how far the logs are. Without readers it is not asked: the
	// time counts from when the first of them came, where that is later. Zero before there was any.
	LastPoll time.Time
	// Retries is how often something failed that was tried again.
	Retries int64
}

// Stats says how the tail is doing.
func (t *Tail) Stats() Stats {
	s := Stats{Retries: t.retries.Load()}
	t.mu.RLock()
	readers := slices.Concat(slices.Collect(maps.Values(t.readers))...)
	s.Tenants = len(t.readers)
	t.mu.RUnlock()
	// After the readers: the first of them has set it.
	if at := t.lastPoll.Load(); at != 0 {
		s.LastPoll = time.Unix(0, at)
	}
	for _, r := range readers { // without the tail's lock: nobody takes one of the two while holding the other
		s.Lag = max(s.Lag, r.lag())
	}
	return s
}

// ErrLost says that a log is shorter than it was: for the moment, or until it has grown again.
var ErrLost = errors.New("the log does not go on")

// mostLost is how often in a row a log may not go on. Then an entry is missing, which no waiting brings back.
const mostLost = 10

// Losses is how often in a row a log did not go on.
type Losses int

// Take gives the error back, one that does not pass where it was ErrLost too often.
func (l *Losses) Take(err error) error {
	if !errors.Is(err, ErrLost) {
		*l = 0
		return err
	}
	if *l++; *l <= mostLost {
		return err
	}
	return fmt.Errorf("an entry is missing: %v", err) //nolint:errorlint // it is ErrLost no more
}

// Faulty takes what failed for those who listen. What may pass is counted, logged now and then, and to be tried again:
// then there is no fault. All else is one for those who wait for it.
func (t *Tail) Faulty(doing string, err error) (fault error) {
	if !errors.Is(err, ErrLost) && !store.MayPass(err) {
		return flight.Shared(err)
	}
	t.retry(slog.LevelWarn, doing, err)
	return nil
}

// retry counts what is tried again, and logs it now and then.
func (t *Tail) retry(level slog.Level, doing string, err error) {
	t.retries.Add(1)
	last, now := t.retryLogged.Load(), time.Now()
	if (last == 0 || now.Sub(time.Unix(0, last)) >= logEvery) && t.retryLogged.CompareAndSwap(last, now.UnixNano()) {
		t.cfg.Log.Log(t.ctx, level, doing, "error", err.Error(), "retries", t.retries.Load())
	}
}

// Backoff is how long to wait after so many failures in a row.
func Backoff(failures int) time.Duration {
	return min(20*time.Millisecond<<min(failures, 10), 500*time.Millisecond)
}

// poke makes the receiver look, now or when it next comes to that.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits, and reports whether the context still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
