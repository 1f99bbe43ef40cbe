package store

import (
	"context"
	"database/sql"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/zeroten/zeroten/internal/rate"
)

// weighing is a driver whose rows are paid for by how long they are, while they are read: how many there are says
// nothing of what people wrote into them, and a row is read whole, whatever is asked of it. rate.SpendUnseen pays, so that
// rows that a caller does not see tell nothing.
type weighing struct{ dialect.Driver }

func (d weighing) Query(ctx context.Context, query string, args, v any) error {
	if err := d.Driver.Query(ctx, query, args, v); err != nil {
		return err
	}
	if rows, ok := v.(*entsql.Rows); ok {
		rows.ColumnScanner = &weighed{ColumnScanner: rows.ColumnScanner, ctx: ctx}
	}
	return nil
}

// usualRow is how many bytes of a row are paid for with the row.
const usualRow = 2 << 10

// Weigh pays for a row of so many bytes that was read together with others' rows, as it would be paid for were it read alone.
func Weigh(ctx context.Context, bytes int) error {
	points := (max(0, bytes-usualRow) + rate.BytesPerPoint/2) / rate.BytesPerPoint
	if points == 0 {
		return nil
	}
	return rate.SpendUnseen(ctx, points)
}

type weighed struct {
	entsql.ColumnScanner

	ctx    context.Context //nolint:containedctx // that of the statement, as in sql.Rows
	unpaid int
}

func (w *weighed) Scan(into ...any) error {
	if err := w.ColumnScanner.Scan(into...); err != nil {
		return err
	}
	n := 0
	for _, v := range into {
		switch v := v.(type) {
		case *[]byte:
			n += len(*v)
		case *sql.NullString:
			n += len(v.String)
		}
	}
	w.unpaid += max(0, n-usualRow)
	points := w.unpaid / rate.BytesPerPoint
	if points == 0 {
		return nil
	}
	w.unpaid -= points * rate.BytesPerPoint
	return rate.SpendUnseen(w.ctx, points)
}
