//go:build linux

package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/campaign"
)

// The subscriptions of the goals.
const (
	manySubscribers = 10_000
	someSubscribers = 1_000
	eventsPerSecond = 20
)

// live measures subscriptions on PostgreSQL.
func (b *bench) live(ctx context.Context) error {
	url, err := b.pg.Create(ctx, "live")
	if err != nil {
		return err
	}
	w, err := settle(ctx, url, 100)
	if err != nil {
		return err
	}
	var loud, silent string
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		for name, id := range map[string]*string{"Loud": &loud, "Silent": &silent} {
			c, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: name})
			if err != nil {
				return err
			}
			*id = c.NodeID()
		}
		return nil
	})
	if err != nil {
		return err
	}
	many, some := manySubscribers, someSubscribers
	if b.quick {
		many, some = many/10, some/10
	}
	single, err := recordLoud(loud, 1)
	if err != nil {
		return err
	}
	batch, err := recordLoud(loud, 20)
	if err != nil {
		return err
	}
	base := listening{Key: w.secret, IdleQuery: received(silent), ActiveQuery: received(loud), Record: single, Each: 1, Senders: 8}

	for _, socket := range []bool{false, true} {
		protocol := map[bool]string{false: "server-sent events", true: "WebSocket"}[socket]
		idle := base
		idle.Socket, idle.Idle, idle.Active, idle.PerSecond, idle.Seconds = socket, many-some, some, eventsPerSecond, b.seconds
		var each, sent50, sent99, acked50, acked99 sample
		for range b.rounds {
			h, kiB, err := b.listen(ctx, url, idle)
			if err != nil {
				return fmt.Errorf("%s: %w", protocol, err)
			}
			each = append(each, kiB)
			sent50, sent99 = append(sent50, h.SentP50), append(sent99, h.SentP99)
			acked50, acked99 = append(acked50, h.AckedP50), append(acked99, h.AckedP99)
		}
		section := "Live, PostgreSQL, over " + protocol
		b.report.add(line{
			section: section, what: fmt.Sprintf("memory of one of %s subscribers", number(float64(many))), unit: "KiB", ours: each,
			goal: "≤ 40 KiB", reached: new(each.median() <= 40),
			limit: "the server's resident memory with all of them less that before, divided by their number (" + protocol + ")",
		})
		paced := fmt.Sprintf("%d events a second to %s of them, from acknowledgement to delivery", eventsPerSecond, number(float64(some)))
		b.report.add(line{section: section, what: paced + ", p50", unit: "ms", ours: acked50})
		b.report.add(line{section: section, what: paced + ", p99", unit: "ms", ours: acked99})
		b.report.add(line{section: section, what: "the same from the mutation's sending, p50", unit: "ms", ours: sent50})
		b.report.add(line{section: section, what: "the same from the mutation's sending, p99", unit: "ms", ours: sent99, goal: "≤ 50 ms", reached: new(sent99.median() <= 50)})

		// As many as can be: once with one document, whose events are executed once for all, once with one each.
		flood := base
		flood.Socket, flood.Active, flood.Record, flood.Each, flood.PerSecond, flood.Seconds = socket, some, batch, 20, 0, b.seconds/2
		flood.Senders = 1
		apart := flood
		apart.Apart = true
		var ours, rival sample
		for range b.rounds {
			h, _, err := b.listen(ctx, url, flood)
			if err != nil {
				return fmt.Errorf("%s: %w", protocol, err)
			}
			ours = append(ours, float64(h.Deliveries)/h.Seconds)
			if h, _, err = b.listen(ctx, url, apart); err != nil {
				return fmt.Errorf("%s: %w", protocol, err)
			}
			rival = append(rival, float64(h.Deliveries)/h.Seconds)
		}
		b.report.add(line{
			section: section, what: fmt.Sprintf("events to %s subscribers, as fast as they come", number(float64(some))), unit: "deliveries/s", ours: ours,
			beside: "each with a document of its own", rival: rival, ratio: ours.median() / rival.median(),
			goal: "≥ 60,000/s", reached: new(ours.median() >= 60_000),
			limit: "one connection records 20 responses a request; the listening process and PostgreSQL share the processors with the server",
		})
	}
	return nil
}

// received is a subscription to what a campaign gets.
func received(campaign string) string {
	return fmt.Sprintf(`subscription { feedbackReceived(filter: { campaigns: [%q] }) { cursor kind at responseId response { score comment respondedAt } } }`, campaign)
}

// recordLoud records n responses, as listening.Record has it.
func recordLoud(campaign string, n int) (string, error) {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{ campaign: %q, score: %d, comment: "t%%s" }`, campaign, i%11)
	}
	text, err := json.Marshal(map[string]string{
		"query": fmt.Sprintf(`mutation { recordResponses(input: { responses: [%s] }) { recorded userErrors { code } } }`, strings.Join(items, " ")),
	})
	return string(text), err
}

// listen has a process of its own open subscriptions on a new server. It also returns the memory that each took, in
// KiB.
func (b *bench) listen(ctx context.Context, database string, l listening) (h heard, kiB float64, err error) {
	s, err := b.serve(ctx, database, fmt.Sprintf("listen-%d", l.Active))
	if err != nil {
		return h, 0, err
	}
	defer func() {
		if stopped := s.Stop(); err == nil {
			err = stopped
		}
	}()
	return listenTo(ctx, s, l)
}

// listenTo is listen on a server that runs already.
func listenTo(ctx context.Context, s *server, l listening) (h heard, kiB float64, err error) {
	before, err := s.Memory("VmRSS")
	if err != nil {
		return h, 0, err
	}
	l.Port = s.Port
	self, err := os.Executable()
	if err != nil {
		return h, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "listen")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2", "GOGC=400")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return h, 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return h, 0, err
	}
	if err := cmd.Start(); err != nil {
		return h, 0, err
	}
	encoder, decoder := gob.NewEncoder(in), gob.NewDecoder(out)
	talk := func() error {
		if err := encoder.Encode(l); err != nil {
			return err
		}
		if err := decoder.Decode(&h); err != nil {
			return err
		}
		after, err := s.Memory("VmRSS")
		if err != nil {
			return err
		}
		kiB = (after - before) * 1024 / float64(l.Idle+l.Active)
		if err := encoder.Encode(true); err != nil {
			return err
		}
		return decoder.Decode(&h)
	}
	if err := talk(); err != nil {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		return h, 0, fmt.Errorf("listening: %w (%w)", err, cmd.Wait())
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		return h, 0, fmt.Errorf("listening: %w", err)
	}
	if h.Deliveries != h.Expected {
		return h, 0, fmt.Errorf("%d deliveries came, and %d were to come", h.Deliveries, h.Expected)
	}
	say("  %d subscriptions opened in %.1f s, %.1f KiB each; %d deliveries in %.1f s, from sending p50 %s ms, p99 %s ms",
		l.Idle+l.Active, h.Opened, kiB, h.Deliveries, h.Seconds, number(h.SentP50), number(h.SentP99))
	return h, kiB, nil
}
