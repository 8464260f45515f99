package autoconfig

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"net/http"
	"sync"
	"time"
)

// An offer is a page for one device: it has a password ready that was made for
// it. Whoever scans its code opens the page; the password leaves it once, when
// the button is pressed, so that a program that looks at links does not use it
// up.
const (
	offerPath  = "/help/device/"
	offerLasts = 10 * time.Minute
	maxOffers  = 1000 // the oldest goes
)

type offer struct {
	person  Person
	label   string
	expires time.Time
}

// offers are those that are open, in memory: they do not outlive a restart,
// and a password goes with its offer.
type offers struct {
	mu    sync.Mutex
	open  map[string]offer
	order []string // names, the oldest first; some are closed
}

// Offer makes a page for a device and returns its address, which is a secret.
func (s *Service) Offer(p Person, label string) (url string, expires time.Time, err error) {
	token := make([]byte, 24)
	if _, err := s.read(token); err != nil {
		return "", time.Time{}, err
	}
	name := base64.RawURLEncoding.EncodeToString(token)
	expires = s.now().Add(offerLasts)
	s.offers.put(name, offer{p, label, expires}, s.now())
	// Nobody may come to look at it: then it goes by itself.
	time.AfterFunc(offerLasts, func() { s.offers.sweep(s.now()) })
	return s.web() + offerPath + name, expires, nil
}

func (o *offers) put(name string, new offer, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = map[string]offer{}
	}
	o.forget(now)
	for len(o.order) >= maxOffers {
		delete(o.open, o.order[0])
		o.order = o.order[1:]
	}
	o.open[name] = new
	o.order = append(o.order, name)
}

// sweep removes what is over.
func (o *offers) sweep(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget(now)
}

// forget is sweep with the lock held. All offers last equally long, so that the
// oldest end first.
func (o *offers) forget(now time.Time) {
	for len(o.order) > 0 {
		if first, ok := o.open[o.order[0]]; ok && now.Before(first.expires) {
			return
		}
		delete(o.open, o.order[0])
		o.order = o.order[1:]
	}
}

// get returns an offer that is open; take also closes it.
func (o *offers) get(name string, now time.Time, take bool) (offer, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, ok := o.open[name]
	if ok && (take || !now.Before(found.expires)) {
		delete(o.open, name)
	}
	return found, ok && now.Before(found.expires)
}

var devicePage = template.Must(template.ParseFS(pages, "device.html"))

// deviceView is what the page of an offer shows.
type deviceView struct {
	Host, Address, Label string
	Apple                bool // the profile is the way
	Open                 bool // the offer is open
	Password             string
	Setup                Setup
}

// serveOffer shows the page of an offer, as long as it is open.
func (s *Service) serveOffer(w http.ResponseWriter, r *http.Request) {
	o, ok := s.offers.get(r.PathValue("token"), s.now(), false)
	s.showDevice(w, r, o, ok, "")
}

// takeOffer gives the password away: in a profile to Apple's devices, in plain
// sight to others.
func (s *Service) takeOffer(w http.ResponseWriter, r *http.Request) {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		http.Error(w, "another site must not press this button", http.StatusForbidden)
		return
	}
	o, ok := s.offers.get(r.PathValue("token"), s.now(), true)
	if !ok || deviceOf(r.UserAgent()) != apple {
		s.showDevice(w, r, o, ok, o.person.Password)
		return
	}
	body, err := s.Profile(o.person)
	if errors.Is(err, ErrUnsigned) {
		err = nil
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	send(w, typeProfile, body, err)
}

func (s *Service) showDevice(w http.ResponseWriter, r *http.Request, o offer, ok bool, password string) {
	v := deviceView{Host: string(s.opts.Hostname), Apple: deviceOf(r.UserAgent()) == apple}
	if ok {
		v.Open, v.Address, v.Label, v.Password, v.Setup = true, o.person.Address.String(), o.label, password, s.Setup(o.person.Address)
	}
	var b bytes.Buffer
	err := devicePage.Execute(&b, v)
	h := w.Header()
	h.Set("Content-Security-Policy", helpPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	if err != nil {
		http.Error(w, "the server could not make this page", http.StatusInternalServerError)
		return
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
	}
	w.Write(b.Bytes())
}

// read fills b with random octets.
func (s *Service) read(b []byte) (int, error) {
	random := s.opts.Random
	if random == nil {
		random = rand.Reader
	}
	return io.ReadFull(random, b)
}

func (s *Service) now() time.Time {
	if s.opts.Now != nil {
		return s.opts.Now()
	}
	return time.Now()
}
