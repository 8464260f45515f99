package imapserver

import (
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/mailbox"
)

// run is UIDs without a gap; before is how many messages come before it.
type run struct {
	first, last mailbox.UID
	before      uint32
}

func (r run) len() uint32 { return uint32(r.last-r.first) + 1 }

// seqs are the messages of the selected mailbox as the client knows them: the
// n-th UID has sequence number n. Runs take 12 octets each, so that a mailbox
// from which little was removed takes next to nothing.
type seqs struct{ runs []run }

// len is EXISTS.
func (q *seqs) len() uint32 {
	if len(q.runs) == 0 {
		return 0
	}
	r := q.runs[len(q.runs)-1]
	return r.before + r.len()
}

// last is the highest UID, 0 if there is none.
func (q *seqs) last() mailbox.UID {
	if len(q.runs) == 0 {
		return 0
	}
	return q.runs[len(q.runs)-1].last
}

// add adds a UID above all others; a lower one is not added.
func (q *seqs) add(u mailbox.UID) { q.addRange(u, u) }

func (q *seqs) addRange(first, last mailbox.UID) {
	n := len(q.runs)
	switch {
	case first <= q.last():
	case n > 0 && q.runs[n-1].last+1 == first:
		q.runs[n-1].last = last
	default:
		q.runs = append(q.runs, run{first: first, last: last, before: q.len()})
	}
}

// seq returns the sequence number of a UID, 0 if it has none.
func (q *seqs) seq(u mailbox.UID) uint32 {
	i := sort.Search(len(q.runs), func(i int) bool { return q.runs[i].last >= u })
	if i == len(q.runs) || q.runs[i].first > u {
		return 0
	}
	return q.runs[i].before + uint32(u-q.runs[i].first) + 1
}

// uids returns the UIDs with sequence numbers from first to last, which exist.
func (q *seqs) uids(first, last uint32, to *mailbox.UIDSet) {
	i := sort.Search(len(q.runs), func(i int) bool { return q.runs[i].before+q.runs[i].len() >= first })
	for ; i < len(q.runs) && q.runs[i].before < last; i++ {
		r := q.runs[i]
		from := r.first
		if first > r.before {
			from += mailbox.UID(first - r.before - 1)
		}
		to.AddRange(from, min(r.last, r.first+mailbox.UID(last-r.before-1)))
	}
}

// seqRange is sequence numbers without a gap.
type seqRange struct{ first, last uint32 }

// remove takes UIDs away and returns the numbers they had, ascending.
func (q *seqs) remove(gone *mailbox.UIDSet) []seqRange {
	var removed []seqRange
	kept := seqs{runs: make([]run, 0, len(q.runs))}
	ranges := slices.Collect(gone.Ranges())
	for _, r := range q.runs {
		at := r.first
		i := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last >= r.first })
		for ; i < len(ranges) && ranges[i].First <= r.last; i++ {
			first, last := max(ranges[i].First, r.first), min(ranges[i].Last, r.last)
			if at < first {
				kept.addRange(at, first-1)
			}
			removed = append(removed, seqRange{r.before + uint32(first-r.first) + 1, r.before + uint32(last-r.first) + 1})
			at = last + 1
			if last == r.last {
				at = 0 // nothing left, also where last+1 overflows
				break
			}
		}
		if at != 0 {
			kept.addRange(at, r.last)
		}
	}
	q.runs = slices.Clip(kept.runs)
	return removed
}

// resolve returns the UIDs a set means for the client, who knows the messages
// of q. A sequence number beyond the last is an error (RFC 9051 section 9,
// seq-number); UIDs that do not exist are left out.
func (q *seqs) resolve(set imap.NumSet, saved *mailbox.UIDSet) (*mailbox.UIDSet, error) {
	switch {
	case imap.IsSearchRes(set):
		if saved == nil {
			return &mailbox.UIDSet{}, nil
		}
		return saved, nil
	case q.len() == 0:
		return q.resolveEmpty(set)
	}
	to := &mailbox.UIDSet{}
	switch set := set.(type) {
	case imap.UIDSet:
		for _, r := range ascending(set, func(r imap.UIDRange) (uint32, uint32) { return uint32(r.Start), uint32(r.Stop) }, uint32(q.last())) {
			if r.first <= uint32(q.last()) {
				to.AddRange(mailbox.UID(r.first), min(mailbox.UID(r.last), q.last()))
			}
		}
	case imap.SeqSet:
		for _, r := range ascending(set, func(r imap.SeqRange) (uint32, uint32) { return r.Start, r.Stop }, q.len()) {
			if r.last > q.len() {
				return nil, bad("Message number is beyond the last")
			}
			q.uids(r.first, r.last, to)
		}
	}
	return to, nil
}

// resolveEmpty is resolve for a mailbox without messages. "*" and "1:*" are
// let pass, since many clients send them before they look.
func (q *seqs) resolveEmpty(set imap.NumSet) (*mailbox.UIDSet, error) {
	if s, ok := set.(imap.SeqSet); ok {
		for _, r := range s {
			if r.Start != 0 && r.Stop != 0 {
				return nil, bad("Message number is beyond the last")
			}
		}
	}
	return &mailbox.UIDSet{}, nil
}

// ascending sorts ranges and joins those that overlap, so that the cost of a
// set is bounded by the messages there are, however often it names them. It
// puts the highest number in the place of "*".
func ascending[R any](set []R, bounds func(R) (uint32, uint32), star uint32) []seqRange {
	ranges := make([]seqRange, len(set))
	for i, r := range set {
		first, last := bounds(r)
		if first == 0 {
			first = star
		}
		if last == 0 {
			last = star
		}
		ranges[i] = seqRange{min(first, last), max(first, last)}
	}
	slices.SortFunc(ranges, func(a, b seqRange) int { return int(int64(a.first) - int64(b.first)) })
	joined := ranges[:0]
	for _, r := range ranges {
		if k := len(joined); k > 0 && r.first <= joined[k-1].last {
			joined[k-1].last = max(joined[k-1].last, r.last)
		} else {
			joined = append(joined, r)
		}
	}
	return joined
}

// count returns how many messages of q are in set.
func (q *seqs) count(set *mailbox.UIDSet) int {
	n := 0
	for r := range set.Ranges() {
		i := sort.Search(len(q.runs), func(i int) bool { return q.runs[i].last >= r.First })
		for ; i < len(q.runs) && q.runs[i].first <= r.Last; i++ {
			n += int(min(r.Last, q.runs[i].last)-max(r.First, q.runs[i].first)) + 1
		}
	}
	return n
}

// appendNum adds a number above all others to a set.
func appendNum(s imap.SeqSet, n uint32) imap.SeqSet {
	if k := len(s); k > 0 && s[k-1].Stop+1 == n {
		s[k-1].Stop = n
		return s
	}
	return append(s, imap.SeqRange{Start: n, Stop: n})
}

// uidText writes a set of UIDs.
func uidText(set *mailbox.UIDSet) string {
	var s imap.UIDSet
	for r := range set.Ranges() {
		s = append(s, imap.UIDRange{Start: imap.UID(r.First), Stop: imap.UID(r.Last)})
	}
	return s.String()
}
