package page

import (
	"cmp"
	"context"
	stdsql "database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/zeroten/zeroten/internal/pgtest"
)

// row has one column of each kind.
type row struct {
	ID      uuid.UUID
	Number  int64
	Instant time.Time
	Text    string
	Maybe   *int64
	When    *time.Time
}

var columns = []struct {
	order Order
	value func(row) any
}{
	{Order{List: "by id"}, func(row) any { return nil }},
	{Order{List: "by number", Column: "number"}, func(r row) any { return r.Number }},
	{Order{List: "by instant", Column: "instant"}, func(r row) any { return r.Instant }},
	{Order{List: "by text", Column: "text"}, func(r row) any { return r.Text }},
	{Order{List: "by maybe", Column: "maybe", Nullable: true}, func(r row) any { return r.Maybe }},
	{Order{List: "by when", Column: "whenever", Nullable: true}, func(r row) any { return r.When }},
}

// compareValues is what the databases should do: nulls are above everything.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case string:
		return strings.Compare(a, b.(string))
	case time.Time:
		return a.Compare(b.(time.Time))
	}
	return 0
}

// inOrder sorts as the documentation of Order says.
func inOrder(rows []row, o Order, value func(row) any) []uuid.UUID {
	sorted := slices.Clone(rows)
	slices.SortFunc(sorted, func(a, b row) int {
		ka, _ := Key{Value: value(a)}.normal()
		kb, _ := Key{Value: value(b)}.normal()
		if (ka.Value == nil) != (kb.Value == nil) {
			if ka.Value == nil {
				return 1
			}
			return -1
		}
		c := cmp.Or(compareValues(ka.Value, kb.Value), slices.Compare(a.ID[:], b.ID[:]))
		if o.Desc {
			return -c
		}
		return c
	})
	return ids(sorted)
}

func ids(rows []row) []uuid.UUID {
	out := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out
}

func anyRows() *rapid.Generator[[]row] {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	return rapid.Custom(func(t *rapid.T) []row {
		rows := make([]row, rapid.IntRange(0, 25).Draw(t, "rows"))
		for i := range rows {
			// Few values, so that there are many ties.
			n := rapid.Int64Range(-2, 2).Draw(t, "number")
			micros := rapid.SampledFrom([]int64{0, 1, 10, 100_000, 1_000_000, 1_000_001}).Draw(t, "instant")
			rows[i] = row{
				ID: uuid.New(), Number: n, Instant: day.Add(time.Duration(micros) * time.Microsecond),
				Text: rapid.SampledFrom([]string{"", "a", "A", "ab", "b", "é", "'"}).Draw(t, "text"),
			}
			if rapid.Bool().Draw(t, "some") {
				rows[i].Maybe, rows[i].When = &n, &rows[i].Instant
			}
		}
		return rows
	})
}

// table is a database with a table of rows.
type table struct {
	*stdsql.DB
	dialect string
}

func (d table) exec(t fataler, query string, args ...any) {
	t.Helper()
	if _, err := d.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// fataler is what tests and rapid's tests have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (d table) fill(t fataler, rows []row) {
	t.Helper()
	d.exec(t, `DELETE FROM things`)
	if len(rows) == 0 {
		return
	}
	insert := sql.Dialect(d.dialect).Insert("things").Columns("id", "number", "instant", "text", "maybe", "whenever")
	for _, r := range rows {
		insert.Values(r.ID, r.Number, r.Instant, r.Text, r.Maybe, r.When)
	}
	query, args := insert.Query()
	d.exec(t, query, args...)
}

func (d table) selector() *sql.Selector {
	s := sql.Dialect(d.dialect).Select().From(sql.Dialect(d.dialect).Table("things"))
	return s.Select(s.Columns("id", "number", "instant", "text", "maybe", "whenever")...)
}

func (d table) fetch(ctx context.Context, w Window) ([]row, error) {
	s := d.selector()
	w.Apply(s)
	query, args := s.Query()
	found, err := d.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer found.Close()
	var rows []row
	for found.Next() {
		var r row
		if err := found.Scan(&r.ID, &r.Number, &r.Instant, &r.Text, &r.Maybe, &r.When); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

func open(t *testing.T, driver, address, dialect, schema string) table {
	t.Helper()
	db, err := stdsql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // an in-memory database is its connection's
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d := table{db, dialect}
	d.exec(t, schema)
	return d
}

func openSQLite(t *testing.T) table {
	t.Helper()
	return open(t, "sqlite", ":memory:", dialect.SQLite, `CREATE TABLE things (id uuid PRIMARY KEY, number integer NOT NULL,
		instant datetime NOT NULL, text text NOT NULL, maybe integer, whenever datetime)`)
}

func openPostgres(t *testing.T) table {
	t.Helper()
	return open(t, "postgres", pgtest.URL(t), dialect.Postgres, `CREATE TABLE things (id uuid PRIMARY KEY, number bigint NOT NULL,
		instant timestamptz NOT NULL, text text COLLATE "C" NOT NULL, maybe bigint, whenever timestamptz)`)
}

func TestPagesAreTheList(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testPagesAreTheList(t, openSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { testPagesAreTheList(t, openPostgres(t)) })
}

func testPagesAreTheList(t *testing.T, db table) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows().Draw(t, "rows")
		db.fill(t, rows)
		size := rapid.IntRange(1, 7).Draw(t, "size")
		column := rapid.SampledFrom(columns).Draw(t, "column")
		o := column.order
		o.Desc = rapid.Bool().Draw(t, "desc")
		want := inOrder(rows, o, column.value)
		for _, backward := range []bool{false, true} {
			got := readAll(t, db, o, column.value, size, backward, len(rows))
			if !slices.Equal(got, want) {
				t.Fatalf("%+v by %d, backward %t: got %v, want %v", o, size, backward, got, want)
			}
		}
	})
}

func TestBetween(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testBetween(t, openSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { testBetween(t, openPostgres(t)) })
}

// testBetween wants what a window has between two values, after any key, and says nothing is left only where it is so.
func testBetween(t *testing.T, db table) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows().Draw(t, "rows")
		db.fill(t, rows)
		column := columns[rapid.IntRange(1, 2).Draw(t, "column")]
		o := column.order
		o.Desc = rapid.Bool().Draw(t, "desc")
		w := o.Window(100)
		if len(rows) > 0 && rapid.Bool().Draw(t, "after") {
			r := rapid.SampledFrom(rows).Draw(t, "row")
			w = w.Beyond(Key{Value: column.value(r), ID: r.ID})
		}
		value := func(what string) any {
			if rapid.Bool().Draw(t, what) {
				return nil
			}
			return column.value(rapid.SampledFrom(append(anyRows().Draw(t, what+" rows"), row{})).Draw(t, what+" of"))
		}
		has := func(r row, from, until any) bool {
			v := column.value(r)
			return w.Has(Key{Value: v, ID: r.ID}) && (from == nil || compareValues(v, from) >= 0) && (until == nil || compareValues(v, until) < 0)
		}
		from, until := value("from"), value("until")
		want := inOrder(slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !has(r, from, until) }), o, column.value)
		part, ok := w.Between(from, until)
		got, err := db.fetch(context.Background(), part)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), want) || !ok && len(want) > 0 {
			t.Fatalf("%v to %v: got %v, %t, want %v", from, until, ids(got), ok, want)
		}

		// Each side has one bound, whatever there were: of two, a database may begin at the farther one.
		s := db.selector()
		part.Bounds(s)
		query, _ := s.Query()
		if n := strings.Count(query, "<") + strings.Count(query, ">"); n > 2 {
			t.Fatalf("%d bounds: %s", n, query)
		}
	})
}

// readAll pages through the whole list.
func readAll(t *rapid.T, db table, o Order, value func(row) any, size int, backward bool, total int) []uuid.UUID {
	t.Helper()
	all := []uuid.UUID{}
	args := Args{First: &size}
	if backward {
		args = Args{Last: &size}
	}
	for range total/size + 1 {
		c, err := Of(context.Background(), args, o, func(r row) Key { return Key{Value: value(r), ID: r.ID} }, db.fetch, nil)
		if err != nil {
			t.Fatal(err)
		}
		further := c.PageInfo.HasNextPage
		if backward {
			all = append(ids(c.Nodes()), all...)
			args.Before, further = c.PageInfo.StartCursor, c.PageInfo.HasPreviousPage
		} else {
			all = append(all, ids(c.Nodes())...)
			args.After = c.PageInfo.EndCursor
		}
		if !further {
			return all
		}
		if len(c.Edges) != size {
			t.Fatalf("a page of %d rows by %d that is not the last", len(c.Edges), size)
		}
	}
	t.Fatalf("%+v by %d, backward %t: no end after %d rows of %d", o, size, backward, len(all), total)
	return nil
}

// A row that the cursor came from may be gone when the next page is read.
func TestPageAfterARowThatIsGone(t *testing.T) {
	db := openSQLite(t)
	one, two, three := uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}
	db.fill(t, []row{{ID: one, Number: 1}, {ID: two, Number: 1}, {ID: three, Number: 1}})
	o := Order{List: "things", Column: "number"}
	key := func(r row) Key { return Key{Value: r.Number, ID: r.ID} }
	c, err := Of(t.Context(), Args{First: new(2)}, o, key, db.fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.exec(t, `DELETE FROM things WHERE id = ?`, two)
	c, err = Of(t.Context(), Args{After: c.PageInfo.EndCursor}, o, key, db.fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(c.Nodes()); !slices.Equal(got, []uuid.UUID{three}) {
		t.Errorf("got %v, want the third row", got)
	}
}

func TestApplyQueries(t *testing.T) {
	key := &Key{Value: int64(7), ID: uuid.UUID{15: 1}}
	id := "00000000-0000-0000-0000-000000000001"
	for _, test := range []struct {
		name   string
		window Window
		want   string
		args   []any
	}{
		{
			"first page", Window{Limit: 3, order: Order{Column: "n"}},
			`SELECT * FROM "t" ORDER BY "t"."n" ASC, "t"."id" ASC LIMIT 3`, nil,
		},
		{
			"by id", Window{Limit: 3, Desc: true, after: key},
			`SELECT * FROM "t" WHERE ("t"."id") < ($1) ORDER BY "t"."id" DESC LIMIT 3`, []any{id},
		},
		{
			"by column", Window{Limit: 3, Desc: true, order: Order{Column: "n"}, after: key},
			`SELECT * FROM "t" WHERE ("t"."n", "t"."id") < ($1, $2) ORDER BY "t"."n" DESC, "t"."id" DESC LIMIT 3`, []any{int64(7), id},
		},
		{
			"nullable", Window{Limit: 3, order: Order{Column: "n", Nullable: true}, after: key},
			`SELECT * FROM "t" WHERE ("t"."n", "t"."id") > ($1, $2) OR "t"."n" IS NULL ` +
				`ORDER BY "t"."n" ASC NULLS LAST, "t"."id" ASC LIMIT 3`, []any{int64(7), id},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sql.Dialect(dialect.Postgres).Select("*").From(sql.Dialect(dialect.Postgres).Table("t"))
			test.window.Apply(s)
			query, args := s.Query()
			if query != test.want {
				t.Errorf("got  %s\nwant %s", query, test.want)
			}
			if fmt.Sprint(args) != fmt.Sprint(test.args) {
				t.Errorf("arguments %v, want %v", args, test.args)
			}
		})
	}
}

// Any page must cost the same: the predicate is to be a range of the index, and there is to be no sorting.
func TestPagesUseTheIndex(t *testing.T) {
	sqlite := openSQLite(t)
	postgres := openPostgres(t)
	for _, db := range []table{sqlite, postgres} {
		db.exec(t, `ALTER TABLE things ADD COLUMN tenant_id integer NOT NULL DEFAULT 1`)
		db.exec(t, `CREATE INDEX by_number ON things (tenant_id, number, id)`)
	}
	postgres.exec(t, `SET enable_seqscan = off`)
	for _, test := range []struct {
		db            table
		explain, want string
	}{
		{sqlite, "EXPLAIN QUERY PLAN ", "USING INDEX by_number (tenant_id=? AND (number,id)>(?,?))"},
		{postgres, "EXPLAIN ", "Index Cond: ((tenant_id = 1) AND (ROW(number, id) > ROW("},
	} {
		t.Run(test.db.dialect, func(t *testing.T) {
			s := test.db.selector()
			s.Where(sql.EQ(s.C("tenant_id"), 1))
			Window{Limit: 51, order: Order{Column: "number"}, after: &Key{Value: int64(7)}}.Apply(s)
			query, args := s.Query()
			rows, err := test.db.Query(test.explain+query, args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var plan strings.Builder
			for rows.Next() {
				var a, b, c, line string
				if test.db.dialect == dialect.SQLite {
					err = rows.Scan(&a, &b, &c, &line)
				} else {
					err = rows.Scan(&line)
				}
				if err != nil {
					t.Fatal(err)
				}
				plan.WriteString(line + "\n")
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if p := plan.String(); !strings.Contains(p, test.want) || strings.Contains(p, "Sort") || strings.Contains(p, "TEMP B-TREE") {
				t.Errorf("%s is answered by:\n%s", query, p)
			}
		})
	}
}
