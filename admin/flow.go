package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Queue returns messages in the queue, oldest first.
func (a *Admin) Queue(ctx context.Context, f QueueFilter) ([]QueueItem, error) {
	states := []queue.State{"", queue.Waiting, queue.Trying, queue.Retry, queue.Held}
	if !slices.Contains(states, queue.State(f.State)) {
		return nil, invalid("there is no state %q; choose one of waiting, trying, retry, held", f.State)
	}
	items, err := a.opts.Queue.List(ctx, queue.Filter{Address: asKey(f.Address), State: queue.State(f.State), Cause: f.Cause, After: queue.ID(f.After), Limit: f.Limit})
	if err != nil {
		return nil, err
	}
	list := []QueueItem{}
	for _, it := range items {
		list = append(list, describeItem(it))
	}
	return list, nil
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
	it, err := a.opts.Queue.Show(ctx, queue.ID(id))
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

// QueueStats returns an overview.
func (a *Admin) QueueStats(ctx context.Context) (QueueStats, error) {
	s, err := a.opts.Queue.Stats(ctx)
	if err != nil {
		return QueueStats{}, err
	}
	view := QueueStats{Messages: s.Messages, Recipients: s.Recipients, States: map[string]int{}, Oldest: s.Oldest, Causes: []QueueCause{}}
	for state, n := range s.States {
		view.States[string(state)] = n
	}
	for _, c := range s.Causes {
		view.Causes = append(view.Causes, QueueCause{Cause: c.Cause, State: string(c.State), Reply: c.Reply, Messages: c.Messages, Oldest: c.Oldest})
	}
	return view, nil
}

// ChangeQueue does something with messages in the queue.
func (a *Admin) ChangeQueue(ctx context.Context, do QueueAction, ids []string) error {
	if len(ids) == 0 {
		return invalid("say which messages: `mailstead queue list` shows their IDs")
	}
	q := make([]queue.ID, len(ids))
	for i, id := range ids {
		q[i] = queue.ID(id)
	}
	change := map[QueueAction]func(context.Context, ...queue.ID) error{
		RetryNow: a.opts.Queue.Retry, Hold: a.opts.Queue.Hold, Release: a.opts.Queue.Release, Cancel: a.opts.Queue.Cancel,
	}[do]
	if change == nil {
		return invalid("%q cannot be done with the queue; choose one of retry, hold, release, cancel", do)
	}
	if err := change(ctx, q...); err != nil {
		return notInQueue(err)
	}
	object := ids[0]
	if len(ids) > 1 {
		object = fmt.Sprintf("%d messages", len(ids))
	}
	return a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "queue."+string(do), object, ids[:min(len(ids), maxAudited)])
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

// FindTraces returns traces, newest first.
func (a *Admin) FindTraces(ctx context.Context, q TraceQuery) ([]TraceSummary, error) {
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return nil, err
	}
	found, err := a.opts.Traces.Find(ctx, trace.Query{ID: q.ID, MessageID: q.MessageID, Address: asKey(q.Address), IP: q.IP, Subject: q.Subject,
		Outcome: q.Outcome, After: q.After, Before: q.Before, Limit: q.Limit})
	if err != nil {
		return nil, err
	}
	list := []TraceSummary{}
	for i := range found {
		list = append(list, describeTrace(&found[i]))
	}
	return list, nil
}

// Trace returns the whole story of a message.
func (a *Admin) Trace(ctx context.Context, id string) (Trace, error) {
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return Trace{}, err
	}
	t, err := a.opts.Traces.Show(ctx, trace.ID(id))
	if errors.Is(err, trace.ErrNotFound) {
		err = &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no trace " + id + "; traces are kept for a limited time (`mailstead settings get trace.keep`)"}
	}
	if err != nil {
		return Trace{}, err
	}
	return Trace{TraceSummary: describeTrace(&t.Summary), Events: t.Events}, nil
}

func describeTrace(s *trace.Summary) TraceSummary {
	return TraceSummary{ID: string(s.ID), Start: s.Start, Last: s.Last, Direction: s.Direction, From: s.ReversePath.String(), To: pathTexts(s.Recipients),
		MessageID: s.MessageID, RemoteIP: s.RemoteIP, RemoteName: s.RemoteName, Login: s.Login, Size: s.Size, Outcome: s.Outcome, Status: s.Status}
}

// Settings returns all settings.
func (a *Admin) Settings(context.Context) ([]directory.Setting, error) {
	return a.opts.Directory.Settings(), nil
}

// Setting returns one setting.
func (a *Admin) Setting(_ context.Context, name string) (directory.Setting, error) {
	return a.opts.Directory.Setting(name)
}

// SetSetting changes a setting.
func (a *Admin) SetSetting(ctx context.Context, name, value string) (directory.Setting, error) {
	return a.opts.Directory.SetSetting(ctx, Actor(ctx), name, value)
}

// ResetSetting brings a setting back to its default.
func (a *Admin) ResetSetting(ctx context.Context, name string) (directory.Setting, error) {
	return a.opts.Directory.ResetSetting(ctx, Actor(ctx), name)
}

// ExportSettings returns all settings as one TOML file.
func (a *Admin) ExportSettings(context.Context) ([]byte, error) {
	return a.opts.Directory.ExportSettings(), nil
}

// ImportSettings takes the settings of a TOML file.
func (a *Admin) ImportSettings(ctx context.Context, file []byte) ([]directory.SettingChange, error) {
	return a.opts.Directory.ImportSettings(ctx, Actor(ctx), file)
}

// Certificates says how certificates stand.
func (a *Admin) Certificates(context.Context) ([]certs.Status, error) {
	if a.opts.Certificates == nil {
		return nil, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server knows its certificates; start it with `mailstead serve`"}
	}
	return a.opts.Certificates.Status(), nil
}

// Audit returns the newest changes.
func (a *Admin) Audit(ctx context.Context, limit int) ([]directory.AuditEntry, error) {
	return a.opts.Directory.Audit(ctx, limit)
}
