package edge

import (
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

// SentPerPoint is how many bytes of an answer that costs no points of the API are counted as one more request. The page to
// explore the API with is some fifty of them with its files, as browsers take it.
const SentPerPoint = 32 << 10

// Polite bounds, for each address, the requests that nothing else does: those that cost no points, as preflights, pages
// and what is not found. They are cheap, but may come one behind the other without end; what is too often is answered 429.
// A large answer counts as many requests, all at once before it is sent, so that few are on their way. paid passes requests that are paid for otherwise, probe those that are always answered; who asks too often must connect
// anew for each of these.
func (d *Door) Polite(next http.Handler, paid, probe func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if paid(r) {
			next.ServeHTTP(w, r)
			return
		}
		address := Network(d.Address(r)).As16()
		_, wait, ok := d.cheap.Take(address, 1, time.Now())
		if !ok {
			w.Header().Set("Connection", "close")
			if !probe(r) {
				w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
				http.Error(w, "Too many requests.", http.StatusTooManyRequests)
				return
			}
		}
		if r.Method != http.MethodHead {
			w = &counted{ResponseWriter: w, charge: func(points int) { d.cheap.Charge(address, points, time.Now()) }}
		}
		next.ServeHTTP(w, r)
	})
}

// counted charges for what is sent, as soon as it is known how much that is.
type counted struct {
	http.ResponseWriter

	charge func(points int)
	// sent is how many bytes there were, and charged how many points.
	sent, charged int
}

func (c *counted) Write(b []byte) (int, error) {
	c.sent += len(b)
	length, _ := strconv.Atoi(c.Header().Get("Content-Length")) // none where it does not say
	if more := max(c.sent, length)/SentPerPoint - c.charged; more > 0 {
		c.charge(more)
		c.charged += more
	}
	return c.ResponseWriter.Write(b) //nolint:wrapcheck // it stands for it
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// guards are the header of every answer, whose values all of them share: nobody may change one in place.
var guards = http.Header{
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"X-Frame-Options":         {"DENY"},
	"X-Content-Type-Options":  {"nosniff"},
	"Referrer-Policy":         {"no-referrer"},
}

// Guarded has every answer, of whatever page or error, say that it is no page to be framed, guessed at or told of, and
// nothing to run: what is one says so itself. And it ends connections that somebody in between may read otherwise.
func Guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		maps.Copy(header, guards)
		if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
			// With a Content-Length besides, what follows may be a request that a proxy took for this one's body
			// (RFC 9112, 6.3). net/http drops the Content-Length, so that all bodies in chunks end their connection.
			header.Set("Connection", "close")
		}
		if r.Method != http.MethodPost && r.ContentLength != 0 {
			// Nobody reads this body, and net/http must not wait for it.
			header.Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // what has no deadlines has none to be missed
		}
		next.ServeHTTP(w, r)
	})
}

// GiveUp is for a request whose body is not read to its end, before it is answered. late says that it did not come in time.
//
// net/http reads on to the body's end, before it answers or before it closes the connection: only a small one may still
// come, so that the connection may go on. A connection that is closed while more comes is reset, mostly before the caller
// has read why: hence the answer goes first, and what comes within a moment is thrown away.
func (d *Door) GiveUp(w http.ResponseWriter, r *http.Request, late bool) {
	wait := d.config.Prompt
	if late {
		wait = 0
	}
	if small := 0 <= r.ContentLength && r.ContentLength <= SmallBody; !small || late {
		w.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(wait)) // what has no deadlines has none to be missed
}
