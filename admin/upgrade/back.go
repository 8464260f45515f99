package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mailstead/mailstead/mail/durable"
)

// GoBack goes back from the last upgrade, by hand.
func (p Plan) GoBack(ctx context.Context, cause string) (*State, error) {
	lock, err := lockData(p.Data)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := Resume(p.Data); err != nil {
		return nil, err
	}
	s, err := Load(p.Data)
	switch {
	case err != nil:
		return nil, err
	case s == nil || s.Phase != Watching && s.Phase != Done && s.Phase != Returning:
		return nil, errors.New("there is no upgrade to go back from")
	case s.Installed == "":
		return nil, errors.New("the program from before that upgrade was not kept: install it, and copy the data from before from " + inDir(p.Data, beforeName) + " while no server runs")
	case !s.CanGoBack(p.Data):
		return nil, errors.New("the data from before that upgrade is not kept any more: the setting upgrade.keep says for how long it is")
	}
	p.Installed, p.Before, p.New = s.Installed, s.Before, s.Installed
	r := &run{Plan: p, s: s}
	return s, r.back(ctx, cause, r.Running(ctx))
}

// back puts program and data from before in their place, with the mail that
// came in between.
func (r *run) back(ctx context.Context, cause string, start bool) error {
	r.say("going back to %s", r.s.From.Version)
	if err := r.Control.Stop(ctx); err != nil && start {
		r.say("stopping: %v", err)
	}
	if err := waitFor(ctx, stopWait, func() error {
		if inUse(r.Data) {
			return errors.New("the newer server still has its data open; stop it, then `mailstead upgrade back` goes on")
		}
		return nil
	}); err != nil {
		return err
	}
	r.s.Cause = cause
	if r.s.Data {
		if err := r.dataBack(ctx); err != nil {
			return fmt.Errorf("the data from before could not be put in place, it is in %s: %w", inDir(r.Data, beforeName), err)
		}
	}
	if _, err := os.Stat(r.Before); err == nil {
		if err := install(r.Before, r.Installed); err != nil {
			return err
		}
	}
	r.s.Phase, r.s.Ended = Back, time.Now().UTC()
	if err := r.s.save(r.Data); err != nil {
		return err
	}
	if !start {
		return nil
	}
	return errors.Join(r.startAgain(ctx), r.s.save(r.Data))
}

// startAgain starts the program from before, and waits until it is ready.
func (r *run) startAgain(ctx context.Context) error {
	if err := r.Control.Start(ctx); err != nil {
		return err
	}
	if err := waitFor(ctx, startWait, func() error { _, err := r.Healthy(ctx); return err }); err != nil {
		return fmt.Errorf("%s was started again and is not ready: %w", r.s.From.Version, err)
	}
	r.say("%s serves again", r.s.From.Version)
	return nil
}

// dataBack brings back the data from before, and carries over what came since.
func (r *run) dataBack(ctx context.Context) error {
	if Keeps(r.Data) { // else an earlier try came further
		if err := r.leave(ctx); err != nil {
			return err
		}
		if err := r.s.swap(r.Data, failedName, beforeName, Returning, Returning); err != nil {
			return err
		}
		if err := os.RemoveAll(inDir(r.Data, beforeName)); err != nil {
			return err
		}
	}
	left := inDir(r.Data, leftName)
	args := []string{"upgrade", "take-back", "--data", r.Data}
	told := leftWhole(left)
	if told {
		args = append(args, "--left", left)
	} else if err := linkLog(inDir(r.Data, failedName), r.Data); err != nil {
		return err
	}
	out, err := ask(ctx, returnLimit, r.Data, r.Before, args...)
	if err != nil {
		return fmt.Errorf("what came in since the upgrade is in %s and %s: %w", left, inDir(r.Data, failedName), err)
	}
	c := &Carried{}
	if err := json.Unmarshal(out, c); err != nil {
		return err
	}
	r.s.Carried = c
	if !told {
		c.Notes = append(c.Notes, "Read from the log: what the newer program had sent to others since the upgrade may be sent again.")
	}
	r.say("carried back: %d messages in mailboxes, %d that wait to be sent; %d recipients had their mail already", c.Messages, c.Queued, c.Struck)
	return nil
}

// leave lets the newer program write down what came in since the switch.
func (r *run) leave(ctx context.Context) error {
	left := inDir(r.Data, leftName)
	if err := errors.Join(os.RemoveAll(left), durable.MkdirAll(left, 0o700), ownAs(left, r.Data)); err != nil {
		return err
	}
	_, err := ask(ctx, leaveLimit, r.Data, r.newProgram(), "upgrade", "leave", "--data", r.Data, "--marks", inDir(r.Data, marksName), "--to", left)
	if err != nil {
		r.say("%s cannot say what came in since (%v): its log is read instead", r.s.To.Version, err)
	}
	return nil
}

// newProgram is the one that serves now: where a program was installed over
// another it is there.
func (r *run) newProgram() string {
	if _, err := os.Stat(r.Installed); err == nil {
		return r.Installed
	}
	return r.New
}

// linkLog gives a store the files of another that it does not have: what was
// accepted since the two were the same.
func linkLog(from, to string) error {
	for _, pattern := range []string{"store/log/*.log", "store/big/*/*"} {
		names, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			rel, err := filepath.Rel(from, name)
			if err != nil {
				return err
			}
			there := filepath.Join(to, rel)
			if _, err := os.Lstat(there); err == nil {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(there), 0o700); err != nil {
				return err
			}
			var c Copied
			if os.Link(name, there) != nil {
				if err := c.file(name, there); err != nil {
					return err
				}
			}
		}
	}
	return errors.Join(ownTree(filepath.Join(to, "store"), to), syncFileSystem(to))
}
