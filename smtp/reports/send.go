package reports

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
)

// Bounds of what is sent.
const (
	maxReportsADay = 5_000
	maxAttachment  = 5 << 20 // octets, packed
	maxListedSent  = 500
)

// Sent is a report of ours, sent or not.
type Sent struct {
	ID       string    `json:"id" doc:"Of the report, as its receiver sees it."`
	Time     time.Time `json:"time"`
	Domain   string    `json:"domain" doc:"That the report is about."`
	To       string    `json:"to"`
	Begin    time.Time `json:"begin"`
	End      time.Time `json:"end"`
	Messages int64     `json:"messages"`
	Rows     int       `json:"rows"`
	Trace    string    `json:"trace,omitempty" doc:"Of the message; absent: it was not sent."`
	Reason   string    `json:"reason,omitempty" doc:"Why it was not sent."`
}

// sendDue sends the reports of the last days that were not sent yet.
func (b *Book) sendDue(ctx context.Context, now time.Time) {
	if b.opts.Send == nil || !b.opts.Send() {
		return
	}
	for back := sendBack; back >= 1; back-- {
		if err := b.SendDay(ctx, dayOf(now).AddDate(0, 0, -back)); err != nil && ctx.Err() == nil {
			b.opts.Logger.Warn("DMARC reports of a day are not all sent; trying again", "day", dayOf(now).AddDate(0, 0, -back).Format(time.DateOnly), "err", err)
		}
	}
}

// SendDay sends the reports about a day that is over, those that were not sent
// before. After an error some are still to be sent.
func (b *Book) SendDay(ctx context.Context, day time.Time) error {
	day = dayOf(day)
	b.sending.Lock()
	defer b.sending.Unlock()
	if err := b.flush(); err != nil {
		return err
	}
	domains, err := b.pending(day)
	if err != nil || len(domains) == 0 {
		return err
	}
	from := b.opts.From()
	if from == "" {
		return errors.New("there is no domain to send reports from")
	}
	var first error
	for _, d := range domains {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := b.sendOne(ctx, policyKey{day, d}, from); err != nil && first == nil {
			first = fmt.Errorf("report about %s: %w", d, err)
		}
	}
	return first
}

// pending are the policy domains that are to be told about a day.
func (b *Book) pending(day time.Time) (domains []mail.Domain, err error) {
	prefix := timeKey(nil, day)
	err = b.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketPolicy).Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix) && len(domains) < maxReportsADay; k, _ = c.Next() {
			domains = append(domains, mail.Domain(k[len(prefix):]))
		}
		return nil
	})
	return domains, err
}

// sendOne sends the report about one policy domain to all who are to get it,
// and forgets what it was made of. An error leaves all for the next time.
func (b *Book) sendOne(ctx context.Context, p policyKey, from mail.Domain) error {
	told, r, err := b.collect(p, from)
	if err != nil {
		return err
	}
	to, refused, err := b.destinations(ctx, p.domain, told.URIs)
	if err != nil {
		return err
	}
	entry := Sent{ID: r.ID, Domain: string(p.domain), Begin: r.Begin, End: r.End, Messages: r.Messages(), Rows: len(r.Rows)}
	for i := range refused {
		e := entry
		e.Time, e.To, e.Reason = b.opts.Now().UTC(), refused[i].To, refused[i].Reason
		refused[i] = e
	}
	sent := refused
	for _, dest := range to {
		if len(r.Rows) == 0 {
			break
		}
		e := entry
		e.Time, e.To = b.opts.Now().UTC(), dest.String()
		id, err := b.mail(ctx, r, from, dest)
		switch {
		case err != nil && mail.StatusOf(err).Permanent():
			e.Reason = err.Error()
		case err != nil:
			return errors.Join(err, b.note(sent)) // sent twice, it has the same ID
		}
		e.Trace = string(id)
		sent = append(sent, e)
	}
	return b.forget(p, sent)
}

// collect makes the report of what was written down.
func (b *Book) collect(p policyKey, from mail.Domain) (told published, r *aggregate.Report, err error) {
	r = &aggregate.Report{Org: string(from), Email: "postmaster@" + string(from), Begin: p.day, End: p.day.Add(day - time.Second), Generator: b.opts.Product}
	r.ID = fmt.Sprintf("%d.%s@%s", p.day.Unix(), p.domain, cmp.Or(b.opts.Hostname, from))
	err = b.db.View(func(tx *bolt.Tx) error {
		if err := decode(tx.Bucket(bucketPolicy).Get(policyRow(p)), &told); err != nil {
			return err
		}
		prefix := seenPrefix(p)
		c := tx.Bucket(bucketSeen).Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			var row seenRow
			if err := decode(v, &row); err != nil {
				return err
			}
			r.Rows = append(r.Rows, row.Row)
		}
		return nil
	})
	slices.SortStableFunc(r.Rows, func(x, y aggregate.Row) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), x.Source.Compare(y.Source))
	})
	r.Policy = told.Policy
	if told.Lost > 0 {
		r.Errors = []string{fmt.Sprintf("%d more messages came from sources that are not in this report", told.Lost)}
	}
	return told, r, err
}

// destinations are where a report goes. Those that are refused say why. An
// error may pass.
func (b *Book) destinations(ctx context.Context, policy mail.Domain, uris []string) (to []mail.Path, refused []Sent, err error) {
	for _, uri := range uris {
		p, err := addressOf(uri)
		if err != nil {
			refused = append(refused, Sent{To: uri, Reason: "this is no address: " + err.Error()})
			continue
		}
		dest, err := b.destination(ctx, policy, p)
		switch {
		case errors.Is(err, errNotWanted):
			refused = append(refused, Sent{To: p.String(), Reason: err.Error()})
		case err != nil:
			return nil, nil, err
		case !slices.ContainsFunc(to, func(have mail.Path) bool { return have.Key() == dest.Key() }):
			to = append(to, dest)
		}
	}
	return to, refused, nil
}

// mail sends a report to one address: signed, from the postmaster, and without
// a notice of ours if it does not arrive.
func (b *Book) mail(ctx context.Context, r *aggregate.Report, from mail.Domain, to mail.Path) (trace.ID, error) {
	now := b.opts.Now()
	id := trace.NewID(now, b.opts.Rand)
	text, err := compose(r, from, to, now, string(id), b.opts.Rand)
	if err != nil {
		return "", err
	}
	var keys []dkim.Key
	if b.opts.Keys != nil {
		keys = b.opts.Keys(from)
	}
	signature, err := dkim.Sign(bytes.NewReader(text), keys)
	if err != nil {
		return "", err
	}
	text = append(signature, text...)
	ix, err := message.Parse(bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	env := mail.Envelope{ReversePath: mail.Path{Local: "postmaster", Domain: from}, Recipients: []mail.Recipient{{Path: to, Notify: mail.NotifyNever}}}
	b.opts.Trace.Append(trace.Summary{ID: id, Start: now, Direction: "out", ReversePath: env.ReversePath, Recipients: []mail.Path{to}, MessageID: ix.MessageID, Size: ix.Size, Outcome: "accepted"},
		trace.Event{Time: now, Kind: trace.Report, Text: fmt.Sprintf("DMARC report of ours about %s on %s: %s", r.Policy.Domain, r.Begin.Format(time.DateOnly), messages(r.Messages()))})
	return id, b.opts.Deliver.Deliver(ctx, delivery.Mail{ID: id, Envelope: env, Index: ix, Body: bytes.NewReader(text), Size: int64(len(text)),
		Received: now, Submitted: true, Author: from})
}

// forget drops what a report was made of, and notes what became of it.
func (b *Book) forget(p policyKey, sent []Sent) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketPolicy).Delete(policyRow(p)); err != nil {
			return err
		}
		prefix := seenPrefix(p)
		rows := tx.Bucket(bucketSeen)
		c := rows.Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return noteSent(tx, sent)
	})
}

func (b *Book) note(sent []Sent) error {
	return b.db.Update(func(tx *bolt.Tx) error { return noteSent(tx, sent) })
}

func noteSent(tx *bolt.Tx, sent []Sent) error {
	list := tx.Bucket(bucketSent)
	for i := range sent {
		n, err := list.NextSequence()
		if err != nil {
			return err
		}
		v, err := encode(&sent[i])
		if err != nil {
			return err
		}
		if err := list.Put(binary.BigEndian.AppendUint32(timeKey(nil, sent[i].Time), uint32(n)), v); err != nil {
			return err
		}
	}
	return nil
}

// Sent returns our own reports, the newest first, at most 500.
func (b *Book) Sent(ctx context.Context) ([]Sent, error) {
	list := []Sent{}
	err := b.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketSent).Cursor()
		for k, v := c.Last(); k != nil && len(list) < maxListedSent; k, v = c.Prev() {
			var s Sent
			if err := decode(v, &s); err != nil {
				return err
			}
			list = append(list, s)
		}
		return ctx.Err()
	})
	return list, err
}
