package store

import (
	"slices"
	"strings"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	"github.com/zeroten/zeroten/ent/migrate"
)

// Tables is the schema that both dialects' migrations lead to: the entities, and the tables of the log and the cube,
// which are written and read by hand.
//
// Every primary key begins with the tenant, and so do foreign keys: a distributed PostgreSQL can shard by it, and the
// database itself refuses a reference into another tenant. The table search_documents is in the migrations alone, since each
// database has means of its own for it: see internal/search.
func Tables() []*schema.Table {
	var tables []*schema.Table
	for _, t := range migrate.Tables {
		t := clone(t)
		if i := slices.IndexFunc(t.Columns, func(c *schema.Column) bool { return c.Name == "tenant_id" }); i >= 0 {
			// The key's columns stand first and in its order, as atlas reads them back from SQLite.
			t.PrimaryKey = []*schema.Column{t.Columns[i], t.PrimaryKey[0]}
			t.Columns = append(slices.Clone(t.PrimaryKey), slices.DeleteFunc(slices.Clone(t.Columns), func(c *schema.Column) bool {
				return slices.Contains(t.PrimaryKey, c)
			})...)
		}
		tables = append(tables, t)
	}
	named := func(name string) *schema.Table {
		return tables[slices.IndexFunc(tables, func(t *schema.Table) bool { return t.Name == name })]
	}
	// What an entity names by the id of another is one of the same tenant: campaign_id is of campaigns.
	for _, from := range tables {
		for _, c := range from.Columns {
			if name, is := strings.CutSuffix(c.Name, "_id"); is && c.Type == field.TypeUUID && c.Name != "tenant_id" {
				refer(from, c.Name, named(name+"s"))
			}
		}
	}

	// What led to no answer goes with whom it is of, also where it is written while they are erased.
	opened := named("provisional_answers")
	for _, k := range opened.ForeignKeys {
		if k.Columns[1].Name == "contact_id" {
			k.OnDelete = schema.Cascade
		}
	}

	col := func(name string, t field.Type) *schema.Column { return &schema.Column{Name: name, Type: t} }
	null := func(c *schema.Column) *schema.Column { c.Nullable = true; return c }
	of := func(c *schema.Column, postgres string) *schema.Column {
		c.SchemaType = map[string]string{dialect.Postgres: postgres}
		return c
	}

	// The log. An event's campaign stays readable when its response is gone.
	events := table("events", 2,
		col("tenant_id", field.TypeUUID), col("position", field.TypeInt64),
		of(col("kind", field.TypeInt), "smallint"), col("at", field.TypeTime),
		col("response_id", field.TypeUUID), col("campaign_id", field.TypeUUID),
		of(null(col("score", field.TypeInt)), "smallint"), of(null(col("previous_score", field.TypeInt)), "smallint"))

	// What is still known of a deleted response: what the cube counted it by, so that whoever listens to a part of the
	// feedback hears that it is gone, and nobody else.
	tombstones := table("tombstones", 2,
		col("tenant_id", field.TypeUUID), col("response_id", field.TypeUUID),
		col("campaign_id", field.TypeUUID), of(col("score", field.TypeInt), "smallint"),
		&schema.Column{Name: "channel", Type: field.TypeString}, null(&schema.Column{Name: "variant", Type: field.TypeString}),
		of(col("dimension_values", field.TypeJSON), "json"), col("responded_at", field.TypeTime))

	// What an idempotency key named: it outlives the response. Both are hashes, since either may name a person.
	keys := table("idempotency_keys", 2,
		col("tenant_id", field.TypeUUID), of(col("key", field.TypeBytes), "bytea"),
		col("response_id", field.TypeUUID), of(null(col("content", field.TypeBytes)), "bytea"))

	// How far those have come who follow a log, of whom a tenant has one of a kind, with the zero id, or one for each of
	// something. Nobody but the owner moves one on, until lease_until, by the database's clock in milliseconds since 1970;
	// what is nobody's is so since then.
	followers := table("followers", 3,
		col("tenant_id", field.TypeUUID), &schema.Column{Name: "kind", Type: field.TypeString}, col("id", field.TypeUUID),
		col("position", field.TypeInt64), col("epoch", field.TypeInt64), null(col("owner", field.TypeUUID)), col("lease_until", field.TypeInt64))

	// Generations of cells. tenants.cube names the one that answers; a higher one is being built.
	cubes := table("cubes", 2,
		col("tenant_id", field.TypeUUID), col("generation", field.TypeInt32),
		of(col("shape", field.TypeJSON), "json"),
		null(col("built_to", field.TypeUUID)), col("whole", field.TypeBool),
		col("done", field.TypeInt64), col("total", field.TypeInt64))

	profiles := table("profiles", 3,
		col("tenant_id", field.TypeUUID), col("cube", field.TypeInt32), col("id", field.TypeInt32),
		&schema.Column{Name: "channel", Type: field.TypeString}, &schema.Column{Name: "variant", Type: field.TypeString},
		of(col("dimension_values", field.TypeJSON), "json"))

	columns := []*schema.Column{
		col("tenant_id", field.TypeUUID), col("cube", field.TypeInt32), of(col("grain", field.TypeInt), "smallint"),
		col("campaign_id", field.TypeUUID), col("start", field.TypeInt32), col("profile_id", field.TypeInt32),
	}
	for _, name := range []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"} {
		columns = append(columns, col(name, field.TypeInt32))
	}
	// The tenant's revision that wrote the row last. That of a month's total is of all the month's cells.
	columns = append(columns, &schema.Column{Name: "changed", Type: field.TypeInt64, Default: 0})
	cells := table("cells", 6, columns...)

	// What a tenant has learned of who answers how: see internal/risk. That with the highest number that is scored_to anybody
	// answers; one above it is being made ready.
	models := table("risk_models", 2,
		col("tenant_id", field.TypeUUID), col("number", field.TypeInt64),
		col("cube", field.TypeInt32), of(col("dimensions", field.TypeJSON), "json"), of(null(col("model", field.TypeJSON)), "json"),
		col("position", field.TypeInt64), col("learned_at", field.TypeTime),
		col("done_to", field.TypeUUID), null(col("scored_to", field.TypeUUID)),
		null(col("passed_at", field.TypeTime)), col("passed_revision", field.TypeInt64))

	// How likely each contact is a detractor, by a model, in parts of a billion, in which databases have no doubts of what is
	// equal. They are no columns of contacts, which are written all the time: see decision 39.
	risks := table("contact_risks", 3,
		col("tenant_id", field.TypeUUID), col("contact_id", field.TypeUUID), col("model", field.TypeInt64), col("risk", field.TypeInt32))
	risks.Indexes = []*schema.Index{{
		Name: "contact_risk_order", Columns: []*schema.Column{risks.Columns[0], risks.Columns[2], risks.Columns[3], risks.Columns[1]},
	}}
	refer(risks, "contact_id", named("contacts"))
	risks.ForeignKeys[0].OnDelete = schema.Cascade // whoever is erased leaves none
	return append(tables, events, tombstones, keys, followers, cubes, profiles, cells, models, risks)
}

// table makes a table whose first so many columns are its primary key.
func table(name string, keyed int, columns ...*schema.Column) *schema.Table {
	return &schema.Table{Name: name, Columns: columns, PrimaryKey: columns[:keyed]}
}

func clone(t *schema.Table) *schema.Table {
	c := &schema.Table{
		Name: t.Name, Columns: t.Columns, PrimaryKey: t.PrimaryKey, Indexes: t.Indexes,
		Annotation: &entsql.Annotation{},
	}
	return c
}

// refer adds a foreign key of (tenant_id, column) to another table's primary key.
func refer(from *schema.Table, column string, to *schema.Table) {
	find := func(t *schema.Table, name string) *schema.Column {
		return t.Columns[slices.IndexFunc(t.Columns, func(c *schema.Column) bool { return c.Name == name })]
	}
	from.ForeignKeys = append(from.ForeignKeys, &schema.ForeignKey{
		Symbol:   from.Name + "_" + column,
		Columns:  []*schema.Column{find(from, "tenant_id"), find(from, column)},
		RefTable: to, RefColumns: []*schema.Column{find(to, "tenant_id"), find(to, "id")},
		OnDelete: schema.NoAction, OnUpdate: schema.NoAction,
	})
}
