package sasl

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// scramIterations is RFC 7677 section 4's minimum: the strength lies in
// argon2id for those who steal the store, and phones compute this at each
// login.
const scramIterations = 4096

// saltSize is the length of a salt in octets.
const saltSize = 16

// MakeSCRAMKeys derives what is kept of a new password for SCRAM-SHA-256. It
// fails if SASLprep refuses the password (RFC 4013).
func MakeSCRAMKeys(password string) (SCRAMKeys, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return SCRAMKeysFor(password, salt)
}

// SCRAMKeysFor is MakeSCRAMKeys with a salt that other passwords of the login
// have, too.
func SCRAMKeysFor(password string, salt []byte) (SCRAMKeys, error) {
	return deriveKeys(password, salt, scramIterations)
}

// Prepare returns the form of a password in which it is compared (SASLprep,
// RFC 4013): letters that were typed in different ways become the same. It
// fails for characters that not every keyboard can repeat.
func Prepare(password string) (string, error) {
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil {
		return "", fmt.Errorf("password has characters that cannot be used: %w", err)
	}
	return prepared, nil
}

func deriveKeys(password string, salt []byte, iterations int) (SCRAMKeys, error) {
	prepared, err := Prepare(password)
	if err != nil {
		return SCRAMKeys{}, err
	}
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, iterations, sha256.Size)
	if err != nil {
		return SCRAMKeys{}, err
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	return SCRAMKeys{Salt: salt, Iterations: iterations, StoredKey: stored[:], ServerKey: mac(salted, "Server Key")}, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// scramServer is SCRAM-SHA-256, with channel binding for -PLUS (RFC 5802):
//
//	← client-first   gs2-header,n=login,r=nonce
//	→ server-first   r=nonce+ours,s=salt,i=iterations
//	← client-final   c=binding,r=nonce+ours,p=proof
//	→ server-final   v=signature
type scramServer struct {
	result
	auth     Authenticator
	plus     bool
	exporter []byte
	nonce    string // ours; set by tests

	step        int
	login       string
	gs2         string // the header as the client sent it
	full        string // both nonces
	clientFirst string // bare
	serverFirst string
	keys        SCRAMKeys
}

func (s *scramServer) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if len(response) > maxResponse || !utf8.Valid(response) {
		return nil, false, ErrSyntax
	}
	switch s.step {
	case 0:
		if response == nil {
			return []byte{}, false, nil
		}
		s.step = 1
		challenge, err = s.first(ctx, string(response))
		return challenge, false, err
	case 1:
		s.step = 2
		challenge, err = s.final(ctx, string(response))
		return challenge, false, err
	case 2: // the client has taken our signature
		if len(response) > 0 {
			return nil, false, ErrSyntax
		}
		s.step = 3
		return nil, true, nil
	}
	return nil, false, ErrSyntax
}

// first reads client-first and answers with salt and nonce.
func (s *scramServer) first(ctx context.Context, msg string) ([]byte, error) {
	bind, rest, ok1 := strings.Cut(msg, ",")
	authzid, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 {
		return nil, ErrSyntax
	}
	if err := s.checkBinding(bind); err != nil {
		return nil, err
	}
	name, rest, ok1 := strings.Cut(bare, ",")
	nonce, _, _ := strings.Cut(rest, ",")
	escaped, ok2 := strings.CutPrefix(name, "n=")
	clientNonce, ok3 := strings.CutPrefix(nonce, "r=")
	login, ok4 := unescapeName(escaped)
	if !ok1 || !ok2 || !ok3 || !ok4 || login == "" || len(login) > maxCredential || !validNonce(clientNonce) {
		return nil, ErrSyntax
	}
	if authzid != "" && authzid != "a="+escaped {
		return nil, ErrFailed
	}
	var err error
	if s.keys, err = s.auth.SCRAMKeys(ctx, login); err != nil {
		return nil, err
	}
	if s.nonce == "" {
		s.nonce = rand.Text()
	}
	s.login, s.gs2, s.clientFirst, s.full = login, bind+","+authzid+",", bare, clientNonce+s.nonce
	s.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", s.full, base64.StdEncoding.EncodeToString(s.keys.Salt), s.keys.Iterations)
	return []byte(s.serverFirst), nil
}

// checkBinding reads the channel binding flag. "y" says that the client could
// bind but saw no -PLUS on offer: if we offered it, somebody took it out
// (RFC 5802 section 6).
func (s *scramServer) checkBinding(flag string) error {
	switch {
	case s.plus && flag == "p=tls-exporter", !s.plus && flag == "n":
		return nil
	case !s.plus && flag == "y":
		if s.exporter != nil {
			return ErrFailed
		}
		return nil
	}
	return ErrSyntax
}

// final checks the proof and answers with our signature. Whether login and
// proof are good is found out in the same time for all.
func (s *scramServer) final(ctx context.Context, msg string) ([]byte, error) {
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return nil, ErrSyntax
	}
	without := msg[:i]
	proof, err := base64.StdEncoding.DecodeString(msg[i+3:])
	binding, rest, ok := strings.Cut(without, ",")
	nonce, _, _ := strings.Cut(rest, ",")
	if err != nil || len(proof) != sha256.Size || !ok {
		return nil, ErrSyntax
	}
	want := []byte(s.gs2)
	if s.plus {
		want = append(want, s.exporter...)
	}
	bound := subtle.ConstantTimeCompare([]byte(binding), []byte("c="+base64.StdEncoding.EncodeToString(want))) == 1
	same := subtle.ConstantTimeCompare([]byte(nonce), []byte("r="+s.full)) == 1
	message := s.clientFirst + "," + s.serverFirst + "," + without
	key := s.keys.proved(proof, message)
	if !bound || !same {
		key = nil
	}
	if s.identity, err = s.auth.SCRAMDone(ctx, s.login, key); err != nil {
		return nil, err
	}
	if key == nil {
		return nil, ErrFailed
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(mac(key.ServerKey, message))), nil
}

// proved returns the key whose password the client has, nil if none. All are
// looked at, whichever it is.
func (k *SCRAMKeys) proved(proof []byte, message string) (found *SCRAMKey) {
	first := SCRAMKey{StoredKey: k.StoredKey, ServerKey: k.ServerKey}
	for _, key := range append([]SCRAMKey{first}, k.More...) {
		clientKey := make([]byte, sha256.Size)
		subtle.XORBytes(clientKey, proof, mac(key.StoredKey, message))
		if stored := sha256.Sum256(clientKey); hmac.Equal(stored[:], key.StoredKey) {
			found = &key
		}
	}
	return found
}

// validNonce checks RFC 5802 section 7: printable, no comma, bounded.
func validNonce(n string) bool {
	if len(n) < 8 || len(n) > 512 {
		return false
	}
	return bytes.IndexFunc([]byte(n), func(c rune) bool { return c < 0x21 || c > 0x7e || c == ',' }) < 0
}

// unescapeName undoes =2C and =3D (RFC 5802 section 5.1).
func unescapeName(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0 || s[i] == ',' {
			return "", false
		}
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		switch {
		case strings.HasPrefix(s[i:], "=2C"):
			b.WriteByte(',')
		case strings.HasPrefix(s[i:], "=3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		i += 2
	}
	return b.String(), true
}
