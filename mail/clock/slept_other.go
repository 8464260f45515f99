//go:build !linux

package clock

import "time"

// slept is not known here: a machine that was suspended is in doubt until
// somebody says how late it is.
func slept() time.Duration { return 0 }
