package bounce

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/edge"
)

// now is when all tests are.
var now = time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)

const (
	inv     = "inv_01h455vb4pex5vsknk084sn02q"
	topicIs = "arn:aws:sns:eu-west-1:123456789012:mails"
	secret  = "an operator's secret"
	key     = "key-0123456789abcdef"
)

// world is a Handler with keys of its own.
type world struct {
	*Handler

	t        testing.TB
	sendGrid *ecdsa.PrivateKey
	amazon   *amazon
	log      bytes.Buffer
	now      time.Time

	mu    sync.Mutex
	taken []Report
	calls int
	fails error
	// meanwhile, where not nil, is called while something is being kept.
	meanwhile func()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, sendGrid: private, amazon: newAmazon(t), now: now}
	w.Handler, err = New(Config{
		SendGridKey: encodeKey(t, private), MailgunKey: key, PostmarkSecret: secret, SESTopic: topicIs,
		Take: w.take, Door: edge.New(edge.Config{}), Now: func() time.Time { return w.now },
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Client: &http.Client{Transport: w.amazon},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func encodeKey(t testing.TB, private *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func (w *world) take(_ context.Context, reports []Report) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.meanwhile != nil {
		w.meanwhile()
	}
	if w.fails == nil {
		w.taken = append(w.taken, reports...)
	}
	return w.fails
}

// sent is what a provider sends.
type sent struct {
	method, path string
	header       http.Header
	body         []byte
	// from is the address that it comes from; one of the tests' where empty.
	from string
}

func (s sent) clone() sent {
	s.header, s.body = s.header.Clone(), bytes.Clone(s.body)
	return s
}

func (w *world) send(s sent) *httptest.ResponseRecorder {
	r := httptest.NewRequest(s.method, s.path, bytes.NewReader(s.body))
	r.Header = s.header.Clone()
	if s.from != "" {
		r.RemoteAddr = s.from
	}
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	return answer
}

// gives sends and expects a status.
func (w *world) gives(status int, s sent) *httptest.ResponseRecorder {
	w.t.Helper()
	answer := w.send(s)
	if answer.Code != status {
		w.t.Fatalf("%s: status %d, want %d: %s; the log: %s", s.path, answer.Code, status, answer.Body, w.log.String())
	}
	return answer
}

// by signs a body as a provider does.
func (w *world) by(provider, body string) sent {
	w.t.Helper()
	switch provider {
	case SendGrid:
		return w.signSendGrid(w.sendGrid, w.now, body)
	case Mailgun:
		return signMailgun(key, w.now, fmt.Sprintf("%050d", w.amazon.next()), body)
	case Postmark:
		s := sent{method: http.MethodPost, path: Prefix + Postmark, header: http.Header{}, body: []byte(body)}
		s.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("anybody:"+secret)))
		return s
	case SES:
		return w.amazon.notify(w.t, w.now, body)
	}
	w.t.Fatalf("there is no provider %q", provider)
	return sent{}
}

func (w *world) signSendGrid(private *ecdsa.PrivateKey, at time.Time, body string) sent {
	w.t.Helper()
	timestamp := strconv.FormatInt(at.Unix(), 10)
	digest := sha256.Sum256([]byte(timestamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
	if err != nil {
		w.t.Fatal(err)
	}
	return sent{method: http.MethodPost, path: "/hooks/mail/sendgrid", body: []byte(body), header: http.Header{
		"X-Twilio-Email-Event-Webhook-Signature": {base64.StdEncoding.EncodeToString(signature)},
		"X-Twilio-Email-Event-Webhook-Timestamp": {timestamp},
	}}
}

func signMailgun(key string, at time.Time, token, event string) sent {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, timestamp+token)
	return sent{method: http.MethodPost, path: "/hooks/mail/mailgun", header: http.Header{"Content-Type": {"application/json"}}, body: fmt.Appendf(nil,
		`{"signature":{"timestamp":%q,"token":%q,"signature":%q},"event-data":%s}`, timestamp, token, hex.EncodeToString(mac.Sum(nil)), event)}
}

// bounced is what each provider says of a mail to a mailbox that is not there.
var bounced = map[string]string{
	SendGrid: `[{"email":"anna.smith@example.com","timestamp":1795858200,"event":"bounce","sg_event_id":"ZXZlbnQ","reason":"550 5.1.1 no such user","status":"5.1.1","type":"bounce","zeroten":"` + inv + `"}]`,
	Mailgun:  `{"event":"failed","id":"G9Bn5sl1TC6nu79C8C0bwg","severity":"permanent","reason":"bounce","timestamp":1795858200.5,"recipient":"anna.smith@example.com","delivery-status":{"code":550,"message":"5.1.1 no such user"},"user-variables":{"zeroten":"` + inv + `"}}`,
	Postmark: `{"RecordType":"Bounce","ID":4323372036854775807,"Type":"HardBounce","MessageID":"883953f4-6105-42a2-a16a-77a8eac79483","Email":"anna.smith@example.com","Details":"550 5.1.1 no such user","BouncedAt":"2026-11-28T09:29:59.9070259Z","Metadata":{"zeroten":"` + inv + `"}}`,
	SES:      `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"anna.smith@example.com","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 no such user"}],"timestamp":"2026-11-28T09:29:59.237Z","feedbackId":"00000138111222aa-33322211-cccc"},"mail":{"headers":[{"name":"X-Zeroten-Invitation","value":"` + inv + `"}]}}`,
}

var providers = []string{SES, SendGrid, Mailgun, Postmark}

func TestWhatAProviderTellsIsTaken(t *testing.T) {
	for _, provider := range providers {
		w := newWorld(t)
		w.gives(http.StatusOK, w.by(provider, bounced[provider]))
		if len(w.taken) != 1 {
			t.Fatalf("%s: %d reports", provider, len(w.taken))
		}
		r := w.taken[0]
		if r.Provider != provider || r.Kind != Hard || r.Invitation != inv || !strings.Contains(r.Reason, "550 5.1.1 no such user") && !strings.Contains(r.Reason, "5.1.1 no such user") {
			t.Errorf("%s: %+v", provider, r)
		}
		if at := now.Sub(r.At); at < 0 || at > 24*time.Hour {
			t.Errorf("%s: at %s", provider, r.At)
		}
	}
}

// The known answer of SendGrid's documentation: what it signs is the body as it came.
func TestSendGridKnownAnswer(t *testing.T) {
	w := newWorld(t)
	known, err := parseSendGridKey("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA==")
	if err != nil {
		t.Fatal(err)
	}
	w.hooks[SendGrid] = &hook{read: known.read}
	w.now = time.Unix(1588788367, 0)
	s := sent{
		method: http.MethodPost, path: "/hooks/mail/sendgrid", body: []byte(`{"category":"example_payload","event":"test_event","message_id":"message_id"}`),
		header: http.Header{
			"X-Twilio-Email-Event-Webhook-Signature": {"MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="},
			"X-Twilio-Email-Event-Webhook-Timestamp": {"1588788367"},
		},
	}
	w.gives(http.StatusOK, s)
	if w.calls != 0 {
		t.Error("an event of a kind that is not known was handed on")
	}
	s.body = []byte(`{"event":"test_event","category":"example_payload","message_id":"message_id"}`)
	w.gives(http.StatusUnauthorized, s)
}

// refused expects that nobody believes it, that nothing is said of why, and that nothing of it comes anywhere.
func (w *world) refused(what string, s sent) {
	w.t.Helper()
	s.from = fmt.Sprintf("10.%d.%d.%d:4711", w.amazon.next()>>16&255, w.amazon.next()>>8&255, w.amazon.next()&255)
	answer := w.send(s)
	if answer.Code != http.StatusUnauthorized || answer.Body.String() != "Unauthorized.\n" {
		w.t.Errorf("%s, %s: status %d, %q", s.path, what, answer.Code, answer.Body)
	}
	if w.calls > 0 {
		w.t.Fatalf("%s, %s: it was handed on", s.path, what)
	}
}

func TestForged(t *testing.T) {
	w := newWorld(t)
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range providers {
		w.refused("unsigned", sent{method: http.MethodPost, path: Prefix + provider, header: http.Header{}, body: []byte(bounced[provider])})
		w.refused("empty", sent{method: http.MethodPost, path: Prefix + provider, header: http.Header{}})
		w.refused("no JSON", sent{method: http.MethodPost, path: Prefix + provider, header: http.Header{}, body: []byte("{")})
		for name := range w.by(provider, bounced[provider]).header {
			if name == "Content-Type" {
				continue
			}
			s := w.by(provider, bounced[provider])
			s.header.Del(name)
			w.refused("without "+name, s)
			s.header.Set(name, "")
			w.refused("with an empty "+name, s)
			s = w.by(provider, bounced[provider])
			value := []byte(s.header.Get(name))
			value[len(value)/2] ^= 1
			s.header.Set(name, string(value))
			w.refused("with another "+name, s)
		}
	}
	w.refused("by another key", w.signSendGrid(otherKey, now, bounced[SendGrid]))
	w.refused("by another key", signMailgun(key+"x", now, "token", bounced[Mailgun]))
	otherRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.refused("by another certificate", amazonOf(t, otherRSA).notify(t, now, bounced[SES]))

	// SendGrid and SES sign all that they say.
	for _, provider := range []string{SendGrid, SES} {
		good := w.by(provider, bounced[provider])
		for i := range good.body {
			if provider == SES && !strings.Contains(string(good.body[:i]), `"Message":`) {
				continue // it may be what is not signed, such as white space
			}
			if provider == SES && strings.Contains(string(good.body[:i]), `"Timestamp":`) {
				break
			}
			s := good.clone()
			if s.body[i] ^= 1; s.body[i] == '"' || good.body[i] == '"' || s.body[i] == '\\' || good.body[i] == '\\' {
				continue
			}
			w.refused(fmt.Sprintf("another byte %d", i), s)
		}
	}
	good := w.by(SendGrid, bounced[SendGrid])
	for i := range good.body {
		s := good.clone()
		s.body = s.body[:i]
		w.refused(fmt.Sprintf("cut off after %d", i), s)
	}
	// Mailgun signs the token and the time.
	good = w.by(Mailgun, bounced[Mailgun])
	for i := range bytes.Index(good.body, []byte(`"event-data"`)) {
		s := good.clone()
		s.body[i] ^= 1
		if answer := w.send(s); answer.Code != http.StatusUnauthorized && answer.Code != http.StatusTooManyRequests {
			t.Errorf("Mailgun, another byte %d: status %d: %s", i, answer.Code, s.body)
		}
	}
	for _, given := range []string{"", "an operator's secre", "an operator's secret ", "An operator's secret", strings.Repeat("x", 10_000)} {
		s := sent{method: http.MethodPost, path: Prefix + Postmark + "?secret=" + strings.ReplaceAll(given, " ", "%20"), header: http.Header{}, body: []byte(bounced[Postmark])}
		w.refused("with the secret "+given, s)
	}
	if strings.Contains(w.log.String(), "anna.") || strings.Contains(w.log.String(), inv) {
		t.Errorf("the log has something of what was sent: %s", w.log.String())
	}
}

func TestPostmarkSecret(t *testing.T) {
	w := newWorld(t)
	w.gives(http.StatusOK, sent{method: http.MethodPost, path: Prefix + "postmark?secret=an%20operator%27s%20secret", header: http.Header{}, body: []byte(bounced[Postmark])})
	s := w.by(Postmark, bounced[Postmark])
	s.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(":"+secret)))
	w.gives(http.StatusOK, s)
	if w.calls != 2 {
		t.Errorf("%d calls", w.calls)
	}
	s.header.Del("Authorization")
	if answer := w.gives(http.StatusUnauthorized, s); answer.Header().Get("WWW-Authenticate") == "" {
		t.Error("nobody is asked for a password")
	}
}

func TestOldAndEarly(t *testing.T) {
	for _, test := range []struct {
		provider string
		signed   time.Duration
		status   int
	}{
		{SendGrid, -300 * time.Second, 200},
		{SendGrid, -301 * time.Second, 401},
		{SendGrid, 300 * time.Second, 200},
		{SendGrid, 301 * time.Second, 401},
		{Mailgun, -15 * time.Minute, 200},
		{Mailgun, -15*time.Minute - time.Second, 401},
		{Mailgun, 5 * time.Minute, 200},
		{Mailgun, 5*time.Minute + time.Second, 401},
		{SES, -time.Hour, 200},
		{SES, -time.Hour - time.Second, 401},
		{SES, time.Hour, 200},
		{SES, time.Hour + time.Second, 401},
	} {
		w := newWorld(t)
		w.now = now.Add(test.signed)
		s := w.by(test.provider, bounced[test.provider])
		w.now = now
		w.gives(test.status, s)
	}
	w := newWorld(t)
	for _, timestamp := range []string{"", "0", "-1", "1e9", "1795858200.5", "9223372036854775807", "99999999999999999999", " 1795858200"} {
		digest := sha256.Sum256([]byte(timestamp + "[]"))
		signature, err := ecdsa.SignASN1(rand.Reader, w.sendGrid, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		w.refused("signed at "+timestamp, sent{method: http.MethodPost, path: "/hooks/mail/sendgrid", body: []byte("[]"), header: http.Header{
			"X-Twilio-Email-Event-Webhook-Signature": {base64.StdEncoding.EncodeToString(signature)},
			"X-Twilio-Email-Event-Webhook-Timestamp": {timestamp},
		}})
	}
}

// What Mailgun says is not signed, so that a signature is good once.
func TestMailgunTokens(t *testing.T) {
	w := newWorld(t)
	first := signMailgun(key, now, "a", bounced[Mailgun])
	w.fails = errors.New("the database is away")
	w.gives(http.StatusServiceUnavailable, first)
	w.fails = nil
	w.meanwhile = func() {
		w.mu.Unlock()
		defer w.mu.Lock()
		w.meanwhile = nil
		if answer := w.send(first); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("while it is being kept: status %d", answer.Code)
		}
	}
	w.gives(http.StatusOK, first)
	if len(w.taken) != 1 {
		t.Fatalf("%d reports", len(w.taken))
	}
	other := bytes.Replace(first.body, []byte("permanent"), []byte("temporary"), 1)
	for range 3 {
		w.now = w.now.Add(4 * time.Minute)
		s := first.clone()
		s.body = other
		w.gives(http.StatusOK, s)
	}
	w.now = w.now.Add(4 * time.Minute)
	w.gives(http.StatusUnauthorized, first)
	// The same bytes, cut elsewhere, are the same.
	cut := signMailgun(key, w.now, "12345", bounced[Mailgun])
	w.gives(http.StatusOK, cut)
	timestamp := strconv.FormatInt(w.now.Unix(), 10)
	cut.body = bytes.Replace(cut.body, []byte(`"`+timestamp+`","token":"12345"`), []byte(`"`+timestamp+`1","token":"2345"`), 1)
	if answer := w.send(cut); answer.Code == http.StatusOK && len(w.taken) > 2 {
		t.Error("the same signature was good twice")
	}
	if len(w.taken) != 2 {
		t.Errorf("%d reports", len(w.taken))
	}
}

func TestTokensAreBounded(t *testing.T) {
	tokens := tokens{most: 100}
	of := func(n int) (token [sha256.Size]byte) {
		copy(token[:], strconv.Itoa(n))
		return token
	}
	for n := range 10_000 {
		if tokens.begin(of(n), now) != unseen {
			t.Fatalf("token %d was seen", n)
		}
		tokens.end(of(n), true)
		if len(tokens.newer)+len(tokens.older) > 200 {
			t.Fatalf("%d tokens are remembered", len(tokens.newer)+len(tokens.older))
		}
		for _, back := range []int{1, 50, 100} {
			if n >= back && tokens.begin(of(n-back), now) != taken {
				t.Fatalf("token %d is forgotten at %d", n-back, n)
			}
		}
	}
}

// A token is remembered for as long as its signature is good.
func TestTokensAreRemembered(t *testing.T) {
	for age := time.Duration(0); age <= mailgunTolerance+skew; age += time.Minute {
		for before := time.Duration(0); before < 45*time.Minute; before += time.Minute {
			var tokens tokens
			tokens.begin([sha256.Size]byte{1}, now.Add(-before))
			tokens.begin([sha256.Size]byte{2}, now)
			tokens.end([sha256.Size]byte{2}, true)
			tokens.begin([sha256.Size]byte{3}, now.Add(age/2))
			if tokens.begin([sha256.Size]byte{2}, now.Add(age)) != taken {
				t.Fatalf("forgotten after %s, where there was another %s before", age, before)
			}
		}
	}
}

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{
		"/hooks/mail/":           404,
		"/hooks/mail":            404,
		"/hooks/mail/brevo":      404,
		"/hooks/mail/SendGrid":   404,
		"/hooks/mail/sendgrid/":  404,
		"/hooks/mail/sendgrid/x": 404,
		"/sendgrid":              404,
		"sendgrid":               404,
		"/hooks/mail/sendgrid":   401,
		"/hooks/mail/mailgun":    401,
		"/hooks/mail/postmark":   401,
		"/hooks/mail/ses":        401,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("[]"))
		r.URL.Path = path
		answer := httptest.NewRecorder()
		if w.ServeHTTP(answer, r); answer.Code != status {
			t.Errorf("%s: status %d, want %d", path, answer.Code, status)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "post"} {
		s := w.by(SendGrid, bounced[SendGrid])
		s.method = method
		if answer := w.gives(http.StatusMethodNotAllowed, s); answer.Header().Get("Allow") != http.MethodPost {
			t.Errorf("%s: Allow is %q", method, answer.Header().Get("Allow"))
		}
	}
	if w.calls > 0 {
		t.Error("something was handed on")
	}
}

// A provider without a key is not listened to: whoever it is could say anything.
func TestWithoutKeys(t *testing.T) {
	w := newWorld(t)
	c := w.config
	c.SendGridKey, c.MailgunKey, c.PostmarkSecret, c.SESTopic = "", "", "", ""
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Providers()) != 0 {
		t.Errorf("it listens to %v", h.Providers())
	}
	all := w.Handler
	if got := all.Providers(); len(got) != 4 || slices.ContainsFunc(providers, func(p string) bool { return !slices.Contains(got, p) }) {
		t.Errorf("it listens to %v", got)
	}
	w.Handler = h
	for _, provider := range providers {
		w.gives(http.StatusNotFound, w.by(provider, bounced[provider]))
	}
	s := w.by(Postmark, bounced[Postmark])
	s.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("anybody:")))
	w.gives(http.StatusNotFound, s)
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"SendGrid's key: ":         func(c *Config) { c.SendGridKey = "nonsense" },
		"SendGrid's key: want the": func(c *Config) { c.SendGridKey = base64.StdEncoding.EncodeToString([]byte("nonsense")) },
		"of another kind":          func(c *Config) { c.SendGridKey = encodeKey(t, p384) },
		"want its ARN":             func(c *Config) { c.SESTopic = "mails" },
		"topic of SES":             func(c *Config) { c.SESTopic = "arn:aws:sqs:eu-west-1:123456789012:mails" },
		"Mailgun's webhooks: 16":   func(c *Config) { c.MailgunKey = "key-0123456789a \n" },
		"Postmark's webhooks: 16":  func(c *Config) { c.PostmarkSecret = "fifteen letters" },
		"not 1, ":                  func(c *Config) { c.PostmarkSecret = "   x   " },
		"nobody to take":           func(c *Config) { c.Take = nil },
		"no door":                  func(c *Config) { c.Door = nil },
	} {
		c := w.config
		spoil(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := w.config
	c.SendGridKey, c.Now, c.Client = " "+c.SendGridKey+"\n", nil, nil
	if _, err := New(c); err != nil {
		t.Error(err)
	}
	// What came with a secret where it was copied from is no part of it.
	c = w.config
	c.MailgunKey, c.PostmarkSecret = c.MailgunKey+"\n", "\t"+c.PostmarkSecret+" "
	if w.Handler, err = New(c); err != nil {
		t.Fatal(err)
	}
	for _, provider := range []string{Mailgun, Postmark} {
		w.gives(http.StatusOK, w.by(provider, bounced[provider]))
	}
}

func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	for _, provider := range providers {
		s := w.by(provider, bounced[provider])
		s.body = append(s.body, bytes.Repeat([]byte(" "), MaxBody+1-len(s.body))...)
		w.gives(http.StatusRequestEntityTooLarge, s)
	}
	events := strings.Repeat(strings.Trim(bounced[SendGrid], "[]")+",", 3_000)
	body := "[" + events + "{}]"
	if body += strings.Repeat(" ", MaxBody-len(body)); len(body) != MaxBody {
		t.Fatalf("%d bytes", len(body))
	}
	w.gives(http.StatusOK, w.by(SendGrid, body))
	if len(w.taken) != 3_000 || w.calls != 1 {
		t.Errorf("%d reports in %d calls", len(w.taken), w.calls)
	}
	if err := w.config.Door.Idle(); err != nil {
		t.Error(err)
	}
}

func TestMalformed(t *testing.T) {
	w := newWorld(t)
	for provider, bodies := range map[string][]string{
		SendGrid: {"", "{", "[", `"x"`, "7", `[{"event":"bounce"}`, `[{}] x`, "\xff"},
		Mailgun:  {`"x"`, "7", "[]", "null"},
		Postmark: {"", "{", "[]", `"x"`, "null", "{} x"},
		SES:      {"{", `{"notificationType":`, "{} x"},
	} {
		for _, body := range bodies {
			s := w.by(provider, body)
			if answer := w.send(s); answer.Code != http.StatusBadRequest || strings.TrimSpace(answer.Body.String()) != "Malformed." {
				t.Errorf("%s, %s: status %d: %s", provider, body, answer.Code, answer.Body)
			}
		}
	}
	// What is not known is none of our business.
	for provider, bodies := range map[string][]string{
		SendGrid: {"[]", "null", "{}", "[{}]", "[null,7,[],{}]", `[{"event":"deferred"},{"event":"open"},{"event":"group_unsubscribe"},{"event":7}]`},
		Mailgun:  {"{}", `{"event":"opened"}`, `{"event":"accepted"}`, `{"event":{}}`},
		Postmark: {"{}", `{"RecordType":"Open"}`, `{"RecordType":"Inbound"}`, `{"RecordType":"SubscriptionChange"}`, `{"RecordType":"Bounce","Type":"AutoResponder"}`},
		SES:      {"", "Successfully validated SNS topic for Amazon SES event publishing.", "{}", "[]", `{"notificationType":"AmazonSnsSubscriptionSucceeded"}`, `{"eventType":"Open"}`, `{"notificationType":"Complaint","complaint":{"complaintFeedbackType":"not-spam"}}`},
	} {
		for _, body := range bodies {
			w.gives(http.StatusOK, w.by(provider, body))
		}
	}
	if w.calls > 0 {
		t.Error("something was handed on")
	}
}

func TestToldAgain(t *testing.T) {
	for _, provider := range providers {
		w := newWorld(t)
		s := w.by(provider, bounced[provider])
		w.fails = errors.New("the database is away")
		if answer := w.gives(http.StatusServiceUnavailable, s); answer.Header().Get("Retry-After") != "30" {
			t.Errorf("%s: Retry-After is %q", provider, answer.Header().Get("Retry-After"))
		}
		w.fails = nil
		w.gives(http.StatusOK, s)
		if len(w.taken) != 1 || w.calls != 2 {
			t.Fatalf("%s: %d reports in %d calls", provider, len(w.taken), w.calls)
		}
		// Told once more it is known by its event. (Mailgun's token would keep it back.)
		if provider == Mailgun {
			s = w.by(provider, bounced[provider])
		}
		w.gives(http.StatusOK, s)
		if len(w.taken) != 2 || w.taken[0].Event != w.taken[1].Event {
			t.Errorf("%s: %+v", provider, w.taken)
		}
		if !strings.Contains(w.log.String(), "the database is away") {
			t.Errorf("%s: nobody is told: %s", provider, w.log.String())
		}
	}
}

// Who hangs up has told it all the same.
func TestHangsUp(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var ended error
	take := w.config.Take
	w.config.Take = func(ctx context.Context, reports []Report) error {
		cancel()
		ended = ctx.Err()
		return take(ctx, reports)
	}
	s := w.by(Postmark, bounced[Postmark])
	r := httptest.NewRequestWithContext(ctx, s.method, s.path, bytes.NewReader(s.body))
	r.Header = s.header
	w.ServeHTTP(httptest.NewRecorder(), r)
	if ended != nil || len(w.taken) != 1 {
		t.Errorf("%v, %d reports", ended, len(w.taken))
	}
}

// Whoever is not believed too often is told so. That keeps back nobody who is: providers send from addresses that all their customers share.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	forged := func(provider string) sent {
		return sent{method: http.MethodPost, path: Prefix + provider, header: http.Header{}, body: []byte(bounced[provider]), from: "203.0.113.9:1"}
	}
	refused := 0
	for i := range 100 {
		switch answer := w.send(forged(providers[i%4])); answer.Code {
		case http.StatusUnauthorized:
			refused++
		case http.StatusTooManyRequests:
			if answer.Header().Get("Retry-After") == "" {
				t.Error("nobody says when to come again")
			}
		default:
			t.Fatalf("status %d", answer.Code)
		}
	}
	if refused != 20 {
		t.Errorf("%d were refused, and all others told that it is too often", refused)
	}
	for _, provider := range providers {
		s := w.by(provider, bounced[provider])
		s.from = "203.0.113.9:1"
		for range 100 {
			if provider == Mailgun {
				s = w.by(provider, bounced[provider])
				s.from = "203.0.113.9:1"
			}
			w.gives(http.StatusOK, s)
		}
	}
	other := forged(SendGrid)
	other.from = "203.0.113.10:1"
	w.gives(http.StatusUnauthorized, other)
	if lines := strings.Count(w.log.String(), "\n"); lines > len(providers) {
		t.Errorf("the log has %d lines", lines)
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// Who cannot be the provider by the head alone has no body read.
func TestHeadFirst(t *testing.T) {
	w := newWorld(t)
	signed := w.by(SendGrid, bounced[SendGrid]).header
	w.now = w.now.Add(time.Hour)
	for name, r := range map[string]sent{
		"no secret":    {path: Prefix + Postmark},
		"wrong secret": {path: Prefix + Postmark + "?secret=wrong"},
		"no signature": {path: Prefix + SendGrid},
		"an old one":   {path: Prefix + SendGrid, header: signed},
	} {
		request := httptest.NewRequest(http.MethodPost, r.path, unread{t})
		if r.header != nil {
			request.Header = r.header.Clone()
		}
		answer := httptest.NewRecorder()
		if w.ServeHTTP(answer, request); answer.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, answer.Code)
		}
	}
}
