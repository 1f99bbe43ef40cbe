package contact_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/contact"
)

// Whatever mails go to the same mailbox by is one address.
func TestEmailKey(t *testing.T) {
	for _, same := range [][]string{
		{"no@stop.example", "NO@Stop.Example", "no@stop。example", "no@stop．example", "no@ｓtop.example", "no@ſtop.example", "no@ⓢtop.example"},
		{"ann@xn--bcher-kva.example", "Ann@bücher.example", "ann@bu\u0308cher.example", "ann@BÜCHER.example"},
		{"jörg@x.example", "jo\u0308rg@x.example", "JÖRG@X.example", "JO\u0308RG@x.example"},
		{"a_b@under_score.example", "A_B@Under_Score.example"},
	} {
		for _, email := range same {
			if got, want := contact.EmailKey(email), contact.EmailKey(same[0]); got != want {
				t.Errorf("%+q is known by %q, and %+q by %q", email, got, same[0], want)
			}
			if !contact.ValidEmail(email) {
				t.Errorf("%+q is refused", email)
			}
		}
	}
	if a, b := contact.EmailKey("ann@x.example"), contact.EmailKey("anna@x.example"); a == b {
		t.Errorf("two are known by %q", a)
	}
	if got := contact.EmailKey("Ada@X.Example"); got != "ada@x.example" {
		t.Errorf("got %q", got)
	}
	for _, email := range []string{"no@st\u00adop.example", "no@stop\u200b.example", "n\u200do@stop.example", "no@stop\ufe0f.example", "no\u3164@stop.example", "\u2066no@stop.example"} {
		if contact.ValidEmail(email) {
			t.Errorf("%+q is taken", email)
		}
	}
}
