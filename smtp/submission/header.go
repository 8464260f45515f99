package submission

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// author returns the addresses of From, and of Sender where there is one, or
// why the header cannot be sent.
func authors(header []byte) ([]mail.Path, error) {
	var paths []mail.Path
	for f := range message.Fields(header) {
		if !strings.EqualFold(f.Name, "From") && !strings.EqualFold(f.Name, "Sender") {
			continue
		}
		for _, a := range message.ParseAddressList(f.Value()) {
			if a.Host == "" {
				continue // begin or end of a group
			}
			if a.Host == message.MissingHost || a.Mailbox == message.MissingMailbox {
				return nil, badHeader("the " + f.Name + " field has no complete address")
			}
			p, err := mail.ParseAddress(a.Mailbox + "@" + a.Host)
			if err != nil {
				p, err = mail.ParseAddress(mail.Path{Local: a.Mailbox}.String() + "@" + a.Host)
			}
			if err != nil {
				return nil, badHeader("the " + f.Name + " field has an address that is not valid")
			}
			paths = append(paths, p)
		}
	}
	if len(paths) == 0 {
		return nil, badHeader("the message has no From field with an address")
	}
	return paths, nil
}

func badHeader(text string) error {
	return &mail.Error{Status: mail.Status{Class: 5, Subject: 6}, Code: 550, Text: text}
}

// count returns how many fields of a name there are.
func count(header []byte, name string) int {
	n := 0
	for f := range message.Fields(header) {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// single lists fields that RFC 5322 section 3.6 allows once. Two of them show
// different things in different programs.
var single = []string{"From", "Sender", "Subject", "Date", "Message-ID"}

// complete takes out what must not leave and puts in what a complete message
// has: RFC 6409 section 8, RFC 5322 section 3.6.
func (s *session) complete(header []byte) ([]byte, error) {
	for _, name := range single {
		if count(header, name) > 1 {
			return nil, badHeader("the message has more than one " + name + " field")
		}
	}
	now := s.service.opts.Now()
	header = message.RemoveFields(header, "Bcc", "Resent-Bcc", "Return-Path")
	if count(header, "Date") == 0 {
		header = slices.Concat(message.FormatField("Date", now.Format(time.RFC1123Z)), header)
	}
	if count(header, "Message-ID") == 0 {
		id, err := s.messageID()
		if err != nil {
			return nil, err
		}
		header = slices.Concat(message.FormatField("Message-ID", id), header)
	}
	return slices.Concat(s.received(), header), nil
}

func (s *session) messageID() (string, error) {
	var b [12]byte
	if _, err := io.ReadFull(s.service.opts.Random, b[:]); err != nil {
		return "", fmt.Errorf("random Message-ID: %w", err)
	}
	domain := s.tx.env.ReversePath.Domain
	if domain == "" || domain.IsLiteral() {
		domain = s.service.opts.Hostname
	}
	return "<" + hex.EncodeToString(b[:]) + "@" + string(domain) + ">", nil
}

// received is the trace field of RFC 5321 section 4.4. The client's address
// and name are left out: where a user is when writing is nobody's business,
// and our own trace has it.
func (s *session) received() []byte {
	o := &s.service.opts
	return fmt.Appendf(nil, "Received: by %s with %s id %s;\r\n\t%s\r\n", o.Hostname, s.conn.Protocol(), s.tx.id, o.Now().Format(time.RFC1123Z))
}

// mailable reports whether mail can go to d from anywhere: a full name or an
// address literal.
func mailable(d mail.Domain) bool {
	return d.IsLiteral() || strings.Contains(string(d), ".")
}
