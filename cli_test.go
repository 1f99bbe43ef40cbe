package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroten/zeroten/internal/app"
)

// asked is a command that cannot be carried out, or does nothing but answer.
type asked struct {
	args, env []string
	code      int
	// says is what is on standard error, or on standard output where the code is 0.
	says []string
}

var badAddresses = []struct{ address, says string }{
	{"", "the address is empty"},
	{"nonsense", "want sqlite:///path/to/file.db or postgres://"},
	{"x.db", "write it as sqlite://x.db"},
	{"/tmp/x.db", "write it as sqlite:///tmp/x.db"},
	{`C:\data\x.db`, "write it as sqlite:///C:/data/x.db"},
	{"sqlite:x.db", "write it as sqlite://x.db"},
	{"sqlite:/tmp/x.db", "write it as sqlite:///tmp/x.db"},
	{"sqlite3://x.db", "write it as sqlite://x.db"},
	{"file:x.db", "write it as sqlite://x.db"},
	{"file:///tmp/x.db", "write it as sqlite:///tmp/x.db"},
	{"sqlite://", "no file named"},
	{"sqlite://:memory:", "a database in memory would be lost"},
	{"sqlite://x.db?mode=ro", "a SQLite database has no parameters"},
	{"sqlite://x.db#1", "a SQLite database has no parameters"},
	{"sqlite://100%.db", "invalid URL escape"},
	{"sqlite://a%00b", "U+0000"},
	{"sqlite://~/x.db", "~ is for shells to expand"},
	{`sqlite://C:\x.db`, "is a path of Windows"},
	{`sqlite://data\x.db`, "is a path of Windows"},
	{" sqlite://x.db", "begins or ends with a space"},
	{"sqlite://x.db\n", "begins or ends with a space or a line break"},
	{"mysql://root:hush@localhost/x", `unknown scheme "mysql"`},
	{"postgresql+psycopg://u:hush@localhost/x", "want postgres://"},
	{"postgres:u:hush@localhost/x", "is not followed by //"},
	{"host=localhost dbname=x password=hush", "a list of parameters is no address"},
	{"u:hush@localhost/x", "want sqlite:///path/to/file.db or postgres://"},
	{"postgres://u:hush@%zz/x", "not a URL"},
	{"postgres://u:hu#sh@localhost/x", "write %2F or %40"},
	{"postgres://u:hush@localhost/x?sslmode=perhaps", "sslmode"},
	{"postgres://u:hush@localhost/x?connect_timeout=soon", "connect_timeout"},
	{"postgres://u:hush@localhost/x?target_session_attrs=any-of-them", "target_session_attrs"},
	{"postgres://u:hush@localhost:port/x", "not a URL"},
}

// TestAsked runs the real program where it is called wrongly. Each time it says so in its own words, ends with the right
// code, and makes nothing: no database, no file.
func TestAsked(t *testing.T) {
	program := build(t)
	files := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(files, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	csv := put("answers.csv", "score,date,plan\n9,2026-01-02,a\n3,2026-01-03,b\n")
	binary := put("answers.bin", "\x7fELF"+strings.Repeat("\x01\x02\x03abc\xfe", 500))
	workbook := put("answers.xlsx", "PK\x03\x04"+strings.Repeat("\x00\x01", 500))
	documents := put("documents.json", `{"1": "{ nothing }"}`)
	notes := put("notes.txt", strings.Repeat("Not a database at all.\n", 200))
	var tests []asked
	add := func(code int, says string, args ...string) {
		tests = append(tests, asked{args: args, code: code, says: []string{says}})
	}
	variable := func(says, name, value string, args ...string) {
		tests = append(tests, asked{args: args, env: []string{name + "=" + value}, code: app.ExitUsage, says: []string{says, name}})
	}
	usage := func(says string, args ...string) { add(app.ExitUsage, says, args...) }

	// What is no command, and what it may have been.
	usage(`unexpected argument sevre, did you mean "serve"?`, "sevre")
	usage(`unexpected argument improt, did you mean "import"?`, "improt", csv)
	usage(`unexpected argument docter, did you mean "doctor"?`, "docter")
	usage("unexpected argument extra (see `zeroten --help`)", "serve", "extra")
	usage("unexpected argument extra (see `zeroten doctor --help`)", "doctor", "extra")
	usage(`expected one of "create", "list", "revoke" (see `+"`zeroten key --help`)", "key")
	usage(`unexpected argument crate, did you mean "create"?`, "key", "crate")
	usage(`unknown flag --lsten, did you mean "--listen"?`, "--lsten=:1")
	usage(`unknown flag --scop, did you mean "--scope"?`, "key", "create", "--scop=READ")
	usage(`expected "<file>"`, "import")
	usage(`expected "<id>"`, "key", "revoke")
	usage(`expected "<name>"`, "tenant", "create")
	// What other programs call help and version.
	usage(`unexpected argument improt, did you mean "import"?`, "help", "improt")
	tests = append(tests, asked{args: []string{"--version"}, says: []string{"zeroten "}})
	// Values that cannot be.
	usage("is no id of a key", "key", "revoke", "key_xyz")
	usage("is no id of a key", "key", "revoke", "camp_01h455vb4pex5vsknk084sn02q")
	add(app.ExitFailed, "no such file", "key", "revoke", "key_01h455vb4pex5vsknk084sn02q")
	usage(`--scope: unknown scope "ROOT"`, "key", "create", "--scope=ROOT")
	// A scope may be written in small letters: what is missing then is the database.
	add(app.ExitFailed, "no such file", "key", "create", "--scope=read")
	add(app.ExitFailed, "no such file", "key", "create", "--scope=read, Collect")
	usage("--scope: an operator's key has no other scope", "key", "create", "--scope=OPERATOR,READ")
	usage("--expires: -1h0m0s is in the past", "key", "create", "--expires=-1h")
	usage("--name: The name must not be empty", "key", "create", "--name=")
	usage(`--time-zone: "Mars" is no IANA time zone`, "tenant", "create", "X", "--time-zone=Mars")
	usage("<name>: The name must not be empty", "tenant", "create", " ")
	usage("--database: the demo makes a database of its own", "demo", "--database=sqlite://x.db")
	usage("--mail-url: the demo's customers are made up", "demo", "--mail-url=smtp://mail.example.com")
	usage("--listen nowhere: missing port", "--listen=nowhere")
	usage("--listen :99999: invalid port", "--listen=:99999")
	usage("--metrics-listen nowhere: missing port", "--listen=127.0.0.1:0", "--metrics-listen=nowhere")
	usage("--trusted-documents: ", "--listen=127.0.0.1:0", "--trusted-documents="+documents)
	usage("--rate-burst and --anonymous-burst must be at least", "--rate-burst=5")
	usage(`--allow-origin "example.com": want a scheme and a host`, "--allow-origin=example.com")
	usage("--request-timeout is 2h0m0s", "--request-timeout=2h")
	usage("--database-connections: 3 connections to the database are too few", "--listen=127.0.0.1:0", "--database-connections=3")
	// Files.
	usage("no such file", "import", "none.csv")
	usage("is a directory", "import", files)
	usage(`--delimiter "xx": want one character`, "import", csv, "--delimiter=xx")
	usage(`--trait plan:FOO: "FOO" is no kind of trait`, "import", csv, "--trait=plan:FOO")
	usage("--trait none: the file has no column", "import", csv, "--trait=none")
	add(app.ExitFailed, "it holds no text that can be read", "import", binary)
	add(app.ExitFailed, "save its sheet as CSV", "import", workbook)
	for _, flag := range []string{"score", "comment", "date", "id", "contact", "email", "name", "variant", "locale"} {
		usage("--"+flag+`: the file has no column "none"`, "import", csv, "--"+flag+"=none")
	}
	usage("--score: an answer needs a score", "import", csv, "--score=-")
	usage("no column looks like the score; name it with --score", "import", put("scoreless.csv", "a,date\nx,2026-01-02\n"))
	usage("give one date for all with --on", "import", put("dateless.csv", "score,a\n9,x\n"))
	usage(`"ebcdic" is no encoding`, "import", csv, "--encoding=ebcdic")
	usage("--date-format", "import", csv, "--date-format=never")
	usage("--on: ", "import", csv, "--on=yesterday")

	// Settings of mails, each by its own name.
	mail := func(says string, args ...string) {
		usage(says, append([]string{"serve", "--listen=127.0.0.1:0"}, args...)...)
	}
	mail("zeroten: --mail-url: the mail server's URL: ", "--mail-url=smtp://h?tls=perhaps")
	mail("zeroten: --public-url: the name by which this machine", "--mail-url=smtp://h", "--public-url=https://nps!.example")
	mail(`zeroten: --mail-from "nobody": `, "--mail-from=nobody")
	mail("zeroten: --dkim-domain and --dkim-selector", "--dkim-domain=example.com")
	mail("zeroten: --dkim-domain: ", "--dkim-key="+notes)
	mail("zeroten: --dkim-selector: ", "--dkim-key="+notes, "--dkim-domain=example.com")
	mail("zeroten: --dkim-key: the key", "--dkim-key="+notes, "--dkim-domain=example.com", "--dkim-selector=s1")
	mail("zeroten: --sendgrid-key: ", "--sendgrid-key=MFkw")
	mail("zeroten: --mailgun-key: ", "--mailgun-key=short")
	mail("zeroten: --postmark-secret: ", "--postmark-secret=short")
	mail("zeroten: --ses-topic: ", "--ses-topic=mails")
	usage("name another file for them with --rejects", "import", csv, "--rejects="+csv)
	usage("name another file for them with --rejects", "import", csv, "--rejects="+notes)
	// Variables: each is named.
	variable(`"LOUD"`, "ZEROTEN_LOG_LEVEL", "LOUD", "serve")
	variable("--log-format", "ZEROTEN_LOG_FORMAT", "xml", "serve")
	variable("--rate-burst", "ZEROTEN_RATE_BURST", "many", "serve")
	variable("--rate-burst", "ZEROTEN_RATE_BURST", "5", "serve")
	variable("--max-connections", "ZEROTEN_MAX_CONNECTIONS", "-1", "serve")
	variable("--request-timeout", "ZEROTEN_REQUEST_TIMEOUT", "5", "serve")
	variable("--trusted-proxies", "ZEROTEN_TRUSTED_PROXIES", "10.0.0.0", "serve")
	variable("--trusted-documents", "ZEROTEN_TRUSTED_DOCUMENTS", "none.json", "serve")
	variable("--allow-origin", "ZEROTEN_ALLOW_ORIGIN", "example.com", "serve")
	variable("--listen", "ZEROTEN_LISTEN", "nowhere", "serve")
	variable("--mail-url", "MAIL_URL", "mail.example.com", "serve", "--listen=127.0.0.1:0")
	variable("--every", "ZEROTEN_DEMO_EVERY", "often", "demo")
	variable("--scope", "ZEROTEN_KEY_SCOPE", "ROOT", "key", "create")
	variable("--expires", "ZEROTEN_KEY_EXPIRES", "soon", "key", "create")
	variable("--time-zone", "ZEROTEN_TIME_ZONE", "Mars", "tenant", "create", "X")
	variable("--repair", "ZEROTEN_REPAIR", "perhaps", "doctor")
	variable("--database", "DATABASE_URL", "nonsense", "doctor")
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_TRACES_EXPORTER"} {
		tests = append(tests, asked{
			args: []string{"--listen=127.0.0.1:0"}, env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", name + "=smoke"},
			code: app.ExitUsage, says: []string{"zeroten: " + name + ": "},
		})
	}
	// Addresses, before anything is looked for behind them.
	for _, a := range badAddresses {
		for _, args := range [][]string{{"migrate"}, {"serve", "--listen=127.0.0.1:0"}, {"doctor"}} {
			tests = append(tests, asked{args: append(args, "--database="+a.address), code: app.ExitUsage, says: []string{"zeroten: --database: ", a.says}})
		}
	}
	// Addresses of what can be none.
	for _, a := range []struct{ path, says string }{
		{files + "/none/x.db", "the folder of the file: "}, {files, "is a directory"}, {"/" + files, "is a directory"},
		{"/dev/null", "is no regular file"}, {notes, "the file is not a database"}, {notes + "/x.db", "not a directory"},
	} {
		add(app.ExitFailed, a.says, "migrate", "--database=sqlite://"+a.path)
	}
	// Answers.
	tests = append(tests, asked{args: []string{"version"}, says: []string{"zeroten ", "go1."}}, asked{args: []string{"doctor", "--help"}, says: []string{"--repair"}})

	before := listing(t, files)
	for _, test := range tests {
		t.Run(strings.Join(append(test.env, test.args...), " "), func(t *testing.T) {
			cmd := command(t.Context(), program, test.env, test.args...)
			cmd.Dir = t.TempDir()
			out, errs, code := finish(t, cmd)
			text, other := errs, out
			if test.code == 0 {
				text, other = out, errs
			}
			if code != test.code || other != "" || internals.MatchString(strings.ReplaceAll(text, "--postmark-secret", "")) || strings.Contains(text, "hush") {
				t.Errorf("it ends with %d, printing %q, and says %q", code, out, errs)
			}
			if test.code != 0 && (!strings.HasPrefix(text, "zeroten: ") || strings.Count(text, "\n") != 1) {
				t.Errorf("it does not say one line: %q", text)
			}
			for _, says := range test.says {
				if !strings.Contains(text, says) {
					t.Errorf("it says %q, and not %q", text, says)
				}
			}
			if made := listing(t, cmd.Dir); len(made) > 0 {
				t.Errorf("it made %q", made)
			}
		})
	}
	if after := listing(t, files); !slices.Equal(after, before) {
		t.Errorf("there are %q, and were %q", after, before)
	}
}

func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestHelp asks for help in the way of other programs.
func TestHelp(t *testing.T) {
	program := build(t)
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"help"}, "Usage: zeroten <command>"},
		{[]string{"help", "import"}, "Usage: zeroten import <file>"},
		{[]string{"help", "key", "create"}, "Usage: zeroten key create"},
	} {
		if out, errs, code := finish(t, command(t.Context(), program, nil, test.args...)); code != 0 || errs != "" || !strings.HasPrefix(out, test.says) {
			t.Errorf("%v: it ends with %d: %s%s", test.args, code, out, errs)
		}
	}
}

// TestPaths takes addresses in all ways in which a file can be written.
func TestPaths(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	for _, test := range []struct{ address, file string }{
		{"sqlite:///" + dir + "/four slashes.db", "four slashes.db"}, // dir begins with one
		{"sqlite://" + dir + "/three.db", "three.db"},
		{"sqlite://relative.db", "relative.db"},
		{"sqlite://./dot.db", "dot.db"},
		{"sqlite://a%20space%3F%25.db", "a space?%.db"},
		{"SQLite://capitals.db", "capitals.db"},
	} {
		cmd := command(t.Context(), program, []string{"ZEROTEN_LOG_LEVEL=WARN"}, "migrate", "--database="+test.address)
		cmd.Dir = dir
		if out, errs, code := finish(t, cmd); code != 0 || errs != "" {
			t.Errorf("%s: it ends with %d: %s%s", test.address, code, out, errs)
		}
		if !slices.Contains(listing(t, dir), test.file) {
			t.Errorf("%s: there is no %s: %q", test.address, test.file, listing(t, dir))
		}
	}
}

// TestImportCodes ends with 0 where every row was taken, and with 3 where some were rejected; without a terminal there is
// no bar.
func TestImportCodes(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	for name, test := range map[string]struct {
		text string
		code int
	}{
		"all.csv":  {"score,date\n9,2026-01-02\n3,2026-01-05\n", 0},
		"some.csv": {"score,date\n9,2026-01-02\n30,2026-01-05\n", app.ExitRejected},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := command(t.Context(), program, []string{"ZEROTEN_LOG_LEVEL=WARN", "DATABASE_URL=sqlite://" + dir + "/x.db"}, "import", "--yes", file)
		out, errs, code := finish(t, cmd)
		if code != test.code || strings.Contains(errs, "importing") || strings.Contains(errs, "%") {
			t.Errorf("%s: it ends with %d: %s%s", name, code, out, errs)
		}
	}
}

// TestDemoInterrupted interrupts the demo while it makes its answers: it says so, and nothing is left. That there is a mail server is nothing
// to the demo, which mails nobody, so that what is said of one is not even read.
func TestDemoInterrupted(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	cmd := command(t.Context(), program, []string{"TMPDIR=" + dir, "ZEROTEN_LOG_LEVEL=WARN", "MAIL_URL=nonsense"}, "demo", "--listen=127.0.0.1:0")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })         // unless it has ended
	if _, err := out.Read(make([]byte, 1)); err != nil { // it says that it begins
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != app.ExitInterrupted || errs.String() != "zeroten: interrupted while the answers were made: nothing is left of the demo\n" {
		t.Errorf("it ends with %d, and says %q", code, errs.String())
	}
	if left := listing(t, dir); len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
}
