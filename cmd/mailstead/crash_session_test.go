package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// uidMessage is a message as a client found it in a mailbox.
type uidMessage struct {
	uid  imap.UID
	name string
}

func uidList(msgs []uidMessage) string {
	var set imap.UIDSet
	for _, m := range msgs {
		set.AddNum(m.uid)
	}
	return set.String()
}

func thingsOf(account string, msgs []uidMessage) (ids []thingID) {
	for _, m := range msgs {
		ids = append(ids, thingID{account, m.name})
	}
	return ids
}

// only returns the messages whose things are in ids.
func only(msgs []uidMessage, account string, ids []thingID) []uidMessage {
	return slices.DeleteFunc(slices.Clone(msgs), func(m uidMessage) bool { return !slices.Contains(ids, thingID{account, m.name}) })
}

var (
	appendUID = regexp.MustCompile(`\[APPENDUID (\d+) ([0-9:,]+)\]`)
	copyUID   = regexp.MustCompile(`\[COPYUID (\d+) ([0-9:,]+) ([0-9:,]+)\]`)
	exists    = regexp.MustCompile(`^\* (\d+) EXISTS`)
	fetched   = regexp.MustCompile(`^\* \d+ FETCH \(.*\bUID (\d+).*"<([^"]*)` + nameDomain + `"`)
)

// parseUIDs reads a set of a response code, in its order (RFC 4315 section 3).
func parseUIDs(s string) (uids []imap.UID) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, ":")
		if !isRange {
			to = from
		}
		a, _ := strconv.ParseUint(from, 10, 32)
		b, _ := strconv.ParseUint(to, 10, 32)
		for uid := min(a, b); uid <= max(a, b); uid++ {
			uids = append(uids, imap.UID(uid))
		}
	}
	return uids
}

func parseValidity(s string) uint32 {
	v, _ := strconv.ParseUint(s, 10, 32)
	return uint32(v)
}

// session is one client of IMAP.
type session struct {
	c    *crash
	who  tryAccount
	conn *imapConn
}

// imapClient runs steps of a client until the connection breaks.
func (c *crash) imapClient(ctx context.Context, i *instance, account int, step func(s *session) error) error {
	conn, err := i.connectFast(i.Accounts[account])
	if err != nil {
		return err
	}
	defer conn.conn.Close()
	defer context.AfterFunc(ctx, func() { conn.conn.Close() })()
	s := &session{c: c, who: i.Accounts[account], conn: conn}
	for ctx.Err() == nil {
		if err := step(s); err != nil {
			return err
		}
	}
	return nil
}

// put appends messages to a mailbox with one command.
func (s *session) put(box, flags string, names []string) ([]uidMessage, error) {
	var ids []thingID
	for _, name := range names {
		ids = append(ids, thingID{s.who.Address, name})
	}
	kind := opAppended
	if len(names) > 1 {
		kind = opAppendedTogether
	}
	op := s.c.create(kind, place{box, flags}, ids...)
	s.conn.appends(quotedBox(box))
	for _, name := range names {
		s.conn.add("("+flags+") ", messageText(name))
	}
	if err := s.conn.commit(box); err != nil {
		return nil, err
	}
	m := appendUID.FindStringSubmatch(s.conn.said)
	if m == nil {
		return nil, fmt.Errorf("APPEND: %q tells no UID", s.conn.said)
	}
	uids := parseUIDs(m[2])
	s.c.announce(s.who.Address, box, parseValidity(m[1]), uids, names)
	op.done()
	var msgs []uidMessage
	for k := range min(len(uids), len(names)) {
		msgs = append(msgs, uidMessage{uids[k], names[k]})
	}
	return msgs, nil
}

func quotedBox(box string) string { return `"` + box + `"` }

// selected selects a mailbox and returns how many messages it has.
func (s *session) selected(box string) (n int, err error) {
	err = s.conn.run("SELECT "+quotedBox(box), func(line []byte) {
		if m := exists.FindSubmatch(line); m != nil {
			n, _ = strconv.Atoi(string(m[1]))
		}
	})
	return n, err
}
