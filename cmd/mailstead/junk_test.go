package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// offerText and noteText are two kinds of mail, in other words each time.
func offerText(n int) string {
	return fmt.Sprintf("From: Offer %d <offer%[1]d@bigmail.test>\r\nTo: alice@example.test\r\nSubject: lottery jackpot winner %[1]d\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"+
		"Message-ID: <offer%[1]d@bigmail.test>\r\n\r\nClaim your casino bonus and lottery jackpot, winner, unlimited coins at https://casino.test/claim\r\n", n)
}

func noteText(n int) string {
	return fmt.Sprintf("From: Friend %d <friend%[1]d@bigmail.test>\r\nTo: alice@example.test\r\nSubject: dinner on day %[1]d\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"+
		"Message-ID: <friend%[1]d@bigmail.test>\r\n\r\nShall we walk to the harbour before dinner? I bring the photographs of our garden.\r\n", n)
}

// TestJunkIsLearned moves messages over IMAP, and looks at the verdict of the
// next one that is like them: there and back again.
func TestJunkIsLearned(t *testing.T) {
	t.Parallel()
	i := startTry(t, "--no-limits")
	alice := i.Accounts[0]
	bigmail := &net.Dialer{LocalAddr: &net.TCPAddr{IP: remoteAddrs[remoteBig].AsSlice()}}
	n := 0
	send := func(text func(int) string) string {
		t.Helper()
		n++
		raw := text(n)
		if err := sendFrom(t.Context(), bigmail, i.SMTP, fmt.Sprintf("sender%d@bigmail.test", n), alice.Address, raw); err != nil {
			t.Fatal(err)
		}
		return raw[:strings.Index(raw, "\r\n")]
	}
	const each = 20 // messages of a class, from which on words count
	for range each {
		send(noteText)
		send(offerText)
	}
	i.waitMessages(t, alice, "INBOX", 2*each)
	c := i.dialIMAP(t, alice, nil)
	move(t, c, "INBOX", "Archive", "dinner", each)
	move(t, c, "INBOX", "Junk", "jackpot", each-1)

	// next sends one more until its verdict is as it should be: what was moved is
	// learned a moment later.
	next := func(where string, words bool) {
		t.Helper()
		eventually(t, "the next offer goes to "+where, func() bool {
			from := send(offerText)
			for _, m := range messages(t, c, where) {
				head, _, _ := strings.Cut(m, "\r\n\r\n")
				if strings.Contains(head, from+"\r\n") {
					return strings.Contains(head, "X-Mailstead-Verdict: "+strings.ToLower(where)+";") && strings.Contains(head, "words=+") == words
				}
			}
			return false
		})
	}
	next("INBOX", false)
	last := fmt.Sprintf("winner %d", 2*each)
	move(t, c, "INBOX", "Junk", last, 1)
	next("Junk", true)
	move(t, c, "Junk", "INBOX", last, 1)
	next("INBOX", false)
}

// move moves the first most messages whose subject contains a text.
func move(t *testing.T, c *imapclient.Client, from, to, subject string, most int) {
	t.Helper()
	if _, err := c.Select(from, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: subject}}}, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	uids := found.AllUIDs()
	if len(uids) < most {
		t.Fatalf("%s has %d messages about %s, want %d", from, len(uids), subject, most)
	}
	if _, err := c.Move(imap.UIDSetNum(uids[:most]...), to).Wait(); err != nil {
		t.Fatal(err)
	}
}
