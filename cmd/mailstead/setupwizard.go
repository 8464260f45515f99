package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/setup"
)

// runningWizard is the wizard of the server that runs. It waits where an
// answer has the server begin anew, as the pages do.
type runningWizard struct{ *api.Client }

func (r runningWizard) AnswerSetup(ctx context.Context, step setup.Step, in setup.Input) (setup.View, error) {
	v, err := r.Client.AnswerSetup(ctx, step, in)
	if err != nil || !v.Restarting {
		return v, err
	}
	ctx, cancel := context.WithTimeout(ctx, serviceStart)
	defer cancel()
	for {
		now, err := r.Setup(ctx)
		if err == nil && (now.Hostname != v.Hostname || now.Certificate.Automatic != v.Certificate.Automatic) {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return v, errors.Join(errors.New("the server has not begun anew with what was answered; its log says more (`journalctl -u mailstead`)"), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// localWizard is the wizard on the data itself, without a server. Where a
// server would begin anew, it opens the data anew.
type localWizard struct {
	from configPlace
	n    *node // nil if it is not open
}

// open opens the data with the configuration as it is now.
func (l *localWizard) open() error {
	cfg, err := l.from.load()
	if err != nil {
		return err
	}
	nc, err := nodeConfigFrom(cfg, listeners{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	nc.Choose = func(choices ...config.Choice) (config.Written, error) {
		return config.Choose(l.from.file, cfg.Data, choices...)
	}
	l.n, err = openNode(nc)
	return err
}

func (l *localWizard) close() error {
	if l.n == nil {
		return nil
	}
	n := l.n
	l.n = nil
	return n.close()
}

func (l *localWizard) Setup(ctx context.Context) (setup.View, error) { return l.n.wizard.View(ctx) }

func (l *localWizard) AnswerSetup(ctx context.Context, step setup.Step, in setup.Input) (setup.View, error) {
	v, err := l.n.wizard.Answer(ctx, step, in)
	if err != nil || !v.Restarting {
		return v, err
	}
	if err := l.close(); err != nil {
		return v, err
	}
	if err := l.open(); err != nil {
		return v, err
	}
	return l.Setup(ctx)
}

func (l *localWizard) CheckSetup(ctx context.Context, step setup.Step) (setup.View, error) {
	return l.n.wizard.Check(ctx, step)
}

func (l *localWizard) FinishSetup(ctx context.Context) error {
	_, err := l.n.wizard.Finish(ctx)
	if errors.Is(err, directory.ErrInvalid) {
		return fmt.Errorf("the first run is not complete: %w", err)
	}
	return err
}

// askHere leads through the wizard on the data itself, without a server.
func (c *setupCmd) askHere(ctx context.Context, s streams, cfg config.Config, given *answers) error {
	if err := becomeOwner(cfg.Data); err != nil {
		return err
	}
	l := &localWizard{from: c.place()}
	if err := l.open(); err != nil {
		return err
	}
	err := c.ask(ctx, s, l, given)
	if err == nil {
		fmt.Fprintln(s.out, "\nStart the server now: `mailstead serve`, or its service.")
	}
	return errors.Join(err, l.close())
}
