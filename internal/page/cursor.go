package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxText is how many bytes a text may have that a list is ordered by.
const MaxText = 2048

// Key is a row's place in its list.
type Key struct {
	// Value is the row's value of the order's column: a time.Time (cut to microseconds), an int64, a string, or nil.
	// What a row has as int, *int, *int64, *string or *time.Time may be given as it is. It is nil where the order is by id alone.
	Value any
	ID    uuid.UUID
}

// normal returns the key with its value as time.Time in UTC, int64, string or nil.
func (k Key) normal() (Key, error) {
	switch v := k.Value.(type) {
	case nil, int64, string:
	case time.Time:
		k.Value = v.UTC().Truncate(time.Microsecond)
	case int:
		k.Value = int64(v)
	case *time.Time:
		return deref(k.ID, v)
	case *int:
		return deref(k.ID, v)
	case *int64:
		return deref(k.ID, v)
	case *string:
		return deref(k.ID, v)
	default:
		return k, fmt.Errorf("a list cannot be ordered by a %T", v)
	}
	return k, nil
}

// mustNormal is the normal value of a key that was one of its order's already.
func (k Key) mustNormal() any {
	k, err := k.normal()
	if err != nil {
		panic(err)
	}
	return k.Value
}

func deref[V any](id uuid.UUID, v *V) (Key, error) {
	if v == nil {
		return Key{ID: id}, nil
	}
	return Key{Value: *v, ID: id}.normal()
}

// The kinds of values in a cursor.
const (
	kindNull    = 'n'
	kindInteger = 'i'
	kindInstant = 't'
	kindText    = 's'
)

const (
	sumSize = 8
	idSize  = 16
	// maxCursor is the length of the longest cursor: kind, text, id and checksum, four letters for three bytes.
	maxCursor = ((1+MaxText+idSize+sumSize)*8 + 5) / 6
)

// encoding is strict, since a cursor in which a bit was changed is none.
var encoding = base64.RawURLEncoding.Strict()

// encode writes a key as a cursor: kind, value, id, checksum.
// It fails for a key that the order does not allow, which is a mistake of the program.
func (o Order) encode(k Key) (string, error) {
	k, err := k.normal()
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, 64)
	switch v := k.Value.(type) {
	case nil:
		b = append(b, kindNull)
	case int64:
		b = binary.BigEndian.AppendUint64(append(b, kindInteger), uint64(v))
	case time.Time:
		b = binary.BigEndian.AppendUint64(append(b, kindInstant), uint64(v.UnixMicro()))
	case string:
		b = append(append(b, kindText), v...)
	}
	if err := o.allows(k); err != nil {
		return "", err
	}
	b = append(b, k.ID[:]...)
	sum := o.sum(b)
	return encoding.EncodeToString(append(b, sum[:]...)), nil
}

// decode reads what encode wrote for the same order, and nothing else.
func (o Order) decode(cursor string) (Key, bool) {
	// The decoder would pass over line ends.
	if len(cursor) > maxCursor || strings.ContainsAny(cursor, "\r\n") {
		return Key{}, false
	}
	b, err := encoding.DecodeString(cursor)
	if err != nil || len(b) < 1+idSize+sumSize {
		return Key{}, false
	}
	b, sum := b[:len(b)-sumSize], b[len(b)-sumSize:]
	if want := o.sum(b); !bytes.Equal(sum, want[:]) {
		return Key{}, false
	}
	kind, value := b[0], b[1:len(b)-idSize]
	k := Key{ID: uuid.UUID(b[len(b)-idSize:])}
	switch {
	case kind == kindNull && len(value) == 0:
	case kind == kindInteger && len(value) == 8:
		k.Value = int64(binary.BigEndian.Uint64(value))
	case kind == kindInstant && len(value) == 8:
		k.Value = time.UnixMicro(int64(binary.BigEndian.Uint64(value))).UTC()
	case kind == kindText:
		k.Value = string(value)
	default:
		return Key{}, false
	}
	// The checksum guards against accidents, it is no secret: what it covers may be anything.
	return k, o.allows(k) == nil
}

// allows says what is wrong with a normal key: whether the databases could not compare it, or the order cannot have it.
func (o Order) allows(k Key) error {
	switch v := k.Value.(type) {
	case nil:
		if o.Column != "" && !o.Nullable {
			return fmt.Errorf("a null in %s, which is not Nullable", o.Column)
		}
		return nil
	case time.Time:
		if y := v.Year(); y < 1 || y > 9999 {
			return fmt.Errorf("the year %d in %s", y, o.Column)
		}
	case string:
		if len(v) > MaxText {
			return fmt.Errorf("a text of %d bytes in %s, more than %d", len(v), o.Column, MaxText)
		}
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return fmt.Errorf("a text in %s that is not UTF-8 or has U+0000", o.Column)
		}
	}
	if o.Column == "" {
		return fmt.Errorf("a value of type %T in an order by id alone", k.Value)
	}
	if o.Accepts != nil && !o.Accepts(k.Value) {
		return fmt.Errorf("a value of type %T that %s cannot have", k.Value, o.Column)
	}
	return nil
}

// sum is the checksum of a cursor's bytes and the order that it belongs to: where either is another, the cursor is refused.
func (o Order) sum(b []byte) [sumSize]byte {
	h := fmt.Appendf(make([]byte, 0, 128), "cursor 1\x00%s\x00%s\x00%t\x00", o.List, o.Column, o.Desc)
	full := sha256.Sum256(append(h, b...))
	return [sumSize]byte(full[:sumSize])
}
