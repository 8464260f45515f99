package verdict

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Action is what to do with a message, from mild to strict.
type Action uint8

const (
	Accept     Action = iota
	Junk              // file to \Junk
	Quarantine        // keep out of sight until somebody releases it
	Refuse            // answer 4xx or 5xx
)

var actionNames = [...]string{"inbox", "junk", "quarantine", "refuse"}

// String returns the name of the place where the message goes.
func (a Action) String() string { return actionNames[a] }

// ParseAction reads what String has written.
func ParseAction(s string) (Action, error) {
	for i, name := range actionNames {
		if s == name {
			return Action(i), nil
		}
	}
	return Accept, fmt.Errorf("%q is no place for a message", s)
}

// Mode says what a score is good for.
type Mode string

const (
	Off  Mode = "off"  // nothing
	Tag  Mode = "tag"  // header field and keyword; all mail goes to the inbox
	File Mode = "file" // also Junk, quarantine and refusal
)

// Policy says what is done at which score. A threshold of 0 is never reached.
type Policy struct {
	Mode       Mode    `json:"mode" enum:"off,tag,file" doc:"off: the score counts for nothing. tag: header field and keyword only. file: also Junk, quarantine and refusal."`
	Junk       float64 `json:"junk" minimum:"0" maximum:"1000" doc:"Score from which mail is filed to Junk; 0 is never."`
	Quarantine float64 `json:"quarantine" minimum:"0" maximum:"1000" doc:"Score from which it is kept in quarantine; 0 is never."`
	Refuse     float64 `json:"refuse" minimum:"0" maximum:"1000" doc:"Score from which it is refused while the sender waits; 0 is never."`
}

// Default is the policy of a server that was told nothing else.
func Default() Policy { return Policy{Mode: File, Junk: 5, Quarantine: 10, Refuse: 15} }

// maxThreshold is beyond all scores.
const maxThreshold = 1000

// PolicyError says what is wrong with a field of a policy.
type PolicyError struct{ Field, Text string }

func (e *PolicyError) Error() string { return e.Text }

func wrong(field, format string, args ...any) error {
	return &PolicyError{field, fmt.Sprintf(format, args...)}
}

// Check says what is wrong with a policy, by a *PolicyError.
func (p Policy) Check() error {
	if p.Mode != Off && p.Mode != Tag && p.Mode != File {
		return wrong("mode", "mode is off, tag or file, not %q", p.Mode)
	}
	last, name := 0.0, ""
	for _, t := range []struct {
		name  string
		score float64
	}{{"junk", p.Junk}, {"quarantine", p.Quarantine}, {"refuse", p.Refuse}} {
		switch {
		case !(t.score >= 0 && t.score <= maxThreshold): // NaN as well
			return wrong(t.name, "the %s threshold is between 0 and %d; 0 is never", t.name, maxThreshold)
		case t.score == 0:
		case t.score < last:
			return wrong(t.name, "the %s threshold (%g) is below that of %s (%g)", t.name, t.score, name, last)
		default:
			last, name = t.score, t.name
		}
	}
	return nil
}

// at returns what the policy does at a score.
func (p Policy) at(score float64) Action {
	switch {
	case p.Refuse > 0 && score >= p.Refuse:
		return Refuse
	case p.Quarantine > 0 && score >= p.Quarantine:
		return Quarantine
	case p.Junk > 0 && score >= p.Junk:
		return Junk
	}
	return Accept
}

// Facts are what is known of a message for one account.
type Facts struct {
	Hard   Action  // the strictest of the checks that decide alone
	Score  float64 // above 0 speaks for junk
	Known  bool    // the account has good reason to expect mail of this author
	Match  Match   // what the lists say
	Policy Policy
	Rescue bool // the address is there for those who are refused: postmaster, abuse
	// Onward says that the address leads elsewhere only, and that junk is not
	// passed on: who passes it on is taken for its sender.
	Onward bool
}

// Decision is what becomes of a message for one account.
type Decision struct {
	Action Action
	By     By
	// Suspect says that the score reaches the Junk threshold, or that a check or
	// a list wants the message out of the inbox; Welcome that the account wants
	// it. They make $Junk and $NotJunk.
	Suspect, Welcome bool
}

// By is what has decided.
type By string

const (
	ByNothing By = ""      // nothing speaks against the message
	ByCheck   By = "check" // a hard action
	ByList    By = "list"
	ByScore   By = "score"
)

// Decide applies the rules that doc.go tells, in that order.
func Decide(f Facts) Decision {
	d := byRules(f)
	if f.Hard > Accept && f.Hard >= d.Action {
		d.Action, d.By = f.Hard, ByCheck
	}
	if f.Onward && !f.Rescue && d.Action > Accept {
		d.Action = Refuse
	}
	d.Suspect = d.Suspect || d.Action > Accept
	d.Welcome = !d.Suspect && (f.Known || f.Match.Verb == Allow)
	return d
}

// byRules decides without hard actions.
func byRules(f Facts) Decision {
	switch f.Match.Verb {
	case Block:
		return Decision{Action: Refuse, By: ByList}
	case Allow:
		return Decision{By: ByList}
	}
	if f.Policy.Mode == Off {
		return Decision{}
	}
	action := f.Policy.at(f.Score)
	if f.Rescue {
		action = min(action, Junk)
	}
	if action == Accept {
		return Decision{}
	}
	d := Decision{Action: action, By: ByScore, Suspect: true}
	if f.Policy.Mode == Tag {
		d.Action = Accept
	}
	return d
}

// IsRescue reports whether an address is one to which those write whose mail
// was refused wrongly.
func IsRescue(to mail.Path) bool {
	return strings.EqualFold(to.Local, "postmaster") || strings.EqualFold(to.Local, "abuse")
}

// Settle makes of what each account wants what becomes of a message that all
// of them get. It is refused only if all would refuse it; else those that would
// get it into quarantine, so that nobody's wish keeps it from others, and no
// report goes to a sender who may be forged.
func Settle(wanted []Decision) (refused bool) {
	for _, d := range wanted {
		if d.Action != Refuse {
			for i := range wanted {
				wanted[i].Action = min(wanted[i].Action, Quarantine)
			}
			return false
		}
	}
	return len(wanted) > 0
}
