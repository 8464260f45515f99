package main

import (
	"io"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/backup"
)

// newBackups makes the service of backups: everything but what may be lost is
// in them (trace.db, metrics.db).
func (n *node) newBackups() *backup.Service {
	return admin.NewBackups(backup.Options{Now: n.now, Disk: n.disk, Logger: n.cfg.Log, Source: backup.Source{
		DataDir: n.cfg.DataDir, Directory: n.directory, Boxes: n.boxes, Store: n.engine,
		Databases: map[string]func(io.Writer) error{"junk.db": n.junk.Backup, "reports.db": n.reports.Backup, "inbound.db": n.clientele.Backup, "webhooks.db": n.webhooks.Backup},
		Config:    n.cfg.ConfigFile, Hostname: string(n.cfg.Hostname), Version: version(),
	}})
}
