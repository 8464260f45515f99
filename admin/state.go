package admin

// State is what a change can be bound to: without what comes and goes with
// mail.
func (a Account) State() any {
	a.Usage = nil
	return a
}

// State is like that of Account.
func (m Me) State() any {
	m.Usage = nil
	return m
}

// State is the domain without what other things make of it.
func (d Domain) State() any {
	d.Accounts, d.Aliases = 0, 0
	return d
}
