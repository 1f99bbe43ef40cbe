package contact

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

// maxHolders is more contacts than an operation can pay for.
const maxHolders = 1_000 * rate.HoldersPerPoint

// maxHoldersOfAll is maxHolders where all traits are counted at once.
const maxHoldersOfAll = 1_000 * rate.HoldersOfAllPerPoint

// usualTraits is how many bytes of a contact's traits are paid for with the contact.
const usualTraits = 500

// Holders calls f with each value that contacts of the tenant hold under the key now, and with how many do; the value
// is nil where there is none. Values that most hold come first. It stops at f's first error.
//
// The contacts, and what is long about them, are paid for by rate.Spend before they are looked at, and no more are gone
// through than an operation can pay for. It may return the error of rate.Spend.
func Holders(ctx context.Context, db *store.DB, tenant uuid.UUID, key string, f func(value any, contacts int) error) error {
	// The JSON text, which tells the text "3" from the number 3.
	held := `CAST(traits AS TEXT) -> $2`
	if db.Dialect == store.Postgres {
		held = `CAST(traits -> CAST($2 AS text) AS text)`
	}
	// SQLite would sort what it groups, which takes longer than to bring it here.
	counted := `SELECT held, 1 FROM looked_at`
	if db.Dialect == store.Postgres {
		counted = `SELECT held, count(*) FROM looked_at GROUP BY held`
	}
	of := holders{}
	err := db.Sift(ctx, func() error {
		_, err := payForHolders(ctx, db, tenant, maxHolders, func(contacts int) int { return contacts / rate.HoldersPerPoint })
		if err != nil {
			return err
		}
		return store.Each(ctx, db.Reader, func(rows *sql.Rows) error {
			var text sql.RawBytes
			var contacts int
			if err := rows.Scan(&text, &contacts); err != nil {
				return err
			}
			of.add(text, contacts)
			return nil
		}, `WITH looked_at AS (SELECT `+held+` AS held FROM (SELECT traits FROM contacts WHERE tenant_id = $1 LIMIT $3) AS all_of_them) `+counted, tenant, key, maxHolders)
	})
	if err == nil {
		err = of.inOrder(f)
	}
	if err != nil {
		return fmt.Errorf("counting the holders of trait %s: %w", key, err)
	}
	return nil
}

// HoldersOfAll is Holders for several keys: it calls f with each key and a value, and reads the contacts once for all keys.
// What the values take besides, which are kept until all are counted, is paid for as they are found.
func HoldersOfAll(ctx context.Context, db *store.DB, tenant uuid.UUID, keys []string, f func(key string, value any, contacts int) error) error {
	of := make(map[string]holders, len(keys))
	for _, key := range keys {
		of[key] = holders{}
	}
	err := db.Sift(ctx, func() error {
		contacts, err := payForHolders(ctx, db, tenant, maxHoldersOfAll, func(contacts int) int {
			return contacts/rate.HoldersOfAllPerPoint + contacts*len(keys)/rate.HeldPerPoint
		})
		if err != nil {
			return err
		}
		read, values := 0, 0
		err = store.Each(ctx, db.Reader, func(rows *sql.Rows) error {
			var traits sql.RawBytes
			if err := rows.Scan(&traits); err != nil {
				return err
			}
			read++
			return eachMember(traits, func(key, value []byte) error {
				if t := of[string(key)]; t == nil || !t.add(value, 1) {
					return nil
				}
				if values++; values%rate.ValuesPerPoint == 0 {
					return rate.Spend(ctx, 1)
				}
				return nil
			})
		}, `SELECT CAST(traits AS TEXT) FROM contacts WHERE tenant_id = $1 LIMIT $2`, tenant, contacts)
		for _, t := range of {
			known := 0
			for _, n := range t {
				known += *n
			}
			if known < read {
				t.add(nil, read-known)
			}
		}
		return err
	})
	for _, key := range keys {
		if err == nil {
			err = of[key].inOrder(func(value any, contacts int) error { return f(key, value, contacts) })
		}
	}
	if err != nil {
		return fmt.Errorf("counting the holders of all traits: %w", err)
	}
	return nil
}

// payForHolders pays the price of looking at the tenant's contacts, and for what is long about them, and says how many
// they are. It fails where they are most or more.
func payForHolders(ctx context.Context, db *store.DB, tenant uuid.UUID, most int, price func(contacts int) int) (contacts int, err error) {
	size := `length(traits)` // of what SQLite keeps as bytes it is known without reading them
	if db.Dialect == store.Postgres {
		size = `pg_column_size(traits)`
	}
	err = store.Each(ctx, db.Reader, func(rows *sql.Rows) error {
		var total int
		if err := rows.Scan(&total, &contacts); err != nil {
			return err
		}
		if contacts >= most {
			return apierror.New(apierror.TooComplex, "There are %d contacts or more, and values of a trait can be counted of fewer: use breakdown.", most)
		}
		return rate.Spend(ctx, price(contacts)+max(0, total-contacts*usualTraits)/rate.BytesPerPoint)
	}, `SELECT coalesce(sum(`+size+`), 0), count(*) FROM (SELECT traits FROM contacts WHERE tenant_id = $1 LIMIT $2) AS looked_at`, tenant, most)
	return contacts, err
}

// eachMember calls f with the keys of a JSON object that a database gave, and with their values as they are written there.
// It is several times as fast as encoding/json, which makes a value of each.
func eachMember(object []byte, f func(key, value []byte) error) error {
	var key []byte
	begin, depth := -1, 0 // of a key or a value
	for i := 0; i < len(object); i++ {
		switch c := object[i]; c {
		case '"':
			if begin < 0 {
				begin = i
			}
			for i++; i < len(object) && object[i] != '"'; i++ {
				if object[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > 1 && begin < 0 {
				begin = i
			}
		case ':':
			if depth == 1 && key == nil && begin >= 0 {
				key = bytes.TrimSpace(object[begin:i])
				begin = -1
			}
		case ',', '}', ']':
			if depth == 1 && key != nil && begin >= 0 {
				name := key[1 : len(key)-1]
				if bytes.IndexByte(name, '\\') >= 0 {
					var text string
					if err := json.Unmarshal(key, &text); err != nil {
						return fmt.Errorf("the key %s: %w", key, err)
					}
					name = []byte(text)
				}
				if err := f(name, bytes.TrimSpace(object[begin:i])); err != nil {
					return err
				}
				key, begin = nil, -1
			}
			if c != ',' {
				depth--
			}
		case ' ', '\t', '\n', '\r':
		default:
			if begin < 0 {
				begin = i
			}
		}
	}
	return nil
}

// holders is how many contacts hold each value, by its JSON text; none of these is empty: "" is for those who hold nothing.
type holders map[string]*int

// add says whether the text is new.
func (t holders) add(text []byte, contacts int) bool {
	n := t[string(text)]
	if n == nil {
		n = new(int)
		t[string(text)] = n
	}
	*n += contacts
	return *n == contacts
}

// inOrder calls f with the values, those that most hold first.
func (t holders) inOrder(f func(value any, contacts int) error) error {
	type held struct {
		text     string
		contacts int
	}
	all := make([]held, 0, len(t))
	for text, n := range t {
		all = append(all, held{text, *n})
	}
	slices.SortFunc(all, func(a, b held) int {
		return cmp.Or(cmp.Compare(b.contacts, a.contacts), cmp.Compare(a.text, b.text))
	})
	for _, h := range all {
		var value any
		if h.text != "" {
			if err := json.Unmarshal([]byte(h.text), &value); err != nil {
				return fmt.Errorf("the value %s: %w", h.text, err)
			}
		}
		if err := f(value, h.contacts); err != nil {
			return err
		}
	}
	return nil
}
