package graph

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"entgo.io/ent/dialect/sql"
	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/response"
	entsegment "github.com/zeroten/zeroten/ent/segment"
	"github.com/zeroten/zeroten/graph/limit"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/benchmark"
	"github.com/zeroten/zeroten/internal/calendar"
	people "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/risk"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/tenant"
)

// loader reads entities by id within one request. Whoever has read a page says first which ids may be asked for, and
// the first that is asked for brings all of them: one statement, and no waiting for others to come.
type loader[T any] struct {
	fetch func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*T, error)

	mu     sync.Mutex
	wanted map[uuid.UUID]struct{}
	// loaded are the statements that bring what there is of each id, under way or done.
	loaded map[uuid.UUID]*flight.Work[map[uuid.UUID]*T]
}

func newLoader[T any](fetch func(context.Context, []uuid.UUID) (map[uuid.UUID]*T, error)) *loader[T] {
	return &loader[T]{fetch: fetch}
}

func (l *loader[T]) want(id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded[id] == nil {
		l.add(id)
	}
}

// add wants an id. The maps are made for those who need them: most requests ask for nothing.
func (l *loader[T]) add(id uuid.UUID) {
	if l.wanted == nil {
		l.wanted = map[uuid.UUID]struct{}{}
	}
	l.wanted[id] = struct{}{}
}

// load gives the entity, nil where there is none that the caller may see.
func (l *loader[T]) load(ctx context.Context, id uuid.UUID) (*T, error) {
	l.mu.Lock()
	w := l.loaded[id]
	if w != nil {
		l.mu.Unlock()
		found, err := w.Wait(ctx)
		return found[id], err
	}
	w = flight.New[map[uuid.UUID]*T]()
	l.add(id)
	if l.loaded == nil {
		l.loaded = map[uuid.UUID]*flight.Work[map[uuid.UUID]*T]{}
	}
	ids := make([]uuid.UUID, 0, len(l.wanted))
	for id := range l.wanted {
		ids = append(ids, id)
		l.loaded[id] = w
	}
	clear(l.wanted)
	l.mu.Unlock()
	w.Do(func() (map[uuid.UUID]*T, error) { return l.fetch(ctx, ids) })
	found, _, err := w.Peek()
	return found[id], err
}

type loaders struct {
	campaigns *loader[ent.Campaign]
	contacts  *loader[ent.Contact]
	responses *loader[ent.Response]
	segments  *loader[ent.Segment]
	// forWhom are the campaigns that actions were for, by the action.
	forWhom *loader[[]uuid.UUID]
	// invitations are those that responses answer, by the response.
	invitations *loader[ent.Invitation]
	// invited are invitations by their ids, and schedules those of campaigns, by the campaign.
	invited   *loader[ent.Invitation]
	schedules *loader[ent.Schedule]
	// surveys and wordings are those of campaigns, by the campaign.
	surveys  *loader[survey.Survey]
	wordings *loader[[]*survey.Wording]
	// model is what the tenant has learned of who answers how.
	model flight.Memo[struct{}, *risk.Model]
	// brand is how the tenant looks.
	brand flight.Memo[struct{}, *survey.Brand]

	// named are contacts by what they were asked for by.
	named flight.Memo[[3]string, *ent.Contact]
	// values are those of traits, by trait: each is counted once.
	values flight.Memo[uuid.UUID, []*people.Value]
	// valuesOfAll are those of all traits, by key, once one of the list of traits is asked for its own.
	valuesOfAll flight.Memo[struct{}, map[string][]people.Value]
	// started are the actions of trends, by the trends' first and last days: those of groups mostly have the same.
	started flight.Memo[[2]calendar.Day, []*ent.Action]
	// neighbours are the actions that started or ended on some days, by the first and the last of these, and aroundFor the campaigns
	// that they were for: the effects of actions of one day are asked about the same.
	neighbours flight.Memo[[2]calendar.Day, []action.Neighbour]
	aroundFor  flight.Memo[[2]calendar.Day, map[uuid.UUID][]uuid.UUID]
	// industry is the tenant's, benchmarks are all that there are for the caller, and published those of an industry and a country: each
	// group of a breakdown asks for the same.
	industry   flight.Memo[struct{}, *string]
	benchmarks flight.Memo[struct{}, []*ent.Benchmark]
	published  flight.Memo[[2]string, []*ent.Benchmark]
	// few are the contacts of a caller who is narrowed, looked up once for all lists of them.
	few flight.Memo[struct{}, fewContacts]
	// mark is how far the tenant had come before the operation read anything, where its root asks for that.
	mark  store.Mark
	noted error

	// looking is held by who asks which contacts are visible to the caller, and seen are the answers.
	looking chan struct{}
	seen    map[uuid.UUID]bool
}

// maxStarted is how many actions are read for a trend: no operation can pay for more.
const maxStarted = limit.MaxCost

// maxAround is how many actions are looked at around one.
const maxAround = 1_000

// maxSeen is of how many contacts it is kept whether they are visible.
const maxSeen = 10_000

// fewContacts is what people.Few gives.
type fewContacts struct {
	ids []uuid.UUID
	few bool
}

type loadersKey struct{}

// contactBy finds a contact, unless the request has it already: whether there is one for a caller who is narrowed to campaigns
// is looked for among all that it answered.
func (l *loaders) contactBy(ctx context.Context, by [3]*string, find func() (*ent.Contact, error)) (*ent.Contact, error) {
	var key [3]string
	for i, text := range by {
		if text != nil {
			key[i] = "=" + *text
		}
	}
	key[2] = people.EmailKey(key[2]) // by which an address is looked for, however it is spelt
	return l.named.Do(ctx, key, find)
}

// contactsAmong finds those of the contacts that the database can tell to be visible, unless the request has them already.
func (l *loaders) contactsAmong(ctx context.Context, ids []uuid.UUID) ([]*ent.Contact, error) {
	for _, id := range ids {
		l.contacts.want(id)
	}
	var found []*ent.Contact
	for _, id := range ids {
		switch c, err := l.contacts.load(ctx, id); {
		case err != nil:
			return nil, err
		case c != nil:
			found = append(found, c)
		}
	}
	return found, nil
}

// asked is what is said in a campaign.
func (l *loaders) asked(ctx context.Context, c *ent.Campaign) (*survey.Asked, error) {
	s, err := l.surveys.load(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	w, err := l.wordings.load(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	return survey.NewAsked(c.Question, c.FollowUpQuestion, s, *w), nil
}

// brandOf is how the tenant looks, unless the request has it already.
func (l *loaders) brandOf(ctx context.Context, db *store.DB) (*survey.Brand, error) {
	return l.brand.Do(ctx, struct{}{}, func() (*survey.Brand, error) { return survey.BrandOf(ctx, db) })
}

// valuesOf counts the values of a trait, unless the request has them already.
func (l *loaders) valuesOf(ctx context.Context, trait uuid.UUID, count func() ([]*people.Value, error)) ([]*people.Value, error) {
	return l.values.Do(ctx, trait, count)
}

// valuesInAll counts the values of all traits, unless the request has them already, and gives those of one.
func (l *loaders) valuesInAll(ctx context.Context, key string, count func() (map[string][]people.Value, error)) ([]*people.Value, error) {
	values, err := l.valuesOfAll.Do(ctx, struct{}{}, count)
	return pointers(values[key]), err
}

// industryOf is the tenant's, unless the request has it already; nil where it has none.
func (l *loaders) industryOf(ctx context.Context, db *store.DB) (*string, error) {
	return l.industry.Do(ctx, struct{}{}, func() (*string, error) {
		own, err := tenant.Get(ctx, db, auth.Tenant(ctx))
		if err != nil || own == nil {
			return nil, err
		}
		return own.Industry, nil
	})
}

// publishedOf gives the benchmarks of an industry and a country, of all where nil, unless the request has them already.
func (l *loaders) publishedOf(ctx context.Context, db *store.DB, industry, country *string) ([]*ent.Benchmark, error) {
	var key [2]string
	for i, text := range []*string{industry, country} {
		if text != nil {
			key[i] = "=" + *text
		}
	}
	return l.published.Do(ctx, key, func() ([]*ent.Benchmark, error) {
		all, err := l.benchmarks.Do(ctx, struct{}{}, func() ([]*ent.Benchmark, error) { return benchmark.All(ctx, db) })
		if err != nil {
			return nil, err
		}
		return benchmark.Of(all, industry, country)
	})
}

// startedIn gives the actions that started within a trend's interval. Those of the whole trend are read together.
func (l *loaders) startedIn(ctx context.Context, db *store.DB, p *insight.TrendPoint) ([]*ent.Action, error) {
	all, err := l.started.Do(ctx, [2]calendar.Day{p.First, p.Last}, func() ([]*ent.Action, error) {
		found, err := action.Between(ctx, db, p.First, p.Last, maxStarted)
		if len(found) > maxStarted {
			return nil, apierror.New(apierror.TooComplex, "More than %d actions started from %s to %s: ask for them by a trend of fewer days.", maxStarted, p.First, p.Last)
		}
		wantOfActions(ctx, found...)
		return found, err
	})
	if err != nil {
		return nil, err
	}
	from := sort.Search(len(all), func(i int) bool { return all[i].StartedOn >= p.Start })
	until := from + sort.Search(len(all)-from, func(i int) bool { return all[from+i].StartedOn > p.End })
	return all[from:until:until], nil
}

// actionsAround gives the actions that started or ended on some days. Whoever asks first pays for what there are.
func (l *loaders) actionsAround(ctx context.Context, db *store.DB, first, last calendar.Day) ([]action.Neighbour, error) {
	return l.neighbours.Do(ctx, [2]calendar.Day{first, last}, func() ([]action.Neighbour, error) {
		found, err := action.Around(ctx, db, first, last, maxAround)
		if err != nil {
			return nil, err
		}
		if len(found) > maxAround {
			return nil, apierror.New(apierror.TooComplex, "More than %d actions started or ended from %s to %s: take a shorter window.", maxAround, first, last)
		}
		return found, rate.Spend(ctx, len(found)/rate.ActionsPerPoint)
	})
}

// campaignsAround are those that these actions were for. Whoever asks first pays for them, before they are read.
func (l *loaders) campaignsAround(ctx context.Context, db *store.DB, first, last calendar.Day) (map[uuid.UUID][]uuid.UUID, error) {
	return l.aroundFor.Do(ctx, [2]calendar.Day{first, last}, func() (map[uuid.UUID][]uuid.UUID, error) {
		around, err := l.actionsAround(ctx, db, first, last)
		if err != nil {
			return nil, err
		}
		ids := make([]uuid.UUID, len(around))
		for i, a := range around {
			ids[i] = a.ID
		}
		n, err := action.CountCampaignsOf(ctx, db, ids)
		if err != nil {
			return nil, err
		}
		if err := rate.Spend(ctx, n/rate.LinksPerPoint); err != nil {
			return nil, err
		}
		return action.CampaignsOf(ctx, db, ids)
	})
}

// campaignsOf are those that an action was for.
func (l *loaders) campaignsOf(ctx context.Context, a *ent.Action) ([]*ent.Campaign, error) {
	ids, err := l.forWhom.load(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	campaigns := []*ent.Campaign{}
	for _, id := range *ids {
		c, err := l.campaigns.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if c != nil {
			campaigns = append(campaigns, c)
		}
	}
	return campaigns, nil
}

// fewOnce looks up the caller's contacts, unless the request has done so.
func (l *loaders) fewOnce(look people.Few) people.Few {
	return func(ctx context.Context) ([]uuid.UUID, bool, error) {
		f, err := l.few.Do(ctx, struct{}{}, func() (f fewContacts, err error) {
			f.ids, f.few, err = look(ctx)
			return f, err
		})
		return f.ids, f.few, err
	}
}

// visibleOnce looks which contacts are visible to the caller, unless the request has done so: several lists look at the same.
func (l *loaders) visibleOnce(look people.Visible) people.Visible {
	return func(ctx context.Context, contacts []uuid.UUID) (map[uuid.UUID]bool, error) {
		select {
		case l.looking <- struct{}{}:
			defer func() { <-l.looking }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		visible := make(map[uuid.UUID]bool, len(contacts))
		var unknown []uuid.UUID
		for _, c := range contacts {
			if v, known := l.seen[c]; known {
				visible[c] = v
			} else {
				unknown = append(unknown, c)
			}
		}
		if unknown == nil {
			return visible, nil
		}
		found, err := look(ctx, unknown)
		if err != nil {
			return nil, err
		}
		for _, c := range unknown {
			visible[c] = found[c]
			if len(l.seen) < maxSeen {
				l.seen[c] = found[c]
			}
		}
		return visible, nil
	}
}

// ofTraits says whether the field is one of a trait in the list of all: whoever asks for that asks it of each. What a trait
// that is reached in another way is asked for is not part of it, so that what an operation costs does not depend on which
// of its fields comes first.
func ofTraits(field *graphql.FieldContext) bool {
	of := field.Parent
	if of != nil && of.Index != nil {
		of = of.Parent
	}
	return of != nil && of.Object == "Query" && of.Field.Field != nil && of.Field.Name == "traits"
}

// withLoaders gives a request its loaders, and a memory for what it asks of feedback. Asked by responses that are visible to
// the caller they give what is visible too; else Visible has to tell contacts apart for whoever is narrowed to a segment.
func withLoaders(ctx context.Context, db *store.DB) context.Context {
	among := func(ids []uuid.UUID) func(*sql.Selector) {
		return func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }
	}
	var l *loaders
	l = &loaders{
		looking: make(chan struct{}, 1), seen: map[uuid.UUID]bool{},
		campaigns: newLoader(func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*ent.Campaign, error) {
			rows, err := db.Ent.Campaign.Query().Where(campaign.And(among(ids))).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("loading campaigns: %w", err)
			}
			return byID(rows, func(c *ent.Campaign) uuid.UUID { return c.ID }), nil
		}),
		contacts: newLoader(func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*ent.Contact, error) {
			rows, err := db.Ent.Contact.Query().Where(contact.And(among(ids))).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("loading contacts: %w", err)
			}
			return byID(rows, func(c *ent.Contact) uuid.UUID { return c.ID }), nil
		}),
		responses: newLoader(func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*ent.Response, error) {
			rows, err := db.Ent.Response.Query().Where(response.And(among(ids))).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("loading responses: %w", err)
			}
			return byID(rows, func(r *ent.Response) uuid.UUID { return r.ID }), nil
		}),
		segments: newLoader(func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*ent.Segment, error) {
			rows, err := db.Ent.Segment.Query().Where(entsegment.And(among(ids))).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("loading segments: %w", err)
			}
			return byID(rows, func(s *ent.Segment) uuid.UUID { return s.ID }), nil
		}),
		forWhom: newLoader(func(ctx context.Context, actions []uuid.UUID) (map[uuid.UUID]*[]uuid.UUID, error) {
			found, err := action.CampaignsOf(ctx, db, actions)
			all := make(map[uuid.UUID]*[]uuid.UUID, len(actions))
			for _, a := range actions {
				campaigns := found[a]
				all[a] = &campaigns
				for _, c := range campaigns {
					l.campaigns.want(c)
				}
			}
			return all, err
		}),
		invitations: newLoader(func(ctx context.Context, responses []uuid.UUID) (map[uuid.UUID]*ent.Invitation, error) {
			rows, err := db.Ent.Invitation.Query().Where(func(s *sql.Selector) {
				s.Where(store.FieldIn(s, invitation.FieldResponseID, responses))
			}).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("loading invitations: %w", err)
			}
			return byID(rows, func(i *ent.Invitation) uuid.UUID { return *i.ResponseID }), nil
		}),
		invited: newLoader(func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*ent.Invitation, error) {
			rows, err := db.Ent.Invitation.Query().Where(invitation.And(among(ids))).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("loading invitations: %w", err)
			}
			for _, i := range rows {
				l.campaigns.want(i.CampaignID)
			}
			return byID(rows, func(i *ent.Invitation) uuid.UUID { return i.ID }), nil
		}),
		schedules: newLoader(func(ctx context.Context, campaigns []uuid.UUID) (map[uuid.UUID]*ent.Schedule, error) {
			return outreach.SchedulesOf(ctx, db, campaigns)
		}),
		surveys: newLoader(func(ctx context.Context, campaigns []uuid.UUID) (map[uuid.UUID]*survey.Survey, error) {
			return survey.Of(ctx, db, campaigns)
		}),
		wordings: newLoader(func(ctx context.Context, campaigns []uuid.UUID) (map[uuid.UUID]*[]*survey.Wording, error) {
			found, err := survey.Wordings(ctx, db, campaigns)
			all := make(map[uuid.UUID]*[]*survey.Wording, len(found))
			for c, w := range found {
				all[c] = &w
			}
			return all, err
		}),
	}
	if startsByCursor(ctx) {
		l.mark, l.noted = markOf(ctx, db)
	}
	return context.WithValue(insight.WithMemo(ctx), loadersKey{}, l)
}

func byID[T any](rows []*T, id func(*T) uuid.UUID) map[uuid.UUID]*T {
	found := make(map[uuid.UUID]*T, len(rows))
	for _, r := range rows {
		found[id(r)] = r
	}
	return found
}

func loadersOf(ctx context.Context) *loaders { return ctx.Value(loadersKey{}).(*loaders) }
