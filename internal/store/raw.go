package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Raw is a row as it is stored, whatever that is: SQLite keeps a text in a column of numbers. It is for checks, which must
// not stop at what cannot be read.
type Raw []any

// EachRaw runs a query and calls f with every row, which is f's until the next one.
func EachRaw(ctx context.Context, tx *sql.Tx, f func(Raw) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row, into := make(Raw, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Null reports whether column i is empty.
func (r Raw) Null(i int) bool { return r[i] == nil }

// Text is column i as a text; not ok where it is something else.
func (r Raw) Text(i int) (text string, ok bool) {
	switch v := r[i].(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// UUID is column i as an id, as it is always written.
func (r Raw) UUID(i int) (u uuid.UUID, ok bool) {
	text, ok := r.Text(i)
	if !ok {
		return u, false
	}
	u, err := uuid.Parse(text)
	return u, err == nil && u.String() == text
}

// Int is column i as a whole number.
func (r Raw) Int(i int) (n int64, ok bool) {
	n, ok = r[i].(int64)
	return n, ok
}

// Bool is column i as true or false.
func (r Raw) Bool(i int) (is, ok bool) {
	switch v := r[i].(type) {
	case bool:
		return v, true
	case int64:
		return v == 1, v == 0 || v == 1
	}
	return false, false
}

// Time is column i as an instant.
func (r Raw) Time(i int) (t time.Time, ok bool) {
	t, ok = r[i].(time.Time)
	return t.UTC(), ok && t.Year() > 0 && t.Year() < 10_000
}

// Show is column i for people, at most 60 characters of it.
func (r Raw) Show(i int) string {
	switch v := r[i].(type) {
	case nil:
		return "nothing"
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case string:
		return fmt.Sprintf("%.60q", v)
	case []byte:
		if text := string(v); strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == '\uFFFD' }) {
			return fmt.Sprintf("%d bytes", len(v))
		}
		return fmt.Sprintf("%.60q", v)
	default:
		return fmt.Sprint(v)
	}
}

// Check calls f within the transaction, in such a way that what comes after goes on whatever becomes of f: an error of the
// database, or a panic, is f's own.
func (tx *Tx) Check(ctx context.Context, f func() error) (err error) {
	if _, err := tx.SQL.ExecContext(ctx, `SAVEPOINT one_check`); err != nil {
		return fmt.Errorf("beginning a check: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		end := `RELEASE SAVEPOINT one_check`
		if err != nil {
			end = `ROLLBACK TO SAVEPOINT one_check`
		}
		if _, failed := tx.SQL.ExecContext(ctx, end); failed != nil && err == nil {
			err = fmt.Errorf("ending a check: %w", failed)
		}
	}()
	return f()
}
