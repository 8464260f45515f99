package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Proof says whether a backup can be restored, and how that was found out.
type Proof struct {
	Backup string    `json:"backup"`
	At     time.Time `json:"at"`
	OK     bool      `json:"ok"`
	Steps  []Step    `json:"steps"`
	Took   float64   `json:"seconds"`
}

// Step is one part of a proof.
type Step struct {
	Name string `json:"name" enum:"key,restore,databases,store,counts,messages,login"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Text is the proof in one sentence.
func (p *Proof) Text() string {
	var parts []string
	for _, s := range p.Steps {
		if !s.OK {
			return s.Text
		}
		parts = append(parts, s.Text)
	}
	return strings.Join(parts, "; ")
}

// prove restores a backup into an empty folder and holds it against what the
// survey says. err is for what says nothing about the backup: no room, no
// network, no more time.
func (r *repository) prove(ctx context.Context, id, dir string, tell progress) (Proof, error) {
	start := r.now()
	p := Proof{Backup: id, At: start.UTC()}
	err := r.proveSteps(ctx, &p, dir, tell)
	p.Took = r.now().Sub(start).Seconds()
	var bad *notProved
	if errors.As(err, &bad) {
		p.Steps = append(p.Steps, Step{bad.step, false, bad.Error()})
		return p, nil
	}
	p.OK = err == nil
	return p, err
}

// notProved is what speaks against a backup.
type notProved struct {
	step string
	err  error
}

func (n *notProved) Error() string { return n.err.Error() }

func (p *Proof) ok(step, format string, args ...any) {
	p.Steps = append(p.Steps, Step{step, true, fmt.Sprintf(format, args...)})
}

// against makes err speak against the backup if it does.
func against(step string, err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongKey) || errors.Is(err, ErrNoBackup) {
		return &notProved{step, err}
	}
	return err
}

func (r *repository) proveSteps(ctx context.Context, p *Proof, dir string, tell progress) error {
	m, err := r.manifest(ctx, p.Backup)
	if err != nil {
		return against("key", err)
	}
	if err := r.loadIndex(ctx); err != nil {
		return against("key", err)
	}
	p.ok("key", "the key opens it")
	if err := room(dir, m, r); err != nil {
		return err
	}
	if err := r.restoreFiles(ctx, m.Files, dir, tell); err != nil {
		return against("restore", err)
	}
	p.ok("restore", "%d files were read back from the target, each chunk as it was written", len(m.Files))
	n, err := checkDatabases(ctx, dir)
	if err != nil {
		return &notProved{"databases", err}
	}
	p.ok("databases", "all pages of %d databases are sound", n)
	return proveMail(ctx, p, m, dir)
}

// checkDatabases looks through all bbolt files below dir.
func checkDatabases(ctx context.Context, dir string) (n int, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isDatabase(path) {
			return errors.Join(err, ctx.Err())
		}
		n++
		if err := store.CheckFile(path); err != nil {
			rel, _ := filepath.Rel(dir, path)
			return damaged("%s: %v", rel, err)
		}
		return nil
	})
	return n, err
}

// opened is a restored folder that was opened as a server would.
type opened struct {
	dir   *directory.Directory
	eng   *store.Engine
	boxes *mailbox.Boxes
}

// openFolder opens a data folder that nobody else uses. Only what is asked for
// is opened: system.db and the store.
func openFolder(dir string) (_ *opened, err error) {
	o := &opened{}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	if o.dir, err = directory.Open(filepath.Join(dir, "system.db"), directory.Options{}); err != nil {
		return nil, err
	}
	o.eng, err = store.Open(filepath.Join(dir, "store"), store.Options{Apply: apply, Reserve: -1, Grace: 365 * 24 * time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	o.boxes = mailbox.Open(o.eng, mailbox.Options{})
	return o, nil
}

func (o *opened) close() error {
	var errs []error
	if o.eng != nil {
		errs = append(errs, o.eng.Close())
	}
	if o.dir != nil {
		errs = append(errs, o.dir.Close())
	}
	return errors.Join(errs...)
}

// apply files what is still in the log of the store.
func apply(rw store.RW, a store.Accepted) error {
	if a.To.Owner == store.Queue {
		return queue.Apply(rw, a)
	}
	return mailbox.Apply(rw, a)
}

// proveMail opens what was restored and compares it with the survey.
func proveMail(ctx context.Context, p *Proof, m *Manifest, dir string) (err error) {
	o, err := openFolder(dir)
	if err != nil {
		return &notProved{"store", fmt.Errorf("the restored folder cannot be opened: %w", err)}
	}
	defer func() { err = errors.Join(err, o.close()) }()
	p.ok("store", "a store was opened on it")
	if n := len(o.dir.Domains()); n < m.Survey.Domains {
		return &notProved{"counts", fmt.Errorf("%d domains were restored of %d", n, m.Survey.Domains)}
	}
	messages, samples := int64(0), 0
	for i := range m.Survey.Accounts {
		if err := ctx.Err(); err != nil {
			return err
		}
		a := &m.Survey.Accounts[i]
		if err := compareCounts(ctx, o.boxes, a); err != nil {
			return &notProved{"counts", fmt.Errorf("%s: %w", a.Address, err)}
		}
		messages += a.Messages
	}
	p.ok("counts", "%d accounts with %d messages have what they had", len(m.Survey.Accounts), messages)
	for i := range m.Survey.Accounts {
		a := &m.Survey.Accounts[i]
		n, err := compareSamples(ctx, o.boxes, a)
		if err != nil {
			return &notProved{"messages", fmt.Errorf("%s: %w", a.Address, err)}
		}
		samples += n
	}
	p.ok("messages", "%d messages have the same hash", samples)
	text, err := tryLogin(ctx, o.dir)
	if err != nil {
		return &notProved{"login", err}
	}
	p.ok("login", "%s", text)
	return nil
}

// compareCounts compares the mailboxes of an account, by what its change feed
// says of the time between the survey and the copy.
func compareCounts(ctx context.Context, boxes *mailbox.Boxes, a *AccountSurvey) error {
	return boxes.Account(mailbox.AccountID(a.ID)).View(ctx, func(v *mailbox.View) error {
		if uint64(v.ModSeq()) < a.ModSeq {
			return fmt.Errorf("its last change is number %d, and was number %d before", v.ModSeq(), a.ModSeq)
		}
		for _, was := range a.Mailboxes {
			box, err := v.Mailbox(mailbox.ID(was.ID))
			if errors.Is(err, mailbox.ErrNotFound) && uint64(v.ModSeq()) > a.ModSeq {
				continue // deleted meanwhile
			}
			if err != nil {
				return fmt.Errorf("mailbox %s: %w", was.Name, err)
			}
			if err := compareMailbox(v, a, &was, &box); err != nil {
				return err
			}
		}
		return nil
	})
}

func compareMailbox(v *mailbox.View, a *AccountSurvey, was *MailboxSurvey, box *mailbox.Mailbox) error {
	if uint32(box.UIDValidity) != was.UIDValidity || uint32(box.UIDNext) < was.UIDNext {
		return fmt.Errorf("mailbox %s: UIDVALIDITY and UIDNEXT are %d and %d, and were %d and %d", was.Name, box.UIDValidity, box.UIDNext, was.UIDValidity, was.UIDNext)
	}
	gone, uids := 0, v.UIDs(box.ID, nil)
	for c, err := range v.Changes(box.ID, mailbox.ModSeq(a.ModSeq)) {
		if err != nil {
			return err
		}
		if c.Kind == mailbox.Expunged && uint32(c.UID) < was.UIDNext {
			gone++
		}
	}
	old := 0
	for _, uid := range uids {
		if uint32(uid) < was.UIDNext {
			old++
		}
	}
	if len(uids) != int(box.Exists) || old != int(was.Exists)-gone {
		return fmt.Errorf("mailbox %s has %d messages of %d, of which %d were expunged", was.Name, old, was.Exists, gone)
	}
	return nil
}

// compareSamples hashes messages again. One that was expunged or changed after
// the survey is told by the change feed.
func compareSamples(ctx context.Context, boxes *mailbox.Boxes, a *AccountSurvey) (n int, err error) {
	type found struct {
		want []byte
		body mailbox.BodyRef
		text string
	}
	var list []found
	err = boxes.Account(mailbox.AccountID(a.ID)).View(ctx, func(v *mailbox.View) error {
		list = nil
		gone := map[[2]uint32]bool{}
		for c, err := range v.Changes(0, mailbox.ModSeq(a.ModSeq)) {
			if err != nil {
				return err
			}
			gone[[2]uint32{uint32(c.Mailbox), uint32(c.UID)}] = c.Kind == mailbox.Expunged
		}
		for _, s := range a.Samples {
			text := fmt.Sprintf("message %d of mailbox %d", s.UID, s.Mailbox)
			if _, err := v.Mailbox(mailbox.ID(s.Mailbox)); errors.Is(err, mailbox.ErrNotFound) {
				continue // compareCounts has said what it means
			}
			msg, err := v.Message(mailbox.ID(s.Mailbox), mailbox.UID(s.UID))
			if errors.Is(err, mailbox.ErrNoMessage) && gone[[2]uint32{s.Mailbox, s.UID}] {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
			if uint64(msg.ModSeq) <= a.ModSeq && uint32(msg.Flags) != s.Flags {
				return fmt.Errorf("%s has other flags than it had", text)
			}
			body, err := msg.Body()
			if err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
			list = append(list, found{s.SHA256, body, text})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, f := range list {
		sum, err := hashBody(ctx, boxes, f.body)
		if err != nil {
			return n, fmt.Errorf("%s: %w", f.text, err)
		}
		if !bytes.Equal(sum, f.want) {
			return n, fmt.Errorf("%s has other octets than it had", f.text)
		}
		n++
	}
	return n, nil
}

// loopback is where a login of a proof comes from.
var loopback = netip.MustParseAddr("127.0.0.1")

// tryLogin logs in to the restored directory: nobody's password is known here,
// so an app password is made in the copy. An account that may log in as it is
// will do; else one is let in first, in the copy alone.
func tryLogin(ctx context.Context, d *directory.Directory) (string, error) {
	accounts := d.Accounts()
	if len(accounts) == 0 {
		return "there is no account to log in with", nil
	}
	var why error
	for _, ready := range []func(context.Context, *directory.Directory, *directory.Account) error{mayLogIn, letIn} {
		for i := range accounts {
			a := &accounts[i]
			err := ready(ctx, d, a)
			var secret string
			if err == nil {
				_, secret, err = d.AddAppPassword(ctx, prover, a.ID, directory.NewAppPassword{Label: "Proof"})
			}
			if err == nil {
				return logIn(ctx, d, a, secret)
			}
			why = fmt.Errorf("%s: %w", a.Address, err)
		}
	}
	return "", fmt.Errorf("no login to the restored server could be tried: %w", why)
}

// prover is who makes changes in the copy of a proof.
const prover = "proof"

// errKeptOut is for accounts that cannot log in as they are.
var errKeptOut = errors.New("the account, or its domain, is suspended")

// mayLogIn fails for an account that cannot log in as it is.
func mayLogIn(_ context.Context, d *directory.Directory, a *directory.Account) error {
	if got, ok := d.LoginAccount(a.Address.String()); !ok || got.ID != a.ID {
		return errKeptOut
	}
	return nil
}

// letIn lets an account log in that cannot as it is, and makes room for an app
// password.
func letIn(ctx context.Context, d *directory.Directory, a *directory.Account) error {
	no := false
	if _, err := d.SetDomain(ctx, prover, a.Address.Domain, directory.DomainChange{Disabled: &no}); err != nil {
		return err
	}
	if _, err := d.SetAccount(ctx, prover, a.ID, directory.AccountChange{Suspended: &no}); err != nil {
		return err
	}
	if all := d.AppPasswords(a.ID); len(all) > 0 {
		return d.RemoveAppPassword(ctx, prover, a.ID, all[0].ID)
	}
	return nil
}

// logIn logs in with an app password, and with a wrong one.
func logIn(ctx context.Context, d *directory.Directory, a *directory.Account, secret string) (string, error) {
	login := a.Address.String()
	id, err := d.Authenticator(loopback, "imap").Password(ctx, login, secret)
	if err == nil && id.Account != a.ID {
		err = fmt.Errorf("it is account %d, and was %d", id.Account, a.ID)
	}
	if err != nil {
		return "", fmt.Errorf("%s cannot log in to the restored server: %w", login, err)
	}
	if _, err := d.Authenticator(loopback, "imap").Password(ctx, login, "not "+secret); err == nil {
		return "", fmt.Errorf("%s can log in to the restored server with a wrong password", login)
	}
	return login + " could log in", nil
}

// room makes sure that a proof does not fill the disk.
func room(dir string, m *Manifest, r *repository) error {
	need := int64(64 << 20)
	for i := range m.Files {
		f := &m.Files[i]
		err := f.each(func(_ int, id chunkID) error {
			if id != hole {
				need += int64(f.ChunkSize)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.free(dir, need)
}

func octets(n int64) string {
	const unit = 1024
	v, i := float64(n)/unit/unit, 0
	for v >= unit && i < 2 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "MGT"[i])
}

// inScratch runs fn in a new folder below dir, and removes it.
func inScratch(dir, kind string, fn func(dir string) error) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name, err := os.MkdirTemp(dir, kind+"-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(name)) }()
	return fn(name)
}
