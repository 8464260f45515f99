package junk

import (
	"context"
	"io"
	"net/netip"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// Evidence is what is known about a message when it is scored. Nothing of it
// may be changed or kept.
type Evidence struct {
	Envelope mail.Envelope
	Header   []byte         // as it is kept, with the empty line after it
	Index    *message.Index // offsets count from the beginning of Header
	// Open returns the octets of the message from offset from to offset to.
	Open func(from, to int64) io.Reader

	Client     netip.Addr
	Exempt     bool   // the client is one of ours: nobody else is asked about its mail
	ClientName string // confirmed both ways; "" if there is none
	Hello      string

	// Author is the first address of From; AuthorOrg is the organizational
	// domain of its host. Both can be empty.
	Author    mail.Path
	AuthorOrg mail.Domain

	SPF   string        // result for MAIL FROM: "pass", "fail" …
	DKIM  []mail.Domain // of the signatures that are good
	DMARC string        // "pass", "fail", "none", "temperror", "permerror"
	ARC   mail.Domain   // of the trusted sealer that vouches for it; "" if none does

	// Reasons of the checks before: blocklists, filters, form. They are a part of
	// each Opinion.
	Reasons []mail.Reason
}

// Opinion is what a message is worth to one account.
type Opinion struct {
	Score   float64       // sum of Reasons
	Reasons []mail.Reason // those of the Evidence, and the scorer's own
	// Known says that the account has good reason to expect mail of this
	// author: it has written there, or kept authenticated mail from there.
	Known bool
}

// Scorer forms opinions. It returns one for each account, in their order, and
// never fails: what it cannot find out does not count. Account 0 is nobody: an
// address that leads elsewhere; for it counts what is known to all.
type Scorer interface {
	Score(ctx context.Context, e *Evidence, accounts []mailbox.AccountID) []Opinion
}
