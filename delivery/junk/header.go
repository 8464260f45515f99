package junk

import (
	"bytes"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// fields is what is known of the header of a message.
type fields struct {
	has      fieldSet
	doubled  bool // a field that may be there once is there twice
	from     message.Address
	authors  int
	author   mail.Path
	org      string // of the author
	nameText string // of the author, decoded
	replyOrg string // of Reply-To, if it names one
	subject  string // decoded
	priority bool   // said to be urgent
	bulk     bool   // says itself that it goes to many
	auto     bool   // says itself that a program wrote it
	oneClick bool
	mailer   string
	to       int // addresses in To and Cc
}

// fieldSet is which fields there are.
type fieldSet uint16

const (
	hasTo fieldSet = 1 << iota
	hasFrom
	hasListID
	hasUnsubscribe
	hasReferences
	hasMailer
	hasMIME
	hasDate
	hasMessageID
	hasSubject
	hasReplyTo
	hasSender
)

// known are the fields that are looked at one by one. Names of all others are
// tokens, too, but those that servers on the way add.
var known = map[string]fieldSet{
	"to": hasTo, "from": hasFrom, "list-id": hasListID, "list-unsubscribe": hasUnsubscribe, "references": hasReferences,
	"in-reply-to": hasReferences, "x-mailer": hasMailer, "user-agent": hasMailer, "mime-version": hasMIME,
	"date": hasDate, "message-id": hasMessageID, "subject": hasSubject, "reply-to": hasReplyTo, "sender": hasSender,
}

// once are the fields of RFC 5322 section 3.6 that are looked at and may be
// there once only.
const once = hasTo | hasFrom | hasDate | hasMessageID | hasSubject | hasReplyTo | hasSender

// ofServers are fields that servers write, ours too: they say nothing about
// what the author wrote, and are not the same when a message is learned.
var ofServers = map[string]bool{
	"received": true, "received-spf": true, "authentication-results": true, "return-path": true, "delivered-to": true, "dkim-signature": true,
	"x-mailstead-verdict": true, "arc-seal": true, "arc-message-signature": true, "arc-authentication-results": true, "x-google-dkim-signature": true,
}

// header reads the header fields.
func (l *letter) header() {
	f := &l.fields
	n := 0
	for field := range message.Fields(l.e.Header) {
		if n++; n > 200 {
			break
		}
		l.field(field)
	}
	env := &l.e.Index.Envelope
	if len(env.From) > 0 {
		f.from, f.authors = env.From[0], len(env.From)
	}
	f.author, f.org = l.e.Author, authorOrg(l.e.Author)
	f.nameText = clip(message.DecodeHeaderText(f.from.Name))
	f.subject = clip(message.DecodeHeaderText(env.Subject))
	if f.has&hasReplyTo != 0 && len(env.ReplyTo) > 0 {
		f.replyOrg = orgOf(env.ReplyTo[0])
	}
	f.to = len(env.To) + len(env.Cc)
	l.headerTokens()
}

// field takes one field.
func (l *letter) field(field message.Field) {
	var lower [40]byte
	if len(field.Name) > len(lower) || len(field.Raw) > 64<<10 {
		return
	}
	name := lower[:copy(lower[:], field.Name)]
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			name[i] = c | 0x20
		}
	}
	if ofServers[string(name)] {
		return
	}
	l.tokens.add("hf:", name)
	f := &l.fields
	has := known[string(name)]
	f.doubled = f.doubled || f.has&has&once != 0
	f.has |= has
	switch string(name) {
	case "x-mailer", "user-agent":
		f.mailer = clip(field.Value())
	case "list-unsubscribe":
		l.tokens.addString("lu:", unsubscribeBy(clip(field.Value())))
	case "list-unsubscribe-post":
		f.oneClick = strings.EqualFold(strings.TrimSpace(clip(field.Value())), "List-Unsubscribe=One-Click")
	case "precedence":
		v := strings.ToLower(clip(field.Value()))
		f.bulk = f.bulk || v == "bulk" || v == "list" || v == "junk"
	case "auto-submitted":
		f.auto = !strings.EqualFold(clip(field.Value()), "no")
	case "x-priority", "importance", "x-msmail-priority":
		v := strings.ToLower(clip(field.Value()))
		f.priority = f.priority || strings.HasPrefix(v, "1") || strings.HasPrefix(v, "high")
	case "content-type", "content-transfer-encoding", "mime-version":
		l.tokens.addString("hn:", field.Name) // programs write these names in different ways
	}
}

// unsubscribeBy says how List-Unsubscribe is meant to be used (RFC 2369 section
// 3.2).
func unsubscribeBy(value string) string {
	by := ""
	for _, scheme := range []string{"https:", "http:", "mailto:"} {
		if strings.Contains(value, "<"+scheme) {
			by += scheme
		}
	}
	return by
}

// headerTokens makes tokens of what the header says.
func (l *letter) headerTokens() {
	f := &l.fields
	l.tokens.addString("from:", strings.ToLower(f.from.Mailbox))
	if f.author.Domain != "" {
		l.tokens.addString("fromhost:", string(f.author.Domain))
		l.tokens.addString("fromorg:", f.org)
		l.tokens.addString("fromtld:", f.org[strings.LastIndexByte(f.org, '.')+1:])
	}
	if strings.TrimRight(f.from.Mailbox, "0123456789") != f.from.Mailbox {
		l.tokens.addString("from:", "\x00digits")
	}
	l.text(kindName, []byte(f.nameText), &l.name)
	switch {
	case l.name.letters == 0:
		l.tokens.addString("n:", "\x00none")
	case l.name.upper == l.name.letters:
		l.tokens.addString("n:", "\x00caps")
	case l.name.upper == 0:
		l.tokens.addString("n:", "\x00small")
	}
	l.text(kindSubject, []byte(f.subject), &l.subject)
	if f.replyOrg != "" && f.replyOrg != f.org {
		l.tokens.addString("reply:", "\x00elsewhere")
		l.tokens.addString("reply:", f.replyOrg)
	}
	if f.mailer != "" {
		name, _, _ := strings.Cut(strings.ToLower(f.mailer), "/")
		l.tokens.addString("mailer:", strings.TrimRight(name, " 0123456789.()"))
	}
	l.tokens.addString("c:to", bucket(f.to))
	l.tokens.addString("c:s!", bucket(l.subject.exclaims))
	if allCaps(&l.subject) {
		l.tokens.addString("s:", "\x00caps")
	}
	l.tokens.addString("mid:", messageIDShape(l.e.Index.MessageID, f.org))
	if list := l.e.Index.Envelope.To; len(list) > 0 && list[0].IsGroupStart() {
		l.tokens.addString("to:", "\x00group")
	}
}

// messageIDShape says how a Message-ID is built: who made it, and of what.
func messageIDShape(id, org string) string {
	left, right, ok := strings.Cut(id, "@")
	switch {
	case id == "":
		return "none"
	case !ok:
		return "no @"
	}
	shape := "elsewhere "
	if org != "" && (right == org || strings.HasSuffix(right, "."+org)) {
		shape = "own "
	}
	if strings.Trim(left, "0123456789") == "" {
		return shape + "digits"
	}
	return shape + bucket(len(left))
}

// allCaps reports whether text shouts.
func allCaps(n *textCounts) bool { return n.upper >= 8 && n.upper*10 >= n.letters*8 }

// orgOf returns the organisational domain of an address.
func orgOf(a message.Address) string {
	p, err := mail.ParseAddress(a.Mailbox + "@" + a.Host)
	if err != nil {
		return ""
	}
	return authorOrg(p)
}

// clip bounds text of a header field.
func clip(s string) string {
	if len(s) <= maxFieldLen {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:maxFieldLen]), nil))
}
