package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// lookEvery is how often it is looked which tables have outgrown what PostgreSQL knows of them. Its own autovacuum looks once a minute.
	lookEvery = time.Second
	// atMost is for how long a table is left alone at most of which no more is known once it was analyzed.
	atMost = time.Minute
	// grown is how many times as large a table has become as it was when PostgreSQL last looked, and fewPages how large at least: of less
	// than that a plan may as well read all.
	grown, fewPages = 10, 10
)

// outgrown finds the tables that are to be analyzed.
const outgrown = `SELECT c.oid::regclass FROM (
		SELECT c.oid, c.relname, n.nspname, c.relpages, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname = ANY($1::text[]) AND pg_has_role(c.relowner, 'USAGE')) c
	WHERE c.pages >= $2 AND (c.pages >= $3::bigint * c.relpages OR NOT EXISTS (SELECT 1 FROM pg_stats s WHERE s.schemaname = c.nspname AND s.tablename = c.relname))`

// Analyze has PostgreSQL look at those of our tables that have become large since it last did, or of which it knows nothing at all: of a
// database that has just been filled, or restored, and tables that fill and are emptied again. Until then it takes what a tenant has for next
// to nothing, and plans to read all of it where one row is sought. Such a plan stays with a connection, however much the table grows, until
// the table is analyzed: that must not wait for autovacuum. On SQLite there is nothing to do, which plans by the schema alone.
func (db *DB) Analyze(ctx context.Context) error {
	if db.Dialect != Postgres {
		return nil
	}
	a := db.analyst
	a.mu.Lock()
	defer a.mu.Unlock()
	large, err := db.outgrown(ctx)
	if err != nil {
		return err
	}
	large = slices.DeleteFunc(large, func(table string) bool { return time.Now().Before(a.vain[table].until) })
	if len(large) == 0 {
		return nil
	}
	for _, table := range large {
		// Who holds it up is mostly about to do the same.
		if _, err := db.Reader.ExecContext(ctx, `ANALYZE (SKIP_LOCKED) `+table); err != nil {
			return fmt.Errorf("analyzing %s: %w", table, err)
		}
	}
	still, err := db.outgrown(ctx)
	for _, table := range large {
		last := a.vain[table]
		delete(a.vain, table)
		if slices.Contains(still, table) {
			wait := min(max(2*last.wait, lookEvery), atMost)
			a.vain[table] = vain{wait, time.Now().Add(wait)}
		}
	}
	return err
}

// outgrown are the tables that are to be analyzed, as they are written.
func (db *DB) outgrown(ctx context.Context) (tables []string, err error) {
	names := []string{"search_documents"}
	for _, t := range Tables() {
		names = append(names, t.Name)
	}
	rows, err := db.Reader.QueryContext(ctx, outgrown, Texts(Postgres, names), fewPages, grown)
	if err != nil {
		return nil, fmt.Errorf("looking which tables are to be analyzed: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, fmt.Errorf("looking which tables are to be analyzed: %w", err)
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking which tables are to be analyzed: %w", err)
	}
	return tables, nil
}

// analyst knows which tables were analyzed in vain: somebody held them, or what they are full of was not committed yet.
type analyst struct {
	mu   sync.Mutex
	vain map[string]vain
}

// vain says for how long, and until when, a table is left alone.
type vain struct {
	wait  time.Duration
	until time.Time
}

// KeepAnalyzed does Analyze every second, until Close. failed is told of what does not pass by itself. It may be called once.
func (db *DB) KeepAnalyzed(failed func(error)) {
	if db.Dialect != Postgres {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	caught := flight.Logged(nil, "analyzing tables")
	flight.Go(func() {
		defer close(done)
		flight.Steadily(ctx, func() { db.keepAnalyzed(ctx, failed) }, caught)
	}, caught)
	db.unanalyze = func() {
		cancel()
		<-done
	}
}

func (db *DB) keepAnalyzed(ctx context.Context, failed func(error)) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-rest.C:
		case <-ctx.Done():
			return
		}
		next := lookEvery
		if db.Away() == nil {
			err := db.Analyze(ctx)
			db.Discard(err)
			if err != nil && ctx.Err() == nil && !MayPass(err) && !isReadOnly(err) {
				failed(err)
				next = atMost
			}
		}
		rest.Reset(next)
	}
}
