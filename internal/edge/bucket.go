package edge

import (
	"net/netip"
	"time"

	"github.com/zeroten/zeroten/internal/rate"
)

// Bucket is what a caller spends from. The zero Bucket is that of the program itself, to which all is free.
type Bucket struct {
	limiter *rate.Limiter
	key     [16]byte
}

// OfKey is the bucket of a key, and of all that it gave out.
func (d *Door) OfKey(key [16]byte) Bucket { return Bucket{d.keys, key} }

// OfAddress is the bucket of an address, and of its whole Network.
func (d *Door) OfAddress(address netip.Addr) Bucket {
	return Bucket{d.addresses, Network(address).As16()}
}

// OfViews is the bucket of an address, and of its whole Network, that what it looks at of pages is counted in.
func (d *Door) OfViews(address netip.Addr) Bucket { return Bucket{d.views, Network(address).As16()} }

// OfForms is the bucket that what an address sends from pages is counted in.
func (d *Door) OfForms(address netip.Addr) Bucket { return Bucket{d.forms, Network(address).As16()} }

// OfPersons is the bucket that what an address sends is counted in where it was given the page before: those who share an address with
// a scanner must not be kept from answering by it.
func (d *Door) OfPersons(address netip.Addr) Bucket {
	return Bucket{d.persons, Network(address).As16()}
}

// OfUnknown is the bucket of what an address does in the names of people whom nobody knows.
func (d *Door) OfUnknown(address netip.Addr) Bucket {
	return Bucket{d.unknown, Network(address).As16()}
}

// Take takes n points for what is about to be done. Where they are not there the error is a Refusal, Spent.
func (b Bucket) Take(n int, now time.Time) error {
	if b.limiter == nil {
		return nil
	}
	if s, wait, ok := b.limiter.Take(b.key, n, now); !ok {
		return &Refusal{Why: Spent, Wait: wait, Available: s.Available, Restore: s.Restore}
	}
	return nil
}

// Spend takes n points for what is done already; with 0 it only asks whether there may be more. The error is a Refusal,
// Overdrawn, once as much is owed as the bucket holds.
func (b Bucket) Spend(n int) error {
	if b.limiter == nil {
		return nil
	}
	s := b.limiter.Charge(b.key, n, time.Now())
	if s.Owed < b.limiter.Burst() {
		return nil
	}
	return &Refusal{Why: Overdrawn, Wait: untilPaid(s), Restore: s.Restore}
}

// Charge takes n points for what is done already, whether they are there or not, and gives how long it takes until nothing
// is owed.
func (b Bucket) Charge(n int, now time.Time) (untilNothingOwed time.Duration) {
	if b.limiter == nil || n <= 0 {
		return 0
	}
	return untilPaid(b.limiter.Charge(b.key, n, now))
}

// Refund gives n points back that were taken and not needed.
func (b Bucket) Refund(n int, now time.Time) rate.Status {
	if b.limiter == nil {
		return rate.Status{}
	}
	return b.limiter.Refund(b.key, n, now)
}

func untilPaid(s rate.Status) time.Duration {
	return time.Duration(float64(s.Owed) / s.Restore * float64(time.Second))
}
