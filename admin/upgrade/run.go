package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
