package doctor

import (
	"slices"
	"testing"

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

// What has an id of its own is named by it.
func TestKindsHaveTables(t *testing.T) {
	for _, kind := range id.Kinds() {
		if !slices.ContainsFunc(allTables(), func(t table) bool { return t.kind == kind }) {
			t.Errorf("no table has rows whose ids begin with %s_", kind)
		}
	}
}
