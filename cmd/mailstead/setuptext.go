package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/mail"
)

// answers are what --answers reads. The password may be in a file of its own.
type answers struct {
	Goal         string       `toml:"goal"`
	Address      string       `toml:"address"`
	Name         string       `toml:"name"`
	Password     string       `toml:"password"`
	PasswordFile string       `toml:"password_file"`
	Host         string       `toml:"host"`         // of this server; "": it keeps the one it has
	AcceptTerms  *bool        `toml:"accept_terms"` // of the certificate authority; nil: nobody has said
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
		return a, badAnswers(file, err)
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

// badAnswers says what in the file is wrong, and what would be right.
func badAnswers(file string, err error) error {
	if missing := new(toml.StrictMissingError); errors.As(err, &missing) {
		return fmt.Errorf("%s: there is no answer %s; there are goal, address, name, password, password_file, host, accept_terms, receive_only and [relay]", file, strings.Join(missing.Errors[0].Key(), "."))
	}
	wrong := new(toml.DecodeError)
	if !errors.As(err, &wrong) {
		return fmt.Errorf("%s: %w", file, err)
	}
	line, _ := wrong.Position()
	if key := wrong.Key(); len(key) > 0 {
		return fmt.Errorf("%s, line %d: %s has a value of the wrong kind; accept_terms and receive_only are true or false, all others are texts in quotes", file, line, strings.Join(key, "."))
	}
	return fmt.Errorf("%s, line %d: %w", file, line, err)
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

// yes asks until somebody says yes or no.
func (q *questions) yes(prompt string) (bool, error) {
	for {
		answer, err := q.line(prompt + " [y/n] ")
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
	}
}

// read asks for what the file would say.
func (q *questions) read(v setup.View) (a answers, err error) {
	a.Goal = setup.GoalServe
	if a.Address, err = q.line("Your address, as in ana@example.org: "); err != nil {
		return a, err
	}
	if a.Name, err = q.line("Your name: "); err != nil {
		return a, err
	}
	if a.Password, err = q.secret(fmt.Sprintf("A password, at least %d characters: ", v.Password.MinLength)); err != nil {
		return a, err
	}
	host := suggestHost(a.Address, v.Hostname)
	if a.Host, err = q.line(fmt.Sprintf("The name of this server [%s]: ", host)); err != nil {
		return a, err
	}
	if a.Host == "" {
		a.Host = host
	}
	if v.Certificate.Terms == "" {
		return a, nil
	}
	accept, err := q.accepts(v.Certificate.Terms)
	a.AcceptTerms = &accept
	return a, err
}

// accepts asks for the terms of the certificate authority, by their address.
func (q *questions) accepts(terms string) (bool, error) {
	fmt.Fprintf(q.out, "The server can get a certificate that others trust, and renew it by itself. The terms of the authority are at\n"+
		"  %s\nWithout it the server shows a certificate of its own: browsers and mail programs warn of that.\n", clean(terms))
	return q.yes("Do you accept the terms?")
}

// suggestHost is a name for the server of an address: the one it has, if that
// is in the domain.
func suggestHost(address, is string) string {
	p, err := mail.ParseAddress(address)
	domain := strings.ToLower(string(p.Domain))
	if err != nil || !strings.Contains(domain, ".") || strings.HasSuffix(is, "."+domain) {
		return is
	}
	return dnsadvice.SuggestHost(domain)
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
		a, err := newQuestions(s).read(v)
		if err != nil {
			return err
		}
		given = &a
	}
	if v, err = given.carryOut(ctx, w, v); err != nil {
		return err
	}
	if err := w.FinishSetup(ctx); err != nil {
		return err
	}
	describeSetup(s.out, v)
	return nil
}

// carryOut gives the answers in the order of the wizard's steps. v is how
// everything stands before.
func (a *answers) carryOut(ctx context.Context, w wizard, v setup.View) (setup.View, error) {
	certificate, err := a.certificate(v)
	if err != nil {
		return v, err
	}
	for _, step := range []struct {
		id setup.Step
		in setup.Input
	}{
		{setup.Start, setup.Input{Goal: a.Goal}},
		{setup.You, setup.Input{Address: a.Address, Name: a.Name, Password: a.Password, Host: a.Host}},
		{setup.Server, a.server()},
	} {
		if v, err = w.AnswerSetup(ctx, step.id, step.in); err != nil {
			return v, fmt.Errorf("%s: %w", step.id, err)
		}
	}
	for _, step := range []setup.Step{setup.Server, setup.DNS} {
		switch checked, err := w.CheckSetup(ctx, step); {
		case err == nil:
			v = checked
		case !errors.Is(err, admin.ErrUnavailable):
			return v, err
		}
	}
	if certificate == nil {
		return v, nil
	}
	after, err := w.AnswerSetup(ctx, setup.Certificate, *certificate)
	if err != nil {
		return v, fmt.Errorf("%s: %w", setup.Certificate, err)
	}
	v.Certificate, v.Changed = after.Certificate, after.Changed // a server that has begun anew knows no checks yet
	return v, nil
}

// certificate is the answer to that step, nil if there is none to give.
func (a *answers) certificate(v setup.View) (*setup.Input, error) {
	yes := true
	switch asked := v.Certificate.Terms != "" || v.Answers.AcceptTerms; {
	case a.AcceptTerms == nil, v.Certificate.Automatic, !asked && !*a.AcceptTerms:
		return nil, nil
	case !asked:
		return nil, errors.New("accept_terms: the configuration file has certificates for this server, so that it asks no authority; leave accept_terms out, or set tls.mode to \"acme\" there")
	case !*a.AcceptTerms:
		return &setup.Input{OwnCertificate: &yes}, nil
	}
	return &setup.Input{ACME: &setup.ACME{AcceptTerms: true, Contact: a.Address}}, nil
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
	describeCertificate(w, v)
	fmt.Fprintf(w, "\n%s is the owner of this server. If nobody can sign in any more:\n", clean(v.Answers.Address))
	for _, line := range setup.Recovery(v.Answers.Address) {
		fmt.Fprintf(w, "  %s\n", clean(line))
	}
}

// describeCertificate says which certificate there will be, and where that is
// written.
func describeCertificate(w io.Writer, v setup.View) {
	switch host := clean(v.Hostname); {
	case v.Certificate.Trusted:
	case v.Certificate.Automatic:
		fmt.Fprintf(w, "\nThe server gets a certificate for %s and renews it by itself.\n", host)
	case v.Certificate.Waits:
		fmt.Fprintf(w, "\nThe server gets a certificate by itself as soon as the DNS has its address under %s.\n", host)
	case v.Certificate.Terms != "":
		fmt.Fprintf(w, "\nThe certificate of %s is the server's own: browsers and mail programs warn of it. For another see tls.mode in the configuration file.\n", host)
	}
	switch ch := v.Changed; {
	case ch == nil:
	case ch.Paste != "":
		fmt.Fprintf(w, "\nWhat you chose is in %s and counts. To have all in one place, write these lines into the configuration file:\n\n%s\n", clean(ch.File), strings.TrimSpace(ch.Paste))
	default:
		fmt.Fprintf(w, "\nWhat you chose is written into %s.\n", clean(ch.File))
	}
}
