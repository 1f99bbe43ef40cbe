package tenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	enttenant "github.com/zeroten/zeroten/ent/tenant"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits of a tenant's origins.
const (
	MaxOrigins = 50
	// MaxOrigin is how many characters one has at most.
	MaxOrigin = 255
)

// host is a name, an IPv4 address or, in brackets, an IPv6 address, as browsers write them.
var host = regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])$`)

// parseOrigin writes an origin as browsers do: in small letters, without the scheme's own port. The error says what is
// wrong with it.
func parseOrigin(text string) (string, error) {
	if fault := apierror.TooLongFor(MaxOrigin, text); fault != "" {
		return "", errors.New(fault)
	}
	u, err := url.Parse(strings.ToLower(text))
	switch {
	case text == "*" || strings.EqualFold(text, "null"):
		return "", fmt.Errorf("%s stands for pages of anybody: name the origins one by one", text)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return "", errors.New("want a scheme and a host, such as https://dashboard.example")
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", errors.New("want a scheme, a host and maybe a port, and nothing else: no user, path or query, and no slash at the end")
	}
	name, port := u.Hostname(), u.Port()
	if strings.HasPrefix(u.Host, "[") {
		name = "[" + name + "]"
	}
	if !host.MatchString(name) {
		return "", errors.New("the host has letters, digits, hyphens and dots alone; write others as browsers do, beginning with xn--")
	}
	if strings.HasSuffix(u.Host, ":") {
		return "", errors.New("leave the colon out where there is no port")
	}
	if port == "" {
		return u.Scheme + "://" + name, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' {
		return "", errors.New("want a port from 1 to 65535")
	}
	if u.Scheme == "https" && n == 443 || u.Scheme == "http" && n == 80 {
		return u.Scheme + "://" + name, nil
	}
	return u.Scheme + "://" + name + ":" + port, nil
}

// parseOrigins reads a tenant's origins, each once.
func parseOrigins(texts []string) ([]string, apierror.UserErrors) {
	var errs apierror.UserErrors
	if len(texts) > MaxOrigins {
		return nil, apierror.User(apierror.TooMany, []string{"allowedOrigins"}, "At most %d, not %d.", MaxOrigins, len(texts))
	}
	origins := []string{}
	for i, text := range texts {
		origin, err := parseOrigin(text)
		switch {
		case apierror.TooLongFor(MaxOrigin, text) != "":
			errs.AtMost(MaxOrigin, &text, "allowedOrigins", apierror.Index(i))
		case err != nil:
			errs.Add(apierror.Invalid, []string{"allowedOrigins", apierror.Index(i)}, "%v.", err)
		case !slices.Contains(origins, origin):
			origins = append(origins, origin)
		}
	}
	return origins, errs
}

// originsBelieved is for how long Origins goes by what it has read.
const originsBelieved = 5 * time.Second

// Origins knows the web origins whose pages may call the API from a browser. It may be used from many goroutines at
// once.
type Origins struct {
	always  []string
	tenants *lookup[struct{}, origins]
}

// origins are those of all tenants. Most have none, and then there is nothing of them here.
type origins struct {
	of  map[uuid.UUID][]string
	any map[string]bool
}

// NewOrigins makes an Origins that allows some always; a `*` among them allows all.
func NewOrigins(db *store.DB, always []string) *Origins { return newOrigins(db, always, time.Now) }

func newOrigins(db *store.DB, always []string, now func() time.Time) *Origins {
	o := &Origins{always: make([]string, len(always))}
	for i, origin := range always {
		if parsed, err := parseOrigin(origin); err == nil {
			origin = parsed
		}
		o.always[i] = origin
	}
	o.tenants = newLookup(now, originsBelieved, func(ctx context.Context, _ struct{}) (*origins, error) {
		rows, err := db.Ent.Tenant.Query().Where(enttenant.AllowedOriginsNotNil()).
			Select(enttenant.FieldID, enttenant.FieldAllowedOrigins).All(auth.ForSystem(ctx))
		if err != nil {
			return nil, fmt.Errorf("reading origins: %w", err)
		}
		all := &origins{of: map[uuid.UUID][]string{}, any: map[string]bool{}}
		for _, t := range rows {
			all.of[t.ID] = t.AllowedOrigins
			for _, origin := range t.AllowedOrigins {
				all.any[origin] = true
			}
		}
		return all, nil
	})
	return o
}

// Allow reports whether pages of the origin may call: those allowed always, and those of the caller's tenant, as they
// were at most five seconds ago. Before there is a caller, as when a browser asks first, those of any tenant.
func (o *Origins) Allow(ctx context.Context, origin string) bool {
	if origin == "" || len(origin) > MaxOrigin {
		return false
	}
	if slices.Contains(o.always, "*") || slices.Contains(o.always, origin) {
		return true
	}
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	all, err := o.tenants.get(soon, struct{}{})
	if err != nil {
		if last, ok := o.tenants.known.Peek(struct{}{}); ok {
			all = last.value // better old than none
		} else {
			slog.WarnContext(ctx, "web origins are not known", "error", err)
			return false
		}
	}
	if caller, ok := auth.From(ctx); ok {
		return slices.Contains(all.of[caller.Tenant], origin)
	}
	return all.any[origin]
}
