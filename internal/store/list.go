package store

import (
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
	return fmt.Sprintf("%s IN (SELECT value FROM json_each(%s))", expression, param)
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
