package mailbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// chunk is how many messages one transaction changes: it keeps all its pages in
// memory, some 20 KB a message that is expunged, and deliveries to the account
// wait for it. The RFCs ask for no more than that each message changes as a
// whole.
const chunk = 2_000

// target is one message that a chunk is about.
type target struct {
	uid UID
	row messageRow
}

// collect reads up to chunk messages of set from a UID on, before any is
// changed: rows must not be written while they are walked.
func (t *tx) collect(box ID, set *UIDSet, from UID, want func(*Message) bool) (found []target, more bool, err error) {
	for m, err := range t.Messages(box, set, from) {
		if err != nil {
			return nil, false, err
		}
		if len(found) == chunk {
			return found, true, nil
		}
		if want == nil || want(m) {
			found = append(found, target{m.UID, m.row})
		}
	}
	return found, false, nil
}

// inChunks runs fn in one transaction after the other, until a chunk was the
// last. fn returns the UID to go on from, or 0.
func (a *Account) inChunks(ctx context.Context, fn func(t *tx, from UID) (next UID, err error)) error {
	from := UID(1)
	for from != 0 {
		var next UID
		err := a.update(ctx, func(t *tx) (err error) {
			next, err = fn(t, from)
			return err
		})
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

func nextFrom(found []target, more bool) UID {
	if !more || found[len(found)-1].uid == ^UID(0) {
		return 0
	}
	return found[len(found)-1].uid + 1
}

// StoreFlags changes flags and keywords of the messages in set. Those that
// changed after unchangedSince are left alone and returned (RFC 7162 section
// 3.1.3). A message whose flags are so already does not change.
func (a *Account) StoreFlags(ctx context.Context, box ID, set *UIDSet, c FlagChange, unchangedSince ModSeq) (FlagResult, error) {
	res := FlagResult{Modified: &UIDSet{}}
	err := a.inChunks(ctx, func(t *tx, from UID) (UID, error) {
		if from == 1 {
			res = FlagResult{Modified: &UIDSet{}}
		}
		m, err := t.box(box)
		if err != nil {
			return 0, err
		}
		keywords, err := t.changedKeywords(c)
		if err != nil {
			return 0, err
		}
		found, more, err := t.collect(box, set, from, nil)
		for _, f := range found {
			if f.row.modseq > unchangedSince {
				res.Modified.Add(f.uid)
				continue
			}
			flags, bits := c.apply(f.row.flags, f.row.keywords, keywords)
			if err := t.setFlags(m, f.uid, f.row, flags, bits); err != nil {
				return 0, err
			}
		}
		res.ModSeq, res.Changed = m.HighestModSeq, res.Changed || t.taken
		return nextFrom(found, more), err
	})
	if err != nil {
		return FlagResult{}, fmt.Errorf("store flags in mailbox %d: %w", box, err)
	}
	if res.Changed {
		a.boxes.opts.Touched(a.id)
	}
	return res, nil
}

// changedKeywords returns the bits of a change; to remove a keyword nobody has
// needs no bit.
func (t *tx) changedKeywords(c FlagChange) (uint64, error) {
	if c.Op != RemoveFlags {
		return t.keywordBits(c.Keywords)
	}
	var bits uint64
	for i, name := range t.Keywords() {
		for _, k := range c.Keywords {
			if equalFold(name, k) {
				bits |= 1 << i
			}
		}
	}
	return bits, nil
}

func (c FlagChange) apply(flags Flags, keywords, bits uint64) (Flags, uint64) {
	switch c.Op {
	case AddFlags:
		return flags | c.Flags, keywords | bits
	case RemoveFlags:
		return flags &^ c.Flags, keywords &^ bits
	}
	return c.Flags, bits
}

// Copy copies messages to another mailbox of the account, flags and all, at
// once: all or none up to chunk messages, then chunk by chunk. Bodies are not
// copied. It fails with ErrNotFound or ErrOverQuota.
func (a *Account) Copy(ctx context.Context, from ID, set *UIDSet, to ID) (CopyResult, error) {
	return a.transfer(ctx, from, set, to, false)
}

// Move moves messages; each is at every moment in exactly one of the two
// mailboxes (RFC 6851 section 3.3).
func (a *Account) Move(ctx context.Context, from ID, set *UIDSet, to ID) (CopyResult, error) {
	return a.transfer(ctx, from, set, to, true)
}

func (a *Account) transfer(ctx context.Context, from ID, set *UIDSet, to ID, move bool) (CopyResult, error) {
	var res CopyResult
	last, chunkAt, done := ^UID(0), UID(0), 0 // done: results of earlier chunks; this one may run again
	err := a.inChunks(ctx, func(t *tx, first UID) (UID, error) {
		if first != chunkAt {
			chunkAt, done = first, len(res.Source)
		}
		src, err := t.box(from)
		if err != nil {
			return 0, err
		}
		dst, err := t.box(to)
		if err != nil {
			return 0, err
		}
		if first == 1 {
			last = src.UIDNext - 1 // copies into the same mailbox are not copied again
		}
		res.UIDValidity = dst.UIDValidity
		found, more, err := t.collect(from, set, first, func(m *Message) bool { return m.UID <= last })
		if err != nil {
			return 0, err
		}
		res.Source, res.Dest = res.Source[:done], res.Dest[:done]
		for _, f := range found {
			uid, err := t.copyOne(dst, f, move)
			if err != nil {
				return 0, err
			}
			if move {
				if err := t.remove(src, f.uid, f.row); err != nil {
					return 0, err
				}
			}
			res.Source, res.Dest = append(res.Source, f.uid), append(res.Dest, uid)
		}
		if len(found) > 0 {
			res.ModSeq = t.next()
		}
		return nextFrom(found, more), nil
	})
	if err != nil {
		return CopyResult{}, fmt.Errorf("copy from mailbox %d to %d: %w", from, to, err)
	}
	if len(res.Source) > 0 {
		a.boxes.opts.Touched(a.id)
	}
	return res, nil
}

func (t *tx) copyOne(dst *Mailbox, f target, move bool) (UID, error) {
	e, err := t.email(f.row.email)
	if err != nil {
		return 0, err
	}
	if !move {
		u := t.Usage()
		u.Bytes, u.Messages = t.used.bytes, t.used.messages
		if err := u.fits(e.clientSize(), 1); err != nil {
			return 0, err
		}
	}
	return t.place(dst, f.row.email, e.clientSize(), f.row.flags, f.row.keywords)
}

// Expunge removes the messages with \Deleted that are in set (nil: all).
func (a *Account) Expunge(ctx context.Context, box ID, set *UIDSet) (ExpungeResult, error) {
	return a.expunge(ctx, box, set, func(m *Message) bool { return m.Flags&Deleted != 0 })
}

func (a *Account) expunge(ctx context.Context, box ID, set *UIDSet, want func(*Message) bool) (ExpungeResult, error) {
	res := ExpungeResult{UIDs: &UIDSet{}}
	err := a.inChunks(ctx, func(t *tx, from UID) (UID, error) {
		if from == 1 {
			res = ExpungeResult{UIDs: &UIDSet{}}
		}
		m, err := t.box(box)
		if err != nil {
			return 0, err
		}
		found, more, err := t.collect(box, set, from, want)
		for _, f := range found {
			if err := t.remove(m, f.uid, f.row); err != nil {
				return 0, err
			}
			res.UIDs.Add(f.uid)
		}
		res.ModSeq = m.HighestModSeq
		if err == nil {
			err = t.pruneFeed(a.boxes.opts.KeepExpunged())
		}
		return nextFrom(found, more), err
	})
	if err != nil {
		return ExpungeResult{}, fmt.Errorf("expunge mailbox %d: %w", box, err)
	}
	return res, nil
}

// pruneGroup bounds what one transaction forgets.
const pruneGroup = 1_000

// pruneFeed forgets what was expunged long ago and raises the floor.
func (t *tx) pruneFeed(keep time.Duration) error {
	limit := t.now.Add(-keep).Unix()
	var old [][]byte
	floor, seen := ModSeq(0), 0
	for k, v := range t.rw.Scan(bucketFeed, nil, nil) {
		c, row, err := decodeFeed(k, v)
		if err != nil {
			return err
		}
		if row.when > limit || seen == 4*pruneGroup || len(old) == pruneGroup {
			break // rows are nearly in the order of time
		}
		seen++
		if c.Kind == Expunged {
			old, floor = append(old, append([]byte(nil), k...)), c.ModSeq
		}
	}
	for _, k := range old {
		if err := t.rw.Delete(bucketFeed, k); err != nil {
			return err
		}
	}
	if floor > t.Floor() {
		return t.rw.Put(bucketState, stateFloor, key64(uint64(floor)))
	}
	return nil
}

// Places returns where an email is: a mailbox and a UID for each copy.
func (v *View) Places(id EmailID) (places []Change) {
	for k := range v.tx.Scan(bucketWhere, key64(uint64(id)), key64(uint64(id)+1)) {
		if len(k) == 16 {
			places = append(places, Change{Mailbox: ID(binary.BigEndian.Uint32(k[8:])), UID: UID(binary.BigEndian.Uint32(k[12:])), Email: id})
		}
	}
	return places
}
