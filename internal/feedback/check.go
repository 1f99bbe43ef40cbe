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
// repair it mends what can be known: the position, events that responses lack, which go into the gaps there are, and
// what the log's reader would otherwise have wrong for good.
func Check(ctx context.Context, db *store.DB, tenant uuid.UUID, repair bool) ([]cube.Fault, error) {
	var faults []cube.Fault
	check := func(tx *store.Tx) error {
		c := checker{ctx: ctx, tx: tx.SQL, tenant: tenant, repair: repair}
		for _, part := range []func() error{c.missing, c.position, c.gaps, c.last, c.tombstones} {
			if err := part(); err != nil {
				return err
			}
		}
		faults = c.faults
		return nil
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

type checker struct {
	ctx    context.Context
	tx     *sql.Tx
	tenant uuid.UUID
	repair bool
	faults []cube.Fault
}

// fault notes a fault, and says whether it is to be mended.
func (c *checker) fault(format string, args ...any) bool {
	c.faults = append(c.faults, cube.Fault{What: fmt.Sprintf(format, args...), Mended: c.repair})
	return c.repair
}

func (c *checker) rows(scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := c.tx.QueryContext(c.ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// position compares the log's position with its last event. It is only ever mended forwards: a number that was given
// out once must not be given out again, since readers may have passed it.
func (c *checker) position() error {
	var position, last int64
	err := c.tx.QueryRowContext(c.ctx, `SELECT log_position, (SELECT coalesce(max(position), 0) FROM events WHERE tenant_id = $1)
		FROM tenants WHERE id = $1`, c.tenant).Scan(&position, &last)
	switch {
	case err != nil || position == last:
		return err
	case position > last:
		c.lost(gap{last + 1, position})
		return nil
	}
	if !c.fault("the log's position is %d, but its last event is %d", position, last) {
		return nil
	}
	return c.move(last)
}

// lost notes events that only a backup can bring back.
func (c *checker) lost(g gap) {
	c.faults = append(c.faults, cube.Fault{What: fmt.Sprintf("the log has no events %d to %d; only a backup knows what was there", g.first, g.last)})
}

func (c *checker) move(position int64) error {
	_, err := c.tx.ExecContext(c.ctx, `UPDATE tenants SET log_position = $2 WHERE id = $1`, c.tenant, position)
	return err
}

// gap is a range of positions that no event has.
type gap struct{ first, last int64 }

func (c *checker) findGaps() (found []gap, last int64, err error) {
	err = c.rows(func(rows *sql.Rows) error {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return err
		}
		if at != last+1 {
			found = append(found, gap{last + 1, at - 1})
		}
		last = at
		return nil
	}, `SELECT position FROM events WHERE tenant_id = $1 ORDER BY position`, c.tenant)
	return found, last, err
}

// gaps says which events are missing.
func (c *checker) gaps() error {
	found, _, err := c.findGaps()
	for _, g := range found {
		c.lost(g)
	}
	return err
}

// missing finds responses that no event tells of. All that the event of their recording says is known.
func (c *checker) missing() error {
	var lost []Event
	err := c.rows(func(rows *sql.Rows) error {
		var e Event
		err := rows.Scan(&e.Response, &e.Campaign, &e.Score, &e.At)
		lost = append(lost, e)
		return err
	}, `SELECT id, campaign_id, score, recorded_at FROM responses WHERE tenant_id = $1
		AND id NOT IN (SELECT response_id FROM events WHERE tenant_id = $1) ORDER BY id`, c.tenant)
	if err != nil || len(lost) == 0 || !c.fault("%d responses have no event", len(lost)) {
		return err
	}
	gaps, last, err := c.findGaps()
	if err != nil {
		return err
	}
	for _, e := range lost {
		var position int64
		if len(gaps) > 0 {
			position = gaps[0].first
			if gaps[0].first++; gaps[0].first > gaps[0].last {
				gaps = gaps[1:]
			}
		} else {
			last++
			position = last
		}
		_, err := c.tx.ExecContext(c.ctx, `INSERT INTO events (tenant_id, position, kind, at, response_id, campaign_id, score)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, c.tenant, position, int(Recorded), e.At, e.Response, e.Campaign, e.Score)
		if err != nil {
			return err
		}
	}
	_, err = c.tx.ExecContext(c.ctx, `UPDATE tenants SET log_position = $2 WHERE id = $1 AND log_position < $2`, c.tenant, last)
	return err
}

// last compares each response with what its last event says.
func (c *checker) last() error {
	const differing = ` FROM (
			SELECT response_id, campaign_id, kind, score, row_number() OVER (PARTITION BY response_id ORDER BY position DESC) AS n
			FROM events WHERE tenant_id = $1) e
		LEFT JOIN responses r ON r.tenant_id = $1 AND r.id = e.response_id
		WHERE e.n = 1 AND ((e.kind = 3) <> (r.id IS NULL) OR r.score <> e.score)`
	var n int64
	if err := c.tx.QueryRowContext(c.ctx, `SELECT count(*)`+differing, c.tenant).Scan(&n); err != nil {
		return err
	}
	if n == 0 || !c.fault("%d responses are not what the last event of each says", n) {
		return nil
	}
	// One more event for each, so that who has read the log already learns of it too.
	_, err := c.tx.ExecContext(c.ctx, `INSERT INTO events (tenant_id, position, kind, at, response_id, campaign_id, score, previous_score)
		SELECT $1, (SELECT log_position FROM tenants WHERE id = $1) + row_number() OVER (ORDER BY e.response_id),
			CASE WHEN r.id IS NULL THEN 3 WHEN e.kind = 3 THEN 1 ELSE 2 END, $2, e.response_id, e.campaign_id, r.score, e.score`+differing,
		c.tenant, time.Now().UTC().Truncate(time.Microsecond))
	if err != nil {
		return err
	}
	_, err = c.tx.ExecContext(c.ctx, `UPDATE tenants SET log_position = log_position + $2 WHERE id = $1`, c.tenant, n)
	return err
}

// tombstones finds those of responses that were not deleted. There is none of what was deleted before tombstones were
// kept, so that one which is missing says nothing.
func (c *checker) tombstones() error {
	const wrong = ` FROM tombstones WHERE tenant_id = $1 AND (
			response_id IN (SELECT id FROM responses WHERE tenant_id = $1)
			OR response_id NOT IN (SELECT response_id FROM events WHERE tenant_id = $1 AND kind = 3))`
	var n int64
	if err := c.tx.QueryRowContext(c.ctx, `SELECT count(*)`+wrong, c.tenant).Scan(&n); err != nil {
		return err
	}
	if n == 0 || !c.fault("%d responses are kept as deleted that were not", n) {
		return nil
	}
	_, err := c.tx.ExecContext(c.ctx, `DELETE`+wrong, c.tenant)
	return err
}
