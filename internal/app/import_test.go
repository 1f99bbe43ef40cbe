package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// importing is a folder with files to import, and a database for them.
type importing struct {
	t        *testing.T
	dir, url string
}

// cli runs the program, and gives what it ended with and all that it said.
func (i *importing) cli(args ...string) (code int, said string) {
	i.t.Helper()
	for j, arg := range args {
		if strings.HasSuffix(arg, ".csv") {
			args[j] = filepath.Join(i.dir, arg)
		}
	}
	var out bytes.Buffer
	code = Main(i.t.Context(), append(args, "--database", i.url), &out, &out)
	return code, out.String()
}

func (i *importing) write(name, content string) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, name), []byte(content), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// answers are the responses as text, with their time and whoever gave them, in the order of their time.
func (i *importing) answers() (all []string) {
	i.t.Helper()
	db, err := store.Open(i.t.Context(), i.url, store.Options{})
	if err != nil {
		i.t.Fatal(err)
	}
	defer db.Close()
	t, err := tenant.Choose(i.t.Context(), db, "")
	if err != nil {
		i.t.Fatal(err)
	}
	ctx := auth.ForTenant(i.t.Context(), t)
	people := map[string]string{}
	for _, c := range db.Ent.Contact.Query().AllX(ctx) {
		var who []string
		for _, text := range []*string{c.ExternalID, c.Email, c.Name} {
			if text != nil {
				who = append(who, *text)
			}
		}
		people[c.ID.String()] = strings.Join(who, " ")
	}
	for _, r := range db.Ent.Response.Query().Order(ent.Asc("responded_at", "id")).AllX(ctx) {
		text := r.RespondedAt.UTC().Format("2006-01-02T15:04:05Z") + " " + fmt.Sprint(r.Score)
		if r.Comment != nil {
			text += " " + *r.Comment
		}
		if r.ContactID != nil {
			text += " <" + people[r.ContactID.String()] + ">"
		}
		if len(r.Traits) > 0 {
			text += fmt.Sprint(" ", map[string]any(r.Traits))
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// step is one command on one file, what it ends with, what it says and what there is then.
type step struct {
	file string
	args []string
	code int
	// says are parts of what it says.
	says []string
	want []string
}

// What people really have, one shape a case. Each file is imported twice where it is taken: the second time adds nothing.
func TestImportOfWhatPeopleHave(t *testing.T) {
	const yes = "--yes"
	for _, test := range []struct {
		name  string
		zone  string
		files map[string]string
		steps []step
	}{
		{name: "years of two and of four digits", files: map[string]string{"a.csv": "id,survey_date,rating\n1,1/9/21,10\n2,25/12/2021,0\n3,2/11/21,8\n"},
			steps: []step{{"a.csv", nil, 0, []string{`"1/9/21" is 2021-09-01`}, []string{"2021-09-01T12:00:00Z 10", "2021-11-02T12:00:00Z 8", "2021-12-25T12:00:00Z 0"}}}},
		{name: "a format that fits a part", files: map[string]string{"a.csv": "survey_date,rating\n1/9/21,10\n25/12/2021,0\n"},
			steps: []step{
				{"a.csv", []string{"--date-format", "DD/MM/YYYY"}, 2, []string{"1 of 2 dates", "line 2", "--date-format DD/MM/YY reads more", "--yes"}, nil},
				{"a.csv", []string{"--date-format", "DD/MM/YYYY", yes}, 3, []string{"1 recorded", "1 rejected"}, []string{"2021-12-25T12:00:00Z 0"}},
			}},
		{name: "Excel's days", files: map[string]string{"a.csv": "Customer_ID,Start_Date_1,NPS_Score\n7,42075,5\n8,42373.75,9\n"},
			steps: []step{{"a.csv", []string{"--date", "Start_Date_1"}, 0, []string{"excel1904"}, []string{"2015-03-12T12:00:00Z 5 <7>", "2016-01-04T18:00:00Z 9 <8>"}}}},
		{name: "scores of months", files: map[string]string{"a.csv": "Mes,NPS\n2024-01-01,65\n2024-02-01,70\n2025-05-01,9\n2025-06-01,-4\n2025-07-01,10\n"},
			steps: []step{
				{"a.csv", []string{"--date", "Mes"}, 2, []string{"3 of 5 scores", "65", "months", "--yes"}, nil},
				{"a.csv", []string{"--date", "Mes", yes}, 3, []string{"2 recorded", "3 rejected"}, []string{"2025-05-01T12:00:00Z 9", "2025-07-01T12:00:00Z 10"}},
			}},
		{name: "zones in dates, labels of the ends", zone: "Europe/Berlin",
			files: map[string]string{"a.csv": "Timestamp,How likely are you to recommend us to a friend?,Why?\n2025/11/20 5:46:06 PM GMT+1,9,Quick\n2025/11/21 9:05:11 AM PST,10 - Very likely,Kind\n2025/11/22 9:05:11 AM GMT+1,0 - Not likely,\"Slow,\nand dear\"\n"},
			steps: []step{
				{"a.csv", []string{"--date-format", "2006/01/02 3:04:05 PM MST"}, 2, []string{"names a zone, MST", "leave the flag away"}, nil},
				{"a.csv", nil, 0, []string{"Google Forms"}, []string{"2025-11-20T16:46:06Z 9 Quick", "2025-11-21T17:05:11Z 10 Kind", "2025-11-22T08:05:11Z 0 Slow,\nand dear"}},
			}},
		{name: "SurveyMonkey", files: map[string]string{
			"a.csv": "Respondent ID,Collector ID,Start Date,End Date,IP Address,Email Address,First Name,Last Name,Custom Data 1,How likely is it that you would recommend this company to a friend?,What changes would this company have to make?\n" +
				",,,,,,,,,Response,Open-Ended Response\n" +
				"118100000001,4001,03/14/2025 09:15:22 PM,03/14/2025 09:16:40 PM,192.0.2.1,p1@example.com,Ann,Lee,Plus,Extremely likely - 10,Nothing\n" +
				"118100000002,4001,03/14/2025 10:02:00 PM,03/14/2025 10:03:00 PM,192.0.2.2,,,,Basic,7,Be cheaper\n" +
				"118100000003,4001,03/15/2025 08:00:00 AM,03/15/2025 08:01:00 AM,192.0.2.3,p3@example.com,,,Plus,Not at all likely - 0,\"Answer the \"\"phone\"\"\"\n",
			"b.csv": "Respondent ID,Start Date,Email Address,How likely is it that you would recommend us?\n118100000001,03/14/2025 09:15:22 PM,p1@example.com,9\n118200000001,06/14/2025 09:15:22 PM,p1@example.com,3\n",
		}, steps: []step{
			{"a.csv", nil, 0, []string{"SurveyMonkey", "2 rows"}, []string{
				"2025-03-14T21:16:40Z 10 Nothing <p1@example.com Ann Lee>", "2025-03-14T22:03:00Z 7 Be cheaper", `2025-03-15T08:01:00Z 0 Answer the "phone" <p3@example.com>`,
			}},
			{"b.csv", nil, 0, []string{"answer's id", "2 recorded"}, []string{
				"2025-03-14T21:15:22Z 9 <p1@example.com Ann Lee>", "2025-03-14T21:16:40Z 10 Nothing <p1@example.com Ann Lee>", "2025-03-14T22:03:00Z 7 Be cheaper",
				`2025-03-15T08:01:00Z 0 Answer the "phone" <p3@example.com>`, "2025-06-14T21:15:22Z 3 <p1@example.com Ann Lee>",
			}},
		}},
		{name: "a line that says the separator", files: map[string]string{"a.csv": "sep=;\nDatum;NPS;Kommentar\n14.03.2025 21:15;9;Schnell\n15.03.2025 08:00;2;Langsam\n"},
			steps: []step{{"a.csv", nil, 0, nil, []string{"2025-03-14T21:15:00Z 9 Schnell", "2025-03-15T08:00:00Z 2 Langsam"}}}},
		{name: "columns of one name", files: map[string]string{"a.csv": "ID;created_at;1. How likely are you to recommend us?;2. Why?;3. How likely are you to recommend us?;2. Why?\n1;2025-03-14 21:15;9;Quick;;\n2;2025-03-15 21:15;;;3;Slow\n"},
			steps: []step{
				{"a.csv", nil, 2, []string{"two columns ask the question", `"1. How likely are you to recommend us?"`, `"3. How likely are you to recommend us?"`, "--score"}, nil},
				{"a.csv", []string{"--score", "1. How likely are you to recommend us?", "--comment", "2. Why?"}, 2, []string{`"2. Why?#1" to "2. Why?#2"`}, nil},
				{"a.csv", []string{"--score", "1. How likely are you to recommend us?", "--comment", "2. Why?#1"}, 0, nil, []string{"2025-03-14T21:15:00Z 9 Quick"}},
				{"a.csv", []string{"--score", "3. How likely are you to recommend us?", "--comment", "2. Why?#2"}, 0, nil, []string{"2025-03-14T21:15:00Z 9 Quick", "2025-03-15T21:15:00Z 3 Slow"}},
			}},
		{name: "totals and rows that end early", files: map[string]string{"a.csv": "Date;NPS;Comment;;\n2025-03-14;9;Quick;;\n2025-03-15;2;Slow\n2025-03-16;10\n;;;;\nTotal;3;;;\nAverage;7;;;\nNPS;33;;;\n"},
			steps: []step{{"a.csv", nil, 0, []string{"3 recorded", "3 left out"}, []string{"2025-03-14T12:00:00Z 9 Quick", "2025-03-15T12:00:00Z 2 Slow", "2025-03-16T12:00:00Z 10"}}}},
		{name: "lines of a title", files: map[string]string{"a.csv": "NPS survey March 2025,,\nExported 2025-03-31,,\n,,\nDate,Score,Comment\n2025-03-14,9,Quick\n2025-03-15,2,Slow\n"},
			steps: []step{{"a.csv", nil, 0, []string{"behind 3 lines"}, []string{"2025-03-14T12:00:00Z 9 Quick", "2025-03-15T12:00:00Z 2 Slow"}}}},
		{name: "cumulative exports, newest first", files: map[string]string{
			"a.csv": "Response ID,Timestamp,Score,Comment,Email\nr2,2025-03-02 10:00:00,2,Slow,p2@example.com\nr1,2025-03-01 10:00:00,10,Kind,p1@example.com\n",
			"b.csv": "Response ID,Timestamp,Score,Comment,Email\nr3,2025-04-01 10:00:00,7,Fine,p4@example.com\nr2,2025-03-02 10:00:00,2,Slow,p2@example.com\nr1,2025-03-01 10:00:00,10,Kind,p1@example.com\n",
			"c.csv": "Response ID,Timestamp,Score,Comment,Email,Tags\nr2,2025-03-02 10:00:00,2,Slow,p2@example.com,x\nr1,2025-03-01 10:00:00,10,Kind,p1@example.com,\n",
			"d.csv": "Response ID,Timestamp,Score,Comment,Email\nr2,2025-03-02 10:00:00,9,Slow,p2@example.com\nr1,2025-03-01 10:00:00,10,Kind,p1@example.com\n",
		}, steps: []step{
			{"a.csv", nil, 0, []string{"2 recorded"}, []string{"2025-03-01T10:00:00Z 10 Kind <p1@example.com>", "2025-03-02T10:00:00Z 2 Slow <p2@example.com>"}},
			{"b.csv", []string{"--dry-run"}, 0, []string{"to record  1 row\n", "known      2"}, nil},
			{"b.csv", nil, 0, []string{"1 recorded, 2 known"}, []string{
				"2025-03-01T10:00:00Z 10 Kind <p1@example.com>", "2025-03-02T10:00:00Z 2 Slow <p2@example.com>", "2025-04-01T10:00:00Z 7 Fine <p4@example.com>",
			}},
			{"c.csv", nil, 0, []string{"0 recorded, 2 known"}, nil},
			{"d.csv", nil, 0, []string{"0 recorded, 1 known from before, 1 known but changed since (the first in line 2; what was recorded stays)"}, []string{
				"2025-03-01T10:00:00Z 10 Kind <p1@example.com>", "2025-03-02T10:00:00Z 2 Slow <p2@example.com>", "2025-04-01T10:00:00Z 7 Fine <p4@example.com>",
			}},
		}},
		{name: "a comment that came later", files: map[string]string{
			"a.csv": "Response ID,Timestamp,Score,Comment\nr1,2025-03-01 10:00:00,10,\nr2,2025-03-02 10:00:00,4,\n", "b.csv": "Response ID,Timestamp,Score,Comment\nr1,2025-03-01 10:00:00,10,Kind\nr2,2025-03-02 10:00:00,4,\n",
		}, steps: []step{
			{"a.csv", nil, 0, nil, []string{"2025-03-01T10:00:00Z 10", "2025-03-02T10:00:00Z 4"}},
			{"b.csv", nil, 0, []string{"1 known from before, 1 amended"}, []string{"2025-03-01T10:00:00Z 10 Kind", "2025-03-02T10:00:00Z 4"}},
		}},
		{name: "UTC in a column's name", zone: "Europe/Berlin", files: map[string]string{"a.csv": "#,How likely are you to recommend Acme?,Why?,Start Date (UTC),Submit Date (UTC)\na1,9,Quick,2025-03-14 22:59:00,2025-03-14 23:30:00\na2,3,Slow,2025-07-14 22:59:00,2025-07-14 23:30:00\n"},
			steps: []step{{"a.csv", nil, 0, []string{"Typeform", "the column's name"}, []string{"2025-03-14T23:30:00Z 9 Quick", "2025-07-14T23:30:00Z 3 Slow"}}}},
		{name: "the file's zone", zone: "Europe/Berlin", files: map[string]string{"a.csv": "date,score\n2025-03-14 23:30,9\n2025-07-14 23:30,3\n", "b.csv": "date,score\n2025-03-14 23:30,9\n2025-07-14 23:30,4\n"},
			steps: []step{
				{"a.csv", []string{"--time-zone", "America/New_York"}, 0, nil, []string{"2025-03-15T03:30:00Z 9", "2025-07-15T03:30:00Z 3"}},
				{"b.csv", []string{"--time-zone", "Moon/Tycho"}, 2, []string{"--time-zone"}, nil},
				{"b.csv", []string{"--campaign", "b"}, 0, nil, []string{"2025-03-14T22:30:00Z 9", "2025-03-15T03:30:00Z 9", "2025-07-14T21:30:00Z 4", "2025-07-15T03:30:00Z 3"}},
			}},
		{name: "an address of several, and addresses that are none", files: map[string]string{"a.csv": "customer_id,email,date,score,comment\nC-1,office@example.com,2025-03-01,9,a\nC-2,office@example.com,2025-03-02,2,b\nC-3,Office@Example.com,2025-03-03,7,c\nC-4,Anonymous,2025-03-04,8,d\nanonymous,-,2025-03-05,6,e\n"},
			steps: []step{{"a.csv", nil, 0, []string{"5 recorded", "2 e-mail addresses that are none", "2 e-mail addresses of other contacts", "1 contacts' ids that name nobody"}, []string{
				"2025-03-01T12:00:00Z 9 a <C-1 office@example.com>", "2025-03-02T12:00:00Z 2 b <C-2>", "2025-03-03T12:00:00Z 7 c <C-3>", "2025-03-04T12:00:00Z 8 d <C-4>", "2025-03-05T12:00:00Z 6 e",
			}}}},
		{name: "a scale of stars", files: map[string]string{"a.csv": "Rating,Date\n5,2025-01-01\n4,2025-01-02\n5,2025-01-03\n1,2025-01-04\n3,2025-01-05\n"},
			steps: []step{{"a.csv", nil, 2, []string{"scale that ends at 5", "--yes"}, nil}}},
		{name: "one day for all", files: map[string]string{"a.csv": "\"id\";\"submitdate\";\"lastpage\";\"startlanguage\";\"NPS[SQ001]\"\n\"1\";\"1980-01-01 00:00:00\";\"2\";\"de\";\"9\"\n\"2\";\"1980-01-01 00:00:00\";\"2\";\"de-informal\";\"2\"\n\"3\";\"\";\"1\";\"de\";\"5\"\n"},
			steps: []step{
				{"a.csv", nil, 2, []string{"LimeSurvey", "one day, 1980-01-01"}, nil},
				{"a.csv", []string{"--on", "2025-03-01", "--date", "-"}, 0, []string{"3 recorded"}, []string{"2025-03-01T12:00:00Z 2", "2025-03-01T12:00:00Z 5", "2025-03-01T12:00:00Z 9"}},
			}},
		{name: "ids that a spreadsheet has cut", files: map[string]string{"a.csv": "id,score,date\n3.07446E+18,9,2025-01-01\n3.07446E+18,2,2025-01-02\n"},
			steps: []step{
				{"a.csv", nil, 2, []string{"3.07446E+18", "cut"}, nil},
				{"a.csv", []string{"--contact", "id", yes}, 0, []string{"2 recorded", "2 contacts' ids"}, []string{"2025-01-01T12:00:00Z 9", "2025-01-02T12:00:00Z 2"}},
			}},
		{name: "odd scores", files: map[string]string{"a.csv": "date,score\n2025-01-01,9\n2025-01-02,\"7,5\"\n2025-01-03,8.7\n2025-01-04,9/10\n2025-01-05,★★★★★\n2025-01-06,\"10 \"\n2025-01-08,' 9\n2025-01-09,９\n2025-01-10,=9\n"},
			steps: []step{
				{"a.csv", nil, 2, []string{"3 of 9 scores", "another scale"}, nil},
				{"a.csv", []string{"--dry-run", yes}, 3, []string{"to record  6 rows", "3 rows would be rejected"}, nil},
				{"a.csv", []string{yes}, 3, []string{"6 recorded", "3 rejected"}, []string{
					"2025-01-01T12:00:00Z 9", "2025-01-04T12:00:00Z 9", "2025-01-06T12:00:00Z 10", "2025-01-08T12:00:00Z 9", "2025-01-09T12:00:00Z 9", "2025-01-10T12:00:00Z 9",
				}},
			}},
		{name: "categories in the score's place", files: map[string]string{
			"a.csv": "date,NPS,rating\n2025-01-01,Promoter,9\n2025-01-02,Detractor,2\n", "b.csv": "date,NPS,NPS category\n2025-01-01,9,Promoter\n2025-01-02,2,Detractor\n", "c.csv": "date,NPS\n2025-01-01,Promoter\n",
		}, steps: []step{
			{"a.csv", nil, 0, nil, []string{"2025-01-01T12:00:00Z 9", "2025-01-02T12:00:00Z 2"}},
			{"a.csv", []string{"--score", "NPS", "--campaign", "c"}, 2, []string{"2 of 2 scores", `"Promoter"`}, nil},
			{"c.csv", nil, 2, []string{`the column "NPS"`, `"Promoter"`, "--score"}, nil},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			i := &importing{t: t, dir: dir, url: "sqlite://" + filepath.Join(dir, "zeroten.db")}
			for name, content := range test.files {
				i.write(name, content)
			}
			if test.zone != "" {
				if code, said := i.cli("tenant", "create", "House", "--time-zone", test.zone); code != 0 {
					t.Fatalf("%d: %s", code, said)
				}
			}
			for n, s := range test.steps {
				args := append([]string{"import", s.file, "--campaign", "A"}, s.args...)
				before := i.state()
				code, said := i.cli(args...)
				if code != s.code {
					t.Fatalf("step %d ended with %d, want %d: %s", n, code, s.code, said)
				}
				for _, part := range s.says {
					if !strings.Contains(said, part) {
						t.Errorf("step %d: want %q in %s", n, part, said)
					}
				}
				if s.want == nil && before != "" && i.state() != before {
					t.Errorf("step %d changed the answers to %s", n, i.state())
				}
				if s.want == nil && before == "" && !slices.Contains(s.args, "--dry-run") && i.state() != "" {
					t.Errorf("step %d made a database", n)
				}
				if s.want == nil {
					continue
				}
				if got := i.answers(); !slices.Equal(got, s.want) {
					t.Errorf("step %d: answers are\n%q, want\n%q", n, got, s.want)
				}
				if code, said := i.cli(append([]string{"import", s.file, "--campaign", "A"}, s.args...)...); !strings.Contains(said, " 0 recorded") {
					t.Errorf("step %d, again: %d, %s", n, code, said)
				}
				if got := i.answers(); !slices.Equal(got, s.want) {
					t.Errorf("step %d, again: answers are\n%q, want\n%q", n, got, s.want)
				}
			}
		})
	}
}

// state is all answers as one text; "" where there is no database.
func (i *importing) state() string {
	if _, err := os.Stat(strings.TrimPrefix(i.url, "sqlite://")); err != nil {
		return ""
	}
	return "there is\n" + strings.Join(i.answers(), "\n")
}

// Every command that opens the database goes by the number of connections that is set, also one that only looks.
func TestImportLooksByTheConnectionsThatAreSet(t *testing.T) {
	i := &importing{t: t, dir: t.TempDir(), url: storetest.SQLite(t)}
	i.write("a.csv", "date,score\n2026-01-02,9\n")
	if code, said := i.cli("import", "a.csv"); code != 0 {
		t.Fatalf("it ends with %d: %s", code, said)
	}
	if code, said := i.cli("import", "a.csv", "--dry-run", "--database-connections", "7"); code != ExitUsage || !strings.Contains(said, "too few") {
		t.Errorf("it ends with %d: %s", code, said)
	}
}

// A key that has expired is said to have, and not that it will.
func TestKeyListSaysWhatHasExpired(t *testing.T) {
	i := &importing{t: t, dir: t.TempDir(), url: storetest.SQLite(t)}
	if code, said := i.cli("tenant", "create", "Acme"); code != 0 {
		t.Fatalf("it ends with %d: %s", code, said)
	}
	db, err := store.Open(t.Context(), i.url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for expires, want := range map[time.Time]string{
		time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC): "expired 2020-01-02T03:04:05Z",
		time.Date(2920, 1, 2, 3, 4, 5, 0, time.UTC): "expires 2920-01-02T03:04:05Z",
	} {
		if _, err := db.Writer.Exec(`UPDATE api_keys SET expires_at = $1`, expires); err != nil {
			t.Fatal(err)
		}
		if code, said := i.cli("key", "list"); code != 0 || !strings.Contains(said, want) {
			t.Errorf("it ends with %d: %s", code, said)
		}
	}
}
