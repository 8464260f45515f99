// Package admin is what an operator can do, one method each, and knows no
// HTTP. [Operator] is the list; [Admin] does it on the data itself, inside the
// server or, with [Open], while no server runs. admin/api has the same list
// over the local socket, so that the command line works in both ways.
//
// Everything an operator types is text here: names may have U-labels,
// addresses any case. Errors are sentences that say what to do; what they are
// can be asked with errors.Is and the errors of admin/directory.
//
// Every method begins with the rights of who asks ([Principal]); without one in
// the context everything is refused. Every change is recorded in the audit log.
package admin
