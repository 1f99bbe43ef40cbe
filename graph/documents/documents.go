// Package documents keeps documents: those that an operator trusts, those that clients have sent before and now name by
// their hash, and those that were parsed and validated already.
package documents

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/internal/apierror"
)

// Document is one that was parsed, and found to be within all limits and valid. It is shared, and must not be changed.
type Document struct {
	// Text is what was parsed.
	Text string
	// Tokens is how many tokens it has.
	Tokens int
	// AST is what it says.
	AST *ast.QueryDocument
}

// What a document takes, measured: 85 to 224 bytes a token for the parsed form, besides its text and the list's own.
const (
	bytesPerToken = 240
	bytesPerEntry = 300
)

func (d *Document) size() int { return bytesPerEntry + len(d.Text) + d.Tokens*bytesPerToken }

// Cache keeps documents by their texts, the latest used first. It is safe for concurrent use.
type Cache struct{ kept *bounded[*Document] }

// NewCache makes a cache that takes about so many bytes.
func NewCache(bytes int) *Cache {
	return &Cache{kept: newBounded(bytes, (*Document).size)}
}

// Get finds the document with exactly this text.
func (c *Cache) Get(text string) (*Document, bool) { return c.kept.get(text) }

// Add keeps a document.
func (c *Cache) Add(d *Document) { c.kept.add(d.Text, d) }

// Persisted keeps the texts that clients have sent, by hash, the latest used first: automatic persisted queries, as
// Apollo's clients speak them. It is safe for concurrent use.
type Persisted struct{ kept *bounded[string] }

// NewPersisted keeps texts of about so many bytes.
func NewPersisted(bytes int) *Persisted {
	return &Persisted{kept: newBounded(bytes, func(text string) int { return bytesPerEntry + len(text) })}
}

// NotFoundCode is what clients expect where a hash is not known, so that they send the text with it.
const NotFoundCode apierror.Code = "PERSISTED_QUERY_NOT_FOUND"

// Text finds the text for a hash in hexadecimal. The error is for the client to see.
func (p *Persisted) Text(hash string) (string, error) {
	if text, ok := p.kept.get(hash); ok {
		return text, nil
	}
	return "", NotFound()
}

// NotFound is the error for a hash that is not known, in the words that clients wait for.
func NotFound() *apierror.Error { return apierror.New(NotFoundCode, "PersistedQueryNotFound") }

// Add keeps a text.
func (p *Persisted) Add(text string) { p.kept.add(Hash(text), text) }

// Hash is the SHA-256 of a text, in hexadecimal.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// bounded keeps values up to a size in bytes, the latest used first.
type bounded[V any] struct {
	size func(V) int
	most int

	mu   sync.Mutex
	used int
	list *simplelru.LRU[string, V]
}

func newBounded[V any](most int, size func(V) int) *bounded[V] {
	b := &bounded[V]{size: size, most: most}
	list, err := simplelru.NewLRU(max(1, most), func(_ string, gone V) { b.used -= size(gone) })
	if err != nil {
		panic(err) // only for room for none
	}
	b.list = list
	return b
}

func (b *bounded[V]) get(key string) (V, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list.Get(key)
}

// add keeps a value, unless it is too large to be kept at all.
func (b *bounded[V]) add(key string, value V) {
	size := b.size(value)
	if size > b.most {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.list.Contains(key) {
		return
	}
	b.used += size
	b.list.Add(key, value)
	for b.used > b.most {
		b.list.RemoveOldest()
	}
}
