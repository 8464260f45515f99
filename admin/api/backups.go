package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/mailstead/mailstead/admin"
)

// BackupPath names a backup.
type BackupPath struct {
	ID string `path:"id" maxLength:"60" doc:"The backup, as in 20261129T021500Z-k3x7q2ab."`
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
	handle(s, operation{id: "run-backup", method: "POST", path: "/backups", summary: "Begin a backup. The job ends when it is proved.", status: http.StatusAccepted},
		func(ctx context.Context, _ *none) (*body[startedJob], error) {
			j, err := s.admin.RunBackup(ctx)
			return answer(startedJob{j.ID}, err)
		})
	handle(s, operation{id: "show-backup-key", method: "POST", path: "/backups:key", summary: "Show the key of the backups, to be kept somewhere else."},
		func(ctx context.Context, _ *none) (*body[admin.BackupKey], error) {
			return answer(s.admin.BackupKey(ctx))
		})
	type verify struct {
		BackupPath
		Body *keyToTry
	}
	handle(s, operation{id: "verify-backup", method: "POST", path: "/backups/{id}:verify", summary: "Begin to prove a backup: restore it into a scratch folder and compare. \"latest\" is the last one.", status: http.StatusAccepted},
		func(ctx context.Context, in *verify) (*body[startedJob], error) {
			id := in.ID
			if id == latestBackup {
				id = ""
			}
			key := ""
			if in.Body != nil {
				key = in.Body.Key
			}
			j, err := s.admin.VerifyBackup(ctx, id, key)
			return answer(startedJob{j.ID}, err)
		})
	handle(s, operation{id: "remove-backup", method: "DELETE", path: "/backups/{id}", summary: "Remove a backup for good.", status: http.StatusNoContent},
		func(ctx context.Context, in *BackupPath) (*none, error) {
			return nil, s.admin.RemoveBackup(ctx, in.ID)
		})
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

// BackupKey is POST /backups:key.
func (c *Client) BackupKey(ctx context.Context) (admin.BackupKey, error) {
	return call[admin.BackupKey](ctx, c, request{method: http.MethodPost, path: "/backups:key"})
}
