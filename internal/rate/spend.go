package rate

import "context"

type spenderKey struct{}

// WithSpender puts into the context what pays for work whose amount shows only while it is done. spend takes what n
// points cost, and fails where the caller has no more.
func WithSpender(ctx context.Context, spend func(n int) error) context.Context {
	return context.WithValue(ctx, spenderKey{}, spend)
}

// Spend pays n points, as the context says; where it says nothing the work is the program's own.
func Spend(ctx context.Context, n int) error {
	if spend := Spender(ctx); spend != nil {
		return spend(n)
	}
	return nil
}

// Spender is what pays, for work that outlives the context; nil where nothing has to.
func Spender(ctx context.Context) func(n int) error {
	spend, _ := ctx.Value(spenderKey{}).(func(int) error)
	return spend
}

// RowsPerPoint is how many rows that are looked at one by one cost a point.
const RowsPerPoint = 4
