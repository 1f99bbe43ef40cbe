package contact

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// The members of an object are those that encoding/json finds, whatever stands in their texts and between them.
func FuzzEachMember(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` { "a" : "3" , "b" : 3 } `, `{"a":"x\\","b":"\"},{:"}`, `{"\u0061":true,"":null}`,
		`{"a":{"b":[1,{"c":"]"}]},"d":[],"e":{}}`, `{"a":-1.5e+3,"b":"é\ud83d\ude00"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		var want map[string]json.RawMessage
		if !utf8.Valid(object) || json.Unmarshal(object, &want) != nil {
			return
		}
		got := map[string]json.RawMessage{}
		if err := eachMember(object, func(key, value []byte) error {
			got[string(key)] = bytes.Clone(value)
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", object, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %s, want %s", object, got, want)
		}
		for key, value := range want {
			if !bytes.Equal(got[key], value) {
				t.Fatalf("%s: %q is %s, want %s", object, key, got[key], value)
			}
		}
	})
}
