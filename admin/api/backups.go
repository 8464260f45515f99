package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/backup"
)

// BackupPath names a backup.
type BackupPath struct {
	ID string `path:"id" maxLength:"60" doc:"The backup, as in 20261129T021500.120Z-k3x7q2ab."`
}

// keyToTry is a copy of the key of backups.
type keyToTry struct {
	Key string `json:"key,omitempty" maxLength:"4000" doc:"A copy of the key that is tried; absent: the server's own."`
}

func (s *Server) backupRoutes() {
	handle(s, operation{id: "list-backups", method: "GET", path: "/backups", summary: "Say how backups stand, and list them."},
		func(ctx context.Context, _ *none) (*body[admin.Backups], error) {
			return answer(s.admin.Backups(ctx))
		})
	handleJob[admin.BackupResult](s, operation{id: "run-backup", method: "POST", path: "/backups", summary: "Begin a backup. The job ends when it is proved."},
		func(ctx context.Context, _ *none) (admin.Job, error) {
			return s.admin.RunBackup(ctx)
		})
	handle(s, operation{id: "show-backup-key", method: "POST", path: "/backups:key", summary: "Show the key of the backups, to be kept somewhere else."},
		func(ctx context.Context, _ *none) (*body[admin.BackupKey], error) {
			return answer(s.admin.BackupKey(ctx))
		})
	handle(s, operation{id: "forget-backup-host", method: "POST", path: "/backups:forget-host", summary: "Forget the key of the SFTP server: the next one is believed.", status: http.StatusNoContent},
		func(ctx context.Context, _ *none) (*none, error) {
			return nil, s.admin.ForgetBackupHost(ctx)
		})
	type verify struct {
		BackupPath
		Body *keyToTry
	}
	handleJob[backup.Proof](s, operation{id: "verify-backup", method: "POST", path: "/backups/{id}:verify", summary: "Begin to prove a backup: restore it into a scratch folder and compare. \"latest\" is the last one."},
		func(ctx context.Context, in *verify) (admin.Job, error) {
			id := in.ID
			if id == latestBackup {
				id = ""
			}
			key := ""
			if in.Body != nil {
				key = in.Body.Key
			}
			return s.admin.VerifyBackup(ctx, id, key)
		})
	handle(s, operation{id: "remove-backup", method: "DELETE", path: "/backups/{id}", summary: "Remove a backup for good.", status: http.StatusNoContent},
		func(ctx context.Context, in *BackupPath) (*none, error) {
			return nil, s.admin.RemoveBackup(ctx, in.ID)
		})
}

// backupContentRoutes are about what is in backups.
func (s *Server) backupContentRoutes() {
	handle(s, operation{id: "list-backup-accounts", method: "GET", path: "/backups/{id}/accounts", summary: "List the accounts of a backup, with their mailboxes."},
		func(ctx context.Context, in *BackupPath) (*body[admin.Page[backup.AccountSurvey]], error) {
			return answer(s.admin.BackupAccounts(ctx, in.ID))
		})
	type messages struct {
		BackupPath
		Paging
		Body struct {
			Account string `json:"account" maxLength:"320"`
			backup.Selection
		}
	}
	handle(s, operation{id: "list-backup-messages", method: "POST", path: "/backups/{id}:messages", summary: "List messages of an account in a backup, mailbox by mailbox, the newest first. A page may have fewer than its limit before the last."},
		func(ctx context.Context, in *messages) (*body[admin.Page[backup.Message]], error) {
			return answer(s.admin.BackupMessages(ctx, in.ID, in.Body.Account, in.Body.Selection, in.page()))
		})
	handleJob[backup.IntoResult](s, operation{id: "start-restore", method: "POST", path: "/restores", summary: "Begin to bring messages of a backup back into an account, or to say which would be."},
		func(ctx context.Context, in *struct{ Body admin.NewRestore }) (admin.Job, error) {
			return s.admin.StartRestore(ctx, in.Body)
		})
}

// BackupAccounts is GET /backups/{id}/accounts.
func (c *Client) BackupAccounts(ctx context.Context, id string) (admin.Page[backup.AccountSurvey], error) {
	return get[admin.Page[backup.AccountSurvey]](ctx, c, backupPath(id)+"/accounts")
}

// BackupMessages is POST /backups/{id}:messages.
func (c *Client) BackupMessages(ctx context.Context, id, account string, sel backup.Selection, p admin.Paging) (admin.Page[backup.Message], error) {
	in := struct {
		Account string `json:"account"`
		backup.Selection
	}{account, sel}
	q := url.Values{"cursor": {p.Cursor}}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return call[admin.Page[backup.Message]](ctx, c, request{method: http.MethodPost, path: backupPath(id) + ":messages", query: q, body: in})
}

// StartRestore is POST /restores.
func (c *Client) StartRestore(ctx context.Context, n admin.NewRestore) (admin.Job, error) {
	return c.startJob(ctx, "/restores", n)
}

// latestBackup stands for the last backup in a path.
const latestBackup = "latest"

func backupPath(id string) string { return "/backups/" + url.PathEscape(id) }

// startJob makes a call that begins a job, and returns that.
func (c *Client) startJob(ctx context.Context, path string, in any) (admin.Job, error) {
	started, err := call[startedJob](ctx, c, request{method: http.MethodPost, path: path, body: in})
	if err != nil {
		return admin.Job{}, err
	}
	return c.Job(ctx, started.Job)
}

// Backups is GET /backups.
func (c *Client) Backups(ctx context.Context) (admin.Backups, error) {
	return get[admin.Backups](ctx, c, "/backups")
}

// RunBackup is POST /backups.
func (c *Client) RunBackup(ctx context.Context) (admin.Job, error) {
	return c.startJob(ctx, "/backups", nil)
}

// VerifyBackup is POST /backups/{id}:verify.
func (c *Client) VerifyBackup(ctx context.Context, id, key string) (admin.Job, error) {
	if id == "" {
		id = latestBackup
	}
	return c.startJob(ctx, backupPath(id)+":verify", keyToTry{key})
}

// RemoveBackup is DELETE /backups/{id}.
func (c *Client) RemoveBackup(ctx context.Context, id string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: backupPath(id)})
	return err
}

// ForgetBackupHost is POST /backups:forget-host.
func (c *Client) ForgetBackupHost(ctx context.Context) error {
	_, err := c.raw(ctx, request{method: http.MethodPost, path: "/backups:forget-host"})
	return err
}

// BackupKey is POST /backups:key.
func (c *Client) BackupKey(ctx context.Context) (admin.BackupKey, error) {
	return call[admin.BackupKey](ctx, c, request{method: http.MethodPost, path: "/backups:key"})
}
