package live

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

func benchHub(b *testing.B) (*Hub, context.Context) {
	b.Helper()
	db := storetest.Open(b, storetest.SQLite(b))
	made, _, err := tenant.Create(b.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		b.Fatal(err)
	}
	h, stop := newHubOf(db, roomy, time.Hour, false, quiet())
	b.Cleanup(stop)
	return h, auth.ForTenant(b.Context(), made.ID)
}

// BenchmarkDistribute hands an event to 1,000 subscribers, each waiting for it in a goroutine, at each turn.
func BenchmarkDistribute(b *testing.B) {
	for name, filter := range map[string]selection.Filter{"all": {}, "filtered": {Channels: []response.Channel{"API"}}} {
		b.Run(name, func(b *testing.B) {
			h, ctx := benchHub(b)
			const subscribers = 1000
			got := make(chan struct{}, subscribers)
			for range subscribers {
				s, err := h.Subscribe(ctx, filter, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(s.Close)
				go func() {
					for {
						if _, err := s.Next(context.Background()); err != nil {
							return
						}
						got <- struct{}{}
					}
				}()
			}
			position := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				position++
				e := &feedback.Entry{Event: feedback.Event{Position: position, Kind: feedback.Recorded}}
				e.Gone = &feedback.Tombstone{Channel: "API"}
				h.tail.Flushed(auth.Tenant(ctx), []*feedback.Entry{e})
				for range subscribers {
					<-got
				}
			}
			b.ReportMetric(float64(b.N)*subscribers/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkIdle measures what 10,000 subscribers take that hear nothing, without goroutines of their own.
func BenchmarkIdle(b *testing.B) {
	for name, filter := range map[string]selection.Filter{"all": {}, "filtered": {Channels: []response.Channel{"API"}}} {
		b.Run(name, func(b *testing.B) {
			h, ctx := benchHub(b)
			const subscribers = 10_000
			heap := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			for b.Loop() {
				before := heap()
				all := make([]*Subscription, 0, subscribers)
				for range subscribers {
					s, err := h.Subscribe(ctx, filter, nil)
					if err != nil {
						b.Fatal(err)
					}
					all = append(all, s)
				}
				b.ReportMetric(float64(heap()-before)/subscribers, "B/subscriber")
				for _, s := range all {
					s.Close()
				}
			}
		})
	}
}
