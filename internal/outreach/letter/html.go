package letter

import (
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/survey/look"
	"github.com/zeroten/zeroten/internal/survey/words"
	"golang.org/x/text/unicode/bidi"
)

// Sizes, in CSS pixels. The bar of numbers fits the letter beside its padding; where there is less room it becomes two rows, in which a
// number is 41 pixels wide on the narrowest of phones.
const (
	width   = 600
	padding = 24
	// A number is as wide as this, its border included, and gap is between two of them. The first row has firstRow of them.
	number, gap = 46, 4
	firstRow    = 6
	secondRow   = nps.MaxScore + 1 - firstRow
	// What the rows take: where they stand side by side the gap between them is the first's.
	firstWidth  = firstRow * (number + gap)
	secondWidth = secondRow*(number+gap) - gap
	barWidth    = firstWidth + secondWidth
	// A logo is shown within this.
	logoWidth, logoHeight = 192, 56
)

// maxParagraphs is how many paragraphs of a text are elements of their own; those beyond are lines of the last, with an empty one between.
const maxParagraphs = 50

const (
	font = "font-family:Arial,Helvetica,sans-serif"
	// table is what all tables have, but for their sizes: they are there for the looks.
	table = `<table role="presentation" cellpadding="0" cellspacing="0" border="0"`
	// Outlook on Windows, which knows no max-width and no boxes in a line, reads what stands in these.
	outlook, others = "<!--[if mso]>", "<![endif]-->"
)

// canvas writes a letter in HTML.
//
// All that matters is inline, since GMX, and Gmail for addresses of others, take style sheets away; and all is in tables, the one layout
// that Outlook on Windows knows. Each cell says both its colours, twice, since clients that turn mails dark go by either; numbers have a
// border for where their ground is taken away. The style sheet has the dark colours of those clients that let a mail have its own.
type canvas struct {
	*draft

	w strings.Builder
	look.Palette
	// near is the side where lines begin, far the other.
	near, far string
	// turn makes tables that are written from right to left go that way where `dir` is taken away, as in GMX; empty for others.
	turn string
}

func (c *canvas) put(text string) { c.w.WriteString(text) }

func (c *canvas) putf(format string, args ...any) { fmt.Fprintf(&c.w, format, args...) }

// html is the letter as a document.
func (d *draft) html() string {
	c := &canvas{draft: d, Palette: d.Brand.Palette, near: "left", far: "right"}
	if d.Texts.Direction == words.RTL {
		c.near, c.far, c.turn = c.far, c.near, "direction:rtl;"
	}
	around := c.Surround()
	c.putf(`<!DOCTYPE html>
<html lang="%s" dir="%s">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<meta name="x-apple-disable-message-reformatting">
<title>%s</title>
%s</head>
<body class="around" bgcolor="%[5]s" style="margin:0;padding:0;background-color:%[5]s;color:%[6]s">
%[7]s width="100%%" lang="%[1]s" dir="%[2]s" class="around" bgcolor="%[5]s" style="%[9]swidth:100%%;background-color:%[5]s;color:%[6]s">
<tr>
<td class="around" align="center" bgcolor="%[5]s" style="padding:%[8]dpx 0;background-color:%[5]s;color:%[6]s">
`, escape(d.Texts.Locale), d.Texts.Direction.HTML(), escape(d.subject), c.style(), around, c.Text, table, padding, c.turn)
	c.putf(`%s%s width="%d" align="center"><tr><td>%s`+"\n", outlook, table, width, others)
	c.putf(`%s width="100%%" dir="%s" class="ground" bgcolor="%s" style="%swidth:100%%;max-width:%dpx;background-color:%[3]s;color:%[6]s">`+"\n",
		table, d.Texts.Direction.HTML(), c.Background, c.turn, width, c.Text)
	c.strip()
	c.head()
	c.intro()
	c.question()
	c.bar()
	c.below()
	c.outro()
	c.foot()
	c.putf("</table>\n%s</td></tr></table>%s\n</td>\n</tr>\n</table>\n</body>\n</html>\n", outlook, others)
	return c.w.String()
}

// style is the dark look, for a brand that has none.
func (c *canvas) style() string {
	if c.IsDark() {
		return ""
	}
	d := c.Dark()
	return fmt.Sprintf(`<style>
@media (prefers-color-scheme: dark) {
.around { background-color: %s !important; color: %s !important }
.ground { background-color: %s !important; color: %[2]s !important }
.ground a { color: %[2]s !important }
.muted, .muted a { color: %[4]s !important }
.line { border-color: %[5]s !important }
.accent { background-color: %[6]s !important; border-color: %[6]s !important; color: %[7]s !important }
.accent a { color: %[7]s !important }
.accent span { color: %[6]s !important }
.logo { padding: 8px !important; border-radius: 6px }
}
</style>
`, d.Surround(), d.Text, d.Background, d.Muted(), d.Line(), d.Accent, look.OnAccent(d.Accent))
}

// cell begins a cell of this class, on the ground of the letter.
func (c *canvas) cell(class, attributes string, ink look.Color, style string) {
	if class != "" {
		class = " " + class
	}
	if attributes != "" {
		attributes = " " + attributes
	}
	c.putf(`<td class="ground%s"%s bgcolor="%s" style="background-color:%[3]s;color:%s;%s;%s">`, class, attributes, c.Background, ink, font, style)
}

// row begins a row of one cell, and end ends it. top and bottom are the space within it.
func (c *canvas) row(class string, ink look.Color, top, bottom int, style string) {
	c.put("<tr>\n")
	// A word that is longer than a line is broken, else the letter would be as wide.
	c.cell(class, fmt.Sprintf(`align="%s"`, c.near), ink,
		fmt.Sprintf("padding:%dpx %dpx %dpx;%s;text-align:%s;word-break:break-word", top, padding, bottom, style, c.near))
	c.put("\n")
}

func (c *canvas) end() { c.put("</td>\n</tr>\n") }

// strip is the accent at the top.
func (c *canvas) strip() {
	c.putf(`<tr>
<td class="accent" height="6" bgcolor="%s" style="height:6px;background-color:%[1]s;color:%[1]s;font-size:1px;line-height:1px">&nbsp;</td>
</tr>
`, c.Accent)
}

// head is the logo, or the brand's name. Where images are off the name stands in the place of the logo, which keeps the brand's ground in
// the dark: most are drawn for that.
func (c *canvas) head() {
	const name = "font-size:20px;line-height:28px;font-weight:bold"
	c.row("", c.Text, padding, 0, name)
	if c.Brand.Logo == "" {
		c.put(escape(c.brand))
	} else {
		w, h := fit(c.Brand.LogoWidth, c.Brand.LogoHeight)
		c.putf(`%s><tr><td class="logo" bgcolor="%s" style="background-color:%[2]s;color:%s;%s;%s"><img src="%s" alt="%s" width="%d" height="%d" border="0" `+
			`style="display:block;border:0;width:%[8]dpx;max-width:100%%;height:auto;color:%[3]s;%[4]s;%[5]s"></td></tr></table>`,
			table, c.Background, c.Text, font, name, escape(c.Site.At(c.Brand.Logo)), escape(c.brand), w, h)
	}
	c.end()
}

// fit is the size that a logo is shown in.
func fit(w, h int) (int, int) {
	if w < 1 || h < 1 {
		return logoWidth, logoHeight
	}
	if w > logoWidth {
		w, h = logoWidth, max(1, h*logoWidth/w)
	}
	if h > logoHeight {
		w, h = max(1, w*logoHeight/h), logoHeight
	}
	return w, h
}

const prose = "font-size:16px;line-height:24px"

// paragraphs writes each paragraph of a text.
func (c *canvas) paragraphs(all []paragraph, style string) {
	for i, p := range all {
		space := "16px"
		if i == len(all)-1 || i == maxParagraphs-1 {
			space = "0"
		}
		if i < maxParagraphs {
			c.putf(`<p style="margin:0 0 %s;%s;%s">`, space, font, style)
		} else {
			c.put("<br><br>")
		}
		c.lines(p)
		if i < maxParagraphs-1 || i == len(all)-1 {
			c.put("</p>\n")
		}
	}
}

func (c *canvas) lines(p paragraph) {
	for i, l := range p {
		if i > 0 {
			c.put("<br>")
		}
		c.put(escape(l))
	}
}

func (c *canvas) intro() {
	const small = "font-size:14px;line-height:20px"
	if c.reminded != "" {
		c.row("muted", c.Muted(), padding, 0, small)
		c.paragraphs([]paragraph{{c.reminded}}, small)
		c.end()
	}
	if len(c.draft.intro) > 0 {
		c.row("", c.Text, padding, 0, prose)
		c.paragraphs(c.draft.intro, prose)
		c.end()
	}
}

// question is the heading, in a language of its own where it has one.
func (c *canvas) question() {
	const style = "font-size:20px;line-height:28px;font-weight:bold"
	c.row("", c.Text, padding, 16, style)
	c.putf(`<h1%s style="margin:0;%s;%s">`, c.language(c.Texts.QuestionLocale), font, style)
	for i, p := range c.draft.question {
		if i > 0 {
			c.put("<br><br>")
		}
		c.lines(p)
	}
	c.put("</h1>\n")
	c.end()
}

// language are the attributes that name a language, where it is not the letter's.
func (c *canvas) language(locale string) string {
	if locale == c.Texts.Locale {
		return ""
	}
	named := fmt.Sprintf(` lang="%s"`, escape(locale))
	if direction := words.DirectionOf(locale); direction != c.Texts.Direction {
		named += fmt.Sprintf(` dir="%s"`, direction.HTML())
	}
	return named
}

// bar is the eleven numbers. They are two tables, which stand side by side as two boxes in a line, and below each other where the line is
// too short.
func (c *canvas) bar() {
	dir := c.Texts.Direction.HTML()
	c.row("", c.Text, 0, 0, "font-size:0;line-height:0")
	c.putf(`%s%s dir="%s"><tr><td width="%d">%s`, outlook, table, dir, firstWidth, others)
	c.numbers(0, firstRow, "width:100%", firstWidth)
	c.putf(`%s</td><td width="%d">%s`, outlook, secondWidth, others)
	// There is no space between the boxes. Of a line that is too short for both the second row takes as much as makes its numbers as wide as those of the first.
	c.numbers(firstRow, secondRow, fmt.Sprintf("width:%d%%", secondWidth*100/firstWidth), secondWidth)
	c.putf(`%s</td></tr></table>%s`+"\n", outlook, others)
	c.end()

	c.row("muted", c.Muted(), 0, 0, "font-size:14px;line-height:20px")
	c.putf(`%s width="100%%" dir="%s" class="ground" bgcolor="%s" style="%swidth:100%%;max-width:%dpx;background-color:%[3]s;color:%[6]s">`+"\n<tr>\n",
		table, dir, c.Background, c.turn, barWidth, c.Muted())
	c.ending(0, c.near)
	c.ending(nps.MaxScore, c.far)
	c.put("</tr>\n</table>\n")
	c.end()
}

// ending is what stands below an end of the bar. The last has the link, too, that people don't see, and scanners of mails open.
func (c *canvas) ending(score int, align string) {
	c.cell("muted", fmt.Sprintf(`width="50%%" align="%s" valign="top"`, align), c.Muted(),
		"padding:4px 0 0;font-size:14px;line-height:20px;text-align:"+align)
	if meaning := c.meaning(score); meaning != "" {
		c.put(strconv.Itoa(score) + dash + escape(meaning))
	}
	if score > 0 {
		c.putf(`<a href="%s" style="display:none;mso-hide:all;font-size:0;line-height:0;color:transparent" tabindex="-1" aria-hidden="true">&#8203;</a>`,
			escape(c.All))
	}
	c.put("</td>\n")
}

// numbers is one of the two rows.
func (c *canvas) numbers(first, count int, wide string, most int) {
	c.putf(`<div style="display:inline-block;%s;max-width:%dpx;padding:0 0 %dpx;vertical-align:top">`+"\n", wide, most, gap)
	c.putf(`%s width="100%%" dir="%s" class="ground" bgcolor="%s" style="%swidth:100%%;border-collapse:separate;background-color:%[3]s;color:%[5]s">`+"\n<tr>\n",
		table, c.Texts.Direction.HTML(), c.Background, c.turn, c.Text)
	on := c.Brand.OnAccent()
	for score := first; score < first+count; score++ {
		c.putf(`<td class="accent" width="%d" height="44" align="center" bgcolor="%s" style="background-color:%[2]s;color:%s;%s;border:1px solid %[2]s;`+
			`border-radius:6px;font-size:16px;line-height:20px;text-align:center">%[5]s</td>`+"\n", number-2, c.Accent, on, font, c.number(score, on))
		if score < nps.MaxScore {
			c.putf(`<td class="ground" bgcolor="%s" style="padding:0 0 0 %dpx;background-color:%[1]s;color:%[3]s;font-size:0;line-height:0"></td>`+"\n",
				c.Background, gap, c.Text)
		}
	}
	c.put("</tr>\n</table>\n</div>")
}

// number is the link of a number. At the ends it says what the number means, too, to those who hear it: what everybody sees below is far too
// long for the cell, so that here it is one pixel high. It is not in aria-label, which Yahoo, AOL, GMX and Thunderbird take away.
func (c *canvas) number(score int, on look.Color) string {
	text, below := strconv.Itoa(score), 12
	if meaning := c.meaning(score); meaning != "" {
		text += fmt.Sprintf(`<span style="display:block;width:1px;height:1px;overflow:hidden;font-size:1px;line-height:1px;white-space:nowrap;color:%s">%s%s</span>`,
			c.Accent, dash, escape(meaning))
		below--
	}
	return fmt.Sprintf(`<a href="%s" style="display:block;min-width:24px;padding:12px 0 %dpx;color:%s;font-weight:bold;text-decoration:none">%s</a>`,
		escape(c.scores[score]), below, on, text)
}

// below are the links below the bar: to the page, and to what is offered with the question.
func (c *canvas) below() {
	const small = "font-size:14px;line-height:24px"
	c.row("", c.Text, 12, 0, small)
	c.link(c.language(c.Texts.WordsLocale), c.Page, c.onPage, c.Text)
	c.end()
	if c.Experience == "" {
		return
	}
	c.row("", c.Text, 20, 0, prose)
	c.putf(`%s dir="%s"><tr>`, table, c.Texts.Direction.HTML()) // one cell, which goes no way
	c.cell("line", `align="center"`, c.Text, fmt.Sprintf("border:1px solid %s;border-radius:6px;mso-padding-alt:12px 20px;%s", c.Line(), prose))
	c.putf(`<a href="%s" style="display:block;padding:9px 20px;color:%s;font-weight:bold;text-decoration:none">%s</a></td></tr></table>`+"\n",
		escape(c.Experience), c.Text, escape(c.experience))
	c.end()
}

// link is one that stands alone, and so is 24 pixels high (WCAG 2.2, 2.5.8).
func (c *canvas) link(attributes, url, text string, ink look.Color) {
	c.putf(`<a href="%s"%s style="display:inline-block;min-width:24px;color:%s;line-height:24px;text-decoration:underline">%s</a>`+"\n",
		escape(url), attributes, ink, escape(text))
}

func (c *canvas) outro() {
	if len(c.draft.outro) > 0 {
		c.row("", c.Text, padding, 0, prose)
		c.paragraphs(c.draft.outro, prose)
		c.end()
	}
}

// foot says why the mail came, how to end such mails, and who is behind it.
func (c *canvas) foot() {
	c.row("", c.Text, padding, 0, "font-size:0;line-height:0")
	c.end()
	c.row("muted line", c.Muted(), 16, padding, fmt.Sprintf("border-top:1px solid %s;font-size:13px;line-height:20px", c.Line()))
	language := c.language(c.Texts.WordsLocale)
	c.putf(`<p%s style="margin:0 0 4px;%s;font-size:13px;line-height:20px">%s</p>`+"\n", language, font, escape(c.why))
	for i, l := range c.links() {
		if i > 0 {
			c.put("&nbsp; ")
		}
		c.link(language, l.url, l.text, c.Muted())
	}
	if len(c.address) > 0 {
		c.putf(`<p%s style="margin:8px 0 0;%s;font-size:13px;line-height:20px">`, c.direction(c.address), font)
		for i, p := range c.address {
			if i > 0 {
				c.put("<br>")
			}
			c.lines(p)
		}
		c.put("</p>\n")
	}
	c.end()
}

// direction is the attribute that says which way a text is written whose language nobody knows, where that is not the letter's: the way of
// its first letter. In another an address would read "Long Lane 1".
func (c *canvas) direction(text []paragraph) string {
	for _, p := range text {
		for _, r := range strings.Join(p, " ") {
			found := words.LTR
			switch known, _ := bidi.LookupRune(r); known.Class() {
			case bidi.L:
			case bidi.R, bidi.AL:
				found = words.RTL
			default:
				continue
			}
			if found == c.Texts.Direction {
				return ""
			}
			return fmt.Sprintf(` dir="%s"`, found.HTML())
		}
	}
	return ""
}

// escape makes text, or an attribute in double quotes, of a text.
func escape(text string) string { return html.EscapeString(text) }
