package filter

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// NameMilter is the name of milters.
const NameMilter = "milter"

// Milter asks a mail filter of Sendmail's and Postfix's kind. Each message has
// a connection of its own, and all steps of a session on it, one after the
// other: nothing is asked before the message is there.
type Milter struct {
	Network, Addr string // as net.Dial takes them
	MaxSize       int64  // of a message that is shown, in octets; 0 is no bound
	Dial          Dial   // nil: as the system does
}

var _ Filter = (*Milter)(nil)

// Name is "milter".
func (*Milter) Name() string { return NameMilter }

// Ping agrees on options with the milter, and hangs up.
func (f *Milter) Ping(ctx context.Context) error {
	s, done, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.quit()
}

// Run shows the message to the milter.
func (f *Milter) Run(ctx context.Context, m *Message) (Result, error) {
	if f.MaxSize > 0 && m.Size > f.MaxSize {
		var r Result
		r.tell(NameMilter, "a milter was not asked: the message is larger than %d MiB", f.MaxSize>>20)
		return r, nil
	}
	s, done, err := f.open(ctx)
	if err != nil {
		return Result{}, err
	}
	defer done()
	s.m, s.changes.header = m, m.Header
	for _, step := range milterSteps {
		if err := step(s); err != nil && !errors.Is(err, errDecided) {
			return Result{}, err
		} else if err != nil {
			break
		}
	}
	s.quit() // it has said what it had to say
	return s.finish(), nil
}

// milterSession is a connection to a milter.
type milterSession struct {
	conn    net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	version uint32
	steps   uint32 // what the milter leaves out

	m       *Message
	result  Result
	changes changes
	refused int // recipients
}

// errDecided ends the steps: the milter has said what becomes of the message.
var errDecided = errors.New("decided")

// open connects and agrees on what is done.
func (f *Milter) open(ctx context.Context) (*milterSession, func(), error) {
	conn, done, err := connect(ctx, f.Dial, f.Network, f.Addr)
	if err != nil {
		return nil, nil, err
	}
	s := &milterSession{conn: conn, r: bufio.NewReader(conn), w: bufio.NewWriterSize(conn, 32<<10)}
	if err := s.negotiate(); err != nil {
		done()
		return nil, nil, fmt.Errorf("options: %w", err)
	}
	return s, done, nil
}

// negotiate tells what we can do and hears what the milter wants.
func (s *milterSession) negotiate() error {
	offer := binary.BigEndian.AppendUint32(nil, milterVersion)
	offer = binary.BigEndian.AppendUint32(offer, offeredChanges)
	offer = binary.BigEndian.AppendUint32(offer, offeredSteps)
	if err := s.send(cmdOptions, offer); err != nil {
		return err
	}
	p, err := s.read()
	if err != nil {
		return err
	}
	if p.code != cmdOptions || len(p.data) < len(offer) {
		return fmt.Errorf("unexpected reply %q", p.code)
	}
	version, wanted := binary.BigEndian.Uint32(p.data), binary.BigEndian.Uint32(p.data[4:])
	s.version, s.steps = version, binary.BigEndian.Uint32(p.data[8:])
	switch {
	case version < minMilterVersion || version > milterVersion:
		return fmt.Errorf("it speaks version %d of the protocol", version)
	case wanted&^offeredChanges != 0:
		return fmt.Errorf("it wants to make changes that are not offered (%#x), such as of the body", wanted&^offeredChanges)
	case s.steps&^offeredSteps != 0:
		return fmt.Errorf("it wants options that are not offered (%#x)", s.steps&^offeredSteps)
	}
	return nil
}

func (s *milterSession) send(code byte, data []byte) error { return writePacket(s.w, code, data) }

// macros sends what a milter may want to know at a step, as names and values.
func (s *milterSession) macros(step byte, pairs ...string) error {
	data := []byte{step}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			data = append(data, texts(pairs[i], pairs[i+1])...)
		}
	}
	return s.send(cmdMacro, data)
}

// read returns the next reply. What shows that the milter still works at it
// does not count; the time for the message is not longer for it.
func (s *milterSession) read() (packet, error) {
	if err := s.w.Flush(); err != nil {
		return packet{}, err
	}
	for {
		p, err := readPacket(s.r)
		if err != nil || p.code != replyProgress {
			return p, err
		}
	}
}

// quit ends the session in peace.
func (s *milterSession) quit() error {
	if err := s.send(cmdQuit, nil); err != nil {
		return err
	}
	return s.w.Flush()
}

// tell sends a step, unless the milter does not want it, and takes the reply,
// unless there is none.
func (s *milterSession) tell(code byte, data []byte, leftOut, noReply uint32) (packet, error) {
	if s.steps&leftOut != 0 {
		return packet{code: replyContinue}, nil
	}
	if err := s.send(code, data); err != nil || s.steps&noReply != 0 {
		return packet{code: replyContinue}, err
	}
	return s.read()
}

// milterSteps are the steps of a session. One that ends it returns errDecided.
var milterSteps = []func(*milterSession) error{
	(*milterSession).connect, (*milterSession).hello, (*milterSession).mail, (*milterSession).rcpt, (*milterSession).data,
	(*milterSession).header, (*milterSession).body, (*milterSession).end,
}

func (s *milterSession) connect() error {
	c, m := &s.m.Client, s.m
	addr := c.Addr.Unmap()
	err := s.macros(cmdConnect, "j", string(m.Hostname), "_", c.name()+" ["+c.addr()+"]", "v", "Mailstead", "{daemon_name}", "mailstead",
		"{client_name}", c.name(), "{client_addr}", c.addr())
	if err != nil {
		return err
	}
	family := byte('6')
	if addr.Is4() {
		family = '4'
	}
	data := append(texts(c.name()), family, 0, 0) // the port is not told
	return s.step(s.tell(cmdConnect, append(data, texts(c.addr())...), noConnect, noConnectReply))
}

func (s *milterSession) hello() error {
	if err := s.macros(cmdHelo, "{tls_version}", s.m.Client.TLS, "{cipher}", s.m.Client.Cipher); err != nil {
		return err
	}
	return s.step(s.tell(cmdHelo, texts(s.m.Client.Hello), noHelo, noHeloReply))
}

func (s *milterSession) mail() error {
	env := &s.m.Envelope
	from := env.ReversePath
	if err := s.macros(cmdMail, "i", s.m.ID, "{mail_addr}", from.String(), "{mail_host}", string(from.Domain)); err != nil {
		return err
	}
	args := []string{from.Wire()}
	if env.Size > 0 {
		args = append(args, fmt.Sprintf("SIZE=%d", env.Size))
	}
	if env.Body != mail.Body7Bit {
		args = append(args, "BODY="+env.Body.String())
	}
	if env.UTF8 {
		args = append(args, "SMTPUTF8")
	}
	return s.step(s.tell(cmdMail, texts(args...), noMail, noMailReply))
}

// rcpt tells the recipients. They have been accepted, so that the message is
// refused only if the milter refuses all of them.
func (s *milterSession) rcpt() error {
	list := s.m.Envelope.Recipients
	for _, r := range list {
		if err := s.macros(cmdRcpt, "{rcpt_addr}", r.Path.String(), "{rcpt_host}", string(r.Path.Domain)); err != nil {
			return err
		}
		p, err := s.tell(cmdRcpt, texts(r.Path.Wire()), noRcpt, noRcptReply)
		if err != nil {
			return err
		}
		refuses := p.code == replyReject || p.code == replyTempFail || p.code == replyCode
		if refuses && s.refused < len(list)-1 {
			s.refused++
			s.result.tell(NameMilter, "a milter would not take the message for one of its recipients, who gets it with the others")
			continue
		}
		if err := s.step(p, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *milterSession) data() error {
	if s.version < dataVersion {
		return nil
	}
	if err := s.macros(cmdData, "i", s.m.ID); err != nil {
		return err
	}
	return s.step(s.tell(cmdData, nil, noData, noDataReply))
}

func (s *milterSession) header() error {
	for f := range message.Fields(s.m.Header) {
		if err := s.step(s.tell(cmdHeader, texts(f.Name, s.fieldValue(f)), noFields, noFieldReply)); err != nil {
			return err
		}
	}
	return s.step(s.tell(cmdEOH, nil, noEOH, noEOHReply))
}

// fieldValue is a value as milters get it: folded by LF, with the space before
// it only where that was agreed.
func (s *milterSession) fieldValue(f message.Field) string {
	_, value, _ := strings.Cut(string(f.Raw), ":")
	value = strings.TrimRight(strings.ReplaceAll(value, "\r\n", "\n"), "\r\n")
	if s.steps&leadingSpace == 0 {
		value = strings.TrimPrefix(value, " ")
	}
	return value[:min(len(value), maxSent-len(f.Name)-2)]
}

func (s *milterSession) body() error {
	if s.steps&noBody != 0 {
		return nil
	}
	body, buf := s.m.Body(), make([]byte, 32<<10)
	for {
		n, err := io.ReadFull(body, buf)
		if n > 0 {
			p, terr := s.tell(cmdBody, buf[:n], noBody, noBodyReply)
			if p.code == replySkip && terr == nil {
				return nil
			}
			if err := s.step(p, terr); err != nil {
				return err
			}
		}
		switch err {
		case nil:
			continue
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		}
		return &readError{err}
	}
}

// end ends the message; now the milter says what is to be changed, and what
// becomes of it.
func (s *milterSession) end() error {
	if err := s.macros(cmdEnd, "i", s.m.ID); err != nil {
		return err
	}
	if err := s.send(cmdEnd, nil); err != nil {
		return err
	}
	for range maxChanges + 1 {
		p, err := s.read()
		if err != nil {
			return err
		}
		changed, err := s.change(p)
		if err != nil {
			return err
		}
		if !changed {
			return s.step(p, nil)
		}
	}
	return errTooManyChanges
}
