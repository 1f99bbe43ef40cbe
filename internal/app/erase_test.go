package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/outreach/bounce"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/trait"
)

// marker is in all that is planted, and nowhere else.
const marker = "qzmarkedzq"

// planting is a server that people are put into, and taken out of again.
type planting struct {
	t        *testing.T
	app      *app.App
	ctx      context.Context //nolint:containedctx // it names the tenant
	tenant   uuid.UUID
	url      string
	secret   string
	campaign string
	random   *rand.Rand
	// mails is the folder that mails are written to.
	mails string
	// planted are the input fields that a marker went into.
	planted map[string]bool
}

func plant(t *testing.T, url, mails string, log *lines) *planting {
	t.Helper()
	a, err := app.Open(t.Context(), app.Config{Database: url, Log: observe.NewLogger(log, true, -4)})
	if err != nil {
		t.Fatal(err)
	}
	p := &planting{t: t, app: a, mails: mails, random: rand.New(rand.NewPCG(1, 2)), planted: map[string]bool{}}
	if err := a.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := a.Listen(t.Context(), "127.0.0.1:0", app.Edge{Mail: app.Mail{MailFolder: mails}}, playground.Page{})
	if err != nil {
		t.Fatal(err)
	}
	p.url = "http://" + s.Addr.String() + "/graphql"
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Wait(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-stopped, a.Close()); err != nil {
			t.Error(err)
		}
	})
	if p.secret, err = a.First(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.ctx, p.tenant, err = a.As(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.DefineTrait(p.ctx, a.Builder, settings.DefineTraitInput{Key: "tier", Kind: trait.Text, IsDimension: true}); err != nil {
		t.Fatal(err)
	}
	var made struct {
		CreateCampaign struct{ Campaign struct{ ID string } }
	}
	p.ask(`mutation($in: CreateCampaignInput!) { createCampaign(input: $in) { campaign { id } userErrors { message } } }`, map[string]any{"name": "Campaign"}, &made)
	p.campaign = made.CreateCampaign.Campaign.ID
	return p
}

func (p *planting) ask(query string, in, out any) {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"in": in}})
	if err != nil {
		p.t.Fatal(err)
	}
	_, text := get(p.t, "POST", p.url, string(body), map[string]string{"Authorization": "Bearer " + p.secret, "Content-Type": "application/json"})
	var a struct {
		Data   json.RawMessage
		Errors []any
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Errors != nil || !strings.Contains(text, `"userErrors":[]`) && strings.HasPrefix(query, "mutation") {
		p.t.Fatalf("%s of %.2000v: %.2000s", query, in, text)
	}
	if out != nil {
		if err := json.Unmarshal(a.Data, out); err != nil {
			p.t.Fatal(err)
		}
	}
}

// mark is a text with the marker, or one like it, of some length.
func (p *planting) mark(field string, marked bool, most int) string {
	text := "qzinnocent"
	if marked {
		text = marker
		p.planted[field] = true
	}
	text = fmt.Sprintf("%08x%s", p.random.Uint32(), text)
	return text + strings.Repeat("x", p.random.IntN(most))
}

func (p *planting) traits(field string, marked bool) map[string]any {
	traits := map[string]any{"plan": "gold"}
	for range p.random.IntN(3) {
		traits["t"+p.mark(field, marked, 20)] = p.mark(field, marked, 300)
	}
	traits["alone"] = p.mark(field, marked, 20)
	return traits
}

func (p *planting) person(marked bool, number int) map[string]any {
	locale := "en-x-innocent"
	if marked {
		locale = "en-x-" + marker[:8]
		p.planted["ContactInput.locale"], p.planted["RecordResponseInput.locale"] = true, true
	}
	traits := p.traits("ContactInput.traits", marked)
	traits["tier"] = p.mark("ContactInput.traits", marked, 20)
	return map[string]any{
		"externalId": p.mark("ContactInput.externalId", marked, 100),
		"email":      fmt.Sprintf("%s%d@example.org", p.mark("ContactInput.email", marked, 40)[:18], number),
		"phone":      p.mark("ContactInput.phone", marked, 10),
		"name":       p.mark("ContactInput.name", marked, 100),
		"locale":     locale,
		"traits":     traits,
	}
}

// answer is a recording: of somebody, or of nobody.
func (p *planting) answer(marked bool, person map[string]any) map[string]any {
	in := map[string]any{
		"campaign": p.campaign, "score": p.random.IntN(11), "contact": person,
		"idempotencyKey": p.mark("RecordResponseInput.idempotencyKey", marked, 50),
		"traits":         p.traits("RecordResponseInput.traits", marked),
		"comment":        p.mark("RecordResponseInput.comment", marked, []int{20, 500, 9_000}[p.random.IntN(3)]),
	}
	if person != nil {
		in["locale"] = person["locale"]
	}
	return in
}

// TestErasedIsGone plants a marker by every input that takes a text of people, replaces, removes, deletes and erases,
// and looks for it in everything that is kept, while the server runs and somebody has been reading since before.
func TestErasedIsGone(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		scratch := t.TempDir()
		for _, name := range []string{"TMPDIR", "SQLITE_TMPDIR"} {
			t.Setenv(name, scratch)
		}
		var log lines
		p := plant(t, url, filepath.Join(scratch, "mails"), &log)
		const record = `mutation($in: RecordResponsesInput!) { recordResponses(input: $in) { responses { id contact { id } } userErrors { message } } }`
		type recorded struct {
			ID      string
			Contact *struct{ ID string }
		}
		var people, nobodies []string
		var marked []recorded
		for round := range 12 {
			var items []any
			var isMarked []bool
			for i := range 100 {
				m := p.random.IntN(2) == 0
				var person map[string]any
				if p.random.IntN(4) > 0 {
					person = p.person(m, round*100+i)
				}
				items, isMarked = append(items, p.answer(m, person)), append(isMarked, m)
			}
			var out struct {
				RecordResponses struct{ Responses []recorded }
			}
			p.ask(record, map[string]any{"responses": items}, &out)
			for i, r := range out.RecordResponses.Responses {
				switch {
				case !isMarked[i]:
				case r.Contact != nil:
					people = append(people, r.Contact.ID)
					marked = append(marked, r)
				default:
					nobodies = append(nobodies, r.ID)
				}
			}
		}
		// Amended again and again, brought up to date, and completed.
		for _, r := range marked[:40] {
			for range 2 {
				p.ask(`mutation($in: AmendResponseInput!) { amendResponse(input: $in) { userErrors { message } } }`,
					map[string]any{"id": r.ID, "comment": p.mark("AmendResponseInput.comment", true, 5_000)}, nil)
			}
		}
		p.invite(people[:50])
		people = append(people, p.mail()...)
		// What is removed, and replaced, of people who stay.
		const upsert = `mutation($in: UpsertContactsInput!) { upsertContacts(input: $in) { userErrors { message } } }`
		stays := p.person(true, -1)
		stays["externalId"] = "stays"
		p.ask(upsert, map[string]any{"contacts": []any{stays}}, nil)
		gone := map[string]any{"externalId": "stays", "email": "stays@example.org", "phone": "1", "name": "Stays", "locale": "en", "traits": map[string]any{}}
		for key := range stays["traits"].(map[string]any) {
			gone["traits"].(map[string]any)[key] = nil
		}
		var kept struct {
			RecordResponses struct{ Responses []recorded }
		}
		p.ask(record, map[string]any{"responses": []any{map[string]any{"campaign": p.campaign, "score": 9, "comment": p.mark("", true, 50)}}}, &kept)
		people = append(people, p.looks(marked[0].Contact.ID)...)
		p.ask(`query($in: String) { contacts(search: $in) { totalCount } responses(filter: { search: $in }) { totalCount } }`, marker, nil)
		if found := p.find(url, scratch, &log); len(found) == 0 {
			t.Fatal("nothing was planted")
		}
		p.indexed()

		// Somebody reads, and has not finished yet.
		reading, err := p.app.DB.Reader.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := reading.QueryRowContext(t.Context(), `SELECT count(*) FROM contacts`).Scan(new(int)); err != nil {
			t.Fatal(err)
		}
		p.ask(upsert, map[string]any{"contacts": []any{gone}}, nil)
		p.ask(`mutation($in: AmendResponseInput!) { amendResponse(input: $in) { userErrors { message } } }`, map[string]any{"id": kept.RecordResponses.Responses[0].ID, "comment": ""}, nil)
		for _, id := range people {
			p.ask(`mutation($in: EraseContactInput!) { eraseContact(input: $in) { userErrors { message } } }`, map[string]any{"id": id}, nil)
		}
		for _, id := range nobodies {
			p.ask(`mutation($in: DeleteResponseInput!) { deleteResponse(input: $in) { userErrors { message } } }`, map[string]any{"id": id}, nil)
		}
		if p.app.DB.Dialect == store.SQLite && len(p.find(url, scratch, &log)) == 0 {
			t.Error("what is still being read is gone already")
		}
		if err := reading.Rollback(); err != nil {
			t.Fatal(err)
		}
		p.indexed()
		p.mailed(0)
		if err := p.app.DB.Forgotten(t.Context()); err != nil {
			t.Fatal(err)
		}
		// All but the values of a dimension, which are in the dictionary of profiles until the next rebuild.
		if found := p.find(url, scratch, &log); len(found) != 1 || strings.HasSuffix(found[0], "-wal") {
			t.Errorf("what was erased is in %v, want the dictionary of profiles alone", found)
		}
		p.ask(`mutation($in: UpdateTenantInput!) { updateTenant(input: $in) { userErrors { message } } }`, map[string]any{"timeZone": "Asia/Tokyo"}, nil)
		if err := p.app.Builder.Rebuild(p.ctx, p.tenant); err != nil {
			t.Fatal(err)
		}
		if err := p.app.DB.Forgotten(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, where := range p.find(url, scratch, &log) {
			t.Errorf("what was erased is still in %s", where)
		}
		p.everyInput()
	})
}

// looks has people look at a page whose campaign counts that, so that what is to be recorded waits with their names in it: somebody who is
// known, by both names, and somebody who becomes known only then. It gives the latter's contact.
func (p *planting) looks(known string) []string {
	p.t.Helper()
	c, err := campaign.Create(p.ctx, p.app.DB, campaign.CreateInput{Name: "Asked by mail"})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := survey.Update(p.ctx, p.app.DB, survey.UpdateInput{Campaign: c.NodeID(), ClickPolicy: new(survey.Automatic)}); err != nil {
		p.t.Fatal(err)
	}
	sheet, err := p.app.Book.Sheet(p.ctx, c.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	person, err := id.Contact.Parse(known)
	if err != nil {
		p.t.Fatal(err)
	}
	is, err := p.app.DB.Ent.Contact.Get(p.ctx, person)
	if err != nil {
		p.t.Fatal(err)
	}
	stranger := p.person(true, 10_000)
	for _, r := range []survey.Reader{
		{Email: *is.Email}, {ExternalID: *is.ExternalID}, {Email: stranger["email"].(string)}, {ExternalID: stranger["externalId"].(string)},
	} {
		r.Channel, r.Traits = "EMAIL", trait.Values{"t": p.mark("", true, 100)}
		nonce, err := sheet.Ring.NewNonce("page", time.Now())
		if err != nil {
			p.t.Fatal(err)
		}
		if err := p.app.Desk.Looked(p.ctx, sheet, r, 9, nonce); err != nil {
			p.t.Fatal(err)
		}
	}
	rows, err := p.app.DB.Ent.ProvisionalAnswer.Query().All(p.ctx)
	if err != nil || len(rows) != 4 {
		p.t.Fatal(rows, err)
	}
	for _, row := range rows {
		if !strings.Contains(string(row.Answer), marker) {
			p.t.Errorf("%s names nobody", row.Answer)
		}
	}
	var out struct {
		UpsertContacts struct{ Contacts []struct{ ID string } }
	}
	p.ask(`mutation($in: UpsertContactsInput!) { upsertContacts(input: $in) { contacts { id } userErrors { message } } }`, map[string]any{"contacts": []any{stranger}}, &out)
	return []string{out.UpsertContacts.Contacts[0].ID}
}

// invite invites people, with traits of the occasion and a browser that are marked.
func (p *planting) invite(people []string) {
	p.t.Helper()
	err := p.app.DB.Write(p.ctx, func(tx *store.Tx) error {
		campaign, err := id.Campaign.Parse(p.campaign)
		if err != nil {
			return err
		}
		for _, text := range people {
			person, err := id.Contact.Parse(text)
			if err != nil {
				return err
			}
			now := time.Now().UTC()
			err = tx.Ent.Invitation.Create().SetCampaignID(campaign).SetContactID(person).SetChannel(invitation.ChannelWIDGET).
				SetStatus(invitation.StatusSENT).SetLocale("en").SetTraits(trait.Values{p.mark("", true, 20): p.mark("", true, 300)}).
				SetVisitor([]byte(marker)).SetDueAt(now).SetSentAt(now).Exec(p.ctx)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// mail asks people by mail: some at once, some after an event, with all that is said of them marked. One mail comes back, and one address is
// suppressed. It gives their contacts.
func (p *planting) mail() (people []string) {
	p.t.Helper()
	p.ask(`mutation($in: SetScheduleInput!) { setSchedule(input: $in) { userErrors { message } } }`, map[string]any{
		"campaign": p.campaign, "schedule": map[string]any{
			"occasion": map[string]any{"onEvent": map[string]any{"event": "purchase"}},
			"window":   map[string]any{"weekdays": []string{"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"}, "fromHour": 0, "toHour": 24},
		},
	}, nil)
	var invitees, events, emails []any
	for i := range 10 {
		person, other := p.person(true, 20_000+i), p.person(true, 30_000+i)
		invitees = append(invitees, map[string]any{
			"contact": person, "traits": p.traits("InviteeInput.traits", true), "idempotencyKey": p.mark("InviteeInput.idempotencyKey", true, 50),
		})
		events = append(events, map[string]any{
			"contact": other, "name": "purchase", "traits": p.traits("ContactEventInput.traits", true),
			"idempotencyKey": p.mark("ContactEventInput.idempotencyKey", true, 50),
		})
		emails = append(emails, person["email"])
	}
	var invited struct {
		InviteContacts struct {
			Invitations []struct {
				ID      string
				Contact struct{ ID string }
			}
		}
	}
	p.ask(`mutation($in: InviteContactsInput!) { inviteContacts(input: $in) { invitations { id contact { id } } userErrors { message } } }`,
		map[string]any{"campaign": p.campaign, "invitees": invitees}, &invited)
	p.ask(`mutation($in: RecordEventsInput!) { recordEvents(input: $in) { recorded userErrors { message } } }`, map[string]any{"events": events}, nil)
	p.mailed(20)
	p.ask(`mutation($in: SuppressAddressesInput!) { suppressAddresses(input: $in) { added userErrors { message } } }`, map[string]any{"emails": emails[:5]}, nil)
	err := p.app.Outreach.Reported(p.ctx, []bounce.Report{
		{Invitation: invited.InviteContacts.Invitations[9].ID, Kind: bounce.Hard, Reason: "550 5.1.1 no mailbox " + marker, At: time.Now()},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var all struct {
		Campaign struct {
			Invitations struct {
				Nodes []struct{ Contact struct{ ID string } }
			}
		}
	}
	p.ask(`query($in: ID!) { campaign(id: $in) { invitations(channels: [EMAIL]) { nodes { contact { id } } } } }`, p.campaign, &all)
	for _, i := range all.Campaign.Invitations.Nodes {
		people = append(people, i.Contact.ID)
	}
	if len(people) != 20 {
		p.t.Fatalf("%d people are asked by mail, want 20", len(people))
	}
	return people
}

// mailed waits until there are so many mails.
func (p *planting) mailed(n int) {
	p.t.Helper()
	for there := -1; there != n; {
		files, err := filepath.Glob(filepath.Join(p.mails, "*.eml"))
		if err != nil {
			p.t.Fatal(err)
		}
		if there = len(files); p.t.Context().Err() != nil {
			p.t.Fatalf("there are %d mails, want %d", there, n)
		}
		runtime.Gosched()
	}
}

// indexed waits until the search index has come to the end of the log.
func (p *planting) indexed() {
	p.t.Helper()
	for lag, known := int64(1), false; lag > 0 || !known; {
		position, is, err := follow.Position(p.ctx, p.app.DB.Reader, follow.Follower{Tenant: p.tenant, Kind: search.Name})
		if err != nil {
			p.t.Fatal(err)
		}
		known = is
		if err := p.app.DB.Reader.QueryRowContext(p.ctx, `SELECT log_position - $2 FROM tenants WHERE id = $1`, p.tenant, position).Scan(&lag); err != nil {
			p.t.Fatal(err)
		}
	}
}

// find names the files, or on PostgreSQL the tables, that hold the marker.
func (p *planting) find(url, scratch string, log *lines) (found []string) {
	p.t.Helper()
	if strings.Contains(log.String(), marker) {
		found = append(found, "the log")
	}
	look := func(root string) {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a file of SQLite's that is gone by now
			}
			if n := bytes.Count(text, []byte(marker)) + bytes.Count(text, []byte("en-x-"+marker[:8])); n > 0 {
				found = append(found, fmt.Sprintf("%s (%d times)", filepath.Base(path), n))
			}
			return err
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	look(scratch)
	if p.app.DB.Dialect == store.SQLite {
		look(filepath.Dir(strings.TrimPrefix(url, "sqlite://")))
		return found
	}
	for _, table := range p.tables() {
		var n int
		if err := p.app.DB.Reader.QueryRowContext(p.t.Context(),
			fmt.Sprintf(`SELECT count(*) FROM %s t WHERE t::text LIKE '%%' || $1 || '%%' OR t::text LIKE '%%en-x-' || left($1, 8) || '%%'`, table), marker).Scan(&n); err != nil {
			p.t.Fatal(err)
		}
		if n > 0 {
			found = append(found, fmt.Sprintf("%s (%d rows)", table, n))
		}
	}
	return found
}

func (p *planting) tables() (names []string) {
	rows, err := p.app.DB.Reader.QueryContext(p.t.Context(), `SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			p.t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil || len(names) < 10 {
		p.t.Fatalf("%d tables, %v", len(names), err)
	}
	return names
}

// everyInput wants a marker to have been in each field by which a text about people comes in.
func (p *planting) everyInput() {
	p.t.Helper()
	none := []string{
		"RecordResponseInput.campaign", "AmendResponseInput.id", // ids
		"RecordResponseInput.variant",                     // of the survey, and stays with the score
		"ContactInput.timeZone", "ContactEventInput.name", // names of zones, and of what schedules wait for
	}
	s := graph.Schema(&graph.Resolver{}).Schema()
	for _, name := range []string{"RecordResponseInput", "ContactInput", "AmendResponseInput", "InviteeInput", "ContactEventInput"} {
		for _, f := range s.Types[name].Fields {
			field := name + "." + f.Name
			kind := s.Types[f.Type.Name()]
			text := kind.Kind == ast.Scalar && !slices.Contains([]string{"Int", "DateTime"}, kind.Name)
			if text != (p.planted[field] || slices.Contains(none, field)) {
				p.t.Errorf("%s: a text: %t, and planted: %t", field, text, p.planted[field])
			}
		}
	}
}

// TestExposedIsTold opens a database that others on the machine may read.
func TestExposedIsTold(t *testing.T) {
	url := storetest.SQLite(t)
	file := strings.TrimPrefix(url, "sqlite://")
	for _, test := range []struct {
		mode fs.FileMode
		told int
	}{{0, 0}, {0o600, 0}, {0o644, 1}} {
		if test.mode != 0 {
			if err := os.Chmod(file, test.mode); err != nil {
				t.Fatal(err)
			}
		}
		var log lines
		a, err := app.Open(t.Context(), app.Config{Database: url, Log: observe.NewLogger(&log, true, -4)})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Work(t.Context()), a.Close()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "others on this machine"); got != test.told || got > 0 && !strings.Contains(log.String(), "chmod 600 "+file) {
			t.Errorf("%v: told %d times, want %d:\n%s", test.mode, got, test.told, log.String())
		}
	}
}
