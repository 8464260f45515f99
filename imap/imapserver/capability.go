package imapserver

import (
	"context"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/sasl"
)

// capabilities says in which states a capability is listed. Before the login
// only what matters there is: the list is sent to everybody who connects.
var capabilities = []struct {
	name imap.Cap
	in   state
	when func(*session) bool // nil: always
}{
	{imap.CapIMAP4rev1, anyState, nil},
	{imap.CapIMAP4rev2, anyState, nil},
	{imap.CapLiteralPlus, anyState, nil},
	{imap.CapSASLIR, anyState, nil},
	{imap.CapID, anyState, nil},
	{imap.CapEnable, anyState, nil},
	{imap.CapStartTLS, notAuthenticated, (*session).canStartTLS},
	{imap.CapLoginDisabled, notAuthenticated, (*session).loginDisabled},
	{imap.CapIdle, anyState, nil},
	{imap.CapNamespace, loggedIn, nil},
	{imap.CapUIDPlus, loggedIn, nil},
	{imap.CapUnselect, loggedIn, nil},
	{imap.CapMove, loggedIn, nil},
	{imap.CapChildren, loggedIn, nil},
	{imap.CapSpecialUse, loggedIn, nil},
	{imap.CapCreateSpecialUse, loggedIn, nil},
	{imap.CapListExtended, loggedIn, nil},
	{imap.CapListStatus, loggedIn, nil},
	{imap.CapStatusSize, loggedIn, nil},
	{imap.CapESearch, loggedIn, nil},
	{imap.CapSearchRes, loggedIn, nil},
	{imap.CapWithin, loggedIn, nil},
	{imap.CapCondStore, loggedIn, nil},
	{imap.CapMultiAppend, loggedIn, nil},
	{imap.CapBinary, loggedIn, nil},
	{imap.CapUTF8Accept, loggedIn, nil},
	{imap.CapSaveDate, loggedIn, nil},
	{imap.CapObjectID, loggedIn, nil},
	{imap.CapQuota, loggedIn, nil},
	{imapext.CapQuotaStorage, loggedIn, nil},
	{imapext.CapQuotaMessage, loggedIn, nil},
}

// capability answers CAPABILITY (RFC 9051 section 6.1.1).
func (s *session) capability(_ context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	s.out.Raw("* ").Raw(s.capabilityCode()).CRLF()
	return s.ok("")
}

// capabilityCode returns "CAPABILITY" and the list.
func (s *session) capabilityCode() string {
	words := []string{string(imapext.CodeCapability)}
	for _, c := range capabilities {
		if c.in&s.state != 0 && (c.when == nil || c.when(s)) {
			words = append(words, string(c.name))
		}
	}
	if s.state == notAuthenticated {
		for _, m := range sasl.Mechanisms(s.saslOptions()) {
			words = append(words, "AUTH="+m)
		}
	} else {
		words = append(words, string(imap.CapAppendLimit)+"="+strconv.FormatInt(s.appendLimit, 10))
	}
	return strings.Join(words, " ")
}

func (s *session) canStartTLS() bool { return s.srv.TLS != nil && s.conn.TLS() == nil }

// loginDisabled reports whether passwords may not be shown to this connection
// (RFC 9051 section 6.2.3).
func (s *session) loginDisabled() bool { return s.conn.TLS() == nil && !s.srv.PlainAuth }

func (s *session) saslOptions() sasl.Options {
	return sasl.Options{TLSExporter: s.conn.TLSExporter(), Plain: !s.loginDisabled()}
}
