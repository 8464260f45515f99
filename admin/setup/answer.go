package setup

import (
	"context"
	"errors"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
)

// Answer takes the answer to a step, does what follows from it, and returns
// how everything stands then.
func (w *Wizard) Answer(ctx context.Context, step Step, in Input) (View, error) {
	do := map[Step]func(context.Context, *state, Input) error{
		Start: w.start, You: w.you, Server: w.server, Certificate: w.chooseCertificate, Mail: w.firstMail,
	}[step]
	if do == nil {
		return View{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is nothing to answer in the step " + string(step)}
	}
	ctx = asSetup(ctx)
	restart := false
	if err := w.change(ctx, func(s *state) error {
		err := do(ctx, s, in)
		restart = s.restart
		return err
	}); err != nil {
		return View{}, err
	}
	w.opts.Changed(step)
	v, err := w.View(ctx)
	if restart {
		v.Restarting = true
		w.opts.Reconfigure()
	}
	return v, err
}

// change keeps what fn makes of the state.
func (w *Wizard) change(ctx context.Context, fn func(*state) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.Open(ctx) {
		return &directory.Problem{Kind: ErrClosed, Text: "the first run is over; sign in to change things"}
	}
	s, err := w.load(ctx)
	if err != nil {
		return err
	}
	if err := fn(&s); err != nil {
		return err
	}
	return w.opts.Directory.PutState(ctx, stateName, s)
}

func (w *Wizard) start(_ context.Context, s *state, in Input) error {
	switch in.Goal {
	case GoalServe, GoalMove, GoalTry:
		s.Answers.Goal = in.Goal
		return nil
	}
	return field("goal", "choose serve, move or try")
}

// you makes the domain with its keys, and the owner's account. Another address
// later takes the place of the first.
func (w *Wizard) you(ctx context.Context, s *state, in Input) error {
	p, err := mail.ParseAddress(trim(in.Address))
	if err != nil || p.Domain.IsLiteral() || !strings.Contains(string(p.Domain), ".") {
		return field("address", "%q is not an address; write it as in ana@example.org", in.Address)
	}
	host, err := w.host(in.Host)
	if err != nil {
		return err
	}
	if s.Account != 0 && same(s.Answers.Address, p.String()) {
		s.Answers.Name = trim(in.Name)
		if in.Password != "" {
			err = admin.At("password", w.opts.Admin.SetPassword(ctx, p.String(), in.Password))
		}
	} else {
		err = w.owner(ctx, s, p, in)
	}
	if err != nil {
		return err
	}
	return w.rename(s, host)
}

// owner makes the domain and the account of an address, in place of those of
// the address before.
func (w *Wizard) owner(ctx context.Context, s *state, p mail.Path, in Input) error {
	if in.Password == "" {
		return field("password", "choose a password")
	}
	if _, err := w.opts.Admin.AddDomain(ctx, admin.NewDomain{Name: string(p.Domain)}); err != nil && !errors.Is(err, directory.ErrExists) {
		return admin.At("address", err)
	}
	a, err := w.opts.Admin.AddAccount(ctx, admin.NewAccount{Address: p.String(), Name: trim(in.Name), Password: in.Password, Role: string(directory.RoleOwner)})
	if err != nil {
		return errors.Join(err, w.drop(ctx, p.Domain, s.Answers.Address))
	}
	old := s.Answers.Address
	s.Account, s.Begun, s.Out = a.ID, w.opts.Now().UTC(), ""
	s.Answers.Address, s.Answers.Name = p.String(), a.Name
	if old == "" {
		return nil
	}
	if err := w.opts.Admin.RemoveAccount(ctx, old); err != nil {
		return err
	}
	return w.drop(ctx, mail.Domain(domainOf(old)), p.String())
}

// drop removes a domain that nobody has an address in, unless the address kept
// is in it.
func (w *Wizard) drop(ctx context.Context, d mail.Domain, kept string) error {
	if domainOf(kept) == string(d) {
		return nil
	}
	err := w.opts.Admin.RemoveDomain(ctx, string(d), false)
	if errors.Is(err, directory.ErrInUse) || errors.Is(err, directory.ErrNotFound) {
		return nil
	}
	return err
}

// server takes a way round what the machine cannot do.
func (w *Wizard) server(ctx context.Context, s *state, in Input) error {
	if in.GoOn != nil {
		s.Answers.GoOn = *in.GoOn
	}
	if in.ReceiveOnly != nil {
		value := map[bool]string{true: "true", false: "false"}[*in.ReceiveOnly]
		if _, err := w.opts.Admin.SetSetting(ctx, string(directory.ServerReceiveOnly), value); err != nil {
			return err
		}
		s.Answers.ReceiveOnly = *in.ReceiveOnly
	}
	if in.Relay == nil {
		return nil
	}
	return w.relay(ctx, s, *in.Relay)
}

// relay tries a relay, and sets it if it takes our login. One without a name
// is none.
func (w *Wizard) relay(ctx context.Context, s *state, r Relay) error {
	r.Host = trim(r.Host)
	if r.TLS == "" {
		r.TLS = "required"
	}
	if r.Host != "" && w.opts.TestRelay != nil {
		if err := w.opts.TestRelay(ctx, r); err != nil {
			return field("relay.host", "the relay did not take the login: %v", err)
		}
	}
	for _, set := range []struct {
		name  directory.TextSetting
		value string
	}{{directory.RelayTLS, r.TLS}, {directory.RelayLogin, r.Login}, {directory.RelayPassword, r.Password}, {directory.RelayHost, r.Host}} {
		if _, err := w.opts.Admin.SetSetting(ctx, string(set.name), set.value); errors.Is(err, admin.ErrReauth) {
			return err
		} else if err != nil {
			return field("relay", "%v", err)
		}
	}
	s.Answers.RelayHost = r.Host
	return nil
}

// firstMail sends the first message, or takes where it was found.
func (w *Wizard) firstMail(ctx context.Context, s *state, in Input) error {
	if in.Placement == "" {
		return w.send(ctx, s, in)
	}
	if s.Out == "" || w.opts.Placed == nil {
		return field("placement", "send a message first")
	}
	if err := w.opts.Placed(ctx, s.Out, in.Placement, s.Answers.Placement); err != nil {
		return admin.At("placement", err)
	}
	s.Answers.Placement = in.Placement
	return nil
}

// send sends the first message.
func (w *Wizard) send(ctx context.Context, s *state, in Input) error {
	to, err := mail.ParseAddress(trim(in.SendTo))
	if err != nil || to.Domain == "" {
		return field("sendTo", "%q is not an address; write one of yours elsewhere", in.SendTo)
	}
	from, err := mail.ParseAddress(s.Answers.Address)
	if err != nil {
		return &directory.Problem{Kind: directory.ErrInvalid, Text: "choose your own address first"}
	}
	if w.opts.Send == nil {
		return &directory.Problem{Kind: admin.ErrUnavailable, Text: "only a running server sends; write the message in your mail program"}
	}
	if s.Out, err = w.opts.Send(ctx, from, to); err != nil {
		return err
	}
	s.Answers.SendTo, s.Answers.Placement = to.String(), ""
	return nil
}

// Check looks at what a step is about now.
func (w *Wizard) Check(ctx context.Context, step Step) (View, error) {
	if err := w.refresh(asSetup(ctx), step); err != nil {
		return View{}, err
	}
	w.opts.Changed(step)
	return w.View(ctx)
}

// refresh is Check without telling anybody.
func (w *Wizard) refresh(ctx context.Context, step Step) error {
	s, err := w.load(ctx)
	if err != nil {
		return err
	}
	switch domain := domainOf(s.Answers.Address); {
	case step == You && domain != "" && w.opts.Checker != nil:
		_, err = w.Survey(ctx, domain)
	case step == Server:
		_, err = w.opts.Admin.RunChecks(ctx, w.serverChecks(ctx))
	case step == DNS && domain != "":
		_, err = w.opts.Admin.CheckDNS(ctx, domain)
	}
	return err
}

// Survey looks at a domain before anything is made.
func (w *Wizard) Survey(ctx context.Context, domain string) (dnsadvice.Survey, error) {
	d, err := mail.ParseDomain(trim(domain))
	if err != nil || d.IsLiteral() {
		return dnsadvice.Survey{}, field("domain", "%q is not a domain name; write it as in example.org", domain)
	}
	if w.opts.Checker == nil {
		return dnsadvice.Survey{}, &directory.Problem{Kind: admin.ErrUnavailable, Text: "only a running server asks the DNS"}
	}
	s := w.opts.Checker.Survey(ctx, string(d), string(w.opts.Hostname))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.survey = &s
	return s, nil
}

// serverChecks are the checks of the step server.
func (w *Wizard) serverChecks(ctx context.Context) []string {
	r, err := w.opts.Admin.Checks(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for _, c := range ofServer(r, w.opts.Now()).Items {
		ids = append(ids, c.ID)
	}
	return ids
}
