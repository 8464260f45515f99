package main

import (
	"maps"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// uidLedger is what is known of the UIDs of a mailbox.
type uidLedger struct {
	validity uint32
	reborn   bool     // it was deleted and made again since validity was seen
	next     imap.UID // of the last check
	live     map[imap.UID]string
	told     map[imap.UID]string // by APPENDUID and COPYUID since the last check
}

// ledger returns that of a mailbox; o.mu is held.
func (o *oracle) ledger(account, box string) *uidLedger {
	key := [2]string{account, strings.TrimSuffix(box, renamed)}
	l := o.ledgers[key]
	if l == nil {
		l = &uidLedger{next: 1, live: map[imap.UID]string{}, told: map[imap.UID]string{}}
		o.ledgers[key] = l
	}
	return l
}

// reborn says that a mailbox is about to be made anew.
func (o *oracle) reborn(account, box string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.ledger(account, box)
	l.reborn = l.validity != 0
}

// valid checks a UIDVALIDITY; o.mu is held.
func (o *oracle) valid(account, box string, l *uidLedger, validity uint32) {
	switch {
	case l.reborn && validity <= l.validity:
		o.bad("%s of %s was made anew, and its UIDVALIDITY went from %d to %d", box, account, l.validity, validity)
	case !l.reborn && l.validity != 0 && validity != l.validity:
		o.bad("UIDVALIDITY of %s of %s went from %d to %d", box, account, l.validity, validity)
	}
	if l.reborn {
		*l = uidLedger{next: 1, live: map[imap.UID]string{}, told: map[imap.UID]string{}}
	}
	l.validity = validity
}

// announce notes UIDs that the server told for messages.
func (o *oracle) announce(account, box string, validity uint32, uids []imap.UID, names []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.ledger(account, box)
	o.valid(account, box, l, validity)
	if len(uids) != len(names) {
		o.bad("%s of %s: %d UIDs were told for %d messages", box, account, len(uids), len(names))
		return
	}
	for i, uid := range uids {
		if before, ok := l.told[uid]; ok || uid < l.next {
			o.bad("%s of %s: UID %d was told for %s, but also for %q, and at the last check the next was %d", box, account, uid, names[i], before, l.next)
		}
		l.told[uid] = names[i]
		t := o.things[thingID{account, names[i]}]
		if t.known == nil {
			t.known = map[string]imap.UID{}
		}
		t.known[box] = uid
	}
}

// audit checks all UIDs of a mailbox; names has the messages by UID.
func (o *oracle) audit(account, box string, validity uint32, next imap.UID, names map[imap.UID]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.ledger(account, box)
	o.valid(account, box, l, validity)
	if next < l.next {
		o.bad("UIDNEXT of %s of %s went from %d back to %d", box, account, l.next, next)
	}
	for uid, name := range names {
		before, was := l.live[uid]
		told, isTold := l.told[uid]
		switch {
		case uid >= next:
			o.bad("%s of %s has UID %d, its next is %d", box, account, uid, next)
		case uid < l.next && !was:
			o.bad("%s of %s: UID %d is %s, it was free at the last check", box, account, uid, name)
		case was && before != name, isTold && told != name:
			o.bad("%s of %s: UID %d is %s, it was %q", box, account, uid, name, before+told)
		}
	}
	for uid, name := range l.told {
		if uid >= next {
			o.bad("%s of %s: UID %d was told for %s, the next is %d", box, account, uid, name, next)
		}
	}
	l.next, l.live, l.told = next, maps.Clone(names), map[imap.UID]string{}
}
