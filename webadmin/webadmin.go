// Package webadmin is the pages of console, account and first run, as they
// were built from the sources beside it. They have no rules of their own and
// call the API as any other program does.
package webadmin

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist returns the built files: admin/index.html, account/index.html and
// setup/index.html, and what they load, with a hash in its name, in assets/.
func Dist() (fs.FS, error) { return fs.Sub(dist, "dist") }
