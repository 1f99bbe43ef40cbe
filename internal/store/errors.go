package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"
	"github.com/zeroten/zeroten/internal/apierror"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errAway is what everybody is told while the database is away.
var errAway = &apierror.Error{
	Code: apierror.Overloaded, Message: "The database cannot be reached just now; try again.", RetryAfter: time.Second,
}

// ErrReadOnly is what everybody is told while no server is there that takes writes, as during a failover.
var ErrReadOnly = &apierror.Error{
	Code: apierror.Overloaded, Message: "The database takes no writes just now; try again.", RetryAfter: time.Second,
}

// errBusy is what a writer is told where another process has held SQLite's lock for all the time that one waits.
var errBusy = &apierror.Error{
	Code: apierror.Overloaded, Message: "Another process writes to the database, and goes on; try again.", RetryAfter: time.Second,
}

// errFull is what a writer is told where there is no room.
var errFull = &apierror.Error{
	Code: apierror.Overloaded, Message: "There is no room left to store this; try again once the operator has made some.", RetryAfter: 10 * time.Second,
}

// IsConflict reports whether err says that a unique constraint was violated.
func IsConflict(err error) bool {
	if pqErr, ok := errors.AsType[*pq.Error](err); ok {
		return pqErr.Code == "23505"
	}
	return err != nil && strings.Contains(err.Error(), "UNIQUE constraint failed")
}

// IsTransient reports whether the same transaction may well succeed when it is tried again.
func IsTransient(err error) bool {
	if pqErr, ok := errors.AsType[*pq.Error](err); ok {
		return pqErr.Code == "40001" || pqErr.Code == "40P01"
	}
	return false
}

// IsOrphaned reports whether err says that a row refers to one that is gone, or would be left referring to one. As what refers is looked for first,
// somebody else has come in between: it will be found when it is looked for again.
func IsOrphaned(err error) bool {
	pqErr, ok := errors.AsType[*pq.Error](err)
	return ok && pqErr.Code == "23503"
}

// isBusy reports whether err says that another process held SQLite's lock for too long.
func isBusy(err error) bool {
	sqliteErr, ok := errors.AsType[*sqlite.Error](err)
	return ok && sqliteErr.Code()&0xff == sqlite3.SQLITE_BUSY
}

// IsRefused reports whether the database understood a statement and refused its data, so that it did nothing and will
// do nothing when it is tried again.
func IsRefused(err error) bool {
	if pqErr, ok := errors.AsType[*pq.Error](err); ok {
		return pqErr.Code.Class() == "22" || pqErr.Code.Class() == "23"
	}
	return err != nil && strings.Contains(err.Error(), "constraint failed")
}

// IsUnreachable reports whether err says that the database could not be reached, or was lost before it answered. What
// was asked of it may or may not have taken effect.
func IsUnreachable(err error) bool {
	if err == nil {
		return false
	}
	if isReadOnly(err) {
		return true
	}
	if pqErr, ok := errors.AsType[*pq.Error](err); ok {
		return pqErr.Code.Class() == "08" || pqErr.Code == "53300" || isStopped(pqErr)
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	for _, lost := range []error{
		errAway, ErrUnreachable, driver.ErrBadConn, sql.ErrConnDone, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// MayPass reports whether what failed with err may succeed later though nobody mends anything: the database was away, busy
// or full, others were faster, or there was no time or no budget. All else is a fault, and stays one however often it is
// tried again: a table that is missing, a row that cannot be read, a panic.
func MayPass(err error) bool {
	if IsUnreachable(err) || IsTransient(err) || IsFull(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if known, ok := errors.AsType[*apierror.Error](err); ok {
		return known.Code == apierror.Overloaded || known.Code == apierror.RateLimited
	}
	if pqErr, ok := errors.AsType[*pq.Error](err); ok {
		switch pqErr.Code.Class() {
		case "40", "53", "57": // rolled back for others, short of something, stopped by somebody
			return true
		}
		return pqErr.Code == "55P03" || pqErr.Code == "55006" // somebody holds it
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		switch sqliteErr.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM:
			return true
		}
	}
	return false
}

// isStopped reports whether a server says that it, or this connection, is stopped, or that it is not yet there.
func isStopped(err *pq.Error) bool {
	return err.Code == "57P01" || err.Code == "57P02" || err.Code == "57P03"
}

// IsFull reports whether err says that there is no room left to write. Nothing was changed.
func IsFull(err error) bool {
	if pqErr, ok := errors.AsType[*pq.Error](err); ok {
		return pqErr.Code == "53100"
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteErr.Code()&0xff == sqlite3.SQLITE_FULL || sqliteErr.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Explain is what to tell a caller of an error that is the database's and not ours: that it cannot be reached, takes no
// writes, is locked, or is full. It is nil for all other errors. Where a context of Guard has ended, err may say no more than that a context
// ended: its cause then says why.
func Explain(err error) *apierror.Error {
	switch {
	case IsFull(err):
		return errFull
	case isBusy(err):
		return errBusy
	case isReadOnly(err):
		return ErrReadOnly
	case IsUnreachable(err):
		return errAway
	}
	return nil
}
