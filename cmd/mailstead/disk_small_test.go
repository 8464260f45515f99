package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/mail"
)

// smallDisk is how large the disk of TestSmallDisk is: what is kept of it is
// the least that ever is, 4 MiB.
const smallDisk = 72 << 20

// mountSmall mounts an empty ext4 of smallDisk octets, of which nothing is for
// root alone, and unmounts it when the test ends.
func mountSmall(t *testing.T) *smallMount {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	m := &smallMount{image: filepath.Join(t.TempDir(), "image"), dir: t.TempDir()}
	f, err := os.Create(m.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(smallDisk), f.Close()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", m.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4, of e2fsprogs: %v: %s", err, out)
	}
	if out, err := m.mount(); err != nil {
		if strings.Contains(out, "permission denied") || strings.Contains(out, "loop device") {
			t.Skipf("this container may not mount: %s", out)
		}
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { m.unmount(t) })
	return m
}

// smallMount is a small disk.
type smallMount struct{ image, dir string }

func (m *smallMount) mount() (string, error) {
	out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", m.image, m.dir).CombinedOutput()
	return string(out), err
}

func (m *smallMount) unmount(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("umount", m.dir).CombinedOutput(); err != nil {
		t.Errorf("umount: %v: %s", err, out)
	}
}

// fill lets somebody else take all that there is, to the last octet.
func (m *smallMount) fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(m.dir, "foreign"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func (m *smallMount) empty(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(m.dir, "foreign")); err != nil {
		t.Fatal(err)
	}
}

// smallUser uses a server on a small disk, and remembers what was taken.
type smallUser struct {
	i    *instance
	op   *api.Client
	web  *person // the owner, signed in
	n    int
	took map[string][sha256.Size]byte // by subject
}

// smallFrom is the first line of what another server sends.
const smallFrom = "From: x@slow.test\r\n"

// text makes up a message of some 150 KB.
func (u *smallUser) text() (subject, text string) {
	u.n++
	subject = fmt.Sprintf("small-%d", u.n)
	line := fmt.Sprintf("%s is what this line is about, and %s\r\n", subject, strings.Repeat("x", 60))
	return subject, smallFrom + "To: Alice <alice@" + tryDomain + ">\r\nSubject: " + subject + "\r\nDate: Mon, 1 Sep 2025 10:00:00 +0000\r\nMessage-ID: <" + subject + nameDomain + "\r\n\r\n" + strings.Repeat(line, 150_000/len(line))
}

// deliver brings a message as another server does.
func (u *smallUser) deliver(ctx context.Context) error {
	subject, text := u.text()
	err := sendFrom(ctx, &net.Dialer{}, u.i.SMTP, "x@slow.test", u.i.Accounts[0].Address, text)
	if err == nil {
		u.took[subject] = sha256.Sum256([]byte(text))
	}
	return err
}

// answer is what a message was answered: "OK", or code and status.
func (u *smallUser) answer(t *testing.T, err error) string {
	t.Helper()
	var named *mail.Error
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &named):
		return fmt.Sprintf("%d %v", named.Code, named.Status)
	}
	t.Fatalf("no answer: %v", err)
	return ""
}

// submit gives the server a message for somebody elsewhere.
func (u *smallUser) submit(ctx context.Context, to string) error {
	who := u.i.Accounts[0]
	conn, err := dialSMTP(ctx, u.i.Submission)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Auth(ctx, who.Address, who.Password); err != nil {
		return err
	}
	return sendText(ctx, conn, who.Address, []string{to}, []byte("From: "+who.Address+"\r\nTo: "+to+"\r\nSubject: submitted\r\n\r\nHello.\r\n"))
}

// appendOne appends a message, and returns the code of a refusal.
func (u *smallUser) appendOne(c *imapclient.Client) string {
	text := "Subject: appended\r\n\r\n" + strings.Repeat("y", 1000)
	cmd := c.Append("Drafts", int64(len(text)), nil)
	_, err := io.WriteString(cmd, text)
	err = errors.Join(err, cmd.Close())
	if _, werr := cmd.Wait(); werr != nil {
		err = werr
	}
	return imapCode(err)
}

// imapCode is "OK" or the code of a NO.
func imapCode(err error) string {
	var no *imap.Error
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo:
		return "NO [" + string(no.Code) + "]"
	}
	return err.Error()
}

// stage is how full the server finds its disk.
func (u *smallUser) stage(t *testing.T) string {
	t.Helper()
	var v admin.Overview
	u.web.must("GET", "/overview", nil, &v)
	if v.Disk == nil {
		t.Fatal("the overview does not know the disk")
	}
	if (v.Disk.Stage == "plenty") != (len(v.Disk.Stopped) == 0) || (v.Disk.Stage == "plenty") != (v.Disk.Says == "") {
		t.Errorf("the overview says %+v", v.Disk)
	}
	return v.Disk.Stage
}

// awaits waits for a stage.
func (u *smallUser) awaits(t *testing.T, stages ...string) {
	t.Helper()
	eventually(t, "the disk is "+strings.Join(stages, " or "), func() bool { return slices.Contains(stages, u.stage(t)) })
}

// flows waits until mail is taken again, without a restart.
func (u *smallUser) flows(t *testing.T) {
	t.Helper()
	eventually(t, "mail is taken again", func() bool {
		said := u.answer(t, u.deliver(t.Context()))
		if said != "OK" && !strings.HasPrefix(said, "452 ") {
			t.Fatalf("the server answers %s", said)
		}
		return said == "OK"
	})
}

// read reads all mail, and finds everything that was taken.
func (u *smallUser) read(t *testing.T) {
	t.Helper()
	c := u.i.dialIMAP(t, u.i.Accounts[0], nil)
	defer c.Close()
	left := len(u.took)
	for _, text := range messages(t, c, "INBOX") {
		_, own, _ := strings.Cut(text, "\r\n"+smallFrom) // behind our fields
		text = smallFrom + own
		_, subject, _ := strings.Cut(text, "\r\nSubject: ")
		subject, _, _ = strings.Cut(subject, "\r\n")
		sum, ok := u.took[subject]
		if !ok {
			continue // a delivery report
		}
		left--
		if sum != sha256.Sum256([]byte(text)) {
			t.Errorf("%s has changed: %.300q", subject, text)
		}
	}
	if left != 0 {
		t.Errorf("%d of %d messages that were taken are not there", left, len(u.took))
	}
}

// remove deletes the oldest messages for good, and says how that was answered.
func (u *smallUser) remove(t *testing.T, count int) string {
	t.Helper()
	c := u.i.dialIMAP(t, u.i.Accounts[0], nil)
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	var set imap.SeqSet
	set.AddRange(1, uint32(count))
	list, err := c.Fetch(set, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}, nil).Close(); err != nil {
		return imapCode(err)
	}
	if err := c.Expunge().Close(); err != nil {
		return imapCode(err)
	}
	for _, m := range list {
		delete(u.took, m.Envelope.Subject)
	}
	return "OK"
}

// refusals are what an operator is told of things that can wait.
func (u *smallUser) refusals(t *testing.T) string {
	t.Helper()
	var list []string
	for name, err := range map[string]error{
		"backup": func() error { _, err := u.op.RunBackup(t.Context()); return err }(),
		"import": func() error {
			_, err := u.op.StartImport(t.Context(), admin.NewImport{Kind: admin.ImportMbox, Account: u.i.Accounts[1].Address, Path: "/none"})
			return err
		}(),
	} {
		if errors.Is(err, admin.ErrNoRoom) {
			list = append(list, name)
			if !strings.Contains(err.Error(), "free") {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil && !errors.Is(err, admin.ErrUnavailable) {
			t.Logf("%s: %v", name, err)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// TestSmallDisk fills a small disk by mail, by somebody else's file, and lets it
// become read-only, and each time goes on.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	m := mountSmall(t)
	args := []string{"--dir", filepath.Join(m.dir, "data"), "--no-limits", "--plain-auth", "--retry", "1s"}
	u := &smallUser{took: map[string][sha256.Size]byte{}}
	start := func() {
		u.i = startTry(t, args...)
		var err error
		if u.op, err = api.Dial(t.Context(), adminSocket(u.i.Data), "test"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.op.Close() })
		u.web = u.i.signIn(t, tryAccount{Address: u.i.Admin.User, Password: u.i.Admin.Password})
	}
	start()
	if !t.Run("mail", u.fillByMail) || !t.Run("deleting", func(t *testing.T) { u.makeRoom(t, len(u.took)/2) }) ||
		!t.Run("foreign", func(t *testing.T) { u.fillByOthers(t, m) }) || !t.Run("read-only", func(t *testing.T) { u.readOnly(t, m) }) {
		return // what follows needs it
	}
	u.i.kill(t)
	m.unmount(t)
	if out, err := exec.Command("e2fsck", "-f", "-p", m.image).CombinedOutput(); err != nil && exitCode(err) > 1 {
		t.Errorf("e2fsck: %v: %s", err, out)
	}
	if out, err := m.mount(); err != nil {
		t.Fatalf("mount again: %v: %s", err, out)
	}
	start()
	u.read(t)
	u.flows(t)
	u.read(t)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// fillByMail sends mail until it is refused, and shows what stops in which order.
func (u *smallUser) fillByMail(t *testing.T) {
	if err := u.submit(t.Context(), "nobody@strict.test"); err != nil { // a report comes back
		t.Fatal(err)
	}
	var order []string
	refused := map[string]string{}
	said := "OK"
	for said == "OK" {
		stage := u.stage(t)
		if len(order) == 0 || order[len(order)-1] != stage {
			order = append(order, stage)
			refused[stage] = u.refusals(t)
		}
		said = u.answer(t, u.deliver(t.Context()))
	}
	order = append(order, u.stage(t))
	if got := strings.Join(order, " "); got != "plenty low lower full" {
		t.Errorf("the disk was %s", got)
	}
	if said != "452 4.3.1" {
		t.Errorf("mail was refused with %s", said)
	}
	for stage, want := range map[string]string{"plenty": "", "low": "backup", "lower": "backup, import"} {
		if refused[stage] != want {
			t.Errorf("while it was %s it refused %q, want %q", stage, refused[stage], want)
		}
	}
	if got := u.answer(t, u.submit(t.Context(), "x@far.test")); got != "452 4.3.1" {
		t.Errorf("a submission is answered %s", got)
	}
	c := u.i.dialIMAP(t, u.i.Accounts[0], nil)
	defer c.Close()
	if got := u.appendOne(c); got != "NO [UNAVAILABLE]" {
		t.Errorf("APPEND is answered %s", got)
	}
	t.Logf("%d messages until it was full", len(u.took))
	u.read(t)
}

// makeRoom deletes messages, and mail flows again by itself.
func (u *smallUser) makeRoom(t *testing.T, count int) {
	t.Helper()
	if got := u.remove(t, count); got != "OK" {
		t.Fatalf("deleting is answered %s", got)
	}
	u.flows(t)
	u.awaits(t, "plenty", "low", "lower")
	c := u.i.dialIMAP(t, u.i.Accounts[0], nil)
	defer c.Close()
	if got := u.appendOne(c); got != "OK" {
		t.Errorf("APPEND is answered %s", got)
	}
	u.read(t)
}

// fillByOthers lets a foreign file take the last octet: what was put aside lets
// people delete; when that is taken as well mail can only be read.
func (u *smallUser) fillByOthers(t *testing.T, m *smallMount) {
	ballast := filepath.Join(u.i.Data, "ballast")
	for u.stage(t) == "plenty" {
		if err := u.deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "room is put aside", func() bool { _, err := os.Stat(ballast); return err == nil })
	m.fill(t)
	eventually(t, "what was put aside is given back", func() bool { _, err := os.Stat(ballast); return err != nil })
	u.awaits(t, "full")
	if got := u.answer(t, u.deliver(t.Context())); got != "452 4.3.1" {
		t.Errorf("mail is answered %s", got)
	}
	if got := u.remove(t, 2); got != "OK" {
		t.Errorf("with what was put aside deleting is answered %s", got)
	}
	u.read(t)
	m.fill(t)
	u.awaits(t, "exhausted")
	if got := u.answer(t, u.deliver(t.Context())); got != "452 4.3.1" {
		t.Errorf("mail is answered %s", got)
	}
	if got := u.remove(t, 1); got != "NO [UNAVAILABLE]" {
		t.Errorf("deleting is answered %s", got)
	}
	u.read(t)
	m.empty(t)
	u.flows(t)
	u.read(t)
}

// readOnly lets the kernel find an error of the disk, upon which it makes it
// read-only for everybody (errors=remount-ro). A remount by hand is refused
// while somebody has files open.
func (u *smallUser) readOnly(t *testing.T, m *smallMount) {
	if out, err := exec.Command("mount", "-i", "-o", "remount,abort", m.dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "x"), []byte("x"), 0o600); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("the disk is not read-only: %v", err)
	}
	for range 3 {
		if got := u.answer(t, u.deliver(t.Context())); !strings.HasPrefix(got, "4") {
			t.Errorf("mail is answered %s", got)
		}
	}
	if got := u.answer(t, u.submit(t.Context(), "x@far.test")); !strings.HasPrefix(got, "4") {
		t.Errorf("a submission is answered %s", got)
	}
	if got := u.remove(t, 1); got != "NO [UNAVAILABLE]" {
		t.Errorf("deleting is answered %s", got)
	}
	u.read(t)
	if strings.Contains(u.i.log.String(), "panic") {
		t.Error("the server logged a panic")
	}
}
