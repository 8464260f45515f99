// Package dnstest is a small part of the domain name system in memory: zones
// written as master files, asked through [Zones] as a dns.Resolver, or over
// UDP and TCP with [Zones.Serve].
//
// Tests use it in place of the network; "mailstead try" serves its simulated
// world from it, and real peers such as Postfix can be pointed to it. It knows
// aliases, wildcards (RFC 4592, one label or more), several texts per record,
// a DNSSEC bit per zone, and failures on demand. It is neither a recursive
// resolver nor a validating one: a name outside its zones does not exist.
package dnstest
