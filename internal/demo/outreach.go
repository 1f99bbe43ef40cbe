package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/trait"
)

// connected is the event that somebody's connection was made.
const connected = "connection_made"

// happensEvery is how often somebody's connection is made.
const happensEvery = 20 * time.Second

// Ask has the customers asked by mail: all of them every three months about the company, and whose connection was made about that. Mails go at
// any hour, so that there are some to be seen whenever somebody looks.
func Ask(ctx context.Context, desk *outreach.Desk, d Demo) error {
	always := &outreach.Window{ToHour: 24, Weekdays: []outreach.Weekday{"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"}}
	for _, in := range []outreach.SetInput{
		{Campaign: d.Campaigns.Relationship, Schedule: outreach.ScheduleInput{
			Occasion: outreach.Occasion{Recurring: &outreach.Recurring{EveryMonths: 3}}, SamplePercent: 100, Window: always, ReminderAfterDays: new(5),
		}},
		{Campaign: d.Campaigns.Installation, Schedule: outreach.ScheduleInput{
			Occasion: outreach.Occasion{OnEvent: &outreach.OnEvent{Event: connected}}, SamplePercent: 100, Window: always,
		}},
	} {
		if _, err := desk.Set(ctx, in); err != nil {
			return fmt.Errorf("setting a schedule of the demo: %w", err)
		}
	}
	address := "Fjordlink Broadband\nHavenstraat 1\n1011 AB Amsterdam"
	if _, err := desk.Update(ctx, outreach.House{}, outreach.UpdateInput{PostalAddress: &address}, nil); err != nil {
		return fmt.Errorf("giving the demo an address: %w", err)
	}
	return nil
}

// Happen tells, until the context is done, whose connection is made just now: one of the customers each time.
func Happen(ctx context.Context, desk *outreach.Desk, d Demo, now func() time.Time) error {
	random := d.world.stream(forEvents)
	tick := time.NewTicker(happensEvery)
	defer tick.Stop()
	for {
		c := &d.world.customers[random.IntN(len(d.world.customers))]
		event := outreach.ContactEvent{
			Contact: *c.introduced(calendar.DayOf(now(), d.world.zone)), Name: connected, Traits: trait.Values{"technician": "Noor"},
		}
		if _, err := desk.Record(ctx, []outreach.ContactEvent{event}); err != nil && ctx.Err() == nil {
			return fmt.Errorf("telling of a connection: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
