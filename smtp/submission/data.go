package submission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// Data takes the message, and then looks at it.
func (s *session) Data(ctx context.Context, body io.Reader) (string, error) {
	err := s.data(ctx, body)
	s.traceEnd(err)
	if err != nil {
		return "", err
	}
	return "queued as " + string(s.tx.id), nil
}

func (s *session) data(ctx context.Context, body io.Reader) error {
	o := &s.service.opts
	spool := o.Intake.NewSpool()
	defer spool.Close()
	if err := spool.Fill(body, io.Discard); err != nil {
		return transferError(err)
	}
	header, done, err := o.Intake.Header(ctx, spool)
	if err != nil {
		return transferError(err)
	}
	defer done()
	from, err := authors(header)
	if err != nil {
		return err
	}
	for _, p := range from {
		if !o.Senders.MaySend(s.who.Account, p) {
			return &mail.Error{Status: mail.StatusPolicy, Code: 550,
				Text: "you are logged in as " + s.who.Login + " and may not write as " + p.String() + " (From or Sender)"}
		}
	}
	if err := s.checkQuota(); err != nil {
		return err
	}
	rest := int64(len(header))
	if header, err = s.complete(header); err != nil {
		return err
	}
	indexer := message.NewIndexer()
	indexer.Write(header) // never fails
	if err := spool.Show(indexer, rest, spool.Size()); err != nil {
		return transferError(err)
	}
	text := func() io.Reader { return io.MultiReader(bytes.NewReader(header), spool.From(rest)) }
	return s.handOver(ctx, text, indexer.Close(), from[0].Domain)
}

// transferError keeps errors that have a status, such as a size limit, and
// makes the peer try again after the others.
func transferError(err error) error {
	if mail.StatusOf(err) != mail.StatusUnclassified {
		return err
	}
	if errors.Is(err, disk.ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &mail.Error{Status: mail.StatusSystemFull, Code: 452, Text: "disk is full, try again later", Err: err}
	}
	return &mail.Error{Status: mail.StatusUnclassified, Text: "the message was not received completely", Err: err}
}

func (s *session) checkQuota() error {
	o := &s.service.opts
	if o.Quota == nil {
		return nil
	}
	return s.service.limits.take(s.who.Account, o.Quota(s.who.Account), len(s.tx.env.Recipients), o.Now())
}

// handOver signs and delivers.
func (s *session) handOver(ctx context.Context, text func() io.Reader, ix *message.Index, author mail.Domain) error {
	size := ix.Size
	signature, err := s.sign(ctx, text(), author)
	if err != nil {
		return err
	}
	stored, err := s.service.opts.Intake.Store(ctx, size)
	if err != nil {
		return transferError(err)
	}
	defer stored()
	ix.Prepend(signature)
	s.traceMessage(ix)
	return s.service.opts.Deliver.Deliver(ctx, delivery.Mail{
		ID:        s.tx.id,
		Envelope:  s.tx.env,
		Index:     ix,
		Body:      io.MultiReader(bytes.NewReader(signature), text()),
		Size:      size + int64(len(signature)),
		Received:  s.tx.start,
		Submitted: true,
	})
}

// traceMessage records what was found in the message.
func (s *session) traceMessage(ix *message.Index) {
	s.service.opts.Trace.Append(trace.Summary{
		ID: s.tx.id, Direction: "out", ReversePath: s.tx.env.ReversePath, Recipients: paths(s.tx.env.Recipients), Login: s.who.Login,
		RemoteIP: s.conn.Remote.Addr().String(), MessageID: ix.MessageID, Size: ix.Size,
		SubjectHash: trace.SubjectHash(message.DecodeHeaderText(ix.Envelope.Subject)),
	}, trace.Event{Time: s.tx.start, Kind: trace.Connect, Text: "submitted by " + s.who.Login + " with " + s.conn.Protocol(),
		Fields: map[string]string{"login": s.who.Login, "protocol": s.conn.Protocol(), "remote": s.conn.Remote.String()}})
}

// traceEnd logs and traces how the transaction ended.
func (s *session) traceEnd(err error) {
	o := &s.service.opts
	s.tx.told = true
	status := mail.StatusOf(err)
	sum := trace.Summary{ID: s.tx.id, ReversePath: s.tx.env.ReversePath, Login: s.who.Login, Status: status.String(), Outcome: "accepted",
		RemoteIP: s.conn.Remote.Addr().String(), Direction: "out", Recipients: paths(s.tx.env.Recipients)}
	text := "accepted for " + trace.Recipients(len(s.tx.env.Recipients))
	if err != nil {
		sum.Outcome, sum.Reason, text = "refused", peerText(err), "refused: "+peerText(err)
		sum.Cause = refusalCause(s.who.Login, status)
	}
	o.Trace.Append(sum, trace.Event{Time: o.Now(), Kind: trace.Done, Text: text, Fields: map[string]string{"status": status.String()}})
	o.Logger.Info("submission", "conn", s.conn.ID, "queue_id", s.tx.id, "login", s.who.Login, "mail_from", s.tx.env.ReversePath,
		"rcpts", len(s.tx.env.Recipients), "status", status, "err", err)
}

// traceRefusal records what was refused before there was a message.
func (s *session) traceRefusal(from mail.Path, to []mail.Path, err error) {
	o := &s.service.opts
	now := o.Now()
	id := trace.NewID(now, o.Random)
	if s.tx != nil {
		id, s.tx.told = s.tx.id, true
	}
	o.Trace.Append(trace.Summary{ID: id, Direction: "out", ReversePath: from, Recipients: to, Login: s.who.Login,
		RemoteIP: s.conn.Remote.Addr().String(), Outcome: "refused", Status: mail.StatusOf(err).String(), Reason: peerText(err), Cause: refusalCause(s.who.Login, mail.StatusOf(err))},
		trace.Event{Time: now, Kind: trace.Done, Text: "refused: " + peerText(err)})
}

// refusalCause is the same for the refusals of one kind to one user.
func refusalCause(login string, status mail.Status) string { return status.String() + " " + login }

// traceDialogue adds what was said since the transaction before.
func (s *session) traceDialogue() {
	s.service.opts.Trace.Append(trace.Summary{ID: s.tx.id}, s.conn.Dialogue(s.service.opts.Now())...)
}

// sign makes the signatures of the author's domain; none if it has no keys.
// RSA costs more than all else that is done for a message. It is for the
// servers of others that know nothing newer, so mail that stays here does
// without.
func (s *session) sign(ctx context.Context, text io.Reader, author mail.Domain) ([]byte, error) {
	o := &s.service.opts
	if o.Keys == nil {
		return nil, nil
	}
	keys := o.Keys(author)
	if !o.Deliver.Leaves(ctx, s.tx.env.Recipients) {
		keys = dkim.Lightest(keys)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	signature, err := dkim.Sign(text, keys)
	if err != nil {
		return nil, &mail.Error{Status: mail.StatusUnclassified, Text: "the message could not be signed, try again later", Err: err}
	}
	return signature, nil
}

// paths are the addresses of recipients.
func paths(to []mail.Recipient) []mail.Path {
	p := make([]mail.Path, len(to))
	for i, r := range to {
		p[i] = r.Path
	}
	return p
}

// peerText is what the client is told of an error.
func peerText(err error) string {
	r := smtp.ReplyFor(err)
	return fmt.Sprintf("%d %v %s", r.Code, r.Status, r.Text)
}
