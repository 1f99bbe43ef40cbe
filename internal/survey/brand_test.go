package survey_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/look"
)

// logo is a PNG of one colour.
func logo(t *testing.T, shade uint8) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 4, 2))
	for i := range m.Pix {
		m.Pix[i] = shade
	}
	m.Set(0, 0, color.White)
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestUpdateBrand(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		update := func(in survey.UpdateBrandInput) *survey.Brand {
			t.Helper()
			b, err := survey.UpdateBrand(w.ctx, db, survey.NewStudio(), in)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		first := update(survey.UpdateBrandInput{Name: new("Acme Fibre"), Logo: new(logo(t, 1)), Website: new("https://acme.example"), AccentColor: &look.Color{R: 0x80}})
		if first.Name != "Acme Fibre" || first.Logo == "" || first.LogoWidth != 4 || first.LogoHeight != 2 || first.Website != "https://acme.example" || first.Accent.String() != "#800000" {
			t.Errorf("got %+v", first)
		}
		if again := update(survey.UpdateBrandInput{BackgroundImage: new(logo(t, 7))}); again.Logo != first.Logo || again.Image == "" || again.Name != first.Name {
			t.Errorf("got %+v", again)
		}
		// Mails that are out go on showing the last ones, and not all that there ever were.
		for shade := range uint8(30) {
			update(survey.UpdateBrandInput{Logo: new(logo(t, 100+shade))})
		}
		if n, err := db.Ent.BrandImage.Query().Count(w.ctx); err != nil || n < 20 || n > 22 {
			t.Errorf("%d images are kept (error: %v)", n, err)
		}
		gone := update(survey.UpdateBrandInput{Name: new(""), Logo: new([]byte{}), BackgroundImage: new([]byte{}), Website: new("")})
		if gone.Name != "Acme" || gone.Logo != "" || gone.Image != "" || gone.Website != "" || gone.Accent.String() != "#800000" {
			t.Errorf("got %+v", gone)
		}
		read, err := survey.BrandOf(w.ctx, db)
		if err != nil || *read != *gone {
			t.Errorf("it is %+v, and was saved as %+v (error: %v)", read, gone, err)
		}
	})
}

func TestUpdateBrandRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, test := range map[string]struct {
			in   survey.UpdateBrandInput
			want []string
		}{
			"pale":      {survey.UpdateBrandInput{AccentColor: &look.Color{R: 250, G: 250, B: 250}}, []string{"INVALID accentColor"}},
			"dark":      {survey.UpdateBrandInput{BackgroundColor: &look.Color{R: 10, G: 10, B: 10}}, []string{"INVALID textColor"}},
			"no image":  {survey.UpdateBrandInput{Logo: new([]byte("<svg/>"))}, []string{"INVALID logo"}},
			"no site":   {survey.UpdateBrandInput{Website: new("javascript:1"), PrivacyPolicy: new("http://x.example")}, []string{"INVALID website", "INVALID privacyPolicy"}},
			"no name":   {survey.UpdateBrandInput{Name: new(" ")}, []string{"REQUIRED name"}},
			"two lines": {survey.UpdateBrandInput{Name: new("Acme\nBcc: x")}, []string{"INVALID name"}},
			"turned":    {survey.UpdateBrandInput{Name: new("Acme\u202e")}, []string{"INVALID name"}},
			"long name": {survey.UpdateBrandInput{Name: new(strings.Repeat("x", 101))}, []string{"TOO_LONG name"}},
		} {
			_, err := survey.UpdateBrand(w.ctx, db, survey.NewStudio(), test.in)
			if got := refusals(t, err); !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
	})
}

// However many are waiting for theirs, one image is made at a time, and who waits no longer is let go.
func TestStudioWaits(t *testing.T) {
	studio := survey.NewStudio()
	leave, err := studio.Enter(ofTenant(t))
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(ofTenant(t))
	cancel()
	for range 2 { // that it was given up leaves nothing
		if _, err := survey.UpdateBrand(gone, nil, studio, survey.UpdateBrandInput{Logo: &[]byte{1}}); !errors.Is(err, context.Canceled) {
			t.Errorf("while another image is made: %v", err)
		}
	}
	leave()
	if leave, err = studio.Enter(ofTenant(t)); err != nil {
		t.Fatal(err)
	}
	leave()
}

// ofTenant is a context of a tenant of its own.
func ofTenant(t *testing.T) context.Context {
	t.Helper()
	return auth.ForTenant(t.Context(), uuid.New())
}

// However many images a tenant sends, others wait for one of them, and none of their own is refused.
func TestStudioHasOneOfATenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants, requests = 5, 20
		studio := survey.NewStudio()
		refused := make(chan error, tenants*requests)
		entered, goOn := make(chan uuid.UUID, tenants*requests), make(chan struct{})
		for range tenants {
			ctx := ofTenant(t)
			for range requests {
				go func() {
					leave, err := studio.Enter(ctx)
					if err != nil {
						refused <- err
						return
					}
					entered <- auth.Tenant(ctx)
					<-goOn
					leave()
				}()
			}
		}
		synctest.Wait()
		if n := len(refused); n != tenants*(requests-1) {
			t.Errorf("%d are refused at once", n)
		}
		close(refused)
		for err := range refused {
			if busy, ok := errors.AsType[*apierror.Error](err); !ok || busy.Code != apierror.Overloaded || busy.RetryAfter <= 0 {
				t.Errorf("one too many: %v", err)
			}
		}
		served := map[uuid.UUID]bool{}
		for range tenants {
			synctest.Wait()
			if n := len(entered); n != 1 {
				t.Fatalf("%d are in at once", n)
			}
			tenant := <-entered
			if served[tenant] {
				t.Errorf("%s is served again", tenant)
			}
			served[tenant] = true
			goOn <- struct{}{}
		}
		synctest.Wait()
		if n := len(entered); n > 0 {
			t.Errorf("%d more are in", n)
		}
		for tenant := range served { // what was made keeps nobody out
			leave, err := studio.Enter(auth.ForTenant(t.Context(), tenant))
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
	})
}
