package upgrade

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Way is how a program was installed, and so how the next one is.
type Way string

// Ways of installing the program.
const (
	Deb    Way = "deb"    // by dpkg and apt
	RPM    Way = "rpm"    // by rpm, dnf or zypper
	Image  Way = "image"  // of a container
	Binary Way = "binary" // a file that somebody has put there
)

// WayVariable is the environment variable in which an image says that it is one.
const WayVariable = "MAILSTEAD_INSTALLATION"

// WayOf finds out how the program in a file was installed. exists reports
// whether there is a file; the sandbox of the server lets it see that much.
func WayOf(program string, getenv func(string) string, exists func(name string) bool) Way {
	switch {
	case getenv(WayVariable) == string(Image):
		return Image
	case program != "/usr/bin/mailstead":
		return Binary
	case exists("/var/lib/dpkg/info/mailstead.list"):
		return Deb
	case exists("/usr/lib/sysusers.d/mailstead.conf") && (exists("/var/lib/rpm") || exists("/usr/lib/sysimage/rpm")):
		return RPM
	}
	return Binary
}

// Exists reports whether there is a file, or something that hides one from us.
func Exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// InstalledAt is when a file was put where it is, whatever time its packager
// has given it.
func InstalledAt(program string) (time.Time, error) {
	info, err := os.Stat(program)
	if err != nil {
		return time.Time{}, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Sec, st.Ctim.Nsec).UTC(), nil
	}
	return info.ModTime().UTC(), nil
}

// Step is one thing to do on a shell, and why.
type Step struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
}

// HowTo is how the next version is installed in a way, first step first. Words
// in capitals are for the reader to fill in.
func (w Way) HowTo() []Step {
	backup := Step{"A backup that was proved is the last resort.", "sudo mailstead backup run"}
	tested := "The new program is tried on a copy of the data, then watched; if it is not well, this version and its data come back by themselves."
	switch w {
	case Deb:
		return []Step{backup, {"Install the package. " + tested, "sudo apt-get install ./mailstead_VERSION_ARCH.deb"}, {"See what came of it.", "sudo mailstead upgrade status"}}
	case RPM:
		return []Step{backup, {"Install the package. " + tested, "sudo dnf install ./mailstead-VERSION.ARCH.rpm"}, {"See what came of it.", "sudo mailstead upgrade status"}}
	case Image:
		return []Step{
			{backup.Text + " An image cannot bring the one before it back.", "docker compose exec mailstead mailstead backup run"},
			{"Name the new image in compose.yaml and start it. It brings the data over on a copy, and does not start if that fails.", "docker compose up -d"},
			{"See what came of it.", "docker compose exec mailstead mailstead upgrade status"},
		}
	}
	return []Step{backup, {"Have the new program beside this one, and let this one do it. " + tested, "sudo mailstead upgrade --binary ./mailstead-NEW"}, {"See what came of it.", "sudo mailstead upgrade status"}}
}
