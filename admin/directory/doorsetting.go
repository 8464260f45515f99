package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dnsbl"
)

// Settings of port 25 before a message comes, and of blocklists.
const (
	InboundExempt            TextSetting     = "inbound.exempt-networks"
	InboundPause             DurationSetting = "inbound.greeting-pause"
	InboundConnections       IntSetting      = "inbound.connections-per-minute"
	InboundConnectionsNet    IntSetting      = "inbound.connections-per-minute-net"
	InboundMessages          IntSetting      = "inbound.messages-per-minute"
	InboundMessagesNet       IntSetting      = "inbound.messages-per-minute-net"
	InboundUnknownRecipients IntSetting      = "inbound.unknown-recipients"
	InboundUnknownSender     TextSetting     = "inbound.unknown-sender"
	InboundGreylist          BoolSetting     = "inbound.greylist"
	InboundGreylistDelay     DurationSetting = "inbound.greylist-delay"
	InboundGreylistScore     TextSetting     = "inbound.greylist-score"

	BlocklistsAddresses TextSetting = "blocklists.addresses"
	BlocklistsDomains   TextSetting = "blocklists.domains"
	BlocklistsAllow     TextSetting = "blocklists.allow"
	BlocklistsKeys      TextSetting = "blocklists.keys"
	BlocklistsRefuse    TextSetting = "blocklists.refuse"

	BlocklistsLinks IntSetting = "blocklists.links"
)

// Values of inbound.unknown-sender and blocklists.refuse.
const (
	Score        = "score"
	RefuseSender = "refuse"
	RefuseMarked = "marked"
	RefuseListed = "listed"
)

// noNetworks is what a list of networks without one is.
const noNetworks = "none"

func doorDefinitions() []definition {
	return []definition{
		{name: string(InboundExempt), kind: words, initial: "127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 fc00::/7 fe80::/10", check: checkNetworks,
			doc: "Networks whose mail on port 25 is neither counted, delayed, nor looked up in blocklists: your own. \"none\": all clients are strangers."},
		{name: string(InboundPause), kind: duration, initial: "1s", max: 10_000_000_000,
			doc: "Time before the greeting in which a client that has sent no good mail yet must be silent; who talks first is sent away. 0: none."},
		{name: string(InboundConnections), kind: integer, initial: "120", max: 1_000_000,
			doc: "Connections to port 25 that one address may begin in a minute. 0: no limit."},
		{name: string(InboundConnectionsNet), kind: integer, initial: "600", max: 1_000_000,
			doc: "Connections to port 25 that one net (/24 of IPv4, /48 of IPv6) may begin in a minute. 0: no limit."},
		{name: string(InboundMessages), kind: integer, initial: "600", max: 1_000_000,
			doc: "Messages that one address may send to port 25 in a minute; others have to wait. 0: no limit."},
		{name: string(InboundMessagesNet), kind: integer, initial: "3000", max: 1_000_000,
			doc: "Messages that one net (/24 of IPv4, /48 of IPv6) may send to port 25 in a minute. 0: no limit."},
		{name: string(InboundUnknownRecipients), kind: integer, initial: "20", max: 100_000,
			doc: "After so many recipients that do not exist, and few others, an address is sent away for a while. 0: never."},
		{name: string(InboundUnknownSender), kind: words, initial: Score, check: oneOf(Score, RefuseSender),
			doc: "What a sender's domain that does not exist in the DNS means: \"score\" speaks for junk, \"refuse\" refuses the mail."},
		{name: string(InboundGreylist), kind: boolean, initial: "true",
			doc: "Ask senders of whom nothing good is known, and whose mail looks a little like junk, to send it again later (greylisting)."},
		{name: string(InboundGreylistDelay), kind: duration, initial: "5m", min: 1_000_000_000, max: 3_600_000_000_000,
			doc: "How long they have to wait."},
		{name: string(InboundGreylistScore), kind: words, initial: "2.5", check: checkScore,
			doc: "Score from which they have to; mail that goes to Junk anyway is not delayed."},
		{name: string(BlocklistsAddresses), kind: words, check: checkLists(dnsbl.Addresses),
			initial: "zen.spamhaus.org 127.0.0.2=4 127.0.0.3=3 127.0.0.4-7=4 127.0.0.9=8! 127.0.0.10-11=2.5 127.0.0.30=8!; bl.spamcop.net 127.0.0.2=2.5; psbl.surriel.com 127.0.0.2=2",
			doc:     "Blocklists of addresses: name, and the score of each code it answers with; lists with semicolons between them. \"!\" after a score: see blocklists.refuse. Many lists do not answer public resolvers. \"none\": no list."},
		{name: string(BlocklistsDomains), kind: words, check: checkLists(dnsbl.Domains),
			initial: "dbl.spamhaus.org 127.0.1.2-99=4 127.0.1.102-199=2 test=dbltest.com; multi.surbl.org 127.0.0.&8=3.5 127.0.0.&16=3.5 127.0.0.&64=3 127.0.0.&128=2.5 test=surbl-org-permanent-test-point.com",
			doc:     "Blocklists of domains, which are asked about those of the author, the sender and the client. \"&8\": each code with that bit; \"test=\": a domain that is always listed. \"none\": no list."},
		{name: string(BlocklistsLinks), kind: integer, initial: "0", max: dnsbl.MaxLinks,
			doc: "How many domains that links of a message lead to are looked up in the lists of domains, too. It catches junk that comes from good senders, and takes time for domains nobody has asked about before. 0: none."},
		{name: string(BlocklistsAllow), kind: words, check: checkLists(dnsbl.Allow), initial: "list.dnswl.org 127.0.*.1=-1 127.0.*.2=-2 127.0.*.3=-3",
			doc: "Lists of addresses that send good mail; their scores are below 0. \"none\": no list."},
		{name: string(BlocklistsKeys), kind: words, secret: true, check: checkKeys,
			doc: "Keys that stand in names of lists, as in dqs=KEY; {dqs} in a name, as in {dqs}.zen.dq.spamhaus.net, is replaced by it."},
		{name: string(BlocklistsRefuse), kind: words, initial: RefuseMarked, check: oneOf(Score, RefuseMarked, RefuseListed),
			doc: "What a listing of the client's address does beyond its score: \"marked\" refuses mail for codes with \"!\", where nobody sends good mail from; \"listed\" for all codes; \"score\" for none. Postmaster always gets mail."},
	}
}

// ParseNetworks reads networks and addresses with spaces between them.
func ParseNetworks(s string) ([]netip.Prefix, error) {
	if strings.TrimSpace(s) == noNetworks {
		return nil, nil
	}
	var nets []netip.Prefix
	for f := range strings.FieldsSeq(s) {
		p, err := netip.ParsePrefix(f)
		if a, aerr := netip.ParseAddr(f); aerr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not a network; write them with spaces between, as in 192.0.2.0/24 2001:db8::/32", f)
		}
		nets = append(nets, p.Masked())
	}
	return nets, nil
}

func checkNetworks(s string) error {
	_, err := ParseNetworks(s)
	return err
}

func checkScore(s string) error {
	if n, err := strconv.ParseFloat(s, 64); err != nil || !(n >= -10 && n <= 20) {
		return errors.New("it must be a number from -10 to 20, such as 2.5")
	}
	return nil
}

func checkLists(kind dnsbl.Kind) func(string) error {
	return func(s string) error {
		_, err := dnsbl.Parse(kind, s)
		return err
	}
}

func checkKeys(s string) error {
	_, err := dnsbl.ParseKeys(s)
	return err
}

// Networks returns a setting.
func (d *Directory) Networks(s TextSetting) []netip.Prefix {
	nets, _ := ParseNetworks(d.Text(s)) // was checked when it was set
	return nets
}

// Number returns a setting that is a decimal number.
func (d *Directory) Number(s TextSetting) float64 {
	n, _ := strconv.ParseFloat(d.Text(s), 64) // was checked when it was set
	return n
}

// Sends reports whether anybody here can write as p, so that a delivery report
// for it makes sense: it leads to an account, in any number of steps, or is one
// of the addresses that a server must have.
func (d *Directory) Sends(p mail.Path) bool {
	return isRole(p.Local) || d.current.Load().reachesAccount(p, maxAliasDepth)
}

func (s *snapshot) reachesAccount(p mail.Path, depth int) bool {
	id, targets := s.step(p)
	if id != 0 || depth == 0 {
		return id != 0
	}
	for _, t := range targets {
		if s.reachesAccount(t, depth-1) {
			return true
		}
	}
	return false
}
