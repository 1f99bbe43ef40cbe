package store

// Empty tries once to empty the write-ahead log.
func (db *DB) Empty() error { return db.forgetter.empty(0) }
