package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/movein"
)

type importCmd struct {
	target `embed:""`

	Maildir  importMaildirCmd  `cmd:"" help:"Bring in a Maildir or Maildir++, with its folders, flags and keywords."`
	Mbox     importMboxCmd     `cmd:"" help:"Bring in an mbox file, or a folder of them."`
	IMAP     importIMAPCmd     `cmd:"" name:"imap" help:"Bring in an account of an IMAP server; again and again until mail comes here."`
	IMAPList importIMAPListCmd `cmd:"" name:"imap-list" help:"Bring in many accounts of IMAP servers, one in each line of a file."`
	People   importPeopleCmd   `cmd:"" help:"Make the accounts and aliases of another mail system: CSV, mox, Mail-in-a-Box."`
	Setup    importSetupCmd    `cmd:"" help:"Set this server up as another one: the file of export --settings."`
	List     importListCmd     `cmd:"" help:"List imports and how far they are."`
	Show     importShowCmd     `cmd:"" help:"Show an import and what came of it."`
	Resume   importResumeCmd   `cmd:"" help:"Run an import again, or all that have ended: what is missing or new comes."`
	Cancel   importCancelCmd   `cmd:"" help:"Stop an import, or all that are under way; what was brought in stays."`
	Remove   importRemoveCmd   `cmd:"" help:"Forget an import with its passwords, or all that have ended; the mail stays."`
}

// importFlags are those of all imports.
type importFlags struct {
	Account string `required:"" help:"The account that gets the mail." placeholder:"ADDRESS"`
	Mailbox string `help:"Put all of it there; else into mailboxes of the same names." placeholder:"NAME"`
	DryRun  bool   `help:"Look at everything, say what would come, and file nothing."`
	watchFlags
}

// watchFlags say whether to stay.
type watchFlags struct {
	Detach bool `help:"Do not wait for the end; the server goes on by itself."`
}

func (f *importFlags) spec(kind admin.ImportKind) admin.NewImport {
	return admin.NewImport{Kind: kind, Account: f.Account, Mailbox: f.Mailbox, DryRun: f.DryRun}
}

type importMaildirCmd struct {
	Path string `arg:"" help:"The Maildir: the folder with cur and new." type:"path"`
	importFlags
}

func (c *importMaildirCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	n := c.spec(admin.ImportMaildir)
	n.Path = c.Path
	return g.start(ctx, s, n, c.watchFlags)
}

type importMboxCmd struct {
	Path string `arg:"" help:"The file, or a folder of such files." type:"path"`
	importFlags
}

func (c *importMboxCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	n := c.spec(admin.ImportMbox)
	n.Path = c.Path
	return g.start(ctx, s, n, c.watchFlags)
}

type importIMAPCmd struct {
	Host          string `required:"" help:"The server." placeholder:"NAME"`
	Port          int    `help:"Its port; 993 with tls, else 143." placeholder:"N"`
	TLS           string `name:"tls" help:"tls, starttls or none." enum:"tls,starttls,none" default:"tls"`
	User          string `required:"" help:"Who logs in there." placeholder:"LOGIN"`
	PasswordStdin bool   `help:"Read the password from the first line of standard input." xor:"secret"`
	TokenFile     string `help:"File with an OAuth token, read at each login." type:"path" xor:"secret" placeholder:"FILE"`
	TokenCommand  string `help:"Program that prints an OAuth token, run at each login by the user of the server, in its sandbox." xor:"secret" placeholder:"COMMAND"`
	Fingerprint   string `help:"SHA-256 of the server's certificate, which is taken instead of a valid one." placeholder:"HEX"`
	Connections   int    `help:"At a time, 1 to 3." default:"1"`
	SyncFlags     bool   `help:"Also change flags here that have changed there since the last run."`
	SyncDeletions bool   `help:"Also remove here what was removed there since."`

	Exclude []string `help:"Folders to leave out, with commas between." placeholder:"FOLDER"`
	importFlags
}

func (c *importIMAPCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	n := c.spec(admin.ImportIMAP)
	p := &admin.IMAPPlace{Host: c.Host, Port: c.Port, TLS: c.TLS, User: c.User, TokenFile: c.TokenFile, TokenCommand: c.TokenCommand, Fingerprint: c.Fingerprint,
		Connections: c.Connections, Flags: c.SyncFlags, Deletions: c.SyncDeletions, Exclude: c.Exclude}
	if c.TokenFile == "" && c.TokenCommand == "" {
		var err error
		if p.Password, err = c.password(s); err != nil {
			return err
		}
	}
	n.Source = p
	return g.start(ctx, s, n, c.watchFlags)
}

// password reads the password of the other server.
func (c *importIMAPCmd) password(s streams) (string, error) {
	switch {
	case c.PasswordStdin:
		return firstLine(os.Stdin)
	case !term.IsTerminal(int(os.Stdin.Fd())):
		return "", usageError("there is no terminal to ask for a password: say --password-stdin, --token-file or --token-command")
	}
	return ask(os.Stdin, s.err, "Password of "+c.User+" at "+c.Host+": ")
}

// start begins an import and watches it.
func (g *importCmd) start(ctx context.Context, s streams, n admin.NewImport, w watchFlags) error {
	if n.Path != "" {
		path, err := filepath.Abs(n.Path)
		if err != nil {
			return err
		}
		n.Path = path
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		m, err := op.StartImport(ctx, n)
		if err != nil {
			return err
		}
		return w.follow(ctx, op, out, m)
	})
}

// watchEvery is how often an import is asked how far it is.
const watchEvery = 300 * time.Millisecond

// follow shows how far an import is until it ends. It only stops looking when
// it is interrupted; without a server the import stops with it.
func (w *watchFlags) follow(ctx context.Context, op admin.Operator, out *printer, m admin.Import) error {
	_, inProcess := op.(*admin.Admin)
	if w.Detach && !inProcess {
		return out.show(m, func(o io.Writer) {
			fmt.Fprintf(o, "The import %s goes on in the server; `mailstead import show %s` says how far it is.\n", m.ID, m.ID)
		})
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	line := progressLine{out: out}
	for m.State == admin.ImportWaiting || m.State == admin.ImportRunning {
		line.show(&m)
		select {
		case <-tick.C:
		case <-ctx.Done():
			line.end()
			if inProcess {
				return fmt.Errorf("interrupted; `mailstead import resume %s` goes on where it was", m.ID)
			}
			return fmt.Errorf("interrupted; the import goes on in the server: `mailstead import cancel %s` ends it", m.ID)
		}
		next, err := op.Import(ctx, m.ID)
		if errors.Is(err, context.Canceled) {
			continue
		}
		if err != nil {
			return err
		}
		m = next
	}
	line.end()
	return showImport(out, m)
}

// progressLine is a line of a terminal that is written over and over.
type progressLine struct {
	out *printer
	on  bool
}

func (l *progressLine) show(m *admin.Import) { l.text(progressText(&m.Progress, m.State)) }

// text writes a line over the one before, if people look at it.
func (l *progressLine) text(s string) {
	f, ok := l.out.notes.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	fmt.Fprintf(l.out.notes, "\r\x1b[K%s", clean(s))
	l.on = true
}

func (l *progressLine) end() {
	if l.on {
		fmt.Fprint(l.out.notes, "\r\x1b[K")
	}
}

// progressText says how far an import is, in one line.
func progressText(p *movein.Progress, state admin.ImportState) string {
	if state == admin.ImportWaiting {
		return "waiting for other imports"
	}
	all := ""
	if p.AllMessages > 0 {
		all = fmt.Sprintf(" of %d", p.AllMessages)
	} else if p.AllOctets > 0 {
		all = fmt.Sprintf(" (%s of %s)", amount(p.Octets), amount(p.AllOctets))
	}
	parts := []string{fmt.Sprintf("%d%s messages, %d new", p.Messages, all, p.Added)}
	if p.LeftOut > 0 {
		parts = append(parts, fmt.Sprintf("%d left out", p.LeftOut))
	}
	if p.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%.0f/s", p.Rate))
	}
	if p.SecondsLeft > 0 {
		parts = append(parts, (time.Duration(p.SecondsLeft)*time.Second).String()+" left")
	}
	if p.Waiting != "" {
		parts = append(parts, p.Waiting)
	}
	if !p.WaitingUntil.IsZero() {
		parts = append(parts, "goes on at "+p.WaitingUntil.Local().Format(time.TimeOnly))
	}
	if p.Folder != "" {
		parts = append(parts, p.Folder)
	}
	return strings.Join(parts, " · ")
}

// shownProblems is how many problems a terminal is told.
const shownProblems = 20

// showImport shows an import; one that failed is an error, too.
func showImport(out *printer, m admin.Import) error {
	err := out.show(m, func(w io.Writer) { describeImport(w, &m) })
	if m.State == admin.ImportFailed {
		err = errors.Join(err, errors.New(m.Error))
	}
	return err
}

func describeImport(w io.Writer, m *admin.Import) {
	rows := [][]string{{"import", m.ID}, {"from", string(m.Kind) + " " + m.From}, {"to", strings.TrimSpace(m.Account + " " + m.Mailbox)}, {"state", string(m.State)},
		{"messages", messagesText(&m.Progress)}}
	if m.Progress.Changed+m.Progress.Removed > 0 {
		rows = append(rows, []string{"changed", fmt.Sprintf("flags of %d, %d removed", m.Progress.Changed, m.Progress.Removed)})
	}
	switch {
	case m.State == admin.ImportRunning:
		rows = append(rows, []string{"now", progressText(&m.Progress, m.State)})
	case m.DryRun:
		rows = append(rows, []string{"dry run", "nothing was filed"})
	default:
		rows = append(rows, []string{"verified", fmt.Sprintf("%d read again and the same", m.Progress.Verified)})
	}
	table(w, rows...)
	if m.Report == nil {
		return
	}
	folders := [][]string{{"FOLDER", "MAILBOX", "THERE", "HERE", "NEW", "BEFORE", "LEFT OUT"}}
	for _, f := range m.Report.Reports {
		folders = append(folders, []string{f.Name, f.Mailbox, fmt.Sprint(f.There), fmt.Sprint(f.Here), fmt.Sprint(f.Added), fmt.Sprint(f.Known), fmt.Sprint(f.LeftOut)})
	}
	table(w, folders...)
	for i, p := range slices.Concat(m.Report.Incomplete, m.Report.Wrong, m.Report.Problems) {
		if i == shownProblems {
			fmt.Fprintln(w, "and more: -o json shows the first thousand")
			break
		}
		fmt.Fprintf(w, "! %s: %s\n", clean(p.Name), clean(p.Error))
	}
}

// messagesText counts the messages of a run.
func messagesText(p *movein.Progress) string {
	s := fmt.Sprintf("%d looked at: %d new (%s), %d here before, %d left out", p.Messages, p.Added, amount(p.AddedOctets), p.Known, p.LeftOut)
	if p.Elsewhere > 0 {
		s += fmt.Sprintf(", %d in other folders as well", p.Elsewhere)
	}
	if p.Gone > 0 {
		s += fmt.Sprintf(", %d removed there meanwhile", p.Gone)
	}
	return s
}

type importListCmd struct {
	State string `help:"Only those that are waiting, running, done, failed or stopped." enum:"waiting,running,done,failed,stopped," default:"" placeholder:"STATE"`
}

func (c *importListCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := op.Imports(ctx)
		if err != nil {
			return err
		}
		all := list.Items
		shown := slices.DeleteFunc(slices.Clone(all), func(m admin.Import) bool { return c.State != "" && string(m.State) != c.State })
		return out.show(shown, func(w io.Writer) {
			rows := [][]string{{"ID", "KIND", "FROM", "TO", "STATE", "NEW", "PROGRESS"}}
			for _, m := range shown {
				rows = append(rows, []string{m.ID, string(m.Kind), m.From, m.Account, string(m.State), fmt.Sprint(m.Progress.Added), progressText(&m.Progress, m.State)})
			}
			table(w, rows...)
			if len(all) > 1 {
				fmt.Fprintln(w, importsText(all))
			}
		})
	})
}

// importsText counts imports by how far they are.
func importsText(list []admin.Import) string {
	count := map[admin.ImportState]int{}
	for _, m := range list {
		count[m.State]++
	}
	parts := []string{counted(len(list), "import", "imports")}
	for _, state := range []admin.ImportState{admin.ImportDone, admin.ImportRunning, admin.ImportWaiting, admin.ImportFailed, admin.ImportStopped} {
		if n := count[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, " · ")
}

type importShowCmd struct {
	ID string `arg:""`
}

func (c *importShowCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		m, err := op.Import(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(m, func(w io.Writer) { describeImport(w, &m) })
	})
}
