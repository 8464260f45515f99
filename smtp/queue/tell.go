package queue

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// tell puts the attempt into trace and log.
func (a *attempt) tell(results []Result, now time.Time) {
	id := traceID(a.itemKey)
	var events []trace.Event
	for i := range results {
		if len(results[i].Dialogue) > 0 {
			events = append(events, results[i].Dialogue...)
			break
		}
	}
	for i, r := range a.job.recipients {
		events = append(events, a.event(&results[i], r.Path, now))
		a.log(&results[i], r.Path)
		a.observe(&results[i], r.Path, now)
	}
	for _, r := range a.owed {
		events = append(events, trace.Event{Time: now, Kind: trace.Report,
			Text: fmt.Sprintf("%s is told: %s (report %s)", r.to, r.action, r.id), Fields: map[string]string{"action": string(r.action), "report": string(r.id)}})
	}
	if a.dropped() {
		events = append(events, trace.Event{Time: now, Kind: trace.Report,
			Text: "nobody is told: the message itself came from nobody (null reverse-path)", Fields: map[string]string{"action": "dropped"}})
	}
	sum := trace.Summary{ID: id, Last: now}
	var why *recipient
	if sum.Outcome, why = a.verdict(); why != nil {
		sum.Status, sum.Reason, sum.Cause = why.status.String(), why.reply, causeOf(a.job.domain, why)
	} else if sum.Outcome == "delivered" {
		sum.Status = mail.StatusOK.String()
	}
	if a.gone {
		events = append(events, trace.Event{Time: now, Kind: trace.Done, Text: "the message was cancelled during this attempt"})
	} else if a.ended {
		events = append(events, trace.Event{Time: now, Kind: trace.Done, Text: "finished: " + sum.Outcome})
	}
	a.q.opts.Trace.Append(sum, events...)
}

// dropped reports whether failures go unreported that would be reported to
// anybody else.
func (a *attempt) dropped() bool {
	return len(a.out.failed) > 0 && a.item.envelope.ReversePath.IsNull() && len(a.owed) == 0
}

// verdict is the outcome of the whole message after this attempt, and a
// recipient that tells why, if there is one.
func (a *attempt) verdict() (outcome string, why *recipient) {
	switch {
	case len(a.out.failed) > 0:
		return "bounced", &a.out.failed[0]
	case len(a.out.deferred) > 0:
		return "deferred", &a.out.deferred[0]
	case a.failed: // earlier
		return "bounced", nil
	}
	return "delivered", nil
}

// event is the attempt as one recipient saw it.
func (a *attempt) event(r *Result, to mail.Path, now time.Time) trace.Event {
	word := a.word(r, to)
	fields := map[string]string{"rcpt_to": to.String(), "result": word, "status": statusOf(r).String(), "attempt": strconv.Itoa(a.job.attempts + 1)}
	for name, v := range map[string]string{"mx": r.RemoteName, "remote": r.RemoteAddr, "tls": r.TLS, "reply": r.Reply, "relay": a.job.relay} {
		if v != "" {
			fields[name] = v
		}
	}
	if r.Dur > 0 {
		fields["dur"] = r.Dur.Round(time.Millisecond).String()
	}
	text := to.String() + " " + word
	if r.RemoteName != "" {
		text += " by " + r.RemoteName
	}
	if reply := replyOf(r); reply != "" {
		text += ": " + reply
	}
	if word == "deferred" && !a.next.IsZero() {
		fields["next"] = a.next.UTC().Format(time.RFC3339)
		text += "; next attempt at " + fields["next"]
	}
	return trace.Event{Time: now, Kind: trace.Attempt, Text: text, Fields: fields}
}

// Observation is what came of an attempt for one recipient, for those who
// count.
type Observation struct {
	Time    time.Time
	Created time.Time // of the message
	To      mail.Path
	Outcome string // "delivered", "deferred", "bounced"
	Status  mail.Status
	Attempt int    // 1 for the first
	Local   bool   // the recipient is ours
	MX      string // host that was asked; empty if none was reached
	TLS     string // as in Result
	Reply   string // of the remote; empty if there was none
	Text    string // what is shown of the result: the reply, or our own words
}

// observe tells those who count.
func (a *attempt) observe(r *Result, to mail.Path, now time.Time) {
	if a.q.opts.Observe == nil {
		return
	}
	a.q.opts.Observe(Observation{
		Time: now, Created: a.item.created, To: to, Outcome: a.word(r, to), Status: statusOf(r), Attempt: a.job.attempts + 1,
		Local: a.local, MX: r.RemoteName, TLS: r.TLS, Reply: r.Reply, Text: replyOf(r),
	})
}

// word says what became of a recipient.
func (a *attempt) word(r *Result, to mail.Path) string {
	for _, group := range []struct {
		word  string
		among []recipient
	}{{"bounced", a.out.failed}, {"deferred", a.out.deferred}, {"delivered", a.out.done}} {
		for i := range group.among {
			if group.among[i].Path == to {
				return group.word
			}
		}
	}
	if r.Err == nil {
		return "delivered"
	}
	return "cancelled" // meanwhile
}

func (a *attempt) log(r *Result, to mail.Path) {
	attrs := []any{
		"queue_id", a.itemKey, "mail_from", a.item.envelope.ReversePath, "rcpt_to", to, "result", a.word(r, to), "status", statusOf(r),
		"attempt", a.job.attempts + 1, "mx", r.RemoteName, "tls", r.TLS, "reply", r.Reply, "dur", r.Dur,
	}
	if r.Err != nil {
		attrs = append(attrs, "err", r.Err)
	}
	a.q.opts.Logger.Info("delivery attempt", attrs...)
}

// tellReport puts a report that was queued at the given time into its own trace.
func (q *Queue) tellReport(itemKey string, r *report, queued time.Time) {
	q.opts.Trace.Append(trace.Summary{ID: r.id, Start: queued, Last: queued, Direction: "local", Recipients: []mail.Path{r.to}},
		trace.Event{Time: queued, Kind: trace.Queued, Text: fmt.Sprintf("%s report about message %s", r.action, traceID(itemKey)),
			Fields: map[string]string{"about": string(traceID(itemKey))}})
	q.opts.Logger.Info("report queued", "queue_id", r.id, "about", itemKey, "action", string(r.action), slog.Any("rcpt_to", r.to))
}
