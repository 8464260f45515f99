package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/queue"
)

// restoring is the folder in a data folder where a restore is under way.
const restoring = "restoring"

// Restored says what RestoreAll has done.
type Restored struct {
	Backup   string `json:"backup"`
	Files    int    `json:"files"`
	Accounts int    `json:"accounts"`
	Messages int64  `json:"messages"`
	// Held is how many messages waited to be sent when the backup was made. They
	// do not go out by themselves: most were sent since.
	Held int `json:"held"`
}

// RestoreAll restores a backup into a data folder that has no data, while no
// server runs; id "" is the last one. What is there is in place at once, after
// everything was checked, or not at all.
func RestoreAll(ctx context.Context, t target.Target, k *Key, id, data string, tell func(done, total int64)) (Restored, error) {
	r, err := openRepository(ctx, t, k, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return Restored{}, err
	}
	defer r.close()
	if id == "" {
		ids, err := r.backupIDs(ctx)
		if err != nil {
			return Restored{}, err
		}
		if len(ids) == 0 {
			return Restored{}, &failure{ErrNoBackup, "there is no backup in that place"}
		}
		id = ids[len(ids)-1]
	}
	m, err := r.manifest(ctx, id)
	if err != nil {
		return Restored{}, err
	}
	if err := r.loadIndex(ctx); err != nil {
		return Restored{}, err
	}
	dir, err := prepareData(data)
	if err != nil {
		return Restored{}, err
	}
	if err := r.restoreFiles(ctx, m.Files, dir, tell); err != nil {
		return Restored{}, err
	}
	res := Restored{Backup: id, Files: len(m.Files)}
	if err := settle(ctx, dir, &res); err != nil {
		return Restored{}, err
	}
	return res, moveIn(dir, data)
}

// mayBeThere are names in a data folder that are no data.
var mayBeThere = []string{restoring, "backup", "scratch", "run", "lost+found"}

// prepareData makes sure that a folder has no data, and makes the folder that
// is restored into.
func prepareData(data string) (string, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", err
	}
	list, err := os.ReadDir(data)
	if err != nil {
		return "", err
	}
	for _, f := range list {
		if !slices.Contains(mayBeThere, f.Name()) {
			return "", fmt.Errorf("%s is not empty (there is %s); move what is there away, or name another folder", data, f.Name())
		}
	}
	dir := filepath.Join(data, restoring)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// settle checks what was restored, and makes it ready for a server: every
// account has mailboxes, and nothing is sent twice.
func settle(ctx context.Context, dir string, res *Restored) (err error) {
	if _, err := checkDatabases(ctx, dir); err != nil {
		return err
	}
	o, err := openFolder(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	for _, a := range o.dir.Accounts() {
		id := mailbox.AccountID(a.ID)
		if err := o.boxes.CreateAccount(ctx, id); err != nil {
			return fmt.Errorf("account %s: %w", a.Address, err)
		}
		err := o.boxes.Account(id).View(ctx, func(v *mailbox.View) error {
			res.Messages += v.Usage().Messages
			return nil
		})
		if err != nil {
			return fmt.Errorf("account %s: %w", a.Address, err)
		}
		res.Accounts++
	}
	held, err := queue.New(o.eng, nil, queue.Options{}).HoldWhere(ctx, queue.Selection{})
	res.Held = len(held)
	return err
}

// moveIn puts what was restored in place; system.db, by which a server knows
// that there are data, comes last.
func moveIn(dir, data string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b os.DirEntry) int { return rank(a.Name()) - rank(b.Name()) })
	for _, f := range list {
		if err := os.Rename(filepath.Join(dir, f.Name()), filepath.Join(data, f.Name())); err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(dir), syncDir(data))
}

func rank(name string) int {
	if name == "system.db" {
		return 1
	}
	return 0
}
