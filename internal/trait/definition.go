package trait

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
)

// Kind is what the values of a trait are.
type Kind string

// The kinds of the schema's TraitKind.
const (
	Text    Kind = "TEXT"
	Number  Kind = "NUMBER"
	Boolean Kind = "BOOLEAN"
	// Date is a calendar day; as a dimension it counts as whole months from that day to the response.
	Date Kind = "DATE"
)

// Limits of what a tenant may define.
const (
	// MaxDimensions is how many of a tenant's traits are dimensions at most.
	MaxDimensions = 16
	// MaxEdges is the most edges that a trait is cut at.
	MaxEdges = 50
	// MaxLabel is how many characters a label has at most.
	MaxLabel = 200
)

// reservedKeys name what every response has besides its traits.
var reservedKeys = []string{"channel", "variant", "campaign"}

// Definition says what a tenant means by a trait.
type Definition struct {
	Key   string
	Label string
	Kind  Kind
	// IsDimension says whether segments and breakdowns may use the trait.
	IsDimension bool
	// Edges are where a NUMBER, or the months since a DATE, is cut into ranges, ascending; none leaves each value by itself.
	Edges []float64
}

// Validate says what is wrong with the definition; fields are key, label, kind and edges, and for a single edge its index too.
func (d Definition) Validate() apierror.UserErrors {
	var errs apierror.UserErrors
	switch {
	case d.Key == "":
		errs.Add(apierror.Required, []string{"key"}, "A trait needs a key: %s.", keyRule)
	case !isKey(d.Key):
		errs.Add(apierror.Invalid, []string{"key"}, "The key %.70q is not allowed: %s.", d.Key, keyRule)
	case slices.Contains(reservedKeys, d.Key):
		errs.Add(apierror.NotAllowed, []string{"key"}, "The key %s is reserved: every response has a %s besides its traits.", d.Key, d.Key)
	}
	errs.AtMost(MaxLabel, &d.Label, "label")
	if !utf8.ValidString(d.Label) || strings.ContainsRune(d.Label, 0) {
		errs.Add(apierror.Invalid, []string{"label"}, "The label is not valid UTF-8 or contains the character U+0000.")
	}
	switch d.Kind {
	case Number, Date:
		d.validateEdges(&errs)
	case Text, Boolean:
		if len(d.Edges) > 0 {
			errs.Add(apierror.Invalid, []string{"edges"}, "Only a NUMBER or a DATE can have edges, not a %s.", d.Kind)
		}
	default:
		errs.Add(apierror.Invalid, []string{"kind"}, "The kind %.20q is none of TEXT, NUMBER, BOOLEAN and DATE.", string(d.Kind))
	}
	return errs
}

func (d Definition) validateEdges(errs *apierror.UserErrors) {
	if len(d.Edges) > MaxEdges {
		errs.Add(apierror.TooMany, []string{"edges"}, "There are %d edges, at most %d are allowed.", len(d.Edges), MaxEdges)
		return
	}
	for i, edge := range d.Edges {
		field := []string{"edges", apierror.Index(i)}
		switch {
		case math.IsNaN(edge):
			errs.Add(apierror.Invalid, field, "An edge must be a number.")
		case math.Abs(edge) > MaxNumber:
			errs.Add(apierror.OutOfRange, field, "An edge lies within ±%d.", int64(MaxNumber))
		case d.Kind == Date && (edge < 0 || edge != math.Trunc(edge)):
			errs.Add(apierror.Invalid, field, "The edges of a DATE are whole months, 0 or more, not %s.", FormatNumber(edge))
		case i > 0 && edge <= d.Edges[i-1]:
			errs.Add(apierror.Invalid, field, "The edges must ascend: %s does not lie above %s.", FormatNumber(edge), FormatNumber(d.Edges[i-1]))
		}
	}
}
