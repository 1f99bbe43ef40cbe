package outreach

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/slot"

	"github.com/zeroten/zeroten/ent"
	"pgregory.net/rapid"
)

// oneByOne is spendMonths one mail after the other: always the one that is due first, and of those that are due at the same time first who has been
// put off, in the order in which they were.
func oneByOne(s *scheme, p *Preview, perMonth int, now time.Time, left func(month int) (room, error)) {
	type standing struct {
		*Planned
		put, at int
	}
	var line []*standing
	for i, one := range p.planned {
		if one.SkippedBecause == nil {
			line = append(line, &standing{one, 1 << 30, i})
		}
	}
	rooms := map[int]*room{}
	over := entinvitation.SkippedBecauseOVER_BUDGET
	last := slot.MonthOf(now.Add(days(maxDays)), s.zone)
	for moved := 0; len(line) > 0; {
		first := slices.MinFunc(line, func(a, b *standing) int {
			return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.put, b.put), cmp.Compare(a.at, b.at))
		})
		month := slot.MonthOf(first.DueAt, s.zone)
		l := rooms[month]
		if l == nil {
			has, _ := left(month)
			l = &has
			rooms[month] = l
		}
		if l.tenant == 0 || l.campaign == 0 {
			if s.Occasion == entschedule.OccasionRECURRING && perMonth > 0 && month < last {
				moved++
				first.DueAt, first.put = s.monthAfter(month, first.DueAt, first.zone), moved
				continue
			}
			first.SkippedBecause = &over
		} else {
			l.tenant, l.campaign = l.tenant-1, l.campaign-1
		}
		line = slices.DeleteFunc(line, func(one *standing) bool { return one == first })
	}
}

// Who finds room, and when, is the same however it is reckoned.
func TestMonthsAreSpentInTurn(t *testing.T) {
	var zs []*time.Location
	for _, name := range []string{"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Amsterdam", "America/New_York"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zs = append(zs, zone)
	}
	asked, over, putOff := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		occasion := rapid.SampledFrom([]entschedule.Occasion{entschedule.OccasionRECURRING, entschedule.OccasionRECURRING, entschedule.OccasionONCE}).Draw(t, "occasion")
		budget := func(name string) *int {
			if rapid.Bool().Draw(t, name+" is set") {
				return new(rapid.IntRange(0, 3).Draw(t, name))
			}
			return nil
		}
		own := budget("the tenant's budget")
		row := &ent.Schedule{
			Occasion: occasion, MonthlyBudget: budget("the budget"),
			Weekdays: rapid.IntRange(1, 127).Draw(t, "weekdays"), FromHour: rapid.IntRange(0, 23).Draw(t, "from"),
		}
		row.ToHour = rapid.IntRange(row.FromHour+1, 24).Draw(t, "to")
		zone := rapid.SampledFrom(zs).Draw(t, "the tenant's zone")
		s := func() *scheme {
			return &scheme{
				Schedule: row, zone: zone, openings: map[monthIn]opening{},
				window: slot.Window{Weekdays: slot.Weekdays(row.Weekdays), From: row.FromHour, To: row.ToHour},
			}
		}
		now := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
		spread := rapid.SampledFrom([]int{0, 20, 60, 400, 900}).Draw(t, "days")
		lived := zs[:rapid.IntRange(1, len(zs)).Draw(t, "zones")]
		var fast, slow Preview
		why := entinvitation.SkippedBecauseNO_ADDRESS
		for range rapid.IntRange(0, 80).Draw(t, "people") {
			one := Planned{Contact: id.New(), zone: rapid.SampledFrom(lived).Draw(t, "zone")}
			// Few instants, so that many are due at the same one; some of them outside the window, as it may have been another.
			one.DueAt = now.Add(time.Duration(rapid.IntRange(0, spread*4).Draw(t, "due")) * 6 * time.Hour)
			if rapid.IntRange(0, 9).Draw(t, "skipped") == 0 {
				one.SkippedBecause = &why
			}
			fast.planned = append(fast.planned, &one)
		}
		slices.SortStableFunc(fast.planned, func(a, b *Planned) int { return a.DueAt.Compare(b.DueAt) })
		for _, one := range fast.planned {
			same := *one
			slow.planned = append(slow.planned, &same)
		}
		sent := rapid.IntRange(0, 3).Draw(t, "sent") // in the first month
		left := func(month int) (room, error) {
			l := room{1 << 30, 1 << 30}
			gone := 0
			if month == slot.MonthOf(now, zone) {
				gone = sent
			}
			if own != nil {
				l.tenant = max(0, *own-gone)
			}
			if row.MonthlyBudget != nil {
				l.campaign = max(0, *row.MonthlyBudget-gone)
			}
			return l, nil
		}
		perMonth := 1 << 30
		for _, most := range []*int{own, row.MonthlyBudget} {
			if most != nil {
				perMonth = min(perMonth, *most)
			}
		}
		before := map[string]time.Time{}
		for _, one := range fast.planned {
			before[one.Contact.String()] = one.DueAt
		}
		if err := s().spendMonths(t.Context(), &fast, perMonth, now, left); err != nil {
			t.Fatal(err)
		}
		oneByOne(s(), &slow, perMonth, now, left)
		if !slices.IsSortedFunc(fast.planned, func(a, b *Planned) int { return a.DueAt.Compare(b.DueAt) }) {
			t.Error("they are not in the order of their mails")
		}
		want := map[string]string{}
		for _, one := range slow.planned {
			want[one.Contact.String()] = fate(one)
		}
		for _, one := range fast.planned {
			if got := fate(one); got != want[one.Contact.String()] {
				t.Errorf("it said %s, want %s", got, want[one.Contact.String()])
			}
			switch {
			case one.SkippedBecause == nil && !one.DueAt.Equal(before[one.Contact.String()]):
				putOff++
				asked++
			case one.SkippedBecause == nil:
				asked++
			case *one.SkippedBecause == entinvitation.SkippedBecauseOVER_BUDGET:
				over++
			}
		}
	})
	if asked < 20 || over < 20 || putOff < 20 {
		t.Errorf("only %d are asked, %d of them later, and %d are not", asked, putOff, over)
	}
}

// fate is what becomes of somebody. When a mail would have been due that is never sent is nothing to go by.
func fate(one *Planned) string {
	if one.SkippedBecause != nil {
		return string(*one.SkippedBecause)
	}
	return fmt.Sprint("asked on ", one.DueAt.UTC())
}
