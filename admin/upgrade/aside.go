package upgrade

import (
	"errors"
	"fmt"
	"os"
	"time"
)

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
