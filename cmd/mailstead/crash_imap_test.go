package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Messages are moved one way only, and copied once: so a UID that a client
// has read stays good for as long as the message is in the mailbox.
const (
	boxMoved  = "Moved"  // from INBOX and those of the appenders
	boxOld    = "Old"    // from Moved
	boxCopies = "Copies" // from those of the appenders
	appenders = 4
)

func appendBox(worker int) string { return fmt.Sprintf("App%d", worker) }

// crashBoxes are the mailboxes that an account has all the time, beside those
// that it is born with.
func crashBoxes(account int) []string {
	boxes := []string{boxMoved, boxOld, boxCopies}
	for w := range appenders {
		if w%2 == account {
			boxes = append(boxes, appendBox(w))
		}
	}
	return boxes
}

// appender puts messages into a mailbox of its own, and copies some of them.
func (c *crash) appender(ctx context.Context, i *instance, worker int) error {
	box, n := appendBox(worker), 0
	var mine []uidMessage // that were not copied
	return c.imapClient(ctx, i, worker%2, func(s *session) (err error) {
		if n == 0 {
			if _, err := s.selected(box); err != nil {
				return err
			}
		}
		if len(mine) > 10 && rand.IntN(5) == 0 {
			mine, err = s.copySome(box, mine)
			return err
		}
		count := 1
		if rand.IntN(3) == 0 {
			count = 2 + rand.IntN(4)
		}
		var names []string
		for range count {
			names, n = append(names, messageName(appended, c.round, worker, n)), n+1
		}
		msgs, err := s.put(box, anyFlags(), names)
		mine = append(mine, msgs...)
		return err
	})
}

// copySome copies some messages of the selected mailbox, and returns the
// others. COPY is all or nothing (RFC 9051 section 6.4.7).
func (s *session) copySome(box string, mine []uidMessage) (rest []uidMessage, err error) {
	n := 1 + rand.IntN(6)
	some, rest := mine[:n], mine[n:]
	if err := s.conn.run("NOOP", nil); err != nil { // be told of them
		return nil, err
	}
	op, ids := s.c.begin(opCopied, true, thingsOf(s.who.Address, some), func(_ thingID, now []place) ([]place, bool) {
		p, ok := in(now, box)
		return without(now, boxCopies, place{boxCopies, p.flags}), ok
	})
	if op == nil {
		return rest, nil
	}
	return rest, s.transfer(op, "UID COPY", only(some, s.who.Address, ids), boxCopies)
}

// transfer copies or moves messages.
func (s *session) transfer(op *clientOp, command string, msgs []uidMessage, to string) error {
	var code []string
	see := func(line string) {
		if m := copyUID.FindStringSubmatch(line); m != nil {
			code = m
		}
	}
	if err := s.conn.run(command+" "+uidList(msgs)+" "+quotedBox(to), func(line []byte) { see(string(line)) }); err != nil {
		return err
	}
	see(s.conn.said)
	if code == nil {
		return fmt.Errorf("%s: no COPYUID in %q", command, s.conn.said)
	}
	var names []string
	for _, uid := range parseUIDs(code[2]) {
		if k := slices.IndexFunc(msgs, func(m uidMessage) bool { return m.uid == uid }); k >= 0 {
			names = append(names, msgs[k].name)
		}
	}
	if len(names) != len(msgs) {
		return fmt.Errorf("%s of %s: %q", command, uidList(msgs), code[0])
	}
	s.c.announce(s.who.Address, to, parseValidity(code[1]), parseUIDs(code[3]), names)
	op.done()
	return nil
}

// changer changes flags, moves and expunges messages in all mailboxes of an
// account. Two share an account, each with messages of its own.
func (c *crash) changer(ctx context.Context, i *instance, worker int) error {
	account, half := worker%2, uint32(worker/2)
	boxes := append([]string{"INBOX", "INBOX", "INBOX"}, crashBoxes(account)...)
	return c.imapClient(ctx, i, account, func(s *session) error {
		box := boxes[rand.IntN(len(boxes))]
		n, err := s.selected(box)
		if err != nil || n == 0 {
			return err
		}
		from := 1 + rand.IntN(n)
		msgs, err := s.messages(from, min(from+15, n))
		msgs = slices.DeleteFunc(msgs, func(m uidMessage) bool { return crc32.ChecksumIEEE([]byte(m.name))%2 != half })
		msgs = msgs[:min(len(msgs), 6)]
		if err != nil && strings.Contains(err.Error(), "[EXPUNGEISSUED]") { // by the other changer
			return nil
		}
		if err != nil || len(msgs) == 0 {
			return err
		}
		switch k := rand.IntN(10); {
		case k < 6:
			return s.changeFlags(box, msgs)
		case k < 8 && box == boxMoved:
			return s.move(box, boxOld, msgs)
		case k < 8 && (box == "INBOX" || strings.HasPrefix(box, "App")):
			return s.move(box, boxMoved, msgs)
		case k == 9:
			return s.expunge(box, msgs)
		}
		return nil
	})
}

// messages reads which messages the selected mailbox has, by their numbers.
func (s *session) messages(from, to int) (msgs []uidMessage, err error) {
	err = s.conn.run(fmt.Sprintf("FETCH %d:%d (UID ENVELOPE)", from, to), func(line []byte) {
		if m := fetched.FindSubmatch(line); m != nil {
			uid, _ := strconv.ParseUint(string(m[1]), 10, 32)
			msgs = append(msgs, uidMessage{imap.UID(uid), string(m[2])})
		}
	})
	return msgs, err
}

var someFlags = []string{`$Later`, `Todo`, `\Answered`, `\Draft`, `\Flagged`, `\Seen`}

// anyFlags returns a random set of flags, in the order of flagSet.
func anyFlags() string {
	var flags []string
	for _, f := range someFlags {
		if rand.IntN(3) == 0 {
			flags = append(flags, f)
		}
	}
	return strings.Join(flags, " ")
}

// flagSet sorts flags and leaves out doubles.
func flagSet(flags []string) string {
	slices.Sort(flags)
	return strings.Join(slices.Compact(flags), " ")
}

func (s *session) changeFlags(box string, msgs []uidMessage) error {
	item, change := []string{"+FLAGS", "-FLAGS", "FLAGS"}[rand.IntN(3)], anyFlags()
	silent := []string{"", ".SILENT"}[rand.IntN(2)]
	return s.store(box, msgs, opFlags, item+silent, func(now []string) []string {
		given := strings.Fields(change)
		switch item {
		case "+FLAGS":
			return append(now, given...)
		case "-FLAGS":
			return slices.DeleteFunc(now, func(f string) bool { return slices.Contains(given, f) })
		}
		return given
	}, change)
}

// store changes the flags of messages; each may change by itself.
func (s *session) store(box string, msgs []uidMessage, name, item string, change func(now []string) []string, flags string) error {
	op, ids := s.c.begin(name, false, thingsOf(s.who.Address, msgs), func(_ thingID, now []place) ([]place, bool) {
		p, ok := in(now, box)
		return without(now, box, place{box, flagSet(change(strings.Fields(p.flags)))}), ok
	})
	if op == nil {
		return nil
	}
	if err := s.conn.run("UID STORE "+uidList(only(msgs, s.who.Address, ids))+" "+item+" ("+flags+")", nil); err != nil {
		return err
	}
	op.done()
	return nil
}

// move moves messages: each is in exactly one of the two at every moment
// (RFC 6851 section 3.3).
func (s *session) move(from, to string, msgs []uidMessage) error {
	op, ids := s.c.begin(opMoved, false, thingsOf(s.who.Address, msgs), func(_ thingID, now []place) ([]place, bool) {
		p, ok := in(now, from)
		return without(now, from, place{to, p.flags}), ok
	})
	if op == nil {
		return nil
	}
	return s.transfer(op, "UID MOVE", only(msgs, s.who.Address, ids), to)
}

// expunge removes messages for good.
func (s *session) expunge(box string, msgs []uidMessage) error {
	mark := func(now []string) []string { return append(now, `\Deleted`) }
	if err := s.store(box, msgs, opFlags, "+FLAGS.SILENT", mark, `\Deleted`); err != nil {
		return err
	}
	op, ids := s.c.begin(opExpunged, false, thingsOf(s.who.Address, msgs), func(_ thingID, now []place) ([]place, bool) {
		p, ok := in(now, box)
		return without(now, box), ok && strings.Contains(p.flags, `\Deleted`)
	})
	if op == nil {
		return nil
	}
	if err := s.conn.run("UID EXPUNGE "+uidList(only(msgs, s.who.Address, ids)), nil); err != nil {
		return err
	}
	op.done()
	return nil
}
