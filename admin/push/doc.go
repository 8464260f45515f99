// Package push sends small HTTP requests to addresses that operators have
// named: alerts, and events of webhooks. It is the one way by which they leave
// this server.
//
// Who names the address of a web server makes this one connect to it, and reads
// what it answers. So a request goes to addresses of the Internet only, over
// TLS with a certificate that is verified; private networks and this machine
// are reached only where the owner allows it. The address that was looked at is
// the one that is connected to, and no redirect is followed. What is waited for
// and what is read is bounded.
//
// Requests are signed as Standard Webhooks 1.0.0 says: HMAC-SHA256 (RFC 2104)
// over the ID, the time and the body.
package push
