package click

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// programs are parts of what clients that are no browsers call themselves, in lower case. Only what says so itself is here: most scanners
// say that they are a browser, and lists of those, or of their addresses, rot.
//
// Crawlers and previewers by convention give the address of a page about them behind a plus (RFC 9110, section 10.1.5 has the comment),
// or call themselves a bot, as those of Slack (api.slack.com/robots), Telegram, Discord, LinkedIn and X do. The others are from their
// own documentation: facebookexternalhit (developers.facebook.com/docs/sharing/webmasters/web-crawlers), WhatsApp's and Skype's previews,
// Office, which looks whether a link is a document (learn.microsoft.com, "Office Protocol Discovery"), Barracuda's Link Protection, and
// what HTTP libraries and the drivers of browsers send where nobody tells them otherwise.
var programs = []string{
	"+http", "bot/", "bot ", "-linkexpanding", "crawler", "spider", "facebookexternalhit", "whatsapp/", "skypeuripreview", "bingpreview",
	"ms-office", "microsoft office", "barracuda", "proofpoint", "mimecast",
	"curl/", "wget/", "python", "go-http-client", "java/", "apache-httpclient", "libwww-perl", "node-fetch", "axios/", "undici", "powershell",
	"headlesschrome", "phantomjs",
}

// phones are browsers' names that hold a part of programs': a maker of phones.
var phones = strings.NewReplacer("cubot", "")

// IsKnown reports whether a client says that it is a scanner, a previewer or a program, or that it loads ahead, or says nothing of itself.
func IsKnown(h http.Header) bool {
	// Sec-Purpose is the standard's (Fetch, section 3.8), Purpose Chromium's and Safari's, X-Purpose an older Safari's and X-Moz an older
	// Firefox's.
	for _, header := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		purpose := strings.ToLower(h.Get(header))
		if strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "preview") {
			return true
		}
	}
	agent := phones.Replace(strings.ToLower(h.Get("User-Agent")))
	if strings.TrimSpace(agent) == "" {
		return true
	}
	for _, part := range programs {
		if strings.Contains(agent, part) || strings.HasSuffix(part, " ") && strings.HasSuffix(agent, strings.TrimSpace(part)) {
			return true
		}
	}
	return false
}

// Strangers tells those apart who open the links of a bar that names nobody, for a day: by their network and by what their client calls
// itself, and by a secret that is made anew each day and kept nowhere. So what a scanner does stands together, and what is stored says
// nothing of anybody, to anybody. It may be used from many goroutines at once.
type Strangers struct {
	mu   sync.Mutex
	day  int64
	salt [sha256.Size]byte
}

// Of is the recipient of links that name nobody, in a tenant.
func (s *Strangers) Of(tenant uuid.UUID, from netip.Addr, agent string, now time.Time) [sha256.Size]byte {
	s.mu.Lock()
	if day := now.Unix() / int64(24*time.Hour/time.Second); s.day != day {
		s.day = day
		_, _ = rand.Read(s.salt[:]) // it never fails: it ends the program instead
	}
	text := append([]byte(nil), s.salt[:]...)
	s.mu.Unlock()
	text = append(text, tenant[:]...)
	width := 24
	if from.Is6() {
		width = 48
	}
	if network, err := from.Prefix(width); err == nil {
		text = append(text, network.String()...)
	}
	return sha256.Sum256(append(append(text, 0), agent...))
}
