package graph_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// more records so much feedback besides what a company is filled with that there is something to learn from it: 4,000 responses in
// two years, of people whom nobody knows. What is planted, in points of the true score:
//
//   - gamers on Basic lie 60 below all others, and seniors 20 above them, whatever else they have;
//   - from 1 June 2026 on all lie 40 lower;
//   - in March and April 2026, gamers on Basic and Plus lie 50 higher;
//   - with every range of tenure the score falls by 10;
//   - of variants, which a third of the responses lack, A lies 30 above B;
//   - there is fibre with the plan Max, and with no other;
//   - households make no difference, nor do channels and campaigns.
func (h *house) more(t testing.TB, c *company) *company {
	t.Helper()
	random := rand.New(rand.NewPCG(10, 9))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	day := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	const all, days = 4_000, 730
	for part := range all / feedback.MaxBatch {
		batch := make([]feedback.Recording, feedback.MaxBatch)
		for i := range batch {
			at := clock.Add(-time.Duration(part*feedback.MaxBatch+i) * (days * 24 * time.Hour / all).Truncate(time.Second))
			persona, plan, tenure := one("gamer", "family", "senior"), one("Basic", "Plus", "Max"), random.IntN(5)
			r := feedback.Recording{
				Campaign: c.ids["camp:"+one("Relationship", "Support")], RespondedAt: &at, Channel: response.Channel(one("EMAIL", "LINK")),
				Traits: trait.Values{
					"persona": persona, "plan": plan, "fibre": plan == "Max", "household": float64(1 + random.IntN(5)),
					// In the middle of each range of months.
					"since": at.AddDate(0, -[]int{1, 7, 18, 40, 90}[tenure], 0).Format(time.DateOnly),
				},
			}
			score := 0.3 - 0.1*float64(tenure)
			if variant := one("", "A", "B"); variant != "" {
				r.Variant = &variant
				score += map[string]float64{"A": 0.15, "B": -0.15}[variant]
			}
			switch {
			case persona == "gamer" && plan == "Basic":
				score -= 0.6
			case persona == "senior":
				score += 0.2
			}
			if !at.Before(day(time.June, 1)) {
				score -= 0.4
			}
			if persona == "gamer" && plan != "Max" && !at.Before(day(time.March, 1)) && at.Before(day(time.May, 1)) {
				score += 0.5
			}
			// Where the score is 0, two in five are promoters and two detractors.
			switch answer := random.Float64(); {
			case answer < 0.4+score/2:
				r.Score = 9 + random.IntN(2)
			case answer < 0.6+score/2:
				r.Score = 7 + random.IntN(2)
			default:
				r.Score = random.IntN(7)
			}
			batch[i] = r
		}
		out, err := h.Log.Record(c.ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if o.Errors != nil {
				t.Fatal(o.Errors)
			}
		}
	}
	return c
}
