package survey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/bar"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/words"
	"github.com/zeroten/zeroten/internal/trait"
)

// Site is where people find this server: its public URL, without a slash at the end, e.g. `https://nps.example.com`.
type Site string

// At is the absolute URL of a path of this server; empty for none.
func (s Site) At(path string) string {
	if path == "" {
		return ""
	}
	return string(s) + path
}

// Page is the URL of a campaign's page.
func (s Site) Page(campaign uuid.UUID) string { return s.At("/s/" + id.Campaign.Format(campaign)) }

// SnippetInput says which bar is wanted.
type SnippetInput struct {
	Provider  bar.Provider
	Recipient bar.Recipient
	// MergeTag is one of the caller's own; the provider's where nil.
	MergeTag *string
	// Locale is the language of the bar; the survey's where nil.
	Locale  *string
	Variant *string
}

// Snippet is the 0 to 10 bar, to be pasted into a template of the tenant's own mail provider.
type Snippet struct {
	HTML, Text string
	MergeTag   *string
	Links      []string
	Preview    string
}

// Snippet makes the bar of a campaign. The error is a BAD_REQUEST for what the caller can mend.
func (s Site) Snippet(campaign uuid.UUID, a *Asked, b *Brand, in SnippetInput) (*Snippet, error) {
	variant, err := a.variant(in.Variant)
	if err != nil {
		return nil, err
	}
	tag, err := bar.Tag(in.Provider, in.Recipient, in.MergeTag)
	if err != nil {
		return nil, err
	}
	var wanted []string
	if in.Locale != nil {
		wanted = []string{*in.Locale}
	}
	texts := a.Texts(variant, wanted...)
	// Nobody knows here who reads it.
	fill := func(text string) string {
		return Fill(text, func(key string) (string, bool) { return b.Name, key == brandKey })
	}
	made := bar.Bar{
		Base: s.Page(campaign), Provider: in.Provider, Recipient: in.Recipient, Tag: tag,
		Question: fill(texts.Question), Low: fill(texts.LowLabel), High: fill(texts.HighLabel), Brand: b.Name,
		Language: texts.Locale, RTL: texts.Direction == words.RTL, Variant: variant,
		Colors: bar.Colors{Accent: b.Accent.String(), OnAccent: b.OnAccent().String(), Background: b.Background.String(), Text: b.Text.String()},
	}
	if fault := made.Fault(); fault != "" {
		return nil, apierror.BadRequest("%s", fault)
	}
	out := &Snippet{HTML: made.HTML(), Text: made.Text(), Links: made.Links(), Preview: made.Preview()}
	if in.Recipient != bar.None {
		out.MergeTag = &tag
	}
	return out, nil
}

// variant is the name of one of the survey's variants; empty where none is given.
func (a *Asked) variant(name *string) (string, error) {
	if name == nil {
		return "", nil
	}
	if a.Survey.Variant(*name) == nil {
		return "", apierror.BadRequest("The survey has no variant %.100q.", *name)
	}
	return *name, nil
}

// TextsFor are the texts for whoever has a language and a variant, the survey's and none where nil. The error is a BAD_REQUEST where there
// is no such variant.
func (a *Asked) TextsFor(locale, variant *string) (*Texts, error) {
	name, err := a.variant(variant)
	if err != nil {
		return nil, err
	}
	if locale == nil {
		return a.Texts(name), nil
	}
	return a.Texts(name, *locale), nil
}

// LinkInput says what a public link is to carry.
type LinkInput struct {
	Locale, Variant *string
	Traits          trait.Values
}

// Link is a link to a campaign's page that anybody may use.
type Link struct {
	URL    string
	QRCode string
}

// Link makes a public link of a campaign of the caller's tenant. The error is a BAD_REQUEST for what the caller can mend.
func (s Site) Link(ctx context.Context, db *store.DB, states *settings.States, now time.Time, campaign uuid.UUID, a *Asked, in LinkInput) (*Link, error) {
	variant, err := a.variant(in.Variant)
	if err != nil {
		return nil, err
	}
	state, err := states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	if errs := trait.Check(state.Traits, in.Traits); errs != nil {
		return nil, apierror.BadRequest("traits: %v.", strings.TrimSuffix(errs.Error(), "."))
	}
	tenant := auth.Tenant(ctx)
	keys, err := ring(ctx, db, tenant, now)
	if err != nil {
		return nil, err
	}
	said := link.Link{Kind: link.PublicLink, Subject: campaign, Issued: now, Variant: variant, Traits: in.Traits}
	if in.Locale != nil {
		said.Locale = *in.Locale
	}
	token, err := keys.Sign(said)
	if err != nil {
		return nil, err
	}
	made := &Link{URL: s.At("/s/" + token)}
	if len(made.URL) > link.MaxURL {
		return nil, fmt.Errorf("a link of %d characters, more than %d: the public URL is too long", len(made.URL), link.MaxURL)
	}
	made.QRCode, err = bar.QR(made.URL)
	return made, err
}
