//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/zeroten/zeroten/internal/feedback"
)

const (
	recordOne  = `mutation ($input: RecordResponseInput!) { recordResponse(input: $input) { response { id } userErrors { field message code } } }`
	recordMany = `mutation ($input: RecordResponsesInput!) { recordResponses(input: $input) { recorded userErrors { field message code } } }`
)

// body is a GraphQL request.
func body(query string, variables any) ([]byte, error) {
	return json.Marshal(map[string]any{"query": query, "variables": variables})
}

// singles are recordings one by one: as many as there are people, in another order each round.
func (w world) singles(round int) (bodies [][]byte, err error) {
	for _, i := range rand.New(rand.NewPCG(1, uint64(round))).Perm(w.people) {
		b, err := body(recordOne, map[string]any{"input": w.recording(i, nil)})
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
	}
	return bodies, nil
}

// bulks are requests of 1,000 recordings each: of now, or each of some instant of two years.
func (w world) bulks(past bool) (bodies [][]byte, err error) {
	from, to, where, err := span()
	if err != nil {
		return nil, err
	}
	for n := range 40 {
		var batch []feedback.Recording
		for i := range feedback.MaxBatch {
			var at *time.Time
			if past {
				at = new(instant(int(mix(uint64(n*feedback.MaxBatch+i))%1_000_000), 1_000_000, from, to, where))
			}
			batch = append(batch, w.recording(n*feedback.MaxBatch+i, at))
		}
		b, err := body(recordMany, map[string]any{"input": map[string]any{"responses": batch}})
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
	}
	return bodies, nil
}

// recorder loads a server with recordings, and counts what came of it.
type recorder struct {
	*bench
	world  world
	server *server
	// count counts the database's responses.
	count func(context.Context) (int, error)
	// last is how many responses the last round recorded.
	last int
	// cost says where the processors' time went in it.
	cost string
}

// round records for a while and returns responses a second. It fails where the database has not just those that were
// acknowledged.
func (r *recorder) round(ctx context.Context, connections, each int, bodies [][]byte, seconds float64) (float64, error) {
	before, err := r.count(ctx)
	if err != nil {
		return 0, err
	}
	expect := `"response":{"id":"resp_`
	if each > 1 {
		expect = fmt.Sprintf(`"recorded":%d`, each)
	}
	out, err := r.drive(ctx, r.server, load{Key: r.world.secret, Connections: connections, Seconds: seconds, Expect: expect, Bodies: bodies})
	if err != nil {
		return 0, fmt.Errorf("recording: %w", err)
	}
	after, err := r.count(ctx)
	if err != nil {
		return 0, err
	}
	if after-before != out.Requests*each {
		return 0, fmt.Errorf("recording: %d responses were acknowledged and %d are there", out.Requests*each, after-before)
	}
	r.last, r.cost = after-before, out.cost()
	return out.perSecond() * float64(each), nil
}

// rivalTables are equal to responses, foreign keys included: rival for single inserts, whose contacts have ids that
// pgbench can compute, and rival_bulk for COPY.
const rivalTables = `
	CREATE TABLE rival_contacts (LIKE contacts INCLUDING ALL);
	INSERT INTO rival_contacts SELECT tenant_id, lpad(to_hex(substr(external_id, 2)::int), 32, '0')::uuid, external_id, email, email_key,
		phone, name, locale, traits, created_at, updated_at FROM contacts;
	CREATE SEQUENCE rival_ids CACHE 1000;
	CREATE TABLE rival (LIKE responses INCLUDING ALL);
	ALTER TABLE rival ADD FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns (tenant_id, id),
		ADD FOREIGN KEY (tenant_id, contact_id) REFERENCES rival_contacts (tenant_id, id);
	CREATE TABLE rival_bulk (LIKE responses INCLUDING ALL);
	ALTER TABLE rival_bulk ADD FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns (tenant_id, id),
		ADD FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id);
	VACUUM ANALYZE contacts, rival_contacts, campaigns`

var tps = regexp.MustCompile(`tps = ([0-9.]+) `)

// pgbench inserts single rows, prepared, as a rival would: ids in the order of time.
func (b *bench) pgbench(ctx context.Context, w world) (float64, error) {
	traits, err := json.Marshal(traitsOf(7))
	if err != nil {
		return 0, err
	}
	script := filepath.Join(b.temp, "insert.sql")
	text := fmt.Sprintf(`\set person random(0, %d)
\set score random(0, 10)
\set talk random(1, 10)
INSERT INTO rival (tenant_id, id, campaign_id, contact_id, score, comment, channel, variant, locale, traits, responded_at, recorded_at, updated_at)
VALUES ('%s', lpad(to_hex(nextval('rival_ids')), 32, '0')::uuid, '%s', lpad(to_hex(:person::int), 32, '0')::uuid, :score::smallint,
	CASE WHEN :talk::int <= 3 THEN '%s' END, 'API', NULL, NULL, '%s', now(), now(), now());
`, w.people-1, w.tenant, w.campaign, remark, traits)
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		return 0, err
	}
	out, err := b.pg.Client(ctx, "pgbench", "-n", "-M", "prepared", "-c", "64", "-j", "2", "-f", script,
		"-T", strconv.Itoa(max(1, int(b.seconds))), recordDatabase)
	if err != nil {
		return 0, err
	}
	found := tps.FindStringSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("pgbench says no tps: %s", out)
	}
	return strconv.ParseFloat(found[1], 64)
}

const recordDatabase = "bench_record"

// copyRows copies what the last recordings wrote, again, into an equal table, and returns rows a second.
func (b *bench) copyRows(ctx context.Context, rows int) (float64, error) {
	file := filepath.Join(b.temp, "rows")
	_, err := b.pg.PSQL(ctx, recordDatabase, "-c",
		fmt.Sprintf(`\copy (SELECT * FROM (SELECT * FROM responses ORDER BY id DESC LIMIT %d) r ORDER BY id) TO '%s'`, rows, file))
	if err != nil {
		return 0, err
	}
	if err := b.pg.Checkpoint(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := b.pg.PSQL(ctx, recordDatabase, "-c", fmt.Sprintf(`\copy rival_bulk FROM '%s'`, file)); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	return float64(rows) / took, os.Remove(file)
}

// recordPostgres measures lines a and b.
func (b *bench) recordPostgres(ctx context.Context) (err error) {
	say("recording on PostgreSQL: %d contacts", b.people)
	url, err := b.pg.Create(ctx, recordDatabase)
	if err != nil {
		return err
	}
	w, err := settle(ctx, url, b.people)
	if err != nil {
		return err
	}
	file := filepath.Join(b.temp, "rivals.sql")
	if err := os.WriteFile(file, []byte(rivalTables), 0o644); err != nil {
		return err
	}
	if _, err := b.pg.PSQL(ctx, recordDatabase, "-f", file); err != nil {
		return err
	}
	r := &recorder{bench: b, world: w, count: func(ctx context.Context) (int, error) {
		text, err := b.pg.PSQL(ctx, recordDatabase, "-c", `SELECT count(*) FROM responses`)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(text)
	}}
	if b.wants("a") {
		if err := r.singly(ctx); err != nil {
			return err
		}
	}
	if b.wants("b") {
		if err := r.bulkily(ctx); err != nil {
			return err
		}
	}
	return nil
}

// served runs f with a server that has warmed up.
func (r *recorder) served(ctx context.Context, name string, f func() error) (err error) {
	if r.server, err = r.serve(ctx, r.world.url, name); err != nil {
		return err
	}
	err = f()
	if stop := r.server.Stop(); err == nil {
		err = stop
	}
	return err
}

func (r *recorder) singly(ctx context.Context) error {
	var ours, rival sample
	var most float64
	err := r.served(ctx, "a-record", func() error {
		for round := range r.rounds + 1 {
			bodies, err := r.world.singles(round)
			if err != nil {
				return err
			}
			if round == 0 { // warms up
				if _, err := r.round(ctx, 64, 1, bodies, min(2, r.seconds)); err != nil {
					return err
				}
				continue
			}
			if err := r.pg.Checkpoint(ctx); err != nil {
				return err
			}
			rate, err := r.round(ctx, 64, 1, bodies, r.seconds)
			if err != nil {
				return err
			}
			ours = append(ours, rate)
			if err := r.pg.Checkpoint(ctx); err != nil {
				return err
			}
			if rate, err = r.pgbench(ctx, r.world); err != nil {
				return err
			}
			say("  pgbench %s/s", number(rate))
			rival = append(rival, rate)
		}
		var err error
		most, err = r.server.Memory("VmHWM")
		return err
	})
	if err != nil {
		return err
	}
	ratio := ours.median() / rival.median()
	r.report.add(line{
		section: "PostgreSQL: recording", what: "recordResponse, one a request, 64 connections", unit: "responses/s",
		ours: ours, beside: "pgbench, prepared single-row INSERT, 64 clients", rival: rival, ratio: ratio,
		goal: "≥ 1.0 × pgbench", reached: new(ratio >= 1),
		limit: r.cost,
	})
	r.report.add(line{
		section: "PostgreSQL: recording", what: "memory at most, under that load", unit: "MiB", ours: sample{most},
		goal: "≤ 150 MiB", reached: new(most <= 150),
	})
	return nil
}

func (r *recorder) bulkily(ctx context.Context) error {
	var ours, rival, past sample
	var cost string
	err := r.served(ctx, "b-bulk", func() error {
		now, err := r.world.bulks(false)
		if err != nil {
			return err
		}
		then, err := r.world.bulks(true)
		if err != nil {
			return err
		}
		for range r.rounds {
			if err := r.pg.Checkpoint(ctx); err != nil {
				return err
			}
			rate, err := r.round(ctx, 4, feedback.MaxBatch, now, r.seconds)
			if err != nil {
				return err
			}
			ours, cost = append(ours, rate), r.cost
			if rate, err = r.copyRows(ctx, min(r.last, 100_000)); err != nil {
				return err
			}
			say("  COPY %s/s", number(rate))
			rival = append(rival, rate)
		}
		for range r.rounds {
			if err := r.pg.Checkpoint(ctx); err != nil {
				return err
			}
			rate, err := r.round(ctx, 4, feedback.MaxBatch, then, r.seconds/2)
			if err != nil {
				return err
			}
			past = append(past, rate)
		}
		return nil
	})
	if err != nil {
		return err
	}
	ratio := ours.median() / rival.median()
	r.report.add(line{
		section: "PostgreSQL: recording", what: "recordResponses, 1,000 a request, 4 connections", unit: "responses/s",
		ours: ours, beside: "COPY of the same rows, with indexes and foreign keys", rival: rival, ratio: ratio,
		goal: "≥ 0.5 × COPY", reached: new(ratio >= 0.5),
		limit: cost,
	})
	r.report.add(line{
		section: "PostgreSQL: recording", what: "the same, each response of another day of two years", unit: "responses/s", ours: past,
		limit: r.cost + "; each response changes four cells of its own, where those of one day share theirs",
	})
	return nil
}
