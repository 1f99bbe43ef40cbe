package limit

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
)

// Shape refuses a parsed document that is too deep, too broad, or becomes too much when its fragments are followed,
// so that it can be validated, which is quadratic in equal fields and exponential in some shapes of fragments. It also
// refuses fragments within themselves, and @defer and @stream, which the server does not carry out.
//
// Fields are counted where they will stand in the answer: selections of one name in one place are one field.
func Shape(doc *ast.QueryDocument) *gqlerror.Error {
	if n := len(doc.Operations) + len(doc.Fragments); n > MaxDefinitions {
		return refuse(nil, "The document has %d operations and fragments, and may have %d.", n, MaxDefinitions)
	}
	s := &shaper{fragments: map[string]*ast.FragmentDefinition{}, work: maxWork}
	for _, f := range doc.Fragments {
		if _, twice := s.fragments[f.Name]; !twice { // the validator's to refuse
			s.fragments[f.Name] = f
		}
	}
	for _, op := range doc.Operations {
		s.directives(op.Directives)
		for _, v := range op.VariableDefinitions {
			s.directives(v.Directives)
		}
		s.root(place{set: op.SelectionSet})
	}
	for _, f := range doc.Fragments {
		s.directives(f.Directives)
		s.root(place{set: f.SelectionSet, within: &chain{fragment: f.Name}})
	}
	return s.refused
}

// shaper goes through a document until something is refused.
type shaper struct {
	fragments map[string]*ast.FragmentDefinition
	left      int // how many selections the root may still have
	work      int // how many the document may still have
	refused   *gqlerror.Error
}

// place is a selection set, and the fragments that it is in.
type place struct {
	set    ast.SelectionSet
	within *chain
}

type chain struct {
	fragment string
	outer    *chain
}

func (c *chain) has(fragment string) bool {
	for ; c != nil; c = c.outer {
		if c.fragment == fragment {
			return true
		}
	}
	return false
}

// field is what will stand under one name in one place of the answer.
type field struct {
	key, name string
	at        *ast.Position
	times     int
	below     []place
}

func (s *shaper) refuse(err *gqlerror.Error) {
	if s.refused == nil {
		s.refused = err
	}
}

func (s *shaper) root(p place) {
	s.left = MaxSelections
	s.fields([]place{p}, 1, 0)
}

// fields looks at all selections of one place of the answer, then at the places below. lists is 0 outside of
// introspection, and within it one more than the number of lists that stand above.
func (s *shaper) fields(places []place, depth, lists int) {
	var all []field
	index := map[string]int{}
	for _, p := range places {
		s.collect(p, &all, index)
	}
	aliases := map[string]int{}
	for _, f := range all {
		if s.refused != nil {
			return
		}
		aliases[f.name]++
		switch {
		case depth > MaxDepth:
			s.refuse(refuse(f.at, "Fields stand more than %d deep in each other: ask for less at a time.", MaxDepth))
		case depth == 1 && len(all) > MaxRootFields:
			s.refuse(refuse(f.at, "There are %d fields at the root, and %d may be: send more than one operation.", len(all), MaxRootFields))
		case aliases[f.name] > MaxAliases:
			s.refuse(refuse(f.at, "%s is asked for by more than %d names in one place: send more than one operation.", f.name, MaxAliases))
		case f.times > MaxRepeats:
			s.refuse(refuse(f.at, "%s is asked for more than %d times in one place: once is enough.", f.name, MaxRepeats))
		}
		if len(f.below) > 0 {
			s.fields(f.below, depth+1, s.lists(f, depth, lists))
		}
	}
}

// introspectionLists are the fields of introspection whose items lead on to others.
var introspectionLists = []string{"fields", "inputFields", "args", "interfaces", "possibleTypes", "enumValues"}

func (s *shaper) lists(f field, depth, lists int) int {
	switch {
	case depth == 1 && (f.name == "__schema" || f.name == "__type"):
		return 1
	case lists > 0 && slices.Contains(introspectionLists, f.name):
		if lists > MaxIntrospectionLists {
			s.refuse(refuse(f.at, "Introspection goes through more than %d lists of fields, arguments and types in each other: ask for "+
				"the types by themselves.", MaxIntrospectionLists))
		}
		return lists + 1
	}
	return lists
}

// collect adds the fields of a selection set and of the fragments in it.
func (s *shaper) collect(p place, all *[]field, index map[string]int) {
	for _, selection := range p.set {
		s.left--
		s.work--
		if s.left < 0 || s.work < 0 {
			s.refuse(refuse(selection.GetPosition(),
				"With its fragments followed the document has too many selections: one operation may have %d.", MaxSelections))
		}
		if s.refused != nil {
			return
		}
		switch selection := selection.(type) {
		case *ast.Field:
			s.directives(selection.Directives)
			i, ok := index[selection.Alias]
			if !ok {
				i = len(*all)
				index[selection.Alias] = i
				*all = append(*all, field{key: selection.Alias, name: selection.Name, at: selection.Position})
			}
			f := &(*all)[i]
			f.times++
			if len(selection.SelectionSet) > 0 {
				f.below = append(f.below, place{selection.SelectionSet, p.within})
			}
		case *ast.InlineFragment:
			s.directives(selection.Directives)
			s.collect(place{selection.SelectionSet, p.within}, all, index)
		case *ast.FragmentSpread:
			s.directives(selection.Directives)
			def := s.fragments[selection.Name]
			if def == nil {
				continue // the validator's to refuse
			}
			if p.within.has(selection.Name) {
				s.refuse(located(selection.Position, apierror.BadRequest("The fragment %s is spread within itself.", selection.Name)))
				return
			}
			s.collect(place{def.SelectionSet, &chain{selection.Name, p.within}}, all, index)
		}
	}
}

func (s *shaper) directives(list ast.DirectiveList) {
	if len(list) > MaxDirectives {
		s.refuse(refuse(list[0].Position, "There are %d directives in one place, and %d may be.", len(list), MaxDirectives))
	}
	for _, d := range list {
		if d.Name == "defer" || d.Name == "stream" {
			s.refuse(located(d.Position, apierror.BadRequest("@%s is not supported here: answers come whole. Leave it out.", d.Name)))
		}
	}
}
