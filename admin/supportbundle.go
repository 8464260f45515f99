package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/logs"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/admin/support"
	"github.com/mailstead/mailstead/mail/schema"
)

// Bounds of a support bundle.
const (
	bundleLines  = 5000             // of the log
	bundleChecks = 45 * time.Second // for the checks; after that, what they found last
)

// SupportBundle makes a file for whoever helps with this server (package
// support). extra are files that the caller has found elsewhere.
func (a *Admin) SupportBundle(ctx context.Context, extra ...support.File) ([]byte, error) {
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
		return nil, err
	}
	files := append(a.bundleFiles(ctx), extra...)
	var b bytes.Buffer
	if err := support.Write(&b, a.opts.Version, a.opts.Now(), a.redactor(ctx), files); err != nil {
		return nil, fmt.Errorf("support bundle: %w", err)
	}
	return b.Bytes(), a.opts.Directory.Record(ctx, Actor(ctx), "system.support-bundle", "server", nil)
}

// redactor knows what must not get out by name.
func (a *Admin) redactor(ctx context.Context) *support.Redactor {
	d := a.opts.Directory
	known, words := []string{string(a.opts.Hostname)}, []string{}
	for _, dom := range d.Domains() {
		known = append(known, string(dom.Name), dom.Name.Unicode())
	}
	for _, s := range d.Settings() {
		words = append(append(words, s.Name), strings.Fields(s.Default)...) // everybody has those
	}
	secrets := d.Secrets()
	if a.opts.Webhooks != nil {
		for _, h := range a.opts.Webhooks.Hooks() {
			secrets = append(secrets, string(h.Secret), pathOf(h.URL))
		}
	}
	channels, err := a.alerts.Channels(ctx)
	if err != nil {
		a.opts.Logger.Warn("support bundle: alert channels", "err", err)
	}
	for _, c := range channels {
		secrets = append(secrets, string(c.Token), string(c.Secret), pathOf(c.To))
	}
	return support.NewRedactor(known, secrets, words)
}

// pathOf is the part of a web address that is often a secret itself.
func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return strings.TrimPrefix(u.RequestURI(), "/")
}

// bundleFiles collects what a bundle has. What cannot be had is named with the
// reason.
func (a *Admin) bundleFiles(ctx context.Context) []support.File {
	part := func(name, what string, get func() (any, error)) support.File {
		v, err := get()
		f := support.File{Name: name, What: what, Value: v}
		if err != nil {
			f.Missing = err.Error()
		}
		return f
	}
	return append([]support.File{
		part("server.json", "version, build, system, memory, ports, counts", func() (any, error) { return a.bundleServer(), nil }),
		part("upgrade.json", "schemas, how it was installed, the last upgrade", func() (any, error) {
			return a.updates()
		}),
		part("settings.json", "all settings; of secrets only whether they are set", func() (any, error) { return bundleSettings(a.opts.Directory.Settings()), nil }),
		part("checks.json", "what the checks (mailstead doctor) found", func() (any, error) { return a.bundleChecks(ctx) }),
		part("queue.json", "why mail waits, by cause", func() (any, error) { return a.QueueGroups(ctx) }),
		part("storage.json", "what takes room, by kind", func() (any, error) {
			v, err := a.Storage(ctx)
			return map[string]any{"disk": v.Disk, "data": v.Data, "kinds": v.Kinds, "measuredAt": v.At}, err
		}),
		part("certificates.json", "certificates, and why one is missing", func() (any, error) {
			if a.opts.Certificates == nil {
				return nil, errors.New("no server is running")
			}
			return a.opts.Certificates.Status(), nil
		}),
		part("log.txt", "the last lines of the log, oldest first", func() (any, error) { return bundleLog(a.opts.Logs) }),
		part("metrics.txt", "all numbers, as Prometheus reads them", func() (any, error) {
			if a.opts.Metrics == nil {
				return nil, errors.New("no server is running")
			}
			var b strings.Builder
			err := a.opts.Metrics(&b)
			return b.String(), err
		}),
	}, Goroutines())
}

// Goroutines is what the process does at this moment, for a bundle.
func Goroutines() support.File {
	var b strings.Builder
	f := support.File{Name: "goroutines.txt", What: "what the process does, as places in its source", Code: true}
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		f.Missing = err.Error()
	}
	f.Value = b.String()
	return f
}

func (a *Admin) bundleServer() any {
	v := Machine()
	v["build"], v["schema"] = ThisBuild(a.opts.Version), schema.Current
	v["started"] = a.started.UTC()
	if !a.running() {
		v["running"] = false
	}
	v["domains"], v["accounts"] = a.opts.Directory.Counts()
	if a.opts.Server != nil {
		ports := []ServicePort{}
		for _, p := range a.opts.Server.Ports {
			ports = append(ports, ServicePort{p.Name, p.Number, p.TLS})
		}
		v["ports"] = ports
	}
	if a.opts.DataDir != "" {
		if used, free, ok := metrics.Disk(a.opts.DataDir); ok {
			v["disk"] = map[string]any{"used": int64(used), "free": int64(free), "fileSystem": fileSystem(a.opts.DataDir)}
		}
	}
	return v
}

// Machine is what a bundle says of the system and of the memory of this
// process, in octets.
func Machine() map[string]any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	v := map[string]any{
		"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(), "go": runtime.Version(), "goroutines": runtime.NumGoroutine(),
		"memory": map[string]any{"heap": m.HeapAlloc, "heapObjects": m.HeapObjects, "fromSystem": m.Sys, "released": m.HeapReleased, "stacks": m.StackInuse, "collections": m.NumGC, "limit": debug.SetMemoryLimit(-1)},
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		v["kernel"] = unix.ByteSliceToString(u.Release[:])
	}
	if b, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				v["system"] = strings.Trim(name, `"`)
			}
		}
	}
	return v
}

// fileSystem is the kind of file system by its number, as statfs(2) has it.
func fileSystem(dir string) string {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return ""
	}
	kinds := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs", 0x2fc12fc1: "zfs", unix.F2FS_SUPER_MAGIC: "f2fs"}
	return cmp.Or(kinds[int64(s.Type)], fmt.Sprintf("%#x", s.Type))
}

// bundleSettings are the settings without what the manual has.
func bundleSettings(all []directory.Setting) any {
	type one struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		Default string `json:"default,omitempty"` // where it differs
	}
	list := []one{}
	for _, s := range all {
		o := one{Name: s.Name, Value: s.Value}
		if s.Changed {
			o.Default = s.Default
		}
		list = append(list, o)
	}
	return list
}

// bundleChecks runs the checks, or tells what they found last if that takes
// too long.
func (a *Admin) bundleChecks(ctx context.Context) (any, error) {
	if a.checks == nil {
		return nil, errNoChecks
	}
	short, cancel := context.WithTimeout(ctx, bundleChecks)
	defer cancel()
	report, err := a.RunChecks(short, nil)
	if err != nil {
		report, err = a.Checks(ctx)
	}
	worstFirst(report.Items)
	return report, err
}

// bundleLog writes lines as the log does.
func bundleLog(ring *logs.Ring) (any, error) {
	if ring == nil {
		return nil, errors.New("no server is running; see the journal")
	}
	lines, _ := ring.Find(logs.Query{Limit: bundleLines, Level: slog.LevelDebug})
	var b strings.Builder
	for i := len(lines) - 1; i >= 0; i-- {
		l := lines[i]
		io.WriteString(&b, strings.TrimSpace(l.Time.Format(time.RFC3339)+" "+l.Level.String()+" "+l.Message+" "+l.Fields)+"\n")
	}
	return b.String(), nil
}

// worstFirst puts what is wrong first.
func worstFirst(list []checks.Result) {
	order := map[checks.State]int{checks.Fail: 0, checks.Warn: 1, checks.Unknown: 2, checks.OK: 3}
	slices.SortStableFunc(list, func(a, b checks.Result) int { return cmp.Compare(order[a.State], order[b.State]) })
}
