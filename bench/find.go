//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// tier is a trait that one response in rareOf has.
	tier   = "tier"
	rareOf = 10_000
	// topics is how many words there are one of which is in each comment.
	topics = 1_000
)

func isRare(i int) bool { return mix(uint64(i)+1<<52)%rareOf == 0 }

// topic is a word that is in one comment of so many.
func topic(n int) string {
	return "q" + string([]byte{byte('a' + n/100%10), byte('a' + n/10%10), byte('a' + n%10)}) + "opic"
}

// remarkWith is a comment with a word of its own.
func remarkWith(i int) string {
	return strings.Replace(remark, "upstairs", "and the "+topic(int(mix(uint64(i)+1<<51)%topics))+" upstairs", 1)
}

// index has the search index of the world's tenant hold all its responses, and says how long that took.
func (w *world) index(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	w.loading = true
	defer func() { w.loading = false }()
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		f := follow.Follower{Tenant: w.tenant, Kind: search.Name}
		take := search.Kind(a.DB, slog.Default()).Take
		if err := a.DB.Write(ctx, func(tx *store.Tx) error { return follow.Begin(ctx, a.DB, tx, f, 0) }); err != nil {
			return err
		}
		for position := int64(0); ; {
			entries, err := feedback.ReadEntries(ctx, a.DB, position, 2_000)
			if err != nil || len(entries) == 0 {
				return err
			}
			effects, err := take(ctx, f, entries)
			if err != nil {
				return err
			}
			position = entries[len(entries)-1].Position
			err = a.DB.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.SQL.ExecContext(ctx, `UPDATE followers SET position = $3 WHERE tenant_id = $1 AND kind = $2`, f.Tenant, f.Kind, position)
				return errors.Join(err, effects(tx))
			})
			if err != nil {
				return err
			}
		}
	})
	return time.Since(began), err
}

// pretendIndexed leaves the index empty, and has nobody fill it.
func (w *world) pretendIndexed(ctx context.Context) error {
	return w.with(ctx, func(ctx context.Context, a *app.App) error {
		return a.DB.Write(ctx, func(tx *store.Tx) error {
			return follow.Begin(ctx, a.DB, tx, follow.Follower{Tenant: w.tenant, Kind: search.Name, ID: uuid.Nil}, int64(w.answers))
		})
	})
}

// find measures line h: a list by a word and one by a rare segment, with their counts.
func (b *bench) find(ctx context.Context) error {
	n := max(b.size/10, 100_000)
	for _, database := range []string{"PostgreSQL", "SQLite"} {
		say("%s: %d responses to search", database, n)
		url := "sqlite://" + b.temp + "/find.db"
		if database == "PostgreSQL" {
			var err error
			if url, err = b.pg.Create(ctx, "bench_find"); err != nil {
				return err
			}
		}
		w, err := settle(ctx, url, b.people, tier)
		if err != nil {
			return err
		}
		w.sought = true
		load := w.record
		if database == "PostgreSQL" {
			load = w.pour
		}
		if err := load(ctx, n); err != nil {
			return err
		}
		before, err := b.bytes(ctx, w)
		if err != nil {
			return err
		}
		took, err := w.index(ctx)
		if err != nil {
			return err
		}
		after, err := b.bytes(ctx, w)
		if err != nil {
			return err
		}
		section := database + ": finding"
		b.report.add(line{section: section, what: fmt.Sprintf("taking %s responses into the index, at full speed", number(float64(n))), unit: "responses/s", ours: sample{float64(n) / took.Seconds()}})
		b.report.add(line{section: section, what: "the index on the disk, a response", unit: "bytes", ours: sample{(after - before) / float64(n)}})
		if err := b.found(ctx, w, section); err != nil {
			return err
		}
		if database == "SQLite" {
			if err := os.Remove(strings.TrimPrefix(w.url, "sqlite://")); err != nil {
				return err
			}
		}
	}
	return nil
}

// bytes is how large the world's database is.
func (b *bench) bytes(ctx context.Context, w world) (n float64, err error) {
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		query := `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`
		if a.DB.Dialect == store.Postgres {
			query = `SELECT pg_database_size(current_database())`
		}
		return a.DB.Reader.QueryRowContext(ctx, query).Scan(&n)
	})
	return n, err
}

// found asks for lists and adds a line for each.
func (b *bench) found(ctx context.Context, w world, section string) error {
	rare := map[string]any{"where": map[string]any{"trait": map[string]any{"key": tier, "in": []string{"rare"}}}}
	return w.with(ctx, func(ctx context.Context, a *app.App) error {
		h, err := a.API(app.Edge{RateBurst: 1_000_000_000, RateRestore: 1_000_000_000})
		if err != nil {
			return err
		}
		for _, list := range []struct {
			what   string
			filter func(i int) map[string]any
			common bool
		}{
			{"20 of a list by a word that 1 comment in 1,000 has", func(i int) map[string]any { return map[string]any{"search": topic(i * 37 % topics)} }, false},
			{"20 of a list by the beginning of words that 1 comment in 100 has", func(i int) map[string]any { return map[string]any{"search": topic(i * 370 % topics)[:3]} }, true},
			{"20 of a list by a segment that holds 1 response in 10,000", func(int) map[string]any { return rare }, false},
			{"20 of a list by a word that nobody said", func(i int) map[string]any { return map[string]any{"search": fmt.Sprint("nowhere", i)} }, false},
		} {
			var ms, points sample
			total := 0
			for round := range b.rounds + 1 { // the first warms up
				var times, costs sample
				for i := range 40 {
					request, err := body(`query ($filter: FeedbackFilter!) { responses(first: 20, filter: $filter) { totalCount nodes { id score comment respondedAt } } }`,
						map[string]any{"filter": list.filter(round*40 + i)})
					if err != nil {
						return err
					}
					answer, took, err := ask(ctx, h, w, request)
					if err != nil {
						return err
					}
					var said struct {
						Data       struct{ Responses struct{ TotalCount int } }
						Extensions struct{ Cost struct{ Actual float64 } }
					}
					if err := json.Unmarshal(answer, &said); err != nil {
						return err
					}
					times, costs = append(times, float64(took)/1e6), append(costs, said.Extensions.Cost.Actual)
					total = said.Data.Responses.TotalCount
				}
				if round > 0 {
					ms, points = append(ms, times.median()), append(points, costs.median())
				}
			}
			what := fmt.Sprintf("%s, and its count (%s), of %s responses", list.what, number(float64(total)), number(float64(w.answers)))
			took, cost := line{section: section, what: what, unit: "ms", ours: ms}, line{section: section, what: "the same", unit: "points", ours: points}
			if !list.common {
				took.goal, took.reached = "≤ 20 ms", new(ms.median() <= 20)
				cost.goal, cost.reached = "≤ 100 points", new(points.median() <= 100)
			}
			b.report.add(took)
			b.report.add(cost)
		}
		return nil
	})
}
