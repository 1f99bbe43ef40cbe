// Package limit says which documents are too much, before they can do any harm: Scan before a document is parsed, Shape
// before it is validated, Costs before it runs. All of it takes time in proportion to what it lets through.
package limit

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
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

// Scan reads a document's tokens, as the parser will, and refuses it where it is too long, has too many of them, or nests
// too deep to be parsed. It returns how many there are, up to the first that is none and that one too: there the parser
// stops, and says so.
func Scan(document string) (tokens int, refused *gqlerror.Error) {
	if len(document) > MaxBytes {
		return 0, refuse(nil, "The document has %d bytes, and may have %d: put data into variables.", len(document), MaxBytes)
	}
	depth := 0
	for lex := lexer.New(&ast.Source{Input: document}); ; {
		token, err := lex.ReadToken()
		if err == nil && token.Kind == lexer.EOF {
			return tokens, nil
		}
		switch tokens++; token.Kind {
		case lexer.BraceL, lexer.BracketL, lexer.ParenL:
			depth++
		case lexer.BraceR, lexer.BracketR, lexer.ParenR:
			depth--
		}
		switch {
		case tokens > MaxTokens:
			return tokens, refuse(nil, "The document has more than %d tokens: ask for less at a time, and put data into variables.", MaxTokens)
		case depth > MaxNesting:
			return tokens, refuse(nil, "The document nests more than %d deep: ask for less at a time.", MaxNesting)
		case err != nil:
			return tokens, nil //nolint:nilerr // the parser stops at the same, and says so
		}
	}
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
