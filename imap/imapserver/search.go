package imapserver

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Bounds of one page of SEARCH: what is looked at in one snapshot.
const (
	searchPage  = 10_000
	searchTexts = 100 // messages of a page whose text has to be read
)

// search answers SEARCH and UID SEARCH (RFC 9051 section 6.4.4). Everything
// the rows tell is judged inside snapshots; texts are read between them.
func (s *session) search(ctx context.Context, args *imapwire.Decoder) error {
	req, err := s.parseSearch(args)
	run := &searchRun{s: s, req: req}
	defer run.ahead.Release()
	for from := mailbox.UID(1); from != 0 && err == nil; {
		from, err = run.page(ctx, from)
	}
	var syntax *imapwire.SyntaxError
	if req.options.ReturnSave && !errors.As(err, &syntax) {
		s.box.saved = run.save(err)
	}
	if err != nil {
		return err
	}
	s.writeSearch(req, run)
	return s.ok("")
}

// found is one message that a search has found.
type found struct {
	uid    mailbox.UID
	seq    uint32
	modSeq mailbox.ModSeq
}

// searchRun is a search under way.
type searchRun struct {
	s   *session
	req *searchRequest

	uids     mailbox.UIDSet
	nums     imap.SeqSet // as the client counts: UIDs or sequence numbers
	count    uint64
	min, max found
	high     mailbox.ModSeq
	scan     *textScan // for all messages; nil: no text was read yet
	ahead    store.ReadAhead
}

// add takes a message that fits; they come in the order of UIDs.
func (r *searchRun) add(f found) {
	if r.count == 0 {
		r.min = f
	}
	r.max = f
	r.count++
	r.high = max(r.high, f.modSeq)
	r.uids.Add(f.uid)
	r.nums = appendNum(r.nums, r.number(f))
}

func (r *searchRun) number(f found) uint32 {
	if r.s.cmd.byUID {
		return uint32(f.uid)
	}
	return f.seq
}

// result is a message that fits or, when open is set, depends on its text.
type result struct {
	found
	open *candidate
}

// page looks at some messages in one snapshot, and then into the texts of
// those for which that did not suffice. It returns where to go on, or 0.
func (r *searchRun) page(ctx context.Context, from mailbox.UID) (next mailbox.UID, err error) {
	var page []result
	err = r.s.account.View(ctx, func(v *mailbox.View) error {
		r.req.resolveKeywords(v.Keywords())
		looked, later := 0, 0
		var c candidate // one for all, so that a miss costs no memory
		for m, err := range v.Messages(r.s.box.id, r.req.within, from) {
			if err != nil {
				return err
			}
			if looked == searchPage || later == searchTexts {
				next = m.UID
				return nil
			}
			looked++
			seq := r.s.box.seqs.seq(m.UID)
			if seq == 0 {
				continue
			}
			c = candidate{found: found{m.UID, seq, m.ModSeq}, msg: m}
			switch r.req.root.eval(&c) {
			case fits:
				page = append(page, result{found: c.found})
			case depends:
				later++
				page = append(page, result{c.found, c.detach(r.req)})
			}
			if c.err != nil {
				return c.err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, f := range page {
		if f.open != nil {
			fits, err := r.readText(ctx, f.open)
			if err != nil {
				return 0, err
			}
			if !fits {
				continue
			}
		}
		r.add(f.found)
	}
	return next, nil
}

// save returns what "$" is after the search (RFC 5182 section 2.1): what was
// found, or only its ends where only they were asked for; nothing after an
// error.
func (r *searchRun) save(err error) *mailbox.UIDSet {
	o := r.req.options
	switch {
	case err != nil || r.count == 0:
		return &mailbox.UIDSet{}
	case o.ReturnAll || o.ReturnCount || !o.ReturnMin && !o.ReturnMax:
		return &r.uids
	}
	ends := &mailbox.UIDSet{}
	if o.ReturnMin {
		ends.Add(r.min.uid)
	}
	if o.ReturnMax {
		ends.Add(r.max.uid)
	}
	return ends
}

// writeSearch writes the result: ESEARCH for clients of IMAP4rev2 and those
// that asked with RETURN, else SEARCH.
func (s *session) writeSearch(req *searchRequest, r *searchRun) {
	if !req.extended && !s.rev2 {
		s.writeOldSearch(req, r)
		return
	}
	o := req.options
	if o.ReturnSave && !o.ReturnMin && !o.ReturnMax && !o.ReturnAll && !o.ReturnCount {
		return // SAVE alone shows nothing (RFC 5182 section 2.4)
	}
	e := s.out.Raw("* ESEARCH (TAG ").String(s.cmd.tag).Raw(")")
	if s.cmd.byUID {
		e.Raw(" UID")
	}
	if r.count > 0 {
		if o.ReturnMin {
			e.Raw(" MIN ").Number(uint64(r.number(r.min)))
		}
		if o.ReturnMax {
			e.Raw(" MAX ").Number(uint64(r.number(r.max)))
		}
		if o.ReturnAll {
			e.Raw(" ALL ").Raw(r.nums.String())
		}
	}
	if o.ReturnCount {
		e.Raw(" COUNT ").Number(r.count)
	}
	if req.modSeq && r.count > 0 {
		e.Raw(" MODSEQ ").Number(uint64(r.highOf(o)))
	}
	e.CRLF()
}

// highOf is the highest mod-sequence of what is returned (RFC 7162 section
// 3.1.5).
func (r *searchRun) highOf(o imap.SearchOptions) mailbox.ModSeq {
	switch {
	case o.ReturnAll || o.ReturnCount:
		return r.high
	case o.ReturnMin && o.ReturnMax:
		return max(r.min.modSeq, r.max.modSeq)
	case o.ReturnMin:
		return r.min.modSeq
	}
	return r.max.modSeq
}

// writeOldSearch writes the SEARCH response of RFC 3501 section 7.2.5.
func (s *session) writeOldSearch(req *searchRequest, r *searchRun) {
	e := s.out.Raw("* SEARCH")
	for _, n := range r.nums {
		for i := n.Start; ; i++ {
			e.SP().Number(uint64(i))
			if i == n.Stop {
				break
			}
		}
	}
	if req.modSeq && r.count > 0 {
		e.Raw(" (MODSEQ ").Number(uint64(r.high)).Raw(")")
	}
	e.CRLF()
}
