// Package filter asks programs beside the server about messages: rspamd over
// HTTP, ClamAV's clamd, and milters, the mail filters of Sendmail and Postfix.
// cmd plugs them into smtp/inbound, as checks that run once it is known who
// sent a message.
//
// A [Filter] shows a [Message] to its program and makes a [Result] of the
// answer. It answers for nothing else: a [Guard] around it bounds how long a
// message may wait and how many are looked at at once, and says what happens
// when there is no answer that can be used.
//
//	answer                           what the message gets
//	rspamd: a score                  a reason with the score, scaled
//	  "add header", "rewrite subject"  … that is enough for \Junk at least
//	  "soft reject", "reject"        451, 550
//	  "quarantine", "discard"        quarantine
//	clamd: FOUND                     550 5.7.1 with the name of the signature
//	milter: tempfail, reject, reply  451, 550, what the milter says
//	  quarantine, discard            quarantine: nothing vanishes silently
//	  header and sender changes      done when the message is accepted
//	  recipients                     told, and left as they are
//	no answer, or a broken one       451 or nothing, as [Fail] says
//
// What these programs send is foreign: lengths, numbers and times are bounded
// before anything is made of them, texts are one line of printable characters,
// and a field that would break a header is left out.
//
// The protocol of milters is version 6, as libmilter speaks it. It is spoken
// here and not by emersion/go-milter because that keeps as many changes as a
// milter asks for, and bounds the time of a read but not of a message.
package filter
