package inbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// Data takes the message, judges it, and hands it over.
func (s *session) Data(ctx context.Context, body io.Reader) (string, error) {
	v, err := s.data(ctx, body)
	s.tx.ended = true
	s.finish(ctx, v, err)
	if err != nil {
		return "", err
	}
	return "accepted as " + string(s.tx.id), nil
}

func (s *session) data(ctx context.Context, body io.Reader) (Verdict, error) {
	o := &s.service.opts
	header, rest, err := message.SplitHeader(body)
	if err != nil {
		return Verdict{}, transferError(err)
	}
	kept := withoutForgeries(header, o.Hostname)
	spool := message.NewSpool(o.TempDir)
	defer spool.Close()
	indexer := message.NewIndexer()
	if err := spool.Fill(io.MultiReader(bytes.NewReader(kept), rest), indexer); err != nil {
		return Verdict{}, transferError(err)
	}
	m := &Mail{
		ID: s.tx.id, Client: s.client(), Envelope: s.tx.env, Header: header, Index: indexer.Close(),
		Body: func() io.Reader { return bodyReader(spool, int64(len(kept))) },
	}
	v := s.service.judge(ctx, m)
	s.record(m, v)
	if err := v.err(); err != nil {
		return v, err
	}
	return v, s.handOver(ctx, m, v, spool)
}

// bodyReader reads a spool from an offset.
func bodyReader(spool *message.Spool, offset int64) io.Reader {
	return io.NewSectionReader(spool, offset, spool.Size()-offset)
}

// handOver delivers the message with our fields before it.
func (s *session) handOver(ctx context.Context, m *Mail, v Verdict, spool *message.Spool) error {
	o := &s.service.opts
	now := o.Now()
	header := s.service.traceHeader(m, now)
	if m.Index.NeedsEmptyLine() {
		header = append(header, "\r\n"...)
	}
	m.Index.Prepend(header)
	return o.Deliverer.Deliver(ctx, delivery.Mail{
		ID:       m.ID,
		Envelope: m.Envelope,
		Index:    m.Index,
		Body:     io.MultiReader(bytes.NewReader(header), spool.Reader()),
		Size:     spool.Size() + int64(len(header)),
		Received: now,
		Junk:     v.Action == Junk,
	})
}

// transferError names what went wrong while the message came in. Errors that
// have a status, such as a size limit, keep it.
func transferError(err error) error {
	var named *mail.Error
	switch {
	case errors.As(err, &named):
		return err
	case errors.Is(err, syscall.ENOSPC):
		return &mail.Error{Status: mail.StatusSystemFull, Code: 452, Text: "disk is full, try again later", Err: err}
	}
	return &mail.Error{Status: mail.StatusUnclassified, Text: "the message was not received completely", Err: err}
}
