package setup

import (
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/dnsadvice"
)

// Step names a step of the wizard.
type Step string

const (
	Start       Step = "start"
	You         Step = "you"
	Server      Step = "server"
	DNS         Step = "dns"
	Certificate Step = "certificate"
	Mail        Step = "mail"
	Done        Step = "done"
)

// Steps are all steps in their order.
func Steps() []Step { return []Step{Start, You, Server, DNS, Certificate, Mail, Done} }

var titles = map[Step]string{
	Start: "Start", You: "Your address", Server: "Server check", DNS: "DNS", Certificate: "Certificate", Mail: "First mail", Done: "Done",
}

// State says how a step stands.
type State string

const (
	Todo    State = "todo"    // nothing is known or answered yet
	Waiting State = "waiting" // for something that others do
	Warn    State = "warn"    // works, with something to do later
	OK      State = "ok"
)

// StepView is a step as people see it.
type StepView struct {
	ID    Step   `json:"id" enum:"start,you,server,dns,certificate,mail,done"`
	Title string `json:"title"`
	State State  `json:"state" enum:"todo,waiting,warn,ok"`
}

// Inputs are what Progress judges by.
type Inputs struct {
	Answers     Answers
	Server      *checks.Summary
	DNS         *dnsadvice.Report
	Certificate CertificateView
	Mail        MailView
	Finished    bool
}

// Progress says how the steps stand, and which is the first that is not done.
func Progress(in Inputs) (steps []StepView, next Step) {
	next = Done
	for _, id := range Steps() {
		v := StepView{ID: id, Title: titles[id], State: in.state(id)}
		if next == Done && v.State != OK && v.State != Warn {
			next = id
		}
		steps = append(steps, v)
	}
	return steps, next
}

func (in *Inputs) state(id Step) State {
	a := in.Answers
	switch id {
	case Start:
		return okIf(a.Goal != "")
	case You:
		return okIf(a.Address != "")
	case Server:
		return in.server()
	case DNS:
		switch {
		case in.DNS == nil || in.DNS.CheckedAt.IsZero():
			return Todo
		case in.DNS.Summary.Failing > 0:
			return Waiting
		case in.DNS.Summary.Of == 0:
			return Waiting
		}
		return OK
	case Certificate:
		switch {
		case in.Certificate.Trusted:
			return OK
		case a.Goal == GoalTry || a.OwnCertificate:
			return Warn
		case a.Address == "":
			return Todo
		}
		return Waiting
	case Mail:
		return in.mail()
	}
	return okIf(in.Finished)
}

func okIf(done bool) State {
	if done {
		return OK
	}
	return Todo
}

// server is done when nothing fails, or the person goes on all the same.
func (in *Inputs) server() State {
	switch {
	case in.Server == nil || in.Server.State == checks.Unknown:
		if in.Answers.GoOn {
			return Warn
		}
		return Todo
	case in.Server.State == checks.OK:
		return OK
	case in.Server.State == checks.Warn || in.Answers.GoOn:
		return Warn
	}
	return Waiting
}

// mail is done when a message came in and one went out, where this server
// sends.
func (in *Inputs) mail() State {
	out := in.Mail.Out != nil && in.Mail.Out.Done
	switch {
	case in.Mail.In != nil && in.Mail.In.Done && (out || in.Answers.ReceiveOnly):
		return OK
	case in.Mail.In != nil || in.Mail.Out != nil:
		return Waiting
	case in.Answers.Address == "":
		return Todo
	}
	return Waiting
}
