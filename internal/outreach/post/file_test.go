package post

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func ls(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() == unfinished {
			for _, below := range ls(t, filepath.Join(folder, unfinished)) {
				names = append(names, filepath.Join(unfinished, below))
			}
			continue
		}
		names = append(names, e.Name())
	}
	return names
}

func TestFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "mails")
	o, err := Open(Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if o.String() != folder || o.Remove("inv_1") != nil {
		t.Errorf("before there is any: %s", o)
	}
	const a, b = "inv_01h455vb4pex5vsknk084sn02q", "inv_01h455vb4pex5vsknk084sn02r"
	for _, sent := range []struct{ invitation, id, want string }{
		{a, "x.0@y", a + ".0.eml"}, {a, "x.1@y", a + ".1.eml"}, {b, "x.0@y", b + ".0.eml"}, {"", "01919181.0@y", "test.01919181.0.eml"},
		{b, "x@y", b + ".0.eml"}, {a + "x", "x.0@y", a + "x.0.eml"}, {"", "../{x@y", "test...__x.eml"}, {b, "x.1/2@y", b + ".0.eml"},
	} {
		m := example()
		m.Invitation, m.MessageID = sent.invitation, sent.id
		want, err := compose(m)
		if err != nil {
			t.Fatal(err)
		}
		got := o.Send(t.Context(), m)
		if got != (Outcome{Verdict: Taken, Reply: sent.want, File: filepath.Join(folder, sent.want)}) {
			t.Fatalf("%v: %+v", sent, got)
		}
		content, err := os.ReadFile(got.File)
		if err != nil || !bytes.Equal(content, want.content) {
			t.Errorf("%v: %v, %q", sent, err, content)
		}
		info, err := os.Stat(got.File)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v: %v, %v", sent, info.Mode(), err)
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(folder, unfinished, a+".0.eml.123.tmp"), nil, 0o600); err != nil { // a process ended there
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, a+".note"), nil, 0o600); err != nil { // somebody's own, which is not looked for
		t.Fatal(err)
	}
	for _, bad := range []string{"", "*", "../x", "inv_.", "."} {
		if o.Remove(bad) == nil {
			t.Errorf("%q can be removed", bad)
		}
	}
	if err := o.Remove(a); err != nil {
		t.Fatal(err)
	}
	if got, want := ls(t, folder), []string{a + ".note", a + "x.0.eml", b + ".0.eml", "test...__x.eml", "test.01919181.0.eml"}; !slices.Equal(got, want) {
		t.Errorf("there are %v", got)
	}
	if err := errors.Join(o.Remove(a), o.Close(), o.Close()); err != nil {
		t.Error(err)
	}
	if got := o.Send(t.Context(), example()); got.Verdict != Unsent {
		t.Errorf("after the end: %+v", got)
	}
}

// A mail that cannot be written is not sent, and leaves nothing behind.
func TestFilesThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := t.TempDir()
	if err := os.Mkdir(filepath.Join(taken, example().fileName()), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{file, filepath.Join(file, "below"), taken, "/proc/none"} {
		o, err := Open(Config{Folder: folder})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Send(t.Context(), example()); got.Verdict != Unsent || got.Sender || !strings.Contains(got.Reply, "writing the mail to a file") {
			t.Errorf("%s: %+v", folder, got)
		}
	}
	if names := ls(t, taken); len(names) != 1 {
		t.Errorf("there are %v", names)
	}
	o, err := Open(Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got := o.Send(gone, example()); got.Verdict != Unsent || len(ls(t, o.folder)) > 0 {
		t.Errorf("for a caller that is gone: %+v", got)
	}
}

// Where there is no room for a mail but a part of it, none is left. The test has a process of its own, as there is no room for anything else
// of it, either.
func TestFilesOnFullDisk(t *testing.T) {
	const folder = "POST_TEST_FOLDER"
	if path := os.Getenv(folder); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		o, err := Open(Config{Folder: path})
		if err != nil {
			t.Fatal(err)
		}
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		got := o.Send(t.Context(), example())
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil { // for what tests write at their end
			t.Fatal(err)
		}
		t.Logf("%+v", got)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFilesOnFullDisk$", "-test.v")
	path := t.TempDir()
	cmd.Env = append(os.Environ(), folder+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Verdict:unsent")) || !bytes.Contains(out, []byte("file too large")) || len(ls(t, path)) > 0 {
		t.Errorf("%v, %v: %s", err, ls(t, path), out)
	}
}

// Whoever looks while the same mail is written again and again sees it whole, or not at all.
func TestFilesAreWhole(t *testing.T) {
	o, err := Open(Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	var mu sync.Mutex
	var bad []Outcome
	for range 4 {
		writers.Go(func() {
			for range 25 {
				if got := o.Send(context.Background(), example()); got.Verdict != Taken {
					mu.Lock()
					bad = append(bad, got)
					mu.Unlock()
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { writers.Wait(); close(over) }()
	want, err := compose(example())
	if err != nil {
		t.Fatal(err)
	}
	for looking := true; looking; {
		select {
		case <-over:
			looking = false
		default:
		}
		content, err := os.ReadFile(filepath.Join(o.folder, example().fileName()))
		if err == nil && !bytes.Equal(content, want.content) || err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v, %d bytes", err, len(content))
		}
	}
	if names := ls(t, o.folder); len(bad) > 0 || !slices.Equal(names, []string{example().fileName()}) {
		t.Errorf("%v, %v", bad, names)
	}
}
