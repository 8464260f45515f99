package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mailstead/mailstead/"

// arrows says how far up a folder's packages reach: a package may import
// those of the folders listed, and its own siblings where "." is listed.
// Longer names win over shorter ones.
var arrows = map[string][]string{
	"mail":                   {},
	"mail/message":           {"mail"},
	"mail/dsn":               {"mail", "mail/message"},
	"mail/sasl":              {},
	"mail/dns":               {"mail/dns"},
	"mail/turns":             {},
	"mail/wire":              {},
	"mail/durable":           {},
	"mail/clock":             {"mail/durable"},
	"mail/disk":              {},
	"mail/boltfile":          {"mail/schema"}, // each file says which form it has
	"mail/schema":            {"mail/durable"},
	"mail/trace":             {"mail", "mail/boltfile"},
	"mail/verdict":           {"mail"},
	"mailbox":                {"mail", "mailbox/store"},
	"mailbox/store":          {"mailbox/store", "mail/schema", "mail/disk", "mail/turns"},
	"mailbox/transfer":       {"mail", "mailbox"},
	"delivery":               {"mail", "mailbox", "delivery"},
	"smtp":                   {"mail", "mailbox", "delivery", "smtp"},
	"smtp/dnsbl":             {"mail"},
	"imap":                   {"mail", "mailbox", "delivery", "imap"},
	"admin":                  {"mail", "mailbox", "delivery", "smtp", "imap", "admin", "webadmin"},
	"admin/config":           {"mail/durable"},
	"admin/backup/plan":      {},
	"admin/backup/target":    {"mail/durable", "admin/backup/target"},
	"admin/directory":        {"mail", "smtp/dnsbl", "admin/backup/plan"},
	"admin/memory":           {},
	"admin/metrics":          {"mail/boltfile", "mail/disk"},
	"webadmin":               {},
	"cmd":                    {"mail", "mailbox", "delivery", "smtp", "imap", "admin", "webadmin", "cmd"},
	"mailbox/store/memstore": {"mailbox/store"},
}

// doors lists the packages through which a heavy dependency is used.
var doors = map[string][]string{
	"go.etcd.io/bbolt":                    {"mail/boltfile", "mailbox/store", "mail/trace", "admin/directory", "admin/metrics", "admin/webhooks", "delivery/junk", "smtp/inbound", "smtp/reports"},
	"github.com/caddyserver/certmagic":    {"admin/certs"},
	"github.com/libdns/libdns":            {"admin/dnsprovider", "admin"},
	"github.com/labstack/echo":            {"admin/api"},
	"github.com/emersion/go-smtp":         {"smtp/smtpserver"},
	"github.com/smallstep/pkcs7":          {"admin/autoconfig"},
	"github.com/go-webauthn/webauthn":     {"admin/signin"},
	"github.com/landlock-lsm/go-landlock": {"cmd/mailstead"},
	"rsc.io/qr":                           {"admin/qr"},
	"filippo.io/age":                      {"admin/backup"},
	"github.com/minio/minio-go":           {"admin/backup/target/s3"},
	"github.com/pkg/sftp":                 {"admin/backup/target/sftp"},
}

// TestImportDirection keeps the arrows of the package tree true. Tests may
// import more than the code they test.
func TestImportDirection(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		checkImports(t, file, path.Dir(filepath.ToSlash(rel)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImports(t *testing.T, file, pkg string) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		for dep, users := range doors {
			if within(name, dep) && !anyWithin(pkg, users) {
				t.Errorf("%s imports %s; only %v may", file, name, users)
			}
		}
		ours, ok := strings.CutPrefix(name, module)
		if ok && ours != pkg && !anyWithin(ours, arrowsOf(t, pkg)) {
			t.Errorf("%s: %s must not import %s", file, pkg, ours)
		}
	}
}

func arrowsOf(t *testing.T, pkg string) []string {
	for p := pkg; p != "."; p = path.Dir(p) {
		if a, ok := arrows[p]; ok {
			return a
		}
	}
	t.Errorf("package %s has no place in the tree", pkg)
	return nil
}

func within(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func anyWithin(name string, prefixes []string) bool {
	for _, p := range prefixes {
		if within(name, p) {
			return true
		}
	}
	return false
}
