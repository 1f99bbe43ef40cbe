package page

import (
	"context"

	"github.com/zeroten/zeroten/internal/rate"
)

// Portions begin small, for whoever finds enough at once, and grow.
const (
	smallestPortion = 250
	largestPortion  = 8_000
)

// Portions goes through a window in which the database looks at rows one by one, most of which may not be asked for: how
// many they are it would not tell. So the window is cut into portions of so many rows, whatever is asked of them, and each
// is paid for before it is read, by rate.SpendUnseen, whose error it may return. The window's limit is left to read.
//
// end gives the key of the n-th row of the window, nil where there are fewer. weigh says how many rows a portion has. read
// reads a portion, and says whether more are wanted.
func Portions(
	ctx context.Context, w Window,
	end func(ctx context.Context, w Window, n int) (*Key, error),
	weigh func(ctx context.Context, w Window) (rows int, err error),
	read func(ctx context.Context, w Window) (more bool, err error),
) error {
	unpaid := 0.0
	for n := smallestPortion; ; n = min(2*n, largestPortion) {
		last, err := end(ctx, w, n)
		if err != nil {
			return err
		}
		part := w
		part.through = last
		rows, err := weigh(ctx, part)
		if err != nil {
			return err
		}
		unpaid += float64(rows) / rate.SearchedPerPoint
		points := int(unpaid)
		unpaid -= float64(points)
		if err := rate.SpendUnseen(ctx, points); err != nil {
			return err
		}
		if more, err := read(ctx, part); err != nil || !more || last == nil {
			return err
		}
		w.after = last
	}
}
