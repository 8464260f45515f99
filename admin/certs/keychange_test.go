package certs

import (
	"context"
	"crypto"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// month is how long certificates live where the clock is moved on.
const month = 30 * 24 * time.Hour

// TestChangeOfKeysFails: a CA that does not answer, and somebody who gives up,
// leave the keys and the certificate as they were, and a later try works.
func TestChangeOfKeysFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	m := w.run(t)
	until(t, m, w.name, good)
	before, _ := m.TLSA()
	held, kept := m.acme.find(w.name).Leaf, files(t, w.opts.Dir, "keys", "acme/certificates")
	same := func(when string) {
		t.Helper()
		if after, ok := m.TLSA(); !ok || !reflect.DeepEqual(after, before) {
			t.Errorf("%s: digests %+v, before %+v", when, after, before)
		}
		if !shownOn(t, w.host.tls, "").Equal(held) {
			t.Errorf("%s: another certificate is shown", when)
		}
		if now := files(t, w.opts.Dir, "keys", "acme/certificates"); !reflect.DeepEqual(now, kept) {
			t.Errorf("%s: files have changed", when)
		}
	}
	w.ca.refuses.Store(true)
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err == nil || !strings.Contains(err.Error(), "problem of its own") {
		t.Errorf("with a CA that fails: %v", err)
	}
	same("the CA failed")
	w.ca.refuses.Store(false)
	asked := make(chan struct{})
	w.ca.held.Store(&asked)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := m.Renew(ctx, Renewal{Name: w.name, NewKey: true})
		ended <- err
	}()
	<-asked
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	same("given up")
	w.ca.held.Store(nil)
	// A renewal in between keeps the key.
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, Force: true}); err != nil {
		t.Fatal(err)
	}
	if after, _ := m.TLSA(); !reflect.DeepEqual(after, before) {
		t.Errorf("renewed: digests %+v, before %+v", after, before)
	}
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err != nil {
		t.Fatal(err)
	}
	after, _ := m.TLSA()
	if shown := digestOf(t, shownOn(t, w.host.tls, "").PublicKey); shown != before.Next || after.Shown != shown || after.Current != shown {
		t.Errorf("the later try: %+v, before %+v; %s is shown", after, before, shown)
	}
}

// TestChangeOfKeysCrashes starts the server from what a crash leaves at each
// point of a change of keys: there is always a certificate with its key, whose
// digest is one of the two that are published, and the change can be made, or
// is over.
func TestChangeOfKeysCrashes(t *testing.T) {
	t.Parallel()
	w, m := certified(t)
	before, _ := m.TLSA()
	old := files(t, w.opts.Dir, "keys", "acme")
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err != nil {
		t.Fatal(err)
	}
	changed := files(t, w.opts.Dir, "keys", "acme")
	stem := w.stem(m)
	const current, next, book = "keys/current.pem", "keys/next.pem", "keys/digests.json"
	type put map[string]string // what has which content of afterwards
	pair := put{stem + partCert: stem + partCert, stem + partKey: stem + partKey, stem + partMeta: stem + partMeta}
	with := func(p put, more ...string) put {
		sum := put{}
		for to, from := range p {
			sum[to] = from
		}
		for _, name := range more {
			sum[name] = name
		}
		return sum
	}
	for _, tt := range []struct {
		name string
		put  put
		over bool
	}{
		{"the key waits", put{stem + partKey + beside: stem + partKey}, false},
		{"all files wait", put{stem + partKey + beside: stem + partKey, stem + partCert + beside: stem + partCert, stem + partMeta + beside: stem + partMeta}, false},
		{"the certificate is in its place", put{stem + partKey + beside: stem + partKey, stem + partCert: stem + partCert}, true},
		{"the files are in their places", pair, true},
		{"the key is the current one", with(pair, current), true},
		{"there is another next key", with(pair, current, next), true},
		{"the old key is noted", with(pair, current, next, book), true},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			o := w.opts
			o.Dir = t.TempDir()
			left := map[string][]byte{}
			for name, content := range old {
				left[name] = content
			}
			for to, from := range tt.put {
				left[to] = changed[from]
			}
			restore(t, o.Dir, left)
			again, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			defer again.acme.cache.Stop()
			asked := w.ca.requests.Load()
			again.pass(t.Context())
			if n := w.ca.requests.Load() - asked; n > 2 { // for the time of renewal (RFC 9773)
				t.Errorf("%d requests to the CA: what there is was not good enough", n)
			}
			d, ok := again.TLSA()
			shown := digestOf(t, shown(t, again, "").PublicKey)
			want := before.Current
			if tt.over {
				want = before.Next
			}
			if !ok || shown != want || d.Shown != want || d.Current != want {
				t.Errorf("%s is shown, digests %+v; want %s", shown, d, want)
			}
			if !tt.over && d.Next != before.Next || d.Next == d.Current {
				t.Errorf("next is %s, before %s", d.Next, before.Next)
			}
			again.opts.Now = func() time.Time { return time.Now().Add(settled + time.Minute) }
			again.acme.keys.now = again.opts.Now
			if d, _ = again.TLSA(); slices.Contains(d.Retired, before.Current) != tt.over || slices.Contains(d.Retired, before.Next) {
				t.Errorf("may go: %q; the old key is %s", d.Retired, before.Current)
			}
		})
	}
}

// TestRetired: the record of a key may go when the key has been gone for long
// enough, and not while a certificate is shown with it.
func TestRetired(t *testing.T) {
	clock := time.Date(2027, 3, 4, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	reopen := func() *hostKeys {
		k, err := openHostKeys(dir, func() time.Time { return clock })
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := reopen()
	first, err := k.digests()
	if err != nil || first.Retired != nil {
		t.Fatalf("digests = %+v, %v", first, err)
	}
	if err := k.settle(k.current.Public()); err != nil {
		t.Fatal(err)
	}
	if d, _ := k.digests(); !reflect.DeepEqual(d, first) {
		t.Errorf("a renewal with the same key: %+v, want %+v", d, first)
	}
	if err := k.settle(k.next.Public()); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(settled - time.Second)
	if d, _ := k.digests(); d.Current != first.Next || d.Retired != nil {
		t.Errorf("soon after a change: %+v", d)
	}
	clock = clock.Add(time.Second)
	for _, k := range []*hostKeys{k, reopen()} {
		if d, _ := k.digests(); !slices.Equal(d.Retired, []string{first.Current}) {
			t.Errorf("later: %+v, want %s retired", d, first.Current)
		}
	}
	// Keys that somebody has taken away are ours, too.
	lost, _ := k.digests()
	if err := os.Remove(k.file("next")); err != nil {
		t.Fatal(err)
	}
	k = reopen()
	clock = clock.Add(settled)
	if d, _ := k.digests(); !slices.Equal(d.Retired, []string{first.Current, lost.Next}) {
		t.Errorf("after the loss of the next key: %+v, want %s, too", d, lost.Next)
	}
	for range 2 * maxBooked {
		if err := k.settle(k.next.Public()); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.book.keys) != maxBooked {
		t.Errorf("%d keys are remembered, want %d", len(k.book.keys), maxBooked)
	}
	if err := os.WriteFile(k.book.file, []byte("no list"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k = reopen(); len(k.book.keys) != 2 {
		t.Errorf("after a broken book: %+v", k.book.keys)
	}
}

// TestFollow: a change of keys that ends elsewhere is known here, and a file that
// cannot be read changes nothing.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	var both [2]*hostKeys
	for i := range both {
		var err error
		if both[i], err = openHostKeys(dir, time.Now); err != nil {
			t.Fatal(err)
		}
	}
	if err := both[0].settle(both[0].next.Public()); err != nil {
		t.Fatal(err)
	}
	want, _ := both[0].digests()
	both[1].follow()
	if got, _ := both[1].digests(); got.Current != want.Current || got.Next != want.Next {
		t.Errorf("after a change elsewhere: %+v, want %+v", got, want)
	}
	if err := os.WriteFile(both[0].file("next"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	both[1].follow()
	if got, _ := both[1].digests(); got.Current != want.Current || got.Next != want.Next {
		t.Errorf("with a damaged file: %+v, want %+v", got, want)
	}
}

// TestPairOnFullDisk: certmagic takes back what it could not write; the old
// certificate stays.
func TestPairOnFullDisk(t *testing.T) {
	s := newPairStorage(t.TempDir())
	stem := "certificates/ca/mail.example.org/mail.example.org"
	store := func(content string) error {
		parts := []string{partKey, partCert, partMeta}
		for i, part := range parts {
			if err := s.Store(t.Context(), stem+part, []byte(content+part)); err != nil {
				for _, written := range slices.Backward(parts[:i]) {
					if err := s.Delete(t.Context(), stem+written); err != nil {
						t.Error(err)
					}
				}
				return err
			}
		}
		return nil
	}
	is := func(content string) {
		t.Helper()
		for _, part := range []string{partKey, partCert, partMeta} {
			if got, err := s.Load(t.Context(), stem+part); err != nil || string(got) != content+part {
				t.Errorf("%s is %q, %v; want that of %s", part, got, err, content)
			}
		}
	}
	if err := store("first"); err != nil {
		t.Fatal(err)
	}
	is("first")
	for _, part := range []string{partKey, partCert, partMeta} {
		in := s.Filename(stem + part + beside)
		if err := os.MkdirAll(filepath.Join(in, "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := store("second"); err == nil {
			t.Errorf("%s: no error", part)
		}
		is("first")
		if err := os.RemoveAll(in); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Store(t.Context(), stem+partMeta, []byte("first"+partMeta)); err != nil {
		t.Fatal(err)
	}
	is("first")
	if err := store("second"); err != nil {
		t.Fatal(err)
	}
	is("second")
	if err := s.Delete(t.Context(), stem+partKey); err != nil || s.Exists(t.Context(), stem+partKey) {
		t.Errorf("a key is not deleted: %v", err)
	}
	if left, err := filepath.Glob(s.Filename(stem) + "*" + beside); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func digestOf(t *testing.T, pub crypto.PublicKey) string {
	t.Helper()
	d, err := digest(pub)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// files are the contents of all files in folders of dir.
func files(t *testing.T, dir string, folders ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, folder := range folders {
		err := fs.WalkDir(os.DirFS(dir), folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			all[name], err = os.ReadFile(filepath.Join(dir, name))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// restore writes files into dir.
func restore(t *testing.T, dir string, all map[string][]byte) {
	t.Helper()
	for name, content := range all {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
