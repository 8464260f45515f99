package upgrade

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/mailstead/mailstead/mail/schema"
)

// BringOver brings older data to the schema of this program, on a copy, has it
// tested and switches to it: for a program that was put in the place of another
// without `mailstead upgrade`. The data from before is kept. Data that needs
// nothing is left alone.
func BringOver(ctx context.Context, data, program string, test func(ctx context.Context, dir string) error, say func(format string, args ...any)) error {
	if err := Resume(data); err != nil {
		return err
	}
	f, err := schema.Read(data)
	if err != nil || f.Schema >= schema.Current {
		return err // what is newer is refused by whoever opens it
	}
	if inUse(data) {
		return fmt.Errorf("%s is in use by another process; stop it first", data)
	}
	lock, err := lockData(data)
	if err != nil {
		return err
	}
	defer lock.Close()
	s := &State{Phase: Testing, From: Program{f.Program, f.Schema}, To: Program{program, schema.Current}, Began: time.Now().UTC(), Data: true, Log: []string{}}
	say("the data has schema %d and is brought to schema %d, on a copy first", f.Schema, schema.Current)
	err = s.prepare(ctx, data, func(ctx context.Context, dir string) error {
		if err := Migrate(ctx, dir, program, say); err != nil {
			return err
		}
		return OnCopy(ctx, dir, inDir(data, testName), test)
	})
	if err != nil {
		return s.refuse(data, err)
	}
	if err := s.swap(data, beforeName, nextName, Switching, Done); err != nil {
		return err
	}
	s.Switched = time.Now().UTC()
	s.Ended = s.Switched
	say("the data has schema %d now; that from before is kept in %s", schema.Current, inDir(data, beforeName))
	return s.save(data)
}

// prepare makes the copy and lets bring work on it.
func (s *State) prepare(ctx context.Context, data string, bring func(ctx context.Context, dir string) error) error {
	if err := s.save(data); err != nil {
		return err
	}
	if err := checkRoom(data); err != nil {
		return err
	}
	if err := os.RemoveAll(inDir(data, beforeName)); err != nil {
		return err
	}
	next := inDir(data, nextName)
	c, err := copyData(ctx, data, next)
	if err != nil {
		return err
	}
	s.note("copied the databases: %d files linked, %d cloned, %d copied (%d MiB)", c.Linked, c.Cloned, c.Files, c.Bytes>>20)
	if err := ownTree(next, data); err != nil {
		return err
	}
	return bring(ctx, next)
}

// OnCopy makes a copy of data, in the folder scratch, for as long as test works
// with it.
func OnCopy(ctx context.Context, data, scratch string, test func(ctx context.Context, dir string) error) error {
	defer os.RemoveAll(scratch)
	if _, err := copyData(ctx, data, scratch); err != nil {
		return err
	}
	return test(ctx, scratch)
}

// refuse notes that nothing was changed, and why.
func (s *State) refuse(data string, cause error) error {
	s.Phase, s.Cause, s.Ended, s.Data = Refused, cause.Error(), time.Now().UTC(), false
	os.RemoveAll(inDir(data, nextName))
	if err := s.save(data); err != nil {
		return fmt.Errorf("%w (and %w)", cause, err)
	}
	return fmt.Errorf("nothing was changed: %w", cause)
}

func (s *State) note(format string, args ...any) {
	s.Log = append(s.Log, time.Now().UTC().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}
