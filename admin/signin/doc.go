// Package signin lets people sign in on the web: by password, by code, by
// passkey, by a link they were sent, and once by the code of the first set-up.
// It knows no HTTP: admin/api turns requests into calls, and tokens into
// cookies.
//
// A sign-in is one or two steps:
//
//	Password                        → session, or a ticket when TOTP is on
//	PasskeyBegin, PasskeyFinish     → session, or a ticket when TOTP is on and
//	                                  the passkey has not verified its user
//	Accept (invite or reset link)   → session, or a ticket when TOTP is on
//	TOTP or Recovery with a ticket  → session
//
// A ticket stands for what was proved so far. It is for one account, lasts
// five minutes and five tries, and is kept in memory: a restart ends what was
// begun, not the sessions, which are rows of system.db (admin/directory). The
// token of a session is made by the server at the end of a sign-in and never
// taken from the client, so a session cannot be fixed beforehand.
//
// Passkeys follow Web Authentication Level 3, through go-webauthn, for which
// this package is the door. A passkey is bound to a host name, the RP ID, so
// it works only under the origins of [Options]. TOTP is RFC 6238, with SHA-1,
// six digits and 30 seconds, as all apps can do.
//
// Wrong passwords and codes are counted by the directory, which slows down
// whoever guesses and lets in whoever is at home.
package signin
