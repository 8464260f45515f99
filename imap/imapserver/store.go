package imapserver

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// storeChunk is how many messages one transaction of STORE changes. It is what
// mailbox takes at once, so that each call has one mod-sequence.
const storeChunk = 2_000

// storeRequest is STORE with its arguments.
type storeRequest struct {
	set            *mailbox.UIDSet
	unchangedSince mailbox.ModSeq // AnyModSeq: not given
	change         mailbox.FlagChange
	silent         bool
}

// store answers STORE and UID STORE (RFC 9051 section 6.4.6).
func (s *session) store(ctx context.Context, args *imapwire.Decoder) error {
	req, err := s.parseStore(args) // set, UNCHANGEDSINCE, action, flags
	if err != nil {
		return err
	}
	if s.box.readOnly {
		return errReadOnly
	}
	modified := &mailbox.UIDSet{}
	for set := range chunks(&s.box.seqs, req.set, storeChunk) {
		res, err := s.storeFlags(ctx, set, req.change, req.unchangedSince)
		if err != nil {
			return err
		}
		for r := range res.Modified.Ranges() {
			modified.AddRange(r.First, r.Last)
		}
	}
	tell := req.set
	if !modified.Empty() {
		tell = without(req.set, modified)
	}
	// With mod-sequences even .SILENT tells the new ones (RFC 7162 section 3.1.3).
	if (!req.silent || s.condStore) && !tell.Empty() {
		if err := s.writeChanged(ctx, tell, !req.silent); err != nil {
			return err
		}
	}
	if modified.Empty() {
		return s.ok("")
	}
	return s.okCode(string(imapext.CodeModified)+" "+s.numbers(modified), "Some messages have changed meanwhile")
}

func (s *session) parseStore(args *imapwire.Decoder) (storeRequest, error) {
	req := storeRequest{unchangedSince: mailbox.AnyModSeq}
	args.SP()
	var err error
	if req.set, err = s.set(args); err != nil {
		return req, err
	}
	if args.SP(); args.Peek() == '(' {
		args.List(func() {
			if args.Name() != "UNCHANGEDSINCE" {
				args.Fail("Unknown modifier")
			}
			req.unchangedSince = mailbox.ModSeq(args.SP().Number64())
		})
		args.SP()
		s.condStore = s.condStore || args.Err() == nil
	}
	switch {
	case args.Try('+'):
		req.change.Op = mailbox.AddFlags
	case args.Try('-'):
		req.change.Op = mailbox.RemoveFlags
	default:
		req.change.Op = mailbox.SetFlags
	}
	item := args.Name()
	item, req.silent = strings.CutSuffix(item, ".SILENT")
	if item != "FLAGS" {
		args.Fail("Expected FLAGS")
	}
	flags := args.SP().Flags()
	if err := args.End(); err != nil {
		return req, err
	}
	req.change.Flags, req.change.Keywords, err = splitFlags(flags)
	return req, err
}

// storeFlags changes flags in one transaction, and remembers that the change
// is our own: its messages need not be told of by the next sync.
func (s *session) storeFlags(ctx context.Context, set *mailbox.UIDSet, c mailbox.FlagChange, unchangedSince mailbox.ModSeq) (mailbox.FlagResult, error) {
	b := s.box
	if err := s.account.View(ctx, b.scan); err != nil {
		return mailbox.FlagResult{}, err
	}
	res, err := s.account.StoreFlags(ctx, b.id, set, c, unchangedSince)
	// Where another transaction came between the two, it may be one whose
	// change ours has hidden: then sync tells of all.
	if err == nil && res.Changed && res.ModSeq == b.scanned+1 {
		b.own = append(b.own, ownChange{res.ModSeq, set})
		b.scanned = res.ModSeq
	}
	return res, err
}

// chunks divides a set into sets of at most n messages of q.
func chunks(q *seqs, set *mailbox.UIDSet, n uint32) func(func(*mailbox.UIDSet) bool) {
	return func(yield func(*mailbox.UIDSet) bool) {
		part, room := &mailbox.UIDSet{}, n
		for r := range numbersOf(q, set) {
			for r.first <= r.last {
				last := min(r.last, r.first+room-1)
				q.uids(r.first, last, part)
				room -= last - r.first + 1
				r.first = last + 1
				if room == 0 {
					if !yield(part) {
						return
					}
					part, room = &mailbox.UIDSet{}, n
				}
			}
		}
		if !part.Empty() {
			yield(part)
		}
	}
}

// numbersOf yields the sequence numbers of the messages in set, ascending.
func numbersOf(q *seqs, set *mailbox.UIDSet) func(func(seqRange) bool) {
	return func(yield func(seqRange) bool) {
		known := *q
		for _, r := range known.remove(set) { // on a copy
			if !yield(r) {
				return
			}
		}
	}
}

// numbers writes a set as the client of this command knows it: in UIDs, or in
// sequence numbers.
func (s *session) numbers(set *mailbox.UIDSet) string {
	if s.cmd.byUID {
		return uidText(set)
	}
	var out imap.SeqSet
	for r := range numbersOf(&s.box.seqs, set) {
		if k := len(out); k > 0 && out[k-1].Stop+1 == r.first {
			out[k-1].Stop = r.last
		} else {
			out = append(out, imap.SeqRange{Start: r.first, Stop: r.last})
		}
	}
	return out.String()
}
