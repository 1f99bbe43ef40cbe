package cube

import "time"

// Between has f called whenever a piece of work is done and nothing is locked.
func (b *Builder) Between(f func()) { b.between = f }

// The bounds of a piece of work, in rows.
const (
	FirstChunk = firstChunk
	MinChunk   = minChunk
	SweepChunk = sweepChunk
	StepTime   = stepTime
)

// Pace says how many rows the next piece of work has, after pieces that took so long each.
func Pace(rows, most int, took []time.Duration) (after []int) {
	p := newPace(rows, most)
	for _, d := range took {
		p.took(d)
		after = append(after, p.rows)
	}
	return after
}
