//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/internal/lab"
)

// overloaded is how a server says that it cannot just now.
const overloaded = "503 OVERLOADED"

func (t *torture) cuts(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	events, subscribers, parallel := t.number(10_000, 2_000), t.number(200, 60), 64
	at := []string{h.server.URL()}
	life := func() time.Duration { return between(time.Second, 5*time.Second) }
	if t.short {
		life = func() time.Duration { return between(300*time.Millisecond, 1300*time.Millisecond) }
	}
	l := h.subscribe(ctx, subscribers, at, life)
	// Slowly enough that all are cut several times meanwhile.
	w := h.write(ctx, at, parallel, events, time.Duration(t.number(1500, 1000))*time.Microsecond)
	if err := w.only(); err != nil {
		return "", "", err
	}
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	cuts, err := l.check(ctx, log)
	if err != nil {
		return "", "", err
	}
	if len(log) != events {
		return "", "", fmt.Errorf("%d responses were acknowledged, and the log has %d events", events, len(log))
	}
	tried = fmt.Sprintf("%d writers, %d subscribers (half over SSE, half over WebSocket), %d cuts, %d events", parallel, subscribers, cuts, events)
	return tried, fmt.Sprintf("each heard all %d once, in order; lost: 0", events), errors.Join(w.check(log), h.close(ctx))
}

func (t *torture) kills(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	port, err := lab.FreePort()
	if err != nil {
		return "", "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	second, err := t.serve(ctx, url, address)
	if err != nil {
		return "", "", err
	}
	at := []string{h.server.URL(), second.URL()}
	l := h.subscribe(ctx, 40, at, nil)
	writing, stop := context.WithCancel(ctx)
	written := make(chan *writers)
	go func() { written <- h.write(writing, at, 32, 0, time.Millisecond) }()
	rounds := t.number(8, 3)
	for range rounds {
		time.Sleep(between(time.Second, 2*time.Second))
		if err := second.Kill(); err != nil {
			stop()
			return "", "", err
		}
		time.Sleep(500 * time.Millisecond)
		if second, err = t.serve(ctx, url, address); err != nil {
			stop()
			return "", "", err
		}
	}
	time.Sleep(time.Second)
	stop()
	w := <-written
	if err := w.only(); err != nil {
		return "", "", err
	}
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	if _, err := l.check(ctx, log); err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("%d kills, 32 writers and 40 subscribers that turn to either server, %d responses acknowledged", rounds, len(w.acked))
	return tried, fmt.Sprintf("requests: %s; each acknowledged response there once, each of %d events heard once by all, in order; lost: 0", w.described(), len(log)),
		errors.Join(w.check(log), second.Stop(), h.close(ctx))
}

func (t *torture) restarts(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	at := []string{h.server.URL()}
	l := h.subscribe(ctx, 20, at, nil)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan *writers)
	go func() { written <- h.write(writing, at, 32, 0, time.Millisecond) }()
	var slowest time.Duration
	rounds := t.number(2, 1)
	for range rounds {
		for _, end := range []func() error{t.pg.Stop, t.pg.StopAtOnce, t.pg.Kill} {
			time.Sleep(time.Second)
			if err := end(); err != nil {
				return "", "", err
			}
			if err := t.pg.Start(ctx); err != nil {
				return "", "", err
			}
			took, err := h.recovers(ctx, at[0])
			if err != nil {
				return "", "", err
			}
			slowest = max(slowest, took)
		}
	}
	time.Sleep(time.Second)
	stop()
	w := <-written
	if err := w.only(overloaded); err != nil {
		return "", "", err
	}
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	if _, err := l.check(ctx, log); err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("%d restarts of each kind under 32 writers, %d responses acknowledged", rounds, len(w.acked))
	return tried, fmt.Sprintf("requests: %s; served again within %.1f s of the database; each acknowledged response there once, all events heard; lost: 0", w.described(), slowest.Seconds()),
		errors.Join(w.check(log), h.close(ctx))
}

// recoverWithin is how soon a server must serve again after its database does.
const recoverWithin = 2 * time.Second

// recovers says how long it takes until a query is answered again.
func (h *house) recovers(ctx context.Context, url string) (time.Duration, error) {
	began := time.Now()
	for {
		asking, cancel := context.WithTimeout(ctx, recoverWithin)
		a, err := h.ask(asking, url, `{ feedback { score { responses } } }`, nil)
		cancel()
		took := time.Since(began)
		if err == nil && len(a.Errors) == 0 {
			return took, nil
		}
		if took > recoverWithin {
			return took, fmt.Errorf("%.1f s after the database came back: %w %s", took.Seconds(), err, a.text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// refuseWithin is how soon a request must be refused while the database cannot be reached, with some room for the
// machine's other work: the promise is a second, and two on a machine that has more to do than processors.
const refuseWithin = 2500 * time.Millisecond

func (t *torture) cutOff(ctx context.Context, database string) (tried, outcome string, err error) {
	direct, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	p, err := newProxy(ctx, fmt.Sprintf("127.0.0.1:%d", t.pg.Port))
	if err != nil {
		return "", "", err
	}
	defer p.close()
	url := strings.Replace(direct, fmt.Sprintf(":%d/", t.pg.Port), fmt.Sprintf(":%d/", p.port()), 1)
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	at := []string{h.server.URL()}
	l := h.subscribe(ctx, 20, at, nil)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan *writers)
	go func() { written <- h.write(writing, at, 16, 0, time.Millisecond) }()
	time.Sleep(time.Second)

	flowAgain := p.stall()
	off := time.Duration(t.number(30, 6)) * time.Second
	var slowest time.Duration
	asked := 0
	for began := time.Now(); time.Since(began) < off; asked++ {
		query := `{ feedback { score { responses } } }`
		if asked%2 == 1 {
			query = fmt.Sprintf(`mutation { recordResponse(input: { campaign: %q, score: 1, comment: "never", idempotencyKey: "never" }) { response { id } } }`, h.campaign)
		}
		sent := time.Now()
		a, err := h.ask(ctx, at[0], query, nil)
		took := time.Since(sent)
		slowest = max(slowest, took)
		switch {
		case err != nil:
			return "", "", fmt.Errorf("while the database is cut off: %w", err)
		case a.status != http.StatusServiceUnavailable || a.retryAfter == "" || a.code() != "OVERLOADED":
			return "", "", fmt.Errorf("while the database is cut off: status %d, Retry-After %q: %s", a.status, a.retryAfter, a.text)
		case took > refuseWithin:
			return "", "", fmt.Errorf("while the database is cut off, a refusal took %v", took)
		}
		time.Sleep(50 * time.Millisecond)
	}
	flowAgain()
	took, err := h.recovers(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	time.Sleep(time.Second)
	stop()
	w := <-written
	if err := w.only(overloaded); err != nil {
		return "", "", err
	}
	w.asked["never"] = true // one of those may have been on its way
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	if _, err := l.check(ctx, log); err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("%.0f s, %d requests meanwhile, beside 16 writers and 20 subscribers; %d responses acknowledged", off.Seconds(), asked, len(w.acked))
	return tried, fmt.Sprintf("each refused with 503 and Retry-After, the slowest after %.2f s; served again after %.2f s; each acknowledged response there once, all events heard; lost: 0", slowest.Seconds(), took.Seconds()),
		errors.Join(w.check(log), h.close(ctx))
}

func (t *torture) fullDisk(ctx context.Context, database string) (tried, outcome string, err error) {
	disk := filepath.Join(t.temp, "disk-"+strings.ToLower(database))
	if err := os.Mkdir(disk, 0o700); err != nil {
		return "", "", err
	}
	if out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=48m,mode=0777", "zeroten", disk).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("mounting a small disk (this needs root): %w: %s", err, out)
	}
	defer func() {
		if out, unmounting := exec.Command("umount", disk).CombinedOutput(); unmounting != nil { //nolint:noctx // whatever happened
			err = errors.Join(err, fmt.Errorf("unmounting: %w: %s", unmounting, out))
		}
	}()
	url := "sqlite://" + filepath.Join(disk, "zeroten.db")
	if database == "PostgreSQL" {
		// Its write-ahead log lies elsewhere: without room for that PostgreSQL stops altogether.
		if url, err = t.pg.CreateOn(ctx, "torturedisk", disk); err != nil {
			return "", "", err
		}
		defer func() { err = errors.Join(err, t.pg.DropOn(ctx, "torturedisk")) }()
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	at := []string{h.server.URL()}
	w := h.write(ctx, at, 8, 200, 0)
	filler := filepath.Join(disk, "filler")
	if err := fill(filler); err != nil {
		return "", "", err
	}
	// The pages that are there already have room for some more.
	refusals := 0
	var last answer
	full, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for i := 0; refusals < 20; i++ {
		if full.Err() != nil {
			return "", "", errors.New("the disk is full and nothing is refused")
		}
		key := fmt.Sprintf("full-%05d", i)
		w.asked[key] = true
		o, a, err := h.record(full, at[0], h.campaign, key, 3)
		switch {
		case err != nil || o == unknown:
			return "", "", fmt.Errorf("on a full disk: %w", err)
		case o == acknowledged:
			w.acked[key] = true
		case a.status != http.StatusServiceUnavailable || a.code() != "OVERLOADED":
			return "", "", fmt.Errorf("on a full disk: status %d: %s", a.status, a.text)
		default:
			refusals++
			last = a
		}
	}
	if len(last.Errors) == 0 || !strings.Contains(last.Errors[0].Message, "room") {
		return "", "", fmt.Errorf("on a full disk the refusal does not say why: %s", last.text)
	}
	if a, err := h.ask(ctx, at[0], `{ feedback { score { responses } } }`, nil); err != nil || len(a.Errors) > 0 {
		return "", "", fmt.Errorf("on a full disk nothing can be read: %w %s", err, a.text)
	}
	if err := os.Remove(filler); err != nil {
		return "", "", err
	}
	began := time.Now()
	for i := 0; ; i++ {
		key := fmt.Sprintf("room-%05d", i)
		w.asked[key] = true
		o, a, err := h.record(ctx, at[0], h.campaign, key, 3)
		if err != nil {
			return "", "", err
		}
		if o == acknowledged {
			w.acked[key] = true
			break
		}
		if time.Since(began) > 5*time.Second {
			return "", "", fmt.Errorf("there is room again and responses are refused: %s", a.text)
		}
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(began)
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("a disk of 48 MiB filled to the last byte, %d responses acknowledged before and meanwhile", len(w.acked))
	return tried, fmt.Sprintf("%d × %s with a reason, reading works on; recording again %.2f s after there was room; lost: 0", refusals, overloaded, took.Seconds()),
		errors.Join(w.check(log), h.close(ctx))
}

// fill writes a file until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for piece := make([]byte, 1<<20); len(piece) > 0; {
		if _, err := f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

func (t *torture) once(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	const requests = 1_000
	var mu sync.Mutex
	ids := map[string]int{}
	start := make(chan struct{})
	var all sync.WaitGroup
	var failed error
	for range requests {
		all.Go(func() {
			<-start
			o, a, err := h.record(ctx, h.server.URL(), h.campaign, "the one", 9)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || o != acknowledged {
				failed = fmt.Errorf("outcome %d: %w %s", o, err, a.text)
			}
			ids[string(a.Data)]++
		})
	}
	close(start)
	all.Wait()
	if failed != nil {
		return "", "", failed
	}
	log, err := h.log(ctx, h.server.URL())
	if err != nil {
		return "", "", err
	}
	if len(ids) != 1 || len(log) != 1 {
		return "", "", fmt.Errorf("%d different answers, and %d responses", len(ids), len(log))
	}
	return fmt.Sprintf("%d requests", requests), "one response, and the same answer to each; lost: 0", h.close(ctx)
}

// stopWithin is how long a server may take to stop.
const stopWithin = 10 * time.Second

func (t *torture) stop(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	at := []string{h.server.URL()}
	sockets := t.number(500, 200)
	l := h.subscribe(ctx, sockets, at, nil)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan *writers)
	go func() { written <- h.write(writing, at, 64, 0, 0) }()
	// Let all be there: each has heard something.
	for _, s := range l.all {
		for n, err := s.count(); n == 0 && ctx.Err() == nil; n, err = s.count() {
			if err != nil {
				return "", "", fmt.Errorf("a subscriber: %w", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	began := time.Now()
	if err := h.server.Stop(); err != nil {
		return "", "", err
	}
	took := time.Since(began)
	stop()
	w := <-written
	if err := w.only(); err != nil {
		return "", "", fmt.Errorf("while it stopped: %w", err)
	}
	if took > stopWithin {
		return "", "", fmt.Errorf("stopping took %v", took)
	}
	// The same address, so that all come back.
	if h.server, err = t.serve(ctx, url, strings.TrimSuffix(strings.TrimPrefix(at[0], "http://"), "/graphql")); err != nil {
		return "", "", err
	}
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	if _, err := l.check(ctx, log); err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("%d subscribers, half of them over WebSocket, 64 writers, %d responses acknowledged", sockets, len(w.acked))
	return tried, fmt.Sprintf("over in %.1f s, no answer with an error, %d requests without one; all subscribers came back and missed nothing; lost: 0", took.Seconds(), w.failures),
		errors.Join(w.check(log), h.close(ctx))
}
