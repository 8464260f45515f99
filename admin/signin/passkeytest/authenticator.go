package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Flags of authenticator data (Web Authentication Level 3 section 6.1).
const (
	userPresent    = 0x01
	userVerified   = 0x04
	backupEligible = 0x08
	backupState    = 0x10
	attestedData   = 0x40
)

// Authenticator has one passkey, and the browser it is used in.
type Authenticator struct {
	Origin string // where the browser is, as in "https://mail.example.org"
	RPID   string // that it signs for; the one of the options if ""

	Verified bool   // it has checked who its user is
	Synced   bool   // its passkey is copied to other devices
	Count    uint32 // signatures so far; grows before each
	NoCount  bool   // it has no counter, as synced passkeys
	Absent   bool   // nobody has touched it
	Type     string // of the ceremony in client data; the right one if ""

	ID     []byte // of the passkey; set by Create
	Handle []byte // of the account; set by Create, may be cleared
	key    *ecdsa.PrivateKey
}

// New makes an authenticator without a passkey, that verifies its user.
func New(origin string) *Authenticator {
	return &Authenticator{Origin: origin, Verified: true}
}

// creationOptions is what it reads of PublicKeyCredentialCreationOptionsJSON.
type creationOptions struct {
	RP struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Challenge          string       `json:"challenge"`
	ExcludeCredentials []descriptor `json:"excludeCredentials"`
}

type descriptor struct {
	ID string `json:"id"`
}

// requestOptions is what it reads of PublicKeyCredentialRequestOptionsJSON.
type requestOptions struct {
	RPID             string       `json:"rpId"`
	Challenge        string       `json:"challenge"`
	AllowCredentials []descriptor `json:"allowCredentials"`
}

// Create makes a passkey, as navigator.credentials.create, and returns it as
// RegistrationResponseJSON.
func (a *Authenticator) Create(options []byte) ([]byte, error) {
	var o creationOptions
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	if a.ID != nil && has(o.ExcludeCredentials, a.ID) {
		return nil, fmt.Errorf("passkeytest: InvalidStateError: there is a passkey already")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, err
	}
	a.key, a.Handle, a.ID = key, handle, make([]byte, 32)
	if _, err := rand.Read(a.ID); err != nil {
		return nil, err
	}
	data, err := a.attested(o.RP.ID)
	if err != nil {
		return nil, err
	}
	client, err := a.clientData("webauthn.create", o.Challenge)
	if err != nil {
		return nil, err
	}
	return a.response(map[string]any{
		"clientDataJSON":    b64(client),
		"attestationObject": b64(attestationObject(data)),
		"transports":        []string{"internal", "hybrid"},
	})
}

// Get signs with the passkey, as navigator.credentials.get, and returns the
// assertion as AuthenticationResponseJSON.
func (a *Authenticator) Get(options []byte) ([]byte, error) {
	var o requestOptions
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	if len(o.AllowCredentials) > 0 && !has(o.AllowCredentials, a.ID) {
		return nil, fmt.Errorf("passkeytest: NotAllowedError: none of these passkeys is here")
	}
	client, err := a.clientData("webauthn.get", o.Challenge)
	if err != nil {
		return nil, err
	}
	data := a.data(o.RPID, 0)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(data, hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		return nil, err
	}
	r := map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
	if a.Handle != nil {
		r["userHandle"] = b64(a.Handle)
	}
	return a.response(r)
}

func (a *Authenticator) response(r map[string]any) ([]byte, error) {
	return json.Marshal(map[string]any{"id": b64(a.ID), "rawId": b64(a.ID), "type": "public-key",
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{}, "response": r})
}

func (a *Authenticator) clientData(kind, challenge string) ([]byte, error) {
	if a.Type != "" {
		kind = a.Type
	}
	return json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
}

// data is authenticator data (Web Authentication Level 3 section 6.1).
func (a *Authenticator) data(rpID string, flags byte) []byte {
	if a.RPID != "" {
		rpID = a.RPID
	}
	for _, f := range []struct {
		on  bool
		bit byte
	}{{!a.Absent, userPresent}, {a.Verified, userVerified}, {a.Synced, backupEligible | backupState}} {
		if f.on {
			flags |= f.bit
		}
	}
	if !a.NoCount {
		a.Count++
	}
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Count)
}

// attested is authenticator data with the new passkey (section 6.5.1).
func (a *Authenticator) attested(rpID string) ([]byte, error) {
	public, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	d := a.data(rpID, attestedData)
	d = append(d, make([]byte, 16)...) // AAGUID: no model
	d = binary.BigEndian.AppendUint16(d, uint16(len(a.ID)))
	d = append(d, a.ID...)
	// COSE_Key in CBOR: {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}
	d = append(d, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20)
	d = append(d, public[1:33]...)
	d = append(d, 0x22, 0x58, 0x20)
	return append(d, public[33:]...), nil
}

// attestationObject is {"fmt": "none", "attStmt": {}, "authData": data} in
// CBOR.
func attestationObject(data []byte) []byte {
	o := []byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59")
	o = binary.BigEndian.AppendUint16(o, uint16(len(data)))
	return append(o, data...)
}

func has(list []descriptor, id []byte) bool {
	for _, d := range list {
		if d.ID == b64(id) {
			return true
		}
	}
	return false
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
