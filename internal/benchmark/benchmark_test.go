package benchmark

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// newTenant makes a tenant, and a context in which it calls.
func newTenant(t *testing.T, db *store.DB) context.Context {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return auth.ForTenant(t.Context(), made.ID)
}

// refusals writes user errors as `CODE field.field`.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var errs apierror.UserErrors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want user errors", err)
	}
	var texts []string
	for _, e := range errs {
		texts = append(texts, string(e.Code)+" "+strings.Join(e.Field, "."))
	}
	return texts
}

func good() CreateInput {
	return CreateInput{Industry: "airlines", Label: "Airlines", Average: 7, Year: 2024, Method: "Panel of 1,000.", Source: "A journal"}
}

// What comes with the program is what a tenant might enter, and is known by the same ids for ever.
func TestShipped(t *testing.T) {
	all, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Errorf("there are %d", len(all))
	}
	seen := map[string]bool{}
	ids := map[string]string{}
	for _, b := range all {
		in := CreateInput{
			Industry: b.Industry, Label: b.Label, Average: b.Average, Lowest: b.Lowest, Highest: b.Highest,
			Year: b.Year, Country: b.Country, Method: b.Method, Source: b.Source,
		}
		if _, errs := in.validate(now); errs != nil {
			t.Errorf("%s could not be: %v", b.Label, errs)
		}
		if b.Own() || seen[b.NodeID()] {
			t.Errorf("%s is somebody's, or has another's id", b.Label)
		}
		seen[b.NodeID()], ids[b.Label] = true, b.NodeID()
	}
	// Whoever has noted an id finds the same by it in any later version.
	for label, want := range map[string]string{"Airlines": "bench_1wdg246k3waj9t4yjq6rjm755k", "Automotive sector": "bench_7n04fzks2kaenak91hzka3hcnh"} {
		if ids[label] != want {
			t.Errorf("%s is %s, and was %s", label, ids[label], want)
		}
	}
}

// What one caller does to them is nothing to the next.
func TestShippedAreTheCallers(t *testing.T) {
	shown := func(all []*ent.Benchmark) string {
		var texts []string
		for _, b := range all {
			texts = append(texts, b.String())
		}
		return strings.Join(texts, "\n")
	}
	first, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	before := shown(first)
	for _, b := range first {
		b.Label, b.Average = "Mine", 99
		for _, points := range []*float64{b.Lowest, b.Highest} {
			if points != nil {
				*points = 99
			}
		}
		if b.Country != nil {
			*b.Country = "NL"
		}
	}
	slices.Reverse(first)
	if again, err := Shipped(); err != nil || shown(again) != before {
		t.Errorf("they have become\n%s\n%v; they were\n%s", shown(again), err, before)
	}
}

func TestCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		for name, test := range map[string]struct {
			change func(*CreateInput)
			want   []string
		}{
			"nothing": {func(in *CreateInput) { *in = CreateInput{} }, []string{"REQUIRED industry", "REQUIRED label", "REQUIRED method", "REQUIRED source", "OUT_OF_RANGE year"}},
			"long": {func(in *CreateInput) {
				in.Industry, in.Label = strings.Repeat("ü", 101), strings.Repeat("ü", 201)
				in.Method, in.Source = strings.Repeat("ü", 1_001), strings.Repeat("ü", 501)
			}, []string{"TOO_LONG industry", "TOO_LONG label", "TOO_LONG method", "TOO_LONG source"}},
			"beyond":           {func(in *CreateInput) { in.Average, in.Lowest, in.Highest = 0, new(-100.5), new(100.5) }, []string{"OUT_OF_RANGE lowest", "OUT_OF_RANGE highest"}},
			"average beyond":   {func(in *CreateInput) { in.Average = -100.0001 }, []string{"OUT_OF_RANGE average"}},
			"lowest above":     {func(in *CreateInput) { in.Lowest = new(7.5) }, []string{"INVALID lowest"}},
			"highest below":    {func(in *CreateInput) { in.Highest = new(6.5) }, []string{"INVALID highest"}},
			"before the score": {func(in *CreateInput) { in.Year = 2002 }, []string{"OUT_OF_RANGE year"}},
			"ahead":            {func(in *CreateInput) { in.Year = 2027 }, []string{"OUT_OF_RANGE year"}},
			"no country":       {func(in *CreateInput) { in.Country = new("SU") }, []string{"INVALID country"}},
			"a country's name": {func(in *CreateInput) { in.Country = new("Norway") }, []string{"INVALID country"}},
			"three letters":    {func(in *CreateInput) { in.Country = new("NOR") }, []string{"INVALID country"}},
			"good":             {func(*CreateInput) {}, nil},
			"the same again":   {func(*CreateInput) {}, nil},
			"in small letters": {func(in *CreateInput) { in.Country = new("no") }, nil},
			"longest, furthest": {func(in *CreateInput) {
				in.Method, in.Year, in.Average, in.Lowest, in.Highest = strings.Repeat("ü", 1_000), 2026, 100, new(-100.0), new(100.0)
			}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				in := good()
				test.change(&in)
				made, err := Create(ctx, db, in, now)
				if test.want != nil {
					if got := refusals(t, err); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !made.Own() || made.Average != in.Average || made.Country != nil && *made.Country != "NO" {
					t.Errorf("got %v", made)
				}
			})
		}
		// Where the year is over already, it may be of that.
		if _, err := Create(ctx, db, CreateInput{Industry: "x", Label: "x", Year: 2027, Method: "x", Source: "x"}, time.Date(2026, 12, 31, 10, 0, 0, 0, time.UTC)); err != nil {
			t.Errorf("on New Year's Day in Kiritimati: %v", err)
		}
		shipped, err := Shipped()
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := All(other, db)
		if err != nil || len(theirs) != len(shipped) || slices.ContainsFunc(theirs, (*ent.Benchmark).Own) {
			t.Errorf("another tenant has %d of %d, %v", len(theirs), len(shipped), err)
		}
	})
}

// However many are added at once, there are no more than there may be.
func TestOwnAreFew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		err := db.Write(ctx, func(tx *store.Tx) error {
			rows := make([]*ent.BenchmarkCreate, MaxOwn-3)
			for i := range rows {
				rows[i] = tx.Ent.Benchmark.Create().SetIndustry("x").SetLabel("x").SetAverage(1).SetYear(2024).SetMethod("x").SetSource("x")
			}
			return tx.Ent.Benchmark.CreateBulk(rows...).Exec(ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var added atomic.Int32
		for range 8 {
			wg.Go(func() {
				switch _, err := Create(ctx, db, good(), now); {
				case err == nil:
					added.Add(1)
				case !slices.Equal(refusals(t, err), []string{"TOO_MANY "}):
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n, err := db.Ent.Benchmark.Query().Count(ctx); n != MaxOwn || added.Load() != 3 || err != nil {
			t.Errorf("there are %d of %d, %d were added, %v", n, MaxOwn, added.Load(), err)
		}
	})
}

func TestDelete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		made, err := Create(ctx, db, good(), now)
		if err != nil {
			t.Fatal(err)
		}
		shipped, err := Shipped()
		if err != nil {
			t.Fatal(err)
		}
		refuse := func(ctx context.Context, text, want string) string {
			t.Helper()
			_, err := Delete(ctx, db, text)
			if got := refusals(t, err); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %s", got, want)
			}
			return strings.ReplaceAll(err.Error(), text, "…")
		}
		if foreign, unknown := refuse(other, made.NodeID(), "NOT_FOUND id"), refuse(ctx, id.Benchmark.Format(id.New()), "NOT_FOUND id"); foreign != unknown {
			t.Errorf("another tenant's: %s; an unknown one: %s", foreign, unknown)
		}
		refuse(ctx, shipped[0].NodeID(), "NOT_ALLOWED id")
		refuse(ctx, "", "INVALID id")
		if deleted, err := Delete(ctx, db, made.NodeID()); err != nil || deleted != made.ID {
			t.Errorf("got %v, %v", deleted, err)
		}
		refuse(ctx, made.NodeID(), "NOT_FOUND id")
	})
}

func TestList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		for _, change := range []func(*CreateInput){
			func(in *CreateInput) {
				in.Industry, in.Label, in.Year, in.Country = "Internet Provider", "B", 2026, new("NL")
			},
			func(in *CreateInput) { in.Industry, in.Label, in.Year = "internet_providers", "A", 2026 },
			func(in *CreateInput) {
				in.Industry, in.Label, in.Year, in.Country = "internet provision", "C", 2003, new("NL")
			},
			func(in *CreateInput) { in.Industry, in.Label, in.Year = "Überlandbusse", "D", 2003 },
		} {
			in := good()
			change(&in)
			if _, err := Create(ctx, db, in, now); err != nil {
				t.Fatal(err)
			}
		}
		all, err := All(ctx, db)
		if err != nil || !slices.IsSortedFunc(all, func(a, b *ent.Benchmark) int {
			return cmp.Or(cmp.Compare(b.Year, a.Year), strings.Compare(a.Label, b.Label))
		}) || len(all) != 4+10 {
			t.Fatalf("got %v, %v", all, err)
		}
		for name, test := range map[string]struct {
			industry, country *string
			want              []string
		}{
			"as tenants write it":   {new("internet-provider"), nil, []string{"A", "B", "Internet service providers", "TV and internet providers"}},
			"as it is shipped":      {new("internet-providers"), nil, []string{"A", "B", "Internet service providers", "TV and internet providers"}},
			"as people do":          {new("  INTERNET  providers"), nil, []string{"A", "B", "Internet service providers", "TV and internet providers"}},
			"together":              {new("internetproviders"), nil, nil},
			"a part":                {new("internet"), nil, nil},
			"with marks":            {new("überlandbusse"), nil, []string{"D"}},
			"of a country":          {new("internet provider"), new("NL"), []string{"B"}},
			"of a country, all":     {nil, new("nl"), []string{"B", "C"}},
			"of a country with one": {new("airline"), new("US"), []string{"Airlines"}},
			"of a country without":  {new("airline"), new("DE"), nil},
			"none":                  {new(""), nil, nil},
		} {
			t.Run(name, func(t *testing.T) {
				found, err := Of(all, test.industry, test.country)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, b := range found {
					got = append(got, b.Label)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		}
		for name, test := range map[string][2]*string{
			"a long industry": {new(strings.Repeat("x", 101)), nil}, "no country": {nil, new("XX")}, "an empty country": {nil, new("")},
		} {
			var bad *apierror.Error
			if _, err := Of(all, test[0], test[1]); !errors.As(err, &bad) || bad.Code != apierror.BadRequestCode {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestCountries(t *testing.T) {
	all := strings.Fields(countries)
	if len(all) != 249 || !slices.IsSorted(all) || len(slices.Compact(all)) != 249 {
		t.Errorf("there are %d countries, or they are not in order", len(all))
	}
}
