package wire

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParseMessage holds the parser against encoding/json: what it takes is JSON, means the same there, and comes back in
// messages of ours as it was.
func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init","payload":{"Authorization":"Bearer x"}}`,
		`{"type":"connection_init","payload":null}`,
		`{"type":"ping"}`, ` {"type" : "pong" , "payload" : { } } `,
		`{"id":"\ud83d\ude00","type":"subscribe","payload":{"query":"{a}","variables":{"a":[1e9,-0.5,null,true]}}}`,
		`{"id":"1","type":"subscribe","payload":{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}}`,
		`{"id":"1","type":"complete"}`,
		`{"id":"","type":"complete"}`, `{"type":"next"}`, `{"type":"ping","type":"ping"}`, `{"type":"ping"}x`, `[`, `null`, ``,
		`{"type":"ping","payload":[]}`, `{"id":"\u0000","type":"complete"}`, "{\"id\":\"\u2028\",\"type\":\"complete\"}",
	} {
		f.Add([]byte(seed))
	}
	limits := Limits{Envelope: 2000, Body: 4000}.withDefaults()
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			return // which is told apart before
		}
		m, err := parseMessage(data, limits, nil)
		if err != nil {
			refused, ok := errors.AsType[*refusal](err)
			if !ok || refused.status != http.StatusBadRequest && refused.status != http.StatusRequestEntityTooLarge {
				t.Fatalf("got %v, which is no refusal", err)
			}
			if reason := cut(err.Error(), maxReason); len(reason) > maxReason || !utf8.ValidString(reason) {
				t.Fatalf("%q is no reason", reason)
			}
			return
		}
		var same map[string]any // and no struct, to which a key of another case is as good
		if err := json.Unmarshal(data, &same); err != nil {
			t.Fatalf("%q was taken, which is no message: %v", data, err)
		}
		payload, _ := same["payload"].(map[string]any)
		if same["type"] != m.kind {
			t.Fatalf("got %+v of %q", m, data)
		}
		for _, name := range meant {
			var want, got any
			want = payload[name]
			if member := m.members[name]; member.json != nil {
				if err := json.Unmarshal(member.json, &got); err != nil {
					t.Fatalf("%s of %q is no JSON: %v", name, data, err)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s of %q: got %v, want %v", name, data, got, want)
			}
		}
		if (m.kind == typeSubscribe) != (m.asked != nil) {
			t.Fatalf("got %+v of %q", m, data)
		}
		if _, err := m.authorization(); err != nil {
			if _, ok := errors.AsType[*refusal](err); !ok {
				t.Fatalf("got %v, which is no refusal", err)
			}
		}
		if m.kind != typeSubscribe && m.kind != typeComplete {
			return
		}
		if m.id == "" || len(m.id) > maxID || same["id"] != m.id {
			t.Fatalf("the id is %q, want %q", m.id, same["id"])
		}
		var back struct {
			ID, Type string
			Payload  any
		}
		if err := json.Unmarshal(appendMessage(nil, m.quoted, typeNext, m.raw), &back); err != nil || back.ID != m.id || back.Type != typeNext {
			t.Fatalf("got %+v and %v, want the id %q", back, err, m.id)
		}
	})
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text string
		size int
		want string
	}{
		{"", 10, ""},
		{"0123456789", 10, "0123456789"},
		{"0123456789a", 10, "0123456…"},
		{"012345éxyz", 10, "012345…"},
		{"01234é5xyz", 10, "01234é…"},
		{strings.Repeat("😀", 3), 10, "😀…"},
	} {
		if got := cut(test.text, test.size); got != test.want || len(got) > test.size {
			t.Errorf("%q cut to %d is %q, want %q", test.text, test.size, got, test.want)
		}
	}
}
