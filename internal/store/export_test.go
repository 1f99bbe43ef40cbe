package store

// AfterMigration has f called after each migration, whose error ends them.
func (db *DB) AfterMigration(f func(name string) error) { db.migrated = f }

// ReadMoments is how many tenants read moments, or wait for that.
func (db *DB) ReadMoments() int {
	db.moments.mu.Lock()
	defer db.moments.mu.Unlock()
	return len(db.moments.tenants)
}
