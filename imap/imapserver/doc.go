// Package imapserver is the IMAP server: one session a connection, a table of
// commands, and one file for each of them or for a few that belong together.
// cmd starts it; it serves what mailbox keeps and asks an Authenticators who
// may see it.
//
//	state             commands                                   next
//	notAuthenticated  STARTTLS, AUTHENTICATE, LOGIN              authenticated, by a login
//	authenticated     SELECT, EXAMINE, CREATE, LIST, APPEND, …   selected, by SELECT and EXAMINE
//	selected          those, FETCH, STORE, SEARCH, COPY, …       authenticated, by CLOSE and UNSELECT
//	any               CAPABILITY, NOOP, ID, LOGOUT               loggedOut, by LOGOUT and BYE
//
// A handler reads its arguments, asks, writes untagged responses, and returns;
// one place, answer, tells what has happened meanwhile and writes the tagged
// response.
//
// What a session knows of its mailbox is the list of UIDs, which gives the
// sequence numbers, and the mod-sequence up to which it has read the change
// feed. Nothing is queued for it: other sessions' changes are read from the
// feed when they may be told.
//
// Nothing is written to a connection inside a snapshot or under a lock: FETCH
// encodes a page of responses, ends the snapshot, opens the bodies and only
// then writes. A client that does not read costs its buffers and its time.
//
// RFCs: 9051 (IMAP4rev2), 3501 (IMAP4rev1), 2177 (IDLE), 2342 (NAMESPACE),
// 2971 (ID), 3348 (CHILDREN), 3502 (MULTIAPPEND), 3516 (BINARY), 3691
// (UNSELECT), 4315 (UIDPLUS), 4731 (ESEARCH), 4959 (SASL-IR), 5032 (WITHIN),
// 5161 (ENABLE), 5182 (SEARCHRES), 5258 (LIST-EXTENDED), 5530 (response
// codes), 5819 (LIST-STATUS), 6154 (SPECIAL-USE), 6851 (MOVE), 6855
// (UTF8=ACCEPT), 7162 (CONDSTORE), 7888 (LITERAL+), 7889 (APPENDLIMIT), 8438
// (STATUS=SIZE), 8474 (OBJECTID), 8514 (SAVEDATE), 9208 (QUOTA).
package imapserver
