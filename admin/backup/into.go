package backup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Into says what is restored into an account of a running server.
type Into struct {
	Backup  string
	Address string // in the backup
	Selection
	Mailbox string // where to; "" is where they were
	DryRun  bool
}

// maxNamed is how many messages a result names.
const maxNamed = 100

// IntoResult says what was restored, or would be.
type IntoResult struct {
	DryRun     bool                   `json:"dryRun"`
	Added      int                    `json:"added" doc:"Messages that were added, or would be."`
	Bytes      int64                  `json:"bytes"`
	There      int                    `json:"alreadyThere" doc:"Messages that the mailbox has already, octet for octet."`
	Mailboxes  map[string]int         `json:"mailboxes" doc:"How many were added to which."`
	NewBoxes   []string               `json:"newMailboxes" doc:"Mailboxes that were made, or would be."`
	Messages   []Message              `json:"messages" doc:"The first of them."`
	Account    string                 `json:"newAccount,omitempty" doc:"The account that was added because it had been removed, or would be."`
	Back       *directory.BroughtBack `json:"comesBack,omitempty" doc:"What of that account came back beside its mail, or would."`
	Incomplete string                 `json:"incomplete,omitempty" doc:"Why it ended before its end. What was added stays; what is there is not added again."`
}

// Live is the account of the running server; without Account there is none yet,
// and only a dry run can be done.
type Live struct {
	Account *mailbox.Account
	Boxes   bodies
}

// bodies open bodies; *mailbox.Boxes.
type bodies interface {
	OpenBody(ctx context.Context, r mailbox.BodyRef) (store.Body, error)
}

// errNothing means that no message is meant.
var errNothing = &failure{ErrNotInBackup, "the backup has no such messages"}

// RestoreInto adds messages of a backup to an account. Flags and dates stay;
// what the mailbox has already is not added again.
func (s *Service) RestoreInto(ctx context.Context, in Into, live Live, tell func(done, total int64)) (res IntoResult, err error) {
	err = s.withView(ctx, in.Backup, in.Address, func(v *view) error {
		s.viewing.restoring.Store(true)
		defer s.viewing.restoring.Store(false)
		boxes, err := v.boxesOf(ctx, in.Selection.Mailbox)
		if err != nil {
			return err
		}
		i := &into{v: v, in: in, live: live, res: IntoResult{DryRun: in.DryRun, Mailboxes: map[string]int{}, NewBoxes: []string{}, Messages: []Message{}}, tell: tell}
		for _, b := range boxes {
			i.total += int64(b.Exists)
		}
		for k := range boxes {
			if err := i.mailbox(ctx, &boxes[k]); err != nil {
				if i.res.Added == 0 || in.DryRun {
					return err
				}
				i.res.Incomplete = err.Error()
				break
			}
		}
		res = i.res
		if res.Added+res.There == 0 && res.Incomplete == "" {
			return errNothing
		}
		return nil
	})
	return res, err
}

// AccountOf returns an account as it is in a backup.
func (s *Service) AccountOf(ctx context.Context, id, address string) (c directory.AccountCopy, err error) {
	err = s.withView(ctx, id, address, func(v *view) error {
		c, err = v.o.dir.CopyAccount(ctx, v.account.ID)
		return err
	})
	return c, err
}

// into is a restore at work.
type into struct {
	v           *view
	in          Into
	live        Live
	res         IntoResult
	tell        func(done, total int64)
	done, total int64
}

// intoBatch is how many messages are found at a time.
const intoBatch = 200

// mailbox restores what is meant of one mailbox.
func (i *into) mailbox(ctx context.Context, box *mailbox.Mailbox) error {
	to := i.in.Mailbox
	if to == "" {
		to = box.Name
	}
	dest := &destination{live: i.live, name: to}
	if err := dest.look(ctx); err != nil {
		return err
	}
	for from := uint32(1); ; {
		list, err := i.v.findIn(ctx, box, i.in.Selection, from, intoBatch)
		if err != nil {
			return err
		}
		for k := range list {
			if err := i.message(ctx, dest, &list[k]); err != nil {
				return fmt.Errorf("message %d of %s: %w", list[k].UID, box.Name, err)
			}
			from = list[k].UID + 1
		}
		if len(list) < intoBatch || from == 0 {
			return nil
		}
	}
}

// message adds one message, unless it is there.
func (i *into) message(ctx context.Context, dest *destination, f *found) error {
	i.done++
	i.tell(i.done, max(i.done, i.total))
	there, err := i.there(ctx, dest, f)
	if err != nil {
		return err
	}
	if there {
		i.res.There++
		return nil
	}
	if !i.in.DryRun {
		if err := i.add(ctx, dest, f); err != nil {
			return err
		}
	}
	if dest.fresh && i.res.Mailboxes[dest.name] == 0 {
		i.res.NewBoxes = append(i.res.NewBoxes, dest.name)
	}
	i.res.Added++
	i.res.Bytes += f.Size
	i.res.Mailboxes[dest.name]++
	if len(i.res.Messages) < maxNamed {
		i.res.Messages = append(i.res.Messages, f.Message)
	}
	return nil
}

// there reports whether the mailbox has a message, octet for octet, or has got
// it by now. A dry run reads no message whose size nothing else has: most of
// what it counts would have to come from far away.
func (i *into) there(ctx context.Context, dest *destination, f *found) (bool, error) {
	if i.in.DryRun && len(dest.bySize[f.Size]) == 0 {
		first, again := dest.unread[f.Size]
		if !again {
			dest.unread[f.Size] = &f.body
			return false, nil
		}
		if first != nil { // it is to be compared now
			dest.unread[f.Size] = nil
			if _, err := i.hash(ctx, dest, first); err != nil {
				return false, err
			}
		}
	}
	if err := dest.read(ctx, f.Size); err != nil {
		return false, err
	}
	return i.hash(ctx, dest, &f.body)
}

// hash notes the hash of a message, and reports whether it was noted before.
func (i *into) hash(ctx context.Context, dest *destination, ref *mailbox.BodyRef) (known bool, err error) {
	if err := i.v.fetch(ctx, ref.Ref); err != nil {
		return false, err
	}
	sum, err := hashBody(ctx, i.v.o.boxes, *ref)
	if err != nil {
		return false, err
	}
	known = dest.added[[32]byte(sum)]
	dest.added[[32]byte(sum)] = true
	return known, nil
}

func (i *into) add(ctx context.Context, dest *destination, f *found) error {
	if err := dest.make(ctx); err != nil {
		return err
	}
	body, err := i.v.body(ctx, f.body)
	if err != nil {
		return err
	}
	defer body.Close()
	ix, err := message.Parse(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return err
	}
	_, err = i.live.Account.Append(ctx, dest.id, &mailbox.NewMessage{
		Body: io.NewSectionReader(body, 0, body.Size()), Size: body.Size(), Index: ix, InternalDate: f.Received, Flags: f.flags, Keywords: f.keywords,
	})
	return err
}

// destination is the mailbox that messages are added to.
type destination struct {
	live   Live
	name   string
	id     mailbox.ID // 0: it is not there
	fresh  bool       // it was not there
	bySize map[int64][]mailbox.BodyRef
	hashed map[int64]bool // sizes whose bodies are in added
	added  map[[32]byte]bool
	unread map[int64]*mailbox.BodyRef // the first of a size in a dry run; nil: it was read
}

// look finds what is there, by size.
func (d *destination) look(ctx context.Context) error {
	d.hashed, d.added, d.unread = map[int64]bool{}, map[[32]byte]bool{}, map[int64]*mailbox.BodyRef{}
	if d.live.Account == nil {
		d.fresh = true
		return nil
	}
	return d.live.Account.View(ctx, func(v *mailbox.View) error {
		d.bySize = map[int64][]mailbox.BodyRef{}
		box, err := v.MailboxByName(d.name)
		if errors.Is(err, mailbox.ErrNotFound) {
			d.fresh = true
			return nil
		}
		if err != nil {
			return err
		}
		d.id = box.ID
		for m, err := range v.Messages(box.ID, nil, 1) {
			if err != nil {
				return err
			}
			body, err := m.Body()
			if err != nil {
				return err
			}
			d.bySize[body.Size] = append(d.bySize[body.Size], body)
		}
		return nil
	})
}

// read notes the hashes of what the mailbox has of a size.
func (d *destination) read(ctx context.Context, size int64) error {
	if d.hashed[size] {
		return nil
	}
	d.hashed[size] = true
	for _, ref := range d.bySize[size] {
		got, err := hashBody(ctx, d.live.Boxes, ref)
		if errors.Is(err, store.ErrNoBody) {
			continue
		}
		if err != nil {
			return err
		}
		d.added[[32]byte(got)] = true
	}
	return nil
}

func (d *destination) make(ctx context.Context) error {
	if d.id != 0 {
		return nil
	}
	box, err := d.live.Account.CreateMailbox(ctx, d.name, mailbox.NoRole)
	if err != nil {
		return fmt.Errorf("make mailbox %s: %w", d.name, err)
	}
	d.id = box.ID
	return nil
}
