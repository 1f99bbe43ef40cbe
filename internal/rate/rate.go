// Package rate says how much a caller may ask for: token buckets, one for each key.
package rate

import (
	"math"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxBuckets is how many buckets are remembered. One that is forgotten was used least lately, and is full again.
const maxBuckets = 100_000

// maxWait is the longest wait that a caller is told of.
const maxWait = time.Hour

// Config is what fits into each bucket, and what flows into it.
type Config struct {
	// Restore is how many tokens flow into a bucket a second, until it is full.
	Restore float64
	// Burst is how many tokens a full bucket holds. What costs more is never let through.
	Burst int
}

// Burst is how many tokens a full bucket holds.
func (l *Limiter) Burst() int { return l.config.Burst }

// Limiter has a bucket for each key, full at first. It is safe for concurrent use.
type Limiter struct {
	config  Config
	buckets *lru.Cache[[16]byte, *bucket]
}

// bucket is not one of golang.org/x/time/rate, which can neither be given tokens back nor go below zero.
type bucket struct {
	mu     sync.Mutex
	tokens float64 // below zero where more was charged than was there
	at     time.Time
}

// Status is how a bucket stands.
type Status struct {
	// Available is how many tokens are in it now, 0 or more.
	Available int
	// Owed is how many are missing: what was charged and is not paid yet.
	Owed int
	// Restore is how many flow into it a second.
	Restore float64
}

// New makes a limiter whose buckets are all full.
func New(c Config) *Limiter {
	buckets, err := lru.New[[16]byte, *bucket](maxBuckets)
	if err != nil {
		panic(err) // only for a size of none
	}
	return &Limiter{config: c, buckets: buckets}
}

// Take takes n tokens out of the key's bucket. Where they are not all there it takes none, ok is false, and retryAfter
// is how long until they will be, at most an hour.
func (l *Limiter) Take(key [16]byte, n int, now time.Time) (s Status, retryAfter time.Duration, ok bool) {
	b := l.bucket(key, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	l.fill(b, now)
	want := float64(n)
	if want > b.tokens {
		wait := maxWait
		if seconds := (want - b.tokens) / l.config.Restore; seconds < maxWait.Seconds() {
			wait = max(time.Duration(seconds*float64(time.Second)), time.Nanosecond)
		}
		return l.status(b), wait, false
	}
	b.tokens -= want
	return l.status(b), 0, true
}

// Charge takes n tokens, whether they are there or not: it is for what has been done already. What is missing must flow
// in before anything else is let through.
func (l *Limiter) Charge(key [16]byte, n int, now time.Time) Status {
	return l.add(key, -float64(n), now)
}

// Refund gives n tokens back that were taken and not needed. A bucket does not become more than full.
func (l *Limiter) Refund(key [16]byte, n int, now time.Time) Status {
	return l.add(key, float64(n), now)
}

func (l *Limiter) add(key [16]byte, n float64, now time.Time) Status {
	b := l.bucket(key, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	l.fill(b, now)
	b.tokens = min(b.tokens+n, float64(l.config.Burst))
	return l.status(b)
}

func (l *Limiter) bucket(key [16]byte, now time.Time) *bucket {
	if b, ok := l.buckets.Get(key); ok {
		return b
	}
	b := &bucket{tokens: float64(l.config.Burst), at: now}
	if first, ok, _ := l.buckets.PeekOrAdd(key, b); ok {
		return first
	}
	return b
}

// fill lets in what has flowed since the last time. A clock that went back lets nothing in.
func (l *Limiter) fill(b *bucket, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.tokens+passed.Seconds()*l.config.Restore, float64(l.config.Burst))
		b.at = now
	}
}

func (l *Limiter) status(b *bucket) Status {
	return Status{Available: int(max(0, b.tokens)), Owed: int(math.Ceil(max(0, -b.tokens))), Restore: l.config.Restore}
}
