package outreach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/letter"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
)

const (
	// sendEvery is how often it is looked what is to be sent, where nobody says so.
	sendEvery = time.Second
	// atOnce is how many mails are on their way to the server at once, and taken at most how many a process takes together.
	atOnce, takenAtOnce = 4, 200
	// breather is how long nothing is sent after the server would not be spoken to.
	breather = time.Minute
)

// Mailer hands mails over. Several processes may have one each.
type Mailer struct {
	desk  *Desk
	house House
	post  *post.Office
	log   *slog.Logger

	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex
	closed time.Time // until when the server is left alone
	// unsent is how many mails in a row it took none of, and unsentOf whose they were.
	unsent   int
	unsentOf map[uuid.UUID]bool
	// refused are the tenants whose mails the server does not take, and until when it is left alone for them.
	refused map[uuid.UUID]time.Time
	// turn is the tenant whose turn was last, and fullOn on which day of theirs it was said that tenants may have no more mails sent in it.
	turn   uuid.UUID
	fullOn map[uuid.UUID]calendar.Day
}

// NewMailer makes a Mailer, which does nothing by itself until Start.
func NewMailer(d *Desk, h House, p *post.Office) *Mailer {
	return &Mailer{desk: d, house: h, post: p, log: d.logger, refused: map[uuid.UUID]time.Time{}, unsentOf: map[uuid.UUID]bool{}, fullOn: map[uuid.UUID]calendar.Day{}}
}

// House is what the mailer's mails say of the server.
func (s *Mailer) House() House { return s.house }

// Start begins to send, until Close.
func (s *Mailer) Start() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	caught := flight.Logged(s.log, "sending mails")
	s.done.Add(1)
	flight.Go(func() {
		defer s.done.Done()
		flight.Steadily(ctx, func() { s.run(ctx) }, caught)
	}, caught)
}

// Close ends what Start has begun: what is with the server is waited for.
func (s *Mailer) Close() {
	if s.stop != nil {
		s.stop()
	}
	s.done.Wait()
}

func (s *Mailer) run(ctx context.Context) {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.desk.news:
		case <-tick.C:
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil && !store.MayPass(err) {
			s.log.ErrorContext(ctx, "sending mails", "error", err)
		}
	}
}

// Sweep sends all that is due, and returns when that is done.
func (s *Mailer) Sweep(ctx context.Context) error {
	for {
		if s.isClosed(uuid.Nil) {
			return nil
		}
		s.mu.Lock()
		after := s.turn
		s.mu.Unlock()
		all, next, err := s.desk.take(ctx, takenAtOnce, after)
		if err != nil || len(all) == 0 {
			return err
		}
		s.mu.Lock()
		s.turn = next
		s.mu.Unlock()
		if err := s.each(ctx, all); err != nil {
			return err
		}
		if len(all) < takenAtOnce {
			return nil
		}
	}
}

// isClosed reports whether the server is left alone, at all or by a tenant.
func (s *Mailer) isClosed(tenant uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.desk.now()
	rests := func(until time.Time) bool {
		left := until.Sub(now)
		return left > 0 && left <= breather // or else the clock was set back
	}
	return rests(s.closed) || rests(s.refused[tenant])
}

// each sends what was taken, several at once.
func (s *Mailer) each(ctx context.Context, all []taken) error {
	work := make(chan taken)
	met := &acquaintance{of: map[uuid.UUID]known{}}
	var mu sync.Mutex
	var errs []error
	var working sync.WaitGroup
	for range min(atOnce, len(all)) {
		working.Add(1)
		flight.Go(func() {
			defer working.Done()
			for t := range work {
				if err := flight.Run(func() error { return s.one(auth.ForTenant(ctx, t.tenant), t, met) }); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		}, flight.Logged(s.log, "sending a mail"))
	}
	for _, t := range all {
		if ctx.Err() != nil {
			break
		}
		work <- t
	}
	close(work)
	working.Wait()
	return errors.Join(append(errs, s.desk.putBack(context.WithoutCancel(ctx), all[0].until))...)
}

// acquaintance is what is known of the tenants whose invitations were taken together.
type acquaintance struct {
	mu sync.Mutex
	of map[uuid.UUID]known
}

// know gives what is known of the caller's tenant, and reads it where that is too long ago.
func (s *Mailer) know(ctx context.Context, met *acquaintance, tenant uuid.UUID) (known, error) {
	met.mu.Lock() // who wants the same waits for it
	defer met.mu.Unlock()
	if k, ok := met.of[tenant]; ok && time.Since(k.read) < knownFor {
		return k, nil
	}
	k, err := s.desk.know(ctx, s.house)
	if err == nil {
		met.of[tenant] = k
	}
	return k, err
}

// one looks at one invitation, and sends it where it is to be.
func (s *Mailer) one(ctx context.Context, t taken, met *acquaintance) error {
	d := s.desk
	if ctx.Err() != nil || s.isClosed(t.tenant) {
		return nil //nolint:nilerr // it is put back, or taken by others
	}
	k, err := s.know(ctx, met, t.tenant)
	if err != nil {
		return err
	}
	c, err := d.claim(ctx, t, k)
	if err != nil {
		return err
	}
	if c.erased {
		if err := s.post.Remove(id.Invitation.Format(c.ID)); err != nil {
			return fmt.Errorf("removing the mails of an invitation: %w", err)
		}
		return d.removed(ctx, c.Invitation)
	}
	if c.isOver {
		return s.full(ctx, t.tenant, c, k)
	}
	if !c.sends {
		return nil
	}
	// From here on it is with the server for all that anybody knows, and what became of it is noted whatever else ends.
	noting := context.WithoutCancel(ctx)
	var m *post.Mail
	err = flight.Run(func() (err error) {
		m, err = s.compose(noting, k, c.Invitation, c.contact, c.reminds)
		return err
	})
	out := post.Outcome{Verdict: post.Unsent, Reply: "The mail could not be made."}
	if err != nil {
		s.log.ErrorContext(ctx, "making a mail", "campaign", id.Campaign.Format(c.CampaignID), "invitation", id.Invitation.Format(c.ID), "error", err)
	} else {
		out = s.post.Send(ctx, m)
		s.heard(ctx, t.tenant, out)
		told := s.post.Told(out)
		if told != out.Reply && out.Verdict == post.Refused { // heard tells of all else, or it is tried again
			s.log.InfoContext(ctx, "a mail was refused", "invitation", id.Invitation.Format(c.ID), "said", out.Reply)
		}
		out.Reply = told
	}
	return s.note(noting, c, k, out)
}

// notedWithin is for how long it is tried to note what became of a mail: well within the lease, after which others take it for unknown.
const notedWithin = lease / 2

// note notes what became of a mail, and tries again where the database may only be away for a moment: what is not noted is UNCONFIRMED.
func (s *Mailer) note(ctx context.Context, c *claim, k known, out post.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, notedWithin)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := s.desk.outcome(ctx, c, k, out)
		if err == nil || !store.MayPass(err) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// removed notes that the files of an invitation are gone.
func (d *Desk) removed(ctx context.Context, row *ent.Invitation) error {
	err := d.db.Write(ctx, func(tx *store.Tx) error {
		return update(tx, row).Where(entinvitation.ContactIDIsNil()).ClearNextAt().Exec(ctx)
	})
	if err != nil {
		return fmt.Errorf("noting that the mails of an invitation are gone: %w", err)
	}
	return nil
}

// enough is how many mails in a row a server that is there must not have taken before it is left alone: one may be to blame by itself.
const enough = 2

// heard goes by what became of a mail: the server is left alone where it takes none.
func (s *Mailer) heard(ctx context.Context, tenant uuid.UUID, out post.Outcome) {
	if ctx.Err() != nil {
		return // it was not the server that ended it
	}
	s.mu.Lock()
	switch {
	case out.Verdict != post.Unsent:
		s.unsent, s.unsentOf = 0, map[uuid.UUID]bool{}
	case !out.Sender:
		s.unsent++
		s.unsentOf[tenant] = true
	}
	closes := out.Verdict == post.Unsent && (out.Sender || out.Away || s.unsent >= enough)
	all := out.Away || !out.Sender && len(s.unsentOf) > 1
	s.mu.Unlock()
	if closes {
		s.breathe(ctx, tenant, out, all)
	}
}

// breathe leaves the server alone for a while: for a tenant, or for all where it took nobody's mails.
func (s *Mailer) breathe(ctx context.Context, tenant uuid.UUID, out post.Outcome, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.desk.now()
	until := now.Add(breather)
	if !all {
		if !now.Before(s.refused[tenant]) {
			s.log.WarnContext(ctx, "a tenant's mails wait, since the mail server does not take them", "tenant", id.Tenant.Format(tenant), "said", out.Reply)
		}
		s.refused[tenant] = until
		return
	}
	if !now.Before(s.closed) {
		s.log.WarnContext(ctx, "mails wait, since the mail server does not take any", "said", out.Reply, "seconds", int(breather.Seconds()))
	}
	s.closed = until
}

// outcome notes what became of a mail that was handed over.
func (d *Desk) outcome(ctx context.Context, c *claim, k known, out post.Outcome) error {
	isLast := c.ClaimedAt != nil && d.now().Sub(*c.ClaimedAt) >= givesUpAfter
	failed := !c.reminds && (out.Verdict == post.Refused || out.Verdict == post.Deferred && isLast)
	err := d.db.WriteAgain(ctx, func(tx *store.Tx) error {
		if failed { // the address may be suppressed
			if err := tx.Lock(ctx, auth.Tenant(ctx)); err != nil {
				return err
			}
		}
		row, err := d.lockInvitation(ctx, tx, c.ID)
		if err != nil || row == nil {
			return err
		}
		if c.reminds {
			return d.reminded(ctx, tx, row, k, out)
		}
		return d.sent(ctx, tx, c, row, k, out, failed)
	})
	if err != nil {
		return fmt.Errorf("noting what became of a mail: %w", err)
	}
	return nil
}

// sent notes what became of an invitation's mail, and that it failed where it is tried no more. It may have been answered already, or taken for
// UNCONFIRMED.
func (d *Desk) sent(ctx context.Context, tx *store.Tx, c *claim, row *ent.Invitation, k known, out post.Outcome, failed bool) error {
	u, now := update(tx, row), d.now()
	waits := row.Status == entinvitation.StatusPLANNED || row.Status == entinvitation.StatusUNCONFIRMED
	switch out.Verdict {
	case post.Taken:
		if row.ClaimedAt != nil && row.ContactID != nil { // from now on it counts, which may be long after it was first tried
			_, err := tx.SQL.ExecContext(ctx, `UPDATE contacts SET last_asked_at = $4 WHERE tenant_id = $1 AND id = $2 AND last_asked_at = $3 AND last_asked_at < $4`,
				auth.Tenant(ctx), *row.ContactID, *row.ClaimedAt, now)
			if err != nil {
				return fmt.Errorf("noting when somebody was asked: %w", err)
			}
		}
		u.SetSentAt(now).SetAttempts(0)
		if waits {
			u.SetStatus(entinvitation.StatusSENT)
		}
		switch {
		case row.ContactID == nil: // erased meanwhile: what there is of it goes, too
			return u.SetNextAt(now).Exec(ctx)
		case c.schedule == nil || c.schedule.ReminderAfterDays == nil || c.Plan == nil:
			return u.ClearNextAt().Exec(ctx)
		}
		z := &zones{of: map[string]*time.Location{}, tenant: k.zone}
		w := slot.Window{Weekdays: slot.Weekdays(c.schedule.Weekdays), From: c.schedule.FromHour, To: c.schedule.ToHour}
		return u.SetNextAt(remindAt(c.schedule, w, now, z.find(c.contact.TimeZone))).Exec(ctx)
	case post.Unknown:
		if row.Status == entinvitation.StatusPLANNED {
			u.SetStatus(entinvitation.StatusUNCONFIRMED)
		}
		return u.ClearNextAt().Exec(ctx)
	}
	if !waits {
		return nil
	}
	switch {
	case out.Verdict == post.Unsent: // nobody's fault who was to be asked: it is as if it had not been tried, until it is too late
		if err := errors.Join(d.releaseTx(ctx, tx, row), giveBack(ctx, tx, k, row.AttemptAt)); err != nil {
			return err
		}
		wait := breather * time.Duration(1+min(row.Attempts, 4)) // not to be long in coming once the server is back
		return u.SetStatus(entinvitation.StatusPLANNED).AddAttempts(1).ClearAttemptAt().ClearClaimedAt().ClearAskedBefore().SetNextAt(now.Add(wait)).Exec(ctx)
	case !failed:
		wait := backoff[min(row.Attempts, len(backoff)-1)]
		return u.SetStatus(entinvitation.StatusPLANNED).AddAttempts(1).ClearAttemptAt().SetNextAt(now.Add(wait)).Exec(ctx)
	}
	kind := entinvitation.BounceKindSOFT
	if out.NoMailbox {
		kind = entinvitation.BounceKindHARD
	}
	if err := d.release(ctx, tx, row, k.zone); err != nil {
		return err
	}
	u.SetStatus(entinvitation.StatusFAILED).SetBouncedAt(now).SetBounceKind(kind).ClearNextAt().ClearClaimedAt()
	if out.Reply != "" && row.ContactID != nil {
		u.SetBounceReason(out.Reply)
	}
	if err := u.Exec(ctx); err != nil {
		return err
	}
	var b *barring
	var err error
	if out.NoMailbox {
		b, err = barOf(ctx, tx, k.ring, row, entsuppression.ReasonBOUNCED)
	} else {
		b, err = d.softened(ctx, tx, k.ring, row)
	}
	if err != nil || b == nil {
		return err
	}
	return d.suppressAll(ctx, tx, []barring{*b})
}

// reminded notes what became of a reminder.
func (d *Desk) reminded(ctx context.Context, tx *store.Tx, row *ent.Invitation, k known, out post.Outcome) error {
	u, now := update(tx, row), d.now()
	switch out.Verdict {
	case post.Taken:
		if u.SetRemindedAt(now); row.ContactID == nil {
			return u.SetNextAt(now).Exec(ctx)
		}
		return u.ClearNextAt().Exec(ctx)
	case post.Deferred, post.Unsent:
		if out.Verdict == post.Unsent {
			if err := giveBack(ctx, tx, k, row.ReminderAttemptAt); err != nil {
				return err
			}
		}
		if row.Attempts < len(backoff) {
			return u.ClearReminderAttemptAt().SetNextAt(now.Add(backoff[row.Attempts])).AddAttempts(1).Exec(ctx)
		}
	}
	return u.ClearNextAt().Exec(ctx)
}

// compose makes the mail of an invitation that is claimed.
func (s *Mailer) compose(ctx context.Context, k known, row *ent.Invitation, to *ent.Contact, reminder bool) (*post.Mail, error) {
	sheet, err := s.desk.book.Sheet(ctx, row.CampaignID)
	if err != nil {
		return nil, err
	}
	if sheet == nil {
		return nil, errors.New("the campaign is gone")
	}
	settings := k.settings
	invited := &survey.Invited{Invitation: row, Person: to}
	token, err := s.desk.Token(ctx, row)
	if err != nil {
		return nil, err
	}
	away, err := sheet.Ring.Sign(link.Link{Kind: link.Unsubscribe, Subject: row.ID, Issued: issued(row)})
	if err != nil {
		return nil, err
	}
	in := s.input(sheet, invited, token, settings)
	in.Unsubscribe, in.Reminder = s.house.Site.At("/u/"+away), reminder
	made, err := letter.Compose(in)
	if err != nil {
		return nil, err
	}
	n := 0
	if reminder {
		n = 1
	}
	return s.mail(made, settings, *to.Email, row.Locale, func(m *post.Mail) {
		m.Invitation, m.Unsubscribe = id.Invitation.Format(row.ID), in.Unsubscribe
		m.MessageID = fmt.Sprintf("%s.%d@%s", row.ID, n, s.domain())
		m.ListID = id.Campaign.Format(row.CampaignID) + "." + s.domain()
	}), nil
}

// input is what a mail is made of. invited may be nil, and then placeholders are as where nobody is known; token is by what it is answered.
func (s *Mailer) input(sheet *survey.Sheet, invited *survey.Invited, token string, settings *Settings) letter.Input {
	variant, locale := "", ""
	if invited != nil {
		locale = invited.Locale
		if invited.Variant != nil {
			variant = *invited.Variant
		}
	}
	texts := sheet.Texts(variant, locale)
	page := s.house.Site.At("/s/" + token)
	in := letter.Input{
		Texts: texts, Brand: sheet.Brand, Site: s.house.Site,
		Fill:  func(text string) string { return sheet.FillMail(invited, text) },
		Score: func(score int) string { return fmt.Sprintf("%s/%d", page, score) },
		Page:  page, All: page + "/all",
	}
	if v := sheet.Survey.Variant(variant); v != nil && v.URL != nil {
		in.Experience = sheet.FillURL(invited, *v.URL)
		if v.URLLabel != nil {
			in.ExperienceLabel = *v.URLLabel
		}
	}
	if settings.PostalAddress != nil {
		in.PostalAddress = *settings.PostalAddress
	}
	return in
}

// mail addresses a letter.
func (s *Mailer) mail(l *letter.Letter, settings *Settings, to, language string, more func(*post.Mail)) *post.Mail {
	m := &post.Mail{
		MessageID: uuid.NewString() + "@" + s.domain(), From: mail.Address{Name: plainName(settings.Sender.Name), Address: settings.Sender.Address}, To: to,
		Subject: l.Subject, HTML: l.HTML, Text: l.Text, Language: language, Date: s.desk.now(),
	}
	if settings.Sender.ReplyTo != nil {
		m.ReplyTo = *settings.Sender.ReplyTo
	}
	if more != nil {
		more(m)
	}
	return m
}

// domain is that of the server's own address.
func (s *Mailer) domain() string {
	_, domain, _ := strings.Cut(s.house.From, "@")
	return domain
}

// issued is when an invitation's links begin to be good.
func issued(i *ent.Invitation) time.Time {
	if i.ReminderAttemptAt != nil { // its link is good for as long as that of a mail
		return *i.ReminderAttemptAt
	}
	if i.AttemptAt != nil {
		return *i.AttemptAt
	}
	return i.DueAt
}

// Token is by what an invitation is answered.
func (d *Desk) Token(ctx context.Context, i *ent.Invitation) (string, error) {
	ring, err := d.ring(ctx)
	if err != nil {
		return "", err
	}
	return ring.Sign(link.Link{Kind: link.Invitation, Subject: i.ID, Issued: issued(i)})
}
