package directory

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// since is what the audit log tells of an account from the moment of a copy on.
type since struct {
	known    bool   // it tells all
	unknown  string // why not
	password bool   // was changed
	totp     string // the last action on the second factor; "": none
	factors  bool   // all passkeys were taken away at once
	revoked  map[string]bool
	last     *accountRecord // as it was removed
	forward  []mail.Path    // of last
}

// since reads the audit log. An address that was given to somebody else
// meanwhile makes it err on the safe side.
func (c *change) since(old *AccountCopy, secret []byte) (since, error) {
	s := since{known: true, revoked: map[string]bool{}}
	b := c.tx.Bucket(bucketAudit)
	switch {
	case !bytes.Equal(secret, old.secret):
		s.known, s.unknown = false, "the backup is not of this server"
	case old.mark.seq > b.Sequence() || !sameEntry(b.Get(auditKey(old.mark.seq)), old.mark.row):
		s.known, s.unknown = false, "the audit log does not tell what was revoked after the backup"
	}
	address := text(old.Account.Address)
	cur := b.Cursor()
	for k, v := cur.Seek(auditKey(old.mark.seq + 1)); k != nil; k, v = cur.Next() {
		var e AuditEntry
		if err := decode(v, &e); err != nil {
			return s, err
		}
		if e.Object == address {
			s.add(&e, old.Account.ID)
		}
	}
	return s, nil
}

// sameEntry reports whether two rows of the audit log are one entry; that it
// was undone may have been noted in one of them.
func sameEntry(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var x, y AuditEntry
	return decode(a, &x) == nil && decode(b, &y) == nil && x.Time.Equal(y.Time) && x.Actor == y.Actor && x.Action == y.Action && x.Object == y.Object
}

func (s *since) add(e *AuditEntry, id uint32) {
	kind, _, _ := strings.Cut(e.Action, ".")
	switch e.Action {
	case "account.password":
		s.password = true
	case "totp.set", "totp.remove":
		s.totp = e.Action
	case "factors.remove":
		s.totp, s.factors = e.Action, true
	case "app-password.remove", "passkey.remove":
		var gone struct{ ID string }
		if json.Unmarshal(e.Before, &gone) == nil {
			s.revoked[kind+"/"+gone.ID] = true
		}
	case "account.remove":
		var r accountRecord
		if json.Unmarshal(e.Before, &r) == nil && (r.ID == id || r.Origin == id) {
			s.last = &r
		}
	}
}

// limit takes from an account what it last was not allowed any more.
func (s *since) limit(a *Account) {
	if s.last == nil {
		return
	}
	last, err := s.last.account()
	if err != nil {
		return
	}
	s.forward = last.Forward
	a.Suspended = a.Suspended || last.Suspended
	a.AppPasswordsOnly = a.AppPasswordsOnly || last.AppPasswordsOnly
	if roles := Roles(); slices.Index(roles, last.Role) < slices.Index(roles, a.Role) {
		a.Role, a.Domains = last.Role, last.Domains
	}
	a.Domains = slices.DeleteFunc(slices.Clone(a.Domains), func(d mail.Domain) bool { return !slices.Contains(last.Domains, d) })
	if a.Role == RoleDomainAdmin && len(a.Domains) == 0 {
		a.Role = RoleUser
	}
}
