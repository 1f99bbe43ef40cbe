package post

import "testing"

// Tenants are told what is about their mail and whom it is for, and not how the operator's server is reached.
func TestTold(t *testing.T) {
	o, err := Open(Config{URL: "smtp://mailuser:secret@relay.internal.example:587", Hello: "nps.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		out  Outcome
		want string
	}{
		{Outcome{Verdict: Refused, NoMailbox: true, Reply: "550 5.1.1 <(address)>: User unknown"}, "550 5.1.1 <(address)>: User unknown"},
		{Outcome{Verdict: Refused, Reply: "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using x"}, "554 5.7.1 Service unavailable; Client host [(host)] blocked using x"},
		{Outcome{Verdict: Refused, Reply: "554 from Relay.Internal.Example (10.1.2.3:25): no, nps.example.com"}, "554 from (host) ((host)): no, (host)"},
		{Outcome{Verdict: Deferred, Reply: "451 ip:10.1.2.3, [2001:db8::1]:25 and ::1. At 12:30:45"}, "451 ip:(host), [(host)]:25 and (host). At 12:30:45"},
		{Outcome{Verdict: Refused, Reply: "550 mailuser may not"}, "550 (host) may not"},
		{Outcome{Verdict: Taken, Reply: "250 2.0.0 Ok: queued as 1A2B on relay.internal.example"}, "250 2.0.0 Ok: queued as 1A2B on (host)"},
		{Outcome{Verdict: Unsent, Sender: true, Reply: "553 5.1.8 Sender address rejected"}, "553 5.1.8 Sender address rejected"},
		{Outcome{Verdict: Unsent, Reply: "dial tcp 10.1.2.3:587: connection refused"}, noServer},
		{Outcome{Verdict: Unsent, Reply: "writing the mail to a file: open /var/lib/x: permission denied"}, noServer},
		{Outcome{Verdict: Unknown, Reply: "read tcp 10.1.2.3:587: i/o timeout"}, noServer},
		{Outcome{Verdict: Taken, Reply: "inv_1.0.eml", File: "/var/lib/x/inv_1.0.eml"}, "inv_1.0.eml"},
	} {
		if got := o.Told(test.out); got != test.want {
			t.Errorf("%s: got %q, want %q", test.out.Reply, got, test.want)
		}
	}
	files, err := Open(Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if got := files.Told(Outcome{Verdict: Unsent, Reply: "open /x"}); got != noServer {
		t.Errorf("without a server: %q", got)
	}
}
