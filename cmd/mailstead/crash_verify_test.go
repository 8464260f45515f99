package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

// examiner looks at all that is in a server's mailboxes, with a client that is
// not ours.
type examiner struct {
	c    *crash
	t    *testing.T
	full bool // read the texts also of messages that were read before
	seen map[thingID][]sighting
}

// check holds the server against what its clients know, and returns what is
// wrong.
func (c *crash) check(t *testing.T, i *instance, full bool) []string {
	t.Helper()
	x := &examiner{c: c, t: t, full: full, seen: map[thingID][]sighting{}}
	for k, who := range i.Accounts {
		x.account(i, k, who)
	}
	c.judge(x.seen)
	c.judgeQueue(false)
	return c.take()
}

// bad notes a problem.
func (x *examiner) bad(format string, args ...any) {
	x.c.mu.Lock()
	defer x.c.mu.Unlock()
	x.c.bad(format, args...)
}

func (x *examiner) account(i *instance, number int, who tryAccount) {
	x.t.Helper()
	client := i.dialIMAP(x.t, who, nil)
	defer client.Close()
	list, err := client.List("", "*", nil).Collect()
	if err != nil {
		x.t.Fatal(err)
	}
	missing := append([]string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}, crashBoxes(number)...)
	for _, l := range list {
		if k := slices.Index(missing, l.Mailbox); k >= 0 {
			missing = slices.Delete(missing, k, k+1)
		} else if isFolder(l.Mailbox) {
			id := folderThing(who.Address, l.Mailbox)
			x.seen[id] = append(x.seen[id], sighting{place: place{l.Mailbox, ""}})
		} else {
			x.bad("%s has a mailbox %s, which nobody made", who.Address, l.Mailbox)
		}
		if err := x.box(client, who.Address, l.Mailbox); err != nil {
			x.bad("%s of %s cannot be read: %v", l.Mailbox, who.Address, err)
		}
	}
	if len(missing) > 0 {
		x.bad("mailboxes of %s are missing: %v", who.Address, missing)
	}
}

// box looks at one mailbox. Names of messages that were there at the last
// check are known by their UIDs.
func (x *examiner) box(client *imapclient.Client, account, box string) error {
	sel, err := client.Select(box, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return err
	}
	x.c.mu.Lock()
	l := x.c.ledger(account, box)
	known, next := l.live, l.next
	x.c.mu.Unlock()
	if x.full || l.reborn {
		next = 1
	}
	names := map[imap.UID]string{}
	note := func(uid imap.UID, name string, flags []imap.Flag) {
		names[uid] = name
		id := thingID{account, name}
		x.seen[id] = append(x.seen[id], sighting{place{box, imapFlags(flags)}, uid})
	}
	err = fetchAll(client, 1, next, &imap.FetchOptions{UID: true, Flags: true}, func(m *imapclient.FetchMessageBuffer) {
		note(m.UID, known[m.UID], m.Flags)
	})
	if err != nil {
		return err
	}
	section := &imap.FetchItemBodySection{Peek: true}
	options := &imap.FetchOptions{UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{section}}
	err = fetchAll(client, next, sel.UIDNext, options, func(m *imapclient.FetchMessageBuffer) {
		note(m.UID, x.read(account, box, m.UID, known[m.UID], m.FindBodySection(section)), m.Flags)
	})
	if err != nil {
		return err
	}
	// A report that comes in while SELECT is answered counts already, though it
	// is behind UIDNEXT.
	latest := 0
	err = fetchAll(client, sel.UIDNext, 1<<32-1, &imap.FetchOptions{UID: true}, func(*imapclient.FetchMessageBuffer) { latest++ })
	if n := int(sel.NumMessages); n < len(names) || n > len(names)+latest {
		x.bad("%s of %s says that it has %d messages, and shows %d and %d", box, account, n, len(names), latest)
	}
	x.c.audit(account, box, sel.UIDValidity, sel.UIDNext, names)
	return err
}

// fetchAll fetches the UIDs from one up to but not including another.
func fetchAll(client *imapclient.Client, from, to imap.UID, options *imap.FetchOptions, each func(*imapclient.FetchMessageBuffer)) error {
	if from >= to {
		return nil
	}
	var set imap.UIDSet
	set.AddRange(from, to-1)
	cmd := client.Fetch(set, options)
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		buffer, err := m.Collect()
		if err != nil {
			cmd.Close()
			return err
		}
		each(buffer)
	}
	return cmd.Close()
}

func imapFlags(flags []imap.Flag) string {
	var names []string
	for _, f := range flags {
		names = append(names, string(f))
	}
	return flagSet(names)
}

// read reads a message, and returns its name.
func (x *examiner) read(account, box string, uid imap.UID, known string, text []byte) string {
	if name := nameOf(text); name != "" {
		if problem := textProblem(name, text); problem != "" {
			x.bad("UID %d in %s of %s is %s and %s", uid, box, account, name, problem)
		}
		return name
	}
	name := reportName + headerField(text, "Message-ID")
	sum := crc32.ChecksumIEEE(text)
	if before, ok := x.c.sums[name]; ok && before != sum {
		x.bad("UID %d in %s of %s is %s and has changed", uid, box, account, name)
	}
	x.c.sums[name] = sum
	if known == "" && !x.c.readReport(account, text) {
		x.bad("UID %d in %s of %s is no message of ours and no report: %.500q", uid, box, account, text)
	}
	return name
}

// checkStore opens the data of a server that has stopped, and returns what is
// wrong with its rows, its log and its large bodies.
func (c *crash) checkStore(t *testing.T) (problems []string) {
	t.Helper()
	ctx := t.Context()
	eng, err := store.Open(filepath.Join(c.dir, "store"), store.Options{Apply: apply})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	}()
	boxes := mailbox.Open(eng, mailbox.Options{})
	note := func(owner store.Owner, found []string, err error) {
		if err = errors.Join(err, eng.Check(ctx, owner)); err != nil {
			found = append(found, err.Error())
		}
		for _, p := range found {
			problems = append(problems, fmt.Sprintf("owner %d: %s", owner, p))
		}
	}
	found, err := queue.New(eng, nil, queue.Options{}).Check(ctx)
	note(store.Queue, found, err)
	accounts := 0
	for id, err := range eng.Owners(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		accounts++
		found, err := boxes.Check(ctx, id)
		note(id, found, err)
	}
	if accounts < len(tryNames) || accounts > len(tryLogins)+c.people { // that of the owner is made when somebody looks
		problems = append(problems, fmt.Sprintf("the store has %d accounts", accounts))
	}
	if err := eng.Scrub(ctx, func(p string) { problems = append(problems, p) }); err != nil {
		t.Fatal(err)
	}
	return problems
}
