package mailbox

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mailstead/mailstead/mailbox/store"
)

// maxProblems bounds what Check returns.
const maxProblems = 100

// Check compares all rows of an account with each other and opens every body.
// It returns what is wrong, in sentences; err says that it could not look.
func (b *Boxes) Check(ctx context.Context, id AccountID) (problems []string, err error) {
	var refs map[EmailID]store.Ref
	err = b.Account(id).View(ctx, func(v *View) error {
		c := &checker{v: v, uses: map[EmailID]int{}, refs: map[EmailID]store.Ref{}}
		if err := c.run(); err != nil {
			return err
		}
		problems, refs = c.problems, c.refs
		return nil
	})
	for email, ref := range refs {
		if len(problems) >= maxProblems || err != nil {
			break
		}
		body, oerr := b.eng.Open(ctx, ref)
		if oerr != nil {
			problems = append(problems, fmt.Sprintf("the body of email %d cannot be opened: %v", email, oerr))
			continue
		}
		err = body.Close()
	}
	return problems, err
}

type checker struct {
	v        *View
	problems []string
	uses     map[EmailID]int
	refs     map[EmailID]store.Ref
	used     usage
	rows     int // of bucket u
}

func (c *checker) wrong(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

func (c *checker) run() error {
	boxes, err := c.v.allMailboxes()
	if err != nil {
		return err
	}
	for _, m := range boxes {
		if err := c.mailbox(m); err != nil {
			return err
		}
	}
	if err := c.emails(); err != nil {
		return err
	}
	c.names(boxes)
	c.feed()
	u := c.v.Usage()
	if u.Bytes != c.used.bytes || u.Messages != c.used.messages {
		c.wrong("used is %d octets in %d messages, counted are %d in %d", u.Bytes, u.Messages, c.used.bytes, c.used.messages)
	}
	return nil
}

// mailbox counts the messages of one mailbox.
func (c *checker) mailbox(m Mailbox) error {
	var counted Mailbox
	for msg, err := range c.v.Messages(m.ID, nil, 1) {
		if err != nil {
			return err
		}
		c.rows++
		size, err := msg.Size()
		if err != nil {
			c.wrong("message %d of %q: %v", msg.UID, m.Name, err)
			continue
		}
		counted.Exists++
		counted.Size += size
		if msg.Flags&Seen == 0 {
			counted.Unseen++
		}
		if msg.Flags&Deleted != 0 {
			counted.Deleted++
		}
		c.uses[msg.Email]++
		c.used.bytes += size
		c.used.messages++
		c.message(m, msg)
	}
	if counted.Exists != m.Exists || counted.Unseen != m.Unseen || counted.Deleted != m.Deleted || counted.Size != m.Size {
		c.wrong("%q says %d messages, %d unseen, %d deleted, %d octets; counted are %d, %d, %d, %d", m.Name,
			m.Exists, m.Unseen, m.Deleted, m.Size, counted.Exists, counted.Unseen, counted.Deleted, counted.Size)
	}
	if m.HighestModSeq > c.v.ModSeq() {
		c.wrong("%q has mod-sequence %d, the account %d", m.Name, m.HighestModSeq, c.v.ModSeq())
	}
	return nil
}

// message checks what other buckets say of a message.
func (c *checker) message(m Mailbox, msg *Message) {
	if msg.UID >= m.UIDNext {
		c.wrong("%q has UID %d, its next is %d", m.Name, msg.UID, m.UIDNext)
	}
	if msg.ModSeq > m.HighestModSeq {
		c.wrong("message %d of %q has mod-sequence %d, the mailbox %d", msg.UID, m.Name, msg.ModSeq, m.HighestModSeq)
	}
	if c.v.tx.Get(bucketWhere, whereKey(msg.Email, m.ID, msg.UID)) == nil {
		c.wrong("message %d of %q has no row in x", msg.UID, m.Name)
	}
	row, err := decodeFeedRow(c.v.tx.Get(bucketFeed, feedKey(msg.ModSeq, m.ID, msg.UID)))
	if err != nil || row.kind != Changed || row.email != msg.Email {
		c.wrong("message %d of %q is not in the feed at %d", msg.UID, m.Name, msg.ModSeq)
	}
	if _, err := msg.Index(); err != nil {
		c.wrong("message %d of %q: index: %v", msg.UID, m.Name, err)
	}
}

// emails checks that each email is used, and as often as it is found.
func (c *checker) emails() error {
	staged := map[EmailID]bool{}
	for k := range c.v.tx.Scan(bucketStaged, nil, nil) {
		if len(k) == 16 {
			staged[EmailID(binary.BigEndian.Uint64(k[8:]))] = true
		}
	}
	for k, v := range c.v.tx.Scan(bucketEmail, nil, nil) {
		if len(k) != 8 {
			return errRow
		}
		id := EmailID(binary.BigEndian.Uint64(k))
		e, err := decodeEmail(v)
		if err != nil {
			c.wrong("email %d: %v", id, err)
			continue
		}
		c.refs[id] = e.ref
		if places := len(c.v.Places(id)); places != c.uses[id] {
			c.wrong("email %d is in %d places, its messages are %d", id, places, c.uses[id])
		}
		if c.uses[id] == 0 && !staged[id] {
			c.wrong("email %d is in no mailbox", id)
		}
		delete(c.uses, id)
	}
	for id := range c.uses {
		c.wrong("email %d is missing", id)
	}
	return nil
}

func (c *checker) names(boxes []Mailbox) {
	n := 0
	for k, v := range c.v.tx.Scan(bucketName, nil, nil) {
		n++
		if m, err := c.v.Mailbox(ID(number32(v))); err != nil || m.Name != string(k) {
			c.wrong("name %q leads to mailbox %d, which is %q (%v)", k, number32(v), m.Name, err)
		}
	}
	if n != len(boxes) {
		c.wrong("%d names for %d mailboxes", n, len(boxes))
	}
}

func number32(v []byte) uint32 {
	if len(v) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

// feed checks that it has one row a live message and none newer than the
// account.
func (c *checker) feed() {
	live := 0
	for ch, err := range c.v.Changes(0, 0) {
		if err != nil {
			c.wrong("feed: %v", err)
			return
		}
		if ch.Kind == Changed {
			live++
		}
		if ch.ModSeq > c.v.ModSeq() {
			c.wrong("the feed is at %d, the account at %d", ch.ModSeq, c.v.ModSeq())
		}
	}
	if live != c.rows {
		c.wrong("the feed has %d live rows for %d messages", live, c.rows)
	}
}
