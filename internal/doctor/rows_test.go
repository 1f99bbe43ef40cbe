package doctor

import (
	"slices"
	"testing"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// TestTables finds columns that nobody looks at.
func TestTables(t *testing.T) {
	tables := allTables()
	for _, want := range store.Tables() {
		at := slices.IndexFunc(tables, func(t table) bool { return t.name == want.Name })
		if at < 0 {
			t.Errorf("the table %s is not checked", want.Name)
			continue
		}
		for _, c := range want.Columns {
			checked := slices.ContainsFunc(tables[at].columns, func(is column) bool { return is.name == c.Name })
			if checked == (c.Name == "tenant_id") {
				t.Errorf("%s.%s: checked %t", want.Name, c.Name, checked)
			}
		}
		if len(tables[at].columns) > len(want.Columns) {
			t.Errorf("%s has %d columns, and %d are checked", want.Name, len(want.Columns), len(tables[at].columns))
		}
	}
}

// What has an id of its own is named by it, and nothing else is, whatever its table's name begins with.
func TestKindsHaveTables(t *testing.T) {
	have := map[id.Kind]string{}
	for _, of := range allTables() {
		if other, twice := have[of.kind]; twice && of.kind != "" {
			t.Errorf("both %s and %s have rows whose ids begin with %s_", other, of.name, of.kind)
		}
		have[of.kind] = of.name
	}
	for _, kind := range id.Kinds() {
		if have[kind] == "" {
			t.Errorf("no table has rows whose ids begin with %s_", kind)
		}
	}
	for _, name := range []string{"contact_events", "response_tags", "key_uses"} {
		if kind := ent.KindOf(name); kind != "" {
			t.Errorf("the ids of %s would begin with %s_", name, kind)
		}
	}
}
