package bounce

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	sendGridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendGridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
	// sendGridTolerance is how far the time that SendGrid signs may be from ours, before and behind.
	sendGridTolerance = 300 * time.Second
)

// sendGridKey is what SendGrid's events are checked by.
type sendGridKey struct{ key *ecdsa.PublicKey }

func parseSendGridKey(encoded string) (*sendGridKey, error) {
	wrong := errors.New("SendGrid's key: want the public key that is shown beside its signed event webhook, which is base64 and begins with MFkw")
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, wrong
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, wrong
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: this is a key of another kind", wrong)
	}
	return &sendGridKey{key}, nil
}

// verify checks that SendGrid has signed the body, and the time before it, of which greet has seen that it is now.
func (k *sendGridKey) verify(c *call) error {
	signature, err := base64.StdEncoding.DecodeString(c.Header.Get(sendGridSignature))
	if err != nil {
		return &refusal{why: "it is not signed"}
	}
	digest := sha256.New()
	digest.Write([]byte(c.Header.Get(sendGridTimestamp)))
	digest.Write(c.body)
	if !ecdsa.VerifyASN1(k.key, digest.Sum(nil), signature) {
		return &refusal{why: "its signature is wrong"}
	}
	return nil
}

// greet checks what stands in the head: that there is a signature, and the time that it is of, and that this is now.
func (k *sendGridKey) greet(c *call) error {
	timestamp := c.Header.Get(sendGridTimestamp)
	signature, err := base64.StdEncoding.DecodeString(c.Header.Get(sendGridSignature))
	if err != nil || len(signature) == 0 || timestamp == "" {
		return &refusal{why: "it is not signed"}
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || c.now.Sub(time.Unix(seconds, 0)).Abs() > sendGridTolerance {
		return &refusal{why: "it was signed too long ago, or ahead of this server's clock"}
	}
	return nil
}

func (k *sendGridKey) read(c *call) ([]Report, error) {
	if err := k.verify(c); err != nil {
		return nil, err
	}
	return readSendGrid(c.body, c.now)
}

// sendGridEvent is what is read of an event. What a mail's unique arguments say stands beside the rest.
type sendGridEvent struct {
	Event          text `json:"event"`
	ID             text `json:"sg_event_id"`
	Message        text `json:"sg_message_id"`
	Email          text `json:"email"`
	Timestamp      text `json:"timestamp"`
	Type           text `json:"type"`
	Classification text `json:"bounce_classification"`
	Status         text `json:"status"`
	Reason         text `json:"reason"`
	Invitation     text `json:"zeroten"`
}

// readSendGrid reads SendGrid's events, which come many at once.
func readSendGrid(body []byte, now time.Time) ([]Report, error) {
	var events []json.RawMessage
	if isObject(body) {
		events = append(events, body)
	} else if err := parse(body, &events); err != nil {
		return nil, err
	}
	var reports []Report
	for _, raw := range events {
		var e sendGridEvent
		if !isObject(raw) {
			continue
		}
		if err := parse(raw, &e); err != nil {
			return nil, err
		}
		kind := e.kind()
		if kind == "" {
			continue
		}
		r := Report{
			Provider: SendGrid, Kind: kind, Invitation: invitationOf(string(e.Invitation)), At: when(e.Timestamp.seconds(), now),
			Event: eventOf([]string{string(raw)}, string(e.ID)),
		}
		if kind != Delivered {
			r.Reason = reasonOf(string(e.Reason), string(e.Email))
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// kind is what an event says of its mail; empty where it says nothing of whether it arrived, or not yet.
func (e *sendGridEvent) kind() Kind {
	switch e.Event {
	case "delivered":
		return Delivered
	case "spamreport":
		return Complaint
	case "bounce":
		return e.bounced()
	case "dropped":
		return e.dropped()
	}
	return ""
}

// bounced tells what is for good. A block is what the person's mail server might take another time, and so is all that is about the mail
// or its sender. What SendGrid has not classed is for good where it calls it a bounce, after which it sends nothing to the address.
func (e *sendGridEvent) bounced() Kind {
	switch strings.ToLower(string(e.Classification)) {
	case "invalid address":
		return Hard
	case "technical", "content", "reputation", "frequency or volume too high", "mailbox unavailable":
		return Soft
	}
	switch e.Type {
	case "blocked", "expired":
		return Soft
	}
	if strings.HasPrefix(string(e.Status), "4") {
		return Soft
	}
	return Hard
}

// dropped tells why SendGrid has not tried to send: mostly for what came of a mail before.
func (e *sendGridEvent) dropped() Kind {
	switch reason := strings.ToLower(string(e.Reason)); {
	case strings.HasPrefix(reason, "bounced address"), reason == "invalid":
		return Hard
	case strings.HasPrefix(reason, "spam reporting address"):
		return Complaint
	case strings.HasPrefix(reason, "unsubscribed address"):
		return Unsubscribed
	}
	return Soft // the mail's own fault, or the account's
}
