package link

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

var (
	acme    = uuid.MustParse("019ac1d4-7b00-7000-8000-0000000000a1")
	globex  = uuid.MustParse("019ac1d4-7b00-7000-8000-0000000000b2")
	subject = uuid.MustParse("019ac1d4-7b00-7abc-9def-00112233ff55")
	noon    = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

// tokenKinds are the kinds of tokens.
var tokenKinds = []Kind{Invitation, PublicLink, Receipt, Unsubscribe, Contact}

// secret is one that tests can tell from others, and that is always the same.
func secret(first byte) []byte {
	b := make([]byte, SecretBytes)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// acmeKeys are an old key, the one that signs, and the one that signs for ever.
func acmeKeys() []Key {
	return []Key{
		{Number: 1, Secret: secret(100), Made: noon.Add(-200 * day), Forever: true},
		{Number: 2, Secret: secret(0), Made: noon.Add(-40 * day)},
		{Number: 3, Secret: secret(50), Made: noon.Add(-10 * day)},
	}
}

func mustRing(t testing.TB, tenant uuid.UUID, keys []Key) *Ring {
	t.Helper()
	r, err := NewRing(tenant, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// full is a link of the kind that carries all that one may.
func full(k Kind) Link {
	l := Link{Kind: k, Tenant: acme, Subject: subject, Issued: noon}
	switch k {
	case PublicLink:
		l.Locale, l.Variant, l.Traits = "pt-BR", "short & <sweet>", trait.Values{"store": "Berlin 3", "size": 2.5, "vip": true, "since": "2026-01-31"}
	case Receipt:
		l.Identity, l.Score = Unverified, 9
	}
	return l
}

func mustSign(t testing.TB, r *Ring, l Link) string {
	t.Helper()
	text, err := r.Sign(l)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// read parses and verifies.
func read(text string, r *Ring) (Link, error) {
	c, err := Parse(text)
	if err != nil {
		return Link{}, err
	}
	return c.Verify(r)
}

// golden are tokens that are out, as it were: they must be good for ever. Another program made them, from the package's description.
var golden = map[string]Link{
	"z10l_AQEAAwGawdR7AHAAgAAAAAAAAKEBmsHUewB6vJ3vABEiM_9VAciw0BPG3mqF4Iz5NM0lDDOHXGU": full(Invitation),
	"z10l_AQIAAQGawdR7AHAAgAAAAAAAAKEBmsHUewB6vJ3vABEiM_9VAciw0HsibCI6InB0LUJSIiwidiI6InNob3J0ICYgPHN3ZWV0PiIsInQiOnsic2luY2UiOiIyMDI2LTAxLTMxIiwic2l6ZSI6Mi41LCJzdG9yZSI6IkJlcmxpbiAzIiwidmlwIjp0cnVlfX3gGIV8G4joDeZAf4ryoLF-": full(PublicLink),
	"z10l_AQMAAwGawdR7AHAAgAAAAAAAAKEBmsHUewB6vJ3vABEiM_9VAciw0AIJ-Nn71r_HE0iuIwejZ_DvgQ": full(Receipt),
	"z10u_AQQAAQGawdR7AHAAgAAAAAAAAKEBmsHUewB6vJ3vABEiM_9VAciw0Bwu9y90DtCKZN_R86fptEM":    full(Unsubscribe),
	"z10l_AQUAAwGawdR7AHAAgAAAAAAAAKEBmsHUewB6vJ3vABEiM_9VAciw0EqtU-3lH_v9GANsVTOwG_8":    full(Contact),
}

func TestGolden(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	for text, want := range golden {
		if got, err := read(text, r); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s says %+v, %v, want %+v", text, got, err, want)
		}
		if got := mustSign(t, r, want); got != text {
			t.Errorf("%+v is now %s, was %s", want, got, text)
		}
		c, err := Parse(text)
		number := uint16(3)
		if want.Kind.isForever() {
			number = 1
		}
		if err != nil || c.Kind() != want.Kind || c.Tenant() != acme || c.Key() != number || !r.Has(c.Key()) || r.Has(c.Key()+10) {
			t.Errorf("%s claims kind %s, tenant %s and key %d, %v", text, c.Kind(), c.Tenant(), c.Key(), err)
		}
	}
}

func TestSizes(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	for _, k := range tokenKinds {
		l := Link{Kind: k, Subject: subject, Issued: noon}
		want, prefix := 75, "z10l_"
		switch k {
		case Receipt:
			l.Identity, want = Anonymous, 78
		case Unsubscribe:
			prefix = "z10u_"
		}
		text := mustSign(t, r, l)
		if encoded, ok := strings.CutPrefix(text, prefix); !ok || len(encoded) != want {
			t.Errorf("%s: %s has %d characters besides %s, want %d", k, text, len(encoded), prefix, want)
		}
	}
	if MaxToken != 421 || MaxToken > 600 || MaxBase != 76 {
		t.Errorf("tokens have up to %d characters, which leaves %d to what is before them", MaxToken, MaxBase)
	}
	// A trait of n characters takes 16 bytes more: {"t":{"k":"…"}}.
	carrying := func(n int) Link {
		return Link{Kind: PublicLink, Subject: subject, Issued: noon, Traits: trait.Values{"k": strings.Repeat("x", n)}}
	}
	most := MaxCarried - len(`{"t":{"k":""}}`)
	text := mustSign(t, r, carrying(most))
	if url := strings.Repeat("h", MaxBase) + "/s/" + text; len(text) != MaxToken || len(url) != MaxURL {
		t.Errorf("the longest token has %d characters, and its URL %d", len(text), len(url))
	}
	if got, err := read(text, r); err != nil || got.Traits["k"] != strings.Repeat("x", most) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := r.Sign(carrying(most + 1)); !isBadRequest(err) || !strings.Contains(err.Error(), "these take 257") {
		t.Errorf("a byte too many: %v", err)
	}
}

func isBadRequest(err error) bool {
	refusal, ok := errors.AsType[*apierror.Error](err)
	return ok && refusal.Code == apierror.BadRequestCode
}

func TestSignRefuses(t *testing.T) {
	many := trait.Values{}
	for i := range MaxTraits + 1 {
		many[fmt.Sprintf("k%d", i)] = true
	}
	public := func(change func(*Link)) Link {
		l := Link{Kind: PublicLink, Subject: subject, Issued: noon}
		change(&l)
		return l
	}
	for name, test := range map[string]struct {
		link Link
		// says is what the caller of the API is told; empty where the mistake is the program's.
		says string
	}{
		"no kind":                     {Link{Subject: subject, Issued: noon}, ""},
		"the kind of nonces":          {Link{Kind: pages, Subject: subject, Issued: noon}, ""},
		"an unknown kind":             {Link{Kind: 200, Subject: subject, Issued: noon}, ""},
		"another tenant's":            {Link{Kind: Contact, Tenant: globex, Subject: subject, Issued: noon}, ""},
		"no time":                     {Link{Kind: Contact, Subject: subject}, ""},
		"before 1970":                 {Link{Kind: Contact, Subject: subject, Issued: time.Unix(-1, 0)}, ""},
		"too late a time":             {Link{Kind: Contact, Subject: subject, Issued: time.Unix(60<<32, 0)}, ""},
		"a locale in an invitation":   {Link{Kind: Invitation, Subject: subject, Issued: noon, Locale: "de"}, ""},
		"a variant in a receipt":      {Link{Kind: Receipt, Subject: subject, Issued: noon, Identity: Anonymous, Variant: "a"}, ""},
		"traits in a contact":         {Link{Kind: Contact, Subject: subject, Issued: noon, Traits: trait.Values{"a": "b"}}, ""},
		"an identity in a public one": {public(func(l *Link) { l.Identity = Anonymous }), ""},
		"a receipt of no score":       {Link{Kind: Receipt, Subject: subject, Issued: noon, Identity: Anonymous, Score: 11}, ""},
		"a score in an invitation":    {Link{Kind: Invitation, Subject: subject, Issued: noon, Score: 1}, ""},
		"a receipt for nobody":        {Link{Kind: Receipt, Subject: subject, Issued: noon}, ""},
		"an unknown identity":         {Link{Kind: Receipt, Subject: subject, Issued: noon, Identity: "anonymous"}, ""},

		"too many traits":     {public(func(l *Link) { l.Traits = many }), "at most 10 traits, not 11"},
		"null":                {public(func(l *Link) { l.Traits = trait.Values{"a": 1, "b": nil} }), "trait b is null"},
		"a list":              {public(func(l *Link) { l.Traits = trait.Values{"a": []any{}} }), "a: The trait a is a list"},
		"a key with a space":  {public(func(l *Link) { l.Traits = trait.Values{"a b": 1} }), `"a b" is not allowed`},
		"NaN":                 {public(func(l *Link) { l.Traits = trait.Values{"a": math.NaN()} }), "is not a number"},
		"an inexact number":   {public(func(l *Link) { l.Traits = trait.Values{"a": json.Number("9007199254740993")} }), "give it as text"},
		"a broken locale":     {public(func(l *Link) { l.Locale = "\xff" }), "not valid UTF-8"},
		"a broken variant":    {public(func(l *Link) { l.Variant = "\xff" }), "not valid UTF-8"},
		"a text that is long": {public(func(l *Link) { l.Traits = trait.Values{"a": strings.Repeat("é", 400)} }), "shorter values"},
		"variant, and a trait": {public(func(l *Link) {
			l.Variant, l.Traits = strings.Repeat("v", 100), trait.Values{"a": strings.Repeat("a", 200)}
		}), "at most 256 bytes"},
	} {
		r := mustRing(t, acme, acmeKeys())
		text, err := r.Sign(test.link)
		if err == nil || text != "" || isBadRequest(err) != (test.says != "") || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for _, k := range tokenKinds {
		if text, err := mustRing(t, acme, nil).Sign(full(k)); err == nil {
			t.Errorf("without keys %s is signed as %s", k, text)
		}
	}
}

// drawLink draws a link of any kind, and says whether what it carries can be carried.
func drawLink(t *rapid.T) (l Link, fits bool) {
	l = Link{
		Kind:    rapid.SampledFrom(tokenKinds).Draw(t, "kind"),
		Subject: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "subject")),
		Issued:  time.Unix(rapid.Int64Range(0, 60<<32-1).Draw(t, "issued"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")),
	}
	switch l.Kind {
	case Receipt:
		l.Identity = rapid.SampledFrom(identities).Draw(t, "identity")
		l.Score = rapid.IntRange(0, nps.MaxScore).Draw(t, "score")
		l.Hides = rapid.Bool().Draw(t, "hides")
	case PublicLink:
		l.Locale = rapid.SampledFrom([]string{"", "de", "pt-BR", "zh-Hant"}).Draw(t, "locale")
		l.Variant = rapid.OneOf(rapid.Just(""), rapid.StringN(1, 40, -1)).Draw(t, "variant")
		value := rapid.OneOf(
			rapid.StringN(0, 30, -1).AsAny(), rapid.Float64Range(-trait.MaxNumber, trait.MaxNumber).AsAny(), rapid.Bool().AsAny(),
			rapid.IntRange(-trait.MaxNumber, trait.MaxNumber).AsAny(), rapid.IntRange(-9, 9).AsAny(),
			rapid.SampledFrom([]any{"", "2026-02-28", "<&>\u2028\"\\\x01é🙂", math.Copysign(0, -1), 0.1 + 0.2, 5e-324, 1e-7, trait.MaxNumber, trait.None, nil}),
		)
		l.Traits = rapid.MapOfN(rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_]{0,8}`), value, 0, MaxTraits+1).Draw(t, "traits")
	}
	traits, err := trait.ParseValues(l.Traits)
	if err != nil || len(traits) > MaxTraits {
		return l, false
	}
	for _, v := range traits {
		if v == nil {
			return l, false
		}
	}
	return l, l.Locale == "" && l.Variant == "" && len(traits) == 0 || jsonBytes(t, l.Locale, l.Variant, traits) <= MaxCarried
}

// jsonBytes is how many bytes what a public link carries has, in another way than the package's.
func jsonBytes(t *rapid.T, locale, variant string, traits trait.Values) int {
	object := map[string]any{}
	if locale != "" {
		object["l"] = locale
	}
	if variant != "" {
		object["v"] = variant
	}
	if len(traits) > 0 {
		object["t"] = traits
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	for _, escaped := range []string{`\u003c`, `\u003e`, `\u0026`} {
		// The encoder escapes no backslash before a u: it doubles those that are in texts.
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte(`\\`), []byte("__")), []byte(escaped), []byte("_"))
	}
	return len(text)
}

func TestRoundTrip(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	rapid.Check(t, func(t *rapid.T) {
		l, fits := drawLink(t)
		text, err := r.Sign(l)
		if !fits {
			if !isBadRequest(err) {
				t.Fatalf("%+v is signed as %q, %v", l, text, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := l
		want.Tenant, want.Issued, want.Traits = acme, l.Issued.UTC().Truncate(time.Minute), nil
		if len(l.Traits) > 0 {
			if want.Traits, err = trait.ParseValues(l.Traits); err != nil {
				t.Fatal(err)
			}
		}
		got, err := read(text, r)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s says %+v, %v, want %+v", text, got, err, want)
		}
		if again, err := r.Sign(got); err != nil || again != text {
			t.Fatalf("signed again it is %s, %v, was %s", again, err, text)
		}
		if len(text) > MaxToken || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("%q", text)
		}
	})
}

// Whatever is changed of a token, it is not genuine any more.
func TestEveryChangeIsRefused(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	refused := func(text, how string) {
		if l, err := read(text, r); err != ErrNotGenuine || l.Kind != 0 {
			t.Errorf("%s: %q says %+v, %v", how, text, l, err)
		}
	}
	for _, k := range tokenKinds {
		text := mustSign(t, r, full(k))
		for i := range len(text) {
			for c := range 256 {
				if changed := text[:i] + string([]byte{byte(c)}) + text[i+1:]; changed != text {
					refused(changed, "a byte changed")
				}
			}
			refused(text[:i]+text[i+1:], "a byte less")
			refused(text[:i], "cut")
			for _, c := range "A\n\r =.\x00" {
				refused(text[:i]+string(c)+text[i:], "a byte more")
			}
		}
		for _, more := range []string{"A", "=", "==", "\n", "\r\n", " ", ".", "AAAA", strings.Repeat("A", 1<<20)} {
			refused(text+more, "longer")
		}
		bits, ok := decode(text[prefixBytes:])
		if !ok {
			t.Fatal(text)
		}
		for i := range 8 * len(bits) {
			bits[i/8] ^= 1 << (i % 8)
			refused(text[:prefixBytes]+base64.RawURLEncoding.EncodeToString(bits), "a bit changed")
			bits[i/8] ^= 1 << (i % 8)
		}
		refused(text[:prefixBytes]+base64.URLEncoding.EncodeToString(bits)+"=", "padded")
		refused(text[prefixBytes:], "without prefix")
		refused(strings.ToUpper(text), "in capital letters")
		refused(text[:prefixBytes]+text, "with two prefixes")
		if _, err := read(text, r); err != nil {
			t.Errorf("%s itself: %v", k, err)
		}
	}
}

// Long texts cost nothing: they are refused for their length alone.
func TestLongIsRefusedUndecoded(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	long := "z10l_" + strings.Repeat("A", 1<<20)
	if n := testing.AllocsPerRun(10, func() {
		if _, err := Parse(long); err != ErrNotGenuine {
			t.Error(err)
		}
		if _, err := r.ParseNonce(long, page); err != ErrNotGenuine {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a later version may sign by the same keys is nothing to this one.
func TestOtherVersionsAreRefused(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	signed, ok := decode(mustSign(t, r, full(Invitation))[prefixBytes:])
	if !ok {
		t.Fatal("the token cannot be decoded")
	}
	body := signed[:headBytes:headBytes]
	for v := range 256 {
		body[0] = byte(v)
		if l, err := read(seal(Invitation, r.signs.of[Invitation], body), r); (err == nil) != (v == 1) {
			t.Errorf("version %d: %+v, %v", v, l, err)
		}
	}
}

func TestOneKindIsNoOther(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	for _, from := range tokenKinds {
		for _, to := range tokenKinds {
			if from == to {
				continue
			}
			text := mustSign(t, r, full(from))
			signed, ok := decode(text[prefixBytes:])
			if !ok {
				t.Fatal(text)
			}
			body := signed[:headBytes:headBytes]
			body[1] = byte(to)
			if to == Receipt {
				body = append(body, 1, 10)
			}
			// By the key that signed it, with the sum done again.
			forged := seal(to, r.signer(from).of[from], body)
			if l, err := read(forged, r); err != ErrNotGenuine {
				t.Errorf("what was signed as %s is %s: %+v, %v", from, to, l, err)
			}
			if c, err := Parse(forged); err != nil || c.Kind() != to {
				t.Errorf("%s is refused for its form already: %v", forged, err)
			}
			// The same by the key of the kind is good: nothing else is wrong with it.
			body[2], body[3] = 0, byte(r.signer(to).number)
			if _, err := read(seal(to, r.signer(to).of[to], body), r); err != nil {
				t.Errorf("%s: %v", to, err)
			}
		}
	}
}

func TestOtherKeysRefuse(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	others := acmeKeys()
	for i := range others {
		others[i].Secret = secret(byte(150 + i))
	}
	swapped := acmeKeys()
	for i := range swapped {
		swapped[i].Forever = !swapped[i].Forever
	}
	for name, other := range map[string]*Ring{
		"no tenant":                     nil,
		"no keys":                       mustRing(t, acme, nil),
		"another tenant, the same keys": mustRing(t, globex, acmeKeys()),
		"another tenant":                mustRing(t, globex, others),
		"other secrets":                 mustRing(t, acme, others),
		"keys that sign something else": mustRing(t, acme, swapped),
	} {
		for _, k := range tokenKinds {
			if l, err := read(mustSign(t, r, full(k)), other); err != ErrNotGenuine || !reflect.DeepEqual(l, Link{}) {
				t.Errorf("%s, %s: %+v, %v", name, k, l, err)
			}
		}
	}
	if (*Ring)(nil).Has(3) || mustRing(t, acme, nil).Has(3) {
		t.Error("there is a key where there are none")
	}
	if l, err := (Claim{}).Verify(r); err != ErrNotGenuine {
		t.Errorf("nothing says %+v, %v", l, err)
	}
	// A key that knows the tenant by its salt alone would do: another tenant's name in a token of ours is refused by name, too.
	stolen := &Ring{tenant: globex, keys: r.keys, signs: r.signs, signsForever: r.signsForever}
	if l, err := read(mustSign(t, stolen, Link{Kind: Contact, Subject: subject, Issued: noon}), r); err != ErrNotGenuine {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestFresh(t *testing.T) {
	l := Link{Issued: noon}
	for _, test := range []struct {
		age  time.Duration
		want bool
	}{
		{0, true}, {time.Minute, true}, {day - 1, true}, {day, false}, {day + 1, false}, {400 * day, false},
		{-time.Second, true}, {-Skew, true}, {-Skew - 1, false}, {-400 * day, false},
	} {
		if got := l.Fresh(noon.Add(test.age), ReceiptLife); got != test.want {
			t.Errorf("at the age of %v it is %v", test.age, got)
		}
	}
}

func TestKindString(t *testing.T) {
	for k, want := range map[Kind]string{0: "kind 0", Invitation: "invitation", Contact: "contact", pages: "page", names: "name", names + 1: "kind 8", 255: "kind 255"} {
		if got := k.String(); got != want {
			t.Errorf("%d is %q, want %q", uint8(k), got, want)
		}
	}
}

// The race detector watches many use one ring.
func TestManyUseOneRing(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	var all sync.WaitGroup
	for _, k := range tokenKinds {
		for range 4 {
			all.Go(func() {
				text, err := r.Sign(full(k))
				if err != nil {
					t.Error(err)
				}
				if got, err := read(text, r); err != nil || got.Kind != k {
					t.Errorf("%+v, %v", got, err)
				}
				n, err := r.NewNonce(text, noon)
				if err != nil {
					t.Error(err)
				}
				if _, err := r.ParseNonce(n.String(), text); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
}

// FuzzParse wants no text to do harm, and no token to have two texts.
func FuzzParse(f *testing.F) {
	r := mustRing(f, acme, acmeKeys())
	for text := range golden {
		f.Add(text)
		f.Add(text[:len(text)-1])
	}
	for _, text := range []string{"", "z10l_", "z10u_" + strings.Repeat("A", 75), "z10l_AQ", "camp_01h455vb4pex5vsknk084sn02q", "z10l_\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			if err != ErrNotGenuine || !reflect.DeepEqual(c, Claim{}) {
				t.Fatalf("%q: %+v, %v", text, c, err)
			}
			return
		}
		if again := c.Kind().prefix() + base64.RawURLEncoding.EncodeToString(c.signed); again != text {
			t.Fatalf("%q is the same as %q", text, again)
		}
		l, err := c.Verify(r)
		if err != nil {
			if err != ErrNotGenuine {
				t.Fatal(err)
			}
			return
		}
		if again, err := r.Sign(l); err != nil || again != text {
			t.Fatalf("%q is now %q, %v", text, again, err)
		}
	})
}

// FuzzCarried signs whatever there may be in a token besides what all have: what is taken must be as it is written.
func FuzzCarried(f *testing.F) {
	r := mustRing(f, acme, acmeKeys())
	for _, text := range []string{
		"", "\x01", "\x00", "\x04", "{}", "null", `{"l":"de"}`, `{"l":"de","v":"a","t":{"a":"b","n":1.5,"y":true}}`, `{"t":{}}`, `{"t":{"a":null}}`,
		`{"L":"de"}`, `{"l":"de"} `, `{"v":"a","l":"de"}`, `{"t":{"b":1,"a":1}}`, `{"t":{"a":1e2}}`, `{"t":{"a":-0}}`, `{"t":{"a":[1]}}`, `{"l":"\ud800"}`,
		`{"t":{"a":"\u003c"}}`, `{"t":{"a":9007199254740993}}`, `{"x":1}`, "[]", "\xff",
	} {
		f.Add(uint8(PublicLink), []byte(text))
		f.Add(uint8(Receipt), []byte(text))
		f.Add(uint8(Invitation), []byte(text))
	}
	f.Fuzz(func(t *testing.T, kind uint8, carried []byte) {
		k := Kind(kind)
		if !k.isToken() {
			return
		}
		body := make([]byte, headBytes, headBytes+len(carried)+macBytes)
		body[0], body[1], body[3] = version, kind, byte(r.signer(k).number)
		copy(body[4:], acme[:])
		text := seal(k, r.signer(k).of[k], append(body, carried...))
		l, err := read(text, r)
		if err != nil {
			return
		}
		if again, err := r.Sign(l); err != nil || again != text {
			t.Fatalf("%q of %s is taken as %+v, and written as %q, %v", carried, k, l, again, err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	r := mustRing(b, acme, acmeKeys())
	for b.Loop() {
		if _, err := r.Sign(Link{Kind: Invitation, Subject: subject, Issued: noon}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := mustRing(b, acme, acmeKeys())
	for _, k := range []Kind{Invitation, PublicLink} {
		text := mustSign(b, r, full(k))
		b.Run(k.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := read(text, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
