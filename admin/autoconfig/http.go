package autoconfig

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Paths that clients ask for. Those of Autodiscover come in any case.
const (
	mozillaPath      = "/mail/config-v1.1.xml"
	mozillaWellKnown = "/.well-known/autoconfig/mail/config-v1.1.xml"
	outlookPath      = "/autodiscover/autodiscover.xml"
	outlookJSON      = "/autodiscover/autodiscover.json"
	paccPath         = "/.well-known/user-agent-configuration.json"
	helpPath         = "/help"
	helpStyle        = "/help/help.css"
	helpProfile      = "/help/apple.mobileconfig"
)

const (
	typeXML     = "text/xml; charset=utf-8"
	typeJSON    = "application/json"
	typeProfile = "application/x-apple-aspen-config"
)

// Handles reports whether a path is one of Handler's.
func Handles(path string) bool {
	p := strings.ToLower(path)
	return p == outlookPath || p == outlookJSON || strings.HasPrefix(p, outlookJSON+"/") || path == mozillaPath || path == mozillaWellKnown ||
		path == paccPath || path == helpPath || strings.HasPrefix(path, helpPath+"/")
}

// Handler answers those who ask how to set up a client.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if p := strings.ToLower(r.URL.Path); strings.HasPrefix(p, "/autodiscover/") {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = p, ""
		}
		s.mux.ServeHTTP(w, r)
	})
}

func (s *Service) routes() {
	s.mux.HandleFunc("GET "+mozillaPath, s.serveMozilla)
	s.mux.HandleFunc("GET "+mozillaWellKnown, s.serveMozilla)
	s.mux.HandleFunc("POST "+outlookPath, s.serveOutlook)
	s.mux.HandleFunc("GET "+outlookPath, s.serveOutlookHint)
	s.mux.HandleFunc("GET "+outlookJSON, s.serveOutlookJSON)
	s.mux.HandleFunc("GET "+outlookJSON+"/v1.0/{address}", s.serveOutlookJSON)
	s.mux.HandleFunc("GET "+paccPath, s.servePACC)
	s.mux.HandleFunc("GET "+helpPath, s.serveHelp)
	s.mux.HandleFunc("GET "+helpStyle, s.serveStyle)
	s.mux.HandleFunc("GET "+helpProfile, s.serveProfile)
	s.mux.HandleFunc("GET "+offerPath+"{token}", s.serveOffer)
	s.mux.HandleFunc("POST "+offerPath+"{token}", s.takeOffer)
}

// domainOf finds out for which domain a client asks: that of the address, or
// of the name it was sent to.
func (s *Service) domainOf(r *http.Request, label string) (mail.Domain, error) {
	if address := r.URL.Query().Get("emailaddress"); address != "" {
		p, err := s.parse(address)
		return p.Domain, err
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, name := range []string{strings.TrimPrefix(strings.ToLower(host), label+"."), host} {
		if d, err := mail.ParseDomain(name); err == nil && s.opts.Hosted(d) {
			return d, nil
		}
	}
	return "", errors.New("say for which address: add ?emailaddress=ana@example.org")
}

func (s *Service) serveMozilla(w http.ResponseWriter, r *http.Request) {
	domain, err := s.domainOf(r, "autoconfig")
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	body, err := s.mozilla(domain)
	send(w, typeXML, body, err)
}

func (s *Service) serveOutlook(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(io.LimitReader(r.Body, maxOutlook+1))
	if err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	}
	address, err := parseOutlook(request)
	var p mail.Path
	if err == nil {
		p, err = s.parse(address)
	}
	if err != nil {
		body, err := outlookRefusal(err)
		send(w, typeXML, body, err)
		return
	}
	body, err := s.outlook(s.Setup(p))
	send(w, typeXML, body, err)
}

// serveOutlookHint answers people who look at the address in a browser.
func (s *Service) serveOutlookHint(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", http.MethodPost)
	http.Error(w, "Outlook posts its request here; for people there is "+helpPath, http.StatusMethodNotAllowed)
}

// serveOutlookJSON says where the XML is, which is all there is to say
// without Exchange.
func (s *Service) serveOutlookJSON(w http.ResponseWriter, r *http.Request) {
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "protocol") && !strings.EqualFold(values[0], "autodiscoverv1") {
			w.Header().Set("Content-Type", typeJSON)
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"ErrorCode":"InvalidProtocol","ErrorMessage":"The only protocol is AutodiscoverV1."}`+"\n")
			return
		}
	}
	body, err := outlookLink(s.web() + outlookPath)
	send(w, typeJSON, body, err)
}

// web is the address of our pages.
func (s *Service) web() string {
	if s.opts.Web != "" {
		return s.opts.Web
	}
	return "https://" + string(s.opts.Hostname)
}

func (s *Service) servePACC(w http.ResponseWriter, r *http.Request) {
	domain, err := s.domainOf(r, "ua-auto-config")
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	body, err := s.pacc(domain)
	send(w, typeJSON, body, err)
}

func (s *Service) serveProfile(w http.ResponseWriter, r *http.Request) {
	p, err := s.parse(r.URL.Query().Get("address"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	body, err := s.Profile(Person{Address: p})
	if errors.Is(err, ErrUnsigned) {
		err = nil
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	send(w, typeProfile, body, err)
}

// send answers with a document, or says that there is a bug of ours.
func send(w http.ResponseWriter, contentType string, body []byte, err error) {
	if err != nil {
		w.Header().Del("Content-Disposition")
		http.Error(w, "the server could not make this document", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cacheFor(contentType))
	io.Copy(w, bytes.NewReader(body)) // whoever has gone does not get it
}

// cacheFor lets nobody keep a profile, which may have a password in it.
func cacheFor(contentType string) string {
	if contentType == typeProfile {
		return "no-store"
	}
	return "no-cache"
}
