package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"net"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// Messages of the crash suite have names: kind, round, worker and number. What
// is in a message follows from its name.
const (
	mailed    = "m" // came in on port 25
	submitted = "s" // on port 587
	appended  = "a"
)

func messageName(kind string, round, worker, n int) string {
	return fmt.Sprintf("%s.%d.%d.%d", kind, round, worker, n)
}

const nameDomain = "@crash.test>"

// messageSize is small for most. Some need many packets, and some are kept in
// files of their own by the store, which it does above 256 KiB.
func messageSize(name string) int {
	h := int(crc32.ChecksumIEEE([]byte(name)) >> 8)
	switch {
	case h%150 == 0:
		return 300_000
	case h%20 == 1:
		return 20_000
	}
	return 200 + h%1000
}

// messageText is the message with a name.
func messageText(name string) []byte {
	from := "x@slow.test"
	if f := strings.Split(name, "."); f[0] == submitted && len(f) == 4 {
		worker, _ := strconv.Atoi(f[2])
		from = tryNames[worker%2] + "@" + tryDomain
	}
	b := fmt.Appendf(nil, "From: %s\r\nTo: Somebody <somebody@far.test>\r\nSubject: %s\r\nDate: Mon, 1 Sep 2025 10:00:00 +0000\r\nMessage-ID: <%[2]s%s\r\n\r\n",
		from, name, nameDomain)
	line := fmt.Appendf(nil, ".%s is what this line is about, and the next one too\r\n", name)
	return append(b, bytes.Repeat(line, 1+messageSize(name)/len(line))...)
}

// tryNames are the local parts of the accounts of `try`.
var tryNames = [2]string{"alice", "bob"}

// nameOf finds the name of a message by its Message-ID: "" for one that is not
// of the suite.
func nameOf(text []byte) string {
	id := headerField(text, "Message-ID")
	name, ok := strings.CutSuffix(strings.TrimPrefix(id, "<"), nameDomain)
	if !ok {
		return ""
	}
	return name
}

// headerField returns the body of the first field of a name.
func headerField(text []byte, name string) string {
	header, _, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	for line := range bytes.Lines(append(header, '\r', '\n')) {
		if field, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(field, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// textProblem says what is wrong with a message as it was found; "" if it is
// right. On the way in servers only put fields before what they got.
func textProblem(name string, got []byte) string {
	want := messageText(name)
	before, ok := bytes.CutSuffix(got, want)
	switch {
	case !ok:
		return fmt.Sprintf("has %d octets that are not what was sent (%d octets): %.300q", len(got), len(want), got)
	case strings.HasPrefix(name, appended) && len(before) > 0:
		return fmt.Sprintf("was appended and has %.300q before it", before)
	case bytes.Contains(before, []byte("\r\n\r\n")), len(before) > 0 && !bytes.HasSuffix(before, []byte("\r\n")):
		return fmt.Sprintf("has %.300q before it, which are no fields", before)
	}
	return ""
}

// dialSMTP connects a client to one of the server's SMTP ports.
func dialSMTP(ctx context.Context, addr string) (*smtpclient.Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "client.test", InsecureAuth: true})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// sendText sends a message, and fails if any recipient was refused.
func sendText(ctx context.Context, c *smtpclient.Client, from string, to []string, text []byte) error {
	env := mail.Envelope{}
	var err error
	if env.ReversePath, err = mail.ParseAddress(from); err != nil {
		return err
	}
	for _, a := range to {
		p, err := mail.ParseAddress(a)
		if err != nil {
			return err
		}
		env.Recipients = append(env.Recipients, mail.Recipient{Path: p})
	}
	for _, r := range c.Send(ctx, &smtpclient.Message{Envelope: env, Size: int64(len(text)), Body: bytes.NewReader(text)}) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// mailer sends messages to both accounts on port 25.
func (c *crash) mailer(ctx context.Context, i *instance, worker int) error {
	conn, err := dialSMTP(ctx, i.SMTP)
	if err != nil {
		return err
	}
	defer conn.Close()
	to := []string{i.Accounts[0].Address, i.Accounts[1].Address}
	for n := 0; ctx.Err() == nil; n++ {
		name := messageName(mailed, c.round, worker, n)
		op := c.create(opMailed, place{"INBOX", ""}, thingID{to[0], name}, thingID{to[1], name})
		if err := sendText(ctx, conn, "x@slow.test", to, messageText(name)); err != nil {
			return err
		}
		op.done()
	}
	return nil
}
