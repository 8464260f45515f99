package directory

import (
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Role says what an account may do besides reading its own mail. What each
// right means is decided in admin.
type Role string

const (
	RoleUser        Role = "user"         // its own account
	RoleSupport     Role = "support"      // sees traces and the queue, never content
	RoleDomainAdmin Role = "domain-admin" // the people of some domains
	RoleAdmin       Role = "admin"        // everything but what makes owners
	RoleOwner       Role = "owner"        // everything
)

// Roles returns all roles, the weakest first.
func Roles() []Role { return []Role{RoleUser, RoleSupport, RoleDomainAdmin, RoleAdmin, RoleOwner} }

// ParseRole reads a role that somebody has typed; "" is RoleUser.
func ParseRole(s string) (Role, error) {
	r := Role(strings.ToLower(strings.TrimSpace(s)))
	if r == "" {
		return RoleUser, nil
	}
	if !slices.Contains(Roles(), r) {
		return "", invalid("%q is not a role; use one of %s", s, roleNames())
	}
	return r, nil
}

func roleNames() string {
	var names []string
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// maxAdminDomains bounds the domains of one domain admin.
const maxAdminDomains = 200

// checkRole makes sure that role and domains of an account fit each other.
func (s *snapshot) checkRole(a *Account) error {
	if !slices.Contains(Roles(), a.Role) {
		return invalid("%q is not a role; use one of %s", a.Role, roleNames())
	}
	if a.Role != RoleDomainAdmin {
		if len(a.Domains) > 0 {
			return invalid("only a domain-admin has domains; the role of %s is %s", a.Address.Display(), a.Role)
		}
		return nil
	}
	if len(a.Domains) == 0 || len(a.Domains) > maxAdminDomains {
		return invalid("say which domains a domain-admin has: from 1 to %d", maxAdminDomains)
	}
	for i, name := range a.Domains {
		if _, err := s.domain(name); err != nil {
			return err
		}
		if slices.Contains(a.Domains[:i], name) {
			return invalid("%s is there twice", name.Unicode())
		}
	}
	return nil
}

// owners counts the owners who can log in.
func (s *snapshot) owners() int {
	n := 0
	for _, a := range s.accounts {
		dom := s.domains[a.Address.Domain]
		if a.Role == RoleOwner && !a.Suspended && dom != nil && !dom.Disabled {
			n++
		}
	}
	return n
}

// checkOwners keeps the last owner. Where there was none, as before the first
// run, there is nothing to keep.
func checkOwners(before, after *snapshot) error {
	if before.owners() > 0 && after.owners() == 0 {
		return inUse("this would leave nobody who is an owner and can log in; make somebody else owner first: `mailstead account set ADDRESS --role owner`")
	}
	return nil
}

// forgetDomain takes a domain that is gone from those who administer it. Who
// has no domain left is a user.
func (c *change) forgetDomain(name mail.Domain) error {
	for _, a := range sorted(c.next.accounts, byDomain) {
		if !slices.Contains(a.Domains, name) {
			continue
		}
		after := a
		after.Domains = slices.DeleteFunc(slices.Clone(a.Domains), func(d mail.Domain) bool { return d == name })
		if len(after.Domains) == 0 {
			after.Domains, after.Role = nil, RoleUser
		}
		if err := c.putAccount("account.set", &a, &after); err != nil {
			return err
		}
	}
	return nil
}
