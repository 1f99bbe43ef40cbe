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
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/reach"
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
		err = db.Write(ctx, func(tx *store.Tx) error {
			for range 300 {
				midnight := calendar.DayOf(now, zone).Add(-pick(5)).Start(zone)
				create := tx.Ent.Invitation.Create().SetCampaignID(campaigns[pick(2)].ID).SetChannel(channels[pick(3)]).SetStatus(statuses[pick(len(statuses))]).
					SetLocale("en").SetTraits(trait.Values{}).SetDueAt(midnight.Add(time.Duration(pick(3)-1) * time.Microsecond).UTC())
				if pick(2) == 0 {
					create.SetVariant([]string{"A", "B"}[pick(2)])
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
				holds = append(holds, func(i *ent.Invitation) bool { return i.CampaignID == c })
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
			want := map[string]int{}
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
				}
				want["invited"]++
				want[string(i.Status)]++
			}
			got, err := reach.Count(ctx, db, states, within, f, now)
			if err != nil {
				t.Fatal(err)
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
