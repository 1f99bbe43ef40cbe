package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
)

const (
	// maxMoments is how many moments are read at once. Whoever reads one holds a connection, and may need another for what is
	// not of the moment: there are more of those than moments.
	maxMoments = 3
	// maxOfTenant is how many of them are one tenant's: who asks for many at once stands in their own way, and not in others'.
	maxOfTenant = 2
)

// moments has room for those who read moments.
type moments struct {
	all chan struct{}

	mu sync.Mutex
	// tenants are those of whom somebody reads one, or waits for that.
	tenants map[uuid.UUID]*turns
}

// turns has room for those of one tenant.
type turns struct {
	room  chan struct{}
	users int
}

func newMoments() *moments {
	return &moments{all: make(chan struct{}, maxMoments), tenants: map[uuid.UUID]*turns{}}
}

// enter waits for room: first behind the tenant's own, so that not all who wait for the rest are of one tenant.
func (m *moments) enter(ctx context.Context, tenant uuid.UUID) (leave func(), err error) {
	m.mu.Lock()
	t := m.tenants[tenant]
	if t == nil {
		t = &turns{room: make(chan struct{}, maxOfTenant)}
		m.tenants[tenant] = t
	}
	t.users++
	m.mu.Unlock()
	var taken []chan struct{}
	leave = func() {
		for _, room := range taken {
			<-room
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(m.tenants, tenant)
		}
	}
	rooms := []chan struct{}{t.room, m.all}
	if tenant == uuid.Nil { // nobody's
		rooms = rooms[1:]
	}
	for _, room := range rooms {
		select {
		case room <- struct{}{}:
			taken = append(taken, room)
		case <-ctx.Done():
			leave()
			return nil, fmt.Errorf("waiting to read: %w", context.Cause(ctx))
		}
	}
	return leave, nil
}

// At calls f with the database as it is at one moment, for several statements that must agree. Others wait where many do so,
// those of the same tenant sooner. What f is given only reads, and is of no use after it.
func (db *DB) At(ctx context.Context, f func(then *DB) error) error {
	leave, err := db.moments.enter(ctx, auth.Tenant(ctx))
	if err != nil {
		return err
	}
	defer leave()
	return db.Snapshot(ctx, func(tx *Tx) error {
		then := *db
		then.moment, then.now = tx.SQL, db
		then.Ent = ent.NewClient(ent.Driver(weighing{entsql.NewDriver(db.Dialect, entsql.Conn{ExecQuerier: counting{tx.SQL, db.prepared}})}))
		return f(&then)
	})
}

// Now is the database as it is, for what is read of one moment by At; else the database itself.
func (db *DB) Now() *DB {
	if db.now != nil {
		return db.now
	}
	return db
}

// counting is a transaction whose statements are counted.
type counting struct {
	*sql.Tx
	prepared *prepared
}

// QueryContext is that of sql.Tx.
func (c counting) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	c.prepared.asked.Add(1)
	return c.Tx.QueryContext(ctx, query, args...)
}
