package store_test

import (
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
	"github.com/mailstead/mailstead/mailbox/store/storetest"
)

func TestConformance(t *testing.T) {
	for name, opts := range map[string]store.Options{
		"default":        {},
		"zstd":           {Zstd: func() bool { return true }},
		"small segments": {SegmentSize: 8 << 10, ApplyDelay: time.Millisecond},
		"few open":       {MaxOpen: func() int { return 2 }, ApplyDelay: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for syncs
			storetest.Run(t, func(t *testing.T) store.Store {
				opts.Apply = storetest.Apply
				s, err := store.Open(t.TempDir(), opts)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return memstore.New(storetest.Apply) })
	})
}
