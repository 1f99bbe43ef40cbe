package demo

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// Each kind of chance has its own stream, so that a change to one leaves the others as they are.
const (
	forPeople = 1 + iota
	forMoments
	forAnswers
	forStream
	forEvents
)

// theSeed is that of the demo.
const theSeed = 0x5eed

func (w *world) stream(of uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.seed, of)) //nolint:gosec // it is to be the same each time
}

// How much there is of everything.
const (
	veterans    = 11_800 // customers from before the first day
	newcomers   = 6_500  // customers who came since
	strangers   = 6_000  // answers that nobody's name is known of
	answerShare = 0.635  // of those who are asked about the relationship
)

// How far scores are apart where nothing happens: those of one customer, and what is usual for one from what is for another.
const (
	noise  = 1.8
	temper = 0.8
)

// nobody stands for the customer where no name is known.
const nobody = -1

// customer is somebody who may answer.
type customer struct {
	persona, plan, region int
	since                 calendar.Day
	// upgraded is when they left Basic for Plus; beyond the calendar for most.
	upgraded calendar.Day
	// temper moves all their scores.
	temper   float64
	language language
	// who is nil for one whose name is not known; known are the traits at first.
	who   *contact.Input
	known trait.Values
}

func (c *customer) planOn(on calendar.Day) int {
	if on >= c.upgraded {
		return plus
	}
	return c.plan
}

// traitsOn are the traits that are known on the day. They must not be changed.
func (c *customer) traitsOn(on calendar.Day) trait.Values {
	if on < c.upgraded {
		return c.known
	}
	return trait.Merge(c.known, trait.Values{"plan": plans[plus]})
}

// introduced says who answers on the day, with all that is known.
func (c *customer) introduced(on calendar.Day) *contact.Input {
	who := *c.who
	who.Traits = c.traitsOn(on)
	return &who
}

// again says who answers on the day, with what has changed since they answered on the day before.
func (c *customer) again(before, on calendar.Day) *contact.Input {
	who := &contact.Input{ExternalID: c.who.ExternalID}
	if before < c.upgraded && on >= c.upgraded {
		who.Traits = trait.Values{"plan": plans[plus]}
	}
	return who
}

// moment is when somebody answers.
type moment struct {
	at     int64 // Unix time in seconds
	who    int32 // index of the customer, or nobody
	survey subject
}

// world is who there is, what happens, and when they are asked.
type world struct {
	story
	seed      uint64
	now       int64 // Unix time in seconds
	customers []customer
}

// newWorld makes the world that ends now. With another seed there are other people, to whom the same happens.
func newWorld(now time.Time, seed uint64) *world {
	w := &world{story: newStory(now), seed: seed, now: now.Unix()}
	random := w.stream(forPeople)
	days := float64(w.last - w.first)
	w.customers = make([]customer, 0, veterans+newcomers)
	for i := range veterans + newcomers {
		since := w.first - 1 - calendar.Day(min(random.ExpFloat64()*1_100, 4_300))
		if i >= veterans {
			since = w.first + calendar.Day(days*float64(i-veterans)/newcomers)
		}
		c := w.customer(random, since)
		c.introduce(random, i)
		w.customers = append(w.customers, c)
	}
	return w
}

// pick draws an index by weights.
func pick(random *rand.Rand, weights ...int) int {
	sum := 0
	for _, weight := range weights {
		sum += weight
	}
	n := random.IntN(sum)
	for i, weight := range weights {
		if n -= weight; n < 0 {
			return i
		}
	}
	panic("the weights are the sum")
}

func choose[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func (w *world) customer(random *rand.Rand, since calendar.Day) customer {
	c := customer{since: since, upgraded: calendar.MaxDay + 1}
	c.persona = pick(random, 18, 34, 20, 16, 12)
	switch c.persona {
	case gamer:
		c.plan = pick(random, 30, 35, 35)
	case family:
		c.plan = pick(random, 30, 50, 20)
	case remoteWorker:
		c.plan = pick(random, 15, 45, 40)
	case senior:
		c.plan = pick(random, 60, 33, 7)
	case student:
		c.plan = pick(random, 62, 30, 8)
	}
	c.region = pick(random, 18, 20, 22, 26, 14)
	c.language = language(pick(random, 70, 20, 10))
	c.temper = temper * random.NormFloat64()
	if c.plan == basic && random.IntN(100) < 8 {
		c.upgraded = max(w.first, since) + calendar.Day(random.IntN(int(w.last-w.first)))
	}
	c.known = trait.Values{
		"persona": personas[c.persona], "plan": plans[c.plan], "region": regions[c.region], "customer_since": since.String(),
	}
	return c
}

// introduce makes the customer one whose name is known.
func (c *customer) introduce(random *rand.Rand, number int) {
	first, last := choose(random, firstNames[c.language]), choose(random, lastNames[c.language])
	name := first + " " + last
	email := fmt.Sprintf("%s.%s.%d@example.com", asciiName.Replace(strings.ToLower(first)), asciiName.Replace(strings.ToLower(last)), number+1)
	external := "FL-" + strconv.Itoa(100_001+number)
	locale := c.language.locale()
	household := 1
	switch c.persona {
	case family:
		household = 3 + random.IntN(4)
	case senior, remoteWorker:
		household = 1 + random.IntN(2)
	case gamer, student:
		household = 1 + random.IntN(4)
	}
	c.known["household"] = float64(household)
	c.known["router"] = choose(random, routers[:])
	c.who = &contact.Input{ExternalID: &external, Email: &email, Name: &name, Locale: &locale, Traits: c.known}
}

// moments are when answers are given, in order.
func (w *world) moments() []moment {
	random := w.stream(forMoments)
	var found []moment
	midnights := make([]int64, w.last-w.first+1)
	for i := range midnights {
		midnights[i] = (w.first + calendar.Day(i)).Start(w.zone).Unix()
	}
	add := func(day calendar.Day, who int, about subject) {
		if weekday := (int(day)%7 + 11) % 7; (weekday == 0 || weekday == 6) && random.IntN(100) < 55 {
			day += 2
		}
		hour := 7 + pick(random, 2, 4, 7, 8, 8, 7, 6, 6, 7, 8, 8, 9, 12, 14, 10, 4)
		if second := hour*3600 + random.IntN(3600); day >= w.first && day <= w.last {
			found = append(found, moment{at: midnights[day-w.first] + int64(second), who: int32(who), survey: about})
		}
	}
	for i := range w.customers {
		c := &w.customers[i]
		start, asked := max(c.since, w.first), c.since+50
		if c.since < w.first {
			asked = w.first - 10 + calendar.Day(random.IntN(182))
		} else if random.IntN(100) < 60 {
			add(c.since+1+calendar.Day(random.IntN(6)), i, installation)
		}
		for ; asked <= w.last; asked += 175 + calendar.Day(random.IntN(15)) {
			if random.Float64() < answerShare {
				add(asked+calendar.Day(random.ExpFloat64()*2), i, relationship)
			}
		}
		for day := start; day <= w.last; day += 30 {
			if call := day + calendar.Day(random.IntN(30)); random.Float64() < w.calls(c, call) {
				add(call, i, supportCall)
			}
		}
	}
	for range strangers {
		// There are more of them as time goes on.
		at := math.Sqrt(0.55 + 0.45*random.Float64())
		at = (at - math.Sqrt(0.55)) / (1 - math.Sqrt(0.55))
		add(w.first+calendar.Day(at*float64(w.last-w.first+1)), nobody, subject(pick(random, 88, 9, 3)))
	}
	slices.SortStableFunc(found, func(a, b moment) int { return int(a.at - b.at) })
	return w.untilNow(found)
}

// calls is how likely the customer calls the help desk, and says how it was, in a month.
func (w *world) calls(c *customer, on calendar.Day) float64 {
	p := 0.028
	if on < c.since+60 {
		p += 0.02
	}
	if c.region == east && on >= w.outage && on < w.repaired {
		p += 0.08
	}
	if on >= w.priceRise && on < w.priceRise+75 && c.since < w.priceRise {
		p += 0.012
	}
	return p
}

// untilNow drops what would come after now; a few that would come next have just come.
func (w *world) untilNow(all []moment) []moment {
	const just, apart = 12, 23
	n, _ := slices.BinarySearchFunc(all, w.now, func(m moment, now int64) int { return int(m.at - now) })
	next := all[n:min(n+just, len(all))]
	for i := range next {
		next[i].at = w.now - apart*int64(len(next)-i)
	}
	all = all[:n+len(next)]
	slices.SortStableFunc(all, func(a, b moment) int { return int(a.at - b.at) })
	return all
}

// origin is where an answer comes from.
type origin struct {
	customer *customer
	on       calendar.Day
	feeling  mood
}

func (w *world) answers(campaigns Campaigns) iter.Seq[feedback.Recording] {
	return func(yield func(feedback.Recording) bool) {
		for r := range w.origins(campaigns) {
			if !yield(r) {
				return
			}
		}
	}
}

// origins are the answers, each with where it comes from.
func (w *world) origins(campaigns Campaigns) iter.Seq2[feedback.Recording, origin] {
	return func(yield func(feedback.Recording, origin) bool) {
		random := w.stream(forAnswers)
		answered := make([]calendar.Day, len(w.customers)) // 0, which is long ago, is not yet
		for _, m := range w.moments() {
			at := time.Unix(m.at, 0).UTC()
			on := calendar.DayOf(at, w.zone)
			var r feedback.Recording
			var from origin
			if m.who == nobody {
				c := w.stranger(random, at)
				r, from = w.answer(random, c, m.survey, on, campaigns)
				r.Traits = c.traitsOn(on)
			} else {
				c := &w.customers[m.who]
				r, from = w.answer(random, c, m.survey, on, campaigns)
				// Who is known needs no more than a name, and costs the log less.
				if before := answered[m.who]; before != 0 {
					r.Contact = c.again(before, on)
				} else {
					r.Contact = c.introduced(on)
				}
				answered[m.who] = on
			}
			r.RespondedAt = &at
			if !yield(r, from) {
				return
			}
		}
	}
}

// stranger is somebody who answers without a name; of some it is not known either since when they are customers.
func (w *world) stranger(random *rand.Rand, at time.Time) *customer {
	c := w.customer(random, calendar.DayOf(at, w.zone)-calendar.Day(min(random.ExpFloat64()*1_000, 4_300)))
	if random.IntN(100) < 40 {
		delete(c.known, "customer_since")
	}
	return &c
}

// next is an answer of somebody at a moment after the story.
func (w *world) next(random *rand.Rand, now time.Time, campaigns Campaigns) feedback.Recording {
	on := calendar.DayOf(now, w.zone)
	about := subject(pick(random, 82, 18))
	if random.IntN(100) < 10 {
		c := w.stranger(random, now)
		r, _ := w.answer(random, c, about, on, campaigns)
		r.Traits = c.traitsOn(on)
		return r
	}
	c := &w.customers[random.IntN(len(w.customers))]
	if on < c.since+14 {
		about = installation
	}
	r, _ := w.answer(random, c, about, on, campaigns)
	r.Contact = c.introduced(on)
	return r
}

// answer is what the customer says, but for who they are.
func (w *world) answer(random *rand.Rand, c *customer, about subject, on calendar.Day, campaigns Campaigns) (feedback.Recording, origin) {
	r := feedback.Recording{Campaign: about.in(campaigns)}
	var channel int
	switch {
	case about == supportCall:
		channel = pick(random, 70, 5, 5, 20)
	case c.who == nil:
		channel = pick(random, 0, 45, 55, 0)
	default:
		channel = pick(random, 82, 12, 5, 1)
	}
	r.Channel = [...]response.Channel{response.ChannelEMAIL, response.ChannelWIDGET, response.ChannelLINK, response.ChannelAPI}[channel]
	if r.Channel == response.ChannelEMAIL {
		variant := "A"
		if random.IntN(100) < 50 {
			variant = "B"
		}
		r.Variant = &variant
	}
	from := origin{customer: c, on: on, feeling: w.mood(c, about, on, r.Channel, r.Variant)}
	r.Score = int(min(max(math.Round(from.feeling.sum()+noise*random.NormFloat64()), 0), 10))
	if r.Score <= 4 && random.IntN(100) < 14 {
		r.Score = 0 // who is angry enough gives the least there is
	}
	locale := c.language.locale()
	r.Locale = &locale
	if random.IntN(100) < [...]int{bad: 42, mixed: 22, good: 29}[toneOf(r.Score)] {
		text := w.comment(random, c, about, on, from.feeling, r.Score)
		r.Comment = &text
	}
	return r, from
}
