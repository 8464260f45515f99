package movein

import (
	"context"
	"errors"
	"slices"

	"github.com/mailstead/mailstead/mailbox"
)

// What becomes of messages that do not come when they are asked for.

// doubt is how often a server asked to wait, and how many messages had come when
// it did so first.
type doubt struct{ n, came int }

// doubt counts an answer that asks to wait against the messages that it came
// for, unless it says that all goes too fast: some servers answer so when they
// cannot read one of them. After a few each is asked for alone; one that gets
// such answers then is put behind the others, and left out after a few more,
// which take half an hour unless others come between them.
func (r *folderRead) doubt(part []remote, err error) error {
	if isTooFast(err) {
		return err
	}
	if r.refused++; len(part) > 1 {
		for _, m := range part {
			if r.refused >= maxFailures && !r.done.Contains(mailbox.UID(m.uid)) {
				r.alone.Add(mailbox.UID(m.uid))
			}
		}
		return err
	}
	m := part[0]
	d, ok := r.doubts[m.uid]
	if !ok {
		d.came = r.came
	}
	d.n++
	r.doubts[m.uid] = d
	if d.n >= maxFailures && (r.came > d.came || r.refused >= maxRefusals) {
		return errors.Join(r.leaveOut(&m, err), err)
	}
	r.alone.Add(mailbox.UID(m.uid))
	r.missing = append(slices.DeleteFunc(r.missing, func(other remote) bool { return other.uid == m.uid }), m)
	return err
}

// omitted notes what of a part did not come.
func (r *folderRead) omitted(part []remote) {
	for _, m := range part {
		uid := mailbox.UID(m.uid)
		switch {
		case r.done.Contains(uid):
		case !r.alone.Contains(uid):
			r.alone.Add(uid)
		default:
			r.done.Add(uid)
			r.absent = append(r.absent, m)
		}
	}
}

// Why a message is left out that did not come.
var (
	errNotGiven = errors.New("the server says that it has it, and does not give it, asked for it alone as well")
	errNotTold  = errors.New("the server does not give it, asked for it alone as well, and does not say whether it is still there")
)

// settle finds out what has become of the messages that did not come, asked
// for alone as well: some are gone since the survey. Those that are there are
// left out by name.
func (r *folderRead) settle(ctx context.Context, c *imapConn) error {
	if len(r.absent) == 0 {
		return nil
	}
	there, told, err := c.search(ctx, byUID(r.absent))
	var refused *statusError
	if errors.Is(err, errThrottled) {
		r.unsaid++
	}
	if err != nil && !errors.As(err, &refused) && r.unsaid < maxFailures {
		return err
	}
	list := r.absent
	r.absent, r.unsaid = nil, 0
	for i := range list {
		item := &Item{Name: r.name(&list[i])}
		switch {
		case !told || err != nil:
			item.Problem = errNotTold
		case there[list[i].uid]:
			item.Problem = errNotGiven
		default:
			item.Gone = true
		}
		if !r.yield(item, nil) {
			return errStop
		}
	}
	return nil
}

// blame counts an end of the connection against the message that was next. One
// that ends it again and again is left out.
func (r *folderRead) blame(part []remote, err error) error {
	for i := range part {
		m := &part[i]
		if r.done.Contains(mailbox.UID(m.uid)) {
			continue
		}
		if r.failures[m.uid]++; r.failures[m.uid] >= maxFailures {
			return errors.Join(r.leaveOut(m, err), err)
		}
		break
	}
	return err
}

// leaveOut hands on that a message is left out, and why.
func (r *folderRead) leaveOut(m *remote, err error) error {
	r.done.Add(mailbox.UID(m.uid))
	if !r.yield(&Item{Name: r.name(m), Problem: err}, nil) {
		return errStop
	}
	return nil
}
