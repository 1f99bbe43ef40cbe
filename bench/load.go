//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// load is what the load process is to do: keep so many connections busy with the bodies, in turn.
type load struct {
	Port        int
	Key         string
	Connections int
	Seconds     float64
	// Expect is in the answer to each request that did what it should.
	Expect string
	Bodies [][]byte
}

// loaded is how it went. Requests that were answered otherwise than expected are Errors.
type loaded struct {
	Requests, Errors int
	FirstError       string
	Seconds          float64
	// P50 and P99 are in milliseconds.
	P50, P99 float64
	// Server, Database and Load are the processor time that each took for a request, in microseconds.
	Server, Database, Load float64
}

// cost says where the processors' time went.
func (l loaded) cost() string {
	text := fmt.Sprintf("processor time a request: the server %s µs", number(l.Server))
	if l.Database > 0 {
		text += fmt.Sprintf(", PostgreSQL %s µs", number(l.Database))
	}
	return text + fmt.Sprintf(", the load %s µs", number(l.Load))
}

func (l loaded) perSecond() float64 { return float64(l.Requests) / l.Seconds }

// drive has the load made by a process of its own, on the server.
func (b *bench) drive(ctx context.Context, s *server, l load) (out loaded, err error) {
	l.Port = s.Port
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, self, "load")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var in, answer bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(l); err != nil {
		return out, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &answer, os.Stderr
	server, database := processorTime(s.PID()), processorTime(b.pg.PID())
	if err := cmd.Run(); err != nil {
		return out, fmt.Errorf("making load: %w", err)
	}
	server, database = processorTime(s.PID())-server, processorTime(b.pg.PID())-database
	if err := gob.NewDecoder(&answer).Decode(&out); err != nil {
		return out, fmt.Errorf("making load: %w", err)
	}
	if out.Errors > 0 {
		return out, fmt.Errorf("%d of %d requests failed, the first with %s", out.Errors, out.Requests+out.Errors, out.FirstError)
	}
	each := func(d time.Duration) float64 { return float64(d) / 1e3 / float64(out.Requests) }
	out.Server, out.Load = each(server), each(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if s.postgres {
		out.Database = each(database)
	}
	say("  %s requests/s, p50 %s ms, p99 %s ms; %s", number(out.perSecond()), number(out.P50), number(out.P99), out.cost())
	return out, nil
}

// processorTime is what a process and its children have used so far; 0 of one that is gone.
func processorTime(pid int) (used time.Duration) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// After the name, which may hold anything: state, ppid, … from field 3 on; proc_pid_stat(5).
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		own := strings.HasPrefix(string(text), strconv.Itoa(pid)+" ")
		if len(fields) < 15 || !own && fields[1] != strconv.Itoa(pid) {
			continue
		}
		count := 2
		if own {
			count = 4 // with children that have ended
		}
		for _, f := range fields[11 : 11+count] {
			ticks, err := strconv.Atoi(f)
			if err != nil {
				continue
			}
			used += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return used
}

func loadMain(in io.Reader, out io.Writer) error {
	var l load
	if err := gob.NewDecoder(in).Decode(&l); err != nil {
		return err
	}
	result, err := l.make()
	if err != nil {
		return err
	}
	return gob.NewEncoder(out).Encode(result)
}

// connection is one of the load's, with a request under way.
type connection struct {
	fd     int
	sent   time.Time
	answer []byte
}

// make works on plain sockets with epoll, since every microsecond spent here is taken from what is measured.
func (l load) make() (out loaded, err error) {
	requests := make([][]byte, len(l.Bodies))
	for i, body := range l.Bodies {
		requests[i] = fmt.Appendf(nil, "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			l.Port, l.Key, len(body), body)
	}
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return out, err
	}
	connections := map[int32]*connection{}
	next := 0
	send := func(c *connection) error {
		request := requests[next%len(requests)]
		next++
		c.sent, c.answer = time.Now(), c.answer[:0]
		for len(request) > 0 { // sockets block: what is large goes out in pieces
			n, err := syscall.Write(c.fd, request)
			if err != nil {
				return fmt.Errorf("sending: %w", err)
			}
			request = request[n:]
		}
		return nil
	}
	began := time.Now()
	for range l.Connections {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			return out, err
		}
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: l.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return out, fmt.Errorf("connecting: %w", err)
		}
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
			return out, err
		}
		if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
			return out, err
		}
		c := &connection{fd: fd}
		connections[int32(fd)] = c
		if err := send(c); err != nil {
			return out, err
		}
	}
	var took []float64
	expect := []byte(l.Expect)
	piece := make([]byte, 1<<18)
	events := make([]syscall.EpollEvent, 256)
	for busy := l.Connections; busy > 0; {
		n, err := syscall.EpollWait(poll, events, -1)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return out, err
		}
		for _, e := range events[:n] {
			c := connections[e.Fd]
			n, err := syscall.Read(c.fd, piece)
			if err != nil || n == 0 {
				return out, fmt.Errorf("the server closed a connection: %w", err)
			}
			c.answer = append(c.answer, piece[:n]...)
			if !whole(c.answer) {
				continue
			}
			now := time.Now()
			if bytes.Contains(c.answer, expect) {
				out.Requests++
				took = append(took, float64(now.Sub(c.sent))/1e6)
			} else if out.Errors++; out.FirstError == "" {
				out.FirstError = string(c.answer[:min(len(c.answer), 2_000)])
			}
			if now.Sub(began).Seconds() >= l.Seconds {
				busy--
				out.Seconds = now.Sub(began).Seconds()
				continue
			}
			if err := send(c); err != nil {
				return out, err
			}
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		out.P50, out.P99 = took[len(took)/2], took[len(took)*99/100]
	}
	return out, nil
}

// whole reports whether an HTTP answer has come in completely. Chunked JSON ends with the only empty chunk there is.
func whole(answer []byte) bool {
	header, body, ok := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !ok {
		return false
	}
	_, length, ok := bytes.Cut(header, []byte("Content-Length: "))
	if !ok {
		return bytes.HasSuffix(body, []byte("\r\n0\r\n\r\n"))
	}
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	n, err := strconv.Atoi(string(length))
	return err == nil && len(body) >= n
}
