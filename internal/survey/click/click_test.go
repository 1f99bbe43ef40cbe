package click

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// events draws something that happens at a place.
func events() *rapid.Generator[Row] {
	return rapid.Custom(func(t *rapid.T) Row {
		at := noon.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return sent(at)
		case 1:
			page := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "page")
			return looked(page, json.RawMessage(rapid.SampledFrom([]string{`1`, `2`}).Draw(t, "answer")), at)
		}
		o := Open{Hidden: rapid.Bool().Draw(t, "hidden"), Head: rapid.Bool().Draw(t, "head"), Known: rapid.Bool().Draw(t, "known")}
		if n := rapid.IntRange(-1, 10).Draw(t, "score"); n >= 0 {
			o.Score = &n
		}
		return opened(o, at)
	})
}

// stored is the row as it comes back from the database.
func roundTrip(t *rapid.T, r Row) Row {
	if r.empty() {
		return r
	}
	opened := "{}"
	if r.opened != nil {
		opened = string(encode(r.opened))
	}
	answer := ""
	if r.looks != nil {
		answer = string(encode(r.looks))
	}
	back, err := readRow(opened, string(encode(r.signs.list())), answer, r.opens, moment(r.first), moment(r.last))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func same(a, b Row) bool {
	if len(a.opened)+len(b.opened) == 0 {
		a.opened, b.opened = nil, nil
	}
	if len(a.looks)+len(b.looks) == 0 {
		a.looks, b.looks = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// In whatever order and in whatever portions what happened is put together, by way of the database or not, the row is the same.
func TestAnyOrderIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(events(), 1, 40).Draw(t, "events")
		var want Row
		for _, e := range all {
			want = want.and(e)
		}
		mixed := rapid.Permutation(all).Draw(t, "order")
		var parts []Row
		for len(mixed) > 0 {
			n := rapid.IntRange(1, len(mixed)).Draw(t, "portion")
			var part Row
			for _, e := range mixed[:n] {
				part = part.and(e)
			}
			parts, mixed = append(parts, part), mixed[n:]
		}
		many := setOf(ManyNumbers)
		var got Row
		for _, p := range parts {
			before := got.signs & many
			if got = roundTrip(t, got).and(p); got.signs&before != before {
				t.Fatalf("a sign is gone: %+v", got)
			}
		}
		times := map[int]int{}
		for _, e := range all {
			for n := range e.opened {
				if times[n]++; times[n] > kept+1 {
					got.signs, want.signs = got.signs|many, want.signs|many // what spoke for it may not have been kept until it was whole
				}
			}
		}
		if !same(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		opens, numbers := 0, map[int]bool{}
		for _, e := range all {
			opens += e.opens
			for n := range e.opened {
				numbers[n] = true
			}
		}
		if got.opens != opens || len(got.opened) != len(numbers) || (got.score() == nil) != (len(numbers) == 0) {
			t.Fatalf("%d opens of %v: %+v", opens, numbers, got)
		}
	})
}

// click is a number, or -1 for none, opened so many seconds after noon.
type opening struct {
	number  int
	seconds float64
	o       Open
}

func TestSigns(t *testing.T) {
	at := func(number int, seconds float64) opening { return opening{number: number, seconds: seconds} }
	head := Open{Head: true}
	for name, test := range map[string]struct {
		opens []opening
		want  []Sign
		score int
	}{
		"a person":                      {[]opening{at(9, 0)}, nil, 9},
		"a person who changes his mind": {[]opening{at(9, 0), at(3, 4)}, nil, 3},
		"three in ten seconds":          {[]opening{at(9, 0), at(3, 4), at(4, 10)}, []Sign{ManyNumbers}, 4},
		"three in eleven":               {[]opening{at(9, 0), at(3, 4), at(4, 10.001)}, nil, 4},
		"one of them often":             {[]opening{at(9, 0), at(3, 1), at(9, 2), at(3, 3)}, nil, 3},
		"six in ten minutes":            {[]opening{at(0, 0), at(1, 100), at(2, 200), at(3, 300), at(4, 400), at(5, 600)}, []Sign{ManyNumbers}, 5},
		"six in more":                   {[]opening{at(0, 0), at(1, 100), at(2, 200), at(3, 300), at(4, 400), at(5, 600.001)}, nil, 5},
		"five in ten minutes":           {[]opening{at(0, 0), at(1, 100), at(2, 200), at(3, 300), at(4, 400)}, nil, 4},
		"later three at once": {
			[]opening{at(9, 0), at(9, 100), at(9, 200), at(9, 300), at(9, 400), at(9, 9_999), at(1, 10_000), at(2, 10_000)}, []Sign{ManyNumbers}, 2,
		},
		"the hidden link":   {[]opening{{-1, 0, Open{Hidden: true}}}, []Sign{HiddenLink}, -1},
		"no number":         {[]opening{at(-1, 0), at(9, 1), at(-1, 2)}, nil, 9},
		"HEAD first":        {[]opening{{9, 0, head}, at(9, 1)}, []Sign{HeadFirst}, 9},
		"HEAD at once":      {[]opening{at(9, 0), {9, 0, head}}, []Sign{HeadFirst}, 9},
		"HEAD afterwards":   {[]opening{at(9, 0), {9, 1, head}}, nil, 9},
		"a program":         {[]opening{at(9, 0), {9, 1, Open{Known: true}}}, []Sign{KnownClient}, 9},
		"all that there is": {[]opening{{1, 0, head}, {2, 0, Open{Known: true}}, {3, 0, Open{Hidden: true}}}, []Sign{ManyNumbers, HiddenLink, HeadFirst, KnownClient}, 3},
	} {
		var r Row
		for _, c := range test.opens {
			if c.number >= 0 {
				c.o.Score = &c.number
			}
			r = r.and(opened(c.o, noon.Add(time.Duration(c.seconds*float64(time.Second)))))
		}
		if got := r.signs.list(); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
		if got := r.score(); (got == nil) != (test.score < 0) || got != nil && *got != test.score {
			t.Errorf("%s: the last number is %v, want %d", name, got, test.score)
		}
		if r.opens != len(test.opens) {
			t.Errorf("%s: opened %d times", name, r.opens)
		}
	}
	if got := setOf(append(slices.Clone(signs), "OF_TOMORROW")...).list(); !slices.Equal(got, signs) {
		t.Errorf("all signs are %v", got)
	}
}

// A sign stays, also where what spoke for it is not kept.
func TestSignsStay(t *testing.T) {
	var r Row
	for _, o := range []opening{
		{5, 0, Open{}}, {5, 3600, Open{}}, {5, 7200, Open{}}, {5, 10800, Open{}}, {5, 18000, Open{}}, {6, 18001, Open{}}, {7, 18002, Open{}},
		{5, 21600, Open{}}, {5, 25200, Open{}},
	} {
		o.o.Score = &o.number
		r = r.and(opened(o.o, noon.Add(time.Duration(o.seconds*float64(time.Second)))))
	}
	if got := r.signs.list(); !slices.Equal(got, []Sign{ManyNumbers}) {
		t.Errorf("got %v", got)
	}
}

// A sign that is not of opening stays whatever is opened.
func TestFormIsNoOpening(t *testing.T) {
	r := sent(noon.Add(-time.Hour)).and(opened(Open{}, noon)).and(sent(noon.Add(time.Hour)))
	if r.opens != 1 || r.first != noon.UnixMilli() || r.last != noon.UnixMilli() || !slices.Equal(r.signs.list(), []Sign{FormWithoutPerson}) {
		t.Errorf("got %+v", r)
	}
}

// Of somebody with a name the last look counts, of a page the first; and there is an end to how many pages wait.
func TestLooks(t *testing.T) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	answers := func(r Row) (all []string) {
		for _, l := range r.looks {
			all = append(all, string(l.Answer))
		}
		return all
	}
	named := looked("", json.RawMessage(`1`), at(1)).and(looked("", json.RawMessage(`3`), at(3))).and(looked("", json.RawMessage(`2`), at(2)))
	if got := answers(named); !slices.Equal(got, []string{"3"}) || named.due() != at(3).Add(JudgedAfter).UnixMilli() {
		t.Errorf("somebody looked at %v, to be judged at %d", got, named.due())
	}
	pages := looked("a", json.RawMessage(`3`), at(3)).and(looked("b", json.RawMessage(`2`), at(2))).and(looked("a", json.RawMessage(`1`), at(1)))
	if got := answers(pages); !slices.Equal(got, []string{"1", "2"}) || pages.due() != at(1).Add(JudgedAfter).UnixMilli() {
		t.Errorf("of two pages there are %v", got)
	}
	if got := answers(pages.without("a", at(1).UnixMilli()-1)); len(got) != 2 {
		t.Errorf("what came later is gone: %v", got)
	}
	if got := answers(pages.without("a", at(1).UnixMilli())); !slices.Equal(got, []string{"2"}) {
		t.Errorf("without a page there are %v", got)
	}
	var many Row
	for n := range 3 * maxLooks {
		many = many.and(looked(fmt.Sprint(n), json.RawMessage(fmt.Sprint(n)), at(n)))
	}
	if got := answers(many); len(got) != maxLooks || got[maxLooks-1] != fmt.Sprint(maxLooks-1) {
		t.Errorf("of many pages there are %v", got)
	}
}

func TestKnownClients(t *testing.T) {
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	for _, test := range []struct {
		header []string
		want   bool
	}{
		{nil, true},
		{[]string{"User-Agent", " "}, true},
		{[]string{"User-Agent", chrome}, false},
		{[]string{"User-Agent", chrome, "Sec-Purpose", "prefetch;prerender"}, true},
		{[]string{"User-Agent", chrome, "Purpose", "Prefetch"}, true},
		{[]string{"User-Agent", chrome, "X-Purpose", "preview"}, true},
		{[]string{"User-Agent", chrome, "X-Moz", "prefetch"}, true},
		{[]string{"User-Agent", chrome, "Sec-Purpose", ""}, false},
		{[]string{"User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"}, false},
		{[]string{"User-Agent", "Mozilla/5.0 (Linux; Android 13; CUBOT X70) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"}, false},
		{[]string{"User-Agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0"}, false},
		{[]string{"User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}, true},
		{[]string{"User-Agent", "TelegramBot (like TwitterBot)"}, true},
		{[]string{"User-Agent", "facebookexternalhit/1.1"}, true},
		{[]string{"User-Agent", "WhatsApp/2.23.20.0"}, true},
		{[]string{"User-Agent", "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5"}, true},
		{[]string{"User-Agent", "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36"}, true},
		{[]string{"User-Agent", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"}, true},
		{[]string{"User-Agent", "curl/8.5.0"}, true},
		{[]string{"User-Agent", "python-requests/2.32"}, true},
		{[]string{"User-Agent", "Go-http-client/1.1"}, true},
		{[]string{"User-Agent", "SomeMailBot"}, true},
	} {
		h := http.Header{}
		for i := 0; i < len(test.header); i += 2 {
			h.Set(test.header[i], test.header[i+1])
		}
		if got := IsKnown(h); got != test.want {
			t.Errorf("%q: got %t", test.header, got)
		}
	}
}

// Who is not named is the same as another by network and client, in one tenant, on one day, in one process.
func TestStrangers(t *testing.T) {
	var here, there Strangers
	tenant := uuid.New()
	of := func(s *Strangers, tenant uuid.UUID, from, agent string, at time.Time) string {
		return fmt.Sprint(s.Of(tenant, netip.MustParseAddr(from), agent, at))
	}
	one := of(&here, tenant, "192.0.2.1", "Chrome", noon)
	for name, test := range map[string]struct {
		got  string
		same bool
	}{
		"itself":            {of(&here, tenant, "192.0.2.1", "Chrome", noon.Add(11*time.Hour)), true},
		"a neighbour":       {of(&here, tenant, "192.0.2.200", "Chrome", noon), true},
		"another network":   {of(&here, tenant, "192.0.3.1", "Chrome", noon), false},
		"another client":    {of(&here, tenant, "192.0.2.1", "Firefox", noon), false},
		"another tenant":    {of(&here, uuid.New(), "192.0.2.1", "Chrome", noon), false},
		"another process":   {of(&there, tenant, "192.0.2.1", "Chrome", noon), false},
		"of another family": {of(&here, tenant, "2001:db8::1", "Chrome", noon), false},
	} {
		if (test.got == one) != test.same {
			t.Errorf("%s: the same is %t", name, !test.same)
		}
	}
	if of(&here, tenant, "2001:db8:1:2::1", "", noon) != of(&here, tenant, "2001:db8:1:ff::2", "", noon) {
		t.Error("one network of IPv6 is two")
	}
	if of(&here, tenant, "192.0.2.1", "Chrome", noon.Add(12*time.Hour)) == one {
		t.Error("the next day it is the same")
	}
	here.Of(tenant, netip.Addr{}, "", noon) // an address that is not known does no harm
}

// FuzzRow wants no stored text to do harm, and what can be read to be written as something that is read as the same.
func FuzzRow(f *testing.F) {
	f.Add(`{"9":[1700000000000]}`, `["HEAD_FIRST"]`, `[{"at":1700000000000,"answer":{"score":9}}]`)
	f.Add(`{}`, `[]`, ``)
	f.Add(`null`, `null`, `null`)
	f.Add(`{"11":[1]}`, `[1]`, `{}`)
	f.Add(`{"1":[]}`, `["X"]`, `[{"page":"a","at":2,"answer":null},{"page":"a","at":1,"answer":1}]`)
	f.Add(`{"1":[9,8,7,6,5,4,3,2,1],"2":[1],"3":[1]}`, `["MANY_NUMBERS"]`, `[]`)
	f.Fuzz(func(t *testing.T, opened, signs, answer string) {
		r, err := readRow(opened, signs, answer, 1, noon, noon)
		if err != nil {
			return
		}
		again, err := readRow(string(encode(r.opened)), string(encode(r.signs.list())), string(encode(r.looks)), 1, noon, noon)
		if err != nil || string(encode(again.opened)) != string(encode(r.opened)) || again.signs != r.signs || string(encode(again.looks)) != string(encode(r.looks)) {
			t.Fatalf("%+v is read as %+v, %v", r, again, err)
		}
		r.and(looked("a", json.RawMessage(`1`), noon)).score()
		if scores, err := Scores(json.RawMessage(opened)); err != nil || len(scores) != len(r.opened) || !slices.IsSorted(scores) {
			t.Fatalf("%s: %v, %v", opened, scores, err)
		}
	})
}
