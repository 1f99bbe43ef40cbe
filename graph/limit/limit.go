// Package limit says which documents are too much, before they can do any harm: Scan before a document is parsed, Shape
// before it is validated, Costs before it runs. All of it takes time in proportion to what it lets through.
package limit

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
)

// Limits of a document. The standard introspection query, of depth 15, is within all of them.
const (
	// MaxBytes is how long a document may be. Data belongs into variables, which may be longer.
	MaxBytes = 16 << 10
	// MaxTokens is how many tokens it may have, comments counted as one each.
	MaxTokens = 1_000
	// MaxNesting is how deep braces, brackets and parentheses may stand in each other.
	MaxNesting = 64
	// MaxDefinitions is how many operations and fragments it may have together.
	MaxDefinitions = 50
	// MaxDepth is how deep fields may stand in each other, those of fragments included.
	MaxDepth = 20
	// MaxRootFields is how many fields an operation may have at its root.
	MaxRootFields = 50
	// MaxAliases is how many names one field may be asked for by in one place.
	MaxAliases = 15
	// MaxRepeats is how often one field may be asked for by the same name in one place, as fragments of many parts of a
	// page do.
	MaxRepeats = 30
	// MaxDirectives is how many directives may stand in one place.
	MaxDirectives = 10
	// MaxSelections is how many selections an operation or a fragment may have, when each spread of a fragment counts
	// as all that is in it.
	MaxSelections = 1_000
	// maxWork is how many selections all operations and fragments may have so. Validation goes through each by itself.
	maxWork = 5_000
	// MaxIntrospectionLists is how many lists of fields, arguments, types and values of the schema may stand in each other.
	MaxIntrospectionLists = 2
)

// Scan reads a document no further than its brackets, and refuses it where it is too long, has too many tokens, or nests
// too deep to be parsed. It returns how many tokens there are; what is no token counts as one, since the parser will
// say so.
func Scan(document string) (tokens int, refused *gqlerror.Error) {
	if len(document) > MaxBytes {
		return 0, refuse(nil, "The document has %d bytes, and may have %d: put data into variables.", len(document), MaxBytes)
	}
	depth := 0
	for i := 0; i < len(document); {
		switch c := document[i]; {
		case strings.IndexByte(" \t\r\n,", c) >= 0:
			i++
			continue
		case strings.HasPrefix(document[i:], "\uFEFF"):
			i += len("\uFEFF")
			continue
		case c == '#':
			i += comment(document[i:])
		case c == '"':
			i += text(document[i:])
		case isName(c) || c == '-' || c == '.':
			i += word(document[i:])
		default:
			switch c {
			case '{', '[', '(':
				depth++
			case '}', ']', ')':
				depth--
			}
			i++
		}
		tokens++
		switch {
		case tokens > MaxTokens:
			return tokens, refuse(nil, "The document has more than %d tokens: ask for less at a time, and put data into variables.", MaxTokens)
		case depth > MaxNesting:
			return tokens, refuse(nil, "The document nests more than %d deep: ask for less at a time.", MaxNesting)
		}
	}
	return tokens, nil
}

func isName(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// comment is how long the comment is that s begins with.
func comment(s string) int {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' {
			return i
		}
	}
	return len(s)
}

// text is how long the string is that s begins with, or what is there of it.
func text(s string) int {
	if strings.HasPrefix(s, `"""`) {
		for i := 3; i < len(s); i++ {
			switch {
			case strings.HasPrefix(s[i:], `\"""`):
				i += 3
			case strings.HasPrefix(s[i:], `"""`):
				return i + 3
			}
		}
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n', '\r':
			return i
		}
	}
	return len(s)
}

// word is how long the name, the number or the spread is that s begins with.
func word(s string) int {
	if strings.HasPrefix(s, "...") {
		return 3
	}
	number := s[0] == '-' || '0' <= s[0] && s[0] <= '9'
	for i := 1; i < len(s); i++ {
		exponent := number && (s[i-1] == 'e' || s[i-1] == 'E')
		switch c := s[i]; {
		case !number && isName(c), number && '0' <= c && c <= '9', number && (c == '.' || c == 'e' || c == 'E'):
		case exponent && (c == '-' || c == '+'):
		default:
			return i
		}
	}
	return len(s)
}

// refuse makes the error for what is beyond a limit.
func refuse(at *ast.Position, format string, args ...any) *gqlerror.Error {
	return located(at, apierror.New(apierror.TooComplex, format, args...))
}

func located(at *ast.Position, err *apierror.Error) *gqlerror.Error {
	e := &gqlerror.Error{Err: err, Message: err.Message, Extensions: map[string]any{"code": string(err.Code)}}
	if at != nil {
		e.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
	}
	return e
}
