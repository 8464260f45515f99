package explain

import (
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Provider is who runs the mail of many domains.
type Provider struct {
	ID   string // "gmail", "microsoft", …
	Name string // for people
}

// providers are known by the ends of their MX hosts, and of the domains that
// are theirs alone.
var providers = []struct {
	Provider
	mx, domains []string
}{
	{Provider{"gmail", "Gmail"}, []string{"google.com", "googlemail.com"}, []string{"gmail.com", "googlemail.com"}},
	{Provider{"microsoft", "Microsoft"}, []string{"outlook.com", "hotmail.com", "outlook.de", "office365.us", "mx.microsoft"},
		[]string{"outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "hotmail.de", "hotmail.fr", "hotmail.co.uk", "live.de"}},
	{Provider{"yahoo", "Yahoo"}, []string{"yahoodns.net"}, []string{"yahoo.com", "yahoo.de", "yahoo.co.uk", "yahoo.fr", "ymail.com", "rocketmail.com", "aol.com"}},
	{Provider{"apple", "Apple"}, []string{"icloud.com", "apple.com"}, []string{"icloud.com", "me.com", "mac.com"}},
	{Provider{"gmx", "GMX and Web.de"}, []string{"gmx.net", "web.de", "mail.com", "1and1.com"}, []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de", "mail.com"}},
	{Provider{"proton", "Proton"}, []string{"protonmail.ch", "proton.me"}, []string{"proton.me", "protonmail.com", "pm.me"}},
	{Provider{"telekom", "Telekom"}, []string{"t-online.de"}, []string{"t-online.de", "magenta.de"}},
	{Provider{"ionos", "IONOS"}, []string{"kundenserver.de", "ionos.com", "ionos.de", "perfora.net"}, nil},
	{Provider{"fastmail", "Fastmail"}, []string{"messagingengine.com"}, []string{"fastmail.com", "fastmail.fm"}},
	{Provider{"zoho", "Zoho"}, []string{"zoho.com", "zoho.eu", "zohomail.com"}, []string{"zohomail.com"}},
	{Provider{"mimecast", "Mimecast"}, []string{"mimecast.com", "mimecast.co.za"}, nil},
	{Provider{"proofpoint", "Proofpoint"}, []string{"pphosted.com", "ppe-hosted.com"}, nil},
	{Provider{"barracuda", "Barracuda"}, []string{"barracudanetworks.com", "cudamail.com"}, nil},
}

// Others is the provider of all domains whose own is not known.
var Others = Provider{"others", "Others"}

// Providers are all that are known, the largest first.
func Providers() []Provider {
	list := make([]Provider, 0, len(providers)+1)
	for _, p := range providers {
		list = append(list, p.Provider)
	}
	return append(list, Others)
}

// ProviderOf returns who runs an MX host, or else a domain.
func ProviderOf(d mail.Domain, mx string) Provider {
	mx = strings.ToLower(strings.TrimSuffix(mx, "."))
	for _, p := range providers {
		if isUnder(mx, p.mx) {
			return p.Provider
		}
	}
	for _, p := range providers {
		for _, own := range p.domains {
			if string(d) == own {
				return p.Provider
			}
		}
	}
	return Others
}

// isUnder reports whether a host is one of zones, or in it.
func isUnder(host string, zones []string) bool {
	for _, z := range zones {
		if host == z || strings.HasSuffix(host, "."+z) {
			return true
		}
	}
	return false
}
