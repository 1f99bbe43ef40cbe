package search

import (
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Examine compares the index with the responses of a tenant, in a snapshot: each that has words or values has one document,
// of what it says, and nothing else has one. Responses that the index has not come to yet are left out, and what of one cannot be read.
func Examine(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID) ([]cube.Fault, error) {
	position, known, err := follow.Position(ctx, tx.SQL, follow.Follower{Tenant: tenant, Kind: Name})
	if err != nil || !known {
		return nil, err
	}
	ahead := map[uuid.UUID]bool{}
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var r uuid.UUID
		err := rows.Scan(&r)
		ahead[r] = true
		return err
	}, `SELECT response_id FROM events WHERE tenant_id = $1 AND position > $2`, tenant, position)
	if err != nil {
		return nil, fmt.Errorf("reading what the index lacks: %w", err)
	}
	var faults []cube.Fault
	n := 0
	wrong := func(r uuid.UUID, what string) {
		if n++; n > cube.MaxNamed {
			return
		}
		f := cube.Faultf("the search index %s %s", what, id.Response.Format(r))
		f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
			_, err := replace(ctx, db, tx, tenant, []uuid.UUID{r}, []uuid.UUID{r})
			return true, err
		}
		faults = append(faults, f)
	}
	seed := maphash.MakeSeed()
	docs := map[uuid.UUID]uint64{}
	err = eachDocument(ctx, db, tx.SQL, tenant, func(r uuid.UUID, tokens []string) {
		if _, twice := docs[r]; twice {
			wrong(r, "has two documents of")
		}
		docs[r] = maphash.String(seed, strings.Join(tokens, " "))
	})
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	_, err = eachResponse(ctx, db, tx, tenant, nil, func(r uuid.UUID, tokens []string) {
		is, known := docs[r]
		delete(docs, r)
		switch {
		case ahead[r]:
		case !known:
			wrong(r, "lacks")
		case is != maphash.String(seed, strings.Join(tokens, " ")):
			wrong(r, "has other words than")
		}
	})
	if err != nil {
		return nil, fmt.Errorf("comparing the index with the responses: %w", err)
	}
	for r := range docs {
		if !ahead[r] {
			wrong(r, "has a document and should have none of")
		}
	}
	if n > cube.MaxNamed {
		faults = append(faults, cube.Faultf("the search index: and %d more of this kind", n-cube.MaxNamed))
	}
	return faults, nil
}

// eachDocument calls f with the tenant's documents: the tokens of each, in order.
func eachDocument(ctx context.Context, db *store.DB, from store.Querier, tenant uuid.UUID, f func(uuid.UUID, []string)) error {
	query := `SELECT response_id, array_to_string(tsvector_to_array(tokens), ' ') FROM search_documents WHERE tenant_id = $1`
	args := []any{tenant}
	if db.Dialect == store.SQLite {
		query = `SELECT response_id, tokens FROM search_documents WHERE search_documents MATCH $2 AND tenant_id = $1`
		args = append(args, prefixOf(tenant).responses())
	}
	return store.Each(ctx, from, func(rows *sql.Rows) error {
		var r uuid.UUID
		var text string
		if err := rows.Scan(&r, &text); err != nil {
			return err
		}
		tokens := strings.Fields(text)
		slices.Sort(tokens)
		if own := prefixOf(tenant).response(r); db.Dialect == store.SQLite {
			tokens = slices.DeleteFunc(tokens, func(t string) bool { return t == own })
		}
		f(r, tokens)
		return nil
	}, query, args...)
}
