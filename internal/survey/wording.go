package survey

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	enttrait "github.com/zeroten/zeroten/ent/trait"
	entwording "github.com/zeroten/zeroten/ent/wording"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits of wordings; lengths are in characters.
const (
	MaxWordings = 100
	MaxEndLabel = 60
	MaxText     = 500
	MaxSubject  = 150
	MaxMailText = 2_000
)

// Words are pieces of what people read, each of which may be missing.
type Words struct {
	Question    *string       `json:"question,omitempty"`
	LowLabel    *string       `json:"lowLabel,omitempty"`
	HighLabel   *string       `json:"highLabel,omitempty"`
	FollowUps   CategoryTexts `json:"followUps,omitzero"`
	ThankYous   CategoryTexts `json:"thankYous,omitzero"`
	MailSubject *string       `json:"mailSubject,omitempty"`
	MailIntro   *string       `json:"mailIntro,omitempty"`
	MailOutro   *string       `json:"mailOutro,omitempty"`
}

// CategoryTexts are one text for each category of people; nil where there is none.
type CategoryTexts struct {
	Promoters  *string `json:"promoters,omitempty"`
	Passives   *string `json:"passives,omitempty"`
	Detractors *string `json:"detractors,omitempty"`
}

// Wording is what a tenant says in its own words, in one language.
type Wording struct {
	// Locale is the language, in its canonical form.
	Locale string
	// Variant is whom they are for; everybody where nil.
	Variant *string
	Words
}

// piece is one of the texts of some Words, and how it may be.
type piece struct {
	text  **string
	field []string
	most  int
	line  bool
}

// pieces are all texts, by the fields of SetWordingInput.
func (w *Words) pieces() []piece {
	each := func(t *CategoryTexts, field string) []piece {
		return []piece{
			{&t.Promoters, []string{field, "promoters"}, MaxText, false},
			{&t.Passives, []string{field, "passives"}, MaxText, false},
			{&t.Detractors, []string{field, "detractors"}, MaxText, false},
		}
	}
	return slices.Concat([]piece{
		{&w.Question, []string{"question"}, campaign.MaxQuestion, false},
		{&w.LowLabel, []string{"lowLabel"}, MaxEndLabel, true},
		{&w.HighLabel, []string{"highLabel"}, MaxEndLabel, true},
		{&w.MailSubject, []string{"mailSubject"}, MaxSubject, true},
		{&w.MailIntro, []string{"mailIntro"}, MaxMailText, false},
		{&w.MailOutro, []string{"mailOutro"}, MaxMailText, false},
	}, each(&w.FollowUps, "followUpQuestions"), each(&w.ThankYous, "thankYous"))
}

// isEmpty reports whether there is none of the texts.
func (w *Words) isEmpty() bool { return *w == Words{} }

// set takes over the texts that are given; an empty one takes away what was there.
func (w *Words) set(given Words) {
	have := w.pieces()
	for i, p := range given.pieces() {
		switch {
		case *p.text == nil:
		case strings.TrimSpace(**p.text) == "":
			*have[i].text = nil
		default:
			*have[i].text = *p.text
		}
	}
}

// SetWordingInput is a language and what a tenant says in it. Of the words, what is nil stays, and what is empty is taken away.
type SetWordingInput struct {
	// Campaign is the text of an id.
	Campaign                          string
	Locale                            string
	Variant                           *string
	Question, LowLabel, HighLabel     *string
	FollowUpQuestions, ThankYous      *CategoryTexts
	MailSubject, MailIntro, MailOutro *string
}

// words are those of the input.
func (in *SetWordingInput) words() Words {
	w := Words{
		Question: in.Question, LowLabel: in.LowLabel, HighLabel: in.HighLabel,
		MailSubject: in.MailSubject, MailIntro: in.MailIntro, MailOutro: in.MailOutro,
	}
	if in.FollowUpQuestions != nil {
		w.FollowUps = *in.FollowUpQuestions
	}
	if in.ThankYous != nil {
		w.ThankYous = *in.ThankYous
	}
	return w
}

// where is the campaign, the language and the variant that a wording is found by.
type where struct {
	campaign uuid.UUID
	locale   string
	variant  string // empty for all
}

// place reads which wording is meant.
func place(campaignID, locale string, variant *string) (w where, errs apierror.UserErrors) {
	var err error
	if w.campaign, err = id.Campaign.Parse(campaignID); err != nil {
		errs.Add(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	tag := &locale
	canonical(&errs, &tag, "locale")
	w.locale = *tag
	if variant != nil {
		if *variant == "" {
			errs.Add(apierror.NotFound, []string{"variant"}, "A variant has a name; leave it out to mean all of them.")
		}
		w.variant = *variant
	}
	return w, errs
}

// SetWording sets what a tenant says in one language. It gives nil where nothing is left of it. The error is UserErrors for what the
// caller can mend.
func SetWording(ctx context.Context, db *store.DB, in SetWordingInput) (*Wording, error) {
	at, errs := place(in.Campaign, in.Locale, in.Variant)
	given := in.words()
	for _, p := range given.pieces() {
		errs.AtMost(p.most, *p.text, p.field...)
		if p.line {
			errs.Line(*p.text, p.field...)
		}
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	var saved *Wording
	err := db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if _, err := findCampaign(ctx, tx, at.campaign, in.Campaign); err != nil {
			return err
		}
		if err := checkPlace(ctx, tx, at, given); err != nil {
			return err
		}
		row, err := findWording(ctx, tx, at)
		if err != nil {
			return err
		}
		var w Words
		if row != nil {
			if w, err = readWords(row); err != nil {
				return err
			}
		}
		w.set(given)
		saved, err = save(ctx, tx, at, row, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	return saved, nil
}

// checkPlace says what of an input the tenant's settings don't allow.
func checkPlace(ctx context.Context, tx *store.Tx, at where, given Words) error {
	var errs apierror.UserErrors
	if at.variant != "" {
		s, err := ofTx(ctx, tx, at.campaign)
		if err != nil {
			return err
		}
		if s.Variant(at.variant) == nil {
			errs.Add(apierror.NotFound, []string{"variant"}, "The survey has no variant %.100q.", at.variant)
		}
	}
	var texts []piece
	for _, p := range given.pieces() {
		if *p.text != nil {
			texts = append(texts, p)
		}
	}
	if err := checkPlaceholders(ctx, tx, &errs, texts); err != nil {
		return err
	}
	return errs.Err()
}

// checkPlaceholders notes the placeholders in texts, none of which is nil, that name nothing.
func checkPlaceholders(ctx context.Context, tx *store.Tx, errs *apierror.UserErrors, texts []piece) error {
	traits, err := tx.Ent.Trait.Query().Select(enttrait.FieldKey).Strings(ctx)
	if err != nil {
		return fmt.Errorf("reading the keys of traits: %w", err)
	}
	for _, p := range texts {
		for _, named := range Placeholders(**p.text) {
			if named.Key != nameKey && named.Key != brandKey && !slices.Contains(traits, named.Key) {
				errs.Add(apierror.Invalid, p.field, "{%.50s|…} names nothing: take name, brand or the key of a trait.", named.Key)
			}
		}
	}
	return nil
}

// findWording finds the row; nil where there is none.
func findWording(ctx context.Context, tx *store.Tx, at where) (*ent.Wording, error) {
	row, err := tx.Ent.Wording.Query().
		Where(entwording.CampaignID(at.campaign), entwording.Locale(at.locale), entwording.Variant(at.variant)).Only(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("reading a wording: %w", err)
	}
	return row, nil
}

// save writes the words where row is, or as a new one; without words there is none.
func save(ctx context.Context, tx *store.Tx, at where, row *ent.Wording, w Words) (*Wording, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("writing a wording: %w", err)
	}
	switch {
	case w.isEmpty() && row == nil:
		return nil, nil
	case w.isEmpty():
		err = tx.Ent.Wording.DeleteOne(row).Exec(ctx)
	case row != nil:
		err = tx.Ent.Wording.UpdateOne(row).SetWords(text).Exec(ctx)
	default:
		n, counted := tx.Ent.Wording.Query().Where(entwording.CampaignID(at.campaign)).Count(ctx)
		if counted == nil && n >= MaxWordings {
			return nil, apierror.User(apierror.TooMany, []string{"locale"}, "At most %d wordings in a campaign: take one away first.", MaxWordings)
		}
		if err = counted; err == nil {
			err = tx.Ent.Wording.Create().SetCampaignID(at.campaign).SetLocale(at.locale).SetVariant(at.variant).SetWords(text).Exec(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("saving a wording: %w", err)
	}
	if w.isEmpty() {
		return nil, nil
	}
	return at.wording(w), nil
}

func (at where) wording(w Words) *Wording {
	made := &Wording{Locale: at.locale, Words: w}
	if at.variant != "" {
		made.Variant = &at.variant
	}
	return made
}

// DeleteWordingInput says which words to take away.
type DeleteWordingInput struct {
	// Campaign is the text of an id.
	Campaign, Locale string
	Variant          *string
}

// DeleteWording takes away what a tenant says in one language, of one variant or, where that is nil, what holds for all, and gives the
// campaign. The error is
// UserErrors where there is nothing of it.
func DeleteWording(ctx context.Context, db *store.DB, in DeleteWordingInput) (c *ent.Campaign, err error) {
	at, errs := place(in.Campaign, in.Locale, in.Variant)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		if c, err = findCampaign(ctx, tx, at.campaign, in.Campaign); err != nil {
			return err
		}
		row, err := findWording(ctx, tx, at)
		if err != nil {
			return err
		}
		if row == nil {
			return apierror.User(apierror.NotFound, []string{"locale"}, "There are no words of your own in %s%s.", at.locale, at.named())
		}
		if err := tx.Ent.Wording.DeleteOne(row).Exec(ctx); err != nil {
			return fmt.Errorf("deleting a wording: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// named goes on from a language where only one variant is meant.
func (at where) named() string {
	if at.variant == "" {
		return ""
	}
	return fmt.Sprintf(" for the variant %.100q", at.variant)
}

// wordingsTx is Wordings of one campaign, within a transaction.
func wordingsTx(ctx context.Context, tx *store.Tx, campaign uuid.UUID) ([]*Wording, error) {
	all, err := readWordings(ctx, tx.Ent, []uuid.UUID{campaign})
	return all[campaign], err
}

// Wordings reads the wordings of campaigns of the caller's tenant, by language, those for all variants first.
func Wordings(ctx context.Context, db *store.DB, campaigns []uuid.UUID) (map[uuid.UUID][]*Wording, error) {
	return readWordings(ctx, db.Ent, campaigns)
}

func readWordings(ctx context.Context, client *ent.Client, campaigns []uuid.UUID) (map[uuid.UUID][]*Wording, error) {
	rows, err := client.Wording.Query().Where(func(s *sql.Selector) {
		s.Where(store.FieldIn(s, entwording.FieldCampaignID, campaigns))
	}).Order(entwording.ByLocale(), entwording.ByVariant()).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading wordings: %w", err)
	}
	all := make(map[uuid.UUID][]*Wording, len(campaigns))
	for _, c := range campaigns {
		all[c] = []*Wording{}
	}
	for _, row := range rows {
		w, err := readWords(row)
		if err != nil {
			return nil, err
		}
		all[row.CampaignID] = append(all[row.CampaignID], where{row.CampaignID, row.Locale, row.Variant}.wording(w))
	}
	return all, nil
}

func readWords(row *ent.Wording) (w Words, err error) {
	if err := json.Unmarshal(row.Words, &w); err != nil {
		return w, fmt.Errorf("reading the words of campaign %s in %s: %w", row.CampaignID, row.Locale, err)
	}
	return w, nil
}
