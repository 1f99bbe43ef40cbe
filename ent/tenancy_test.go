package ent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/schema"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// entities are the names of all entities, those that refer to others last.
func entities(t *testing.T) []string {
	t.Helper()
	var names, referring []string
	for f := range reflect.TypeFor[ent.Client]().Fields() {
		if !f.IsExported() || !strings.HasSuffix(f.Type.String(), "Client") {
			continue
		}
		if refers(f.Type) {
			referring = append(referring, f.Name)
		} else {
			names = append(names, f.Name)
		}
	}
	if len(names)+len(referring) < 7 || !slices.Contains(names, "Tenant") {
		t.Fatalf("found the entities %v and %v", names, referring)
	}
	// What others refer to comes before them.
	slices.SortStableFunc(referring, func(a, b string) int { return depth[a] - depth[b] })
	return append(names, referring...)
}

// depth is how many steps away a thing is from those that refer to none.
var depth = map[string]int{"Invitation": 1, "ProvisionalAnswer": 2, "Suppression": 2}

func refers(client reflect.Type) bool {
	create, _ := client.MethodByName("Create")
	for m := range create.Type.Out(0).Methods() {
		field, ok := strings.CutPrefix(m.Name, "Set")
		if ok && m.Type.NumIn() == 2 && m.Type.In(1) == reflect.TypeFor[uuid.UUID]() && strings.HasSuffix(field, "ID") && field != "ID" && field != "TenantID" {
			return true
		}
	}
	return false
}

// tester makes rows and looks at them by reflection: a new entity is tested without another word.
type tester struct {
	t *testing.T
	// made are the ids of what a tenant has, by entity.
	made map[uuid.UUID]map[string]uuid.UUID
}

func client(c *ent.Client, entity string) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByName(entity)
}

// call calls a method and gives what it returns, and its error.
func call(v reflect.Value, method string, args ...any) (reflect.Value, error) {
	m := v.MethodByName(method)
	var in []reflect.Value
	for _, a := range args {
		in = append(in, reflect.ValueOf(a))
	}
	out := m.Call(in)
	if last := out[len(out)-1]; last.Type() == reflect.TypeFor[error]() {
		err, _ := reflect.TypeAssert[error](last)
		return out[0], err
	}
	return out[0], nil
}

// fill sets every field of a builder, but those named.
func (ts *tester) fill(builder reflect.Value, refersTo map[string]uuid.UUID, but ...string) {
	ts.t.Helper()
	for m := range builder.Type().Methods() {
		field, ok := strings.CutPrefix(m.Name, "Set")
		if !ok || strings.HasPrefix(field, "Nillable") || slices.Contains(but, field) || m.Type.NumIn() != 2 || m.Type.IsVariadic() {
			continue
		}
		builder.MethodByName(m.Name).Call([]reflect.Value{ts.value(field, m.Type.In(1), refersTo)})
	}
}

// enums are valid values of the types that have few.
var enums = map[string]string{"campaign.Status": "PAUSED", "invitation.BounceKind": "HARD", "invitation.Channel": "WIDGET", "invitation.SkippedBecause": "NOT_SAMPLED", "invitation.Status": "SENT", "response.Channel": "API", "schedule.Occasion": "ONCE", "suppression.Reason": "MANUAL", "suppression.ReasonBefore": "BOUNCED", "survey.ClickPolicy": "CONFIRMED", "trait.Kind": "TEXT"}

func (ts *tester) value(field string, typ reflect.Type, refersTo map[string]uuid.UUID) reflect.Value {
	ts.t.Helper()
	v := reflect.New(typ).Elem()
	switch {
	case typ == reflect.TypeFor[uuid.UUID]():
		if !strings.HasSuffix(field, "ID") { // nothing that the database holds against others
			return reflect.ValueOf(uuid.New())
		}
		target, ok := refersTo[strings.TrimSuffix(field, "ID")]
		if !ok {
			ts.t.Fatalf("there is nothing that %s could refer to", field)
		}
		v.Set(reflect.ValueOf(target))
	case typ == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
	case typ.Kind() == reflect.String && typ.PkgPath() != "":
		valid, ok := enums[typ.String()]
		if !ok {
			ts.t.Fatalf("%s: no value of %s is known here", field, typ)
		}
		v.SetString(valid)
	case typ.Kind() == reflect.String:
		v.SetString(strings.ToLower(rest(id.New())))
	case typ.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(typ))
	case typ == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte("{}"))
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(rest(id.New())))
	}
	return v // the zero value is good for numbers, booleans, lists and rules
}

func rest(u uuid.UUID) string { return fmt.Sprintf("x%x", u[8:]) }

// create makes a row of the entity as the context's caller, with what refersTo says.
func (ts *tester) create(ctx context.Context, c *ent.Client, entity string, refersTo map[string]uuid.UUID) (uuid.UUID, error) {
	ts.t.Helper()
	builder, _ := call(client(c, entity), "Create")
	ts.fill(builder, refersTo, "ID", "TenantID")
	saved, err := call(builder, "Save", ctx)
	if err != nil {
		return uuid.UUID{}, err
	}
	return saved.Elem().FieldByName("ID").Interface().(uuid.UUID), nil
}

func TestTenantsAreApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ts := &tester{t: t, made: map[uuid.UUID]map[string]uuid.UUID{}}
		names := entities(t)
		var tenants []uuid.UUID
		for range 2 {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				tenant, err := ts.create(auth.ForSystem(t.Context()), tx.Ent, "Tenant", nil)
				tenants = append(tenants, tenant)
				ts.made[tenant] = map[string]uuid.UUID{"Tenant": tenant}
				for _, entity := range names {
					if entity == "Tenant" || err != nil {
						continue
					}
					ts.made[tenant][entity], err = ts.create(auth.ForTenant(t.Context(), tenant), tx.Ent, entity, ts.made[tenant])
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		them, us := tenants[0], tenants[1]
		for _, entity := range names {
			t.Run(entity, func(t *testing.T) {
				ts := &tester{t: t, made: ts.made}
				before := ts.read(db, them, entity)
				ts.foreign(db, entity, them, us)
				ts.nobody(db, entity, them)
				if after := ts.read(db, them, entity); after != before {
					t.Errorf("the other tenant's row was\n%s\nand is\n%s", before, after)
				}
			})
		}
	})
}

// read is the tenant's only row of the entity.
func (ts *tester) read(db *store.DB, tenant uuid.UUID, entity string) string {
	ts.t.Helper()
	row, err := call(client(db.Ent, entity), "Get", auth.ForTenant(ts.t.Context(), tenant), ts.made[tenant][entity])
	if err != nil {
		ts.t.Fatal(err)
	}
	return fmt.Sprint(row)
}

// foreign does as one tenant what it can to another's row.
func (ts *tester) foreign(db *store.DB, entity string, them, us uuid.UUID) {
	t, ctx, theirs := ts.t, auth.ForTenant(ts.t.Context(), us), ts.made[them][entity]
	t.Helper()
	if _, err := call(client(db.Ent, entity), "Get", ctx, theirs); !ent.IsNotFound(err) {
		t.Errorf("getting another tenant's row gives %v", err)
	}
	query, _ := call(client(db.Ent, entity), "Query")
	ids, err := call(query, "IDs", ctx)
	if err != nil || !slices.Equal(ids.Interface().([]uuid.UUID), []uuid.UUID{ts.made[us][entity]}) {
		t.Errorf("querying finds %v, %v; want one's own alone", ids, err)
	}

	// Each in a transaction of its own, which is rolled back: one's own rows are still needed.
	undo := errors.New("undone")
	try := func(what string, f func(c reflect.Value) (reflect.Value, error), check func(reflect.Value, error) bool) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			if got, err := f(client(tx.Ent, entity)); !check(got, err) {
				t.Errorf("%s gives %v, %v", what, got, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Errorf("%s: %v", what, err)
		}
	}
	notFound := func(_ reflect.Value, err error) bool { return ent.IsNotFound(err) }
	onlyOwn := func(n reflect.Value, err error) bool { return err == nil && n.Int() == 1 }
	refused := func(_ reflect.Value, err error) bool { return err != nil && !ent.IsNotFound(err) }
	immutable := []string{"ID", "TenantID"}
	if update, _ := call(client(db.Ent, entity), "Update"); changes(update.Type()) {
		try("updating all", func(c reflect.Value) (reflect.Value, error) {
			update, _ := call(c, "Update")
			ts.fill(update, ts.made[us], immutable...)
			return call(update, "Save", ctx)
		}, onlyOwn)
		try("updating by id", func(c reflect.Value) (reflect.Value, error) {
			update, _ := call(c, "UpdateOneID", theirs)
			ts.fill(update, ts.made[us], immutable...)
			return call(update, "Save", ctx)
		}, notFound)
	}
	try("deleting by id", func(c reflect.Value) (reflect.Value, error) {
		del, _ := call(c, "DeleteOneID", theirs)
		return call(del, "Exec", ctx)
	}, notFound)
	if !ts.referred(db, entity) {
		try("deleting all", func(c reflect.Value) (reflect.Value, error) {
			del, _ := call(c, "Delete")
			return call(del, "Exec", ctx)
		}, onlyOwn)
	}
	if entity == "Tenant" {
		return
	}
	try("creating a row of another tenant's", func(c reflect.Value) (reflect.Value, error) {
		create, _ := call(c, "Create")
		ts.fill(create, ts.made[us], "ID", "TenantID")
		create.MethodByName("SetTenantID").Call([]reflect.Value{reflect.ValueOf(them)})
		return call(create, "Save", ctx)
	}, refused)
	// Ids are unique within a tenant alone, so that not even this tells whether there is one.
	try("creating a row with the id of another tenant's", func(c reflect.Value) (reflect.Value, error) {
		if !ts.referred(db, entity) { // of some there may be one alone
			del, _ := call(c, "Delete")
			if _, err := call(del, "Exec", ctx); err != nil {
				return del, err
			}
		}
		create, _ := call(c, "Create")
		ts.fill(create, ts.made[us], "ID", "TenantID", "ResponseID") // a response answers one invitation
		create.MethodByName("SetID").Call([]reflect.Value{reflect.ValueOf(theirs)})
		return call(create, "Save", ctx)
	}, func(row reflect.Value, err error) bool {
		return err == nil && row.Elem().FieldByName("TenantID").Interface() == us
	})
	if refers(client(db.Ent, entity).Type()) {
		try("referring to another tenant's row", func(c reflect.Value) (reflect.Value, error) {
			create, _ := call(c, "Create")
			ts.fill(create, ts.made[them], "ID", "TenantID")
			return call(create, "Save", ctx)
		}, refused)
	}
}

// changes reports whether an update can set anything: nothing can be done to what is immutable altogether.
func changes(update reflect.Type) bool {
	for m := range update.Methods() {
		if strings.HasPrefix(m.Name, "Set") {
			return true
		}
	}
	return false
}

// referred reports whether other entities' rows refer to the entity's.
func (ts *tester) referred(db *store.DB, entity string) bool {
	return slices.ContainsFunc(entities(ts.t), func(other string) bool {
		create, _ := call(client(db.Ent, other), "Create")
		return create.MethodByName("Set" + entity + "ID").IsValid()
	})
}

// nobody tries all of it without a caller.
func (ts *tester) nobody(db *store.DB, entity string, them uuid.UUID) {
	t, ctx := ts.t, ts.t.Context()
	t.Helper()
	for what, f := range map[string]func(c reflect.Value) (reflect.Value, error){
		"getting":  func(c reflect.Value) (reflect.Value, error) { return call(c, "Get", ctx, ts.made[them][entity]) },
		"querying": func(c reflect.Value) (reflect.Value, error) { q, _ := call(c, "Query"); return call(q, "IDs", ctx) },
		"counting": func(c reflect.Value) (reflect.Value, error) { q, _ := call(c, "Query"); return call(q, "Count", ctx) },
		"deleting": func(c reflect.Value) (reflect.Value, error) { d, _ := call(c, "Delete"); return call(d, "Exec", ctx) },
		"updating": func(c reflect.Value) (reflect.Value, error) {
			u, _ := call(c, "Update")
			ts.fill(u, ts.made[them], "ID", "TenantID")
			return call(u, "Save", ctx)
		},
		"creating": func(c reflect.Value) (reflect.Value, error) {
			create, _ := call(c, "Create")
			ts.fill(create, ts.made[them], "ID")
			return call(create, "Save", ctx)
		},
	} {
		err := db.Write(ctx, func(tx *store.Tx) error { _, err := f(client(tx.Ent, entity)); return err })
		if !errors.Is(err, schema.ErrNoCaller) {
			t.Errorf("%s without a caller gives %v", what, err)
		}
	}
}
