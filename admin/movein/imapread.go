package movein

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of what one FETCH asks for.
const (
	fetchMessages = 100
	fetchOctets   = 8 << 20
	lookUp        = 1000 // messages that the account is asked for at a time
)

// folderRead is a folder that is being read, over as many connections as it
// takes.
type folderRead struct {
	s     *imapSource
	f     *Folder
	acct  *Known
	yield func(*Item, error) bool

	validity uint32
	survey   Survey
	missing  []remote         // that the account lacks
	done     *mailbox.UIDSet  // of those, what was handed on or is in absent
	alone    *mailbox.UIDSet  // did not come with others
	absent   []remote         // did not come alone either
	failures map[uint32]int   // by UID: how often a connection ended with it
	doubts   map[uint32]doubt // by UID: where the server asked to wait instead, asked for it alone
	came     int              // messages that were handed on
	refused  int              // times the server asked to wait since one came
	unsaid   int              // and since it said which are there
	closings int              // times the server did not open the folder or list it
	hashes   map[mailbox.Hash]bool
	single   bool // ask for one message at a time: the server refused several
}

// read is one attempt.
func (r *folderRead) read(ctx context.Context, c *imapConn, a *attempts) error {
	validity, err := c.examine(ctx, r.f.ID)
	if err != nil {
		return r.closed(err)
	}
	if validity != r.validity {
		if err := r.begin(ctx, c, validity); err != nil {
			return r.closed(err)
		}
		a.reset()
	}
	r.closings = 0
	for {
		part := r.next(c.most(fetchMessages))
		if len(part) == 0 || len(r.absent) == fetchMessages {
			if err := r.settle(ctx, c); err != nil {
				return err
			}
		}
		if len(part) == 0 {
			return nil
		}
		n, came := r.done.Len(), r.came
		err := r.fetch(ctx, c, part)
		if r.done.Len() > n {
			a.failed = 0
		}
		if r.came > came { // a message that is left out does not tell that the wait is over
			a.reset()
		}
		if err != nil {
			return err
		}
	}
}

// closed makes an error of this folder alone of a NO to opening or listing it
// that is for good, or came a few times: somebody may have removed or renamed it
// meanwhile.
func (r *folderRead) closed(err error) error {
	refused, most := new(statusError), maxFailures
	switch {
	case errors.Is(err, errThrottled) && !isTooFast(err):
		most = maxRefusals
	case !errors.As(err, &refused):
		return err
	case refused.forGood():
		most = 0
	}
	if r.closings++; r.closings < most {
		return err
	}
	return fmt.Errorf("%w: %w", errFolder, err)
}

// begin notes what there is in the folder, and finds out what of it is new.
func (r *folderRead) begin(ctx context.Context, c *imapConn, validity uint32) error {
	found, err := c.survey(ctx)
	if err != nil {
		return err
	}
	all := found.list
	if !r.surveyed(&found) {
		return errStop
	}
	if err := r.others(ctx, validity); err != nil { // what was read so far is filed by now
		return err
	}
	for from := 0; from < len(all); from += lookUp {
		if err := r.sort(ctx, validity, all[from:min(from+lookUp, len(all))]); err != nil {
			return err
		}
	}
	if r.s.o.Deletions && found.unnamed == 0 {
		if err := r.gone(ctx, validity, all); err != nil {
			return err
		}
	}
	r.validity = validity
	return nil
}

// surveyed tells what there is. A folder that the server numbers anew while it
// is read begins again: what had not come by then is found again.
func (r *folderRead) surveyed(found *survey) bool {
	left := len(r.absent)
	for _, m := range r.missing {
		if !r.done.Contains(mailbox.UID(m.uid)) {
			left++
		}
	}
	r.survey.Found += int64(len(found.list) - left)
	r.survey.Named, r.survey.Unnamed = int64(len(found.list)), int64(found.unnamed)
	r.survey.Kept = r.s.o.Deletions && found.unnamed > 0
	r.missing, r.absent, r.done, r.alone = nil, nil, &mailbox.UIDSet{}, &mailbox.UIDSet{}
	told := r.survey
	return r.yield(&Item{Survey: &told}, nil)
}

// id is the part of a key that names a message.
func id(validity, uid uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, validity), uid)
}

// sort hands on the messages that the account has, with what changed, and
// keeps those that it lacks.
func (r *folderRead) sort(ctx context.Context, validity uint32, list []remote) error {
	keys := make([][]byte, len(list))
	for i := range list {
		keys[i] = r.acct.Key(id(validity, list[i].uid))
	}
	marks, err := r.acct.Marks(ctx, keys)
	if err != nil {
		return err
	}
	for i, m := range list {
		mark, has := marks[string(keys[i])]
		if !has && r.elsewhere(m.gmail) {
			if !r.yield(&Item{Elsewhere: true}, nil) {
				return errStop
			}
			continue
		}
		if !has {
			r.missing = append(r.missing, m)
			continue
		}
		r.taken(m.gmail)
		item := &Item{Known: true}
		if r.s.o.Flags && mark != m.flags.mark {
			item.Change = &mailbox.ImportedChange{Key: keys[i], Flags: m.flags.system, Keywords: m.flags.keywords, Mark: m.flags.mark}
		}
		if !r.yield(item, nil) {
			return errStop
		}
	}
	return nil
}

// elsewhere reports whether a message of Gmail's, in a folder that shows what
// others have, came from one of them. That one of them named it does not do: it
// may have gone from there before it was given, or not been given at all.
func (r *folderRead) elsewhere(gmail uint64) bool {
	if gmail == 0 || !r.f.Last {
		return false
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.gmail[gmail]
}

// taken notes a message of Gmail's that the account has.
func (r *folderRead) taken(gmail uint64) {
	if gmail == 0 || r.f.Last {
		return
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.gmail[gmail] = true
}

// others loads the hashes of messages that the account may have by another
// name: in other folders, for one that shows those as well, and under an older
// UIDVALIDITY, if the server has numbered the folder anew.
func (r *folderRead) others(ctx context.Context, validity uint32) error {
	r.hashes = map[mailbox.Hash]bool{}
	prefix := r.acct.Prefix
	if r.f.Last {
		prefix = prefix[:8] // of the whole source
	}
	now := r.acct.Key(binary.BigEndian.AppendUint32(nil, validity))
	return r.acct.Account.View(ctx, func(v *mailbox.View) error {
		clear(r.hashes)
		for m, err := range v.AllImported(prefix, nil) {
			if err != nil {
				return err
			}
			if len(m.Key) < len(now) || string(m.Key[:len(now)]) != string(now) {
				r.hashes[m.Hash] = true
			}
		}
		return nil
	})
}

// gone hands on what was brought in and is there no longer.
func (r *folderRead) gone(ctx context.Context, validity uint32, all []remote) error {
	there := make(map[uint32]bool, len(all))
	for _, m := range all {
		there[m.uid] = true
	}
	var keys [][]byte
	err := r.acct.Account.View(ctx, func(v *mailbox.View) error {
		keys = nil
		for m, err := range v.AllImported(r.acct.Key(binary.BigEndian.AppendUint32(nil, validity)), nil) {
			if err != nil {
				return err
			}
			if uid := m.Key[len(m.Key)-4:]; !there[binary.BigEndian.Uint32(uid)] {
				keys = append(keys, append([]byte{}, m.Key...))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up imported messages: %w", err)
	}
	for _, key := range keys {
		if !r.yield(&Item{Change: &mailbox.ImportedChange{Key: key, Gone: true}}, nil) {
			return errStop
		}
	}
	return nil
}

// next returns the messages to ask for now, at most so many. One that did not
// come with others is asked for alone.
func (r *folderRead) next(most int) (part []remote) {
	octets := int64(0)
	for len(r.missing) > 0 && r.done.Contains(mailbox.UID(r.missing[0].uid)) {
		r.missing = r.missing[1:]
	}
	for _, m := range r.missing {
		if r.done.Contains(mailbox.UID(m.uid)) {
			continue
		}
		alone := r.single || r.alone.Contains(mailbox.UID(m.uid))
		if len(part) > 0 && (alone || len(part) == most || octets+m.size > fetchOctets) {
			break
		}
		part = append(part, m)
		if octets += m.size; alone {
			break
		}
	}
	return part
}

// fetch asks for messages and hands them on.
func (r *folderRead) fetch(ctx context.Context, c *imapConn, part []remote) error {
	by := make(map[uint32]*remote, len(part))
	for i := range part {
		by[part[i].uid] = &part[i]
	}
	n := r.done.Len()
	err := c.do(ctx, "UID FETCH "+uidSet(part)+" (UID BODY.PEEK[])", func(resp *response) error {
		if resp.name != "FETCH" {
			return nil
		}
		f, err := c.readFetch(resp.dec, r.s.o.Spool)
		if err != nil {
			return err
		}
		defer f.close()
		m := by[f.uid]
		if m == nil || f.body == nil || r.done.Contains(mailbox.UID(f.uid)) {
			return nil // flags of a message that somebody changes meanwhile
		}
		return r.hand(m, &f)
	})
	var refused *statusError
	switch {
	case err == nil:
		if _, limited := c.limited(); limited && r.done.Len() > n {
			return nil // what it has not looked at is asked for again
		}
		r.omitted(part)
		return nil
	case errors.As(err, &refused) && len(part) > 1:
		r.single = true
		return nil
	case errors.As(err, &refused):
		return r.leaveOut(&part[0], err)
	case errors.Is(err, errStop), ctx.Err() != nil:
		return err
	case errors.Is(err, errThrottled):
		return r.doubt(part, err)
	}
	return r.blame(part, err)
}

// hand hands on a message.
func (r *folderRead) hand(m *remote, f *fetched) error {
	r.done.Add(mailbox.UID(m.uid))
	r.came++
	r.refused = 0
	item := &Item{Name: r.name(m), Problem: f.err, ID: id(r.validity, m.uid), Flags: m.flags.system, Keywords: m.flags.keywords, Mark: m.flags.mark,
		Read: f.body.Size(), Body: f.body.Reader(), Same: r.same}
	if m.date != 0 {
		item.Date = time.Unix(m.date, 0).UTC()
	}
	if !r.yield(item, nil) {
		return errStop
	}
	if item.Problem == nil {
		r.taken(m.gmail)
	}
	return nil
}

// same reports whether the account has these octets by another name.
func (r *folderRead) same(h mailbox.Hash) bool { return r.hashes[h] }

func (r *folderRead) name(m *remote) string { return fmt.Sprintf("%s, UID %d", r.f.Name, m.uid) }
