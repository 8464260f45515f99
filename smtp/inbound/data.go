package inbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
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
	if s.visit != nil && v.Action == Accept {
		s.visit.took()
	}
	return "accepted as " + string(s.tx.id), nil
}

// data takes the message before it looks at it: what a client began and does
// not end takes little memory.
func (s *session) data(ctx context.Context, body io.Reader) (Verdict, error) {
	o := &s.service.opts
	spool := o.Intake.NewSpool()
	defer spool.Close()
	if err := spool.Fill(body, io.Discard); err != nil {
		return Verdict{}, transferError(err)
	}
	header, done, err := o.Intake.Header(ctx, spool)
	if err != nil {
		return Verdict{}, transferError(err)
	}
	defer done()
	kept := withoutForgeries(header, o.Hostname)
	rest := int64(len(header))
	indexer := message.NewIndexer()
	indexer.Write(kept) // never fails
	if err := spool.Show(indexer, rest, spool.Size()); err != nil {
		return Verdict{}, transferError(err)
	}
	m := &Mail{
		ID: s.tx.id, Client: s.client(), Envelope: s.tx.env, Header: header, Kept: kept, Index: indexer.Close(),
		Body: func() io.Reader { return spool.From(rest) }, visit: s.visit, rulings: s.tx.rulings,
	}
	v := s.service.judge(ctx, m)
	s.record(m, v)
	if err = v.err(); err == nil {
		if err := s.handOver(ctx, m, v); err != nil {
			return v, err // it comes again
		}
	}
	if o.Observe != nil {
		o.Observe(m, v)
	}
	return v, err
}

// handOver delivers the message with our fields before it.
func (s *session) handOver(ctx context.Context, m *Mail, v Verdict) error {
	o := &s.service.opts
	if err := m.applyChanges(); err != nil {
		return transferError(err)
	}
	size := m.Index.Size
	stored, err := o.Intake.Store(ctx, size)
	if err != nil {
		return transferError(err)
	}
	defer stored()
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
		Body:     io.MultiReader(bytes.NewReader(header), bytes.NewReader(m.Kept), m.Body()),
		Size:     size + int64(len(header)),
		Received: now,
		Author:   m.author(),
		Treat:    v.treat(),
	})
}

// applyChanges makes the changes of header and envelope that checks ask for.
// What the trace says of the message is what came.
func (m *Mail) applyChanges() error {
	var edits []message.FieldEdit
	for _, f := range m.Findings {
		edits = append(edits, f.Edit...)
		if f.ReversePath != nil {
			m.Envelope.ReversePath = *f.ReversePath
		}
	}
	if len(edits) == 0 {
		return nil
	}
	m.Kept = message.EditFields(m.Kept, edits)
	indexer := message.NewIndexer()
	indexer.Write(m.Kept) // never fails
	if _, err := io.Copy(indexer, m.Body()); err != nil {
		return err
	}
	m.Index = indexer.Close()
	return nil
}

// transferError names what went wrong while the message came in. Errors that
// have a status, such as a size limit, keep it.
func transferError(err error) error {
	var named *mail.Error
	switch {
	case errors.As(err, &named):
		return err
	case errors.Is(err, disk.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &mail.Error{Status: mail.StatusSystemFull, Code: 452, Text: "disk is full, try again later", Err: err}
	}
	return &mail.Error{Status: mail.StatusUnclassified, Text: "the message was not received completely", Err: err}
}
