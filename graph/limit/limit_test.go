package limit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/zeroten/zeroten/examples"
	"github.com/zeroten/zeroten/internal/apierror"
)

func parse(t testing.TB, text string) *ast.QueryDocument {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return doc
}

func introspection(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// usual are documents that nobody may refuse.
func usual(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{"introspection": introspection(t)}
	names, err := fs.Glob(examples.Files, "*.graphql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d examples: %v", len(names), err)
	}
	for _, name := range names {
		text, err := examples.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// check wants no refusal, or one with a code that says something.
func check(t *testing.T, refused *gqlerror.Error, code apierror.Code, want string) {
	t.Helper()
	switch {
	case want == "":
		if refused != nil {
			t.Errorf("refused: %v", refused)
		}
	case refused == nil:
		t.Errorf("let through, want %q", want)
	default:
		var known *apierror.Error
		if !errors.As(refused, &known) || known.Code != code || !strings.Contains(refused.Message, want) {
			t.Errorf("%v, want %s with %q", refused, code, want)
		}
	}
}

// times repeats what a format makes of 0, 1, 2 ….
func times(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
	}
	return b.String()
}

func nested(n int, open, inner, shut string) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
}

func TestScan(t *testing.T) {
	for name, test := range map[string]struct{ document, want string }{
		"none":                 {"", ""},
		"longest":              {"{a}" + strings.Repeat(" ", MaxBytes-3), ""},
		"too long":             {"{a}" + strings.Repeat(" ", MaxBytes-2), "16385 bytes"},
		"most tokens":          {"{" + strings.Repeat("a ", MaxTokens-2) + "}", ""},
		"too many tokens":      {"{" + strings.Repeat("a ", MaxTokens-1) + "}", "1000 tokens"},
		"punctuators":          {strings.Repeat("!", MaxTokens+1), "1000 tokens"},
		"comments":             {strings.Repeat("#\n", MaxTokens+1), "1000 tokens"},
		"ignored":              {"{a" + strings.Repeat(", \ufeff\t", 2*MaxTokens) + "}", ""},
		"deepest":              {nested(MaxNesting, "{a", "", "}"), ""},
		"braces":               {nested(MaxNesting+1, "{a", "", "}"), "64 deep"},
		"braces left open":     {strings.Repeat("{a", MaxNesting+1), "64 deep"},
		"lists":                {"{a(b:" + nested(MaxNesting-1, "[", "1", "]") + ")}", "64 deep"},
		"objects":              {"{a(b:" + nested(MaxNesting-1, "{a:", "1", "}") + ")}", "64 deep"},
		"mixed":                {strings.Repeat("{([", 22), "64 deep"},
		"side by side":         {"{" + strings.Repeat("a{b}", 100) + "}", ""},
		"in a string":          {`{a(b:"` + strings.Repeat("{", 100) + `\"` + strings.Repeat("{", 100) + `")}`, ""},
		"after a string":       {`{a(b:"\\")` + strings.Repeat("{a", 100), "64 deep"},
		"after an open string": {"{a(b:\"\n" + strings.Repeat("{a", 100), ""}, // the parser stops there
		"in a block":           {`{a(b:"""` + strings.Repeat("{\n", 100) + `\"""` + strings.Repeat(`"{`, 100) + `""")}`, ""},
		"after a block":        {`{a(b:"""""")` + strings.Repeat("{a", 100), "64 deep"},
		"in a comment":         {"{a #" + strings.Repeat("{", 100) + "\n}", ""},
		"after a comment":      {"{a #\r" + strings.Repeat("{a", 100), "64 deep"},
		"shut too often":       {strings.Repeat("}", 100) + strings.Repeat("{a", 100), ""}, // the parser stops at the first
	} {
		t.Run(name, func(t *testing.T) {
			_, refused := Scan(test.document)
			check(t, refused, apierror.TooComplex, test.want)
		})
	}
}

func TestUsualDocuments(t *testing.T) {
	for name, text := range usual(t) {
		tokens, refused := Scan(text)
		check(t, refused, "", "")
		check(t, Shape(parse(t, text)), "", "")
		t.Logf("%s: %d tokens", name, tokens)
	}
}

// doubling are fragments that each spread the next one twice.
func doubling(n int, extra string) string {
	return "{feedback{" + extra + "...F0}}" + times(n, "fragment F# on Feedback{"+extra+"...G# ...G#}fragment G# on Feedback{...H#}") +
		times(n, "fragment H# on Feedback{nps}")
}

func TestShape(t *testing.T) {
	powers := "{feedback{...F0}}"
	for i := range 26 {
		powers += fmt.Sprintf("fragment F%d on Feedback{...F%d ...F%d}", i, i+1, i+1)
	}
	powers += "fragment F26 on Feedback{score{nps}}"

	for name, test := range map[string]struct{ document, want string }{
		"deepest":                 {nested(MaxDepth-1, "{a", "{a}", "}"), ""},
		"too deep":                {nested(MaxDepth, "{a", "{a}", "}"), "20 deep"},
		"deep by fragments":       {"{a{...F}} fragment F on T" + nested(MaxDepth-1, "{a", "{a}", "}"), "20 deep"},
		"inline is no depth":      {"{a" + nested(40, "{...", "{a}", "}") + "}", ""},
		"most aliases":            {"{" + times(MaxAliases, "a#:a ") + "}", ""},
		"too many aliases":        {"{" + times(MaxAliases+1, "a#:a ") + "}", "15 names"},
		"aliases below":           {"{a{" + times(MaxAliases+1, "a#:b ") + "}}", "15 names"},
		"aliases in fragments":    {"{a{...F ...{" + times(8, "b#:b ") + "}}} fragment F on T{" + times(8, "a#:b ") + "}", "15 names"},
		"aliases in two halves":   {"{a{" + times(8, "a#:b ") + "} a{" + times(8, "b#:b ") + "}}", "15 names"},
		"aliases of two fields":   {"{a{" + times(MaxAliases, "a#:b b#:c ") + "}}", ""},
		"aliases in two places":   {"{a{" + times(MaxAliases, "a#:b ") + "}b{" + times(MaxAliases, "a#:b ") + "}}", ""},
		"most repeats":            {"{" + strings.Repeat("a ", MaxRepeats) + "}", ""},
		"too many repeats":        {"{" + strings.Repeat("a ", MaxRepeats+1) + "}", "30 times"},
		"a thousand times":        {"{" + strings.Repeat("a ", 990) + "}", "30 times"},
		"repeats below":           {"{" + strings.Repeat("a{"+strings.Repeat("b ", 6)+"}", 6) + "}", "30 times"},
		"most root fields":        {"{" + times(MaxRootFields, "a# ") + "}", ""},
		"too many root fields":    {"{" + times(MaxRootFields+1, "a# ") + "}", "51 fields at the root"},
		"more fields below":       {"{a{" + times(MaxRootFields+1, "a# ") + "}}", ""},
		"most definitions":        {times(MaxDefinitions, "query Q#{a}"), ""},
		"too many definitions":    {"{a}" + times(MaxDefinitions, "fragment F# on T{a}"), "51 operations and fragments"},
		"most directives":         {"{a " + strings.Repeat("@d ", MaxDirectives) + "}", ""},
		"too many directives":     {"{a " + strings.Repeat("@d ", MaxDirectives+1) + "}", "11 directives"},
		"directives of a query":   {"query " + strings.Repeat("@d ", MaxDirectives+1) + "{a}", "11 directives"},
		"directives of variables": {"query($a:Int" + strings.Repeat("@d ", MaxDirectives+1) + "){a}", "11 directives"},
		"directives of fragments": {"{...F} fragment F on T " + strings.Repeat("@d ", MaxDirectives+1) + "{a}", "11 directives"},
		"directives of spreads":   {"{...F " + strings.Repeat("@d ", MaxDirectives+1) + "} fragment F on T{a}", "11 directives"},
		"directives inline":       {"{... " + strings.Repeat("@d ", MaxDirectives+1) + "{a}}", "11 directives"},
		"most selections":         {"{" + times(20, "a#{...A}") + "} fragment A on T{" + times(48, "b# ") + "}", ""},
		"too many selections":     {"{" + times(20, "a#{...A}") + "} fragment A on T{" + times(49, "b# ") + "}", "too many selections"},
		"too much work":           {times(6, "query Q#{a{...A}}") + "fragment A on T{" + times(15, "b#{...B}") + "} fragment B on T{" + times(50, "b# ") + "}", "too many selections"},
		"26 times 2":              {powers, "too many selections"},
		"unused, 26 times 2":      {"{a}" + powers[len("{feedback{...F0}}"):], "too many selections"},
		"doubling":                {doubling(10, "score{nps}"), ""},
		"unknown fragment":        {"{...F}", ""}, // the validator's
		"introspection":           {"{__schema{types{fields{args{name}}}}}", ""},
		"introspection bomb":      {"{__schema{types{fields{type{fields{type{fields{name}}}}}}}}", "Introspection"},
		"bomb of mixed lists":     {"{__type(name:\"T\"){fields{args{type{enumValues{name}}}}}}", "Introspection"},
		"bomb of fragments":       {"{...Q} fragment Q on Query{__schema{types{...T}}} fragment T on __Type{fields{type{possibleTypes{interfaces{name}}}}}", "Introspection"},
		"our own fields":          {"{a{fields{args{fields{args{name}}}}}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, Shape(parse(t, test.document)), apierror.TooComplex, test.want)
		})
	}
}

func TestShapeOfWhatIsNotAllowed(t *testing.T) {
	for name, test := range map[string]struct{ document, want string }{
		"itself":        {"{...F} fragment F on T{...F}", "F is spread within itself"},
		"itself below":  {"{...F} fragment F on T{a{...F}}", "F is spread within itself"},
		"two":           {"{a} fragment F on T{...G} fragment G on T{a{...F}}", "spread within itself"},
		"defer":         {"{... @defer{a}}", "@defer is not supported"},
		"defer spread":  {"{...F @defer} fragment F on T{a}", "@defer is not supported"},
		"stream":        {"{a @stream}", "@stream is not supported"},
		"defer by a no": {"{... @defer(if:false){a}}", "@defer is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			refused := Shape(parse(t, test.document))
			check(t, refused, apierror.BadRequestCode, test.want)
			if refused != nil && len(refused.Locations) != 1 {
				t.Errorf("locations: %v", refused.Locations)
			}
		})
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range usual(f) {
		f.Add(text)
	}
	for _, text := range []string{`{a(b:"""x\"""y""")}`, "{a(b:-1.5e+3)}", "#c\n{a}#", `{a(b:"\"")}`, "\ufeff{a,b}", "{a(b:[1 2]){...on T{c}}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, refused := Scan(text)
		if refused != nil {
			return
		}
		// The parser counts the same tokens, so that nothing hides from the scan in a string or a comment.
		if _, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, MaxTokens); err != nil || tokens < 2 {
			return
		}
		if _, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, tokens); err != nil {
			t.Errorf("%q has %d tokens; the parser: %v", text, tokens, err)
		}
		if _, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, tokens-1); err == nil {
			t.Errorf("%q has %d tokens; the parser finds fewer", text, tokens)
		}
	})
}
