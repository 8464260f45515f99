package signin

import (
	"context"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/mailstead/mailstead/admin/directory"
)

// ReauthPasskeyBegin asks the person of a session for one of their passkeys.
func (s *Service) ReauthPasskeyBegin(ctx context.Context, c Client, session directory.Session) (Ceremony, error) {
	rpID, err := s.rpIDFor(c.Host)
	if err != nil {
		return Ceremony{}, err
	}
	a, err := s.dir.Account(session.Account)
	if err != nil {
		return Ceremony{}, err
	}
	u, err := s.userOf(ctx, a, rpID)
	if err != nil {
		return Ceremony{}, err
	}
	if len(u.passkeys) == 0 {
		return Ceremony{}, problem(ErrPasskey, "you have no passkey for this address; use your password")
	}
	begun := ceremony{kind: toReauth, account: a.ID, session: session.ID}
	return s.beginAssertion(fmt.Sprint(a.ID), c, begun, u)
}

// ReauthPasskeyFinish proves again who somebody is, by a passkey.
func (s *Service) ReauthPasskeyFinish(ctx context.Context, c Client, session directory.Session, ticket string, credential []byte) (directory.Session, error) {
	begun, rp, err := s.resume(toReauth, c, ticket, session.ID)
	if err != nil {
		return directory.Session{}, err
	}
	if _, _, err := s.assert(ctx, rp, begun, credential); err != nil {
		return directory.Session{}, s.refuse(ctx, c, Attempt{Account: session.Account, Method: directory.ByPasskey}, err)
	}
	return s.dir.Reauthenticated(ctx, session.Account, session.ID)
}

// Passkeys returns the passkeys of an account.
func (s *Service) Passkeys(ctx context.Context, account uint32) ([]directory.Passkey, error) {
	return s.dir.Passkeys(ctx, account)
}

// RegisterBegin begins to make a passkey for the account of a session.
func (s *Service) RegisterBegin(ctx context.Context, c Client, session directory.Session) (Ceremony, error) {
	if err := s.needSudo(session); err != nil {
		return Ceremony{}, err
	}
	origin, err := s.originFor(c.Host)
	if err != nil {
		return Ceremony{}, err
	}
	rp, err := s.party(origin)
	if err != nil {
		return Ceremony{}, err
	}
	a, err := s.dir.Account(session.Account)
	if err != nil {
		return Ceremony{}, err
	}
	u, err := s.userOf(ctx, a, rp.Config.RPID)
	if err != nil {
		return Ceremony{}, err
	}
	challenge, err := s.challenge()
	if err != nil {
		return Ceremony{}, err
	}
	options, data, err := rp.BeginRegistration(u, withExclusions(u), func(o *protocol.PublicKeyCredentialCreationOptions) error {
		o.Challenge = challenge
		return nil
	})
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin passkey registration: %w", err)
	}
	begun := ceremony{kind: toRegister, origin: origin, account: a.ID, session: session.ID, data: *data}
	return s.start(fmt.Sprint(a.ID), begun, options.Response)
}

// withExclusions keeps an authenticator from making a second passkey for the
// same account.
func withExclusions(u *user) webauthn.RegistrationOption {
	var list []protocol.CredentialDescriptor
	for _, c := range u.WebAuthnCredentials() {
		list = append(list, c.Descriptor())
	}
	return webauthn.WithExclusions(list)
}

// RegisterFinish adds the passkey that the browser has made. credential is
// RegistrationResponseJSON (Web Authentication Level 3 section 7.1).
func (s *Service) RegisterFinish(ctx context.Context, c Client, session directory.Session, ticket string, credential []byte, label string) (directory.Passkey, error) {
	begun, rp, err := s.resume(toRegister, c, ticket, session.ID)
	if err != nil {
		return directory.Passkey{}, err
	}
	parsed, err := parseAttestation(credential)
	if err != nil {
		return directory.Passkey{}, err
	}
	a, err := s.dir.Account(begun.account)
	if err != nil {
		return directory.Passkey{}, err
	}
	u, err := s.userOf(ctx, a, rp.Config.RPID)
	if err != nil {
		return directory.Passkey{}, err
	}
	made, err := rp.CreateCredential(u, begun.data, parsed)
	if err != nil {
		s.logRefusal(ctx, err)
		return directory.Passkey{}, problem(ErrPasskey, "this passkey was not made for this page; try again")
	}
	p := directory.Passkey{Account: a.ID, Label: label, CredentialID: made.ID, PublicKey: made.PublicKey, RPID: rp.Config.RPID,
		SignCount: made.Authenticator.SignCount, BackupEligible: made.Flags.BackupEligible, BackupState: made.Flags.BackupState,
		Transports: transports(made.Transport), AAGUID: made.Authenticator.AAGUID}
	return s.dir.AddPasskey(ctx, a.Address.String(), p)
}

// maxTransports and maxTransport bound what a browser says of how an
// authenticator is reached.
const maxTransports, maxTransport = 8, 32

func transports(list []protocol.AuthenticatorTransport) []string {
	var texts []string
	for _, t := range list[:min(len(list), maxTransports)] {
		if len(t) <= maxTransport {
			texts = append(texts, string(t))
		}
	}
	return texts
}

// RenamePasskey gives a passkey of the session's account another label.
func (s *Service) RenamePasskey(ctx context.Context, session directory.Session, id, label string) (directory.Passkey, error) {
	actor, err := s.actor(session)
	if err != nil {
		return directory.Passkey{}, err
	}
	return s.dir.RenamePasskey(ctx, actor, session.Account, id, label)
}

// RemovePasskey removes a passkey of the session's account.
func (s *Service) RemovePasskey(ctx context.Context, session directory.Session, id string) error {
	actor, err := s.trustedActor(session)
	if err != nil {
		return err
	}
	return s.dir.RemovePasskey(ctx, actor, session.Account, id)
}
