package reach_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/reach"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// What is counted is what one finds who goes through all invitations, with days as the tenant's clocks show them.
func TestCount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: "America/New_York"})
		if err != nil {
			t.Fatal(err)
		}
		ctx := auth.ForTenant(t.Context(), made.ID)
		var campaigns []*ent.Campaign
		for n := range 2 {
			c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: fmt.Sprint(n)})
			if err != nil {
				t.Fatal(err)
			}
			campaigns = append(campaigns, c)
		}
		plan := settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}
		if _, err := settings.DefineTrait(ctx, cube.NewBuilder(db, nil), plan); err != nil {
			t.Fatal(err)
		}
		gold, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}}})
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation("America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC) // the 26th there
		random := rand.New(rand.NewPCG(1, 2))
		pick := func(n int) int { return random.IntN(n) }
		channels := []invitation.Channel{invitation.ChannelEMAIL, invitation.ChannelLINK, invitation.ChannelWIDGET}
		statuses := []invitation.Status{
			invitation.StatusPLANNED, invitation.StatusSKIPPED, invitation.StatusCANCELLED, invitation.StatusSENT, invitation.StatusUNCONFIRMED,
			invitation.StatusFAILED, invitation.StatusBOUNCED, invitation.StatusDECLINED, invitation.StatusANSWERED,
		}
		reasons := []invitation.SkippedBecause{invitation.SkippedBecauseQUIET_PERIOD, invitation.SkippedBecauseNOT_SAMPLED}
		var all []*ent.Invitation
		golden := map[uuid.UUID]bool{}
		err = db.Write(ctx, func(tx *store.Tx) error {
			var people []uuid.UUID
			for i := range 20 {
				person, err := tx.Ent.Contact.Create().SetTraits([]trait.Values{{"plan": "gold"}, {"plan": "free"}, {}}[i%3]).Save(ctx)
				if err != nil {
					return err
				}
				people = append(people, person.ID)
				golden[person.ID] = i%3 == 0
			}
			for range 300 {
				midnight := calendar.DayOf(now, zone).Add(-pick(5)).Start(zone)
				create := tx.Ent.Invitation.Create().SetCampaignID(campaigns[pick(2)].ID).SetChannel(channels[pick(3)]).SetStatus(statuses[pick(len(statuses))]).
					SetLocale("en").SetTraits(trait.Values{}).SetDueAt(midnight.Add(time.Duration(pick(3)-1) * time.Microsecond).UTC())
				if pick(2) == 0 {
					create.SetVariant([]string{"A", "B"}[pick(2)])
				}
				if pick(4) > 0 {
					create.SetContactID(people[pick(len(people))])
				}
				if status, _ := create.Mutation().Status(); status == invitation.StatusSKIPPED {
					create.SetSkippedBecause(reasons[pick(2)])
				}
				i, err := create.Save(ctx)
				if err != nil {
					return err
				}
				all = append(all, i)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		states := settings.NewStates(db)
		for range 200 {
			var f reach.Filter
			within, holds := uuid.Nil, []func(*ent.Invitation) bool{}
			if pick(2) == 0 {
				c := campaigns[pick(2)].ID
				within = c
				holds = append(holds, func(i *ent.Invitation) bool { return i.CampaignID == c })
			}
			if pick(3) == 0 {
				c := campaigns[pick(2)].ID
				f.Campaigns = []string{id.Campaign.Format(c)}
				switch d := campaigns[pick(2)].ID; pick(3) {
				case 0: // the same again, or both
					f.Campaigns = append(f.Campaigns, id.Campaign.Format(d), id.Campaign.Format(d))
					holds = append(holds, func(i *ent.Invitation) bool { return i.CampaignID == c || i.CampaignID == d })
				default:
					holds = append(holds, func(i *ent.Invitation) bool { return i.CampaignID == c })
				}
			}
			if pick(3) == 0 {
				f.Segment = new(gold.NodeID())
				holds = append(holds, func(i *ent.Invitation) bool { return i.ContactID != nil && golden[*i.ContactID] })
			}
			if pick(3) == 0 {
				c := channels[pick(3)]
				f.Channels = []response.Channel{response.Channel(c)}
				holds = append(holds, func(i *ent.Invitation) bool { return i.Channel == c })
			}
			if pick(3) == 0 {
				f.Variants = []string{"A"}
				holds = append(holds, func(i *ent.Invitation) bool { return i.Variant != nil && *i.Variant == "A" })
			}
			today := calendar.DayOf(now, zone)
			from, to := calendar.MinDay, calendar.MaxDay
			switch pick(4) {
			case 0:
				from = today.Add(-pick(6))
				f.From = &from
			case 1:
				n := 1 + pick(5)
				from, to = today.Add(1-n), today
				f.Last = &selection.Period{Count: n, Unit: "DAY"}
			case 2:
				to = today.Add(-pick(6))
				f.To = &to
			}
			holds = append(holds, func(i *ent.Invitation) bool {
				day := calendar.DayOf(i.DueAt, zone)
				return from <= day && day <= to
			})
			want, delivered := map[string]int{}, map[string]int{}
			for _, i := range all {
				if slices.ContainsFunc(holds, func(holds func(*ent.Invitation) bool) bool { return !holds(i) }) {
					continue
				}
				switch i.Status {
				case invitation.StatusPLANNED, invitation.StatusCANCELLED:
					continue
				case invitation.StatusSKIPPED:
					want[string(*i.SkippedBecause)]++
					continue
				case invitation.StatusSENT, invitation.StatusDECLINED, invitation.StatusANSWERED:
					want["delivered"]++
					if i.Variant != nil {
						delivered[*i.Variant]++
					} else {
						delivered[""]++
					}
				}
				want["invited"]++
				want[string(i.Status)]++
			}
			got, err := reach.Count(ctx, db, states, within, f, now)
			if err != nil {
				t.Fatal(err)
			}
			apart, err := reach.ByVariant(ctx, db, states, within, f, now)
			if err != nil {
				t.Fatal(err)
			}
			together := &reach.Reach{}
			for variant, of := range apart {
				if of.Delivered != delivered[variant] {
					t.Errorf("%+v within %s: %d of %q were delivered, want %d", f, within, of.Delivered, variant, delivered[variant])
				}
				delete(delivered, variant)
				together.Invited, together.Delivered, together.Answered = together.Invited+of.Invited, together.Delivered+of.Delivered, together.Answered+of.Answered
				for _, s := range of.Skipped {
					want[string(s.Reason)+" apart"] += s.Invitations
				}
			}
			if len(delivered) > 0 || together.Invited != got.Invited || together.Delivered != got.Delivered || together.Answered != got.Answered ||
				want["QUIET_PERIOD apart"] != want["QUIET_PERIOD"] || want["NOT_SAMPLED apart"] != want["NOT_SAMPLED"] {
				t.Errorf("%+v within %s: apart they are %+v, and %v are missing; together %+v", f, within, together, delivered, got)
			}
			skipped := map[string]int{}
			for n, s := range got.Skipped {
				skipped[string(s.Reason)] = s.Invitations
				if n > 0 && s.Invitations > got.Skipped[n-1].Invitations {
					t.Errorf("%+v are not most first", got.Skipped)
				}
			}
			if got.Invited != want["invited"] || got.Delivered != want["delivered"] || got.Answered != want["ANSWERED"] || got.Declined != want["DECLINED"] ||
				got.Bounced != want["BOUNCED"] || skipped["QUIET_PERIOD"] != want["QUIET_PERIOD"] || skipped["NOT_SAMPLED"] != want["NOT_SAMPLED"] {
				t.Errorf("%+v within %s: got %+v, want %v", f, within, got, want)
			}
			if rate := got.ResponseRate(); (rate == nil) != (got.Delivered == 0) || rate != nil && *rate != float64(got.Answered)/float64(got.Delivered) {
				t.Errorf("the rate of %+v is %v", got, rate)
			}
		}
	})
}

// Counting costs what there is to count, whether it is wanted or not.
func TestPrice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: "UTC"})
		if err != nil {
			t.Fatal(err)
		}
		ctx := auth.ForTenant(t.Context(), made.ID)
		gold := settings.CreateSegmentInput{Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}}}
		if _, err := settings.DefineTrait(ctx, cube.NewBuilder(db, nil), settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}); err != nil {
			t.Fatal(err)
		}
		saved, err := settings.CreateSegment(ctx, db, gold)
		if err != nil {
			t.Fatal(err)
		}
		asks, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "asks"})
		if err != nil {
			t.Fatal(err)
		}
		const n, people, variants = 4 * rate.InvitationsPerPoint, 3 * rate.RowsPerPoint, 10
		now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
		err = db.Write(ctx, func(tx *store.Tx) error {
			var persons []*ent.ContactCreate
			for range people {
				persons = append(persons, tx.Ent.Contact.Create().SetTraits(trait.Values{"plan": "gold"}))
			}
			known, err := tx.Ent.Contact.CreateBulk(persons...).Save(ctx)
			if err != nil {
				return err
			}
			var creates []*ent.InvitationCreate
			for i := range n {
				create := tx.Ent.Invitation.Create().SetCampaignID(asks.ID).SetChannel(invitation.ChannelEMAIL).SetStatus(invitation.StatusSENT).
					SetLocale("en").SetTraits(trait.Values{}).SetDueAt(now).SetVariant(fmt.Sprint(i % variants))
				if i < people {
					create.SetContactID(known[i].ID)
				}
				creates = append(creates, create)
			}
			for chunk := range slices.Chunk(creates, 500) {
				if _, err := tx.Ent.Invitation.CreateBulk(chunk...).Save(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		states := settings.NewStates(db)
		tomorrow := calendar.DayOf(now, time.UTC).Add(1)
		for name, test := range map[string]struct {
			f               reach.Filter
			points, invited int
		}{
			"all":        {reach.Filter{}, 4, n},
			"other days": {reach.Filter{From: &tomorrow}, 0, 0},
			"no channel": {reach.Filter{Channels: []response.Channel{"WIDGET"}}, 4, 0},
			"a segment":  {reach.Filter{Segment: new(saved.NodeID())}, 4 + people/rate.RowsPerPoint, people},
		} {
			for _, blind := range []bool{false, true} {
				spent := 0
				paying := rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, blind)
				got, err := reach.Count(paying, db, states, uuid.Nil, test.f, now)
				if err != nil || got.Invited != test.invited || spent != test.points {
					t.Errorf("%s: %+v for %d points, %v; want %d for %d", name, got, spent, err, test.invited, test.points)
				}
				// However many variants there are, and whether they are told apart.
				spent = 0
				apart, err := reach.ByVariant(paying, db, states, uuid.Nil, test.f, now)
				invited := 0
				for _, of := range apart {
					invited += of.Invited
				}
				if err != nil || invited != test.invited || spent != test.points || test.invited == n && len(apart) != variants {
					t.Errorf("%s by %d variants: %d for %d points, %v; want %d for %d", name, len(apart), invited, spent, err, test.invited, test.points)
				}
			}
		}
	})
}
