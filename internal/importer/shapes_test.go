package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The exports of programs, by their columns: which column is which, when it was, and what is no answer.
func TestExports(t *testing.T) {
	for _, test := range []struct {
		name, from, content string
		opts                Options
		want                []string
		skipped, dropped    int
		left                leftOut
		id                  string
	}{
		{name: "Qualtrics", from: "Qualtrics", id: "ResponseId",
			content: "StartDate,EndDate,Status,Progress,Finished,RecordedDate,ResponseId,RecipientLastName,RecipientFirstName,RecipientEmail,ExternalReference,UserLanguage,Q1_NPS_GROUP,Q1,Q2\n" +
				"Start Date,End Date,Response Type,Progress,Finished,Recorded Date,Response ID,Recipient Last Name,Recipient First Name,Recipient Email,External Data Reference,User Language,\"On a scale from 0-10,\nhow likely are you to recommend us? - Group\",\"On a scale from 0-10,\nhow likely are you to recommend us?\",What is the primary reason for your score?\n" +
				`"{""ImportId"":""startDate"",""timeZone"":""America/Denver""}","{""ImportId"":""endDate"",""timeZone"":""America/Denver""}","{""ImportId"":""status""}","{""ImportId"":""progress""}","{""ImportId"":""finished""}","{""ImportId"":""recordedDate"",""timeZone"":""America/Denver""}","{""ImportId"":""_recordId""}",,,,,,"{""ImportId"":""QID1_NPS_GROUP""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2_TEXT""}"` + "\n" +
				"2025-01-10 09:00:00,2025-01-10 09:05:00,IP Address,100,True,2025-01-10 09:05:01,R_1,Lee,Ann,ann@example.com,c1,EN,Promoter,10 - Extremely likely,Quick\n" +
				"2025-07-10 09:00:00,2025-07-10 09:05:00,IP Address,100,True,2025-07-10 09:05:01,R_2,,,,,DE,Detractor,3,\n" +
				"2025-07-10 09:00:00,2025-07-10 09:05:00,Survey Preview,100,True,2025-07-10 09:05:01,R_3,,,,,EN,Promoter,9,test\n" +
				"2025-07-11 09:00:00,2025-07-11 09:05:00,IP Address,20,False,2025-07-18 09:05:01,R_4,,,,,EN,,,\n",
			want:    []string{"10 comment=Quick id=c1 email=ann@example.com name=Ann Lee locale=en 2025-01-10T16:05:00Z", "3 locale=de 2025-07-10T15:05:00Z"},
			skipped: 1, dropped: 1},
		{name: "Qualtrics, in numbers", from: "Qualtrics", id: "ResponseId",
			content: "StartDate\tEndDate\tStatus\tFinished\tResponseId\tNPS_NPS_GROUP\tNPS\n2025-01-10 09:00:00\t2025-01-10 09:05:00\t0\t1\tR_1\t3\t9\n2025-01-11 09:00:00\t2025-01-11 09:05:00\t1\t1\tR_2\t3\t9\n",
			want:    []string{"9 2025-01-10T09:05:00Z"}, dropped: 1},
		{name: "SurveyMonkey", from: "SurveyMonkey", id: "Respondent ID",
			content: "Respondent ID,Collector ID,Start Date,End Date,Email Address,First Name,Last Name,How likely is it that you would recommend us?,\n,,,,,,,Response,Other (please specify)\n11,1,01/13/2025 01:00:00 PM,01/13/2025 01:05:00 PM,a@example.com,Ann,,Extremely likely - 10,x\n12,1,01/14/2025 01:00:00 PM,01/14/2025 01:05:00 PM,,,,Not at all likely - 0,\n",
			want:    []string{"10 email=a@example.com name=Ann 2025-01-13T13:05:00Z", "0 2025-01-14T13:05:00Z"}},
		{name: "SurveyMonkey, with groups", from: "SurveyMonkey", id: "Respondent ID",
			content: "Respondent ID,Collector ID,Start Date,End Date,How likely is it that you would recommend us?,,Why?\n,,,,Group,Response,Open-Ended Response\n11,1,01/13/2025 01:00:00 PM,01/13/2025 01:05:00 PM,Promoter,9,x\n12,1,01/14/2025 01:00:00 PM,01/14/2025 01:05:00 PM,Detractor,0,\n",
			want:    []string{"9 comment=x 2025-01-13T13:05:00Z", "0 2025-01-14T13:05:00Z"}},
		{name: "Google Forms, in Japanese", from: "Google Forms",
			content: "タイムスタンプ,友人に薦める可能性は？,コメント\n2025/03/14 午後 9:15:22,9,良い\n2025/03/15 午前 0:15:22,0,\n", //nolint:gosmopolitan // written there
			want:    []string{"9 comment=良い 2025-03-14T21:15:22Z", "0 2025-03-15T00:15:22Z"}},           //nolint:gosmopolitan // likewise
		{name: "Google Forms, in Korean", from: "Google Forms",
			content: "타임스탬프,추천하시겠습니까?,의견\n2025. 3. 14 오후 9:15:22,9,좋아요\n2025. 3. 15 오전 12:15:22,0,\n",
			want:    []string{"9 comment=좋아요 2025-03-14T21:15:22Z", "0 2025-03-15T00:15:22Z"}},
		{name: "Typeform", from: "Typeform", id: "#",
			content: "#,How likely are you to recommend us?,What could we do better?,Response Type,Start Date (UTC),Submit Date (UTC),Network ID,Tags\nk3,8,Nothing,completed,2025-01-10 09:00:00,2025-01-10 09:05:00,n1,\nk4,2,,completed,2025-01-11 09:00:00,2025-01-11 09:05:00,n2,\n",
			opts:    Options{Zone: time.FixedZone("", 3600)},
			want:    []string{"8 comment=Nothing 2025-01-10T09:05:00Z", "2 2025-01-11T09:05:00Z"}},
		{name: "Delighted", from: "Delighted", id: "id",
			content: "id,person,survey_type,score,comment,permalink,created_at,person_email,person_name,properties.plan\n1,10,nps,9,Quick,https://example.com/r/1,1736500000,a@example.com,Ann,Plus\n2,11,csat,5,x,https://example.com/r/2,1736500100,b@example.com,Bob,Plus\n3,12,nps,0,,https://example.com/r/3,1736500200,,,Basic\n",
			opts:    Options{Traits: []string{"properties.plan"}},
			want:    []string{`9 comment=Quick id=10 email=a@example.com name=Ann {"plan":"Plus"} 2025-01-10T09:06:40Z`, `0 id=12 {"plan":"Basic"} 2025-01-10T09:10:00Z`}, dropped: 1},
		{name: "Wootric", from: "Wootric", id: "id",
			content: "id,score,text,created_at,end_user.email,end_user.external_id\n1,9,Quick,2025-01-10 09:06:40 -0800,a@example.com,c1\n2,3,,2025-01-11 09:06:40 -0800,,\n",
			want:    []string{"9 comment=Quick id=c1 email=a@example.com 2025-01-10T17:06:40Z", "3 2025-01-11T17:06:40Z"}},
		{name: "AskNicely", from: "AskNicely", id: "response_id",
			content: "response_id,person_id,name,email,answer,comment,sent,responded\n1,7,Ann,a@example.com,9,Quick,2025-01-09 09:00:00,2025-01-10 09:06:40\n2,8,,b@example.com,,,2025-01-09 09:00:00,\n",
			want:    []string{"9 comment=Quick id=7 email=a@example.com name=Ann 2025-01-10T09:06:40Z"}, skipped: 1},
		{name: "Retently", from: "Retently", id: "Feedback ID",
			content: "Feedback ID,First Name,Last Name,Email,Score,Rating Category,Feedback,Created Date,Campaign Name\nf1,Ann,Lee,a@example.com,9,Promoter,Quick,2025-01-10T09:06:40.000Z,A\nf2,,,b@example.com,6,Detractor,,2025-01-11T09:06:40.000Z,A\n",
			want:    []string{"9 comment=Quick email=a@example.com name=Ann Lee 2025-01-10T09:06:40Z", "6 email=b@example.com 2025-01-11T09:06:40Z"}},
		{name: "HubSpot", from: "HubSpot", id: "Record ID",
			content: "Record ID,Survey name,Survey type,Submission date,Rating,Response group,Content,Email,Contact ID\n9001,NPS 2025,NPS,2025-01-10 09:06,9,Promoter,Quick,a@example.com,51\n9002,Support,CSAT,2025-01-10 09:07,2,Detractor,,b@example.com,52\n9003,NPS 2025,Net Promoter Score,2025-01-11 09:06,6,Detractor,,,\n",
			want:    []string{"9 comment=Quick id=51 email=a@example.com 2025-01-10T09:06:00Z", "6 2025-01-11T09:06:00Z"}, dropped: 1},
		{name: "Formbricks", from: "Formbricks", id: "Response ID",
			content: "No.,Response ID,Timestamp,Finished,Survey ID,User ID,Notes,Tags,1. How likely are you to recommend us to a friend?,2. Why?\n2,cm2,2025-01-11T09:06:40.000Z,Yes,s1,,,,3,\n1,cm1,2025-01-10T09:06:40.000Z,Yes,s1,u1,,,9,Quick\n",
			opts:    Options{Comment: "2. Why?"},
			want:    []string{"3 2025-01-11T09:06:40Z", "9 comment=Quick id=u1 2025-01-10T09:06:40Z"}},
		{name: "PostHog", from: "PostHog", id: "uuid",
			content: "uuid,event,distinct_id,timestamp,properties.$survey_response,properties.$survey_response_1,person.properties.email,person.properties.plan\n0190-1,survey sent,u1,2025-01-10T09:06:40.123Z,9,Quick,a@example.com,Plus\n0190-2,survey sent,u2,2025-01-11T09:06:40.123Z,3,,,\n",
			opts:    Options{Comment: "properties.$survey_response_1", Traits: []string{"person.properties.plan"}},
			want:    []string{`9 comment=Quick id=u1 email=a@example.com {"plan":"Plus"} 2025-01-10T09:06:40Z`, "3 id=u2 2025-01-11T09:06:40Z"}},
		{name: "LimeSurvey", from: "LimeSurvey", id: "id",
			content: "\"id\",\"submitdate\",\"lastpage\",\"startlanguage\",\"NPS[SQ001]\",\"Q2\"\n\"1\",\"2025-01-10 09:06:40\",\"2\",\"de-informal\",\"9\",\"x\"\n\"2\",\"2025-01-11 09:06:40\",\"2\",\"en\",\"2\",\"\"\n",
			want:    []string{"9 locale=de 2025-01-10T09:06:40Z", "2 locale=en 2025-01-11T09:06:40Z"}},
		{name: "Google Forms, German", from: "Google Forms",
			content: "Zeitstempel,E-Mail-Adresse,Wie wahrscheinlich ist es dass du uns weiterempfiehlst?,Warum?\n14.03.2025 21:15:00,a@example.com,10,Gut\n15.03.2025 21:15:00,,0,\n",
			want:    []string{"10 comment=Gut email=a@example.com 2025-03-14T21:15:00Z", "0 2025-03-15T21:15:00Z"}},
		{name: "Google Forms, French", from: "Google Forms",
			content: "Horodateur,Recommanderiez-vous nos services ?,Pourquoi ?\n14/03/2025 21:15:00,10 – très probable,Bien\n15/03/2025 21:15:00,0 – pas du tout,\n",
			want:    []string{"10 comment=Bien 2025-03-14T21:15:00Z", "0 2025-03-15T21:15:00Z"}},
		{name: "Google Forms, Italian", from: "Google Forms",
			content: "Informazioni cronologiche,Quanto consiglieresti il nostro servizio?,Perché?\n14/03/2025 21.15.00,10,Bene\n",
			want:    []string{"10 comment=Bene 2025-03-14T21:15:00Z"}},
		{name: "Microsoft Forms", id: "ID",
			content: "ID,Start time,Completion time,Email,Name,How likely are you to recommend us?\n1,3/14/25 21:10:00,3/14/25 21:15:00,anonymous,,9\n2,3/15/25 21:10:00,3/15/25 21:15:00,anonymous,,2\n",
			want:    []string{"9 2025-03-14T21:15:00Z", "2 2025-03-15T21:15:00Z"}, left: leftOut{Addresses: 2}},
		{name: "Spanish", content: "Fecha;Puntuación;Comentario;Correo electrónico\n14/03/2025;10;Bien;a@example.com\n15/03/2025;2;;ninguno\n",
			want: []string{"10 comment=Bien email=a@example.com 2025-03-14T12:00:00Z", "2 2025-03-15T12:00:00Z"}, left: leftOut{Addresses: 1}},
		{name: "Dutch", content: "Datum;Cijfer;Toelichting;Klantnummer\n14-03-2025;10;Goed;7\n15-03-2025;2;;anoniem\n",
			want: []string{"10 comment=Goed id=7 2025-03-14T12:00:00Z", "2 2025-03-15T12:00:00Z"}, left: leftOut{IDs: 1}},
		{name: "Portuguese", content: "Carimbo de data/hora,Em uma escala de 0 a 10 você recomendaria nossa empresa?,Comentários\n14/03/2025 21:15:00,10,Bom\n", from: "Google Forms",
			want: []string{"10 comment=Bom 2025-03-14T21:15:00Z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.opts
			o.Path, o.Campaign = write(t, test.content), testCampaign
			p, err := Prepare(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if from := p.columns.from; from == nil && test.from != "" || from != nil && from.name != test.from {
				t.Errorf("it is from %v, want %s", from, test.from)
			}
			if i := p.columns.of[answerID]; i < 0 && test.id != "" || i >= 0 && p.columns.header[i] != test.id {
				t.Errorf("the id is column %d, want %q", i, test.id)
			}
			v, err := p.Check(t.Context(), testLater, nil)
			if err != nil {
				t.Fatal(err)
			}
			m := &memory{now: testLater}
			result, err := m.run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Result{Recorded: len(test.want), Skipped: test.skipped, Dropped: test.dropped, Left: test.left}); result != want {
				t.Errorf("%+v, want %+v: %v", result, want, readRejects(t, result.RejectsPath))
			}
			if v.Record != result.Recorded || v.Skipped() != result.Skipped || v.Dropped() != result.Dropped || v.left != result.Left {
				t.Errorf("the preview was %s", v.Describe())
			}
			for i, item := range m.items {
				if i < len(test.want) && text(item) != test.want[i] {
					t.Errorf("recorded %s, want %s", text(item), test.want[i])
				}
			}
		})
	}
}

// testLater is after all dates in these tests.
var testLater = time.Date(2026, 6, 15, 9, 0, 0, 0, time.UTC)

func TestHeaders(t *testing.T) {
	const plain = "9 comment=a 2025-03-14T12:00:00Z"
	for _, test := range []struct {
		name, content string
		opts          Options
		want          []string
		// err is a part of the refusal.
		err string
	}{
		{name: "separator said, in quotes", content: "\"sep=;\"\r\ndate;score;comment\r\n2025-03-14;9;a\r\n", want: []string{plain}},
		{name: "separator said, a tab", content: "SEP=\t\ndate\tscore\tcomment\n2025-03-14\t9\ta\n", want: []string{plain}},
		{name: "separator said, with commas behind", content: "sep=|,,\ndate|score|comment\n2025-03-14|9|a\n", want: []string{plain}},
		{name: "separator said, and given", content: "sep=;\ndate:score:comment\n2025-03-14:9:a\n", opts: Options{Comma: ':'}, want: []string{plain}},
		{name: "separator said, with a mark and in UTF-16", content: "\xff\xfes\x00e\x00p\x00=\x00;\x00\n\x00d\x00a\x00t\x00e\x00;\x00s\x00c\x00o\x00r\x00e\x00\n\x002\x000\x002\x005\x00-\x000\x003\x00-\x001\x004\x00;\x009\x00\n\x00",
			want: []string{"9 2025-03-14T12:00:00Z"}},
		{name: "a title without separators", content: "NPS survey March 2025\nAll answers\n\ndate;score;comment\n2025-03-14;9;a\n", want: []string{plain}},
		{name: "a title with another separator", content: "Survey, all answers, March\n\ndate;score;comment\n2025-03-14;9;a\n2025-03-15;8;b, c\n", want: []string{plain, "8 comment=b, c 2025-03-15T12:00:00Z"}},
		{name: "a title that asks the question", content: "Would you recommend us?,,\ndate,score,comment\n2025-03-14,9,a\n", want: []string{plain}},
		{name: "a title with a quote", content: "The \"best\n\"survey\" ever\ndate,score,comment\n2025-03-14,9,a\n", want: []string{plain}},
		{name: "skipped by flag", content: "score,date,comment\nnonsense\ndate,score,comment\n2025-03-14,9,a\n", opts: Options{Skip: 2}, want: []string{plain}},
		{name: "too much skipped", content: "date,score\n2025-03-14,9\n", opts: Options{Skip: 1}, err: "no column looks like the score"},
		{name: "all skipped", content: "date,score\n", opts: Options{Skip: 5}, err: "nothing but blank lines"},
		{name: "second of two", content: "date,score,why,why\n2025-03-14,9,b,a\n", opts: Options{Comment: "why#2"}, want: []string{plain}},
		{name: "second of two, capitals", content: "date,score,Why,WHY\n2025-03-14,9,b,a\n", opts: Options{Comment: "why#2"}, want: []string{plain}},
		{name: "third of two", content: "date,score,why,why\n2025-03-14,9,b,a\n", opts: Options{Comment: "why#3"}, err: "only 2"},
		{name: "a name with a number sign", content: "date,score,why#2,why\n2025-03-14,9,a,b\n", opts: Options{Comment: "why#2"}, want: []string{plain}},
		{name: "a column without a name", content: "date,score,\n2025-03-14,9,a\n", opts: Options{Comment: "#3"}, want: []string{plain}},
		{name: "a name over two lines", content: "date,score,\"What\nelse?\"\n2025-03-14,9,a\n", opts: Options{Comment: "what else?"}, want: []string{plain}},
		{name: "long names are whole", content: "date,score," + strings.Repeat("x", 150) + "y\n", opts: Options{Comment: "z"}, err: strings.Repeat("x", 150) + "y"},
		{name: "by the second header", content: "id,date,score,q1\n,,,Response\n1,2025-03-14,9,a\n", opts: Options{Comment: "Response"}, want: []string{plain}},
		{name: "two headers", content: "Q1,RecordedDate,Q2\nHow likely are you to recommend us?,Recorded Date,Why?\n9,2025-03-14,a\n", opts: Options{Score: "Q1"}, want: []string{plain}},
		{name: "three headers", content: "score,date,comment\nHow likely?,When?,Why?\nnumber,day,text\n9,2025-03-14,a\n", want: []string{plain}},
		{name: "Japanese", content: "回答日,スコア,コメント\n2025年3月14日,9,a\n", want: []string{plain}},     //nolint:gosmopolitan // written there
		{name: "Chinese", content: "提交时间,评分,评论\n2025年3月14日 12时00分,9,a\n", want: []string{plain}}, //nolint:gosmopolitan // likewise
		{name: "Korean", content: "날짜,점수,의견\n2025년 3월 14일 오후 12:00,9,a\n", want: []string{plain}},
		{name: "the second of two sub-headers", content: "id,date,Would you recommend us?,,Why?\n,,Response,Response,Open-Ended Response\n1,2025-03-14,Promoter,9,a\n", opts: Options{Score: "Response#2"}, want: []string{plain}},
		{name: "addresses that were made unreadable", content: "date,score,comment,email\n2025-03-14,9,a,a***@example.com\n2025-03-15,8,,a***@example.com\n2025-03-16,7,,*@example.com\n2025-03-17,6,,a*b@example.com\n",
			want: []string{plain, "8 2025-03-15T12:00:00Z", "7 2025-03-16T12:00:00Z", "6 email=a*b@example.com 2025-03-17T12:00:00Z"}},
		{name: "compressed", content: "\x1f\x8b\x08\x00date,score\n", err: "unpack it first"},
		{name: "rows that end early", content: "date,score,comment,a,b\n2025-03-14,9,a\n2025-03-15,8\n2025-03-16\n", want: []string{plain, "8 2025-03-15T12:00:00Z"}},
		{name: "rows that end late", content: "date,score,comment\n2025-03-14,9,a,, ,\n", want: []string{plain}},
		{name: "a zone in the header", content: "score,comment,date (GMT+2)\n9,a,2025-03-14 14:00\n", want: []string{plain}},
		{name: "the file's zone before the header's", content: "score,comment,date (GMT+2)\n9,a,2025-03-14 07:00\n", opts: Options{FileZone: time.FixedZone("", -5*3600)}, want: []string{plain}},
		{name: "a date's zone before the file's", content: "score,comment,date\n9,a,2025-03-14 14:00 UTC+2\n", opts: Options{FileZone: time.FixedZone("", -5*3600)}, want: []string{plain}},
		{name: "totals in German", content: "date,score,comment\n2025-03-14,9,a\nGesamt,9,\nDurchschnitt,\"9,0\",\n", want: []string{plain}},
		{name: "a scale behind the name", content: "Date completed,Score (0-10),Comments\n2025-03-14,9,a\n", want: []string{plain}},
		{name: "a date of answers by its words", content: "Survey Completed On,Signup date,score,comment\n2025-03-14,2020-01-01,9,a\n", want: []string{plain}},
		{name: "asked in Dutch", content: "Tijdstempel,Hoe waarschijnlijk is het dat u ons aanbeveelt?,Waarom?\n2025-03-14,9,a\n", want: []string{plain}},
		{name: "asked in Polish", content: "Sygnatura czasowa,Na ile prawdopodobne jest to że nas polecisz?,comment\n2025-03-14,9,a\n", want: []string{plain}},
		{name: "submitted, with a place's zone", content: "Submitted (America/New_York),score,comment\n2025-03-14 08:00,9,a\n", want: []string{plain}},
		{name: "a date of something else", content: "Signup date,score,comment\n2025-03-14,9,a\n", err: "--date"},
		{name: "a day that is none, alone", content: "date,score\n2025-02-29,9\n", err: `"2025-02-29" is no day of the calendar (line 2)`},
		{name: "the date that holds dates", content: "created_at,date,score,comment\n,2025-03-14,9,a\n", want: []string{plain}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.opts
			o.Path, o.Campaign = write(t, test.content), testCampaign
			p, err := Prepare(t.Context(), o)
			if test.err != "" || err != nil {
				if err == nil || test.err == "" || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("%v, want %s", err, test.err)
				}
				return
			}
			m := &memory{now: testLater}
			if result, err := m.run(t.Context(), p); err != nil || result.Rejected > 0 {
				t.Fatalf("%+v: %v", result, err)
			}
			var got []string
			for _, item := range m.items {
				got = append(got, text(item))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	for _, test := range []struct {
		name string
		// files are imported one after the other; recorded says how many each adds.
		files    []string
		opts     Options
		recorded []int
	}{
		{"another order", []string{"Response ID,date,score\na,2025-03-14,9\nb,2025-03-15,9\n", "Response ID,date,score\nb,2025-03-15,9\na,2025-03-14,9\n"}, Options{}, []int{2, 0}},
		{"a column more, and one less", []string{"submission_id,date,score,x\na,2025-03-14,9,1\n", "date,score,submission_id\n2025-03-14,9,a\n"}, Options{}, []int{1, 0}},
		{"a respondent's id that is an answer's", []string{"Respondent ID,date,score\n1,2025-03-14,9\n2,2025-03-15,8\n", "Respondent ID,date,score\n3,2025-03-16,9\n1,2025-03-14,9\n2,2025-03-15,8\n"}, Options{}, []int{2, 1}},
		{"a respondent's id that is a person's", []string{"Respondent ID,date,score\n1,2025-03-14,9\n1,2025-03-15,8\n"}, Options{}, []int{2}},
		{"numbers of rows", []string{"id,date,score\n1,2025-03-14,9\n2,2025-03-15,8\n", "id,date,score\n1,2025-04-14,9\n2,2025-04-15,8\n"}, Options{}, []int{2, 2}},
		{"numbers that are ids, newest first", []string{"id,date,score\n2,2025-03-15,8\n1,2025-03-14,9\n", "id,date,score\n3,2025-04-14,9\n2,2025-03-15,8\n1,2025-03-14,9\n"}, Options{}, []int{2, 1}},
		{"tokens", []string{"token,date,score\nx1,2025-03-14,9\n", "date,token,score\n2025-03-14,x1,9\n"}, Options{}, []int{1, 0}},
		{"long numbers", []string{"#,date,score\n11810000000001,2025-03-14,9\n", "date,score,#\n2025-03-14,9,11810000000001\n"}, Options{}, []int{1, 0}},
		{"an id that comes twice", []string{"Response ID,date,score\n" + strings.Repeat("a,2025-03-14,9\n", 2) + "b,2025-03-15,9\nc,2025-03-15,9\n"}, Options{ID: "Response ID"}, []int{3}},
		{"an id of every question", []string{"Response ID,date,score\na,2025-03-14,9\na,2025-03-14,9\n"}, Options{}, []int{2}},
		{"rows without an id", []string{"Response ID,date,score\n,2025-03-14,9\n,2025-03-14,9\nb,2025-03-15,9\n"}, Options{}, []int{3}},
		{"no id wanted", []string{"Response ID,date,score\na,2025-03-14,9\n", "Response ID,date,score\nb,2025-03-15,9\na,2025-03-14,9\n"}, Options{ID: "-"}, []int{1, 2}},
		{"by flag", []string{"key,date,score\n1,2025-03-14,9\n", "key,score,date\n2,8,2025-03-15\n1,9,2025-03-14\n"}, Options{ID: "key"}, []int{1, 1}},
		{"as a spreadsheet keeps them", []string{"Response ID,date,score\n=\"0012\",2025-03-14,9\n", "Response ID,date,score\n0012,2025-03-14,9\n"}, Options{}, []int{1, 0}},
		{"the ids of two programs", []string{"Response ID,date,score\n1,2025-03-14,9\n", "StartDate,EndDate,RecordedDate,ResponseId,NPS\n2025-03-14,2025-03-14,2025-03-14,1,9\n"}, Options{}, []int{1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &memory{now: testLater}
			for i, content := range test.files {
				o := test.opts
				o.Path, o.Campaign = write(t, content), testCampaign
				p, err := Prepare(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				result, err := m.run(t.Context(), p)
				if err != nil || result.Recorded != test.recorded[i] || result.Rejected > 0 || result.Changed > 0 {
					t.Errorf("file %d: %+v: %v, want %d recorded", i, result, err, test.recorded[i])
				}
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const noSuchDay = "is no day of the calendar"
	rows := func(header string, n int, row func(i int) string) string {
		var out strings.Builder
		out.WriteString(header + "\n")
		for i := range n {
			out.WriteString(row(i) + "\n")
		}
		return out.String()
	}
	scores := func(n, from, to int) string {
		return rows("date,score", n, func(i int) string { return fmt.Sprintf("2025-01-%02d 10:%02d,%d", i%28+1, i%60, from+i%(to-from+1)) })
	}
	for _, test := range []struct {
		name, content string
		opts          Options
		want          []string
	}{
		{"plain", scores(30, 0, 10), Options{}, nil},
		{"empty scores", "date,score\n2025-01-01,\n2025-01-02,NA\n2025-01-03,-\n2025-01-04,9\n", Options{}, nil},
		{"one to five", scores(10, 1, 5), Options{}, []string{"ends at 5"}},
		{"none to five", scores(20, 0, 5), Options{}, []string{"ends at 5"}},
		{"none to five, few", scores(19, 0, 5), Options{}, nil},
		{"none to four, five", scores(5, 0, 4), Options{}, nil},
		{"one to four", scores(8, 1, 4), Options{}, []string{"ends at 5"}},
		{"few low ones", scores(4, 1, 4), Options{}, nil},
		{"one to seven", scores(40, 1, 7), Options{}, []string{"ends at 7"}},
		{"one to ten, few", scores(100, 1, 10), Options{}, nil},
		{"one to ten, many", scores(1500, 1, 10), Options{}, []string{"scale from 1 to 10"}},
		{"percent", "date,score\n2025-01-01,90\n2025-01-02,100\n2025-01-03,10\n2025-01-04,0\n", Options{}, []string{"2 of 4 scores"}},
		{"averages", "date,score\n2025-01-01,8.4\n2025-01-02,7.9\n2025-01-03,9\n", Options{}, []string{"2 of 3 scores"}},
		{"negative", "date,score\n2025-01-01,-4\n2025-01-02,9\n2025-01-03,9\n", Options{}, []string{"1 of 3 scores"}},
		{"months", "date,score\n2025-01-01,8\n2025-02-01,7\n2025-03-01,9\n", Options{}, []string{"one row a month"}},
		{"ends of months", "date,score\n2025-01-31,8\n2025-02-28,7\n2025-03-31,9\n", Options{}, []string{"one row a month"}},
		{"months, and another day", "date,score\n2025-01-01,8\n2025-02-01,7\n2025-03-02,9\n", Options{}, nil},
		{"scores that are none", "date,score\n2025-01-01,8\n2025-01-02,good\n2025-01-03,9\n", Options{}, []string{"1 of 3 scores", `"good"`, "line 3"}},
		{"dates that are none", "date,score\n2025-01-01,8\nsoon,7\n2025-01-03,9\n", Options{}, []string{"1 of 3 dates", `"soon"`, "line 3"}},
		{"dates that do not exist", "date,score\n2025-01-01,8\n2025-02-30,7\n2025-01-03,9\n", Options{}, []string{"1 of 3 dates", "line 3", noSuchDay}},
		{"a 29th of February, the day first", "date;score\n13/01/2025;8\n29/02/2025;7\n14/01/2025;9\n", Options{}, []string{"1 of 3 dates", noSuchDay}},
		{"a 31st of April, the month first", "date;score\n01/13/2025;8\n04/31/2025;7\n01/14/2025;9\n", Options{}, []string{"1 of 3 dates", noSuchDay}},
		{"a 31st of April, by name", "date;score\n13 January 2025;8\n31 April 2025;7\n14 January 2025;9\n", Options{}, []string{"1 of 3 dates", noSuchDay}},
		{"a 31st of April, in the other order than the flag's", "date;score\n01/13/2025;8\n31/04/2025;7\n01/14/2025;9\n", Options{DateFormat: "MM/DD/YYYY"}, []string{"1 of 3 dates", noSuchDay}},
		{"a 31st of April, by a layout", "date;score\n13.Jan.2025;8\n31.Apr.2025;7\n14.Jan.2025;9\n", Options{DateFormat: "02.Jan.2006"}, []string{"1 of 3 dates", noSuchDay}},
		{"a 13th month that another format reads", "date;score\n01/12/2025;8\n13/04/2025;7\n01/14/2025;9\n", Options{DateFormat: "MM/DD/YYYY"}, []string{"1 of 3 dates", "--date-format"}},
		{"a zone that is not known", "date,score\n2025-01-01 10:00 IST,8\n2025-01-02 10:00,7\n2025-01-03,9\n", Options{}, []string{"1 of 3 dates", "--time-zone"}},
		{"dates to come", "date,score\n2025-01-01,8\n2031-01-02,7\n2025-01-03,9\n", Options{}, []string{"1 dates are still to come"}},
		{"one time for all", "date,score\n1970-01-01,8\n1970-01-01,7\n1970-01-01,7\n", Options{}, []string{"one day, 1970-01-01"}},
		{"one time for two", "date,score\n1980-01-01 00:00:00,8\n1980-01-01 00:00:00,7\n", Options{}, []string{"one day, 1980-01-01"}},
		{"one day for two", "date,score\n2025-01-01,8\n2025-01-01,7\n", Options{}, nil},
		{"one day for all", rows("date,score", 6, func(i int) string { return fmt.Sprintf("2025-01-01 1%d:00,%d", i, 5+i%6) }), Options{}, []string{"one day, 2025-01-01"}},
		{"one day in one zone alone", "date,score\n2025-01-01 20:00 PST,8\n2025-01-02 04:00 PST,7\n2025-01-02 05:00 PST,7\n", Options{}, nil},
		{"one day, three times", "date,score\n1980-01-01 20:00 PST,8\n1980-01-01 04:00 PST,7\n1980-01-01 05:00 PST,7\n", Options{}, []string{"one day"}},
		{"some of one day", "date,score\n2025-01-01 10:00,8\n2025-01-01 11:00,7\n", Options{}, nil},
		{"one day by flag", "score\n8\n7\n9\n", Options{On: "2025-01-01"}, nil},
		{"two scores", "date,score,score\n2025-01-01,9,8\n2025-01-02,7,7\n2025-01-03,5,\n", Options{}, []string{`"score#1" and "score#2" may both be the score`, "differ in 1 row", "line 2", `--score "score#2"`}},
		{"two scores, written otherwise", "date,Score,score (0-10)\n2025-01-01,9,8\n", Options{}, []string{`"Score" and "score (0-10)"`}},
		{"two scores, the second alone given", "date,score,score\n2025-01-01,9,\n2025-01-02,,3\n", Options{}, []string{"differ in 1 row", "line 3"}},
		{"two scores that are the same", "date,score,score\n2025-01-01,9,9\n2025-01-02,7, 7\n2025-01-03,5,\n", Options{}, nil},
		{"two scores, one by flag", "date,score,score\n2025-01-01,9,8\n", Options{Score: "score#2"}, nil},
		{"two scores, the other a trait", "date,score,score\n2025-01-01,9,8\n", Options{Traits: []string{"score#2=old"}}, nil},
		{"two scores, the second none", "date,score,score\n2025-01-01,9,good\n2025-01-02,2,bad\n", Options{}, nil},
		{"a score and a rating", "date,rating,score\n2025-01-01,9,8\n", Options{}, nil},
		{"scores of two questions", "date,NPS shop,NPS service\n2025-01-01,9,8\n", Options{}, []string{`"NPS shop" and "NPS service" may both be the score`}},
		{"the score, and an earlier one", "date,NPS,NPS last year\n2025-01-01,9,8\n", Options{}, nil},
		{"two scores of Qualtrics", "StartDate,EndDate,RecordedDate,ResponseId,Q1_NPS_GROUP,Q1,Q5_NPS_GROUP,Q5\n2025-01-01,2025-01-01,2025-01-01,a,Promoter,9,Detractor,3\n", Options{}, []string{`"Q1" and "Q5" may both be the score`}},
		{"two dates", "date,date,score\n2025-01-01,2025-02-01,9\n", Options{}, []string{`"date#1" and "date#2" may both be the date`, `--date "date#2"`}},
		{"two comments", "date,score,Comment,comment\n2025-01-01,9,a,b\n", Options{}, []string{"may both be the comment"}},
		{"two addresses", "date,score,email,E-Mail\n2025-01-01,9,a@example.com,b@example.com\n", Options{}, []string{"may both be the contact's e-mail address"}},
		{"two contacts", "date,score,customer_id,Customer ID\n2025-01-01,9,1,2\n", Options{}, []string{"may both be the contact's external id"}},
		{"two of each, and none differs", "date,date,score,comment,comment,email,email\n2025-01-01,2025-01-01,9,a,a,a@example.com,a@example.com\n", Options{}, nil},
		{"two scores, and a total", "score,date,comment,score\n9,2025-01-01,a,9\nTotal,,,25\n", Options{}, nil},
		{"ids that were cut", "Response ID,date,score\n1.18E+11,2025-01-01,8\n1.19E+11,2025-01-02,7\n", Options{}, []string{"2 ids", "1.18E+11"}},
		{"ids that were cut, with commas", "Kundennummer;date;score\n\"3,07446E+18\";2025-01-01;8\n4;2025-01-02;7\n", Options{}, []string{"1 ids", "3,07446E+18"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.opts
			o.Path, o.Campaign = write(t, test.content), testCampaign
			p, err := Prepare(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			v, err := p.Check(t.Context(), testLater, nil)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(v.Warnings, "\n")
			if (test.want == nil) != (v.Warnings == nil) {
				t.Errorf("warned of %s, want %q", all, test.want)
			}
			for _, part := range test.want {
				if !strings.Contains(all, part) {
					t.Errorf("warned of %s, want %q", all, part)
				}
			}
			if slices.Contains(test.want, noSuchDay) && strings.Contains(all, "--date-format") {
				t.Errorf("warned of %s, which no format mends", all)
			}
			m := &memory{now: testLater}
			result, err := m.run(t.Context(), p)
			if err != nil || result.Recorded != v.Record || result.Rejected != v.Rejected() || result.Skipped != v.Skipped() || result.Dropped != v.Dropped() {
				t.Errorf("%+v, and the preview was %s: %v", result, v.Describe(), err)
			}
		})
	}
}

// What is guarded begins with no sign of a formula, and unguarded it is what it was.
func TestGuard(t *testing.T) {
	for _, field := range []string{"=1+1", "+1", "-1", "@a", "\tx", "\rx", "\n=1", "＝1", "'=1", "''-1"} {
		if got := guard(field); got != "'"+field || unguard(got) != field {
			t.Errorf("%q is guarded as %q", field, got)
		}
	}
	for _, field := range []string{"", "9", "a=b", "'", "'a", " =1"} {
		if got := guard(field); got != field || unguard(got) != field {
			t.Errorf("%q is guarded as %q", field, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringOfN(rapid.SampledFrom([]rune("'=+-@\t\r\n a1")), 0, 6, -1).Draw(t, "field")
		guarded := guard(field)
		if unguard(guarded) != field || formula(guarded) {
			t.Fatalf("%q is guarded as %q, and that is %q", field, guarded, unguard(guarded))
		}
	})
}

// Lines below the table are counted as such, and are neither answers nor wrong ones, whichever column is the first.
func TestFooters(t *testing.T) {
	for _, header := range []struct{ names, row string }{
		{"score,date,comment", "9,2025-03-14,a"}, {"date,score,comment", "2025-03-14,9,a"}, {"plan,score,date,comment", "x,9,2025-03-14,a"},
	} {
		for _, test := range []struct {
			lines string
			count int
		}{
			{"Generated on 2026-01-02\n", 1},
			{"\nGenerated on 2 January 2026 10:15 by Ann\n", 1},
			{"Exported by Ann\n", 1},
			{"\"Exported by Ann, of Acme\"\n", 1},
			{"Total\n", 1},
			{"Total,1\n", 1},
			{"Total: 1\nAverage: 9.0\nExportiert am 02.01.2026\n", 3},
			{"Total responses: 1\nEnd of report\n", 2},
			{"Généré le 2 janvier 2026\n", 1},
		} {
			content := header.names + "\n" + header.row + "\n" + test.lines
			p, err := Prepare(t.Context(), Options{Path: write(t, content), Campaign: testCampaign})
			if err != nil {
				t.Errorf("%q: %v", content, err)
				continue
			}
			v, err := p.Check(t.Context(), testLater, nil)
			if err != nil || v.Warnings != nil || v.Record != 1 || v.Dropped() != test.count || !strings.Contains(v.Describe(), "left out") {
				t.Errorf("%q: %v: %s%q", content, err, v.Describe(), v.Warnings)
			}
			m := &memory{now: testLater}
			if result, err := m.run(t.Context(), p); err != nil || result != (Result{Recorded: 1, Dropped: test.count}) {
				t.Errorf("%q: %+v: %v", content, result, err)
			}
		}
		// What is as wide as the header, or begins otherwise, is a row like any other.
		for _, row := range []string{"Generated on,2025-03-15,b", "soon"} {
			p, err := Prepare(t.Context(), Options{Path: write(t, "score,date,comment\n9,2025-03-14,a\n"+row+"\n"), Campaign: testCampaign})
			if err != nil {
				t.Fatal(err)
			}
			if v, err := p.Check(t.Context(), testLater, nil); err != nil || v.Rejected() != 1 {
				t.Errorf("%q: %v: %s", row, err, v.Describe())
			}
		}
	}
}

// However odd the fields of rows are that are rejected, the file of rejects has nothing that is a formula, only its owner
// may read it, and mended it gives the answers as they were.
func TestRejectsThereAndBack(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringOfN(rapid.SampledFrom([]rune("'=+-@\t a1,;\"é")), 1, 8, -1).Filter(func(s string) bool { return given(s) != "" })
		comments := rapid.SliceOfN(field, 1, 5).Draw(t, "comments")
		header := rapid.SampledFrom([]string{"note", "=note", "'-note"}).Draw(t, "header")
		content := "score,date,\"" + header + "\"\n"
		for _, c := range comments {
			content += "eleven,2025-03-14,\"" + strings.ReplaceAll(c, `"`, `""`) + "\"\n"
		}
		path := filepath.Join(dir, "answers.csv")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		o := Options{Path: path, Campaign: testCampaign, Score: "score", Comment: header, Comma: ','}
		p, err := Prepare(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		result, err := (&memory{now: testLater}).run(t.Context(), p)
		if err != nil || result.Rejected != len(comments) {
			t.Fatalf("%+v: %v", result, err)
		}
		info, err := os.Stat(result.RejectsPath)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v: %v", info, err)
		}
		written, err := os.ReadFile(result.RejectsPath)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newReader(strings.NewReader(string(written)), ',')
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := r.next()
			if err != nil {
				break
			}
			if slices.ContainsFunc(rec.fields, formula) {
				t.Fatalf("rejected %q", rec.fields)
			}
		}
		mended := strings.ReplaceAll(string(written), ",eleven,", ",10,")
		if o.Path = filepath.Join(dir, "mended.csv"); os.WriteFile(o.Path, []byte(mended), 0o600) != nil {
			t.Fatal("not written")
		}
		if p, err = Prepare(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		m := &memory{now: testLater}
		if result, err = m.run(t.Context(), p); err != nil || result.Recorded != len(comments) {
			t.Fatalf("%+v: %v", result, err)
		}
		for i, item := range m.items {
			if item.Comment == nil || *item.Comment != comments[i] {
				t.Fatalf("the comment is %q, was %q", text(item), comments[i])
			}
		}
	})
}

// FuzzHeaders looks for the header in anything.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"sep=;\ndate;score\n", "Title,,\n\ndate,score\n", "date,score\n{\"ImportId\":\"a\"}\n", "#,score,date,date\n", "Respondent ID,Collector ID\n,\n", "line,rejected_because,score\n1,x,9\n",
		"sep=\n", "a\r\rb\r", "date (UTC),score\nx,y\n\"Response\"",
	} {
		f.Add(seed, 0)
	}
	path := filepath.Join(f.TempDir(), "answers.csv")
	f.Fuzz(func(t *testing.T, content string, skip int) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Prepare(t.Context(), Options{Path: path, Campaign: testCampaign, Skip: min(skip, 100)})
		if err != nil {
			return
		}
		v, err := p.Check(t.Context(), testLater, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Describe() + v.Describe()
		if n := v.Record + v.Known + v.Skipped() + v.Dropped() + v.Rejected(); int64(n) != p.Rows() {
			t.Fatalf("%d of %d rows", n, p.Rows())
		}
		for i := range p.columns.header {
			if at, err := p.columns.find("--x", p.columns.label(i)); err == nil && at != i && p.columns.label(at) != p.columns.label(i) {
				t.Fatalf("%q, which is column %d, finds column %d", p.columns.label(i), i, at)
			}
		}
	})
}
