package filter

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// step looks at the reply to a step: nil goes on, errDecided does not.
func (s *milterSession) step(p packet, err error) error {
	if err != nil {
		return err
	}
	r := &s.result
	switch p.code {
	case replyContinue:
		return nil
	case replyAccept:
		return errDecided
	case replyReject:
		r.refuse(550, mail.StatusPolicy, "refused by a filter of this server")
	case replyTempFail:
		r.refuse(451, mail.Status{Class: 4, Subject: 7, Detail: 1}, "not now, try again later")
	case replyCode:
		if err := r.parseReply(p.data); err != nil {
			return err
		}
	case replyDiscard:
		r.quarantine("a milter asks to discard the message, which this server never does")
	case replyConnFail, replyShutdown:
		return errors.New("it asks to end the connection")
	default:
		return fmt.Errorf("unexpected reply %q", p.code)
	}
	return errDecided
}

// refuse notes that the message is not wanted.
func (r *Result) refuse(code int, status mail.Status, text string) {
	r.Action, r.Code, r.Status, r.Text = Refuse, code, status, text
	r.Why = fmt.Sprintf("a milter answers %d %v %s", code, status, text)
}

func (r *Result) quarantine(why string) {
	if r.Action < Quarantine {
		r.Action, r.Why = Quarantine, why
	}
}

// parseReply reads a reply code, a status that may be missing, and a text, of
// one line or several: "550 5.7.1 no", "451-4.7.1 not\r\n451 4.7.1 now".
func (r *Result) parseReply(data []byte) error {
	list, err := parseTexts(data, 1)
	if err != nil {
		return err
	}
	var code int
	var status mail.Status
	var words []string
	for line := range strings.SplitSeq(strings.ReplaceAll(list[0], "\r\n", "\n"), "\n") {
		if len(line) < 3 {
			continue
		}
		n, err := strconv.Atoi(line[:3])
		if err != nil || n < 400 || n > 599 || code != 0 && code != n {
			return fmt.Errorf("the reply %q", plain(list[0], 100))
		}
		code = n
		text := strings.TrimLeft(line[3:], "- ")
		word, rest, _ := strings.Cut(text, " ")
		if st, err := mail.ParseStatus(word); err == nil && int(st.Class) == n/100 {
			status, text = st, rest
		}
		words = append(words, text)
	}
	if code == 0 {
		return fmt.Errorf("the reply %q", plain(list[0], 100))
	}
	if status.Class == 0 {
		status = mail.Status{Class: uint8(code / 100), Subject: 7, Detail: 1}
	}
	if code == 421 { // would end the session with the client
		code = 451
	}
	// Texts for libmilter have their percent signs doubled.
	text := plain(strings.ReplaceAll(strings.Join(words, " "), "%%", "%"), maxText)
	r.refuse(code, status, cmp.Or(text, "refused by a filter of this server"))
	return nil
}

// change does what the milter asks for after the end of the message, and
// reports whether that is what p is.
func (s *milterSession) change(p packet) (bool, error) {
	switch p.code {
	case changeAddField, changeInsertField, changeField:
		return true, s.changeHeader(p)
	case changeFrom:
		return true, s.changeSender(p.data)
	case replyQuarantine:
		list, err := parseTexts(p.data, 1)
		if err == nil {
			s.result.quarantine(strings.TrimSuffix("a milter asks for quarantine: "+plain(list[0], maxText), ": "))
		}
		return true, err
	case changeAddRcpt, changeAddRcptArgs, changeDelRcpt:
		return true, s.refuseRcpt(p.code)
	case changeBody:
		return true, errors.New("it changes the body, which was not offered")
	}
	return false, nil
}

// changeHeader adds or changes a field. Where in the header a new one would
// stand is not followed: all stand before the message.
func (s *milterSession) changeHeader(p packet) error {
	nth, data := 0, p.data
	if p.code != changeAddField {
		var err error
		if nth, data, err = parseIndex(data); err != nil {
			return err
		}
	}
	list, err := parseTexts(data, 2)
	if err != nil {
		return err
	}
	name, value := list[0], list[1]
	if p.code == changeField {
		return s.result.leaveOut(NameMilter, s.changes.editField(name, max(nth, 1), value))
	}
	return s.result.leaveOut(NameMilter, s.changes.addField(name, value))
}

// changeSender sets another reverse-path; its parameters are not used.
func (s *milterSession) changeSender(data []byte) error {
	list, err := parseTexts(data, 1)
	if err != nil {
		return err
	}
	addr := strings.TrimSpace(list[0])
	if !strings.HasPrefix(addr, "<") {
		addr = "<" + addr + ">"
	}
	path, err := mail.ParsePath(addr)
	if err != nil {
		return fmt.Errorf("another sender: %w", err)
	}
	s.result.Sender = &path
	return nil
}

// refuseRcpt tells, once, that recipients stay as they are: who gets a message
// was answered for when the client named them.
func (s *milterSession) refuseRcpt(code byte) error {
	what := "add a recipient"
	if code == changeDelRcpt {
		what = "take a recipient away"
	}
	text := fmt.Sprintf("a milter asks to %s, which this server does not do", what)
	for _, r := range s.result.Reasons {
		if r.Text == text {
			return nil
		}
	}
	s.result.tell(NameMilter, "%s", text)
	return nil
}

// finish is what the milter has made of the message.
func (s *milterSession) finish() Result {
	r := s.result
	r.Add, r.Edit = s.changes.add, s.changes.edit
	if r.Sender != nil {
		r.tell(NameMilter, "a milter changed the sender of the envelope to %s", r.Sender.Wire())
	}
	if r.Action == Accept {
		r.tell(NameMilter, "a milter has nothing against the message")
	}
	return r
}
