package cube

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
)

// Memory keeps the cells that are counted by profile, packed: a thing of two or three bytes, where a row of the database
// takes microseconds to read. What it keeps of one campaign, month and grain is a bundle.
//
// It is never behind, whichever process writes. Each transaction that changes cells gives the tenant a new revision, and
// sets it as that of the rows that it writes and of their months' totals. So what was read at a revision is right as long
// as the tenant has it, and a bundle as long as its month's total says the same; where it is not, the rows with a later
// revision are what is new.
type Memory struct {
	// most is how many bytes are kept.
	most int

	mu      sync.Mutex
	tenants map[uuid.UUID]*remembered
	size    int
	// clock counts uses: what was not used for the longest goes first.
	clock int64

	flights flight.Group[string, *view]
	// loads has room for as many as may read months at a time that are not there.
	loads chan struct{}
}

const (
	// maxMemory is what a process keeps of all tenants, in bytes.
	maxMemory = 32 << 20
	maxLoads  = 2
	// loadTimeout bounds how long bundles are read that somebody waits for, or waited.
	loadTimeout = time.Minute
	// maxPacked is how many cells one reading may go through. Many more would not stay in memory, and be read each time.
	maxPacked = 5_000_000
	// maxLoadPoints is what loading costs at most: it is done once for all who come after.
	maxLoadPoints = 300
	// scannedPerLoaded is how many rows that are only looked at take as long as one that is loaded.
	scannedPerLoaded = 10
	// tenantSize, monthSize and bundleSize are what is around the cells, in bytes.
	tenantSize, monthSize, bundleSize = 200, 240, 160
)

// NewMemory makes an empty memory, as large as a process may have.
func NewMemory() *Memory { return newMemory(maxMemory) }

func newMemory(most int) *Memory {
	return &Memory{most: most, tenants: map[uuid.UUID]*remembered{}, loads: make(chan struct{}, maxLoads)}
}

// remembered is what is kept of one tenant. turn is for who changes it; the memory's mu for all but that.
type remembered struct {
	turn chan struct{}
	// dropped says that it is kept no longer.
	dropped bool
	used    int64

	// generation is the one whose cells they are, and revision the one as of which the months are known.
	generation int32
	revision   int64
	// months are in order.
	months []*month
}

// month is one campaign's month.
type month struct {
	campaign uuid.UUID
	start    calendar.Day
	// version is the revision that changed one of its cells last, and total what all of them add up to.
	version int64
	total   counts
	// bundles are those of the grains DayProfile and MonthProfile; nil where they are not there.
	bundles [2]*bundle
	used    [2]int64
}

func (m *month) order(campaign uuid.UUID, start calendar.Day) int {
	return cmp.Or(bytes.Compare(m.campaign[:], campaign[:]), cmp.Compare(m.start, start))
}

// bundle is the cells of one campaign, month and grain, as of a version of the month. It is never changed.
type bundle struct {
	version  int64
	sections []section
	cells    int
}

func (c *bundle) size() int {
	n := bundleSize
	for _, s := range c.sections {
		n += bundleSize/4 + len(s.data)
	}
	return n
}

// view is all that a query asks for, as of one moment.
type view struct {
	// stale says that the settings are not those of the state.
	stale bool
	parts []part
	// loaded is how many cells had to be read from the database.
	loaded int
}

// part is a bundle, and the starts in it that are asked for.
type part struct {
	campaign    uuid.UUID
	first, last calendar.Day
	bundle      *bundle
}

// need is a bundle that is asked for.
type need struct {
	month       *month
	grain       Grain
	first, last calendar.Day
}

// needs are the bundles that a query asks for.
func (q Query) needs(months []*month) []need {
	var wanted map[uuid.UUID]bool
	if q.Campaigns != nil {
		wanted = make(map[uuid.UUID]bool, len(q.Campaigns))
		for _, c := range q.Campaigns {
			wanted[c] = true
		}
	}
	var needs []need
	for _, span := range q.spans() {
		grain := DayProfile
		if span.month {
			grain = MonthProfile
		}
		for _, m := range months {
			if (wanted == nil || wanted[m.campaign]) && m.start <= span.last && (m.start >= span.first || calendar.Monthly.Next(m.start) > span.first) {
				needs = append(needs, need{m, grain, span.first, span.last})
			}
		}
	}
	return needs
}

// name names what a query asks for, besides the profiles, for who has the state.
func (q Query) name(g *Generations, revision int64) string {
	var b strings.Builder
	fmt.Fprint(&b, g.Tenant, g.Settings, revision, q.spans(), q.Campaigns != nil)
	for _, c := range q.Campaigns {
		b.Write(c[:])
	}
	return b.String()
}

// view is what the query asks for, not older than the call.
func (m *Memory) view(ctx context.Context, db *store.DB, g *Generations, q Query) (*view, error) {
	settings, revision, err := momentOf(ctx, db.Query, g.Tenant)
	if err != nil {
		return nil, err
	}
	if settings != g.Settings {
		return &view{stale: true}, nil
	}
	if v := m.ready(g, q, revision); v != nil {
		return v, nil
	}
	if db.Now() != db {
		return m.then(ctx, db, g, q)
	}
	// Who waits for the same gets the same. It is loaded even where they give up, so that it is there when they ask again.
	return m.flights.Do(ctx, q.name(g, revision), loadTimeout, func(ctx context.Context) (v *view, err error) {
		t := m.tenant(g.Tenant)
		turns := []chan struct{}{t.turn}
		if m.lacks(t, q) {
			turns = append(turns, m.loads)
		}
		for _, turn := range turns {
			select {
			case turn <- struct{}{}:
			case <-ctx.Done():
				return nil, fmt.Errorf("waiting to read cells: %w", context.Cause(ctx))
			}
			defer func() { <-turn }()
		}
		err = db.Snapshot(ctx, func(tx *store.Tx) (err error) {
			v, err = m.load(ctx, &loading{t: t, tx: tx.SQL, dialect: db.Dialect, of: g}, q)
			return err
		})
		return v, err
	})
}

// then is what the query asks for as of a moment, which others may have brought the memory beyond: what is kept that was right
// then already is lent, what has changed since is read for this once.
func (m *Memory) then(ctx context.Context, db *store.DB, g *Generations, q Query) (*view, error) {
	now, err := m.view(ctx, db.Now(), g, q) // so that little is left to read; where that is stale, it is all
	if err != nil {
		return nil, err
	}
	var v *view
	err = db.Snapshot(ctx, func(tx *store.Tx) (err error) {
		t := &remembered{dropped: true, generation: g.Active.Number, revision: -1}
		v, err = m.load(ctx, &loading{t: t, tx: tx.SQL, dialect: db.Dialect, of: g, borrows: true}, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	v.loaded += now.loaded
	return v, nil
}

// lend gives what is kept of a tenant to who reads it as of a moment, as far as it is not later.
func (m *Memory) lend(tenant uuid.UUID, to *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenants[tenant]
	if t == nil || t.generation != to.generation {
		return
	}
	for _, of := range to.months {
		at, ok := slices.BinarySearchFunc(t.months, of, func(a, b *month) int { return a.order(b.campaign, b.start) })
		if !ok {
			continue
		}
		for grain, c := range t.months[at].bundles {
			if c != nil && c.version <= of.version {
				of.bundles[grain] = c
			}
		}
	}
}

// momentOf reads what moves with each write of the tenant's.
func momentOf(ctx context.Context, query func(context.Context, string, ...any) (*sql.Rows, error), tenant uuid.UUID) (settings, revision int64, err error) {
	rows, err := query(ctx, `SELECT settings, revision FROM tenants WHERE id = $1`, tenant)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		found = true
		if err := rows.Scan(&settings, &revision); err != nil {
			return 0, 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, err
	}
	if !found {
		return 0, 0, apierror.New(apierror.NotFoundCode, "no such tenant")
	}
	return settings, revision, nil
}

// ready is what the query asks for where all of it is there, as of the revision; else nil.
func (m *Memory) ready(g *Generations, q Query, revision int64) *view {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenants[g.Tenant]
	if t == nil || t.generation != g.Active.Number || t.revision != revision {
		return nil
	}
	v := &view{}
	needs := q.needs(t.months)
	for _, n := range needs {
		c := n.month.bundles[n.grain]
		if c == nil || c.version != n.month.version {
			return nil
		}
		v.parts = append(v.parts, part{n.month.campaign, n.first, n.last, c})
	}
	m.clock++
	t.used = m.clock
	for _, n := range needs {
		n.month.used[n.grain] = m.clock
	}
	return v
}

func (m *Memory) tenant(id uuid.UUID) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenants[id]
	if t == nil {
		t = &remembered{turn: make(chan struct{}, 1), revision: -1}
		m.tenants[id] = t
		m.size += tenantSize
	}
	m.clock++
	t.used = m.clock
	m.makeRoom()
	return t
}

// lacks reports whether the query asks for months that are not there at all, which takes longer than to read what has
// changed in those that are.
func (m *Memory) lacks(t *remembered, q Query) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.revision < 0 || slices.ContainsFunc(q.needs(t.months), func(n need) bool { return n.month.bundles[n.grain] == nil })
}

// loading is how a query's bundles are read, in a snapshot, by who has the tenant's turn.
type loading struct {
	t       *remembered
	tx      *sql.Tx
	dialect string
	of      *Generations
	cells   *sql.Stmt
	loaded  int
	// borrows says that t is not what is kept, but takes of it what is right.
	borrows bool
}

func (m *Memory) load(ctx context.Context, l *loading, q Query) (*view, error) {
	settings, revision, err := momentOf(ctx, l.tx.QueryContext, l.of.Tenant)
	if err != nil {
		return nil, err
	}
	if settings != l.of.Settings {
		return &view{stale: true}, nil
	}
	if err := m.refresh(ctx, l, revision); err != nil {
		return nil, err
	}
	if l.borrows {
		m.lend(l.of.Tenant, l.t)
	}
	defer func() {
		if l.cells != nil {
			_ = l.cells.Close()
		}
	}()
	v := &view{}
	cells := 0
	for _, n := range q.needs(l.t.months) {
		c, err := m.bundle(ctx, l, n)
		if err != nil {
			return nil, err
		}
		if cells += c.cells; cells > maxPacked {
			return nil, apierror.New(apierror.TooComplex, "This would read more than %d cells: narrow the filter.", maxPacked)
		}
		v.parts = append(v.parts, part{n.month.campaign, n.first, n.last, c})
	}
	v.loaded = l.loaded
	return v, nil
}

// refresh brings what is known of the tenant's months up to date.
func (m *Memory) refresh(ctx context.Context, l *loading, revision int64) error {
	t := l.t
	if t.generation != l.of.Active.Number || t.revision > revision {
		// Another cube; or a backup is back, whose revisions may come again with other cells.
		m.mu.Lock()
		before := t.size()
		t.generation, t.revision, t.months = l.of.Active.Number, -1, nil
		if !t.dropped {
			m.size += t.size() - before
		}
		m.mu.Unlock()
	}
	if t.revision == revision {
		return nil
	}
	text := `SELECT campaign_id, start, changed, ` + packed(l.dialect) + ` FROM cells
		WHERE tenant_id = $1 AND cube = $2 AND grain = $3 AND changed > $4`
	var changed []*month
	err := store.Each(ctx, l.tx, func(rows *sql.Rows) error {
		c := &month{}
		var p packedCounts
		if err := rows.Scan(append([]any{&c.campaign, &c.start, &c.version}, p.dest()...)...); err != nil {
			return err
		}
		c.total = p.counts()
		changed = append(changed, c)
		return nil
	}, text, l.of.Tenant, t.generation, int(MonthTotal), t.revision)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := len(t.months)
	for _, c := range changed {
		at, ok := slices.BinarySearchFunc(t.months[:known], c, func(a, b *month) int { return a.order(b.campaign, b.start) })
		if ok {
			t.months[at].version, t.months[at].total = c.version, c.total
			continue
		}
		t.months = append(t.months, c)
		if !t.dropped {
			m.size += monthSize
		}
	}
	slices.SortFunc(t.months, func(a, b *month) int { return a.order(b.campaign, b.start) })
	t.revision = revision
	m.makeRoom()
	return nil
}

// bundle is one that is needed: the one that is there, where it is right, or else as it is now.
func (m *Memory) bundle(ctx context.Context, l *loading, n need) (*bundle, error) {
	m.mu.Lock()
	old := n.month.bundles[n.grain]
	m.mu.Unlock()
	if old != nil && old.version == n.month.version {
		return old, nil
	}
	now := &bundle{version: n.month.version}
	if old != nil {
		changed, err := l.rows(ctx, n, old.version)
		if err != nil {
			return nil, err
		}
		l.loaded += old.cells / scannedPerLoaded
		now.sections = merge(old.sections, changed)
	}
	if old == nil || now.total() != n.month.total {
		// Rows are deleted only by repairs. They are noticed so.
		all, err := l.rows(ctx, n, -1)
		if err != nil {
			return nil, err
		}
		now.sections = pack(all)
	}
	for _, s := range now.sections {
		now.cells += s.cells
	}
	m.keep(l.t, n, now)
	return now, nil
}

// total is what the bundle's cells add up to.
func (c *bundle) total() (total counts) {
	var h nps.Histogram
	for _, s := range c.sections {
		for u := (unpacking{data: s.data}); u.next(); {
			u.add(&h)
		}
	}
	for score, n := range h {
		total[score] = uint32(n)
	}
	return total
}

// rows are a bundle's rows that were changed after a revision, in order.
func (l *loading) rows(ctx context.Context, n need, after int64) ([]row, error) {
	if l.cells == nil {
		var err error
		l.cells, err = l.tx.PrepareContext(ctx, `SELECT start, profile_id, `+packed(l.dialect)+` FROM cells
			WHERE tenant_id = $1 AND cube = $2 AND grain = $3 AND campaign_id = $4 AND start >= $5 AND start < $6 AND changed > $7`)
		if err != nil {
			return nil, err
		}
	}
	found, err := l.cells.QueryContext(ctx, l.of.Tenant, l.t.generation, int(n.grain), n.month.campaign,
		int64(n.month.start), int64(calendar.Monthly.Next(n.month.start)), after)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []row
	var r row
	var p packedCounts
	dest := append([]any{&r.start, &r.profile}, p.dest()...)
	for found.Next() {
		if err := found.Scan(dest...); err != nil {
			return nil, err
		}
		r.counts = p.counts()
		rows = append(rows, r)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	l.loaded += len(rows)
	if !slices.IsSortedFunc(rows, byPlace) {
		slices.SortFunc(rows, byPlace)
	}
	return rows, nil
}

// packedCounts are a row's counts, two in a column.
type packedCounts [(nps.MaxScore + 2) / 2]int64

func (p *packedCounts) dest() []any { return []any{&p[0], &p[1], &p[2], &p[3], &p[4], &p[5]} }

func (p *packedCounts) counts() (c counts) {
	for score := range c {
		c[score] = uint32(p[score/2] >> (score % 2 * 32))
	}
	return c
}

// keep keeps a bundle, and makes room for it.
func (m *Memory) keep(t *remembered, n need, c *bundle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.dropped {
		return
	}
	if old := n.month.bundles[n.grain]; old != nil {
		m.size -= old.size()
	}
	m.size += c.size()
	m.clock++
	n.month.bundles[n.grain], n.month.used[n.grain], t.used = c, m.clock, m.clock
	m.makeRoom()
}

// size is what is kept of the tenant, in bytes.
func (t *remembered) size() int {
	n := tenantSize + len(t.months)*monthSize
	for _, month := range t.months {
		for _, c := range month.bundles {
			if c != nil {
				n += c.size()
			}
		}
	}
	return n
}

// makeRoom forgets what was not used for the longest where more is kept than may be: a quarter of all, so that it is not
// done each time. Whatever makes m.size larger calls it before it lets go of m.mu.
func (m *Memory) makeRoom() {
	if m.size <= m.most {
		return
	}
	type item struct {
		used int64
		// forget says how many bytes that frees.
		forget func() int
	}
	var all []item
	for id, t := range m.tenants {
		all = append(all, item{t.used, func() int {
			delete(m.tenants, id)
			t.dropped = true
			return t.size()
		}})
		for _, month := range t.months {
			for grain, c := range month.bundles {
				if c != nil {
					all = append(all, item{month.used[grain], func() int {
						month.bundles[grain] = nil
						if t.dropped {
							return 0
						}
						return c.size()
					}})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.used, b.used) })
	for _, i := range all {
		if m.size <= m.most/4*3 {
			return
		}
		m.size -= i.forget()
	}
}
