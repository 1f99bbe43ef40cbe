package outreach

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/letter"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/trait"
)

// madeUp is the name of whoever a mail is made for that is to nobody.
const madeUp = "Robin Example"

// TestInput is a mail to try.
type TestInput struct {
	// Campaign is the text of an id, and To where the mail goes.
	Campaign, To string
	// Locale and Variant are the survey's where nil.
	Locale, Variant *string
}

// Test sends the mail that an invitation of a campaign is, and gives what the server said when it took it. The error is UserErrors for what
// the caller can mend.
func (m *Mailer) Test(ctx context.Context, in TestInput) (reply string, err error) {
	if err := Forbidden(ctx); err != nil {
		return "", err
	}
	campaign, err := id.Campaign.Parse(in.Campaign)
	if err != nil {
		return "", apierror.User(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	c, err := m.desk.db.Ent.Campaign.Get(ctx, campaign)
	if ent.IsNotFound(err) {
		return "", apierror.User(apierror.NotFound, []string{"campaign"}, "There is no campaign %s.", in.Campaign)
	}
	if err != nil {
		return "", fmt.Errorf("finding a campaign: %w", err)
	}
	if err := m.desk.refuseSuppressed(ctx, in.To, []string{"to"}); err != nil {
		return "", err
	}
	made, language, settings, err := m.trial(ctx, c, in.Locale, in.Variant, nil, false)
	if b, ok := errors.AsType[*apierror.Error](err); ok && b.Code == apierror.BadRequestCode {
		return "", apierror.User(apierror.NotFound, []string{"variant"}, "%s", b.Message)
	}
	if err != nil {
		return "", err
	}
	if err := m.desk.countTest(ctx, []string{"to"}); err != nil {
		return "", err
	}
	out := m.post.Send(ctx, m.mail(made, settings, in.To, language, nil))
	return m.post.Told(out), m.refusedBy(ctx, out, []string{"to"})
}

// refusedBy is a UserErrors where a mail was not taken, for the field of its address where that is to blame. What is the operator's to know is in the log.
func (m *Mailer) refusedBy(ctx context.Context, out post.Outcome, field []string) error {
	if out.Verdict == post.Taken {
		return nil
	}
	told := m.post.Told(out)
	if told != out.Reply {
		m.log.WarnContext(ctx, "a test or a code was not taken", "tenant", id.Tenant.Format(auth.Tenant(ctx)), "said", out.Reply)
	}
	said := strings.TrimSuffix(told, ".")
	if said == "" {
		said = "it said nothing"
	}
	if out.Verdict == post.Unsent {
		field = []string{} // whoever it was to
	}
	return apierror.User(apierror.NotAllowed, field, "The mail server did not take it: %s.", said)
}

// Letter is the mail that an invitation of a campaign is, for a contact or, where nil, somebody made up. The error is a BAD_REQUEST for what
// the caller can mend.
func (m *Mailer) Letter(ctx context.Context, c *ent.Campaign, locale, variant, contact *string) (*letter.Letter, error) {
	var to *ent.Contact
	if contact != nil {
		if err := Forbidden(ctx); err != nil {
			return nil, err
		}
		target, err := id.Contact.Parse(*contact)
		if err != nil {
			return nil, apierror.BadRequest("contact: %v.", err)
		}
		if to, err = m.desk.db.Ent.Contact.Get(ctx, target); ent.IsNotFound(err) {
			return nil, apierror.New(apierror.NotFoundCode, "There is no contact %s.", *contact)
		} else if err != nil {
			return nil, fmt.Errorf("finding a contact: %w", err)
		}
	}
	made, _, _, err := m.trial(ctx, c, locale, variant, to, true)
	return made, err
}

// trial makes a mail whose links open the page and record nothing, and says in which language it is. One that is shown is whole; one that is
// sent has no link to unsubscribe by, which would end nothing.
func (m *Mailer) trial(
	ctx context.Context, c *ent.Campaign, locale, variant *string, to *ent.Contact, shown bool,
) (*letter.Letter, string, *Settings, error) {
	sheet, err := m.desk.book.Sheet(ctx, c.ID)
	if err != nil || sheet == nil {
		return nil, "", nil, fmt.Errorf("reading how a campaign is asked: %w", errors.Join(err, errNoSheet(sheet)))
	}
	settings, err := m.desk.Settings(ctx, m.house)
	if err != nil {
		return nil, "", nil, err
	}
	if to == nil {
		to = &ent.Contact{Name: new(madeUp), Traits: trait.Values{}}
	}
	row := &ent.Invitation{CampaignID: c.ID, Traits: trait.Values{}}
	switch {
	case variant != nil && sheet.Survey.Variant(*variant) == nil:
		return nil, "", nil, apierror.BadRequest("The survey has no variant %.100q.", *variant)
	case variant != nil:
		row.Variant = variant
	case to.ID != uuid.Nil:
		if v := sheet.Survey.Draw(c.ID, to.ID.String()); v != nil {
			row.Variant = &v.Name
		}
	}
	var wanted []string
	for _, text := range []*string{locale, to.Locale} {
		if text != nil {
			wanted = append(wanted, *text)
		}
	}
	row.Locale = sheet.Language(wanted)
	in := m.input(sheet, &survey.Invited{Invitation: row, Person: to}, "", settings)
	page := func(path string) string {
		q := url.Values{"preview": {"1"}, "l": {row.Locale}}
		if row.Variant != nil {
			q.Set("v", *row.Variant)
		}
		return m.house.Site.Page(c.ID) + path + "?" + q.Encode()
	}
	in.Score = func(score int) string { return page(fmt.Sprintf("/%d", score)) }
	in.Page, in.All = page(""), page("/all")
	if shown {
		in.Unsubscribe = page("")
	}
	made, err := letter.Compose(in)
	return made, row.Locale, settings, err
}

// Confirm mails the code by which an address is confirmed. The error is UserErrors where the server does not take the mail.
func (m *Mailer) Confirm(ctx context.Context, address, code string) error {
	settings, err := m.desk.Settings(ctx, m.house)
	if err != nil {
		return err
	}
	settings.Sender.Address, settings.Sender.ReplyTo = m.house.From, nil
	who := "Somebody"
	if name, ok := survey.Mailable(settings.Sender.Name); ok { // what a tenant calls itself is no way to write to others
		who += " at " + name
	}
	text := fmt.Sprintf("%s wants surveys to come from this address.\n\nThe code is %s. It is good for a day.\n\n"+
		"Whoever set the address enters it to confirm that it is theirs. If you do not know of this, do nothing: without the code no mail will come from your address.\n",
		who, code)
	l := &letter.Letter{Subject: "Code to confirm a sender: " + code, Text: text}
	return m.refusedBy(ctx, m.post.Send(ctx, m.mail(l, settings, address, "en", nil)), []string{"sender", "address"})
}
