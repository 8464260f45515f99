package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mailbox"
)

// ImportKind is where mail is brought in from.
type ImportKind string

const (
	ImportMaildir ImportKind = "maildir"
	ImportMbox    ImportKind = "mbox"
	ImportIMAP    ImportKind = "imap"
)

// NewImport says what to bring in, and where to. One that is the same in kind,
// account, mailbox and source is that import again: it goes on where it was.
type NewImport struct {
	Kind    ImportKind `json:"kind" enum:"maildir,mbox,imap"`
	Account string     `json:"account" maxLength:"256" doc:"Address of the account that gets the mail."`
	Mailbox string     `json:"mailbox,omitempty" maxLength:"1000" doc:"Where all of it goes; empty: to mailboxes of the same names."`
	DryRun  bool       `json:"dryRun,omitempty" doc:"Look at everything and file nothing."`
	Path    string     `json:"path,omitempty" maxLength:"4096" doc:"Of a Maildir or mbox, below the folder imports/files of the data folder."`
	Source  *IMAPPlace `json:"source,omitempty" doc:"Of an IMAP server."`
}

// IMAPPlace is an account on an IMAP server.
type IMAPPlace struct {
	Host     string `json:"host" maxLength:"253"`
	Port     int    `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"0: 993 with tls, else 143."`
	TLS      string `json:"tls,omitempty" enum:"tls,starttls,none" doc:"tls if absent."`
	User     string `json:"user" maxLength:"256"`
	Password string `json:"password,omitempty" maxLength:"4096" doc:"Never shown again."`
	Token    string `json:"token,omitempty" maxLength:"16384" doc:"OAuth access token instead of a password. Never shown again."`
	// TokenFile and TokenCommand renew a token; only the command line may name
	// them, since they read files and run programs.
	TokenFile    string   `json:"tokenFile,omitempty" maxLength:"4096" doc:"File with the token, read at each login; from the command line only."`
	TokenCommand string   `json:"tokenCommand,omitempty" maxLength:"4096" doc:"Program that prints the token; from the command line only."`
	Fingerprint  string   `json:"fingerprint,omitempty" maxLength:"128" doc:"SHA-256 of the server's certificate, in hex: it is taken instead of a valid one."`
	Connections  int      `json:"connections,omitempty" minimum:"0" maximum:"3" doc:"At a time; 0 is 1."`
	Flags        bool     `json:"flags,omitempty" doc:"Also change flags here that have changed there since the last run."`
	Deletions    bool     `json:"deletions,omitempty" doc:"Also remove here what was removed there since."`
	Exclude      []string `json:"exclude,omitempty" maxItems:"200" doc:"Folders to leave out, with all below them."`
}

// ImportState says how far an import is.
type ImportState string

const (
	ImportWaiting ImportState = "waiting" // for others to end
	ImportRunning ImportState = "running"
	ImportDone    ImportState = "done"
	ImportFailed  ImportState = "failed"
	ImportStopped ImportState = "stopped" // by somebody
)

// Import is an import as an operator sees it.
type Import struct {
	ID       string          `json:"id"`
	Kind     ImportKind      `json:"kind" enum:"maildir,mbox,imap"`
	Account  string          `json:"account"`
	Mailbox  string          `json:"mailbox,omitempty"`
	DryRun   bool            `json:"dryRun,omitempty"`
	From     string          `json:"from" doc:"Path, or user and server."`
	Server   string          `json:"server,omitempty" doc:"Of an IMAP import, as host:port: what it has in common with others of its source."`
	State    ImportState     `json:"state" enum:"waiting,running,done,failed,stopped"`
	Job      string          `json:"job,omitempty" doc:"Of the last run, for /jobs/{id}."`
	Runs     int             `json:"runs"`
	Created  time.Time       `json:"created"`
	Ended    time.Time       `json:"ended,omitzero" doc:"Of the last run."`
	Error    string          `json:"error,omitempty" doc:"Why the last run failed, and what to do."`
	Progress movein.Progress `json:"progress"`
	Report   *movein.Report  `json:"report,omitempty" doc:"Of the last run that ended; only of one import."`
}

// errUnderWay refuses a run beside the one that there is.
var errUnderWay = &directory.Problem{Kind: directory.ErrInUse, Text: "this import is under way; wait until it is done, or cancel it"}

// Imports returns all imports, the newest first.
func (a *Admin) Imports(ctx context.Context) (Page[Import], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[Import]{}, err
	}
	if err := a.loadImports(); err != nil {
		return Page[Import]{}, err
	}
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	list := make([]Import, 0, len(a.imports.list))
	for _, m := range slices.Backward(a.imports.list) {
		v := m.view()
		v.Report = nil
		list = append(list, v)
	}
	return Page[Import]{Items: list}, nil
}

// Import returns one import with the report of its last run.
func (a *Admin) Import(ctx context.Context, id string) (Import, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Import{}, err
	}
	return a.withImport(id, func(m *importRecord) (Import, error) { return m.view(), nil })
}

// StartImport begins an import, or the next run of one.
func (a *Admin) StartImport(ctx context.Context, n NewImport) (Import, error) {
	p, err := authorizeSudo(ctx, ChangeSystem)
	if err != nil {
		return Import{}, err
	}
	if err := a.roomForImport(n.DryRun); err != nil {
		return Import{}, err
	}
	if err := a.checkImport(p, &n); err != nil {
		return Import{}, err
	}
	if err := n.checkToken(ctx); err != nil {
		return Import{}, At("source", err)
	}
	if err := a.loadImports(); err != nil {
		return Import{}, err
	}
	m, err := a.startImport(ctx, p, n)
	if err == nil {
		a.tellImports()
	}
	return m, err
}

// startImport begins an import that was checked, without telling those who
// watch.
func (a *Admin) startImport(ctx context.Context, p Principal, n NewImport) (Import, error) {
	if err := a.opts.Directory.Record(ctx, Actor(ctx), "import.start", n.Account, map[string]any{"kind": n.Kind, "from": n.from(), "dryRun": n.DryRun}); err != nil {
		return Import{}, err
	}
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	m := a.imports.same(&n)
	switch {
	case m == nil && len(a.imports.list) >= maxImports:
		return Import{}, &directory.Problem{Kind: directory.ErrInUse, Text: fmt.Sprintf("there are %d imports already; remove some first", maxImports)}
	case m == nil:
		m = newImportRecord(a.opts.Now())
		a.imports.list = append(a.imports.list, m)
	case m.underWay():
		return Import{}, errUnderWay
	}
	m.Spec = n
	return a.queueImport(p, m)
}

// roomForImport refuses to begin an import that would have to wait at once.
func (a *Admin) roomForImport(dry bool) error {
	if dry {
		return nil
	}
	return a.roomFor("no import can begin now", 0)
}

// ResumeImport runs an import again: what is there stays, what is missing or
// new comes.
func (a *Admin) ResumeImport(ctx context.Context, id string) (Import, error) {
	p, err := authorize(ctx, ChangeSystem)
	if err != nil {
		return Import{}, err
	}
	return a.withImport(id, func(m *importRecord) (Import, error) {
		if m.underWay() {
			return Import{}, errUnderWay
		}
		if err := a.roomForImport(m.Spec.DryRun); err != nil {
			return Import{}, err
		}
		v, err := a.queueImport(p, m)
		a.tellImport(m)
		return v, err
	})
}

// CancelImport stops an import; what was brought in stays.
func (a *Admin) CancelImport(ctx context.Context, id string) (Import, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Import{}, err
	}
	return a.withImport(id, func(m *importRecord) (Import, error) {
		err := a.stopImport(m)
		a.tellImport(m)
		return m.view(), err
	})
}

// RemoveImport forgets an import with its secrets. The mail stays, and what was
// brought in is still known: the same import adds nothing twice.
func (a *Admin) RemoveImport(ctx context.Context, id string) error {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return err
	}
	if _, err := a.withImport(id, func(m *importRecord) (Import, error) {
		if m.State == ImportRunning {
			return Import{}, &directory.Problem{Kind: directory.ErrInUse, Text: "this import is under way; cancel it first"}
		}
		return Import{}, a.forgetImport(m)
	}); err != nil {
		return err
	}
	a.tellImports()
	return a.opts.Directory.Record(ctx, Actor(ctx), "import.remove", id, nil)
}

// withImport does something with one import.
func (a *Admin) withImport(id string, fn func(*importRecord) (Import, error)) (Import, error) {
	if err := a.loadImports(); err != nil {
		return Import{}, err
	}
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	for _, m := range a.imports.list {
		if m.ID == id {
			return fn(m)
		}
	}
	return Import{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no import " + id}
}

// checkImport refuses what cannot be done, and fills in what may be left out.
func (a *Admin) checkImport(p Principal, n *NewImport) error {
	if a.opts.ImportDir == "" {
		return &directory.Problem{Kind: ErrUnavailable, Text: "this server does not import"}
	}
	addr, err := parseAddress(n.Account)
	if err != nil {
		return At("account", err)
	}
	acct, err := a.opts.Directory.AccountByAddress(addr)
	if err != nil {
		return At("account", err)
	}
	n.Account = acct.Address.String()
	if n.Mailbox != "" {
		clean, err := mailbox.CleanName(n.Mailbox)
		if err != nil {
			return At("mailbox", invalid("%q cannot be the name of a mailbox: %v", n.Mailbox, err))
		}
		n.Mailbox = clean
	}
	switch n.Kind {
	case ImportMaildir, ImportMbox:
		n.Source = nil
		return At("path", a.checkImportPath(p, n))
	case ImportIMAP:
		n.Path = ""
		return At("source", checkIMAPPlace(p, n.Source))
	}
	return At("kind", invalid("there are imports of maildir, mbox and imap"))
}

// checkImportPath makes a path whole. Who has the data folder may name any;
// others name what an operator has put into a folder for that: the server can
// read more than they may.
func (a *Admin) checkImportPath(p Principal, n *NewImport) error {
	switch {
	case n.Path == "":
		return invalid("say where the %s is", n.Kind)
	case filepath.IsAbs(n.Path) && p.Kind == KindSocket:
		n.Path = filepath.Clean(n.Path)
	case filepath.IsLocal(n.Path):
		n.Path = filepath.Join(a.importFiles(), n.Path)
	default:
		return invalid("name a folder or file below %s, and copy it there first; only the command line can name others", a.importFiles())
	}
	return nil
}

// importFiles is the folder whose files can be imported from anywhere.
func (a *Admin) importFiles() string { return filepath.Join(a.opts.ImportDir, "files") }

// checkIMAPPlace refuses what cannot be connected to.
func checkIMAPPlace(p Principal, s *IMAPPlace) error {
	if s == nil || s.Host == "" || s.User == "" {
		return invalid("say the server and the user there")
	}
	ways := 0
	for _, w := range []string{s.Password, s.Token, s.TokenFile, s.TokenCommand} {
		if w != "" {
			ways++
		}
	}
	if ways != 1 {
		return invalid("say one of password and token")
	}
	if p.Kind != KindSocket && (s.TokenFile != "" || s.TokenCommand != "") {
		return invalid("only the command line can name a file or a program")
	}
	s.TLS, s.Connections = cmp.Or(s.TLS, "tls"), cmp.Or(s.Connections, 1)
	if s.Port == 0 {
		s.Port = map[string]int{"tls": 993}[s.TLS]
		s.Port = cmp.Or(s.Port, 143)
	}
	if s.Fingerprint != "" {
		if _, err := movein.ParseFingerprint(s.Fingerprint); err != nil {
			return invalid("%v", err)
		}
	}
	return nil
}

// from describes the source, without secrets.
func (n *NewImport) from() string {
	if n.Source != nil {
		return n.Source.User + " at " + n.server()
	}
	return n.Path
}

// server is the IMAP server of the source; "" of files.
func (n *NewImport) server() string {
	if n.Source == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", n.Source.Host, n.Source.Port)
}

// open opens the source.
func (n *NewImport) open(spool string, now func() time.Time) (movein.Source, error) {
	switch n.Kind {
	case ImportMaildir:
		return movein.OpenMaildir(n.Path, now)
	case ImportMbox:
		return movein.OpenMbox(n.Path)
	case ImportIMAP:
		return movein.OpenIMAP(n.Source.options(spool))
	}
	return nil, errors.New("there is no such kind of import")
}

func (s *IMAPPlace) options(spool string) movein.IMAPOptions {
	return movein.IMAPOptions{Host: s.Host, Port: s.Port, TLS: s.TLS, User: s.User, Password: s.Password, Token: s.Token, TokenFile: s.TokenFile,
		TokenCommand: s.TokenCommand, Fingerprint: s.Fingerprint, Connections: s.Connections, Flags: s.Flags, Deletions: s.Deletions, Exclude: s.Exclude, Spool: spool}
}

// checkToken asks once for a token that a file or a program gives: an import
// that gets none does not begin.
func (n *NewImport) checkToken(ctx context.Context) error {
	if n.Source == nil {
		return nil
	}
	o := n.Source.options("")
	err := o.CheckToken(ctx)
	if err != nil && ctx.Err() == nil {
		return invalid("%v", err)
	}
	return err
}

// same returns the import that n is a further run of.
func (s *imports) same(n *NewImport) *importRecord {
	for _, m := range s.list {
		if m.Spec.Kind == n.Kind && m.Spec.Account == n.Account && strings.EqualFold(m.Spec.Mailbox, n.Mailbox) && m.Spec.from() == n.from() {
			return m
		}
	}
	return nil
}
