//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/lab"
	"github.com/zeroten/zeroten/internal/store"
)

// index kills whoever keeps the search index about every second, of two servers or the only one, while comments are
// recorded, amended and deleted. Each time the next has taken the index over and moved it before it is killed, too: so each
// kill cuts somebody off who is at work. In the end the index holds every comment once, and nothing else.
func (t *torture) index(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	servers, ports := []*lab.Server{h.server}, []int{h.server.Port}
	if database == "PostgreSQL" { // a file is one server's
		port, err := lab.FreePort()
		if err != nil {
			return "", "", err
		}
		servers, ports = append(servers, nil), append(ports, port)
	}
	at := make([]string, len(ports))
	for n, port := range ports {
		at[n] = fmt.Sprintf("http://127.0.0.1:%d/graphql", port)
	}
	start := func(n int) (err error) {
		servers[n], err = t.serve(ctx, url, fmt.Sprintf("127.0.0.1:%d", ports[n]))
		return err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan *writers)
	go func() { written <- h.write(writing, at, 16, 0, 2*time.Millisecond) }()
	changed := make(chan changes)
	go func() { changed <- h.change(writing, at) }()
	kills := t.number(120, 15)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var now ownership
	for n := range kills + 1 {
		if now, err = h.kept(ctx, now); err != nil {
			return "", "", fmt.Errorf("after %d kills: %w", n, err)
		}
		// Of two servers the one that does not run starts now: so it is known who keeps the index.
		if len(servers) > 1 {
			if err := start((n + 1) % 2); err != nil {
				return "", "", err
			}
		}
		if n == kills {
			break
		}
		<-tick.C
		if err := servers[n%len(servers)].Kill(); err != nil {
			return "", "", err
		}
		if len(servers) == 1 {
			if err := start(0); err != nil {
				return "", "", err
			}
		}
	}
	stop()
	w, c := <-written, <-changed
	if err := errors.Join(w.only(overloaded), c.err); err != nil {
		return "", "", err
	}
	for _, s := range servers {
		if err := s.Stop(); err != nil {
			return "", "", err
		}
	}
	port, err := lab.FreePort()
	if err != nil {
		return "", "", err
	}
	metrics := fmt.Sprintf("127.0.0.1:%d", port)
	if h.server, err = t.serve(ctx, url, "", "--metrics-listen", metrics); err != nil {
		return "", "", err
	}
	if err := h.indexed(ctx, "http://"+metrics+"/metrics"); err != nil {
		return "", "", err
	}
	keys := make([]string, 0, len(w.acked))
	for key := range w.acked {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for i := 0; i < len(keys); i += max(1, len(keys)/100) {
		if err := h.found(ctx, keys[i], 1); err != nil {
			return "", "", err
		}
	}
	for part, amended := range c.amended {
		if err := h.found(ctx, part, amended); err != nil {
			return "", "", err
		}
	}
	tried = fmt.Sprintf("%d kills of %d servers under 16 writers, %d comments acknowledged, %d amended, %d deleted", kills, len(servers), len(w.acked), c.all(), c.deleted)
	// What the doctor says of the index it says of each comment.
	return tried, fmt.Sprintf("requests: %s; %d times whoever kept the index was killed after it had moved it, and it was at %d of %d events by then; it holds every comment once, and nothing else; lost: 0",
		w.described(), kills, now.position, now.end), h.close(ctx)
}

// ownership is what the database says of who keeps the index: who it is, how far the index has come, and how far the log.
type ownership struct {
	owner         string
	position, end int64
}

// kept waits until another keeps the index than before, and has moved it. Who was killed left a lease, which is over at once,
// as if its 30 seconds had passed.
func (h *house) kept(ctx context.Context, before ownership) (now ownership, err error) {
	// Not for longer: a server that is killed is to find its database as it left it, opened by nobody.
	db, err := store.Open(ctx, h.url, store.Options{Existing: true, MaxConns: store.MinConns})
	if err != nil {
		return now, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(ctx, `UPDATE followers SET lease_until = 0 WHERE kind = 'search' AND CAST(owner AS text) = $1`, before.owner)
		return err
	})
	if err != nil {
		return now, err
	}
	for began, from := time.Now(), int64(-1); ; time.Sleep(5 * time.Millisecond) {
		err := db.Reader.QueryRowContext(ctx, `SELECT coalesce(max(CAST(f.owner AS text)), ''), coalesce(max(f.position), 0), coalesce(max(t.log_position), 0)
			FROM followers f JOIN tenants t ON t.id = f.tenant_id WHERE f.kind = 'search' AND f.owner IS NOT NULL`).Scan(&now.owner, &now.position, &now.end)
		switch {
		case err != nil:
			return now, err
		case now.owner == before.owner:
		case from < 0:
			from = now.position
		case now.position > from:
			return now, nil
		}
		if time.Since(began) > time.Minute {
			return now, fmt.Errorf("nobody has taken the index over and moved it for a minute: before it was at %+v, and now at %+v", before, now)
		}
	}
}

// indexed waits until the index has come to the end of the log.
func (h *house) indexed(ctx context.Context, metrics string) error {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, metrics, nil)
		if err != nil {
			return err
		}
		response, err := h.http.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		if strings.Contains(string(text), `zeroten_follower_lag_events{kind="search"} 0`) {
			return nil
		}
		if time.Since(began) > 5*time.Minute {
			return errors.New("the search index has not come to the end of the log for five minutes")
		}
	}
}

// found fails where a search does not find so many.
func (h *house) found(ctx context.Context, search string, want int) error {
	var data struct{ Responses struct{ TotalCount int } }
	err := h.must(ctx, h.server.URL(), `query ($search: String!) { responses(first: 1, filter: { search: $search }) { totalCount } }`, map[string]any{"search": search}, &data)
	if err == nil && data.Responses.TotalCount != want {
		err = fmt.Errorf("%q is found %d times, and is there %d times", search, data.Responses.TotalCount, want)
	}
	return err
}

// changes are what was amended and deleted, as far as that was acknowledged, and nothing else was tried.
type changes struct {
	// amended are how many were, by a word that no others have: who looks for one can pay for all that have it.
	amended map[string]int
	deleted int
	err     error
}

// all is how many were amended.
func (c changes) all() (n int) {
	for _, amended := range c.amended {
		n += amended
	}
	return n
}

// change records responses and amends each, or deletes it, until the context ends; each is done again until it is
// acknowledged.
func (h *house) change(ctx context.Context, at []string) changes {
	var mu sync.Mutex
	c := changes{amended: map[string]int{}}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				text := `mutation ($campaign: ID!, $key: String!) { recordResponse(input: { campaign: $campaign, score: 3, comment: "to be changed", idempotencyKey: $key }) { response { id } } }`
				var made struct {
					RecordResponse struct{ Response struct{ ID string } }
				}
				// Not with the context: what is begun is ended.
				err := h.surely(ctx, at, n, text, map[string]any{"campaign": h.campaign, "key": fmt.Sprintf("change-%d-%d", n, i)}, &made)
				id := made.RecordResponse.Response.ID
				remove, part := i%3 == 0, fmt.Sprintf("amended%dpart%05d", n, i/500)
				text, variables := `mutation ($id: ID!, $comment: String!) { amendResponse(input: { id: $id, comment: $comment }) { userErrors { message } } }`, map[string]any{"id": id, "comment": part}
				if remove {
					text, variables = `mutation ($id: ID!) { deleteResponse(input: { id: $id }) { userErrors { message } } }`, map[string]any{"id": id}
				}
				if err == nil {
					err = h.surely(ctx, at, n, text, variables, &struct{}{})
				}
				mu.Lock()
				switch {
				case err != nil:
					c.err = err
				case remove:
					c.deleted++
				default:
					c.amended[part]++
				}
				mu.Unlock()
				if err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	all.Wait()
	return c
}

// surely asks until there is an answer without errors, for a minute at most.
func (h *house) surely(ctx context.Context, at []string, turn int, text string, variables map[string]any, into any) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for ; ctx.Err() == nil; turn++ {
		if err = h.must(ctx, at[turn%len(at)], text, variables, into); err == nil {
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return err
}
