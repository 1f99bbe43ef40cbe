// Package benchmark knows the scores that others have published: those that come with the program, which are the same for everybody, and
// a tenant's own.
package benchmark

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // benchmarks.csv
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits: texts in characters.
const (
	MaxIndustry = 100
	MaxLabel    = 200
	MaxMethod   = 1_000
	MaxSource   = 500
	// MaxOwn is how many a tenant may have of its own: they are read together.
	MaxOwn = 200
	// MinYear is when the score was first published (Reichheld 2003).
	MinYear = 2003
)

// CreateInput is a benchmark of the tenant's own.
type CreateInput struct {
	Industry, Label string
	// Average, Lowest and Highest are in points; what is nil was not published.
	Average         float64
	Lowest, Highest *float64
	Year            int
	// Country is an ISO 3166-1 code of two letters; nil where it is not known, or several.
	Country        *string
	Method, Source string
}

// Create adds a benchmark of the caller's tenant. The error is UserErrors for what the caller can mend.
func Create(ctx context.Context, db *store.DB, in CreateInput, now time.Time) (*ent.Benchmark, error) {
	country, errs := in.validate(now)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	var created *ent.Benchmark
	// Under the lock, so that they do not become more than they may be.
	err := db.WriteLocked(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		n, err := tx.Ent.Benchmark.Query().Count(ctx)
		if err != nil {
			return err
		}
		if n >= MaxOwn {
			return apierror.User(apierror.TooMany, []string{}, "There are %d of your own already, which is all that may be.", n)
		}
		created, err = tx.Ent.Benchmark.Create().SetIndustry(in.Industry).SetLabel(in.Label).
			SetAverage(in.Average).SetNillableLowest(in.Lowest).SetNillableHighest(in.Highest).
			SetYear(in.Year).SetNillableCountry(country).SetMethod(in.Method).SetSource(in.Source).Save(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("adding a benchmark: %w", err)
	}
	return created, nil
}

// validate says what is wrong with the input, and gives the country in capital letters.
func (in *CreateInput) validate(now time.Time) (country *string, errs apierror.UserErrors) {
	for _, text := range []struct {
		field string
		text  *string
		most  int
	}{{"industry", &in.Industry, MaxIndustry}, {"label", &in.Label, MaxLabel}, {"method", &in.Method, MaxMethod}, {"source", &in.Source, MaxSource}} {
		errs.Filled(text.most, text.text, text.field)
	}
	for _, score := range []struct {
		field  string
		points *float64
	}{{"average", &in.Average}, {"lowest", in.Lowest}, {"highest", in.Highest}} {
		if score.points != nil && !(*score.points >= -100 && *score.points <= 100) {
			errs.Add(apierror.OutOfRange, []string{score.field}, "−100 to 100, not %v.", *score.points)
		}
	}
	if in.Lowest != nil && *in.Lowest > in.Average {
		errs.Add(apierror.Invalid, []string{"lowest"}, "The lowest lies above the average.")
	}
	if in.Highest != nil && *in.Highest < in.Average {
		errs.Add(apierror.Invalid, []string{"highest"}, "The highest lies below the average.")
	}
	// Somewhere the year has begun already.
	if this := now.UTC().Add(14 * time.Hour).Year(); in.Year < MinYear || in.Year > this {
		errs.Add(apierror.OutOfRange, []string{"year"}, "%d to %d, not %d.", MinYear, this, in.Year)
	}
	if in.Country == nil {
		return nil, errs
	}
	code, ok := countryOf(*in.Country)
	if !ok {
		errs.Add(apierror.Invalid, []string{"country"}, "%.20q is no country as in ISO 3166-1, e.g. NL.", *in.Country)
	}
	return &code, errs
}

// countries are the codes of ISO 3166-1: the 249 that are assigned. Tables of languages have more, of countries that are no more, and of
// such as never were.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG " +
	"CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL " +
	"GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA " +
	"LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP " +
	"NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV " +
	"SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"

// countryOf is the code of two letters, in capitals; ok is false where no country has it.
func countryOf(text string) (code string, ok bool) {
	code = strings.ToUpper(text)
	return code, len(code) == 2 && slices.Contains(strings.Fields(countries), code)
}

// Delete deletes a benchmark of the caller's tenant, named by the text of its id. The error is UserErrors where there is none, and
// where it is not the tenant's own.
func Delete(ctx context.Context, db *store.DB, idText string) (deleted uuid.UUID, err error) {
	target, err := id.Benchmark.Parse(idText)
	if err != nil {
		return uuid.UUID{}, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	shipped, err := Shipped()
	if err != nil {
		return uuid.UUID{}, err
	}
	if slices.ContainsFunc(shipped, func(b *ent.Benchmark) bool { return b.ID == target }) {
		return uuid.UUID{}, apierror.User(apierror.NotAllowed, []string{"id"}, "It comes with Zeroten, and is everybody's.")
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		err := tx.Ent.Benchmark.DeleteOneID(target).Exec(ctx)
		if ent.IsNotFound(err) {
			return apierror.User(apierror.NotFound, []string{"id"}, "There is no benchmark %s.", id.Benchmark.Format(target))
		}
		return err
	})
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("deleting a benchmark: %w", err)
	}
	db.Forget() // whoever deletes one means it
	return target, nil
}

// All gives those that there are for the caller: the newest first, then by label.
func All(ctx context.Context, db *store.DB) ([]*ent.Benchmark, error) {
	all, err := Shipped()
	if err != nil {
		return nil, err
	}
	own, err := db.Ent.Benchmark.Query().All(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing benchmarks: %w", err)
	}
	all = append(all, own...)
	slices.SortFunc(all, func(a, b *ent.Benchmark) int {
		return cmp.Or(cmp.Compare(b.Year, a.Year), strings.Compare(a.Label, b.Label), slices.Compare(a.ID[:], b.ID[:]))
	})
	return all, nil
}

// Of gives those of an industry and a country among some, of all where nil, in their order. A text that can be no industry's or no
// country's is BAD_REQUEST.
func Of(some []*ent.Benchmark, industry, country *string) ([]*ent.Benchmark, error) {
	keep := func(*ent.Benchmark) bool { return true }
	if industry != nil {
		if fault := apierror.TooLongFor(MaxIndustry, *industry); fault != "" {
			return nil, apierror.BadRequest("industry: %s.", fault)
		}
		wanted := key(*industry)
		keep = func(b *ent.Benchmark) bool { return key(b.Industry) == wanted }
	}
	if country != nil {
		wanted, ok := countryOf(*country)
		if !ok {
			return nil, apierror.BadRequest("country: %.20q is no country as in ISO 3166-1, two letters, e.g. NL.", *country)
		}
		ofIndustry := keep
		keep = func(b *ent.Benchmark) bool { return b.Country != nil && *b.Country == wanted && ofIndustry(b) }
	}
	found := []*ent.Benchmark{}
	for _, b := range some {
		if keep(b) {
			found = append(found, b)
		}
	}
	return found, nil
}

// key is what industries are equal by: tenants name theirs as they like, and `Internet provider` means `internet-providers`.
func key(industry string) string {
	words := strings.FieldsFunc(page.Fold(industry), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	return strings.TrimSuffix(strings.Join(words, " "), "s")
}

// shipped are published figures, each with its source: facts, of which nothing but the number and where it is from was taken. A figure
// that is quoted without its study says so in its method.
//
//go:embed benchmarks.csv
var shipped []byte

// columns are those of the file.
const columns = "industry,label,average,lowest,highest,year,country,method,source"

// namespace is what the ids of those that come with the program are made in.
var namespace = uuid.MustParse("2ef07170-3600-4fc2-aa3d-8e281b765a6c")

// Shipped gives those that come with the program, in the order of the file. What a figure is of makes its id, and not the figure, which
// may be mended: industry, label, year, country and source. They are the caller's, to be changed as it likes.
func Shipped() ([]*ent.Benchmark, error) {
	kept, err := parsed()
	if err != nil {
		return nil, err
	}
	all := make([]*ent.Benchmark, len(kept))
	for i, b := range kept {
		b.Lowest, b.Highest, b.Country = copied(b.Lowest), copied(b.Highest), copied(b.Country)
		all[i] = &b
	}
	return all, nil
}

// copied is a copy of what there may be.
func copied[T any](value *T) *T {
	if value == nil {
		return nil
	}
	return new(*value)
}

// parsed are those in the file, which is read by whoever needs it first; they are nobody's to change.
var parsed = sync.OnceValues(func() ([]ent.Benchmark, error) {
	rows, err := csv.NewReader(bytes.NewReader(shipped)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading the benchmarks that come with the program: %w", err)
	}
	if got := strings.Join(rows[0], ","); got != columns {
		return nil, fmt.Errorf("the benchmarks that come with the program have the columns %s, want %s", got, columns)
	}
	all := make([]ent.Benchmark, len(rows)-1)
	for i, row := range rows[1:] {
		if all[i], err = read(row); err != nil {
			return nil, fmt.Errorf("reading the benchmarks that come with the program: row %d: %w", i+1, err)
		}
	}
	return all, nil
})

func read(row []string) (ent.Benchmark, error) {
	b := ent.Benchmark{Industry: row[0], Label: row[1], Method: row[7], Source: row[8]}
	b.ID = uuid.NewSHA1(namespace, []byte(strings.Join([]string{b.Industry, b.Label, row[5], row[6], b.Source}, "\x00")))
	if row[6] != "" {
		b.Country = &row[6]
	}
	var err error
	if b.Year, err = strconv.Atoi(row[5]); err != nil {
		return b, fmt.Errorf("the year: %w", err)
	}
	if b.Average, err = strconv.ParseFloat(row[2], 64); err != nil {
		return b, fmt.Errorf("the average: %w", err)
	}
	if b.Lowest, err = orNone(row[3]); err != nil {
		return b, fmt.Errorf("the lowest: %w", err)
	}
	if b.Highest, err = orNone(row[4]); err != nil {
		return b, fmt.Errorf("the highest: %w", err)
	}
	return b, nil
}

func orNone(text string) (*float64, error) {
	if text == "" {
		return nil, nil
	}
	points, err := strconv.ParseFloat(text, 64)
	return &points, err
}
