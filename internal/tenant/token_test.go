package tenant

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// holder makes a key with the scopes, and a context in which its holder calls.
func holder(t *testing.T, ctx context.Context, db *store.DB, expiresAt *time.Time, scopes ...auth.Scope) (context.Context, *ent.ApiKey) {
	t.Helper()
	key, _, err := CreateKey(ctx, db, CreateKeyInput{Name: "n", Scopes: scopes, ExpiresAt: expiresAt})
	if err != nil {
		t.Fatal(err)
	}
	return auth.With(ctx, auth.Caller{Tenant: key.TenantID, Key: key.ID, Scopes: scopes}), key
}

// parts makes a campaign and a segment of the context's tenant.
func parts(t *testing.T, ctx context.Context, db *store.DB, name string) (campaign, saved string) {
	t.Helper()
	err := db.Write(ctx, func(tx *store.Tx) error {
		c, err := tx.Ent.Campaign.Create().SetName(name).SetQuestion("?").SetFollowUpQuestion("?").Save(ctx)
		if err != nil {
			return err
		}
		known := true
		g, err := tx.Ent.Segment.Create().SetName(name).SetRule(segment.Rule{Trait: &segment.Condition{Key: "plan", IsKnown: &known}}).Save(ctx)
		if err != nil {
			return err
		}
		campaign, saved = c.NodeID(), g.NodeID()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return campaign, saved
}

func TestCreateToken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		manager, key := holder(t, tenantCtx, db, nil, auth.Manage)
		collector, _ := holder(t, tenantCtx, db, nil, auth.Collect)
		camp, seg := parts(t, tenantCtx, db, "a")
		second, _ := parts(t, tenantCtx, db, "b")
		other, _ := made(t, db, "Other")
		foreign, foreignSegment := parts(t, other, db, "a")
		ids := func(texts ...string) []string { return texts }
		many := slices.Repeat([]string{camp}, MaxTokenCampaigns)
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()

		type scopes = []auth.Scope
		parse := func(kind id.Kind, text string) uuid.UUID {
			u, err := kind.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		a, b, g := parse(id.Campaign, camp), parse(id.Campaign, second), parse(id.Segment, seg)
		for name, test := range map[string]struct {
			ctx  context.Context
			in   CreateTokenInput
			want []string
			let  auth.Caller
		}{
			"no scope":                 {manager, CreateTokenInput{ExpiresIn: 1}, []string{"REQUIRED scopes"}, auth.Caller{}},
			"more than the key":        {collector, CreateTokenInput{Scopes: scopes{auth.Collect, auth.Read}, ExpiresIn: 1}, []string{"NOT_ALLOWED scopes.1"}, auth.Caller{}},
			"admin":                    {manager, CreateTokenInput{Scopes: scopes{auth.Admin}, ExpiresIn: 1}, []string{"NOT_ALLOWED scopes.0"}, auth.Caller{}},
			"operator":                 {manager, CreateTokenInput{Scopes: scopes{auth.Operator}, ExpiresIn: 1}, []string{"NOT_ALLOWED scopes.0"}, auth.Caller{}},
			"unknown scope":            {manager, CreateTokenInput{Scopes: scopes{"ALL"}, ExpiresIn: 1}, []string{"INVALID scopes.0"}, auth.Caller{}},
			"no time":                  {manager, CreateTokenInput{Scopes: scopes{auth.Read}}, []string{"OUT_OF_RANGE expiresIn"}, auth.Caller{}},
			"time long gone":           {manager, CreateTokenInput{Scopes: scopes{auth.Read}, ExpiresIn: -1 << 31}, []string{"OUT_OF_RANGE expiresIn"}, auth.Caller{}},
			"too long":                 {manager, CreateTokenInput{Scopes: scopes{auth.Read}, ExpiresIn: 86_401}, []string{"OUT_OF_RANGE expiresIn"}, auth.Caller{}},
			"no campaign":              {manager, CreateTokenInput{Scopes: scopes{auth.Read}, Campaigns: []string{}, ExpiresIn: 1}, []string{"REQUIRED campaigns"}, auth.Caller{}},
			"too many campaigns":       {manager, CreateTokenInput{Scopes: scopes{auth.Read}, Campaigns: append(many, camp), ExpiresIn: 1}, []string{"TOO_MANY campaigns"}, auth.Caller{}},
			"campaigns that are not":   {manager, CreateTokenInput{Scopes: scopes{auth.Read}, Campaigns: ids(camp, "camp_1", foreign, seg), ExpiresIn: 1}, []string{"INVALID campaigns.1", "INVALID campaigns.3", "NOT_FOUND campaigns.2"}, auth.Caller{}},
			"a segment that is not":    {manager, CreateTokenInput{Scopes: scopes{auth.Read}, Segment: &foreignSegment, ExpiresIn: 1}, []string{"NOT_FOUND segment"}, auth.Caller{}},
			"no segment's id":          {manager, CreateTokenInput{Scopes: scopes{auth.Read}, Segment: &camp, ExpiresIn: 1}, []string{"INVALID segment"}, auth.Caller{}},
			"narrowed manager":         {manager, CreateTokenInput{Scopes: scopes{auth.Manage}, Campaigns: ids(camp), ExpiresIn: 1}, []string{"NOT_ALLOWED scopes"}, auth.Caller{}},
			"narrowed to both":         {manager, CreateTokenInput{Scopes: scopes{auth.Collect, auth.Read}, Campaigns: ids(camp), ExpiresIn: 1}, []string{"NOT_ALLOWED scopes"}, auth.Caller{}},
			"collecting in a segment":  {manager, CreateTokenInput{Scopes: scopes{auth.Collect}, Campaigns: ids(camp), Segment: &seg, ExpiresIn: 1}, []string{"NOT_ALLOWED scopes"}, auth.Caller{}},
			"what a collector may not": {collector, CreateTokenInput{Scopes: scopes{auth.Collect}, Segment: &foreignSegment, ExpiresIn: 1}, []string{"NOT_ALLOWED scopes"}, auth.Caller{}},

			"all": {manager, CreateTokenInput{Scopes: scopes{auth.Manage, auth.Collect, auth.Manage}, ExpiresIn: 86_400}, nil,
				auth.Caller{Scopes: scopes{auth.Manage, auth.Collect}}},
			"reading campaigns": {manager, CreateTokenInput{Scopes: scopes{auth.Read}, Campaigns: ids(camp, second, camp), ExpiresIn: 1}, nil,
				auth.Caller{Scopes: scopes{auth.Read}, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{a, b}}}},
			"collecting in campaigns": {manager, CreateTokenInput{Scopes: scopes{auth.Collect}, Campaigns: many, ExpiresIn: 60}, nil,
				auth.Caller{Scopes: scopes{auth.Collect}, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{a}}}},
			"reading both": {manager, CreateTokenInput{Scopes: scopes{auth.Read, auth.Read}, Campaigns: ids(camp), Segment: &seg, ExpiresIn: 3600}, nil,
				auth.Caller{Scopes: scopes{auth.Read}, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{a}, Segment: g}}},
		} {
			t.Run(name, func(t *testing.T) {
				text, expiresAt, err := createToken(test.ctx, db, test.in, c.now())
				if test.want != nil {
					if got := refusals(t, err); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
					if text != "" {
						t.Error("a token was made all the same")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if life := expiresAt.Sub(c.now()) - time.Duration(test.in.ExpiresIn)*time.Second; life < 0 || life >= time.Second {
					t.Errorf("lives %v longer than was asked for", life)
				}
				got, want := letIn(t, k, text), test.let
				if (got.Mask == [16]byte{}) != want.Narrowing.IsZero() {
					t.Errorf("the mask is %x", got.Mask)
				}
				if got.ExpiresAt == nil || !got.ExpiresAt.Equal(expiresAt) {
					t.Errorf("ends at %v, want %v", got.ExpiresAt, expiresAt)
				}
				got.Mask, got.ExpiresAt = want.Mask, nil
				want.Tenant, want.Key, want.Token = key.TenantID, key.ID, true
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("lets in %+v, want %+v", got, want)
				}
			})
		}
	})
}

func TestLongestToken(t *testing.T) {
	long := token{tenant: id.New(), key: id.New(), scopes: auth.AllScopes(), expires: time.Now(), narrowing: auth.Narrowing{Segment: id.New()}}
	for range MaxTokenCampaigns {
		long.narrowing.Campaigns = append(long.narrowing.Campaigns, id.New())
	}
	text, err := long.sign(id.New(), make([]byte, signingBytes), time.Now())
	if err != nil || len(text) > maxToken {
		t.Errorf("the longest token has %d bytes, %v", len(text), err)
	}
}

func TestWhoMakesNoTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		ctx, key := holder(t, tenantCtx, db, nil, auth.Admin)
		caller, _ := auth.From(ctx)
		token := caller
		token.Token = true
		operator, _, err := CreateOperatorKey(t.Context(), db, "ops")
		if err != nil {
			t.Fatal(err)
		}
		in := CreateTokenInput{Scopes: []auth.Scope{auth.Read}, ExpiresIn: 1}
		for name, ctx := range map[string]context.Context{
			"a token":     auth.With(t.Context(), token),
			"an operator": auth.With(t.Context(), auth.Caller{Key: operator.ID, Scopes: operator.Scopes}),
			"the program": tenantCtx,
			"nobody":      t.Context(),
		} {
			_, _, err := CreateToken(ctx, db, in)
			if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != apierror.Forbidden {
				t.Errorf("%s: got %v, want FORBIDDEN", name, err)
			}
		}
		_, _, err = CreateKey(auth.With(t.Context(), token), db, CreateKeyInput{Name: "n", Scopes: in.Scopes})
		if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != apierror.Forbidden {
			t.Errorf("a token that makes a key: got %v, want FORBIDDEN", err)
		}
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: key.NodeID()}); err != nil {
			t.Fatal(err)
		}
		_, _, err = CreateToken(ctx, db, in)
		if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != apierror.Unauthenticated {
			t.Errorf("a revoked key: got %v, want UNAUTHENTICATED", err)
		}
	})
}

func newToken(t *testing.T, ctx context.Context, db *store.DB, now time.Time, seconds int) (string, time.Time) {
	t.Helper()
	text, expiresAt, err := createToken(ctx, db, CreateTokenInput{Scopes: []auth.Scope{auth.Read}, ExpiresIn: seconds}, now)
	if err != nil {
		t.Fatal(err)
	}
	return text, expiresAt
}

func TestTokenEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		c := newClock()
		ctx, key := holder(t, tenantCtx, db, nil, auth.Read)
		here, there := newKeys(db, c.now), newKeys(db, c.now)
		defer here.Close()
		defer there.Close()

		short, expiresAt := newToken(t, ctx, db, c.now(), 60)
		letIn(t, here, short)
		c.pass(expiresAt.Sub(c.now()) - 1)
		letIn(t, here, short)
		letIn(t, there, short)
		c.pass(1)
		for _, k := range []*Keys{here, there, newKeys(db, c.now)} {
			outlived(t, k, short, "This token expired on "+moment(expiresAt)+".")
		}

		// A key that ends before its token ends it.
		ends := c.now().Add(time.Minute).Truncate(time.Microsecond)
		dying, _ := holder(t, tenantCtx, db, &ends, auth.Read)
		last, expiresAt := newToken(t, dying, db, c.now(), 3600)
		if !expiresAt.Equal(ends) {
			t.Errorf("expires at %v, want with the key at %v", expiresAt, ends)
		}
		letIn(t, here, last)
		c.pass(ends.Sub(c.now()))
		outlived(t, here, last, "The key that made this token expired on "+moment(ends)+".")

		long, _ := newToken(t, ctx, db, c.now(), 3600)
		letIn(t, here, long)
		letIn(t, there, long)
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: key.NodeID()}); err != nil {
			t.Fatal(err)
		}
		c.pass(Believed)
		outlived(t, here, long, "The key that made this token was revoked on ")
		outlived(t, there, long, "The key that made this token was revoked on ")
	})
}

func TestHotTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		ctx, _ := holder(t, tenantCtx, db, nil, auth.Read)
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		var tokens []string
		for range 20 {
			text, _ := newToken(t, ctx, db, c.now(), 60)
			tokens = append(tokens, text)
		}
		keys := lookups(db)
		var signing atomic.Int64
		db.Ent.SigningKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				signing.Add(1)
				return next.Query(ctx, q)
			})
		}))
		for range 3 {
			for _, text := range tokens {
				letIn(t, k, text)
			}
		}
		if keys.Load() != 1 || signing.Load() != 1 {
			t.Errorf("looked keys up %d times and signing keys %d times, want each once", keys.Load(), signing.Load())
		}
		// Whoever makes tokens up asks the database no more than whoever makes keys up.
		forged, err := (&token{tenant: auth.Tenant(ctx), key: id.New(), scopes: []auth.Scope{auth.Admin}, expires: c.now().Add(time.Hour)}).
			sign(id.New(), []byte("guess"), c.now())
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			refused(t, k, forged)
		}
		if keys.Load() != 1 || signing.Load() != 2 {
			t.Errorf("looked keys up %d times and signing keys %d times, want 1 and 2", keys.Load(), signing.Load())
		}
	})
}

func TestForgedTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		otherCtx, _ := made(t, db, "Other")
		ctx, key := holder(t, tenantCtx, db, nil, auth.Read)
		other, otherKey := holder(t, otherCtx, db, nil, auth.Admin)
		now := time.Now()
		k := newKeys(db, time.Now)
		defer k.Close()
		good, _ := newToken(t, ctx, db, now, 60)
		theirs, _ := newToken(t, other, db, now, 60)
		letIn(t, k, theirs)
		letIn(t, k, good)

		own, err := signer(ctx, db, now)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := signer(other, db, now)
		if err != nil {
			t.Fatal(err)
		}
		say := func() *claims {
			return &claims{
				RegisteredClaims: jwt.RegisteredClaims{
					Issuer: tokenUse, Audience: jwt.ClaimStrings{tokenUse},
					IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
				},
				Tenant: key.TenantID, Key: key.ID, Scopes: []auth.Scope{auth.Read},
			}
		}
		sign := func(method jwt.SigningMethod, kid any, secret any, change func(*claims)) string {
			c := say()
			change(c)
			j := jwt.NewWithClaims(method, c)
			j.Header["kid"] = kid
			text, err := j.SignedString(secret)
			if err != nil {
				t.Fatal(err)
			}
			return tokenPrefix + text
		}
		same := func(*claims) {}
		letIn(t, k, sign(jwt.SigningMethodHS256, own.ID, own.Secret, same)) // so that what follows differs in one thing alone

		segments := strings.Split(strings.TrimPrefix(good, tokenPrefix), ".")
		theirSegments := strings.Split(strings.TrimPrefix(theirs, tokenPrefix), ".")
		said, err := base64.RawURLEncoding.DecodeString(segments[1])
		if err != nil {
			t.Fatal(err)
		}
		admin := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(said), "READ", "ADMIN", 1)))
		join := func(parts ...string) string { return tokenPrefix + strings.Join(parts, ".") }
		for name, text := range map[string]string{
			"alg none":                    sign(jwt.SigningMethodNone, own.ID, jwt.UnsafeAllowNoneSignatureType, same),
			"another alg":                 sign(jwt.SigningMethodHS512, own.ID, own.Secret, same),
			"another secret":              sign(jwt.SigningMethodHS256, own.ID, []byte("guess"), same),
			"an empty secret":             sign(jwt.SigningMethodHS256, id.New(), []byte{}, same),
			"another tenant's key":        sign(jwt.SigningMethodHS256, foreign.ID, foreign.Secret, same),
			"an unknown kid":              sign(jwt.SigningMethodHS256, id.New(), own.Secret, same),
			"no kid":                      sign(jwt.SigningMethodHS256, nil, own.Secret, same),
			"a kid that is no id":         sign(jwt.SigningMethodHS256, "../../etc", own.Secret, same),
			"a kid that is a list":        sign(jwt.SigningMethodHS256, []string{own.ID.String()}, own.Secret, same),
			"another issuer":              sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.Issuer = "other" }),
			"another audience":            sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.Audience = jwt.ClaimStrings{"other"} }),
			"wider scopes than its key's": sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.Scopes = []auth.Scope{auth.Manage} }),
			"a longer life than tokens have": sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) {
				c.ExpiresAt = jwt.NewNumericDate(now.Add(MaxTokenLife + time.Minute))
			}),
			"no beginning":          sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.IssuedAt = nil }),
			"no end":                sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.ExpiresAt = nil }),
			"another tenant's":      sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.Key = otherKey.ID }),
			"for another tenant":    sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.Tenant, c.Key = otherKey.TenantID, otherKey.ID }),
			"no key":                sign(jwt.SigningMethodHS256, own.ID, own.Secret, func(c *claims) { c.Key = uuid.Nil }),
			"other claims":          join(segments[0], admin, segments[2]),
			"other signature":       join(segments[0], segments[1], theirSegments[2]),
			"no signature":          join(segments[0], segments[1], ""),
			"two parts":             join(segments[0], segments[1]),
			"four parts":            join(append(segments, "")...),
			"no prefix":             strings.TrimPrefix(good, tokenPrefix),
			"truncated":             good[:len(good)-1],
			"padded":                good + "=",
			"a line end":            good[:len(good)-2] + "\n" + good[len(good)-2:],
			"a blank":               good + " ",
			"the prefix":            tokenPrefix,
			"null":                  join(segments[0], base64.RawURLEncoding.EncodeToString([]byte("null")), segments[2]),
			"too long":              good + strings.Repeat("A", maxToken),
			"very long":             tokenPrefix + strings.Repeat("A.", 1<<20),
			"a spelling of its own": good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, good[len(good)-1])^1]),
		} {
			t.Run(name, func(t *testing.T) { refused(t, k, text) })
		}
		letIn(t, k, good)
	})
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestSigningKeysRotate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		ctx, _ := holder(t, tenantCtx, db, nil, auth.Read)
		c := newClock()
		here, there := newKeys(db, c.now), newKeys(db, c.now)
		defer here.Close()
		defer there.Close()
		count := func() int {
			n, err := db.Ent.SigningKey.Query().Count(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		day := int(MaxTokenLife.Seconds())
		_, _ = newToken(t, ctx, db, c.now(), day)
		c.pass(signsFor - time.Second)
		first, _ := newToken(t, ctx, db, c.now(), day)
		if n := count(); n != 1 {
			t.Fatalf("there are %d signing keys, want 1 for all of a day", n)
		}
		c.pass(time.Second)
		second, _ := newToken(t, ctx, db, c.now(), day)
		if n := count(); n != 2 {
			t.Fatalf("there are %d signing keys, want a new one on the second day", n)
		}
		for _, k := range []*Keys{here, there} {
			letIn(t, k, first)
			letIn(t, k, second)
		}
		// All its life long a token lets in.
		c.pass(MaxTokenLife - 2*time.Second)
		letIn(t, there, first)
		c.pass(2 * time.Second)
		_, _ = newToken(t, ctx, db, c.now(), day)
		letIn(t, newKeys(db, c.now), second)
		c.pass(time.Second)
		outlived(t, here, second, "This token expired on ")

		// Then the key that signed it goes, at the next that is made.
		c.pass(signsFor)
		last, _ := newToken(t, ctx, db, c.now(), day)
		if n := count(); n != 3 {
			t.Errorf("there are %d signing keys, want the 3 of the last days", n)
		}
		letIn(t, here, last)
		other, _ := made(t, db, "Other")
		if n, err := db.Ent.SigningKey.Query().Count(other); n != 0 || err != nil {
			t.Errorf("another tenant sees %d signing keys, %v", n, err)
		}

		// Who deletes the keys by hand ends what they signed.
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Ent.SigningKey.Delete().Exec(ctx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c.pass(signingBelieved)
		refused(t, here, last)
		refused(t, there, last)
	})
}

func TestTwoProcessesSignAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		ctx, _ := holder(t, tenantCtx, db, nil, auth.Read)
		made := make(chan string)
		for range 8 {
			go func() {
				text, _, err := CreateToken(ctx, db, CreateTokenInput{Scopes: []auth.Scope{auth.Read}, ExpiresIn: 60})
				if err != nil {
					t.Error(err)
				}
				made <- text
			}()
		}
		k := newKeys(db, time.Now)
		defer k.Close()
		for range 8 {
			letIn(t, k, <-made)
		}
	})
}

func TestTokenWithoutDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		ctx, _ := holder(t, tenantCtx, db, nil, auth.Read)
		text, _ := newToken(t, ctx, db, time.Now(), 60)
		k := newKeys(db, time.Now)
		defer k.Close()
		down := errors.New("down")
		fail := true
		db.Ent.SigningKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				if fail {
					return nil, down
				}
				return next.Query(ctx, q)
			})
		}))
		_, err := k.Authenticate(t.Context(), text)
		if _, ours := errors.AsType[*apierror.Error](err); ours || !errors.Is(err, down) {
			t.Errorf("got %v, want the database's error, to be masked", err)
		}
		fail = false
		letIn(t, k, text)
	})
}

// FuzzParseToken checks that nothing is taken for a token but what was signed, letter for letter.
func FuzzParseToken(f *testing.F) {
	secret := []byte("a secret that nobody guesses here")
	kid := uuid.UUID{1}
	signed := map[string]bool{}
	for _, c := range []claims{
		{Tenant: uuid.UUID{2}, Key: uuid.UUID{3}, Scopes: []auth.Scope{auth.Read}},
		{Tenant: uuid.UUID{2}, Key: uuid.UUID{3}, Scopes: auth.AllScopes(), Campaigns: []uuid.UUID{{4}, {5}}, Segment: uuid.UUID{6}},
	} {
		// The same in every process that takes part.
		c.RegisteredClaims = jwt.RegisteredClaims{Issuer: tokenUse, Audience: jwt.ClaimStrings{tokenUse}, IssuedAt: jwt.NewNumericDate(time.Unix(1e9-60, 0)), ExpiresAt: jwt.NewNumericDate(time.Unix(1e9, 0))}
		j := jwt.NewWithClaims(jwt.SigningMethodHS256, &c)
		j.Header["kid"] = kid.String()
		text, err := j.SignedString(secret)
		if err != nil {
			f.Fatal(err)
		}
		signed[tokenPrefix+text] = true
		f.Add(tokenPrefix + text)
	}
	f.Add("")
	f.Add(tokenPrefix + "..")
	f.Add(tokenPrefix + "eyJhbGciOiJub25lIn0.bnVsbA.")
	f.Add(tokenPrefix + "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJ9.e30.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseToken(text, func(name signingName) (*[]byte, error) {
			if name.key != kid {
				return nil, nil
			}
			return &secret, nil
		})
		if (err == nil) != signed[text] || (parsed != nil) != signed[text] {
			t.Errorf("%q: got %v, %v", text, parsed, err)
		}
		if err != nil && !errors.Is(err, errToken) {
			t.Errorf("%q: got %v", text, err)
		}
	})
}

// Why a secret lets nobody in any more is told to its holder. Whoever guesses hears the same of every secret, and a wrong
// signature costs nothing to read.
func TestWhyIsForHolders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()

		revoked, revokedSecret := newKey(t, tenantCtx, db, nil)
		_, expiring := newKey(t, tenantCtx, db, new(c.now().Add(time.Minute)))
		ctx, parent := holder(t, tenantCtx, db, nil, auth.Read)
		short, _ := newToken(t, ctx, db, c.now(), 60)
		long, _ := newToken(t, ctx, db, c.now(), 3600)
		for _, secret := range []string{revokedSecret, expiring, short, long} {
			if k.Seen(secret) {
				t.Error("seen before it came")
			}
			letIn(t, k, secret)
			if !k.Seen(secret) {
				t.Error("not seen though it was let in")
			}
		}
		for _, key := range []*ent.ApiKey{revoked, parent} {
			if _, err := RevokeKey(tenantCtx, db, RevokeKeyInput{ID: key.NodeID()}); err != nil {
				t.Fatal(err)
			}
		}
		c.pass(2 * time.Minute)
		outlived(t, k, revokedSecret, "This key was revoked on ")
		outlived(t, k, expiring, "This key expired on ")
		outlived(t, k, short, "This token expired on ")
		outlived(t, k, long, "The key that made this token was revoked on ")

		var reads atomic.Int64
		count := ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				reads.Add(1)
				return next.Query(ctx, q)
			})
		})
		db.Ent.ApiKey.Intercept(count)
		db.Ent.SigningKey.Intercept(count)
		var guesses []string
		for _, secret := range []string{revokedSecret, expiring, short, long} {
			// One digit of the secret, or of the signature, is another.
			for i := len(secret) - 2; i > len(secret)-20; i-- {
				other := byte('A')
				if secret[i] == other {
					other = 'B'
				}
				guesses = append(guesses, secret[:i]+string(other)+secret[i+1:])
			}
		}
		for _, guess := range guesses {
			refused(t, k, guess)
			if k.Seen(guess) {
				t.Errorf("%s is taken for something that was seen", guess)
			}
		}
		keys := int64(len(guesses) / 2)
		if n := reads.Swap(0); n > keys {
			t.Errorf("%d reads for %d wrong keys, and as many wrong signatures", n, keys)
		}
		for _, guess := range guesses {
			refused(t, k, guess)
		}
		if n := reads.Load(); n != 0 {
			t.Errorf("%d reads for guesses that were made just before", n)
		}
	})
}

// Whoever calls can know when they are let in no more: by the end of the key, or of the token, whichever comes first, also where
// the key was given an end after it made the token.
func TestCallersKnowWhenTheyEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		soon := c.now().Add(time.Minute).Truncate(time.Second)
		endless, forEver := newKey(t, ctx, db, nil)
		_, forNow := newKey(t, ctx, db, &soon)
		if caller := letIn(t, k, forEver); caller.ExpiresAt != nil {
			t.Errorf("a key without an end ends at %v", caller.ExpiresAt)
		}
		if caller := letIn(t, k, forNow); caller.ExpiresAt == nil || !caller.ExpiresAt.Equal(soon) {
			t.Errorf("a key ends at %v, want %v", caller.ExpiresAt, soon)
		}
		by := auth.With(ctx, auth.Caller{Tenant: endless.TenantID, Key: endless.ID, Scopes: endless.Scopes})
		token, ends := newToken(t, by, db, c.now(), 3600)
		if caller := letIn(t, k, token); caller.ExpiresAt == nil || !caller.ExpiresAt.Equal(ends) {
			t.Errorf("a token ends at %v, want %v", caller.ExpiresAt, ends)
		}
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.SQL.ExecContext(ctx, `UPDATE api_keys SET expires_at = $1 WHERE id = $2`, soon, endless.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		late := newKeys(db, c.now)
		defer late.Close()
		if caller := letIn(t, late, token); caller.ExpiresAt == nil || !caller.ExpiresAt.Equal(soon) {
			t.Errorf("a token of a key that ends at %v ends at %v", soon, caller.ExpiresAt)
		}
	})
}
