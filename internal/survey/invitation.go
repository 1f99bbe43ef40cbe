package survey

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

const (
	day = 24 * time.Hour
	// unsampledAgain is for how long somebody is left alone whom the sample did not fall on: it does so where the share grows.
	unsampledAgain = day
)

// Invited is somebody who was invited, and the invitation.
type Invited struct {
	*ent.Invitation

	// Person is who it is; nil where nobody knows.
	Person *ent.Contact
}

// Invited finds an invitation of a tenant; nil where there is none, it never went out, or whoever was invited has been erased.
func (d *Desk) Invited(ctx context.Context, tenant, invitation uuid.UUID) (*Invited, error) {
	ctx = auth.ForTenant(ctx, tenant)
	row, err := d.Sent(ctx, tenant, invitation)
	if row == nil {
		return nil, err
	}
	switch row.Status {
	case entinvitation.StatusPLANNED:
		if row.AttemptAt == nil { // else it may be there before anybody says so
			return nil, nil
		}
	case entinvitation.StatusSKIPPED, entinvitation.StatusCANCELLED:
		return nil, nil
	}
	if row.ContactID == nil && row.Visitor == nil {
		return nil, nil // whoever it was of was erased
	}
	invited := &Invited{Invitation: row}
	if row.ContactID != nil {
		invited.Person, err = d.person(ctx, *row.ContactID)
	}
	return invited, err
}

// Sent finds an invitation that somebody has a mail of, whatever has become of it and of them; nil where there is none.
func (d *Desk) Sent(ctx context.Context, tenant, invitation uuid.UUID) (*ent.Invitation, error) {
	row, err := d.db.Ent.Invitation.Get(auth.ForTenant(ctx, tenant), invitation)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding an invitation: %w", err)
	}
	return row, nil
}

// person finds a contact of the caller's tenant; nil where there is none.
func (d *Desk) person(ctx context.Context, contact uuid.UUID) (*ent.Contact, error) {
	found, err := d.db.Ent.Contact.Get(ctx, contact)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a contact: %w", err)
	}
	return found, nil
}

// Decline notes that somebody closed the question without a number, and reports whether they have answered: then it changes nothing.
func (d *Desk) Decline(ctx context.Context, i *Invited) (answered bool, err error) {
	ctx = auth.ForTenant(ctx, i.TenantID)
	err = d.db.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Ent.Invitation.Update().SetStatus(entinvitation.StatusDECLINED).
			Where(entinvitation.ID(i.ID), entinvitation.StatusEQ(entinvitation.StatusSENT)).Save(ctx)
		if err != nil || n > 0 {
			return err
		}
		now, err := tx.Ent.Invitation.Get(ctx, i.ID)
		answered = err == nil && now.Status == entinvitation.StatusANSWERED
		return err
	})
	if err != nil {
		return false, fmt.Errorf("declining: %w", err)
	}
	return answered, nil
}

// answerInvited records what somebody answered who was invited, or changes it: whatever happens there is one response. The invitation is
// marked in the transaction that records it.
func (d *Desk) answerInvited(ctx context.Context, s *Sheet, r Reader, f Form) (*ent.Response, error) {
	if response := r.Invited.ResponseID; response != nil {
		made, err := d.amend(ctx, *response, f.Score, given(f.Comment))
		if code(err) != apierror.NotFound {
			return made, err
		}
	}
	return d.write(ctx, s, r, f, nil, "invitation\x00"+r.Invited.ID.String())
}

// FillFor fills the placeholders of a text for somebody of whom it is sure who they are: with the brand's name, theirs, and with traits,
// those of the occasion before their own.
func (s *Sheet) FillFor(i *Invited, text string) string { return Fill(text, s.known(i)) }

// FillURL is FillFor for a URL, in which what is put in cannot lead elsewhere: where it would make a step of the path a `..` nothing counts
// as known. i may be nil, as that of Fill's reader.
func (s *Sheet) FillURL(i *Invited, text string) string {
	known := s.known(i)
	filled := Fill(text, func(key string) (string, bool) {
		value, ok := known(key)
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), ok
	})
	if climbs(filled) {
		return Fill(text, nil) // which does not, or it would not have been taken
	}
	return filled
}

// known is what is known, by the keys of placeholders, each in one line: others wrote it, and it stands in the tenant's text. i may be nil.
func (s *Sheet) known(i *Invited) func(key string) (string, bool) {
	return func(key string) (string, bool) {
		if key == brandKey {
			return s.Brand.Name, true
		}
		if i == nil || i.Person == nil {
			return "", false
		}
		if key == nameKey {
			name := strings.TrimSpace(inLine(value(i.Person.Name)))
			return name, name != ""
		}
		given, ok := i.Traits[key]
		if !ok {
			given, ok = i.Person.Traits[key]
		}
		if !ok {
			return "", false
		}
		text := readable(given)
		return text, text != ""
	}
}

// readable is a trait's value as people read it.
func readable(value any) string {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(inLine(v))
	case float64:
		return trait.FormatNumber(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// Asking is what a widget wants to ask with.
type Asking struct {
	// Visitor names the browser, by chance.
	Visitor string
	// Contact is who uses it; the zero UUID where nobody knows.
	Contact uuid.UUID
	// Variant is one that the page wants; another where the survey has none of the name.
	Variant string
	// Locale is the language that the page wants, and Accepts what the browser says; either may be empty.
	Locale, Accepts string
}

// Shown is a question as somebody is asked it.
type Shown struct {
	Invited *Invited
	// Token is by what it is answered.
	Token string
	Texts *Texts
}

// ErrNobody is what Ask says where there is no such contact, or none any more.
var ErrNobody = errors.New("nobody is known by this id")

// Ask decides whether somebody is asked now, and notes that they are: from then on they count as asked, whatever they do. Else shown is
// nil, and again says for how long they are to be left alone at least.
//
// Somebody who is known is asked by one campaign in a quiet period, however many tabs ask at once. Where a rule of their own keeps them
// back that is noted as a SKIPPED invitation: once in the widget's days to wait, however often they come by, as they would have been asked
// once.
//
// Where nobody is known the share is drawn here and by the script alike, and how long the browser has been coming the script alone knows.
// So who was said to be known, and is not, is not asked like all the others: that is ErrNobody, and the script has its rules for them first.
func (d *Desk) Ask(ctx context.Context, s *Sheet, a Asking) (shown *Shown, again time.Duration, err error) {
	ctx = auth.ForTenant(ctx, s.Tenant)
	now := d.log.Now()
	asked := &Invited{}
	if a.Contact != uuid.Nil {
		if asked.Person, err = d.person(ctx, a.Contact); err != nil {
			return nil, 0, err
		}
		if asked.Person == nil {
			return nil, 0, ErrNobody
		}
	} else if lot(s.Campaign, a.Visitor) >= s.Survey.Widget.SamplePercent {
		return nil, unsampledAgain, nil
	}
	visitor := sha256.Sum256(append(append(s.Tenant[:len(s.Tenant):len(s.Tenant)], s.Campaign[:]...), a.Visitor...))
	who := "visitor\x00" + a.Visitor
	accepts := []string{a.Locale, a.Accepts}
	if p := asked.Person; p != nil {
		who = p.ID.String()
		accepts = []string{a.Locale, value(p.Locale), a.Accepts}
	}
	variant := s.Survey.Variant(a.Variant)
	if variant == nil {
		variant = s.Survey.Draw(s.Campaign, who)
	}
	row := &ent.Invitation{CampaignID: s.Campaign, DueAt: now, SentAt: &now, Visitor: visitor[:], Traits: trait.Values{}}
	name := ""
	if variant != nil {
		row.Variant, name = &variant.Name, variant.Name
	}
	texts := s.Texts(name, accepts...)
	row.Locale = texts.Locale

	rule := d.ruleOfVisitor
	if asked.Person != nil {
		row.ContactID = &asked.Person.ID
		rule = d.ruleOfPerson
	}
	// Most are left alone, and for them nothing is locked.
	r, err := rule(ctx, d.db.Ent, s, row)
	if err != nil || r.wait > 0 && !r.note {
		return nil, r.wait, err
	}
	err = d.db.Write(ctx, func(tx *store.Tx) error {
		if err := d.lock(ctx, tx, row); err != nil {
			return err
		}
		if r, err = rule(ctx, tx.Ent, s, row); err != nil {
			return err
		}
		if r.wait == 0 && row.ContactID != nil {
			_, claimed, err := Claim(ctx, tx, *row.ContactID, now, s.Quiet)
			if err != nil {
				return err
			}
			if !claimed { // erased meanwhile, or asked by whoever does not take the lock
				r = ruling{wait: time.Minute}
			}
		}
		if r.wait > 0 && !r.note {
			return nil
		}
		asked.Invitation, err = r.create(tx.Ent, row).Save(ctx)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("asking: %w", err)
	}
	if r.wait > 0 {
		return nil, r.wait, nil
	}
	token, err := s.Ring.Sign(link.Link{Kind: link.Invitation, Subject: asked.ID, Issued: now})
	if err != nil {
		return nil, 0, err
	}
	return &Shown{Invited: asked, Token: token, Texts: texts}, 0, nil
}

// value is a text; empty where there is none.
func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// Claim notes that a contact is asked now, unless some campaign has asked them within so long, and reports whether it did, and when they had
// been asked before; nil where they never were. Of several who try at once one does. It is part of the transaction that makes the invitation.
func Claim(ctx context.Context, tx *store.Tx, contact uuid.UUID, now time.Time, quiet time.Duration) (before *time.Time, asked bool, err error) {
	// Nobody else is to ask them between this and what is written: what is taken back later is put back to what it was.
	person, err := tx.Ent.Contact.Query().Where(entcontact.ID(contact), func(s *sql.Selector) {
		if s.Dialect() == dialect.Postgres {
			s.ForUpdate(sql.WithLockClause("FOR NO KEY UPDATE"))
		}
	}).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, false, nil // erased meanwhile
	}
	if err != nil {
		return nil, false, fmt.Errorf("finding who is asked: %w", err)
	}
	// By hand: being asked is nothing that changes about somebody, and an update of the entity would say that something did.
	done, err := tx.SQL.ExecContext(ctx, `UPDATE contacts SET last_asked_at = CASE WHEN last_asked_at > $1 THEN last_asked_at ELSE $1 END
		WHERE tenant_id = $2 AND id = $3 AND (last_asked_at IS NULL OR last_asked_at <= $4 OR $5)`,
		now, auth.Tenant(ctx), contact, now.Add(-quiet), quiet == 0) // without a quiet period no clock that is ahead keeps anybody back
	var n int64
	if err == nil {
		n, err = done.RowsAffected()
	}
	if err != nil {
		return nil, false, fmt.Errorf("noting that somebody is asked: %w", err)
	}
	return person.LastAskedAt, n == 1, nil
}

// lock has others wait who want to ask the same person, or the same browser, at the same moment.
func (d *Desk) lock(ctx context.Context, tx *store.Tx, row *ent.Invitation) error {
	if d.db.Dialect != store.Postgres {
		return nil // they wait for their turn to write
	}
	var err error
	if row.ContactID != nil {
		_, err = tx.SQL.ExecContext(ctx, `SELECT 1 FROM contacts WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`, auth.Tenant(ctx), *row.ContactID)
	} else {
		_, err = tx.SQL.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(binary.BigEndian.Uint64(row.Visitor)))
	}
	if err != nil {
		return fmt.Errorf("waiting for who asks the same: %w", err)
	}
	return nil
}

// ruling is what the rules say.
type ruling struct {
	// wait is for how long nobody is asked; 0 where somebody is asked now.
	wait time.Duration
	// because is the rule that keeps somebody back, where there is a reason of its own for it, and note says to note that.
	because entinvitation.SkippedBecause
	note    bool
}

// create makes the invitation, or notes why there is none.
func (r ruling) create(client *ent.Client, row *ent.Invitation) *ent.InvitationCreate {
	made := client.Invitation.Create().SetCampaignID(row.CampaignID).SetNillableContactID(row.ContactID).SetChannel(entinvitation.ChannelWIDGET).
		SetNillableVariant(row.Variant).SetLocale(row.Locale).SetTraits(row.Traits).SetDueAt(row.DueAt)
	if r.wait > 0 {
		return made.SetStatus(entinvitation.StatusSKIPPED).SetSkippedBecause(r.because)
	}
	return made.SetStatus(entinvitation.StatusSENT).SetSentAt(row.DueAt).SetVisitor(row.Visitor)
}

// ruleOfVisitor says whether a browser is left alone of whose user nothing is known. Whoever was asked there by name has gone.
func (d *Desk) ruleOfVisitor(ctx context.Context, client *ent.Client, s *Sheet, row *ent.Invitation) (ruling, error) {
	nobodys := func(q *sql.Selector) { // not by the index of contacts, which has all of whom nothing is known at one place
		q.Where(sql.P(func(b *sql.Builder) {
			b.WriteString("(").Ident(q.C(entinvitation.FieldContactID)).WriteString(" IS NULL) IS TRUE")
		}))
	}
	last, err := newest(ctx, client.Invitation.Query().Where(entinvitation.Visitor(row.Visitor), inCampaign(s.Campaign), nobodys))
	if err != nil || last == nil {
		return ruling{}, err
	}
	return ruling{wait: max(0, last.DueAt.Add(time.Duration(s.Survey.Widget.WaitDays)*day).Sub(row.DueAt))}, nil
}

// ruleOfPerson says whether somebody is left alone who is known.
func (d *Desk) ruleOfPerson(ctx context.Context, client *ent.Client, s *Sheet, row *ent.Invitation) (ruling, error) {
	person, err := client.Contact.Get(ctx, *row.ContactID)
	if ent.IsNotFound(err) {
		return ruling{wait: time.Minute}, nil // erased just now
	}
	if err != nil {
		return ruling{}, fmt.Errorf("finding a contact: %w", err)
	}
	h := history{contact: person.ID, since: person.CreatedAt, asked: person.LastAskedAt, quiet: s.Quiet}
	by := client.Invitation.Query().Where(entinvitation.ContactID(person.ID), inCampaign(s.Campaign),
		entinvitation.ChannelEQ(entinvitation.ChannelWIDGET))
	last, err := newest(ctx, by.Clone().Where(entinvitation.StatusNEQ(entinvitation.StatusSKIPPED)))
	if err != nil {
		return ruling{}, err
	}
	if last != nil {
		h.byWidget = &last.DueAt
		if h.asked == nil || h.asked.Before(last.DueAt) { // read a moment before
			h.asked = h.byWidget
		}
	}
	r := s.Survey.Widget.rule(s.Campaign, h, row.DueAt)
	if r.because == "" {
		return r, nil
	}
	skipped, err := newest(ctx, by.Where(entinvitation.StatusEQ(entinvitation.StatusSKIPPED)))
	r.note = err == nil && (skipped == nil || row.DueAt.Sub(skipped.DueAt) >= time.Duration(s.Survey.Widget.WaitDays)*day)
	return r, err
}

// newest is that of some invitations; nil where there is none.
func newest(ctx context.Context, among *ent.InvitationQuery) (*ent.Invitation, error) {
	found, err := among.Order(entinvitation.ByDueAt(sql.OrderDesc())).First(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("finding the last invitation: %w", err)
	}
	return found, nil
}

// history is what the rules go by of somebody who is known.
type history struct {
	contact uuid.UUID
	// since is when they were first heard of, asked when any campaign asked them last, and byWidget when the campaign's widget did.
	since           time.Time
	asked, byWidget *time.Time
	// quiet is for how long nobody is asked who was asked by any campaign.
	quiet time.Duration
}

// rule says whether the widget of a campaign asks somebody at a moment. What only puts off has no reason of its own; of the reasons the
// first holds, and of the times to wait the longest.
func (w *Widget) rule(campaign uuid.UUID, h history, now time.Time) (r ruling) {
	until := func(at time.Time) bool {
		wait := at.Sub(now)
		r.wait = max(r.wait, wait)
		return wait > 0
	}
	putOff := until(h.since.Add(time.Duration(w.FirstAfterDays) * day))
	if h.byWidget != nil && until(h.byWidget.Add(time.Duration(w.WaitDays)*day)) {
		putOff = true
	}
	if !sampled(campaign, h.contact, w.SamplePercent) {
		r.wait, r.because = max(r.wait, unsampledAgain), entinvitation.SkippedBecauseNOT_SAMPLED
	}
	if h.asked != nil && until(h.asked.Add(h.quiet)) && r.because == "" {
		r.because = entinvitation.SkippedBecauseQUIET_PERIOD
	}
	if putOff { // they would not be asked now anyhow
		r.because = ""
	}
	return r
}

// lot is what a browser draws whose user nobody knows, 0 to 99: it is among the sample where it is less than the sample's percentage. The
// script draws the same, which has no better hash at hand on every page; so a larger share has all of a smaller one here, too.
func lot(campaign uuid.UUID, visitor string) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id.Campaign.Format(campaign) + visitor)) // it never fails
	return int(hash.Sum32() % 100)
}

// sampled reports whether a share of people has somebody in it. A larger share has all of a smaller one, and which variant somebody falls
// into says nothing about it.
func sampled(campaign, contact uuid.UUID, percent int) bool {
	hash := sha256.Sum256([]byte("sample\x00" + string(campaign[:]) + string(contact[:])))
	return binary.BigEndian.Uint64(hash[:8])%100 < uint64(percent) // uneven by 1 in 10^17 at most
}
