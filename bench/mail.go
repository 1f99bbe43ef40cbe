//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/outreach"
)

// homes are the 40 time zones that people are in, of all shapes: with summer time and without, north and south, of half and quarter hours.
var homes = []string{
	"Europe/Amsterdam", "Europe/London", "Europe/Lisbon", "Europe/Athens", "Europe/Istanbul", "Europe/Moscow", "Europe/Dublin", "Europe/Kyiv",
	"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "America/Halifax",
	"America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Bogota", "America/Mexico_City", "Pacific/Honolulu", "Africa/Lagos",
	"Africa/Cairo", "Africa/Nairobi", "Africa/Johannesburg", "Africa/Casablanca", "Asia/Dubai", "Asia/Tehran", "Asia/Karachi", "Asia/Kolkata",
	"Asia/Kathmandu", "Asia/Dhaka", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo", "Australia/Adelaide", "Australia/Sydney", "Australia/Lord_Howe",
	"Pacific/Auckland", "Pacific/Chatham",
}

// The goals of asking by mail: so many mails a second by one process, a plan for everybody in so long, and what a preview of 100,000 contacts,
// which one request may ask for (see rate.PreviewedPerPoint), may take of a processor for each, and in all.
const (
	mailsPerSecond = 200
	planWithin     = 10.0 // seconds
	waitWithin     = 3.0  // seconds, for a preview
	previewWithin  = 20.0 // µs
)

// mails measures asking by mail on both databases.
func (b *bench) mails(ctx context.Context) error {
	for _, database := range []string{"SQLite", "PostgreSQL"} {
		if b.database != "" && b.database != database {
			continue
		}
		url := "sqlite://" + b.temp + "/mails.db"
		if database == "PostgreSQL" {
			var err error
			if url, err = b.pg.Create(ctx, "mails"); err != nil {
				return err
			}
		}
		w, err := settle(ctx, url, 0)
		if err != nil {
			return err
		}
		if err := w.enlist(ctx, b.people); err != nil {
			return fmt.Errorf("making contacts on %s: %w", database, err)
		}
		section := "Asking by mail, " + database
		if err := b.plans(ctx, w, section); err != nil {
			return fmt.Errorf("planning on %s: %w", database, err)
		}
		if err := b.sendAll(ctx, w, section); err != nil {
			return fmt.Errorf("sending on %s: %w", database, err)
		}
	}
	return nil
}

// reached is a contact who has an address and lives somewhere.
func reached(n int) contact.Input {
	return contact.Input{
		ExternalID: new(external(n)), Email: new(fmt.Sprintf("person%d@example.com", n)), Name: new(fmt.Sprint("Person ", n)),
		TimeZone: new(homes[n%len(homes)]), Traits: traitsOf(kindOf(n)),
	}
}

// enlist makes contacts who have addresses.
func (w *world) enlist(ctx context.Context, people int) error {
	w.people, w.loading = people, true
	defer func() { w.loading = false }()
	return w.with(ctx, func(ctx context.Context, a *app.App) error {
		for from := 0; from < people; from += feedback.MaxBatch {
			var batch []contact.Input
			for n := from; n < min(people, from+feedback.MaxBatch); n++ {
				batch = append(batch, reached(n))
			}
			if _, err := a.Log.Upsert(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
}

// spent is what this process has taken of processors so far.
func spent() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// plans measures one pass over all contacts, by a campaign of its own in each round, and what its preview takes.
func (b *bench) plans(ctx context.Context, w world, section string) error {
	var took, cost, first, again, waits sample
	end, err := b.profiled("k-plans-" + w.url[:6])
	if err != nil {
		return err
	}
	err = w.with(ctx, func(ctx context.Context, a *app.App) error {
		a.DB.KeepAnalyzed(func(err error) { say("  analyzing: %v", err) }) // as a server does
		for round := range b.rounds {
			c, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: fmt.Sprint("Plan ", round)})
			if err != nil {
				return err
			}
			_, err = a.Outreach.Set(ctx, outreach.SetInput{Campaign: c.NodeID(), Schedule: outreach.ScheduleInput{
				Occasion: outreach.Occasion{Once: &outreach.Once{At: time.Now().AddDate(0, 0, 7), OverDays: 30}}, SamplePercent: 100,
			}})
			if err != nil {
				return err
			}
			preview := func() (float64, error) {
				before, err := spent()
				if err != nil {
					return 0, err
				}
				began := time.Now()
				p, err := a.Outreach.Preview(ctx, c, nil, nil)
				if err != nil {
					return 0, err
				}
				waits = append(waits, time.Since(began).Seconds())
				after, err := spent()
				if err == nil && p.Invitations != w.people {
					err = fmt.Errorf("%d of %d would be asked", p.Invitations, w.people)
				}
				return float64(after-before) / 1e3 / float64(w.people), err
			}
			each, err := preview()
			if err != nil {
				return err
			}
			first = append(first, each)
			before, err := spent()
			if err != nil {
				return err
			}
			began := time.Now()
			for err = job.Later(0); job.IsLater(err); { // as often as it takes
				err = a.Outreach.Plan(ctx, outreach.PlanArgs{Tenant: w.tenant, Campaign: c.ID})
			}
			if err != nil {
				return err
			}
			took = append(took, time.Since(began).Seconds())
			after, err := spent()
			if err != nil {
				return err
			}
			cost = append(cost, (after - before).Seconds())
			if err := planned(ctx, a, c.ID, w.people); err != nil {
				return err
			}
			if each, err = preview(); err != nil {
				return err
			}
			again = append(again, each)
		}
		return nil
	})
	if err = errors.Join(err, end()); err != nil {
		return err
	}
	who := number(float64(w.people)) + " contacts"
	b.report.add(line{
		section: section, what: fmt.Sprintf("plan for %s in %d time zones, one pass", who, len(homes)), unit: "s", ours: took,
		goal: fmt.Sprintf("≤ %.0f s", planWithin), reached: new(took.median() <= planWithin),
	})
	b.report.add(line{section: section, what: "the same: processor time of the process", unit: "s", ours: cost})
	goal := fmt.Sprintf("≤ %.0f µs", previewWithin)
	limit := "what the process takes of a processor; PostgreSQL's own is not among it"
	b.report.add(line{section: section, what: "preview of " + who + ", each", unit: "µs of a processor", ours: first, goal: goal, reached: new(first.median() <= previewWithin), limit: limit})
	b.report.add(line{
		section: section, what: "preview of " + who + ", planned or not", unit: "s", ours: waits,
		goal: fmt.Sprintf("≤ %.0f s", waitWithin), reached: new(waits.median() <= waitWithin),
	})
	b.report.add(line{section: section, what: "the same once they are planned", unit: "µs of a processor", ours: again, goal: goal, reached: new(again.median() <= previewWithin)})
	return nil
}

// profiled begins a profile of this process where profiles are wanted, until end.
func (b *bench) profiled(name string) (end func() error, err error) {
	if b.profile == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(filepath.Join(b.profile, name+".pprof"))
	if err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, pprof.StartCPUProfile(file)
}

// planned fails where not everybody is.
func planned(ctx context.Context, a *app.App, campaign uuid.UUID, want int) error {
	var n int
	err := a.DB.Reader.QueryRowContext(ctx, `SELECT count(*) FROM invitations WHERE campaign_id = $1 AND status = 'PLANNED'`, campaign).Scan(&n)
	if err == nil && n != want {
		err = fmt.Errorf("%d invitations are planned of %d", n, want)
	}
	return err
}

// hole is a mail server that takes all and keeps nothing.
type hole struct {
	taken  atomic.Int64
	server *smtp.Server
	url    string
	over   chan error
}

type holeSession struct{ hole *hole }

// NewSession is what the server asks for.
func (h *hole) NewSession(*smtp.Conn) (smtp.Session, error) { return holeSession{h}, nil }

func (holeSession) Reset()                               {}
func (holeSession) Logout() error                        { return nil }
func (holeSession) Mail(string, *smtp.MailOptions) error { return nil }
func (holeSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s holeSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.hole.taken.Add(1)
	return nil
}

func openHole() (*hole, error) {
	h := &hole{over: make(chan error, 1)}
	h.server = smtp.NewServer(h)
	h.server.Domain, h.server.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // closed below
	if err != nil {
		return nil, err
	}
	h.url = fmt.Sprintf("smtp://%s?tls=none", l.Addr())
	go func() { h.over <- h.server.Serve(l) }()
	return h, nil
}

func (h *hole) close() error {
	err := h.server.Close()
	if over := <-h.over; !errors.Is(over, smtp.ErrServerClosed) {
		err = errors.Join(err, over)
	}
	return err
}

// invite asks so many at once, which no process sends yet.
func (w *world) invite(ctx context.Context, people int) error {
	w.loading = true
	defer func() { w.loading = false }()
	return w.with(ctx, func(ctx context.Context, a *app.App) error {
		for from := 0; from < people; from += outreach.MaxBatch {
			in := outreach.InviteInput{Campaign: id.Campaign.Format(w.campaign), Delivery: outreach.ByEmail}
			for n := from; n < min(people, from+outreach.MaxBatch); n++ {
				in.Invitees = append(in.Invitees, outreach.Invitee{Contact: contact.Input{ExternalID: new(external(n))}})
			}
			out, err := a.Outreach.Invite(ctx, in)
			if err != nil {
				return err
			}
			if n := outreach.Invited(out); n != len(out) {
				return fmt.Errorf("%d of %d were invited", n, len(out))
			}
		}
		return nil
	})
}

// sendAll has a server send a mail to everybody, and looks at it after each tenth of them.
func (b *bench) sendAll(ctx context.Context, w world, section string) (err error) {
	people := w.people
	if b.letters > 0 {
		people = min(people, b.letters)
	}
	if err := w.invite(ctx, people); err != nil {
		return err
	}
	h, err := openHole()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	s, err := b.serve(ctx, w.url, "k-"+strings.ToLower(strings.TrimPrefix(section, "Asking by mail, ")), "MAIL_URL="+h.url)
	if err != nil {
		return err
	}
	defer func() {
		if stopped := s.Stop(); err == nil {
			err = stopped
		}
	}()
	const parts = 10
	var rate, each sample
	var memory [parts]float64
	for part := range parts {
		before, err := s.Processor()
		if err != nil {
			return err
		}
		began, had := time.Now(), h.taken.Load()
		want := int64(people * (part + 1) / parts)
		for last, n := began, had; n < want; time.Sleep(10 * time.Millisecond) {
			if now := h.taken.Load(); now != n {
				last, n = time.Now(), now
			}
			if time.Since(last) > time.Minute {
				return fmt.Errorf("no mail has come for a minute, after %d of %d", n, people)
			}
		}
		after, err := s.Processor()
		if err != nil {
			return err
		}
		n := float64(h.taken.Load() - had)
		rate, each = append(rate, n/time.Since(began).Seconds()), append(each, float64(after-before)/1e3/n)
		if memory[part], err = s.Memory("VmRSS"); err != nil {
			return err
		}
		say("  %d mails: %s mails/s, %s µs of a processor each, %s MiB", h.taken.Load(), number(rate[part]), number(each[part]), number(memory[part]))
	}
	if n := h.taken.Load(); n != int64(people) {
		return fmt.Errorf("%d mails came, and %d were to come", n, people)
	}
	b.report.add(line{
		section: section, what: "mails that one process sends, 4 connections", unit: "mails/s", ours: rate,
		goal: fmt.Sprintf("≥ %d/s", mailsPerSecond), reached: new(rate.median() >= mailsPerSecond),
		limit: "each mail is two transactions, of which the first is on the disk before the mail is handed over; the mail server is in the measuring process; rounds are tenths of all mails",
	})
	b.report.add(line{section: section, what: "processor that the server takes for a mail", unit: "µs", ours: each})
	tenth, half, all := memory[0], memory[parts/2-1], memory[parts-1]
	b.report.add(line{section: section, what: fmt.Sprintf("memory after %s mails", number(float64(people/parts))), unit: "MiB", ours: sample{tenth}})
	b.report.add(line{section: section, what: fmt.Sprintf("memory after %s mails", number(float64(people/2))), unit: "MiB", ours: sample{half}})
	b.report.add(line{
		section: section, what: fmt.Sprintf("memory after %s mails", number(float64(people))), unit: "MiB", ours: sample{all},
		goal: "≤ 1.2 × that after a tenth", reached: new(all <= 1.2*tenth),
	})
	return nil
}
