package dmarc

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// Method says what authenticated an identifier.
type Method uint8

const (
	SPF Method = iota
	DKIM
)

// Identifier is a domain that SPF (for MAIL FROM) or a DKIM signature stands
// for. Pass says that it is authenticated. Pending says that DNS trouble kept
// the check from its end; other failed checks are no identifiers.
type Identifier struct {
	Method  Method
	Domain  mail.Domain
	Pass    bool
	Pending bool
}

// Result is what an evaluation found out.
type Result struct {
	mail.AuthResult             // Method "dmarc": pass, fail, none, temperror
	Author          mail.Domain // domain of the From field
	OrgDomain       mail.Domain // organizational domain of Author, if it had to be found
	PolicyDomain    mail.Domain // where Record stands, empty if there is none
	Record          Record
	Policy          Policy       // what Record asks for Author
	Disposition     Policy       // what to do: None if it passed, milder than Policy in test mode
	Override        Override     // why Disposition is milder than Policy, empty if it is not
	Aligned         []Identifier // why it passed
	Err             error        // the cause of a temperror, for our own log
}

// Evaluate checks one author domain against the identifiers of a message.
// Where DNS trouble leaves it open whether the message passes, the result is
// temperror and the disposition none (RFC 9989 section 5.3.6).
func Evaluate(ctx context.Context, resolver dns.Resolver, author mail.Domain, ids []Identifier) Result {
	e := &evaluation{
		finder: finder{ctx: ctx, resolver: resolver, asked: make(map[mail.Domain]*finding)},
		result: Result{Author: author, Disposition: None},
	}
	e.result.Method = "dmarc"
	e.result.Props = []mail.AuthProp{{Type: "header", Name: "from", Value: string(author)}}
	if err := e.run(ids); err != nil {
		e.set("temperror", "temporary DNS trouble")
		e.result.Disposition, e.result.Err = None, err
	}
	return e.result
}

// evaluation is the work on one author.
type evaluation struct {
	finder
	result Result
	found  []finding // by the walk from the author, if it was made
}

func (e *evaluation) set(result, comment string) {
	e.result.Result, e.result.Comment = result, comment
}

// run returns an error for DNS trouble.
func (e *evaluation) run(ids []Identifier) error {
	if err := e.discover(); err != nil {
		return err
	}
	r := &e.result
	if r.PolicyDomain == "" || r.Record.Inapplicable {
		e.set("none", "no usable policy of "+string(r.Author))
		return nil
	}
	pending, err := e.align(ids)
	switch {
	case len(r.Aligned) > 0: // whatever became of the others
	case err != nil:
		return err
	case pending:
		return errPending
	}
	if err := e.choosePolicy(); err != nil {
		if len(r.Aligned) == 0 {
			return err
		}
		r.Policy = r.Record.policyFor(true, true)
	}
	if len(r.Aligned) > 0 {
		e.set("pass", "p="+string(r.Policy))
		return nil
	}
	r.Disposition = r.Policy
	if r.Record.Testing {
		r.Disposition = r.Policy.milder()
	}
	e.set("fail", fmt.Sprintf("p=%s of %s", r.Policy, r.PolicyDomain))
	if r.Disposition != r.Policy {
		r.Override = TestMode
		r.Comment += ", in test mode"
	}
	r.Props = append(r.Props, mail.AuthProp{Type: "policy", Name: "dmarc", Value: string(r.Disposition)})
	return nil
}

var errPending = errors.New("an aligned identifier could not be checked")

// discover finds the record that applies to the author. Where the author's
// own domain has one, nothing above it is asked for yet.
func (e *evaluation) discover() error {
	own, err := e.at(e.result.Author)
	if err != nil {
		return err
	}
	if own == nil {
		if err := e.walkAuthor(); err != nil {
			return err
		}
		own = applicable(e.result.Author, e.result.OrgDomain, e.found)
	}
	if own != nil {
		e.result.PolicyDomain, e.result.Record = own.domain, own.record
	}
	return nil
}

func (e *evaluation) walkAuthor() (err error) {
	if e.result.OrgDomain != "" {
		return nil
	}
	if e.found, err = e.walk(e.result.Author); err != nil {
		return err
	}
	e.result.OrgDomain = organizational(e.result.Author, e.found)
	return nil
}

// align finds the identifiers that are aligned with the author (RFC 9989
// section 4.4). Identical domains are so in every mode, which saves the walk.
// pending says that one is aligned whose check was not brought to its end.
func (e *evaluation) align(ids []Identifier) (pending bool, err error) {
	for _, id := range ids {
		if id.Domain == e.result.Author {
			e.take(id, &pending)
		}
	}
	if len(e.result.Aligned) > 0 {
		return pending, nil
	}
	for _, id := range ids {
		strict := id.Method == SPF && e.result.Record.StrictSPF || id.Method == DKIM && e.result.Record.StrictDKIM
		if strict || id.Domain == e.result.Author {
			continue
		}
		same, failure := e.sameOrganization(id.Domain)
		if failure != nil {
			err = failure
		} else if same {
			e.take(id, &pending)
		}
	}
	return pending, err
}

func (e *evaluation) take(id Identifier, pending *bool) {
	switch {
	case id.Pass:
		e.result.Aligned = append(e.result.Aligned, id)
	case id.Pending:
		*pending = true
	}
}

// sameOrganization reports whether the author and d have one organizational
// domain. It must be above both, so most strangers need no walk of their own.
func (e *evaluation) sameOrganization(d mail.Domain) (bool, error) {
	if !shareSuffix(d, e.result.Author) {
		return false, nil
	}
	if err := e.walkAuthor(); err != nil {
		return false, err
	}
	if !d.IsSubdomainOf(e.result.OrgDomain) {
		return false, nil
	}
	found, err := e.walk(d)
	if err != nil {
		return false, err
	}
	return organizational(d, found) == e.result.OrgDomain, nil
}

// shareSuffix reports whether two names end in the same label.
func shareSuffix(a, b mail.Domain) bool {
	return lastLabel(a) == lastLabel(b)
}

func lastLabel(d mail.Domain) mail.Domain {
	for up, ok := parent(d); ok; up, ok = parent(d) {
		d = up
	}
	return d
}

// choosePolicy takes the policy that the record has for the author (RFC 9989
// section 4.10.1). Whether the author's domain exists is asked only where it
// matters.
func (e *evaluation) choosePolicy() error {
	r := &e.result
	subdomain := r.PolicyDomain != r.Author
	exists := true
	if subdomain && r.Record.NonExistent != "" {
		_, _, err := e.resolver.MX(e.ctx, string(r.Author))
		switch {
		case errors.Is(err, dns.ErrNoSuchName):
			exists = false
		case err != nil && !errors.Is(err, dns.ErrNotFound):
			return fmt.Errorf("see whether %s exists: %w", r.Author, err)
		}
	}
	r.Policy = r.Record.policyFor(subdomain, exists)
	return nil
}

// Strictest returns the result that decides about a message with several
// authors: the strictest disposition of those that fail, else DNS trouble,
// else a failure without consequences, else the first (RFC 9989 section 11.5).
// There must be one at least.
func Strictest(results []Result) Result {
	rank := func(r Result) int {
		switch r.Result {
		case "fail":
			return 2*r.Disposition.severity() + 1
		case "temperror":
			return 2
		}
		return 0
	}
	worst := results[0]
	for _, r := range results[1:] {
		if rank(r) > rank(worst) {
			worst = r
		}
	}
	return worst
}
