package search

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Whatever is added and deleted, in transactions of any size: the index finds what is there. On SQLite it says by itself that
// it is whole, which it is not with detail=none, where deleting without a trace loses others.
func TestIndexStaysWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, random := t.Context(), rand.New(rand.NewPCG(3, 4))
		p := prefixOf(tenant)
		said := map[uuid.UUID][]string{}
		for range 150 {
			err := db.Write(ctx, func(tx *store.Tx) error {
				ids := slices.Collect(maps.Keys(said))
				random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
				gone := ids[:random.IntN(len(ids)/3+1)]
				for _, id := range gone {
					delete(said, id)
				}
				if err := remove(ctx, db, tx, tenant, gone); err != nil {
					return err
				}
				docs := map[uuid.UUID][]string{}
				for range random.IntN(120) {
					words := make([]string, 1+random.IntN(12))
					for i := range words {
						words[i] = fmt.Sprint("w", int(random.ExpFloat64()*40))
					}
					docs[uuid.Must(uuid.NewV7())] = p.document(uuid.UUID{1}, new(strings.Join(words, " ")), nil)
				}
				maps.Copy(said, docs)
				return add(ctx, db, tx, tenant, docs)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if db.Dialect == store.SQLite {
			if _, err := db.Writer.ExecContext(ctx, `INSERT INTO search_documents (search_documents) VALUES ('integrity-check')`); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 150 {
			q := OfTerms(tenant, Terms(fmt.Sprint("w", n)))
			want := map[uuid.UUID]bool{}
			for id, tokens := range said {
				if q.matches(tokens) {
					want[id] = true
				}
			}
			got := map[uuid.UUID]bool{}
			rows, err := db.Query(ctx, proposing(db.Dialect), tenant, q.text(db.Dialect), 1_000_000)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var id uuid.UUID
				if err := rows.Scan(&id); err != nil {
					t.Fatal(err)
				}
				got[id] = true
			}
			if err := rows.Err(); err != nil || !maps.Equal(got, want) {
				t.Errorf("w%d: %d are found, want %d, %v", n, len(got), len(want), err)
			}
		}
	})
}
