// Package api is what package admin offers, over HTTP: [Server] on the side of
// the server, [Client] on the side of the command line. openapi.json beside
// this file describes every operation; it is made from the code.
//
// There are two doors. The local admin socket, DATA/run/admin.sock, belongs to
// the user of the service alone (0600): whoever can open it is the owner. Over
// TLS a request needs a session or an API key; package admin decides what it
// may do.
//
// Lists come in pages: the next of one is the cursor of the next one. What is
// done to a thing rather than stored is a verb behind its path, as in POST
// /queue:retry. Failures are problem details (RFC 9457) with a member "code".
//
// Beside the API are the built pages of package webadmin.
package api
