package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/zeroten/zeroten"

// rules is where those rooms stand that know who there is and what is asked, side by side, as do those that are not listed.
const rules = 9

// levels says how high each room of the house stands. A room is a package with all below it, and its packages may use
// each other; it may use rooms that stand lower. "" is the program itself.
var levels = map[string]int{
	"":                     19,
	"bench":                19,
	"torture":              19,
	"internal/lab":         0,
	"examples":             0,
	"internal/app":         18,
	"graph":                17,
	"internal/demo":        17,
	"internal/importer":    17,
	"internal/outreach":    16,
	"internal/insight":     15,
	"internal/doctor":      15,
	"internal/survey":      15,
	"internal/reach":       15,
	"internal/live":        15,
	"internal/selection":   14,
	"internal/search":      13,
	"internal/follow":      12,
	"internal/tail":        11,
	"internal/feedback":    10,
	"internal/tenant":      rules,
	"internal/campaign":    rules,
	"internal/contact":     rules,
	"internal/settings":    8,
	"internal/cube":        7,
	"internal/job":         6,
	"internal/store":       5,
	"ent":                  4,
	"internal/segment":     3,
	"internal/trait":       2,
	"internal/observe":     2,
	"internal/page":        1,
	"internal/auth":        1,
	"internal/flight":      0,
	"internal/edge":        1,
	"internal/rate":        0,
	"internal/warning":     0,
	"internal/id":          0,
	"internal/apierror":    0,
	"internal/calendar":    0,
	"internal/nps":         0,
	"internal/linear":      1,
	"schema":               0,
	"docs":                 0,
	"internal/playground":  1,
	"internal/level":       1,
	"internal/kitagawa":    1,
	"internal/credibility": 1,
	"internal/few":         1,
	"internal/ordinal":     1,
	"internal/sequential":  1,
	"internal/effect":      1,

	// What only tests use.
	"internal":           0,
	"internal/pgtest":    0,
	"internal/storetest": 6,
}

// forbidden are packages, with all below them, that no room may use but those named.
var forbidden = map[string][]string{
	"database/sql":                             {"internal/feedback", "internal/selection", "internal/reach", "internal/outreach", "internal/contact", "internal/settings", "internal/risk", "internal/cube", "internal/follow", "internal/search", "internal/job", "internal/store", "ent/migrate", "bench", "internal/pgtest"},
	"github.com/lib/pq":                        {"internal/feedback", "internal/cube", "internal/store", "bench", "internal/pgtest"},
	"modernc.org/sqlite":                       {"internal/store", "bench"},
	"testing":                                  {"internal/pgtest", "internal/storetest", "internal/feedback/feedbacktest", "internal/search/searchtest", "ent/enttest"},
	module + "/internal/pgtest":                {"internal/storetest"},
	module + "/internal/storetest":             {},
	module + "/internal/feedback/feedbacktest": {},
	module + "/internal/search/searchtest":     {},
	module + "/ent/enttest":                    {},
	"github.com/99designs/gqlgen":              {"graph", "internal/app"},
	"github.com/stretchr/testify":              {},
	"golang.org/x/sync":                        {"internal/flight"},
	"github.com/evanw/esbuild":                 {"internal/survey/widget/build"},
	"github.com/riverqueue/river":              {"internal/store", "internal/job"},
	"entgo.io/ent/dialect/sql/sqlgraph":        {"ent"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Module     struct{ Main bool }
}

// list is what `go list` says about all packages of the module, tests apart: those may use what they like.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Module", "./...")
	cmd.Dir = ".."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("reading go list's answer: %v", err)
		}
		packages = append(packages, p)
	}
}

// within says whether a package is root, or below it.
func within(pkg, root string) bool {
	return pkg == root || strings.HasPrefix(pkg, root+"/")
}

// roomOf finds the room of a package of ours, given without the module's path: a listed one, but that "internal" and "" are
// no rooms for what is below them, or else one of rules below internal/.
func roomOf(pkg string) (room string, ok bool) {
	for r := range levels {
		if pkg == r || (r != "" && r != "internal" && within(pkg, r)) {
			if len(r) >= len(room) {
				room, ok = r, true
			}
		}
	}
	if below, is := strings.CutPrefix(pkg, "internal/"); !ok && is {
		name, _, _ := strings.Cut(below, "/")
		return "internal/" + name, true
	}
	return room, ok
}

// levelOf is how high a room stands.
func levelOf(room string) int {
	if level, listed := levels[room]; listed {
		return level
	}
	return rules
}

func inModule(pkg string) (path string, ok bool) {
	if !within(pkg, module) {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/"), true
}

// wrong says what is wrong with one package using another, nothing if it may.
func wrong(from, to string) string {
	path, _ := inModule(from)
	for root, homes := range forbidden {
		// What only describes values to a driver is no SQL.
		if within(to, root) && to != "database/sql/driver" && !slices.ContainsFunc(homes, func(home string) bool { return within(path, home) }) {
			if target, ours := inModule(to); ours && within(path, target) {
				continue
			}
			return "is only for " + strings.Join(append(homes, "tests"), ", ")
		}
	}
	target, ours := inModule(to)
	if !ours {
		return ""
	}
	fromRoom, ok := roomOf(path)
	if !ok {
		return "comes from a package that has no place in levels"
	}
	toRoom, ok := roomOf(target)
	switch {
	case !ok:
		return "leads to a package that has no place in levels"
	case fromRoom == toRoom:
		return ""
	case levelOf(toRoom) > levelOf(fromRoom):
		return "points up"
	case levelOf(toRoom) == levelOf(fromRoom):
		return "points to a neighbour"
	}
	return ""
}

func TestArrowsPointDown(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		path, ours := inModule(p.ImportPath)
		if _, ok := roomOf(path); !ours || !ok {
			t.Errorf("%s has no place in levels", p.ImportPath)
			continue
		}
		for _, to := range p.Imports {
			if reason := wrong(p.ImportPath, to); reason != "" {
				t.Errorf("%s → %s %s", p.ImportPath, to, reason)
			}
		}
	}
}

// Statistics are pure: they read nothing, write nothing, and know no other room but that of scores.
func TestStatisticsArePure(t *testing.T) {
	pure := []string{
		"internal/nps", "internal/level", "internal/linear", "internal/kitagawa", "internal/credibility", "internal/few",
		"internal/ordinal", "internal/sequential", "internal/effect",
	}
	allowed := []string{"cmp", "errors", "fmt", "encoding/json", "iter", "maps", "math", "slices", "sort", "strconv", "gonum.org/v1/gonum", module + "/internal/nps"}
	for _, p := range list(t) {
		path, _ := inModule(p.ImportPath)
		if !slices.ContainsFunc(pure, func(room string) bool { return within(path, room) }) {
			continue
		}
		for _, to := range p.Imports {
			if !slices.ContainsFunc(allowed, func(root string) bool {
				return to == root || (root == "math" || root == "gonum.org/v1/gonum") && within(to, root)
			}) {
				t.Errorf("%s uses %s", p.ImportPath, to)
			}
		}
	}
}

// The engine runs operations whatever they ask for: what it is to know of entities, rules and tables it is told.
func TestTheEngineKnowsNoRules(t *testing.T) {
	allowed := []string{
		"graph/documents", "graph/input", "graph/limit", "graph/scalar", "graph/wire",
		"internal/apierror", "internal/auth", "internal/edge", "internal/flight", "internal/rate", "internal/warning",
	}
	found := false
	for _, p := range list(t) {
		if path, _ := inModule(p.ImportPath); path != "graph/engine" {
			continue
		}
		found = true
		for _, to := range p.Imports {
			if target, ours := inModule(to); ours && !slices.Contains(allowed, target) {
				t.Errorf("%s uses %s", p.ImportPath, to)
			}
		}
	}
	if !found {
		t.Error("there is no engine")
	}
}

// What all protocols share at the door knows none of them: it refuses with plain values.
func TestTheEdgeKnowsNoProtocol(t *testing.T) {
	allowed := []string{"internal/flight", "internal/rate"}
	found := false
	for _, p := range list(t) {
		if path, _ := inModule(p.ImportPath); path != "internal/edge" {
			continue
		}
		found = true
		for _, to := range p.Imports {
			if target, ours := inModule(to); ours && !slices.Contains(allowed, target) || strings.Contains(to, "gql") || strings.Contains(to, "websocket") {
				t.Errorf("%s uses %s", p.ImportPath, to)
			}
		}
	}
	if !found {
		t.Error("there is no edge")
	}
}

// The rules above must be able to fail.
func TestWrong(t *testing.T) {
	for _, test := range []struct {
		from, to, want string
	}{
		{"internal/insight", module + "/internal/cube", ""},
		{"internal/cube", module + "/internal/insight", "points up"},
		{"internal/campaign", module + "/internal/contact", "points to a neighbour"},
		{"internal/tenant", module + "/internal/cube", ""},
		{"internal/cube", module + "/internal/tenant", "points up"},
		{"ent/schema", module + "/internal/trait", ""},
		{"ent/schema", module + "/ent/privacy", ""},
		{"ent", module + "/internal/store", "points up"},
		{"graph/generated", module + "/graph/model", ""},
		{"internal/unheard", module + "/internal/id", ""},
		{"internal/insight", module + "/internal/unheard/of", ""},
		{"internal/unheard", module + "/internal/campaign", "points to a neighbour"},
		{"internal/cube", module + "/internal/unheard", "points up"},
		{"unheard", module + "/internal/id", "no place"},
		{"internal/insight", module + "/unheard", "no place"},
		{"internal/insight", module, "points up"},
		{"", module + "/internal/app", ""},
		{"graph", "database/sql", "is only for"},
		{"graph/generated", "github.com/lib/pq", "is only for"},
		{"internal/trait", "database/sql/driver", ""},
		{"internal/cube", "database/sql", ""},
		{"internal/store/newmigration", "database/sql", ""},
		{"internal/app", module + "/internal/storetest", "is only for"},
		{"internal/app", "net/http", ""},
	} {
		from := strings.TrimSuffix(module+"/"+test.from, "/")
		got := wrong(from, test.to)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s → %s: %q, want %q", from, test.to, got, test.want)
		}
	}
}
