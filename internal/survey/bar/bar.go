package bar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// MaxHTML is how many bytes the HTML of a bar has at most: Gmail cuts a whole mail off at 102 kB.
const MaxHTML = 20 << 10

// maxScore is the last number of the bar.
const maxScore = 10

// Bar is a campaign's question with a link for each answer.
type Bar struct {
	// Base is the URL of the campaign's page, e.g. https://x.example/s/camp_…, without a query.
	Base      string
	Provider  Provider
	Recipient Recipient
	// Tag is the merge tag, as Tag gives it; without effect where Recipient is None.
	Tag string

	// Question, Low (what stands at the 0), High (what stands at the 10) and Brand are plain text, without placeholders.
	Question, Low, High, Brand string
	// Language is the one that the texts are in, as a BCP 47 tag, and RTL says that it is written from right to left.
	Language string
	RTL      bool

	// Variant is the variant of the survey that the links lead to; where empty each person falls into one on the page.
	Variant string

	Colors Colors
}

// Colors are what a bar is painted with, each as #rrggbb.
type Colors struct {
	// Accent is the ground of the numbers, and OnAccent the numbers.
	Accent, OnAccent string
	// Background is the ground of all else, and Text what is written on it.
	Background, Text string
}

// Fault says why a bar cannot be handed out, as a sentence; empty where it can.
func (b *Bar) Fault() string {
	if b.Recipient != None {
		if fault := TagFault(b.Tag); fault != "" {
			return fault
		}
	}
	if n := len(b.HTML()); n > MaxHTML {
		return fmt.Sprintf("The HTML would have %d bytes, and mails are cut off where they are long, so that it has at most %d: "+
			"take a shorter merge tag, or a variant with a shorter name.", n, MaxHTML)
	}
	return ""
}

// Links are the eleven links, from 0 to 10, with the merge tag in them.
func (b *Bar) Links() []string {
	query := b.query(b.Tag, false)
	links := make([]string, maxScore+1)
	for score := range links {
		links[score] = b.link(strconv.Itoa(score), query)
	}
	return links
}

// Text is the bar for the plain-text part of a mail.
func (b *Bar) Text() string {
	var w strings.Builder
	for _, line := range lines(b.Question) {
		w.WriteString(disarm(line) + "\n")
	}
	w.WriteString("\n")
	for score, link := range b.Links() {
		w.WriteString(strconv.Itoa(score))
		if label := b.label(score); label != "" {
			w.WriteString(dash + disarm(label))
		}
		w.WriteString(": " + link + "\n")
	}
	return w.String()
}

// HTML is the bar as a part of a mail's template: one table with inline styles, and nothing that clients or the editors of providers
// take out. It stands alone, whatever the template around it says, in dark and in light.
func (b *Bar) HTML() string { return b.html(b.query(b.Tag, false)) }

// The recipient that a preview is made up for.
const (
	previewEmail = "ada@example.com"
	previewID    = "1001"
)

// Preview is a whole HTML document that shows the bar to a made-up recipient, named as the provider would name them. Its links open
// the page, and nothing is recorded there.
func (b *Bar) Preview() string {
	recipient := previewID
	if b.Recipient == Email {
		recipient = previewEmail
		if s := spellings[b.Provider]; s.encodes && s.email == b.Tag {
			recipient = percent(previewEmail, false)
		}
	}
	c := b.colors()
	var w strings.Builder
	fmt.Fprintf(&w, `<!DOCTYPE html>
<html dir="%s"%s>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>%s</title>
</head>
<body bgcolor="%[4]s" style="margin:0;background-color:%[4]s;color:%[5]s;%[6]s">
<main style="max-width:600px;margin:0 auto;padding:16px 8px">
`, b.direction(), b.lang(), phrase(b.Brand), c.Background, c.Text, font)
	fmt.Fprintf(&w, `<h1 style="margin:0;font-size:13px;line-height:18px">%s</h1>`+"\n"+
		`<p style="margin:0 0 24px;font-size:13px;line-height:18px"><span dir="ltr">%s</span></p>`+"\n", phrase(b.Brand), previewEmail)
	w.WriteString(b.html(b.query(recipient, true)))
	w.WriteString("</main>\n</body>\n</html>\n")
	return w.String()
}

const (
	// dash stands between a number and what it means.
	dash = " – "
	font = "font-family:Arial,Helvetica,sans-serif"
)

// html is the bar with a query in its links.
//
// Every cell says its colours twice, since clients that turn mails dark go by either, and the numbers have a border for where their
// ground is taken away. A link is 24 pixels wide and 44 high at the least (WCAG 2.2, 2.5.8), and eleven of them fit 298 pixels. It
// fills its cell, but for Outlook on Windows, where height keeps the cell's size and the number alone is the link.
func (b *Bar) html(query string) string {
	c := b.colors()
	near, far := "left", "right"
	if b.RTL {
		near, far = far, near
	}
	var w strings.Builder
	cell := func(attributes, ground, ink, style, inside string) {
		fmt.Fprintf(&w, `<td %s bgcolor="%s" style="background-color:%[2]s;color:%s;%s;%s">%s</td>`+"\n",
			attributes, ground, ink, font, style, inside)
	}
	fmt.Fprintf(&w, `<table role="presentation" dir="%s"%s width="100%%" cellpadding="0" cellspacing="1" border="0" bgcolor="%s" `+
		`style="width:100%%;max-width:600px;border-collapse:separate;border-spacing:1px;background-color:%[3]s;color:%s">`+"\n",
		b.direction(), b.lang(), c.Background, c.Text)

	w.WriteString("<tr>\n")
	cell(fmt.Sprintf(`colspan="11" align="%s"`, near), c.Background, c.Text, "padding:0 0 12px;font-size:18px;line-height:24px", paragraph(b.Question))
	w.WriteString("</tr>\n<tr>\n")
	for score := range maxScore + 1 {
		cell(`width="9%" height="44" align="center"`, c.Accent, c.OnAccent,
			fmt.Sprintf("border:1px solid %s;font-size:16px;line-height:20px", c.Accent), b.number(score, query, c))
	}
	w.WriteString("</tr>\n<tr>\n")
	const small = "padding:6px 0 0;font-size:13px;line-height:18px"
	cell(fmt.Sprintf(`colspan="5" align="%s" valign="top"`, near), c.Background, c.Text, small, b.end(0))
	cell(fmt.Sprintf(`colspan="6" align="%s" valign="top"`, far), c.Background, c.Text, small, b.end(maxScore)+b.hidden(query))
	w.WriteString("</tr>\n</table>\n")
	return w.String()
}

// number is the link of a number. At the ends it says what the number means, too, to those who hear it: the label that everybody sees
// below is far too long for the cell, so that here it is one pixel high. It is not in aria-label, which Yahoo, AOL, GMX and
// Thunderbird take away.
func (b *Bar) number(score int, query string, c Colors) string {
	text, below := strconv.Itoa(score), 12
	if label := b.label(score); label != "" {
		text += fmt.Sprintf(`<span style="display:block;width:1px;height:1px;overflow:hidden;font-size:1px;line-height:1px;`+
			`white-space:nowrap;color:%s">%s%s</span>`, c.Accent, dash, phrase(label))
		below--
	}
	return fmt.Sprintf(`<a href="%s" style="display:block;min-width:24px;padding:12px 0 %dpx;color:%s;text-decoration:none">%s</a>`,
		escape(b.link(strconv.Itoa(score), query)), below, c.OnAccent, text)
}

// end is what stands below an end of the bar.
func (b *Bar) end(score int) string {
	label := b.label(score)
	if label == "" {
		return ""
	}
	return strconv.Itoa(score) + dash + phrase(label)
}

// hidden is the link that people don't see, and scanners of mails open.
func (b *Bar) hidden(query string) string {
	return fmt.Sprintf(`<a href="%s" style="display:none;mso-hide:all;font-size:0;line-height:0;color:transparent" `+
		`tabindex="-1" aria-hidden="true">&#8203;</a>`, escape(b.link("all", query)))
}

// label is what a number means; empty for those between the ends.
func (b *Bar) label(score int) string {
	switch score {
	case 0:
		return strings.Join(strings.Fields(b.Low), " ")
	case maxScore:
		return strings.Join(strings.Fields(b.High), " ")
	}
	return ""
}

func (b *Bar) direction() string {
	if b.RTL {
		return "rtl"
	}
	return "ltr"
}

// lang is the attribute that names the language of the texts.
func (b *Bar) lang() string {
	if b.Language == "" {
		return ""
	}
	return ` lang="` + escape(b.Language) + `"`
}

// colors are fit to stand in an attribute.
func (b *Bar) colors() Colors {
	c := b.Colors
	return Colors{escape(c.Accent), escape(c.OnAccent), escape(c.Background), escape(c.Text)}
}

func (b *Bar) link(page, query string) string {
	return strings.TrimSuffix(b.Base, "/") + "/" + page + query
}

// query is what the links say besides the number. The recipient comes first, so that what a provider adds, or breaks, stands behind
// it.
func (b *Bar) query(recipient string, preview bool) string {
	var parts []string
	switch b.Recipient {
	case Email:
		parts = append(parts, emailKey+"="+recipient)
	case ExternalID:
		parts = append(parts, externalIDKey+"="+recipient)
	case None:
	}
	// Where tags stand between percent signs, so must nothing else that could be the name of one.
	all := b.Recipient != None && strings.Contains(b.Tag, "%")
	if b.Variant != "" {
		parts = append(parts, variantKey+"="+percent(b.Variant, all))
	}
	if preview {
		parts = append(parts, previewKey+"=1")
	}
	if parts == nil {
		return ""
	}
	return "?" + strings.Join(parts, "&")
}

// percent encodes a text for the query of a URL (RFC 3986, section 2.1). Where all is set it encodes everything as soon as something
// must be encoded, so that two percent signs never have more than two digits between them.
func percent(text string, all bool) string {
	all = all && strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 || !unreserved(byte(r)) })
	var w strings.Builder
	for i := range len(text) {
		if c := text[i]; unreserved(c) && !all {
			w.WriteByte(c)
		} else {
			fmt.Fprintf(&w, "%%%02X", c)
		}
	}
	return w.String()
}

// unreserved says that a character stands for itself anywhere in a URL.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// lines are those of a text, without the blank ones around it.
func lines(text string) []string {
	return strings.Split(strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)), "\n")
}

// paragraph is a text as HTML, line by line.
func paragraph(text string) string {
	var escaped []string
	for _, line := range lines(text) {
		escaped = append(escaped, phrase(line))
	}
	return strings.Join(escaped, "<br>")
}

// phrase is a line of text as HTML.
func phrase(text string) string { return escape(disarm(text)) }

// escaper leaves the single quote alone: it ends no attribute of ours, and merge tags may hold one.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\u200b", "&#8203;")

// escape makes text or an attribute in double quotes of a text. What TagFault lets through stays as it is.
func escape(text string) string { return escaper.Replace(text) }

// disarm puts a zero-width space into whatever a provider could take for a merge tag, since it looks for them in texts as well as in
// links: a question about {{contact.name}} would tell each reader another one, and one about {% x %} would keep the mail from being
// sent. Character references such as &#123; would not do: there are none in the plain-text part, and editors and style inliners of
// providers make them braces again. Which provider it is does not matter, for a snippet may be pasted anywhere. SendGrid's oldest
// tags, for which a tenant can make any text one, cannot be told from text.
func disarm(text string) string {
	if !strings.ContainsAny(text, "{[%*$#<") {
		return text
	}
	var w strings.Builder
	var before rune
	for _, r := range text {
		if opensTag(before, r) {
			w.WriteRune('\u200b')
		}
		w.WriteRune(r)
		before = r
	}
	return w.String()
}

// opensTag says whether a merge tag of anybody could begin with r and next. It leaves alone what stands in prose: 50 %, $5, #1, C#.
func opensTag(r, next rune) bool {
	switch r {
	case '{', '[':
		return !unicode.IsSpace(next)
	case '%':
		return unicode.IsLetter(next) || unicode.IsDigit(next) || strings.ContainsRune("_%=[{", next)
	case '*':
		return next == '|'
	case '$':
		return next == '{' || next == '['
	case '#':
		return strings.ContainsRune("#{[", next)
	case '<':
		return strings.ContainsRune("<%#", next)
	}
	return false
}
