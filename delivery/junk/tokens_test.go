package junk

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// read reads a message whose body was given, and returns what was found.
func read(t testing.TB, raw string) *letter {
	m := good("ana@sender.com", raw)
	return readLetter(hashKey{1, 2}, m.evidence(t), clock)
}

func (l *letter) has(token string) bool {
	return slices.Contains(l.tokens.list, l.tokens.key.sum([]byte(token)))
}

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want, not []string
	}{
		{"words", "Content-Type: text/plain\n\nDon't STOP the Café, it's 482913 or $500!", []string{"don't", "stop", "café", "\x00num4-7", "\x00money"}, []string{"482913", "STOP"}},
		{"quoted-printable and charset", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe aus K=F6ln", []string{"grüße", "köln"}, nil},
		{"base64 and charset", "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte{0xf0, 0xd2, 0xc9, 0xd7, 0xc5, 0xd4}), []string{"привет"}, nil},
		{"without spaces", "Content-Type: text/plain; charset=utf-8\n\n中文邮件", []string{"中文", "文邮", "邮件"}, []string{"中文邮件"}},
		{"divided and disguised", "Content-Type: text/plain; charset=utf-8\n\nver\u200bify \uff26\uff32\uff25\uff25 \U0001d41a\U0001d41b", []string{"verify", "ab"}, nil},
		{"subject and name", "Subject: =?utf-8?q?Gl=C3=BCck?= now\n\nx", []string{"s:glück", "s:now", "from:ana", "fromorg:sender.com"}, []string{"glück"}},
		{"hidden text", "Content-Type: text/html\n\n<p>shown</p><p style='display:none'>covered <b>deep</b></p><title>head</title><style>rule</style>after", []string{"shown", "after"}, []string{"covered", "deep", "head", "rule"}},
		{"entities", "Content-Type: text/html\n\nf&#114;ee pi<b>ll</b>s &amp; more", []string{"free", "more"}, []string{"amp"}},
		{"links", "Content-Type: text/html\n\n<a href='https://Shop.Example.co.uk:8443/a/b.php?x=1'>go</a> www.other.org.", []string{"u:example.co.uk", "ue:.php", "u:other.org", "us:https"}, nil},
		{"file", "Content-Type: application/pdf; name=\"Monthly report.PDF\"\nContent-Disposition: attachment\n\nx", []string{"fe:pdf", "ft:application/pdf", "f:monthly"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := read(t, tt.raw)
			defer l.release()
			for _, w := range tt.want {
				if !l.has(w) {
					t.Errorf("%q is no token", w)
				}
			}
			for _, w := range tt.not {
				if l.has(w) {
					t.Errorf("%q is a token", w)
				}
			}
		})
	}
}

// TestBounds: what is large costs no more than what is allowed.
func TestBounds(t *testing.T) {
	var words, parts, deep strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&words, "w%d ", i)
	}
	for i := range 5_000 {
		fmt.Fprintf(&parts, "--b\nContent-Type: text/plain\n\nword%d\n", i)
	}
	deep.WriteString(strings.Repeat("<div>", 100_000) + "text" + strings.Repeat("<a href='https://x.com/'>", 1000))
	for name, raw := range map[string]string{
		"many words":  "Content-Type: text/plain\n\n" + words.String(),
		"many parts":  "Content-Type: multipart/mixed; boundary=b\n\n" + parts.String() + "--b--\n",
		"many tags":   "Content-Type: text/html\n\n" + deep.String(),
		"long word":   "Content-Type: text/plain\n\n" + strings.Repeat("a", 1<<20),
		"long field":  "Subject: " + strings.Repeat("subject ", 8000) + "\n\nx",
		"many fields": strings.Repeat("X-A: b\n", 20_000) + "\nx",
	} {
		t.Run(name, func(t *testing.T) {
			l := read(t, raw)
			defer l.release()
			if len(l.tokens.list) > maxTokens || cap(l.raw) > 2*maxText || l.texts > maxTexts || cap(l.elements) > 2*maxOpen {
				t.Errorf("%d tokens, %d octets, %d texts, %d elements", len(l.tokens.list), cap(l.raw), l.texts, cap(l.elements))
			}
		})
	}
}

// TestReleasedLetterForgets: nothing of one message is found in the next.
func TestReleasedLetterForgets(t *testing.T) {
	l := read(t, attach("invoice.pdf.exe")+"https://evil.com")
	l.release()
	for range 10 {
		next := read(t, plain)
		if next.files.count != 0 || next.links.count != 0 || len(next.links.hosts) != 0 || next.has("u:evil.com") || slices.Contains(hitNames(next), "files.disguised") {
			t.Error("something is left of the message before")
		}
		next.release()
	}
}

func hitNames(l *letter) (names []string) {
	for _, i := range l.hit {
		names = append(names, rules[i].name)
	}
	return names
}

func TestLooksLike(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"paypal.com", "paypa1.com", true}, {"example.org", "exarnple.org", true}, {"google.com", "goog1e.net", true},
		{"xn--pple-43d.com", "apple.com", true}, {"my-bank.com", "mybank.com", true}, {"microsoft.com", "mircosoft.com", true},
		{"example.org", "example.com", false}, {"example.org", "example.org", false}, {"bank.com", "tank.com", false},
		{"orchard.com", "harbour.com", false}, {"", "example.org", false},
	} {
		if got := looksLike(tt.a, tt.b); got != tt.want || looksLike(tt.b, tt.a) != tt.want {
			t.Errorf("%s and %s: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{"198.51.100.7": "198.51.100.0/24", "::ffff:198.51.100.7": "198.51.100.0/24", "2001:db8:1:2::3": "2001:db8:1::/48",
		"127.0.0.1": "", "10.1.2.3": "", "fe80::1%eth0": ""} {
		if got := network(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s is in %q, want %q", in, got, want)
		}
	}
}

// TestAuthenticationResults: of what stands before the message only what is in
// our name counts.
func TestAuthenticationResults(t *testing.T) {
	header := "Authentication-Results: other.org; dmarc=pass\r\nAuthentication-Results: mx.example.org;\r\n\tiprev=pass (a ; b) policy.iprev=\"2001:db8::1\";\r\n" +
		"\tspf=pass smtp.mailfrom=\"a;b\"@sender.com;\r\n\tspf=fail smtp.helo=x.org;\r\n\tdkim=pass header.d=sender.com header.b=\"a/b=\";\r\n\tdkim=fail header.d=evil.com;\r\n\tdmarc=pass header.from=sender.com\r\n"
	var e Evidence
	e.authentication([]byte(header), host)
	if e.SPF != "pass" || e.DMARC != "pass" || fmt.Sprint(e.DKIM) != "[sender.com]" || e.Client.String() != "2001:db8::1" || e.Envelope.ReversePath.Domain != "sender.com" {
		t.Errorf("evidence %+v", e)
	}
	e = Evidence{}
	e.authentication([]byte(header), "mx.elsewhere.org")
	if e.SPF != "" || e.DKIM != nil {
		t.Errorf("in another's name: %+v", e)
	}
}

// FuzzRead: whatever a message is, it is read in bounded time and memory, the
// same way each time, and each of its opinions is a number.
func FuzzRead(f *testing.F) {
	c := newCorpus(1, false)
	for range 20 {
		f.Add([]byte(c.junk().raw))
		f.Add([]byte(c.ham().raw))
	}
	f.Add([]byte("Content-Type: text/html\n\n<a href=\"http://[::1]:8/\"><p style=;:!x:0></p hidden=><font size=-"))
	f.Add([]byte("From: =?utf-8?q?x?=@<>\nReply-To: a@b\n\nhttps://xn--/ www. http://1.2.3/"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 {
			return
		}
		m := incoming{raw: string(raw), client: "192.0.2.1", hello: "x", spf: "pass", dmarc: "none", from: "a@b.com", to: "bo@example.org"}
		e := m.evidence(t)
		l := readLetter(hashKey{}, e, clock)
		first := l.tokens.tokens()
		if len(first) > maxTokens || len(l.identities()) > 20 {
			t.Errorf("%d tokens", len(first))
		}
		l.release()
		l = readLetter(hashKey{}, e, clock)
		if !slices.Equal(first, l.tokens.tokens()) {
			t.Error("other tokens the second time")
		}
		l.release()
		contacts(hashKey{}, &e.Index.Envelope)
	})
}

// FuzzStored: fields before a message, whatever they are, are read without
// harm.
func FuzzStored(f *testing.F) {
	m := good("ana@sender.com", plain)
	f.Add([]byte(m.trace()), "inbox; score=1.0; reasons=words=+1.0")
	f.Add([]byte("Authentication-Results: mx.example.org; (((;\"\\"), ";")
	f.Fuzz(func(t *testing.T, header []byte, verdict string) {
		var e Evidence
		ours, came := ownFields(header, true)
		if len(ours)+len(came) != len(header) {
			t.Error("octets are missing")
		}
		e.authentication(header, host)
		e.transport(ours, header)
		parseVerdict(verdict)
		if _, err := decodeLesson(header); err == nil && len(header) < 7 {
			t.Error("a short row is a lesson")
		}
	})
}

func TestLessonRoundTrip(t *testing.T) {
	n := lesson{class: Good, derived: Junk, told: true, base: true, tokens: []uint64{1, 2, 1 << 60}, senders: []uint64{7}, day: 20_000}
	got, err := decodeLesson(n.encode())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(n) {
		t.Errorf("got %+v, %v", got, err)
	}
}
