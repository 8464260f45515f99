package movein

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeIMAP is a server that does as it is told.
type fakeIMAP struct {
	t        *testing.T
	caps     string
	greeting string
	boxes    []fakeBox
	limit    int // messages that one command is answered for; 0: all
	// fault is asked about each command; what it returns is sent instead of the
	// answer. "cut" ends the connection, and so does what ends in "cut".
	fault func(command string) string

	// challenge is what a refused login gets first.
	challenge string

	mu      sync.Mutex
	dials   int
	slept   []time.Duration
	logins  []string
	answers []string // to challenges
}

type fakeBox struct {
	name, attributes string
	validity         uint32
	msgs             []fakeMsg
}

type fakeMsg struct {
	uid   uint32
	gmail uint64
	flags string
	text  string
}

func (f *fakeIMAP) source(connections int) Source {
	s, err := OpenIMAP(IMAPOptions{Host: "imap.test", Port: 143, TLS: "none", User: "ana", Password: "secret", Connections: connections, Flags: true, Deletions: true, Dial: f.dial,
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.slept = append(f.slept, d)
			return ctx.Err()
		}})
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fakeIMAP) dial(context.Context, string, string) (net.Conn, error) {
	f.mu.Lock()
	f.dials++
	f.mu.Unlock()
	client, server := net.Pipe()
	go f.serve(server)
	return client, nil
}

func (f *fakeIMAP) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	send := func(text string) bool {
		out, cut := strings.CutSuffix(text, "cut")
		_, err := conn.Write([]byte(strings.ReplaceAll(strings.ReplaceAll(out, "\r\n", "\n"), "\n", "\r\n")))
		return err == nil && !cut
	}
	greeting := f.greeting
	if greeting == "" {
		greeting = "* OK ready\n"
	}
	if !send(greeting) {
		return
	}
	var box *fakeBox
	for in.Scan() {
		tag, command, _ := strings.Cut(in.Text(), " ")
		if command == "LOGOUT" {
			return // nobody waits for it: the test may go on, and change the server
		}
		answer := ""
		if f.fault != nil {
			f.mu.Lock()
			answer = f.fault(command)
			f.mu.Unlock()
		}
		if answer == "" && f.challenge != "" && strings.HasPrefix(command, "AUTHENTICATE ") {
			if !send(f.challenge) || !in.Scan() {
				return
			}
			f.mu.Lock()
			f.answers = append(f.answers, in.Text())
			f.mu.Unlock()
			answer = "TAG NO [AUTHENTICATIONFAILED] no\n"
		}
		if answer == "" {
			answer = f.answer(command, &box)
		}
		if !send(strings.ReplaceAll(answer, "TAG", tag)) {
			return
		}
	}
}

// answer is what a good server says.
func (f *fakeIMAP) answer(command string, box **fakeBox) string {
	var b strings.Builder
	name, rest, _ := strings.Cut(command, " ")
	switch name {
	case "CAPABILITY":
		fmt.Fprintf(&b, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR %s\n", f.caps)
	case "AUTHENTICATE":
		f.mu.Lock()
		f.logins = append(f.logins, rest)
		f.mu.Unlock()
	case "LIST":
		for _, box := range f.boxes {
			fmt.Fprintf(&b, "* LIST (%s) \"/\" %q\n", box.attributes, box.name)
		}
	case "EXAMINE":
		for i := range f.boxes {
			if strconv.Quote(f.boxes[i].name) == rest {
				*box = &f.boxes[i]
			}
		}
		fmt.Fprintf(&b, "* %d EXISTS\n* FLAGS (\\Seen)\n* OK [UIDVALIDITY %d] ok\n", len((*box).msgs), (*box).validity)
	case "UID":
		code := f.fetch(&b, rest, *box)
		return b.String() + "TAG OK " + code + "done\n"
	}
	return b.String() + "TAG OK done\n"
}

// within returns how many messages at the start of a set are too many, and the
// response code for that (RFC 9738 section 3).
func (f *fakeIMAP) within(set string, box *fakeBox) (skip int, code string) {
	named := slices.DeleteFunc(slices.Clone(box.msgs), func(m fakeMsg) bool { return !inSet(set, m.uid) })
	if f.limit == 0 || len(named) <= f.limit {
		return 0, ""
	}
	skip = len(named) - f.limit
	return skip, fmt.Sprintf("[MESSAGELIMIT %d %d] ", f.limit, named[skip].uid)
}

func (f *fakeIMAP) fetch(b *strings.Builder, rest string, box *fakeBox) (code string) {
	if set, is := strings.CutPrefix(rest, "SEARCH UID "); is {
		skip, code := f.within(set, box)
		b.WriteString("* SEARCH")
		for _, m := range box.msgs {
			if !inSet(set, m.uid) {
				continue
			}
			if skip--; skip < 0 {
				fmt.Fprintf(b, " %d", m.uid)
			}
		}
		b.WriteString("\n")
		return code
	}
	words := strings.SplitN(rest, " ", 3)
	skip, code := f.within(words[1], box)
	for i, m := range box.msgs {
		if !inSet(words[1], m.uid) {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if strings.Contains(rest, "BODY.PEEK[]") {
			fmt.Fprintf(b, "* %d FETCH (UID %d MODSEQ (5) BODY[] {%d}\n%s)\n", i+1, m.uid, len(m.text), m.text)
			continue
		}
		fmt.Fprintf(b, "* %d FETCH (UID %d FLAGS (%s \\Recent) INTERNALDATE \" 5-May-2004 07:08:09 +0200\" RFC822.SIZE %d X-GM-MSGID %d UNKNOWN (a \"b)\" (c)))\n", i+1, m.uid, m.flags, len(m.text), m.gmail)
	}
	return code
}

func inSet(set string, uid uint32) bool {
	for part := range strings.SplitSeq(set, ",") {
		first, last, is := strings.Cut(part, ":")
		a, _ := strconv.ParseUint(first, 10, 32)
		z, err := strconv.ParseUint(last, 10, 32)
		if !is {
			z = a
		} else if err != nil { // "*"
			z = 1<<32 - 1
		}
		if uint64(uid) >= a && uint64(uid) <= z {
			return true
		}
	}
	return false
}

// messages makes n messages.
func messages(n int) (list []fakeMsg) {
	for i := range n {
		list = append(list, fakeMsg{uid: uint32(2*i + 5), gmail: uint64(i + 1), flags: []string{"", `\Seen work`, `\Flagged $Forwarded`}[i%3], text: fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("x", i*37))})
	}
	return list
}

func inbox(msgs []fakeMsg) []fakeBox {
	return []fakeBox{{name: "INBOX", attributes: `\HasNoChildren`, validity: 7, msgs: msgs}}
}

// once returns a fault that happens n times to the commands with a prefix.
func once(n int, prefix, answer string) func(string) string {
	return func(command string) string {
		if n == 0 || !strings.HasPrefix(command, prefix) {
			return ""
		}
		n--
		return answer
	}
}

// TestIMAPFaults: whatever a server does, each message comes once, and whole.
func TestIMAPFaults(t *testing.T) {
	half := "* 1 FETCH (UID 5 BODY[] {16}\nSubject: cut"
	for _, tt := range []struct {
		name     string
		greeting string
		fault    func(string) string
		waits    int
		atLeast  time.Duration // of the first
		atMost   time.Duration
	}{
		{"well", "", nil, 0, 0, 0},
		{"throttled by code", "", once(2, "UID FETCH", "TAG NO [THROTTLED] slow down\n"), 2, firstThrottle / 2, 2 * firstThrottle},
		{"limit", "", once(1, "AUTHENTICATE", "TAG NO [LIMIT] later\n"), 1, firstThrottle / 2, 2 * firstThrottle},
		{"throttled by text", "", once(1, "UID FETCH 5", "TAG BAD Request is throttled. Suggested Backoff Time: 300000 milliseconds\n"), 1, 300 * time.Second, 300 * time.Second},
		{"throttled by NO with a time", "", once(1, "EXAMINE", "TAG NO [THROTTLED] Request is throttled. Suggested Backoff Time: 200 seconds\n"), 1, 200 * time.Second, 200 * time.Second},
		{"throttled by BYE with a time", "", once(1, "AUTHENTICATE", "* BYE Suggested Backoff Time: 5 minutes.\ncut"), 1, 300 * time.Second, 300 * time.Second},
		{"throttled for a short time", "", once(1, "UID FETCH 5", "TAG BAD Request is throttled. Suggested Backoff Time: 20 milliseconds\n"), 1, firstThrottle / 2, 2 * firstThrottle},
		{"throttled for days", "", once(1, "UID FETCH 5", "TAG BAD Request is throttled. Suggested Backoff Time: 999999999999 milliseconds\n"), 1, maxThrottle, maxThrottle},
		{"too many connections", "", once(1, "AUTHENTICATE", "* BYE Too many simultaneous connections. (Failure)\ncut"), 1, firstThrottle / 2, 2 * firstThrottle},
		{"BYE", "", once(3, "EXAMINE", "* BYE restarting\ncut"), 3, firstWait / 2, 2 * firstWait},
		{"cut in a message", "", once(2, "UID FETCH 5", half+"cut"), 2, firstWait / 2, 2 * firstWait},
		{"cut at once", "", once(1, "CAPABILITY", "cut"), 1, firstWait / 2, 2 * firstWait},
		{"NO to several", "", once(1, "UID FETCH 5,7", "TAG NO [SERVERBUG] internal error\n"), 0, 0, 0},
		{"strange responses", "", once(1, "UID FETCH 5", "* 1 FETCH (FLAGS (\\Seen))\n* OK [HIGHESTMODSEQ 4] {3}\nabc\n* 9 EXPUNGE\n* WHAT {5}\n)))))\n* 77 FETCH (UID 999 BODY[] {3}\nabc)\nTAG NO no\n"), 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, greeting: tt.greeting, boxes: inbox(messages(250)), fault: tt.fault}
			a := newAccount(t)
			rep := a.bring(a.options(f.source(1)))
			if rep.Added != 250 || rep.Verified != 250 || rep.LeftOut != 0 {
				t.Errorf("report %+v, %v", rep.Progress, rep.Problems)
			}
			if len(f.slept) != tt.waits || tt.waits > 0 && (f.slept[0] < tt.atLeast || f.slept[0] > tt.atMost) {
				t.Errorf("waits %v, want %d from %v to %v", f.slept, tt.waits, tt.atLeast, tt.atMost)
			}
			got := a.all()
			if want := "INBOX 1 [work] 2004-05-05 Subject: 1\r\n\r\n" + strings.Repeat("x", 37) + "\r\n"; !slices.Contains(got, want) {
				t.Errorf("no %q in %.300q", want, got)
			}
			if rep = a.bring(a.options(f.source(1))); rep.Added != 0 || rep.Known != 250 {
				t.Errorf("again: %+v", rep.Progress)
			}
		})
	}
}

// TestIMAPWaitTold: who watches is told that the other server asks to wait, and
// until when, also before the first message.
func TestIMAPWaitTold(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, command := range []string{"AUTHENTICATE", "UID FETCH 5"} {
		f := &fakeIMAP{t: t, boxes: inbox(messages(3)), fault: once(1, command, "TAG NO [THROTTLED] Suggested Backoff Time: 300000 milliseconds\n")}
		a := newAccount(t)
		o := a.options(f.source(1))
		var waits []Progress
		o.Now = func() time.Time { return now }
		o.Told = func(p Progress) {
			if p.Waiting != "" {
				waits = append(waits, p)
			}
		}
		rep := a.bring(o)
		if len(waits) != 1 || waits[0].Waiting != "the other server asks to wait" || !waits[0].WaitingUntil.Equal(now.Add(300*time.Second)) {
			t.Errorf("%s: told %+v", command, waits)
		}
		if rep.Added != 3 || rep.Waiting != "" || !rep.WaitingUntil.IsZero() {
			t.Errorf("%s: at the end %+v", command, rep.Progress)
		}
	}
}

// TestIMAPRefused: what cannot get better is not tried again.
func TestIMAPRefused(t *testing.T) {
	for _, tt := range []struct{ name, greeting, prefix, answer string }{
		{"wrong password", "", "AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] no secret here\n"},
		{"no IMAP", "220 smtp.test ESMTP\n", "", ""},
		{"nonsense", "", "CAPABILITY", "HTTP/1.1 400 Bad Request\n\n\ncut"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, greeting: tt.greeting, boxes: inbox(nil), fault: once(-1, tt.prefix, tt.answer)}
			a := newAccount(t)
			src := f.source(1)
			defer src.Close()
			_, err := Run(t.Context(), a.options(src))
			if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("error %v", err)
			}
			if most := map[bool]int{true: 1, false: maxAttempts + 1}[errors.Is(err, ErrRefused)]; f.dials > most {
				t.Errorf("%d connections for %v", f.dials, err)
			}
		})
	}
}

// TestIMAPPoison: a message that ends the connection each time, and one that
// the server does not give, are left out by name; the others come.
func TestIMAPPoison(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(20))}
	f.fault = func(command string) string {
		if !strings.Contains(command, "BODY.PEEK[]") {
			return ""
		}
		set := strings.Fields(command)[2]
		switch {
		case set == "9":
			return "TAG NO [SERVERBUG] cannot read it\n"
		case inSet(set, 9):
			return "TAG NO [SERVERBUG] internal error\n"
		case inSet(set, 15):
			return "* BYE crash\ncut"
		}
		return ""
	}
	a := newAccount(t)
	rep := a.bring(a.options(f.source(1)))
	if rep.Added != 18 || rep.LeftOut != 2 || !hasProblem(rep.Problems, "INBOX, UID 9") || !hasProblem(rep.Problems, "INBOX, UID 15") {
		t.Errorf("report %+v, %v", rep.Progress, rep.Problems)
	}
}

// TestIMAPGmail: labels become mailboxes; All Mail only adds what has none, and
// the views Starred and Important nothing.
func TestIMAPGmail(t *testing.T) {
	all := messages(6)
	f := &fakeIMAP{t: t, caps: "X-GM-EXT-1", boxes: []fakeBox{
		{"INBOX", `\HasNoChildren`, 1, all[:2]}, {"[Gmail]", `\Noselect`, 1, nil}, {"[Gmail]/All Mail", `\All`, 2, all}, {"[Gmail]/Starred", `\Flagged`, 3, all[:1]},
		{"[Gmail]/Important", `\Important`, 4, all[:1]}, {"[Gmail]/Sent Mail", `\Sent`, 5, all[2:3]}, {"Work/2004 &- more", "", 6, all[1:4]}, {"[Gmail]/Papierkorb", `\Trash`, 7, nil}}}
	a := newAccount(t)
	for range 2 {
		a.bring(a.options(f.source(3)))
		count := map[string]int{}
		for _, m := range a.all() {
			count[strings.SplitN(m, " 0 ", 2)[0][:4]]++
		}
		if count["INBO"] != 2 || count["Sent"] != 1 || count["Work"] != 3 || count["Arch"] != 2 {
			t.Errorf("mailboxes %v: %.80q", count, a.all())
		}
	}
}

// TestIMAPGmailMoves: what a label names and does not give comes with All Mail:
// it was archived before it was fetched, cannot be given, or is empty.
func TestIMAPGmailMoves(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(f *fakeIMAP, command string) string
		left  int64 // out
	}{
		{"archived meanwhile", func(f *fakeIMAP, command string) string {
			if isFetch(command) && len(f.boxes[0].msgs) == 3 {
				f.boxes[0].msgs = f.boxes[0].msgs[:2]
			}
			return ""
		}, 0},
		{"refused", func(f *fakeIMAP, command string) string {
			if isFetch(command) && len(f.boxes[0].msgs) == 3 && inSet(strings.Fields(command)[2], 9) {
				if command == "UID FETCH 9 (UID BODY.PEEK[])" {
					f.boxes[0].msgs = f.boxes[0].msgs[:2]
				}
				return "TAG NO [SERVERBUG] no\n"
			}
			return ""
		}, 1},
		{"empty", func(f *fakeIMAP, command string) string {
			if command == "UID FETCH 5,7,9 (UID BODY.PEEK[])" {
				return "* 3 FETCH (UID 9 BODY[] \"\")\n" + f.without(command, 9)
			}
			return ""
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := messages(3)
			f := &fakeIMAP{t: t, caps: "X-GM-EXT-1", boxes: []fakeBox{{"INBOX", "", 1, slices.Clone(all)}, {"[Gmail]/All Mail", `\All`, 2, nil}}}
			for i, m := range all {
				m.uid = uint32(100 + i)
				f.boxes[1].msgs = append(f.boxes[1].msgs, m)
			}
			f.fault = func(command string) string { return tt.fault(f, command) }
			a := newAccount(t)
			rep := a.bring(a.options(f.source(1)))
			if rep.Added != 3 || rep.Elsewhere != 2 || rep.LeftOut != tt.left || len(a.all()) != 3 {
				t.Errorf("%+v, %d messages, problems %v", rep.Progress, len(a.all()), rep.Problems)
			}
		})
	}
}

// TestIMAPDelta: flags and deletions follow; what was numbered anew does not
// come twice.
func TestIMAPDelta(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(9))}
	a := newAccount(t)
	a.bring(a.options(f.source(1)))
	f.boxes[0].msgs[0].flags = `\Seen \Answered`
	f.boxes[0].msgs = append(f.boxes[0].msgs[:8:8], fakeMsg{uid: 999, text: "Subject: new\r\n\r\n"})
	rep := a.bring(a.options(f.source(1)))
	if rep.Added != 1 || rep.Changed != 1 || rep.Removed != 1 || rep.Known != 8 || !strings.HasPrefix(a.all()[0], "INBOX 3 ") {
		t.Errorf("delta: %+v; %.100q", rep.Progress, a.all())
	}
	f.boxes[0].validity++
	for i := range f.boxes[0].msgs {
		f.boxes[0].msgs[i].uid = uint32(i + 1)
	}
	if rep = a.bring(a.options(f.source(1))); rep.Added != 0 || rep.Known != 9 || len(a.all()) != 9 {
		t.Errorf("numbered anew: %+v", rep.Progress)
	}
}

// TestIMAPToken: a token is fetched anew for each connection.
func TestIMAPToken(t *testing.T) {
	file := t.TempDir() + "/token"
	write(t, file, "first\n")
	f := &fakeIMAP{t: t, caps: "AUTH=XOAUTH2", boxes: inbox(messages(3))}
	f.fault = func(command string) string {
		if strings.HasPrefix(command, "UID FETCH 5") && f.dials == 1 {
			write(t, file, "second\n")
			return "* BYE token expired\ncut"
		}
		return ""
	}
	src := f.source(1).(*imapSource)
	src.o.Password, src.o.TokenFile = "", file
	a := newAccount(t)
	if rep := a.bring(a.options(src)); rep.Added != 3 {
		t.Errorf("report %+v", rep.Progress)
	}
	want := []string{"XOAUTH2 dXNlcj1hbmEBYXV0aD1CZWFyZXIgZmlyc3QBAQ==", "XOAUTH2 dXNlcj1hbmEBYXV0aD1CZWFyZXIgc2Vjb25kAQE="}
	if !slices.Equal(f.logins, want) {
		t.Errorf("logins %q", f.logins)
	}
}

// bearer is a source that signs in with a token.
func (f *fakeIMAP) bearer(user, token string) Source {
	src := f.source(1).(*imapSource)
	src.o.User, src.o.Password, src.o.Token = user, "", token
	return src
}

// decoded are texts in Base64.
func decoded(t *testing.T, list []string) (texts []string) {
	t.Helper()
	for _, s := range list {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// TestIMAPOAuthBearer: OAUTHBEARER is chosen where there is a choice, and says
// what RFC 7628 section 3.1 asks for.
func TestIMAPOAuthBearer(t *testing.T) {
	f := &fakeIMAP{t: t, caps: "AUTH=XOAUTH2 AUTH=OAUTHBEARER", boxes: inbox(messages(3))}
	a := newAccount(t)
	if rep := a.bring(a.options(f.bearer("ana,b=c@example.org", "a.token-x"))); rep.Added != 3 {
		t.Errorf("report %+v", rep.Progress)
	}
	first, is := strings.CutPrefix(strings.Join(f.logins, "|"), "OAUTHBEARER ")
	if want := "n,a=ana=2Cb=3Dc@example.org,\x01host=imap.test\x01port=143\x01auth=Bearer a.token-x\x01\x01"; !is || decoded(t, []string{first})[0] != want {
		t.Errorf("logins %q, want one of %q", f.logins, want)
	}
}

// TestIMAPTokenRefused: a token that is not taken gets a challenge with the
// reason, which OAUTHBEARER answers with %x01 (RFC 7628 section 3.2.3) and
// XOAUTH2 with nothing. The server then refuses, for good.
func TestIMAPTokenRefused(t *testing.T) {
	reason := "+ " + base64.StdEncoding.EncodeToString([]byte(`{"status":"invalid_token","scope":"mail"}`)) + "\n"
	for mechanism, want := range map[string]string{"OAUTHBEARER": "AQ==", "XOAUTH2": ""} {
		t.Run(mechanism, func(t *testing.T) {
			f := &fakeIMAP{t: t, caps: "AUTH=" + mechanism, boxes: inbox(nil), challenge: reason}
			a := newAccount(t)
			src := f.bearer("ana", "old")
			defer src.Close()
			_, err := Run(t.Context(), a.options(src))
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "ana does not get in") || f.dials != 1 {
				t.Errorf("%v after %d connections", err, f.dials)
			}
			if !slices.Equal(f.answers, []string{want}) {
				t.Errorf("answers %q, want %q", f.answers, want)
			}
		})
	}
}

// FuzzIMAPResponses: octets of a server are read to their end, or are an error.
func FuzzIMAPResponses(f *testing.F) {
	f.Add([]byte("* LIST (\\Noselect) \"/\" {3}\r\nabc\r\nm1 OK\r\n"))
	f.Add([]byte("* 1 FETCH (UID 5 FLAGS (\\Seen a) INTERNALDATE \" 5-May-2004 07:08:09 +0200\" BODY[] {3}\r\nabc X (y \"z\" {1}\r\nq))\r\n* BYE x\r\nm1 NO [LIMIT] x\r\n"))
	f.Add([]byte("+ go on\r\n* OK [UIDVALIDITY 5] x\r\nm1 BAD\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, kind := range []string{"list", "fetch", "examine"} {
			client, server := net.Pipe()
			go func() {
				go func() {
					b := make([]byte, 512)
					for {
						if _, err := server.Read(b); err != nil {
							return
						}
					}
				}()
				server.Write(in)
				server.Close()
			}()
			c := &imapConn{caps: map[string]bool{}}
			c.use(client)
			switch kind {
			case "list":
				c.list(t.Context())
			case "examine":
				c.examine(t.Context(), "INBOX")
			default:
				c.do(t.Context(), "UID FETCH 1:*", func(r *response) error {
					got, err := c.readFetch(r.dec, t.TempDir())
					got.close()
					return err
				})
			}
			client.Close()
		}
	})
}
