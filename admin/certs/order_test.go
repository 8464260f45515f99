package certs

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// gate is a storage that does something when certmagic is about to wait for
// other orders for the same name.
type gate struct {
	certmagic.Storage
	done   atomic.Bool
	before func(lock string)
}

func (g *gate) Lock(ctx context.Context, name string) error {
	if !g.done.Swap(true) {
		g.before(name)
	}
	return g.Storage.Lock(ctx, name)
}

// beforeNext has something done once, in the next order of those that cfg is
// for.
func beforeNext(t *testing.T, cfg *certmagic.Config, do func(lock string)) {
	t.Helper()
	inner := cfg.Storage
	cfg.Storage = &gate{Storage: inner, before: do}
	t.Cleanup(func() { cfg.Storage = inner })
}

// TestOneChangeOfKeys: a change of keys is refused while another one runs, also
// by force.
func TestOneChangeOfKeys(t *testing.T) {
	t.Parallel()
	w, m := certified(t)
	before, _ := m.TLSA()
	beforeNext(t, m.acme.configs[0][nextKey], func(string) {
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
	w, m := certified(t)
	before, _ := m.TLSA()
	other, err := New(w.opts) // as after a change of the configuration
	if err != nil {
		t.Fatal(err)
	}
	defer other.acme.cache.Stop()
	beforeNext(t, m.acme.configs[0][nextKey], func(string) {
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
	w, m := certified(t)
	before, _ := m.TLSA()
	renewal := m.acme.configs[0][hostKey]
	beforeNext(t, m.acme.configs[0][nextKey], func(string) { // as certmagic renews behind our back
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

// TestChangeOfKeysDatedBack: a CA that dates its certificate earlier than that of
// another CA, which is shown, has changed nothing, and that is told.
func TestChangeOfKeysDatedBack(t *testing.T) {
	t.Parallel()
	w, m := certified(t)
	before, _ := m.TLSA()
	w.opts.ACME.CAs = append(slices.Clone(w.opts.ACME.CAs), "https://ahead.test/directory")
	again, err := New(w.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer again.acme.cache.Stop()
	cfg := again.acme.configs[0][hostKey]
	key := again.acme.keys.current
	tmpl := &x509.Certificate{DNSNames: []string{w.name}, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(month)}
	ahead, err := sign(tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyText, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	stem := strings.TrimSuffix(certmagic.StorageKeys.SiteCert(cfg.Issuers[1].IssuerKey(), w.name), partCert)
	for _, part := range []struct {
		name string
		text []byte
	}{
		{partKey, keyText},
		{partCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ahead.Raw})},
		{partMeta, []byte(`{"sans":["` + w.name + `"]}`)},
	} {
		if err := cfg.Storage.Store(t.Context(), stem+part.name, part.text); err != nil {
			t.Fatal(err)
		}
	}
	again.pass(t.Context())
	if !shown(t, again, "").Equal(ahead) {
		t.Fatal("the certificate of the other CA is not the one that is shown")
	}
	if _, err := again.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err == nil || !strings.Contains(err.Error(), "still the old one") {
		t.Errorf("a change that has changed nothing: %v", err)
	}
	if after, _ := again.TLSA(); after.Shown != before.Current || after.Current != before.Current || after.Next != before.Next {
		t.Errorf("after it: %+v, before %+v", after, before)
	}
}

// TestUselessPair starts the server with a stored certificate that has the key
// of another, or is damaged: another one is ordered, and nobody has to remove
// files.
func TestUselessPair(t *testing.T) {
	t.Parallel()
	w, m := certified(t)
	keys, _ := m.TLSA()
	kept := files(t, w.opts.Dir, "keys", "acme")
	stem := w.stem(m)
	other, err := os.ReadFile(filepath.Join(w.opts.Dir, "keys", "next.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, part string
		content    []byte
	}{
		{"key of another", partKey, other},
		{"half a certificate", partCert, kept[stem+partCert][:200]},
		{"half a description", partMeta, kept[stem+partMeta][:20]},
	} {
		for how, get := range map[string]func(*Manager) error{
			"by itself": func(m *Manager) error { m.pass(t.Context()); return nil },
			"when asked": func(m *Manager) error {
				_, err := m.Renew(t.Context(), Renewal{Name: w.name})
				return err
			},
			"with a new key": func(m *Manager) error {
				_, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true})
				return err
			},
		} {
			t.Run(strings.ReplaceAll(tt.name+" "+how, " ", "-"), func(t *testing.T) {
				o := w.opts
				o.Dir = t.TempDir()
				left := maps.Clone(kept)
				left[stem+tt.part] = tt.content
				restore(t, o.Dir, left)
				again, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer again.acme.cache.Stop()
				if err := get(again); err != nil {
					t.Fatal(err)
				}
				want := keys.Current
				if how == "with a new key" {
					want = keys.Next
				}
				if s := again.Status()[0]; !good(s) || s.Problem != "" || digestOf(t, shown(t, again, "").PublicKey) != want {
					t.Errorf("status: %+v", s)
				}
			})
		}
	}
}

// TestUselessPairWaits: nothing is removed while there are orders for the name.
// What does not fit may be half of what one of them writes.
func TestUselessPairWaits(t *testing.T) {
	t.Parallel()
	w, m := certified(t)
	cfg, pairs := m.acme.configs[0][hostKey], m.acme.pairs
	var lock string
	beforeNext(t, cfg, func(name string) { lock = name })
	if err := cfg.RenewCertSync(t.Context(), w.name, true); err != nil || lock != orderLock(w.name) {
		t.Fatalf("certmagic orders under the lock %q (%v)", lock, err)
	}
	key := pairs.Filename(strings.TrimSuffix(certmagic.StorageKeys.SiteCert(cfg.Issuers[0].IssuerKey(), w.name), partCert) + partKey)
	if err := os.WriteFile(key, []byte("half of what"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pairs.Lock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if removed, err := m.acme.removeUseless(impatient, w.name); removed || !errors.Is(err, context.Canceled) {
		t.Errorf("during an order: removed %v, %v", removed, err)
	}
	if _, err := os.Stat(key); err != nil {
		t.Error(err)
	}
	if err := pairs.Unlock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if removed, err := m.acme.removeUseless(t.Context(), w.name); !removed || err != nil {
		t.Errorf("after it: removed %v, %v", removed, err)
	}
}
