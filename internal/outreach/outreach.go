// Package outreach is how people are asked by mail: whom a campaign asks, when and how often, in whose name, and what became of it.
//
// What is decided is an invitation. It is planned by a schedule, by an event or by somebody who asks for it; it is looked at again when it is
// due; and it is handed to the mail server once at most, whatever dies meanwhile. Being asked counts for all campaigns and all channels: see
// survey.Claim.
package outreach

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
)

// Limits of what is set; lengths are in characters.
const (
	MaxQuietDays     = 365
	MaxSenderName    = 100
	MaxPostalAddress = 300
	// MaxWrongCodes is how many wrong codes are taken before a new one is needed, and CodeLife how long a code is good.
	MaxWrongCodes = 10
	CodeLife      = 24 * time.Hour
	// MaxWrongAnHour is how many wrong codes are taken in an hour, of however many codes.
	MaxWrongAnHour = 30
	// MaxTests is how many mails go to addresses of a tenant's choice in an hour: tests, and codes.
	MaxTests = 20
)

// Desk decides whom campaigns ask by mail. It may be used from many goroutines at once.
type Desk struct {
	db     *store.DB
	log    *feedback.Log
	states *settings.States
	book   *survey.Book
	jobs   *job.Runner
	now    func() time.Time
	logger *slog.Logger
	// news says that there may be something to send at once.
	news chan struct{}
	// previews is where previews are worked out.
	previews *seats
}

// Config of a Desk.
type Config struct {
	DB     *store.DB
	Log    *feedback.Log
	States *settings.States
	Book   *survey.Book
	Jobs   *job.Runner
	// Now is the clock; nil means time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

// NewDesk makes a Desk. What its jobs are is to be made known by Handle.
func NewDesk(c Config) *Desk {
	if c.Now == nil {
		c.Now = time.Now
	}
	now := c.Now
	return &Desk{
		db: c.DB, log: c.Log, states: c.States, book: c.Book, jobs: c.Jobs, logger: c.Logger,
		now:  func() time.Time { return now().UTC().Truncate(time.Microsecond) },
		news: make(chan struct{}, 1), previews: newSeats(maxPreviews),
	}
}

// tell wakes whoever sends.
func (d *Desk) tell() {
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// Settings are what holds for all that a tenant asks people.
type Settings struct {
	Limits Limits
	Sender Sender
	// PostalAddress is at the foot of every mail; nil where none was given.
	PostalAddress *string
}

// Limits are how often a person, and how many people, may be asked by all campaigns together.
type Limits struct {
	// QuietDays lie between two askings of one person, 0 to MaxQuietDays.
	QuietDays int
	// MonthlyBudget is how many invitations by mail go out in a month of the tenant's calendar at most; nil where there is no limit.
	MonthlyBudget *int
	// SentThisMonth is how many of this month's went out, or are being sent.
	SentThisMonth int
}

// Sender is in whose name mails come.
type Sender struct {
	Name, Address string
	// UnconfirmedAddress waits to be confirmed, and ReplyTo is where answers go; either may be nil.
	UnconfirmedAddress, ReplyTo *string
}

// LimitsInput takes the place of all limits.
type LimitsInput struct {
	QuietDays     int
	MonthlyBudget *int
}

// SenderInput takes the place of the whole sender.
type SenderInput struct{ Name, Address, ReplyTo *string }

// UpdateInput says what changes; what is nil stays.
type UpdateInput struct {
	Limits        *LimitsInput
	Sender        *SenderInput
	PostalAddress *string
}

// House is what the server says of itself where a tenant has said nothing.
type House struct {
	Site survey.Site
	// From is the server's own address, which mails come from.
	From string
	// MailsADay is how many mails of a tenant are sent in a day of its calendar at most, tests and codes not counted; 0 where there is no limit.
	MailsADay int
}

// Settings reads those of the caller's tenant.
func (d *Desk) Settings(ctx context.Context, h House) (*Settings, error) {
	var s *Settings
	err := d.db.Snapshot(ctx, func(tx *store.Tx) (err error) {
		s, err = d.settingsTx(ctx, tx, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the outreach's settings: %w", err)
	}
	return s, nil
}

func (d *Desk) settingsTx(ctx context.Context, tx *store.Tx, h House) (*Settings, error) {
	tenant, err := tx.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	brand, err := survey.BrandTx(ctx, tx, tenant)
	if err != nil {
		return nil, err
	}
	row, err := outreachTx(ctx, tx)
	if err != nil {
		return nil, err
	}
	zone, err := calendar.LoadZone(tenant.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("finding the tenant's zone: %w", err)
	}
	sent, err := sentIn(ctx, tx, uuid.Nil, slot.MonthOf(d.now(), zone))
	if err != nil {
		return nil, err
	}
	return &Settings{
		Limits: Limits{QuietDays: tenant.QuietDays, MonthlyBudget: row.MonthlyBudget, SentThisMonth: sent},
		Sender: senderOf(row, brand.Name, h), PostalAddress: row.PostalAddress,
	}, nil
}

// senderOf is in whose name a tenant's mails come.
func senderOf(row *ent.Outreach, brand string, h House) Sender {
	s := Sender{Name: brand, Address: h.From, UnconfirmedAddress: row.UnconfirmedAddress, ReplyTo: row.ReplyTo}
	if row.SenderName != nil {
		s.Name = *row.SenderName
	}
	if row.SenderAddress != nil {
		s.Address = *row.SenderAddress
	}
	return s
}

// plainName is a name that a mail may come under: without what makes it read like an address other than the sender's. A brand's may have it.
func plainName(name string) string {
	return strings.NewReplacer("@", " ", "＠", " ", "﹫", " ", "://", " ").Replace(name)
}

// outreachTx is the tenant's row; an empty one where there is none yet.
func outreachTx(ctx context.Context, tx *store.Tx) (*ent.Outreach, error) {
	row, err := tx.Ent.Outreach.Query().Only(ctx)
	if ent.IsNotFound(err) {
		return &ent.Outreach{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the outreach's settings: %w", err)
	}
	return row, nil
}

// sentIn is how many invitations by mail went out in a month, of a campaign or, with the zero id, of all.
func sentIn(ctx context.Context, tx *store.Tx, campaign uuid.UUID, month int) (n int, err error) {
	err = tx.SQL.QueryRowContext(ctx, `SELECT sent FROM monthly_counts WHERE tenant_id = $1 AND campaign = $2 AND month = $3`,
		auth.Tenant(ctx), campaign, month).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading how many mails went out: %w", err)
	}
	return n, nil
}

// Validate says what is wrong with the input by itself.
func (in *UpdateInput) Validate() (errs apierror.UserErrors) {
	if l := in.Limits; l != nil {
		if l.QuietDays < 0 || l.QuietDays > MaxQuietDays {
			errs.Add(apierror.OutOfRange, []string{"limits", "quietDays"}, "0 to %d, not %d.", MaxQuietDays, l.QuietDays)
		}
		if b := l.MonthlyBudget; b != nil && *b < 0 {
			errs.Add(apierror.OutOfRange, []string{"limits", "monthlyBudget"}, "0 or more, not %d.", *b)
		}
	}
	if s := in.Sender; s != nil {
		errs.FilledOrNone(MaxSenderName, s.Name, "sender", "name")
		errs.Line(s.Name, "sender", "name")
		if s.Name != nil && plainName(*s.Name) != *s.Name {
			errs.Add(apierror.Invalid, []string{"sender", "name"}, "A sender's name must not have @ or :// in it: many programs show it in place of the address.")
		}
	}
	errs.AtMost(MaxPostalAddress, in.PostalAddress, "postalAddress")
	return errs
}

// Update changes the settings of the caller's tenant. Where an address is to be confirmed, mail has the code mailed to it before anything is
// changed. The error is UserErrors for what the caller can mend.
func (d *Desk) Update(ctx context.Context, h House, in UpdateInput, mail func(ctx context.Context, address, code string) error) (s *Settings, err error) {
	if err := in.Validate().Err(); err != nil {
		return nil, err
	}
	code := ""
	if in.Sender != nil && in.Sender.Address != nil {
		if code, err = d.askToConfirm(ctx, *in.Sender.Address, mail); err != nil {
			return nil, err
		}
	}
	err = d.db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if l := in.Limits; l != nil {
			if err := tx.Ent.Tenant.UpdateOneID(auth.Tenant(ctx)).SetQuietDays(l.QuietDays).Exec(ctx); err != nil {
				return err
			}
		}
		row, err := d.rowTx(ctx, tx)
		if err != nil {
			return err
		}
		update := tx.Ent.Outreach.UpdateOne(row)
		if l := in.Limits; l != nil {
			change(l.MonthlyBudget, update.SetMonthlyBudget, update.ClearMonthlyBudget)
		}
		if in.Sender != nil {
			d.name(update, in.Sender, code)
		}
		if text := in.PostalAddress; text != nil {
			if strings.TrimSpace(*text) == "" {
				text = nil
			}
			change(text, update.SetPostalAddress, update.ClearPostalAddress)
		}
		if err := update.Exec(ctx); err != nil {
			return err
		}
		s, err = d.settingsTx(ctx, tx, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("changing the outreach's settings: %w", err)
	}
	return s, nil
}

// rowTx is the tenant's row, made where there is none yet. The caller has the tenant's lock.
func (d *Desk) rowTx(ctx context.Context, tx *store.Tx) (*ent.Outreach, error) {
	row, err := outreachTx(ctx, tx)
	if err == nil && row.ID == uuid.Nil {
		row, err = tx.Ent.Outreach.Create().Save(ctx)
	}
	return row, err
}

// askToConfirm mails a code to an address, unless that is confirmed already: then the code is empty.
func (d *Desk) askToConfirm(ctx context.Context, address string, mail func(ctx context.Context, address, code string) error) (code string, err error) {
	row, err := d.db.Ent.Outreach.Query().Only(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return "", fmt.Errorf("reading the outreach's settings: %w", err)
	}
	if row != nil && row.SenderAddress != nil && *row.SenderAddress == address {
		return "", nil
	}
	if err := d.refuseSuppressed(ctx, address, []string{"sender", "address"}); err != nil {
		return "", err
	}
	if err := d.countTest(ctx, []string{"sender", "address"}); err != nil {
		return "", err
	}
	code = newCode()
	return code, mail(ctx, address, code)
}

// countTest counts a mail to an address of the tenant's choice. The error is UserErrors where there were enough of them.
func (d *Desk) countTest(ctx context.Context, field []string) error {
	hour := d.now().Unix() / 3600
	return d.db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		row, err := d.rowTx(ctx, tx)
		if err != nil {
			return err
		}
		if row.TestsHour != hour {
			row.Tests = 0
		}
		if row.Tests >= MaxTests {
			return apierror.User(apierror.NotAllowed, field, "%d mails were sent to addresses of your choice in this hour: try again in the next.", MaxTests)
		}
		return tx.Ent.Outreach.UpdateOne(row).SetTestsHour(hour).SetTests(row.Tests + 1).Exec(ctx)
	})
}

// name sets in whose name mails come. code is empty where the address needs none.
func (d *Desk) name(update *ent.OutreachUpdateOne, in *SenderInput, code string) {
	change(in.Name, update.SetSenderName, update.ClearSenderName)
	change(in.ReplyTo, update.SetReplyTo, update.ClearReplyTo)
	if in.Address == nil {
		update.ClearSenderAddress()
	}
	update.SetCodeTries(0)
	if code == "" {
		update.ClearUnconfirmedAddress().ClearCodeHash().ClearCodeSentAt()
		return
	}
	hash := sha256.Sum256([]byte(code))
	update.SetUnconfirmedAddress(*in.Address).SetCodeHash(hash[:]).SetCodeSentAt(d.now())
}

// change sets a field, or clears it where there is nothing: of an update that does both PostgreSQL says that it assigns twice.
func change[T, U any](to *T, set func(T) U, unset func() U) {
	if to == nil {
		unset()
		return
	}
	set(*to)
}

// newCode makes a code of eight digits by chance: with ten tries it is guessed once in ten million times.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		panic(err) // it never fails
	}
	return fmt.Sprintf("%08d", n)
}

// Confirm confirms a sender's address by the code that was mailed to it. The error is UserErrors for what the caller can mend.
func (d *Desk) Confirm(ctx context.Context, h House, code string) (s *Settings, err error) {
	wrong := apierror.User(apierror.Invalid, []string{"code"}, "This code is wrong or old: give the one from the last mail, or set the sender again to get another.")
	refused := false
	err = d.db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		row, err := outreachTx(ctx, tx)
		if err != nil {
			return err
		}
		if row.UnconfirmedAddress == nil || row.CodeSentAt == nil || row.CodeTries >= MaxWrongCodes || d.now().Sub(*row.CodeSentAt) >= CodeLife {
			return wrong
		}
		hour, before := d.now().Unix()/3600, 0
		if row.WrongHour == hour {
			before = row.WrongCodes
		}
		if before >= MaxWrongAnHour {
			return apierror.User(apierror.NotAllowed, []string{"code"}, "%d wrong codes were given in this hour: try again in the next.", MaxWrongAnHour)
		}
		hash := sha256.Sum256([]byte(strings.TrimSpace(code)))
		if subtle.ConstantTimeCompare(hash[:], row.CodeHash) == 0 {
			refused = true // which is counted, so that the transaction has to commit
			return tx.Ent.Outreach.UpdateOne(row).AddCodeTries(1).SetWrongHour(hour).SetWrongCodes(before + 1).Exec(ctx)
		}
		err = tx.Ent.Outreach.UpdateOne(row).SetSenderAddress(*row.UnconfirmedAddress).ClearUnconfirmedAddress().ClearCodeHash().ClearCodeSentAt().
			SetCodeTries(0).Exec(ctx)
		if err != nil {
			return err
		}
		s, err = d.settingsTx(ctx, tx, h)
		return err
	})
	if err == nil && refused {
		err = wrong
	}
	if err != nil {
		return nil, fmt.Errorf("confirming a sender: %w", err)
	}
	return s, nil
}
