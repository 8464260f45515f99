package junk

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

var (
	talkOf  = topic{personalNouns, personalVerbs, personalAdjs, casual}
	shopOf  = topic{shopNouns, serviceVerbs, shopAdjs, offers}
	newsOf  = topic{newsNouns, serviceVerbs, personalAdjs, news}
	serveOf = topic{serviceNouns, serviceVerbs, personalAdjs, notice}
	phishOf = topic{phishNouns, phishVerbs, spamAdjs, urgent}
	scamOf  = topic{scamNouns, spamVerbs, spamAdjs, plea}
	pitchOf = topic{pitchNouns, serviceVerbs, shopAdjs, pitch}
	bulkOf  = []topic{{pillNouns, spamVerbs, spamAdjs, pushy}, {moneyNouns, spamVerbs, spamAdjs, pushy}, {replicaNouns, spamVerbs, spamAdjs, pushy}, {datingNouns, spamVerbs, spamAdjs, pushy}}
)

// ham makes a good message: people, lists and newsletters, services.
func (c *corpus) ham() sample {
	switch n := c.IntN(100); {
	case n < 40:
		return c.personal()
	case n < 50:
		return c.discussion()
	case n < 75:
		return c.newsletter()
	}
	return c.service()
}

// junk makes a bad one.
func (c *corpus) junk() sample {
	switch n := c.IntN(100); {
	case n < 50:
		return c.bulk()
	case n < 75:
		return c.phish()
	case n < 85:
		return c.scam()
	}
	return c.malformed()
}

var providers = []string{"bigmail.com", "freepost.net", "mailbox.eu", "webpost.com"}

func (c *corpus) personal() sample {
	s := sample{kind: "personal"}
	name := c.name()
	domain := c.any(append(providers, c.domain("com", "org", "de", "net"), c.domain("fr", "eu", "io"))...)
	author := strings.ToLower(strings.ReplaceAll(name, " ", c.any(".", "", "_"))) + "@" + domain
	how := c.any("pass", "pass", "pass", "pass", "pass", "pass", "spf", "none")
	s.from = author
	c.authenticate(&s.incoming, how, domain)
	c.server(&s.incoming, domain, 20)
	if how == "none" && c.chance(50) {
		s.name = ""
	}
	var h header
	h.add("From", c.any(name+" <"+author+">", author, `"`+name+`" <`+author+">"))
	h.add("To", c.any("bo@example.org", "Bo <bo@example.org>", "Bo <bo@example.org>, "+strings.ToLower(c.pick(firstNames))+"@example.org"))
	subject := c.subject(talkOf)
	if c.chance(45) {
		h.add("In-Reply-To", fmt.Sprintf("<%x@example.org>", c.Uint64()))
		h.add("References", fmt.Sprintf("<%x@example.org>", c.Uint64()))
		subject = "Re: " + subject
	}
	h.add("Subject", subject)
	h.add("Date", c.date())
	h.add("Message-ID", fmt.Sprintf("<%x-%x@%s>", c.Uint64(), c.Uint32(), domain))
	if c.chance(70) {
		h.add(c.any("User-Agent", "X-Mailer"), c.any("Mozilla Thunderbird", "Apple Mail (2.3774)", "Microsoft Outlook 16.0", "iPhone Mail (20F75)", "K-9 Mail for Android"))
	}
	lines := c.sentences(talkOf, 1+c.IntN(8))
	if c.chance(20) {
		lines = append(lines, "https://www."+c.domain("com", "org")+"/"+c.pick(personalNouns))
	}
	greeting := c.any("Hi Bo,", "Dear Bo,", "Hello,", "")
	text := greeting + "\n\n" + strings.Join(lines, c.any(" ", "\n", "\n\n")) + "\n\n" + c.any("Best,", "Cheers", "See you", "Regards") + "\n" + strings.Fields(name)[0] + "\n"
	html := ""
	if c.chance(50) {
		html = c.page(append([]string{greeting}, lines...))
	}
	s.raw = c.finish(&h, text, html)
	if c.chance(15) {
		ext := c.any("pdf application/pdf", "jpg image/jpeg", "docx application/vnd.openxmlformats-officedocument.wordprocessingml.document", "ics text/calendar")
		name, kind, _ := strings.Cut(ext, " ")
		s.raw = c.attachment(s.raw, c.pick(personalNouns)+"."+name, kind)
	}
	s.protected = how == "pass"
	return s
}

// discussion comes through a mailing list, which breaks what authenticates the
// author.
func (c *corpus) discussion() sample {
	s := c.personal()
	s.kind, s.protected = "list", false
	list := c.pick(fillerNouns) + "-talk"
	host := "lists." + c.domain("org", "net")
	s.from = list + "-bounces@" + host
	s.spf, s.dmarc, s.dkim = "pass", c.any("none", "none", "fail"), []mail.Domain{mail.Domain(host)}
	c.server(&s.incoming, host, 30)
	s.raw = "List-Id: <" + list + "." + host + ">\nPrecedence: list\n" + c.any("List-Unsubscribe: <mailto:"+list+"-request@"+host+"?subject=unsubscribe>\n", "") +
		strings.Replace(s.raw, "Subject: ", "Subject: ["+list+"] ", 1)
	return s
}

func (c *corpus) newsletter() sample {
	s := sample{kind: "newsletter"}
	t := shopOf
	if c.chance(40) {
		t = newsOf
	}
	brand := c.pick(brands)
	domain := strings.ToLower(brand) + c.any("", "-shop", "news") + "." + c.any("com", "com", "de", "org")
	esp := c.any("sendcrew.com", "mailpilot.net", "campaignbox.io", domain)
	s.from = fmt.Sprintf("bounce-%d@%s", c.IntN(1e6), c.any("em.", "news.", "")+c.any(domain, esp))
	c.authenticate(&s.incoming, "pass", domain)
	if c.chance(5) {
		c.authenticate(&s.incoming, "spf", domain)
	} else if esp != domain {
		s.dkim = append(s.dkim, mail.Domain(esp))
	}
	c.server(&s.incoming, esp, 40)
	var h header
	h.add("From", c.any(brand, brand+" "+c.any("News", "Team"), c.pick(firstNames)+" from "+brand)+" <"+c.any("news", "hello", "newsletter", "info")+"@"+domain+">")
	h.add("To", "bo@example.org")
	subject := c.subject(t)
	if c.chance(25) {
		subject += "!"
	}
	if c.chance(4) {
		subject = strings.ToUpper(subject)
	}
	h.add("Subject", subject)
	h.add("Date", c.date())
	h.add("Message-ID", fmt.Sprintf("<%d.%d@%s>", c.IntN(1e9), c.IntN(1e9), c.any(domain, esp)))
	if c.chance(92) {
		h.add("List-Unsubscribe", "<https://"+esp+"/u/"+fmt.Sprint(c.IntN(1e9))+">")
		if c.chance(85) {
			h.add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
		}
	}
	if c.chance(50) {
		h.add("Precedence", "bulk")
	}
	if c.chance(40) {
		h.add(c.any("X-Campaign", "X-Mailer-ID", "Feedback-ID"), fmt.Sprintf("%d:%d", c.IntN(9999), c.IntN(9999)))
	}
	lines := c.sentences(t, 4+c.IntN(10))
	var more []string
	if c.chance(60) {
		more = append(more, `<span style="display:none;font-size:0">`+c.sentences(t, 1)[0]+`</span>`)
	}
	for range 2 + c.IntN(8) {
		link := "https://" + c.any("click."+esp, "www."+domain) + fmt.Sprintf("/c/%x", c.Uint64())
		more = append(more, `<a href="`+link+`">`+c.any(`<img src="https://www.`+domain+`/i.jpg" width="300">`, c.pick(t.nouns), "Read on", "www."+domain)+`</a>`)
	}
	more = append(more, `<p style="font-size:11px">You get this because you signed up. <a href="https://`+esp+`/u">Unsubscribe</a></p>`)
	text := ""
	if c.chance(70) {
		text = strings.Join(lines, "\n") + "\nhttps://www." + domain + "/\n"
	}
	s.raw = c.finish(&h, text, c.page(lines, more...))
	return s
}

func (c *corpus) service() sample {
	s := sample{kind: "service"}
	brand := c.pick(brands)
	domain := strings.ToLower(brand) + "." + c.any("com", "com", "net", "io")
	s.from = c.any("bounce@", "noreply@", "return+"+fmt.Sprint(c.IntN(1e6))+"@") + c.any(domain, "mail."+domain)
	how := "pass"
	if c.chance(6) {
		how = "spf"
	}
	c.authenticate(&s.incoming, how, domain)
	c.server(&s.incoming, domain, 50)
	var h header
	h.add("From", c.any(brand, brand+" Support", "")+" <"+c.any("noreply", "no-reply", "service", "account", "security")+"@"+c.any(domain, "mail."+domain)+">")
	h.add("To", "bo@example.org")
	h.add("Subject", c.any("Your "+c.pick(serviceNouns)+" at "+brand, fmt.Sprintf("%d is your %s code", 1000+c.IntN(900000), brand), c.subject(serveOf), brand+": "+c.subject(serveOf)))
	h.add("Date", c.date())
	h.add("Message-ID", fmt.Sprintf("<%x@%s>", c.Uint64(), domain))
	if c.chance(35) {
		h.add("Auto-Submitted", "auto-generated")
	}
	if c.chance(15) {
		h.add("X-Priority", "1")
	}
	lines := c.sentences(serveOf, 2+c.IntN(4))
	greeting := c.any("Hello Bo,", "Dear customer,", "Hi,")
	text, html := greeting+"\n"+strings.Join(lines, "\n")+"\n\n"+brand+"\n", ""
	if c.chance(65) {
		more := []string{`<a href="https://` + c.any("www.", "my.", "") + domain + `/` + fmt.Sprintf("%x", c.Uint64()) + `">` + c.any("View", "Open", domain) + `</a>`}
		if c.chance(50) {
			more = append(more, `<img src="https://`+domain+`/logo.png" alt="">`)
		}
		html = c.page(append([]string{greeting}, lines...), more...)
		if c.chance(40) {
			text = ""
		}
	}
	s.raw = c.finish(&h, text, html)
	if c.chance(15) {
		s.raw = c.attachment(s.raw, c.pick(serviceNouns)+fmt.Sprint(c.IntN(1e5))+".pdf", "application/pdf")
	}
	s.protected = how == "pass"
	return s
}

// cheapTLDs are those that are sold for next to nothing, and some others.
var cheapTLDs = []string{"top", "xyz", "click", "shop", "online", "site", "com", "info", "icu"}

// bulk is advertising nobody asked for: from infected machines, or from hosts
// rented for it, with everything that authenticates.
func (c *corpus) bulk() sample {
	s := sample{kind: "bulk", spam: true}
	t := bulkOf[c.IntN(len(bulkOf))]
	domain := c.domain(cheapTLDs...)
	if c.chance(50) {
		s.kind = "bulk, authenticated"
		c.authenticate(&s.incoming, c.any("pass", "pass", "pass", "spf"), domain)
		c.server(&s.incoming, domain, 60)
	} else {
		domain = c.any(append(providers, domain, c.domain("com", "net"))...)
		c.authenticate(&s.incoming, c.any("none", "none", "forged"), domain)
		c.bot(&s.incoming)
	}
	author := c.any("info", "sales", strings.ToLower(c.pick(firstNames)), fmt.Sprintf("%s%d", strings.ToLower(c.pick(firstNames)), c.IntN(999)), "offer") + "@" + domain
	s.from = author
	var h header
	h.add("From", c.any(c.pick(t.nouns)+" "+c.pick(t.adjs), c.name(), strings.ToUpper(c.pick(t.nouns)), "")+" <"+author+">")
	h.add("To", c.any("bo@example.org", "bo@example.org", "bo@example.org", "undisclosed-recipients:;"))
	subject := c.subject(t)
	switch c.IntN(5) {
	case 0:
		subject = strings.ToUpper(subject) + "!!"
	case 1:
		subject = "Re: " + subject
	}
	h.add("Subject", subject)
	h.add("Date", c.date())
	if c.chance(75) {
		h.add("Message-ID", c.any(fmt.Sprintf("<%d@%s>", c.IntN(1e9), domain), fmt.Sprintf("<%x@localhost>", c.Uint64()), fmt.Sprintf("<%x@%s>", c.Uint64(), domain)))
	}
	if c.chance(35) {
		h.add("X-Mailer", c.any("Microsoft Outlook Express 6.00", "PHPMailer 5.2", "The Bat! (v3)", "Microsoft Outlook 16.0", "BulkPro 9"))
	}
	if c.chance(30) {
		h.add("List-Unsubscribe", "<http://"+domain+"/out>")
	}
	lines := c.sentences(t, 1+c.IntN(6))
	link := c.any("http", "https") + "://" + c.any(domain, c.domain(cheapTLDs...), "bit.ly") + "/" + c.any("", "go?id="+fmt.Sprint(c.IntN(1e9)), fmt.Sprintf("%x", c.Uint32()))
	switch c.IntN(5) {
	case 0:
		s.raw = c.finish(&h, strings.Join(lines, "\n")+"\n\n"+link+"\n", "")
	case 1: // hardly any text
		s.raw = c.finish(&h, "", c.page(nil, `<a href="`+link+`"><img src="`+link+`/a.gif"></a>`))
	default:
		more := []string{`<a href="` + link + `">` + strings.ToUpper(c.pick(t.verbs)) + `</a>`}
		if c.chance(30) {
			more = append(more, `<div style="`+c.any("display:none", "font-size:0px", "color:#ffffff;background:#ffffff")+`">`+c.padding(80)+`</div>`)
		}
		if c.chance(40) {
			more = append(more, `<font color="red" size="5">`+c.sentences(t, 1)[0]+`</font>`)
		}
		if c.chance(40) {
			more = append(more, `<img src="http://`+domain+`/x.png">`)
		}
		text := ""
		if c.chance(40) {
			text = strings.Join(lines, " ") + " " + link + "\n"
		}
		s.raw = c.finish(&h, text, c.page(lines, more...))
	}
	return s
}

// padding is text that is there to mislead a classifier: words of good mail.
func (c *corpus) padding(n int) string {
	var words []string
	for range n {
		words = append(words, c.pick(fillerNouns), c.any("the", "and", "of", "with"), c.pick(personalNouns))
	}
	return strings.Join(words, " ")
}

// phish pretends to come from a service, often from an account that was taken
// over, whose mail is authenticated.
func (c *corpus) phish() sample {
	s := sample{kind: "phishing", spam: true}
	brand := c.pick(brands)
	real := strings.ToLower(brand) + ".com"
	domain := c.any(c.domain("com", "net", "org", "info"), c.domain("online", "xyz", "site"), strings.ToLower(brand)+"-"+c.pick(phishNouns)+"."+c.any("com", "info", "top"))
	if c.chance(45) {
		s.kind = "phishing, authenticated"
		c.authenticate(&s.incoming, c.any("pass", "pass", "spf"), domain)
		c.server(&s.incoming, domain, 70)
	} else {
		if c.chance(40) {
			domain = real
		}
		c.authenticate(&s.incoming, c.any("none", "forged"), domain)
		c.bot(&s.incoming)
	}
	author := c.any("security", "support", "no-reply", strings.ToLower(c.pick(firstNames)), "service") + "@" + domain
	s.from = author
	var h header
	h.add("From", c.any(brand+" Security", brand, `"`+real+`"`, `"service@`+real+`"`, "Mail Administrator", brand+" Support")+" <"+author+">")
	h.add("To", c.any("bo@example.org", "bo@example.org", "Recipients <"+author+">"))
	h.add("Subject", c.any(c.subject(phishOf), strings.ToUpper(c.subject(phishOf)), brand+": "+c.subject(phishOf), c.subject(phishOf)+"!"))
	h.add("Date", c.date())
	if c.chance(85) {
		h.add("Message-ID", fmt.Sprintf("<%x@%s>", c.Uint64(), c.any(domain, "localhost.localdomain", "web"+fmt.Sprint(c.IntN(99))+".hosting.net")))
	}
	if c.chance(40) {
		h.add("X-Priority", "1")
	}
	if c.chance(30) {
		h.add("X-Mailer", c.any("PHPMailer 5.2", "PHPMailer 6.1", "Leaf PHPMailer 2.8"))
	}
	lines := c.sentences(phishOf, 2+c.IntN(4))
	host := c.any(c.domain("com", "site", "online"), "203.0.113."+fmt.Sprint(c.IntN(250)), c.domain("web.app", "com"), real+"."+c.domain("top", "com"), "bit.ly")
	link := c.any("http", "https") + "://" + host + "/" + c.any("login", "wp-content/x/", fmt.Sprintf("%x", c.Uint32()), "index.php?e=bo@example.org")
	more := []string{`<a href="` + link + `">` + c.any("https://www."+real+"/login", strings.ToUpper(c.pick(phishVerbs)), "Click here", c.pick(phishVerbs)+" now") + `</a>`}
	if c.chance(15) {
		more = append(more, `<form action="`+link+`"><input type="password" name="p"><input type="submit"></form>`)
	}
	if c.chance(35) {
		more = append(more, `<img src="https://`+real+`/logo.png">`)
	}
	s.raw = c.finish(&h, "", c.page(append([]string{c.any("Dear customer,", "Dear bo@example.org,", "Dear user,", "Hello,")}, lines...), more...))
	if c.chance(20) {
		name := c.any(c.pick(phishNouns)+".html", c.pick(phishNouns)+".pdf.exe", c.pick(phishNouns)+".docm", c.pick(phishNouns)+".zip", c.pick(phishNouns)+".shtml")
		s.raw = c.attachment(s.raw, name, "application/octet-stream")
	}
	return s
}

// scam is a long letter about money, often from an account of a provider.
func (c *corpus) scam() sample {
	s := sample{kind: "scam", spam: true}
	name := c.name()
	domain := c.any(providers...)
	how := c.any("pass", "none", "forged")
	c.authenticate(&s.incoming, how, domain)
	if how == "pass" {
		c.server(&s.incoming, domain, 20)
	} else {
		c.bot(&s.incoming)
	}
	author := strings.ToLower(strings.ReplaceAll(name, " ", "")) + fmt.Sprint(c.IntN(9999)) + "@" + domain
	s.from = author
	var h header
	h.add("From", c.any("Mr. ", "Mrs. ", "Dr. ", "Barr. ")+name+" <"+author+">")
	if c.chance(70) {
		h.add("Reply-To", strings.ToLower(c.pick(lastNames))+fmt.Sprint(c.IntN(99))+"@"+c.any("freepost.net", "mailbox.eu", c.domain("com")))
	}
	h.add("To", c.any("undisclosed-recipients:;", "Recipients <"+author+">", "bo@example.org"))
	h.add("Subject", c.any(c.subject(scamOf), strings.ToUpper(c.subject(scamOf)), "Dear friend", "Re: "+c.pick(scamNouns)))
	h.add("Date", c.date())
	h.add("Message-ID", fmt.Sprintf("<%x@%s>", c.Uint64(), domain))
	s.raw = c.finish(&h, c.any("Dear friend,", "Greetings,", "Attention,")+"\n\n"+strings.Join(c.sentences(scamOf, 4+c.IntN(8)), "\n")+"\n\n"+name+"\n", "")
	return s
}

// malformed is bulk by programs that cannot write messages.
func (c *corpus) malformed() sample {
	s := c.bulk()
	for strings.Contains(s.kind, "auth") {
		s = c.bulk()
	}
	s.kind = "malformed"
	for range 1 + c.IntN(3) {
		switch c.IntN(8) {
		case 0:
			s.raw = strings.Replace(s.raw, "Date: ", "X-Sent: ", 1)
		case 1:
			s.raw = strings.Replace(s.raw, "Date: ", "Date: Thu, 01 Jan 1970 00:00:00 +0000\nX-Old: ", 1)
		case 2:
			s.raw = strings.Replace(s.raw, "Message-ID: ", "X-Id: ", 1)
		case 3:
			s.raw = strings.Replace(s.raw, "Subject: ", "Subject: \xc4\xe8\xf1\xea\xee\xed\xf2 ", 1)
		case 4:
			s.raw = strings.Replace(s.raw, "From: ", "From: x y z\nFrom: ", 1)
		case 5:
			s.raw = strings.Replace(s.raw, "MIME-Version: 1.0\n", "", 1)
		case 6:
			s.raw = strings.Replace(s.raw, "charset=utf-8", `charset="windows-999"; charset=%CHARSET`, 1)
		case 7:
			s.raw = strings.Replace(s.raw, "boundary=", "boundry=", 1)
		}
	}
	return s
}

// outreach is mail by people who sell things to firms: polite, short, written by
// hand or nearly so, from domains with everything in order.
func (c *corpus) outreach() sample {
	s := sample{kind: "outreach", spam: true}
	name := c.name()
	domain := c.domain("com", "io", "co")
	author := strings.ToLower(strings.Fields(name)[0]) + "@" + domain
	s.from = author
	c.authenticate(&s.incoming, "pass", domain)
	c.server(&s.incoming, c.any("bigmail.com", "webpost.com"), 20)
	var h header
	h.add("From", name+" <"+author+">")
	h.add("To", "bo@example.org")
	h.add("Subject", c.subject(pitchOf))
	h.add("Date", c.date())
	h.add("Message-ID", fmt.Sprintf("<%x-%x@mail.%s>", c.Uint64(), c.Uint32(), domain))
	lines := c.sentences(pitchOf, 2+c.IntN(3))
	s.raw = c.finish(&h, "Hi Bo,\n\n"+strings.Join(lines, "\n\n")+"\n\n"+name+"\n"+domain+"\n", c.page(lines))
	return s
}
