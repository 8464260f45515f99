package checks

import (
	"context"
	"fmt"
	"time"
)

// backupLink is where backups are made.
const backupLink = "/admin/system/backups"

// Backups is how backups stand.
type Backups struct {
	Proved time.Time     // when one was last proved; zero: never
	Failed string        // why the last one failed; "": it did not
	MaxAge time.Duration // of Proved; 0: any
}

func (s *Server) backupCheck() Check {
	return Check{ID: "backup", Group: Host, Title: "Backups", Want: "a backup was proved lately",
		Why: "A disk that fails takes all mail along, but what is in a backup that can be restored.",
		Run: func(ctx context.Context) Finding { return judgeBackups(s.Backups(ctx), s.now()) }}
}

func judgeBackups(b Backups, now time.Time) Finding {
	switch {
	case b.MaxAge == 0 && b.Failed == "":
		return ok("nobody wants to hear of backups (backup.max-age is 0)")
	case b.Proved.IsZero():
		return Warn.because("no backup was ever proved%s", because(b.Failed)).
			fix("Set backup.target to a folder on another disk or to another server, backup.schedule to a time of day, and run `mailstead backup run`.").link(backupLink)
	case b.MaxAge > 0 && now.Sub(b.Proved) > b.MaxAge:
		return Fail.because("the last backup that was proved is of %s%s", b.Proved.UTC().Format(time.RFC3339), because(b.Failed)).
			fix("See why with `mailstead backup list`, and run `mailstead backup run`.").link(backupLink)
	case b.Failed != "":
		return Warn.because("the last backup failed%s", because(b.Failed)).fix("See `mailstead backup list`; the next one is tried within the hour.").link(backupLink)
	}
	return ok("the last backup was proved %s", b.Proved.UTC().Format(time.RFC3339))
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", text)
}
