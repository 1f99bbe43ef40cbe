//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/zeroten/zeroten/internal/app"
)

const (
	byID = `query ($id: ID!) { response(id: $id) { id score comment channel respondedAt traits } }`
	list = `query ($first: Int, $after: String) { responses(first: $first, after: $after) { nodes { id score comment respondedAt campaign { id name } contact { id name externalId } } pageInfo { hasNextPage endCursor } } }`
)

// zeroten runs a command of the program on a world's database.
func (b *bench) zeroten(ctx context.Context, w world, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+w.url)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// read measures line d: one response by id, and a page of the list with campaign and contact.
func (b *bench) read(ctx context.Context, w world) error {
	const section = "PostgreSQL: reading"
	say("reading")
	var ones, pages [][]byte
	err := w.with(ctx, func(ctx context.Context, a *app.App) (err error) {
		h, err := a.API(app.Edge{})
		if err != nil {
			return err
		}
		ones, pages, err = requests(ctx, h, w)
		return err
	})
	if err != nil {
		return err
	}
	statements, err := b.statements(ctx, w)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, w.url, "d-read")
	if err != nil {
		return err
	}
	var one, page sample
	var oneCost, pageCost string
	for range b.rounds {
		for _, part := range []struct {
			bodies [][]byte
			expect string
			rates  *sample
			cost   *string
		}{{ones, `"response":{"id":"resp_`, &one, &oneCost}, {pages, `"nodes":[{"id":"resp_`, &page, &pageCost}} {
			got, err := b.drive(ctx, s, load{Key: w.secret, Connections: 64, Seconds: b.seconds / 2, Expect: part.expect, Bodies: part.bodies})
			if err != nil {
				return errors.Join(err, s.Stop())
			}
			*part.rates, *part.cost = append(*part.rates, got.perSecond()), got.cost()
		}
	}
	most, err := s.Memory("VmHWM")
	if err = errors.Join(err, s.Stop()); err != nil {
		return err
	}
	b.report.add(line{
		section: section, what: "one response by id, 64 connections", unit: "requests/s", ours: one, ratio: one.median() / 4_200,
		goal: "≥ 2.5 × the peers' 4,200/s", reached: new(one.median() >= 2.5*4_200),
		limit: oneCost,
	})
	b.report.add(line{
		section: section, what: "list of 50 with campaign and contact, 64 connections", unit: "requests/s", ours: page, ratio: page.median() / 1_000,
		goal: "≥ 2.5 × the peers' 800–1,200/s", reached: new(page.median() >= 2.5*1_000),
		limit: pageCost,
	})
	b.report.add(line{section: section, what: "statements of that list, at 10, 50 and 100 a page", unit: "statements", ours: statements,
		goal: "two or three, whatever the page size", reached: new(slices.Max(statements) <= 3)})
	b.report.add(line{section: section, what: "memory at most, under that load", unit: "MiB", ours: sample{most}})
	return nil
}

// requests are for all of some 200 successive pages, and of each response on them.
func requests(ctx context.Context, h http.Handler, w world) (ones, pages [][]byte, err error) {
	var after *string
	for range 200 {
		request, err := body(list, map[string]any{"first": 50, "after": after})
		if err != nil {
			return nil, nil, err
		}
		answer, _, err := ask(ctx, h, w, request)
		if err != nil {
			return nil, nil, err
		}
		var found struct {
			Data struct {
				Responses struct {
					Nodes    []struct{ ID string }
					PageInfo struct {
						HasNextPage bool
						EndCursor   *string
					}
				}
			}
		}
		if err := json.Unmarshal(answer, &found); err != nil {
			return nil, nil, err
		}
		pages = append(pages, request)
		for _, n := range found.Data.Responses.Nodes {
			one, err := body(byID, map[string]any{"id": n.ID})
			if err != nil {
				return nil, nil, err
			}
			ones = append(ones, one)
		}
		if after = found.Data.Responses.PageInfo.EndCursor; !found.Data.Responses.PageInfo.HasNextPage {
			break
		}
	}
	return ones, pages, nil
}

// statements counts what the list sends to PostgreSQL, by PostgreSQL's own log.
func (b *bench) statements(ctx context.Context, w world) (counts sample, err error) {
	if _, err := b.pg.PSQL(ctx, "postgres", "-c", `ALTER DATABASE bench_small SET log_statement = 'all'`); err != nil {
		return nil, err
	}
	defer func() {
		_, reset := b.pg.PSQL(ctx, "postgres", "-c", `ALTER DATABASE bench_small RESET log_statement`)
		err = errors.Join(err, reset)
	}()
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		h, err := a.API(app.Edge{})
		if err != nil {
			return err
		}
		for _, first := range []int{10, 50, 100} {
			request, err := body(list, map[string]any{"first": first})
			if err != nil {
				return err
			}
			if _, _, err := ask(ctx, h, w, request); err != nil { // the key is known then
				return err
			}
			before, err := b.logged()
			if err != nil {
				return err
			}
			if _, _, err := ask(ctx, h, w, request); err != nil {
				return err
			}
			after, err := b.logged()
			if err != nil {
				return err
			}
			counts = append(counts, float64(after-before))
		}
		return nil
	})
	return counts, err
}

// logged is how many statements PostgreSQL has logged.
func (b *bench) logged() (int, error) {
	text, err := os.ReadFile(b.pg.Log())
	return strings.Count(string(text), "LOG:  execute ") + strings.Count(string(text), "LOG:  statement: "), err
}
