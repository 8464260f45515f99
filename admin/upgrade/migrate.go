package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/schema"
	"github.com/mailstead/mailstead/mailbox/store"
)

// step brings data from the schema before To to To. Run works on a copy that
// nobody has open; when it fails the copy is thrown away.
type step struct {
	To   int
	What string // is changed, for people
	Run  func(ctx context.Context, dir string) error
}

// Migrate brings the databases in dir, which is a copy, to the schema of this
// program, and tells each step.
func Migrate(ctx context.Context, dir, program string, say func(format string, args ...any)) error {
	f, err := schema.Read(dir)
	if err != nil {
		return err
	}
	if f.Schema > schema.Current {
		return schema.CheckFolder(dir)
	}
	for _, s := range steps() {
		if s.To <= f.Schema {
			continue
		}
		if s.To != f.Schema+1 {
			return fmt.Errorf("this program cannot bring data of schema %d over; upgrade to an older version first", f.Schema)
		}
		say("schema %d to %d: %s", f.Schema, s.To, s.What)
		if err := s.Run(ctx, dir); err != nil {
			return fmt.Errorf("schema %d to %d (%s): %w", f.Schema, s.To, s.What, err)
		}
		f.Schema = s.To
	}
	if f.Schema != schema.Current {
		return fmt.Errorf("this program cannot bring data of schema %d over", f.Schema)
	}
	return stamp(dir, program)
}

// stamp notes the schema of this program in all places that have the number.
func stamp(dir, program string) error {
	for name, set := range map[string]func(string, int) error{"system.db": directory.SetSchema, "store": store.SetSchema} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := set(path, schema.Current); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return schema.Write(dir, program)
}
