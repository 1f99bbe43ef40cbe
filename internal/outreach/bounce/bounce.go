// Package bounce takes what mail providers tell of mails that were sent through them: that one came back, was reported as spam, or was
// delivered. It checks that it is the provider who says so, reads what it says, and hands that on in one form for all of them. It knows
// no database.
//
// What is not proven to be the provider's is not read any further than is needed to see that. What is handed on names people by the
// invitation that the mail was, and holds no address.
package bounce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/id"
)

// Prefix is what the paths of all hooks begin with. What follows is the provider's name.
const Prefix = "/hooks/mail/"

// The names of the providers, in paths and in reports.
const (
	SES      = "ses"
	SendGrid = "sendgrid"
	Mailgun  = "mailgun"
	Postmark = "postmark"
)

const (
	// MaxBody is how many bytes a provider may send at once.
	MaxBody = 1 << 20
	// MaxReason is how many characters a Report's reason has at most.
	MaxReason = 500
	// MaxEvent is how many bytes a Report's event has at most.
	MaxEvent = 200

	// skew is how far a provider's clock may be ahead of ours.
	skew = 5 * time.Minute
	// again is when a provider is told to try again.
	again = 30 * time.Second
	// patience is how long it may take to keep what was told.
	patience = 20 * time.Second
)

// Kind is what became of a mail.
type Kind string

// The kinds. The first two are values of the schema's BounceKind.
const (
	// Hard says that the mail did not arrive, and none ever will: there is no such mailbox.
	Hard Kind = "HARD"
	// Soft says that the mail did not arrive this time, or not yet: there may be several such reports of one mail, and one of another kind
	// after them. So whoever counts them counts mails, and not reports.
	Soft Kind = "SOFT"
	// Complaint says that the person reported the mail as spam; or an earlier one, for which the provider did not send this one.
	Complaint Kind = "COMPLAINT"
	// Unsubscribed says that the provider did not send the mail, since the person had told it, and not us, that they want none.
	Unsubscribed Kind = "UNSUBSCRIBED"
	// Delivered says that the person's mail server took the mail. It may come back all the same.
	Delivered Kind = "DELIVERED"
)

// Report is what a provider says became of one mail.
type Report struct {
	// Provider is one of the providers' names.
	Provider string
	// Event is the provider's id of what happened, by which it is known when it is told once more; 1 to MaxEvent bytes of printable ASCII.
	// Together with Provider it is like no other. Where the provider gives none it is made of what the report says.
	Event string
	// Invitation is the id that the mail's headers had, `inv_…`. It is empty where they had none: then it was no mail of ours.
	Invitation string
	Kind       Kind
	// Reason is what the person's mail server or the provider said; at most MaxReason characters, in one line, and without any address.
	// It is empty where nothing was said, and of what was delivered.
	Reason string
	// At is when that was, as the provider says, but not later than now; now where it does not say.
	At time.Time
}

// Config of a Handler. A provider whose key, secret or topic is not given is not listened to.
type Config struct {
	// SendGridKey is the public key of SendGrid's signed event webhook: an ECDSA key on P-256 in DER, in base64.
	SendGridKey string
	// MailgunKey is Mailgun's HTTP webhook signing key.
	MailgunKey string
	// PostmarkSecret is what Postmark is told to send as the password of Basic authentication, whoever the user, or as `?secret=…`: it
	// signs nothing.
	PostmarkSecret string
	// SESTopic is the ARN of the SNS topic that SES tells.
	SESTopic string

	// Take keeps what was told; it is durable once there is no error. Where there is one the provider is asked to tell it again later. The
	// same may be told more than once, and in any order.
	Take func(ctx context.Context, reports []Report) error
	Door *edge.Door
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
	// Client fetches the certificates that SNS signs with, and confirms subscriptions; nil means a new one. It follows no redirect and waits
	// for 5 s at most, whatever it says itself.
	Client *http.Client
}

// hook is how one provider is listened to.
type hook struct {
	// challenge is what is answered in WWW-Authenticate where the provider is not proven to be there; mostly none.
	challenge string
	// greet, where not nil, checks what stands in the head: whoever lacks what is needed there is refused before their body is read. The error is
	// a *refusal.
	greet func(*call) error
	// read checks what was sent, and reads it. The error is a *refusal, or errMalformed.
	read func(*call) ([]Report, error)
}

// call is one request of a provider, or of somebody who says so.
type call struct {
	*http.Request

	body []byte
	now  time.Time
	// payFetch takes a point of whoever calls, for what is fetched for them.
	payFetch func() error
	// settle, where not nil, is called once it is over, and is told whether the reports were kept.
	settle func(kept bool)
}

// refusal is why somebody is not believed, or not yet, in words of ours that may be logged.
type refusal struct {
	why string
	// later says that it is worth trying again; it is nothing that the caller has done.
	later bool
}

func (r *refusal) Error() string { return r.why }

// errMalformed is that of what a provider sent, and cannot be read.
var errMalformed = errors.New("malformed")

// Handler serves the hooks of all providers that are listened to, `/hooks/mail/…`. It is safe for concurrent use.
type Handler struct {
	config Config
	hooks  map[string]*hook

	// told is when it was last said of a provider that somebody is not believed.
	mu   sync.Mutex
	told map[string]time.Time
}

// ConfigError says what is wrong with what the operator set.
type ConfigError struct {
	// Field is the Config's.
	Field string
	err   error
}

// Error says what is wrong, and nothing of a key.
func (e *ConfigError) Error() string { return e.err.Error() }

// Unwrap is the reason.
func (e *ConfigError) Unwrap() error { return e.err }

// New makes a Handler. What is wrong with what the operator set is a *ConfigError.
func New(c Config) (*Handler, error) {
	if c.Take == nil || c.Door == nil || c.Log == nil {
		return nil, errors.New("listening to mail providers: there is nobody to take what they tell, no door or no log")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	hooks, err := c.hooks()
	if err != nil {
		return nil, err
	}
	return &Handler{config: c, hooks: hooks, told: map[string]time.Time{}}, nil
}

// Check says what New would say of what the operator set.
func (c Config) Check() error {
	_, err := c.hooks()
	return err
}

func (c Config) hooks() (map[string]*hook, error) {
	hooks := map[string]*hook{}
	if c.SendGridKey != "" {
		key, err := parseSendGridKey(c.SendGridKey)
		if err != nil {
			return nil, &ConfigError{"SendGridKey", err}
		}
		hooks[SendGrid] = &hook{greet: key.greet, read: key.read}
	}
	if c.MailgunKey != "" {
		key, err := shared("the key of Mailgun's webhooks", c.MailgunKey)
		if err != nil {
			return nil, &ConfigError{"MailgunKey", err}
		}
		hooks[Mailgun] = &hook{read: newMailgun(key).read}
	}
	if c.PostmarkSecret != "" {
		secret, err := shared("the password of Postmark's webhooks", c.PostmarkSecret)
		if err != nil {
			return nil, &ConfigError{"PostmarkSecret", err}
		}
		known := newPostmark(secret)
		hooks[Postmark] = &hook{greet: known.greet, read: known.read, challenge: `Basic realm="hooks"`}
	}
	if c.SESTopic != "" {
		topic, err := newTopic(c.SESTopic, c.Client, c.Log)
		if err != nil {
			return nil, &ConfigError{"SESTopic", err}
		}
		hooks[SES] = &hook{read: topic.read}
	}
	return hooks, nil
}

// leastShared is how many characters a secret has at least that we share with a provider: whoever guesses it suppresses whom they like.
const leastShared = 16

// shared checks a secret that we share with a provider, and gives it without what surrounds it where it was copied from.
func shared(what, secret string) (string, error) {
	secret = strings.TrimSpace(secret)
	if n := utf8.RuneCountInString(secret); n < leastShared {
		return "", fmt.Errorf("%s: %d characters or more, not %d, since who guesses it suppresses whom they like", what, leastShared, n)
	}
	return secret, nil
}

// Providers are those that are listened to, by their names, in no order.
func (h *Handler) Providers() []string {
	names := make([]string, 0, len(h.hooks))
	for name := range h.hooks {
		names = append(names, name)
	}
	return names
}

// ServeHTTP answers 200 once all that was told is kept; 401 whoever cannot prove to be the provider, and 429 where that is so too often,
// but never a provider that can; 400 what a provider sent and cannot be read, 413 what is too large, and 503 what is to be told again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	hook := h.hooks[name]
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case hook == nil || name == r.URL.Path:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Not with this method.", http.StatusMethodNotAllowed)
		return
	}
	from := h.config.Door.Address(r)
	holder := edge.Network(from).String()
	now := h.config.Now()
	c := &call{Request: r, now: now, payFetch: func() error { return h.config.Door.OfViews(from).Take(1, now) }}
	if hook.greet != nil {
		if err := hook.greet(c); err != nil {
			h.config.Door.GiveUp(w, r, false)
			h.answer(w, hook, name, c, h.config.Door.OfForms(from), err)
			return
		}
	}
	in := h.config.Door.Intake(holder, nil)
	defer in.Done()
	body, err := in.Body(w, r, holder, MaxBody)
	if err == nil {
		err = in.Wait(r.Context())
	}
	if err != nil {
		h.unread(w, r, err)
		return
	}
	c.body = body
	kept := false
	defer func() {
		if c.settle != nil {
			c.settle(kept)
		}
	}()
	reports, err := hook.read(c)
	if err == nil && len(reports) > 0 {
		err = h.take(r.Context(), name, reports)
	}
	kept = err == nil
	h.answer(w, hook, name, c, h.config.Door.OfForms(from), err)
}

// take hands on what was told. Whoever told it may hang up meanwhile: not all of them tell it again.
func (h *Handler) take(ctx context.Context, name string, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := h.config.Take(ctx, reports); err != nil {
		h.config.Log.ErrorContext(ctx, "keeping what a mail provider tells", "provider", name, "error", err)
		return &refusal{why: "not kept", later: true}
	}
	return nil
}

// answer says what became of a call. Whoever is not believed pays for it from the bucket.
func (h *Handler) answer(w http.ResponseWriter, hook *hook, name string, c *call, bucket edge.Bucket, err error) {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK) // no other will do for all of them
	case !ok:
		h.warn(c, name, "what it sent cannot be read")
		http.Error(w, "Malformed.", http.StatusBadRequest)
	case refused.later:
		retryAfter(w, again)
		http.Error(w, "Try again later.", http.StatusServiceUnavailable)
	default:
		h.warn(c, name, refused.why)
		// Those who share an address with others are looked at all the same: many have theirs of the same provider.
		if spent, is := errors.AsType[*edge.Refusal](bucket.Take(1, c.now)); is {
			retryAfter(w, spent.Wait)
			w.Header().Set("Connection", "close")
			http.Error(w, "Too many requests.", http.StatusTooManyRequests)
			return
		}
		if hook.challenge != "" {
			w.Header().Set("WWW-Authenticate", hook.challenge)
		}
		http.Error(w, "Unauthorized.", http.StatusUnauthorized)
	}
}

// warn tells the log once a minute of a provider why what comes in its name is not taken, so that a key which is wrong is seen. It tells
// nothing of what came.
func (h *Handler) warn(c *call, name, why string) {
	h.mu.Lock()
	last, was := h.told[name]
	quiet := was && c.now.Sub(last).Abs() < time.Minute
	if !quiet {
		h.told[name] = c.now
	}
	h.mu.Unlock()
	if !quiet {
		h.config.Log.WarnContext(c.Context(), "what came in a mail provider's name was not taken", "provider", name, "why", why)
	}
}

// unread answers where a body was not read to its end.
func (h *Handler) unread(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*edge.Refusal](err)
	if !ok {
		refused = &edge.Refusal{Why: edge.Broken}
	}
	h.config.Door.GiveUp(w, r, refused.Why == edge.Late)
	switch refused.Why {
	case edge.TooLarge:
		http.Error(w, fmt.Sprintf("Want at most %d bytes.", MaxBody), http.StatusRequestEntityTooLarge)
	case edge.Late:
		http.Error(w, "Too slow.", http.StatusRequestTimeout)
	case edge.Broken:
		http.Error(w, "The body has no end.", http.StatusBadRequest)
	default:
		retryAfter(w, max(refused.Wait, time.Second))
		http.Error(w, "Try again later.", http.StatusServiceUnavailable)
	}
}

func retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
}

// invitationOf is the id that a mail had, where it is one of an invitation.
func invitationOf(text string) string {
	kind, _, err := id.Parse(text)
	if err != nil || kind != id.Invitation {
		return ""
	}
	return text
}

// when is an instant as a report has it.
func when(said, now time.Time) time.Time {
	if said.Unix() <= 0 || said.After(now) {
		return now
	}
	return said
}
