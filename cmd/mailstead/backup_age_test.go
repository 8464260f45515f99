package main

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// backupNode is a server whose clock can be set, with a web server that its
// alerts go to.
type backupNode struct {
	*testNode
	ahead atomic.Int64 // of the system
	web   *posted
}

func newBackupNode(t *testing.T) *backupNode {
	t.Helper()
	n := &backupNode{web: startPosted(t)}
	n.testNode = newTestNode(t, &internet{zones: dnstest.New(""), ports: map[string]string{}}, "alpha.test", "127.0.92.1", func(cfg *nodeConfig) {
		cfg.Clock = clock.Options{System: func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }}
	})
	ctx := admin.AsOwner(t.Context(), "test")
	for _, s := range [][2]string{{"push.private-networks", "true"}, {"alerts.clear", "0"}} {
		if _, err := n.admin.SetSetting(ctx, s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.admin.AddAlertChannel(ctx, admin.NewAlertChannel{Kind: "webhook", To: n.web.URL + "/hook"}); err != nil {
		t.Fatal(err)
	}
	return n
}

// backUp makes a backup, which is proved.
func (n *backupNode) backUp() {
	n.t.Helper()
	ctx := admin.AsOwner(n.t.Context(), "test")
	j, err := n.admin.RunBackup(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	eventually(n.t, "a backup", func() bool {
		if j, err = n.admin.Job(ctx, j.ID); err != nil || j.State == admin.JobFailed {
			n.t.Fatalf("the backup: %+v, %v", j, err)
		}
		return j.State == admin.JobDone
	})
}

// later lets time pass, without what the server does at its leisure.
func (n *backupNode) later(by time.Duration) {
	n.t.Helper()
	n.ahead.Add(int64(by))
	if _, err := n.admin.AcceptClock(admin.AsOwner(n.t.Context(), "test")); err != nil {
		n.t.Fatal(err)
	}
}

// checked runs the check of backups.
func (n *backupNode) checked() checks.Result {
	n.t.Helper()
	r, err := n.admin.RunChecks(admin.AsOwner(n.t.Context(), "test"), []string{"backup"})
	if err != nil || len(r.Items) != 1 {
		n.t.Fatalf("checks: %+v, %v", r, err)
	}
	return r.Items[0]
}

var backupAgeLine = regexp.MustCompile(`(?m)^mailstead_backup_age (\S+)$`)

// age is the metric; ok is false without one.
func (n *backupNode) age() (age time.Duration, ok bool) {
	n.t.Helper()
	var b bytes.Buffer
	if err := n.metrics.WriteText(&b); err != nil {
		n.t.Fatal(err)
	}
	m := backupAgeLine.FindSubmatch(b.Bytes())
	if m == nil {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		n.t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// told counts what the web server was told of backups, of one kind.
func (n *backupNode) told(event string) int {
	list := slices.DeleteFunc(n.web.to("/hook"), func(r postedRequest) bool {
		return !strings.Contains(r.body, "check.backup") || !strings.Contains(r.body, `"`+event+`"`)
	})
	return len(list)
}

// TestBackupGrowsOld: the age of the last proof is a metric, and people are told
// when it is older than they want, and when there is a new one.
func TestBackupGrowsOld(t *testing.T) {
	t.Parallel()
	n := newBackupNode(t)
	most := n.directory.Duration(directory.BackupMaxAge)
	if age, ok := n.age(); ok {
		t.Errorf("without a backup the metric says %v", age)
	}
	n.backUp()
	if age, ok := n.age(); !ok || age < 0 || age > deadline {
		t.Errorf("after a backup the metric says %v, %v", age, ok)
	}
	if r := n.checked(); r.State != checks.OK {
		t.Fatalf("after a backup: %s %s", r.State, r.Saw)
	}
	n.later(most - time.Hour)
	if r := n.checked(); r.State != checks.OK {
		t.Errorf("an hour before it is too old: %s %s", r.State, r.Saw)
	}
	n.later(2 * time.Hour)
	if age, ok := n.age(); !ok || age < most+time.Hour || age > most+time.Hour+deadline {
		t.Errorf("an hour after %v the metric says %v, %v", most, age, ok)
	}
	if r := n.checked(); r.State != checks.Fail || !strings.Contains(r.Saw, "the last backup that was proved is of ") {
		t.Errorf("too old: %s %s", r.State, r.Saw)
	}
	eventually(t, "an alert", func() bool { return n.told("alert.fired") == 1 })
	n.backUp()
	if r := n.checked(); r.State != checks.OK {
		t.Errorf("after a new backup: %s %s", r.State, r.Saw)
	}
	eventually(t, "that it is over", func() bool { return n.told("alert.resolved") == 1 })
	if age, ok := n.age(); !ok || age > deadline {
		t.Errorf("after a new backup the metric says %v, %v", age, ok)
	}
	if n.told("alert.fired") != 1 {
		t.Errorf("told %d times", n.told("alert.fired"))
	}
}
