package imapserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// TestGoImapClient uses the server with a client that is not ours.
func TestGoImapClient(t *testing.T) {
	f := newFixture(t)
	raw := readMail(t, "mixed.eml")
	c, err := imapclient.DialInsecure(f.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("login", c.Login(testLogin, testPassword).Wait())
	must("create", c.Create("Büro und mehr", nil).Wait())
	app := c.Append("Büro und mehr", int64(len(raw)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: testNow.Add(-time.Hour)})
	_, err = app.Write(raw)
	must("append", err)
	must("append", app.Close())
	appended, err := app.Wait()
	must("append", err)
	if appended.UID != 1 {
		t.Errorf("APPENDUID = %+v", appended)
	}
	list, err := c.List("", "%", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true, Size: true}}).Collect()
	must("list", err)
	found := false
	for _, l := range list {
		if l.Mailbox == "Büro und mehr" {
			found = *l.Status.NumMessages == 1 && *l.Status.Size == int64(len(raw))
		}
	}
	if !found {
		for _, l := range list {
			t.Errorf("LIST has %+v, status %+v", l, l.Status)
		}
	}
	sel, err := c.Select("Büro und mehr", &imap.SelectOptions{CondStore: true}).Wait()
	must("select", err)
	if sel.NumMessages != 1 || sel.HighestModSeq == 0 {
		t.Errorf("SELECT = %+v", sel)
	}
	section := &imap.FetchItemBodySection{}
	messages, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
		Envelope: true, Flags: true, InternalDate: true, RFC822Size: true, UID: true, ModSeq: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	must("fetch", err)
	m := messages[0]
	if string(m.FindBodySection(section)) != string(raw) {
		t.Errorf("body = %q", m.FindBodySection(section))
	}
	if m.Envelope.Subject != "Grüße an alle" || len(m.Envelope.To) != 4 || !m.InternalDate.Equal(testNow.Add(-time.Hour)) {
		t.Errorf("envelope = %+v", m.Envelope)
	}
	var types []string
	m.BodyStructure.Walk(func(_ []int, part imap.BodyStructure) bool {
		types = append(types, part.MediaType())
		return true
	})
	if got := strings.Join(types, " "); got != "multipart/mixed text/plain application/octet-stream message/rfc822" {
		t.Errorf("structure = %s", got)
	}
	stored, err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged, "$Work"}}, nil).Collect()
	must("store", err)
	if len(stored) != 1 || len(stored[0].Flags) != 3 {
		t.Errorf("STORE = %+v", stored)
	}
	search, err := c.UIDSearch(&imap.SearchCriteria{Text: []string{"GRÜSSE"}, Not: []imap.SearchCriteria{{Flag: []imap.Flag{"$None"}}}}, nil).Wait()
	must("search", err)
	if len(search.AllUIDs()) != 0 { // "ß" is not "SS"
		t.Errorf("SEARCH = %v", search.AllUIDs())
	}
	search, err = c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "grüß"}}}, nil).Wait()
	must("search", err)
	if len(search.AllUIDs()) != 1 {
		t.Errorf("SEARCH = %v", search.AllUIDs())
	}
	moved, err := c.Move(imap.UIDSetNum(1), "Trash").Wait()
	must("move", err)
	if moved.DestUIDs.String() != "1" {
		t.Errorf("MOVE = %+v", moved)
	}
	must("logout", c.Logout().Wait())
}

// TestMessagesAsTheyCome lets another's client read what our indexer was made
// for: messages that are broken in all ways. Each answer must be valid grammar.
func TestMessagesAsTheyCome(t *testing.T) {
	f := newFixture(t)
	files, err := filepath.Glob("../../mail/message/testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no messages", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 0 {
			f.put("INBOX", raw, 0)
		}
	}
	c, err := imapclient.DialInsecure(f.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(testLogin, testPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	sel, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	var all imap.SeqSet
	all.AddRange(1, 0)
	whole := &imap.FetchItemBodySection{Peek: true}
	header := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader}
	text := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierText}
	got, err := c.Fetch(all, &imap.FetchOptions{
		Envelope: true, RFC822Size: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		BodySection: []*imap.FetchItemBodySection{whole, header, text},
	}).Collect()
	if err != nil || len(got) != int(sel.NumMessages) {
		t.Fatalf("%d of %d messages, %v", len(got), sel.NumMessages, err)
	}
	for i, m := range got {
		body := m.FindBodySection(whole)
		if int64(len(body)) != m.RFC822Size {
			t.Errorf("%s: %d octets, RFC822.SIZE %d", files[i], len(body), m.RFC822Size)
		}
		if both := string(m.FindBodySection(header)) + string(m.FindBodySection(text)); both != string(body) {
			t.Errorf("%s: header and text are not the message", files[i])
		}
	}
}
