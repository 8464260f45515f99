package junk

import (
	"net/netip"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// maxSigners is how many signatures of a message count for its senders.
const maxSigners = 4

// Kinds of identities that history is kept of.
const (
	idAddress  = "a:" // the author's address, authenticated
	idOrg      = "o:" // its organisational domain
	idLook     = "k:" // what that looks like
	idName     = "p:" // what the author's name looks like
	idSigner   = "d:" // of a signature that is good
	idNetwork  = "n:" // of the client
	maxHistory = 20_000
)

func (k hashKey) identity(kind, name string) uint64 {
	var room [300]byte
	return k.sum(append(append(room[:0], kind...), name...))
}

// identities are those whose history a message adds to. What is not
// authenticated earns nothing, good or bad: it would be somebody else's.
func (l *letter) identities() []uint64 {
	key, f := l.tokens.key, &l.fields
	var ids []uint64
	if l.authentic() {
		ids = append(ids, key.identity(idAddress, f.author.Key()), key.identity(idOrg, f.org), key.identity(idLook, look(f.org)))
		if name := personName(f.nameText); name != "" {
			ids = append(ids, key.identity(idName, name))
		}
	}
	for _, org := range l.signers() {
		ids = append(ids, key.identity(idSigner, org))
	}
	if n := network(l.e.Client); n != "" {
		ids = append(ids, key.identity(idNetwork, n))
	}
	return ids
}

// contacts are the identities of the people a message was sent to.
func contacts(key hashKey, env *message.Envelope) []uint64 {
	const most = 60
	var ids []uint64
	n := 0
	for _, list := range [][]message.Address{env.To, env.Cc, env.Bcc} {
		for _, a := range list {
			p, err := mail.ParseAddress(a.Mailbox + "@" + a.Host)
			if err != nil {
				continue
			}
			if n++; n > most {
				return ids
			}
			org := authorOrg(p)
			ids = append(ids, key.identity(idAddress, p.Key()), key.identity(idOrg, org), key.identity(idLook, look(org)))
			if name := personName(clip(message.DecodeHeaderText(a.Name))); name != "" {
				ids = append(ids, key.identity(idName, name))
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids) // one message counts once for a domain
}

// signers are the organisational domains of good signatures, but for the
// author's own.
func (l *letter) signers() []string {
	var orgs []string
	for _, d := range l.e.DKIM {
		org := orgDomain(string(d))
		if org != l.fields.org && !slices.Contains(orgs, org) && len(orgs) < maxSigners {
			orgs = append(orgs, org)
		}
	}
	return orgs
}

// network is the /24 or /48 of a client; "" for one that is not public.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
		return ""
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// look is what a whole domain looks like.
func look(org string) string { return skeleton(mail.Domain(org).Unicode()) }

// personName is what a name of at least two words looks like; others are too
// common.
func personName(name string) string {
	name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`))
	if !strings.Contains(name, " ") || len(name) < 7 || strings.Contains(name, "@") {
		return ""
	}
	return skeleton(name)
}

// standing is what an account knows of the sender of a message.
type standing struct {
	any                           bool // it knows any sender
	authentic                     bool
	address, org, look, name, net history
	signer                        history // the worst of them
}

// sender looks up what the account knows.
func (c *Classifier) sender(id mailbox.AccountID, l *letter) standing {
	s := standing{authentic: l.authentic()}
	f := &l.fields
	err := c.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketSenders)
		get := func(kind, name string) history {
			h, _ := decodeHistory(b.Get(rowKey(id, c.key.identity(kind, name))))
			return h
		}
		k, _ := b.Cursor().Seek(accountKey(id))
		if s.any = len(k) == 12 && string(k[:4]) == string(accountKey(id)); !s.any {
			return nil
		}
		if f.org != "" {
			s.address, s.org, s.look = get(idAddress, f.author.Key()), get(idOrg, f.org), get(idLook, look(f.org))
			if name := personName(f.nameText); name != "" {
				s.name = get(idName, name)
			}
		}
		for _, org := range l.signers() {
			if h := get(idSigner, org); h.bad > s.signer.bad {
				s.signer = h
			}
		}
		if n := network(l.e.Client); n != "" {
			s.net = get(idNetwork, n)
		}
		return nil
	})
	if err != nil { // it is being closed
		return standing{}
	}
	return s
}

// Scores of what an account knows of a sender.
const (
	scoreWrittenTo = -4
	scoreNew       = 0.5
	knownPoints    = 2 // of history, that make a sender known
)

// addSender turns what is known of the sender into reasons.
func (o *Opinion) addSender(s standing) {
	add := func(name string, score float64, text string) {
		o.Reasons = append(o.Reasons, mail.Reason{Name: name, Score: score, Text: text})
	}
	stranger := !s.org.liked() && !s.address.liked()
	switch {
	case !s.any:
		return
	case s.authentic && s.address.written > 0 && !s.address.disliked():
		o.Known = true
		add("sender.written-to", scoreWrittenTo, "You have written to the author, and the message is really from there.")
	case s.authentic && s.address.disliked():
		add("sender.bad", 3, "You have moved mail of this author to Junk.")
	case s.authentic && s.address.good > 0:
		o.Known = s.address.good >= knownPoints && s.address.bad == 0
		add("sender.known", round(max(-0.75*float64(s.address.good), -3)), "You have kept mail of this author.")
	case s.authentic && s.org.disliked() && s.org.bad >= 2:
		add("sender.bad", 2, "You have moved mail of the author's domain to Junk.")
	case s.authentic && s.org.liked() && s.org.bad == 0:
		add("sender.known", -1, "You know others at the author's domain.")
	case s.signer.bad >= 2 && s.signer.good == 0:
		add("sender.bad", 1.5, "You have moved other mail that this service has signed to Junk.")
	case s.net.bad >= 2 && s.net.good == 0:
		add("sender.bad", 1.5, "You have moved mail from this network to Junk.")
	case s.address == history{}:
		add("sender.new", scoreNew, "You have had no mail of this author before.")
	}
	if stranger && s.look.liked() {
		add("lookalike.contact", 3, "The author's domain looks like one that you know and is another.")
	} else if stranger && (s.name.written > 0 || s.name.good >= knownPoints) {
		add("name.contact", 1, "The author has the name of somebody you know, and another address.")
	}
}

// liked reports whether there was mail that was kept or sent.
func (h history) liked() bool { return h.good > 0 || h.written > 0 }

// disliked reports whether more was moved to Junk than kept and sent.
func (h history) disliked() bool { return h.bad > 0 && 2*h.bad > h.good+2*h.written }
