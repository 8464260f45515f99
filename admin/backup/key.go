package backup

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// ErrWrongKey means that a key does not fit the backups.
var ErrWrongKey = errors.New("backup: the key does not fit")

// Key reads and writes backups. It prints as [redacted].
type Key struct {
	identity *age.X25519Identity
	names    []byte // for chunks
	macs     []byte // for objects
}

// NewKey makes a key.
func NewKey() (*Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("key for backups: %w", err)
	}
	return newKey(id)
}

// ParseKey reads a key as Secret writes it. Lines that begin with "#", as in
// files of age-keygen, are left out.
func ParseKey(text string) (*Key, error) {
	var found []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		return nil, errors.New("a key for backups is one line that begins with AGE-SECRET-KEY-1; `mailstead backup key` shows it")
	}
	id, err := age.ParseX25519Identity(found[0])
	if err != nil {
		return nil, errors.New("this is no key for backups: it is one line that begins with AGE-SECRET-KEY-1, and no letter of it may be missing")
	}
	return newKey(id)
}

func newKey(id *age.X25519Identity) (*Key, error) {
	k := &Key{identity: id}
	for info, to := range map[string]*[]byte{"mailstead backup chunk names": &k.names, "mailstead backup objects": &k.macs} {
		var err error
		if *to, err = hkdf.Key(sha256.New, []byte(id.String()), nil, info, sha256.Size); err != nil {
			return nil, fmt.Errorf("key for backups: %w", err)
		}
	}
	return k, nil
}

// Secret is the key as people keep it.
func (k *Key) Secret() string { return k.identity.String() }

// Public is the public half (age1…).
func (k *Key) Public() string { return k.identity.Recipient().String() }

// String keeps keys out of logs.
func (*Key) String() string { return "[redacted]" }

// GoString does, too.
func (*Key) GoString() string { return "[redacted]" }

// chunkID names a chunk.
type chunkID [sha256.Size]byte

// hole is the name of a chunk of zeros.
var hole chunkID

func (k *Key) chunkID(b []byte) chunkID {
	m := hmac.New(sha256.New, k.names)
	m.Write(b)
	return chunkID(m.Sum(nil))
}

// mac proves an object.
func (k *Key) mac(name string, content []byte) []byte {
	m := hmac.New(sha256.New, k.macs)
	io.WriteString(m, name)
	m.Write([]byte{0})
	m.Write(content)
	return m.Sum(nil)
}

// seal encrypts an object.
func (k *Key) seal(name string, content []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, k.identity.Recipient())
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(k.mac(name, content)); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// open decrypts an object, and makes sure that it is ours.
func (k *Key) open(name string, sealed []byte) ([]byte, error) {
	plain, err := k.decrypt(sealed)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	if len(plain) < sha256.Size || !hmac.Equal(plain[:sha256.Size], k.mac(name, plain[sha256.Size:])) {
		return nil, damaged("%s was not written with this key, or for another place", name)
	}
	return plain[sha256.Size:], nil
}

// decrypt opens what was encrypted for the key.
func (k *Key) decrypt(sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), k.identity)
	var mismatch *age.NoIdentityMatchError
	if errors.As(err, &mismatch) {
		return nil, fmt.Errorf("%w: it was encrypted for another", ErrWrongKey)
	}
	if err != nil {
		return nil, damaged("is no encrypted file, or a torn one")
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, damaged("is cut off or was changed")
	}
	return plain, nil
}
