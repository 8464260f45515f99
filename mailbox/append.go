package mailbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

// stagedKeep is how long messages of an Append that never ended are kept.
const stagedKeep = 24 * time.Hour

// Append adds messages to a mailbox: all of them or none (RFC 3502 section 3).
// It fails with ErrNotFound, ErrOverQuota or ErrTooManyKeywords.
func (a *Account) Append(ctx context.Context, box ID, msgs ...*NewMessage) (AppendResult, error) {
	res, err := a.append(ctx, box, msgs)
	if err == nil {
		a.boxes.opts.Touched(a.id)
	}
	return res, err
}

func (a *Account) append(ctx context.Context, box ID, msgs []*NewMessage) (AppendResult, error) {
	if len(msgs) == 1 {
		res, err := a.appendOne(ctx, box, msgs[0])
		if !errors.Is(err, errNotSimple) {
			return res, err
		}
	}
	return a.appendGroup(ctx, box, msgs)
}

// errNotSimple means that an Append has to look at all rows.
var errNotSimple = errors.New("mailbox: append needs a transaction")

// appendOne files a message as a delivery is filed: the log has it, and says
// where it belongs. So that takes one sync, and one transaction for many. Where
// the rows that are there leave doubt, it does nothing.
func (a *Account) appendOne(ctx context.Context, box ID, m *NewMessage) (AppendResult, error) {
	var res AppendResult
	err := a.Peek(ctx, func(v *View) error {
		b, err := v.Mailbox(box)
		if err != nil || !v.knows(m.Keywords) {
			return errNotSimple
		}
		res.UIDValidity = b.UIDValidity
		return nil
	})
	if err != nil {
		return res, err
	}
	meta, err := EncodeMeta(m.Index, a.boxes.opts.Now()) // SAVEDATE is now, whatever INTERNALDATE the client gives
	if err != nil {
		return res, err
	}
	if a.boxes.reserve(ctx, a.id, m.Size) != nil {
		return res, errNotSimple
	}
	x := extra{internal: a.boxes.received(m), keywords: m.Keywords, only: true}
	to := store.Recipient{Owner: a.id, Mailbox: uint32(box), Flags: uint32(m.Flags), Extra: x.encode()}
	uid, err := a.boxes.eng.AcceptApplied(ctx, &store.Message{To: []store.Recipient{to}, Meta: meta, Body: m.Body, Size: m.Size})
	if err == nil && uid == 0 {
		err = ErrNotFound // it was deleted meanwhile
	}
	if err != nil {
		a.boxes.spend(a.id, -m.Size, -1)
		return AppendResult{}, fmt.Errorf("append to mailbox %d: %w", box, err)
	}
	res.UIDs = []UID{UID(uid)}
	return res, nil
}

// knows reports whether the account has all of these keywords.
func (v *View) knows(keywords []string) bool {
	if len(keywords) == 0 {
		return true
	}
	known := v.Keywords()
	for _, k := range keywords {
		if !slices.ContainsFunc(known, func(n string) bool { return strings.EqualFold(n, k) }) {
			return false
		}
	}
	return true
}

// appendGroup puts the bodies of messages on stable storage first, out of
// sight; then one transaction places them, so that nobody sees a part.
func (a *Account) appendGroup(ctx context.Context, box ID, msgs []*NewMessage) (AppendResult, error) {
	group := rand.Uint64() | 1 // never 0
	if err := a.stage(ctx, group, msgs); err != nil {
		return AppendResult{}, errors.Join(fmt.Errorf("append to mailbox %d: %w", box, err), a.unstage(ctx, group))
	}
	var res AppendResult
	err := a.update(ctx, func(t *tx) error {
		res = AppendResult{}
		m, err := t.box(box)
		if err != nil {
			return err
		}
		if err := t.placeGroup(group, m, msgs, &res); err != nil {
			return err
		}
		res.UIDValidity = m.UIDValidity
		return t.dropOldStaged()
	})
	if err != nil {
		return AppendResult{}, errors.Join(fmt.Errorf("append to mailbox %d: %w", box, err), a.unstage(ctx, group))
	}
	return res, nil
}

// stage accepts the messages of a group.
func (a *Account) stage(ctx context.Context, group uint64, msgs []*NewMessage) error {
	records := make([]*store.Message, len(msgs))
	for i, m := range msgs {
		// The record has the time of now, whatever INTERNALDATE the client gives:
		// by it stage tells what was left over long ago.
		meta, err := EncodeMeta(m.Index, a.boxes.opts.Now())
		if err != nil {
			return err
		}
		x := extra{group: group, internal: a.boxes.received(m)}
		records[i] = &store.Message{To: []store.Recipient{{Owner: a.id, Extra: x.encode()}}, Meta: meta, Body: m.Body, Size: m.Size}
	}
	if err := a.boxes.eng.AcceptAll(ctx, records); err != nil {
		return err
	}
	for _, m := range msgs {
		a.boxes.spend(a.id, m.Size, 1)
	}
	return nil
}

// stage writes down an email that is in no mailbox yet.
func (t *tx) stage(group uint64, id EmailID) error {
	return t.rw.Put(bucketStaged, binary.BigEndian.AppendUint64(key64(group), uint64(id)), key64(uint64(t.now.Unix())))
}

// staged returns the emails of a group, in the order of acceptance.
func (t *tx) staged(group uint64) []EmailID {
	var ids []EmailID
	end := binary.BigEndian.AppendUint64(key64(group), ^uint64(0))
	for k := range t.rw.Scan(bucketStaged, key64(group), end) {
		ids = append(ids, EmailID(binary.BigEndian.Uint64(k[8:])))
	}
	return ids
}

func (t *tx) placeGroup(group uint64, m *Mailbox, msgs []*NewMessage, res *AppendResult) error {
	ids := t.staged(group)
	if len(ids) != len(msgs) {
		return fmt.Errorf("mailbox: %d of %d appended messages are staged", len(ids), len(msgs))
	}
	for i, id := range ids {
		e, err := t.email(id)
		if err != nil {
			return err
		}
		u := t.Usage()
		u.Bytes, u.Messages = t.used.bytes, t.used.messages
		if err := u.fits(e.clientSize(), 1); err != nil {
			return err
		}
		keywords, err := t.keywordBits(msgs[i].Keywords)
		if err != nil {
			return err
		}
		uid, err := t.place(m, id, e.clientSize(), msgs[i].Flags, keywords)
		if err != nil {
			return err
		}
		if err := t.rw.Delete(bucketStaged, binary.BigEndian.AppendUint64(key64(group), uint64(id))); err != nil {
			return err
		}
		res.UIDs = append(res.UIDs, uid)
	}
	return nil
}

// unstage lets go of a group that was not placed. It runs even when the
// client has gone.
func (a *Account) unstage(ctx context.Context, group uint64) error {
	return a.update(context.WithoutCancel(ctx), func(t *tx) error {
		for _, id := range t.staged(group) {
			if err := t.dropStaged(group, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) dropStaged(group uint64, id EmailID) error {
	e, err := t.email(id)
	if err != nil {
		return err
	}
	if err := t.forget(id, &e); err != nil {
		return err
	}
	return t.rw.Delete(bucketStaged, binary.BigEndian.AppendUint64(key64(group), uint64(id)))
}

// dropOldStaged lets go of what a crash left staged.
func (t *tx) dropOldStaged() error {
	type staged struct {
		group uint64
		id    EmailID
	}
	var old []staged
	for k, v := range t.rw.Scan(bucketStaged, nil, nil) {
		if time.Unix(int64(number(v, 0)), 0).Before(t.now.Add(-stagedKeep)) && len(k) == 16 {
			old = append(old, staged{binary.BigEndian.Uint64(k), EmailID(binary.BigEndian.Uint64(k[8:]))})
		}
	}
	for _, s := range old {
		if err := t.dropStaged(s.group, s.id); err != nil {
			return err
		}
	}
	return nil
}
