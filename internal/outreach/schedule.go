package outreach

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits of a schedule; lengths are in characters.
const (
	MaxOverDays      = 365
	MaxEveryMonths   = 24
	MaxEvent         = 100
	MaxDelayMinutes  = 90 * 24 * 60
	MaxReminderDays  = 30
	maxAhead         = 366 * 24 * time.Hour
	tooLate          = 3 * 24 * time.Hour
	mostHours        = 24
	defaultFrom      = 8
	defaultTo        = 18
	defaultWeekdays  = slot.Weekdays(0b0011111)
	occasionOnce     = "once:"
	occasionRound    = "round:"
	occasionHappened = "event:"
)

// Weekday is a day of the week as the API has it.
type Weekday string

// weekdays are all, Monday first.
var weekdays = []Weekday{"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"}

// Occasion is what leads to an invitation: one of these is not nil.
type Occasion struct {
	Once      *Once
	Recurring *Recurring
	OnEvent   *OnEvent
}

// Once asks everybody once: from At on, spread evenly over so many days.
type Once struct {
	At       time.Time
	OverDays int
}

// Recurring asks everybody again and again, from a day on.
type Recurring struct {
	EveryMonths int
	// StartOn where nil is today.
	StartOn *calendar.Day
}

// OnEvent asks whoever something happened to, so many minutes later.
type OnEvent struct {
	Event        string
	DelayMinutes int
}

// Window is when mails may arrive, in the person's own time.
type Window struct {
	Weekdays         []Weekday
	FromHour, ToHour int
}

// ScheduleInput is a whole schedule.
type ScheduleInput struct {
	Occasion Occasion
	// Segment is the text of an id; all contacts where nil.
	Segment           *string
	SamplePercent     int
	MonthlyBudget     *int
	Window            *Window
	ReminderAfterDays *int
	IsPaused          bool
}

// SetInput is a campaign, the text of its id, and its schedule.
type SetInput struct {
	Campaign string
	Schedule ScheduleInput
}

// schedule makes the row of the input, without its campaign, and says what is wrong with it by itself. today is the tenant's.
func (in *ScheduleInput) schedule(now time.Time, today calendar.Day) (row *ent.Schedule, errs apierror.UserErrors) {
	row = &ent.Schedule{
		SamplePercent: in.SamplePercent, MonthlyBudget: in.MonthlyBudget, ReminderAfterDays: in.ReminderAfterDays, IsPaused: in.IsPaused,
		Weekdays: int(defaultWeekdays), FromHour: defaultFrom, ToHour: defaultTo,
	}
	errs = append(errs, in.Occasion.into(row, now, today).Under("occasion")...)
	if in.Segment != nil {
		segment, err := id.Segment.Parse(*in.Segment)
		if err != nil {
			errs.Add(apierror.Invalid, []string{"segment"}, "%v.", err)
		}
		row.SegmentID = &segment
	}
	if p := in.SamplePercent; p < 1 || p > 100 {
		errs.Add(apierror.OutOfRange, []string{"samplePercent"}, "1 to 100, not %d.", p)
	}
	if b := in.MonthlyBudget; b != nil && *b < 0 {
		errs.Add(apierror.OutOfRange, []string{"monthlyBudget"}, "0 or more, not %d.", *b)
	}
	if in.Window != nil {
		errs = append(errs, in.Window.into(row).Under("window")...)
	}
	if r := in.ReminderAfterDays; r != nil && (*r < 1 || *r > MaxReminderDays) {
		errs.Add(apierror.OutOfRange, []string{"reminderAfterDays"}, "1 to %d, not %d.", MaxReminderDays, *r)
	}
	return row, errs
}

func (o *Occasion) into(row *ent.Schedule, now time.Time, today calendar.Day) (errs apierror.UserErrors) {
	given := 0
	for _, is := range []bool{o.Once != nil, o.Recurring != nil, o.OnEvent != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		errs.Add(apierror.Invalid, nil, "Give exactly one of once, recurring and onEvent, not %d.", given)
		return errs
	}
	switch {
	case o.Once != nil:
		row.Occasion = entschedule.OccasionONCE
		at := o.Once.At.UTC().Truncate(time.Microsecond)
		if at.After(now.Add(maxAhead)) {
			errs.Add(apierror.OutOfRange, []string{"once", "at"}, "At most a year ahead.")
		}
		if n := o.Once.OverDays; n < 1 || n > MaxOverDays {
			errs.Add(apierror.OutOfRange, []string{"once", "overDays"}, "1 to %d, not %d.", MaxOverDays, n)
		}
		row.At, row.OverDays = &at, &o.Once.OverDays
	case o.Recurring != nil:
		row.Occasion = entschedule.OccasionRECURRING
		start := today
		if o.Recurring.StartOn != nil {
			start = *o.Recurring.StartOn
		}
		if n := o.Recurring.EveryMonths; n < 1 || n > MaxEveryMonths {
			errs.Add(apierror.OutOfRange, []string{"recurring", "everyMonths"}, "1 to %d, not %d.", MaxEveryMonths, n)
		}
		if start > today+366 {
			errs.Add(apierror.OutOfRange, []string{"recurring", "startOn"}, "At most a year ahead.")
		}
		row.EveryMonths, row.StartOn = &o.Recurring.EveryMonths, &start
	default:
		row.Occasion = entschedule.OccasionON_EVENT
		errs.Filled(MaxEvent, &o.OnEvent.Event, "onEvent", "event")
		if n := o.OnEvent.DelayMinutes; n < 0 || n > MaxDelayMinutes {
			errs.Add(apierror.OutOfRange, []string{"onEvent", "delayMinutes"}, "0 to %d, which is 90 days, not %d.", MaxDelayMinutes, n)
		}
		row.Event, row.DelayMinutes = &o.OnEvent.Event, &o.OnEvent.DelayMinutes
	}
	return errs
}

func (w *Window) into(row *ent.Schedule) (errs apierror.UserErrors) {
	if n := len(w.Weekdays); n > len(weekdays) {
		errs.Add(apierror.TooMany, []string{"weekdays"}, "At most %d, not %d.", len(weekdays), n)
		return errs
	}
	set := 0
	for i, name := range w.Weekdays {
		day := slices.Index(weekdays, name)
		if day < 0 {
			errs.Add(apierror.Invalid, []string{"weekdays", apierror.Index(i)}, "There is no weekday %.20q.", name)
			continue
		}
		set |= 1 << day
	}
	if len(w.Weekdays) == 0 {
		errs.Add(apierror.Required, []string{"weekdays"}, "Give at least one: nothing would ever go out.")
	}
	if w.FromHour < 0 || w.FromHour >= mostHours {
		errs.Add(apierror.OutOfRange, []string{"fromHour"}, "0 to 23, not %d.", w.FromHour)
	}
	if w.ToHour < 1 || w.ToHour > mostHours || w.ToHour <= w.FromHour {
		errs.Add(apierror.OutOfRange, []string{"toHour"}, "1 to 24, and more than fromHour, which is %d, not %d.", w.FromHour, w.ToHour)
	}
	row.Weekdays, row.FromHour, row.ToHour = set, w.FromHour, w.ToHour
	return errs
}

// OccasionOf is what leads to a schedule's invitations.
func OccasionOf(s *ent.Schedule) *Occasion {
	switch s.Occasion {
	case entschedule.OccasionONCE:
		return &Occasion{Once: &Once{At: *s.At, OverDays: *s.OverDays}}
	case entschedule.OccasionRECURRING:
		return &Occasion{Recurring: &Recurring{EveryMonths: *s.EveryMonths, StartOn: s.StartOn}}
	}
	return &Occasion{OnEvent: &OnEvent{Event: *s.Event, DelayMinutes: *s.DelayMinutes}}
}

// WindowOf is when a schedule's mails may arrive.
func WindowOf(s *ent.Schedule) *Window {
	w := &Window{Weekdays: []Weekday{}, FromHour: s.FromHour, ToHour: s.ToHour}
	for i, name := range weekdays {
		if s.Weekdays&(1<<i) != 0 {
			w.Weekdays = append(w.Weekdays, name)
		}
	}
	return w
}

// Set sets the schedule of a campaign of the caller's tenant. What the one before had planned and not sent is not sent any more, and
// planned anew by a job. The error is UserErrors for what the caller can mend.
func (d *Desk) Set(ctx context.Context, in SetInput) (c *ent.Campaign, err error) {
	state, err := d.states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("setting a schedule: %w", err)
	}
	zone, err := calendar.LoadZone(state.Zone)
	if err != nil {
		return nil, fmt.Errorf("finding the tenant's zone: %w", err)
	}
	row, wrong := in.Schedule.schedule(d.now(), calendar.DayOf(d.now(), zone))
	errs := wrong.Under("schedule")
	campaign, err := id.Campaign.Parse(in.Campaign)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	// The tenant's lock keeps the segment from being deleted meanwhile.
	err = d.db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if c, err = openCampaign(ctx, tx, campaign, in.Campaign); err != nil {
			return err
		}
		if row.SegmentID != nil {
			if _, err := tx.Ent.Segment.Get(ctx, *row.SegmentID); ent.IsNotFound(err) {
				return apierror.User(apierror.NotFound, []string{"schedule", "segment"}, "There is no segment %s.", *in.Schedule.Segment)
			} else if err != nil {
				return err
			}
		}
		old, err := tx.Ent.Schedule.Query().Where(entschedule.CampaignID(campaign)).Only(ctx)
		if err != nil && !ent.IsNotFound(err) {
			return err
		}
		made := tx.Ent.Schedule.Create().SetCampaignID(campaign).SetPlan(id.New()).SetOccasion(row.Occasion).SetNillableAt(row.At).
			SetNillableOverDays(row.OverDays).SetNillableEveryMonths(row.EveryMonths).SetNillableStartOn(row.StartOn).
			SetNillableEvent(row.Event).SetNillableDelayMinutes(row.DelayMinutes).SetNillableSegmentID(row.SegmentID).
			SetSamplePercent(row.SamplePercent).SetNillableMonthlyBudget(row.MonthlyBudget).SetWeekdays(row.Weekdays).
			SetFromHour(row.FromHour).SetToHour(row.ToHour).SetNillableReminderAfterDays(row.ReminderAfterDays).SetIsPaused(row.IsPaused)
		made.SetCreatedAt(d.now()).SetUpdatedAt(d.now())
		if old != nil {
			if isSameWave(old, row) { // whoever was to be asked is so when they would have been
				made.SetCreatedAt(old.CreatedAt)
			}
			if err := tx.Ent.Schedule.DeleteOne(old).Exec(ctx); err != nil {
				return err
			}
		}
		if err := made.Exec(ctx); err != nil {
			return err
		}
		return d.jobs.Insert(ctx, tx, PlanArgs{Tenant: auth.Tenant(ctx), Campaign: campaign})
	})
	if err != nil {
		return nil, fmt.Errorf("setting a schedule: %w", err)
	}
	return c, nil
}

// isSameWave reports whether two schedules ask once from the same instant on.
func isSameWave(a, b *ent.Schedule) bool { return a.At != nil && b.At != nil && a.At.Equal(*b.At) }

// Delete takes a campaign's schedule away, by the text of the campaign's id. The error is UserErrors for what the caller can mend.
func (d *Desk) Delete(ctx context.Context, campaignText string) (c *ent.Campaign, err error) {
	campaign, err := id.Campaign.Parse(campaignText)
	if err != nil {
		return nil, apierror.User(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	err = d.db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if c, err = findCampaign(ctx, tx, campaign, campaignText); err != nil {
			return err
		}
		n, err := tx.Ent.Schedule.Delete().Where(entschedule.CampaignID(campaign)).Exec(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return apierror.User(apierror.NotFound, []string{"campaign"}, "The campaign %s has no schedule.", campaignText)
		}
		if err := waits(ctx, tx, campaign, true); err != nil { // the job may be taken for one that is at work
			return err
		}
		return d.jobs.Insert(ctx, tx, PlanArgs{Tenant: auth.Tenant(ctx), Campaign: campaign})
	})
	if err != nil {
		return nil, fmt.Errorf("taking a schedule away: %w", err)
	}
	return c, nil
}

// findCampaign finds a campaign, or gives UserErrors where the caller's tenant has no such.
func findCampaign(ctx context.Context, tx *store.Tx, campaign uuid.UUID, text string) (*ent.Campaign, error) {
	c, err := tx.Ent.Campaign.Get(ctx, campaign)
	if ent.IsNotFound(err) {
		return nil, apierror.User(apierror.NotFound, []string{"campaign"}, "There is no campaign %s.", text)
	}
	if err != nil {
		return nil, fmt.Errorf("finding a campaign: %w", err)
	}
	return c, nil
}

// openCampaign is findCampaign for one that may still ask people.
func openCampaign(ctx context.Context, tx *store.Tx, campaign uuid.UUID, text string) (*ent.Campaign, error) {
	c, err := findCampaign(ctx, tx, campaign, text)
	if err == nil && c.Status == entcampaign.StatusCLOSED {
		err = apierror.User(apierror.NotAllowed, []string{"campaign"}, "The campaign %s is closed: it asks nobody any more.", text)
	}
	return c, err
}

// SchedulesOf reads the schedules of campaigns of the caller's tenant; those that have none are missing.
func SchedulesOf(ctx context.Context, db *store.DB, campaigns []uuid.UUID) (map[uuid.UUID]*ent.Schedule, error) {
	rows, err := db.Ent.Schedule.Query().Where(func(s *sql.Selector) {
		s.Where(store.FieldIn(s, entschedule.FieldCampaignID, campaigns))
	}).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading schedules: %w", err)
	}
	found := make(map[uuid.UUID]*ent.Schedule, len(rows))
	for _, row := range rows {
		found[row.CampaignID] = row
	}
	return found, nil
}

// NextDue is when the next mail that a schedule has planned is due; nil where none is.
func NextDue(ctx context.Context, db *store.DB, s *ent.Schedule) (*time.Time, error) {
	first, err := db.Ent.Invitation.Query().Where(entinvitation.CampaignID(s.CampaignID), entinvitation.StatusEQ(entinvitation.StatusPLANNED),
		entinvitation.Plan(s.Plan)).Order(entinvitation.ByDueAt()).First(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding the next mail: %w", err)
	}
	return &first.DueAt, nil
}
