package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// newTenant makes a tenant, and a context in which it calls.
func newTenant(t *testing.T, db *store.DB) context.Context {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return auth.ForTenant(t.Context(), made.ID)
}

// refusals writes user errors as `CODE field.field`.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var errs apierror.UserErrors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want user errors", err)
	}
	var texts []string
	for _, e := range errs {
		if e.Message == "" {
			t.Errorf("%s %v has no message", e.Code, e.Field)
		}
		texts = append(texts, string(e.Code)+" "+strings.Join(e.Field, "."))
	}
	return texts
}

func TestCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		long := strings.Repeat("ü", campaign.MaxQuestion)
		longer := long + "!"
		for name, test := range map[string]struct {
			in   campaign.CreateInput
			want []string
		}{
			"no name":            {campaign.CreateInput{}, []string{"REQUIRED name"}},
			"a blank name":       {campaign.CreateInput{Name: " \t"}, []string{"REQUIRED name"}},
			"a long name":        {campaign.CreateInput{Name: strings.Repeat("ü", 201)}, []string{"TOO_LONG name"}},
			"no question":        {campaign.CreateInput{Name: "n", Question: new("")}, []string{"REQUIRED question"}},
			"a long question":    {campaign.CreateInput{Name: "n", Question: &longer}, []string{"TOO_LONG question"}},
			"no follow-up":       {campaign.CreateInput{Name: "n", FollowUpQuestion: new(" ")}, []string{"REQUIRED followUpQuestion"}},
			"all that can be":    {campaign.CreateInput{Question: &longer, FollowUpQuestion: &longer}, []string{"REQUIRED name", "TOO_LONG question", "TOO_LONG followUpQuestion"}},
			"longest":            {campaign.CreateInput{Name: strings.Repeat("ü", 200), Question: &long, FollowUpQuestion: &long}, nil},
			"defaults":           {campaign.CreateInput{Name: "Relationship"}, nil},
			"a name as it stood": {campaign.CreateInput{Name: " Relationship "}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				c, err := campaign.Create(ctx, db, test.in)
				if test.want != nil {
					if got := refusals(t, err); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				question, followUp := campaign.DefaultQuestion, campaign.DefaultFollowUpQuestion
				if test.in.Question != nil {
					question, followUp = *test.in.Question, *test.in.FollowUpQuestion
				}
				found, err := campaign.Get(ctx, db, c.ID)
				if err != nil {
					t.Fatal(err)
				}
				if found.Name != test.in.Name || found.Question != question || found.FollowUpQuestion != followUp || found.Status != entcampaign.StatusACTIVE {
					t.Errorf("got %v of %+v", found, test.in)
				}
			})
		}
	})
}

func TestNamesAreUniqueInTheTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		var mu sync.Mutex
		var wg sync.WaitGroup
		taken := 0
		for range 8 {
			wg.Go(func() {
				_, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "One"})
				if err == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				taken++
				if got := refusals(t, err); !slices.Equal(got, []string{"TAKEN name"}) {
					t.Errorf("got %q", got)
				}
			})
		}
		wg.Wait()
		if taken != 7 {
			t.Errorf("%d of 8 campaigns of one name were refused, want 7", taken)
		}
		if _, err := campaign.Create(other, db, campaign.CreateInput{Name: "One"}); err != nil {
			t.Errorf("another tenant's campaign: %v", err)
		}
		two, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "Two"})
		if err != nil {
			t.Fatal(err)
		}
		text := id.Campaign.Format(two.ID)
		_, err = campaign.Update(ctx, db, campaign.UpdateInput{ID: text, Name: new("One")})
		if got := refusals(t, err); !slices.Equal(got, []string{"TAKEN name"}) {
			t.Errorf("got %q", got)
		}
		if _, err := campaign.Update(ctx, db, campaign.UpdateInput{ID: text, Name: new("Two")}); err != nil {
			t.Errorf("its own name: %v", err)
		}
	})
}

func TestUpdate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "One"})
		if err != nil {
			t.Fatal(err)
		}
		text := id.Campaign.Format(c.ID)
		foreign := refusalOf(t, other, db, text)
		unknown := refusalOf(t, ctx, db, id.Campaign.Format(id.New()))
		if strings.ReplaceAll(foreign.Message, text, "") != unknown.Message[:len(unknown.Message)-len(text)-1]+"." {
			t.Errorf("another tenant's campaign: %q; an unknown one: %q", foreign.Message, unknown.Message)
		}
		for name, test := range map[string]struct {
			in   campaign.UpdateInput
			want []string
		}{
			"no id":           {campaign.UpdateInput{}, []string{"INVALID id"}},
			"a contact's id":  {campaign.UpdateInput{ID: id.Contact.Format(c.ID)}, []string{"INVALID id"}},
			"an empty name":   {campaign.UpdateInput{ID: text, Name: new("")}, []string{"REQUIRED name"}},
			"a long question": {campaign.UpdateInput{ID: text, Question: new(strings.Repeat("x", 501))}, []string{"TOO_LONG question"}},
			"no follow-up":    {campaign.UpdateInput{ID: text, FollowUpQuestion: new("")}, []string{"REQUIRED followUpQuestion"}},
			"no such status":  {campaign.UpdateInput{ID: text, Status: new(entcampaign.Status("OPEN"))}, []string{"INVALID status"}},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := campaign.Update(ctx, db, test.in)
				if got := refusals(t, err); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		}

		same, err := campaign.Update(ctx, db, campaign.UpdateInput{ID: text, Name: new("One"), Status: new(entcampaign.StatusACTIVE)})
		if err != nil {
			t.Fatal(err)
		}
		if !same.UpdatedAt.Equal(c.UpdatedAt) {
			t.Error("a change to what it is already counts as a change")
		}
		for _, step := range []struct {
			from, to entcampaign.Status
			want     []string
		}{
			{entcampaign.StatusACTIVE, entcampaign.StatusPAUSED, nil},
			{entcampaign.StatusPAUSED, entcampaign.StatusACTIVE, nil},
			{entcampaign.StatusACTIVE, entcampaign.StatusCLOSED, nil},
			{entcampaign.StatusCLOSED, entcampaign.StatusCLOSED, nil},
			{entcampaign.StatusCLOSED, entcampaign.StatusPAUSED, []string{"NOT_ALLOWED status"}},
			{entcampaign.StatusCLOSED, entcampaign.StatusACTIVE, []string{"NOT_ALLOWED status"}},
		} {
			got, err := campaign.Update(ctx, db, campaign.UpdateInput{ID: text, Status: &step.to})
			if step.want != nil {
				if got := refusals(t, err); !slices.Equal(got, step.want) {
					t.Errorf("%s to %s: got %q, want %q", step.from, step.to, got, step.want)
				}
				continue
			}
			if err != nil || got.Status != step.to {
				t.Errorf("%s to %s: got %v, %v", step.from, step.to, got, err)
			}
		}
		got, err := campaign.Update(ctx, db, campaign.UpdateInput{ID: text, Name: new("Past"), Question: new("Q?"), FollowUpQuestion: new("F?")})
		if err != nil {
			t.Fatal(err)
		}
		found, err := campaign.Get(ctx, db, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if found.Name != "Past" || found.Question != "Q?" || found.FollowUpQuestion != "F?" || got.Name != found.Name ||
			found.Status != entcampaign.StatusCLOSED || !found.UpdatedAt.After(c.UpdatedAt) || !found.CreatedAt.Equal(c.CreatedAt) {
			t.Errorf("got %v", found)
		}
	})
}

func refusalOf(t *testing.T, ctx context.Context, db *store.DB, text string) apierror.UserError {
	t.Helper()
	_, err := campaign.Update(ctx, db, campaign.UpdateInput{ID: text, Name: new("Mine")})
	if got := refusals(t, err); !slices.Equal(got, []string{"NOT_FOUND id"}) {
		t.Fatalf("got %q", got)
	}
	var errs apierror.UserErrors
	errors.As(err, &errs)
	return errs[0]
}

// Whoever goes by the tenant's state must see a change at once.
func TestChangesReachTheState(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		states := settings.NewStates(db)
		state := func() *settings.State {
			s, err := states.Get(ctx, auth.Tenant(ctx))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		state()
		c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "One"})
		if err != nil {
			t.Fatal(err)
		}
		if got := state().Campaigns[c.ID]; got != (settings.Campaign{Name: "One", Status: "ACTIVE"}) {
			t.Errorf("got %v", got)
		}
		if _, err := campaign.Update(ctx, db, campaign.UpdateInput{ID: id.Campaign.Format(c.ID), Status: new(entcampaign.StatusPAUSED)}); err != nil {
			t.Fatal(err)
		}
		if got := state().Campaigns[c.ID]; got.Status != "PAUSED" {
			t.Errorf("got %v", got)
		}
	})
}

func TestListAndGet(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		statuses := []entcampaign.Status{entcampaign.StatusACTIVE, entcampaign.StatusPAUSED, entcampaign.StatusCLOSED}
		var ids []uuid.UUID // newest first
		for i := range 7 {
			c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: fmt.Sprint(i)})
			if err == nil {
				c, err = campaign.Update(ctx, db, campaign.UpdateInput{ID: id.Campaign.Format(c.ID), Status: &statuses[i%3]})
			}
			if err != nil {
				t.Fatal(err)
			}
			ids = slices.Insert(ids, 0, c.ID)
		}
		for _, test := range []struct {
			name   string
			ctx    context.Context
			status []entcampaign.Status
			want   []string
		}{
			{"all", ctx, nil, []string{"6", "5", "4", "3", "2", "1", "0"}},
			{"active", ctx, statuses[:1], []string{"6", "3", "0"}},
			{"paused and closed", ctx, statuses[1:], []string{"5", "4", "2", "1"}},
			{"none", ctx, []entcampaign.Status{}, nil},
			{"another tenant's", other, nil, nil},
			{"narrowed", narrowed(ctx, ids[0], ids[5], ids[6], id.New()), nil, []string{"6", "1", "0"}},
			{"narrowed and active", narrowed(ctx, ids[0], ids[5], ids[6]), statuses[:1], []string{"6", "0"}},
			{"narrowed to none", narrowed(ctx), nil, nil},
		} {
			t.Run(test.name, func(t *testing.T) {
				var got []string
				for args := (page.Args{First: new(2)}); ; {
					list, err := campaign.List(test.ctx, db, args, test.status, nil)
					if err != nil {
						t.Fatal(err)
					}
					if n, err := list.TotalCount(test.ctx); err != nil || n != len(test.want) {
						t.Errorf("total %d, %v; want %d", n, err, len(test.want))
					}
					for _, c := range list.Nodes() {
						got = append(got, c.Name)
					}
					if !list.PageInfo.HasNextPage {
						break
					}
					args.After = list.PageInfo.EndCursor
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			})
		}
		var bad *apierror.Error
		if _, err := campaign.List(ctx, db, page.Args{First: new(0)}, nil, nil); !errors.As(err, &bad) || bad.Code != apierror.BadRequestCode {
			t.Errorf("got %v, want BAD_REQUEST", err)
		}
		if c, err := campaign.Get(ctx, db, ids[0]); err != nil || c.Name != "6" {
			t.Errorf("got %v, %v", c, err)
		}
		if c, err := campaign.Get(narrowed(ctx, ids[1]), db, ids[1]); err != nil || c.Name != "5" {
			t.Errorf("narrowed to it: got %v, %v", c, err)
		}
		if c, err := campaign.Get(narrowed(ctx, ids[1]), db, ids[0]); c != nil || err != nil {
			t.Errorf("narrowed to another one: got %v, %v", c, err)
		}
		if c, err := campaign.Get(other, db, ids[0]); c != nil || err != nil {
			t.Errorf("another tenant got %v, %v", c, err)
		}
		if c, err := campaign.Get(t.Context(), db, ids[0]); c != nil || err == nil {
			t.Errorf("nobody got %v, %v", c, err)
		}
	})
}

// narrowed is the context of a caller of the same tenant for whom there are these campaigns.
func narrowed(ctx context.Context, campaigns ...uuid.UUID) context.Context {
	return auth.With(ctx, auth.Caller{
		Tenant: auth.Tenant(ctx), Scopes: []auth.Scope{auth.Read}, Token: true,
		Narrowing: auth.Narrowing{Campaigns: append([]uuid.UUID{}, campaigns...)},
	})
}
