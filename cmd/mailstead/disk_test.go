package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store/disktest"
)

// diskFault is one way in which the disk of a running server goes wrong.
type diskFault struct {
	name  string
	errno syscall.Errno
	kinds []disktest.Kind
	files string // pattern of names; "" is all
	// passes says that the same process goes on when the disk is well again.
	passes bool
	// hits says that something must have failed.
	hits bool
	long bool // not in the short form
}

var (
	needRoom = []disktest.Kind{disktest.Write, disktest.Create, disktest.Allocate, disktest.Mkdir}
	changes  = []disktest.Kind{disktest.Write, disktest.Open, disktest.Create, disktest.Truncate, disktest.Allocate, disktest.Punch, disktest.Mkdir, disktest.Remove, disktest.Rename}
)

// diskFaults are full, read-only and failing disks, at every stage at which the
// server writes.
func diskFaults() []diskFault {
	only := func(k ...disktest.Kind) []disktest.Kind { return k }
	const log, large, rows, queue = "store/log/*", "store/big/*/*", "store/acct/*/mail.db", "store/queue.db"
	return []diskFault{
		{"full disk", syscall.ENOSPC, needRoom, "", true, true, false},
		{"quota of the disk used up", syscall.EDQUOT, needRoom, "", true, true, true},
		{"full at a write of the log", syscall.ENOSPC, only(disktest.Write), log, true, true, false},
		{"full at making a large body", syscall.ENOSPC, only(disktest.Create, disktest.Mkdir), "store/big/*", true, false, true},
		{"full at a write of a large body", syscall.ENOSPC, only(disktest.Write), large, true, true, true},
		{"full at a write of rows", syscall.ENOSPC, only(disktest.Write), rows, true, true, false},
		{"full at growing rows", syscall.ENOSPC, only(disktest.Truncate), rows, true, false, true},
		{"full at a write of the queue's rows", syscall.ENOSPC, only(disktest.Write), queue, true, true, true},
		{"full at the spool", syscall.ENOSPC, only(disktest.Create, disktest.Write), "spool/*", true, true, false},
		{"full at a write of accounts", syscall.ENOSPC, only(disktest.Write), "system.db", true, true, true},
		{"full at a write of traces", syscall.ENOSPC, only(disktest.Write), "trace.db", true, false, true},
		{"read-only", syscall.EROFS, changes, "", false, true, false},
		{"every sync fails", syscall.EIO, only(disktest.Sync, disktest.SyncDir), "", false, true, false},
		{"a sync of the log fails", syscall.EIO, only(disktest.Sync), log, false, true, false},
		{"a sync of the log finds no room", syscall.ENOSPC, only(disktest.Sync), log, false, true, true},
		{"a sync of a large body fails", syscall.EIO, only(disktest.Sync), large, false, true, true},
		{"a sync of rows fails", syscall.EIO, only(disktest.Sync), rows, false, true, false},
		{"a sync of rows finds no room", syscall.ENOSPC, only(disktest.Sync), rows, false, true, true},
		{"a sync of the queue's rows fails", syscall.EIO, only(disktest.Sync), queue, false, true, true},
		{"a sync of accounts fails", syscall.EIO, only(disktest.Sync), "system.db", false, true, true},
		{"a sync of traces fails", syscall.EIO, only(disktest.Sync), "trace.db", false, false, true},
		{"every write fails", syscall.EIO, only(disktest.Write), "", false, true, false},
	}
}

// fails is what the disk does.
func (f *diskFault) fails(op disktest.Op) syscall.Errno {
	if !slices.Contains(f.kinds, op.Kind) {
		return 0
	}
	if ok, _ := filepath.Match(f.files, op.Name); f.files != "" && !ok {
		return 0
	}
	return f.errno
}

// diskUser uses a server whose disk goes wrong, and remembers what it was told.
type diskUser struct {
	*crash
	i    *instance
	next int
	// surely says that what was refused must not have happened.
	surely bool
}

// TestDiskFaults: whatever of the disk fails, every answer is OK or says that
// it is for now; what was acknowledged is there after a loss of power, once and
// with the right text, what was refused is not, and mail can be read all the
// time.
func TestDiskFaults(t *testing.T) {
	t.Parallel()
	var table []string
	t.Run("rows", func(t *testing.T) {
		slots := make(chan struct{}, 2) // each waits more than it works
		for _, f := range diskFaults() {
			if f.long && scaled(0, 1) == 0 {
				continue
			}
			k := len(table)
			table = append(table, "")
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				table[k] = f.play(t)
			})
		}
	})
	t.Logf("\n| the disk | %s | when it is well | after a restart |\n|---|%s---|---|\n%s", strings.Join(diskActionNames(), " | "),
		strings.Repeat("---|", len(diskActions)), strings.Join(table, "\n"))
}

// play lets one thing go wrong, and returns its row.
func (f diskFault) play(t *testing.T) string {
	u := &diskUser{crash: newCrash(t), surely: !slices.Contains(f.kinds, disktest.Sync)}
	u.power = newPowerCuts(t)
	u.i = u.start(t)
	u.prepare(t, u.i)
	if said := u.all(t); strings.Trim(strings.Join(said, ""), "OK") != "" {
		t.Fatalf("before: %q", said)
	}
	before := u.read(t) // and so all of it has rows
	failed := 0
	u.power.disk.Fail(func(op disktest.Op) syscall.Errno {
		errno := f.fails(op)
		if errno != 0 {
			failed++
		}
		return errno
	})
	said := u.all(t)
	u.all(t) // again, for what a failure may have left behind
	if n := u.read(t); n < before {
		t.Errorf("%d messages of %d can be read", n, before)
	}
	u.power.disk.Fail(nil)
	if f.hits && failed == 0 {
		t.Error("nothing failed: the disk was not asked")
	}
	well := u.all(t)
	if f.passes && strings.Trim(strings.Join(well, ""), "OK") != "" {
		t.Errorf("the disk is well again: %q", well)
	}
	u.i.kill(t)
	if strings.Contains(u.i.log.String(), "panic") {
		t.Errorf("the server logged a panic")
	}
	u.died(t, u.i.log.take())
	u.i = u.start(t)
	u.report(t, "after a restart", u.check(t, u.i, true))
	after := u.all(t)
	if strings.Trim(strings.Join(after, ""), "OK") != "" {
		t.Errorf("after a restart: %q", after)
	}
	u.end(t, u.i, "after more mail")
	return fmt.Sprintf("| %s | %s | %s | %s |", f.name, strings.Join(said, " | "), brief(well), brief(after))
}

// brief is how many of the answers are OK.
func brief(said []string) string {
	ok, tried := 0, 0
	for _, s := range said {
		if s == "OK" {
			ok++
		}
		if s != "" {
			tried++
		}
	}
	switch ok {
	case tried:
		return "all OK"
	case 0:
		return "none until a restart"
	}
	return fmt.Sprintf("%d of %d OK until a restart", ok, tried)
}

// diskActions are what is tried, each on a connection of its own.
var diskActions = []struct {
	name string
	do   func(u *diskUser) error
}{
	{"mail in", func(u *diskUser) error { return u.deliver(false) }},
	{"mail in, 300 KB", func(u *diskUser) error { return u.deliver(true) }},
	{"submission", (*diskUser).submitOne},
	{"APPEND", func(u *diskUser) error { return u.imap(func(s *session) error { return u.append(s, false) }) }},
	{"APPEND, 300 KB", func(u *diskUser) error { return u.imap(func(s *session) error { return u.append(s, true) }) }},
	{"STORE", func(u *diskUser) error { return u.imap(u.flag) }},
	{"CREATE", func(u *diskUser) error { return u.imap(u.makeBox) }},
	{"new account", (*diskUser).addAccount},
}

func diskActionNames() (names []string) {
	for _, a := range diskActions {
		names = append(names, a.name)
	}
	return names
}

// all tries everything and returns the answers.
func (u *diskUser) all(t *testing.T) (said []string) {
	t.Helper()
	for _, a := range diskActions {
		answer, err := answerTo(a.do(u))
		if err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
		if answer != "OK" && u.surely {
			u.refused()
		}
		said = append(said, answer)
	}
	return said
}

// refused: nothing came of what is under way.
func (o *oracle) refused() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.things {
		if t.op != nil {
			t.may, t.op = t.may[:1], nil
		}
	}
}

// answerTo is what a client was answered, in brief, or an error if that was no
// answer or not one that says that it is for now.
func answerTo(err error) (string, error) {
	var m *mail.Error
	switch {
	case err == nil:
		return "OK", nil
	case err == errUnsure:
		return "", nil
	case errors.As(err, &m):
		if m.Code < 400 || m.Code > 499 {
			return "", fmt.Errorf("not an answer for now: %w", err)
		}
		return fmt.Sprintf("%d %v", m.Code, m.Status), nil
	}
	_, no, ok := strings.Cut(err.Error(), ": NO ")
	if !ok {
		return "", fmt.Errorf("no answer: %w", err)
	}
	code, _, ok := strings.Cut(no, "]")
	if !ok {
		return "", fmt.Errorf("an answer without a code: %w", err)
	}
	return "NO " + code + "]", nil
}

// name makes up a message, of 300 KB or small.
func (u *diskUser) name(kind string, large bool) string {
	for {
		u.next++
		name := messageName(kind, u.round, 0, u.next)
		if n := messageSize(name); large == (n == 300_000) && n != 20_000 {
			return name
		}
	}
}

func (u *diskUser) deliver(large bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := dialSMTP(ctx, u.i.SMTP)
	if err != nil {
		return err
	}
	defer conn.Close()
	to := []string{u.i.Accounts[0].Address, u.i.Accounts[1].Address}
	name := u.name(mailed, large)
	op := u.create(opMailed, place{"INBOX", ""}, thingID{to[0], name}, thingID{to[1], name})
	if err := sendText(ctx, conn, "x@slow.test", to, messageText(name)); err != nil {
		return err
	}
	op.done()
	return nil
}

// submitOne submits a message for somebody elsewhere and one of our own.
func (u *diskUser) submitOne() error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := dialSMTP(ctx, u.i.Submission)
	if err != nil {
		return err
	}
	defer conn.Close()
	who, other := u.i.Accounts[0], u.i.Accounts[1].Address
	if err := conn.Auth(ctx, who.Address, who.Password); err != nil {
		return err
	}
	name := u.name(submitted, false)
	out := &outgoing{from: who.Address, rcpts: []string{"ok." + name + ".0@far.test"}, local: &thingID{other, name}, state: unknown}
	op := u.create(opMailed, place{"INBOX", ""}, *out.local)
	u.submit(name, out)
	if err := sendText(ctx, conn, who.Address, append([]string{other}, out.rcpts...), messageText(name)); err != nil {
		return err
	}
	op.done()
	u.queued(out)
	return nil
}

// imap runs one thing as a client of IMAP.
func (u *diskUser) imap(do func(s *session) error) error {
	conn, err := u.i.connectFast(u.i.Accounts[0])
	if err != nil {
		return err
	}
	defer conn.conn.Close()
	return do(&session{c: u.crash, who: u.i.Accounts[0], conn: conn})
}

func (u *diskUser) append(s *session, large bool) error {
	_, err := s.put(boxOld, `\Seen`, []string{u.name(appended, large)})
	return err
}

// flag changes the flags of the messages of a mailbox.
func (u *diskUser) flag(s *session) error {
	n, err := s.selected(boxOld)
	if err != nil {
		return err
	}
	msgs, err := s.messages(1, n)
	if err != nil {
		return err
	}
	changed := s.c.count[opFlags]
	if err := s.changeFlags(boxOld, msgs); err != nil || s.c.count[opFlags] > changed {
		return err
	}
	return errUnsure
}

// errUnsure: what was not answered for good must not be changed before somebody
// has looked.
var errUnsure = errors.New("not tried")

// makeBox makes a folder, or renames it: there are two names for each.
func (u *diskUser) makeBox(s *session) error {
	u.next++
	folder := fmt.Sprintf("Folder%d", u.next)
	return s.makeFolder(folder)
}

func (u *diskUser) addAccount() error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	op, err := api.Dial(ctx, adminSocket(u.i.Data), "test")
	if err != nil {
		return err
	}
	defer op.Close()
	u.next++
	u.people++
	address := fmt.Sprintf("person%d@%s", u.next, tryDomain)
	if _, err := op.AddAccount(ctx, admin.NewAccount{Address: address}); err != nil {
		return fmt.Errorf("add account: NO [refused]: %w", err)
	}
	return nil
}

// read reads all mail while the disk is as it is.
func (u *diskUser) read(t *testing.T) int {
	t.Helper()
	n := 0
	for _, who := range u.i.Accounts {
		c := u.i.dialIMAP(t, who, nil)
		for _, box := range []string{"INBOX", boxOld} {
			for _, text := range messages(t, c, box) {
				if name := nameOf([]byte(text)); name == "" || textProblem(name, []byte(text)) != "" {
					t.Errorf("%s of %s has %.200q", box, who.Address, text)
				}
				n++
			}
		}
		c.Close()
	}
	if n == 0 {
		t.Error("nothing could be read")
	}
	return n
}

// TestStartOnBadDisk: a server that finds its disk read-only or broken says so
// and ends; it leaves all as it was.
func TestStartOnBadDisk(t *testing.T) {
	t.Parallel()
	u := &diskUser{crash: newCrash(t)}
	u.power = newPowerCuts(t)
	u.i = u.start(t)
	u.prepare(t, u.i)
	if said := u.all(t); strings.Trim(strings.Join(said, ""), "OK") != "" {
		t.Fatalf("before: %q", said)
	}
	u.i.kill(t)
	u.died(t, u.i.log.take())
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []diskFault{
		{name: "read-only", errno: syscall.EROFS, kinds: changes},
		{name: "every sync fails", errno: syscall.EIO, kinds: []disktest.Kind{disktest.Sync, disktest.SyncDir}},
		{name: "every write fails", errno: syscall.EIO, kinds: []disktest.Kind{disktest.Write}},
		{name: "full", errno: syscall.ENOSPC, kinds: needRoom},
	} {
		log := &logBuffer{}
		cmd := exec.Command(file, append([]string{"try", "--json", "--port-offset", fmt.Sprint(freeOffset(t))}, u.args()...)...)
		cmd.Stderr = log
		disk, err := disktest.StartFailing(cmd, u.dir, f.fails)
		if err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.HasPrefix(log.String(), "mailstead: ") || strings.Contains(log.String(), "goroutine") {
			t.Errorf("%s: the server ended with %v: %s", f.name, err, tail(log.String(), 2000))
		}
		t.Logf("%s: %s", f.name, strings.TrimSpace(log.String()))
		if _, err := disk.Cut(disktest.Sectors, u.power.random); err != nil {
			t.Fatal(err)
		}
		if err := disk.Close(); err != nil {
			t.Fatal(err)
		}
	}
	u.end(t, u.start(t), "after all that")
}
