package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
)

// List is a subquery of the elements of a parameter made by UUIDs, Ints or Texts, for use after IN. One parameter
// whatever the length: the statement's text stays the same, and no limit of parameters is met.
func List(dialect, sqlType, param string) string {
	if dialect == Postgres {
		return fmt.Sprintf("(SELECT unnest(%s::%s[]))", param, sqlType)
	}
	return fmt.Sprintf("(SELECT value FROM json_each(%s))", param)
}

// UUIDs writes ids as a parameter for List.
func UUIDs(dialect string, ids []uuid.UUID) string {
	return list(dialect, len(ids), func(b []byte, i int) []byte {
		if dialect == Postgres {
			return append(b, ids[i].String()...)
		}
		return strconv.AppendQuote(b, ids[i].String())
	})
}

// Ints writes numbers as a parameter for List.
func Ints[T ~int | ~int32 | ~int64](dialect string, numbers []T) string {
	return list(dialect, len(numbers), func(b []byte, i int) []byte { return strconv.AppendInt(b, int64(numbers[i]), 10) })
}

// Texts writes texts as a parameter for List.
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
func IDIn(s *sql.Selector, ids []uuid.UUID) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		b.Ident(s.C("id")).WriteString(" IN ")
		if b.Dialect() == Postgres {
			b.WriteString("(SELECT unnest(").Arg(UUIDs(Postgres, ids)).WriteString("::uuid[]))")
			return
		}
		b.WriteString("(SELECT value FROM json_each(").Arg(UUIDs(SQLite, ids)).WriteString("))")
	})
}
