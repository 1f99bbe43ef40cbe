// Command build builds the files of the playground from web, with npm and Node, where any of them is not what
// SHA256SUMS says, and leaves them alone where all are. So only who changes the playground needs Node. With -always it
// builds in any case, which shows whether the files are those of their sources. It runs in the playground's folder.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"strings"
)

// sums has a line for each file that goes in, and for each that comes out, as `sha256sum -c` reads them.
const sums = "SHA256SUMS"

func main() {
	log.SetFlags(0)
	always := flag.Bool("always", false, "build in any case")
	flag.Parse()
	if err := run(context.Background(), *always); err != nil {
		log.Fatalf("building the playground: %v", err)
	}
}

func run(ctx context.Context, always bool) error {
	want, err := os.ReadFile(sums)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", sums, err)
	}
	got, err := sum()
	if err != nil {
		return err
	}
	if bytes.Equal(got, want) && !always {
		return nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("it has changed, and that needs Node and npm: %w", err)
	}
	if err := npm(ctx, "ci", "--ignore-scripts", "--no-progress"); err != nil {
		return err
	}
	if err := os.RemoveAll("built"); err != nil {
		return fmt.Errorf("making place: %w", err)
	}
	if err := npm(ctx, "run", "--silent", "build"); err != nil {
		return err
	}
	if got, err = sum(); err != nil {
		return err
	}
	if err := os.WriteFile(sums, got, 0o644); err != nil { //nolint:gosec // everybody may read it
		return fmt.Errorf("writing %s: %w", sums, err)
	}
	return nil
}

func npm(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "web", os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// sum gives the lines for the files as they are.
func sum() ([]byte, error) {
	var b bytes.Buffer
	here := os.DirFS(".")
	for _, root := range []string{"built", "web"} {
		err := fs.WalkDir(here, root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case path == "built" && errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "node_modules":
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			text, err := fs.ReadFile(here, path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), path)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", root, err)
		}
	}
	return b.Bytes(), nil
}
