package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/zeroten/zeroten/internal/store"
)

// measure adds what is asked for whenever the metrics are read.
func (a *App) measure() {
	o := a.Observe
	o.Register(collectors.NewDBStatsCollector(a.DB.Reader, "reader"), collectors.NewDBStatsCollector(a.DB.Writer, "writer"))
	o.Gauge("database_away", "1 while the database cannot be reached, else 0.", func() float64 {
		if a.DB.Away() != nil {
			return 1
		}
		return 0
	})
	o.Register(a.queues(), a.readers(), a.followers())
	o.Gauge("clicks_held", "Recipients whose opened links wait to be written.", func() float64 { return float64(a.Clicks.Held()) })
	o.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "zeroten_clicks_dropped_total", Help: "Clicks that were not kept, since too many waited to be written.",
	}, func() float64 { return float64(a.Clicks.Dropped()) }))
	o.Gauge("http_connections", "Open connections; event streams and sockets apart.", func() float64 { return float64(a.connections.Load()) })
	o.Gauges("jobs", "Jobs by state.", "state", func() map[string]float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		jobs, err := a.jobs.Count(ctx)
		if err != nil {
			a.log.Warn("measuring jobs", "error", err.Error())
		}
		values := make(map[string]float64, len(jobs))
		for state, n := range jobs {
			values[state] = float64(n)
		}
		return values
	})
}

// together are gauges whose values are read at once, in the order of the descriptions.
type together struct {
	descriptions []*prometheus.Desc
	values       func() []float64
}

// Describe tells what the values are.
func (g *together) Describe(to chan<- *prometheus.Desc) {
	for _, d := range g.descriptions {
		to <- d
	}
}

// Collect tells the values.
func (g *together) Collect(to chan<- prometheus.Metric) {
	for i, value := range g.values() {
		to <- prometheus.MustNewConstMetric(g.descriptions[i], prometheus.GaugeValue, value)
	}
}

func described(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("zeroten_"+name, help, nil, nil)
}

func (a *App) queues() *together {
	return &together{[]*prometheus.Desc{
		described("queued_operations", "Writes that wait for a flush."),
		described("writing_tenants", "Tenants whose log is just being written."),
	}, func() []float64 {
		operations, writers := a.Log.Queued()
		return []float64{float64(operations), float64(writers)}
	}}
}

func (a *App) readers() *together {
	return &together{[]*prometheus.Desc{
		described("live_subscribers", "Open subscriptions to feedback."),
		described("live_behind", "Subscriptions that read the log by themselves until they have caught up."),
		described("live_watches", "Open subscriptions to scores."),
		described("live_tailers", "Tenants whose log is being read for listeners."),
		described("live_lag_events", "Events that the slowest reader of a log is behind."),
		described("live_retries", "How often something failed for listeners and was tried again, since the start."),
	}, func() []float64 {
		s, t := a.Live.Stats(), a.Tail.Stats()
		return []float64{float64(s.Subscribers), float64(s.Behind), float64(s.Watches), float64(s.Tailers), float64(t.Lag), float64(t.Retries)}
	}}
}

const (
	// maxLag is how many events a log's reader may be behind while the server calls itself ready.
	maxLag = 50_000
	// maxSilence is how long the database may not have said how far the logs are.
	maxSilence = 15 * time.Second
)

// readersLag says whether the logs' readers are too far behind to be of use.
func (a *App) readersLag() error {
	s := a.Tail.Stats()
	switch {
	case s.Lag > maxLag:
		return fmt.Errorf("a reader is %d events behind", s.Lag)
	case s.Tenants > 0 && !s.LastPoll.IsZero() && time.Since(s.LastPoll) > maxSilence:
		return fmt.Errorf("nothing was read for %s", time.Since(s.LastPoll).Round(time.Second))
	}
	if n := a.Follow.Stranded(); n > 0 {
		return fmt.Errorf("%d followers of logs are behind, and nobody has owned them for a minute", n)
	}
	return nil
}

// countConnection counts a http.Server's connections by their states.
func (a *App) countConnection(state http.ConnState) {
	switch state {
	case http.StateNew:
		a.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		a.connections.Add(-1)
	}
}

// followers are gauges of those who follow logs durably.
func (a *App) followers() prometheus.Collector {
	return &followers{
		app:     a,
		owned:   described("followers_owned", "Followers of logs that this process owns."),
		failing: described("followers_failing", "Followers that this process owns and that failed when they were tried last."),
		events: prometheus.NewDesc("zeroten_follower_lag_events", "Events that the slowest follower of a kind is behind its log, in all processes.",
			[]string{"kind"}, nil),
		seconds: prometheus.NewDesc("zeroten_follower_lag_seconds", "Age of the oldest event that a follower of a kind has not taken, in all processes.",
			[]string{"kind"}, nil),
	}
}

type followers struct {
	app                             *App
	owned, failing, events, seconds *prometheus.Desc
}

// Describe tells what the values are.
func (f *followers) Describe(to chan<- *prometheus.Desc) {
	to <- f.owned
	to <- f.failing
	to <- f.events
	to <- f.seconds
}

// Collect tells the values.
func (f *followers) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(f.owned, prometheus.GaugeValue, float64(f.app.Follow.Owned()))
	to <- prometheus.MustNewConstMetric(f.failing, prometheus.GaugeValue, float64(f.app.Follow.Failing()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	lags, err := f.app.Follow.Lags(ctx)
	if err != nil {
		f.app.log.Warn("measuring followers", "error", err.Error())
	}
	for kind, lag := range lags {
		to <- prometheus.MustNewConstMetric(f.events, prometheus.GaugeValue, lag.Events, kind)
		to <- prometheus.MustNewConstMetric(f.seconds, prometheus.GaugeValue, lag.Seconds, kind)
	}
}

// isProbe reports whether a request only asks how the server is.
func isProbe(r *http.Request) bool { return r.Pattern == "GET /healthz" || r.Pattern == "GET /readyz" }

// readiness answers whether the server should be given requests.
type readiness struct {
	app      *App
	stopping *atomic.Bool

	mu       sync.Mutex
	asked    time.Time
	database error
	migrated bool
}

// answersFor is how long an answer of the database counts, so that asking costs little whoever asks.
const answersFor = 250 * time.Millisecond

// ServeHTTP answers 200, or 503 with what is wrong.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	checks := map[string]string{"database": "ok", "migrations": "ok", "readers": "ok", "serving": "ok"}
	migrated, database := r.ask(req.Context())
	switch {
	case errors.Is(database, store.ErrReadOnly):
		checks["database"], checks["migrations"] = "takes no writes", "unknown"
	case database != nil:
		checks["database"], checks["migrations"] = "no answer", "unknown"
	case !migrated:
		checks["migrations"] = "pending"
	}
	if r.app.lagging != nil {
		if err := r.app.lagging(); err != nil {
			checks["readers"] = "behind"
		}
	}
	if r.stopping.Load() {
		checks["serving"] = "stopping"
	}
	h := health{OK: true, Checks: checks}
	for _, state := range checks {
		h.OK = h.OK && state == "ok"
	}
	h.write(w)
}

// ask asks the database, one after the other.
func (r *readiness) ask(ctx context.Context) (migrated bool, database error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < answersFor && r.app.DB.Away() == nil {
		return r.migrated, r.database
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	was := r.database
	r.database = r.app.DB.Ping(ctx)
	if r.database == nil && !r.migrated {
		// Asked until they are all there, and no more: a newer version of the program may bring its own.
		pending, err := r.app.DB.Pending(ctx)
		r.database, r.migrated = err, err == nil && len(pending) == 0
	}
	if r.database != nil && was == nil {
		r.app.log.Warn("not ready", "error", r.database.Error())
	}
	r.asked = time.Now()
	return r.migrated, r.database
}

// health is what the probes are answered.
type health struct {
	OK     bool              `json:"ok"`
	Checks map[string]string `json:"checks,omitempty"`
}

func (h health) write(w http.ResponseWriter) {
	status := http.StatusOK
	if !h.OK {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(h); err != nil {
		return // the client went away
	}
}
