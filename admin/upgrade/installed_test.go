package upgrade

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// How the program was installed decides what people are told to type.
func TestWayOf(t *testing.T) {
	for _, tt := range []struct {
		name, program, variable string
		files                   []string
		want                    Way
		says                    string
	}{
		{"deb", "/usr/bin/mailstead", "", []string{"/var/lib/dpkg/info/mailstead.list", "/usr/lib/sysusers.d/mailstead.conf"}, Deb, "apt-get install"},
		{"rpm", "/usr/bin/mailstead", "", []string{"/usr/lib/sysimage/rpm", "/usr/lib/sysusers.d/mailstead.conf"}, RPM, "dnf install"},
		{"image", "/usr/bin/mailstead", "image", []string{"/var/lib/dpkg/info/mailstead.list"}, Image, "docker compose"},
		{"a file by hand where there are packages", "/usr/local/bin/mailstead", "", []string{"/var/lib/dpkg/info/mailstead.list"}, Binary, "--binary"},
		{"a file in the place of a package", "/usr/bin/mailstead", "", []string{"/var/lib/rpm"}, Binary, "--binary"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			getenv := func(name string) string {
				if name != WayVariable {
					t.Errorf("asks for %s", name)
				}
				return tt.variable
			}
			got := WayOf(tt.program, getenv, func(name string) bool { return slices.Contains(tt.files, name) })
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			steps := got.HowTo()
			if len(steps) < 3 || !slices.ContainsFunc(steps, func(s Step) bool { return strings.Contains(s.Command, tt.says) }) || !strings.HasSuffix(steps[0].Command, "backup run") {
				t.Errorf("%s: %+v", got, steps)
			}
		})
	}
}

// A file counts from when it came to its place, not from the time that its
// packager gave it.
func TestInstalledAt(t *testing.T) {
	before := time.Now().Add(-time.Minute)
	name := filepath.Join(t.TempDir(), "mailstead")
	if err := os.WriteFile(name, []byte("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, before.AddDate(-1, 0, 0), before.AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if got, err := InstalledAt(name); err != nil || got.Before(before) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := InstalledAt(name + ".gone"); err == nil {
		t.Error("a file that is not there has a time")
	}
	if !Exists(name) || Exists(name+".gone") {
		t.Error("Exists is wrong")
	}
}

// fakeSystemctl puts a systemctl into the PATH that writes down what it is
// asked, and answers for a service with two sockets, of which one is active.
func fakeSystemctl(t *testing.T, answers string) (said func() []string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	script := "#!/bin/sh\necho \"$@\" >>" + log + "\ncase \"$*\" in\n" + answers + "\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
}

// A socket would start the server in the middle of an upgrade: those that are
// open are stopped before the service, and opened again before it.
func TestSystemdStopsSockets(t *testing.T) {
	said := fakeSystemctl(t, `show*) echo "a.socket b.socket x.timer" ;;
*is-active*b.socket) exit 3 ;;
*is-enabled*a.socket) exit 1 ;;
reset-failed*) exit 1 ;;`)
	s := &Systemd{Unit: "m.service"}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"show --property=TriggeredBy --value m.service", "--quiet is-active a.socket", "stop a.socket", "--quiet is-active b.socket", "stop m.service"}
	if got := said(); !slices.Equal(got, want) {
		t.Errorf("stop: %q, want %q", got, want)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = []string{"reset-failed m.service a.socket", "start a.socket", "start m.service"}
	if got := said(); !slices.Equal(got, want) {
		t.Errorf("start: %q, want %q", got, want)
	}
	// After an upgrade that was interrupted nobody remembers: those that are
	// enabled are opened.
	if err := (&Systemd{Unit: "m.service"}).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := said(); !slices.Contains(got, "start b.socket") || slices.Contains(got, "start a.socket") {
		t.Errorf("start without a stop: %q", got)
	}
}

// What does not start says where to look.
func TestSystemdFails(t *testing.T) {
	fakeSystemctl(t, "show*) ;;\nstart*) echo no luck >&2; exit 1 ;;")
	err := (&Systemd{Unit: "m.service"}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no luck") || !strings.Contains(err.Error(), "journalctl -u m.service") {
		t.Error(err)
	}
}

// A package sets the program aside, unless the last upgrade still needs it.
func TestSetAside(t *testing.T) {
	dir := folder(t, "data/system.db", "bin/mailstead")
	data, installed, aside := filepath.Join(dir, "data"), filepath.Join(dir, "bin/mailstead"), filepath.Join(dir, "bin/mailstead.aside")
	for _, tt := range []struct {
		phase Phase
		ok    bool
	}{{"", true}, {Done, true}, {Back, true}, {Refused, true}, {Watching, false}} {
		os.Remove(aside)
		if tt.phase != "" {
			if err := (&State{Phase: tt.phase}).save(data); err != nil {
				t.Fatal(err)
			}
		}
		err := SetAside(data, installed, aside)
		b, _ := os.ReadFile(aside)
		if (err == nil) != tt.ok || (string(b) == "bin/mailstead") != tt.ok {
			t.Errorf("%q: %v, aside is %q", tt.phase, err, b)
		}
		if err != nil && !strings.Contains(err.Error(), "upgrade accept") {
			t.Errorf("%q: %v does not say what to do", tt.phase, err)
		}
	}
	if err := SetAside(filepath.Join(dir, "none"), installed, aside); err != nil {
		t.Errorf("before there is data: %v", err)
	}
}
