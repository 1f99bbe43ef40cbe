package wire

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

// sender is somebody who sends a request by hand.
type sender struct {
	net.Conn

	w *world
}

// sends begins a request whose body is so long, or in chunks where length is below 0.
func (w *world) sends(secret string, length int) *sender {
	ours, theirs := net.Pipe()
	w.conns <- theirs
	s := &sender{ours, w}
	head := "POST /graphql HTTP/1.1\r\nHost: here.example\r\nContent-Type: application/json\r\n"
	if secret != "" {
		head += "Authorization: Bearer " + secret + "\r\n"
	}
	if length < 0 {
		head += "Transfer-Encoding: chunked\r\n"
	} else {
		head += fmt.Sprintf("Content-Length: %d\r\n", length)
	}
	s.says(head + "\r\n")
	return s
}

// says sends what it can until the server hangs up.
func (s *sender) says(text string) { _, _ = io.WriteString(s, text) }

// answer is the status of the answer, whether the connection ends with it, and what it says.
func (s *sender) answer() (status int, last bool, text string) {
	s.w.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(s), nil)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	if code := response.StatusCode; (code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests) && response.Header.Get("Retry-After") == "" {
		s.w.t.Errorf("%d without Retry-After", code)
	}
	return response.StatusCode, response.Close, string(body)
}

// posts sends a whole request and gives the status.
func (w *world) posts(secret, body string) (status int, text string) {
	w.t.Helper()
	s := w.sends(secret, len(body))
	defer s.Close()
	go s.says(body)
	status, _, text = s.answer()
	return status, text
}

// sends writes a message, as far as the server takes it.
func (p peer) sends(message string) {
	go func() { _ = p.Write(p.t.Context(), websocket.MessageText, []byte(message)) }()
}

// closes wants the socket closed with the code.
func (p peer) closes(want websocket.StatusCode) {
	p.t.Helper()
	if _, got, err := p.Read(p.t.Context()); websocket.CloseStatus(err) != want {
		p.t.Errorf("got %.200s and %v, want it closed with %d", got, err, want)
	}
}

func document(size int) string {
	const head, tail = `{"query":"query plain","variables":{"a":"`, `"}}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// till counts points, of which there are so many.
type till struct {
	left  atomic.Int64
	taken atomic.Int64
}

func (c *till) pay(_ context.Context, points int) error {
	if c.left.Add(-int64(points)) < 0 {
		return &apierror.Error{Code: apierror.RateLimited, Message: "Nothing is left.", RetryAfter: time.Second}
	}
	c.taken.Add(int64(points))
	return nil
}

// What is sent is paid for before it is read: nothing of a body that says how long it is, and little of one in chunks.
func TestBodiesArePaidFor(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		var c till
		w.h.engine.Pay = c.pay

		s := w.sends("good", 100<<10)
		if status, last, text := s.answer(); status != http.StatusTooManyRequests || !last {
			t.Errorf("with nothing left: %d, last %t: %s", status, last, text)
		}
		s.Close()

		c.left.Store(3)
		s = w.sends("good", -1)
		read := 0
		for range 100 {
			piece := strings.Repeat(" ", 1<<10)
			if _, err := fmt.Fprintf(s, "%x\r\n%s\r\n", len(piece), piece); err != nil {
				break
			}
			read += len(piece)
			synctest.Wait()
			if c.left.Load() < 0 {
				break
			}
		}
		if status, last, text := s.answer(); status != http.StatusTooManyRequests || !last || read > 4*edge.BytesPerPoint+2<<10 {
			t.Errorf("in chunks: %d after %d bytes, last %t: %s", status, read, last, text)
		}
		s.Close()

		for _, test := range []struct {
			body string
			want int64
		}{
			{document(100), 0},
			{document(edge.BytesPerPoint - 1), 0},
			{document(10 * edge.BytesPerPoint), 10},
			{`{"query":"query plain","variables":{"a":[` + strings.Repeat("1,", 3*valuesPerPoint) + `1]}}`, 3},
		} {
			c.left.Store(1_000)
			c.taken.Store(0)
			if status, text := w.posts("good", test.body); status != http.StatusOK || c.taken.Load() != test.want {
				t.Errorf("%d bytes: %d, %d points, want %d: %s", len(test.body), status, c.taken.Load(), test.want, text)
			}
		}
		c.left.Store(1)
		if status, text := w.posts("good", `{"query":"query plain","variables":{"a":[`+strings.Repeat("1,", 2*valuesPerPoint)+`1]}}`); status != http.StatusTooManyRequests {
			t.Errorf("values with too little left: %d %s", status, text)
		}
		c.left.Store(0)
		response, err := w.client.Get("http://here.example/graphql?query=query+plain&x=" + strings.Repeat("x", 8<<10))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusTooManyRequests {
			t.Errorf("a long URL: %d", response.StatusCode)
		}

		p := w.open(`,"payload":{"accessToken":"good"}`)
		p.sends(`{"id":"1","type":"subscribe","payload":` + document(20<<10) + `}`)
		p.closes(websocket.StatusTryAgainLater)
	})
}

// Bodies have room together: beyond it there is 503. Small ones have room of their own.
func TestBodiesHaveRoom(t *testing.T) {
	inWorldBehind(t, edge.Config{LargeRoom: 390_000, Prompt: time.Hour, Patience: time.Hour, Timeout: time.Hour}, Limits{Timeout: time.Hour}, func(t *testing.T, w *world) {
		var held []*sender
		for _, secret := range []string{"good 1", "good 2"} {
			s := w.sends(secret, 120_000)
			s.says(document(120_000)[:100_000])
			held = append(held, s)
		}
		synctest.Wait()
		s := w.sends("good 3", 120_000)
		go s.says(document(120_000))
		if status, last, text := s.answer(); status != http.StatusServiceUnavailable || !last || !strings.Contains(text, "OVERLOADED") {
			t.Errorf("the third large one: %d, last %t: %s", status, last, text)
		}
		s.Close()
		if status, text := w.posts("good 3", document(10_000)); status != http.StatusOK {
			t.Errorf("a small one meanwhile: %d %s", status, text)
		}
		p := w.open(`,"payload":{"accessToken":"good 4"}`)
		p.sends(`{"id":"1","type":"subscribe","payload":` + document(120_000) + `}`)
		p.closes(websocket.StatusTryAgainLater)
		held[0].Close()
		synctest.Wait()
		held[1].says(document(120_000)[100_000:])
		if status, _, text := held[1].answer(); status != http.StatusOK {
			t.Errorf("the one that was held: %d %s", status, text)
		}
		held[1].Close()
		if status, text := w.posts("good 3", document(120_000)); status != http.StatusOK {
			t.Errorf("a large one with room again: %d %s", status, text)
		}
	})
	// Whatever small ones do, too.
	inWorldBehind(t, edge.Config{SmallRoom: 40_000, Prompt: time.Hour, Patience: time.Hour, Timeout: time.Hour}, Limits{Timeout: time.Hour}, func(t *testing.T, w *world) {
		var held []*sender
		for _, secret := range []string{"good 1", "good 2", "good 3", "good 4"} {
			held = append(held, w.sends(secret, 9_000))
		}
		synctest.Wait()
		if status, text := w.posts("", document(9_000)); status != http.StatusServiceUnavailable {
			t.Errorf("the fifth small one: %d %s", status, text)
		}
		if status, text := w.posts("good 1", document(120_000)); status != http.StatusOK {
			t.Errorf("a large one meanwhile: %d %s", status, text)
		}
		for _, s := range held {
			s.Close()
		}
	})
}

// Large requests are answered some at a time, and others wait for their turn; small ones do not.
func TestLargeRequestsTakeTurns(t *testing.T) {
	inWorldBehind(t, edge.Config{Turns: 2}, Limits{}, func(t *testing.T, w *world) {
		slow := strings.Replace(document(50_000), "query plain", "query held", 1)
		var all sync.WaitGroup
		var answered atomic.Int64
		for range 5 {
			all.Go(func() {
				if status, text := w.posts("good", slow); status != http.StatusOK {
					t.Errorf("%d %s", status, text)
				}
				answered.Add(1)
			})
		}
		synctest.Wait()
		for n := range 5 {
			if running := w.e.running.Load(); running > 2 || answered.Load() != int64(n) {
				t.Errorf("%d run, and %d are answered", running, answered.Load())
			}
			if status, text := w.posts("good", document(1_000)); status != http.StatusOK {
				t.Errorf("a small one meanwhile: %d %s", status, text)
			}
			w.e.release <- struct{}{}
			synctest.Wait()
		}
		all.Wait()
	})
	inWorldBehind(t, edge.Config{Turns: 1, Timeout: 5 * time.Second}, Limits{Timeout: 5 * time.Second}, func(t *testing.T, w *world) {
		slow := strings.Replace(document(50_000), "query plain", "query held", 1)
		go w.posts("good", slow)
		synctest.Wait()
		if status, text := w.posts("good", document(50_000)); status != http.StatusServiceUnavailable && status != http.StatusOK {
			t.Errorf("one whose turn does not come: %d %s", status, text)
		}
	})
}

// Few bodies of one address may be slow, and none may be too slow.
func TestSlowBodies(t *testing.T) {
	door := edge.Config{Slow: 3, Prompt: time.Second, Patience: 5 * time.Second}
	inWorldBehind(t, door, Limits{}, func(t *testing.T, w *world) {
		w.h.engine.Remote = func(r *http.Request) string { return r.Header.Get("Authorization") }
		var held []*sender
		for range 5 {
			s := w.sends("good", 9_000)
			s.says(`{"query":`)
			held = append(held, s)
		}
		other := w.sends("", 9_000)
		time.Sleep(1100 * time.Millisecond) // of the bubble's clock
		synctest.Wait()
		if status, text := w.posts("good", document(1_000)); status != http.StatusOK {
			t.Errorf("one that comes at once: %d %s", status, text)
		}
		crowded := 0
		for _, s := range append(held, other) {
			began := time.Now()
			status, last, text := s.answer()
			if status != http.StatusRequestTimeout || !last {
				t.Errorf("%d, last %t: %s", status, last, text)
			}
			if strings.Contains(text, "your address") {
				crowded++
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			s.Close()
		}
		if crowded != 2 {
			t.Errorf("%d were too many, want 2", crowded)
		}
	})
	// What has come already buys no time in which nothing comes.
	inWorldBehind(t, door, Limits{}, func(t *testing.T, w *world) {
		body := document(1 << 20)
		s := w.sends("good", len(body))
		s.says(body[:900_000])
		began := time.Now()
		if status, last, text := s.answer(); status != http.StatusRequestTimeout || !last || time.Since(began) > 6*time.Second {
			t.Errorf("%d, last %t, after %v: %s", status, last, time.Since(began), text)
		}
		s.Close()
	})
	// Whoever goes on gets longer.
	inWorldBehind(t, door, Limits{}, func(t *testing.T, w *world) {
		body := document(1 << 20)
		s := w.sends("good", len(body))
		for i := range 15 {
			s.says(body[i<<16 : (i+1)<<16])
			time.Sleep(time.Second)
		}
		s.says(body[15<<16:])
		if status, _, text := s.answer(); status != http.StatusOK {
			t.Errorf("64 KiB a second: %d %s", status, text)
		}
		s.Close()
	})
}

// Large bodies are for those who may write in bulk.
func TestLargeBodiesAreForBulk(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		w.h.engine.Bulk = func(ctx context.Context) bool { return ctx.Value(callerKey{}) == "good bulk" }
		for _, test := range []struct {
			secret       string
			size, status int
		}{
			{"", 128 << 10, 200}, {"", 128<<10 + 1, 413}, {"good", 128 << 10, 200}, {"good", 128<<10 + 1, 413},
			{"good bulk", 128<<10 + 1, 200}, {"good bulk", 4 << 20, 200}, {"good bulk", 4<<20 + 1, 413},
		} {
			if status, text := w.posts(test.secret, document(test.size)); status != test.status {
				t.Errorf("%d bytes of %q: %d, want %d: %s", test.size, test.secret, status, test.status, text)
			}
			s := w.sends(test.secret, -1)
			go s.says(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", test.size, document(test.size)))
			if status, _, text := s.answer(); status != test.status {
				t.Errorf("%d bytes of %q in chunks: %d, want %d: %s", test.size, test.secret, status, test.status, text)
			}
			s.Close()
			payload := ""
			if test.secret != "" {
				payload = `,"payload":{"accessToken":"` + test.secret + `"}`
			}
			p := w.open(payload)
			const around = len(`{"id":"1","type":"subscribe","payload":}`)
			p.sends(`{"id":"1","type":"subscribe","payload":` + document(test.size-around) + `}`)
			if test.status == http.StatusOK {
				for _, want := range []string{`"next"`, `"complete"`} {
					if _, got, err := p.Read(t.Context()); err != nil || !strings.Contains(string(got), want) {
						t.Errorf("%d bytes of %q on a socket: %.100s %v", test.size, test.secret, got, err)
					}
				}
			} else {
				p.closes(websocket.StatusMessageTooBig)
			}
			_ = p.CloseNow() // it may be closed
		}
		p := w.dial(nil, transportProtocol)
		p.sends(`{"type":"connection_init","payload":{"a":"` + strings.Repeat("x", 17<<10) + `"}}`)
		p.closes(websocket.StatusMessageTooBig)
	})
}

// Variables that the operation does not declare are refused, wherever they stand, and nothing is made of them.
func TestUndeclaredVariables(t *testing.T) {
	t.Parallel()
	_, server := serve(t, &fake{}, Limits{})
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"query":"ok","variables":{"a":1,"b":null}}`, 200, `"data"`},
		{`{"query":"ok","variables":{"a":1,"undeclared":2}}`, 400, "no variable $undeclared:"},
		{`{"variables":{"undeclared_2":{"x":[1,2,{}]},"a":1},"query":"ok"}`, 400, "no variable $undeclared_2:"},
		{`{"query":"ok","variables":{"undeclared <b>":2}}`, 400, "does not declare a variable"},
		{`{"query":"ok","variables":{"undeclared` + strings.Repeat("x", 100) + `":2}}`, 400, "does not declare a variable"},
	} {
		headers := []string{"Content-Type", "application/json", "Accept", mediaGraphQL}
		if response, text := do(t, http.MethodPost, server.URL, test.body, headers...); response.StatusCode != test.status || !strings.Contains(text, test.want) {
			t.Errorf("%s: %d %s", test.body, response.StatusCode, text)
		}
	}
}

// What a request would take is known before anything is made of it, and is about what making it takes.
func TestWeight(t *testing.T) {
	many := func(n int, piece string) string { return "[" + strings.Repeat(piece+",", n-1) + piece + "]" }
	named := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"name%d":0,`, i)
		}
		return "{" + strings.TrimSuffix(b.String(), ",") + "}"
	}
	for name, value := range map[string]string{
		"numbers": many(20_000, "7"), "long numbers": many(5_000, "17171717171717171717.5"), "truths": many(20_000, "true"),
		"texts": many(10_000, `"abcdefgh"`), "escapes": many(5_000, `"a\u00e9\n"`), "a text": `"` + strings.Repeat("x", 100_000) + `"`,
		"empty objects": many(5_000, "{}"), "objects": many(5_000, `{"a":1}`), "empty lists": many(20_000, "[]"), "lists": many(10_000, "[1]"),
		"eight names": many(1_000, named(8)), "nine names": many(1_000, named(9)), "a hundred names": many(100, named(100)),
		"a thousand names": many(20, named(1_000)), "records": many(1_000, `{"score":9,"contact":{"externalId":"c-1","traits":{"plan":"Basic","since":"2024-01-01"}}}`),
	} {
		body := []byte(`{"query":"q","variables":{"a":` + value + `}}`)
		a, err := parseParams(body, Limits{}.withDefaults(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		made, err := a.read(nil)(func(string) bool { return true })
		runtime.ReadMemStats(&after)
		if err != nil || len(made) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		if took := int(after.TotalAlloc - before.TotalAlloc); took > a.weight*3 || a.weight > took*4 {
			t.Errorf("%s: making them took %d bytes, with what was garbage at once, and the weight is %d", name, took, a.weight)
		}
	}
}

// Nothing is made of what is refused, and little of what is looked through.
func TestLookingThroughMakesLittle(t *testing.T) {
	limits := Limits{}.withDefaults()
	pad := strings.Repeat(" ", 100)
	for name, body := range map[string]string{
		"numbers":  `{"query":"q","variables":{"a":[` + strings.Repeat("7,", 60_000) + `7]}}`,
		"objects":  `{"query":"q","variables":{"a":[` + strings.Repeat(`{"a":{}},`, 20_000) + `7]}}`,
		"unknown":  `{"query":"q","x":[` + strings.Repeat(`{"a":"b\n"},`, 10_000) + `7]}`,
		"names":    `{"query":"q","variables":{` + strings.Repeat(pad, 1_000) + "}}",
		"too deep": `{"query":"q","variables":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + "}",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = parseParams([]byte(body), limits, nil)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(2*len(body)) {
			t.Errorf("%s: looking %d bytes through made %d", name, len(body), took)
		}
	}
	for name, test := range map[string]struct {
		value string
		want  string
	}{
		"names in one object": {"{" + strings.TrimSuffix(namesOf(1_001), ",") + "}", "may have 1000 members"},
		"what it would take":  {"[" + strings.Repeat("{},", 90_000) + "{}]", "too many values"},
	} {
		for _, in := range []string{`{"query":"q","variables":{"a":%s}}`, `{"query":"q","x":%s}`, `{"query":"q","extensions":{"a":%s}}`} {
			if _, err := parseParams([]byte(fmt.Sprintf(in, test.value)), limits, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func namesOf(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `"name%d":0,`, i)
	}
	return b.String()
}

// A request that is none that could be executed costs a point, however little of it is read.
func TestRefusalsArePaidFor(t *testing.T) {
	c := &till{}
	h, server := serve(t, &fake{}, Limits{})
	h.engine.Pay = c.pay
	for name, test := range map[string]struct {
		method, accept, media, query, body string
		want                               int
	}{
		"method": {http.MethodPut, mediaJSON, mediaJSON, "", "{}", http.StatusMethodNotAllowed},
		"accept": {http.MethodPost, "image/png", mediaJSON, "", "{}", http.StatusNotAcceptable},
		"URL":    {http.MethodPost, mediaJSON, mediaJSON, strings.Repeat("x", 33<<10), "{}", http.StatusRequestURITooLong},
		"type":   {http.MethodPost, mediaJSON, "text/plain", "", "{}", http.StatusUnsupportedMediaType},
		"body":   {http.MethodPost, mediaJSON, mediaJSON, "", "[", http.StatusBadRequest},
		"query":  {http.MethodGet, mediaJSON, "", "variables=1", "", http.StatusBadRequest},
	} {
		c.left.Store(1)
		for _, want := range []int{test.want, http.StatusTooManyRequests} {
			r, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+"?"+test.query, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", test.accept)
			r.Header.Set("Content-Type", test.media)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s: %d, want %d", name, response.StatusCode, want)
			}
		}
	}
}
