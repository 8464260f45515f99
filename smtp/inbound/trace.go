package inbound

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
)

// maxRefusedTold is how many refused recipients of one transaction are told in
// its trace; a dictionary attack has no more to say.
const maxRefusedTold = 20

// refuse records that a recipient was not taken.
func (tx *transaction) refuse(now time.Time, p mail.Path, err error) {
	tx.status, tx.reason = mail.StatusOf(err), peerText(err)
	if len(tx.refused) >= maxRefusedTold {
		return
	}
	tx.refused = append(tx.refused, p)
	tx.events = append(tx.events, trace.Event{Time: now, Kind: trace.Route, Text: p.String() + " refused: " + peerText(err),
		Fields: map[string]string{"rcpt_to": p.String(), "status": tx.status.String()}})
}

// peerText is what the client was told.
func peerText(err error) string {
	if e, ok := err.(*mail.Error); ok {
		return e.Status.String() + " " + e.Text
	}
	return mail.StatusOf(err).String()
}

// record puts what the checks found and the verdict into the trace.
func (s *session) record(m *Mail, v Verdict) {
	now := s.service.opts.Now()
	events := make([]trace.Event, 0, 8)
	sum := trace.Summary{ID: m.ID, MessageID: m.Index.MessageID, Size: m.Index.Size,
		SubjectHash: trace.SubjectHash(message.DecodeHeaderText(m.Index.Envelope.Subject))}
	for _, f := range m.Findings {
		if f.ClientName != "" {
			sum.RemoteName = f.ClientName
		}
		for _, r := range f.Results {
			events = append(events, trace.Event{Time: now, Kind: trace.Check, Text: resultText(r),
				Fields: map[string]string{"check": f.Check, "result": r.Result, "reason": r.Comment}})
		}
		if len(f.Results) == 0 {
			events = append(events, reasonEvents(now, &f)...)
		}
		if f.Err != nil {
			s.service.opts.Logger.Warn("check had trouble", "conn", s.conn.ID, "queue_id", m.ID, "check", f.Check, "err", f.Err)
		}
	}
	s.service.opts.Trace.Append(sum, append(events, verdictEvents(now, m, v)...)...)
}

// reasonEvents tell what a check has found that has no place in
// Authentication-Results.
func reasonEvents(now time.Time, f *Finding) []trace.Event {
	var events []trace.Event
	for _, r := range f.Reasons {
		events = append(events, trace.Event{Time: now, Kind: trace.Check, Text: r.Text,
			Fields: map[string]string{"check": f.Check, "score": strconv.FormatFloat(r.Score, 'f', 2, 64), "reason": r.Text}})
	}
	return events
}

// resultText is a result in the words of Authentication-Results, on one line.
func resultText(r mail.AuthResult) string {
	text := r.Method + "=" + r.Result
	for _, p := range r.Props {
		text += " " + p.Type + "." + p.Name + "=" + p.Value
	}
	if r.Comment != "" {
		text += " (" + r.Comment + ")"
	}
	return text
}

// finish logs how DATA was answered, and notes it for the trace.
func (s *session) finish(ctx context.Context, v Verdict, err error) {
	o, tx := &s.service.opts, s.tx
	now := o.Now()
	tx.status = mail.StatusOf(err)
	text := "accepted for " + trace.Recipients(len(tx.env.Recipients))
	switch v.Action {
	case Junk:
		text += " as junk"
	case Quarantine:
		text += ", into quarantine"
	}
	tx.reason, tx.cause, tx.place = v.Reason, v.Cause, v.Action
	if err != nil {
		tx.place = Refuse
		text = "refused: " + peerText(err)
		if v.Action != Refuse { // the trouble is ours, or came with the data
			tx.reason, tx.cause = peerText(err), tx.status.String()
		}
	}
	tx.events = append(tx.events, trace.Event{Time: now, Kind: trace.Done, Text: text,
		Fields: map[string]string{"status": tx.status.String()}})
	o.Logger.InfoContext(ctx, "message", "conn", s.conn.ID, "queue_id", tx.id, "remote", s.conn.Remote,
		"mail_from", tx.env.ReversePath, "rcpts", len(tx.env.Recipients), "verdict", v.Action.String(),
		"status", tx.status, "dur", now.Sub(tx.start), "err", err)
}

// traceEnd tells the transaction's story when it is over: who came, what was
// said, how it ended. What the checks found was told by record.
func (s *session) traceEnd() {
	o, tx, c := &s.service.opts, s.tx, s.client()
	sum := trace.Summary{ID: tx.id, Start: tx.start, Direction: "in", ReversePath: tx.env.ReversePath,
		Recipients: tx.recipients(), RemoteIP: c.Addr.Unmap().String(), Status: tx.status.String()}
	switch {
	case tx.ended && tx.status == mail.StatusOK:
		sum.Outcome, sum.Reason, sum.Cause = "accepted", tx.reason, tx.cause
		sum.Junk, sum.Quarantined = tx.place == Junk, tx.place == Quarantine
	case tx.ended || len(tx.refused) > 0:
		sum.Outcome, sum.Reason, sum.Cause = "refused", tx.reason, tx.cause
		if sum.Cause == "" { // recipients alone: the same client tries the same
			sum.Cause = sum.Status + " " + sum.RemoteIP
		}
	default:
		sum.Outcome, sum.Status = "aborted", ""
	}
	tlsText := "without TLS"
	if c.Cipher != "" {
		tlsText = "with " + c.Cipher
	}
	said := s.conn.Dialogue(o.Now())
	came := tx.start
	if len(said) > 0 && said[0].Time.Before(came) { // EHLO, which comes before the transaction
		came = said[0].Time
	}
	events := []trace.Event{{Time: came, Kind: trace.Connect,
		Text:   fmt.Sprintf("%s (%s) with %s, %s", c.Addr.Unmap(), c.Hello, c.Protocol, tlsText),
		Fields: map[string]string{"remote": s.conn.Remote.String(), "hello": c.Hello, "protocol": c.Protocol, "tls": c.Cipher}}}
	events = append(events, said...)
	o.Trace.Append(sum, append(events, tx.events...)...)
}

// recipients returns those accepted and those refused.
func (tx *transaction) recipients() []mail.Path {
	paths := make([]mail.Path, 0, len(tx.env.Recipients)+len(tx.refused))
	for _, r := range tx.env.Recipients {
		paths = append(paths, r.Path)
	}
	return append(paths, tx.refused...)
}
