package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/setup"
)

// answers are what --answers reads. The password may be in a file of its own.
type answers struct {
	Goal         string       `toml:"goal"`
	Address      string       `toml:"address"`
	Name         string       `toml:"name"`
	Password     string       `toml:"password"`
	PasswordFile string       `toml:"password_file"`
	ReceiveOnly  bool         `toml:"receive_only"`
	Relay        *relayAnswer `toml:"relay"`
}

type relayAnswer struct {
	Host     string `toml:"host"`
	TLS      string `toml:"tls"`
	Login    string `toml:"login"`
	Password string `toml:"password"`
}

// readAnswers reads the file. Unknown keys are errors: a mistake must not pass
// as an answer.
func readAnswers(file string) (answers, error) {
	a := answers{Goal: setup.GoalServe}
	b, err := os.ReadFile(file)
	if err != nil {
		return a, err
	}
	if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&a); err != nil {
		if missing := new(toml.StrictMissingError); errors.As(err, &missing) {
			return a, fmt.Errorf("%s: there is no answer %s; there are goal, address, name, password, password_file, receive_only and [relay]", file, strings.Join(missing.Errors[0].Key(), "."))
		}
		return a, fmt.Errorf("%s: %w", file, err)
	}
	if a.PasswordFile != "" {
		p, err := os.ReadFile(a.PasswordFile)
		if err != nil {
			return a, err
		}
		a.Password = strings.TrimRight(string(p), "\r\n")
	}
	return a, nil
}

// questions asks in the terminal.
type questions struct {
	out io.Writer
	in  *bufio.Reader
}

func newQuestions(s streams) *questions { return &questions{s.err, bufio.NewReader(os.Stdin)} }

func (q *questions) line(prompt string) (string, error) {
	fmt.Fprint(q.out, prompt)
	text, err := q.in.ReadString('\n')
	if err != nil && (text == "" || !errors.Is(err, io.EOF)) {
		return "", usageError("there is nobody to ask; say --yes, or --answers FILE")
	}
	return strings.TrimSpace(text), nil
}

// secret is line without showing what is typed.
func (q *questions) secret(prompt string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return q.line(prompt)
	}
	fmt.Fprint(q.out, prompt)
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(q.out)
	return string(b), err
}

// read asks for what the file would say.
func (q *questions) read(rule setup.PasswordRule) (a answers, err error) {
	a.Goal = setup.GoalServe
	if a.Address, err = q.line("Your address, as in ana@example.org: "); err != nil {
		return a, err
	}
	if a.Name, err = q.line("Your name: "); err != nil {
		return a, err
	}
	a.Password, err = q.secret(fmt.Sprintf("A password, at least %d characters: ", rule.MinLength))
	return a, err
}

// given returns the answers of the file, nil if there is none.
func (c *setupCmd) given() (*answers, error) {
	if c.Answers == "" {
		return nil, nil
	}
	a, err := readAnswers(c.Answers)
	return &a, err
}

// ask leads through the wizard by text. given is nil if nobody has answered yet.
func (c *setupCmd) ask(ctx context.Context, s streams, w wizard, given *answers) error {
	v, err := w.Setup(ctx)
	if err != nil {
		return err
	}
	if !v.Open {
		return errors.New("this server is set up already; sign in at its console")
	}
	if given == nil {
		a, err := newQuestions(s).read(v.Password)
		if err != nil {
			return err
		}
		given = &a
	}
	a := *given
	for _, step := range []struct {
		id setup.Step
		in setup.Input
	}{
		{setup.Start, setup.Input{Goal: a.Goal}},
		{setup.You, setup.Input{Address: a.Address, Name: a.Name, Password: a.Password}},
		{setup.Server, a.server()},
	} {
		if v, err = w.AnswerSetup(ctx, step.id, step.in); err != nil {
			return fmt.Errorf("%s: %w", step.id, err)
		}
	}
	for _, step := range []setup.Step{setup.Server, setup.DNS} {
		if v, err = w.CheckSetup(ctx, step); err != nil && !errors.Is(err, admin.ErrUnavailable) {
			return err
		}
	}
	if err := w.FinishSetup(ctx); err != nil {
		return err
	}
	describeSetup(s.out, v)
	return nil
}

func (a *answers) server() setup.Input {
	in := setup.Input{ReceiveOnly: &a.ReceiveOnly}
	if a.Relay != nil {
		in.Relay = &setup.Relay{Host: a.Relay.Host, TLS: a.Relay.TLS, Login: a.Relay.Login, Password: a.Relay.Password}
	}
	return in
}

// describeSetup says what is done, and what is left to do.
func describeSetup(w io.Writer, v setup.View) {
	if v.Checks != nil {
		printChecks(w, *v.Checks)
	}
	if v.DNS != nil {
		fmt.Fprintf(w, "\nPublish these records in the DNS (`mailstead domain check %s` compares):\n", v.DNS.Domain)
		for _, r := range v.DNS.Records() {
			if r.State != dnsadvice.OK && r.ZoneFile != "" {
				fmt.Fprintf(w, "\n  ; %s\n  %s\n", clean(r.Why), r.ZoneFile)
			}
		}
	}
	fmt.Fprintf(w, "\n%s is the owner of this server. If nobody can sign in any more:\n", clean(v.Answers.Address))
	for _, line := range setup.Recovery(v.Answers.Address) {
		fmt.Fprintf(w, "  %s\n", clean(line))
	}
}

// askHere leads through the wizard on the data itself, without a server.
func (c *setupCmd) askHere(ctx context.Context, s streams, cfg config.Config, given *answers) error {
	if err := becomeOwner(cfg.Data); err != nil {
		return err
	}
	nc, err := nodeConfigFrom(cfg, listeners{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	n, err := openNode(nc)
	if err != nil {
		return err
	}
	err = c.ask(ctx, s, localWizard{n.wizard}, given)
	if err == nil {
		fmt.Fprintln(s.out, "\nStart the server now: `mailstead serve`, or its service.")
	}
	return errors.Join(err, n.close())
}

// localWizard is the wizard of this process.
type localWizard struct{ w *setup.Wizard }

func (l localWizard) Setup(ctx context.Context) (setup.View, error) { return l.w.View(ctx) }
func (l localWizard) AnswerSetup(ctx context.Context, step setup.Step, in setup.Input) (setup.View, error) {
	return l.w.Answer(ctx, step, in)
}
func (l localWizard) CheckSetup(ctx context.Context, step setup.Step) (setup.View, error) {
	return l.w.Check(ctx, step)
}
func (l localWizard) FinishSetup(ctx context.Context) error {
	_, err := l.w.Finish(ctx)
	if errors.Is(err, directory.ErrInvalid) {
		return fmt.Errorf("the first run is not complete: %w", err)
	}
	return err
}
