// Package autoconfig tells mail programs how to reach this server, in each of
// the languages that they ask in, so that a person needs an address and a
// password and nothing else.
//
//	mozilla.go  Thunderbird, Evolution, K-9 and others: config-v1.1.xml
//	            (draft-ietf-mailmaint-autoconfig)
//	outlook.go  Outlook: Autodiscover, in XML (MS-OXDSCLI) and its JSON
//	            forerunner
//	apple.go    Apple Mail: a configuration profile, signed (CMS, RFC 5652)
//	pacc.go     PACC: JSON, with its digest in the DNS (draft-ietf-mailmaint-pacc)
//	help.go     people: /help, which works without scripts and sign-in
//	offer.go    a device that is set up by scanning a code: a page with an app
//	            password of its own, which it gives away once
//
// But for offers none of it is secret: all that is told is the name of the server, its ports,
// and that the login is the whole address. Who asks need not exist; domains
// that are not hosted here are answered with 404. SRV records (RFC 6186,
// RFC 8314) are advice about the DNS and live there.
//
// [Service.Handler] answers over HTTP; admin/api puts it beside the API.
package autoconfig
