package app

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// TestMailsADay has the operator's limit reach whoever sends, and refuses one that is none.
func TestMailsADay(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		a, err := Open(t.Context(), Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		const site = survey.Site("https://nps.example.com")
		if err := (&Mail{MailFolder: t.TempDir(), MailsADay: -1}).check(site); err == nil || !strings.Contains(err.Error(), "--mails-a-day -1") {
			t.Errorf("less than none: %v", err)
		}
		for _, most := range []int{0, 7} {
			if err := a.mailer(&Mail{MailFolder: t.TempDir(), MailsADay: most}, site); err != nil || a.Mailer.House().MailsADay != most {
				t.Errorf("%d: %v", most, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}
