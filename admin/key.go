package admin

import (
	"context"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// APIKey lets a program ask and change what its role and scopes allow.
type APIKey struct {
	ID       string    `json:"id"`
	Label    string    `json:"label"`
	Role     Role      `json:"role" enum:"support,domain-admin,admin,owner"`
	Scopes   []string  `json:"scopes" doc:"The rights it is narrowed to; none: all that the role has."`
	Domains  []string  `json:"domains,omitempty" doc:"Of a domain-admin."`
	CIDRs    []string  `json:"cidrs" doc:"Nets from which it can be used; none: everywhere."`
	Expires  time.Time `json:"expires,omitzero"`
	Created  time.Time `json:"created"`
	Creator  string    `json:"creator"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
	LastIP   string    `json:"lastIp,omitempty"`
	Key      string    `json:"key,omitempty" doc:"The key itself; shown only when it is made."`
}

// NewAPIKey is a key to make.
type NewAPIKey struct {
	Label   string    `json:"label" minLength:"1" maxLength:"100"`
	Role    string    `json:"role" enum:"support,domain-admin,admin,owner"`
	Scopes  []string  `json:"scopes,omitempty" maxItems:"50"`
	Domains []string  `json:"domains,omitempty" maxItems:"200"`
	CIDRs   []string  `json:"cidrs,omitempty" maxItems:"50"`
	Expires time.Time `json:"expires,omitzero"`
}

// APIKeys returns all keys, the newest first.
func (a *Admin) APIKeys(ctx context.Context) (Page[APIKey], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[APIKey]{}, err
	}
	list := []APIKey{}
	for _, k := range a.opts.Directory.APIKeys() {
		list = append(list, describeKey(k))
	}
	return whole(list), nil
}

// AddAPIKey makes a key. Nobody makes one that may do more than themselves, and
// no key makes keys.
func (a *Admin) AddAPIKey(ctx context.Context, n NewAPIKey) (APIKey, error) {
	p, err := authorizeSudo(ctx, ChangeSystem)
	if err != nil {
		return APIKey{}, err
	}
	to := directory.NewAPIKey{Label: n.Label, Scopes: n.Scopes, Expires: n.Expires}
	if to.Role, err = directory.ParseRole(n.Role); err != nil {
		return APIKey{}, At("role", err)
	}
	if p.Kind == KindKey || !p.mayChange(to.Role) {
		return APIKey{}, &directory.Problem{Kind: ErrForbidden, Text: "you cannot make a key that may do more than you"}
	}
	for _, scope := range n.Scopes {
		if !(Principal{Role: to.Role}).May(Right(scope)) {
			return APIKey{}, At("scopes", invalid("%q is not a right of the role %s", scope, to.Role))
		}
	}
	if to.Domains, err = parseDomains(n.Domains); err != nil {
		return APIKey{}, At("domains", err)
	}
	if to.CIDRs, err = parseNets(n.CIDRs); err != nil {
		return APIKey{}, At("cidrs", err)
	}
	k, text, err := a.opts.Directory.AddAPIKey(ctx, Actor(ctx), to)
	if err != nil {
		return APIKey{}, At(n.blame(), err)
	}
	view := describeKey(k)
	view.Key = text
	return view, nil
}

// blame is the field that is wrong if the directory does not take a key.
func (n *NewAPIKey) blame() string {
	switch {
	case len(n.Domains) > 0, n.Role == string(directory.RoleDomainAdmin):
		return "domains"
	case !n.Expires.IsZero():
		return "expires"
	}
	return "label"
}

// parseNets reads nets, and addresses as nets of one.
func parseNets(list []string) ([]netip.Prefix, error) {
	var nets []netip.Prefix
	for _, s := range list {
		n, err := netip.ParsePrefix(s)
		if addr, aerr := netip.ParseAddr(s); aerr == nil {
			n, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, invalid("%q is not a net; write it as in 192.0.2.0/24", s)
		}
		nets = append(nets, n)
	}
	return nets, nil
}

// RemoveAPIKey revokes a key at once.
func (a *Admin) RemoveAPIKey(ctx context.Context, id string) error {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return err
	}
	return a.opts.Directory.RemoveAPIKey(ctx, Actor(ctx), id)
}

func describeKey(k directory.APIKey) APIKey {
	view := APIKey{ID: k.ID, Label: k.Label, Role: k.Role, Scopes: append([]string{}, k.Scopes...), CIDRs: []string{}, Expires: k.Expires,
		Created: k.Created, Creator: k.Creator, LastUsed: k.LastUsed, LastIP: addrText(k.LastIP)}
	view.Domains = domainTexts(k.Domains)
	for _, n := range k.CIDRs {
		view.CIDRs = append(view.CIDRs, n.String())
	}
	return view
}

// addrText writes an address; none is "".
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// makerMay reports whether who made a key could make it still: it ends with
// their account and their role. One that was made on the server itself stays.
func (a *Admin) makerMay(k directory.APIKey) bool {
	addr, err := mail.ParseAddress(k.Creator)
	if err != nil {
		return true
	}
	maker, err := a.opts.Directory.AccountByAddress(addr)
	if err != nil || maker.Suspended {
		return false
	}
	d, err := a.opts.Directory.Domain(addr.Domain)
	p := Principal{Kind: KindUser, Role: maker.Role}
	return err == nil && !d.Disabled && p.May(ChangeSystem) && p.mayChange(k.Role)
}

// VerifyKey returns who a key stands for that a program at ip shows.
func (a *Admin) VerifyKey(typed string, ip netip.Addr) (Principal, error) {
	k, err := a.opts.Directory.VerifyAPIKey(typed, ip)
	if err == nil && !a.makerMay(k) {
		err = directory.ErrKey
	}
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Kind: KindKey, Role: k.Role, Domains: k.Domains, Name: "key " + k.ID + " (" + k.Label + ")", KeyID: k.ID}
	for _, s := range k.Scopes {
		p.Scopes = append(p.Scopes, Right(s))
	}
	return p, nil
}
