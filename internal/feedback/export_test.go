package feedback

import (
	"context"

	"github.com/google/uuid"
)

// SetMaxQueued changes how many operations may wait in a tenant's queue.
func (l *Log) SetMaxQueued(n int) { l.maxQueued = n }

// SetMaxErased changes how many responses of people who are erased one flush takes.
func (l *Log) SetMaxErased(n int) { l.maxErased = n }

// BeforeWrite has f called before each flush that is written without the tenant's lock.
func (l *Log) BeforeWrite(f func()) { l.disk = beaten{l.disk, f} }

type beaten struct {
	disk
	before func()
}

func (d beaten) write(ctx context.Context, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error) {
	d.before()
	return d.disk.write(ctx, tenant, revision, p)
}
