package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

type junkStatsCmd struct{}

func (c *junkStatsCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		v, err := op.JunkStats(ctx)
		if err != nil {
			return err
		}
		return showStats(out, v)
	})
}

func showStats(out *printer, v junk.Stats) error {
	return out.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "Learned from %d accounts: %d messages as junk and %d as good, with %d different words and signs.\n", v.Accounts, v.Junk, v.Good, v.Words)
		if v.Junk < v.Needed || v.Good < v.Needed {
			fmt.Fprintf(w, "Words count from %d messages of each class on; until then rules and senders decide.\n", v.Needed)
		}
	})
}

type junkTrainCmd struct {
	Account string `help:"Account that learns; a part of it counts for everybody." required:"" placeholder:"ADDRESS"`
	As      string `help:"What all messages are." required:"" enum:"junk,good" placeholder:"junk|good"`
	Mbox    string `help:"File in mbox form." required:"" type:"existingfile" placeholder:"FILE"`
}

func (c *junkTrainCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	f, err := os.Open(c.Mbox)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		l := lesson{op: op, JunkLesson: admin.JunkLesson{Account: c.Account, Class: c.As}}
		for m, err := range transfer.NewMbox(c.Mbox, f, info.Size()).Messages() {
			if err == nil {
				err = l.add(ctx, m.Body)
			}
			if err != nil {
				return fmt.Errorf("%w (%d messages were learned before)", err, l.done.Learned)
			}
		}
		if err := l.send(ctx); err != nil {
			return err
		}
		if l.done == (admin.JunkLearned{}) {
			return errors.New("the file has no message")
		}
		return out.show(l.done, func(w io.Writer) {
			fmt.Fprintf(w, "Learned %d messages as %s; %d were known.\n", l.done.Learned, c.As, l.done.Known)
		})
	})
}

// lesson collects messages and sends them a group at a time.
type lesson struct {
	admin.JunkLesson
	op   admin.Operator
	size int
	done admin.JunkLearned
}

// add takes as much of a message as is looked at.
func (l *lesson) add(ctx context.Context, r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, admin.MaxLessonPart))
	if err != nil {
		return err
	}
	if l.size+len(raw) > admin.MaxLesson {
		if err := l.send(ctx); err != nil {
			return err
		}
	}
	l.Messages, l.size = append(l.Messages, raw), l.size+len(raw)
	if len(l.Messages) == admin.MaxLessonItems {
		return l.send(ctx)
	}
	return nil
}

func (l *lesson) send(ctx context.Context) error {
	if len(l.Messages) == 0 {
		return nil
	}
	n, err := l.op.TrainJunk(ctx, l.JunkLesson)
	l.done.Learned += n.Learned
	l.done.Known += n.Known
	l.Messages, l.size = nil, 0
	return err
}

type junkForgetCmd struct {
	Account string `help:"Forget what this account has learned." xor:"who" required:"" placeholder:"ADDRESS"`
	All     bool   `help:"Forget everything, of all accounts." xor:"who" required:""`
}

func (c *junkForgetCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		v, err := op.ForgetJunk(ctx, c.Account)
		if err != nil {
			return err
		}
		return showStats(out, v)
	})
}
