package tenant

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits of tokens.
const (
	MaxTokenLife      = 24 * time.Hour
	MaxTokenCampaigns = 100
	// maxToken is how many bytes a token has at most; one with all campaigns that there may be has some 5,800.
	maxToken = 8 << 10
)

// A token is its prefix, by which people and scanners know it, and a signed JWT.
const (
	tokenPrefix = "z10t_"
	// tokenUse is issuer and audience of our tokens: they are from us and for us.
	tokenUse = "zeroten"
)

// CreateTokenInput is a token to make.
type CreateTokenInput struct {
	Scopes []auth.Scope
	// Campaigns are texts of ids; nil does not narrow.
	Campaigns []string
	// Segment is the text of an id; nil does not narrow.
	Segment *string
	// ExpiresIn is in seconds, from now on.
	ExpiresIn int
}

// CreateToken makes a token with the rights of the caller, who must hold a key of a tenant, or less. From expiresAt on
// it lets nobody in: that is the end of the key where the key ends first. The error is UserErrors for what the caller
// can mend, and FORBIDDEN for a caller that is no key's holder.
func CreateToken(ctx context.Context, db *store.DB, in CreateTokenInput) (text string, expiresAt time.Time, err error) {
	return createToken(ctx, db, in, time.Now())
}

func createToken(ctx context.Context, db *store.DB, in CreateTokenInput, now time.Time) (text string, expiresAt time.Time, err error) {
	caller, _ := auth.From(ctx)
	if caller.Key == uuid.Nil || caller.Tenant == uuid.Nil || caller.Token {
		return "", expiresAt, apierror.New(apierror.Forbidden, "Only the holder of a tenant's key makes tokens: send the key itself.")
	}
	scopes, errs := tokenScopes(caller, in)
	narrowing, more, err := in.narrowing(ctx, db, caller)
	if err != nil {
		return "", expiresAt, err
	}
	errs = append(errs, more...)
	if life := time.Duration(in.ExpiresIn) * time.Second; in.ExpiresIn < 1 || life > MaxTokenLife {
		errs.Add(apierror.OutOfRange, []string{"expiresIn"}, "Want 1 to %d seconds.", int(MaxTokenLife.Seconds()))
	}
	if err := errs.Err(); err != nil {
		return "", expiresAt, err
	}
	parent, err := GetKey(ctx, db, caller.Key)
	if err != nil {
		return "", expiresAt, err
	}
	if parent == nil {
		return "", expiresAt, unauthenticated()
	}
	if err := over(parent, now, "This key"); err != nil {
		return "", expiresAt, err
	}
	key, err := signer(ctx, db, now)
	if err != nil {
		return "", expiresAt, err
	}
	t := token{tenant: caller.Tenant, key: caller.Key, scopes: scopes, narrowing: narrowing, expires: now.Add(time.Duration(in.ExpiresIn) * time.Second)}
	// A token has whole seconds.
	if whole := t.expires.Truncate(time.Second); whole.Before(t.expires) {
		t.expires = whole.Add(time.Second)
	}
	if text, err = t.sign(key.ID, key.Secret, now); err != nil {
		return "", expiresAt, err
	}
	if parent.ExpiresAt != nil && parent.ExpiresAt.Before(t.expires) {
		return text, *parent.ExpiresAt, nil
	}
	return text, t.expires.UTC(), nil
}

// tokenScopes are the scopes asked for, each once.
func tokenScopes(caller auth.Caller, in CreateTokenInput) ([]auth.Scope, apierror.UserErrors) {
	var scopes []auth.Scope
	var errs apierror.UserErrors
	if len(in.Scopes) == 0 {
		errs.Add(apierror.Required, []string{"scopes"}, "A token needs one scope at least.")
	}
	if len(in.Scopes) > maxScopes {
		errs.Add(apierror.TooMany, []string{"scopes"}, "At most %d, not %d.", maxScopes, len(in.Scopes))
		return nil, errs
	}
	for i, s := range in.Scopes {
		if slices.Contains(scopes, s) {
			continue
		}
		scopes = append(scopes, s)
		field := []string{"scopes", apierror.Index(i)}
		if _, err := auth.ParseScope(string(s)); err != nil {
			errs.Add(apierror.Invalid, field, "%v.", err)
		} else if s == auth.Operator || !caller.May(s) {
			errs.Add(apierror.NotAllowed, field, "The key that asks has not the scope %s itself, or must not pass it on.", s)
		}
	}
	narrow := in.Campaigns != nil || in.Segment != nil
	switch reads := slices.Equal(scopes, []auth.Scope{auth.Read}); {
	case !narrow || reads || errs != nil:
	case in.Segment != nil:
		errs.Add(apierror.NotAllowed, []string{"scopes"}, "A token that is narrowed to a segment has the scope READ alone.")
	case !slices.Equal(scopes, []auth.Scope{auth.Collect}):
		errs.Add(apierror.NotAllowed, []string{"scopes"},
			"A token that is narrowed to campaigns has the scope READ alone, or COLLECT alone: make two tokens, or leave campaigns out.")
	}
	return scopes, errs
}

// narrowing finds what the token is to be narrowed to.
func (in *CreateTokenInput) narrowing(ctx context.Context, db *store.DB, caller auth.Caller) (auth.Narrowing, apierror.UserErrors, error) {
	var n auth.Narrowing
	var errs apierror.UserErrors
	switch {
	case in.Campaigns == nil:
	case len(in.Campaigns) == 0:
		errs.Add(apierror.Required, []string{"campaigns"}, "Name one campaign at least, or leave campaigns out for all.")
	case len(in.Campaigns) > MaxTokenCampaigns:
		errs.Add(apierror.TooMany, []string{"campaigns"}, "At most %d, not %d.", MaxTokenCampaigns, len(in.Campaigns))
	default:
		if err := in.campaigns(ctx, db, &n, &errs); err != nil {
			return n, nil, err
		}
	}
	if in.Segment == nil || !caller.May(auth.Read) {
		return n, errs, nil
	}
	segment, err := id.Segment.Parse(*in.Segment)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"segment"}, "%v.", err)
		return n, errs, nil
	}
	_, err = db.Ent.Segment.Get(ctx, segment)
	if ent.IsNotFound(err) {
		errs.Add(apierror.NotFound, []string{"segment"}, "There is no segment %s.", *in.Segment)
		return n, errs, nil
	}
	if err != nil {
		return n, nil, fmt.Errorf("finding a segment: %w", err)
	}
	n.Segment = segment
	return n, errs, nil
}

func (in *CreateTokenInput) campaigns(ctx context.Context, db *store.DB, n *auth.Narrowing, errs *apierror.UserErrors) error {
	ids := make([]uuid.UUID, len(in.Campaigns))
	for i, text := range in.Campaigns {
		var err error
		if ids[i], err = id.Campaign.Parse(text); err != nil {
			errs.Add(apierror.Invalid, []string{"campaigns", apierror.Index(i)}, "%v.", err)
		}
	}
	found, err := db.Ent.Campaign.Query().Where(entcampaign.IDIn(ids...)).IDs(ctx)
	if err != nil {
		return fmt.Errorf("finding campaigns: %w", err)
	}
	for i, c := range ids {
		switch {
		case c == uuid.Nil: // malformed
		case !slices.Contains(found, c):
			errs.Add(apierror.NotFound, []string{"campaigns", apierror.Index(i)}, "There is no campaign %s.", in.Campaigns[i])
		case !slices.Contains(n.Campaigns, c):
			n.Campaigns = append(n.Campaigns, c)
		}
	}
	return nil
}

// token is what a token says. It is shared: it must not be changed.
type token struct {
	tenant, key uuid.UUID
	scopes      []auth.Scope
	narrowing   auth.Narrowing
	expires     time.Time
	signed      signingName
}

// claims are what a token says, as it is written.
type claims struct {
	jwt.RegisteredClaims

	Tenant    uuid.UUID    `json:"tenant"`
	Key       uuid.UUID    `json:"key"`
	Scopes    []auth.Scope `json:"scopes"`
	Campaigns []uuid.UUID  `json:"campaigns,omitempty"`
	Segment   uuid.UUID    `json:"segment,omitzero"`
}

// sign writes the token.
func (t *token) sign(kid uuid.UUID, secret []byte, now time.Time) (string, error) {
	j := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenUse, Audience: jwt.ClaimStrings{tokenUse}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(t.expires),
		},
		Tenant: t.tenant, Key: t.key, Scopes: t.scopes, Campaigns: t.narrowing.Campaigns, Segment: t.narrowing.Segment,
	})
	j.Header["kid"] = kid.String()
	signed, err := j.SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return tokenPrefix + signed, nil
}

// isToken tells tokens from keys; it does not say that the token is good.
func isToken(secret string) bool { return strings.HasPrefix(secret, tokenPrefix) }

// errToken says that a text is no token of ours.
var errToken = errors.New("no token of ours")

// parseToken reads a token whose signature is good, expired or not. The error wraps errToken where it is not, else it
// is secretOf's own. secretOf gives the secret of a signing key; nil where there is none.
func parseToken(text string, secretOf func(signingName) (*[]byte, error)) (*token, error) {
	text, ok := strings.CutPrefix(text, tokenPrefix)
	// The decoder passes over line ends.
	if !ok || len(text) > maxToken || strings.ContainsAny(text, "\r\n") {
		return nil, errToken
	}
	var c claims
	var signed signingName
	var failure error
	// When it ends is for the caller to say, time and again.
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(text, &c, func(j *jwt.Token) (any, error) {
		kid, _ := j.Header["kid"].(string)
		key, err := uuid.Parse(kid)
		if err != nil {
			return nil, errToken
		}
		signed = signingName{c.Tenant, key}
		secret, err := secretOf(signed)
		if err != nil {
			failure = err
			return nil, err
		}
		if secret == nil {
			return nil, errToken
		}
		return *secret, nil
	})
	switch {
	case failure != nil:
		return nil, failure
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errToken, err)
	case c.Issuer != tokenUse || !slices.Equal(c.Audience, jwt.ClaimStrings{tokenUse}) || c.ExpiresAt == nil || c.IssuedAt == nil:
		return nil, errToken
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > MaxTokenLife+time.Second: // the end is rounded up
		return nil, errToken
	}
	return &token{
		tenant: c.Tenant, key: c.Key, scopes: c.Scopes, expires: c.ExpiresAt.Time, signed: signed,
		narrowing: auth.Narrowing{Campaigns: c.Campaigns, Segment: c.Segment},
	}, nil
}

// authenticateToken is Authenticate for tokens.
func (k *Keys) authenticateToken(ctx context.Context, secret string) (auth.Caller, error) {
	if len(secret) > len(tokenPrefix)+maxToken {
		return auth.Caller{}, unauthenticated()
	}
	secretOf := func(name signingName) (*[]byte, error) { return k.signing.get(ctx, name) }
	d := sha256.Sum256([]byte(secret))
	t, known := k.tokens.Get(d)
	var err error
	if !known {
		t, err = parseToken(secret, secretOf)
	} else if still, lost := secretOf(t.signed); lost != nil || still == nil {
		// Its signing key is gone, and what it signed with it.
		k.tokens.Remove(d)
		err = lost
		if lost == nil {
			err = errToken
		}
	}
	switch {
	case errors.Is(err, errToken):
		return auth.Caller{}, unauthenticated()
	case err != nil:
		return auth.Caller{}, fmt.Errorf("looking a token's key up: %w", err)
	case !k.now().Before(t.expires):
		return auth.Caller{}, apierror.New(apierror.Unauthenticated, "This token expired on %s.", moment(t.expires))
	}
	if !known {
		k.tokens.Add(d, t)
	}
	parent, err := k.key(ctx, keyName{tenant: t.tenant, key: t.key}, "The key that made this token")
	if err != nil {
		return auth.Caller{}, err
	}
	giver := auth.Caller{Scopes: parent.Scopes}
	if slices.ContainsFunc(t.scopes, func(s auth.Scope) bool { return !giver.May(s) }) {
		return auth.Caller{}, unauthenticated() // whatever signed it
	}
	caller := auth.Caller{Tenant: t.tenant, Key: t.key, Scopes: t.scopes, ExpiresAt: &t.expires, Token: true, Narrowing: t.narrowing}
	if parent.ExpiresAt != nil && parent.ExpiresAt.Before(t.expires) {
		caller.ExpiresAt = parent.ExpiresAt
	}
	if !t.narrowing.IsZero() {
		// The same for all tokens of the key, so that a new token goes on where the last one was.
		mask := hmac.New(sha256.New, parent.Hash)
		fmt.Fprint(mask, "positions", t.narrowing) // apart, so that two holders cannot put their orders together
		copy(caller.Mask[:], mask.Sum(nil))
	}
	return caller, nil
}
