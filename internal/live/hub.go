// Package live tells those who listen what comes into a tenant's log while it comes: every event once, in order.
//
// Each tenant with listeners has a tailer. It gets the log's entries straight from the flushes of this process where
// their positions follow on, else from the database, and hands each to all attached subscriptions. That other processes
// wrote is told by PostgreSQL's NOTIFY, and in any case by a poll. A subscription whose queue is full, or that begins
// in the past, reads the log by itself, and is attached when it has reached the tailer's position: positions, and
// nothing else, say what a subscriber has heard, so that none of these ways can lose an event or tell it twice.
package live

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// ErrClosed is returned to all who listen when the hub is closed.
var ErrClosed = apierror.New(apierror.Overloaded, "The server is stopping; subscribe again.")

// channel is where processes tell each other of their flushes.
const channel = "zeroten_log"

const (
	// notifyEvery is the least time between two notifications of a process.
	notifyEvery = 10 * time.Millisecond
	// patience is how long a statement of the hub may take.
	patience = 10 * time.Second
	// listenAgain is how long to do without notifications where the server refuses them.
	listenAgain = 30 * time.Second
)

// Config of a Hub.
type Config struct {
	// Poll is how often the database is asked what has changed, in one statement for all tenants with listeners; zero
	// means a second. It bounds how late an event comes whose notification was lost, and how long a change of settings
	// takes to end the subscriptions that it leaves without a meaning.
	Poll time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log where nil is slog.Default.
	Log *slog.Logger
}

// bounds are what a hub keeps in memory at most, in numbers and in bytes as item counts them.
type bounds struct {
	// queue is how many entries wait for one subscriber. One may be larger than queueBytes.
	queue, queueBytes int
	// inbox is how many entries of flushes wait for one tailer.
	inbox, inboxBytes int
	// portion is how many entries are read from the log at once by those that want only some of them.
	portion int
	// pages is how many portions are kept for others that are behind.
	pages, pagesBytes int
}

// ample are the bounds of a server's hub.
var ample = bounds{
	queue: 128, queueBytes: 256 << 10,
	inbox: 8192, inboxBytes: 8 << 20,
	portion: 512,
	pages:   64, pagesBytes: 16 << 20,
}

// Hub feeds all who listen on one process.
type Hub struct {
	db     *store.DB
	states *settings.States
	cfg    Config
	bounds bounds

	ctx     context.Context // until Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	tailers map[uuid.UUID]*tailer

	// marks puts the questions together how far a tenant has come.
	marks *store.Gather[uuid.UUID, store.Mark]
	// pages are portions of logs that are being read or were just read.
	pages      *lru.Cache[pageKey, *page]
	pagesBytes int        // of those that were read
	pagesMu    sync.Mutex // over pages and pagesBytes
	// readers bounds how many such readings there are at once.
	readers chan struct{}

	// flushedTo is what other processes are still to be told, and flushed says that there is something.
	flushedTo map[uuid.UUID]int64
	flushedMu sync.Mutex
	flushed   chan struct{}
	pollNow   chan struct{}

	lastPoll, subscribers, watches, behind atomic.Int64
	// retries is how often something failed and is tried again, and retryLogged when that was logged last.
	retries, retryLogged atomic.Int64
}

// logEvery is how often it is logged at most that things fail and are tried again.
const logEvery = time.Minute

// faulty takes what failed. What may pass is counted, logged now and then, and to be tried again: then there is no fault.
// All else is one for those who wait for it.
func (h *Hub) faulty(doing string, err error) (fault error) {
	if !errors.Is(err, errLost) && !store.MayPass(err) {
		return flight.Shared(err)
	}
	h.retry(slog.LevelWarn, doing, err)
	return nil
}

// retry counts what is tried again, and logs it now and then.
func (h *Hub) retry(level slog.Level, doing string, err error) {
	h.retries.Add(1)
	last, now := h.retryLogged.Load(), time.Now()
	if (last == 0 || now.Sub(time.Unix(0, last)) >= logEvery) && h.retryLogged.CompareAndSwap(last, now.UnixNano()) {
		h.cfg.Log.Log(h.ctx, level, doing, "error", err.Error(), "retries", h.retries.Load())
	}
}

// NewHub makes a hub and starts what it does in the background. Close stops it.
func NewHub(db *store.DB, states *settings.States, cfg Config) *Hub {
	return newHub(db, states, cfg, ample, true)
}

// newHub makes a hub that neither sends nor hears notifications unless it is to.
func newHub(db *store.DB, states *settings.States, cfg Config, b bounds, notify bool) *Hub {
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := &Hub{
		db: db, states: states, cfg: cfg, bounds: b,
		tailers:   map[uuid.UUID]*tailer{},
		flushedTo: map[uuid.UUID]int64{},
		flushed:   make(chan struct{}, 1),
		pollNow:   make(chan struct{}, 1),
		readers:   make(chan struct{}, 4),
	}
	var err error
	h.pages, err = lru.NewWithEvict(b.pages, func(_ pageKey, p *page) { h.pagesBytes -= p.bytes })
	if err != nil {
		panic(err) // only for a size below 1
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.marks = store.NewGather(h.readMarks)
	h.steadily("live: asking what is new", h.pollAll)
	if notify && db.Dialect == store.Postgres {
		h.steadily("live: notifying", h.notifyAll)
		h.steadily("live: listening", h.listen)
	}
	return h
}

// steadily has something go on in the background until Close, also beyond a panic.
func (h *Hub) steadily(doing string, f func()) {
	h.running.Add(1)
	caught := flight.Logged(h.cfg.Log, doing)
	flight.Go(func() {
		defer h.running.Done()
		flight.Steadily(h.ctx, f, caught)
	}, caught)
}

// Close ends all subscriptions and watches with ErrClosed, and returns when nothing runs any more.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.running.Wait()
	h.pagesMu.Lock()
	defer h.pagesMu.Unlock()
	h.pages.Purge()
}

// enter notes that something runs that Close has to wait for, unless the hub is closed; the caller calls running.Done.
func (h *Hub) enter() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return false
	}
	h.running.Add(1)
	return true
}

// Flushed hands on what this process has just written to a tenant's log: a run of entries without a gap, after those
// of the calls before. It is for feedback.Config, and does not block.
func (h *Hub) Flushed(tenant uuid.UUID, entries []*feedback.Entry) {
	if len(entries) == 0 {
		return
	}
	if t := h.tailer(tenant); t != nil {
		t.push(entries)
	}
	if h.db.Dialect == store.Postgres {
		h.flushedMu.Lock()
		h.flushedTo[tenant] = entries[len(entries)-1].Position
		h.flushedMu.Unlock()
		poke(h.flushed)
	}
}

// tailer is that of a tenant with listeners, nil of all others.
func (h *Hub) tailer(tenant uuid.UUID) *tailer {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.tailers[tenant]
}

// acquire is the tailer of the context's tenant, kept until release.
func (h *Hub) acquire(ctx context.Context) (*tailer, error) {
	tenant := auth.Tenant(ctx)
	if tenant == uuid.Nil {
		return nil, apierror.New(apierror.Unauthenticated, "A key of a tenant is needed.")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	t := h.tailers[tenant]
	if t == nil {
		if len(h.tailers) == 0 {
			h.lastPoll.Store(time.Now().UnixNano()) // there was nothing to ask
		}
		t = newTailer(h, tenant)
		h.tailers[tenant] = t
	}
	t.users++
	return t, nil
}

// release stops the tailer that nobody uses any more.
func (h *Hub) release(t *tailer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(h.tailers, t.tenant)
		t.cancel()
	}
}

// readMarks asks how far the tenants have come, and tells their tailers.
func (h *Hub) readMarks(ctx context.Context, tenants []uuid.UUID) (map[uuid.UUID]store.Mark, error) {
	if !h.enter() {
		return nil, ErrClosed
	}
	defer h.running.Done()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer flight.When(h.ctx, cancel, flight.Logged(h.cfg.Log, "live: ending"))()
	marks, err := h.db.Marks(ctx, tenants)
	if err != nil {
		return nil, err
	}
	for tenant, m := range marks {
		if t := h.tailer(tenant); t != nil {
			t.look(m)
		}
	}
	return marks, nil
}

// pollAll asks again and again how far the tenants with listeners have come.
func (h *Hub) pollAll() {
	ticks := time.NewTicker(h.cfg.Poll)
	defer ticks.Stop()
	failed := false
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-ticks.C:
		case <-h.pollNow:
		}
		h.mu.RLock()
		tenants := make([]uuid.UUID, 0, len(h.tailers))
		for tenant := range h.tailers {
			tenants = append(tenants, tenant)
		}
		h.mu.RUnlock()
		if len(tenants) == 0 {
			continue
		}
		_, err := h.readMarks(h.ctx, tenants)
		switch {
		case h.ctx.Err() != nil:
			return
		case err != nil && !failed:
			h.cfg.Log.Warn("live: the database does not say what is new", "error", err)
		case err == nil && failed:
			h.cfg.Log.Info("live: the database says again what is new")
		}
		if failed = err != nil; !failed {
			h.lastPoll.Store(time.Now().UnixNano())
		}
	}
}

// notifyAll tells other processes of flushes: of all that there were since the last time together. What cannot be told
// is not told again, since the others poll.
func (h *Hub) notifyAll() {
	for wait := notifyEvery; pause(h.ctx, wait); {
		select {
		case <-h.ctx.Done():
			return
		case <-h.flushed:
		}
		h.flushedMu.Lock()
		payloads := make([]string, 0, len(h.flushedTo))
		for tenant, position := range h.flushedTo {
			payloads = append(payloads, tenant.String()+" "+strconv.FormatInt(position, 10))
		}
		clear(h.flushedTo)
		h.flushedMu.Unlock()
		ctx, cancel := context.WithTimeout(h.ctx, patience)
		wait = notifyEvery
		if h.db.Notify(ctx, channel, payloads) != nil {
			wait = h.cfg.Poll
		}
		cancel()
	}
}

// listen hears what other processes tell. Whenever it may have missed something the database is asked at once.
func (h *Hub) listen() {
	for {
		err := h.db.Listen(h.ctx, channel, h.heard, func() { poke(h.pollNow) })
		if h.ctx.Err() != nil {
			return
		}
		h.cfg.Log.Warn("live: no notifications, polling alone", "error", err)
		if !pause(h.ctx, listenAgain) {
			return
		}
	}
}

// heard takes a notification: a tenant and a position that its log is said to have reached. It makes the tailer look,
// and no more, since anybody may send to the channel.
func (h *Hub) heard(payload string) {
	tenantText, positionText, _ := strings.Cut(payload, " ")
	tenant, err := uuid.Parse(tenantText)
	if err != nil {
		return
	}
	position, err := strconv.ParseInt(positionText, 10, 64)
	if err != nil {
		return
	}
	if t := h.tailer(tenant); t != nil {
		t.hint(position)
	}
}

// Stats says how the hub is doing.
type Stats struct {
	// Subscribers are the open subscriptions, of which Behind are reading the log by themselves.
	Subscribers, Behind int
	Watches             int
	// Tailers are the tenants with listeners.
	Tailers int
	// Lag is how many events the tailer is behind its log that is the furthest behind.
	Lag int64
	// LastPoll is when the database last answered the poll how far the logs are. Without Tailers it is not asked: the
	// time counts from when the first of them came, where that is later. Zero before there was any.
	LastPoll time.Time
	// Retries is how often something failed that was tried again.
	Retries int64
}

// Stats says how the hub is doing.
func (h *Hub) Stats() Stats {
	s := Stats{Subscribers: int(h.subscribers.Load()), Behind: int(h.behind.Load()), Watches: int(h.watches.Load()), Retries: h.retries.Load()}
	h.mu.RLock()
	tailers := slices.Collect(maps.Values(h.tailers))
	h.mu.RUnlock()
	// After the tailers: the first of them has set it.
	if at := h.lastPoll.Load(); at != 0 {
		s.LastPoll = time.Unix(0, at)
	}
	s.Tailers = len(tailers)
	for _, t := range tailers { // without the hub's lock: nobody takes one of the two while holding the other
		s.Lag = max(s.Lag, t.lag())
	}
	return s
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

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	return min(20*time.Millisecond<<min(failures, 10), 500*time.Millisecond)
}
