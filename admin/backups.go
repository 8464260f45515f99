package admin

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
)

// Backups is how backups stand, and which there are.
type Backups struct {
	Target    string          `json:"target" doc:"Where they go; empty: the folder backup of the data."`
	Schedule  string          `json:"schedule"`
	Next      time.Time       `json:"next,omitzero" doc:"When the next one is due; absent: none is planned."`
	MaxAge    float64         `json:"maxAgeSeconds" doc:"A check warns when the last proof is older; 0: never."`
	LastProof *backup.Proof   `json:"lastProof,omitempty" doc:"The last that a backup can be restored."`
	LastRun   *backup.Run     `json:"lastRun,omitempty"`
	PublicKey string          `json:"publicKey" doc:"What backups are encrypted for."`
	SSHKey    string          `json:"sshKey,omitempty" doc:"Public key with which the server logs in to an SFTP target."`
	HostKey   string          `json:"hostKey,omitempty" doc:"Fingerprint of the SFTP server, as it was when it was first seen."`
	Job       string          `json:"job,omitempty" doc:"The job that makes or proves a backup now."`
	Error     string          `json:"error,omitempty" doc:"Why the target cannot be read."`
	Items     []backup.Backup `json:"items" doc:"The newest first."`
}

// BackupKey is the key of the backups.
type BackupKey struct {
	Secret string `json:"secret" doc:"Keep it apart from this server: without it no backup can be read."`
	Public string `json:"public"`
}

// BackupResult is the result of the job that makes a backup.
type BackupResult struct {
	Run   backup.Run    `json:"run"`
	Proof *backup.Proof `json:"proof,omitempty"`
}

// backups returns the service of backups.
func (a *Admin) backups() (*backup.Service, error) {
	if a.opts.Backup == nil {
		return nil, &directory.Problem{Kind: ErrUnavailable, Text: "there are no backups here: the server was started without them"}
	}
	return a.opts.Backup, nil
}

// backupService is what each method begins with.
func (a *Admin) backupService(ctx context.Context) (*backup.Service, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return nil, err
	}
	return a.backups()
}

func (a *Admin) backupServiceSudo(ctx context.Context) (*backup.Service, Principal, error) {
	p, err := authorizeSudo(ctx, ChangeSystem)
	if err != nil {
		return nil, p, err
	}
	s, err := a.backups()
	return s, p, err
}

// ofBackup makes errors of backups those of an operator.
func ofBackup(err error) error {
	kind := ErrUnavailable // the target is somewhere else
	var known *directory.Problem
	switch {
	case err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, backup.ErrNoBackup), errors.Is(err, backup.ErrNotInBackup), errors.Is(err, backup.ErrEmpty):
		kind = directory.ErrNotFound
	case errors.Is(err, backup.ErrLocked):
		kind = directory.ErrInUse
	case errors.Is(err, backup.ErrNoRoom):
		kind = ErrNoRoom
	}
	return &directory.Problem{Kind: kind, Text: err.Error()}
}

// Backups says how backups stand, and lists them.
func (a *Admin) Backups(ctx context.Context) (Backups, error) {
	s, err := a.backupService(ctx)
	if err != nil {
		return Backups{}, err
	}
	d := a.opts.Directory
	v := Backups{Target: d.Text(directory.BackupTarget), Schedule: d.Text(directory.BackupSchedule), MaxAge: d.Duration(directory.BackupMaxAge).Seconds(), Items: []backup.Backup{}}
	key, err := s.Key(ctx)
	if err != nil {
		return v, err
	}
	v.PublicKey = key.Public()
	if p, ok := s.LastProof(ctx); ok {
		v.LastProof = &p
	}
	if r, ok := s.LastRun(ctx); ok {
		v.LastRun = &r
	}
	if v.Next, err = s.Next(ctx); err != nil {
		return v, err
	}
	v.Job = a.runningJob(jobBackup, jobVerify)
	if v.SSHKey, v.HostKey, err = s.SSH(ctx); err != nil {
		return v, err
	}
	list, err := s.List(ctx)
	if err != nil {
		v.Error = err.Error()
		return v, nil
	}
	v.Items = list
	return v, nil
}

// LastProof is the last proof that a backup can be restored, and whether there
// is one; for checks, metrics and alerts.
func (a *Admin) LastProof(ctx context.Context) (at time.Time, ok bool) {
	if a.opts.Backup == nil {
		return time.Time{}, false
	}
	p, ok := a.opts.Backup.LastProof(ctx)
	return p.At, ok
}

// Kinds of jobs.
const (
	jobBackup = "backup"
	jobVerify = "backup-verify"
)

// runningJob is the ID of a job of some kinds that runs; "" if there is none.
func (a *Admin) runningJob(kinds ...string) string {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	for _, j := range a.jobs.list {
		for _, kind := range kinds {
			if j.Kind == kind && j.State == JobRunning {
				return j.ID
			}
		}
	}
	return ""
}

var errJobRuns = &directory.Problem{Kind: directory.ErrInUse, Text: "that is under way already; wait until it is done"}

// startBackup begins a job that nobody else does at the time. Those of another
// kind wait for each other.
func (a *Admin) startBackup(p Principal, kind string, run func(ctx context.Context, p *Progress) (any, error)) (Job, error) {
	if a.runningJob(kind) != "" {
		return Job{}, errJobRuns
	}
	return a.start(p, kind, run)
}

// tell shows how far a backup is.
func (p *Progress) tell() backup.Telling {
	last := ""
	return func(phase string, done, total int64) {
		if phase != last {
			last = phase
			p.Log("%s", map[string]string{
				backup.PhaseCopy: "reading the data, and writing what is new", backup.PhaseProve: "restoring it into a scratch folder, to prove it", backup.PhasePrune: "removing old backups",
			}[phase])
		}
		p.Set(done, total)
	}
}

// RunBackup begins a backup. The job ends when it is proved. Who asks is told at
// once that there is no room.
func (a *Admin) RunBackup(ctx context.Context) (Job, error) {
	p, err := authorize(ctx, ChangeSystem)
	if err != nil {
		return Job{}, err
	}
	s, err := a.backups()
	if err != nil {
		return Job{}, err
	}
	if err := s.Room(); err != nil {
		return Job{}, ofBackup(err)
	}
	return a.makeBackup(p, s)
}

// makeBackup begins a backup. One that finds no room is remembered as one that
// failed: the schedule tries it again after an hour, and a check tells of it.
func (a *Admin) makeBackup(p Principal, s *backup.Service) (Job, error) {
	return a.startBackup(p, jobBackup, func(ctx context.Context, p *Progress) (any, error) {
		run, err := s.Run(ctx, p.tell())
		if err != nil {
			return nil, err
		}
		res := BackupResult{Run: run}
		if proof, ok := s.LastProof(ctx); ok && proof.Backup == run.ID {
			res.Proof = &proof
		}
		return res, a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "backup.run", run.ID, nil)
	})
}

// VerifyBackup begins to prove a backup; "" is the last one. With a key, it is
// that copy of the key that is tried.
func (a *Admin) VerifyBackup(ctx context.Context, id, key string) (Job, error) {
	p, err := authorize(ctx, ChangeSystem)
	if err != nil {
		return Job{}, err
	}
	s, err := a.backups()
	if err != nil {
		return Job{}, err
	}
	var k *backup.Key
	if key != "" {
		if k, err = backup.ParseKey(key); err != nil {
			return Job{}, At("key", invalid("%v", err))
		}
	}
	return a.startBackup(p, jobVerify, func(ctx context.Context, p *Progress) (any, error) {
		proof, err := s.Verify(ctx, id, k, p.tell())
		if err != nil {
			return nil, err
		}
		return proof, a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "backup.verify", proof.Backup, proof.OK)
	})
}

// RemoveBackup removes a backup for good.
func (a *Admin) RemoveBackup(ctx context.Context, id string) error {
	s, _, err := a.backupServiceSudo(ctx)
	if err != nil {
		return err
	}
	if err := s.Remove(ctx, id); err != nil {
		return ofBackup(err)
	}
	return a.opts.Directory.Record(ctx, Actor(ctx), "backup.remove", id, nil)
}

// BackupKey shows the key of the backups.
func (a *Admin) BackupKey(ctx context.Context) (BackupKey, error) {
	s, _, err := a.backupServiceSudo(ctx)
	if err != nil {
		return BackupKey{}, err
	}
	k, err := s.Key(ctx)
	if err != nil {
		return BackupKey{}, err
	}
	return BackupKey{k.Secret(), k.Public()}, a.opts.Directory.Record(ctx, Actor(ctx), "backup.key", k.Public(), nil)
}

// ForgetBackupHost forgets the key of the SFTP server: the next one is believed.
func (a *Admin) ForgetBackupHost(ctx context.Context) error {
	s, _, err := a.backupServiceSudo(ctx)
	if err != nil {
		return err
	}
	if err := s.ForgetHost(ctx); err != nil {
		return err
	}
	return a.opts.Directory.Record(ctx, Actor(ctx), "backup.forget-host", "", nil)
}

// WatchBackups makes backups when they are due, until ctx is done.
func (a *Admin) WatchBackups(ctx context.Context) error {
	if a.opts.Backup == nil {
		<-ctx.Done()
		return nil
	}
	defer a.opts.Backup.Close() //nolint:errcheck // only a scratch folder
	return a.opts.Backup.Watch(ctx, func(ctx context.Context) {
		schedule := Principal{Kind: KindSystem, Role: directory.RoleOwner, Name: "schedule"}
		if _, err := a.makeBackup(schedule, a.opts.Backup); err != nil && !errors.Is(err, directory.ErrInUse) {
			a.opts.Logger.ErrorContext(ctx, "backup on schedule", "err", err)
		}
	})
}

// backupSettings reads the settings of backups.
func backupSettings(d *directory.Directory) backup.Settings {
	set := backup.Settings{
		Target: d.Text(directory.BackupTarget), Schedule: d.Text(directory.BackupSchedule), Scratch: d.Text(directory.BackupScratch),
		Login: backup.Login{S3KeyID: d.Text(directory.BackupS3KeyID), S3Secret: d.Text(directory.BackupS3Secret), SFTPPassword: d.Text(directory.BackupSFTPPassword)},
	}
	set.Keep.Last, set.Keep.Daily = int(d.Int(directory.BackupKeepLast)), int(d.Int(directory.BackupKeepDaily))
	set.Keep.Weekly, set.Keep.Monthly = int(d.Int(directory.BackupKeepWeekly)), int(d.Int(directory.BackupKeepMonthly))
	return set
}

// NewBackups makes the service of backups of a server.
func NewBackups(o backup.Options) *backup.Service {
	d := o.Source.Directory
	o.Settings, o.State = func() backup.Settings { return backupSettings(d) }, d
	return backup.New(o)
}

// copyOf copies a file that no process has open; nothing where there is none.
func copyOf(data, name string) func(io.Writer) error {
	return func(w io.Writer) error {
		f, err := os.Open(filepath.Join(data, name))
		if errors.Is(err, fs.ErrNotExist) {
			return backup.ErrNoFile
		}
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		return errors.Join(err, f.Close())
	}
}

// checkedBackups is how backups stand, for a check.
func (a *Admin) checkedBackups(ctx context.Context) checks.Backups {
	b := checks.Backups{MaxAge: a.opts.Directory.Duration(directory.BackupMaxAge), Failed: a.opts.Backup.LastFailure(ctx)}
	b.Proved, _ = a.LastProof(ctx)
	return b
}
