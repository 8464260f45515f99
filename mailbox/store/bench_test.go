package store

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// benchEngine opens a store as it is by default.
func benchEngine(b *testing.B) *Engine {
	return mustOpen(b, b.TempDir(), Options{Apply: testApply})
}

// BenchmarkAccept shows what a group commit saves: syncs of the log for each
// message, and octets written to it for each octet of a body.
func BenchmarkAccept(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10} {
		for _, owners := range []int{1, 50} {
			for _, clients := range []int{1, 8, 64} {
				b.Run(fmt.Sprintf("body=%dK/owners=%d/clients=%d", size>>10, owners, clients), func(b *testing.B) {
					e := benchEngine(b)
					body, meta := pattern(1, size), []byte(pattern(2, 500))
					var n atomic.Uint32
					before := e.Stats()
					parallel(b, clients, func() error {
						to := []Recipient{{Owner: Owner(1 + n.Add(1)%uint32(owners))}}
						_, err := e.Accept(context.Background(), &Message{To: to, Meta: meta, Body: strings.NewReader(body), Size: int64(size)})
						return err
					})
					s := e.Stats()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
					b.ReportMetric(float64(s.Syncs-before.Syncs+2*(s.Commits-before.Commits))/float64(b.N), "syncs/msg")
					b.ReportMetric(float64(s.LogBytes-before.LogBytes)/float64(b.N)/float64(size), "log/body")
				})
			}
		}
	}
}

// parallel divides b.N calls among clients.
func parallel(b *testing.B, clients int, call func() error) {
	left := atomic.Int64{}
	left.Store(int64(b.N))
	done := make(chan error, clients)
	b.ResetTimer()
	for range clients {
		go func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
}

func BenchmarkUpdate(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			e := benchEngine(b)
			var n atomic.Uint64
			value := make([]byte, 28)
			before := e.Stats()
			parallel(b, clients, func() error {
				key := fmt.Appendf(nil, "%08d", n.Add(1)%10_000)
				return e.Update(context.Background(), 1, func(rw RW) error { return rw.Put('u', key, value) })
			})
			b.ReportMetric(float64(e.Stats().Commits-before.Commits)/float64(b.N), "commits/op")
		})
	}
}

func BenchmarkOpenBody(b *testing.B) {
	for what, size := range map[string]int{"4K": 4 << 10, "50K": 50 << 10, "1M": 1 << 20} {
		b.Run(what, func(b *testing.B) {
			e := benchEngine(b)
			ref := mustAccept(b, e, "m", pattern(1, size), 1)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := readAll(e, ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
