package graph_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
)

// recipe asks for something by an id that stands at {{id}}, and by all that has to be beside it. Names such as
// <camp:Support> are ids of the caller's own.
type recipe struct {
	kinds []id.Kind
	scope auth.Scope
	text  string
}

func of(kind id.Kind, scope auth.Scope, text string) recipe {
	return recipe{[]id.Kind{kind}, scope, text}
}

const wrong = ` userErrors { field message code }`

// filters are the recipes of a field that takes a FeedbackFilter; %s is where the filter goes.
func filters(argument, text string) map[string]recipe {
	return map[string]recipe{
		argument + ".campaigns": of(id.Campaign, auth.Read, fmt.Sprintf(text, `{ campaigns: ["{{id}}"] }`)),
		argument + ".segment":   of(id.Segment, auth.Read, fmt.Sprintf(text, `{ segment: "{{id}}" }`)),
	}
}

// recipes are by the place of the id: the field, and the way through its arguments.
func recipes() map[string]recipe {
	all := map[string]recipe{
		"Query.node(id)":          {id.Kinds(), auth.Admin, `{ node(id: "{{id}}") { __typename id ... on Response { score } } }`},
		"Query.nodes(ids)":        {id.Kinds(), auth.Admin, `{ nodes(ids: ["<camp:Support>", "{{id}}"]) { __typename id } }`},
		"Query.campaign(id)":      of(id.Campaign, auth.Read, `{ campaign(id: "{{id}}") { id name feedback { score { responses } } responses { totalCount } } }`),
		"Query.contact(id)":       of(id.Contact, auth.Read, `{ contact(id: "{{id}}") { id email responses { totalCount } } }`),
		"Query.response(id)":      of(id.Response, auth.Read, `{ response(id: "{{id}}") { id score comment campaign { id } contact { id } } }`),
		"Query.segment(id)":       of(id.Segment, auth.Read, `{ segment(id: "{{id}}") { id name feedback { score { responses } } } }`),
		"Query.contacts(segment)": of(id.Segment, auth.Read, `{ contacts(segment: "{{id}}") { totalCount nodes { id } } }`),

		"Mutation.updateCampaign(input.id)": of(id.Campaign, auth.Manage, `mutation { updateCampaign(input: { id: "{{id}}", name: "Theirs", question: "?", followUpQuestion: "??", status: CLOSED }) { campaign { id name }`+wrong+` } }`),
		"Mutation.updateSegment(input.id)":  of(id.Segment, auth.Manage, `mutation { updateSegment(input: { id: "{{id}}", name: "Theirs", rule: { trait: { key: "plan", isKnown: true } } }) { segment { id name }`+wrong+` } }`),
		"Mutation.deleteSegment(input.id)":  of(id.Segment, auth.Manage, `mutation { deleteSegment(input: { id: "{{id}}" }) { deletedId`+wrong+` } }`),
		"Mutation.amendResponse(input.id)":  of(id.Response, auth.Manage, `mutation { amendResponse(input: { id: "{{id}}", score: 1, comment: "theirs" }) { response { id score comment }`+wrong+` } }`),
		"Mutation.deleteResponse(input.id)": of(id.Response, auth.Manage, `mutation { deleteResponse(input: { id: "{{id}}" }) { deletedId`+wrong+` } }`),
		"Mutation.eraseContact(input.id)":   of(id.Contact, auth.Admin, `mutation { eraseContact(input: { id: "{{id}}" }) { erasedResponses`+wrong+` } }`),
		"Mutation.revokeApiKey(input.id)":   of(id.ApiKey, auth.Admin, `mutation { revokeApiKey(input: { id: "{{id}}" }) { apiKey { id name revokedAt }`+wrong+` } }`),

		"Campaign.invitationMail(contact)":              of(id.Contact, auth.Read, `{ campaign(id: "<camp:Support>") { invitationMail(contact: "{{id}}") { subject } } }`),
		"Campaign.previewInvitations(schedule.segment)": of(id.Segment, auth.Read, `{ campaign(id: "<camp:Support>") { previewInvitations(schedule: { occasion: { onEvent: { event: "purchase" } }, segment: "{{id}}" }) { contacts } } }`),
		"Mutation.setSchedule(input.schedule.segment)":  of(id.Segment, auth.Manage, `mutation { setSchedule(input: { campaign: "<camp:Support>", schedule: { occasion: { onEvent: { event: "purchase" } }, segment: "{{id}}" } }) { campaign { id }`+wrong+` } }`),

		"Mutation.inviteContacts(input.campaign)": of(id.Campaign, auth.Manage, `mutation { inviteContacts(input: { campaign: "{{id}}", delivery: LINK, invitees: [{ contact: { externalId: "c09" } }] }) { invitations { status campaign { name } } invited`+wrong+` } }`),
		"Mutation.deleteSuppression(input.id)":    of(id.Suppression, auth.Admin, `mutation { deleteSuppression(input: { id: "{{id}}" }) { deletedId`+wrong+` } }`),
		"Mutation.cancelInvitations(input.ids)":   of(id.Invitation, auth.Manage, `mutation { cancelInvitations(input: { ids: ["{{id}}"] }) { invitations { id status }`+wrong+` } }`),

		"Mutation.deleteAction(input.id)":    of(id.Action, auth.Manage, `mutation { deleteAction(input: { id: "{{id}}" }) { deletedId`+wrong+` } }`),
		"Mutation.deleteBenchmark(input.id)": of(id.Benchmark, auth.Manage, `mutation { deleteBenchmark(input: { id: "{{id}}" }) { deletedId`+wrong+` } }`),

		"Mutation.createAction(input.campaigns)": of(id.Campaign, auth.Manage, `mutation { createAction(input: { name: "Theirs", startedOn: "2026-06-01", campaigns: ["<camp:Support>", "{{id}}"] }) { action { name campaigns { id name } }`+wrong+` } }`),
		"Mutation.updateAction(input.campaigns)": of(id.Campaign, auth.Manage, `mutation { updateAction(input: { id: "<any:act>", campaigns: ["{{id}}"] }) { action { name campaigns { id name } }`+wrong+` } }`),
		"Mutation.updateAction(input.segment)":   of(id.Segment, auth.Manage, `mutation { updateAction(input: { id: "<any:act>", segment: "{{id}}" }) { action { name segment { id name } }`+wrong+` } }`),

		"Mutation.deleteWording(input.campaign)": of(id.Campaign, auth.Manage, `mutation {
			setWording(input: { campaign: "{{id}}", locale: "nl", question: "Theirs?" }) { wording { question }`+wrong+` }
			deleteWording(input: { campaign: "{{id}}", locale: "nl" }) { campaign { id name }`+wrong+` }
		}`),

		"Mutation.createAccessToken(input.campaigns)": of(id.Campaign, auth.Read, `mutation { createAccessToken(input: { scopes: [READ], campaigns: ["{{id}}"] }) { token`+wrong+` } }`),
		"Mutation.createAccessToken(input.segment)":   of(id.Segment, auth.Read, `mutation { createAccessToken(input: { scopes: [READ], segment: "{{id}}" }) { token`+wrong+` } }`),

		"Mutation.recordResponse(input.campaign)":            of(id.Campaign, auth.Collect, `mutation { recordResponse(input: { campaign: "{{id}}", score: 1 }) { response { score campaign { name } }`+wrong+` } }`),
		"Mutation.recordResponses(input.responses.campaign)": of(id.Campaign, auth.Collect, `mutation { recordResponses(input: { responses: [{ campaign: "{{id}}", score: 1 }] }) { recorded responses { score }`+wrong+` } }`),
	}
	for argument, text := range map[string]string{
		"Query.feedback(filter":     `{ feedback(filter: %s) { score { responses } } }`,
		"Query.responses(filter":    `{ responses(filter: %s) { totalCount nodes { id } } }`,
		"Campaign.feedback(filter":  `{ campaign(id: "<camp:Support>") { feedback(filter: %s) { score { responses } } } }`,
		"Campaign.responses(filter": `{ campaign(id: "<camp:Support>") { responses(filter: %s) { totalCount } } }`,
		"Segment.feedback(filter":   `{ segment(id: "<seg:Loyal>") { feedback(filter: %s) { score { responses } } } }`,
		"Segment.responses(filter":  `{ segment(id: "<seg:Loyal>") { responses(filter: %s) { totalCount } } }`,
		"Feedback.responses(filter": `{ feedback { responses(filter: %s) { totalCount } } }`,
		"Feedback.compareTo(filter": `{ feedback { compareTo(filter: %s) { difference } } }`,

		"Feedback.explainChange(from": `{ feedback { explainChange(from: %s, by: ["plan"]) { total { difference } groups { values before { responses } } } } }`,
		"Action.effect(filter":        `{ action(id: "<any:act>") { effect(filter: %s) { before { responses } after { responses } } } }`,

		"Query.reach(filter":    `{ reach(filter: %s) { invited } }`,
		"Campaign.reach(filter": `{ campaign(id: "<camp:Support>") { reach(filter: %s) { invited } } }`,

		"Subscription.feedbackReceived(filter": `subscription { feedbackReceived(filter: %s, after: "", limit: 1) { kind responseId response { id } } }`,
		"Subscription.scoreChanged(filter":     `subscription { scoreChanged(filter: %s) { responses } }`,
	} {
		for name, r := range filters(argument, text) {
			all[name+")"] = r
		}
	}
	ids, _ := idPlaces()
	for _, place := range ids {
		if _, known := all[place]; known {
			continue
		}
		if r, ok := plainRecipe(place); ok {
			all[place] = r
		}
	}
	return all
}

// plainRecipe is the recipe of a place where the schema says all that it takes: a root field that finds something by its
// id, or a mutation whose input has the id.
func plainRecipe(place string) (r recipe, ok bool) {
	s := graph.Schema(&graph.Resolver{}).Schema()
	root, rest, _ := strings.Cut(strings.TrimSuffix(place, ")"), ".")
	name, way, _ := strings.Cut(rest, "(")
	def := map[string]*ast.Definition{"Query": s.Query, "Mutation": s.Mutation}[root]
	if def == nil {
		return r, false
	}
	f := def.Fields.ForName(name)
	argument, inner, within := strings.Cut(way, ".")
	switch {
	case root == "Query" && !within && s.Types[f.Type.Name()].Fields.ForName("id") != nil:
		kind := kindOfType(s, f.Type.Name())
		return of(kind, needs(f), fmt.Sprintf(`{ %s(%s: "{{id}}") { id } }`, name, argument)), kind != ""
	case root == "Mutation" && within && !strings.Contains(inner, "."):
		return mutationRecipe(s, f, inner)
	}
	return r, false
}

// mutationRecipe gives the id in a field of the mutation's input, and else no more than it must be given.
func mutationRecipe(s *ast.Schema, f *ast.FieldDefinition, field string) (r recipe, ok bool) {
	payload := s.Types[f.Type.Name()]
	var shown []string
	kind := kindOfType(s, strings.ToUpper(field[:1])+field[1:])
	for _, p := range payload.Fields {
		switch typ := s.Types[p.Type.Name()]; {
		case p.Name == "userErrors":
			shown = append(shown, "userErrors { field message code }")
		case typ.Kind == ast.Object && typ.Fields.ForName("id") != nil:
			shown = append(shown, p.Name+" { id }")
			if field == "id" {
				kind = kindOfType(s, typ.Name)
			}
		case typ.Kind == ast.Scalar:
			shown = append(shown, p.Name)
		}
	}
	var given []string
	for _, in := range s.Types[f.Arguments.ForName("input").Type.Name()].Fields {
		switch {
		case in.Name == field:
			given = append(given, field+`: "{{id}}"`)
		case in.Type.NonNull && in.Type.Name() == "ID":
			of := string(kindOfType(s, strings.ToUpper(in.Name[:1])+in.Name[1:]))
			given = append(given, fmt.Sprintf("%s: %q", in.Name, "<any:"+of+">"))
		case in.Type.NonNull && in.DefaultValue == nil:
			given = append(given, in.Name+": "+exampleOf(s, in))
		}
	}
	text := fmt.Sprintf("mutation { %s(input: { %s }) { %s } }", f.Name, strings.Join(given, ", "), strings.Join(shown, " "))
	return of(kind, needs(f), text), kind != ""
}

// kindOfType is the kind of ids that a type says that its own are of; empty where there is no such type.
func kindOfType(s *ast.Schema, name string) id.Kind {
	def := s.Types[name]
	if def == nil || def.Fields.ForName("id") == nil {
		return ""
	}
	for _, kind := range id.Kinds() {
		if strings.Contains(def.Fields.ForName("id").Description, "`"+string(kind)+"_`") {
			return kind
		}
	}
	return ""
}

// list is a paged field: the order of its cursors, and how to read it.
type list struct {
	order page.Order
	scope auth.Scope
	// text has the paging arguments at %s.
	text string
}

func lists() map[string]list {
	const body = ` { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } totalCount }`
	responses := page.Order{List: "responses", Column: "responded_at", Desc: true}
	ofContact := responses
	ofContact.List = "contact.responses"
	all := map[string]list{
		"Query.responses":      {responses, auth.Read, `{ responses(%s)` + body + ` }`},
		"Campaign.responses":   {responses, auth.Read, `{ campaign(id: "<camp:Support>") { responses(%s)` + body + ` } }`},
		"Contact.responses":    {ofContact, auth.Read, `{ contact(id: "<cont:c01>") { responses(%s)` + body + ` } }`},
		"Segment.responses":    {responses, auth.Read, `{ segment(id: "<seg:Loyal>") { responses(%s)` + body + ` } }`},
		"Segment.contacts":     {page.Order{List: "contacts", Desc: true}, auth.Read, `{ segment(id: "<seg:Loyal>") { contacts(%s)` + body + ` } }`},
		"Feedback.responses":   {responses, auth.Read, `{ feedback(filter: { channels: [API, EMAIL] }) { responses(%s)` + body + ` } }`},
		"Campaign.provisional": {page.Order{List: "provisional", Column: "last_opened_at", Desc: true}, auth.Read, `{ campaign(id: "<camp:Relationship>") { provisional(%s)` + body + ` } }`},
		"Campaign.invitations": {page.Order{List: "invitations", Column: "due_at", Desc: true}, auth.Read, `{ campaign(id: "<camp:Relationship>") { invitations(%s)` + body + ` } }`},
		"Contact.invitations":  {page.Order{List: "invitations", Column: "due_at", Desc: true}, auth.Read, `{ contact(id: "<cont:c01>") { invitations(%s)` + body + ` } }`},
		"Query.actions":        {page.Order{List: "actions", Column: "started_on", Desc: true}, auth.Read, `{ actions(%s)` + body + ` }`},
		// Its cursors are positions of the log, and name nothing.
		"Subscription.feedbackReceived": {scope: auth.Read},
		// For operators, who see all tenants.
		"Query.tenants": {order: page.Order{List: "tenants", Desc: true}, scope: auth.Operator},
	}
	// All others are in the order of ids, newest first.
	query := graph.Schema(&graph.Resolver{}).Schema().Query
	for _, f := range query.Fields {
		if _, known := all["Query."+f.Name]; !known && f.Arguments.ForName("after") != nil {
			all["Query."+f.Name] = list{page.Order{List: f.Name, Desc: true}, needs(f), `{ ` + f.Name + `(%s)` + body + ` }`}
		}
	}
	return all
}

// idPlaces are the places of the schema where an id or a cursor goes in.
func idPlaces() (ids, cursors []string) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	var walk func(place string, typ *ast.Type, seen []string)
	walk = func(place string, typ *ast.Type, seen []string) {
		def := schema.Types[typ.Name()]
		switch {
		case def.Name == "ID":
			ids = append(ids, place+")")
		case def.Kind == ast.InputObject && !slices.Contains(seen, def.Name):
			for _, f := range def.Fields {
				walk(place+"."+f.Name, f.Type, append(slices.Clone(seen), def.Name))
			}
		}
	}
	for _, def := range schema.Types {
		if def.Kind != ast.Object || def.BuiltIn || strings.HasPrefix(def.Name, "__") {
			continue
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			for _, a := range f.Arguments {
				walk(def.Name+"."+f.Name+"("+a.Name, a.Type, nil)
				if a.Name == "after" {
					cursors = append(cursors, def.Name+"."+f.Name)
				}
			}
		}
	}
	slices.Sort(ids)
	slices.Sort(cursors)
	return ids, cursors
}

// A field that takes an id must say here how to ask for another tenant's by it.
func TestEveryIDHasARecipe(t *testing.T) {
	ids, cursors := idPlaces()
	if got := slices.Sorted(maps.Keys(recipes())); !slices.Equal(got, ids) {
		t.Errorf("recipes are for\n%q, ids go into\n%q", got, ids)
	}
	if got := slices.Sorted(maps.Keys(lists())); !slices.Equal(got, cursors) {
		t.Errorf("lists are\n%q, cursors go into\n%q", got, cursors)
	}
	var entities []string
	client := reflect.TypeFor[ent.Client]()
	for f := range client.Fields() {
		if !strings.HasSuffix(f.Type.String(), "Client") || !f.IsExported() {
			continue
		}
		// Those that are found by an id of the API; of a signing key, say, nobody ever sees one.
		if get, ok := f.Type.MethodByName("Get"); ok && get.Type.Out(0).Implements(reflect.TypeFor[ent.Node]()) {
			entities = append(entities, f.Name)
		}
	}
	if len(entities) != len(id.Kinds()) {
		t.Errorf("there are the entities %q, and ids of the kinds %q", entities, id.Kinds())
	}
}

var named = regexp.MustCompile(`<[a-z]+:[^>]+>`)

// own puts the company's own ids in.
func (c *company) own(text string) string {
	return named.ReplaceAllStringFunc(text, func(name string) string {
		name = strings.Trim(name, "<>")
		if kind, is := strings.CutPrefix(name, "any:"); is {
			return c.first(id.Kind(kind))
		}
		return c.ids[name]
	})
}

// first is the id of something of the kind that the company has; empty where it has none.
func (c *company) first(kind id.Kind) string {
	for _, name := range slices.Sorted(maps.Keys(c.ids)) {
		if strings.HasPrefix(c.ids[name], string(kind)+"_") {
			return c.ids[name]
		}
	}
	return ""
}

// any is the id of something of the kind that the company has.
func (c *company) any(t *testing.T, kind id.Kind) string {
	t.Helper()
	found := c.first(kind)
	if found == "" {
		t.Fatalf("the company has no %s", kind)
	}
	return found
}

// What another tenant has cannot be told from what does not exist.
func TestTenantsAreApart(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		them, us := h.fill(t, h.found(t, "Them")), h.fill(t, h.found(t, "Us"))
		before := h.contents(them.ctx, t)
		ask := func(t *testing.T, c *company, r recipe, id string) (answer, string) {
			a := h.ask(t, c.secrets[r.scope], strings.ReplaceAll(c.own(r.text), "{{id}}", id), nil)
			discreet(t, a)
			return a, fmt.Sprint(a.status, strings.ReplaceAll(a.text, id, "…"))
		}
		every := recipes()
		for _, place := range slices.Sorted(maps.Keys(every)) {
			r := every[place]
			for _, kind := range r.kinds {
				t.Run(place+string(kind), func(t *testing.T) {
					foreign := them.any(t, kind)
					_, theirs := ask(t, us, r, foreign)
					_, nobodys := ask(t, us, r, kind.Format(id.New()))
					if theirs != nobodys {
						t.Errorf("another tenant's id gives\n%s\nan unknown one\n%s", theirs, nobodys)
					}
					// It is said to be none, or null where it is asked for itself; those lists take words alone.
					if none := strings.Contains(theirs, "null") && !strings.Contains(theirs, `"errors"`); !none && !strings.Contains(theirs, "NOT_FOUND") && !strings.HasPrefix(place, "Feedback.responses(") {
						t.Errorf("another tenant's id gives %s", theirs)
					}
				})
			}
		}
		if after := h.contents(them.ctx, t); after != before {
			t.Errorf("the other tenant had\n%s\nand has\n%s", before, after)
		}
		// What has no id of its own in the API, but a name. Those that make something of ours come last.
		if _, made := ask(t, them, of("", auth.Manage, `mutation {
			recordResponse(input: { campaign: "<camp:Support>", score: 3, idempotencyKey: "secret", contact: { externalId: "secret", email: "secret@example.com", name: "Secret" } }) {`+wrong+` }
			createCampaign(input: { name: "secret" }) {`+wrong+` }
			defineTrait(input: { key: "secret", kind: TEXT }) {`+wrong+` } }`), ""); strings.Contains(made, "message") {
			t.Fatal(made)
		}
		named := h.contents(them.ctx, t)
		for _, r := range []recipe{
			of("", auth.Read, `{ contact(externalId: "{{id}}") { id } }`),
			of("", auth.Read, `{ contact(email: "{{id}}@example.com") { id } }`),
			of("", auth.Read, `{ contacts(search: "{{id}}") { totalCount } }`),
			of("", auth.Read, `{ campaigns(search: "{{id}}") { totalCount } segments(search: "{{id}}") { totalCount } }`),
			of("", auth.Read, `{ feedback { breakdown(by: ["{{id}}"]) { values } } }`),
			of("", auth.Manage, `mutation { deleteTrait(input: { key: "{{id}}" }) { deletedId`+wrong+` } }`),
			of("", auth.Manage, `mutation { createCampaign(input: { name: "{{id}}" }) { campaign { name }`+wrong+` } }`),
			of("", auth.Collect, `mutation { recordResponse(input: { campaign: "<camp:Support>", score: 7, idempotencyKey: "{{id}}" }) { response { score }`+wrong+` } }`),
			of("", auth.Manage, `mutation { recordResponse(input: { campaign: "<camp:Support>", score: 7, contact: { externalId: "{{id}}" } }) { response { score contact { name email traits } }`+wrong+` } }`),
		} {
			_, theirs := ask(t, us, r, "secret")
			_, nobodys := ask(t, us, r, "nobody")
			if theirs != nobodys {
				t.Errorf("another tenant's name gives\n%s\nan unknown one\n%s", theirs, nobodys)
			}
		}
		if after := h.contents(them.ctx, t); after != named {
			t.Errorf("the other tenant had\n%s\nand has\n%s", named, after)
		}
	})
}

// For whoever is narrowed, what is outside cannot be told from what does not exist, whatever way it is asked for.
func TestNarrowedAreApart(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		us := h.fill(t, h.found(t, "Us"))
		for _, narrowed := range []struct {
			name, by string
			// outside are ids of ours that there are not for the token's holder.
			outside []string
		}{
			{"campaign", us.own(`campaigns: ["<camp:Support>"]`), []string{"camp:Relationship", "resp:00", "resp:02", "cont:c02", "cont:c04"}},
			{"segment", us.own(`segment: "<seg:Gamers>"`), []string{"seg:Loyal", "resp:01", "resp:11", "cont:c01", "cont:c06"}},
		} {
			token := h.token(t, us.secrets[auth.Admin], narrowed.by)
			every := recipes()
			for _, place := range slices.Sorted(maps.Keys(every)) {
				r := every[place]
				if strings.HasPrefix(place, "Mutation.") {
					continue // a narrowed token can only read
				}
				text := strings.ReplaceAll(r.text, "<seg:Loyal>", "<seg:Gamers>")
				ask := func(id string) string {
					a := h.ask(t, token, strings.ReplaceAll(us.own(text), "{{id}}", id), nil)
					discreet(t, a)
					return fmt.Sprint(a.status, strings.ReplaceAll(a.text, id, "…"))
				}
				for _, name := range narrowed.outside {
					kind := id.Kind(strings.SplitN(us.ids[name], "_", 2)[0])
					if !slices.Contains(r.kinds, kind) {
						continue
					}
					t.Run(narrowed.name+" "+place+" "+name, func(t *testing.T) {
						if outside, nobodys := ask(us.ids[name]), ask(kind.Format(id.New())); outside != nobodys {
							t.Errorf("an id from outside gives\n%s\nan unknown one\n%s", outside, nobodys)
						}
					})
				}
			}
		}
	})
}

// The recipes are no use if they ask in a way that finds nothing anyway.
func TestRecipesFindOnesOwn(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	read := h.fill(t, h.found(t, "Own"))
	every := recipes()
	for _, place := range slices.Sorted(maps.Keys(every)) {
		r := every[place]
		c := read
		if strings.HasPrefix(place, "Mutation.") {
			c = h.fill(t, h.found(t, "Own"))
		}
		for _, kind := range r.kinds {
			own := c.any(t, kind)
			if kind == id.Campaign {
				own = c.ids["camp:Support"]
			}
			if place == "Mutation.cancelInvitations(input.ids)" {
				own = c.ids["inv:planned"]
			}
			unknown := kind.Format(id.New())
			nobodys := h.ask(t, c.secrets[r.scope], strings.ReplaceAll(c.own(r.text), "{{id}}", unknown), nil)
			found := h.ask(t, c.secrets[r.scope], strings.ReplaceAll(c.own(r.text), "{{id}}", own), nil)
			if strings.HasPrefix(place, "Feedback.responses(filter.") { // which takes words alone
				if got := append(found.codes(), nobodys.codes()...); !slices.Equal(got, []string{"BAD_REQUEST", "BAD_REQUEST"}) {
					t.Errorf("%s: %s, and of nobody's %s", place, found.text, nobodys.text)
				}
				continue
			}
			if len(found.Errors) > 0 || strings.Contains(found.text, "message") {
				t.Errorf("%s finds nothing: %s", place, found.text)
			}
			if strings.ReplaceAll(found.text, own, "…") == strings.ReplaceAll(nobodys.text, unknown, "…") {
				t.Errorf("%s answers the same whether there is such a %s or not: %s", place, kind, found.text)
			}
		}
	}
}

// Another tenant's cursor is a place in the list, and nothing more.
func TestForeignCursors(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		us := h.fill(t, h.found(t, "Us"))
		them := h.fill(t, h.found(t, "Them"))
		for place, l := range lists() {
			if l.text == "" {
				continue
			}
			t.Run(place, func(t *testing.T) {
				var theirs []string
				a := h.ask(t, them.secrets[l.scope], them.own(fmt.Sprintf(l.text, "first: 1")), nil)
				for _, m := range regexp.MustCompile(`"cursor":"([^"]+)"`).FindAllStringSubmatch(a.text, -1) {
					theirs = append(theirs, m[1])
				}
				if len(theirs) != 1 || len(a.Errors) > 0 {
					t.Fatalf("no cursor in %s", a.text)
				}
				nobodys := cursor(t, l.order)
				for _, argument := range []string{`first: 100, after: %q`, `last: 100, before: %q`} {
					text := us.own(fmt.Sprintf(l.text, argument))
					foreign := h.ask(t, us.secrets[l.scope], fmt.Sprintf(text, theirs[0]), nil)
					unknown := h.ask(t, us.secrets[l.scope], fmt.Sprintf(text, nobodys), nil)
					if len(foreign.Errors) > 0 || foreign.text != unknown.text {
						t.Errorf("%s: another tenant's cursor gives\n%s\none of nothing\n%s", argument, foreign.text, unknown.text)
					}
					for name, id := range them.ids {
						if strings.Contains(foreign.text, id) {
							t.Errorf("%s: their %s is shown: %s", argument, name, foreign.text)
						}
					}
				}
			})
		}
	})
}

// cursor makes a cursor of the list's, as of a thing that never was, and came after all others.
func cursor(t *testing.T, order page.Order) string {
	t.Helper()
	k := page.Key{ID: id.New()}
	switch order.Column {
	case "":
	case "started_on":
		k.Value = int64(calendar.Of(2026, time.June, 1)) // that of the action
	default:
		k.Value = clock.Add(-60 * 60 * 1e9) // that of the newest answer
	}
	made, err := page.Of(t.Context(), page.Args{}, order, func(struct{}) page.Key { return k },
		func(context.Context, page.Window) ([]struct{}, error) { return make([]struct{}, 1), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made.Edges[0].Cursor
}

// contents is everything that the database holds of a tenant, but when its keys were used.
func (h *house) contents(ctx context.Context, t *testing.T) string {
	t.Helper()
	tables := map[string]string{"tenants": "id"}
	rows, err := h.DB.Reader.QueryContext(ctx, map[string]string{
		"sqlite3":  `SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND p.name = 'tenant_id'`,
		"postgres": `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id'`,
	}[h.DB.Dialect])
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		tables[table] = column
	}
	if err := rows.Err(); err != nil || len(tables) < 10 {
		t.Fatalf("the tables are %v, %v", tables, err)
	}
	var all []string
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		all = append(all, h.rows(ctx, t, table, tables[table])...)
	}
	return strings.Join(all, "\n")
}

func (h *house) rows(ctx context.Context, t *testing.T, table, column string) []string {
	t.Helper()
	rows, err := h.DB.Reader.QueryContext(ctx, fmt.Sprintf(`SELECT * FROM %s WHERE %s = $1`, table, column), auth.Tenant(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		text := table
		for i, name := range columns {
			if name != "last_used_at" {
				text += fmt.Sprintf(" %s=%v", name, values[i])
			}
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}
