package mailbox

import (
	"iter"
	"slices"
	"sort"
)

// UIDRange is an inclusive range of UIDs, First <= Last.
type UIDRange struct{ First, Last UID }

// UIDSet is a set of UIDs as sorted ranges that neither touch nor overlap.
// The zero value is empty.
type UIDSet struct{ ranges []UIDRange }

// NewUIDSet makes a set of single UIDs.
func NewUIDSet(uids ...UID) *UIDSet {
	s := &UIDSet{}
	for _, u := range uids {
		s.Add(u)
	}
	return s
}

// Add adds one UID; adding in ascending order costs constant time.
func (s *UIDSet) Add(u UID) { s.AddRange(u, u) }

// AddRange adds all UIDs from first to last; the order of the two does not
// matter. UID 0 is never a member.
func (s *UIDSet) AddRange(first, last UID) {
	if first > last {
		first, last = last, first
	}
	if last == 0 {
		return
	}
	first = max(first, 1)
	// i is the first range that touches or follows [first, last].
	i := len(s.ranges)
	if i > 0 && uint64(s.ranges[i-1].Last)+1 >= uint64(first) {
		i = sort.Search(len(s.ranges), func(i int) bool { return uint64(s.ranges[i].Last)+1 >= uint64(first) })
	}
	j := i
	for j < len(s.ranges) && uint64(s.ranges[j].First) <= uint64(last)+1 {
		first, last = min(first, s.ranges[j].First), max(last, s.ranges[j].Last)
		j++
	}
	s.ranges = slices.Replace(s.ranges, i, j, UIDRange{first, last})
}

// Contains reports whether u is a member.
func (s *UIDSet) Contains(u UID) bool {
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Last >= u })
	return i < len(s.ranges) && s.ranges[i].First <= u && u != 0
}

// Empty reports whether s has no member; a nil set is empty.
func (s *UIDSet) Empty() bool { return s == nil || len(s.ranges) == 0 }

// Len returns the number of members.
func (s *UIDSet) Len() int {
	n := 0
	if s != nil {
		for _, r := range s.ranges {
			n += int(r.Last-r.First) + 1
		}
	}
	return n
}

// Ranges yields the ranges in order.
func (s *UIDSet) Ranges() iter.Seq[UIDRange] {
	return func(yield func(UIDRange) bool) {
		if s == nil {
			return
		}
		for _, r := range s.ranges {
			if !yield(r) {
				return
			}
		}
	}
}
