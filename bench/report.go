//go:build linux

package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/zeroten/zeroten/internal/lab"
)

// sample is what the rounds gave.
type sample []float64

func (s sample) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// number writes three digits or more: 0.123, 12.3, 12 345.
func number(x float64) string {
	switch {
	case x >= 1_000:
		text := strconv.FormatFloat(x, 'f', 0, 64)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

func (s sample) String() string {
	switch {
	case len(s) == 0:
		return "–"
	case len(s) == 1:
		return number(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median()), number(slices.Min(s)), number(slices.Max(s)))
}

// line is a line of the results.
type line struct {
	section, what, unit string
	ours                sample
	// beside is what the rival is.
	beside string
	rival  sample
	// ratio is ours to the rival's, where not 0.
	ratio float64
	goal  string
	// reached where nil has no goal.
	reached *bool
	limit   string
}

type report struct{ lines []line }

func (r *report) add(l line) {
	r.lines = append(r.lines, l)
	say("%s: %v %s", l.what, l.ours, l.unit)
	if l.rival != nil {
		say("    %s: %v %s", l.beside, l.rival, l.unit)
	}
}

func (l line) cells() []string {
	ratio, reached := "", ""
	if l.ratio != 0 {
		ratio = number(l.ratio) + " ×"
	}
	if l.reached != nil {
		reached = map[bool]string{true: "yes", false: "**no**"}[*l.reached]
	}
	beside := ""
	if l.rival != nil {
		beside = l.beside + ": " + l.rival.String()
	}
	return []string{l.what, l.unit, l.ours.String(), beside, ratio, l.goal, reached}
}

var header = []string{"what", "unit", "Zeroten: median (least–most)", "beside it", "ratio", "goal", "reached"}

// publish prints the table, and keeps that of a whole run.
func (b *bench) publish(ctx context.Context) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for _, l := range b.report.lines {
		fmt.Fprintln(table, strings.Join(l.cells(), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	complete := !slices.ContainsFunc(strings.Split(allLines, ","), func(l string) bool { return !b.wants(l) })
	if b.quick || b.profile != "" {
		return nil
	}
	path := filepath.Join(b.root, "bench", "RESULTS.md")
	if !complete {
		if !b.merge {
			return nil
		}
		return b.mergeInto(ctx, path)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# Results of `make bench`\n\n")
	for _, fact := range b.facts(ctx) {
		fmt.Fprintf(&out, "- %s\n", fact)
	}
	for _, section := range b.report.sections("") {
		out.WriteString(section)
	}
	fmt.Fprintf(&out, "\n%s\n\n%s", limits, b.report.limits())
	return os.WriteFile(path, []byte(out.String()), 0o644)
}

// limits is the title of the section on what keeps the figures from being better.
const limits = "## What limits"

// sections are the tables, each with its title and, where not empty, a note.
func (r *report) sections(note string) []string {
	var sections []string
	for i, l := range r.lines {
		if i == 0 || l.section != r.lines[i-1].section {
			if note != "" {
				note = strings.TrimSuffix(note, "\n\n") + "\n\n"
			}
			sections = append(sections, fmt.Sprintf("\n## %s\n\n%s| %s |\n|%s\n", l.section, note, strings.Join(header, " | "), strings.Repeat(" --- |", len(header))))
		}
		sections[len(sections)-1] += fmt.Sprintf("| %s |\n", strings.Join(l.cells(), " | "))
	}
	return sections
}

func (r *report) limits() string {
	var out strings.Builder
	for _, l := range r.lines {
		if l.limit != "" {
			fmt.Fprintf(&out, "- **%s**: %s\n", l.what, l.limit)
		}
	}
	return out.String()
}

// mergeInto puts the lines that were measured into the results that there are, in place of those sections.
func (b *bench) mergeInto(ctx context.Context, path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	facts := b.facts(ctx)
	before, after, ok := strings.Cut(string(old), "\n"+limits+"\n\n")
	if !ok {
		return fmt.Errorf("%s has no section on limits", path)
	}
	for _, section := range b.report.sections(strings.Join([]string{facts[0], facts[1], facts[4]}, "; ") + ".") {
		title, _, _ := strings.Cut(strings.TrimPrefix(section, "\n"), "\n")
		if start := strings.Index(before, "\n"+title+"\n"); start >= 0 {
			end := len(before)
			if next := strings.Index(before[start+1:], "\n## "); next >= 0 {
				end = start + 1 + next
			}
			before = before[:start] + before[end:]
		}
		before = strings.TrimSuffix(before, "\n") + "\n" + section
	}
	for _, l := range b.report.lines {
		if line := fmt.Sprintf("- **%s**: %s\n", l.what, l.limit); l.limit != "" && !strings.Contains(after, line) {
			after += line
		}
	}
	return os.WriteFile(path, []byte(before+"\n"+limits+"\n\n"+after), 0o644)
}

// facts say what was measured, on what.
func (b *bench) facts(ctx context.Context) []string {
	output := func(name string, args ...string) string {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = b.root
		out, err := cmd.Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	commit := output("git", "rev-parse", "--short", "HEAD")
	if output("git", "status", "--porcelain", "--untracked-files=no") != "" {
		commit += ", with changes"
	}
	postgres, err := b.pg.PSQL(ctx, "postgres", "-c", "SHOW server_version")
	if err != nil {
		postgres = err.Error()
	}
	return []string{
		"Date: " + time.Now().UTC().Format(time.DateOnly),
		"Commit: " + commit,
		fmt.Sprintf("Machine: %s, %d cores, %s of memory, Linux %s; server, database and load share it", cpu(), runtime.NumCPU(), memory(), output("uname", "-r")),
		fmt.Sprintf("Go %s, PostgreSQL %s (%s), SQLite %s", strings.TrimPrefix(runtime.Version(), "go"), postgres, strings.Join(lab.Settings, ", "), sqliteVersion()),
		fmt.Sprintf("%d rounds of each measurement, those of rivals in turn; rounds of load take %.0f s; the median of the rounds stands first, least and most in brackets", b.rounds, b.seconds),
		fmt.Sprintf("Recording: %s contacts known before, found by external id; each response brings four traits, three of them dimensions with %d profiles, and three in ten a comment of %d characters",
			number(float64(b.people)), plans*regions*personas, len(remark)),
	}
}

func field(path, key string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func cpu() string { return field("/proc/cpuinfo", "model name") }

func memory() string {
	kB, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", kB/1024/1024)
}

func sqliteVersion() (version string) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT sqlite_version()`).Scan(&version); err != nil { //nolint:noctx // in memory
		return err.Error()
	}
	return version
}
