package backup

import (
	"errors"
	"fmt"
)

// Errors, for errors.Is. Their texts are sentences.
var (
	// ErrDamaged means that what is in the target cannot be restored.
	ErrDamaged = errors.New("backup: damaged")
	// ErrNoBackup means that there is no such backup.
	ErrNoBackup = errors.New("backup: there is no such backup")
	// ErrNotInBackup means that a backup has no such account, mailbox or message.
	ErrNotInBackup = errors.New("backup: that is not in the backup")
	// ErrNoFile is what a function of Source.Databases returns where there is no
	// such file; it is left out then.
	ErrNoFile = errors.New("backup: there is no such file")
	// ErrLocked means that another process is writing to the target.
	ErrLocked = errors.New("backup: another process is using the target")
	// ErrEmpty means that a target has no backups of ours.
	ErrEmpty = errors.New("backup: no backups there")
)

// failure is an error of a kind with a sentence for people.
type failure struct {
	kind error
	text string
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }

func damaged(format string, args ...any) error {
	return &failure{ErrDamaged, fmt.Sprintf(format, args...)}
}
