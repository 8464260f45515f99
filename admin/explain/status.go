package explain

import "github.com/mailstead/mailstead/mail"

// detail is an enhanced status code without its class.
type detail struct{ subject, detail uint16 }

// statusTexts say what enhanced status codes mean, without their class (RFC
// 3463 section 3, and the registry of RFC 5248 where another RFC is named).
var statusTexts = map[detail]string{
	{1, 0}:  "something is wrong with an address",
	{1, 1}:  "there is no such mailbox",
	{1, 2}:  "the domain of the address does not exist or takes no mail",
	{1, 3}:  "the address is not written correctly",
	{1, 4}:  "the address stands for more than one mailbox",
	{1, 5}:  "the recipient's address is valid",
	{1, 6}:  "the mailbox has moved, and nobody knows where",
	{1, 7}:  "the sender's address is not written correctly",
	{1, 8}:  "the domain of the sender's address cannot be found",
	{1, 9}:  "the message was handed to a system that makes no delivery reports", // RFC 3886
	{1, 10}: "the recipient's domain says that it takes no mail (null MX)",       // RFC 7505
	{2, 0}:  "something is wrong with the mailbox",
	{2, 1}:  "the mailbox is disabled",
	{2, 2}:  "the mailbox is full",
	{2, 3}:  "the message is larger than this mailbox may take",
	{2, 4}:  "the mailing list cannot be expanded now",
	{3, 0}:  "the mail system there has trouble of its own",
	{3, 1}:  "the mail system has no room left",
	{3, 2}:  "the mail system takes no messages at this time",
	{3, 3}:  "the mail system lacks a feature that the message needs",
	{3, 4}:  "the message is too large for this system",
	{3, 5}:  "the mail system is not set up correctly",
	{3, 6}:  "the priority asked for was changed", // RFC 6710
	{4, 0}:  "something is wrong with the network or the route",
	{4, 1}:  "no server answered",
	{4, 2}:  "the connection broke off or was too bad",
	{4, 3}:  "a directory such as the DNS gave no answer",
	{4, 4}:  "no way to the destination is known",
	{4, 5}:  "the mail system is busy",
	{4, 6}:  "the message goes round in circles",
	{4, 7}:  "the message could not be delivered in time",
	{5, 0}:  "the two servers do not understand each other",
	{5, 1}:  "the command is not valid here",
	{5, 2}:  "the command is not written correctly",
	{5, 3}:  "there are too many recipients for one message",
	{5, 4}:  "an argument of the command is not valid",
	{5, 5}:  "the servers use different versions of the protocol",
	{5, 6}:  "the login data is too long", // RFC 4954
	{6, 0}:  "something is wrong with the content",
	{6, 1}:  "the kind of content is not taken",
	{6, 2}:  "the content would have to be converted, which is forbidden",
	{6, 3}:  "the content would have to be converted, which is not possible",
	{6, 4}:  "the content was converted with a loss",
	{6, 5}:  "the content could not be converted",
	{6, 6}:  "the content is not there",             // RFC 4468
	{6, 7}:  "non-ASCII addresses are not possible", // RFC 6531
	{6, 8}:  "the text of the reply needs UTF-8",    // RFC 6531
	{6, 9}:  "a non-ASCII header is not possible",   // RFC 6531
	{7, 0}:  "the message is refused for reasons of security or policy",
	{7, 1}:  "the message is refused by a policy",
	{7, 2}:  "the sender may not write to this mailing list",
	{7, 3}:  "the message would have to be converted, which security forbids",
	{7, 4}:  "a security feature is not available",
	{7, 5}:  "encryption failed or is missing",
	{7, 6}:  "the way of encryption is not supported",
	{7, 7}:  "the message was changed on its way",
	{7, 8}:  "the login is not valid",                                                        // RFC 4954
	{7, 9}:  "this way of logging in is too weak",                                            // RFC 4954
	{7, 10}: "encryption is needed",                                                          // RFC 5248
	{7, 11}: "this way of logging in needs encryption",                                       // RFC 4954
	{7, 12}: "the password has to be changed",                                                // RFC 4954
	{7, 13}: "the account is disabled",                                                       // RFC 5248
	{7, 14}: "there is no relationship of trust",                                             // RFC 5248
	{7, 15}: "the priority is too low",                                                       // RFC 6710
	{7, 16}: "the message is too large for its priority",                                     // RFC 6710
	{7, 17}: "the mailbox has another owner than it had",                                     // RFC 7293
	{7, 18}: "the domain has another owner than it had",                                      // RFC 7293
	{7, 19}: "the owner of the mailbox cannot be verified",                                   // RFC 7293
	{7, 20}: "no DKIM signature of the message is valid",                                     // RFC 7372
	{7, 21}: "no DKIM signature of the message is acceptable",                                // RFC 7372
	{7, 22}: "no DKIM signature is of the author's domain",                                   // RFC 7372
	{7, 23}: "the SPF record of the sender's domain does not allow this server",              // RFC 7372
	{7, 24}: "the SPF record of the sender's domain cannot be used",                          // RFC 7372
	{7, 25}: "the sending address has no reverse name, or its name does not lead back to it", // RFC 7372
	{7, 26}: "the message is not authenticated: several checks fail",                         // RFC 7372
	{7, 27}: "the sender's domain says that it takes no mail (null MX)",                      // RFC 7505
	{7, 28}: "there is a flood of mail",                                                      // RFC 5248 registry
	{7, 29}: "the ARC chain is not valid",                                                    // RFC 8617
	{7, 30}: "the next server does not promise the encryption that the sender asks for",      // RFC 8689
}

// codeTexts say what reply codes mean that have no status with them (RFC 5321
// section 4.2.3).
var codeTexts = map[int]string{
	211: "a help text", 214: "a help text",
	220: "the server is ready", 221: "the server says good-bye", 235: "the login is valid",
	250: "done", 251: "the server forwards the message", 252: "the server cannot verify the address, but takes the message",
	334: "go on with the login", 354: "the text of the message may come now",
	421: "the server ends the connection", 450: "the mailbox cannot be used now", 451: "the server has a problem now",
	452: "the server has no room now", 454: "the login cannot be checked now, or TLS is not available now", 455: "a parameter cannot be used now",
	500: "the command is not known", 501: "an argument is not valid", 502: "the command is not available", 503: "the command comes at the wrong time",
	504: "a parameter is not available", 521: "the server takes no mail", 530: "a login or encryption is needed first",
	535: "the login is not valid", 538: "this way of logging in needs encryption", 550: "the mailbox is not there, or the message is not wanted",
	551: "the recipient is not here", 552: "the mailbox or the message is too large", 553: "the address is not taken",
	554: "the server does not want this message, or does not want to talk to us", 555: "a parameter is not known", 556: "the domain takes no mail",
}

// StatusText says what an enhanced status code means, "" for one that is not
// known.
func StatusText(s mail.Status) string {
	return statusTexts[detail{s.Subject, s.Detail}]
}
