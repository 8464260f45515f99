package alerts

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/mail/disk"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// What is trouble and has no setting.
const (
	certWarn     = 14 * day // before the end of a certificate that is not renewed
	certFail     = 3 * day
	diskWarn     = 14 * day // before the disk is full
	diskFail     = 3 * day
	queueFail    = 2 * day // age of the oldest message
	errorsMany   = 20      // within ErrorsSpan
	channelTried = hour    // that a channel has not worked
	maxFindings  = 50      // that are told apart
)

// Judge says what is found, the good with the bad.
func Judge(o Observations, l Limits) []Finding {
	all := slices.Concat(o.checked(), o.certificates(), o.queue(l), o.logins(l), o.errors(), o.webhooks(), o.senders())
	for i := range all {
		f := &all[i]
		f.Saw, f.Fix, f.Title, f.How = clip(f.Saw), clip(f.Fix), clip(f.Title), clip(f.How)
	}
	return bounded(all)
}

// bounded keeps the worst, and counts the rest in one finding.
func bounded(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(severity(b.State), severity(a.State)), cmp.Compare(a.ID, b.ID))
	})
	bad := 0
	for _, f := range all {
		if severity(f.State) > 0 {
			bad++
		}
	}
	if bad <= maxFindings {
		return all
	}
	return append(slices.Delete(all, maxFindings, bad), Finding{ID: "others", Title: "More problems", State: checks.Warn,
		Saw: fmt.Sprintf("%d more things are wrong than are told one by one", bad-maxFindings), How: "Problems are counted; the worst 50 are told.",
		Fix: "See the list of checks.", FixLink: "/admin/system"})
}

// own are checks whose trouble is judged here, with more than they know.
var own = []string{"queue", "errors", "disk", "certificates"}

// checked are findings of checks, and of the disk.
func (o *Observations) checked() []Finding {
	var all []Finding
	for _, r := range o.Checks {
		if r.ID == "disk" {
			all = append(all, o.disk(r))
		}
		if slices.Contains(own, r.ID) {
			continue
		}
		all = append(all, o.check(r))
	}
	return all
}

func (o *Observations) check(r checks.Result) Finding {
	return Finding{ID: "check." + r.ID, Check: r.ID, Title: r.Title, State: r.State, Saw: r.Saw, Fix: r.Fix, FixLink: r.FixLink, Domain: r.Domain,
		How: fmt.Sprintf("A check has looked at this at %s. It expects: %s. %s", clock(r.CheckedAt), r.Want, r.Why),
		// What others say may be wrong for a moment; a disk is not.
		twice: r.Group == checks.Network || r.Group == checks.Names,
		quiet: r.MutedUntil != nil && o.Now.Before(*r.MutedUntil)}
}

// disk adds to what the check says when the disk is going to be full.
func (o *Observations) disk(r checks.Result) Finding {
	f := o.check(r)
	f.ID = "disk"
	o.stage(&f)
	if o.Disk == nil || o.Disk.FullAt.IsZero() {
		return f
	}
	left := o.Disk.FullAt.Sub(o.Now)
	state := checks.OK
	switch {
	case left < diskFail:
		state = checks.Fail
	case left < diskWarn:
		state = checks.Warn
	}
	if severity(state) == 0 {
		return f
	}
	f.Saw += fmt.Sprintf("; as it has filled in the last 30 days it is full on %s", o.Disk.FullAt.Format("2 January 2006"))
	f.How += " The date is a straight line through what was used in 30 days."
	f.FixLink = "/admin/system/storage"
	if f.Fix == "" {
		f.Fix = "Make room, or give the disk more. The storage page shows what takes it."
	}
	if severity(state) > severity(f.State) {
		f.State = state
	}
	return f
}

// stage adds what has stopped since the check has looked, to keep room for mail.
func (o *Observations) stage(f *Finding) {
	if o.Disk == nil {
		return
	}
	state := checks.OK
	switch s := o.Disk.Stage; {
	case s >= disk.Lower:
		state = checks.Fail
	case s == disk.Low:
		state = checks.Warn
	}
	if severity(state) > severity(f.State) {
		f.State, f.Saw, f.Fix, f.FixLink = state, o.Disk.Stage.Says(), o.Disk.Stage.Fix(), "/admin/system/storage"
	}
}

func (o *Observations) certificates() []Finding {
	var all []Finding
	for _, c := range o.Certificates {
		if c.Name == o.Host || c.NotAfter.IsZero() && c.Problem == "" {
			continue // a check looks at it; or it was ordered just now
		}
		f := Finding{ID: "certificate." + c.Name, Title: "Certificate of " + c.Name, State: checks.OK, FixLink: "/admin/system/certificates",
			How: "The server reads the end of each certificate that it shows."}
		left := c.NotAfter.Sub(o.Now)
		switch {
		case c.NotAfter.IsZero():
			f.State, f.Saw = checks.Warn, "there is none yet: "+c.Problem
		case left <= 0:
			f.State, f.Saw = checks.Fail, "it ended on "+c.NotAfter.Format("2 January 2006")
		case left < certFail:
			f.State, f.Saw = checks.Fail, fmt.Sprintf("it ends in %d hours", int(left/hour))
		case left < certWarn && (c.Problem != "" || !c.Renewed):
			f.State, f.Saw = checks.Warn, fmt.Sprintf("it ends in %d days", int(left/day))
		}
		if f.State != checks.OK {
			f.Fix = "It is renewed by itself; the certificates page says why that has not happened."
			if c.Problem != "" {
				f.Fix = "The last try to renew it failed: " + c.Problem
			} else if !c.Renewed {
				f.Fix = "Renew the files that the configuration names; they are read again when they change."
			}
		}
		all = append(all, f)
	}
	return all
}

// queue is about age and number of what waits, and about the store if it
// cannot be asked: the queue is a part of it.
func (o *Observations) queue(l Limits) []Finding {
	if o.Queue == nil && o.QueueTrouble == "" {
		return nil
	}
	stored := Finding{ID: "store", Title: "Message store", State: checks.OK, How: "The server asks the store for its queue each minute.",
		Fix: "Look at the log and at the disk, then restart the service. No mail is lost: senders keep what was not accepted.", FixLink: "/admin/system/logs"}
	age := Finding{ID: "queue.age", Title: "Queue", State: checks.Unknown, How: "The age of the oldest message in the queue is looked at each minute.",
		Fix: "The queue page groups what waits by its cause.", FixLink: "/admin/mail/queue"}
	many := age
	many.ID, many.How = "queue.size", "The messages in the queue are counted each minute."
	if o.Queue == nil {
		stored.State, stored.Saw = checks.Fail, o.QueueTrouble
		return []Finding{stored, age, many}
	}
	age.State, many.State = checks.OK, checks.OK
	waits := o.Now.Sub(o.Queue.Oldest)
	if l.QueueAge > 0 && o.Queue.Messages > 0 && waits >= l.QueueAge {
		age.State, age.Saw = checks.Warn, fmt.Sprintf("%d waiting, the oldest for more than %s", o.Queue.Messages, span(l.QueueAge))
		if waits >= max(queueFail, l.QueueAge) {
			age.State, age.Saw = checks.Fail, fmt.Sprintf("%d waiting, the oldest for %s", o.Queue.Messages, span(waits))
		}
	}
	switch n := o.Queue.Messages; {
	case l.QueueSize > 0 && n >= l.QueueSize:
		many.State, many.Saw = checks.Warn, fmt.Sprintf("%d waiting; %d or more is too many", n, l.QueueSize)
	case l.QueueSize > 0 && n >= l.QueueSize/2: // neither good nor bad: as it was
		many.State = checks.Unknown
	}
	return []Finding{stored, age, many}
}

func (o *Observations) logins(l Limits) []Finding {
	if o.Logins == nil || l.FailedLogins <= 0 {
		return nil
	}
	f := Finding{ID: "logins", Title: "Failed logins", State: checks.OK, FixLink: "/admin/security", How: "Failed logins of all protocols are counted over ten minutes.",
		Fix: "Somebody is guessing passwords; they are slowed down already. See who is meant on the page of sign-ins, and make sure that these people have good passwords."}
	switch n := o.Logins.Failed; {
	case n >= l.FailedLogins:
		f.State, f.Saw = checks.Warn, fmt.Sprintf("%d failed logins in ten minutes", n)
		if o.Logins.Most != "" {
			f.Saw += ", " + o.Logins.Most
		}
	case n >= l.FailedLogins/2:
		f.State = checks.Unknown
	}
	return []Finding{f}
}

func (o *Observations) errors() []Finding {
	f := Finding{ID: "errors", Title: "Errors in the log", State: checks.OK, FixLink: "/admin/system/logs", How: "Errors in the log are counted over ten minutes.",
		Fix: "Look at the log; each error there is something that somebody has to look at."}
	switch {
	case o.Errors >= errorsMany:
		f.State, f.Saw = checks.Warn, fmt.Sprintf("%d errors in ten minutes, the last: %s", o.Errors, o.LastError)
	case o.Errors >= errorsMany/4:
		f.State = checks.Unknown
	}
	return []Finding{f}
}

func (o *Observations) webhooks() []Finding {
	var all []Finding
	for _, w := range o.Webhooks {
		all = append(all, Finding{ID: "webhook." + w.ID, Title: "Webhook", State: checks.Warn, Domain: w.Domain, FixLink: "/admin/system/webhooks",
			Saw: w.URL + " was switched off: " + w.Reason, How: "A webhook that has not worked for a long time gets no more events.",
			Fix: "Mend what answers there, then switch the webhook on again and replay what it has missed."})
	}
	return all
}

// channelState is how a channel does.
type channelState struct {
	id, name, problem string
	failing           time.Time // since; zero: it works
}

func (o *Observations) senders() []Finding {
	var all []Finding
	for _, c := range o.channels {
		f := Finding{ID: "channel." + c.id, Title: "Alerts to " + c.name, State: checks.OK, FixLink: "/admin/system/alerts", about: c.id,
			How: "An alert could not be sent there, also not when it was tried again.", Fix: "Send a test from the alerts page, and correct the address."}
		switch {
		case !c.failing.IsZero() && o.Now.Sub(c.failing) >= channelTried:
			f.State, f.Saw = checks.Warn, "alerts have not got there since "+clock(c.failing)+": "+c.problem
		case !c.failing.IsZero():
			f.State = checks.Unknown
		}
		all = append(all, f)
	}
	return all
}

// span writes a duration for people.
func span(d time.Duration) string {
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", int(d/day))
	case d >= 2*hour:
		return fmt.Sprintf("%d hours", int(d/hour))
	}
	return fmt.Sprintf("%d minutes", int(d/time.Minute))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "no time yet"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
