// Package survey is how people are asked: what a campaign asks with, in which words and in whose look, by which links, and what
// of what comes back counts as an answer.
package survey

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entsurvey "github.com/zeroten/zeroten/ent/survey"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
	"golang.org/x/text/language"
)

// Limits of a survey; lengths are in characters.
const (
	MaxLinkDays  = 365
	MaxNextSteps = 20
	MaxVariants  = 20
	MaxWeight    = 1_000
	MaxLabel     = 100
	MaxURL       = 2_000

	// DefaultLinkDays is for how long a link can be answered where nothing else was said.
	DefaultLinkDays = 30
	// DefaultLocale is the language of a campaign's own questions where nothing else was said.
	DefaultLocale = "en"
)

// ClickPolicy is when a click on a number in a mail becomes an answer.
type ClickPolicy string

// The values of the schema's ClickPolicy.
const (
	Confirmed ClickPolicy = "CONFIRMED"
	Automatic ClickPolicy = "AUTOMATIC"
)

// Survey is how a campaign is asked.
type Survey struct {
	// Locale is the language that the campaign's own questions are in, in its canonical form.
	Locale      string
	ClickPolicy ClickPolicy
	// LinkDays is for how many days a link can be answered, 1 to MaxLinkDays.
	LinkDays  int
	NextSteps []NextStep
	Variants  []Variant
	// Widget is how it is asked inside a site.
	Widget Widget
}

// Default is the survey of a campaign of which nothing was changed yet.
func Default() *Survey {
	return &Survey{Locale: DefaultLocale, ClickPolicy: Confirmed, LinkDays: DefaultLinkDays, NextSteps: []NextStep{}, Variants: []Variant{}, Widget: DefaultWidget()}
}

// NextStep is a link that people are shown once they have answered.
type NextStep struct {
	// Categories are those who are shown it; everybody where empty.
	Categories []nps.Category `json:"categories,omitempty"`
	// Locale is the language of those who are shown it; everybody's where nil.
	Locale *string `json:"locale,omitempty"`
	Label  string  `json:"label"`
	URL    string  `json:"url"`
}

// Variant is a version of a campaign.
type Variant struct {
	Name   string `json:"name"`
	Weight int    `json:"weight"`
	// Share is Weight as a part of all, 0 to 1.
	Share float64 `json:"-"`
	// URL is an experience that is offered with the question, and URLLabel what is written on the link to it; both or none.
	URL      *string `json:"url,omitempty"`
	URLLabel *string `json:"urlLabel,omitempty"`
}

// UpdateInput says what of a campaign's survey changes; what is nil stays.
type UpdateInput struct {
	// Campaign is the text of an id.
	Campaign    string
	Locale      *string
	ClickPolicy *ClickPolicy
	LinkDays    *int
	NextSteps   []NextStep
	Variants    []Variant
}

// Validate says what is wrong with the input by itself, and parses the campaign's id. It brings locales into their
// canonical form.
func (in *UpdateInput) Validate() (campaign uuid.UUID, errs apierror.UserErrors) {
	campaign, err := id.Campaign.Parse(in.Campaign)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	canonical(&errs, &in.Locale, "locale")
	if p := in.ClickPolicy; p != nil && *p != Confirmed && *p != Automatic {
		errs.Add(apierror.Invalid, []string{"clickPolicy"}, "There is no click policy %.20q: it is CONFIRMED or AUTOMATIC.", *p)
	}
	if d := in.LinkDays; d != nil && (*d < 1 || *d > MaxLinkDays) {
		errs.Add(apierror.OutOfRange, []string{"linkDays"}, "1 to %d, not %d.", MaxLinkDays, *d)
	}
	errs = append(errs, in.validateNextSteps()...)
	return campaign, append(errs, in.validateVariants()...)
}

func (in *UpdateInput) validateNextSteps() (errs apierror.UserErrors) {
	if n := len(in.NextSteps); n > MaxNextSteps {
		errs.Add(apierror.TooMany, []string{"nextSteps"}, "At most %d, not %d.", MaxNextSteps, n)
		return errs
	}
	for i := range in.NextSteps {
		s := &in.NextSteps[i]
		var wrong apierror.UserErrors
		if n := len(s.Categories); n > len(categories) {
			errs.Add(apierror.TooMany, []string{"nextSteps", apierror.Index(i), "categories"}, "At most %d, not %d.", len(categories), n)
			continue
		}
		for j, c := range s.Categories {
			if !slices.Contains(categories, c) {
				wrong.Add(apierror.Invalid, []string{"categories", apierror.Index(j)}, "There is no category %.20q.", c)
			}
		}
		canonical(&wrong, &s.Locale, "locale")
		wrong.Filled(MaxLabel, &s.Label, "label")
		wrong.Line(&s.Label, "label")
		checkURL(&wrong, s.URL, false, "url")
		errs = append(errs, wrong.Under("nextSteps", apierror.Index(i))...)
	}
	return errs
}

func (in *UpdateInput) validateVariants() (errs apierror.UserErrors) {
	if n := len(in.Variants); n > MaxVariants {
		errs.Add(apierror.TooMany, []string{"variants"}, "At most %d, not %d.", MaxVariants, n)
		return errs
	}
	names, total := map[string]bool{}, 0
	for i := range in.Variants {
		v := &in.Variants[i]
		var wrong apierror.UserErrors
		wrong.Filled(feedback.MaxVariant, &v.Name, "name")
		wrong.Line(&v.Name, "name")
		switch {
		case trait.Reserved(v.Name):
			wrong.Add(apierror.Invalid, []string{"name"}, "%s has a meaning of its own in breakdowns: take another name.", v.Name)
		case names[v.Name]:
			wrong.Add(apierror.Taken, []string{"name"}, "Another variant has this name.")
		}
		names[v.Name] = true
		if v.Weight < 0 || v.Weight > MaxWeight {
			wrong.Add(apierror.OutOfRange, []string{"weight"}, "0 to %d, not %d.", MaxWeight, v.Weight)
		}
		total += v.Weight
		switch {
		case v.URL == nil && v.URLLabel != nil:
			wrong.Add(apierror.Invalid, []string{"urlLabel"}, "It is written on the link to the url: give that, too, or leave both out.")
		case v.URL != nil && v.URLLabel == nil:
			wrong.Add(apierror.Required, []string{"urlLabel"}, "Say what is written on the link to the url.")
		case v.URL != nil:
			checkURL(&wrong, *v.URL, true, "url")
			wrong.Filled(MaxLabel, v.URLLabel, "urlLabel")
			wrong.Line(v.URLLabel, "urlLabel")
		}
		errs = append(errs, wrong.Under("variants", apierror.Index(i))...)
	}
	if len(in.Variants) > 0 && total == 0 && errs == nil {
		errs.Add(apierror.OutOfRange, []string{"variants"}, "Give one of them a weight above 0, else nobody falls into any.")
	}
	return errs
}

// categories are all categories.
var categories = []nps.Category{nps.Promoter, nps.Passive, nps.Detractor}

// canonical brings a language tag that is given into its canonical form, e.g. `pt-BR` for `pt_br`.
func canonical(errs *apierror.UserErrors, tag **string, field ...string) {
	if *tag == nil {
		return
	}
	parsed, err := language.Parse(**tag)
	if err != nil {
		errs.Add(apierror.Invalid, field, "%.50q is no BCP 47 language tag, such as pt-BR.", **tag)
		return
	}
	*tag = new(parsed.String())
}

// checkURL notes what is wrong with a URL that people are led to. One that begins like a web address and goes elsewhere, runs a
// script or names a user would make the page a trap.
func checkURL(errs *apierror.UserErrors, text string, placeholders bool, field ...string) {
	if fault := URLFault(text, placeholders); fault != "" {
		errs.Add(apierror.Invalid, field, "%s", fault)
	}
}

// URLFault says what is wrong with the text as an absolute https URL of at most MaxURL characters, with a host and without user or
// password, whose path nobody goes up again; empty where nothing is. Where placeholders may stand they do so in path and query alone: what
// people are called must not decide where they are led.
func URLFault(text string, placeholders bool) string {
	const want = "Give an absolute https URL, such as https://example.com/review"
	if fault := apierror.TooLongFor(MaxURL, text); fault != "" {
		return "A URL has " + fault + "."
	}
	// Of what is not seen, some turns the text around: what people read would not be where they are led.
	stray := func(r rune) bool { return r == '\\' || unicode.In(r, unicode.C, unicode.Z) }
	if strings.ContainsFunc(text, stray) {
		return want + ": it has a space, a backslash or a character that is not seen."
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsFunc(u.Host, stray):
		return want + "."
	case u.Scheme != "https":
		return want + ": only https is taken."
	case u.Hostname() == "":
		return want + ": it has no host."
	case !isPort(u.Port()):
		return want + ": a port is 1 to 65535."
	case u.User != nil:
		return want + ": it must not have a user or a password."
	case strings.ContainsAny(u.Host, "{}|"):
		return "Placeholders may stand in the path and the query alone."
	case climbs(text), placeholders && climbs(Fill(text, nil)):
		return want + ": its path has a step that is . or .. alone."
	case placeholders:
		return ""
	case strings.ContainsAny(text, "{}"):
		return want + ": braces must be written as %7B and %7D."
	}
	return ""
}

// isPort reports whether a text, of digits, is a port, or none was given.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

// climbs reports whether the path of a URL has a step that is `.` or `..`, which leads elsewhere than it says. It is strict: programs on
// the way may take off what was encoded, up to three times, and what follows a semicolon.
func climbs(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	for range 3 {
		rest = decoded.Replace(rest)
	}
	_, path, _ := strings.Cut(rest, "/") // a host has none
	for step := range strings.SplitSeq(path, "/") {
		if step, _, _ = strings.Cut(step, ";"); step == "." || step == ".." {
			return true
		}
	}
	return false
}

// decoded takes off the encoding of what climbs looks at.
var decoded = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/", `\`, "/", "%3b", ";", "%3B", ";", "%25", "%")

// Update changes the survey of a campaign of the caller's tenant, and gives the campaign. The error is UserErrors for what the caller
// can mend.
func Update(ctx context.Context, db *store.DB, in UpdateInput) (c *ent.Campaign, err error) {
	campaign, errs := in.Validate()
	if err := errs.Err(); err != nil {
		return nil, err
	}
	err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if c, err = findCampaign(ctx, tx, campaign, in.Campaign); err != nil {
			return err
		}
		var texts []piece
		for i := range in.Variants {
			if url := &in.Variants[i].URL; *url != nil {
				texts = append(texts, piece{field: []string{"variants", apierror.Index(i), "url"}, text: url})
			}
		}
		var errs apierror.UserErrors
		if err := checkPlaceholders(ctx, tx, &errs, texts); err != nil {
			return err
		}
		if err := errs.Err(); err != nil {
			return err
		}
		row, s, err := find(ctx, tx, campaign)
		if err != nil {
			return err
		}
		in.apply(s)
		steps, err := json.Marshal(s.NextSteps)
		if err != nil {
			return fmt.Errorf("writing next steps: %w", err)
		}
		variants, err := json.Marshal(s.Variants)
		if err != nil {
			return fmt.Errorf("writing variants: %w", err)
		}
		policy := entsurvey.ClickPolicy(s.ClickPolicy)
		if row == nil {
			err = tx.Ent.Survey.Create().SetCampaignID(campaign).SetLocale(s.Locale).SetClickPolicy(policy).SetLinkDays(s.LinkDays).
				SetNextSteps(steps).SetVariants(variants).Exec(ctx)
		} else {
			err = tx.Ent.Survey.UpdateOne(row).SetLocale(s.Locale).SetClickPolicy(policy).SetLinkDays(s.LinkDays).
				SetNextSteps(steps).SetVariants(variants).Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("saving a survey: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// apply changes what is given.
func (in *UpdateInput) apply(s *Survey) {
	if in.Locale != nil {
		s.Locale = *in.Locale
	}
	if in.ClickPolicy != nil {
		s.ClickPolicy = *in.ClickPolicy
	}
	if in.LinkDays != nil {
		s.LinkDays = *in.LinkDays
	}
	if in.NextSteps != nil {
		s.NextSteps = in.NextSteps
	}
	if in.Variants != nil {
		s.Variants = in.Variants
	}
}

// findCampaign finds a campaign, or gives UserErrors where the caller's tenant has no such.
func findCampaign(ctx context.Context, tx *store.Tx, campaign uuid.UUID, text string) (*ent.Campaign, error) {
	c, err := tx.Ent.Campaign.Get(ctx, campaign)
	if ent.IsNotFound(err) {
		return nil, apierror.User(apierror.NotFound, []string{"campaign"}, "There is no campaign %s.", text)
	}
	if err != nil {
		return nil, fmt.Errorf("finding a campaign: %w", err)
	}
	return c, nil
}

// ofTx is the survey of one campaign, within a transaction.
func ofTx(ctx context.Context, tx *store.Tx, campaign uuid.UUID) (*Survey, error) {
	_, s, err := find(ctx, tx, campaign)
	return s, err
}

// find finds the survey of a campaign, and its row; nil where there is none.
func find(ctx context.Context, tx *store.Tx, campaign uuid.UUID) (*ent.Survey, *Survey, error) {
	row, err := tx.Ent.Survey.Query().Where(entsurvey.CampaignID(campaign)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, Default(), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading a survey: %w", err)
	}
	s, err := read(row)
	return row, s, err
}

// Of reads the surveys of campaigns of the caller's tenant. Campaigns that there are not have a default one, too.
func Of(ctx context.Context, db *store.DB, campaigns []uuid.UUID) (map[uuid.UUID]*Survey, error) {
	rows, err := db.Ent.Survey.Query().Where(func(s *sql.Selector) {
		s.Where(store.FieldIn(s, entsurvey.FieldCampaignID, campaigns))
	}).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading surveys: %w", err)
	}
	surveys := make(map[uuid.UUID]*Survey, len(campaigns))
	for _, c := range campaigns {
		surveys[c] = Default()
		surveys[c].Widget.Campaign = c
	}
	for _, row := range rows {
		if surveys[row.CampaignID], err = read(row); err != nil {
			return nil, err
		}
	}
	return surveys, nil
}

// read is a survey as it is stored.
func read(row *ent.Survey) (*Survey, error) {
	s := &Survey{Locale: row.Locale, ClickPolicy: ClickPolicy(row.ClickPolicy), LinkDays: row.LinkDays, Widget: DefaultWidget()}
	if row.Widget != nil {
		if err := json.Unmarshal(row.Widget, &s.Widget); err != nil {
			return nil, fmt.Errorf("reading the widget of campaign %s: %w", row.CampaignID, err)
		}
	}
	if err := json.Unmarshal(row.NextSteps, &s.NextSteps); err != nil {
		return nil, fmt.Errorf("reading the next steps of campaign %s: %w", row.CampaignID, err)
	}
	if err := json.Unmarshal(row.Variants, &s.Variants); err != nil {
		return nil, fmt.Errorf("reading the variants of campaign %s: %w", row.CampaignID, err)
	}
	s.Widget.Campaign = row.CampaignID
	total := 0
	for _, v := range s.Variants {
		total += v.Weight
	}
	for i := range s.Variants {
		s.Variants[i].Share = float64(s.Variants[i].Weight) / float64(max(1, total))
	}
	return s, nil
}

// Variant is the variant of this name; nil where the survey has none.
func (s *Survey) Variant(name string) *Variant {
	i := slices.IndexFunc(s.Variants, func(v Variant) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Variants[i]
}

// Draw is the variant that somebody falls into, nil where there are none; who names them, and nobody else's, e.g. a contact's id. It
// is the same for as long as names and weights stay, in whatever order they are, and says nothing of what else is drawn by the same
// name.
func (s *Survey) Draw(campaign uuid.UUID, who string) *Variant {
	order := slices.Clone(s.Variants)
	slices.SortFunc(order, func(a, b Variant) int { return cmp.Compare(a.Name, b.Name) })
	total := uint64(0)
	for _, v := range order {
		total += uint64(v.Weight)
	}
	if total == 0 {
		return nil
	}
	hash := sha256.Sum256([]byte("variant\x00" + string(campaign[:]) + who))
	at := binary.BigEndian.Uint64(hash[:8]) % total // uneven by 1 in 10^15 at most
	for _, v := range order {
		if at < uint64(v.Weight) {
			return s.Variant(v.Name)
		}
		at -= uint64(v.Weight)
	}
	return nil
}

// Steps are those that somebody of a category who reads a language is shown, in order.
func (s *Survey) Steps(category nps.Category, locale string) []NextStep {
	var shown []NextStep
	for _, step := range s.StepsFor(locale) {
		if len(step.Categories) == 0 || slices.Contains(step.Categories, category) {
			shown = append(shown, step)
		}
	}
	return shown
}

// StepsFor are those that somebody who reads a language may be shown, in order: their categories say who.
func (s *Survey) StepsFor(locale string) []NextStep {
	var all []NextStep
	for _, step := range s.NextSteps {
		if step.Locale == nil || covers(*step.Locale, locale) {
			all = append(all, step)
		}
	}
	return all
}

// covers reports whether what is said in one language serves who reads another: `de` does for `de-AT`, and not the other way
// round.
func covers(general, special string) bool { return slices.Contains(kinds(special), general) }
