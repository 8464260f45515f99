package movein

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of a batch, which one commit takes, and of a message.
const (
	batchMessages = 200
	batchOctets   = 2 << 20
	batchIndex    = 8 << 20 // of memory for what is known of the messages
	maxMessage    = 1 << 30
)

// batch is the messages of a folder that are filed together.
type batch struct {
	run   *run
	to    target
	known *Known
	rep   FolderReport

	msgs   []*mailbox.Incoming
	spools []*message.Spool
	octets int64
	cost   int64

	changes []mailbox.ImportedChange

	surveyed bool         // the source says how many there are
	survey   Survey       // what it said last
	earlier  FolderReport // what came before that
	broken   error        // why the folder could not be read to its end
	before   int64        // that the account has taken from the folder in earlier runs
	removed  int64        // of those, what is forgotten because it is gone there
}

// fill reads all messages of a folder.
func (b *batch) fill(ctx context.Context, f *Folder) error {
	for item, err := range b.run.o.Source.Messages(ctx, f, b.known) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = b.item(ctx, item)
		}
		if err != nil {
			return errors.Join(err, b.flushWhatIs(ctx))
		}
	}
	return b.flush(ctx)
}

// flushWhatIs files what is there although the run ends: less is to be read
// again.
func (b *batch) flushWhatIs(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	return b.flush(ctx)
}

// item takes one message.
func (b *batch) item(ctx context.Context, item *Item) error {
	if item.Survey != nil {
		err := b.flush(ctx) // a later one looks for what came before it
		b.surveyed, b.survey, b.earlier = true, *item.Survey, b.rep
		b.rep.Found, b.rep.Unnamed = item.Survey.Found, item.Survey.Unnamed
		return err
	}
	if item.Broken != nil {
		b.broken = item.Broken
		return nil
	}
	if err := b.run.room(ctx); err != nil {
		return err
	}
	if item.Change != nil {
		if err := b.change(ctx, item.Change); err != nil {
			return err
		}
		if item.Change.Gone {
			return nil
		}
	}
	if !b.surveyed {
		b.rep.Found++
	}
	switch {
	case item.Gone:
		b.gone()
		return nil
	case item.Elsewhere:
		b.elsewhere()
		return nil
	case item.Problem != nil:
		b.leaveOut(item, item.Problem)
		return nil
	case item.Known:
		b.have(1)
		return nil
	}
	if err := b.add(item); err != nil {
		b.leaveOut(item, err)
		return nil
	}
	b.run.change(func(rep *Report) { rep.Octets += item.Read })
	if len(b.msgs) < batchMessages && b.octets < batchOctets && b.cost < batchIndex {
		return nil
	}
	return b.flush(ctx)
}

// errEmpty and errTooLarge are why a message is left out.
var (
	errEmpty    = errors.New("it is empty")
	errTooLarge = fmt.Errorf("it is larger than %d MiB", maxMessage>>20)
)

// leaveOut notes a message that cannot be read.
func (b *batch) leaveOut(item *Item, err error) {
	item.Problem = err
	b.rep.LeftOut++
	b.run.change(func(rep *Report) {
		rep.Messages++
		rep.LeftOut++
		rep.Octets += item.Read
		rep.trouble(problem(item.Name, err))
	})
}

// have counts messages that the account has.
func (b *batch) have(n int64) {
	b.rep.Known += n
	b.run.change(func(rep *Report) {
		rep.Messages += n
		rep.Known += n
	})
}

// gone counts a message that was removed at the source meanwhile.
func (b *batch) gone() {
	b.rep.Gone++
	b.run.change(func(rep *Report) {
		rep.Messages++
		rep.Gone++
	})
}

// elsewhere counts a message that another folder has as well.
func (b *batch) elsewhere() {
	b.rep.Elsewhere++
	b.run.change(func(rep *Report) {
		rep.Messages++
		rep.Elsewhere++
	})
}

// add reads the octets of a message.
func (b *batch) add(item *Item) error {
	spool := message.NewSpool(b.run.o.Spool)
	sum, indexer := sha256.New(), message.NewIndexer()
	err := spool.Fill(io.LimitReader(item.Body, maxMessage+1), io.MultiWriter(sum, indexer))
	switch {
	case err != nil:
	case spool.Size() == 0:
		err = errEmpty
	case spool.Size() > maxMessage:
		err = errTooLarge
	}
	if err != nil {
		spool.Close()
		return err
	}
	m := &mailbox.Incoming{Mark: item.Mark}
	m.Index = indexer.Close()
	m.Body, m.Size, m.InternalDate, m.Flags = spool.Reader(), spool.Size(), item.Date, item.Flags
	if m.InternalDate.IsZero() {
		m.InternalDate = m.Index.Date
	}
	m.Keywords = b.run.takeKeywords(item.Keywords)
	copy(m.Hash[:], sum.Sum(nil))
	m.Key = b.known.Key(item.ID)
	if item.ID == nil {
		m.Key = b.known.Key(identity(sha256.New(), item.Unique, m.Hash))
	}
	if item.Same != nil && item.Same(m.Hash) {
		spool.Close()
		b.have(1)
		return nil
	}
	b.msgs, b.spools = append(b.msgs, m), append(b.spools, spool)
	b.octets += m.Size
	b.cost += indexer.Cost()
	return nil
}

// identity is what tells messages of files apart: copies that are the same in
// name and octets are one.
func identity(h hash.Hash, unique string, sum mailbox.Hash) []byte {
	fmt.Fprintf(h, "%d %s", len(unique), unique)
	h.Write(sum[:])
	return h.Sum(nil)[:mailbox.HashSize]
}

// change collects what has become of messages at the source.
func (b *batch) change(ctx context.Context, c *mailbox.ImportedChange) error {
	c.Keywords = b.run.takeKeywords(c.Keywords)
	if b.changes = append(b.changes, *c); len(b.changes) < batchMessages {
		return nil
	}
	return b.flushChanges(ctx)
}

func (b *batch) flushChanges(ctx context.Context) error {
	changes := b.changes
	b.changes = nil
	if len(changes) == 0 || b.run.o.DryRun {
		return nil
	}
	gone := slices.DeleteFunc(slices.Clone(changes), func(c mailbox.ImportedChange) bool { return !c.Gone })
	other := slices.DeleteFunc(changes, func(c mailbox.ImportedChange) bool { return c.Gone })
	removed, err := b.run.o.Account.ChangeImported(ctx, gone)
	if err != nil {
		return err
	}
	b.removed += int64(len(gone))
	changed, err := b.run.o.Account.ChangeImported(ctx, other)
	b.run.change(func(rep *Report) {
		rep.Removed += int64(removed)
		rep.Changed += int64(changed)
	})
	return err
}

// flush files what was collected and is new.
func (b *batch) flush(ctx context.Context) error {
	defer b.release()
	if err := b.flushChanges(ctx); err != nil || len(b.msgs) == 0 {
		return err
	}
	fresh, octets, err := b.fresh(ctx)
	if err != nil {
		return err
	}
	if len(fresh) > 0 && !b.run.o.DryRun {
		err := b.run.o.Account.Import(ctx, b.to.id, fresh)
		if errors.Is(err, mailbox.ErrOverQuota) {
			err = ErrOverQuota
		}
		if err != nil {
			return err
		}
	}
	added := int64(len(fresh))
	b.rep.Added += added
	b.run.change(func(rep *Report) {
		rep.Messages += added
		rep.Added += added
		rep.AddedOctets += octets
	})
	b.have(int64(len(b.msgs)) - added)
	return b.run.o.Account.Trim()
}

// fresh returns the messages that the account does not have.
func (b *batch) fresh(ctx context.Context) (list []*mailbox.Incoming, octets int64, err error) {
	keys := make([][]byte, len(b.msgs))
	for i, m := range b.msgs {
		keys[i] = m.Key
	}
	has, err := b.known.Marks(ctx, keys)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range b.msgs {
		if _, ok := has[string(m.Key)]; !ok {
			has[string(m.Key)] = m.Mark
			list = append(list, m)
			octets += m.Size
		}
	}
	return list, octets, nil
}

// release lets go of what was collected.
func (b *batch) release() {
	for _, s := range b.spools {
		s.Close()
	}
	b.msgs, b.spools, b.octets, b.cost = b.msgs[:0], b.spools[:0], 0, 0
}
