// Package outbound is the queue's Transport to other servers: to the MX hosts
// of a domain, or to one smarthost for all mail.
package outbound
