package survey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/ent"
	entimage "github.com/zeroten/zeroten/ent/brandimage"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	enttenant "github.com/zeroten/zeroten/ent/tenant"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
)

const (
	// maxSheets is how many campaigns a Book keeps, and maxUnknown how many ids that no campaign has.
	maxSheets, maxUnknown = 10_000, 10_000
	// maxImagesKept is how many images a Book keeps, of some 100 KiB each, and a mebibyte or two at most.
	maxImagesKept = 50
	// followed is how often a Book asks whether what it keeps has changed, and believed for how long it goes by what it was told: pages
	// follow within five seconds.
	followed, believed = 2 * time.Second, 4 * time.Second
	// usedFor is for how long after it was used a sheet is followed.
	usedFor = 10 * time.Minute
	// patience is how long reading a sheet may take, whoever waits for it.
	patience = 5 * time.Second
)

// Sheet is all that is needed to ask people about one campaign, as it was at one moment. It never changes.
type Sheet struct {
	Tenant   uuid.UUID
	Campaign uuid.UUID
	Status   entcampaign.Status
	*Asked
	Brand *Brand
	Ring  *link.Ring
	// Quiet is for how long nobody is asked who was asked by any campaign.
	Quiet time.Duration

	// settings is the number of the tenant's settings that it was read under.
	settings int64
	// kept are what others have made of the sheet, by what for.
	kept sync.Map
}

// Fill fills the placeholders of a text for somebody of whom it is not sure who they are: with the brand's name, and else with what stands
// after the bar.
func (s *Sheet) Fill(text string) string {
	return Fill(text, func(key string) (string, bool) { return s.Brand.Name, key == brandKey })
}

// Keep gives what made makes of the sheet, which is made once for a key as long as the sheet is good.
func (s *Sheet) Keep(key any, made func() any) any {
	if v, ok := s.kept.Load(key); ok {
		return v
	}
	v, _ := s.kept.LoadOrStore(key, made())
	return v
}

// Book has the sheets of the campaigns that people are asked about. What it has is given without asking the database, also where that is
// away: a page is shown then as it was. It may be used from many goroutines at once.
type Book struct {
	db  *store.DB
	now func() time.Time
	log *slog.Logger

	sheets  *lru.Cache[uuid.UUID, *leaf]
	unknown *lru.Cache[uuid.UUID, time.Time]
	flights flight.Group[uuid.UUID, *Sheet]

	rings        *lru.Cache[uuid.UUID, keyring]
	ringFlights  flight.Group[uuid.UUID, *link.Ring]
	images       *lru.Cache[[sha256.Size]byte, *ent.BrandImage]
	imageFlights flight.Group[[sha256.Size]byte, *ent.BrandImage]

	stop context.CancelFunc
	done sync.WaitGroup
}

// keyring is the keys of a tenant, nil where there is none, and when they were read.
type keyring struct {
	ring *link.Ring
	read time.Time
}

// leaf is a place for a sheet.
type leaf struct {
	sheet atomic.Pointer[Sheet]
	// checked is when the sheet was last known to be good, failed when that was last asked in vain, and used when somebody asked for it; all
	// in nanoseconds since 1970.
	checked, failed, used atomic.Int64
}

// NewBook makes a Book, to be closed in the end. now nil is time.Now.
func NewBook(db *store.DB, now func() time.Time, log *slog.Logger) *Book {
	if now == nil {
		now = time.Now
	}
	b := &Book{db: db, now: now, log: log}
	var err error
	if b.sheets, err = lru.New[uuid.UUID, *leaf](maxSheets); err == nil {
		b.unknown, err = lru.New[uuid.UUID, time.Time](maxUnknown)
	}
	if err == nil {
		b.rings, err = lru.New[uuid.UUID, keyring](maxSheets)
	}
	if err == nil {
		b.images, err = lru.New[[sha256.Size]byte, *ent.BrandImage](maxImagesKept)
	}
	if err != nil {
		panic(err) // only for a size below 1
	}
	var ctx context.Context
	ctx, b.stop = context.WithCancel(context.Background())
	caught := flight.Logged(log, "asking whether pages have changed")
	b.done.Add(1)
	flight.Go(func() {
		defer b.done.Done()
		flight.Steadily(ctx, func() { b.follow(ctx) }, caught)
	}, caught)
	return b
}

// Sheet gives the sheet of a campaign; nil where there is no such campaign. The error is for one that is not known yet while the database
// is away.
func (b *Book) Sheet(ctx context.Context, campaign uuid.UUID) (*Sheet, error) {
	now := b.now()
	if l, ok := b.sheets.Get(campaign); ok {
		l.used.Store(now.UnixNano())
		s := l.sheet.Load()
		if since(now, &l.checked) < believed {
			return s, nil
		}
		// It may be outdated: all who want it wait for one who asks. Where the database does not answer they get what there is, and nobody asks
		// again for a while.
		if since(now, &l.failed) < followed {
			return s, nil
		}
		again, err := b.read(ctx, campaign)
		if err != nil {
			if ctx.Err() == nil && l.failed.Swap(now.UnixNano()) < now.Add(-followed).UnixNano() {
				b.log.WarnContext(ctx, "a page is shown as it was before, since its settings cannot be read", "campaign", campaign, "error", err)
			}
			return s, nil
		}
		return again, nil
	}
	if at, ok := b.unknown.Get(campaign); ok && now.Sub(at) < believed {
		return nil, nil
	}
	return b.read(ctx, campaign)
}

func since(now time.Time, at *atomic.Int64) time.Duration {
	return time.Duration(now.UnixNano() - at.Load())
}

// read reads a sheet from the database, once for all who wait for it.
func (b *Book) read(ctx context.Context, campaign uuid.UUID) (*Sheet, error) {
	return b.flights.Do(ctx, campaign, patience, func(ctx context.Context) (*Sheet, error) {
		began := b.now()
		s, err := b.load(ctx, campaign)
		switch {
		case err != nil:
			return nil, err
		case s == nil:
			b.sheets.Remove(campaign)
			b.unknown.Add(campaign, began)
			return nil, nil
		}
		b.keep(s, began)
		return s, nil
	})
}

func (b *Book) keep(s *Sheet, at time.Time) {
	l, ok := b.sheets.Get(s.Campaign)
	if !ok {
		l = &leaf{}
		l.used.Store(at.UnixNano())
	}
	l.sheet.Store(s)
	l.checked.Store(at.UnixNano())
	b.sheets.Add(s.Campaign, l)
}

// load reads a sheet at one moment.
func (b *Book) load(ctx context.Context, campaign uuid.UUID) (*Sheet, error) {
	// Nobody knows yet whose it is.
	row, err := b.db.Ent.Campaign.Query().Where(entcampaign.ID(campaign)).Only(auth.ForSystem(ctx))
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a campaign: %w", err)
	}
	ctx = auth.ForTenant(ctx, row.TenantID)
	s := &Sheet{Tenant: row.TenantID, Campaign: campaign}
	err = b.db.Snapshot(ctx, func(tx *store.Tx) error {
		tenant, err := tx.Ent.Tenant.Get(ctx, s.Tenant)
		if err != nil {
			return fmt.Errorf("reading a tenant: %w", err)
		}
		s.settings, s.Quiet = tenant.Settings, time.Duration(tenant.QuietDays)*day
		c, err := tx.Ent.Campaign.Get(ctx, campaign)
		if err != nil {
			return fmt.Errorf("reading a campaign: %w", err)
		}
		asked, err := ofTx(ctx, tx, campaign)
		if err != nil {
			return err
		}
		wordings, err := wordingsTx(ctx, tx, campaign)
		if err != nil {
			return err
		}
		s.Status, s.Asked = c.Status, NewAsked(c.Question, c.FollowUpQuestion, asked, wordings)
		s.Brand, err = BrandTx(ctx, tx, tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.Ring, err = ring(ctx, b.db, s.Tenant, b.now()); err != nil {
		return nil, err
	}
	return s, nil
}

// Ring gives the keys that a tenant's links are signed by; nil where there is no such tenant. key is the number of the one that is asked
// for: where it is not known yet, another process may have made it.
func (b *Book) Ring(ctx context.Context, tenant uuid.UUID, key uint16) (*link.Ring, error) {
	now := b.now()
	if known, ok := b.rings.Get(tenant); ok && (known.ring != nil && known.ring.Has(key) || now.Sub(known.read) < believed) {
		return known.ring, nil
	}
	return b.ringFlights.Do(ctx, tenant, patience, func(ctx context.Context) (*link.Ring, error) {
		var made *link.Ring
		is, err := b.db.Ent.Tenant.Query().Where(enttenant.ID(tenant)).Exist(auth.ForSystem(ctx))
		if err == nil && is {
			made, err = ring(auth.ForTenant(ctx, tenant), b.db, tenant, now)
		}
		if err != nil {
			return nil, fmt.Errorf("reading a tenant's keys: %w", err)
		}
		b.rings.Add(tenant, keyring{made, now})
		return made, nil
	})
}

// imageNames are the public names of images.
var imageNames = regexp.MustCompile(`^[0-9a-f]{64}\.(png|jpg)$`)

// Image gives an image of a brand by its public name, `<hash>.png` or `.jpg`; nil where there is none.
func (b *Book) Image(ctx context.Context, name string) (*ent.BrandImage, error) {
	if !imageNames.MatchString(name) {
		return nil, nil
	}
	hash := [sha256.Size]byte{}
	if _, err := hex.Decode(hash[:], []byte(name[:2*sha256.Size])); err != nil {
		return nil, nil //nolint:nilerr // there is none of such a name
	}
	image, ok := b.images.Get(hash)
	if !ok {
		var err error
		image, err = b.imageFlights.Do(ctx, hash, patience, func(ctx context.Context) (*ent.BrandImage, error) {
			found, err := b.db.Ent.BrandImage.Query().Where(entimage.Hash(hash[:])).First(auth.ForSystem(ctx))
			if err != nil && !ent.IsNotFound(err) {
				return nil, fmt.Errorf("reading an image: %w", err)
			}
			return found, nil
		})
		if err != nil || image == nil {
			return nil, err
		}
		b.images.Add(hash, image)
	}
	if !strings.HasSuffix(name, endings[image.MediaType]) {
		return nil, nil
	}
	return image, nil
}

// Close ends the following.
func (b *Book) Close() {
	b.stop()
	b.done.Wait()
}

// follow keeps what is in use up to date until the context ends: one statement every two seconds, whatever the number of campaigns.
func (b *Book) follow(ctx context.Context) {
	tick := time.NewTicker(followed)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := b.refresh(ctx); err != nil && ctx.Err() == nil && !store.MayPass(err) {
			b.log.ErrorContext(ctx, "asking whether pages have changed", "error", err)
		}
	}
}

// refresh asks whether the sheets in use are good, and reads those again that are not.
func (b *Book) refresh(ctx context.Context) error {
	now := b.now()
	inUse := map[uuid.UUID][]*leaf{}
	for _, l := range b.sheets.Values() {
		if since(now, &l.used) < usedFor {
			tenant := l.sheet.Load().Tenant
			inUse[tenant] = append(inUse[tenant], l)
		}
	}
	if len(inUse) == 0 {
		return nil
	}
	rows, err := b.db.Ent.Tenant.Query().Where(enttenant.IDIn(slices.Collect(maps.Keys(inUse))...)).
		Select(enttenant.FieldID, enttenant.FieldSettings).All(auth.ForSystem(ctx))
	if err != nil {
		return fmt.Errorf("reading the tenants' settings: %w", err)
	}
	for _, row := range rows {
		for _, l := range inUse[row.ID] {
			s := l.sheet.Load()
			if s.settings == row.Settings {
				l.checked.Store(now.UnixNano())
				continue
			}
			if _, err := b.read(ctx, s.Campaign); err != nil {
				return err
			}
		}
	}
	return nil
}
