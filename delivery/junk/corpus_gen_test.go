package junk

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// sample is one message of the corpus.
type sample struct {
	incoming
	kind string
	spam bool
	// protected is personal or transactional mail that passes DMARC: it must not
	// be filed to Junk, whatever it says.
	protected bool
}

// corpus makes messages. Its words and patterns are those for the test, or
// those for training.
type corpus struct {
	*rand.Rand
	test int // 0 or 1
}

func newCorpus(seed uint64, test bool) *corpus {
	c := &corpus{Rand: rand.New(rand.NewPCG(seed, 5))}
	if test {
		c.test = 1
	}
	return c
}

// pick takes a word of our half of a list.
func (c *corpus) pick(list []string) string {
	return list[2*c.IntN((len(list)+1-c.test)/2)+c.test]
}

// any takes one of a list that is not divided: how mail is built does not
// depend on its words.
func (c *corpus) any(list ...string) string { return list[c.IntN(len(list))] }

// chance is true in pct of 100 cases.
func (c *corpus) chance(pct int) bool { return c.IntN(100) < pct }

func (c *corpus) name() string { return c.pick(firstNames) + " " + c.pick(lastNames) }

// topic is what a text is about.
type topic struct{ nouns, verbs, adjs, patterns []string }

// fill makes a sentence of a pattern.
func (c *corpus) fill(t topic, pattern string) string {
	r := strings.NewReplacer("{n}", c.pick(t.nouns), "{n2}", c.pick(t.nouns), "{v}", c.pick(t.verbs), "{a}", c.pick(t.adjs), "{name}", c.pick(firstNames),
		"{day}", c.any("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), "{pct}", fmt.Sprint(5*(1+c.IntN(18))),
		"{sum}", c.any("$", "€", "£")+fmt.Sprint(5+c.IntN(9000)), "{code}", fmt.Sprint(1000+c.IntN(900000)))
	return r.Replace(pattern)
}

func (c *corpus) sentences(t topic, n int) []string {
	var list []string
	for range n {
		s := c.fill(t, c.pick(t.patterns))
		if !strings.HasSuffix(s, "!") && !strings.HasSuffix(s, "?") {
			s += "."
		}
		list = append(list, strings.ToUpper(s[:1])+s[1:])
	}
	return list
}

// subject makes a subject in the words of a topic.
func (c *corpus) subject(t topic) string {
	s := strings.TrimRight(c.fill(t, c.pick(t.patterns)), ".?")
	if len(s) > 50 && c.chance(60) {
		s = s[:strings.LastIndexByte(s[:50], ' ')]
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// domain makes a name that nobody has.
func (c *corpus) domain(tld ...string) string {
	return strings.ToLower(c.pick(lastNames)+c.any("", "-", "")+c.pick(fillerNouns)) + "." + c.any(tld...)
}

// header collects the fields of a message.
type header struct{ b strings.Builder }

func (h *header) add(name, value string) { fmt.Fprintf(&h.b, "%s: %s\n", name, value) }

// date is around the time of the test.
func (c *corpus) date() string {
	return clock.Add(-time.Duration(c.IntN(36*60)) * time.Minute).Format(time.RFC1123Z)
}

// network gives each kind of sender its own networks.
func (c *corpus) network(first int) string {
	return fmt.Sprintf("%d.%d.%d.%d", first, 1+c.test*100+c.IntN(90), c.IntN(250), 1+c.IntN(250))
}

// authenticate says what the checks found: how is "pass", "spf", "none" or
// "forged".
func (c *corpus) authenticate(m *incoming, how, domain string) {
	m.to = "bo@example.org"
	switch how {
	case "pass":
		m.spf, m.dmarc, m.dkim = "pass", "pass", []mail.Domain{mail.Domain(domain)}
	case "spf": // no policy
		m.spf, m.dmarc = "pass", "none"
	case "none":
		m.spf, m.dmarc = c.any("none", "none", "softfail", "neutral"), "none"
	case "forged":
		m.spf, m.dmarc = c.any("fail", "softfail"), "fail"
	}
}

// server gives a message a client with a good name.
func (c *corpus) server(m *incoming, domain string, network int) {
	m.client = c.network(network)
	m.name = c.any("mail.", "mx1.", "out-7.", "smtp.") + domain
	m.hello = m.name
}

// bot gives a message a client as infected machines are.
func (c *corpus) bot(m *incoming) {
	m.client = c.network(101)
	m.name = c.any("", "", "host-"+strings.ReplaceAll(m.client, ".", "-")+".dyn.isp.net", "server"+fmt.Sprint(c.IntN(99))+".cheapvps.net")
	m.hello = c.any("localhost", "WIN-"+fmt.Sprint(c.IntN(9999)), "["+m.client+"]", "mail."+c.domain("com", "net"), m.name+"x.com")
}

// page makes a part of HTML out of sentences.
func (c *corpus) page(lines []string, more ...string) string {
	var b strings.Builder
	b.WriteString("<html><head><style>p{margin:0}</style></head><body>\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "<%s>%s</%[1]s>\n", c.any("p", "p", "div", "td"), l)
	}
	b.WriteString(strings.Join(more, "\n") + "\n</body></html>\n")
	return b.String()
}

// finish joins header and body parts: text, HTML or both.
func (c *corpus) finish(h *header, text, html string) string {
	if h.b.Len() > 0 && (html != "" || c.chance(90)) {
		h.add("MIME-Version", "1.0")
	}
	encode := func(s string) (string, string) {
		if c.chance(20) {
			e := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
			var lines strings.Builder
			for len(e) > 76 {
				lines.WriteString(e[:76] + "\n")
				e = e[76:]
			}
			return "base64", lines.String() + e + "\n"
		}
		return "8bit", s
	}
	part := func(kind, s string) string {
		enc, body := encode(s)
		return "Content-Type: text/" + kind + "; charset=" + c.any("utf-8", "UTF-8", "utf-8") + "\nContent-Transfer-Encoding: " + enc + "\n\n" + body
	}
	switch {
	case text != "" && html != "":
		b := fmt.Sprintf("=_%x", c.Uint64())
		h.add("Content-Type", `multipart/alternative; boundary="`+b+`"`)
		return h.b.String() + "\n--" + b + "\n" + part("plain", text) + "\n--" + b + "\n" + part("html", html) + "\n--" + b + "--\n"
	case html != "":
		return h.b.String() + part("html", html)
	}
	return h.b.String() + part("plain", text)
}

// attachment puts a message's only part beside a file.
func (c *corpus) attachment(raw, name, kind string) string {
	i := strings.Index(raw, "Content-Type: text/")
	if i < 0 {
		return raw
	}
	b := fmt.Sprintf("b%x", c.Uint64())
	return raw[:i] + `Content-Type: multipart/mixed; boundary="` + b + "\"\n\n--" + b + "\n" + raw[i:] + "\n--" + b + "\nContent-Type: " + kind + `; name="` + name +
		"\"\nContent-Disposition: attachment; filename=\"" + name + "\"\nContent-Transfer-Encoding: base64\n\nAAECAwQ=\n--" + b + "--\n"
}
