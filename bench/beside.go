//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/lab"
)

// besideSeconds is how long a turn is at most, and besidePast how many requests of 1,000 recordings make a side's history.
const (
	besideSeconds = 3
	besidePast    = 40
)

// The databases as they are called.
const (
	postgres = "PostgreSQL"
	sqlite   = "SQLite"
)

// side is one of two builds that are compared: a server, and a tenant that was made through its API, since the other one may know
// other tables.
type side struct {
	name   string
	bench  bench // with the side's own program
	world  world
	server *server
	loud   string
}

// comparison is something to measure on both sides. get gives a number, and where the time went if that is known.
type comparison struct {
	line, what, unit string
	get              func(ctx context.Context, s *side, turn int) (value float64, cost loaded, err error)
}

// beside compares this checkout with another, in turn: the load goes from one server to the other every few seconds, so that what
// else the machine is at meets both, and who is not asked stands still, since what he does in the background would be measured
// with the other. A difference of a few percent shows in some twenty turns, which runs one after the other do not tell from noise.
func (b *bench) beside(ctx context.Context) (err error) {
	wanted := map[string][]comparison{}
	for _, c := range comparisons() {
		database := postgres
		if c.line == "f" {
			database = sqlite
		}
		if b.wants(c.line) {
			wanted[database] = append(wanted[database], c)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("-beside knows nothing of -only %s: want some of a, b, c, d, f and g", b.only)
	}
	for _, database := range []string{postgres, sqlite} {
		if len(wanted[database]) == 0 {
			continue
		}
		if err := b.besideOn(ctx, database, wanted[database]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) besideOn(ctx context.Context, database string, wanted []comparison) (err error) {
	sides := []*side{{name: "this"}, {name: "other"}}
	for i, root := range []string{b.root, b.other} {
		s := sides[i]
		if err := b.settleSide(ctx, s, root, database); err != nil {
			return fmt.Errorf("%s, in %s: %w", s.name, root, err)
		}
		defer func() { err = errors.Join(err, s.server.Stop()) }()
		// Before it is stopped, which waits for it.
		defer func() { err = errors.Join(err, s.signal(syscall.SIGCONT)) }()
	}
	say("comparing on %s, %d turns of %v s each", database, b.turns, b.seconds)
	for _, c := range wanted {
		values, costs := [2]sample{}, [2][]loaded{}
		for turn := range b.turns + 1 {
			order := []int{0, 1}
			if turn%2 == 1 {
				order = []int{1, 0}
			}
			for _, i := range order {
				if err := errors.Join(sides[1-i].signal(syscall.SIGSTOP), sides[i].signal(syscall.SIGCONT)); err != nil {
					return err
				}
				value, cost, err := c.get(ctx, sides[i], turn)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.what, sides[i].name, err)
				}
				if turn > 0 { // the first warms up
					values[i], costs[i] = append(values[i], value), append(costs[i], cost)
				}
			}
		}
		say("%s: %s", c.what, compared(values, costs, c.unit))
	}
	return nil
}

// compared is what came of a comparison, as a line of text.
func compared(values [2]sample, costs [2][]loaded, unit string) string {
	more, give := ratio(values[0], values[1])
	text := fmt.Sprintf("%s and %s %s: %+.1f %%, give or take %.1f", number(values[0].median()), number(values[1].median()), unit, 100*more, 100*give)
	server := func(l loaded) float64 { return l.Server }
	if medianOf(costs[0], server) == 0 {
		return text
	}
	database := func(l loaded) float64 { return l.Database }
	return text + fmt.Sprintf("; processor time a request: the server %s and %s µs, PostgreSQL %s and %s µs",
		number(medianOf(costs[0], server)), number(medianOf(costs[1], server)), number(medianOf(costs[0], database)), number(medianOf(costs[1], database)))
}

// ratio is by which part the first are more than the second in the mean of all turns, as the logarithm of the ratio has it, and twice
// the standard error of that.
func ratio(first, second sample) (more, give float64) {
	n := float64(len(first))
	var sum, squares float64
	for i := range first {
		r := math.Log(first[i] / second[i])
		sum, squares = sum+r, squares+r*r
	}
	mean := sum / n
	return math.Expm1(mean), 2 * math.Sqrt(max(0, squares-n*mean*mean)/(n-1)/n)
}

func medianOf(all []loaded, of func(loaded) float64) float64 {
	var values sample
	for _, l := range all {
		values = append(values, of(l))
	}
	return values.median()
}

// signal stops the side's server for a moment, or has it go on.
func (s *side) signal(what syscall.Signal) error { return syscall.Kill(s.server.PID(), what) }

// settleSide builds the program below root, starts it on an empty database, and makes a tenant with a history.
func (b *bench) settleSide(ctx context.Context, s *side, root, database string) (err error) {
	say("preparing %s, in %s", s.name, root)
	s.bench = *b
	dir := filepath.Join(b.temp, database+"-"+s.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if s.bench.binary, err = lab.Build(ctx, root, dir); err != nil {
		return err
	}
	url := "sqlite://" + filepath.Join(dir, "zeroten.db")
	if database == postgres {
		if url, err = b.pg.Create(ctx, "beside_"+s.name); err != nil {
			return err
		}
	}
	if s.server, err = s.bench.serve(ctx, url, "beside-"+s.name); err != nil {
		return err
	}
	s.world = world{url: url, people: b.people, secret: s.server.Secret}
	if err := s.fill(ctx); err != nil {
		return errors.Join(err, s.server.Stop())
	}
	return nil
}

// fill makes campaigns, traits, contacts and a history.
func (s *side) fill(ctx context.Context) error {
	for _, name := range []string{"Bench", "Loud"} {
		var made struct {
			CreateCampaign struct{ Campaign struct{ ID string } }
		}
		err := s.ask(ctx, `mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } userErrors { message } } }`,
			map[string]any{"input": map[string]any{"name": name}}, &made)
		if err != nil {
			return err
		}
		if s.loud = made.CreateCampaign.Campaign.ID; name == "Bench" {
			if s.world.campaign, err = id.Campaign.Parse(s.loud); err != nil {
				return err
			}
		}
	}
	for _, key := range []string{"plan", "region", "persona"} {
		err := s.ask(ctx, `mutation ($input: DefineTraitInput!) { defineTrait(input: $input) { userErrors { message } } }`,
			map[string]any{"input": map[string]any{"key": key, "kind": "TEXT", "isDimension": true}}, nil)
		if err != nil {
			return err
		}
	}
	bodies, err := s.world.bulks(true)
	if err != nil {
		return err
	}
	for _, b := range bodies[:min(besidePast, len(bodies))] {
		if err := s.post(ctx, b, nil); err != nil {
			return err
		}
	}
	return nil
}

// ask asks the side's server, and reads data.
func (s *side) ask(ctx context.Context, query string, variables map[string]any, data any) error {
	b, err := body(query, variables)
	if err != nil {
		return err
	}
	return s.post(ctx, b, data)
}

func (s *side) post(ctx context.Context, request []byte, data any) (err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.URL(), bytes.NewReader(request))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.world.secret)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if bytes.Contains(text, []byte(`"errors":`)) || bytes.Contains(text, []byte(`"message":`)) {
		return fmt.Errorf("the server answered %s", text)
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(text, &struct{ Data any }{data})
}

// listen has a thousand subscribers, of whom a hundred hear what is recorded.
func (s *side) listen(ctx context.Context) (heard, error) {
	one, err := recordLoud(s.loud, 1)
	if err != nil {
		return heard{}, err
	}
	h, _, err := listenTo(ctx, s.server, listening{
		Key: s.world.secret, IdleQuery: received(id.Campaign.Format(s.world.campaign)), ActiveQuery: received(s.loud), Record: one, Each: 1, Senders: 8,
		Idle: 900, Active: 100, PerSecond: eventsPerSecond, Seconds: s.bench.seconds,
	})
	return h, err
}

// comparisons are what can be compared, by the lines of bench.
func comparisons() []comparison {
	loading := func(line, what string, connections int, expect string, requests func(s *side, turn int) ([][]byte, error)) comparison {
		return comparison{line, what, "requests/s", func(ctx context.Context, s *side, turn int) (float64, loaded, error) {
			bodies, err := requests(s, turn)
			if err != nil {
				return 0, loaded{}, err
			}
			out, err := s.bench.drive(ctx, s.server, load{Key: s.world.secret, Connections: connections, Seconds: s.bench.seconds, Expect: expect, Bodies: bodies})
			return out.perSecond(), out, err
		}}
	}
	singles := func(s *side, turn int) ([][]byte, error) { return s.world.singles(turn) }
	all := []comparison{
		loading("a", "recordResponse, one a request, 64 connections", 64, `"response":{"id":"resp_`, singles),
		loading("b", "recordResponses, 1,000 a request, 4 connections", 4, `"recorded":1000`, func(s *side, _ int) ([][]byte, error) { return s.world.bulks(false) }),
		loading("d", "list of 50 with campaign and contact, 64 connections", 64, `"nodes":[{"id":"resp_`, func(*side, int) ([][]byte, error) {
			b, err := body(list, map[string]any{"first": 50})
			return [][]byte{b}, err
		}),
		loading("f", "recordResponse on SQLite, one a request, 64 connections", 64, `"response":{"id":"resp_`, singles),
		{"g", "20 events a second to 100 of 1,000, from acknowledgement to delivery, p50", "ms", func(ctx context.Context, s *side, _ int) (float64, loaded, error) {
			h, err := s.listen(ctx)
			return h.AckedP50, loaded{}, err
		}},
		{"g", "the same from the mutation's sending, p50", "ms", func(ctx context.Context, s *side, _ int) (float64, loaded, error) {
			h, err := s.listen(ctx)
			return h.SentP50, loaded{}, err
		}},
	}
	for _, q := range questions {
		all = append(all, loading("c", q.name+", one connection", 1, `{"data":{`, func(s *side, _ int) ([][]byte, error) {
			b, err := q.body(s.world)
			return [][]byte{b}, err
		}))
	}
	return all
}
