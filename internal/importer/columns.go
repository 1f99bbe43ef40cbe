package importer

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"unicode"

	"github.com/zeroten/zeroten/internal/trait"
	"golang.org/x/text/unicode/norm"
)

// role is what a column is for.
type role int

const (
	score role = iota
	comment
	date
	answerID
	contactID
	email
	name
	variant
	locale
	roles
)

// roleNames are what the roles are called in what people read, roleFlags which flag names their column.
var (
	roleNames = [roles]string{"score", "comment", "date", "answer's id", "contact's external id", "contact's e-mail address", "contact's name", "variant", "language"}
	roleFlags = [roles]string{"--score", "--comment", "--date", "--id", "--contact", "--email", "--name", "--variant", "--locale"}
)

// likely are names that columns have in exports, simplified, the likeliest first.
var likely = allSimple([roles][]string{
	score: {
		"nps", "npsscore", "npsrating", "npsanswer", "npsvalue", "propertiessurveyresponse", "surveyresponse", "score", "rating", "recommendationscore",
		"likelihoodtorecommend", "recommendation", "recommend", "note", "notenps", "scorenps", "bewertung", "punktzahl", "weiterempfehlung", "puntuacion",
		"nota", "puntaje", "recomendacion", "cijfer", "aanbeveling", "punteggio", "voto", "pontuacao", "answer", "hsvalue", "value",
		"スコア", "評価", "点数", "評点", "评分", "評分", "分数", "分數", "得分", "점수", "평점", //nolint:gosmopolitan // people have columns in all languages
	},
	comment: {
		"comment", "comments", "feedback", "npscomment", "npsfeedback", "verbatim", "verbatims", "explanation", "explication",
		"commentaire", "commentaires", "remarque", "remarques", "kommentar", "kommentare", "begrundung", "anmerkung",
		"comentario", "comentarios", "explicacion", "opmerking", "opmerkingen", "toelichting", "commento", "commenti",
		"motivazione", "remarks", "openanswer", "openend", "followup", "followupresponse", "why", "reason", "raison", "motivo", "grund", "text",
		"hscontent", "content", "responsetext", "answertext",
		"コメント", "理由", "ご意見", "自由記述", "评论", "評論", "意见", "意見", "反馈", "留言", "코멘트", "의견", "이유", //nolint:gosmopolitan // likewise
	},
	date: {
		"respondedat", "answeredat", "submittedat", "submitted", "answered", "completedat", "responsedate", "dateresponded", "submitdate", "submissiondate", "datesubmitted",
		"enddate", "hssubmissiontimestamp", "responded", "completiontime", "endtime", "date", "datetime", "timestamp", "surveydate", "recordeddate",
		"datestamp", "createdat", "created", "createddate", "datecreated", "createdate", "time", "datum", "zeitstempel", "abgegebenam", "beantwortetam",
		"abgeschlossenam", "datereponse", "datedereponse", "horodateur", "datedesoumission", "fecha", "fechaderespuesta", "fechadeenvio", "marcatemporal",
		"data", "datadirisposta", "datadaresposta", "informazionicronologiche", "carimbodedatahora", "tijdstempel", "sygnaturaczasowa", "datumuhrzeit", "startdate",
		"starttime", "day", "jour", "dia",
		"タイムスタンプ", "回答日時", "回答日", "送信日時", "日時", "日付", "时间戳记", "时间戳", "時間戳記", "提交时间", "提交時間", "答题时间", "日期", "时间", "時間", "타임스탬프", "응답일시", "응답일", "날짜", "일시", //nolint:gosmopolitan // likewise
		"week", "woche", "semaine", "semana", "settimana", "month", "yearmonth", "monat", "mois", "mes", "mese", "maand", "period", "periode", "periodo", "月", "年月", "월", //nolint:gosmopolitan // likewise
	},
	answerID: {
		"responseid", "answerid", "submissionid", "surveyresponseid", "feedbackid", "feedbacksubmissionid", "npsresponseid", "ratingid", "responseuuid",
		"entryid", "antwortid", "idreponse", "reponseid", "idrespuesta", "respuestaid", "idderespuesta", "idrisposta", "antwoordid", "idresposta",
		"resultid", "recordid", "hsobjectid", "respondentid", "uuid", "#", "id", "token",
	},
	contactID: {
		"contactid", "customerid", "externalid", "userid", "clientid", "personid", "respondentid", "memberid", "subscriberid", "externalreference",
		"externaldatareference", "enduserexternalid", "formbricksuserid", "distinctid", "customernumber", "customerno", "kundennummer", "kundenid",
		"idclient", "numeroclient", "numclient", "idcliente", "clienteid", "klantnummer", "klantid", "codicecliente",
	},
	email: {
		"email", "emailaddress", "mail", "contactemail", "customeremail", "useremail", "personemail", "recipientemail", "enduseremail", "personpropertiesemail",
		"respondentemail", "adressemail", "courriel", "emailadresse", "correo", "correoelectronico", "direcciondecorreoelectronico", "emailadres",
		"indirizzoemail", "enderecodeemail", "メールアドレス", "邮箱", "电子邮件", "电子邮件地址", "電子郵件地址", "이메일", "이메일주소", //nolint:gosmopolitan // likewise
	},
	name: {
		"name", "fullname", "contactname", "customername", "personname", "recipientname", "personpropertiesname", "nom", "nomclient", "kundenname",
		"nombre", "naam", "nome", "名前", "お名前", "氏名", "姓名", "이름", //nolint:gosmopolitan // likewise
	},
	variant: {"variant", "variante", "abvariant", "surveyvariant"},
	locale:  {"locale", "language", "userlanguage", "startlanguage", "lang", "langue", "sprache", "idioma", "taal", "lingua"},
})

// allSimple simplifies names: some letters are others with a mark.
func allSimple(of [roles][]string) [roles][]string {
	for _, names := range of {
		for i, name := range names {
			if name != "#" {
				names[i] = simplify(name)
			}
		}
	}
	return of
}

// weakIDs are names, simplified, that the answer's id has, and other things as well: the number of a row, or a person.
// A column of such a name is the answer's id only where every row has another.
var weakIDs = map[string]bool{"respondentid": true, "uuid": true, "#": true, "id": true, "token": true, "recordid": true, "resultid": true}

// asked are words, simplified, of the question itself, which many exports have as the name of the score's column.
var asked = []string{"recommend", "recommander", "recommand", "conseill", "empfehl", "empfiehl", "recomendar", "recomiend", "aanbevel", "consiglier", "raccomand", "recomendaria",
	"aanbeveel", "rekommender", "anbefal", "suosittel", "polec", "doporuc", "рекоменд", "tavsiye", "薦め", "勧め", "すすめ", "推荐", "推薦", simplify("추천")} //nolint:gosmopolitan // people ask in all languages

// askedWhy are words, simplified, of the question for the reason.
var askedWhy = []string{
	"why", "reason", "whatchanges", "couldwe", "canwe", "improve", "warum", "begrund", "verbesser", "pourquoi", "raison", "ameliorer", "porque", "razon",
	"mejorar", "perche", "motivo", "migliorare", "waarom", "verbeter", "melhorar",
}

// otherThan are words of names that hold nps, and not the score: which of the three kinds an answer is, or what else is
// known about it.
var otherThan = []string{
	"group", "category", "segment", "type", "class", "status", "label", "bucket", "gruppe", "kategorie", "categorie", "categoria", "tipo", "comment",
	"reason", "feedback", "why", "date", "time", "id", "text", "verbatim", "followup", "follow", "survey", "campaign", "count", "average", "avg", "other",
}

// firstNames and lastNames are columns, simplified, of which a name is put together.
var (
	firstNames = []string{"firstname", "recipientfirstname", "contactfirstname", "customerfirstname", "vorname", "prenom", "voornaam", "primeironome"}
	lastNames  = []string{"lastname", "recipientlastname", "contactlastname", "customerlastname", "surname", "nachname", "nomdefamille", "apellido", "apellidos", "achternaam", "cognome", "sobrenome"}
)

// Columns, simplified, that say of a row that it is no answer: which kind of survey it is of, and that somebody was only
// looking at how the survey looks.
var (
	surveyKinds = []string{"surveytype", "questiontype", "hssurveytype", "feedbacktype", "metric", "metrictype", "typeofsurvey"}
	statuses    = []string{"status", "responsetype"}
)

// exporter is a program whose files are known by their columns.
type exporter struct {
	name string
	// has are columns, simplified, that its files have: all of those in one of the lists.
	has [][]string
	// columns are its names for the roles, where the guess by likely names would find another column.
	columns map[role][]string
}

// exporters are the programs that are known. The first that fits is it.
var exporters = []exporter{
	{name: "Qualtrics", has: [][]string{{"startdate", "enddate", "responseid", "recordeddate"}, {"startdate", "enddate", "responseid", "finished"}, {"responseid", "distributionchannel"}},
		columns: map[role][]string{date: {"enddate", "recordeddate", "startdate"}, contactID: {"externalreference", "externaldatareference"}}},
	{name: "SurveyMonkey", has: [][]string{{"respondentid", "collectorid"}},
		columns: map[role][]string{answerID: {"respondentid"}, date: {"enddate", "datemodified", "startdate", "datecreated"}}},
	{name: "Typeform", has: [][]string{{"#", "submitdate"}, {"#", "networkid"}, {"token", "networkid"}},
		columns: map[role][]string{answerID: {"#", "responseid", "token"}, date: {"submitdate"}}},
	{name: "LimeSurvey", has: [][]string{{"id", "submitdate", "lastpage"}, {"responseid", "datesubmitted", "lastpage"}},
		columns: map[role][]string{answerID: {"id", "responseid"}, date: {"submitdate", "datesubmitted"}}},
	{name: "Formbricks", has: [][]string{{"responseid", "timestamp", "finished"}, {"responseid", "surveyid", "finished"}, {"responseid", "formbricksid"}},
		columns: map[role][]string{date: {"timestamp"}, contactID: {"userid", "formbricksuserid", "externaluserid"}}},
	{name: "PostHog", has: [][]string{{"distinctid", "propertiessurveyresponse"}, {"event", "distinctid"}, {"distinctid", "surveyresponse"}, {"propertiessurveyid"}},
		columns: map[role][]string{answerID: {"uuid", "responseid", "submissionid"}, date: {"timestamp", "createdat"}}},
	{name: "Delighted", has: [][]string{{"score", "permalink"}, {"surveytype", "person"}, {"surveytype", "personid"}, {"surveytype", "personemail"}, {"delightedsource"}},
		columns: map[role][]string{
			answerID: {"surveyresponseid", "responseid", "id"}, date: {"respondedat", "createdat", "responsecreatedat", "date"},
			contactID: {"personid", "person", "customerid"},
		}},
	{name: "Wootric", has: [][]string{{"score", "enduseremail"}, {"score", "enduserid"}, {"score", "enduserexternalid"}},
		columns: map[role][]string{
			answerID: {"responseid", "id"}, date: {"createdat", "responsecreatedat", "date"}, contactID: {"enduserexternalid", "externalid", "enduserid"},
		}},
	{name: "AskNicely", has: [][]string{{"answer", "responded", "comment"}, {"answer", "sent", "responded"}, {"answer", "dontcontact"}},
		columns: map[role][]string{score: {"answer"}, answerID: {"responseid", "id"}, date: {"responded", "respondedat", "created"}, contactID: {"contactid", "customerid", "personid"}}},
	{name: "HubSpot", has: [][]string{{"surveytype", "submissiondate"}, {"hssurveytype"}, {"surveyname", "surveytype"}, {"hsresponsegroup"}, {"feedbacksubmissionid"}},
		columns: map[role][]string{
			score: {"rating", "hsvalue", "value", "score", "response"}, answerID: {"feedbacksubmissionid", "recordid", "hsobjectid"},
			date: {"submissiondate", "hssubmissiontimestamp", "datesubmitted", "createdate", "date"}, contactID: {"contactid", "hscontactid", "associatedcontactid"},
		}},
	{name: "Retently", has: [][]string{{"score", "ratingcategory"}, {"score", "campaignname", "createddate"}, {"score", "scoretype"}},
		columns: map[role][]string{score: {"score"}, date: {"createddate", "feedbackdate", "responsedate", "date"}, answerID: {"feedbackid", "responseid", "id"}}},
	{name: "Google Forms", has: [][]string{{"timestamp", "?"}, {"zeitstempel", "?"}, {"horodateur", "?"}, {"marcatemporal", "?"}, {"informazionicronologiche", "?"}, {"tijdstempel", "?"}, {"carimbodedatahora", "?"}, {simplify("タイムスタンプ"), "?"}, {"时间戳记", "?"}, {"時間戳記", "?"}, {simplify("타임스탬프"), "?"}}}, //nolint:gosmopolitan // people write so
}

// simplify leaves a column's name in lower case, without accents and without anything but letters and digits.
func simplify(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFD.String(name))
}

// simpleHeader is a column's name simplified, without a zone or a scale in brackets behind it; "#" where the number sign is all there is.
func simpleHeader(header string) string {
	if named, zone := zoneOfHeader(header); zone != nil && named != "" {
		header = named
	}
	// Score (0-10)
	if i := strings.LastIndexByte(header, '('); i > 0 && strings.HasSuffix(header, ")") && strings.ContainsAny(header[i:], "0123456789") {
		header = header[:i]
	}
	if simple := simplify(header); simple != "" {
		return simple
	}
	return strings.TrimSpace(header)
}

// traitColumn is a column that holds a trait.
type traitColumn struct {
	index int
	key   string
	kind  trait.Kind
	// chosen says that the kind was given and not guessed, defined that the tenant has such a trait already.
	chosen, defined bool
	// dimension says that responses may be cut by it.
	dimension bool
	guess     traitGuess
	dates     dateFormat
}

// columns says which columns of a file have which role.
type columns struct {
	header []string
	// texts are the second names of columns, where the file has such a row.
	texts []string
	// more is how many records the header has besides the first.
	more   int
	simple []string
	// of is the index of each role's column, −1 where there is none. guessed are the roles whose columns were found by
	// their names.
	of      [roles]int
	guessed [roles]bool
	// rivals are columns that speak for a role as well as the one that was guessed, so that nothing but the order chose.
	rivals [roles][]int
	traits []*traitColumn
	// from is the program that the file comes from, nil where it is not known.
	from *exporter
	// surname, surveyKind and status are columns too, −1 where there are none.
	surname, surveyKind, status int
	// cut is the first id that a spreadsheet has cut, of cuts in the column cutIn.
	cut   sighting
	cuts  int
	cutIn int
	// ids are the columns that may be the answers' ids, the likeliest first, until the file is read.
	ids []*idColumn
}

// label is what a column is called in what people read, and what a flag can name it by.
func (c *columns) label(i int) string {
	header := strings.Join(strings.Fields(c.header[i]), " ")
	if header == "" && i < len(c.texts) {
		header = strings.Join(strings.Fields(c.texts[i]), " ")
	}
	if header == "" {
		return fmt.Sprintf("#%d", i+1)
	}
	same, before := 0, 0
	names := c.header
	if strings.TrimSpace(c.header[i]) == "" {
		names = c.texts
	}
	for j, other := range names {
		if i < len(names) && other == names[i] && other != "" {
			same++
			if j <= i {
				before++
			}
		}
	}
	if same > 1 {
		return fmt.Sprintf("%s#%d", header, before)
	}
	return header
}

// find finds a column by its name: as it is, else without regard to case and space, else by its second name. The second
// of two columns of one name is name#2, and the third column of all is #3.
func (c *columns) find(flag, named string) (int, error) {
	found := c.named(named)
	base, number := named, 0
	if i := strings.LastIndexByte(named, '#'); len(found) == 0 && i >= 0 && leadingDigits(named[i+1:]) == len(named)-i-1 && len(named)-i-1 < 5 {
		base, number = named[:i], atoi(named[i+1:])
		found = c.named(base)
		if base == "" {
			found = nil
			for j := range c.header {
				found = append(found, j)
			}
		}
	}
	switch {
	case number > 0 && number <= len(found):
		return found[number-1], nil
	case number > 0 && len(found) > 0:
		return -1, badOption("%s: the file has no %d columns named %q, only %d", flag, number, base, len(found))
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return -1, badOption("%s: the file has %d columns named %q; say which as %q to %q", flag, len(found), named, named+"#1", fmt.Sprintf("%s#%d", named, len(found)))
	}
	return -1, badOption("%s: the file has no column %q; its columns are %s", flag, named, c.names())
}

// named are the columns of a name.
func (c *columns) named(text string) (found []int) {
	plain := strings.Join(strings.Fields(text), " ")
	if plain == "" {
		return nil
	}
	for _, same := range []func(header string) bool{
		func(header string) bool { return header == text },
		func(header string) bool { return strings.EqualFold(strings.Join(strings.Fields(header), " "), plain) },
	} {
		for _, names := range [][]string{c.header, c.texts} {
			for i, header := range names {
				if i < len(c.header) && same(header) {
					found = append(found, i)
				}
			}
			if found != nil {
				return found
			}
		}
	}
	return nil
}

// names lists the header, and not without end.
func (c *columns) names() string {
	const most = 50
	var out strings.Builder
	for i := range c.header {
		if i == most {
			fmt.Fprintf(&out, " and %d more", len(c.header)-most)
			break
		}
		if i > 0 {
			out.WriteString(", ")
		}
		fmt.Fprintf(&out, "%q", c.label(i))
	}
	return out.String()
}

// has reports whether the file has a column of this simplified name; "?" is a column that asks the question.
func (c *columns) has(simple string) bool {
	if simple == "?" {
		return slices.ContainsFunc(c.simple, func(s string) bool { return contains(s, asked) })
	}
	return slices.Contains(c.simple, simple)
}

func contains(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// recognise finds the program that the file comes from.
func (c *columns) recognise() {
	for i, e := range exporters {
		for _, all := range e.has {
			if !slices.ContainsFunc(all, func(simple string) bool { return !c.has(simple) }) {
				c.from = &exporters[i]
				return
			}
		}
	}
}

// choose finds the columns that are named, and guesses the others, with a look at the first rows.
func (c *columns) choose(o *Options, sample []record) error {
	named := [roles]string{o.Score, o.Comment, o.Date, o.ID, o.Contact, o.Email, o.Name, o.Variant, o.Locale}
	if named[score] == "-" {
		return badOption("--score: an answer needs a score")
	}
	c.simple = make([]string, len(c.header))
	for i, header := range c.header {
		c.simple[i] = simpleHeader(header)
	}
	c.surname, c.surveyKind, c.status = -1, -1, -1
	c.recognise()
	taken := map[int]bool{}
	for r := range roles {
		c.of[r] = -1
		if named[r] == "" || named[r] == "-" {
			continue
		}
		i, err := c.find(roleFlags[r], named[r])
		if err != nil {
			return err
		}
		c.of[r] = i
		taken[i] = true
	}
	for _, text := range o.Traits {
		t, err := c.parseTraitFlag(text)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.traits, func(other *traitColumn) bool { return other.key == t.key }) {
			return badOption("--trait %s: another column has the key %s already", text, t.key)
		}
		c.traits = append(c.traits, t)
		taken[t.index] = true
	}
	if len(c.traits) > trait.MaxKeys {
		return badOption("--trait: %d traits are too many, %d are allowed", len(c.traits), trait.MaxKeys)
	}
	for r := range roles {
		switch {
		case named[r] != "":
			continue
		case r == date && o.On != "":
			continue // One date for all was asked for.
		case r == name && c.of[contactID] < 0 && c.of[email] < 0:
			continue // Nobody can be found by a name.
		}
		i, err := -1, error(nil)
		switch r {
		case score:
			i, err = c.guessScore(taken, sample)
		case date:
			i = c.guessDate(taken, sample)
		case answerID:
			c.guessIDs(taken)
			if len(c.ids) > 0 {
				taken[c.ids[0].index] = true
			}
		default:
			i = c.guess(r, taken)
		}
		if err != nil {
			return err
		}
		if i >= 0 {
			c.of[r], c.guessed[r] = i, true
			taken[i] = true
		}
	}
	if c.of[name] < 0 && named[name] == "" && (c.of[contactID] >= 0 || c.of[email] >= 0) {
		c.of[name], c.surname = c.first(firstNames, taken), c.first(lastNames, taken)
		if c.of[name] < 0 {
			c.of[name], c.surname = c.surname, -1
		}
		c.guessed[name] = c.of[name] >= 0
	}
	c.findRivals(taken, sample)
	if i := c.of[answerID]; i >= 0 {
		c.ids = []*idColumn{{index: i, weak: weakIDs[c.simple[i]], chosen: true}}
	}
	c.surveyKind, c.status = c.first(surveyKinds, taken), c.first(statuses, taken)
	if c.of[date] < 0 && o.On == "" {
		return badOption("no column looks like the date of the answers; name it with --date, or give one date for all with --on 2006-01-02: the columns are %s", c.names())
	}
	return nil
}

// findRivals finds the columns that have the same name as one that was guessed, or for a score one of the same kind, and
// are not taken.
func (c *columns) findRivals(taken map[int]bool, sample []record) {
	for _, r := range []role{score, comment, date, contactID, email} {
		chosen := c.of[r]
		if chosen < 0 || !c.guessed[r] {
			continue
		}
		for i, s := range c.simple {
			twin := s == c.simple[chosen] && s != "" || r == score && c.ofNPS(i) && c.ofNPS(chosen) && !slices.Contains(likely[score], c.simple[chosen])
			if !twin || taken[i] || i == c.surname {
				continue
			}
			if r == score {
				if read, given := scoresIn(sample, i); read*5 < given*4 {
					continue // It holds something else, such as which of the three kinds an answer is.
				}
			}
			c.rivals[r] = append(c.rivals[r], i)
		}
	}
}

// ofNPS reports whether a column's name has the word, and none for what else is known about an answer.
func (c *columns) ofNPS(i int) bool {
	words := wordsOf(c.header[i])
	return slices.Contains(c.header, c.header[i]+"_NPS_GROUP") ||
		slices.Contains(words, "nps") && !slices.ContainsFunc(words, func(w string) bool { return slices.Contains(otherThan, w) })
}

// first finds the first column of these simplified names, −1 where there is none.
func (c *columns) first(names []string, taken map[int]bool) int {
	for _, want := range names {
		for i, s := range c.simple {
			if s == want && !taken[i] {
				return i
			}
		}
	}
	return -1
}

// likely are the columns whose names speak for a role, the likeliest first.
func (c *columns) likely(r role, taken map[int]bool) (found []int) {
	names := likely[r]
	if c.from != nil {
		names = append(slices.Clip(c.from.columns[r]), names...)
	}
	for _, want := range names {
		for i, s := range c.simple {
			if s == want && !taken[i] && !slices.Contains(found, i) {
				found = append(found, i)
			}
		}
	}
	return found
}

// guess finds a column for a role by its name, −1 where there is none.
func (c *columns) guess(r role, taken map[int]bool) int {
	if found := c.likely(r, taken); len(found) > 0 {
		return found[0]
	}
	if r != comment {
		return -1
	}
	if found := c.asking(askedWhy, taken); len(found) == 1 {
		return found[0]
	}
	return -1
}

// asking are the columns whose names, or second names, hold one of the words.
func (c *columns) asking(words []string, taken map[int]bool) (found []int) {
	for i, s := range c.simple {
		if !taken[i] && (contains(s, words) || i < len(c.texts) && contains(simplify(c.texts[i]), words)) {
			found = append(found, i)
		}
	}
	return found
}

// guessScore finds the column of scores: by its name, and by whether the first rows hold scores in it.
func (c *columns) guessScore(taken map[int]bool, sample []record) (int, error) {
	var all []int
	add := func(more ...int) {
		for _, i := range more {
			if !slices.Contains(all, i) {
				all = append(all, i)
			}
		}
	}
	if c.from != nil {
		for _, want := range c.from.columns[score] {
			add(c.first([]string{want}, taken))
		}
		all = slices.DeleteFunc(all, func(i int) bool { return i < 0 })
	}
	for i, header := range c.header {
		if twin := slices.Index(c.header, header+"_NPS_GROUP"); twin >= 0 && !taken[i] {
			add(i)
		}
	}
	plain := c.likely(score, taken)
	add(slices.DeleteFunc(slices.Clone(plain), func(i int) bool {
		return !strings.Contains(c.simple[i], "nps") && !contains(c.simple[i], asked) && !strings.Contains(c.simple[i], "surveyresponse")
	})...)
	for i := range c.header {
		if !taken[i] && c.ofNPS(i) {
			add(i)
		}
	}
	questions := c.asking(asked, taken)
	// The question's name is above the first of its parts alone.
	for i := 1; i < len(c.header); i++ {
		if part := strings.TrimSpace(c.header[i]) == "" && i < len(c.texts) && strings.TrimSpace(c.texts[i]) != ""; part && slices.Contains(questions, i-1) && !taken[i] {
			questions = append(questions, i)
			slices.Sort(questions)
		}
	}
	add(questions...)
	add(plain...)
	var good []int
	best, bestShare, filled, numeric := -1, 0.0, false, -1
	var example string
	for _, i := range all {
		read, given := scoresIn(sample, i)
		filled = filled || given > 0
		first := firstGiven(sample, i)
		if _, ok := parseNumber(first, true); ok && numeric < 0 {
			numeric = i
		}
		if given > 0 && read == 0 && example == "" {
			example = fmt.Sprintf("the column %q is called like the score, and holds none, such as %.60q", c.label(i), first)
			if _, err := parseScore(first); err != nil {
				if fault, ok := errors.AsType[*scoreError](err); ok && fault.why == otherScale {
					example = fmt.Sprintf("the column %q is called like the score, and %s", c.label(i), err)
				}
			}
		}
		share := float64(read) / float64(max(given, 1))
		if share >= 0.8 {
			good = append(good, i)
		}
		if share > bestShare {
			best, bestShare = i, share
		}
	}
	switch {
	case len(good) > 1 && slices.Contains(questions, good[0]) && slices.Contains(questions, good[1]):
		return -1, badOption("two columns ask the question, %q and %q; say with --score which is the score, and import the file once more with the other", c.label(good[0]), c.label(good[1]))
	case len(good) > 0:
		return good[0], nil
	case best >= 0:
		return best, nil
	case len(all) > 0 && !filled:
		return all[0], nil
	case numeric >= 0:
		return numeric, nil // What they are is warned of.
	case len(all) > 0:
		return -1, badOption("%s; name the score's column with --score: the columns are %s", example, c.names())
	}
	return -1, badOption("no column looks like the score; name it with --score: the columns are %s", c.names())
}

// wordsOf are the words of a name, in small letters: NPS[SQ001], nps_score, NpsScore.
func wordsOf(name string) (words []string) {
	begin := 0
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			words = append(words, string(runes[begin:i]))
			begin = i + 1
		case i > begin && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]):
			words = append(words, string(runes[begin:i]))
			begin = i
		}
	}
	words = append(words, string(runes[begin:]))
	for i, w := range words {
		words[i] = simplify(w)
	}
	return words
}

// scoresIn counts the sample's fields of a column that are given, and those that are scores.
func scoresIn(sample []record, column int) (read, given int) {
	for _, rec := range sample {
		if column >= len(rec.fields) || noScoreGiven(rec.fields[column]) {
			continue
		}
		given++
		if _, err := parseScore(rec.fields[column]); err == nil {
			read++
		}
	}
	return read, given
}

func firstGiven(sample []record, column int) string {
	for _, rec := range sample {
		if column < len(rec.fields) && given(rec.fields[column]) != "" {
			return given(rec.fields[column])
		}
	}
	return ""
}

// ofAnswers are words of names that, with one of those for a time, are of when something was answered.
var (
	ofAnswers = []string{
		"response", "responded", "answer", "answered", "submit", "submitted", "submission", "complete", "completed", "completion", "survey",
		"feedback", "rated", "received", "collected", "abgeschlossen", "beantwortet", "antwort", "umfrage", "reponse", "respuesta", "encuesta", //nolint:misspell // French
	}
	ofTimes = []string{"date", "time", "at", "on", "timestamp", "datum", "zeit", "am", "fecha", "hora", "data", "datetime"}
)

// guessDate finds the column of dates: the first by its name that holds dates in the first rows, else the first.
func (c *columns) guessDate(taken map[int]bool, sample []record) int {
	all := c.likely(date, taken)
	for i, header := range c.header {
		words := wordsOf(header)
		has := func(some []string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(some, w) })
		}
		if !taken[i] && !slices.Contains(all, i) && has(ofAnswers) && has(ofTimes) {
			all = append(all, i)
		}
	}
	for _, i := range all {
		var g dateGuess
		for _, rec := range sample {
			if i < len(rec.fields) && given(rec.fields[i]) != "" {
				g.see(given(rec.fields[i]), rec.line)
			}
		}
		if g.seen > 0 && g.wrong*2 < g.seen {
			return i
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return -1
}

// idColumn is a column that may be the answers' ids.
type idColumn struct {
	index int
	// weak says that its name speaks for other things too, chosen that a flag named it.
	weak, chosen bool
	// given are how many of the rows have one, short how many of those are numbers of less than ten digits, scientific
	// how many are numbers that a spreadsheet has cut.
	given, short, scientific int
	firstScientific          sighting
	// hashes are those of the first ids, to see whether they are all different.
	hashes []uint64
	// twice is how many of those are of an id that another row had.
	twice int
}

// mostIDs bounds how many ids are compared.
const mostIDs = 1 << 19

func (c *idColumn) see(text string, line int, seed maphash.Seed) {
	c.given++
	if isScientific(text) {
		if c.scientific++; c.scientific == 1 {
			c.firstScientific = sighting{strings.Clone(text), line}
		}
	}
	if leadingDigits(text) == len(text) && len(text) < 10 {
		c.short++
	}
	if len(c.hashes) < mostIDs {
		c.hashes = append(c.hashes, maphash.String(seed, text))
	}
}

// isShort reports whether the ids are short numbers under a name that speaks for other things too.
func (c *idColumn) isShort() bool { return c.weak && !c.chosen && c.given == c.short }

// settle counts those that came twice.
func (c *idColumn) settle() {
	slices.Sort(c.hashes)
	for i := 1; i < len(c.hashes); i++ {
		if c.hashes[i] == c.hashes[i-1] {
			c.twice++
		}
	}
	c.hashes = nil
}

// isScientific reports whether an id is what a spreadsheet makes of a long number: 3.07446E+18.
func isScientific(text string) bool {
	mantissa, exponent, ok := strings.Cut(strings.ToUpper(text), "E+")
	whole, decimals, _ := strings.Cut(strings.Replace(mantissa, ",", ".", 1), ".")
	return ok && len(whole) == 1 && leadingDigits(whole) == 1 && leadingDigits(decimals) == len(decimals) &&
		exponent != "" && len(exponent) <= 3 && leadingDigits(exponent) == len(exponent)
}

// guessIDs finds the columns that may be the answers' ids.
func (c *columns) guessIDs(taken map[int]bool) {
	const most = 3
	for _, i := range c.likely(answerID, taken) {
		if len(c.ids) < most {
			c.ids = append(c.ids, &idColumn{index: i, weak: weakIDs[c.simple[i]]})
		}
	}
}

// settleIDs decides which column holds the answers' ids, now that all of them were seen. One of a name that speaks for
// other things must have another in every row. The respondents' id is a person's where somebody has answered twice.
func (c *columns) settleIDs(guess, guessContact bool) {
	for _, id := range c.ids {
		id.settle()
		if id.scientific > 0 && c.cuts == 0 {
			c.cut, c.cuts, c.cutIn = id.firstScientific, id.scientific, id.index
		}
		switch {
		case id.chosen:
			return
		case !guess || id.given == 0 || c.of[answerID] >= 0:
		case id.twice == 0, !id.weak && id.twice*10 <= id.given:
			c.of[answerID], c.guessed[answerID] = id.index, true
			c.ids = []*idColumn{id}
			return
		case c.simple[id.index] == "respondentid" && c.of[contactID] < 0 && guessContact:
			c.of[contactID], c.guessed[contactID] = id.index, true
		}
	}
	c.ids = nil
}

// parseTraitFlag reads "column", "column=key", "column:KIND" and "column=key:KIND".
func (c *columns) parseTraitFlag(text string) (*traitColumn, error) {
	flag := "--trait " + text
	t := &traitColumn{}
	named := text
	if c.named(text) == nil {
		if i := strings.LastIndexByte(named, ':'); i >= 0 {
			switch kind := trait.Kind(strings.ToUpper(named[i+1:])); kind {
			case trait.Text, trait.Number, trait.Boolean, trait.Date:
				t.kind, t.chosen = kind, true
				named = named[:i]
			}
		}
		if i := strings.LastIndexByte(named, '='); i >= 0 && c.named(named) == nil {
			named, t.key = named[:i], named[i+1:]
		}
	}
	i, err := c.find(flag, named)
	if at := strings.LastIndexByte(named, ':'); err != nil && at >= 0 && c.named(named[:at]) != nil {
		return nil, badOption("%s: %q is no kind of trait: want TEXT, NUMBER, BOOLEAN or DATE", flag, named[at+1:])
	}
	if err != nil {
		return nil, err
	}
	t.index = i
	if t.key == "" {
		t.key = strings.TrimSpace(c.header[i])
		for _, prefix := range []string{"person.properties.", "person_properties.", "end_user.properties.", "properties.", "person.", "contact.", "property_"} {
			if rest, ok := strings.CutPrefix(t.key, prefix); ok {
				t.key = rest
				break
			}
		}
	}
	if errs := (trait.Definition{Key: t.key, Kind: trait.Text}).Validate(); errs != nil {
		return nil, badOption("%s: %s Give the column a key: --trait %q", flag, errs[0].Message, c.header[i]+"=key")
	}
	return t, nil
}
