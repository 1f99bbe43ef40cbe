package post

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"
)

var keys = sync.OnceValue(func() map[string]crypto.Signer {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"rsa": r, "ed25519": e}
})

// inPEM is a key in PKCS #8.
func inPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// inDNS is where a verifier finds the public half of a key.
func inDNS(kind string, key crypto.Signer) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		if name != "s1._domainkey.example.com" {
			return nil, errors.New("there is no record of " + name)
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if p, is := key.Public().(ed25519.PublicKey); is {
			public = p
		}
		return []string{"v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)}, err
	}
}

// verify is the fields that the one signature of a mail covers, and an error where it isn't one.
func verify(t rapid.TB, content []byte, lookUp func(string) ([]string, error)) ([]string, error) {
	t.Helper()
	found, err := dkim.VerifyWithOptions(bytes.NewReader(content), &dkim.VerifyOptions{LookupTXT: lookUp})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d signatures, %v", len(found), err)
	}
	if found[0].Domain != "example.com" {
		t.Fatalf("signed for %s", found[0].Domain)
	}
	return found[0].HeaderKeys, found[0].Err
}

func TestSignature(t *testing.T) {
	for kind, key := range keys() {
		file := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(file, inPEM(t, key), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, cfg := range []DKIMConfig{
			{Domain: "example.com", Selector: "s1", Key: inPEM(t, key)}, {Domain: "Example.com", Selector: "s1", KeyFile: file},
		} {
			o, err := Open(Config{Folder: t.TempDir(), DKIM: cfg})
			if err != nil {
				t.Fatal(err)
			}
			got := o.Send(t.Context(), example())
			if got.Verdict != Taken {
				t.Fatalf("%s: %+v", kind, got)
			}
			content, err := os.ReadFile(got.File)
			if err != nil {
				t.Fatal(err)
			}
			covered, err := verify(t, content, inDNS(kind, key))
			if err != nil {
				t.Errorf("%s: %v in\n%s", kind, err, content)
			}
			for _, name := range []string{
				"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Type", "MIME-Version",
			} {
				if !slices.ContainsFunc(covered, func(c string) bool { return strings.EqualFold(c, name) }) {
					t.Errorf("%s: %s is not covered", kind, name)
				}
			}
			// What relays do to a mail is let be; what somebody else does to it is not.
			for change, fine := range map[[2]string]bool{
				{"Received: by relay.example\r\n", ""}:                            true,
				{"\r\nTo: <Jane", "\r\nTO:\t <Jane"}:                              true,
				{"\r\nTo: <Jane", "\r\nTo: <Joe"}:                                 false,
				{"war=E2=80=99s", "ist=E2=80=99s"}:                                false,
				{"https://nps.example.com/u/abc", "https://nps.example.com/u/ab"}: false,
				{"From: \"Eve\" <eve@example.net>\r\n", ""}:                       false,
				{"List-Unsubscribe: <https://evil.example>\r\n", ""}:              false,
				{"X-SMTPAPI:", "X-Gone:"}:                                         true,
			} {
				changed := []byte(change[0] + string(content))
				if change[1] != "" {
					if !bytes.Contains(content, []byte(change[0])) {
						t.Fatalf("there is no %q in\n%s", change[0], content)
					}
					changed = bytes.Replace(content, []byte(change[0]), []byte(change[1]), 1)
				}
				// The verifier looks at what comes first of a field too few, and fields are looked at from the last on (RFC 6376, 5.4.2).
				if _, err := verify(t, changed, inDNS(kind, key)); (err == nil) != fine && change[1] != "" {
					t.Errorf("%s: after %q: %v", kind, change, err)
				}
			}
		}
	}
}

// Nobody can put in a second sender, or unsubscribing where there was none.
func TestSignatureCoversWhatIsMissing(t *testing.T) {
	key := keys()["ed25519"]
	s, err := newSigner(DKIMConfig{Domain: "example.com", Selector: "s1", Key: inPEM(t, key)})
	if err != nil {
		t.Fatal(err)
	}
	m := example()
	m.Unsubscribe = ""
	l, err := compose(m)
	if err != nil {
		t.Fatal(err)
	}
	content, err := s.signed(l.content)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, content, inDNS("ed25519", key)); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"From: eve@example.net", "List-Unsubscribe: <https://evil.example>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"} {
		if _, err := verify(t, []byte(field+"\r\n"+string(content)), inDNS("ed25519", key)); err == nil {
			t.Errorf("%s can be put in", field)
		}
	}
}

func TestSignatureOfWhatever(t *testing.T) {
	key := keys()["ed25519"]
	s, err := newSigner(DKIMConfig{Domain: "example.com", Selector: "s1", Key: inPEM(t, key)})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := example()
		h := hostile()
		m.Subject, m.Text, m.HTML, m.From.Name = h.Draw(t, "subject"), h.Draw(t, "text"), h.Draw(t, "html"), h.Draw(t, "name")
		l, err := compose(m)
		if err != nil {
			t.Fatal(err)
		}
		if l.content, err = s.signed(l.content); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, l)
		if _, err := verify(t, l.content, inDNS("ed25519", key)); err != nil {
			t.Fatalf("%v in\n%s", err, l.content)
		}
	})
}

func TestBadDKIM(t *testing.T) {
	good := inPEM(t, keys()["ed25519"])
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]DKIMConfig{
		"domain":      {Selector: "s1", Key: good},
		"selector":    {Domain: "example.com", Key: good},
		"one key":     {Domain: "example.com", Selector: "s1"},
		"give it, or": {Domain: "example.com", Selector: "s1", Key: good, KeyFile: "x"},
		"reading":     {Domain: "example.com", Selector: "s1", KeyFile: filepath.Join(t.TempDir(), "none")},
		"PEM":         {Domain: "example.com", Selector: "s1", Key: []byte("secret")},
		"1024 bits":   {Domain: "example.com", Selector: "s1", Key: inPEM(t, weak)},
		"cannot be":   {Domain: "example.com", Selector: "s1", Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")})},
		"else than":   {Domain: "example.com", Selector: "s1", Key: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("secret")})},
	} {
		if _, err := Open(Config{Folder: "x", DKIM: cfg}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(keys()["rsa"].(*rsa.PrivateKey))})
	if _, err := Open(Config{Folder: "x", DKIM: DKIMConfig{Domain: "example.com", Selector: "s1", Key: pkcs1}}); err != nil {
		t.Error(err)
	}
}
