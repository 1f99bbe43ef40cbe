package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// mutation is a document that takes its input as a variable.
func mutation(name, payload string) string {
	input := strings.ToUpper(name[:1]) + name[1:] + "Input!"
	return fmt.Sprintf(`mutation($input: %s) { %s(input: $input) { %s userErrors { field message code } } }`, input, name, payload)
}

var record = mutation("recordResponse", "response { id comment }")

// Bad input is refused with a code and the place of what is wrong, and changes nothing.
func TestBadInput(t *testing.T) {
	long := func(n int) string { return strings.Repeat("ü", n) }
	response := func(more map[string]any) map[string]any {
		input := map[string]any{"campaign": "<camp:Support>", "score": 5}
		maps.Copy(input, more)
		return input
	}
	many := make([]any, feedback.MaxBatch+1)
	for i := range many {
		many[i] = response(nil)
	}
	manyTraits := map[string]any{}
	for i := range trait.MaxKeys + 1 {
		manyTraits[fmt.Sprintf("k%d", i)] = i
	}
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	cases := map[string]struct {
		document string
		input    any
		// want is the code and field of each user error, else the code and path of each top-level error.
		want []string
	}{
		"score 11":           {record, response(map[string]any{"score": 11}), []string{"OUT_OF_RANGE input.score"}},
		"score -1":           {record, response(map[string]any{"score": -1}), []string{"OUT_OF_RANGE input.score"}},
		"score 2.5":          {record, response(map[string]any{"score": 2.5}), []string{"BAD_REQUEST variable.input.score"}},
		"score 1e400":        {record, response(map[string]any{"score": raw("1e400")}), []string{"BAD_REQUEST variable.input.score"}},
		"score text":         {record, response(map[string]any{"score": "9"}), []string{"BAD_REQUEST recordResponse.input.score"}},
		"score null":         {record, response(map[string]any{"score": nil}), []string{"BAD_REQUEST variable.input.score"}},
		"score true":         {record, response(map[string]any{"score": true}), []string{"BAD_REQUEST variable.input.score"}},
		"score beyond 32":    {record, response(map[string]any{"score": 1 << 40}), []string{"BAD_REQUEST recordResponse.input.score"}},
		"no score":           {record, map[string]any{"campaign": "<camp:Support>"}, []string{"BAD_REQUEST variable.input.score"}},
		"unknown field":      {record, response(map[string]any{"scor": 1}), []string{"BAD_REQUEST variable.input.scor"}},
		"input null":         {record, nil, []string{"BAD_REQUEST variable.input"}},
		"input a list":       {record, []any{1}, []string{"BAD_REQUEST variable.input"}},
		"input a text":       {record, "x", []string{"BAD_REQUEST variable.input"}},
		"comment long":       {record, response(map[string]any{"comment": long(10_001)}), []string{"TOO_LONG input.comment"}},
		"comment with NUL":   {record, response(map[string]any{"comment": "a\x00b"}), []string{"BAD_REQUEST recordResponse.input.comment"}},
		"comment a number":   {record, response(map[string]any{"comment": 5}), []string{"BAD_REQUEST recordResponse.input.comment"}},
		"variant long":       {record, response(map[string]any{"variant": long(101)}), []string{"TOO_LONG input.variant"}},
		"variant with NUL":   {record, response(map[string]any{"variant": "\x00"}), []string{"BAD_REQUEST recordResponse.input.variant"}},
		"key long":           {record, response(map[string]any{"idempotencyKey": long(201)}), []string{"TOO_LONG input.idempotencyKey"}},
		"locale unknown":     {record, response(map[string]any{"locale": "not a language"}), []string{"BAD_REQUEST recordResponse.input.locale"}},
		"channel unknown":    {record, response(map[string]any{"channel": "FAX"}), []string{"BAD_REQUEST variable.input.channel"}},
		"campaign unknown":   {record, response(map[string]any{"campaign": "camp_01h455vb4pex5vsknk084sn02q"}), []string{"NOT_FOUND input.campaign"}},
		"campaign closed":    {record, response(map[string]any{"campaign": "<camp:Closed>"}), []string{"NOT_ALLOWED input.campaign"}},
		"campaign paused":    {record, response(map[string]any{"campaign": "<camp:Paused>"}), []string{"NOT_ALLOWED input.campaign"}},
		"campaign a number":  {record, response(map[string]any{"campaign": 5}), []string{"BAD_REQUEST recordResponse.input.campaign"}},
		"campaign long":      {record, response(map[string]any{"campaign": long(101)}), []string{"BAD_REQUEST recordResponse.input.campaign"}},
		"trait of a kind":    {record, response(map[string]any{"traits": map[string]any{"fibre": "yes"}}), []string{"INVALID input.traits.fibre"}},
		"trait no day":       {record, response(map[string]any{"traits": map[string]any{"since": "2026-02-30"}}), []string{"INVALID input.traits.since"}},
		"traits a list":      {record, response(map[string]any{"traits": []any{"gold"}}), []string{"BAD_REQUEST recordResponse.input.traits"}},
		"traits many":        {record, response(map[string]any{"traits": manyTraits}), []string{"BAD_REQUEST recordResponse.input.traits"}},
		"trait with NUL":     {record, response(map[string]any{"traits": map[string]any{"plan": "\x00"}}), []string{"BAD_REQUEST recordResponse.input.traits"}},
		"trait long":         {record, response(map[string]any{"traits": map[string]any{"plan": long(501)}}), []string{"BAD_REQUEST recordResponse.input.traits"}},
		"trait (few)":        {record, response(map[string]any{"traits": map[string]any{"plan": "(few)"}}), []string{"BAD_REQUEST recordResponse.input.traits"}},
		"variant (few)":      {record, response(map[string]any{"variant": "(few)"}), []string{"INVALID input.variant"}},
		"campaign (few)":     {mutation("createCampaign", "campaign { id }"), map[string]any{"name": "(few)"}, []string{"NOT_ALLOWED input.name"}},
		"renamed (few)":      {mutation("updateCampaign", "campaign { id }"), map[string]any{"id": "<camp:Support>", "name": "(few)"}, []string{"NOT_ALLOWED input.name"}},
		"in the future":      {record, response(map[string]any{"respondedAt": "2026-11-22T12:05:00.000001Z"}), []string{"OUT_OF_RANGE input.respondedAt"}},
		"in the year 1":      {record, response(map[string]any{"respondedAt": "0001-01-01T00:00:00Z"}), []string{"OUT_OF_RANGE input.respondedAt"}},
		"on 30 February":     {record, response(map[string]any{"respondedAt": "2026-02-30T00:00:00Z"}), []string{"BAD_REQUEST recordResponse.input.respondedAt"}},
		"without an offset":  {record, response(map[string]any{"respondedAt": "2026-02-03T00:00:00"}), []string{"BAD_REQUEST recordResponse.input.respondedAt"}},
		"a day alone":        {record, response(map[string]any{"respondedAt": "2026-02-03"}), []string{"BAD_REQUEST recordResponse.input.respondedAt"}},
		"contact of nobody":  {record, response(map[string]any{"contact": map[string]any{}}), []string{"REQUIRED input.contact.externalId"}},
		"contact's address":  {record, response(map[string]any{"contact": map[string]any{"email": "no address"}}), []string{"BAD_REQUEST recordResponse.input.contact.email"}},
		"contact's id long":  {record, response(map[string]any{"contact": map[string]any{"externalId": long(201)}}), []string{"TOO_LONG input.contact.externalId"}},
		"contact's name":     {record, response(map[string]any{"contact": map[string]any{"externalId": "x", "name": long(201), "phone": long(51)}}), []string{"TOO_LONG input.contact.name", "TOO_LONG input.contact.phone"}},
		"batch of 1,001":     {mutation("recordResponses", "responses { id } recorded"), map[string]any{"responses": many}, []string{"TOO_MANY input.responses"}},
		"batch of none":      {mutation("recordResponses", "responses { id } recorded"), map[string]any{"responses": []any{}}, []string{"REQUIRED input.responses"}},
		"batch of null":      {mutation("recordResponses", "responses { id } recorded"), map[string]any{"responses": []any{nil}}, []string{"BAD_REQUEST variable.input.responses.0"}},
		"contacts of 1,001":  {mutation("upsertContacts", "contacts { id }"), map[string]any{"contacts": slices.Repeat([]any{map[string]any{"externalId": "x"}}, 1_001)}, []string{"TOO_MANY input.contacts"}},
		"zone unknown":       {mutation("updateTenant", "tenant { id }"), map[string]any{"timeZone": "Europe/Atlantis"}, []string{"INVALID input.timeZone"}},
		"zone a path":        {mutation("updateTenant", "tenant { id }"), map[string]any{"timeZone": "../../etc/passwd"}, []string{"INVALID input.timeZone"}},
		"zone of the server": {mutation("updateTenant", "tenant { id }"), map[string]any{"timeZone": "Local"}, []string{"INVALID input.timeZone"}},
		"zone long":          {mutation("updateTenant", "tenant { id }"), map[string]any{"timeZone": long(65)}, []string{"BAD_REQUEST updateTenant.input.timeZone"}},
		"name of a tenant":   {mutation("updateTenant", "tenant { id }"), map[string]any{"name": long(201), "industry": long(101)}, []string{"TOO_LONG input.name", "TOO_LONG input.industry"}},
		"name of a key":      {mutation("createApiKey", "apiKey { id } secret"), map[string]any{"name": long(101), "scopes": []any{"READ"}}, []string{"TOO_LONG input.name"}},
		"expired key":        {mutation("createApiKey", "apiKey { id } secret"), map[string]any{"name": "x", "scopes": []any{"READ"}, "expiresAt": "2001-01-01T00:00:00Z"}, []string{"OUT_OF_RANGE input.expiresAt"}},
		"scope unknown":      {mutation("createApiKey", "apiKey { id } secret"), map[string]any{"name": "x", "scopes": []any{"ROOT"}}, []string{"BAD_REQUEST variable.input.scopes.0"}},
		"name with NUL":      {mutation("createCampaign", "campaign { id }"), map[string]any{"name": "a\x00"}, []string{"BAD_REQUEST createCampaign.input.name"}},
		"segment's NUL":      {mutation("createSegment", "segment { id }"), map[string]any{"name": "x", "rule": map[string]any{"trait": map[string]any{"key": "plan", "in": []any{"\x00"}}}}, []string{"BAD_REQUEST createSegment.input.rule.trait.in.0"}},
		"segment's name":     {mutation("createSegment", "segment { id }"), map[string]any{"name": long(201), "rule": map[string]any{"trait": map[string]any{"key": "plan", "isKnown": true}}}, []string{"TOO_LONG input.name"}},
		"trait's key":        {mutation("defineTrait", "trait { id }"), map[string]any{"key": long(65), "kind": "TEXT"}, []string{"INVALID input.key"}},
		"trait's label":      {mutation("defineTrait", "trait { id }"), map[string]any{"key": "x", "label": long(201), "kind": "TEXT"}, []string{"TOO_LONG input.label"}},
		"trait's edges":      {mutation("defineTrait", "trait { id }"), map[string]any{"key": "x", "kind": "NUMBER", "edges": slices.Repeat([]any{1}, 51)}, []string{"TOO_MANY input.edges"}},
		"trait's edge":       {mutation("defineTrait", "trait { id }"), map[string]any{"key": "x", "kind": "NUMBER", "edges": []any{raw("1e999")}}, []string{"BAD_REQUEST variable.input.edges.0"}},
		"amended beyond":     {mutation("amendResponse", "response { id }"), map[string]any{"id": "<resp:00>", "score": 11, "comment": long(10_001)}, []string{"OUT_OF_RANGE input.score", "TOO_LONG input.comment"}},
	}
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		before := h.contents(c.ctx, t)
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				body, err := json.Marshal(map[string]any{"query": test.document, "variables": map[string]any{"input": test.input}})
				if err != nil {
					t.Fatal(err)
				}
				text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(body))
				a := h.post(t, c.secrets[auth.Admin], c.own(text))
				discreet(t, a)
				if got := a.wrongs(t); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q: %.500s", got, test.want, a.text)
				}
			})
		}
		if after := h.contents(c.ctx, t); after != before {
			t.Errorf("something was changed: there was\n%s\nand is\n%s", before, after)
		}
	})
}

// wrongs are the codes and places of all errors.
func (a answer) wrongs(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, e := range a.Errors {
		var path []string
		for _, step := range e.Path {
			path = append(path, fmt.Sprint(step))
		}
		all = append(all, e.Extensions.Code+" "+strings.Join(path, "."))
	}
	var payloads map[string]json.RawMessage
	if err := json.Unmarshal(a.Data, &payloads); len(a.Data) > 0 && err != nil {
		t.Fatalf("%v: %s", err, a.text)
	}
	for _, text := range payloads {
		var p struct {
			UserErrors []struct {
				Field []string
				Code  string
			}
		}
		if !bytes.HasPrefix(text, []byte("{")) {
			continue // a list has none
		}
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%v: %s", err, a.text)
		}
		for _, e := range p.UserErrors {
			all = append(all, e.Code+" "+strings.Join(e.Field, "."))
		}
	}
	return all
}

// Text of any script is kept as it came, up to its limit.
func TestTextIsKept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		for _, comment := range []string{
			"\u200fשלום\u200e, مرحبا 🙂👩‍👩‍👧", "e\u0301 is not é", "tab\tline\r\nend\x7f", `"quotes" \ <b> & '; DROP TABLE responses; --`,
			"\U0010ffff\ufeff", strings.Repeat("🙂", feedback.MaxComment),
		} {
			a := h.ask(t, c.secrets[auth.Collect], record, map[string]any{"input": map[string]any{"campaign": c.ids["camp:Support"], "score": 5, "comment": comment}})
			var got struct {
				RecordResponse struct{ Response struct{ ID, Comment string } }
			}
			if err := json.Unmarshal(a.Data, &got); err != nil || got.RecordResponse.Response.Comment != comment {
				t.Errorf("%.40q is recorded as %.200s", comment, a.text)
			}
			a = h.ask(t, c.secrets[auth.Read], `query($id: ID!) { response(id: $id) { comment } }`, map[string]any{"id": got.RecordResponse.Response.ID})
			var kept struct{ Response struct{ Comment string } }
			if err := json.Unmarshal(a.Data, &kept); err != nil || kept.Response.Comment != comment {
				t.Errorf("%.40q is read as %.200s", comment, a.text)
			}
		}
	})
}

// Of a batch in which three are wrong all others are recorded, and the three are named.
func TestBatchWithThreeWrong(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		batch := make([]any, feedback.MaxBatch)
		for i := range batch {
			batch[i] = map[string]any{"campaign": c.ids["camp:Support"], "score": i % 11}
		}
		batch[7].(map[string]any)["score"] = 11
		batch[500].(map[string]any)["campaign"] = c.ids["camp:Paused"]
		batch[999].(map[string]any)["contact"] = map[string]any{"name": "Nobody"}
		a := h.ask(t, c.secrets[auth.Collect], mutation("recordResponses", "responses { id } recorded"), map[string]any{"input": map[string]any{"responses": batch}})
		want := []string{"OUT_OF_RANGE input.responses.7.score", "NOT_ALLOWED input.responses.500.campaign", "REQUIRED input.responses.999.contact.externalId"}
		got := a.wrongs(t)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || !strings.Contains(a.text, `"recorded":997`) {
			t.Errorf("got %q of %.300s", got, a.text)
		}
		a = h.ask(t, c.secrets[auth.Read], `{ feedback { score { responses } } }`, nil)
		if want := fmt.Sprintf(`"responses":%d}`, 96+997); !strings.Contains(a.text, want) {
			t.Errorf("got %s, want %s", a.text, want)
		}
	})
}

// Bodies that are no request are refused without telling more than that.
func TestBadRequests(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Fjordlink"))
	for name, body := range map[string]string{
		"empty":               "",
		"no JSON":             "secret words {",
		"a list":              `[{"query":"{ viewer { scopes } }"}]`,
		"null":                "null",
		"no query":            "{}",
		"query a number":      `{"query": 5}`,
		"variables a list":    `{"query":"{ viewer { scopes } }","variables":[1]}`,
		"an operation of two": `{"query":"query A { viewer { scopes } } query B { viewer { scopes } }"}`,
		"an unknown one":      `{"query":"query A { viewer { scopes } }","operationName":"C"}`,
		"unused variable":     `{"query":"query A($x: Int) { viewer { scopes } }"}`,
		"a subscription":      `{"query":"subscription { events { id } }"}`,
	} {
		a := h.post(t, c.secrets[auth.Admin], body)
		if a.status >= http.StatusInternalServerError || len(a.Errors) == 0 || strings.Contains(a.text, "secret words") {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		for _, e := range a.Errors {
			if e.Extensions.Code != "BAD_REQUEST" || leaks.MatchString(e.Message) {
				t.Errorf("%s: %d %s", name, a.status, a.text)
			}
		}
	}
}

// A body beyond the limit is not read to its end, nor is one that brings no JSON.
func TestBodyTooLarge(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.found(t, "Fjordlink")
	a := h.ask(t, c.secrets[auth.Collect], record, map[string]any{"input": strings.Repeat("x", 8<<20)})
	if a.status != http.StatusRequestEntityTooLarge || !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) {
		t.Errorf("got %d %.300s", a.status, a.text)
	}
}

// What goes wrong within is logged, with an id that the caller gets, and nothing else.
func TestInternalErrorsAreMasked(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		// The key is known by now; then a table goes.
		if a := h.ask(t, c.secrets[auth.Admin], `{ viewer { scopes } }`, nil); len(a.Errors) > 0 {
			t.Fatal(a.text)
		}
		for _, statement := range []string{`ALTER TABLE segments RENAME TO moved`, `ALTER TABLE profiles RENAME TO gone`} {
			if _, err := h.DB.Writer.ExecContext(context.Background(), statement); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{
			`{ segments { totalCount nodes { name } } }`,
			`mutation { createSegment(input: { name: "x", rule: { trait: { key: "plan", isKnown: true } } }) { userErrors { message } } }`,
			`mutation { defineTrait(input: { key: "x", kind: TEXT }) { userErrors { message } } }`,
			c.own(`mutation { recordResponse(input: { campaign: "<camp:Support>", score: 1, variant: "unheard" }) { response { id } userErrors { message } } }`),
		} {
			a := h.ask(t, c.secrets[auth.Admin], text, nil)
			var incident struct {
				Errors []struct{ Extensions struct{ Incident string } }
			}
			if err := json.Unmarshal([]byte(a.text), &incident); err != nil {
				t.Fatal(err)
			}
			if len(a.Errors) == 0 {
				t.Errorf("%s answers %s", text, a.text)
			}
			for i, e := range a.Errors {
				if e.Extensions.Code != "INTERNAL" || leaks.MatchString(e.Message) || strings.Contains(a.text, "profiles") ||
					incident.Errors[i].Extensions.Incident == "" || !strings.Contains(e.Message, incident.Errors[i].Extensions.Incident) {
					t.Errorf("%s answers %s", text, a.text)
				}
			}
		}
		if err := h.DB.Close(); err != nil {
			t.Fatal(err)
		}
		a := h.ask(t, c.secrets[auth.Read], `{ feedback { score { nps } } }`, nil)
		if !slices.Contains([]int{http.StatusOK, http.StatusInternalServerError}, a.status) || !slices.Equal(a.codes(), []string{"INTERNAL"}) || leaks.MatchString(a.text) {
			t.Errorf("without a database: %d %s", a.status, a.text)
		}
	})
}
