package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

const zoneText = `
example.org. NS ns1.dns.example.
example.net. NS ns1.dns.example.
ns1.dns.example. A 192.0.2.53
1.2.0.192.in-addr.arpa. PTR mail.example.org.
`

// world is a wizard on an empty server.
type world struct {
	*Wizard
	zones  *dnstest.Zones
	dir    *directory.Directory
	admin  *admin.Admin
	traces *trace.Log
	cert   certs.Status
	told   []Step
	relay  error // of TestRelay
}

func (w *world) Status() []certs.Status { return []certs.Status{w.cert} }

func (w *world) Renew(context.Context, certs.Renewal) (certs.Status, error) { return w.cert, nil }

func (w *world) TLSA() (certs.Digests, bool) { return certs.Digests{}, false }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{zones: dnstest.New(zoneText), cert: certs.Status{Name: "mail.example.org", Source: "self-signed", NotAfter: time.Now().Add(time.Hour)}}
	data := t.TempDir()
	w.dir = must[*directory.Directory](t)(directory.Open(data+"/system.db", directory.Options{Cost: directory.Cost{MemoryKiB: 64, Time: 1}}))
	t.Cleanup(func() { w.dir.Close() })
	w.traces = must[*trace.Log](t)(trace.Open(data+"/trace.db", trace.Options{Keep: func() time.Duration { return time.Hour }}))
	t.Cleanup(func() { w.traces.Close() })
	eng := must[*store.Engine](t)(store.Open(data+"/store", store.Options{Apply: func(rw store.RW, a store.Accepted) error { return mailbox.Apply(rw, a) }}))
	t.Cleanup(func() { eng.Close() })
	authority := dns.NewAuthority(dns.AuthorityOptions{Finder: w.zones, Dial: w.zones.Dial})
	w.admin = admin.New(admin.Options{
		Directory: w.dir, Mailboxes: mailbox.Open(eng, mailbox.Options{}), Queue: queue.New(eng, nil, queue.Options{}), Traces: w.traces, Certificates: w,
		Hostname: "mail.example.org", Resolver: w.zones, Authority: authority,
		Addresses: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
		Server:    &checks.Server{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network in tests") }},
	})
	w.Wizard = New(Options{
		Admin: w.admin, Directory: w.dir, Hostname: "mail.example.org", Checker: &dnsadvice.Checker{Authority: authority, Resolver: w.zones},
		Send: func(_ context.Context, from, to mail.Path) (string, error) {
			return w.message("out", from.String(), to.String(), "accepted"), nil
		},
		TestRelay: func(context.Context, Relay) error { return w.relay },
		Changed:   func(s Step) { w.told = append(w.told, s) },
	})
	return w
}

// message leaves the trace of one.
func (w *world) message(direction, from, to, outcome string) string {
	id := trace.NewID(time.Now(), rand.Reader)
	w.trace(string(id), direction, from, to, outcome)
	return string(id)
}

func (w *world) trace(id, direction, from, to, outcome string) {
	f, _ := mail.ParseAddress(from)
	r, _ := mail.ParseAddress(to)
	now := time.Now()
	w.traces.Append(trace.Summary{ID: trace.ID(id), Start: now, Last: now, Direction: direction, ReversePath: f, Recipients: []mail.Path{r}, Outcome: outcome},
		trace.Event{Time: now, Kind: trace.Done, Text: outcome})
}

func stateOf(v View, id Step) State {
	for _, s := range v.Steps {
		if s.ID == id {
			return s.State
		}
	}
	return ""
}

func (w *world) answer(t *testing.T, step Step, in Input) View {
	t.Helper()
	return must[View](t)(w.Answer(t.Context(), step, in))
}

// TestWalk goes from an empty server to the first mail in both directions.
func TestWalk(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	v := must[View](t)(w.View(ctx))
	if !v.Open || v.Step != Start || len(v.Steps) != 7 || v.Password.MinLength < 8 {
		t.Fatalf("at first: %+v", v)
	}
	if v = w.answer(t, Start, Input{Goal: GoalServe}); v.Step != You {
		t.Fatalf("after start: %s", v.Step)
	}
	v = w.answer(t, You, Input{Address: " Ana@example.org", Name: "Ana", Password: "correct horse"})
	if v.Step != Server || v.DNS == nil || v.Suggest != "mail.example.org" {
		t.Fatalf("after you: %s, %+v", v.Step, v.DNS)
	}
	if a, ok := w.dir.LoginAccount("ana@example.org"); !ok || a.Role != directory.RoleOwner {
		t.Errorf("owner: %+v", a)
	}
	if v = must[View](t)(w.Check(ctx, You)); v.Survey == nil || !strings.Contains(v.Survey.Text, "No mail goes") {
		t.Errorf("survey: %+v", v.Survey)
	}
	v = must[View](t)(w.Check(ctx, Server))
	if v.Checks == nil || len(v.Checks.Items) < 5 || stateOf(v, Server) == Todo {
		t.Errorf("server: %s, %+v", stateOf(v, Server), v.Checks)
	}
	yes := true
	if v = w.answer(t, Server, Input{GoOn: &yes}); v.Step != DNS {
		t.Fatalf("after server: %s", v.Step)
	}
	if v = must[View](t)(w.Check(ctx, DNS)); stateOf(v, DNS) != Waiting || v.DNS.Summary.Failing == 0 {
		t.Errorf("DNS: %s %+v", stateOf(v, DNS), v.DNS.Summary)
	}
	zone := must[string](t)(w.admin.Zone(asSetup(ctx), "example.org"))
	if err := w.zones.Add(zone); err != nil {
		t.Fatal(err)
	}
	if v = must[View](t)(w.Check(ctx, DNS)); stateOf(v, DNS) != OK || v.Step != Certificate {
		t.Errorf("DNS when published: %s %+v", stateOf(v, DNS), v.DNS.Summary)
	}
	w.cert.Source = "acme"
	if v = must[View](t)(w.View(ctx)); v.Step != Mail || !v.Certificate.Trusted {
		t.Errorf("certificate: %+v", v.Certificate)
	}
	if len(v.Recovery) == 0 {
		t.Error("there is an owner, and no recovery kit")
	}
	in := trace.ID(w.message("in", "kim@far.example", "ana@example.org", "accepted"))
	w.traces.Append(trace.Summary{ID: in}, trace.Event{Time: time.Now(), Kind: trace.Dialogue, Text: "C: DATA"})
	v = w.answer(t, Mail, Input{SendTo: "kim@far.example"})
	if v.Mail.In == nil || !v.Mail.In.Done || v.Mail.Out == nil || v.Mail.Out.Done || v.Step != Mail {
		t.Fatalf("mail: %+v %+v", v.Mail.In, v.Mail.Out)
	}
	if s := v.Mail.In.Story; len(s) != 1 || s[0].Kind != string(trace.Done) {
		t.Errorf("story: %+v", s)
	}
	w.trace(v.Mail.Out.Trace, "out", "ana@example.org", "kim@far.example", "delivered")
	v = must[View](t)(w.View(ctx))
	if v.Step != Done || !v.Mail.Out.Done || len(v.Recovery) == 0 {
		t.Fatalf("after mail: %s %+v", v.Step, v.Mail.Out)
	}
	owner := must[uint32](t)(w.Finish(ctx))
	if a, ok := w.dir.LoginAccount("ana@example.org"); !ok || a.ID != owner || w.Open(ctx) {
		t.Errorf("finished: owner %d, open %v", owner, w.Open(ctx))
	}
	if _, err := w.Answer(ctx, Start, Input{Goal: GoalTry}); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if len(w.told) == 0 || w.told[len(w.told)-1] != Done {
		t.Errorf("told: %v", w.told)
	}
}

// TestResume begins again where another wizard stopped.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.answer(t, Start, Input{Goal: GoalServe})
	w.answer(t, You, Input{Address: "ana@example.org", Password: "correct horse"})
	again := New(w.opts)
	if v := must[View](t)(again.View(t.Context())); v.Answers.Address != "ana@example.org" || v.Step != Server || !v.Open {
		t.Errorf("resumed: %+v", v)
	}
}

// Another address takes the place of the first.
func TestChangeOfMind(t *testing.T) {
	w := newWorld(t)
	w.answer(t, You, Input{Address: "ana@example.org", Password: "correct horse"})
	v := w.answer(t, You, Input{Address: "bo@example.net", Password: "battery staple"})
	if v.Answers.Address != "bo@example.net" || len(w.dir.Accounts()) != 1 || len(w.dir.Domains()) != 1 {
		t.Errorf("after a change: %+v, %d accounts, %d domains", v.Answers, len(w.dir.Accounts()), len(w.dir.Domains()))
	}
	w.answer(t, You, Input{Address: "bo@example.net", Name: "Bo", Password: "another one"})
	if len(w.dir.Accounts()) != 1 {
		t.Error("the same address made another account")
	}
}

func TestBadAnswers(t *testing.T) {
	w := newWorld(t)
	w.relay = errors.New("535 wrong password")
	for _, tt := range []struct {
		name  string
		step  Step
		in    Input
		field string
	}{
		{"no goal", Start, Input{Goal: "fun"}, "goal"},
		{"no address", You, Input{Address: "ana", Password: "correct horse"}, "address"},
		{"address without a whole domain", You, Input{Address: "ana@org", Password: "correct horse"}, "address"},
		{"no password", You, Input{Address: "ana@example.org"}, "password"},
		{"short password", You, Input{Address: "ana@example.org", Password: "x"}, "password"},
		{"relay that refuses", Server, Input{Relay: &Relay{Host: "smtp.example.com:587", Login: "a", Password: "b"}}, "relay.host"},
		{"no recipient", Mail, Input{SendTo: "kim"}, "sendTo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.Answer(t.Context(), tt.step, tt.in)
			var f *admin.FieldError
			if !errors.As(err, &f) || f.Field != tt.field || !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("%v", err)
			}
		})
	}
	if len(w.dir.Accounts()) != 0 || len(w.dir.Domains()) != 0 {
		t.Error("a refused answer has left something behind")
	}
	if _, err := w.Answer(t.Context(), DNS, Input{}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a step without answers: %v", err)
	}
	if _, err := w.Finish(t.Context()); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("finish without an owner: %v", err)
	}
}

// No failing check is a dead end.
func TestWaysRound(t *testing.T) {
	w := newWorld(t)
	v := w.answer(t, Server, Input{Relay: &Relay{Host: "smtp.example.com:587", Login: "a", Password: "hush"}})
	if v.Answers.RelayHost != "smtp.example.com:587" || w.dir.Text(directory.RelayPassword) != "hush" {
		t.Errorf("relay: %+v", v.Answers)
	}
	yes := true
	if v = w.answer(t, Server, Input{ReceiveOnly: &yes}); !v.Answers.ReceiveOnly || !w.dir.Bool(directory.ServerReceiveOnly) {
		t.Errorf("receive only: %+v", v.Answers)
	}
	if v = w.answer(t, Certificate, Input{OwnCertificate: &yes}); stateOf(v, Certificate) != Warn {
		t.Errorf("own certificate: %s", stateOf(v, Certificate))
	}
	var kept any
	if _, err := w.dir.State(t.Context(), stateName, &kept); err != nil {
		t.Fatal(err)
	}
	if text := strings.ToLower(strings.Join(strings.Fields(fmt.Sprint(kept)), " ")); strings.Contains(text, "hush") {
		t.Errorf("a secret is kept: %s", text)
	}
}

func TestProgress(t *testing.T) {
	in := Inputs{Answers: Answers{Goal: GoalServe, Address: "ana@example.org"}}
	for _, tt := range []struct {
		name string
		in   func(*Inputs)
		step Step
		want State
	}{
		{"server is not checked", func(*Inputs) {}, Server, Todo},
		{"server is well", func(in *Inputs) { in.Server = &checks.Summary{State: checks.OK} }, Server, OK},
		{"server fails", func(in *Inputs) { in.Server = &checks.Summary{State: checks.Fail} }, Server, Waiting},
		{"server fails, and on", func(in *Inputs) { in.Server, in.Answers.GoOn = &checks.Summary{State: checks.Fail}, true }, Server, Warn},
		{"nothing could be checked, and on", func(in *Inputs) { in.Answers.GoOn = true }, Server, Warn},
		{"DNS gives no answer", func(in *Inputs) {
			in.DNS = &dnsadvice.Report{CheckedAt: time.Now(), Summary: dnsadvice.Summary{Unknown: 7}}
		}, DNS, Waiting},
		{"DNS is right", func(in *Inputs) {
			in.DNS = &dnsadvice.Report{CheckedAt: time.Now(), Summary: dnsadvice.Summary{Right: 7, Of: 9}}
		}, DNS, OK},
		{"just a look", func(in *Inputs) { in.Answers.Goal = GoalTry }, Certificate, Warn},
		{"mail in only", func(in *Inputs) { in.Mail.In = &Message{Done: true} }, Mail, Waiting},
		{"mail in only, which is all", func(in *Inputs) { in.Mail.In, in.Answers.ReceiveOnly = &Message{Done: true}, true }, Mail, OK},
		{"finished", func(in *Inputs) { in.Finished = true }, Done, OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := in
			tt.in(&in)
			steps, _ := Progress(in)
			if got := stateOf(View{Steps: steps}, tt.step); got != tt.want {
				t.Errorf("%s is %s, want %s", tt.step, got, tt.want)
			}
		})
	}
}

// Watch tells of a record that appears, and not of what stays as it is.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	yes := true
	w.answer(t, Start, Input{Goal: GoalServe})
	w.answer(t, You, Input{Address: "ana@example.org", Password: "correct horse"})
	w.answer(t, Server, Input{GoOn: &yes})
	before, err := w.View(t.Context())
	if err != nil || before.Step != DNS {
		t.Fatalf("%s, %v", before.Step, err)
	}
	if differs(before, before) {
		t.Error("the same differs")
	}
	if err := w.zones.Add(must[string](t)(w.admin.Zone(asSetup(t.Context()), "example.org"))); err != nil {
		t.Fatal(err)
	}
	if err := w.refresh(asSetup(t.Context()), DNS); err != nil {
		t.Fatal(err)
	}
	if after := must[View](t)(w.View(t.Context())); !differs(before, after) {
		t.Error("a record that appeared is not seen")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Watch(ctx); err != nil {
			t.Error(err)
		}
	})
}
