package clock

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/mailstead/mailstead/mail/durable"
)

const (
	maxJumps = 32    // that are remembered
	maxNote  = 16384 // octets of the file
)

// note is what is in the file.
type note struct {
	At    time.Time `json:"at"`
	Doubt bool      `json:"doubt,omitempty"` // At is not what the system said
	Jumps []Jump    `json:"jumps,omitempty"` // in the order in which they came true
}

// readNote returns what was noted. A file that cannot be read says nothing: the
// clock of the system is right far more often than not.
func (c *Clock) readNote() (note, bool) {
	if c.opts.File == "" {
		return note{}, false
	}
	b, err := os.ReadFile(c.opts.File)
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, false
	}
	n, ok := parseNote(b)
	if err != nil || !ok {
		c.opts.Logger.Warn("what was noted of the time cannot be read", "file", c.opts.File, "err", err)
	}
	return n, err == nil && ok
}

func parseNote(b []byte) (note, bool) {
	var n note
	if len(b) > maxNote || json.Unmarshal(b, &n) != nil || n.At.IsZero() {
		return note{}, false
	}
	n.Jumps = n.Jumps[max(0, len(n.Jumps)-maxJumps):]
	return n, true
}

// note writes how late it is; c.mu is held. Where that fails the clock still
// goes; it is said once.
func (c *Clock) note(now time.Time) {
	c.noted = c.opts.Elapsed()
	err := c.writeNote(now)
	if err != nil && !c.unable {
		c.opts.Logger.Warn("the time cannot be noted", "err", err)
	}
	c.unable = err != nil
}

func (c *Clock) writeNote(now time.Time) error {
	if c.opts.File == "" {
		return nil
	}
	b, err := json.Marshal(note{At: now.UTC(), Doubt: c.mark.Load().doubt != nil, Jumps: slices.Clone(c.jumps)})
	if err != nil {
		return err
	}
	return durable.WriteFile(c.opts.File, append(b, '\n'), 0o600)
}
