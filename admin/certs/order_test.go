package certs

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// gate is a storage that does something when certmagic is about to wait for
// other orders for the same name.
type gate struct {
	certmagic.Storage
	once   sync.Once
	before func()
}

func (g *gate) Lock(ctx context.Context, name string) error {
	g.once.Do(g.before)
	return g.Storage.Lock(ctx, name)
}

// beforeNext has something done once, in the next order of those that cfg is
// for.
func beforeNext(t *testing.T, cfg *certmagic.Config, do func()) {
	t.Helper()
	inner := cfg.Storage
	cfg.Storage = &gate{Storage: inner, before: do}
	t.Cleanup(func() { cfg.Storage = inner })
}

// TestOneChangeOfKeys: a change of keys is refused while another one runs, also
// by force.
func TestOneChangeOfKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, month)
	m := w.run(t)
	until(t, m, w.name, good)
	before, _ := m.TLSA()
	beforeNext(t, m.acme.configs[0][nextKey], func() {
		for _, force := range []bool{false, true} {
			if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true, Force: force}); err == nil || !strings.Contains(err.Error(), "being changed already") {
				t.Errorf("a second change, by force %v: %v", force, err)
			}
		}
	})
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true, Digest: before.Next}); err != nil {
		t.Fatal(err)
	}
	if after, _ := m.TLSA(); after.Shown != before.Next || after.Current != before.Next {
		t.Errorf("after the first: %+v, before %+v", after, before)
	}
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err != nil {
		t.Errorf("after the first is over: %v", err)
	}
}

// TestOnlyThePublishedKey: the key whose record was found is taken, or none,
// although what is next has changed while the order had to wait.
func TestOnlyThePublishedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, month)
	m := w.run(t)
	until(t, m, w.name, good)
	before, _ := m.TLSA()
	other, err := New(w.opts) // as after a change of the configuration
	if err != nil {
		t.Fatal(err)
	}
	defer other.acme.cache.Stop()
	beforeNext(t, m.acme.configs[0][nextKey], func() {
		if _, err := other.Renew(t.Context(), Renewal{Name: w.name, NewKey: true, Digest: before.Next}); err != nil {
			t.Error(err)
		}
	})
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true, Digest: before.Next}); err == nil || !strings.Contains(err.Error(), "another key is the next") {
		t.Errorf("with a key that nobody has published: %v", err)
	}
	if stored, err := m.acme.configs[0][hostKey].CacheManagedCertificate(t.Context(), w.name); err != nil || digestOf(t, stored.Leaf.PublicKey) != before.Next {
		t.Errorf("stored is not the certificate with the published key (%v)", err)
	}
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true, Force: true}); err != nil {
		t.Errorf("by force: %v", err)
	}
}

// TestOldKeyIsShownNoMore: a renewal that ended while a change of keys waited
// for it leaves no certificate with the old key to be shown.
func TestOldKeyIsShownNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, month)
	m := w.run(t)
	until(t, m, w.name, good)
	before, _ := m.TLSA()
	renewal := m.acme.configs[0][hostKey]
	beforeNext(t, m.acme.configs[0][nextKey], func() { // as certmagic renews behind our back
		old := m.acme.held(w.name)[0].Hash()
		if err := renewal.RenewCertSync(t.Context(), w.name, true); err != nil {
			t.Error(err)
		}
		if _, err := renewal.CacheManagedCertificate(t.Context(), w.name); err != nil {
			t.Error(err)
		}
		m.acme.cache.Remove([]string{old})
	})
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err != nil {
		t.Fatal(err)
	}
	held := m.acme.held(w.name)
	if len(held) != 1 {
		t.Errorf("%d certificates may be shown", len(held))
	}
	for _, c := range held {
		if d := digestOf(t, c.Leaf.PublicKey); d != before.Next {
			t.Errorf("one with the key %s, issued at %s, may be shown; want %s", d, c.Leaf.NotBefore.Format(time.TimeOnly), before.Next)
		}
	}
}
