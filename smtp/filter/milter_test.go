package filter

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// fakeMilter answers each command with what replies has for it, in turn, and
// with "continue" after that.
type fakeMilter struct {
	version, changes, steps uint32 // zero version: 6
	replies                 map[byte][]string
	raw                     map[byte]string // octets instead of a reply

	said []string // by the client
	body strings.Builder
}

func (f *fakeMilter) serve(c net.Conn) {
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	for {
		p, err := readPacket(r)
		if err != nil || p.code == cmdQuit {
			return
		}
		f.note(p)
		if raw, ok := f.raw[p.code]; ok {
			io.WriteString(c, raw)
			return
		}
		if !f.answer(w, p.code) {
			continue
		}
		if w.Flush() != nil {
			return
		}
	}
}

func (f *fakeMilter) note(p packet) {
	if p.code == cmdBody {
		f.body.Write(p.data)
		return
	}
	f.said = append(f.said, strings.TrimRight(fmt.Sprintf("%c %s", p.code, strings.ReplaceAll(string(p.data), "\x00", "|")), " "))
}

// answer writes the replies to a command, if there are any.
func (f *fakeMilter) answer(w *bufio.Writer, code byte) bool {
	silent := map[byte]uint32{cmdConnect: noConnectReply, cmdHelo: noHeloReply, cmdMail: noMailReply, cmdRcpt: noRcptReply, cmdData: noDataReply,
		cmdHeader: noFieldReply, cmdEOH: noEOHReply, cmdBody: noBodyReply}
	switch {
	case code == cmdMacro || f.steps&silent[code] != 0:
		return false
	case code == cmdOptions:
		data := binary.BigEndian.AppendUint32(nil, cmp.Or(f.version, milterVersion))
		data = binary.BigEndian.AppendUint32(data, f.changes)
		writePacket(w, cmdOptions, binary.BigEndian.AppendUint32(data, f.steps))
		return true
	}
	list := f.replies[code]
	if len(list) == 0 {
		list = []string{"c"}
	} else if code != cmdEnd { // all at once only at the end
		f.replies[code] = list[1:]
		list = list[:1]
	}
	for _, reply := range list {
		writePacket(w, reply[0], []byte(reply[1:]))
	}
	return true
}

// run shows the test's message to the milter.
func (f *fakeMilter) run(t *testing.T) (Result, error) {
	t.Helper()
	return (&Milter{Dial: fake(t, f.serve)}).Run(t.Context(), testMessage(t))
}

// TestMilterSteps: the steps of a session in their order, with what libmilter
// expects of each.
func TestMilterSteps(t *testing.T) {
	f := &fakeMilter{steps: noBodyReply | noFieldReply}
	r, err := f.run(t)
	if err != nil || r.Action != Accept {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []string{
		"O |||\x06|||\xfd|\x1f\xff\xff",
		"D Cj|mx.example.test|_|mail.sender.test [192.0.2.7]|v|Mailstead|{daemon_name}|mailstead|{client_name}|mail.sender.test|{client_addr}|192.0.2.7|",
		"C mail.sender.test|4||192.0.2.7|",
		"D H{tls_version}|TLSv1.3|{cipher}|TLS_AES_128_GCM_SHA256|",
		"H helo.sender.test|",
		"D Mi|01J0ID|{mail_addr}|ana@sender.test|{mail_host}|sender.test|",
		"M <ana@sender.test>|SIZE=123|BODY=8BITMIME|",
		"D R{rcpt_addr}|bob@example.test|{rcpt_host}|example.test|",
		"R <bob@example.test>|",
		"D R{rcpt_addr}|carol@example.test|{rcpt_host}|example.test|",
		"R <carol@example.test>|",
		"D Ti|01J0ID|",
		"T",
		"L Authentication-Results|mx.example.test; spf=pass|",
		"L From|Ana <ana@sender.test>|",
		"L Subject|hello\n folded|",
		"L X-Two|1|",
		"L X-Two|2|",
		"N",
		"D Ei|01J0ID|",
		"E",
	}
	if !slices.Equal(f.said, want) {
		t.Errorf("the milter heard\n%q, want\n%q", f.said, want)
	}
	if f.body.String() != testBody {
		t.Errorf("body %q", f.body.String())
	}
}

// TestMilterLeavesOut: a milter hears nothing of the steps it does not want.
func TestMilterLeavesOut(t *testing.T) {
	f := &fakeMilter{version: 2, steps: noConnect | noHelo | noMail | noRcpt | noBody | noFields | noEOH}
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	for _, line := range f.said[1:] {
		if line[0] != cmdMacro && line[0] != cmdEnd {
			t.Errorf("the milter heard %q", line)
		}
	}
	if f.body.Len() > 0 {
		t.Error("the milter got the body")
	}
	f = &fakeMilter{steps: leadingSpace}
	if _, err := f.run(t); err != nil || !slices.Contains(f.said, "L Subject| hello\n folded|") {
		t.Errorf("%v: the milter heard %q", err, f.said)
	}
}

func TestMilterReplies(t *testing.T) {
	const told = "a milter has nothing against the message"
	for _, tt := range []struct {
		name    string
		replies map[byte][]string
		action  Action
		answer  string // code, status and text of a refusal
		why     string // or the reasons
	}{
		{"continues", nil, Accept, "", told},
		{"accepts at once", map[byte][]string{cmdConnect: {"a"}}, Accept, "", told},
		{"accepts at the end", map[byte][]string{cmdEnd: {"a"}}, Accept, "", told},
		{"works at it", map[byte][]string{cmdEnd: {"p", "p", "a"}}, Accept, "", told},
		{"rejects the client", map[byte][]string{cmdConnect: {"r"}}, Refuse, "550 5.7.1 refused by a filter of this server", "a milter answers 550"},
		{"not now", map[byte][]string{cmdMail: {"t"}}, Refuse, "451 4.7.1 not now, try again later", "a milter answers 451"},
		{"a reply of its own", map[byte][]string{cmdHeader: {"y554 5.7.9 No, 100%% no\x00"}}, Refuse, "554 5.7.9 No, 100% no", "a milter answers 554"},
		{"a reply without status", map[byte][]string{cmdEOH: {"y450 later\x00"}}, Refuse, "450 4.7.1 later", ""},
		{"a reply of several lines", map[byte][]string{cmdBody: {"y550-5.7.9 one\r\n550 5.7.9 two\x00"}}, Refuse, "550 5.7.9 one two", ""},
		{"a reply with control characters", map[byte][]string{cmdBody: {"y550 5.7.9 a\x1b[1m\tb\x00"}}, Refuse, "550 5.7.9 a [1m b", ""},
		{"421 does not end our session", map[byte][]string{cmdMail: {"y421 4.7.0 go\x00"}}, Refuse, "451 4.7.0 go", ""},
		{"rejects one recipient", map[byte][]string{cmdRcpt: {"r"}}, Accept, "", "a milter would not take the message for one of its recipients, who gets it with the others\n" + told},
		{"rejects all recipients", map[byte][]string{cmdRcpt: {"r", "y451 4.7.1 greylisted\x00"}}, Refuse, "451 4.7.1 greylisted", ""},
		{"discards", map[byte][]string{cmdEnd: {"d"}}, Quarantine, "", "a milter asks to discard the message, which this server never does"},
		{"quarantines", map[byte][]string{cmdEnd: {"qlooks odd\x00", "a"}}, Quarantine, "", "a milter asks for quarantine: looks odd"},
		{"quarantines and rejects", map[byte][]string{cmdEnd: {"qlooks odd\x00", "r"}}, Refuse, "550 5.7.1 refused by a filter of this server", ""},
		{"skips the body", map[byte][]string{cmdBody: {"s"}}, Accept, "", told},
		{"changes recipients", map[byte][]string{cmdEnd: {"+<x@y.test>\x00", "+<z@y.test>\x00", "-<bob@example.test>\x00", "a"}}, Accept, "",
			"a milter asks to add a recipient, which this server does not do\na milter asks to take a recipient away, which this server does not do\n" + told},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := (&fakeMilter{replies: tt.replies}).run(t)
			if err != nil || r.Action != tt.action {
				t.Fatalf("%+v, %v", r, err)
			}
			answer := ""
			if r.Action == Refuse {
				answer = fmt.Sprintf("%d %v %s", r.Code, r.Status, r.Text)
			}
			if answer != tt.answer || !strings.HasPrefix(r.Why+reasons(r), tt.why) {
				t.Errorf("answer %q, why %q, reasons %q", answer, r.Why, reasons(r))
			}
		})
	}
}

func TestMilterChanges(t *testing.T) {
	index := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	r, err := (&fakeMilter{replies: map[byte][]string{cmdEnd: {
		"hX-Added\x00one\n two\x00",
		"i" + index(1) + "X-Inserted\x00 three\x00",
		"m" + index(2) + "X-Two\x00changed\x00",
		"m" + index(1) + "X-Two\x00\x00",
		"m" + index(9) + "X-New\x00added\x00",
		"m" + index(4294967295) + "X-Far\x00added\x00",
		"hReturn-Path\x00<x@y.test>\x00",
		"hX-Mailstead-Verdict\x00inbox\x00",
		"hBad name\x00x\x00",
		"hX-Break\x00a\r\n\r\nbody\x00",
		"e<bounce@other.test>\x00SIZE=1\x00",
		"a",
	}}}).run(t)
	if err != nil {
		t.Fatal(err)
	}
	const added = "X-Added: one\r\n two\r\nX-Inserted: three\r\nX-New: added\r\nX-Far: added\r\nX-Break: a\r\n body\r\n"
	if string(r.Add) != added {
		t.Errorf("added\n%q, want\n%q", r.Add, added)
	}
	const header = "Authentication-Results: mx.example.test; spf=pass\r\nFrom: Ana <ana@sender.test>\r\nSubject: hello\r\n folded\r\nX-Two: changed\r\n\r\n"
	if got := message.EditFields([]byte(testHeader), r.Edit); string(got) != header {
		t.Errorf("edited\n%q, want\n%q", got, header)
	}
	if r.Sender == nil || *r.Sender != (mail.Path{Local: "bounce", Domain: "other.test"}) {
		t.Errorf("sender %v", r.Sender)
	}
	for _, want := range []string{"Return-Path: only this server writes it", "X-Mailstead-Verdict: only", `"Bad name" is no name`, "changed the sender of the envelope to <bounce@other.test>"} {
		if !strings.Contains(reasons(r), want) {
			t.Errorf("the reasons lack %q:\n%s", want, reasons(r))
		}
	}
}

// TestMilterBroken: what is no answer is an error, soon and in little memory.
func TestMilterBroken(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    fakeMilter
		err  string
	}{
		{"hangs up at once", fakeMilter{raw: map[byte]string{cmdOptions: ""}}, "EOF"},
		{"hangs up in a packet", fakeMilter{raw: map[byte]string{cmdOptions: "\x00\x00\x00\x0dO\x00"}}, "unexpected EOF"},
		{"garbage", fakeMilter{raw: map[byte]string{cmdOptions: "220 mail.example ESMTP\r\n"}}, "a packet of 842149920 octets"},
		{"an empty packet", fakeMilter{raw: map[byte]string{cmdMail: "\x00\x00\x00\x00c"}}, "a packet of 0 octets"},
		{"a huge packet", fakeMilter{raw: map[byte]string{cmdEnd: "\x00\x02\x00\x01h"}}, "a packet of 131073 octets"},
		{"hangs up after the body", fakeMilter{raw: map[byte]string{cmdEnd: ""}}, "EOF"},
		{"short options", fakeMilter{raw: map[byte]string{cmdOptions: "\x00\x00\x00\x05O\x00\x00\x00\x06"}}, "unexpected reply"},
		{"an old version", fakeMilter{version: 1}, "version 1"},
		{"a new version", fakeMilter{version: 7}, "version 7"},
		{"another body", fakeMilter{changes: 2}, "such as of the body"},
		{"unknown options", fakeMilter{steps: 1 << 21}, "not offered"},
		{"an unknown reply", fakeMilter{replies: map[byte][]string{cmdHelo: {"?"}}}, "unexpected reply"},
		{"changes too early", fakeMilter{replies: map[byte][]string{cmdHelo: {"hX-A\x00b\x00"}}}, "unexpected reply"},
		{"changes the body unasked", fakeMilter{replies: map[byte][]string{cmdEnd: {"bnew", "a"}}}, "changes the body"},
		{"a change without its end", fakeMilter{replies: map[byte][]string{cmdEnd: {"hX-A\x00b", "a"}}}, "1 texts instead of 2"},
		{"a change without its index", fakeMilter{replies: map[byte][]string{cmdEnd: {"mX", "a"}}}, "too short"},
		{"a sender that is none", fakeMilter{replies: map[byte][]string{cmdEnd: {"enobody\x00", "a"}}}, "another sender"},
		{"a reply code that is none", fakeMilter{replies: map[byte][]string{cmdMail: {"y250 fine\x00"}}}, "the reply"},
		{"an empty reply", fakeMilter{replies: map[byte][]string{cmdMail: {"y\x00"}}}, "the reply"},
		{"codes that differ", fakeMilter{replies: map[byte][]string{cmdMail: {"y550-a\r\n451 b\x00"}}}, "the reply"},
		{"shuts down", fakeMilter{replies: map[byte][]string{cmdMail: {"4"}}}, "end the connection"},
		{"too many changes", fakeMilter{replies: map[byte][]string{cmdEnd: slices.Repeat([]string{"hX-A\x00b\x00"}, maxChanges+1)}}, "too many changes"},
		{"too many that are left out", fakeMilter{replies: map[byte][]string{cmdEnd: slices.Repeat([]string{"hReturn-Path\x00b\x00"}, maxChanges+1)}}, "too many changes"},
		{"too large changes", fakeMilter{replies: map[byte][]string{cmdEnd: slices.Repeat([]string{"hX-A\x00" + strings.Repeat("long ", 100) + strings.Repeat("\n x", 10_000) + "\x00"}, 5)}}, "too many changes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := tt.f.run(t)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v, error %v, want one with %q", r, err, tt.err)
			}
		})
	}
}

func TestMilterSize(t *testing.T) {
	f := &Milter{MaxSize: 1 << 20, Dial: fake(t, func(net.Conn) { t.Error("the milter was asked") })}
	r, err := f.Run(t.Context(), large(testMessage(t), 1<<20+1))
	if want := "a milter was not asked: the message is larger than 1 MiB"; err != nil || reasons(r) != want {
		t.Errorf("%q, %v", reasons(r), err)
	}
}

// TestMilterLongField: libmilter takes no packet that is longer than its bound.
func TestMilterLongField(t *testing.T) {
	f := &fakeMilter{}
	m := testMessage(t)
	m.Header = []byte("X-Long: " + strings.Repeat("x", 200_000) + "\r\n\r\n")
	if _, err := (&Milter{Dial: fake(t, f.serve)}).Run(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(f.said, func(s string) bool { return s[0] == cmdHeader })
	if got := len(f.said[i]) - len("L "); got != maxSent || !strings.HasSuffix(f.said[i], "x|") {
		t.Errorf("a field of %d octets", got)
	}
}
