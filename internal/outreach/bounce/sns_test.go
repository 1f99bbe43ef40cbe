package bounce

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const certificateAt = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-56e67fcb41f6fec09b0196692625d385.pem"

// amazon is what SNS is over there: it signs, and hands its certificate out.
type amazon struct {
	key *rsa.PrivateKey

	mu    sync.Mutex
	asked []string
	says  map[string]answer
	count int
}

type answer struct {
	status int
	body   string
	err    error
	header http.Header
}

// keys of RSA take long to make.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newAmazon(t testing.TB) *amazon {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return amazonOf(t, key)
}

func amazonOf(t testing.TB, key *rsa.PrivateKey) *amazon {
	t.Helper()
	a := &amazon{key: key, says: map[string]answer{}}
	a.says[certificateAt] = answer{status: 200, body: certify(t, key, now.AddDate(0, -6, 0), now.AddDate(0, 6, 0))}
	return a
}

func certify(t testing.TB, key *rsa.PrivateKey, from, to time.Time) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// next counts.
func (a *amazon) next() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	return a.count
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.String())
	says, ok := a.says[r.URL.String()]
	if !ok {
		says = answer{status: 404, body: "no such thing"}
	}
	if says.err != nil {
		return nil, says.err
	}
	header := says.header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: says.status, Body: io.NopCloser(strings.NewReader(says.body)), Header: header, Request: r}, nil
}

// message is one of SNS's, before it is signed.
func (a *amazon) message(at time.Time, kind string) map[string]string {
	return map[string]string{
		"Type": kind, "MessageId": "22b80b92-fdea-4c2c-8f9d-" + strconv.Itoa(100_000_000_000+a.next()), "TopicArn": topicIs,
		"Timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2", "SigningCertURL": certificateAt,
	}
}

func (a *amazon) notify(t testing.TB, at time.Time, message string) sent {
	t.Helper()
	m := a.message(at, "Notification")
	m["Message"] = message
	return a.sign(t, m)
}

// confirm is what SNS sends before all else.
func (a *amazon) confirm(t testing.TB, at time.Time, subscribeURL string) sent {
	t.Helper()
	m := a.message(at, "SubscriptionConfirmation")
	m["Message"], m["Token"], m["SubscribeURL"] = "You have chosen to subscribe to the topic.", "2336412f37", subscribeURL
	return a.sign(t, m)
}

// sign signs what AWS documents that it signs: these fields, in this order.
func (a *amazon) sign(t testing.TB, m map[string]string) sent {
	t.Helper()
	fields := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		fields = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	text := ""
	for _, field := range fields {
		if value, there := m[field]; there {
			text += field + "\n" + value + "\n"
		}
	}
	var hash crypto.Hash
	var digest []byte
	if m["SignatureVersion"] == "1" {
		sum := sha1.Sum([]byte(text))
		hash, digest = crypto.SHA1, sum[:]
	} else {
		sum := sha256.Sum256([]byte(text))
		hash, digest = crypto.SHA256, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	// Maps are written in the order of their keys, so that what is signed lies between Message and Timestamp.
	return sent{method: http.MethodPost, path: "/hooks/mail/ses", header: http.Header{"Content-Type": {"text/plain; charset=UTF-8"}}, body: []byte(mustJSON(t, m))}
}

func TestSNSSigns(t *testing.T) {
	// As AWS documents it, letter for letter.
	subject := text("My subject")
	m := snsMessage{
		Type: "Notification", Message: "My Test Message", MessageID: "4d4dc071-ddbf-465d-bba8-08f81c89da64", Subject: &subject,
		Timestamp: "2019-01-31T04:37:04.321Z", TopicARN: "arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P", Token: "t", SubscribeURL: "u",
	}
	if want := "Message\nMy Test Message\nMessageId\n4d4dc071-ddbf-465d-bba8-08f81c89da64\nSubject\nMy subject\nTimestamp\n2019-01-31T04:37:04.321Z\n" +
		"TopicArn\narn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P\nType\nNotification\n"; string(m.signed()) != want {
		t.Errorf("%q\n%q", m.signed(), want)
	}
	w := newWorld(t)
	for _, version := range []string{"1", "2"} {
		for _, subject := range []string{"", "Amazon SES Email Event Notification"} {
			m := w.amazon.message(now, "Notification")
			m["SignatureVersion"], m["Message"] = version, bounced[SES]
			if subject != "" {
				m["Subject"] = subject
			}
			w.gives(http.StatusOK, w.amazon.sign(t, m))
		}
	}
	if len(w.taken) != 4 {
		t.Errorf("%d reports", len(w.taken))
	}
	if len(w.amazon.asked) != 1 {
		t.Errorf("the certificate was fetched %d times", len(w.amazon.asked))
	}
	for _, version := range []string{"", "0", "3", "2.0"} {
		w := newWorld(t)
		m := w.amazon.message(now, "Notification")
		m["SignatureVersion"], m["Message"] = version, bounced[SES]
		w.refused("signed by version "+version, w.amazon.sign(t, m))
	}
	// What was signed as one version is nothing as the other.
	m2 := w.amazon.message(now, "Notification")
	m2["Message"] = bounced[SES]
	s := w.amazon.sign(t, m2)
	s.body = bytes.Replace(s.body, []byte(`"SignatureVersion":"2"`), []byte(`"SignatureVersion":"1"`), 1)
	w.gives(http.StatusUnauthorized, s)
}

func TestOtherTopics(t *testing.T) {
	for _, arn := range []string{"", "arn:aws:sns:eu-west-1:123456789012:mail", "arn:aws:sns:eu-west-1:210987654321:mails", topicIs + " ", strings.ToUpper(topicIs)} {
		w := newWorld(t)
		m := w.amazon.message(now, "Notification")
		m["TopicArn"], m["Message"] = arn, bounced[SES]
		w.refused("of the topic "+arn, w.amazon.sign(t, m))
		if len(w.amazon.asked) > 0 {
			t.Errorf("%s: something was fetched", arn)
		}
	}
	w := newWorld(t)
	m := w.amazon.message(now, "Something")
	m["Message"] = bounced[SES]
	w.refused("of another type", w.amazon.sign(t, m))
}

// Only SNS's own hosts are ever asked, and only for certificates.
func TestCertificatesOfOthers(t *testing.T) {
	for _, u := range []string{
		"", "x", "//sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"HTTPS+x://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
		"https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
		"https://evil.example@sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://evil.example#sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://evil.example\\sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://s3.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.s3.amazonaws.com/SimpleNotificationService-1.pem", // buckets of this name
		"https://sns.s3-eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.s3.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.evil.example.amazonaws.com/SimpleNotificationService-1.pem",
		"https://evilsns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonawsxcom/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com./SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com.cn.evil.example/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem?x",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem?",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem#x",
		"https://sns.eu-west-1.amazonaws.com/x/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem/x",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1%2e.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-../x.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-.pem",
		"https://sns.eu-west-1.amazonaws.com/other.pem",
		"https://sns.eu-west-1.amazonaws.com/",
		"file:///SimpleNotificationService-1.pem",
		"https:sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
	} {
		w := newWorld(t)
		m := w.amazon.message(now, "Notification")
		m["SigningCertURL"], m["Message"] = u, bounced[SES]
		w.amazon.says[u] = w.amazon.says[certificateAt]
		w.refused("by the certificate at "+u, w.amazon.sign(t, m))
		if len(w.amazon.asked) > 0 {
			t.Errorf("%s: it was fetched", u)
		}
	}
	for _, u := range []string{
		"https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-1f.pem",
		"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-a1.pem",
	} {
		w := newWorld(t)
		m := w.amazon.message(now, "Notification")
		m["SigningCertURL"], m["Message"] = u, bounced[SES]
		w.amazon.says[u] = w.amazon.says[certificateAt]
		w.gives(http.StatusOK, w.amazon.sign(t, m))
	}
}

func TestCertificates(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	good := certify(t, key, now.AddDate(0, -6, 0), now.AddDate(0, 6, 0))
	// One that is short enough to be broken signs as well as any other.
	weak := newWorld(t)
	weak.amazon.key = short
	weak.amazon.says[certificateAt] = answer{status: 200, body: certify(t, short, now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))}
	weak.refused("signed by a short key", weak.by(SES, bounced[SES]))
	for name, test := range map[string]struct {
		says   answer
		status int
	}{
		"over":           {answer{status: 200, body: certify(t, key, now.AddDate(-1, 0, 0), now.Add(-time.Second))}, 401},
		"to come":        {answer{status: 200, body: certify(t, key, now.Add(time.Second), now.AddDate(1, 0, 0))}, 401},
		"none":           {answer{status: 200, body: "x"}, 401},
		"broken":         {answer{status: 200, body: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, 401},
		"a key":          {answer{status: 200, body: strings.ReplaceAll(good, "CERTIFICATE", "PUBLIC KEY")}, 401},
		"not there":      {answer{status: 404, body: good}, 401},
		"elsewhere":      {answer{status: 302, body: good, header: http.Header{"Location": {"https://evil.example/"}}}, 401},
		"large":          {answer{status: 200, body: good + strings.Repeat("x", 64<<10)}, 401},
		"away":           {answer{status: 503, body: good}, 503},
		"out of reach":   {answer{err: errors.New("no route to host")}, 503},
		"much too often": {answer{status: 429, body: good}, 503},
		"good":           {answer{status: 200, body: good}, 200},
	} {
		w := newWorld(t)
		w.amazon.says[certificateAt] = test.says
		s := w.by(SES, bounced[SES])
		w.gives(test.status, s)
		if len(w.amazon.asked) != 1 {
			t.Errorf("%s: %v were asked for", name, w.amazon.asked)
		}
		if w.calls > 0 != (test.status == 200) {
			t.Errorf("%s: it was handed on, or was not", name)
		}
		w.amazon.says[certificateAt] = answer{status: 200, body: good}
		if test.status == 503 { // it is asked for once more
			w.gives(200, s)
		}
	}
	// A certificate that is known ends as well.
	w := newWorld(t)
	w.gives(http.StatusOK, w.by(SES, bounced[SES]))
	w.now = now.AddDate(0, 7, 0)
	w.gives(http.StatusUnauthorized, w.by(SES, bounced[SES]))
}

// What is remembered of certificates does not grow, and nobody has us fetch without end.
func TestCertificatesAreBounded(t *testing.T) {
	w := newWorld(t)
	refused := 0
	for i := range 200 {
		m := w.amazon.message(now, "Notification")
		u := strings.Replace(certificateAt, "56e67f", strconv.Itoa(i), 1)
		m["SigningCertURL"], m["Message"] = u, bounced[SES]
		w.amazon.says[u] = w.amazon.says[certificateAt]
		if answer := w.send(w.amazon.sign(t, m)); answer.Code != http.StatusOK {
			refused++
		}
	}
	if refused == 0 || len(w.amazon.asked)+refused != 200 {
		t.Errorf("%d were fetched, %d refused", len(w.amazon.asked), refused)
	}
}

func TestSubscribing(t *testing.T) {
	const good = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:123456789012:mails&Token=2336412f37"
	w := newWorld(t)
	w.amazon.says[good] = answer{status: 200, body: "<ConfirmSubscriptionResponse/>"}
	w.gives(http.StatusOK, w.amazon.confirm(t, now, good))
	if len(w.amazon.asked) != 2 || w.amazon.asked[1] != good {
		t.Errorf("%v were asked for", w.amazon.asked)
	}
	if !strings.Contains(w.log.String(), "confirmed") {
		t.Errorf("the log: %s", w.log.String())
	}
	for _, u := range []string{
		"", "x",
		"http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topicIs,
		"https://evil.example/?Action=ConfirmSubscription&TopicArn=" + topicIs,
		"https://sns.eu-west-1.amazonaws.com.evil.example/?Action=ConfirmSubscription&TopicArn=" + topicIs,
		"https://sns.eu-west-1.amazonaws.com@evil.example/?Action=ConfirmSubscription&TopicArn=" + topicIs,
		"https://169.254.169.254/?Action=ConfirmSubscription&TopicArn=" + topicIs,
		"https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&TopicArn=" + topicIs,
		"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:210987654321:mails",
		"https://sns.eu-west-1.amazonaws.com/x?Action=ConfirmSubscription&TopicArn=" + topicIs,
		"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
	} {
		w := newWorld(t)
		w.amazon.says[u] = answer{status: 200}
		w.refused("to be confirmed at "+u, w.amazon.confirm(t, now, u))
		if len(w.amazon.asked) != 1 {
			t.Errorf("%s: %v were asked for", u, w.amazon.asked)
		}
	}
	// Whoever is not SNS has nothing confirmed.
	w = newWorld(t)
	forged := w.amazon.confirm(t, now, good)
	forged.body = bytes.Replace(forged.body, []byte("Token=2336412f37"), []byte("Token=2336412f38"), 1)
	w.refused("with another token", forged)
	if len(w.amazon.asked) != 1 {
		t.Errorf("%v were asked for", w.amazon.asked)
	}
	for name, says := range map[string]answer{
		"away":         {status: 500},
		"gone":         {status: 404},
		"elsewhere":    {status: 302, header: http.Header{"Location": {"https://evil.example/"}}},
		"out of reach": {err: errors.New("no route to host")},
	} {
		w := newWorld(t)
		w.amazon.says[good] = says
		w.gives(http.StatusServiceUnavailable, w.amazon.confirm(t, now, good))
		if len(w.amazon.asked) != 2 {
			t.Errorf("%s: %v were asked for", name, w.amazon.asked)
		}
		if strings.Contains(w.log.String(), "2336412f37") {
			t.Errorf("%s: the token is in the log: %s", name, w.log.String())
		}
	}
	// That somebody has ended it changes nothing here.
	w = newWorld(t)
	m := w.amazon.message(now, "UnsubscribeConfirmation")
	m["Message"], m["Token"], m["SubscribeURL"] = "You have chosen to deactivate a subscription.", "2336412f37", good
	w.gives(http.StatusOK, w.amazon.sign(t, m))
	if len(w.amazon.asked) != 1 || w.calls != 0 {
		t.Errorf("%v were asked for", w.amazon.asked)
	}
}

// slow holds all that is asked for until it may go on.
type slow struct {
	*amazon

	asked chan struct{}
	may   chan struct{}
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked <- struct{}{}
	select {
	case <-s.may:
		return s.amazon.RoundTrip(r)
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// All who wait for one certificate have it fetched once, and few are fetched at once.
func TestFetchesAreFew(t *testing.T) {
	w := newWorld(t)
	held := &slow{amazon: w.amazon, asked: make(chan struct{}, 100), may: make(chan struct{})}
	topic, err := newTopic(topicIs, &http.Client{Transport: held}, w.config.Log)
	if err != nil {
		t.Fatal(err)
	}
	w.hooks[SES] = &hook{read: topic.read}
	messages := make([]sent, 0, 2*maxFetches)
	for i := range maxFetches {
		m := w.amazon.message(now, "Notification")
		m["SigningCertURL"], m["Message"] = strings.Replace(certificateAt, "56e67f", strconv.Itoa(i), 1), bounced[SES]
		w.amazon.says[m["SigningCertURL"]] = w.amazon.says[certificateAt]
		messages = append(messages, w.amazon.sign(t, m), w.amazon.sign(t, m))
	}
	var all sync.WaitGroup
	for _, s := range messages {
		all.Go(func() {
			if answer := w.send(s); answer.Code != http.StatusOK {
				t.Errorf("status %d", answer.Code)
			}
		})
	}
	for range maxFetches {
		<-held.asked
	}
	w.gives(http.StatusServiceUnavailable, w.by(SES, bounced[SES])) // by the certificate that nobody has asked for
	close(held.may)
	all.Wait()
	if len(w.amazon.asked) != maxFetches {
		t.Errorf("%d were fetched", len(w.amazon.asked))
	}
}
