package rate

import (
	"context"
	"sync/atomic"
)

type spenderKey struct{}

// spender pays for work.
type spender struct {
	spend func(n int) error
	blind bool
	// hidden, where not nil, takes what a blind caller does not pay for; less than nothing is what was paid in advance.
	hidden func(n int) error
}

// WithSpender puts into the context what pays for work whose amount shows only while it is done. spend takes what n
// points cost, and fails where the caller has no more.
//
// A blind caller is one to whom not everything is visible: what is charged must not tell how much there is besides.
func WithSpender(ctx context.Context, spend func(n int) error, blind bool) context.Context {
	return context.WithValue(ctx, spenderKey{}, &spender{spend: spend, blind: blind})
}

// WithBlind is WithSpender for a blind caller within one operation. What it goes through that may not be visible to the caller
// is paid for in advance, by flat prices. hidden is told of these, as less than nothing, and of what each thing would have
// cost a caller to whom it is visible: so it knows what the operation takes beyond what was paid, and fails where that is more
// than an operation may.
func WithBlind(ctx context.Context, spend, hidden func(n int) error) context.Context {
	return context.WithValue(ctx, spenderKey{}, &spender{spend, true, hidden})
}

// Shared returns the context for work that is done once for several callers: none of them alone pays for it, and that one
// has no more fails nobody else. Each may be charged for what it gets.
func Shared(ctx context.Context) context.Context {
	return context.WithValue(ctx, spenderKey{}, (*spender)(nil))
}

// Reckon is Shared for work whose price each of the callers pays afterwards: points is what it has come to. Whoever shares
// it must be as blind as the context's caller. What comes to more than most points fails with errMost.
func Reckon(ctx context.Context, most int, errMost error) (_ context.Context, points func() int) {
	var sum atomic.Int64
	spend := func(n int) error {
		if sum.Add(int64(n)) > int64(most) {
			return errMost
		}
		return nil
	}
	s, _ := ctx.Value(spenderKey{}).(*spender)
	return WithSpender(ctx, spend, s != nil && s.blind), func() int { return int(sum.Load()) }
}

// Spend pays n points, as the context says; where it says nothing the work is the program's own.
func Spend(ctx context.Context, n int) error {
	if s, _ := ctx.Value(spenderKey{}).(*spender); s != nil {
		return s.spend(n)
	}
	return nil
}

// SpendUnseen pays n points for going through things that may not all be visible to the caller. A blind caller pays nothing:
// whatever may go through such things costs them a flat price, see SpendBlind. Where it comes to more than that, and the
// operation with it to more than it may cost, that fails for them too.
func SpendUnseen(ctx context.Context, n int) error {
	if s, _ := ctx.Value(spenderKey{}).(*spender); s != nil {
		return s.unseen(n)
	}
	return nil
}

func (s *spender) unseen(n int) error {
	switch {
	case !s.blind:
		return s.spend(n)
	case s.hidden != nil:
		return s.hidden(n)
	}
	return s.spend(0)
}

// SpendBlind pays n points if the caller is blind, in advance for what it will go through that may not be visible to them.
func SpendBlind(ctx context.Context, n int) error {
	s, _ := ctx.Value(spenderKey{}).(*spender)
	if s == nil || !s.blind {
		return nil
	}
	if s.hidden != nil {
		if err := s.hidden(-n); err != nil {
			return err
		}
	}
	return s.spend(n)
}

// Seeing returns the context for going through things all of which are visible to the caller, blind or not.
func Seeing(ctx context.Context) context.Context {
	s, _ := ctx.Value(spenderKey{}).(*spender)
	if s == nil || !s.blind {
		return ctx
	}
	return WithSpender(ctx, s.spend, false)
}

// Spender is what pays for going through things in work that outlives the context, as SpendUnseen does; nil where nothing
// has to.
func Spender(ctx context.Context) func(n int) error {
	s, _ := ctx.Value(spenderKey{}).(*spender)
	if s == nil {
		return nil
	}
	return s.unseen
}

// What costs a point. A point is meant to stand for at most 300 µs of a processor, so that 1,000 of them, which is what an
// operation may cost, are at most 300 ms. The dearest documents of three runs of torture took 290 to 300 ms on SQLite, and 220 to
// 270 on PostgreSQL; on a machine that was slower by a third they took 350 and 310 ms, so
// looking at responses costs a quarter more since, bytes of their comments twice as much, of long names 1.8 times, and folding
// a third more. Contacts' traits and cells were not among them.
const (
	// RowsPerPoint is how many contacts cost a point whose traits are looked at.
	RowsPerPoint = 10
	// CellsPerPoint is how many cells that the database reads cost a point.
	CellsPerPoint = 150
	// PackedPerPoint is how many cells that are in memory, packed, cost a point, and PartsPerPoint how many pieces of them.
	PackedPerPoint = 8_000
	PartsPerPoint  = 500
	// FoldsPerPoint is how many cells that were read cost a point each time they are folded again.
	FoldsPerPoint = 8_000
	// StepsPerPoint is how many steps of a rule, see segment.Rule.Steps, cost a point: each is taken for all profiles.
	StepsPerPoint = 4
	// BlindPrice is what reading on through what may not be visible to the caller costs one who must not learn how much it is,
	// BlindRowPrice what each row costs that is found so, BlindSortPrice what it costs to find all of theirs before the first
	// is given, and BlindSearchPrice what looking through all of it costs, for what neither an index nor the cube finds.
	BlindPrice       = 25
	BlindRowPrice    = 2
	BlindSortPrice   = 150
	BlindSearchPrice = 350
	// BlindCountsPerPoint is how many rows cost such a caller a point that are found so and only counted.
	BlindCountsPerPoint = 4
	// LookUpPrice is what it costs to look at a response that an index leads to, ProfilePrice to read its profile too, PassPrice
	// to look at one in the order of ids, which is about that on the disk, and StatementPrice to ask the database for some:
	// RangePrice more for each further range of the index that it merges.
	LookUpPrice    = 1.0 / 24
	ProfilePrice   = 1.0 / 24
	PassPrice      = 1.0 / 96
	StatementPrice = 1.0
	RangePrice     = 0.25
	// ProposedPerPoint is how many responses cost a point that the search index proposes, before they are looked at, and
	// IndexPrice what each of its questions costs, see search.Weight. ListedPerPoint is how many entries of the tenant's log
	// cost a point for each of its lists, which may have all of them, MaxListedPrice in all at most, since only what nearly
	// everybody says has such long ones, GatheredPerPoint how many words of responses that begin as is asked for, and
	// DifferentPerPoint how many different ones among them.
	ProposedPerPoint  = 60
	IndexPrice        = 8
	ListedPerPoint    = 60_000
	MaxListedPrice    = 200
	GatheredPerPoint  = 2_000
	DifferentPerPoint = 200
	// HoldersPerPoint is how many contacts cost a point whose value of one trait is looked at by the database.
	HoldersPerPoint = 40
	// HoldersOfAllPerPoint is how many contacts cost a point whose values of several traits are looked at together, and
	// HeldPerPoint how many of these values. ValuesPerPoint is how many different ones cost a point besides.
	HoldersOfAllPerPoint = 160
	HeldPerPoint         = 800
	ValuesPerPoint       = 200
	// CountsPerPoint is how many rows that the database only counts cost a point.
	CountsPerPoint = 1_000
	// InvitationsPerPoint is how many invitations cost a point that are counted by what became of them: each takes 0.9 to 1 µs on SQLite
	// and half as long on PostgreSQL, of 400,000.
	InvitationsPerPoint = 300
	// PreviewedPerPoint is how many contacts cost a point of whom it is worked out when they would be asked. This is the one price that is
	// below what it stands for, so that a tenant of 100,000 contacts may see whom a schedule would ask before it does: each takes 5 µs on
	// SQLite, 12 where they are planned already, and 3 more for a segment; in the server 4 and 8 on PostgreSQL. So previews take turns, see
	// outreach.Desk.Preview.
	PreviewedPerPoint = 125
	// PutOffPerPoint is how many of them cost a point who find no room in a month's budget and stand in line in the next, once for each month.
	// Of 110,000 in eight zones 2,100,000 did at a budget of 1,000 to 2,000, more than at any other: that took 0.34 s, and 0.03 with a budget of 1. It is
	// below what it stands for, too: a preview of 100,000 is to be within what an operation may cost, whatever the budget.
	PutOffPerPoint = 40_000
	// ActionsPerPoint is how many actions cost a point that are found around another, and LinksPerPoint how many campaigns that they
	// were for: 1,000 with long notes took 2 to 11 ms on a busy machine, and 100,000 campaigns 320 to 990 ms, SQLite longer than PostgreSQL.
	ActionsPerPoint = 25
	LinksPerPoint   = 50
	// SearchedPerPoint is how many contacts cost a point that the database looks through for what no index finds, and
	// SearchedBytesPerPoint how many bytes of responses' comments are gone through for one, for each text that is looked for in
	// them: each takes 0.1 to 4.6 ns, and 8 at most in scripts beyond the first plane.
	SearchedPerPoint      = 96
	SearchedBytesPerPoint = 32 << 10
	// FoldedPerPoint is how many bytes of them cost a point that are folded, see search.Fold: each takes 1.6 to 2.5 ns. Those that
	// are not ASCII cost one more for WidePerPoint, since they take 4 to 9 ns, and those that have to be composed one more
	// for LoosePerPoint, at 35 to 120 ns.
	FoldedPerPoint = 48 << 10
	WidePerPoint   = 18 << 10
	LoosePerPoint  = 1_300
	// FoldedBytesPerPoint is how many bytes of long names cost a point that are compared without regard to capitals, see
	// page.FoldedBytes: each takes 7 to 26 ns.
	FoldedBytesPerPoint = 9 << 10
	// BytesPerPoint is how many bytes of long rows, that is of long comments and of many traits, cost a point when they are
	// read, besides what the rows cost.
	BytesPerPoint = 16 << 10
)
