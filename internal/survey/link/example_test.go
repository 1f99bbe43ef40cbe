package link_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

var (
	tenant   = uuid.MustParse("019ac1d4-7b00-7000-8000-0000000000a1")
	campaign = uuid.MustParse("019ac1d4-7b00-7abc-9def-00112233ff55")
	today    = time.Date(2026, 11, 27, 12, 0, 30, 0, time.UTC)
)

// A link is signed, and later read from a URL: first whose it says it is, so that their keys can be found, and then whether that is true.
func Example() {
	keys := []link.Key{{Number: 1, Secret: bytes.Repeat([]byte{7}, link.SecretBytes), Made: today, Forever: true}}
	ring, err := link.NewRing(tenant, keys)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := ring.Sign(link.Link{
		Kind: link.PublicLink, Subject: campaign, Issued: today, Locale: "de", Traits: trait.Values{"store": "Berlin 3"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	claim, err := link.Parse(token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the ring to get is that of", claim.Tenant())
	l, err := claim.Verify(ring)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Kind, "to", l.Subject, "in", l.Locale, "with", l.Traits)
	fmt.Println("issued at", l.Issued)
	fmt.Println("good after ten days:", l.Fresh(today.AddDate(0, 0, 10), 30*24*time.Hour))

	_, err = link.Parse(token + "=")
	fmt.Println("with more at its end:", err)
	// Output:
	// the ring to get is that of 019ac1d4-7b00-7000-8000-0000000000a1
	// public link to 019ac1d4-7b00-7abc-9def-00112233ff55 in de with map[store:Berlin 3]
	// issued at 2026-11-27 12:00:00 +0000 UTC
	// good after ten days: true
	// with more at its end: not genuine
}

// A page is served with a nonce, and its form comes back with it and with what the page's script made of it.
func ExampleNonce_Signed() {
	ring, err := link.NewRing(tenant, []link.Key{{Number: 1, Secret: bytes.Repeat([]byte{7}, link.SecretBytes), Made: today}})
	if err != nil {
		fmt.Println(err)
		return
	}
	served, err := ring.NewNonce("camp_01h455vb4pex5vsknk084sn02q", today)
	if err != nil {
		fmt.Println(err)
		return
	}
	sign := served.Sign(2500 * time.Millisecond) // the script does this

	nonce, err := ring.ParseNonce(served.String(), "camp_01h455vb4pex5vsknk084sn02q")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(nonce.Signed(sign, today.Add(6*time.Second)))
	fmt.Println(nonce.Signed(sign, today.Add(48*time.Hour)))
	fmt.Println(nonce.Signed("", today.Add(6*time.Second)))
	// Output:
	// 2.5s true
	// 0s false
	// 0s false
}
