package feedback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// maxFlush is how many operations one flush carries out, unless a single call brings more.
	maxFlush = 4_000
	// maxQueued is how many may wait in one tenant's queue.
	maxQueued = 20_000
	// maxWriters is how many tenants' states are kept between flushes.
	maxWriters = 256
	// maxErased is how many responses of people who are erased one flush takes.
	maxErased = 1_000
	// flushTimeout ends a flush whose database does not answer.
	flushTimeout = 30 * time.Second
)

// ErrClosed is returned for what is to be written after Close.
var ErrClosed = apierror.New(apierror.Overloaded, "The server is stopping; try again.")

// Log writes the tenants' logs.
type Log struct {
	db   *store.DB
	disk disk
	now  func() time.Time
	// flushed and observe may be nil.
	flushed func(tenant uuid.UUID, entries []*Entry)
	observe func(operations int, took time.Duration)
	// maxQueued bounds each tenant's queue, in operations; maxErased what one flush erases, in responses.
	maxQueued, maxErased int

	mu      sync.Mutex
	closed  bool
	writers map[uuid.UUID]*writer
	running sync.WaitGroup
}

// disk is the part of a flush that differs between the databases.
type disk interface {
	// write carries the plan out, unless the tenant's revision is another by now: then it does nothing and reports
	// false. It returns the position before the plan's first event.
	write(ctx context.Context, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error)
	// writeTx is write within a transaction.
	writeTx(ctx context.Context, tx *store.Tx, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error)
	close() error
}

// writer puts one tenant's writes together.
type writer struct {
	tenant uuid.UUID
	// queue and queued (operations in it) are under Log.mu.
	queue  []*request
	queued int
	// active says that a goroutine is flushing the queue. What follows belongs to that goroutine.
	active bool
	state  *settings.State
}

// request is one caller's operations. They go into one flush.
type request struct {
	ops  []*operation
	done chan error
}

// Config of a Log.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Flushed, where not nil, is called with what a flush added to a tenant's log, once that is durable and before the
	// writers are told: for each tenant by one goroutine at a time, in the order of the log. What other processes write,
	// and a flush whose answer from the database was lost, it does not hear of. It must neither block nor change the
	// entries.
	Flushed func(tenant uuid.UUID, entries []*Entry)
	// Observe, where not nil, is told of every flush, whatever came of it: how many operations it had, and how long it
	// took. It must not block.
	Observe func(operations int, took time.Duration)
}

// NewLog makes a Log over a migrated database.
func NewLog(db *store.DB, cfg Config) (*Log, error) {
	l := &Log{
		db: db, now: cfg.Now, flushed: cfg.Flushed, observe: cfg.Observe,
		maxQueued: maxQueued, maxErased: maxErased, writers: map[uuid.UUID]*writer{},
	}
	if l.now == nil {
		l.now = time.Now
	}
	if db.Dialect == store.Postgres {
		l.disk = newPostgres(db)
	} else {
		l.disk = &sqlite{db: db}
	}
	return l, nil
}

// Close waits until all that was accepted is written, and accepts nothing more.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.running.Wait()
	return l.disk.close()
}

// Now is the log's clock, cut to what is stored.
func (l *Log) Now() time.Time { return l.now().UTC().Truncate(time.Microsecond) }

// Queued is how much waits to be written: operations that no flush has taken up yet, and tenants that are being written
// for.
func (l *Log) Queued() (operations, writers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writers {
		operations += w.queued
		if w.active {
			writers++
		}
	}
	return operations, writers
}

// Outcome is what became of one item: what it made or changed, or why it was refused.
type Outcome[T any] struct {
	Value *T
	// Errors' fields are relative to the item.
	Errors apierror.UserErrors
	// Replayed says that an idempotency key found the value; nothing was recorded.
	Replayed bool
	// Amended says that the idempotency key found a response which lacked a comment, or traits, and got them now.
	Amended bool
}

// Record records responses of the caller's tenant. It returns once they are durable, with an outcome for each; the
// error is for what could not be tried, or of which it is not known whether it took effect. It is the one thing that a
// caller who is narrowed to campaigns may have the log do, in these campaigns: for the others it is an apierror with
// the code FORBIDDEN.
func (l *Log) Record(ctx context.Context, items []Recording) ([]Outcome[ent.Response], error) {
	now := l.Now()
	return submit(ctx, l, len(items), func(i int) (*operation, apierror.UserErrors) {
		campaign, errs := items[i].Validate(now)
		return &operation{record: &items[i], campaign: campaign}, errs
	}, func(op *operation) *ent.Response { return op.response })
}

// Amend changes a response.
func (l *Log) Amend(ctx context.Context, in Amendment) (Outcome[ent.Response], error) {
	out, err := submit(ctx, l, 1, func(int) (*operation, apierror.UserErrors) {
		target, errs := in.Validate()
		return &operation{amend: &in, target: target}, errs
	}, func(op *operation) *ent.Response { return op.response })
	return first(out), err
}

// Named gives the response that an idempotency key of the caller's tenant names, whether it is still there or not; ok is false where the
// key was not used.
func (l *Log) Named(ctx context.Context, key string) (response uuid.UUID, ok bool, err error) {
	hash := name(key)
	rows, err := l.db.Query(ctx, `SELECT response_id FROM idempotency_keys WHERE tenant_id = $1 AND key = $2`, auth.Tenant(ctx), hash[:])
	if err != nil {
		return uuid.UUID{}, false, fmt.Errorf("reading an idempotency key: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&response); err != nil {
			return uuid.UUID{}, false, fmt.Errorf("reading an idempotency key: %w", err)
		}
		ok = true
	}
	if err := rows.Err(); err != nil {
		return uuid.UUID{}, false, fmt.Errorf("reading an idempotency key: %w", err)
	}
	return response, ok, nil
}

// Delete takes a response out of everything, for good. The outcome is the response as it was.
func (l *Log) Delete(ctx context.Context, responseID string) (Outcome[ent.Response], error) {
	out, err := submit(ctx, l, 1, func(int) (*operation, apierror.UserErrors) {
		target, errs := parseID(id.Response, responseID)
		return &operation{delete: true, target: target}, errs
	}, func(op *operation) *ent.Response { return op.response })
	return first(out), err
}

// Erase forgets a contact, and everything but the score in what they answered. The outcome is how many answers. Where they
// are many that takes several flushes, so that nobody else waits long; if it fails on the way, it goes on when it is called
// again.
func (l *Log) Erase(ctx context.Context, contactID string) (Outcome[int], error) {
	for erased := 0; ; {
		var did operation
		out, err := submit(ctx, l, 1, func(int) (*operation, apierror.UserErrors) {
			target, errs := parseID(id.Contact, contactID)
			did = operation{erase: true, target: target}
			return &did, errs
		}, func(op *operation) *int { return &op.erased })
		o := first(out)
		if err != nil || o.Value == nil && erased == 0 {
			return o, err
		}
		erased += did.erased
		if !did.more { // which is so, too, where somebody else has erased the rest meanwhile
			return Outcome[int]{Value: &erased}, nil
		}
	}
}

// Upsert creates or updates contacts, each by itself, like Record.
func (l *Log) Upsert(ctx context.Context, items []contact.Input) ([]Outcome[ent.Contact], error) {
	return submit(ctx, l, len(items), func(i int) (*operation, apierror.UserErrors) {
		return &operation{upsert: &items[i]}, items[i].Validate()
	}, func(op *operation) *ent.Contact { return op.contact })
}

func parseID(kind id.Kind, text string) (uuid.UUID, apierror.UserErrors) {
	target, err := kind.Parse(text)
	if err != nil {
		return target, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	return target, nil
}

func first[T any](out []Outcome[T]) Outcome[T] {
	if len(out) == 0 {
		return Outcome[T]{}
	}
	return out[0]
}

// submit makes operations, has the good ones carried out and collects what became of all.
func submit[T any](ctx context.Context, l *Log, n int, operationOf func(int) (*operation, apierror.UserErrors), value func(*operation) *T) ([]Outcome[T], error) {
	caller, ok := auth.From(ctx)
	if !ok {
		return nil, apierror.New(apierror.Unauthenticated, "A key is needed.")
	}
	var out []Outcome[T]
	r := &request{done: newDone()}
	at := []int{}
	for i := range n {
		op, errs := operationOf(i)
		op.narrowing, op.blind = caller.Narrowing, !caller.May(auth.Read)
		if !op.allowed() {
			return nil, apierror.New(apierror.Forbidden, "A token narrowed to campaigns can only record responses there.")
		}
		out = append(out, Outcome[T]{Errors: errs})
		if errs == nil {
			r.ops = append(r.ops, op)
			at = append(at, i)
		}
	}
	if len(r.ops) == 0 {
		return out, nil
	}
	if err := l.do(ctx, caller.Tenant, r); err != nil {
		return nil, err
	}
	for i, op := range r.ops {
		o := Outcome[T]{Errors: op.errs, Replayed: op.replayed, Amended: op.amended}
		if op.errs == nil {
			o.Value = value(op)
		}
		out[at[i]] = o
	}
	return out, nil
}

func newDone() chan error { return make(chan error, 1) }

// do queues the request and waits for its flush.
func (l *Log) do(ctx context.Context, tenant uuid.UUID, r *request) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	w := l.writers[tenant]
	if w == nil {
		l.makeRoom()
		w = &writer{tenant: tenant}
		l.writers[tenant] = w
	}
	if w.queued > 0 && w.queued+len(r.ops) > l.maxQueued {
		l.mu.Unlock()
		e := apierror.New(apierror.Overloaded, "More comes in than can be written; try again in a second.")
		e.RetryAfter = time.Second
		return e
	}
	w.queue, w.queued = append(w.queue, r), w.queued+len(r.ops)
	if !w.active {
		w.active = true
		l.running.Add(1)
		flushing := context.WithoutCancel(ctx)
		flight.Go(func() { l.flushAll(flushing, w) }, flight.Logged(nil, "flushing"))
	}
	l.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for a flush: %w", ctx.Err())
	}
}

// makeRoom forgets a tenant that is not writing, where there are many.
func (l *Log) makeRoom() {
	if len(l.writers) < maxWriters {
		return
	}
	for tenant, w := range l.writers {
		if !w.active {
			delete(l.writers, tenant)
			return
		}
	}
}

// flushAll flushes until the queue is empty. While one flush commits, the next gathers.
func (l *Log) flushAll(ctx context.Context, w *writer) {
	defer l.running.Done()
	for {
		batch := l.take(w)
		if batch == nil {
			return
		}
		err := flight.Run(func() error {
			l.carryOut(ctx, w, batch)
			return nil
		})
		if err == nil {
			continue
		}
		w.state = nil
		for _, r := range batch { // those who were not told yet
			select {
			case r.done <- err:
			default:
			}
		}
	}
}

// take takes the next batch, nil where the queue is empty and the writer has come to rest.
func (l *Log) take(w *writer) []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ops := 0, 0
	for n < len(w.queue) && (n == 0 || ops+len(w.queue[n].ops) <= maxFlush) {
		ops += len(w.queue[n].ops)
		n++
	}
	if n == 0 {
		w.queue, w.active = nil, false
		return nil
	}
	batch := w.queue[:n:n]
	w.queue, w.queued = w.queue[n:], w.queued-ops
	return batch
}

// carryOut flushes a batch and tells its callers. What the database refuses as such is tried again one by one, so
// that a bad item fails alone.
func (l *Log) carryOut(ctx context.Context, w *writer, batch []*request) {
	var ops []*operation
	for _, r := range batch {
		ops = append(ops, r.ops...)
	}
	err := l.flush(ctx, w, ops)
	if store.IsRefused(err) {
		for _, r := range batch {
			r.done <- l.flushEach(ctx, w, r.ops)
		}
		return
	}
	err = flight.Shared(err)
	for _, r := range batch {
		r.done <- err
	}
}

func (l *Log) flushEach(ctx context.Context, w *writer, ops []*operation) error {
	for _, op := range ops {
		err := l.flush(ctx, w, []*operation{op})
		// What is there already was looked for, so that a conflict of one operation alone is not the caller's doing.
		if store.IsRefused(err) && !store.IsConflict(err) {
			op.outcome = outcome{errs: apierror.User(apierror.Invalid, []string{}, "The database cannot store this.")}
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxTries bounds how often a flush is tried that the database gave up for another's sake.
const maxTries = 20

func (l *Log) flush(ctx context.Context, w *writer, ops []*operation) (err error) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			w.state = nil // whatever happened: look again
			l.db.Discard(err)
		}
	}()
	defer flight.Catch(&err)
	if l.observe != nil {
		defer func(began time.Time) { l.observe(len(ops), time.Since(began)) }(time.Now())
	}
	var lost error
	for try := range maxTries {
		switch {
		case w.state == nil:
			w.state, err = settings.Load(ctx, l.db, w.tenant)
		case try > 0:
			w.state, err = w.state.Reload(ctx, l.db)
		}
		if err != nil {
			return fmt.Errorf("flushing: %w", err)
		}
		// Whoever was beaten once takes the lock first, and cannot be beaten again. While a rebuild is under way, whose
		// next step mostly has the lock already, that is done at once.
		do := l.try
		if try > 0 || w.state.Building != nil {
			do = l.tryLocked
		}
		done, err := do(ctx, w, ops)
		if store.IsTransient(err) || store.IsOrphaned(err) || store.IsOutdated(err) {
			lost, w.state, err = err, nil, nil
		}
		if err != nil {
			return fmt.Errorf("flushing: %w", err)
		}
		if done {
			return nil
		}
	}
	if lost != nil {
		return fmt.Errorf("flushing: again and again: %w", lost)
	}
	return errors.New("flushing: others were faster, again and again")
}

// try plans and writes once, and reports whether that took effect.
func (l *Log) try(ctx context.Context, w *writer, ops []*operation) (bool, error) {
	s := w.state
	// Read after the revision is known: what changes in between makes the write do nothing.
	read, err := l.read(ctx, l.db.Query, w.tenant, needsOf(ops))
	if err != nil {
		return false, err
	}
	known := s.Profiles()
	p := planFlush(s, read, ops, l.Now())
	if p.empty() {
		// What is refused, or was there before, is so only if it was judged by what still holds.
		return l.current(ctx, s)
	}
	base, ok, err := l.disk.write(ctx, w.tenant, s.Revision, &p)
	if err != nil || !ok {
		s.Forget(known)
		return false, err
	}
	l.wrote(s, &p, base)
	return true, nil
}

// tryLocked is try under the tenant's lock, where nobody can be faster.
func (l *Log) tryLocked(ctx context.Context, w *writer, ops []*operation) (bool, error) {
	if l.db.Dialect == store.SQLite {
		ctx = context.WithoutCancel(ctx) // as in sqlite.write
	}
	var s *settings.State
	var p plan
	var base int64
	err := l.db.WriteLocked(ctx, w.tenant, func(tx *store.Tx) (err error) {
		// Used up, whatever comes of it.
		before := w.state
		w.state = nil
		if s, err = before.Refresh(ctx, tx.SQL); err != nil {
			return err
		}
		read, err := l.read(ctx, tx.SQL.QueryContext, w.tenant, needsOf(ops))
		if err != nil {
			return err
		}
		p = planFlush(s, read, ops, l.Now())
		if p.empty() {
			return errNothing
		}
		var ok bool
		base, ok, err = l.disk.writeTx(ctx, tx, w.tenant, s.Revision, &p)
		if err == nil && !ok {
			err = errors.New("the tenant's revision has changed under its lock")
		}
		return err
	})
	switch {
	case errors.Is(err, errNothing):
		s.Revision-- // what taking the lock added to it was given back
	case err != nil:
		return false, err
	default:
		l.wrote(s, &p, base)
	}
	w.state = s
	return true, nil
}

// errNothing gives the tenant's lock back where there was nothing to write.
var errNothing = errors.New("nothing to write")

// wrote notes what is durable, and tells it.
func (l *Log) wrote(s *settings.State, p *plan, base int64) {
	if p.forgets {
		l.db.Forget()
	}
	s.Revision++
	if p.change.Grown != nil {
		s.Settings++
	}
	s.Position = base + int64(len(p.events))
	if l.flushed != nil && len(p.events) > 0 {
		l.flushed(s.Tenant, p.entries(base, s.Settings))
	}
}
