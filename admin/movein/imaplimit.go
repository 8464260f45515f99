package movein

import (
	"context"
	"math"
	"sort"
	"strconv"
	"strings"
)

// most is how many messages one command may name, at most n: a server may
// announce a limit (RFC 9738 section 3).
func (c *imapConn) most(n int) int {
	for name := range c.caps {
		if value, is := strings.CutPrefix(name, "MESSAGELIMIT="); is {
			if limit, err := strconv.Atoi(value); err == nil && limit > 0 {
				n = min(n, limit)
			}
		}
	}
	return n
}

// limited reports whether the server has looked at a part only of what the last
// command named: "OK [MESSAGELIMIT 1000 23221]" (RFC 9738 section 3). It goes
// from the highest UID down to lowest; 0: it does not say how far.
func (c *imapConn) limited() (lowest uint32, is bool) {
	words := strings.Fields(c.code)
	if len(words) == 0 || words[0] != "MESSAGELIMIT" {
		return 0, false
	}
	if len(words) > 2 {
		n, err := strconv.ParseUint(words[2], 10, 32)
		if err == nil {
			lowest = uint32(n)
		}
	}
	return lowest, true
}

// fetchAll asks for items of all messages of the selected folder, in as many
// parts as the server makes of them. fn returns the UID of a message, 0 if the
// response is of none. What a server keeps that gets no further is missing.
func (c *imapConn) fetchAll(ctx context.Context, items string, fn func(*response) (uint32, error)) error {
	for last, end := "*", uint32(math.MaxUint32); ; last = strconv.FormatUint(uint64(end), 10) {
		seen := uint32(math.MaxUint32)
		came := false
		err := c.do(ctx, "UID FETCH 1:"+last+" ("+items+")", func(r *response) error {
			uid, err := fn(r)
			if uid != 0 {
				seen, came = min(seen, uid), true
			}
			return err
		})
		lowest, limited := c.limited()
		if lowest == 0 {
			lowest = seen
		}
		if err != nil || !limited || !came || lowest <= 1 || lowest > end {
			return err
		}
		end = lowest - 1
	}
}

// search returns which of some messages are in the selected folder; told is
// false if the server does not say of all.
func (c *imapConn) search(ctx context.Context, list []remote) (there map[uint32]bool, told bool, err error) {
	there = map[uint32]bool{}
	for len(list) > 0 {
		told = false
		err = c.do(ctx, "UID SEARCH UID "+uidSet(list), func(r *response) error {
			if r.name != "SEARCH" {
				return nil
			}
			told = true
			for _, word := range strings.Fields(rest(r.dec)) {
				if n, err := strconv.ParseUint(word, 10, 32); err == nil {
					there[uint32(n)] = true
				}
			}
			return nil
		})
		lowest, limited := c.limited()
		if err != nil || !told || !limited {
			return there, told, err
		}
		left := sort.Search(len(list), func(i int) bool { return list[i].uid >= lowest })
		if lowest == 0 || left == len(list) {
			return there, false, nil
		}
		list = list[:left]
	}
	return there, true, nil
}
