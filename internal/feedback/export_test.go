package feedback

// SetMaxQueued changes how many operations may wait in a tenant's queue.
func (l *Log) SetMaxQueued(n int) { l.maxQueued = n }
