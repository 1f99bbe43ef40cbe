package store_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestAnalyze fills tables and empties them: those are analyzed of which little is known, or what is not true any more, and no others.
func TestAnalyze(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	db := storetest.Open(t, url)
	exec := func(query string) {
		t.Helper()
		if _, err := db.Writer.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	fill := func(table string, from, to int) {
		t.Helper()
		exec(fmt.Sprintf(`INSERT INTO %s (tenant_id, key, response_id) SELECT '00000000-0000-7000-8000-000000000001', sha256(i::text::bytea), gen_random_uuid()
			FROM generate_series(%d, %d) AS i`, table, from, to))
	}
	for _, table := range []string{"idempotency_keys", "events", "followers"} {
		exec(`ALTER TABLE ` + table + ` SET (autovacuum_enabled = false)`)
	}
	exec(`CREATE TABLE somebody_elses (LIKE idempotency_keys) WITH (autovacuum_enabled = false)`)
	fill("somebody_elses", 1, 10_000)
	// looked says of how many rows the planner thinks, by table, since it last looked.
	looked := func(db *store.DB) map[string]int {
		t.Helper()
		if err := db.Analyze(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := map[string]int{}
		rows, err := db.Writer.QueryContext(t.Context(), `SELECT relname, reltuples::int FROM pg_class c
			WHERE relname IN ('idempotency_keys', 'events', 'followers', 'somebody_elses') AND relkind = 'r'
			AND EXISTS (SELECT FROM pg_stats s WHERE s.tablename = c.relname)`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				t.Fatal(err)
			}
			all[name] = n
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, step := range []struct {
		name string
		do   func()
		want int // rows of idempotency_keys, 0 where it is not looked at
	}{
		{"nothing", func() {}, 0},
		{"next to nothing", func() { fill("idempotency_keys", 1, 100) }, 0},
		{"some", func() { fill("idempotency_keys", 101, 2_000) }, 2_000},
		{"twice as much", func() { fill("idempotency_keys", 2_001, 4_000) }, 2_000},
		{"ten times as much", func() { fill("idempotency_keys", 4_001, 24_000) }, 24_000},
		{"nothing any more", func() { exec(`DELETE FROM idempotency_keys`); exec(`VACUUM idempotency_keys`) }, 0},
		{"much again", func() { fill("idempotency_keys", 1, 3_000) }, 3_000},
	} {
		step.do()
		got := looked(db)
		if names := slices.Collect(maps.Keys(got)); len(names) > 1 || got["idempotency_keys"] != step.want {
			t.Errorf("with %s these are known: %v, want %d", step.name, got, step.want)
		}
	}

	// Restored: all is there but what was known of it, and somebody else begins.
	exec(`CREATE TABLE kept AS TABLE idempotency_keys`)
	exec(`TRUNCATE idempotency_keys`)
	exec(`INSERT INTO idempotency_keys TABLE kept`)
	exec(`VACUUM idempotency_keys`) // as making an index does, it counts rows, and no more
	if got := looked(storetest.Open(t, url)); got["idempotency_keys"] != 3_000 {
		t.Errorf("restored: %v", got)
	}
}

// TestAnalyzeIsNotHeldUp has somebody hold a table for as long as they like: it is left to them.
func TestAnalyzeIsNotHeldUp(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	db := storetest.Open(t, url)
	if _, err := db.Writer.ExecContext(t.Context(), fillKeys); err != nil {
		t.Fatal(err)
	}
	known := func(db *store.DB) (is bool) {
		t.Helper()
		err := db.Analyze(t.Context())
		if err == nil {
			err = db.Reader.QueryRowContext(t.Context(), keysKnown).Scan(&is)
		}
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(t.Context(), `LOCK TABLE idempotency_keys IN SHARE UPDATE EXCLUSIVE MODE`)
		if err == nil && known(db) {
			t.Error("it is analyzed though somebody holds it")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !known(storetest.Open(t, url)) {
		t.Error("nobody analyzes it")
	}
}

const (
	fillKeys = `ALTER TABLE idempotency_keys SET (autovacuum_enabled = false);
		INSERT INTO idempotency_keys (tenant_id, key, response_id) SELECT gen_random_uuid(), sha256(i::text::bytea), gen_random_uuid() FROM generate_series(1, 5000) AS i`
	keysKnown = `SELECT EXISTS (SELECT FROM pg_stats WHERE tablename = 'idempotency_keys')`
)

// TestKeepAnalyzed waits until a table is analyzed that has filled.
func TestKeepAnalyzed(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		db.KeepAnalyzed(func(err error) { t.Error(err) })
		if db.Dialect == store.Postgres {
			_, err := db.Writer.ExecContext(t.Context(), fillKeys)
			for known := false; !known && err == nil; {
				err = db.Reader.QueryRowContext(t.Context(), keysKnown).Scan(&known)
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}
