//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/lab"
	"github.com/zeroten/zeroten/internal/store"
)

// lines is how many connections a server has to the mail server at most: so many mails are under way when either is killed.
const lines = 4

// mails kills servers that send mails, and the mail server, while everybody is asked by two campaigns: of one each is invited, and the
// other's schedule asks all of them. In the end nobody has got a mail twice, nor two, nobody was forgotten, and what is said of each
// mail agrees with what the mail server has taken.
func (t *torture) mails(ctx context.Context, database string) (tried, outcome string, err error) {
	url, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	box, err := openPostbox()
	if err != nil {
		return "", "", err
	}
	defer box.kill()
	flags := []string{"--mail-url", "smtp://" + box.address + "?tls=none"}
	h, err := t.open(ctx, url, flags...)
	if err != nil {
		return "", "", err
	}
	p := &postmen{house: h, box: box, flags: flags, servers: []*lab.Server{h.server}, ports: []int{h.server.Port}}
	if database == "PostgreSQL" { // a file is one server's
		port, err := lab.FreePort()
		if err != nil {
			return "", "", err
		}
		p.servers, p.ports = append(p.servers, nil), append(p.ports, port)
		if err := p.start(ctx, 1); err != nil {
			return "", "", err
		}
	}
	people := t.number(10_000, 1_000)
	wave, err := p.plan(ctx, people)
	if err != nil {
		return "", "", err
	}
	inviting, stop := context.WithCancel(ctx)
	defer stop()
	invited := make(chan error, 1)
	go func() { invited <- p.invite(inviting, people) }()
	if err := p.trouble(ctx, t.number(20, 6), p.later); err != nil {
		return "", "", err
	}
	if err := <-invited; err != nil {
		return "", "", fmt.Errorf("inviting: %w", err)
	}
	if err := p.rest(ctx, p.later, `status = 'PLANNED'`); err != nil {
		return "", "", err
	}
	// Three days go by, and who was asked by the schedule is reminded.
	err = p.write(ctx, `UPDATE invitations SET sent_at = $1, next_at = $2 WHERE status = 'SENT' AND next_at IS NOT NULL`,
		time.Now().UTC().AddDate(0, 0, -4), time.Now().UTC())
	if err != nil {
		return "", "", err
	}
	if err := p.trouble(ctx, t.number(6, 2), p.laterStill); err != nil {
		return "", "", err
	}
	if err := p.rest(ctx, p.laterStill, `status = 'SENT' AND next_at IS NOT NULL`); err != nil {
		return "", "", err
	}
	for _, s := range p.servers[1:] {
		if err := s.Stop(); err != nil {
			return "", "", err
		}
	}
	p.server = p.servers[0]
	n, err := p.judge(ctx, wave, people)
	if err != nil {
		return "", "", err
	}
	tried = fmt.Sprintf("%d people asked by two campaigns, by %d servers; %d kills of these, and %d of the mail server, %d of them after the final dot",
		people, len(p.servers), p.kills, box.kills, box.dots)
	outcome = fmt.Sprintf("%d mails, %d links and %d reminders; nobody got two, each that was said to be sent was taken once; unconfirmed: %d mails, of which the mail server had %d, and %d reminders, of which it had %d; lost: 0",
		n.sent, n.links, n.reminded, n.unconfirmed, n.had, n.unsure, n.hadReminders)
	return tried, outcome, p.close(ctx)
}

// postmen are the servers that send.
type postmen struct {
	*house

	box     *postbox
	flags   []string
	servers []*lab.Server
	ports   []int
	kills   int
	// began is when the wave did.
	began time.Time
}

func (p *postmen) start(ctx context.Context, n int) (err error) {
	p.servers[n], err = p.t.serve(ctx, p.url, fmt.Sprintf("127.0.0.1:%d", p.ports[n]), p.flags...)
	return err
}

// at is where the servers are asked.
func (p *postmen) at() []string {
	at := make([]string, len(p.ports))
	for n, port := range p.ports {
		at[n] = fmt.Sprintf("http://127.0.0.1:%d/graphql", port)
	}
	return at
}

// plan makes the people, and has a second campaign plan to ask all of them within a day.
func (p *postmen) plan(ctx context.Context, people int) (wave uuid.UUID, err error) {
	at := p.at()[0]
	const atOnce = 1_000
	for from := 0; from < people; from += atOnce {
		var contacts []map[string]any
		for n := from; n < min(people, from+atOnce); n++ {
			contacts = append(contacts, map[string]any{"externalId": fmt.Sprint("p", n), "email": fmt.Sprintf("person%d@example.com", n)})
		}
		var data struct{ UpsertContacts struct{ UserErrors []any } }
		err := p.must(ctx, at, `mutation ($input: UpsertContactsInput!) { upsertContacts(input: $input) { userErrors { message } } }`,
			map[string]any{"input": map[string]any{"contacts": contacts}}, &data)
		if err == nil && len(data.UpsertContacts.UserErrors) > 0 {
			err = fmt.Errorf("contacts were refused: %v", data.UpsertContacts.UserErrors[0])
		}
		if err != nil {
			return wave, err
		}
	}
	var made struct {
		CreateCampaign struct{ Campaign struct{ ID string } }
	}
	if err := p.must(ctx, at, `mutation { createCampaign(input: { name: "Wave" }) { campaign { id } } }`, nil, &made); err != nil {
		return wave, err
	}
	if wave, err = id.Campaign.Parse(made.CreateCampaign.Campaign.ID); err != nil {
		return wave, err
	}
	var set struct{ SetSchedule struct{ UserErrors []any } }
	p.began = time.Now().UTC()
	err = p.must(ctx, at, `mutation ($campaign: ID!, $at: DateTime!) { setSchedule(input: { campaign: $campaign, schedule: {
		occasion: { once: { at: $at } }, reminderAfterDays: 3, window: { fromHour: 0, toHour: 24,
			weekdays: [MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY] } } }) { userErrors { message } } }`,
		map[string]any{"campaign": made.CreateCampaign.Campaign.ID, "at": p.began.Format(time.RFC3339)}, &set)
	if err == nil && len(set.SetSchedule.UserErrors) > 0 {
		err = fmt.Errorf("the schedule was refused: %v", set.SetSchedule.UserErrors[0])
	}
	if err != nil {
		return wave, err
	}
	return wave, p.until(ctx, func() (bool, error) {
		n, err := p.count(ctx, `plan IS NOT NULL`)
		return n == people, err
	})
}

// invite asks everybody by the first campaign, one in ten by a link, until it is acknowledged.
func (p *postmen) invite(ctx context.Context, people int) error {
	piece := people / 10
	for part := range 10 {
		delivery := "EMAIL"
		if part == 5 {
			delivery = "LINK"
		}
		var invitees []map[string]any
		for n := part * piece; n < (part+1)*piece; n++ {
			invitees = append(invitees, map[string]any{"contact": map[string]any{"externalId": fmt.Sprint("p", n)}, "idempotencyKey": fmt.Sprint("invite-", n)})
		}
		var data struct{ InviteContacts struct{ UserErrors []any } }
		err := p.surely(ctx, p.at(), part, `mutation ($input: InviteContactsInput!) { inviteContacts(input: $input) { userErrors { message } } }`,
			map[string]any{"input": map[string]any{"campaign": p.campaign, "delivery": delivery, "invitees": invitees}}, &data)
		if err == nil && len(data.InviteContacts.UserErrors) > 0 {
			err = fmt.Errorf("invitations were refused: %v", data.InviteContacts.UserErrors[0])
		}
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(p.t.number(2_000, 500)) * time.Millisecond)
	}
	return nil
}

// trouble kills the servers in turn, and the mail server in between: in the midst of it, and right after a final dot, of which it has
// taken the mail or not. What a killed server was at is nobody else's for ten minutes: later has them pass, and is told how much of the
// trouble is over. A second server lives on meanwhile, like one that has slept for ten minutes.
func (p *postmen) trouble(ctx context.Context, rounds int, later func(ctx context.Context, of float64) error) error {
	for n := range rounds {
		time.Sleep(between(500*time.Millisecond, 1500*time.Millisecond))
		switch n % 4 {
		case 0:
			p.box.killAtDot(true)
		case 1:
			p.box.kill()
		case 2:
			p.box.killAtDot(false)
		}
		if n%4 != 3 {
			time.Sleep(between(0, 500*time.Millisecond))
			if err := p.box.start(); err != nil {
				return err
			}
		}
		if err := p.kill(ctx, n%len(p.servers), func() error { return later(ctx, float64(n+1)/float64(rounds)) }); err != nil {
			return err
		}
	}
	return nil
}

// kill kills a server, and starts it again after a while.
func (p *postmen) kill(ctx context.Context, n int, between func() error) error {
	if err := p.servers[n].Kill(); err != nil {
		return err
	}
	p.kills++
	if err := between(); err != nil {
		return err
	}
	return p.start(ctx, n)
}

// rest lets all run until no invitation is left as the condition says. Servers that leave the mail server alone for a minute, as it was
// away, are killed first.
func (p *postmen) rest(ctx context.Context, later func(ctx context.Context, of float64) error, condition string) error {
	for n := range p.servers {
		if err := p.kill(ctx, n, func() error { return later(ctx, 1) }); err != nil {
			return err
		}
	}
	last, since := -1, time.Now()
	return p.until(ctx, func() (bool, error) {
		n, err := p.count(ctx, condition)
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) > 5*time.Second && n > 0 && err == nil {
			since, err = time.Now(), later(ctx, 1)
		}
		return n == 0, err
	})
}

// until waits until it is so.
func (p *postmen) until(ctx context.Context, is func() (bool, error)) error {
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		if time.Since(began) > 5*time.Minute {
			counts, err := p.counts(ctx)
			return fmt.Errorf("it is not done after five minutes: %s, %w", counts, err)
		}
	}
}

// open opens the database, not for longer than something is done: a server that is killed is to find it as it left it, opened by nobody.
func (p *postmen) open(ctx context.Context, do func(db *store.DB) error) (err error) {
	db, err := store.Open(ctx, p.url, store.Options{Existing: true, MaxConns: store.MinConns})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

func (p *postmen) write(ctx context.Context, statement string, args ...any) error {
	return p.open(ctx, func(db *store.DB) error {
		return db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.SQL.ExecContext(ctx, statement, args...)
			return err
		})
	})
}

func (p *postmen) count(ctx context.Context, condition string) (n int, err error) {
	err = p.open(ctx, func(db *store.DB) error {
		return db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM invitations WHERE `+condition).Scan(&n)
	})
	return n, err
}

// counts says how many invitations there are of each status.
func (p *postmen) counts(ctx context.Context) (text string, err error) {
	var said []string
	err = p.open(ctx, func(db *store.DB) error {
		rows, err := db.Reader.QueryContext(ctx, `SELECT status, coalesce(skipped_because, ''), count(*) FROM invitations GROUP BY 1, 2 ORDER BY 1, 2`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var status, because string
			var n int
			if err := rows.Scan(&status, &because, &n); err != nil {
				return err
			}
			said = append(said, fmt.Sprintf("%s %s: %d", status, because, n))
		}
		return rows.Err()
	})
	return strings.Join(said, "; "), err
}

// later has the ten minutes pass for which what a server was at is nobody else's, and so much of the day over which the wave is spread.
func (p *postmen) later(ctx context.Context, of float64) error {
	return p.write(ctx, `UPDATE invitations SET next_at = $1 WHERE status = 'PLANNED' AND next_at > $1 AND due_at <= $2`,
		time.Now().UTC(), p.began.Add(time.Duration(25*of*float64(time.Hour))))
}

// laterStill is later for reminders.
func (p *postmen) laterStill(ctx context.Context, _ float64) error {
	return p.write(ctx, `UPDATE invitations SET next_at = $1 WHERE status = 'SENT' AND next_at > $1`, time.Now().UTC())
}

// verdict is how many of which there were.
type verdict struct{ sent, links, unconfirmed, had, reminded, unsure, hadReminders int }

// judge holds what the database says of each invitation against what the mail server has taken.
func (p *postmen) judge(ctx context.Context, wave uuid.UUID, people int) (v verdict, err error) {
	type invitation struct {
		id, campaign, contact             uuid.UUID
		channel, status, because, address string
		reminded                          bool
	}
	var all []invitation
	counted := 0
	err = p.open(ctx, func(db *store.DB) error {
		rows, err := db.Reader.QueryContext(ctx, `SELECT i.id, i.campaign_id, i.channel, i.status, coalesce(i.skipped_because, ''), i.reminded_at IS NOT NULL, c.id, c.email
			FROM invitations i JOIN contacts c ON c.tenant_id = i.tenant_id AND c.id = i.contact_id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var i invitation
			if err := rows.Scan(&i.id, &i.campaign, &i.channel, &i.status, &i.because, &i.reminded, &i.contact, &i.address); err != nil {
				return err
			}
			all = append(all, i)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		// What counts for the month is what went out, or may have.
		return db.Reader.QueryRowContext(ctx, `SELECT coalesce(sum(sent), 0) FROM monthly_counts WHERE campaign = $1`, uuid.Nil).Scan(&counted)
	})
	if err != nil {
		return v, err
	}
	taken := p.box.all()
	for l, n := range taken {
		if n > 1 {
			return v, fmt.Errorf("the mail server has taken %s %d times", l, n)
		}
	}
	asked := map[uuid.UUID]int{} // how often each was, or may have been
	each := map[bool]int{}       // how many are of the wave, and of the other campaign
	for _, i := range all {
		each[i.campaign == wave]++
		first, second := taken[parcel{i.id.String() + ".0", i.address}], taken[parcel{i.id.String() + ".1", i.address}]
		delete(taken, parcel{i.id.String() + ".0", i.address})
		delete(taken, parcel{i.id.String() + ".1", i.address})
		wrong := ""
		switch {
		case i.channel == "LINK" && i.status == "SENT":
			v.links++
			asked[i.contact]++
			if first+second > 0 {
				wrong = "is a link"
			}
		case i.status == "SENT":
			v.sent++
			asked[i.contact]++
			switch {
			case first != 1:
				wrong = fmt.Sprintf("was sent %d times", first)
			case i.reminded:
				v.reminded++
				if second != 1 {
					wrong = fmt.Sprintf("was reminded of %d times", second)
				}
			case i.campaign == wave:
				v.unsure++
				v.hadReminders += second
			case second > 0:
				wrong = "was reminded of, and nobody wanted that"
			}
		case i.status == "UNCONFIRMED":
			v.unconfirmed++
			v.had += first
			asked[i.contact]++
			if second > 0 {
				wrong = "was reminded of"
			}
		case i.status == "SKIPPED" && i.because == "QUIET_PERIOD":
			if first+second > 0 {
				wrong = "was sent"
			}
		default:
			wrong = "may not be so"
		}
		if wrong != "" {
			return v, fmt.Errorf("the invitation %s by %s, which is %s %s, %s", i.id, i.channel, i.status, i.because, wrong)
		}
	}
	for l := range taken {
		return v, fmt.Errorf("the mail server has taken %s, which is no invitation's", l)
	}
	// Everybody was asked once: so whoever was left out for it was so because of the other campaign.
	for contact, n := range asked {
		if n != 1 {
			return v, fmt.Errorf("the contact %s was asked %d times", contact, n)
		}
	}
	if len(asked) != people || each[true] != people || each[false] != people {
		return v, fmt.Errorf("%d people were asked of %d; %d are invited, and %d in the wave", len(asked), people, each[false], each[true])
	}
	if counted != v.sent+v.unconfirmed {
		return v, fmt.Errorf("%d mails count for the month, and %d went out or may have", counted, v.sent+v.unconfirmed)
	}
	if most := lines * (p.kills + p.box.kills*len(p.servers)); v.unconfirmed+v.unsure > most {
		return v, fmt.Errorf("%d mails and %d reminders are unconfirmed, where %d can be", v.unconfirmed, v.unsure, most)
	}
	if v.reminded == 0 || v.unconfirmed == 0 {
		return v, fmt.Errorf("that tried nothing: %+v", v)
	}
	return v, nil
}

// parcel is a mail to somebody, by what stands in its Message-ID before the @.
type parcel struct{ number, to string }

func (l parcel) String() string { return l.number + " to " + l.to }

// postbox is a mail server that takes all, and can be killed.
type postbox struct {
	address string

	mu     sync.Mutex
	server *smtp.Server // nil where it is dead
	over   chan struct{}
	taken  map[parcel]int
	// trap, where not nil, is closed at the next final dot, after which the server dies; keeps says that it has the mail.
	trap  chan struct{}
	keeps bool
	// kills are how often it died, and dots how often by a trap.
	kills, dots int
}

func openPostbox() (*postbox, error) {
	port, err := lab.FreePort()
	if err != nil {
		return nil, err
	}
	b := &postbox{address: fmt.Sprintf("127.0.0.1:%d", port), taken: map[parcel]int{}}
	return b, b.start()
}

// start starts it, unless it lives.
func (b *postbox) start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		return nil
	}
	s := smtp.NewServer(b)
	s.Domain, s.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp4", b.address) //nolint:noctx // closed by kill
	if err != nil {
		return err
	}
	b.server, b.over = s, make(chan struct{})
	go func(over chan<- struct{}) {
		defer close(over)
		_ = s.Serve(l) // that it was closed
	}(b.over)
	return nil
}

// kill ends it and all connections at once.
func (b *postbox) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return
	}
	_ = b.server.Close() // whatever it says, it is gone
	<-b.over
	b.server = nil
	b.kills++
}

// killAtDot kills it after the next final dot, before it answers; where none comes for a while, just so.
func (b *postbox) killAtDot(keeps bool) {
	trap := make(chan struct{})
	b.mu.Lock()
	b.trap, b.keeps = trap, keeps
	b.mu.Unlock()
	select {
	case <-trap:
	case <-time.After(2 * time.Second):
	}
	b.kill()
	b.mu.Lock()
	b.trap = nil
	b.mu.Unlock()
}

// all is how often each mail was taken.
func (b *postbox) all() map[parcel]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}

// NewSession is what the mail server asks for.
func (b *postbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &handover{box: b, server: c.Server()}, nil
}

// handover is a connection's mails.
type handover struct {
	box    *postbox
	server *smtp.Server
	to     string
}

// Reset forgets a mail that was begun.
func (h *handover) Reset() { h.to = "" }

// Logout is told of the end.
func (h *handover) Logout() error { return nil }

// Mail begins a mail.
func (h *handover) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt says whom it is to.
func (h *handover) Rcpt(to string, _ *smtp.RcptOptions) error {
	h.to = to
	return nil
}

// Data takes a mail up to the final dot.
func (h *handover) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	number, _, ok := strings.Cut(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@")
	if !ok {
		return errors.New("the mail has no number")
	}
	b := h.box
	b.mu.Lock()
	if b.server != h.server {
		b.mu.Unlock()
		return errors.New("it is dead") // which nobody hears
	}
	trapped := b.trap
	if trapped == nil || b.keeps {
		b.taken[parcel{number, h.to}]++
	}
	if trapped == nil {
		b.mu.Unlock()
		return nil
	}
	b.trap = nil
	b.dots++
	b.mu.Unlock()
	close(trapped)
	// It is not answered before it is dead. The others are, up to then.
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		dead := b.server != h.server
		b.mu.Unlock()
		if dead {
			break
		}
	}
	return errors.New("it is dead")
}
