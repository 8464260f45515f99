// Package directory is system.db: which domains, accounts and addresses there
// are, who may log in, every setting, and who changed what.
//
// smtp and delivery ask it what an address means ([Directory.IsLocal],
// [Directory.Resolve], [Directory.MaySend]), the protocols ask it who somebody
// is ([Directory.Authenticator]), and admin changes it. Questions are answered
// from a snapshot in memory; a change writes its rows and its audit entry in
// one transaction and then puts a new snapshot in place. Nobody waits for a
// database on the way of a message.
//
// system.db is a bbolt file. A row is a version octet and JSON:
//
//	meta         "secret" → 32 octets for made-up SCRAM salts and keyed hashes,
//	             "setup" → setupRecord: the first-run code, or its browser
//	domains      A-label → domainRecord, with DKIM keys
//	accounts     uint32 → accountRecord; numbers come from the bucket's
//	             sequence and are never used again
//	credentials  uint32 → credentialRecord: argon2id and SCRAM-SHA-256 keys
//	aliases      address key → aliasRecord
//	settings     name → text, for those that differ from the default
//	audit        uint64 → AuditEntry
//	sessions     uint32 and SHA-256 of the token → sessionRecord
//	links        uint32 → linkRecord: to set a password; one per account
//	totp         uint32 → totpRecord
//	recovery     uint32 → recoveryRecord: hashes of the codes that are left
//	passkeys     uint32 and SHA-256 of the credential ID → passkeyRecord
//	app_passwords, api_keys   ID → record with the keyed hash of the secret
//	last_use     "app/" or "key/" and ID → use: when, and from where
//	logins       uint64 → LoginEntry
//	login_index  account, 1 or 0 for OK, uint64 → nothing
//
// What an address means is found in this order: itself (account or alias), the
// domain it is an alias of, the address before the separator, postmaster and
// abuse (RFC 5321 section 4.5.1, RFC 2142), the catch-all.
//
// Logins are slowed down by two counters, so that guessing is hopeless and
// nobody locks anybody out:
//
//	net and login   failures of one login from one net (IPv6: a /64)
//	net             failures of all logins from one net; a login that has
//	                succeeded from that net before is not held up by it
//
// The same wrong password again, as an old device sends it, counts once. App
// passwords and API keys have too many bits to be guessed: they are compared
// by a keyed hash, at once, and no penalty holds them up.
//
// Logins and the last use of secrets are written late, in batches, by one
// goroutine: a login waits for no disk. The history is bounded by account, in
// all, and in time.
package directory
