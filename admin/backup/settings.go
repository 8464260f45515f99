package backup

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/admin/backup/target/folder"
)

// Settings say where backups go, when, and how many are kept.
type Settings struct {
	Target   string // as plan.ParseTarget reads it; "" is the folder backup of the data
	Schedule string // as plan.ParseSchedule reads it
	Scratch  string // folder for copies and proofs; "" is in the data folder
	Keep     plan.Retention
	Login    Login
}

// Login is what a target wants to know.
type Login struct {
	S3KeyID, S3Secret string
	SFTPPassword      string
}

// openTarget opens the place of backups.
func (s *Service) openTarget(ctx context.Context, set *Settings) (target.Target, error) {
	if set.Target == "" {
		return folder.Open(filepath.Join(s.opts.Source.DataDir, "backup"))
	}
	return OpenTarget(ctx, set.Target, set.Login)
}

// OpenTarget opens a target by name.
func OpenTarget(ctx context.Context, name string, l Login) (target.Target, error) {
	p, err := plan.ParseTarget(name)
	if err != nil {
		return nil, err
	}
	switch p.Kind {
	case "folder":
		return folder.Open(p.Path)
	}
	return nil, errors.New("there is no such kind of target")
}
