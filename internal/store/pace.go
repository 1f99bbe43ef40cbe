package store

import (
	"context"
	"time"
)

const (
	// pieceTime is how long a piece of work should take, so that nobody waits long for its lock.
	pieceTime = 25 * time.Millisecond
	// maxRest bounds how long is rested after one.
	maxRest = 100 * time.Millisecond
)

// Pace says how many rows the next piece of long work may have, by how long the last one took.
type Pace struct{ rows, least, most int }

// NewPace begins with so many rows, and then takes at least and at most so many.
func NewPace(first, least, most int) *Pace { return &Pace{min(first, most), least, most} }

// Rows is how many the next piece may have.
func (p *Pace) Rows() int { return p.rows }

// Took notes how long the last piece took.
func (p *Pace) Took(d time.Duration) {
	fit := p.most
	if d > 0 {
		fit = int(min(int64(p.rows)*int64(pieceTime)/int64(d), int64(p.most)))
	}
	// What was slow by chance must not be taken for the rule, nor what was fast.
	p.rows = min(max(fit, p.rows/4, p.least), p.rows*2, p.most)
}

// Rest lets others write for as long as the last piece of work took. On SQLite those of other processes come by chance: they look
// again and again whether nobody writes. The error is that of ctx.
func Rest(ctx context.Context, worked time.Duration) error {
	wait := time.NewTimer(min(worked, maxRest))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
