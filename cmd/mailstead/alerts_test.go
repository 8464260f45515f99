package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// outside is a mailbox somewhere else, which takes all mail but that for the
// users gone and later.
type outside struct {
	mu    sync.Mutex
	mails []string
}

func startOutside(t *testing.T) (o *outside, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o = &outside{}
	srv := smtpserver.Server{Handler: o, Hostname: "mx.elsewhere.example", Logger: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { srv.Serve(ctx, l) })
	t.Cleanup(func() { cancel(); wait.Wait() })
	return o, l.Addr().String()
}

// with returns the mails that have all of some texts.
func (o *outside) with(texts ...string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []string
	for _, m := range o.mails {
		if !slices.ContainsFunc(texts, func(want string) bool { return !strings.Contains(m, want) }) {
			list = append(list, m)
		}
	}
	return list
}

func (o *outside) Connect(context.Context, *smtpserver.Conn) (smtpserver.Session, error) {
	return outsideSession{o}, nil
}

type outsideSession struct{ *outside }

func (outsideSession) Login(context.Context, sasl.Identity) error { return nil }
func (outsideSession) Mail(context.Context, *mail.Envelope) error { return nil }
func (outsideSession) Rcpt(_ context.Context, to mail.Recipient) error {
	switch to.Path.Local {
	case "gone":
		return mail.Errorf(mail.StatusNoSuchMailbox, "no such user")
	case "later":
		return &mail.Error{Status: mail.Status{Class: 4, Subject: 2, Detail: 1}, Code: 450, Text: "come back later"}
	}
	return nil
}
func (s outsideSession) Data(_ context.Context, body io.Reader) (string, error) {
	b, err := io.ReadAll(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, strings.ReplaceAll(string(b), "=\r\n", ""))
	return "thank you", err
}
func (outsideSession) Reset() {}
func (outsideSession) Close() {}

// posted is a web server that keeps what it is sent.
type posted struct {
	*httptest.Server
	mu       sync.Mutex
	requests []postedRequest
	code     int // of answers; 0: 204
}

type postedRequest struct {
	path   string
	header http.Header
	body   string
}

func startPosted(t *testing.T) *posted {
	t.Helper()
	p := &posted{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests = append(p.requests, postedRequest{r.URL.Path, r.Header, string(b)})
		w.WriteHeader(max(p.code, http.StatusNoContent))
	}))
	t.Cleanup(p.Close)
	return p
}

// to returns the requests to a path so far.
func (p *posted) to(path string) []postedRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.requests), func(r postedRequest) bool { return r.path != path })
}

// TestAlertsLeaveTheServer has a check fail and mend in a real server: mail to
// a mailbox elsewhere, a web server and ntfy are told once, and told when it is
// over.
func TestAlertsLeaveTheServer(t *testing.T) {
	t.Parallel()
	box, relay := startOutside(t)
	web := startPosted(t)
	i := startTry(t, "--relay-to", relay)
	i.set(t, "alerts.confirm", "0", "alerts.clear", "0")
	var hook admin.AlertChannel
	i.ask(t, &hook, "alert", "channel", "add", "webhook", web.URL+"/hook")
	if hook.Secret == "" {
		t.Fatalf("a webhook without a secret: %+v", hook)
	}
	i.command(t, "alert", "channel", "add", "mail", "ops@elsewhere.example", "--least", "fail")
	i.command(t, "alert", "channel", "add", "ntfy", web.URL+"/topic", "--least", "fail")
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// Nothing goes to this machine before its owner allows that.
	if out, err := tryOutput(t, "", file, "alert", "test", hook.ID, "--data", i.Data); err == nil || !strings.Contains(out, "push.private-networks") {
		t.Errorf("to this machine: %s, %v", out, err)
	}
	i.set(t, "push.private-networks", "true")
	if out := i.command(t, "alert", "test"); strings.Count(out, ": sent") != 3 {
		t.Errorf("test: %s", out)
	}
	eventually(t, "the test mail", func() bool { return len(box.with("Subject: [mail.example.test] Test of alerts")) == 1 })

	clamd := startFilter(t, serveClamd)
	i.set(t, "filter.clamd", clamd.addr)
	if state, saw := i.checked(t); state != "ok" {
		t.Fatalf("the filter: %s %s", state, saw)
	}
	clamd.stop()
	if state, _ := i.checked(t); state != "fail" {
		t.Fatalf("without the filter: %s", state)
	}
	eventually(t, "the alert", func() bool {
		return len(box.with("Subject: [mail.example.test] ", "FAILS")) == 1 && len(web.to("/hook")) >= 2 && len(web.to("/")) >= 2
	})
	var list []struct{ ID, State, Phase string }
	i.ask(t, &list, "alert", "list")
	if !slices.ContainsFunc(list, func(a struct{ ID, State, Phase string }) bool {
		return a.ID == "check.filters" && a.Phase == "firing" && a.State == "fail"
	}) {
		t.Fatalf("alerts %+v", list)
	}
	// It looks again, and tells nothing again.
	i.checked(t)
	l, err := net.Listen("tcp", clamd.addr)
	if err != nil {
		t.Fatal(err)
	}
	again := &localFilter{addr: clamd.addr, l: l}
	again.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			again.all.Go(func() { defer c.Close(); serveClamd(c) })
		}
	})
	t.Cleanup(again.stop)
	if state, saw := i.checked(t); state != "ok" {
		t.Fatalf("with the filter again: %s %s", state, saw)
	}
	eventually(t, "that it is over", func() bool { return len(box.with("Resolved: ", "is right again.")) == 1 })
	if n := len(box.with("FAILS")); n != 1 {
		t.Errorf("told %d times", n)
	}
	eventually(t, "that the webhook is told, too", func() bool {
		return slices.ContainsFunc(web.to("/hook"), func(r postedRequest) bool { return strings.Contains(r.body, `"alert.resolved"`) })
	})
	verifyAll(t, hook.Secret, web.to("/hook"))
	var ntfy struct {
		Topic, Title string
		Priority     int
	}
	if err := json.Unmarshal([]byte(web.to("/")[1].body), &ntfy); err != nil || ntfy.Topic != "topic" || ntfy.Priority != 5 || !strings.HasPrefix(ntfy.Title, "mail.example.test: ") {
		t.Errorf("ntfy got %+v, %v", web.to("/")[1], err)
	}
}

// TestStormOfLogins guesses passwords of a real server until its people are
// told who is meant and from where, and stops.
func TestStormOfLogins(t *testing.T) {
	t.Parallel()
	web := startPosted(t)
	i := startTry(t)
	i.set(t, "alerts.confirm", "0", "alerts.clear", "0", "push.private-networks", "true")
	i.command(t, "alert", "channel", "add", "webhook", web.URL+"/hook")
	bob := i.Accounts[1].Address
	for n := range 4 {
		if err := i.submits(tryAccount{bob, fmt.Sprintf("guess %d", n)}, "", ""); err == nil {
			t.Fatal("a wrong password is taken")
		}
	}
	logins := func() (changes []string) { // what was told of them
		for _, r := range web.to("/hook") {
			var m struct {
				Data struct{ Alerts []alerts.Change }
			}
			if err := json.Unmarshal([]byte(r.body), &m); err != nil {
				t.Fatalf("%v in %s", err, r.body)
			}
			for _, c := range m.Data.Alerts {
				if c.Alert.ID == "logins" {
					changes = append(changes, c.Event+": "+c.Alert.Saw)
				}
			}
		}
		return changes
	}
	told := func(limit string, n int) func() bool {
		return func() bool {
			i.set(t, "alerts.failed-logins", limit) // the server looks again
			return len(logins()) == n
		}
	}
	eventually(t, "the alert", told("4", 1))
	eventually(t, "that it is over", told("1000", 2))
	const saw = "4 failed logins in ten minutes, most of them from 127.0.0.1/32, and most for "
	if got := logins(); got[0] != "fired: "+saw+bob || !strings.HasPrefix(got[1], "resolved: ") {
		t.Errorf("told %q", got)
	}
}

// verifyAll looks at the signatures of requests as a receiver does.
func verifyAll(t *testing.T, secret push.Secret, list []postedRequest) {
	t.Helper()
	for _, r := range list {
		if !secret.Verify(r.header.Get(push.HeaderID), r.header.Get(push.HeaderTimestamp), r.header.Get(push.HeaderSignature), []byte(r.body), time.Now()) {
			t.Errorf("the signature of %s is not good", r.body)
		}
	}
	if len(list) == 0 {
		t.Error("nothing was signed")
	}
}

// event is what a webhook is told of a message.
type webhookEvent struct {
	Type, Server string
	Data         admin.MessageEvent
}

// of returns the events of a kind that a web server was told.
func (p *posted) of(t *testing.T, path, kind string) []webhookEvent {
	t.Helper()
	var list []webhookEvent
	for _, r := range p.to(path) {
		var e webhookEvent
		if err := json.Unmarshal([]byte(r.body), &e); err != nil {
			t.Fatalf("%v in %s", err, r.body)
		}
		if e.Type == kind {
			list = append(list, e)
		}
	}
	return list
}

// TestWebhooksOfMessages sends mail in both directions through a real server
// and reads what webhooks are told, signed, also when they do not answer at
// first.
func TestWebhooksOfMessages(t *testing.T) {
	t.Parallel()
	web := startPosted(t)
	box, relay := startOutside(t)
	i := startTry(t, "--relay-to", relay)
	i.set(t, "push.private-networks", "true")
	var all, bob admin.Webhook
	i.ask(t, &all, "webhook", "add", web.URL+"/all", "message.received", "message.filed", "message.refused", "message.queued", "message.delivered",
		"message.deferred", "message.bounced", "message.quarantined", "account.changed", "check.changed")
	i.ask(t, &bob, "webhook", "add", web.URL+"/other", "message.received", "--domain", "example.test")
	if out := i.command(t, "webhook", "test", all.ID); !strings.Contains(out, "was taken") {
		t.Errorf("test: %s", out)
	}
	if refused := i.receive(t, "eve@far.example", "bob@example.test", letter("eve@far.example", "Secret words", "Nobody reads this.")); refused != "" {
		t.Fatal(refused)
	}
	if refused := i.receive(t, "eve@far.example", "nobody@example.test", letter("eve@far.example", "x", "y")); refused == "" {
		t.Fatal("mail for nobody was taken")
	}
	for local, subject := range map[string]string{"ana": "Out it goes", "gone": "It comes back", "later": "It waits"} {
		if err := i.submits(i.Accounts[0], local+"@elsewhere.example", subject); err != nil {
			t.Fatal(err)
		}
	}
	i.command(t, "account", "set", "bob@example.test", "--name", "Bob")
	eventually(t, "all events", func() bool {
		for _, kind := range []string{"message.received", "message.filed", "message.refused", "message.queued", "message.delivered",
			"message.deferred", "message.bounced", "account.changed"} {
			if len(web.of(t, "/all", kind)) == 0 {
				return false
			}
		}
		return len(web.of(t, "/other", "message.received")) == 1
	})
	got := web.of(t, "/all", "message.received")[0]
	if got.Server != "mail.example.test" || got.Data.From != "eve@far.example" || !slices.Equal(got.Data.To, []string{"bob@example.test"}) || got.Data.Direction != "in" || got.Data.Trace == "" || got.Data.Size == 0 {
		t.Errorf("received: %+v", got)
	}
	if got := web.of(t, "/all", "message.filed")[0]; got.Data.Mailbox != "INBOX" {
		t.Errorf("filed: %+v", got)
	}
	if got := web.of(t, "/all", "message.refused")[0]; !strings.HasPrefix(got.Data.Status, "5.1.1") || got.Data.Reason == "" {
		t.Errorf("refused: %+v", got)
	}
	if got := web.of(t, "/all", "message.delivered")[0]; got.Data.From != i.Accounts[0].Address || !slices.Equal(got.Data.To, []string{"ana@elsewhere.example"}) || got.Data.Attempt != 1 {
		t.Errorf("delivered: %+v", got)
	}
	if got := web.of(t, "/all", "message.deferred")[0]; !slices.Equal(got.Data.To, []string{"later@elsewhere.example"}) || got.Data.Status != "4.2.1" || !got.Data.Next.After(time.Now()) {
		t.Errorf("deferred: %+v", got)
	}
	if got := web.of(t, "/all", "message.bounced")[0]; !slices.Equal(got.Data.To, []string{"gone@elsewhere.example"}) || got.Data.Status != "5.1.1" || !strings.Contains(got.Data.Reply, "no such user") {
		t.Errorf("bounced: %+v", got)
	}
	if len(box.with("Out it goes")) != 1 {
		t.Error("the message did not get there")
	}
	for _, r := range web.to("/all") {
		if strings.Contains(r.body, "Secret words") || strings.Contains(r.body, "Nobody reads") {
			t.Errorf("a webhook is told what a message says: %s", r.body)
		}
	}
	verifyAll(t, all.Secret, web.to("/all"))
	verifyAll(t, bob.Secret, web.to("/other"))

	// One that does not answer well is asked again; the attempts can be seen.
	before := len(web.to("/other"))
	web.mu.Lock()
	web.code = http.StatusInternalServerError
	web.mu.Unlock()
	if refused := i.receive(t, "eve@far.example", "bob@example.test", letter("eve2@far.example", "x", "y")); refused != "" {
		t.Fatal(refused)
	}
	eventually(t, "the first try", func() bool { return len(web.to("/other")) > before })
	web.mu.Lock()
	web.code = 0
	web.mu.Unlock()
	var view struct {
		admin.Webhook
		Deliveries []admin.WebhookDelivery
	}
	eventually(t, "the next try", func() bool {
		i.ask(t, &view, "webhook", "show", bob.ID)
		return len(view.Deliveries) == 2 && view.Deliveries[0].State == "delivered"
	})
	if tries := view.Deliveries[0].Attempts; len(tries) < 2 || tries[0].Status != 500 || tries[len(tries)-1].Status != 204 || view.Secret != "" {
		t.Errorf("deliveries %+v", view)
	}
	before = len(web.to("/other"))
	i.command(t, "webhook", "replay", bob.ID, view.Deliveries[1].ID)
	eventually(t, "the replay", func() bool { return len(web.to("/other")) > before })
	last := web.to("/other")
	if id := last[len(last)-1].header.Get(push.HeaderID); id != view.Deliveries[1].ID {
		t.Errorf("replayed with the ID %s, was %s", id, view.Deliveries[1].ID)
	}
	i.command(t, "webhook", "remove", bob.ID)

	if refused := i.receive(t, "bills@nowhere-known.test", i.Accounts[0].Address, strings.ReplaceAll(disguised, "\r\n", "\n")); refused != "" {
		t.Fatal(refused)
	}
	eventually(t, "that a message waits in quarantine", func() bool { return len(web.of(t, "/all", "message.quarantined")) == 1 })
	if got := web.of(t, "/all", "message.quarantined")[0]; got.Data.From != "bills@nowhere-known.test" || got.Data.Reason == "" {
		t.Errorf("quarantined: %+v", got)
	}
}
