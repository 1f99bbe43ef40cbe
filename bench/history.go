//go:build linux

package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// question is one of a dashboard, and the SQL that would answer it from the responses.
type question struct {
	name, query string
	// where narrows, and byTraits groups, in SQL; where both are empty the months are counted by a covering index.
	where    string
	byTraits bool
}

var questions = []question{
	{name: "12-month trend", query: `feedback(filter: $filter) { trend { start score { nps responses interval { low high } } } }`},
	{
		name: "12-month trend of a segment", query: `feedback(filter: $filter) { trend { start score { nps responses interval { low high } } } }`,
		where: ` AND traits->>'plan' IN ('plan-1', 'plan-2') AND traits->>'region' IN ('region-1', 'region-4', 'region-7')`,
	},
	{
		name: "breakdown of 12 months by two traits", byTraits: true,
		query: `feedback(filter: $filter) { breakdown(by: ["plan", "region"]) { values share score { nps responses } versusRest { difference significant } } }`,
	},
}

var segmentRule = map[string]any{"all": []any{
	map[string]any{"trait": map[string]any{"key": "plan", "in": []string{"plan-1", "plan-2"}}},
	map[string]any{"trait": map[string]any{"key": "region", "in": []string{"region-1", "region-4", "region-7"}}},
}}

// year is the last twelve of the months that the answers are of.
func year() (bounds []calendar.Day, err error) {
	_, to, _, err := span()
	for n := range 13 {
		bounds = append(bounds, calendar.Monthly.Add(to+1, n-12))
	}
	return bounds, err
}

func (q question) body(w world) ([]byte, error) {
	bounds, err := year()
	if err != nil {
		return nil, err
	}
	filter := map[string]any{"campaigns": []string{id.Campaign.Format(w.campaign)}, "from": bounds[0].String(), "to": (bounds[12] - 1).String()}
	if q.where != "" {
		filter["where"] = segmentRule
	}
	return body(`query ($filter: FeedbackFilter!) { `+q.query+` }`, map[string]any{"filter": filter})
}

// sql are the best ways that we found to answer the question from the responses: a count for each range between month
// bounds, and, where the rows themselves must be read, one scan that tells the months apart by the same bounds.
func (q question) sql(w world) (texts []string, args []any, err error) {
	bounds, err := year()
	if err != nil {
		return nil, nil, err
	}
	where, err := calendar.LoadZone(zone)
	if err != nil {
		return nil, nil, err
	}
	args = []any{w.tenant, w.campaign}
	for _, b := range bounds {
		args = append(args, b.Start(where).UTC())
	}
	const counts = `count(*), count(*) FILTER (WHERE score >= 9), count(*) FILTER (WHERE score <= 6) FROM responses WHERE tenant_id = $1 AND campaign_id = $2`
	if q.byTraits {
		args = []any{w.tenant, w.campaign, args[2], args[14]}
		return []string{`SELECT traits->>'plan', traits->>'region', ` + counts + ` AND responded_at >= $3 AND responded_at < $4 GROUP BY 1, 2`}, args, nil
	}
	var months, cases []string
	for n := range 12 {
		months = append(months, fmt.Sprintf(`SELECT '', '%02d', %s AND responded_at >= $%d AND responded_at < $%d%s`, n, counts, n+3, n+4, q.where))
		cases = append(cases, fmt.Sprintf(` WHEN responded_at < $%d THEN '%02d'`, n+4, n))
	}
	texts = []string{strings.Join(months, " UNION ALL ")}
	if q.where != "" {
		texts = append(texts, `SELECT '', CASE`+strings.Join(cases, "")+` END, `+counts+` AND responded_at >= $3 AND responded_at < $15`+q.where+` GROUP BY 2`)
	}
	return texts, args, nil
}

// ask puts a request to the handler within this process, and returns how long it took.
func ask(ctx context.Context, h http.Handler, w world, request []byte) (answer []byte, took time.Duration, err error) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(request))
	r.Header.Set("Authorization", "Bearer "+w.secret)
	r.Header.Set("Content-Type", "application/json")
	to := httptest.NewRecorder()
	began := time.Now()
	h.ServeHTTP(to, r)
	took = time.Since(began)
	if answer = to.Body.Bytes(); to.Code != http.StatusOK || bytes.Contains(answer, []byte(`"errors"`)) {
		return nil, 0, fmt.Errorf("the server answered %d %s", to.Code, answer)
	}
	return answer, took, nil
}

// counted is how many responses an answer speaks of.
func counted(answer []byte) (total int, err error) {
	type score struct{ Responses int }
	var found struct {
		Data struct {
			Feedback struct {
				Trend, Breakdown []struct{ Score score }
			}
		}
	}
	err = json.Unmarshal(answer, &found)
	f := found.Data.Feedback
	for _, p := range append(f.Trend, f.Breakdown...) {
		total += p.Score.Responses
	}
	return total, err
}

// asked is what a question took, in milliseconds: in the server, over HTTP, and in SQL over the responses.
type asked struct{ server, http, sql sample }

// trends asks the questions of a world and checks that the cube's answers are those of the responses.
func (b *bench) trends(ctx context.Context, w world) (map[string]*asked, error) {
	out := map[string]*asked{}
	err := w.with(ctx, func(ctx context.Context, a *app.App) error {
		_, err := a.DB.Writer.ExecContext(ctx, `CREATE INDEX bench_covering ON responses (tenant_id, campaign_id, responded_at, score)`)
		if err != nil {
			return err
		}
		vacuum := `VACUUM (ANALYZE) responses`
		if a.DB.Dialect == store.SQLite {
			vacuum = `ANALYZE`
		}
		if _, err := a.DB.Writer.ExecContext(ctx, vacuum); err != nil {
			return err
		}
		h, err := a.API(app.Edge{})
		if err != nil {
			return err
		}
		for _, q := range questions {
			if out[q.name], err = b.trend(ctx, a, h, w, q); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s, err := b.serve(ctx, w.url, fmt.Sprintf("c-trends-%d", w.answers))
	if err != nil {
		return nil, err
	}
	for _, q := range questions {
		request, err := q.body(w)
		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		for range b.rounds {
			got, err := b.drive(ctx, s, load{
				Key: w.secret, Connections: 1, Seconds: min(1, b.seconds), Expect: `{"data":{`, Bodies: [][]byte{request},
			})
			if err != nil {
				return nil, errors.Join(err, s.Stop())
			}
			out[q.name].http = append(out[q.name].http, got.P50)
		}
	}
	return out, s.Stop()
}

// times asks a question 40 times and returns the median in milliseconds, and how many responses the answer counts.
func times(ctx context.Context, h http.Handler, w world, request []byte) (ms float64, total int, err error) {
	var took sample
	var answer []byte
	for range 40 {
		var one time.Duration
		if answer, one, err = ask(ctx, h, w, request); err != nil {
			return 0, 0, err
		}
		took = append(took, float64(one)/1e6)
	}
	total, err = counted(answer)
	return took.median(), total, err
}

func (b *bench) trend(ctx context.Context, a *app.App, h http.Handler, w world, q question) (*asked, error) {
	request, err := q.body(w)
	if err != nil {
		return nil, err
	}
	texts, args, err := q.sql(w)
	if err != nil {
		return nil, err
	}
	var best *sql.Stmt
	var least time.Duration
	for _, text := range texts { // warms up, too
		stmt, err := a.DB.Reader.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		defer stmt.Close()
		_, took, err := sum(ctx, stmt, args)
		if err != nil {
			return nil, err
		}
		if best == nil || took < least {
			best, least = stmt, took
		}
	}
	if _, _, err := times(ctx, h, w, request); err != nil {
		return nil, err
	}
	out := &asked{}
	for range b.rounds {
		ms, total, err := times(ctx, h, w, request)
		if err != nil {
			return nil, err
		}
		rows, took, err := sum(ctx, best, args)
		if err != nil {
			return nil, err
		}
		if rows != total || total == 0 {
			return nil, fmt.Errorf("the cube counts %d responses, SQL %d", total, rows)
		}
		out.server, out.sql = append(out.server, ms), append(out.sql, float64(took)/1e6)
	}
	say("  %s of %d responses: %v ms, SQL %v ms", q.name, w.answers, out.server, out.sql)
	return out, nil
}

// ratios compares what questions take in two worlds, in turn.
func (b *bench) ratios(ctx context.Context, small, large world) (map[string]sample, error) {
	out := map[string]sample{}
	err := small.with(ctx, func(ctx context.Context, few *app.App) error {
		return large.with(ctx, func(_ context.Context, many *app.App) error {
			fewHandler, err := few.API(app.Edge{})
			if err != nil {
				return err
			}
			manyHandler, err := many.API(app.Edge{})
			if err != nil {
				return err
			}
			for _, q := range questions {
				fewBody, err := q.body(small)
				if err != nil {
					return err
				}
				manyBody, err := q.body(large)
				if err != nil {
					return err
				}
				for round := range 2*b.rounds + 1 { // the first warms up
					f, _, err := times(ctx, fewHandler, small, fewBody)
					if err != nil {
						return err
					}
					m, _, err := times(ctx, manyHandler, large, manyBody)
					if err != nil {
						return err
					}
					if round > 0 {
						out[q.name] = append(out[q.name], m/f)
					}
				}
			}
			return nil
		})
	})
	return out, err
}

// sum reads all rows and adds up their counts.
func sum(ctx context.Context, stmt *sql.Stmt, args []any) (total int, took time.Duration, err error) {
	began := time.Now()
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var x, y string
		var n, promoters, detractors int
		if err := rows.Scan(&x, &y, &n, &promoters, &detractors); err != nil {
			return 0, 0, err
		}
		total += n
	}
	return total, time.Since(began), rows.Err()
}

// history measures lines c, d and e on databases with two years of answers.
func (b *bench) history(ctx context.Context) error {
	small, err := b.pouredWorld(ctx, "bench_small", b.small)
	if err != nil {
		return err
	}
	// Doctor counts everything again: what was poured is what recording would have made.
	if err := b.doctor(ctx, small); err != nil {
		return err
	}
	if b.wants("d") {
		if err := b.read(ctx, small); err != nil {
			return err
		}
	}
	if b.wants("e") {
		if err := b.start(ctx, small); err != nil {
			return err
		}
	}
	if !b.wants("c") {
		return nil
	}
	few, err := b.trends(ctx, small)
	if err != nil {
		return err
	}
	large, err := b.pouredWorld(ctx, "bench_large", b.size)
	if err != nil {
		return err
	}
	many, err := b.trends(ctx, large)
	if err != nil {
		return err
	}
	ratios, err := b.ratios(ctx, small, large)
	if err != nil {
		return err
	}
	b.reportTrends(few, many, ratios)
	return nil
}

func (b *bench) pouredWorld(ctx context.Context, database string, n int) (world, error) {
	say("loading %d responses into PostgreSQL", n)
	url, err := b.pg.Create(ctx, database)
	if err != nil {
		return world{}, err
	}
	w, err := settle(ctx, url, b.people)
	if err != nil {
		return w, err
	}
	began := time.Now()
	if err := w.pour(ctx, n); err != nil {
		return w, err
	}
	say("  took %.0f s", time.Since(began).Seconds())
	// Else the server would be at it while something else is measured.
	if n > b.small {
		return w, w.pretendIndexed(ctx)
	}
	_, err = w.index(ctx)
	return w, err
}

func (b *bench) doctor(ctx context.Context, w world) error {
	out, err := b.zeroten(ctx, w, "doctor")
	if err != nil {
		return fmt.Errorf("the database is not as recording would have made it: %w: %s", err, out)
	}
	return nil
}

func (b *bench) reportTrends(few, many map[string]*asked, ratios map[string]sample) {
	const section = "PostgreSQL: trends"
	for _, q := range questions {
		f, m := few[q.name], many[q.name]
		for _, size := range []struct {
			n     int
			asked *asked
		}{{b.small, f}, {b.size, m}} {
			l := line{
				section: section, what: fmt.Sprintf("%s, %s responses, in the server", q.name, number(float64(size.n))), unit: "ms",
				ours: size.asked.server, beside: "SQL over the responses", rival: size.asked.sql,
				ratio: size.asked.sql.median() / size.asked.server.median(),
			}
			if size.n == b.size {
				if q.where == "" && !q.byTraits {
					l.goal, l.reached = "≤ 3 ms and ≥ 200 × faster than SQL", new(l.ours.median() <= 3 && l.ratio >= 200)
				} else {
					l.goal, l.reached = "≤ 15 ms", new(l.ours.median() <= 15)
				}
			}
			b.report.add(l)
			b.report.add(line{section: section, what: fmt.Sprintf("%s, %s responses, over HTTP", q.name, number(float64(size.n))), unit: "ms", ours: size.asked.http})
		}
		b.report.add(line{
			section: section, what: q.name + ": " + number(float64(b.size)) + " responses to " + number(float64(b.small)) + ", in turn", unit: "×",
			ours: ratios[q.name], goal: "≤ 1.2 × the time", reached: new(ratios[q.name].median() <= 1.2),
			limit: "the number of cells that it reads, which is the same; of a small campaign some have nothing",
		})
	}
}

// start measures line e.
func (b *bench) start(ctx context.Context, w world) error {
	const section = "PostgreSQL: start and memory"
	say("starting")
	var starts, idle sample
	for range b.rounds {
		s, err := b.serve(ctx, w.url, "e-start")
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // what River and the pools do at first is over
		rss, err := s.Memory("VmRSS")
		if err = errors.Join(err, s.Stop()); err != nil {
			return err
		}
		starts, idle = append(starts, s.Started.Seconds()*1e3), append(idle, rss)
	}
	b.report.add(line{section: section, what: "start on an existing database, to the first answer", unit: "ms", ours: starts, goal: "≤ 1 s", reached: new(starts.median() <= 1_000)})
	b.report.add(line{section: section, what: "memory when idle", unit: "MiB", ours: idle, goal: "≤ 60 MiB", reached: new(idle.median() <= 60)})
	return nil
}

// sqlite measures line f.
func (b *bench) sqlite(ctx context.Context) error {
	say("SQLite: %d contacts", b.people)
	const section = "SQLite"
	w, err := settle(ctx, "sqlite://"+b.temp+"/record.db", b.people)
	if err != nil {
		return err
	}
	r := &recorder{bench: b, world: w, count: func(ctx context.Context) (n int, err error) {
		err = w.with(ctx, func(ctx context.Context, a *app.App) error {
			return a.DB.Reader.QueryRowContext(ctx, `SELECT count(*) FROM responses`).Scan(&n)
		})
		return n, err
	}}
	var single, bulk sample
	var most float64
	var cost string
	err = r.served(ctx, "f-sqlite", func() error {
		many, err := w.bulks(false)
		if err != nil {
			return err
		}
		for round := range b.rounds {
			one, err := w.singles(round)
			if err != nil {
				return err
			}
			rate, err := r.round(ctx, 64, 1, one, b.seconds)
			if err != nil {
				return err
			}
			single, cost = append(single, rate), r.cost
			if rate, err = r.round(ctx, 4, 1_000, many, b.seconds); err != nil {
				return err
			}
			bulk = append(bulk, rate)
		}
		most, err = r.server.Memory("VmHWM")
		return err
	})
	if err != nil {
		return err
	}
	b.report.add(line{section: section, what: "recordResponse, one a request, 64 connections", unit: "responses/s", ours: single, limit: cost})
	b.report.add(line{section: section, what: "recordResponses, 1,000 a request, 4 connections", unit: "responses/s", ours: bulk, limit: r.cost})
	b.report.add(line{section: section, what: "memory at most, under both", unit: "MiB", ours: sample{most}})
	for _, n := range []int{b.small, b.small * 10} {
		say("recording %d responses into SQLite", n)
		w, err := settle(ctx, fmt.Sprintf("sqlite://%s/history-%d.db", b.temp, n), b.people)
		if err != nil {
			return err
		}
		if err := w.record(ctx, n); err != nil {
			return err
		}
		found, err := b.trends(ctx, w)
		if err != nil {
			return err
		}
		for _, q := range questions {
			f := found[q.name]
			b.report.add(line{
				section: section, what: fmt.Sprintf("%s, %s responses, in the server", q.name, number(float64(n))), unit: "ms", ours: f.server,
				beside: "SQL over the responses", rival: f.sql, ratio: f.sql.median() / f.server.median(),
			})
		}
		if err := os.Remove(strings.TrimPrefix(w.url, "sqlite://")); err != nil {
			return err
		}
	}
	return nil
}
