package explain

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		reply, mx, want string
		title           string // part of it, if it matters
	}{
		// As the providers document them.
		{"451 4.7.650 The mail server [203.0.113.5] has been temporarily rate limited due to IP reputation. For e-mail delivery information see https://aka.ms/postmaster (S775)", "outlook-com.olc.protection.outlook.com", "reputation", "Microsoft"},
		{"550 5.7.1 Unfortunately, messages from [203.0.113.5] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).", "hotmail-com.olc.protection.outlook.com", "blocked-ip", "Microsoft"},
		{"550 5.7.1 Unfortunately, messages from [203.0.113.5] weren't sent. ... block list (S3140).", "hotmail-com.olc.protection.outlook.com", "blocked-ip", ""},
		{"550 5.7.606 Access denied, banned sending IP [203.0.113.5]. To request removal from this list please visit https://sender.office.com/", "example-org.mail.protection.outlook.com", "blocked-ip", ""},
		{"550 5.4.1 Recipient address rejected: Access denied.", "example-org.mail.protection.outlook.com", "no-such-user", ""},
		{"550 5.7.515 Access denied, sending domain example.org doesn't meet the required authentication level.", "outlook-com.olc.protection.outlook.com", "authentication", ""},
		{"421-4.7.0 This message is suspicious due to the very low reputation of the sending IP address", "gmail-smtp-in.l.google.com", "reputation", "Gmail"},
		{"421-4.7.0 Try again later, closing connection.", "gmail-smtp-in.l.google.com", "rate-limited", "Gmail"},
		{"421-4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address", "alt1.gmail-smtp-in.l.google.com", "reputation", ""},
		{"550-5.7.26 This mail has been blocked because the sender is unauthenticated.", "gmail-smtp-in.l.google.com", "authentication", ""},
		{"550-5.7.25 The IP address sending this message does not have a PTR record", "aspmx.l.google.com", "reverse-name", ""},
		{"550 5.1.1 The email account that you tried to reach does not exist.", "gmail-smtp-in.l.google.com", "no-such-user", ""},
		{"452 4.2.2 The email account that you tried to reach is over quota.", "gmail-smtp-in.l.google.com", "mailbox-full", ""},
		{"450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages", "gmail-smtp-in.l.google.com", "rate-limited", ""},
		{"421 4.7.0 [TSS04] Messages from 203.0.113.5 temporarily deferred due to unexpected volume or user complaints", "mta5.am0.yahoodns.net", "reputation", "Yahoo"},
		{"554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes", "mta5.am0.yahoodns.net", "authentication", ""},
		{"553 5.7.1 [BL21] Connections will not be accepted from 203.0.113.5, because the ip is in Spamhaus's list", "mta5.am0.yahoodns.net", "listed", ""},
		{"554 5.7.1 [CS01] Message rejected due to local policy.", "mx01.mail.icloud.com", "content", "Apple"},
		{"554 IP=203.0.113.5 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.)", "mx01.t-online.de", "blocked-ip", "Telekom"},
		{"554 gmx.net (mxgmx015) Nemesis ESMTP Service not available No SMTP service Bad DNS PTR resource record.", "mx00.gmx.net", "reverse-name", "GMX"},
		{"554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.5", "mx.example.org", "listed", "example.org"},
		{"554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org; Error: open resolver; https://www.spamhaus.org/returnc/pub/", "mx.example.org", "resolver", ""},
		{"550 5.7.1 rejected, 127.255.255.254 from zen.spamhaus.org", "mx.example.org", "resolver", ""},
		{"550 Blocked - see https://ipcheck.proofpoint.com/?ip=203.0.113.5", "mx1.example-org.iphmx.com", "blocked-ip", ""},
		// Words and codes of many servers.
		{"451 4.7.1 Greylisting in action, please come back later", "mx.example.org", "greylisted", "example.org"},
		{"450 4.7.1 please try again later", "mx.example.org", "greylisted", ""},
		{"451 try again", "mx.example.org", "greylisted", ""},
		{"550 User unknown", "mx.example.org", "no-such-user", ""},
		{"550 5.7.1 Relaying denied", "mx.example.org", "relay-denied", ""},
		{"552 5.2.2 mailbox full", "mx.example.org", "mailbox-full", ""},
		{"450 4.7.25 Client host rejected: cannot find your reverse hostname", "mx.example.org", "reverse-name", ""},
		{"504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "mx.example.org", "helo", ""},
		{"550 5.7.23 SPF validation failed", "mx.example.org", "authentication", ""},
		{"530 5.7.0 Must issue a STARTTLS command first", "mx.example.org", "tls", ""},
		{"552 5.3.4 Message size exceeds fixed limit", "mx.example.org", "too-large", ""},
		{"554 5.7.1 Message rejected as spam by Content Filtering", "mx.example.org", "content", ""},
		{"550 5.7.1 policy", "mx.example.org", "policy", ""},
		{"421 4.3.2 shutting down", "mx.example.org", "remote-trouble", ""},
		{"421 go away", "mx.example.org", "remote-trouble", ""},
		{"599 what is this", "mx.example.org", "other", ""},
	} {
		if got := Explain(Failure{Reply: tt.reply, Domain: "example.org", MX: tt.mx}); got.Name != tt.want || !strings.Contains(got.Title, tt.title) {
			t.Errorf("%s\n\tis %s (%s), want %s", tt.reply, got.Name, got.Title, tt.want)
		}
	}
}

// TestExplainOwnWords has what the queue and the transport say themselves.
func TestExplainOwnWords(t *testing.T) {
	for _, tt := range []struct{ status, text, mx, want string }{
		{"4.4.1", "no mail server of example.org could be reached", "", "no-answer"},
		{"4.4.1", "no connection to mx.example.org (203.0.113.9:25)", "mx.example.org", "no-answer"},
		{"4.4.3", "the DNS gave no answer about example.org", "", "dns"},
		{"5.1.2", "the domain example.org does not exist", "", "no-domain"},
		{"5.1.10", "the domain example.org takes no mail (null MX)", "", "no-mail"},
		{"4.7.5", "the TLS policy of example.org does not allow mx.example.org: not in the policy", "", "tls"},
		{"5.7.30", "the sender requires TLS all the way, and mx.example.org does not promise it", "mx.example.org", "tls"},
		{"5.4.6", "mail for example.org is to come to this server, which does not know the domain", "", "loop"},
		{"5.4.7", "", "mx.example.org", "expired"},
		{"4.4.2", "the connection broke off", "mx.example.org", "connection-lost"},
		{"4.4.5", "there are too many connections to this server already", "mx.example.org", "too-busy-here"},
		{"4.7.8", "the smarthost did not let us log in: 535 5.7.8 no", "smtp.relay.test", "relay-login"},
		{"4.3.0", "the message could not be sent because of a problem here", "", "trouble-here"},
		{"4.3.0", "read message: no such file", "", "trouble-here"},
	} {
		st, err := mail.ParseStatus(tt.status)
		if err != nil {
			t.Fatal(err)
		}
		if got := Explain(Failure{Reply: tt.text, Status: st, Domain: "example.org", MX: tt.mx}); got.Name != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.status, tt.text, got.Name, tt.want)
		}
	}
	if got := Explain(Failure{Domain: "example.org"}); got.Name != "waiting" {
		t.Errorf("no attempt yet: %s", got.Name)
	}
}

func TestCausesAreClosed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Causes() {
		if names[c.Name] || !regexp.MustCompile(`^[a-z-]+$`).MatchString(c.Name) || c.Title == "" || c.Explain == "" || strings.Count(c.Title, "%s")+strings.Count(c.For("x").Title, "%s") > 1 {
			t.Errorf("cause %+v", c)
		}
		names[c.Name] = true
	}
	for _, k := range knownReplies {
		if !names[k.cause] || len(k.words) == 0 {
			t.Errorf("known reply %+v has no cause", k)
		}
		for _, w := range k.words {
			if w != strings.ToLower(w) {
				t.Errorf("%q is never found: it has capitals", w)
			}
		}
	}
	for d, name := range statusCauses {
		if !names[name] || statusTexts[d] == "" {
			t.Errorf("status %v has cause %q and text %q", d, name, statusTexts[d])
		}
	}
	for code := range codeTexts {
		if name := byStatus(Reply{Code: code}, true); !names[name] {
			t.Errorf("code %d has cause %q", code, name)
		}
	}
}

func TestProviderOf(t *testing.T) {
	for _, tt := range []struct {
		domain mail.Domain
		mx     string
		want   string
	}{
		{"gmail.com", "", "gmail"},
		{"example.org", "aspmx.l.google.com", "gmail"},
		{"example.org", "EXAMPLE-org.mail.protection.OUTLOOK.com.", "microsoft"},
		{"example.org", "mx.notgoogle.com", "others"},
		{"example.org", "google.com.evil.test", "others"},
		{"gmail.com", "mx.relay.test", "gmail"},
		{"web.de", "mx-ha02.web.de", "gmx"},
		{"example.org", "", "others"},
	} {
		if got := ProviderOf(tt.domain, tt.mx); got.ID != tt.want {
			t.Errorf("ProviderOf(%s, %s) = %s, want %s", tt.domain, tt.mx, got.ID, tt.want)
		}
	}
}

func TestParseReply(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Reply
	}{
		{"550 5.1.1 no such user", Reply{550, mail.Status{Class: 5, Subject: 1, Detail: 1}, "no such user"}},
		{"421-4.7.0 later", Reply{421, mail.Status{Class: 4, Subject: 7}, "later"}},
		{"250", Reply{Code: 250}},
		{"250 ok", Reply{Code: 250, Text: "ok"}},
		{"the domain does not exist", Reply{Text: "the domain does not exist"}},
		{"2500 ok", Reply{Text: "2500 ok"}},
		{"999 ok", Reply{Text: "999 ok"}},
		{"", Reply{}},
	} {
		if got := ParseReply(tt.in); got != tt.want {
			t.Errorf("ParseReply(%q) = %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

// TestStory tells a message that came in, was put off, and bounced.
func TestStory(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 11, 24, 12, 0, s, 0, time.UTC) }
	tr := &trace.Trace{Summary: trace.Summary{Direction: "in"}, Events: []trace.Event{
		// As they are written: not in the order of time.
		{Time: at(5), Kind: trace.Check, Text: "spf=fail smtp.mailfrom=eve@evil.test", Fields: map[string]string{"check": "spf", "result": "fail"}},
		{Time: at(6), Kind: trace.Verdict, Text: "junk: dmarc: nothing stands for it", Fields: map[string]string{"result": "junk", "reason": "dmarc: nothing stands for it"}},
		{Time: at(1), Kind: trace.Connect, Text: "192.0.2.1 (evil.test) with SMTP, without TLS", Fields: map[string]string{"protocol": "SMTP"}},
		{Time: at(2), Kind: trace.Dialogue, Text: "C: MAIL FROM:<> REQUIRETLS"},
		{Time: at(3), Kind: trace.Dialogue, Text: "S: 451 4.7.1 come back later"},
		{Time: at(7), Kind: trace.Done, Text: "accepted for 1 recipient as junk", Fields: map[string]string{"status": "2.0.0"}},
		{Time: at(8), Kind: trace.Dialogue, Text: "no connection to mx.example.org (192.0.2.9:25)"},
		{Time: at(9), Kind: trace.Dialogue, Text: "RCPT TO:<x@gmail.com> → 550 5.1.1 no such user", Fields: map[string]string{"code": "550"}},
		{Time: at(9), Kind: trace.Dialogue, Text: "(connected) → 220 mx.example.org"},
		{Time: at(9), Kind: trace.Dialogue, Text: "STARTTLS → 220 2.0.0 go ahead"},
		{Time: at(9), Kind: trace.Dialogue, Text: "(TLS handshake) → (TLS1.3 AES unverified: no)"},
		{Time: at(9), Kind: trace.Dialogue, Text: "C: EHLO evil.test"},
		{Time: at(9), Kind: trace.Dialogue, Text: "S: 250-mx.example.org"},
		{Time: at(9), Kind: trace.Dialogue, Text: "S: 250-SIZE 100"},
		{Time: at(9), Kind: trace.Dialogue, Text: "S: 250"},
		{Time: at(9), Kind: trace.Dialogue, Text: "(message) → 250 2.0.0 queued"},
		{Time: at(10), Kind: trace.Attempt, Text: "x@gmail.com bounced by gmail-smtp-in.l.google.com: 550 5.1.1 no such user",
			Fields: map[string]string{"rcpt_to": "x@gmail.com", "result": "bounced", "status": "5.1.1", "mx": "gmail-smtp-in.l.google.com", "reply": "550 5.1.1 no such user"}},
		{Time: at(11), Kind: trace.Report, Text: "eve@evil.test is told", Fields: map[string]string{"action": "failed"}},
	}}
	type line struct {
		kind     trace.Kind
		side     Side
		command  string
		code     int
		severity Severity
		explain  string // part of it
	}
	want := []line{
		{trace.Connect, "", "", 0, Info, "without encryption"},
		{trace.Dialogue, Client, "MAIL", 0, Info, "nobody as the sender"},
		{trace.Dialogue, Server, "", 451, Warn, "This server says no for now: the message is refused by a policy"},
		{trace.Check, "", "", 0, Warn, "May this server send for the domain"},
		{trace.Verdict, "", "", 0, Warn, "neither SPF nor DKIM"},
		{trace.Done, "", "", 0, OK, "responsible for it now"},
		{trace.Dialogue, "", "", 0, Warn, "did not answer"},
		{trace.Dialogue, Client, "RCPT", 0, Info, "names a recipient"},
		{trace.Dialogue, Server, "", 550, Fail, "The other server says no for good: there is no such mailbox"},
		{trace.Dialogue, Server, "", 220, OK, "The server is ready."},
		{trace.Dialogue, Client, "STARTTLS", 0, Info, "encrypt"},
		{trace.Dialogue, Server, "", 220, OK, "ready to encrypt"},
		{trace.Dialogue, "", "", 0, OK, "encrypted from here on. The certificate proves nothing"},
		{trace.Dialogue, Client, "EHLO", 0, Info, "what the server can do"},
		{trace.Dialogue, Server, "", 250, OK, "says its name, and what it can do"},
		{trace.Dialogue, Client, "(MESSAGE)", 0, Info, "sent the text"},
		{trace.Dialogue, Server, "", 250, OK, "responsible for it now"},
		{trace.Attempt, "", "", 550, Fail, "The address does not exist at Gmail"},
		{trace.Report, "", "", 0, Warn, "who did not get the message"},
	}
	got := Story(tr)
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		g := got[i]
		if g.Kind != w.kind || g.Side != w.side || g.Command != w.command || g.Code != w.code || g.Severity != w.severity || !strings.Contains(g.Explain, w.explain) {
			t.Errorf("line %d is %+v, want %+v", i, g, w)
		}
	}
	for i, text := range map[int]string{0: "192.0.2.1 (evil.test) with", 3: "spf=fail", 4: "Junk: dmarc", 5: "Accepted for 1 recipient", 6: "No connection to", 17: "x@gmail.com bounced", 18: "eve@evil.test is told"} {
		if !strings.HasPrefix(got[i].Text, text) {
			t.Errorf("line %d begins %q, want %q", i, got[i].Text, text)
		}
	}
	if got[14].Text != "250 mx.example.org SIZE 100" {
		t.Errorf("the reply of many lines is %q", got[14].Text)
	}
	if got[1].Text != "MAIL FROM:<> REQUIRETLS" || !strings.Contains(got[1].Explain, "all the way") {
		t.Errorf("line 1 is %+v", got[1])
	}
}

// FuzzStory: whatever a stranger says ends in lines, and no explanation
// repeats it.
func FuzzStory(f *testing.F) {
	f.Add("S: 550-5.7.26 <script>", "RCPT TO:<a@b> → 421 4.7.0 [TSS04]", "mx.yahoodns.net")
	f.Add("C: XYZZY\x00", "(connected) → (connection lost)", "")
	f.Fuzz(func(t *testing.T, a, b, mx string) {
		const mark = "\u2603"
		tr := &trace.Trace{Events: []trace.Event{
			{Kind: trace.Dialogue, Text: a + mark}, {Kind: trace.Dialogue, Text: b + mark},
			{Kind: trace.Attempt, Text: a, Fields: map[string]string{"result": "deferred", "reply": b + mark, "mx": mx, "rcpt_to": "x@example.org"}},
			{Kind: trace.Verdict, Text: a, Fields: map[string]string{"result": a + mark, "reason": b + mark}},
			{Kind: trace.Check, Text: a + mark, Fields: map[string]string{"result": b + mark}},
		}}
		for _, l := range Story(tr) {
			if strings.Contains(l.Explain, mark) || len(l.Command) > 30 || l.Severity == "" {
				t.Errorf("%+v", l)
			}
		}
	})
}
