package bounce

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what SNS signs with unless its topic says otherwise
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// snsTolerance is how far the time at which SNS was told something may be from ours. It tries for an hour at most to pass it on.
	snsTolerance = time.Hour
	// maxCertificates is how many certificates are remembered. SNS changes its own about once a year, in each region.
	maxCertificates = 16
	// fetchPatience is how long it may take to ask SNS for something, and maxFetched how many bytes of what it says are read.
	fetchPatience = 5 * time.Second
	maxFetched    = 64 << 10
	// maxFetches is how many certificates are fetched at once.
	maxFetches = 4
	// minKeyBits is how long an RSA key is at least that is believed.
	minKeyBits = 2048
)

var (
	// snsHost is a host of SNS's, of a region such as eu-west-1 or us-gov-east-1: below s3 and its like customers have names of their own.
	snsHost = regexp.MustCompile(`^sns\.[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]\.amazonaws\.com(?:\.cn)?$`)
	// certificatePath is where a host of SNS's has its certificates.
	certificatePath = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]{1,100}\.pem$`)
	topicARN        = regexp.MustCompile(`^arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)
)

// topic is the SNS topic that SES tells, and what its messages are checked by.
type topic struct {
	arn          string
	client       *http.Client
	log          *slog.Logger
	certificates *lru.Cache[string, *x509.Certificate]
	fetches      flight.Group[string, *x509.Certificate]
	// fetching holds one for each certificate that is being fetched.
	fetching chan struct{}
}

func newTopic(arn string, client *http.Client, log *slog.Logger) (*topic, error) {
	if !topicARN.MatchString(arn) {
		return nil, fmt.Errorf("the SNS topic of SES is %.100q: want its ARN, such as arn:aws:sns:eu-west-1:123456789012:mails", arn)
	}
	certificates, err := lru.New[string, *x509.Certificate](maxCertificates)
	if err != nil {
		return nil, fmt.Errorf("making room for certificates: %w", err)
	}
	strict := http.Client{}
	if client != nil {
		strict = *client
	}
	strict.Timeout, strict.Jar = fetchPatience, nil
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &topic{arn: arn, client: &strict, log: log, certificates: certificates, fetching: make(chan struct{}, maxFetches)}, nil
}

// snsMessage is what SNS sends, whatever it is about.
type snsMessage struct {
	Type             text  `json:"Type"`
	MessageID        text  `json:"MessageId"`
	TopicARN         text  `json:"TopicArn"`
	Subject          *text `json:"Subject"`
	Message          text  `json:"Message"`
	Timestamp        text  `json:"Timestamp"`
	Token            text  `json:"Token"`
	SubscribeURL     text  `json:"SubscribeURL"`
	SignatureVersion text  `json:"SignatureVersion"`
	Signature        text  `json:"Signature"`
	SigningCertURL   text  `json:"SigningCertURL"`
}

// The types of SNS's messages.
const (
	notification = "Notification"
	subscribing  = "SubscriptionConfirmation"
	unsubscribed = "UnsubscribeConfirmation"
)

// signed is what SNS signs of a message: some of its fields by name, each with its name before it.
func (m *snsMessage) signed() []byte {
	var b strings.Builder
	field := func(name string, value text) { b.WriteString(name + "\n" + string(value) + "\n") }
	field("Message", m.Message)
	field("MessageId", m.MessageID)
	if m.Type == notification {
		if m.Subject != nil {
			field("Subject", *m.Subject)
		}
		field("Timestamp", m.Timestamp)
	} else {
		field("SubscribeURL", m.SubscribeURL)
		field("Timestamp", m.Timestamp)
		field("Token", m.Token)
	}
	field("TopicArn", m.TopicARN)
	field("Type", m.Type)
	return []byte(b.String())
}

func (t *topic) read(c *call) ([]Report, error) {
	var m snsMessage
	if parse(c.body, &m) != nil {
		return nil, &refusal{why: "it is not signed"} // since the signature is in it
	}
	if err := t.verify(c, &m); err != nil {
		return nil, err
	}
	switch m.Type {
	case notification:
		return readSES(&m, c.now)
	case subscribing:
		return nil, t.subscribe(c.Context(), &m)
	}
	return nil, nil
}

// verify checks that SNS has signed the message, for this topic, and not long ago.
func (t *topic) verify(c *call, m *snsMessage) error {
	signature, err := base64.StdEncoding.DecodeString(string(m.Signature))
	if err != nil || len(signature) == 0 {
		return &refusal{why: "it is not signed"}
	}
	if m.Type != notification && m.Type != subscribing && m.Type != unsubscribed {
		return &refusal{why: "it is nothing that SNS sends"}
	}
	if string(m.TopicARN) != t.arn {
		return &refusal{why: "it is of another topic"}
	}
	if at := m.Timestamp.instant(); at.IsZero() || c.now.Sub(at).Abs() > snsTolerance {
		return &refusal{why: "it was signed too long ago, or ahead of this server's clock"}
	}
	certificate, err := t.certificate(c, string(m.SigningCertURL))
	if err != nil {
		return err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok || c.now.Before(certificate.NotBefore) || c.now.After(certificate.NotAfter) {
		return &refusal{why: "its certificate is not valid now"}
	}
	switch m.SignatureVersion {
	case "1":
		digest := sha1.Sum(m.signed()) //nolint:gosec // see the import
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature)
	case "2":
		digest := sha256.Sum256(m.signed())
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
	default:
		return &refusal{why: "it is signed in a way that is not known"}
	}
	if err != nil {
		return &refusal{why: "its signature is wrong"}
	}
	return nil
}

// ofSNS reads a URL of SNS's, with nothing in it that could lead elsewhere; nil where it is none.
func ofSNS(raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || u.Fragment != "" || !snsHost.MatchString(u.Host) {
		return nil
	}
	return u
}

// certificate is the one that a message says it is signed by. Whoever asks for one that is not known yet pays for it.
func (t *topic) certificate(c *call, raw string) (*x509.Certificate, error) {
	u := ofSNS(raw)
	if u == nil || u.RawQuery != "" || u.ForceQuery || u.RawPath != "" || !certificatePath.MatchString(u.Path) {
		return nil, &refusal{why: "its certificate is none of SNS's"}
	}
	if known, ok := t.certificates.Get(u.String()); ok {
		return known, nil
	}
	if c.payFetch() != nil {
		return nil, &refusal{why: "its certificate is not known, and too many were asked for"}
	}
	fetched, err := t.fetches.Do(c.Context(), u.String(), fetchPatience, func(ctx context.Context) (*x509.Certificate, error) {
		select {
		case t.fetching <- struct{}{}:
			defer func() { <-t.fetching }()
		default:
			return nil, &refusal{why: "too many certificates are being fetched", later: true}
		}
		body, err := t.get(ctx, u)
		if err != nil {
			return nil, err
		}
		made, err := parseCertificate(body)
		if err == nil {
			t.certificates.Add(u.String(), made)
		}
		return made, err
	})
	if err == nil {
		return fetched, nil
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		return nil, refused
	}
	t.log.WarnContext(c.Context(), "fetching a certificate of SNS's", "error", err)
	return nil, &refusal{why: "its certificate cannot be had", later: true}
}

// parseCertificate reads a certificate in PEM. The error is a *refusal.
func parseCertificate(body []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, &refusal{why: "its certificate is none"}
	}
	made, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, &refusal{why: "its certificate is none"}
	}
	if key, ok := made.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() < minKeyBits {
		return nil, &refusal{why: "its certificate has no key that is believed"}
	}
	return made, nil
}

// get asks SNS for something. The error is a *refusal where SNS says that there is no such thing.
func (t *topic) get(ctx context.Context, u *url.URL) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", u.Host, err)
	}
	answer, err := t.client.Do(r)
	if err != nil {
		if said, ok := errors.AsType[*url.Error](err); ok {
			err = said.Err // without the URL, in which there may be a token
		}
		return nil, fmt.Errorf("asking %s: %w", u.Host, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxFetched+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading what %s says: %w", u.Host, err)
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%s answers with status %d", u.Host, answer.StatusCode)
	case answer.StatusCode != http.StatusOK:
		return nil, &refusal{why: "SNS knows nothing of it"}
	case len(body) > maxFetched:
		return nil, &refusal{why: "SNS says too much of it"}
	}
	return body, nil
}

// subscribe tells SNS that its topic's messages are wanted here.
func (t *topic) subscribe(ctx context.Context, m *snsMessage) error {
	u := ofSNS(string(m.SubscribeURL))
	if u == nil || u.Path != "" && u.Path != "/" {
		return &refusal{why: "it wants to be confirmed elsewhere than at SNS"}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || query.Get("Action") != "ConfirmSubscription" || query.Get("TopicArn") != t.arn {
		return &refusal{why: "it wants something else to be confirmed"}
	}
	if _, err := t.get(ctx, u); err != nil {
		t.log.WarnContext(ctx, "confirming the subscription to the SNS topic of SES", "error", err)
		return &refusal{why: "it cannot be confirmed now", later: true}
	}
	t.log.InfoContext(ctx, "the subscription to the SNS topic of SES is confirmed", "topic", t.arn)
	return nil
}

// sesEvent is what is read of what SES tells: either kind of its notifications has the same things in it, by other names.
type sesEvent struct {
	NotificationType text `json:"notificationType"`
	EventType        text `json:"eventType"`
	Mail             loosely[struct {
		Destination loosely[[]text]     `json:"destination"`
		Headers     loosely[[]sesField] `json:"headers"`
	}] `json:"mail"`
	Bounce loosely[struct {
		Type       text                    `json:"bounceType"`
		SubType    text                    `json:"bounceSubType"`
		Recipients loosely[[]sesRecipient] `json:"bouncedRecipients"`
		Timestamp  text                    `json:"timestamp"`
		FeedbackID text                    `json:"feedbackId"`
	}] `json:"bounce"`
	Complaint loosely[struct {
		Recipients   loosely[[]sesRecipient] `json:"complainedRecipients"`
		FeedbackType text                    `json:"complaintFeedbackType"`
		Timestamp    text                    `json:"timestamp"`
		FeedbackID   text                    `json:"feedbackId"`
	}] `json:"complaint"`
	Delivery loosely[struct {
		Recipients loosely[[]text] `json:"recipients"`
		Timestamp  text            `json:"timestamp"`
	}] `json:"delivery"`
}

type sesField struct {
	Name  text `json:"name"`
	Value text `json:"value"`
}

type sesRecipient struct {
	Address    text `json:"emailAddress"`
	Status     text `json:"status"`
	Diagnostic text `json:"diagnosticCode"`
}

// sesHeader is the header of a mail that says which invitation it is.
const sesHeader = "X-Zeroten-Invitation"

// readSES reads what SES tells of one mail, and gives a report for each of those it went to.
func readSES(m *snsMessage, now time.Time) ([]Report, error) {
	var e sesEvent
	if !isObject([]byte(m.Message)) {
		return nil, nil // SES says in words that it tells this topic from now on
	}
	if err := parse([]byte(m.Message), &e); err != nil {
		return nil, err
	}
	r := Report{Provider: SES}
	for _, field := range e.Mail.is.Headers.is {
		if strings.EqualFold(string(field.Name), sesHeader) {
			r.Invitation = invitationOf(strings.TrimSpace(string(field.Value)))
		}
	}
	var to []sesRecipient
	var at, feedback text
	switch cmp.Or(e.NotificationType, e.EventType) {
	case "Bounce":
		b := e.Bounce.is
		to, at, feedback, r.Kind = b.Recipients.is, b.Timestamp, b.FeedbackID, bouncedBySES(b.Type, b.SubType)
	case "Complaint":
		c := e.Complaint.is
		if c.FeedbackType == "not-spam" || c.FeedbackType == "auth-failure" {
			return nil, nil // the contrary, and nothing that a person says
		}
		to, at, feedback, r.Kind = c.Recipients.is, c.Timestamp, c.FeedbackID, Complaint
	case "Delivery":
		d := e.Delivery.is
		to, at, r.Kind = make([]sesRecipient, len(d.Recipients.is)), d.Timestamp, Delivered
	default:
		return nil, nil
	}
	r.At = when(at.instant(), now)
	var all []string
	for _, address := range e.Mail.is.Destination.is {
		all = append(all, string(address))
	}
	for _, recipient := range to {
		all = append(all, string(recipient.Address))
	}
	if len(to) == 0 {
		to = make([]sesRecipient, 1) // it happened all the same
	}
	var reports []Report
	for i, recipient := range to {
		parts := []string{string(cmp.Or(feedback, m.MessageID))}
		if i > 0 {
			parts = append(parts, strconv.Itoa(i))
		}
		r.Event, r.Reason = eventOf([]string{string(m.Message), strconv.Itoa(i)}, parts...), ""
		if r.Kind != Delivered {
			r.Reason = reasonOf(string(cmp.Or(recipient.Diagnostic, recipient.Status)), all...)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// bouncedBySES tells what is for good.
func bouncedBySES(kind, subKind text) Kind {
	switch {
	case subKind == "UnsubscribedRecipient":
		return Unsubscribed
	case kind == "Permanent":
		return Hard
	}
	return Soft // Transient, and Undetermined, which says nothing
}
