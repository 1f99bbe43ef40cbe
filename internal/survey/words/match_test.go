package words

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	for wanted, want := range map[string]string{
		// A language, in whatever region or spelling.
		"de": "de", "de-AT": "de", "de-CH": "de", "DE-at": "de", "de_DE": "de", " de ": "de", "de-1996": "de", "de-Latn-DE": "de",
		"de-x-private": "de", "de-u-co-phonebk": "de", "de-AT-u-co-phonebk": "de", "de-ZZ": "de", "de-XY": "de",
		"en": "en", "en-GB": "en", "en-IN": "en", "en-US-posix": "en",
		"es": "es", "es-419": "es", "es-MX": "es", "fr-CA": "fr", "nl-BE": "nl", "it-CH": "it", "ar-EG": "ar", "bn-IN": "bn", "ko-KP": "ko",
		// Portuguese is two.
		"pt": "pt", "pt-PT": "pt", "pt-BR": "pt-BR", "pt-br": "pt-BR", "pt_BR": "pt-BR", "pt-AO": "pt", "pt-MZ": "pt", "pt-Latn-BR": "pt-BR",
		// Chinese is two, by where it is read.
		"zh": "zh-Hans", "zh-CN": "zh-Hans", "zh-SG": "zh-Hans", "zh-Hans": "zh-Hans", "zh-Hans-HK": "zh-Hans", "cmn": "zh-Hans",
		"zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "zh-MO": "zh-Hant", "zh-Hant": "zh-Hant", "zh-Hant-CN": "zh-Hant", "zh-hant-tw": "zh-Hant",
		// Other names of a language, old and wide.
		"no": "nb", "nb-NO": "nb", "no-NO": "nb", "iw": "he", "iw-IL": "he", "in": "id", "mo": "ro", "arb": "ar", "i-default": "en",
		// What its readers can read as well.
		"nn": "nb", "nn-NO": "nb", "gsw": "de", "lb": "de", "ms-MY": "id",
		// None.
		"": "", "*": "", "xx": "", "xx-DE": "", "und": "", "und-DE": "", "und-Hant": "", "mul": "", "x-private": "", "de-": "", "-de": "",
		"deutsch": "", "d": "", "de DE": "", "ca": "", "eo": "", "tlh": "", "1": "", "ö": "", "\x00": "", "\xff": "", ",": "", ";": "", ";q=1": "",
		// What schools teach is no language of the reader's.
		"hy": "", "ka": "", "be": "", "kk": "", "am": "", "af": "", "mk": "", "br": "", "eu": "", "gl": "", "cy": "", "ug": "", "az": "",
		// Headers as browsers send them.
		"de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7":                   "de",
		"nn-NO,nn;q=0.9,no;q=0.8,nb;q=0.7,en-US;q=0.6,en;q=0.5": "nb",
		"zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7":                   "zh-Hant",
		"pt-BR,pt;q=0.9,en;q=0.8":                               "pt-BR",
		"ca-ES,ca;q=0.9,es;q=0.8":                               "es",
		"en-US,en;q=0.5":                                        "en",
		"es-419, es;q=0.9":                                      "es",
		"fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5":          "fr",
		"xx, *":        "",
		"*, sv":        "sv",
		"hy, ka;q=0.9": "",
		// The highest q goes first, equal ones as they stand.
		"de;q=0.5, fr;q=0.6": "fr", "de;q=0.5, fr;q=0.5": "de", "de;q=0.5, fr": "fr", "de, fr": "de", "de;q=1.000, fr;q=1": "de",
		"de;q=0.001, fr;q=0.0009": "de", "de;q = 0.5 , fr;Q=0.6": "fr", "de;level=1;q=0.5, fr;q=0.6": "fr", "de;q=0.5;level=1, fr;q=0.4": "de",
		// What is not wanted, and what nobody can read.
		"de;q=0": "", "de;q=0, fr;q=0.1": "fr", "de;q=0.000": "", "de;q=-1, fr;q=0.1": "fr", "de;q=2, fr;q=0.1": "fr", "de;q=NaN, fr;q=0.1": "fr",
		"de;q=Inf, fr;q=0.1": "fr", "de;q=, fr;q=0.1": "fr", "de;q=x, fr;q=0.1": "fr", "de;q, fr;q=0.1": "fr", "%%%, fr": "fr", "english, fr": "fr",
		",,;;,fr;": "fr", "de;level=1": "de",
		// A language of the reader's own goes before one that they can read as well.
		"nn, en;q=0.1": "en", "nn, xx": "nb", "lb, nn": "de", "nn, lb": "nb", "lb;q=0.1, nn;q=0.2": "nb",
	} {
		got, ok := Match(wanted)
		if got != want || ok != (want != "") {
			t.Errorf("who wants %q reads %q, %t, not %q", wanted, got, ok, want)
		}
	}
}

func TestMatchTakesTheFirstThatFinds(t *testing.T) {
	for _, test := range []struct {
		wanted []string
		want   string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"fr", "de"}, "fr"},
		{[]string{"", "de-AT", "fr"}, "de"},
		{[]string{"xx", "*", "de;q=0.1, fr;q=0.2"}, "fr"},
		// Whoever was said to read Nynorsk reads Bokmål, though their browser speaks English.
		{[]string{"nn", "en"}, "nb"},
	} {
		if got, ok := Match(test.wanted...); got != test.want || ok != (test.want != "") {
			t.Errorf("who wants %q reads %q, %t, not %q", test.wanted, got, ok, test.want)
		}
	}
}

// The languages that a tenant has words of.
func TestMatcherOfOthers(t *testing.T) {
	for _, test := range []struct{ tags, wanted, want string }{
		{"", "de", ""},
		{"ca", "ca-ES, es", "ca"},
		{"ca", "es", ""},
		{"ca en", "ca-valencia", "ca"},
		{"ca ca-valencia", "ca-valencia", "ca-valencia"},
		{"de", "en", ""},
		{"de-AT de", "de-AT", "de-AT"},
		{"de-AT de", "de-CH", "de"},
		{"de-AT", "de", "de-AT"},
		// The spelling stays as it was given.
		{"pt_br DE", "pt-BR", "pt_br"},
		{"pt_br DE", "de", "DE"},
		{"iw", "he", "iw"},
		// Portuguese serves both countries where there is only one.
		{"pt", "pt-BR", "pt"},
		{"pt-BR", "pt", "pt-BR"},
		{"pt-BR", "pt-PT", "pt-BR"},
		{"pt-BR pt", "pt", "pt"},
		{"pt-BR pt", "pt-PT", "pt"},
		{"pt-BR pt", "pt-AO", "pt"},
		{"pt pt-BR", "pt-AO", "pt"},
		{"pt-PT pt-BR", "pt-AO", "pt-PT"},
		// The other script of a language, where the reader has no language else.
		{"zh-Hans en", "zh-TW", "zh-Hans"},
		{"zh-Hans en", "zh-TW, en;q=0.5", "en"},
		{"zh-Hans en", "zh-TW, zh;q=0.9, en;q=0.5", "zh-Hans"},
		{"zh-Hant", "zh", "zh-Hant"},
		{"zh", "zh-HK", "zh"},
		{"sr", "sr-Latn", "sr"},
		{"sr-Latn", "sr", "sr-Latn"},
		// Languages that are close.
		{"nn en", "nb, en;q=0.5", "en"},
		{"nn", "nb", "nn"},
		{"nn nb", "nn", "nn"},
		{"da", "nb", "da"},
		{"nb", "da", "nb"},
		{"hr", "bs", "hr"},
		{"hr", "sr-Latn", ""},
		{"bg", "mk", ""},
		{"es", "gl", ""},
		{"de", "gsw-CH", "de"},
		{"gsw", "de", ""},
		{"en", "bn", ""},
		{"ru", "uk", ""},
		{"ru", "kk", ""},
		// What is no tag is not among them.
		{"xx und * de-AT-!! 1 english fr", "de", ""},
		{"xx und * de-AT-!! 1 english fr", "fr", "fr"},
		{"xx und * de-AT-!! 1 english fr", "xx, und, *", ""},
		{"de de", "de", "de"},
	} {
		tags := strings.Fields(test.tags)
		got, ok := NewMatcher(tags).Match(test.wanted)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("of %v who wants %q reads %q, %t, not %q", tags, test.wanted, got, ok, test.want)
		}
		slices.Reverse(tags)
		if again, _ := NewMatcher(tags).Match(test.wanted); again != got {
			t.Errorf("of %v who wants %q reads %q, in the other order %q", tags, test.wanted, again, got)
		}
	}
}

func TestNewMatcherLeavesItsInputAlone(t *testing.T) {
	tags := []string{"fr", "de", "fr"}
	m := NewMatcher(tags)
	if !slices.Equal(tags, []string{"fr", "de", "fr"}) {
		t.Errorf("the tags are %v", tags)
	}
	tags[1] = "it"
	if got, _ := m.Match("de"); got != "de" {
		t.Errorf("a matcher changed with what it was made of: %q", got)
	}
}

// A header of any length costs no more than its first bytes, and a tag that was cut in two there is not taken for another.
func TestLongHeaders(t *testing.T) {
	fill := func(n int) string { return strings.Repeat("x", n-1) + "," }
	for _, test := range []struct{ name, header, want string }{
		{"all of the last tag fits", fill(maxHeader-2) + "de", "de"},
		{"and more follows", fill(maxHeader-2) + "de,fr", "de"},
		{"the last tag ends beyond", fill(maxHeader-2) + "de-AT", ""},
		{"only its first letters fit", fill(maxHeader-2) + "dex,fr", ""},
		{"the last tag begins beyond", fill(maxHeader) + "de", ""},
		{"one endless tag", strings.Repeat("de", maxHeader), ""},
		{"endless tags", strings.Repeat("xx,", 1<<20) + "de", ""},
		{"endless tags, the first is one", "de," + strings.Repeat("xx,", 1<<20), "de"},
		{"endless hyphens", strings.Repeat("-", 1<<20), ""},
		{"many subtags", "de" + strings.Repeat("-abcde", 150), "de"},
	} {
		if got, ok := Match(test.header); got != test.want || ok != (test.want != "") {
			t.Errorf("%s: %q, %t, not %q", test.name, got, ok, test.want)
		}
	}
}

func TestMatcherIsForManyAtOnce(t *testing.T) {
	m := NewMatcher(Languages())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				tag := m.tags[(i+j)%len(m.tags)]
				if got, _ := m.Match("xx, " + tag + "-x-reader;q=0.5"); got != tag {
					t.Errorf("who wants %s reads %s", tag, got)
				}
			}
		})
	}
	all.Wait()
}

// Whatever else a reader wants less, and whatever nobody knows, changes nothing.
func TestMatchKeepsTheOrderOfWishes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.Permutation(Languages()).Draw(t, "tags")
		n := rapid.IntRange(1, len(tags)).Draw(t, "wishes")
		best := rapid.IntRange(0, n-1).Draw(t, "best")
		var items []string
		for i, tag := range tags[:n] {
			q := rapid.IntRange(1, 899).Draw(t, "thousandths")
			if i == best {
				q = rapid.IntRange(900, 1000).Draw(t, "thousandths of the best")
			}
			items = append(items, fmt.Sprintf("%s;q=%d.%03d", tag, q/1000, q%1000))
			items = append(items, rapid.SampledFrom([]string{"*", "xx", "%", "ca;q=0.9", ""}).Draw(t, "noise"))
		}
		header := strings.Join(items, rapid.SampledFrom([]string{",", ", ", " ,\t"}).Draw(t, "comma"))
		if got, ok := Match(header); !ok || got != tags[best] {
			t.Fatalf("who wants %q reads %q, %t, not %q", header, got, ok, tags[best])
		}
	})
}

func TestDirectionOf(t *testing.T) {
	for _, tag := range Languages() {
		want := LTR
		if tag == "ar" || tag == "he" {
			want = RTL
		}
		if got := DirectionOf(tag); got != want {
			t.Errorf("%s goes %s", tag, got)
		}
	}
	for tag, want := range map[string]Direction{
		"ar-EG": RTL, "iw": RTL, "fa": RTL, "fa-AF": RTL, "ur": RTL, "ckb": RTL, "ps": RTL, "sd": RTL, "ug": RTL, "yi": RTL, "dv": RTL, "syr": RTL,
		"nqo": RTL, "az-Arab": RTL, "pa-PK": RTL, "pa-Arab": RTL, "ks": RTL, "ff-Adlm": RTL,
		"az": LTR, "pa": LTR, "ku": LTR, "ar-Latn": LTR, "he-Latn": LTR, "sd-Deva": LTR, "en-Arab-x-no": RTL,
		"": LTR, "*": LTR, "xx": LTR, "und-Arab": LTR, "nonsense": LTR,
	} {
		if got := DirectionOf(tag); got != want {
			t.Errorf("%q goes %s", tag, got)
		}
	}
	if LTR.HTML() != "ltr" || RTL.HTML() != "rtl" {
		t.Errorf("in HTML: %s, %s", LTR.HTML(), RTL.HTML())
	}
}

func FuzzMatch(f *testing.F) {
	for _, seed := range []string{
		"", "*", "de", "de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7", "nn, en;q=0.1", "zh-TW,zh;q=0.9", "pt-BR;q=0, pt", "xx-DE", "i-klingon, x-y", "de;q=NaN",
		"sr-Latn-RS-u-co-phonebk-x-a",
		"en-a-bbb-x-a-ccc", "de_AT", ",,;q=,", "und-Hant;q=1e-3", "sl-rozaj-biske-1994", "zh-min-nan",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, ok := Match(header)
		if _, known := In(got); known != ok || !ok && got != "" {
			t.Fatalf("%q gave %q, %t", header, got, ok)
		}
		if again, _ := Match("", "xx", header); again != got {
			t.Fatalf("after what finds nothing, %q gave %q, not %q", header, again, got)
		}
		if ok {
			if again, _ := Match(got); again != got {
				t.Fatalf("who reads %s reads %s", got, again)
			}
		}
		if first, _ := Match("nl," + header); first != "nl" {
			t.Fatalf("who wants Dutch before %q reads %q", header, first)
		}
		if len(header) < 1000 {
			// A near language gives way to it, nothing else does.
			last, ok := Match(header + ",nl;q=0.0000001")
			if !ok || last != got && last != "nl" {
				t.Fatalf("who wants Dutch after %q reads %q, not %q", header, last, got)
			}
		}
		if ascii := strings.IndexFunc(header, func(r rune) bool { return r > 127 }) < 0; ascii {
			if loud, _ := Match(strings.ToUpper(header)); loud != got {
				t.Fatalf("%q in capital letters gave %q, not %q", header, loud, got)
			}
		}
	})
}

func FuzzNewMatcher(f *testing.F) {
	f.Add("ca en pt", "pt-BR, ca")
	f.Add("iw he he-IL", "iw, he")
	f.Add("sr-Latn sr hr sh", "bs")
	f.Add("xx und de-x-a de-u-co-phonebk", "de")
	f.Add("zh zh-Hant zh-TW cmn", "zh-HK")
	f.Fuzz(func(t *testing.T, list, header string) {
		if len(list) > 500 {
			return
		}
		tags := strings.Fields(list)
		m := NewMatcher(tags)
		got, ok := m.Match(header)
		if ok != slices.Contains(m.tags, got) {
			t.Fatalf("of %q, %q gave %q, %t", tags, header, got, ok)
		}
		for _, tag := range m.tags {
			if !slices.Contains(tags, tag) {
				t.Fatalf("%q is none of %q", tag, tags)
			}
			if !strings.ContainsAny(tag, ",;") {
				if own, _ := m.Match(tag); own != tag {
					t.Fatalf("of %q, %q gave %q", tags, tag, own)
				}
			}
		}
		slices.Reverse(tags)
		if again, _ := NewMatcher(tags).Match(header); again != got {
			t.Fatalf("of %q, %q gave %q, in the other order %q", tags, header, again, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, header := range map[string]string{
		"tag": "de", "browser": "de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7", "stranger": "ca-ES,ca;q=0.9", "longest": strings.Repeat("xx,", 341),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Match(header)
			}
		})
	}
}

func BenchmarkNewMatcher(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewMatcher([]string{"ca", "de", "en"})
	}
}
