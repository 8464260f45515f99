package junk

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

const plain = `To: bo@example.org
Subject: Lunch on Friday
Date: Sat, 28 Nov 2026 11:00:00 +0000
Message-ID: <abc123@sender.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Shall we meet at the usual place on Friday? I bring the plans.
`

// html makes a message with one HTML part.
func htmlMail(body string) string {
	return strings.Replace(strings.Replace(plain, "text/plain", "text/html", 1), "Shall we meet", body+" Shall we meet", 1)
}

// attach makes a message with a file.
func attach(name string) string {
	return strings.Replace(plain, "Content-Type: text/plain; charset=utf-8\n\n", `Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

See the file, as we said on the phone.
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename="`+name+`"
Content-Transfer-Encoding: base64

AAAA
--b--
`, 1)
}

func replace(old, new string) string { return strings.Replace(plain, old, new, 1) }

// TestRules: each rule hits what it is for, and a plain authenticated message
// has nothing but that in its favour.
func TestRules(t *testing.T) {
	from := func(author string, m incoming) incoming {
		m.raw = "From: " + author + "\n" + strings.SplitN(m.raw, "\n", 2)[1]
		return m
	}
	ana := func(raw string) incoming { return good("ana@sender.com", raw) }
	with := func(change func(*incoming)) incoming {
		m := ana(plain)
		change(&m)
		return m
	}
	for _, tt := range []struct {
		name string
		in   incoming
		want string // names that hit
		not  string // names that must not
	}{
		{"plain", ana(plain), "dmarc.pass", ""},
		{"nothing confirms it", with(func(m *incoming) { m.spf, m.dkim, m.dmarc, m.name = "none", nil, "none", "" }), "auth.none client.noname", "dmarc.pass"},
		{"temporary trouble is nobody's fault", with(func(m *incoming) { m.spf, m.dkim, m.dmarc = "temperror", nil, "temperror" }), "", "auth.none dmarc.fail spf.fail"},
		{"forged", with(func(m *incoming) { m.spf, m.dkim, m.dmarc = "fail", nil, "fail" }), "dmarc.fail spf.fail auth.none", ""},
		{"SPF fails behind a forwarder", with(func(m *incoming) { m.spf = "fail" }), "dmarc.pass", "spf.fail auth.none"},
		{"from home", with(func(m *incoming) { m.name, m.hello = "p5-203-0-113-7.dip.example.net", "friend" }), "client.dialup helo.form", ""},
		{"our name in HELO", with(func(m *incoming) { m.hello = "example.org" }), "helo.ours", ""},
		{"no author", incoming{raw: plain, to: "bo@example.org"}, "from.missing", "from.invalid"},
		{"no date", ana(replace("Date: ", "X-Date: ")), "date.missing", ""},
		{"from the future", ana(replace("28 Nov 2026", "30 Nov 2026")), "date.future", "date.old"},
		{"from long ago", ana(replace("28 Nov 2026", "28 Oct 2026")), "date.old", "date.future"},
		{"no Message-ID", ana(replace("Message-ID", "X-ID")), "msgid.missing", ""},
		{"shouting", ana(replace("Lunch on Friday", "MAKE IT BIG NOW!!!")), "subject.caps subject.shouts", ""},
		{"not an answer", ana(replace("Lunch", "Re: Lunch")), "subject.fakereply", "reply.thread"},
		{"an answer", ana(replace("Subject: Lunch", "In-Reply-To: <x@y.com>\nSubject: Re: Lunch")), "reply.thread", "subject.fakereply"},
		{"two subjects", ana(replace("Subject:", "Subject: x\nSubject:")), "header.doubled", ""},
		{"two of what may be there often", ana(replace("Subject:", "Comments: x\nComments: y\nSubject:")), "", "header.doubled"},
		{"for whom?", ana(replace("To: bo@example.org", "To: undisclosed-recipients:;")), "to.undisclosed", ""},
		{"to a list", ana(replace("To: bo@example.org", "List-Id: <x.sender.com>\nTo: x:;")), "bulk.nounsubscribe", "to.undisclosed"},
		{"urgent", ana(replace("To:", "X-Priority: 1 (Highest)\nTo:")), "priority.stranger", ""},
		{"address as a name", from(`"ceo@bigbank.com" <ana@sender.com>`, ana(plain)), "name.address", "name.domain"},
		{"own address as a name", from(`"ana@sender.com" <ana@mail.sender.com>`, ana(plain)), "", "name.address name.domain"},
		{"domain as a name", from(`"bigbank.com Service" <ana@sender.com>`, ana(plain)), "name.domain", "name.address"},
		{"initials are no domain", from(`"Ana M.Smith Jr." <ana@sender.com>`, ana(plain)), "", "name.domain"},
		{"our name", from(`"Examp1e IT" <ana@sender.com>`, ana(plain)), "name.ours", ""},
		{"look-alike of ours", good("it@exarnple.org", plain), "lookalike.ours", ""},
		{"look-alike of ours in Cyrillic", good("it@xn--xample-2of.org", plain), "lookalike.ours lookalike.mixed", ""},
		{"one letter missing", good("it@exmple.org", plain), "lookalike.ours", ""},
		{"the same name elsewhere", good("it@example.com", plain), "", "lookalike.ours"},
		{"U-labels are honest", good("ana@xn--bcher-kva.de", plain), "", "lookalike.mixed"},
		{"to itself", incoming{raw: "From: bo@example.org\n" + plain, to: "bo@example.org", from: "x@y.com", spf: "none", dmarc: "none"}, "author.self", ""},
		{"answers go elsewhere", ana(replace("To:", "Reply-To: x@other.com\nTo:")), "reply.elsewhere", "reply.trap"},
		{"answers to somebody nobody sees", ana(strings.Replace(replace("To:", "Reply-To: x@other.com\nTo:"), "bo@example.org", "undisclosed:;", 1)), "reply.trap", ""},
		{"answers stay in the house", ana(replace("To:", "Reply-To: x@help.sender.com\nTo:")), "", "reply.elsewhere"},
		{"program", ana(attach("setup.exe")), "files.program", "files.disguised"},
		{"disguised program", ana(attach("invoice.pdf.exe")), "files.disguised", "files.program"},
		{"turned around", ana(attach("=?utf-8?q?annex=E2=80=AEfdp.exe?=")), "files.disguised", ""},
		{"macros", ana(attach("offer.docm")), "files.macros", ""},
		{"web page", ana(attach("voicemail.html")), "files.page", ""},
		{"document", ana(attach("minutes.2026.pdf")), "", "files.program files.disguised files.macros files.page files.image"},
		{"only a picture", ana(strings.Replace(htmlMail(`<img src="https://sender.com/a.png">`), "Shall we meet at the usual place on Friday? I bring the plans.", "", 1)), "html.imageonly", "text.none"},
		{"hidden text", ana(htmlMail(`<div style="display: none">` + strings.Repeat("weather and water ", 60) + `</div>`)), "html.hidden", ""},
		{"in the colour of the ground", ana(htmlMail(`<p style="color:#fff;background-color:#FFF">` + strings.Repeat("weather and water ", 60) + `</p>`)), "html.hidden", ""},
		{"line for the preview", ana(htmlMail(`<span style="display:none;max-height:0">News of this week</span>`)), "", "html.hidden"},
		{"form", ana(htmlMail(`<form action="https://x.com/"><input name=a></form>`)), "html.form", "html.password"},
		{"password", ana(htmlMail(`<form><input type=PASSWORD></form>`)), "html.password", "html.form"},
		{"script", ana(htmlMail(`<script>alert("mail.bank.com")</script>`)), "html.script", "link.foreign"},
		{"link lies", ana(htmlMail(`<a href="https://evil.com/login">www.bigbank.com</a>`)), "link.foreign", ""},
		{"link tells", ana(htmlMail(`<a href="https://login.bigbank.com/x">www.bigbank.com</a> <a href="https://x.com/f">minutes.pdf</a>`)), "", "link.foreign"},
		{"number", ana(htmlMail(`<a href="http://198.51.100.7/a">here</a>`)), "link.address", "link.puny"},
		{"name before the host", ana(replace("Shall", "https://bigbank.com@evil.com/x Shall")), "link.userinfo", ""},
		{"odd port", ana(replace("Shall", "http://evil.com:8081/x Shall")), "link.port", ""},
		{"shortened", ana(replace("Shall", "see https://bit.ly/abc. Shall")), "link.short", ""},
		{"U-labels in a link", ana(replace("Shall", "https://xn--bcher-kva.de/ Shall")), "link.puny", ""},
		{"link like ours", ana(replace("Shall", "https://portal.exarnple.org/ Shall")), "link.lookalike", ""},
		{"mixed letters", ana(replace("Shall", "v\u0435rify your p\u0430ssword Shall")), "words.disguised", ""},
		{"two languages", ana(replace("Shall", "Привет, Ana. Shall")), "", "words.disguised"},
		{"divided words", ana(replace("Shall", "ver\u200bify acc\u200bount pass\u200bword lo\u200bgin no\u200bw Shall")), "words.split", ""},
		{"emoji are no words", ana(replace("Shall", "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466 \U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466 Shall")), "", "words.split"},
		{"newsletter", ana(replace("To:", "List-Unsubscribe: <https://sender.com/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nTo:")), "bulk.wellkept", "bulk.nounsubscribe"},
		{"newsletter without signature", with(func(m *incoming) {
			m.raw = "From: ana@sender.com\n" + replace("To:", "List-Unsubscribe: <https://sender.com/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nTo:")
			m.dkim = nil
		}), "", "bulk.wellkept"},
		{"code", good("no-reply@sender.com", replace("Shall we meet", "Your code is 482913. Do not pass it on. Shall we meet")), "code", ""},
		{"code that a person writes", ana(replace("Shall we meet", "Your code is 482913. Shall we meet")), "", "code"},
		{"code of a stranger", with(func(m *incoming) {
			m.raw = "From: ana@sender.com\n" + replace("Shall we meet", "Your code is 482913. Shall we meet")
			m.spf, m.dkim, m.dmarc = "none", nil, "none"
		}), "", "code"},
		{"no policy, but signed", with(func(m *incoming) { m.dmarc = "none" }), "dkim.pass", "dmarc.pass"},
		{"no policy, signed by others", with(func(m *incoming) { m.dmarc, m.dkim = "none", []mail.Domain{"other.com"} }), "", "dkim.pass"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := readLetter(hashKey{}, tt.in.evidence(t), clock)
			defer l.release()
			o := Opinion{Reasons: l.rules()}
			hit := strings.Fields(o.names())
			for _, want := range strings.Fields(tt.want) {
				if !slices.Contains(hit, want) {
					t.Errorf("%s does not hit; %q do", want, hit)
				}
			}
			for _, not := range strings.Fields(tt.not) {
				if slices.Contains(hit, not) {
					t.Errorf("%s hits", not)
				}
			}
		})
	}
}

// TestRuleTable: names are of one form and occur once, scores have one digit,
// texts are one plain sentence.
func TestRuleTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules {
		if seen[r.name] || strings.Trim(r.name, "abcdefghijklmnopqrstuvwxyz0123456789.") != "" {
			t.Errorf("name %q", r.name)
		}
		seen[r.name] = true
		if round(r.score) != r.score || r.score == 0 || r.score > 6 || r.score < -4 {
			t.Errorf("%s has the score %v", r.name, r.score)
		}
		if !strings.HasSuffix(r.text, ".") || len(r.text) > 100 {
			t.Errorf("%s has the text %q", r.name, r.text)
		}
	}
}

// TestGivenReasonsCountOnce: what a check before has said is not said again.
func TestGivenReasonsCountOnce(t *testing.T) {
	m := good("ana@sender.com", plain)
	e := m.evidence(t)
	e.Reasons = []mail.Reason{{Name: "dmarc.pass", Score: -2, Text: "x"}}
	w := newWorld(t)
	o := w.Score(t.Context(), e, []mailbox.AccountID{me})[0]
	if strings.Count(o.names(), "dmarc.pass") != 1 || o.Score != -2 {
		t.Errorf("score %v of %q", o.Score, o.names())
	}
}

// TestSameFactCountsOnce: what the door has said in other words is not said
// again, and without it the rule says it.
func TestSameFactCountsOnce(t *testing.T) {
	for _, tt := range []struct{ hello, said, rule string }{
		{"mx.localdomain", "helo.unknown", "helo.form"},
		{"example.org", "helo.domain", "helo.ours"},
	} {
		m := good("ana@sender.com", plain)
		m.hello = tt.hello
		for _, reasons := range [][]mail.Reason{nil, {{Name: tt.said, Score: 2, Text: "x"}}} {
			e := m.evidence(t)
			e.Reasons = reasons
			l := readFacts(e, clock)
			names := (&Opinion{Reasons: l.rules()}).names()
			l.release()
			if strings.Contains(names, tt.rule) != (reasons == nil) {
				t.Errorf("%s after %v: the rules say %q", tt.hello, reasons, names)
			}
		}
	}
}

// TestLinksAreAskedAbout: of domains that links and images lead to, those of
// the author and the sender left out; what is said counts. Nobody is asked
// about mail of our own clients.
func TestLinksAreAskedAbout(t *testing.T) {
	w := newWorld(t)
	var asked []mail.Domain
	w.opts.Links = func(_ context.Context, domains []mail.Domain) []mail.Reason {
		asked = append(asked, domains...)
		return []mail.Reason{{Name: "dnsbl.link", Score: 4, Text: "Listed."}}
	}
	m := good("ana@sender.com", "To: bo@example.org\nSubject: x\nDate: Sat, 28 Nov 2026 11:00:00 +0000\nMessage-ID: <x@sender.com>\nMIME-Version: 1.0\nContent-Type: text/html\n\n"+
		`<p>Some words <a href="https://www.sender.com/a">here</a> <a href="https://a.evil.com/x">there</a> <a href="http://a.evil.com/y">again</a> <img src="https://pics.net/i.gif"></p>`)
	e := m.evidence(t)
	o := w.Score(t.Context(), e, []mailbox.AccountID{me})[0]
	if want := []mail.Domain{"a.evil.com", "pics.net"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %v, want %v", asked, want)
	}
	asked = nil
	e.Exempt = true
	ours := w.Score(t.Context(), e, []mailbox.AccountID{me})[0]
	if asked != nil || round(o.Score-ours.Score) != 4 {
		t.Errorf("score %v of a stranger, %v of our own client, asked about %v", o.Score, ours.Score, asked)
	}
}
