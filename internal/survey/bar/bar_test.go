package bar

import (
	"flag"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

const base = "https://ask.example.com/s/camp_01h455vb4pex5vsknk084sn02q"

// english is a bar as most are.
func english(p Provider, r Recipient) *Bar {
	tag, _ := mergeTag(p, r)
	return &Bar{
		Base: base, Provider: p, Recipient: r, Tag: tag,
		Question: "How likely is it that you would recommend us to a friend or colleague?",
		Low:      "Not at all likely", High: "Extremely likely", Brand: "Sam & Sons",
		Language: "en",
		Colors:   Colors{Accent: "#1a73e8", OnAccent: "#ffffff", Background: "#ffffff", Text: "#202124"},
	}
}

// bars are those of the golden files.
func bars() map[string]*Bar {
	ltr := english(Mailchimp, Email)
	rtl := english(Klaviyo, ExternalID)
	rtl.Question, rtl.Low, rtl.High = "ما مدى احتمال أن توصي بنا لصديق أو زميل؟", "غير محتمل إطلاقًا", "محتمل للغاية"
	rtl.Language, rtl.RTL = "ar", true
	variant := english(ActiveCampaign, Email)
	variant.Variant = "Größe B"
	return map[string]*Bar{"ltr": ltr, "rtl": rtl, "variant": variant}
}

func TestGolden(t *testing.T) {
	for name, b := range bars() {
		if fault := b.Fault(); fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
		for ending, got := range map[string]string{".html": b.HTML(), ".txt": b.Text(), ".preview.html": b.Preview()} {
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

// fragment reads HTML as what stands in a body.
func fragment(t rapid.TB, text string) *html.Node {
	t.Helper()
	body := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragment(strings.NewReader(text), body)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		body.AppendChild(n)
	}
	return body
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

// hrefs are where the links of HTML lead, in order.
func hrefs(t rapid.TB, text string) []string {
	t.Helper()
	var all []string
	for a := range elements(fragment(t, text), "a") {
		all = append(all, attribute(a, "href"))
	}
	return all
}

// What stands in somebody's template is tables and inline styles, each cell with both its colours, each number a link that speaks.
func TestHTMLIsFitForMails(t *testing.T) {
	allowed := map[string][]string{
		"table": {"role", "dir", "lang", "width", "cellpadding", "cellspacing", "border", "bgcolor", "style"},
		"tbody": {}, "tr": {}, "br": {},
		"td":   {"colspan", "width", "height", "align", "valign", "bgcolor", "style"},
		"a":    {"href", "style", "tabindex", "aria-hidden"},
		"span": {"style"},
	}
	for name, b := range bars() {
		text := b.HTML()
		if len(text) > MaxHTML/2 {
			t.Errorf("%s: %d bytes", name, len(text))
		}
		if strings.Contains(text, "<!--") {
			t.Errorf("%s: a comment", name)
		}
		root := fragment(t, text)
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
		}
		for n := range elements(root, "table") {
			if want := map[bool]string{false: "ltr", true: "rtl"}[b.RTL]; attribute(n, "role") != "presentation" || attribute(n, "dir") != want {
				t.Errorf("%s: a table is %v", name, n.Attr)
			}
		}
		cells := slices.Collect(elements(root, "td"))
		if len(cells) != 1+11+2 {
			t.Fatalf("%s: %d cells", name, len(cells))
		}
		for _, n := range cells {
			ground, style := attribute(n, "bgcolor"), attribute(n, "style")
			if ground == "" || !strings.Contains(style, "background-color:"+ground+";color:#") {
				t.Errorf("%s: a cell has the ground %s, and the style %s", name, ground, style)
			}
		}
		if got := content(cells[0]); got != b.Question {
			t.Errorf("%s: the question is %q", name, got)
		}
		query := b.query(b.Tag, false)
		for score, n := range cells[1:12] {
			links := slices.Collect(elements(n, "a"))
			want := strconv.Itoa(score)
			switch score {
			case 0:
				want += " – " + b.Low
			case 10:
				want += " – " + b.High
			}
			style := attribute(links[0], "style")
			if len(links) != 1 || content(n) != want || content(links[0]) != want || attribute(links[0], "href") != fmt.Sprintf("%s/%d%s", base, score, query) ||
				!strings.HasPrefix(style, "display:block;min-width:24px;padding:12px 0") || !strings.Contains(attribute(n, "style"), ";border:1px solid #") {
				t.Errorf("%s: the cell of %d reads %q, and its link %v", name, score, content(n), links[0].Attr)
			}
		}
		if low, high := content(cells[12]), content(cells[13]); low != "0 – "+b.Low || high != "10 – "+b.High {
			t.Errorf("%s: at the ends stand %q and %q", name, low, high)
		}
		near, far := "left", "right"
		if b.RTL {
			near, far = far, near
		}
		if got := []string{attribute(cells[0], "align"), attribute(cells[12], "align"), attribute(cells[13], "align")}; !slices.Equal(got, []string{near, near, far}) {
			t.Errorf("%s: aligned %v", name, got)
		}
		links := slices.Collect(elements(root, "a"))
		last := links[len(links)-1]
		if len(links) != 12 || attribute(last, "href") != base+"/all"+query || attribute(last, "tabindex") != "-1" || attribute(last, "aria-hidden") != "true" ||
			attribute(last, "style") != "display:none;mso-hide:all;font-size:0;line-height:0;color:transparent" || content(last) != "" {
			t.Errorf("%s: %d links, the last %v", name, len(links), last.Attr)
		}
	}
}

// A bar without labels has bare numbers, and no empty elements.
func TestWithoutLabels(t *testing.T) {
	b := english(Generic, None)
	b.Low, b.High = "", " \n"
	if text := b.HTML(); strings.Contains(text, "–") || strings.Contains(text, "<span") {
		t.Error(text)
	}
	if text := b.Text(); strings.Contains(text, "–") || !strings.Contains(text, "\n0: "+base+"/0\n1: ") {
		t.Error(text)
	}
}

func TestLinks(t *testing.T) {
	for name, test := range map[string]struct {
		bar  Bar
		want string // with the score 7
	}{
		"an address":         {Bar{Base: base, Provider: Mailchimp, Recipient: Email, Tag: "*|URL:EMAIL|*"}, base + "/7?e=*|URL:EMAIL|*"},
		"an id":              {Bar{Base: base, Provider: Generic, Recipient: ExternalID, Tag: "{{id}}"}, base + "/7?c={{id}}"},
		"nobody":             {Bar{Base: base, Recipient: None, Tag: "{{id}}"}, base + "/7"},
		"a slash at the end": {Bar{Base: base + "/", Recipient: None}, base + "/7"},
		"all": {
			Bar{Base: base, Recipient: Email, Tag: "{{ email }}", Variant: "a+b c&d=é"},
			base + "/7?e={{ email }}&v=a%2Bb%20c%26d%3D%C3%A9",
		},
		"between percent signs": {
			Bar{Base: base, Recipient: Email, Tag: "%EMAIL%", Variant: "B EMAIL é"},
			base + "/7?e=%EMAIL%&v=%42%20%45%4D%41%49%4C%20%C3%A9",
		},
		"between percent signs, plain": {Bar{Base: base, Recipient: Email, Tag: "%EMAIL%", Variant: "new-layout"}, base + "/7?e=%EMAIL%&v=new-layout"},
		"nobody, and a variant":        {Bar{Base: base, Recipient: None, Variant: "50 %"}, base + "/7?v=50%20%25"},
	} {
		links := test.bar.Links()
		if len(links) != 11 || links[7] != test.want {
			t.Errorf("%s: %d links, %s, want %s", name, len(links), links[7], test.want)
		}
		for score, link := range links {
			if want := strings.Replace(test.want, "/7", fmt.Sprintf("/%d", score), 1); link != want {
				t.Errorf("%s: %s, want %s", name, link, want)
			}
		}
		if got := hrefs(t, test.bar.HTML()); !slices.Equal(got[:11], links) {
			t.Errorf("%s: the HTML leads to %v", name, got)
		}
		for _, link := range links {
			if !strings.Contains(test.bar.Text(), ": "+link+"\n") {
				t.Errorf("%s: the text lacks %s", name, link)
			}
		}
	}
}

// Each provider finds its own tag in the source twelve times, letter by letter.
func TestTagStandsAsItIs(t *testing.T) {
	for p := range spellings {
		for _, r := range []Recipient{Email, ExternalID} {
			b := english(p, r)
			if b.Tag == "" {
				continue
			}
			if n := strings.Count(b.HTML(), b.Tag); n != 12 {
				t.Errorf("%s: %s stands %d times in the HTML", p, b.Tag, n)
			}
			if n := strings.Count(b.Text(), b.Tag); n != 11 {
				t.Errorf("%s: %s stands %d times in the text", p, b.Tag, n)
			}
		}
	}
	own := english(Generic, Email)
	own.Tag = "{{ x['mail'] | default: 'nobody' }}"
	if n := strings.Count(own.HTML(), own.Tag); n != 12 {
		t.Errorf("%s stands %d times in the HTML", own.Tag, n)
	}
}

// tags are how what providers put something in the place of begins and ends. A percent sign is one of many in HTML: by tags is meant
// what could be a name between two of them, and names have three letters and more.
var tags = regexp.MustCompile(`(?s)\{\{|\{%|\{#|\*\||\[\[|\[%|\$\{|\$\[|##|<%|<<|\{[\w$!]+\}|\[\w+\]|%\w[\w-]{2,}%|%%|%=`)

// texts are such as nobody should write, and somebody will.
func texts() *rapid.Generator[string] {
	pieces := []string{
		"<script>alert(1)</script>", "</td>", "</table>", "<!--", "-->", "<", ">", `"`, "'", "&", "&amp;", "&#123;&#123;", "=", "/", "`",
		"{", "{{", "}}", "}", "{%", "%}", "{#", "*", "|", "*|", "|*", "%", "%%", "[", "[[", "]", "]]", "$", "${", "#", "##", "EMAIL", "URL:EMAIL",
		"contact.email", "email", "EMAIL%", "a", "ä", "50 %", " ", "عربي", "이름", "$5", "#1", "<%= x %>", "<<x>>",
	}
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 10), func(p []string) string { return strings.Join(p, "") })
}

// Whatever a tenant's texts are, they change neither the elements nor the links, they are read as they were written, and no provider
// finds a tag in them.
func TestTextsArePlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(slices.Sorted(maps.Keys(spellings))).Draw(t, "provider")
		b := english(p, Email)
		plain := fragment(t, b.HTML())
		label := texts().Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
		b.Question, b.Low, b.High, b.Brand = texts().Draw(t, "question"), label.Draw(t, "low"), label.Draw(t, "high"), texts().Draw(t, "brand")
		if rapid.Bool().Draw(t, "with a variant") {
			b.Variant = texts().Draw(t, "variant")
		}
		text := b.HTML()
		got := fragment(t, text)
		shape := func(n *html.Node) (s []string) {
			for d := range elements(n, "") {
				s = append(s, d.Data)
				for _, a := range d.Attr {
					if a.Key != "href" {
						s = append(s, a.Key+"="+a.Val)
					}
				}
			}
			return s
		}
		if got, want := shape(got), shape(plain); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if links := hrefs(t, text); !slices.Equal(links[:11], b.Links()) {
			t.Fatalf("the links are %v", links)
		}
		words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
		cells := slices.Collect(elements(got, "td"))
		if read := content(cells[0]); read != strings.TrimSpace(b.Question) {
			t.Fatalf("the question reads %q", read)
		}
		if low, high := content(cells[12]), content(cells[13]); low != "0 – "+words(b.Low) || high != "10 – "+words(b.High) {
			t.Fatalf("the labels read %q and %q", low, high)
		}
		if read := strings.ReplaceAll(b.Text(), "\u200b", ""); !strings.HasPrefix(read, strings.TrimSpace(b.Question)+"\n\n0 – "+words(b.Low)+": ") {
			t.Fatalf("the text reads %q", read)
		}
		for _, text := range []string{text, b.Text()} {
			text = strings.ReplaceAll(text, b.Tag, "")
			if !strings.Contains(b.Tag, "%") {
				text = strings.ReplaceAll(text, "v="+percent(b.Variant, false), "v=") // %20EMAIL%20 is a tag to nobody else
			}
			if found := tags.FindString(text); found != "" {
				t.Fatalf("there is a tag %q in %s", found, text)
			}
		}
		if strings.Contains(b.Preview(), "<script") || strings.Contains(b.Preview(), "<!--") {
			t.Fatal(b.Preview())
		}
	})
}

// What is no tag is left as it is.
func TestDisarm(t *testing.T) {
	for text, want := range map[string]string{
		"100 %, 50%, 5% off": "", "$5 for the #1 in C#": "", "a * b | c": "", "x < y": "", "{ a }": "", "write to a@b.example": "",
		"{{ name }}": "{.{ name }}", "{{{x}}}": "{.{.{.x}}}", "{% if %}": "{.% if %}", "*|FNAME|*": "*.|FNAME|*", "%EMAIL%": "%.EMAIL%", "%%x%%": "%.%.x%.%",
		"[[x]]": "[.[.x]]", "[NAME]": "[.NAME]", "${x}": "$.{.x}", "##x##": "#.#x#.#", "{#x#}": "{.#x#}", "<%= x %>": "<.%.= x %>", "%é%": "%.é%",
	} {
		if want == "" {
			want = text
		}
		if got := strings.ReplaceAll(disarm(text), "\u200b", "."); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	b := english(Generic, None)
	b.Question, b.Low = "\r\nOne\r\ntwo\n\n<three>\n", "Not\nat  all"
	if text := b.HTML(); !strings.Contains(text, ">One<br>two<br><br>&lt;three&gt;</td>") || !strings.Contains(text, ">0 – Not at all</td>") {
		t.Error(text)
	}
	if text := b.Text(); !strings.HasPrefix(text, "One\ntwo\n\n<three>\n\n0 – Not at all: https://") {
		t.Error(text)
	}
}

// In every script the longest texts and a long name of a variant fit; what cannot fit is said.
func TestFault(t *testing.T) {
	for p := range spellings {
		b := english(p, Email)
		b.Question, b.Low, b.High = strings.Repeat("질", 500), strings.Repeat("낮", 60), strings.Repeat("높", 60)
		b.Variant = strings.Repeat("판", 100)
		if fault := b.Fault(); fault != "" {
			t.Errorf("%s: %s", p, fault)
		}
	}
	b := english(Generic, Email)
	b.Variant = strings.Repeat("🙂", 100)
	b.Tag = strings.Repeat("x", 200)
	if fault := b.Fault(); len(b.HTML()) <= MaxHTML || !strings.Contains(fault, "at most 20480: take a shorter merge tag") {
		t.Errorf("%d bytes: %q", len(b.HTML()), fault)
	}
	b = english(Generic, Email)
	b.Tag = `"><script>`
	if fault := b.Fault(); fault != TagFault(b.Tag) || strings.Contains(b.HTML(), "<script") {
		t.Errorf("%q: %s", fault, b.HTML())
	}
}

// A preview shows the bar to somebody whom the page then knows, and records nothing.
func TestPreview(t *testing.T) {
	for p, s := range spellings {
		for _, r := range []Recipient{Email, ExternalID, None} {
			b := english(p, r)
			if b.Tag == "" && r != None {
				b.Tag = "{{own}}"
			}
			b.Variant = "B 2"
			text := b.Preview()
			if !strings.HasPrefix(text, "<!DOCTYPE html>\n<html dir=\"ltr\" lang=\"en\">") || !strings.Contains(text, "<title>Sam &amp; Sons</title>") {
				t.Errorf("%s: %s", p, text)
			}
			if b.Tag != "" && strings.Contains(text, b.Tag) {
				t.Errorf("%s: the tag stands in %s", p, text)
			}
			if encoded := strings.Contains(text, "?e=ada%40example.com&amp;"); encoded != (r == Email && s.encodes) {
				t.Errorf("%s, %s: %s", p, r, text)
			}
			doc, err := html.Parse(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			links := slices.Collect(elements(doc, "a"))
			if len(links) != 12 {
				t.Fatalf("%s: %d links", p, len(links))
			}
			for _, a := range links {
				u, err := url.Parse(attribute(a, "href"))
				if err != nil {
					t.Fatal(err)
				}
				want := Query{Variant: "B 2", Preview: true, Named: r != None}
				switch r {
				case Email:
					want.Email = "ada@example.com"
				case ExternalID:
					want.ExternalID = "1001"
				case None:
				}
				if got := ParseQuery(u.RawQuery); got != want {
					t.Errorf("%s: %s says %+v", p, u, got)
				}
			}
		}
	}
}
