package link

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPlanKeys(t *testing.T) {
	key := func(number uint16, age time.Duration, forever bool) Key {
		return Key{Number: number, Secret: secret(byte(number)), Made: noon.Add(-age), Forever: forever}
	}
	for name, test := range map[string]struct {
		keys []Key
		want Plan // Keep left out
		keep []uint16
	}{
		"none": {nil, Plan{IsDue: true, IsForeverDue: true}, nil},
		"new ones": {
			[]Key{key(1, 0, true), key(2, 0, false)},
			Plan{Signs: 2, SignsForever: 1}, []uint16{1, 2},
		},
		"one that signs for ever alone": {
			[]Key{key(1, 900*day, true)},
			Plan{SignsForever: 1, IsDue: true}, []uint16{1},
		},
		"one that does not alone": {
			[]Key{key(9, day, false)},
			Plan{Signs: 9, IsForeverDue: true}, []uint16{9},
		},
		"the newest sign, in whatever order and of whatever number": {
			[]Key{key(4, 20*day, false), key(3, 10*day, false), key(2, 50*day, false), key(1, 800*day, true), key(5, 700*day, true)},
			Plan{Signs: 3, SignsForever: 5}, []uint16{4, 3, 2, 1, 5},
		},
		"of two of the same instant the higher number signs": {
			[]Key{key(3, day, false), key(4, day, false), key(2, day, false), key(7, day, true), key(6, day, true)},
			Plan{Signs: 4, SignsForever: 7}, []uint16{3, 4, 2, 7, 6},
		},
		"not due yet":    {[]Key{key(1, 0, true), key(2, SignsFor-1, false)}, Plan{Signs: 2, SignsForever: 1}, []uint16{1, 2}},
		"due":            {[]Key{key(1, 0, true), key(2, SignsFor, false)}, Plan{Signs: 2, SignsForever: 1, IsDue: true}, []uint16{1, 2}},
		"kept still":     {[]Key{key(1, 0, true), key(2, KeptFor-1, false), key(3, 0, false)}, Plan{Signs: 3, SignsForever: 1}, []uint16{1, 2, 3}},
		"to be dropped":  {[]Key{key(9, KeptFor, false), key(1, 0, true), key(2, KeptFor+day, false), key(3, 0, false)}, Plan{Drop: []uint16{2, 9}, Signs: 3, SignsForever: 1}, []uint16{1, 3}},
		"all are old":    {[]Key{key(1, KeptFor, true), key(2, KeptFor, false)}, Plan{Drop: []uint16{2}, SignsForever: 1, IsDue: true}, []uint16{1}},
		"made tomorrow":  {[]Key{key(1, 0, true), key(2, -day, false)}, Plan{Signs: 2, SignsForever: 1}, []uint16{1, 2}},
		"older than all": {[]Key{key(1, 100_000*day, true), key(2, 0, false)}, Plan{Signs: 2, SignsForever: 1}, []uint16{1, 2}},
	} {
		got := PlanKeys(test.keys, noon)
		var keep []uint16
		for _, k := range got.Keep {
			keep = append(keep, k.Number)
		}
		if !slices.Equal(keep, test.keep) || !slices.Equal(got.Drop, test.want.Drop) || got.Signs != test.want.Signs ||
			got.SignsForever != test.want.SignsForever || got.IsDue != test.want.IsDue || got.IsForeverDue != test.want.IsForeverDue {
			t.Errorf("%s: got %+v, keeping %v", name, got, keep)
		}
		r := mustRing(t, acme, got.Keep)
		for _, signs := range []struct {
			got  *subkeys
			want uint16
		}{{r.signs, got.Signs}, {r.signsForever, got.SignsForever}} {
			if (signs.got == nil) != (signs.want == 0) || signs.got != nil && signs.got.number != signs.want {
				t.Errorf("%s: the ring signs by %+v, the plan says %d", name, signs.got, signs.want)
			}
		}
	}
}

func TestNewKey(t *testing.T) {
	var keys []Key
	for i := range 5 {
		k, err := NewKey(keys, noon.Add(time.Nanosecond), i%2 == 0)
		if err != nil || k.Number != uint16(i+1) || len(k.Secret) != SecretBytes || !k.Made.Equal(noon) || k.Forever != (i%2 == 0) {
			t.Fatalf("%+v, %v", k, err)
		}
		for _, other := range keys {
			if bytes.Equal(other.Secret, k.Secret) {
				t.Fatal("two keys have the same secret")
			}
		}
		keys = append(keys, k)
	}
	for _, test := range []struct {
		taken []uint16
		want  uint16
	}{
		{nil, 1}, {[]uint16{7}, 8}, {[]uint16{9, 7}, 10}, {[]uint16{65535}, 1}, {[]uint16{1, 2, 4, 65535}, 3}, {[]uint16{65534}, 65535},
	} {
		keys := make([]Key, len(test.taken))
		for i, number := range test.taken {
			keys[i].Number = number
		}
		if k, err := NewKey(keys, noon, false); err != nil || k.Number != test.want {
			t.Errorf("after %v comes %d, %v, want %d", test.taken, k.Number, err, test.want)
		}
	}
	all := make([]Key, 65535)
	for i := range all {
		all[i].Number = uint16(i + 1)
	}
	if k, err := NewKey(all, noon, false); err == nil {
		t.Errorf("got number %d, and all are taken", k.Number)
	}
	if k, err := NewKey(all[:65534], noon, false); err != nil || k.Number != 65535 {
		t.Errorf("got number %d, %v", k.Number, err)
	}
}

func TestNewRingRefuses(t *testing.T) {
	for name, keys := range map[string][]Key{
		"has no number":             {{Secret: secret(1), Made: noon}},
		"has 31 bytes, want 32":     {{Number: 1, Secret: secret(1)[:31], Made: noon}},
		"has 33 bytes, want 32":     {{Number: 1, Secret: append(secret(1), 1), Made: noon}},
		"has 0 bytes, want 32":      {{Number: 1, Made: noon}},
		"two link keys of number 4": {{Number: 4, Secret: secret(1), Made: noon}, {Number: 4, Secret: secret(2), Made: noon, Forever: true}},
	} {
		if r, err := NewRing(acme, keys); err == nil || r != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := mustRing(t, acme, acmeKeys()); r.Tenant() != acme {
		t.Errorf("the tenant is %s", r.Tenant())
	}
}

// All that a key makes is its own: for each kind, each tenant and each key another sub-key, and none for what it does not sign.
func TestDerive(t *testing.T) {
	seen := map[string]bool{}
	n := 0
	for _, r := range []*Ring{mustRing(t, acme, acmeKeys()), mustRing(t, globex, acmeKeys())} {
		for _, k := range acmeKeys() {
			for kind := range pages + 1 {
				sub := r.key(k.Number, kind)
				if want := kind != 0 && kind.isForever() == k.Forever; (sub != nil) != want {
					t.Errorf("key %d has %x for %s", k.Number, sub, kind)
				}
				if sub != nil {
					seen[string(sub)] = true
					n++
				}
			}
		}
	}
	if n != 2*(2+2*4) || len(seen) != n {
		t.Errorf("%d of %d sub-keys are different", len(seen), n)
	}
}

// The last link of a key, signed five days late by one who had read it before, is good for a whole year, and not longer.
func TestLastLinkOfAKey(t *testing.T) {
	key := Key{Number: 1, Secret: secret(1), Made: noon}
	last := noon.Add(SignsFor + 5*day - time.Minute)
	text := mustSign(t, mustRing(t, acme, []Key{key}), Link{Kind: Invitation, Subject: subject, Issued: last})
	for age, want := range map[time.Duration]error{0: nil, 365 * day: nil, 365*day + time.Minute: ErrNotGenuine} {
		if _, err := read(text, mustRing(t, acme, PlanKeys([]Key{key}, last.Add(age)).Keep)); err != want {
			t.Errorf("after %v: %v, want %v", age, err, want)
		}
	}
}

// A tenant whose keys are kept to the plan, looked after at any times, has links that are good for a year, and links that unsubscribe for
// ever; also where a process signs for five days by keys that it read before.
func TestLinksOutliveTheirKeys(t *testing.T) {
	type out struct {
		text   string
		kind   Kind
		issued time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		var keys []Key
		var links []out
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 45*24).Draw(t, "hours")) * time.Hour)
			p := PlanKeys(keys, now)
			keys = p.Keep
			for _, forever := range []bool{false, true} {
				if forever && !p.IsForeverDue || !forever && !p.IsDue {
					continue
				}
				k, err := NewKey(keys, now, forever)
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, k)
			}
			if p := PlanKeys(keys, now); p.IsDue || p.IsForeverDue || len(p.Drop) > 0 || len(p.Keep) != len(keys) {
				t.Fatalf("what was planned is done, and then the plan is %+v", p)
			}
			if most := int(KeptFor/SignsFor) + 2; len(keys) > most {
				t.Fatalf("there are %d keys, want %d at most", len(keys), most)
			}
			r, err := NewRing(acme, keys)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range links {
				age := now.Sub(l.issued)
				_, err := read(l.text, r)
				if good := l.kind == Unsubscribe || age <= 365*day; good && err != nil {
					t.Fatalf("a link for %s does not hold after %v", l.kind, age)
				}
				if l.kind != Unsubscribe && age >= KeptFor && err == nil {
					t.Fatalf("a link for %s still holds after %v", l.kind, age)
				}
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 5*24-1).Draw(t, "hours later")) * time.Hour)
			for _, kind := range []Kind{Invitation, Unsubscribe} {
				text, err := r.Sign(Link{Kind: kind, Subject: subject, Issued: now})
				if err != nil {
					t.Fatal(err)
				}
				links = append(links, out{text, kind, now})
			}
		}
	})
}

func BenchmarkNewRing(b *testing.B) {
	keys := acmeKeys()
	for i := range 14 {
		keys = append(keys, Key{Number: uint16(10 + i), Secret: secret(byte(i)), Made: noon})
	}
	for b.Loop() {
		if _, err := NewRing(acme, keys); err != nil {
			b.Fatal(err)
		}
	}
}
