package post

import (
	"net/netip"
	"regexp"
	"strings"
)

// noServer is what is told where it is the server's trouble, which is nobody's but the operator's.
const noServer = "mails cannot be sent at the moment, and the server's log says why"

// host stands for a machine.
const host = "(host)"

// numbers is whatever may be a machine's number.
var numbers = regexp.MustCompile(`(?i)[0-9a-f:]*[.:][0-9a-f:.]*[0-9a-f:]`)

// Told is what a tenant may know of why a mail was not taken, or of what was said when it was: what is about the mail, whom it is for or whom it is
// from. How the server is reached, and what it thinks of us, is the operator's to know, by Outcome.Reply.
func (o *Office) Told(out Outcome) string {
	if out.Verdict == Unknown || out.Verdict == Unsent && !out.Sender {
		return noServer
	}
	text := out.Reply
	if o.server != nil {
		for _, own := range []string{o.server.host, o.server.hello, o.server.name} {
			if len(own) > short && own != "localhost" {
				text = redactAs(text, own, host)
			}
		}
	}
	return numbers.ReplaceAllStringFunc(text, func(found string) string {
		for _, number := range []string{found, strings.Trim(found, ":."), strings.TrimRight(found, ":.")} {
			_, err := netip.ParseAddr(number)
			if err != nil {
				_, err = netip.ParseAddrPort(number)
			}
			if err == nil {
				return strings.Replace(found, number, host, 1)
			}
		}
		return found
	})
}
