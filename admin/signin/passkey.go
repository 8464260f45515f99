package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/mailstead/mailstead/admin/directory"
)

const (
	challengeSize = 32       // octets
	maxCredential = 64 << 10 // octets of JSON that a browser may send
)

// Ceremony is what a browser needs for navigator.credentials: the options as
// PublicKeyCredentialCreationOptionsJSON or …RequestOptionsJSON, and the
// ticket to come back with.
type Ceremony struct {
	Ticket    string
	PublicKey json.RawMessage
}

// ceremonyKind says what a ceremony may end in.
type ceremonyKind int

const (
	toSignIn ceremonyKind = iota
	toReauth
	toRegister
)

// ceremony is one that has begun.
type ceremony struct {
	kind    ceremonyKind
	origin  string // that it began under
	account uint32 // 0: whoever the passkey says
	session string // ID of the session; "" at sign-in
	login   string // as it was typed
	data    webauthn.SessionData
}

// user is an account as the library sees it.
type user struct {
	handle   []byte
	name     string
	display  string
	passkeys []directory.Passkey
}

func (u *user) WebAuthnID() []byte          { return u.handle }
func (u *user) WebAuthnName() string        { return u.name }
func (u *user) WebAuthnDisplayName() string { return u.display }

func (u *user) WebAuthnCredentials() []webauthn.Credential {
	list := make([]webauthn.Credential, len(u.passkeys))
	for i, p := range u.passkeys {
		list[i] = webauthn.Credential{ID: p.CredentialID, PublicKey: p.PublicKey, AttestationFormat: "none",
			Flags:         webauthn.CredentialFlags{BackupEligible: p.BackupEligible, BackupState: p.BackupState},
			Authenticator: webauthn.Authenticator{AAGUID: p.AAGUID, SignCount: p.SignCount}}
		for _, t := range p.Transports {
			list[i].Transport = append(list[i].Transport, protocol.AuthenticatorTransport(t))
		}
	}
	return list
}

// originFor returns the configured origin whose host is that of a request.
func (s *Service) originFor(host string) (string, error) {
	for _, o := range s.opts.Origins() {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" {
			continue
		}
		if _, err := netip.ParseAddr(u.Hostname()); err == nil {
			continue // a passkey is for a name, never for an address
		}
		if strings.EqualFold(withPort(u.Host), withPort(host)) {
			return o, nil
		}
	}
	return "", problem(ErrPasskey, "passkeys do not work at this address; open the page by the name of the server")
}

func withPort(host string) string { return strings.TrimSuffix(host, ":443") }

// PasskeysAt reports whether passkeys work under the host of a request.
func (s *Service) PasskeysAt(host string) bool {
	_, err := s.originFor(host)
	return err == nil
}

// party returns the relying party of an origin.
func (s *Service) party(origin string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: strings.ToLower(u.Hostname()), RPDisplayName: s.opts.Name, RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred},
		// Password managers report properties that nobody asked for.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
}

// userOf returns an account with its passkeys for an RP ID.
func (s *Service) userOf(ctx context.Context, a directory.Account, rpID string) (*user, error) {
	all, err := s.dir.Passkeys(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	u := &user{handle: s.dir.UserHandle(a.ID), name: a.Address.String(), display: a.Name}
	if u.display == "" {
		u.display = u.name
	}
	for _, p := range all {
		if p.RPID == rpID {
			u.passkeys = append(u.passkeys, p)
		}
	}
	return u, nil
}

// usual are passkeys as common authenticators make them: octets of the ID, and
// how the authenticator is reached.
var usual = []struct {
	size       int
	transports []string
}{
	{16, []string{"internal", "hybrid"}},
	{20, []string{"internal", "hybrid"}},
	{32, []string{"internal"}},
	{64, []string{"nfc", "usb"}},
}

// stranger stands for a login without passkeys. Its made-up passkey is one of
// the usual ones and always the same, so that nobody can tell who has passkeys
// (Web Authentication Level 3 section 14.6.2).
func (s *Service) stranger(login string) *user {
	id := s.dir.MadeUpCredential(login)
	like := usual[int(id[0])%len(usual)]
	return &user{handle: s.dir.UserHandle(0), passkeys: []directory.Passkey{
		{CredentialID: id[len(id)-like.size:], Transports: like.transports}}}
}

func (s *Service) challenge() ([]byte, error) {
	c := make([]byte, challengeSize)
	if _, err := io.ReadFull(s.opts.Random, c); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	return c, nil
}

// start makes the ticket of a ceremony whose options are to be sent.
func (s *Service) start(owner string, c ceremony, options any) (Ceremony, error) {
	b, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, err
	}
	ticket, err := s.ceremonies.add(owner, c)
	return Ceremony{Ticket: ticket, PublicKey: b}, err
}

// resume takes a ticket back. It must have begun as kind, under the same
// origin and in the same session.
func (s *Service) resume(kind ceremonyKind, c Client, ticket, session string) (ceremony, *webauthn.WebAuthn, error) {
	begun, ok := s.ceremonies.take(ticket)
	if !ok || begun.kind != kind || begun.session != session {
		return ceremony{}, nil, errTicket()
	}
	origin, err := s.originFor(c.Host)
	if err != nil {
		return ceremony{}, nil, err
	}
	if origin != begun.origin {
		return ceremony{}, nil, errTicket()
	}
	rp, err := s.party(origin)
	return begun, rp, err
}

// PasskeyBegin begins a sign-in by passkey. Without an address the browser
// offers the passkeys it knows for this server.
func (s *Service) PasskeyBegin(ctx context.Context, c Client, address string) (Ceremony, error) {
	begun := ceremony{kind: toSignIn, login: address}
	var u *user
	if address != "" {
		rpID, err := s.rpIDFor(c.Host)
		if err != nil {
			return Ceremony{}, err
		}
		u = s.stranger(address)
		if a, ok := s.dir.LoginAccount(address); ok {
			known, err := s.userOf(ctx, a, rpID)
			if err != nil {
				return Ceremony{}, err
			}
			if len(known.passkeys) > 0 {
				u, begun.account = known, a.ID
			}
		}
	}
	return s.beginAssertion(netOf(c.Remote), c, begun, u)
}

// netOf is what counts as one peer: an IPv4 address or an IPv6 /64.
func netOf(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func (s *Service) rpIDFor(host string) (string, error) {
	origin, err := s.originFor(host)
	if err != nil {
		return "", err
	}
	rp, err := s.party(origin)
	if err != nil {
		return "", err
	}
	return rp.Config.RPID, nil
}

// beginAssertion asks for a passkey of u, or of anybody if u is nil.
func (s *Service) beginAssertion(owner string, c Client, begun ceremony, u *user) (Ceremony, error) {
	var err error
	if begun.origin, err = s.originFor(c.Host); err != nil {
		return Ceremony{}, err
	}
	rp, err := s.party(begun.origin)
	if err != nil {
		return Ceremony{}, err
	}
	challenge, err := s.challenge()
	if err != nil {
		return Ceremony{}, err
	}
	var options *protocol.CredentialAssertion
	var data *webauthn.SessionData
	if u == nil {
		options, data, err = rp.BeginDiscoverableLogin(webauthn.WithChallenge(challenge))
	} else {
		options, data, err = rp.BeginLogin(u, webauthn.WithChallenge(challenge))
	}
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin passkey sign-in: %w", err)
	}
	begun.data = *data
	return s.start(owner, begun, options.Response)
}

// PasskeyFinish ends a sign-in by passkey. credential is what the browser has
// made, as AuthenticationResponseJSON.
func (s *Service) PasskeyFinish(ctx context.Context, c Client, ticket string, credential []byte) (Result, error) {
	try := Attempt{Method: directory.ByPasskey}
	begun, rp, err := s.resume(toSignIn, c, ticket, "")
	if err != nil {
		return Result{}, err
	}
	try.Login, try.Account = begun.login, begun.account
	account, verified, err := s.assert(ctx, rp, begun, credential)
	if err != nil {
		return Result{}, s.refuse(ctx, c, try, err)
	}
	try.Account = account
	if verified { // what one has, and what one is or knows
		return s.begin(ctx, c, try)
	}
	return s.proved(ctx, c, try)
}

// assert checks an assertion (Web Authentication Level 3 section 7.2), and
// returns whose it is and whether the authenticator has verified its user.
func (s *Service) assert(ctx context.Context, rp *webauthn.WebAuthn, begun ceremony, credential []byte) (uint32, bool, error) {
	parsed, err := parseAssertion(credential)
	if err != nil {
		return 0, false, err
	}
	a, u, err := s.asserter(ctx, rp.Config.RPID, begun, parsed)
	if err != nil {
		return 0, false, err
	}
	var used *webauthn.Credential
	if begun.account == 0 {
		_, used, err = rp.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return u, nil }, begun.data, parsed)
	} else {
		used, err = rp.ValidateLogin(u, begun.data, parsed)
	}
	if err != nil {
		s.logRefusal(ctx, err)
		return 0, false, errPasskeyFailed()
	}
	flags := parsed.Response.AuthenticatorData.Flags
	for _, p := range u.passkeys {
		if string(p.CredentialID) == string(used.ID) {
			err = s.dir.UsePasskey(ctx, a.ID, p.ID, parsed.Response.AuthenticatorData.Counter, flags.HasBackupState())
			if errors.Is(err, directory.ErrNotFound) { // removed meanwhile
				err = errPasskeyFailed()
			}
			return a.ID, flags.HasUserVerified(), err
		}
	}
	return 0, false, errPasskeyFailed()
}

// asserter returns the account that an assertion claims to be of.
func (s *Service) asserter(ctx context.Context, rpID string, begun ceremony, parsed *protocol.ParsedCredentialAssertionData) (directory.Account, *user, error) {
	var a directory.Account
	var err error
	if begun.account != 0 {
		a, err = s.dir.Account(begun.account)
	} else {
		a, err = s.dir.AccountByHandle(parsed.Response.UserHandle)
	}
	if errors.Is(err, directory.ErrNotFound) {
		return a, nil, errPasskeyFailed()
	}
	if err != nil {
		return a, nil, err
	}
	u, err := s.userOf(ctx, a, rpID)
	return a, u, err
}

// logRefusal logs why a passkey was not accepted; the client is not told.
func (s *Service) logRefusal(ctx context.Context, err error) {
	s.opts.Logger.InfoContext(ctx, "passkey refused", "service", service, "err", err)
}

// parseAssertion reads AuthenticationResponseJSON.
func parseAssertion(credential []byte) (*protocol.ParsedCredentialAssertionData, error) {
	if len(credential) > maxCredential {
		return nil, errMalformed()
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return nil, errMalformed()
	}
	return parsed, nil
}

// parseAttestation reads RegistrationResponseJSON.
func parseAttestation(credential []byte) (*protocol.ParsedCredentialCreationData, error) {
	if len(credential) > maxCredential {
		return nil, errMalformed()
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, errMalformed()
	}
	return parsed, nil
}

func errMalformed() error {
	return problem(ErrPasskey, "the browser sent a passkey that cannot be read; try again, or use another browser")
}
