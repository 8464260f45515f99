package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Folders are mailboxes that come and go, with two names each.
const (
	folders = 4 // of an account
	renamed = " renamed"
)

func folderName(n int) string { return fmt.Sprintf("Folder%d", n) }

// folderThing is the thing of the oracle that stands for a folder, and whose
// place is its name.
func folderThing(account, name string) thingID {
	return thingID{account, "mailbox " + strings.TrimSuffix(name, renamed)}
}

func isFolder(box string) bool { return strings.HasPrefix(box, "Folder") }

// folderer makes, fills, renames and deletes the folders of an account.
func (c *crash) folderer(ctx context.Context, i *instance, account int) error {
	n := 0
	return c.imapClient(ctx, i, account, func(s *session) error {
		folder := folderName(rand.IntN(folders))
		name := c.folderNow(s.who.Address, folder)
		n++
		switch k := rand.IntN(10); {
		case name == "":
			return s.makeFolder(folder)
		case k < 6:
			names := []string{messageName(appended, c.round, 100+account, 2*n), messageName(appended, c.round, 100+account, 2*n+1)}
			c.putInto(thingID{s.who.Address, folder}, names)
			_, err := s.put(name, anyFlags(), names)
			return err
		case k < 9:
			return s.renameFolder(folder, name)
		}
		return s.deleteFolder(folder, name)
	})
}

// folderNow is the name that a folder has now, "" if it is not there.
func (c *crash) folderNow(account, folder string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.things[folderThing(account, folder)]
	if t == nil || len(t.may[0]) == 0 {
		return ""
	}
	return t.may[0][0].box
}

// putInto remembers what is about to be put into a folder.
func (c *crash) putInto(folder thingID, names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFolder[folder] = append(c.inFolder[folder], names...)
}

func (s *session) makeFolder(folder string) error {
	s.c.reborn(s.who.Address, folder)
	op := s.c.create(opCreated, place{folder, ""}, folderThing(s.who.Address, folder))
	if err := s.conn.run("CREATE "+quotedBox(folder), nil); err != nil {
		return err
	}
	op.done()
	return nil
}

// contents are a folder and all that was ever put into it.
func (s *session) contents(folder string) []thingID {
	ids := []thingID{folderThing(s.who.Address, folder)}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for _, name := range s.c.inFolder[thingID{s.who.Address, folder}] {
		ids = append(ids, thingID{s.who.Address, name})
	}
	return ids
}

// renameFolder takes the messages along: all have the new name, or none.
func (s *session) renameFolder(folder, from string) error {
	to := folder + renamed
	if from == to {
		to = folder
	}
	op, _ := s.c.begin(opRenamed, true, s.contents(folder), func(_ thingID, now []place) ([]place, bool) {
		p, ok := in(now, from)
		return without(now, from, place{to, p.flags}), ok
	})
	if err := s.conn.run("RENAME "+quotedBox(from)+" "+quotedBox(to), nil); err != nil {
		return err
	}
	op.done()
	return nil
}

// deleteFolder removes the messages too; they may go before the mailbox does.
func (s *session) deleteFolder(folder, name string) error {
	op, _ := s.c.begin(opDeleted, false, s.contents(folder), func(_ thingID, now []place) ([]place, bool) {
		_, ok := in(now, name)
		return without(now, name), ok
	})
	if err := s.conn.run("DELETE "+quotedBox(name), nil); err != nil {
		return err
	}
	op.done()
	return nil
}
