// Package follow has something done for every entry of a tenant's log: each once, in order, by one of the processes that
// share a database, and also where these are killed meanwhile.
//
// A follower has a position in its tenant's log, which is kept in the database (table followers). What is done for the
// entries after it is done in the transaction that moves it: both take effect, or neither. One process at a time owns a
// follower, for as long as its lease lasts by the database's clock. Each new owner counts the follower's epoch up, and a
// move takes effect only for the owner and the epoch that the row has, so that one who was only slow, and takes itself for
// the owner still, can do no harm. Hence, too, a process that owns less than its share may simply take from those who own
// more: what they are at is undone, and done by it.
package follow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tail"
)

const (
	// lease is how long an owner is one without saying so again, and renewEvery when it does.
	lease      = 30 * time.Second
	renewEvery = lease / 3
	// strandedAfter is for how long nobody may own a follower that lags behind.
	strandedAfter = 60 * time.Second
	// claimAtOnce is how many followers that nobody owns a process takes in a transaction, and maxClaim how many in a tick of
	// each process that owns more than its share.
	claimAtOnce, maxClaim = 1_000, 64
	// atOnce is for how many followers something is done at once in a process.
	atOnce = 4
	// firstPortion is how many entries are taken in one transaction at first, and maxPortion at most: what these ask for may be
	// a thousand times more for one than for another. A portion is to take portionAim.
	firstPortion, maxPortion = 16, 500
	portionAim               = 150 * time.Millisecond
	// severalPatience is how long a portion may take, since on SQLite nobody else writes meanwhile, before it is given up and one
	// entry tried, and onePatience how long that may, which ends before the lease does, although that was renewed some time
	// before.
	severalPatience, onePatience = 2 * portionAim, lease / 2
	// maxRest is how long all followers of a kind with a share rest at most after a portion, but for what maxStretch adds; what it
	// took more, its own follower rests.
	maxRest = 2 * time.Second
	// maxStretch is by how many times its length a rest becomes longer at most while others write to SQLite, which nobody else can
	// meanwhile, and maxStretchPostgres on PostgreSQL, where others are but slower for it.
	maxStretch, maxStretchPostgres = 10, 1
	// lull is for how long a follower with a share leaves news alone, so that it does not work at the very moment at which whoever
	// recorded waits for the answer and whoever listens for the event, and takes several at once.
	lull = 200 * time.Millisecond
	// patience is how long a statement of the runner's own may take, and maxBackoff how long it waits at most to try
	// again what is not expected to pass.
	patience   = 10 * time.Second
	maxBackoff = 10 * time.Second
	// logEvery is how often it is logged at most that a follower fails.
	logEvery = time.Minute
	// farewell is how long giving followers back may take.
	farewell = 2 * time.Second
)

// Follower names a follower.
type Follower struct {
	Tenant uuid.UUID
	Kind   string
	// ID is whose it is where a tenant has several of the kind; else it is the zero id.
	ID uuid.UUID
}

// Kind is what followers are for.
type Kind struct {
	// Name is kept in the database, and a label in metrics: it must not be changed.
	Name string
	// EachTenant gives every tenant one follower of the kind, with the zero id, which begins with the first entry of the
	// log. Others are made by Begin.
	EachTenant bool
	// Share, where not zero, is which part of the time a process spends on all of its followers of the kind at most, one at a
	// time, less while others write, and not before some time after the news: the rest is for others.
	Share float64
	// Bare has entries come without their responses, for kinds that read these by themselves.
	Bare bool
	// Take is given the next entries of the follower's log, one or more, in a context of the tenant and outside of any
	// transaction. It returns what is to be done for them in the one that moves the position on; nil is nothing. Where it
	// or that fails, or takes too long, nothing has happened, and the same entries come again, fewer of them or more, perhaps
	// in another process: what must not fail for ever succeeds with one. Where that returns ErrUnfinished they come again, too,
	// but what was done has taken effect. It is called for one portion of a follower's entries after the other.
	//
	// An entry's response is as it was when the log was read. What became of it since is told by a later entry: whoever
	// keeps what a response says forgets it with the entry that tells of its end.
	Take func(ctx context.Context, f Follower, entries []*feedback.Entry) (effects func(tx *store.Tx) error, err error)
}

// ErrUnfinished is returned by effects that are more than one transaction should do: what they did takes effect, and the
// position stays where it is.
var ErrUnfinished = errors.New("there is more to do before the follower moves on")

// Config of a Runner.
type Config struct {
	// Poll is how often it is looked for followers that nobody owns; zero means a second.
	Poll time.Duration
	// Log where nil is slog.Default.
	Log *slog.Logger
}

// Runner owns followers on one process, and has done what they are for. Kinds are made known by Handle, all before Start.
type Runner struct {
	db    *store.DB
	tail  *tail.Tail
	cfg   Config
	me    uuid.UUID
	kinds map[string]Kind
	slots chan struct{}
	// paces has a slot for each kind with a share, which is taken for as long as a turn and the rest after it take.
	paces map[string]chan struct{}
	// several and one are severalPatience and onePatience but in tests.
	several, one time.Duration

	ctx     context.Context // until Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	// renewed is when the leases were renewed last. It belongs to the goroutine that ticks.
	renewed time.Time

	mu       sync.Mutex
	closed   bool
	owned    map[Follower]*owned
	stranded int
}

// owned is a follower that this process owns, or did until a moment ago.
type owned struct {
	Follower

	take   func(ctx context.Context, f Follower, entries []*feedback.Entry) (func(tx *store.Tx) error, error)
	bare   bool
	share  float64
	pace   chan struct{} // nil where the kind has no share
	epoch  int64
	ctx    context.Context // of the tenant, as long as the follower is owned
	cancel context.CancelFunc
	reader *tail.Reader
	// position is for whoever works: only one does.
	position int64

	// took is how long the portion took that was tried last, without the waiting for its turn. It is for whoever works.
	took time.Duration

	// working says that somebody does, and again that there may be more than was looked for; failing that what was tried last
	// failed, and logged when that was said last; portion is how many entries are taken next. All are under Runner.mu.
	working, again, failing bool
	logged                  time.Time
	portion                 int
}

// NewRunner makes a Runner that hears of news by the tail, which is closed after it.
func NewRunner(db *store.DB, from *tail.Tail, cfg Config) *Runner {
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	r := &Runner{
		db: db, tail: from, cfg: cfg, me: uuid.New(), kinds: map[string]Kind{}, slots: make(chan struct{}, atOnce),
		paces: map[string]chan struct{}{}, several: severalPatience, one: onePatience, owned: map[Follower]*owned{},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Handle has the runner own followers of the kind. It panics where the kind is known already.
func (r *Runner) Handle(k Kind) {
	if _, known := r.kinds[k.Name]; known || k.Name == "" || k.Take == nil {
		panic(fmt.Sprintf("follow: a kind %q that cannot be", k.Name))
	}
	r.kinds[k.Name] = k
	if k.Share > 0 {
		r.paces[k.Name] = make(chan struct{}, 1)
	}
}

// Begin makes a follower of what comes after a position of the tenant's log. Some process owns it soon after the
// transaction has committed.
func Begin(ctx context.Context, db *store.DB, tx *store.Tx, f Follower, position int64) error {
	_, err := tx.SQL.ExecContext(ctx, `INSERT INTO followers (tenant_id, kind, id, position, epoch, lease_until)
		VALUES ($1, $2, $3, $4, $5, `+clock(db)+`)`, f.Tenant, f.Kind, f.ID, position, newEpoch())
	if err != nil {
		return fmt.Errorf("beginning to follow a log: %w", err)
	}
	return nil
}

// newEpoch is the first epoch of a follower: one that is made anew is none of those that there were before.
func newEpoch() int64 {
	return rand.Int64N(1 << 62) //nolint:gosec // it need not be secret
}

// Position reads how far a follower has come, and whether there is one. In a snapshot that is as far as all that it did
// can be seen there, and nothing beyond: whoever reads what a follower keeps takes the rest from the log.
func Position(ctx context.Context, from store.Querier, f Follower) (position int64, known bool, err error) {
	err = store.Each(ctx, from, func(rows *sql.Rows) error {
		known = true
		return rows.Scan(&position)
	}, `SELECT position FROM followers WHERE tenant_id = $1 AND kind = $2 AND id = $3`, f.Tenant, f.Kind, f.ID)
	if err != nil {
		return 0, false, fmt.Errorf("reading how far a follower has come: %w", err)
	}
	return position, known, nil
}

// End forgets a follower: once the transaction has committed nothing more is done for it. There may be none.
func End(ctx context.Context, tx *store.Tx, f Follower) error {
	_, err := tx.SQL.ExecContext(ctx, `DELETE FROM followers WHERE tenant_id = $1 AND kind = $2 AND id = $3`, f.Tenant, f.Kind, f.ID)
	if err != nil {
		return fmt.Errorf("ending to follow a log: %w", err)
	}
	return nil
}

// Start begins to own followers, unless there are no kinds of them.
func (r *Runner) Start() {
	if len(r.kinds) == 0 {
		return
	}
	const doing = "follow: owning followers"
	r.running.Add(1)
	caught := flight.Logged(r.cfg.Log, doing)
	flight.Go(func() {
		defer r.running.Done()
		flight.Steadily(r.ctx, r.tickAll, caught)
	}, caught)
}

func (r *Runner) tickAll() {
	ticks := time.NewTicker(r.cfg.Poll)
	defer ticks.Stop()
	for failed := false; ; {
		err := r.tick(r.ctx)
		switch {
		case r.ctx.Err() != nil:
			return
		case err != nil && !failed:
			r.cfg.Log.Warn("follow: the database does not say what is to be followed", "error", err.Error())
		case err == nil && failed:
			r.cfg.Log.Info("follow: the database says again what is to be followed")
		}
		failed = err != nil
		select {
		case <-ticks.C:
		case <-r.ctx.Done():
			return
		}
	}
}

// Close stops what is being done, and gives the followers to others. It returns when nothing runs any more.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.running.Wait()
	r.mu.Lock()
	left := slices.Collect(maps.Values(r.owned))
	r.mu.Unlock()
	for _, o := range left {
		r.leave(o)
	}
	if len(r.kinds) == 0 {
		return
	}
	// Also what was left meanwhile, since its work was cut off.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), farewell)
	defer cancel()
	err := r.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(ctx, `UPDATE followers SET owner = NULL, lease_until = `+clock(r.db)+` WHERE owner = $1`, r.me)
		return err
	})
	if err != nil {
		r.cfg.Log.Warn("follow: what is followed is left to the end of its lease", "error", err.Error())
	}
}

// clock is the database's: milliseconds since 1970.
func clock(db *store.DB) string {
	if db.Dialect == store.Postgres {
		return `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`
	}
	return `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
}

// tick takes followers that nobody owns, and looks which ones are this process's.
func (r *Runner) tick(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	free, stranded, err := r.look(ctx)
	if err != nil {
		return err
	}
	rich, err := r.rich(ctx)
	if err != nil {
		return err
	}
	if now := time.Now(); free || len(rich) > 0 || now.Sub(r.renewed) >= renewEvery {
		if err = r.claimAll(ctx, rich); err == nil {
			r.renewed = now
		}
		if err == nil && stranded > 0 {
			_, stranded, err = r.look(ctx) // once more, since this process owns them now
		}
	}
	r.mu.Lock()
	r.stranded = stranded
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("claiming followers: %w", err)
	}
	return r.reconcile(ctx)
}

// claimAll claims until there is nothing left that nobody owns.
func (r *Runner) claimAll(ctx context.Context, rich map[uuid.UUID]int) error {
	for {
		var taken int64
		err := r.db.Write(ctx, func(tx *store.Tx) (err error) {
			taken, err = r.claim(ctx, tx, rich)
			return err
		})
		if err != nil || taken < claimAtOnce {
			return err
		}
		rich = nil
	}
}

// names are those of the kinds, as a parameter.
func (r *Runner) names() string {
	return store.Texts(r.db.Dialect, slices.Sorted(maps.Keys(r.kinds)))
}

// rich says how many followers this process may take from whom, since it owns less than its share and they own more.
func (r *Runner) rich(ctx context.Context) (map[uuid.UUID]int, error) {
	owners, all := map[uuid.UUID]int{}, 0
	err := store.Each(ctx, r.db.Reader, func(rows *sql.Rows) error {
		var owner uuid.UUID
		var n int
		err := rows.Scan(&owner, &n)
		owners[owner] = n
		all += n
		return err
	}, `SELECT owner, count(*) FROM followers WHERE owner IS NOT NULL AND lease_until > `+clock(r.db)+`
		AND `+store.In(r.db.Dialect, "kind", "text", "$1")+` GROUP BY owner`, r.names())
	if err != nil {
		return nil, fmt.Errorf("looking who owns followers: %w", err)
	}
	mine := owners[r.me]
	delete(owners, r.me)
	processes := len(owners) + 1
	lacking, share := all/processes-mine, (all+processes-1)/processes
	rich := map[uuid.UUID]int{}
	for owner, n := range owners {
		if take := min(n-share, lacking, maxClaim); take > 0 {
			rich[owner] = take
			lacking -= take
		}
	}
	return rich, nil
}

// look reports whether there is something to claim, and how many followers have been left alone for long.
func (r *Runner) look(ctx context.Context) (free bool, stranded int, err error) {
	unowned := 0
	err = store.Each(ctx, r.db.Reader, func(rows *sql.Rows) error { return rows.Scan(&unowned, &stranded) },
		`SELECT coalesce(sum(CASE WHEN f.lease_until <= c.now THEN 1 ELSE 0 END), 0),
			coalesce(sum(CASE WHEN f.lease_until <= c.now - $2 AND f.position < t.log_position THEN 1 ELSE 0 END), 0)
		FROM (SELECT `+clock(r.db)+` AS now) c, followers f JOIN tenants t ON t.id = f.tenant_id
		WHERE `+store.In(r.db.Dialect, "f.kind", "text", "$1"), r.names(), strandedAfter.Milliseconds())
	if err != nil {
		return false, 0, fmt.Errorf("looking for followers: %w", err)
	}
	if unowned > 0 {
		return true, stranded, nil
	}
	for _, k := range r.kinds {
		if !k.EachTenant {
			continue
		}
		lacking := false
		err := store.Each(ctx, r.db.Reader, func(rows *sql.Rows) error { return rows.Scan(&lacking) },
			`SELECT EXISTS (SELECT 1 FROM tenants t WHERE `+r.hasNone()+`)`, k.Name, uuid.Nil)
		if err != nil {
			return false, 0, fmt.Errorf("looking for tenants that nobody follows: %w", err)
		}
		if lacking {
			return true, stranded, nil
		}
	}
	return false, stranded, nil
}

// nobody is the parameter $2, the zero id, whose type PostgreSQL has to be told.
func (r *Runner) nobody() string {
	if r.db.Dialect == store.Postgres {
		return `$2::uuid`
	}
	return `$2`
}

// hasNone holds for a tenant t that has no follower of the kind $1 with the id $2.
func (r *Runner) hasNone() string {
	return `NOT EXISTS (SELECT 1 FROM followers f WHERE f.tenant_id = t.id AND f.kind = CAST($1 AS text) AND f.id = ` + r.nobody() + `)`
}

// claim makes the followers that each tenant has, renews the leases, and takes of what nobody owns, claimAtOnce where there are
// as many, and so many of those that are rich. taken are those that nobody owned.
func (r *Runner) claim(ctx context.Context, tx *store.Tx, rich map[uuid.UUID]int) (taken int64, err error) {
	for _, k := range r.kinds {
		if !k.EachTenant {
			continue
		}
		_, err := tx.SQL.ExecContext(ctx, `INSERT INTO followers (tenant_id, kind, id, position, epoch, lease_until)
			SELECT t.id, CAST($1 AS text), `+r.nobody()+`, 0, CAST($3 AS bigint), `+clock(r.db)+` FROM tenants t WHERE `+r.hasNone()+`
			ON CONFLICT DO NOTHING`,
			k.Name, uuid.Nil, newEpoch())
		if err != nil {
			return 0, err
		}
	}
	// Those that are being moved just now renew their leases by themselves, and nobody waits for them.
	unlocked := ""
	if r.db.Dialect == store.Postgres {
		unlocked = ` FOR UPDATE SKIP LOCKED`
	}
	const which = ` FROM which WHERE followers.tenant_id = which.tenant_id AND followers.kind = which.kind AND followers.id = which.id`
	_, err = tx.SQL.ExecContext(ctx, `WITH which AS MATERIALIZED (SELECT tenant_id, kind, id FROM followers WHERE owner = $1`+unlocked+`)
		UPDATE followers SET lease_until = `+clock(r.db)+` + $2`+which, r.me, lease.Milliseconds())
	if err != nil {
		return 0, err
	}
	take := func(most int, those string, args ...any) (int64, error) {
		result, err := tx.SQL.ExecContext(ctx, `WITH which AS MATERIALIZED (SELECT tenant_id, kind, id FROM followers
				WHERE `+those+` AND `+store.In(r.db.Dialect, "kind", "text", "$3")+` ORDER BY random() LIMIT $4`+unlocked+`)
			UPDATE followers SET owner = $1, epoch = epoch + 1, lease_until = `+clock(r.db)+` + $2`+which,
			append([]any{r.me, lease.Milliseconds(), r.names(), most}, args...)...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	if taken, err = take(claimAtOnce, `lease_until <= `+clock(r.db)); err != nil {
		return 0, err
	}
	for owner, most := range rich {
		if _, err := take(most, `owner = $5`, owner); err != nil {
			return 0, err
		}
	}
	return taken, nil
}

// reconcile owns what the database says is this process's, and leaves what is not.
func (r *Runner) reconcile(ctx context.Context) error {
	type state struct{ epoch, position int64 }
	mine := map[Follower]state{}
	err := store.Each(ctx, r.db.Reader, func(rows *sql.Rows) error {
		var f Follower
		var s state
		err := rows.Scan(&f.Tenant, &f.Kind, &f.ID, &s.epoch, &s.position)
		mine[f] = s
		return err
	}, `SELECT tenant_id, kind, id, epoch, position FROM followers WHERE owner = $1`, r.me)
	if err != nil {
		return fmt.Errorf("looking which followers are owned: %w", err)
	}
	r.mu.Lock()
	var gone []*owned
	for f, o := range r.owned {
		if s, still := mine[f]; !still || s.epoch != o.epoch {
			gone = append(gone, o)
		}
	}
	r.mu.Unlock()
	for _, o := range gone {
		r.leave(o)
	}
	for f, s := range mine {
		if err := r.own(f, s.epoch, s.position); err != nil {
			return err
		}
	}
	return nil
}

// own begins to do what a follower is for, unless that has begun.
func (r *Runner) own(f Follower, epoch, position int64) error {
	k := r.kinds[f.Kind]
	o := &owned{
		Follower: f, take: k.Take, bare: k.Bare, share: k.Share, pace: r.paces[f.Kind], epoch: epoch, position: position,
		portion: firstPortion,
	}
	r.mu.Lock()
	_, known := r.owned[f]
	if !known && !r.closed {
		o.ctx, o.cancel = context.WithCancel(auth.ForTenant(r.ctx, f.Tenant))
		r.owned[f] = o
	}
	r.mu.Unlock()
	if o.ctx == nil {
		return nil
	}
	reader, err := r.tail.Read(f.Tenant, tail.Handler{Changed: func() { r.wake(o) }})
	if err != nil {
		r.leave(o)
		return fmt.Errorf("following a log: %w", err)
	}
	r.mu.Lock()
	o.reader = reader
	left := r.owned[f] != o
	r.mu.Unlock()
	if left {
		reader.Stop()
	}
	r.wake(o)
	return nil
}

// leave ends what is done for a follower that belongs to others now, or to nobody.
func (r *Runner) leave(o *owned) {
	o.cancel()
	r.mu.Lock()
	if r.owned[o.Follower] == o {
		delete(r.owned, o.Follower)
	}
	reader := o.reader
	r.mu.Unlock()
	if reader != nil {
		reader.Stop()
	}
}

// wake has somebody look for what is to be done, now or once he has done what he is at.
func (r *Runner) wake(o *owned) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || o.working {
		o.again = true
		return
	}
	o.working = true
	r.running.Add(1)
	flight.Go(func() {
		defer r.running.Done()
		r.work(o)
	}, flight.Logged(r.cfg.Log, "follow: following a log"))
}

// work does all that is to be done for a follower.
func (r *Runner) work(o *owned) {
	for failures, news := 0, true; ; {
		if news {
			r.gather(o)
		}
		more, left, err := r.turn(o)
		switch {
		case o.ctx.Err() != nil || errors.Is(err, errLeft):
			r.leave(o) // what is still ours is found so at the next tick
			return
		case err != nil:
			failures, news = failures+1, false
			r.failed(o, err)
			wait := tail.Backoff(failures)
			if !store.MayPass(err) {
				wait = min(wait<<min(failures, 10), maxBackoff)
			}
			pause(o.ctx, wait)
			r.rest(o.ctx, left-wait)
			continue
		}
		r.mu.Lock()
		o.failing = false
		r.mu.Unlock()
		r.rest(o.ctx, left)
		if failures, news = 0, !more; more {
			continue
		}
		r.mu.Lock()
		again := o.again
		o.again, o.working = false, again
		r.mu.Unlock()
		if !again {
			return
		}
	}
}

// gather leaves news alone for a while, where the kind has a share. What else comes meanwhile is taken with it.
func (r *Runner) gather(o *owned) {
	if o.pace == nil {
		return
	}
	pause(o.ctx, lull)
	r.mu.Lock()
	defer r.mu.Unlock()
	o.again = false
}

// failed notes that a turn failed, and logs it now and then.
func (r *Runner) failed(o *owned, err error) {
	now := time.Now()
	r.mu.Lock()
	say := now.Sub(o.logged) >= logEvery
	if o.failing = true; say {
		o.logged = now
	}
	r.mu.Unlock()
	if say {
		r.cfg.Log.Warn("follow: trying again", "kind", o.Kind, "tenant", id.Tenant.Format(o.Tenant), "position", o.position, "error", err.Error())
	}
}

// turn takes one portion, when there is room for it, and then rests where the kind has a share. The kind's pace is kept until
// that is over, for maxRest and what maxStretch adds to it, so that all followers of it together take no more, and nothing else is.
// After a portion that took so long that this is not enough, left is how long its own follower rests yet while others take turns.
func (r *Runner) turn(o *owned) (more bool, left time.Duration, err error) {
	if o.pace == nil {
		more, err = r.portion(o)
		return more, 0, err
	}
	select {
	case o.pace <- struct{}{}:
		defer func() { <-o.pace }()
	case <-o.ctx.Done():
		return false, 0, o.ctx.Err()
	}
	before := o.position
	more, err = r.portion(o)
	// Not for a look in vain, or thousands of tenants that are idle would be in the way of one that is not.
	if !more && err == nil && o.position == before {
		return more, 0, nil
	}
	together, left := due(o.share, o.took)
	r.rest(r.ctx, together) // also where it belongs to others now
	return more, left, err
}

// due is how long to leave the machine to others after what took so long: all of the kind together, and then the follower
// alone.
func due(share float64, took time.Duration) (together, alone time.Duration) {
	all := time.Duration(float64(took) * (1/share - 1))
	together = min(all, maxRest)
	return together, all - together
}

// portion takes one, when there is room for it.
func (r *Runner) portion(o *owned) (more bool, err error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-o.ctx.Done():
		return false, o.ctx.Err()
	}
	return r.step(o.ctx, o)
}

// step takes the next entries of a follower's log, and reports whether there may be more. How many come next is by how long
// these took.
func (r *Runner) step(ctx context.Context, o *owned) (more bool, err error) {
	r.mu.Lock()
	most := max(1, o.portion)
	r.mu.Unlock()
	limit := r.several
	if most == 1 {
		limit = r.one
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	w := watch(limit, cancel)
	more, err = r.some(within, w, o, most)
	w.stop()
	o.took = w.spent
	tooLong := err != nil && within.Err() != nil && ctx.Err() == nil // it may have been told anything then
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case tooLong && most > 1:
		o.portion, more, err = 1, true, nil
	case tooLong:
		err = fmt.Errorf("an entry took more than %v: %w: %w", limit, context.DeadlineExceeded, err)
	case err != nil:
		o.portion = max(1, most/2)
	case more:
		o.portion = next(most, o.took)
	}
	return more, err
}

// next is how many entries to take after as many took so long. Few are not made fewer, since it may be that the database takes as
// long for one, to commit or to answer at all: then nothing would ever get on.
func next(most int, took time.Duration) int {
	switch {
	case took > portionAim && most > firstPortion:
		return max(firstPortion, int(float64(most)*float64(portionAim)/float64(took)))
	case took < portionAim/2, took < portionAim && most < firstPortion:
		return min(2*most, maxPortion)
	}
	return most
}

// stopwatch tells how long somebody is at work, and calls an end to that after a limit.
type stopwatch struct {
	limit, spent time.Duration
	since        time.Time // zero while it stands still
	end          *time.Timer
}

// watch starts a stopwatch.
func watch(limit time.Duration, end func()) *stopwatch {
	return &stopwatch{limit: limit, since: time.Now(), end: flight.After(limit, end, func(*flight.Fault) {})}
}

func (w *stopwatch) stop() {
	if !w.since.IsZero() {
		w.end.Stop()
		w.spent += time.Since(w.since)
		w.since = time.Time{}
	}
}

func (w *stopwatch) goOn() {
	w.since = time.Now()
	w.end.Reset(w.limit - w.spent)
}

// errLeft says that a follower is owned by others now, or that it is somewhere else than was known.
var errLeft = errors.New("the follower is another's")

// some takes the next entries of a follower's log, as many as most, and reports whether there may be more. The stopwatch stands
// still while it waits until it may write.
func (r *Runner) some(ctx context.Context, w *stopwatch, o *owned, most int) (more bool, err error) {
	defer flight.Catch(&err)
	read := feedback.ReadEntries
	if o.bare {
		read = feedback.ReadEvents
	}
	entries, err := read(ctx, r.db, o.position, most)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	if first := entries[0].Position; first != o.position+1 {
		return false, fmt.Errorf("%w: after %d comes %d", tail.ErrLost, o.position, first)
	}
	effects, err := o.take(ctx, o.Follower, entries)
	if err != nil {
		return false, err
	}
	last, unfinished := entries[len(entries)-1].Position, false
	w.stop()
	err = r.db.Write(ctx, func(tx *store.Tx) error {
		w.goOn() // until it is committed, which is a good part of it
		// First, so that nobody else becomes the owner before the end of the transaction.
		moved, err := tx.SQL.ExecContext(ctx, `UPDATE followers SET position = $6, lease_until = `+clock(r.db)+` + $7
			WHERE tenant_id = $1 AND kind = $2 AND id = $3 AND owner = $4 AND epoch = $5 AND position = $8`,
			o.Tenant, o.Kind, o.ID, r.me, o.epoch, last, lease.Milliseconds(), o.position)
		if err != nil {
			return fmt.Errorf("moving a follower: %w", err)
		}
		if n, err := moved.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errLeft)
		}
		if effects == nil {
			return nil
		}
		err = effects(tx)
		if unfinished = errors.Is(err, ErrUnfinished); unfinished {
			_, err = tx.SQL.ExecContext(ctx, `UPDATE followers SET position = $4 WHERE tenant_id = $1 AND kind = $2 AND id = $3`,
				o.Tenant, o.Kind, o.ID, o.position)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if unfinished {
		return true, nil
	}
	o.position = last
	return len(entries) == most, nil
}

// Owned is how many followers this process owns.
func (r *Runner) Owned() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.owned)
}

// Failing is how many of the followers that this process owns failed when they were tried last.
func (r *Runner) Failing() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.owned {
		if o.failing {
			n++
		}
	}
	return n
}

// Stranded is how many followers, of the kinds that this process knows, lag behind their logs, had no owner for a minute, and
// could not be taken by this process, when it last tried.
func (r *Runner) Stranded() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stranded
}

// Lag is how far the follower of a kind is behind its log that is the furthest behind.
type Lag struct {
	// Events is how many entries it has not taken, Seconds how old the first of them is.
	Events, Seconds float64
}

// Lags reads how far the followers in the database are behind, by the names of the kinds that the runner knows.
func (r *Runner) Lags(ctx context.Context) (map[string]Lag, error) {
	lags := make(map[string]Lag, len(r.kinds))
	if len(r.kinds) == 0 {
		return lags, nil
	}
	for name := range r.kinds {
		lags[name] = Lag{}
	}
	age := `(julianday('now') - julianday(e.at)) * 86400`
	if r.db.Dialect == store.Postgres {
		age = `extract(epoch FROM clock_timestamp() - e.at)::double precision`
	}
	err := store.Each(ctx, r.db.Reader, func(rows *sql.Rows) error {
		var kind string
		var l Lag
		err := rows.Scan(&kind, &l.Events, &l.Seconds)
		lags[kind] = Lag{l.Events, max(0, l.Seconds)} // the log's time is that of its process
		return err
	}, `SELECT f.kind, max(t.log_position - f.position), coalesce(max(`+age+`), 0)
		FROM followers f JOIN tenants t ON t.id = f.tenant_id
		LEFT JOIN events e ON e.tenant_id = f.tenant_id AND e.position = f.position + 1
		WHERE f.position < t.log_position AND `+store.In(r.db.Dialect, "f.kind", "text", "$1")+` GROUP BY f.kind`, r.names())
	if err != nil {
		return nil, fmt.Errorf("reading how far followers are behind: %w", err)
	}
	return lags, nil
}

// rest waits for so long, and longer while others write.
func (r *Runner) rest(ctx context.Context, d time.Duration) {
	most := maxStretch * d
	if r.db.Dialect == store.Postgres {
		most = maxStretchPostgres * d
	}
	idle(d, most, r.db.Wrote, func(d time.Duration) { pause(ctx, d) })
}

// idle waits until there was d in which nobody wrote, but for d and most more at most: a follower that takes a part of the time is to
// take it of what those who record leave, of SQLite's one writer, and of the machine. wrote is for how long anybody has written so far.
func idle(d, most time.Duration, wrote func() time.Duration, wait func(time.Duration)) {
	for d > 0 {
		before := wrote()
		wait(d)
		if d = min(wrote()-before, most); d < time.Millisecond {
			return
		}
		most -= d
	}
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
