package importer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/trait"
	"golang.org/x/text/language"
)

// missing are the ways, in lower case, in which programs write that there is no value.
var missing = []string{"", "na", "n/a", "#n/a", "nan", "null", "<na>", "-", "--", "–", "—", `\n`}

// given is the text of a field without the space around it; "" where it says that there is no value.
func given(field string) string {
	text := bare(field)
	if len(text) <= len("null") && slices.Contains(missing, strings.ToLower(text)) {
		return ""
	}
	return text
}

// truths are the words, in lower case, that a BOOLEAN may be written as. Those of one digit are read as such only
// where a BOOLEAN is asked for.
var truths = map[string]bool{"true": true, "yes": true, "1": true, "false": false, "no": false, "0": false}

// parseLanguage reads a BCP 47 language tag, which may be written with underscores, of at most 35 characters.
func parseLanguage(text string) (tag string, ok bool) {
	// LimeSurvey tells German with du from German with Sie.
	text = strings.TrimSuffix(text, "-informal")
	t, err := language.Parse(text)
	if err != nil {
		return "", false
	}
	tag = t.String()
	return tag, len(tag) <= 35
}

// maxDistinct is how many values of a trait are told apart. A dimension keeps no more than 200.
const maxDistinct = 200

// traitGuess gathers what the values of a column can be.
type traitGuess struct {
	// seen is how many values there are; the others are how many of them are of which kind.
	seen, points, commas, booleans, days int
	dates                                dateGuess
	// distinct are the different values, until they are too many.
	distinct map[string]struct{}
	many     bool
}

func (g *traitGuess) see(text string, line int) {
	g.seen++
	if countsAsNumber(text, false) {
		g.points++
	}
	if countsAsNumber(text, true) {
		g.commas++
	}
	if _, ok := truths[strings.ToLower(text)]; ok && len(text) > 1 {
		g.booleans++
	}
	if len(text) == len(time.DateOnly) && text[4] == '-' {
		if _, err := calendar.ParseDay(text); err == nil {
			g.days++
		}
	}
	g.dates.see(text, line)
	if !g.many {
		if g.distinct == nil {
			g.distinct = map[string]struct{}{}
		}
		if _, known := g.distinct[text]; !known {
			g.distinct[strings.Clone(text)] = struct{}{} // and not the whole row with it
		}
		g.many = len(g.distinct) > maxDistinct
	}
}

// countsAsNumber reports whether a value speaks for a NUMBER. Postcodes and long ids do not: as numbers they would lose
// what they are.
func countsAsNumber(text string, decimalComma bool) bool {
	number, ok := parseNumber(text, decimalComma)
	unsigned := strings.TrimLeft(text, "+-")
	padded := len(unsigned) > 1 && unsigned[0] == '0' && leadingDigits(unsigned) == len(unsigned)
	return ok && math.Abs(number) <= trait.MaxNumber && !padded
}

// decimalComma reports whether the column's numbers have decimal commas.
func (g *traitGuess) decimalComma() bool { return g.commas > g.points }

func (g *traitGuess) kind() trait.Kind {
	switch g.seen {
	case 0:
		return trait.Text
	case g.points, g.commas:
		return trait.Number
	case g.booleans:
		return trait.Boolean
	case g.days:
		return trait.Date
	}
	return trait.Text
}

// parseTrait reads a value of a trait.
func (c *traitColumn) parseTrait(text string) (any, error) {
	switch c.kind {
	case trait.Number:
		number, ok := parseNumber(text, c.guess.decimalComma())
		if !ok {
			return nil, fmt.Errorf("the trait %s is a NUMBER, and %.40q is none", c.key, text)
		}
		return number, nil
	case trait.Boolean:
		truth, ok := truths[strings.ToLower(text)]
		if !ok {
			return nil, fmt.Errorf("the trait %s is a BOOLEAN, and %.40q is neither true nor false", c.key, text)
		}
		return truth, nil
	case trait.Date:
		t, _, err := c.dates.parse(text, time.UTC)
		if err != nil {
			return nil, fmt.Errorf("the trait %s is a DATE: %w", c.key, err)
		}
		return t.Format(time.DateOnly), nil
	}
	return text, nil
}
