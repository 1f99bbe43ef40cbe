package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// prepared keeps prepared statements by their text, those used last, since lib/pq spends two round trips on a
// statement with parameters that is not prepared, and since ent writes the same texts again and again.
type prepared struct {
	db *sql.DB
	// asked is how many statements were run.
	asked atomic.Int64

	mu    sync.Mutex
	stmts *lru.Cache[string, *held]
}

// held is a statement and how many are just using it. One that is no longer kept is closed by whoever uses it last.
type held struct {
	*sql.Stmt
	users int
	gone  bool
}

// maxPrepared bounds the texts, and with them what each connection holds.
const maxPrepared = 256

func newPrepared(db *sql.DB) (*prepared, error) {
	p := &prepared{db: db}
	var err error
	p.stmts, err = lru.NewWithEvict(maxPrepared, func(_ string, h *held) {
		if h.gone = true; h.users == 0 {
			_ = h.Close() // nobody needs it any more
		}
	})
	if err != nil {
		return nil, fmt.Errorf("preparing to keep statements: %w", err)
	}
	return p, nil
}

// take gives the statement to a user, who gives it back by release.
func (p *prepared) take(ctx context.Context, query string) (*held, error) {
	p.mu.Lock()
	if h, ok := p.stmts.Get(query); ok {
		h.users++
		p.mu.Unlock()
		return h, nil
	}
	p.mu.Unlock()
	stmt, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.stmts.Get(query)
	if ok { // somebody else was faster
		h.users++
		return h, stmt.Close()
	}
	h = &held{Stmt: stmt, users: 1}
	p.stmts.Add(query, h)
	return h, nil
}

func (p *prepared) release(h *held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.users--; h.users == 0 && h.gone {
		_ = h.Close() // nobody needs it any more; rows that are still read keep what they need
	}
}

// QueryContext is that of sql.DB.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	for again := true; ; again = false {
		h, err := p.take(ctx, query)
		if err != nil {
			return nil, err
		}
		p.asked.Add(1)
		rows, err := h.QueryContext(ctx, args...)
		outdated := IsOutdated(err)
		if outdated {
			p.forget(query, h)
		}
		p.release(h)
		if !outdated || !again {
			return rows, err
		}
	}
}

// forget has the statement prepared again by whoever needs it next.
func (p *prepared) forget(query string, h *held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept, ok := p.stmts.Peek(query); ok && kept == h {
		p.stmts.Remove(query)
	}
}

// ExecContext is that of sql.DB.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.db.ExecContext(ctx, query, args...)
}

func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stmts.Purge()
}

// Query runs a statement, prepared once, on the reading connections.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if db.moment != nil {
		return counting{db.moment, db.prepared}.QueryContext(ctx, query, args...)
	}
	return db.prepared.QueryContext(ctx, query, args...)
}

// Queries is how many statements were run by Query, and by Ent where nothing is written.
func (db *DB) Queries() int64 { return db.prepared.asked.Load() }
