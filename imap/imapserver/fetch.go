package imapserver

import (
	"context"
	"fmt"
	"strconv"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Bounds of one page of FETCH: what is encoded inside one snapshot.
const (
	pageMessages = 1000
	pageOctets   = 64 << 10
	pageBodies   = 100
)

// fetch answers FETCH and UID FETCH (RFC 9051 section 6.4.5): page by page,
// each in a snapshot of its own. Responses are encoded inside it and written
// after it has ended; so are the bodies, which only then are opened.
func (s *session) fetch(ctx context.Context, args *imapwire.Decoder) error {
	req, err := s.parseFetch(args)
	if err != nil {
		return err
	}
	found := 0
	var trouble error
	var ahead store.ReadAhead
	defer ahead.Release()
	for from := mailbox.UID(1); from != 0; {
		p := &page{s: s, req: req, ahead: &ahead}
		if err := s.account.View(ctx, func(v *mailbox.View) error { return p.encode(v, from) }); err != nil {
			return err
		}
		if err := p.markSeen(ctx); err != nil {
			return err
		}
		if err := p.write(ctx); err != nil {
			return err
		}
		if trouble == nil {
			trouble = p.trouble
		}
		found += p.found
		from = p.next
	}
	if trouble != nil {
		return trouble
	}
	if !s.cmd.byUID && req.changedSince == 0 && found < s.box.seqs.count(req.set) {
		return no(imapext.CodeExpungeIssued, "Some of these messages were expunged meanwhile")
	}
	return s.ok("")
}

// page is one snapshot's worth of responses.
type page struct {
	s     *session
	req   *fetchRequest
	ahead *store.ReadAhead
	names []string // keywords by bit

	found  int
	next   mailbox.UID // where the next page begins; 0: this is the last
	holes  []hole
	bodies []mailbox.BodyRef
	unseen *mailbox.UIDSet // get \Seen
	modSeq mailbox.ModSeq  // of getting it
	// trouble is why some section could not be given; the rest was.
	trouble error
}

// encode writes the responses of one page into s.out, with holes where bodies
// belong. After an error nothing of the page is left there.
func (p *page) encode(v *mailbox.View, from mailbox.UID) (err error) {
	p.names, p.unseen = v.Keywords(), &mailbox.UIDSet{}
	start := p.s.out.Len()
	defer func() {
		if err != nil {
			p.s.out.Truncate(start)
		}
	}()
	for m, err := range v.Messages(p.s.box.id, p.req.set, from) {
		if err != nil {
			return err
		}
		if p.found == pageMessages || p.s.out.Len()-start >= pageOctets || len(p.bodies) >= pageBodies {
			p.next = m.UID
			return nil
		}
		seq := p.s.box.seqs.seq(m.UID)
		if seq == 0 {
			continue // not known to the client yet
		}
		p.found++
		if m.ModSeq <= p.req.changedSince {
			continue
		}
		mark, holes := p.s.out.Len(), len(p.holes)
		if err := p.message(seq, m); err != nil {
			// A damaged record must not keep the client from all others.
			p.s.out.Truncate(mark)
			p.holes = p.holes[:holes]
			p.fail(fmt.Errorf("message %d: %w", m.UID, err))
		}
	}
	return nil
}

// message writes the response for one message.
func (p *page) message(seq uint32, m *mailbox.Message) error {
	e := p.s.out
	flags, want := m.Flags, p.req.items
	getsSeen := p.req.setsSeen && !p.s.box.readOnly && flags&mailbox.Seen == 0
	if getsSeen {
		flags |= mailbox.Seen
		want |= itemFlags // RFC 9051 section 6.4.5: changed flags are told
		if p.s.condStore {
			want |= itemModSeq
		}
	}
	e.Raw("* ").Number(uint64(seq)).Raw(" FETCH (")
	l := itemList{e: e}
	if want&itemUID != 0 {
		l.begin("UID").Number(uint64(m.UID))
	}
	if want&itemFlags != 0 {
		writeFlags(l.begin("FLAGS"), p.names, flags, m.Keywords)
	}
	if want&itemModSeq != 0 {
		l.begin("MODSEQ").Raw("(")
		if getsSeen {
			p.hole(hole{kind: holeModSeq})
		} else {
			e.Number(uint64(m.ModSeq))
		}
		e.Raw(")")
	}
	if err := p.record(&l, m, want); err != nil {
		return err
	}
	if len(p.req.sections) > 0 {
		if err := p.sections(&l, m); err != nil {
			return err
		}
	}
	e.Raw(")\r\n")
	if getsSeen {
		p.unseen.Add(m.UID)
	}
	return nil
}

// itemList puts spaces between the items of a response.
type itemList struct {
	e   *imapwire.Encoder
	any bool
}

func (l *itemList) begin(name string) *imapwire.Encoder {
	if l.any {
		l.e.SP()
	}
	l.any = true
	return l.e.Raw(name).SP()
}

// record writes what the record of the message holds.
func (p *page) record(l *itemList, m *mailbox.Message, want items) error {
	if want&itemInternalDate != 0 {
		t, err := m.InternalDate()
		if err != nil {
			return err
		}
		l.begin("INTERNALDATE").DateTime(t)
	}
	if want&itemSize != 0 {
		n, err := m.Size()
		if err != nil {
			return err
		}
		l.begin("RFC822.SIZE").Int(n)
	}
	if want&itemEnvelope != 0 {
		env, err := m.Envelope()
		if err != nil {
			return err
		}
		writeEnvelope(l.begin("ENVELOPE"), env)
	}
	if want&(itemBody|itemBodyStructure) != 0 {
		ix, err := m.Index()
		if err != nil {
			return err
		}
		if want&itemBody != 0 {
			bodyWriter{e: l.begin("BODY"), rev2: p.s.rev2}.write(&ix.Root)
		}
		if want&itemBodyStructure != 0 {
			bodyWriter{e: l.begin("BODYSTRUCTURE"), rev2: p.s.rev2, extended: true}.write(&ix.Root)
		}
	}
	if want&(itemEmailID|itemThreadID|itemSaveDate) != 0 {
		return p.newerItems(l, m, want)
	}
	return nil
}

// newerItems writes those of RFC 8474 and RFC 8514.
func (p *page) newerItems(l *itemList, m *mailbox.Message, want items) error {
	if want&itemEmailID != 0 {
		l.begin("EMAILID").Raw("(").Raw(emailID(m.Email)).Raw(")")
	}
	if want&itemThreadID != 0 {
		t, err := m.Thread()
		if err != nil {
			return err
		}
		if l.begin("THREADID"); t == 0 {
			l.e.Raw("NIL")
		} else {
			l.e.Raw("(").Raw(threadID(t)).Raw(")")
		}
	}
	if want&itemSaveDate != 0 {
		t, err := m.SaveDate()
		if err != nil {
			return err
		}
		l.begin("SAVEDATE").DateTime(t)
	}
	return nil
}

// emailID and threadID write identifiers of RFC 8474 section 4: a letter, so
// that the two never look the same, and a number.
func emailID(id mailbox.EmailID) string { return "M" + strconv.FormatUint(uint64(id), 10) }

func threadID(id mailbox.ThreadID) string { return "T" + strconv.FormatUint(uint64(id), 10) }

// sections writes the labels of the sections of a message, with a hole for
// each text.
func (p *page) sections(l *itemList, m *mailbox.Message) error {
	ref, err := m.Body()
	if err != nil {
		return err
	}
	find := finder{m: m, size: ref.Size, bodyStart: -1}
	for i := range p.req.sections {
		x := &p.req.sections[i]
		h := hole{section: x, body: len(p.bodies)}
		ok, err := find.place(x, &h)
		if err != nil {
			return err
		}
		l.begin(x.label)
		switch {
		case !ok && x.kind == kindBinarySize:
			l.e.Raw("0")
		case !ok:
			l.e.Raw("NIL")
		case x.kind >= kindBinary && !knownEncoding(h.encoding):
			l.e.Raw(map[bool]string{true: "0", false: "NIL"}[x.kind == kindBinarySize])
			p.fail(no(imap.ResponseCodeUnknownCTE, "Transfer encoding of a part is not known"))
		default:
			h.kind = holeSection
			p.hole(h)
		}
	}
	p.bodies = append(p.bodies, ref)
	return nil
}

// finder finds sections of one message, and reads no more of its record than
// that takes.
type finder struct {
	m         *mailbox.Message
	size      int64
	bodyStart int64 // -1: not read yet
	ix        *message.Index
}

// place sets where a section lies, and how it is encoded; ok is false if there
// is none.
func (f *finder) place(x *section, h *hole) (ok bool, err error) {
	if len(x.path) > 0 {
		return f.part(x, h)
	}
	if h.end = f.size; x.part == message.SectionBody {
		return true, nil
	}
	if f.bodyStart < 0 {
		if f.bodyStart, err = f.m.BodyStart(); err != nil {
			return false, err
		}
	}
	if x.part == message.SectionHeader {
		h.end = f.bodyStart
	} else {
		h.start = f.bodyStart
	}
	return true, nil
}

// part is place for a section of a part.
func (f *finder) part(x *section, h *hole) (ok bool, err error) {
	if f.ix == nil {
		if f.ix, err = f.m.Index(); err != nil {
			return false, err
		}
	}
	if h.start, h.end, ok = f.ix.Section(x.path, x.part); ok && x.kind >= kindBinary {
		if part, _ := f.ix.Find(x.path); !part.IsMultipart() && !part.IsMessage() {
			h.encoding = part.Encoding
		}
	}
	return ok, nil
}

func (p *page) fail(err error) {
	if p.trouble == nil {
		p.trouble = err
	}
}

// markSeen sets \Seen on the messages of the page whose text was asked for.
func (p *page) markSeen(ctx context.Context) error {
	if p.unseen.Empty() {
		return nil
	}
	c := mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Seen}
	res, err := p.s.storeFlags(ctx, p.unseen, c, mailbox.AnyModSeq)
	p.modSeq = res.ModSeq
	return err
}
