package survey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entimage "github.com/zeroten/zeroten/ent/brandimage"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/look"
)

const (
	// MaxBrandName is how many characters a brand's name has at most.
	MaxBrandName = 100
	// maxImages is how many images of a tenant are kept: mails that are out show those of before.
	maxImages = 20
)

// Brand is how a tenant looks on its pages, in its mails and in its widget.
type Brand struct {
	// Name is who asks, as people know it.
	Name string
	look.Palette
	// Logo and Image are where this server shows them, e.g. `/b/….png`; empty where there is none.
	Logo, Image           string
	LogoWidth, LogoHeight int
	// Website and PrivacyPolicy are empty where none was given.
	Website, PrivacyPolicy string
}

// NoBrand is the look of what is nobody's.
func NoBrand() *Brand { return &Brand{Palette: look.DefaultPalette()} }

// OnAccent is what is written on the accent.
func (b *Brand) OnAccent() look.Color { return look.OnAccent(b.Accent) }

// UpdateBrandInput says what of a brand changes. What is nil stays, and what is empty is taken away.
type UpdateBrandInput struct {
	Name            *string
	Logo            *[]byte
	AccentColor     *look.Color
	BackgroundColor *look.Color
	TextColor       *look.Color
	BackgroundImage *[]byte
	Website         *string
	PrivacyPolicy   *string
}

// Studio makes images, one after the other: one takes up to look.BackgroundMemory, and a process has that once. Of a tenant one request is
// in it, at work or waiting, so that nobody waits for more than one of each other tenant. What waits has a large body, and has taken what
// all share for these.
type Studio struct {
	turn chan struct{}

	mu sync.Mutex
	// in are the tenants that are in it.
	in map[uuid.UUID]bool
}

// NewStudio makes a Studio.
func NewStudio() *Studio { return &Studio{turn: make(chan struct{}, 1), in: map[uuid.UUID]bool{}} }

// enter waits for the turn of the caller's tenant, which ends with leave. The error is OVERLOADED, at once, where the tenant is in already.
func (s *Studio) enter(ctx context.Context) (leave func(), err error) {
	tenant := auth.Tenant(ctx)
	if !s.admit(tenant) {
		busy := apierror.New(apierror.Overloaded, "Another image of the tenant is being made; try again when that is done.")
		busy.RetryAfter = time.Second
		return nil, busy
	}
	select {
	case s.turn <- struct{}{}:
		return func() {
			<-s.turn
			s.dismiss(tenant)
		}, nil
	case <-ctx.Done():
		s.dismiss(tenant)
		return nil, fmt.Errorf("waiting for the images of others: %w", context.Cause(ctx))
	}
}

// admit lets a tenant in, and reports whether it was not there.
func (s *Studio) admit(tenant uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in[tenant] {
		return false
	}
	s.in[tenant] = true
	return true
}

func (s *Studio) dismiss(tenant uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.in, tenant)
}

// images makes the images of the input; errs says what is wrong with them.
func (s *Studio) images(ctx context.Context, in *UpdateBrandInput) (logo, background *look.Image, errs apierror.UserErrors, err error) {
	if isEmpty(in.Logo) && isEmpty(in.BackgroundImage) {
		return nil, nil, nil, nil
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer leave()
	image := func(file *[]byte, field string, of func([]byte) (look.Image, error)) *look.Image {
		if isEmpty(file) {
			return nil
		}
		made, err := of(*file)
		if err != nil {
			errs.Add(apierror.Invalid, []string{field}, "%s", sentence(err))
			return nil
		}
		return &made
	}
	logo = image(in.Logo, "logo", look.Logo)
	background = image(in.BackgroundImage, "backgroundImage", look.Background)
	return logo, background, errs, nil
}

// validate says what is wrong with the input by itself, its images apart.
func (in *UpdateBrandInput) validate() (errs apierror.UserErrors) {
	if in.Name != nil && *in.Name != "" {
		errs.Filled(MaxBrandName, in.Name, "name")
		errs.Line(in.Name, "name")
	}
	for _, f := range []struct {
		field string
		url   *string
	}{{"website", in.Website}, {"privacyPolicy", in.PrivacyPolicy}} {
		if f.url != nil && *f.url != "" {
			checkURL(&errs, *f.url, false, f.field)
		}
	}
	return errs
}

// isEmpty reports whether there is no file, or one that takes away what was there.
func isEmpty(file *[]byte) bool { return file == nil || len(*file) == 0 }

// sentence is an error's text as one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// UpdateBrand changes how the caller's tenant looks. The error is UserErrors for what the caller can mend, and OVERLOADED while an image of
// the tenant is being made.
func UpdateBrand(ctx context.Context, db *store.DB, studio *Studio, in UpdateBrandInput) (*Brand, error) {
	errs := in.validate()
	logo, background, faults, err := studio.images(ctx, &in)
	if err != nil {
		return nil, err
	}
	if err := append(errs, faults...).Err(); err != nil {
		return nil, err
	}
	var saved *Brand
	err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
		row, err := brandRow(ctx, tx)
		if err != nil {
			return err
		}
		isNew := row == nil
		if isNew {
			row = &ent.Brand{}
		}
		in.apply(row)
		palette, err := paletteOf(row)
		if err != nil {
			return err
		}
		if err := palette.Check().Err(); err != nil {
			return err
		}
		for _, image := range []struct {
			given *[]byte
			made  *look.Image
			hash  *[]byte
		}{{in.Logo, logo, &row.Logo}, {in.BackgroundImage, background, &row.BackgroundImage}} {
			switch {
			case image.given == nil:
			case image.made == nil:
				*image.hash = nil
			default:
				if *image.hash, err = keepImage(ctx, tx, image.made); err != nil {
					return err
				}
			}
		}
		if err := writeBrand(ctx, tx, row, isNew); err != nil {
			return err
		}
		if err := dropImages(ctx, tx, row); err != nil {
			return err
		}
		tenant, err := tx.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
		if err != nil {
			return fmt.Errorf("reading a tenant: %w", err)
		}
		saved, err = BrandTx(ctx, tx, tenant)
		return err
	})
	return saved, err
}

// apply changes what is given, but for the images.
func (in *UpdateBrandInput) apply(row *ent.Brand) {
	text := func(to **string, given *string) {
		switch {
		case given == nil:
		case strings.TrimSpace(*given) == "":
			*to = nil
		default:
			*to = given
		}
	}
	color := func(to **string, given *look.Color) {
		if given != nil {
			*to = new(given.String())
		}
	}
	text(&row.Name, in.Name)
	text(&row.Website, in.Website)
	text(&row.PrivacyPolicy, in.PrivacyPolicy)
	color(&row.AccentColor, in.AccentColor)
	color(&row.BackgroundColor, in.BackgroundColor)
	color(&row.TextColor, in.TextColor)
}

// paletteOf is the palette of a brand as it is stored.
func paletteOf(row *ent.Brand) (look.Palette, error) {
	p := look.DefaultPalette()
	for _, c := range []struct {
		to   *look.Color
		text *string
	}{{&p.Accent, row.AccentColor}, {&p.Background, row.BackgroundColor}, {&p.Text, row.TextColor}} {
		if c.text == nil {
			continue
		}
		var err error
		if *c.to, err = look.ParseColor(*c.text); err != nil {
			return p, fmt.Errorf("reading a brand: %w", err)
		}
	}
	return p, nil
}

// brandRow finds the row of the caller's tenant; nil where there is none.
func brandRow(ctx context.Context, tx *store.Tx) (*ent.Brand, error) {
	row, err := tx.Ent.Brand.Query().Only(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("reading a brand: %w", err)
	}
	return row, nil
}

func writeBrand(ctx context.Context, tx *store.Tx, row *ent.Brand, isNew bool) error {
	var err error
	if isNew {
		c := tx.Ent.Brand.Create().SetNillableName(row.Name).SetNillableWebsite(row.Website).SetNillablePrivacyPolicy(row.PrivacyPolicy).
			SetNillableAccentColor(row.AccentColor).SetNillableBackgroundColor(row.BackgroundColor).SetNillableTextColor(row.TextColor)
		if row.Logo != nil {
			c.SetLogo(row.Logo)
		}
		if row.BackgroundImage != nil {
			c.SetBackgroundImage(row.BackgroundImage)
		}
		err = c.Exec(ctx)
	} else {
		u := tx.Ent.Brand.UpdateOneID(row.ID)
		text := func(value *string, set func(string) *ent.BrandUpdateOne, take func() *ent.BrandUpdateOne) {
			if value == nil {
				take()
			} else {
				set(*value)
			}
		}
		text(row.Name, u.SetName, u.ClearName)
		text(row.Website, u.SetWebsite, u.ClearWebsite)
		text(row.PrivacyPolicy, u.SetPrivacyPolicy, u.ClearPrivacyPolicy)
		text(row.AccentColor, u.SetAccentColor, u.ClearAccentColor)
		text(row.BackgroundColor, u.SetBackgroundColor, u.ClearBackgroundColor)
		text(row.TextColor, u.SetTextColor, u.ClearTextColor)
		image := func(hash []byte, set func([]byte) *ent.BrandUpdateOne, take func() *ent.BrandUpdateOne) {
			if hash == nil {
				take()
			} else {
				set(hash)
			}
		}
		image(row.Logo, u.SetLogo, u.ClearLogo)
		image(row.BackgroundImage, u.SetBackgroundImage, u.ClearBackgroundImage)
		err = u.Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("saving a brand: %w", err)
	}
	return nil
}

// keepImage keeps an image, unless the tenant has it already, and gives its hash.
func keepImage(ctx context.Context, tx *store.Tx, image *look.Image) ([]byte, error) {
	hash := sha256.Sum256(image.Data)
	has, err := tx.Ent.BrandImage.Query().Where(entimage.Hash(hash[:])).Exist(ctx)
	if err == nil && !has {
		err = tx.Ent.BrandImage.Create().SetHash(hash[:]).SetMediaType(image.MediaType).SetWidth(image.Width).SetHeight(image.Height).
			SetData(image.Data).Exec(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("keeping an image: %w", err)
	}
	return hash[:], nil
}

// dropImages drops the oldest images beyond those that are kept, but none that the brand shows.
func dropImages(ctx context.Context, tx *store.Tx, row *ent.Brand) error {
	old, err := tx.Ent.BrandImage.Query().Select(entimage.FieldID, entimage.FieldHash).
		Order(entimage.ByCreatedAt(sql.OrderDesc()), entimage.ByID(sql.OrderDesc())).Offset(maxImages).All(ctx)
	if err != nil {
		return fmt.Errorf("reading the images: %w", err)
	}
	for _, image := range old {
		if bytes.Equal(image.Hash, row.Logo) || bytes.Equal(image.Hash, row.BackgroundImage) {
			continue
		}
		if err := tx.Ent.BrandImage.DeleteOneID(image.ID).Exec(ctx); err != nil {
			return fmt.Errorf("dropping an image: %w", err)
		}
	}
	return nil
}

// BrandOf reads how the caller's tenant looks.
func BrandOf(ctx context.Context, db *store.DB) (b *Brand, err error) {
	err = db.Snapshot(ctx, func(tx *store.Tx) error {
		tenant, err := tx.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
		if err != nil {
			return fmt.Errorf("reading a tenant: %w", err)
		}
		b, err = BrandTx(ctx, tx, tenant)
		return err
	})
	return b, err
}

// BrandTx is how a tenant looks, within a transaction.
func BrandTx(ctx context.Context, tx *store.Tx, tenant *ent.Tenant) (*Brand, error) {
	row, err := brandRow(ctx, tx)
	if err != nil {
		return nil, err
	}
	b := NoBrand()
	b.Name = inLine(tenant.Name)
	if row == nil {
		return b, nil
	}
	if b.Palette, err = paletteOf(row); err != nil {
		return nil, err
	}
	if row.Name != nil {
		b.Name = inLine(*row.Name)
	}
	b.Website, b.PrivacyPolicy = text(row.Website), text(row.PrivacyPolicy)
	for _, image := range []struct {
		hash          []byte
		path          *string
		width, height *int
	}{{row.Logo, &b.Logo, &b.LogoWidth, &b.LogoHeight}, {row.BackgroundImage, &b.Image, new(int), new(int)}} {
		if image.hash == nil {
			continue
		}
		kept, err := tx.Ent.BrandImage.Query().Where(entimage.Hash(image.hash)).
			Select(entimage.FieldHash, entimage.FieldMediaType, entimage.FieldWidth, entimage.FieldHeight).Only(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading an image: %w", err)
		}
		*image.path, *image.width, *image.height = ImagePath(kept), kept.Width, kept.Height
	}
	return b, nil
}

func text(given *string) string {
	if given == nil {
		return ""
	}
	return *given
}

// ending is how the name of an image ends, by its media type.
var endings = map[string]string{"image/png": ".png", "image/jpeg": ".jpg"}

// ImagePath is where this server shows an image.
func ImagePath(image *ent.BrandImage) string {
	return "/b/" + hex.EncodeToString(image.Hash) + endings[image.MediaType]
}
