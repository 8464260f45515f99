package junk

import (
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// rule is one thing that can be seen in a single message. Names are stable: they
// are shown, counted and searched for.
type rule struct {
	name  string
	score float64
	text  string
	hits  func(*letter) bool
}

// rules is the table of all of them. Scores are meant as: 0.5 a hint, 1 to 1.5
// unusual in honest mail, 2 to 3 hardly ever honest, 4 and more dangerous.
var rules = []rule{
	// Who sent it. The owner's wish (p=reject, p=quarantine) is done elsewhere.
	{"dmarc.pass", -0.5, "The domain of the author confirms the message.", func(l *letter) bool { return l.e.DMARC == "pass" }},
	{"dmarc.fail", 2, "The domain of the author has a DMARC policy, and does not confirm the message.", func(l *letter) bool { return l.e.DMARC == "fail" && l.e.ARC == "" }},
	{"arc.pass", -0.5, "A trusted forwarder confirms that the message was authentic when it arrived there.", func(l *letter) bool { return l.e.ARC != "" }},
	{"spf.fail", 1.5, "The domain of the reverse-path says that this server may not send its mail.", func(l *letter) bool { return l.e.SPF == "fail" && !l.authentic() }},
	{"spf.softfail", 0.7, "The domain of the reverse-path doubts that this server may send its mail.", func(l *letter) bool { return l.e.SPF == "softfail" && !l.authentic() }},
	{"auth.none", 1.2, "Nothing confirms who sent the message: neither SPF nor DKIM.", noAuthentication},
	{"dkim.pass", -0.3, "The domain of the author has signed the message.", func(l *letter) bool { return l.e.DMARC != "pass" && slices.ContainsFunc(l.e.DKIM, l.aligned) }},
	{"client.noname", 1, "The server that sent the message has no name that leads back to its address.", func(l *letter) bool { return l.e.ClientName == "" && l.e.Client.IsValid() }},
	{"client.dialup", 1, "The name of the server looks like that of a connection at home.", func(l *letter) bool { return homeName(l.e.ClientName) }},
	{"helo.form", 1, "The server greets with a name that no mail server has.", func(l *letter) bool { return !serverName(l.e.Hello) }},
	{"helo.ours", 2.5, "The server greets with the name of the recipient's domain.", heloOurs},

	// Form of the header.
	{"from.missing", 2, "The message does not say who wrote it.", func(l *letter) bool { return l.fields.authors == 0 }},
	{"from.many", 1, "The message names several authors.", func(l *letter) bool { return l.fields.authors > 1 }},
	{"from.invalid", 1, "The author's address is not a valid one.", func(l *letter) bool { return l.fields.authors > 0 && l.fields.author.Domain == "" }},
	{"date.missing", 1, "The message has no date, or one that cannot be read.", func(l *letter) bool { return l.e.Index.Date.IsZero() }},
	{"date.future", 1.5, "The date of the message is more than a day ahead.", func(l *letter) bool { return dateAfter(l, 24*time.Hour) }},
	{"date.old", 1, "The date of the message is more than ten days ago.", func(l *letter) bool { return dateBefore(l, -10*24*time.Hour) }},
	{"msgid.missing", 1.2, "The message has no Message-ID.", func(l *letter) bool { return l.e.Index.MessageID == "" }},
	{"subject.missing", 0.7, "The message has no subject.", func(l *letter) bool { return strings.TrimSpace(l.fields.subject) == "" }},
	{"subject.caps", 1.2, "The subject is in capital letters.", func(l *letter) bool { return allCaps(&l.subject) }},
	{"subject.shouts", 0.7, "The subject has several exclamation marks.", func(l *letter) bool { return l.subject.exclaims >= 2 }},
	{"subject.money", 0.7, "The subject speaks of a sum of money.", func(l *letter) bool { return l.subject.money > 0 && !l.authentic() }},
	{"subject.fakereply", 1.5, "The subject says that it is an answer, and the message is none.", fakeReply},
	{"header.doubled", 1.5, "A header field that may be there once is there twice.", func(l *letter) bool { return l.fields.doubled }},
	{"header.8bit", 0.7, "The header has characters that need an encoding or SMTPUTF8.", func(l *letter) bool {
		return l.e.Index.Traits&message.HasUTF8Header != 0 && !l.e.Envelope.UTF8
	}},
	{"header.nomime", 0.5, "The message has HTML or characters beyond ASCII, and no MIME-Version.", func(l *letter) bool {
		return l.fields.has&hasMIME == 0 && (l.hasHTML || l.e.Index.Traits&message.Has8Bit != 0)
	}},
	{"form.broken", 1.5, "The message is not built as a message has to be.", func(l *letter) bool {
		return l.e.Index.Traits&(message.HasNUL|message.NoHeader|message.BoundHit) != 0
	}},
	{"form.lines", 0.5, "The message has line ends that SMTP does not allow.", func(l *letter) bool {
		return l.e.Index.Traits&(message.HasBareCR|message.HasBareLF) != 0
	}},
	{"to.undisclosed", 1, "The message does not say who it is for.", undisclosed},
	{"to.many", 0.5, "The message is for more than 20 people.", func(l *letter) bool { return l.fields.to > 20 }},
	{"priority.stranger", 0.4, "Somebody unknown says that it is urgent.", func(l *letter) bool { return l.fields.priority }},

	// Who the author pretends to be.
	{"name.address", 2, "The author's name is the address of somebody else.", nameIsOtherAddress},
	{"name.domain", 1.5, "The author's name contains the domain of somebody else.", nameHasOtherDomain},
	{"name.ours", 2, "The author's name is that of the recipient's own domain, and the address is not.", nameIsOurs},
	{"lookalike.ours", 3, "The author's domain looks like the recipient's own and is another.", func(l *letter) bool { return looksLikeOurs(l) }},
	{"lookalike.mixed", 2.5, "The author's domain mixes letters that look alike.", func(l *letter) bool { return mixedName(l.fields.author.Domain) }},
	{"author.self", 1.5, "The message pretends to come from its recipient, and is not authenticated.", fromSelf},
	{"reply.elsewhere", 1.5, "Answers go to another domain than the author's.", replyElsewhere},
	{"reply.trap", 1.5, "Answers go to another domain, and nobody sees who else got the message.", func(l *letter) bool { return replyElsewhere(l) && notToRecipient(l) }},

	// What it contains.
	{"files.program", 4, "An attachment is a program.", func(l *letter) bool { return l.files.executable && !l.files.disguised }},
	{"files.disguised", 6, "An attachment is a program with the name of a document.", func(l *letter) bool { return l.files.disguised }},
	{"files.macros", 2, "An attachment is a document that can contain programs.", func(l *letter) bool { return l.files.macros }},
	{"files.page", 1.5, "An attachment is a web page.", func(l *letter) bool { return l.files.page }},
	{"files.image", 2, "An attachment is the image of a disk.", func(l *letter) bool { return l.files.image }},
	{"html.imageonly", 1.5, "The message is a picture with hardly any text.", imageOnly},
	{"html.hidden", 2, "Much of the text cannot be seen.", hiddenText},
	{"html.tiny", 1, "Some of the text is too small to be read.", func(l *letter) bool { return l.page.tiny >= 2 }},
	{"html.form", 1.5, "The message contains a form to fill in.", func(l *letter) bool { return l.page.forms > 0 && l.page.passwords == 0 }},
	{"html.password", 3, "The message asks for a password.", func(l *letter) bool { return l.page.passwords > 0 }},
	{"html.script", 1.5, "The message contains a script or a frame.", func(l *letter) bool { return l.page.scripts > 0 }},
	{"words.disguised", 2, "Words are written with letters that only look right.", func(l *letter) bool {
		n := l.allText()
		return n.mixedWords >= 2 || l.subject.mixedWords > 0 || l.name.mixedWords > 0 || n.styled+l.subject.styled+l.name.styled >= 5
	}},
	{"words.split", 1.5, "Words are divided by characters that cannot be seen.", func(l *letter) bool { return l.allText().invisible >= 5 || l.subject.invisible > 0 }},
	{"text.none", 0.7, "The message has nothing to read.", func(l *letter) bool { return l.allText().letters == 0 && !imageOnly(l) }},

	// Where links lead to.
	{"link.foreign", 1.5, "A link leads elsewhere than its text says.", func(l *letter) bool { return l.links.foreign && !l.wellKeptList() }},
	{"link.address", 2, "A link leads to a number instead of a name.", func(l *letter) bool { return l.links.ip }},
	{"link.userinfo", 2.5, "A link hides its host behind another name.", func(l *letter) bool { return l.links.userinfo }},
	{"link.port", 1, "A link leads to an unusual port.", func(l *letter) bool { return l.links.port }},
	{"link.puny", 0.7, "A link leads to a name with unusual letters.", func(l *letter) bool { return l.links.puny }},
	{"link.lookalike", 3, "A link leads to a domain that looks like the recipient's own and is another.", linkLooksLikeOurs},
	{"link.short", 1.5, "A link hides where it leads to behind a shortener.", func(l *letter) bool { return l.links.short }},

	// Mail to many, and by programs.
	{"bulk.nounsubscribe", 0.8, "The message goes to many and does not say how to end that.", func(l *letter) bool {
		return (l.fields.bulk || l.fields.has&hasListID != 0) && l.fields.has&hasUnsubscribe == 0
	}},
	{"bulk.wellkept", -1, "The message goes to many, is signed by its author's domain and can be ended with one click.", (*letter).wellKeptList},
	{"code", -1, "The message is short, authenticated, written by a program and has a code or number.", transactional},
	{"reply.thread", -0.5, "The message is an authenticated answer in a conversation.", func(l *letter) bool {
		return l.authentic() && l.fields.has&hasReferences != 0 && l.fields.has&(hasListID|hasUnsubscribe) == 0
	}},
}

// authentic reports whether the author's domain is confirmed: by DMARC, or, if
// it has no policy, by an aligned signature or reverse-path.
func (l *letter) authentic() bool {
	switch {
	case l.fields.author.Domain == "" || l.fields.authors > 1:
		return false
	case l.e.DMARC == "pass":
		return true
	case l.e.DMARC != "none" && l.e.DMARC != "":
		return false
	}
	return slices.ContainsFunc(l.e.DKIM, l.aligned) || l.e.SPF == "pass" && l.aligned(l.e.Envelope.ReversePath.Domain)
}

// aligned is relaxed alignment (RFC 9989 section 4.4.2).
func (l *letter) aligned(d mail.Domain) bool {
	org := l.e.AuthorOrg
	if org == "" {
		org = mail.Domain(l.fields.org)
	}
	return org != "" && d.IsSubdomainOf(org)
}

func noAuthentication(l *letter) bool {
	return l.e.SPF != "pass" && len(l.e.DKIM) == 0 && l.e.ARC == "" && l.e.SPF != "temperror" && l.e.DMARC != "temperror"
}

// wellKeptList reports whether the message is one of those that behave as
// RFC 8058 asks.
func (l *letter) wellKeptList() bool {
	return l.fields.has&hasUnsubscribe != 0 && l.fields.oneClick && len(l.e.DKIM) > 0 && l.authentic()
}

// transactional reports whether it is a code or receipt that somebody waits
// for.
func transactional(l *letter) bool {
	n := l.allText()
	return l.authentic() && (l.fields.auto || robots[strings.ToLower(l.fields.author.Local)]) && l.fields.has&hasUnsubscribe == 0 && !undisclosed(l) &&
		n.codes+l.subject.codes > 0 && n.words < 250 && len(l.links.hosts) <= 2 && n.exclaims == 0 && l.page.hidden == 0 && l.files.count == 0 &&
		!l.links.foreign && (l.fields.replyOrg == "" || l.fields.replyOrg == l.fields.org)
}

// robots are local-parts under which programs write.
var robots = map[string]bool{"noreply": true, "no-reply": true, "no_reply": true, "donotreply": true, "do-not-reply": true, "notification": true, "notifications": true,
	"alert": true, "alerts": true, "auto-confirm": true, "orders": true, "billing": true}

// allText is what is counted of the text that people see.
func (l *letter) allText() textCounts {
	if l.page.words > l.plain.words {
		return l.page.textCounts
	}
	return l.plain
}

func dateAfter(l *letter, d time.Duration) bool {
	return !l.e.Index.Date.IsZero() && l.e.Index.Date.After(l.now.Add(d))
}

func dateBefore(l *letter, d time.Duration) bool {
	return !l.e.Index.Date.IsZero() && l.e.Index.Date.Before(l.now.Add(d))
}

// serverName reports whether a HELO argument is a name with a dot, or an
// address literal.
func serverName(hello string) bool {
	d, err := mail.ParseDomain(hello)
	if hello == "" || err != nil {
		return hello == "" // not known
	}
	return d.IsLiteral() || strings.Contains(string(d), ".") && !allDigits(string(d)) && !strings.HasSuffix(string(d), ".localdomain")
}

// homeName reports whether a host name was made from an address by a provider:
// three of its octets are in it.
func homeName(name string) bool {
	numbers := 0
	for label := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		if digits := strings.TrimLeft(label, "abcdefghijklmnopqrstuvwxyz"); digits != "" && len(digits) <= 3 && allDigits(digits) {
			numbers++
		}
	}
	return numbers >= 3
}

func heloOurs(l *letter) bool {
	d, err := mail.ParseDomain(l.e.Hello)
	return err == nil && slices.ContainsFunc(l.e.Envelope.Recipients, func(r mail.Recipient) bool { return r.Path.Domain == d })
}

func fakeReply(l *letter) bool {
	_, reply := message.SubjectBase(l.fields.subject)
	return reply && l.fields.has&hasReferences == 0
}

func undisclosed(l *letter) bool {
	env := &l.e.Index.Envelope
	for _, list := range [][]message.Address{env.To, env.Cc} {
		for _, a := range list {
			if a.Mailbox != "" && a.Host != "" {
				return false
			}
		}
	}
	return l.fields.has&hasListID == 0
}

// notToRecipient reports whether no recipient stands in To or Cc.
func notToRecipient(l *letter) bool {
	env := &l.e.Index.Envelope
	for _, list := range [][]message.Address{env.To, env.Cc} {
		for _, a := range list {
			if slices.ContainsFunc(l.e.Envelope.Recipients, func(r mail.Recipient) bool {
				return strings.EqualFold(r.Path.Local, a.Mailbox) && strings.EqualFold(string(r.Path.Domain), a.Host)
			}) {
				return false
			}
		}
	}
	return len(l.e.Envelope.Recipients) > 0
}

func replyElsewhere(l *letter) bool {
	f := &l.fields
	return f.replyOrg != "" && f.org != "" && f.replyOrg != f.org && f.has&(hasListID|hasUnsubscribe) == 0
}

func imageOnly(l *letter) bool {
	return l.hasHTML && l.page.images+l.inline > 0 && l.page.letters < 60 && l.plain.letters < 60
}

// hiddenText leaves the lines alone that newsletters hide for the preview.
func hiddenText(l *letter) bool { return l.page.hidden > 300 && l.page.hidden*3 > l.page.letters }
