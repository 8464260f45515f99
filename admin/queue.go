package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Queue returns messages in the queue, oldest first.
func (a *Admin) Queue(ctx context.Context, f QueueFilter) (Page[QueueItem], error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Page[QueueItem]{}, err
	}
	states := []queue.State{"", queue.Waiting, queue.Trying, queue.Retry, queue.Held}
	if !slices.Contains(states, queue.State(f.State)) {
		return Page[QueueItem]{}, At("state", invalid("there is no state %q; choose one of waiting, trying, retry, held", f.State))
	}
	after, err := f.after()
	if err != nil {
		return Page[QueueItem]{}, err
	}
	page := Page[QueueItem]{Items: []QueueItem{}}
	q := queue.Filter{Address: asKey(f.Address), State: queue.State(f.State), Cause: f.Cause, After: queue.ID(after), Limit: f.limit()}
	for {
		items, err := a.opts.Queue.List(ctx, q)
		if err != nil {
			return Page[QueueItem]{}, err
		}
		for i, it := range items {
			q.After = it.ID
			if p.seesItem(&it) {
				page.Items = append(page.Items, describeItem(it))
			}
			if last := i == len(items)-1; len(page.Items) == f.limit() && (!last || len(items) == q.Limit) {
				page.Next = cursor(string(it.ID))
				return page, nil
			}
		}
		if len(items) < q.Limit {
			return page, nil
		}
	}
}

// seesItem reports whether a message comes from or goes to a domain of the
// principal.
func (p Principal) seesItem(it *queue.Item) bool {
	return p.sees(it.ReversePath.Domain) || slices.ContainsFunc(it.Recipients, func(r queue.Recipient) bool { return p.sees(r.Path.Domain) })
}

// asKey brings an address or "@domain" that somebody has typed into the form
// in which it is looked for.
func asKey(s string) string {
	if d, err := mail.ParseDomain(strings.TrimPrefix(s, "@")); err == nil && strings.HasPrefix(s, "@") {
		return "@" + string(d)
	}
	if p, err := mail.ParseAddress(s); err == nil {
		return p.Key()
	}
	return s
}

// QueueItem returns one message in the queue.
func (a *Admin) QueueItem(ctx context.Context, id string) (QueueItem, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return QueueItem{}, err
	}
	it, err := a.opts.Queue.Show(ctx, queue.ID(id))
	if err == nil && !p.seesItem(&it) {
		err = queue.ErrNotFound
	}
	if err != nil {
		return QueueItem{}, notInQueue(err)
	}
	return describeItem(it), nil
}

// notInQueue makes the queue's error one for an operator.
func notInQueue(err error) error {
	if errors.Is(err, queue.ErrNotFound) {
		return &directory.Problem{Kind: directory.ErrNotFound, Text: strings.TrimPrefix(err.Error(), "queue: ")}
	}
	return err
}

// QueueGroups says why mail waits.
func (a *Admin) QueueGroups(ctx context.Context) (QueueGroups, error) {
	if _, err := authorize(ctx, SeeFlow); err != nil {
		return QueueGroups{}, err
	}
	s, err := a.opts.Queue.Stats(ctx)
	if err != nil {
		return QueueGroups{}, err
	}
	view := QueueGroups{Messages: s.Messages, Recipients: s.Recipients, States: map[string]int{}, Oldest: s.Oldest, Groups: []QueueGroup{}}
	for state, n := range s.States {
		view.States[string(state)] = n
	}
	for _, c := range s.Causes {
		view.Groups = append(view.Groups, QueueGroup{Cause: c.Cause, State: string(c.State), Reply: c.Reply, Messages: c.Messages, Oldest: c.Oldest})
	}
	return view, nil
}

// ChangeQueue does something with messages in the queue.
func (a *Admin) ChangeQueue(ctx context.Context, do QueueAction, which QueueSelection) (int, error) {
	if _, err := authorize(ctx, ActOnQueue); err != nil {
		return 0, err
	}
	change := map[QueueAction]func(context.Context, ...queue.ID) error{
		RetryNow: a.opts.Queue.Retry, Hold: a.opts.Queue.Hold, Release: a.opts.Queue.Release, Cancel: a.opts.Queue.Cancel,
	}[do]
	if change == nil {
		return 0, invalid("%q cannot be done with the queue; choose one of retry, hold, release, cancel", do)
	}
	ids, err := a.selected(ctx, which)
	if err != nil {
		return 0, err
	}
	if r := directory.RehearsalOf(ctx); r != nil {
		r.Entries = append(r.Entries, directory.AuditEntry{Action: "queue." + string(do), Object: fmt.Sprintf("%d messages", len(ids))})
		return 0, directory.ErrRehearsed
	}
	for page := range slices.Chunk(ids, changePage) {
		if err := change(ctx, page...); err != nil {
			return 0, notInQueue(err)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	object := string(ids[0])
	if len(ids) > 1 {
		object = fmt.Sprintf("%d messages", len(ids))
	}
	return len(ids), a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "queue."+string(do), object, ids[:min(len(ids), maxAudited)])
}

// changePage is how many messages are changed at a time.
const changePage = 500

// selected returns the IDs of the messages that are meant.
func (a *Admin) selected(ctx context.Context, which QueueSelection) ([]queue.ID, error) {
	if (len(which.IDs) == 0) == (which.Filter == nil) {
		return nil, At("ids", invalid("say which messages: their ids, or a filter"))
	}
	var ids []queue.ID
	for _, id := range which.IDs {
		ids = append(ids, queue.ID(id))
	}
	if which.Filter == nil {
		return ids, nil
	}
	items, err := All(func(p Paging) (Page[QueueItem], error) { return a.Queue(ctx, QueueFilter{p, *which.Filter}) })
	for _, it := range items {
		ids = append(ids, queue.ID(it.ID))
	}
	return ids, err
}

// maxAudited bounds the IDs in one entry of the audit log.
const maxAudited = 1000

func describeItem(it queue.Item) QueueItem {
	view := QueueItem{ID: string(it.ID), From: it.ReversePath.String(), Created: it.Created, Expires: it.Expires, Size: it.Size, Recipients: []QueueRecipient{}}
	for _, r := range it.Recipients {
		vr := QueueRecipient{Address: r.Path.String(), State: string(r.State), Attempts: r.Attempts, Next: r.Next, Last: r.Last, Reply: r.Reply, MX: r.MX, Cause: r.Cause}
		if r.Status != (mail.Status{}) {
			vr.Status = r.Status.String()
		}
		view.Recipients = append(view.Recipients, vr)
	}
	return view
}
