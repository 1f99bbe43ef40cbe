package search

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/trait"
)

// Words and values are cut after so many bytes: a longer one is found by its beginning.
const maxToken = 40

// maxDocument is how many tokens a document has at most, besides its campaign. What is longer has none of its own, but one that
// says so, which every query takes: so it is proposed for whatever is asked, and costs no more to keep than another. 2,000 are
// more than 10,000 characters of a language with blanks come to, and some 3,000 of one without.
const maxDocument = 2_000

// What tokens stand for. Each begins with its tenant's own beginning, and then with one of these.
const (
	ofWord     = 'w'
	ofSigns    = 's' // one or two characters of a script without blanks, or one symbol
	ofTrait    = 't'
	ofCampaign = 'c'
	ofResponse = 'r'
	ofLong     = 'l'
)

// prefix is what all tokens of a tenant begin with, so that one tenant's words neither cost another anything nor tell
// anything. Two may have the same one by chance, once in a million millions: then what the index proposes is still only the
// tenant's own.
type prefix string

func prefixOf(tenant uuid.UUID) prefix {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	var own [8]byte
	random := uint64(tenant[11])<<32 | uint64(tenant[12])<<24 | uint64(tenant[13])<<16 | uint64(tenant[14])<<8 | uint64(tenant[15])
	for i := range own {
		own[i] = digits[random>>(5*i)&31]
	}
	return prefix(own[:])
}

// token writes a text of some kind in a way that both databases take as it is, in letters and digits of ASCII and _. The
// beginning of a text gives the beginning of its token.
func (p prefix) token(kind byte, text string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, len(p)+1+3*len(text))
	b = append(append(b, p...), kind)
	for i := range len(text) {
		if c := text[i]; 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			b = append(b, c)
		} else {
			b = append(b, '_', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

func (p prefix) word(text string) string { return p.token(ofWord, text[:min(len(text), maxToken)]) }

func (p prefix) text(key, value string) string {
	return p.token(ofTrait, key+"="+value[:min(len(value), maxToken)])
}

func (p prefix) boolean(key string, value bool) string {
	return p.token(ofTrait, key+"!"+strconv.FormatBool(value))
}

func (p prefix) campaign(id uuid.UUID) string { return p.token(ofCampaign, string(id[:])) }

func (p prefix) response(id uuid.UUID) string { return p.token(ofResponse, string(id[:])) }

// long is what documents are found by that are too long.
func (p prefix) long() string { return p.token(ofLong, "") }

// responses is what all documents of the tenant are found by in SQLite.
func (p prefix) responses() string { return string(p) + string(rune(ofResponse)) + "*" }

// document are the tokens that a response is found by, in order, each once; none where it has neither words nor values, and that
// it is long where there are more than maxDocument.
func (p prefix) document(campaign uuid.UUID, comment *string, traits trait.Values) []string {
	var all []string
	if comment != nil {
		all = p.words(all, Folded(*comment))
	}
	for key, value := range traits {
		switch value := value.(type) {
		case string:
			all = append(all, p.text(key, value))
		case bool:
			all = append(all, p.boolean(key, value))
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > maxDocument {
		all = []string{p.long()}
	}
	all = append(all, p.campaign(campaign))
	slices.Sort(all)
	return all
}

// words appends the tokens of a folded text.
func (p prefix) words(all []string, text string) []string {
	for _, part := range pieces(text) {
		switch part.kind {
		case word:
			all = append(all, p.word(part.text))
		case signs:
			before := ""
			for at := 0; at < len(part.text); {
				_, size := utf8.DecodeRuneInString(part.text[at:])
				sign := part.text[at : at+size]
				if all = append(all, p.token(ofSigns, sign)); before != "" {
					all = append(all, p.token(ofSigns, before+sign))
				}
				before = sign
				at += size
			}
		case symbol:
			all = append(all, p.token(ofSigns, part.text))
		case common:
		}
	}
	return all
}
