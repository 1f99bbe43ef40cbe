package limit

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
)

// MaxCost is what an operation may cost.
const MaxCost = 1_000

const (
	// point is 1 in the unit that is counted in: a value of the answer.
	point = 100
	// listed is what a value that is a list counts as.
	listed = 10
	// saturated is the highest cost that is counted.
	saturated = math.MaxInt32
)

// Costs knows what operations on one schema cost: a number that grows with the work that they make, and that is about
// how many things are read.
type Costs struct {
	// fields has all fields that cost anything, or count items.
	fields map[*ast.FieldDefinition]weight
	// introspection has the fields of introspection, with how many items each of them has.
	introspection map[*ast.FieldDefinition]int
	roots         map[*ast.FieldDefinition]bool // __schema and __type
	// ruled are the fields with an argument that may hold a segment's rule.
	ruled map[*ast.FieldDefinition]bool
}

// NewCosts finds the fields of a schema in the table of weights.
func NewCosts(schema *ast.Schema) *Costs {
	c := &Costs{
		fields:        map[*ast.FieldDefinition]weight{},
		introspection: map[*ast.FieldDefinition]int{},
		roots:         map[*ast.FieldDefinition]bool{},
		ruled:         map[*ast.FieldDefinition]bool{},
	}
	sizes := introspectionSizes(schema)
	for _, t := range schema.Types {
		root := t == schema.Query || t == schema.Mutation || t == schema.Subscription
		for _, f := range t.Fields {
			if strings.HasPrefix(t.Name, "__") {
				c.introspection[f] = 1
				if f.Type.Elem != nil {
					c.introspection[f] = max(1, sizes[f.Name])
				}
				continue
			}
			if root && strings.HasPrefix(f.Name, "__") {
				c.roots[f] = true
			}
			if w, ok := weightOf(t.Name, f, root); ok {
				w.root = root
				c.fields[f] = w
			}
			for _, a := range f.Arguments {
				if holdsRule(schema, a.Type, map[string]bool{}) {
					c.ruled[f] = true
				}
			}
		}
	}
	return c
}

// weightOf is what a field costs, as weights has it; what is a connection is a page.
func weightOf(typeName string, f *ast.FieldDefinition, root bool) (weight, bool) {
	if w, ok := weights[typeName+"."+f.Name]; ok {
		return w, true
	}
	if w, ok := weights["*."+f.Name]; ok {
		return w, true
	}
	if strings.HasSuffix(f.Type.Name(), "Connection") {
		return weight{size: paged}, true
	}
	return weight{own: 1}, root
}

// ruleInput is the type of a segment's rule.
const ruleInput = "SegmentRuleInput"

// holdsRule reports whether an input may hold a segment's rule.
func holdsRule(schema *ast.Schema, t *ast.Type, seen map[string]bool) bool {
	name := t.Name()
	if name == ruleInput {
		return true
	}
	if seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(schema.Types[name].Fields, func(f *ast.FieldDefinition) bool { return holdsRule(schema, f.Type, seen) })
}

// introspectionSizes is how many items the lists of introspection have, on an average where there are many.
func introspectionSizes(schema *ast.Schema) map[string]int {
	var composite, inputs, enums, fields, args, inputFields, values int
	for _, t := range schema.Types {
		switch t.Kind {
		case ast.Object, ast.Interface:
			composite++
			for _, f := range t.Fields {
				fields++
				args += len(f.Arguments)
			}
		case ast.InputObject:
			inputs++
			inputFields += len(t.Fields)
		case ast.Enum:
			enums++
			values += len(t.EnumValues)
		case ast.Scalar, ast.Union:
		}
	}
	mean := func(n, of int) int { return int(math.Ceil(float64(n) / float64(max(1, of)))) }
	return map[string]int{
		"types":         len(schema.Types),
		"directives":    len(schema.Directives),
		"fields":        mean(fields, composite),
		"args":          mean(args, fields),
		"inputFields":   mean(inputFields, inputs),
		"enumValues":    mean(values, enums),
		"possibleTypes": 2,
		"interfaces":    1,
	}
}

// Of is what a valid operation is reckoned to cost before it runs, with variables as the validator made them; it never
// ends in an overflow. Each fragment is counted once, however often it is spread. What shows only while it is done comes
// in addition.
func (c *Costs) Of(op *ast.OperationDefinition, variables map[string]any) int {
	return c.count(op.SelectionSet, variables) / point
}

func (c *Costs) count(set ast.SelectionSet, variables map[string]any) int {
	counting := counting{Costs: c, variables: variables}
	return counting.selections(set, 1)
}

// counting is one counting.
type counting struct {
	*Costs

	variables map[string]any
	known     map[spread]int
}

// spread is a fragment, where there are so many items in the page or the bulk that it is spread in.
type spread struct {
	fragment *ast.FragmentDefinition
	items    int
}

func (c *counting) selections(set ast.SelectionSet, n int) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if c.included(s.Directives) {
				sum = add(sum, c.field(s, n))
			}
		case *ast.InlineFragment:
			if c.included(s.Directives) {
				sum = add(sum, c.selections(s.SelectionSet, n))
			}
		case *ast.FragmentSpread:
			if s.Definition != nil && c.included(s.Directives) {
				sum = add(sum, c.fragment(spread{s.Definition, n}))
			}
		}
	}
	return sum
}

func (c *counting) fragment(s spread) int {
	if cost, ok := c.known[s]; ok {
		return cost
	}
	if c.known == nil {
		c.known = map[spread]int{}
	}
	c.known[s] = 0 // within itself, which is not valid
	cost := c.selections(s.fragment.SelectionSet, s.items)
	c.known[s] = cost
	return cost
}

// field is what a field costs with all below it. n is how many items there are in the page or the bulk above.
func (c *counting) field(f *ast.Field, n int) int {
	if items, ok := c.introspection[f.Definition]; ok {
		return mul(items, add(1, c.selections(f.SelectionSet, 1)))
	}
	w := c.fields[f.Definition]
	size := c.size(w, f, n)
	own := add(c.own(w, size), c.rules(f))
	switch {
	case c.roots[f.Definition]:
		return add(own, mul(point, c.selections(f.SelectionSet, 1)/introspectionValues))
	case len(f.SelectionSet) == 0:
		return add(own, leaf(f))
	}
	switch w.size {
	case paged, bulk:
		return add(own, c.selections(f.SelectionSet, size))
	case list, groups, items, points:
		return add(own, mul(size, c.selections(f.SelectionSet, 1)))
	case single, ruled:
	}
	return add(own, c.selections(f.SelectionSet, 1))
}

// leaf is what a field costs that nothing is asked below.
func leaf(f *ast.Field) int {
	if f.Definition != nil && f.Definition.Type.Elem != nil {
		return listed
	}
	return 1
}

// values are how many a selection has in the answer, n times those of items. Lists in it count theirs themselves.
func (c *counting) values(set ast.SelectionSet, n int) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if !c.included(s.Directives) {
				continue
			}
			switch w := c.fields[s.Definition]; {
			case len(s.SelectionSet) == 0:
				sum = add(sum, leaf(s))
			case w.size == items:
				sum = add(sum, mul(n, c.values(s.SelectionSet, 1)))
			case w.size == single:
				sum = add(sum, c.values(s.SelectionSet, n))
			}
		case *ast.InlineFragment:
			if c.included(s.Directives) {
				sum = add(sum, c.values(s.SelectionSet, n))
			}
		case *ast.FragmentSpread:
			if s.Definition != nil && c.included(s.Directives) {
				sum = add(sum, c.values(s.Definition.SelectionSet, n))
			}
		}
	}
	return sum
}

// rules is what the rules cost that are in a field's arguments.
func (c *counting) rules(f *ast.Field) int {
	if !c.ruled[f.Definition] {
		return 0
	}
	rules, values := 0, 0
	for _, a := range f.Arguments {
		r, v := c.steps(a.Value)
		rules, values = add(rules, r), add(values, v)
	}
	return mul(point, segment.Steps(rules, values)) / rate.StepsPerPoint
}

// steps is how many rules there are in an argument, and how many values in their lists. Each rule is an object with one
// of these names, and no other input has them.
func (c *counting) steps(v *ast.Value) (rules, values int) {
	if v == nil {
		return 0, 0
	}
	if v.Kind == ast.Variable {
		return stepsOf(c.variables[v.Raw])
	}
	for _, child := range v.Children {
		switch child.Name {
		case "all", "any", "not", "trait":
			rules++
		case "in":
			values = add(values, c.len(child.Value))
			continue
		}
		r, n := c.steps(child.Value)
		rules, values = add(rules, r), add(values, n)
	}
	return rules, values
}

func stepsOf(value any) (rules, values int) {
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			switch name {
			case "all", "any", "not", "trait":
				rules++
			case "in":
				values = add(values, lenOf(child))
				continue
			}
			r, n := stepsOf(child)
			rules, values = add(rules, r), add(values, n)
		}
	case []any:
		for _, child := range v {
			r, n := stepsOf(child)
			rules, values = add(rules, r), add(values, n)
		}
	}
	return rules, values
}

// own is what a field costs by itself, with the given number of items in it.
func (c *Costs) own(w weight, size int) int {
	own := w.own
	switch w.size {
	case paged:
		own = add(1, size)
	case list:
		own = size
	case bulk:
		own = add(w.own, size/10)
	case points:
		own = add(w.own, size/pointsPerCost)
	case single, groups, items, ruled:
	}
	return mul(own, point)
}

// size is how many items a field has. n is how many there are in the page or the bulk above.
func (c *counting) size(w weight, f *ast.Field, n int) int {
	switch w.size {
	case paged:
		if !showsItems(f.SelectionSet) {
			return 1
		}
		first, forwards := c.number(f, "first")
		last, backwards := c.number(f, "last")
		switch {
		case forwards || backwards:
			return min(max(first, last, 1), pageMax)
		default:
			return pageDefault
		}
	case list:
		if w.argument == "" {
			return w.count
		}
		return c.length(f.Arguments.ForName(w.argument))
	case groups:
		if limit, ok := c.number(f, w.argument); ok {
			return min(max(limit, 1), groupsMax) + 1
		}
		return w.count + 1
	case bulk:
		return c.within(f.Arguments.ForName("input"), w.argument)
	case items:
		return n
	case points:
		if arg := f.Arguments.ForName(w.argument); arg != nil {
			if n, ok := pointsOf[fmt.Sprint(c.value(arg.Value))]; ok {
				return n
			}
		}
		if w.count > 0 {
			return w.count
		}
		return pointsOf["MONTH"]
	case single, ruled:
	}
	return 1
}

// showsItems reports whether a connection is asked for more than how many there are. What is behind a fragment counts as
// if it were.
func showsItems(set ast.SelectionSet) bool {
	return slices.ContainsFunc(set, func(s ast.Selection) bool {
		f, ok := s.(*ast.Field)
		return !ok || f.Name == "edges" || f.Name == "nodes"
	})
}

// number is an argument's whole number, from 0; ok is false where none is given.
func (c *counting) number(f *ast.Field, argument string) (n int, ok bool) {
	arg := f.Arguments.ForName(argument)
	if arg == nil {
		return 0, false
	}
	switch value := c.value(arg.Value).(type) {
	case nil:
		return 0, false
	case float64:
		return int(min(max(value, 0), saturated)), true
	case json.Number:
		return whole(value.String()), true
	case string:
		return whole(value), true
	default:
		if v := reflect.ValueOf(value); v.CanInt() {
			return int(min(max(v.Int(), 0), saturated)), true
		}
		return saturated, true
	}
}

// whole reads a number; one that cannot be read is refused by whoever is given it.
func whole(text string) int {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) {
		return 0
	}
	return int(min(max(n, 0), saturated))
}

// length is how many items the list of an argument has; one value stands for a list of one.
func (c *counting) length(arg *ast.Argument) int {
	if arg == nil {
		return 0
	}
	return c.len(arg.Value)
}

func (c *counting) len(v *ast.Value) int {
	if v.Kind == ast.ListValue {
		return len(v.Children)
	}
	return lenOf(c.value(v))
}

func lenOf(value any) int {
	if value == nil {
		return 0
	}
	if v := reflect.ValueOf(value); v.Kind() == reflect.Slice {
		return v.Len()
	}
	return 1
}

// within is how many items the list `name` of an argument that is an object has.
func (c *counting) within(arg *ast.Argument, name string) int {
	if arg == nil {
		return 0
	}
	if arg.Value.Kind == ast.ObjectValue {
		if child := arg.Value.Children.ForName(name); child != nil {
			return c.len(child)
		}
		return 0
	}
	object, _ := c.value(arg.Value).(map[string]any)
	return lenOf(object[name])
}

// value is what a scalar literal or a variable stands for; nil where nothing is given.
func (c *counting) value(v *ast.Value) any {
	switch v.Kind {
	case ast.Variable:
		return c.variables[v.Raw]
	case ast.IntValue, ast.FloatValue, ast.StringValue, ast.BlockValue, ast.EnumValue:
		return json.Number(v.Raw)
	case ast.BooleanValue:
		return v.Raw == "true"
	case ast.NullValue, ast.ListValue, ast.ObjectValue:
	}
	return nil
}

// included reports whether @skip and @include let something be.
func (c *counting) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		if arg := d.Arguments.ForName("if"); arg != nil {
			if yes, ok := c.value(arg.Value).(bool); ok && yes == (d.Name == "skip") {
				return false
			}
		}
	}
	return true
}

func add(a, b int) int { return min(a+b, saturated) }

// mul multiplies what is not negative; both fit into 31 bits.
func mul(a, b int) int { return min(a*b, saturated) }
