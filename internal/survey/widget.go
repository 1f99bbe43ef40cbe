package survey

import (
	"context"
	"encoding/json"
	"fmt"
	"html"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entsurvey "github.com/zeroten/zeroten/ent/survey"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits of a widget.
const (
	MaxPages          = 50
	MaxWaitDays       = 730
	MaxFirstAfterDays = 365
	MaxFromVisit      = 100
	MaxAfterSeconds   = 600
)

// WidgetLayout is how a widget stands on the page.
type WidgetLayout string

// The values of the schema's WidgetLayout.
const (
	Modal  WidgetLayout = "MODAL"
	Bar    WidgetLayout = "BAR"
	Inline WidgetLayout = "INLINE"
)

// Widget is the question inside a site or an app.
type Widget struct {
	// Campaign is the one that it asks for.
	Campaign uuid.UUID `json:"-"`
	// IsEnabled says whether it asks at all.
	IsEnabled bool         `json:"isEnabled"`
	Layout    WidgetLayout `json:"layout"`
	// Pages are patterns of those that it asks on; all where empty.
	Pages []string `json:"pages"`
	// OnCallOnly says that it asks only where the page's code calls it.
	OnCallOnly bool `json:"onCallOnly"`
	// SamplePercent is the share of people who are ever asked, 1 to 100.
	SamplePercent int `json:"samplePercent"`
	// WaitDays is for how many days somebody is left alone once they were asked, 1 to MaxWaitDays, and FirstAfterDays how many days
	// after they were first seen they are asked first, 0 to MaxFirstAfterDays.
	WaitDays       int `json:"waitDays"`
	FirstAfterDays int `json:"firstAfterDays"`
	// FromVisit is the first visit that somebody is asked on, 1 to MaxFromVisit, and AfterSeconds how long they have then looked at the
	// page, 0 to MaxAfterSeconds.
	FromVisit    int `json:"fromVisit"`
	AfterSeconds int `json:"afterSeconds"`
}

// DefaultWidget is the widget of a campaign that was never changed.
func DefaultWidget() Widget {
	return Widget{Layout: Bar, Pages: []string{}, SamplePercent: 100, WaitDays: 90, FromVisit: 1, AfterSeconds: 10}
}

// patterns are those of Pages.
func (w *Widget) patterns() []Pattern {
	var all []Pattern
	for _, text := range w.Pages {
		if p, fault := ParsePattern(text); fault == "" {
			all = append(all, p)
		}
	}
	return all
}

// AsksOn reports whether the widget asks on a page. origin is where the request is from, as the browser says, which a page must be of; empty
// where it says nothing.
func (w *Widget) AsksOn(origin, page string) bool {
	if len(w.Pages) == 0 {
		return true
	}
	if origin != "" && !sameOrigin(origin, page) {
		return false
	}
	for _, p := range w.patterns() {
		if p.Matches(page) {
			return true
		}
	}
	return false
}

// TakesFrom reports whether an answer may come from an origin, as the browser says; empty where it says nothing. A page whose origin it
// keeps to itself, as that of a frame in a sandbox, is none of those that are named.
func (w *Widget) TakesFrom(origin string) bool {
	if len(w.Pages) == 0 || origin == "" {
		return true
	}
	for _, p := range w.patterns() {
		if p.MatchesOrigin(origin) {
			return true
		}
	}
	return false
}

// WidgetSnippet is what is pasted into a page for the widget of a campaign to be there.
func (s Site) WidgetSnippet(campaign uuid.UUID) string {
	return fmt.Sprintf(`<script async src="%s" data-campaign="%s"></script>`, html.EscapeString(s.At("/widget.js")), id.Campaign.Format(campaign))
}

// UpdateWidgetInput says what of a campaign's widget changes; what is nil stays.
type UpdateWidgetInput struct {
	// Campaign is the text of an id.
	Campaign                                                         string
	IsEnabled, OnCallOnly                                            *bool
	Layout                                                           *WidgetLayout
	Pages                                                            []string
	SamplePercent, WaitDays, FirstAfterDays, FromVisit, AfterSeconds *int
}

// Validate says what is wrong with the input by itself, and parses the campaign's id. It brings the pages into the form in which they are
// stored.
func (in *UpdateWidgetInput) Validate() (campaign uuid.UUID, errs apierror.UserErrors) {
	campaign, err := id.Campaign.Parse(in.Campaign)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	if l := in.Layout; l != nil && *l != Modal && *l != Bar && *l != Inline {
		errs.Add(apierror.Invalid, []string{"layout"}, "There is no layout %.20q: it is MODAL, BAR or INLINE.", *l)
	}
	if n := len(in.Pages); n > MaxPages {
		errs.Add(apierror.TooMany, []string{"pages"}, "At most %d, not %d.", MaxPages, n)
	} else {
		for i, text := range in.Pages {
			p, fault := ParsePattern(text)
			if fault != "" {
				errs.Add(apierror.Invalid, []string{"pages", apierror.Index(i)}, "%s", fault)
				continue
			}
			in.Pages[i] = p.String()
		}
	}
	for _, n := range []struct {
		field       string
		given       *int
		least, most int
	}{
		{"samplePercent", in.SamplePercent, 1, 100},
		{"waitDays", in.WaitDays, 1, MaxWaitDays},
		{"firstAfterDays", in.FirstAfterDays, 0, MaxFirstAfterDays},
		{"fromVisit", in.FromVisit, 1, MaxFromVisit},
		{"afterSeconds", in.AfterSeconds, 0, MaxAfterSeconds},
	} {
		if n.given != nil && (*n.given < n.least || *n.given > n.most) {
			errs.Add(apierror.OutOfRange, []string{n.field}, "%d to %d, not %d.", n.least, n.most, *n.given)
		}
	}
	return campaign, errs
}

// apply changes what is given.
func (in *UpdateWidgetInput) apply(w *Widget) {
	set(&w.IsEnabled, in.IsEnabled)
	set(&w.OnCallOnly, in.OnCallOnly)
	set(&w.Layout, in.Layout)
	if in.Pages != nil {
		w.Pages = in.Pages
	}
	set(&w.SamplePercent, in.SamplePercent)
	set(&w.WaitDays, in.WaitDays)
	set(&w.FirstAfterDays, in.FirstAfterDays)
	set(&w.FromVisit, in.FromVisit)
	set(&w.AfterSeconds, in.AfterSeconds)
}

func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// UpdateWidget changes the widget of a campaign of the caller's tenant, and gives the campaign. The error is UserErrors for what the
// caller can mend.
func UpdateWidget(ctx context.Context, db *store.DB, in UpdateWidgetInput) (c *ent.Campaign, err error) {
	campaign, errs := in.Validate()
	if err := errs.Err(); err != nil {
		return nil, err
	}
	err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if c, err = findCampaign(ctx, tx, campaign, in.Campaign); err != nil {
			return err
		}
		row, s, err := find(ctx, tx, campaign)
		if err != nil {
			return err
		}
		in.apply(&s.Widget)
		widget, err := json.Marshal(s.Widget)
		if err != nil {
			return fmt.Errorf("writing a widget: %w", err)
		}
		if row == nil {
			err = tx.Ent.Survey.Create().SetCampaignID(campaign).SetLocale(s.Locale).SetClickPolicy(entsurvey.ClickPolicy(s.ClickPolicy)).
				SetLinkDays(s.LinkDays).SetNextSteps(json.RawMessage("[]")).SetVariants(json.RawMessage("[]")).SetWidget(widget).Exec(ctx)
		} else {
			err = tx.Ent.Survey.UpdateOne(row).SetWidget(widget).Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("saving a widget: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}
