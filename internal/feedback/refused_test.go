package feedback_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// What the database refuses fails alone, whatever is recorded with it: also where it refuses it as it does what others have come in between, and
// does so for ever.
func TestWhatIsRefusedFailsAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		refuse := []string{`CREATE TRIGGER refuse BEFORE INSERT ON responses WHEN NEW.comment = 'bad'
			BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END`}
		if db.Dialect == store.Postgres {
			refuse = []string{
				`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE foreign_key_violation; END $$`,
				`CREATE TRIGGER refuse BEFORE INSERT ON responses FOR EACH ROW WHEN (NEW.comment = 'bad') EXECUTE FUNCTION refuse()`,
			}
		}
		for _, statement := range refuse {
			if _, err := db.Writer.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		items := make([]feedback.Recording, 5)
		for i := range items {
			if items[i] = f.Recording(); i == 2 {
				items[i].Comment = new("bad")
			}
		}
		out, err := f.Log.Record(f.Ctx, items)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range out {
			if i != 2 && o.Value == nil {
				t.Errorf("response %d: %v", i, o.Errors)
			}
			if i == 2 && (len(o.Errors) != 1 || o.Errors[0].Code != apierror.Invalid) {
				t.Errorf("the bad one: %v", o.Errors)
			}
		}
		holds(f, 4, 0, 4)
	})
}
