package inbound

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// recipient is an account to which a message is worth a score.
func recipient(to string, score float64) Recipient {
	p, err := mail.ParseAddress(to)
	if err != nil {
		panic(err)
	}
	return Recipient{Reached: delivery.Reached{Account: 1, To: p}, Policy: verdict.Default(),
		Opinion: junk.Opinion{Score: score, Reasons: []mail.Reason{{Name: "words", Score: score, Text: "Its words are those of junk."}}}}
}

func blockedBy(scope verdict.Scope, r Recipient) Recipient {
	r.Match = verdict.Match{Verb: verdict.Block, Subject: "@evil.test", Scope: scope}
	return r
}

// elsewhere is a recipient that leads to other servers only.
func elsewhere(to string, score float64) Recipient {
	r := recipient(to, score)
	r.Account = 0
	return r
}

func TestConclude(t *testing.T) {
	dmarc := Verdict{Action: Junk, Reason: "dmarc: forged", Cause: "dmarc: forged", Reasons: []string{"dmarc: forged"}}
	for _, tt := range []struct {
		name                string
		hard                Verdict
		to                  []Recipient
		action              Action
		places, text, cause string
	}{
		{"nobody is reached", Verdict{}, nil, Accept, "", "", ""},
		{"good for all", Verdict{}, []Recipient{recipient("a@x.test", 0), recipient("b@x.test", 4)}, Accept, "inbox inbox", "", ""},
		{"each its own", Verdict{}, []Recipient{recipient("a@x.test", 0), recipient("b@x.test", 6), recipient("c@x.test", 11)}, Quarantine, "inbox junk quarantine", "", "score: words"},
		{"all would refuse", Verdict{}, []Recipient{recipient("a@x.test", 20), recipient("b@x.test", 15)}, Refuse, "refuse refuse", "looks like junk mail (words)", "score: words"},
		{"not all would", Verdict{}, []Recipient{recipient("a@x.test", 20), recipient("b@x.test", 0)}, Quarantine, "quarantine inbox", "", "score: words"},
		{"postmaster does not", Verdict{}, []Recipient{recipient("a@x.test", 20), recipient("Postmaster@x.test", 20)}, Quarantine, "quarantine junk", "", "score: words"},
		{"blocked by the server", Verdict{}, []Recipient{blockedBy(verdict.Server, recipient("a@x.test", 0))}, Refuse, "refuse",
			"mail from @evil.test is not taken here", "list: server has block @evil.test"},
		{"blocked by one", Verdict{}, []Recipient{blockedBy(verdict.Account, recipient("a@x.test", 0)), recipient("b@x.test", 0)}, Quarantine, "quarantine inbox", "", "list: account has block @evil.test"},
		{"what a check wants holds for all", dmarc, []Recipient{recipient("a@x.test", 0), recipient("b@x.test", 20)}, Quarantine, "junk quarantine", "", "score: words"},
		{"junk is not passed on", Verdict{}, []Recipient{elsewhere("a@x.test", 6)}, Refuse, "refuse", "looks like junk mail (words)", "score: words"},
		{"nor what a check sends to Junk", dmarc, []Recipient{elsewhere("a@x.test", 0)}, Refuse, "refuse", "is not forwarded to a@x.test (dmarc: forged)", "dmarc: forged"},
		{"but where somebody takes it", Verdict{}, []Recipient{elsewhere("a@x.test", 6), recipient("b@x.test", 6)}, Quarantine, "quarantine junk", "", "score: words"},
		{"and decides where nothing is stricter", dmarc, []Recipient{recipient("a@x.test", 0)}, Junk, "junk", "", "dmarc: forged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := conclude(tt.hard, tt.to, false)
			var places []string
			for _, r := range v.Recipients {
				places = append(places, r.Decision.Action.String())
			}
			if got := strings.Join(places, " "); v.Action != tt.action || got != tt.places || !strings.Contains(v.Text, tt.text) || v.Cause != tt.cause {
				t.Errorf("%s %q %q (%s), want %s %q %q (%s)", v.Action, got, v.Text, v.Cause, tt.action, tt.places, tt.text, tt.cause)
			}
		})
	}
}

func TestVerdictField(t *testing.T) {
	r := recipient("a@x.test", 1)
	r.Opinion.Reasons = []mail.Reason{{Name: "dmarc.fail", Score: 2, Text: "x"}, {Name: "rspamd.BAYES_SPAM\r\nBcc: x", Score: -3.14}, {Name: "words", Score: 0.5}}
	if got, want := string(r.field()), "X-Mailstead-Verdict: inbox; score=1.0; reasons=rspamd.BAYES_SPAMBccx=-3.1,\r\n\tdmarc.fail=+2.0,words=+0.5\r\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	r.Opinion.Reasons = nil
	for i := range 500 {
		r.Opinion.Reasons = append(r.Opinion.Reasons, mail.Reason{Name: strings.Repeat("n", 100), Score: float64(i)})
	}
	got := r.field()
	if len(got) > 2<<10 {
		t.Errorf("%d octets", len(got))
	}
	for line := range strings.SplitSeq(string(got), "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
}

// fixed is a Scorer with one opinion.
type fixed struct{ opinion junk.Opinion }

func (f fixed) Score(_ context.Context, _ *junk.Evidence, accounts []mailbox.AccountID) []junk.Opinion {
	var all []junk.Opinion
	for range accounts {
		all = append(all, f.opinion)
	}
	return all
}

func TestVerdictIsRecorded(t *testing.T) {
	many := junk.Opinion{Score: 6.256}
	for i := range 200 {
		many.Reasons = append(many.Reasons, mail.Reason{Name: fmt.Sprint("rule.", i), Score: float64(i) / 3, Text: strings.Repeat("é", 40)})
	}
	s := New(Options{Hostname: hostname, Deliverer: reach{"bo@example.org": 7}, Resolver: dnstest.New(zone), Scorer: fixed{many}})
	m := newMail(t, "192.0.2.1", "ana@sender.test", "From: ana@sender.test")
	v := s.judge(t.Context(), m)
	events := verdictEvents(time.Unix(0, 0), m, v)
	if len(events) != 1 {
		t.Fatalf("events %v", events)
	}
	f := events[0].Fields
	for name, want := range map[string]string{"place": "junk", "by": "score", "score": "6.26", "account": "7", "rcpt_to": "bo@example.org",
		"author": "ana@sender.test", "proven": "author path", "hard": "", "known": ""} {
		if f[name] != want {
			t.Errorf("%s is %q, want %q", name, f[name], want)
		}
	}
	var reasons []mail.Reason
	if err := json.Unmarshal([]byte(f[trace.Reasons]), &reasons); err != nil || len(f[trace.Reasons]) > trace.MaxReasons || len(reasons) < 20 {
		t.Fatalf("%d reasons in %d octets, %v", len(reasons), len(f[trace.Reasons]), err)
	}
	if reasons[0].Name != "rule.199" || reasons[0].Score != 66.33 {
		t.Errorf("the heaviest is %+v", reasons[0])
	}
}

func TestFinalChecks(t *testing.T) {
	later := Check{"greylist", func(_ context.Context, m *Mail) Finding {
		if m.Welcome() {
			return Finding{}
		}
		return Finding{Action: Refuse, Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Code: 451, Text: "come again", Reason: "a stranger"}
	}}
	for _, tt := range []struct {
		name    string
		opinion junk.Opinion
		want    string
	}{
		{"a stranger comes again", junk.Opinion{}, "4.7.1 come again"},
		{"who is known does not", junk.Opinion{Known: true}, ""},
		{"what is refused for good is not put off", junk.Opinion{Score: 20}, "5.7.1 this message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{Hostname: hostname, Deliverer: reach{"bo@example.org": 7}, Resolver: dnstest.New(zone), Scorer: fixed{tt.opinion}, Final: []Check{later}})
			v := s.judge(t.Context(), newMail(t, "192.0.2.1", "ana@sender.test", "From: ana@sender.test"))
			got := ""
			if err := v.err(); err != nil {
				got = err.Error()
			}
			if (tt.want == "") != (got == "") || !strings.HasPrefix(got, tt.want) {
				t.Errorf("reply %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEvidence(t *testing.T) {
	s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone), Checks: []Check{
		{"form", func(context.Context, *Mail) Finding {
			return Finding{Reasons: []mail.Reason{{Name: "form.odd", Score: 1}}}
		}},
		{"filter", func(context.Context, *Mail) Finding { return Finding{Action: Quarantine, Reason: "says so"} }},
	}})
	m := newMail(t, "::ffff:192.0.2.1", "ana@sender.test", "From: Ana <ana@sub.sender.test>")
	s.judge(t.Context(), m)
	e := m.Evidence
	if e.Author.String() != "ana@sub.sender.test" || e.AuthorOrg != "sender.test" || e.SPF != "pass" || e.DMARC != "pass" || len(e.DKIM) != 0 ||
		e.ClientName != "mail.sender.test" || e.Client != netip.MustParseAddr("192.0.2.1") || fmt.Sprint(e.Reasons) != "[form.odd=+1.0 filter=+0.0]" {
		t.Errorf("evidence %+v", e)
	}
	whole := string(m.Kept) + "Hello\r\n"
	for _, r := range [][2]int{{0, len(whole)}, {0, 4}, {6, len(m.Kept) + 2}, {len(m.Kept), len(whole)}, {len(m.Kept) + 2, len(m.Kept) + 4}, {5, 5}} {
		got, err := io.ReadAll(e.Open(int64(r[0]), int64(r[1])))
		if err != nil || string(got) != whole[r[0]:r[1]] {
			t.Errorf("octets %v are %q, %v; want %q", r, got, err, whole[r[0]:r[1]])
		}
	}
}
