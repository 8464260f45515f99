package dnsadvice

import (
	"net/netip"
	"strings"
)

// Provider is who serves a zone, and what the fields of its panel are called.
type Provider struct {
	Name  string `json:"name"`
	Field Fields `json:"fields"`
	Note  string `json:"note,omitempty"` // what people get wrong there
}

// Fields are the words of a panel.
type Fields struct {
	Host  string `json:"host"`
	Value string `json:"value"`
	// Apex is what stands for the domain itself.
	Apex string `json:"apex"`
}

// providers are known by the names of their name servers.
var providers = []struct {
	servers []string // ends of names, or with a final "-" beginnings
	Provider
}{
	{[]string{".ns.cloudflare.com"}, Provider{"Cloudflare", Fields{"Name", "Content", "@"}, "Set the proxy status of every record here to \"DNS only\" (grey cloud)."}},
	{[]string{".ns.hetzner.com", ".ns.hetzner.de", ".first-ns.de", ".second-ns.de", ".second-ns.com", ".ns.your-server.de"}, Provider{"Hetzner", Fields{"Name", "Value", "@"}, "Write names of other hosts with a dot at their end."}},
	{[]string{".domaincontrol.com"}, Provider{"GoDaddy", Fields{"Name", "Value", "@"}, ""}},
	{[]string{".registrar-servers.com"}, Provider{"Namecheap", Fields{"Host", "Value", "@"}, "MX records are under \"Mail Settings\": choose \"Custom MX\"."}},
	{[]string{".ovh.net", ".ovh.ca", ".anycast.me"}, Provider{"OVHcloud", Fields{"Sub-domain", "Target", ""}, "Leave the sub-domain empty for the domain itself, and end names of other hosts with a dot."}},
	{[]string{".ui-dns.com", ".ui-dns.de", ".ui-dns.org", ".ui-dns.biz"}, Provider{"IONOS", Fields{"Host name", "Value", "@"}, ""}},
	{[]string{".gandi.net"}, Provider{"Gandi", Fields{"Name", "Value", "@"}, "End names of other hosts with a dot."}},
	{[]string{".digitalocean.com"}, Provider{"DigitalOcean", Fields{"Hostname", "Value", "@"}, "End names of other hosts with a dot."}},
	{[]string{"awsdns-"}, Provider{"Amazon Route 53", Fields{"Record name", "Value", ""}, "Put quotation marks around each string of a TXT record; a long one is several strings."}},
	{[]string{".googledomains.com", ".squarespacedns.com"}, Provider{"Squarespace", Fields{"Host", "Data", "@"}, ""}},
	{[]string{".porkbun.com"}, Provider{"Porkbun", Fields{"Host", "Answer", ""}, "Leave the host empty for the domain itself."}},
	{[]string{".desec.io", ".desec.org"}, Provider{"deSEC", Fields{"Subname", "Content", ""}, "Names of other hosts end with a dot, texts are in quotation marks."}},
	{[]string{".inwx.de", ".inwx.eu", ".inwx.com"}, Provider{"INWX", Fields{"Name", "Value", ""}, ""}},
	{[]string{".netcup.net"}, Provider{"netcup", Fields{"Host", "Destination", "@"}, "End names of other hosts with a dot."}},
	{[]string{".rzone.de"}, Provider{"STRATO", Fields{"Prefix", "Value", ""}, ""}},
	{[]string{".linode.com"}, Provider{"Akamai (Linode)", Fields{"Hostname", "Value", ""}, ""}},
	{[]string{".vultr.com"}, Provider{"Vultr", Fields{"Name", "Data", ""}, ""}},
	{[]string{".azure-dns.com", ".azure-dns.net", ".azure-dns.org", ".azure-dns.info"}, Provider{"Azure DNS", Fields{"Name", "Value", "@"}, ""}},
	{[]string{".dnsimple.com", ".dnsimple-edge.org"}, Provider{"DNSimple", Fields{"Name", "Content", "@"}, ""}},
	{[]string{".he.net"}, Provider{"Hurricane Electric", Fields{"Name", "Content", ""}, ""}},
	{[]string{".name.com"}, Provider{"Name.com", Fields{"Host", "Answer", ""}, ""}},
	{[]string{".dns-parking.com", ".hostinger.com"}, Provider{"Hostinger", Fields{"Name", "Content", "@"}, ""}},
	{[]string{".transip.net", ".transip.nl", ".transip.eu"}, Provider{"TransIP", Fields{"Name", "Value", "@"}, "End names of other hosts with a dot."}},
	{[]string{".infomaniak.ch", ".infomaniak.com"}, Provider{"Infomaniak", Fields{"Source", "Target", ""}, ""}},
	{[]string{".bunny.net"}, Provider{"bunny.net", Fields{"Hostname", "Value", ""}, ""}},
	{[]string{".njal.la"}, Provider{"Njalla", Fields{"Name", "Content", "@"}, ""}},
	{[]string{".hover.com"}, Provider{"Hover", Fields{"Hostname", "Value", "@"}, ""}},
	{[]string{".nsone.net"}, Provider{"NS1", Fields{"Domain", "Answer", ""}, ""}},
}

// guessProvider tells who serves a zone by its name servers; nil is unknown.
func guessProvider(servers []string) *Provider {
	for _, server := range servers {
		for i := range providers {
			for _, pattern := range providers[i].servers {
				if strings.HasSuffix(server, pattern) || strings.HasSuffix(pattern, "-") && strings.Contains(server, pattern) {
					p := providers[i].Provider
					return &p
				}
			}
		}
	}
	return nil
}

// hosters are known by the names in MX records.
var hosters = []struct{ name, suffix string }{
	{"Google", ".google.com"}, {"Google", ".googlemail.com"}, {"Microsoft 365", ".mail.protection.outlook.com"}, {"Microsoft 365", ".mx.microsoft"},
	{"Cloudflare", ".mx.cloudflare.net"}, {"Fastmail", ".messagingengine.com"}, {"Proton Mail", ".protonmail.ch"}, {"Zoho", ".zoho.com"}, {"Zoho", ".zoho.eu"},
	{"iCloud", ".mail.icloud.com"}, {"Yandex", ".yandex.net"}, {"Mailgun", ".mailgun.org"}, {"ImprovMX", ".improvmx.com"}, {"Namecheap", ".registrar-servers.com"},
	{"Namecheap", ".privateemail.com"}, {"IONOS", ".kundenserver.de"}, {"IONOS", ".ionos.com"}, {"IONOS", ".ionos.de"}, {"OVHcloud", ".mail.ovh.net"},
	{"Hostinger", ".hostinger.com"}, {"Gandi", ".mail.gandi.net"}, {"GoDaddy", ".secureserver.net"}, {"mailbox.org", ".mailbox.org"}, {"Posteo", ".posteo.de"},
	{"Migadu", ".migadu.com"}, {"STRATO", ".rzone.de"}, {"Amazon", ".amazonaws.com"}, {"Proofpoint", ".pphosted.com"}, {"Mimecast", ".mimecast.com"},
}

// hoster names who runs a mail server, "" if it is not known.
func hoster(mx string) string {
	for _, h := range hosters {
		if strings.HasSuffix("."+mx, h.suffix) {
			return h.name
		}
	}
	return ""
}

// mailAt says where mail goes, in words.
func mailAt(hosts []string) string {
	if len(hosts) == 0 {
		return "another server"
	}
	if name := hoster(hosts[0]); name != "" {
		return name + " (" + hosts[0] + ")"
	}
	return strings.Join(hosts, " and ")
}

// cloudflare are the nets of its proxies for the web
// (https://www.cloudflare.com/ips/).
var cloudflare = []netip.Prefix{
	netip.MustParsePrefix("103.21.244.0/22"), netip.MustParsePrefix("103.22.200.0/22"), netip.MustParsePrefix("103.31.4.0/22"),
	netip.MustParsePrefix("104.16.0.0/13"), netip.MustParsePrefix("104.24.0.0/14"), netip.MustParsePrefix("108.162.192.0/18"),
	netip.MustParsePrefix("131.0.72.0/22"), netip.MustParsePrefix("141.101.64.0/18"), netip.MustParsePrefix("162.158.0.0/15"),
	netip.MustParsePrefix("172.64.0.0/13"), netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("188.114.96.0/20"),
	netip.MustParsePrefix("190.93.240.0/20"), netip.MustParsePrefix("197.234.240.0/22"), netip.MustParsePrefix("198.41.128.0/17"),
	netip.MustParsePrefix("2400:cb00::/32"), netip.MustParsePrefix("2606:4700::/32"), netip.MustParsePrefix("2803:f800::/32"),
	netip.MustParsePrefix("2405:b500::/32"), netip.MustParsePrefix("2405:8100::/32"), netip.MustParsePrefix("2a06:98c0::/29"), netip.MustParsePrefix("2c0f:f248::/32"),
}

// proxied reports whether an address is one of Cloudflare's proxies.
func proxied(a netip.Addr) bool {
	for _, p := range cloudflare {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
