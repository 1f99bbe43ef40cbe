package observe

import (
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// maxNames is how many names of operations are told apart.
	maxNames = 200
	// maxName is how much of a name is kept, in bytes.
	maxName = 64
	// none and other stand for a name where there is none, and where there are too many.
	none, other = "(none)", "(other)"
)

// Metrics are counts and times for Prometheus. All its names begin with `zeroten_`, but those of Go and the process.
type Metrics struct {
	registry *prometheus.Registry

	operations    *prometheus.CounterVec   // protocol, kind, name, code
	durations     *prometheus.HistogramVec // name
	costs         *prometheus.CounterVec   // name
	flushSizes    prometheus.Histogram
	flushTimes    prometheus.Histogram
	panics        *prometheus.CounterVec // edge
	responses     *prometheus.CounterVec // status
	responseTimes prometheus.Histogram

	mu    sync.RWMutex
	names map[string]bool
}

func newMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zeroten_operations_total", Help: "GraphQL operations that are over; the code is that of the first error, or OK.",
		}, []string{"protocol", "kind", "name", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zeroten_operation_duration_seconds", Help: "How long queries and mutations took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}, []string{"name"}),
		costs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zeroten_operation_cost_total", Help: "What operations that ran could have cost at most.",
		}, []string{"name"}),
		flushSizes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zeroten_flush_operations", Help: "How many writes one flush of a log put together.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000},
		}),
		flushTimes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zeroten_flush_duration_seconds", Help: "How long a flush of a log took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zeroten_panics_total", Help: "Panics that were caught, by where.",
		}, []string{"edge"}),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zeroten_http_responses_total", Help: "HTTP requests that are over, by status.",
		}, []string{"status"}),
		responseTimes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zeroten_http_response_duration_seconds", Help: "How long HTTP requests took, sockets and streams apart.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}),
		names: map[string]bool{},
	}
	m.Register(m.operations, m.durations, m.costs, m.flushSizes, m.flushTimes, m.panics, m.responses, m.responseTimes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds collectors. It panics where their names are taken. Where one panics while it is read, on a goroutine of
// Prometheus's, it gives no more and is logged.
func (m *Metrics) Register(cs ...prometheus.Collector) {
	for _, c := range cs {
		m.registry.MustRegister(calm{c})
	}
}

// calm is a collector whose panics end nothing.
type calm struct{ prometheus.Collector }

// Collect tells the values.
func (c calm) Collect(to chan<- prometheus.Metric) {
	defer func() {
		if p := recover(); p != nil {
			flight.Logged(nil, "measuring")(flight.Recovered(p))
		}
	}()
	c.Collector.Collect(to)
}

// Gauge adds a value that is asked for whenever the metrics are read; it must be quick. name has no prefix.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.Register(&gauges{prometheus.NewDesc("zeroten_"+name, help, nil, nil), func() map[string]float64 { return map[string]float64{"": value()} }})
}

// Gauges adds values, one for each value of a label, that are asked for whenever the metrics are read. There must be
// few. name has no prefix.
func (m *Metrics) Gauges(name, help, label string, values func() map[string]float64) {
	m.Register(&gauges{prometheus.NewDesc("zeroten_"+name, help, []string{label}, nil), values})
}

// gauges are values by the value of their label; of one without a label it is empty.
type gauges struct {
	description *prometheus.Desc
	values      func() map[string]float64
}

// Describe tells what the values are.
func (g *gauges) Describe(to chan<- *prometheus.Desc) { to <- g.description }

// Collect tells the values.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	for label, value := range g.values() {
		labels := []string{label}
		if label == "" {
			labels = nil
		}
		to <- prometheus.MustNewConstMetric(g.description, prometheus.GaugeValue, value, labels...)
	}
}

// Panic notes a panic that was caught at some edge of ours, e.g. `http`.
func (m *Metrics) Panic(edge string) { m.panics.WithLabelValues(edge).Inc() }

func (m *Metrics) operation(op Operation) {
	name := m.nameOf(op.Name)
	m.operations.WithLabelValues(op.Protocol, cmp.Or(op.Kind, none), name, cmp.Or(op.Code, "OK")).Inc()
	if op.Kind == "" {
		return
	}
	m.costs.WithLabelValues(name).Add(float64(max(0, op.Cost)))
	if op.Kind != "subscription" {
		m.durations.WithLabelValues(name).Observe(op.Took.Seconds())
	}
}

func (m *Metrics) flush(operations int, took time.Duration) {
	m.flushSizes.Observe(float64(operations))
	m.flushTimes.Observe(took.Seconds())
}

// response notes an answer; lasting says that it was one that goes on until somebody ends it.
func (m *Metrics) response(status int, took time.Duration, lasting bool) {
	m.responses.WithLabelValues(strconv.Itoa(status)).Inc()
	if !lasting {
		m.responseTimes.Observe(took.Seconds())
	}
}

// nameOf is the name as it is counted: those that come first are told apart, so that nobody fills the memory.
func (m *Metrics) nameOf(name string) string {
	if name == "" {
		return none
	}
	m.mu.RLock()
	known := m.names[name]
	full := len(m.names) >= maxNames
	m.mu.RUnlock()
	if known || name == other {
		return name
	}
	if full {
		return other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.names) >= maxNames && !m.names[name] {
		return other
	}
	m.names[name] = true
	return name
}

func (m *Metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
		ErrorHandling: promhttp.ContinueOnError, // one that cannot be read takes nothing from the others
	})
}
