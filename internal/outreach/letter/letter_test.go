package letter

import (
	"flag"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/look"
	"github.com/zeroten/zeroten/internal/survey/words"
	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	site = "https://ask.example.com"
	page = site + "/s/z10l_AQEAAQGTLlXyQH6Zi0Zk3cT9l5cBky5V8kB-mYtGZN3E_ZeXAcBhJwNhbGdvcml0aG1zIGFyZSBmdW4"
)

// wording is what a tenant says in a language.
func wording(locale string, w survey.Words) *survey.Wording {
	return &survey.Wording{Locale: locale, Words: w}
}

// input is that of a mail to Ada, in a language, by a tenant that says this in its own words.
func input(locale string, own ...*survey.Wording) Input {
	brand := survey.NoBrand()
	brand.Name = "Sam & Sons"
	asked := survey.NewAsked(campaign.DefaultQuestion, campaign.DefaultFollowUpQuestion, survey.Default(), own)
	return Input{
		Texts: asked.Texts("", locale), Brand: brand, Site: site,
		Fill: func(text string) string {
			return survey.Fill(text, func(key string) (string, bool) {
				value, ok := map[string]string{"brand": brand.Name, "name": "Ada Lovelace", "order": "4711"}[key]
				return value, ok
			})
		},
		Score: func(score int) string { return page + "/" + strconv.Itoa(score) }, Page: page, All: page + "/all",
		Unsubscribe: site + "/u/z10u_AQQAAQGTLlXyQH6Zi0Zk3cT9l5cBky5V8kB-mYtGZN3E_ZeXAcBhJwNhbGdvcml0aG1zIGFyZSBmdW4",
	}
}

// dressed gives a brand all that it may have.
func (in Input) dressed() Input {
	in.Brand.Logo, in.Brand.LogoWidth, in.Brand.LogoHeight = "/b/"+strings.Repeat("0123456789abcdef", 4)+".png", 480, 120
	in.Brand.Website, in.Brand.PrivacyPolicy = "https://sam.example/?a=1&b=2", "https://sam.example/privacy"
	in.PostalAddress = "Sam & Sons Ltd.\n1 Long Lane\nLondon EC1A 9HF"
	return in
}

func parsed(text string) look.Color {
	c, err := look.ParseColor(text)
	if err != nil {
		panic(err)
	}
	return c
}

// inputs are those of the golden files.
func inputs() map[string]Input {
	rtl := input("ar").dressed()
	rtl.Brand.Name, rtl.Brand.Accent = "مكتبة الواحة", parsed("#00695c")
	rtl.PostalAddress = "شارع الملك 12\nعمّان 11118"
	rtl.Experience, rtl.ExperienceLabel = "https://alwaha.example/new?o=4711", "الصفحة الجديدة"

	variant := input("de", wording("de", survey.Words{
		Question:    new("Wie wahrscheinlich ist es, dass Sie {brand|uns} nach der Bestellung {order|von neulich} weiterempfehlen?"),
		MailSubject: new("{name|Guten Tag}, wie war Ihre Bestellung?"),
		MailIntro:   new("Guten Tag, {name|liebe Kundin, lieber Kunde}!\n\nIhre Bestellung {order|bei uns} ist angekommen.\nHat alles gepasst?"),
		MailOutro:   new("Vielen Dank\n\nIhr Team von {brand|uns}"),
	})).dressed()
	variant.Brand.Palette = look.Palette{Accent: parsed("#c2185b"), Background: parsed("#fff8f0"), Text: parsed("#2a1a3e")}
	variant.Experience, variant.ExperienceLabel = "https://sam.example/neu?bestellung=4711&q=%C3%A4", "Die neue Seite ansehen"

	reminder := input("ja").dressed()
	reminder.Reminder = true

	dark := input("fr").dressed()
	dark.Brand.Palette = look.Palette{Accent: parsed("#7dd3c0"), Background: parsed("#10141a"), Text: parsed("#e8ecf1")}

	// Nobody has the tenant's own question in Persian, and nothing is built in.
	mixed := input("fa", wording("fa", survey.Words{
		LowLabel: new("اصلاً"), HighLabel: new("حتماً"), MailSubject: new("نظر شما"), MailIntro: new("سلام {name|دوست عزیز}،"),
	})).dressed()

	return map[string]Input{
		"ltr": input("en").dressed(), "rtl": rtl, "variant": variant, "minimal": input("en"), "reminder": reminder, "dark": dark, "mixed": mixed,
		"thai": input("th").dressed(), "hebrew": input("he").dressed(),
	}
}

func compose(t rapid.TB, in Input) *Letter {
	t.Helper()
	made, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestGolden(t *testing.T) {
	for name, in := range inputs() {
		made := compose(t, in)
		for ending, got := range map[string]string{".html": made.HTML, ".txt": "Subject: " + made.Subject + "\n\n" + made.Text} {
			path := filepath.Join("testdata", name+ending)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
			}
		}
	}
}

// parse reads a document.
func parse(t rapid.TB, text string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// elements are those below a node with this name, in order; all where it is empty.
func elements(n *html.Node, name string) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for d := range n.Descendants() {
			if d.Type == html.ElementNode && (name == "" || d.Data == name) && !yield(d) {
				return
			}
		}
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// content is the text in a node, as people read it.
func content(n *html.Node) string {
	var w strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode:
			w.WriteString(strings.ReplaceAll(d.Data, "\u200b", ""))
		case d.Data == "br":
			w.WriteString("\n")
		}
	}
	return w.String()
}

// links are where those of a document lead, and what is written on them, in order.
func links(t rapid.TB, text string) (all []link) {
	t.Helper()
	for a := range elements(parse(t, text), "a") {
		all = append(all, link{content(a), attribute(a, "href")})
	}
	return all
}

// What a mail has in it is what mail clients leave, each cell with both its colours, and nothing is fetched but the logo.
func TestHTMLIsFitForMails(t *testing.T) {
	allowed := map[string][]string{
		"html": {"lang", "dir"}, "head": {}, "meta": {"charset", "name", "content"}, "title": {}, "style": {},
		"body":  {"class", "bgcolor", "style"},
		"table": {"role", "dir", "lang", "width", "cellpadding", "cellspacing", "border", "class", "bgcolor", "style"},
		"tbody": {}, "tr": {}, "br": {},
		"td":   {"class", "width", "height", "align", "valign", "bgcolor", "style"},
		"div":  {"style"},
		"p":    {"lang", "dir", "style"},
		"h1":   {"lang", "dir", "style"},
		"img":  {"src", "alt", "width", "height", "border", "style"},
		"a":    {"href", "lang", "dir", "style", "tabindex", "aria-hidden"},
		"span": {"style"},
	}
	color := regexp.MustCompile(`background-color:(#[0-9a-f]{6});color:(#[0-9a-f]{6})`)
	for name, in := range inputs() {
		made := compose(t, in)
		if n := len(made.HTML); n > 30_000 {
			t.Errorf("%s: %d bytes", name, n)
		}
		root := parse(t, made.HTML)
		for n := range elements(root, "") {
			attributes, ok := allowed[n.Data]
			if !ok {
				t.Errorf("%s: an element %s", name, n.Data)
			}
			for _, a := range n.Attr {
				if !slices.Contains(attributes, a.Key) {
					t.Errorf("%s: %s has the attribute %s", name, n.Data, a.Key)
				}
			}
			if strings.Contains(attribute(n, "style"), "url(") || n.Data == "style" && strings.ContainsAny(content(n), "@<") && strings.Count(content(n), "@") > 1 {
				t.Errorf("%s: %s fetches something", name, n.Data)
			}
		}
		if got, want := attribute(slices.Collect(elements(root, "html"))[0], "dir"), in.Texts.Direction.HTML(); got != want {
			t.Errorf("%s: goes %s, not %s", name, got, want)
		}
		for n := range elements(root, "table") {
			if d := attribute(n, "dir"); attribute(n, "role") != "presentation" || d != "" && d != in.Texts.Direction.HTML() {
				t.Errorf("%s: a table is %v", name, n.Attr)
			}
		}
		cells := 0
		for n := range elements(root, "td") {
			cells++
			pair := color.FindStringSubmatch(attribute(n, "style"))
			if pair == nil || attribute(n, "bgcolor") != pair[1] {
				t.Errorf("%s: a cell has the ground %s, and the style %s", name, attribute(n, "bgcolor"), attribute(n, "style"))
				continue
			}
			if strings.TrimSpace(content(n)) != "" && look.Contrast(parsed(pair[1]), parsed(pair[2])) < look.TextContrast {
				t.Errorf("%s: %q is written in %s on %s", name, content(n), pair[2], pair[1])
			}
		}
		if cells < 30 {
			t.Errorf("%s: %d cells", name, cells)
		}
		images := slices.Collect(elements(root, "img"))
		if (in.Brand.Logo != "") != (len(images) == 1) {
			t.Errorf("%s: %d images", name, len(images))
		}
		for _, n := range images {
			if got := []string{attribute(n, "src"), attribute(n, "alt"), attribute(n, "width"), attribute(n, "height")}; !slices.Equal(got, []string{
				site + in.Brand.Logo, in.Brand.Name, "192", "48",
			}) {
				t.Errorf("%s: the logo is %q", name, got)
			}
		}
	}
}

// What is said is in both parts, and each link of the input leads where it should, by words that speak for themselves.
func TestLinks(t *testing.T) {
	for name, in := range inputs() {
		made := compose(t, in)
		w := in.Texts.Words
		want := make([]link, 0, 17)
		for score := range 11 {
			text := strconv.Itoa(score)
			switch score {
			case 0:
				text += " – " + in.Texts.LowLabel
			case 10:
				text += " – " + in.Texts.HighLabel
			}
			want = append(want, link{text, in.Score(score)})
		}
		want = append(want, link{"", in.All}, link{w.Mail.OnPage, in.Page})
		if in.Experience != "" {
			want = append(want, link{in.ExperienceLabel, in.Experience})
		}
		want = append(want, link{w.Unsubscribe.Ask.Heading, in.Unsubscribe})
		if in.Brand.Website != "" {
			want = append(want, link{w.Page.PrivacyPolicy, in.Brand.PrivacyPolicy}, link{words.Fill(w.Page.Website, "brand", in.Brand.Name), in.Brand.Website})
		}
		if got := links(t, made.HTML); !slices.Equal(got, want) {
			t.Errorf("%s: the links are\n%q\nwant\n%q", name, got, want)
		}
		for _, l := range want {
			line := "\n\n" + l.text + "\n" + l.url + "\n"
			if _, err := strconv.Atoi(strings.SplitN(l.text, " ", 2)[0]); err == nil {
				line = "\n" + l.text + ": " + l.url + "\n"
			}
			if has := strings.Contains(made.Text, line); has != (l.url != in.All) {
				t.Errorf("%s: that the text has %q is %t:\n%s", name, line, has, made.Text)
			}
		}
		last := slices.Collect(elements(parse(t, made.HTML), "a"))[11]
		if attribute(last, "tabindex") != "-1" || attribute(last, "aria-hidden") != "true" ||
			attribute(last, "style") != "display:none;mso-hide:all;font-size:0;line-height:0;color:transparent" {
			t.Errorf("%s: the hidden link is %v", name, last.Attr)
		}
	}
}

// said is all that people read of a document, in order, with blanks for all breaks.
func said(t rapid.TB, text string) string {
	t.Helper()
	var w strings.Builder
	for body := range elements(parse(t, text), "body") {
		for d := range body.Descendants() {
			if d.Type == html.TextNode {
				w.WriteString(" " + d.Data)
			}
		}
	}
	return strings.Join(strings.Fields(w.String()), " ")
}

func TestBothPartsSayAll(t *testing.T) {
	for name, in := range inputs() {
		made := compose(t, in)
		w := in.Texts.Words
		want := []string{in.Fill(in.Texts.MailIntro), in.Fill(in.Texts.Question), "0 – " + in.Texts.LowLabel, "10 – " + in.Texts.HighLabel}
		if in.Reminder {
			want = slices.Insert(want, 0, w.Mail.Reminded)
		}
		if in.Texts.MailOutro != nil {
			want = append(want, in.Fill(*in.Texts.MailOutro))
		}
		want = append(want, words.Fill(w.Mail.Why, "brand", in.Brand.Name), in.PostalAddress)
		for part, text := range map[string]string{"HTML": said(t, made.HTML), "text": made.Text} {
			rest := strings.Join(strings.Fields(text), " ")
			for _, piece := range want {
				before, after, ok := strings.Cut(rest, strings.Join(strings.Fields(piece), " "))
				if !ok {
					t.Errorf("%s: after %q the %s lacks %q", name, before, part, piece)
					break
				}
				rest = after
			}
		}
		if _, body, _ := strings.Cut(made.HTML, "<body"); strings.Contains(made.Subject+body+made.Text, "{") {
			t.Errorf("%s: a placeholder is left in %s", name, made.HTML)
		}
	}
}

func TestSubject(t *testing.T) {
	long := strings.Repeat("é", 149) + "xyz"
	for name, test := range map[string]struct {
		locale, subject string
		reminder        bool
		want            string
	}{
		"built in":            {"en", "", false, "Sam & Sons would like to hear your opinion"},
		"reminder":            {"en", "", true, "Reminder: Sam & Sons would like to hear your opinion"},
		"reminder, French":    {"fr", "Un mot", true, "Rappel\u00a0: Un mot"},
		"filled":              {"en", "{name|Hello}: {order|your order}", false, "Ada Lovelace: 4711"},
		"with line breaks":    {"en", "a\r\nBcc: x@example.com\u2028\u0085b\tc", false, "a Bcc: x@example.com b c"},
		"turned around":       {"en", "a\u202eb\u2066c", false, "a b c"},
		"marks of direction":  {"he", "א\u200f1", false, "א\u200f1"},
		"not UTF-8":           {"en", "a\xffb", false, "a\ufffdb"},
		"nothing left":        {"de", "{nickname| }", false, "Sam & Sons möchte Ihre Meinung hören"},
		"just short enough":   {"en", strings.Repeat("é", 150), false, strings.Repeat("é", 150)},
		"too long":            {"en", long, false, strings.Repeat("é", 149) + "…"},
		"too long a reminder": {"en", long, true, "Reminder: " + strings.Repeat("é", 139) + "…"},
		"cut before a mark":   {"en", strings.Repeat("a", 148) + "e\u0301xyz", false, strings.Repeat("a", 148) + "…"},
		"cut within a family": {"en", strings.Repeat("a", 147) + "👩\u200d👧\u200d👦", false, strings.Repeat("a", 147) + "…"},
		"nothing but marks":   {"en", strings.Repeat("\u0301", 200), false, strings.Repeat("\u0301", 149) + "…"},
		"cut after a blank":   {"en", strings.Repeat("a", 148) + " bcd", false, strings.Repeat("a", 148) + "…"},
	} {
		in := input(test.locale)
		if test.subject != "" {
			in.Texts.MailSubject = test.subject
		}
		in.Reminder = test.reminder
		made := compose(t, in)
		if made.Subject != test.want {
			t.Errorf("%s: the subject is %q, want %q", name, made.Subject, test.want)
		}
		if title := content(slices.Collect(elements(parse(t, made.HTML), "title"))[0]); title != test.want {
			t.Errorf("%s: the title is %q, want %q", name, title, test.want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	in := input("en")
	in.Texts.MailIntro = "\r\n\n one \r\ntwo\u2028three\x00\n \t\n\n\nfour\n"
	in.Texts.Question = "Is it?\n\nWell?"
	made := compose(t, in)
	root := parse(t, made.HTML)
	var got []string
	for p := range elements(root, "p") {
		got = append(got, content(p))
	}
	if !slices.Equal(got[:2], []string{"one\ntwo\nthree", "four"}) {
		t.Errorf("the paragraphs are %q", got)
	}
	if h := content(slices.Collect(elements(root, "h1"))[0]); h != "Is it?\n\nWell?" {
		t.Errorf("the question is %q", h)
	}
	if !strings.HasPrefix(made.Text, "one\ntwo\nthree\n\nfour\n\nIs it?\n\nWell?\n\nAnswer on a web page\n"+page+"\n\n0 – Not at all likely: "+page+"/0\n1: ") {
		t.Errorf("the text is\n%s", made.Text)
	}

	in.Texts.MailIntro = strings.TrimSpace(strings.Repeat("x\n\n", 60))
	root = parse(t, compose(t, in).HTML)
	all := slices.Collect(elements(root, "p"))
	if n := len(all); n != maxParagraphs+1 || content(all[maxParagraphs-1]) != strings.TrimSpace(strings.Repeat("x\n\n", 11)) {
		t.Errorf("%d paragraphs, and the last of the intro is %q", n, content(all[maxParagraphs-1]))
	}
}

// A piece that is missing leaves nothing behind.
func TestWithoutPieces(t *testing.T) {
	in := input("en")
	in.Texts.LowLabel, in.Texts.HighLabel, in.Texts.MailIntro = "", " \n", "{nickname|}"
	made := compose(t, in)
	if strings.Contains(made.HTML, "–") || strings.Contains(made.HTML, "<span") || strings.Contains(made.Text, "–") {
		t.Error(made.HTML, made.Text)
	}
	if !strings.HasPrefix(made.Text, in.Texts.Question+"\n\n") {
		t.Error(made.Text)
	}
	in.Experience = "https://sam.example/"
	if got := links(t, compose(t, in).HTML)[13]; got != (link{"Take a look", in.Experience}) {
		t.Errorf("without a label there is %q", got)
	}
}

func TestFit(t *testing.T) {
	for size, want := range map[[2]int][2]int{
		{480, 120}: {192, 48}, {600, 300}: {112, 56}, {100, 50}: {100, 50}, {50, 300}: {9, 56}, {600, 1}: {192, 1}, {1, 300}: {1, 56},
		{192, 56}: {192, 56}, {0, 0}: {192, 56},
	} {
		if w, h := fit(size[0], size[1]); [2]int{w, h} != want {
			t.Errorf("%v is shown as %d × %d, want %v", size, w, h, want)
		}
	}
}

// What cannot be sent is refused, and what is said of it tells nobody's links.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(in *Input)
		want  string
	}{
		"a page elsewhere":        {func(in *Input) { in.Page = "https://ask.example.com.evil.example/s/secret" }, "the link to the page is no URL of this server"},
		"a page without a scheme": {func(in *Input) { in.Page = "/s/secret" }, "the link to the page"},
		"no page":                 {func(in *Input) { in.Page = "" }, "the link to the page"},
		"a break in a link":       {func(in *Input) { in.All += "\n" }, "the link that is hidden"},
		"a quote in a link":       {func(in *Input) { in.Unsubscribe += `"` }, "the link that unsubscribes"},
		"a number elsewhere": {func(in *Input) {
			in.Score = func(score int) string { return map[bool]string{true: page, false: "javascript:secret"}[score != 7] }
		}, "the link of the number 7"},
		"a site of no scheme":          {func(in *Input) { in.Site = "javascript:x" }, "the site is no URL of http or https"},
		"no site":                      {func(in *Input) { in.Site = "" }, "the site is no URL"},
		"a logo elsewhere":             {func(in *Input) { in.Brand.Logo = "@secret\"" }, "the link to the logo"},
		"a website that is a script":   {func(in *Input) { in.Brand.Website = "javascript:secret" }, "the link to the website is no https URL"},
		"a policy without encryption":  {func(in *Input) { in.Brand.PrivacyPolicy = "http://sam.example/secret" }, "the link to the privacy policy"},
		"an experience of http":        {func(in *Input) { in.Experience = "http://sam.example/secret" }, "the link to the experience is no https URL"},
		"an experience of data":        {func(in *Input) { in.Experience = "data:text/html,secret" }, "the link to the experience"},
		"an experience with a user":    {func(in *Input) { in.Experience = "https://secret@sam.example/" }, "the link to the experience"},
		"an experience with a space":   {func(in *Input) { in.Experience = "https://sam.example/a secret" }, "the link to the experience"},
		"an experience turned around":  {func(in *Input) { in.Experience = "https://sam.example/\u202esecret" }, "the link to the experience"},
		"an experience without a host": {func(in *Input) { in.Experience = "https:///secret" }, "the link to the experience"},
		"a long experience":            {func(in *Input) { in.Experience = "https://sam.example/" + strings.Repeat("s", 6_000) }, "has 6020 bytes once it is filled, and may have 6000"},
		"no brand":                     {func(in *Input) { in.Brand.Name = "\n" }, "the brand has no name"},
		"no question":                  {func(in *Input) { in.Texts.Question = "{nickname|}" }, "leave nothing of the question"},
	} {
		in := input("en").dressed()
		test.spoil(&in)
		made, err := Compose(in)
		if err == nil || made != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", name, made, err)
		}
	}
	in := input("en")
	in.Site = "http://127.0.0.1:8080"
	in.Page, in.All, in.Unsubscribe = string(in.Site)+"/s/x", string(in.Site)+"/s/x/all?l=de&v=B", string(in.Site)+"/u/x"
	in.Score = func(score int) string { return fmt.Sprintf("%s/s/x/%d?preview=1&v=%%C3%%A9", in.Site, score) }
	if got := links(t, compose(t, in).HTML)[7].url; got != "http://127.0.0.1:8080/s/x/7?preview=1&v=%C3%A9" {
		t.Errorf("a link on this machine leads to %s", got)
	}
}

// hostile are texts such as nobody should write, and somebody will: of one line, and with something to read.
func hostile() *rapid.Generator[string] {
	pieces := []string{
		"<script>alert(1)</script>", "</td>", "</table>", "</title>", "</style>", "</a>", "</p>", "<!--", "-->", "<![endif]-->", "<!--[if mso]>", "<![CDATA[",
		"<", ">", `"`, "'", "&", "&amp;", "&lt", "&#60;", "=", "/", "`", "{", "}", "{{", "|", "%", "%s", "%!d", "\x00", "\x1b[31m", "\xff", "\u202e", "\u2066", "\u2069",
		"\u200b", "\ufeff", "javascript:", `" onclick="`, `' style='`, "color:red;", "a", "ä", " ", "عربي", "שלום", "👩\u200d👧", "e\u0301", "ひらがな",
		strings.Repeat("w", 300),
	}
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8), func(p []string) string { return "x" + strings.Join(p, "") })
}

// shape is the elements of a document, with all of their attributes but where links lead and what stands in the place of the logo.
func shape(t rapid.TB, text string) (s []string) {
	t.Helper()
	for d := range parse(t, text).Descendants() {
		switch d.Type {
		case html.ElementNode:
			s = append(s, d.Data)
			for _, a := range d.Attr {
				if a.Key != "href" && a.Key != "alt" {
					s = append(s, a.Key+"="+a.Val)
				}
			}
		case html.CommentNode:
			s = append(s, d.Data)
		}
	}
	return s
}

// Whatever texts and values are, they change neither the elements nor the links, and are read as they were written.
func TestTextsArePlain(t *testing.T) {
	harmless := input("en", wording("en", survey.Words{MailOutro: new("x")})).dressed()
	harmless.Experience, harmless.ExperienceLabel, harmless.Texts.MailIntro, harmless.Reminder = "https://sam.example/new", "x", "x", true
	harmless.PostalAddress = "x"
	want, to := shape(t, compose(t, harmless).HTML), links(t, compose(t, harmless).HTML)
	rapid.Check(t, func(t *rapid.T) {
		in := harmless
		texts, brand := *in.Texts, *in.Brand
		in.Texts, in.Brand = &texts, &brand
		value := hostile().Draw(t, "value")
		in.Fill = func(text string) string {
			return survey.Fill(text, func(key string) (string, bool) { return value, key == "value" })
		}
		draw := func(what string) string {
			if rapid.Bool().Draw(t, what+" of a value") {
				return "{value|}"
			}
			return hostile().Draw(t, what)
		}
		texts.Question, texts.LowLabel, texts.HighLabel = draw("question"), draw("low"), draw("high")
		texts.MailSubject, texts.MailIntro, texts.MailOutro = draw("subject"), draw("intro"), new(draw("outro"))
		brand.Name, in.ExperienceLabel, in.PostalAddress = hostile().Draw(t, "brand"), draw("label"), hostile().Draw(t, "address")
		made := compose(t, in)

		if got := shape(t, made.HTML); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for i, l := range links(t, made.HTML) {
			if l.url != to[i].url {
				t.Fatalf("link %d leads to %s, want %s", i, l.url, to[i].url)
			}
		}
		if made.Subject == "" || utf8.RuneCountInString(made.Subject) > 150 || strings.ContainsFunc(made.Subject, apierror.NotInLine) {
			t.Fatalf("the subject is %q", made.Subject)
		}
		// What a parser reads is what was written, but for what is no text: strings.Map makes each such byte a mark of its own, as templates do.
		root := parse(t, made.HTML)
		blank := func(text string) string {
			return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
				if unicode.IsControl(r) || r == '\u200b' {
					return ' '
				}
				return r
			}, text)), "")
		}
		if h := content(slices.Collect(elements(root, "h1"))[0]); !strings.HasPrefix(blank(in.Fill(texts.Question)), strings.TrimSuffix(blank(h), "…")) {
			t.Fatalf("the question reads %q", h)
		}
		ps := slices.Collect(elements(root, "p"))
		for i, written := range map[int]string{1: in.Fill(texts.MailIntro), 2: in.Fill(*texts.MailOutro), 4: in.PostalAddress} {
			if read := blank(content(ps[i])); !strings.HasPrefix(blank(written), strings.TrimSuffix(read, "…")) {
				t.Fatalf("what was written as %q reads %q", written, read)
			}
		}
		if strings.ContainsFunc(strings.ReplaceAll(made.Text, "\n", ""), unicode.IsControl) || !utf8.ValidString(made.Text) {
			t.Fatalf("the text has what is none: %q", made.Text)
		}
		for _, l := range to {
			if l.url != in.All && strings.Count(made.Text, l.url+"\n") == 0 {
				t.Fatalf("the text lacks %s", l.url)
			}
		}
	})
}

// The longest texts that a tenant may set, and the longest values in them, stay below what mail clients show, in every language.
func TestSize(t *testing.T) {
	for _, locale := range words.Languages() {
		for _, unit := range []string{"&", "🙂", "a\n\n", "'\n"} {
			long := func(most int) *string { return new(string([]rune(strings.Repeat(unit, most))[:most])) }
			in := input(locale, wording(locale, survey.Words{
				Question: long(survey.MaxText), LowLabel: long(survey.MaxEndLabel), HighLabel: long(survey.MaxEndLabel),
				MailSubject: long(survey.MaxSubject), MailIntro: long(survey.MaxMailText), MailOutro: long(survey.MaxMailText),
			})).dressed()
			in.Brand.Name = *long(survey.MaxBrandName)
			in.Brand.Website = "https://x.example/?" + strings.Repeat("&", survey.MaxURL-len("https://x.example/?"))
			in.Brand.PrivacyPolicy = in.Brand.Website
			in.PostalAddress = *long(300)
			in.Experience, in.ExperienceLabel = in.Brand.Website+strings.Repeat("%e7%9c", 600), *long(survey.MaxLabel)
			in.Reminder = true
			in.Site = site + survey.Site(strings.Repeat("/longer", 40))
			in.Page = strings.Replace(in.Page, site, string(in.Site), 1)
			in.All, in.Unsubscribe = in.Page+"/all", in.Page
			in.Score = func(score int) string { return fmt.Sprintf("%s/%d?preview=1", in.Page, score) }
			for _, fill := range []func(string) string{in.Fill, func(text string) string { return strings.Repeat(text, 10) }} {
				in.Fill = fill
				made, err := Compose(in)
				if err != nil {
					t.Fatalf("%s, of %q: %v", locale, unit, err)
				}
				if utf8.RuneCountInString(made.Subject) > survey.MaxSubject {
					t.Errorf("%s: a subject of %d characters", locale, utf8.RuneCountInString(made.Subject))
				}
			}
		}
		made := compose(t, input(locale).dressed())
		if n := len(made.HTML); n > 20_000 {
			t.Errorf("%s: an ordinary mail has %d bytes", locale, n)
		}
	}
}

// An address is written as its letters are, whatever the letter is.
func TestAddressGoesItsOwnWay(t *testing.T) {
	for _, test := range []struct{ locale, address, want string }{
		{"ar", "1 Long Lane", "ltr"}, {"ar", "12 شارع الملك", ""}, {"ar", "12345", ""}, {"en", "1 Long Lane", ""}, {"en", "(12) שדרות רוטשילד", "rtl"},
		{"he", "+44 (0)\n\nLondon", "ltr"},
	} {
		in := input(test.locale)
		in.PostalAddress = test.address
		all := slices.Collect(elements(parse(t, compose(t, in).HTML), "p"))
		if got := attribute(all[len(all)-1], "dir"); got != test.want {
			t.Errorf("in a mail in %s, %q goes %q, want %q", test.locale, test.address, got, test.want)
		}
	}
}

// Where texts are in another language than the letter, they say so.
func TestLanguages(t *testing.T) {
	root := parse(t, compose(t, inputs()["mixed"]).HTML)
	var got []string
	for n := range elements(root, "") {
		if attribute(n, "lang") != "" {
			got = append(got, n.Data+" "+attribute(n, "lang")+" "+attribute(n, "dir"))
		}
	}
	want := []string{"html fa rtl", "table fa rtl", "h1 en ltr", "a en ltr", "p en ltr", "a en ltr", "a en ltr", "a en ltr"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for name := range maps.Keys(inputs()) {
		if n := strings.Count(compose(t, inputs()[name]).HTML, " lang="); name != "mixed" && n != 2 {
			t.Errorf("%s: %d languages are named", name, n)
		}
	}
}
