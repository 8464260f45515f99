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
	"github.com/mailstead/mailstead/mail/schema"
)

// Bounds of waiting for a server.
const (
	startWait   = 90 * time.Second // until it is ready for the first time
	stopWait    = 60 * time.Second
	askEvery    = time.Second
	maxWatch    = 50 * time.Minute // rooms of the store are given back after an hour
	leaveLimit  = 30 * time.Minute
	returnLimit = 2 * time.Hour
)

// Plan is an upgrade that is to be made.
type Plan struct {
	Data   string
	Config string // file, for the programs; empty: none
	// New is the program to be upgraded to, Installed where the service starts
	// it from, and Before where the one from before is kept. Aside is set where a
	// package has put New in its place already: it is where the package has left
	// the one from before.
	New, Installed, Before, Aside string

	Control Control
	Watch   time.Duration // how long the new program is looked at; at most 50 minutes
	// Patience is how long it may not be ready meanwhile.
	Patience time.Duration
	// Healthy asks the running server. started tells one process from another.
	Healthy func(ctx context.Context) (started string, err error)
	// Running says whether there is a server.
	Running func(ctx context.Context) bool
	Say     func(format string, args ...any)
}

// run is a Plan under way.
type run struct {
	Plan
	s    *State
	self Program // from before
	to   Program
}

// Run upgrades: it stops the server, lets the new program bring over a copy of
// the data and test it, switches, starts the server and watches it. While that
// is not well for longer than a moment, or ends by itself, everything goes back.
// The error says what is so now.
func (p Plan) Run(ctx context.Context) (*State, error) {
	p.Watch = min(p.Watch, maxWatch)
	r := &run{Plan: p}
	lock, err := lockData(p.Data)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := settled(p.Data); err != nil {
		return nil, r.reinstall(err)
	}
	if err := r.look(ctx); err != nil {
		return r.s, r.unfit(err)
	}
	return r.s, r.upgrade(ctx)
}

// settled returns an error while the last upgrade has not come to its end.
func settled(data string) error {
	last, err := Load(data)
	if err != nil {
		return err
	}
	if last != nil && (last.Phase == Watching || last.Move != nil) {
		return fmt.Errorf("the last upgrade did not come to its end (%s): `mailstead upgrade back` goes back to what was before, `mailstead upgrade accept` keeps what is", last.Phase)
	}
	return nil
}

// SetAside copies the installed program to another place, for a package that is
// about to put a new one over it. It refuses while the last upgrade has not come
// to its end: its way back needs what is there.
func SetAside(data, installed, to string) error {
	if _, err := os.Stat(data); err == nil {
		lock, err := lockData(data)
		if err != nil {
			return err
		}
		defer lock.Close()
		if err := settled(data); err != nil {
			return err
		}
	}
	return install(installed, to)
}

// reinstall puts the program from before in its place again, where a package
// has replaced it, and returns err with what came of that.
func (r *run) reinstall(err error) error {
	if r.Aside == "" {
		return err
	}
	return errors.Join(err, install(r.Aside, r.Installed))
}

// unfit ends an upgrade to a program that cannot even be asked, or does not suit
// the data. If a package has installed it, the one from before is put back. The
// server and its data were not touched, nor was the way back from an upgrade
// before this one.
func (r *run) unfit(cause error) error {
	if r.Aside == "" {
		return cause
	}
	last, err := Load(r.Data)
	if err == nil && last != nil && last.CanGoBack(r.Data) {
		last.Since = &Attempt{Version: r.to.Version, At: time.Now().UTC(), Cause: cause.Error()}
		err = errors.Join(fmt.Errorf("nothing was changed: %w", cause), last.save(r.Data))
	} else {
		r.s = &State{From: r.self, To: r.to, Began: time.Now().UTC(), Log: []string{}, Installed: r.Installed, Before: r.Before}
		err = r.s.refuse(r.Data, errors.Join(cause, err))
	}
	return r.reinstall(err)
}

// look finds out what the programs and the data are.
func (r *run) look(ctx context.Context) (err error) {
	if r.self, err = About(ctx, r.before()); err != nil {
		return err
	}
	if r.to, err = About(ctx, r.New); err != nil {
		return err
	}
	to := r.to
	f, err := schema.Read(r.Data)
	if err != nil {
		return err
	}
	if to.Schema < f.Schema {
		return fmt.Errorf("version %s knows schemas up to %d, and the data has schema %d: it is older than the data; `mailstead upgrade back` goes back to an older version with its data, if that is still kept", to.Version, to.Schema, f.Schema)
	}
	r.s = &State{From: Program{r.self.Version, f.Schema}, To: to, Began: time.Now().UTC(), Data: to.Schema != f.Schema, Log: []string{}, Installed: r.Installed, Before: r.Before}
	return nil
}

// before is where the program from before is at first.
func (r *run) before() string {
	if r.Aside != "" {
		return r.Aside
	}
	return r.Installed
}

func (r *run) say(format string, args ...any) {
	r.s.note(format, args...)
	r.Say(format, args...)
}

func (r *run) upgrade(ctx context.Context) error {
	running := r.Running(ctx)
	if running {
		r.say("stopping the server")
		if err := r.stop(ctx); err != nil {
			return errors.Join(r.unfit(err), r.Control.Start(context.WithoutCancel(ctx)))
		}
	}
	start := func() error {
		if !running {
			return nil
		}
		return r.startAgain(ctx)
	}
	r.s.Phase = Testing
	r.say("testing %s on a copy of the data", r.s.To.Version)
	err := r.s.prepare(ctx, r.Data, r.test)
	if err == nil { // what back() will install is there before anything is changed
		err = install(r.before(), r.Before)
	}
	if err != nil {
		return errors.Join(r.reinstall(r.s.refuse(r.Data, err)), start())
	}
	if err := r.change(); err != nil {
		return errors.Join(err, r.back(ctx, err.Error(), running))
	}
	if !running {
		r.say("the server was not running, and is not started: nobody watches how it does")
		return r.done()
	}
	r.say("starting %s", r.s.To.Version)
	if err := r.watch(ctx); err != nil {
		r.say("it is not well: %v", err)
		return fmt.Errorf("%s was not well, so all is as before: %w", r.s.To.Version, errors.Join(err, r.back(context.WithoutCancel(ctx), err.Error(), true)))
	}
	return r.done()
}

// stop stops the server and waits until its data is free.
func (r *run) stop(ctx context.Context) error {
	if err := r.Control.Stop(ctx); err != nil {
		return err
	}
	return waitFor(ctx, stopWait, func() error {
		if inUse(r.Data) {
			return errors.New("the server has been stopped, and still has its data open")
		}
		return nil
	})
}

// waitFor asks again and again, until there is no error or no time.
func waitFor(ctx context.Context, most time.Duration, ask func() error) error {
	until := time.Now().Add(most)
	for {
		err := ask()
		if err == nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(askEvery / 4):
		}
	}
}

// test lets the new program bring a copy over and test it, and keeps what it
// says of the copy for the way back.
func (r *run) test(ctx context.Context, dir string) error {
	out, err := ask(ctx, testTimeout, r.Data, r.New, "upgrade", "self-test", "--data", dir, "--scratch", inDir(r.Data, testName))
	if err != nil {
		return err
	}
	var marks Marks
	if err := json.Unmarshal(out, &marks); err != nil {
		return fmt.Errorf("%s does not say what it has tested: %.80q", r.New, out)
	}
	r.say("tested: %s", marks.Tested)
	name := inDir(r.Data, marksName)
	return errors.Join(durable.WriteFile(name, out, 0o600), ownAs(name, r.Data)) // the user of the service reads it
}

// change switches data and program.
func (r *run) change() error {
	r.s.Switched = time.Now().UTC()
	if r.s.Data {
		if err := r.s.swap(r.Data, beforeName, nextName, Switching, Watching); err != nil {
			return err
		}
	} else if err := os.RemoveAll(inDir(r.Data, nextName)); err != nil {
		return err
	}
	r.s.Phase = Watching
	if err := r.s.save(r.Data); err != nil {
		return err
	}
	if r.Aside != "" {
		return nil
	}
	return install(r.New, r.Installed)
}

// watch starts the server and asks it until it has been well for long enough.
func (r *run) watch(ctx context.Context) error {
	if err := r.Control.Start(ctx); err != nil {
		return err
	}
	first := ""
	err := waitFor(ctx, startWait, func() (err error) {
		first, err = r.Healthy(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("it was not ready after %v: %w", startWait, err)
	}
	r.say("it is ready; looking at it for %v", r.Watch)
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	well, end := time.Now(), time.Now().Add(r.Watch)
	for time.Now().Before(end) || time.Since(well) > askEvery*2 {
		started, err := r.Healthy(ctx)
		switch {
		case err == nil && started != first:
			return errors.New("it ended by itself and was started again")
		case err == nil:
			well = time.Now()
		case time.Since(well) > r.Patience:
			return fmt.Errorf("it has not been ready for %v: %w", r.Patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (r *run) done() error {
	r.s.Phase, r.s.Ended = Done, time.Now().UTC()
	r.say("all is well: %s serves", r.s.To.Version)
	if r.s.Data {
		r.say("the data from before is kept for a while in %s", inDir(r.Data, beforeName))
	}
	return r.s.save(r.Data)
}

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

// Accept ends an upgrade that was interrupted while it was watched.
func Accept(data string) (*State, error) {
	lock, err := lockData(data)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := Resume(data); err != nil {
		return nil, err
	}
	s, err := Load(data)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Phase != Watching {
		return nil, errors.New("there is no upgrade that waits to be accepted")
	}
	s.Phase, s.Ended = Done, time.Now().UTC()
	return s, s.save(data)
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
