package wire

import (
	"net/http"
	"sync"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
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
	// payload is nil where there is none; raw is the JSON of it.
	payload map[string]any
	raw     []byte
	// params is a subscribe message's payload.
	params *graphql.RawParams
}

// parseMessage reads what a client may send. Members that the protocol doesn't know are passed over. The error is a
// refusal, and repeats nothing of what was sent.
func parseMessage(data []byte, l Limits) (message, error) {
	var m message
	p := parser{data: data, depth: l.Depth + 1, values: l.Values}
	var payload any
	variables := 0
	p.skip()
	if p.peek() != '{' {
		return m, refuse(http.StatusBadRequest, "A message must be a JSON object.")
	}
	err := p.members(func(key string) (err error) {
		start := p.pos
		switch key {
		case "type":
			var value any
			value, err = p.value()
			m.kind, _ = value.(string)
		case "id":
			var value any
			value, err = p.value()
			m.id, _ = value.(string)
			m.quoted = data[start:p.pos]
		case "payload":
			if p.peek() != '{' {
				payload, err = p.value()
				break
			}
			m.payload = map[string]any{}
			err = p.members(func(key string) (err error) {
				start := p.pos
				m.payload[key], err = p.value()
				if key == "variables" {
					variables = p.pos - start
				}
				return err
			})
			m.raw = data[start:p.pos]
		default:
			_, err = p.value()
		}
		return err
	})
	if err != nil {
		return m, err
	}
	if p.skip(); p.pos != len(data) {
		return m, p.fail("something follows the object")
	}
	if m.kind != typeSubscribe {
		variables = 0
	}
	if len(data)-variables > l.Envelope {
		return m, refuse(http.StatusRequestEntityTooLarge, "A message may have %d bytes besides an operation's variables.", l.Envelope)
	}
	return m, m.check(payload)
}

// check sees that the message has what those of its type must have. other is a payload that is no object.
func (m *message) check(other any) error {
	switch m.kind {
	case typeInit, typePing, typePong:
		if other != nil {
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
	case m.payload == nil:
		return refuse(http.StatusBadRequest, "The payload must be an object with the document as query.")
	}
	var err error
	m.params, err = params(m.payload)
	return err
}

// authorization is what the payload of a connection_init brings to be let in with, as the values of an Authorization
// header; none where it brings nothing. null is nothing, since that is what a page has that nobody signed in to.
func (m *message) authorization() ([]string, error) {
	var fields []string
	for _, member := range []struct{ name, scheme string }{
		{"Authorization", ""}, {"authorization", ""}, {"accessToken", "Bearer "},
	} {
		switch value := m.payload[member.name].(type) {
		case nil:
		case string:
			fields = append(fields, member.scheme+value)
		default:
			return nil, refuse(http.StatusBadRequest, "%s must be a string.", member.name)
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
