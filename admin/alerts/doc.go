// Package alerts tells people outside of this server when something is wrong
// with it, and when it is right again.
//
// Each minute, and when a check has changed, a [Service] is given what is known
// of the server ([Observations]). A pure function, [Judge], makes findings of
// it, each with what was seen, how that is known and what to do. A finding goes
// through these states, which outlast a restart:
//
//	pending   seen, and to be seen again before anybody is told
//	firing    told to all channels, once; again only if it gets worse, or as a
//	          reminder
//	resolved  gone for a while; told to those who were told of it
//
// What could not be found out changes nothing: it neither begins an alert nor
// ends one. A muted alert goes through the same states without a word.
//
// What is to be told waits in system.db for each [Channel] until it was told or
// a day has passed: mail to an address elsewhere, a signed request to a web
// server, or ntfy. The trouble of a channel is told by the others only, so that
// no alert is ever about itself. Once a day a mail says what has changed since
// the day before.
package alerts
