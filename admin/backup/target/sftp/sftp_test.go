package sftp

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/mailstead/mailstead/admin/backup/target/targettest"
)

func signer(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return s, pem.EncodeToMemory(block)
}

// server is an SSH server with SFTP; cut ends all its connections.
func server(t *testing.T) (o Options, cut func()) {
	t.Helper()
	own, private := signer(t)
	host, _ := signer(t)
	config := &ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			if string(p) != "secret" {
				return nil, errors.New("wrong password")
			}
			return nil, nil
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if string(k.Marshal()) != string(own.PublicKey().Marshal()) {
				return nil, errors.New("wrong key")
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
	}
	t.Cleanup(func() { l.Close(); cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			go serve(c, config)
		}
	}()
	want := ssh.FingerprintSHA256(host.PublicKey())
	return Options{Addr: l.Addr().String(), User: "u", Folder: filepath.Join(t.TempDir(), "a", "b"), Key: private, HostKey: func(got string) error {
		if got != want {
			return errors.New("another host")
		}
		return nil
	}}, cut
}

func serve(c net.Conn, config *ssh.ServerConfig) {
	conn, chans, reqs, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(reqs)
	for ch := range chans {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(r.Type == "subsystem", nil)
			}
		}()
		s, err := sftp.NewServer(channel)
		if err != nil {
			return
		}
		go func() { s.Serve(); channel.Close() }()
	}
}

func TestFolder(t *testing.T) {
	o, _ := server(t)
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	targettest.Run(t, f)
}

func TestLogin(t *testing.T) {
	o, _ := server(t)
	o.Key, o.Password = nil, "secret"
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	o.Password = "wrong"
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "log in as u") {
		t.Errorf("with a wrong password: %v", err)
	}
	o.Password, o.HostKey = "secret", func(string) error { return errors.New("another host") }
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Errorf("at another host: %v", err)
	}
}

// TestCutOff: a connection that breaks leaves whole objects only.
func TestCutOff(t *testing.T) {
	o, cut := server(t)
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Put(t.Context(), "packs/aa/one", []byte("old")); err != nil {
		t.Fatal(err)
	}
	cut()
	if err := f.Put(t.Context(), "packs/aa/one", []byte("new")); err == nil {
		t.Error("Put over a broken connection went well")
	}
	again, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Get(t.Context(), "packs/aa/one"); err != nil || string(got) != "old" {
		t.Errorf("Get = %q, %v", got, err)
	}
	if err := again.client.MkdirAll(filepath.Join(o.Folder, "packs/bb")); err != nil {
		t.Fatal(err)
	}
	if err := again.write(filepath.Join(o.Folder, "packs/bb/two.x"+unfinished), []byte("half")); err != nil {
		t.Fatal(err)
	}
	if list, err := again.List(t.Context(), "packs"); err != nil || len(list) != 1 {
		t.Errorf("List: %v, %v", list, err)
	}
}
