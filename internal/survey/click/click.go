// Package click keeps what is known of links that were opened and have led to no answer yet, and tells what speaks for a scanner rather
// than a person. It is counted nowhere. Opening a link costs no round trip to the database: what happened is put together in memory, and
// written some times a second.
package click

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/nps"
)

// Sign is something that speaks for a mail scanner rather than a person: a value of the schema's BotSign.
type Sign string

// The signs.
const (
	ManyNumbers       Sign = "MANY_NUMBERS"
	HiddenLink        Sign = "HIDDEN_LINK"
	HeadFirst         Sign = "HEAD_FIRST"
	KnownClient       Sign = "KNOWN_CLIENT"
	AtOnce            Sign = "AT_ONCE"
	FormWithoutPerson Sign = "FORM_WITHOUT_PERSON"
)

// signs are all signs, in the order of the schema.
var signs = []Sign{ManyNumbers, HiddenLink, HeadFirst, KnownClient, AtOnce, FormWithoutPerson}

// set is a set of signs, with a bit for each.
type set uint8

func setOf(some ...Sign) (s set) {
	for _, sign := range some {
		if i := slices.Index(signs, sign); i >= 0 { // a newer version of the program may know others
			s |= 1 << i
		}
	}
	return s
}

func (s set) list() []Sign {
	list := make([]Sign, 0, bits.OnesCount8(uint8(s)))
	for i, sign := range signs {
		if s&(1<<i) != 0 {
			list = append(list, sign)
		}
	}
	return list
}

// Place is what opened links are put together by: who it is that a campaign asks.
type Place struct {
	Tenant, Campaign uuid.UUID
	// Recipient is contact.Recipient of somebody with a name, or Strangers.Of.
	Recipient [sha256.Size]byte
}

const (
	// kept is how many times a number's link was opened first are kept, beside the last. That bounds what one recipient takes.
	kept = 4
	// maxLooks is how many pages of recipients without a name are waiting to be judged at a time under one place: those of all who share a
	// network and a browser.
	maxLooks = 100
	// JudgedAfter is how long after a page was looked at it is judged whether that was an answer.
	JudgedAfter = 2 * time.Minute
)

// Row is what is known of one place. It is the same in whatever order and in whatever portions what happened was added, but for
// MANY_NUMBERS where a number's link was opened more often than is kept; the zero Row is that of a place where nothing has. All times are
// in whole milliseconds since 1970.
type Row struct {
	// opened is when each number's link was opened: the first times, and the last, in order.
	opened map[int][]int64
	// opens is how often any link was opened. Where that is never, first and last are when forms were sent.
	opens       int
	first, last int64
	signs       set
	looks       []look
}

// look is a page that somebody looked at for as long as counts under AUTOMATIC, and touched nothing.
type look struct {
	// Page names the page where its reader has no name. It is empty else, and the last look counts; of a page it is the first.
	Page string `json:"page,omitempty"`
	At   int64  `json:"at"`
	// Answer is what is to be recorded, in the words of whoever records it.
	Answer json.RawMessage `json:"answer"`
}

// due is when it is judged.
func (l look) due() int64 { return l.At + JudgedAfter.Milliseconds() }

func (r Row) empty() bool { return r.last == 0 }

// Open is a link that was opened.
type Open struct {
	// Score is the link's number, 0 to 10; nil where it has none.
	Score *int
	// Hidden says that the link is one that mails hide from people, Head that nothing but the headers was asked for, and Known that
	// the client is IsKnown.
	Hidden, Head, Known bool
}

func opened(o Open, at time.Time) Row {
	ms := at.UnixMilli()
	r := Row{opens: 1, first: ms, last: ms}
	if o.Score != nil {
		r.opened = map[int][]int64{*o.Score: {ms}}
	}
	if o.Hidden {
		r.signs |= setOf(HiddenLink)
	}
	if o.Head {
		r.signs |= setOf(HeadFirst)
	}
	if o.Known {
		r.signs |= setOf(KnownClient)
	}
	return r
}

// sent is a place where nothing was done but sending a form without a sign of a person.
func sent(at time.Time) Row {
	return Row{first: at.UnixMilli(), last: at.UnixMilli(), signs: setOf(FormWithoutPerson)}
}

// looked is a place where nothing was done but looking.
func looked(page string, answer json.RawMessage, at time.Time) Row {
	ms := at.UnixMilli()
	return Row{first: ms, last: ms, looks: []look{{Page: page, At: ms, Answer: answer}}}
}

// and is what is known of a place by both. It changes neither.
func (r Row) and(o Row) Row {
	switch {
	case r.empty():
		return o
	case o.empty():
		return r
	}
	sum := Row{opens: r.opens + o.opens, opened: map[int][]int64{}}
	for number, times := range r.opened {
		sum.opened[number] = shorten(slices.Concat(times, o.opened[number]))
	}
	for number, times := range o.opened {
		if r.opened[number] == nil {
			sum.opened[number] = times
		}
	}
	head := setOf(HeadFirst) // is of what came first
	sum.signs = (r.signs | o.signs) &^ head
	switch {
	case r.opens > 0 && o.opens == 0:
		sum.first, sum.last, head = r.first, r.last, head&r.signs
	case r.opens == 0 && o.opens > 0:
		sum.first, sum.last, head = o.first, o.last, head&o.signs
	default:
		sum.first, sum.last = min(r.first, o.first), max(r.last, o.last)
		switch {
		case r.first < o.first:
			head &= r.signs
		case o.first < r.first:
			head &= o.signs
		default:
			head &= r.signs | o.signs
		}
	}
	sum.signs |= head
	if sum.manyNumbers() {
		sum.signs |= setOf(ManyNumbers)
	}
	sum.looks = merged(r.looks, o.looks)
	return sum
}

// shorten sorts the times, and keeps the first ones and the last.
func shorten(times []int64) []int64 {
	slices.Sort(times)
	if n := len(times); n > kept+1 {
		times = append(times[:kept], times[n-1])
	}
	return times
}

// merged are the looks of both, those first that came first.
func merged(a, b []look) []look {
	if len(a)+len(b) == 0 {
		return nil
	}
	byPage := map[string]look{}
	for _, l := range slices.Concat(a, b) {
		other, is := byPage[l.Page]
		later := cmp.Or(cmp.Compare(l.At, other.At), bytes.Compare(l.Answer, other.Answer)) > 0
		if !is || later == (l.Page == "") {
			byPage[l.Page] = l
		}
	}
	all := slices.SortedFunc(maps.Values(byPage), func(a, b look) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Page, b.Page)) })
	return all[:min(len(all), maxLooks)]
}

// manyNumbers reports whether so many different numbers were opened in so short a time as no person does.
func (r Row) manyNumbers() bool {
	type click struct {
		at     int64
		number int
	}
	var clicks []click
	for number, times := range r.opened {
		for _, at := range times {
			clicks = append(clicks, click{at, number})
		}
	}
	slices.SortFunc(clicks, func(a, b click) int { return cmp.Compare(a.at, b.at) })
	within := func(span time.Duration, least int) bool {
		begin, seen := 0, [nps.MaxScore + 1]int{}
		different := 0
		for _, c := range clicks {
			if seen[c.number]++; seen[c.number] == 1 {
				different++
			}
			for ; c.at-clicks[begin].at > span.Milliseconds(); begin++ {
				if seen[clicks[begin].number]--; seen[clicks[begin].number] == 0 {
					different--
				}
			}
			if different >= least {
				return true
			}
		}
		return false
	}
	return within(10*time.Second, 3) || within(10*time.Minute, 6)
}

// score is the number of the link that was opened last, of two at once the higher; nil where none with a number was.
func (r Row) score() *int {
	var last *int
	var at int64
	for number, times := range r.opened {
		if t := times[len(times)-1]; last == nil || t > at || t == at && number > *last {
			last, at = &number, t
		}
	}
	return last
}

// due is when the first of the looks is to be judged; 0 where there are none.
func (r Row) due() int64 {
	if len(r.looks) == 0 {
		return 0
	}
	return r.looks[0].due() // they are in order
}

// awaits reports whether a look is among those that are to be judged, or a later one of the same reader.
func (r Row) awaits(l Look) bool {
	return slices.ContainsFunc(r.looks, func(other look) bool { return other.Page == l.Page })
}

// without is the row without the look of a page that was not later.
func (r Row) without(page string, until int64) Row {
	r.looks = slices.DeleteFunc(slices.Clone(r.looks), func(l look) bool { return l.Page == page && l.At <= until })
	return r
}

// Scores are the numbers whose links were opened, ascending, by what is stored of a row as `opened`.
func Scores(stored json.RawMessage) ([]int, error) {
	opened, err := readOpened(stored)
	if err != nil {
		return nil, err
	}
	scores := slices.AppendSeq(make([]int, 0, len(opened)), maps.Keys(opened))
	slices.Sort(scores)
	return scores, nil
}

// SignsOf are the signs that speak for a scanner, in the order of the schema.
func SignsOf(a *ent.ProvisionalAnswer) []Sign {
	var s set
	for _, name := range a.Signs {
		s |= setOf(Sign(name))
	}
	return s.list()
}

// readOpened reads what is stored of a row as `opened`.
func readOpened(stored []byte) (map[int][]int64, error) {
	var opened map[int][]int64
	if err := json.Unmarshal(stored, &opened); err != nil {
		return nil, fmt.Errorf("reading which links were opened: %w", err)
	}
	for number, times := range opened {
		if number < 0 || number > nps.MaxScore || len(times) == 0 {
			return nil, fmt.Errorf("reading which links were opened: %d times the number %d", len(times), number)
		}
		opened[number] = shorten(times)
	}
	return opened, nil
}

// readLooks reads what is stored of a row as `answer`.
func readLooks(stored []byte) ([]look, error) {
	if len(stored) == 0 {
		return nil, nil
	}
	var looks []look
	if err := json.Unmarshal(stored, &looks); err != nil {
		return nil, fmt.Errorf("reading what is to be judged: %w", err)
	}
	return merged(looks, nil), nil
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("writing what was clicked: %v", err)) // numbers, texts, and JSON that was made before
	}
	return text
}
