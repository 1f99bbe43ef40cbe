package words

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/nps"
	"golang.org/x/text/unicode/norm"
)

// text is one of the texts of a language.
type text struct {
	// path is the names of its fields, e.g. `Page.Expired.Text`.
	path, value string
}

// texts are all of them, in the order of their fields. It fails for a field that is neither a text nor holds any.
func texts(t *testing.T, w *Words) []text {
	t.Helper()
	var list []text
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.String:
			list = append(list, text{path, v.String()})
		case reflect.Struct:
			for field, value := range v.Fields() {
				walk(value, strings.TrimPrefix(path+"."+field.Name, "."))
			}
		default:
			t.Fatalf("%s is a %s", path, v.Kind())
		}
	}
	walk(reflect.ValueOf(*w), "")
	return list
}

// each runs a test for each text of each language, together with the English text of the same field.
func each(t *testing.T, test func(t *testing.T, tag string, text, english text)) {
	t.Helper()
	original := texts(t, &English)
	for _, tag := range Languages() {
		w, ok := In(tag)
		if !ok {
			t.Fatalf("%s is in the list, and there are no words of it", tag)
		}
		for i, text := range texts(t, &w) {
			test(t, tag, text, original[i])
		}
	}
}

func TestLanguages(t *testing.T) {
	want := strings.Fields("ar bn cs da de el en es fi fr he hi hu id it ja ko nb nl pl pt pt-BR ro ru sv th tr uk vi zh-Hans zh-Hant")
	if got := Languages(); !slices.Equal(got, want) {
		t.Errorf("languages are %v", got)
	}
	if w, ok := In("en"); !ok || w != English {
		t.Errorf("in English: %v, %t", w, ok)
	}
	for _, tag := range []string{"", "xx", "ca", "DE", "pt-PT", "de-AT", "*"} {
		if w, ok := In(tag); ok || w != (Words{}) {
			t.Errorf("there are words of %q: %v", tag, w)
		}
	}
}

// limits are how many characters a text has at most: those of the contract (setWording), and below Page, Widget and Mail what
// fits on a button, into a line and into two sentences.
var limits = []struct {
	path *regexp.Regexp
	most int
}{
	{regexp.MustCompile(`^Question$`), 500},
	{regexp.MustCompile(`^(Low|High)Label$`), 60},
	{regexp.MustCompile(`^(FollowUpQuestions|ThankYous)\.`), 500},
	{regexp.MustCompile(`^MailSubject$`), 150},
	{regexp.MustCompile(`^MailIntro$`), 2_000},
	{regexp.MustCompile(`^(Page|Widget)\.(Send|Change|Close|Decline|Optional|Experience)$`), 30},
	{regexp.MustCompile(`^(Page\.Kept|Mail\.(Reminded|Why))$`), 140},
	{regexp.MustCompile(`^Mail\.Reminder$`), 40},
	{regexp.MustCompile(`^Unsubscribe\.(Button|Undo)$`), 30},
	{regexp.MustCompile(`^Unsubscribe\.[A-Za-z]+\.Heading$`), 60},
	{regexp.MustCompile(`^Unsubscribe\.`), 140},
	{regexp.MustCompile(`^(Page|Widget|Mail)\.[A-Za-z]+(\.Heading)?$`), 60},
	{regexp.MustCompile(`^Page\.[A-Za-z]+\.Text$`), 140},
}

func TestEachTextIsFilledAndFits(t *testing.T) {
	each(t, func(t *testing.T, tag string, text, _ text) {
		t.Helper()
		most := 0
		for _, l := range limits {
			if l.path.MatchString(text.path) {
				most = l.most
				break
			}
		}
		if n := utf8.RuneCountInString(text.value); n == 0 || n > most {
			t.Errorf("%s: %s has %d characters, not 1 to %d: %q", tag, text.path, n, most, text.value)
		}
	})
}

func TestTextsArePlain(t *testing.T) {
	each(t, func(t *testing.T, tag string, text, _ text) {
		t.Helper()
		fault := func(what string) { t.Errorf("%s: %s %s: %q", tag, text.path, what, text.value) }
		if !utf8.ValidString(text.value) || !norm.NFC.IsNormalString(text.value) {
			fault("is not UTF-8 in normal form C")
		}
		if strings.ContainsAny(text.value, "<>&\"'`") {
			fault("has a mark of HTML, or quotes of typewriters")
		}
		for i, paragraph := range strings.Split(text.value, "\n\n") {
			if i > 0 && text.path != "MailIntro" {
				fault("has paragraphs")
			}
			if strings.TrimSpace(paragraph) != paragraph || paragraph == "" || strings.Contains(paragraph, "  ") {
				fault("has space at an edge, or two together")
			}
			// No line breaks, no marks of direction, no joiners.
			if strings.ContainsFunc(paragraph, func(r rune) bool { return unicode.In(r, unicode.C) }) {
				fault("holds what is no printed character")
			}
		}
		if strings.ContainsFunc(text.value, func(r rune) bool { return unicode.IsDigit(r) && (r < '0' || r > '9') }) {
			fault("has digits that are not those of the scale")
		}
	})
}

var placeholder = regexp.MustCompile(`\{([a-z]+)(?:\|([^{}|]+))?\}`)

// placeholders are those of a text, sorted. What a wording may say is filled as wordings are, and so each has a bar and
// something behind it; the others have none.
func placeholders(t *testing.T, tag string, text text) []string {
	t.Helper()
	var keys []string
	for _, found := range placeholder.FindAllStringSubmatch(text.value, -1) {
		keys = append(keys, found[1])
		own := strings.HasPrefix(text.path, "Page.") || strings.HasPrefix(text.path, "Widget.") || strings.HasPrefix(text.path, "Mail.")
		if own != (found[2] == "") {
			t.Errorf("%s: the placeholder %s in %s is of the other kind", tag, found[0], text.path)
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(text.value, ""), "{}|") {
		t.Errorf("%s: %s has braces that are no placeholder: %q", tag, text.path, text.value)
	}
	slices.Sort(keys)
	return keys
}

func TestPlaceholdersAreThoseOfEnglish(t *testing.T) {
	want := map[string][]string{
		"MailSubject": {"brand"}, "MailIntro": {"brand", "name"},
		"Page.YourScore": {"score"}, "Page.TooLong.Text": {"limit"}, "Page.Website": {"brand"},
		"Mail.Reminder": {"subject"}, "Mail.Why": {"brand"},
	}
	each(t, func(t *testing.T, tag string, text, _ text) {
		t.Helper()
		if got := placeholders(t, tag, text); !slices.Equal(got, want[text.path]) {
			t.Errorf("%s: %s has the placeholders %v, not %v: %q", tag, text.path, got, want[text.path], text.value)
		}
	})
}

// scripts are those that a language is written in besides Latin.
var scripts = map[string][]*unicode.RangeTable{
	"ar": {unicode.Arabic}, "bn": {unicode.Bengali}, "el": {unicode.Greek}, "he": {unicode.Hebrew}, "hi": {unicode.Devanagari},
	"ja": {unicode.Han, unicode.Hiragana, unicode.Katakana}, "ko": {unicode.Hangul}, "ru": {unicode.Cyrillic},
	"th": {unicode.Thai}, "uk": {unicode.Cyrillic}, "zh-Hans": {unicode.Han}, "zh-Hant": {unicode.Han},
}

func TestTextsAreInTheScriptOfTheirLanguage(t *testing.T) {
	each(t, func(t *testing.T, tag string, text, _ text) {
		t.Helper()
		script := scripts[tag]
		if script == nil {
			script = []*unicode.RangeTable{unicode.Latin}
		}
		letters := 0
		for _, r := range placeholder.ReplaceAllString(text.value, "$2") {
			switch {
			case !unicode.IsLetter(r) || r == 'ー': // which Unicode counts to no script
			case !unicode.In(r, script...):
				t.Errorf("%s: %s has %q: %q", tag, text.path, r, text.value)
			default:
				letters++
			}
		}
		if letters == 0 {
			t.Errorf("%s: %s has no letters: %q", tag, text.path, text.value)
		}
	})
}

// The two Chinese scripts share most letters; these they do not.
func TestChineseScripts(t *testing.T) {
	for tag, foreign := range map[string]string{"zh-Hans": "這問選請們體驗謝歡評請數據連結開關閉儲", "zh-Hant": "这问选请们体验谢欢评请数据连结开关闭储"} { //nolint:gosmopolitan // it is about them
		w, _ := In(tag)
		for _, text := range texts(t, &w) {
			if i := strings.IndexAny(text.value, foreign); i >= 0 {
				t.Errorf("%s: %s is in the other script at %d: %q", tag, text.path, i, text.value)
			}
		}
	}
}

// ending says how a text ends: with a sentence's mark, a question's, or none.
func ending(tag, text string) string {
	last, _ := utf8.DecodeLastRuneInString(text)
	switch {
	case strings.ContainsRune(".!。！।", last):
		return "sentence"
	case strings.ContainsRune("?？؟", last), tag == "el" && last == ';':
		return "question"
	}
	return "none"
}

func TestTextsEndAsInEnglish(t *testing.T) {
	each(t, func(t *testing.T, tag string, text, english text) {
		t.Helper()
		want := ending("en", english.value)
		if tag == "th" {
			want = "none"
		}
		if got := ending(tag, text.value); got != want {
			t.Errorf("%s: %s ends as a %s, not as a %s: %q", tag, text.path, got, want, text.value)
		}
	})
}

// What is wrong in a language's typography, after the placeholders have become their fallbacks.
var typography = map[string][]*regexp.Regexp{
	"ar":      {regexp.MustCompile(`[?,;]`)},
	"el":      {regexp.MustCompile(`\?`)},
	"es":      {regexp.MustCompile(`^[^¿]*\?`), regexp.MustCompile(`^[^¡]*!`)},
	"fr":      {regexp.MustCompile(`[^\x{a0}][?!:;]`), regexp.MustCompile(`'`)},
	"he":      {regexp.MustCompile(`-[0-9{]`)},
	"bn":      {regexp.MustCompile(`\.`)},
	"hi":      {regexp.MustCompile(`\.`)},
	"ja":      {regexp.MustCompile(`[.,?!:; ]`)},
	"ro":      {regexp.MustCompile(`[şţŞŢ]`)}, // the cedilla of Turkish
	"th":      {regexp.MustCompile(`[.,?!]`)},
	"zh-Hans": {regexp.MustCompile(`[.,?!:; ]`)},
	"zh-Hant": {regexp.MustCompile(`[.,?!:; ]`)},
}

func TestTypography(t *testing.T) {
	each(t, func(t *testing.T, tag string, text, _ text) {
		t.Helper()
		plain := placeholder.ReplaceAllString(text.value, "$2")
		for _, wrong := range typography[tag] {
			if found := wrong.FindString(plain); found != "" {
				t.Errorf("%s: %s has %q: %q", tag, text.path, found, text.value)
			}
		}
	})
}

// A text that stands in the wrong place, or that nobody translated, is one that stands elsewhere too.
func TestNoTextIsAnothers(t *testing.T) {
	same := map[string]bool{"de Page.Optional": true, "da Page.Send": true, "da Widget.Send": true, "nb Page.Send": true, "nb Widget.Send": true}
	seen := map[string]string{}
	each(t, func(t *testing.T, tag string, text, english text) {
		t.Helper()
		if tag != "en" && text.value == english.value && !same[tag+" "+text.path] {
			t.Errorf("%s: %s is not translated: %q", tag, text.path, text.value)
		}
		if text.path == "Question" {
			if other := seen[text.value]; other != "" {
				t.Errorf("%s and %s ask the same: %q", tag, other, text.value)
			}
			seen[text.value] = tag
		}
	})
	original := texts(t, &English)
	for _, tag := range Languages() {
		w, _ := In(tag)
		own := texts(t, &w)
		for i := range own {
			for j := range i {
				if (own[i].value == own[j].value) != (original[i].value == original[j].value) {
					t.Errorf("%s: %s and %s are %q and %q, in English %q and %q", tag, own[i].path, own[j].path,
						own[i].value, own[j].value, original[i].value, original[j].value)
				}
			}
		}
	}
}

func TestCategories(t *testing.T) {
	c := Categories{Promoters: "p", Passives: "m", Detractors: "d"}
	for score, want := range []string{0: "d", 6: "d", 7: "m", 8: "m", 9: "p", 10: "p"} {
		if want == "" {
			continue
		}
		if got := c.Of(nps.CategoryOf(score)); got != want {
			t.Errorf("who gave %d reads %q, not %q", score, got, want)
		}
	}
}

func TestFill(t *testing.T) {
	for _, test := range []struct{ text, name, value, want string }{
		{"Your score: {score}", "score", "7", "Your score: 7"},
		{"Your score: {score}", "brand", "7", "Your score: {score}"},
		{"{brand} web sitesine git", "brand", "A{brand}&", "A{brand}& web sitesine git"},
		{"", "brand", "A", ""},
	} {
		if got := Fill(test.text, test.name, test.value); got != test.want {
			t.Errorf("%q with %s %q is %q, not %q", test.text, test.name, test.value, got, test.want)
		}
	}
}

func ExampleIn() {
	w, _ := In("de")
	fmt.Println(w.Question)
	fmt.Println(Fill(w.Page.YourScore, "score", "9"))
	// Output:
	// Wie wahrscheinlich ist es, dass Sie uns im Freundes- oder Kollegenkreis weiterempfehlen?
	// Ihre Bewertung: 9
}
