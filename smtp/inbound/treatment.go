package inbound

import (
	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// treat says what each account gets.
func (v Verdict) treat() func(mailbox.AccountID) delivery.Treatment {
	all := make(map[mailbox.AccountID]delivery.Treatment, len(v.Recipients))
	for i := range v.Recipients {
		r := &v.Recipients[i]
		all[r.Account] = r.treatment()
	}
	return func(id mailbox.AccountID) delivery.Treatment { return all[id] }
}

// places says where delivery puts what was not refused.
var places = [...]delivery.Place{Accept: delivery.Inbox, Junk: delivery.Junk, Quarantine: delivery.Quarantine}

func (r *Recipient) treatment() delivery.Treatment {
	d := r.Decision
	t := delivery.Treatment{Place: places[d.Action]}
	if r.Policy.Mode == verdict.Off && d.By == verdict.ByNothing {
		return t
	}
	t.Header = r.field()
	switch {
	case d.Suspect && d.Action < Quarantine:
		t.Keywords = []string{"$Junk"}
	case d.Welcome:
		t.Keywords = []string{"$NotJunk"}
	}
	return t
}

// field makes the header field that tells the account.
func (r *Recipient) field() []byte {
	f := verdict.Field{Place: r.Decision.Action, Score: r.Opinion.Score, Reasons: r.Opinion.Reasons}
	if r.Decision.By == verdict.ByList {
		f.List = r.Match.Verb
	}
	return f.Format()
}
