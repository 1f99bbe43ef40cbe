package store

// AfterMigration has f called after each migration, whose error ends them.
func (db *DB) AfterMigration(f func(name string) error) { db.migrated = f }
