package selection_test

import (
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

func TestSearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		comments := []string{"Great SERVICE, très bien", "no service; it can't stay 50%_off", "\u0130stanbul: 36 \u212aelvin", "ΣΟΦΙΑ שלום", "naïve"}
		for _, c := range comments {
			f.Record(f.With(func(r *feedback.Recording) { r.Comment = &c }))
		}
		f.Record(f.Recording())
		for search, want := range map[string][]string{
			"serv":                   {comments[0], comments[1]},
			"BIEN gre":               {comments[0]},
			"TRÈS":                   {comments[0]},
			"ervice":                 {},
			"service bad":            {},
			"50":                     {comments[1]},
			"can_t":                  {},
			"can\u2019t":             {comments[1]},
			"'can't'":                {comments[1]},
			"an't":                   {},
			"50%":                    {comments[1]},
			"50 %":                   {comments[1]},
			"%o":                     {},
			"%_O":                    {comments[1]},
			"off!":                   {comments[1]},
			"off !":                  {},
			"\U0001f44e":             {},
			"nai\u0308ve":            {comments[4]},
			"¨":                      {},
			";":                      {comments[1]},
			"\"très bien\", service": {comments[0]},
			"\u0130stan":             {comments[2]},
			"istan":                  {},
			"kelvin":                 {},
			"36":                     {comments[2]},
			"σοφ":                    {comments[3]},
			"שלום":                   {comments[3]},
			"naïve":                  {comments[4]},
			"n":                      {comments[1], comments[4]},
		} {
			list, err := selection.List(f.Ctx, db, states, selection.Filter{Search: &search}, selection.Within{}, page.Args{}, nil, feedbacktest.Clock())
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, r := range list.Nodes() {
				got = append(got, *r.Comment)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%q finds %q, want %q", search, got, want)
			}
			if n, err := list.TotalCount(f.Ctx); err != nil || n != len(want) {
				t.Errorf("%q: %d are counted, %v; want %d", search, n, err, len(want))
			}
		}
	})
}
