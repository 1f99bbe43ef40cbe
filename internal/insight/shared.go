package insight

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
)

// Shared computes scores that many ask for at the same moment once: those who watch one score all ask when it changes.
type Shared struct {
	reader  *Reader
	flights flight.Group[string, knownScore]

	mu sync.Mutex
	// known are scores by what was asked for.
	known map[string]knownScore
}

// knownScore is a score at a revision of its tenant, and what it cost in points.
type knownScore struct {
	revision int64
	score    *Score
	points   int
}

const (
	// maxShared is how many scores are remembered; beyond it all are forgotten, which costs one more reading each.
	maxShared = 1_000
	// sharedTimeout ends a reading whose callers may have gone.
	sharedTimeout = 15 * time.Second
	// maxScorePoints is what a score may cost, as any operation.
	maxScorePoints = 1_000
)

var errDear = apierror.New(apierror.TooComplex, "The score came to more than %d points: watch fewer campaigns or days, or a shorter rule.", maxScorePoints)

// NewShared makes a Shared that has computed nothing yet.
func NewShared(r *Reader) *Shared { return &Shared{reader: r, known: map[string]knownScore{}} }

// Score is the score of some feedback of the context's caller at a revision of the tenant (tenants.revision), or at a
// newer one, and its histogram. The errors are those of Reader.Feedback.
//
// Each caller pays by rate.Spend what the score cost to compute, whoever it was computed for: who shares with others must
// neither pay for them nor be paid for, nor learn that they are there.
func (s *Shared) Score(ctx context.Context, filter selection.Filter, revision int64) (*Score, nps.Histogram, error) {
	caller, _ := auth.From(ctx)
	today := ""
	if filter.Last != nil {
		today = s.reader.now().UTC().Format("2006-01-02T15:04") // wherever midnight is
	}
	key, err := json.Marshal([]any{caller.Tenant, caller.Narrowing, filter, today})
	if err != nil {
		return nil, nps.Histogram{}, fmt.Errorf("naming a filter: %w", err)
	}
	s.mu.Lock()
	known, ok := s.known[string(key)]
	s.mu.Unlock()
	if !ok || known.revision < revision {
		name := fmt.Sprintf("%s@%d", key, revision)
		known, err = s.flights.Do(ctx, name, sharedTimeout, func(ctx context.Context) (knownScore, error) {
			ctx, points := rate.Reckon(WithMemo(ctx), maxScorePoints, errDear) // others' requests outlive this one's
			body, err := s.reader.Feedback(ctx, filter, selection.Within{})
			if err != nil {
				return knownScore{}, err
			}
			score, err := body.Score(ctx)
			return knownScore{revision, score, points()}, err
		})
		if err != nil {
			return nil, nps.Histogram{}, err
		}
		s.remember(string(key), known)
	}
	if err := rate.Spend(ctx, known.points); err != nil {
		return nil, nps.Histogram{}, err
	}
	return known.score, known.score.responses, nil
}

func (s *Shared) remember(key string, k knownScore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxShared {
		clear(s.known)
	}
	if old, ok := s.known[key]; !ok || old.revision < k.revision {
		s.known[key] = k
	}
}
