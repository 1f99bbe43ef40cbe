package bounce

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// postmark is what Postmark is known by: it signs nothing.
type postmark struct{ secret [sha256.Size]byte }

func newPostmark(secret string) *postmark { return &postmark{sha256.Sum256([]byte(secret))} }

// knows compares in the same time however much of it is right, and however long it is.
func (p *postmark) knows(given string) bool {
	sum := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(sum[:], p.secret[:]) == 1
}

// greet checks the secret, which stands in the head.
func (p *postmark) greet(c *call) error {
	_, password, _ := c.BasicAuth()
	byPassword, byQuery := p.knows(password), p.knows(c.URL.Query().Get("secret"))
	if !byPassword && !byQuery {
		return &refusal{why: "it has no secret, or a wrong one"}
	}
	return nil
}

func (p *postmark) read(c *call) ([]Report, error) { return readPostmark(c.body, c.now) }

// postmarkRecord is what is read of what Postmark sends: one record at a time.
type postmarkRecord struct {
	RecordType  text `json:"RecordType"`
	Type        text `json:"Type"`
	ID          text `json:"ID"`
	MessageID   text `json:"MessageID"`
	Email       text `json:"Email"`
	Recipient   text `json:"Recipient"`
	Name        text `json:"Name"`
	Description text `json:"Description"`
	Details     text `json:"Details"`
	BouncedAt   text `json:"BouncedAt"`
	DeliveredAt text `json:"DeliveredAt"`
	Metadata    loosely[struct {
		Invitation text `json:"zeroten"`
	}] `json:"Metadata"`
}

// readPostmark reads one record of Postmark's.
func readPostmark(body []byte, now time.Time) ([]Report, error) {
	var record postmarkRecord
	if !isObject(body) {
		return nil, errMalformed
	}
	if err := parse(body, &record); err != nil {
		return nil, err
	}
	kind := record.kind()
	if kind == "" {
		return nil, nil
	}
	at := record.BouncedAt
	if kind == Delivered {
		at = record.DeliveredAt
	}
	r := Report{
		Provider: Postmark, Kind: kind, Invitation: invitationOf(string(record.Metadata.is.Invitation)), At: when(at.instant(), now),
		// A delivery has no id of its own, and what it says is the same each time that it is told.
		Event: eventOf(
			[]string{string(record.RecordType), string(record.MessageID), string(record.Recipient + record.Email), string(at)},
			string(record.ID), string(record.RecordType), string(record.MessageID),
		),
	}
	if kind != Delivered {
		said := record.Details
		if said == "" {
			said = record.Description
		}
		if said == "" {
			said = record.Name
		}
		r.Reason = reasonOf(string(said), string(record.Email), string(record.Recipient))
	}
	return []Report{r}, nil
}

// kind is what a record says of its mail; empty where it says nothing of whether it arrived.
func (r *postmarkRecord) kind() Kind {
	switch r.RecordType {
	case "Delivery":
		return Delivered
	case "SpamComplaint":
		return Complaint
	case "Bounce":
	default:
		return ""
	}
	switch r.Type {
	case "HardBounce", "BadEmailAddress":
		return Hard
	case "SpamComplaint":
		return Complaint
	case "Unsubscribe", "ManualSuppression":
		return Unsubscribed
	case "AutoResponder", "AddressChange", "ChallengeVerification", "Subscribe", "OpenRelayTest", "InboundError":
		return "" // an answer by a program, or nothing of ours
	}
	// SoftBounce, Transient, DnsError, Unknown, Blocked, DMARCPolicy, VirusNotification, ManuallyDeactivated, Unconfirmed, whatever comes to
	// be; and SpamNotification, which is mostly a filter's and not the person's.
	return Soft
}
