// Package input checks what operations give to arguments, where the specification leaves it to validators and the one in
// use is lax: values of enums are exactly the names of the schema, and no list is longer than its @length allows.
package input

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
)

// Checks knows what the inputs of one schema may be.
type Checks struct {
	schema *ast.Schema
	// enums are the types that are enums, or have one somewhere within them.
	enums map[string]bool
	// lists are the input types that have a list somewhere within them.
	lists map[string]bool
}

// New finds out what there is to check in a schema.
func New(schema *ast.Schema) *Checks {
	c := &Checks{schema: schema, enums: map[string]bool{}, lists: map[string]bool{}}
	// Inputs may hold themselves: what is found is passed on until nothing more is.
	for changed := true; changed; {
		changed = false
		for name, def := range schema.Types {
			enum, list := def.Kind == ast.Enum, false
			if def.Kind == ast.InputObject {
				for _, f := range def.Fields {
					enum = enum || c.enums[f.Type.Name()]
					list = list || f.Type.Elem != nil || c.lists[f.Type.Name()]
				}
			}
			if enum && !c.enums[name] || list && !c.lists[name] {
				c.enums[name], c.lists[name], changed = enum, list, true
			}
		}
	}
	return c
}

// Variables says which variable holds something for an enum that is none of its names. The validator's own check
// knows no difference of case; the values may be those that it has passed, or those that it has refused.
func (c *Checks) Variables(op *ast.OperationDefinition, values map[string]any) *gqlerror.Error {
	w := walk{Checks: c, path: ast.Path{ast.PathName("variable")}}
	for _, v := range op.VariableDefinitions {
		if !c.enums[v.Type.Name()] {
			continue
		}
		err := w.at(ast.PathName(v.Variable), func() *gqlerror.Error { return w.names(v.Type, values[v.Variable]) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Lengths says which list of an operation is longer than it may be, before anything is made of it. What the input of a
// mutation holds is left to its payload, whose userErrors say so.
func (c *Checks) Lengths(op *ast.OperationDefinition, values map[string]any) *gqlerror.Error {
	w := walk{Checks: c, values: values, mutation: op.Operation == ast.Mutation}
	return w.selections(op.SelectionSet)
}

// Max is how many items a list may have by its @length; 0 where it has none.
func Max(directives ast.DirectiveList) int {
	d := directives.ForName("length")
	if d == nil {
		return 0
	}
	arg := d.Arguments.ForName("max")
	if arg == nil {
		return 0
	}
	n, _ := strconv.Atoi(arg.Value.Raw)
	return n
}

// walk is on its way through an operation.
type walk struct {
	*Checks

	values   map[string]any
	mutation bool
	seen     map[*ast.FragmentDefinition]bool
	// path is where it is, from the root; it is one stack, since inputs may lie deep within each other.
	path ast.Path
	// argument is how many steps lead to the field whose argument it is in.
	argument int
	// position is where the argument stands in the document.
	position *ast.Position
}

// at takes one step.
func (w *walk) at(step ast.PathElement, check func() *gqlerror.Error) *gqlerror.Error {
	w.path = append(w.path, step)
	err := check()
	w.path = w.path[:len(w.path)-1]
	return err
}

// names checks the names of enums in a value as JSON has it.
func (w *walk) names(typ *ast.Type, value any) *gqlerror.Error {
	if value == nil || !w.enums[typ.Name()] {
		return nil
	}
	if typ.Elem != nil {
		list, ok := items(value)
		if !ok {
			return w.names(typ.Elem, value) // one value stands for a list of one
		}
		for i := range list.Len() {
			err := w.at(ast.PathIndex(i), func() *gqlerror.Error { return w.names(typ.Elem, list.Index(i).Interface()) })
			if err != nil {
				return err
			}
		}
		return nil
	}
	def := w.schema.Types[typ.NamedType]
	if def.Kind == ast.Enum {
		name, ok := value.(string)
		if ok && def.EnumValues.ForName(name) != nil {
			return nil
		}
		switch kind := reflect.ValueOf(value).Kind(); {
		case ok:
		case kind == reflect.Map || kind == reflect.Slice:
			return gqlerror.ErrorPathf(slices.Clone(w.path), "a value of %s is one of its names, and neither an object nor a list", def.Name)
		default:
			name = fmt.Sprint(value)
		}
		return gqlerror.ErrorPathf(slices.Clone(w.path), "%s", NotOf(def, name))
	}
	return w.fields(def, value, w.enums, func(f *ast.FieldDefinition, value any) *gqlerror.Error { return w.names(f.Type, value) })
}

// fields goes through the fields of an input object that are of one of the types.
func (w *walk) fields(def *ast.Definition, value any, types map[string]bool, check func(*ast.FieldDefinition, any) *gqlerror.Error) *gqlerror.Error {
	object, _ := value.(map[string]any)
	for _, f := range def.Fields {
		field, given := object[f.Name]
		if !given || f.Type.Elem == nil && !types[f.Type.Name()] {
			continue
		}
		if err := w.at(ast.PathName(f.Name), func() *gqlerror.Error { return check(f, field) }); err != nil {
			return err
		}
	}
	return nil
}

// items is a value as the list that it is.
func items(value any) (list reflect.Value, ok bool) {
	list = reflect.ValueOf(value)
	return list, list.Kind() == reflect.Slice
}

// mostNamed is how many of an enum's values a message names.
const mostNamed = 20

// NotOf says that a text is no name of an enum, which one was meant where only the case is another, and else which there
// are.
func NotOf(enum *ast.Definition, name string) string {
	shown := fmt.Sprintf("%.40q", name)
	if utf8.RuneCountInString(name) > 40 {
		shown += "…"
	}
	for _, value := range enum.EnumValues {
		if strings.EqualFold(value.Name, name) {
			return fmt.Sprintf("%s is not a valid %s: write %s", shown, enum.Name, value.Name)
		}
	}
	var names []string
	for _, value := range enum.EnumValues {
		names = append(names, value.Name)
	}
	more := ""
	if n := len(names) - mostNamed; n > 0 {
		names, more = names[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s is not a valid %s: want one of %s%s", shown, enum.Name, strings.Join(names, ", "), more)
}

func (w *walk) selections(set ast.SelectionSet) *gqlerror.Error {
	for _, selection := range set {
		var err *gqlerror.Error
		switch s := selection.(type) {
		case *ast.Field:
			if len(s.Arguments) == 0 && len(s.SelectionSet) == 0 {
				continue // most fields
			}
			err = w.at(ast.PathName(s.Alias), func() *gqlerror.Error { return w.field(s) })
		case *ast.InlineFragment:
			err = w.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			if s.Definition != nil && !w.seen[s.Definition] {
				if w.seen == nil {
					w.seen = map[*ast.FragmentDefinition]bool{}
				}
				w.seen[s.Definition] = true
				err = w.selections(s.Definition.SelectionSet)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) field(f *ast.Field) *gqlerror.Error {
	w.argument = len(w.path)
	for _, arg := range f.Arguments {
		def := f.Definition.Arguments.ForName(arg.Name)
		if def == nil || !w.hasList(def.Type) || w.mutation && len(w.path) == 1 {
			continue
		}
		w.position = arg.Position
		err := w.at(ast.PathName(arg.Name), func() *gqlerror.Error { return w.literal(def.Type, Max(def.Directives), arg.Value) })
		if err != nil {
			return err
		}
	}
	return w.selections(f.SelectionSet)
}

// hasList says that there may be a list in values of the type.
func (w *walk) hasList(typ *ast.Type) bool { return typ.Elem != nil || w.lists[typ.Name()] }

// literal checks the lengths of what stands in a document, with variables in it.
func (w *walk) literal(typ *ast.Type, most int, v *ast.Value) *gqlerror.Error {
	if !w.hasList(typ) {
		return nil
	}
	switch {
	case v.Kind == ast.Variable:
		return w.variable(typ, most, w.values[v.Raw])
	case v.Kind == ast.ListValue && typ.Elem != nil:
		if len(v.Children) > most {
			return w.tooLong(most, len(v.Children))
		}
		for i, child := range v.Children {
			if err := w.at(ast.PathIndex(i), func() *gqlerror.Error { return w.literal(typ.Elem, most, child.Value) }); err != nil {
				return err
			}
		}
	case v.Kind == ast.ObjectValue:
		def := w.schema.Types[typ.Name()]
		for _, child := range v.Children {
			f := def.Fields.ForName(child.Name)
			if f == nil {
				continue
			}
			if err := w.at(ast.PathName(f.Name), func() *gqlerror.Error { return w.literal(f.Type, Max(f.Directives), child.Value) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// variable checks the lengths of what a variable holds.
func (w *walk) variable(typ *ast.Type, most int, value any) *gqlerror.Error {
	if value == nil || !w.hasList(typ) {
		return nil
	}
	if typ.Elem == nil {
		return w.fields(w.schema.Types[typ.NamedType], value, w.lists, func(f *ast.FieldDefinition, value any) *gqlerror.Error {
			return w.variable(f.Type, Max(f.Directives), value)
		})
	}
	list, ok := items(value)
	if !ok {
		return w.variable(typ.Elem, most, value)
	}
	if list.Len() > most {
		return w.tooLong(most, list.Len())
	}
	for i := range list.Len() {
		if err := w.at(ast.PathIndex(i), func() *gqlerror.Error { return w.variable(typ.Elem, most, list.Index(i).Interface()) }); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) tooLong(most, n int) *gqlerror.Error {
	named := make([]string, 0, len(w.path))
	for _, step := range w.path[w.argument:] {
		named = append(named, fmt.Sprint(step))
	}
	err := apierror.BadRequest("%s: at most %d, not %d.", strings.Join(named, "."), most, n)
	e := &gqlerror.Error{Err: err, Message: err.Message, Path: slices.Clone(w.path)}
	if w.position != nil {
		e.Locations = []gqlerror.Location{{Line: w.position.Line, Column: w.position.Column}}
	}
	return e
}
