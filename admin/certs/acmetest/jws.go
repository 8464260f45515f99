package acmetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
)

// errNonce means that a nonce was used before, or never given out.
var errNonce = errors.New("the nonce is not good any more")

// jwk is a public key of P-256 (RFC 7518 section 6.2.1).
type jwk struct {
	Crv string `json:"crv"`
	Kty string `json:"kty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func unbase64(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

// open checks the signature and the nonce of a request (RFC 8555 section 6).
func (s *Server) open(r *http.Request, body []byte) (*request, error) {
	var signed struct{ Protected, Payload, Signature string }
	if err := json.Unmarshal(body, &signed); err != nil {
		return nil, err
	}
	head, err1 := unbase64(signed.Protected)
	payload, err2 := unbase64(signed.Payload)
	signature, err3 := unbase64(signed.Signature)
	var h struct {
		Alg, Nonce, URL, KID string
		JWK                  *jwk
	}
	if err := errors.Join(err1, err2, err3, json.Unmarshal(head, &h)); err != nil {
		return nil, err
	}
	req := &request{Request: r, base: "http://" + r.Host + "/acme/", payload: payload}
	if h.Alg != "ES256" || h.URL != "http://"+r.Host+r.URL.Path || len(signature) != 64 {
		return nil, fmt.Errorf("not signed as it must be: %s for %s", h.Alg, h.URL)
	}
	var err error
	if h.JWK != nil {
		req.key, err = h.JWK.public()
	} else if req.account = strings.TrimPrefix(h.KID, req.base+"account/"); s.accounts[req.account] == nil {
		err = fmt.Errorf("there is no account %s", h.KID)
	} else {
		req.key = s.accounts[req.account]
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(signed.Protected + "." + signed.Payload))
	if !ecdsa.Verify(req.key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return nil, errors.New("the signature is wrong")
	}
	if !s.nonces[h.Nonce] {
		return nil, errNonce
	}
	delete(s.nonces, h.Nonce)
	return req, nil
}

func (k *jwk) public() (*ecdsa.PublicKey, error) {
	x, err1 := unbase64(k.X)
	y, err2 := unbase64(k.Y)
	if err := errors.Join(err1, err2); err != nil || k.Kty != "EC" || k.Crv != "P-256" || len(x) != 32 || len(y) != 32 {
		return nil, errors.New("only keys of P-256 are known")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
}

// thumbprint is that of a key (RFC 7638), as challenges have it.
func thumbprint(key *ecdsa.PublicKey) string {
	point, err := key.Bytes()
	if err != nil {
		return ""
	}
	text, err := json.Marshal(jwk{"P-256", "EC", base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
