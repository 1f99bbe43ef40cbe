package post

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]server{
		"smtp://mail.example.com":                            {host: "mail.example.com", port: "587"},
		"smtp://mail.example.com/":                           {host: "mail.example.com", port: "587"},
		"smtp://mail.example.com:25?tls=starttls":            {host: "mail.example.com", port: "25"},
		"smtp://mail.example.com:465":                        {host: "mail.example.com", port: "465", tls: implicitTLS},
		"smtp://mail.example.com?tls=implicit":               {host: "mail.example.com", port: "465", tls: implicitTLS},
		"smtp://mail.example.com:2465?tls=implicit":          {host: "mail.example.com", port: "2465", tls: implicitTLS},
		"smtps://mail.example.com":                           {host: "mail.example.com", port: "465", tls: implicitTLS},
		"SMTPS://mail.example.com:587":                       {host: "mail.example.com", port: "587", tls: implicitTLS},
		"smtp://ada%40example.com:p%2F%3A%3F%23@h:587":       {host: "h", port: "587", name: "ada@example.com", password: "p/:?#"},
		"smtp://localhost:1025?tls=none":                     {host: "localhost", port: "1025", tls: noTLS},
		"smtp://a:b@127.0.0.1:1025?tls=none":                 {host: "127.0.0.1", port: "1025", tls: noTLS, name: "a", password: "b"},
		"smtp://[::1]:1025?tls=none":                         {host: "::1", port: "1025", tls: noTLS},
		"smtp://mailpit:1025?tls=none-insecure":              {host: "mailpit", port: "1025", tls: noTLS},
		"smtp://BÜCHER.example":                              {host: "xn--bcher-kva.example", port: "587"},
		"smtp://api:SG.x-y_z@smtp.sendgrid.net?tls=starttls": {host: "smtp.sendgrid.net", port: "587", name: "api", password: "SG.x-y_z"},
	} {
		got, err := parseURL(text)
		if err != nil || *got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"mail.example.com:587":                    "read",
		"localhost":                               "begins with",
		"http://mail.example.com":                 "begins with",
		"smtp:mail.example.com":                   "read",
		"smtp://":                                 "host",
		"smtp://:587":                             "host",
		"smtp://u:s3cr3t@":                        "host",
		"smtp://a b":                              "read",
		"smtp://u:s3cr3t@h:x":                     "read",
		"smtp://u:s3cr3t@h:99999":                 "port",
		"smtp://u:s3cr3t@h:0":                     "port",
		"smtp://u:s3cr3t/x@h":                     "read",
		"smtp://u:12/s3cr3t@h":                    "percent-encoded",
		"smtp://u:12#s3cr3t@h":                    "percent-encoded",
		"smtp://u:12?s3cr3t@h":                    "percent-encoded",
		"smtp://u:s3cr3t%zz@h":                    "percent-encoded",
		"smtp://u:s3cr3t@h?from=x":                "tls=",
		"smtp://u:s3cr3t@h?tls=none&tls=starttls": "once",
		"smtp://u:s3cr3t@h?tls=s3cr3t":            "none of",
		"smtp://u:s3cr3t@h?tls":                   "none of",
		"smtp://u:s3cr3t@h?%zz":                   "?",
		"smtp://u:s3cr3t@h?tls=none":              "none-insecure",
		"smtp://u:s3cr3t@10.0.0.1?tls=none":       "none-insecure",
		"smtps://u:s3cr3t@h?tls=starttls":         "starttls",
		"smtp://u:s3cr3t@h:465?tls=starttls":      "starttls",
		"smtps://u:s3cr3t@localhost?tls=none":     "smtps",
		"smtp://s3cr3t@h":                         "without a password",
		"smtp://s3cr3t:@h":                        "without a password",
		"smtp://:s3cr3t@h":                        "without a name",
		"smtp://u:s3cr3t%00@h":                    "NUL",
		"smtp://u:s3cr3t%0D%0A@h":                 "line break",
		"smtp://u:s3cr3t@-h":                      "host",
	} {
		got, err := parseURL(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %+v, %v, want %q", text, got, err, want)
		}
	}
}

// Whatever is wrong with a URL, what is said about it has nothing of it.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"smtp://u:s3cr3t@h:587?tls=none", "smtps://h", "smtp://u:s3cr3t%zz@h", "smtp://[::1]:25", "s3cr3t", "smtp://u:12#s3cr3t", "smtp://h:s3cr3t", "s3cr3t://h",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// The password may be any part, so all of it is one.
		for _, text := range []string{text, "smtp://u:s3cr3t" + text, "smtp://u:" + text + "s3cr3t@h", "smtp://u:s3cr3t@h" + text} {
			s, err := parseURL(text)
			if err != nil {
				if strings.Contains(err.Error(), "s3cr3t") {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if s.host == "" || s.port == "" || strings.ContainsAny(s.host+s.port+s.name+s.password, "\r\n\x00") || (s.name == "") != (s.password == "") {
				t.Fatalf("%q: %+v", text, s)
			}
			if s.tls == noTLS && !strings.Contains(text, "tls") {
				t.Fatalf("%q is without TLS: %+v", text, s)
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for want, cfg := range map[string]Config{
		"nowhere to go":     {},
		"mail server's URL": {URL: "smtp://u:s3cr3t@h:x"},
		"take 1 to":         {URL: "smtp://h", Connections: -1},
		"101 connections":   {URL: "smtp://h", Connections: 101},
		"introduces itself": {URL: "smtp://h", Hello: "a b\r\n"},
	} {
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for host, want := range map[string]string{
		"": "localhost", "NPS.example.com": "nps.example.com", "127.0.0.1": "[127.0.0.1]", "::1": "[IPv6:::1]", "::ffff:10.0.0.1": "[10.0.0.1]",
	} {
		o, err := Open(Config{URL: "smtp://u:s3cr3t@h:25", Hello: host})
		if err != nil || o.server.hello != want || o.String() != "h:25" {
			t.Errorf("%q: %v, %v", host, o, err)
		}
	}
}
