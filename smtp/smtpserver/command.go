package smtpserver

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp"
)

var (
	badOrder  = mail.Status{Class: 5, Subject: 5, Detail: 1}
	badSyntax = mail.Status{Class: 5, Subject: 5, Detail: 2}
	badParam  = mail.Status{Class: 5, Subject: 5, Detail: 4}
	okStatus  = mail.StatusOK
)

// verbs is the table of commands. One that is answered by the filter alone has
// no place in go-smtp.
var verbs = map[string]func(f *filter, arg string) error{
	"EHLO": (*filter).ehloCommand, "HELO": (*filter).heloCommand,
	"STARTTLS": (*filter).startTLS, "AUTH": (*filter).auth,
	"MAIL": (*filter).mail, "RCPT": (*filter).rcptCommand,
	"DATA": (*filter).dataCommand, "BDAT": (*filter).bdat,
	"RSET": (*filter).rset, "NOOP": (*filter).noop, "VRFY": (*filter).vrfy,
	"EXPN": (*filter).notHere, "TURN": (*filter).notHere, "ETRN": (*filter).notHere,
	"HELP": (*filter).help, "QUIT": (*filter).quit,
}

// command runs one line, or passes it on. It ends in CRLF.
func (f *filter) command(line []byte) error {
	text := strings.TrimRight(string(line[:len(line)-2]), " \t")
	verb, arg, _ := strings.Cut(text, " ")
	verb, arg = strings.ToUpper(verb), strings.TrimLeft(arg, " ")
	f.record(verb, text)
	if run := verbs[verb]; run != nil {
		return run(f, arg)
	}
	if isHTTP(text) {
		return f.end(421, mail.Status{Class: 4, Subject: 7}, "this is a mail server")
	}
	return f.refuse(smtp.Reply{Code: 500, Status: badSyntax, Text: "command not recognized"})
}

// record puts a command into the transcript, without credentials.
func (f *filter) record(verb, text string) {
	if verb == "AUTH" {
		if words := strings.Fields(text); len(words) > 1 {
			text = "AUTH " + words[1]
		}
	}
	f.Record(true, text)
}

// isHTTP recognizes a browser, or a page that makes one talk to us.
func isHTTP(line string) bool {
	return strings.Contains(line, " HTTP/1.") || strings.HasPrefix(line, "PRI * HTTP/2")
}

// pass hands a command to go-smtp.
func (f *filter) pass(verb, line string) error {
	f.last = verb
	f.out = append(f.out[:0:0], line+"\r\n"...)
	return nil
}

func (f *filter) ehloCommand(arg string) error {
	f.ehlo = true
	return f.greet("EHLO", arg)
}

func (f *filter) heloCommand(arg string) error { return f.greet("HELO", arg) }

// abandoned ends the session when a message by BDAT is given up half way.
//
// Deviation: RFC 3030 section 2 lets the client go on. go-smtp may then take the
// result of the message given up for that of the next one.
func (f *filter) abandoned() error {
	return f.end(421, mail.Status{Class: 4, Subject: 3}, "the message was given up half way; connect again")
}

func (f *filter) greet(verb, arg string) error {
	if err := f.idling(); err != nil {
		return err
	}
	if f.inChunks {
		return f.abandoned()
	}
	name, err := smtp.ParseHello(arg)
	if err != nil {
		f.ehlo = false
		return f.refuse(smtp.ReplyFor(err))
	}
	f.conn.hello = name
	// go-smtp keeps the name for its reply only, which is not used.
	return f.pass(verb, verb+" client")
}

// startTLS does the handshake; what was read ahead came in plain text and is
// dropped (RFC 3207 section 6). The client greets again.
func (f *filter) startTLS(arg string) error {
	switch {
	case f.service.TLS == nil || f.TLS() != nil:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "STARTTLS is not on offer"})
	case arg != "":
		return f.refuse(smtp.Reply{Code: 501, Status: badParam, Text: "STARTTLS has no arguments"})
	case f.mailed || f.conn.loggedIn:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "STARTTLS comes before MAIL and AUTH"})
	}
	if err := f.answer(smtp.Reply{Code: 220, Status: okStatus, Text: "go ahead"}); err != nil {
		return err
	}
	f.br.Reset(f.Conn)
	if err := f.StartTLS(f.work, f.service.TLS); err != nil {
		f.service.Logger.Info("TLS handshake", "conn", f.conn.ID, "remote", f.conn.Remote.Addr().String(), "err", err)
		return f.readFailed(err)
	}
	f.greeted, f.conn.hello, f.conn.extended = false, "", false
	return nil
}

func (f *filter) auth(arg string) error {
	mechanism, rest, _ := strings.Cut(arg, " ")
	switch {
	case f.service.Auth == nil:
		return f.refuse(smtp.Reply{Code: 502, Status: badOrder, Text: "this port takes no logins; use 587 or 465"})
	case !f.greeted || !f.conn.extended:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "EHLO comes first"})
	case !f.mayLogin():
		return f.refuse(smtp.Reply{Code: 538, Status: mail.Status{Class: 5, Subject: 7, Detail: 11}, Text: "encryption is needed: STARTTLS comes first"})
	case f.conn.loggedIn:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "you are logged in already"})
	case f.mailed:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "AUTH is not possible in a transaction"})
	case mechanism == "" || strings.Contains(rest, " "):
		return f.refuse(smtp.Reply{Code: 501, Status: badParam, Text: "expected AUTH mechanism [initial-response]"})
	case rest != "" && !isBase64(rest):
		return f.refuse(own[cancelled])
	}
	return f.pass("AUTH", "AUTH "+arg)
}

// response passes on a line of the exchange. go-smtp would answer one that is
// not base64 with a code that asks to try again (RFC 4954 section 4: 501).
func (f *filter) response(line []byte) error {
	text := string(line[:len(line)-2])
	if text == cancelled || !isBase64(text) {
		return f.pass(cancelled, cancelled)
	}
	f.out = line
	return nil
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return s == "=" || err == nil
}

func (f *filter) mail(arg string) error {
	switch {
	case !f.greeted:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "EHLO or HELO comes first"})
	case f.mailed:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "there is a transaction already; RSET ends it"})
	}
	env, err := smtp.ParseMail(arg)
	switch {
	case err != nil:
		return f.refuse(smtp.ReplyFor(err))
	case env.RequireTLS && f.TLS() == nil:
		return f.refuse(smtp.Reply{Code: 530, Status: mail.Status{Class: 5, Subject: 7, Detail: 10}, Text: "REQUIRETLS needs STARTTLS first"})
	case env.Size > f.maxSize:
		return f.refuse(smtp.Reply{Code: 552, Status: mail.StatusTooLarge, Text: "the message is larger than this server takes"})
	}
	f.session.Reset()
	f.env, f.conn.utf8 = env, env.UTF8
	line := "MAIL FROM:<>"
	if env.Body == mail.BodyBinaryMIME {
		line += " BODY=BINARYMIME"
	}
	return f.pass("MAIL", line)
}

func (f *filter) rcptCommand(arg string) error {
	switch {
	case !f.mailed || f.inChunks:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "MAIL comes first"})
	case f.rcpts >= f.maxRecipients:
		return f.tooMany()
	}
	r, err := smtp.ParseRcpt(arg, f.env.UTF8)
	if err != nil {
		return f.refuse(smtp.ReplyFor(err))
	}
	f.rcpt = r
	return f.pass("RCPT", "RCPT TO:<recipient@client>")
}

// tooMany refuses a recipient beyond the limit. Those before it stay (RFC 5321
// section 4.5.3.1.10), so a client with a long list must not be cut off for it.
func (f *filter) tooMany() error {
	r := smtp.Reply{Code: 452, Status: mail.Status{Class: 4, Subject: 5, Detail: 3}, Text: "too many recipients; send the rest in another transaction"}
	if f.excess++; f.excess > maxExcess {
		return f.refuse(r)
	}
	return f.answer(r)
}

func (f *filter) dataCommand(arg string) error {
	switch {
	case arg != "":
		return f.refuse(smtp.Reply{Code: 501, Status: badParam, Text: "DATA has no arguments"})
	case f.rcpts == 0:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "no recipients: MAIL and RCPT come first"})
	case f.inChunks || f.env.Body == mail.BodyBinaryMIME:
		return f.refuse(smtp.Reply{Code: 503, Status: badOrder, Text: "this message goes by BDAT"})
	}
	return f.pass("DATA", "DATA")
}

// bdat passes a chunk on. One that is refused is swallowed: its octets are not
// commands (RFC 3030 section 2).
func (f *filter) bdat(arg string) error {
	n, last, ok := parseChunk(arg)
	if !ok { // where its octets end is not known
		return f.end(501, badParam, "expected BDAT length [LAST]")
	}
	if !f.inChunks {
		f.size = 0
	}
	if most := uint64(f.maxSize*dataOverrun + readBuffer - f.size); n > most {
		return f.end(552, mail.StatusTooLarge, "the message is much larger than this server takes")
	}
	if f.rcpts == 0 {
		f.mode, f.left = swallowed, int64(n)
		return nil
	}
	line := "BDAT " + strconv.FormatUint(n, 10)
	if last {
		line += " LAST"
	}
	if !f.inChunks {
		f.taking.Add(1) // go-smtp calls Data now, in a goroutine of its own
	}
	f.inChunks, f.scan = true, lineScan{lastChunk: last}
	f.size += int64(n)
	if n > 0 {
		f.mode, f.left = chunk, int64(n)
	}
	return f.pass("BDAT", line)
}

// parseChunk reads the arguments of BDAT. A length beyond all numbers is the
// largest.
func parseChunk(arg string) (n uint64, last, ok bool) {
	words := strings.Fields(arg)
	last = len(words) == 2 && strings.EqualFold(words[1], "LAST")
	if len(words) != 1 && !last {
		return 0, false, false
	}
	n, err := strconv.ParseUint(words[0], 10, 64)
	return n, last, err == nil || errors.Is(err, strconv.ErrRange)
}

func (f *filter) rset(string) error {
	if err := f.idling(); err != nil {
		return err
	}
	if f.inChunks {
		return f.abandoned()
	}
	if !f.greeted {
		return f.answer(smtp.Reply{Code: 250, Status: okStatus, Text: "ok"})
	}
	return f.pass("RSET", "RSET")
}

func (f *filter) noop(string) error {
	if err := f.idling(); err != nil {
		return err
	}
	return f.answer(smtp.Reply{Code: 250, Status: okStatus, Text: "ok"})
}

// vrfy tells nothing (RFC 5321 section 7.3).
func (f *filter) vrfy(arg string) error {
	if err := f.idling(); err != nil {
		return err
	}
	if arg == "" {
		return f.refuse(smtp.Reply{Code: 501, Status: badParam, Text: "expected VRFY address"})
	}
	return f.answer(smtp.Reply{Code: 252, Status: mail.Status{Class: 2, Subject: 5}, Text: "send mail and you will see"})
}

func (f *filter) help(string) error {
	if err := f.idling(); err != nil {
		return err
	}
	return f.answer(smtp.Reply{Code: 214, Status: okStatus, Text: "Mailstead. Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\nSee RFC 5321"})
}

func (f *filter) notHere(string) error {
	return f.refuse(smtp.Reply{Code: 502, Status: badOrder, Text: "command not implemented"})
}

// idling counts commands that do nothing.
func (f *filter) idling() error {
	if f.idle++; f.idle > maxIdleInRow {
		return f.end(421, mail.Status{Class: 4, Subject: 7}, "too many commands that do nothing")
	}
	return nil
}

func (f *filter) quit(arg string) error {
	return f.end(221, okStatus, string(f.service.Hostname)+" says good-bye")
}
