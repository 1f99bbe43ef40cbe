package web

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/feedback"
)

// FuzzMessages reads what anybody may send: nothing of it panics, and what is taken keeps within its bounds.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"visitor":"AAAAAAAAAAAAAAAAAAAAAA","page":"https://x.example/","locale":"de","variant":"B","token":"z10c_x","more":[1]}`))
	f.Add([]byte(`{"id":"z10l_x","score":1e1,"comment":"a\r\nb"}`))
	f.Add([]byte(`{"id":"z10l_x","declined":true}`))
	f.Add([]byte(`{"id":"z10l_x","score":-0,"comment":"\ud800"} `))
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := parseAsking(body); err == nil {
			if len(a.Visitor) != visitorLength || a.Page == "" || len(a.Page) > maxPage || len(a.Token) > maxTokenSent || len(a.Locale) > maxLocaleSent {
				t.Errorf("%q is taken as %+v", body, a)
			}
		}
		a, err := parseAnswering(body)
		if err != nil {
			return
		}
		if !json.Valid(body) || a.ID == "" || a.Declined == (a.Score != nil) {
			t.Errorf("%q is taken as %+v", body, a)
		}
		if a.Declined {
			return
		}
		if s := *a.Score; s != float64(int(s)) || s < 0 || s > 10 || utf8.RuneCountInString(a.Comment) > feedback.MaxComment ||
			!utf8.ValidString(a.Comment) || strings.ContainsRune(a.Comment, 0) || strings.Contains(a.Comment, "\r\n") {
			t.Errorf("%q is taken as %+v", body, a)
		}
	})
}
