package bar

import (
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/contact"
	"pgregory.net/rapid"
)

func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]Query{
		"":                                  {},
		"e=ada@example.com":                 {Email: "ada@example.com"},
		"e=ada%40example.com":               {Email: "ada@example.com"},
		"e=Ada%40Example.com":               {Email: "Ada@Example.com"},
		"e=ada+x@y.example":                 {Email: "ada+x@y.example"},
		"e=ada%2Bx%40y.example":             {Email: "ada+x@y.example"},
		"e=ada%2bx%40y.example":             {Email: "ada+x@y.example"},
		"e=%20ada@example.com%20":           {Email: "ada@example.com"},
		"e=j%C3%BCrgen@example.com":         {Email: "jürgen@example.com"},
		"e=jürgen@example.com":              {Email: "jürgen@example.com"},
		"e=100%@x.example":                  {Email: "100%@x.example"},
		"e=j%C3%BC100%@x.example":           {Email: "jü100%@x.example"},
		"e=a=b@x.example":                   {Email: "a=b@x.example"},
		"e=ada@example.com&utm_source=mail": {Email: "ada@example.com"},
		"mc_cid=1&_kx=%zz&e=ada@x.example&": {Email: "ada@x.example"},
		"amp;l=de&amp;e=ada@x.example":      {Email: "ada@x.example", Locale: "de"},

		"e=a@x.example&e=b@x.example":      {Email: "a@x.example"},
		"e=&e=b@x.example":                 {},
		"E=ada@x.example&em=ada@x.ex":      {},
		"e":                                {},
		"e=ada":                            {},
		"e=ada@":                           {},
		"e=Ada%20%3Cada@x.example%3E":      {},
		"e=j%FCrgen@example.com":           {},
		"e=a&b@x.example":                  {},
		"e=ada@x.example%0A":               {},
		"e=a%C2%85b@x.example":             {},
		"e=%user%@example.com":             {},
		"e=%25user%25@example.com":         {},
		"e=ada%0A@x.example":               {},
		"e=ada%00@x.example":               {},
		"e=" + strings.Repeat("a", 10_000): {},

		"c=42":                               {ExternalID: "42"},
		"c=a+b":                              {ExternalID: "a+b"},
		"c=a%20b":                            {ExternalID: "a b"},
		"c=%EA%B0%9D":                        {ExternalID: "객"},
		"c=ada@example.com":                  {ExternalID: "ada@example.com"},
		"c=a%25b":                            {ExternalID: "a%b"},
		"c=%7B3F2504E0-4F89-11D3-9A0C%7D":    {ExternalID: "{3F2504E0-4F89-11D3-9A0C}"},
		"c=42&e=ada@x.example":               {ExternalID: "42"},
		"c={{id}}&e=ada@x.example":           {Email: "ada@x.example"},
		"c=" + strings.Repeat("%C3%A9", 200): {ExternalID: strings.Repeat("é", 200)},
		"c=" + strings.Repeat("%C3%A9", 201): {},
		"c=%20":                              {},
		"c=a%00":                             {},
		"c=a%0Ab":                            {},
		"c=%FF":                              {},
		"c=None":                             {},
		"c=null":                             {},
		"c=undefined":                        {},

		"l=pt-BR&v=B&preview=1":                    {Locale: "pt-BR", Variant: "B", Preview: true},
		"l=de&l=fr&v=A&v=B&preview=0&preview=1":    {Locale: "de", Variant: "A"},
		"v=a%2Bb%20c%26d%3D%C3%A9":                 {Variant: "a+b c&d=é"},
		"v=%42%20%45%4D":                           {Variant: "B EM"},
		"preview=true":                             {},
		"preview":                                  {},
		"l=" + strings.Repeat("x", 36):             {},
		"v=" + strings.Repeat("%F0%9F%99%82", 100): {Variant: strings.Repeat("🙂", 100)},
		"v=" + strings.Repeat("x", 101):            {},
		"v=a%00":                                   {},
	} {
		got := ParseQuery(raw)
		got.Named, got.Unfilled = false, false // see TestNamed
		if got != want {
			t.Errorf("%.200s says %+v, want %+v", raw, got, want)
		}
	}
}

// A link that names somebody does so whoever that is.
func TestNamed(t *testing.T) {
	for raw, want := range map[string]bool{
		"": false, "l=de&v=B&preview=1": false, "utm_source=e": false, "E=ada@x.example": false,
		"e=ada@x.example": true, "c=42": true, "e={{email}}": true, "c=*|UNIQID|*": true, "e=": true, "c": true, "l=de&amp;e=": true,
	} {
		if got := ParseQuery(raw).Named; got != want {
			t.Errorf("%s names somebody: %v", raw, got)
		}
	}
	for raw, want := range map[string]bool{
		"": false, "l=de": false, OfNobody: false, OfNobody + "&l=de": false, "e=ada@x.example": false, "c=42": false, "e={{email}}&c=42": false,
		"e={{email}}": true, "e=": true, "c=": true, "c=*|UNIQID|*": true, "e=ada": true,
	} {
		if got := ParseQuery(raw).Unfilled; got != want {
			t.Errorf("%s was to name somebody, and does not: %v", raw, got)
		}
	}
	if got := ParseQuery(OfNobody); got != (Query{Named: true}) {
		t.Errorf("a mail's that names nobody: %+v", got)
	}
}

// unfilled are tags as they come where nothing was filled in for them, and what stands there in test mails.
var unfilled = []string{
	"*|EMAIL|*", "*|URL:EMAIL|*", "*|UNIQID|*", "[UNIQID]", "__test_email__", "{{email}}", "{{ contact.email|urlencode }}", "{{ contact.hs_object_id }}",
	"{{${email_address} | url_param_escape}}", "{{#urlEncode}}{{email}}{{/urlEncode}}", "{% if x %}", "%EMAIL%", "%SUBSCRIBERID%", "%DEALID%",
	"%ADDRESS%", "%50OFF%", "[EMAIL]", "[[email]]", "[[data:id]]", "[%email%]", "${email}", "##email##", "%%emailaddr%%", "%recipient.id%", "{EMAIL}",
	"{$email}", "$email$", "@EMAIL@", "~Contact.Id~", "id-{{id}}", "{{id}}@example.com", "*|FNAME|*@example.com", "",
}

// A tag that was not filled in is nobody, whether it comes as it is, as a browser writes it, or encoded once or twice.
func TestUnfilled(t *testing.T) {
	for _, tag := range unfilled {
		for _, key := range []string{"e", "c"} {
			for _, value := range []string{tag, browser(tag), url.QueryEscape(tag), url.PathEscape(tag), url.QueryEscape(url.PathEscape(tag))} {
				// Of what stands behind a # nothing comes.
				value, _, _ = strings.Cut(value, "#")
				if got := ParseQuery(key + "=" + value); got != (Query{Named: true, Unfilled: true}) {
					t.Errorf("%s=%s says %+v", key, value, got)
				}
			}
		}
	}
}

// browser writes what stands in the query of a link as browsers send it (the URL Standard's special-query percent-encode set).
func browser(query string) string {
	var w strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>'`, c) >= 0 {
			w.WriteString(percent(string([]byte{c}), false))
		} else {
			w.WriteByte(c)
		}
	}
	return w.String()
}

// click is the raw query that the server gets of a link in a mail.
func click(href string) string {
	href, _, _ = strings.Cut(href, "#")
	_, query, _ := strings.Cut(href, "?")
	return browser(query)
}

// fill is how a provider puts a value in the place of its tag.
func fill(p Provider) func(value string) string {
	switch p {
	case Mailchimp, HubSpot, CustomerIO, Iterable:
		return url.QueryEscape
	case Klaviyo: // Django leaves slashes alone
		return func(value string) string { return strings.ReplaceAll(percent(value, false), "%2F", "/") }
	case Braze:
		return func(value string) string { return percent(value, false) }
	case SendGrid:
		return html.EscapeString
	case ActiveCampaign, Generic:
	}
	return func(value string) string { return value }
}

// people are recipients, and whether they are known again where the provider encodes, and where it puts them in as they are.
var people = []struct {
	email        string
	encoded, raw bool
}{
	{"ada@example.com", true, true},
	{"ada+x@y.example", true, true},
	{"Ada.O'Neill@example.com", true, true},
	{"jürgen@example.com", true, true},
	{"사용자@예시.example", true, true},
	{"a/b=c?d@x.example", true, true},
	{"100%@x.example", true, true},
	{"a|b*c@x.example", true, true},
	{"a&b@x.example", true, false},
	{"a#b@x.example", true, false},
	{`"a b"@x.example`, false, false}, // no address by our rule
	{`"a\"b"@x.example`, false, false},
	{"ada", false, false},
	{"", false, false},
}

// From the bar, by the provider and a click, to the person or nobody, never to somebody else.
func TestThereAndBack(t *testing.T) {
	for _, p := range slices.Sorted(maps.Keys(spellings)) {
		put := fill(p)
		b := english(p, Email)
		b.Variant = "Größe B+"
		for _, person := range people {
			want := Query{Variant: b.Variant, Named: true}
			known := person.raw
			if spellings[p].encodes {
				known = person.encoded
			}
			if known {
				want.Email = person.email
			}
			want.Unfilled = !known
			links := hrefs(t, strings.ReplaceAll(b.HTML(), b.Tag, put(person.email)))
			if len(links) != 12 {
				t.Fatalf("%s: %d links of %s", p, len(links), person.email)
			}
			for _, link := range links {
				got := ParseQuery(click(link))
				if !strings.Contains(link, "&v=") || strings.Contains(link, "#") {
					want.Variant = "" // cut off, by a quotation mark or as a fragment
				}
				if got != want {
					t.Errorf("%s: %s says %+v, want %+v", p, link, got, want)
				}
			}
		}
		for _, link := range hrefs(t, b.HTML()) {
			if got := ParseQuery(click(link)); got.Email != "" || got.ExternalID != "" {
				t.Errorf("%s unfilled: %s says %+v", p, link, got)
			}
		}

		b = english(p, ExternalID)
		if b.Tag == "" {
			continue
		}
		for _, id := range []string{"42", "a-1", "crm_7", "A.B~C", "객-7", "ada@example.com", "a:b/c"} {
			for _, link := range hrefs(t, strings.ReplaceAll(b.HTML(), b.Tag, put(id))) {
				if got := ParseQuery(click(link)); got != (Query{ExternalID: id, Named: true}) {
					t.Errorf("%s: %s says %+v, want %s", p, link, got, id)
				}
			}
		}
		for _, link := range hrefs(t, b.HTML()) {
			if got := ParseQuery(click(link)); got != (Query{Named: true, Unfilled: true}) {
				t.Errorf("%s unfilled: %s says %+v", p, link, got)
			}
		}
	}
}

// Whoever has an address is known again by it where it comes encoded, and is nobody else where it comes as it is.
func TestAddresses(t *testing.T) {
	// All that a local part is made of without quotes (RFC 5322, section 3.2.3), but for the percent sign, which raw may be an escape.
	local := rapid.StringMatching("[a-zA-Z0-9é][a-zA-Z0-9é!#$&'*+/=?^_`{|}~-]{0,20}[a-zA-Z0-9é]")
	domain := rapid.StringMatching(`[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		email := local.Draw(t, "local") + "@" + domain.Draw(t, "domain")
		if !contact.ValidEmail(email) {
			t.Fatalf("%s is no address", email)
		}
		want := email
		if isUnfilled(email) {
			want = ""
		}
		for _, encoded := range []string{url.QueryEscape(email), percent(email, false), percent(email, true)} {
			if got := ParseQuery("e=" + encoded); got != (Query{Email: want, Named: true, Unfilled: want == ""}) {
				t.Fatalf("%s says %+v, want %s", encoded, got, want)
			}
		}
		if got := ParseQuery(click("https://x.example/7?e=" + email)).Email; got != "" && got != email {
			t.Fatalf("%s was taken for %s", email, got)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, tag := range unfilled {
		f.Add("e=" + tag + "&c=" + tag)
	}
	f.Add("e=ada%40example.com&l=de&v=B&preview=1")
	f.Add("utm_source=x&c=a+b%20c&e=ada+x@y.example&amp;v=%F0%9F%99%82")
	f.Add("&&=&e&c=%&%=%%%")
	f.Fuzz(func(t *testing.T, raw string) {
		q := ParseQuery(raw)
		if q.Email != "" && (!contact.ValidEmail(q.Email) || isUnfilled(q.Email) || q.ExternalID != "") {
			t.Errorf("the address %q beside the id %q", q.Email, q.ExternalID)
		}
		if isUnfilled(q.ExternalID) {
			t.Errorf("the id %q", q.ExternalID)
		}
		for _, said := range []struct {
			text string
			most int
		}{{q.Email, maxEmail}, {q.ExternalID, contact.MaxExternalID}, {q.Locale, maxLocale}, {q.Variant, maxVariant}} {
			if !utf8.ValidString(said.text) || utf8.RuneCountInString(said.text) > said.most || strings.ContainsFunc(said.text, unicode.IsControl) {
				t.Errorf("%q of at most %d", said.text, said.most)
			}
		}
		for _, same := range []string{"utm_source=a%zz&" + raw, raw + "&" + raw, raw + "&mc_eid=1"} {
			if got := ParseQuery(same); got != q {
				t.Errorf("%q says %+v, and %q says %+v", raw, q, same, got)
			}
		}
		again := ParseQuery("e=" + percent(q.Email, false) + "&c=" + percent(q.ExternalID, true) + "&l=" + percent(q.Locale, false) + "&v=" + percent(q.Variant, false))
		if again.Preview, again.Named, again.Unfilled = q.Preview, q.Named, q.Unfilled; again != q {
			t.Errorf("%+v was read again as %+v", q, again)
		}
		if decoded, err := url.PathUnescape(raw); err == nil && utf8.ValidString(decoded) && len(raw) <= maxRaw && unescape(raw) != decoded {
			t.Errorf("%q is decoded as %q, want %q", raw, unescape(raw), decoded)
		}
	})
}
