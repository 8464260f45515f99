package backup

import (
	"context"
	"path/filepath"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/admin/backup/target/folder"
	"github.com/mailstead/mailstead/admin/backup/target/s3"
	"github.com/mailstead/mailstead/admin/backup/target/sftp"
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
	SFTPKey           []byte // private SSH key, in PEM
	// HostKey is asked whether an SFTP server is the right one, by the SHA-256
	// fingerprint of its key.
	HostKey func(fingerprint string) error
}

// openTarget opens the place of backups.
func (s *Service) openTarget(ctx context.Context, set *Settings) (target.Target, error) {
	if set.Target == "" {
		return folder.Open(filepath.Join(s.opts.Source.DataDir, "backup"))
	}
	p, err := plan.ParseTarget(set.Target)
	if err != nil {
		return nil, err
	}
	login := set.Login
	if p.Kind == "sftp" {
		if login.SFTPKey, err = s.sshKey(ctx); err != nil {
			return nil, err
		}
		login.HostKey = s.hostKey(ctx, p.Host)
	}
	return OpenTarget(ctx, set.Target, login)
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
	case "sftp":
		return sftp.Open(ctx, sftp.Options{Addr: p.Host, User: p.User, Folder: p.Path, Password: l.SFTPPassword, Key: l.SFTPKey, HostKey: l.HostKey})
	}
	return s3.Open(ctx, s3.Options{Endpoint: p.Host, Bucket: p.Bucket, Prefix: p.Path, Region: p.Region, KeyID: l.S3KeyID, Secret: l.S3Secret, Plain: p.Plain})
}
