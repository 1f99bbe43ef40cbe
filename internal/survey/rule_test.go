package survey

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"pgregory.net/rapid"
)

func someID(t *rapid.T, label string) uuid.UUID {
	return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

// Whoever is in a share of people is in all larger ones, and all are in that of 100 %.
func TestSamplesAreNested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		campaign, contact := someID(t, "campaign"), someID(t, "contact")
		was := false
		for percent := range 101 {
			is := sampled(campaign, contact, percent)
			if was && !is {
				t.Fatalf("in %d %% and not in %d %%", percent-1, percent)
			}
			was = is
		}
		if !was {
			t.Fatal("not in 100 %")
		}
	})
}

// A share is as large as it says, whichever variant people fall into: within five standard deviations.
func TestSamplesAreIndependentOfVariants(t *testing.T) {
	s := &Survey{Variants: []Variant{{Name: "A", Weight: 1}, {Name: "B", Weight: 1}}}
	campaign := uuid.MustParse("01920000-0000-7000-8000-000000000001")
	in, all := map[string]int{}, map[string]int{}
	for i := range 20_000 {
		contact := uuid.NewSHA1(campaign, fmt.Append(nil, i))
		name := s.Draw(campaign, contact.String()).Name
		all[name]++
		if sampled(campaign, contact, 10) {
			in[name]++
		}
	}
	for name, n := range all {
		want, deviation := float64(n)*0.1, math.Sqrt(float64(n)*0.09)
		if math.Abs(float64(in[name])-want) > 5*deviation {
			t.Errorf("of the %d in %s there are %d in the sample of 10 %%", n, name, in[name])
		}
	}
}

// A browser draws what its script draws: clients/widget.test.mjs has the same.
func TestLot(t *testing.T) {
	campaign := uuid.MustParse("01920000-0000-7000-8000-000000000001")
	for visitor, want := range map[string]int{
		"AAAAAAAAAAAAAAAAAAAAAA": 24, "Zm9vYmFyLWJhel9xdXV4MQ": 24, "----------____________": 80,
	} {
		if got := lot(campaign, visitor); got != want {
			t.Errorf("%s draws %d, want %d", visitor, got, want)
		}
	}
}

// Each lot falls to as many browsers as any other, in each campaign anew: within five standard deviations.
func TestLotsAreEven(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	var lots [100]int
	both, n := 0, 20_000
	one, two := uuid.MustParse("01920000-0000-7000-8000-000000000001"), uuid.MustParse("01920000-0000-7000-8000-000000000002")
	for range n {
		var bytes [16]byte
		binary.BigEndian.PutUint64(bytes[:8], draw.Uint64())
		binary.BigEndian.PutUint64(bytes[8:], draw.Uint64())
		visitor := base64.RawURLEncoding.EncodeToString(bytes[:])
		l := lot(one, visitor)
		lots[l]++
		if l < 50 && lot(two, visitor) < 50 {
			both++
		}
	}
	within := func(got int, share float64) bool {
		return math.Abs(float64(got)-float64(n)*share) < 5*math.Sqrt(float64(n)*share*(1-share))
	}
	for l, got := range lots {
		if !within(got, 0.01) {
			t.Errorf("%d of %d draw %d", got, n, l)
		}
	}
	if !within(both, 0.25) {
		t.Errorf("%d of %d are in the halves of both campaigns", both, n)
	}
}

// Somebody is asked exactly where no rule keeps them back, and once they have waited as they were told to, where the sample has them.
func TestRule(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		w := DefaultWidget()
		w.SamplePercent = rapid.SampledFrom([]int{1, 50, 100}).Draw(t, "percent")
		w.WaitDays = rapid.IntRange(1, 90).Draw(t, "wait")
		w.FirstAfterDays = rapid.IntRange(0, 60).Draw(t, "first")
		ago := func(label string) time.Time {
			days := rapid.IntRange(0, 100).Draw(t, label+" days")
			return now.Add(-time.Duration(days)*day + time.Duration(rapid.IntRange(-1, 1).Draw(t, label+" µs"))*time.Microsecond)
		}
		campaign := someID(t, "campaign")
		h := history{contact: someID(t, "contact"), since: ago("since"), quiet: time.Duration(rapid.IntRange(0, 60).Draw(t, "quiet")) * day}
		if rapid.Bool().Draw(t, "asked") {
			h.asked = new(ago("asked"))
		}
		if h.asked != nil && rapid.Bool().Draw(t, "by widget") {
			h.byWidget = h.asked
		}
		r := w.rule(campaign, h, now)
		young := now.Before(h.since.Add(time.Duration(w.FirstAfterDays) * day))
		waits := h.byWidget != nil && now.Before(h.byWidget.Add(time.Duration(w.WaitDays)*day))
		quiet := h.asked != nil && now.Before(h.asked.Add(h.quiet))
		out := !sampled(campaign, h.contact, w.SamplePercent)
		if asks := r.wait == 0; asks == (young || waits || quiet || out) {
			t.Fatalf("young %v, waits %v, quiet %v, out of the sample %v: %+v", young, waits, quiet, out, r)
		}
		want := entinvitation.SkippedBecause("")
		switch {
		case young || waits:
		case out:
			want = entinvitation.SkippedBecauseNOT_SAMPLED
		case quiet:
			want = entinvitation.SkippedBecauseQUIET_PERIOD
		}
		if r.because != want {
			t.Fatalf("because of %q, want %q", r.because, want)
		}
		if !out && r.wait > 0 {
			if then := w.rule(campaign, h, now.Add(r.wait)); then.wait != 0 {
				t.Fatalf("told to wait %s, and then %s", r.wait, then.wait)
			}
			if before := w.rule(campaign, h, now.Add(r.wait-time.Microsecond)); before.wait == 0 {
				t.Fatalf("told to wait %s, and asked before", r.wait)
			}
		}
	})
}
