package bounce

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/id"
	"pgregory.net/rapid"
)

// readers are what reads each provider's words once they are known to be the provider's.
var readers = map[string]func([]byte, time.Time) ([]Report, error){
	SendGrid: readSendGrid, Mailgun: readMailgun, Postmark: readPostmark,
	SES: func(message []byte, now time.Time) ([]Report, error) {
		return readSES(&snsMessage{MessageID: "22b80b92-fdea-4c2c-8f9d-7dfe0e8bf324", Message: text(message)}, now)
	},
}

// The events are those that the providers document, in words of ours.
func TestReports(t *testing.T) {
	minute := func(h, m, s int) time.Time { return time.Date(2026, 11, 28, h, m, s, 0, time.UTC) }
	for _, test := range []struct {
		name, provider, said string
		want                 []Report
	}{
		{"invalid address", SendGrid, `[{"email":"jo@example.com","timestamp":1795855500,"smtp-id":"<14c5d75ce93.dfd.64b469@ismtpd-555>","event":"bounce",
			"category":["nps"],"sg_event_id":"6g4ZI7SA-xmRDv57GoPIPw","sg_message_id":"14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
			"reason":"550 5.1.1 The email account that you tried to reach does not exist: jo@example.com","status":"5.1.1","type":"bounce",
			"bounce_classification":"Invalid Address","tls":1,"zeroten":"` + inv + `"}]`,
			[]Report{{SendGrid, "6g4ZI7SA-xmRDv57GoPIPw", inv, Hard, "550 5.1.1 The email account that you tried to reach does not exist: …", minute(8, 45, 0)}}},
		{"blocked", SendGrid, `[{"email":"a@b.example","timestamp":1795855500,"event":"bounce","sg_event_id":"e1","reason":"unable to get mx info","type":"blocked","bounce_classification":"Unclassified"}]`,
			[]Report{{SendGrid, "e1", "", Soft, "unable to get mx info", minute(8, 45, 0)}}},
		{"all kinds at once", SendGrid, `[
			{"event":"processed","sg_event_id":"p"},
			{"event":"deferred","sg_event_id":"d","response":"400 try again later","attempt":"5"},
			{"event":"delivered","sg_event_id":"1","timestamp":1795858200,"response":"250 OK","email":"a@b.example"},
			{"event":"spamreport","sg_event_id":"2","timestamp":1795858200},
			{"event":"dropped","sg_event_id":"3","timestamp":1795858200,"reason":"Bounced Address","status":"5.0.0"},
			{"event":"dropped","sg_event_id":"4","timestamp":1795858200,"reason":"Unsubscribed Address"},
			{"event":"dropped","sg_event_id":"5","timestamp":1795858200,"reason":"Spam Reporting Address"},
			{"event":"dropped","sg_event_id":"6","timestamp":1795858200,"reason":"Invalid"},
			{"event":"dropped","sg_event_id":"7","timestamp":1795858200,"reason":"Invalid SMTPAPI header"},
			{"event":"dropped","sg_event_id":"8","timestamp":1795858200,"reason":"Spam Content"},
			{"event":"dropped","sg_event_id":"9","timestamp":1795858200,"reason":"Recipient List over Package Quota"},
			{"event":"open","sg_event_id":"o"},{"event":"click","sg_event_id":"c"},{"event":"unsubscribe","sg_event_id":"u"}]`,
			[]Report{
				{SendGrid, "1", "", Delivered, "", now},
				{SendGrid, "2", "", Complaint, "", now},
				{SendGrid, "3", "", Hard, "Bounced Address", now},
				{SendGrid, "4", "", Unsubscribed, "Unsubscribed Address", now},
				{SendGrid, "5", "", Complaint, "Spam Reporting Address", now},
				{SendGrid, "6", "", Hard, "Invalid", now},
				{SendGrid, "7", "", Soft, "Invalid SMTPAPI header", now},
				{SendGrid, "8", "", Soft, "Spam Content", now},
				{SendGrid, "9", "", Soft, "Recipient List over Package Quota", now},
			}},
		{"what bounces are called", SendGrid, `[
			{"event":"bounce","type":"bounce","sg_event_id":"1","timestamp":1795858200,"bounce_classification":"Technical"},
			{"event":"bounce","type":"bounce","sg_event_id":"2","timestamp":1795858200,"bounce_classification":"Content"},
			{"event":"bounce","type":"blocked","sg_event_id":"3","timestamp":1795858200,"bounce_classification":"Reputation"},
			{"event":"bounce","type":"bounce","sg_event_id":"4","timestamp":1795858200,"bounce_classification":"Frequency or Volume Too High"},
			{"event":"bounce","type":"bounce","sg_event_id":"5","timestamp":1795858200,"bounce_classification":"Mailbox Unavailable"},
			{"event":"bounce","type":"bounce","sg_event_id":"6","timestamp":1795858200,"bounce_classification":"Unclassified","status":"5.0.0"},
			{"event":"bounce","type":"bounce","sg_event_id":"7","timestamp":1795858200,"status":"5.1.1"},
			{"event":"bounce","type":"expired","sg_event_id":"8","timestamp":1795858200},
			{"event":"bounce","sg_event_id":"9","timestamp":1795858200,"status":"4.2.2"},
			{"event":"bounce","type":"blocked","sg_event_id":"10","timestamp":1795858200,"bounce_classification":"Invalid Address"}]`,
			[]Report{
				{SendGrid, "1", "", Soft, "", now}, {SendGrid, "2", "", Soft, "", now}, {SendGrid, "3", "", Soft, "", now}, {SendGrid, "4", "", Soft, "", now},
				{SendGrid, "5", "", Soft, "", now}, {SendGrid, "6", "", Hard, "", now}, {SendGrid, "7", "", Hard, "", now}, {SendGrid, "8", "", Soft, "", now},
				{SendGrid, "9", "", Soft, "", now}, {SendGrid, "10", "", Hard, "", now},
			}},
		{"odd fields", SendGrid, `[{"event":"bounce","sg_event_id":"1","timestamp":"1795855500","reason":{"a":1},"status":5,"type":null,"email":[],"zeroten":"camp_01h455vb4pex5vsknk084sn02q"},
			{"event":"delivered","sg_event_id":"2","timestamp":1795899999,"zeroten":7},{"event":"delivered","sg_event_id":"3","timestamp":-5,"zeroten":"nonsense"}]`,
			[]Report{{SendGrid, "1", "", Hard, "", minute(8, 45, 0)}, {SendGrid, "2", "", Delivered, "", now}, {SendGrid, "3", "", Delivered, "", now}}},

		{"permanent", Mailgun, `{"event":"failed","id":"G9Bn5sl1TC6nu79C8C0bwg","timestamp":1795855500.25,"log-level":"error","severity":"permanent","reason":"suppress-bounce",
			"recipient":"alice@example.com","recipient-domain":"example.com","flags":{"is-test-mode":false},
			"delivery-status":{"attempt-no":1,"message":"","code":605,"description":"Not delivering to previously bounced address","session-seconds":0},
			"message":{"headers":{"to":"Alice <alice@example.com>","message-id":"20130503192659.13651.20287@mg.example.com"}},
			"user-variables":{"zeroten":"` + inv + `","other":{"x":[1]}}}`,
			[]Report{{Mailgun, "G9Bn5sl1TC6nu79C8C0bwg/2026-11-28", inv, Hard, "Not delivering to previously bounced address", minute(8, 45, 0).Add(250 * time.Millisecond)}}},
		{"temporary", Mailgun, `{"event":"failed","id":"Fs7-5t81S2iSPAVK","timestamp":1795855500,"severity":"temporary","reason":"generic","recipient":"alice@example.com",
			"delivery-status":{"attempt-no":1,"retry-seconds":600,"code":452,"message":"4.2.2 The email account that you tried to reach is over quota"},"user-variables":{"zeroten":"` + inv + `"}}`,
			[]Report{{Mailgun, "Fs7-5t81S2iSPAVK/2026-11-28", inv, Soft, "4.2.2 The email account that you tried to reach is over quota", minute(8, 45, 0)}}},
		{"bounced", Mailgun, `{"event":"failed","id":"a","timestamp":1795855500,"severity":"permanent","reason":"bounce","delivery-status":{"code":550,"message":"5.1.1 gone"}}`,
			[]Report{{Mailgun, "a/2026-11-28", "", Hard, "5.1.1 gone", minute(8, 45, 0)}}},
		{"given up", Mailgun, `{"event":"failed","id":"a","timestamp":1795855500,"severity":"permanent","reason":"old","delivery-status":{"code":602}}`,
			[]Report{{Mailgun, "a/2026-11-28", "", Soft, "old", minute(8, 45, 0)}}},
		{"complained before", Mailgun, `{"event":"failed","id":"a","timestamp":1795855500,"severity":"permanent","reason":"suppress-complaint"}`,
			[]Report{{Mailgun, "a/2026-11-28", "", Complaint, "suppress-complaint", minute(8, 45, 0)}}},
		{"unsubscribed before", Mailgun, `{"event":"failed","id":"a","timestamp":1795855500,"severity":"permanent","reason":"suppress-unsubscribe"}`,
			[]Report{{Mailgun, "a/2026-11-28", "", Unsubscribed, "suppress-unsubscribe", minute(8, 45, 0)}}},
		{"complained", Mailgun, `{"event":"complained","id":"-Agny091SquKnsrW2NEKUA","timestamp":1795855500.900228,"recipient":"alice@example.com","campaigns":[],"user-variables":{"zeroten":"` + inv + `"}}`,
			[]Report{{Mailgun, "-Agny091SquKnsrW2NEKUA/2026-11-28", inv, Complaint, "", minute(8, 45, 0).Add(900_228 * time.Microsecond)}}},
		{"delivered", Mailgun, `{"event":"delivered","id":"hTWCTD81RtiDN","timestamp":1795855500,"recipient":"recipient@example.com","delivery-status":{"code":250,"message":"OK recipient@example.com"},"user-variables":[]}`,
			[]Report{{Mailgun, "hTWCTD81RtiDN/2026-11-28", "", Delivered, "", minute(8, 45, 0)}}},

		{"hard bounce", Postmark, `{"RecordType":"Bounce","MessageStream":"outbound","ID":4323372036854775807,"Type":"HardBounce","TypeCode":1,"Name":"Hard bounce","Tag":"nps",
			"MessageID":"883953f4-6105-42a2-a16a-77a8eac79483","Metadata":{"zeroten":"` + inv + `","a":"b"},"ServerID":23,"Description":"The server was unable to deliver your message (ex: unknown user, mailbox not found).",
			"Details":"smtp;550 5.1.1 <john@example.com>: Recipient address rejected","Email":"john@example.com","From":"sender@example.com","BouncedAt":"2026-11-28T09:45:00.1234567+01:00",
			"DumpAvailable":true,"Inactive":true,"CanActivate":true,"Subject":"How likely are you to recommend us?"}`,
			[]Report{{Postmark, "4323372036854775807/Bounce/883953f4-6105-42a2-a16a-77a8eac79483", inv, Hard, "smtp;550 5.1.1 <…>: Recipient address rejected", minute(8, 45, 0).Add(123_456_700)}}},
		{"spam complaint", Postmark, `{"RecordType":"SpamComplaint","ID":42,"Type":"SpamComplaint","TypeCode":100001,"Name":"Spam complaint","MessageID":"00000000-0000-0000-0000-000000000000",
			"Details":"","Description":"The subscriber explicitly marked this message as spam.","Email":"john@example.com","BouncedAt":"2026-11-28T08:45:00Z","Metadata":{"zeroten":"` + inv + `"}}`,
			[]Report{{Postmark, "42/SpamComplaint/00000000-0000-0000-0000-000000000000", inv, Complaint, "The subscriber explicitly marked this message as spam.", minute(8, 45, 0)}}},
		{"delivery", Postmark, `{"RecordType":"Delivery","ServerID":23,"MessageID":"883953f4","Recipient":"john@example.com","Tag":"nps","DeliveredAt":"2026-11-28T08:45:00-05:00","Details":"Test delivery webhook details","Metadata":{"zeroten":"` + inv + `"}}`,
			[]Report{{Postmark, "sha256:", inv, Delivered, "", now}}},

		{"permanent", SES, `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","reportingMTA":"dns; email.example.com","bouncedRecipients":[{"emailAddress":"Jane <jane@example.com>","status":"5.1.1","action":"failed",
			"diagnosticCode":"smtp; 550 5.1.1 <jane@example.com>... User jane unknown"}],"bounceSubType":"General","timestamp":"2026-11-28T08:45:00.237Z","feedbackId":"00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000","remoteMtaIp":"127.0.2.0"},
			"mail":{"timestamp":"2026-11-28T08:44:00Z","source":"john@example.com","messageId":"00000138111222aa","destination":["jane@example.com"],"headersTruncated":false,
			"headers":[{"name":"From","value":"\"John Doe\" <john@example.com>"},{"name":"x-zeroten-invitation","value":" ` + inv + `"}],"commonHeaders":{"to":["jane@example.com"]}}}`,
			[]Report{{SES, "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000", inv, Hard, "smtp; 550 5.1.1 <…>... User … unknown", minute(8, 45, 0).Add(237 * time.Millisecond)}}},
		{"of several", SES, `{"eventType":"Bounce","bounce":{"bounceType":"Transient","bounceSubType":"MailboxFull","bouncedRecipients":[{"emailAddress":"jane@example.com","status":"4.4.7"},{"emailAddress":"richard@example.com"}],
			"timestamp":"2026-11-28T08:45:00Z","feedbackId":"f"},"mail":{"destination":["jane@example.com","richard@example.com"]}}`,
			[]Report{{SES, "f", "", Soft, "4.4.7", minute(8, 45, 0)}, {SES, "f/1", "", Soft, "", minute(8, 45, 0)}}},
		{"undetermined", SES, `{"notificationType":"Bounce","bounce":{"bounceType":"Undetermined","timestamp":"2026-11-28T08:45:00Z","feedbackId":"f"}}`,
			[]Report{{SES, "f", "", Soft, "", minute(8, 45, 0)}}},
		{"suppressed", SES, `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"OnAccountSuppressionList","bouncedRecipients":[{"emailAddress":"jane@example.com"}],"feedbackId":"f"}}`,
			[]Report{{SES, "f", "", Hard, "", now}}},
		{"complaint", SES, `{"notificationType":"Complaint","complaint":{"userAgent":"AnyCompany Feedback Loop (V0.01)","complainedRecipients":[{"emailAddress":"richard@example.com"}],"complaintFeedbackType":"abuse",
			"arrivalDate":"2026-11-28T08:44:00.945Z","timestamp":"2026-11-28T08:45:00Z","feedbackId":"000001378603177f-18c07c78"},"mail":{"headers":[{"name":"X-Zeroten-Invitation","value":"` + inv + `"}]}}`,
			[]Report{{SES, "000001378603177f-18c07c78", inv, Complaint, "", minute(8, 45, 0)}}},
		{"delivery", SES, `{"notificationType":"Delivery","mail":{"headers":[{"name":"X-Zeroten-Invitation","value":"` + inv + `"}]},"delivery":{"timestamp":"2026-11-28T08:45:00Z","recipients":["jane@example.com"],
			"processingTimeMillis":546,"reportingMTA":"a8-70.smtp-out.amazonses.com","smtpResponse":"250 ok:  Message 64111812 accepted","remoteMtaIp":"127.0.2.0"}}`,
			[]Report{{SES, "22b80b92-fdea-4c2c-8f9d-7dfe0e8bf324", inv, Delivered, "", minute(8, 45, 0)}}},
	} {
		got, err := readers[test.provider]([]byte(test.said), now)
		if err != nil {
			t.Errorf("%s, %s: %v", test.provider, test.name, err)
			continue
		}
		for i := range got {
			if i < len(test.want) && test.want[i].Event == "sha256:" && len(got[i].Event) == 71 && strings.HasPrefix(got[i].Event, "sha256:") {
				got[i].Event = "sha256:"
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s, %s:\n%+v, want\n%+v", test.provider, test.name, got, test.want)
		}
	}
}

// Every type of bounce that Postmark documents.
func TestPostmarkTypes(t *testing.T) {
	for kind, types := range map[Kind][]string{
		Hard:         {"HardBounce", "BadEmailAddress"},
		Complaint:    {"SpamComplaint"},
		Unsubscribed: {"Unsubscribe", "ManualSuppression"},
		Soft: {
			"Transient", "DnsError", "SpamNotification", "Unknown", "SoftBounce", "VirusNotification", "ManuallyDeactivated", "Unconfirmed", "Blocked",
			"SMTPApiError", "DMARCPolicy", "TemplateRenderingFailed", "WhateverComesToBe",
		},
		"": {"Subscribe", "AutoResponder", "AddressChange", "OpenRelayTest", "ChallengeVerification", "InboundError"},
	} {
		for _, name := range types {
			got, err := readPostmark(fmt.Appendf(nil, `{"RecordType":"Bounce","Type":%q,"ID":1,"MessageID":"m"}`, name), now)
			switch {
			case err != nil, kind == "" && len(got) > 0, kind != "" && (len(got) != 1 || got[0].Kind != kind):
				t.Errorf("%s: %+v, want %q: %v", name, got, kind, err)
			}
		}
	}
}

// An event that has no id has one that is the same each time, and another for whatever else is said.
func TestEventsWithoutIDs(t *testing.T) {
	of := func(provider, said string) string {
		t.Helper()
		got, err := readers[provider]([]byte(said), now)
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %+v, %v", said, got, err)
		}
		return got[0].Event
	}
	seen := map[string]string{}
	for _, event := range [][2]string{
		{SendGrid, `[{"event":"delivered","timestamp":1}]`},
		{SendGrid, `[{"event":"delivered","timestamp":2}]`},
		{SendGrid, `[{"event":"delivered","timestamp":1,"sg_event_id":"` + strings.Repeat("x", 201) + `"}]`},
		{SendGrid, `[{"event":"delivered","timestamp":1,"sg_event_id":"a b"}]`},
		{SendGrid, `[{"event":"delivered","timestamp":1,"sg_event_id":"a\u0000b"}]`},
		{SendGrid, `[{"event":"delivered","timestamp":1,"sg_event_id":"é"}]`},
		{Mailgun, `{"event":"delivered"}`},
		{Mailgun, `{"event":"complained"}`},
		{Postmark, `{"RecordType":"Delivery","MessageID":"1","Recipient":"a@b.example","DeliveredAt":"2026-11-28T08:45:00Z"}`},
		{Postmark, `{"RecordType":"Delivery","MessageID":"1","Recipient":"b@b.example","DeliveredAt":"2026-11-28T08:45:00Z"}`},
		{Postmark, `{"RecordType":"Delivery","MessageID":"2","Recipient":"a@b.example","DeliveredAt":"2026-11-28T08:45:00Z"}`},
		{Postmark, `{"RecordType":"Delivery","MessageID":"1","Recipient":"a@b.example","DeliveredAt":"2026-11-28T08:46:00Z"}`},
		{Postmark, `{"RecordType":"Delivery","MessageID":"1a@","Recipient":"b.example","DeliveredAt":"2026-11-28T08:45:00Z"}`},
	} {
		first, second := of(event[0], event[1]), of(event[0], event[1])
		if first != second || !strings.HasPrefix(first, "sha256:") {
			t.Errorf("%s: %s, then %s", event[1], first, second)
		}
		if other, was := seen[first]; was {
			t.Errorf("%s and %s are %s", event[1], other, first)
		}
		seen[first] = event[1]
	}
	// Mailgun's ids are unlike others of their day.
	a, b := of(Mailgun, `{"event":"delivered","id":"a","timestamp":1795855500}`), of(Mailgun, `{"event":"delivered","id":"a","timestamp":1795755500}`)
	if a == b {
		t.Errorf("two days have the event %s", a)
	}
}

func TestReason(t *testing.T) {
	for _, test := range []struct{ said, address, want string }{
		{"550 5.1.1 <Anna.Smith@Example.COM>: unknown", "anna.smith@example.com", "550 5.1.1 <…>: unknown"},
		{"mailbox anna.smith is full", "anna.smith@example.com", "mailbox … is full"},
		{"mailbox ANNA.SMITH_1 is full", "anna.smith@example.com", "mailbox …_1 is full"},
		{"rcpt=anna.smith%40example.com&x", "anna.smith@example.com", "…"},
		{"bounce+anna.smith=example.com@mx.example.net", "anna.smith@example.com", "…"},
		{"forwarded to other@elsewhere.example, who is gone", "anna@example.com", "forwarded to …, who is gone"},
		{`"anna smith"@example.com is gone`, `"anna smith"@example.com`, "… is gone"},
		{`no anna smith here`, `"anna smith"@example.com`, "no … here"},
		{`no "who ever"@example.com here`, "anna@example.com", "no … here"},
		{"no user in this invalid domain", "in@example.com", "no user … this invalid domain"},
		{"user jo unknown, mailbox jo-1", "jo@example.com", "user … unknown, mailbox …-1"},
		{"user ли unknown, лик known", "ли@example.com", "user … unknown, лик known"},
		{"no anna+news, no anna", "anna+news@example.com", "no …, no …"},
		{"no jo+x, no jo", "jo+x@example.com", "no …, no …"},
		{"anna\u200b.smith@example.com, an\u00adna.smith", "anna.smith@example.com", "…, …"},
		{"  550\r\n\tno\x00 \u2028 such  user\xff ", "a@b.example", "550 no such user"},
		{"a lone @ and a %40", "a@b.example", "… lone … and … …"},
		{"", "a@b.example", ""},
		{"no address is known", "", "no address is known"},
		{"no address is known", "@", "no address is known"},
		{"user Anna", "Anna <anna@example.com>", "user …"},
		{strings.Repeat("é", 500), "a@b.example", strings.Repeat("é", 500)},
		{strings.Repeat("é", 501), "a@b.example", strings.Repeat("é", 499) + "…"},
		{strings.Repeat("x ", 245) + "anna.smith@example.com is gone", "anna.smith@example.com", strings.Repeat("x ", 245) + "… is gone"},
		{strings.Repeat("x", 492) + " anna.smith@example.com", "", strings.Repeat("x", 492) + " …"},
	} {
		if got := reasonOf(test.said, test.address); got != test.want {
			t.Errorf("%q without %s: %q, want %q", test.said, test.address, got, test.want)
		}
	}
	// What is too long for an address is none, and what surrounds an at sign goes all the same.
	if got := reasonOf("gone: "+strings.Repeat("x", 1_000)+"@example.com", strings.Repeat("x", 1_000)+"@example.com"); got != "gone: …" {
		t.Error(got)
	}
}

// address is a judge of its own.
var address = regexp.MustCompile(`[^\s@]@[^\s@]`)

// check holds what is true of all reports.
func check(t interface {
	Fatalf(format string, args ...any)
}, r Report, provider string) {
	switch {
	case r.Provider != provider:
		t.Fatalf("%+v is of %s", r, provider)
	case r.Event == "" || len(r.Event) > MaxEvent || strings.ContainsFunc(r.Event, func(c rune) bool { return c < '!' || c > '~' }):
		t.Fatalf("the event %q", r.Event)
	case r.Kind != Hard && r.Kind != Soft && r.Kind != Complaint && r.Kind != Unsubscribed && r.Kind != Delivered:
		t.Fatalf("the kind %q", r.Kind)
	case utf8.RuneCountInString(r.Reason) > 500 || !utf8.ValidString(r.Reason) || strings.ContainsAny(r.Reason, "\x00\r\n") || r.Kind == Delivered && r.Reason != "":
		t.Fatalf("the reason %q", r.Reason)
	case strings.Contains(r.Reason, "@") || address.MatchString(r.Reason):
		t.Fatalf("an address in %q", r.Reason)
	case r.At.After(now) || r.At.IsZero():
		t.Fatalf("it was at %s", r.At)
	}
	if r.Invitation != "" {
		if _, err := id.Invitation.Parse(r.Invitation); err != nil {
			t.Fatalf("the invitation %q: %v", r.Invitation, err)
		}
	}
}

// Nothing of a person's address is in any reason, whatever a mail server makes of it.
func TestNoAddressInAnyReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[a-zA-Z0-9._+-]{1,20}`).Draw(t, "local")
		domain := rapid.StringMatching(`[a-z]{1,8}\.(example|de)`).Draw(t, "domain")
		whole := local + "@" + domain
		around := rapid.SampledFrom([]string{"", " ", "<", ">", ":", ",", ";", "\n", "é", "=", "(", ")", `"`, "/", "550 5.1.1 no ", " user", "@", "…"})
		said := ""
		for range rapid.IntRange(1, 5).Draw(t, "times") {
			form := rapid.SampledFrom([]string{whole, strings.ToUpper(whole), strings.ToLower(whole), strings.Replace(whole, "@", "%40", 1), "other@" + domain}).Draw(t, "form")
			said += around.Draw(t, "before") + form + around.Draw(t, "after")
		}
		// The mailbox alone, as a word.
		said += " " + strings.ToUpper(local) + " "
		said += strings.Repeat("x", rapid.SampledFrom([]int{0, 470, 490, 600}).Draw(t, "long"))
		for _, provider := range providers {
			body := map[string]any{
				SendGrid: []any{map[string]any{"event": "bounce", "email": whole, "reason": said}},
				Mailgun:  map[string]any{"event": "failed", "recipient": whole, "delivery-status": map[string]any{"message": said}},
				Postmark: map[string]any{"RecordType": "Bounce", "Email": whole, "Details": said},
				SES:      map[string]any{"notificationType": "Bounce", "bounce": map[string]any{"bouncedRecipients": []any{map[string]any{"emailAddress": whole, "diagnosticCode": said}}}},
			}[provider]
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			reports, err := readers[provider](text, now)
			if err != nil || len(reports) != 1 {
				t.Fatalf("%s: %+v, %v", provider, reports, err)
			}
			check(t, reports[0], provider)
			reason := strings.ToLower(reports[0].Reason)
			if strings.Contains(reason, strings.ToLower(whole)) || len(local) >= 4 && strings.Contains(reason, strings.ToLower(local)) {
				t.Fatalf("%s: %q names %s", provider, reports[0].Reason, whole)
			}
			if slices.Contains(strings.Fields(reason), strings.ToLower(local)) {
				t.Fatalf("%s: %q has the word %s", provider, reports[0].Reason, local)
			}
		}
	})
}

func fuzz(f *testing.F, provider string, seeds ...string) {
	f.Add([]byte(bounced[provider]))
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := readers[provider](body, now)
		if err != nil && (err.Error() != "malformed" || len(first) > 0) {
			t.Fatalf("%v, and %d reports", err, len(first))
		}
		for _, r := range first {
			check(t, r, provider)
		}
		second, _ := readers[provider](body, now)
		if !slices.Equal(first, second) {
			t.Fatalf("%+v, then %+v", first, second)
		}
	})
}

func FuzzSendGrid(f *testing.F) {
	fuzz(f, SendGrid, `[]`, `{"event":"dropped","reason":"a@b"}`, `[{"event":"delivered","timestamp":1e300}]`, `[null]`)
}

func FuzzMailgun(f *testing.F) {
	fuzz(f, Mailgun, `{"event":"complained","timestamp":"nan"}`, `{"event":"failed","delivery-status":[],"user-variables":7}`)
}

func FuzzPostmark(f *testing.F) {
	fuzz(f, Postmark, `{"RecordType":"SpamComplaint","ID":0}`, `{"RecordType":"Delivery","DeliveredAt":"0001-01-01T00:00:00Z"}`)
}

func FuzzSES(f *testing.F) {
	fuzz(f, SES, `{"eventType":"Complaint","complaint":{"complainedRecipients":[{},{}]}}`, `{"notificationType":"Delivery","delivery":{"recipients":["a@b",7]}}`)
}

// Whatever is sent in a provider's name by somebody who is none of them does nothing.
func FuzzUnsigned(f *testing.F) {
	for _, provider := range providers {
		f.Add(provider, []byte(bounced[provider]), "x", "1795858200")
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, provider string, body []byte, signature, timestamp string) {
		s := sent{method: "POST", path: "/hooks/mail/ses", header: map[string][]string{
			sendGridSignature: {signature}, sendGridTimestamp: {timestamp}, "Authorization": {signature},
		}, body: body}
		if slices.Contains(providers, provider) {
			s.path = Prefix + provider
		}
		if answer := w.send(s); answer.Code == 200 || w.calls > 0 {
			t.Fatalf("status %d, and %d calls", answer.Code, w.calls)
		}
	})
}
