package main

import (
	"crypto/tls"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// dialIMAP logs in with a client that is not ours.
func (i *instance) dialIMAP(t *testing.T, who tryAccount, handler *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(i.IMAPS, &imapclient.Options{
		TLSConfig:             &tls.Config{InsecureSkipVerify: true},
		UnilateralDataHandler: handler,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(who.Address, who.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// messages returns all messages of a mailbox.
func messages(t *testing.T, c *imapclient.Client, mailbox string) []string {
	t.Helper()
	sel, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if sel.NumMessages == 0 {
		return nil
	}
	var all imap.SeqSet
	all.AddRange(1, 0)
	section := &imap.FetchItemBodySection{Peek: true}
	list, err := c.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range list {
		texts = append(texts, string(m.FindBodySection(section)))
	}
	return texts
}

// waitMessages waits until a mailbox has n messages and returns them.
func (i *instance) waitMessages(t *testing.T, who tryAccount, mailbox string, n int) []string {
	t.Helper()
	c := i.dialIMAP(t, who, nil)
	var got []string
	eventually(t, "messages in "+mailbox+" of "+who.Address, func() bool {
		got = messages(t, c, mailbox)
		return len(got) >= n
	})
	if len(got) != n {
		t.Errorf("%s of %s has %d messages, want %d", mailbox, who.Address, len(got), n)
	}
	return got
}
