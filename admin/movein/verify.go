package movein

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// verifyStep is how many messages one transaction finds. Their rows lie anywhere
// in the file, and each brings 64 KiB of it into memory, until Trim.
const verifyStep = 200

// stored is a message that was brought in, to be read again.
type stored struct {
	box  mailbox.ID
	uid  mailbox.UID
	hash mailbox.Hash
	body mailbox.BodyRef
}

// verify reads every message that came from a folder, in this run or before,
// from the store, and compares its hash. Those that people have moved or
// removed since are counted only.
func (r *run) verify(ctx context.Context, b *batch) error {
	var ahead store.ReadAhead
	defer ahead.Release()
	buf := make([]byte, 64<<10)
	for from := b.known.Prefix; from != nil; {
		list, next, here, err := r.findStored(ctx, b.known, from)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		b.rep.Taken += here
		for _, s := range list {
			if err := r.check(ctx, b, &s, &ahead, buf); err != nil {
				return fmt.Errorf("verify: %w", err)
			}
		}
		if err := r.o.Account.Trim(); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		from = next
	}
	return nil
}

// findStored returns the next messages from a key on, in the order of their
// mailboxes, and the key to go on with.
func (r *run) findStored(ctx context.Context, known *Known, from []byte) (list []stored, next []byte, here int64, err error) {
	err = r.o.Account.View(ctx, func(v *mailbox.View) error {
		list, next, here = list[:0], nil, 0
		for m, err := range v.AllImported(known.Prefix, from) {
			if err != nil {
				return err
			}
			if here++; here > verifyStep {
				here, next = verifyStep, bytes.Clone(m.Key)
				break
			}
			msg, err := v.Message(m.Mailbox, m.UID)
			if errors.Is(err, mailbox.ErrNoMessage) {
				continue
			}
			if err != nil {
				return err
			}
			s := stored{box: m.Mailbox, uid: m.UID, hash: m.Hash}
			if s.body, err = msg.Body(); err != nil {
				return err
			}
			list = append(list, s)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b stored) int { return cmp.Or(cmp.Compare(a.box, b.box), cmp.Compare(a.uid, b.uid)) })
	return list, next, here, err
}

// check reads one message.
func (r *run) check(ctx context.Context, b *batch, s *stored, ahead *store.ReadAhead, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	body, err := r.o.Bodies.OpenBodyAhead(ctx, s.body, ahead)
	if errors.Is(err, store.ErrNoBody) {
		return nil // it was expunged meanwhile
	}
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	_, err = io.CopyBuffer(sum, struct{ io.Reader }{io.NewSectionReader(body, 0, body.Size())}, buf)
	name := fmt.Sprintf("%s, UID %d", b.to.name, s.uid)
	r.change(func(rep *Report) {
		switch {
		case err != nil:
			rep.wrong(Problem{name, "it cannot be read: " + err.Error()})
		case !bytes.Equal(sum.Sum(nil)[:mailbox.HashSize], s.hash[:]):
			rep.wrong(Problem{name, "it has other octets than the source gave"})
		default:
			rep.Verified++
		}
	})
	return nil
}

func (rep *Report) wrong(p Problem) {
	if len(rep.Wrong) < maxProblems {
		rep.Wrong = append(rep.Wrong, p)
	}
}
