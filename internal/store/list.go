package store

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
)

// In is the condition that an expression is among the elements of a parameter made by UUIDs, Ints or Texts. One
// parameter whatever the number: the statement's text stays the same, and no limit of parameters is met.
func In(dialect, expression, sqlType, param string) string {
	if dialect == Postgres {
		return fmt.Sprintf("%s = ANY(%s::%s[])", expression, param, sqlType)
	}
	value := "value"
	if sqlType == "bytea" {
		value = "unhex(value)"
	}
	return fmt.Sprintf("%s IN (SELECT %s FROM json_each(%s))", expression, value, param)
}

// Keyed is the condition that a row is the tenant's, and that a column of it is In. The tenant is a parameter, too, and alias is empty or ends
// with a point.
//
// What is so looked for on PostgreSQL is looked for by each key. Were the tenant compared with the parameter alone, all that it has might be
// read instead: of a tenant nobody has heard of yet, and of the largest among many, the planner thinks that it has next to nothing.
func Keyed(dialect, alias, column, sqlType, tenant, param string) string {
	if dialect == Postgres {
		return fmt.Sprintf("(%[1]stenant_id, %[1]s%[2]s) IN (SELECT %[3]s::uuid, unnest(%[4]s::%[5]s[]))", alias, column, tenant, param, sqlType)
	}
	return fmt.Sprintf("%stenant_id = %s AND ", alias, tenant) + In(dialect, alias+column, sqlType, param)
}

// UUIDs writes ids as a parameter for In.
func UUIDs(dialect string, ids []uuid.UUID) string {
	return list(dialect, len(ids), func(b []byte, i int) []byte {
		if dialect == Postgres {
			return append(b, ids[i].String()...)
		}
		return strconv.AppendQuote(b, ids[i].String())
	})
}

// Ints writes numbers as a parameter for In.
func Ints[T ~int | ~int32 | ~int64](dialect string, numbers []T) string {
	return list(dialect, len(numbers), func(b []byte, i int) []byte { return strconv.AppendInt(b, int64(numbers[i]), 10) })
}

// Texts writes texts as a parameter for In.
func Texts(dialect string, texts []string) string {
	if dialect == SQLite {
		b, err := json.Marshal(texts)
		if err != nil {
			panic(err) // texts can always be marshalled
		}
		return string(b)
	}
	return list(dialect, len(texts), func(b []byte, i int) []byte { return AppendText(b, texts[i]) })
}

func list(dialect string, n int, element func([]byte, int) []byte) string {
	open, end := byte('['), byte(']')
	if dialect == Postgres {
		open, end = '{', '}'
	}
	b := make([]byte, 0, 2+n*40)
	b = append(b, open)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, i)
	}
	return string(append(b, end))
}

// AppendText quotes a text as an element of a PostgreSQL array.
func AppendText(b []byte, text string) []byte {
	b = append(b, '"')
	for {
		i := strings.IndexAny(text, `"\`)
		if i < 0 {
			break
		}
		b = append(b, text[:i]...)
		b = append(b, '\\', text[i])
		text = text[i+1:]
	}
	b = append(b, text...)
	return append(b, '"')
}

// IDIn is the predicate that a row's id is among these. It has one parameter whatever their number, so that the
// statement stays prepared.
func IDIn(s *sql.Selector, ids []uuid.UUID) *sql.Predicate { return FieldIn(s, "id", ids) }

// FieldBeside is the predicate that a field is a value, of rows that are found by another of their fields: PostgreSQL uses no index for this
// one. Where it knows little, or averages over many tenants, it takes an index that finds all of a campaign for as good as one that finds
// what a person has in it.
func FieldBeside(s *sql.Selector, field string, value any) *sql.Predicate {
	return sql.P(func(b *sql.Builder) { b.Ident(s.C(field)).WriteString(" IS NOT DISTINCT FROM ").Arg(value) })
}

// FieldIn is IDIn for another field that holds ids.
func FieldIn(s *sql.Selector, field string, ids []uuid.UUID) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		b.Ident(s.C(field))
		if b.Dialect() == Postgres {
			b.WriteString(" = ANY(").Arg(UUIDs(Postgres, ids)).WriteString("::uuid[])")
			return
		}
		b.WriteString(" IN (SELECT value FROM json_each(").Arg(UUIDs(SQLite, ids)).WriteString("))")
	})
}

// Blobs writes bytes as a parameter for In, of the type bytea.
func Blobs(dialect string, blobs [][]byte) string {
	texts := make([]string, len(blobs))
	for i, b := range blobs {
		if texts[i] = hex.EncodeToString(b); dialect == Postgres {
			texts[i] = `\x` + texts[i]
		}
	}
	return Texts(dialect, texts)
}
