// Package inbound is the policy of port 25: mail from strangers for the
// domains that are ours. cmd plugs a [Service] into an smtpserver.Server.
//
//	Connect  the door: rates, probing, early talkers → 421, 554
//	MAIL     the door: rates, HELO, the sender's domain → 451, 550; a transaction
//	         begins and gets its ID
//	RCPT     delivery says whether the address is ours, exists and has room; a
//	         domain that is not ours is refused whoever asks: no relaying
//	         the door: probing, delivery reports, blocklists → 421, 452, 550
//	DATA     message into a spool → header read, Return-Path, forged
//	         Authentication-Results and verdicts out → through the indexer
//	         → checks: loops; iprev, SPF, DKIM, ARC and others at once; then
//	           DMARC, which trusted forwarders and sealers of ARC may overrule
//	         → external filters, if nothing refused the message; they may also
//	           ask for changes of its header
//	         → weigh: evidence, whom it reaches, and for each account an opinion,
//	           its policy and what the lists say
//	         → conclude: one Verdict, with a decision for each account
//	         → final checks: "come again later" to strangers (greylisting)
//	         → Received, Received-SPF and Authentication-Results in
//	         → delivery: to INBOX, \Junk or quarantine, 250; or refused, 550
//
// A [Check] looks at a [Mail] and returns a [Finding]: what goes into the
// header, what it adds to the score or would have done with the mail, and why.
// Nothing but decide and conclude act on findings, and they have no side
// effects. DNS trouble is a finding like others and never by itself a reason to
// refuse. Which rule wins is told in mail/verdict.
//
// A message is refused only while its client waits, and only if every account
// that it reaches would refuse it: no report goes to a sender who may be
// forged. Else it goes to quarantine for those that would.
//
// Everything that happens is appended to the message's trace, refusals before
// DATA as well; no acknowledgement waits for that.
//
// A [Door] is the policy before DATA. Each of its rules makes a [Ruling]: a
// refusal, or something for the score. What they remember is bounded in memory;
// who was seen to be good and who was told to come again is in a [Memory]:
//
//	seen to be good    a message of the address was taken for the inbox in the
//	                   last 36 days: no pause before the greeting
//	told to come again net (/24, /64), domain of the reverse-path and recipient;
//	                   for two days
//	has come again     the net, for 36 days after its last message
//
// RFCs: 5321 (sections 4.1.4, 4.4, 6.3), 5782, 6647, 7505, 7208 (section 9.1), 8601, 8617, 9989.
//
// Deviation: RFC 9989 section 8 wants no message to be refused for p=reject
// alone, for the sake of mailing lists that change messages. Lists have
// rewritten the author for such domains for years, and their owners ask for
// what they get; [Options].LenientDMARC files such mail to \Junk instead.
package inbound
