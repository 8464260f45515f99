package smtpserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/smtp"
)

// Bounds of a session. Beyond them it ends with 421.
const (
	readBuffer   = 4 << 10
	wideBuffer   = 64 << 10 // of a peer that sends faster than we read
	maxWide      = 32       // wide buffers at a time
	maxLine      = 4 << 10  // of a command: RFC 5321 section 4.5.3.1.4 with what extensions add
	maxAuthLine  = 16 << 10 // RFC 4954 section 4: 12,288 at least
	maxErrors    = 20       // refused commands
	maxExcess    = 10_000   // recipients beyond MaxRecipients; then they are errors
	maxLogins    = 5        // failed
	maxIdleInRow = 100      // EHLO, NOOP, RSET, VRFY and HELP without a message in between
	dataOverrun  = 2        // times MaxSize that a refused message may go on
)

// mode is what the filter takes the client's octets for.
type mode uint8

const (
	commands  mode = iota
	authLine       // one line of a SASL exchange
	data           // until CRLF.CRLF
	chunk          // of a BDAT, left octets
	swallowed      // of a BDAT that was refused
)

// filter stands between the guarded connection and go-smtp, for which it is
// the connection. Read is called by one goroutine, Write by that one too.
type filter struct {
	*wire.Conn
	ctx     context.Context // done: the service stops
	work    context.Context
	service *service
	conn    *Conn
	session Session
	br      *bufio.Reader
	narrow  *bufio.Reader // the small buffer, while br is a wide one
	filled  bool          // by the last read
	wide    atomic.Bool   // this connection is counted in service.wide

	mode mode
	out  []byte // for go-smtp, before anything else is read
	left int64  // octets of a chunk
	scan lineScan
	bare atomic.Bool // the data has a CR or LF of its own
	size int64       // octets of the data so far

	env  mail.Envelope  // of MAIL, for the adapter
	rcpt mail.Recipient // of RCPT
	last string         // the command go-smtp answers

	greeted, mailed bool
	rcpts           int
	inChunks        bool // a BDAT was taken
	errors, logins  int
	idle, excess    int
	over            bool // nothing is read or said any more
	maxSize         int64
	maxRecipients   int

	reply   []byte // a line of go-smtp's that is not complete
	ehlo    bool   // its reply is replaced
	waiting atomic.Bool
	revoked atomic.Bool // the login is no longer good
	closed  chan struct{}
	once    sync.Once
	taking  sync.WaitGroup // Session.Data, which BDAT runs beside the session
}

func newFilter(ctx, work context.Context, s *service, c *Conn, sess Session) *filter {
	f := &filter{Conn: c.wire, ctx: ctx, work: work, service: s, conn: c, session: sess, br: bufio.NewReaderSize(c.wire, readBuffer), closed: make(chan struct{})}
	f.maxSize, f.maxRecipients = s.sizes()
	return f
}

// stopping is called when the service stops: a session that waits for a
// command ends now, others when they come to it.
func (f *filter) stopping() {
	if f.waiting.Load() {
		f.Interrupt()
	}
}

// revoke is called when the login is no longer good: the session ends like at
// a stop.
func (f *filter) revoke() {
	f.revoked.Store(true)
	f.stopping()
}

// ending says why the session is to end, if it is.
func (f *filter) ending() (text string, status mail.Status, ok bool) {
	switch {
	case f.ctx.Err() != nil:
		return "this server is stopping, try again in a moment", mail.Status{Class: 4, Subject: 3, Detail: 2}, true
	case f.revoked.Load():
		return "the login is no longer valid", mail.Status{Class: 4, Subject: 7}, true
	}
	return "", mail.Status{}, false
}

// Close implements net.Conn.
func (f *filter) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// Read gives go-smtp the next command or piece of a message.
func (f *filter) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if f.over { // go-smtp does not look at what became of its replies
			return 0, net.ErrClosed
		}
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// next reads until there is something for go-smtp, or a command was answered.
func (f *filter) next() error {
	switch f.mode {
	case data:
		return f.dropData()
	case chunk, swallowed:
		return f.readChunk()
	}
	limit := maxLine
	if f.mode == authLine {
		limit = maxAuthLine
	}
	f.narrowed()
	f.waiting.Store(f.mode == commands) // before ctx is asked: one of the two sees a stop that comes now
	if text, status, ok := f.ending(); ok && f.mode == commands {
		return f.end(421, status, text)
	}
	line, err := f.readLine(limit)
	f.waiting.Store(false)
	if err != nil {
		return f.readFailed(err)
	}
	if f.mode == authLine {
		f.mode = commands
		return f.response(line)
	}
	return f.command(line)
}

// readFailed ends the session after an error of reading.
func (f *filter) readFailed(err error) error {
	text, status, ending := f.ending()
	switch {
	case errors.Is(err, errLongLine):
		return f.end(500, mail.Status{Class: 5, Subject: 5, Detail: 2}, "line is too long")
	case errors.Is(err, errLineEnd):
		return f.end(500, mail.Status{Class: 5, Subject: 5, Detail: 2}, "lines must end in CRLF")
	case ending:
		return f.end(421, status, text)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return f.end(421, mail.Status{Class: 4, Subject: 4, Detail: 2}, "too slow, or idle for too long")
	}
	return net.ErrClosed
}

// end answers and ends the session. go-smtp takes net.ErrClosed for the end
// and adds nothing.
func (f *filter) end(code int, status mail.Status, text string) error {
	f.over = true
	f.answer(smtp.Reply{Code: code, Status: status, Text: text})
	f.Flush()
	return net.ErrClosed
}

var (
	errLongLine = errors.New("smtpserver: line is too long")
	errLineEnd  = errors.New("smtpserver: line does not end in CRLF")
)

// readLine reads a line with its CRLF. A bare CR or LF, or NUL, is an error.
func (f *filter) readLine(limit int) ([]byte, error) {
	line, err := f.br.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		whole := bytes.Clone(line)
		for err == bufio.ErrBufferFull && len(whole) <= limit {
			line, err = f.br.ReadSlice('\n')
			whole = append(whole, line...)
		}
		line = whole
	}
	if len(line) > limit {
		return nil, errLongLine
	}
	if err != nil {
		return nil, err
	}
	if n := len(line); n < 2 || bytes.IndexByte(line, '\r') != n-2 || bytes.IndexByte(line, 0) >= 0 {
		return nil, errLineEnd
	}
	return line, nil
}

// answer writes a reply of the filter's own.
func (f *filter) answer(r smtp.Reply) error {
	b := r.Append(nil)
	for line := range bytes.Lines(b) {
		f.Record(false, string(bytes.TrimRight(line, "\r\n")))
	}
	_, err := f.Conn.Write(b)
	return err
}

// refuse answers a command with an error and counts it.
func (f *filter) refuse(r smtp.Reply) error {
	if err := f.answer(r); err != nil {
		return err
	}
	return f.count()
}

// count ends the session after too many errors.
func (f *filter) count() error {
	if f.errors++; f.errors >= maxErrors {
		return f.end(421, mail.Status{Class: 4, Subject: 7}, "too many errors")
	}
	return nil
}

// Write takes go-smtp's replies, a line at a time. It may have something to say
// after the last one.
func (f *filter) Write(p []byte) (int, error) {
	if f.over {
		return len(p), nil
	}
	f.reply = append(f.reply, p...)
	for {
		i := bytes.IndexByte(f.reply, '\n')
		if i < 0 {
			return len(p), nil
		}
		if err := f.replyLine(f.reply[:i+1]); err != nil {
			return 0, err
		}
		f.reply = append(f.reply[:0], f.reply[i+1:]...)
	}
}

// replyLine passes one line on and learns from the last of a reply.
func (f *filter) replyLine(line []byte) error {
	last := len(line) > 3 && line[3] == ' '
	code := 0
	if len(line) > 3 {
		code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	}
	if f.ehlo && code == 250 {
		if !last {
			return nil
		}
		f.ehlo = false
		f.learn(code)
		return f.answer(f.extensions())
	}
	if r, ok := own[f.last]; ok && last && code == r.Code {
		if err := f.answer(r); err != nil {
			return err
		}
		return f.learn(code)
	}
	text := string(bytes.TrimRight(line, "\r\n"))
	if code == 334 {
		text = "334"
	}
	f.Record(false, text)
	if _, err := f.Conn.Write(line); err != nil {
		return err
	}
	if last {
		f.ehlo = false
		return f.learn(code)
	}
	return nil
}

// own are replies in place of go-smtp's, which name the placeholders.
var own = map[string]smtp.Reply{
	"MAIL": {Code: 250, Status: mail.Status{Class: 2, Subject: 1, Detail: 0}, Text: "ok"},
	"RCPT": {Code: 250, Status: mail.Status{Class: 2, Subject: 1, Detail: 5}, Text: "ok"},
	"RSET": {Code: 250, Status: mail.StatusOK, Text: "ok"},
	"AUTH": {Code: 235, Status: mail.Status{Class: 2, Subject: 7, Detail: 0}, Text: "welcome"},

	cancelled: {Code: 501, Status: badSyntax, Text: "the exchange was cancelled, or is not in base64"},
}

// cancelled is what go-smtp answers to when an exchange of AUTH is given up.
const cancelled = "*"

// learn follows the state of go-smtp's session by its replies.
func (f *filter) learn(code int) error {
	ok := code/100 == 2
	switch {
	case code == 334:
		f.mode = authLine
		return nil
	case code == 354:
		f.mode, f.size, f.scan = data, 0, lineScan{}
		f.taking.Add(1)
		return nil
	}
	switch f.last {
	case "EHLO", "HELO":
		if ok {
			f.greeted, f.conn.extended = true, f.last == "EHLO"
			f.reset()
		}
	case "MAIL":
		f.mailed = ok
	case "RCPT":
		if ok {
			f.rcpts++
		}
	case "RSET":
		f.reset()
	case "DATA":
		f.messageEnds(ok)
	case "BDAT":
		if !ok || f.scan.lastChunk {
			f.messageEnds(ok)
		}
	case "AUTH":
		if f.conn.loggedIn = ok; code == 535 {
			if f.logins++; f.logins >= maxLogins {
				return f.end(421, mail.Status{Class: 4, Subject: 7}, "too many failed logins")
			}
		}
	}
	f.last = ""
	if code == 421 { // the Session has had enough
		f.over = true
		f.Flush()
		return net.ErrClosed
	}
	if code >= 400 {
		return f.count()
	}
	return nil
}

// messageEnds ends the transaction by its message.
func (f *filter) messageEnds(taken bool) {
	if taken {
		f.idle = 0
	}
	f.reset()
}

// reset ends the transaction.
func (f *filter) reset() {
	f.mailed, f.rcpts, f.inChunks = false, 0, false
	f.bare.Store(false)
}

// saslOptions say what a login may use on this connection.
func (f *filter) saslOptions() sasl.Options {
	return sasl.Options{TLSExporter: f.TLSExporter(), Plain: f.TLS() != nil || f.service.PlainAuth}
}

// mayLogin reports whether AUTH is on offer here: only under TLS.
func (f *filter) mayLogin() bool {
	return f.service.Auth != nil && (f.TLS() != nil || f.service.PlainAuth)
}

// extensions is the reply to EHLO.
func (f *filter) extensions() smtp.Reply {
	lines := []string{string(f.service.Hostname), "PIPELINING", "SIZE " + itoa(f.maxSize), "8BITMIME", "SMTPUTF8",
		"ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME", "DSN", "LIMITS RCPTMAX=" + itoa(int64(f.maxRecipients)), "HELP"}
	if f.TLS() != nil {
		lines = append(lines, "REQUIRETLS")
	} else if f.service.TLS != nil {
		lines = append(lines, "STARTTLS")
	}
	if f.mayLogin() && !f.conn.loggedIn {
		lines = append(lines, "AUTH "+strings.Join(sasl.Mechanisms(f.saslOptions()), " "))
	}
	return smtp.Reply{Code: 250, Text: strings.Join(lines, "\n")}
}

// readChunk passes on, or swallows, the octets of a BDAT.
func (f *filter) readChunk() error {
	if f.left == 0 {
		if f.mode == swallowed {
			f.mode = commands
			return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "no recipients: MAIL and RCPT come first"})
		}
		f.mode = commands
		return nil
	}
	if err := f.more(); err != nil {
		return err
	}
	n := int(min(f.left, int64(f.br.Buffered())))
	b, _ := f.br.Peek(n)
	if f.mode == chunk {
		f.out = b // it stays there until more is read
	}
	f.br.Discard(n)
	if f.left -= int64(n); f.left == 0 && f.mode == chunk {
		f.mode = commands
	}
	return nil
}
