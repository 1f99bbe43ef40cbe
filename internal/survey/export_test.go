package survey

import "context"

// Enter is a studio's turn, as images are made in it.
func (s *Studio) Enter(ctx context.Context) (leave func(), err error) { return s.enter(ctx) }
