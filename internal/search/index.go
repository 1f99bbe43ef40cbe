// Package search finds responses by what their comments say, and by what is known of those who gave them: what a text holds,
// and an index that proposes responses.
//
// The index has a document of tokens for each response that has words or values: the words of its comment, the values of its
// traits, its campaign. It is kept by a follower of the log, and so lags behind it. What it proposes, with all responses that
// the rest of the log is about, holds each that is meant. Holds and the rules say which of them are.
//
// The documents are in the table search_documents, by the databases' own means: one of FTS5 on SQLite, which deletes without
// leaving a trace, and a tsvector with a GIN index on PostgreSQL. Their tokens are made here, so that both find the same.
package search

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Name is that of the followers which keep the index.
const Name = "search"

const (
	// share is which part of the time a follower that keeps the index may take, so that nobody who records or reads waits.
	share = 0.1
	// maxBehind is how many entries the index may lag behind to be of use; for some campaigns how many of their responses, which
	// are looked for among maxBehindOthers entries.
	maxBehind       = 2_000
	maxBehindOthers = 100_000
	// maxGathered is how many words of responses SQLite is to gather for a beginning, and maxDifferent of how many different ones.
	// muchMore times that is gathered where who asks must not learn what others say, so that it shows only where there is far
	// more than a beginning is good for.
	maxGathered, maxDifferent, muchMore = 32_768, 4_096, 4
	// paidAtOnce is how many different words are counted before they are paid.
	paidAtOnce = 1_024
	// deletedAtOnce is how many documents are deleted by a statement of SQLite's.
	deletedAtOnce = 100
)

// Kind is that of the followers which keep the index, one for each tenant. They begin with the first entry of the log. What
// of a response cannot be read it is not found by, and log is told.
func Kind(db *store.DB, log *slog.Logger) follow.Kind {
	return follow.Kind{Name: Name, EachTenant: true, Share: share, Bare: true, Take: func(
		ctx context.Context, f follow.Follower, entries []*feedback.Entry,
	) (func(*store.Tx) error, error) {
		// What was recorded just now has no document yet, as the position says.
		fresh := map[uuid.UUID]bool{}
		var ids, known []uuid.UUID
		for _, e := range entries {
			r := e.Event.Response
			if _, seen := fresh[r]; seen {
				continue
			}
			fresh[r] = e.Kind == feedback.Recorded
			if ids = append(ids, r); !fresh[r] {
				known = append(known, r)
			}
		}
		var old []uuid.UUID
		if entries[0].Position == 1 { // perhaps not for the first time
			var err error
			if old, err = some(ctx, db, f.Tenant, len(entries)); err != nil {
				return nil, fmt.Errorf("looking for documents of an index before: %w", err)
			}
		}
		return func(tx *store.Tx) error {
			if len(old) > 0 {
				if err := remove(ctx, db, tx, f.Tenant, old); err != nil {
					return fmt.Errorf("emptying the index: %w", err)
				}
				db.Forget() // it waits for the end of the transaction
				if len(old) == len(entries) {
					return follow.ErrUnfinished
				}
			}
			unreadable, err := replace(ctx, db, tx, f.Tenant, ids, known)
			for _, r := range unreadable {
				log.Warn("search: not all of a response can be read, and it is not found by that", "response", id.Response.Format(r))
			}
			return err
		}, nil
	}}
}

// replace has the index hold what some responses say now, of whom known may have a document already. unreadable are those of
// whom not all can be read.
func replace(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, ids, known []uuid.UUID) (unreadable []uuid.UUID, err error) {
	docs := map[uuid.UUID][]string{}
	unreadable, err = eachResponse(ctx, db, tx, tenant, ids, func(id uuid.UUID, tokens []string) { docs[id] = tokens })
	if err != nil {
		return nil, fmt.Errorf("reading what is to be indexed: %w", err)
	}
	if len(known) > 0 {
		if err := remove(ctx, db, tx, tenant, known); err != nil {
			return nil, fmt.Errorf("deleting documents of the index: %w", err)
		}
		db.Forget() // it waits for the end of the transaction
	}
	if len(docs) == 0 {
		return unreadable, nil
	}
	if err := add(ctx, db, tx, tenant, docs); err != nil {
		return nil, fmt.Errorf("adding documents to the index: %w", err)
	}
	return unreadable, nil
}

// eachResponse calls f with the responses that are there, of those with the ids or of all where they are nil, and with
// the tokens of each that has any. Those of unreadable have the tokens of what can be read of them: the index of a tenant does
// not stop at one.
func eachResponse(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, ids []uuid.UUID, f func(uuid.UUID, []string)) (unreadable []uuid.UUID, err error) {
	p := prefixOf(tenant)
	which, args := `tenant_id = $1`, []any{tenant}
	if ids != nil {
		which = store.Keyed(db.Dialect, "", "id", "uuid", "$1", "$2")
		args = append(args, store.UUIDs(db.Dialect, ids))
	}
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		response, ok := r.UUID(0)
		if !ok {
			return nil // no id that anybody could propose
		}
		campaign, whole := r.UUID(1)
		var said *string
		if !r.Null(2) {
			comment, ok := r.Text(2)
			said, whole = &comment, whole && ok
		}
		var traits trait.Values
		text, ok := r.Text(3)
		if !ok || json.Unmarshal([]byte(text), &traits) != nil {
			traits, whole = nil, false
		}
		if !whole {
			unreadable = append(unreadable, response)
		}
		if tokens := p.document(campaign, said, traits); tokens != nil {
			f(response, tokens)
		}
		return nil
	}, `SELECT id, campaign_id, comment, traits FROM responses WHERE `+which, args...)
	return unreadable, err
}

// remove deletes the responses' documents.
func remove(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, ids []uuid.UUID) error {
	if db.Dialect == store.Postgres {
		_, err := tx.SQL.ExecContext(ctx, `DELETE FROM search_documents WHERE `+store.Keyed(db.Dialect, "", "response_id", "uuid", "$1", "$2"),
			tenant, store.UUIDs(db.Dialect, ids))
		return err
	}
	p := prefixOf(tenant)
	for some := range slices.Chunk(ids, deletedAtOnce) {
		tokens := make([]string, len(some))
		for i, id := range some {
			tokens[i] = p.response(id)
		}
		_, err := tx.SQL.ExecContext(ctx, `DELETE FROM search_documents WHERE search_documents MATCH $1 AND tenant_id = $2`,
			strings.Join(tokens, " OR "), tenant)
		if err != nil {
			return err
		}
	}
	return nil
}

// some gives the responses of some of a tenant's documents, as many as most where there are as many.
func some(ctx context.Context, db *store.DB, tenant uuid.UUID, most int) (ids []uuid.UUID, err error) {
	query, args := `SELECT response_id FROM search_documents WHERE tenant_id = $1`, []any{tenant, most}
	if db.Dialect == store.SQLite {
		query += ` AND search_documents MATCH $3`
		args = append(args, prefixOf(tenant).responses())
	}
	err = store.Each(ctx, db.Reader, func(rows *sql.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, query+` LIMIT $2`, args...)
	return ids, err
}

// add adds the documents of responses that have none.
func add(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, docs map[uuid.UUID][]string) error {
	if db.Dialect == store.Postgres {
		ids, texts := make([]uuid.UUID, 0, len(docs)), make([]string, 0, len(docs))
		for id, tokens := range docs {
			ids, texts = append(ids, id), append(texts, strings.Join(tokens, " "))
		}
		_, err := tx.SQL.ExecContext(ctx, `INSERT INTO search_documents (tenant_id, response_id, tokens)
			SELECT $1, d.id, array_to_tsvector(string_to_array(d.tokens, ' ')) FROM unnest($2::uuid[], $3::text[]) AS d (id, tokens)
			ON CONFLICT (tenant_id, response_id) DO UPDATE SET tokens = excluded.tokens`,
			tenant, store.UUIDs(db.Dialect, ids), store.Texts(db.Dialect, texts))
		return err
	}
	insert, err := tx.SQL.PrepareContext(ctx, `INSERT INTO search_documents (tenant_id, response_id, tokens) VALUES ($1, $2, $3)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	p := prefixOf(tenant)
	for id, tokens := range docs {
		if _, err := insert.ExecContext(ctx, tenant, id, p.response(id)+" "+strings.Join(tokens, " ")); err != nil {
			return err
		}
	}
	return nil
}

// Proposal is what the index proposes.
type Proposal struct {
	// IDs are of responses, in order, each once; nil where the index is of no use.
	IDs []uuid.UUID
	// Read is how many the index gave, and Asked says whether it was asked at all.
	Read  int
	Asked bool
}

// Propose gives the ids of responses among which all are that the query is for, of the campaigns where these are not nil;
// with others, those that are gone too. It reads as many as most from the index, and one more to see that these are not all;
// what the log has besides are maxBehind at most. There are none where the index is of no use: it has more; it lags too far
// behind, in these campaigns' entries alone, or is built anew meanwhile; or it does not know what is asked for. narrowed says
// that who asks sees these campaigns alone. pay is asked for the points of what goes by how much the tenant has, whoever may
// see it, before or while that is gone through, and its error ends that.
func Propose(
	ctx context.Context, db *store.DB, tenant uuid.UUID, q *Query, campaigns []uuid.UUID, narrowed bool, most int, pay func(points float64) error,
) (p Proposal, err error) {
	if q == nil || q.tokens()+len(campaigns) > maxTokens {
		return p, nil
	}
	// What the position is read of first is in the index when that is read, and all else in the log after it: so they need
	// no snapshot, unless the index is built anew meanwhile.
	before, err := readState(ctx, db, tenant)
	if err != nil {
		return p, err
	}
	behind, tooMany := before.end-before.position, int64(maxBehind)
	if campaigns != nil {
		tooMany = maxBehindOthers
	}
	if !before.known || behind > tooMany {
		return p, nil
	}
	var lacking []uuid.UUID
	if behind > 0 {
		if err := pay(float64(behind) / rate.CountsPerPoint); err != nil {
			return p, err
		}
		if lacking, err = lacks(ctx, db, tenant, before, campaigns); err != nil || len(lacking) > maxBehind {
			return p, err
		}
	}
	p.Asked = true
	if err := pay(min(float64(before.end)*float64(q.Weight().Lists)/rate.ListedPerPoint, rate.MaxListedPrice)); err != nil {
		return p, err
	}
	times := 1
	if narrowed {
		times = muchMore
	}
	if q, err = sparse(ctx, db, q, times, pay); err != nil || q == nil {
		return p, err
	}
	if q = q.orLong(tenant); campaigns != nil {
		q = q.Among(tenant, campaigns)
	}
	var ids []uuid.UUID
	err = db.Sift(ctx, func() error {
		ids = []uuid.UUID{}
		return each(ctx, db, into(&ids), proposing(db.Dialect), tenant, q.text(db.Dialect), most+1)
	})
	if err != nil {
		return p, fmt.Errorf("reading the index: %w", err)
	}
	p.Read = len(ids)
	if p.Read > most {
		return p, nil
	}
	after, err := readState(ctx, db, tenant)
	if err != nil {
		return p, err
	}
	if !after.known || after.epoch != before.epoch {
		return p, nil
	}
	ids = append(ids, lacking...)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	p.IDs = slices.Compact(ids)
	return p, nil
}

// sparse is the query without those beginnings for which SQLite would gather more than so many times what it is to: they would
// propose too many by themselves, and beside others say little. PostgreSQL takes a tenth of the time, and does not tell. Counting
// them is paid for, and so is gathering them after that.
func sparse(ctx context.Context, db *store.DB, q *Query, times int, pay func(points float64) error) (*Query, error) {
	if db.Dialect == store.Postgres {
		return q, nil
	}
	dense := map[string]bool{}
	for _, token := range q.beginnings() {
		err := db.Sift(ctx, func() error {
			rows, err := db.Query(ctx, `SELECT doc FROM search_words WHERE term >= $1 AND term < $2`, token, token+"~") // no token has a ~
			if err != nil {
				return err
			}
			defer rows.Close()
			words, different, paid := 0, 0, 0.0
			owed := func() error {
				// One word that nearly everybody says is more than all that is gathered.
				points := float64(min(words, times*maxGathered))/rate.GatheredPerPoint + float64(different)/rate.DifferentPerPoint - paid
				paid += points
				return pay(points)
			}
			for rows.Next() {
				var responses int
				if err := rows.Scan(&responses); err != nil {
					return err
				}
				words, different = words+responses, different+1
				if words > times*maxGathered || different > times*maxDifferent {
					dense[token] = true
					break
				}
				if different%paidAtOnce == 0 {
					if err := owed(); err != nil {
						return err
					}
				}
			}
			return errors.Join(rows.Err(), owed())
		})
		if err != nil {
			return nil, fmt.Errorf("counting what the index has of a word: %w", err)
		}
	}
	return q.without(dense), nil
}

// lacks gives the responses that the log is about where the index has not come to, of the campaigns where these are not nil:
// where there are more than maxBehind, one more than that.
func lacks(ctx context.Context, db *store.DB, tenant uuid.UUID, s state, campaigns []uuid.UUID) (ids []uuid.UUID, err error) {
	query := `SELECT DISTINCT response_id FROM events WHERE tenant_id = $1 AND position > $2 AND position <= $3`
	args := []any{tenant, s.position, s.end, maxBehind + 1}
	if campaigns != nil {
		query += ` AND ` + store.In(db.Dialect, "campaign_id", "uuid", "$5")
		args = append(args, store.UUIDs(db.Dialect, campaigns))
	}
	err = db.Sift(ctx, func() error {
		ids = nil
		return each(ctx, db, into(&ids), query+` LIMIT $4`, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("reading what the index lacks: %w", err)
	}
	return ids, nil
}

// into appends ids that are read.
func into(ids *[]uuid.UUID) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		*ids = append(*ids, id)
		return err
	}
}

// state is how far the index has come, and the log. A follower that is made anew has another epoch; where it only has another
// owner, what was read was right, and is read again some other time.
type state struct {
	known                bool
	epoch, position, end int64
}

func readState(ctx context.Context, db *store.DB, tenant uuid.UUID) (s state, err error) {
	err = each(ctx, db, func(rows *sql.Rows) error {
		s.known = true
		return rows.Scan(&s.epoch, &s.position, &s.end)
	}, `SELECT f.epoch, f.position, t.log_position FROM followers f JOIN tenants t ON t.id = f.tenant_id
		WHERE f.tenant_id = $1 AND f.kind = $2 AND f.id = $3`, tenant, Name, uuid.Nil)
	if err != nil {
		return s, fmt.Errorf("reading how far the index has come: %w", err)
	}
	return s, nil
}

// proposing is the statement that reads the index.
func proposing(dialect string) string {
	if dialect == store.Postgres {
		// By itself, so that there is no other index to go by, and no limit that would make going through all look short.
		return `WITH found AS MATERIALIZED (SELECT tenant_id, response_id FROM search_documents WHERE tokens @@ $2::tsquery)
			SELECT response_id FROM found WHERE tenant_id = $1 LIMIT $3`
	}
	return `SELECT response_id FROM search_documents WHERE search_documents MATCH $2 AND tenant_id = $1 LIMIT $3`
}

// each is store.Each by statements that stay prepared.
func each(ctx context.Context, db *store.DB, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
