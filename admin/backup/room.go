package backup

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/mail/disk"
)

// ErrNoRoom means that a backup would go to the disk of the data, which is low.
var ErrNoRoom = disk.ErrFull

// Room refuses a backup to the disk that the data is on while that is low: the
// room is needed for mail, and such a backup is lost with the disk anyway.
func (s *Service) Room() error {
	err := s.opts.Disk.Fits(disk.Spare, 0)
	if err == nil || !s.besideData() {
		return nil
	}
	return &failure{ErrNoRoom, fmt.Sprintf("the backup would go to the disk that the mail is on, and that is getting full: %v. Make room, or set backup.target to another disk or server", err)}
}

// besideData reports whether the target is on the disk of the data.
func (s *Service) besideData() bool {
	data, set := s.opts.Source.DataDir, s.opts.Settings()
	if set.Target == "" {
		return true
	}
	p, err := plan.ParseTarget(set.Target)
	return err == nil && p.Kind == "folder" && disk.Same(data, existing(p.Path))
}

// existing is a folder, or the first above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// free makes sure that n octets can be written to a folder for copies, and
// leave room for mail if it is on the disk of the data.
func (r *repository) free(dir string, n int64) error {
	room, err := disk.Of(dir)
	if err != nil {
		return fmt.Errorf("room on the disk of %s: %w", dir, err)
	}
	if room.Free < n || r.disk.Fits(disk.Bulk, n) != nil {
		return fmt.Errorf("no room to prove the backup: it takes up to %s in %s, where %s are free; set backup.scratch to a folder with more", octets(n), filepath.Dir(dir), octets(room.Free))
	}
	return nil
}
