package outreach_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// refusal is what a caller can mend, as code and field.
func refusal(err error) string {
	errs, ok := errors.AsType[apierror.UserErrors](err)
	if !ok {
		return fmt.Sprint(err)
	}
	return fmt.Sprint(errs[0].Code, " ", strings.Join(errs[0].Field, "."))
}

// Nobody is written to who does not want it, neither for a test nor for a code.
func TestTrialsOfTheSuppressed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		c := h.campaign("Campaign")
		h.suppress(entsuppression.ReasonUNSUBSCRIBED, "ada")
		sender := func(address string) error {
			_, err := h.desk.Update(h.ctx, site, outreach.UpdateInput{Sender: &outreach.SenderInput{Address: &address}}, h.mailer.Confirm)
			return err
		}
		for range outreach.MaxTests + 1 { // and it does not count
			if _, err := h.mailer.Test(h.ctx, outreach.TestInput{Campaign: c.NodeID(), To: strings.ToUpper(address("ada"))}); refusal(err) != "NOT_ALLOWED to" {
				t.Errorf("a test: %v", err)
			}
			if err := sender(address("ada")); refusal(err) != "NOT_ALLOWED sender.address" {
				t.Errorf("a code: %v", err)
			}
		}
		if mails := h.server.take(); len(mails) != 0 {
			t.Errorf("%d mails were sent", len(mails))
		}
		h.must(sender(address("bob")))
		_, err := h.mailer.Test(h.ctx, outreach.TestInput{Campaign: c.NodeID(), To: address("bob")})
		h.must(err)
		mails := h.server.take()
		if len(mails) != 2 {
			t.Fatalf("%d mails were sent", len(mails))
		}
		shown, err := h.mailer.Letter(h.ctx, c, nil, nil, nil)
		h.must(err)
		const says = "Unsubscribe"
		if !strings.Contains(shown.Text, says) || !strings.Contains(shown.HTML, says) {
			t.Error("the mail that is shown says nothing of unsubscribing")
		}
		for _, m := range mails {
			if strings.Contains(m.text, says) {
				t.Errorf("the test says %s", m.text)
			}
		}
	})
}

// A code cannot be guessed by asking for ever new ones.
func TestWrongCodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		last := ""
		anew := func(i int) {
			t.Helper()
			_, err := h.desk.Update(h.ctx, site, outreach.UpdateInput{Sender: &outreach.SenderInput{Address: new(address(fmt.Sprint("a", i)))}},
				func(_ context.Context, _, code string) error {
					last = code
					return nil
				})
			h.must(err)
		}
		try := func(code string) string {
			_, err := h.desk.Confirm(h.ctx, site, code)
			return refusal(err)
		}
		for i := range outreach.MaxWrongAnHour {
			if i%(outreach.MaxWrongCodes-1) == 0 {
				anew(i)
			}
			if got := try("wrong"); got != "INVALID code" {
				t.Fatalf("wrong code %d: %s", i, got)
			}
		}
		anew(100)
		for _, code := range []string{"wrong", last} {
			if got := try(code); got != "NOT_ALLOWED code" {
				t.Errorf("after too many: %s", got)
			}
		}
		h.clock.pass(time.Hour)
		if got := try("wrong"); got != "INVALID code" {
			t.Errorf("in the next hour: %s", got)
		}
		s, err := h.desk.Confirm(h.ctx, site, last)
		h.must(err)
		if s.Sender.Address != address("a100") {
			t.Errorf("mails come from %s", s.Sender.Address)
		}
	})
}

// A sender's name is none that hides whose address it is.
func TestSendersName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		for name, want := range map[string]string{
			"help@bank.example": "INVALID sender.name", "help＠bank": "INVALID sender.name", "https://bank.example": "INVALID sender.name",
			"a\x00b": "INVALID sender.name", "a\nb": "INVALID sender.name", "Acme: surveys, e.g. (ours)": "<nil>",
		} {
			if _, err := h.desk.Update(h.ctx, site, outreach.UpdateInput{Sender: &outreach.SenderInput{Name: &name}}, nil); refusal(err) != want {
				t.Errorf("%q: %v", name, err)
			}
		}
		// A brand's name may be written so, and a mail comes under none.
		_, err := h.desk.Update(h.ctx, site, outreach.UpdateInput{Sender: &outreach.SenderInput{}}, nil)
		h.must(err)
		_, err = survey.UpdateBrand(h.ctx, db, survey.NewStudio(), survey.UpdateBrandInput{Name: new("help@bank.example")})
		h.must(err)
		c := h.campaign("Campaign")
		_, err = h.mailer.Test(h.ctx, outreach.TestInput{Campaign: c.NodeID(), To: address("bob")})
		h.must(err)
		h.must(h.mailer.Confirm(h.ctx, address("bob"), "12345678"))
		for _, m := range h.server.take() {
			_, after, _ := strings.Cut(m.text, "From:")
			if from, _, _ := strings.Cut(after, "\r\n"); !strings.Contains(from, "help bank.example") {
				t.Errorf("it is %s", from)
			}
			if strings.Contains(m.text, "The code is") && (!strings.Contains(m.text, "Somebody wants") || strings.Contains(m.text, "@bank")) {
				t.Errorf("it says %s", m.text)
			}
		}
	})
}

// Tenants are told what is about their mails, and nothing of how the operator's mail server is reached.
func TestToldOfServer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		c := h.campaign("Campaign")
		h.server.says(nil, func(string) error {
			return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "host [203.0.113.9] is blocked"}
		}, nil)
		h.invite(c, "ada")
		h.sweep()
		h.wants(c, "FAILED 1")
		if got := *h.only(c).BounceReason; got != "554 5.7.1 host [(host)] is blocked" {
			t.Errorf("the reason is %q", got)
		}
		if !strings.Contains(h.logged.String(), "203.0.113.9") {
			t.Error("the log does not say it")
		}
		h.server.says(func(string) error { return &smtp.SMTPError{Code: 421, Message: "not from 203.0.113.10"} }, nil, nil)
		_, err := h.mailer.Test(h.ctx, outreach.TestInput{Campaign: c.NodeID(), To: address("bob")})
		if refusal(err) != "NOT_ALLOWED " || strings.Contains(err.Error(), "203.0") || !strings.Contains(h.logged.String(), "203.0.113.10") {
			t.Errorf("a test: %v", err)
		}
	})
}
