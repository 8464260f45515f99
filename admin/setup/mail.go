package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// mail finds the first message in each direction by its trace.
func (w *Wizard) mail(ctx context.Context, s state) (v MailView, err error) {
	if s.Answers.Address == "" {
		return v, nil
	}
	found, err := w.opts.Admin.FindTraces(ctx, admin.TraceQuery{Address: s.Answers.Address, After: s.Begun})
	if err != nil {
		return v, err
	}
	for _, t := range found.Items { // newest first
		switch {
		case t.Direction == "in" && !same(t.From, s.Answers.Address) && (v.In == nil || !v.In.Done):
			v.In = message(t)
		case t.Direction == "out" && same(t.From, s.Answers.Address) && (s.Out == "" || s.Out == t.ID) && (v.Out == nil || !v.Out.Done):
			v.Out = message(t)
		}
	}
	return v, errors.Join(w.tell(ctx, v.In), w.tell(ctx, v.Out))
}

// tell adds the story of a message. What was said line by line is for the
// console.
func (w *Wizard) tell(ctx context.Context, m *Message) error {
	if m == nil {
		return nil
	}
	t, err := w.opts.Admin.Trace(ctx, m.Trace)
	for _, line := range t.Story {
		if line.Side == "" {
			m.Story = append(m.Story, line)
		}
	}
	return err
}

// same reports whether two texts are the same address.
func same(a, b string) bool {
	x, err1 := mail.ParseAddress(a)
	y, err2 := mail.ParseAddress(b)
	return err1 == nil && err2 == nil && x.Key() == y.Key()
}

// message is a trace as the wizard shows it. One that came in is done when it
// was taken, one that goes out when another server has said 250.
func message(t admin.TraceSummary) *Message {
	m := &Message{Trace: t.ID, From: t.From, To: t.To, At: t.Start, State: t.Outcome, Text: t.Reason, Story: []admin.StoryLine{}}
	m.Done = t.Outcome == "delivered" || t.Direction == "in" && t.Outcome == "accepted"
	return m
}

// Finish ends the first run and returns the owner's account.
func (w *Wizard) Finish(ctx context.Context) (owner uint32, err error) {
	err = w.change(ctx, func(s *state) error {
		if s.Account == 0 {
			return &directory.Problem{Kind: directory.ErrInvalid, Text: "choose your address and password first"}
		}
		s.Finished, owner = w.opts.Now().UTC(), s.Account
		return nil
	})
	if err != nil {
		return 0, err
	}
	w.opts.Changed(Done)
	return owner, w.opts.Directory.Record(ctx, "setup", "setup.finish", string(w.opts.Hostname), nil)
}

// How often Watch looks again: the second is for while an authority makes a
// certificate, which takes seconds.
const (
	look      = 5 * time.Second
	lookClose = time.Second
)

// Watch looks again at what the wizard waits for while it is open, and tells
// Changed when something is different, until ctx is done.
func (w *Wizard) Watch(ctx context.Context) error {
	timer := time.NewTimer(look)
	defer timer.Stop()
	var before View
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(look)
		if err := w.orderWhenSeen(asSetup(ctx)); err != nil && ctx.Err() == nil {
			w.opts.Logger.WarnContext(ctx, "order a certificate", "err", err)
		}
		if !w.Open(ctx) {
			continue
		}
		v, err := w.View(ctx)
		if v.Certificate.Automatic && !v.Certificate.Trusted {
			timer.Reset(lookClose)
		}
		if err == nil && v.Step == DNS {
			if err = w.refresh(asSetup(ctx), DNS); err == nil {
				v, err = w.View(ctx)
			}
		}
		switch {
		case err != nil && !errors.Is(err, context.Canceled):
			w.opts.Logger.WarnContext(ctx, "first run", "err", err)
		case err == nil && differs(before, v):
			before = v
			w.opts.Changed(v.Step)
		}
	}
}

// differs reports whether people see something new.
func differs(a, b View) bool {
	if a.Certificate != b.Certificate || a.Step != b.Step || len(a.Steps) != len(b.Steps) || stage(a.Mail.In) != stage(b.Mail.In) || stage(a.Mail.Out) != stage(b.Mail.Out) {
		return true
	}
	for i := range a.Steps {
		if a.Steps[i] != b.Steps[i] {
			return true
		}
	}
	return (a.DNS == nil) != (b.DNS == nil) || a.DNS != nil && a.DNS.Summary != b.DNS.Summary
}

func stage(m *Message) string {
	if m == nil {
		return ""
	}
	return fmt.Sprint(m.Trace, m.State, len(m.Story))
}
