package directory

import (
	"errors"
	"path/filepath"

	"github.com/mailstead/mailstead/admin/backup/plan"
)

// Settings of backups.
const (
	BackupTarget       TextSetting     = "backup.target"
	BackupSchedule     TextSetting     = "backup.schedule"
	BackupKeepLast     IntSetting      = "backup.keep-last"
	BackupKeepDaily    IntSetting      = "backup.keep-daily"
	BackupKeepWeekly   IntSetting      = "backup.keep-weekly"
	BackupKeepMonthly  IntSetting      = "backup.keep-monthly"
	BackupMaxAge       DurationSetting = "backup.max-age"
	BackupScratch      TextSetting     = "backup.scratch"
	BackupS3KeyID      TextSetting     = "backup.s3-key-id"
	BackupS3Secret     TextSetting     = "backup.s3-secret"
	BackupSFTPPassword TextSetting     = "backup.sftp-password"
)

// backupDefinitions are the settings of backups.
func backupDefinitions() []definition {
	return []definition{
		{name: string(BackupTarget), kind: words, check: checkTarget,
			doc: "Where backups go: a folder as in /mnt/backup, sftp://user@host/folder, or s3://host/bucket/folder?region=eu-1. Empty: the folder backup of the data, which is lost with the disk."},
		{name: string(BackupSchedule), kind: words, initial: "off", check: checkPlan,
			doc: "When backups are made: a time of day as in 02:30, how often as in 6h, or \"off\"."},
		{name: string(BackupKeepLast), kind: integer, initial: "7", min: 1, max: 10_000,
			doc: "So many of the last backups are kept."},
		{name: string(BackupKeepDaily), kind: integer, initial: "14", max: 10_000,
			doc: "Of so many days with a backup, the last one is kept."},
		{name: string(BackupKeepWeekly), kind: integer, initial: "8", max: 10_000,
			doc: "Of so many weeks with a backup, the last one is kept."},
		{name: string(BackupKeepMonthly), kind: integer, initial: "12", max: 10_000,
			doc: "Of so many months with a backup, the last one is kept."},
		{name: string(BackupMaxAge), kind: duration, initial: "3d", max: int64(365 * day),
			doc: "A check warns when the last backup that was proved is older than this. 0: never."},
		{name: string(BackupScratch), kind: words, check: checkFolder,
			doc: "Folder in which backups are proved; it needs about as much room as the mail. Empty: the folder scratch of the data."},
		{name: string(BackupS3KeyID), kind: words,
			doc: "Access key of backup.target, if that is S3."},
		{name: string(BackupS3Secret), kind: words, secret: true,
			doc: "Secret key that belongs to backup.s3-key-id."},
		{name: string(BackupSFTPPassword), kind: words, secret: true,
			doc: "Password at backup.target, if that is SFTP. Empty: the server's own SSH key, which `mailstead backup list` shows."},
	}
}

func checkFolder(s string) error {
	if s != "" && !filepath.IsAbs(s) {
		return errors.New("write the whole path of a folder, as in /var/tmp")
	}
	return nil
}

func checkTarget(s string) error {
	if s == "" {
		return nil
	}
	_, err := plan.ParseTarget(s)
	return err
}

func checkPlan(s string) error {
	_, err := plan.ParseSchedule(s)
	return err
}
