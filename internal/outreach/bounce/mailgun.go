package bounce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

const (
	// mailgunTolerance is how long ago Mailgun may have signed something. It signs once, and tries again with that for hours; but it signs
	// nothing of what it says, so that whoever has seen a signature could say anything with it.
	mailgunTolerance = 15 * time.Minute
	// maxTokens is how many tokens are remembered at least, where more come within the tolerance than fit twice.
	maxTokens = 1 << 17
)

// mailgun is what Mailgun's events are checked by.
type mailgun struct {
	key    []byte
	tokens tokens
}

func newMailgun(key string) *mailgun { return &mailgun{key: []byte(key)} }

// mailgunBody is what Mailgun sends: one event at a time.
type mailgunBody struct {
	Signature loosely[struct {
		Timestamp text `json:"timestamp"`
		Token     text `json:"token"`
		Signature text `json:"signature"`
	}] `json:"signature"`
	Event json.RawMessage `json:"event-data"`
}

func (m *mailgun) read(c *call) ([]Report, error) {
	var sent mailgunBody
	if parse(c.body, &sent) != nil {
		return nil, &refusal{why: "it is not signed"} // since the signature is in it
	}
	s := sent.Signature.is
	given, err := hex.DecodeString(string(s.Signature))
	if err != nil || len(given) == 0 || s.Timestamp == "" || s.Token == "" {
		return nil, &refusal{why: "it is not signed"}
	}
	mac := hmac.New(sha256.New, m.key)
	mac.Write([]byte(s.Timestamp + s.Token))
	if !hmac.Equal(given, mac.Sum(nil)) {
		return nil, &refusal{why: "its signature is wrong"}
	}
	seconds, err := strconv.ParseInt(string(s.Timestamp), 10, 64)
	age := c.now.Sub(time.Unix(seconds, 0))
	if err != nil || age > mailgunTolerance || age < -skew {
		return nil, &refusal{why: "it was signed too long ago, or ahead of this server's clock"}
	}
	// By the signature, since the same bytes may be cut into a timestamp and a token elsewhere.
	token := [sha256.Size]byte(given)
	switch m.tokens.begin(token, c.now) {
	case taken:
		return nil, nil // told once more, since the answer was lost; or replayed: it does nothing
	case underWay:
		return nil, &refusal{why: "the same is being kept", later: true}
	}
	c.settle = func(kept bool) { m.tokens.end(token, kept) }
	return readMailgun(sent.Event, c.now)
}

// tokens are those that were seen, in two generations: the older one is forgotten once no token in it can be good any more, or once
// there are too many. The zero tokens are ready.
type tokens struct {
	mu         sync.Mutex
	began      time.Time // of the newer generation
	newer      map[[sha256.Size]byte]fate
	older      map[[sha256.Size]byte]fate
	generation time.Duration // 0 means that which holds for Mailgun
	most       int           // of a generation; 0 means maxTokens
}

// fate is what became of what came with a token.
type fate int

const (
	unseen fate = iota
	underWay
	taken
)

// begin gives what became of what came with the token before; where nothing came with it, that it is under way is kept.
func (t *tokens) begin(token [sha256.Size]byte, now time.Time) fate {
	t.mu.Lock()
	defer t.mu.Unlock()
	generation, most := t.generation, t.most
	if generation == 0 {
		generation = mailgunTolerance + skew
	}
	if most == 0 {
		most = maxTokens
	}
	if f := max(t.newer[token], t.older[token]); f != unseen {
		return f
	}
	if t.newer == nil || now.Sub(t.began) > generation || len(t.newer) >= most {
		t.older, t.newer, t.began = t.newer, map[[sha256.Size]byte]fate{}, now
	}
	t.newer[token] = underWay
	return unseen
}

// end says what became of what came with the token: where it was not kept it may come again.
func (t *tokens) end(token [sha256.Size]byte, kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, generation := range []map[[sha256.Size]byte]fate{t.newer, t.older} {
		if generation[token] == unseen {
			continue
		}
		if kept {
			generation[token] = taken
		} else {
			delete(generation, token)
		}
	}
}

// mailgunEvent is what is read of an event.
type mailgunEvent struct {
	Event     text `json:"event"`
	ID        text `json:"id"`
	Timestamp text `json:"timestamp"`
	Severity  text `json:"severity"`
	Reason    text `json:"reason"`
	Recipient text `json:"recipient"`
	Status    loosely[struct {
		Message     text `json:"message"`
		Description text `json:"description"`
	}] `json:"delivery-status"`
	Variables loosely[struct {
		Invitation text `json:"zeroten"`
	}] `json:"user-variables"`
	Message loosely[struct {
		Headers loosely[struct {
			To text `json:"to"`
		}] `json:"headers"`
	}] `json:"message"`
}

// readMailgun reads one event of Mailgun's.
func readMailgun(event []byte, now time.Time) ([]Report, error) {
	var e mailgunEvent
	if !isObject(event) {
		return nil, errMalformed
	}
	if err := parse(event, &e); err != nil {
		return nil, err
	}
	kind := e.kind()
	if kind == "" {
		return nil, nil
	}
	at, day := e.Timestamp.seconds(), ""
	if !at.IsZero() {
		day = at.Format(time.DateOnly) // the id is like no other of its day
	}
	r := Report{
		Provider: Mailgun, Kind: kind, Invitation: invitationOf(string(e.Variables.is.Invitation)), At: when(at, now),
		Event: eventOf([]string{string(event)}, string(e.ID), day),
	}
	if kind != Delivered {
		status := e.Status.is
		said := status.Message
		if said == "" {
			said = status.Description
		}
		if said == "" {
			said = e.Reason
		}
		r.Reason = reasonOf(string(said), string(e.Recipient), string(e.Message.is.Headers.is.To))
	}
	return []Report{r}, nil
}

// kind is what an event says of its mail; empty where it says nothing of whether it arrived.
func (e *mailgunEvent) kind() Kind {
	switch e.Event {
	case "delivered":
		return Delivered
	case "complained":
		return Complaint
	case "failed":
	default:
		return ""
	}
	switch e.Reason {
	case "suppress-complaint":
		return Complaint
	case "suppress-unsubscribe":
		return Unsubscribed
	case "suppress-bounce":
		return Hard
	case "old", "espblock": // given up after trying for long; the sender is not wanted there
		return Soft
	}
	if e.Severity == "permanent" {
		return Hard
	}
	return Soft
}
