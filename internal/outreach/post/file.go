package post

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// file writes a letter into the folder. It has its name only once it is all on the disk.
func (o *Office) file(ctx context.Context, m *Mail, l *letter) Outcome {
	if ctx.Err() != nil {
		return m.outcome(unsent(context.Cause(ctx)))
	}
	select {
	case <-o.over:
		return m.outcome(unsent(errClosed))
	default:
	}
	name := m.fileName()
	if err := o.write(name, l.content); err != nil {
		return m.outcome(unsent(fmt.Errorf("writing the mail to a file: %w", err)))
	}
	return Outcome{Verdict: Taken, Reply: name, File: filepath.Join(o.folder, name)} // no address is part of it
}

// fileName is the invitation's id and the mail's number in it; for a mail without an invitation it is what its own id
// has before the @.
func (m *Mail) fileName() string {
	own, _, _ := strings.Cut(m.MessageID, "@")
	own = strings.Map(func(r rune) rune {
		if made(string(r), "-_.") {
			return r
		}
		return '_'
	}, own)
	if m.Invitation == "" {
		return "test." + own[:min(len(own), maxWord)] + ".eml"
	}
	number := own[strings.LastIndexByte(own, '.')+1:]
	if len(number) != 1 || strings.Trim(number, "0123456789") != "" {
		number = "0"
	}
	return mailFile(m.Invitation, number)
}

// mails is how many mails of an invitation may have files of their own, each by its number.
const mails = 10

func mailFile(invitation, number string) string { return invitation + "." + number + ".eml" }

// unfinished is the folder, within that of the mails, of what is being written.
const unfinished = "unfinished"

func (o *Office) write(name string, content []byte) (err error) {
	if err := os.MkdirAll(filepath.Join(o.folder, unfinished), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Join(o.folder, unfinished), name+".*.tmp") // for its user alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // where it was not, yet
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	path := filepath.Join(o.folder, name)
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := syncFolder(o.folder); err != nil {
		_ = os.Remove(path) // or it would be said not to be there
		return err
	}
	return nil
}

// syncFolder makes the folder's names last. There are file systems that cannot, and they lose a name or don't without our doing.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// Remove deletes the files of an invitation's mails, and whatever a process that ended left of them. There is nothing to delete at a mail
// server.
func (o *Office) Remove(invitation string) error {
	if o.server != nil {
		return nil
	}
	if !made(invitation, "_") {
		return errors.New("deleting the mails of an invitation: its id has others than letters, digits and _")
	}
	// The folder itself is not read: it has the mails of all, and this is done once for each invitation of somebody who is erased.
	entries, err := os.ReadDir(filepath.Join(o.folder, unfinished))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("deleting the mails of an invitation: %w", err)
	}
	var names []string
	for number := range mails {
		names = append(names, mailFile(invitation, strconv.Itoa(number)))
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), invitation+".") {
			names = append(names, filepath.Join(unfinished, entry.Name()))
		}
	}
	changed := map[string]bool{}
	for _, name := range names {
		path := filepath.Join(o.folder, name)
		err := os.Remove(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("deleting the mails of an invitation: %w", err)
		}
		if err == nil {
			changed[filepath.Dir(path)] = true
		}
	}
	for folder := range changed {
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("deleting the mails of an invitation: %w", err)
		}
	}
	return nil
}
