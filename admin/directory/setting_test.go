package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRegistry checks that every name has a definition of its type, and that
// defaults are valid.
func TestRegistry(t *testing.T) {
	d := open(t)
	for _, def := range definitions() {
		if v, err := def.normalise(def.initial); err != nil || v != def.initial {
			t.Errorf("default of %s: %q, %v", def.name, v, err)
		}
		if !strings.HasSuffix(def.doc, ".") {
			t.Errorf("%s is not explained in sentences", def.name)
		}
		switch def.kind {
		case boolean:
			d.Bool(BoolSetting(def.name))
		case integer, size:
			d.Int(IntSetting(def.name))
		case duration:
			d.Duration(DurationSetting(def.name))
		case address:
			d.Address(AddressSetting(def.name))
		case words:
			d.Text(TextSetting(def.name))
		}
	}
	if d.Bool(InboundLenientDMARC) || d.Bool(StoreCompress) || d.Int(MessageMaxSize) != 50<<20 || d.Duration(QueueExpire) != 120*time.Hour ||
		d.Text(RelayTLS) != "required" || !d.Address(Postmaster).IsNull() || len(d.Schedule()) != 9 {
		t.Error("a default is wrong")
	}
	for _, s := range []IntSetting{PasswordMinLength, AccountQuota, AccountQuotaMessages, MessageMaxRecipients, SubmissionRecipientsPerDay,
		FilterRspamdWeight, FilterMaxSize, FilterParallel, QueueParallel, QueuePerDomain, LimitConnections, LimitConnectionsAddress, LimitConnectionsNet} {
		d.Int(s)
	}
	for _, s := range []DurationSetting{FilterTimeout, QueueDelayNotice, MailboxKeepExpunged, TraceKeep} {
		d.Duration(s)
	}
	for _, s := range []TextSetting{FilterRspamd, FilterRspamdPassword, FilterRspamdFail, FilterClamd, FilterClamdFail, FilterMilters, FilterMiltersFail, RelayHost, RelayLogin, RelayPassword,
		BackupTarget, BackupSchedule, BackupScratch, BackupS3KeyID, BackupS3Secret, BackupSFTPPassword} {
		d.Text(s)
	}
}

func TestSetSetting(t *testing.T) {
	d := open(t)
	for _, tt := range []struct {
		name, value, want string
		says              string // of the error
	}{
		{"queue.expire", "72h", "3d", ""},
		{"queue.expire", "1d12h", "1d12h", ""},
		{"queue.expire", "90m", "1h30m", ""},
		{"queue.expire", "10s", "", "from 1m to 30d"},
		{"queue.expire", "soon", "", "as in 5d"},
		{"message.max-size", "20971520", "20 MiB", ""},
		{"message.max-size", "2G", "", "from 1 MiB to 1 GiB"},
		{"message.max-size", "lots", "", "as in 50 MiB"},
		{"message.max-recipients", "99", "", "from 100 to 10000"},
		{"message.max-recipients", "many", "", "not a number"},
		{"store.compress", "yes", "true", ""},
		{"store.compress", "maybe", "", "neither true nor false"},
		{"queue.retry", "1m 5m", "1m 5m", ""},
		{"queue.retry", "1s", "", "from 10s to 2d"},
		{"queue.retry", " ", "", "cannot be empty"},
		{"relay.host", "smtp.example.com:587", "smtp.example.com:587", ""},
		{"relay.host", "smtp.example.com", "", "with its port"},
		{"relay.host", "", "", ""},
		{"relay.tls", "none", "", "none of required"},
		{"relay.login", "a\nb", "", "one line"},
		{"relay.password", "hush", "[set]", ""},
		{"relay.password", "a\nhush", "", "value is not valid"},
		{"backup.target", "/mnt/backup", "/mnt/backup", ""},
		{"backup.target", "sftp://u@host:2222/srv/x", "sftp://u@host:2222/srv/x", ""},
		{"backup.target", "s3://s3.example.com/bucket/mail?region=eu-1", "s3://s3.example.com/bucket/mail?region=eu-1", ""},
		{"backup.target", "mnt/backup", "", "write a folder as in"},
		{"backup.target", "sftp://u:hush@host/x", "", "a password does not belong"},
		{"backup.target", "ftp://host/x", "", "write a folder as in"},
		{"backup.schedule", "02:30", "02:30", ""},
		{"backup.schedule", "6h", "6h", ""},
		{"backup.schedule", "1m", "", "is no schedule"},
		{"backup.schedule", "25:00", "", "is no schedule"},
		{"backup.scratch", "tmp", "", "the whole path"},
		{"filter.rspamd", "http://127.0.0.1:11333", "http://127.0.0.1:11333", ""},
		{"filter.rspamd", "127.0.0.1:11333", "", "as in http://127.0.0.1:11333"},
		{"filter.rspamd", "http://u:hush@127.0.0.1", "", "as in http://127.0.0.1:11333"},
		{"filter.rspamd", "http://127.0.0.1/checkv2", "", "as in http://127.0.0.1:11333"},
		{"filter.rspamd-password", "hush", "[set]", ""},
		{"filter.rspamd-fail", "ignore", "", "none of tempfail, skip"},
		{"filter.clamd", "unix:/run/clamav/clamd.ctl", "unix:/run/clamav/clamd.ctl", ""},
		{"filter.clamd", "[::1]:3310", "[::1]:3310", ""},
		{"filter.clamd", "/run/clamav/clamd.ctl", "", "as in 127.0.0.1:3310 or unix:"},
		{"filter.clamd", "unix:clamd.ctl", "", "with its whole path"},
		{"filter.clamd", "127.0.0.1:0", "", "is not where a program listens"},
		{"filter.milters", "unix:/run/a.sock 127.0.0.1:8891", "unix:/run/a.sock 127.0.0.1:8891", ""},
		{"filter.milters", "inet:8891@localhost", "", "is not where a program listens"},
		{"filter.milters", "127.0.0.1:1 127.0.0.1:1", "", "is there twice"},
		{"filter.milters", "a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9", "", "at most 8"},
		{"filter.timeout", "10m", "", "from 1s to 5m"},
		{"memory.limit", "512 MB", "512 MiB", ""},
		{"memory.limit", "10 MiB", "", "from 96 MiB"},
		{"memory.limit", "0", "", "from 96 MiB"},
		{"memory.limit", " ", "", ""},
		{"account.quota", "", "", "is not a size"},
		{"queue.expires", "3d", "", "did you mean queue.expire?"},
		{"expire", "3d", "", "did you mean queue.expire?"},
		{"nonsense", "3d", "", "settings list"},
		{"postmaster", "not an address", "", "address is not valid"},
	} {
		got, err := d.SetSetting(t.Context(), actor, tt.name, tt.value)
		if tt.says != "" {
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s = %q: %v; want an error that says %q", tt.name, tt.value, err, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("secret in an error: %v", err)
			}
			continue
		}
		if err != nil || got.Value != tt.want {
			t.Errorf("%s = %q: %q, %v; want %q", tt.name, tt.value, got.Value, err, tt.want)
		}
	}
	if s, err := d.ResetSetting(t.Context(), actor, "queue.expire"); err != nil || s.Changed || s.Value != "5d" {
		t.Errorf("reset: %+v, %v", s, err)
	}
	if d.Int(MemoryLimit) != 0 {
		t.Error("a limit that was taken away is still there")
	}
	if d.Text(RelayPassword) != "hush" {
		t.Error("a secret cannot be used")
	}
}

func TestSettingsFile(t *testing.T) {
	d := open(t)
	want := map[string]string{"queue.expire": "3d", "relay.login": `a "b" \c = # é`, "store.compress": "true", "message.max-recipients": "500", "relay.password": "hush"}
	for name, v := range want {
		if _, err := d.SetSetting(t.Context(), actor, name, v); err != nil {
			t.Fatal(err)
		}
	}
	file := d.ExportSettings()
	if strings.Contains(string(file), "hush") {
		t.Errorf("the file has a secret:\n%s", file)
	}
	for _, def := range definitions() {
		if !strings.Contains(string(file), def.name[strings.LastIndexByte(def.name, '.')+1:]+" = ") {
			t.Errorf("%s is missing in\n%s", def.name, file)
		}
	}
	if changed, err := d.ImportSettings(t.Context(), actor, file); err != nil || len(changed) != 0 {
		t.Errorf("own file: %v, %v", changed, err)
	}
	other := open(t)
	changed, err := other.ImportSettings(t.Context(), actor, file)
	if err != nil || len(changed) != len(want)-1 {
		t.Errorf("changed %v, %v", changed, err)
	}
	if other.Text(RelayLogin) != want["relay.login"] || string(other.ExportSettings()) == "" {
		t.Errorf("login = %q", other.Text(RelayLogin))
	}
	if _, err := other.SetSetting(t.Context(), actor, "relay.password", "hush"); err != nil {
		t.Fatal(err)
	}
	if again := other.ExportSettings(); string(again) != string(file) {
		t.Errorf("exported again:\n%s", again)
	}
}

func TestBadSettingsFile(t *testing.T) {
	d := open(t)
	for _, tt := range []struct{ file, says string }{
		{"[queue]\nexpire = \"3d\"\nexpir = \"3d\"\n", "did you mean queue.expire?"},
		{"[queue]\nexpire = [1]\n", "queue.expire: a setting is"},
		{"[queue]\nexpire = \"3d\"\nparallel = 0\n", "queue.parallel: it must be from 1"},
		{"[queue\n", "line 1"},
		{strings.Repeat("#", 2<<20), "larger than 1 MiB"},
	} {
		if _, err := d.ImportSettings(t.Context(), actor, []byte(tt.file)); !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%.40q: %v; want %q", tt.file, err, tt.says)
		}
	}
	if d.Duration(QueueExpire) != 120*time.Hour {
		t.Error("half of a bad file was taken")
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"5d", "1d12h", "0", "1h0m5s", "90s", "d", "-1s", "65535d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %v, and that is %q: %v, %v", s, d, FormatDuration(d), again, err)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"50 MiB", "2G", "17", "1kb", "9223372036854775807", " 1 TiB ", "8388608T"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if again, err := ParseSize(FormatSize(n)); err != nil || again != n {
			t.Fatalf("%q is %d, and that is %q: %v, %v", s, n, FormatSize(n), again, err)
		}
	})
}

func FuzzSettingsFile(f *testing.F) {
	d, err := Open(f.TempDir()+"/system.db", Options{Cost: cheap})
	if err != nil {
		f.Fatal(err)
	}
	defer d.Close()
	f.Add(d.ExportSettings())
	f.Add([]byte("[queue]\nexpire = 1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := d.ImportSettings(t.Context(), actor, file); err != nil {
			return
		}
		if changed, err := d.ImportSettings(t.Context(), actor, d.ExportSettings()); err != nil || len(changed) != 0 {
			t.Fatal(fmt.Sprint(changed, err))
		}
	})
}
