// Package sftp keeps backups on a server that is reached by SSH. An object is
// written under another name, synced where the server can, and renamed over the
// old one (posix-rename@openssh.com).
package sftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/mailstead/mailstead/admin/backup/target"
)

// dialTimeout bounds a connection and its handshake.
const dialTimeout = 30 * time.Second

// unfinished ends the names of files that are being written.
const unfinished = ".new"

// Options say where a folder is. Addr, User, Folder and HostKey are needed, and
// Password or Key.
type Options struct {
	Addr     string // host or host:port
	User     string
	Folder   string // "/~/x" is x in the home of the user
	Password string
	Key      []byte // private, in PEM
	// HostKey is asked whether a server is the right one, by the SHA-256
	// fingerprint of its key.
	HostKey func(fingerprint string) error
}

// Folder is a target.Target.
type Folder struct {
	conn   *ssh.Client
	client *sftp.Client
	dir    string
}

var _ target.Target = (*Folder)(nil)

// Open logs in, and makes the folder if it is missing.
func Open(ctx context.Context, o Options) (*Folder, error) {
	addr := o.Addr
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), "22")
	}
	config := &ssh.ClientConfig{User: o.User, Timeout: dialTimeout,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { return o.HostKey(ssh.FingerprintSHA256(key)) }}
	if len(o.Key) > 0 {
		key, err := ssh.ParsePrivateKey(o.Key)
		if err != nil {
			return nil, errors.New("SFTP: the private key cannot be read; it has to be in PEM, without a passphrase")
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(key))
	}
	if o.Password != "" {
		config.Auth = append(config.Auth, ssh.Password(o.Password))
	}
	raw, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("SFTP: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	if err := raw.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	conn, chans, reqs, err := ssh.NewClientConn(raw, addr, config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SFTP: log in as %s at %s: %w", o.User, addr, err), raw.Close())
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	f := &Folder{conn: ssh.NewClient(conn, chans, reqs), dir: o.Folder}
	if home, ok := strings.CutPrefix(o.Folder, "/~/"); ok {
		f.dir = home
	}
	if f.client, err = sftp.NewClient(f.conn); err != nil {
		return nil, errors.Join(fmt.Errorf("SFTP: %w", err), f.conn.Close())
	}
	if err := f.client.MkdirAll(f.dir); err != nil {
		return nil, errors.Join(fmt.Errorf("SFTP: folder %s: %w", f.dir, err), f.Close())
	}
	return f, nil
}

// ending closes the connection if ctx ends before stop is called: nothing else
// breaks off what waits for the server.
func (f *Folder) ending(ctx context.Context) (stop func() bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return context.AfterFunc(ctx, func() { f.conn.Close() }), nil
}

// Put implements target.Target.
func (f *Folder) Put(ctx context.Context, name string, content []byte) error {
	if err := target.CheckName(name); err != nil {
		return err
	}
	stop, err := f.ending(ctx)
	if err != nil {
		return err
	}
	defer stop()
	full := path.Join(f.dir, name)
	if err := f.client.MkdirAll(path.Dir(full)); err != nil {
		return fmt.Errorf("SFTP: %w", err)
	}
	temp := full + "." + rand.Text() + unfinished
	if err := f.write(temp, content); err != nil {
		f.client.Remove(temp) //nolint:errcheck // it may not be there
		return fmt.Errorf("SFTP: %w", err)
	}
	if err := f.client.PosixRename(temp, full); err != nil {
		return fmt.Errorf("SFTP: %w", err)
	}
	return nil
}

func (f *Folder) write(name string, content []byte) error {
	file, err := f.client.Create(name)
	if err != nil {
		return err
	}
	_, err = file.ReadFrom(bytes.NewReader(content))
	if _, can := f.client.HasExtension("fsync@openssh.com"); can && err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Get implements target.Target.
func (f *Folder) Get(ctx context.Context, name string) ([]byte, error) {
	if err := target.CheckName(name); err != nil {
		return nil, err
	}
	stop, err := f.ending(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	file, err := f.client.Open(path.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", target.ErrNotFound, name)
	}
	if err != nil {
		return nil, fmt.Errorf("SFTP: %w", err)
	}
	defer file.Close()
	return target.ReadAll(file)
}

// List implements target.Target.
func (f *Folder) List(ctx context.Context, folder string) ([]target.Object, error) {
	if err := target.CheckName(folder); err != nil {
		return nil, err
	}
	stop, err := f.ending(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	var list []target.Object
	walk := f.client.Walk(path.Join(f.dir, folder))
	for walk.Step() {
		if err := walk.Err(); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("SFTP: %w", err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(walk.Path(), path.Clean(f.dir)), "/")
		if info := walk.Stat(); info.Mode().IsRegular() && !strings.HasSuffix(name, unfinished) {
			list = append(list, target.Object{Name: name, Size: info.Size()})
		}
	}
	return list, ctx.Err()
}

// Delete implements target.Target.
func (f *Folder) Delete(ctx context.Context, name string) error {
	if err := target.CheckName(name); err != nil {
		return err
	}
	stop, err := f.ending(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := f.client.Remove(path.Join(f.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("SFTP: %w", err)
	}
	return nil
}

// Close implements target.Target.
func (f *Folder) Close() error {
	f.client.Close() //nolint:errcheck // the connection goes with it
	return ignoreClosed(f.conn.Close())
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
