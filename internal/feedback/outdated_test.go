package feedback_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestFlushPreparesAgain has the session forget the flush's statement, and changes the type of what it returns.
func TestFlushPreparesAgain(t *testing.T) {
	f := feedbacktest.New(t, storetest.Open(t, pgtest.URL(t)))
	for n, change := range []string{`SELECT 1`, `DEALLOCATE ALL`, `ALTER TABLE tenants ALTER log_position TYPE integer`} {
		if _, err := f.DB.Writer.Exec(change); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f.Record(f.Recording())
		}
		holds(f, 2*n+2, 0, 2*n+2)
	}
}
