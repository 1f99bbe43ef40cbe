package schema

import (
	"context"
	"encoding/json"
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/entql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
	zeroten "github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/privacy"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/trait"
)

// now is cut to what both databases keep.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func key() ent.Field {
	return field.UUID("id", uuid.UUID{}).Default(id.New).Immutable()
}

// unnamed is of what the API shows no id of. Templates take one without a field for none.
type unnamed struct{ Unnamed bool }

// Name is what templates call it.
func (unnamed) Name() string { return "Unnamed" }

func createdAt() ent.Field { return field.Time("created_at").Default(now).Immutable() }

func updatedAt() ent.Field { return field.Time("updated_at").Default(now).UpdateDefault(now) }

// asJSON keeps a document as text on PostgreSQL too: it is only ever read whole, and jsonb costs a conversion.
var asJSON = map[string]string{dialect.Postgres: "json"}

// Tenant is a company. Its row is also the lock of its log.
type Tenant struct{ ent.Schema }

// Fields of Tenant.
func (Tenant) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("name"),
		field.String("time_zone").Default("UTC"),
		field.String("industry").Optional().Nillable(),
		field.JSON("allowed_origins", []string{}).Optional().SchemaType(asJSON).
			Comment("Web origins whose pages may call the API in a browser."),
		createdAt(),
		field.Int64("log_position").Default(0).Comment("The number of the log's last event."),
		field.Int64("revision").Default(0).Comment("Grows with every transaction that changes what a flush reads."),
		field.Int64("settings").Default(0).Comment("Grows with every change to campaigns, traits, zone or cubes."),
		field.Int("cube").Default(0).Comment("The generation of cells that answers; 0 before the first."),
		field.Int("min_group_size").Default(1).Comment("Smaller groups are put together before who is narrowed; 1 hides none."),
		field.Int("quiet_days").Default(30).Comment("How many days lie between two askings of one person."),
	}
}

// Policy of Tenant: a caller sees its own.
func (Tenant) Policy() ent.Policy {
	own := privacy.FilterFunc(func(ctx context.Context, f privacy.Filter) error {
		if auth.IsSystem(ctx) {
			return privacy.Skip
		}
		caller, ok := auth.From(ctx)
		if !ok {
			return ErrNoCaller
		}
		f.Where(entql.FieldEQ("id", caller.Tenant))
		return privacy.Skip
	})
	return privacy.Policy{Query: privacy.QueryPolicy{own}, Mutation: privacy.MutationPolicy{own}}
}

// ApiKey is a secret that lets a program in. An operator's belongs to the zero tenant.
type ApiKey struct{ ent.Schema }

// Mixin of ApiKey.
func (ApiKey) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of ApiKey.
func (ApiKey) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("api_keys")}
}

// Fields of ApiKey.
func (ApiKey) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("name"),
		field.String("hint"),
		field.Bytes("hash").Immutable().Comment("SHA-256 of the secret, which has 256 random bits."),
		field.JSON("scopes", []auth.Scope{}).SchemaType(asJSON),
		createdAt(),
		field.Time("last_used_at").Optional().Nillable(),
		field.Time("expires_at").Optional().Nillable(),
		field.Time("revoked_at").Optional().Nillable(),
	}
}

// Indexes of ApiKey. The hash is looked up before the tenant is known: the one index that cannot begin with it.
func (ApiKey) Indexes() []ent.Index { return []ent.Index{index.Fields("hash").Unique()} }

// SigningKey signs the access tokens that a tenant's keys give out. A new one takes its place every day.
type SigningKey struct{ ent.Schema }

// Mixin of SigningKey.
func (SigningKey) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of SigningKey.
func (SigningKey) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("signing_keys"), unnamed{true}}
}

// Fields of SigningKey.
func (SigningKey) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.Bytes("secret").Immutable().Sensitive().Comment("256 random bits."),
		createdAt(),
	}
}

// Campaign is one question, asked of many people, over time.
type Campaign struct{ ent.Schema }

// Mixin of Campaign.
func (Campaign) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Campaign: who is narrowed to campaigns has only those.
func (Campaign) Policy() ent.Policy {
	return narrowed(func(n auth.Narrowing) entql.P { return inCampaigns("id", n) })
}

// Fields of Campaign.
func (Campaign) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("name"),
		field.String("question"),
		field.String("follow_up_question"),
		field.Enum("status").Values("ACTIVE", "PAUSED", "CLOSED").Default("ACTIVE"),
		field.Bool("has_waiting").Default(false).Comment("Whether invitations wait, unseen by whoever sends, until it is active again."),
		createdAt(),
		updatedAt(),
	}
}

// Indexes of Campaign. A public link names a campaign, and no tenant.
func (Campaign) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "name").Unique(), index.Fields("id")}
}

// Contact is somebody who may be asked.
type Contact struct{ ent.Schema }

// Mixin of Contact.
func (Contact) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Contact: for who is narrowed there are those alone who gave a response, in one of the caller's campaigns, that
// is not UNVERIFIED. Of what segment that is the database cannot tell. Nobody who is narrowed changes contacts through here.
func (Contact) Policy() ent.Policy {
	return privacy.Policy{Query: privacy.QueryPolicy{privacy.ContactQueryRuleFunc(func(ctx context.Context, q *zeroten.ContactQuery) error {
		if n := auth.Narrowed(ctx); !n.IsZero() && !auth.IsSystem(ctx) {
			q.Where(func(s *sql.Selector) { s.Where(sql.Exists(responsesOf(s, n))) })
		}
		return privacy.Skip
	})}}
}

// responsesOf selects a contact's responses in the caller's campaigns. Those that are UNVERIFIED are left out: anybody can give
// one in anybody's name, and would show the caller whom they like.
func responsesOf(contacts *sql.Selector, n auth.Narrowing) *sql.Selector {
	r := sql.Dialect(contacts.Dialect()).Table("responses").As("narrowed")
	from := sql.Dialect(contacts.Dialect()).Select(r.C("id")).From(r).Where(sql.And(
		sql.ColumnsEQ(r.C("tenant_id"), contacts.C("tenant_id")), sql.ColumnsEQ(r.C("contact_id"), contacts.C("id")),
		sql.EQ(r.C("unverified"), false)))
	if n.Campaigns != nil {
		campaigns := make([]any, len(n.Campaigns))
		for i, c := range n.Campaigns {
			campaigns[i] = c
		}
		from.Where(sql.In(r.C("campaign_id"), campaigns...))
	}
	return from
}

// Fields of Contact.
func (Contact) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("external_id").Optional().Nillable(),
		field.String("email").Optional().Nillable(),
		field.String("email_key").Optional().Nillable().Comment("The address in lower case: what it is found by."),
		field.String("phone").Optional().Nillable(),
		field.String("name").Optional().Nillable(),
		field.String("locale").Optional().Nillable(),
		field.String("time_zone").Optional().Nillable(),
		field.JSON("traits", trait.Values{}),
		field.Time("last_asked_at").Optional().Nillable().Comment("When any campaign last asked them, through any channel."),
		createdAt(),
		updatedAt(),
	}
}

// Indexes of Contact.
func (Contact) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "external_id").Unique(),
		index.Fields("tenant_id", "email_key").Unique(),
	}
}

// Trait is something known about people that feedback can be cut by.
type Trait struct{ ent.Schema }

// Mixin of Trait.
func (Trait) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Fields of Trait.
func (Trait) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("key").Immutable(),
		field.String("label"),
		field.String("kind").GoType(trait.Kind("")),
		field.Bool("is_dimension").Default(true),
		field.JSON("edges", []float64{}).Optional().SchemaType(asJSON),
		createdAt(),
		updatedAt(),
	}
}

// Indexes of Trait.
func (Trait) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "key").Unique()}
}

// Segment is a group of people worth looking at by itself.
type Segment struct{ ent.Schema }

// Mixin of Segment.
func (Segment) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Segment: who is narrowed to one has only that.
func (Segment) Policy() ent.Policy {
	return narrowed(func(n auth.Narrowing) entql.P {
		if n.Segment == uuid.Nil {
			return nil
		}
		return entql.FieldEQ("id", n.Segment)
	})
}

// Fields of Segment.
func (Segment) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("name"),
		field.JSON("rule", segment.Rule{}).SchemaType(asJSON),
		createdAt(),
		updatedAt(),
	}
}

// Action is something that was done, to be seen on trends. What campaigns it was for is in ActionCampaign; for all where none is there.
type Action struct{ ent.Schema }

// Mixin of Action.
func (Action) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Action: for who is narrowed there are those alone that name nothing which the caller may not see. Nobody who is narrowed
// changes one.
func (Action) Policy() ent.Policy {
	query := privacy.ActionQueryRuleFunc(func(ctx context.Context, q *zeroten.ActionQuery) error {
		n := auth.Narrowed(ctx)
		if n.IsZero() || auth.IsSystem(ctx) {
			return privacy.Skip
		}
		q.Where(func(s *sql.Selector) {
			if n.Segment != uuid.Nil {
				s.Where(sql.Or(sql.IsNull(s.C("segment_id")), sql.EQ(s.C("segment_id"), n.Segment)))
			}
			if n.Campaigns != nil {
				s.Where(sql.NotExists(othersOf(s, n.Campaigns)))
			}
		})
		return privacy.Skip
	})
	return privacy.Policy{Query: privacy.QueryPolicy{query}, Mutation: narrowed(none).Mutation}
}

// othersOf selects the campaigns that an action was for besides these.
func othersOf(actions *sql.Selector, campaigns []uuid.UUID) *sql.Selector {
	c := sql.Dialect(actions.Dialect()).Table("action_campaigns").As("narrowed")
	ids := []any{uuid.Nil} // a list must have an element, and there is no zero id
	for _, campaign := range campaigns {
		ids = append(ids, campaign)
	}
	return sql.Dialect(actions.Dialect()).Select(c.C("id")).From(c).Where(sql.And(
		sql.ColumnsEQ(c.C("tenant_id"), actions.C("tenant_id")), sql.ColumnsEQ(c.C("action_id"), actions.C("id")),
		sql.NotIn(c.C("campaign_id"), ids...)))
}

// Fields of Action.
func (Action) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("name"),
		field.Text("note").Optional().Nillable(),
		field.Int32("started_on").GoType(calendar.Day(0)),
		field.Int32("ended_on").GoType(calendar.Day(0)).Optional().Nillable().Comment("The last day, itself included."),
		field.UUID("segment_id", uuid.UUID{}).Optional().Nillable(),
		createdAt(),
		updatedAt(),
	}
}

// Indexes of Action. A segment is deleted only where none names it.
func (Action) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "started_on", "id"), index.Fields("tenant_id", "ended_on"), index.Fields("tenant_id", "segment_id")}
}

// ActionCampaign is a campaign that an action was for.
type ActionCampaign struct{ ent.Schema }

// Mixin of ActionCampaign.
func (ActionCampaign) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of ActionCampaign.
func (ActionCampaign) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("action_campaigns"), unnamed{true}}
}

// Policy of ActionCampaign: who is narrowed to campaigns has only theirs.
func (ActionCampaign) Policy() ent.Policy {
	return narrowed(func(n auth.Narrowing) entql.P { return inCampaigns("campaign_id", n) })
}

// Fields of ActionCampaign.
func (ActionCampaign) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.UUID("action_id", uuid.UUID{}).Immutable(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
	}
}

// Indexes of ActionCampaign.
func (ActionCampaign) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "action_id", "campaign_id").Unique()}
}

// Benchmark is a published score that the tenant has entered. Those that come with the program are in no database.
type Benchmark struct{ ent.Schema }

// Mixin of Benchmark.
func (Benchmark) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Fields of Benchmark. Scores are in points, as they were published.
func (Benchmark) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("industry").Immutable(),
		field.String("label").Immutable(),
		field.Float("average").Immutable(),
		field.Float("lowest").Optional().Nillable().Immutable(),
		field.Float("highest").Optional().Nillable().Immutable(),
		field.Int("year").Immutable(),
		field.String("country").Optional().Nillable().Immutable(),
		field.Text("method").Immutable(),
		field.Text("source").Immutable(),
		createdAt(),
	}
}

// Response is a score that somebody gave. It holds facts only: day, profile and category are derived.
type Response struct{ ent.Schema }

// Mixin of Response.
func (Response) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Response: who is narrowed to campaigns has only theirs. What segment they are in the database cannot tell.
func (Response) Policy() ent.Policy {
	query := privacy.ResponseQueryRuleFunc(func(ctx context.Context, q *zeroten.ResponseQuery) error {
		if n := auth.Narrowed(ctx); n.Campaigns != nil && !auth.IsSystem(ctx) {
			q.Where(func(s *sql.Selector) { s.Where(ofCampaigns(s, n.Campaigns)) })
		}
		return privacy.Skip
	})
	return privacy.Policy{
		Query:    privacy.QueryPolicy{query},
		Mutation: narrowed(func(n auth.Narrowing) entql.P { return inCampaigns("campaign_id", n) }).Mutation,
	}
}

// ofCampaigns is the predicate that a response is one of these campaigns'. No index is to be chosen for it: SQLite would
// rather go through all of theirs than look for a few by their ids.
func ofCampaigns(s *sql.Selector, campaigns []uuid.UUID) *sql.Predicate {
	ids := []any{uuid.Nil} // a list must have an element, and there is no zero id
	for _, c := range campaigns {
		ids = append(ids, c)
	}
	return sql.P(func(b *sql.Builder) {
		if b.Dialect() == dialect.SQLite {
			b.WriteString("+")
		}
		b.Ident(s.C("campaign_id")).WriteString(" IN ").Wrap(func(b *sql.Builder) { b.Args(ids...) })
	})
}

// Fields of Response.
func (Response) Fields() []ent.Field {
	small := map[string]string{dialect.Postgres: "smallint"}
	return []ent.Field{
		key(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
		field.UUID("contact_id", uuid.UUID{}).Optional().Nillable(),
		field.Int("score").SchemaType(small),
		field.Text("comment").Optional().Nillable(),
		field.Enum("channel").Values("EMAIL", "LINK", "WIDGET", "API", "IMPORT").Immutable(),
		field.String("variant").Optional().Nillable(),
		field.String("locale").Optional().Nillable(),
		field.JSON("traits", trait.Values{}).SchemaType(asJSON),
		field.Time("responded_at").Immutable(),
		field.Time("recorded_at").Immutable(),
		field.Time("updated_at"),
		field.Bool("unverified").Default(false).Immutable().Comment("Nobody vouches for the contact: a link said so that anybody could change."),
	}
}

// Indexes of Response.
func (Response) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "responded_at", "id"),
		index.Fields("tenant_id", "campaign_id", "responded_at", "id"),
		index.Fields("tenant_id", "contact_id", "responded_at", "id"),
		index.Fields("tenant_id", "score", "id"),
	}
}

// Brand is how a tenant looks; there is one at most. What is null is as it is for everybody at first.
type Brand struct{ ent.Schema }

// Mixin of Brand.
func (Brand) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of Brand.
func (Brand) Annotations() []schema.Annotation { return []schema.Annotation{unnamed{true}} }

// Fields of Brand. Images are named by their hashes.
func (Brand) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("name").Optional().Nillable(),
		field.String("accent_color").Optional().Nillable(),
		field.String("background_color").Optional().Nillable(),
		field.String("text_color").Optional().Nillable(),
		field.Bytes("logo").Optional(),
		field.Bytes("background_image").Optional(),
		field.String("website").Optional().Nillable(),
		field.String("privacy_policy").Optional().Nillable(),
		updatedAt(),
	}
}

// Indexes of Brand.
func (Brand) Indexes() []ent.Index { return []ent.Index{index.Fields("tenant_id").Unique()} }

// BrandImage is an image as this server shows it: made again from what was given, and nothing else of it is kept.
type BrandImage struct{ ent.Schema }

// Mixin of BrandImage.
func (BrandImage) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of BrandImage.
func (BrandImage) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("brand_images"), unnamed{true}}
}

// Fields of BrandImage.
func (BrandImage) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.Bytes("hash").Immutable().Comment("SHA-256 of the data: its public name."),
		field.String("media_type").Immutable(),
		field.Int("width").Immutable(),
		field.Int("height").Immutable(),
		field.Bytes("data").Immutable(),
		createdAt(),
	}
}

// Indexes of BrandImage. Whoever looks at a page asks for an image by its name alone.
func (BrandImage) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "hash").Unique(), index.Fields("hash")}
}

// Survey is how a campaign is asked. A campaign has none until something of it is changed.
type Survey struct{ ent.Schema }

// Mixin of Survey.
func (Survey) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of Survey.
func (Survey) Annotations() []schema.Annotation { return []schema.Annotation{unnamed{true}} }

// Policy of Survey: who is narrowed to campaigns has only theirs.
func (Survey) Policy() ent.Policy {
	return narrowed(func(n auth.Narrowing) entql.P { return inCampaigns("campaign_id", n) })
}

// Fields of Survey.
func (Survey) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
		field.String("locale"),
		field.Enum("click_policy").Values("CONFIRMED", "AUTOMATIC"),
		field.Int("link_days"),
		field.JSON("next_steps", json.RawMessage{}).SchemaType(asJSON),
		field.JSON("variants", json.RawMessage{}).SchemaType(asJSON),
		field.JSON("widget", json.RawMessage{}).Optional().SchemaType(asJSON).Comment("Null for one that was never changed."),
		updatedAt(),
	}
}

// Indexes of Survey.
func (Survey) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "campaign_id").Unique()}
}

// Wording is what a tenant says in its own words, in one language.
type Wording struct{ ent.Schema }

// Mixin of Wording.
func (Wording) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of Wording.
func (Wording) Annotations() []schema.Annotation { return []schema.Annotation{unnamed{true}} }

// Policy of Wording: who is narrowed to campaigns has only theirs.
func (Wording) Policy() ent.Policy {
	return narrowed(func(n auth.Narrowing) entql.P { return inCampaigns("campaign_id", n) })
}

// Fields of Wording.
func (Wording) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
		field.String("locale").Immutable().Comment("In its canonical form."),
		field.String("variant").Immutable().Comment("Empty for all variants: null would be unlike itself in an index."),
		field.JSON("words", json.RawMessage{}).SchemaType(asJSON),
		updatedAt(),
	}
}

// Indexes of Wording.
func (Wording) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "campaign_id", "locale", "variant").Unique()}
}

// LinkKey signs the links that lead to a tenant's pages.
type LinkKey struct{ ent.Schema }

// Mixin of LinkKey.
func (LinkKey) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of LinkKey.
func (LinkKey) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("link_keys"), unnamed{true}}
}

// Fields of LinkKey.
func (LinkKey) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.Int("number").Immutable().Comment("Which key signed a link: the link says so, in two bytes."),
		field.Bytes("secret").Immutable().Sensitive().Comment("256 random bits."),
		field.Bool("forever").Immutable().Default(false).Comment("Signs what never ends, and is never dropped."),
		createdAt(),
	}
}

// Indexes of LinkKey.
func (LinkKey) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "number").Unique()}
}

// Invitation is one asking of one person by one campaign, or the decision not to ask.
type Invitation struct{ ent.Schema }

// Mixin of Invitation.
func (Invitation) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Invitation: who is narrowed has none.
func (Invitation) Policy() ent.Policy { return narrowed(none) }

// Fields of Invitation.
func (Invitation) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
		field.UUID("contact_id", uuid.UUID{}).Optional().Nillable().Comment("Null where the widget knows nobody, or the person was erased."),
		field.Enum("channel").Values("EMAIL", "LINK", "WIDGET").Immutable(),
		field.Enum("status").Values("PLANNED", "SKIPPED", "CANCELLED", "SENT", "UNCONFIRMED", "FAILED", "BOUNCED", "DECLINED", "ANSWERED"),
		field.Enum("skipped_because").Optional().Nillable().Values("CAMPAIGN_NOT_ACTIVE", "NO_ADDRESS", "UNSUBSCRIBED", "SUPPRESSED",
			"NOT_IN_SEGMENT", "NOT_SAMPLED", "QUIET_PERIOD", "OVER_BUDGET", "TOO_LATE"),
		field.String("variant").Optional().Nillable(),
		field.String("locale"),
		field.JSON("traits", trait.Values{}).SchemaType(asJSON),
		field.Bytes("visitor").Optional().Immutable().Comment("A hash of the browser that a widget was shown in."),
		field.Time("due_at"),
		field.Time("sent_at").Optional().Nillable(),
		field.Time("reminded_at").Optional().Nillable(),
		field.Time("delivered_at").Optional().Nillable(),
		field.Time("bounced_at").Optional().Nillable(),
		field.Enum("bounce_kind").Optional().Nillable().Values("HARD", "SOFT"),
		field.Text("bounce_reason").Optional().Nillable(),
		field.Time("complained_at").Optional().Nillable(),
		field.Time("unsubscribed_at").Optional().Nillable(),
		field.UUID("plan", uuid.UUID{}).Optional().Nillable().Comment("The version of the schedule that planned it; null where somebody asked for it."),
		field.String("occasion").Optional().Nillable().Comment("The wave, the round or the event, of which a campaign asks nobody twice; null where it was called back."),
		field.Time("occurred_at").Optional().Nillable().Comment("When the event happened."),
		field.Bytes("key_hash").Optional().Comment("The idempotency key, by a key of the tenant's."),
		field.Bool("ignores_quiet").Default(false),
		field.Time("next_at").Optional().Nillable().Comment("When whoever sends looks at it again; null where that is over, or waits for its campaign."),
		field.Time("attempt_at").Optional().Nillable().Comment("Since when the mail may be with the server."),
		field.Time("reminder_attempt_at").Optional().Nillable().Comment("Since when the reminder may be with the server."),
		field.Int("attempts").Default(0).Comment("How often it was tried in vain."),
		field.Time("claimed_at").Optional().Nillable().Comment("When it began to count for the quiet period and the budgets."),
		field.String("address_hash").Optional().Nillable().Comment("The address that it went to, as suppressions keep it."),
		field.Time("asked_before").Optional().Nillable().Comment("When the person had been asked before that."),
		field.UUID("response_id", uuid.UUID{}).Optional().Nillable().Comment("It may have been deleted since."),
	}
}

// Indexes of Invitation. A widget's visitor is one of one campaign: so no other index is as good a way to them, whatever a database thinks of
// how much a campaign has. What most invitations lack is in none of their indexes: they are planned by the hundred thousand.
func (Invitation) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "campaign_id", "due_at", "id"),
		index.Fields("tenant_id", "contact_id", "due_at", "id"),
		index.Fields("tenant_id", "campaign_id", "status", "due_at", "id").StorageKey("invitation_status"),
		index.Fields("tenant_id", "campaign_id", "contact_id", "occasion").Unique().StorageKey("invitation_occasion"),
		index.Fields("tenant_id", "key_hash").Unique().Annotations(entsql.IndexWhere("key_hash IS NOT NULL")),
		index.Fields("tenant_id", "response_id").Unique().Annotations(entsql.IndexWhere("response_id IS NOT NULL")),
		index.Fields("tenant_id", "visitor", "due_at").Annotations(entsql.IndexWhere("visitor IS NOT NULL")),
		index.Fields("next_at").Annotations(entsql.IndexWhere("next_at IS NOT NULL")),
		// By which each tenant gets its turn.
		index.Fields("tenant_id", "next_at").Annotations(entsql.IndexWhere("next_at IS NOT NULL")),
		index.Fields("id"), // by which mail providers tell of it, who know no tenant
	}
}

// Schedule is whom a campaign asks by mail, and when.
type Schedule struct{ ent.Schema }

// Mixin of Schedule.
func (Schedule) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of Schedule.
func (Schedule) Annotations() []schema.Annotation { return []schema.Annotation{unnamed{true}} }

// Policy of Schedule: who is narrowed to campaigns has only theirs.
func (Schedule) Policy() ent.Policy {
	return narrowed(func(n auth.Narrowing) entql.P { return inCampaigns("campaign_id", n) })
}

// Fields of Schedule. Of what is for another occasion nothing is set.
func (Schedule) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
		field.UUID("plan", uuid.UUID{}).Comment("Another one whenever it is set: what is planned by another is not sent."),
		field.Enum("occasion").Values("ONCE", "RECURRING", "ON_EVENT"),
		field.Time("at").Optional().Nillable().Comment("Of ONCE."),
		field.Int("over_days").Optional().Nillable(),
		field.Int("every_months").Optional().Nillable().Comment("Of RECURRING."),
		field.Int32("start_on").GoType(calendar.Day(0)).Optional().Nillable(),
		field.String("event").Optional().Nillable().Comment("Of ON_EVENT."),
		field.Int("delay_minutes").Optional().Nillable(),
		field.UUID("segment_id", uuid.UUID{}).Optional().Nillable(),
		field.Int("sample_percent"),
		field.Int("monthly_budget").Optional().Nillable(),
		field.Int("weekdays").Comment("A bit for each, that of Monday first."),
		field.Int("from_hour"),
		field.Int("to_hour"),
		field.Int("reminder_after_days").Optional().Nillable(),
		field.Bool("is_paused").Default(false),
		field.Time("passed_at").Optional().Nillable().Comment("When all contacts were last gone through; null where they have not been."),
		field.UUID("done_to", uuid.UUID{}).Optional().Nillable().Comment("The last contact whom the pass that goes on has seen."),
		createdAt(),
		updatedAt(),
	}
}

// Indexes of Schedule. A segment is deleted only where none names it.
func (Schedule) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "campaign_id").Unique(),
		index.Fields("tenant_id", "event"),
		index.Fields("tenant_id", "segment_id"),
	}
}

// Outreach is in whose name a tenant asks, and how many; there is one at most. What is null is as it is for everybody at first.
type Outreach struct{ ent.Schema }

// Mixin of Outreach.
func (Outreach) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of Outreach.
func (Outreach) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("outreach"), unnamed{true}}
}

// Fields of Outreach.
func (Outreach) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.Int("monthly_budget").Optional().Nillable(),
		field.String("sender_name").Optional().Nillable(),
		field.String("sender_address").Optional().Nillable().Comment("Confirmed."),
		field.String("reply_to").Optional().Nillable(),
		field.Text("postal_address").Optional().Nillable(),
		field.String("unconfirmed_address").Optional().Nillable(),
		field.Bytes("code_hash").Optional().Sensitive().Comment("SHA-256 of the code that was mailed to it."),
		field.Time("code_sent_at").Optional().Nillable(),
		field.Int("code_tries").Default(0).Comment("How many wrong codes were given."),
		field.Int64("tests_hour").Default(0).Comment("The hour, counted from 1970, in which mails were last sent to addresses of the tenant's choice."),
		field.Int("tests").Default(0).Comment("How many were in that hour."),
		field.Int64("wrong_hour").Default(0).Comment("The hour, counted from 1970, in which a wrong code was last given."),
		field.Int("wrong_codes").Default(0).Comment("How many were in that hour, of all codes."),
		updatedAt(),
	}
}

// Indexes of Outreach.
func (Outreach) Indexes() []ent.Index { return []ent.Index{index.Fields("tenant_id").Unique()} }

// MonthlyCount is how many invitations by mail went out in a month of a tenant's calendar.
type MonthlyCount struct{ ent.Schema }

// Mixin of MonthlyCount.
func (MonthlyCount) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of MonthlyCount.
func (MonthlyCount) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("monthly_counts"), unnamed{true}}
}

// Fields of MonthlyCount.
func (MonthlyCount) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.UUID("campaign", uuid.UUID{}).Immutable().Comment("The zero id for all campaigns together; the highest for all mails of a day."),
		field.Int("month").Immutable().Comment("Twelve times the year, and the months before it in that; of a day the days since 1970."),
		field.Int("sent").Default(0),
	}
}

// Indexes of MonthlyCount.
func (MonthlyCount) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "campaign", "month").Unique()}
}

// ContactEvent is the name of something that happened to somebody, so that it happens once. What happened is in the invitations.
type ContactEvent struct{ ent.Schema }

// Mixin of ContactEvent.
func (ContactEvent) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Annotations of ContactEvent.
func (ContactEvent) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("contact_events"), unnamed{true}}
}

// Fields of ContactEvent.
func (ContactEvent) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.Bytes("key_hash").Immutable().Comment("The idempotency key, by a key of the tenant's."),
		createdAt(),
	}
}

// Indexes of ContactEvent.
func (ContactEvent) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "key_hash").Unique()}
}

// Suppression is an address that is never written to.
type Suppression struct{ ent.Schema }

// Mixin of Suppression.
func (Suppression) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of Suppression: who is narrowed has none.
func (Suppression) Policy() ent.Policy { return narrowed(none) }

// Fields of Suppression.
func (Suppression) Fields() []ent.Field {
	return []ent.Field{
		key(),
		field.String("email").Optional().Nillable().Comment("Null once the person was erased."),
		field.String("email_key").Optional().Nillable().Comment("The address in lower case; null with it."),
		field.String("email_hash").Immutable().Comment("The address in lower case, by a key of the tenant's."),
		field.Enum("reason").Values("UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "MANUAL"),
		field.UUID("invitation_id", uuid.UUID{}).Optional().Nillable(),
		field.Enum("reason_before").Values("UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "MANUAL").Optional().Nillable().
			Comment("The reason that holds again where the person takes theirs back."),
		field.UUID("invitation_before", uuid.UUID{}).Optional().Nillable().Comment("The invitation that goes with the reason before."),
		createdAt(),
	}
}

// Indexes of Suppression.
func (Suppression) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "email_hash").Unique(),
		index.Fields("tenant_id", "reason", "id"),
		index.Fields("tenant_id", "email_key"),
		index.Fields("tenant_id", "invitation_id"),
	}
}

// ProvisionalAnswer is a link that was opened and led to no answer yet. It is counted nowhere.
type ProvisionalAnswer struct{ ent.Schema }

// Mixin of ProvisionalAnswer.
func (ProvisionalAnswer) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Policy of ProvisionalAnswer: who is narrowed has none.
func (ProvisionalAnswer) Policy() ent.Policy { return narrowed(none) }

// Fields of ProvisionalAnswer.
func (ProvisionalAnswer) Fields() []ent.Field {
	small := map[string]string{dialect.Postgres: "smallint"}
	return []ent.Field{
		key(),
		field.UUID("campaign_id", uuid.UUID{}).Immutable(),
		field.Bytes("recipient").Immutable().Comment("A hash of who the link was for, as the link says: an address that nobody knows is not kept."),
		field.UUID("contact_id", uuid.UUID{}).Optional().Nillable(),
		field.UUID("invitation_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Int("score").Optional().Nillable().SchemaType(small).Comment("Of the link that was opened last."),
		field.JSON("opened", json.RawMessage{}).SchemaType(asJSON).Comment("When the link of each number was opened: the first times, and the last."),
		field.Int("opens"),
		field.JSON("signs", []string{}).SchemaType(asJSON).Comment("What speaks for a scanner."),
		field.Bool("is_suspect").Comment("Whether there are signs."),
		field.JSON("answer", json.RawMessage{}).Optional().SchemaType(asJSON).Comment("What is recorded where nothing speaks for a scanner, by the page."),
		field.Time("judged_at").Optional().Nillable().Comment("When that is decided; where somebody is at it, when he has failed."),
		field.Time("first_opened_at").Immutable(),
		field.Time("last_opened_at"),
	}
}

// Indexes of ProvisionalAnswer. What is to be judged, and what is old, is looked for among all tenants' at once.
func (ProvisionalAnswer) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "recipient", "campaign_id").Unique(),
		index.Fields("tenant_id", "campaign_id", "last_opened_at", "id"),
		index.Fields("tenant_id", "campaign_id", "is_suspect", "last_opened_at", "id").StorageKey("provisionalanswer_suspect"),
		index.Fields("tenant_id", "contact_id"),
		index.Fields("judged_at"),
		index.Fields("last_opened_at"),
	}
}
