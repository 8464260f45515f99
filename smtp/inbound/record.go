package inbound

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
)

// maxVerdictsTold bounds for how many accounts the verdict is told: a list of
// all people of a firm has little more to say.
const maxVerdictsTold = 25

// verdictEvents tell what was decided, once for each account: the fields are
// all that [verdict.Decide] was given, so that it can be asked again with
// other rules. A refusal before anybody was asked has one event a reason.
//
//	result, place  inbox, junk, quarantine, refuse
//	by             check, list, score; absent: nothing speaks against it
//	reason         of check or list, in one line
//	score          with two decimals
//	reasons        JSON list of mail.Reason, the heaviest first
//	hard           place that the checks alone ask for, if not inbox
//	known          "yes": the account expects mail of this author
//	author         address of From, the first if there are several
//	proven         "author", "path" or both: which of the addresses are proven
//	account        number; rcpt_to is the address by which it was reached
func verdictEvents(now time.Time, m *Mail, v Verdict) []trace.Event {
	if len(v.Recipients) == 0 || v.Action == Refuse && v.Recipients[0].Decision.Action != Refuse {
		return refusalEvents(now, v)
	}
	sender := m.sender(authorPaths(m))
	hard := decide(m.Findings)
	var events []trace.Event
	for i := range v.Recipients[:min(len(v.Recipients), maxVerdictsTold)] {
		r := &v.Recipients[i]
		place := r.Decision.Action
		if v.Action == Refuse {
			place = Refuse
		}
		e := trace.Event{Time: now, Kind: trace.Verdict, Fields: r.fields(sender)}
		reason, _ := r.why()
		if r.Decision.By == verdict.ByCheck {
			reason = hard.Reason
		}
		e.Text = place.String() + " for " + r.To.String() + ": " + cmp.Or(reason, "nothing speaks against it")
		e.Fields["result"], e.Fields["place"] = place.String(), place.String()
		setField(e.Fields, "reason", reason)
		if hard.Action > Accept {
			e.Fields["hard"] = hard.Action.String()
		}
		events = append(events, e)
	}
	return events
}

// refusalEvents tell why a message was refused for all.
func refusalEvents(now time.Time, v Verdict) []trace.Event {
	place := v.Action.String()
	var events []trace.Event
	for _, reason := range v.Reasons {
		events = append(events, trace.Event{Time: now, Kind: trace.Verdict, Text: place + ": " + reason,
			Fields: map[string]string{"result": place, "place": place, "hard": place, "by": string(verdict.ByCheck), "reason": reason}})
	}
	if len(events) == 0 {
		events = []trace.Event{{Time: now, Kind: trace.Verdict, Text: place + ": nothing speaks against it",
			Fields: map[string]string{"result": place, "place": place}}}
	}
	return events
}

// fields are what is known for one account.
func (r *Recipient) fields(s verdict.Sender) map[string]string {
	f := map[string]string{
		"account": strconv.FormatUint(uint64(r.Account), 10), "rcpt_to": r.To.String(),
		"score": strconv.FormatFloat(r.Opinion.Score, 'f', 2, 64), trace.Reasons: reasonsJSON(r.Opinion.Reasons),
	}
	setField(f, "by", string(r.Decision.By))
	if r.Opinion.Known {
		f["known"] = "yes"
	}
	var proven []string
	if len(s.Authors) > 0 {
		f["author"] = s.Authors[0].Address.String()
		if s.Authors[0].Proven {
			proven = append(proven, "author")
		}
	}
	if s.ReversePath.Proven {
		proven = append(proven, "path")
	}
	setField(f, "proven", strings.Join(proven, " "))
	return f
}

func setField(f map[string]string, name, v string) {
	if v != "" {
		f[name] = v
	}
}

// reasonsJSON leaves out the lightest reasons that do not fit. Scores have two
// decimals.
func reasonsJSON(reasons []mail.Reason) string {
	heavy := slices.Clone(reasons)
	slices.SortStableFunc(heavy, verdict.ByWeight)
	list := []byte{'['}
	for _, r := range heavy {
		r.Score = math.Round(r.Score*100) / 100
		b, err := json.Marshal(r)
		if err != nil || len(list)+len(b)+len(",]") > trace.MaxReasons {
			break
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, b...)
	}
	return string(append(list, ']'))
}
