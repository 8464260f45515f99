package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
)

// Goals of a server.
const (
	GoalServe = "serve" // my domain
	GoalMove  = "move"  // from another server: mail comes over before MX is switched
	GoalTry   = "try"   // just a look
)

// Answers are what a person has answered; they hold no secret.
type Answers struct {
	Goal           string `json:"goal,omitempty" enum:"serve,move,try"`
	Address        string `json:"address,omitempty"`
	Name           string `json:"name,omitempty"`
	Host           string `json:"host,omitempty"`
	RelayHost      string `json:"relayHost,omitempty"`
	ReceiveOnly    bool   `json:"receiveOnly,omitempty"`
	GoOn           bool   `json:"goOn,omitempty" doc:"Go on although a check of the server fails."`
	AcceptTerms    bool   `json:"acceptTerms,omitempty" doc:"Of the certificate authority."`
	Contact        string `json:"contact,omitempty" doc:"Where the certificate authority can reach a person."`
	OwnCertificate bool   `json:"ownCertificate,omitempty" doc:"Go on with the certificate that nobody else trusts."`
	SendTo         string `json:"sendTo,omitempty" doc:"Where the first message went."`
	Placement      string `json:"placement,omitempty" enum:"inbox,junk" doc:"Where it was found there."`
}

// Input is the answer to one step; fields of other steps are ignored.
type Input struct {
	Goal string `json:"goal,omitempty" enum:"serve,move,try" doc:"start"`

	Address  string `json:"address,omitempty" doc:"you: the first address, as in ana@example.org"`
	Name     string `json:"name,omitempty" doc:"you"`
	Password string `json:"password,omitempty" doc:"you"`
	Host     string `json:"host,omitempty" doc:"you: the name of this server, as in mail.example.org; it has another one from then on, if it differs"`

	Relay       *Relay `json:"relay,omitempty" doc:"server: hand all mail to this one"`
	ReceiveOnly *bool  `json:"receiveOnly,omitempty" doc:"server"`
	GoOn        *bool  `json:"goOn,omitempty" doc:"server: go on although a check fails"`

	ACME           *ACME `json:"acme,omitempty" doc:"certificate: get one, and renew it"`
	OwnCertificate *bool `json:"ownCertificate,omitempty" doc:"certificate: go on without one that others trust"`

	SendTo    string `json:"sendTo,omitempty" doc:"mail: send a first message there"`
	Placement string `json:"placement,omitempty" enum:"inbox,junk" doc:"mail: where the first message was found there"`
}

// Relay is a server that takes all our mail.
type Relay struct {
	Host     string `json:"host" doc:"As in smtp.example.com:587."`
	TLS      string `json:"tls,omitempty" enum:"required,implicit,opportunistic"`
	Login    string `json:"login,omitempty"`
	Password string `json:"password,omitempty"`
}

// String keeps the password out of logs.
func (r Relay) String() string { return r.Host }

// ACME is what a certificate authority wants to know.
type ACME struct {
	AcceptTerms bool   `json:"acceptTerms" doc:"Of the authority; see CertificateView.terms."`
	Contact     string `json:"contact,omitempty" doc:"An address where it can reach a person."`
	Now         bool   `json:"now,omitempty" doc:"Order it although the name does not lead here yet, as far as is known."`
}

// Message is the first message in one direction.
type Message struct {
	Trace string    `json:"trace"` // its story
	From  string    `json:"from"`
	To    []string  `json:"to"`
	At    time.Time `json:"at"`
	State string    `json:"state"` // outcome so far: "accepted", "deferred", "delivered", "bounced", "refused"
	Text  string    `json:"text,omitempty"`
	Done  bool      `json:"done"`
	// Story is what happened to it, without the lines of dialogues.
	Story []admin.StoryLine `json:"story"`
}

// MailView is the step mail.
type MailView struct {
	In  *Message `json:"in,omitempty"`
	Out *Message `json:"out,omitempty"`
}

// CertificateView is the step certificate.
type CertificateView struct {
	Trusted   bool   `json:"trusted"`
	Automatic bool   `json:"automatic" doc:"This server gets one and renews it by itself."`
	Text      string `json:"text"`
	Problem   string `json:"problem,omitempty" doc:"Why the last try failed; it is tried again."`
	// Terms are those that somebody has to accept; "" if this server does not
	// get certificates from an authority, or they are accepted.
	Terms string `json:"terms,omitempty" doc:"Address of the authority's terms, if they are to be accepted first."`
	Waits bool   `json:"waits,omitempty" doc:"It is ordered as soon as the name leads here."`
}

// ConfigurationView says where the configuration is that the wizard has
// changed.
type ConfigurationView struct {
	File   string `json:"file"`
	Backup string `json:"backup,omitempty" doc:"The file as it was."`
	Paste  string `json:"paste,omitempty" doc:"The server may not write its configuration file: lines to paste there, to have all in one place. They count already."`
}

// View is the whole wizard.
type View struct {
	Open        bool               `json:"open"`
	Step        Step               `json:"step" enum:"start,you,server,dns,certificate,mail,done" doc:"The first that is not done."`
	Steps       []StepView         `json:"steps"`
	Hostname    string             `json:"hostname"`
	Answers     Answers            `json:"answers"`
	Password    PasswordRule       `json:"password"`
	Survey      *dnsadvice.Survey  `json:"survey,omitempty"`
	Suggest     string             `json:"suggestHost,omitempty"`
	Checks      *admin.CheckReport `json:"checks,omitempty"`
	DNS         *dnsadvice.Report  `json:"dns,omitempty"`
	Certificate CertificateView    `json:"certificate"`
	Mail        MailView           `json:"mail"`
	Home        string             `json:"home,omitempty" doc:"Where the pages are under the name of this server."`
	Restarting  bool               `json:"restarting,omitempty" doc:"The server begins anew with another configuration; ask again in a second."`
	Changed     *ConfigurationView `json:"configuration,omitempty" doc:"What the wizard has written."`
	Recovery    []string           `json:"recovery,omitempty" doc:"Commands for when nobody can sign in."`
}

// PasswordRule is what a password needs.
type PasswordRule struct {
	MinLength int `json:"minLength"`
}

// Options of a Wizard; Admin and Directory are needed.
type Options struct {
	Admin     *admin.Admin
	Directory *directory.Directory
	Hostname  mail.Domain
	Checker   *dnsadvice.Checker // for what the DNS says of a domain; nil: nothing
	// Send hands a first message from an address to the queue, and returns its
	// trace. nil: the person writes it in a mail program.
	Send func(ctx context.Context, from, to mail.Path) (trace string, err error)
	// Placed counts where a message was found, by its trace: "inbox" or "junk",
	// in place of before. nil: nobody counts.
	Placed func(ctx context.Context, trace, placement, before string) error
	// TestRelay logs in at a relay. nil: it is not tried.
	TestRelay func(ctx context.Context, r Relay) error
	// Mode is where certificates come from now, as config has it.
	Mode string
	// Terms are where those of the certificate authority are read.
	Terms string
	// Home is where the pages are under Hostname; "" if there are none.
	Home string
	// Choose sets fields of the configuration file, which count when Reconfigure
	// has had the server begin anew. nil: the wizard cannot change it.
	Choose      func(choices ...config.Choice) (config.Written, error)
	Reconfigure func()
	// Changed is told when something in the view has changed.
	Changed func(step Step)

	Now    func() time.Time
	Logger *slog.Logger
}

// Wizard leads through the first run. Its methods may be called concurrently.
type Wizard struct {
	opts Options

	mu     sync.Mutex
	survey *dnsadvice.Survey
}

// stateName is where the wizard's state is kept.
const stateName = "setup"

// state is what is kept.
type state struct {
	Answers  Answers
	Account  uint32    // the owner
	Begun    time.Time // when the address was made
	Out      string    // trace of the first message out
	Ordered  bool      // a certificate, from an authority
	Written  config.Written
	Finished time.Time

	restart bool // what was chosen counts when the server begins anew
}

// ErrClosed means that the first run is over.
var ErrClosed = errors.New("setup: the first run is over")

// New makes a Wizard.
func New(o Options) *Wizard {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(Step) {}
	}
	return &Wizard{opts: o}
}

func (w *Wizard) load(ctx context.Context) (s state, err error) {
	_, err = w.opts.Directory.State(ctx, stateName, &s)
	return s, err
}

// Open reports whether the server has no owner yet, or the wizard was begun
// and not finished.
func (w *Wizard) Open(ctx context.Context) bool {
	s, err := w.load(ctx)
	if err != nil || !s.Finished.IsZero() {
		return false
	}
	_, accounts := w.opts.Directory.Counts()
	return s.Account != 0 || accounts == 0
}

// asSetup is what the wizard changes things as.
func asSetup(ctx context.Context) context.Context { return admin.AsOwner(ctx, "setup") }

// View says how everything stands, by what was found last.
func (w *Wizard) View(ctx context.Context) (View, error) {
	s, err := w.load(ctx)
	if err != nil {
		return View{}, err
	}
	ctx = asSetup(ctx)
	v := View{Open: w.Open(ctx), Hostname: string(w.opts.Hostname), Answers: s.Answers, Home: w.opts.Home,
		Password: PasswordRule{int(w.opts.Directory.Int(directory.PasswordMinLength))}}
	w.mu.Lock()
	v.Survey = w.survey
	w.mu.Unlock()
	if domain := domainOf(s.Answers.Address); domain != "" {
		v.Suggest = dnsadvice.SuggestHost(domain)
		if r, err := w.opts.Admin.DomainDNS(ctx, domain); err == nil {
			v.DNS = &r
		}
	}
	if r, err := w.opts.Admin.Checks(ctx); err == nil {
		r = ofServer(r, w.opts.Now())
		v.Checks = &r
	}
	v.Certificate = w.certificate(ctx, &s)
	if s.Written.File != "" {
		v.Changed = &ConfigurationView{s.Written.File, s.Written.Backup, s.Written.Paste}
	}
	if v.Mail, err = w.mail(ctx, s); err != nil {
		return View{}, err
	}
	in := Inputs{Answers: s.Answers, DNS: v.DNS, Certificate: v.Certificate, Mail: v.Mail, Finished: !s.Finished.IsZero()}
	if v.Checks != nil {
		in.Server = &v.Checks.Summary
	}
	v.Steps, v.Step = Progress(in)
	if s.Answers.Address != "" {
		v.Recovery = Recovery(s.Answers.Address)
	}
	return v, nil
}

// ofServer leaves out the checks that have steps of their own.
func ofServer(r admin.CheckReport, now time.Time) admin.CheckReport {
	var kept []checks.Result
	for _, c := range r.Items {
		if c.Domain == "" && c.ID != "certificate" && c.ID != "hostname" && c.ID != "queue" {
			kept = append(kept, c)
		}
	}
	return admin.CheckReport{Summary: checks.Summarize(kept, now), Items: kept}
}

func domainOf(address string) string {
	p, err := mail.ParseAddress(address)
	if err != nil {
		return ""
	}
	return string(p.Domain)
}

// Recovery are the commands of the recovery kit; they work on the server, for
// root, whether it runs or not.
func Recovery(address string) []string {
	return []string{
		"mailstead account passwd " + address,
		"mailstead account set " + address + " --role owner",
		"mailstead ban list",
		"mailstead doctor",
		"mailstead backup key",
		"mailstead setup",
	}
}

func field(name, format string, a ...any) error {
	return admin.At(name, &directory.Problem{Kind: directory.ErrInvalid, Text: fmt.Sprintf(format, a...)})
}

func trim(s string) string { return strings.TrimSpace(s) }
