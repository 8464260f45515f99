package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dsn"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

const (
	reportRetry = time.Minute // after a report could not be made
	reportGroup = 100         // owed reports read at once
)

func (q *Queue) newID(now time.Time) ID { return trace.NewID(now, q.opts.Random) }

// makeReports turns owed reports into messages of the queue until ctx is
// done: at first those that an earlier run left behind. A report that cannot
// be made now, because the disk is full, stays owed.
func (q *Queue) makeReports(ctx context.Context, owed <-chan struct{}) {
	for ctx.Err() == nil {
		err := q.makeOwed(ctx)
		if ctx.Err() != nil {
			return
		}
		var again <-chan time.Time
		if err != nil {
			q.opts.Logger.Error("delivery reports could not be made, trying again", "err", err)
			timer := time.NewTimer(reportRetry)
			defer timer.Stop()
			again = timer.C
		}
		select {
		case <-ctx.Done():
		case <-owed:
		case <-again:
		}
	}
}

// owedReport is a report with its key and the item that it is about.
type owedReport struct {
	key    string
	report *report
	item   *item
}

// makeOwed makes all reports that are owed. One that fails does not hold up
// the others; the first error is returned.
func (q *Queue) makeOwed(ctx context.Context) error {
	var first error
	for from := []byte(nil); ; {
		group, err := q.readOwed(ctx, from)
		if err != nil {
			return err
		}
		for _, o := range group {
			if err := q.makeReport(ctx, o); err != nil && first == nil {
				first = fmt.Errorf("report %s: %w", o.report.id, err)
			}
			from = append([]byte(o.key), 0)
		}
		if len(group) < reportGroup || ctx.Err() != nil {
			return first
		}
	}
}

func (q *Queue) readOwed(ctx context.Context, from []byte) (group []owedReport, err error) {
	err = q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		group = nil
		for k, v := range tx.Scan(bucketOwed, from, nil) {
			if len(group) == reportGroup {
				return nil
			}
			o := owedReport{key: string(k)}
			if o.report, err = decodeReport(v); err != nil {
				return fmt.Errorf("owed report %q: %w", k, err)
			}
			if o.item, err = getItem(tx, itemKeyOf(o.key)); err != nil {
				return err
			}
			group = append(group, o)
		}
		return nil
	})
	return group, err
}

// makeReport writes one report and has the store accept it. Apply strikes it
// out when it becomes an item, so it is made once even if we die in between.
func (q *Queue) makeReport(ctx context.Context, o owedReport) error {
	it := o.item
	if it == nil { // cannot be; the sender is told all the same
		it = &item{}
	}
	text, err := q.write(ctx, o, it)
	if err != nil {
		return err
	}
	env := mail.Envelope{Recipients: []mail.Recipient{{Path: o.report.to}}, RequireTLS: it.envelope.RequireTLS && !o.report.double}
	env.UTF8 = it.envelope.UTF8
	to, err := makeEntry(&entry{id: o.report.id, created: o.report.date, double: o.report.double, reports: o.key, envelope: env})
	if err != nil {
		return err
	}
	m := &store.Message{To: []store.Recipient{to}, Body: bytes.NewReader(text), Size: int64(len(text)), Owed: true}
	queued := q.opts.Now() // it can be delivered before Accept returns
	if _, err := q.eng.Accept(ctx, m); err != nil {
		return err
	}
	q.tellReport(itemKeyOf(o.key), o.report, queued)
	return nil
}

// write makes the text of a report. When our copy of the message is damaged,
// the report comes without it.
func (q *Queue) write(ctx context.Context, o owedReport, it *item) ([]byte, error) {
	r := q.describe(o, it)
	body, err := q.eng.Open(ctx, it.ref)
	switch {
	case err == nil:
		defer body.Close()
		r.Original, r.OriginalSize = io.NewSectionReader(body, 0, body.Size()), body.Size()
		text, err := dsn.Build(r)
		if !errors.Is(err, store.ErrDamaged) {
			return text, err
		}
	case !errors.Is(err, store.ErrNoBody) && !errors.Is(err, store.ErrDamaged):
		return nil, err
	}
	r.Original, r.OriginalSize = nil, 0
	return dsn.Build(r)
}

// describe is the report for package dsn.
func (q *Queue) describe(o owedReport, it *item) dsn.Report {
	r := dsn.Report{
		Hostname:  q.opts.Hostname,
		To:        o.report.to,
		Date:      o.report.date,
		MessageID: string(o.report.id) + "@" + string(q.opts.Hostname),
		Rand:      q.opts.Random,
		EnvID:     it.envelope.EnvID,
		Arrival:   it.created,
		QueueID:   string(traceID(itemKeyOf(o.key))),
		Ret:       it.envelope.Ret,
		UTF8:      it.envelope.UTF8,
	}
	if it.envelope.RequireTLS { // RFC 8689 section 5
		r.Ret = mail.RetHeaders
	}
	for _, p := range o.report.recipients {
		if !isReply(p.reply) { // the words are ours
			p.mx = ""
		}
		r.Recipients = append(r.Recipients, dsn.Recipient{
			Path:           p.Path,
			ORcpt:          p.ORcpt,
			Action:         o.report.action,
			Status:         p.status,
			RemoteMTA:      p.mx,
			Diagnostic:     p.reply,
			LastAttempt:    o.report.date,
			WillRetryUntil: o.report.retryUntil,
		})
	}
	return r
}

// isReply reports whether a text begins with a reply code, as no text of ours
// does.
func isReply(s string) bool {
	code, _, _ := strings.Cut(s, " ")
	return len(code) == 3 && strings.Trim(code, "0123456789") == ""
}
