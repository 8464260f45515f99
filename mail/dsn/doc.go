// Package dsn writes and reads delivery status notifications: the reports
// that tell a sender that a message was delivered, is late or will not arrive
// (RFC 3464).
//
// The queue calls [Build] when it gives up, is late or was asked for a success
// report, and sends the result from the null reverse-path. [Parse] reads the
// reports of others. Both handle remote text as what it is, the text of a
// stranger: it cannot leave its line.
//
// RFCs: 3461 section 6 (what a report contains and when), 3462 and 6522
// (multipart/report), 3464 (message/delivery-status), 6533 (internationalised
// reports), 3834 (Auto-Submitted), 5322.
package dsn
