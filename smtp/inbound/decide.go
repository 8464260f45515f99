package inbound

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
)

// Recipient is an account that a message reaches, what is known of the message
// for it, and what becomes of it there.
type Recipient struct {
	delivery.Reached
	Opinion  junk.Opinion
	Match    verdict.Match
	Policy   verdict.Policy
	Decision verdict.Decision
}

// Verdict is what becomes of a message.
type Verdict struct {
	Action     Action // the strictest of what happens for anybody
	Status     mail.Status
	Code       int
	Text       string      // of a refusal, for the client
	Reasons    []string    // of the checks that spoke against the message
	Reason     string      // the one that decided, in one line
	Cause      string      // of it, the same for messages that are alike in this
	Recipients []Recipient // nil: refused before they were asked
}

// decide makes one verdict of what the checks would do alone: the strictest
// wins, and among equals the first.
func decide(findings []Finding) Verdict {
	var v Verdict
	for _, f := range findings {
		if f.Action == Accept {
			continue
		}
		reason := f.Check + ": " + f.Reason
		v.Reasons = append(v.Reasons, reason)
		if f.Action > v.Action {
			v.Action, v.Status, v.Code, v.Text, v.Reason, v.Cause = f.Action, f.Status, f.Code, f.Text, reason, reason
		}
	}
	return v
}

// conclude decides for each account what the checks left open, and what
// becomes of the message then.
func conclude(hard Verdict, to []Recipient, forwardJunk bool) Verdict {
	wanted := make([]verdict.Decision, len(to))
	for i := range to {
		r := &to[i]
		wanted[i] = verdict.Decide(verdict.Facts{Hard: hard.Action, Score: r.Opinion.Score, Known: r.Opinion.Known,
			Match: r.Match, Policy: r.Policy, Rescue: verdict.IsRescue(r.To), Onward: r.Account == 0 && !forwardJunk})
	}
	refused := verdict.Settle(wanted)
	v := hard
	v.Recipients = to
	for i := range to {
		to[i].Decision = wanted[i]
		if d := wanted[i]; d.Action > v.Action && !refused {
			v.Action = d.Action
			v.Reason, v.Cause = to[i].why()
		}
	}
	if refused {
		return v.refuse(&to[0])
	}
	return v
}

// refuse refuses with the reason of one of the recipients.
func (v Verdict) refuse(r *Recipient) Verdict {
	why, cause := r.why()
	v.Action, v.Status, v.Code = Refuse, mail.StatusPolicy, 550
	v.Reason, v.Cause = cmp.Or(why, v.Reason), cmp.Or(cause, v.Cause)
	switch {
	case r.Decision.By == verdict.ByCheck:
		v.Text = "this message would be filed as junk, and is not forwarded to " + r.To.String() + " (" + v.Reason + ")"
	case r.Decision.By == verdict.ByScore:
		v.Text = "this message looks like junk mail (" + strings.Join(names(r.Opinion.Reasons, maxTold), ", ") + ")"
	case r.Match.Scope == verdict.Account:
		v.Text = r.To.String() + " takes no mail from you"
	default:
		v.Text = "mail from " + r.Match.Subject + " is not taken here"
	}
	return v
}

// maxTold is how many reasons a client is told.
const maxTold = 4

// why returns what decided for a recipient: for people here, and what is the
// same for messages that are alike in it.
func (r *Recipient) why() (reason, cause string) {
	switch r.Decision.By {
	case verdict.ByScore:
		top := names(r.Opinion.Reasons, maxTold)
		return fmt.Sprintf("score %.1f: %s", r.Opinion.Score, strings.Join(top, ", ")), "score: " + strings.Join(top[:min(1, len(top))], "")
	case verdict.ByList:
		reason = fmt.Sprintf("list: %s has %s %s", r.Match.Scope, r.Match.Verb, r.Match.Subject)
		return reason, reason
	}
	return "", ""
}

// names returns the names of what speaks for junk, the heaviest first.
func names(reasons []mail.Reason, most int) []string {
	heavy := slices.DeleteFunc(slices.Clone(reasons), func(r mail.Reason) bool { return r.Score <= 0 })
	slices.SortStableFunc(heavy, verdict.ByWeight)
	var list []string
	for _, r := range heavy[:min(len(heavy), most)] {
		list = append(list, r.Name)
	}
	return list
}

// withContact adds to a final refusal by policy whom to ask.
func (v Verdict) withContact(m *Mail) Verdict {
	if v.Action != Refuse || !v.Status.Permanent() || v.Status.Subject != mail.StatusPolicy.Subject {
		return v
	}
	for _, r := range m.Envelope.Recipients {
		if r.Path.Domain != "" {
			v.Text += "; if this is wrong, write to postmaster@" + string(r.Path.Domain)
			break
		}
	}
	return v
}

// err returns the refusal as an error for the client, nil if there is none.
func (v Verdict) err() error {
	if v.Action != Refuse {
		return nil
	}
	return &mail.Error{Status: v.Status, Code: v.Code, Text: v.Text}
}
