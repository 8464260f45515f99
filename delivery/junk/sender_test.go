package junk

import (
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// sent files a message to Sent as mail programs do.
func (w *world) sent(id mailbox.AccountID, to string) {
	w.t.Helper()
	m := newMessage(w.t, "From: bo@example.org\r\nTo: "+to+"\r\nSubject: x\r\n\r\nHello\r\n")
	if _, err := w.boxes.Account(id).Append(w.t.Context(), w.box(id, mailbox.RoleSent), m); err != nil {
		w.t.Fatal(err)
	}
	w.flush()
}

// TestSender: what an account did with mail before makes what is said of the
// next, as far as that is authenticated.
func TestSender(t *testing.T) {
	w := newWorld(t)
	w.sent(me, `"Ana Smithson" <ana@friends.com>, "No Body" <>`)
	for i := range 4 { // moved to Junk, from one network, signed by one service
		m := good("eve@spam.com", strings.Replace(offer, "1@spam", string(rune('a'+i))+"@spam", 1))
		m.client, m.dkim = "198.51.100.20", append(m.dkim, "mailer.net")
		w.move(me, w.deliver(me, m, "inbox"), mailbox.RoleJunk)
	}
	for _, class := range []mailbox.Role{mailbox.RoleArchive, mailbox.RoleInbox} { // one filed, one only read
		m := good(map[mailbox.Role]string{mailbox.RoleArchive: "shop@goods.com", mailbox.RoleInbox: "news@paper.com"}[class], plain)
		m.client = "203.0.113.5"
		id := w.deliver(me, m, "inbox")
		if class == mailbox.RoleInbox {
			w.flag(me, id, mailbox.Seen)
			continue
		}
		w.move(me, id, class)
	}
	w.flush()
	forged := func(m incoming) incoming {
		m.spf, m.dkim, m.dmarc = "fail", nil, "fail"
		return m
	}
	from := func(client string, m incoming) incoming {
		m.client = client
		return m
	}
	signed := func(d mail.Domain, m incoming) incoming {
		m.dkim = append(m.dkim, d)
		return m
	}
	named := func(name string, m incoming) incoming {
		m.raw = strings.Replace(m.raw, "From: ", `From: "`+name+`" <`, 1)
		m.raw = strings.Replace(m.raw, "\n", ">\n", 1)
		return m
	}
	for _, tt := range []struct {
		name  string
		id    mailbox.AccountID
		in    incoming
		want  string // the reasons of the sender
		known bool
	}{
		{"written to", me, good("Ana@friends.com", plain), "sender.written-to", true},
		{"written to, forged", me, forged(good("ana@friends.com", plain)), "", false},
		{"others there", me, good("carl@friends.com", plain), "sender.known", false},
		{"filed by hand", me, good("shop@goods.com", plain), "sender.known", true},
		{"read once", me, good("news@paper.com", plain), "sender.known", false},
		{"moved to Junk", me, good("eve@spam.com", plain), "sender.bad", false},
		{"others at a bad domain", me, good("mallory@spam.com", plain), "sender.bad", false},
		{"a bad network", me, from("198.51.100.99", good("x@fresh.com", plain)), "sender.bad", false},
		{"a network with both", me, from("203.0.113.99", good("x@fresh.com", plain)), "sender.new", false},
		{"a service that signs junk", me, signed("mailer.net", good("x@fresh.com", plain)), "sender.bad", false},
		{"new", me, good("x@fresh.com", plain), "sender.new", false},
		{"looks like a contact's", me, good("ana@frlends.com", plain), "sender.new lookalike.contact", false},
		{"has a contact's name", me, named("Ana Smithson", good("boss@fresh.com", plain)), "sender.new name.contact", false},
		{"of another account nothing is known", you, good("ana@friends.com", plain), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := w.score(tt.id, tt.in)
			var got []string
			for _, n := range strings.Fields(o.names()) {
				if strings.HasPrefix(n, "sender.") || strings.HasSuffix(n, ".contact") {
					got = append(got, n)
				}
			}
			if strings.Join(got, " ") != tt.want || o.Known != tt.known {
				t.Errorf("reasons %q, known %v; want %q, %v", got, o.Known, tt.want, tt.known)
			}
		})
	}
}
