package sftp

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target/sftp/sftptest"
	"github.com/mailstead/mailstead/admin/backup/target/targettest"
)

// server is an SSH server with SFTP; cut ends all its connections.
func server(t *testing.T) (o Options, cut func()) {
	t.Helper()
	s := sftptest.Start(t)
	return Options{Addr: s.Addr, User: "u", Folder: filepath.Join(t.TempDir(), "a", "b"), Key: s.Key, HostKey: func(got string) error {
		if got != s.HostKey {
			return errors.New("another host")
		}
		return nil
	}}, s.Cut
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
