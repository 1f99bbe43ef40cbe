//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// writers record responses until they are told to stop, each again and again until it is acknowledged.
type writers struct {
	house *house
	urls  []string

	mu sync.Mutex
	// acked are the idempotency keys that were acknowledged, asked all that were ever sent.
	acked map[string]bool
	asked map[string]bool
	// refusals are answers with errors, by status and code; failures got no answer.
	refusals map[string]int
	failures int
	err      error
}

// write has so many writers record. Where most is not zero it ends with so many responses, else with the context; what
// is under way then is given up.
func (h *house) write(ctx context.Context, urls []string, parallel, most int, pause time.Duration) *writers {
	w := &writers{house: h, urls: urls, acked: map[string]bool{}, asked: map[string]bool{}, refusals: map[string]int{}}
	var all sync.WaitGroup
	next := make(chan int)
	go func() {
		defer close(next)
		for i := 0; most == 0 || i < most; i++ {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
			if pause > 0 {
				time.Sleep(pause)
			}
		}
	}()
	for n := range parallel {
		all.Go(func() {
			for i := range next {
				w.one(ctx, fmt.Sprintf("r-%06d", i), i%11, n)
			}
		})
	}
	all.Wait()
	return w
}

// one records one response, until it is acknowledged.
func (w *writers) one(ctx context.Context, key string, score, turn int) {
	w.mu.Lock()
	w.asked[key] = true
	w.mu.Unlock()
	for try := turn; ctx.Err() == nil; try++ {
		o, a, err := w.house.record(ctx, w.urls[try%len(w.urls)], w.house.campaign, key, score)
		w.mu.Lock()
		switch {
		case err != nil:
			w.err = err
			w.mu.Unlock()
			return
		case o == acknowledged:
			w.acked[key] = true
			w.mu.Unlock()
			return
		case o == refused:
			w.refusals[fmt.Sprintf("%d %s", a.status, a.code())]++
		case ctx.Err() == nil:
			w.failures++
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// only fails where refusals came that are not among these.
func (w *writers) only(allowed ...string) error {
	if w.err != nil {
		return w.err
	}
	for _, refusal := range slices.Sorted(maps.Keys(w.refusals)) {
		if !slices.Contains(allowed, refusal) {
			return fmt.Errorf("%d answers were %s", w.refusals[refusal], refusal)
		}
	}
	return nil
}

// check compares the log with what was acknowledged: each of that is there once, and nothing that was never asked.
func (w *writers) check(log []event) error {
	times := map[string]int{}
	for _, e := range log {
		if e.Kind != "RECORDED" || e.Response == nil {
			return fmt.Errorf("the log has a %s", e.Kind)
		}
		times[e.Response.Comment]++
	}
	for key := range w.acked {
		if times[key] != 1 {
			return fmt.Errorf("%s was acknowledged and is there %d times", key, times[key])
		}
	}
	for key, n := range times {
		if n != 1 || !w.asked[key] {
			return fmt.Errorf("%s is there %d times", key, n)
		}
	}
	return nil
}

// log reads the whole log: as many events as the score has responses, since nothing is amended here. Writers that gave
// up may have left something under way, so it waits until nothing is added any more.
func (h *house) log(ctx context.Context, url string) ([]event, error) {
	before := -1
	for {
		var data struct {
			Feedback struct{ Score struct{ Responses int } }
		}
		if err := h.must(ctx, url, `{ feedback { score { responses } } }`, nil, &data); err != nil {
			return nil, err
		}
		n := data.Feedback.Score.Responses
		if n == before {
			return h.readLog(ctx, url, n)
		}
		before = n
		time.Sleep(500 * time.Millisecond)
	}
}

// listeners are subscribers under way.
type listeners struct {
	all  []*subscriber
	stop context.CancelFunc
	done sync.WaitGroup
}

func (h *house) subscribe(ctx context.Context, n int, urls []string, life func() time.Duration) *listeners {
	ctx, stop := context.WithCancel(ctx)
	l := &listeners{stop: stop}
	for i := range n {
		s := &subscriber{client: h.client, socket: i%2 == 1, urls: rotate(urls, i/2), life: life}
		l.all = append(l.all, s)
		l.done.Go(func() { s.listen(ctx) })
	}
	return l
}

func rotate(urls []string, by int) []string {
	by %= len(urls)
	return append(slices.Clone(urls[by:]), urls[:by]...)
}

// check waits until every subscriber has heard as many events as the log has, a minute without any at most, and compares
// them one by one. It returns how often connections were cut.
func (l *listeners) check(ctx context.Context, log []event) (cuts int, err error) {
	defer l.stop()
	for _, s := range l.all {
		heard, since := 0, time.Now()
		for n, err := s.count(); n < len(log) || err != nil; n, err = s.count() {
			if err != nil {
				return 0, fmt.Errorf("a subscriber: %w", err)
			}
			if n > heard {
				heard, since = n, time.Now()
			}
			if time.Since(since) > time.Minute || ctx.Err() != nil {
				return 0, fmt.Errorf("a subscriber has heard %d of %d events", n, len(log))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	time.Sleep(200 * time.Millisecond) // for what would come twice
	l.stop()
	l.done.Wait()
	for n, s := range l.all {
		if s.failed != nil {
			return 0, fmt.Errorf("subscriber %d: %w", n, s.failed)
		}
		if len(s.heard) != len(log) {
			return 0, fmt.Errorf("subscriber %d heard %d events, and there are %d", n, len(s.heard), len(log))
		}
		for i, e := range s.heard {
			if e.Cursor != log[i].Cursor || e.ResponseID != log[i].ResponseID {
				return 0, fmt.Errorf("subscriber %d heard %s as number %d, which is %s", n, e.ResponseID, i, log[i].ResponseID)
			}
		}
		cuts += max(0, s.cuts-1)
	}
	return cuts, nil
}

func (w *writers) described() string {
	var texts []string
	for _, refusal := range slices.Sorted(maps.Keys(w.refusals)) {
		texts = append(texts, fmt.Sprintf("%d × %s", w.refusals[refusal], refusal))
	}
	if w.failures > 0 {
		texts = append(texts, fmt.Sprintf("%d without an answer", w.failures))
	}
	if texts == nil {
		return "none refused"
	}
	return strings.Join(texts, ", ")
}
