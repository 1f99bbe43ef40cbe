package store

// AfterMigration has f called after each migration, whose error ends them.
func (db *DB) AfterMigration(f func(name string) error) { db.migrated = f }

// ReadMoments is how many tenants read moments, or wait for that, and Sifting how many sift.
func (db *DB) ReadMoments() int { return db.moments.remembered() }
func (db *DB) Sifting() int     { return db.scans.remembered() }

func (r *room) remembered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tenants)
}
