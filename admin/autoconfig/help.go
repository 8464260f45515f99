package autoconfig

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

//go:embed help.html device.html help.css
var pages embed.FS

var helpPage = template.Must(template.ParseFS(pages, "help.html"))

// device is a kind of device or program that the help page knows.
type device string

const (
	apple       device = "apple"
	android     device = "android"
	thunderbird device = "thunderbird"
	outlook     device = "outlook"
	other       device = "other"
)

// helpView is what the page shows.
type helpView struct {
	Host     string
	Address  string // "" as long as nobody has said it
	Problem  string // with what was typed
	Device   device // that the browser runs on
	Sections []device
	Setup    Setup
	Account  string // address of the account pages, "" if there are none
}

// helpPolicy lets the page load its style sheet and send its form, no more.
const helpPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// serveHelp shows people how to set up their devices; theirs comes first.
func (s *Service) serveHelp(w http.ResponseWriter, r *http.Request) {
	v := helpView{Host: string(s.opts.Hostname), Device: deviceOf(r.UserAgent()), Setup: s.Setup(mail.Path{})}
	if s.opts.Web != "" {
		v.Account = "/account/"
	}
	if typed := strings.TrimSpace(r.URL.Query().Get("address")); typed != "" {
		if p, err := s.parse(typed); err != nil {
			v.Problem = err.Error()
		} else {
			v.Address, v.Setup = p.String(), s.Setup(p)
		}
	}
	v.Sections = sections(v.Device)
	var b bytes.Buffer
	err := helpPage.Execute(&b, v)
	w.Header().Set("Content-Security-Policy", helpPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	send(w, "text/html; charset=utf-8", b.Bytes(), err)
}

// sections are all devices, the one at hand first.
func sections(first device) []device {
	all := []device{apple, android, thunderbird, outlook, other}
	all = slices.DeleteFunc(all, func(d device) bool { return d == first })
	return slices.Insert(all, 0, first)
}

// deviceOf guesses from what a browser says of itself. On a computer that is
// not Apple's it is Thunderbird that works at once.
func deviceOf(agent string) device {
	for _, known := range []struct {
		word string
		is   device
	}{{"iPhone", apple}, {"iPad", apple}, {"Android", android}, {"Macintosh", apple}, {"Windows", outlook}, {"Linux", thunderbird}} {
		if strings.Contains(agent, known.word) {
			return known.is
		}
	}
	return other
}

func (s *Service) serveStyle(w http.ResponseWriter, _ *http.Request) {
	body, err := pages.ReadFile("help.css")
	send(w, "text/css; charset=utf-8", body, err)
}
