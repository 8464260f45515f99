package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
)

// oracle is what the clients of a server know that dies again and again. Each
// of their operations is under way until it was acknowledged; what is under
// way when the server dies may have happened or not, but not in part. Clients
// never work on a message that another one is working on.
type oracle struct {
	mu       sync.Mutex
	things   map[thingID]*thing
	ledgers  map[[2]string]*uidLedger // by account and mailbox
	sent     map[string]*outgoing     // by name of the message
	reports  map[string][]report      // by the recipient they are about
	count    map[string]int           // what the figures are made of
	problems []string
}

func newOracle() *oracle {
	return &oracle{things: map[thingID]*thing{}, ledgers: map[[2]string]*uidLedger{}, sent: map[string]*outgoing{},
		reports: map[string][]report{}, count: map[string]int{}}
}

// What clients do; these are also the words of the figures.
const (
	opMailed           = "mails received, by recipient"
	opAppended         = "messages appended"
	opAppendedTogether = "messages appended by MULTIAPPEND"
	opCopied           = "messages copied"
	opFlags            = "flags changed"
	opMoved            = "messages moved"
	opExpunged         = "messages expunged"
	opCreated          = "mailboxes created"
	opRenamed          = "mailboxes renamed and messages in them"
	opDeleted          = "mailboxes deleted and messages in them"
	opQueued           = "messages queued"
)

// thingID names a message or a mailbox of an account.
type thingID struct{ account, name string }

// place is a mailbox that a message is in, with the flags it has there.
type place struct{ box, flags string }

// thing is a message, or a mailbox that comes and goes: then box is its name.
type thing struct {
	may   [][]place // where it is; while op is under way: before and after it
	op    *clientOp
	known map[string]imap.UID // by mailbox, told since the last check
}

// clientOp is one command of a client.
type clientOp struct {
	o      *oracle
	name   string
	whole  bool // it happens for all of its things or for none
	things []*thing
}

// bad notes a problem; o.mu is held.
func (o *oracle) bad(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

// begin starts an operation on those things that nobody works on and for which
// next has a new state; it returns them too. next sees where a thing is now:
// nowhere, if it is to be made. op is nil if there are none.
func (o *oracle) begin(name string, whole bool, ids []thingID, next func(id thingID, now []place) (after []place, ok bool)) (op *clientOp, taken []thingID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op = &clientOp{o: o, name: name, whole: whole}
	for _, id := range ids {
		t := o.things[id]
		if t == nil {
			t = &thing{may: [][]place{nil}}
			o.things[id] = t
		}
		if t.op != nil {
			continue
		}
		after, ok := next(id, t.may[0])
		if !ok {
			continue
		}
		t.may, t.op = append(t.may, after), op
		op.things, taken = append(op.things, t), append(taken, id)
	}
	if len(taken) == 0 {
		return nil, nil
	}
	return op, taken
}

// create begins to put new messages into a mailbox, all or none.
func (o *oracle) create(name string, p place, ids ...thingID) *clientOp {
	op, _ := o.begin(name, true, ids, func(thingID, []place) ([]place, bool) { return []place{p}, true })
	return op
}

// done says that the operation was acknowledged.
func (p *clientOp) done() {
	p.o.mu.Lock()
	defer p.o.mu.Unlock()
	for _, t := range p.things {
		t.may, t.op = t.may[1:], nil
	}
	p.o.count[p.name] += len(p.things)
}

// in returns the place of a list that is in a mailbox.
func in(places []place, box string) (place, bool) {
	i := slices.IndexFunc(places, func(p place) bool { return p.box == box })
	if i < 0 {
		return place{}, false
	}
	return places[i], true
}

// without returns the places that are not in a mailbox, and more.
func without(places []place, box string, more ...place) []place {
	rest := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.box == box })
	return sortPlaces(append(rest, more...))
}

func sortPlaces(places []place) []place {
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.box, b.box), cmp.Compare(a.flags, b.flags)) })
	return places
}

// sighting is where a thing was seen. Mailboxes have no UID.
type sighting struct {
	place
	uid imap.UID
}

// judge holds everything that was seen in all accounts against what the
// clients know. What was seen is the truth from then on.
func (o *oracle) judge(seen map[thingID][]sighting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, s := range seen {
		if o.things[id] == nil {
			if !strings.HasPrefix(id.name, reportName) {
				o.bad("%s has %s, which was never sent: %s", id.account, id.name, describe(s))
			}
			o.things[id] = &thing{may: [][]place{placesOf(s[:1])}} // a report is in one place
		}
	}
	agreed := map[*clientOp]uint8{}
	for id, t := range o.things {
		o.judgeThing(id, t, seen[id], agreed)
	}
	for op, fits := range agreed {
		switch {
		case fits&1 == 0:
			o.count["under way at a kill, done"]++
		case fits&2 == 0:
			o.count["under way at a kill, not done"]++
		}
		delete(agreed, op)
	}
}

// judgeThing looks at one thing; o.mu is held. agreed has, for operations that
// are under way, whether its things can be as before (1) or as after it (2).
func (o *oracle) judgeThing(id thingID, t *thing, got []sighting, agreed map[*clientOp]uint8) {
	is := placesOf(got)
	fits := uint8(0)
	for i, want := range t.may {
		if slices.Equal(want, is) {
			fits |= 1 << i
		}
	}
	if fits == 0 {
		o.bad("%s of %s is %s, want %s", id.name, id.account, describe(got), t)
	}
	if t.op != nil && fits != 0 {
		all, ok := agreed[t.op]
		if !ok {
			all = 3
		}
		if t.op.whole && all&fits == 0 {
			o.bad("half of it: %s of %s is %s, %s", id.name, id.account, describe(got), t)
		}
		if t.op.whole || !ok {
			all &= fits
		}
		agreed[t.op] = all
	}
	for _, s := range got {
		if uid, ok := t.known[s.box]; ok && t.op == nil && uid != s.uid {
			o.bad("%s of %s has UID %d in %s, it was said to have %d", id.name, id.account, s.uid, s.box, uid)
		}
	}
	t.may, t.op, t.known = [][]place{is}, nil, nil
}

func placesOf(s []sighting) []place {
	var places []place
	for _, one := range s {
		places = append(places, one.place)
	}
	return sortPlaces(places)
}

func describe(s []sighting) string {
	if len(s) == 0 {
		return "nowhere"
	}
	var words []string
	for _, one := range s {
		words = append(words, fmt.Sprintf("in %s (%s) as UID %d", one.box, one.flags, one.uid))
	}
	return strings.Join(words, " and ")
}

func (t *thing) String() string {
	var words []string
	for _, places := range t.may {
		words = append(words, fmt.Sprintf("%q", places))
	}
	text := strings.Join(words, " or ")
	if t.op != nil {
		text += fmt.Sprintf(" (%q of %d was under way)", t.op.name, len(t.op.things))
	}
	return text
}

// take returns the problems found so far.
func (o *oracle) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.problems
	o.problems = nil
	return p
}
