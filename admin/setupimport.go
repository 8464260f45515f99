package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/admin/push"
)

// SetupFile is the file that `mailstead export --settings` writes.
type SetupFile struct {
	Text   string `json:"text" maxLength:"8388608" doc:"The file of mailstead export --settings."`
	Invite bool   `json:"invite,omitempty" doc:"Make a link for each new person to set a password."`
	DryRun bool   `json:"dryRun,omitempty" doc:"Change nothing, and say what would be made and changed."`
}

// Verdicts of rows of a setup.
const (
	SetupMade    = "made"
	SetupChanged = "changed"
	SetupThere   = "there"
	SetupRefused = "refused"
	SetupLeftOut = "left-out"
)

// SetupRow is what came of one thing in the file.
type SetupRow struct {
	Kind    string      `json:"kind"`
	Name    string      `json:"name"`
	Verdict string      `json:"verdict" enum:"made,changed,there,left-out,refused" doc:"there: it is here already, and was left as it is."`
	Text    string      `json:"text,omitempty"`
	Invite  string      `json:"invite,omitempty" doc:"Link by which the person sets a password."`
	Secret  push.Secret `json:"secret,omitempty" doc:"What requests of a new webhook are signed with; shown only now."`
}

// SetupReport is what came of a file.
type SetupReport struct {
	DryRun  bool       `json:"dryRun,omitempty"`
	Done    bool       `json:"done" doc:"Without it nothing was changed: in a dry run, or because something was refused."`
	Rows    []SetupRow `json:"rows"`
	Made    int        `json:"made"`
	Changed int        `json:"changed"`
	There   int        `json:"there"`
	Refused int        `json:"refused"`
	ByHand  []string   `json:"byHand" doc:"What is left to do."`
}

// setupImport brings one file into a server.
type setupImport struct {
	setup  *movein.Setup
	people *peopleImport
	rows   []SetupRow // of all but people
	report SetupReport
	// What there is of what is not in the directory. It is read before the change:
	// whoever changes it waits for the directory.
	hooksHere    []Webhook
	channelsHere []AlertChannel
	// tellers make webhooks and alert channels, which are not in the directory:
	// they were checked, and are made after all else.
	tellers []func(context.Context, *Admin)

	in *Admin // within the change
}

// errSetupRefused takes a change back of which something was refused.
var errSetupRefused = errors.New("admin: a part of the file is refused")

// ImportSetup sets the server up as a file says. Things are made if they are
// missing; settings and junk policies become what the file says. If something
// is refused nothing is changed.
func (a *Admin) ImportSetup(ctx context.Context, f SetupFile) (SetupReport, error) {
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
		return SetupReport{}, err
	}
	setup, err := movein.ParseSetup(f.Text)
	if err != nil {
		return SetupReport{}, At("text", invalid("%v", err))
	}
	i := &setupImport{setup: setup, report: SetupReport{DryRun: f.DryRun, Rows: []SetupRow{}, ByHand: []string{}}}
	if i.people, err = a.newPeopleImport(ctx, setup.List(), PeopleList{Domains: true, Invite: f.Invite, DryRun: f.DryRun}); err != nil {
		return SetupReport{}, err
	}
	if err := i.look(ctx, a); err != nil {
		return SetupReport{}, err
	}
	err = a.together(ctx, f.DryRun, i.run)
	switch {
	case errors.Is(err, errSetupRefused):
		i.takeBack()
	case err != nil:
		return SetupReport{}, err
	case !f.DryRun:
		i.report.Done = true
		a.createPeople(ctx, i.people)
		for _, tell := range i.tellers {
			tell(context.WithoutCancel(ctx), a)
		}
	}
	i.sumUp()
	return i.report, nil
}

// look reads what there is of what is not in the directory.
func (i *setupImport) look(ctx context.Context, a *Admin) error {
	if len(i.setup.Webhooks) > 0 {
		page, err := a.Webhooks(ctx)
		if err != nil {
			return err
		}
		i.hooksHere = page.Items
	}
	if len(i.setup.Channels) > 0 {
		page, err := a.AlertChannels(ctx)
		if err != nil {
			return err
		}
		i.channelsHere = page.Items
	}
	return nil
}

// run does all in the order in which things lead to others.
func (i *setupImport) run(ctx context.Context, in *Admin) error {
	i.in = in
	if err := i.people.accounts(ctx, in); err != nil {
		return err
	}
	// Settings may lead to aliases, and aliases to the postmaster of the settings.
	people := i.people
	for _, step := range []func(context.Context) error{people.aliases, i.settings, people.aliases, people.end, i.lists, i.policies, i.webhooks, i.channels} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	i.secrets(ctx)
	if i.sumUp(); i.report.Refused > 0 {
		return errSetupRefused
	}
	i.peopleByHand()
	return ctx.Err()
}

// takeBack says of what was made and changed that it is not, as something else
// is refused; links of it lead nowhere.
func (i *setupImport) takeBack() {
	if i.report.DryRun {
		return // which is about what would be
	}
	i.report.ByHand = []string{}
	for n := range i.people.result.Rows {
		r := &i.people.result.Rows[n]
		if r.Invite = ""; r.Verdict == SetupMade {
			r.Verdict, r.Text = SetupLeftOut, notMade
		}
	}
	for n := range i.rows {
		r := &i.rows[n]
		if r.Verdict == SetupMade || r.Verdict == SetupChanged {
			r.Verdict, r.Text = SetupLeftOut, notMade
		}
	}
}

const notMade = "something else is refused, so that nothing was changed"

// add notes what came of one thing, and returns where.
func (i *setupImport) add(row SetupRow, err error) (at int) {
	if err != nil {
		row.Verdict, row.Text = SetupRefused, err.Error()
	}
	i.rows = append(i.rows, row)
	return len(i.rows) - 1
}

// sumUp makes the rows of the report, people first, and counts them.
func (i *setupImport) sumUp() {
	r := &i.report
	r.Rows = append(i.peopleRows(), i.rows...)
	n := map[string]int{}
	for _, row := range r.Rows {
		n[row.Verdict]++
	}
	r.Made, r.Changed, r.There, r.Refused = n[SetupMade], n[SetupChanged], n[SetupThere], n[SetupRefused]
}

func (i *setupImport) byHand(format string, args ...any) {
	i.report.ByHand = append(i.report.ByHand, fmt.Sprintf(format, args...))
}

// peopleRows are what came of domains, accounts and aliases.
func (i *setupImport) peopleRows() []SetupRow {
	rows := []SetupRow{}
	for _, row := range i.people.result.Rows {
		name := row.Address
		if len(row.Targets) > 0 {
			name += " → " + strings.Join(row.Targets, ", ")
		}
		rows = append(rows, SetupRow{Kind: row.Kind, Name: name, Verdict: row.Verdict, Text: row.Text, Invite: row.Invite})
	}
	return rows
}

// peopleByHand says what new domains and accounts need.
func (i *setupImport) peopleByHand() {
	made := map[string]int{}
	for _, row := range i.people.result.Rows {
		if row.Verdict == SetupMade {
			made[row.Kind]++
		}
	}
	var list []string
	if n := made["domain"]; n > 0 {
		list = append(list, plural(n, "domain is", "domains are")+" new, with DKIM keys of this server: `mailstead domain show NAME` prints the records that the DNS needs.")
	}
	if n := made["account"]; n > 0 && !i.people.list.Invite {
		list = append(list, plural(n, "new account needs", "new accounts need")+" a password: `mailstead account passwd ADDRESS` sets one.")
	}
	i.report.ByHand = append(list, i.report.ByHand...)
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}

// settings takes the settings of the file.
func (i *setupImport) settings(ctx context.Context) error {
	file, err := i.setup.SettingsFile()
	if err != nil || file == nil {
		return err
	}
	page, err := i.in.ImportSettings(ctx, file)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	for _, ch := range page.Items {
		i.add(SetupRow{Kind: "setting", Name: ch.Name, Verdict: SetupChanged, Text: cmp.Or(ch.Before, "-") + " → " + cmp.Or(ch.After, "-")}, nil)
	}
	return nil
}

// secrets names the settings whose secrets were set, and are not here.
func (i *setupImport) secrets(ctx context.Context) {
	for _, s := range i.setup.Secrets {
		st, err := i.in.Setting(ctx, s.Setting)
		if err == nil && !st.Secret {
			err = &directory.Problem{Kind: directory.ErrInvalid, Text: st.Name + " is no secret; write its value as that of other settings"}
		}
		if err != nil {
			i.add(SetupRow{Kind: "secret", Name: s.Setting}, err)
		} else if st.Value == "" {
			i.byHand("%s had a secret: `mailstead settings set %s -` reads it from standard input.", st.Name, st.Name)
		}
	}
}
