package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/examples"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is when the demo ends.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// The examples, one after the other, on the demo's data.
func TestExamples(t *testing.T) {
	files, err := fs.Glob(examples.Files, "*.graphql")
	if err != nil || len(files) < 10 {
		t.Fatalf("the examples are %v, %v", files, err)
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		address, secret, known := serve(t, url, t.TempDir(), func(context.Context, *app.App) error { return nil })
		for _, name := range files {
			t.Run(name, func(t *testing.T) {
				text, err := fs.ReadFile(examples.Files, name)
				if err != nil {
					t.Fatal(err)
				}
				got := ask(t, address, secret, string(text), known)
				golden := filepath.Join("testdata", strings.TrimSuffix(name, ".graphql")+".json")
				if *update && strings.Contains(t.Name(), "/sqlite/") {
					if err := os.WriteFile(golden, got, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	})
}

// enlarge adds a campaign of so many different people, who have all answered in each of nine months, as far as the cube
// goes.
func enlarge(ctx context.Context, a *app.App, people int) error {
	ctx, tenant, err := a.As(ctx, "")
	if err != nil {
		return err
	}
	made, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: "Everybody"})
	if err != nil {
		return err
	}
	s, err := settings.Load(ctx, a.DB, tenant)
	if err != nil {
		return err
	}
	g := s.Active
	known := g.Profiles.Len()
	for i := 0; g.Profiles.Len() < people; i++ {
		rest := i
		values := make([]string, len(g.Shape.Dimensions))
		for j, d := range g.Shape.Dimensions {
			values[j] = fmt.Sprint(d.Key, rest%5)
			rest /= 5
		}
		g.Profiles.Place("WIDGET", fmt.Sprint("v", rest), values)
	}
	change := cube.Change{Deltas: cube.Deltas{}, Grown: g.Since(known)}
	month := calendar.Monthly.Start(calendar.DayOf(now, g.Zone()))
	for range 9 {
		month = calendar.Monthly.Start(month - 1)
		for grain, start := range map[cube.Grain]calendar.Day{cube.MonthTotal: month, cube.DayTotal: month + 14} {
			change.Deltas[cube.Key{Generation: g.Number, Grain: grain, Campaign: made.ID, Start: start}] = nps.Histogram{9: int64(people)}
		}
	}
	return a.DB.WriteSettings(ctx, tenant, func(tx *store.Tx) error {
		if err := change.Apply(ctx, a.DB.Dialect, tx.SQL, tenant); err != nil {
			return err
		}
		_, err := tx.SQL.ExecContext(ctx, `INSERT INTO cells
			SELECT c.tenant_id, c.cube, c.grain - 2, c.campaign_id, c.start, p.id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, c.changed
			FROM cells c JOIN profiles p ON p.tenant_id = c.tenant_id AND p.cube = c.cube
			WHERE c.tenant_id = $1 AND c.cube = $2 AND c.campaign_id = $3`, tenant, g.Number, made.ID)
		return err
	})
}

// Whoever has as many different people as a tenant may have can ask for all of it, and at the price of one request.
func TestExamplesOfManyPeople(t *testing.T) {
	files, err := fs.Glob(examples.Files, "*.graphql")
	if err != nil {
		t.Fatal(err)
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		address, secret, known := serve(t, url, t.TempDir(), func(ctx context.Context, a *app.App) error { return enlarge(ctx, a, trait.MaxProfiles-100) })
		for _, name := range files {
			text, err := fs.ReadFile(examples.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\nsubscription ") {
				continue // it is of what comes, not of what there is
			}
			if got := ask(t, address, secret, string(text), known); bytes.Contains(got, []byte(`"errors"`)) {
				t.Errorf("%s: %.500s", name, got)
			}
		}
	})
}

// Whoever pastes what docs/outreach.md shows into the demo's playground gets an answer.
func TestQueriesOfOutreach(t *testing.T) {
	text, err := os.ReadFile("../docs/outreach.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?ms)^ *```graphql\n(.*?)^ *```$").FindAllStringSubmatch(string(text), -1)
	if len(queries) < 8 {
		t.Fatalf("there are %d queries", len(queries))
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		mails := t.TempDir()
		address, secret, known := serve(t, url, mails, func(context.Context, *app.App) error { return nil })
		known["search"] = "jansen"
		for _, q := range queries {
			if strings.Contains(q[1], "$code:") {
				known["code"] = code(t, mails)
			}
			ask(t, address, secret, q[1], known)
		}
	})
}

// code is what is in the one mail that is there.
func code(t *testing.T, mails string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(mails, "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the mails are %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`The code is (\d+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("there is no code in %s", text)
	}
	return string(found[1])
}

// serve serves the demo's data, and what more adds, and gives the address, the secret of a key, and what the examples' variables
// stand for. Its mails are files in a folder.
func serve(t *testing.T, url, mails string, more func(context.Context, *app.App) error) (address, secret string, known map[string]any) {
	t.Helper()
	a, err := app.Open(t.Context(), app.Config{
		Database: url, Volatile: true, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, d, secret, err := a.Seed(t.Context(), now)
	if err == nil {
		err = more(t.Context(), a)
	}
	if err != nil {
		t.Fatal(errors.Join(err, a.Close()))
	}
	s, err := a.Listen(t.Context(), "127.0.0.1:0", app.Edge{Mail: app.Mail{MailFolder: mails}}, playground.Page{})
	if err != nil {
		t.Fatal(errors.Join(err, a.Close()))
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Wait(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := errors.Join(<-stopped, a.Close()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr.String() + "/graphql", secret, d.Variables()
}

// What differs from run to run, and how to show it: ids, and cursors, which hold ids, and on which day somebody would be asked, which goes by
// their id; and the last digits of numbers, on which not all processors agree.
var (
	ids     = regexp.MustCompile(`\b(act|camp|cont|inv|key|resp|seg|supp|tenant|trait)_[0-9a-z]{26}\b`)
	cursors = regexp.MustCompile(`"endCursor":"[^"]+"`)
	slots   = regexp.MustCompile(`(\{"date":"[^"]+","invitations":)\d+`)
	costs   = regexp.MustCompile(`,"extensions":\{"cost":\{[^}]*\}\}`)
	long    = regexp.MustCompile(`-?\d+\.\d{8,}(e-?\d+)?`)
)

func short(number []byte) []byte {
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return number
	}
	return strconv.AppendFloat(nil, f, 'g', 9, 64)
}

// hear does something as soon as the stream is open, and gives its first event.
func hear(t *testing.T, stream io.Reader, do func()) []byte {
	t.Helper()
	lines := bufio.NewScanner(stream)
	for open := false; lines.Scan(); {
		if !open {
			open = true
			do()
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return []byte(data)
		}
	}
	t.Fatalf("nothing was to be heard: %v", lines.Err())
	return nil
}

// ask gives the answer, or of a subscription the first event, which is of a response to the campaign.
func ask(t *testing.T, address, secret, query string, known map[string]any) []byte {
	t.Helper()
	variables := map[string]any{}
	for name, value := range known {
		if strings.Contains(query, "$"+name+":") {
			variables[name] = value
		}
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	listens := strings.Contains(query, "\nsubscription ")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+secret)
	if listens {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text []byte
	if listens {
		text = hear(t, resp.Body, func() {
			ask(t, address, secret, `mutation ($campaign: ID!) { recordResponse(input: { campaign: $campaign, score: 9 }) { response { id } } }`,
				known)
		})
	} else if text, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"errors"`)) || bytes.Contains(text, []byte(`"message"`)) {
		t.Errorf("%d: %s", resp.StatusCode, text)
	}
	var out bytes.Buffer
	text = ids.ReplaceAll(text, []byte("${1}_…"))
	text = cursors.ReplaceAll(text, []byte(`"endCursor":"…"`))
	text = slots.ReplaceAll(text, []byte(`${1}"…"`))
	text = costs.ReplaceAll(text, nil)
	if err := json.Indent(&out, long.ReplaceAllFunc(text, short), "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteString("\n")
	return out.Bytes()
}
