package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/explain"
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
				page.Items = append(page.Items, p.item(it))
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

// item is a message as the principal sees it. Somebody of some domains sees all
// recipients of what people there have sent, and else those of the domains, and
// how many more there are: who else gets mail is nothing of theirs (RFC 5321
// section 7.2).
func (p Principal) item(it queue.Item) QueueItem {
	view := describeItem(it)
	if p.sees(it.ReversePath.Domain) {
		return view
	}
	view.Recipients = view.Recipients[:0]
	for i, r := range describeItem(it).Recipients {
		if p.sees(it.Recipients[i].Path.Domain) {
			view.Recipients = append(view.Recipients, r)
		} else {
			view.Others++
		}
	}
	return view
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
	return p.item(it), nil
}

// notInQueue makes the queue's error one for an operator.
func notInQueue(err error) error {
	if errors.Is(err, queue.ErrNotFound) {
		return &directory.Problem{Kind: directory.ErrNotFound, Text: strings.TrimPrefix(err.Error(), "queue: ")}
	}
	return err
}

// QueueGroups says why mail waits: to somebody of some domains, why theirs
// does.
func (a *Admin) QueueGroups(ctx context.Context) (QueueGroups, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return QueueGroups{}, err
	}
	s, err := a.opts.Queue.Stats(ctx, p.Domains...)
	if err != nil {
		return QueueGroups{}, err
	}
	view := QueueGroups{Messages: s.Messages, Recipients: s.Recipients, States: map[string]int{}, Oldest: s.Oldest, Groups: []QueueGroup{}}
	for state, n := range s.States {
		view.States[string(state)] = n
	}
	for i := range s.Causes {
		view.Groups = append(view.Groups, describeGroup(&s.Causes[i]))
	}
	return view, nil
}

func describeGroup(c *queue.Cause) QueueGroup {
	why := explain.Explain(explain.Failure{Reply: c.Reply, Status: c.Status, Domain: c.Domain, MX: c.MX})
	view := QueueGroup{Cause: c.Cause, Kind: why.Name, Title: why.Title, Explain: why.Explain, Fix: why.Fix, State: string(c.State), Reply: c.Reply,
		Messages: c.Messages, Senders: c.Senders, Oldest: c.Oldest, NextTry: c.Next, Expires: c.Expires, Domains: domainTexts(c.Domains)}
	return view
}

// ChangeQueue does something with mail in the queue, and returns how many
// messages have changed.
func (a *Admin) ChangeQueue(ctx context.Context, do QueueAction, which QueueSelection) (int, error) {
	may := authorize
	if do == Reroute { // who sits at somebody's desk must not send mail to a server of theirs
		may = authorizeSudo
	}
	if _, err := may(ctx, ActOnQueue); err != nil {
		return 0, err
	}
	change := map[QueueAction]func(context.Context, queue.Selection) ([]queue.ID, error){
		RetryNow: a.opts.Queue.RetryWhere, Hold: a.opts.Queue.HoldWhere, Release: a.opts.Queue.ReleaseWhere, Cancel: a.opts.Queue.CancelWhere,
		Reroute: func(ctx context.Context, sel queue.Selection) ([]queue.ID, error) {
			return a.opts.Queue.Reroute(ctx, which.To, sel)
		},
	}[do]
	if change == nil {
		return 0, invalid("%q cannot be done with the queue; choose one of retry, hold, release, cancel, reroute", do)
	}
	sel, err := which.selection()
	if err != nil {
		return 0, err
	}
	if r := directory.RehearsalOf(ctx); r != nil {
		n, err := a.countSelected(ctx, which)
		if err != nil {
			return 0, err
		}
		r.Entries = append(r.Entries, directory.AuditEntry{Action: "queue." + string(do), Object: fmt.Sprintf("%d messages", n)})
		return 0, directory.ErrRehearsed
	}
	ids, err := change(ctx, sel)
	if errors.Is(err, queue.ErrRelay) {
		return 0, At("to", invalid("write the relay as host:port, as in smtp.example.org:587"))
	}
	if len(ids) > 0 { // also when not all could be changed
		err = errors.Join(notInQueue(err), a.recordQueue(ctx, do, which.To, ids))
	}
	return len(ids), notInQueue(err)
}

// recordQueue writes the audit log.
func (a *Admin) recordQueue(ctx context.Context, do QueueAction, to string, ids []queue.ID) error {
	object := string(ids[0])
	if len(ids) > 1 {
		object = fmt.Sprintf("%d messages", len(ids))
	}
	if do == Reroute && to != "" {
		object += " to " + to
	}
	return a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "queue."+string(do), object, ids[:min(len(ids), maxAudited)])
}

// selection is what the queue knows it as.
func (which *QueueSelection) selection() (queue.Selection, error) {
	if (len(which.IDs) == 0) == (which.Filter == nil) {
		return queue.Selection{}, At("ids", invalid("say which messages: their ids, or a filter"))
	}
	if f := which.Filter; f != nil {
		return queue.Selection{Address: asKey(f.Address), State: queue.State(f.State), Cause: f.Cause}, nil
	}
	sel := queue.Selection{IDs: []queue.ID{}}
	for _, id := range which.IDs {
		sel.IDs = append(sel.IDs, queue.ID(id))
	}
	return sel, nil
}

// countSelected says how many messages are meant.
func (a *Admin) countSelected(ctx context.Context, which QueueSelection) (int, error) {
	if which.Filter == nil {
		return len(which.IDs), nil
	}
	items, err := All(func(p Paging) (Page[QueueItem], error) { return a.Queue(ctx, QueueFilter{p, *which.Filter}) })
	return len(items), err
}

// maxAudited bounds the IDs in one entry of the audit log.
const maxAudited = 1000

func describeItem(it queue.Item) QueueItem {
	view := QueueItem{ID: string(it.ID), From: it.ReversePath.String(), Created: it.Created, Expires: it.Expires, Size: it.Size, Recipients: []QueueRecipient{}}
	for _, r := range it.Recipients {
		vr := QueueRecipient{Address: r.Path.String(), State: string(r.State), Attempts: r.Attempts, Next: r.Next, Last: r.Last, Reply: r.Reply, MX: r.MX, Cause: r.Cause, Relay: r.Relay}
		if r.Status != (mail.Status{}) {
			vr.Status = r.Status.String()
		}
		view.Recipients = append(view.Recipients, vr)
	}
	return view
}
