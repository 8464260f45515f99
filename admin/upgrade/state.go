package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/mail/durable"
)

// Phase says how far an upgrade is; see the package.
type Phase string

const (
	Testing   Phase = "testing"
	Switching Phase = "switching"
	Watching  Phase = "watching"
	Returning Phase = "returning"
	Done      Phase = "done"
	Back      Phase = "back"
	Refused   Phase = "refused" // the test failed; nothing was changed
)

// Program is a version of the program.
type Program struct {
	Version string `json:"version"`
	Schema  int    `json:"schema"`
}

// State is the last upgrade of a server, as it is written down.
type State struct {
	Phase    Phase     `json:"phase" enum:"testing,switching,watching,returning,done,back,refused"`
	From     Program   `json:"from"`
	To       Program   `json:"to"`
	Began    time.Time `json:"began"`
	Switched time.Time `json:"switched,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	// Data says that the databases were brought to another schema, and those
	// from before are kept.
	Data    bool      `json:"dataChanged"`
	Cause   string    `json:"cause,omitempty" doc:"Why it went back, or was refused."`
	Carried *Carried  `json:"carried,omitempty"`
	Log     []string  `json:"log"`
	Move    *movement `json:"move,omitempty" hidden:"true"`
	// Since is an upgrade after this one that was refused at once, so that the way
	// back from this one stays.
	Since *Attempt `json:"since,omitempty"`
	// Installed is where the program is, Before where the one from before is kept.
	Installed string `json:"installed,omitempty"`
	Before    string `json:"before,omitempty"`
}

// Attempt is an upgrade that was refused before anything was done.
type Attempt struct {
	Version string    `json:"version" doc:"Empty if the program could not even be asked."`
	At      time.Time `json:"at"`
	Cause   string    `json:"cause"`
}

// CanGoBack reports whether GoBack has what it needs: the upgrade is over or
// was interrupted, the program from before is known, and its data, if that was
// changed, is kept.
func (s *State) CanGoBack(data string) bool {
	if s.Installed == "" || s.Phase != Watching && s.Phase != Done && s.Phase != Returning {
		return false
	}
	return !s.Data || s.Phase == Returning || Keeps(data)
}

// Carried is what was carried back.
type Carried struct {
	Messages  int      `json:"messages" doc:"Messages in mailboxes."`
	Queued    int      `json:"queued" doc:"Messages that wait to be delivered to others."`
	Struck    int      `json:"struck" doc:"Recipients that the newer program had delivered to already."`
	Unclaimed int      `json:"unclaimed" doc:"Messages of accounts that were made since, kept as files."`
	Notes     []string `json:"notes,omitempty"`
}

// Folders and files below DATA/upgrade.
const (
	nextName   = "next"   // the copy that is brought over
	testName   = "test"   // the copy that is tested
	beforeName = "before" // the data from before
	failedName = "failed" // the data of the program that was not well
	leftName   = "left"   // what that leaves for the way back
	stateName  = "state.json"
	marksName  = "marks.json"
)

// Dir is the folder of upgrades in a data folder.
func Dir(data string) string { return filepath.Join(data, "upgrade") }

func inDir(data, name string) string { return filepath.Join(Dir(data), name) }

// Load returns the state of the last upgrade; nil if there was none.
func Load(data string) (*State, error) {
	b, err := os.ReadFile(inDir(data, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &State{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s is not readable: %w", inDir(data, stateName), err)
	}
	return s, nil
}

func (s *State) save(data string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(Dir(data), 0o700); err != nil {
		return err
	}
	name := inDir(data, stateName)
	if err := durable.WriteFile(name, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return errors.Join(ownAs(Dir(data), data), ownAs(name, data))
}

// ownAs gives a file to whom another belongs: an upgrade is made by root, and
// the data belongs to the user of the service.
func ownAs(name, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Lchown(name, int(st.Uid), int(st.Gid))
	}
	return nil
}

// ownTree is ownAs for a folder with all that is in it.
func ownTree(dir, like string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return ownAs(path, like)
	})
}

func keepOwner(f *os.File, info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		f.Chown(int(st.Uid), int(st.Gid)) // ownTree makes it sure
	}
}

// lockData keeps a second upgrade out, until the file is closed.
func lockData(data string) (*os.File, error) {
	if err := durable.MkdirAll(Dir(data), 0o700); err != nil {
		return nil, err
	}
	name := inDir(data, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(ownAs(Dir(data), data), ownAs(name, data)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("an upgrade is under way already; `mailstead upgrade status` says how far it is")
	}
	return f, nil
}

// inUse reports whether a process has the store open.
func inUse(data string) bool {
	f, err := os.OpenFile(filepath.Join(data, "store", "lock"), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
}
