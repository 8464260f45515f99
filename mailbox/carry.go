package mailbox

import (
	"context"
	"encoding/binary"
	"fmt"
)

// NextEmail is the ID that the next message of the account gets: all that are
// there have smaller ones.
func (v *View) NextEmail() EmailID { return EmailID(number(v.tx.Get(bucketState, stateNextEmail), 1)) }

// RenewUIDs gives a mailbox another UIDVALIDITY, so that clients forget what
// they know of its UIDs (RFC 9051 section 2.3.1.1): for data that has gone back
// to what it was, while clients have seen more.
func (a *Account) RenewUIDs(ctx context.Context, box ID) error {
	err := a.update(ctx, func(t *tx) error {
		m, err := t.box(box)
		if err != nil {
			return err
		}
		if m.UIDValidity, err = t.newUIDValidity(); err != nil {
			return err
		}
		m.HighestModSeq = t.next()
		return nil
	})
	if err != nil {
		return fmt.Errorf("renew the UIDs of mailbox %d: %w", box, err)
	}
	return nil
}

// PlaceStaged files to INBOX what was accepted for an Append of several messages
// that never came to its end, and returns how many those are. Nothing else may
// work with the account meanwhile.
func (a *Account) PlaceStaged(ctx context.Context) (placed int, err error) {
	err = a.update(ctx, func(t *tx) error {
		placed = 0
		var keys [][]byte
		for k := range t.rw.Scan(bucketStaged, nil, nil) {
			if len(k) == 16 {
				keys = append(keys, append([]byte(nil), k...))
			}
		}
		if len(keys) == 0 {
			return nil
		}
		inbox, err := t.box(Inbox)
		if err != nil {
			return err
		}
		for _, k := range keys {
			id := EmailID(binary.BigEndian.Uint64(k[8:]))
			e, err := t.email(id)
			if err != nil {
				return err
			}
			if _, err := t.place(inbox, id, e.clientSize(), 0, 0); err != nil {
				return err
			}
			if err := t.rw.Delete(bucketStaged, k); err != nil {
				return err
			}
			placed++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("file what was staged: %w", err)
	}
	return placed, nil
}
