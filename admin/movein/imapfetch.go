package movein

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// maxListed bounds the messages of a folder.
const maxListed = 5_000_000

// remote is what is noted of each message of a folder.
type remote struct {
	uid   uint32
	size  int64
	date  int64 // unix seconds; 0: not told
	gmail uint64
	flags *remoteFlags // shared by all that have the same
}

// remoteFlags are the flags of messages.
type remoteFlags struct {
	system   mailbox.Flags
	keywords []string
	mark     uint64
}

// fetched is one FETCH response.
type fetched struct {
	remote
	body  *message.Spool
	err   error    // of the body
	names []string // of flags
}

// systemFlags are those with a backslash that have a meaning here.
var systemFlags = map[string]mailbox.Flags{`\seen`: mailbox.Seen, `\answered`: mailbox.Answered, `\flagged`: mailbox.Flagged, `\deleted`: mailbox.Deleted, `\draft`: mailbox.Draft}

// errFolder means that one folder cannot be read, which has nothing to do with
// the others.
var errFolder = errors.New("this folder cannot be read")

// examine selects a folder, to read only. c.exists says from then on how many
// messages it has.
func (c *imapConn) examine(ctx context.Context, raw string) (validity uint32, err error) {
	name, ok := quote(raw)
	if !ok {
		return 0, fmt.Errorf("%w: its name has characters that cannot be said; rename it there", errFolder)
	}
	c.exists = 0
	err = c.do(ctx, "EXAMINE "+name, func(r *response) error {
		if r.name == "OK" && strings.HasPrefix(r.code, "UIDVALIDITY ") {
			n, err := strconv.ParseUint(strings.TrimSpace(r.code[len("UIDVALIDITY "):]), 10, 32)
			validity = uint32(n)
			return err
		}
		return nil
	})
	if err == nil && validity == 0 {
		err = fmt.Errorf("%w: the server gives no UIDVALIDITY for it, so that its messages cannot be told apart later", errFolder)
	}
	return validity, err
}

// survey is what a server says of the messages of a folder: each one, and how
// many it has to name besides.
type survey struct {
	list    []remote // by UID
	unnamed int
}

// maxSurveys bounds how often a server is asked for all messages of a folder
// from which some are removed meanwhile.
const maxSurveys = 4

// survey notes all messages of the selected folder. A server that names fewer
// than it says the folder has is asked once more, when it has said what was
// removed meanwhile, which it may do late (RFC 9051 section 7.5.1). What it
// names either time is there, unless something was removed: then what it named
// before counts for nothing.
func (c *imapConn) survey(ctx context.Context) (survey, error) {
	expunged := c.expunged
	found, err := c.surveyOnce(ctx)
	for n := 1; err == nil && found.unnamed > 0 && n < maxSurveys; n++ {
		if err := c.do(ctx, "NOOP", nil); err != nil {
			return survey{}, err
		}
		want, now, before := int(c.exists), c.expunged, found
		found, err = c.surveyOnce(ctx)
		if err == nil && found.unnamed > 0 && c.expunged == expunged {
			found.list = byUID(slices.Concat(found.list, before.list))
			found.unnamed = max(0, want-len(found.list))
			return found, nil
		}
		expunged = now
	}
	return found, err
}

// byUID sorts messages, and takes the first of those that are the same.
func byUID(list []remote) []remote {
	slices.SortStableFunc(list, func(a, b remote) int { return cmp.Compare(a.uid, b.uid) })
	return slices.CompactFunc(list, func(a, b remote) bool { return a.uid == b.uid })
}

// surveyOnce asks for all messages. It holds what comes against those that the
// folder had before: new ones may come meanwhile (EXISTS), and old ones go
// (EXPUNGE, RFC 9051 section 7.5.1).
func (c *imapConn) surveyOnce(ctx context.Context) (s survey, err error) {
	if c.exists == 0 {
		return survey{}, nil
	}
	items := "UID FLAGS INTERNALDATE RFC822.SIZE"
	if c.caps["X-GM-EXT-1"] {
		items += " X-GM-MSGID"
	}
	sets := map[string]*remoteFlags{}
	want := c.exists
	err = c.fetchAll(ctx, items, func(r *response) (uint32, error) {
		switch r.name {
		case "EXPUNGE":
			if r.number <= want { // the new ones come behind the others
				want--
			}
			return 0, nil
		case "FETCH":
		default:
			return 0, nil
		}
		f, err := c.readFetch(r.dec, "")
		if err != nil || f.uid == 0 {
			return 0, err
		}
		if len(s.list) == maxListed {
			return 0, fmt.Errorf("%w: a folder has more than %d messages", ErrRefused, maxListed)
		}
		f.flags = shared(sets, f.names)
		s.list = append(s.list, f.remote)
		return f.uid, nil
	})
	s.list = byUID(s.list)
	s.unnamed = max(0, int(want)-len(s.list))
	return s, err
}

// shared returns the one remoteFlags for these names of flags.
func shared(sets map[string]*remoteFlags, names []string) *remoteFlags {
	slices.Sort(names)
	key := strings.Join(names, " ")
	if f := sets[key]; f != nil {
		return f
	}
	h := fnv.New64a()
	io.WriteString(h, key)
	f := &remoteFlags{mark: h.Sum64()}
	for _, n := range names {
		if bit, ok := systemFlags[strings.ToLower(n)]; ok {
			f.system |= bit
		} else if !strings.HasPrefix(n, `\`) {
			f.keywords = append(f.keywords, n)
		}
	}
	sets[key] = f
	return f
}

// readFetch reads what follows FETCH (RFC 9051 section 7.5.2). A body goes to a
// spool in a folder, which whoever gets it closes.
func (c *imapConn) readFetch(d *imapwire.Decoder, dir string) (f fetched, err error) {
	d.List(func() {
		switch name := d.Name(); name {
		case "UID":
			f.uid = d.SP().Number()
		case "RFC822.SIZE":
			f.size = int64(d.SP().Number64())
		case "X-GM-MSGID":
			f.gmail = d.SP().Number64()
		case "INTERNALDATE":
			if t, err := time.Parse(imapwire.DateTimeLayout, d.SP().String()); err == nil {
				f.date = t.Unix()
			}
		case "FLAGS":
			f.names = slices.DeleteFunc(flags(d.SP()), func(flag string) bool { return strings.EqualFold(flag, `\Recent`) })
		case "BODY":
			c.readBody(d, dir, &f)
		default:
			passValue(d)
		}
	})
	if err := d.Err(); err != nil {
		f.close()
		return fetched{}, fmt.Errorf("a response cannot be understood: %w", err)
	}
	return f, nil
}

func (f *fetched) close() {
	if f.body != nil {
		f.body.Close()
		f.body = nil
	}
}

// readBody reads "[] {n}" and the octets. What our disk says to them is an
// error of this message, since the connection is still in step.
func (c *imapConn) readBody(d *imapwire.Decoder, dir string, f *fetched) {
	if !d.Try('[') {
		passValue(d)
		return
	}
	d.Expect(']').SP()
	f.close()
	f.body = message.NewSpool(dir)
	if _, ok := d.PeekLiteral(); ok {
		lit := d.Literal()
		if f.err = f.body.Fill(io.LimitReader(lit, maxMessage+1), io.Discard); f.err == nil && f.body.Size() > maxMessage {
			f.err = errTooLarge
		}
		io.Copy(io.Discard, lit)
		return
	}
	text, ok := d.NString()
	if !ok { // NIL: it gives none
		f.close()
		return
	}
	_, f.err = io.WriteString(f.body, text)
}

// passValue passes over the value of an item nobody asked for.
func passValue(d *imapwire.Decoder) {
	d.TrySP()
	for depth := 0; !d.AtEnd(); {
		if _, ok := d.PeekLiteral(); ok {
			io.Copy(io.Discard, d.Literal()) // its error is d's
			continue
		}
		switch c := d.Peek(); {
		case c == '"':
			_ = d.String()
		case depth == 0 && (c == ' ' || c == ')'):
			return
		default:
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			d.Try(c)
		}
	}
}

// errStop means that nobody wants more.
var errStop = errors.New("movein: no more is wanted")

// uidSet writes UIDs, which ascend, as IMAP does.
func uidSet(list []remote) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1].uid == list[j].uid+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(list[i].uid), 10))
		if j > i {
			fmt.Fprintf(&b, ":%d", list[j].uid)
		}
		i = j + 1
	}
	return b.String()
}
