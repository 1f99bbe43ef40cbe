// Command build builds the files of the playground from web, with npm and Node, where any of them is not what
// SHA256SUMS says, and leaves them alone where all are. So only who changes the playground needs Node. With -always it
// builds in any case, which shows whether the files are those of their sources. It runs in the playground's folder.
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sums has a line for each file that goes in, and for each that comes out, as `sha256sum -c` reads them.
const sums = "SHA256SUMS"

func main() {
	log.SetFlags(0)
	always := flag.Bool("always", false, "build in any case")
	flag.Parse()
	if err := run(*always); err != nil {
		log.Fatalf("building the playground: %v", err)
	}
}

func run(always bool) error {
	want, err := os.ReadFile(sums)
	if err != nil && !os.IsNotExist(err) {
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
	if err := npm("ci", "--ignore-scripts", "--no-progress"); err != nil {
		return err
	}
	if err := os.RemoveAll("built"); err != nil {
		return fmt.Errorf("making place: %w", err)
	}
	if err := npm("run", "--silent", "build"); err != nil {
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

func npm(args ...string) error {
	cmd := exec.Command("npm", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "web", os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// sum gives the lines for the files as they are.
func sum() ([]byte, error) {
	var b bytes.Buffer
	for _, root := range []string{"built", "web"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case path == "built" && os.IsNotExist(err):
				return nil
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "node_modules":
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), filepath.ToSlash(path))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", root, err)
		}
	}
	return b.Bytes(), nil
}
