//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zeroten/zeroten/internal/id"
)

// crowd is what a crowd of people does on the public pages, each from an address of their own: so many pages a second are opened, and from
// each of them an answer is sent where Answers is set. Requests are sent when they are due, whether others were answered or not, and what they
// take is counted from then: an answer's from when the page was due that it is sent from.
type crowd struct {
	Port      int
	Campaign  string
	People    int
	PerSecond float64
	Answers   bool
	Seconds   float64
	// Round makes addresses of mail that nobody in the crowd before had.
	Round int
	// Flood is how many connections one further address opens pages on, as fast as it can.
	Flood int
	// Key and Bodies record beside it, RecordPerSecond times a second.
	Key             string
	Bodies          [][]byte
	RecordPerSecond float64
}

// crowded is how it went, in milliseconds.
type crowded struct {
	Views, Answers, Recorded, Errors int
	FirstError                       string
	Seconds                          float64
	ViewP50, ViewP99                 float64
	AnswerP50, AnswerP99             float64
	RecordP99                        float64
	// Flooded and Refused are the flood's requests, and those of them that were refused.
	Flooded, Refused int
}

// gather has the crowd made by a process of its own.
func (b *bench) gather(ctx context.Context, s *server, c crowd) (out crowded, err error) {
	c.Port = s.Port
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, self, "crowd")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var in, answer bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(c); err != nil {
		return out, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &answer, os.Stderr
	if err := cmd.Run(); err != nil {
		return out, fmt.Errorf("gathering a crowd: %w", err)
	}
	if err := gob.NewDecoder(&answer).Decode(&out); err != nil {
		return out, fmt.Errorf("gathering a crowd: %w", err)
	}
	if out.Errors > 0 {
		return out, fmt.Errorf("%d requests failed, the first with %s", out.Errors, out.FirstError)
	}
	say("  %.0f pages/s (p50 %s ms, p99 %s ms), %.0f answers/s (p50 %s ms, p99 %s ms), %.0f recorded/s; the flood sent %.0f/s, of which %d of %d were refused",
		float64(out.Views)/out.Seconds, number(out.ViewP50), number(out.ViewP99), float64(out.Answers)/out.Seconds, number(out.AnswerP50),
		number(out.AnswerP99), float64(out.Recorded)/out.Seconds, float64(out.Flooded)/out.Seconds, out.Refused, out.Flooded)
	return out, nil
}

func crowdMain(in io.Reader, out io.Writer) error {
	var c crowd
	if err := gob.NewDecoder(in).Decode(&c); err != nil {
		return err
	}
	return gob.NewEncoder(out).Encode(c.make())
}

// tally collects what all of a crowd see.
type tally struct {
	sync.Mutex

	crowded
	views, answers, records []float64
}

func (t *tally) failed(err error) {
	t.Lock()
	defer t.Unlock()
	if t.Errors++; t.FirstError == "" {
		t.FirstError = err.Error()
	}
}

func (t *tally) note(all *[]float64, since time.Time) {
	took := float64(time.Since(since)) / 1e6
	t.Lock()
	defer t.Unlock()
	*all = append(*all, took)
}

// make lets the crowd come.
func (c crowd) make() crowded {
	t := &tally{}
	var all, floods sync.WaitGroup
	began := time.Now().Add(200 * time.Millisecond)
	end := began.Add(time.Duration(c.Seconds * float64(time.Second)))
	// each does something every so often until the end, beginning with its part of the interval.
	each := func(of, n int, perSecond float64, do func(i int, due time.Time) error) {
		interval := time.Duration(float64(of) / perSecond * float64(time.Second))
		due := began.Add(interval * time.Duration(n) / time.Duration(of))
		for i := 0; due.Before(end); i, due = i+1, due.Add(interval) {
			time.Sleep(time.Until(due))
			if err := do(i, due); err != nil {
				t.failed(err)
				return
			}
		}
	}
	for n := range c.People {
		all.Go(func() {
			v := visitor{port: c.Port, address: net.IPv4(127, 0, 1+byte(n/250), 1+byte(n%250))}
			defer v.close()
			each(c.People, n, c.PerSecond, func(i int, due time.Time) error {
				path := fmt.Sprintf("/s/%s/9?e=r%d-%d-%d%%40example.com", c.Campaign, c.Round, n, i)
				page, err := v.get(path)
				if err != nil {
					return err
				}
				t.note(&t.views, due)
				if !c.Answers {
					return nil
				}
				if err := v.answer(path, page); err != nil {
					return err
				}
				t.note(&t.answers, due)
				return nil
			})
		})
	}
	const recorders = 4
	for n := range recorders {
		if c.RecordPerSecond == 0 {
			break
		}
		all.Go(func() {
			v := visitor{port: c.Port, address: net.IPv4(127, 0, 0, 1)}
			defer v.close()
			each(recorders, n, c.RecordPerSecond, func(i int, due time.Time) error {
				body := c.Bodies[(i*recorders+n)%len(c.Bodies)]
				answer, err := v.do(fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
					c.Port, c.Key, len(body), body), "200")
				if err == nil && !strings.Contains(answer, `"userErrors":[]`) {
					err = fmt.Errorf("recording: %.300s", answer)
				}
				if err != nil {
					return err
				}
				t.note(&t.records, due)
				return nil
			})
		})
	}
	for range c.Flood {
		floods.Go(func() {
			v := visitor{port: c.Port, address: net.IPv4(127, 0, 200, 200)}
			defer v.close()
			time.Sleep(time.Until(began))
			for time.Now().Before(end) {
				_, err := v.get("/s/" + c.Campaign)
				t.Lock()
				t.Flooded++
				if err != nil {
					t.Refused++
				}
				t.Unlock()
				if err != nil && !errors.Is(err, errStatus) {
					v.close() // cut off, which is as good as refused
				}
			}
		})
	}
	all.Wait()
	if c.People == 0 {
		floods.Wait()
	}
	out := &t.crowded
	out.Seconds = time.Since(began).Seconds()
	floods.Wait()
	out.Views, out.Answers, out.Recorded = len(t.views), len(t.answers), len(t.records)
	out.ViewP50, out.ViewP99 = quantiles(t.views)
	out.AnswerP50, out.AnswerP99 = quantiles(t.answers)
	_, out.RecordP99 = quantiles(t.records)
	return *out
}

// quantiles are the median and the 99th percentile.
func quantiles(took []float64) (p50, p99 float64) {
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// visitor is somebody with an address and a connection.
type visitor struct {
	port    int
	address net.IP
	conn    net.Conn
	in      *bufio.Reader
}

var errStatus = errors.New("answered otherwise")

func (v *visitor) close() {
	if v.conn != nil {
		_ = v.conn.Close()
		v.conn = nil
	}
}

// do sends a request, and gives the answer's head and body. Any other status than the one wanted is an errStatus.
func (v *visitor) do(request, status string) (string, error) {
	if v.conn == nil {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: v.address}}
		conn, err := from.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", v.port))
		if err != nil {
			return "", err
		}
		v.conn, v.in = conn, bufio.NewReaderSize(conn, 16<<10)
	}
	if _, err := io.WriteString(v.conn, request); err != nil {
		return "", err
	}
	var answer strings.Builder
	length := 0
	for {
		text, err := v.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		answer.WriteString(text)
		if value, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return "", err
			}
		}
		if text == "\r\n" {
			break
		}
	}
	if _, err := io.CopyN(&answer, v.in, int64(length)); err != nil {
		return "", err
	}
	text := answer.String()
	if !strings.HasPrefix(text, "HTTP/1.1 "+status) {
		return "", fmt.Errorf("%w: %.300s", errStatus, text)
	}
	return text, nil
}

func (v *visitor) get(path string) (string, error) {
	return v.do(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Mozilla/5.0\r\nAccept-Language: en\r\n\r\n", path, v.port), "200")
}

// answer sends the page's form, with another number than it came with.
func (v *visitor) answer(path, page string) error {
	_, rest, ok := strings.Cut(page, `name="page" value="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	if !ok {
		return fmt.Errorf("no nonce in %.300s", page)
	}
	// The form is sent to the page without the number.
	action := strings.Replace(path, "/9?", "?", 1)
	body := "score=8&comment=&from=9&page=" + nonce
	_, err := v.do(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Mozilla/5.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		action, v.port, len(body), body), "303")
	return err
}

// The public pages' goals: so many people, pages and answers a second.
const (
	crowdPeople  = 250
	crowdViews   = 2_000
	crowdAnswers = 1_000
	crowdRecords = 200
)

// pages measures the public pages on both databases, while answers are recorded beside.
func (b *bench) pages(ctx context.Context) error {
	for _, database := range []string{"PostgreSQL", "SQLite"} {
		url := "sqlite://" + b.temp + "/pages.db"
		if database == "PostgreSQL" {
			var err error
			if url, err = b.pg.Create(ctx, "pages"); err != nil {
				return err
			}
		}
		w, err := settle(ctx, url, b.people)
		if err != nil {
			return err
		}
		if err := b.pagesOf(ctx, w, "Public pages, "+database); err != nil {
			return fmt.Errorf("pages on %s: %w", database, err)
		}
	}
	return nil
}

func (b *bench) pagesOf(ctx context.Context, w world, section string) (err error) {
	s, err := b.serve(ctx, w.url, "i-pages")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	bodies, err := w.singles(0)
	if err != nil {
		return err
	}
	base := crowd{
		Campaign: id.Campaign.Format(w.campaign), People: crowdPeople, Seconds: b.seconds, Key: w.secret, Bodies: bodies, RecordPerSecond: crowdRecords,
	}
	type measured struct{ rate, p50, p99 sample }
	var views, answers, quiet, flooded measured
	add := func(m *measured, n int, seconds, p50, p99 float64) {
		m.rate, m.p50, m.p99 = append(m.rate, float64(n)/seconds), append(m.p50, p50), append(m.p99, p99)
	}
	for round := range b.rounds {
		base.Round = round
		c := base
		c.PerSecond = crowdViews * 1.02 // the last are on their way when the time is over
		out, err := b.gather(ctx, s, c)
		if err != nil {
			return err
		}
		add(&views, out.Views, out.Seconds, out.ViewP50, out.ViewP99)
		c.PerSecond, c.Answers = crowdAnswers*1.02, true
		if out, err = b.gather(ctx, s, c); err != nil {
			return err
		}
		add(&answers, out.Answers, out.Seconds, out.AnswerP50, out.AnswerP99)
		c = base
		c.PerSecond = crowdViews / 4
		if out, err = b.gather(ctx, s, c); err != nil {
			return err
		}
		add(&quiet, out.Views, out.Seconds, out.ViewP50, out.ViewP99)
		over := make(chan error, 1)
		go func() { // in a process of its own, so that nobody in the crowd waits for it there
			_, err := b.gather(ctx, s, crowd{Campaign: c.Campaign, Seconds: c.Seconds + 1, Flood: 64})
			over <- err
		}()
		out, err = b.gather(ctx, s, c)
		if err := errors.Join(err, <-over); err != nil {
			return err
		}
		add(&flooded, out.Views, out.Seconds, out.ViewP50, out.ViewP99)
	}
	from := fmt.Sprintf(" from %d addresses, %d responses/s recorded beside", crowdPeople, crowdRecords)
	b.report.add(line{section: section, what: "pages" + from, unit: "pages/s", ours: views.rate, goal: "≥ 2,000/s", reached: new(views.rate.median() >= crowdViews),
		limit: "as many as are sent: each when it is due, whether others were answered or not (" + section + ")"})
	b.report.add(line{section: section, what: "the same, p99 from when it was due", unit: "ms", ours: views.p99, goal: "≤ 50 ms", reached: new(views.p99.median() <= 50)})
	b.report.add(line{section: section, what: "answers, each to a page that was opened for it," + from, unit: "answers/s", ours: answers.rate, goal: "≥ 1,000/s", reached: new(answers.rate.median() >= crowdAnswers)})
	b.report.add(line{section: section, what: "the same, p99 of page and answer, from when it was due", unit: "ms", ours: answers.p99, goal: "≤ 50 ms", reached: new(answers.p99.median() <= 50)})
	b.report.add(line{section: section, what: "500 pages/s while one address opens pages on 64 connections, p99", unit: "ms", ours: flooded.p99,
		beside: "without it", rival: quiet.p99, goal: "≤ 100 ms", reached: new(flooded.p99.median() <= 100)})
	return nil
}
