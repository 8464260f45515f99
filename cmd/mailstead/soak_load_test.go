package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailstead/mailstead/admin"
)

// The load of a soak, and mail that comes and goes beside it.

// briefly sends and appends mail until everything was done to the server once.
func (s *soak) briefly(stop func()) {
	load := startBackupLoad(s.t, s.i)
	stop() // disturb ends when it has done all
	eventually(s.t, "all was done to the server", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.done["compaction"] > 0 || load.failed()
	})
	close(load.stop)
	load.wait.Wait()
	if len(load.errs) > 0 {
		s.t.Error(errors.Join(load.errs...))
	}
	want, is := load.snapshot(), s.i.inboxOf(s.t, s.i.Accounts[0])
	for subject := range want {
		if _, ok := is[subject]; !ok {
			s.t.Errorf("%s was acknowledged and is not there", subject)
		}
	}
	s.ops += len(want)
}

// mailbench runs the load tool.
func (s *soak) mailbench(tool string, long time.Duration) {
	s.t.Helper()
	dir := s.t.TempDir()
	server, result := filepath.Join(dir, "server.json"), filepath.Join(dir, "result.json")
	type account struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	b, err := json.Marshal(map[string]any{"name": "mailstead", "smtp": s.i.SMTP, "smtp_tls": "none", "submission": s.i.Submission, "submission_tls": "starttls",
		"imap": s.i.IMAPS, "imap_tls": "implicit", "insecure": true, "source_net": "127.0.0.0/8", "per_conn": 50,
		"accounts": []account{{s.i.Accounts[0].Address, password}, {s.i.Accounts[1].Address, password}}})
	if err == nil {
		err = os.WriteFile(server, b, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := exec.CommandContext(s.t.Context(), tool, "mixed", "-q", "-server", server, "-duration", long.String(), "-timeout", (2 * long).String(),
		"-purge", "-c", "8", "-n", "500", "-rate", "20", "-size", "4k:80,50k:18,1m:2", "-json", result).CombinedOutput()
	if err != nil {
		s.t.Errorf("mailbench: %v\n%s", err, tail(string(out), 4000))
	}
	s.read(result, long)
}

// read takes the figures of a result of the load tool.
func (s *soak) read(name string, long time.Duration) {
	s.t.Helper()
	var r struct {
		Failed, Lost, Corrupted int
		Metrics                 []struct {
			Name  string
			Value float64
		}
	}
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if r.Failed+r.Lost+r.Corrupted > 0 {
		s.t.Errorf("mailbench: %d failed, %d lost, %d corrupted", r.Failed, r.Lost, r.Corrupted)
	}
	s.ops, s.times = 0, ""
	slowest := 0.0
	value := map[string]float64{}
	for _, m := range r.Metrics {
		value[m.Name] = m.Value
		if strings.HasSuffix(m.Name, "_rate") {
			s.ops += int(m.Value * long.Seconds())
		}
	}
	for name, v := range value {
		if kind, ok := strings.CutSuffix(name, "_p95"); ok && v > slowest {
			slowest, s.times = v, fmt.Sprintf("%s %.1f / %.1f ms", kind, value[kind+"_p50"], v)
		}
	}
}

// compact deletes mail, and has its room given back beside that of all the mail
// the load has deleted.
func (s *soak) compact(ctx context.Context, _ int) error {
	if err := s.deleteOne(); err != nil {
		return err
	}
	for {
		out, err := s.command(ctx, "", "storage", "reclaim", "--older-than", "2s", "-o", "json")
		if err != nil {
			return err
		}
		var res admin.Reclaimed
		if err := json.Unmarshal([]byte(out), &res); err != nil {
			return fmt.Errorf("storage reclaim says %s", out)
		}
		s.mu.Lock()
		s.compacted += res.Bytes
		s.mu.Unlock()
		if res.Bytes >= deletedSize {
			return nil
		}
	}
}

// deletedSize is the least room of a message that deleteOne deletes.
const deletedSize = 1 << 20

// deleteOne has a message come to somebody whom the load does not know, and go.
func (s *soak) deleteOne() error {
	c, err := imapclient.DialTLS(s.i.IMAPS, &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(compactor, password).Wait(); err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("Subject: no longer wanted\r\n\r\n")
	for text.Len() < 2*deletedSize { // twice: it may be compressed
		text.WriteString(rand.Text() + "\r\n")
	}
	app := c.Append("INBOX", int64(text.Len()), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDeleted}})
	if _, err := io.WriteString(app, text.String()); err != nil {
		return err
	}
	if err := app.Close(); err != nil {
		return err
	}
	if _, err := app.Wait(); err != nil {
		return err
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		return err
	}
	if err := c.Expunge().Close(); err != nil {
		return err
	}
	return c.Logout().Wait()
}
