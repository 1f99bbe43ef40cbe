package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/store"
)

// Check reads a tenant's whole log and says where it has gaps, or does not lead to the responses as they are. With
// repair it mends what can be known: the position, and events that responses lack.
func Check(ctx context.Context, db *store.DB, tenant uuid.UUID, repair bool) ([]cube.Fault, error) {
	var faults []cube.Fault
	check := func(tx *store.Tx) error {
		var err error
		faults, err = checkLog(ctx, tx.SQL, tenant, repair)
		return err
	}
	var err error
	if repair {
		err = db.WriteSettings(ctx, tenant, check)
	} else {
		err = db.Snapshot(ctx, check)
	}
	if err != nil {
		return nil, fmt.Errorf("checking the log: %w", err)
	}
	return faults, nil
}

func checkLog(ctx context.Context, tx *sql.Tx, tenant uuid.UUID, repair bool) ([]cube.Fault, error) {
	var faults []cube.Fault
	var position, first, last, count int64
	err := tx.QueryRowContext(ctx, `SELECT t.log_position, coalesce(min(e.position), 1), coalesce(max(e.position), 0), count(e.position)
		FROM tenants t LEFT JOIN events e ON e.tenant_id = t.id WHERE t.id = $1 GROUP BY t.log_position`, tenant).
		Scan(&position, &first, &last, &count)
	if err != nil {
		return nil, err
	}
	if first != 1 || count != last {
		faults = append(faults, cube.Fault{What: fmt.Sprintf("the log has gaps: %d events from %d to %d; only a backup knows what was there", count, first, last)})
	}
	if position != last {
		faults = append(faults, cube.Fault{What: fmt.Sprintf("the log's position is %d, but its last event is %d", position, last), Mended: repair})
		if repair {
			if _, err := tx.ExecContext(ctx, `UPDATE tenants SET log_position = $2 WHERE id = $1`, tenant, last); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range []struct{ what, query, mend string }{
		{
			"%d responses have no event",
			`SELECT count(*) FROM responses r WHERE r.tenant_id = $1
			AND r.id NOT IN (SELECT response_id FROM events WHERE tenant_id = $1)`,
			`INSERT INTO events (tenant_id, position, kind, at, response_id, campaign_id, score)
			SELECT $1, (SELECT log_position FROM tenants WHERE id = $1) + row_number() OVER (ORDER BY r.id), 1, $2, r.id, r.campaign_id, r.score
			FROM responses r WHERE r.tenant_id = $1 AND r.id NOT IN (SELECT response_id FROM events WHERE tenant_id = $1)`,
		},
		{
			"%d responses are not what the last event of each says",
			`SELECT count(*) FROM (
				SELECT response_id, kind, score, row_number() OVER (PARTITION BY response_id ORDER BY position DESC) AS n
				FROM events WHERE tenant_id = $1) e
			LEFT JOIN responses r ON r.tenant_id = $1 AND r.id = e.response_id
			WHERE e.n = 1 AND ((e.kind = 3) <> (r.id IS NULL) OR r.score <> e.score)`,
			"",
		},
	} {
		var n int64
		if err := tx.QueryRowContext(ctx, c.query, tenant).Scan(&n); err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		mended := repair && c.mend != ""
		faults = append(faults, cube.Fault{What: fmt.Sprintf(c.what, n), Mended: mended})
		if !mended {
			continue
		}
		if _, err := tx.ExecContext(ctx, c.mend, tenant, time.Now().UTC().Truncate(time.Microsecond)); err != nil {
			return nil, err
		}
		_, err := tx.ExecContext(ctx, `UPDATE tenants SET log_position = (SELECT max(position) FROM events WHERE tenant_id = $1) WHERE id = $1`, tenant)
		if err != nil {
			return nil, err
		}
	}
	return faults, nil
}
