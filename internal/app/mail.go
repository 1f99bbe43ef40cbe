package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"

	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/bounce"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/survey"
)

// defaultMailFolder is where mails are written to where nobody says where.
const defaultMailFolder = "zeroten-mails"

// Mail is how mails leave a server, and who tells it what became of them.
type Mail struct {
	MailURL    string `name:"mail-url" env:"MAIL_URL" placeholder:"URL" help:"Send mails by this server, e.g. smtp://user:password@smtp.example.com:587; without one they are written to --mail-folder."`
	MailFrom   string `env:"ZEROTEN_MAIL_FROM" placeholder:"ADDRESS" help:"Whose address mails come from where a tenant has confirmed none (default: no-reply@ and the host of --public-url)."`
	MailsADay  int    `name:"mails-a-day" env:"ZEROTEN_MAILS_A_DAY" placeholder:"NUMBER" help:"Send this many mails of a tenant in a day of its calendar at most; what is over it waits for the next (default: no limit)."`
	MailFolder string `env:"ZEROTEN_MAIL_FOLDER" default:"${mail_folder}" placeholder:"FOLDER" help:"Write mails here as .eml files where there is no --mail-url (default ${default})."`

	DKIMDomain   string `name:"dkim-domain" env:"ZEROTEN_DKIM_DOMAIN" placeholder:"DOMAIN" help:"Sign mails for this domain, where the mail server does not."`
	DKIMSelector string `name:"dkim-selector" env:"ZEROTEN_DKIM_SELECTOR" placeholder:"NAME" help:"Where the domain shows the public key: NAME._domainkey."`
	DKIMKey      string `name:"dkim-key" env:"ZEROTEN_DKIM_KEY" type:"existingfile" placeholder:"FILE" help:"The private key to sign with, as PEM."`

	SendGridKey    string `name:"sendgrid-key" env:"ZEROTEN_SENDGRID_KEY" placeholder:"KEY" help:"Believe SendGrid's event webhook where it is signed with the key of this public one."`
	MailgunKey     string `env:"ZEROTEN_MAILGUN_KEY" placeholder:"KEY" help:"Believe Mailgun's webhooks where they are signed with this key, of 16 characters or more."`
	PostmarkSecret string `env:"ZEROTEN_POSTMARK_SECRET" placeholder:"SECRET" help:"Believe Postmark's webhooks where they have this secret, of 16 characters or more, as password."`
	SESTopic       string `name:"ses-topic" env:"ZEROTEN_SES_TOPIC" placeholder:"ARN" help:"Believe what SNS says of SES by this topic."`
}

// office is where the server's mails are handed in.
func (m *Mail) office(log *slog.Logger, site survey.Site) (*post.Office, error) {
	c := post.Config{URL: m.MailURL, Folder: m.MailFolder, Log: log}
	if c.Folder == "" {
		c.Folder = defaultMailFolder
	}
	if u, err := url.Parse(string(site)); err == nil {
		c.Hello = u.Hostname()
	}
	if m.DKIMKey != "" {
		key, err := os.ReadFile(m.DKIMKey)
		if err != nil {
			return nil, usage("--dkim-key: %w", err)
		}
		c.DKIM = post.DKIMConfig{Domain: m.DKIMDomain, Selector: m.DKIMSelector, Key: key}
	} else if m.DKIMDomain != "" || m.DKIMSelector != "" {
		return nil, usage("--dkim-domain and --dkim-selector say who signs: say with what by --dkim-key")
	}
	office, err := post.Open(c)
	if wrong, ok := errors.AsType[*post.ConfigError](err); ok {
		return nil, usage("%s: %w", postFlags[wrong.Field], err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening where mails are handed in: %w", err)
	}
	return office, nil
}

// postFlags are the flags that say what the fields of post.Config are. Whoever gives no public URL has --listen for it.
var postFlags = map[string]string{
	"URL": "--mail-url", "Hello": "--public-url", "DKIM.Domain": "--dkim-domain", "DKIM.Selector": "--dkim-selector", "DKIM.Key": "--dkim-key",
}

// check refuses what no mail could be sent with, or no provider be believed by.
func (m *Mail) check(site survey.Site) error {
	if m.MailsADay < 0 {
		return usage("--mails-a-day %d: want a number from 1, or 0 for no limit", m.MailsADay)
	}
	if _, err := m.from(site); err != nil {
		return err
	}
	if _, err := m.office(slog.New(slog.DiscardHandler), site); err != nil {
		return err
	}
	return hookError(m.hooks().Check())
}

// from is the server's own address.
func (m *Mail) from(site survey.Site) (string, error) {
	if m.MailFrom != "" {
		if !contact.ValidEmail(m.MailFrom) {
			return "", usage("--mail-from %.100q: want an address, such as no-reply@example.com", m.MailFrom)
		}
		return m.MailFrom, nil
	}
	host := "localhost"
	if u, err := url.Parse(string(site)); err == nil {
		if _, err := netip.ParseAddr(u.Hostname()); err != nil && u.Hostname() != "" {
			host = u.Hostname()
		}
	}
	return "no-reply@" + host, nil
}

// mailer makes what sends the server's mails.
func (a *App) mailer(flags *Mail, site survey.Site) error {
	from, err := flags.from(site)
	if err != nil {
		return err
	}
	office, err := flags.office(a.log, site)
	if err != nil {
		return err
	}
	a.Mailer, a.office, a.mailFolder = outreach.NewMailer(a.Outreach, outreach.House{Site: site, From: from, MailsADay: flags.MailsADay}, office), office, ""
	if flags.MailURL == "" {
		a.mailFolder = flags.MailFolder
	}
	return nil
}

// startMailer begins to send, once the app works and knows its address.
func (a *App) startMailer() {
	if !a.working || a.Mailer == nil || a.mailing {
		return
	}
	a.mailing = true
	if a.mailFolder != "" {
		a.log.Info("there is no --mail-url: mails are written to files, and nobody gets them", "folder", a.mailFolder)
	}
	a.Mailer.Start()
}

// hooks is where mail providers tell what became of mails.
func (a *App) hooks(flags *Mail, door *edge.Door) (http.Handler, error) {
	c := flags.hooks()
	c.Take, c.Door, c.Now, c.Log = a.Outreach.Reported, door, a.now, a.log
	h, err := bounce.New(c)
	if err != nil {
		return nil, hookError(err)
	}
	return h, nil
}

// hooks is what is set about mail providers.
func (m *Mail) hooks() bounce.Config {
	return bounce.Config{SendGridKey: m.SendGridKey, MailgunKey: m.MailgunKey, PostmarkSecret: m.PostmarkSecret, SESTopic: m.SESTopic}
}

// hookError names the flag that an error of package bounce is about.
func hookError(err error) error {
	if wrong, ok := errors.AsType[*bounce.ConfigError](err); ok {
		return usage("%s: %w", hookFlags[wrong.Field], err)
	}
	return err
}

// hookFlags are the flags that say what the fields of bounce.Config are.
var hookFlags = map[string]string{ //nolint:gosec // flags, no secrets
	"SendGridKey": "--sendgrid-key", "MailgunKey": "--mailgun-key", "PostmarkSecret": "--postmark-secret", "SESTopic": "--ses-topic",
}
