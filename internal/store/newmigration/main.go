// Command newmigration writes the versioned SQL that leads from the last migration to today's schema, one file for each
// dialect: `DEV_DATABASE_URL=postgres://… go run ./internal/store/newmigration NAME`, from the root of the repository.
// The PostgreSQL database must be empty and is used up. Read the files, and mend by hand what the comparison cannot
// know (fill factors, data).
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/zeroten/zeroten/internal/store"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	if len(os.Args) != 2 || os.Getenv("DEV_DATABASE_URL") == "" {
		return errors.New("usage: DEV_DATABASE_URL=postgres://… newmigration NAME")
	}
	folder, err := os.MkdirTemp("", "newmigration")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	now := time.Now().UTC().Format("20060102150405")
	for dir, url := range map[string]string{
		"sqlite":   "sqlite://" + filepath.Join(folder, "dev.db"),
		"postgres": os.Getenv("DEV_DATABASE_URL"),
	} {
		db, err := store.Open(ctx, url, store.Options{})
		if err != nil {
			return err
		}
		defer db.Close()
		if _, err := db.Migrate(ctx); err != nil {
			return err
		}
		text, err := db.Diff(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if text == "" {
			continue
		}
		file := filepath.Join("ent", "migrate", dir, now+"_"+os.Args[1]+".sql")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
