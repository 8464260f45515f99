package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/certs/acmetest"
)

// TestReloadDuringRenewal changes the configuration while a certificate is
// ordered: what the server shows afterwards is the new one, with its key.
func TestReloadDuringRenewal(t *testing.T) {
	var live *liveCerts
	authority, err := acmetest.New(acmetest.Options{Fetch: func(ctx context.Context, url string) (string, error) {
		rec := httptest.NewRecorder()
		live.HTTPHandler(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, url, nil))
		return rec.Body.String(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var during atomic.Pointer[func()] // an order, once
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/finalize") {
			if do := during.Swap(nil); do != nil {
				(*do)()
			}
		}
		authority.ServeHTTP(w, r)
	}))
	defer at.Close()
	const name = "mail.reload.test"
	opts := certs.Options{Dir: t.TempDir(), Hostname: name, Mode: certs.ACME,
		ACME: certs.ACMEOptions{CAs: []string{at.URL + "/acme/directory"}, Agree: true, Email: "ana@reload.test", Challenge: certs.ChallengeHTTP}}
	if live, err = newLiveCerts(opts); err != nil {
		t.Fatal(err)
	}
	if _, err := live.Renew(t.Context(), certs.Renewal{Name: name}); err != nil {
		t.Fatal(err)
	}
	for _, newKey := range []bool{false, true} {
		old, err := live.Signer()
		if err != nil {
			t.Fatal(err)
		}
		keys, _ := live.TLSA()
		reload := func() {
			if err := live.replace(opts); err != nil {
				t.Error(err)
			}
			if _, err := live.current.Load().Adopt(t.Context(), name); err != nil { // as its Run does at once
				t.Error(err)
			}
		}
		during.Store(&reload)
		if _, err := live.Renew(t.Context(), certs.Renewal{Name: name, Force: true, NewKey: newKey}); err != nil {
			t.Fatal(err)
		}
		now, err := live.Signer()
		if err != nil || now.Leaf.Equal(old.Leaf) {
			t.Errorf("with a new key %v: the old certificate is shown (%v)", newKey, err)
		}
		want := keys.Current
		if newKey {
			want = keys.Next
		}
		after, ok := live.TLSA()
		if !ok || after.Shown != want || after.Current != want || after.Next == want {
			t.Errorf("with a new key %v: digests %+v, before %+v", newKey, after, keys)
		}
		again, err := newLiveCerts(opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.current.Load().Adopt(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if d, _ := again.TLSA(); d.Next != after.Next {
			t.Errorf("with a new key %v: the next key is %s, after a restart %s", newKey, after.Next, d.Next)
		}
	}
}
