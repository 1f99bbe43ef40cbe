package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// table is what the rows of a table hold: what of it no other check reads.
type table struct {
	name string
	// kind is what the rows are called; empty where they have no id of their own.
	kind    id.Kind
	columns []column
	// derived says that what is there can be counted again.
	derived bool
	// whole, where not nil, says what is wrong with a row as such.
	whole func(store.Raw) string
}

// column is a column and what is wrong with its value; empty where nothing is.
type column struct {
	name  string
	fault func(r store.Raw, i int) string
}

// tables are those that belong to tenants of which more can be said than what their columns' types say; all are allTables.
var tables = []table{
	{name: "tenants", columns: []column{
		{"id", isID}, {"name", isText}, {"time_zone", isText}, {"industry", orNull(isText)}, {"allowed_origins", orNull(isJSON[[]string])},
		{"created_at", isTime}, {"log_position", isCount}, {"revision", isCount}, {"settings", isCount}, {"cube", isCount},
		{"min_group_size", isCount}, {"quiet_days", isCount},
	}},
	{name: "api_keys", columns: apiKeyColumns},
	{name: "signing_keys", columns: []column{{"id", isID}, {"secret", isHash}, {"created_at", isTime}}, whole: wholeSigningKey},
	{name: "campaigns", columns: []column{
		{"id", isID}, {"name", isText}, {"question", isAnyText}, {"follow_up_question", isAnyText},
		{"status", isOneOf(func(s string) error { return campaign.StatusValidator(campaign.Status(s)) })},
		{"has_waiting", isBool}, {"created_at", isTime}, {"updated_at", isTime},
	}},
	{name: "contacts", columns: []column{
		{"id", isID}, {"external_id", orNull(isText)}, {"email", orNull(isText)}, {"email_key", orNull(isText)}, {"phone", orNull(isAnyText)},
		{"name", orNull(isAnyText)}, {"locale", orNull(isAnyText)}, {"time_zone", orNull(isText)}, {"traits", isTraits}, {"last_asked_at", orNull(isTime)},
		{"created_at", isTime}, {"updated_at", isTime},
	}, whole: wholeContact},
	{name: "traits", columns: []column{
		{"id", isID}, {"key", isText}, {"label", isAnyText}, {"kind", isText}, {"is_dimension", isBool}, {"edges", orNull(isJSON[[]float64])},
		{"created_at", isTime}, {"updated_at", isTime},
	}, whole: wholeTrait},
	{name: "segments", columns: []column{
		{"id", isID}, {"name", isText}, {"rule", isJSON[segment.Rule]}, {"created_at", isTime}, {"updated_at", isTime},
	}},
	{name: "responses", columns: []column{
		{"id", isID}, {"campaign_id", isID}, {"contact_id", orNull(isID)}, {"score", isScore}, {"comment", orNull(isAnyText)},
		{"channel", isOneOf(func(s string) error { return response.ChannelValidator(response.Channel(s)) })},
		{"variant", orNull(isAnyText)}, {"locale", orNull(isAnyText)}, {"traits", isTraits},
		{"responded_at", isTime}, {"recorded_at", isTime}, {"updated_at", isTime}, {"unverified", isBool},
	}},
	{name: "events", columns: []column{
		{"position", isCount}, {"kind", isKind}, {"at", isTime}, {"response_id", isID}, {"campaign_id", isID},
		{"score", orNull(isScore)}, {"previous_score", orNull(isScore)},
	}},
	{name: "tombstones", columns: []column{
		{"response_id", isID}, {"campaign_id", isID}, {"score", isScore},
		{"channel", isOneOf(func(s string) error { return response.ChannelValidator(response.Channel(s)) })},
		{"variant", orNull(isAnyText)}, {"dimension_values", isJSON[map[string]string]}, {"responded_at", isTime},
	}},
	{name: "idempotency_keys", columns: []column{{"key", isHash}, {"response_id", isID}, {"content", orNull(isContents)}}},
	{name: "followers", columns: []column{
		{"kind", isText}, {"id", isID}, {"position", isCount}, {"epoch", isCount}, {"owner", orNull(isID)}, {"lease_until", isCount},
	}},
	{name: "cubes", derived: true, columns: []column{
		{"generation", isNumber}, {"shape", isJSON[trait.Shape]}, {"built_to", orNull(isID)}, {"whole", isBool}, {"done", isCount}, {"total", isCount},
	}},
	{name: "profiles", derived: true, columns: []column{
		{"cube", isCount}, {"id", isCount}, {"channel", isOneOf(func(s string) error { return response.ChannelValidator(response.Channel(s)) })},
		{"variant", isText}, {"dimension_values", isJSON[[]string]},
	}},
	{name: "cells", derived: true, columns: append([]column{
		{"cube", isCount}, {"grain", isCount}, {"campaign_id", isID}, {"start", isNumber}, {"profile_id", isCount},
	}, append(histogram(), column{"changed", isCount})...)},
	{name: "risk_models", derived: true, columns: []column{
		{"number", isCount}, {"cube", isCount}, {"dimensions", isJSON[[]trait.Dimension]}, {"model", orNull(isJSON[any])}, {"position", isCount},
		{"learned_at", isTime}, {"done_to", isID}, {"scored_to", orNull(isID)}, {"passed_at", orNull(isTime)}, {"passed_revision", isCount},
	}},
	{name: "contact_risks", derived: true, columns: []column{{"contact_id", isID}, {"model", isCount}, {"risk", isCount}}},
}

// allTables are all that belong to tenants: tables, and what there is besides of entities, whose columns' types say enough.
func allTables() []table {
	all := slices.Clone(tables)
	for i := range all {
		all[i].kind = ent.KindOf(all[i].name)
	}
	for _, t := range store.Tables() {
		if slices.ContainsFunc(tables, func(known table) bool { return known.name == t.Name }) {
			continue
		}
		plain := table{name: t.Name, kind: ent.KindOf(t.Name)}
		for _, c := range t.Columns {
			if c.Name == "tenant_id" {
				continue
			}
			fault := ofType(c.Type, c.Enums)
			if c.Nullable {
				fault = orNull(fault)
			}
			plain.columns = append(plain.columns, column{c.Name, fault})
		}
		all = append(all, plain)
	}
	return all
}

// ofType says what is wrong with a value by its column's type alone.
func ofType(typ field.Type, names []string) func(store.Raw, int) string {
	switch {
	case typ == field.TypeUUID:
		return isID
	case typ == field.TypeString:
		return isAnyText
	case typ == field.TypeEnum:
		return isOneOf(func(s string) error {
			if !slices.Contains(names, s) {
				return fmt.Errorf("not one of %v", names)
			}
			return nil
		})
	case typ == field.TypeTime:
		return isTime
	case typ == field.TypeBool:
		return isBool
	case typ == field.TypeJSON:
		return isJSON[any]
	case typ.Integer():
		return isNumber
	}
	return func(store.Raw, int) string { return "" }
}

var apiKeyColumns = []column{
	{"id", isID}, {"name", isText}, {"hint", isText}, {"hash", isHash}, {"scopes", isScopes},
	{"created_at", isTime}, {"last_used_at", orNull(isTime)}, {"expires_at", orNull(isTime)}, {"revoked_at", orNull(isTime)},
}

func histogram() (columns []column) {
	for score := range 11 {
		columns = append(columns, column{fmt.Sprintf("s%d", score), isCount})
	}
	return columns
}

func orNull(fault func(store.Raw, int) string) func(store.Raw, int) string {
	return func(r store.Raw, i int) string {
		if r.Null(i) {
			return ""
		}
		return fault(r, i)
	}
}

func isID(r store.Raw, i int) string {
	if _, ok := r.UUID(i); !ok {
		return "no id"
	}
	return ""
}

func isAnyText(r store.Raw, i int) string {
	if text, ok := r.Text(i); !ok || strings.ContainsRune(text, 0) || strings.ToValidUTF8(text, "") != text {
		return "no text"
	}
	return ""
}

func isText(r store.Raw, i int) string {
	if text, _ := r.Text(i); strings.TrimSpace(text) == "" {
		return "no text"
	}
	return isAnyText(r, i)
}

func isTime(r store.Raw, i int) string {
	if _, ok := r.Time(i); !ok {
		return "no time"
	}
	return ""
}

func isBool(r store.Raw, i int) string {
	if _, ok := r.Bool(i); !ok {
		return "neither true nor false"
	}
	return ""
}

func isNumber(r store.Raw, i int) string {
	if _, ok := r.Int(i); !ok {
		return "no whole number"
	}
	return ""
}

func isCount(r store.Raw, i int) string {
	if n, ok := r.Int(i); !ok || n < 0 {
		return "no number from 0"
	}
	return ""
}

func isScore(r store.Raw, i int) string {
	if n, ok := r.Int(i); !ok || n < 0 || n > 10 {
		return "no score from 0 to 10"
	}
	return ""
}

func isKind(r store.Raw, i int) string {
	if n, ok := r.Int(i); !ok || n < 1 || n > 3 {
		return "no kind of event, 1 to 3"
	}
	return ""
}

// isHash is for hashes, and for keys of their length.
func isHash(r store.Raw, i int) string {
	if text, ok := r.Text(i); !ok || len(text) != 32 {
		return "not of 32 bytes"
	}
	return ""
}

// isContents are hashes: of what was recorded, and of one or two completions.
func isContents(r store.Raw, i int) string {
	if text, ok := r.Text(i); !ok || !slices.Contains([]int{32, 64, 96}, len(text)) {
		return "not one to three hashes of 32 bytes"
	}
	return ""
}

func isJSON[T any](r store.Raw, i int) string {
	text, _ := r.Text(i)
	if err := json.Unmarshal([]byte(text), new(T)); err != nil {
		return "not what it should be: " + err.Error()
	}
	return ""
}

func isTraits(r store.Raw, i int) string {
	text, _ := r.Text(i)
	var given map[string]any
	if err := json.Unmarshal([]byte(text), &given); err != nil || given == nil {
		return "no traits"
	}
	// One by one: a response may have more of them than a person, who has those of its contact too.
	for key, value := range given {
		if _, err := trait.ParseValues(map[string]any{key: value}); err != nil {
			return "no traits that can be: " + err.Error()
		}
	}
	return ""
}

func isScopes(r store.Raw, i int) string {
	text, _ := r.Text(i)
	var scopes []string
	if err := json.Unmarshal([]byte(text), &scopes); err != nil || len(scopes) == 0 {
		return "no scopes"
	}
	for _, s := range scopes {
		if _, err := auth.ParseScope(s); err != nil {
			return err.Error()
		}
	}
	return ""
}

func isOneOf(validate func(string) error) func(store.Raw, int) string {
	return func(r store.Raw, i int) string {
		if text, ok := r.Text(i); !ok || validate(text) != nil {
			return "none that there is"
		}
		return ""
	}
}

// wholeContact knows the order of the columns above.
func wholeContact(r store.Raw) string {
	email, _ := r.Text(2)
	key, _ := r.Text(3)
	if r.Null(2) != r.Null(3) || contact.EmailKey(email) != key {
		return fmt.Sprintf("its email is %s and its email_key %s, want %q", r.Show(2), r.Show(3), contact.EmailKey(email))
	}
	return ""
}

// wholeSigningKey finds one that would sign for longer than a day, since it is taken for the newest.
func wholeSigningKey(r store.Raw) string {
	if at, _ := r.Time(2); at.After(time.Now().Add(time.Hour)) {
		return "it was made at " + r.Show(2) + ", which is yet to come"
	}
	return ""
}

func wholeTrait(r store.Raw) string {
	var d trait.Definition
	d.Key, _ = r.Text(1)
	d.Label, _ = r.Text(2)
	kind, _ := r.Text(3)
	d.Kind = trait.Kind(kind)
	if text, ok := r.Text(5); ok && json.Unmarshal([]byte(text), &d.Edges) != nil {
		return "" // said of the column
	}
	if errs := d.Validate(); errs != nil {
		return fmt.Sprintf("its definition cannot be (key %s, kind %s): %v", r.Show(1), r.Show(3), errs)
	}
	return ""
}

// rows reads all of a tenant's rows of a table and says which cannot be read.
func rows(ctx context.Context, tx *store.Tx, t table, tenant uuid.UUID) (faults []cube.Fault, err error) {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	of := "tenant_id"
	if t.name == "tenants" {
		of = "id"
	}
	n := 0
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		say := func(what string) {
			if n++; n <= cube.MaxNamed {
				faults = append(faults, cube.Faultf("%s %s", t.row(r), what))
			}
		}
		sound := true
		for i, c := range t.columns {
			if fault := c.fault(r, i); fault != "" {
				sound = false
				what := fmt.Sprintf("has the %s %s, which is %s", c.name, r.Show(i), fault)
				if !t.derived {
					what += "; only a backup knows it"
				}
				say(what)
			}
		}
		if sound && t.whole != nil {
			if fault := t.whole(r); fault != "" {
				say("is not what it should be: " + fault)
			}
		}
		return nil
	}, `SELECT `+strings.Join(names, ", ")+` FROM `+t.name+` WHERE `+of+` = $1`, tenant)
	if n > cube.MaxNamed {
		faults = append(faults, cube.Faultf("%s: and %d more of this kind", t.name, n-cube.MaxNamed))
	}
	return faults, err
}

// row names a row.
func (t table) row(r store.Raw) string {
	if u, ok := r.UUID(0); ok && t.kind != "" {
		return t.kind.Format(u)
	}
	switch t.name {
	case "tombstones":
		if u, ok := r.UUID(0); ok {
			return "the deleted " + id.Response.Format(u)
		}
	case "events":
		return "event " + r.Show(0)
	case "cubes":
		return "cube " + r.Show(0)
	case "profiles":
		return fmt.Sprintf("profile %s of cube %s", r.Show(1), r.Show(0))
	case "cells":
		return fmt.Sprintf("the cell of cube %s, grain %s, campaign %s, day %s, profile %s", r.Show(0), r.Show(1), r.Show(2), r.Show(3), r.Show(4))
	case "risk_models":
		return "the model " + r.Show(0) + " of who answers how"
	case "contact_risks":
		return "the risk of " + r.Show(0)
	case "idempotency_keys":
		key, _ := r.Text(0)
		return fmt.Sprintf("the idempotency key %x", key)
	}
	return t.name + " " + r.Show(0)
}

// strays finds rows of tenants that there are not.
func strays(ctx context.Context, tx *store.Tx, t table) (faults []cube.Fault, err error) {
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		u, ok := r.UUID(0)
		if ok && u == (uuid.UUID{}) && t.name == "api_keys" {
			return nil // operators'
		}
		name := r.Show(0)
		if ok {
			name = id.Tenant.Format(u)
		}
		faults = append(faults, cube.Faultf("%s has %s rows of the tenant %s, which is none", t.name, r.Show(1), name))
		return nil
	}, `SELECT x.tenant_id, count(*) FROM `+t.name+` x LEFT JOIN tenants t ON t.id = x.tenant_id WHERE t.id IS NULL GROUP BY x.tenant_id ORDER BY x.tenant_id`)
	return faults, err
}

// allReferences are all that there are: references, and what other entities name by its id.
func allReferences() []reference {
	all := slices.Clone(references)
	for _, t := range store.Tables() {
		for _, key := range t.ForeignKeys {
			column, to := key.Columns[len(key.Columns)-1].Name, key.RefTable.Name
			if !slices.ContainsFunc(references, func(r reference) bool { return r.from == t.Name && r.column == column }) {
				all = append(all, reference{"the " + t.Name + "' " + to, t.Name, column, to, ent.KindOf(t.Name), ent.KindOf(to), "id"})
			}
		}
	}
	return all
}

// reference is what names a row of another table.
type reference struct {
	what, from, column, to string
	kind, target           id.Kind
	// key is what a row of from is named by.
	key string
}

var references = []reference{
	{"the responses' campaigns", "responses", "campaign_id", "campaigns", id.Response, id.Campaign, "id"},
	{"the responses' contacts", "responses", "contact_id", "contacts", id.Response, id.Contact, "id"},
	{"the invitations' campaigns", "invitations", "campaign_id", "campaigns", id.Invitation, id.Campaign, "id"},
	{"the invitations' contacts", "invitations", "contact_id", "contacts", id.Invitation, id.Contact, "id"},
	{"the invitations' responses", "invitations", "response_id", "responses", id.Invitation, id.Response, "id"},
	{"the events' campaigns", "events", "campaign_id", "campaigns", "", id.Campaign, "position"},
	{"the deleted responses' campaigns", "tombstones", "campaign_id", "campaigns", id.Response, id.Campaign, "response_id"},
	{"the risks' contacts", "contact_risks", "contact_id", "contacts", "", id.Contact, "contact_id"},
	{"the cells' campaigns", "cells", "campaign_id", "campaigns", "", id.Campaign, "start"},
}

// check finds references to what is not there, or is another tenant's.
func (ref reference) check(ctx context.Context, tx *store.Tx, tenant uuid.UUID) (faults []cube.Fault, err error) {
	n := 0
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		if n++; n > cube.MaxNamed {
			return nil
		}
		from := ref.from + " " + r.Show(0)
		if u, ok := r.UUID(0); ok && ref.kind != "" {
			from = ref.kind.Format(u)
		}
		to := r.Show(1)
		if u, ok := r.UUID(1); ok {
			to = ref.target.Format(u)
		}
		what := "is not there"
		if u, ok := r.UUID(2); ok {
			what = "belongs to the tenant " + id.Tenant.Format(u)
		}
		faults = append(faults, cube.Faultf("%s names the %s %s, which %s; only a backup knows it", from, strings.TrimSuffix(ref.to, "s"), to, what))
		return nil
	}, `SELECT x.`+ref.key+`, x.`+ref.column+`, other.tenant_id FROM `+ref.from+` x
		LEFT JOIN `+ref.to+` y ON y.tenant_id = x.tenant_id AND y.id = x.`+ref.column+`
		LEFT JOIN `+ref.to+` other ON other.id = x.`+ref.column+`
		WHERE x.tenant_id = $1 AND x.`+ref.column+` IS NOT NULL AND y.id IS NULL ORDER BY x.`+ref.key, tenant)
	if n > cube.MaxNamed {
		faults = append(faults, cube.Faultf("%s: and %d more of this kind", ref.what, n-cube.MaxNamed))
	}
	return faults, err
}

// segments finds rules that the tenant's traits do not fit.
func segments(ctx context.Context, tx *store.Tx, tenant uuid.UUID) (faults []cube.Fault, err error) {
	var dims []trait.Dimension
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		var d trait.Dimension
		d.Key, _ = r.Text(0)
		kind, _ := r.Text(1)
		d.Kind = trait.Kind(kind)
		if edges, ok := r.Text(2); ok {
			_ = json.Unmarshal([]byte(edges), &d.Edges) // said of the row
		}
		if is, _ := r.Bool(3); is {
			dims = append(dims, d)
		}
		return nil
	}, `SELECT key, kind, edges, is_dimension FROM traits WHERE tenant_id = $1`, tenant)
	if err != nil {
		return nil, err
	}
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		var rule segment.Rule
		text, _ := r.Text(2)
		if json.Unmarshal([]byte(text), &rule) != nil {
			return nil //nolint:nilerr // said of the row
		}
		if errs := rule.Validate(dims); errs != nil {
			name := r.Show(0)
			if u, ok := r.UUID(0); ok {
				name = id.Segment.Format(u)
			}
			faults = append(faults, cube.Faultf("%s %s has a rule that does not fit the traits: %v; change it with updateSegment, or the traits with defineTrait", name, r.Show(1), errs))
		}
		return nil
	}, `SELECT id, name, rule FROM segments WHERE tenant_id = $1 ORDER BY id`, tenant)
	return faults, err
}
