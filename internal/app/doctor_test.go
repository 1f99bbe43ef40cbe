package app_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// examine runs the doctor and gives what it prints.
func examine(t *testing.T, url string, repair bool) (printed string, err error) {
	t.Helper()
	var out strings.Builder
	err = (&app.DoctorCmd{Repair: repair}).Run(t.Context(), &app.Globals{Database: url, Out: &out, Err: &out, LogLevel: slog.LevelError})
	return out.String(), err
}

// TestDoctor spoils a database in one way after the other. Each time the doctor says what differs, mends it, and finds
// nothing the second time; what was recorded is as it was.
func TestDoctor(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		a, err := app.Open(t.Context(), app.Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}()
		made, _, err := tenant.Create(t.Context(), a.DB, tenant.CreateInput{Name: "Ill", TimeZone: "Europe/Amsterdam"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := tenant.Create(t.Context(), a.DB, tenant.CreateInput{Name: "Well", TimeZone: "UTC"}); err != nil {
			t.Fatal(err)
		}
		ctx := auth.ForTenant(t.Context(), made.ID)
		c, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: "Campaign"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Builder.DefineTrait(ctx, cube.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}); err != nil {
			t.Fatal(err)
		}
		record := func(n int) []*ent.Response {
			items := make([]feedback.Recording, n)
			for i := range items {
				items[i] = feedback.Recording{
					Campaign: id.Campaign.Format(c.ID), Score: i % 11, Channel: "API", Traits: trait.Values{"plan": fmt.Sprint(i % 3)},
				}
			}
			out, err := a.Log.Record(ctx, items)
			if err != nil {
				t.Fatal(err)
			}
			recorded := make([]*ent.Response, n)
			for i, o := range out {
				recorded[i] = o.Value
			}
			return recorded
		}
		responses := record(30)
		count := 30
		last := responses[29].ID
		if printed, err := examine(t, url, false); err != nil || !strings.Contains(printed, "nothing wrong") {
			t.Fatalf("to begin with: %v\n%s", err, printed)
		}
		for _, test := range []struct {
			name, spoil string
			args        []any
			// want is what the doctor says, lost how many responses the harm itself has cost.
			want string
			lost int
		}{
			{"a cell counts too much", `UPDATE cells SET s3 = s3 + 1 WHERE tenant_id = $1 AND grain = 2`, nil, "off by [0 0 0 1 0", 0},
			{"a cell is gone", `DELETE FROM cells WHERE tenant_id = $1 AND grain = 1 AND profile_id = 1`, nil, "grain 1", 0},
			{"a cell too many", `INSERT INTO cells SELECT tenant_id, cube, grain, campaign_id, start - 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
				FROM cells WHERE tenant_id = $1 AND grain = 2`, nil, "off by [1 0 0", 0},
			{"all cells are gone", `DELETE FROM cells WHERE tenant_id = $1`, nil, "grain 3", 0},
			{"the last profile is gone", `DELETE FROM profiles WHERE tenant_id = $1 AND id = 3`, nil, "lacks 1 profiles", 0},
			{"the first profile is gone", `DELETE FROM profiles WHERE tenant_id = $1 AND id = 1`, nil, "profile 1 is missing", 0},
			{"all profiles are gone", `DELETE FROM profiles WHERE tenant_id = $1`, nil, "lacks 3 profiles", 0},
			{"a profile is another", `UPDATE profiles SET dimension_values = '["gold"]' WHERE tenant_id = $1 AND id = 2`, nil, "lacks 1 profiles", 0},
			{"two profiles are one", `UPDATE profiles SET dimension_values = '["0"]' WHERE tenant_id = $1 AND id < 3`, nil, "are equal", 0},
			{"a profile without values", `UPDATE profiles SET dimension_values = '[]' WHERE tenant_id = $1 AND id = 1`, nil, "has 0 values", 0},
			{"the position is behind", `UPDATE tenants SET log_position = 0 WHERE id = $1`, nil, "position is 0", 0},
			{"an event is gone", `DELETE FROM events WHERE tenant_id = $1 AND position = 7`, nil, "1 responses have no event", 0},
			{"events are gone", `DELETE FROM events WHERE tenant_id = $1 AND position IN (3, 4, 9)`, nil, "3 responses have no event", 0},
			{"the last event is gone", `DELETE FROM events WHERE tenant_id = $1 AND response_id = $2`, []any{last}, "1 responses have no event", 0},
			{"a score is another", `UPDATE responses SET score = 10 - score WHERE tenant_id = $1 AND id = $2`, []any{last}, "1 responses are not what", 0},
			{"a response is gone", `DELETE FROM responses WHERE tenant_id = $1 AND id = $2`, []any{last}, "1 responses are not what", 1},
			{"an event too many", `INSERT INTO events SELECT tenant_id, 1 + (SELECT max(position) FROM events WHERE tenant_id = $1), 3, at, response_id, campaign_id, NULL, score
				FROM events WHERE tenant_id = $1 AND position = 1`, nil, "1 responses are not what", 0},
		} {
			if _, err := a.DB.Writer.ExecContext(ctx, test.spoil, append([]any{made.ID}, test.args...)...); err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			count -= test.lost
			printed, err := examine(t, url, false)
			if err == nil || !strings.Contains(printed, "wrong: ") || !strings.Contains(printed, test.want) {
				t.Errorf("%s: got %v, %q; want %q", test.name, err, printed, test.want)
			}
			if again, err := examine(t, url, false); err == nil || again != printed {
				t.Errorf("%s: asked again, the doctor has another opinion: %v, %s", test.name, err, again)
			}
			printed, err = examine(t, url, true)
			if err != nil || !strings.Contains(printed, "mended: ") {
				t.Errorf("%s: mending: %v, %s", test.name, err, printed)
			}
			if printed, err := examine(t, url, false); err != nil {
				t.Fatalf("%s: once mended: %v, %s", test.name, err, printed)
			}
			// The program goes on, with what it has in memory.
			record(2)
			count += 2
			if got := counted(t, a, made.ID); got != count {
				t.Errorf("%s: %d responses are counted, want %d", test.name, got, count)
			}
			if printed, err := examine(t, url, false); err != nil {
				t.Fatalf("%s: gone on: %v, %s", test.name, err, printed)
			}
		}

		// What only a backup knows stays wrong, and is named again; a position is never taken back.
		if _, err := a.DB.Writer.ExecContext(ctx, `UPDATE tenants SET log_position = log_position + 5, revision = revision + 1 WHERE id = $1`, made.ID); err != nil {
			t.Fatal(err)
		}
		if printed, err := examine(t, url, true); err == nil || !strings.Contains(printed, "only a backup knows") {
			t.Errorf("a position ahead: %v, %s", err, printed)
		}
		if _, err := a.Log.Amend(ctx, feedback.Amendment{ID: responses[5].NodeID(), Score: new(10)}); err != nil {
			t.Fatal(err)
		}
		record(1)
		if _, err := a.DB.Writer.ExecContext(ctx, `DELETE FROM events WHERE tenant_id = $1 AND response_id = $2 AND kind = 1`, made.ID, responses[5].ID); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if printed, err := examine(t, url, true); err == nil || !strings.Contains(printed, "only a backup knows") {
				t.Errorf("a gap: %v, %s", err, printed)
			}
		}
	})
}

func counted(t *testing.T, a *app.App, tenantID uuid.UUID) int {
	t.Helper()
	f, err := a.Insight.Feedback(auth.ForTenant(t.Context(), tenantID), feedback.Filter{}, feedback.Within{})
	if err != nil {
		t.Fatal(err)
	}
	score, err := f.Score(auth.ForTenant(t.Context(), tenantID))
	if err != nil {
		t.Fatal(err)
	}
	return score.Responses()
}
