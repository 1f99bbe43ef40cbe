package letter

import (
	"strconv"
	"strings"

	"github.com/zeroten/zeroten/internal/nps"
)

// dash stands between a number and what it means.
const dash = " – "

// text is the letter in plain text. The page comes before the numbers: one link that serves all, and where programs make links of URLs
// alone, also for those who are read to. A URL that has words of its own stands on a line of its own, so that nothing is taken for a part
// of it, whichever way the words are written.
func (d *draft) text() string {
	var parts []string
	add := func(paragraphs ...paragraph) {
		for _, p := range paragraphs {
			parts = append(parts, strings.Join(p, "\n"))
		}
	}
	if d.reminded != "" {
		add(paragraph{d.reminded})
	}
	add(d.intro...)
	add(d.question...)
	add(paragraph{d.onPage, d.Page})
	var numbers paragraph
	for score := range nps.MaxScore + 1 {
		text := strconv.Itoa(score)
		if meaning := d.meaning(score); meaning != "" {
			text += dash + meaning
		}
		numbers = append(numbers, text+": "+d.scores[score])
	}
	add(numbers)
	if d.Experience != "" {
		add(paragraph{d.experience, d.Experience})
	}
	add(d.outro...)
	add(paragraph{"* * *"}, paragraph{d.why})
	for _, link := range d.links() {
		add(paragraph{link.text, link.url})
	}
	add(d.address...)
	return strings.Join(parts, "\n\n") + "\n"
}

// link is one at the foot of a letter.
type link struct{ text, url string }

// links are those at the foot: how to end such mails first.
func (d *draft) links() []link {
	var links []link
	if d.Unsubscribe != "" {
		links = append(links, link{d.unsubscribe, d.Unsubscribe})
	}
	if d.Brand.PrivacyPolicy != "" {
		links = append(links, link{d.privacy, d.Brand.PrivacyPolicy})
	}
	if d.Brand.Website != "" {
		links = append(links, link{d.website, d.Brand.Website})
	}
	return links
}
