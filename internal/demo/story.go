package demo

import (
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/calendar"
)

// What people are, in the order of the numbers that stand for it.
var (
	personas = [...]string{"gamer", "family", "remote worker", "senior", "student"}
	plans    = [...]string{"Basic", "Plus", "Max"}
	regions  = [...]string{"North", "East", "South", "West", "Coast"}
)

const (
	gamer = iota
	family
	remoteWorker
	senior
	student
)

const (
	basic = iota
	plus
	most
)

const east = 1

// subject is what one of the campaigns asks about.
type subject int

const (
	relationship subject = iota
	supportCall
	installation
)

func (s subject) in(c Campaigns) string {
	return [...]string{c.Relationship, c.SupportCall, c.Installation}[s]
}

// story says what happened when.
type story struct {
	zone *time.Location
	// first and last are the days that there are answers of.
	first, last calendar.Day
	// The outage goes on up to repaired, and is forgiven by recovered. All are first days of a month.
	outage, repaired, recovered calendar.Day
	priceRise, helpDesk         calendar.Day
	moves                       causes
}

// causes are what makes people feel otherwise than others do, or than on another day.
type causes int

const (
	everything  causes = iota // that the demo tells of
	temperAlone               // which is each customer's own, and stays
	nothing
)

func newStory(now time.Time) story {
	zone, err := calendar.LoadZone(TimeZone)
	if err != nil {
		panic(err) // the zones are compiled in
	}
	today := calendar.DayOf(now, zone)
	ago := func(months int) calendar.Day { return calendar.Monthly.Add(calendar.Monthly.Start(today), -months) }
	return story{
		zone: zone, first: calendar.Monthly.Add(today, -24) + 1, last: today,
		priceRise: ago(14), outage: ago(10), repaired: ago(9), recovered: ago(7), helpDesk: ago(8),
	}
}

// actions are what happened as the company notes it, so that it stands on trends; east is the id of the segment of those there.
func (s *story) actions(c Campaigns, east string) []action.CreateInput {
	last := s.repaired - 1
	return []action.CreateInput{
		{Name: "Prices rise", StartedOn: s.priceRise, Note: new("For whoever is a customer by now; the lowest plan's rises most.")},
		{Name: "Outage in the East", StartedOn: s.outage, EndedOn: &last, Segment: &east},
		{Name: "Better help desk", StartedOn: s.helpDesk, Campaigns: []string{c.SupportCall}, Note: new("More people, who are trained for forty days.")},
	}
}

// mood is how somebody feels on a day, on the scale of scores, by what made them feel so.
type mood struct {
	usual, outage, price, help float64
}

// even is the mood that all else is added to.
const even = 8.35

func (m mood) sum() float64 { return m.usual + m.outage + m.price + m.help }

var (
	byPersona = [...]float64{gamer: -0.2, family: 0, remoteWorker: -0.05, senior: 0.4, student: 0.05}
	byPlan    = [...]float64{basic: -0.15, plus: 0.05, most: 0.35}
	byRegion  = [...]float64{0.1, -0.05, 0.05, 0, 0.1}
	bySurvey  = [...]float64{relationship: 0, supportCall: -1.1, installation: 0.4}
	rise      = [...]float64{basic: -1.5, plus: -0.75, most: -0.45}
	// byWeekday begins on Sunday.
	byWeekday = [...]float64{0.05, -0.12, -0.04, 0, 0.02, 0.1, 0.06}
	byMonth   = [...]float64{-0.12, -0.06, 0, 0.04, 0.08, 0.06, 0.04, 0.04, 0, -0.02, -0.06, -0.1}
)

// mood is that of the customer on the day, in answering this survey where and in the words that they are asked.
func (s *story) mood(c *customer, about subject, on calendar.Day, channel response.Channel, variant *string) mood {
	switch s.moves {
	case nothing:
		return mood{usual: even}
	case temperAlone:
		return mood{usual: even + c.temper}
	}
	plan := c.planOn(on)
	year, month, day := on.Date()
	weekday := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()
	m := mood{usual: even + c.temper + byPersona[c.persona] + byPlan[plan] + byRegion[c.region] + bySurvey[about] +
		byWeekday[weekday] + byMonth[month-1] + tenure(calendar.WholeMonths(c.since, on))}
	if c.persona == gamer {
		// What they need is what the lowest plan lacks.
		m.usual += [...]float64{basic: -2.2, plus: -0.1, most: 0.35}[plan]
	}
	if variant != nil && *variant == "B" {
		m.usual += 0.15
	}
	if channel == response.ChannelWIDGET {
		// Who is asked in the middle of something is in a worse mood.
		m.usual -= 0.2
	}
	if c.region == east {
		switch {
		case on < s.outage || on >= s.recovered:
		case on < s.repaired:
			m.outage = -2.8
		default:
			m.outage = -1.7 * (1 - share(s.repaired, s.recovered-s.repaired, on))
		}
	}
	// Who came later knows no other price.
	if on >= s.priceRise && c.since < s.priceRise {
		m.price = rise[plan] * (1 - 0.55*share(s.priceRise, 300, on))
	}
	if on >= s.helpDesk {
		if about == supportCall {
			m.help = 1.9 * share(s.helpDesk, 40, on)
		} else {
			m.help = 0.5 * share(s.helpDesk, 200, on)
		}
	}
	return m
}

// tenure is what the months as a customer do.
func tenure(months int) float64 {
	points := [...]struct{ months, mood float64 }{{0, 1.1}, {3, 0.7}, {12, 0.3}, {24, 0}, {60, -0.45}, {120, -0.75}}
	m := float64(months)
	for i := 1; i < len(points); i++ {
		if a, b := points[i-1], points[i]; m < b.months {
			return a.mood + (b.mood-a.mood)*(m-a.months)/(b.months-a.months)
		}
	}
	return points[len(points)-1].mood
}

// share is how much of so many days from a day on has gone by, from 0 to 1.
func share(from, days, on calendar.Day) float64 {
	return min(max(float64(on-from)/float64(days), 0), 1)
}
