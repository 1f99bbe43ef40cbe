package link

import (
	"crypto/hmac"
	"crypto/rand"
	_ "embed" // of the script
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

const (
	// NonceLife is for how long after a page was served its script's sign counts.
	NonceLife = 24 * time.Hour
	// MinElapsed is how long after the page's script began somebody must have used the page. What is quicker is what a scanner does
	// to a page that it has just loaded.
	MinElapsed = 400 * time.Millisecond
	// MinLooked is for how long somebody must have had a page before them for it to be one that they looked at.
	MinLooked = 5 * time.Second
	// NonceChars is how long a nonce is, in ASCII.
	NonceChars = nonceBytes * 8 / 6

	// A nonce is the number of a key, milliseconds since 1970, and what makes it unlike any other; and an HMAC over these and the page.
	// 33 bytes leave no bits over in base64.
	nonceTime   = 2
	nonceRandom = nonceTime + 6
	nonceHead   = nonceRandom + 9
	nonceBytes  = nonceHead + macBytes

	// signSkew is how far the clocks of servers behind one name may differ, one of which serves a page and another takes its form:
	// by so much may the time of a sign be longer than the page is old.
	signSkew = 2 * time.Second
	// maxSign is more characters than a sign has that counts.
	maxSign = 24
)

// Nonce names one serving of one page: it goes into the form's field `page`, and comes back with the answer. It says when the page was
// served, was made by this server for that page, and is unlike all others; so it names an answer that nothing else names, and an answer
// that is sent twice is one.
type Nonce struct {
	// Served is when the page was served, in whole milliseconds.
	Served time.Time
	text   string
}

// NewNonce makes the nonce of a page that is served now. page says what for: the code in its URL, and whatever else of the URL is to be the
// same when the form comes back. It fails where the ring has no key.
func (r *Ring) NewNonce(page string, now time.Time) (Nonce, error) {
	key := r.signer(pages)
	if key == nil {
		return Nonce{}, fmt.Errorf("making the nonce of a page: tenant %s has no key", r.tenant)
	}
	served := now.UnixMilli()
	b := make([]byte, nonceHead, nonceBytes)
	binary.BigEndian.PutUint64(b, uint64(served)) // its two highest bytes are 0 for the next 8,000 years
	binary.BigEndian.PutUint16(b, key.number)
	_, _ = rand.Read(b[nonceRandom:]) // it never fails: it ends the program instead
	b = append(b, mac(key.of[pages], b, []byte(page))...)
	return Nonce{Served: time.UnixMilli(served).UTC(), text: base64.RawURLEncoding.EncodeToString(b)}, nil
}

// ParseNonce reads the nonce that came back with a form. The error is ErrNotGenuine where NewNonce has not made it for this page with a
// key of the ring. The caller judges how old the nonce may be.
func (r *Ring) ParseNonce(text, page string) (Nonce, error) {
	if len(text) != NonceChars {
		return Nonce{}, ErrNotGenuine
	}
	b, ok := decode(text)
	if !ok {
		return Nonce{}, ErrNotGenuine
	}
	key := r.key(binary.BigEndian.Uint16(b), pages)
	if key == nil || !hmac.Equal(mac(key, b[:nonceHead], []byte(page)), b[nonceHead:]) {
		return Nonce{}, ErrNotGenuine
	}
	served := binary.BigEndian.Uint64(b) & (1<<48 - 1)
	return Nonce{Served: time.UnixMilli(int64(served)).UTC(), text: text}, nil
}

// NonceKey is the number of the key that a text which looks like a nonce says it was made by; 0 for any other text.
func NonceKey(text string) uint16 {
	if b, ok := decode(text); ok && len(b) == nonceBytes {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// String is the nonce as the form has it: NonceChars letters, digits, hyphens and underscores. It serves as an idempotency key.
func (n Nonce) String() string { return n.text }

// Age is for how long the page has been out. It is below zero where the clock of whoever served it is ahead.
func (n Nonce) Age(now time.Time) time.Duration { return now.Sub(n.Served) }

// Fresh reports whether the page was served less than life ago, and not more than Skew from now.
func (n Nonce) Fresh(now time.Time, life time.Duration) bool { return fresh(n.Served, now, life) }

// Script is the part of the page's script that makes the signs: signForm(form) waits for somebody to use the page, and then fills in the
// form's field `sign`; lookForm(form) waits until the page was before somebody's eyes for long enough, and then sends the form with the
// field `looked`. It needs no crypto.subtle, which pages have over https alone.
//
//go:embed sign.js
var Script string

// Sign is what the script fills in where the page was first used when elapsed had passed since it began, in whole milliseconds: these, in
// decimal, a dot, and in eight hexadecimal digits the 32-bit FNV-1a hash of the nonce, a dot and the milliseconds. For example
// `1234.89abcdef`.
func (n Nonce) Sign(elapsed time.Duration) string { return sign(n.text, elapsed) }

// Look is what the script sends in the field `looked` where the page was visible for elapsed: as Sign, but of the nonce with `.looked`
// behind it, so that it is no sign of a person.
func (n Nonce) Look(elapsed time.Duration) string { return sign(n.text+lookedMark, elapsed) }

// lookedMark tells what is looked at from what is used.
const lookedMark = ".looked"

func sign(text string, elapsed time.Duration) string {
	ms := strconv.FormatInt(elapsed.Milliseconds(), 10)
	h := fnv.New32a()
	_, _ = h.Write([]byte(text + "." + ms))
	return fmt.Sprintf("%s.%08x", ms, h.Sum32())
}

// Signed reports whether sign, the form's field of that name, is a sign of a person: it is what Sign writes, of a time of at least
// MinElapsed and at most the page's age, and the page was served less than NonceLife ago. It gives that time, from the beginning of the
// page's script to the first use of the page that counts.
//
// What it proves is that whoever sent the form had been given this page, ran its script or did the script's sum, and says that between
// loading the page and sending it a key or a pointer was used. That keeps out all that fetches pages, all that sends forms without
// scripts, and all that runs scripts and sends forms without the events that a browser makes of a key or a pointer: the scanners that
// are known to send forms at all. It is a sign, and no secret: the script is there for all to read. A program written for this page can
// do the sum after MinElapsed, and a browser that is steered by its debugger makes events that are as trusted as a person's. Nor does it
// say who the person is. And a person may have none, where scripts are off: so an answer without a sign is asked for once more, and not
// thrown away.
func (n Nonce) Signed(sign string, now time.Time) (elapsed time.Duration, ok bool) {
	return n.says(sign, n.Sign, MinElapsed, now)
}

// Looked reports whether looked, the form's field of that name, says that the page was looked at: it is what Look writes, of a time of at
// least MinLooked and at most the page's age, and the page was served less than NonceLife ago. It gives that time.
//
// It proves less than Signed: a scanner that runs scripts and waits does the same.
func (n Nonce) Looked(looked string, now time.Time) (elapsed time.Duration, ok bool) {
	return n.says(looked, n.Look, MinLooked, now)
}

// says reads a time that the page's script has written with write.
func (n Nonce) says(text string, write func(time.Duration) string, least time.Duration, now time.Time) (elapsed time.Duration, ok bool) {
	if len(text) > maxSign {
		return 0, false
	}
	digits, _, _ := strings.Cut(text, ".")
	ms, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, false
	}
	elapsed = time.Duration(ms) * time.Millisecond
	if text != write(elapsed) || elapsed < least || elapsed > n.Age(now)+signSkew || !n.Fresh(now, NonceLife) {
		return 0, false
	}
	return elapsed, true
}
