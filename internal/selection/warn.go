package selection

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/trait"
	"github.com/zeroten/zeroten/internal/warning"
	"golang.org/x/text/unicode/norm"
)

// Warn notes in the context what the filter names and no response has, or what is not found by its name. Who is narrowed
// hears only what the definitions of traits say: the rest would tell of what there is besides.
func (f *Filter) Warn(ctx context.Context, sel *Selection) {
	if !warning.Wanted(ctx) || sel.state == nil {
		return
	}
	profiles := sel.state.Active.Profiles
	w := warner{ctx: ctx, whole: sel.narrowing.IsZero()}
	for i, variant := range f.Variants {
		w.value("variants", variant, profiles.VariantStanding(variant), profiles.KnownVariants, []string{"filter", "variants", apierror.Index(i)})
	}
	if f.Where != nil {
		w.rule(sel.state.Active.Shape.Dimensions, profiles, f.Where, []string{"filter", "where"})
	}
}

type warner struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the call
	whole bool
	// compared is how many values were looked for what looks like them.
	compared int
}

func (w *warner) rule(dims []trait.Dimension, profiles *trait.Profiles, r *segment.Rule, path []string) {
	under := func(steps ...string) []string { return append(slices.Clone(path), steps...) }
	for i := range r.All {
		w.rule(dims, profiles, &r.All[i], under("all", apierror.Index(i)))
	}
	for i := range r.Any {
		w.rule(dims, profiles, &r.Any[i], under("any", apierror.Index(i)))
	}
	if r.Not != nil {
		w.rule(dims, profiles, r.Not, under("not"))
	}
	if r.Trait == nil {
		return
	}
	at := slices.IndexFunc(dims, func(d trait.Dimension) bool { return d.Key == r.Trait.Key })
	for i, value := range r.Trait.In {
		place := under("trait", "in", apierror.Index(i))
		if named := dims[at].Named(value); named != value {
			warning.Add(w.ctx, warning.TakenFor, place, "%q is taken for the range %q.", short(value), named)
		} else if len(dims[at].Edges) == 0 {
			w.value(r.Trait.Key, value, profiles.Standing(at, value), func() []string { return profiles.Known(at) }, place)
		}
	}
}

// value warns of one value of a dimension or of the variants.
func (w *warner) value(of, value string, standing trait.Standing, known func() []string, path []string) {
	if !w.whole {
		return
	}
	switch standing {
	case trait.Apart:
	case trait.PartOfOther:
		warning.Add(w.ctx, warning.PartOfOther, path,
			"%q is not kept apart: there are too many values of %s. Responses that have it are part of (other).", short(value), of)
	case trait.PartlyOther:
		warning.Add(w.ctx, warning.PartOfOther, path,
			"There are too many combinations of values: some responses that have %q may be part of (other).", short(value))
	case trait.Unseen:
		if w.compared++; w.compared > warning.Most {
			return
		}
		hint := ""
		if like := alike(value, known()); len(like) > 0 {
			hint = fmt.Sprintf(" There is %s.", strings.Join(like, ", "))
		}
		warning.Add(w.ctx, warning.NoSuchValue, path, "No response has %q.%s", short(value), hint)
	}
}

// maxAlike is how long texts are that are compared letter by letter.
const maxAlike = 64

// short is a value as messages show it.
func short(value string) string {
	if r := []rune(value); len(r) > maxAlike {
		return string(r[:maxAlike]) + "…"
	}
	return value
}

// alike are up to three of the known values that look like a value, the likeliest first, in quotes.
func alike(value string, known []string) []string {
	type candidate struct {
		value    string
		distance int
	}
	var found []candidate
	want := plain(value)
	for _, k := range known {
		have := plain(k)
		if max(len(want), len(have)) > maxAlike {
			continue
		}
		if d := distance(want, have); d <= min(2, max(len(want), len(have))/3) {
			found = append(found, candidate{k, d})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.value, b.value))
	})
	var texts []string
	for _, c := range found[:min(3, len(found))] {
		texts = append(texts, fmt.Sprintf("%q", c.value))
	}
	return texts
}

// plain is a text without what people mistake: case, accents, blanks and dashes.
func plain(text string) []rune {
	var all []rune
	for _, r := range norm.NFKD.String(short(text)) {
		if unicode.IsMark(r) || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '_' || r == '−' {
			continue
		}
		all = append(all, unicode.ToLower(r))
	}
	return all
}

// distance is how many letters are to be put in, taken out or changed (Levenshtein 1966).
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		before := row[0]
		row[0] = i + 1
		for j, y := range b {
			changed := before
			if x != y {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
