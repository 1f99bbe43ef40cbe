package click

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/provisionalanswer"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// maxDue is how many rows are taken at once to be judged.
	maxDue = 100
	// lease is for how long who took a row is left to judge it. Then somebody else does, since he may have been killed.
	lease = time.Minute
	// Life is how long what led to no answer is kept after a link was last opened.
	Life = 30 * 24 * time.Hour
	// maxForgotten is how many rows are deleted at once.
	maxForgotten = 1_000
)

// Due is a look that is to be judged.
type Due struct {
	Place Place
	// Page names the page where its reader has no name, and At is when it was looked at.
	Page string
	At   time.Time
	// Answer is what Looked was given.
	Answer json.RawMessage
	// Suspect says that something speaks for a scanner, and Scores are the numbers whose links were opened.
	Suspect bool
	Scores  []int
}

// Due takes looks that are to be judged by now: for a minute nobody else is given them. Whoever has judged one says so with Judged.
func (c *Clicks) Due(ctx context.Context, now time.Time) (due []Due, err error) {
	ctx, now = auth.ForSystem(ctx), now.UTC()
	rows, err := c.db.Ent.ProvisionalAnswer.Query().Where(provisionalanswer.JudgedAtLTE(now)).
		Order(provisionalanswer.ByJudgedAt()).Limit(maxDue).
		Select(provisionalanswer.FieldID, provisionalanswer.FieldTenantID, provisionalanswer.FieldJudgedAt).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking what is to be judged: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	until := now.Add(lease).Truncate(time.Millisecond)
	err = c.db.Write(ctx, func(tx *store.Tx) error {
		due = nil
		for _, seen := range rows {
			// Of several who have seen it one finds it as it was.
			this := []func(*sql.Selector){
				sql.FieldEQ(provisionalanswer.FieldTenantID, seen.TenantID), sql.FieldEQ(provisionalanswer.FieldID, seen.ID),
			}
			n, err := tx.Ent.ProvisionalAnswer.Update().
				Where(provisionalanswer.And(this[0], this[1]), provisionalanswer.JudgedAt(*seen.JudgedAt)).SetJudgedAt(until).Save(ctx)
			if err != nil {
				return fmt.Errorf("taking what is to be judged: %w", err)
			}
			if n == 0 {
				continue
			}
			row, err := tx.Ent.ProvisionalAnswer.Query().Where(provisionalanswer.And(this[0], this[1])).Only(ctx)
			if err != nil {
				return fmt.Errorf("reading what is to be judged: %w", err)
			}
			taken, err := dueOf(row, now)
			if err != nil {
				// Another version of the program may have written it. It must not keep the others from being judged.
				c.log.ErrorContext(ctx, "a click cannot be judged", "error", err)
				continue
			}
			due = append(due, taken...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// dueOf are the looks of a row that are due.
func dueOf(row *ent.ProvisionalAnswer, now time.Time) (due []Due, err error) {
	looks, err := readLooks(row.Answer)
	if err != nil {
		return nil, fmt.Errorf("provisional answer %s: %w", row.ID, err)
	}
	scores, err := Scores(row.Opened)
	if err != nil {
		return nil, fmt.Errorf("provisional answer %s: %w", row.ID, err)
	}
	place := Place{Tenant: row.TenantID, Campaign: row.CampaignID, Recipient: [32]byte(row.Recipient)}
	for _, l := range looks {
		if l.due() <= now.UnixMilli() {
			due = append(due, Due{place, l.Page, moment(l.At), l.Answer, len(row.Signs) > 0, scores})
		}
	}
	return due, nil
}

// Judged notes that a look was judged, and whether there is a response of its reader now. Where there is none it stays a provisional
// answer.
func (c *Clicks) Judged(d Due, is bool) { c.judge(d.Place, judgement{d.Page, d.At.UnixMilli(), is}) }

// Forget deletes what led to no answer for as long as Life.
func (c *Clicks) Forget(ctx context.Context, now time.Time) error {
	ctx = auth.ForSystem(ctx)
	for {
		var old []uuid.UUID
		err := c.db.Ent.ProvisionalAnswer.Query().Where(provisionalanswer.LastOpenedAtLT(now.Add(-Life).UTC())).
			Order(provisionalanswer.ByLastOpenedAt()).Limit(maxForgotten). // in the index's order, so that none is read that is not old
			Select(provisionalanswer.FieldID).Scan(ctx, &old)
		if err != nil {
			return fmt.Errorf("looking for old clicks: %w", err)
		}
		if len(old) == 0 {
			return nil
		}
		err = c.db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Ent.ProvisionalAnswer.Delete().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, old)) },
				provisionalanswer.LastOpenedAtLT(now.Add(-Life).UTC())).Exec(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("deleting old clicks: %w", err)
		}
	}
}
