package importer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

var (
	testCampaign = id.Campaign.Format(id.New())
	testNow      = time.Date(2024, 6, 15, 9, 0, 0, 0, time.UTC)
)

func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answers.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// memory is a log that keeps what it is sent.
type memory struct {
	mu    sync.Mutex
	items []feedback.Recording
	keys  map[string]string
	// now is its clock, testNow where not set.
	now time.Time
	// before is called before each batch; its error is the batch's.
	before func() error
}

func (m *memory) send(_ context.Context, items []feedback.Recording) ([]feedback.Outcome[ent.Response], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		if err := m.before(); err != nil {
			return nil, err
		}
	}
	out := make([]feedback.Outcome[ent.Response], len(items))
	for i, item := range items {
		content, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		if _, out[i].Errors = item.Validate(m.clock()); out[i].Errors != nil {
			continue
		}
		switch was, known := m.keys[*item.IdempotencyKey]; {
		case !known:
			if m.keys == nil {
				m.keys = map[string]string{}
			}
			m.keys[*item.IdempotencyKey] = string(content)
			m.items = append(m.items, item)
		case was == string(content):
			out[i].Replayed = true
		default:
			out[i].Errors = apierror.User(apierror.Conflict, []string{"idempotencyKey"}, "The key was used before, for other content.")
		}
	}
	return out, nil
}

func (m *memory) clock() time.Time {
	if m.now.IsZero() {
		return testNow
	}
	return m.now
}

func (m *memory) run(ctx context.Context, p *Plan) (Result, error) {
	r := run{
		Plan: p, send: m.send, now: m.clock, progress: func(int64) {},
		pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	return r.run(ctx)
}

// importText imports a file with this content, and gives the rejects too, without their header.
func importText(t testing.TB, content string, o Options) (m *memory, result Result, rejected [][]string, err error) {
	t.Helper()
	o.Path, o.Campaign = write(t, content), testCampaign
	p, err := Prepare(t.Context(), o)
	if err != nil {
		return nil, result, nil, err
	}
	m = &memory{}
	result, err = m.run(t.Context(), p)
	return m, result, readRejects(t, result.RejectsPath), err
}

func readRejects(t testing.TB, path string) [][]string {
	t.Helper()
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(b)))
	r.FieldsPerRecord = -1
	r.Comma = rune(b[len("line")])
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("rejects: %v: %q", err, b)
	}
	return rows[1:]
}

// text writes down what of a recording the tests look at.
func text(r feedback.Recording) string {
	var out []string
	add := func(name string, value *string) {
		if value != nil {
			out = append(out, fmt.Sprintf("%s=%s", name, *value))
		}
	}
	out = append(out, fmt.Sprint(r.Score))
	add("comment", r.Comment)
	if r.Contact != nil {
		add("id", r.Contact.ExternalID)
		add("email", r.Contact.Email)
		add("name", r.Contact.Name)
	}
	add("variant", r.Variant)
	add("locale", r.Locale)
	if r.Traits != nil {
		b, _ := json.Marshal(r.Traits)
		out = append(out, string(b))
	}
	return strings.Join(append(out, r.RespondedAt.Format(time.RFC3339)), " ")
}

func utf16Text(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestImport(t *testing.T) {
	const day = "2024-05-02"
	on := Options{On: day}
	const noonOfDay = " 2024-05-02T12:00:00Z"
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	longLine := strings.Repeat("x", 2_000) + "\n"
	lines := func(from, to int, reason string) []string {
		var all []string
		for line := from; line <= to; line++ {
			all = append(all, fmt.Sprintf("%d %s", line, reason))
		}
		return append(all, fmt.Sprintf("%d never closed", to+1))
	}
	for _, test := range []struct {
		name    string
		content string
		opts    Options
		want    []string
		skipped int
		// rejected are line numbers, each with a part of its reason.
		rejected []string
	}{
		{name: "plain", content: "score,comment\n10,fine\n0,\"bad, \"\"really\"\"\"\n", opts: on,
			want: []string{"10 comment=fine" + noonOfDay, `0 comment=bad, "really"` + noonOfDay}},
		{name: "no end of line", content: "score\n9", opts: on, want: []string{"9" + noonOfDay}},
		{name: "header only", content: "score,comment\n", opts: on},
		{name: "header without end", content: "score", opts: on},
		{name: "blank lines", content: "\n\nscore,a\r\n\r\n9,b\r\n\r\n", opts: on, want: []string{"9" + noonOfDay}},
		{name: "CRLF", content: "score,comment\r\n9,a\r\n8,\"b\"\r\n7,\r\n", opts: on,
			want: []string{"9 comment=a" + noonOfDay, "8 comment=b" + noonOfDay, "7" + noonOfDay}},
		{name: "CR", content: "score,comment\r9,a\r8,\"b\"\r", opts: on,
			want: []string{"9 comment=a" + noonOfDay, "8 comment=b" + noonOfDay}},
		{name: "semicolons", content: "score;comment\n9;a,b\n8;c,d\n", opts: on,
			want: []string{"9 comment=a,b" + noonOfDay, "8 comment=c,d" + noonOfDay}},
		{name: "tabs", content: "score\tcomment\n9\ta;b\n", opts: on, want: []string{"9 comment=a;b" + noonOfDay}},
		{name: "bars", content: "score|comment\n9|a;b\n", opts: on, want: []string{"9 comment=a;b" + noonOfDay}},
		{name: "delimiter by flag", content: "score:comment\n9:a,b\n", opts: Options{On: day, Comma: ':'},
			want: []string{"9 comment=a,b" + noonOfDay}},
		{name: "scores", content: "nps\n10.0\n 7 \n+3\n0\n11\n-1\n2.5\nnine\n1e400\n0x5\nInf\n\"\"\nNA\nn/a\nNULL\n", opts: on,
			want: []string{"10" + noonOfDay, "7" + noonOfDay, "3" + noonOfDay, "0" + noonOfDay}, skipped: 4,
			rejected: []string{
				`6 "11" is not 0 to 10`, `7 "-1" is not 0 to 10`, `8 "2.5" is no whole number`, `9 "nine" is no number`,
				`10 is no number`, `11 is no number`, `12 is no number`,
			}},
		{name: "decimal commas", content: "score;basket\n10,0;12,5\n9;-3\n", opts: Options{On: day, Traits: []string{"basket"}},
			want: []string{`10 {"basket":12.5}` + noonOfDay, `9 {"basket":-3}` + noonOfDay}},
		{name: "missing values", content: "score,comment,customer id,plan\n9,NA,n/a,null\n8,Na!,7,x\n", opts: Options{On: day, Traits: []string{"plan"}},
			want: []string{"9" + noonOfDay, `8 comment=Na! id=7 {"plan":"x"}` + noonOfDay}},
		{name: "ragged", content: "score,comment\n9,a,b\n8\n7,c\n,\n", opts: on,
			want: []string{"8" + noonOfDay, "7 comment=c" + noonOfDay}, skipped: 1,
			rejected: []string{"2 the row has 3 fields, the header 2"}},
		{name: "lines within quotes", content: "score,comment\n9,\"a\nb\"\n11,\n", opts: on,
			want: []string{"9 comment=a\nb" + noonOfDay}, rejected: []string{"4 is not 0 to 10"}},
		{name: "quote within a field", content: "score,comment\n9,5\" nails\n", opts: on, want: []string{`9 comment=5" nails` + noonOfDay}},
		{name: "quote not doubled", content: "score,comment\n9,\"a \"b\" c\"\n8,d\n", opts: on,
			want: []string{"8 comment=d" + noonOfDay}, rejected: []string{"2 is not doubled"}},
		{name: "quote never closed", content: "score,comment\n9,\"a\n8,b\n7,c\n", opts: on,
			want: []string{"8 comment=b" + noonOfDay, "7 comment=c" + noonOfDay}, rejected: []string{"2 never closed"}},
		{name: "quote closed rows later", content: "score,comment\n9,\"a\n8,b\n7,\"c\"\n", opts: on,
			want: []string{"8 comment=b" + noonOfDay, "7 comment=c" + noonOfDay}, rejected: []string{"2 never closed"}},
		{name: "U+0000", content: "score,other\n9,a\x00b\n8,\n", opts: on,
			want: []string{"8" + noonOfDay}, rejected: []string{"2 U+0000"}},
		{name: "UTF-8", content: "score,comment\n9,très 😀\u200f\n", opts: on, want: []string{"9 comment=très 😀\u200f" + noonOfDay}},
		{name: "UTF-8 with BOM", content: "\ufeffscore,comment\n9,é\n", opts: on, want: []string{"9 comment=é" + noonOfDay}},
		{name: "UTF-8, damaged", content: "score,comment\n9,élève\n8,\xe9\n", opts: on,
			want: []string{"9 comment=élève" + noonOfDay}, rejected: []string{"3 not valid UTF-8"}},
		{name: "Windows-1252", content: "score,comment\n9,tr\xe8s \x80 \x8eluk\xe1 \x8aari\x9a \x9ctext\x9c \x82\n", opts: on,
			want: []string{"9 comment=très € Žluká Šariš œtextœ ‚" + noonOfDay}},
		{name: "Windows-1252 by flag, with bytes that stand for nothing", content: "score,comment\n9,tr\xe8s \x80 \x81\x82\x8d\x8f\x90\x9d\n", opts: Options{On: day, Encoding: "windows-1252"},
			want: []string{"9 comment=très € \u0081‚\u008d\u008f\u0090\u009d" + noonOfDay}},
		{name: "Windows-1252, with few bytes of another", content: "score,comment\n9,\xe9l\xe8ve \xe0 l'\xe9cole pr\xe8s d'ici: gr\x83ce \xe0 l'\xe9t\xe9 \xe9\xe9\n", opts: on,
			want: []string{"9 comment=élève à l'école près d'ici: grƒce à l'été éé" + noonOfDay}},
		{name: "Mac Roman by flag", content: "score,comment\r9,tr\x8fs f\x9fr caf\x8e \x80 \xdb\r", opts: Options{On: day, Encoding: "macintosh"},
			want: []string{"9 comment=très für café Ä €" + noonOfDay}},
		{name: "Windows-1252 by flag", content: "score,comment\n9,Ã©\n", opts: Options{On: day, Encoding: "latin1"},
			want: []string{"9 comment=Ã\u0192Â©" + noonOfDay}},
		{name: "UTF-16LE with BOM", content: "\xff\xfe" + utf16Text(binary.LittleEndian, "score;comment\n9;é 😀\n"), opts: on,
			want: []string{"9 comment=é 😀" + noonOfDay}},
		{name: "UTF-16BE with BOM", content: "\xfe\xff" + utf16Text(binary.BigEndian, "score;comment\n9;é\n"), opts: on,
			want: []string{"9 comment=é" + noonOfDay}},
		{name: "UTF-16LE", content: utf16Text(binary.LittleEndian, "score;comment\n9;é\n"), opts: on, want: []string{"9 comment=é" + noonOfDay}},
		{name: "UTF-16BE", content: utf16Text(binary.BigEndian, "score;comment\n9;é\n"), opts: on, want: []string{"9 comment=é" + noonOfDay}},
		{name: "ISO dates", content: "score,date\n9,2024-01-02\n8,2024-01-02T03:04:05.5+02:00\n7,2024-01-02 23:30\n6,20240102\n5,2024/1/2\n",
			want: []string{
				"9 2024-01-02T12:00:00Z", "8 2024-01-02T01:04:05Z", "7 2024-01-02T23:30:00Z", "6 2024-01-02T12:00:00Z", "5 2024-01-02T12:00:00Z",
			}},
		{name: "zone", content: "score,date\n9,2024-01-02\n8,2024-07-02\n7,2024-07-02 00:30\n6,2024-03-31\n", opts: Options{Zone: paris},
			want:     []string{"9 2024-01-02T11:00:00Z", "6 2024-03-31T10:00:00Z"},
			rejected: []string{"3 ahead of the server's clock", "4 ahead of the server's clock"}},
		{name: "day first", content: "score,date\n9,03/04/2024\n8,13/04/2024 5:06\n7,30/02/2024\n6,04/13/2024\n5,\n", opts: Options{DateFormat: "dd/mm/yyyy"},
			want:     []string{"9 2024-04-03T12:00:00Z", "8 2024-04-13T05:06:00Z"},
			rejected: []string{"4 no day of the calendar", "5 no day of the calendar", "6 the row has no date"}},
		{name: "day first, guessed", content: "score,date\n9,03/04/2024\n8,13/04/2024\n7,30/02/2024\n",
			want: []string{"9 2024-04-03T12:00:00Z", "8 2024-04-13T12:00:00Z"}, rejected: []string{"4 no day of the calendar"}},
		{name: "month first, guessed", content: "score,date\n9,3/4/2024 1:05 PM\n8,3/14/2024 12:00:01 am\n",
			want: []string{"9 2024-03-04T13:05:00Z", "8 2024-03-14T00:00:01Z"}},
		{name: "same day and month", content: "score,date\n9,03/03/2024\n", want: []string{"9 2024-03-03T12:00:00Z"}},
		{name: "points", content: "score,date\n9,03.04.2024\n", want: []string{"9 2024-04-03T12:00:00Z"}},
		{name: "points by flag", content: "score,date\n9,03.04.24\n", opts: Options{DateFormat: "MM.DD.YY"}, want: []string{"9 2024-03-04T12:00:00Z"}},
		{name: "months in letters", content: "score,date\n9,3 Apr 2024 17:05\n8,3 Foo 2024 17:05\n", opts: Options{DateFormat: "D MMM YYYY HH:mm"},
			want: []string{"9 2024-04-03T17:05:00Z"}, rejected: []string{"3 is no date"}},
		{name: "Go layout", content: "score,date\n9,2024|04|03\n", opts: Options{DateFormat: "2006|01|02", Comma: ','},
			want: []string{"9 2024-04-03T12:00:00Z"}},
		{name: "Unix time", content: "score,date\n9,1700000000\n8,1700000000123\n",
			want: []string{"9 2023-11-14T22:13:20Z", "8 2023-11-14T22:13:20Z"}},
		{name: "impossible dates", content: "score,date\n9,1969-12-31\n8,0001-01-01\n7,2024-02-30\n6,2024-06-15\n5,2024-06-16\n4,2024-01-01 25:00\n3,2024-01-01\n2,2024-06-14\n",
			want: []string{"3 2024-01-01T12:00:00Z", "2 2024-06-14T12:00:00Z"},
			rejected: []string{
				"2 Before 1970-01-01", "3 Before 1970-01-01", "4 no day of the calendar", "5 still to come",
				"6 ahead of the server's clock", "7 no time of day",
			}},
		{name: "on for rows without", content: "score,date\n9,\n8,2024-01-02\n", opts: Options{On: "2024-05-02T08:00+02:00", Date: "date"},
			want: []string{"9 2024-05-02T06:00:00Z", "8 2024-01-02T12:00:00Z"}},
		{name: "on instead of a guess", content: "score,date\n9,nonsense\n", opts: on, want: []string{"9" + noonOfDay}},
		{name: "contacts", content: "score,Customer-ID,E-Mail,Name,language,variant\n9,7,a@b.c,Ann,pt_br,B\n8,,,Bob,,\n7,,no address,,,\n6,8,,,,\n", opts: on,
			want: []string{
				"9 id=7 email=a@b.c name=Ann variant=B locale=pt-BR" + noonOfDay, "8" + noonOfDay, "7" + noonOfDay, "6 id=8" + noonOfDay,
			}},
		{name: "language that is none", content: "score,language\n9,Französisch\n", opts: on, want: []string{"9" + noonOfDay}},
		{name: "language that is none, by flag", content: "score,language\n9,Französisch\n", opts: Options{On: day, Locale: "language"}, want: []string{"9" + noonOfDay}},
		{name: "guesses refused", content: "score,comment,email\n9,a,b\n", opts: Options{On: day, Comment: "-", Email: "-"}, want: []string{"9" + noonOfDay}},
		{name: "question as a header", content: "\"How likely is it that you would recommend us?\"\n9\n", opts: on, want: []string{"9" + noonOfDay}},
		{name: "traits", content: "score,plan,Größe,t,vip,since,zip,mixed\n9,a,1.5,-0,yes,2020-02-29,01234,1\n8,b,2e3,1,No,NA,56789,x\n",
			opts: Options{On: day, Traits: []string{"plan", "größe=size", "t:text", "vip", "since", "zip", "mixed=m1x"}},
			want: []string{
				`9 {"m1x":"1","plan":"a","since":"2020-02-29","size":1.5,"t":"-0","vip":true,"zip":"01234"}` + noonOfDay,
				`8 {"m1x":"x","plan":"b","size":2000,"t":"1","vip":false,"zip":"56789"}` + noonOfDay,
			}},
		{name: "traits that are defined", content: "score,t,since\n9,1,03/04/2024\n8,x,30/04/2024\n7,,31/04/2024\n6,9007199254740993,\n",
			opts: Options{On: day, Traits: []string{"t", "since"}, Defined: map[string]trait.Definition{
				"t": {Key: "t", Kind: trait.Number}, "since": {Key: "since", Kind: trait.Date},
			}},
			want: []string{`9 {"since":"2024-04-03","t":1}` + noonOfDay, `8 {"since":"2024-04-30"}` + noonOfDay, "7" + noonOfDay, "6" + noonOfDay}},
		{name: "traits that are refused", content: "score,plan\n9,(none)\n7,(few)\n8," + strings.Repeat("é", 501) + "\n", opts: Options{On: day, Traits: []string{"plan"}},
			want: []string{"9" + noonOfDay, "7" + noonOfDay, "8" + noonOfDay}},
		{name: "long comment", content: "score,comment\n9," + strings.Repeat("é", 10_001) + "\n8," + strings.Repeat("é", 10_000) + "\n",
			opts: on, want: []string{"8 comment=" + strings.Repeat("é", 10_000) + noonOfDay}, rejected: []string{"2 At most 10000 characters"}},
		{name: "endless line", content: "score,comment\n9," + strings.Repeat("x", 3*maxRecord) + "\n8,a\n7,\"" + strings.Repeat(longLine, 600) + "\"\n6,b",
			opts: Options{On: day, Comma: ','}, want: []string{"8 comment=a" + noonOfDay, "6 comment=b" + noonOfDay},
			rejected: append([]string{"2 longer than", "4 longer than"}, lines(5, 603, "the row has 1 fields")...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, result, rejected, err := importText(t, test.content, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.items) != len(test.want) || result.Recorded != len(test.want) {
				t.Errorf("%d recorded, want %d: %+v", len(m.items), len(test.want), result)
			}
			for i := range min(len(m.items), len(test.want)) {
				if got := text(m.items[i]); got != test.want[i] {
					t.Errorf("recorded %s, want %s", got, test.want[i])
				}
			}
			if result.Skipped != test.skipped || result.Rejected != len(test.rejected) || len(rejected) != len(test.rejected) {
				t.Fatalf("%+v and %.2000q, want %d skipped, %d rejected", result, rejected, test.skipped, len(test.rejected))
			}
			for i, want := range test.rejected {
				line, part, _ := strings.Cut(want, " ")
				if rejected[i][0] != line || !strings.Contains(rejected[i][1], part) {
					t.Errorf("rejected %.200q, want %s", rejected[i], want)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	const day = "2024-05-02"
	for _, test := range []struct {
		name    string
		content string
		opts    Options
		want    []string
	}{
		{"zero bytes", "", Options{}, []string{"answers.csv", "empty"}},
		{"blank lines", "\n\r\n\n", Options{On: day}, []string{"nothing but blank lines"}},
		{"no score", "a,b\n1,2\n", Options{On: day}, []string{"--score", `"a", "b"`}},
		{"score refused", "score\n1\n", Options{On: day, Score: "-"}, []string{"--score"}},
		{"missing column", "score,b\n1,2\n", Options{On: day, Comment: "why"}, []string{`--comment: the file has no column "why"`, `"score", "b"`}},
		{"missing trait", "score,b\n1,2\n", Options{On: day, Traits: []string{"plan=p:TEXT"}}, []string{`no column "plan"`, `"score", "b"`}},
		{"twofold column", "score,b,b\n1,2,3\n", Options{On: day, Comment: "b"}, []string{`2 columns named "b"`}},
		{"twofold key", "score,a,b\n1,2,3\n", Options{On: day, Traits: []string{"a", "b=a"}}, []string{"--trait b=a", "already"}},
		{"no key", "score,a b\n1,2\n", Options{On: day, Traits: []string{"a b"}}, []string{`--trait "a b=key"`}},
		{"reserved key", "score,channel\n1,2\n", Options{On: day, Traits: []string{"channel"}}, []string{"reserved"}},
		{"another kind", "score,t\n1,2\n", Options{On: day, Traits: []string{"t:TEXT"}, Defined: map[string]trait.Definition{"t": {Key: "t", Kind: trait.Number}}},
			[]string{"is a NUMBER already"}},
		{"no date", "score\n1\n", Options{}, []string{"--date", "--on"}},
		{"ambiguous dates", "score,date\n9,01/01/2024\n8,03/04/2024\n7,2024-01-01\n", Options{},
			[]string{`"date"`, `"03/04/2024" (line 3)`, "3 April 2024 as DD/MM/YYYY", "4 March 2024 as MM/DD/YYYY", "--date-format"}},
		{"contradicting dates", "score,date\n9,13/04/2024\n8,04/13/2024\n", Options{}, []string{`"13/04/2024" (line 2)`, `"04/13/2024" (line 3)`, "no format reads them all", "in one way"}},
		{"contradicting dates, several", "score,date\n9,13/04/2024\n8,04/13/2024\n8,04/14/2024\n8,04/15/2024\n8,04/16/2024\n8,05/05/2024\n", Options{},
			[]string{"DD/MM/YYYY reads 2 of 6", `"04/13/2024" (line 3), "04/14/2024" (line 4), "04/15/2024" (line 5) and 1 more`, "MM/DD/YYYY reads 5 of 6"}},
		{"months, named", "Monat;NPS\nJanuar 2025;9\nMärz 2025;8\n", Options{}, []string{`"Monat"`, "holds months and no days", "--on"}},
		{"months, with years", "month,NPS\n2025-01,9\n2025-02,8\n", Options{}, []string{"holds months and no days", "scores of months"}},
		{"months, the year behind", "Mes,NPS\n01/2025,9\n02/2025,8\n", Options{}, []string{"holds months and no days"}},
		{"months, alone", "month,NPS\n1,9\n2,8\n", Options{}, []string{"holds months and no days"}},
		{"months, East Asian", "月,NPS\n2025年3月,9\n2025年4月,8\n", Options{}, []string{"holds months and no days"}}, //nolint:gosmopolitan // written there
		{"weeks", "week,NPS\n2025-W07,9\n2025-W08,8\n", Options{}, []string{"no dates that are understood", "--on"}},
		{"a scale of five", "date,NPS\n2025-01-01,4/5\n2025-01-02,5/5\n", Options{}, []string{`"4/5" is of another scale`, "--score"}},
		{"stars", "date,rating\n2025-01-01,★★★★☆\n", Options{}, []string{"of another scale"}},
		{"ambiguous DATE", "score,since\n9,03/04/2024\n", Options{On: day, Traits: []string{"since:DATE"}}, []string{`"since"`, "--date-format"}},
		{"no dates", "score,date\n9,soon\n", Options{}, []string{`"soon"`, "--date-format"}},
		{"format without a year", "score,date\n9,3/4\n", Options{DateFormat: "DD/MM"}, []string{"--date-format", "DD/MM"}},
		{"format of nonsense", "score,date\n9,3/4\n", Options{DateFormat: "DD/MM/QQQQ"}, []string{`"QQQQ"`}},
		{"on of nonsense", "score\n9\n", Options{On: "03/04/2024"}, []string{"--on"}},
		{"on the 30th of February", "score\n9\n", Options{On: "2024-02-30"}, []string{"--on"}},
		{"on to come", "score\n9\n", Options{On: "2999-01-01"}, []string{"--on", "time of day"}},
		{"encoding", "score\n9\n", Options{On: day, Encoding: "ebcdic"}, []string{"--encoding", "windows-1252", "macintosh"}},
		{"Mac Roman, French", "score;comment\n9;tr\x8fs bien\n", Options{On: day}, []string{"--encoding macintosh", "UTF-8"}},
		{"Mac Roman, German", "score;comment\n9;f\x9fr alle\n", Options{On: day}, []string{"--encoding macintosh"}},
		{"Mac Roman, a capital behind small letters", "score;comment\n9;caf\x8e\n", Options{On: day}, []string{"--encoding macintosh"}},
		{"Mac Roman, behind much that is plain", "score;comment\n" + strings.Repeat("9;a plain comment\n", 20_000) + "9;sch\x9an und gr\x9fn\n", Options{On: day}, []string{"--encoding macintosh"}},
		{"JSON, an object a line", "{\"score\":9,\"date\":\"2025-01-01\"}\n{\"score\":8,\"date\":\"2025-01-02\"}\n", Options{}, []string{"one JSON object a line", "jq"}},
		{"JSON, an object a line, that reads like a header", "{\"nps\": 9, \"submitted_at\": \"2025-01-01\", \"q\": \"would you recommend us\"}\r\n{\"nps\": 8}\r\n", Options{}, []string{"one JSON object a line"}},
		{"JSON, one line", "{\"score\":9,\"date\":\"2025-01-01\"}", Options{}, []string{"one JSON object a line"}},
		{"JSON, an array", "[\n  {\n    \"score\": 9\n  }\n]\n", Options{On: day}, []string{"no CSV but JSON"}},
		{"JSON, an array in one line", "[{\"score\":9},{\"score\":8}]", Options{On: day}, []string{"no CSV but JSON"}},
		{"JSON, one object", "{\n  \"answers\": [\n", Options{On: day}, []string{"no CSV but JSON"}},
		{"no header", "9,2025-01-01,Quick\n3,2025-01-02,Slow\n", Options{}, []string{"line 1 looks like an answer", "header line"}},
		{"no header, the date in front", "13/01/2025;9;Quick\n14/01/2025;3;Slow\n", Options{}, []string{"line 1 looks like an answer"}},
		{"no header, with a comment that asks", "9,2025-01-01,I would recommend it\n3,2025-01-02,Slow\n", Options{}, []string{"line 1 looks like an answer"}},
		{"no header, and one date for all", "ann@example.com,9\nbob@example.com,3\n", Options{On: day}, []string{"line 1 looks like an answer"}},
		{"no header, one row", "9,2025-01-01\n", Options{}, []string{"line 1 looks like an answer"}},
		{"delimiter", "score\n9\n", Options{On: day, Comma: '"'}, []string{"--delimiter"}},
		{"header with a quote", "\"score\n9\n", Options{On: day}, []string{"line 1, the header", "never closed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, _, err := importText(t, test.content, test.opts)
			if err == nil {
				t.Fatal("not refused")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: want %s", err, want)
				}
			}
		})
	}
	if _, err := Prepare(t.Context(), Options{Path: filepath.Join(t.TempDir(), "none.csv")}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is missing: %v", err)
	}
	if _, err := Prepare(t.Context(), Options{Path: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Prepare(cancelled, Options{Path: write(t, "score\n9\n"), On: day}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	var content strings.Builder
	content.WriteString("nps;datum;kommentar;t;town;since;id\n")
	for i := range 201 {
		fmt.Fprintf(&content, "9;%02d.01.2024 08:05;é;%d;town %d;2020-01-01;%d\n", i%28+1, i%5, i, i)
	}
	o := Options{Path: write(t, content.String()), Traits: []string{"t", "town=city", "since"}, On: "2024-01-01", Date: "datum"}
	o.Defined = map[string]trait.Definition{"since": {Key: "since", Kind: trait.Date, IsDimension: true}}
	p, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`answers.csv: 201 rows, %d bytes, UTF-8, separated by semicolons
  nps        score (guessed; otherwise --score)
  kommentar  comment (guessed; otherwise --comment)
  datum      date, "01.01.2024 08:05" is 2024-01-01 08:05 +00:00
  id         answer's id (guessed; otherwise --id)
  t          trait t, NUMBER, new, a dimension
  town       trait city, TEXT, new, no dimension since it has more than 200 values
  since      trait since, DATE
  --on       date of rows without a date: 2024-01-01 12:00 +00:00
`, content.Len())
	if got := p.Describe(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if p.Rows() != 201 || p.Size() != int64(content.Len()) {
		t.Errorf("%d rows, %d bytes", p.Rows(), p.Size())
	}
	var defined []string
	define := func(_ context.Context, in settings.DefineTraitInput) error {
		defined = append(defined, fmt.Sprint(in.Key, in.Kind, in.IsDimension))
		return nil
	}
	if err := p.Define(t.Context(), define); err != nil || fmt.Sprint(defined) != "[tNUMBERtrue cityTEXTfalse]" {
		t.Errorf("defined %v: %v", defined, err)
	}
}

func TestAgain(t *testing.T) {
	const content = "score,comment\n9,a\n9,a\nNA,\n11,b\n8,c\n"
	o := Options{Path: write(t, content), Campaign: testCampaign, On: "2024-05-02"}
	m := &memory{}
	expect := func(o Options, want Result) {
		t.Helper()
		p, err := Prepare(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.run(t.Context(), p)
		if got.RejectsPath != "" {
			want.RejectsPath = o.Path + ".rejects.csv"
		}
		if err != nil || got != want {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
	}
	rewrite := func(content string) {
		t.Helper()
		if err := os.WriteFile(o.Path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect(o, Result{Recorded: 3, Skipped: 1, Rejected: 1})
	expect(o, Result{Known: 3, Skipped: 1, Rejected: 1})
	rewrite(content + "7,d\n")
	expect(o, Result{Recorded: 1, Known: 3, Skipped: 1, Rejected: 1})
	// Other quotes, another encoding, mended.
	rewrite("\ufeff\"score\";\"comment\"\r\n\"9\";\"a\"\r\n9;a\r\nNA;\r\n10;b\r\n8;c\r\n7;d\r\n")
	expect(o, Result{Recorded: 1, Known: 4, Skipped: 1})
	if _, err := os.Stat(o.Path + ".rejects.csv"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("old rejects: %v", err)
	}
	other := o
	other.On = "2024-05-03"
	expect(other, Result{Skipped: 1, Rejected: 5})
	for _, row := range readRejects(t, o.Path+".rejects.csv") {
		if !strings.Contains(row[1], "imported before, with other settings") {
			t.Errorf("rejected %q", row)
		}
	}
	other = o
	other.Campaign = id.Campaign.Format(id.New())
	expect(other, Result{Recorded: 5, Skipped: 1})
}

func TestRejectsAreImportedOnceMended(t *testing.T) {
	o := Options{Path: write(t, "score,explication\neleven,\"a\nb\"\n9,c\n"), Campaign: testCampaign, On: "2024-05-02"}
	p, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	result, err := m.run(t.Context(), p)
	if err != nil || result.Rejected != 1 {
		t.Fatalf("%+v: %v", result, err)
	}
	b, err := os.ReadFile(result.RejectsPath)
	if err != nil {
		t.Fatal(err)
	}
	mended := strings.Replace(string(b), ",eleven,", ",10,", 1)
	if err := os.WriteFile(result.RejectsPath, []byte(mended), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Path = result.RejectsPath
	if p, err = Prepare(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if result, err = m.run(t.Context(), p); err != nil || result.Recorded != 1 || text(m.items[1]) != "10 comment=a\nb 2024-05-02T12:00:00Z" {
		t.Errorf("%+v, %v: %v", result, m.items, err)
	}
}

func TestRejectsSpareOtherFiles(t *testing.T) {
	o := Options{Path: write(t, "score\n9\n"), Campaign: testCampaign, On: "2024-05-02"}
	for name, o := range map[string]Options{
		"another file": func() Options { o := o; o.Rejects = write(t, "line,score\n1,2\n"); return o }(),
		"itself":       func() Options { o := o; o.Rejects = o.Path; return o }(),
		"a directory":  func() Options { o := o; o.Rejects = t.TempDir(); return o }(),
	} {
		if _, err := Prepare(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--rejects") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.Rejects = filepath.Join(t.TempDir(), "missing", "rejects.csv")
	p, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&memory{}).run(t.Context(), p); err != nil {
		t.Errorf("nothing to reject: %v", err)
	}
}

func many(rows int) string {
	var out strings.Builder
	out.WriteString("score,comment\n")
	for i := range rows {
		fmt.Fprintf(&out, "%d,%d\n", i%12, i)
	}
	return out.String()
}

func prepare(t testing.TB, content string) *Plan {
	t.Helper()
	p, err := Prepare(t.Context(), Options{Path: write(t, content), Campaign: testCampaign, On: "2024-05-02"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r Result) total() int {
	return r.Recorded + r.Known + r.Amended + r.Changed + r.Skipped + r.Dropped + r.Rejected
}

func TestFailures(t *testing.T) {
	overloaded := apierror.New(apierror.Overloaded, "wait")
	overloaded.RetryAfter = time.Second
	broken := errors.New("connection lost")
	fails := func(times int, err error) func() error {
		return func() error {
			if times--; times >= 0 {
				return err
			}
			return nil
		}
	}
	for _, test := range []struct {
		name   string
		before func() error
		want   error
	}{
		{"overloaded for long", fails(50, overloaded), nil},
		{"unknown outcome", fails(maxTries-1, broken), nil},
		{"broken for good", fails(1000, broken), broken},
		{"stopping", fails(1000, feedback.ErrClosed), feedback.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &memory{before: test.before}
			result, err := m.run(t.Context(), prepare(t, many(100)))
			if !errors.Is(err, test.want) || result.Interrupted {
				t.Fatalf("%+v: %v", result, err)
			}
			if err == nil && result.total() != 100 {
				t.Errorf("%+v", result)
			}
		})
	}
	t.Run("campaign", func(t *testing.T) {
		p := prepare(t, many(100))
		p.Campaign = "nonsense"
		result, err := (&memory{}).run(t.Context(), p)
		if err == nil || result.Recorded+result.Rejected > 1 {
			t.Errorf("%+v: %v", result, err)
		}
	})
	t.Run("changed file", func(t *testing.T) {
		p := prepare(t, many(10))
		if err := os.WriteFile(p.opts.Path, []byte("score\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (&memory{}).run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "changed") {
			t.Error(err)
		}
	})
}

func TestInterruptedWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{before: func() error { cancel(); return errors.New("connection lost") }}
	result, err := m.run(ctx, prepare(t, many(100)))
	if err != nil || !result.Interrupted || result.Recorded != 0 {
		t.Errorf("%+v: %v", result, err)
	}
}

// However a file is made up, each row is counted once; the second time nothing is new, wherever the first time ended.
func TestCounts(t *testing.T) {
	fields := []string{"score", "comment", "mail"}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var out strings.Builder
		w := csv.NewWriter(&out)
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		rows := rapid.IntRange(0, 60).Draw(t, "rows")
		repeat := rapid.SampledFrom([]int{1, 1, 40}).Draw(t, "repeat")
		if err := w.Write(fields); err != nil {
			t.Fatal(err)
		}
		for range rows {
			row := []string{
				rapid.SampledFrom([]string{"0", "10", "9", "NA", "", "11", "x", "7.0"}).Draw(t, "score"),
				rapid.SampledFrom([]string{"", "a\nb", "\"", "é", "c,d", "NA"}).Draw(t, "comment"),
				rapid.SampledFrom([]string{"", "a@b.c", "nobody"}).Draw(t, "mail"),
				"more",
			}[:rapid.SampledFrom([]int{3, 3, 3, 3, 2, 4}).Draw(t, "fields")]
			for range repeat {
				if err := w.Write(row); err != nil {
					t.Fatal(err)
				}
			}
		}
		rows *= repeat
		w.Flush()
		path := filepath.Join(dir, "answers.csv")
		if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Prepare(t.Context(), Options{Path: path, Campaign: testCampaign, On: "2024-05-02", Score: "score", Email: "mail"})
		if err != nil {
			t.Fatal(err)
		}
		if p.Rows() != int64(rows) {
			t.Fatalf("%d rows, want %d", p.Rows(), rows)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// The batch that the cancelling falls into is finished, and nothing is begun after it.
		batches := rapid.IntRange(0, 5).Draw(t, "batches")
		m := &memory{}
		m.before = func() error {
			if batches--; batches < 0 {
				cancel()
			}
			return nil
		}
		r := run{Plan: p, send: m.send, now: func() time.Time { return testNow }, progress: func(int64) {}, pause: pause}
		first, err := r.run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !first.Interrupted && first.total() != rows || first.Recorded != len(m.items) {
			t.Fatalf("%+v, %d recorded, %d rows", first, len(m.items), rows)
		}
		m.before = nil
		second, err := m.run(t.Context(), p)
		if err != nil || second.Interrupted || second.total() != rows || second.Known != first.Recorded || second.Recorded+second.Known != len(m.items) {
			t.Fatalf("%+v after %+v, %d recorded: %v", second, first, len(m.items), err)
		}
		third, err := m.run(t.Context(), p)
		if err != nil || third.Recorded != 0 || third.Known != len(m.items) || third.Rejected != second.Rejected || third.Skipped != second.Skipped {
			t.Fatalf("%+v after %+v: %v", third, second, err)
		}
	})
}

// What encoding/csv writes is read back, however little comes at a time.
func TestReaderReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		comma := rapid.SampledFrom([]byte(commas)).Draw(t, "comma")
		field := rapid.StringOfN(rapid.SampledFrom([]rune("ab\"\n\r,;\t| é😀\x00")), 0, 8, -1)
		want := rapid.SliceOfN(rapid.SliceOfN(field, 2, 4), 0, 20).Draw(t, "records")
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		w.Comma = rune(comma)
		if err := w.WriteAll(append([][]string{{"first", "line"}}, want...)); err != nil {
			t.Fatal(err)
		}
		line := 1
		r, err := newReader(iotest.OneByteReader(&out), comma)
		if err != nil {
			t.Fatal(err)
		}
		for _, fields := range append([][]string{{"first", "line"}}, want...) {
			rec, err := r.next()
			if err != nil || rec.fault != "" || rec.line != line || !slices.Equal(rec.fields, fields) {
				t.Fatalf("%+v: %v, want %q at line %d", rec, err, fields, line)
			}
			line += 1 + strings.Count(strings.Join(fields, ""), "\n")
		}
		if rec, err := r.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("%+v: %v after the end", rec, err)
		}
	})
}

// FuzzImport feeds the whole of it anything.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		"", "score", "score,comment\n9,a\n", "score;b\r\n9;\"a\r\nb\"\r\n", "score,a\n9,\"x\n8,y", "\xef\xbb\xbfscore\n9", "\xff\xfes\x00\n\x009\x00",
		"score,t\n9,1\n8,x\n", "score,date\n9,01/02/2024\n", "score\r9\r\r8", "score,a\n\x00,\"\"\"\n9,\"\"\n", "score,a\n9,\"a\"b\"\n", "\"score\"\"",
	} {
		f.Add(seed, "", "", byte(0))
	}
	f.Add("score,date\n9,03/04/2024 5:06 PM\n", "DD/MM/YYYY", "2024-01-01T10:00", byte(';'))
	f.Add("score|date\n9|3 Apr 24\n", "D MMM YY hh:mm a", "", byte('|'))
	path := filepath.Join(f.TempDir(), "answers.csv")
	f.Fuzz(func(t *testing.T, content, format, on string, comma byte) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Prepare(t.Context(), Options{Path: path, Campaign: testCampaign, DateFormat: format, On: on, Comma: rune(comma)})
		if err != nil {
			return
		}
		_ = p.Describe()
		m := &memory{}
		result, err := m.run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if int64(result.total()) != p.Rows() || result.Recorded != len(m.items) || result.Known != 0 {
			t.Fatalf("%+v of %d rows, %d recorded", result, p.Rows(), len(m.items))
		}
		again, err := m.run(t.Context(), p)
		if err != nil || again.Recorded != 0 || again.Known != result.Recorded || again.Rejected != result.Rejected {
			t.Fatalf("%+v, then %+v: %v", result, again, err)
		}
	})
}

// FuzzDates reads anything as a date.
func FuzzDates(f *testing.F) {
	for _, seed := range []string{"2024-01-02", "03/04/2024 5:06:07.8 PM +0200", "31.12.1999T23:59Z", "1700000000", "20240102T0304", "1-1-1 +", "12/12/12"} {
		f.Add(seed, "DD/MM/YY")
	}
	f.Add("5 June 2024 7:08 am", "D MMMM YYYY h:mm a")
	f.Fuzz(func(t *testing.T, text, format string) {
		formats := []dateFormat{{}, {order: dayFirst}, {order: monthFirst}, {order: yearFirst, given: true, short: true}}
		if given, err := parseDateFormat(format); err == nil {
			formats = append(formats, given)
		}
		for _, form := range formats {
			at, dayOnly, err := form.parse(text, time.UTC)
			if err == nil && dayOnly && at.Hour() != 12 {
				t.Errorf("%q as %v is %v", text, form, at)
			}
		}
		var g dateGuess
		g.see(text, 1)
		form, err := g.format("date")
		if err != nil {
			return
		}
		if _, _, err := form.parse(text, time.UTC); err != nil {
			t.Errorf("%q is taken for %v: %v", text, form, err)
		}
	})
}

func TestBar(t *testing.T) {
	for _, total := range []int64{0, 1, 1000} {
		var out strings.Builder
		update, finish := Bar(&out, total)
		for _, done := range []int64{0, total / 2, total, total + 10} {
			update(done)
		}
		finish()
		if !strings.Contains(out.String(), "importing") || !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("of %d: %q", total, out.String())
		}
	}
}
