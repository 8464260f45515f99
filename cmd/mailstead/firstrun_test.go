package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/setup"
)

// browser is a client of a first run, with its cookies.
type browser struct {
	t      *testing.T
	http   *http.Client
	base   string
	header http.Header // of the last answer
}

func newBrowser(t *testing.T, i *instance) *browser {
	t.Helper()
	pem, err := os.ReadFile(i.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, base: "https://" + i.HTTPS + "/api/v1",
		http: &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
}

// do sends a request and reads the answer into out; it returns the status.
func (b *browser) do(method, url string, in, out any) int {
	b.t.Helper()
	var body io.Reader
	if text, ok := in.(string); ok {
		body = strings.NewReader(text)
	} else if in != nil {
		j, err := json.Marshal(in)
		if err != nil {
			b.t.Fatal(err)
		}
		body = bytes.NewReader(j)
	}
	if strings.HasPrefix(url, "/") {
		url = b.base + url
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	b.header = resp.Header
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	switch p := out.(type) {
	case nil:
	case *string:
		*p = string(answer)
	default:
		if err := json.Unmarshal(answer, out); err != nil {
			b.t.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, answer)
		}
	}
	return resp.StatusCode
}

func stepState(v setup.View, id setup.Step) setup.State {
	for _, s := range v.Steps {
		if s.ID == id {
			return s.State
		}
	}
	return ""
}

// TestFirstRun goes from an empty server to the first mail in both directions
// by the API, as a browser does, while somebody else changes the DNS.
func TestFirstRun(t *testing.T) {
	i := startTry(t, "--setup")
	if i.Setup == nil {
		t.Fatal("there is no first run")
	}
	b := newBrowser(t, i)
	var v setup.View
	if code := b.do("GET", "/setup", nil, nil); code != http.StatusUnauthorized {
		t.Errorf("without a code: %d", code)
	}
	link, err := url.Parse(i.Setup.URL)
	if err != nil || link.Fragment == "" || link.RawQuery != "" {
		t.Fatalf("link %q: the code belongs into its fragment", i.Setup.URL)
	}
	code := map[string]string{"code": link.Fragment}
	if got := b.do("POST", "/setup:redeem", code, nil); got != http.StatusOK {
		t.Fatalf("redeem: %d", got)
	}
	if got := newBrowser(t, i).do("POST", "/setup:redeem", code, nil); got != http.StatusUnauthorized {
		t.Errorf("the code was taken twice: %d", got)
	}
	var session struct{ Setup, SignedIn bool }
	if b.do("GET", "/session", nil, &session); !session.Setup || session.SignedIn {
		t.Errorf("session = %+v", session)
	}
	if got := b.do("GET", "/domains", nil, nil); got != http.StatusForbidden {
		t.Errorf("the first run lets one into the rest: %d", got)
	}
	b.do("PUT", "/setup/start", setup.Input{Goal: setup.GoalServe}, &v)
	if got := b.do("PUT", "/setup/you", setup.Input{Address: "ana", Password: "correct horse"}, nil); got != http.StatusUnprocessableEntity {
		t.Errorf("a bad address: %d", got)
	}
	b.do("PUT", "/setup/you", setup.Input{Address: "ana@example.test", Name: "Ana", Password: "correct horse"}, &v)
	if v.Step != setup.Server {
		t.Fatalf("after you: %s", v.Step)
	}
	if b.do("POST", "/setup/server:check", nil, &v); stepState(v, setup.Server) != setup.Warn {
		t.Errorf("server: %s, %+v", stepState(v, setup.Server), v.Checks.ToFix)
	}
	if b.do("POST", "/setup/dns:check", nil, &v); stepState(v, setup.DNS) != setup.Waiting {
		t.Errorf("DNS: %s", stepState(v, setup.DNS))
	}
	var zone string
	b.do("GET", i.Setup.Control+"/zone", nil, &zone)
	if got := b.do("POST", i.Setup.Control+"/zone", zone, nil); got != http.StatusNoContent {
		t.Fatalf("zone: %d", got)
	}
	if b.do("POST", "/setup/dns:check", nil, &v); stepState(v, setup.DNS) != setup.OK {
		t.Errorf("DNS when published: %s %+v", stepState(v, setup.DNS), v.DNS.Summary)
	}
	yes := true
	b.do("PUT", "/setup/certificate", setup.Input{OwnCertificate: &yes}, &v)
	if got := b.do("POST", i.Setup.Control+"/mail?to=ana@example.test", nil, nil); got != http.StatusNoContent {
		t.Errorf("mail: %d", got)
	}
	b.do("PUT", "/setup/mail", setup.Input{SendTo: "kim@bigmail.test"}, &v)
	eventually(t, "mail in both directions", func() bool {
		b.do("GET", "/setup", nil, &v)
		return v.Mail.In != nil && v.Mail.In.Done && v.Mail.Out != nil && v.Mail.Out.Done
	})
	if v.Step != setup.Done || len(v.Recovery) == 0 {
		t.Errorf("after mail: %s", v.Step)
	}
	var in struct {
		SignedIn bool
		Account  struct{ Address, Role string }
	}
	if got := b.do("POST", "/setup:finish", nil, &in); got != http.StatusOK || !in.SignedIn || in.Account.Role != "owner" {
		t.Fatalf("finish: %d %+v", got, in)
	}
	if got := b.do("GET", "/checks", nil, nil); got != http.StatusOK {
		t.Errorf("as owner: %d", got)
	}
	if got := b.do("GET", "/setup", nil, nil); got != http.StatusUnauthorized {
		t.Errorf("after the end: %d", got)
	}
}

// enter goes through the link of a first run, up to the check of the server.
func enter(t *testing.T, i *instance) *browser {
	t.Helper()
	b := newBrowser(t, i)
	link, err := url.Parse(i.Setup.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.do("POST", "/setup:redeem", map[string]string{"code": link.Fragment}, nil); got != http.StatusOK {
		t.Fatalf("redeem: %d", got)
	}
	b.do("PUT", "/setup/start", setup.Input{Goal: setup.GoalServe}, nil)
	if got := b.do("PUT", "/setup/you", setup.Input{Address: "ana@example.test", Password: "correct horse"}, nil); got != http.StatusOK {
		t.Fatalf("you: %d", got)
	}
	return b
}

// TestFirstRunByRelay: where the way to other servers is closed, a relay that
// is set in the wizard takes mail at once, without a restart.
func TestFirstRunByRelay(t *testing.T) {
	i := startTry(t, "--setup")
	b := enter(t, i)
	var v setup.View
	refused := setup.Input{Relay: &setup.Relay{Host: "mx.down.test:25", TLS: "opportunistic"}}
	if got := b.do("PUT", "/setup/server", refused, nil); got != http.StatusUnprocessableEntity {
		t.Errorf("a relay that does not answer: %d", got)
	}
	// Nobody answers at down.test, as where port 25 is blocked.
	b.do("PUT", "/setup/mail", setup.Input{SendTo: "kim@down.test"}, &v)
	eventually(t, "the direct way fails", func() bool {
		b.do("GET", "/setup", nil, &v)
		return v.Mail.Out != nil && v.Mail.Out.State == "deferred"
	})
	taken := setup.Input{Relay: &setup.Relay{Host: "mx.relay.test:25", TLS: "opportunistic"}}
	if got := b.do("PUT", "/setup/server", taken, &v); got != http.StatusOK || v.Answers.RelayHost != taken.Relay.Host {
		t.Fatalf("relay: %d %+v", got, v.Answers)
	}
	b.do("PUT", "/setup/mail", setup.Input{SendTo: "lee@down.test"}, &v)
	eventually(t, "mail goes out by the relay", func() bool {
		b.do("GET", "/setup", nil, &v)
		return v.Mail.Out != nil && v.Mail.Out.Done
	})
	if story := v.Mail.Out.Story; !strings.Contains(story[len(story)-1].Text+story[len(story)-2].Text, "relay.test") {
		t.Errorf("the story does not name the relay: %+v", story)
	}
}

// TestFirstRunReceiveOnly: who only receives needs no mail out, and is done
// when the first has come in.
func TestFirstRunReceiveOnly(t *testing.T) {
	i := startTry(t, "--setup")
	b := enter(t, i)
	var v setup.View
	yes := true
	b.do("PUT", "/setup/server", setup.Input{ReceiveOnly: &yes, GoOn: &yes}, &v)
	if v.Step != setup.DNS {
		t.Errorf("after server: %s", v.Step)
	}
	var zone string
	b.do("GET", i.Setup.Control+"/zone", nil, &zone)
	b.do("POST", i.Setup.Control+"/zone", zone, nil)
	b.do("POST", "/setup/dns:check", nil, nil)
	b.do("PUT", "/setup/certificate", setup.Input{OwnCertificate: &yes}, nil)
	b.do("POST", i.Setup.Control+"/mail?to=ana@example.test", nil, nil)
	eventually(t, "the first mail in", func() bool {
		b.do("GET", "/setup", nil, &v)
		return stepState(v, setup.Mail) == setup.OK
	})
	if v.Step != setup.Done || v.Mail.Out != nil {
		t.Errorf("after mail: %s, %+v", v.Step, v.Mail.Out)
	}
}
