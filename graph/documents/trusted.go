package documents

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxManifest is how long a file of trusted documents may be.
const maxManifest = 64 << 20

// Trusted are the only documents that a server runs, where it is told so. They do not change while it runs.
type Trusted struct {
	byID   map[string]*Document
	byText map[string]*Document
}

// ReadTrusted reads the file that a build of a client wrote: see ParseManifest. prepare parses a document and checks it;
// one that it refuses is an error, with the document's id.
func ReadTrusted(file string, prepare func(text string) (*Document, error)) (*Trusted, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("finding the trusted documents: %w", err)
	}
	if info.Size() > maxManifest {
		return nil, fmt.Errorf("%s: %d bytes are too many for trusted documents, at most %d", file, info.Size(), maxManifest)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the trusted documents: %w", err)
	}
	texts, err := ParseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	t := &Trusted{byID: map[string]*Document{}, byText: map[string]*Document{}}
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		text := texts[id]
		d := t.byText[text]
		if d == nil {
			if d, err = prepare(text); err != nil {
				return nil, fmt.Errorf("%s: document %.100q: %w", file, id, err)
			}
			t.byText[text] = d
		}
		t.byID[id] = d
		t.byID[Hash(text)] = d
	}
	return t, nil
}

// ByID finds a document by the id in the file, or by the SHA-256 of its text, with or without `sha256:` before it.
func (t *Trusted) ByID(id string) (*Document, bool) {
	d, ok := t.byID[id]
	if !ok {
		d, ok = t.byID[bare(id)]
	}
	return d, ok
}

// ByText finds a document by its text.
func (t *Trusted) ByText(text string) (*Document, bool) {
	d, ok := t.byText[text]
	return d, ok
}

// bare is an id without the name of the hash.
func bare(id string) string { return strings.TrimPrefix(id, "sha256:") }

// ParseManifest reads the documents' texts by id: either a JSON object from id to text, as Relay and the client preset of
// GraphQL Code Generator write it, or one with a list `operations`, each with `id` and `body`, as Apollo writes it.
// Where an id is a SHA-256, and wherever it begins with `sha256:`, it must be that of the text.
func ParseManifest(data []byte) (map[string]string, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("trusted documents must be a JSON object: %w", err)
	}
	texts := map[string]string{}
	add := func(id, text string) error {
		if id == "" {
			return errors.New("a document has no id")
		}
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("document %.100q has no text", id)
		}
		sum, err := hex.DecodeString(bare(id))
		switch isHash := err == nil && len(sum) == 32; {
		case isHash && strings.ToLower(bare(id)) != Hash(text):
			return fmt.Errorf("document %.100q: the text has another SHA-256, %s", id, Hash(text))
		case !isHash && bare(id) != id:
			return fmt.Errorf("document %.100q: what follows sha256: must be the 64 hexadecimal digits of a SHA-256", id)
		}
		if known, twice := texts[bare(id)]; twice && known != text {
			return fmt.Errorf("document %.100q is there twice, with different texts", id)
		}
		texts[bare(id)] = text
		return nil
	}
	if list, ok := all["operations"]; ok && bytes.HasPrefix(bytes.TrimSpace(list), []byte("[")) {
		var operations []struct {
			ID   string `json:"id"`
			Body string `json:"body"`
		}
		if err := json.Unmarshal(list, &operations); err != nil {
			return nil, fmt.Errorf("operations must be a list of objects with id and body: %w", err)
		}
		for _, o := range operations {
			if err := add(o.ID, o.Body); err != nil {
				return nil, err
			}
		}
	} else {
		for _, id := range slices.Sorted(maps.Keys(all)) {
			var text string
			if err := json.Unmarshal(all[id], &text); err != nil {
				return nil, fmt.Errorf("document %.100q must be a text: %w", id, err)
			}
			if err := add(id, text); err != nil {
				return nil, err
			}
		}
	}
	if len(texts) == 0 {
		return nil, errors.New("there are no trusted documents in it")
	}
	return texts, nil
}
