package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/mail"
)

// cliCommands are the commands that ask or change a server. Each group has the
// flags of target.
type cliCommands struct {
	Domain      domainCmd      `cmd:"" help:"Domains, and their records in the DNS."`
	Account     accountCmd     `cmd:"" help:"People's accounts."`
	Alias       aliasCmd       `cmd:"" help:"Addresses that lead to others: aliases and groups."`
	DKIM        dkimCmd        `cmd:"" name:"dkim" help:"Keys that mail is signed with."`
	Queue       queueCmd       `cmd:"" help:"Mail that waits to be delivered to others."`
	Quarantine  quarantineCmd  `cmd:"" help:"Mail that waits for somebody to say whether it is wanted."`
	List        listCmd        `cmd:"" help:"Whose mail is always taken, or never."`
	Junk        junkCmd        `cmd:"" help:"What is done with mail that looks like junk."`
	Trace       traceCmd       `cmd:"" help:"What happened to a message, and why."`
	Settings    settingsCmd    `cmd:"" help:"Every limit and policy, with its meaning."`
	Import      importCmd      `cmd:"" help:"Bring mail in from other mail systems."`
	Export      exportCmd      `cmd:"" help:"Take mail out, as Maildir or mbox, and what the server is set up with."`
	Cert        certCmd        `cmd:"" help:"Certificates."`
	Audit       auditCmd       `cmd:"" help:"Who changed what."`
	Ban         banCmd         `cmd:"" help:"Whose failed logins make them wait."`
	Report      reportCmd      `cmd:"" help:"What others report about mail in our name, and what we report to them."`
	Alert       alertCmd       `cmd:"" help:"What is wrong with the server, and whom it tells."`
	Backup      backupCmd      `cmd:"" help:"Copies of everything, encrypted and proved."`
	Restore     restoreCmd     `cmd:"" help:"Bring back what is in a backup."`
	Webhook     webhookCmd     `cmd:"" help:"Web servers that are told what happens to messages, accounts and alerts."`
	Reload      reloadCmd      `cmd:"" help:"Let the server read its configuration file again, without ending a session."`
	Storage     storageCmd     `cmd:"" help:"What takes room on the disk, and giving back that of deleted mail."`
	Clock       clockCmd       `cmd:"" help:"How late it is, and whether the clock of the system is believed."`
	Doctor      doctorCmd      `cmd:"" help:"Check that the server can do its work, and say what to fix."`
	Support     supportCmd     `cmd:"" name:"support-bundle" help:"Make a file for whoever helps with this server, without secrets and names."`
	DNSProvider dnsProviderCmd `cmd:"" name:"dns-provider" help:"What changes records where zones are hosted."`
}

// target says which server is meant and how to print.
type target struct {
	Data   string `help:"Data folder of the server; else the one in the configuration file." type:"path" placeholder:"DIR"`
	Config string `help:"Configuration file." type:"path" default:"${config}"`
	Output string `short:"o" help:"text or json." enum:"text,json" default:"text"`
}

// operation is one command on an operator.
type operation func(ctx context.Context, op admin.Operator, out *printer) error

// run does fn on the running server, or on the data itself if there is none.
func (t *target) run(ctx context.Context, s streams, fn operation) error {
	actor := actorName()
	op, err := t.operator(ctx)
	if err != nil {
		return err
	}
	ctx = admin.AsOwner(ctx, actor) // for changes without a server; the client says it itself
	out := &printer{w: s.out, notes: s.err, json: t.Output == "json"}
	return errors.Join(fn(ctx, op, out), op.Close())
}

func (t *target) operator(ctx context.Context) (admin.Operator, error) {
	data, hostname, err := t.dataDir()
	if err != nil {
		return nil, err
	}
	client, err := api.Dial(ctx, adminSocket(data), actorName())
	if err == nil {
		return client, nil
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return nil, err
	}
	if err := becomeOwner(data); err != nil {
		return nil, err
	}
	return admin.Open(data, admin.Options{Hostname: hostname})
}

// dataDir finds the data folder. Without --data and without a file at the
// usual place it is the usual folder.
func (t *target) dataDir() (data string, hostname mail.Domain, err error) {
	cfg, err := config.Load(t.Config)
	switch {
	case err == nil:
		hostname, data = mail.Domain(strings.ToLower(cfg.Hostname)), cfg.Data
	case t.Data != "": // named, so the file does not matter
	case t.Config == config.Path && !fileExists(t.Config):
		data = config.Default().Data
	default:
		return "", "", fmt.Errorf("%w\n--data DIR does without the file", err)
	}
	if t.Data != "" {
		data = t.Data
	}
	return data, hostname, nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// actorName is who types, for the audit log.
func actorName() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}
	return fmt.Sprintf("cli:uid %d", os.Getuid())
}

// printer is where a command prints its result: as JSON for programs, or as
// text for people.
type printer struct {
	w     io.Writer
	notes io.Writer // what is not part of the result
	json  bool
}

// show prints v as JSON, or what text says.
func (o *printer) show(v any, text func(w io.Writer)) error {
	if o.json {
		e := json.NewEncoder(o.w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	b := bufio.NewWriter(o.w)
	text(b)
	return b.Flush()
}

// done says what was done, to people only.
func (o *printer) done(format string, args ...any) error {
	if o.json {
		return nil
	}
	_, err := fmt.Fprintln(o.w, clean(fmt.Sprintf(format, args...)))
	return err
}

// table prints rows in columns; the first row is their names. Cells come from
// anywhere, so that what could drive a terminal is taken out.
func table(w io.Writer, rows ...[]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				io.WriteString(tw, "\t")
			}
			io.WriteString(tw, clean(cell))
		}
		io.WriteString(tw, "\n")
	}
	tw.Flush()
}

// clean takes out control characters and those that change the direction of
// text.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return '\uFFFD'
		}
		return c
	}, s)
}

// first gets at most n items of a list, from as many pages as it takes.
func first[T any](n int, get func(admin.Paging) (admin.Page[T], error)) ([]T, error) {
	list := []T{}
	p := admin.Paging{}
	for len(list) < n {
		p.Limit = min(n-len(list), 500)
		page, err := get(p)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Items...)
		if p.Cursor = page.Next; p.Cursor == "" {
			break
		}
	}
	return list, nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// amount writes octets for people.
func amount(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 4 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}

func limit(n int64, format func(int64) string) string {
	if n == 0 {
		return "no limit"
	}
	return format(n)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// confirm lets a person type what is about to be lost. Programs say --yes.
func confirm(yes bool, what, lost string, notes io.Writer) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return usageError("removing " + what + " deletes " + lost + "; say --yes if that is meant")
	}
	fmt.Fprintf(notes, "This deletes %s. Type %s to go on: ", lost, what)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != what {
		return errors.New("nothing was removed")
	}
	return nil
}
