package mailbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mailbox/store"
)

func equalFold(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// CreateMailbox makes a mailbox, and the ones above it that are missing. It
// fails with ErrName, ErrExists or ErrTooManyBoxes. A role that another
// mailbox has is refused with ErrExists (RFC 6154 section 3).
func (a *Account) CreateMailbox(ctx context.Context, name string, role Role) (Mailbox, error) {
	clean, err := CleanName(name)
	if err != nil {
		return Mailbox{}, err
	}
	var made Mailbox
	err = a.update(ctx, func(t *tx) error {
		if err := t.ensureAccount(); err != nil {
			return err
		}
		if _, err := t.MailboxByRole(role); err == nil {
			return fmt.Errorf("%w: another mailbox has this special use", ErrExists)
		}
		m, err := t.create(clean, role)
		if err != nil {
			return err
		}
		made = *m
		return nil
	})
	if err != nil {
		return Mailbox{}, fmt.Errorf("create %q: %w", clean, err)
	}
	return made, nil
}

// create makes a mailbox and its parents.
func (t *tx) create(name string, role Role) (*Mailbox, error) {
	if t.rw.Get(bucketName, []byte(name)) != nil {
		return nil, ErrExists
	}
	var missing []string
	for _, p := range parents(name) {
		if t.rw.Get(bucketName, []byte(p)) == nil {
			missing = append(missing, p)
		}
	}
	if !t.roomFor(bucketName, append(missing, name)...) {
		return nil, ErrTooManyBoxes
	}
	for _, p := range missing {
		if _, err := t.makeBox(p, NoRole); err != nil {
			return nil, err
		}
	}
	return t.makeBox(name, role)
}

// roomFor reports whether a bucket of names can take more of them, or keep what
// it has.
func (t *tx) roomFor(bucket store.Bucket, more ...string) bool {
	n, size := len(more), 0
	for _, name := range more {
		size += len(name)
	}
	for k := range t.rw.Scan(bucket, nil, nil) {
		n++
		size += len(k)
	}
	return n <= maxMailboxes && size <= maxNames
}

// lookup finds a mailbox to be changed by its clean name.
func (t *tx) lookup(name string) (*Mailbox, error) {
	id := t.rw.Get(bucketName, []byte(name))
	if len(id) != 4 {
		return nil, ErrNotFound
	}
	return t.box(ID(binary.BigEndian.Uint32(id)))
}

// children returns the names below name.
func (t *tx) children(name string) []string {
	var below []string
	for k := range t.rw.Scan(bucketName, []byte(name+"/"), []byte(name+"0")) { // '0' follows '/'
		below = append(below, string(k))
	}
	return below
}

// DeleteMailbox removes a mailbox and its messages. INBOX stays (ErrName), and
// one with others below it fails with ErrHasChildren: RFC 9051 section 6.3.5
// leaves the choice, and this way no mailbox without messages lingers on.
func (a *Account) DeleteMailbox(ctx context.Context, name string) error {
	clean, err := CleanName(name)
	if err != nil {
		return ErrNotFound
	}
	var id ID
	err = a.View(ctx, func(v *View) error {
		m, err := v.MailboxByName(clean)
		id = m.ID
		return err
	})
	if err == nil && id == Inbox {
		err = fmt.Errorf("%w: INBOX cannot be deleted", ErrName)
	}
	if err == nil {
		err = a.update(ctx, func(t *tx) error {
			if len(t.children(clean)) > 0 {
				return ErrHasChildren
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("delete %q: %w", clean, err)
	}
	// The messages go chunk by chunk; the last transaction takes the rest.
	if _, err := a.expunge(ctx, id, nil, nil); err != nil {
		return err
	}
	err = a.update(ctx, func(t *tx) error { return t.deleteBox(id, clean) })
	if err != nil {
		return fmt.Errorf("delete %q: %w", clean, err)
	}
	return nil
}

func (t *tx) deleteBox(id ID, name string) error {
	if len(t.children(name)) > 0 {
		return ErrHasChildren
	}
	m, err := t.lookup(name)
	if err != nil || m.ID != id {
		return ErrNotFound
	}
	for {
		found, more, err := t.collect(id, nil, 1, nil)
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := t.remove(m, f.uid, f.row); err != nil {
				return err
			}
		}
		if !more {
			break
		}
	}
	t.next()
	delete(t.boxes, id)
	if err := t.rw.Delete(bucketMailbox, key32(uint32(id))); err != nil {
		return err
	}
	return t.rw.Delete(bucketName, []byte(name))
}

// RenameMailbox gives a mailbox and all below it a new name; parents are made.
// Renaming INBOX moves its messages to a new mailbox and leaves INBOX empty
// (RFC 9051 section 6.3.6).
func (a *Account) RenameMailbox(ctx context.Context, from, to string) error {
	oldName, err := CleanName(from)
	if err != nil {
		return ErrNotFound
	}
	newName, err := CleanName(to)
	if err != nil {
		return err
	}
	var moveTo ID
	err = a.update(ctx, func(t *tx) error {
		m, err := t.lookup(oldName)
		if err != nil {
			return err
		}
		if t.rw.Get(bucketName, []byte(newName)) != nil {
			return ErrExists
		}
		if strings.HasPrefix(newName, oldName+"/") && m.ID != Inbox {
			return fmt.Errorf("%w: a mailbox cannot be below itself", ErrName)
		}
		if m.ID != Inbox {
			return t.rename(m, oldName, newName)
		}
		made, err := t.create(newName, NoRole)
		if err == nil {
			moveTo = made.ID
		}
		return err
	})
	if err == nil && moveTo != 0 {
		_, err = a.Move(ctx, Inbox, nil, moveTo)
	}
	if err != nil {
		return fmt.Errorf("rename %q to %q: %w", oldName, newName, err)
	}
	return nil
}

func (t *tx) rename(m *Mailbox, from, to string) error {
	for _, p := range parents(to) {
		if t.rw.Get(bucketName, []byte(p)) == nil {
			if _, err := t.makeBox(p, NoRole); err != nil {
				return err
			}
		}
	}
	names := append([]string{from}, t.children(from)...)
	for _, old := range names {
		name, err := CleanName(to + old[len(from):])
		if err != nil {
			return err
		}
		if err := t.renameOne(old, name); err != nil {
			return err
		}
	}
	m.HighestModSeq = t.next()
	if !t.roomFor(bucketName) || !t.roomFor(bucketSubscribed) { // names below have grown, too
		return ErrTooManyBoxes
	}
	return nil
}

// renameOne renames without looking at children; a subscription moves along.
func (t *tx) renameOne(old, name string) error {
	m, err := t.lookup(old)
	if err != nil {
		return err
	}
	m.Name = name
	if err := t.rw.Delete(bucketName, []byte(old)); err != nil {
		return err
	}
	if err := t.rw.Put(bucketName, []byte(name), key32(uint32(m.ID))); err != nil {
		return err
	}
	if !t.subscribed(old) {
		return nil
	}
	if err := t.rw.Delete(bucketSubscribed, []byte(old)); err != nil {
		return err
	}
	return t.rw.Put(bucketSubscribed, []byte(name), nil)
}

// SetSubscribed adds or removes a subscription; the mailbox need not exist to
// be unsubscribed from (RFC 9051 section 6.3.8). There can be as many as
// mailboxes: they outlive those they were made for.
func (a *Account) SetSubscribed(ctx context.Context, name string, on bool) error {
	clean, err := CleanName(name)
	if err != nil {
		return err
	}
	err = a.update(ctx, func(t *tx) error {
		if !on {
			return t.rw.Delete(bucketSubscribed, []byte(clean))
		}
		if _, err := t.lookup(clean); err != nil {
			return err
		}
		if !t.subscribed(clean) && !t.roomFor(bucketSubscribed, clean) {
			return ErrTooManyBoxes
		}
		return t.rw.Put(bucketSubscribed, []byte(clean), nil)
	})
	if err != nil {
		return fmt.Errorf("subscribe %q: %w", clean, err)
	}
	return nil
}
