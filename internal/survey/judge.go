package survey

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/click"
)

const (
	// judgedEvery is how often it is looked what is to be judged, and forgottenEvery what is old.
	judgedEvery, forgottenEvery = 3 * time.Second, time.Hour
	// judgePatience is how long judging one look may take.
	judgePatience = 10 * time.Second
)

// Judge decides, where a campaign's clicks become answers by themselves, which do. Several processes may have one each.
type Judge struct {
	book   *Book
	desk   *Desk
	clicks *click.Clicks
	now    func() time.Time
	log    *slog.Logger

	stop context.CancelFunc
	done sync.WaitGroup
}

// NewJudge makes a Judge, which does nothing by itself until Start. now nil is time.Now.
func NewJudge(book *Book, desk *Desk, clicks *click.Clicks, now func() time.Time, log *slog.Logger) *Judge {
	if now == nil {
		now = time.Now
	}
	return &Judge{book: book, desk: desk, clicks: clicks, now: now, log: log}
}

// Start begins to judge, and to forget what is old, until Close.
func (j *Judge) Start() {
	var ctx context.Context
	ctx, j.stop = context.WithCancel(context.Background())
	caught := flight.Logged(j.log, "judging clicks")
	j.done.Add(1)
	flight.Go(func() {
		defer j.done.Done()
		flight.Steadily(ctx, func() { j.run(ctx) }, caught)
	}, caught)
}

// Close ends what Start has begun.
func (j *Judge) Close() {
	if j.stop != nil {
		j.stop()
	}
	j.done.Wait()
}

func (j *Judge) run(ctx context.Context) {
	tick := time.NewTicker(judgedEvery)
	defer tick.Stop()
	var forgotten time.Time
	tell := func(doing string, err error) {
		if err != nil && ctx.Err() == nil && !store.MayPass(err) {
			j.log.ErrorContext(ctx, doing, "error", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		tell("judging clicks", j.Sweep(ctx))
		if time.Since(forgotten) > forgottenEvery {
			err := j.clicks.Forget(ctx, j.now())
			tell("forgetting old clicks", err)
			if err == nil {
				forgotten = time.Now()
			}
		}
	}
}

// Sweep judges what is due. Whoever is killed while he does loses nothing: it is judged again a minute later.
func (j *Judge) Sweep(ctx context.Context) error {
	for {
		due, err := j.clicks.Due(ctx, j.now())
		if err != nil || len(due) == 0 {
			return err
		}
		for _, look := range due {
			is, err := j.one(ctx, look)
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				if !store.MayPass(err) {
					j.log.ErrorContext(ctx, "judging a click", "campaign", look.Place.Campaign, "error", err)
				}
				continue // it is due again when the lease has ended
			}
			j.clicks.Judged(look, is)
		}
	}
}

// one judges a look, and reports whether there is an answer.
func (j *Judge) one(ctx context.Context, look click.Due) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, judgePatience)
	defer cancel()
	s, err := j.book.Sheet(ctx, look.Place.Campaign)
	if err != nil {
		return false, err
	}
	if look.Suspect || s == nil || s.Survey.ClickPolicy != Automatic {
		return false, nil
	}
	return j.desk.Count(ctx, s, look)
}
