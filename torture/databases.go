//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/internal/lab"
)

// waits are what recording one response at a time took.
type waits struct {
	mu      sync.Mutex
	n       int
	longest time.Duration
	err     error
}

// steadily records, with so many clients, until the context ends.
func (h *house) steadily(ctx context.Context, clients int, name string) *waits {
	w := &waits{}
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				sent := time.Now()
				// Not with the context: what is under way at its end counts.
				o, a, err := h.record(context.WithoutCancel(ctx), h.server.URL(), h.campaign, fmt.Sprintf("%s-%d-%d", name, n, i), i%11)
				took := time.Since(sent)
				w.mu.Lock()
				if err != nil || o != acknowledged {
					w.err = fmt.Errorf("recording: %w %s", err, a.text)
				}
				w.n++
				w.longest = max(w.longest, took)
				w.mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	all.Wait()
	return w
}

// recordMany records a batch.
const recordMany = `mutation ($input: RecordResponsesInput!) { recordResponses(input: $input) { userErrors { message } } }`

// waitAtMost is how long a write may wait for a rebuild, beside what it waits without one on this machine.
const waitAtMost = 300 * time.Millisecond

// whileRebuilding records steadily while a new dimension has all responses taken in anew.
func (h *house) whileRebuilding(ctx context.Context, clients int, dimension string) (*waits, time.Duration, error) {
	at := h.server.URL()
	define := fmt.Sprintf(`mutation { defineTrait(input: { key: %q, kind: TEXT, isDimension: true }) { userErrors { message } } }`, dimension)
	if err := h.must(ctx, at, define, nil, &struct{}{}); err != nil {
		return nil, 0, err
	}
	building, stop := context.WithCancel(ctx)
	defer stop()
	recorded := make(chan *waits)
	go func() { recorded <- h.steadily(building, clients, dimension) }()
	began, seen := time.Now(), false
	for {
		var data struct {
			Tenant struct{ Rebuild *struct{ Done, Total int } }
		}
		if err := h.must(ctx, at, `{ tenant { rebuild { done total } } }`, nil, &data); err != nil {
			return nil, 0, err
		}
		if data.Tenant.Rebuild == nil {
			break
		}
		seen = true
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(began)
	time.Sleep(time.Duration(h.t.number(3, 1)) * time.Second) // the old cells are swept
	stop()
	w := <-recorded
	if !seen && w.err == nil {
		w.err = errors.New("there was no rebuild")
	}
	return w, took, w.err
}

func (t *torture) rebuild(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, url)
	if err != nil {
		return "", "", err
	}
	at := h.server.URL()
	batches := t.number(300, 30)
	const batch, clients = 1_000, 8
	for i := range batches {
		items := make([]map[string]any, batch)
		for j := range items {
			items[j] = map[string]any{
				"campaign": h.campaign, "score": (i + j) % 11, "traits": map[string]any{"plan0": fmt.Sprint("plan ", j%20)},
				"respondedAt": time.Now().AddDate(0, 0, -j%700).UTC().Format(time.RFC3339),
			}
		}
		if err := h.must(ctx, at, recordMany, map[string]any{"input": map[string]any{"responses": items}}, &struct{}{}); err != nil {
			return "", "", err
		}
	}
	quiet, end := context.WithTimeout(ctx, time.Duration(t.number(15, 5))*time.Second)
	defer end()
	alone := h.steadily(quiet, clients, "alone")
	if alone.err != nil {
		return "", "", alone.err
	}
	// What was too long may have been the machine's; what is the rebuild's is too long again.
	var meanwhile *waits
	var took time.Duration
	recorded := alone.n
	for try := range 3 {
		if meanwhile, took, err = h.whileRebuilding(ctx, clients, fmt.Sprint("plan", try)); err != nil {
			return "", "", err
		}
		recorded += meanwhile.n
		if meanwhile.longest <= alone.longest+waitAtMost {
			break
		}
	}
	if meanwhile.longest > alone.longest+waitAtMost {
		return "", "", fmt.Errorf("a write waited for %v, and without a rebuild for %v", meanwhile.longest, alone.longest)
	}
	var data struct {
		Feedback struct{ Score struct{ Responses int } }
	}
	if err := h.must(ctx, at, `{ feedback { score { responses } } }`, nil, &data); err != nil {
		return "", "", err
	}
	if want := batches*batch + recorded; data.Feedback.Score.Responses != want {
		return "", "", fmt.Errorf("%d responses were acknowledged, and %d are counted", want, data.Feedback.Score.Responses)
	}
	tried = fmt.Sprintf("%d responses taken in in %.1f s, %d recorded meanwhile by %d clients", batches*batch+recorded-meanwhile.n, took.Seconds(), meanwhile.n, clients)
	return tried, fmt.Sprintf("the longest write took %d ms, and %d ms without a rebuild; all counted; lost: 0", meanwhile.longest.Milliseconds(), alone.longest.Milliseconds()),
		h.close(ctx)
}

// beginning is a server that was started and may not be up yet.
type beginning struct {
	cmd     *exec.Cmd
	address string
	secrets []string
	done    chan struct{}
}

var (
	shownKey = regexp.MustCompile(`^\s+(z10_\S+)$`)
	servedAt = regexp.MustCompile(`http://127\.0\.0\.1:\d+/graphql`)
)

// begin starts a server and does not wait for it.
func (t *torture) begin(url string) (*beginning, error) {
	cmd := exec.Command(t.binary, "serve", "--listen", "127.0.0.1:0", "--log-level", "WARN") //nolint:noctx // killed below
	cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
	cmd.Stderr = t.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b := &beginning{cmd: cmd, done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(b.done)
		lines := bufio.NewScanner(out)
		for b.address == "" && lines.Scan() {
			if found := shownKey.FindStringSubmatch(lines.Text()); found != nil {
				b.secrets = append(b.secrets, found[1])
			}
			b.address = servedAt.FindString(lines.Text())
		}
	}()
	return b, nil
}

func (b *beginning) kill() {
	_ = b.cmd.Process.Kill() // it may have ended
	<-b.done
	_ = b.cmd.Wait() // it says that it was killed
}

func (t *torture) starts(ctx context.Context, database string) (tried, outcome string, err error) {
	const together = 4
	rounds, kills, shown := t.number(12, 4), 0, 0
	for round := range rounds {
		url, err := t.database(ctx, database)
		if err != nil {
			return "", "", err
		}
		var secrets []string
		for again := range 2 {
			var all []*beginning
			for range together {
				b, err := t.begin(url)
				if err != nil {
					return "", "", err
				}
				all = append(all, b)
			}
			if again == 0 && round > 0 { // the first round has nobody killed
				time.Sleep(between(time.Millisecond, 400*time.Millisecond))
				for _, b := range all[:1+round%together] {
					b.kill()
					kills++
				}
			}
			for _, b := range all {
				<-b.done
				secrets = append(secrets, b.secrets...)
				if again == 1 && b.address == "" {
					return "", "", errors.New("a server did not start")
				}
			}
			if again == 1 {
				works := 0
				for _, secret := range secrets {
					c := newClient(secret)
					for n, b := range all {
						a, err := c.ask(ctx, b.address, `{ tenant { name } }`, nil)
						switch {
						case err != nil:
							return "", "", err
						case len(a.Errors) == 0:
							works++
						case n > 0 && works%together != 0:
							return "", "", fmt.Errorf("a key works with some servers only: %s", a.text)
						}
					}
				}
				if works != together {
					return "", "", fmt.Errorf("%d keys were shown, and answered %d times by %d servers", len(secrets), works, together)
				}
				shown += len(secrets)
			}
			for _, b := range all {
				b.kill()
			}
		}
		cmd := exec.CommandContext(ctx, t.binary, "tenant", "list")
		cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
		list, err := cmd.Output()
		if err != nil || strings.Count(string(list), "\n") != 1 {
			return "", "", fmt.Errorf("the tenants are %q, %w", list, err)
		}
		if err := (&house{t: t, url: url}).close(ctx); err != nil {
			return "", "", err
		}
	}
	tried = fmt.Sprintf("%d empty databases, %d at once twice on each, %d killed on the way", rounds, together, kills)
	return tried, fmt.Sprintf("one tenant on each, whose key works with every server; %d keys shown, those more than %d void for a kill before the commit", shown, rounds), nil
}

func (t *torture) failover(ctx context.Context, _ string) (tried, outcome string, err error) {
	primary, err := lab.StartCluster(ctx, t.root, filepath.Join(t.temp, "primary"))
	if err != nil {
		return "", "", err
	}
	running := map[*lab.Cluster]bool{primary: true}
	defer func() {
		for c, is := range running {
			if is {
				err = errors.Join(err, c.Stop())
			}
		}
	}()
	direct, err := primary.Create(ctx, "failover")
	if err != nil {
		return "", "", err
	}
	standby, err := primary.Standby(ctx, filepath.Join(t.temp, "standby"))
	if err != nil {
		return "", "", err
	}
	running[standby] = true
	set := func(c *lab.Cluster, setting string) error {
		_, err := c.PSQL(ctx, "postgres", "-c", "ALTER SYSTEM "+setting, "-c", "SELECT pg_reload_conf()")
		return err
	}
	// What is acknowledged has to be on both.
	if err := set(primary, "SET synchronous_standby_names = '*'"); err != nil {
		return "", "", err
	}
	url := strings.Replace(direct, fmt.Sprintf(":%d/", primary.Port), fmt.Sprintf(":%d,127.0.0.1:%d/", primary.Port, standby.Port), 1)
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

	if err := primary.Stop(); err != nil {
		return "", "", err
	}
	running[primary] = false
	if err := standby.Promote(ctx); err != nil {
		return "", "", err
	}
	over, err := h.recordsAgain(ctx, at[0], "promoted")
	if err != nil {
		return "", "", err
	}
	time.Sleep(time.Second)

	// The server that there is takes no writes, for a while.
	if err := set(standby, "SET default_transaction_read_only = on"); err != nil {
		return "", "", err
	}
	if err := h.readOnly(ctx, at[0]); err != nil {
		return "", "", err
	}
	if err := set(standby, "RESET default_transaction_read_only"); err != nil {
		return "", "", err
	}
	back, err := h.recordsAgain(ctx, at[0], "writable")
	if err != nil {
		return "", "", err
	}

	// The old one is there again, first in the address, and all connections have to be made anew.
	if err := primary.Demote(); err != nil {
		return "", "", err
	}
	if err := primary.Start(ctx); err != nil {
		return "", "", err
	}
	running[primary] = true
	if _, err := standby.PSQL(ctx, "failover", "-c", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'failover' AND pid <> pg_backend_pid()"); err != nil {
		return "", "", err
	}
	passed, err := h.recordsAgain(ctx, at[0], "passed over")
	if err != nil {
		return "", "", err
	}
	time.Sleep(time.Second)
	stop()
	w := <-written
	if err := w.only(overloaded); err != nil {
		return "", "", err
	}
	for _, key := range []string{"promoted", "writable", "passed over"} {
		w.asked[key], w.acked[key] = true, true
	}
	log, err := h.log(ctx, at[0])
	if err != nil {
		return "", "", err
	}
	if _, err := l.check(ctx, log); err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("a primary with a synchronous standby, each once, under 16 writers and 20 subscribers; %d responses acknowledged", len(w.acked))
	return tried, fmt.Sprintf("requests: %s; recording again %.1f s after the promotion, %.1f s after writes were allowed, %.1f s after the old one was back; each acknowledged response there once, all events heard; lost: 0",
		w.described(), over.Seconds(), back.Seconds(), passed.Seconds()), errors.Join(w.check(log), h.close(ctx))
}

// recordsAgain says how long it takes until a response is acknowledged.
func (h *house) recordsAgain(ctx context.Context, url, key string) (time.Duration, error) {
	began := time.Now()
	for {
		o, a, err := h.record(ctx, url, h.campaign, key, 5)
		took := time.Since(began)
		if err == nil && o == acknowledged {
			return took, nil
		}
		if took > 5*time.Second {
			return took, fmt.Errorf("%.1f s after the database takes writes: %w %s", took.Seconds(), err, a.text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// readOnly waits until the server knows that its database takes no writes, and fails where it does not say so.
func (h *house) readOnly(ctx context.Context, url string) error {
	ready := strings.TrimSuffix(url, "/graphql") + "/readyz"
	began := time.Now()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, ready, nil)
		if err != nil {
			return err
		}
		answer, err := h.http.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		var health struct {
			Checks map[string]string `json:"checks"`
		}
		if err := json.Unmarshal(text, &health); err != nil {
			return err
		}
		if answer.StatusCode == http.StatusServiceUnavailable && health.Checks["database"] == "takes no writes" {
			break
		}
		if time.Since(began) > 5*time.Second {
			return fmt.Errorf("the database takes no writes, and /readyz says %s", text)
		}
		time.Sleep(20 * time.Millisecond)
	}
	a, err := h.ask(ctx, url, recordOne, map[string]any{"input": map[string]any{"campaign": h.campaign, "score": 1}})
	if err != nil || a.status != http.StatusServiceUnavailable || a.code() != "OVERLOADED" || a.retryAfter == "" {
		return fmt.Errorf("the database takes no writes, and a mutation was told %d, %w: %s", a.status, err, a.text)
	}
	return nil
}

func (t *torture) pgbouncer(ctx context.Context, database string) (tried, outcome string, err error) {
	direct, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	name := direct[strings.LastIndexByte(direct, '/')+1 : strings.IndexByte(direct, '?')]
	for _, mode := range []string{"transaction", "statement"} {
		b, err := t.pg.StartBouncer(ctx, t.root, filepath.Join(t.temp, "bouncer-"+mode), name, mode)
		if err != nil {
			return "", "", err
		}
		cmd := exec.CommandContext(ctx, t.binary, "serve", "--listen", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), "DATABASE_URL="+b.URL(name))
		out, failed := cmd.CombinedOutput()
		if err := b.Stop(); err != nil {
			return "", "", err
		}
		if failed == nil || !strings.Contains(string(out), "pool_mode=session") {
			return "", "", fmt.Errorf("with pool_mode=%s a server ends with %w: %s", mode, failed, out)
		}
	}
	b, err := t.pg.StartBouncer(ctx, t.root, filepath.Join(t.temp, "bouncer-session"), name, "session")
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	h, err := t.open(ctx, b.URL(name))
	if err != nil {
		return "", "", err
	}
	second, err := t.serve(ctx, h.url, "")
	if err != nil {
		return "", "", err
	}
	at := []string{h.server.URL(), second.URL()}
	l := h.subscribe(ctx, 20, at, nil)
	events := t.number(5_000, 1_000)
	w := h.write(ctx, at, 32, events, 0)
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
	tried = fmt.Sprintf("two servers through PgBouncer by session, 32 writers, 20 subscribers, %d events", events)
	return tried, "each heard all, once; by transaction and by statement it is refused at the start, with the way out; lost: 0",
		errors.Join(w.check(log), second.Stop(), h.close(ctx))
}
