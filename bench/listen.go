//go:build linux

package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// listening is what the listening process is to do: open so many subscriptions, then record responses and see when each
// subscription that is to hear of them does.
type listening struct {
	Port int
	Key  string
	// Socket takes WebSockets, else server-sent events.
	Socket bool
	// Idle subscriptions hear nothing, Active ones everything that is recorded.
	Idle, Active int
	// IdleQuery and ActiveQuery are their documents, with variables in them already. Apart makes each document another.
	IdleQuery, ActiveQuery string
	Apart                  bool
	// Record has the time at %s, as 19 digits after a t, in a comment; it records Each responses.
	Record string
	Each   int
	// PerSecond paces the requests; 0 is as fast as Senders connections can.
	PerSecond, Senders int
	Seconds            float64
}

// heard is how it went.
type heard struct {
	// Opened is how long opening all subscriptions took, in seconds.
	Opened float64
	// Recorded responses, and Deliveries of them; Expected is how many there should be.
	Recorded, Deliveries, Expected int
	// Seconds is from the first request to the last delivery.
	Seconds float64
	// Milliseconds from the sending of the mutation, and from its acknowledgement, to the delivery.
	SentP50, SentP99, AckedP50, AckedP99 float64
}

// listener is the listening process.
type listener struct {
	listening

	poll int
	fds  []int
	// carry is the end of what each active subscription has read so far, in which a mark may have begun.
	carry map[int32][]byte

	mu    sync.Mutex
	acked map[int64]time.Time
	sent  int

	arrivals []arrival
}

// arrival is one delivery: of the response that carries the mark, at a time.
type arrival struct {
	mark int64
	at   time.Time
}

const (
	// mark stands before the time that a comment holds.
	mark       = `"comment":"t`
	markDigits = 19
)

// listenMain opens the subscriptions, says so on out, waits for a byte on in, and does the rest.
func listenMain(in io.Reader, out io.Writer) error {
	decoder, encoder := gob.NewDecoder(in), gob.NewEncoder(out)
	l := &listener{carry: map[int32][]byte{}, acked: map[int64]time.Time{}}
	if err := decoder.Decode(&l.listening); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	began := time.Now()
	if err := l.open(); err != nil {
		return fmt.Errorf("subscription %d: %w", len(l.fds), err)
	}
	h := heard{Opened: time.Since(began).Seconds()}
	if err := encoder.Encode(h); err != nil {
		return err
	}
	var start bool
	if err := decoder.Decode(&start); err != nil {
		return err
	}
	if err := l.hear(&h); err != nil {
		return err
	}
	return encoder.Encode(h)
}

func (l *listener) open() (err error) {
	if l.poll, err = syscall.EpollCreate1(0); err != nil {
		return err
	}
	for i := range l.Idle + l.Active {
		query := l.ActiveQuery
		if i < l.Idle {
			query = l.IdleQuery
		}
		if l.Apart {
			query += fmt.Sprintf(" # %d", i)
		}
		fd, err := dial(l.Port)
		if err != nil {
			return err
		}
		l.fds = append(l.fds, fd)
		if err := l.subscribe(fd, query); err != nil {
			return err
		}
		if i < l.Idle {
			continue
		}
		l.carry[int32(fd)] = nil
		if err := syscall.EpollCtl(l.poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
	}
	return nil
}

func dial(port int) (fd int, err error) {
	if fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); err != nil {
		return 0, err
	}
	return fd, syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

// subscribe asks for a subscription, and waits until it is open.
func (l *listener) subscribe(fd int, query string) error {
	request, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		return err
	}
	if !l.Socket {
		text := fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
			"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n%s", l.Port, l.Key, len(request), request)
		return exchange(fd, []byte(text), "\n:")
	}
	text := fmt.Sprintf("GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n", l.Port)
	if err := exchange(fd, []byte(text), "\r\n\r\n"); err != nil {
		return err
	}
	if err := exchange(fd, frame(fmt.Sprintf(`{"type":"connection_init","payload":{"Authorization":"Bearer %s"}}`, l.Key)), "connection_ack"); err != nil {
		return err
	}
	// The answer to a ping that is sent behind it says that the subscription was taken.
	subscribe := frame(fmt.Sprintf(`{"id":"1","type":"subscribe","payload":%s}`, request))
	return exchange(fd, append(subscribe, frame(`{"type":"ping"}`)...), `"pong"`)
}

// frame is a text message of a client. Its mask is all zeros, and changes nothing.
func frame(text string) []byte {
	head := []byte{0x81}
	if n := len(text); n < 126 {
		head = append(head, 0x80|byte(n))
	} else {
		head = append(head, 0x80|126, byte(n>>8), byte(n))
	}
	return append(append(head, 0, 0, 0, 0), text...)
}

// exchange sends, and reads until the answer holds a text.
func exchange(fd int, send []byte, until string) error {
	if _, err := syscall.Write(fd, send); err != nil {
		return err
	}
	var answer []byte
	piece := make([]byte, 4096)
	for !bytes.Contains(answer, []byte(until)) {
		n, err := syscall.Read(fd, piece)
		if err != nil || n == 0 {
			return fmt.Errorf("the server answered %.400q: %w", answer, errors.Join(err, io.EOF))
		}
		answer = append(answer, piece[:n]...)
		if bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) || bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) {
			return fmt.Errorf("the server answered %.400q", answer)
		}
	}
	return nil
}

// hear records, and takes down what comes.
func (l *listener) hear(h *heard) error {
	began := time.Now()
	sending := make(chan error, 1)
	go func() { sending <- l.send(began) }()
	done := false
	events := make([]syscall.EpollEvent, 512)
	piece := make([]byte, 1<<17)
	deadline := began.Add(time.Duration(l.Seconds*float64(time.Second)) + time.Minute)
	last := began
	for !done || len(l.arrivals) < l.sent*l.Active {
		n, err := syscall.EpollWait(l.poll, events, 20)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if err := l.read(e.Fd, piece); err != nil {
				return err
			}
			last = time.Now()
		}
		select {
		case err := <-sending:
			if err != nil {
				return err
			}
			done = true
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d deliveries came", len(l.arrivals), l.sent*l.Active)
		}
	}
	h.Recorded, h.Deliveries, h.Expected = l.sent, len(l.arrivals), l.sent*l.Active
	h.Seconds = last.Sub(began).Seconds()
	var sent, acked []float64
	for _, a := range l.arrivals {
		sent = append(sent, float64(a.at.UnixNano()-a.mark)/1e6)
		acked = append(acked, max(0, float64(a.at.Sub(l.acked[a.mark]))/1e6))
	}
	slices.Sort(sent)
	slices.Sort(acked)
	if n := len(sent); n > 0 {
		h.SentP50, h.SentP99, h.AckedP50, h.AckedP99 = sent[n/2], sent[n*99/100], acked[n/2], acked[n*99/100]
	}
	return nil
}

func (l *listener) read(fd int32, piece []byte) error {
	n, err := syscall.Read(int(fd), piece)
	if err != nil || n == 0 {
		return fmt.Errorf("the server closed a subscription: %w", err)
	}
	now := time.Now()
	text := piece[:n]
	if carried := l.carry[fd]; len(carried) > 0 {
		text = append(carried, text...)
	}
	for {
		i := bytes.Index(text, []byte(mark))
		if i < 0 || len(text) < i+len(mark)+markDigits {
			if i < 0 {
				i = max(0, len(text)-len(mark))
			}
			l.carry[fd] = append([]byte(nil), text[i:]...)
			return nil
		}
		digits := text[i+len(mark) : i+len(mark)+markDigits]
		at, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			return fmt.Errorf("a comment of %q: %w", digits, err)
		}
		l.arrivals = append(l.arrivals, arrival{at, now})
		text = text[i+len(mark)+markDigits:]
	}
}

// send records responses for as long as it was told.
func (l *listener) send(began time.Time) error {
	end := began.Add(time.Duration(l.Seconds * float64(time.Second)))
	var senders sync.WaitGroup
	failed := make(chan error, l.Senders)
	pace := make(chan struct{})
	go func() {
		defer close(pace)
		for n := 0; time.Now().Before(end); n++ {
			if l.PerSecond > 0 {
				time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(l.PerSecond))))
			}
			pace <- struct{}{}
		}
	}()
	for range l.Senders {
		senders.Go(func() {
			for range pace {
				if err := l.record(); err != nil {
					failed <- err
					for range pace { // so that the pace does not wait for us
					}
				}
			}
		})
	}
	senders.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (l *listener) record() error {
	now := time.Now().UnixNano()
	text := bytes.ReplaceAll([]byte(l.Record), []byte("%s"), []byte(strconv.FormatInt(now, 10)))
	request, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/graphql", l.Port), bytes.NewReader(text)) //nolint:noctx // the process is killed when it takes too long
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+l.Key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	acked := time.Now()
	if err != nil {
		return err
	}
	if !bytes.Contains(said, []byte(`"userErrors":[]`)) {
		return fmt.Errorf("recording: %.400s", said)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[now] = acked
	l.sent += l.Each
	return nil
}
