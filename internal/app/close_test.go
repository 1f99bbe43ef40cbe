package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// deaf is a job that does not end when it is told to.
type deaf struct{}

func (deaf) Kind() string { return "deaf" }

// spoken is what was logged, as far as there is room for it.
type spoken chan string

func (s spoken) Write(b []byte) (int, error) {
	select {
	case s <- string(b):
	default:
	}
	return len(b), nil
}

// TestCloseLeavesJobs closes while a job takes as long as it likes: that is no failure, since the job is done again, and it is said.
func TestCloseLeavesJobs(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		log := make(spoken, 100)
		a, err := Open(t.Context(), Config{Database: url, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		job.Handle(a.jobs, func(context.Context, deaf) error {
			close(begun)
			<-release
			close(ended)
			return nil
		}, job.Options{})
		err = a.DB.Write(t.Context(), func(tx *store.Tx) error { return a.jobs.Insert(t.Context(), tx, deaf{}) })
		if err == nil {
			err = a.Work(t.Context())
		}
		if err != nil {
			close(release)
			t.Fatal(errors.Join(err, a.Close()))
		}
		<-begun
		err = a.Close()
		said := false
		for len(log) > 0 {
			said = said || strings.Contains(<-log, "jobs are left as they are")
		}
		close(release)
		<-ended
		if err != nil || !said {
			t.Errorf("closing says %v, and that jobs are left %t", err, said)
		}
	})
}
