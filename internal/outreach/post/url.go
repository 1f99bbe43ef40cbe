package post

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// encryption is how a connection is kept from being read on its way.
type encryption int

const (
	startTLS encryption = iota
	implicitTLS
	noTLS
)

// server is the mail server.
type server struct {
	host, port string
	tls        encryption
	// name and password are what is logged in with; name is empty where nobody does.
	name, password string
	hello          string
	config         *tls.Config
}

func (s *server) address() string { return net.JoinHostPort(s.host, s.port) }

// parseURL reads Config.URL. Its errors say nothing of the text, as any part of it may be a password that was not written rightly; url.Parse's
// own do.
func parseURL(text string) (*server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return nil, errors.New("it cannot be read: it is like smtp://name:password@mail.example.com:587, where what is no letter or digit in the " +
			"name and the password is percent-encoded, as %40 is for @")
	}
	s := &server{host: u.Hostname(), port: u.Port()}
	switch u.Scheme {
	case "smtp":
		if s.port == "465" {
			s.tls = implicitTLS
		}
	case "smtps":
		s.tls = implicitTLS
	default:
		return nil, errors.New("it begins with neither smtp:// nor smtps://")
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return nil, errors.New("it goes on after the host and its port: a / or # in the name or the password is to be percent-encoded, as %2F or %23")
	}
	if s.host, err = asciiHost(s.host); err != nil {
		return nil, errors.New("it names no host that there can be")
	}
	if s.port != "" {
		if n, err := strconv.Atoi(s.port); err != nil || n < 1 || n > 65535 {
			return nil, errors.New("its port is no number from 1 to 65535")
		}
	}
	if err := s.encrypt(u); err != nil {
		return nil, err
	}
	if s.port == "" {
		s.port = "587"
		if s.tls == implicitTLS {
			s.port = "465"
		}
	}
	if u.User != nil {
		var given bool
		s.name = u.User.Username()
		s.password, given = u.User.Password()
		if s.name == "" || !given || s.password == "" {
			return nil, errors.New("it has a name without a password, or a password without a name")
		}
		if strings.ContainsAny(s.name+s.password, "\x00\r\n") {
			return nil, errors.New("its name or its password has a line break or a NUL in it")
		}
	}
	return s, nil
}

// encrypt reads the parameter tls.
func (s *server) encrypt(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("what follows its ? cannot be read")
	}
	for name, values := range query {
		if name != "tls" || len(values) != 1 {
			return errors.New("what follows its ? is tls=… alone, and once: a ? in the name or the password is to be percent-encoded, as %3F")
		}
	}
	if !query.Has("tls") {
		return nil
	}
	switch query.Get("tls") {
	case "starttls":
		if s.tls == implicitTLS {
			return errors.New("tls=starttls is not for smtps:// or port 465, where there is TLS from the start: take smtp:// and port 587")
		}
	case "implicit":
		s.tls = implicitTLS
	case "none", "none-insecure":
		if u.Scheme == "smtps" {
			return errors.New("smtps:// has TLS: take smtp:// to go without")
		}
		if query.Get("tls") == "none" && !loopback(s.host) {
			return errors.New("tls=none is for this machine alone (localhost, 127.0.0.1, ::1), since everybody on the way could read the mails and " +
				"the password; where that is meant, tls=none-insecure says so")
		}
		s.tls = noTLS
	default:
		return errors.New("its tls is none of starttls, implicit, none and none-insecure")
	}
	return nil
}

func loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// asciiHost is a host's name, or an IP address, as it is dialed and as certificates have it.
func asciiHost(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String(), nil
	}
	return asciiDomain(host)
}

// helloName is what EHLO says: a domain, or an address in brackets.
func helloName(host string) (string, error) {
	if host == "" {
		return "localhost", nil
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.Zone() == "" {
		if ip = ip.Unmap(); ip.Is6() {
			return "[IPv6:" + ip.String() + "]", nil
		}
		return "[" + ip.String() + "]", nil
	}
	name, err := asciiDomain(host)
	if err != nil {
		return "", fmt.Errorf("the name by which this machine introduces itself to the mail server: %w", err)
	}
	return name, nil
}
