package autoconfig

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/mailstead/mailstead/mail"
)

const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"

func TestOffer(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	s := testService(func(o *Options) {
		o.Signer = signer(t)
		o.Now = func() time.Time { return now }
	})
	ana := Person{Address: mail.Path{Local: "ana", Domain: "example.org"}, Password: "abcd-efgh-ijkl-mnop"}
	make := func() string {
		t.Helper()
		url, expires, err := s.Offer(ana, `<b>phone</b>`)
		if err != nil || !expires.Equal(now.Add(offerLasts)) || !strings.HasPrefix(url, "https://mail.example.org/help/device/") {
			t.Fatal(url, expires, err)
		}
		return url
	}
	t.Run("looking gives nothing away", func(t *testing.T) {
		url := make()
		for range 2 {
			w := ask(s, "GET", url, "")
			if got := w.Body.String(); w.Code != http.StatusOK || strings.Contains(got, ana.Password) || strings.Contains(got, "<b>phone") || !strings.Contains(got, "ana@example.org") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, %v, %s", w.Code, w.Header(), got)
			}
		}
	})
	t.Run("the password is shown once", func(t *testing.T) {
		url := make()
		if w := ask(s, "POST", url, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), ana.Password) {
			t.Errorf("status %d, %s", w.Code, w.Body)
		}
		for _, method := range []string{"POST", "GET"} {
			if w := ask(s, method, url, ""); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), ana.Password) {
				t.Errorf("%s again: status %d, %s", method, w.Code, w.Body)
			}
		}
	})
	t.Run("a profile for Apple", func(t *testing.T) {
		w := ask(s, "POST", make(), "", "User-Agent", iPhone)
		p, err := pkcs7.Parse(w.Body.Bytes())
		if err != nil {
			t.Fatal(w.Code, err)
		}
		if got := plistValues(t, p.Content)["IncomingPassword"]; got != ana.Password || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("password in the profile = %q, header %v", got, w.Header())
		}
	})
	t.Run("another site", func(t *testing.T) {
		url := make()
		if w := ask(s, "POST", url, "", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
			t.Errorf("status %d", w.Code)
		}
		if w := ask(s, "GET", url, ""); w.Code != http.StatusOK {
			t.Errorf("then: status %d", w.Code)
		}
	})
	t.Run("too late", func(t *testing.T) {
		url := make()
		now = now.Add(offerLasts)
		if w := ask(s, "POST", url, ""); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), ana.Password) {
			t.Errorf("status %d, %s", w.Code, w.Body)
		}
	})
	t.Run("no more than so many", func(t *testing.T) {
		first := make()
		for i := range maxOffers {
			if _, _, err := s.Offer(ana, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if w := ask(s, "GET", first, ""); w.Code != http.StatusNotFound || len(s.offers.open) != maxOffers {
			t.Errorf("status %d, %d are open", w.Code, len(s.offers.open))
		}
	})
}

// An offer that nobody looks at goes in time, and its password with it.
func TestOfferEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testService(func(o *Options) { o.Now = nil })
		person := Person{Address: mail.Path{Local: "ana", Domain: "example.org"}, Password: "abcd-efgh-ijkl-mnop"}
		offer := func() string {
			t.Helper()
			url, _, err := s.Offer(person, "phone")
			if err != nil {
				t.Fatal(err)
			}
			return url
		}
		taken := offer()
		time.Sleep(offerLasts / 2)
		offer()
		ask(s, "POST", taken, "")
		time.Sleep(offerLasts / 2)
		synctest.Wait()
		if open, known := s.offers.count(); open != 1 || known != 1 {
			t.Errorf("after ten minutes %d are open of %d, want the later one", open, known)
		}
		time.Sleep(offerLasts / 2)
		synctest.Wait()
		if open, known := s.offers.count(); open != 0 || known != 0 {
			t.Errorf("at the end %d are open of %d", open, known)
		}
	})
}

func (o *offers) count() (open, known int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open), len(o.order)
}
