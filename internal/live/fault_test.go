package live

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// What trying again does not mend ends those who listen, with a fault that is one for all of them.
func TestFaultsEnd(t *testing.T) {
	each(t, roomy, func(w *world) {
		other := begin(w.t, w.db, roomy, time.Hour, false)
		other.stop() // its log tells nobody
		attached := w.subscribe(w.ctx, selection.Filter{}, nil)
		w.record(1)
		w.next(attached)
		behind := w.subscribe(w.ctx, selection.Filter{}, new(int64))
		watch, err := w.hub.Watch(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		defer watch.Close()
		if _, err := watch.Next(w.ctx); err != nil {
			w.t.Fatal(err)
		}
		if _, err := other.log.Record(w.ctx, []feedback.Recording{w.recording()}); err != nil {
			w.t.Fatal(err)
		}
		for _, table := range []string{"events", "tenants"} {
			if _, err := w.db.Writer.ExecContext(w.ctx, "ALTER TABLE "+table+" RENAME TO lost_"+table); err != nil {
				w.t.Fatal(err)
			}
		}
		for name, next := range map[string]func() error{
			"behind": func() error { _, err := behind.Next(w.ctx); return err },
			"attached": func() error {
				for {
					w.hub.tail.Hint(w.tenant, 1<<40) // as a notification does
					ctx, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
					_, err := attached.Next(ctx)
					cancel()
					if !errors.Is(err, context.DeadlineExceeded) && err != nil {
						return err
					}
				}
			},
			"watch": func() error {
				poke(watch.ready)
				for {
					if _, err := watch.Next(w.ctx); err != nil {
						return err
					}
				}
			},
		} {
			fault, ok := errors.AsType[*flight.Fault](next())
			if !ok {
				w.t.Errorf("%s: no fault", name)
				continue
			}
			if id, _ := fault.Incident(); id == "" {
				w.t.Errorf("%s: %v has no incident", name, fault)
			}
		}
	})
}

// An entry that is missing from the log ends those who wait for it.
func TestMissingEntryEnds(t *testing.T) {
	each(t, roomy, func(w *world) {
		w.record(2)
		if _, err := w.db.Writer.ExecContext(w.ctx, "DELETE FROM events"); err != nil {
			w.t.Fatal(err)
		}
		behind := w.subscribe(w.ctx, selection.Filter{}, new(int64))
		_, err := behind.Next(w.ctx)
		if _, ok := errors.AsType[*flight.Fault](err); !ok {
			w.t.Errorf("got %v, want a fault", err)
		}
	})
}

// heard takes a log's lines.
type heard chan string

func (h heard) Write(line []byte) (int, error) {
	select {
	case h <- string(line):
	default: // nobody needs all of them
	}
	return len(line), nil
}

// A log that cannot be read is logged also where only scores are watched, and so nobody is told of its entries.
func TestFaultThatNobodyIsToldOfIsLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		lines := make(heard, 100)
		log := slog.New(slog.NewTextHandler(lines, nil))
		hub, stop := newHubOf(db, roomy, time.Hour, false, log)
		defer stop()
		w := newWorld(t, begin(t, db, roomy, time.Hour, false))
		watch, err := hub.Watch(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close()
		if _, err := watch.Next(w.ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Writer.ExecContext(w.ctx, "ALTER TABLE events RENAME TO lost_events"); err != nil {
			t.Fatal(err)
		}
		hub.tail.Hint(w.tenant, 1<<40)
		for line := range lines {
			if strings.Contains(line, "following a log") && strings.Contains(line, "events") && strings.Contains(line, "level=ERROR") {
				return
			}
			t.Errorf("it says %s", line)
		}
	})
}
