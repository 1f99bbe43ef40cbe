package importer

import (
	"errors"
	"fmt"
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
	contactID
	email
	name
	variant
	locale
	roles
)

// roleNames are what the roles are called in what people read, roleFlags which flag names their column.
var (
	roleNames = [roles]string{"score", "comment", "date", "contact's external id", "contact's e-mail address", "contact's name", "variant", "language"}
	roleFlags = [roles]string{"--score", "--comment", "--date", "--contact", "--email", "--name", "--variant", "--locale"}
)

// likely are names that columns have in exports, simplified, the likeliest first. An id alone is nobody's: it may just
// as well be that of the answer.
var likely = [roles][]string{
	score: {
		"nps", "npsscore", "npsrating", "score", "rating", "recommendationscore", "likelihoodtorecommend", "recommendation",
		"recommend", "note", "notenps", "bewertung", "punktzahl", "weiterempfehlung", "puntuacion", "nota", "puntaje",
		"recomendacion", "cijfer", "aanbeveling", "punteggio", "voto", "pontuacao",
	},
	comment: {
		"comment", "comments", "feedback", "npscomment", "npsfeedback", "verbatim", "verbatims", "explanation", "explication",
		"commentaire", "commentaires", "remarque", "remarques", "kommentar", "kommentare", "begrundung", "anmerkung",
		"comentario", "comentarios", "explicacion", "opmerking", "opmerkingen", "toelichting", "commento", "commenti",
		"motivazione", "remarks", "openanswer", "openend", "followup", "why", "reason", "raison", "motivo", "grund",
	},
	date: {
		"respondedat", "answeredat", "submittedat", "completedat", "responsedate", "dateresponded", "submitdate", "date",
		"datetime", "timestamp", "surveydate", "createdat", "created", "time", "datum", "zeitstempel", "datereponse",
		"datedereponse", "horodateur", "fecha", "fechaderespuesta", "marcatemporal", "data", "datadirisposta", "tijdstempel",
	},
	contactID: {
		"contactid", "customerid", "externalid", "userid", "clientid", "personid", "respondentid", "memberid", "subscriberid",
		"customernumber", "customerno", "kundennummer", "kundenid", "idclient", "numeroclient", "numclient", "idcliente",
		"clienteid", "klantnummer", "klantid", "codicecliente",
	},
	email: {
		"email", "emailaddress", "mail", "contactemail", "customeremail", "useremail", "recipientemail", "adressemail",
		"courriel", "emailadresse", "correo", "correoelectronico", "emailadres", "indirizzoemail",
	},
	name:    {"name", "fullname", "contactname", "customername", "nom", "nomclient", "kundenname", "nombre", "naam", "nome"},
	variant: {"variant", "variante", "abvariant", "surveyvariant"},
	locale:  {"locale", "language", "lang", "langue", "sprache", "idioma", "taal", "lingua"},
}

// asked are words, simplified, of the question itself, which many exports have as the name of the score's column.
var asked = []string{"recommend", "recommander", "recommand", "empfehl", "recomendar", "recomiend", "aanbevel", "consiglier", "raccomand"}

// simplify leaves a column's name in lower case, without accents and without anything but letters and digits.
func simplify(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFD.String(name))
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
	// of is the index of each role's column, −1 where there is none. guessed are the roles whose columns were found by
	// their names.
	of      [roles]int
	guessed [roles]bool
	traits  []*traitColumn
}

// find finds a column by its name: as it is, else without regard to case and the space around.
func (c *columns) find(flag, named string) (int, error) {
	var found []int
	for _, same := range []func(header string) bool{
		func(header string) bool { return header == named },
		func(header string) bool {
			return strings.EqualFold(strings.TrimSpace(header), strings.TrimSpace(named))
		},
	} {
		for i, header := range c.header {
			if same(header) {
				found = append(found, i)
			}
		}
		switch len(found) {
		case 1:
			return found[0], nil
		case 0:
		default:
			return -1, fmt.Errorf("%s: the file has %d columns named %q; give each a name of its own", flag, len(found), named)
		}
	}
	return -1, fmt.Errorf("%s: the file has no column %q; its columns are %s", flag, named, c.names())
}

// names lists the header, and not without end.
func (c *columns) names() string {
	const most = 50
	var out strings.Builder
	for i, header := range c.header {
		if i == most {
			fmt.Fprintf(&out, " and %d more", len(c.header)-most)
			break
		}
		if i > 0 {
			out.WriteString(", ")
		}
		fmt.Fprintf(&out, "%.60q", header)
	}
	return out.String()
}

// choose finds the columns that are named, and guesses the others.
func (c *columns) choose(o *Options) error {
	named := [roles]string{o.Score, o.Comment, o.Date, o.Contact, o.Email, o.Name, o.Variant, o.Locale}
	if named[score] == "-" {
		return errors.New("--score: an answer needs a score")
	}
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
			return fmt.Errorf("--trait %s: another column has the key %s already", text, t.key)
		}
		c.traits = append(c.traits, t)
		taken[t.index] = true
	}
	if len(c.traits) > trait.MaxKeys {
		return fmt.Errorf("--trait: %d traits are too many, %d are allowed", len(c.traits), trait.MaxKeys)
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
		if i := c.guess(r, taken); i >= 0 {
			c.of[r], c.guessed[r] = i, true
			taken[i] = true
		}
	}
	switch {
	case c.of[score] < 0:
		return fmt.Errorf("no column looks like the score; name it with --score: the columns are %s", c.names())
	case c.of[date] < 0 && o.On == "":
		return fmt.Errorf("no column looks like the date of the answers; name it with --date, or give one date for all with --on 2006-01-02: the columns are %s", c.names())
	}
	return nil
}

// guess finds a column for a role by its name, −1 where there is none.
func (c *columns) guess(r role, taken map[int]bool) int {
	simple := make([]string, len(c.header))
	for i, header := range c.header {
		simple[i] = simplify(header)
	}
	for _, want := range likely[r] {
		for i, s := range simple {
			if s == want && !taken[i] {
				return i
			}
		}
	}
	if r != score {
		return -1
	}
	found := -1
	for i, s := range simple {
		if !taken[i] && slices.ContainsFunc(asked, func(word string) bool { return strings.Contains(s, word) }) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// parseTraitFlag reads "column", "column=key", "column:KIND" and "column=key:KIND".
func (c *columns) parseTraitFlag(text string) (*traitColumn, error) {
	flag := "--trait " + text
	t := &traitColumn{}
	named := text
	if !slices.Contains(c.header, text) {
		if i := strings.LastIndexByte(named, ':'); i >= 0 {
			switch kind := trait.Kind(strings.ToUpper(named[i+1:])); kind {
			case trait.Text, trait.Number, trait.Boolean, trait.Date:
				t.kind, t.chosen = kind, true
				named = named[:i]
			}
		}
		if i := strings.LastIndexByte(named, '='); i >= 0 && !slices.Contains(c.header, named) {
			named, t.key = named[:i], named[i+1:]
		}
	}
	i, err := c.find(flag, named)
	if err != nil {
		return nil, err
	}
	t.index = i
	if t.key == "" {
		t.key = strings.TrimSpace(c.header[i])
	}
	if errs := (trait.Definition{Key: t.key, Kind: trait.Text}).Validate(); errs != nil {
		return nil, fmt.Errorf("%s: %s Give the column a key: --trait %q", flag, errs[0].Message, c.header[i]+"=key")
	}
	return t, nil
}
