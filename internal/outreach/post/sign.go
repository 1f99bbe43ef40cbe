package post

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/emersion/go-msgauth/dkim"
)

// DKIMConfig is what mails are signed with (RFC 6376). It is all there, with Key or KeyFile, or not at all.
type DKIMConfig struct {
	// Domain is whose mails they are, and Selector names the key: its public half is in the domain's DNS, at <selector>._domainkey.<domain>.
	Domain, Selector string
	// Key is the private key in PEM: RSA with 2048 bits or more, or Ed25519, in PKCS #8 or PKCS #1.
	Key []byte
	// KeyFile is the path of a file that has the key.
	KeyFile string
}

// signer signs mails.
type signer struct{ options dkim.SignOptions }

// signedFields are the fields that a signature covers. It covers them where they are missing, too, so that nobody can put them in, and
// From twice, so that nobody can put in another. One-click unsubscribing counts for nothing but where its fields are covered (RFC 8058).
// Fields that providers take out are not among them.
var signedFields = []string{
	"From", "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
	"Auto-Submitted", "Content-Language", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}

const minBits = 2048

// newSigner reads a configuration; nil where there is none.
func newSigner(cfg DKIMConfig) (*signer, error) {
	if cfg.Domain == "" && cfg.Selector == "" && len(cfg.Key) == 0 && cfg.KeyFile == "" {
		return nil, nil
	}
	domain, err := asciiDomain(cfg.Domain)
	if err != nil {
		return nil, &ConfigError{"DKIM.Domain", errors.New("the domain that mails are signed for (DKIM) is missing, or no domain")}
	}
	selector, err := asciiDomain(cfg.Selector)
	if err != nil {
		return nil, &ConfigError{"DKIM.Selector", errors.New("the selector of the key that mails are signed with (DKIM) is missing, or no name in DNS")}
	}
	data := cfg.Key
	switch {
	case len(data) > 0 && cfg.KeyFile != "", len(data) == 0 && cfg.KeyFile == "":
		return nil, &ConfigError{"DKIM.Key", errors.New("mails are signed (DKIM) with one key: give it, or the file that has it")}
	case cfg.KeyFile != "":
		if data, err = os.ReadFile(cfg.KeyFile); err != nil {
			return nil, &ConfigError{"DKIM.KeyFile", fmt.Errorf("reading the key that mails are signed with (DKIM): %w", err)}
		}
	}
	key, err := parseKey(data)
	if err != nil {
		return nil, &ConfigError{"DKIM.Key", fmt.Errorf("the key that mails are signed with (DKIM): %w", err)}
	}
	return &signer{options: dkim.SignOptions{
		Domain: domain, Selector: selector, Signer: key, Hash: crypto.SHA256, HeaderKeys: signedFields,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	}}, nil
}

// parseKey reads a private key. Its errors say nothing of it.
func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("it is not in PEM, which begins with -----BEGIN PRIVATE KEY-----")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, errors.New("its PEM has something else than a private key without a password")
	}
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	switch key := parsed.(type) {
	case ed25519.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		if key.N.BitLen() < minBits {
			return nil, fmt.Errorf("it has %d bits, and must have %d at least", key.N.BitLen(), minBits)
		}
		return key, nil
	}
	return nil, errors.New("it is neither RSA nor Ed25519")
}

// signed is a mail with its signature before it.
func (s *signer) signed(content []byte) ([]byte, error) {
	var w bytes.Buffer
	if err := dkim.Sign(&w, bytes.NewReader(content), &s.options); err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}
