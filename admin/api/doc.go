// Package api is admin.Operator over HTTP: [Handler] and [Serve] on the side
// of the server, [Client] on the side of the command line. In between is the
// local admin socket, DATA/run/admin.sock, which belongs to the user of the
// service alone (0600): whoever can open it may do everything.
//
//	GET    /api/v1/domains                     all
//	POST   /api/v1/domains                     add
//	GET    /api/v1/domains/NAME                one, with the records to publish
//	PATCH  /api/v1/domains/NAME                change
//	DELETE /api/v1/domains/NAME?force=true     remove
//	GET    /api/v1/domains/NAME/check          compare with the DNS
//	GET    /api/v1/accounts?domain=            all
//	POST   /api/v1/accounts                    add
//	GET    /api/v1/accounts/ADDRESS            one, with what it uses
//	PATCH  /api/v1/accounts/ADDRESS            change
//	DELETE /api/v1/accounts/ADDRESS            remove with its mail
//	PUT    /api/v1/accounts/ADDRESS/password   set
//	GET    /api/v1/aliases?domain=             all
//	POST   /api/v1/aliases                     make, or add targets
//	DELETE /api/v1/aliases/ADDRESS?target=     remove, or take targets out
//	GET    /api/v1/queue?address=&state=&cause=&after=&limit=
//	GET    /api/v1/queue/ID
//	POST   /api/v1/queue/actions               retry, hold, release, cancel
//	GET    /api/v1/queue/stats
//	GET    /api/v1/traces?id=&message_id=&address=&ip=&subject=&outcome=&after=&before=&limit=
//	GET    /api/v1/traces/ID
//	GET    /api/v1/settings                    all
//	GET    /api/v1/settings/NAME
//	PUT    /api/v1/settings/NAME               set
//	DELETE /api/v1/settings/NAME               back to the default
//	GET    /api/v1/settings.toml               export
//	PUT    /api/v1/settings.toml               import
//	GET    /api/v1/certificates
//	GET    /api/v1/audit?limit=
//
// Failures are problem details (RFC 9457) with a member "code".
package api
