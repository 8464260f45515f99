package certs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/mholt/acmez/v3/acme"
)

// advice is what to do about the problems that a CA names (RFC 8555 section
// 6.7).
var advice = map[string]string{
	acme.ProblemTypeDNS:                     "The authority could not look the name up. See that %s has an A or AAAA record that leads to this server; after a change that can take an hour.",
	acme.ProblemTypeConnection:              "The authority could not reach this server. See that %s leads to its address, and that ports 80 and 443 are open from outside, in the firewall of the provider, too. Where they cannot be, use a DNS provider: [tls] challenge = \"dns\".",
	acme.ProblemTypeIncorrectResponse:       "Another server than this one answered for %s. See that its A and AAAA records all lead here, and that no web server or proxy takes ports 80 and 443.",
	acme.ProblemTypeUnauthorized:            "What the authority found for %s was not from this server. See that all its A and AAAA records lead here, and that no web server or proxy takes ports 80 and 443.",
	acme.ProblemTypeTLS:                     "The authority got no good TLS connection to %s. See that port 443 leads to this server, and that no proxy ends TLS before it.",
	acme.ProblemTypeCAA:                     "A CAA record of %s or of a name above it does not allow this authority. Add one that names it, or remove those that do not.",
	acme.ProblemTypeRateLimited:             "The authority has given too many certificates, or seen too many failures, for %s lately. It is tried again by itself; until then nothing needs to be done. While you test, use [tls] staging = true.",
	acme.ProblemTypeRejectedIdentifier:      "The authority issues nothing for %s. Another one may: [tls] more_cas.",
	acme.ProblemTypeUnsupportedIdentifier:   "The authority issues nothing for names such as %s. Another one may: [tls] more_cas.",
	acme.ProblemTypeExternalAccountRequired: "The authority wants to know you first: get a key from it and write it to [tls] eab_file. %s waits for that.",
	acme.ProblemTypeUserActionRequired:      "The authority wants something from you, such as to agree to new terms, before it issues for %s: follow the address in its answer.",
	acme.ProblemTypeInvalidContact:          "The authority does not take the address in [tls] email. Correct it, so that %s gets its certificate.",
	acme.ProblemTypeUnsupportedContact:      "The authority does not take the address in [tls] email. Correct it, so that %s gets its certificate.",
	acme.ProblemTypeServerInternal:          "The authority has a problem of its own. It is tried again by itself; nothing needs to be done for %s.",
}

// brokenAnswer is in errors about an answer that does not say what is wrong.
var brokenAnswer = regexp.MustCompile(`HTTP 5\d\d`)

// explain says in plain words what went wrong when an authority was asked for
// the certificate of a name, and what to do.
func explain(name, directory string, err error) (problem, todo string) {
	ca := authorityName(directory)
	if p := new(acme.Problem); errors.As(err, p) {
		detail := detailOf(*p)
		text := advice[p.Type]
		if text == "" {
			text = "It is tried again by itself. If that does not help, see what " + ca + " says about it, for %s."
		}
		return fmt.Sprintf("%s refused: %s", ca, clip(detail)), fmt.Sprintf(text, name)
	}
	if m := brokenAnswer.FindStringSubmatch(err.Error()); m != nil {
		return ca + " answers with " + m[0] + " instead of what was asked for", fmt.Sprintf(advice[acme.ProblemTypeServerInternal], name)
	}
	if known := providerError(nil); errors.As(err, &known) {
		return clip(known.Error()), "The record that proves " + name + " could not be written. Test the DNS provider: `mailstead dns-provider list` names it, `mailstead dns-provider test NAME` asks it."
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return ca + " gave no answer in time", "See that this server can reach " + directory + ", and that nothing filters its connections. It is tried again by itself."
	case errors.As(err, new(*url.Error)), errors.As(err, &netErr):
		return ca + " could not be reached: " + clip(innermost(err)), "See that this server can reach " + directory + ". It is tried again by itself."
	}
	return clip(err.Error()), "It is tried again by itself; `mailstead cert renew " + name + "` tries now."
}

// providerError is an error of whoever writes records. Its text is a sentence
// without secrets.
type providerError interface {
	error
	OfDNSProvider()
}

// detailOf is what the CA says in its own words, the part about one name if
// there is one.
func detailOf(p acme.Problem) string {
	if len(p.Subproblems) > 0 && p.Subproblems[0].Detail != "" {
		return p.Subproblems[0].Detail
	}
	if p.Detail == "" {
		return strings.TrimPrefix(p.Type, acme.ProblemTypeNamespace)
	}
	return p.Detail
}

// authorityName is how people call a CA.
func authorityName(directory string) string {
	switch directory {
	case LetsEncrypt:
		return "Let's Encrypt"
	case Staging:
		return "Let's Encrypt (staging)"
	}
	if u, err := url.Parse(directory); err == nil && u.Host != "" {
		return u.Host
	}
	return directory
}

// innermost is the cause at the end of a chain of errors.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// clip bounds what others say, and takes out what is not text.
func clip(s string) string {
	const most = 400
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
