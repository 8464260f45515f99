package directory

import (
	"slices"

	"github.com/mailstead/mailstead/mail"
)

// maxForward bounds the addresses that one account forwards to; larger groups
// want an alias, which an operator sees.
const maxForward = 10

// checkForward makes sure that mail that an account forwards arrives
// somewhere, and does not come back to it.
func (s *snapshot) checkForward(a *Account) error {
	if len(a.Forward) > maxForward {
		return invalid("mail can be forwarded to at most %d addresses", maxForward)
	}
	back := s.walkTo(a.Address)
	for i, to := range a.Forward {
		if containsPath(a.Forward[:i], to) {
			return invalid("%s is there twice", to.Display())
		}
		if err := s.checkTarget(to); err != nil {
			return err
		}
		if back.from(to) {
			return invalid("%s leads to %s; the mail would go in a circle", to.Display(), a.Address.Display())
		}
	}
	return nil
}

// forgetForwards stops forwarding to addresses that are gone.
func (c *change) forgetForwards(gone func(mail.Path) bool) error {
	for _, a := range sorted(c.next.accounts, byDomain) {
		left := slices.DeleteFunc(slices.Clone(a.Forward), gone)
		if len(left) == len(a.Forward) {
			continue
		}
		after := a
		after.Forward = left
		if err := c.putAccount("account.set", &a, &after); err != nil {
			return err
		}
	}
	return nil
}
