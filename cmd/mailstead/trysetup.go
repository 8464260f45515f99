package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// trySetup is what --json prints of a first run with --setup.
type trySetup struct {
	URL     string `json:"url"`     // one use
	Control string `json:"control"` // of the simulated world
	// Authority is a file with the root of the simulated certificate authority.
	Authority string `json:"authority"`
	// Primary is the name server of the simulated zone, which takes updates.
	Primary tryPrimary `json:"primary"`
}

// tryPrimary is what a DNS provider of the kind rfc2136 wants to know.
type tryPrimary struct {
	Server string `json:"server"`
	Login  string `json:"login"`
	Secret string `json:"secret"`
}

// takeUpdates lets the zone of the domain be changed as zones out there are
// (RFC 2136), until stop is called.
func (w *tryWorld) takeUpdates() (stop func(), err error) {
	w.primary = tryPrimary{Login: "update-key", Secret: base64.StdEncoding.EncodeToString([]byte(rand.Text()))}
	w.zones.AllowUpdates(tryDomain, w.primary.Login, w.primary.Secret)
	w.primary.Server, stop, err = w.zones.Start()
	return stop, err
}

// portControl is the service by which a test changes the simulated world. It
// is there with --setup alone.
const portControl = "control"

// configure takes host name and certificates from a configuration file in the
// data folder, as a real server does. The first run may change it.
func (c *tryCmd) configure(dir string, cfg *nodeConfig) error {
	file := filepath.Join(dir, "mailstead.toml")
	if !fileExists(file) {
		text := fmt.Sprintf("hostname = %q\ndata = %q\n", tryHostname, dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	from := configPlace{file, dir}
	is, err := from.load()
	if err != nil {
		return err
	}
	cfg.Hostname, cfg.Certs.Mode = mail.Domain(is.Hostname), certs.Mode(is.TLS.Mode)
	cfg.Certs.ACME = certs.ACMEOptions{CAs: []string{"http://" + c.addr(53) + "/acme/directory"}, Email: is.TLS.Email, Agree: is.TLS.Agree,
		HTTPPort: c.PortOffset + 80, TLSPort: c.PortOffset + 443}
	cfg.Choose = func(choices ...config.Choice) (config.Written, error) { return config.Choose(file, dir, choices...) }
	return nil
}

// beginSetup makes the link of the wizard.
func (c *tryCmd) beginSetup(ctx context.Context, n *node, w *tryWorld) (*trySetup, error) {
	root := n.path("authority.pem")
	if err := os.WriteFile(root, w.authority.Root(), 0o644); err != nil {
		return nil, err
	}
	code, _, err := n.admin.SignIn().SetupCode(ctx)
	if err != nil {
		return nil, err
	}
	return &trySetup{URL: origin("localhost", c.PortOffset+443) + "/setup/#" + code, Control: "http://" + c.addr(53), Authority: root, Primary: w.primary}, nil
}

// control changes the simulated world:
//
//	GET    /zone              what the wizard wants published, as a zone file
//	POST   /zone              adds records, a zone file in the body
//	DELETE /zone?name=NAME    removes the records of a name
//	POST   /fault?name=NAME&fault=servfail|refused|timeout|none
//	POST   /mail?to=ADDRESS   has kim@bigmail.test write a message
//	       /acme/             the simulated certificate authority
func (w *tryWorld) control(n *node) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/acme/", w.authority)
	mux.HandleFunc("POST /zone", func(rw http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
		reply(rw, errors.Join(err, w.zones.Add(string(text))))
	})
	mux.HandleFunc("DELETE /zone", func(rw http.ResponseWriter, r *http.Request) { w.zones.Remove(r.FormValue("name")) })
	mux.HandleFunc("GET /zone", func(rw http.ResponseWriter, r *http.Request) {
		for _, d := range n.directory.Domains() {
			zone, err := n.admin.Zone(asTry(r.Context()), string(d.Name))
			if err != nil {
				reply(rw, err)
				return
			}
			io.WriteString(rw, zone)
		}
	})
	mux.HandleFunc("POST /fault", func(rw http.ResponseWriter, r *http.Request) {
		fault, ok := map[string]dnstest.Fault{"servfail": dnstest.ServFail, "refused": dnstest.Refused, "timeout": dnstest.Timeout, "none": dnstest.NoFault}[r.FormValue("fault")]
		if !ok {
			reply(rw, errors.New("fault: servfail, refused, timeout or none"))
			return
		}
		w.zones.SetFault(r.FormValue("name"), fault)
	})
	mux.HandleFunc("POST /mail", func(rw http.ResponseWriter, r *http.Request) {
		to, err := mail.ParseAddress(r.FormValue("to"))
		if err == nil {
			err = w.remotes.write(r.Context(), to)
		}
		reply(rw, err)
	})
	return mux
}

// fetch is how the authority sees the server: under a name that the DNS has,
// on the port that stands for 80.
func (w *tryWorld) fetch(port80 string) func(ctx context.Context, url string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if found, err := w.zones.IPv4(ctx, host); err != nil || len(found) == 0 || !found[0].IsLoopback() {
			return nil, fmt.Errorf("the DNS has no address of this server for %s", host)
		}
		return (&net.Dialer{}).DialContext(ctx, network, port80)
	}}}
	return func(ctx context.Context, url string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return string(text), err
	}
}

func reply(rw http.ResponseWriter, err error) {
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

// serveControl serves the control of a first run until ctx is done.
func (w *tryWorld) serveControl(ctx context.Context, n *node, l net.Listener) error {
	return api.Serve(ctx, l, w.control(n), slog.New(slog.DiscardHandler))
}

// write sends a message that somebody at bigmail.test has written.
func (r *remotes) write(ctx context.Context, to mail.Path) error {
	me := mail.Path{Local: "kim", Domain: remoteBig}
	now := r.now()
	text := fmt.Sprintf("From: Kim <%s>\r\nTo: %s\r\nSubject: Hello\r\nDate: %s\r\nMessage-ID: <%d@%s>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\nYour first mail.\r\n", me, to, now.Format(time.RFC1123Z), now.UnixNano(), remoteBig)
	signature, err := dkim.Sign(strings.NewReader(text), []dkim.Key{r.key})
	if err != nil {
		return err
	}
	return r.transmit(ctx, me, to, append(signature, text...))
}
