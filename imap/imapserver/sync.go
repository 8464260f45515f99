package imapserver

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/mailstead/mailstead/mailbox"
)

// openBox is the selected mailbox as this client knows it.
type openBox struct {
	id       mailbox.ID
	name     string
	validity mailbox.UIDValidity
	readOnly bool
	seqs     seqs
	// modSeq is up to where the change feed of the account was read.
	modSeq mailbox.ModSeq
	// gone was expunged, but the client was not told yet: its numbers stay.
	gone *mailbox.UIDSet
	// own are changes that the client made or was told of already, in the
	// order of their mod-sequences.
	own []ownChange
	// others are messages that somebody else has changed between modSeq and
	// scanned: a change of our own hides theirs in the feed.
	others  *mailbox.UIDSet
	scanned mailbox.ModSeq
	// saved is "$" (RFC 5182).
	saved    *mailbox.UIDSet
	keywords []string // announced
	told     uint32   // EXISTS as announced
}

// ownChange is what one transaction of this session did.
type ownChange struct {
	modSeq mailbox.ModSeq
	uids   *mailbox.UIDSet
}

// isOwn reports whether a change was made by this session.
func (b *openBox) isOwn(c mailbox.Change) bool {
	i, found := slices.BinarySearchFunc(b.own, c.ModSeq, func(o ownChange, m mailbox.ModSeq) int { return cmp.Compare(o.modSeq, m) })
	return found && b.own[i].uids.Contains(c.UID)
}

// scan notes what others have changed so far, before a change of our own
// takes the place of theirs in the feed.
func (b *openBox) scan(v *mailbox.View) error {
	for c, err := range v.Changes(b.id, b.scanned) {
		if err != nil {
			return err
		}
		if c.Kind == mailbox.Changed && !b.isOwn(c) {
			b.others.Add(c.UID)
		}
	}
	b.scanned = v.ModSeq()
	return nil
}

// news is what happened in the selected mailbox since the last sync.
type news struct {
	changed  mailbox.UIDSet // flags
	keywords bool
	deleted  bool // the mailbox is no more
}

// sync tells the client what has happened in the selected mailbox (RFC 9051
// section 5.2): read from the change feed, nothing is queued. Expunged
// messages keep their numbers until they may be told.
func (s *session) sync(ctx context.Context, expunge bool) error {
	b := s.box
	if b == nil {
		return nil
	}
	n, err := s.readNews(ctx)
	if err != nil {
		return err
	}
	if n.deleted {
		s.bye("", "The selected mailbox was deleted") // RFC 2180 section 3.3
		return nil
	}
	if expunge && !b.gone.Empty() {
		if err := s.tellExpunged(); err != nil {
			return err
		}
	}
	if b.seqs.len() != b.told {
		b.told = b.seqs.len()
		s.out.Raw("* ").Number(uint64(b.told)).Raw(" EXISTS\r\n")
	}
	if n.keywords {
		s.announceFlags()
	}
	if n.changed.Empty() {
		return nil
	}
	return s.writeChanged(ctx, &n.changed, true)
}

// readNews brings the list of messages up to date, in one snapshot.
func (s *session) readNews(ctx context.Context) (news, error) {
	var n news
	b := s.box
	err := s.account.View(ctx, func(v *mailbox.View) error {
		if v.ModSeq() == b.modSeq {
			return nil
		}
		_, err := v.Mailbox(b.id)
		if errors.Is(err, mailbox.ErrNotFound) {
			n.deleted = true
			return nil
		}
		if err != nil {
			return err
		}
		if v.Floor() > b.modSeq {
			b.compare(v, &n)
		} else if err := b.follow(v, &n); err != nil {
			return err
		}
		if k := v.Keywords(); !slices.Equal(k, b.keywords) {
			b.keywords, n.keywords = k, true
		}
		b.follows(v.ModSeq())
		return nil
	})
	return n, err
}

// follows says that the client knows, or is about to be told, all up to m.
func (b *openBox) follows(m mailbox.ModSeq) {
	b.modSeq, b.scanned, b.own, b.others = m, m, nil, &mailbox.UIDSet{}
}

// follow reads the change feed.
func (b *openBox) follow(v *mailbox.View, n *news) error {
	known := b.seqs.last()
	var added []mailbox.UID
	for c, err := range v.Changes(b.id, b.modSeq) {
		switch {
		case err != nil:
			return err
		case c.Kind == mailbox.Expunged:
			if b.seqs.seq(c.UID) != 0 {
				b.gone.Add(c.UID)
			}
		case c.UID > known:
			added = append(added, c.UID)
		case !b.isOwn(c), b.others.Contains(c.UID):
			n.changed.Add(c.UID)
		}
	}
	slices.Sort(added) // the feed is in the order of changes
	for _, u := range added {
		b.seqs.add(u)
	}
	return nil
}

// compare looks at all messages, because the feed has forgotten some of what
// was expunged since this session looked last.
func (b *openBox) compare(v *mailbox.View, n *news) {
	known := b.seqs.last()
	var now seqs
	for _, u := range v.UIDs(b.id, nil) {
		now.add(u)
	}
	for _, r := range b.seqs.runs {
		for u := r.first; ; u++ {
			if now.seq(u) == 0 {
				b.gone.Add(u)
			} else {
				n.changed.Add(u)
			}
			if u == r.last {
				break
			}
		}
	}
	for _, r := range now.runs {
		if r.last > known {
			b.seqs.addRange(max(r.first, known+1), r.last)
		}
	}
}

// tellExpunged writes EXPUNGE responses, from the last message to the first,
// so that no number is shifted by those before it.
func (s *session) tellExpunged() error {
	b := s.box
	removed := b.seqs.remove(b.gone)
	for i := len(removed) - 1; i >= 0; i-- {
		for n := removed[i].last; n >= removed[i].first; n-- {
			s.out.Raw("* ").Number(uint64(n)).Raw(" EXPUNGE\r\n")
			b.told--
		}
		if s.out.Full() {
			if err := s.out.Flush(); err != nil {
				return err
			}
		}
	}
	if b.saved != nil { // RFC 5182 section 2.1: expunged messages leave "$"
		b.saved = without(b.saved, b.gone)
	}
	b.gone = &mailbox.UIDSet{}
	return nil
}

// without returns the UIDs of a that are not in b.
func without(a, b *mailbox.UIDSet) *mailbox.UIDSet {
	var q seqs
	for r := range a.Ranges() {
		q.addRange(r.First, r.Last)
	}
	q.remove(b)
	left := &mailbox.UIDSet{}
	for _, r := range q.runs {
		left.AddRange(r.first, r.last)
	}
	return left
}

// changedPage is how many messages writeChanged looks at in one snapshot.
const changedPage = 1000

// writeChanged writes FETCH responses with flags, mod-sequences where the
// client wants them, and UIDs. Without flags only mod-sequences are written
// (STORE .SILENT). Nothing is written to the connection inside a snapshot.
func (s *session) writeChanged(ctx context.Context, uids *mailbox.UIDSet, flags bool) error {
	for from := mailbox.UID(1); from != 0; {
		var next mailbox.UID
		err := s.account.View(ctx, func(v *mailbox.View) error {
			names := v.Keywords()
			n := 0
			for m, err := range v.Messages(s.box.id, uids, from) {
				if err != nil {
					return err
				}
				if n++; n > changedPage {
					next = m.UID
					return nil
				}
				s.writeChange(names, m, flags)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if from = next; s.out.Full() {
			if err := s.out.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) writeChange(names []string, m *mailbox.Message, flags bool) {
	seq := s.box.seqs.seq(m.UID)
	if seq == 0 {
		return
	}
	e := s.out
	e.Raw("* ").Number(uint64(seq)).Raw(" FETCH (UID ").Number(uint64(m.UID))
	if flags {
		e.Raw(" FLAGS ")
		writeFlags(e, names, m.Flags, m.Keywords)
	}
	if s.condStore {
		e.Raw(" MODSEQ (").Number(uint64(m.ModSeq)).Raw(")")
	}
	e.Raw(")\r\n")
}
