package slot_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/zeroten/zeroten/internal/outreach/slot"
	"pgregory.net/rapid"
)

// Lots are the same for ever, or else everybody's slot would change. The figures are from another program.
func TestLot(t *testing.T) {
	for _, test := range []struct {
		purpose string
		parts   [][]byte
		want    uint64
	}{
		{"slot", [][]byte{[]byte("camp"), []byte("ada")}, 0x2d36ff1259c6d1a9},
		{"sample", [][]byte{[]byte("camp"), []byte("ada")}, 0xb75dc758d62a985b},
		{"slot", nil, 0x288dd75f206eec78},
		{"", [][]byte{make([]byte, 200)}, 0xcc4cd9475d47f0aa},
	} {
		if got := slot.Lot(test.purpose, test.parts...); got != test.want {
			t.Errorf("the lot for %s of %q is %#x, want %#x", test.purpose, test.parts, got, test.want)
		}
	}
}

// What is cut elsewhere is something else.
func TestLotsOfOtherPartsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 8, 'a'}), 0, 9), 0, 3)
		a, b := parts.Draw(t, "parts"), parts.Draw(t, "others")
		if rapid.Bool().Draw(t, "cut elsewhere") {
			all := bytes.Join(a, nil)
			n := rapid.IntRange(0, len(all)).Draw(t, "n")
			b = [][]byte{all[:n], all[n:]}
		}
		same := len(a) == len(b)
		for i := range a {
			same = same && bytes.Equal(a[i], b[i])
		}
		if got := slot.Lot("slot", a...) == slot.Lot("slot", b...); got != same {
			t.Fatalf("%q and %q draw the same: %t", a, b, got)
		}
	})
}

func TestSampledAtTheEdges(t *testing.T) {
	// A hundredth of 2^64 is 184467440737095516.16.
	for _, test := range []struct {
		lot     uint64
		percent int
		want    bool
	}{
		{0, 1, true}, {184467440737095516, 1, true}, {184467440737095517, 1, false}, {184467440737095517, 2, true},
		{1<<63 - 1, 50, true}, {1 << 63, 50, false}, {1 << 63, 51, true},
		{math.MaxUint64, 100, true}, {math.MaxUint64, 99, false}, {0, 0, false}, {0, -1, false},
	} {
		if got := slot.Sampled(test.lot, test.percent); got != test.want {
			t.Errorf("%d is among %d percent: %t", test.lot, test.percent, got)
		}
	}
}

// person is somebody of no name.
func person(i int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(i)) }

// Of each slice of people, by whichever slot they have, the sample takes its share, in each round anew; and shares are nested.
func TestSampledIsUnbiased(t *testing.T) {
	const people = 100_000
	for _, percent := range []int{1, 10, 33, 50, 90} {
		sampled, others := make([]int, 20), make([]int, 20)
		both := 0
		for i := range people {
			draws := func(round byte) bool { return slot.Sampled(slot.Lot("sample", person(i), []byte{round}), percent) }
			if tenth := int(slot.Lot("slot", person(i)) >> 59 * 20 / 32); draws(1) {
				sampled[tenth]++
			} else {
				others[tenth]++
			}
			if draws(1) && draws(2) {
				both++
			}
		}
		p := float64(percent) / 100
		var chi float64
		for i := range sampled {
			n := float64(sampled[i] + others[i])
			chi += (float64(sampled[i])-n*p)*(float64(sampled[i])-n*p)/(n*p) + (float64(others[i])-n*(1-p))*(float64(others[i])-n*(1-p))/(n*(1-p))
		}
		// χ² of 20 degrees of freedom exceeds 62.2 once in 300,000 times.
		if chi > 62.2 {
			t.Errorf("of %d %% χ² is %.1f: %v of %v", percent, chi, sampled, others)
		}
		if z := (float64(both) - people*p*p) / math.Sqrt(people*p*p*(1-p*p)); math.Abs(z) > 4.5 {
			t.Errorf("of %d %% %d are in two rounds, which are to be drawn by themselves", percent, both)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		lot, percent := rapid.Uint64().Draw(t, "lot"), rapid.IntRange(1, 99).Draw(t, "percent")
		if slot.Sampled(lot, percent) && !slot.Sampled(lot, percent+1) {
			t.Fatalf("%d is among %d percent, and not among one more", lot, percent)
		}
	})
}
