//go:build schematest

package upgrade

import (
	"context"
	"os"
	"path/filepath"

	"github.com/mailstead/mailstead/mail/durable"
)

// steps of the program of the future that the tests of upgrades build. Like a
// real one the step changes the databases, so that the program from before
// would refuse them; and it fails where the test has put a stone in its way.
func steps() []step {
	return []step{{To: 2, What: "try out what a schema is", Run: func(_ context.Context, dir string) error {
		if _, err := os.Stat(filepath.Join(dir, "stone.db")); err == nil {
			return os.ErrInvalid
		}
		return durable.WriteFile(filepath.Join(dir, "future.db"), []byte("of schema 2\n"), 0o600)
	}}}
}
