package settings

import "context"

// LateTo is what somebody gets who looked for a state before s was there, and came to load it when that was done.
func (c *States) LateTo(ctx context.Context, s *State) (*State, error) {
	return c.load(ctx, s.Tenant, s.Settings)
}
