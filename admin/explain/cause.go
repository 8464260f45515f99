package explain

import (
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Cause is why a message waits or failed. Names are a closed set, [Causes].
type Cause struct {
	Name string // "greylisted", "blocked-ip", …
	// Title is one line, with "%s" for who is meant: a provider or domain.
	Title   string
	Explain string // what it means
	Fix     string // what to do; empty: nothing, it passes
}

// causes are the closed set. The order is that of a list for people.
var causes = []Cause{
	{"greylisted", "%s asks to come back later",
		"Servers put off mail from senders they do not know yet. Senders of junk do not come back; real servers do. This is normal.",
		""},
	{"rate-limited", "%s slows us down",
		"The other side takes only so many messages or connections in a time. The rest is tried again until it is taken.",
		"Nothing, if it passes within hours. If it stays, send less at once, or let it go by a relay."},
	{"reputation", "%s does not trust our address yet",
		"It is about the IP address or domain that sends, not about this message: it is new, was used by others before, or sends more than usual.",
		"Check that SPF, DKIM, DMARC and the reverse name are right. Send little and steadily for some weeks. The provider's form for senders can shorten that; a relay goes around it."},
	{"blocked-ip", "%s blocks our IP address",
		"The address of this server, or its whole neighbourhood, is on a list of this provider.",
		"Ask the provider to take the address off, with its form for senders. Until that is done send to it by a relay."},
	{"listed", "%s refuses our address because of a public blocklist",
		"The other server asked a public list of addresses (such as Spamhaus), and the address of this server is on it.",
		"Look the address up at the list that the reply names, and ask there to take it off. Home and dial-up addresses stay listed: use a relay."},
	{"resolver", "%s misreads a blocklist",
		"The list refused to answer the other server's resolver, and that server took the refusal for a listing. This server is not listed.",
		"Only the other side can mend this: tell its postmaster. Until then a relay goes around it."},
	{"authentication", "%s says that our mail is not authenticated",
		"SPF, DKIM or DMARC do not pass for the domain in From.",
		"Look at the DNS page of the sending domain: publish what is missing there. Mail that others forward can fail for reasons of theirs."},
	{"reverse-name", "%s misses the reverse name of our address",
		"The IP address that sent has no PTR record, or the name there does not lead back to the address.",
		"Set the reverse name at the provider of the server, for IPv4 and IPv6, to the name of this server."},
	{"helo", "%s does not like the name we give",
		"The name of this server is not a full host name, or does not lead to its address.",
		"Set a host name such as mail.example.org that has an address in the DNS."},
	{"tls", "No encryption with %s as it is demanded",
		"Encryption is demanded by one side, and the other offers none, or a certificate that does not fit.",
		"If it stays, the postmaster of the other side should know. Ours: look at certificates, MTA-STS and DANE of the domain."},
	{"no-such-user", "The address does not exist at %s",
		"The other server knows no such mailbox.",
		"Check the spelling of the address."},
	{"mailbox-full", "A mailbox at %s is full",
		"The recipient has no room left.",
		"Tell the recipient by other means, or wait: the message is tried for some days."},
	{"mailbox-disabled", "A mailbox at %s is closed",
		"The recipient's account is disabled, or takes no mail at present.",
		"Ask the recipient by other means."},
	{"too-large", "The message is too large for %s",
		"The other server takes no message of this size.",
		"Send a link to the file, or smaller parts."},
	{"content", "%s takes the message for junk",
		"A filter there judged the text, a link or an attachment.",
		"Look at what was sent: links to strange sites, an attachment that can be run, one large picture. If it was an ordinary letter, the sender's reputation may be the reason."},
	{"relay-denied", "%s does not know the recipient's domain",
		"The server that the MX record names does not take mail for this domain.",
		"The recipient's domain is set up wrongly, or moved a short time ago. Its postmaster should know."},
	{"policy", "%s refuses by its own rules",
		"The other server gives no better reason.",
		"Read its words: there is often a link, or an address to ask at."},
	{"no-answer", "No server of %s answers",
		"None of the mail servers of the domain could be reached.",
		"If other domains have the same trouble, outgoing port 25 may be blocked here: see the checks. Else the other side is down; it is tried again."},
	{"dns", "The DNS gives no answer about %s",
		"It is not known now where mail of this domain goes.",
		"If it concerns many domains, look at the resolver of this server. Else it is the other side's trouble."},
	{"no-domain", "There is no domain %s",
		"The domain of the address does not exist, or has no mail server.",
		"Check the spelling of the address."},
	{"no-mail", "%s takes no mail",
		"The domain says in the DNS that it takes no mail at all (null MX, RFC 7505).",
		"Use another address of the recipient."},
	{"connection-lost", "The connection to %s broke off",
		"The other server hung up, or was silent for too long, in the middle of the session.",
		""},
	{"remote-trouble", "%s has trouble of its own",
		"The other server says that it cannot work at present.",
		""},
	{"loop", "Mail for %s goes round in circles",
		"The message would come back to a server that had it already.",
		"Look at forwardings, and at the MX records of the domain: do they name this server?"},
	{"expired", "%s did not take the message in time",
		"It was tried until the time for it was over.",
		"Look at the attempts before: the last reply says what was wrong."},
	{"relay-login", "The relay does not let us in",
		"The smarthost refuses the login that is set here.",
		"Check relay.login and relay.password in the settings."},
	{"too-busy-here", "Many messages for %s at once",
		"There are as many connections to this server already as are allowed.",
		""},
	{"trouble-here", "A problem of this server",
		"The message could not be sent because of something here.",
		"Look at the log of this server."},
	{"waiting", "Mail for %s waits for its first attempt", "It came in a moment ago, or much is to be sent.", ""},
	{"other", "%s gives another reason", "Its words say more.", ""},
}

// Causes returns the closed set.
func Causes() []Cause { return append([]Cause(nil), causes...) }

// causeNamed returns a cause of the set.
func causeNamed(name string) Cause {
	for _, c := range causes {
		if c.Name == name {
			return c
		}
	}
	return causes[len(causes)-1]
}

// For is the cause with who is meant in its title.
func (c Cause) For(who string) Cause {
	c.Title = strings.Replace(c.Title, "%s", who, 1)
	return c
}

// Failure is what came of an attempt for a recipient.
type Failure struct {
	Reply  string // of the remote, or our own words
	Status mail.Status
	Domain mail.Domain // of the recipient
	MX     string      // host that was asked; empty if none was reached
}

// Explain finds the cause of a failure: by words that are known, by the
// status, by the reply code. Its title names the provider or the domain.
func Explain(f Failure) Cause {
	r := ParseReply(f.Reply)
	if r.Status == (mail.Status{}) {
		r.Status = f.Status
	}
	p := ProviderOf(f.Domain, f.MX)
	who := p.Name
	if p == Others {
		who = string(f.Domain)
	}
	name, note := "other", ""
	if f.Reply == "" && f.Status == (mail.Status{}) {
		name = "waiting"
	} else if k := findKnown(p, r); k != nil && (k.provider != "" || r.Status.Subject != 1) { // an address: the status tells it better
		name, note = k.cause, k.note
	} else {
		name = byStatus(r, f.MX != "")
	}
	c := causeNamed(name).For(who)
	if note != "" {
		c.Explain = note + " " + c.Explain
	}
	return c
}

// statusCauses are the causes behind enhanced status codes, where these alone
// tell.
var statusCauses = map[detail]string{
	{1, 1}: "no-such-user", {1, 2}: "no-domain", {1, 3}: "no-such-user", {1, 6}: "no-such-user", {1, 10}: "no-mail", {1, 8}: "policy", {1, 7}: "policy",
	{2, 1}: "mailbox-disabled", {2, 2}: "mailbox-full", {2, 3}: "too-large",
	{3, 0}: "remote-trouble", {3, 1}: "remote-trouble", {3, 2}: "remote-trouble", {3, 4}: "too-large", {3, 5}: "remote-trouble",
	{4, 1}: "no-answer", {4, 2}: "connection-lost", {4, 3}: "dns", {4, 4}: "no-domain", {4, 5}: "rate-limited", {4, 6}: "loop", {4, 7}: "expired",
	{5, 3}: "rate-limited",
	{6, 0}: "content", {6, 1}: "content",
	{7, 0}: "policy", {7, 1}: "policy", {7, 5}: "tls", {7, 10}: "tls", {7, 30}: "tls", {7, 27}: "policy", {7, 28}: "rate-limited",
	{7, 20}: "authentication", {7, 21}: "authentication", {7, 22}: "authentication", {7, 23}: "authentication", {7, 24}: "authentication", {7, 26}: "authentication",
	{7, 25}: "reverse-name",
}

// byStatus is the cause by the codes alone. reached says that a server of the
// other side was.
func byStatus(r Reply, reached bool) string {
	if r.Code == 0 && !reached && r.Status == (mail.Status{Class: 4, Subject: 3}) {
		return "trouble-here" // nothing was said, and nobody was asked
	}
	if r.Code == 0 && r.Status == (mail.Status{Class: 4, Subject: 4, Detail: 5}) {
		return "too-busy-here"
	}
	if r.class() == 4 && r.Status.Subject == 7 && r.Status.Detail <= 1 {
		return "greylisted" // for now, by policy: there is hardly another reason
	}
	if name := statusCauses[detail{r.Status.Subject, r.Status.Detail}]; name != "" {
		return name
	}
	switch r.Code {
	case 421:
		return "remote-trouble"
	case 450, 451:
		return "greylisted"
	case 452:
		return "mailbox-full"
	case 530, 538:
		return "tls"
	case 551, 556:
		return "no-such-user"
	case 552:
		return "too-large"
	case 550, 553:
		return "policy"
	case 554, 521:
		return "policy"
	}
	return "other"
}
