package wire

import (
	"net/http"
	"sync"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/edge"
)

// The types of messages.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeNext      = "next"
	typeError     = "error"
	typeComplete  = "complete"
)

const (
	// maxID is how long the id of an operation may be, in bytes. Clients use numbers or UUIDs.
	maxID = 128
	// maxPong is how much of a ping's payload comes back with the pong, in bytes; a longer one does not.
	maxPong = 1 << 10
	// maxReason is how long the reason of a close frame may be, in bytes (RFC 6455, 5.5).
	maxReason = 123
)

// message is what a client sent.
type message struct {
	kind string
	id   string
	// quoted is the id as JSON, just as the client wrote it: that is what it compares ours with. Like raw it is part of
	// the bytes that the message was read from.
	quoted []byte
	// raw is the JSON of a payload that is an object; nil where it is none. members are what of it means something.
	raw     []byte
	members members
	// asked is a subscribe message's payload.
	asked *asked
}

// credentials are what the payload of a connection_init may bring to be let in with, each with what is put before it.
var credentials = []struct{ name, scheme string }{
	{"Authorization", ""}, {"authorization", ""}, {"accessToken", "Bearer "},
}

// parseMessage reads what a client may send. Members that the protocol doesn't know are passed over. The error is a
// refusal, and repeats nothing of what was sent; or in has no room.
func parseMessage(data []byte, l Limits, in *edge.Intake) (message, error) {
	var m message
	l.Depth++
	p := newParser(data, l)
	p.skip()
	if p.peek() != '{' {
		return m, refuse(http.StatusBadRequest, "A message must be a JSON object.")
	}
	other := false
	err := p.pass(func(key []byte) (err error) {
		start := p.pos
		switch string(key) {
		case "type":
			err = p.over()
			m.kind = short(p.data[start:p.pos])
		case "id":
			err = p.over()
			m.quoted = p.data[start:p.pos]
			m.id = short(m.quoted)
		case "payload":
			if p.peek() != '{' {
				other = p.peek() != 'n'
				err = p.over()
				break
			}
			m.members, err = p.request()
			m.raw = data[start:p.pos]
		default:
			err = p.over()
		}
		return err
	})
	if err != nil {
		return m, err
	}
	if p.skip(); p.pos != len(data) {
		return m, p.fail("something follows the object")
	}
	variables := 0
	if m.kind == typeSubscribe {
		variables = len(m.members["variables"].json)
	}
	if len(data)-variables > l.Envelope {
		return m, refuse(http.StatusRequestEntityTooLarge, "A message may have %d bytes besides an operation's variables.", l.Envelope)
	}
	if err := in.Pay(p.counted / valuesPerPoint); err != nil {
		return m, err
	}
	return m, m.check(other, in)
}

// short makes a text that is none of a program's data; it is empty where the JSON is no text.
func short(quoted []byte) string {
	if len(quoted) < 2 || quoted[0] != '"' {
		return ""
	}
	p := parser{data: quoted}
	text, err := p.text()
	if err != nil {
		return ""
	}
	return text
}

// check sees that the message has what those of its type must have. other says that the payload is neither an
// object nor null.
func (m *message) check(other bool, in *edge.Intake) error {
	switch m.kind {
	case typeInit, typePing, typePong:
		if other {
			return refuse(http.StatusBadRequest, "The payload must be an object.")
		}
		return nil
	case typeSubscribe, typeComplete:
	case "":
		return refuse(http.StatusBadRequest, "A message must have a type, which is a string.")
	default:
		return refuse(http.StatusBadRequest, "There is no such type of message from a client.")
	}
	switch {
	case m.id == "":
		return refuse(http.StatusBadRequest, "The id must be a string that is not empty.")
	case len(m.id) > maxID:
		return refuse(http.StatusBadRequest, "The id may have %d bytes.", maxID)
	case m.kind == typeComplete:
		return nil
	case m.raw == nil:
		return refuse(http.StatusBadRequest, "The payload must be an object with the document as query.")
	}
	var err error
	m.asked, err = m.members.params(in)
	return err
}

// authorization is what the payload of a connection_init brings to be let in with, as the values of an Authorization
// header; none where it brings nothing. null is nothing, since that is what a page has that nobody signed in to.
func (m *message) authorization() ([]string, error) {
	var fields []string
	for _, c := range credentials {
		switch value := m.members[c.name]; {
		case value.isNull():
		case value.json[0] != '"':
			return nil, refuse(http.StatusBadRequest, "%s must be a string.", c.name)
		default:
			text, err := m.members.text(c.name)
			if err != nil {
				return nil, err
			}
			fields = append(fields, c.scheme+text)
		}
	}
	if len(fields) > 1 {
		return nil, refuse(http.StatusBadRequest, "The payload must have one of Authorization and accessToken.")
	}
	return fields, nil
}

// appendMessage puts a message together. quotedID and payload are valid JSON, or nil for none.
func appendMessage(b, quotedID []byte, kind string, payload []byte) []byte {
	b = append(b, '{')
	if quotedID != nil {
		b = append(b, `"id":`...)
		b = append(b, quotedID...)
		b = append(b, ',')
	}
	b = append(b, `"type":"`...)
	b = append(b, kind...)
	b = append(b, '"')
	if payload != nil {
		b = append(b, `,"payload":`...)
		b = append(b, payload...)
	}
	return append(b, '}')
}

// buffers hold one message on its way, in or out. An idle socket has none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxKept is how large a buffer may be that is kept, in bytes.
const maxKept = 64 << 10

func keep(b *[]byte) {
	if cap(*b) <= maxKept {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// cut makes a text fit into so many bytes, of which there must be some.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	end := size - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
