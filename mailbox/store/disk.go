package store

import (
	"errors"

	"github.com/mailstead/mailstead/mail/disk"
)

// newGuard guards the disk of a store whose caller does not.
func newGuard(fs fsys, dir string, reserve int64) *disk.Guard {
	if reserve < 0 {
		return nil
	}
	return disk.New(dir, disk.Options{Ask: func() (disk.Room, error) { return fs.Room(dir) }, Reserve: func() int64 { return reserve }})
}

// room takes n octets for a use; ErrFull says that there is too little room.
func (e *Engine) room(u disk.Use, n int64) error {
	err := e.disk.Check(u, n)
	if errors.Is(err, ErrFull) {
		e.squeeze.tell()
	}
	return err
}

// ahead is how much of the log is asked for before it is needed: no more than
// a small disk can spare.
func (e *Engine) ahead() int64 {
	st, err := e.disk.Status()
	if err != nil || st.Reserve == 0 {
		return allocateAhead
	}
	return min(allocateAhead, st.Reserve/8)
}

// use is what the room of a message counts as.
func (m *Message) use() disk.Use {
	if m.Owed {
		return disk.Owed
	}
	return disk.Mail
}
