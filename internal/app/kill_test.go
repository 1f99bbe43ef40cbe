package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"regexp"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// TestKill kills the program with SIGKILL, again and again, while many clients write, and wants all that it answered
// for there, once.
func TestKill(t *testing.T) {
	const kills, writers = 50, 64
	program := build(t)
	storetest.EachURL(t, func(t *testing.T, url string) {
		k := &killing{t: t, program: program, url: url}
		k.changed.L = &k.mu
		k.prepare()
		k.start()
		t.Cleanup(func() { k.kill() })
		clients := make([]*client, writers)
		var running sync.WaitGroup
		for i := range clients {
			clients[i] = &client{killing: k, name: fmt.Sprint("client ", i), acknowledged: map[string]answered{}}
			running.Go(clients[i].write)
		}
		// The seed is fixed, but what is in flight at a kill is not.
		random := rand.New(rand.NewPCG(1, 2))
		for n := range kills {
			k.awaitAnswers(1 + random.IntN(120))
			k.kill()
			if n%10 == 9 {
				k.doctor()
			}
			k.start()
		}
		k.awaitAnswers(1)
		k.stop()
		running.Wait()
		k.kill()
		if k.failed != nil {
			t.Fatal(k.failed)
		}
		k.doctor()
		k.verify(clients)
	})
}

// killing is a server that comes and goes.
type killing struct {
	t                *testing.T
	program, url     string
	secret, campaign string
	command          *exec.Cmd
	diagnostics      bytes.Buffer
	http             http.Client
	mu               sync.Mutex
	changed          sync.Cond // of what follows
	starts, answers  int
	address          string // empty while there is no server
	stopped          bool
	failed           error
}

// prepare makes a tenant with a campaign.
func (k *killing) prepare() {
	ctx := k.t.Context()
	db := storetest.Open(k.t, k.url)
	made, secret, err := tenant.Create(ctx, db, tenant.CreateInput{Name: "Tenant", TimeZone: "Europe/Amsterdam"})
	if err != nil {
		k.t.Fatal(err)
	}
	c, err := campaign.Create(auth.ForTenant(ctx, made.ID), db, campaign.CreateInput{Name: "Campaign"})
	if err != nil {
		k.t.Fatal(err)
	}
	k.secret, k.campaign = secret, id.Campaign.Format(c.ID)
	k.http.Transport = &http.Transport{MaxIdleConnsPerHost: 100}
}

var served = regexp.MustCompile(`http://\S+/graphql`)

func (k *killing) start() {
	k.t.Helper()
	k.command = exec.Command(k.program, "serve", "--database", k.url, "--listen", "127.0.0.1:0")
	k.diagnostics.Reset()
	k.command.Stderr = &k.diagnostics
	out, err := k.command.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.command.Start(); err != nil {
		k.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if address := served.FindString(lines.Text()); address != "" {
			k.change(func() { k.address, k.starts = address, k.starts+1 })
			return
		}
	}
	_ = k.command.Wait()
	k.t.Fatalf("the program has ended: %s", k.diagnostics.String())
}

func (k *killing) kill() {
	if k.command.ProcessState != nil {
		return
	}
	k.change(func() { k.address = "" })
	if err := k.command.Process.Kill(); err != nil {
		k.t.Error(err)
	}
	_ = k.command.Wait() // it was killed, and says so
}

func (k *killing) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	k.changed.Broadcast()
}

func (k *killing) stop() { k.change(func() { k.stopped = true }) }

// awaitAnswers waits until so many more requests were answered.
func (k *killing) awaitAnswers(n int) {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for until := k.answers + n; k.answers < until && k.failed == nil; {
		k.changed.Wait()
	}
	if k.failed != nil {
		k.t.Fatal(k.failed)
	}
}

// server waits for one that has not been seen to fail.
func (k *killing) server(failed int) (address string, start int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for (k.address == "" || k.starts == failed) && k.failed == nil {
		k.changed.Wait()
	}
	return k.address, k.starts
}

func (k *killing) doctor() {
	k.t.Helper()
	out, err := exec.Command(k.program, "doctor", "--database", k.url).CombinedOutput()
	if err != nil {
		k.t.Fatalf("doctor: %v\n%s", err, out)
	}
}

// answered is what a client was told of a response.
type answered struct {
	id    string
	score int
}

type client struct {
	*killing
	name         string
	sent         int
	acknowledged map[string]answered // by idempotency key, which is the comment too
	last         string
}

// write sends one request after the other, each until it is answered.
func (c *client) write() {
	for {
		c.mu.Lock()
		done := c.stopped || c.failed != nil
		c.mu.Unlock()
		if done {
			return
		}
		c.sent++
		var err error
		switch {
		case c.sent%7 == 0 && c.last != "":
			err = c.amend()
		case c.sent%5 == 0:
			err = c.record(20)
		default:
			err = c.record(1)
		}
		c.change(func() {
			c.answers++
			if err != nil {
				c.failed = errors.Join(c.failed, fmt.Errorf("%s: %w", c.name, err))
			}
		})
	}
}

type payload struct {
	Data struct {
		RecordResponses struct {
			Responses []*struct {
				ID, Comment string
				Score       int
			}
			UserErrors []any
		}
		AmendResponse struct {
			Response   *struct{ Score int }
			UserErrors []any
		}
	}
	Errors []struct {
		Message    string
		Extensions struct{ Code string }
	}
}

func (c *client) record(n int) error {
	type object = map[string]any
	items := make([]object, n)
	for i := range items {
		key := fmt.Sprintf("%s, request %d, response %d", c.name, c.sent, i)
		items[i] = object{
			"campaign": c.campaign, "score": (c.sent + i) % 11, "comment": key, "idempotencyKey": key,
			"variant": fmt.Sprint(c.sent % 3),
		}
		if (c.sent+i)%2 == 0 {
			items[i]["contact"] = object{
				"externalId": fmt.Sprint("person ", (c.sent+7*i)%90), "traits": object{"seen": c.sent}, "name": c.name,
			}
		}
	}
	p, err := c.ask(`mutation($r: [RecordResponseInput!]!) { recordResponses(input: {responses: $r}) {
		responses { id comment score } userErrors { message } } }`, object{"r": items})
	if err != nil {
		return err
	}
	got := p.Data.RecordResponses
	if len(got.Responses) != n || len(got.UserErrors) > 0 {
		return fmt.Errorf("%d of %d were recorded: %v", len(got.Responses), n, got.UserErrors)
	}
	for i, r := range got.Responses {
		if r == nil || r.Comment != items[i]["comment"] {
			return fmt.Errorf("item %d became %+v", i, r)
		}
		c.acknowledged[r.Comment] = answered{r.ID, r.Score}
		c.last = r.Comment
	}
	return nil
}

func (c *client) amend() error {
	was := c.acknowledged[c.last]
	was.score = (was.score + 5) % 11
	p, err := c.ask(`mutation($id: ID!, $score: Int!) { amendResponse(input: {id: $id, score: $score}) {
		response { score } userErrors { message } } }`, map[string]any{"id": was.id, "score": was.score})
	if err != nil {
		return err
	}
	if got := p.Data.AmendResponse; got.Response == nil || got.Response.Score != was.score {
		return fmt.Errorf("amending %s: %+v", was.id, got)
	}
	c.acknowledged[c.last] = was
	return nil
}

// ask sends a request until it is answered, by whichever server there is.
func (c *client) ask(query string, variables map[string]any) (payload, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return payload{}, err
	}
	start := 0
	for {
		var address string
		if address, start = c.server(start); address == "" {
			return payload{}, errors.New("there is no server any more")
		}
		request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return payload{}, err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+c.secret)
		response, err := c.http.Do(request)
		if err != nil {
			continue // killed
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it has only been read
		if err != nil {
			continue // killed
		}
		var p payload
		if err := json.Unmarshal(text, &p); err != nil {
			return p, fmt.Errorf("%s: %w: %s", response.Status, err, text)
		}
		if len(p.Errors) > 0 {
			return p, fmt.Errorf("%s: %+v", response.Status, p.Errors)
		}
		return p, nil
	}
}

// verify compares what is stored with what was answered. Each request was sent until it was answered, so that there is
// nothing else.
func (k *killing) verify(clients []*client) {
	ctx := auth.ForSystem(k.t.Context())
	db, err := store.Open(ctx, k.url, store.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Ent.Response.Query().All(ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	want := map[string]answered{}
	for _, c := range clients {
		for key, a := range c.acknowledged {
			want[key] = a
		}
	}
	acknowledged := len(want)
	for _, r := range rows {
		if r.Comment == nil {
			k.t.Errorf("%s is nobody's", r.NodeID())
			continue
		}
		if a, ok := want[*r.Comment]; !ok || a != (answered{r.NodeID(), r.Score}) {
			k.t.Errorf("%q is there as %s with the score %d; it was answered as %+v, and not seen before: %t", *r.Comment, r.NodeID(), r.Score, a, ok)
		}
		delete(want, *r.Comment)
	}
	for key := range want {
		k.t.Errorf("%q was answered, and is lost", key)
	}
	k.t.Logf("%d responses were acknowledged", acknowledged)
}
