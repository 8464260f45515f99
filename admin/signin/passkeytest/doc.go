// Package passkeytest is an authenticator and its browser for tests: it makes
// passkeys with ES256 and no attestation, and signs with them (Web
// Authentication Level 3 sections 5.1, 6.3 and 6.5). Its fields let a test
// play a passkey that lies.
package passkeytest
