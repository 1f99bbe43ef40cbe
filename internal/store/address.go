package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// ErrAddress wraps what is wrong with an address by itself, whatever there is behind it. Nothing was opened.
var ErrAddress = errors.New("no address of a database")

// The forms that there are.
const (
	sqliteForm   = "sqlite:///path/to/file.db"
	postgresForm = "postgres://user:password@host:5432/name?sslmode=require" //nolint:gosec // an example
)

// addressError is an ErrAddress that says so in its own words.
type addressError struct{ text string }

func (e *addressError) Error() string { return e.text }

func (*addressError) Is(target error) bool { return target == ErrAddress }

func badAddress(format string, args ...any) error { return &addressError{fmt.Sprintf(format, args...)} }

// parseAddress tells which database an address means: for SQLite the file, for PostgreSQL the URL.
func parseAddress(text string) (dialect, where string, err error) {
	switch {
	case text == "":
		return "", "", badAddress("the address is empty: want %s or %s", sqliteForm, postgresForm)
	case strings.TrimSpace(text) != text:
		return "", "", badAddress("the address begins or ends with a space or a line break")
	}
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return "", "", noURL(text)
	}
	switch strings.ToLower(scheme) {
	case "sqlite":
		file, err := parseFile(rest)
		return SQLite, file, err
	case "postgres", "postgresql":
		where, err := parsePostgres(rest)
		return Postgres, where, err
	case "sqlite3", "file":
		return "", "", badAddress("unknown scheme %q: write it as sqlite://%s", scheme, rest)
	case "pgx", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg":
		return "", "", badAddress("unknown scheme %q: want postgres://", scheme)
	}
	return "", "", badAddress("unknown scheme %.40q: want %s or %s", scheme, sqliteForm, postgresForm)
}

var driveLetter = regexp.MustCompile(`^/?[A-Za-z]:[/\\]`)

// noURL says what is wrong with an address that has no `://`, and never repeats what may be a password.
func noURL(text string) error {
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case driveLetter.MatchString(text):
		return badAddress("a path alone is no address: write it as sqlite:///%s", strings.ReplaceAll(text, `\`, "/"))
	case ok && (scheme == "sqlite" || scheme == "sqlite3" || scheme == "file"):
		return badAddress("%q is not followed by //: write it as sqlite://%s", scheme+":", rest)
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return badAddress("%q is not followed by //: want %s", scheme+":", postgresForm)
	case strings.Contains(text, "dbname=") || strings.Contains(text, "host="):
		return badAddress("a list of parameters is no address: want %s", postgresForm)
	case strings.Contains(text, "@"):
	case strings.ContainsAny(text, `/\`) || strings.HasSuffix(text, ".db"):
		return badAddress("a path alone is no address: write it as sqlite://%s", text)
	}
	return badAddress("want %s or %s", sqliteForm, postgresForm)
}

// parseFile is the file of `sqlite://` and this rest. Four slashes, as SQLAlchemy has it, are three.
func parseFile(rest string) (string, error) {
	switch {
	case rest == "":
		return "", badAddress("no file named: want %s", sqliteForm)
	case rest == ":memory:" || rest == "/:memory:":
		return "", badAddress("a database in memory would be lost with the program, and each connection would have its own: want a file, %s", sqliteForm)
	case runtime.GOOS != "windows" && (driveLetter.MatchString(rest) || strings.Contains(rest, `\`)):
		return "", badAddress("%s is a path of Windows: on this system paths are written with /, %s", rest, sqliteForm)
	case strings.ContainsAny(rest, "?#"):
		return "", badAddress("a SQLite database has no parameters; where the file's name has a ? or a #, write %%3F or %%23")
	}
	file, err := url.PathUnescape(rest)
	if err != nil {
		return "", badAddress("%v; where the file's name has a %%, write %%25", err)
	}
	switch {
	case strings.ContainsRune(file, 0):
		return "", badAddress("a file's name has no U+0000")
	case strings.HasPrefix(file, "~"):
		return "", badAddress("~ is for shells to expand: write the whole path, %s", sqliteForm)
	case runtime.GOOS == "windows" && driveLetter.MatchString(file):
		return strings.TrimPrefix(file, "/"), nil
	case strings.HasPrefix(file, "//"):
		return "/" + strings.TrimLeft(file, "/"), nil
	}
	return file, nil
}

// FileURL is the address of a SQLite file, whatever is in its name.
func FileURL(file string) string { return "sqlite://" + (&url.URL{Path: file}).EscapedPath() }

// parsePostgres is the URL of `postgres://` and this rest. Several hosts stand in its parameters, where the driver looks
// for them.
func parsePostgres(rest string) (string, error) {
	u, err := url.Parse("postgres://" + severalHosts(rest))
	if err != nil {
		// The error of url.Parse repeats the text, password and all.
		return "", badAddress("not a URL: want %s; where a password has characters such as / or @, write %%2F or %%40", postgresForm)
	}
	if u.Fragment != "" {
		return "", badAddress("an address has no #; where a password has one, write %%23")
	}
	return u.String(), nil
}

// severalHosts moves `host1:5432,host2:5433` into the parameters host and port.
func severalHosts(rest string) string {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user := strings.LastIndexByte(rest[:end], '@') + 1
	listed := rest[user:end]
	if !strings.Contains(listed, ",") {
		return rest
	}
	var hosts, ports []string
	for host := range strings.SplitSeq(listed, ",") {
		port := "5432"
		if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
			host, port = host[:i], host[i+1:]
		}
		hosts, ports = append(hosts, strings.Trim(host, "[]")), append(ports, port)
	}
	path, query, _ := strings.Cut(rest[end:], "?")
	q := url.Values{"host": {strings.Join(hosts, ",")}, "port": {strings.Join(ports, ",")}}.Encode()
	if query != "" {
		q = query + "&" + q
	}
	return rest[:user] + path + "?" + q
}

// checkPath gives a path's own error, where SQLite would only say that it is unable to open the database.
func checkPath(file string, mustExist bool) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%w: %s is a directory, and not a file", ErrUnreachable, file)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is no regular file", ErrUnreachable, file)
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	folder, missing := os.Stat(filepath.Dir(file))
	switch {
	case errors.Is(missing, os.ErrNotExist):
		// Where a file is missing it can be made; here that would fail as well.
		return fmt.Errorf("%w: the folder of the file: %s: no such file or directory; make it first", ErrUnreachable, filepath.Dir(file))
	case missing != nil:
		return fmt.Errorf("the folder of the file: %w", missing)
	case !folder.IsDir():
		return fmt.Errorf("the folder of the file: %s is a file", filepath.Dir(file))
	case mustExist:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil
}
