package cube

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
)

// The bounds of a query that has none.
const (
	Earliest = calendar.Day(math.MinInt32)
	Latest   = calendar.Day(math.MaxInt32)
)

// Query says which cells to add up, and what to keep apart.
type Query struct {
	// Campaigns, where not nil, are the only ones that count.
	Campaigns []uuid.UUID
	// Profiles, where not nil, are the only ones that count.
	Profiles []int32
	// From and To are the first and the last day.
	From, To calendar.Day

	ByCampaign, ByProfile bool
	// By is Daily, Monthly, or empty for no division by time. Monthly gives days where a bound cuts a month.
	By calendar.Interval
}

// maxCells bounds the memory that one reading takes, at some 130 bytes each.
const maxCells = 1_000_000

// Cell is a sum of cells; what was not kept apart is zero.
type Cell struct {
	Campaign  uuid.UUID
	Profile   int32
	Start     calendar.Day
	Histogram nps.Histogram
}

// span is a range of starts at one grain.
type span struct {
	month       bool
	first, last calendar.Day
}

// spans divides the query's days into whole months and the days beside them.
func (q Query) spans() []span {
	if q.By == calendar.Daily {
		return []span{{false, q.From, q.To}}
	}
	first, last := q.From, q.To
	if first != Earliest {
		if first = calendar.Monthly.Start(q.From); first != q.From {
			first = calendar.Monthly.Next(q.From)
		}
	}
	if last != Latest {
		if next := q.To + 1; calendar.Monthly.Start(next) != next {
			last = calendar.Monthly.Start(q.To) - 1
		}
	}
	if first > last {
		return []span{{false, q.From, q.To}}
	}
	spans := []span{{true, first, last}}
	if q.From < first {
		spans = append(spans, span{false, q.From, first - 1})
	}
	if last < q.To {
		spans = append(spans, span{false, last + 1, q.To})
	}
	return spans
}

// Read adds up the active generation's cells. It fails with ErrStale where the state is out of date.
func Read(ctx context.Context, db *store.DB, s *State, q Query) ([]Cell, error) {
	if q.From > q.To || (q.Campaigns != nil && len(q.Campaigns) == 0) || (q.Profiles != nil && len(q.Profiles) == 0) {
		return nil, nil
	}
	text, args := q.statement(db.Dialect, s)
	rows, err := db.Query(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("reading cells: %w", err)
	}
	defer rows.Close()
	var cells []Cell
	var settings int64
	for rows.Next() {
		var c Cell
		h := &c.Histogram
		err := rows.Scan(&settings, &c.Campaign, &c.Profile, &c.Start,
			&h[0], &h[1], &h[2], &h[3], &h[4], &h[5], &h[6], &h[7], &h[8], &h[9], &h[10])
		if err != nil {
			return nil, fmt.Errorf("reading cells: %w", err)
		}
		if len(cells) == maxCells {
			return nil, apierror.New(apierror.TooComplex, "This would read more than %d cells: narrow the filter, take a longer interval, or break down by less.", maxCells)
		}
		cells = append(cells, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading cells: %w", err)
	}
	if len(cells) == 0 {
		// No row brought the settings along. They only grow, so that equal now is equal then.
		if settings, err = settingsOf(ctx, db, s.Tenant); err != nil {
			return nil, err
		}
	}
	if settings != s.Settings {
		return nil, ErrStale
	}
	return cells, nil
}

const sums = `sum(s0), sum(s1), sum(s2), sum(s3), sum(s4), sum(s5), sum(s6), sum(s7), sum(s8), sum(s9), sum(s10)`

// statement has few texts, so that they stay prepared: what varies is in the arguments.
func (q Query) statement(dialect string, s *State) (string, []any) {
	args := []any{s.Tenant, s.Active.Number}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where := ""
	if q.Campaigns != nil {
		where += " AND " + store.In(dialect, "campaign_id", "uuid", arg(store.UUIDs(dialect, q.Campaigns)))
	}
	if q.Profiles != nil {
		where += " AND " + store.In(dialect, "profile_id", "int", arg(store.Ints(dialect, q.Profiles)))
	}
	day, month := DayTotal, MonthTotal
	if q.Profiles != nil || q.ByProfile {
		day, month = DayProfile, MonthProfile
	}
	// What is not kept apart is a constant, which has to differ in type from a column's number in GROUP BY.
	columns, group := make([]string, 3), []string{}
	for i, c := range []struct {
		kept         bool
		column, zero string
	}{
		{q.ByCampaign, "campaign_id", `'00000000-0000-0000-0000-000000000000'`},
		{q.ByProfile, "profile_id", "0"},
		{q.By != "", "start", "0"},
	} {
		columns[i] = c.zero
		if c.kept {
			columns[i] = c.column
			group = append(group, c.column)
		}
	}
	grouped := " HAVING count(*) > 0"
	if len(group) > 0 {
		grouped = " GROUP BY " + strings.Join(group, ", ")
	}
	var parts []string
	for _, span := range q.spans() {
		grain := day
		if span.month {
			grain = month
		}
		parts = append(parts, fmt.Sprintf(
			`SELECT (SELECT settings FROM tenants WHERE id = $1), %s, %s FROM cells
			WHERE tenant_id = $1 AND cube = $2 AND grain = %d AND start BETWEEN %s AND %s%s%s`,
			strings.Join(columns, ", "), sums, grain, arg(int64(span.first)), arg(int64(span.last)), where, grouped))
	}
	return strings.Join(parts, " UNION ALL "), args
}
