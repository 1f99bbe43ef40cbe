// Package demo fills a database with the customers of an invented broadband provider and what they have answered over
// two years, so that there is something to look at before there are answers of one's own.
//
// The answers tell stories that are there to be found: gamers on the lowest plan are unhappy, satisfaction falls with
// tenure, a price rise hurts everybody who was there, the lowest plan most; an outage in the East takes two months to
// be forgiven; and a better help desk raises what people say after a call at once, and slowly everything else.
package demo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/look"
	"github.com/zeroten/zeroten/internal/trait"
)

// The tenant that Seed fills is to be made with these.
const (
	Name     = "Fjordlink Broadband"
	TimeZone = "Europe/Amsterdam"
	Industry = "internet-provider"
)

// Campaigns are the texts of the campaigns' ids.
type Campaigns struct {
	// Relationship asks every customer twice a year, and holds most of the answers.
	Relationship string
	// SupportCall asks after a call to the help desk, Installation after a connection is made.
	SupportCall, Installation string
}

// Demo is what Seed made.
type Demo struct {
	Campaigns Campaigns
	// Answers is how many were recorded.
	Answers int

	world *world
}

// Variables are what the examples' variables stand for in the demo: a campaign, and the days of the outage's month and of the month
// before, as filters.
func (d *Demo) Variables() map[string]any {
	days := func(from, next calendar.Day) map[string]any { return map[string]any{"from": from, "to": next.Add(-1)} }
	s := &d.world.story
	return map[string]any{
		"campaign": d.Campaigns.Relationship,
		"before":   days(calendar.Monthly.Add(s.outage, -1), s.outage),
		"after":    days(s.outage, s.repaired),
	}
}

// Answers are the two years of answers before now, some 60,000, in the order of their respondedAt. For the same now
// they are the same, each time they are ranged over. None is after now; the days that things happen on depend on the
// day of now in TimeZone alone. A contact comes with name, address and traits in their first answer, and from then on
// with their externalId and what has changed.
func Answers(now time.Time, campaigns Campaigns) iter.Seq[feedback.Recording] {
	return func(yield func(feedback.Recording) bool) {
		newWorld(now, theSeed).answers(campaigns)(yield)
	}
}

// Seed fills a new tenant, that of ctx's caller: traits, campaigns, segments, actions and Answers. Each run with the same now
// is the same, ids apart.
func Seed(ctx context.Context, log *feedback.Log, builder *cube.Builder, db *store.DB, now time.Time) (Demo, error) {
	// Traits first: on a tenant without answers there is nothing to rebuild.
	for _, in := range traits() {
		if _, err := settings.DefineTrait(ctx, builder, in); err != nil {
			return Demo{}, fmt.Errorf("defining trait %s: %w", in.Key, err)
		}
	}
	d := Demo{world: newWorld(now, theSeed)}
	for _, c := range []struct {
		id                       *string
		name, question, followUp string
	}{
		{&d.Campaigns.Installation, "Installation",
			"How likely are you to recommend Fjordlink after the way your connection was installed?", "What should we know about the visit?"},
		{&d.Campaigns.SupportCall, "Support call",
			"After your call with our help desk, how likely are you to recommend Fjordlink?", "What could we have done better on the phone?"},
		{&d.Campaigns.Relationship, "Relationship",
			"How likely are you to recommend Fjordlink to a friend or a neighbour?", "What is the main reason for your score?"},
	} {
		created, err := campaign.Create(ctx, db, campaign.CreateInput{Name: c.name, Question: &c.question, FollowUpQuestion: &c.followUp})
		if err != nil {
			return Demo{}, fmt.Errorf("making campaign %s: %w", c.name, err)
		}
		*c.id = id.Campaign.Format(created.ID)
	}
	if err := dress(ctx, db, d.Campaigns); err != nil {
		return Demo{}, err
	}
	made := map[string]string{}
	for _, in := range segments() {
		created, err := settings.CreateSegment(ctx, db, in)
		if err != nil {
			return Demo{}, fmt.Errorf("making segment %s: %w", in.Name, err)
		}
		made[in.Name] = id.Segment.Format(created.ID)
	}
	for _, in := range d.world.actions(d.Campaigns, made[inTheEast]) {
		if _, err := action.Create(ctx, db, in); err != nil {
			return Demo{}, fmt.Errorf("noting %s: %w", in.Name, err)
		}
	}
	for batch := range ahead(batches(d.world.answers(d.Campaigns), feedback.MaxBatch)) {
		if err := record(ctx, log, batch); err != nil {
			return Demo{}, fmt.Errorf("recording answers: %w", err)
		}
		d.Answers += len(batch)
	}
	return d, nil
}

// batches gathers items n at a time. What was yielded is not used again.
func batches[T any](items iter.Seq[T], n int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		batch := make([]T, 0, n)
		for item := range items {
			if batch = append(batch, item); len(batch) < n {
				continue
			}
			if !yield(batch) {
				return
			}
			batch = make([]T, 0, n)
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// ahead makes the next items while one is in use.
func ahead[T any](items iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		ready, done := make(chan T, 1), make(chan struct{})
		defer close(done)
		var fault *flight.Fault // read once ready is closed
		flight.Go(func() {
			defer close(ready)
			err := flight.Run(func() error {
				for item := range items {
					select {
					case ready <- item:
					case <-done:
						return nil
					}
				}
				return nil
			})
			fault, _ = errors.AsType[*flight.Fault](err)
		}, flight.Logged(nil, "telling a story"))
		for item := range ready {
			if !yield(item) {
				return
			}
		}
		if fault != nil {
			panic(fault) // where it can be seen
		}
	}
}

// record records the batch; that an item is refused is an error.
func record(ctx context.Context, log *feedback.Log, batch []feedback.Recording) error {
	out, err := log.Record(ctx, batch)
	if err != nil {
		return err
	}
	for i, o := range out {
		if err := o.Errors.Err(); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

// dress gives the company its look, and its customers something to go on to.
func dress(ctx context.Context, db *store.DB, campaigns Campaigns) error {
	brand := survey.UpdateBrandInput{
		Name: new("Fjordlink"), AccentColor: &look.Color{R: 0x0b, G: 0x6e, B: 0x75}, TextColor: &look.Color{R: 0x12, G: 0x26, B: 0x2b}, Website: new("https://example.com/"), PrivacyPolicy: new("https://example.com/privacy"),
	}
	if _, err := survey.UpdateBrand(ctx, db, survey.NewStudio(), brand); err != nil {
		return fmt.Errorf("dressing the company: %w", err)
	}
	for _, campaign := range []string{campaigns.Relationship, campaigns.SupportCall, campaigns.Installation} {
		_, err := survey.Update(ctx, db, survey.UpdateInput{Campaign: campaign, NextSteps: []survey.NextStep{
			{Categories: []nps.Category{nps.Promoter}, Label: "Write a review", URL: "https://example.com/review"},
			{Categories: []nps.Category{nps.Passive, nps.Detractor}, Label: "Talk to us", URL: "https://example.com/help"},
		}})
		if err != nil {
			return fmt.Errorf("saying where people go on to: %w", err)
		}
	}
	// Whoever tries the widget wants to see it, and again on the next day.
	_, err := survey.UpdateWidget(ctx, db, survey.UpdateWidgetInput{
		Campaign: campaigns.SupportCall, IsEnabled: new(true), AfterSeconds: new(2), WaitDays: new(1),
	})
	if err != nil {
		return fmt.Errorf("switching the widget on: %w", err)
	}
	return nil
}

func traits() []settings.DefineTraitInput {
	in := func(key, label string, kind trait.Kind, isDimension bool, edges ...float64) settings.DefineTraitInput {
		return settings.DefineTraitInput{Key: key, Label: &label, Kind: kind, IsDimension: isDimension, Edges: edges}
	}
	return []settings.DefineTraitInput{
		in("persona", "Persona", trait.Text, true),
		in("plan", "Plan", trait.Text, true),
		in("region", "Region", trait.Text, true),
		in("customer_since", "Months as a customer", trait.Date, true, 3, 12, 24, 60),
		in("household", "People in the household", trait.Number, false),
		in("router", "Router", trait.Text, false),
	}
}

// inTheEast is the segment of those whom the outage was for.
const inTheEast = "In the East"

func segments() []settings.CreateSegmentInput {
	in := func(key string, values ...string) segment.Rule {
		return segment.Rule{Trait: &segment.Condition{Key: key, In: values}}
	}
	atLeast := func(months float64) segment.Rule {
		return segment.Rule{Trait: &segment.Condition{Key: "customer_since", AtLeast: &months}}
	}
	below := func(months float64) segment.Rule {
		return segment.Rule{Trait: &segment.Condition{Key: "customer_since", Below: &months}}
	}
	inMax := in("plan", "Max")
	return []settings.CreateSegmentInput{
		{Name: "Working from home, not on Max", Rule: segment.Rule{All: []segment.Rule{in("persona", "remote worker"), {Not: &inMax}}}},
		{Name: "Loyal for five years", Rule: atLeast(60)},
		{Name: inTheEast, Rule: in("region", "East")},
		{Name: "At risk in the East", Rule: segment.Rule{All: []segment.Rule{
			in("region", "East"), {Any: []segment.Rule{in("plan", "Basic"), atLeast(24)}},
		}}},
		{Name: "New customers", Rule: below(3)},
		{Name: "Gamers on Basic", Rule: segment.Rule{All: []segment.Rule{in("persona", "gamer"), in("plan", "Basic")}}},
	}
}

// Pause is for how long nothing is made up once somebody has answered, so that they see their own answer come in.
const Pause = 15 * time.Second

// Stream goes on where Seed ended: it records an answer each time that every has gone by, until ctx ends, which is no
// error. After each answer that is not made up, and each change of one, it waits for Pause. An answer that is refused, as by a campaign
// that somebody paused meanwhile, is passed over, and so is one that the log has no room for. ctx has the tenant's caller; every is
// more than 0.
func Stream(ctx context.Context, log *feedback.Log, hub *live.Hub, d Demo, every time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	heard, err := listen(ctx, hub)
	if err != nil {
		stop()
		return err
	}
	defer func() {
		stop()
		for range heard { // until nobody listens any more
		}
	}()
	random := d.world.stream(forStream)
	return pace(ctx, every, heard, func() (uuid.UUID, error) {
		out, err := log.Record(ctx, []feedback.Recording{d.world.next(random, log.Now(), d.Campaigns)})
		var refused *apierror.Error
		switch {
		case err == nil && out[0].Value != nil:
			return out[0].Value.ID, nil
		case err == nil || ctx.Err() != nil:
		case errors.As(err, &refused) && refused.Code == apierror.Overloaded && !errors.Is(err, feedback.ErrClosed):
		default:
			return uuid.Nil, fmt.Errorf("recording an answer: %w", err)
		}
		return uuid.Nil, nil //nolint:nilerr // it is passed over, or the end
	})
}

// listen tells of which responses something comes into the log from now on. It ends with ctx, or where the hub says no more, without
// which answers are made up all the same.
func listen(ctx context.Context, hub *live.Hub) (<-chan uuid.UUID, error) {
	s, err := hub.Subscribe(ctx, selection.Filter{}, nil)
	if err != nil {
		return nil, fmt.Errorf("listening for answers: %w", err)
	}
	heard := make(chan uuid.UUID)
	flight.Go(func() {
		defer close(heard)
		defer s.Close()
		for {
			e, err := s.Next(ctx)
			if err != nil {
				return
			}
			select {
			case heard <- e.Event.Response:
			case <-ctx.Done():
				return
			}
		}
	}, flight.Logged(nil, "listening for answers"))
	return heard, nil
}

// pace records an answer each time that every has gone by, but none for Pause after something was heard of a response that is not made
// up. record gives the one that it made, or uuid.Nil where there is none.
func pace(ctx context.Context, every time.Duration, heard <-chan uuid.UUID, record func() (uuid.UUID, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	made := map[uuid.UUID]bool{} // and not heard of yet
	var until time.Time
	hear := func(response uuid.UUID, ok bool) {
		switch {
		case !ok:
			heard = nil
		case made[response]:
			delete(made, response)
		default:
			until = time.Now().Add(Pause)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case response, ok := <-heard:
			hear(response, ok)
			continue
		case <-tick.C:
		}
		select { // what somebody has said comes first
		case response, ok := <-heard:
			hear(response, ok)
		default:
		}
		if time.Now().Before(until) {
			continue
		}
		response, err := record()
		if err != nil {
			return err
		}
		if response != uuid.Nil && heard != nil {
			made[response] = true
		}
	}
}
