// Package sasl is the server's half of SASL (RFC 4422) for every protocol that
// logs in: smtp, imap, pop3 and managesieve ask [New] for an exchange and pass
// octets through it. It knows no protocol and no storage; who has which
// password is the [Authenticator]'s business.
//
//	mechanism            RFC          shows the password   needs
//	SCRAM-SHA-256-PLUS   5802, 7677   no                   TLS 1.3 (RFC 9266: tls-exporter)
//	SCRAM-SHA-256        5802, 7677   no                   –
//	OAUTHBEARER          7628         (a token)            Options.Tokens
//	XOAUTH2              –            (a token)            Options.Tokens
//	PLAIN                4616         yes                  Options.Plain
//	LOGIN                –            yes                  Options.Plain
package sasl
