// Package warning collects what a caller should know of a request that was answered all the same.
package warning

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Code is what a warning is about, for programs.
type Code string

// The codes. The API's documentation says what they mean.
const (
	PartOfOther Code = "PART_OF_OTHER"
	NoSuchValue Code = "NO_SUCH_VALUE"
	TakenFor    Code = "TAKEN_FOR"
)

// Warning is one of them.
type Warning struct {
	// Path leads from the field of the answer to the argument, and on within it.
	Path []string `json:"path"`
	// Message is for people.
	Message string `json:"message"`
	Code    Code   `json:"code"`
}

// Most is how many warnings an answer has at most.
const Most = 20

// List collects warnings: each once, the first by path where there are too many. It is safe for concurrent use.
type List struct {
	field func(ctx context.Context) []string
	mu    sync.Mutex
	all   []Warning
}

type key struct{}

// With returns a context that collects into a list. field says which field of the answer a context is of.
func With(ctx context.Context, field func(ctx context.Context) []string) (context.Context, *List) {
	l := &List{field: field}
	return context.WithValue(ctx, key{}, l), l
}

// Wanted reports whether anybody collects.
func Wanted(ctx context.Context) bool { return ctx.Value(key{}) != nil }

// Add notes a warning about what is at the path within the field's arguments. Without a list it does nothing.
func Add(ctx context.Context, code Code, path []string, format string, args ...any) {
	l, ok := ctx.Value(key{}).(*List)
	if !ok {
		return
	}
	w := Warning{Path: append(slices.Clone(l.field(ctx)), path...), Message: fmt.Sprintf(format, args...), Code: code}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, found := slices.BinarySearchFunc(l.all, w, compare)
	if found {
		return
	}
	l.all = slices.Insert(l.all, at, w)
	l.all = l.all[:min(len(l.all), Most)]
}

func compare(a, b Warning) int {
	if c := slices.Compare(a.Path, b.Path); c != 0 {
		return c
	}
	return strings.Compare(string(a.Code)+a.Message, string(b.Code)+b.Message)
}

// All are the warnings, in the order of their paths.
func (l *List) All() []Warning {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}
