package junk

import "slices"

// Bounds of what is looked at in one message. What lies beyond is not counted.
const (
	maxTokens   = 600      // 4.8 KB, if the message is learned
	maxText     = 96 << 10 // octets of decoded text
	maxParts    = 100      // MIME parts
	maxTexts    = 12       // of them text
	maxWord     = 40       // octets
	maxFieldLen = 2 << 10  // octets of one header field
	maxLinks    = 100      // different hosts of links
)

// tokenSet collects the tokens of a message by their hashes, each once.
type tokenSet struct {
	key     hashKey
	idle    bool // nobody wants them
	list    []uint64
	table   *[2048]uint64 // open addressing; 0 is free
	scratch []byte
}

func (s *tokenSet) reset(key hashKey) {
	s.key, s.idle, s.list = key, false, s.list[:0]
	if s.table == nil {
		s.table = new([2048]uint64)
	}
	clear(s.table[:])
}

// add adds the token of a kind; kinds keep the same word in different places
// apart. It does nothing when there are enough.
func (s *tokenSet) add(kind string, word []byte) {
	if s.idle {
		return
	}
	s.scratch = append(append(s.scratch[:0], kind...), word...)
	s.put(s.key.sum(s.scratch))
}

// addString is add for text that is a string already.
func (s *tokenSet) addString(kind, word string) {
	if s.idle {
		return
	}
	s.scratch = append(append(s.scratch[:0], kind...), word...)
	s.put(s.key.sum(s.scratch))
}

func (s *tokenSet) put(h uint64) {
	if len(s.list) == maxTokens || h == 0 {
		return
	}
	for i := h; ; i++ {
		switch s.table[i%uint64(len(s.table))] {
		case h:
			return
		case 0:
			s.table[i%uint64(len(s.table))] = h
			s.list = append(s.list, h)
			return
		}
	}
}

// tokens returns a copy, sorted.
func (s *tokenSet) tokens() []uint64 {
	list := slices.Clone(s.list)
	slices.Sort(list)
	return list
}

// bucket names the size of n, so that numbers that differ little are the same
// token.
func bucket(n int) string {
	switch {
	case n <= 0:
		return "0"
	case n == 1:
		return "1"
	case n <= 3:
		return "2-3"
	case n <= 7:
		return "4-7"
	case n <= 15:
		return "8-15"
	case n <= 40:
		return "16-40"
	case n <= 100:
		return "41-100"
	case n <= 300:
		return "101-300"
	case n <= 1000:
		return "301-1000"
	case n <= 4000:
		return "1001-4000"
	}
	return "4001-"
}
