package upgrade

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// movement is a switch of databases that is under way: those of the data folder
// go aside, and others take their place. Whoever finds it half done can finish
// it, for each name is in one of two places.
type movement struct {
	Aside string   `json:"aside"` // folders below DATA/upgrade
	In    string   `json:"in"`
	Had   []string `json:"had"`  // entries that go aside
	Gets  []string `json:"gets"` // entries that come in
	Then  Phase    `json:"then"` // when it is done
}

// swap begins a movement and finishes it.
func (s *State) swap(data, aside, in string, during, then Phase) error {
	had, err := entries(data)
	if err != nil {
		return err
	}
	gets, err := entries(inDir(data, in))
	if err != nil {
		return err
	}
	if len(gets) == 0 {
		return fmt.Errorf("there is no data in %s", inDir(data, in))
	}
	if err := os.RemoveAll(inDir(data, aside)); err != nil {
		return err
	}
	if err := os.Mkdir(inDir(data, aside), 0o700); err != nil {
		return err
	}
	if err := ownAs(inDir(data, aside), data); err != nil { // the server removes it one day
		return err
	}
	s.Phase, s.Move = during, &movement{Aside: aside, In: in, Had: had, Gets: gets, Then: then}
	if err := s.save(data); err != nil {
		return err
	}
	return s.finish(data)
}

// finish does what is left of a movement.
func (s *State) finish(data string) error {
	m := s.Move
	for _, name := range m.Had {
		if err := moveOnce(filepath.Join(data, name), inDir(data, filepath.Join(m.Aside, name))); err != nil {
			return err
		}
	}
	if err := errors.Join(syncDir(inDir(data, m.Aside)), syncDir(data)); err != nil {
		return err
	}
	for _, name := range m.Gets {
		if err := moveOnce(inDir(data, filepath.Join(m.In, name)), filepath.Join(data, name)); err != nil {
			return err
		}
	}
	if err := errors.Join(syncDir(inDir(data, m.In)), syncDir(data)); err != nil {
		return err
	}
	s.Phase, s.Move = m.Then, nil
	return s.save(data)
}

// moveOnce moves a file unless that was done before.
func moveOnce(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	return os.Rename(from, to)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Resume finishes a switch that was interrupted. Whoever opens a data folder
// calls it first.
func Resume(data string) error {
	s, err := Load(data)
	if err != nil || s == nil || s.Move == nil {
		return err
	}
	if err := s.finish(data); err != nil {
		return fmt.Errorf("an upgrade was interrupted while it switched the data; this failed again: %w", err)
	}
	return nil
}

// Keeps reports whether the data from before an upgrade is kept: nothing of the
// store may be given back meanwhile, for both share it.
func Keeps(data string) bool {
	_, err := os.Stat(inDir(data, beforeName))
	return err == nil
}

// Tidy removes the data from before an upgrade that has been well for as long
// as it is to be kept.
func Tidy(data string, keep time.Duration, now time.Time) (removed bool, err error) {
	s, err := Load(data)
	if err != nil || s == nil || s.Phase != Done && s.Phase != Back && s.Phase != Refused || now.Sub(s.Ended) < keep {
		return false, err
	}
	for _, name := range []string{beforeName, failedName, leftName, nextName, testName} {
		if _, err := os.Lstat(inDir(data, name)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if name == leftName && s.Carried != nil && s.Carried.Unclaimed > 0 {
			continue // people have to look at them
		}
		if err := os.RemoveAll(inDir(data, name)); err != nil {
			return removed, err
		}
		removed = true
	}
	return removed, nil
}
