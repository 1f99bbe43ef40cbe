package rate

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	l := New(Config{Restore: 10, Burst: 100})
	key, other := [16]byte{1}, [16]byte{2}

	if s, _, ok := l.Take(key, 100, start); !ok || s.Available != 0 || s.Restore != 10 {
		t.Fatalf("a full bucket: %+v, %t", s, ok)
	}
	if s, wait, ok := l.Take(key, 20, start); ok || wait != 2*time.Second || s.Available != 0 {
		t.Errorf("an empty bucket: %+v, wait %v, %t; want a wait of 2 s", s, wait, ok)
	}
	if _, _, ok := l.Take(key, 20, start.Add(2*time.Second-time.Millisecond)); ok {
		t.Error("let through before its time")
	}
	if _, _, ok := l.Take(key, 20, start.Add(2*time.Second)); !ok {
		t.Error("not let through when it was said")
	}
	if s, _, ok := l.Take(other, 1, start); !ok || s.Available != 99 {
		t.Errorf("another key: %+v, %t", s, ok)
	}
	if s, _, ok := l.Take(key, 0, start); !ok || s.Available != 0 {
		t.Errorf("a clock that went back: %+v, %t", s, ok)
	}
	if _, wait, ok := New(Config{Burst: 1}).Take(key, 2, start); ok || wait != maxWait {
		t.Errorf("what never comes: wait %v, %t", wait, ok)
	}
}

func TestRefundAndCharge(t *testing.T) {
	l, key := New(Config{Restore: 10, Burst: 100}), [16]byte{1}
	l.Take(key, 50, start)
	if s := l.Refund(key, 20, start); s.Available != 70 {
		t.Errorf("after a refund of 20: %d, want 70", s.Available)
	}
	if s := l.Refund(key, 1_000, start); s.Available != 100 {
		t.Errorf("after too large a refund: %d, want 100", s.Available)
	}
	if s := l.Charge(key, 150, start); s.Available != 0 {
		t.Errorf("in debt: %d, want 0", s.Available)
	}
	if _, wait, ok := l.Take(key, 10, start); ok || wait != 6*time.Second {
		t.Errorf("in debt of 50: wait %v, %t; want 6 s for it and for 10 more", wait, ok)
	}
}

// However it is asked: no more goes out than fits in, flows in, and is given back.
func TestNeverMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Restore: rapid.Float64Range(0, 1_000).Draw(t, "restore"), Burst: rapid.IntRange(0, 1_000).Draw(t, "burst")}
		l, key, now, taken := New(c), [16]byte{}, start, 0
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1_000).Draw(t, "ms")) * time.Millisecond)
			n := rapid.IntRange(0, 500).Draw(t, "n")
			if _, _, ok := l.Take(key, n, now); ok {
				taken += n
			}
			if most := float64(c.Burst) + c.Restore*now.Sub(start).Seconds(); float64(taken) > most+1e-6 {
				t.Fatalf("%d taken, at most %v fit in and flowed in", taken, most)
			}
		}
	})
}

// The wait that is told is enough, whatever was charged or given back, and every debt is paid some day.
func TestWaits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Restore: rapid.Float64Range(0, 1_000).Draw(t, "restore"), Burst: rapid.IntRange(0, 1_000).Draw(t, "burst")}
		l, key, now := New(c), [16]byte{}, start
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1_000).Draw(t, "ms")) * time.Millisecond)
			n := rapid.IntRange(0, 500).Draw(t, "n")
			switch rapid.SampledFrom([]string{"take", "take", "refund", "charge"}).Draw(t, "what") {
			case "take":
				before, wait, ok := l.Take(key, n, now)
				if !ok && n <= c.Burst && wait < maxWait {
					if _, _, ok := l.Take(key, n, now.Add(wait+time.Microsecond)); !ok {
						t.Fatalf("%d not there after the wait of %v that was told with %+v", n, wait, before)
					}
					now = now.Add(wait + time.Microsecond)
				}
			case "refund":
				l.Refund(key, n, now)
			case "charge":
				l.Charge(key, n, now)
			}
			if s := l.Refund(key, 0, now); s.Available < 0 || s.Available > c.Burst {
				t.Fatalf("available: %d of %d", s.Available, c.Burst)
			}
		}
		latest := start.Add(50 * 1_000 * time.Second)
		if s := l.Refund(key, 0, latest); c.Restore >= 1 && s.Available != c.Burst {
			t.Fatalf("not full in the end: %d of %d", s.Available, c.Burst)
		}
	})
}

func TestConcurrent(t *testing.T) {
	l := New(Config{Burst: 1_000})
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1_000 {
				if _, _, ok := l.Take([16]byte{1}, 1, start); ok {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() != 1_000 {
		t.Errorf("%d taken of 1,000", taken.Load())
	}
}

// Buckets of the past make room; a new one is full.
func TestBounded(t *testing.T) {
	l := New(Config{Burst: 1})
	for i := range maxBuckets + 10 {
		l.Take([16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, 1, start)
	}
	if n := l.buckets.Len(); n != maxBuckets {
		t.Errorf("%d buckets, want %d", n, maxBuckets)
	}
}

func BenchmarkTake(b *testing.B) {
	l := New(Config{Restore: 1e9, Burst: 1e9})
	for b.Loop() {
		l.Take([16]byte{1}, 1, start)
	}
}
