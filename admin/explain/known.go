package explain

import "strings"

// known is a reply that is known by its words.
type known struct {
	provider string   // ID; empty: of anybody
	class    int      // first digit of the code; 0: any
	words    []string // all of them are in the reply, in lower case
	cause    string
	note     string // what this one means in particular
}

// knownReplies are in the order in which they are tried: those of one provider
// first, the plain words that many use last.
var knownReplies = []known{
	// Microsoft: outlook.com and its kind, and Exchange Online.
	{"microsoft", 0, []string{"s775"}, "reputation", "Microsoft (S775) limits what it takes from this address, as it does not know it well."},
	{"microsoft", 0, []string{"4.7.650"}, "reputation", "Microsoft limits what it takes from this address, as it does not know it well."},
	{"microsoft", 0, []string{"4.7.651"}, "reputation", "Microsoft limits what it takes from this address, as it does not know it well."},
	{"microsoft", 0, []string{"s3150"}, "blocked-ip", "Microsoft (S3150) has blocked the net that this address is in. Its form is at https://olcsupport.office.com."},
	{"microsoft", 0, []string{"s3140"}, "blocked-ip", "Microsoft (S3140) has blocked this address. Its form is at https://olcsupport.office.com."},
	{"microsoft", 0, []string{"s77719"}, "reputation", "Microsoft has not seen enough good mail from this address."},
	{"microsoft", 0, []string{"5.7.511"}, "blocked-ip", "Microsoft has banned this sender. Write to delist@microsoft.com with the whole reply."},
	{"microsoft", 0, []string{"banned sending ip"}, "blocked-ip", "Microsoft has banned this address. It can be taken off at https://sender.office.com."},
	{"microsoft", 0, []string{"5.7.708"}, "blocked-ip", "Exchange Online takes no mail from this address."},
	{"microsoft", 0, []string{"5.7.515"}, "authentication", "Microsoft demands SPF, DKIM and DMARC of those who send much."},
	{"microsoft", 0, []string{"5.7.509"}, "authentication", "The DMARC policy of the author's domain asks to reject the message."},
	{"microsoft", 5, []string{"5.4.1", "access denied"}, "no-such-user", "Exchange Online says so of addresses that it does not know."},
	{"microsoft", 4, []string{"4.7.500"}, "rate-limited", "Exchange Online is busy, or takes a rest from this address."},
	{"microsoft", 4, []string{"4.5.127"}, "rate-limited", ""},
	// Gmail and Google Workspace.
	{"gmail", 0, []string{"7.26"}, "authentication", "Gmail takes mail only with SPF or DKIM of the author's domain."},
	{"gmail", 0, []string{"7.27"}, "authentication", "SPF did not pass at Gmail."},
	{"gmail", 0, []string{"7.30"}, "authentication", "DKIM did not pass at Gmail."},
	{"gmail", 0, []string{"7.32"}, "authentication", "The author's domain is neither the one of SPF nor the one of DKIM."},
	{"gmail", 0, []string{"7.29"}, "tls", "Gmail takes mail only over an encrypted connection."},
	{"gmail", 0, []string{"7.25"}, "reverse-name", "Gmail takes no mail from addresses without a reverse name, over IPv6 above all."},
	{"gmail", 0, []string{"7.23"}, "reverse-name", "Gmail takes no mail from addresses without a reverse name, over IPv6 above all."},
	{"gmail", 0, []string{"7.28"}, "reputation", "Gmail sees an unusual rate of unwanted mail from this address or domain."},
	{"gmail", 0, []string{"unusual rate"}, "reputation", "Gmail sees an unusual rate of mail from this address or domain."},
	{"gmail", 0, []string{"low reputation"}, "reputation", "Gmail thinks little of the sending address or domain."},
	{"gmail", 0, []string{"unsolicited"}, "content", "Gmail takes this message for unsolicited."},
	{"gmail", 0, []string{"4.2.1", "rate"}, "rate-limited", "This recipient gets more mail at present than Gmail takes."},
	{"gmail", 4, []string{"4.7.0"}, "rate-limited", "Gmail asks for a slower pace from this address."},
	{"gmail", 0, []string{"ipv6", "ptr"}, "reverse-name", ""},
	// Yahoo and AOL.
	{"yahoo", 0, []string{"[tss04"}, "reputation", "Yahoo (TSS04) puts off mail from this address because of its amount, or complaints."},
	{"yahoo", 0, []string{"[tss"}, "reputation", "Yahoo puts off mail from this address."},
	{"yahoo", 0, []string{"[ts0"}, "reputation", "Yahoo puts off mail from this address because of complaints."},
	{"yahoo", 0, []string{"[bl"}, "listed", "Yahoo refuses what Spamhaus lists."},
	{"yahoo", 5, []string{"policy reasons"}, "authentication", "Yahoo says so when SPF, DKIM or DMARC do not pass."},
	// Apple.
	{"apple", 0, []string{"[hm08]"}, "authentication", "Apple: the DMARC policy of the author's domain asks to reject the message."},
	{"apple", 0, []string{"[cs01]"}, "content", "Apple (CS01) refuses the message by its filter."},
	{"", 0, []string{"proofpoint.com", "block"}, "blocked-ip", "Proofpoint, which guards this domain, blocks the address. It can be looked up at https://ipcheck.proofpoint.com."},
	// GMX, Web.de, Telekom, Proton.
	{"gmx", 0, []string{"ptr"}, "reverse-name", ""},
	{"gmx", 0, []string{"rate limit"}, "rate-limited", ""},
	{"gmx", 5, []string{"policy restriction"}, "reputation", "GMX and Web.de say so of addresses and header fields that they do not like."},
	{"telekom", 0, []string{"tosa@"}, "blocked-ip", "Telekom takes mail only from servers it knows. Write to tosa@rx.t-online.de; it wants a web page with your name and address under the name of this server."},
	{"telekom", 5, []string{"ask your postmaster"}, "blocked-ip", "Telekom takes mail only from servers it knows. Write to tosa@rx.t-online.de."},
	// Blocklists. A refusal to answer is no listing.
	{"", 0, []string{"127.255.255."}, "resolver", ""},
	{"", 0, []string{"open resolver", "spamhaus"}, "resolver", ""},
	{"", 0, []string{"public resolver"}, "resolver", ""},
	{"", 0, []string{"spamhaus", "pbl"}, "listed", "The PBL of Spamhaus has addresses of homes and dial-up lines, which are not to send mail themselves."},
	{"", 0, []string{"spamhaus"}, "listed", "The list is one of Spamhaus: https://check.spamhaus.org."},
	{"", 0, []string{"barracuda"}, "listed", "The list is the one of Barracuda: https://www.barracudacentral.org/rbl/removal-request."},
	{"", 0, []string{"spamcop"}, "listed", "The list is SpamCop, which forgets by itself within a day."},
	{"", 0, []string{"uceprotect"}, "listed", "The list is UCEPROTECT. Its levels 2 and 3 list whole providers; nothing has to be paid to leave it."},
	{"", 0, []string{"cloudmark"}, "listed", "The list is the one of Cloudmark: https://csi.cloudmark.com/en/reset."},
	{"", 0, []string{"sorbs"}, "listed", "SORBS was closed in 2024: the other side should stop asking it."},
	{"", 0, []string{"blacklist"}, "listed", ""},
	{"", 0, []string{"blocklist"}, "listed", ""},
	{"", 0, []string{"block list"}, "listed", ""},
	{"", 0, []string{"dnsbl"}, "listed", ""},
	{"", 0, []string{" rbl"}, "listed", ""},
	// Greylisting.
	{"", 4, []string{"greylist"}, "greylisted", ""},
	{"", 4, []string{"graylist"}, "greylisted", ""},
	{"", 4, []string{"grey list"}, "greylisted", ""},
	{"", 4, []string{"grey-list"}, "greylisted", ""},
	{"", 4, []string{"postgrey"}, "greylisted", ""},
	// Words of ours, for what happened before any reply.
	{"", 0, []string{"smarthost did not let us log in"}, "relay-login", ""},
	{"", 0, []string{"too many connections to this server already"}, "too-busy-here", ""},
	{"", 0, []string{"our copy of the message"}, "trouble-here", ""},
	{"", 0, []string{"because of a problem here"}, "trouble-here", ""},
	// Plain words that many servers use.
	{"", 0, []string{"reverse dns"}, "reverse-name", ""},
	{"", 0, []string{"reverse hostname"}, "reverse-name", ""},
	{"", 0, []string{"ptr record"}, "reverse-name", ""},
	{"", 0, []string{"no ptr"}, "reverse-name", ""},
	{"", 0, []string{"helo command rejected"}, "helo", ""},
	{"", 0, []string{"invalid helo"}, "helo", ""},
	{"", 0, []string{"ehlo", "rejected"}, "helo", ""},
	{"", 0, []string{"dmarc"}, "authentication", ""},
	{"", 0, []string{"dkim"}, "authentication", ""},
	{"", 0, []string{"spf"}, "authentication", ""},
	{"", 0, []string{"unauthenticated"}, "authentication", ""},
	{"", 0, []string{"starttls"}, "tls", ""},
	{"", 5, []string{"relaying denied"}, "relay-denied", ""},
	{"", 5, []string{"relay access denied"}, "relay-denied", ""},
	{"", 5, []string{"relay not permitted"}, "relay-denied", ""},
	{"", 0, []string{"over quota"}, "mailbox-full", ""},
	{"", 0, []string{"quota exceeded"}, "mailbox-full", ""},
	{"", 0, []string{"mailbox full"}, "mailbox-full", ""},
	{"", 0, []string{"mailbox is full"}, "mailbox-full", ""},
	{"", 5, []string{"user unknown"}, "no-such-user", ""},
	{"", 5, []string{"unknown user"}, "no-such-user", ""},
	{"", 5, []string{"no such user"}, "no-such-user", ""},
	{"", 5, []string{"does not exist"}, "no-such-user", ""},
	{"", 5, []string{"recipient not found"}, "no-such-user", ""},
	{"", 5, []string{"no mailbox"}, "no-such-user", ""},
	{"", 5, []string{"invalid recipient"}, "no-such-user", ""},
	{"", 5, []string{"account", "disabled"}, "mailbox-disabled", ""},
	{"", 5, []string{"inactive"}, "mailbox-disabled", ""},
	{"", 4, []string{"too many"}, "rate-limited", ""},
	{"", 4, []string{"rate limit"}, "rate-limited", ""},
	{"", 4, []string{"throttl"}, "rate-limited", ""},
	{"", 4, []string{"too fast"}, "rate-limited", ""},
	{"", 4, []string{"reputation"}, "reputation", ""},
	{"", 5, []string{"reputation"}, "blocked-ip", ""},
	{"", 5, []string{"virus"}, "content", ""},
	{"", 5, []string{"malware"}, "content", ""},
	{"", 5, []string{"spam"}, "content", ""},
	{"", 5, []string{"unsolicited"}, "content", ""},
	{"", 5, []string{"message size"}, "too-large", ""},
	{"", 5, []string{"too large"}, "too-large", ""},
	{"", 5, []string{"too big"}, "too-large", ""},
}

// findKnown returns what is known of a reply, nil if that is nothing.
func findKnown(p Provider, r Reply) *known {
	text := strings.ToLower(r.String())
	class := r.class()
	for i := range knownReplies {
		k := &knownReplies[i]
		if k.provider != "" && k.provider != p.ID || k.class != 0 && k.class != class {
			continue
		}
		if containsAll(text, k.words) {
			return k
		}
	}
	return nil
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
