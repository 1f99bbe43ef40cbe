package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// sorting and other are kinds of jobs.
type sorting struct {
	Shelf uuid.UUID `json:"shelf"`
	Most  int       `json:"most"`
}

func (sorting) Kind() string { return "sorting" }

type other struct{}

func (other) Kind() string { return "other" }

func newRunner(t *testing.T, db *store.DB) *job.Runner {
	t.Helper()
	r, err := job.NewRunner(db, job.Config{Poll: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start starts the runner until the test ends, or stop is called.
func start(t *testing.T, r *job.Runner) (stop func()) {
	t.Helper()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		if err := r.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func insert(t *testing.T, db *store.DB, r *job.Runner, all ...job.Args) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		for _, args := range all {
			if err := r.Insert(t.Context(), tx, args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inserted is how many jobs of the kind there are in the database, done or not.
func inserted(t *testing.T, db *store.DB, args job.Args) (n int) {
	t.Helper()
	if err := db.Reader.QueryRowContext(t.Context(), `SELECT count(*) FROM river_job WHERE kind = $1`, args.Kind()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// await waits until so many jobs are done and noted as such.
func await(t *testing.T, r *job.Runner, completed int) {
	t.Helper()
	for {
		jobs, err := r.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if jobs["completed"] >= completed {
			return
		}
	}
}

// TestInsertWithTransaction asks for jobs in transactions that commit and in one that does not.
func TestInsertWithTransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRunner(t, db)
		done := make(chan sorting, 10)
		job.Handle(r, func(_ context.Context, args sorting) error {
			done <- args
			return nil
		}, job.Options{})
		start(t, r)
		given := errors.New("given up")
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			if err := r.Insert(t.Context(), tx, sorting{Most: 1}); err != nil {
				return err
			}
			return given
		})
		if !errors.Is(err, given) {
			t.Fatal(err)
		}
		err = db.Write(t.Context(), func(tx *store.Tx) error { return r.Insert(t.Context(), tx, other{}) })
		if err == nil {
			t.Error("a job of a kind that nobody knows is inserted")
		}
		want := sorting{uuid.New(), 2}
		insert(t, db, r, want)
		if got := <-done; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if n := inserted(t, db, want); n != 1 {
			t.Errorf("%d jobs were inserted", n)
		}
	})
}

// TestFirst inserts jobs that others wait for after some that nobody waits for.
func TestFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRunner(t, db)
		begun, proceed := make(chan job.Args, 10), make(chan struct{})
		job.Handle(r, func(_ context.Context, args sorting) error {
			begun <- args
			<-proceed
			return nil
		}, job.Options{})
		job.Handle(r, func(_ context.Context, args other) error {
			begun <- args
			<-proceed
			return nil
		}, job.Options{Priority: job.First})
		insert(t, db, r, sorting{Most: 1}, sorting{Most: 2}, sorting{Most: 3}, other{}, other{})
		start(t, r)
		for range 2 { // as many as are worked on at once
			if got := <-begun; got != (other{}) {
				t.Errorf("%#v is begun first", got)
			}
		}
		close(proceed)
		for range 3 {
			if got := <-begun; got == (other{}) {
				t.Error("one too many is begun")
			}
		}
	})
}

// TestLater does a job in three goes, the last of them whole.
func TestLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRunner(t, db)
		goes := 0
		job.Handle(r, func(context.Context, sorting) error {
			if goes++; goes < 3 {
				return job.Later(0)
			}
			return nil
		}, job.Options{})
		insert(t, db, r, sorting{})
		start(t, r)
		await(t, r, 1)
		var failures *string
		if err := db.Reader.QueryRowContext(t.Context(), `SELECT CAST(errors AS text) FROM river_job`).Scan(&failures); err != nil {
			t.Fatal(err)
		}
		if goes != 3 || failures != nil && *failures != "[]" && *failures != "{}" {
			t.Errorf("%d goes, failures %v", goes, failures)
		}
	})
}

// TestUnique asks for the same again while a job waits, while it is at work, and when it is done.
func TestUnique(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRunner(t, db)
		begun, proceed := make(chan sorting, 10), make(chan struct{})
		job.Handle(r, func(_ context.Context, args sorting) error {
			begun <- args
			<-proceed
			return nil
		}, job.Options{Unique: true})
		one, two := sorting{Most: 1}, sorting{Most: 2}
		insert(t, db, r, one, two, one)
		insert(t, db, r, two)
		if n := inserted(t, db, one); n != 2 {
			t.Errorf("%d jobs wait", n)
		}
		start(t, r)
		if a, b := <-begun, <-begun; a == b {
			t.Errorf("%v is begun twice", a)
		}
		insert(t, db, r, one)
		if n := inserted(t, db, one); n != 2 {
			t.Errorf("while they are at work there are %d jobs", n)
		}
		close(proceed)
		await(t, r, 2)
		insert(t, db, r, one)
		if got := <-begun; got != one {
			t.Errorf("got %v", got)
		}
		if n := inserted(t, db, one); n != 3 {
			t.Errorf("in the end there are %d jobs", n)
		}
	})
}

// TestEvery has a daily job in three processes, the third of which starts when it is done.
func TestEvery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		began := time.Now()
		daily := func() (*job.Runner, func()) {
			r := newRunner(t, db)
			job.Handle(r, func(_ context.Context, args sorting) error {
				if args != (sorting{}) {
					t.Errorf("got %v", args)
				}
				return nil
			}, job.Options{Every: 24 * time.Hour})
			// What is inserted in the same breath.
			job.Handle(r, func(context.Context, other) error { return nil }, job.Options{Every: time.Second})
			return r, start(t, r)
		}
		first, stopFirst := daily()
		_, stopSecond := daily()
		await(t, first, 3)
		stopFirst()
		stopSecond()
		before := inserted(t, db, other{})
		third, stopThird := daily()
		for inserted(t, db, other{}) < before+2 {
			continue
		}
		stopThird()
		const day = 24 * time.Hour
		days := int(time.Now().Truncate(day).Sub(began.Truncate(day))/day) + 1
		if n := inserted(t, db, sorting{}); n < 1 || n > days {
			t.Errorf("the daily job was inserted %d times in %d days", n, days)
		}
		jobs, err := third.Count(t.Context())
		if text, _ := json.Marshal(jobs); err != nil || jobs["completed"] < 3 {
			t.Errorf("got %s, %v", text, err)
		}
	})
}

// TestKindsThatCannotBe are mistakes of whoever writes the program.
func TestKindsThatCannotBe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		nothing := func(context.Context, sorting) error { return nil }
		for name, handle := range map[string]func(r *job.Runner){
			"known":        func(r *job.Runner) { job.Handle(r, nothing, job.Options{}); job.Handle(r, nothing, job.Options{}) },
			"too often":    func(r *job.Runner) { job.Handle(r, nothing, job.Options{Every: time.Millisecond}) },
			"too seldom":   func(r *job.Runner) { job.Handle(r, nothing, job.Options{Every: 25 * time.Hour}) },
			"both at once": func(r *job.Runner) { job.Handle(r, nothing, job.Options{Every: time.Hour, Unique: true}) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: it is taken", name)
					}
				}()
				handle(newRunner(t, db))
			}()
		}
	})
}
