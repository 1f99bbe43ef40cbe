package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// forgetTimeout is how long an attempt to empty the write-ahead log may keep others from writing.
	forgetTimeout = 100 * time.Millisecond
	// forgetEvery is the least time from one emptying to the next, and forgetRest for how many times as long as the last one
	// took it rests.
	forgetEvery, forgetRest = time.Second, 20
	// maxVacuum is how large a database may be, in bytes, to be written anew: that keeps others from writing for a tenth of
	// a second or two.
	maxVacuum = 16 << 20
	// minForgetWait and maxForgetWait bound the time from a failed attempt to the next.
	minForgetWait, maxForgetWait = 50 * time.Millisecond, 5 * time.Second
	// heldUpEvery is how often it is told that emptying is held up.
	heldUpEvery = time.Minute
)

// forgetter empties SQLite's write-ahead log, which holds what was overwritten or deleted in the database itself: until it is
// full, and beyond, since it is then written anew from its beginning.
//
// SQLite overwrites what it deletes (secure_delete), but not the copies that it now and then leaves in a page when rows move
// from it to another. No statement reaches those. Where that is quick the whole database is written anew.
type forgetter struct {
	path string
	turn func(context.Context) (func(), error)
	// heldUp, where not nil, is told for how long something has been waiting to be forgotten, and of the last error.
	heldUp func(since time.Duration, err error)

	mu          sync.Mutex
	asked, done int64
	// anew is up to where the database was written anew; it belongs to the goroutine.
	anew int64
	// active says that a goroutine is at it; news is closed and made anew whenever done has grown.
	active, closed bool
	news           chan struct{}
	ctx            context.Context //nolint:containedctx // it ends with the database
	stop           context.CancelFunc
	running        sync.WaitGroup
}

func newForgetter(path string, turn func(context.Context) (func(), error), heldUp func(time.Duration, error)) *forgetter {
	f := &forgetter{path: path, turn: turn, heldUp: heldUp, news: make(chan struct{})}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// begin empties what a killed process may have left.
func (f *forgetter) begin() {
	if info, err := os.Stat(f.path + "-wal"); err == nil && info.Size() > 0 {
		f.ask()
	}
}

// Forget says that a transaction has committed which deleted or replaced what must not stay behind. SQLite overwrites it in
// the database, and in the background, as soon as nobody reads from before that any more, its write-ahead log is emptied.
// PostgreSQL keeps it until VACUUM has been there: it does nothing.
func (db *DB) Forget() {
	if db.forgetter != nil {
		db.forgetter.ask()
	}
}

// Forgotten waits until all is gone that Forget was told of so far.
func (db *DB) Forgotten(ctx context.Context) error {
	f := db.forgetter
	if f == nil {
		return nil
	}
	f.mu.Lock()
	asked := f.asked
	f.mu.Unlock()
	for {
		f.mu.Lock()
		done, news := f.done >= asked, f.news
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("emptying the write-ahead log: %w", context.Cause(ctx))
		case <-f.ctx.Done():
			return errors.New("emptying the write-ahead log: the database was closed")
		}
	}
}

func (f *forgetter) ask() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if !f.active && !f.closed {
		f.active = true
		f.running.Add(1)
		flight.Go(func() {
			defer f.running.Done()
			f.run()
		}, func(*flight.Fault) { // empty's own are errors
			f.mu.Lock()
			defer f.mu.Unlock()
			f.active = false
		})
	}
}

// close gives up what is not done: whoever closes a database last empties its log.
func (f *forgetter) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	f.running.Wait()
}

// run empties the log until all is done.
func (f *forgetter) run() {
	for wait, began, told := minForgetWait, time.Now(), time.Now(); ; {
		f.mu.Lock()
		asked := f.asked
		if f.active = asked > f.done && f.ctx.Err() == nil; !f.active {
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		attempt := time.Now()
		err := flight.Run(func() error { return f.empty(asked) })
		if err == nil {
			f.mu.Lock()
			f.done = asked
			close(f.news)
			f.news = make(chan struct{})
			f.mu.Unlock()
			wait = minForgetWait
			f.rest(max(forgetEvery, forgetRest*time.Since(attempt)))
			began, told = time.Now(), time.Now()
			continue
		}
		if f.heldUp != nil && time.Since(told) > heldUpEvery && f.ctx.Err() == nil {
			told = time.Now()
			f.heldUp(time.Since(began), err)
		}
		f.rest(wait)
		wait = min(2*wait, maxForgetWait)
	}
}

func (f *forgetter) rest(wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.ctx.Done():
	}
}

var errHeld = errors.New("somebody has been reading or writing for long, perhaps another program")

// empty takes what is in the log into the database, and cuts the log off.
func (f *forgetter) empty(asked int64) (err error) {
	// A connection of its own: the others wait for each other for much longer.
	db, err := sql.Open("sqlite", fmt.Sprintf("%s?_pragma=busy_timeout(%d)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)", fileName(f.path), forgetTimeout.Milliseconds()))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	// Most of the work keeps nobody waiting.
	if err := checkpoint(f.ctx, db, "PASSIVE"); err != nil && !errors.Is(err, errHeld) {
		return err
	}
	done, err := f.turn(f.ctx)
	if err != nil {
		return err
	}
	defer done()
	return errors.Join(f.renew(db, asked), checkpoint(f.ctx, db, "TRUNCATE"))
}

// renew writes a small database anew, unless that has been done for what is asked.
func (f *forgetter) renew(db *sql.DB, asked int64) error {
	if info, err := os.Stat(f.path); err != nil || f.anew >= asked || info.Size() > maxVacuum {
		return err
	}
	if _, err := db.ExecContext(f.ctx, `VACUUM`); err != nil {
		return fmt.Errorf("writing the database anew: %w", err)
	}
	f.anew = asked
	return nil
}

func checkpoint(ctx context.Context, db *sql.DB, mode string) error {
	var busy, pages, taken int
	if err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &pages, &taken); err != nil {
		return fmt.Errorf("emptying the write-ahead log: %w", err)
	}
	if busy != 0 {
		return errHeld
	}
	return nil
}
