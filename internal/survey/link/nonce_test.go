package link

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// page is what nonces are made for in tests.
const page = "camp_01h455vb4pex5vsknk084sn02q"

func mustNonce(t testing.TB, r *Ring, page string, now time.Time) Nonce {
	t.Helper()
	n, err := r.NewNonce(page, now)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// goldenNonce was made by another program, from the package's description: by key 3, for page, at a millisecond past noon.
const goldenNonce = "AAMBohzgbgHw8fLz9PX29_graiJnmmtqj5gq15Ip2F5w"

func TestGoldenNonce(t *testing.T) {
	n, err := mustRing(t, acme, acmeKeys()).ParseNonce(goldenNonce, page)
	if err != nil || !n.Served.Equal(noon.Add(time.Millisecond)) || n.String() != goldenNonce {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestNonceRoundTrip(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	seen := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		page := rapid.String().Draw(t, "page")
		now := time.UnixMicro(rapid.Int64Range(0, 1_000<<48-1).Draw(t, "now"))
		made, err := r.NewNonce(page, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.ParseNonce(made.String(), page)
		if err != nil || got != made || !got.Served.Equal(now.Truncate(time.Millisecond)) {
			t.Fatalf("%+v, %v, want %+v", got, err, made)
		}
		if text := made.String(); len(text) != NonceChars || NonceChars != 44 || seen[text] {
			t.Fatalf("%q has %d characters, or was there before", text, len(text))
		}
		seen[made.String()] = true
		if other := rapid.String().Draw(t, "other page"); other != page {
			if n, err := r.ParseNonce(made.String(), other); err != ErrNotGenuine || n != (Nonce{}) {
				t.Fatalf("the nonce of page %q is one of %q: %+v, %v", page, other, n, err)
			}
		}
	})
}

func TestEveryChangeOfANonceIsRefused(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	text := mustNonce(t, r, page, noon).String()
	refused := func(text, how string) {
		t.Helper()
		if n, err := r.ParseNonce(text, page); err != ErrNotGenuine || n != (Nonce{}) {
			t.Errorf("%s: %q says %+v, %v", how, text, n, err)
		}
	}
	for i := range len(text) {
		for c := range 256 {
			if changed := text[:i] + string([]byte{byte(c)}) + text[i+1:]; changed != text {
				refused(changed, "a byte changed")
			}
		}
		refused(text[:i]+text[i+1:], "a byte less")
		refused(text[:i]+"\n"+text[i:], "a line break more")
		refused(text[:i]+"\n"+text[i:len(text)-1], "a line break for a byte")
		refused(text[:i], "cut")
	}
	refused(text+"A", "longer")
	refused(strings.Repeat(text, 1<<14), "very long")
	refused(strings.Repeat("A", NonceChars), "of zeros")
	refused(mustSign(t, r, full(Invitation)), "a token")
	if _, err := r.ParseNonce(text, page); err != nil {
		t.Error(err)
	}
}

func TestNonceNeedsItsKey(t *testing.T) {
	text := mustNonce(t, mustRing(t, acme, acmeKeys()), page, noon).String()
	others := acmeKeys()
	others[2].Secret = secret(9)
	for name, r := range map[string]*Ring{
		"no tenant":       nil,
		"no keys":         mustRing(t, acme, nil),
		"its key dropped": mustRing(t, acme, acmeKeys()[:2]),
		"another secret":  mustRing(t, acme, others),
		"another tenant":  mustRing(t, globex, acmeKeys()),
	} {
		if n, err := r.ParseNonce(text, page); err != ErrNotGenuine {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if _, err := mustRing(t, acme, acmeKeys()[2:]).ParseNonce(text, page); err != nil {
		t.Errorf("its own key alone: %v", err)
	}
	if n, err := mustRing(t, acme, acmeKeys()[:1]).NewNonce(page, noon); err == nil {
		t.Errorf("%s was made by a key for links that unsubscribe", n)
	}
	// What the keys of tokens sign is no nonce.
	r := mustRing(t, acme, acmeKeys())
	head, ok := decode(text)
	if !ok {
		t.Fatal(text)
	}
	head = head[:nonceHead:nonceHead]
	for k := Invitation; k <= pages; k++ {
		key := r.signer(k).of[k]
		head[1] = byte(r.signer(k).number)
		_, err := r.ParseNonce(base64.RawURLEncoding.EncodeToString(append(head, mac(key, head, []byte(page))...)), page)
		if (err == nil) != (k == pages) {
			t.Errorf("signed as %s: %v", k, err)
		}
	}
}

// vectors are signs that the script gave, run by Node. The script says them, too.
var vectors = []struct {
	nonce   string
	elapsed time.Duration
	sign    string
}{
	{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400 * time.Millisecond, "400.e9ed8b23"},
	{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401 * time.Millisecond, "401.e8ed8990"},
	{"0123456789-_abcdefghijklmnopqrstuvwxyzABCDEF", 86399999 * time.Millisecond, "86399999.48b4b496"},
}

func TestScriptAndServerDoTheSameSum(t *testing.T) {
	for _, v := range vectors {
		if got := (Nonce{text: v.nonce}).Sign(v.elapsed); got != v.sign {
			t.Errorf("%s after %v is signed %s, want %s", v.nonce, v.elapsed, got, v.sign)
		}
		if line := fmt.Sprintf("sign(%q, %d) = %q\n", v.nonce, v.elapsed.Milliseconds(), v.sign); !strings.Contains(Script, line) {
			t.Errorf("the script does not say %s", line)
		}
	}
	if want := fmt.Sprintf("elapsed < %d", MinElapsed.Milliseconds()); !strings.Contains(Script, want) {
		t.Errorf("the script does not wait as long as the server wants: no %q in it", want)
	}
}

// What the script sends of a page that was looked at is the sum of the nonce with a mark behind it, after as long as the server wants.
func TestScriptAndServerLookAlike(t *testing.T) {
	n := Nonce{text: strings.Repeat("A", NonceChars)}
	if got, want := n.Look(MinLooked), "5000.8bad3c36"; got != want {
		t.Errorf("looked at for %v it is %s, want %s", MinLooked, got, want)
	}
	for _, part := range []string{
		fmt.Sprintf("sign(%q, %d) = %q\n", n.text+lookedMark, MinLooked.Milliseconds(), n.Look(MinLooked)),
		fmt.Sprintf("value + %q,", lookedMark), fmt.Sprintf("seen < %d", MinLooked.Milliseconds()),
	} {
		if !strings.Contains(Script, part) {
			t.Errorf("the script does not say %s", part)
		}
	}
}

func TestLooked(t *testing.T) {
	n := mustNonce(t, mustRing(t, acme, acmeKeys()), page, noon)
	other := mustNonce(t, mustRing(t, acme, acmeKeys()), page, noon)
	const ms = time.Millisecond
	for _, test := range []struct {
		elapsed, age time.Duration
		want         bool
	}{
		{5000 * ms, 5 * time.Second, true}, {4999 * ms, 5 * time.Second, false}, {5000 * ms, 3 * time.Second, true}, {5000 * ms, 3*time.Second - ms, false},
		{7 * time.Second, time.Hour, true}, {time.Hour, time.Minute, false}, {5000 * ms, NonceLife - ms, true}, {5000 * ms, NonceLife, false},
		{5000 * ms, -Skew - ms, false}, {500 * day, 501 * day, false},
	} {
		elapsed, ok := n.Looked(n.Look(test.elapsed), noon.Add(test.age))
		if ok != test.want || ok && elapsed != test.elapsed || !ok && elapsed != 0 {
			t.Errorf("looked at for %v, sent at the age of %v: %v, %v", test.elapsed, test.age, elapsed, ok)
		}
	}
	good := n.Look(6 * time.Second)
	for _, bad := range []string{
		"", ".", "6000", "06000" + good[4:], good + " ", good[:5], "6001" + good[4:], other.Look(6 * time.Second), n.Sign(6 * time.Second), "true", strings.Repeat("9", 1<<20),
	} {
		if elapsed, ok := n.Looked(bad, noon.Add(time.Minute)); ok || elapsed != 0 {
			t.Errorf("%.40q is taken as a look: %v", bad, elapsed)
		}
	}
	// Who only looked has not used the page.
	if _, ok := n.Signed(good, noon.Add(time.Minute)); ok {
		t.Error("a look is a sign of a person")
	}
}

func TestSigned(t *testing.T) {
	n := mustNonce(t, mustRing(t, acme, acmeKeys()), page, noon)
	other := mustNonce(t, mustRing(t, acme, acmeKeys()), page, noon)
	const ms = time.Millisecond
	for _, test := range []struct {
		elapsed, age time.Duration
		want         bool
	}{
		{400 * ms, 400 * ms, true}, {399 * ms, time.Second, false}, {0, time.Second, false},
		{400 * ms, 3 * time.Hour, true}, {3 * time.Hour, 3 * time.Hour, true}, {3 * time.Hour, 2 * time.Hour, false},
		{5 * time.Second, 3 * time.Second, true}, {5 * time.Second, 3*time.Second - ms, false},
		{400 * ms, -1600 * ms, true}, {400 * ms, -1601 * ms, false}, {400 * ms, -Skew - ms, false},
		{400 * ms, NonceLife - ms, true}, {400 * ms, NonceLife, false}, {400 * ms, 400 * day, false},
		{NonceLife - ms, NonceLife - ms, true}, {NonceLife + time.Second, NonceLife - ms, true}, {49 * day, 50 * day, false}, {500 * day, 501 * day, false},
	} {
		elapsed, ok := n.Signed(n.Sign(test.elapsed), noon.Add(test.age))
		if ok != test.want || ok && elapsed != test.elapsed || !ok && elapsed != 0 {
			t.Errorf("used after %v, sent at the age of %v: %v, %v", test.elapsed, test.age, elapsed, ok)
		}
	}
	good := n.Sign(1234 * ms)
	_, hash, _ := strings.Cut(good, ".")
	if _, ok := n.Signed(good, noon.Add(time.Minute)); !ok {
		t.Error("the good one is refused")
	}
	for _, bad := range []string{
		"", ".", "1234", "1234.", "." + hash, "01234." + hash, "+1234." + hash, "-1234." + hash, "1_234." + hash, "1234.0." + hash, " " + good, good + " ",
		good + ".", good + "0", "1234," + hash, "1235." + hash, "1234.00000000", "1e3." + hash, strings.Repeat("9", 1<<20) + "." + hash,
		other.Sign(1234 * ms), n.Sign(-1234 * ms), (Nonce{}).Sign(1234 * ms), "true", "\x00",
	} {
		if elapsed, ok := n.Signed(bad, noon.Add(time.Minute)); ok || elapsed != 0 {
			t.Errorf("%.40q is taken as a sign: %v", bad, elapsed)
		}
	}
	if got := n.Age(noon.Add(time.Minute)); got != time.Minute {
		t.Errorf("the age is %v", got)
	}
}

func TestEveryChangeOfASignIsRefused(t *testing.T) {
	r := mustRing(t, acme, acmeKeys())
	rapid.Check(t, func(t *rapid.T) {
		n, err := r.NewNonce(page, noon)
		if err != nil {
			t.Fatal(err)
		}
		elapsed := time.Duration(rapid.Int64Range(int64(MinElapsed), int64(NonceLife)-1).Draw(t, "elapsed"))
		sent := noon.Add(elapsed)
		sign := n.Sign(elapsed)
		if got, ok := n.Signed(sign, sent); !ok || got != elapsed.Truncate(time.Millisecond) {
			t.Fatalf("%s: %v, %v", sign, got, ok)
		}
		i := rapid.IntRange(0, len(sign)-1).Draw(t, "place")
		c := rapid.OneOf(rapid.SampledFrom([]byte("0123456789abcdefABCDEF.")), rapid.Byte()).Draw(t, "byte")
		if changed := sign[:i] + string([]byte{c}) + sign[i+1:]; changed != sign {
			if got, ok := n.Signed(changed, sent); ok {
				t.Fatalf("%q is as good as %q: %v", changed, sign, got)
			}
		}
	})
}

// FuzzNonce wants no text to do harm, and no nonce and no sign to have two texts.
func FuzzNonce(f *testing.F) {
	r := mustRing(f, acme, acmeKeys())
	golden, err := r.ParseNonce(goldenNonce, page)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(goldenNonce, page, golden.Sign(time.Second), int64(60_000))
	f.Add(goldenNonce, page, golden.Look(6*time.Second), int64(60_000))
	f.Add(goldenNonce, page, "400.", int64(500))
	f.Add(goldenNonce, "", "", int64(0))
	f.Add("", "", "400.00000000", int64(-1))
	f.Add(strings.Repeat("A", NonceChars-1)+"\n", page, golden.Sign(0), int64(1<<40))
	f.Fuzz(func(t *testing.T, text, page, sign string, age int64) {
		n, err := r.ParseNonce(text, page)
		if err != nil {
			if err != ErrNotGenuine || n != (Nonce{}) {
				t.Fatalf("%q: %+v, %v", text, n, err)
			}
			n = golden
		} else if n.String() != text {
			t.Fatalf("%q is written as %q", text, n)
		}
		sent := n.Served.Add(time.Duration(age%int64(400*day/time.Millisecond)) * time.Millisecond)
		if elapsed, ok := n.Signed(sign, sent); ok && (n.Sign(elapsed) != sign || elapsed < MinElapsed || elapsed > n.Age(sent)+signSkew) {
			t.Fatalf("%q is written as %q", sign, n.Sign(elapsed))
		}
		if elapsed, ok := n.Looked(sign, sent); ok && (n.Look(elapsed) != sign || elapsed < MinLooked || elapsed > n.Age(sent)+signSkew) {
			t.Fatalf("%q is written as %q", sign, n.Look(elapsed))
		}
	})
}

func BenchmarkNonce(b *testing.B) {
	r := mustRing(b, acme, acmeKeys())
	for b.Loop() {
		n, err := r.NewNonce(page, noon)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.ParseNonce(n.String(), page); err != nil {
			b.Fatal(err)
		}
	}
}
