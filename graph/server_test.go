package graph_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/provisionalanswer"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/ent/schedule"
	"github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey/click"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// clock is what the servers' clock shows, always.
var clock = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// house is the program as it is served, on a database of its own.
type house struct {
	*app.App

	url      string
	mails    string // where mails are written to
	log      *bytes.Buffer
	operator string
}

// each runs the test against a server on each database.
func each(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, databaseURL string) { test(t, open(t, databaseURL)) })
}

func open(t *testing.T, databaseURL string, edge ...app.Edge) *house {
	t.Helper()
	h := &house{log: &bytes.Buffer{}}
	var err error
	h.App, err = app.Open(t.Context(), app.Config{
		Database: databaseURL, Volatile: true, Log: slog.New(slog.NewTextHandler(h.log, nil)), Now: func() time.Time { return clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	flags := append(edge, app.Edge{PublicURL: "https://nps.example"})[0]
	h.mails = t.TempDir()
	flags.MailFolder = h.mails
	s, err := h.Listen(t.Context(), "127.0.0.1:0", flags, playground.Page{})
	if err != nil {
		t.Fatal(err)
	}
	h.url = "http://" + s.Addr.String() + "/graphql"
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Wait(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := errors.Join(<-stopped, h.Close()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", h.log)
		}
	})
	if _, h.operator, err = tenant.CreateOperatorKey(t.Context(), h.DB, "Operator"); err != nil {
		t.Fatal(err)
	}
	return h
}

// answer is what the server answered.
type answer struct {
	status int
	header http.Header
	// text is the whole body but for the cost, the rest what it says.
	text   string
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct{ Code string }
	}
	Extensions struct {
		Cost *struct{ Requested, Actual, Available, RestoreRate float64 }
	}
}

// costs are what answers say of the caller's bucket, which is another at every moment.
var costs = regexp.MustCompile(`,"extensions":\{"cost":\{[^}]*\}\}|"cost":\{[^}]*\},`)

// codes are those of the errors, in order.
func (a answer) codes() []string {
	var codes []string
	for _, e := range a.Errors {
		codes = append(codes, e.Extensions.Code)
	}
	return codes
}

// ask posts a document with a key, or none where the secret is empty.
func (h *house) ask(t testing.TB, secret, query string, variables map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(strings.TrimSpace(query), "subscription") {
		return h.first(t, secret, string(body))
	}
	return h.post(t, secret, string(body))
}

// first posts a subscription and gives its first event, or why there is none.
func (h *house) first(t testing.TB, secret, body string) answer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := h.send(ctx, t, secret, body, "text/event-stream")
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.text = string(text)
	}
	for lines := bufio.NewScanner(resp.Body); a.text == "" && lines.Scan(); {
		a.text = strings.TrimSpace(strings.TrimPrefix(lines.Text(), "data:"))
		if a.text == lines.Text() {
			a.text = ""
		}
	}
	if a.text == "" {
		return a // complete, with no event
	}
	if err := json.Unmarshal([]byte(a.text), &a); err != nil {
		t.Fatalf("%s answers no JSON: %v: %s", body, err, a.text)
	}
	return a
}

func (h *house) send(ctx context.Context, t testing.TB, secret, body, accept string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func (h *house) post(t testing.TB, secret, body string) answer {
	t.Helper()
	resp := h.send(t.Context(), t, secret, body, "")
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: costs.ReplaceAllString(string(text), "")}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s answers no JSON: %v: %s", body, err, text)
	}
	return a
}

// token makes an access token by a key; the narrowing is the rest of the input.
func (h *house) token(t testing.TB, secret, narrowing string) string {
	t.Helper()
	a := h.ask(t, secret, fmt.Sprintf(`mutation { createAccessToken(input: { scopes: [READ] %s }) { token userErrors { field message } } }`, narrowing), nil)
	var data struct{ CreateAccessToken struct{ Token string } }
	if err := json.Unmarshal(a.Data, &data); err != nil || data.CreateAccessToken.Token == "" {
		t.Fatalf("no token: %v %s", err, a.text)
	}
	return data.CreateAccessToken.Token
}

// company is a tenant with a key of each scope, and what fill put into it.
type company struct {
	ctx     context.Context //nolint:containedctx // it names the tenant
	secrets map[auth.Scope]string
	// ids are the ids of what it has, by names such as `camp:Relationship`.
	ids map[string]string
	// about are the ids that something was made with, by its own.
	about map[string][]string
}

func (h *house) found(t testing.TB, name string) *company {
	t.Helper()
	made, secret, err := tenant.Create(t.Context(), h.DB, tenant.CreateInput{Name: name, TimeZone: "Europe/Amsterdam", Industry: new("internet-provider")})
	if err != nil {
		t.Fatal(err)
	}
	c := &company{
		ctx:     auth.ForTenant(t.Context(), made.ID),
		secrets: map[auth.Scope]string{auth.Admin: secret, auth.Operator: h.operator},
		ids:     map[string]string{"tenant:own": made.NodeID()},
		about:   map[string][]string{},
	}
	for _, scope := range []auth.Scope{auth.Collect, auth.Read, auth.Manage} {
		key, secret, err := tenant.CreateKey(c.ctx, h.DB, tenant.CreateKeyInput{Name: string(scope), Scopes: []auth.Scope{scope}})
		if err != nil {
			t.Fatal(err)
		}
		c.secrets[scope], c.ids["key:"+string(scope)] = secret, key.NodeID()
	}
	return c
}

// fill gives a new tenant campaigns, traits, segments, contacts and two years of responses, always the same.
func (h *house) fill(t testing.TB, c *company) *company {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range []settings.DefineTraitInput{
		{Key: "persona", Kind: trait.Text, IsDimension: true},
		{Key: "plan", Label: new("Plan"), Kind: trait.Text, IsDimension: true},
		{Key: "fibre", Kind: trait.Boolean, IsDimension: true},
		{Key: "household", Kind: trait.Number, IsDimension: true, Edges: []float64{2, 4}},
		{Key: "since", Label: new("Months as a customer"), Kind: trait.Date, IsDimension: true, Edges: []float64{3, 12, 24, 60}},
		{Key: "router", Kind: trait.Text},
	} {
		made, err := settings.DefineTrait(c.ctx, h.Builder, in)
		must(err)
		c.ids["trait:"+in.Key] = made.NodeID()
	}
	for _, name := range []string{"Relationship", "Support", "Paused", "Closed"} {
		made, err := campaign.Create(c.ctx, h.DB, campaign.CreateInput{Name: name})
		must(err)
		c.ids["camp:"+name] = made.NodeID()
	}
	months := 24.0
	for _, in := range []settings.CreateSegmentInput{
		{Name: "Gamers", Rule: segment.Rule{All: []segment.Rule{
			{Trait: &segment.Condition{Key: "persona", In: []string{"gamer"}}},
			{Trait: &segment.Condition{Key: "plan", In: []string{"Basic", "Plus"}}},
		}}},
		{Name: "Loyal", Rule: segment.Rule{Trait: &segment.Condition{Key: "since", AtLeast: &months}}},
	} {
		made, err := settings.CreateSegment(c.ctx, h.DB, in)
		must(err)
		c.ids["seg:"+in.Name] = made.NodeID()
	}

	out, err := h.Log.Record(c.ctx, answers(c))
	must(err)
	for i, o := range out {
		must(o.Errors.Err())
		c.ids[fmt.Sprintf("resp:%02d", i)] = o.Value.NodeID()
		if o.Value.ContactID != nil {
			c.ids[fmt.Sprintf("cont:c%02d", i%people)] = id.Contact.Format(*o.Value.ContactID)
		}
	}
	must(h.DB.Write(c.ctx, func(tx *store.Tx) error { return invite(tx, c) }))
	for name, status := range map[string]entcampaign.Status{"Paused": entcampaign.StatusPAUSED, "Closed": entcampaign.StatusCLOSED} {
		_, err := campaign.Update(c.ctx, h.DB, campaign.UpdateInput{ID: c.ids["camp:"+name], Status: &status})
		must(err)
	}
	must(h.open(c))
	h.makeOthers(t, c)
	return c
}

// open opens links: what somebody known did, what a scanner did, and what somebody did whom nobody knows.
func (h *house) open(c *company) error {
	tenant := auth.Tenant(c.ctx)
	at := func(campaign, externalID string) (click.Place, click.Who) {
		u, err := id.Campaign.Parse(c.ids["camp:"+campaign])
		if err != nil {
			panic(err) // it was made here
		}
		return click.Place{Tenant: tenant, Campaign: u, Recipient: contact.Recipient(tenant, contact.NameOf(externalID, ""))}, click.Who{ExternalID: externalID, Since: clock}
	}
	for i, o := range []struct {
		campaign, who string
		scores        []int
		open          click.Open
	}{
		{"Relationship", "c02", []int{9, 10}, click.Open{}},
		{"Relationship", "c03", []int{0, 1, 2, 3}, click.Open{Head: true, Known: true}},
		{"Relationship", "unknown", nil, click.Open{Hidden: true}},
		{"Relationship", "another", []int{7}, click.Open{}},
		{"Support", "c02", []int{5}, click.Open{}},
	} {
		place, who := at(o.campaign, o.who)
		when := clock.Add(time.Duration(i-4)*time.Minute - 59*time.Minute) // the last of the first campaign an hour ago
		if o.scores == nil {
			h.Clicks.Opened(place, who, o.open, when)
		}
		for j := range o.scores {
			o.open.Score = &o.scores[j]
			h.Clicks.Opened(place, who, o.open, when.Add(time.Duration(j)*time.Second))
		}
	}
	if err := h.Clicks.Flush(c.ctx); err != nil {
		return err
	}
	rows, err := h.DB.Ent.ProvisionalAnswer.Query().Order(provisionalanswer.ByFirstOpenedAt()).All(c.ctx)
	for i, row := range rows {
		c.ids[fmt.Sprintf("prov:%d", i)] = row.NodeID()
	}
	return err
}

// makeOthers makes one of each kind that the company has none of yet, by the mutation that makes it, which is given no more
// than it must be.
func (h *house) makeOthers(t testing.TB, c *company) {
	t.Helper()
	s := graph.Schema(&graph.Resolver{}).Schema()
	for _, def := range s.PossibleTypes["Node"] {
		kind := kindOfType(s, def.Name)
		makes := s.Mutation.Fields.ForName("create" + def.Name)
		if c.first(kind) != "" || makes == nil {
			continue
		}
		r, _ := mutationRecipe(s, makes, "id")
		text := c.own(r.text)
		a := h.ask(t, c.secrets[r.scope], text, nil)
		made := regexp.MustCompile(`"(` + string(kind) + `_[^"]+)"`).FindStringSubmatch(a.text)
		if made == nil {
			t.Fatalf("%s makes none: %s", r.text, a.text)
		}
		c.ids[string(kind)+":made"], c.about[made[1]] = made[1], typeIDs.FindAllString(text, -1)
	}
}

// invite makes an invitation of each kind.
func invite(tx *store.Tx, c *company) error {
	for i, in := range []struct {
		name, campaign, contact, response string
		channel                           invitation.Channel
		status                            invitation.Status
		because                           invitation.SkippedBecause
	}{
		{"answered", "camp:Support", "cont:c05", "resp:05", "WIDGET", invitation.StatusANSWERED, ""},
		{"declined", "camp:Support", "", "", "WIDGET", invitation.StatusDECLINED, ""},
		{"sent", "camp:Relationship", "cont:c01", "", "EMAIL", invitation.StatusSENT, ""},
		{"bounced", "camp:Relationship", "cont:c02", "", "EMAIL", invitation.StatusBOUNCED, ""},
		{"skipped", "camp:Relationship", "cont:c03", "", "WIDGET", invitation.StatusSKIPPED, invitation.SkippedBecauseQUIET_PERIOD},
		{"not sampled", "camp:Relationship", "cont:c04", "", "WIDGET", invitation.StatusSKIPPED, invitation.SkippedBecauseNOT_SAMPLED},
		{"planned", "camp:Support", "cont:c06", "", "EMAIL", invitation.StatusPLANNED, ""},
	} {
		at := clock.Add(-time.Duration(i) * 50 * time.Hour)
		campaign, err := id.Campaign.Parse(c.ids[in.campaign])
		if err != nil {
			return err
		}
		plan := id.New()
		made := tx.Ent.Invitation.Create().SetCampaignID(campaign).SetChannel(in.channel).SetStatus(in.status).SetLocale("nl").SetTraits(trait.Values{}).SetDueAt(at)
		if in.contact != "" {
			contact, err := id.Contact.Parse(c.ids[in.contact])
			if err != nil {
				return err
			}
			made.SetContactID(contact).SetVariant("A")
		}
		if in.response != "" {
			response, err := id.Response.Parse(c.ids[in.response])
			if err != nil {
				return err
			}
			made.SetResponseID(response)
		}
		if in.because != "" {
			made.SetSkippedBecause(in.because)
		} else if in.status != invitation.StatusPLANNED {
			made.SetSentAt(at)
		}
		switch in.status {
		case invitation.StatusBOUNCED:
			made.SetBouncedAt(at.Add(time.Hour)).SetBounceKind(invitation.BounceKindSOFT).SetBounceReason("452 4.2.2 The mailbox is full.")
		case invitation.StatusSENT:
			made.SetRemindedAt(at.Add(120 * time.Hour)).SetDeliveredAt(at.Add(time.Minute))
		case invitation.StatusPLANNED:
			made.SetPlan(plan).SetOccasion("event:1:purchase")
			err := tx.Ent.Schedule.Create().SetCampaignID(campaign).SetPlan(plan).SetOccasion(schedule.OccasionON_EVENT).SetEvent("purchase").
				SetDelayMinutes(90).SetSamplePercent(100).SetMonthlyBudget(1_000).SetWeekdays(31).SetFromHour(9).SetToHour(17).SetReminderAfterDays(5).Exec(c.ctx)
			if err != nil {
				return err
			}
		}
		saved, err := made.Save(c.ctx)
		if err != nil {
			return err
		}
		c.ids["inv:"+in.name] = saved.NodeID()
	}
	code := sha256.Sum256([]byte("12345678"))
	err := tx.Ent.Outreach.Create().SetUnconfirmedAddress("us@example.com").SetCodeHash(code[:]).SetCodeSentAt(clock).Exec(c.ctx)
	if err != nil {
		return err
	}
	bounced, err := id.Invitation.Parse(c.ids["inv:bounced"])
	if err != nil {
		return err
	}
	barred, err := tx.Ent.Suppression.Create().SetEmail("gone@example.com").SetEmailKey("gone@example.com").SetEmailHash("none").
		SetReason(suppression.ReasonBOUNCED).SetInvitationID(bounced).SetCreatedAt(clock).Save(c.ctx)
	if err != nil {
		return err
	}
	c.ids["supp:gone"] = barred.NodeID()
	return nil
}

// people is how many contacts a filled tenant has.
const people = 12

// answers are 96 answers over two years, the newest first, from twelve people and some whom nobody knows.
func answers(c *company) []feedback.Recording {
	var all []feedback.Recording
	for i := range 96 {
		at := clock.Add(-time.Duration(i)*182*time.Hour - time.Hour)
		r := feedback.Recording{
			Campaign: c.ids["camp:Relationship"], Score: (i*i + 7*i + 9) % 11, RespondedAt: &at,
			Channel: []response.Channel{"EMAIL", "LINK", "WIDGET", "API", "IMPORT"}[i%5],
		}
		if i%4 == 1 {
			r.Campaign = c.ids["camp:Support"]
		}
		if i%32 == 30 {
			r.Campaign = c.ids["camp:Closed"]
		}
		if i%3 > 0 {
			r.Variant = new([]string{"", "A", "B"}[i%3])
		}
		if i%4 < 2 {
			r.Comment = new([]string{"Too slow in the evening.", "The technician was très kind.", "Slow, but the price is fair."}[i%3])
		}
		switch n := i % people; n {
		case people - 1:
			r.Traits = trait.Values{"plan": "Basic"}
		default:
			in := contact.Input{ExternalID: new(fmt.Sprintf("c%02d", n)), Traits: trait.Values{
				"persona": []string{"gamer", "family", "senior"}[n%3], "plan": []string{"Basic", "Plus", "Max", "Basic"}[n%4],
				"since": fmt.Sprintf("%d-03-15", 2012+n), "router": fmt.Sprintf("R%d", n),
			}}
			if n%2 == 0 {
				in.Email, in.Name, in.Traits["household"] = new(fmt.Sprintf("C%02d@example.com", n)), new([]string{"Åsa", "Ben"}[n/2%2]), float64(1+n%5)
			}
			if n%3 == 0 {
				in.Traits["fibre"], in.Locale, in.Phone = n%2 == 0, new("nl-NL"), new("+31 20 1234567")
			}
			r.Contact = &in
		}
		all = append(all, r)
	}
	return all
}
