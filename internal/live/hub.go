// Package live tells those who listen what comes into a tenant's log while it comes: every event once, in order.
//
// Each tenant with listeners has a tailer, which reads the log by package tail and offers each entry to all attached
// subscriptions. A subscription whose queue is full, or that begins in the past, reads the log by itself, and is attached
// when it has reached the tailer's position: positions, and nothing else, say what a subscriber has heard, so that
// neither way can lose an event or tell it twice.
package live

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tail"
)

// ErrClosed is returned to all who listen when the hub is closed.
var ErrClosed = tail.ErrClosed

// patience is how long a statement of the hub may take.
const patience = 10 * time.Second

// Config of a Hub.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log where nil is slog.Default.
	Log *slog.Logger
}

// bounds are what a hub keeps in memory at most, in numbers and in bytes as item counts them.
type bounds struct {
	// queue is how many entries wait for one subscriber. One may be larger than queueBytes.
	queue, queueBytes int
	// portion is how many entries are read from the log at once by those that want only some of them.
	portion int
	// pages is how many portions are kept for others that are behind.
	pages, pagesBytes int
}

// ample are the bounds of a server's hub.
var ample = bounds{
	queue: 128, queueBytes: 256 << 10,
	portion: 512,
	pages:   64, pagesBytes: 16 << 20,
}

// Hub feeds all who listen on one process.
type Hub struct {
	db     *store.DB
	tail   *tail.Tail
	states *settings.States
	cfg    Config
	bounds bounds

	ctx     context.Context // until Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	tailers map[uuid.UUID]*tailer

	// pages are portions of logs that are being read or were just read.
	pages      *lru.Cache[pageKey, *page]
	pagesBytes int        // of those that were read
	pagesMu    sync.Mutex // over pages and pagesBytes
	// readers bounds how many such readings there are at once.
	readers chan struct{}

	subscribers, watches, behind atomic.Int64
}

// NewHub makes a hub that reads by the tail, which is closed after it. Close stops it.
func NewHub(db *store.DB, states *settings.States, from *tail.Tail, cfg Config) *Hub {
	return newHub(db, states, from, cfg, ample)
}

func newHub(db *store.DB, states *settings.States, from *tail.Tail, cfg Config, b bounds) *Hub {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := &Hub{
		db: db, tail: from, states: states, cfg: cfg, bounds: b,
		tailers: map[uuid.UUID]*tailer{},
		readers: make(chan struct{}, 4),
	}
	var err error
	h.pages, err = lru.NewWithEvict(b.pages, func(_ pageKey, p *page) { h.pagesBytes -= p.bytes })
	if err != nil {
		panic(err) // only for a size below 1
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close ends all subscriptions and watches with ErrClosed, and returns when nothing runs any more.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	for _, t := range h.tailers {
		t.reader.Stop()
	}
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
		var err error
		if t, err = newTailer(h, tenant); err != nil {
			return nil, err
		}
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
		t.reader.Stop()
	}
}

// Stats says how the hub is doing.
type Stats struct {
	// Subscribers are the open subscriptions, of which Behind are reading the log by themselves.
	Subscribers, Behind int
	Watches             int
	// Tailers are the tenants with listeners.
	Tailers int
}

// Stats says how the hub is doing.
func (h *Hub) Stats() Stats {
	s := Stats{Subscribers: int(h.subscribers.Load()), Behind: int(h.behind.Load()), Watches: int(h.watches.Load())}
	h.mu.RLock()
	defer h.mu.RUnlock()
	s.Tailers = len(h.tailers)
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
