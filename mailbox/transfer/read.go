package transfer

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// Found is one message of a folder that is being read.
type Found struct {
	Name     string // for people: the file, or the place in one
	ID       string // tells it from others of its folder, beside its octets; may be ""
	Flags    mailbox.Flags
	Keywords []string
	Date     time.Time // zero: not known
	Size     int64     // octets read of the source with this message
	// Body has lines that end in CRLF. It is read, or not, before the next
	// message is asked for.
	Body io.Reader
}

// Unreadable is an error that concerns one message or folder alone; the others
// can be read.
type Unreadable struct {
	Name string
	Err  error
}

func (u *Unreadable) Error() string { return u.Name + ": " + plainError(u.Err) }
func (u *Unreadable) Unwrap() error { return u.Err }

// plainError leaves out what an error of the system says before its cause: the
// name is told once.
func plainError(err error) string {
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(err) {
		err = cause
	}
	return err.Error()
}

// crlf is a reader that ends lines in CRLF, which may end in LF. It adds an end
// to a last line that has none. All other octets stay, a CR alone included.
type crlf struct {
	r      io.Reader
	in     []byte // read and not given out
	buf    []byte
	cr     bool // the octet before is a CR
	lf     bool // an LF is due
	inside bool // of a line
	err    error
}

const crlfBuffer = 16 << 10

func newCRLF(r io.Reader) *crlf { return &crlf{r: r, buf: make([]byte, crlfBuffer)} }

// reset makes c read r.
func (c *crlf) reset(r io.Reader) { *c = crlf{r: r, buf: c.buf} }

func (c *crlf) Read(p []byte) (n int, err error) {
	for n < len(p) {
		switch {
		case c.lf:
			p[n] = '\n'
			n++
			c.lf, c.cr, c.inside = false, false, false
		case len(c.in) > 0:
			n += c.copy(p[n:])
		case c.err == io.EOF && c.inside:
			c.inside = false
			c.lf, p[n] = true, '\r'
			n++
			if c.cr { // the line ends in a CR alone
				n--
				c.cr = false
			}
		case c.err != nil:
			if n > 0 {
				return n, nil
			}
			return 0, c.err
		case n > 0:
			return n, nil
		default:
			var k int
			k, c.err = c.r.Read(c.buf)
			c.in = c.buf[:k]
		}
	}
	return n, nil
}

// copy gives out octets up to the next LF.
func (c *crlf) copy(p []byte) int {
	n := min(len(p), len(c.in))
	for i, b := range c.in[:n] {
		if b == '\n' && !c.cr {
			p[i] = '\r'
			c.in, c.lf = c.in[i+1:], true
			return i + 1
		}
		p[i], c.cr, c.inside = b, b == '\r', b != '\n'
	}
	c.in = c.in[n:]
	return n
}

// printable is a name of foreign octets as people can be shown it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
