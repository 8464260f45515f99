package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/cmd/mailstead/manual"
)

// commandLine is the command line as the manual needs it.
func commandLine() (*manual.Command, error) {
	parser, err := newParser(new(cli))
	if err != nil {
		return nil, err
	}
	return manual.FromModel(parser.Model), nil
}

// newParser reads the command line into c.
func newParser(c *cli, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{kong.Name("mailstead"), kong.Description("A complete mail server."), kong.UsageOnError(), kong.Vars{"config": configPath()}}, options...)...)
}

// configEnv names another place for the configuration file, for images that
// keep it beside the data.
const configEnv = "MAILSTEAD_CONFIG"

// configPath is where the file is looked for when no flag names one.
func configPath() string {
	if file := os.Getenv(configEnv); file != "" {
		return file
	}
	return config.Path
}

// completionCmd is `mailstead completion`.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints the script.
func (c *completionCmd) Run(s streams) error {
	root, err := commandLine()
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.out, manual.Completion(c.Shell, root))
	return err
}

// manualCmd writes what packages and docs/ have of the manual; it is hidden,
// because people read the result.
type manualCmd struct {
	What string `arg:"" enum:"man,references" help:"man: pages of the manual; references: the reference pages of docs/."`
	Dir  string `arg:"" type:"path" help:"The folder to write to."`
}

// Run writes the files.
func (c *manualCmd) Run() error {
	root, err := commandLine()
	if err != nil {
		return err
	}
	files := referencePages(root)
	if c.What == "man" {
		files = map[string]string{}
		for _, p := range append(manual.ManPages(root, version()), manual.ConfigPage(version())) {
			files[p.File] = p.Text
		}
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// referencePages are the pages of docs/ that are made from the program.
func referencePages(root *manual.Command) map[string]string {
	return map[string]string{"reference-cli.md": manual.CLIReference(root), "reference-settings.md": manual.SettingsReference()}
}
