package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// trySetup is what --json prints of a first run with --setup.
type trySetup struct {
	URL     string `json:"url"`     // one use
	Control string `json:"control"` // of the simulated world
}

// portControl is the service by which a test changes the simulated world. It
// is there with --setup alone.
const portControl = "control"

// beginSetup makes the link of the wizard.
func (c *tryCmd) beginSetup(ctx context.Context, n *node) (*trySetup, error) {
	code, _, err := n.admin.SignIn().SetupCode(ctx)
	if err != nil {
		return nil, err
	}
	return &trySetup{URL: origin("localhost", c.PortOffset+443) + "/setup/#" + code, Control: "http://" + c.addr(53)}, nil
}

// control changes the simulated world:
//
//	GET    /zone              what the wizard wants published, as a zone file
//	POST   /zone              adds records, a zone file in the body
//	DELETE /zone?name=NAME    removes the records of a name
//	POST   /fault?name=NAME&fault=servfail|refused|timeout|none
//	POST   /mail?to=ADDRESS   has kim@bigmail.test write a message
func (w *tryWorld) control(n *node) http.Handler {
	mux := http.NewServeMux()
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
