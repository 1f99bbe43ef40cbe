package store

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPace is that a piece of work stays within its bounds, shrinks when it took too long, and grows when it was fast.
func TestPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.IntRange(1, 200).Draw(t, "least")
		most := rapid.IntRange(1, 100_000).Draw(t, "most")
		p := NewPace(rapid.IntRange(1, 10_000).Draw(t, "first"), least, most)
		for was := p.Rows(); rapid.Bool().Draw(t, "another"); was = p.Rows() {
			took := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "took"))
			p.Took(took)
			switch n := p.Rows(); {
			case n < 1 || n > most || n > was*2:
				t.Fatalf("%d rows after %d, of %d at most", n, was, most)
			case took > pieceTime && n > max(was, least), took < pieceTime && n < was:
				t.Fatalf("%d rows after %d that took %s", n, was, took)
			}
		}
	})
	p := NewPace(200, 50, 2_000)
	for _, step := range []struct {
		took time.Duration
		want int
	}{
		{pieceTime, 200}, {0, 400}, {pieceTime / 10, 800}, {pieceTime / 10, 1_600}, {pieceTime / 10, 2_000}, {time.Hour, 500}, {time.Hour, 125}, {time.Hour, 50}, {time.Hour, 50},
	} {
		if p.Took(step.took); p.Rows() != step.want {
			t.Errorf("after %v: %d, want %d", step.took, p.Rows(), step.want)
		}
	}
}
