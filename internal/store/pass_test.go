package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/flight"
)

func TestMayPass(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{errAway, true},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		{&pq.Error{Code: "40001"}, true},
		{&pq.Error{Code: "40P01"}, true},
		{&pq.Error{Code: "57014"}, true},
		{&pq.Error{Code: "53300"}, true},
		{&pq.Error{Code: "55P03"}, true},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), true},
		{&apierror.Error{Code: apierror.RateLimited, RetryAfter: time.Second}, true},
		{flight.Shared(&pq.Error{Code: "40001"}), true},
		{&pq.Error{Code: "42P01"}, false},
		{&pq.Error{Code: "22P02"}, false},
		{&pq.Error{Code: "XX001"}, false},
		{apierror.New(apierror.BadRequestCode, "no"), false},
		{errors.New("sql: Scan error on column index 3"), false},
		{flight.Recovered("oops"), false},
	} {
		if got := MayPass(test.err); got != test.want {
			t.Errorf("%v: %t", test.err, got)
		}
	}
	for name, statement := range map[string]string{"no table": `SELECT * FROM nothing`, "no column": `SELECT nothing FROM tenants`} {
		db, err := Open(t.Context(), "sqlite://"+t.TempDir()+"/x.db", Options{Volatile: true})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.Query(t.Context(), statement)
		if err == nil {
			err = errors.Join(rows.Err(), rows.Close()) //nolint:sqlclosecheck // here and now
		}
		if err == nil || MayPass(err) {
			t.Errorf("%s: %v may pass", name, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
