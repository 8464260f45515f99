package backup

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/mailstead/mailstead/admin/backup/plan"
)

// stateSSH is where the server's own SSH key and the host keys are remembered.
const stateSSH = "backup/ssh"

// sshRecord is what is remembered under stateSSH.
type sshRecord struct {
	Key   []byte            `json:"key"`   // PKCS #8
	Hosts map[string]string `json:"hosts"` // fingerprints, by host as the target has it
}

// signer reads or makes the SSH key of the server.
func (s *Service) signer(ctx context.Context) (ssh.Signer, sshRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := sshRecord{}
	found, err := s.opts.State.State(ctx, stateSSH, &rec)
	if err != nil {
		return nil, rec, err
	}
	if !found {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, rec, err
		}
		if rec.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			return nil, rec, err
		}
		if err := s.opts.State.PutState(ctx, stateSSH, rec); err != nil {
			return nil, rec, err
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(rec.Key)
	if err != nil {
		return nil, rec, fmt.Errorf("SSH key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	return signer, rec, err
}

// sshKey is the private SSH key of the server, in PEM.
func (s *Service) sshKey(ctx context.Context) ([]byte, error) {
	_, rec, err := s.signer(ctx)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rec.Key}), err
}

// SSH returns the public key with which the server logs in to SFTP targets,
// and the fingerprint of the server that was first seen at the target; "" where
// there is none.
func (s *Service) SSH(ctx context.Context) (own, host string, err error) {
	p, err := plan.ParseTarget(s.opts.Settings().Target)
	if err != nil || p.Kind != "sftp" {
		return "", "", nil // no SFTP
	}
	signer, rec, err := s.signer(ctx)
	if err != nil {
		return "", "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " mailstead-backup", rec.Hosts[p.Host], nil
}

// errHostKey means that a server has another key than when it was first seen.
var errHostKey = errors.New("the SFTP server has another key than when it was first seen: it is another server, or somebody is in between. If its key was changed on purpose, `mailstead backup forget-host` believes the next one")

// ForgetHost forgets the keys of SFTP servers: the next one is believed.
func (s *Service) ForgetHost(ctx context.Context) error {
	_, rec, err := s.signer(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rec.Hosts = nil
	return s.opts.State.PutState(ctx, stateSSH, rec)
}

// hostKey believes the key of a server that is seen for the first time, and no
// other from then on.
func (s *Service) hostKey(ctx context.Context, host string) func(string) error {
	return func(fingerprint string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		rec := sshRecord{}
		if _, err := s.opts.State.State(ctx, stateSSH, &rec); err != nil {
			return err
		}
		switch rec.Hosts[host] {
		case fingerprint:
			return nil
		case "":
		default:
			return errHostKey
		}
		s.opts.Logger.InfoContext(ctx, "SFTP server seen for the first time", "host", host, "key", fingerprint)
		if rec.Hosts == nil {
			rec.Hosts = map[string]string{}
		}
		rec.Hosts[host] = fingerprint
		return s.opts.State.PutState(ctx, stateSSH, rec)
	}
}
