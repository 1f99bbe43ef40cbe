package outreach

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/survey/link"
)

// barredAtOnce is how many addresses that are never written to are looked at all at once, before anybody is.
const barredAtOnce = 10_000

// background is what is read once for all who are gone through. What changes of it meanwhile is seen when a mail is due.
type background struct {
	// barred are addresses that are never written to, by their hashes, and why; more says that there are others.
	barred map[string]reason
	more   bool
	// asked says that the campaign has decided about somebody: of one that has not, as before its first schedule, there is nothing to look for
	// in each person's past.
	asked bool
}

// background reads that of a campaign. Addresses that are never written to it reads where they are not very many: that is a fifth of the work
// for each person less than to look for theirs.
func (d *Desk) background(ctx context.Context, campaign uuid.UUID) (*background, error) {
	b := &background{barred: map[string]reason{}}
	if err := readBarred(ctx, d.db.Reader, b.barred, `tenant_id = $1 ORDER BY id LIMIT $2`, auth.Tenant(ctx), barredAtOnce+1); err != nil {
		return nil, err
	}
	b.more = len(b.barred) > barredAtOnce
	err := d.db.Reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM invitations WHERE tenant_id = $1 AND campaign_id = $2)`,
		auth.Tenant(ctx), campaign).Scan(&b.asked)
	if err != nil {
		return nil, fmt.Errorf("looking whether anybody was asked: %w", err)
	}
	return b, nil
}

// note notes of people whose addresses are never written to, and what the campaign of a schedule has decided about them, as of an instant.
func (b *background) note(ctx context.Context, d *Desk, s *scheme, ring *link.Ring, people []*person, now time.Time) error {
	if err := b.bar(ctx, d, ring, people); err != nil || !b.asked {
		return err
	}
	return d.past(ctx, d.db.Reader, s, people, now)
}

func (b *background) bar(ctx context.Context, d *Desk, ring *link.Ring, people []*person) error {
	switch {
	case b.more:
		return d.bar(ctx, d.db.Reader, ring, people)
	case len(b.barred) == 0:
		return nil
	}
	for _, p := range people {
		if p.email == nil {
			continue
		}
		hash, err := hashOf(ring, *p.email)
		if err != nil {
			return err
		}
		p.barred = b.barred[hash]
	}
	return nil
}
