package feedback

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Entry is an event with what is known of its response. Entries are shared: they must not be changed.
type Entry struct {
	Event
	// Response as it was when the entry was read or, straight from a flush, after that; nil once it is deleted.
	Response *ent.Response
	// Gone is what is still known of a deleted response; nil of all others, and of those deleted before there were
	// tombstones.
	Gone *Tombstone
	// Settings is the generation of the tenant's settings that it was committed under, where it comes straight from a flush; zero
	// where it was read.
	Settings int64
}

// Tombstone is what the cube counted a response by until it was deleted.
type Tombstone struct {
	Response, Campaign uuid.UUID
	Score              int
	Channel            string
	Variant            *string
	// Values are those of the dimensions that there were, by key.
	Values      map[string]string
	RespondedAt time.Time
}

// ValuesOf are those of the dimensions that there are now.
func (t *Tombstone) ValuesOf(dimensions []trait.Dimension) []string {
	values := make([]string, len(dimensions))
	for i, d := range dimensions {
		value, known := t.Values[d.Key]
		if !known {
			value = trait.None
		}
		values[i] = value
	}
	return values
}

// ResponseID is the text of the response's id.
func (e *Entry) ResponseID() string { return id.Response.Format(e.Event.Response) }

// FormatCursor writes a position of the log as the API shows it: opaque and, with a mask other than zero (auth.Caller),
// in such a way that it cannot be told how long the log is.
func FormatCursor(position int64, mask [16]byte) string {
	if mask == ([16]byte{}) {
		return base64.RawURLEncoding.EncodeToString(strconv.AppendInt([]byte(cursorPrefix), position, 10))
	}
	// One block, and never the same twice: what a cipher does by itself is enough.
	block := binary.BigEndian.AppendUint64([]byte(maskedPrefix), uint64(position))
	maskOf(mask).Encrypt(block, block)
	return base64.RawURLEncoding.EncodeToString(block)
}

// FormatMoment is FormatCursor for where the log stands when something else is read: with a mask, it cannot be told of two of
// them whether anything came in between.
func FormatMoment(position int64, mask [16]byte) string {
	if mask == ([16]byte{}) || position > maxMoment {
		return FormatCursor(position, mask)
	}
	var block [aes.BlockSize]byte
	_, _ = rand.Read(block[:]) // it does not fail
	copy(block[:], momentPrefix)
	number := binary.BigEndian.AppendUint64(nil, uint64(position))
	copy(block[len(block)-momentBytes:], number[len(number)-momentBytes:])
	maskOf(mask).Encrypt(block[:], block[:])
	return base64.RawURLEncoding.EncodeToString(block[:])
}

// ParseCursor reads a cursor of callers with the same mask; the empty text is the beginning of the log. The error is
// BAD_REQUEST.
func ParseCursor(text string, mask [16]byte) (position int64, err error) {
	if text == "" {
		return 0, nil
	}
	none := apierror.BadRequest("after: this is no cursor of an event.")
	if len(text) > maxCursor {
		return 0, none
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return 0, none
	}
	if mask == ([16]byte{}) {
		digits, ok := strings.CutPrefix(string(plain), cursorPrefix)
		position, err = strconv.ParseInt(digits, 10, 64)
		if !ok || err != nil {
			return 0, none
		}
	} else {
		if len(plain) != aes.BlockSize {
			return 0, none
		}
		maskOf(mask).Decrypt(plain, plain)
		if bytes.HasPrefix(plain, []byte(momentPrefix)) {
			clear(plain[:len(plain)-momentBytes])
			return int64(binary.BigEndian.Uint64(plain[len(plain)-8:])), nil
		}
		number, ok := bytes.CutPrefix(plain, []byte(maskedPrefix))
		if !ok {
			return 0, none
		}
		position = int64(binary.BigEndian.Uint64(number))
	}
	if position < 0 || FormatCursor(position, mask) != text {
		return 0, none
	}
	return position, nil
}

func maskOf(mask [16]byte) cipher.Block {
	block, err := aes.NewCipher(mask[:])
	if err != nil {
		panic(err) // only for another length
	}
	return block
}

const (
	cursorPrefix = "log:"
	maskedPrefix = "position" // half a block
	maxCursor    = 40
	// A moment's block has a prefix, random bytes, and a position of momentBytes.
	momentPrefix = "seen"
	momentBytes  = 6
	maxMoment    = 1<<(8*momentBytes) - 1
)

// maxEvents is how many entries ReadEntries gives at once.
const maxEvents = 10_000

// ReadEntries reads the caller's tenant's log on from a position: the entries after it, in order, at most limit of
// them. What the caller is narrowed to narrows nothing here, for positions have no gaps; Selection.Matches does.
func ReadEntries(ctx context.Context, db *store.DB, after int64, limit int) ([]*Entry, error) {
	tenant := auth.Tenant(ctx)
	rows, err := db.Query(ctx, `SELECT e.position, e.kind, e.at, e.response_id, e.campaign_id, e.score, e.previous_score,
			t.campaign_id, t.score, t.channel, t.variant, t.dimension_values, t.responded_at, `+responseColumns+`
		FROM (SELECT position, kind, at, response_id, campaign_id, score, previous_score FROM events
			WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT $3) e
		LEFT JOIN responses r ON r.tenant_id = $1 AND r.id = e.response_id
		LEFT JOIN tombstones t ON t.tenant_id = $1 AND t.response_id = e.response_id
		ORDER BY e.position`, tenant, after, min(limit, maxEvents))
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	defer rows.Close()
	var entries []*Entry
	for rows.Next() {
		e, err := scanEntry(rows, tenant)
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return entries, nil
}

// ReadEvents is ReadEntries for those who need no responses: the entries have neither Response nor Gone, and so come whether
// or not these can be read.
func ReadEvents(ctx context.Context, db *store.DB, after int64, limit int) ([]*Entry, error) {
	rows, err := db.Query(ctx, `SELECT position, kind, at, response_id, campaign_id, score, previous_score FROM events
		WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT $3`, auth.Tenant(ctx), after, min(limit, maxEvents))
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	defer rows.Close()
	var entries []*Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.Position, &e.Kind, &e.At, &e.Event.Response, &e.Campaign, &e.Score, &e.PreviousScore); err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		e.At = e.At.UTC()
		entries = append(entries, &e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return entries, nil
}

func scanEntry(rows *sql.Rows, tenant uuid.UUID) (*Entry, error) {
	var e Entry
	var campaign uuid.NullUUID
	var score sql.NullInt64
	var channel, variant sql.NullString
	var values []byte
	var responded sql.NullTime
	r, err := scanResponse(rows, tenant, &e.Position, &e.Kind, &e.At, &e.Event.Response, &e.Campaign, &e.Score, &e.PreviousScore,
		&campaign, &score, &channel, &variant, &values, &responded)
	if err != nil {
		return nil, err
	}
	e.At = e.At.UTC()
	if e.Response = r; r != nil || !campaign.Valid {
		return &e, nil
	}
	e.Gone = &Tombstone{
		Response: e.Event.Response, Campaign: campaign.UUID, Score: int(score.Int64), Channel: channel.String,
		RespondedAt: responded.Time.UTC(),
	}
	if variant.Valid {
		e.Gone.Variant = &variant.String
	}
	if err := json.Unmarshal(values, &e.Gone.Values); err != nil {
		return nil, fmt.Errorf("values of deleted response %s: %w", e.Event.Response, err)
	}
	return &e, nil
}
